"""backtrader's own broker and commissions, with what they leave out: slippage at the close, interest, borrow."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import backtrader as bt

from lstm_signal.bt.indicators import refuse_unknown
from lstm_signal.errors import InputError

YEAR = 365 * 86_400.0  # seconds: interest and borrow run on calendar time


class Broker(bt.brokers.BackBroker):
    """BackBroker, whose `Order.Close` pays slippage too and fills at the next bar's close on bars of any length.

    backtrader slips market, stop and limit orders but not those at the close; and it waits for the end of the
    *session*, so on intraday bars a fill would come at the day's last bar, told one bar after.

    Parameters
    ----------
    cash_rate : float or callable, optional
        Annual rate [fraction] that cash earns; a callable is asked with the datetime of the bar up to which it earned.
    """

    params = (("cash_rate", None),)

    def __init__(self, **unknown: Any) -> None:  # backtrader has taken the parameters out by now
        refuse_unknown(self, unknown)
        if not callable(self.p.cash_rate) and self.p.cash_rate is not None:
            _checked("cash_rate", self.p.cash_rate, least=-math.inf)
        super().__init__()

    def start(self) -> None:
        """Begin anew: a Cerebro may run more than once."""
        super().start()
        self.interest_earned = 0.0
        self._last: Any = None
        for scheme in self.comminfo.values():
            if isinstance(scheme, CommissionInfo):
                scheme.borrow_paid = 0.0

    def next(self) -> None:
        """Credit the interest on the cash held since the last bar, then fill orders."""
        if self.p.cash_rate is not None:
            self._credit()
        super().next()

    def _credit(self) -> None:
        now = max(data.datetime.datetime(0) for data in self.cerebro.datas if len(data))
        if self._last is not None:
            rate = self.p.cash_rate(now) if callable(self.p.cash_rate) else self.p.cash_rate
            interest = self.cash * rate * (now - self._last).total_seconds() / YEAR
            self.cash += interest
            self.interest_earned += interest
        self._last = now

    def _try_exec_close(self, order: Any, pclose: float) -> None:
        if order.data.datetime[0] > order.created.dt:
            slip = self._slip_up if order.isbuy() else self._slip_down
            self._execute(order, ago=0, price=slip(pclose, pclose))


def _checked(name: str, value: object, least: float = 0.0) -> None:
    if isinstance(value, bool) or not isinstance(value, Real) or not least <= float(value) < math.inf:
        raise InputError(f"{name}={value!r} must be a finite number{', 0 or more' if least == 0 else ''}.")


class CommissionInfo(bt.CommissionInfo):
    """What an order costs, as a share of value, by share and fixed, all three together; and what a short costs.

    ``cerebro.broker.addcommissioninfo(CommissionInfo(per_share=0.005, fixed=1.0), name="SPY")``; without a name, for
    all feeds.

    Parameters
    ----------
    commission : float
        Share of an order's value.
    per_share : float
        Money for each share.
    fixed : float
        Money for each order; for turning a position round twice, as closing one and opening the other are two.
    feed : ForecastData, optional
        Its dividends are chained into its prices, so that a traded share stands for more than one real share: with
        the feed given here, `per_share` counts real ones; give its name to `addcommissioninfo`, too. Without it the
        shares are counted as they are traded.
    borrow : float
        Share of a short position's market value, a year of 365 days (backtrader takes the entry price's).
    """

    params = (
        ("borrow", 0.0), ("per_share", 0.0), ("fixed", 0.0), ("feed", None), ("stocklike", True),
        ("commtype", bt.CommInfoBase.COMM_PERC),
    )  # fmt: skip

    def __init__(self, **unknown: Any) -> None:
        refuse_unknown(self, unknown)
        for name in ("commission", "per_share", "fixed", "borrow"):
            _checked(name, getattr(self.p, name))
        super().__init__()
        self.borrow_paid = 0.0
        if self.p.feed is not None and not hasattr(self.p.feed.lines, "growth"):
            raise InputError(
                f"CommissionInfo(feed=...): {type(self.p.feed).__name__} does not say how dividends raised its prices. "
                "Use a ForecastData, or leave feed out and trade raw prices."
            )

    def _getcommission(self, size: float, price: float, pseudoexec: bool) -> float:
        if not size:
            return 0.0
        share = super()._getcommission(size, price, pseudoexec)
        real = abs(size) * (self.p.feed.growth[0] if self.p.feed is not None else 1.0)
        return float(share + self.p.per_share * real + self.p.fixed)

    def get_credit_interest(self, data: Any, pos: Any, dt: Any) -> float:
        """Return the borrow due since the last bar, on the value at that bar's close."""
        years = max((dt - pos.datetime).total_seconds(), 0.0) / YEAR
        if self.p.borrow and years and len(data.close.array) < 2:
            raise InputError("exactbars=1 forgets the close that borrow is due on: run with exactbars=False.")
        due = years * self.p.borrow * max(-pos.size, 0.0) * data.close[-1]
        self.borrow_paid += due
        return float(due)
