"""The road from the LSTM to the RNN, walked; and when a fitted LSTM forgets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lstm_signal.bars import stamps_of
from lstm_signal.cells import LADDER
from lstm_signal.comparison import Comparison
from lstm_signal.errors import InputError
from lstm_signal.forecaster import Forecaster
from lstm_signal.forecasts import Forecasts
from lstm_signal.intervals import volatility
from lstm_signal.skill import member_r2
from lstm_signal.tables import text_table

RUNGS = ("lstm", "no_output", "no_input", "no_memory", "rnn")  # what is left, or what has gone last
_SHOWN = ("forget", "input", "output")


def rungs(lstm: Forecaster) -> list[Forecaster]:
    """Return the recipe of each rung: one more part of the LSTM is gone, nothing else differs."""
    return [lstm.replace(without=parts) for parts in LADDER]


def describe_rungs(prices: pd.DataFrame, models: list[Forecasts], comparison: Comparison) -> list[dict[str, Any]]:
    """Return what each elimination did: live parameters, R2 of the mean and of single members, Sharpe ratio."""
    told = []
    for parts, model in zip(LADDER, models, strict=True):
        single = member_r2(prices, model)
        single = single[np.isfinite(single)]
        told.append({
            "model": model.name, "without": list(parts), "parameters": model.about["parameters"],
            "r2": comparison.report["forecasts"][model.name]["r2"]["value"],
            "member_r2_mean": float(single.mean()) if len(single) else None,
            "member_r2_sd": float(single.std(ddof=1)) if len(single) > 1 else None,
            "sharpe": comparison.report["trading"][model.name]["sharpe"]["value"],
        })  # fmt: skip
    return told


def rung_table(told: list[dict[str, Any]]) -> str:
    """Return the rungs as a table for the terminal."""
    header = ["", "gone", "parameters", "R2 [%]", "R2 of single members [%]", "Sharpe"]
    rows = []
    for rung in told:
        spread = f" +- {rung['member_r2_sd']:.2%}".replace("%", "") if rung["member_r2_sd"] is not None else ""
        sharpe = "-" if rung["sharpe"] is None else f"{rung['sharpe']:.2f}"
        r2, single = ("-" if rung[key] is None else f"{100 * rung[key]:.2f}" for key in ("r2", "member_r2_mean"))
        rows.append([rung["model"], ", ".join(rung["without"]) or "nothing", str(rung["parameters"]),
                     r2, f"{single}{spread}", sharpe])  # fmt: skip
    return text_table("The road from the LSTM to the RNN", header, rows)


def when_it_forgets(prices: pd.DataFrame, rates: pd.DataFrame, since: pd.Timestamp) -> dict[str, dict[str, Any]]:
    """Return, of each rate after a bar, its mean, its mean in the calmest and the wildest fifth, and its extremes.

    Parameters
    ----------
    prices, rates : DataFrame, shape (bars, 6)
    since : Timestamp
        The last bar that the fit has seen.
    """
    usual = pd.Series(volatility(prices), index=prices.index)
    later = stamps_of(prices) > since
    if not rates[later].notna().all(axis=1).any():
        raise InputError(f"the fit has seen all of these bars but its warm-up, up to {since}: give later ones.")
    rates, usual = rates[later].dropna(), usual[later]
    usual = usual[rates.index]
    calm, wild = rates[usual <= usual.quantile(0.2)], rates[usual >= usual.quantile(0.8)]
    return {
        name: {"mean": float(rates[name].mean()), "calm": float(calm[name].mean()), "wild": float(wild[name].mean()),
               "lowest": float(rates[name].min()), "lowest_at": str(rates[name].idxmin()),
               "highest": float(rates[name].max()), "highest_at": str(rates[name].idxmax())}
        for name in _SHOWN
    }  # fmt: skip


def rates_table(told: dict[str, dict[str, Any]]) -> str:
    """Return when it forgets as a table for the terminal."""
    header = ["", "mean", "calmest fifth", "wildest fifth", "lowest", "on", "highest", "on"]
    rows = [
        [f"{name} rate", *(f"{rate[part]:.4f}" for part in ("mean", "calm", "wild", "lowest")), rate["lowest_at"][:10],
         f"{rate['highest']:.4f}", rate["highest_at"][:10]]
        for name, rate in told.items()
    ]  # fmt: skip
    return text_table("Rates, mean over units; fifths of bars by volatility", header, rows)
