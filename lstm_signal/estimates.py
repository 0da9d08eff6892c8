"""Measures with their 95 % intervals: each estimate says how far it could have come out otherwise.

Intervals are percentiles of a stationary bootstrap, whose blocks keep what hangs together in time; none below 20 bars.
That of a drawdown is a resampled range: other orders of the same blocks, not where its truth lies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from lstm_signal.bootstrap import INTERVAL_DRAWS, MIN_BARS, Array, block_length, interval
from lstm_signal.evidence import minimum_track_record, probabilistic_sharpe
from lstm_signal.measures import (
    OF_FORECASTS,
    OF_TRADING,
    Judged,
    Traded,
    forecast_measures,
    judged,
    of_trades,
    trading_measures,
)
from lstm_signal.units import TRADING_ROWS, Measure, measured


def with_intervals(
    measures: Mapping[str, Measure], data: Array, of: Mapping[str, Callable[[Array], Array]], block: int
) -> dict[str, Measure]:
    """Return the measures, those that are defined and drawn again of data (bars, columns) with their interval."""
    keys = [key for key in of if measures[key].value is not None]
    if len(data) < MIN_BARS or not keys:
        return dict(measures)
    low, high = interval(
        data, lambda drawn: np.stack([of[key](drawn) for key in keys]), block=block, draws=INTERVAL_DRAWS
    )
    known = {
        key: measures[key]._replace(low=float(one), high=float(other))
        for key, one, other in zip(keys, low, high, strict=True)
        if np.isfinite([one, other]).all()
    }
    return dict(measures) | known


def forecast_estimates(
    outcome: Array, forecast: Array, mean: Array, spread: Array, lower: Array, upper: Array, horizon: int,
    drawn: Iterable[str] = tuple(OF_FORECASTS),
) -> dict[str, Measure]:  # fmt: skip
    """Return the forecast measures, those of `drawn` with their intervals; see `measures.forecast_measures`.

    Blocks are as long as errors and skill ask for, and no shorter than the horizon, over which outcomes overlap.
    """
    measures = forecast_measures(outcome, forecast, mean, spread, lower, upper)
    if len(outcome) < MIN_BARS:
        return measures
    scores = np.column_stack([(outcome - forecast) ** 2, (outcome - mean) * (forecast - mean)])
    of = {key: (lambda chunk, own=OF_FORECASTS[key][0]: own(Judged(*chunk))) for key in drawn}
    data = np.column_stack(judged(outcome, forecast, mean, lower, upper))
    return with_intervals(measures, data, of, max(horizon, block_length(scores)))


def trading_estimates(
    bars: Traded, exposure: Array, traded: float, costs: float, earned: Array, trades: int, mean_equity: float,
    periods_per_year: float,
) -> dict[str, Measure]:  # fmt: skip
    """Return the trading measures with their intervals; see `measures.trading_measures`."""
    measures = trading_measures(bars, exposure, traded, costs, earned, trades, mean_equity, periods_per_year)
    if measures["annual_return"].value is not None and len(bars.returns) >= MIN_BARS:
        of = {key: (lambda drawn, own=own: own(Traded(*drawn), periods_per_year)) for key, own in OF_TRADING.items()}
        measures = with_intervals(measures, np.column_stack(bars), of, block_length(bars.excess[:, None]))
    if len(earned) >= MIN_BARS:
        of = {key: (lambda drawn, key=key: of_trades(drawn[0])[key]) for key in ("winners", "payoff")}
        measures = with_intervals(measures, earned[:, None], of, block_length(earned[:, None]))
    reason = measures["sharpe"].reason
    chance, years = np.nan, np.nan
    if not reason:
        chance, years = sharpe_chance(bars.excess), _track_record(bars.excess) / periods_per_year
    measures["probabilistic_sharpe"] = measured(TRADING_ROWS, "probabilistic_sharpe", chance, reason)
    measures["track_record"] = measured(
        TRADING_ROWS, "track_record", years, reason or "its Sharpe ratio is not above 0"
    )
    return {key: measures[key] for key in TRADING_ROWS if key in measures}


def sharpe_chance(excess: Array, against: float = 0.0) -> float:
    """Return the probability that the Sharpe ratio a bar of excess returns truly exceeds `against`."""
    sharpe, skew, kurtosis = _moments(excess)
    return probabilistic_sharpe(sharpe, len(excess), skew, kurtosis, against)


def _track_record(excess: Array) -> float:
    """Return how many bars like these show, with 95 % confidence, that the Sharpe ratio is above 0."""
    sharpe, skew, kurtosis = _moments(excess)
    return minimum_track_record(sharpe, 0.0, skew, kurtosis, 0.95)


def _moments(excess: Array) -> tuple[float, float, float]:
    """Return the Sharpe ratio a bar, skew and raw kurtosis."""
    away = excess - excess.mean()
    spread = np.sqrt((away**2).mean())
    skew, kurtosis = (float((away**power).mean() / spread**power) for power in (3, 4))
    return float(excess.mean() / excess.std(ddof=1)), skew, kurtosis
