"""Intervals hold what they promise, and are there where a measure is."""

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from lstm_signal.estimates import forecast_estimates, sharpe_chance, trading_estimates
from lstm_signal.evidence import probabilistic_sharpe
from lstm_signal.measures import OF_FORECASTS, OF_TRADING, Traded

RANDOM = np.random.default_rng(8)
NONE = np.full(300, np.nan)


def traded(returns: np.ndarray, earned: np.ndarray | None = None):
    bars = Traded(returns, returns, np.full(len(returns), 0.1), np.full(len(returns), 1e-5))
    earned = np.array([]) if earned is None else earned
    return trading_estimates(bars, np.ones(len(returns)), 10.0, 1.0, earned, 3, 100.0, 252)


def forecast(outcome: np.ndarray, said: np.ndarray, horizon: int = 1):
    nothing = np.full(len(outcome), np.nan)
    return forecast_estimates(outcome, said, 0 * outcome, nothing, said - 0.01, said + 0.01, horizon)


def test_the_sharpe_ratios_interval_covers_the_truth_in_most_series():
    covered = 0
    for _ in range(100):
        sharpe = traded(RANDOM.normal(0.001, 0.01, 300))["sharpe"]
        covered += sharpe.low <= 0.1 * np.sqrt(252) <= sharpe.high
    assert 86 <= covered <= 100


def test_where_skill_hangs_together_in_time_the_interval_is_wider():
    noise, slow = RANDOM.normal(0, 0.01, 300), lfilter([1], [1, -0.95], RANDOM.normal(0, 0.003, 300))
    told = forecast(slow + noise, slow)["correlation"]
    shuffled = RANDOM.permutation(300)
    once = forecast((slow + noise)[shuffled], slow[shuffled])["correlation"]
    assert told.value == pytest.approx(once.value)
    assert told.high - told.low > 1.15 * (once.high - once.low)


def test_outcomes_that_overlap_widen_the_interval():
    outcome, said = RANDOM.normal(0, 0.01, (2, 300))
    near, far = (forecast(outcome, said, horizon)["rmse"] for horizon in (1, 20))
    assert near.value == far.value
    assert (near.low, near.high) != (far.low, far.high)


def test_every_defined_measure_of_bars_has_its_interval_around_it():
    outcome = RANDOM.normal(0, 0.01, 300)
    told = forecast(outcome, 0.3 * outcome + RANDOM.normal(0, 0.01, 300))
    for key in OF_FORECASTS:
        low, high = told[key].low, told[key].high
        if key in ("rmse", "mae", "r2", "correlation", "hit_rate", "bias", "slope", "rank_correlation"):
            assert low < told[key].value < high, key
        assert low <= high
    money = traded(RANDOM.normal(0.001, 0.01, 300), RANDOM.normal(1, 3, 40))
    for key in (*OF_TRADING, "winners", "payoff"):
        assert money[key].low <= money[key].value <= money[key].high, key
    for fact in ("exposure", "turnover", "costs", "trades"):
        assert money[fact].low is None


def test_few_bars_and_no_change_have_none():
    few = traded(RANDOM.normal(0, 0.01, 19))
    assert few["sharpe"].value is not None
    assert few["sharpe"].low is None
    still = traded(np.zeros(300))
    assert (still["sharpe"].value, still["sharpe"].low) == (None, None)
    assert still["probabilistic_sharpe"].reason == still["sharpe"].reason
    outcome = RANDOM.normal(0, 0.01, 300)
    constant = forecast(outcome, np.full(300, 0.01))
    assert (constant["correlation"].value, constant["correlation"].low) == (None, None)
    assert constant["rmse"].low < constant["rmse"].value
    assert forecast(outcome[:5], outcome[5:10])["rmse"].low is None
    assert traded(np.array([]))["sharpe"].reason
    assert traded(np.array([0.01]))["volatility"].reason


def test_a_ruined_run_has_no_intervals():
    returns = RANDOM.normal(0, 0.01, 300)
    returns[100] = -1.5
    told = traded(returns)
    assert told["annual_return"].reason == "more than all money was lost"
    assert told["sharpe"].low is None


def test_the_chance_of_a_sharpe_ratio_is_the_papers():
    returns = stats.skewnorm(5).rvs(400, random_state=1) / 100 - 0.005
    sharpe = returns.mean() / returns.std(ddof=1)
    skew, kurtosis = stats.skew(returns), stats.kurtosis(returns, fisher=False)
    assert sharpe_chance(returns) == pytest.approx(probabilistic_sharpe(sharpe, 400, skew, kurtosis))
    assert sharpe_chance(returns, 0.05) < sharpe_chance(returns)
    assert traded(returns)["probabilistic_sharpe"].value == pytest.approx(sharpe_chance(returns))


def test_the_same_again_is_the_same():
    returns = RANDOM.normal(0, 0.01, 100)
    assert traded(returns) == traded(returns)
