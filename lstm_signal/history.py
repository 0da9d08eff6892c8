"""Prices of a ticker: what the disk has, what is missing from Yahoo, and whether Yahoo still tells the same past."""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from tqdm import tqdm

from lstm_signal import sessions, yahoo
from lstm_signal.bars import OHLC, as_prices, between, days_of
from lstm_signal.checks import warn_of_doubts
from lstm_signal.errors import InputError, PriceWarning, did_you_mean
from lstm_signal.vintages import Vintage, Vintages

OVERLAP = pd.Timedelta(days=14)  # asked for again, to see whether the past is still the same
SAME = 1e-6  # relative difference of a price that is no change

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
    if (refresh and (offline or vintage is not None)) or (vintage is not None and vintage < 1):
        raise InputError("refresh asks Yahoo, offline and vintage never do: give one of them; vintages count from 1.")
    first, last = days_of(start, end)
    days = interval in sessions.MADE_OF_DAYS
    vintages = Vintages(data_dir, ticker, "1d" if days else interval)
    # A week is whole only with the days around it.
    wanted = (_back(first, 31) if days else first, _back(last, -31) if days else last)
    if offline or vintage is not None:
        found = vintages.read_locked(vintage)
        _refuse_uncovered(found, first, last, vintages)
    else:
        found = _up_to_date(vintages, *wanted, refresh=refresh, progress=progress)
    bars = found.bars
    if days:
        known_to = min(_today(found.market), found.through + pd.Timedelta(days=1))
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


def _up_to_date(
    vintages: Vintages, start: pd.Timestamp | None, end: pd.Timestamp | None, *, refresh: bool, progress: bool
) -> Vintage:
    """Return the latest vintage, with all bars from start to end: asked for, compared and written where missing."""

    def told(text: str) -> None:
        if progress:
            tqdm.write(text, file=sys.stderr)

    with vintages.locked():
        numbers = vintages.numbers()
        if not numbers:
            return _asked(vintages, 1, start, end, told)
        try:
            old = vintages.read()
        except InputError:
            if not refresh:
                raise
            return _asked(vintages, numbers[-1] + 1, start, end, told, "the vintage before it is damaged")
        earlier = old.asked_from is not None and (start is None or start < old.asked_from)
        if not (refresh or earlier) and _reaches(old, end):
            return old
        since = _earlier(start, old.asked_from) if refresh or earlier else old.bars.index[-1].normalize() - OVERLAP
        until = None if end is None else max(end, old.through, old.bars.index[-1].normalize())
        new = _from_yahoo(vintages, old.number, since, until, told)
        joined = _joined(old.bars, new.bars)
        if joined is not None:
            asked_from = _earlier(start, old.asked_from)
            kept = replace(new, bars=joined, asked_from=asked_from, changed=old.changed)
            vintages.write(kept)
            return kept
        if not (refresh or earlier):
            new = _from_yahoo(vintages, old.number, _earlier(start, old.asked_from), until, told)
        new = replace(new, number=old.number + 1, changed=_changes(old.bars, new.bars))
        vintages.write(new)
        warnings.warn(
            f"{vintages.ticker}: Yahoo's past has changed: {new.changed}. This is vintage {new.number}; "
            f"vintage={old.number} (--vintage {old.number}) still reads the bars as they were.",
            PriceWarning, stacklevel=4,
        )  # fmt: skip
        return new


def _asked(vintages: Vintages, number: int, start: Any, end: Any, told: yahoo.Told, changed: str = "") -> Vintage:
    vintage = replace(_from_yahoo(vintages, number, start, end, told), changed=changed)
    vintages.write(vintage)
    return vintage


def _from_yahoo(vintages: Vintages, number: int, start: Any, end: Any, told: yahoo.Told) -> Vintage:
    """Return what Yahoo says now, as a vintage that is not yet written."""
    now = pd.Timestamp.now("UTC")
    answer = yahoo.ask(vintages.ticker, vintages.interval, start, end, told)
    day = pd.Timedelta(days=1)
    market, today = answer.market, _today(answer.market)
    intraday = vintages.interval in sessions.INTRADAY
    last = answer.bars.index[-1].normalize() - (day if intraday else 0 * day)  # the last day that is whole
    through = max(last, today - day if end is None else min(end, today - day))
    if end is not None and end < today:
        fresh = now  # there is more already
    elif intraday:
        fresh = now + pd.Timedelta(minutes=sessions.INTRADAY[vintages.interval])
    else:
        fresh = market.closes.tz_convert("UTC") if now < market.closes else now + pd.Timedelta(hours=1)
    return Vintage(number, answer.bars, market, start, through, fresh)


def _reaches(old: Vintage, end: pd.Timestamp | None) -> bool:
    """Whether there can be no bar up to `end` that is not there."""
    return (end is not None and end <= old.through) or pd.Timestamp.now("UTC") < old.fresh_until


def _joined(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame | None:
    """Return the old bars with the new ones around them, or None if the two tell different pasts.

    The old bars keep their bits. A volume that Yahoo revises, as it often does, is no other past: it stays as it was.
    """
    first, last = max(old.index[0], new.index[0]), min(old.index[-1], new.index[-1])
    before, after = old.loc[first:last], new.loc[first:last]
    if before.empty or not before.index.equals(after.index) or _differ(before, after).any():
        return None
    parts: list[pd.DataFrame] = [new[new.index < old.index[0]], old, new[new.index > old.index[-1]]]
    return pd.concat(parts)


def _differ(before: pd.DataFrame, after: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.bool_]]:
    columns = [*OHLC, "dividend"]
    same = np.isclose(before[columns].to_numpy(), after[columns].to_numpy(), rtol=SAME, atol=0)
    return np.asarray(~same.all(axis=1))


def _changes(old: pd.DataFrame, new: pd.DataFrame) -> str:
    """Return in words what differs between two pasts."""
    common = old.index.intersection(new.index)
    before, after = old.loc[common], new.loc[common]
    ratios = (after["close"] / before["close"]).to_numpy()
    changed = _differ(before, after)
    told = []
    if changed.any():
        rows = np.flatnonzero(changed)
        span = f"{common[rows[0]]:%Y-%m-%d} to {common[rows[-1]]:%Y-%m-%d}"
        ratio = ratios[rows]
        if len(rows) > 1 and np.ptp(ratio) < 1e-4 and abs(ratio[0] - 1) > 1e-4:
            told.append(f"{len(rows)} bars, {span}, times {ratio[0]:.4g}, as after a split")
        else:
            worst = rows[int(np.argmax(np.abs(ratio - 1)))]
            told.append(f"{len(rows)} bars, {span}; the close at most by {ratios[worst] - 1:+.4%}, on "
                        f"{common[worst]:%Y-%m-%d}")  # fmt: skip
    gone = old.index.difference(new.index)
    added = new.index[(new.index >= old.index[0]) & (new.index <= old.index[-1])].difference(old.index)
    told += [f"{len(stamps)} bar(s) {word}, the first {stamps[0]:%Y-%m-%d}"
             for stamps, word in ((gone, "gone"), (added, "inserted")) if len(stamps)]  # fmt: skip
    return "; ".join(told)


def _refuse_uncovered(
    found: Vintage, first: pd.Timestamp | None, last: pd.Timestamp | None, vintages: Vintages
) -> None:
    """Raise InputError if a range that was asked for is not on the disk, rather than return a part of it."""
    early = first is not None and found.asked_from is not None and first < found.asked_from
    late = last is not None and last > found.through
    if early or late:
        there = f"{found.asked_from or found.bars.index[0]:%Y-%m-%d} to {found.through:%Y-%m-%d}"
        raise InputError(
            f"{vintages.ticker} {vintages.interval}: vintage {found.number} on disk reaches from {there} only. "
            "Ask for a part of that, or let Yahoo be asked."
        )


def _today(market: sessions.Market) -> pd.Timestamp:
    return pd.Timestamp.now(market.zone).tz_localize(None).normalize()


def _earlier(one: pd.Timestamp | None, other: pd.Timestamp | None) -> pd.Timestamp | None:
    return None if one is None or other is None else min(one, other)


def _back(day: pd.Timestamp | None, days: int) -> pd.Timestamp | None:
    return None if day is None else day - pd.Timedelta(days=days)
