"""Downloaded bars on disk: every history that Yahoo ever gave of a ticker, whole or not there.

A folder holds one ticker at one interval. A *vintage* is a past as Yahoo told it: ``1.json`` says what it is and which
Parquet file holds its bars. That file is named by its content and written first, so that the JSON's renaming is the
one moment in which a vintage changes: whoever is killed before or after it leaves no half vintage behind.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
from filelock import FileLock

from lstm_signal.bars import as_prices, fingerprint, stamps_of
from lstm_signal.errors import InputError
from lstm_signal.files import replacing, safe_name
from lstm_signal.sessions import Market

SCHEMA = 1
_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(10))}


@dataclass(frozen=True)
class Vintage:
    """One past of a ticker.

    Attributes
    ----------
    number : int
        From 1 on.
    bars : DataFrame, shape (bars, 6)
    market : Market
    asked_from : Timestamp or None
        The first day asked for; None when all was.
    through : Timestamp
        The last day up to which all bars are there.
    fresh_until : Timestamp
        Before this moment (with time zone) there can be no newer finished bar.
    changed : str
        In what it differs from the vintage before it.
    """

    number: int
    bars: pd.DataFrame
    market: Market
    asked_from: pd.Timestamp | None
    through: pd.Timestamp
    fresh_until: pd.Timestamp
    changed: str = ""

    def begins_by(self, start: pd.Timestamp | None) -> bool:
        """Whether all bars from a day on were asked for; a market's own beginning where there is no such day."""
        if start is None:
            intraday = bool((self.bars.index != stamps_of(self.bars).normalize()).any())
            return self.asked_from is None or intraday  # of intraday bars the older are forgotten
        return self.asked_from is None or start >= self.asked_from

    @property
    def is_fresh(self) -> bool:
        """Whether there can be no newer finished bar yet."""
        return pd.Timestamp.now("UTC") < self.fresh_until


class Vintages:
    """The vintages of one ticker at one interval.

    Parameters
    ----------
    data_dir : str or Path
    ticker : str
        In Yahoo's spelling.
    interval : str
    """

    def __init__(self, data_dir: str | Path, ticker: str, interval: str) -> None:
        self.ticker, self.interval = ticker, interval
        self.folder = Path(data_dir) / "prices" / _folder_name(ticker) / interval

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other writers out; the operating system lets go when a process dies. Readers need no lock."""
        locks = self.folder.parent.parent / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        with FileLock(locks / f"{self.folder.parent.name}.{self.interval}", mode=0o666):
            yield

    def numbers(self) -> list[int]:
        """Return the numbers of all vintages, the oldest first."""
        return sorted(int(path.stem) for path in self.folder.glob("*.json") if path.stem.isdigit())

    def read(self, number: int | None = None) -> Vintage:
        """Return a vintage, the latest unless told, after checking it against its fingerprint.

        Raises
        ------
        InputError
            If there is none, or what is on disk is not what was written.
        """
        there = self.numbers()
        if not there or number not in (None, *there):
            told = f"vintage {number} is not among the vintages {there}" if there else "nothing is kept"
            raise InputError(
                f"{self.ticker} {self.interval}: {told} in {self.folder}. "
                f"Download it: lstm-signal fetch {self.ticker} --interval {self.interval}."
            )
        path = self.folder / f"{number or there[-1]}.json"
        try:
            try:
                return self._read(path)
            except FileNotFoundError:  # its bars were replaced between the two reads
                return self._read(path)
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise InputError(
                f"{path} and the bars it names are damaged or were edited: {' '.join(str(error).split())}. Restore "
                "them from a copy; a refresh (refresh=True, --refresh) starts a new vintage of what Yahoo says now."
            ) from error

    def _read(self, path: Path) -> Vintage:
        about = json.loads(path.read_text())
        if about["schema"] != SCHEMA:
            raise ValueError(f"its schema is {about['schema']}, this version reads {SCHEMA}")
        file = str(about["file"])
        if safe_name(file) != file:
            raise ValueError(f"{file!r} is no name of a file")
        if (about["ticker"], about["interval"]) != (self.ticker, self.interval):
            raise ValueError(f"it is of {about['ticker']} {about['interval']}")
        bars = as_prices(pd.read_parquet(path.parent / file), self.ticker)
        if fingerprint(bars) != about["sha256"]:
            raise ValueError("the bars do not match their fingerprint")
        market = about["market"]
        ZoneInfo(market["zone"])
        opens, closes = _moment(market["opens"], True), _moment(market["closes"], True)
        fresh_until = _moment(about["fresh_until"], True)
        start = None if about["asked_from"] is None else _moment(about["asked_from"], False)
        through = _moment(about["through"], False)
        if through > max(bars.index[-1], _moment(about["fetched"], True).tz_localize(None)):
            raise ValueError(f"it says to reach {about['through']}, after it was fetched")
        return Vintage(
            int(path.stem), bars, Market(market["zone"], market["kind"], market["currency"], opens, closes), start,
            through, fresh_until, about["changed"],
        )  # fmt: skip

    def write(self, vintage: Vintage) -> None:
        """Write a vintage: its bars first, under a new name, then the JSON that names them; the caller has the lock."""
        self.folder.mkdir(parents=True, exist_ok=True)
        bars = vintage.bars.copy()
        bars.attrs = {}
        digest = fingerprint(bars)
        file = f"{vintage.number}-{digest[:12]}.parquet"
        with replacing(self.folder / file) as temporary:
            bars.to_parquet(temporary)
        with replacing(self.folder / f"{vintage.number}.json") as temporary:
            temporary.write_text(json.dumps(self._describe(vintage, file, digest), indent=1) + "\n")
        self._tidy(vintage.number, file)

    def _describe(self, vintage: Vintage, file: str, digest: str) -> dict[str, Any]:
        market = vintage.market
        return {
            "schema": SCHEMA,
            "ticker": self.ticker,
            "interval": self.interval,
            "vintage": vintage.number,
            "file": file,
            "fetched": pd.Timestamp.now("UTC").isoformat(timespec="seconds"),
            "yfinance": importlib.metadata.version("yfinance"),
            "first": vintage.bars.index[0].isoformat(),
            "last": vintage.bars.index[-1].isoformat(),
            "bars": len(vintage.bars),
            "sha256": digest,
            "asked_from": vintage.asked_from.isoformat() if vintage.asked_from is not None else None,
            "through": vintage.through.isoformat(),
            "fresh_until": vintage.fresh_until.isoformat(),
            "market": {"zone": market.zone, "kind": market.kind, "currency": market.currency,
                       "opens": market.opens.isoformat(), "closes": market.closes.isoformat()},
            "changed": vintage.changed,
        }  # fmt: skip

    def _tidy(self, number: int, file: str) -> None:
        """Remove what this vintage no longer names, and what a killed process left half-written."""
        for path in [*self.folder.glob(f"{number}-*.parquet"), *self.folder.glob(".*.tmp")]:
            if path.name != file:
                path.unlink(missing_ok=True)


def _folder_name(ticker: str) -> str:
    """Return a folder's name that no other ticker has, on any file system: what is not plain gets a digest."""
    plain = safe_name(ticker)
    if plain == ticker and ticker.split(".")[0] not in _RESERVED:
        return plain
    return f"{plain}-{hashlib.sha256(ticker.encode()).hexdigest()[:8]}"


def _moment(text: str, with_zone: bool) -> pd.Timestamp:
    moment = pd.Timestamp(text)
    if not isinstance(moment, pd.Timestamp) or (moment.tz is not None) is not with_zone:
        raise ValueError(f"{text!r} is no moment")
    return moment
