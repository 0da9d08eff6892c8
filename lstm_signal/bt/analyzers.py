"""What came of a run, bar by bar: backtrader's analyzers that fill the tables of a `Run`."""

from __future__ import annotations

from typing import Any

import backtrader as bt


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
        for fill in order.executed.iterpending():
            self.fills.append(
                {
                    "date": bt.num2date(fill.dt),
                    "sent": bt.num2date(order.created.dt),
                    "ref": order.ref,
                    "size": fill.size,
                    "price": fill.price,
                    "commission": order.comminfo.getcommission(fill.size, fill.price),
                }
            )

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
