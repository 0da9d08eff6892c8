"""Money is exact: over random prices, gaps, halts, dividends and forecasts, every strategy and fill, to the cent."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lstm_signal as ls
from lstm_signal.runs import FILL_OF_TARGET

FILES = (Path(__file__).parent.parent / "strategies").glob("*.py")
STRATEGIES = sorted({path.stem for path in FILES} - {"top_k"})  # of many feeds, and so in test_portfolio
TARGETS = {fill: target for target, fill in FILL_OF_TARGET.items()}


@st.composite
def markets(draw) -> pd.DataFrame:
    """Bars with gaps of up to a half, halts, and dividends."""
    bars = draw(st.integers(30, 60))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    wild = draw(st.sampled_from([0.01, 0.05, 0.2]))
    opens = random.normal(0, wild, bars).clip(-0.5, 0.5)
    moves = random.normal(0, wild, bars).clip(-0.5, 0.5)
    halted = random.random(bars) < draw(st.sampled_from([0.0, 0.1]))
    opens[halted], moves[halted] = 0.0, 0.0
    close = 50 * np.exp(np.cumsum(opens + moves))
    open_ = close / np.exp(moves)
    high, low = np.maximum(open_, close) * 1.01, np.minimum(open_, close) * 0.99
    high[halted], low[halted] = close[halted], close[halted]
    dividend = np.where(random.random(bars) < draw(st.sampled_from([0.0, 0.05])), 0.02 * close, 0.0)
    stamps = pd.bdate_range("2024-01-01", periods=bars, unit="ns", name="date")
    columns = {"open": open_, "high": high, "low": low, "close": close, "volume": 1000.0, "dividend": dividend}
    return pd.DataFrame(columns, index=stamps)


@st.composite
def said(draw, prices: pd.DataFrame, target: str, name: str) -> ls.Forecasts:
    """Forecasts of anything, some bars without one; strengths given, so that there is trading from the start."""
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    strength = random.normal(0, 1, len(prices))
    forecast = np.where(random.random(len(prices)) < draw(st.sampled_from([0.0, 0.2])), np.nan, 0.01 * strength)
    frame = pd.DataFrame({"forecast": forecast, "strength": strength}, index=prices.index)
    return ls.Forecasts.from_frame(frame, name=name, target=target)


@st.composite
def runs(draw, strategy: str, fill: str) -> tuple[pd.DataFrame, ls.Run, ls.Costs, float]:
    prices = draw(markets())
    if fill == "next_open" and (prices["open"].iloc[1:].to_numpy() == prices["close"].iloc[:-1].to_numpy()).any():
        fill = "next_close"  # copied opens are refused
    models = tuple(draw(said(prices, TARGETS[fill], name)) for name in ("a", "b"))
    costs = ls.Costs(commission=draw(st.sampled_from([0.002, 0.0])), slippage=draw(st.sampled_from([0.003, 0.0])),
                     borrow=draw(st.sampled_from([0.1, 0.0])))  # fmt: skip
    interest, whole = draw(st.sampled_from([0.05, 0.0])), draw(st.booleans())
    with warnings.catch_warnings():  # orders rejected as Margin after a gap; no bar with a forecast
        warnings.simplefilter("ignore", UserWarning)
        run = ls.backtest(prices, models if strategy == "agreement" else models[0], strategy, costs=costs, fill=fill,
                          cash_rate=interest, whole_shares=whole)  # fmt: skip
    return prices, run, costs, interest


def recomputed(prices: pd.DataFrame, run: ls.Run, costs: ls.Costs, interest: float) -> pd.DataFrame:
    """Return cash, size and equity at each close, from prices, fills and costs alone."""
    bars = ls.total_return(prices)
    late = run.about["fill"] == "close"  # backtrader books a fill at the close just seen one bar later
    booked = run.fills["date"].map(bars.index.get_loc).to_numpy(dtype=int) + late
    cash, size, rows = 100_000.0, 0.0, []
    for t, (stamp, bar) in enumerate(bars.iterrows()):
        if t:
            years = (stamp - bars.index[t - 1]).days / 365
            cash += cash * interest * years - max(-size, 0) * bars["close"].iloc[t - 1] * costs.borrow * years
        for fill in run.fills[booked == t].itertuples():
            cash -= fill.size * fill.price + abs(fill.size) * fill.price * costs.commission
            size += fill.size
        rows.append((cash, size, cash + size * bar["close"]))
    return pd.DataFrame(rows, columns=["cash", "size", "equity"], index=bars.index).loc[run.equity.index]


@pytest.mark.parametrize("fill", sorted(TARGETS))
@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=8, deadline=None, derandomize=True)
@given(data=st.data())
def test_cash_positions_and_equity_agree_to_the_cent_with_a_second_account(strategy, fill, data):
    prices, run, costs, interest = data.draw(runs(strategy, fill))
    account = recomputed(prices, run, costs, interest)
    held = run.positions
    np.testing.assert_allclose(run.equity, account["equity"], atol=0.005, rtol=1e-9)
    np.testing.assert_allclose(held["cash"], account["cash"], atol=0.005, rtol=1e-9)
    np.testing.assert_allclose(held["size"], account["size"], atol=1e-6, rtol=1e-12)
    np.testing.assert_allclose(held["cash"] + held["value"], run.equity, atol=0.005, rtol=1e-9)
    bars = ls.total_return(prices)
    own = bars["open" if run.about["fill"] == "next_open" else "close"]
    for fill in run.fills.itertuples():
        delay = 0 if run.about["fill"] == "close" else 1
        assert bars.index.get_loc(fill.date) == bars.index.get_loc(fill.sent) + delay
        assert fill.price == pytest.approx(own[fill.date] * (1 + np.sign(fill.size) * costs.slippage), rel=1e-9)


def test_strategies_do_trade_there():
    """The examples above are no empty runs: a fixed one of them fills many orders."""
    random = np.random.default_rng(5)
    prices = ls.sample_prices().iloc[:60]
    frame = pd.DataFrame({"forecast": 0.01, "strength": random.normal(0, 1, 60)}, index=prices.index)
    forecasts = ls.Forecasts.from_frame(frame, name="a")
    for strategy in STRATEGIES:
        run = ls.backtest(prices, (forecasts, forecasts) if strategy == "agreement" else forecasts, strategy)
        assert len(run.fills) >= (1 if strategy == "buy_and_hold" else 10), strategy
