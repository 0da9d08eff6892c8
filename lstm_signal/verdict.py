"""The verdict: whether it is skill, which of two models is better, and whether it made money beyond luck.

Three sentences, each with its number, interval and p-value, and "no evidence" where that is the truth. The three
p-values are Holm's together, so that on noise *any* of the three should say something in fewer than one comparison of
twenty: benchmarks/calibration.py counts it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from lstm_signal.bars import total_return
from lstm_signal.bootstrap import Array
from lstm_signal.estimates import forecast_estimates
from lstm_signal.evidence import NAN, alphas, clark_west, holm, mean_error, mean_test
from lstm_signal.forecasts import Forecasts
from lstm_signal.measures import NO_MEAN
from lstm_signal.results import Run
from lstm_signal.skill import NO_BARS, judge, pair_of

LEVEL = 0.05  # of all three sentences together


class Said(NamedTuple):
    """What a model said on the bars whose outcome is known, (bars,) each: forecast [log return] and strength."""

    forecast: Array
    strength: Array


@dataclass(frozen=True)
class Answer:
    """One question's answer before the three are weighed together.

    Attributes
    ----------
    models : tuple of str
        The one, or the two, that it is about.
    value, low, high : float
        The number and its 95 % interval.
    unit : str
    p : float
        For all models tried, not yet for the three questions; NaN where it is undefined.
    reason : str
        Why it is undefined.
    """

    models: tuple[str, ...]
    value: float = NAN
    low: float = NAN
    high: float = NAN
    unit: str = ""
    p: float = NAN
    reason: str = ""

    @property
    def about(self) -> str:
        """The models in words."""
        return " and ".join(self.models)


def weigh(prices: pd.DataFrame, models: Sequence[Forecasts], runs: Mapping[str, Run]) -> list[dict[str, Any]]:
    """Return the verdict on models and the runs that traded on them.

    Parameters
    ----------
    prices : DataFrame
    models : list of Forecasts
        Those that the questions are about, on common bars.
    runs : mapping of str to Run
        By model, of all that were tried in the comparison.
    """
    bars = judge(prices, models)
    outcome, mean = bars.known["outcome"].to_numpy(), bars.known["mean"].to_numpy()
    said = {name: Said(*(frame[each].to_numpy() for each in Said._fields))
            for name, frame in bars.said.items() if frame is not None}  # fmt: skip
    pair, horizon = pair_of(models), bars.horizon
    first = runs[models[0].name]
    asset = total_return(prices)["close"].pct_change().reindex(first.returns.index) - first.cash_returns
    excess = {name: (run.returns - run.cash_returns).to_numpy() for name, run in runs.items()}
    asked = tuple(model.name for model in models)
    if not said or np.isnan(mean).any():
        unknown = Answer(asked, reason=NO_MEAN if said else NO_BARS)
        answers = {"skill": unknown, "difference": unknown}
    else:
        answers = {"skill": skill(outcome, mean, said, horizon)}
        answers["difference"] = difference(outcome, mean, {name: said.get(name) for name in pair or ()}, horizon)
    if not pair:
        answers["difference"] = Answer(asked, reason="there is no second model")
    return verdict(answers | {"money": money(excess, asset.to_numpy(), first.about["periods_per_year"], asked)})


def skill(outcome: Array, mean: Array, models: Mapping[str, Said], horizon: int = 1) -> Answer:
    """Answer whether a model knows something of the outcome that the training rows' mean does not.

    The one-sided t of (outcome - mean) (forecast - mean), Holm over the models. Shown with it is R2, which may be below
    zero all the same: a forecast that says too much has larger errors, whatever it knows.
    """
    found = {name: clark_west(outcome, said.forecast, mean, horizon) for name, said in models.items()}
    adjusted = dict(zip(found, holm([test.p for test in found.values()]), strict=True))
    best = min(found, key=lambda name: (math.isnan(found[name].p), found[name].p))
    if math.isnan(found[best].p):
        return Answer((best,), reason=found[best].reason)
    nothing = np.full(len(outcome), NAN)
    forecast = models[best].forecast
    r2 = forecast_estimates(outcome, forecast, mean, nothing, nothing, nothing, horizon, drawn=("r2",))["r2"]
    value, low, high = (NAN if each is None else each for each in (r2.value, r2.low, r2.high))
    return Answer((best,), value, low, high, "fraction, R2 against the mean", adjusted[best])


def difference(outcome: Array, mean: Array, models: Mapping[str, Said | None], horizon: int = 1) -> Answer:
    """Answer whether one of two models is better: the two-sided t of their strengths' difference times the outcome.

    Strengths, not errors: a network that overfits has larger errors whatever it knows. Positive: the first is better.
    """
    pair, both = tuple(models), [said for said in models.values() if said is not None]
    if len(both) < 2:
        return Answer(pair, reason="one of the two has no forecast")
    earned = (both[0].strength - both[1].strength) * (outcome - mean)
    earned = earned[np.isfinite(earned)]
    if len(earned) < 2:
        return Answer(pair, reason="on fewer than two bars both have a strength, which takes 20 earlier forecasts")
    test = mean_test(earned, horizon, two_sided=True)
    if math.isnan(test.p):
        return Answer(pair, reason="both say the same")
    value = float(earned.mean())
    reach = float(stats.t.ppf(0.975, len(earned) - 1)) * mean_error(earned, horizon)
    return Answer(pair, value, value - reach, value + reach, "log return a forecast and unit of strength", test.p)


def money(returns: Mapping[str, Array], asset: Array, periods_per_year: float, asked: tuple[str, ...]) -> Answer:
    """Answer whether a strategy made money that exposure, costs and luck do not explain.

    The intercept of its excess returns on the asset's, whose p-value counts all strategies of the comparison.

    Parameters
    ----------
    returns : mapping of str to ndarray, shape (bars,)
        Excess returns after costs, a fraction a bar, of everything that was tried.
    asset : ndarray, shape (bars,)
        The asset's own.
    periods_per_year : float
    asked : tuple of str
        Whom the question is about; others count as tried.
    """
    found = dict(zip(returns, alphas(np.column_stack(list(returns.values())), asset), strict=True))
    best = min(asked, key=lambda name: (math.isnan(found[name].p), found[name].p, -found[name].value))
    alpha = found[best]
    if math.isnan(alpha.p):
        return Answer((best,), reason="fewer than 20 bars, or no return beyond the asset's")
    reach = 1.959964 * alpha.error * periods_per_year
    value = alpha.value * periods_per_year
    return Answer((best,), value, value - reach, value + reach, "fraction a year beyond its exposure", alpha.p)


def verdict(answers: Mapping[str, Answer]) -> list[dict[str, Any]]:
    """Weigh the answers together: one entry a question, as report.json holds them.

    Returns
    -------
    list of dict
        `question`, `sentence`, `evidence` (True or False), `about`, `value`, `low`, `high`, `unit`, `p` (after Holm
        over the questions); null where undefined, with the `reason`.
    """
    adjusted = holm([answer.p for answer in answers.values()])
    told = []
    for (question, answer), p in zip(answers.items(), adjusted, strict=True):
        evidence = bool(p <= LEVEL)
        numbers = {"value": answer.value, "low": answer.low, "high": answer.high, "p": p}
        told.append(
            {"question": question, "sentence": _sentence(question, answer, p, evidence), "evidence": evidence}
            | {"about": answer.about, "unit": answer.unit, "reason": answer.reason}
            | {name: float(number) if math.isfinite(number) else None for name, number in numbers.items()}
        )
    return told


def _sentence(question: str, answer: Answer, p: float, evidence: bool) -> str:
    title, told = _SENTENCES[question]
    if answer.reason:
        return f"{title}: nothing can be said of {answer.about}: {answer.reason}."
    return f"{title}: {told(answer, p, evidence)}"


def _skill(answer: Answer, p: float, evidence: bool) -> str:
    numbers = f"R2 {answer.value:.2%}{_range(answer, '{:.2%}', 1)}, p {_p(p)}"
    if evidence:
        loud = "; it says too much, so that its errors are larger all the same" if answer.value < 0 else ""
        return f"{answer.about} knows something of the returns that the mean does not: {numbers}{loud}."
    return f"no evidence that a model forecasts better than the mean; {answer.about} comes closest: {numbers}."


def _range(answer: Answer, form: str, factor: float) -> str:
    """Return the interval in brackets, nothing where there is none."""
    ends = [form.format(factor * end) for end in (answer.low, answer.high)]
    return f" (95 %: {ends[0]} to {ends[1]})" if math.isfinite(answer.low) else ""


def _difference(answer: Answer, p: float, evidence: bool) -> str:
    first, second = answer.models
    value = f"{10_000 * answer.value:+.2f} bp a forecast at unit strength"
    numbers = f"{value}{_range(answer, '{:+.2f}', 10_000)}, p {_p(p)}"
    if evidence:
        better, worse = (first, second) if answer.value > 0 else (second, first)
        return f"{better} is better than {worse}; {first} minus {second}: {numbers}."
    return f"no evidence that one is better; {first} minus {second}: {numbers}."


def _money(answer: Answer, p: float, evidence: bool) -> str:
    numbers = f"{answer.value:+.2%} a year{_range(answer, '{:+.2%}', 1)}, p {_p(p)}"
    if evidence:
        return f"{answer.about} earned more after costs than its exposure, and luck, explain: {numbers}."
    return (
        f"no evidence that a model earned more after costs than its exposure; {answer.about} comes closest: {numbers}."
    )


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "below 0.001"


_SENTENCES = {"skill": ("Skill", _skill), "difference": ("Better model", _difference), "money": ("Money", _money)}
