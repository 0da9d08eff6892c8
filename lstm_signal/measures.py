"""Forecast and trading measures: pure functions, each number with its unit, or with the reason why there is none.

Those of bars take arrays whose first axis is the bars, so that the same function measures what happened, (bars,), and
what is drawn again of it, (bars, draws).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import empyrical
import numpy as np
import numpy.typing as npt
import pandas as pd

from lstm_signal.units import FORECAST_ROWS, TRADING_ROWS, Measure, measured

Array = npt.NDArray[np.float64]

WEEKDAYS_A_YEAR, DAYS_A_YEAR, WEEKS_A_YEAR, MONTHS_A_YEAR = 252, 365, 52, 12


def ratio(part: Any, whole: Any) -> Any:
    """Return part / whole, NaN where whole is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole != 0, np.divide(part, whole), np.nan)[()]


# Forecasts


class Judged(NamedTuple):
    """Forecasts beside what came of them, of the bars whose outcome is known, (bars, ...) each.

    Log returns; `mean` is the training rows' mean return at each bar, `lower` and `upper` the forecast's interval, NaN
    where it has none. Ranks are those among all bars.
    """

    outcome: Array
    forecast: Array
    mean: Array
    lower: Array
    upper: Array
    outcome_rank: Array
    forecast_rank: Array


def judged(outcome: Array, forecast: Array, mean: Array, lower: Array | None, upper: Array | None) -> Judged:
    """Return forecasts beside what came of them; no NaN in outcome and forecast."""
    nothing = np.full(len(outcome), np.nan)
    lower, upper = (nothing if end is None else end for end in (lower, upper))
    ranks = pd.DataFrame({"outcome": outcome, "forecast": forecast}).rank().to_numpy()
    return Judged(outcome, forecast, mean, lower, upper, ranks[:, 0], ranks[:, 1])


def correlation(outcome: Array, forecast: Array) -> Any:
    """Return Pearson's correlation, NaN if one of the two never changes.

    Examples
    --------
    >>> round(float(correlation(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]))), 4)
    0.982
    """
    (a, b), (one, other) = _away(outcome, forecast), _squares(outcome, forecast)
    return ratio((a * b).sum(axis=0), np.sqrt(one * other))


def _away(*series: Array) -> list[Array]:
    return [values - values.mean(axis=0) if len(values) else values for values in series]


def _squares(*series: Array) -> list[Any]:
    """Return the sum of squares about the mean, exactly 0 for a constant whatever the rounding of its mean."""
    return [
        np.where(np.ptp(values, axis=0) > 0, (away * away).sum(axis=0), 0.0)[()] if len(values) else 0.0
        for values, away in zip(series, _away(*series), strict=True)
    ]


def _r2(outcome: Array, forecast: Array, base: Array) -> Any:
    """Return 1 - squared errors / those of the base; Campbell and Thompson (2008), doi:10.1093/rfs/hhm055."""
    worst = ((outcome - base) ** 2).sum(axis=0)
    return ratio(worst - ((outcome - forecast) ** 2).sum(axis=0), worst)


def _slope(bars: Judged) -> Any:
    """Return the slope of outcomes on forecasts: below 1 for forecasts that say too much."""
    a, b = _away(bars.outcome, bars.forecast)
    return ratio((a * b).sum(axis=0), _squares(bars.forecast)[0])


def _coverage(bars: Judged) -> Any:
    inside = (bars.lower <= bars.outcome) & (bars.outcome <= bars.upper)
    return ratio(inside.sum(axis=0), np.isfinite(bars.lower).sum(axis=0))


def _width(bars: Judged) -> Any:
    there = np.isfinite(bars.lower)
    return ratio(np.where(there, bars.upper - bars.lower, 0.0).sum(axis=0), there.sum(axis=0))


_FLAT, _NO_INTERVAL = "the forecast or the price never changes", "it says no interval, or too few outcomes were known"
NO_MEAN = "no training mean: the forecasts were made elsewhere"
NEVER_TRADED = "no return but that of cash: no order was filled"
OF_FORECASTS: dict[str, tuple[Callable[[Judged], Any], str]] = {
    "rmse": (lambda bars: np.sqrt(((bars.outcome - bars.forecast) ** 2).mean(axis=0)), ""),
    "mae": (lambda bars: np.abs(bars.outcome - bars.forecast).mean(axis=0), ""),
    "r2": (lambda bars: _r2(bars.outcome, bars.forecast, bars.mean), "the outcomes are the mean"),
    "r2_naive": (lambda bars: _r2(bars.outcome, bars.forecast, 0.0 * bars.forecast), "no price has moved"),
    "hit_rate": (
        lambda bars: ratio(
            (bars.outcome * bars.forecast > 0).sum(axis=0), ((bars.outcome != 0) & (bars.forecast != 0)).sum(axis=0)
        ),
        "the forecast, or the price, goes neither up nor down",
    ),
    "correlation": (lambda bars: correlation(bars.outcome, bars.forecast), _FLAT),
    "rank_correlation": (lambda bars: correlation(bars.outcome_rank, bars.forecast_rank), _FLAT),
    "bias": (lambda bars: (bars.forecast - bars.outcome).mean(axis=0), ""),
    "slope": (_slope, _FLAT),
    "coverage": (_coverage, _NO_INTERVAL),
    "width": (_width, _NO_INTERVAL),
}


def forecast_measures(
    outcome: Array, forecast: Array, mean: Array, spread: Array, lower: Array | None = None, upper: Array | None = None
) -> dict[str, Measure]:
    """Return the forecast measures over bars whose outcome is known.

    Parameters
    ----------
    outcome, forecast, mean : ndarray, shape (bars,)
        Log returns; `mean` is the training rows' mean return at each bar. No NaN in outcome and forecast.
    spread : ndarray, shape (bars,)
        Deviation over members, NaN without members.
    lower, upper : ndarray, shape (bars,), optional
        Of the forecast's interval, NaN where it has none.
    """
    bars = judged(outcome, forecast, mean, lower, upper)
    reasons = {key: reason for key, (_, reason) in OF_FORECASTS.items()}
    if np.isnan(mean).any():
        reasons["r2"] = NO_MEAN
    measures = {key: measured(FORECAST_ROWS, key, of(bars), reasons[key]) for key, (of, _) in OF_FORECASTS.items()}
    measures["spread"] = measured(FORECAST_ROWS, "spread", float(np.mean(spread)), "there is one member, or none")
    return measures


# Money


class Traded(NamedTuple):
    """What a run did bar by bar, (bars, ...) each, fractions of the equity before: see `Run.flows`."""

    returns: Array
    excess: Array
    traded: Array
    paid: Array


def _calmar(bars: Traded, a_year: float) -> Any:
    return ratio(empyrical.annual_return(bars.returns, annualization=a_year), -empyrical.max_drawdown(bars.returns))


def _drawdown_length(bars: Traded, _a_year: float) -> Any:
    """Return the largest number of bars in a row whose equity is below the highest one so far."""
    equity = np.concatenate([np.ones_like(bars.returns[:1]), np.cumprod(1 + bars.returns, axis=0)])
    bar = np.arange(len(equity)).reshape(-1, *[1] * (equity.ndim - 1))
    peak = np.maximum.accumulate(np.where(equity >= np.maximum.accumulate(equity, axis=0), bar, 0), axis=0)
    return (bar - peak).max(axis=0)


def _skew(bars: Traded, _a_year: float) -> Any:
    (away,), (squares,) = _away(bars.returns), _squares(bars.returns)
    return ratio((away**3).mean(axis=0), (squares / len(away)) ** 1.5)


OF_TRADING: dict[str, Callable[[Traded, float], Any]] = {
    "annual_return": lambda bars, a_year: empyrical.annual_return(bars.returns, annualization=a_year),
    "volatility": lambda bars, a_year: empyrical.annual_volatility(bars.returns, annualization=a_year),
    "sharpe": lambda bars, a_year: empyrical.sharpe_ratio(bars.excess, annualization=a_year),
    "sortino": lambda bars, a_year: empyrical.sortino_ratio(bars.excess, annualization=a_year),
    "calmar": _calmar,
    "max_drawdown": lambda bars, _: empyrical.max_drawdown(bars.returns),
    "drawdown_length": _drawdown_length,
    "skew": _skew,
    "break_even": lambda bars, _: ratio((bars.excess + bars.paid).sum(axis=0), bars.traded.sum(axis=0)),
}


def trading_measures(
    bars: Traded, exposure: Array, traded: float, costs: float, earned: Array, trades: int, mean_equity: float,
    periods_per_year: float,
) -> dict[str, Measure]:  # fmt: skip
    """Return the trading measures of a run.

    Parameters
    ----------
    bars : Traded
    exposure : ndarray, shape (bars,)
        Value held / equity at each close.
    traded, costs : float
        Value of all fills; commission, slippage and borrow paid; in money.
    earned : ndarray, shape (closed trades,)
        By each closed trade after its costs, in money.
    trades : int
        The open one, too.
    mean_equity : float
        In money.
    periods_per_year : float
        Bars a year.
    """
    years = len(bars.returns) / periods_per_year or np.nan  # no bar, no year
    values = _of_bars(bars, periods_per_year) | of_trades(earned)
    values |= {"exposure": np.abs(exposure).mean() if len(exposure) else np.nan, "trades": trades}
    values |= {"turnover": traded / mean_equity / years, "costs": costs / mean_equity / years}
    few = "more than all money was lost" if _ruined(bars) else "fewer than two bars"
    flat = NEVER_TRADED if len(bars.returns) > 1 else few
    reasons = dict.fromkeys(("sharpe", "sortino", "skew"), flat) | {
        "sortino": "no bar earned less than cash" if moves(bars.excess) else flat,
        "calmar": few if _ruined(bars) else "there was no drawdown", "break_even": "nothing was traded",
        "winners": "no trade was closed", "payoff": "no closed trade won, or none lost",
    }  # fmt: skip
    return {
        key: measured(TRADING_ROWS, key, values.get(key, np.nan), reasons.get(key, few))
        for key in TRADING_ROWS
        if not key.endswith(("_sharpe", "track_record"))  # `estimates` and `comparison` add what needs a distribution
    }


def moves(excess: Array) -> bool:
    """Return whether returns above cash change by more than the rounding of the last bit."""
    return len(excess) > 1 and bool(np.ptp(excess) > 1e-12)


def _ruined(bars: Traded) -> bool:
    return bool((bars.returns < -1).any())  # a short can cost more than there is


def _of_bars(bars: Traded, periods_per_year: float) -> dict[str, Any]:
    if not len(bars.returns):
        return {}
    skipped = {"annual_return", "calmar"} if _ruined(bars) else set()
    if not moves(bars.excess):
        skipped |= {"sharpe", "sortino", "skew"}
    return {key: of(bars, periods_per_year) for key, of in OF_TRADING.items() if key not in skipped}


def of_trades(earned: Array) -> dict[str, Any]:
    """Return the share of trades (trades, ...) that earned something, and the mean won over the mean lost."""
    if not len(earned):
        return {}
    won, lost = earned > 0, earned < 0
    means = [ratio(np.where(there, earned, 0.0).sum(axis=0), there.sum(axis=0)) for there in (won, lost)]
    return {"winners": won.mean(axis=0), "payoff": ratio(means[0], -means[1])}


def periods_per_year(stamps: pd.DatetimeIndex) -> float:
    """Return how many bars a year has, from the bars' own calendar.

    Daily bars: 252, or 365 where weekends are traded; weekly 52, monthly 12; intraday bars are counted.

    Examples
    --------
    >>> periods_per_year(pd.bdate_range("2024-01-01", periods=30))
    252
    >>> periods_per_year(pd.date_range("2024-01-01", periods=30))
    365
    """
    days = np.diff(stamps.as_unit("ns").asi8) / 86_400e9
    typical = float(np.median(days)) if len(days) else 1.0
    if typical >= 20:
        return MONTHS_A_YEAR
    if typical >= 5:
        return WEEKS_A_YEAR
    if typical >= 1:
        return DAYS_A_YEAR if (stamps.day_of_week >= 5).mean() > 0.1 else WEEKDAYS_A_YEAR
    span = (stamps[-1] - stamps[0]) / pd.Timedelta(days=1)
    return float(len(days) / span * 365.25)
