"""What forecasts are worth: each section on forecasts whose worth is known."""

import math

import numpy as np
import pandas as pd
import pytest

import lstm_signal as ls
from lstm_signal import skill
from lstm_signal.baselines import naive_and_mean
from lstm_signal.intervals import volatility
from lstm_signal.units import FIFTHS
from lstm_signal.windows import returns
from tests.conftest import SHORT, TINY

BARS = slice(30, 480)


def made(prices: pd.DataFrame, forecast: np.ndarray, name: str = "mine", **columns) -> ls.Forecasts:
    frame = pd.DataFrame({"forecast": forecast, "mean": 0.0} | columns, index=prices.index[BARS])
    return ls.Forecasts.from_frame(frame, name=name, target="close")


@pytest.fixture(scope="module")
def change(year: pd.DataFrame) -> np.ndarray:
    return returns(year)


@pytest.fixture(scope="module")
def after(change: np.ndarray) -> np.ndarray:
    """What the forecasts are about: the next close-to-close return."""
    return np.append(change[1:], np.nan)[BARS]


@pytest.fixture(scope="module")
def models(year, after) -> list[ls.Forecasts]:
    noise = np.random.default_rng(1).normal(0, 0.01, len(after))
    band = {"lower": 0.2 * after - 0.02, "upper": 0.2 * after + 0.02}
    return [
        made(year, 0.2 * after, "knows", **band),
        made(year, 3 * noise, "noise"),
        made(year, -after, "mirror"),
        made(year, np.full(len(after), 0.001), "constant"),
    ]


@pytest.fixture(scope="module")
def bars(year, models) -> skill.Judgement:
    return skill.judge(year, [*models, *naive_and_mean(models[0])])


def test_all_are_judged_on_the_bars_that_each_has_forecast(year, after):
    holes = np.where(np.arange(len(after)) % 7 == 0, np.nan, 0.01)
    both = [made(year, after, "a"), made(year, holes, "b")]
    judged = skill.judge(year, [*both, *naive_and_mean(both[0])])
    assert list(judged.known.index) == list(year.index[BARS][np.isfinite(holes)])
    assert judged.known["outcome"].to_numpy() == pytest.approx(after[np.isfinite(holes)])
    assert judged.known["volatility"].to_numpy() == pytest.approx(volatility(year)[BARS][np.isfinite(holes)])


# Tests, in words


def test_tests_say_their_direction(bars):
    told = skill.tests(bars)
    assert list(told) == ["knows", "noise", "mirror", "constant"]  # mean and naive are what they are tested against
    lower, higher = told["knows"]["error_against_mean"], told["noise"]["error_against_mean"]
    assert lower.value < 0 < higher.value
    assert max(lower.p, higher.p) < 0.01
    assert lower.note == ("knows's squared error is lower than mean's; that alone is neither skill nor the lack of it.")
    assert "noise's squared error is higher than naive's" in told["noise"]["error_against_naive"].note
    for key in ("skill", "direction", "sign_trade"):
        assert told["knows"][key].p < 1e-6 < 1 - 1e-6 < told["mirror"][key].p
        assert "no" in told["mirror"][key].note.split() or "nothing" in told["mirror"][key].note
    assert told["knows"]["direction"].note == "knows tells up from down more often than luck."
    assert told["noise"]["skill"].p > 0.01


def test_a_constant_forecast_has_reasons(bars):
    told = skill.tests(bars)["constant"]
    assert told["direction"].reason == "the forecast or the outcome never changes sign"
    assert told["sign_trade"].value is None
    assert told["error_against_mean"].value is not None  # a drift of its own is an error like another
    measured = skill.measures(bars)["constant"]
    assert measured["slope"].reason == measured["correlation"].reason == "the forecast or the price never changes"


def test_a_silent_model_has_reasons_everywhere(year, after):
    nothing = made(year, np.full(len(after), np.nan), "silent")
    bars = skill.judge(year, [nothing, *naive_and_mean(nothing)])
    for section in (skill.measures, skill.tests, skill.years, skill.by_volatility):
        for measure in section(bars).get("silent", {}).values():
            assert measure.value is None
            assert measure.reason == "it has no forecast"
    assert skill.yesterday(year, [nothing])["silent"]["lag"].reason


def test_without_a_training_mean_the_other_tests_stand(year, after):
    frame = pd.DataFrame({"forecast": 0.2 * after}, index=year.index[BARS])
    mine = ls.Forecasts.from_frame(frame, name="mine", target="close")
    told = skill.tests(skill.judge(year, [mine, *naive_and_mean(mine)]))["mine"]
    assert told["skill"].reason == told["error_against_mean"].reason == skill.NO_MEAN
    assert max(told[key].p for key in ("error_against_naive", "direction", "sign_trade")) < 0.01


# Where and when


def test_a_years_skill_is_that_of_its_bars(bars, after, year):
    told = skill.years(bars)
    stamps = year.index[BARS]
    assert list(told["knows"]) == [str(each) for each in sorted(set(stamps.year))]
    for name, forecast in (("knows", 0.2 * after), ("mirror", -after)):
        for label, measure in told[name].items():
            there = stamps.year == int(label)
            y = after[there]
            assert measure.value == pytest.approx(1 - np.sum((y - forecast[there]) ** 2) / np.sum(y**2))
    assert "mean" not in told
    few = skill.judge(
        year, [made(year, np.where(stamps < stamps[10], after, np.nan))] * 1 + naive_and_mean(made(year, after))
    )
    assert skill.years(few)["mine"][str(stamps[0].year)].reason == "fewer than 20 bars"


def test_fifths_are_as_large_and_together_all(bars, year, after):
    told = skill.by_volatility(bars)["knows"]
    sigma = volatility(year)[BARS]
    order = np.argsort(sigma, kind="stable")
    inside = np.abs(after - 0.2 * after) <= 0.02
    for fifth, rows in zip(FIFTHS, np.array_split(order, 5), strict=True):
        assert told[f"coverage_{fifth}"].value == pytest.approx(inside[rows].mean())
        assert told[f"width_{fifth}"].value == pytest.approx(0.04)
    assert told["coverage_calmest"].value > told["coverage_wildest"].value  # of one width in all weathers
    assert skill.by_volatility(bars)["noise"]["width_second"].reason == "it says no interval"


@pytest.mark.parametrize(
    ("lag", "sign", "words"),
    [
        (1, 1, "most like the last return before them: correlation +1.000"),
        (1, -1, "most like the opposite of the last return before them: correlation -1.000"),
        (4, 1, "most like the return of 4 bars before: correlation +1.000"),
        (0, 1, "most like the return that follows: correlation +1.000"),
    ],
)
def test_it_is_told_whose_return_a_forecast_repeats(year, change, lag, sign, words):
    said = sign * 0.3 * pd.Series(change).shift(lag - 1).to_numpy()[BARS]
    told = skill.yesterday(year, [made(year, said)])["mine"]
    assert told["lag"].value == lag
    assert told["correlation"].value == pytest.approx(sign)
    assert words in told["lag"].note
    assert told["lag"].note.endswith("just yesterday's.") == (lag == 1)


def test_of_a_forecast_that_never_changes_nothing_is_told(year, after):
    told = skill.yesterday(year, [made(year, np.full(len(after), 0.01))])["mine"]
    assert told["lag"].value is None
    assert "never changes" in told["correlation"].reason


# Members


def test_pairs_of_members_that_say_the_other_order_are_counted():
    assert skill.flipped(np.array([3.0, 2.0]), np.array([1.0, 2.5]), 1.0) == 1 / 4
    assert skill.flipped(np.array([3.0, 2.0]), np.array([1.0, 2.5]), -1.0) == 3 / 4
    assert skill.flipped(np.array([1.0, math.nan]), np.array([2.0]), 1.0) == 1.0
    assert math.isnan(skill.flipped(np.array([math.nan]), np.array([2.0]), 1.0))
    assert math.isnan(skill.flipped(np.array([1.0]), np.array([2.0]), 0.0))
    assert math.isnan(skill.flipped(np.array([1.0]), np.array([2.0]), math.nan))


def test_the_pair_is_lstm_and_rnn_wherever_they_stand(prices, models):
    linear, rnn, lstm = (
        ls.forecast(prices, TINY.replace(cell=cell), SHORT, n_jobs=1, progress=False)
        for cell in ("linear", "rnn", "lstm")
    )
    assert skill.pair_of([linear, rnn, lstm]) == ("lstm", "rnn")
    assert skill.pair_of([linear, lstm]) == ("linear", "lstm")
    assert skill.pair_of(models[:2]) == ("knows", "noise")
    assert skill.pair_of(models[:1]) is None
