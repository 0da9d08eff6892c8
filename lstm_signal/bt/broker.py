"""backtrader's own broker and commissions, with what they leave out: slippage at the close, interest, borrow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import backtrader as bt

YEAR = 365 * 86_400.0  # seconds: interest and borrow run on calendar time


class Broker(bt.brokers.BackBroker):
    """BackBroker, whose `Order.Close` pays slippage too and fills at the next bar's close on bars of any length.

    backtrader slips market, stop and limit orders but not those at the close; and it waits for the end of the
    *session*, so on intraday bars a fill would come at the day's last bar, told one bar after.

    Parameters
    ----------
    cash_rate : callable, optional
        Annual rate [fraction] that cash earned up to a datetime; nothing by default.
    """

    params = (("cash_rate", None),)

    def __init__(self, **_: Any) -> None:  # backtrader has taken the parameters out by now
        super().__init__()
        self.interest_earned = 0.0
        self._last: Any = None

    def next(self) -> None:
        """Credit the interest on the cash held since the last bar, then fill orders."""
        now = self.cerebro.datas[0].datetime.datetime(0)
        rate: Callable[[Any], float] | None = self.p.cash_rate
        if rate is not None and self._last is not None:
            interest = self.cash * rate(now) * (now - self._last).total_seconds() / YEAR
            self.cash += interest
            self.interest_earned += interest
        self._last = now
        super().next()

    def _try_exec_close(self, order: Any, pclose: float) -> None:
        if order.data.datetime[0] > order.created.dt:
            slip = self._slip_up if order.isbuy() else self._slip_down
            self._execute(order, ago=0, price=slip(pclose, pclose))


class CommissionInfo(bt.CommissionInfo):
    """A share of value as commission, and borrow on shorts at their market value (backtrader takes the entry price's).

    Parameters
    ----------
    commission : float
        Share of an order's value.
    borrow : float
        Share of a short position's value, a year of 365 days.
    """

    params = (("borrow", 0.0), ("stocklike", True), ("commtype", bt.CommInfoBase.COMM_PERC))

    def __init__(self, **_: Any) -> None:
        super().__init__()
        self.borrow_paid = 0.0

    def get_credit_interest(self, data: Any, pos: Any, dt: Any) -> float:
        """Return the borrow due since the last bar, on the value at that bar's close."""
        years = max((dt - pos.datetime).total_seconds(), 0.0) / YEAR
        due = years * self.p.borrow * max(-pos.size, 0.0) * data.close[-1]
        self.borrow_paid += due
        return float(due)
