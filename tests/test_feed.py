"""Feeds: the same bars and trades as PandasData, in every mode; forecasts as lines of the feed."""

import datetime

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

import lstm_signal as ls
from lstm_signal.bt import Forecast, ForecastData, ForecastSignal, PricesData


class Crossing(bt.Strategy):
    """Buys and sells on a crossing of averages, and keeps what was filled and seen."""

    def __init__(self):
        fast, slow = (bt.indicators.SimpleMovingAverage(self.data.close, period=n) for n in (3, 8))
        self.crossing = bt.indicators.CrossOver(fast, slow)
        self.fills, self.seen = [], []

    def next(self):
        self.seen.append(tuple(line[0] for line in self.data.lines if line[0] == line[0]))
        if self.crossing[0] > 0:
            self.buy()
        elif self.crossing[0] < 0 and self.position:
            self.close()

    def notify_order(self, order):
        if order.status == order.Completed:
            self.fills.append((order.executed.dt, order.executed.size, order.executed.price))


def minutes() -> pd.DataFrame:
    bars = ls.total_return(ls.sample_prices().iloc[:300])
    return bars.set_axis(pd.date_range("2024-01-02 09:31", periods=300, freq="7min", unit="ns"))


FRAMES = {"daily": ls.total_return(ls.sample_prices().iloc[:300]), "minutes": minutes()}
MODES = {
    "default": {}, "next": {"runonce": False}, "no preload": {"preload": False}, "exactbars": {"exactbars": 1},
    "next, no preload": {"runonce": False, "preload": False},
}  # fmt: skip


def trade(feed: bt.feeds.PandasData, prepare=None, **mode) -> tuple[list, list, float]:
    cerebro = bt.Cerebro()
    cerebro.adddata(feed) if prepare is None else prepare(cerebro, feed)
    cerebro.addstrategy(Crossing)
    (traded,) = cerebro.run(**mode)
    return traded.seen, traded.fills, cerebro.broker.getvalue()


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_bars_trades_and_value_are_those_of_pandas_data(frame, mode):
    ours, theirs = (trade(feed(dataname=frame), **mode) for feed in (PricesData, bt.feeds.PandasData))
    assert len(theirs[1]) > 5
    assert ours == theirs


@pytest.mark.parametrize("kind", ["from", "to", "resampled", "replayed", "filtered"])
@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_where_each_bar_is_looked_at_it_loads_them_one_by_one(frame, kind, monkeypatch):
    middle = frame.index[100].to_pydatetime()
    limits = {"from": {"fromdate": middle}, "to": {"todate": middle}}.get(kind, {})
    prepare = {
        "resampled": lambda cerebro, feed: cerebro.resampledata(feed, timeframe=bt.TimeFrame.Weeks),
        "replayed": lambda cerebro, feed: cerebro.replaydata(feed, timeframe=bt.TimeFrame.Weeks),
        "filtered": lambda cerebro, feed: (feed.addfilter(EverySecond), cerebro.adddata(feed)),
    }.get(kind)
    ours, theirs = (
        trade(feed(dataname=frame, timeframe=bt.TimeFrame.Minutes, **limits), prepare)
        for feed in (PricesData, bt.feeds.PandasData)
    )
    assert ours == theirs
    assert kind in ("resampled", "replayed") or 40 < len(ours[0]) < 250


class EverySecond:
    def __init__(self, data):
        self.count = 0

    def __call__(self, data):
        self.count += 1
        if self.count % 2:
            data.backwards()
        return bool(self.count % 2)


def test_bars_are_filled_at_once_where_they_can_be(monkeypatch):
    monkeypatch.setattr(bt.feeds.PandasData, "_load", None)
    assert len(trade(PricesData(dataname=FRAMES["daily"]))[0]) > 200


def test_columns_may_be_named_and_left_out_as_in_pandas_data():
    frame = FRAMES["daily"].reset_index().rename(columns={"close": "last", "index": "when"})
    given = {"datetime": 0, "close": "last", "volume": None}
    ours, theirs = (trade(feed(dataname=frame, **given)) for feed in (PricesData, bt.feeds.PandasData))
    assert ours == theirs


def test_optstrategy_runs_over_the_feed():
    def best(feed: type) -> list[float]:
        cerebro = bt.Cerebro(maxcpus=1, optreturn=False)
        cerebro.adddata(feed(dataname=FRAMES["daily"]))
        cerebro.optstrategy(Sized, size=[1, 2])
        return [result[0].end for result in cerebro.run()]

    assert best(PricesData) == best(bt.feeds.PandasData)
    assert len(set(best(PricesData))) == 2


class Sized(Crossing):
    params = (("size", 1),)

    def next(self):
        if not self.position:
            self.buy(size=self.p.size)

    def stop(self):
        self.end = self.broker.getvalue()


# A feed with forecasts


class Listener(bt.Strategy):
    params = (("forecasts", None),)

    def __init__(self):
        self.own = Forecast(self.data, forecasts=self.p.forecasts)
        self.rows = []

    def next(self):
        both = [[getattr(where, name)[0] for name in ("forecast", "lower", "upper", "spread", "strength")]
                for where in (self.data, self.own)]  # fmt: skip
        self.rows.append((self.data.datetime.datetime(0), *both, self.data.close[0]))


@pytest.mark.parametrize("runonce", [True, False])
def test_the_feeds_lines_are_the_indicators_and_start_with_the_first_forecast(paid, said, runonce, tmp_path):
    path = said.save(tmp_path / "f.parquet")
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(ForecastData(dataname=paid, forecasts=str(path)))
    cerebro.addstrategy(Listener, forecasts=said)
    rows = cerebro.run(runonce=runonce)[0].rows
    assert [row[0] for row in rows] == list(said.frame.index.to_pydatetime())
    for line, name in enumerate(("forecast", "lower", "upper", "spread", "strength")):
        for where in (1, 2):
            np.testing.assert_array_equal([row[where][line] for row in rows], said.frame[name].to_numpy())
    closes = ls.total_return(paid)["close"][said.frame.index]
    assert [row[3] for row in rows] == closes.to_list()
    assert closes.iloc[-1] != paid["close"].iloc[-1]


def test_an_average_of_a_forecast_line_is_no_nan(paid, said):
    class Smooth(bt.Strategy):
        def __init__(self):
            self.smooth = bt.indicators.ExponentialMovingAverage(self.data.forecast, period=5)
            self.values = []

        def next(self):
            self.values.append(self.smooth[0])

    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(ForecastData(dataname=paid, forecasts=said))
    cerebro.addstrategy(Smooth)
    values = cerebro.run()[0].values
    assert len(values) == len(said) - 4
    assert np.isfinite(values).all()
    assert values[0] == pytest.approx(said.frame["forecast"].iloc[:5].mean())


def test_a_strategy_takes_the_feeds_forecasts(paid, said):
    strategy = ls.load_strategy("long_flat")
    values = []
    for feed, given in ((ForecastData(dataname=paid, forecasts=said), {}),
                        (PricesData(dataname=ls.total_return(paid)), {"forecasts": said})):  # fmt: skip
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.adddata(feed)
        cerebro.addstrategy(strategy, threshold=0.1, **given)
        traded = cerebro.run()[0]
        values.append((cerebro.broker.getvalue(), [entry["sent"] for entry in traded.log]))
    assert values[0] == values[1]
    assert len(values[0][1]) > 3


def test_forecasts_of_other_prices_and_unclean_prices_are_refused(paid, said, prices):
    with pytest.raises(ls.InputError, match="were made on other prices"):
        ForecastData(dataname=paid * 1.5, forecasts=said)
    broken = paid.copy()
    broken.iloc[7, 3] = np.nan
    with pytest.raises(ls.InputError, match=str(broken.index[7].date())):
        ForecastData(dataname=broken, forecasts=said)
    with pytest.raises(ls.InputError, match="ForecastData was given a NoneType as forecasts"):
        ForecastData(dataname=paid)


# backtrader's own way


def signalled(paid, feed, **given) -> list[tuple[datetime.date, float]]:
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(feed)
    cerebro.add_signal(bt.SIGNAL_LONGSHORT, ForecastSignal, **given)
    cerebro.addsizer(bt.sizers.FixedSize, stake=3)
    cerebro.addanalyzer(bt.analyzers.Transactions, _name="fills")
    found = cerebro.run()[0].analyzers.fills.get_analysis()
    return [(stamp.date(), row[0][0]) for stamp, row in found.items()]


def test_a_signal_is_the_strength_beyond_the_threshold(paid, said):
    feed = PricesData(dataname=ls.total_return(paid))
    got = signalled(paid, feed, forecasts=said, threshold=0.3)
    strength = said.frame["strength"]
    signal = ((strength > 0.3).astype(int) - (strength < -0.3).astype(int)).to_numpy()
    held, wanted = 0, []
    for bar, now in enumerate(signal[:-1]):
        if now and np.sign(held) != now:
            wanted.append((said.frame.index[bar + 1].date(), 3.0 * now - held))
            held = 3 * now
    assert len(wanted) > 3
    assert {day for day, _ in got} == {day for day, _ in wanted}
    of_feed = signalled(paid, ForecastData(dataname=paid, forecasts=said), threshold=0.3)
    assert of_feed == got


def test_a_signal_without_forecasts_or_with_ones_that_look_ahead_is_refused(paid, said):
    with pytest.raises(ls.InputError, match="ForecastSignal was given a NoneType"):
        signalled(paid, PricesData(dataname=paid))
    frame = said.frame.assign(data_through=said.frame.index + pd.Timedelta("1D"))
    ahead = ls.Forecasts.from_frame(frame, name="ahead")
    with pytest.raises(ls.LookAheadError, match="has seen a later bar"):
        signalled(paid, PricesData(dataname=paid), forecasts=ahead)
