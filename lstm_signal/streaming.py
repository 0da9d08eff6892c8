"""A fit fed with one bar at a time: the same bits as over a whole history, without torch."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lstm_signal.bars import COLUMNS
from lstm_signal.cells import CarriedStepper, Stepper, step_with_rates
from lstm_signal.errors import InputError
from lstm_signal.fits import Member, mean_and_spread, one_blas_thread
from lstm_signal.recipe import Recipe
from lstm_signal.windows import FEATURE_COLUMNS, Array, built_in, own_column

_MISSING = {"dividend": 0.0, "volume": math.nan}


class Stream:
    """What a fitted recipe says of each next bar. Made by `FittedForecaster.stepper`.

    Parameters
    ----------
    recipe : Recipe
    members : tuple of Member
    """

    def __init__(self, recipe: Recipe, members: tuple[Member, ...]) -> None:
        self.recipe, self.scaler = recipe, members[0].scaler  # fitted on the same rows, the members share it
        self.steps = [member.stepper().step for member in members]
        own = [item for item in recipe.features if not isinstance(item, str)]
        self.bars = 0
        self.pair = {name: np.full(2, np.nan) for name in FEATURE_COLUMNS}  # the bar before, and this one
        longest = max((item.lookback for item in own), default=-1)  # type: ignore[attr-defined]
        self.shown: deque[tuple[Any, list[float]]] = deque(maxlen=longest + 1)  # for features of one's own

    def update(self, bar: Mapping[str, float] | pd.Series | Any) -> float:
        """Take the next bar, at its close; return the forecast made at it.

        Parameters
        ----------
        bar : mapping, Series or object
            With open, high, low and close, and a dividend if one is paid, as items or attributes: a row of prices
            will do, ``prices.iloc[t]`` or one of ``prices.itertuples()``.

        Returns
        -------
        float
            The forecast return, the same bits as `FittedForecaster.predict` at that bar of the history that began
            with the first update; NaN while the first window fills.

        Raises
        ------
        InputError
            If a price is missing or no positive number. The bar is not taken: give it again, corrected.
        """
        said = self.members_at(bar)
        return float(mean_and_spread(said)[0])

    def members_at(self, bar: Mapping[str, float] | pd.Series | Any) -> list[float]:
        """Take the next bar; return what each member says at its close, NaN while the first window fills."""
        values = {name: _number(bar, name) for name in FEATURE_COLUMNS}
        first = self.recipe.warm_up - self.recipe.window + 1
        pair = {name: np.array([before[1], values[name]]) for name, before in self.pair.items()}
        shown = self.shown.copy()
        if shown.maxlen:
            shown.append((_stamp(bar), [values[name] if name in values else _number(bar, name) for name in COLUMNS]))
        full = self.bars >= first
        x = np.array([_feature(item, pair, shown) for item in self.recipe.features] if full else [])
        self.pair, self.shown, self.bars = pair, shown, self.bars + 1  # all is well: the bar is taken
        if not full:
            return [math.nan] * len(self.steps)
        scaled = self.scaler.scale(x)
        with one_blas_thread():
            answers = [self.scaler.y_mean + self.scaler.y_scale * step(scaled) for step in self.steps]
        return answers if self.bars > self.recipe.warm_up else [math.nan] * len(self.steps)


def _feature(item: Any, pair: Mapping[str, Array], shown: deque[tuple[Any, list[float]]]) -> float:
    """Return one feature of the newest bar."""
    if isinstance(item, str):
        return float(built_in(pair, item)[1])
    rows = list(shown)[-item.lookback - 1 :]
    index = pd.DatetimeIndex([stamp for stamp, _ in rows], name="date")
    return float(own_column(pd.DataFrame([row for _, row in rows], columns=list(COLUMNS), index=index), item)[-1])


def _stamp(bar: Any) -> Any:
    """Return when a bar was known, if it says so: a Series' name, a row's Index, an item or attribute `date`."""
    if isinstance(bar, Mapping):
        return bar.get("date", pd.NaT)
    return getattr(bar, "name", getattr(bar, "Index", getattr(bar, "date", pd.NaT)))


def _number(bar: Any, name: str) -> float:
    """Return one column of a bar, or say what is wrong with it."""
    try:
        value = bar[name] if isinstance(bar, Mapping | pd.Series) else getattr(bar, name)
        number = float(value)
    except (KeyError, AttributeError):
        if name in _MISSING:
            return _MISSING[name]
        raise InputError(f"the bar has no {name}: give open, high, low and close.") from None
    except (TypeError, ValueError):
        raise InputError(f"the bar's {name} is {value!r}: it must be a number.") from None
    if name == "volume" or 0 < number < math.inf or (name == "dividend" and number == 0):
        return number
    raise InputError(f"the bar's {name} is {number!r}: it must be {'0 or more' if name == 'dividend' else 'positive'}.")


def rates_over_time(member: Member, x: Array) -> Array:
    """Return (rows, 6, H) what the last layer of one member did with each row of the features x (rows, F).

    Forget, input and output rate, candidate, memory cell and h_t, of the last bar of each window.
    """
    network = member.stepper()
    assert isinstance(network, Stepper | CarriedStepper)
    with one_blas_thread():
        return np.array([step_with_rates(network, row) for row in member.scaler.scale(x)])
