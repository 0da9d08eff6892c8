"""How strong a forecast is, and how wide its interval: made from outcomes realised by its bar alone."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque

import numpy as np
import pandas as pd

from lstm_signal.windows import Array, returns

MIN_STRENGTH = 20  # earlier out-of-sample forecasts that a strength needs
MAX_RESIDUALS = 250  # latest realised residuals that an interval is made from
DECAY = 0.94  # of the EWMA volatility: RiskMetrics Technical Document (1996), daily


def strength(excess: Array) -> Array:
    """Return (bars,) each forecast - mean over the RMS of its *earlier* values; NaN before 20 of them.

    What makes a threshold comparable between models: at a raw threshold the model that says larger numbers
    trades more, whatever its skill.
    """
    known = np.where(np.isfinite(excess), excess, 0.0)
    count = np.concatenate([[0], np.cumsum(np.isfinite(excess))[:-1]])
    squares = np.concatenate([[0.0], np.cumsum(known**2)[:-1]])
    with np.errstate(divide="ignore", invalid="ignore"):
        values = excess / np.sqrt(squares / count)
    return np.where((count >= MIN_STRENGTH) & (squares > 0), values, np.nan)


class Volatility:
    """The EWMA(.94) volatility of returns, bar by bar: the square root of their weighted mean square."""

    def __init__(self) -> None:
        self.squares = self.weights = 0.0

    def update(self, change: float) -> float:
        """Take the next bar's return; return the volatility known at its close, a fraction a bar; NaN before one."""
        if not math.isnan(change):
            self.squares = DECAY * self.squares + change * change
            self.weights = DECAY * self.weights + 1.0
        return math.sqrt(self.squares / self.weights) if self.weights else math.nan


def volatility(prices: pd.DataFrame) -> Array:
    """Return (bars,) the volatility known at each bar; NaN at the first."""
    known = Volatility()
    return np.array([known.update(change) for change in returns(prices).tolist()])


def half_width(residuals: Array, sigma: Array, known_after: int, coverage: float) -> Array:
    """Return (bars,) the half width of each bar's split-conformal interval, from outcomes realised by its close.

    The ceil((n + 1) * coverage)-th smallest of the latest n <= 250 values |residual| / sigma, times the bar's own
    sigma; NaN while n is too small for that rank (fewer than 9 at .9). Scaling by volatility keeps the coverage
    in calm and in wild times; see Vovk, Gammerman and Shafer (2005), doi:10.1007/b106715.

    Parameters
    ----------
    residuals, sigma : ndarray, shape (bars,)
        Outcome - forecast, NaN where missing, and the volatility known at each bar.
    known_after : int
        Bars after t at which the residual of bar t is realised.
    coverage : float
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.abs(residuals) / sigma
    there = np.flatnonzero(np.isfinite(scaled))
    widths = np.full(len(scaled), np.nan)
    for t in range(known_after, len(scaled)):
        stop = int(np.searchsorted(there, t - known_after, side="right"))
        widths[t] = conformal(scaled[there[max(0, stop - MAX_RESIDUALS) : stop]], coverage) * sigma[t]
    return widths


def conformal(realised: Array, coverage: float) -> float:
    """Return the ceil((n + 1) * coverage)-th smallest of the n values; NaN while they are too few for that rank."""
    rank = _rank(len(realised), coverage)
    return float(np.partition(realised, rank - 1)[rank - 1]) if rank else math.nan


def _rank(count: int, coverage: float) -> int:
    rank = math.ceil((count + 1) * coverage - 1e-9)  # 1e-9: 100 * .55 is a hair above 55
    return rank if 1 <= rank <= count else 0


class LiveInterval:
    """Half widths bar by bar, of forecasts made at every bar: the same bits as `half_width` over all of them.

    Parameters
    ----------
    known_after : int
    coverage : float
    """

    def __init__(self, known_after: int, coverage: float) -> None:
        self.known_after, self.coverage, self.volatility = known_after, coverage, Volatility()
        self.sigma = math.nan
        self.made: deque[tuple[float, float]] = deque(maxlen=known_after)  # forecasts not yet realised, and sigma
        self.scaled: deque[float] = deque()  # by age, and in order
        self.ordered: list[float] = []

    def take(self, change: float, outcome: float) -> None:
        """Take the next bar's return, and the outcome that is realised at it, of `known_after` bars before."""
        self.sigma = self.volatility.update(change)
        if len(self.made) == self.known_after:
            forecast, sigma = self.made[0]
            scaled = abs(outcome - forecast) / sigma if sigma else math.inf
            if math.isfinite(scaled):
                self.scaled.append(scaled)
                insort(self.ordered, scaled)
            if len(self.scaled) > MAX_RESIDUALS:
                del self.ordered[bisect_left(self.ordered, self.scaled.popleft())]

    def half_width(self, forecast: float) -> float:
        """Return the half width of the interval of the forecast made at this bar."""
        self.made.append((forecast, self.sigma))
        rank = _rank(len(self.ordered), self.coverage)
        return self.ordered[rank - 1] * self.sigma if rank else math.nan
