"""From bars to what a network sees: features known at bar t, the target it is asked for, rolling windows.

A window is the features of the last ``window`` bars up to and including bar t, shape (T, F). Axes: N windows,
T bars in a window, F features.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from lstm_signal.bars import growth
from lstm_signal.errors import InputError, did_you_mean

Array: TypeAlias = npt.NDArray[np.float64]
FeatureFunction: TypeAlias = Callable[[pd.DataFrame], object]

FEATURES = ("return", "gap", "range")  # each needs the previous close at most: lookback 1
FEATURE_COLUMNS = ("open", "high", "low", "close", "dividend")
TARGETS = ("open", "close", "next_close")


def _log_ratio(later: Array, earlier: Array) -> Array:
    """Log of later / earlier one bar before; NaN at the first bar."""
    return np.concatenate([[np.nan], np.log(later[1:] / earlier[:-1])])


def returns(prices: pd.DataFrame) -> Array:
    """Return (bars,) total log returns log((close_t + dividend_t) / close_{t-1}), a fraction; NaN at the first bar."""
    return built_in(columns_of(prices), "return")


def columns_of(prices: pd.DataFrame) -> dict[str, Array]:
    """Return the columns that the built-in features are made of."""
    return {name: prices[name].to_numpy() for name in FEATURE_COLUMNS}


def built_in(columns: Mapping[str, Array], name: str) -> Array:
    """Return (bars,) a built-in feature of columns of bars; NaN at the first bar where it needs the one before."""
    if name == "range":
        return np.asarray(np.log(columns["high"] / columns["low"]))
    return _log_ratio(columns["close" if name == "return" else "open"] + columns["dividend"], columns["close"])


def lag(target: str, horizon: int) -> int:
    """Return how many bars after t the target of bar t is known."""
    return horizon if target == "close" else horizon + 1


def targets(prices: pd.DataFrame, target: str, horizon: int) -> Array:
    """Return (bars,) the total log return that the forecast of each bar is about; NaN while it is not known.

    ``"open"`` is open_{t+1} to open_{t+1+horizon}, ``"close"`` close_t to close_{t+horizon}, ``"next_close"``
    close_{t+1} to close_{t+1+horizon}: what an order sent at bar t can earn at each fill.
    """
    return outcomes(columns_of(prices), target, horizon)


def outcomes(columns: Mapping[str, Array], target: str, horizon: int) -> Array:
    """Return (bars,) what `targets` returns, of columns of bars."""
    price, dividend = columns["close"], columns["dividend"]
    kept = growth(price, dividend)
    # In shares held after bar t's dividend, so that no value depends on where the history starts.
    if target == "open":
        price = (columns["open"] + dividend) / kept
    bars, start, known = len(price), int(target != "close"), lag(target, horizon)
    outcome = np.full(bars, np.nan)
    if bars > known:
        ratio = price[known:] / price[start : start + bars - known]
        for step in range(start + 1, known + 1):
            ratio = ratio * kept[step : step + bars - known]
        outcome[: bars - known] = np.log(ratio)
    return outcome


def feature(lookback: int) -> Callable[[FeatureFunction], FeatureFunction]:
    """Declare a feature of one's own: a named function of the last ``lookback + 1`` bars that returns one number.

    The function is shown bars t - lookback to t and nothing else, so it cannot see ahead, and it gives the same
    number in a backtest and live. A Series is accepted too: its last value counts.

    Parameters
    ----------
    lookback : int
        Bars before t that the feature needs, 0 or more.

    Examples
    --------
    >>> @feature(lookback=5)
    ... def week_range(prices):
    ...     return prices["high"].max() / prices["low"].min() - 1
    >>> week_range.lookback
    5
    """

    def declare(function: FeatureFunction) -> FeatureFunction:
        setattr(function, "lookback", lookback)  # noqa: B010 (a function has no such field of its own)
        check_feature(function)
        return function

    return declare


def check_feature(item: object) -> None:
    """Raise InputError unless `item` is a built-in feature's name or a named function with a lookback."""
    if isinstance(item, str):
        if item not in FEATURES:
            raise InputError(f"unknown feature {item!r}. {did_you_mean(item, FEATURES)}")
        return
    if not callable(item):
        raise InputError(f"feature {item!r} is neither a name nor a function. {did_you_mean('', FEATURES)}")
    name = getattr(item, "__name__", "<lambda>")
    if name == "<lambda>":
        raise InputError("a lambda cannot be a feature: it has no name to be stored by. Write a def.")
    lookback = getattr(item, "lookback", None)
    if not isinstance(lookback, int) or isinstance(lookback, bool) or lookback < 0:
        raise InputError(
            f"feature {name!r} declares lookback {lookback!r}, must be a whole number of bars, 0 or more: "
            "decorate it with @lstm_signal.feature(lookback=...)."
        )


def describe_feature(item: str | FeatureFunction) -> object:
    """Return what a recipe stores of a feature: its name, and for one's own its lookback and source hash."""
    if isinstance(item, str):
        return item
    return {
        "name": item.__name__,
        "lookback": item.lookback,  # type: ignore[attr-defined]
        "sha256": hashlib.sha256(source_of(item).encode()).hexdigest(),
    }


def source_of(function: Callable[..., Any]) -> str:
    """Return what a function does, as text: its source, or its compiled code where it was typed at a prompt."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return repr((function.__code__.co_code, function.__code__.co_consts))


def warm_up(features: Sequence[str | FeatureFunction]) -> int:
    """Return the bars that the features need beyond the previous close."""
    return max(0, *(getattr(item, "lookback", 1) - 1 for item in features), 0)


def feature_matrix(prices: pd.DataFrame, features: Sequence[str | FeatureFunction]) -> Array:
    """Return (bars, F) the features of each bar, NaN where there is too little history.

    Raises
    ------
    InputError
        If a feature of one's own returns something that is not a finite number; its name and bar are named.
    """
    columns = columns_of(prices)
    found = [built_in(columns, item) if isinstance(item, str) else own_column(prices, item) for item in features]
    return np.ascontiguousarray(np.stack(found, axis=1))


def own_column(prices: pd.DataFrame, function: FeatureFunction) -> Array:
    """Return (bars,) a feature of one's own, NaN while there are too few bars for it."""
    lookback: int = function.lookback  # type: ignore[attr-defined]
    values = np.full(len(prices), np.nan)
    for t in range(lookback, len(prices)):
        answer = function(prices.iloc[t - lookback : t + 1])
        value = pd.to_numeric(pd.Series(np.asarray(answer).reshape(-1)), errors="coerce").to_numpy(dtype="float64")
        if value.size == 0 or not np.isfinite(value[-1]):
            raise InputError(
                f"feature {function.__name__!r} is "
                f"{answer!r} at bar {prices.index[t]}: it must be a finite number "
                f"of its {lookback + 1} bars. Mend it, or declare a longer lookback."
            )
        values[t] = value[-1]
    return values


@dataclass(frozen=True)
class Scaler:
    """Centres and scales features and target, by the training rows alone.

    Attributes
    ----------
    x_mean, x_scale : ndarray, shape (F,)
        Of the features in the training windows.
    y_mean, y_scale : float
        Of the training targets; ``y_mean`` is the ``mean`` forecast.
    """

    x_mean: Array
    x_scale: Array
    y_mean: float
    y_scale: float

    @classmethod
    def fit(cls, x: Array, y: Array, bounded: bool = False) -> Scaler:
        """Return the scaler of training features x (rows, F) and targets y (N,); a constant is only centred.

        `bounded` scales the training targets into (-1, 1), where an h_t can be.
        """
        # By the range: the deviation of a constant is a rounding error, not zero.
        x_scale = np.where(np.ptp(x, axis=0) > 0, x.std(axis=0), 1.0)
        y_scale = 1.05 * np.abs(y - y.mean()).max() if bounded else y.std()
        return cls(x.mean(axis=0), x_scale, float(y.mean()), float(y_scale) if np.ptp(y) > 0 else 1.0)

    def scale(self, x: Array) -> Array:
        """Return features x (rows, F) in training deviations."""
        return (x - self.x_mean) / self.x_scale

    def scale_target(self, y: Array) -> Array:
        """Return targets y (N,) in training deviations."""
        return (y - self.y_mean) / self.y_scale

    def unscale_target(self, y: Array) -> Array:
        """Return a network's answers y (N,) as returns."""
        return self.y_mean + self.y_scale * y
