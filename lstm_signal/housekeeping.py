"""The command line's verbs about what is kept on disk: prices, comparisons and fits."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import click
import pandas as pd

from lstm_signal.bars import describe_prices
from lstm_signal.checks import doubts
from lstm_signal.comparison import read_comparison
from lstm_signal.errors import FetchError, InputError
from lstm_signal.files import replacing
from lstm_signal.options import (
    DEFAULT_STORE,
    file_options,
    json_option,
    not_empty,
    prices_of,
    range_options,
    yahoo_options,
)
from lstm_signal.recipe import Recipe
from lstm_signal.store import Entry, Store
from lstm_signal.tables import text_table


@click.command()
@click.argument("tickers", nargs=-1)
@range_options
@yahoo_options
@click.option("--check", is_flag=True, help="List what looks doubtful about the bars; also of a --csv or a --sample.")
@file_options
@json_option
@click.pass_context
def fetch(context: click.Context, /, tickers: tuple[str, ...], as_json: bool, check: bool, **given: Any) -> None:
    """Download prices from Yahoo and keep them; ask only for what is missing.

    TICKERS are Yahoo's, as in SPY BRK-B ^GSPC EURUSD=X. Exit status 1 if some, but not all, could not be had.
    """
    file = bool(given["csv"] or given["sample"])
    if bool(tickers) == file or (file and not check):
        raise InputError("name the TICKERS to fetch, or with --check a --csv FILE or a --sample.")
    told, failed = [], {}
    for ticker in dict.fromkeys(tickers) or [None]:
        try:
            prices = prices_of(given | {"ticker": ticker}, not as_json)
        except (InputError, FetchError, OSError) as error:
            failed[ticker or str(given["csv"])] = str(error)
            continue
        about = describe_prices(prices)
        if check:
            about["doubts"] = [doubt.describe() for doubt in doubts(prices)]
        told.append(about)
        if not as_json:
            click.echo(_told(about))
    if as_json:
        click.echo(json.dumps({"prices": told, "failed": failed}, indent=1))
    for message in failed.values():
        click.echo(f"lstm-signal: {message}", err=True)
    context.exit(0 if not failed else 1 if told else 2)


def _told(about: dict[str, Any]) -> str:
    note = f" ({about['note']})" if about["note"] else ""
    lines = [f"{about['name']}{note}: {about['bars']} bars, {about['first'][:10]} to {about['last'][:10]}, "
             f"sha256 {about['sha256'][:12]}"]  # fmt: skip
    if "doubts" in about:
        lines += [f"  {doubt['kind']}: {doubt['text']}" for doubt in about["doubts"]] or ["  no doubts"]
    return "\n".join(lines)


@click.command()
@click.argument("folder")
@json_option
def report(as_json: bool, folder: str) -> None:
    """Write the page of a saved comparison again: report.html, from the report.json and the tables in FOLDER alone."""
    drawn, place = read_comparison(folder).page(), Path(folder) / "report.html"
    with replacing(place) as temporary:
        temporary.write_text(drawn, encoding="utf-8")
    click.echo(json.dumps({"file": str(place)}, indent=1) if as_json else f"Written to {place}")


@click.command()
@click.argument("folder", default=DEFAULT_STORE, callback=not_empty)
@click.option("--verify", is_flag=True, help="Read every fit whole and check it; exit status 1 if one is damaged.")
@click.option("--prune", is_flag=True, help="Remove what no walk can use: damaged, outdated and half-written fits.")
@click.option(
    "--unused",
    type=click.FloatRange(min=0),
    metavar="DAYS",
    help="With --prune: remove fits too that no walk has used for so many days.",
)
@json_option
@click.pass_context
def store(
    context: click.Context, /, folder: str, verify: bool, prune: bool, unused: float | None, as_json: bool
) -> None:
    """List the fits in FOLDER (data/fits) by recipe and seed; verify and prune them.

    A fit is outdated when other code, other versions of torch or NumPy, or another CPU made it: no walk on this
    machine takes it any more.
    """
    if unused is not None and not prune:
        raise InputError("--unused DAYS says what --prune removes: give both, or neither.")
    if unused is not None and not math.isfinite(unused):
        raise InputError(f"--unused {unused}: give a number of days.")
    if not Path(folder).is_dir():
        raise InputError(f"no store of fits at {folder}: compare, forecast, backtest and ladder make one.")
    fits = Store(folder)
    removed = [str(path) for path in fits.prune(unused)] if prune else []
    entries, leftovers = list(fits.entries(verify)), [str(path) for path in fits.leftovers()]
    damaged = {str(entry.path): entry.damage for entry in entries if entry.damage}
    groups = _by_recipe([entry for entry in entries if not entry.damage])
    if as_json:
        told = {"folder": folder, "fits": groups, "damaged": damaged, "half_written": leftovers, "removed": removed}
        click.echo(json.dumps(told, indent=1))
    else:
        click.echo("\n".join([_fits_table(folder, groups), *_remarks(damaged, leftovers, removed, prune)]))
    context.exit(1 if verify and damaged else 0)


def _by_recipe(entries: list[Entry]) -> list[dict[str, Any]]:
    """Return what is kept by recipe, seed and whether it is outdated."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        group = json.dumps([entry.outdated, entry.about["recipe"], entry.about["seed"]], sort_keys=True)
        found.setdefault(group, []).append(entry)
    groups = []
    for _, kept in sorted(found.items()):
        through = sorted(entry.about["data_through"] for entry in kept)
        groups.append({
            "recipe": kept[0].about["recipe"], "seed": kept[0].about["seed"], "fits": len(kept),
            "bytes": sum(entry.size for entry in kept), "first": through[0], "last": through[-1],
            "used": pd.Timestamp(max(entry.used for entry in kept), unit="s").isoformat(timespec="seconds"),
            "outdated": kept[0].outdated,
        })  # fmt: skip
    return groups


def _fits_table(folder: str, groups: list[dict[str, Any]]) -> str:
    if not groups:
        return f"No fits are kept in {folder}."
    header = ["Recipe", "Seed", "Fits", "Size [MB]", "Data through", "Last used", ""]
    rows = [
        [_short(group["recipe"]), str(group["seed"]), str(group["fits"]), f"{group['bytes'] / 1e6:.1f}",
         f"{group['first'][:10]} to {group['last'][:10]}", group["used"][:10], "outdated" if group["outdated"] else ""]
        for group in groups
    ]  # fmt: skip
    total = sum(group["fits"] for group in groups)
    return text_table(f"{total} fits in {folder}", header, rows)


def _short(recipe: dict[str, Any]) -> str:
    """Return a recipe in few words: its cell, and what differs from the defaults."""
    usual = Recipe().describe() | {"members": 1}  # a fit on disk is one member
    changed = [f"{name}={_plain(value)}" for name, value in recipe.items() if name != "cell" and value != usual[name]]
    return " ".join([recipe["cell"], *changed])


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(item if isinstance(item, str) else item["name"] for item in value)
    return str(value)


def _remarks(damaged: dict[str, str], leftovers: list[str], removed: list[str], pruned: bool) -> list[str]:
    lines = [f"damaged: {reason}" for reason in damaged.values()]
    lines += [f"half-written: {path}" for path in leftovers]
    if lines and not pruned:
        lines.append("A walk makes damaged fits again; --prune removes them.")
    return lines + ([f"Removed {len(removed)} files."] if pruned else [])
