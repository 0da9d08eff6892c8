"""A comparison of models: its numbers as one report and as tables; printed, saved and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from lstm_signal.errors import InputError, did_you_mean
from lstm_signal.files import replacing
from lstm_signal.forecasts import told_failures
from lstm_signal.report import Drawn, page
from lstm_signal.tables import html_lines, html_table, measure_cells, text_table
from lstm_signal.units import BASIS_POINTS, DELAYS, SECTIONS

SCHEMA = 1
BUY_AND_HOLD = "buy_and_hold"
TABLES = ("forecasts", "returns", "positions", "fills", "members", "days")  # beside report.json, a Parquet file each

# What is printed: a title, and the sections whose rows stand below it.
PRINTED = (
    ("Forecasts", ("forecasts",)),
    ("Tests: statistic (p-value); they decide nothing", ("tests",)),
    ("Trading", ("trading",)),
    ("Differences in money (p-value)", ("differences",)),
    ("From forecast to money [% of equity, simple returns summed]", ("money",)),
    ("Otherwise: at other costs, heeded later, by one member alone", ("at_costs", "delays", "members")),
)


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
    members : DataFrame
        By bar: `model`, `member`, and the `equity` of trading this member's forecasts alone, in money.
    days : DataFrame
        By model and bar that a forecast was made at: `forecast` and `outcome` [log return], the `exposure` taken after
        it, what was `paid` for that and `earned` by it [fraction of equity], and whether the forecast was `right` in
        sign: those that were right and lost are `days[days["right"] & (days["earned"] < 0)]`.
    rates : DataFrame, optional
        By bar, an LSTM's forget, input and output rate; `attrs["data_through"]` is the last bar its fit has seen.
    """

    report: Mapping[str, Any]
    forecasts: pd.DataFrame = field(repr=False)
    returns: pd.DataFrame = field(repr=False)
    positions: pd.DataFrame = field(repr=False)
    fills: pd.DataFrame = field(repr=False)
    members: pd.DataFrame = field(repr=False)
    days: pd.DataFrame = field(repr=False)
    rates: pd.DataFrame | None = field(repr=False, default=None)

    def table(self, kind: str, part: str = "value") -> pd.DataFrame:
        """Return a section of the report: a row a measure, a column a model (or a pair), NaN where undefined.

        Parameters
        ----------
        kind : str
            "forecasts", "tests", "years", "volatility" and "yesterday" are about the forecasts; "trading",
            "differences", "money", "at_costs", "delays", "members" and "flips" about what came of them.
        part : {"value", "low", "high", "p"}
            The number, its 95 % interval's ends, or its p-value.

        Raises
        ------
        InputError
            If there is no such table or part.

        Examples
        --------
        >>> import lstm_signal as ls
        >>> prices = ls.sample_prices().iloc[:400]
        >>> linear = ls.forecast(prices, ls.Forecaster(cell="linear"), ls.WalkForward(train=200, test=100))
        >>> comparison = ls.compare(prices, [linear])
        >>> bool(comparison.table("trading", "low").loc["sharpe", "linear"] < 0)
        True
        """
        if kind not in SECTIONS:
            raise InputError(f"no table is called {kind!r}. {did_you_mean(kind, SECTIONS)}")
        if part not in ("value", "low", "high", "p"):
            raise InputError(f"a table has no part {part!r}. {did_you_mean(part, ('value', 'low', 'high', 'p'))}")
        section = self.report[kind]
        rows = list(SECTIONS[kind]) or sorted({key for column in section.values() for key in column})
        values = {name: {key: column.get(key, {}).get(part) for key in rows} for name, column in section.items()}
        return pd.DataFrame(values, index=rows, dtype="float64")

    @property
    def error_gain(self) -> pd.DataFrame:
        """By bar and model: the squared errors that the mean has made so far, less the model's; up is good.

        Welch and Goyal, Review of Financial Studies 21:1455 (2008), doi:10.1093/rfs/hhm014.
        """
        by_model = dict(list(self.forecasts.groupby("model", sort=False)))
        outcome, mean = by_model["mean"]["outcome"], by_model["mean"]["forecast"]
        gain = {
            name: ((outcome - mean) ** 2 - (outcome - said["forecast"]) ** 2).dropna().cumsum()
            for name, said in by_model.items()
            if name != "mean"
        }
        return pd.DataFrame(gain, columns=list(gain))

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
        parts = ["\n".join(self.verdict), "\n".join(self._head()), *drawn, "\n".join(self._notes()), "\n".join(reasons)]
        return "\n\n".join(part for part in parts if part)

    def _repr_html_(self) -> str:
        tables, reasons = self._shown()
        lines = [html_lines(self.verdict), html_lines(self._head())]
        return "".join([*lines, *(html_table(*table) for table in tables), html_lines([*self._notes(), *reasons])])

    def _shown(self) -> tuple[list[tuple[str, list[str], list[list[str]]]], list[str]]:
        """Return the tables as title, header and rows of text, and the reasons for their dashes."""
        reasons: list[str] = []
        tables = []
        for title, kinds in PRINTED:
            names = list(dict.fromkeys(name for kind in kinds for name in self.report[kind]))
            cells = []
            for kind in kinds:
                columns = {name: self.report[kind].get(name, {}) for name in names}
                cells += measure_cells(SECTIONS[kind], columns, reasons)
            tables.append((title, ["", *map(_told, names)], cells))
        return tables, reasons

    def _notes(self) -> list[str]:
        """Return what is said in words below the tables."""
        report = self.report
        notes = [column["lag"]["note"] for column in report["yesterday"].values() if "note" in column["lag"]]
        for pair, flips in report["flips"].items():
            told = {"R2": flips["r2"]["value"], "Sharpe ratio": flips["sharpe"]["value"]}
            shares = [f"{share:.0%} by {name}" for name, share in told.items() if share is not None]
            if shares:
                notes.append(
                    f"One member of each alone would have said the other order of {pair} in {', '.join(shares)}."
                )
        notes.append("An interval is of its number alone; the verdict's p-values pay for all that was tried and asked.")
        here, lifetime, elsewhere = (report["trials"][name]["value"] for name in ("here", "lifetime", "elsewhere"))
        more = f", and {elsewhere} elsewhere" if elsewhere else ""
        notes.append(f"Tried on these bars: {here} here, {lifetime} in all{more}; deflated Sharpe ratios count them.")
        if report["sensitivity"]:
            again = report["sensitivity"]
            by = f" with {_schedule(again)}" if again["schedule"] else ""
            notes += [f"Again{by}: {each['sentence']}" for each in again["verdict"]]
        return notes

    def _head(self) -> list[str]:
        report, prices, costs = self.report, self.report["prices"], self.report["costs"]
        target = "open" if report["target"] == "open" else "close"
        note = f" ({prices['note']})" if prices["note"] else ""
        lines = [
            f"{prices['name']}{note}: {prices['bars']} bars, {prices['first'][:10]} to {prices['last'][:10]}",
            f"{report['forecast_bars']} out-of-sample forecasts from {report['forecast_first'][:10]} on, of the "
            f"{target}-to-{target} return over {report['horizon']} bar(s); {report['judged_bars']} are judged",
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
        """Write report.json, the Parquet files beside it and the page report.html; each is whole or not there.

        Returns
        -------
        Path
            Of the folder, made if need be.
        """
        folder, text, drawn = Path(folder), self.to_json(), self.page()
        folder.mkdir(parents=True, exist_ok=True)
        for name in [*TABLES, *(["rates"] if self.rates is not None else [])]:
            with replacing(folder / f"{name}.parquet") as temporary:
                getattr(self, name).to_parquet(temporary)
        with replacing(folder / "report.json") as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
        with replacing(folder / "report.html") as temporary:
            temporary.write_text(drawn, encoding="utf-8")
        return folder

    def page(self) -> str:
        """Return the report as a page: HTML that opens offline and asks no network for anything."""
        costs, delays = self.table("at_costs").filter(like="sharpe", axis=0), self.table("delays")
        drawn = Drawn(
            self.forecasts, self.returns, self.positions, self.members, self.error_gain, self.table("years"),
            self.table("money"), costs.set_axis([str(bp) for bp in BASIS_POINTS]),
            delays.set_axis([str(bars) for bars in DELAYS]), self.rates,
        )  # fmt: skip
        return page(self.report, drawn, self._head(), self._notes())

    def plot(self) -> Any:
        """Return a plotly figure of equity, each member's too, and drawdown."""
        from lstm_signal import figures

        return figures.equity(self.returns, self.members)

    def to_json(self) -> str:
        """Return the report as one JSON document."""
        return json.dumps(self.report, indent=1, allow_nan=False)


def _told(name: str) -> str:
    first, minus, last = name.rpartition(" - ")
    return f"{first}{minus}buy & hold" if last == BUY_AND_HOLD else name


def _schedule(report: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in report["schedule"].items())


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
        names = [*TABLES, *(["rates"] if (folder / "rates.parquet").is_file() else [])]
        tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in names}
    except InputError:
        raise
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder} holds no comparison: {error}. Give a folder that `save` wrote.") from error
    return Comparison(report, **tables)
