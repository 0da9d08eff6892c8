"""compare(): models beside linear, mean, naive and buy & hold; the numbers, arranged, saved and read back."""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lstm_signal.bars import as_prices, describe_prices
from lstm_signal.baselines import linear_beside, naive_and_mean
from lstm_signal.bt.strategy import ForecastStrategy
from lstm_signal.costs import Costs
from lstm_signal.errors import InputError, did_you_mean
from lstm_signal.files import replacing
from lstm_signal.forecasts import Forecasts, check_same_prices, told_failures
from lstm_signal.measures import FORECAST_ROWS, TRADING_ROWS, Measure, describe, forecast_measures, undefined
from lstm_signal.runs import Run, backtest
from lstm_signal.tables import html_lines, html_table, measure_cells, text_table
from lstm_signal.verdict import weigh
from lstm_signal.walk import check_names, versions

SCHEMA = 1
BUY_AND_HOLD = "buy_and_hold"
RESERVED = ("linear", "mean", "naive", BUY_AND_HOLD)
MEASURED = {"forecasts": FORECAST_ROWS, "trading": TRADING_ROWS}
TABLES = ("forecasts", "returns", "positions", "fills")  # beside report.json, a Parquet file each


@dataclass(frozen=True, eq=False)
class Comparison:
    """Models compared on the same bars: as forecasts of the next return, and as money after costs.

    Attributes
    ----------
    report : dict
        What report.json holds: prices, schedule, costs, models, and each measure as {value, unit}, or with value null
        and the reason.
    forecasts : DataFrame
        By model and bar: the columns of `Forecasts.frame` and the outcome [log return].
    returns : DataFrame
        Each run's simple returns, a fraction a bar, a column a model.
    positions, fills : DataFrame
        As in `Run`, with the model as first column.
    """

    report: Mapping[str, Any]
    forecasts: pd.DataFrame = field(repr=False)
    returns: pd.DataFrame = field(repr=False)
    positions: pd.DataFrame = field(repr=False)
    fills: pd.DataFrame = field(repr=False)

    def table(self, kind: str) -> pd.DataFrame:
        """Return the measures of "forecasts" or "trading": a row a measure, a column a model, NaN where undefined."""
        if kind not in MEASURED:
            raise InputError(f"no table is called {kind!r}. {did_you_mean(kind, MEASURED)}")
        rows = MEASURED[kind]
        values = {model: {key: measures[key]["value"] for key in rows} for model, measures in self.report[kind].items()}
        return pd.DataFrame(values, index=list(rows), dtype="float64")

    @property
    def verdict(self) -> list[str]:
        """Three sentences: is it skill, is one of two models better, did it make money beyond exposure and luck."""
        return [answer["sentence"] for answer in self.report["verdict"]]

    def __repr__(self) -> str:
        models = ", ".join(self.report["models"])
        return f"<Comparison of {models} on {self.report['prices']['name']}, {self.report['forecast_bars']} bars>"

    def __str__(self) -> str:
        tables, reasons = self._shown()
        drawn = [text_table(*table) for table in tables]
        return "\n\n".join(["\n".join(self.verdict), "\n".join(self._head()), *drawn, "\n".join(reasons)])

    def _repr_html_(self) -> str:
        tables, reasons = self._shown()
        return "".join(
            [
                html_lines(self.verdict),
                html_lines(self._head()),
                *(html_table(*table) for table in tables),
                html_lines(reasons),
            ]
        )

    def _shown(self) -> tuple[list[tuple[str, list[str], list[list[str]]]], list[str]]:
        """Return both tables as title, header and rows of text, and the reasons for their dashes."""
        reasons: list[str] = []
        tables = []
        for kind, rows in MEASURED.items():
            header = ["", *(name.replace(BUY_AND_HOLD, "buy & hold") for name in self.report[kind])]
            tables.append((kind.capitalize(), header, measure_cells(rows, self.report[kind], reasons)))
        return tables, reasons

    def _head(self) -> list[str]:
        report, prices, costs = self.report, self.report["prices"], self.report["costs"]
        target = "open" if report["target"] == "open" else "close"
        note = f" ({prices['note']})" if prices["note"] else ""
        lines = [
            f"{prices['name']}{note}: {prices['bars']} bars, {prices['first'][:10]} to {prices['last'][:10]}",
            f"{report['forecast_bars']} out-of-sample forecasts from {report['forecast_first'][:10]} on, of the "
            f"{target}-to-{target} return over {report['horizon']} bar(s)",
            f"{report['strategy']['name']}, filled at the {report['fill'].replace('_', ' ')}; commission "
            f"{costs['commission']:.4%}, slippage {costs['slippage']:.4%} a side, borrow {costs['borrow']:.2%} a year; "
            f"{report['periods_per_year']:g} bars a year",
        ]
        unaudited = [name for name, model in report["models"].items() if not model["audited"]]
        if unaudited:
            lines.append(f"unaudited, made elsewhere: {', '.join(unaudited)}")
        return lines + [
            told_failures(name, model["failed"]) for name, model in report["models"].items() if model.get("failed")
        ]

    def save(self, folder: str | Path) -> Path:
        """Write report.json and the Parquet files beside it; each is whole or not there, report.json comes last.

        Returns
        -------
        Path
            Of the folder, made if need be.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in TABLES:
            with replacing(folder / f"{name}.parquet") as temporary:
                getattr(self, name).to_parquet(temporary)
        with replacing(folder / "report.json") as temporary:
            temporary.write_text(self.to_json() + "\n", encoding="utf-8")
        return folder

    def to_json(self) -> str:
        """Return the report as one JSON document."""
        return json.dumps(self.report, indent=1, allow_nan=False)


def read_comparison(folder: str | Path) -> Comparison:
    """Read a comparison that `Comparison.save` wrote.

    Raises
    ------
    InputError
        If the folder holds none, or one of another schema.
    """
    folder = Path(folder)
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        if report["schema"] != SCHEMA:
            raise InputError(f"{folder} holds a report of schema {report['schema']}, this version reads {SCHEMA}.")
        tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise InputError(f"{folder} holds no comparison: {error}. Give a folder that `save` wrote.") from error
    return Comparison(report, **tables)


def compare(
    prices: pd.DataFrame,
    models: Sequence[Forecasts],
    strategy: str | type[ForecastStrategy] = "long_flat",
    *,
    costs: Costs | None = None,
    fill: str | None = None,
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
    **options
        Cash, cash_rate, periods_per_year and the strategy's own parameters, as in `backtest`.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If there is no model, two share a name, or their targets or horizons differ.

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
    given = len(models)
    models = _on_common_bars([*models, *linear_beside(prices, models)])
    reference = next((model for model in models if model.audited), models[0])  # whose training mean is known
    joined = [*models, *naive_and_mean(reference)]
    costs = costs or Costs()
    runs = {model.name: backtest(prices, model, strategy, costs=costs, fill=fill, **options) for model in models}
    held = {name: value for name, value in options.items() if name in ("cash", "cash_rate", "periods_per_year")}
    with warnings.catch_warnings():  # said once, by the first run
        warnings.simplefilter("ignore", UserWarning)
        runs[BUY_AND_HOLD] = backtest(prices, models[0], BUY_AND_HOLD, costs=costs, fill=fill, **held)
    tried = {model.name: runs[model.name] for model in models}
    report = _report(prices, models, runs, costs) | {
        "verdict": weigh(prices, models[:given], tried),
        "forecasts": _forecast_measures(prices, joined),
        "trading": {name: run.describe() for name, run in runs.items()},
    }
    if "linear" not in runs:
        reason = "no recipe to train it by: forecasts made elsewhere, or saved with a feature of one's own"
        report["forecasts"] = _insert_linear(report["forecasts"], undefined(FORECAST_ROWS, reason), before="mean")
        report["trading"] = _insert_linear(report["trading"], undefined(TRADING_ROWS, reason), before=BUY_AND_HOLD)
    outcomes = {model.name: model.frame.assign(outcome=model.outcomes(prices)) for model in joined}
    return Comparison(
        report,
        forecasts=pd.concat(outcomes, names=["model"]).reset_index("model"),
        returns=pd.DataFrame({name: run.returns for name, run in runs.items()}),
        positions=pd.concat({name: run.positions for name, run in runs.items()}, names=["model"]).reset_index("model"),
        fills=pd.concat({name: run.fills for name, run in runs.items()}, names=["model"])
        .reset_index("model")
        .reset_index(drop=True),
    )


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


def _forecast_measures(prices: pd.DataFrame, models: list[Forecasts]) -> dict[str, Any]:
    outcome = models[0].outcomes(prices).to_numpy()
    known = np.isfinite(outcome) & np.all(
        [np.isfinite(m.frame["forecast"]) for m in models if m.name != "mean"], axis=0
    )
    mean = next(model for model in models if model.name == "mean").frame["mean"].to_numpy()[known]
    measures = {}
    for model in models:
        said, spread = (model.frame[column].to_numpy()[known] for column in ("forecast", "spread"))
        if len(said) and np.isfinite(said).all():
            measures[model.name] = describe(forecast_measures(outcome[known], said, mean, spread))
        else:
            reason = "no training mean: the forecasts were made elsewhere"
            reason = reason if len(said) else "no bar has both a forecast and its outcome"
            measures[model.name] = describe(undefined(FORECAST_ROWS, reason))
    return measures


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
