"""The walk, live: bar by bar, with refits, the same forecasts to the bit and the same trades as walked before."""

import time

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

import lstm_signal as ls
from lstm_signal.bt import NoRepeats, PricesData, Streaming, StreamingForecast
from tests.conftest import SHORT, TINY

LINES = ("forecast", "lower", "upper", "spread", "strength")
GROWING = ls.WalkForward(train=60, test=25, anchored=True)


class Listener(bt.Strategy):
    params = (("walk", None),)

    def __init__(self):
        self.model = StreamingForecast(self.data, walk=self.p.walk)
        self.rows = []

    def next(self):
        at = pd.Timestamp(self.data.datetime.datetime(0)).round("ms")
        self.rows.append((at, *(line[0] for line in self.model.lines), self.model.origin()["fit"]))


def heard(feed: bt.feed.DataBase, walk: Streaming) -> pd.DataFrame:
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(feed)
    cerebro.addstrategy(Listener, walk=walk)
    rows = cerebro.run()[0].rows
    frame = pd.DataFrame(rows, columns=["date", *LINES, "fit"]).set_index("date")
    return frame.set_axis(frame.index.as_unit("ns"))


def same(got: pd.DataFrame, walked: ls.Forecasts) -> None:
    """Check that the bars before the first forecast are NaN, and the others the walk's, bit for bit."""
    frame = walked.frame
    assert got["forecast"].notna().sum() == len(frame)
    assert got["lower"].notna().sum() > len(frame) / 2
    for name in (*LINES, "fit"):
        pd.testing.assert_series_equal(
            got.loc[frame.index, name], frame[name], check_exact=True, check_names=False, check_freq=False
        )


@ls.feature(lookback=3)
def swing(bars: pd.DataFrame) -> float:
    return float(np.log(bars["high"].max() / bars["low"].min()))


RECIPES = {
    "lstm": TINY,
    "rnn": TINY.replace(cell="rnn"),
    "linear": TINY.replace(cell="linear"),
    "carried": TINY.replace(state="carried"),
    "features": TINY.replace(features=("return", "gap", "range", swing), layers=2, dropout=0.2, patience=1),
    "close": TINY.replace(target="close", horizon=3),
}


@pytest.mark.parametrize("schedule", [SHORT, GROWING], ids=["rolling", "growing"])
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_streamed_forecasts_are_the_walks_to_the_bit(prices, recipe, schedule):
    walked = ls.forecast(prices, recipe, schedule, n_jobs=1, seed=3)
    same(heard(PricesData(dataname=prices), Streaming(recipe, schedule, seed=3)), walked)


def test_intraday_bars_stream_by_their_instants(prices):
    bars = prices.set_axis(pd.date_range("2024-01-02 09:31", periods=200, freq="7min", unit="ns", name="date"))
    walked = ls.forecast(bars, TINY, SHORT, n_jobs=1)
    feed = PricesData(dataname=bars, timeframe=bt.TimeFrame.Minutes, compression=7)
    same(heard(feed, Streaming(TINY, SHORT)), walked)


class Live(bt.feed.DataBase):
    """Bars one at a time, as a broker's feed delivers them: with pauses, and a reconnect that sends one again."""

    params = (("prices", None), ("pauses", (3, 70, 120)), ("repeats", (66, 110, 150)))

    def start(self):
        super().start()
        rows = list(self.p.prices.itertuples())
        self.queue = []
        for number, row in enumerate(rows):
            self.queue += [None] * (number in self.p.pauses) + [row] * (1 + (number in self.p.repeats))

    def islive(self):
        return True

    def _load(self):
        if not self.queue:
            return False
        row = self.queue.pop(0)
        if row is None:
            time.sleep(0.01)
            return None
        self.lines.datetime[0] = bt.date2num(row.Index.to_pydatetime())
        for name in ("open", "high", "low", "close", "volume"):
            getattr(self.lines, name)[0] = getattr(row, name)
        return True


def traded(feed: bt.feed.DataBase, forecasts: object, **params: object) -> tuple[list, float]:
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(feed)
    cerebro.addstrategy(ls.load_strategy("long_short"), forecasts=forecasts, threshold=0.3, **params)
    cerebro.broker.setcommission(0.0001)
    cerebro.addanalyzer(bt.analyzers.Transactions, _name="fills")
    ran = cerebro.run()[0]
    return list(ran.analyzers.fills.get_analysis().items()), cerebro.broker.getvalue(), ran.log


@pytest.mark.parametrize("fill", ["next_open", "close"])
def test_a_live_feed_trades_as_the_backtest_did(prices, fill):
    live = Live(prices=prices)
    live.addfilter(NoRepeats)
    streamed = traded(live, Streaming(TINY, SHORT), fill=fill)
    walked = traded(PricesData(dataname=prices), ls.forecast(prices, TINY, SHORT, n_jobs=1), fill=fill)
    assert len(walked[0]) > 10
    assert streamed[:2] == walked[:2]
    assert [{**entry, "ref": 0} for entry in streamed[2]] == [{**entry, "ref": 0} for entry in walked[2]]


def test_a_repeated_bar_changes_no_forecast_even_without_the_filter(prices):
    walked = ls.forecast(prices, TINY, SHORT, n_jobs=1)
    got = heard(Live(prices=prices), Streaming(TINY, SHORT))
    assert len(got) == len(prices) + 3
    same(got[~got.index.duplicated()], walked)
    assert got.loc[prices.index[110], "forecast"].nunique() == 1


def test_what_is_no_plan_of_a_walk_is_refused(prices):
    with pytest.raises(ls.InputError, match="takes a Forecaster and a WalkForward"):
        Streaming(SHORT)
    with pytest.raises(ls.InputError, match=r"takes walk=Streaming\(recipe, schedule\)"):
        heard(PricesData(dataname=prices), None)
    assert (Streaming(TINY).name, Streaming(TINY, name="mine").name) == ("lstm", "mine")
