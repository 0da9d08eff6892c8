"""Which bars train and which are forecast: the walk's folds, in time order."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, NamedTuple

from lstm_signal.errors import InputError, did_you_mean


class Fold(NamedTuple):
    """Positions of one fold's bars, 0-based.

    Attributes
    ----------
    number : int
    first, last : int
        The first and the last training stamp.
    test_start, test_stop : int
        The first test bar, which is also the last bar the fit sees, and the bar after the last test bar.
    """

    number: int
    first: int
    last: int
    test_start: int
    test_stop: int


@dataclass(frozen=True, kw_only=True)
class WalkForward:
    """Refit on the latest bars, forecast the next ones, move on.

    Attributes
    ----------
    train : int
        Training stamps of a fold: bars whose window is full and whose target is known.
    test : int
        Bars forecast by one fit, and so the bars between two refits.
    anchored : bool
        False trains on the latest `train` stamps (rolling); True on all from the first on (growing).

    Warnings
    --------
    A fold's last training stamp lies `lag` bars before its first test bar, because only then its target is known.
    The fit that forecasts bar t is made at the close of the fold's first test bar or earlier, never with a bar
    after t.

    Examples
    --------
    >>> for fold in WalkForward(train=100, test=50).folds(bars=250, warm_up=20, lag=2):
    ...     print(fold.first, fold.last, "|", fold.test_start, fold.test_stop)
    20 119 | 121 171
    70 169 | 171 221
    120 219 | 221 250
    """

    train: int = 1000
    test: int = 250
    anchored: bool = False

    def __new__(cls, **fields: object) -> WalkForward:
        """Refuse a field that there is not, with a hint."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in fields:
            if name not in known:
                raise InputError(f"a WalkForward has no field {name!r}. {did_you_mean(name, known)}")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for name, least in (("train", 2), ("test", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InputError(f"{name}={value!r} must be a whole number of bars, {least} or more.")

        if not isinstance(self.anchored, bool):
            raise InputError(f"anchored={self.anchored!r} must be True (grow from the first bar) or False (roll).")

    def bars_needed(self, warm_up: int, lag: int) -> int:
        """Return the bars that hold one whole fold, its outcomes included."""
        return warm_up + self.train + self.test + 2 * lag - 1

    def first_test(self, warm_up: int, lag: int) -> int:
        """Return the position of the first test bar: where the target of the last of `train` stamps is known."""
        return warm_up + self.train - 1 + lag

    def folds(self, bars: int, warm_up: int, lag: int) -> list[Fold]:
        """Return the folds of a history, the last one cut short by its end.

        Parameters
        ----------
        bars : int
            Bars of the history.
        warm_up : int
            Bars before the first full window.
        lag : int
            Bars after t at which the target of bar t is known.

        Raises
        ------
        InputError
            If the history holds less than one whole fold; the message says how many bars it takes.
        """
        needed = self.bars_needed(warm_up, lag)
        if bars < needed:
            raise InputError(
                f"{bars} bars cannot hold one fold: warm-up {warm_up} + train {self.train} + test {self.test} + "
                f"2 x lag {lag} - 1 needs {needed}. Load an earlier start, or shrink train or test."
            )
        first_test = self.first_test(warm_up, lag)
        return [
            Fold(
                number=number,
                first=warm_up if self.anchored else start - lag - self.train + 1,
                last=start - lag,
                test_start=start,
                test_stop=min(start + self.test, bars),
            )
            for number, start in enumerate(range(first_test, bars, self.test))
        ]

    def describe(self) -> dict[str, Any]:
        """Return the schedule as JSON can hold it."""
        return dataclasses.asdict(self)
