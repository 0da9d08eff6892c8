"""The same bars, recipe and seed give the same bits: in one process or two, in any order, fold by fold."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

import lstm_signal as ls
from tests.conftest import SHORT, TINY

RECIPES = [
    TINY,
    TINY.replace(cell="rnn"),
    TINY.replace(cell="linear"),
    TINY.replace(layers=2, dropout=0.3, patience=1, epochs=9, learning_rate=0.05),
]
NAMES = ["lstm", "rnn", "linear", "deep"]


def walk(prices: pd.DataFrame, recipe: ls.Forecaster, **options: object) -> pd.DataFrame:
    walked = ls.forecast(prices, recipe, SHORT, progress=False, **options)
    return walked.frame.join(walked.members)


def test_one_process_or_two_alone_or_together(prices: pd.DataFrame) -> None:
    together = ls.forecast(prices, RECIPES, SHORT, name=NAMES, n_jobs=2, progress=False)
    for recipe, forecasts in zip(RECIPES, together, strict=True):
        alone = walk(prices, recipe, n_jobs=1)
        pd.testing.assert_frame_equal(forecasts.frame.join(forecasts.members), alone, check_exact=True)


def test_the_seed_decides(prices: pd.DataFrame) -> None:
    first, again, other = (walk(prices, TINY, n_jobs=1, seed=seed) for seed in (7, 7, 8))
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert (first["forecast"] != other["forecast"]).all()
    assert (first["0"] != first["1"]).all()


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("name", NAMES)
def test_a_fold_of_a_walk_is_the_fit_of_its_bars_alone(prices: pd.DataFrame, name: str, number: int) -> None:
    recipe = RECIPES[NAMES.index(name)]
    walked = ls.forecast(prices, recipe, SHORT, n_jobs=1, progress=False).frame
    fold = walked[walked["fold"] == number]
    start = number * SHORT.test
    fitted = recipe.fit(prices.iloc[start : start + recipe.warm_up + SHORT.train + recipe.lag])
    alone = fitted.predict(prices).loc[fold.index]
    pd.testing.assert_series_equal(alone, fold["forecast"], check_exact=True)
    assert fitted.data_through == fold["data_through"].iloc[0] == fold.index[0]
    assert fitted.key.startswith(fold["fit"].iloc[0])


def test_prediction_needs_only_the_window(prices: pd.DataFrame) -> None:
    fitted = TINY.fit(prices.iloc[:80])
    whole = fitted.predict(prices)
    assert whole.iloc[: TINY.warm_up].isna().all()
    assert whole.iloc[TINY.warm_up :].notna().all()
    for t in (5, 60, 199):
        alone = fitted.predict(prices.iloc[t - TINY.warm_up : t + 1])
        assert alone.iloc[-1] == whole.iloc[t]


def test_an_anchored_walk_grows(prices: pd.DataFrame) -> None:
    anchored = ls.forecast(prices, TINY, ls.WalkForward(train=60, test=25, anchored=True), n_jobs=1, progress=False)
    rolling = walk(prices, TINY, n_jobs=1)
    first = rolling["fold"] == 0
    assert (anchored.frame["forecast"][first] == rolling["forecast"][first]).all()
    assert (anchored.frame["forecast"][~first] != rolling["forecast"][~first]).all()


def test_nothing_global_is_touched(prices: pd.DataFrame) -> None:
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    threads, state, legacy = torch.get_num_threads(), torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    TINY.fit(prices.iloc[:80])
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == legacy).all()  # noqa: NPY002


def test_a_saved_fit_answers_the_same_bits(prices: pd.DataFrame, tmp_path) -> None:
    for recipe in RECIPES:
        fitted = recipe.fit(prices.iloc[:80])
        loaded = ls.load_forecaster(fitted.save(tmp_path / "model.safetensors"))
        assert (loaded.recipe, loaded.data_through, loaded.key) == (
            recipe.replace(target="open"),
            fitted.data_through,
            fitted.key,
        )
        pd.testing.assert_series_equal(loaded.predict(prices), fitted.predict(prices), check_exact=True)
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_forecasting_from_a_saved_fit_loads_no_torch(prices: pd.DataFrame, tmp_path) -> None:
    path = TINY.fit(prices.iloc[:80]).save(tmp_path / "model.safetensors")
    code = f"import lstm_signal as ls, sys; ls.load_forecaster({str(path)!r}).predict(ls.sample_prices().iloc[:99])"
    subprocess.run([sys.executable, "-c", f"{code}; sys.exit('torch' in sys.modules)"], check=True)


def test_a_feature_of_ones_own_must_come_back_unchanged(prices: pd.DataFrame, tmp_path) -> None:
    @ls.feature(lookback=2)
    def mine(bars: pd.DataFrame) -> float:
        return float(bars["high"].max() / bars["low"].min())

    fitted = TINY.replace(features=("return", mine)).fit(prices.iloc[:80])
    path = fitted.save(tmp_path / "model.safetensors")
    loaded = ls.load_forecaster(path, features=(mine,))
    pd.testing.assert_series_equal(loaded.predict(prices), fitted.predict(prices), check_exact=True)
    with pytest.raises(ls.InputError, match="'mine'"):
        ls.load_forecaster(path)

    @ls.feature(lookback=2)
    def mine(bars: pd.DataFrame) -> float:
        return float(bars["high"].max() / bars["low"].min()) + 1

    with pytest.raises(ls.InputError, match="unchanged"):
        ls.load_forecaster(path, features=(mine,))


def test_a_fit_that_turns_nan_names_model_fold_and_member(prices: pd.DataFrame) -> None:
    with pytest.raises(ls.FitError, match=r"^wild, fold 0 \(first test bar .*\), member 0: .*learning_rate"):
        ls.forecast(prices, TINY.replace(learning_rate=1e30), SHORT, name="wild", n_jobs=1, progress=False)
