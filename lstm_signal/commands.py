"""The command line's verbs: what each does with what `options` read."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import click
import pandas as pd

from lstm_signal import plots
from lstm_signal.bars import describe_prices
from lstm_signal.comparing import compare as compare_models
from lstm_signal.comparison import Comparison
from lstm_signal.errors import FitError, InputError
from lstm_signal.files import replacing
from lstm_signal.forecaster import FittedForecaster, Forecaster, load_forecaster
from lstm_signal.forecasts import Forecasts, read_forecasts, told_failures
from lstm_signal.options import (
    SENSITIVITY,
    check_out,
    evidence_options,
    fields_of,
    json_option,
    not_empty,
    prices_of,
    prices_options,
    recipe_of,
    recipe_options,
    reports_folder,
    trading_of,
    trading_options,
    walk_of,
    walk_options,
)
from lstm_signal.road import RUNGS, describe_rungs, rates_table, rung_table, rungs, when_it_forgets
from lstm_signal.runs import backtest as run_backtest
from lstm_signal.schedule import WalkForward
from lstm_signal.walk import forecast as walk


@click.command()
@prices_options
@recipe_options
@walk_options
@trading_options
@evidence_options
@click.option("--out", metavar="FOLDER", callback=not_empty, help="Where the report goes; reports/NAME by default.")
@json_option
def compare(as_json: bool, out: str | None, **given: Any) -> None:
    """Compare LSTM and RNN, as forecasts and as money, with their baselines.

    An LSTM, an RNN and an RNN with as many parameters as the LSTM are trained on rolling windows and refitted as they
    walk forward. Writes the page report.html, report.json and Parquet tables beside it, and what was tried on these
    bars to the ledger in data/ledger.
    """
    prices, trading = prices_of(given, not as_json), trading_of(given)
    lstm, schedule = recipe_of(given, "lstm"), WalkForward(**fields_of(WalkForward, given))
    if given["sensitivity"] and schedule.test == SENSITIVITY:
        raise InputError(f"--sensitivity walks again with --test {SENSITIVITY}, which was asked for already: drop one.")
    folder = Path(out) if out is not None else reports_folder(prices)
    check_out(folder)
    recipes = [lstm, lstm.replace(cell="rnn"), lstm.matched("rnn")]
    models = dict(zip(("lstm", "rnn", "rnn_matched"), recipes, strict=True))
    _, comparison = _compared(prices, models, schedule, given, not as_json, trading)
    comparison = dataclasses.replace(comparison, rates=_first_rates(prices, lstm, given))
    comparison.save(folder)
    click.echo(comparison.to_json() if as_json else f"{comparison}\n\nWritten to {folder}{'/' if not out else ''}")


def _compared(
    prices: pd.DataFrame, recipes: dict[str, Forecaster], schedule: WalkForward, given: dict[str, Any],
    progress: bool, trading: dict[str, Any],
) -> tuple[list[Forecasts], Comparison]:  # fmt: skip
    """Walk named recipes forward, once more by another schedule if that is asked for, and compare them."""
    ledger = Path(given["data_dir"]) / "ledger"
    check_out(ledger, "--data-dir")

    def walked(schedule: WalkForward) -> list[Forecasts]:
        return walk(prices, list(recipes.values()), schedule, name=list(recipes), progress=progress, **walk_of(given))

    models = walked(schedule)
    again = walked(dataclasses.replace(schedule, test=SENSITIVITY)) if given["sensitivity"] else None
    evidence = {"trials": given["trials"], "ledger": ledger, "sensitivity": again}
    comparison = compare_models(prices, models, **evidence, **trading)
    command = shlex.join(["lstm-signal", *sys.argv[1:]])
    return models, dataclasses.replace(comparison, report=dict(comparison.report) | {"command": command})


def _first_rates(prices: pd.DataFrame, lstm: Forecaster, given: dict[str, Any]) -> pd.DataFrame | None:
    """Return the rates of one member fitted on the first fold; None for a recipe that has none, or became NaN."""
    if lstm.without:
        return None
    try:
        return _rates_of(prices, _first_fold(prices, lstm.replace(members=1), given))
    except FitError:
        if given["on_error"] == "raise":
            raise
        return None


def _rates_of(prices: pd.DataFrame, fitted: FittedForecaster) -> pd.DataFrame:
    found = fitted.rates(prices)
    found.attrs["data_through"] = fitted.data_through.isoformat()
    return found


@click.command()
@prices_options
@click.option("--cell", default="lstm", show_default=True, help="lstm, rnn or linear.")
@recipe_options
@walk_options
@click.option(
    "--out", metavar="FILE", callback=not_empty, help="A .parquet or .csv file; reports/NAME/CELL.parquet by default."
)
@json_option
def forecast(as_json: bool, out: str | None, cell: str, **given: Any) -> None:
    """Walk one model forward and write its forecasts to a file."""
    prices, recipe, schedule = (
        prices_of(given, not as_json),
        recipe_of(given, cell),
        WalkForward(**fields_of(WalkForward, given)),
    )
    path = Path(out) if out is not None else reports_folder(prices) / f"{cell}.parquet"
    if path.suffix not in (".parquet", ".csv"):
        raise InputError(f"--out {path}: the name must end in .parquet or .csv.")
    if out and not path.parent.is_dir():
        raise InputError(f"--out {path}: the folder {path.parent} does not exist. Create it first.")
    forecasts = walk(prices, recipe, schedule, progress=not as_json, **walk_of(given))
    path.parent.mkdir(parents=True, exist_ok=True)
    forecasts.save(path)
    if as_json:
        click.echo(json.dumps(dict(forecasts.about) | {"file": str(path), "forecasts": len(forecasts)}, indent=1))
    else:
        made = int(forecasts.frame["forecast"].notna().sum())
        click.echo(f"{made} forecasts of {forecasts.name}, {forecasts.frame.index[0]} to {forecasts.frame.index[-1]}")
        if forecasts.about["failed"]:
            click.echo(told_failures(forecasts.name, forecasts.about["failed"]))
        click.echo(f"Written to {path}")


@click.command()
@prices_options
@click.option(
    "--forecasts",
    "files",
    metavar="FILE",
    multiple=True,
    help="Saved forecasts to trade on, again for another model's (`agreement`); without it one is walked first.",
)
@click.option("--cell", default="lstm", show_default=True, help="lstm, rnn or linear.")
@recipe_options
@walk_options
@trading_options
@json_option
def backtest(as_json: bool, files: tuple[str, ...], cell: str, **given: Any) -> None:
    """Trade one model's forecasts through backtrader, or several models': saved ones, or walked first."""
    prices, trading = prices_of(given, not as_json), trading_of(given)
    forecasts: Forecasts | list[Forecasts]
    if files:
        forecasts = [read_forecasts(file) for file in files]
    else:
        recipe, schedule = recipe_of(given, cell), WalkForward(**fields_of(WalkForward, given))
        forecasts = walk(prices, recipe, schedule, progress=not as_json, **walk_of(given))
    run = run_backtest(prices, forecasts, **trading)
    if as_json:
        told = {
            "model": run.name,
            "strategy": run.strategy,
            "prices": describe_prices(prices),
            "about": dict(run.about),
            "trading": run.describe(),
        }
        click.echo(json.dumps(told, indent=1))
    else:
        click.echo(run)


@click.command()
@prices_options
@recipe_options
@click.option(
    "--model",
    metavar="FILE",
    callback=not_empty,
    help="A saved fit to look into; without it one is fitted on the first fold.",
)
@click.option("--out", metavar="FOLDER", callback=not_empty, help="Where rates.png and rates.parquet go; reports/NAME.")
@json_option
@click.pass_context
def rates(context: click.Context, /, as_json: bool, out: str | None, model: str | None, **given: Any) -> None:
    """Draw what an LSTM does with each bar: how much it forgets, lets in and shows.

    It is fitted on the first fold's training bars; all that comes after them is out of sample.
    """
    prices, recipe = prices_of(given, not as_json), recipe_of(given, "lstm")
    if model:
        _refuse_recipe(context)
    folder = Path(out) if out is not None else reports_folder(prices)
    check_out(folder)
    fitted = load_forecaster(model) if model else _first_fold(prices, recipe, given)
    found = _rates_of(prices, fitted)
    told = when_it_forgets(prices, found, fitted.data_through)
    folder.mkdir(parents=True, exist_ok=True)
    title = f"{prices.attrs['name']}: what an LSTM does with each bar"
    with replacing(folder / "rates.parquet") as temporary:
        found.to_parquet(temporary)
    with replacing(folder / "rates.png") as temporary:
        plots.save(plots.rates_over_time(prices, found, fitted.data_through, title), temporary)
    if as_json:
        about = {"prices": describe_prices(prices), "recipe": fitted.recipe.describe(),
                 "data_through": fitted.data_through.isoformat(), "rates": told}  # fmt: skip
        click.echo(json.dumps(about, indent=1))
    else:
        click.echo(f"{title}; fitted through {fitted.data_through:%Y-%m-%d}\n\n{rates_table(told)}")
        click.echo(f"\nWritten to {folder}/rates.png and rates.parquet")


def _refuse_recipe(context: click.Context) -> None:
    """Raise InputError if flags of recipe or schedule were given beside a fit that has its own."""
    for field in (*dataclasses.fields(Forecaster), *dataclasses.fields(WalkForward)):
        if context.get_parameter_source(field.name) == click.core.ParameterSource.COMMANDLINE:
            raise InputError(
                f"--{field.name.replace('_', '-')} is about a new fit, --model has its own: leave one out."
            )


def _first_fold(prices: pd.DataFrame, recipe: Forecaster, given: dict[str, Any]) -> FittedForecaster:
    fold = WalkForward(**fields_of(WalkForward, given)).folds(len(prices), recipe.warm_up, recipe.lag)[0]
    return recipe.fit(prices.iloc[: fold.test_start + 1], seed=given["seed"])


@click.command()
@prices_options
@recipe_options
@walk_options
@trading_options
@evidence_options
@click.option("--out", metavar="FOLDER", callback=not_empty, help="Where the report goes; reports/NAME-ladder.")
@json_option
def ladder(as_json: bool, out: str | None, **given: Any) -> None:
    """Walk the road from LSTM to RNN: eliminate the gates one by one.

    Every rung is walked forward on the same windows and seeds; the last one is the RNN. Without the memory the forget
    rate is 0, not 1: a memory that never fades leads away from the RNN.
    """
    prices, trading = prices_of(given, not as_json), trading_of(given)
    lstm, schedule = recipe_of(given, "lstm"), WalkForward(**fields_of(WalkForward, given))
    if lstm.without or lstm.coupled:
        raise InputError("the ladder eliminates part by part itself: leave --without and --coupled out.")
    folder = Path(out) if out is not None else Path(f"{reports_folder(prices)}-ladder")
    check_out(folder)
    recipes = dict(zip(RUNGS, rungs(lstm), strict=True))
    models, comparison = _compared(prices, recipes, schedule, given, not as_json, trading)
    told = describe_rungs(prices, models, comparison)
    comparison = dataclasses.replace(comparison, report=dict(comparison.report) | {"ladder": told})
    comparison.save(folder)
    if as_json:
        click.echo(json.dumps({"rungs": told, "report": comparison.report}, indent=1))
    else:
        click.echo(f"{comparison}\n\n{rung_table(told)}\n\nWritten to {folder}/")
