"""Bars: read from a file or the built-in sample, checked, fingerprinted, chained with their dividends.

Every other module works on the one shape made here: a DataFrame of float64 columns open, high, low, close,
volume and dividend over a sorted, unique, time-zone-free DatetimeIndex that says when a bar is *known*.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import warnings
from pathlib import Path
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from lstm_signal.errors import InputError, did_you_mean

OHLC = ("open", "high", "low", "close")
COLUMNS = (*OHLC, "volume", "dividend")
SAMPLES = {"nasdaq": "NASDAQ Composite", "sp500": "S&P 500"}
MAX_FAKE_OPENS = 0.05  # share of a year's opens that may equal the previous close

_STAMP_NAMES = ("date", "datetime", "timestamp", "time")
_SYNONYMS = {"dividends": "dividend", "adj_close": "adj close", "adjclose": "adj close",
             "adjusted close": "adj close", "adjusted_close": "adj close"}  # fmt: skip
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
    frame = read_prices(Path(str(path)), close="raw")
    frame.attrs.update(name=name, note=f"{SAMPLES[name]}, an index: not tradable, a proxy")
    return frame


def read_prices(path: str | Path, close: CloseKind | None = None) -> pd.DataFrame:
    r"""Read bars from a CSV or Parquet file.

    Parameters
    ----------
    path : str or Path
        A CSV file with a header, or a file ending in ``.parquet``. A column named date, datetime, timestamp
        or time (else the first column, or the Parquet index) stamps the bars; open, high, low and close are
        needed, in any case of letters; volume and dividend may be there. Without a dividend column the
        prices are taken as they are: total returns if the file's prices are, price returns if not.
        A UTC offset in a stamp is dropped: the exchange's own clock stays.
    close : {"raw", "adjusted"}, optional
        Needed when the file has an adjusted close too: ``"raw"`` trades the close and ignores the adjusted
        one, ``"adjusted"`` scales open, high, low and close by adjusted close / close.

    Returns
    -------
    DataFrame, shape (bars, 6)

    Raises
    ------
    InputError
        If the file does not exist or holds anything that is not a checked bar; the row is named.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "bars.csv"
    >>> _ = file.write_text("date,open,high,low,close\n2024-01-02,1,2,1,2\n2024-01-03,2,3,2,3\n")
    >>> read_prices(file)["close"].to_list()
    [2.0, 3.0]
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no such file: {path}. Give the path of a CSV or Parquet file of bars.")
    try:
        raw = pd.read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except (ValueError, OSError) as error:  # what pandas and pyarrow raise on a file that is no table
        raise InputError(f"{path} cannot be read as a table: {str(error).splitlines()[0]}") from error
    raw = _named(raw, path.name)
    if not isinstance(raw.index, pd.DatetimeIndex):
        stamps = next((name for name in _STAMP_NAMES if name in raw), raw.columns[0])
        raw = raw.set_index(_stamps(raw[stamps], path.name)).drop(columns=stamps)
    frame = as_prices(_one_close(raw, close, path.name), path.name)
    frame.attrs["name"] = path.name.removesuffix(".gz").removesuffix(path.suffix)
    return frame


def _read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file as text; with its header as a row, since pandas would rename the second of two equal names."""
    lines = pd.read_csv(path, dtype=str, header=None)
    return lines.iloc[1:].set_axis(lines.iloc[0].to_list(), axis=1).reset_index(drop=True)


def _named(raw: pd.DataFrame, name: str) -> pd.DataFrame:
    """Lower-case and unify the column names; two columns of one name are refused."""
    columns = [str(column).strip().lower() for column in raw.columns]
    columns = [_SYNONYMS.get(column, column) for column in columns]
    doubled = sorted({column for column in columns if columns.count(column) > 1})
    if doubled:
        raise InputError(f"{name} has more than one column named {doubled[0]!r}: keep one of them.")
    if not columns:
        raise InputError(f"{name} has no columns: give a table of bars with a header.")
    return raw.set_axis(columns, axis=1)


def _stamps(column: pd.Series, name: str) -> pd.DatetimeIndex:
    """Parse a column of stamps, keeping the wall clock that it shows."""
    text = column.astype(str).str.strip().str.replace(_OFFSET, r"\1", regex=True)
    with warnings.catch_warnings():
        # pandas warns when it can infer no format and would guess each date by itself.
        warnings.simplefilter("error", UserWarning)
        try:
            stamps = pd.to_datetime(text, errors="coerce")
        except UserWarning:
            stamps = pd.Series(pd.NaT, index=text.index)
    if stamps.isna().any():
        row = int(np.argmax(stamps.isna()))
        raise InputError(
            f"{name} row {row + 1}: {column.iloc[row]!r} in column {column.name!r} is no date "
            "like the rows before it. Write dates as 2024-01-31, or 2024-01-31 16:00."
        )
    return pd.DatetimeIndex(stamps, name="date")


def _one_close(raw: pd.DataFrame, close: CloseKind | None, name: str) -> pd.DataFrame:
    """Settle which close is meant when the table has an adjusted one."""
    if close not in (None, "raw", "adjusted"):
        raise InputError(f"close={close!r} is unknown. {did_you_mean(close, ['raw', 'adjusted'])}")
    if "adj close" not in raw:
        if close == "adjusted":
            raise InputError(f'{name} has no adjusted close: leave out close="adjusted" (--close adjusted).')
        return raw
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
    numbers = _numbers(raw[[c for c in (*OHLC, "adj close") if c in raw]], name)
    scaled = numbers.mul(numbers["adj close"] / numbers["close"], axis=0)
    # The dividends are in the adjusted prices already.
    return raw.drop(columns=["adj close", "dividend"], errors="ignore").assign(
        **{column: scaled[column] for column in OHLC if column in scaled}
    )


def _numbers(raw: pd.DataFrame, name: str) -> pd.DataFrame:
    """Turn every column into float64; what is no number is refused with its row."""
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
        low, stamps unsorted or doubled.
    """
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"prices must be a DataFrame of bars, not {type(frame).__name__}: see read_prices.")
    name = name or str(frame.attrs.get("name", "prices"))
    raw = _named(frame, name)
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
    table = _numbers(raw[[column for column in COLUMNS if column in raw]], name)
    table = table.reindex(columns=list(COLUMNS))
    table["dividend"] = table["dividend"].fillna(0.0)
    index = raw.index.tz_localize(None) if raw.index.tz is not None else raw.index
    table.index = pd.DatetimeIndex(index.as_unit("ns"), name="date")
    table.attrs = dict(frame.attrs)
    _check(table, name)
    return table


def _check(prices: pd.DataFrame, name: str) -> None:
    stamps = stamps_of(prices)
    if len(stamps) == 0:
        raise InputError(f"{name} holds no bars.")
    if stamps.hasnans:
        raise InputError(f"{name} row {int(np.argmax(stamps.isna())) + 1} has no date.")
    steps = np.diff(stamps.asi8)
    if (steps <= 0).any():
        row = int(np.argmax(steps <= 0)) + 1
        what = "stands twice" if steps[row - 1] == 0 else f"comes after {stamps[row - 1]}"
        raise InputError(f"{name} row {row + 1}: {stamps[row]} {what}. Sort the bars and keep one a date.")
    for column in OHLC:
        values = prices[column].to_numpy()
        _refuse_row(prices, ~(np.isfinite(values) & (values > 0)), name, f"{column} {{{column}}}", "a positive number")
    _refuse_row(prices, (prices["high"] < prices["low"]).to_numpy(), name, "high {high} is below low {low}",
                "high at or above low")  # fmt: skip
    dividend = prices["dividend"].to_numpy()
    _refuse_row(prices, ~(np.isfinite(dividend) & (dividend >= 0)), name, "dividend {dividend}", "0 or more")


def _refuse_row(prices: pd.DataFrame, wrong: npt.NDArray[np.bool_], name: str, what: str, rule: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        values = what.format_map(prices.iloc[row].to_dict())
        raise InputError(
            f"{name} row {row + 1} ({prices.index[row]}): {values}, must be {rule}. Correct or drop that bar."
        )


def stamps_of(frame: pd.DataFrame | pd.Series) -> pd.DatetimeIndex:
    """Return the index of checked bars, which is a DatetimeIndex."""
    return cast(pd.DatetimeIndex, frame.index)


def growth(prices: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return (bars,) (close + dividend) / close: by how much a reinvested dividend multiplies the shares held."""
    close = prices["close"].to_numpy()
    return np.asarray((close + prices["dividend"].to_numpy()) / close)


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
    shares = np.concatenate([[1.0], np.cumprod(growth(prices))[:-1]])  # held before each bar's dividend
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
