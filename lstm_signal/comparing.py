"""compare(): models beside linear, mean, naive and buy & hold, as forecasts and as money, with the evidence."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lstm_signal import money, skill
from lstm_signal.bars import as_prices, describe_prices, fingerprint
from lstm_signal.baselines import linear_beside, naive_and_mean
from lstm_signal.bootstrap import Array
from lstm_signal.bt.strategy import ForecastStrategy
from lstm_signal.comparison import BUY_AND_HOLD, SCHEMA, Comparison
from lstm_signal.costs import Costs
from lstm_signal.errors import InputError
from lstm_signal.estimates import sharpe_chance
from lstm_signal.forecasts import Forecasts, check_same_prices
from lstm_signal.ledger import Trials, count, identity
from lstm_signal.results import Run
from lstm_signal.runs import backtest, full_parameters
from lstm_signal.units import FLIP_ROWS, FORECAST_ROWS, TRADING_ROWS, Measure, describe, measured, undefined
from lstm_signal.verdict import weigh
from lstm_signal.walk import check_names, versions

RESERVED = ("linear", "mean", "naive", BUY_AND_HOLD)


def compare(
    prices: pd.DataFrame,
    models: Sequence[Forecasts],
    strategy: str | type[ForecastStrategy] = "long_flat",
    *,
    costs: Costs | None = None,
    fill: str | None = None,
    trials: int = 0,
    ledger: str | Path | None = None,
    sensitivity: Sequence[Forecasts] | None = None,
    **options: Any,
) -> Comparison:
    """Compare models on the same bars; linear, mean, naive and buy & hold join in.

    Parameters
    ----------
    prices : DataFrame, shape (bars, 6)
        The bars that the forecasts were made on.
    models : list of Forecasts
        Of one target and horizon, each with a name of its own.
    strategy : str or class
        Trades on each model's forecasts; see `backtest`.
    costs : Costs, optional
    fill : str, optional
        As in `backtest`.
    trials : int
        How many other things were tried on these bars, that the ledger does not know of: deflated Sharpe ratios count
        them.
    ledger : str or Path, optional
        Folder of the files in which what was tried on the same bars is counted, such as "data/ledger"; without it
        what is tried here alone.
    sensitivity : list of Forecasts, optional
        The same recipes walked by another schedule: the whole is compared again with these.
    **options
        Cash, cash_rate, periods_per_year and the strategy's own parameters, as in `backtest`.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If there is no model, two share a name, or their targets or horizons differ.

    Notes
    -----
    Every forecast measure and every ratio has an interval; the verdict's rules are in `verdict`, and benchmarks/
    calibration.md counts how often they speak on noise. Each model is traded again by each of its members alone, and
    heeded 1, 2 and 5 bars late.

    Examples
    --------
    >>> import lstm_signal as ls
    >>> prices = ls.sample_prices().iloc[:400]
    >>> linear = ls.forecast(prices, ls.Forecaster(cell="linear"), ls.WalkForward(train=200, test=100))
    >>> list(compare(prices, [linear]).report["forecasts"])
    ['linear', 'mean', 'naive']
    """
    prices = as_prices(prices)
    models = _comparable(models)
    for model in models:
        check_same_prices(model, prices)
    asked, costs = len(models), costs or Costs()
    models = _on_common_bars([*models, *linear_beside(prices, models)])
    trading = {"costs": costs, "fill": fill} | options
    again = None
    if sensitivity is not None:
        again = compare(prices, sensitivity, strategy, trials=trials, ledger=ledger, **trading).report
    tried = {model.name: backtest(prices, model, strategy, **trading) for model in models}
    held = {name: value for name, value in trading.items() if name in _OF_ANY_STRATEGY}
    runs = tried | {BUY_AND_HOLD: _quietly(prices, models[0], BUY_AND_HOLD, **held)}
    counted = count(_identities(models, tried, strategy), fingerprint(prices), ledger, trials)
    reference = next((model for model in models if model.audited), models[0])  # whose training mean is known
    joined = [*models, *naive_and_mean(reference)]
    told = _of_forecasts(prices, joined)
    pair = skill.pair_of(models[:asked])
    days = {model.name: money.right_and_lost(runs[model.name], model, model.outcomes(prices)) for model in models}
    rerun = partial(_quietly, prices, strategy=strategy, **trading)
    made, curves, sharpes = _of_money(prices, models, runs, days, pair, rerun)
    made["flips"] = _flips(prices, {model.name: model for model in models}, told["forecasts"], runs, sharpes, pair)
    report = _report(prices, models, runs, costs) | {
        "verdict": weigh(prices, models[:asked], tried),
        "trials": {name: {"value": getattr(counted, name), "unit": "count"} for name in _COUNTS},
        **_described(told),
        "trading": {name: run.describe() | _deflated(name, run, counted) for name, run in runs.items()},
        **_described(made),
        "sensitivity": again,
    }
    if "linear" not in runs:
        reason = "no recipe to train it by: forecasts made elsewhere, or saved with a feature of one's own"
        report["forecasts"] = _insert_linear(report["forecasts"], undefined(FORECAST_ROWS, reason), before="mean")
        report["trading"] = _insert_linear(report["trading"], undefined(TRADING_ROWS, reason), before=BUY_AND_HOLD)
    outcomes = {model.name: model.frame.assign(outcome=model.outcomes(prices)) for model in joined}
    return Comparison(
        report,
        forecasts=_stacked(outcomes),
        returns=pd.DataFrame({name: run.returns for name, run in runs.items()}),
        positions=_stacked({name: run.positions for name, run in runs.items()}),
        fills=_stacked({name: run.fills for name, run in runs.items()}).reset_index(drop=True),
        members=curves,
        days=_stacked(days),
    )


_COUNTS = ("here", "lifetime", "elsewhere")
_OF_ANY_STRATEGY = ("costs", "fill", "cash", "cash_rate", "periods_per_year")


def _stacked(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the models' tables below each other, the model as first column."""
    return pd.concat(tables, names=["model"]).reset_index("model")


def _described(sections: Mapping[str, skill.Section]) -> dict[str, Any]:
    return {name: {column: describe(rows) for column, rows in section.items()} for name, section in sections.items()}


def _quietly(prices: pd.DataFrame, model: Forecasts, strategy: str | type[ForecastStrategy], **trading: Any) -> Run:
    """Return another backtest, without the warnings that the first run has said."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return backtest(prices, model, strategy, **trading)


def _of_forecasts(prices: pd.DataFrame, models: list[Forecasts]) -> dict[str, skill.Section]:
    """Return what the forecasts are worth."""
    bars = skill.judge(prices, models)
    return {
        "forecasts": skill.measures(bars),
        "tests": skill.tests(bars),
        "years": skill.years(bars),
        "volatility": skill.by_volatility(bars),
        "yesterday": skill.yesterday(prices, models),
    }


def _of_money(
    prices: pd.DataFrame, models: list[Forecasts], runs: Mapping[str, Run], days: Mapping[str, pd.DataFrame],
    pair: tuple[str, str] | None, rerun: money.Rerun,
) -> tuple[dict[str, skill.Section], pd.DataFrame, dict[str, Array]]:  # fmt: skip
    """Return what the money is made of, and the members' equity curves and Sharpe ratios."""
    pairs = [*([pair] if pair else []), *((model.name, BUY_AND_HOLD) for model in models)]
    members, curves, sharpes = money.fan(prices, models, runs[BUY_AND_HOLD], rerun)
    return {
        "differences": money.differences(runs, pairs),
        "money": {name: money.attribution(runs[name], own) for name, own in days.items()},
        "at_costs": money.at_costs(runs),
        "delays": money.delays(models, runs, rerun),
        "members": members,
    }, curves, sharpes  # fmt: skip


def _flips(
    prices: pd.DataFrame, models: Mapping[str, Forecasts], measures: skill.Section, runs: Mapping[str, Run],
    sharpes: Mapping[str, Array], pair: tuple[str, str] | None,
) -> skill.Section:  # fmt: skip
    """Return how often two members, one of each model, would have said the other order of the two models."""
    if pair is None:
        return {}
    first, second = pair
    values, r2 = {}, [measures[name]["r2"].value for name in pair]
    if r2[0] is not None and r2[1] is not None:
        alone = [skill.member_r2(prices, models[name]) for name in pair]
        values["r2"] = skill.flipped(alone[0], alone[1], r2[0] - r2[1])
    if first in sharpes and second in sharpes:
        order = money.sharpe_of(runs[first]) - money.sharpe_of(runs[second])
        values["sharpe"] = skill.flipped(sharpes[first], sharpes[second], order)
    reason = "a model has one member, or says nothing"
    return {
        f"{first} - {second}": {key: measured(FLIP_ROWS, key, values.get(key, np.nan), reason) for key in FLIP_ROWS}
    }


def _identities(
    models: list[Forecasts], tried: Mapping[str, Run], strategy: str | type[ForecastStrategy]
) -> dict[str, tuple[dict[str, Any], float]]:
    """Return what was tried, for the ledger: each with its Sharpe ratio a bar."""
    told = {}
    for model in models:
        run = tried[model.name]
        parameters = full_parameters(strategy, run.about["parameters"])
        told[model.name] = identity(model, run.strategy, parameters, run.about["fill"]), money.sharpe_of(run, 1)
    return told


def _deflated(name: str, run: Run, trials: Trials) -> dict[str, Any]:
    """Return the probability that the Sharpe ratio exceeds what the best of all that was tried has by luck."""
    value, reason = np.nan, "nothing was chosen"
    if name != BUY_AND_HOLD:
        traded = np.isfinite(money.sharpe_of(run))
        reason = "the spread of what was tried is not known" if traded else money.NEVER_TRADED
        value = sharpe_chance(money.excess(run), trials.best_by_luck) if traded else np.nan
    return describe({"deflated_sharpe": measured(TRADING_ROWS, "deflated_sharpe", value, reason)})


def _insert_linear(table: dict[str, Any], measures: dict[str, Measure], before: str) -> dict[str, Any]:
    """Return the table with linear's dashes where its column belongs."""
    columns: dict[str, Any] = {}
    for name, column in table.items():
        if name == before:
            columns["linear"] = describe(measures)
        columns[name] = column
    return columns


def _comparable(models: Sequence[Forecasts]) -> list[Forecasts]:
    if isinstance(models, Forecasts):
        models = [models]
    if not isinstance(models, list | tuple):
        raise InputError(f"compare takes a list of Forecasts, not {type(models).__name__}.")
    models = list(models)
    for model in models:
        if not isinstance(model, Forecasts):
            raise InputError(
                f"compare takes Forecasts, not {type(model).__name__}: others come in by Forecasts.from_frame."
            )
    if not models:
        raise InputError("nothing to compare: give at least one model's Forecasts.")
    check_names([model.name for model in models])
    for model in models:
        name, recipe = model.name, model.about.get("recipe")
        if name in RESERVED and not (name == "linear" and recipe and recipe["cell"] == "linear"):
            raise InputError(
                f"two models would be called {name!r}: compare adds that one itself. Name yours otherwise."
            )
    asked = {(model.target, model.horizon) for model in models}
    if len(asked) > 1:
        raise InputError(
            f"models of different targets cannot be compared: {sorted(asked)}. Forecast the same return with all."
        )
    return models


def _on_common_bars(models: list[Forecasts]) -> list[Forecasts]:
    """Cut all models to the bars that every one of them has forecast."""
    common = models[0].frame.index
    for model in models[1:]:
        common = common.intersection(model.frame.index)
    if not len(common):
        raise InputError("the models have no bar in common: forecast the same bars with all.")
    for model in models:
        if len(model) > len(common):
            warnings.warn(
                f"{model.name} has {len(model)} forecasts, but all models only {len(common)}: compared on these.",
                stacklevel=3,
            )
    return [dataclasses.replace(m, frame=m.frame.loc[common], members=m.members.loc[common]) for m in models]


def _report(prices: pd.DataFrame, models: list[Forecasts], runs: Mapping[str, Run], costs: Costs) -> dict[str, Any]:
    """Return what a report says beside its two tables."""
    first, walked = runs[models[0].name], [model.about for model in models if model.audited]
    return {
        "schema": SCHEMA,
        "prices": describe_prices(prices),
        "schedule": walked[0]["schedule"] if walked else None,
        "seed": walked[0]["seed"] if walked else None,
        "target": models[0].target,
        "horizon": models[0].horizon,
        "forecast_bars": len(models[0]),
        "forecast_first": models[0].frame.index[0].isoformat(),
        "strategy": {"name": first.strategy, "parameters": dict(first.about["parameters"])},
        "fill": first.about["fill"],
        "costs": vars(costs),
        "cash": first.about["cash"],
        "periods_per_year": first.about["periods_per_year"],
        "models": {
            model.name: {
                "recipe": model.about.get("recipe"),
                "parameters": model.about.get("parameters"),
                "audited": model.audited,
                "failed": model.about.get("failed", []),
            }
            for model in models
        },
        "versions": versions(),
    }
