"""Bars as they are read, refused, chained with their dividends and fingerprinted."""

import hashlib
import struct

import numpy as np
import pandas as pd
import pytest

from lstm_signal.bars import COLUMNS, as_prices, fake_opens, fingerprint, refuse_fake_opens, total_return
from lstm_signal.errors import InputError, PriceWarning
from lstm_signal.prices import read_prices, sample_prices

TEXT = """date,open,high,low,close,volume,dividend
2024-01-02,10,12,9,11,100,0
2024-01-03,11,13,10,12,200,0.5
2024-01-04,12,14,11,13,300,0
"""
ADJUSTED = """Date,Open,High,Low,Close,Adj Close,Volume,Dividends
2024-01-02,10,12,9,11,5.5,100,0
2024-01-03,11,13,10,12,12,200,0.5
"""


def write(folder, text):
    file = folder / "bars.csv"
    file.write_text(text)
    return file


def dated(*stamps, name="date"):
    """A CSV of bars at these stamps."""
    return f"{name},open,high,low,close\n" + "".join(f"{stamp},10,12,9,11\n" for stamp in stamps)


def bars(closes, dividends=None, start="2024-01-02"):
    closes = np.asarray(closes, dtype="float64")
    frame = pd.DataFrame({"open": closes * 0.99, "high": closes * 1.02, "low": closes * 0.97, "close": closes})
    frame["dividend"] = np.zeros(len(closes)) if dividends is None else dividends
    return as_prices(frame.set_index(pd.date_range(start, periods=len(closes), freq="D")))


# Reading


def test_a_csv_becomes_float_bars_over_nanosecond_dates(tmp_path):
    prices = read_prices(write(tmp_path, TEXT))
    assert tuple(prices.columns) == COLUMNS
    assert (prices.dtypes == "float64").all()
    assert prices.index.dtype == "datetime64[ns]"
    assert prices.index.tz is None
    assert prices.index.name == "date"
    assert prices.attrs["name"] == "bars"
    assert prices.loc["2024-01-03"].to_list() == [11, 13, 10, 12, 200, 0.5]


@pytest.mark.parametrize("stamped_by", ["index", "column"])
def test_parquet_gives_the_same_bars_as_csv(tmp_path, stamped_by):
    prices = read_prices(write(tmp_path, TEXT))
    file = tmp_path / "bars.parquet"
    (prices if stamped_by == "index" else prices.reset_index()).to_parquet(file)
    assert fingerprint(read_prices(file)) == fingerprint(prices)


@pytest.mark.parametrize("name", ["date", "Date", "DATETIME", "Timestamp", " time ", "session"])
def test_the_stamps_are_in_the_column_named_so_or_else_in_the_first(tmp_path, name):
    prices = read_prices(write(tmp_path, dated("2024-01-02", "2024-01-03", name=name)))
    assert list(prices.index) == [pd.Timestamp("2024-01-02"), pd.Timestamp("2024-01-03")]


def test_a_date_column_need_not_be_the_first(tmp_path):
    text = "Open,High,Low,Close,Date\n10,12,9,11,2024-01-02\n"
    assert read_prices(write(tmp_path, text)).index[0] == pd.Timestamp("2024-01-02")


@pytest.mark.parametrize("upper", [str.upper, str.title])
def test_column_names_may_be_in_any_case(tmp_path, upper):
    header, rest = TEXT.split("\n", 1)
    assert read_prices(write(tmp_path, f"{upper(header)}\n{rest}")).equals(read_prices(write(tmp_path, TEXT)))


def test_a_missing_volume_is_nan_and_a_missing_dividend_is_none_paid(tmp_path):
    prices = read_prices(write(tmp_path, dated("2024-01-02", "2024-01-03")))
    assert prices["volume"].isna().all()
    assert (prices["dividend"] == 0).all()
    gap = read_prices(write(tmp_path, TEXT.replace("100,0\n", ",\n")))
    assert np.isnan(gap["volume"].iloc[0])
    assert gap["dividend"].to_list() == [0, 0.5, 0]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2024-03-08 16:00:00-05:00", "2024-03-11 16:00:00-04:00"),  # summer time begins between them
        ("2024-03-08 16:00-0500", "2024-03-11 16:00-0400"),
        ("2024-03-08 16:00-05", "2024-03-11 16:00-04"),  # as PostgreSQL writes them
        ("2024-03-08T16:00:00.000+05:30", "2024-03-11T16:00:00.000+05:30"),
        ("2024-03-08T16:00:00Z", "2024-03-11T16:00:00Z"),
        ("2024-03-08 16:00 UTC", "2024-03-11 16:00 UTC"),
    ],
)
def test_an_offset_is_dropped_and_the_wall_clock_stays(tmp_path, first, second):
    prices = read_prices(write(tmp_path, dated(first, second)))
    assert list(prices.index) == [pd.Timestamp("2024-03-08 16:00"), pd.Timestamp("2024-03-11 16:00")]


@pytest.mark.parametrize(("first", "second"), [("01-30-2024", "01-31-2024"), ("30-Jan-2024", "31-Jan-2024")])
def test_a_year_at_the_end_is_no_offset(tmp_path, first, second):
    prices = read_prices(write(tmp_path, dated(first, second)))
    assert list(prices.index) == [pd.Timestamp("2024-01-30"), pd.Timestamp("2024-01-31")]


def test_an_aware_frame_keeps_its_wall_clock():
    plain = bars([10, 11])
    aware = plain.tz_localize("America/New_York")
    assert as_prices(aware).equals(plain)
    assert as_prices(plain.set_axis(plain.index.as_unit("s"))).index.dtype == "datetime64[ns]"


def test_a_bar_may_be_flat():
    flat = bars([10, 11]).assign(open=10.0, high=10.0, low=10.0, close=10.0)
    assert as_prices(flat).equals(flat)


def test_as_prices_leaves_the_frame_given_as_it_was():
    given = bars([10, 11]).rename(columns=str.upper).assign(OTHER="text")
    given.attrs["name"] = "mine"
    before = given.copy()
    assert as_prices(given).attrs == {"name": "mine"}
    pd.testing.assert_frame_equal(given, before)


# Refusals


@pytest.mark.parametrize(
    ("found", "put", "words"),
    [
        ("13,10,12,", "13,10,,", ["bars.csv row 2 (2024-01-03", "close nan", "a positive number"]),
        ("13,10,12,", "13,10,0,", ["bars.csv row 2 (2024-01-03", "close 0.0"]),
        ("14,11,13,", "14,-11,13,", ["row 3 (2024-01-04", "low -11.0"]),
        ("12,9,11,", "inf,9,11,", ["row 1 (2024-01-02", "high inf"]),
        ("12,14,11,13", "twelve,14,11,13", ["row 3 (2024-01-04", "open 'twelve' is no number"]),
        ("100,0\n", "many,0\n", ["row 1 (2024-01-02", "volume 'many' is no number"]),
        ("11,13,10,12,", "11,9,10,12,", ["row 2 (2024-01-03", "high 9.0 is below low 10.0"]),
        ("0.5", "-0.5", ["row 2 (2024-01-03", "dividend -0.5", "0 or more"]),
        ("0.5", "inf", ["row 2 (2024-01-03", "dividend inf"]),
        ("2024-01-03", "2024-01-05", ["row 3: 2024-01-04", "comes after 2024-01-05", "Sort"]),
        ("2024-01-04", "2024-01-03", ["row 3: 2024-01-03", "stands twice"]),
        ("2024-01-04", "tomorrow", ["row 3", "'tomorrow'", "'date'", "is no date", "2024-01-31"]),
        ("2024-01-02", "someday", ["row 1", "'someday'", "is no date"]),
        ("2024-01-03", "", ["row 2", "is no date"]),
        ("close", "last", ["no column 'close'", "it has: open, high, low, last"]),
        ("volume", "Close", ["more than one column named 'close'"]),
        ("volume", "close", ["more than one column named 'close'"]),
        ("volume,dividend", "dividend,dividends", ["more than one column named 'dividend'"]),
        (TEXT, TEXT.split("\n")[0], ["holds no bars"]),
        (TEXT, "", ["bars.csv cannot be read as a table"]),
    ],
)
def test_what_is_no_bar_is_refused_by_its_row(tmp_path, found, put, words):
    assert found in TEXT
    file = write(tmp_path, TEXT.replace(found, put, 1))
    with pytest.raises(InputError) as refusal:
        read_prices(file)
    for word in words:
        assert word in str(refusal.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no such file: .*nothing\.csv"):
        read_prices(tmp_path / "nothing.csv")
    with pytest.raises(InputError, match="no such file"):
        read_prices(tmp_path)


def test_a_parquet_file_that_is_none_is_refused(tmp_path):
    file = tmp_path / "bars.parquet"
    file.write_text(TEXT)
    with pytest.raises(InputError, match="cannot be read as a table"):
        read_prices(file)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (bars([10, 11])["close"], "must be a DataFrame of bars, not Series"),
        (bars([10, 11]).reset_index(), "not indexed by dates"),
        (bars([10, 11]).assign(adjclose=1.0), "has an adjusted close"),
        (bars([10, 11]).iloc[:0], "holds no bars"),
        (bars([10, 11]).drop(columns="low"), "no column 'low'"),
        (bars([10, 11]).assign(Close=1.0), "more than one column named 'close'"),
        (bars([10, 11]).set_axis(pd.DatetimeIndex(["2024-01-02", pd.NaT])), "row 2 has no date"),
    ],
)
def test_a_frame_is_refused_for_the_same_reasons(frame, words):
    with pytest.raises(InputError, match=words):
        as_prices(frame)


# Adjusted closes


@pytest.mark.parametrize("name", ["Adj Close", "adj_close", "AdjClose", "Adjusted Close"])
def test_an_adjusted_close_is_ambiguous_until_one_is_asked_for(tmp_path, name):
    file = write(tmp_path, ADJUSTED.replace("Adj Close", name))
    with pytest.raises(InputError, match=r'ambiguous.*close="raw".*close="adjusted"'):
        read_prices(file)


def test_raw_keeps_the_prices_and_the_dividends(tmp_path):
    prices = read_prices(write(tmp_path, ADJUSTED), close="raw")
    assert prices.iloc[0].to_list() == [10, 12, 9, 11, 100, 0]
    assert prices.iloc[1].to_list() == [11, 13, 10, 12, 200, 0.5]


def test_adjusted_scales_all_four_prices_and_drops_the_dividends_inside_them(tmp_path):
    prices = read_prices(write(tmp_path, ADJUSTED), close="adjusted")
    assert prices.iloc[0].to_list() == [5, 6, 4.5, 5.5, 100, 0]
    assert prices.iloc[1].to_list() == [11, 13, 10, 12, 200, 0]


def test_a_close_that_is_not_there_or_not_known_is_refused(tmp_path):
    with pytest.raises(InputError, match="has no adjusted close"):
        read_prices(write(tmp_path, TEXT), close="adjusted")
    with pytest.raises(InputError, match='Did you mean "adjusted"'):
        read_prices(write(tmp_path, ADJUSTED), close="adjust")
    assert read_prices(write(tmp_path, TEXT), close="raw").equals(read_prices(write(tmp_path, TEXT)))


# Dividends chained forward

PAID = bars([100, 110, 99, 120, 60], [0, 0, 11, 0, 30])


def test_a_chained_close_ratio_is_a_total_return():
    chained = total_return(PAID)["close"].to_numpy()
    close, dividend = PAID["close"].to_numpy(), PAID["dividend"].to_numpy()
    np.testing.assert_allclose(chained[1:] / chained[:-1], (close + dividend)[1:] / close[:-1], rtol=1e-14)
    # 11 on 99 buys a ninth of a share more, so 120 is worth 120 * 10/9, and 60 + 30 is worth 90 * 10/9.
    np.testing.assert_allclose(chained, [100, 110, 110, 120 * 10 / 9, 100], rtol=1e-14)


def test_a_chained_bar_trades_with_its_dividend_at_every_price():
    chained = total_return(PAID)
    assert chained["open"].iloc[2] == PAID["open"].iloc[2] + 11
    np.testing.assert_allclose(chained["low"].iloc[3], PAID["low"].iloc[3] * 10 / 9, rtol=1e-14)
    assert (chained["dividend"] == 0).all()
    assert chained["volume"].equals(PAID["volume"])
    assert total_return(chained).equals(chained)


@pytest.mark.parametrize("known", [1, 2, 3, 4])
def test_a_later_dividend_changes_no_earlier_bar(known):
    assert fingerprint(total_return(PAID.iloc[:known])) == fingerprint(total_return(PAID).iloc[:known])


# Fingerprints


def test_the_fingerprint_is_the_hash_of_stamps_then_columns():
    prices = PAID.iloc[1:3].assign(volume=[5.0, 7.0])
    digest = hashlib.sha256(struct.pack("<2q", 1_704_240_000_000_000_000, 1_704_326_400_000_000_000))
    for column in ("open", "high", "low", "close", "volume", "dividend"):
        digest.update(struct.pack("<2d", *prices[column]))
    assert fingerprint(prices) == digest.hexdigest()


@pytest.mark.parametrize("column", COLUMNS)
def test_one_bit_of_a_price_changes_the_fingerprint(column):
    prices = PAID.assign(volume=1.0)
    changed = prices.copy()
    changed.iloc[1, changed.columns.get_loc(column)] = np.nextafter(prices[column].iloc[1], np.inf)
    assert fingerprint(changed) != fingerprint(prices)


def test_one_nanosecond_of_a_stamp_changes_the_fingerprint():
    later = PAID.set_axis(PAID.index[:-1].append(PAID.index[-1:] + pd.Timedelta(1, "ns")))
    assert fingerprint(later) != fingerprint(PAID)
    assert fingerprint(PAID.copy()) == fingerprint(PAID)


# Samples and fake opens


@pytest.mark.parametrize(("name", "first", "last"), [("nasdaq", 2208.05, 6635.28), ("sp500", 1228.10, 2506.85)])
def test_the_samples_are_checked_bars(name, first, last):
    prices = sample_prices(name)
    assert prices.shape == (5031, 6)
    assert prices["close"].iloc[[0, -1]].round(2).to_list() == [first, last]
    assert prices.attrs["name"] == name
    assert "not tradable, a proxy" in prices.attrs["note"]
    assert fingerprint(as_prices(prices)) == fingerprint(prices)


def test_an_unknown_sample_is_refused():
    with pytest.raises(InputError, match='Did you mean "nasdaq"'):
        sample_prices("nasdax")


@pytest.mark.parametrize(
    ("count", "copied", "found"),
    [(40, 2, True), (41, 2, False), (6, 1, False), (3, 2, True)],  # more than 5 %, and at least two
)
def test_a_year_is_named_when_too_many_opens_copy_the_close_before(count, copied, found):
    prices = bars(np.arange(100.0, 100.0 + count), start="2023-01-01")
    prices.loc[prices.index[1 : copied + 1], "open"] = prices["close"].to_numpy()[:copied]
    assert fake_opens(prices) == ({2023: copied / (count - 1)} if found else {})


def test_the_sp500_cannot_be_filled_at_its_opens_but_the_nasdaq_can():
    with pytest.raises(InputError, match=r"sp500: .*1999 \(97%\), 2000 .*--fill next_close"):
        refuse_fake_opens(sample_prices("sp500"))
    refuse_fake_opens(sample_prices("nasdaq"))


# The layouts of those whose files people have

YFINANCE = """Date,Open,High,Low,Close,Adj Close,Volume,Dividends,Stock Splits
2024-01-02 00:00:00-05:00,10,12,9,11,10.5,100,0.0,0.0
2024-01-03 00:00:00-05:00,11,13,10,12,12,200,0.5,0.0
"""
DOWNLOADED = """Price,Close,High,Low,Open,Volume
Ticker,SPY,SPY,SPY,SPY,SPY
Date,,,,,
2024-01-02,11,12,9,10,100
2024-01-03,12,13,10,11,200
"""
LAYOUTS = {
    "backtrader": "Date,Open,High,Low,Close,Volume,OpenInterest\n"
                  "2024-01-02,10,12,9,11,100,0\n2024-01-03,11,13,10,12,200,0\n",
    "Yahoo, index": "Date,Open,High,Low,Close,Adj Close,Volume\n"
                    "2024-01-02,10,12,9,11,11,100\n2024-01-03,11,13,10,12,12,200\n",
    "yfinance, raw": YFINANCE,
    "yfinance.download": DOWNLOADED,
    "stooq": "Date,Open,High,Low,Close,Volume\n2024-01-02,10,12,9,11,100\n2024-01-03,11,13,10,12,200\n",
    "stooq, bulk": "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"
                   "SPY.US,D,20240102,000000,10,12,9,11,100,0\nSPY.US,D,20240103,000000,11,13,10,12,200,0\n",
    "seconds": "timestamp,open,high,low,close,volume\n1704153600,10,12,9,11,100\n1704240000,11,13,10,12,200\n",
    "milliseconds": "timestamp,open,high,low,close,volume\n"
                    "1704153600000,10,12,9,11,100\n1704240000000,11,13,10,12,200\n",
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_known_layouts_are_read_without_options(tmp_path, layout):
    prices = read_prices(write(tmp_path, LAYOUTS[layout]))
    assert [str(stamp) for stamp in prices.index] == ["2024-01-02 00:00:00", "2024-01-03 00:00:00"]
    assert prices[["open", "high", "low", "close", "volume"]].to_numpy().tolist() == [
        [10, 12, 9, 11, 100], [11, 13, 10, 12, 200],
    ]  # fmt: skip
    assert prices["dividend"].to_list() == [0, 0.5 if layout == "yfinance, raw" else 0]


def test_intraday_dates_and_times_are_joined(tmp_path):
    text = (
        "<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\n20240102,153500,10,12,9,11,1\n20240102,160000,11,13,10,12,1\n"
    )
    assert [str(stamp) for stamp in read_prices(write(tmp_path, text)).index] == [
        "2024-01-02 15:35:00", "2024-01-02 16:00:00",
    ]  # fmt: skip
    spelled = "Date,Time,Open,High,Low,Close\n2024-01-02,15:35,10,12,9,11\n2024-01-02,16:00,11,13,10,12\n"
    assert str(read_prices(write(tmp_path, spelled)).index[0]) == "2024-01-02 15:35:00"


def test_prices_that_yfinance_adjusted_do_not_count_their_dividends_again(tmp_path):
    file = write(tmp_path, YFINANCE.replace("Adj Close,", "").replace(",10.5,", ",").replace(",12,12,", ",12,"))
    with pytest.warns(PriceWarning, match="its dividends are not counted again"):
        assert read_prices(file)["dividend"].sum() == 0
    assert read_prices(file, close="adjusted")["dividend"].sum() == 0
    assert read_prices(file, close="raw")["dividend"].sum() == 0.5


def test_what_a_fund_hands_out_is_a_dividend(tmp_path):
    text = YFINANCE.replace("Stock Splits", "Stock Splits,Capital Gains").replace(",0.0\n", ",0.0,0.25\n")
    assert read_prices(write(tmp_path, text))["dividend"].to_list() == [0.25, 0.75]


def test_the_bars_of_several_tickers_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"bars.csv holds the bars of QQQ, SPY: keep one ticker a file"):
        read_prices(write(tmp_path, DOWNLOADED.replace("SPY,SPY\n", "SPY,QQQ\n")))
    levels = read_prices(write(tmp_path, DOWNLOADED)).drop(columns="dividend")
    levels.columns = pd.MultiIndex.from_product([levels.columns, ["SPY"]], names=["Price", "Ticker"])
    levels.to_parquet(tmp_path / "levels.parquet")
    assert read_prices(tmp_path / "levels.parquet")["close"].to_list() == [11, 12]
    both = pd.concat([levels, levels.rename(columns={"SPY": "QQQ"})], axis=1)
    both.to_parquet(tmp_path / "both.parquet")
    with pytest.raises(InputError, match=r"both.parquet holds the bars of QQQ, SPY"):
        read_prices(tmp_path / "both.parquet")
    with pytest.raises(InputError, match="columns in levels"):
        as_prices(both)


@pytest.mark.parametrize(("dates", "first"), [
    (("02.01.2024", "03.01.2024"), "2024-01-02"), (("13/01/2024", "14/01/2024"), "2024-01-13"),
    (("01/02/2024", "01/13/2024"), "2024-01-02"),
])  # fmt: skip
def test_a_date_is_read_the_one_way_it_can_be(tmp_path, dates, first):
    assert str(read_prices(write(tmp_path, dated(*dates))).index[0].date()) == first


def test_a_date_that_can_be_read_two_ways_is_refused(tmp_path):
    with pytest.raises(InputError, match="'02/01/2024' may begin with the day or the month"):
        read_prices(write(tmp_path, dated("02/01/2024", "03/01/2024")))


def test_a_parquet_date_and_time_are_joined_and_any_suffix_is_read(tmp_path):
    frame = pd.DataFrame({"date": pd.to_datetime(["2024-01-02", "2024-01-02"]), "time": [93500, 160000],
                          "open": [1.0, 2.0], "high": [2.0, 3.0], "low": [1.0, 2.0], "close": [2.0, 3.0]})  # fmt: skip
    frame.to_parquet(tmp_path / "bars.PARQUET")
    assert str(read_prices(tmp_path / "bars.PARQUET").index[0]) == "2024-01-02 09:35:00"


def test_bars_of_two_tickers_in_one_column_are_refused(tmp_path):
    text = LAYOUTS["stooq, bulk"].replace("SPY.US,D,20240103", "QQQ.US,D,20240103")
    with pytest.raises(InputError, match=r"holds the bars of QQQ.US, SPY.US"):
        read_prices(write(tmp_path, text))
