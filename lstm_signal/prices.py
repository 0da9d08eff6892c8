"""Where prices come from: a CSV or Parquet file, or the built-in sample; in the one shape of `bars`."""

from __future__ import annotations

import importlib.metadata
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from lstm_signal.bars import OHLC, as_prices, named, numbers_of
from lstm_signal.checks import warn_of_doubts
from lstm_signal.errors import InputError, PriceWarning, did_you_mean

SAMPLES = {"nasdaq": "NASDAQ Composite", "sp500": "S&P 500"}

_STAMP_NAMES = ("date", "datetime", "timestamp", "time")
_CLOCK = r"^(\d\d)(\d\d)(\d\d)$"  # as stooq writes it
_OFFSET = r"(:\d\d(?:\.\d+)?)\s*(?:Z|UTC|[+-]\d\d(?::?\d\d)?)$"  # after a time, not in a date

CloseKind = Literal["raw", "adjusted"]


def sample_prices(name: str = "nasdaq") -> pd.DataFrame:
    """Return 5,031 real daily bars, 1999-2018, offline.

    Parameters
    ----------
    name : {"nasdaq", "sp500"}
        NASDAQ Composite or S&P 500, from the `arch` package. Both are indices: not tradable, a proxy. The
        S&P 500's early opens are copies of the previous close, so it can only be traded at the next close.

    Returns
    -------
    DataFrame, shape (5031, 6)
        Bars in index points; volume in shares.

    Raises
    ------
    InputError
        If the name is not a sample's.

    Examples
    --------
    >>> sample_prices()["close"].iloc[[0, -1]].round(2).to_list()
    [2208.05, 6635.28]
    """
    if name not in SAMPLES:
        raise InputError(f"no sample is called {name!r}. {did_you_mean(name, SAMPLES)}")
    # Read as data: importing arch would load statsmodels, three seconds for nothing.
    path = importlib.metadata.distribution("arch").locate_file(f"arch/data/{name}/{name}.csv.gz")
    frame = _bars_of(Path(str(path)), "raw")
    frame.attrs.update(name=name, note=f"{SAMPLES[name]}, an index: not tradable, a proxy")
    return frame


def read_prices(path: str | Path, close: CloseKind | None = None) -> pd.DataFrame:
    r"""Read bars from a CSV or Parquet file.

    Parameters
    ----------
    path : str or Path
        A CSV file with a header, or a file ending in ``.parquet``. A column named date, datetime, timestamp or
        time (else the first column, or the Parquet index) stamps the bars, date and time together when both are
        there; open, high, low and close are needed, in any case of letters; volume and dividend may be there.
        Files of backtrader, Yahoo (yfinance) and stooq are read as they are. Without a dividend column the
        prices are taken as they are: total returns if the file's prices are, price returns if not.
        A UTC offset in a stamp is dropped: the exchange's own clock stays.
    close : {"raw", "adjusted"}, optional
        Needed when the file has an adjusted close that differs from the close, and no dividends: ``"raw"`` trades
        the close and ignores the adjusted one, ``"adjusted"`` scales open, high, low and close by adjusted close /
        close.

    Returns
    -------
    DataFrame, shape (bars, 6)

    Raises
    ------
    InputError
        If the file does not exist or holds anything that is not a checked bar; the row is named.

    Warns
    -----
    PriceWarning
        When the bars are valid but look doubtful: see `doubts`.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "bars.csv"
    >>> _ = file.write_text("date,open,high,low,close\n2024-01-02,1,2,1,2\n2024-01-03,2,3,2,3\n")
    >>> read_prices(file)["close"].to_list()
    [2.0, 3.0]
    """
    frame = _bars_of(Path(path), close)
    warn_of_doubts(frame, Path(path).name)
    return frame


def _bars_of(path: Path, close: CloseKind | None) -> pd.DataFrame:
    """Return a file's bars, whatever may be doubtful about them."""
    if not path.is_file():
        raise InputError(f"no such file: {path}. Give the path of a CSV or Parquet file of bars.")
    try:
        raw = pd.read_parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _read_csv(path)
    except (ValueError, OSError) as error:  # what pandas and pyarrow raise on a file that is no table
        raise InputError(f"{path} cannot be read as a table: {str(error).splitlines()[0]}") from error
    raw = named(_one_ticker(raw, path.name), path.name)
    if not isinstance(raw.index, pd.DatetimeIndex):
        stamps = next((name for name in _STAMP_NAMES if name in raw), raw.columns[0])
        text = raw[stamps]
        if stamps == "date" and "time" in raw:
            clock = raw["time"].astype(str).str.replace(r"^\d{5}$", r"0\g<0>", regex=True)
            days = text.astype(str).str.removesuffix(" 00:00:00")
            text = days.str.cat(clock.str.replace(_CLOCK, r"\1:\2:\3", regex=True), sep=" ")
        raw = raw.set_index(_stamps(text, path.name)).drop(columns=stamps)
    frame = as_prices(_one_close(raw, close, path.name), path.name)
    frame.attrs = {"name": path.name.removesuffix(".gz").removesuffix(path.suffix)}
    return frame


def _read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file as text; with its header as a row, since pandas would rename the second of two equal names."""
    lines = pd.read_csv(path, dtype=str, header=None)
    return lines.iloc[1:].set_axis(lines.iloc[0].to_list(), axis=1).reset_index(drop=True)


def _one_ticker(raw: pd.DataFrame, name: str) -> pd.DataFrame:
    """Undo the second line of columns in which yfinance.download names the ticker."""
    if raw.columns.nlevels == 2:
        named_by = int("close" not in map(str.lower, raw.columns.get_level_values(0)))  # 1 with group_by="ticker"
        tickers = set(raw.columns.get_level_values(1 - named_by))
        prices = raw.columns.get_level_values(named_by)
    elif len(raw) > 1 and str(raw.columns[0]) == "Price" and raw.iloc[0, 0] == "Ticker":
        tickers = set(raw.iloc[0, 1:])
        prices = pd.Index(["date", *raw.columns[1:]])
        raw = raw.iloc[2:].reset_index(drop=True)
    else:
        tickers = {*raw.get("<TICKER>", [])}
        prices = raw.columns
    if len(tickers) > 1:
        raise InputError(f"{name} holds the bars of {', '.join(sorted(map(str, tickers)))}: keep one ticker a file.")
    return raw.set_axis(list(prices), axis=1)


def _stamps(column: pd.Series, name: str) -> pd.DatetimeIndex:
    """Parse a column of stamps, keeping the wall clock that it shows."""
    text = column.astype(str).str.strip().str.replace(_OFFSET, r"\1", regex=True)
    if len(text) and text.str.fullmatch(r"\d{10}|\d{13}").all():  # seconds or milliseconds since 1970
        unit: Literal["s", "ms"] = "s" if len(text.iloc[0]) == 10 else "ms"
        return pd.DatetimeIndex(pd.to_datetime(text.astype("int64"), unit=unit), name="date")
    day_first = _day_first(text, name)
    with warnings.catch_warnings():
        # pandas warns when it can infer no format and would guess each date by itself.
        warnings.simplefilter("error", UserWarning)
        try:
            stamps = pd.to_datetime(text, errors="coerce", dayfirst=day_first)
        except UserWarning:
            stamps = pd.Series(pd.NaT, index=text.index)
    if stamps.isna().any():
        row = int(np.argmax(stamps.isna()))
        raise InputError(
            f"{name} row {row + 1}: {column.iloc[row]!r} in column {column.name!r} is no date "
            "like the rows before it. Write dates as 2024-01-31, or 2024-01-31 16:00."
        )
    return pd.DatetimeIndex(stamps, name="date")


def _day_first(text: pd.Series, name: str) -> bool:
    """Whether dates such as 31/12/2024 begin with the day; refused where either reading is possible."""
    parts = text.str.extract(r"^(\d{1,2})([/.])(\d{1,2})\2\d{4}")
    if text.empty or parts[0].isna().any():
        return False
    first, second = parts[0].astype(int).max(), parts[2].astype(int).max()
    if (parts[1] == ".").all() or first > 12:
        return True
    if second <= 12:
        raise InputError(f"{name}: {text.iloc[0]!r} may begin with the day or the month. Write dates as 2024-01-31.")
    return False


def _one_close(raw: pd.DataFrame, close: CloseKind | None, name: str) -> pd.DataFrame:
    """Settle which close is meant when the table has an adjusted one."""
    if close not in (None, "raw", "adjusted"):
        raise InputError(f"close={close!r} is unknown. {did_you_mean(close, ['raw', 'adjusted'])}")
    if "capital gains" in raw and "dividend" in raw:  # what a fund hands out, too
        paid = numbers_of(raw[["dividend", "capital gains"]], name).sum(axis=1)
        raw = raw.assign(dividend=paid)
    if "adj close" not in raw:
        if "stock splits" in raw and "dividend" in raw and close != "raw":
            return _without_dividends(raw, close, name)
        if close == "adjusted":
            raise InputError(f'{name} has no adjusted close: leave out close="adjusted" (--close adjusted).')
        return raw
    yahoos = {"stock splits", "dividend"} <= set(raw)  # raw prices, and the dividends that make the difference
    if close is None and (yahoos or ("close" in raw and raw["adj close"].equals(raw["close"]))):
        return raw.drop(columns="adj close")
    if close is None:
        raise InputError(
            f'{name} has an adjusted close: which close the returns come from is ambiguous. Ask for close="raw" '
            '(--close raw) to trade the close as it was, or close="adjusted" (--close adjusted) to scale every '
            "price by adjusted close / close."
        )
    if close == "raw":
        return raw.drop(columns="adj close")
    if "close" not in raw:
        raise InputError(f"{name} has no column 'close': it is needed to scale the prices by it.")
    numbers = numbers_of(raw[[c for c in (*OHLC, "adj close") if c in raw]], name)
    scaled = numbers.mul(numbers["adj close"] / numbers["close"], axis=0)
    # The dividends are in the adjusted prices already.
    return raw.drop(columns=["adj close", "dividend"], errors="ignore").assign(
        **{column: scaled[column] for column in OHLC if column in scaled}
    )


def _without_dividends(raw: pd.DataFrame, close: CloseKind | None, name: str) -> pd.DataFrame:
    """Take the prices of yfinance's default table for what they are: adjusted for the dividends beside them."""
    paid = numbers_of(raw[["dividend"]], name)["dividend"].fillna(0.0)
    if close is None and (paid != 0).any():
        warnings.warn(
            f"{name}: stock splits without an adjusted close, as yfinance writes prices that are adjusted already: "
            'its dividends are not counted again. close="raw" (--close raw) counts them.',
            PriceWarning,
            stacklevel=4,
        )
    return raw.drop(columns="dividend")
