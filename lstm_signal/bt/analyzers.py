"""What came of a run: what a `Run` is made of, how good the forecasts were, and what each fill was sent for."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from lstm_signal.bars import OHLC
from lstm_signal.bt.indicators import Dates, resolve
from lstm_signal.measures import FORECAST_ROWS, describe, forecast_measures, undefined
from lstm_signal.windows import targets


def _fills(order: Any) -> list[dict[str, Any]]:
    """Return each fill that the notice of an order tells of."""
    return [
        {"sent": bt.num2date(order.created.dt), "date": bt.num2date(fill.dt), "size": fill.size, "price": fill.price,
         "commission": sum(order.comminfo.getcommission(part, fill.price) for part in (fill.closed, fill.opened))}
        for fill in order.executed.iterpending()
    ]  # fmt: skip


class Recorder(bt.Analyzer):
    """Keeps every bar's equity and what it is made of, every fill, every order's fate and every trade.

    Borrow and interest are counted from the start of the run.
    """

    def __init__(self) -> None:
        self.bars: list[dict[str, Any]] = []
        self.fills: list[dict[str, Any]] = []
        self.status: dict[int, str] = {}
        self.trades: list[dict[str, Any]] = []

    def next(self) -> None:
        """Record the bar after its orders were filled."""
        strategy, data = self.strategy, self.strategy.data
        self.bars.append(
            {
                "date": data.datetime.datetime(0),
                "equity": strategy.broker.getvalue(),
                "cash": strategy.broker.getcash(),
                "size": strategy.position.size,
                "close": data.close[0],
                "borrow": strategy.broker.getcommissioninfo(data).borrow_paid,
                "interest": strategy.broker.interest_earned,
            }
        )

    def prenext(self) -> None:
        """Record the bars before the strategy's own indicators are ready, too."""
        self.next()

    def notify_order(self, order: Any) -> None:
        """Record what became of the order, and its fills.

        Fill by fill: of an order that turns a position round, backtrader may execute the half that closes and reject
        the other as Margin.
        """
        self.status[order.ref] = order.getstatusname()
        self.fills += [{"ref": order.ref} | fill for fill in _fills(order)]

    def notify_trade(self, trade: Any) -> None:
        """Record a closed trade."""
        if trade.isclosed:
            self.trades.append(
                {
                    "entry": bt.num2date(trade.dtopen),
                    "exit": bt.num2date(trade.dtclose),
                    "long": trade.long,
                    "pnl": trade.pnl,
                    "pnl_net": trade.pnlcomm,
                }
            )


class _Judge(bt.Analyzer):
    """An analyzer of forecasts: those it is given, or the strategy's first model's, or the feed's.

    Keeps the bars of the run, to know what came true of each forecast.
    """

    params = (("forecasts", None),)

    def __init__(self) -> None:
        self.bars: list[tuple[float, ...]] = []

    def next(self) -> None:
        """Keep the bar."""
        data = self.strategy.data
        if not self.bars or data.datetime[0] > self.bars[-1][0]:
            self.bars.append((data.datetime[0], *(getattr(data, name)[0] for name in OHLC)))

    def prenext(self) -> None:
        """Keep the bars before the strategy's own indicators are ready, too."""
        self.next()

    def judged(self) -> pd.DataFrame:
        """Return the forecasts of the run's bars, with the outcome [log return], NaN where it is not known.

        The outcome is made of the feed's prices, which have their dividends in them or have none.
        """
        given, models = self.p.forecasts, getattr(self.strategy, "models", None)
        if given is None and models:
            given = models[0].forecasts
        forecasts = resolve(given, type(self).__name__, self.strategy.data)
        prices = pd.DataFrame(self.bars, columns=["time", *OHLC]).assign(dividend=0.0)
        outcome = targets(prices, forecasts.target, forecasts.horizon)
        rows = Dates(forecasts.name, forecasts.frame).rows(prices["time"].to_numpy())
        said = forecasts.frame.iloc[rows[rows >= 0]]
        return said.assign(outcome=outcome[rows >= 0], time=prices["time"].to_numpy()[rows >= 0])


class ForecastAccuracy(_Judge):
    """How good the forecasts were over the bars of the run: RMSE, MAE, R2 against the mean, hit rate, correlation.

    `get_analysis()` is a dict by measure: ``{"value": ..., "unit": ...}``, with value None and a reason where it is
    undefined.
    """

    def stop(self) -> None:
        """Measure the forecasts whose outcome is known."""
        judged = self.judged()
        known = judged[np.isfinite(judged["outcome"]) & np.isfinite(judged["forecast"])]
        columns = (known[name].to_numpy() for name in ("outcome", "forecast", "mean", "spread"))
        measures = forecast_measures(*columns) if len(known) else undefined(FORECAST_ROWS, "no outcome is known")
        self.rets = describe(measures)

    def get_analysis(self) -> dict[str, dict[str, Any]]:
        """Return the measures."""
        return self.rets


class ForecastLedger(_Judge):
    """Each fill, with the forecast behind it, what came true, and what the position then held earned until the next.

    `get_analysis()` is a list of dicts: `sent` and `date` (of the bar the order was sent at, and of the fill), `size`,
    `price`, `commission`; `forecast`, `strength`, `fit` and `data_through` of the bar it was sent at, and the `outcome`
    [log return]; `held` after the fill [shares], and `earned` [money]: its moves up to the next fill, or the last
    close, less the commission. All earned together is what the strategy earned before borrow and interest.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fills: list[dict[str, Any]] = []
        self.times: list[float] = []  # of the bars that their orders were sent at, as the feed counts them

    def notify_order(self, order: Any) -> None:
        """Keep each fill of the order."""
        self.fills += _fills(order)
        self.times += [order.created.dt] * (len(self.fills) - len(self.times))

    def stop(self) -> None:
        """Join fills, forecasts and outcomes."""
        judged = self.judged().set_index("time")
        known = ["forecast", "strength", "fit", "data_through", "outcome"]
        prices = [*(fill["price"] for fill in self.fills), self.bars[-1][-1] if self.bars else np.nan]
        held = 0.0
        self.rets = []
        for fill, time, (now, later) in zip(self.fills, self.times, pairwise(prices), strict=True):
            held += fill["size"]
            behind: dict[Any, Any] = judged.loc[time, known].to_dict() if time in judged.index else {}
            earned = held * (later - now) - fill["commission"]
            self.rets.append({**fill, **behind, "held": held, "earned": earned})

    def get_analysis(self) -> list[dict[str, Any]]:
        """Return the fills."""
        return self.rets
