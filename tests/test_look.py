"""Looking into an LSTM: `lstm-signal rates`, its picture, the indicator, and the ladder's table."""

import json

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

import lstm_signal as ls
from lstm_signal import plots, road
from lstm_signal.bt.indicators import Rates
from tests.conftest import SHORT, TINY

SMALL = ["--train", "150", "--test", "60", "--window", "10", "--hidden", "4", "--epochs", "1", "--members", "2"]


@pytest.fixture
def lstm_signal(tmp_path, monkeypatch, command_line):
    monkeypatch.chdir(tmp_path)
    ls.sample_prices().iloc[:330].to_csv("bars.csv")
    return command_line


def test_rates_are_drawn_told_and_kept(lstm_signal, tmp_path):
    status, out, err = lstm_signal("rates", "--csv", "bars.csv", *SMALL)
    assert (status, err) == (0, "")
    bars = ls.read_prices("bars.csv")
    fitted = ls.Forecaster(window=10, hidden=4, epochs=1, members=2).fit(bars.iloc[:162])
    assert f"fitted through {fitted.data_through:%Y-%m-%d}" in out
    kept = pd.read_parquet("reports/bars/rates.parquet")
    pd.testing.assert_frame_equal(kept, fitted.rates(bars), check_freq=False, check_names=False)
    assert (tmp_path / "reports/bars/rates.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    later = kept.loc[fitted.data_through :].iloc[1:]
    row = next(line.split() for line in out.splitlines() if line.strip().startswith("forget rate"))
    assert row[2] == f"{later['forget'].mean():.4f}"
    assert row[5:7] == [f"{later['forget'].min():.4f}", f"{later['forget'].idxmin():%Y-%m-%d}"]


def test_rates_of_a_saved_fit_as_json(lstm_signal):
    fitted = TINY.replace(coupled=True).fit(ls.read_prices("bars.csv").iloc[:200])
    fitted.save("fit.safetensors")
    status, out, _ = lstm_signal("rates", "--csv", "bars.csv", "--model", "fit.safetensors", "--json", "--out", "here")
    told = json.loads(out)
    assert status == 0
    assert told["recipe"]["coupled"] is True
    assert told["data_through"] == fitted.data_through.isoformat()
    for part in ("mean", "calm", "wild"):
        assert told["rates"]["forget"][part] + told["rates"]["input"][part] == pytest.approx(1)


@pytest.mark.parametrize(("arguments", "told"), [
    (("rates", "--csv", "bars.csv", "--without", ",".join(ls.LADDER[-1]), *SMALL), "has no rates to look at"),
    (("rates", "--csv", "bars.csv", "--model", "gone.safetensors"), "no such file: gone.safetensors"),
    (("rates", "--csv", "bars.csv", "--train", "1000"), "cannot hold one fold"),
    (("rates", "--csv", "bars.csv", "--model", ""), "--model is empty"),
    (("rates", "--csv", "bars.csv", "--model", "late.safetensors"), "the fit has seen all of these bars"),
    (("rates", "--csv", "bars.csv", "--model", "late.safetensors", "--hidden", "64"), "--hidden is about a new fit"),
    (("ladder", "--csv", "bars.csv", "--coupled"), "leave --without and --coupled out"),
])  # fmt: skip
def test_what_cannot_be_looked_at_is_one_line(lstm_signal, tmp_path, arguments, told):
    TINY.replace(epochs=1).fit(ls.read_prices("bars.csv")).save("late.safetensors")
    status, out, err = lstm_signal(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert told in err
    assert not (tmp_path / "reports").exists()


def test_the_picture_draws_what_it_is_given(prices):
    rates = TINY.fit(prices).rates(prices)
    figure = plots.rates_over_time(prices, rates, prices.index[100], "A title <b>")
    price, forget, *_, state = figure.axes
    assert price.get_title(loc="left").startswith("A title <b>\n")
    assert price.lines[0].get_ydata().tolist() == prices["close"].to_list()
    assert np.array_equal(forget.lines[0].get_ydata(), rates["forget"], equal_nan=True)
    smooth = rates["h"].rolling(21).mean()
    assert np.array_equal(state.lines[1].get_ydata(), smooth, equal_nan=True)
    left, right = plots.sigmoid_and_tanh().axes
    assert (left.lines[0].get_ydata()[120], right.lines[0].get_ydata()[120]) == (0.5, 0.0)


def test_a_picture_is_the_same_bytes_each_time(prices, tmp_path):
    rates = TINY.replace(epochs=1).fit(prices).rates(prices)
    for name in ("a.png", "b.png"):
        plots.save(plots.rates_over_time(prices, rates, prices.index[100], "same"), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("runonce", [True, False])
def test_rates_are_lines_in_a_cerebro(prices, runonce):
    rates = TINY.fit(prices).rates(prices).astype("float32")
    seen = {}

    class Watch(bt.Strategy):
        def __init__(self):
            self.rates = Rates(self.data, rates=rates)

        def next(self):
            seen[pd.Timestamp(self.data.datetime.date(0))] = [line[0] for line in self.rates.lines]

    cerebro = bt.Cerebro(runonce=runonce)
    cerebro.adddata(bt.feeds.PandasData(dataname=ls.total_return(prices)))
    cerebro.addstrategy(Watch)
    cerebro.run()
    expected = rates.loc[list(seen)].astype("float64")
    assert np.array_equal(np.array(list(seen.values())), expected.to_numpy(), equal_nan=True)
    assert len(seen) == len(prices)


SPOILED = [lambda rates: rates[["h"]], lambda rates: rates.iloc[::-1], lambda rates: rates.iloc[:0],
           lambda rates: rates.reset_index(drop=True)]  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILED)
def test_rates_of_something_else_are_refused(prices, spoil):
    rates = spoil(TINY.replace(epochs=1).fit(prices).rates(prices))
    cerebro = bt.Cerebro()
    cerebro.adddata(bt.feeds.PandasData(dataname=prices))

    class Watch(bt.Strategy):
        def __init__(self):
            Rates(self.data, rates=rates)

    cerebro.addstrategy(Watch)
    with pytest.raises(ls.InputError, match="Rates takes"):
        cerebro.run()


# The ladder


def test_the_ladder_tells_what_each_elimination_did(lstm_signal, tmp_path):
    status, out, err = lstm_signal("ladder", "--csv", "bars.csv", *SMALL, "--json")
    assert status == 0, err
    told = json.loads(out)
    assert [rung["without"] for rung in told["rungs"]] == [list(parts) for parts in ls.LADDER]
    assert [rung["parameters"] for rung in told["rungs"]] == [117, 89, 61, 33, 33]
    assert list(told["report"]["models"])[:5] == list(road.RUNGS)
    saved = json.loads((tmp_path / "reports/bars-ladder/report.json").read_text())
    assert saved == told["report"]
    for rung in told["rungs"]:
        assert rung["r2"] == saved["forecasts"][rung["model"]]["r2"]["value"]
        assert rung["sharpe"] == saved["trading"][rung["model"]]["sharpe"]["value"]
    kept = ls.read_comparison("reports/bars-ladder").forecasts
    assert kept[kept["model"] == "no_memory"]["forecast"].std() > 0


def test_the_spread_of_a_rung_is_that_of_its_members(prices):
    model = ls.forecast(prices, TINY, SHORT, n_jobs=1, progress=False)
    outcome = model.outcomes(prices)
    known = outcome.notna()
    alone = [
        1 - ((outcome - said)[known] ** 2).sum() / ((outcome - model.frame["mean"])[known] ** 2).sum()
        for _, said in model.members.items()
    ]
    np.testing.assert_allclose(road.member_r2(prices, model), alone, rtol=0, atol=1e-12)


def test_the_rungs_table_is_readable():
    rung = {"model": "lstm", "without": [], "parameters": 4513, "r2": -0.0123, "member_r2_mean": -0.02,
            "member_r2_sd": 0.004, "sharpe": None}  # fmt: skip
    table = road.rung_table([rung, rung | {"model": "rnn", "without": ["output", "input"], "member_r2_sd": None}])
    lines = [line.split() for line in table.splitlines()]
    assert ["lstm", "nothing", "4513", "-1.23", "-2.00", "+-", "0.40", "-"] in lines
    assert ["rnn", "output,", "input", "4513", "-1.23", "-2.00", "-"] in lines
