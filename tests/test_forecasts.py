"""Forecasts: taken in, saved and read back, with strength and interval made from earlier bars alone."""

import json
import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

import lstm_signal as ls
from lstm_signal.forecasts import COLUMNS, assemble, check_same_prices, half_width, strength, volatility
from lstm_signal.intervals import LiveInterval

NUMBERS = ["forecast", "price", "lower", "upper", "spread", "strength", "mean"]


@pytest.fixture(scope="module")
def prices():
    return ls.sample_prices().iloc[:120]


def frame_of(stamps, **columns) -> pd.DataFrame:
    """Return a frame of small, different forecasts over the stamps."""
    return pd.DataFrame({"forecast": np.sin(np.arange(len(stamps))) / 100} | columns, index=stamps)


def walked(prices, stamps=None, fit="0123456789ab") -> ls.Forecasts:
    """Return forecasts as a walk makes them: three members, two folds, the recipe; bits chosen to be awkward."""
    stamps = prices.index[30:] if stamps is None else stamps
    if not stamps.equals(prices.index[30:]):
        prices = prices.set_axis(pd.DatetimeIndex([*prices.index[:30], *stamps], name="date"))
    bars = len(stamps)
    members = [np.sin(np.arange(bars) * (k + 1)) / 300 + 1 / 3e9 for k in range(3)]
    recipe = ls.Forecaster(window=10, members=3)
    folds = pd.DataFrame(
        {
            "mean": 0.1 + 0.2,
            "fold": np.arange(bars) // 50,
            "data_through": stamps[np.arange(bars) // 50 * 50],
            "fit": fit,
        },
        index=stamps,
    )
    folds["mean"] /= 1e4
    about = {"name": "lstm", "target": "open", "horizon": 1, "audited": True, "recipe": recipe.describe(), "seed": 7,
             "schedule": {"train": 20, "test": 50, "anchored": False}}  # fmt: skip
    return assemble("lstm", prices, folds, members, about, recipe)


def assert_same_bits(read: pd.DataFrame, saved: pd.DataFrame) -> None:
    """Every column has the same name, order, type and bits, over the same index."""
    pd.testing.assert_frame_equal(read, saved, check_exact=True, check_freq=False)
    assert read.index.dtype == "datetime64[ns]"
    for column in saved.select_dtypes("float64"):
        there = saved[column].notna().to_numpy()
        assert read[column].to_numpy()[there].tobytes() == saved[column].to_numpy()[there].tobytes()


# Taking forecasts in


def test_a_bare_series_is_refused_with_the_way_out(prices):
    with pytest.raises(ls.InputError, match=r"to_frame\('forecast'\)"):
        ls.Forecasts.from_frame(pd.Series(0.01, index=prices.index), name="mine")


@pytest.mark.parametrize("given", [pd.DataFrame({"close": [1.0]}), pd.DataFrame(), {"forecast": [0.1]}, None])
def test_a_column_named_forecast_is_needed(given):
    with pytest.raises(ls.InputError, match="column 'forecast'"):
        ls.Forecasts.from_frame(given, name="mine")


STAMPS = pd.DatetimeIndex(["2024-01-02", "2024-01-03", "2024-01-04"])


@pytest.mark.parametrize(
    "index",
    [
        STAMPS[[0, 2, 1]],
        STAMPS[[0, 1, 1]],
        pd.DatetimeIndex(["2024-01-02", pd.NaT, "2024-01-04"]),
        pd.RangeIndex(3),
        STAMPS.strftime("%Y-%m-%d"),
    ],
    ids=["unsorted", "doubled", "no date", "numbers", "text"],
)
def test_stamps_are_dates_sorted_each_once(index):
    with pytest.raises(ls.InputError, match="'mine' need a DatetimeIndex, sorted"):
        ls.Forecasts.from_frame(frame_of(index), name="mine")


@pytest.mark.parametrize("given", [{"target": "opn"}, {"horizon": 0}, {"horizon": 1.5}])
def test_target_and_horizon_are_checked(given):
    with pytest.raises(ls.InputError):
        ls.Forecasts.from_frame(frame_of(STAMPS), name="mine", **given)


def test_forecasts_that_are_no_numbers_are_refused():
    with pytest.raises(ls.InputError):
        ls.Forecasts.from_frame(frame_of(STAMPS).assign(forecast=["up", "down", "up"]), name="mine")


def test_what_is_not_given_has_a_default():
    given = frame_of(STAMPS)
    taken = ls.Forecasts.from_frame(given, name="mine")
    assert list(given.columns) == ["forecast"]  # the caller's frame is left alone
    assert (taken.name, taken.target, taken.horizon, taken.audited, taken.recipe) == ("mine", "open", 1, False, None)
    assert len(taken) == 3
    assert tuple(taken.frame.columns) == COLUMNS
    assert (taken.frame[NUMBERS].dtypes == "float64").all()
    assert taken.frame["forecast"].tolist() == given["forecast"].tolist()
    assert taken.frame[["price", "lower", "upper", "spread", "strength", "mean", "data_through"]].isna().all(axis=None)
    assert taken.frame["fold"].tolist() == [0, 0, 0]
    assert taken.frame["fit"].tolist() == ["", "", ""]
    assert taken.frame["data_through"].dtype == "datetime64[ns]"
    assert taken.frame.index.name == "date"
    assert taken.members.to_numpy().tolist() == taken.frame[["forecast"]].to_numpy().tolist()


def test_what_is_given_is_kept():
    given = frame_of(STAMPS, strength=[1.0, np.nan, -2.0], mean=0.001, lower=-0.1, upper=0.1, spread=0.2,
                     fold=[0, 0, 1], data_through=STAMPS[0], fit=["a", "b", "c"])  # fmt: skip
    taken = ls.Forecasts.from_frame(given, name="mine", target="close", horizon=5)
    assert (taken.target, taken.horizon) == ("close", 5)
    for column in given:
        pd.testing.assert_series_equal(
            taken.frame[column], given[column], check_names=False, check_dtype=False, check_index_type=False
        )


@pytest.mark.parametrize("mean", [None, 0.002])
def test_strength_is_made_where_none_is_given_from_the_mean_or_zero(prices, mean):
    given = frame_of(prices.index) if mean is None else frame_of(prices.index, mean=mean)
    taken = ls.Forecasts.from_frame(given, name="mine")
    expected = strength(given["forecast"].to_numpy() - (mean or 0.0))
    np.testing.assert_array_equal(taken.frame["strength"], expected)
    assert np.isfinite(expected[20:]).all()


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_a_time_zone_is_dropped_and_its_clock_kept(zone):
    stamps = (STAMPS + pd.Timedelta(hours=16)).tz_localize(zone)
    taken = ls.Forecasts.from_frame(frame_of(stamps, data_through=stamps), name="mine")
    expected = list(STAMPS + pd.Timedelta(hours=16))
    assert list(taken.frame.index) == expected
    assert list(taken.frame["data_through"]) == expected


@pytest.mark.parametrize("unit", ["s", "us"])
def test_stamps_of_any_unit_become_nanoseconds(unit):
    taken = ls.Forecasts.from_frame(frame_of(STAMPS.as_unit(unit)), name="mine")
    assert taken.frame.index.dtype == "datetime64[ns]"
    assert list(taken.frame.index) == list(STAMPS)


# Saving and reading


def intraday(bars: int) -> pd.DatetimeIndex:
    return pd.date_range("2024-01-02 09:30:00.123", periods=bars, freq="7min", unit="ns", name="date")


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("stamps", ["daily", "intraday"])
def test_saved_forecasts_are_read_back_bit_for_bit(prices, tmp_path, suffix, stamps):
    saved = walked(prices, None if stamps == "daily" else intraday(90))
    path = saved.save(tmp_path / f"f{suffix}")
    read = ls.read_forecasts(path)
    assert_same_bits(read.frame, saved.frame)
    assert_same_bits(read.members, saved.members)
    assert (read.name, read.about) == (saved.name, saved.about)
    assert read.recipe.describe() == saved.recipe.describe()
    assert saved.frame["lower"].notna().any()  # some of each: numbers and gaps
    assert saved.frame["lower"].isna().any()
    assert read.members.shape[1] == 3


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_forecasts_made_elsewhere_are_read_back_too(tmp_path, suffix):
    saved = ls.Forecasts.from_frame(frame_of(STAMPS), name="my model", target="next_close", horizon=3)
    read = ls.read_forecasts(saved.save(tmp_path / f"f{suffix}"))
    assert_same_bits(read.frame, saved.frame)
    assert (read.name, read.about, read.recipe) == ("my model", saved.about, None)
    assert (read.target, read.horizon, read.audited) == ("next_close", 3, False)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("fit", ["001234567890", "12e345678901", "123456789012"])
def test_a_fit_whose_key_looks_like_a_number_keeps_its_key(prices, tmp_path, suffix, fit):
    saved = walked(prices, fit=fit)
    read = ls.read_forecasts(saved.save(tmp_path / f"f{suffix}"))
    assert read.frame["fit"].unique().tolist() == [fit]


@ls.feature(lookback=2)
def two_bar_range(prices):
    return prices["high"].max() / prices["low"].min() - 1


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_recipe_with_a_feature_of_ones_own_is_not_made_up(prices, tmp_path, suffix):
    recipe = ls.Forecaster(features=("return", two_bar_range))
    saved = walked(prices)
    about = dict(saved.about) | {"recipe": json.loads(json.dumps(recipe.describe()))}
    saved = ls.Forecasts(saved.name, saved.frame, saved.members, about, recipe)
    read = ls.read_forecasts(saved.save(tmp_path / f"f{suffix}"))
    assert read.recipe is None
    assert read.about["recipe"]["features"][1]["name"] == "two_bar_range"


def test_other_suffixes_are_refused_and_leave_nothing(prices, tmp_path):
    with pytest.raises(ls.InputError, match=r"must end in \.parquet or \.csv"):
        walked(prices).save(tmp_path / "f.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(prices, tmp_path):
    with pytest.raises(ls.InputError, match="no_such_folder does not exist"):
        walked(prices).save(tmp_path / "no_such_folder" / "f.csv")


def test_a_save_that_fails_leaves_the_old_file_whole(prices, tmp_path, monkeypatch):
    saved = walked(prices)
    path = saved.save(tmp_path / "f.csv")
    before = path.read_bytes()

    def half(self, file):
        file.write("half a li")
        raise OSError("disk full")

    monkeypatch.setattr(pd.DataFrame, "to_csv", half)
    with pytest.raises(OSError, match="disk full"):
        saved.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_no_such_file(tmp_path):
    with pytest.raises(ls.InputError, match=r"no such file: .*gone\.parquet"):
        ls.read_forecasts(tmp_path / "gone.parquet")
    with pytest.raises(ls.InputError, match="no such file"):
        ls.read_forecasts(tmp_path)


def without(text: str, key: str) -> str:
    """Return a saved CSV's text whose provenance lacks a key."""
    head, body = text.split("\n", 1)
    about = json.loads(head.removeprefix("# lstm_signal "))
    del about[key]
    return f"# lstm_signal {json.dumps(about)}\n{body}"


FOREIGN = {
    "empty": lambda text: "",
    "no provenance": lambda text: text.split("\n", 1)[1],
    "provenance alone": lambda text: text.split("\n", 1)[0],
    "provenance is no JSON": lambda text: text.replace('"audited"', "audited"),
    "provenance is a list": lambda text: "# lstm_signal [1]\n" + text.split("\n", 1)[1],
    "a date is no date": lambda text: text.replace("1999-03-01", "first of March"),
    "a column is missing": lambda text: text.replace(",strength,", ",weakness,"),
    "no name": lambda text: without(text, "name"),
    "no target": lambda text: without(text, "target"),
    "no horizon": lambda text: without(text, "horizon"),
    "unknown cell": lambda text: text.replace('"cell": "lstm"', '"cell": "gru"'),
}


@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_file_that_save_did_not_write_is_refused(prices, tmp_path, change):
    path = walked(prices).save(tmp_path / "f.csv")
    ls.read_forecasts(path)  # as it was saved, it can be read
    text = path.read_text(encoding="utf-8")
    changed = change(text)
    assert changed != text
    path.write_text(changed, encoding="utf-8")
    with pytest.raises(ls.InputError, match=r"was not saved by lstm_signal.*from_frame"):
        ls.read_forecasts(path)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_bytes_that_are_no_table_are_refused(tmp_path, suffix):
    path = tmp_path / f"f{suffix}"
    for content in (b"", b"\xff\xfe\x00\x01" * 50, b"PAR1 and then nothing"):
        path.write_bytes(content)
        with pytest.raises(ls.InputError, match="was not saved by lstm_signal"):
            ls.read_forecasts(path)


def test_anybodys_parquet_is_refused(prices, tmp_path):
    prices.assign(forecast=0.0).to_parquet(tmp_path / "f.parquet")
    with pytest.raises(ls.InputError, match="was not saved by lstm_signal"):
        ls.read_forecasts(tmp_path / "f.parquet")


# Strength: only earlier values


def strength_by_hand(excess: np.ndarray) -> list[float]:
    values = []
    for t, now in enumerate(excess):
        earlier = [value for value in excess[:t] if math.isfinite(value)]
        rms = math.sqrt(sum(value**2 for value in earlier) / len(earlier)) if earlier else 0.0
        values.append(now / rms if len(earlier) >= 20 and rms > 0 else math.nan)
    return values


@pytest.fixture(scope="module")
def excess():
    values = np.random.default_rng(1).normal(size=100)
    values[[3, 30, 31, 70]] = np.nan
    return values


def test_strength_is_what_a_loop_over_earlier_values_gives(excess):
    np.testing.assert_allclose(strength(excess), strength_by_hand(excess), rtol=1e-12, equal_nan=True)


def test_strength_needs_twenty_earlier_values(excess):
    # One of the first values is missing, so the twenty-first value that is there is at position 21.
    found = strength(excess)
    assert np.isnan(found[:21]).all()
    assert np.isfinite(found[21])
    assert np.isnan(found[[30, 31, 70]]).all()  # nothing said, nothing made up


def test_strength_is_undefined_while_the_model_has_only_repeated_the_mean():
    excess = np.concatenate([np.zeros(30), [0.01, 0.02]])
    found = strength(excess)
    assert np.isnan(found[:31]).all()
    assert found[31] == pytest.approx(0.02 / math.sqrt(0.01**2 / 31))


@pytest.mark.parametrize("cut", [1, 20, 21, 60])
def test_no_later_value_changes_a_strength(excess, cut):
    changed = excess.copy()
    changed[cut:] = 1e6
    np.testing.assert_array_equal(strength(changed)[:cut], strength(excess)[:cut])
    np.testing.assert_array_equal(strength(excess[:cut]), strength(excess)[:cut])


# Intervals: only outcomes that are realised


def half_width_by_hand(residuals, sigma, known_after, coverage) -> list[float]:
    widths = []
    for t in range(len(residuals)):
        realised = [abs(residuals[s]) / sigma[s] for s in range(max(0, t - known_after + 1))]
        latest = sorted([value for value in realised if math.isfinite(value)][-250:])
        rank = math.ceil((len(latest) + 1) * Fraction(str(coverage)))
        widths.append(latest[rank - 1] * sigma[t] if 1 <= rank <= len(latest) else math.nan)
    return widths


@pytest.fixture(scope="module")
def residuals():
    values = np.random.default_rng(2).normal(size=400) / 100
    values[[5, 100, 101, 399]] = np.nan
    return values


@pytest.fixture(scope="module")
def sigma():
    values = np.exp(np.random.default_rng(3).normal(size=400) / 3) / 100
    values[0] = np.nan  # the first bar has no return yet
    return values


@pytest.mark.parametrize("known_after", [1, 3])
def test_bar_by_bar_the_interval_is_the_same_bits(known_after):
    """Over more bars than the latest residuals that count."""
    random = np.random.default_rng(4)
    changes, forecasts = random.normal(0, 0.01, (2, 400))
    outcomes = random.normal(0, 0.01, 400)
    changes[0] = np.nan
    live, sigma, widths = LiveInterval(known_after, 0.9), [], []
    for t in range(400):
        live.take(changes[t], outcomes[t - known_after] if t >= known_after else np.nan)
        sigma.append(live.sigma)
        widths.append(live.half_width(forecasts[t]))
    np.testing.assert_array_equal(widths, half_width(outcomes - forecasts, np.array(sigma), known_after, 0.9))
    assert np.isfinite(widths[20:]).all()


@pytest.mark.parametrize("coverage", [0.5, 0.55, 0.8, 0.9, 0.99])
@pytest.mark.parametrize("known_after", [1, 2, 6])
def test_half_width_is_the_rank_among_the_latest_realised(residuals, sigma, known_after, coverage):
    found = half_width(residuals, sigma, known_after, coverage)
    np.testing.assert_array_equal(found, half_width_by_hand(residuals, sigma, known_after, coverage))
    assert np.isfinite(found[-100:]).all()


@pytest.mark.parametrize("known_after", [1, 2, 6])
def test_nine_realised_outcomes_make_the_first_interval_at_ninety_per_cent(known_after):
    residuals, sigma = np.arange(1, 31) / 100, np.ones(30)
    found = half_width(residuals, sigma, known_after, 0.9)
    first = 8 + known_after  # the ninth residual, of bar 8, is realised
    assert np.isnan(found[:first]).all()
    assert found[first] == 0.09  # the largest of nine
    assert found[first + 1] == 0.10


@pytest.mark.parametrize("known_after", [1, 2, 6])
def test_an_outcome_that_is_not_realised_changes_no_interval(residuals, sigma, known_after):
    t = 300
    changed = residuals.copy()
    changed[t - known_after + 1 :] = 5.0
    before, after = half_width(residuals, sigma, known_after, 0.9), half_width(changed, sigma, known_after, 0.9)
    np.testing.assert_array_equal(after[: t + 1], before[: t + 1])
    changed = residuals.copy()
    changed[t - known_after - 20 : t - known_after + 1] = 5.0  # these are known at t
    assert half_width(changed, sigma, known_after, 0.9)[t] != before[t]


def test_only_the_latest_250_outcomes_count():
    residuals = np.concatenate([np.full(300, 9.0), np.full(251, 1.0)])
    found = half_width(residuals, np.ones(551), 1, 0.9)
    assert found[300 + 25] == 9.0
    assert found[550] == 1.0


def test_volatility_is_the_weighted_average_of_squared_returns_known_at_each_bar(prices):
    returns = np.log(prices["close"]).diff().to_numpy()
    found = volatility(prices)
    assert np.isnan(found[0])
    for t in (1, 2, 50, 119):
        weights = 0.94 ** np.arange(t - 1, -1, -1.0)
        expected = math.sqrt((weights * returns[1 : t + 1] ** 2).sum() / weights.sum())
        assert found[t] == pytest.approx(expected, rel=1e-9)


# The same prices


def test_forecasts_belong_to_the_prices_they_were_made_on(prices):
    check_same_prices(walked(prices), prices)
    check_same_prices(walked(prices), prices.iloc[5:])  # an earlier start is another matter


def test_another_close_is_refused_and_its_bar_named(prices):
    other = prices.copy()
    other.iloc[77, other.columns.get_loc("close")] *= 1.0001
    other.iloc[90, other.columns.get_loc("close")] *= 1.5
    with pytest.raises(ls.InputError, match="other prices") as refused:
        check_same_prices(walked(prices), other)
    assert str(prices.index[77]) in str(refused.value)
    assert str(prices.index[90]) not in str(refused.value)


def test_bars_that_are_missing_are_counted_and_the_first_named(prices):
    with pytest.raises(ls.InputError, match=r"made at 2 bars that nasdaq has not") as refused:
        check_same_prices(walked(prices), prices.drop(prices.index[[40, 60]]))
    assert str(prices.index[40]) in str(refused.value)


def test_without_predicted_prices_only_the_bars_are_compared(prices):
    mine = ls.Forecasts.from_frame(frame_of(prices.index[:50]), name="mine")
    check_same_prices(mine, prices * 2)
    with pytest.raises(ls.InputError, match="made at 10 bars"):
        check_same_prices(mine, prices.iloc[10:])


# Outcomes


@pytest.fixture
def six_bars():
    return pd.DataFrame(
        {"open": [10.0, 11, 12, 14, 15, 16], "high": 20.0, "low": 5.0, "close": [10.5, 11.5, 13, 14.5, 16, 18],
         "volume": np.nan, "dividend": 0.0},
        index=pd.DatetimeIndex(pd.bdate_range("2024-01-01", periods=6, unit="ns"), name="date"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("target", "horizon", "ratios"),
    [
        ("open", 1, [12 / 11, 14 / 12, 15 / 14, 16 / 15]),
        ("open", 3, [15 / 11, 16 / 12]),
        ("close", 1, [11.5 / 10.5, 13 / 11.5, 14.5 / 13, 16 / 14.5, 18 / 16]),
        ("next_close", 1, [13 / 11.5, 14.5 / 13, 16 / 14.5, 18 / 16]),
        ("next_close", 2, [14.5 / 11.5, 16 / 13, 18 / 14.5]),
    ],
)
def test_outcomes_are_the_target_and_nan_while_not_known(six_bars, target, horizon, ratios):
    mine = ls.Forecasts.from_frame(frame_of(six_bars.index), name="mine", target=target, horizon=horizon)
    outcome = mine.outcomes(six_bars)
    expected = np.full(6, np.nan)
    expected[: len(ratios)] = np.log(ratios)
    np.testing.assert_allclose(outcome, expected, rtol=1e-12)
    assert outcome.index.equals(six_bars.index)


def test_outcomes_are_looked_up_by_bar_not_by_position(six_bars):
    mine = ls.Forecasts.from_frame(frame_of(six_bars.index[[1, 3]]), name="mine", target="close")
    np.testing.assert_allclose(mine.outcomes(six_bars), np.log([13 / 11.5, 16 / 14.5]), rtol=1e-12)


def test_outcomes_on_other_prices_are_refused(prices):
    with pytest.raises(ls.InputError, match="other prices"):
        walked(prices).outcomes(prices.assign(close=prices["close"] * 1.01))


# What a walk's forecasts are made of


def test_a_walks_columns_follow_from_its_members(prices):
    made = walked(prices)
    frame, members = made.frame, made.members.to_numpy()
    np.testing.assert_allclose(frame["forecast"], members.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(frame["spread"], members.std(axis=1, ddof=1), rtol=1e-9)
    np.testing.assert_array_equal(frame["price"], prices["close"].iloc[30:] * np.exp(frame["forecast"]))
    np.testing.assert_array_equal(frame["strength"], strength((frame["forecast"] - frame["mean"]).to_numpy()))
    np.testing.assert_allclose((frame["lower"] + frame["upper"]) / 2, frame["forecast"].where(frame["lower"].notna()))
    assert frame["lower"].isna().tolist() == [True] * 10 + [False] * 80  # nine outcomes, known two bars after
    residuals = made.outcomes(prices).to_numpy() - frame["forecast"].to_numpy()
    width = half_width(residuals, volatility(prices)[30:], 2, 0.9)
    np.testing.assert_array_equal(frame["lower"], frame["forecast"] - width)
    np.testing.assert_array_equal(frame["upper"], frame["forecast"] + width)


def test_no_later_bar_changes_a_strength_or_an_interval(prices):
    changed = prices.copy()
    changed.iloc[81:, :4] *= 1.2
    before, after = walked(prices).frame, walked(changed).frame
    columns = ["forecast", "price", "lower", "upper", "spread", "strength", "mean"]
    pd.testing.assert_frame_equal(after[columns].iloc[:51], before[columns].iloc[:51], check_exact=True)
    assert not after["upper"].iloc[54:].equals(before["upper"].iloc[54:])


# What is no forecast


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"forecast": [2500.0, 2510.0, 2490.0]}, "2500 at .* is no log return"),
        ({"forecast": [0.01, np.inf, 0.0]}, "inf at .* is no log return"),
        ({"data_through": "some day"}, "data_through dates"),
        ({"fold": "a"}, "fold must hold numbers"),
    ],
)
def test_prices_and_other_things_are_refused_as_forecasts(columns, said):
    with pytest.raises(ls.InputError, match=said):
        ls.Forecasts.from_frame(frame_of(STAMPS, **columns), name="mine")


def test_no_bars_are_no_forecasts():
    with pytest.raises(ls.InputError, match="hold no bars"):
        ls.Forecasts.from_frame(frame_of(STAMPS).iloc[:0], name="mine")
