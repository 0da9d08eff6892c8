"""Measures over nine hand-written bars: the expected numbers can be checked on paper."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lstm_signal.measures import (
    OF_FORECASTS,
    OF_TRADING,
    Judged,
    Traded,
    correlation,
    forecast_measures,
    of_trades,
    periods_per_year,
    trading_measures,
)
from lstm_signal.units import FORECAST_ROWS, TRADING_ROWS, Measure, describe, undefined

# In per cent: squares sum to 33, absolute values to 15, eight of the nine moved.
OUTCOME = np.array([1, -2, 3, 0, -1, 2, -3, 1, 2]) / 100
ZERO, ONE = np.zeros(9), np.full(9, 0.01)
NO_SPREAD = np.full(9, np.nan)

FORECAST_CASES = [
    # what is forecast, the training mean, and the measures that follow (None: undefined)
    ("perfect", OUTCOME, ZERO,
     {"rmse": 0, "mae": 0, "r2": 1, "hit_rate": 1, "correlation": 1, "rank_correlation": 1,
      "bias": 0, "slope": 1, "r2_naive": 1}),
    ("opposite", -OUTCOME, ZERO,
     {"rank_correlation": -1, "bias": -0.06 / 9, "slope": -1, "r2_naive": -3,
      "rmse": 0.02 * math.sqrt(33 / 9), "mae": 0.30 / 9, "r2": -3, "hit_rate": 0, "correlation": -1}),
    ("half of it", OUTCOME / 2, ZERO,
     {"bias": -0.015 / 9, "slope": 2, "r2_naive": 0.75,
      "rmse": 0.005 * math.sqrt(33 / 9), "mae": 0.075 / 9, "r2": 0.75, "hit_rate": 1, "correlation": 1}),
    ("no change", ZERO, ZERO,
     {"rmse": 0.01 * math.sqrt(33 / 9), "mae": 0.15 / 9, "r2": 0, "hit_rate": None, "correlation": None,
      "rank_correlation": None, "slope": None, "r2_naive": 0}),
    ("always one per cent", ONE, ZERO,
     {"rmse": 0.02, "mae": 0.14 / 9, "r2": 1 - 36 / 33, "hit_rate": 5 / 8, "correlation": None, "bias": 0.06 / 9,
      "slope": None}),
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


def test_coverage_and_width_are_over_the_bars_that_have_an_interval():
    lower, upper = np.full(9, np.nan), np.full(9, np.nan)
    lower[3:], upper[3:] = -0.01, 0.015  # of 0, -1, 2, -3, 1, 2 per cent the first, the second and the fifth lie inside
    measures = forecast_measures(OUTCOME, ZERO, ZERO, NO_SPREAD, lower, upper)
    assert measures["coverage"].value == pytest.approx(3 / 6)
    assert measures["width"].value == pytest.approx(0.025)
    without = forecast_measures(OUTCOME, ZERO, ZERO, NO_SPREAD)
    assert (without["coverage"].value, without["width"].value) == (None, None)


def test_ranks_are_spearmans_with_ties():
    forecast = np.array([2, -1, 2, 1, 0, 1, -2, -1, 3]) / 100
    expected = stats.spearmanr(OUTCOME, forecast).statistic
    measures = forecast_measures(OUTCOME, forecast, ZERO, NO_SPREAD)
    assert measures["rank_correlation"].value == pytest.approx(expected)
    assert measures["slope"].value == pytest.approx(stats.linregress(forecast, OUTCOME).slope)


def test_what_is_drawn_again_is_measured_as_what_happened():
    """Every measure takes (bars,) and (bars, draws) alike."""
    returns = np.random.default_rng(1).normal(0, 0.01, (60, 3))
    columns = (returns, returns - 1e-4, np.abs(returns), np.abs(returns) / 10)
    bands = (returns - 0.01, returns + 0.01)
    for key, of in OF_TRADING.items():
        single = [of(Traded(*(column[:, k] for column in columns)), 252.0) for k in range(3)]
        assert of(Traded(*columns), 252.0) == pytest.approx(single), key
    drawn = Judged(returns, returns[:, ::-1], 0 * returns, *bands, returns**3, returns[:, ::-1])
    for key, (of, _) in OF_FORECASTS.items():
        single = [of(Judged(*(column[:, k] for column in drawn))) for k in range(3)]
        assert of(drawn) == pytest.approx(single), key
    pnl = returns * 100
    for key, values in of_trades(pnl).items():
        assert values == pytest.approx([of_trades(pnl[:, k])[key] for k in range(3)]), key


def test_skew_is_scipys():
    returns = np.random.default_rng(1).gumbel(0, 0.01, 60)
    assert trading(returns)["skew"].value == pytest.approx(stats.skew(returns))


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


def trading(
    returns, cash=0.0, exposure=0.0, traded=0.0, costs=0.0, trades=0, mean_equity=100.0, a_year=9.0,
    rates=0.0, paid=0.0, earned=(),
):  # fmt: skip
    """Call trading_measures, with nine bars making a year and nothing traded unless said."""
    returns = np.asarray(returns, dtype="float64")
    bars = Traded(returns, returns - cash, np.broadcast_to(rates, returns.shape), np.broadcast_to(paid, returns.shape))
    exposure, earned = np.broadcast_to(exposure, returns.shape), np.asarray(earned, dtype="float64")
    return trading_measures(bars, exposure, traded, costs, earned, trades, mean_equity, a_year)


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
    ("three down, then up", {"returns": [0.1, -0.1, -0.1, -0.1, 0.5, 0, 0, 0, 0]},
     {"max_drawdown": 0.9**3 - 1, "drawdown_length": 3, "calmar": (1.1 * 0.9**3 * 1.5 - 1) / (1 - 0.9**3)}),
    ("never above its start again", {"returns": [-0.1] + [0.01] * 8}, {"drawdown_length": 9}),
    ("a new high each bar", {"returns": [0.01] * 8 + [0.02]}, {"drawdown_length": 0, "calmar": None}),
    ("one large gain", {"returns": [0.0] * 8 + [0.09]},
     {"skew": (8 * -(0.01**3) + 0.08**3) / 9 / ((8 * 0.01**2 + 0.08**2) / 9) ** 1.5, "sortino": None}),
    ("down half the time", {"returns": [0.02, -0.01] * 4 + [0.0]}, {"sortino": 9 * 0.04 / 9 / math.sqrt(4e-4)}),
    ("costs eat a tenth", {"returns": [0.01] * 8 + [0.02], "rates": 0.5, "paid": 0.001},
     {"break_even": (0.1 + 0.009) / 4.5}),
    ("nothing traded", {"returns": UP_AND_DOWN}, {"break_even": None, "winners": None, "payoff": None}),
    ("two won, one lost", {"returns": UP_AND_DOWN, "earned": [4.0, -1.5, 2.0, 0.0]},
     {"winners": 0.5, "payoff": 3 / 1.5}),
    ("none lost", {"returns": UP_AND_DOWN, "earned": [4.0, 2.0]}, {"winners": 1.0, "payoff": None}),
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
        missing = set(rows) - set(measures)
        assert missing <= {"probabilistic_sharpe", "deflated_sharpe", "track_record"}  # what needs a distribution
        assert list(measures) == [key for key in rows if key not in missing]
        for key, measure in measures.items():
            assert measure.unit == rows[key].unit != ""


def test_describe_gives_a_reason_only_where_the_value_is_missing():
    described = describe({"rmse": Measure(0.5, "log return"), "sharpe": Measure(None, "ratio", "no bar")})
    assert described == {
        "rmse": {"value": 0.5, "unit": "log return"},
        "sharpe": {"value": None, "unit": "ratio", "reason": "no bar"},
    }
    known = describe({"sharpe": Measure(0.5, "ratio", low=-0.1, high=1.1, p=0.2, note="in words")})
    assert known == {
        "sharpe": {"value": 0.5, "unit": "ratio", "low": -0.1, "high": 1.1, "p": 0.2, "note": "in words"},
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
    told = trading([0.1, -1.2, 0.3, 0.0], traded=1.0, trades=1)
    assert told["annual_return"][:3] == (None, "fraction a year", "more than all money was lost")
    assert told["volatility"].value > 0
