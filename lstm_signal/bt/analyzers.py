"""What came of a run, bar by bar: backtrader's analyzers that fill the tables of a `Run`."""

from __future__ import annotations

from typing import Any

import backtrader as bt


class Recorder(bt.Analyzer):
    """Keeps equity, cash, size, close, borrow and interest (both since the start) of every bar, every fill, every order's fate and every trade."""

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
        """Record a fill, and what became of the order."""
        self.status[order.ref] = order.getstatusname()
        if order.status == bt.Order.Completed:
            size, price = order.executed.size, order.executed.price
            self.fills.append(
                {
                    "date": bt.num2date(order.executed.dt),
                    "sent": bt.num2date(order.created.dt),
                    "ref": order.ref,
                    "size": size,
                    "price": price,
                    "commission": order.comminfo.getcommission(size, price),
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
