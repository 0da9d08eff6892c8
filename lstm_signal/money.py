"""From forecast to money: where a run's return comes from, and what it is without luck, delay and costs.

Each function returns a section of a report: by model, or by pair of models, then by measure.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Hashable, Mapping, Sequence

import empyrical
import numpy as np
import pandas as pd

from lstm_signal.bootstrap import ENOUGH, MIN_BARS, Array, block_length, drawn
from lstm_signal.forecaster import Forecaster
from lstm_signal.forecasts import Forecasts, assemble
from lstm_signal.measures import NEVER_TRADED, moves
from lstm_signal.results import Run
from lstm_signal.units import (
    BASIS_POINTS,
    COST_ROWS,
    DELAY_ROWS,
    DELAYS,
    MEMBER_ROWS,
    MONEY_ROWS,
    PAIR_ROWS,
    Measure,
    measured,
    undefined,
)

Section = dict[str, dict[str, Measure]]
Rerun = Callable[[Forecasts], Run]


def excess(run: Run) -> Array:
    """Return (bars,) the returns above cash."""
    return (run.returns - run.cash_returns).to_numpy()


def sharpe(returns: Array, periods_per_year: float) -> float:
    """Return the annual Sharpe ratio of excess returns; NaN where they never change."""
    return float(empyrical.sharpe_ratio(returns, annualization=periods_per_year)) if moves(returns) else math.nan


def sharpe_of(run: Run, periods_per_year: float | None = None) -> float:
    """Return a run's Sharpe ratio, annual unless said."""
    return sharpe(excess(run), periods_per_year or run.about["periods_per_year"])


# Whose money is more


def differences(runs: Mapping[str, Run], pairs: Sequence[tuple[str, str]]) -> Section:
    """Return how much more the first run of each pair made than the second, with interval and p-value.

    Both are drawn together, by a stationary bootstrap: what moves both is no difference. The p-value is two-sided, of
    draws about the difference found. Ledoit and Wolf, Journal of Empirical Finance 15:850 (2008),
    doi:10.1016/j.jempfin.2008.03.002.
    """
    section: Section = {}
    for first, second in pairs:
        returns = np.column_stack([excess(runs[first]), excess(runs[second])])
        same = "the two made the same" if np.array_equal(*returns.T) else ""
        few = f"fewer than {MIN_BARS} bars" if len(returns) < MIN_BARS else same
        a_year, name = runs[first].about["periods_per_year"], f"{first} - {second}"
        section[name] = undefined(PAIR_ROWS, few) if few else _difference(returns, a_year)
    return section


def _difference(returns: Array, a_year: float) -> dict[str, Measure]:
    def apart(chunk: Array) -> Array:
        """Return (measures, ...) of returns (2, bars, ...)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = [empyrical.sharpe_ratio(each, annualization=a_year) for each in chunk]
        return np.stack([ratios[0] - ratios[1], a_year * (chunk[0] - chunk[1]).mean(axis=0)])

    draws = np.concatenate([apart(chunk) for chunk in drawn(returns, block_length(returns))], axis=-1)
    traded = all(moves(column) for column in returns.T)
    found = dict(zip(PAIR_ROWS, zip(apart(returns.T), draws, strict=True), strict=True))
    return {
        key: Measure(None, PAIR_ROWS[key].unit, NEVER_TRADED)
        if key == "sharpe" and not traded
        else _apart(PAIR_ROWS[key].unit, value, own[np.isfinite(own)], len(own))
        for key, (value, own) in found.items()
    }


def _apart(unit: str, value: float, draws: Array, asked: int) -> Measure:
    """Return a difference with its interval and p-value, from the draws that have it."""
    if len(draws) < ENOUGH * asked:
        return Measure(None, unit, "one of the two was in the market on too few bars")
    low, high = np.percentile(draws, [2.5, 97.5])
    beyond = int((np.abs(draws - value) >= abs(value)).sum())
    return Measure(float(value), unit, low=float(low), high=float(high), p=(1 + beyond) / (1 + len(draws)))


# Where it comes from


def attribution(run: Run, days: pd.DataFrame) -> dict[str, Measure]:
    """Return the parts of a run's summed simple returns, which add up exactly, and how many right forecasts lost.

    `exposure` is the average exposure times what the asset made: the buy & hold in it. `timing` is what being in at
    some bars and out at others added, the rest before interest and costs. `days` is what `right_and_lost` returns.
    """
    flows = run.flows
    parts = {
        "exposure": flows["held"].mean() * flows["asset"].sum(),
        "interest": flows["interest"].sum(),
        "trading_costs": -flows["trading_costs"].sum(),
        "borrow": -flows["borrow"].sum(),
    }
    lost = days[days["right"] & (days["earned"] < 0)]
    values = parts | {
        "timing": flows["gross"].sum() - parts["exposure"],
        "total": run.returns.sum(),
    }
    if len(days):
        values |= {"right": days["right"].sum(), "right_and_lost": len(lost),
                   "lost_to_costs": (lost["earned"] + lost["paid"] >= 0).sum()}  # fmt: skip
    reason = "no outcome is known, or those of several forecasts overlap"
    return {key: measured(MONEY_ROWS, key, values.get(key, math.nan), reason) for key in MONEY_ROWS}


def right_and_lost(run: Run, model: Forecasts, outcome: pd.Series) -> pd.DataFrame:
    """Return what came of each forecast whose outcome is known: right in sign, and yet its position may have lost.

    Empty for a horizon above 1: no position is held for one forecast alone.

    Returns
    -------
    DataFrame
        By the bar the forecast was made at: `forecast` and `outcome` [log return], `exposure` after the fill it could
        lead to, `paid` for that fill and `earned` by that exposure over the outcome after it [fraction of equity], and
        whether the forecast was `right` in sign.
    """
    taken = run.flows["held"] if run.about["fill"] == "close" else run.positions["exposure"]
    bars = pd.DataFrame({"exposure": taken, "paid": run.flows["trading_costs"]}).shift(-1)
    table = pd.DataFrame({"forecast": model.frame["forecast"], "outcome": outcome}).join(bars).dropna()
    table = table.iloc[: len(table) if model.horizon == 1 else 0]
    table["earned"] = table["exposure"] * np.expm1(table["outcome"]) - table["paid"]
    return table.assign(right=table["forecast"] * table["outcome"] > 0)


# What it is otherwise


def at_costs(runs: Mapping[str, Run]) -> Section:
    """Return Sharpe ratio and return of the same exposures at other costs of trading, borrowing included."""
    section: Section = {}
    for name, run in runs.items():
        a_year, section[name] = run.about["periods_per_year"], {}
        for bp in BASIS_POINTS:
            change = (run.flows["trading_costs"] - bp / 10_000 * run.flows["traded"]).to_numpy()
            returns = run.returns.to_numpy() + change
            values = {
                f"sharpe_at_{bp}bp": sharpe(excess(run) + change, a_year),
                f"annual_return_at_{bp}bp": empyrical.annual_return(returns, annualization=a_year)
                if len(returns) and returns.min() > -1
                else math.nan,
            }
            section[name] |= {key: measured(COST_ROWS, key, value, NEVER_TRADED) for key, value in values.items()}
    return {name: {key: section[name][key] for key in COST_ROWS} for name in section}


def delays(prices: pd.DataFrame, models: Sequence[Forecasts], runs: Mapping[str, Run], rerun: Rerun) -> Section:
    """Return the Sharpe ratio where each forecast is heeded so many bars later than in the run itself."""
    section: Section = {}
    for model in models:
        section[model.name] = {}
        for bars in DELAYS:
            late = delayed(prices, model, bars)
            run = runs[model.name] if not bars else rerun(late) if len(late) else None
            value = math.nan if run is None else sharpe_of(run)
            key = f"sharpe_late_{bars}"
            section[model.name][key] = measured(DELAY_ROWS, key, value, NEVER_TRADED)
    return section


def delayed(prices: pd.DataFrame, model: Forecasts, bars: int) -> Forecasts:
    """Return the forecasts, each stamped so many bars later; those that would go beyond the last bar are left out."""
    places = prices.index.get_indexer(model.frame.index) + bars
    places = places[places < len(prices)]
    kept, stamps = slice(len(places)), prices.index[places]
    late = model.frame.iloc[kept].set_axis(stamps)
    late["price"] = prices["close"].to_numpy()[places] * np.exp(late["forecast"])
    return dataclasses.replace(model, frame=late, members=model.members.iloc[kept].set_axis(stamps))


def fan(
    prices: pd.DataFrame, models: Sequence[Forecasts], held: Run, rerun: Rerun
) -> tuple[Section, pd.DataFrame, dict[str, Array]]:
    """Return what each member alone would have made, their equity curves, and their Sharpe ratios.

    Returns
    -------
    section : dict
    curves : DataFrame
        By model, member and bar: `equity` of a run on this member's forecasts alone.
    sharpes : dict of str to ndarray, shape (members,)
    """
    section: Section = {}
    sharpes: dict[str, Array] = {}
    curves = [pd.DataFrame({"model": [], "member": [], "equity": []}).astype({"model": str, "member": str})]
    for model in models:
        count = model.members.shape[1]
        if count < 2 or model.recipe is None:
            reason = "there is one member" if count < 2 else "no recipe: a member's forecasts alone cannot be made"
            section[model.name] = undefined(MEMBER_ROWS, reason)
            continue
        alone = {str(member): rerun(single(prices, model, model.recipe, member)) for member in model.members}
        own = sharpes[model.name] = np.array([sharpe_of(run) for run in alone.values()])
        beat = [run.equity.iloc[-1] / run.equity.iloc[0] > held.equity.iloc[-1] / held.equity.iloc[0]
                for run in alone.values()]  # fmt: skip
        values = {"members": float(count), "beat_buy_and_hold": float(np.mean(beat))}
        if np.isfinite(own).all():
            values |= {"sharpe_least": own.min(), "sharpe_median": float(np.median(own)), "sharpe_most": own.max()}
        section[model.name] = {
            key: measured(MEMBER_ROWS, key, values.get(key, math.nan), "a member never traded") for key in MEMBER_ROWS
        }
        curves += [
            run.equity.rename("equity")
            .to_frame()
            .assign(model=model.name, member=member)[["model", "member", "equity"]]
            for member, run in alone.items()
        ]
    return section, pd.concat(curves), sharpes


def single(prices: pd.DataFrame, model: Forecasts, recipe: Forecaster, member: Hashable) -> Forecasts:
    """Return the forecasts of one member alone, with its own strength and interval."""
    folds = model.frame[["mean", "fold", "data_through", "fit"]]
    return assemble(model.name, prices, folds, [model.members[member].to_numpy()], model.about, recipe)
