"""ForecastStrategy and the Forecast indicator in a user's own Cerebro: backtrader's own broker and feeds."""

import math

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

import lstm_signal as ls
from lstm_signal.bt import Broker, Forecast

BARS = 60


class LongWhenStrong(ls.ForecastStrategy):
    params = (("threshold", 0.5),)

    def signal(self):
        return 1.0 if self.strength[0] > self.p.threshold else 0.0


class FollowStrength(ls.ForecastStrategy):
    """The strength is the signal, so a test can write down what is wanted bar by bar."""

    def signal(self):
        return self.strength[0]


class Fills(bt.Analyzer):
    """Every completed fill: day, size, price; and the last bar's value."""

    def __init__(self):
        self.rows, self.rejected = [], []

    def notify_order(self, order):
        if order.status == order.Completed:
            self.rows.append((bt.num2date(order.executed.dt).date(), order.executed.size, order.executed.price))
        elif order.status in (order.Margin, order.Rejected):
            self.rejected.append(bt.num2date(order.created.dt).date())


@pytest.fixture(scope="module")
def prices():
    return ls.sample_prices().iloc[:BARS]


@pytest.fixture(scope="module")
def strengths():
    """Return what is wanted at each bar: nothing, long, nothing, half short (too little to drift), long."""
    return np.repeat([0.0, 1.0, 0.0, -0.5, 1.0], [8, 15, 7, 15, 15])


def made(stamps, strength, forecast=0.001, **columns) -> ls.Forecasts:
    """Return forecasts whose strength is given."""
    frame = pd.DataFrame({"forecast": forecast, "strength": strength} | columns, index=stamps)
    return ls.Forecasts.from_frame(frame, name="mine")


def bars_of(close, stamps=None) -> pd.DataFrame:
    """Return bars that open at the previous close and move to `close`."""
    close = np.asarray(close, dtype="float64")
    opens = np.concatenate([close[:1], close[:-1]])
    stamps = pd.bdate_range("2024-01-01", periods=len(close), unit="ns") if stamps is None else stamps
    return pd.DataFrame({"open": opens, "high": np.maximum(opens, close), "low": np.minimum(opens, close),
                         "close": close, "volume": 0.0}, index=stamps)  # fmt: skip


def run(prices, strategy=FollowStrength, feed=None, runonce=True, prepare=None, cash=100_000.0, **params):
    """Run a strategy in a plain Cerebro; `prepare` may change it before the run. Return the strategy."""
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(bt.feeds.PandasData(dataname=prices) if feed is None else feed)
    cerebro.broker.set_cash(cash)
    cerebro.addanalyzer(Fills, _name="fills")
    cerebro.addstrategy(strategy, **params)
    if prepare:
        prepare(cerebro)
    return cerebro.run(runonce=runonce)[0]


def fills(strategy):
    return strategy.analyzers.fills.rows


# When and how much


@pytest.mark.parametrize(
    ("fill", "later", "column"), [("next_open", 1, "open"), ("next_close", 1, "close"), ("close", 0, "close")]
)
def test_orders_fill_at_the_bar_and_price_that_fill_says(prices, strengths, fill, later, column):
    traded = run(prices, forecasts=made(prices.index, strengths), fill=fill)
    changes = [8, 23, 30, 45]  # bars at which another exposure is wanted
    sides = [+1, -1, -1, +1]
    assert [(day, np.sign(size), price) for day, size, price in fills(traded)] == [
        (prices.index[bar + later].date(), side, prices[column].iloc[bar + later])
        for bar, side in zip(changes, sides, strict=True)
    ]
    assert [entry["sent"] for entry in traded.log] == [prices.index[bar].to_pydatetime() for bar in changes]


def test_signal_one_is_95_per_cent_of_equity_at_the_close_the_order_is_sent(prices, strengths):
    traded = run(prices, forecasts=made(prices.index, strengths))
    assert fills(traded)[0][1] == pytest.approx(0.95 * 100_000 / prices["close"].iloc[8])


@pytest.mark.parametrize("signal", [0.5, -0.25])
def test_exposure_scales_the_signal(prices, signal):
    traded = run(prices, forecasts=made(prices.index, np.full(BARS, signal)), exposure=0.6)
    assert fills(traded)[0][1] == pytest.approx(signal * 0.6 * 100_000 / prices["close"].iloc[0])


def test_the_log_says_why_each_order_was_sent(prices, strengths):
    said = np.linspace(-0.01, 0.01, BARS)
    traded = run(prices, forecasts=made(prices.index, strengths, forecast=said))
    assert [entry["wanted"] for entry in traded.log] == [1.0, 0.0, -0.5, 1.0]
    assert [entry["strength"] for entry in traded.log] == [1.0, 0.0, -0.5, 1.0]
    assert [entry["forecast"] for entry in traded.log] == [said[bar] for bar in (8, 23, 30, 45)]
    assert len({entry["ref"] for entry in traded.log}) == 4
    assert [entry["size"] for entry in traded.log] == pytest.approx([size for _, size, _ in fills(traded)])


def test_an_order_is_sent_once_and_not_again_while_the_signal_stays(prices):
    for signal in (1.0, 0.5):
        traded = run(prices, forecasts=made(prices.index, np.full(BARS, signal)))
        assert len(traded.log) == len(fills(traded)) == 1


def test_no_signal_no_order(prices):
    traded = run(prices, forecasts=made(prices.index, np.zeros(BARS)))
    assert traded.log == []
    assert traded.broker.getvalue() == 100_000


def first_drift(close, size, limit) -> int:
    """Return the first bar at which a short bought at bar 1 is further than `limit` from -95 % of equity."""
    cash = 100_000 - size * close[0]  # filled at the second bar's open, which is the first close
    for bar in range(1, len(close)):
        if abs(size * close[bar] / (cash + size * close[bar]) + 0.95) > limit:
            return bar
    raise AssertionError("the short never drifts")


def test_a_short_that_grows_is_cut_back():
    close = 100 * 1.01 ** np.arange(40)
    bars = bars_of(close)
    traded = run(bars, forecasts=made(bars.index, np.full(40, -1.0)))
    size = -0.95 * 100_000 / close[0]
    bar = first_drift(close, size, 0.10)
    assert bar > 2
    second = traded.log[1]
    assert second["sent"] == bars.index[bar].to_pydatetime()
    assert second["wanted"] == -1.0
    value = 100_000 - size * close[0] + size * close[bar]
    assert second["size"] == pytest.approx(-0.95 * value / close[bar] - size)
    assert second["size"] > 0
    exposure = traded.position.size * close[-1] / traded.broker.getvalue()
    assert exposure == pytest.approx(-0.95, abs=0.12)


@pytest.mark.parametrize(("drift", "orders"), [(0.2, 2), (5.0, 1)])
def test_drift_is_a_parameter(drift, orders):
    close = 100 * 1.01 ** np.arange(15)
    bars = bars_of(close)
    traded = run(bars, forecasts=made(bars.index, np.full(15, -1.0)), drift=drift)
    assert len(traded.log) == orders


def test_an_order_rejected_after_a_gap_is_sent_again():
    bars = bars_of(np.full(10, 100.0))
    bars.iloc[1, :4] = 110.0  # 95 % of equity cannot be paid at this open
    traded = run(bars, forecasts=made(bars.index, np.full(10, 1.0)))
    assert traded.analyzers.fills.rejected == [bars.index[0].date()]
    assert [day for day, _, _ in fills(traded)] == [bars.index[2].date()]


def test_an_order_that_waits_is_not_sent_again(hourly):
    # backtrader's own broker lets an order for the close wait for the end of the day, here of seven bars.
    traded = run(hourly, forecasts=made(hourly.index, np.full(70, 1.0)), fill="next_close")
    assert len(traded.log) == len(fills(traded)) == 1
    assert fills(traded)[0][2] == hourly["close"].iloc[6]


def test_no_later_forecast_changes_an_earlier_fill(prices, strengths):
    changed = strengths.copy()
    changed[30:] = 0.5
    before = fills(run(prices, forecasts=made(prices.index, strengths)))
    after = fills(run(prices, forecasts=made(prices.index, changed)))
    day = prices.index[30].date()
    assert [row for row in after if row[0] <= day] == [row for row in before if row[0] <= day]
    assert after != before


# Forecasts that are missing


def test_a_nan_forecast_means_flat(prices):
    said = np.full(BARS, 0.001)
    said[20:30] = np.nan
    traded = run(prices, LongWhenStrong, forecasts=made(prices.index, np.full(BARS, 2.0), forecast=said))
    assert [entry["wanted"] for entry in traded.log] == [1.0, 0.0, 1.0]
    assert [day for day, _, _ in fills(traded)] == [prices.index[bar].date() for bar in (1, 21, 31)]


def test_signal_is_not_asked_where_there_is_no_forecast(prices):
    asked = []

    class Asked(ls.ForecastStrategy):
        def signal(self):
            asked.append(self.data.datetime.datetime(0))
            return 0.0

    run(prices, Asked, forecasts=made(prices.index[[10, 11, 40]], 1.0))
    assert asked == [prices.index[bar].to_pydatetime() for bar in (10, 11, 40)]


def test_a_nan_signal_means_flat(prices, strengths):
    wanted = np.where(strengths > 0, 1.0, np.nan)
    traded = run(prices, forecasts=made(prices.index, wanted))
    assert [entry["wanted"] for entry in traded.log] == [1.0, 0.0, 1.0]


def test_bars_after_the_last_forecast_are_flat(prices):
    traded = run(prices, forecasts=made(prices.index[:30], np.full(30, 1.0)))
    assert [day for day, _, _ in fills(traded)] == [prices.index[1].date(), prices.index[31].date()]
    assert traded.position.size == 0


# Feeds, modes, paths


def csv_feed(prices, folder):
    """Return a GenericCSVData feed of daily bars, which backtrader stamps 23:59:59.99."""
    path = folder / "bars.csv"
    prices[["open", "high", "low", "close", "volume"]].to_csv(path)
    return bt.feeds.GenericCSVData(dataname=str(path), dtformat="%Y-%m-%d", openinterest=-1)


@pytest.mark.parametrize("fill", ["next_open", "next_close", "close"])
def test_feed_and_mode_do_not_change_a_fill(prices, strengths, tmp_path, fill):
    forecasts = made(prices.index, strengths)
    expected = fills(run(prices, forecasts=forecasts, fill=fill))
    assert len(expected) == 4
    for runonce in (True, False):
        assert fills(run(prices, runonce=runonce, forecasts=forecasts, fill=fill)) == expected
        feed = csv_feed(prices, tmp_path)
        assert fills(run(prices, feed=feed, runonce=runonce, forecasts=forecasts, fill=fill)) == expected
        assert feed.datetime.time(0).hour == 23


def test_without_preloading_the_fills_are_the_same(prices, strengths):
    forecasts = made(prices.index, strengths)

    class NotPreloaded(bt.feeds.PandasData):
        def islive(self):
            return True

    assert fills(run(prices, feed=NotPreloaded(dataname=prices), forecasts=forecasts)) == fills(
        run(prices, forecasts=forecasts)
    )


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_the_path_of_saved_forecasts_will_do(prices, strengths, tmp_path, suffix):
    forecasts = made(prices.index, strengths)
    path = str(forecasts.save(tmp_path / f"f{suffix}"))
    assert fills(run(prices, forecasts=path)) == fills(run(prices, forecasts=forecasts))


@pytest.mark.parametrize("runonce", [True, False])
@pytest.mark.parametrize("missing", [0, 1], ids=["same days", "fewer days"])
def test_a_second_feed_does_not_disturb(prices, strengths, runonce, missing):
    kept = prices.iloc[:: 1 + missing]
    forecasts = made(prices.index, strengths)

    def other(cerebro):
        cerebro.adddata(bt.feeds.PandasData(dataname=prices * 2))

    beside = run(kept, forecasts=forecasts, prepare=other, runonce=runonce)
    assert fills(beside) == fills(run(kept, forecasts=forecasts))


@pytest.mark.parametrize("fill", ["next_open", "next_close", "close"])
def test_a_bar_of_another_feed_is_no_bar_of_this_one(prices, strengths, fill):
    """An hour's feed beside a day's: the day's forecast is looked at once a day, however often the other one ticks."""
    asked = []

    class Counting(FollowStrength):
        def signal(self):
            asked.append(self.data.datetime.date(0))
            return super().signal()

    def other(cerebro):
        noon = prices.set_axis(prices.index + pd.Timedelta("12h"))
        cerebro.adddata(bt.feeds.PandasData(dataname=noon, timeframe=bt.TimeFrame.Minutes))
        cerebro.broker = Broker(cash=100_000.0)

    forecasts = made(prices.index, strengths)
    with_other = run(prices, Counting, forecasts=forecasts, prepare=other, fill=fill)
    assert asked == sorted(set(asked))
    assert fills(with_other) == fills(run(prices, forecasts=forecasts, fill=fill))


def test_backtraders_broker_would_fill_at_a_known_close_beside_another_feed_and_is_refused(prices, strengths):
    def other(cerebro):
        cerebro.adddata(bt.feeds.PandasData(dataname=prices * 2))

    forecasts = made(prices.index, strengths)
    with pytest.raises(ls.InputError, match=r"cerebro\.broker = lstm_signal\.bt\.Broker\(cash=\.\.\.\)"):
        run(prices, forecasts=forecasts, prepare=other, fill="next_close")


def test_whole_shares_never_hold_more_than_wanted(prices, strengths):
    forecasts = made(prices.index, strengths)
    whole = run(prices, forecasts=forecasts, whole_shares=True)
    sizes = np.array([size for _, size, _ in fills(whole)])
    exact = np.array([size for _, size, _ in fills(run(prices, forecasts=forecasts))])
    assert len(sizes) == len(exact) == 4
    assert (sizes == np.trunc(sizes)).all()
    held = np.cumsum(sizes)
    assert (np.abs(held) <= np.abs(np.cumsum(exact)) + 0.5).all()
    assert held[0] == math.trunc(exact[0])


def test_several_models_are_weighed_together(prices):
    """Long while all are strong, short while all are weak, flat while they differ or one has nothing to say."""
    first, second = np.repeat([0.0, 1.0, -1.0], 20), np.tile(np.repeat([1.0, -1.0], 10), 3)
    second[55:] = np.nan
    one = made(prices.index, first)
    other = made(prices.index, second, forecast=np.where(np.isnan(second), np.nan, 0.001))
    traded = run(prices, ls.load_strategy("agreement"), forecasts=(one, other))
    assert [(entry["sent"], entry["wanted"]) for entry in traded.log] == [
        (prices.index[bar].to_pydatetime(), wanted) for bar, wanted in ((20, 1.0), (30, 0.0), (50, -1.0), (55, 0.0))
    ]
    assert [model.name for model in traded.models] == ["mine", "mine"]
    result = ls.backtest(prices, (one, other), "agreement")
    assert (result.name, len(result.fills)) == ("mine & mine", 4)


def test_models_of_different_targets_are_not_weighed(prices, strengths):
    one = made(prices.index, strengths)
    frame = pd.DataFrame({"forecast": 0.001}, index=prices.index)
    other = ls.Forecasts.from_frame(frame, name="far", horizon=5)
    for given in ((one, other), ()):
        with pytest.raises(ls.InputError, match="several of one target and horizon"):
            ls.backtest(prices, given, "agreement")
    with pytest.raises(ls.InputError, match="takes Forecasts, not float"):
        ls.backtest(prices, (one, 0.1), "agreement")


# Subclasses


def test_an_init_of_ones_own_need_not_call_super(prices):
    class Smoothed(ls.ForecastStrategy):
        params = (("period", 3),)

        def __init__(self):
            self.smooth = bt.indicators.SimpleMovingAverage(self.strength, period=self.p.period)

        def signal(self):
            return 1.0 if self.smooth[0] > 0.6 else 0.0

    strength = np.zeros(BARS)
    strength[10:20] = 1.0
    traded = run(prices, Smoothed, forecasts=made(prices.index, strength))
    assert [entry["sent"] for entry in traded.log] == [prices.index[bar].to_pydatetime() for bar in (11, 21)]


def test_several_parameters_each_can_be_given(prices):
    strength = np.linspace(0.0, 2.0, BARS)

    class Banded(LongWhenStrong):
        params = (("upper", 1.5), ("share", 1.0))

        def signal(self):
            return self.p.share * super().signal() if self.strength[0] < self.p.upper else 0.0

    forecasts = made(prices.index, strength)
    assert [entry["wanted"] for entry in run(prices, Banded, forecasts=forecasts).log] == [1.0, 0.0]
    traded = run(prices, Banded, forecasts=forecasts, threshold=0.2, upper=0.8, share=0.3, exposure=0.5)
    assert [entry["wanted"] for entry in traded.log] == [0.3, 0.0]
    sent = [entry["sent"] for entry in traded.log]
    assert sent == [prices.index[np.argmax(strength > 0.2)], prices.index[np.argmax(strength >= 0.8)]]
    assert fills(traded)[0][1] == pytest.approx(
        0.3 * 0.5 * 100_000 / prices["close"].iloc[int(np.argmax(strength > 0.2))]
    )


@pytest.mark.parametrize("signal", [1.01, -1.5, math.inf, -math.inf])
def test_a_signal_beyond_one_is_refused_with_its_bar(prices, signal):
    strength = np.zeros(BARS)
    strength[17] = signal
    with pytest.raises(ls.InputError, match=r"FollowStrength\.signal\(\) returned") as refused:
        run(prices, forecasts=made(prices.index, strength))
    assert str(prices.index[17]) in str(refused.value)
    assert str(signal) in str(refused.value)


def test_a_strategy_without_signal_says_what_to_write(prices):
    class Silent(ls.ForecastStrategy):
        pass

    with pytest.raises(NotImplementedError, match=r"Silent has no signal\(\)"):
        run(prices, Silent, forecasts=made(prices.index, 1.0))


@pytest.mark.parametrize("given", [{}, {"forecasts": None}, {"forecasts": 3}, {"forecasts": pd.Series([0.1])}])
def test_without_forecasts_the_error_shows_the_call(prices, given):
    with pytest.raises(ls.InputError, match=r"cerebro\.addstrategy\(LongWhenStrong, forecasts=forecasts\)"):
        run(prices, LongWhenStrong, **given)


def test_a_path_that_is_not_there_is_named(prices, tmp_path):
    with pytest.raises(ls.InputError, match=r"no such file.*gone\.parquet"):
        run(prices, forecasts=str(tmp_path / "gone.parquet"))


# What would look ahead


def test_a_fit_that_saw_a_later_bar_is_refused(prices):
    through = prices.index.to_series()
    made_at = made(prices.index, 0.0, data_through=through)
    run(prices, forecasts=made_at)  # seen as far as its own bar: no look-ahead
    through.iloc[12] = prices.index[13]
    with pytest.raises(ls.LookAheadError) as refused:
        run(prices, forecasts=made(prices.index, 0.0, data_through=through))
    assert str(prices.index[12]) in str(refused.value)
    assert str(prices.index[13]) in str(refused.value)


@pytest.fixture(scope="module")
def hourly():
    """Return seven bars a day over ten weekdays, stamped at their close."""
    days = pd.bdate_range("2024-01-01", periods=10, unit="ns")
    stamps = pd.DatetimeIndex([day + pd.Timedelta(hours=hour) for day in days for hour in range(10, 17)])
    return bars_of(100 + np.sin(np.arange(70)), stamps.as_unit("ns"))


@pytest.mark.parametrize("runonce", [True, False])
def test_daily_forecasts_beside_intraday_bars_are_refused(hourly, runonce):
    days = hourly.index.normalize().unique()
    with pytest.raises(ls.LookAheadError, match="are daily, and the feed has several bars on 2024-01-01"):
        run(hourly, runonce=runonce, forecasts=made(days, 1.0))


@pytest.mark.parametrize("runonce", [True, False])
@pytest.mark.parametrize("twice", [0, 3, 8], ids=["first", "inside", "last"])
def test_one_day_with_two_bars_is_enough_to_be_refused(runonce, twice):
    days = pd.bdate_range("2024-01-01", periods=9, unit="ns")
    stamps = days.insert(twice + 1, days[twice] + pd.Timedelta(hours=1))
    with pytest.raises(ls.LookAheadError, match=f"several bars on {days[twice]:%Y-%m-%d}"):
        run(bars_of(np.full(10, 100.0), stamps), runonce=runonce, forecasts=made(days, 1.0))


@pytest.mark.parametrize("runonce", [True, False])
def test_intraday_forecasts_are_found_by_their_instant(hourly, runonce):
    strength = np.zeros(70)
    strength[[12, 13, 40]] = 1.0
    traded = run(hourly, runonce=runonce, forecasts=made(hourly.index, strength))
    sent = [pd.Timestamp(entry["sent"]).round("ms") for entry in traded.log]
    assert sent == [hourly.index[bar] for bar in (12, 14, 40, 41)]


# The broker


def test_a_broker_that_cheats_on_close_is_refused_unless_asked_for(prices, strengths):
    forecasts = made(prices.index, strengths)

    def cheat(cerebro):
        cerebro.broker.set_coc(True)

    for fill in ("next_open", "next_close"):
        with pytest.raises(ls.InputError, match="cheats on close"):
            run(prices, forecasts=forecasts, prepare=cheat, fill=fill)
    cheated = run(prices, forecasts=forecasts, prepare=cheat, fill="close")
    assert fills(cheated) == fills(run(prices, forecasts=forecasts, fill="close"))


def test_an_unknown_fill_gets_a_hint(prices):
    with pytest.raises(ls.InputError, match='Did you mean "next_open"'):
        run(prices, forecasts=made(prices.index, 0.0), fill="nextopen")


# The indicator alone


class Listener(bt.Strategy):
    """A strategy of somebody's own that knows only the indicator."""

    params = (("forecasts", None),)

    def __init__(self):
        self.said = Forecast(self.data, forecasts=self.p.forecasts)
        self.heard = []

    def next(self):
        self.heard.append([line[0] for line in self.said.lines])


LINES = ["forecast", "lower", "upper", "spread", "strength"]


@pytest.mark.parametrize("runonce", [True, False])
@pytest.mark.parametrize("csv", [True, False], ids=["23:59:59", "00:00"])
def test_the_indicators_lines_are_the_frames_columns_by_date(prices, tmp_path, runonce, csv):
    some = prices.index[[0, 5, 6, 7, 30, 58]]
    columns = {name: np.arange(6) + 10.0 * number for number, name in enumerate(LINES[1:4])}
    forecasts = made(some, np.arange(6) / 10, np.arange(6) / 100, **columns)
    feed = csv_feed(prices, tmp_path) if csv else None
    listened = run(prices, Listener, feed=feed, runonce=runonce, forecasts=forecasts)
    expected = forecasts.frame[LINES].reindex(prices.index)
    np.testing.assert_array_equal(np.array(listened.heard), expected)
    assert Forecast.lines.getlinealiases() == tuple(LINES)


@pytest.mark.parametrize("runonce", [True, False])
def test_the_indicator_reads_a_path(prices, tmp_path, runonce):
    forecasts = made(prices.index, np.arange(BARS) / 10)
    path = str(forecasts.save(tmp_path / "f.parquet"))
    listened = run(prices, Listener, runonce=runonce, forecasts=path)
    np.testing.assert_array_equal(np.array(listened.heard)[:, -1], np.arange(BARS) / 10)


@pytest.mark.parametrize("runonce", [True, False])
@pytest.mark.parametrize("stamps", [["1990-01-02"], ["2030-01-02"]], ids=["long before", "long after"])
def test_bars_without_a_forecast_are_nan(prices, runonce, stamps):
    forecasts = made(pd.DatetimeIndex(stamps, dtype="datetime64[ns]"), 1.0)
    listened = run(prices, Listener, runonce=runonce, forecasts=forecasts)
    assert np.isnan(np.array(listened.heard)).all()
    assert len(listened.heard) == BARS


def test_the_indicator_refuses_what_is_no_forecast(prices):
    with pytest.raises(ls.InputError, match=r"Forecast was given a NoneType as forecasts"):
        run(prices, Listener)
