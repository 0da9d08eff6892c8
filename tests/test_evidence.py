"""Evidence against printed numbers, against second implementations, and against input that decides nothing."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from dieboldmariano import dm_test
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.tsa.stattools import diebold_mariano_test

from lstm_signal import evidence as ev

# WWWusage, R's dm.test
ETS = np.array([
    0.002241270, -0.000661906, -1.200002613, -4.000218178, 3.799373533, 3.401005111, -1.199692125, -0.800490048,
    -1.200048999, 3.399847229, 7.000708948, 2.200989241, -4.800165569, -1.201043375, 3.400167556, 3.000709085,
    0.400267950, -6.800169207, -2.401259050, 1.200112198,
])  # fmt: skip
ARIMA = np.array([
    0.1209998, 8.0622269, -0.9189429, -1.7952436, 5.3431277, 2.0459823, -0.6073261, 0.5516816, -0.7633238, 4.1229472,
    5.8785333, 1.2828331, -3.4854233, 1.1971370, 3.1709314, 2.3408457, 0.4962286, -5.9841362, 0.1537114, 0.4207951,
])  # fmt: skip
RANDOM = np.random.default_rng(3)
PAIRS = [RANDOM.normal(0, 1, (2, n)) + 0.1 for n in (9, 60, 500)]


# Forecasts


@pytest.mark.parametrize(
    ("horizon", "power", "statistic", "p"),
    [(1, 2, -0.143918, 0.887081), (10, 2, -0.081126, 0.936190), (1, 1, 0.280963, 0.781776)],
)
def test_diebold_mariano_prints_what_r_prints(horizon, power, statistic, p):
    found = ev.diebold_mariano(ETS, ARIMA, horizon, power)
    assert found.statistic == pytest.approx(statistic, abs=1e-6)
    assert found.p == pytest.approx(p, abs=1e-6)


@pytest.mark.parametrize("pair", PAIRS, ids=len)
def test_diebold_mariano_is_that_of_statsmodels_and_of_the_package_of_its_name(pair):
    ours = ev.diebold_mariano(*pair)
    theirs = diebold_mariano_test(np.zeros_like(pair[0]), *pair, lags=0, harvey_adj=True)
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-9)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-9)
    other = dm_test(np.zeros_like(pair[0]).tolist(), *(each.tolist() for each in pair))
    assert (ours.statistic, ours.p) == pytest.approx(other, rel=1e-9)


def test_a_mean_is_tested_as_scipy_tests_it_and_overlapping_outcomes_as_statsmodels_does():
    for x, _ in PAIRS:
        theirs = stats.ttest_1samp(x, 0.0, alternative="greater")
        assert ev.mean_test(x)[:2] == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)
        assert ev.mean_test(x, two_sided=True).p == pytest.approx(stats.ttest_1samp(x, 0.0).pvalue, rel=1e-9)
    fit = sm.OLS(x, np.ones(len(x))).fit(cov_type="HAC", cov_kwds={"maxlags": 10})
    assert ev.mean_test(x, horizon=5).statistic == pytest.approx(fit.tvalues[0], rel=1e-9)


def test_clark_west_is_the_t_of_what_a_position_of_the_excess_forecast_earns():
    outcome, forecast = PAIRS[2]
    mean = np.full(500, 0.05)
    earned = (outcome - 0.05) * (forecast - 0.05)
    assert ev.clark_west(outcome, forecast, mean) == ev.mean_test(earned)


def test_pesaran_timmermann_and_its_identity():
    counts = {(1, 1): 30, (1, -1): 20, (-1, 1): 15, (-1, -1): 35}
    outcome, forecast = np.array([pair for pair, count in counts.items() for _ in range(count)], dtype=float).T
    found = ev.pesaran_timmermann(outcome, forecast)
    assert found[:2] == pytest.approx((3.0303030303, 0.00122154), abs=1e-8)
    phi = np.corrcoef(outcome, forecast)[0, 1]
    assert found.statistic == pytest.approx(phi * 100 / math.sqrt(99), rel=1e-12)


def test_anatolyev_gerko_and_pesaran_timmermann_on_the_printed_series():
    y = np.array([23.0, -2, 56, 51, 4, -45, -12, -24, -51, 78, -6, -7, -39, 31, 35])
    forecast = np.array([14.0, 3, 45, 23, -5, -56, 4, -11, -34, 29, 3, -11, -12, 24, 3])
    assert ev.anatolyev_gerko(y, forecast)[:2] == pytest.approx((2.8040368028, 0.0025233572), abs=1e-9)
    assert ev.pesaran_timmermann(y, forecast)[:2] == pytest.approx((1.9683399719, 0.0245144669), abs=1e-9)


# Money


def test_probabilistic_and_deflated_sharpe_are_the_papers():
    sharpe = 1.585 / math.sqrt(12)
    assert ev.probabilistic_sharpe(sharpe, 24, -2.448, 10.164) == pytest.approx(0.9132343, abs=1e-6)
    assert ev.probabilistic_sharpe(sharpe, 24, 0, 3) == pytest.approx(0.981591, abs=1e-6)
    best = ev.expected_best_sharpe(100, 0.5 / 250)
    assert best == pytest.approx(0.113172, abs=1e-6)
    sharpe = 2.5 / math.sqrt(250)
    for trials, skew, kurtosis, expected in ((100, -3, 10, 0.9003968), (46, -3, 10, 0.950502), (88, 0, 3, 0.950491)):
        best = ev.expected_best_sharpe(trials, 0.5 / 250)
        assert ev.probabilistic_sharpe(sharpe, 1250, skew, kurtosis, best) == pytest.approx(expected, abs=1e-6)
    assert ev.expected_best_sharpe(100, 1.0) == pytest.approx(2.530603, abs=1e-6)
    assert ev.expected_best_sharpe(1, 1.0) == 0.0


@pytest.mark.parametrize(("a_year", "years"), [(250, 2.731188), (52, 2.828834), (12, 3.239801)])
def test_minimum_track_record_is_the_papers(a_year, years):
    bars = ev.minimum_track_record(2 / math.sqrt(a_year), 1 / math.sqrt(a_year), 0, 3, 0.95)
    assert bars / a_year == pytest.approx(years, abs=1e-6)
    assert ev.minimum_track_record(0.1, 0.1, 0, 3, 0.95) == math.inf


def strategies(seed: int, gain: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return three strategies (bars, 3) half exposed to an asset (bars,), the last one with a gain a bar."""
    random = np.random.default_rng(seed)
    asset = random.normal(0.0003, 0.01, 800)
    own = random.normal(0, 0.005, (800, 3)) + np.array([0.0, 0.0, gain])
    return 0.5 * asset[:, None] + own, asset


def p_of(made: np.ndarray, asset: np.ndarray, **options: int) -> list[float]:
    return [alpha.p for alpha in ev.alphas(made, asset, **options)]


def test_alpha_is_statsmodels_intercept_with_its_error():
    made, asset = strategies(1)
    for ours, column in zip(ev.alphas(made, asset), made.T, strict=True):
        lags = int(4 * (800 / 100) ** (2 / 9))
        fit = sm.OLS(column, sm.add_constant(asset)).fit(cov_type="HAC", cov_kwds={"maxlags": lags})
        assert ours[:3] == pytest.approx((fit.params[0], fit.bse[0], fit.params[1]), rel=1e-9)


def test_the_best_of_several_pays_for_their_number():
    made, asset = strategies(2, gain=0.0006)
    together = p_of(made, asset)
    alone = p_of(made[:, [2]], asset)
    assert together[2] == min(together) < 0.05
    assert alone[0] < together[2]
    assert together == p_of(made, asset)
    assert p_of(made, asset, seed=8) != together
    single = ev.alphas(made, asset)[2]
    assert alone[0] == pytest.approx(stats.norm.sf(single.value / single.error), abs=0.02)


def test_the_more_were_tried_the_less_the_best_says():
    random = np.random.default_rng(9)
    asset = random.normal(0, 0.01, 800)
    noise = random.normal(0, 0.005, (800, 20))
    together = p_of(noise, asset)
    best = int(np.argmin(together))
    alone = p_of(noise[:, [best]], asset)[0]
    assert together[best] == pytest.approx(1 - (1 - alone) ** 20, abs=0.1)
    assert together[best] > 5 * alone


def test_on_noise_the_best_alpha_is_rarely_below_five_per_cent():
    found = [min(p_of(*strategies(seed), draws=199)) for seed in range(60)]
    assert 0 < sum(p <= 0.05 for p in found) <= 9


def test_holm_is_statsmodels():
    p_values = [0.01, 0.04, 0.03, 0.005, 0.9]
    assert ev.holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert ev.holm([]) == []


# What decides nothing

NINE = np.array([0.01, -0.02, 0.005, 0.0, 0.03, -0.01, 0.02, -0.005, 0.001])


@pytest.mark.parametrize(
    "found",
    [
        ev.mean_test(np.zeros(9)),
        ev.mean_test(np.full(9, 0.1)),
        ev.mean_test(np.array([1.0])),
        ev.mean_test(np.array([])),
        ev.mean_test(np.full(9, 0.1), horizon=5),
        ev.clark_west(NINE, np.full(9, 0.01), np.full(9, 0.01)),
        ev.diebold_mariano(NINE, NINE),
        ev.diebold_mariano(NINE[:1], NINE[1:2]),
        ev.pesaran_timmermann(NINE, np.full(9, 0.01)),
        ev.pesaran_timmermann(np.abs(NINE) + 0.01, NINE),
        ev.pesaran_timmermann(NINE[:1], NINE[:1]),
        ev.pesaran_timmermann(NINE, NINE[::-1], horizon=5),
        ev.anatolyev_gerko(NINE, np.full(9, 0.01)),
        ev.anatolyev_gerko(np.zeros(9), NINE),
        ev.anatolyev_gerko(NINE, NINE[::-1], horizon=5),
    ],
)
def test_where_nothing_can_be_said_there_is_a_reason(found):
    assert math.isnan(found.statistic)
    assert math.isnan(found.p)
    assert found.reason


def test_a_strategy_that_is_the_asset_or_cash_has_no_alpha_to_test():
    made, asset = strategies(4)
    degenerate = np.column_stack([asset, np.zeros(800), made[:, 0]])
    *nothing, p = p_of(degenerate, asset, draws=99)
    assert np.isnan(nothing).all()
    assert 0 < p <= 1
    assert np.isnan(p_of(made[:10], asset[:10])).all()
    assert np.isnan(p_of(made * 0, asset)).all()
    assert np.isnan([each.error for each in ev.alphas(np.zeros((50, 1)), np.zeros(50))]).all()
