"""Prices of a ticker: what the disk has, what is missing from Yahoo, and whether Yahoo still tells the same past."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
from tqdm import tqdm

from lstm_signal import sessions, yahoo
from lstm_signal.bars import as_prices, between, days_of
from lstm_signal.checks import warn_of_doubts
from lstm_signal.errors import InputError, did_you_mean
from lstm_signal.updating import up_to_date
from lstm_signal.vintages import Vintage, Vintages

Day: TypeAlias = str | pd.Timestamp | None


def load_prices(
    ticker: str,
    start: Day = None,
    end: Day = None,
    interval: str = "1d",
    data_dir: str | Path = "data",
    *,
    vintage: int | None = None,
    refresh: bool = False,
    offline: bool = False,
    progress: bool = True,
) -> pd.DataFrame:
    """Return the bars of a ticker: from the disk, and from Yahoo what the disk does not have.

    Parameters
    ----------
    ticker : str
        In Yahoo's spelling: "SPY", "BRK-B", "^GSPC", "EURUSD=X", "BTC-USD".
    start, end : str or Timestamp, optional
        Days at the exchange, both included; all there is by default.
    interval : {"1d", "1wk", "1mo", "1m", "2m", "5m", "15m", "30m", "60m", "1h", "90m"}
        Weekly and monthly bars are made of the daily ones, and stamped with their last session; intraday bars with
        the instant they close: the exchange's time, or UTC for currencies.
    data_dir : str or Path
        Bars are kept in ``prices/`` below it.
    vintage : int, optional
        An old past of the ticker, exactly as it was; never asks Yahoo. A report says which it was made on.
    refresh : bool
        Ask for all bars again, and compare them all.
    offline : bool
        Never ask Yahoo.
    progress : bool
        Say on standard error when Yahoo has to be asked again.

    Returns
    -------
    DataFrame, shape (bars, 6)
        Split-adjusted open, high, low and close in the ticker's currency, volume, and dividends on their own bars.
        Only finished bars.

    Raises
    ------
    InputError
        If there is no such ticker, range, interval or vintage, or the bars on disk are damaged.
    FetchError
        If Yahoo cannot be reached, or will not answer, after all attempts.

    Warns
    -----
    PriceWarning
        When a bar is left out, when Yahoo's past has changed, and when the bars look doubtful.

    Examples
    --------
    >>> load_prices("../SPY")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    lstm_signal.errors.InputError: '../SPY' is no ticker: Yahoo's have up to 32 letters A-Z, ...
    """
    ticker = yahoo.checked_ticker(ticker)
    if interval not in sessions.INTERVALS:
        raise InputError(f"interval={interval!r} is unknown. {did_you_mean(interval, sessions.INTERVALS)}")
    if vintage is not None and (not isinstance(vintage, int) or isinstance(vintage, bool) or vintage < 1):
        raise InputError(f"vintage={vintage!r} must be a whole number, 1 or more.")
    if refresh and (offline or vintage is not None):
        raise InputError("refresh asks Yahoo, offline and vintage never do: give one of them.")
    first, last = days_of(start, end)
    days = interval in sessions.MADE_OF_DAYS
    vintages = Vintages(data_dir, ticker, "1d" if days else interval)
    # A week is whole only with the days around it.
    wanted = (_back(first, 31) if days else first, _back(last, -31) if days else last)
    if offline or vintage is not None:
        found = vintages.read(vintage)
        _refuse_uncovered(found, first, last, vintages)
    else:
        found = up_to_date(vintages, *wanted, refresh=refresh, told=_told if progress else lambda _: None)
    bars = found.bars
    if days:
        known_to = min(found.market.today, found.through + pd.Timedelta(days=1))
        bars = sessions.made_of_days(bars, interval, found.asked_from, known_to)
    bars = as_prices(bars, ticker)
    bars.attrs.update(_attributes(ticker, interval, found))
    bars = between(bars, start, end)
    warn_of_doubts(bars, ticker)
    return bars


def _attributes(ticker: str, interval: str, found: Vintage) -> dict[str, Any]:
    proxy = "; an index: not tradable, a proxy" if found.market.kind == "INDEX" else ""
    name = ticker if interval == "1d" else f"{ticker} {interval}"
    note = f"Yahoo, {found.market.currency}, vintage {found.number}{proxy}"
    return {"name": name, "note": note, "interval": interval, "vintage": found.number}


def _told(text: str) -> None:
    tqdm.write(text, file=sys.stderr)


def _refuse_uncovered(
    found: Vintage, first: pd.Timestamp | None, last: pd.Timestamp | None, vintages: Vintages
) -> None:
    """Raise InputError if a range that was asked for is not on the disk, rather than return a part of it."""
    there = max(found.through, found.bars.index[-1].normalize())
    early = first is not None and not found.begins_by(first)
    if early or not (last is None or last <= there or found.is_fresh):
        raise InputError(
            f"{vintages.ticker} {vintages.interval}: vintage {found.number} on disk reaches from "
            f"{found.asked_from or found.bars.index[0]:%Y-%m-%d} to {there:%Y-%m-%d} only. "
            "Ask for a part of that, or let Yahoo be asked."
        )


def _back(day: pd.Timestamp | None, days: int) -> pd.Timestamp | None:
    return None if day is None else day - pd.Timedelta(days=days)
