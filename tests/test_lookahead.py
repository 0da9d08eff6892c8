"""No forecast has seen its future: whatever later bars are, what was stamped before them stays the same bits."""

import numpy as np
import pandas as pd
import pytest

import lstm_signal as ls
from tests.conftest import SHORT, TINY


@ls.feature(lookback=3)
def three_bar_slope(bars: pd.DataFrame) -> float:
    return float(bars["close"].iloc[-1] / bars["close"].iloc[0] - 1)


RECIPES = {
    "lstm": TINY,
    "rnn": TINY.replace(cell="rnn", layers=2, dropout=0.2),
    "linear": TINY.replace(cell="linear"),
    "next_close over 3 bars": TINY.replace(target="next_close", horizon=3),
    "close": TINY.replace(target="close"),
    "own feature": TINY.replace(features=("return", "gap", "range", three_bar_slope)),
}


def another_path(prices: pd.DataFrame, cut: int) -> pd.DataFrame:
    """Replace all bars after `cut` by a wild random walk."""
    rng = np.random.default_rng(cut)
    later = len(prices) - cut - 1
    close = prices["close"].iloc[cut] * np.exp(np.cumsum(rng.normal(0, 0.05, later)))
    path = prices.copy()
    path.loc[path.index[cut + 1] :, "close"] = close
    path.loc[path.index[cut + 1] :, "open"] = close * np.exp(rng.normal(0, 0.02, later))
    path["high"] = path[["open", "high", "close"]].max(axis=1)
    path["low"] = path[["open", "low", "close"]].min(axis=1)
    path.loc[path.index[cut + 1] :, "dividend"] = close * 0.01
    return path


def cuts(prices: pd.DataFrame, recipe: ls.Forecaster) -> list[int]:
    """Bars before, at and after the edges of folds, and inside one."""
    folds = SHORT.folds(len(prices), recipe.warm_up, recipe.lag)
    edges = [fold.test_start for fold in folds[2:4]]
    return sorted({*edges, edges[0] - 1, edges[0] + 1, edges[0] + SHORT.test // 2, len(prices) - 2})


def said(prices: pd.DataFrame, recipe: ls.Forecaster, last: pd.Timestamp) -> pd.DataFrame:
    walked = ls.forecast(prices, recipe, SHORT, n_jobs=1, progress=False)
    return walked.frame.join(walked.members).loc[:last]


@pytest.mark.parametrize("name", RECIPES)
def test_later_bars_change_no_bit_of_what_was_said(prices: pd.DataFrame, name: str) -> None:
    recipe = RECIPES[name]
    whole = said(prices, recipe, prices.index[-1])
    for cut in cuts(prices, recipe):
        last = prices.index[cut]
        before = whole.loc[:last]
        assert len(before) > 30
        assert before["forecast"].notna().all()
        assert before["lower"].notna().any()
        for changed in (another_path(prices, cut), prices.iloc[: cut + 1]):
            pd.testing.assert_frame_equal(said(changed, recipe, last), before, check_exact=True)


def test_extending_the_history_changes_no_bit(prices: pd.DataFrame) -> None:
    longer = ls.sample_prices().iloc[:260]
    last = prices.index[-1]
    pd.testing.assert_frame_equal(said(longer, TINY, last), said(prices, TINY, last), check_exact=True)


@pytest.mark.parametrize("name", RECIPES)
def test_the_last_bar_known_does_change_its_forecast(prices: pd.DataFrame, name: str) -> None:
    recipe = RECIPES[name]
    cut = cuts(prices, recipe)[2]
    moved = prices.copy()
    for column in ("high", "low", "close"):
        moved.loc[moved.index[cut], column] *= 1.02
    moved.loc[moved.index[cut], "low"] = prices["low"].iloc[cut]
    stamp = prices.index[cut]
    assert said(moved, recipe, stamp)["forecast"].iloc[-1] != said(prices, recipe, stamp)["forecast"].iloc[-1]


def test_every_row_says_the_last_bar_its_fit_has_seen(prices: pd.DataFrame) -> None:
    frame = ls.forecast(prices, TINY, SHORT, n_jobs=1, progress=False).frame
    assert (frame["data_through"] <= frame.index).all()
    firsts = frame.groupby("fold").head(1)
    assert (firsts["data_through"] == firsts.index).all()
    assert frame.groupby("fold")["fit"].nunique().eq(1).all()
    assert frame["fit"].nunique() == frame["fold"].nunique()


def test_a_feature_sees_its_own_bars_only(prices: pd.DataFrame) -> None:
    seen: list[int] = []

    @ls.feature(lookback=4)
    def watched(bars: pd.DataFrame) -> float:
        seen.append(len(bars))
        return float(bars["close"].mean() / bars["close"].iloc[-1])

    ls.forecast(prices, TINY.replace(cell="linear", features=(watched,)), SHORT, n_jobs=1, progress=False)
    assert set(seen) == {5}
