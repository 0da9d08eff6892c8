"""Strategies over many feeds: they weigh what was said of each, and trade those that have a new bar."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import backtrader as bt
import pandas as pd

from lstm_signal.bt.book import Book
from lstm_signal.bt.live import Streaming
from lstm_signal.bt.strategy import ForecastStrategy
from lstm_signal.errors import InputError, LookAheadError, did_you_mean

SPELLS = ("ticker", "start", "end")
_ENDED = 7.0  # days: a feed that stops earlier than this before the others has ended, and is not on holiday


class PortfolioStrategy(ForecastStrategy):
    """Trades on the forecasts of many feeds: ``cerebro.addstrategy(Mine, forecasts={"SPY": f, "QQQ": g})``.

    A subclass writes `signals`. A feed is traded only at a bar of its own: feeds may start late, end early and pause
    on holidays. What is held of a feed without a new bar stays, and its money is not spent twice. Only feeds with a bar
    at the same time are weighed against one another, so stamp them alike.

    Parameters
    ----------
    forecasts : dict, or Streaming
        By the feed's name, what `ForecastStrategy` takes for its feed; or `Streaming` for all. Nothing where each feed
        is a `ForecastData`. Give each feed its name: ``cerebro.adddata(feed, name="SPY")``.
    members_of : DataFrame or str
        Who belonged to the universe when, against survivorship: a row for each spell, with `ticker`, `start` and
        `end` (both days included; no end: to this day), or the path of such a CSV file. Of others nothing is held; what
        is to be sold before a feed ends must have its `end` before the last bar. Without the table you are told that
        the universe was chosen with hindsight.
    fill, exposure, drift, whole_shares
        As in `ForecastStrategy`; `exposure` is of all feeds together.

    Attributes
    ----------
    ready : list of Book
        The feeds with a new bar, a forecast and, if `members_of` is given, a place in the universe.
    tied : list of Book
        The feeds without a new bar that something is held of, or wanted.

    Examples
    --------
    >>> class Strongest(PortfolioStrategy):
    ...     def signals(self):
    ...         best = max(self.ready, key=lambda book: book.strength[0])
    ...         return {best.name: 1.0}
    """

    params: Any = (("members_of", None),)

    asked = "signals"
    ready: list[Book]
    tied: list[Book]

    def signals(self) -> Mapping[str, float]:
        """Return the wanted exposures by feed name, -1 to 1 and together at most 1 without their signs.

        Feeds that are left out, or not ready, are wanted flat. Where the money tied up in feeds without a new bar
        leaves less than is asked for, all are scaled down.
        """
        raise NotImplementedError(f"{type(self).__name__} has no signals(): return the wanted exposures by feed name.")

    def start(self) -> None:
        """Refuse what a ForecastStrategy refuses, and say whom the universe leaves out."""
        super().start()
        self._latest, self._dated, self._met = 0.0, -1, False
        if self.p.members_of is None:
            self.spells = None
            warnings.warn(
                f"{type(self).__name__}: universe chosen by you today: who went down on the way may be missing from "
                "these feeds, which flatters any result. members_of= takes a table of who belonged when.",
                stacklevel=2,
            )
            return
        self.spells = _spells(self.p.members_of)
        names = [book.name for book in self.books]
        if strange := [name for name in names if name not in self.spells]:
            raise InputError(f"members_of says of {', '.join(strange)} nothing: give a row for each feed, or drop it.")
        if absent := sorted(set(self.spells) - set(names)):
            warnings.warn(
                f"{type(self).__name__}: members_of has {len(absent)} tickers that no feed is called, among them "
                f"{', '.join(absent[:5])}: who went down on the way may be missing.",
                stacklevel=2,
            )

    def prenext(self) -> None:
        """Trade the feeds that have begun: a late one holds nobody up."""
        self.next()

    def stop(self) -> None:
        """Say which feeds ended while something was held of them, and which had no forecast."""
        super().stop()
        if len(self.books) > 1 and not self._met:
            warnings.warn(
                f"{type(self).__name__}: no two feeds had a bar at the same time with a forecast each, so they were "
                "never weighed against one another: give bars that are stamped alike.",
                stacklevel=2,
            )
        for book in self.books:
            if book.at and book.size and book.at < self._latest - _ENDED:
                warnings.warn(
                    f"{type(self).__name__}: the bars of {book.name} end at {bt.num2date(book.at)} while "
                    f"{book.size:g} shares are held: they stand at the last close from then on, and their money is "
                    "tied up.",
                    stacklevel=2,
                )

    def _traded(self) -> list[tuple[Any, object]]:
        names, given, user = [str(data._name) for data in self.datas], self.p.forecasts, type(self).__name__
        if "" in names or len(set(names)) < len(names):
            raise InputError(f"{user} needs a name for each feed, once: cerebro.adddata(feed, name='SPY').")
        if given is None or isinstance(given, Streaming):
            return [(data, given) for data in self.datas]
        if not isinstance(given, Mapping):
            raise InputError(f"{user} takes forecasts by feed name, as in forecasts={{{names[0]!r}: forecasts}}; "
                             "in optstrategy a list of that.")  # fmt: skip
        if silent := [name for name in names if name not in given]:
            raise InputError(f"{user}: {silent[0]!r} has no forecasts. {did_you_mean(silent[0], list(given))}")
        if strange := [name for name in given if name not in names]:
            raise InputError(f"{user}: {strange[0]!r} is no feed. {did_you_mean(str(strange[0]), names)}")
        return [(data, given[name]) for name, data in zip(names, self.datas, strict=True)]

    def _due(self) -> list[Book]:
        due = []
        for book, least in zip(self.books, self._minperiods, strict=True):
            before = book.at
            if len(book.data) >= least and book.due():
                due.append(book)
            if book.at != before:
                self._see(book, before)
        return due

    def _see(self, book: Book, before: float) -> None:
        """Refuse a day's bar that is stamped by its date alone beside one of the same day that is stamped later."""
        day = math.floor(book.at)
        if book.at != day and day == self._dated:
            raise LookAheadError(
                f"{type(self).__name__}: a feed stamps its bar of {bt.num2date(day):%Y-%m-%d} by the date, before "
                f"{book.name} at {bt.num2date(book.at):%H:%M:%S}, though a day's bar is known at its close. Stamp all "
                "feeds alike: PricesData and ForecastData give daily bars the date."
            )
        if book.at == day and before and before == math.floor(before):
            self._dated = day
        self._latest = max(self._latest, book.at)

    def _wanted(self, due: list[Book], spoke: list[Book]) -> dict[Book, float]:
        self.ready = [book for book in spoke if self._belongs(book)]
        self._met = self._met or len(self.ready) > 1
        self.tied = self._tied(set(self.books) - set(due))
        if not self.ready:
            return {}
        signals = self.signals()
        known = {book.name for book in self.books}
        for name in signals:
            if name not in known:
                raise InputError(f"{type(self).__name__}.signals(): no feed is called {name!r}. "
                                 f"{did_you_mean(str(name), known)}")  # fmt: skip
        wanted = {book: self._checked(signals.get(book.name, 0.0)) for book in self.ready}
        asked = sum(abs(each) for each in wanted.values())
        if asked > 1 + 1e-9:
            self._refuse(dict(signals), "the wanted exposures must add up to 1 at most, without their signs.")
        free = max(0.0, 1.0 - sum(self._share(book) for book in self.tied))
        return wanted if asked <= free + 1e-9 else {book: each * free / asked for book, each in wanted.items()}

    def _tied(self, busy: set[Book]) -> list[Book]:
        """Return those without a new bar that tie up money; release those that ended before their order was filled."""
        tied = [book for book in self.books if book in busy and (book.wanted or (book.at and book.size))]
        for book in tied:
            if not book.size and book.at < self._latest - _ENDED:
                book.release()
        return [book for book in tied if book.wanted or book.size]

    def _share(self, book: Book) -> float:
        """Return the share of the exposure that a feed without a new bar ties up."""
        if book.wanted:
            return abs(book.wanted)
        return float(abs(book.size) * book.data.close[0] / (self.broker.getvalue() * self.p.exposure))

    def _belongs(self, book: Book) -> bool:
        """Whether the feed belongs to the universe at its current bar."""
        if self.spells is None:
            return True
        return any(start <= book.data.datetime[0] < end for start, end in self.spells[book.name])


def _days(column: pd.Series) -> pd.Series:
    """Return dates, NaT where there is none; 20240131 will do."""
    if pd.api.types.is_numeric_dtype(column):
        column = column.astype("Int64").astype("string")
    return pd.to_datetime(column.replace("", None), format="ISO8601").dt.tz_localize(None)


def _spells(given: object) -> dict[str, list[tuple[float, float]]]:
    """Return by ticker when it belonged, as backtrader counts days: from, and up to but without."""
    if isinstance(given, str | Path):
        if not Path(given).is_file():
            raise InputError(f"members_of: no such file: {given}.")
        try:
            given = pd.read_csv(given, dtype=str, keep_default_na=False)
        except ValueError as error:
            raise InputError(f"members_of: {given} is no CSV file: {error}.") from error
    if not isinstance(given, pd.DataFrame) or not set(SPELLS) <= set(given.columns):
        raise InputError("members_of must be a table, or the path of one, with the columns ticker, start and end.")
    try:
        start, end = (_days(given[name]) for name in SPELLS[1:])
    except (ValueError, TypeError) as error:
        raise InputError(f"members_of: start and end must hold dates, as in 2024-01-31: {error}.") from error
    wrong = start.isna() | (end < start) | given["ticker"].isna()
    if wrong.any():
        row = given.loc[wrong, list(SPELLS)].iloc[0].to_dict()
        raise InputError(f"members_of: {row}: a ticker and a start are needed, and no end before it.")
    spells: dict[str, list[tuple[float, float]]] = {}
    for ticker, first, last in zip(given["ticker"].astype(str), start, end, strict=True):
        until = math.inf if pd.isna(last) else bt.date2num(last.normalize().to_pydatetime()) + 1.0
        spells.setdefault(ticker, []).append((bt.date2num(first.to_pydatetime()), until))
    return spells
