"""The verdict says what is there and no more: each question answered on series whose truth is known."""

import json

import numpy as np
import pandas as pd
import pytest

import lstm_signal as ls
from lstm_signal.intervals import strength
from lstm_signal.verdict import Answer, Said, difference, money, skill, verdict
from tests.conftest import SHORT, TINY

BARS = 800


def said(forecast: np.ndarray) -> Said:
    return Said(forecast, strength(forecast))


@pytest.fixture
def series() -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """Return outcomes of which a quarter of the deviation could be known before, that part, and a generator."""
    random = np.random.default_rng(11)
    known = random.normal(0, 0.0025, BARS)
    return known + random.normal(0, 0.01, BARS), known, random


NO_MEAN = np.zeros(BARS)


# The questions


def test_skill_is_found_where_it_is_and_pays_for_how_many_were_tried(series):
    outcome, known, random = series
    noise = {f"noise{k}": said(random.normal(0, 0.0025, BARS)) for k in range(4)}
    alone = skill(outcome, NO_MEAN, {"knows": said(known)})
    among = skill(outcome, NO_MEAN, {**noise, "knows": said(known)})
    assert alone.about == among.about == "knows"
    assert alone.p < 1e-4
    assert among.p == pytest.approx(5 * alone.p)
    assert alone.value == pytest.approx(1 - np.sum((outcome - known) ** 2) / np.sum(outcome**2))
    assert 0 < alone.low < alone.value < alone.high
    assert skill(outcome, NO_MEAN, noise).p > 0.05


def test_a_model_that_only_knows_the_drift_has_no_skill():
    random = np.random.default_rng(1)
    outcome = random.normal(0.001, 0.01, BARS)
    drift = skill(outcome, np.full(BARS, 0.001), {"drift": said(np.full(BARS, 0.001))})
    assert np.isnan(drift.p)
    assert drift.reason == "the forecasts do not differ from the mean, or the outcomes do not"


def test_the_better_of_two_is_found_whatever_the_size_of_its_forecasts(series):
    outcome, known, random = series
    loud = said(50 * random.normal(0, 0.0025, BARS))
    first = difference(outcome, NO_MEAN, {"lstm": said(known), "rnn": loud})
    second = difference(outcome, NO_MEAN, {"lstm": loud, "rnn": said(0.01 * known)})
    assert first.about == "lstm and rnn"
    assert first.value > 0 > second.value
    assert max(first.p, second.p) < 0.05
    assert 0 < first.low < first.value < first.high
    same = difference(outcome, NO_MEAN, {"a": said(known), "b": said(2 * known)})
    assert np.isnan(same.p) or same.p > 0.05


def test_money_is_what_exposure_does_not_explain():
    random = np.random.default_rng(5)
    asset = random.normal(0.0008, 0.01, BARS)
    own = random.normal(0, 0.003, BARS)
    returns = {"holds": 0.7 * asset + own, "earns": 0.7 * asset + own[::-1] + 0.0006}
    both = money(returns, asset, 252, ("holds", "earns"))
    assert both.about == "earns"
    assert both.p < 0.01
    assert both.value == pytest.approx(0.0006 * 252, rel=0.5)
    assert both.low < both.value < both.high
    asked = money(returns, asset, 252, ("holds",))
    assert asked.about == "holds"
    assert asked.p > 0.05


# The three together


def answers(*p_values: float, reason: str = "") -> dict[str, Answer]:
    about = {"skill": ("lstm",), "difference": ("lstm", "rnn"), "money": ("lstm",)}
    return {
        question: Answer(about[question], 0.01, -0.02, 0.03, "unit", p, reason)
        for question, p in zip(about, p_values, strict=True)
    }


@pytest.mark.parametrize(
    ("p_values", "found"),
    [
        ((0.001, 0.02, 0.04), [True, True, True]),
        ((0.02, 0.02, 0.02), [False, False, False]),
        ((0.04, 0.9, 0.9), [False, False, False]),
        ((0.01, 0.9, 0.9), [True, False, False]),
        ((float("nan"), 0.02, 0.9), [False, True, False]),
    ],
)
def test_three_questions_are_weighed_together(p_values, found):
    told = verdict(answers(*p_values))
    assert [each["evidence"] for each in told] == found
    for each in told:
        assert ("no evidence" in each["sentence"]) != each["evidence"]
    json.dumps(told, allow_nan=False)


def test_each_sentence_has_its_number_interval_and_p():
    yes, no = (verdict(answers(p, p, p)) for p in (1e-5, 0.5))
    assert [each["sentence"] for each in yes] == [
        "Skill: lstm knows something of the returns that the mean does not: R2 1.00% (95 %: -2.00% to 3.00%), "
        "p below 0.001.",
        "Better model: lstm is better than rnn; lstm minus rnn: +100.00 bp a forecast at unit strength (95 %: -200.00 "
        "to +300.00), p below 0.001.",
        "Money: lstm earned more after costs than its exposure, and luck, explain: +1.00% a year (95 %: -2.00% to "
        "+3.00%), p below 0.001.",
    ]
    assert [each["sentence"] for each in no] == [
        "Skill: no evidence that a model forecasts better than the mean; lstm comes closest: R2 1.00% (95 %: -2.00% to "
        "3.00%), p 1.000.",
        "Better model: no evidence that one is better; lstm minus rnn: +100.00 bp a forecast at unit strength (95 %: "
        "-200.00 to +300.00), p 1.000.",
        "Money: no evidence that a model earned more after costs than its exposure; lstm comes closest: +1.00% a year "
        "(95 %: -2.00% to +3.00%), p 1.000.",
    ]
    nothing = verdict(answers(float("nan"), float("nan"), float("nan"), reason="it never changes"))
    assert [each["sentence"] for each in nothing] == [
        "Skill: nothing can be said of lstm: it never changes.",
        "Better model: nothing can be said of lstm and rnn: it never changes.",
        "Money: nothing can be said of lstm: it never changes.",
    ]


def test_a_model_that_knows_and_shouts_is_not_called_better(series):
    outcome, known, _ = series
    loud = 8 * known
    told = verdict(answers(0.5, 0.5, 0.5) | {"skill": skill(outcome, NO_MEAN, {"loud": said(loud)})})[0]
    assert told["evidence"]
    assert told["value"] < told["high"] < 0
    assert "knows something" in told["sentence"]
    assert told["sentence"].endswith("it says too much, so that its errors are larger all the same.")


def test_a_difference_of_exactly_nothing_has_its_interval():
    one, other = Said(np.ones(4), np.ones(4)), Said(np.ones(4), np.zeros(4))
    told = difference(np.array([0.1, -0.1, 0.1, -0.1]), np.zeros(4), {"a": one, "b": other})
    assert (told.value, told.p) == (0.0, 1.0)
    assert told.low == -told.high < 0


def test_no_interval_is_no_bracket():
    few = Answer(("a",), 0.01, p=0.5)
    told = verdict({"skill": few, "difference": Answer(("a", "b"), 0.01, p=0.5), "money": few})
    assert [each["sentence"].count("95 %") for each in told] == [0, 0, 0]
    assert told[1]["low"] is None


# In a comparison


def test_a_comparison_begins_with_its_verdict(prices):
    models = ls.forecast(prices, [TINY.replace(cell="rnn"), TINY], SHORT, n_jobs=1)
    comparison = ls.compare(prices, models)
    told = comparison.report["verdict"]
    assert [each["question"] for each in told] == ["skill", "difference", "money"]
    assert told[1]["about"] == "lstm and rnn"  # whatever their order
    assert str(comparison).splitlines()[:3] == comparison.verdict == [each["sentence"] for each in told]
    assert comparison._repr_html_().startswith(f"<div>{told[0]['sentence']}")
    assert ls.compare(prices, models).report["verdict"] == told


def test_the_oracle_is_found_and_its_mirror_is_not(prices):
    outcome = ls.forecast(prices, TINY.replace(cell="linear"), SHORT, n_jobs=1).outcomes(prices)
    frame = pd.DataFrame({"forecast": outcome, "mean": 0.0}).dropna()
    oracle = ls.Forecasts.from_frame(frame, name="oracle")
    found = ls.compare(prices, [oracle], costs=ls.Costs(0, 0, 0)).report["verdict"]
    assert [each["evidence"] for each in found] == [True, False, True]
    assert found[1]["reason"] == "there is no second model"
    mirror = ls.Forecasts.from_frame(frame.assign(forecast=-frame["forecast"]), name="mirror")
    both = ls.compare(prices, [mirror, oracle], costs=ls.Costs(0, 0, 0)).report["verdict"]
    assert [each["evidence"] for each in both] == [True, True, True]
    assert "oracle is better than mirror" in both[1]["sentence"]
    lost = ls.compare(prices, [mirror], costs=ls.Costs(0, 0, 0)).report["verdict"]
    assert [each["evidence"] for each in lost] == [False, False, False]


def test_without_a_training_mean_there_is_a_reason(prices):
    frame = pd.DataFrame({"forecast": np.resize([0.01, -0.01], 100)}, index=prices.index[80:180])
    told = ls.compare(prices, [ls.Forecasts.from_frame(frame, name="mine")]).report["verdict"]
    assert told[0]["reason"] == "no training mean: the forecasts were made elsewhere"
    assert told[0]["p"] is None
    assert "p" in told[2]["sentence"]


def test_the_verdicts_r2_is_that_of_the_table(prices):
    """One number has one interval."""
    comparison = ls.compare(prices, ls.forecast(prices, [TINY.replace(cell="rnn"), TINY], SHORT, n_jobs=1))
    skill_ = comparison.report["verdict"][0]
    shown = comparison.report["forecasts"][skill_["about"]]["r2"]
    assert [skill_[key] for key in ("value", "low", "high")] == [shown[key] for key in ("value", "low", "high")]


def test_a_model_that_says_nothing_takes_nothing_from_the_others(prices):
    lstm = ls.forecast(prices, TINY, SHORT, n_jobs=1)
    silent = ls.Forecasts.from_frame(lstm.frame[["forecast"]] * np.nan, name="silent")
    alone = ls.compare(prices, [lstm])
    with pytest.warns(UserWarning, match="no bar of the feed has a forecast of 'silent'"):
        beside = ls.compare(prices, [lstm, silent])
    assert beside.report["forecasts"]["lstm"] == alone.report["forecasts"]["lstm"]
    assert beside.report["verdict"][0]["about"] == "lstm"
    assert beside.report["verdict"][1]["reason"] == "one of the two has no forecast"
    assert beside.report["forecasts"]["silent"]["r2"]["reason"] == "it has no forecast"
    assert beside.report["judged_bars"] == alone.report["judged_bars"] == len(lstm) - 2


def test_holes_in_one_models_forecasts_are_said(prices):
    lstm = ls.forecast(prices, TINY, SHORT, n_jobs=1)
    frame = lstm.frame[["forecast", "mean"]].copy()
    frame.iloc[::5, 0] = np.nan
    with pytest.warns(UserWarning, match=r"holes has no forecast at \d+ of \d+ bars"):
        told = ls.compare(prices, [lstm, ls.Forecasts.from_frame(frame, name="holes")])
    assert told.report["judged_bars"] == np.isfinite(frame["forecast"].iloc[:-2]).sum()
    assert f"; {told.report['judged_bars']} are judged" in str(told)


@pytest.mark.parametrize("bars", [1, 2, 3, 4, 5, 19, 22, 25])
def test_few_bars_are_compared_without_a_crash(prices, bars):
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"mean": 0.0}, index=prices.index[-bars - 3 : -3] if bars > 1 else prices.index[-1:])
    models = [ls.Forecasts.from_frame(frame.assign(forecast=random.normal(0, 0.01, bars)), name=name) for name in "ab"]
    comparison = ls.compare(prices, models, strategy="buy_and_hold")
    assert len(str(comparison).splitlines()) > 40
    for answer in comparison.report["verdict"]:
        assert answer["p"] is not None or answer["reason"]


def test_cash_is_no_money_made(prices):
    """What cash earns is taken off both sides: it is no skill to be paid interest."""
    frame = pd.DataFrame({"forecast": np.resize([0.01, -0.01, 0.005], 120), "mean": 0.0}, index=prices.index[60:180])
    mine = [ls.Forecasts.from_frame(frame, name="mine")]
    free = ls.Costs(0, 0, 0)
    without, paid = (ls.compare(prices, mine, costs=free, cash_rate=rate).report["verdict"][2] for rate in (0.0, 0.2))
    assert paid["value"] == pytest.approx(without["value"], abs=0.02)
