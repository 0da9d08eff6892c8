"""Forecast and trading measures: pure functions, each number with its unit, or with the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import empyrical
import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]

WEEKDAYS_A_YEAR, DAYS_A_YEAR, WEEKS_A_YEAR, MONTHS_A_YEAR = 252, 365, 52, 12


class Measure(NamedTuple):
    """A number, its unit, and where it is undefined (`value` None) the reason."""

    value: float | None
    unit: str
    reason: str = ""


class Row(NamedTuple):
    """How a measure is shown: its label with the unit in it, the factor and the digits."""

    label: str
    unit: str
    factor: float
    digits: int


# What a table shows, in its order. Units are those of report.json; a fraction is shown in per cent.
FORECAST_ROWS = {
    "rmse": Row("RMSE [%]", "log return", 100, 4),
    "mae": Row("MAE [%]", "log return", 100, 4),
    "r2": Row("R2 against the mean [%]", "fraction", 100, 2),
    "hit_rate": Row("Hit rate [%]", "fraction", 100, 1),
    "correlation": Row("Correlation", "ratio", 1, 3),
    "spread": Row("Spread over members [%]", "log return", 100, 4),
}
TRADING_ROWS = {
    "annual_return": Row("Return (ann.) [%]", "fraction a year", 100, 2),
    "volatility": Row("Volatility (ann.) [%]", "fraction a year", 100, 2),
    "sharpe": Row("Sharpe ratio (ann.)", "ratio", 1, 2),
    "max_drawdown": Row("Max. drawdown [%]", "fraction", 100, 1),
    "exposure": Row("Exposure, average [%]", "fraction of equity", 100, 1),
    "turnover": Row("Turnover [x equity a year]", "equity a year", 1, 1),
    "trades": Row("Trades [#]", "count", 1, 0),
    "costs": Row("Costs [% of equity a year]", "fraction of equity a year", 100, 3),
}


def _measure(rows: dict[str, Row], key: str, value: float, reason: str) -> Measure:
    """Return the measure, None with the reason if the value is no number."""
    return Measure(float(value), rows[key].unit) if np.isfinite(value) else Measure(None, rows[key].unit, reason)


def undefined(rows: dict[str, Row], reason: str) -> dict[str, Measure]:
    """Return every measure of a table as undefined, for one reason."""
    return {key: Measure(None, row.unit, reason) for key, row in rows.items()}


def describe(measures: Mapping[str, Measure]) -> dict[str, dict[str, Any]]:
    """Return measures as JSON holds them: {value, unit}, and a reason where the value is null."""
    return {
        key: {"value": measure.value, "unit": measure.unit}
        | ({"reason": measure.reason} if measure.value is None else {})
        for key, measure in measures.items()
    }


def forecast_measures(outcome: Array, forecast: Array, mean: Array, spread: Array) -> dict[str, Measure]:
    """Return the forecast measures over bars whose outcome is known.

    Parameters
    ----------
    outcome, forecast, mean : ndarray, shape (bars,)
        Log returns; `mean` is the training rows' mean return at each bar. No NaN in outcome and forecast.
    spread : ndarray, shape (bars,)
        Deviation over members, NaN without members.
    """
    error, base = outcome - forecast, outcome - mean
    moved = (outcome != 0) & (forecast != 0)
    values = {
        "rmse": (np.sqrt(np.mean(error**2)), ""),
        "mae": (np.mean(np.abs(error)), ""),
        "r2": (_ratio(np.sum(base**2) - np.sum(error**2), np.sum(base**2)), "no training mean to compare with"),
        "hit_rate": (
            _ratio(int(np.sum(outcome * forecast > 0)), int(np.sum(moved))),
            "the forecast says neither up nor down",
        ),
        "correlation": (correlation(outcome, forecast), "the forecast never changes"),
        "spread": (np.mean(spread), "there is one member, or none"),
    }  # fmt: skip
    return {key: _measure(FORECAST_ROWS, key, value, reason) for key, (value, reason) in values.items()}


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def correlation(outcome: Array, forecast: Array) -> float:
    """Return Pearson's correlation, NaN if one of the two never changes.

    Examples
    --------
    >>> round(correlation(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0])), 4)
    0.982
    """
    if len(outcome) < 2 or np.ptp(outcome) == 0 or np.ptp(forecast) == 0:
        return float("nan")
    return float(np.corrcoef(outcome, forecast)[0, 1])


def trading_measures(
    returns: pd.Series, cash_returns: pd.Series, exposure: pd.Series, traded: float, costs: float, trades: int,
    mean_equity: float, periods_per_year: float,
) -> dict[str, Measure]:  # fmt: skip
    """Return the trading measures of a run.

    Parameters
    ----------
    returns, cash_returns : Series, shape (bars,)
        Simple returns of equity and of cash, a bar.
    exposure : Series, shape (bars,)
        Value held / equity at each close.
    traded, costs : float
        Value of all fills; commission, slippage and borrow paid; in money.
    trades : int
    mean_equity : float
        In money.
    periods_per_year : float
        Bars a year.
    """
    excess = returns - cash_returns
    years = len(returns) / periods_per_year or np.nan  # no bar, no year
    flat = "no return but that of cash: no order was filled"
    moves = len(excess) > 1 and np.ptp(excess.to_numpy()) > 1e-12
    ruined = bool((returns < -1).any())  # a short can cost more than there is
    values = {
        "annual_return": float("nan") if ruined else empyrical.annual_return(returns, annualization=periods_per_year),
        "volatility": empyrical.annual_volatility(returns, annualization=periods_per_year),
        "sharpe": empyrical.sharpe_ratio(excess, annualization=periods_per_year) if moves else float("nan"),
        "max_drawdown": empyrical.max_drawdown(returns),
        "exposure": float(exposure.abs().mean()),
        "turnover": traded / mean_equity / years,
        "trades": float(trades),
        "costs": costs / mean_equity / years,
    }
    reason = "more than all money was lost" if ruined else flat if len(returns) > 1 else "fewer than two bars"
    return {key: _measure(TRADING_ROWS, key, value, reason) for key, value in values.items()}


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
