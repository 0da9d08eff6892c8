"""The check every bar passes: errors stop, doubts warn, both name the bars."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import lstm_signal as ls
from lstm_signal.bars import COLUMNS, WRONG, as_prices
from lstm_signal.errors import InputError


def found(prices: pd.DataFrame) -> list[tuple[str, str]]:
    return [(doubt.kind, doubt.text) for doubt in ls.doubts(prices)]


@pytest.fixture
def clean() -> pd.DataFrame:
    return ls.sample_prices().iloc[:300].copy()


def scaled(bars: pd.DataFrame, rows: object, by: float) -> pd.DataFrame:
    bars.loc[rows, ["open", "high", "low", "close"]] *= by
    return bars


def test_clean_bars_raise_no_doubt(clean):
    assert found(clean) == []


def test_a_gap_over_five_days_names_the_bars_beside_it(clean):
    assert found(clean.drop(clean.index[50:54])) == [("gap", "no bars for 7 days, 1999-03-16 to 1999-03-23")]
    assert found(clean.drop(clean.index[50:52])) == []  # five days, as over a long weekend
    assert found(clean.iloc[::5]) == []  # weekly bars


def test_frozen_prices_are_found_from_five_bars_on(clean):
    for bars, doubted in ((4, []), (5, [("frozen", "5 bars with the same four prices, 1999-03-17 to 1999-03-23")])):
        frozen = clean.copy()
        frozen.iloc[50 : 50 + bars, :4] = frozen["close"].iloc[50]
        assert found(frozen) == doubted


@pytest.mark.parametrize(
    ("ratio", "told"), [(0.5, "2 for 1"), (1 / 3, "3 for 1"), (10, "1 for 10"), (0.05, "20 for 1")]
)
def test_a_jump_like_an_unadjusted_split_is_doubted(clean, ratio, told):
    ((kind, text),) = found(scaled(clean, clean.index[150:], ratio))
    assert kind == "split"
    assert text.endswith(f"on {clean.index[150]:%Y-%m-%d}, like an unadjusted split of {told}")


def test_a_crash_within_the_day_is_no_split(clean):
    crash = scaled(clean.copy(), clean.index[151:], 0.5)
    crash.loc[clean.index[150], ["low", "close"]] *= 0.5
    assert found(crash) == []


def test_a_close_far_off_those_beside_it_is_doubted(clean):
    ((kind, text),) = found(scaled(clean, clean.index[150], 1.7))
    assert kind == "spike"
    assert text.startswith(f"the close of {clean.index[150]:%Y-%m-%d} is +")


def test_copied_opens_are_listed_by_year():
    kinds = {kind for kind, _ in found(ls.sample_prices("sp500"))}
    assert kinds == {"open", "gap"}
    assert ("open", "97% of the opens of 1999 are copies of the previous close") in found(ls.sample_prices("sp500"))


def test_an_open_a_little_outside_is_doubted_and_one_far_outside_is_refused(clean):
    row = clean.index[7]
    for by, doubted in ((1.0004, 0), (1.002, 1)):
        clean.loc[row, "open"] = clean.loc[row, "high"] * by
        assert [kind for kind, _ in found(clean)] == ["outside"] * doubted
    clean.loc[row, "open"] = clean.loc[row, "high"] * 1.02
    with pytest.raises(InputError, match=r"nasdaq row 8 \(1999-01-13 .*: open .* is outside low .* and high"):
        as_prices(clean)


@pytest.mark.parametrize("percent", [1.0, 100.0])
def test_returns_in_place_of_prices_are_doubted_or_refused(clean, percent):
    returns = clean["close"].pct_change().fillna(0.0) * percent
    table = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), returns))
    with pytest.raises(InputError, match="many here are negative, as returns are: give prices"):
        as_prices(table)
    gross = table / 100 + 1  # 1.01 for a rise of 1 %
    assert [kind for kind, _ in found(gross)] == ["returns"]


def test_reading_doubtful_bars_warns_once_and_names_them(clean, tmp_path):
    gone = scaled(clean.drop(clean.index[50:54]), clean.index[150:], 0.5)
    gone.to_csv(tmp_path / "mine.csv")
    with pytest.warns(ls.PriceWarning) as warned:
        ls.read_prices(tmp_path / "mine.csv")
    (warning,) = warned
    assert "mine.csv: no bars for 7 days, 1999-03-16 to 1999-03-23; a jump of -51% on 1999-08-09" in str(
        warning.message
    )
    assert warning.filename == __file__


# Whatever comes: accepted and then valid, or refused by name.

PRICE = st.floats(90, 110) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -1.0, 1e308, 5e-324]) | st.floats()
VALUE = PRICE | st.none() | st.text(max_size=3) | st.booleans() | st.integers(-5, 200)
STAMP = st.integers(0, 40).map(lambda day: pd.Timestamp("2024-01-01") + pd.Timedelta(days=day))
ODD_STAMP = STAMP | st.just(pd.NaT) | st.sampled_from([pd.Timestamp("1700-01-01"), pd.Timestamp("2261-01-01")])


WAYS = ["", "", "", "order", "stamps", "drop", "double", "zone", "text", "levels", "numbers", "upper"]


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Tables of bars, each with at most a few things wrong, so that all of them come to be the first that is found."""
    count = draw(st.integers(0, 8))
    stamps = sorted({draw(STAMP) for _ in range(count)})
    middle = [draw(st.floats(95, 105)) for _ in stamps]
    table: dict[str, list[object]] = {
        "open": [m + draw(st.floats(-1, 1)) for m in middle], "high": [m + 1.5 for m in middle],
        "low": [m - 1.5 for m in middle], "close": [m + draw(st.floats(-1, 1)) for m in middle],
        "volume": [draw(st.floats(0, 1e9) | st.just(np.nan)) for _ in middle],
        "dividend": [draw(st.sampled_from([0.0, 0.0, 0.5])) for _ in middle],
    }  # fmt: skip
    for _ in range(draw(st.integers(0, 2))):
        column, row = draw(st.sampled_from(COLUMNS)), draw(st.integers(0, max(len(stamps) - 1, 0)))
        if stamps:
            table[column][row] = draw(VALUE)
    frame = pd.DataFrame(table, index=pd.DatetimeIndex(stamps))
    frame.attrs["name"] = "given"
    return spoiled(draw, frame)


def spoiled(draw: st.DrawFn, frame: pd.DataFrame) -> pd.DataFrame:
    """Spoil the shape of a table: its order, stamps, columns, zone or types."""
    how = draw(
        st.sampled_from(["", "", "", "order", "stamps", "drop", "double", "zone", "text", "levels", "numbers", "upper"])
    )
    name = draw(st.sampled_from(COLUMNS))
    if how == "order":
        frame = frame.iloc[draw(st.permutations(range(len(frame))))]
    elif how == "stamps" and len(frame):
        frame = frame.set_axis(pd.DatetimeIndex([draw(ODD_STAMP) for _ in range(len(frame))]))
    elif how == "drop":
        frame = frame.drop(columns=name)
    elif how == "double":
        frame = frame.assign(**{name.upper(): 1.0})
    elif how == "zone":
        frame = frame.tz_localize(draw(st.sampled_from(["UTC", "America/New_York"])))
    elif how == "text":
        frame = frame.assign(**{name: frame[name].map(str)})
    elif how == "levels":
        frame = frame.set_axis(pd.MultiIndex.from_product([frame.columns, ["SPY"]]), axis=1)
    elif how == "numbers":
        frame = frame.reset_index(drop=True)
    elif how == "upper":
        frame = frame.rename(columns=str.title)
    return frame


def valid(prices: pd.DataFrame) -> bool:
    """Whether bars are what every module relies on; said again, in other words than the check's."""
    index = prices.index
    rows = list(prices.itertuples(index=False))
    return (
        list(prices.columns) == ["open", "high", "low", "close", "volume", "dividend"]
        and all(str(kind) == "float64" for kind in prices.dtypes)
        and str(index.dtype) == "datetime64[ns]"
        and len(rows) > 0
        and all(before < after for before, after in itertools.pairwise(index))
        and all(0 < price < float("inf") for row in rows for price in row[:4])
        and all(row.low <= row.high for row in rows)
        and all(row.low / (1 + WRONG) <= price <= row.high * (1 + WRONG) * (1 + 1e-12)
                for row in rows for price in (row.open, row.close))
        and all(row.volume >= 0 or row.volume != row.volume for row in rows)
        and all(0 <= row.dividend < float("inf") for row in rows)
    )  # fmt: skip


counted = {"accepted": 0, "refused": 0}


@settings(max_examples=1050, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(frames())
@example(pd.DataFrame())
@example(pd.DataFrame(dict.fromkeys(COLUMNS, 1.0), index=pd.DatetimeIndex(["2024-01-01", "2024-01-02", "1700-01-01"])))
def test_malformed_tables_are_refused_by_name_or_become_valid(frame):
    before = frame.copy()
    try:
        prices, told = as_prices(frame), ""
    except InputError as error:
        prices, told = None, str(error)
    counted["refused" if prices is None else "accepted"] += 1
    assert valid(prices) if prices is not None else str(frame.attrs.get("name", "prices")) in told
    if prices is not None:
        ls.doubts(prices)
    pd.testing.assert_frame_equal(frame, before)


def test_both_sorts_of_tables_were_tried():
    assert min(counted.values()) > 200
    assert sum(counted.values()) >= 1000
