"""The command line's flags, and what they mean. Those of recipe, schedule and costs are read from their classes."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import pandas as pd

from lstm_signal.bars import between
from lstm_signal.bt.strategy import FILLS
from lstm_signal.costs import Costs, positive
from lstm_signal.errors import InputError
from lstm_signal.files import safe_name
from lstm_signal.forecaster import DEFAULT_SEED, Forecaster
from lstm_signal.history import load_prices
from lstm_signal.loading import load_strategy
from lstm_signal.prices import SAMPLES, read_prices, sample_prices
from lstm_signal.recipe import Recipe
from lstm_signal.runs import FILL_OF_TARGET, check_parameters
from lstm_signal.schedule import WalkForward
from lstm_signal.sessions import INTERVALS

Command = TypeVar("Command", bound=Callable[..., Any])
DEFAULT_STORE = "data/fits"
_YAHOO_DEFAULTS = {"interval": "1d", "data_dir": "data", "refresh": False, "offline": False, "vintage": None}
_NOT_FLAGS = ("cell", "features", "without")  # given in their own way below


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


def not_empty(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Refuse a place of no letters."""
    if value == "":
        raise InputError(f"--{_option.name} is empty: name a place, or leave it out.")
    return value


SENSITIVITY = 63  # test bars a fold: a quarter of a year
range_options = _options(
    click.option("--start", metavar="DATE", help="The first day of the prices."),
    click.option("--end", metavar="DATE", help="The last day of the prices, included."),
)  # fmt: skip
yahoo_options = _options(
    click.option("--interval", type=click.Choice(INTERVALS), default=_YAHOO_DEFAULTS["interval"], show_default=True,
                 help="Of Yahoo's bars. Weekly and monthly ones are made of the daily."),
    click.option("--data-dir", default=_YAHOO_DEFAULTS["data_dir"], show_default=True, metavar="FOLDER",
                 help="Where Yahoo's bars are kept."),
    click.option("--refresh", is_flag=True, help="Ask Yahoo for all bars again, and compare them."),
    click.option("--offline", is_flag=True, help="Never ask Yahoo."),
    click.option("--vintage", type=int, metavar="N", help="Yahoo's past as it was, before it changed."),
)  # fmt: skip
file_options = _options(
    click.option("--sample", is_flag=False, flag_value="nasdaq", metavar="[nasdaq|sp500]",
                 help="The built-in daily bars, 1999-2018, of the NASDAQ Composite (default) or the S&P 500."),
    click.option("--csv", metavar="FILE",
                 help="Bars from a CSV or Parquet file: date, open, high, low, close [, volume, dividend]."),
    click.option("--close", type=click.Choice(["raw", "adjusted"]),
                 help="Which close is meant when the file has an adjusted one too."),
)  # fmt: skip
prices_options = _options(click.argument("ticker", required=False), file_options, range_options, yahoo_options)
recipe_options = _options(
    click.option("--features", default="return", show_default=True, metavar="NAMES",
                 help="return, gap, range; with commas between."),
    click.option("--without", default="", metavar="PARTS",
                 help="Parts of the LSTM to eliminate: output, input, memory, squash, or forget; with commas between."),
    _fields_as_flags(Recipe, skip=_NOT_FLAGS),
    _fields_as_flags(WalkForward),
    click.option("--seed", type=int, default=DEFAULT_SEED, show_default=True, help="Keys all randomness."),
    click.option("--fill", type=click.Choice(FILLS),
                 help="When orders fill; by default where the target starts: next_open."),
)  # fmt: skip
walk_options = _options(
    click.option("--jobs", type=int, help="Processes; all cores by default. The numbers do not depend on it."),
    click.option("--store", default=DEFAULT_STORE, show_default=True, metavar="FOLDER", callback=not_empty,
                 help="Where fits are kept: what was trained once is not trained again."),
    click.option("--no-store", is_flag=True, help="Keep no fits, and take none."),
    click.option("--on-error", type=click.Choice(["raise", "nan"]), default="raise", show_default=True,
                 help="A fit that becomes NaN ends the walk, or leaves NaN in place of its fold's forecasts."),
)  # fmt: skip
trading_options = _options(
    click.option("--strategy", default="long_flat", show_default=True, help="A shipped strategy, or FILE.py:Class."),
    click.option("--param", "params", multiple=True, metavar="NAME=VALUE",
                 help="A parameter of the strategy, such as threshold=0.3."),
    _fields_as_flags(Costs),
    click.option("--cash", type=float, default=100_000.0, show_default=True, help="Money to start with."),
)  # fmt: skip
evidence_options = _options(
    click.option("--trials", type=click.IntRange(min=0), default=0, show_default=True, metavar="N",
                 help="How much was tried on these bars that data/ledger does not know of; deflated ratios count it."),
    click.option("--sensitivity", is_flag=True, help=f"The whole again, refitted every {SENSITIVITY} bars."),
)  # fmt: skip
json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on standard output, and nothing else there."
)


def prices_of(given: dict[str, Any], progress: bool) -> pd.DataFrame:
    """Return the prices of a ticker, a file or a sample, from --start to --end."""
    sources = {"TICKER": given["ticker"], "--csv FILE": given["csv"], "--sample": given["sample"]}
    if sum(source is not None for source in sources.values()) != 1:
        raise InputError(f"give prices by one of TICKER (Yahoo), --csv FILE and --sample [{'|'.join(SAMPLES)}].")
    if given["ticker"] is not None:
        refuse_files(given["ticker"])
        if given["close"]:
            raise InputError("--close is about a file's adjusted close: give --csv FILE with it, or leave it out.")
        return load_prices(given["ticker"], progress=progress, **yahoo_of(given))
    for flag, default in _YAHOO_DEFAULTS.items():
        if given[flag] != default:
            name = flag.replace("_", "-")
            raise InputError(f"--{name} is about Yahoo's bars: give a TICKER with it, or leave it out.")
    prices = sample_prices(given["sample"]) if given["sample"] else read_prices(given["csv"], close=given["close"])
    return between(prices, given["start"], given["end"])


def refuse_files(ticker: str) -> None:
    """Raise InputError if what stands where a ticker may is a file."""
    if Path(ticker).is_file() or ticker.lower().endswith((".csv", ".parquet", ".txt")):
        raise InputError(f"{ticker} is a file, not a ticker: give it as --csv {ticker}.")


def yahoo_of(given: dict[str, Any]) -> dict[str, Any]:
    """Return what the flags say to load_prices."""
    return {name: given[name] for name in ("start", "end", *_YAHOO_DEFAULTS)}


def recipe_of(given: dict[str, Any], cell: str) -> Forecaster:
    """Return the recipe of the flags; the target follows the fill unless it is asked for."""
    fields = fields_of(Recipe, given, skip=_NOT_FLAGS)
    features = tuple(name.strip() for name in given["features"].split(","))
    if fields["target"] is None and given["fill"]:
        fields["target"] = {fill: target for target, fill in FILL_OF_TARGET.items()}[given["fill"]]
    without = tuple(name.strip() for name in given["without"].split(",") if name.strip())
    return Forecaster(cell=cell, features=features, without=without, **fields)


def walk_of(given: dict[str, Any]) -> dict[str, Any]:
    """Return what `walk.forecast` takes beside prices, recipe and schedule."""
    if given["no_store"] and given["store"] != DEFAULT_STORE:
        raise InputError("--store names a folder and --no-store wants none: give one of the two.")
    store = None if given["no_store"] else given["store"]
    return {"seed": given["seed"], "n_jobs": given["jobs"], "store": store, "on_error": given["on_error"]}


def fields_of(cls: type, given: dict[str, Any], skip: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what the flags of `_fields_as_flags` were given."""
    return {field.name: given[field.name] for field in dataclasses.fields(cls) if field.name not in skip}


def reports_folder(prices: pd.DataFrame) -> Path:
    """Return the folder of a history's reports, where no --out names another."""
    return Path("reports") / safe_name(str(prices.attrs["name"]))


def _value(text: str) -> object:
    """Return a parameter's value: a number if it reads as one, then true, false or null, else the text."""
    try:
        number = float(text)
        return int(number) if re.fullmatch(r"[+-]?\d+", text) else number
    except ValueError:
        return {"true": True, "false": False, "null": None}.get(text, text)


def check_out(place: Path, flag: str = "--out") -> None:
    """Raise InputError, before anything is trained, if a folder cannot be made or written to."""
    there = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise InputError(f"cannot write to {place}: {there} is no folder that you may write to. Give another {flag}.")


def trading_of(given: dict[str, Any]) -> dict[str, Any]:
    """Return what backtest and compare take, checked before anything is trained."""
    params = {}
    for item in given["params"]:
        name, equals, value = item.partition("=")
        if not equals:
            raise InputError(f"--param {item}: write NAME=VALUE, as in --param threshold=0.3.")
        params[name] = _value(value)
    costs = Costs(**fields_of(Costs, given))
    strategy = load_strategy(given["strategy"])
    check_parameters(strategy, params)
    positive("cash", given["cash"])
    return {"strategy": strategy, "costs": costs, "fill": given["fill"], "cash": given["cash"]} | params
