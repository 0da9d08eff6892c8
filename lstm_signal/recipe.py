"""The settings of a forecaster, each checked and each said once; the command line reads its flags from here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from lstm_signal.cells import FIXED, LADDER
from lstm_signal.errors import InputError, did_you_mean
from lstm_signal.windows import TARGETS, FeatureFunction, check_feature, describe_feature, lag, warm_up

_CHOICES = {
    "cell": ("lstm", "rnn", "linear"),
    "target": (*TARGETS, None),
    "loss": ("mse", "huber"),
    "recurrent_start": ("torch", "orthogonal"),
    "readout": ("linear", "state"),
    "state": ("window", "carried"),
}
_NUMBERS: dict[str, tuple[Callable[[float], bool], str]] = {
    "dropout": (lambda value: 0 <= value < 1, "from 0 to below 1"),
    "coverage": (lambda value: 0 < value < 1, "between 0 and 1"),
    "validation": (lambda value: 0 < value < 1, "between 0 and 1"),
    "learning_rate": (lambda value: 0 < value < np.inf, "a positive number"),
    "weight_decay": (lambda value: 0 <= value < np.inf, "0 or more"),
    "forget_bias": (lambda value: -np.inf < value < np.inf, "a finite number"),
}
PARTS = ("output", "input", "forget", "memory", "squash")
_COUNTS = ("window", "horizon", "hidden", "layers", "epochs", "batch", "members", "patience")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of a network and its training, checked; nothing in it is fitted. `Forecaster` adds `fit`.

    Attributes
    ----------
    cell : str
        "lstm", "rnn" or "linear" (ridge regression on the same windows; it has one member and no hidden units).
    without : tuple
        Parts of the LSTM that are eliminated: one of the sets of `LADDER`, which ends in our RNN, or "forget"
        (f = 1: it never forgets) with or without "output".
    coupled : bool
        Tie the input rate to the forget rate, i = 1 - f (Greff et al. 2017, doi:10.1109/TNNLS.2016.2582924).
    window : int
        Bars that a forecast sees.
    horizon : int
        Bars between forecast and outcome.
    features : tuple
        What is known of each bar: "return", "gap" (open to previous close), "range" (log high / low), or
        functions declared with `feature`.
    target : str, optional
        The return that is forecast: "open" (next open to the open `horizon` later), "close" or "next_close".
        Not given, it follows the fill: what the order can earn, "open" for fills at the next open.
    hidden : int
        Hidden units a layer.
    layers : int
        Recurrent layers.
    dropout : float
        Share of h_t dropped between layers while training, 0 to below 1.
    readout : str
        "linear" (a weighted sum of h_t), or "state": the first unit of h_t *is* the fitted value, as in the
        article; the target is then scaled into (-1, 1) by the training rows.
    state : str
        "window" (each forecast starts from zero at its window's first bar), or "carried", as in the article: C_t
        and h_t run on from bar to bar, from zero at the fold's first bar. Trained on the bars in time
        order, in chunks of `window` bars with the state detached between; `batch` does not apply. What came before
        the first bar is felt, above 1 % of a forecast's deviation, for about 60 bars at the defaults, 200 with a
        forget bias of 3, and for ever with ``without="forget"``.
    epochs : int
        Passes over the training windows; with `patience`, the most there are.
    batch : int
        Windows a training step.
    learning_rate : float
        Of AdamW.
    weight_decay : float
        Of AdamW, decoupled.
    patience : int, optional
        Stop early: after so many epochs without a smaller loss on the rows held back, and keep the weights of the best
        epoch (Prechelt 1998, doi:10.1007/3-540-49430-8_3). Not given, all epochs are trained on all training rows.
    validation : float
        With `patience`: the share of the training rows, the latest, that is held back to judge the epochs. Rows whose
        target is not known before the first of them are not trained on.
    loss : str
        "mse" or "huber".
    forget_bias : float
        Of an LSTM's forget rate when training starts.
    recurrent_start : str
        "torch" (uniform) or "orthogonal".
    members : int
        Networks that differ by seed alone; the forecast is their mean.
    coverage : float
        Share of outcomes that the interval shall cover, between 0 and 1.

    Raises
    ------
    InputError
        If a field is unknown or outside its range.
    """

    cell: str = "lstm"
    without: tuple[str, ...] = ()
    coupled: bool = False
    window: int = 20
    horizon: int = 1
    features: tuple[str | FeatureFunction, ...] = ("return",)
    target: str | None = None
    hidden: int = 32
    layers: int = 1
    dropout: float = 0.0
    readout: str = "linear"
    state: str = "window"
    epochs: int = 20
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    patience: int | None = None
    validation: float = 0.2
    loss: str = "mse"
    forget_bias: float = 1.0
    recurrent_start: str = "torch"
    members: int = 5
    coverage: float = 0.9

    def __new__(cls, **fields: object) -> Self:
        """Refuse a field that there is not, with a hint."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in fields:
            if name not in known:
                raise InputError(f"a {cls.__name__} has no field {name!r}. {did_you_mean(name, known)}")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            value = getattr(self, name)
            if value not in known:
                raise InputError(f"unknown {name} {value!r}. {did_you_mean(value, filter(None, known))}")
        for name in _COUNTS:
            value = getattr(self, name)
            if name == "patience" and value is None:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError(f"{name}={value!r} must be a whole number, 1 or more.")
        for name, (right, rule) in _NUMBERS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float | np.floating | np.integer):
                value = np.nan
            if not right(float(value)):
                raise InputError(f"{name}={getattr(self, name)!r} must be {rule}.")
            object.__setattr__(self, name, float(value))  # 1 and 1.0 are one recipe, and have one key
        self._check_parts()
        alone = isinstance(self.features, str) or callable(self.features)
        features = (self.features,) if alone else tuple(self.features)
        object.__setattr__(self, "features", features)
        for item in features:
            check_feature(item)
        if not features or len(set(features)) < len(features):
            raise InputError(f"features={features!r} must name at least one feature, each once.")

    def _check_parts(self) -> None:
        """Refuse what cannot be eliminated, and put the parts in the order of the ladder."""
        if not isinstance(self.without, str | tuple | list | set | frozenset):
            raise InputError(f"without={self.without!r} must be a tuple of parts, as in ('output', 'input').")
        given = (self.without,) if isinstance(self.without, str) else tuple(self.without)
        for part in given:
            if part not in PARTS:
                raise InputError(f"without={given!r}: there is no part {part!r}. {did_you_mean(part, PARTS)}")
        parts = tuple(part for part in PARTS if part in given)
        object.__setattr__(self, "without", parts)
        if parts not in (*LADDER, ("forget",), ("output", "forget")):
            sets = ", ".join(repr(set_) for set_ in LADDER[1:])
            raise InputError(f"without={parts!r} is none of {sets}, ('forget',), ('output', 'forget'): take one.")
        if not isinstance(self.coupled, bool):
            raise InputError(f"coupled={self.coupled!r} must be True or False.")
        if self.cell != "lstm" and (parts or self.coupled):
            raise InputError(f"without and coupled are about an LSTM's rates; a {self.cell} has none: leave them out.")
        if self.cell == "linear" and (self.readout, self.state) != ("linear", "window"):
            raise InputError("the linear model has no state: leave readout and state out, or use another cell.")
        if self.coupled and set(parts) & {"input", "forget", "memory"}:
            raise InputError(f"coupled needs both rates that it ties, but without={parts!r} eliminates one.")

    @property
    def trained_cell(self) -> str:
        """The cell that is trained and forecasts: the last rung of the ladder is the RNN itself."""
        return "rnn" if "squash" in self.without else self.cell

    def replace(self, **changes: Any) -> Self:
        """Return the same recipe with some fields changed; with another cell, without what that cell has not."""
        fields: dict[str, Any] = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        if changes.get("cell", self.cell) != self.cell:
            fields |= {"without": (), "coupled": False}
            fields |= {"readout": "linear", "state": "window"} if changes["cell"] == "linear" else {}
        return type(self)(**(fields | changes))

    @property
    def parameters(self) -> int:
        """Numbers that training moves, in one member; fixed and tied ones do not count."""
        inputs = len(self.features)
        if self.cell == "linear":
            return self.window * inputs + 1
        fixed = len(set(self.without) & set(FIXED)) + self.coupled
        blocks, hidden = (4 - fixed if self.trained_cell == "lstm" else 1), self.hidden
        first = blocks * hidden * (inputs + hidden + 2)
        readout = hidden + 1 if self.readout == "linear" else 0
        return first + (self.layers - 1) * blocks * hidden * (2 * hidden + 2) + readout

    def matched(self, cell: str) -> Self:
        """Return the recipe with another cell, and the hidden size whose number of parameters is nearest."""
        sizes = range(1, 4 * self.hidden + 2)
        return min(
            (self.replace(cell=cell, hidden=size) for size in sizes),
            key=lambda recipe: abs(recipe.parameters - self.parameters),
        )

    @property
    def lag(self) -> int:
        """Bars after t at which the target of bar t is known."""
        return lag(self.resolved_target, self.horizon)

    @property
    def resolved_target(self) -> str:
        """The target, "open" where none is given."""
        return self.target or "open"

    @property
    def warm_up(self) -> int:
        """Bars before the first full window: `window`, and what the longest feature needs beyond one bar."""
        return self.window + warm_up(self.features)

    def split(self, rows: int) -> tuple[int, int]:
        """Return where training stops and where judging starts among a fold's training rows, early stopping's share.

        The rows held back lie behind the lag, as a walk's test bars do: the target of the last row trained on is known
        at the first of them. Without `patience` nothing is held back.

        Raises
        ------
        InputError
            If nothing is left to train on.

        Examples
        --------
        >>> Recipe(patience=3).split(1000)  # lag 2: row 798's target is known at row 800
        (799, 800)
        """
        if self.patience is None or self.cell == "linear":
            return rows, rows
        held = max(1, round(self.validation * rows))
        stop = rows - held - self.lag + 1
        if stop < 1:
            raise InputError(
                f"{rows} training rows less {held} held back (validation={self.validation:g}) and the lag of "
                f"{self.lag} leave none to train on. Raise train, lower validation, or leave patience out."
            )
        return stop, rows - held

    @property
    def seeds(self) -> range:
        """The members' numbers; the linear model has one solution, and so one member."""
        return range(1 if self.cell == "linear" else self.members)

    def deciding(self) -> dict[str, Any]:
        """Return the fields that decide the weights of one member, as `describe` has them."""
        told = self.describe()
        if self.cell == "linear":
            return {name: told[name] for name in ("cell", "window", "horizon", "features", "target")}
        aside = {"members", "coverage", *(("validation",) if self.patience is None else ())}
        return {name: value for name, value in told.items() if name not in aside}

    def describe(self) -> dict[str, Any]:
        """Return the recipe as JSON can hold it; a feature of one's own as its name, lookback and source hash."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        features = [describe_feature(item) for item in self.features]
        return fields | {"without": list(self.without), "features": features, "target": self.resolved_target}
