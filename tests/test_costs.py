"""What orders cost by share and fixed, what cash earns, and how much a sizer buys: counted again by hand."""

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

import lstm_signal as ls
from lstm_signal.bt import Broker, CommissionInfo, ForecastData, ForecastSignal, ForecastSizer, PricesData


class Turns(ls.ForecastStrategy):
    """Long, short, flat: as the strength says."""

    def signal(self):
        return float(np.clip(self.strength[0], -1, 1))


class Cash(bt.Analyzer):
    """Cash, size and borrow-free value at each bar, and every fill."""

    def __init__(self):
        self.cash, self.fills = [], []

    def next(self):
        self.cash.append(self.strategy.broker.getcash())

    def notify_order(self, order):
        self.fills += [(len(self.strategy), each.size, each.price) for each in order.executed.iterpending()]


@pytest.fixture(scope="module")
def said(paid) -> ls.Forecasts:
    strength = np.resize(np.repeat([1.0, -1.0, 0.0, 0.5], 7), len(paid))
    frame = pd.DataFrame({"forecast": 0.001, "strength": strength}, index=paid.index)
    return ls.Forecasts.from_frame(frame, name="turns")


def run(paid, said, info, broker=None, real=False, **params):
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.broker = Broker(cash=100_000.0) if broker is None else broker
    feed = ForecastData(dataname=paid, forecasts=said)
    cerebro.adddata(feed, name="A")
    cerebro.broker.addcommissioninfo(info(feed) if real else info, name="A")
    cerebro.addstrategy(Turns, **params)
    cerebro.addanalyzer(Cash, _name="account")
    return cerebro.run()[0]


def parts(fills) -> list[tuple[int, list[float], float]]:
    """Return each fill as what it closes and what it opens."""
    held, split = 0.0, []
    for bar, size, price in fills:
        closing = -np.sign(held) * min(abs(held), abs(size)) if held * size < 0 else 0.0
        split.append((bar, [part for part in (closing, size - closing) if abs(part) > 1e-9], price))
        held += size
    return split


@pytest.mark.parametrize("real", [False, True])
def test_commission_by_share_of_value_by_share_and_fixed(paid, said, real):
    def info(feed=None):
        return CommissionInfo(commission=0.001, per_share=0.02, fixed=3.0, feed=feed)

    account = run(paid, said, info if real else info(), real=real).analyzers.account
    growth = (ls.total_return(paid)["close"] / paid["close"]).to_numpy() if real else np.ones(len(paid))
    assert growth[-1] > 1.04 or not real
    cash = 100_000.0
    due = {bar: (each, price) for bar, each, price in parts(account.fills)}
    assert len(due) > 20
    assert any(len(each) == 2 for each, _ in due.values())
    for bar, told in enumerate(account.cash, start=1):
        for size in due.get(bar, ([], 0))[0]:
            price = due[bar][1]
            cash -= size * price + abs(size) * (0.001 * price + 0.02 * growth[bar - 1]) + 3.0
        assert told == pytest.approx(cash, abs=0.005)


def test_a_real_share_counts_in_what_the_analyzers_tell(paid, said):
    cerebro = bt.Cerebro(stdstats=False)
    feed = ForecastData(dataname=paid, forecasts=said)
    cerebro.adddata(feed)
    cerebro.broker.addcommissioninfo(CommissionInfo(per_share=0.02, fixed=3.0, feed=feed))
    cerebro.addstrategy(Turns)
    cerebro.addanalyzer(ls.bt.ForecastLedger, _name="ledger")
    ledger = cerebro.run()[0].analyzers.ledger.get_analysis()
    growth = ls.total_return(paid)["close"] / paid["close"]
    split = parts([(fill["date"], fill["size"], fill["price"]) for fill in ledger])
    for fill, (date, each, _) in zip(ledger, split, strict=True):
        expected = sum(0.02 * abs(size) * growth[date] + 3.0 for size in each)
        assert fill["commission"] == pytest.approx(expected, rel=1e-9)


def test_real_shares_need_a_feed_that_knows_them(paid):
    feed = PricesData(dataname=ls.total_return(paid))
    with pytest.raises(ls.InputError, match="PricesData does not say how dividends raised its prices"):
        CommissionInfo(per_share=0.01, feed=feed)


def test_cash_earns_a_rate_from_the_first_bar_of_any_feed(paid):
    class Watches(bt.Strategy):
        def next(self):
            pass

    def value(*starts: int, **given) -> float:
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.broker = Broker(cash=1000.0, **given)
        for start in starts:
            cerebro.adddata(PricesData(dataname=paid.iloc[start:]))
        cerebro.addstrategy(Watches)
        cerebro.run()
        return cerebro.broker.getvalue()

    stamps = paid.index
    expected = 1000 * np.prod(1 + 0.05 * np.diff(stamps.asi8) / 1e9 / 86_400 / 365)
    for starts in ((0,), (0, 50), (50, 0)):
        assert value(*starts, cash_rate=0.05) == pytest.approx(expected, rel=1e-9)
        assert value(*starts, cash_rate=lambda at: 0.05) == pytest.approx(expected, rel=1e-9)
    assert value(0) == 1000.0


def test_a_second_run_earns_what_the_first_did(paid):
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.broker = Broker(cash=1000.0, cash_rate=0.05)
    cerebro.adddata(PricesData(dataname=paid))
    cerebro.addstrategy(bt.Strategy)
    values = []
    for _ in range(2):
        cerebro.run()
        values.append((cerebro.broker.getvalue(), cerebro.broker.interest_earned))
    assert values[0] == values[1]
    assert values[0][1] == pytest.approx(values[0][0] - 1000.0)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: CommissionInfo(per_shares=0.01), "CommissionInfo has no parameter 'per_shares'. Did you mean"),
        (lambda: CommissionInfo(borrow=float("nan")), "borrow=nan must be a finite number, 0 or more"),
        (lambda: CommissionInfo(fixed="1"), "fixed='1' must be a finite number"),
        (lambda: CommissionInfo(commission=-0.1), "commission=-0.1 must be a finite number"),
        (lambda: Broker(cash_rates=0.02), "Broker has no parameter 'cash_rates'. Did you mean"),
        (lambda: Broker(cash_rate="2%"), "cash_rate='2%' must be a finite number"),
    ],
)
def test_costs_that_cannot_be_meant_are_refused(made, told):
    with pytest.raises(ls.InputError, match=told):
        made()


def test_borrow_is_not_reckoned_from_a_close_that_is_forgotten(paid, said):
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(ForecastData(dataname=paid, forecasts=said))
    cerebro.broker.addcommissioninfo(CommissionInfo(borrow=0.1))
    cerebro.addstrategy(Turns)
    with pytest.raises(ls.InputError, match="exactbars=1 forgets the close that borrow is due on"):
        cerebro.run(exactbars=1)


# The sizer


class Buys(bt.Strategy):
    """Buys once, at a bar of choice, whatever the sizer says."""

    params = (("at", 30),)

    def next(self):
        if len(self) == self.p.at:
            self.buy()


def bought(paid, strength, by_name=False, **params) -> float:
    frame = pd.DataFrame({"forecast": 0.001, "strength": strength}, index=paid.index)
    forecasts = ls.Forecasts.from_frame(frame, name="a")
    if by_name:
        forecasts = {"A": forecasts}
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(PricesData(dataname=paid), name="A")
    cerebro.addstrategy(Buys)
    cerebro.addsizer(ForecastSizer, forecasts=forecasts, **params)
    return cerebro.run()[0].position.size


@pytest.mark.parametrize(("strength", "share"), [(0.3, 0.3), (-0.3, 0.3), (1.0, 1.0), (4.0, 1.0)])
def test_the_sizer_buys_as_much_as_the_forecast_is_strong(paid, strength, share):
    row = np.full(len(paid), 0.1)
    row[29] = strength
    everything = 0.95 * 10_000 / paid["close"].iloc[29]
    assert bought(paid, row) == pytest.approx(share * everything)
    half = min(1, abs(strength) / 2) * 0.5 / 0.95 * everything
    assert bought(paid, row, full=2.0, exposure=0.5) == pytest.approx(half)
    assert bought(paid, row, by_name=True) == bought(paid, row)
    assert bought(paid, row, whole_shares=True) == int(share * everything)


def test_the_sizer_buys_nothing_without_a_strength(paid):
    row = np.full(len(paid), 0.1)
    row[29] = np.nan
    assert bought(paid, row) == 0


def test_the_sizer_serves_signals_and_takes_the_feeds_forecasts(paid, said):
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(ForecastData(dataname=paid, forecasts=said))
    cerebro.add_signal(bt.SIGNAL_LONGSHORT, ForecastSignal, threshold=0.4)
    cerebro.addsizer(ForecastSizer, exposure=0.9)
    cerebro.broker.set_cash(100_000.0)
    cerebro.addanalyzer(Cash, _name="account")
    fills = cerebro.run()[0].analyzers.account.fills
    close = ls.total_return(paid)["close"]
    assert len(fills) > 20
    bar, size, _ = fills[0]
    assert size == pytest.approx(0.9 * 100_000 / close.iloc[bar - 2])


@pytest.mark.parametrize("wrong", [{"exposure": 0.0}, {"exposure": 1.5}, {"full": 0.0}, {"full": float("nan")}])
def test_a_sizer_that_cannot_be_meant_is_refused(paid, wrong):
    with pytest.raises(ls.InputError, match=r"exposure=.* must lie above 0 and at most at 1, full=.* above 0"):
        bought(paid, np.ones(len(paid)), **wrong)
