"""Is it luck? Tests of forecasts and of money: pure functions of arrays; NaN and the reason where one is undefined.

Which of them may decide is settled in `verdict`. On a random walk Diebold-Mariano against naive rejects nearly always
for a model of twenty lags: it answers "is the error lower?", not "is there skill?".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from lstm_signal.bootstrap import DRAWS, MIN_BARS, SEED, Array, block_length, drawn

NAN = float("nan")
_EULER = 0.5772156649015329


class Finding(NamedTuple):
    """A statistic and its p-value, both NaN where it is undefined, with the reason."""

    statistic: float
    p: float
    reason: str = ""


def _undefined(reason: str) -> Finding:
    return Finding(NAN, NAN, reason)


# Means


def newey_west(x: Array, lags: int) -> float:
    """Return the long-run variance of x: its autocovariances up to `lags`, with Bartlett weights.

    Newey and West, Econometrica 55:703 (1987), doi:10.2307/1913610.
    """
    away = x - x.mean()
    total = float(away @ away)
    for k in range(1, min(lags, len(x) - 1) + 1):
        total += 2 * (1 - k / (lags + 1)) * float(away[k:] @ away[:-k])
    return total / len(x)


def mean_error(x: Array, horizon: int = 1) -> float:
    """Return the standard error of the mean of x, 0 where x never changes; see `mean_test`."""
    variance = float(np.var(x, ddof=1)) if horizon == 1 else newey_west(x, horizon + 5)
    if not variance > 1e-30 * max(1.0, float(np.mean(x)) ** 2) or np.ptp(x) == 0:
        return 0.0
    return math.sqrt(variance / len(x))


def mean_test(x: Array, horizon: int = 1, *, two_sided: bool = False) -> Finding:
    """Return the t-test of a mean of zero against a positive one, or any other if `two_sided`.

    For a horizon above 1, whose outcomes overlap, with Newey-West's variance of lag horizon + 5.

    Examples
    --------
    >>> round(mean_test(np.array([1.0, 2.0, 3.0])).statistic, 4)
    3.4641
    """
    if len(x) < 2:
        return _undefined("fewer than two outcomes are known")
    error = mean_error(x, horizon)
    if not error > 0:
        return _undefined("it never changes")
    t = float(np.mean(x)) / error
    p = 2 * stats.t.sf(abs(t), len(x) - 1) if two_sided else stats.t.sf(t, len(x) - 1)
    return Finding(t, float(p))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for how many they are; NaN stays and does not count.

    Holm, Scandinavian Journal of Statistics 6:65 (1979).

    Examples
    --------
    >>> holm([0.04, 0.01, float("nan")])
    [0.04, 0.02, nan]
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    adjusted, least = [NAN] * len(p_values), 0.0
    for rank, (p, place) in enumerate(known):
        least = max(least, min(1.0, (len(known) - rank) * p))
        adjusted[place] = least
    return adjusted


# Forecasts


def clark_west(outcome: Array, forecast: Array, mean: Array, horizon: int = 1) -> Finding:
    """Return the test of skill against the mean: the one-sided t of (outcome - mean) (forecast - mean).

    Against the training rows' mean, never against zero, which would sell a drift as skill. Clark and West, Journal of
    Econometrics 138:291 (2007), doi:10.1016/j.jeconom.2006.05.023.
    """
    found = mean_test((outcome - mean) * (forecast - mean), horizon)
    still = "the forecasts do not differ from the mean, or the outcomes do not"
    return _undefined(still) if len(outcome) > 1 and math.isnan(found.p) else found


def diebold_mariano(first: Array, second: Array, horizon: int = 1, power: int = 2) -> Finding:
    """Return the two-sided test of equal accuracy; a negative statistic says that the first errors are smaller.

    With the small-sample correction of Harvey, Leybourne and Newbold, International Journal of Forecasting 13:281
    (1997), doi:10.1016/S0169-2070(96)00719-4. It says whether an error is lower, not whether there is skill.

    Parameters
    ----------
    first, second : ndarray, shape (bars,)
        Errors of the two.
    horizon : int
    power : {1, 2}
        Of the loss: absolute or squared errors.
    """
    d = np.abs(first) ** power - np.abs(second) ** power
    n, h = len(d), horizon
    if n < 2 or np.ptp(d) == 0:
        return _undefined("the errors are the same" if n > 1 else "fewer than two outcomes are known")
    away = d - d.mean()
    covariances = [float(away[k:] @ away[: n - k]) / n for k in range(min(h, n))]
    variance = (covariances[0] + 2 * sum(covariances[1:])) / n
    if variance <= 0:
        return _undefined("the variance of the difference comes out negative")
    statistic = d.mean() / math.sqrt(variance) * math.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    return Finding(float(statistic), float(2 * stats.t.sf(abs(statistic), n - 1)))


def pesaran_timmermann(outcome: Array, forecast: Array, horizon: int = 1) -> Finding:
    """Return the one-sided test that the forecast's signs tell the outcome's.

    Pesaran and Timmermann, Journal of Business & Economic Statistics 10:461 (1992), doi:10.2307/1391822.
    """
    if horizon > 1:
        return _undefined("not made for overlapping outcomes")
    up, said, n = outcome > 0, forecast > 0, len(outcome)
    p, q = (float(np.mean(each)) if n else NAN for each in (up, said))
    if n < 2 or p in (0.0, 1.0) or q in (0.0, 1.0):
        return _undefined("the forecast or the outcome never changes sign")
    hits = float(np.mean(up == said))
    expected = p * q + (1 - p) * (1 - q)
    of_hits = expected * (1 - expected) / n
    of_expected = ((2 * p - 1) ** 2 * q * (1 - q) + (2 * q - 1) ** 2 * p * (1 - p)) / n
    of_expected += 4 * p * q * (1 - p) * (1 - q) / n**2
    if of_hits <= of_expected:
        return _undefined("too few bars")
    statistic = (hits - expected) / math.sqrt(of_hits - of_expected)
    return Finding(statistic, float(stats.norm.sf(statistic)))


def anatolyev_gerko(outcome: Array, forecast: Array, horizon: int = 1) -> Finding:
    """Return the one-sided test that trading by the forecast's sign earns more than chance.

    Anatolyev and Gerko, Journal of Business & Economic Statistics 23:455 (2005), doi:10.1198/073500104000000640.
    """
    if horizon > 1:
        return _undefined("not made for overlapping outcomes")
    side = np.where(forecast > 0, 1.0, -1.0)
    if len(outcome) < 2 or np.ptp(side) == 0 or np.ptp(outcome) == 0:
        return _undefined("the forecast never changes sign, or the outcome never changes")
    statistic = math.sqrt(len(outcome)) * float(np.corrcoef(side, outcome)[0, 1])
    return Finding(statistic, float(stats.norm.sf(statistic)))


# Money


def probabilistic_sharpe(sharpe: float, count: int, skew: float, kurtosis: float, against: float = 0.0) -> float:
    """Return the probability that the true Sharpe ratio exceeds `against`; both of one bar, raw kurtosis (3: normal).

    Bailey and Lopez de Prado, Journal of Risk 15(2) (2012), doi:10.21314/JOR.2012.255.
    """
    spread = 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2
    return float(stats.norm.cdf((sharpe - against) * math.sqrt(count - 1) / math.sqrt(spread))) if spread > 0 else NAN


def expected_best_sharpe(trials: int, variance: float) -> float:
    """Return the Sharpe ratio that the best of so many trials without skill is expected to have; 0 for one.

    Bailey and Lopez de Prado, Journal of Portfolio Management 40(5):94 (2014), doi:10.3905/jpm.2014.40.5.094.
    """
    if trials <= 1:
        return 0.0
    best = (1 - _EULER) * stats.norm.ppf(1 - 1 / trials) + _EULER * stats.norm.ppf(1 - 1 / (trials * math.e))
    return float(math.sqrt(variance) * best)


def minimum_track_record(sharpe: float, against: float, skew: float, kurtosis: float, confidence: float) -> float:
    """Return how many bars show a Sharpe ratio above `against`; infinity if it is no higher."""
    if sharpe <= against:
        return math.inf
    spread = 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2
    return float(1 + spread * (stats.norm.ppf(confidence) / (sharpe - against)) ** 2)


class Alpha(NamedTuple):
    """What a strategy earned beyond its exposure to the asset, a fraction a bar, with its standard error.

    `p` is of an alpha above zero, given that all strategies beside it were tried; NaN with the error, where the
    strategy adds nothing to the asset, and for fewer than 20 bars (value and exposure, too, for fewer than two).
    """

    value: float
    error: float
    exposure: float
    p: float


def alphas(strategies: Array, asset: Array, *, draws: int = DRAWS, seed: int = SEED) -> list[Alpha]:
    """Return the intercept of each strategy's excess returns on the asset's.

    Standard errors are Newey-West's of lag 4 (n / 100)^(2/9). p is (1 + exceeding draws) / (1 + draws) of the largest
    t of each draw of a stationary bootstrap, centred: White, Econometrica 68:1097 (2000), doi:10.1111/1468-0262.00152.

    Parameters
    ----------
    strategies : ndarray, shape (bars, strategies)
        Excess returns, a fraction a bar.
    asset : ndarray, shape (bars,)
    draws, seed : int
    """
    values, errors, exposures = _alphas(strategies.T, asset)  # (strategies,)
    p_values = np.full(len(values), NAN)
    tried = np.isfinite(errors)
    if len(asset) >= MIN_BARS and tried.any():
        found = values[tried] / errors[tried]
        largest = _largest_t(strategies[:, tried], asset, values[tried], draws, seed)
        p_values[tried] = (1 + (largest[:, None] >= found).sum(axis=0)) / (1 + draws)
    return [Alpha(*map(float, each)) for each in zip(values, errors, exposures, p_values, strict=True)]


def _largest_t(strategies: Array, asset: Array, values: Array, draws: int, seed: int) -> Array:
    """Return the largest t of each draw, of alphas less those that were found."""
    largest = []
    for chunk in drawn(np.column_stack([asset, strategies]), block_length(strategies), draws, seed):
        again, errors, _ = _alphas(chunk[1:], chunk[0])  # (strategies, draws)
        t = (again - values[:, None]) / errors
        largest.append(np.where(np.isnan(t), -math.inf, t).max(axis=0))
    return np.concatenate(largest)


def _alphas(strategies: Array, asset: Array) -> tuple[Array, Array, Array]:
    """Return intercept, its error and slope of strategies (strategies, bars, ...) on an asset (bars, ...)."""
    n = len(asset)
    if n < 2:
        return np.full(len(strategies), NAN), np.full(len(strategies), NAN), np.full(len(strategies), NAN)
    mean = asset.mean(axis=0)
    away = asset - mean
    squares = (away * away).sum(axis=0)
    slope = np.divide(away, squares, out=np.zeros_like(away), where=squares > 0)
    exposures = np.einsum("sn...,n...->s...", strategies, slope)
    values = strategies.mean(axis=1) - exposures * mean
    left = strategies - values[:, None] - asset * exposures[:, None]
    moves = (1 / n - slope * mean) * left  # what each bar adds to the intercept
    total = np.einsum("sn...,sn...->s...", moves, moves)
    lags = int(4 * (n / 100) ** (2 / 9))
    for k in range(1, min(lags, n - 1) + 1):
        total += 2 * (1 - k / (lags + 1)) * np.einsum("sn...,sn...->s...", moves[:, k:], moves[:, :-k])
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(total)
    return values, np.where(errors > 1e-15, errors, NAN), exposures
