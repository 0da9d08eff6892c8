"""The one shape of prices: checked, fingerprinted, chained with their dividends.

Every module works on it: a DataFrame of float64 columns open, high, low, close, volume and dividend over a sorted,
unique, time-zone-free DatetimeIndex that says when a bar is *known*.
"""

from __future__ import annotations

import hashlib
import re
from datetime import date
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from lstm_signal.errors import InputError

OHLC = ("open", "high", "low", "close")
COLUMNS = (*OHLC, "volume", "dividend")
ROUNDING = 5e-4  # by how much of itself an open or close may lie outside high and low without a word
WRONG = 0.01  # by how much it may at all: between the two it is a doubt
MAX_FAKE_OPENS = 0.05  # share of a year's opens that may equal the previous close

_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T].*)?$")
_SYNONYMS = {"dividends": "dividend", "adj_close": "adj close", "adjclose": "adj close",
             "adjusted close": "adj close", "adjusted_close": "adj close", "vol": "volume"}  # fmt: skip


def named(raw: pd.DataFrame, name: str) -> pd.DataFrame:
    """Lower-case and unify the column names; two columns of one name are refused."""
    if raw.columns.nlevels > 1:
        raise InputError(f"{name} has a table's columns in levels, as of several tickers: select those of one.")
    columns = [str(column).strip().strip("<>").lower() for column in raw.columns]
    columns = [_SYNONYMS.get(column, column) for column in columns]
    doubled = sorted({column for column in columns if columns.count(column) > 1})
    if doubled:
        raise InputError(f"{name} has more than one column named {doubled[0]!r}: keep one of them.")
    if not columns:
        raise InputError(f"{name} has no columns: give a table of bars with a header.")
    return raw.set_axis(columns, axis=1)


def numbers_of(raw: pd.DataFrame, name: str) -> pd.DataFrame:
    """Turn every column into float64; what is no number is refused with its row."""
    if (raw.dtypes == "float64").all():
        return raw.copy()
    columns = {}
    for column in raw:
        values = pd.to_numeric(raw[column], errors="coerce")
        wrong = values.isna() & raw[column].notna()
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InputError(
                f"{name} row {row + 1} ({raw.index[row]}): {column} {raw[column].iloc[row]!r} is no number."
            )
        columns[column] = values.astype("float64")
    return pd.DataFrame(columns, index=raw.index)


def as_prices(frame: pd.DataFrame, name: str | None = None) -> pd.DataFrame:
    """Return a user's table of bars in the one shape of `prices`, or say what is wrong with it.

    Parameters
    ----------
    frame : DataFrame
        Bars over a DatetimeIndex, with at least open, high, low and close.
    name : str, optional
        What to call the table in an error.

    Returns
    -------
    DataFrame, shape (bars, 6)
        A new frame; `frame.attrs` are kept. Volume is NaN and dividend 0 where the table has none.

    Raises
    ------
    InputError
        Naming the row: a missing column, a price that is NaN, infinite, zero or negative, a high below its
        low, an open or close more than 1 % outside them, stamps unsorted or doubled.
    """
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"prices must be a DataFrame of bars, not {type(frame).__name__}: see read_prices.")
    name = name or str(frame.attrs.get("name", "prices"))
    raw = named(frame, name)
    missing = [column for column in OHLC if column not in raw]
    if missing:
        raise InputError(
            f"{name} has no column {missing[0]!r}: bars need open, high, low and close "
            f"(it has: {', '.join(raw.columns)})."
        )
    if not isinstance(raw.index, pd.DatetimeIndex):
        raise InputError(f"{name} is not indexed by dates: use frame.set_index(pd.to_datetime(frame['date'])).")
    if "adj close" in raw:
        raise InputError(f"{name} has an adjusted close: drop it, or scale the other prices by it first.")
    table = numbers_of(raw[[column for column in COLUMNS if column in raw]], name)
    table = table.reindex(columns=list(COLUMNS))
    table["dividend"] = table["dividend"].fillna(0.0)
    index = raw.index.tz_localize(None) if raw.index.tz is not None else raw.index
    try:
        table.index = pd.DatetimeIndex(index.as_unit("ns").to_numpy(), name="date")  # NumPy's have no frequency
    except pd.errors.OutOfBoundsDatetime as error:
        raise InputError(f"{name}: a date lies outside the years 1678 to 2262: {error}. Correct it.") from error
    table.attrs = dict(frame.attrs)
    _check(table, name)
    return table


def _check(prices: pd.DataFrame, name: str) -> None:
    stamps = stamps_of(prices)
    if len(stamps) == 0:
        raise InputError(f"{name} holds no bars.")
    if stamps.hasnans:
        raise InputError(f"{name} row {int(np.argmax(stamps.isna())) + 1} has no date.")
    late = stamps.asi8[1:] <= stamps.asi8[:-1]  # no difference: 324 years in nanoseconds are more than an int64 holds
    if late.any():
        row = int(np.argmax(late)) + 1
        what = "stands twice" if stamps[row] == stamps[row - 1] else f"comes after {stamps[row - 1]}"
        raise InputError(f"{name} row {row + 1}: {stamps[row]} {what}. Sort the bars and keep one a date.")
    for column in OHLC:
        values = prices[column].to_numpy()
        rule = "a positive number"
        if np.mean(values < 0) > 0.2:
            rule += " (many here are negative, as returns are: give prices)"
        _refuse_row(prices, ~(np.isfinite(values) & (values > 0)), name, f"{column} {{{column}}}", rule)
    _refuse_row(prices, (prices["high"] < prices["low"]).to_numpy(), name, "high {high} is below low {low}",
                "high at or above low")  # fmt: skip
    for column in ("open", "close"):
        told = f"{column} {{{column}}} is outside low {{low}} and high {{high}}"
        _refuse_row(prices, outside(prices, column) > WRONG, name, told, "between them, to 1 %")
    volume, dividend = prices["volume"].to_numpy(), prices["dividend"].to_numpy()
    _refuse_row(prices, (volume < 0) | np.isinf(volume), name, "volume {volume}", "0 or more, or unknown")
    _refuse_row(prices, ~(np.isfinite(dividend) & (dividend >= 0)), name, "dividend {dividend}", "0 or more")


def _refuse_row(prices: pd.DataFrame, wrong: npt.NDArray[np.bool_], name: str, what: str, rule: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        values = what.format_map(prices.iloc[row].to_dict())
        raise InputError(
            f"{name} row {row + 1} ({prices.index[row]}): {values}, must be {rule}. Correct or drop that bar."
        )


def outside(prices: pd.DataFrame, column: str) -> npt.NDArray[np.float64]:
    """Return (bars,) by what share of itself a price lies above its bar's high or below its low; negative inside."""
    price, high, low = (prices[name].to_numpy() for name in (column, "high", "low"))
    with np.errstate(over="ignore"):  # infinitely far outside, for prices of no size
        return np.asarray(np.maximum(price / high, low / price) - 1)


def stamps_of(frame: pd.DataFrame | pd.Series) -> pd.DatetimeIndex:
    """Return the index of checked bars, which is a DatetimeIndex."""
    return cast(pd.DatetimeIndex, frame.index)


def days_of(
    start: str | pd.Timestamp | None, end: str | pd.Timestamp | None
) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
    """Return the first and the last day of a range that somebody named; None where it is open."""
    first, last = _day_of("start", start), _day_of("end", end)
    if first is not None and last is not None and first > last:
        raise InputError(f"start {first:%Y-%m-%d} comes after end {last:%Y-%m-%d}. Give an earlier start.")
    return first, last


def _day_of(name: str, value: str | date | None) -> pd.Timestamp | None:
    if value is None:
        return None
    # Other spellings are read one way or another: 06/07, 2016, a number of nanoseconds.
    written = isinstance(value, str) and _ISO_DAY.match(value.strip()) is not None
    try:
        day = pd.Timestamp(value) if written or isinstance(value, date) else pd.NaT
    except ValueError:
        day = pd.NaT
    if not isinstance(day, pd.Timestamp):
        raise InputError(f"{name}={value!r} is no date. Write it as 2024-01-31.")
    return day.tz_localize(None).normalize()


def between(prices: pd.DataFrame, start: str | pd.Timestamp | None, end: str | pd.Timestamp | None) -> pd.DataFrame:
    """Return the bars of the days from start to end, both included; InputError if there are none."""
    first, last = days_of(start, end)
    stamps = stamps_of(prices)
    if (stamps != stamps.normalize()).any():  # a bar that closes at midnight is of the day that ends
        stamps = stamps - pd.Timedelta(1, "ns")
    days = stamps.normalize()
    keep = np.ones(len(days), dtype=bool)
    if first is not None:
        keep &= days >= first
    if last is not None:
        keep &= days <= last
    if not keep.any():
        name = prices.attrs.get("name", "prices")
        raise InputError(f"{name} has no bars from {start or 'the start'} to {end or 'the end'}. Give a wider range.")
    return prices[keep]


def growth(close: npt.NDArray[np.float64], dividend: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return (bars,) (close + dividend) / close: by how much a reinvested dividend multiplies the shares held."""
    return np.asarray((close + dividend) / close)


def total_return(prices: pd.DataFrame) -> pd.DataFrame:
    """Chain the dividends *forward* into the prices, so that a price ratio is a total return.

    A dividend is added to its own bar and reinvested at that bar's close: later bars grow, earlier ones never
    change. (Yahoo's adjusted close changes the whole past at each dividend, so no old result could be repeated.)

    Parameters
    ----------
    prices : DataFrame, shape (bars, 6)

    Returns
    -------
    DataFrame, shape (bars, 6)
        Open, high, low and close in units of the first bar's money; dividend is 0.

    Examples
    --------
    >>> bars = pd.DataFrame({"open": [10, 9], "high": [10, 9], "low": [10, 9], "close": [10.0, 9.0],
    ...                      "dividend": [0.0, 1.0]}, index=pd.to_datetime(["2024-01-02", "2024-01-03"]))
    >>> total_return(bars)["close"].to_list()
    [10.0, 10.0]
    """
    prices = as_prices(prices)
    grown = growth(prices["close"].to_numpy(), prices["dividend"].to_numpy())
    shares = np.concatenate([[1.0], np.cumprod(grown)[:-1]])  # held before each bar's dividend
    chained = prices.copy()
    for column in OHLC:
        chained[column] = (prices[column] + prices["dividend"]) * shares
    chained["dividend"] = 0.0
    return chained


def fingerprint(prices: pd.DataFrame) -> str:
    """Return the SHA-256 of the bars: int64 nanoseconds, then little-endian float64 columns in fixed order."""
    digest = hashlib.sha256(np.ascontiguousarray(stamps_of(prices).asi8, dtype="<i8").tobytes())
    for column in COLUMNS:
        digest.update(np.ascontiguousarray(prices[column], dtype="<f8").tobytes())
    return digest.hexdigest()


def describe_prices(prices: pd.DataFrame) -> dict[str, Any]:
    """Return what a report says of its prices: name, note, first and last bar, how many, fingerprint.

    Downloaded ones say their interval and vintage, too: `load_prices` reads the same bars again by these.
    """
    return {key: prices.attrs[key] for key in ("interval", "vintage") if key in prices.attrs} | {
        "name": str(prices.attrs.get("name", "prices")),
        "note": str(prices.attrs.get("note", "")),
        "first": prices.index[0].isoformat(),
        "last": prices.index[-1].isoformat(),
        "bars": len(prices),
        "sha256": fingerprint(prices),
    }


def fake_opens(prices: pd.DataFrame) -> dict[int, float]:
    """Return the years in which too many opens are copies of the previous close, with their share.

    An order filled at such an open would trade at the close that its forecast was made from. A year counts when
    more than 5 % of its opens, and at least two of them, equal the previous close.
    """
    copied = pd.Series(prices["open"].to_numpy()[1:] == prices["close"].to_numpy()[:-1], index=prices.index[1:])
    by_year = copied.groupby(stamps_of(prices)[1:].year).agg(["mean", "sum"])
    found = by_year[(by_year["mean"] > MAX_FAKE_OPENS) & (by_year["sum"] >= 2)]
    return dict(zip(found.index.astype(int).tolist(), found["mean"].tolist(), strict=True))


def refuse_fake_opens(prices: pd.DataFrame) -> None:
    """Raise InputError, naming the years, where filling at the next open would be trading at the close just seen."""
    years = fake_opens(prices)
    if years:
        name = prices.attrs.get("name", "prices")
        told = ", ".join(f"{year} ({share:.0%})" for year, share in years.items())
        raise InputError(
            f"{name}: opens that are copies of the previous close in {told}; filling at the next open would be trading "
            'at the close just seen. Fill at the next close instead: target="next_close" (--fill next_close).'
        )
