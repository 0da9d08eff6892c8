"""What a bar costs in a Cerebro: backtrader's own PandasData beside our feeds, for the same strategy and trades.

Prints the table kept in plug.md. Processor time, which other programs do not count in; rounds taken in turn.

python -m benchmarks.plug
"""

import time

import backtrader as bt
import numpy as np
import pandas as pd

import lstm_signal as ls
from benchmarks.walk import machine
from lstm_signal.bt import ForecastData, PricesData, Streaming

ROUNDS = 15


class Fills(bt.Analyzer):
    """Keeps when, how much and at what price was filled; costs nothing on other bars."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, float, float]] = []

    def notify_order(self, order: bt.Order) -> None:
        """Keep a fill."""
        if order.status == order.Completed:
            self.rows.append((order.executed.dt, order.executed.size, order.executed.price))


def bars(kind: str) -> pd.DataFrame:
    """Return 5,031 daily bars, or as many of a minute."""
    prices = ls.sample_prices()
    if kind == "daily":
        return prices
    return prices.set_axis(pd.date_range("2024-01-02 09:31", periods=len(prices), freq="1min", unit="ns", name="date"))


def noise(prices: pd.DataFrame) -> ls.Forecasts:
    """Return forecasts that say anything and change their mind every few weeks, as strategies do."""
    draws = pd.Series(np.random.default_rng(1).normal(0, 0.01, len(prices) - 100), index=prices.index[100:])
    return ls.Forecasts.from_frame(draws.ewm(span=60).mean().to_frame("forecast"), name="noise")


def timed(feed: bt.feeds.PandasData, forecasts: object, **how: bool) -> tuple[float, object]:
    """Return microseconds a bar, and what was filled when at what price."""
    cerebro = bt.Cerebro(**how)
    cerebro.adddata(feed)
    cerebro.addstrategy(ls.load_strategy("long_flat"), forecasts=forecasts)
    cerebro.addanalyzer(Fills, _name="fills")
    start = time.process_time()
    ran = cerebro.run()[0]
    spent = time.process_time() - start
    return spent / len(ran.data) * 1e6, ran.analyzers.fills.rows


def table(kind: str) -> None:
    """Print a line for each feed."""
    prices = bars(kind)
    forecasts, frame = noise(prices), ls.total_return(prices)
    ways = {
        "PandasData, default Cerebro": lambda: timed(bt.feeds.PandasData(dataname=frame), forecasts),
        "PricesData, default Cerebro": lambda: timed(PricesData(dataname=frame), forecasts),
        "PricesData, stdstats=False, as `backtest`": lambda: timed(
            PricesData(dataname=frame), forecasts, stdstats=False
        ),
        "ForecastData, stdstats=False": lambda: timed(
            ForecastData(dataname=prices, forecasts=forecasts), forecasts, stdstats=False
        ),
    }
    rounds = [{name: way() for name, way in ways.items()} for _ in range(ROUNDS)]
    # The least of all rounds: what other programs add, and they add a half here, says nothing of ours.
    least = {name: min(turn[name][0] for turn in rounds) for name in ways}
    stock = next(iter(ways))
    for name, spent in least.items():
        same = all(turn[name][1] == turn[stock][1] for turn in rounds)
        print(f"| {kind} | {name} | {spent:.0f} | {spent / least[stock]:.2f} | {len(rounds[0][name][1])} | {same} |")


def streamed() -> None:
    """Print what a bar of a walk costs that is made as the bars come, refits aside, beside the bare equations."""
    prices, recipe, once = ls.sample_prices().iloc[:3050], ls.Forecaster(epochs=1), ls.WalkForward(test=2000)
    walked = ls.forecast(prices, recipe, once, progress=False)
    spoken = len(walked) / len(prices)  # the bars that are forecast
    bare, ours = [], []
    for _ in range(ROUNDS):
        start = time.process_time()
        fitted = recipe.fit(prices.iloc[: recipe.warm_up + once.train + recipe.lag])
        fit = (time.process_time() - start) * 1e6 / len(prices)
        steps, x = fitted.stepper().steps, np.zeros(1)
        start = time.process_time()
        for _ in range(1000):
            for step in steps:
                step(x)
        bare.append((time.process_time() - start) * 1e3 / recipe.members)
        ways = (walked, Streaming(recipe, once))
        plain, streaming = (timed(PricesData(dataname=prices), way, runonce=False, stdstats=False)[0] for way in ways)
        ours.append((streaming - plain - fit) / spoken / recipe.members)
    print(
        f"\nStreamingForecast, refits aside: {min(ours):.0f} us a bar and member more than the same walk looked up, "
        f"{min(ours) / min(bare):.2f} times the {min(bare):.0f} us of the equations alone."
    )


def main() -> None:
    """Print everything."""
    print(f"# What a bar costs in a Cerebro\n\n{machine()}. The text before the code in plug.py says how.\n")
    print("| bars | feed | us a bar | of stock | fill bars | same trades |\n|---|---|---:|---:|---:|---|")
    for kind in ("daily", "minutes"):
        table(kind)
    streamed()


if __name__ == "__main__":
    main()
