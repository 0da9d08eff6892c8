"""Many feeds: top_k against a second account of what it holds; late starts, early ends, holidays, who belonged when."""

import warnings

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lstm_signal as ls
from lstm_signal.bt import (
    Broker,
    CommissionInfo,
    ForecastAccuracy,
    ForecastBand,
    ForecastData,
    ForecastLedger,
    PricesData,
    Streaming,
)  # fmt: skip
from tests.conftest import SHORT, TINY

DAYS = pd.bdate_range("2024-01-01", periods=60, unit="ns", name="date")
NAMES = ["A", "B", "C", "D"]


class Account(bt.Analyzer):
    """What was filled, and cash, value and sizes at each time, as the broker tells them."""

    def __init__(self):
        self.fills, self.bars, self.refused, self.wanted = [], [], [], []

    def notify_order(self, order):
        self.fills += [
            (
                *(pd.Timestamp(bt.num2date(at)) for at in (order.created.dt, fill.dt)),
                order.data._name,
                fill.size,
                fill.price,
            )
            for fill in order.executed.iterpending()
        ]
        if order.status == order.Margin:
            self.refused.append(order.data._name)

    def prenext(self):
        self.next()

    def next(self):
        broker, strategy = self.strategy.broker, self.strategy
        sizes = {data._name: broker.getposition(data).size for data in strategy.datas if len(data)}
        at = pd.Timestamp(strategy.datetime.datetime(0))
        self.wanted.append([book.wanted for book in strategy.books])
        self.bars.append({"at": at, "cash": broker.getcash(), "equity": broker.getvalue()} | sizes)


def bars(seed: int, days: pd.DatetimeIndex = DAYS, wild: float = 0.02) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    gaps, moves = random.normal(0, wild, (2, len(days))).clip(-0.4, 0.4)
    close = 50 * np.exp(np.cumsum(gaps + moves))
    open_ = close / np.exp(moves)
    return pd.DataFrame({"open": open_, "high": np.maximum(open_, close), "low": np.minimum(open_, close),
                         "close": close, "volume": 1.0, "dividend": 0.0}, index=days)  # fmt: skip


def said(days: pd.DatetimeIndex, strength: object, forecast: object = 0.001) -> ls.Forecasts:
    frame = pd.DataFrame({"forecast": forecast, "strength": strength}, index=days)
    return ls.Forecasts.from_frame(frame, name="given")


def run(
    prices, forecasts, strategy="top_k", commission=0.0, slippage=0.0, feeds=None, mode=None, prepare=None, **params
):  # fmt: skip
    """Run in a Cerebro with our broker; warnings of the universe aside."""
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.broker = Broker(cash=100_000.0)
    cerebro.broker.set_slippage_perc(slippage, slip_open=True, slip_match=True, slip_out=True)
    cerebro.broker.addcommissioninfo(CommissionInfo(commission=commission))
    for name, frame in prices.items():
        cerebro.adddata(feeds[name] if feeds else PricesData(dataname=frame), name=name)
    cls = ls.load_strategy(strategy) if isinstance(strategy, str) else strategy
    cerebro.addstrategy(cls, forecasts=forecasts, **params)
    cerebro.addanalyzer(Account, _name="account")
    if prepare:
        prepare(cerebro)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*universe chosen by you today")
        return cerebro.run(**(mode or {}))[0]


def orders(traded) -> list[tuple]:
    return [(pd.Timestamp(each["sent"]), each["feed"], each["wanted"]) for each in traded.log]


def steps(*strengths: float) -> np.ndarray:
    """Return strengths that hold for ten days each."""
    return np.repeat(strengths, 10)


def test_the_strongest_is_held_with_all_the_money():
    prices = {name: bars(number) for number, name in enumerate(NAMES[:3])}
    strengths = {"A": steps(3, 1, 1, 1, 3, 1), "B": steps(2, 3, 2, 2, 2, 2), "C": steps(1, 2, 3, 3, 1, 3)}
    traded = run(prices, {name: said(DAYS, each) for name, each in strengths.items()})
    changes = [order for order in orders(traded) if order[0] in set(DAYS[::10])]
    assert changes == [
        (DAYS[0], "A", 1.0),
        (DAYS[10], "A", 0.0), (DAYS[10], "B", 1.0), (DAYS[20], "B", 0.0), (DAYS[20], "C", 1.0),
        (DAYS[40], "C", 0.0), (DAYS[40], "A", 1.0), (DAYS[50], "A", 0.0), (DAYS[50], "C", 1.0),
    ]  # fmt: skip
    account = traded.analyzers.account
    assert not account.refused
    first = account.fills[0]
    assert first[2:] == ("A", pytest.approx(0.95 * 100_000 / prices["A"]["close"].iloc[0]), prices["A"]["open"].iloc[1])


def test_money_is_equal_and_shorts_hold_as_much():
    prices = {name: bars(number) for number, name in enumerate(NAMES)}
    forecasts = {name: said(DAYS, np.full(60, number)) for number, name in enumerate(NAMES)}
    traded = run(prices, forecasts, k=2, short=True, drift=0.0)
    assert {each["feed"]: each["wanted"] for each in traded.log} == {"D": 0.25, "C": 0.25, "A": -0.25, "B": -0.25}
    at_close = pd.DataFrame(traded.analyzers.account.bars).set_index("at")
    for name in NAMES:
        share = at_close[name] * prices[name]["close"] / at_close["equity"]
        assert share.iloc[1:].abs().between(0.2, 0.275).all()
    longs = run(prices, forecasts, k=2)
    assert {each["feed"]: each["wanted"] for each in longs.log} == {"D": 0.5, "C": 0.5}


def second_account(prices, fills, costs, late) -> pd.DataFrame:
    """Return cash and equity at each time, from prices, fills and costs alone."""
    times = sorted(set().union(*(frame.index for frame in prices.values())))
    closes = pd.DataFrame({name: frame["close"] for name, frame in prices.items()}).reindex(times).ffill()
    cash, sizes, rows = 100_000.0, dict.fromkeys(prices, 0.0), []
    for number in range(len(times)):
        for _, booked, name, size, price in fills:
            if number >= late and booked == times[number - late]:
                cash -= size * price + abs(size) * price * costs
                sizes[name] += size
        rows.append((cash, cash + sum(size * closes[name].iloc[number] for name, size in sizes.items() if size)))
    return pd.DataFrame(rows, index=times, columns=["cash", "equity"])


@st.composite
def universes(draw):
    """Feeds of different starts and ends, with holidays and gaps, and strengths that are sometimes missing."""
    prices, forecasts = {}, {}
    for number, name in enumerate(NAMES):
        random = np.random.default_rng(draw(st.integers(0, 10_000)))
        first, last = draw(st.sampled_from([(0, 60), (0, 60), (13, 60), (0, 41), (20, 45)])) if number else (0, 60)
        days = DAYS[first:last]
        days = days[random.random(len(days)) > draw(st.sampled_from([0.0, 0.15]))]
        prices[name] = bars(draw(st.integers(0, 10_000)), days, draw(st.sampled_from([0.01, 0.1])))
        missing = random.random(len(days)) < draw(st.sampled_from([0.0, 0.1]))
        strength = pd.Series(random.normal(0, 1, len(days))).ewm(span=draw(st.sampled_from([1, 8]))).mean().to_numpy()
        forecasts[name] = said(days, strength, np.where(missing, np.nan, 0.001))
    return prices, forecasts


@pytest.mark.parametrize("fill", ["next_open", "next_close", "close"])
@pytest.mark.parametrize("short", [False, True])
@settings(max_examples=12, deadline=None, derandomize=True)
@given(universe=universes(), k=st.sampled_from([1, 2]), costs=st.sampled_from([0.0, 0.002]))
def test_cash_and_equity_agree_to_the_cent_with_a_second_account(fill, short, universe, k, costs):
    prices, forecasts = universe
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*the bars of . end at")
        traded = run(prices, forecasts, k=k, short=short, fill=fill, commission=costs, slippage=costs)
    account = traded.analyzers.account
    told = pd.DataFrame(account.bars).set_index("at")
    own = second_account(prices, account.fills, costs, late=fill == "close")
    assert len(told) == len(own)
    np.testing.assert_allclose(told[["cash", "equity"]], own, atol=0.005, rtol=1e-9)
    column = "open" if fill == "next_open" else "close"
    for sent, booked, name, size, price in account.fills:
        place = prices[name].index.get_loc(booked) - (fill != "close")
        assert prices[name].index[place] == sent  # sent at a bar of its own, filled at that or the next
        assert price == pytest.approx(prices[name][column][booked] * (1 + np.sign(size) * costs), rel=1e-9)
    wanted = np.array(account.wanted)
    assert (wanted > 0).sum(axis=1).max() <= k
    assert (wanted < 0).sum(axis=1).max() <= k * short


@pytest.mark.parametrize("runonce", [True, False])
def test_a_late_feed_holds_nobody_up_and_an_early_end_is_told(runonce):
    prices = {"A": bars(1), "B": bars(2, DAYS[30:]), "C": bars(3, DAYS[:40])}
    forecasts = {name: said(frame.index, float(number)) for number, (name, frame) in enumerate(prices.items())}
    with pytest.warns(UserWarning, match="the bars of C end at 2024-02-23 .* shares are held"):
        traded = run(prices, forecasts, k=2, mode={"runonce": runonce})
    changes = {order[1:]: order[0] for order in reversed(orders(traded))}
    # C is the strongest as long as it lasts and keeps its place after that; B takes A's when it comes.
    assert changes == {("A", 0.5): DAYS[0], ("C", 0.5): DAYS[0], ("A", 0.0): DAYS[30], ("B", 0.5): DAYS[30]}


def test_a_feed_is_traded_once_its_own_indicators_are_ready():
    class AboveAverage(ls.PortfolioStrategy):
        def __init__(self):
            self.average = {book.name: bt.indicators.SMA(book.data.close, period=5) for book in self.books}

        def signals(self):
            seen.update({book.name: min(len(book.data), seen.get(book.name, 99)) for book in self.ready})
            return {}

    seen: dict[str, int] = {}
    prices = {"A": bars(1), "B": bars(2, DAYS[30:])}
    run(prices, {name: said(frame.index, 1.0) for name, frame in prices.items()}, AboveAverage)
    assert seen == {"A": 5, "B": 5}


def test_on_its_holiday_a_feed_is_left_alone_and_keeps_its_place():
    days = DAYS.delete([20, 21])
    prices = {"A": bars(1, days), "B": bars(2), "C": bars(3)}
    forecasts = {"A": said(days, 3.0), "B": said(DAYS, 2.0), "C": said(DAYS, 1.0)}
    traded = run(prices, forecasts, drift=1.0)
    assert orders(traded) == [(DAYS[0], "A", 1.0)]
    # Weaker from the day before its holiday on: sold when it is back, and only then is the other bought.
    weaker = said(days, np.where(days < DAYS[19], 3.0, 0.0))
    traded = run(prices, forecasts | {"A": weaker}, drift=1.0)
    sold = [(sent, filled) for sent, filled, name, size, _ in traded.analyzers.account.fills if size < 0]
    assert sold == [(DAYS[19], DAYS[22])]
    bought = [filled for _, filled, name, _, _ in traded.analyzers.account.fills if name == "B"]
    assert bought[-1] >= DAYS[22]
    assert pd.DataFrame(traded.analyzers.account.bars)["cash"].min() > 0


def test_sales_pay_for_what_is_bought():
    prices = {name: bars(number, wild=0.005) for number, name in enumerate(NAMES[:2])}
    turns = np.resize([1.0, 0.0], 60)
    traded = run(prices, {"A": said(DAYS, turns), "B": said(DAYS, 1 - turns)})
    assert not traded.analyzers.account.refused
    assert len(traded.analyzers.account.fills) > 100


def test_an_order_that_was_refused_is_sent_again_however_small():
    class LaterSome(ls.PortfolioStrategy):
        def signals(self):
            return {"A": 0.95, "B": 0.05 * (len(self) > 30)}

    prices = {"A": bars(1, wild=1e-4), "B": bars(2, wild=1e-4)}
    prices["B"].iloc[31:, :4] *= 1.5  # what was set aside for B does not pay for it at this open
    traded = run(prices, {name: said(DAYS, 1.0) for name in prices}, LaterSome, exposure=0.999)
    account = traded.analyzers.account
    assert account.refused == ["B"]
    assert [(sent, filled) for sent, filled, name, *_ in account.fills if name == "B"] == [(DAYS[31], DAYS[32])]


def test_feeds_bring_their_forecasts_themselves_or_stream_them(prices):
    universe = {"A": prices, "B": prices.assign(**{n: prices[n] ** 0.9 for n in ("open", "high", "low", "close")})}
    walked = {name: ls.forecast(frame, TINY, SHORT, n_jobs=1) for name, frame in universe.items()}
    by_name = run(universe, walked)
    feeds = {name: ForecastData(dataname=frame, forecasts=walked[name]) for name, frame in universe.items()}
    streams = run(universe, Streaming(TINY, SHORT))
    account = by_name.analyzers.account
    assert len(account.fills) > 10
    for other in (run(universe, None, feeds=feeds), streams):
        assert other.analyzers.account.fills == account.fills
        assert [{**each, "ref": 0} for each in other.log] == [{**each, "ref": 0} for each in by_name.log]


def test_an_order_at_a_feeds_last_bar_gives_its_money_back():
    """B is bought at its last bar, which fills nothing: a week later A is bought in its place."""
    prices = {"A": bars(1), "B": bars(2, DAYS[:20])}
    strongest_at_its_end = said(DAYS[:20], np.where(np.arange(20) == 19, 2.0, 0.0))
    traded = run(prices, {"A": said(DAYS, 1.0), "B": strongest_at_its_end}, drift=1.0)
    changes = orders(traded)
    assert changes[:3] == [(DAYS[0], "A", 1.0), (DAYS[19], "A", 0.0), (DAYS[19], "B", 1.0)]
    assert changes[3][1:] == ("A", 1.0)
    assert pd.Timedelta(days=7) < changes[3][0] - DAYS[19] <= pd.Timedelta(days=10)


@pytest.mark.parametrize("mode", [{"exactbars": 1}, {"exactbars": -1}, {"preload": False}, {"runonce": False}])
def test_every_way_to_run_a_cerebro_trades_the_same(mode):
    prices = {"A": bars(1), "B": bars(2, DAYS[10:])}
    forecasts = {"A": said(DAYS, np.resize([1.0, -1.0], 60)), "B": said(DAYS[10:], 0.0)}
    assert run(prices, forecasts, mode=mode).analyzers.account.fills == run(prices, forecasts).analyzers.account.fills


# Stamps


def test_a_day_stamped_by_its_date_is_not_traded_beside_one_that_is_later():
    """A's close of the day would be known at B's bars of the same day."""
    for hours in ("16h", "23h59min59s"):
        late = DAYS + pd.Timedelta(hours)
        prices = {"A": bars(1), "B": bars(2, late)}
        with pytest.raises(ls.LookAheadError, match="stamps its bar of 2024-01-02 by the date, before B at"):
            run(prices, {"A": said(DAYS, 1.0), "B": said(late, 2.0)})


def test_feeds_that_never_meet_are_told():
    one, other = (DAYS + pd.Timedelta(hours) for hours in ("16h", "17h"))
    prices = {"A": bars(1, one), "B": bars(2, other)}
    with pytest.warns(UserWarning, match="no two feeds had a bar at the same time"):
        run(prices, {"A": said(one, 1.0), "B": said(other, 2.0)})


def test_a_broker_that_cheats_on_open_is_refused():
    cerebro = bt.Cerebro(cheat_on_open=True)
    cerebro.adddata(PricesData(dataname=bars(1)), name="A")
    cerebro.addstrategy(ls.load_strategy("top_k"), forecasts={"A": said(DAYS, 1.0)})
    with pytest.raises(ls.InputError, match="Drop cheat_on_open"):
        cerebro.run()


# Analyzers and observers


def test_the_ledger_and_the_accuracy_are_told_feed_by_feed():
    prices = {"A": bars(1, DAYS[5:]), "B": bars(2), "C": bars(3, DAYS[:40])}
    turns = {name: np.resize(np.roll([2.0, 0.0, -2.0], place), 60) for place, name in enumerate(prices)}
    turns = {name: each[DAYS.isin(prices[name].index)] for name, each in turns.items()}
    forecasts = {name: said(prices[name].index, each, each / 1000) for name, each in turns.items()}

    def analyzers(cerebro):
        cerebro.addanalyzer(ForecastLedger, _name="ledger")
        cerebro.addanalyzer(ForecastAccuracy, _name="accuracy")

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*the bars of C end at")
        traded = run(prices, forecasts, commission=0.001, prepare=analyzers)
    account = traded.analyzers.account
    ledger = traded.analyzers.ledger.get_analysis()
    assert [(pd.Timestamp(row["date"]), row["feed"], row["size"]) for row in ledger] == [
        (filled, name, size) for _, filled, name, size, _ in account.fills
    ]
    assert sum(row["earned"] for row in ledger) == pytest.approx(account.bars[-1]["equity"] - 100_000.0)
    for row in ledger:
        assert row["forecast"] == forecasts[row["feed"]].frame["forecast"][row["sent"]]
    accuracy = traded.analyzers.accuracy.get_analysis()
    for name, frame in prices.items():
        error = (forecasts[name].outcomes(frame) - forecasts[name].frame["forecast"]).dropna()
        assert accuracy[name]["rmse"]["value"] == pytest.approx(np.sqrt(np.mean(error**2)))


def test_the_band_lies_over_its_own_feed():
    prices = {"A": bars(1), "B": bars(2)}
    forecasts = {name: said(DAYS, 1.0, forecast) for name, forecast in (("A", 0.05), ("B", -0.05))}
    traded = run(prices, forecasts, prepare=lambda cerebro: cerebro.addobservermulti(ForecastBand))
    for band, (name, forecast) in zip(traded.stats.forecastband, (("A", 0.05), ("B", -0.05)), strict=True):
        predicted = np.array(band.predicted.array)[:60]
        np.testing.assert_allclose(np.log(predicted[1:] / prices[name]["close"].iloc[:-1]), forecast)


# Who belonged when


def test_only_members_are_held(tmp_path):
    prices = {"A": bars(1), "B": bars(2)}
    forecasts = {"A": said(DAYS, 2.0), "B": said(DAYS, 1.0)}
    spells = pd.DataFrame(
        {"ticker": ["A", "A", "B"], "start": [DAYS[0], DAYS[40], DAYS[0]], "end": [DAYS[19], None, None]}
    )
    spells.to_csv(tmp_path / "members.csv", index=False)
    numbers = {name: spells[name].dt.strftime("%Y%m%d").astype("Float64") for name in ("start", "end")}
    in_utc = spells.assign(start=spells["start"].dt.tz_localize("UTC"))
    for table in (spells, str(tmp_path / "members.csv"), spells.assign(**numbers), in_utc):
        changes = orders(run(prices, forecasts, members_of=table, drift=1.0))
        assert changes == [(DAYS[0], "A", 1.0), (DAYS[20], "A", 0.0), (DAYS[20], "B", 1.0),
                           (DAYS[40], "B", 0.0), (DAYS[40], "A", 1.0)]  # fmt: skip


def test_an_empty_file_of_members_is_refused(tmp_path):
    (tmp_path / "empty.csv").touch()
    with pytest.raises(ls.InputError, match=r"empty\.csv is no CSV file"):
        run({"A": bars(1)}, {"A": said(DAYS, 1.0)}, members_of=tmp_path / "empty.csv")


def test_the_universes_hindsight_is_told():
    prices, forecasts = {"A": bars(1)}, {"A": said(DAYS, 1.0)}
    cerebro = bt.Cerebro()
    cerebro.adddata(PricesData(dataname=prices["A"]), name="A")
    cerebro.addstrategy(ls.load_strategy("top_k"), forecasts=forecasts)
    with pytest.warns(UserWarning, match="TopK: universe chosen by you today"):
        cerebro.run()
    table = pd.DataFrame({"ticker": ["A", "GONE"], "start": ["2024-01-01", "2024-01-01"], "end": ["", "2024-02-01"]})
    with pytest.warns(UserWarning, match="members_of has 1 tickers that no feed is called, among them GONE"):
        run(prices, forecasts, members_of=table)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (pd.DataFrame({"ticker": ["B"], "start": ["2024-01-01"], "end": [""]}), "says of A nothing"),
        (pd.DataFrame({"ticker": ["A"], "start": [""], "end": [""]}), "a ticker and a start are needed"),
        (pd.DataFrame({"ticker": ["A"], "start": ["2024-02-01"], "end": ["2024-01-01"]}), "no end before it"),
        (pd.DataFrame({"ticker": ["A"], "start": ["soon"], "end": [""]}), "must hold dates"),
        (pd.DataFrame({"ticker": ["A"], "start": ["10/01/2024"], "end": [""]}), "must hold dates, as in 2024-01-31"),
        (pd.DataFrame({"ticker": [None], "start": ["2024-01-01"], "end": [""]}), "a ticker and a start are needed"),
        (pd.DataFrame({"ticker": ["A"]}), "columns ticker, start and end"),
        ("nowhere.csv", "no such file: nowhere.csv"),
        (7, "must be a table"),
    ],
)
def test_a_table_of_members_that_cannot_be_meant_is_refused(table, told):
    with pytest.raises(ls.InputError, match=told):
        run({"A": bars(1)}, {"A": said(DAYS, 1.0)}, members_of=table)


# What cannot be meant


class Wants(ls.PortfolioStrategy):
    params = (("what", None),)

    def signals(self):
        return self.p.what


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ({"A": 0.8, "B": -0.3}, "must add up to 1 at most"),
        ({"a": 1.0}, "no feed is called 'a'"),
        ({"A": 1.5}, "must lie from -1 to 1"),
        ({"A": "long"}, "a number from -1 to 1"),
    ],
)
def test_exposures_that_cannot_be_meant_are_refused(what, told):
    prices = {"A": bars(1), "B": bars(2)}
    with pytest.raises(ls.InputError, match=told):
        run(prices, {name: said(DAYS, 1.0) for name in prices}, Wants, what=what)


def test_what_a_feed_on_holiday_ties_up_is_not_spent_twice():
    class Half(ls.PortfolioStrategy):
        def signals(self):
            return {book.name: 1 / len(self.ready) for book in self.ready}

    days = DAYS.delete(30)
    traded = run({"A": bars(1, days), "B": bars(2)}, {"A": said(days, 1.0), "B": said(DAYS, 1.0)}, Half, drift=1.0)
    assert set(orders(traded)) == {(DAYS[0], "A", 0.5), (DAYS[0], "B", 0.5)}


@pytest.mark.parametrize(
    ("forecasts", "told"),
    [
        ("one.csv", "takes forecasts by feed name, as in forecasts="),
        ({"A": said(DAYS, 1.0)}, "'B' has no forecasts"),
        ({name: said(DAYS, 1.0) for name in ("A", "B", "b")}, "'b' is no feed. Known: A, B"),
        (None, "was given a NoneType as forecasts"),
    ],
)
def test_forecasts_that_do_not_fit_the_feeds_are_refused(forecasts, told):
    with pytest.raises(ls.InputError, match=told):
        run({"A": bars(1), "B": bars(2)}, forecasts)


def test_feeds_need_names_and_top_k_enough_of_them():
    with pytest.raises(ls.InputError, match="needs a name for each feed"):
        run({"": bars(1), "B": bars(2)}, {})
    with pytest.raises(ls.InputError, match="k=2 needs 4 feeds, there are 1"):
        run({"A": bars(1)}, {"A": said(DAYS, 1.0)}, k=2, short=True)
    with pytest.raises(ls.InputError, match="TopK trades many feeds, backtest one"):
        ls.backtest(bars(1), said(DAYS, 1.0), "top_k")
    with pytest.raises(NotImplementedError, match="has no signals"):
        run({"A": bars(1)}, {"A": said(DAYS, 1.0)}, ls.PortfolioStrategy)
