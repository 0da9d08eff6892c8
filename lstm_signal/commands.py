"""The command line's verbs: parsing only. The flags of recipe and schedule are read from their classes."""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import pandas as pd

from lstm_signal.bt.strategy import FILLS
from lstm_signal.comparison import compare as compare_models
from lstm_signal.costs import Costs, positive
from lstm_signal.errors import InputError
from lstm_signal.files import safe_name
from lstm_signal.forecaster import DEFAULT_SEED, Forecaster
from lstm_signal.forecasts import Forecasts, read_forecasts
from lstm_signal.loading import load_strategy
from lstm_signal.prices import SAMPLES, read_prices, sample_prices
from lstm_signal.recipe import Recipe
from lstm_signal.runs import FILL_OF_TARGET, check_parameters
from lstm_signal.runs import backtest as run_backtest
from lstm_signal.schedule import WalkForward
from lstm_signal.walk import forecast as walk

Command = TypeVar("Command", bound=Callable[..., Any])
_NOT_FLAGS = ("cell", "features")  # given in their own way below


def _fields_as_flags(cls: type, skip: tuple[str, ...] = ()) -> Callable[[Command], Command]:
    """Add a flag for each field of a dataclass, with the field's default, and its text in the docstring as help."""
    text = inspect.getdoc(cls) or ""

    def add(command: Command) -> Command:
        for field in reversed(dataclasses.fields(cls)):
            if field.name in skip:
                continue
            told = re.search(rf"^{field.name} : .*\n((?:    .*\n?)+)", text, re.MULTILINE)
            kind: Any = {"int": int, "float": float, "bool": bool}.get(str(field.type).split(" |")[0], str)
            command = click.option(
                f"--{field.name.replace('_', '-')}", field.name, type=kind, is_flag=kind is bool, default=field.default,
                show_default=field.default is not None, help=" ".join(told[1].split()) if told else None,
            )(command)  # fmt: skip
        return command

    return add


def _options(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _not_empty(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value == "":
        raise InputError("--out is empty: name a place, or leave it out.")
    return value


_prices = _options(
    click.option("--sample", is_flag=False, flag_value="nasdaq", metavar="[nasdaq|sp500]",
                 help="The built-in daily bars, 1999-2018, of the NASDAQ Composite (default) or the S&P 500."),
    click.option("--csv", metavar="FILE",
                 help="Bars from a CSV or Parquet file: date, open, high, low, close [, volume, dividend]."),
    click.option("--close", type=click.Choice(["raw", "adjusted"]),
                 help="Which close is meant when the file has an adjusted one too."),
)  # fmt: skip
_recipe = _options(
    click.option("--features", default="return", show_default=True, metavar="NAMES",
                 help="return, gap, range; with commas between."),
    _fields_as_flags(Recipe, skip=_NOT_FLAGS),
    _fields_as_flags(WalkForward),
    click.option("--seed", type=int, default=DEFAULT_SEED, show_default=True, help="Keys all randomness."),
    click.option("--jobs", type=int, help="Processes; all cores by default. The numbers do not depend on it."),
    click.option("--fill", type=click.Choice(FILLS),
                 help="When orders fill; by default where the target starts: next_open."),
)  # fmt: skip
_trading = _options(
    click.option("--strategy", default="long_flat", show_default=True, help="A shipped strategy, or FILE.py:Class."),
    click.option("--param", "params", multiple=True, metavar="NAME=VALUE",
                 help="A parameter of the strategy, such as threshold=0.3."),
    _fields_as_flags(Costs),
    click.option("--cash", type=float, default=100_000.0, show_default=True, help="Money to start with."),
)  # fmt: skip
_json = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on standard output, and nothing else there."
)


@click.command()
@_prices
@_recipe
@_trading
@click.option("--out", metavar="FOLDER", callback=_not_empty, help="Where the report goes; reports/NAME by default.")
@_json
def compare(as_json: bool, out: str | None, jobs: int | None, **given: Any) -> None:
    """Compare LSTM and RNN, as forecasts and as money, with their baselines.

    An LSTM, an RNN and an RNN with as many parameters as the LSTM are trained on rolling windows and refitted as they
    walk forward. Writes report.json and Parquet tables beside it.
    """
    prices, trading = _read_prices(given), _trading_options(given)
    lstm, schedule = _recipe_of(given, "lstm"), WalkForward(**_fields_of(WalkForward, given))
    folder = Path(out) if out is not None else _reports(prices)
    _check_out(folder)
    recipes = [lstm, lstm.replace(cell="rnn"), lstm.matched("rnn")]
    models = walk(
        prices,
        recipes,
        schedule,
        seed=given["seed"],
        n_jobs=jobs,
        name=["lstm", "rnn", "rnn_matched"],
        progress=not as_json,
    )
    comparison = compare_models(prices, models, **trading)
    comparison.save(folder)
    click.echo(comparison.to_json() if as_json else f"{comparison}\n\nWritten to {folder}{'/' if not out else ''}")


@click.command()
@_prices
@click.option("--cell", default="lstm", show_default=True, help="lstm, rnn or linear.")
@_recipe
@click.option(
    "--out", metavar="FILE", callback=_not_empty, help="A .parquet or .csv file; reports/NAME/CELL.parquet by default."
)
@_json
def forecast(as_json: bool, out: str | None, jobs: int | None, cell: str, **given: Any) -> None:
    """Walk one model forward and write its forecasts to a file."""
    prices, recipe, schedule = (
        _read_prices(given),
        _recipe_of(given, cell),
        WalkForward(**_fields_of(WalkForward, given)),
    )
    path = Path(out) if out is not None else _reports(prices) / f"{cell}.parquet"
    if path.suffix not in (".parquet", ".csv"):
        raise InputError(f"--out {path}: the name must end in .parquet or .csv.")
    if out and not path.parent.is_dir():
        raise InputError(f"--out {path}: the folder {path.parent} does not exist. Create it first.")
    forecasts = walk(prices, recipe, schedule, seed=given["seed"], n_jobs=jobs, progress=not as_json)
    path.parent.mkdir(parents=True, exist_ok=True)
    forecasts.save(path)
    if as_json:
        click.echo(json.dumps(dict(forecasts.about) | {"file": str(path), "forecasts": len(forecasts)}, indent=1))
    else:
        click.echo(
            f"{len(forecasts)} forecasts of {forecasts.name}, {forecasts.frame.index[0]} to {forecasts.frame.index[-1]}"
        )
        click.echo(f"Written to {path}")


@click.command()
@_prices
@click.option(
    "--forecasts",
    "file",
    metavar="FILE",
    help="Saved forecasts to trade on; without it the model is walked first.",
)
@click.option("--cell", default="lstm", show_default=True, help="lstm, rnn or linear.")
@_recipe
@_trading
@_json
def backtest(as_json: bool, file: str | None, jobs: int | None, cell: str, **given: Any) -> None:
    """Trade one model's forecasts through backtrader: a saved file's, or walked first."""
    prices, trading = _read_prices(given), _trading_options(given)
    forecasts: Forecasts
    if file:
        forecasts = read_forecasts(file)
    else:
        recipe, schedule = _recipe_of(given, cell), WalkForward(**_fields_of(WalkForward, given))
        forecasts = walk(prices, recipe, schedule, seed=given["seed"], n_jobs=jobs, progress=not as_json)
    run = run_backtest(prices, forecasts, **trading)
    if as_json:
        told = {
            "model": run.name,
            "strategy": run.strategy,
            "about": dict(run.about),
            "trading": run.describe(),
        }
        click.echo(json.dumps(told, indent=1))
    else:
        click.echo(run)


def _read_prices(given: dict[str, Any]) -> pd.DataFrame:
    sample, csv = given["sample"], given["csv"]
    if (sample is None) == (csv is None):
        raise InputError(f"give prices by one of --csv FILE and --sample [{'|'.join(SAMPLES)}].")
    return sample_prices(sample) if sample else read_prices(csv, close=given["close"])


def _recipe_of(given: dict[str, Any], cell: str) -> Forecaster:
    """Return the recipe of the flags; the target follows the fill unless it is asked for."""
    fields = _fields_of(Recipe, given, skip=_NOT_FLAGS)
    features = tuple(name.strip() for name in given["features"].split(","))
    if fields["target"] is None and given["fill"]:
        fields["target"] = {fill: target for target, fill in FILL_OF_TARGET.items()}[given["fill"]]
    return Forecaster(cell=cell, features=features, **fields)


def _fields_of(cls: type, given: dict[str, Any], skip: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what the flags of `_fields_as_flags` were given."""
    return {field.name: given[field.name] for field in dataclasses.fields(cls) if field.name not in skip}


def _reports(prices: pd.DataFrame) -> Path:
    """Return the folder of a history's reports, where no --out names another."""
    return Path("reports") / safe_name(str(prices.attrs["name"]))


def _value(text: str) -> object:
    """Return a parameter's value: a number if it reads as one, then true, false or null, else the text."""
    try:
        number = float(text)
        return int(number) if re.fullmatch(r"[+-]?\d+", text) else number
    except ValueError:
        return {"true": True, "false": False, "null": None}.get(text, text)


def _check_out(place: Path) -> None:
    """Raise InputError, before anything is trained, if a folder cannot be made or written to."""
    there = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise InputError(f"cannot write to {place}: {there} is no folder that you may write to. Give another --out.")


def _trading_options(given: dict[str, Any]) -> dict[str, Any]:
    """Return what backtest and compare take, checked before anything is trained."""
    params = {}
    for item in given["params"]:
        name, equals, value = item.partition("=")
        if not equals:
            raise InputError(f"--param {item}: write NAME=VALUE, as in --param threshold=0.3.")
        params[name] = _value(value)
    costs = Costs(**_fields_of(Costs, given))
    strategy = load_strategy(given["strategy"])
    check_parameters(strategy, params)
    positive("cash", given["cash"])
    return {"strategy": strategy, "costs": costs, "fill": given["fill"], "cash": given["cash"]} | params
