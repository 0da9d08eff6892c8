"""Analyzers, observer and picture in a user's own Cerebro: what they say is what a comparison and the broker say."""

import math

import backtrader as bt
import numpy as np
import pytest
from matplotlib.image import imread

import lstm_signal as ls
from lstm_signal import plots
from lstm_signal.bt import (
    ForecastAccuracy,
    ForecastBand,
    ForecastData,
    ForecastLedger,
    ForecastStrategy,
    PricesData,
    Rates,
    Streaming,
)
from tests.conftest import SHORT, TINY


@pytest.fixture(scope="module")
def wild(said) -> ls.Forecasts:
    """Forecasts that change their mind at every other bar, with the fits of a walk behind them."""
    random = np.random.default_rng(3).normal(0, 0.01, len(said))
    frame = said.frame.drop(columns=["strength", "price"]).assign(forecast=random)
    return ls.Forecasts.from_frame(frame, name="wild")


class Follow(ForecastStrategy):
    """Trades often: the sign of the forecast above its mean."""

    params = (("threshold", 0.0),)

    def signal(self):
        return float(np.sign(self.strength[0]))


def run(feed, strategy=Follow, prepare=lambda cerebro: None, runonce=True, **given):
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(feed)
    cerebro.addstrategy(strategy, **given)
    cerebro.addanalyzer(ForecastAccuracy, _name="accuracy")
    cerebro.addanalyzer(ForecastLedger, _name="ledger")
    cerebro.broker.setcommission(0.001)
    prepare(cerebro)
    return cerebro, cerebro.run(runonce=runonce)[0]


@pytest.mark.parametrize("runonce", [True, False])
def test_accuracy_is_that_of_a_comparison(paid, said, runonce):
    told = run(ForecastData(dataname=paid, forecasts=said), runonce=runonce)[1].analyzers.accuracy.get_analysis()
    expected = ls.compare(paid, [said]).report["forecasts"]["lstm"]
    assert set(told) == set(expected)
    for name, measure in expected.items():
        assert told[name]["value"] == pytest.approx(measure["value"], rel=1e-9)
        assert told[name]["unit"] == measure["unit"]


@pytest.mark.parametrize("source", ["feed", "strategy", "streamed", "analyzer"])
def test_analyzers_find_the_forecasts_wherever_they_are(prices, source):
    walked = ls.forecast(prices, TINY, SHORT, n_jobs=1)
    plain = PricesData(dataname=prices)
    feed, given = {
        "feed": (ForecastData(dataname=prices, forecasts=walked), {}),
        "strategy": (plain, {"forecasts": walked}),
        "streamed": (plain, {"forecasts": Streaming(TINY, SHORT)}),
        "analyzer": (plain, {}),
    }[source]
    if source == "analyzer":
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.adddata(feed)
        cerebro.addstrategy(bt.Strategy)
        cerebro.addanalyzer(ForecastAccuracy, _name="accuracy", forecasts=walked)
        told = cerebro.run()[0].analyzers.accuracy.get_analysis()
    else:
        told = run(feed, **given)[1].analyzers.accuracy.get_analysis()
    expected = ls.compare(prices, [walked]).report["forecasts"]["lstm"]
    for name in ("rmse", "r2", "hit_rate", "spread"):
        assert told[name]["value"] == pytest.approx(expected[name]["value"], rel=1e-9)


def test_an_analyzer_without_forecasts_says_what_to_give(prices):
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(PricesData(dataname=prices))
    cerebro.addstrategy(bt.Strategy)
    cerebro.addanalyzer(ForecastAccuracy)
    with pytest.raises(ls.InputError, match="ForecastAccuracy was given a NoneType as forecasts"):
        cerebro.run()


def test_the_ledger_tells_each_fill_its_forecast_and_its_money(paid, wild):
    cerebro, ran = run(PricesData(dataname=ls.total_return(paid)), forecasts=wild)
    ledger = ran.analyzers.ledger.get_analysis()
    assert len(ledger) > 20
    outcomes = wild.outcomes(paid)
    for row in ledger:
        behind = wild.frame.loc[row["sent"]]
        assert row["date"] > row["sent"]
        assert (row["forecast"], row["strength"], row["fit"]) == tuple(behind[["forecast", "strength", "fit"]])
        assert row["data_through"] == behind["data_through"] <= row["sent"]
        assert row["outcome"] == pytest.approx(outcomes[row["sent"]], rel=1e-9, nan_ok=True)
    assert ledger[-1]["held"] == pytest.approx(ran.position.size)
    assert sum(row["earned"] for row in ledger) == pytest.approx(cerebro.broker.getvalue() - 10_000, abs=1e-6)


def test_orders_say_why_they_were_sent(paid, wild):
    orders = ls.backtest(paid, wild, Follow).orders
    assert len(orders) > 20
    behind = wild.frame.loc[orders["sent"]]
    for column in ("forecast", "strength", "fit", "data_through"):
        assert orders[column].to_list() == behind[column].to_list()
    assert (orders["threshold"] == 0.0).all()


@pytest.mark.parametrize("runonce", [True, False])
def test_the_band_stands_where_it_was_meant_for(paid, said, runonce):
    _, ran = run(ForecastData(dataname=paid, forecasts=said), runonce=runonce,
                 prepare=lambda cerebro: cerebro.addobservermulti(ForecastBand))  # fmt: skip
    (band,) = ran.stats.forecastband
    close = ls.total_return(paid)["close"]
    shown = {name: np.array(getattr(band.lines, name).array)[: len(paid)] for name in ("predicted", "lower", "upper")}
    first = paid.index.get_loc(said.frame.index[0])
    for bar in (first + 1, first + 80, len(paid) - 1):
        row = said.frame.loc[paid.index[bar - 1]]
        for name, column in (("predicted", "forecast"), ("lower", "lower"), ("upper", "upper")):
            expected = close.iloc[bar - 1] * math.exp(row[column])
            assert shown[name][bar] == pytest.approx(expected, nan_ok=True)
    assert np.isnan(shown["predicted"][: first + 1]).all()
    assert np.isfinite(shown["upper"][-1])


def test_a_cerebro_is_drawn_without_a_display_to_a_file(paid, said, tmp_path, monkeypatch):
    import matplotlib.pyplot as plt

    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    rates = TINY.fit(paid.iloc[:80]).rates(paid)

    class Watched(Follow):
        def __init__(self):
            Rates(self.data, rates=rates)

    cerebro, _ = run(ForecastData(dataname=paid, forecasts=said), Watched,
                     prepare=lambda cerebro: cerebro.addobservermulti(ForecastBand))  # fmt: skip
    backend = plt.get_backend()
    figure = plots.cerebro(cerebro, tmp_path / "run.png", style="bar")
    assert plt.get_backend() == backend
    assert plt.get_fignums() == []
    legends = [axes.get_legend() for axes in figure.axes]
    labels = [text.get_text() for legend in legends if legend for text in legend.get_texts()]
    assert any("predicted" in label or "Forecast" in label for label in labels)
    assert not any("NaN" in label for label in labels)
    assert imread(tmp_path / "run.png").shape[:2] > (500, 500)
