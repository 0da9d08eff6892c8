"""What is missing from the disk is asked of Yahoo, and what is there compared with what Yahoo says now."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from lstm_signal import sessions, yahoo
from lstm_signal.bars import OHLC
from lstm_signal.errors import InputError, PriceWarning
from lstm_signal.vintages import Vintage, Vintages

OVERLAP = pd.Timedelta(days=14)  # asked for again, to see whether the past is still the same
GRACE = pd.Timedelta(days=5)  # within which Yahoo may still add a session it has been late with
SAME = 1e-6  # relative difference of a price that is no change
_DAY = pd.Timedelta(days=1)


def up_to_date(
    vintages: Vintages, start: pd.Timestamp | None, end: pd.Timestamp | None, *, refresh: bool, told: yahoo.Told
) -> Vintage:
    """Return the latest vintage, with all bars from start to end: asked for, compared and written where missing."""
    if not refresh and vintages.numbers():
        old = vintages.read()  # whoever asks for nothing needs no lock
        if old.begins_by(start) and _reaches(old, end):
            return old
    with vintages.locked():
        numbers = vintages.numbers()
        if not numbers:
            return _begun(vintages, 1, start, end, told)
        try:
            old = vintages.read()
        except InputError as error:
            if not refresh:
                raise
            changed = f"vintage {numbers[-1]} is damaged"
            warnings.warn(f"{error} This is vintage {numbers[-1] + 1}.", PriceWarning, stacklevel=4)
            return _begun(vintages, numbers[-1] + 1, start, end, told, changed)
        if not refresh and old.begins_by(start) and _reaches(old, end):
            return old
        return _updated(vintages, old, start, end, refresh, told)


def _begun(
    vintages: Vintages, number: int, start: pd.Timestamp | None, end: pd.Timestamp | None, told: yahoo.Told,
    changed: str = "",
) -> Vintage:  # fmt: skip
    """Write and return a vintage that continues none."""
    _refuse_too_early(vintages, start)
    vintage = replace(_from_yahoo(vintages, number, start, end, told), changed=changed)
    vintages.write(vintage)
    return vintage


def _updated(
    vintages: Vintages, old: Vintage, start: pd.Timestamp | None, end: pd.Timestamp | None, refresh: bool,
    told: yahoo.Told,
) -> Vintage:  # fmt: skip
    """Write and return the old vintage with what was missing, or a new one where Yahoo tells another past."""
    widened = refresh or not old.begins_by(start)
    if not old.begins_by(start):
        _refuse_too_early(vintages, start)
    everything = _not_before(_earlier(start, old.asked_from), _oldest(vintages))
    last = old.bars.index[-1].normalize()
    since = everything if widened else _not_before(last - OVERLAP, _oldest(vintages))
    until = None if end is None else max(end, old.through, last)
    new = _from_yahoo(vintages, old.number, since, until, told)
    joined = _joined(old.bars, new.bars)
    if joined is not None:
        kept = replace(new, bars=joined, asked_from=_earlier(new.asked_from, old.asked_from), changed=old.changed)
        vintages.write(kept)
        return kept
    if not widened:
        new = _from_yahoo(vintages, old.number, everything, until, told)
    new = replace(new, number=old.number + 1, changed=_changes(old.bars, new.bars))
    vintages.write(new)
    warnings.warn(
        f"{vintages.ticker}: Yahoo's past has changed: {new.changed}. This is vintage {new.number}; "
        f"vintage={old.number} (--vintage {old.number}) still reads the bars as they were.",
        PriceWarning, stacklevel=5,
    )  # fmt: skip
    return new


def _from_yahoo(
    vintages: Vintages, number: int, start: pd.Timestamp | None, end: pd.Timestamp | None, told: yahoo.Told
) -> Vintage:
    """Return what Yahoo says now, as a vintage that is not yet written."""
    now = pd.Timestamp.now("UTC")
    answer = yahoo.ask(vintages.ticker, vintages.interval, start, end, told)
    market, first, last = answer.market, answer.bars.index[0].normalize(), answer.bars.index[-1].normalize()
    intraday = vintages.interval in sessions.INTRADAY
    settled = market.today - GRACE
    through = max(last - _DAY if intraday else last, settled if end is None else min(end, settled))
    if end is not None and end < market.today:
        fresh = now  # there is more already
    elif intraday:
        fresh = now + pd.Timedelta(minutes=sessions.INTRADAY[vintages.interval])
    else:
        fresh = market.closes.tz_convert("UTC") if now < market.closes else now + pd.Timedelta(hours=1)
    # Without a start there is nothing before the first daily bar; of intraday bars Yahoo has forgotten the older.
    asked_from = first if intraday and start is None else start
    return Vintage(number, answer.bars, market, asked_from, through, fresh)


def _reaches(old: Vintage, end: pd.Timestamp | None) -> bool:
    """Whether there can be no bar up to `end` that is not there."""
    return (end is not None and end <= old.through) or old.is_fresh


def _oldest(vintages: Vintages) -> pd.Timestamp | None:
    """Return the first day whose bars Yahoo still has; None for daily bars, which it keeps."""
    days = sessions.KEPT_DAYS.get(vintages.interval)
    return None if days is None else pd.Timestamp.now("UTC").tz_localize(None).normalize() - days * _DAY


def _refuse_too_early(vintages: Vintages, start: pd.Timestamp | None) -> None:
    oldest = _oldest(vintages)
    if start is not None and oldest is not None and start < oldest:
        kept = sessions.KEPT_DAYS[vintages.interval]
        raise InputError(
            f"{vintages.ticker}: Yahoo keeps {vintages.interval} bars of the last {kept} days only: "
            f"start={start:%Y-%m-%d} must be {oldest:%Y-%m-%d} or later."
        )


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


def _differ(before: pd.DataFrame, after: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return (bars, 5) which of open, high, low, close and dividend are not the same."""
    columns = [*OHLC, "dividend"]
    return np.asarray(~np.isclose(before[columns].to_numpy(), after[columns].to_numpy(), rtol=SAME, atol=0))


def _changes(old: pd.DataFrame, new: pd.DataFrame) -> str:
    """Return in words what differs between two pasts, where both tell of it."""
    if old.index[-1] < new.index[0]:
        return f"it forgot the bars between {old.index[-1]} and {new.index[0]}"
    common = old.index.intersection(new.index)
    before, after = old.loc[common], new.loc[common]
    differ = _differ(before, after)
    told = []
    if differ.any():
        rows = np.flatnonzero(differ.any(axis=1))
        told.append(f"{len(rows)} bar(s), {common[rows[0]]:%Y-%m-%d} to {common[rows[-1]]:%Y-%m-%d}"
                    f"{_by_how_much(before, after, differ, rows)}")  # fmt: skip
    old = old.loc[new.index[0] : new.index[-1]]
    gone = old.index.difference(new.index)
    added = new.loc[old.index[0] : old.index[-1]].index.difference(old.index)
    told += [f"{len(stamps)} bar(s) {word}, the first {stamps[0]:%Y-%m-%d}"
             for stamps, word in ((gone, "gone"), (added, "inserted")) if len(stamps)]  # fmt: skip
    return "; ".join(told)


def _by_how_much(
    before: pd.DataFrame, after: pd.DataFrame, differ: npt.NDArray[np.bool_], rows: npt.NDArray[np.intp]
) -> str:
    ratio = (after["close"] / before["close"]).to_numpy()[rows]
    if len(rows) > 1 and np.ptp(ratio) < 1e-4 and abs(ratio[0] - 1) > 1e-4:
        return f", times {ratio[0]:.4g}, as after a split"
    told = []
    for number, name in enumerate(OHLC):
        if differ[:, number].any():
            change = (after[name] / before[name] - 1).to_numpy()
            worst = int(np.argmax(np.abs(change)))
            told.append(f"the {name} at most by {change[worst]:+.4%}, on {before.index[worst]:%Y-%m-%d}")
    if differ[:, len(OHLC)].any():
        worst = int(np.argmax(np.abs((after["dividend"] - before["dividend"]).to_numpy())))
        was, now = before["dividend"].iloc[worst], after["dividend"].iloc[worst]
        told.append(f"the dividend from {was:g} to {now:g}, on {before.index[worst]:%Y-%m-%d}")
    return "; " + ", ".join(told)


def _earlier(one: pd.Timestamp | None, other: pd.Timestamp | None) -> pd.Timestamp | None:
    return None if one is None or other is None else min(one, other)


def _not_before(day: pd.Timestamp | None, oldest: pd.Timestamp | None) -> pd.Timestamp | None:
    return day if oldest is None or day is None else max(day, oldest)
