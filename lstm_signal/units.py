"""What measures are called, their units, and how they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np


class Measure(NamedTuple):
    """A number, its unit, and where it is undefined (`value` None) the reason.

    `low` and `high` are its 95 % interval and `p` a p-value, where it has one; `note` says what it means.
    """

    value: float | None
    unit: str
    reason: str = ""
    low: float | None = None
    high: float | None = None
    p: float | None = None
    note: str = ""


class Row(NamedTuple):
    """How a measure is shown: its label with the unit in it, the factor, the digits, and what its interval is called.

    An interval without a name is not shown.
    """

    label: str
    unit: str
    factor: float
    digits: int
    interval: str = ""


_INTERVAL = "95 %"

# What a table shows, in its order. Units are those of report.json; a fraction is shown in per cent.
FORECAST_ROWS = {
    "rmse": Row("RMSE [%]", "log return", 100, 4),
    "mae": Row("MAE [%]", "log return", 100, 4),
    "r2": Row("R2 against the mean [%]", "fraction", 100, 2, interval=_INTERVAL),
    "r2_naive": Row("R2 against naive [%]", "fraction", 100, 2),
    "hit_rate": Row("Hit rate [%]", "fraction", 100, 1, interval=_INTERVAL),
    "correlation": Row("Correlation", "ratio", 1, 3, interval=_INTERVAL),
    "rank_correlation": Row("Rank correlation", "ratio", 1, 3),
    "bias": Row("Bias [%]", "log return", 100, 4),
    "slope": Row("Calibration slope (right: 1)", "ratio", 1, 2, interval=_INTERVAL),
    "coverage": Row("Coverage of the interval [%]", "fraction", 100, 1),
    "width": Row("Width of the interval [%]", "log return", 100, 2),
    "spread": Row("Spread over members [%]", "log return", 100, 4),
}
TRADING_ROWS = {
    "annual_return": Row("Return (ann.) [%]", "fraction a year", 100, 2, interval=_INTERVAL),
    "volatility": Row("Volatility (ann.) [%]", "fraction a year", 100, 2),
    "sharpe": Row("Sharpe ratio (ann.)", "ratio", 1, 2, interval=_INTERVAL),
    "probabilistic_sharpe": Row("Sharpe above 0, probability [%]", "fraction", 100, 1),
    "deflated_sharpe": Row("... above luck's best of all tried [%]", "fraction", 100, 1),
    "track_record": Row("Track record that shows it [years]", "years", 1, 1),
    "sortino": Row("Sortino ratio (ann.)", "ratio", 1, 2),
    "calmar": Row("Calmar ratio", "ratio", 1, 2),
    "max_drawdown": Row("Max. drawdown [%]", "fraction", 100, 1, interval="resampled range"),
    "drawdown_length": Row("Longest drawdown [bars]", "bars", 1, 0),
    "skew": Row("Skew", "ratio", 1, 2),
    "winners": Row("Trades won [%]", "fraction", 100, 1),
    "payoff": Row("Payoff, mean won / mean lost", "ratio", 1, 2),
    "exposure": Row("Exposure, average [%]", "fraction of equity", 100, 1),
    "turnover": Row("Turnover [x equity a year]", "equity a year", 1, 1),
    "trades": Row("Trades [#]", "count", 1, 0),
    "costs": Row("Costs [% of equity a year]", "fraction of equity a year", 100, 3),
    "break_even": Row("Break-even cost [bp a side]", "fraction of value", 10_000, 1),
}


PAIR_ROWS = {
    "sharpe": Row("Sharpe ratio (ann.)", "ratio", 1, 2, interval=_INTERVAL),
    "annual_return": Row("Mean return (ann.) [%]", "fraction a year", 100, 2, interval=_INTERVAL),
}
TEST_ROWS = {
    "error_against_mean": Row("Error against the mean's (Diebold-Mariano)", "t statistic", 1, 2),
    "error_against_naive": Row("Error against naive's (Diebold-Mariano)", "t statistic", 1, 2),
    "skill": Row("Skill against the mean (Clark-West)", "t statistic", 1, 2),
    "direction": Row("Up told from down (Pesaran-Timmermann)", "z statistic", 1, 2),
    "sign_trade": Row("Earned by its sign (Anatolyev-Gerko)", "z statistic", 1, 2),
}
YESTERDAY_ROWS = {
    "lag": Row("Most like the return of [bars ago]", "bars", 1, 0),
    "correlation": Row("Correlation with it", "ratio", 1, 3),
}
FIFTHS = ("calmest", "second", "third", "fourth", "wildest")
VOLATILITY_ROWS = {f"coverage_{fifth}": Row(f"Coverage, {fifth} fifth [%]", "fraction", 100, 1) for fifth in FIFTHS} | {
    f"width_{fifth}": Row(f"Width, {fifth} fifth [%]", "log return", 100, 2) for fifth in FIFTHS
}
BASIS_POINTS, DELAYS = (0, 1, 5, 10), (0, 1, 2, 5)
COST_ROWS = {f"sharpe_at_{bp}bp": Row(f"Sharpe ratio at {bp} bp a side", "ratio", 1, 2) for bp in BASIS_POINTS} | {
    f"annual_return_at_{bp}bp": Row(f"Return (ann.) at {bp} bp a side [%]", "fraction a year", 100, 2)
    for bp in BASIS_POINTS
}
DELAY_ROWS = {f"sharpe_late_{bars}": Row(f"Sharpe ratio, {bars} bar(s) late", "ratio", 1, 2) for bars in DELAYS}
MEMBER_ROWS = {
    "members": Row("Members [#]", "count", 1, 0),
    "sharpe_least": Row("Sharpe ratio of the worst member", "ratio", 1, 2),
    "sharpe_median": Row("Sharpe ratio of the middle member", "ratio", 1, 2),
    "sharpe_most": Row("Sharpe ratio of the best member", "ratio", 1, 2),
    "beat_buy_and_hold": Row("Members that beat buy & hold [%]", "fraction", 100, 0),
}
FLIP_ROWS = {
    "r2": Row("Pairs of members with the other order by R2 [%]", "fraction", 100, 0),
    "sharpe": Row("Pairs of members with the other order by Sharpe ratio [%]", "fraction", 100, 0),
}
MONEY_ROWS = {
    "timing": Row("Timing", "fraction", 100, 2),
    "exposure": Row("Average exposure", "fraction", 100, 2),
    "interest": Row("Interest on cash", "fraction", 100, 2),
    "trading_costs": Row("Commission and slippage", "fraction", 100, 2),
    "borrow": Row("Borrowing shares", "fraction", 100, 2),
    "total": Row("Sum of simple returns", "fraction", 100, 2),
    "right": Row("Forecasts right in sign [bars]", "count", 1, 0),
    "right_and_lost": Row("... whose position lost [bars]", "count", 1, 0),
    "lost_to_costs": Row("... by its costs alone [bars]", "count", 1, 0),
}

# The report's sections: by column (a model, or a pair), then by measure. The rows of "years" are its years.
SECTIONS: dict[str, dict[str, Row]] = {
    "forecasts": FORECAST_ROWS,
    "tests": TEST_ROWS,
    "years": {},
    "volatility": VOLATILITY_ROWS,
    "yesterday": YESTERDAY_ROWS,
    "trading": TRADING_ROWS,
    "differences": PAIR_ROWS,
    "money": MONEY_ROWS,
    "at_costs": COST_ROWS,
    "delays": DELAY_ROWS,
    "members": MEMBER_ROWS,
    "flips": FLIP_ROWS,
}


def measured(rows: Mapping[str, Row], key: str, value: float, reason: str) -> Measure:
    """Return the measure, None with the reason if the value is no number."""
    return Measure(float(value), rows[key].unit) if np.isfinite(value) else Measure(None, rows[key].unit, reason)


def undefined(rows: Mapping[str, Row], reason: str) -> dict[str, Measure]:
    """Return every measure of a table as undefined, for one reason."""
    return {key: Measure(None, row.unit, reason) for key, row in rows.items()}


def describe(measures: Mapping[str, Measure]) -> dict[str, dict[str, Any]]:
    """Return measures as JSON holds them: {value, unit}, a reason where the value is null, and what else is known."""
    return {key: _described(measure) for key, measure in measures.items()}


def _described(measure: Measure) -> dict[str, Any]:
    told: dict[str, Any] = {"value": measure.value, "unit": measure.unit}
    if measure.value is None:
        return told | {"reason": measure.reason}
    extra = {"low": measure.low, "high": measure.high, "p": measure.p, "note": measure.note}
    return told | {name: value for name, value in extra.items() if value is not None and value != ""}
