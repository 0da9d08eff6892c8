"""The report page: a comparison arranged for people, one file that opens offline and asks no network for anything.

Numbers come from a comparison, drawing from `figures`; here they are put in the order of a reader's questions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import pandas as pd

from lstm_signal import figures
from lstm_signal.tables import Columns, measure_cells
from lstm_signal.terms import means
from lstm_signal.units import SECTIONS

Report = Mapping[str, Any]


class Chart(NamedTuple):
    """A figure, what stands below it, what it shows in words, and whether its x axis is time."""

    name: str
    figure: Any
    caption: str
    alt: str
    timed: bool = False

    @property
    def height(self) -> int:
        """Of the drawing, in pixels."""
        return int(self.figure.layout.height)


class Part(NamedTuple):
    """A section of the page."""

    id: str
    title: str
    notes: Sequence[str] = ()
    charts: Sequence[Chart] = ()
    tables: Sequence[Mapping[str, Any]] = ()


class Drawn(NamedTuple):
    """The tables that a page is drawn from: those of a Comparison of the same names.

    `gain` is its `error_gain`, `years` and `money` are its tables, and `rates` an LSTM's, if they were saved.
    """

    forecasts: pd.DataFrame
    returns: pd.DataFrame
    positions: pd.DataFrame
    members: pd.DataFrame
    gain: pd.DataFrame
    years: pd.DataFrame
    money: pd.DataFrame
    costs: pd.DataFrame
    delays: pd.DataFrame
    rates: pd.DataFrame | None = None


def page(report: Report, drawn: Drawn, head: Sequence[str], notes: Sequence[str]) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    report : mapping
        As report.json holds it.
    drawn : Drawn
    head, notes : list of str
        What is said above and below the tables.
    """
    reasons: list[str] = []
    parts = [part for part in _parts(report, drawn, notes, reasons) if part.charts or part.tables or part.notes]
    charts = [chart for part in parts for chart in part.charts]
    compared = [str(name) for name in drawn.returns]
    color = figures.colors(compared)
    prices = report["prices"]["name"]
    return str(
        _template().render(
            title=f"{_listed(_asked(report))} on {prices}",
            head=head,
            contents=[("verdict", "Verdict"), *((part.id, part.title) for part in parts), ("provenance", "Provenance")],
            verdict=report["verdict"],
            models=[(name, _told(name), color[name]) for name in compared],
            parts=parts,
            provenance=_provenance(report),
            reasons=reasons,
            figures=_embedded(charts),
            plotly=_plotly(),
        )
    )


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    text = resources.files("lstm_signal").joinpath("templates/report.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False).from_string(text)


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _embedded(charts: Sequence[Chart]) -> str:
    """Return the figures as JSON that may stand in a script: no name in it can end the script."""
    shown = figures.shown({chart.name: chart.figure for chart in charts})
    told = {chart.name: shown[chart.name] | {"timed": chart.timed} for chart in charts}
    return json.dumps(told, allow_nan=False).replace("<", "\\u003c")


def _told(name: str) -> str:
    return name.replace("buy_and_hold", "buy & hold")


def _listed(names: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _asked(report: Report) -> list[str]:
    return [name for name in report["models"] if name != "linear"] or list(report["models"])


def _parts(report: Report, drawn: Drawn, notes: Sequence[str], reasons: list[str]) -> list[Part]:
    """Return the page's sections, in the order of a reader's questions."""

    def table(title: str, *kinds: str) -> dict[str, Any]:
        return _table(title, report, kinds, reasons)

    return [
        Part("money", "What it would have made", charts=_equity(drawn), tables=[table("Trading", "trading")]),
        Part("forecasts", "How good the forecasts are", notes, _skill(report, drawn), [
            table("Forecasts", "forecasts"), table("Tests: statistic (p-value); they decide nothing", "tests"),
            table("The interval, by volatility", "volatility"),
        ]),
        Part("rates", "What the LSTM does with each bar", charts=_rates(drawn)),
        Part("ladder", "The road from the LSTM to the RNN", tables=_ladder(report)),
        Part("from-forecast-to-money", "From forecast to money", charts=_money(drawn), tables=[
            table("Sums of simple returns [%]", "money"), table("Differences (p-value)", "differences"),
        ]),
        Part("otherwise", "What if", charts=_otherwise(drawn), tables=[
            table("At other costs, heeded later, by one member alone", "at_costs", "delays", "members"),
            *([table("Pairs of members", "flips")] if report["flips"] else []),
        ]),
    ]  # fmt: skip


def _table(title: str, report: Report, kinds: Sequence[str], reasons: list[str]) -> dict[str, Any]:
    names = list(dict.fromkeys(name for kind in kinds for name in report[kind]))
    rows = []
    for kind in kinds:
        columns: Columns = {name: report[kind].get(name, {}) for name in names}
        term = {row.label: means(kind, key) for key, row in SECTIONS[kind].items()}
        rows += [
            {"label": label.strip(), "means": term.get(label), "below": label.startswith("  "), "cells": cells}
            for label, *cells in measure_cells(SECTIONS[kind], columns, reasons)
        ]
    return {"id": kinds[0], "title": title, "header": [_told(name) for name in names], "rows": rows}


def _ladder(report: Report) -> list[dict[str, Any]]:
    """Return the rungs as a table, a column a rung, if the ladder was walked."""
    rungs = report.get("ladder") or []
    if not rungs:
        return []
    shown = {"Eliminated": [", ".join(rung["without"]) or "nothing" for rung in rungs],
             "Parameters [#]": [str(rung["parameters"]) for rung in rungs],
             "R2 against the mean [%]": [_per_cent(rung["r2"]) for rung in rungs],
             "R2 of single members, mean [%]": [_per_cent(rung["member_r2_mean"]) for rung in rungs],
             "R2 of single members, deviation [%]": [_per_cent(rung["member_r2_sd"]) for rung in rungs]}  # fmt: skip
    rows = [{"label": label, "means": None, "below": False, "cells": cells} for label, cells in shown.items()]
    return [{"id": "ladder", "title": "Rungs", "header": [rung["model"] for rung in rungs], "rows": rows}]


def _per_cent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


# Charts


def _equity(drawn: Drawn) -> list[Chart]:
    if not len(drawn.returns):
        return []
    ends = (1 + drawn.returns).prod()
    said = ", ".join(f"{_told(str(name))} {value:.2f}" for name, value in ends.items())
    span = f"{drawn.returns.index[0]:%Y-%m-%d} to {drawn.returns.index[-1]:%Y-%m-%d}"
    caption = "Equity after costs; thin lines: each member alone. Below: the loss from the highest point so far."
    alt = f"Equity from 1, {span}: at the end {said}."
    return [Chart("equity", figures.equity(drawn.returns, drawn.members), caption, alt, timed=True)]


def _skill(report: Report, drawn: Drawn) -> list[Chart]:
    charts = []
    known = drawn.forecasts.dropna(subset=["forecast", "outcome"])
    asked = [name for name in _asked(report) if (known["model"] == name).any()]
    if asked:
        charts.append(Chart(
            "scatter", figures.scatter(known, asked),
            "What was said and what came, a dot a bar; in the shaded quadrants the sign was right.",
            f"Outcomes against forecasts of {' and '.join(asked[:2])}; their correlations stand in the table below.",
        ))  # fmt: skip
    if drawn.gain.notna().to_numpy().any():
        last = {str(name): values.dropna().iloc[-1] for name, values in drawn.gain.items() if values.notna().any()}
        ends = ", ".join(f"{_told(name)} {1e4 * value:+.1f}" for name, value in last.items())
        charts.append(Chart(
            "gain", figures.error_gain(drawn.gain),
            "Squared error saved so far against the mean: a line that climbs all the way is skill.",
            f"Cumulative squared errors of the mean less the model's, in per cent squared, at the end: {ends}.",
            timed=True,
        ))  # fmt: skip
    if drawn.years.notna().to_numpy().any():
        charts.append(Chart(
            "years", figures.bars(drawn.years, "R2 against the mean [%]"), "R2 by calendar year.",
            f"R2 against the mean by year, {drawn.years.index[0]} to {drawn.years.index[-1]}.",
        ))  # fmt: skip
    return charts


def _rates(drawn: Drawn) -> list[Chart]:
    if drawn.rates is None:
        return []
    first = drawn.positions["model"].iloc[0]
    close = drawn.positions[drawn.positions["model"] == first]["close"]
    shared = drawn.rates.reindex(close.index)
    caption = "How much an LSTM forgets, lets in and shows at each bar; shaded are bars its fit has seen."
    averages = ", ".join(f"{name} {shared[name].mean():.2f}" for name in figures.RATES)
    through = drawn.rates.attrs.get("data_through")
    figure = figures.rates(close, shared, None if through is None else pd.Timestamp(through))
    return [Chart("rates", figure, caption, f"Rates on average: {averages}.", timed=True)]


def _money(drawn: Drawn) -> list[Chart]:
    parts = drawn.money.loc[["timing", "exposure", "interest", "trading_costs", "borrow"]]
    if not parts.notna().to_numpy().any():
        return []
    said = "; ".join(
        f"{_told(str(name))}: timing {own['timing']:+.1%}, average exposure {own['exposure']:+.1%}, "
        f"commission and slippage {own['trading_costs']:+.1%}"
        for name, own in parts.items()
    )
    figure = figures.bars(parts, "sum of simple returns [%]", stacked=True)
    return [Chart("parts", figure, "Where the return comes from; the parts add up exactly.", said)]


def _otherwise(drawn: Drawn) -> list[Chart]:
    charts = []
    for name, table, across, caption in (
        ("costs", drawn.costs, "cost of a trade [bp a side]", "The same exposures, had trading cost more or less."),
        ("delays", drawn.delays, "bars late", "Each forecast heeded later: what is left was not in a hurry."),
    ):
        if table.notna().to_numpy().any():
            ends = [f"{_told(str(model))} {own.iloc[0]:.2f} to {own.iloc[-1]:.2f}" for model, own in table.items()]
            figure = figures.lines(table, across, "Sharpe ratio (ann.)")
            charts.append(Chart(name, figure, caption, f"Sharpe ratio by {across}: {'; '.join(ends)}."))
    return charts


def _provenance(report: Report) -> list[tuple[str, str]]:
    prices, schedule = report["prices"], report["schedule"]
    told = [
        ("Prices", f"{prices['name']}, {prices['bars']} bars, {prices['first']} to {prices['last']}"),
        ("Fingerprint", f"SHA-256 {prices['sha256']}"),
        ("Schedule", ", ".join(f"{key}={value}" for key, value in schedule.items()) if schedule else "made elsewhere"),
        ("Seed", str(report["seed"])),
        ("Strategy", f"{report['strategy']['name']} {json.dumps(report['strategy']['parameters'])}"),
        ("Tried on these bars", ", ".join(f"{count['value']} {name}" for name, count in report["trials"].items())),
    ]
    for name, model in report["models"].items():
        recipe = json.dumps(model["recipe"]) if model["recipe"] else "made elsewhere, unaudited"
        told.append((f"Recipe of {name}", recipe))
    told.append(("Versions", ", ".join(f"{name} {version}" for name, version in report["versions"].items())))
    if report.get("command"):
        told.append(("To repeat it", report["command"]))
    return told
