"""How strong a forecast is, and how wide its interval: made from outcomes realised by its bar alone."""

from __future__ import annotations

import math

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


def volatility(prices: pd.DataFrame) -> Array:
    """Return (bars,) the EWMA(.94) volatility of returns known at each bar, a fraction a bar; NaN at the first bar."""
    squares = pd.Series(returns(prices) ** 2)
    return np.asarray(np.sqrt(squares.ewm(alpha=1 - DECAY, adjust=True, ignore_na=True).mean().to_numpy()))


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
        realised = scaled[there[max(0, stop - MAX_RESIDUALS) : stop]]
        rank = math.ceil((len(realised) + 1) * coverage - 1e-9)  # 1e-9: 100 * .55 is a hair above 55
        if 1 <= rank <= len(realised):
            widths[t] = np.partition(realised, rank - 1)[rank - 1] * sigma[t]
    return widths
