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
from lstm_signal.forecasts import Forecasts, check_same_prices
from lstm_signal.ledger import Trials, count, deflated_sharpe, identities, plain
from lstm_signal.loading import load_strategy
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
    The verdict's rules are in `verdict`, and benchmarks/calibration.md counts how often they speak on noise. All models
    are judged on the bars that each of them has forecast. Each is traded again by each of its members alone, and heeded
    1, 2 and 5 bars late.

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
    cls = load_strategy(strategy) if isinstance(strategy, str) else strategy
    _refuse_own_names(cls)
    asked, costs = len(models), costs or Costs()
    models = _on_common_bars(models, linear_beside(prices, models))
    trading = {"costs": costs, "fill": fill} | options
    tried = {model.name: backtest(prices, model, cls, **trading) for model in models}
    run = tried[models[0].name]
    chosen = identities(models, {name: money.sharpe_of(each) for name, each in tried.items()}, run, cls)
    again = None
    if sensitivity is not None:
        again = compare(prices, sensitivity, cls, trials=trials, **trading)
        sharpes = {name: column["sharpe"]["value"] or np.nan for name, column in again.report["trading"].items()}
        chosen += identities(_comparable(sensitivity), sharpes, run, cls)
    counted = count(chosen, fingerprint(prices), ledger, trials)
    held = {name: value for name, value in trading.items() if name in _OF_ANY_STRATEGY}
    runs = tried | {BUY_AND_HOLD: _quietly(prices, models[0], BUY_AND_HOLD, **held)}
    joined = [*models, *naive_and_mean(skill.reference(models))]
    told = _of_forecasts(prices, joined)
    pair = skill.pair_of(models[:asked])
    days = {model.name: money.right_and_lost(runs[model.name], model, model.outcomes(prices)) for model in models}
    rerun = partial(_quietly, prices, strategy=cls, **trading)
    made, curves, by_member = _of_money(prices, models, runs, days, pair, rerun)
    made["flips"] = _flips(prices, models, told["forecasts"], runs, by_member, pair)
    report = _report(prices, models, run, full_parameters(cls, run.about["parameters"]), costs) | {
        "verdict": weigh(prices, models[:asked], tried),
        "trials": {name: {"value": getattr(counted, name), "unit": "count"} for name in _COUNTS},
        **_described(told),
        "trading": {name: run.describe() | describe(_deflated(name, run, counted)) for name, run in runs.items()},
        **_described(made),
        "sensitivity": None if again is None else again.report,
    }
    outcomes = {model.name: model.frame.assign(outcome=model.outcomes(prices)) for model in joined}
    return Comparison(
        report if "linear" in runs else report | _without_linear(report),
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
        "delays": money.delays(prices, models, runs, rerun),
        "members": members,
    }, curves, sharpes  # fmt: skip


def _flips(
    prices: pd.DataFrame, models: list[Forecasts], measures: skill.Section, runs: Mapping[str, Run],
    sharpes: Mapping[str, Array], pair: tuple[str, str] | None,
) -> skill.Section:  # fmt: skip
    """Return how often two members, one of each model, would have said the other order of the two models."""
    if pair is None:
        return {}
    own = [next(model for model in models if model.name == name) for name in pair]
    if all(model.members.shape[1] < 2 for model in own):
        return {" - ".join(pair): undefined(FLIP_ROWS, "each has one member")}
    r2 = [measures[name]["r2"].value for name in pair]
    alone = [skill.member_r2(prices, model, skill.reference(models)) for model in own]
    whole = [money.sharpe_of(runs[name]) for name in pair]
    traded = [sharpes.get(name, np.array([together])) for name, together in zip(pair, whole, strict=True)]
    values = {
        "r2": np.nan if r2[0] is None or r2[1] is None else skill.flipped(alone[0], alone[1], r2[0] - r2[1]),
        "sharpe": skill.flipped(traded[0], traded[1], whole[0] - whole[1]),
    }
    reason = "the two models have no order of their own"
    return {" - ".join(pair): {key: measured(FLIP_ROWS, key, value, reason) for key, value in values.items()}}


def _deflated(name: str, run: Run, trials: Trials) -> dict[str, Measure]:
    key = "deflated_sharpe"
    if name == BUY_AND_HOLD:
        return {key: Measure(None, TRADING_ROWS[key].unit, "nothing was chosen")}
    return {key: deflated_sharpe(run, trials)}


def _without_linear(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return both tables with linear's dashes where its column belongs."""
    reason = "no recipe to train it by: forecasts made elsewhere, or saved with a feature of one's own"
    tables: dict[str, Any] = {}
    for kind, rows, after in (("forecasts", FORECAST_ROWS, "mean"), ("trading", TRADING_ROWS, BUY_AND_HOLD)):
        columns = list(report[kind].items())
        place = [name for name, _ in columns].index(after)
        tables[kind] = dict([*columns[:place], ("linear", describe(undefined(rows, reason))), *columns[place:]])
    return tables


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


def _refuse_own_names(strategy: type[ForecastStrategy]) -> None:
    """Raise InputError if a strategy has a parameter that compare would take for its own."""
    for name in ("trials", "ledger", "sensitivity"):
        if hasattr(getattr(strategy, "params", None), name):
            raise InputError(f"{strategy.__name__} has a parameter {name!r}, which compare takes itself: rename it.")


def _on_common_bars(models: list[Forecasts], joining: list[Forecasts]) -> list[Forecasts]:
    """Cut all models to the bars that every one of them has forecast; say so of those that were given."""
    common = models[0].frame.index
    for model in [*models[1:], *joining]:
        common = common.intersection(model.frame.index)
    if not len(common):
        raise InputError("the models have no bar in common: forecast the same bars with all.")
    for model in models:
        said = model.frame["forecast"].reindex(common).notna()
        if len(model) > len(common):
            warnings.warn(
                f"{model.name} has {len(model)} forecasts, but all models only {len(common)}: compared on these.",
                stacklevel=3,
            )
        if said.any() and not said.all():
            warnings.warn(
                f"{model.name} has no forecast at {(~said).sum()} of {len(common)} bars: all models' forecasts are "
                "judged on the others.",
                stacklevel=3,
            )
    return [
        dataclasses.replace(each, frame=each.frame.loc[common], members=each.members.loc[common])
        for each in (*models, *joining)
    ]


def _report(
    prices: pd.DataFrame, models: list[Forecasts], first: Run, parameters: Mapping[str, Any], costs: Costs
) -> dict[str, Any]:
    """Return what a report says beside its sections."""
    walked = [model.about for model in models if model.audited]
    return {
        "schema": SCHEMA,
        "prices": describe_prices(prices),
        "schedule": walked[0]["schedule"] if walked else None,
        "seed": walked[0]["seed"] if walked else None,
        "target": models[0].target,
        "horizon": models[0].horizon,
        "forecast_bars": len(models[0]),
        "forecast_first": models[0].frame.index[0].isoformat(),
        "judged_bars": len(skill.judge(prices, models).known),
        "strategy": {"name": first.strategy, "parameters": plain(parameters)},
        "fill": first.about["fill"],
        "costs": vars(costs),
        "cash": first.about["cash"],
        "cash_rate": first.about["cash_rate"],
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
