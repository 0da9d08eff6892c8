"""Features known at bar t, targets known `lag` bars later, and the scaler of the training rows."""

import numpy as np
import pandas as pd
import pytest

from lstm_signal.bars import as_prices, total_return
from lstm_signal.errors import InputError
from lstm_signal.prices import sample_prices
from lstm_signal.windows import (
    FEATURES,
    TARGETS,
    Scaler,
    check_feature,
    describe_feature,
    feature,
    feature_matrix,
    lag,
    returns,
    targets,
    warm_up,
)

PRICES = as_prices(
    pd.DataFrame(
        {
            "open": [10.0, 20, 15, 30, 24],
            "high": [22.0, 24, 20, 32, 30],
            "low": [10.0, 12, 10, 16, 20],
            "close": [20.0, 12, 16, 32, 25],
            "dividend": [0.0, 0, 8, 0, 0],  # on a close of 16: half a share more
        },
        index=pd.date_range("2024-01-02", periods=5),
    )
)
NAN = np.nan


def with_dividends():
    """A thousand real bars that pay every fifty."""
    prices = sample_prices().iloc[:1000].copy()
    prices.loc[prices.index[::50], "dividend"] = 17.3
    return prices


def bits(array):
    return np.ascontiguousarray(array).tobytes()


@feature(lookback=5)
def week_range(prices):
    return prices["high"].max() / prices["low"].min() - 1


@feature(lookback=0)
def body(prices):
    return prices["close"] / prices["open"] - 1


# Returns and targets


def test_returns_are_total_log_returns_against_the_bar_before():
    np.testing.assert_allclose(returns(PRICES), [NAN, *np.log([12 / 20, 24 / 12, 32 / 16, 25 / 32])], rtol=1e-15)


@pytest.mark.parametrize(
    ("target", "horizon", "ratios"),
    [
        ("close", 1, [12 / 20, 24 / 12, 32 / 16, 25 / 32, NAN]),
        ("next_close", 1, [24 / 12, 32 / 16, 25 / 32, NAN, NAN]),
        ("open", 1, [23 / 20, 45 / 23, 24 / 30, NAN, NAN]),  # a share held over bar 2 is 1.5 shares after it
        ("close", 3, [32 * 1.5 / 20, 25 * 1.5 / 12, NAN, NAN, NAN]),
        ("next_close", 3, [25 * 1.5 / 12, NAN, NAN, NAN, NAN]),
        ("open", 3, [24 * 1.5 / 20, NAN, NAN, NAN, NAN]),
    ],
)
def test_targets_by_hand(target, horizon, ratios):
    np.testing.assert_allclose(targets(PRICES, target, horizon), np.log(ratios), rtol=0, atol=1e-15)


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("target", TARGETS)
def test_targets_are_log_ratios_of_total_return_prices(target, horizon):
    prices = with_dividends()
    chained = total_return(prices)["open" if target == "open" else "close"].to_numpy()
    start = 0 if target == "close" else 1
    expected = [
        np.log(chained[t + start + horizon] / chained[t + start]) if t + start + horizon < len(chained) else NAN
        for t in range(len(chained))
    ]
    np.testing.assert_allclose(targets(prices, target, horizon), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("target", "horizon", "bars"),
    [("close", 1, 1), ("close", 3, 3), ("open", 1, 2), ("open", 3, 4), ("next_close", 1, 2), ("next_close", 3, 4)],
)
def test_a_target_is_known_lag_bars_later_and_not_before(target, horizon, bars):
    assert lag(target, horizon) == bars
    for length in range(1, len(PRICES) + 1):
        known = ~np.isnan(targets(PRICES.iloc[:length], target, horizon))
        assert known.tolist() == [t + bars < length for t in range(length)]


@pytest.mark.parametrize(("first", "stop"), [(0, 50), (1, 700), (37, 412), (501, 1000), (998, 1000)])
def test_no_value_depends_on_the_bars_before_or_after(first, stop):
    prices = with_dividends()
    part = prices.iloc[first:stop]
    assert bits(returns(part)[1:]) == bits(returns(prices)[first + 1 : stop])
    for target in TARGETS:
        for horizon in (1, 3):
            known = max(0, len(part) - lag(target, horizon))
            whole = targets(prices, target, horizon)[first : first + known]
            assert bits(targets(part, target, horizon)[:known]) == bits(whole)


# Features


def test_built_in_features_by_hand():
    x = feature_matrix(PRICES, ("range", "return", "gap"))
    assert x.shape == (5, 3)
    np.testing.assert_allclose(x[:, 0], np.log([2.2, 2, 2, 2, 1.5]), rtol=1e-15)
    assert bits(x[:, 1]) == bits(returns(PRICES))
    # The open of bar 2 is without its dividend of 8: who held over the close has 15 + 8.
    np.testing.assert_allclose(x[:, 2], [NAN, *np.log([20 / 20, 23 / 12, 30 / 16, 24 / 32])], rtol=1e-15, atol=0)


@pytest.mark.parametrize(("first", "stop"), [(0, 60), (11, 73), (100, 130)])
def test_features_of_a_part_are_those_of_the_whole(first, stop):
    prices = with_dividends().iloc[:150]
    features = (*FEATURES, week_range, body)
    whole, part = feature_matrix(prices, features), feature_matrix(prices.iloc[first:stop], features)
    assert bits(part[5:]) == bits(whole[first + 5 : stop])
    assert not np.isnan(part[5:]).any()


def test_a_feature_of_ones_own_sees_its_lookback_and_nothing_else():
    shown = []

    @feature(lookback=2)
    def spy(prices):
        shown.append(prices)
        return len(shown)

    x = feature_matrix(PRICES, (spy,))
    np.testing.assert_array_equal(x[:, 0], [NAN, NAN, 1, 2, 3])
    for t, part in enumerate(shown, start=2):
        pd.testing.assert_frame_equal(part, PRICES.iloc[t - 2 : t + 1])


def test_a_feature_may_be_a_series_whose_last_value_counts():
    @feature(lookback=1)
    def turn(prices):
        return prices["close"].diff()

    x = feature_matrix(PRICES, (body, turn))
    np.testing.assert_allclose(x[:, 0], [1, -0.4, 1 / 15, 1 / 15, 1 / 24], rtol=1e-12)
    np.testing.assert_array_equal(x[:, 1], [NAN, -8, 4, 16, -7])


@pytest.mark.parametrize(
    ("features", "bars"),
    [(("return",), 0), (FEATURES, 0), ((body,), 0), (("return", week_range), 4), ((week_range, body), 4)],
)
def test_warm_up_is_what_the_longest_feature_needs_beyond_the_previous_close(features, bars):
    assert warm_up(features) == bars


@pytest.mark.parametrize("value", [NAN, np.inf, None, [], "much"])
def test_a_feature_that_is_no_finite_number_is_refused_by_name_and_bar(value):
    @feature(lookback=1)
    def broken(prices):
        return value if prices.index[-1] == PRICES.index[3] else 1.0

    with pytest.raises(InputError, match=r"feature 'broken' .*at bar 2024-01-05"):
        feature_matrix(PRICES, (broken,))


def test_a_feature_needs_a_name():
    with pytest.raises(InputError, match="a lambda cannot be a feature"):
        feature(lookback=1)(lambda prices: 1.0)


@pytest.mark.parametrize("lookback", [-1, 1.5, True, None, "3"])
def test_a_feature_needs_a_whole_lookback(lookback):
    def mine(prices):
        return 1.0

    with pytest.raises(InputError, match=r"'mine' declares lookback .*@lstm_signal\.feature"):
        feature(lookback=lookback)(mine)


def test_a_bare_function_and_an_unknown_name_are_no_features():
    def mine(prices):
        return 1.0

    with pytest.raises(InputError, match="'mine' declares lookback None"):
        check_feature(mine)
    with pytest.raises(InputError, match='Did you mean "return"'):
        check_feature("returns")
    with pytest.raises(InputError, match="neither a name nor a function"):
        check_feature(3)


def test_a_described_feature_names_its_lookback_and_source():
    def again():
        @feature(lookback=5)
        def week_range(prices):
            return prices["high"].max() / prices["low"].min()  # not the one above

        return week_range

    assert describe_feature("gap") == "gap"
    told, other = describe_feature(week_range), describe_feature(again())
    assert (told["name"], told["lookback"]) == ("week_range", 5)
    assert (other["name"], other["lookback"]) == ("week_range", 5)
    assert told["sha256"] != other["sha256"]
    assert other == describe_feature(again())


# Scaling

X, Y = np.array([[1.0, 10], [3, 10], [5, 40]]), np.array([0.01, 0.03])


def test_the_scaler_centres_and_scales_each_feature_and_the_target():
    scaler = Scaler.fit(X, Y)
    np.testing.assert_allclose(scaler.scale(X)[:, 0], [-np.sqrt(1.5), 0, np.sqrt(1.5)], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(scaler.scale(X)[:, 1], [-np.sqrt(0.5), -np.sqrt(0.5), np.sqrt(2)], rtol=1e-12)
    np.testing.assert_allclose(scaler.scale_target(Y), [-1, 1], rtol=1e-12)
    np.testing.assert_allclose(scaler.unscale_target(scaler.scale_target(Y)), Y, rtol=1e-12)
    assert scaler.unscale_target(np.array([0.0]))[0] == scaler.y_mean == pytest.approx(0.02)


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1234.567])
@pytest.mark.parametrize("rows", [3, 7, 100])
def test_a_constant_is_only_centred(value, rows):
    scaler = Scaler.fit(np.full((rows, 2), value), np.full(rows, value))
    assert scaler.x_scale.tolist() == [1, 1]
    assert scaler.y_scale == 1
    np.testing.assert_allclose(scaler.scale(np.full((1, 2), value + 2)), [[2, 2]], rtol=1e-12)
