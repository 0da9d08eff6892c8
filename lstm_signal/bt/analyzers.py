"""What came of a run: what a `Run` is made of, how good the forecasts were, and what each fill was sent for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from lstm_signal.bars import OHLC
from lstm_signal.bt.indicators import Dates, resolve
from lstm_signal.measures import forecast_measures
from lstm_signal.units import FORECAST_ROWS, describe, undefined
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
    """An analyzer of forecasts: those it is given, or the first model's of each feed that the strategy trades.

    Keeps the bars of the run, to know what came true of each forecast.
    """

    params = (("forecasts", None),)

    def __init__(self) -> None:
        self.bars: dict[str, list[tuple[float, ...]]] = {}
        books = [] if self.p.forecasts is not None else getattr(self.strategy, "books", [])
        self.models = {book.name: book.models[0] for book in books}
        self.feeds = {book.name: book.data for book in books}
        if not books:
            self.feeds = {str(self.strategy.data._name): self.strategy.data}

    def next(self) -> None:
        """Keep the bars that are new."""
        for name, data in self.feeds.items():
            bars = self.bars.setdefault(name, [])
            if len(data) and (not bars or data.datetime[0] > bars[-1][0]):
                bars.append((data.datetime[0], *(getattr(data, column)[0] for column in OHLC)))

    def prenext(self) -> None:
        """Keep the bars before the strategy's own indicators are ready, too."""
        self.next()

    def judged(self, name: str) -> pd.DataFrame:
        """Return the forecasts of a feed's bars in the run, with the outcome [log return], NaN where it is not known.

        The outcome is made of the feed's prices, which have their dividends in them or have none.
        """
        given = self.models[name].forecasts if name in self.models else self.p.forecasts
        forecasts = resolve(given, type(self).__name__, self.feeds[name])
        prices = pd.DataFrame(self.bars.get(name, []), columns=["time", *OHLC]).assign(dividend=0.0)
        outcome = targets(prices, forecasts.target, forecasts.horizon)
        rows = Dates(forecasts.name, forecasts.frame).rows(prices["time"].to_numpy())
        said = forecasts.frame.iloc[rows[rows >= 0]]
        return said.assign(outcome=outcome[rows >= 0], time=prices["time"].to_numpy()[rows >= 0])


class ForecastAccuracy(_Judge):
    """How good the forecasts were over the bars of the run: RMSE, MAE, R2 against the mean, hit rate, correlation.

    `get_analysis()` is a dict by measure: ``{"value": ..., "unit": ...}``, with value None and a reason where it is
    undefined. Where a strategy trades several feeds, a dict of such dicts by feed name.
    """

    def stop(self) -> None:
        """Measure the forecasts whose outcome is known."""
        measures = {name: self._measured(name) for name in self.feeds}
        self.rets: dict[str, Any] = measures if len(measures) > 1 else next(iter(measures.values()))

    def _measured(self, name: str) -> dict[str, dict[str, Any]]:
        judged = self.judged(name)
        known = judged[np.isfinite(judged["outcome"]) & np.isfinite(judged["forecast"])]
        columns = (known[column].to_numpy() for column in ("outcome", "forecast", "mean", "spread", "lower", "upper"))
        measures = forecast_measures(*columns) if len(known) else undefined(FORECAST_ROWS, "no outcome is known")
        return describe(measures)

    def get_analysis(self) -> dict[str, Any]:
        """Return the measures."""
        return self.rets


class ForecastLedger(_Judge):
    """Each fill, with the forecast behind it, what came true, and what the position then held earned until the next.

    `get_analysis()` is a list of dicts: the `feed`'s name, `sent` and `date` (of the bar the order was sent at, and of
    the fill), `size`, `price`, `commission`; `forecast`, `strength`, `fit` and `data_through` of the bar it was sent
    at, and the `outcome` [log return]; `held` of the feed after the fill [shares], and `earned` [money]: its moves up
    to the feed's next fill, or its last close, less the commission. All earned together is what the strategy earned
    before borrow and interest. Fills of feeds that it does not judge are left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fills: dict[str, list[dict[str, Any]]] = {}
        self.count = 0

    def notify_order(self, order: Any) -> None:
        """Keep each fill of the order, with its number and the time it was sent at, as the feed counts."""
        name = str(order.data._name)
        if self.feeds.get(name) is not order.data:
            return
        for fill in _fills(order):
            self.fills.setdefault(name, []).append({"number": self.count, "at": order.created.dt, "feed": name} | fill)
            self.count += 1

    def stop(self) -> None:
        """Join fills, forecasts and outcomes."""
        told = [row for name in self.feeds for row in self._told(name)]
        told.sort(key=lambda row: row["number"])
        self.rets = [{key: value for key, value in row.items() if key not in ("number", "at")} for row in told]

    def _told(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the fills of a feed."""
        judged, fills = self.judged(name).set_index("time"), self.fills.get(name, [])
        known = ["forecast", "strength", "fit", "data_through", "outcome"]
        prices = [*(fill["price"] for fill in fills), self.bars[name][-1][-1] if self.bars.get(name) else np.nan]
        held = 0.0
        for fill, (now, later) in zip(fills, pairwise(prices), strict=True):
            held += fill["size"]
            behind: dict[Any, Any] = judged.loc[fill["at"], known].to_dict() if fill["at"] in judged.index else {}
            yield {**fill, **behind, "held": held, "earned": held * (later - now) - fill["commission"]}

    def get_analysis(self) -> list[dict[str, Any]]:
        """Return the fills."""
        return self.rets
