"""What forecasts are worth: their measures and tests, by year and by volatility, and whether they are just yesterday's.

Each function returns a section of a report: by model, then by measure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from lstm_signal.bootstrap import MIN_BARS, Array
from lstm_signal.estimates import forecast_estimates
from lstm_signal.evidence import Finding, anatolyev_gerko, clark_west, diebold_mariano, pesaran_timmermann
from lstm_signal.forecasts import Forecasts
from lstm_signal.intervals import volatility
from lstm_signal.measures import NO_MEAN, correlation, forecast_measures
from lstm_signal.units import (
    FIFTHS,
    FORECAST_ROWS,
    TEST_ROWS,
    VOLATILITY_ROWS,
    YESTERDAY_ROWS,
    Measure,
    Row,
    undefined,
)
from lstm_signal.windows import returns

Section = dict[str, dict[str, Measure]]

PAST = 20  # bars back that a forecast is looked for in
NO_BARS = "no bar has both a forecast and its outcome"


class Judgement(NamedTuple):
    """The bars on which all models are judged: those that each of them has forecast and whose outcome is known.

    Attributes
    ----------
    known : DataFrame
        By bar: outcome, the training rows' mean [log return], and the `volatility` known at it.
    said : dict
        By model, the rows of its frame at these bars; None for a model that says nothing at all, which takes no bar
        from the others.
    horizon : int
    """

    known: pd.DataFrame
    said: dict[str, pd.DataFrame | None]
    horizon: int


def judge(prices: pd.DataFrame, models: Sequence[Forecasts]) -> Judgement:
    """Return the bars that models, made on the same bars, are judged on; the first audited one's mean is all theirs."""
    outcome = models[0].outcomes(prices)
    sigma = pd.Series(volatility(prices), index=prices.index).reindex(outcome.index)
    table = pd.DataFrame({"outcome": outcome, "mean": reference(models).frame["mean"], "volatility": sigma})
    silent = {model.name for model in models if model.frame["forecast"].isna().all()}
    there = outcome.notna()
    for model in models:
        if model.name not in silent:
            there &= model.frame["forecast"].notna()
    said = {model.name: None if model.name in silent or not there.any() else model.frame[there] for model in models}
    return Judgement(table[there], said, models[0].horizon)


def reference(models: Sequence[Forecasts]) -> Forecasts:
    """Return the first model whose training mean is known, else the first."""
    return next((model for model in models if model.audited), models[0])


def _columns(bars: Judgement, frame: pd.DataFrame) -> tuple[Array, Array, Array]:
    """Return outcome, forecast and mean."""
    return bars.known["outcome"].to_numpy(), frame["forecast"].to_numpy(), bars.known["mean"].to_numpy()


def _band(frame: pd.DataFrame) -> tuple[Array, Array, Array]:
    """Return spread, lower and upper."""
    return frame["spread"].to_numpy(), frame["lower"].to_numpy(), frame["upper"].to_numpy()


def _silent(bars: Judgement, name: str) -> str:
    """Return why a model, or the baseline mean, says nothing."""
    if not len(bars.known):
        return NO_BARS
    return NO_MEAN if name == "mean" else "it has no forecast"


def measures(bars: Judgement) -> Section:
    """Return each model's forecast measures with their intervals."""
    section: Section = {}
    for name, frame in bars.said.items():
        if frame is None:
            section[name] = undefined(FORECAST_ROWS, _silent(bars, name))
        else:
            section[name] = forecast_estimates(*_columns(bars, frame), *_band(frame), bars.horizon)
    return section


# Tests


def tests(bars: Judgement) -> Section:
    """Return each model's tests, with their direction and meaning as a note.

    They are shown and decide nothing: an error that is lower or higher than the mean's is no answer to whether there
    is skill. The verdict has rules of its own.
    """
    section: Section = {}
    for name, frame in bars.said.items():
        if name in ("mean", "naive"):
            continue
        if frame is None:
            section[name] = undefined(TEST_ROWS, _silent(bars, name))
            continue
        outcome, forecast, mean = _columns(bars, frame)
        found = {
            "error_against_mean": diebold_mariano(outcome - forecast, outcome - mean, bars.horizon),
            "error_against_naive": diebold_mariano(outcome - forecast, outcome, bars.horizon),
            "skill": clark_west(outcome, forecast, mean, bars.horizon),
            "direction": pesaran_timmermann(outcome, forecast, bars.horizon),
            "sign_trade": anatolyev_gerko(outcome, forecast, bars.horizon),
        }
        if np.isnan(mean).any():
            found |= dict.fromkeys(("error_against_mean", "skill"), Finding(math.nan, math.nan, NO_MEAN))
        section[name] = {key: _tested(name, key, finding) for key, finding in found.items()}
    return section


def _tested(name: str, key: str, found: Finding) -> Measure:
    unit = TEST_ROWS[key].unit
    if math.isnan(found.p):
        return Measure(None, unit, found.reason)
    return Measure(found.statistic, unit, p=found.p, note=_meaning(name, key, found))


def _meaning(name: str, key: str, found: Finding) -> str:
    """Return what the test says, in a sentence."""
    sure = found.p <= 0.05
    if key.startswith("error"):
        other, way = key.removeprefix("error_against_"), "lower" if found.statistic < 0 else "higher"
        doubt = "" if sure else ", by no more than luck may do"
        return f"{name}'s squared error is {way} than {other}'s{doubt}; that alone is neither skill nor the lack of it."
    does, does_not = {
        "skill": ("knows something of the return that the mean does not", "shows nothing that the mean does not know"),
        "direction": ("tells up from down more often than luck", "tells up from down no more often than luck"),
        "sign_trade": ("would have earned by its sign before costs", "would have earned by its sign no more than luck"),
    }[key]
    return f"{name} {does if sure else does_not}."


# Where and when


def years(bars: Judgement) -> Section:
    """Return each model's R2 against the mean by calendar year."""
    section: Section = {}
    by_year = bars.known.index.year  # type: ignore[attr-defined]
    for name, frame in bars.said.items():
        if name == "mean":
            continue
        section[name] = {}
        for year in sorted(set(by_year)):
            there = by_year == year
            row = Row(str(year), "fraction", 100, 2)
            if frame is None or there.sum() < MIN_BARS:
                reason = _silent(bars, name) if frame is None else f"fewer than {MIN_BARS} bars"
                section[name][str(year)] = Measure(None, row.unit, reason)
                continue
            section[name][str(year)] = _of(bars, frame, there)["r2"]
    return section


def by_volatility(bars: Judgement) -> Section:
    """Return coverage and width of each model's interval by fifths of bars, from the calmest to the wildest.

    An interval that covers enough in all, and too much in calm and too little in wild times, is of no use.
    """
    place = bars.known["volatility"].rank(method="first", pct=True).to_numpy()
    fifth = np.ceil(place * len(FIFTHS)) - 1
    section: Section = {}
    for name, frame in bars.said.items():
        if name in ("mean", "naive"):
            continue
        if frame is None or not np.isfinite(frame["lower"]).any():
            reason = _silent(bars, name) if frame is None else "it says no interval"
            section[name] = undefined(VOLATILITY_ROWS, reason)
            continue
        fifths = [_of(bars, frame, fifth == number) for number in range(len(FIFTHS))]
        section[name] = {
            f"{kind}_{label}": own[kind]
            for kind in ("coverage", "width")
            for label, own in zip(FIFTHS, fifths, strict=True)
        }
    return section


def _of(bars: Judgement, frame: pd.DataFrame, there: npt.NDArray[np.bool_]) -> dict[str, Measure]:
    """Return a model's forecast measures over some of the bars."""
    columns = (*_columns(bars, frame), *_band(frame))
    outcome, forecast, mean, spread, lower, upper = (column[there] for column in columns)
    if not there.any():
        return undefined(FORECAST_ROWS, NO_BARS)
    return forecast_measures(outcome, forecast, mean, spread, lower, upper)


def yesterday(prices: pd.DataFrame, models: Sequence[Forecasts]) -> Section:
    """Return which return each model's forecasts are most like: argmax over k of |corr(forecast_t, y_(t-k))|.

    y_(t-0) is the close-to-close return that follows the forecast, y_(t-1) the last one known, and so on back: the
    forecasts of a model that has learnt to repeat, or to reverse, what it has just seen are most like y_(t-1).
    """
    change = pd.Series(returns(prices), index=prices.index)
    section: Section = {}
    for model in models:
        if model.name in ("mean", "naive"):
            continue
        table = pd.DataFrame({k: change.shift(k - 1).reindex(model.frame.index) for k in range(PAST + 1)})
        table = table.assign(forecast=model.frame["forecast"]).dropna()
        said = table.pop("forecast").to_numpy()
        alike = [float(correlation(table[k].to_numpy(), said)) for k in table] if len(table) >= MIN_BARS else [math.nan]
        if np.isnan(alike).any():
            section[model.name] = undefined(YESTERDAY_ROWS, "the forecast or the price never changes, or too few bars")
            continue
        lag = int(np.argmax(np.abs(alike)))
        note = _alike(model.name, lag, alike)
        section[model.name] = {
            "lag": Measure(float(lag), YESTERDAY_ROWS["lag"].unit, note=note),
            "correlation": Measure(alike[lag], YESTERDAY_ROWS["correlation"].unit),
        }
    return section


def _alike(name: str, lag: int, alike: list[float]) -> str:
    way = "" if alike[lag] > 0 else "the opposite of "
    what = {0: "the return that follows", 1: "the last return before them"}.get(lag, f"the return of {lag} bars before")
    just = "; just yesterday's" if lag == 1 and abs(alike[lag]) >= 0.7 else ""
    with_next = "" if lag == 0 else f", with the return that follows {alike[0]:+.3f}"
    return f"{name}'s forecasts are most like {way}{what}: correlation {alike[lag]:+.3f}{with_next}{just}."


def member_r2(prices: pd.DataFrame, model: Forecasts, mean_of: Forecasts | None = None) -> Array:
    """Return (members,) the R2 against the mean of each member's forecasts alone, NaN for one that said nothing."""
    outcome, mean = model.outcomes(prices).to_numpy(), (mean_of or model).frame["mean"].to_numpy()
    measured = []
    for said in model.members.to_numpy().T:
        known = np.isfinite(outcome) & np.isfinite(said)
        nothing = np.full(int(known.sum()), np.nan)
        r2 = forecast_measures(outcome[known], said[known], mean[known], nothing)["r2"].value if known.any() else None
        measured.append(np.nan if r2 is None else r2)
    return np.array(measured)


def flipped(first: Array, second: Array, order: float) -> float:
    """Return the share of pairs of members whose order is not that of the two models.

    Parameters
    ----------
    first, second : ndarray, shape (members,)
        The measure of each member of the first and of the second model alone, the more the better.
    order : float
        That of the first model less the second's.
    """
    apart = np.subtract.outer(first, second)
    known = np.isfinite(apart)
    decided = math.isfinite(order) and order != 0
    return float((np.sign(apart[known]) != np.sign(order)).mean()) if known.any() and decided else math.nan


def pair_of(models: Sequence[Forecasts]) -> tuple[str, str] | None:
    """Return the first LSTM and the first RNN, or the first two models; None if there is one."""
    cells: Mapping[str, str] = {model.recipe.cell: model.name for model in reversed(models) if model.recipe is not None}
    if "lstm" in cells and "rnn" in cells:
        return cells["lstm"], cells["rnn"]
    return (models[0].name, models[1].name) if len(models) > 1 else None
