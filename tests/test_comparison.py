"""Two tables whose every cell is a computed number or a dash with its reason; saved and read back the same."""

import json

import numpy as np
import pandas as pd
import pytest

import lstm_signal as ls
from lstm_signal.units import FORECAST_ROWS
from tests.conftest import SHORT, TINY


@pytest.fixture(scope="module")
def models(prices: pd.DataFrame) -> list[ls.Forecasts]:
    recipes = [TINY, TINY.replace(cell="rnn"), TINY.matched("rnn")]
    return ls.forecast(prices, recipes, SHORT, name=["lstm", "rnn", "rnn_matched"], n_jobs=1, progress=False)


@pytest.fixture(scope="module")
def comparison(prices: pd.DataFrame, models: list[ls.Forecasts]) -> ls.Comparison:
    return ls.compare(prices, models)


def test_the_columns_are_those_promised(comparison: ls.Comparison) -> None:
    assert list(comparison.report["forecasts"]) == ["lstm", "rnn", "rnn_matched", "linear", "mean", "naive"]
    assert list(comparison.report["trading"]) == ["lstm", "rnn", "rnn_matched", "linear", "buy_and_hold"]


def test_every_cell_is_a_number_or_a_dash_with_its_reason(comparison: ls.Comparison) -> None:
    for kind in ("forecasts", "trading"):
        for column in comparison.report[kind].values():
            for measure in column.values():
                assert measure["unit"]
                assert np.isfinite(measure["value"]) if measure["value"] is not None else measure["reason"]
    naive = comparison.report["forecasts"]["naive"]
    assert naive["correlation"]["value"] is None
    assert naive["rmse"]["value"] > 0


def test_forecast_measures_agree_with_a_second_way(
    prices: pd.DataFrame, models: list[ls.Forecasts], comparison: ls.Comparison
) -> None:
    chained = np.log(prices["open"]).to_numpy()
    outcome = pd.Series(np.append(chained[2:] - chained[1:-1], [np.nan, np.nan]), index=prices.index)
    for model in models:
        rows = model.frame.assign(y=outcome).dropna(subset=["y"])
        assert len(rows) == len(model) - 2
        error = rows["y"] - rows["forecast"]
        table = comparison.table("forecasts")[model.name]
        assert list(table.index) == list(FORECAST_ROWS)
        assert table["rmse"] == pytest.approx((error**2).mean() ** 0.5)
        assert table["mae"] == pytest.approx(error.abs().mean())
        assert table["r2"] == pytest.approx(1 - (error**2).sum() / ((rows["y"] - rows["mean"]) ** 2).sum())
        assert table["hit_rate"] == pytest.approx((np.sign(rows["y"]) == np.sign(rows["forecast"])).mean(), abs=0.02)
        assert table["correlation"] == pytest.approx(rows["y"].corr(rows["forecast"]))
        assert table["spread"] == pytest.approx(rows["spread"].mean())
    assert comparison.table("forecasts")["mean"]["r2"] == 0


def test_trading_is_that_of_backtest(
    prices: pd.DataFrame, models: list[ls.Forecasts], comparison: ls.Comparison
) -> None:
    for model in models:
        run = ls.backtest(prices, model, "long_flat")
        for part in ("value", "low", "high"):
            table = comparison.table("trading", part)[model.name].drop("deflated_sharpe")  # counts what was tried
            pd.testing.assert_series_equal(table, run.measures[part], check_names=False, check_exact=True)
        pd.testing.assert_series_equal(comparison.returns[model.name], run.returns, check_names=False)
    assert comparison.table("trading")["buy_and_hold"]["exposure"] > 0.9


def test_linear_walks_the_same_windows(prices: pd.DataFrame, models: list[ls.Forecasts]) -> None:
    comparison = ls.compare(prices, models)
    alone = ls.forecast(prices, TINY.replace(cell="linear"), SHORT, progress=False)
    joined = comparison.forecasts[comparison.forecasts["model"] == "linear"]["forecast"]
    pd.testing.assert_series_equal(joined, alone.frame["forecast"], check_exact=True)


def test_saved_and_read_back_it_is_the_same(comparison: ls.Comparison, tmp_path) -> None:
    folder = comparison.save(tmp_path / "reports" / "spy")
    tables = ("forecasts", "returns", "positions", "fills", "members", "days")
    files = {"report.html", "report.json", *(f"{name}.parquet" for name in tables)}
    assert {file.name for file in folder.iterdir()} == files
    again = ls.read_comparison(folder)
    assert str(again) == str(comparison)
    assert again.report == json.loads(comparison.to_json()) == comparison.report
    for name in tables:
        pd.testing.assert_frame_equal(getattr(again, name), getattr(comparison, name), check_freq=False)
    (folder / "fills.parquet").unlink()
    with pytest.raises(ls.InputError, match="holds no comparison"):
        ls.read_comparison(folder)


def test_the_tables_show_dashes_with_their_reason(comparison: ls.Comparison) -> None:
    text = str(comparison)
    assert "buy & hold" in text
    assert "- (a): the forecast, or the price, goes neither up nor down" in text
    assert "an index: not tradable, a proxy" in text


def test_forecasts_made_elsewhere_are_called_unaudited(prices: pd.DataFrame, models: list[ls.Forecasts]) -> None:
    mine = ls.Forecasts.from_frame(models[0].frame[["forecast"]], name="mine <b>")
    alone = ls.compare(prices, [mine])
    assert "unaudited, made elsewhere: mine <b>" in str(alone)
    assert alone.report["forecasts"]["linear"]["rmse"]["reason"].startswith("no recipe")
    assert alone.report["forecasts"]["mean"]["rmse"]["value"] is None
    assert alone.report["trading"]["linear"]["sharpe"]["value"] is None
    beside = ls.compare(prices, [mine, models[1]])
    assert beside.report["forecasts"]["mine <b>"]["r2"]["value"] < 1
    assert beside.report["forecasts"]["mean"]["rmse"]["value"] > 0
    assert beside.report["forecasts"]["linear"]["rmse"]["value"] > 0
    assert beside.report["forecasts"]["mine <b>"]["rmse"]["value"] > 0


def test_what_cannot_be_compared_is_refused(prices: pd.DataFrame, models: list[ls.Forecasts]) -> None:
    lstm = models[0]
    with pytest.raises(ls.InputError, match="two models are called 'lstm'"):
        ls.compare(prices, [lstm, lstm])
    with pytest.raises(ls.InputError, match="two models would be called 'naive'"):
        ls.compare(prices, [ls.Forecasts.from_frame(lstm.frame, name="naive")])
    with pytest.raises(ls.InputError, match="at least one"):
        ls.compare(prices, [])
    with pytest.raises(ls.InputError, match="not DataFrame"):
        ls.compare(prices, [lstm.frame])
    with pytest.raises(ls.InputError, match="different targets"):
        ls.compare(prices, [lstm, ls.Forecasts.from_frame(lstm.frame, name="other", target="close")])
    with pytest.raises(ls.InputError, match="other prices: their close at"):
        ls.compare(prices * 1.01, [lstm])
    with pytest.raises(ls.InputError, match="bars that nasdaq has not"):
        ls.compare(prices.iloc[:150], [lstm])


def test_what_cannot_be_saved_leaves_what_was_there(prices, models, comparison, tmp_path) -> None:
    folder = comparison.save(tmp_path / "x")
    broken = ls.Comparison(dict(comparison.report) | {"seed": object()}, *(getattr(comparison, name) for name in (
        "forecasts", "returns", "positions", "fills", "members", "days")))  # fmt: skip
    (folder / "fills.parquet").write_bytes(b"older")
    with pytest.raises(TypeError):
        broken.save(folder)
    assert (folder / "fills.parquet").read_bytes() == b"older"
    with pytest.raises(ls.InputError, match="holds no comparison"):
        ls.read_comparison(folder)
    (folder / "report.json").write_bytes(b"\xff")
    with pytest.raises(ls.InputError, match="holds no comparison"):
        ls.read_comparison(folder)


def test_all_models_gain_against_one_mean(prices, models) -> None:
    mine = ls.Forecasts.from_frame(models[0].frame[["forecast"]], name="mine")
    gain = ls.compare(prices, [models[1], mine]).error_gain
    outcome, mean = models[1].outcomes(prices).dropna(), models[1].frame["mean"]
    saved = (outcome - mean) ** 2 - (outcome - models[0].frame["forecast"]) ** 2
    pd.testing.assert_series_equal(gain["mine"], saved.dropna().cumsum(), check_names=False)
    assert list(gain) == ["rnn", "mine", "linear", "naive"]


@pytest.mark.parametrize("name", ["", "  ", "two\nlines"])
def test_a_name_that_cannot_be_shown_is_refused(prices, models, name) -> None:
    with pytest.raises(ls.InputError, match="a model's name must be text"):
        ls.compare(prices, [ls.Forecasts.from_frame(models[0].frame[["forecast"]], name=name)])


def test_models_of_other_bars_are_compared_on_the_common_ones(prices: pd.DataFrame, models: list[ls.Forecasts]) -> None:
    late = ls.Forecasts.from_frame(models[0].frame.iloc[40:], name="late")
    with pytest.warns(UserWarning, match="all models only"):
        comparison = ls.compare(prices, [models[1], late])
    assert comparison.report["forecast_bars"] == len(late)


def test_an_lstm_beats_the_mean_where_there_is_something_to_learn() -> None:
    """On an AR(1) with coefficient .5 both networks must find most of what can be found; on noise nothing."""
    rng = np.random.default_rng(3)
    shocks, returns = rng.normal(0, 0.01, 700), np.zeros(700)
    for t in range(1, 700):
        returns[t] = 0.5 * returns[t - 1] + shocks[t]
    close = 100 * np.exp(np.cumsum(returns))
    bars = pd.DataFrame(
        dict.fromkeys(("open", "high", "low", "close"), close), index=pd.bdate_range("2000", periods=700)
    )
    recipe = ls.Forecaster(window=5, hidden=8, epochs=15, members=2, target="close", learning_rate=5e-3)
    schedule = ls.WalkForward(train=400, test=130)
    found = ls.forecast(bars, [recipe, recipe.replace(cell="rnn")], schedule, n_jobs=1, progress=False)
    r2 = ls.compare(bars, found).table("forecasts").loc["r2"]
    assert r2["lstm"] > 0.12
    assert r2["rnn"] > 0.12
    assert r2["linear"] > 0.15
    assert r2["naive"] < 0.05
