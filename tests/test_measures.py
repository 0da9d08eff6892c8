"""Measures over nine hand-written bars: the expected numbers can be checked on paper."""

import math

import numpy as np
import pandas as pd
import pytest

from lstm_signal.measures import (
    FORECAST_ROWS,
    TRADING_ROWS,
    Measure,
    correlation,
    describe,
    forecast_measures,
    periods_per_year,
    trading_measures,
    undefined,
)

# In per cent: squares sum to 33, absolute values to 15, eight of the nine moved.
OUTCOME = np.array([1, -2, 3, 0, -1, 2, -3, 1, 2]) / 100
ZERO, ONE = np.zeros(9), np.full(9, 0.01)
NO_SPREAD = np.full(9, np.nan)

FORECAST_CASES = [
    # what is forecast, the training mean, and the measures that follow (None: undefined)
    ("perfect", OUTCOME, ZERO, {"rmse": 0, "mae": 0, "r2": 1, "hit_rate": 1, "correlation": 1}),
    ("opposite", -OUTCOME, ZERO,
     {"rmse": 0.02 * math.sqrt(33 / 9), "mae": 0.30 / 9, "r2": -3, "hit_rate": 0, "correlation": -1}),
    ("half of it", OUTCOME / 2, ZERO,
     {"rmse": 0.005 * math.sqrt(33 / 9), "mae": 0.075 / 9, "r2": 0.75, "hit_rate": 1, "correlation": 1}),
    ("no change", ZERO, ZERO,
     {"rmse": 0.01 * math.sqrt(33 / 9), "mae": 0.15 / 9, "r2": 0, "hit_rate": None, "correlation": None}),
    ("always one per cent", ONE, ZERO,
     {"rmse": 0.02, "mae": 0.14 / 9, "r2": 1 - 36 / 33, "hit_rate": 5 / 8, "correlation": None}),
    ("the mean itself", ONE, ONE, {"rmse": 0.02, "mae": 0.14 / 9, "r2": 0, "hit_rate": 5 / 8, "correlation": None}),
    ("no training mean", OUTCOME, NO_SPREAD, {"rmse": 0, "mae": 0, "r2": None, "hit_rate": 1, "correlation": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("forecast", "mean", "expected"), [case[1:] for case in FORECAST_CASES],
                         ids=[case[0] for case in FORECAST_CASES])  # fmt: skip
def test_forecast_measures_of_nine_bars(forecast, mean, expected):
    measures = forecast_measures(OUTCOME, forecast, mean, NO_SPREAD)
    for key, value in expected.items():
        if value is None:
            assert measures[key].value is None, key
            assert measures[key].reason, key
        else:
            assert measures[key].value == pytest.approx(value, abs=1e-12), key
            assert measures[key].reason == "", key


def test_a_bar_that_did_not_move_is_neither_hit_nor_miss():
    outcome = np.array([0.0, 0.0, 0.01, -0.01])
    measures = forecast_measures(outcome, np.array([0.01, -0.01, 0.01, 0.01]), np.zeros(4), np.full(4, np.nan))
    assert measures["hit_rate"].value == 0.5


def test_spread_is_the_average_over_bars_and_undefined_without_members():
    spread = np.arange(1, 10) / 1000
    assert forecast_measures(OUTCOME, ONE, ZERO, spread)["spread"].value == pytest.approx(0.005)
    alone = forecast_measures(OUTCOME, ONE, ZERO, NO_SPREAD)["spread"]
    assert alone.value is None
    assert "member" in alone.reason


def test_correlation_is_numpys_and_nan_where_one_side_is_constant():
    forecast = np.array([2, -1, 2, 1, 0, 1, -2, -1, 3]) / 100
    assert correlation(OUTCOME, forecast) == pytest.approx(np.corrcoef(OUTCOME, forecast)[0, 1])
    assert math.isnan(correlation(OUTCOME, ONE))
    assert math.isnan(correlation(ONE, OUTCOME))
    assert math.isnan(correlation(OUTCOME[:1], OUTCOME[:1]))


DAYS = pd.bdate_range("2024-01-01", periods=9)
UP_AND_DOWN = [0.1, -0.1, 0.1, -0.1, 0.1, -0.1, 0.1, -0.1, 0.0]  # mean 0, deviation (n - 1) exactly 0.1


def series(values) -> pd.Series:
    return pd.Series(values, index=DAYS[: len(values)], dtype="float64")


def trading(returns, cash=0.0, exposure=0.0, traded=0.0, costs=0.0, trades=0, mean_equity=100.0, a_year=9.0):
    """Call trading_measures, with nine bars making a year and nothing traded unless said."""
    return trading_measures(
        series(returns), series(np.full(len(returns), cash)), series(np.broadcast_to(exposure, len(returns))),
        traded, costs, trades, mean_equity, a_year,
    )  # fmt: skip


TRADING_CASES = [
    ("up and down", {"returns": UP_AND_DOWN},
     {"annual_return": 0.99**4 - 1, "volatility": 0.3, "sharpe": 0.0, "max_drawdown": 0.99**4 / 1.1 - 1}),
    ("nine bars are half a year", {"returns": UP_AND_DOWN, "a_year": 18.0, "traded": 300.0, "costs": 2.0},
     {"annual_return": 0.99**8 - 1, "volatility": 0.1 * math.sqrt(18), "turnover": 6.0, "costs": 0.04}),
    ("above what cash earns", {"returns": UP_AND_DOWN, "cash": 0.01}, {"sharpe": -0.3, "annual_return": 0.99**4 - 1}),
    ("only up", {"returns": np.arange(1, 10) / 100},
     {"max_drawdown": 0.0, "sharpe": 0.05 / np.std(np.arange(1, 10) / 100, ddof=1) * 3}),
    ("down from the first bar", {"returns": [-0.5] + [0.0] * 8}, {"max_drawdown": -0.5, "annual_return": -0.5}),
    ("short counts as exposure", {"returns": UP_AND_DOWN, "exposure": [-1, -0.5, 0, 0, 0, 0, 0, 0.5, 1]},
     {"exposure": 3 / 9}),
    ("traded and paid", {"returns": UP_AND_DOWN, "traded": 250.0, "costs": 1.0, "trades": 3},
     {"turnover": 2.5, "costs": 0.01, "trades": 3}),
    ("never in the market", {"returns": [0.0] * 9},
     {"annual_return": 0, "volatility": 0, "sharpe": None, "max_drawdown": 0, "exposure": 0, "turnover": 0,
      "trades": 0, "costs": 0}),
    ("everything lost", {"returns": [0.1, -1.0] + [0.0] * 7}, {"annual_return": -1, "max_drawdown": -1}),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), [case[1:] for case in TRADING_CASES],
                         ids=[case[0] for case in TRADING_CASES])  # fmt: skip
def test_trading_measures_of_nine_bars(given, expected):
    measures = trading(**given)
    for key, value in expected.items():
        if value is None:
            assert measures[key].value is None, key
            assert measures[key].reason, key
        else:
            assert measures[key].value == pytest.approx(value, abs=1e-12), key


def test_earning_what_cash_earns_has_no_sharpe_ratio():
    # Out of the market all the time, with interest: what is left over is the rounding of the last bit.
    rate, equity = 0.02 / 365, [100_000.0]
    for _ in range(9):
        equity.append(equity[-1] + equity[-1] * rate)
    returns = np.diff(equity) / equity[:-1]
    assert np.ptp(returns - rate) > 0
    sharpe = trading(returns, cash=rate)["sharpe"]
    assert sharpe.value is None
    assert sharpe.reason


def test_one_bar_has_no_volatility_for_another_reason_than_no_order():
    measures = trading([0.1])
    for key in ("volatility", "sharpe"):
        assert measures[key].value is None
        assert measures[key].reason
        assert "order" not in measures[key].reason


def test_no_bar_at_all_leaves_rates_a_year_undefined():
    measures = trading([], mean_equity=np.float64(100))
    for key in ("annual_return", "volatility", "sharpe", "turnover", "costs"):
        assert measures[key].value is None
        assert measures[key].reason


def test_every_measure_has_a_row_and_its_unit():
    for rows, measures in (
        (FORECAST_ROWS, forecast_measures(OUTCOME, ONE, ZERO, NO_SPREAD)),
        (TRADING_ROWS, trading(UP_AND_DOWN)),
    ):
        assert list(measures) == list(rows)
        for key, measure in measures.items():
            assert measure.unit == rows[key].unit != ""


def test_the_measures_of_the_report_are_these():
    assert set(FORECAST_ROWS) >= {"rmse", "mae", "r2", "hit_rate", "correlation"}
    assert set(TRADING_ROWS) == {
        "annual_return", "volatility", "sharpe", "max_drawdown", "exposure", "turnover", "trades", "costs",
    }  # fmt: skip


def test_describe_gives_a_reason_only_where_the_value_is_missing():
    described = describe({"rmse": Measure(0.5, "log return"), "sharpe": Measure(None, "ratio", "no bar")})
    assert described == {
        "rmse": {"value": 0.5, "unit": "log return"},
        "sharpe": {"value": None, "unit": "ratio", "reason": "no bar"},
    }


def test_undefined_says_one_reason_for_every_measure():
    measures = undefined(TRADING_ROWS, "no recipe")
    assert list(measures) == list(TRADING_ROWS)
    assert {(measure.value, measure.reason) for measure in measures.values()} == {(None, "no recipe")}


def sessions(days: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Return seven hourly bars a day, 10:00 to 16:00."""
    return pd.DatetimeIndex([day + pd.Timedelta(hours=hour) for day in days for hour in range(10, 17)])


CALENDARS = [
    ("weekdays", pd.bdate_range("2023-01-02", periods=300), 252),
    ("weekdays with a holiday week", pd.bdate_range("2023-01-02", periods=300).delete(range(100, 105)), 252),
    ("two weekdays", pd.bdate_range("2024-01-01", periods=2), 252),
    ("one bar", pd.bdate_range("2024-01-01", periods=1), 252),
    ("closing instants", pd.bdate_range("2023-01-02", periods=300) + pd.Timedelta(hours=16), 252),
    ("every day", pd.date_range("2023-01-02", periods=300), 365),
    ("weekly", pd.date_range("2023-01-06", periods=60, freq="W-FRI"), 52),
    ("month ends", pd.date_range("2020-01-31", periods=40, freq="ME"), 12),
]


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
@pytest.mark.parametrize(("stamps", "expected"), [case[1:] for case in CALENDARS], ids=[case[0] for case in CALENDARS])
def test_bars_a_year_from_the_calendar(stamps, expected, unit):
    assert periods_per_year(stamps.as_unit(unit)) == expected


def test_one_saturday_session_does_not_make_a_market_of_every_day():
    weekdays = pd.bdate_range("2023-01-02", periods=300)
    assert periods_per_year(weekdays.union([pd.Timestamp("2023-11-11")]).as_unit("ns")) == 252


def test_intraday_bars_are_counted():
    always = pd.date_range("2023-01-01", periods=24 * 400, freq="h", unit="ns")
    assert periods_per_year(always) == pytest.approx(24 * 365.25)
    hourly = sessions(pd.bdate_range("2022-01-03", "2023-12-29")).as_unit("ns")
    assert periods_per_year(hourly) == pytest.approx(7 * 261, rel=0.005)


def test_a_run_that_lost_all_has_no_annual_return_and_says_why():
    stamps = pd.bdate_range("2024-01-01", periods=4)
    returns, nothing = pd.Series([0.1, -1.2, 0.3, 0.0], index=stamps), pd.Series(0.0, index=stamps)
    told = trading_measures(returns, nothing, nothing, 1.0, 0.0, 1, 100.0, 252)
    assert told["annual_return"] == (None, "fraction a year", "more than all money was lost")
    assert told["volatility"].value > 0
