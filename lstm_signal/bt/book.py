"""One traded feed of a strategy: its models, and what is wanted, held and on its way."""

from __future__ import annotations

import math
from typing import Any

import backtrader as bt

from lstm_signal.bt.indicators import Forecast, resolve
from lstm_signal.bt.live import Streaming, StreamingForecast

_REFUSED = (bt.Order.Margin, bt.Order.Rejected)
ORDER_TYPES = {"next_open": bt.Order.Market, "next_close": bt.Order.Close, "close": bt.Order.Market}


class Book:
    """What a strategy knows of one feed that it trades.

    Attributes
    ----------
    name : str
        The feed's, as in ``cerebro.adddata(feed, name="SPY")``.
    data : feed
    models : list of Forecast
        The indicators of its models.
    forecast, strength : lines
        What the first model said at each bar; ``book.strength[0]`` is the current one.
    wanted : float
        The exposure wanted since its latest bar.
    """

    def __init__(self, strategy: Any, data: Any, given: object) -> None:
        several = given if isinstance(given, tuple | list) and given else (given,)
        self.strategy, self.data, self.name = strategy, data, str(data._name)
        self.models = [self._lines(item) for item in several]
        self.forecast, self.strength = self.models[0].lines.forecast, self.models[0].lines.strength
        self.wanted, self.seen = 0.0, False
        # Kept, as backtrader looks each of them up anew: half of what a bar costs.
        self._close, self._said = data.lines.close, [model.lines.forecast for model in self.models]
        self._pending: Any = None
        self._anew, self._bars = False, 0  # whether an order is to be sent whatever is held; bars taken
        self.at = 0.0  # the latest bar's time, as backtrader counts

    def _lines(self, given: object) -> Forecast | StreamingForecast:
        """Return the lines of one model beside the feed: looked up, or made as the bars come."""
        if isinstance(given, Streaming):
            return StreamingForecast(self.data, walk=given)
        return Forecast(self.data, forecasts=resolve(given, type(self.strategy).__name__, self.data))

    @property
    def size(self) -> float:
        """Shares held, negative when short."""
        return float(self.strategy.getposition(self.data).size)

    def due(self) -> bool:
        """Take a new bar; False if there is none, or an order is still on its way: the next bar asks again."""
        bars = len(self._close)
        if bars == self._bars:
            return False  # another feed's bar
        self._bars, self.at = bars, self.data.datetime[0]
        if self._pending is not None:
            if self._pending.alive():
                return False
            self._anew, self._pending = self._pending.status in _REFUSED, None
        return True

    def release(self) -> None:
        """Take back an order that can no longer be filled, and want nothing."""
        if self._pending is not None:
            self.strategy.cancel(self._pending)
        self.wanted = 0.0

    def spoke(self) -> bool:
        """Whether every model said something at the current bar."""
        there = all(math.isfinite(said[0]) for said in self._said)
        self.seen = self.seen or there
        return there

    def asks(self, wanted: float) -> bool:
        """Take the wanted exposure; False where the feed is flat and meant to be."""
        self._anew = self._anew or wanted != self.wanted
        self.wanted = wanted
        return bool(self._anew or wanted or self.size)

    def missing(self, value: float) -> float:
        """Return the shares to buy (sell, if negative): nothing while the exposure is as wanted, but for drift.

        An order goes out when another exposure is wanted, when the last order was refused, and when the actual
        exposure has drifted.
        """
        p, price, size = self.strategy.p, float(self._close[0]), self.size
        share = self.wanted * float(p.exposure)
        anew, self._anew = self._anew, False
        if not value > 0 or not (anew or abs(size * price / value - share) > p.drift):
            return 0.0
        target = share * value / price
        return (math.trunc(target) if p.whole_shares else target) - size

    def send(self, size: float) -> None:
        """Send an order, and log why."""
        strategy = self.strategy
        way = strategy.buy if size > 0 else strategy.sell
        self._pending = way(data=self.data, size=abs(size), exectype=ORDER_TYPES[strategy.p.fill])
        strategy.log.append({
            "ref": self._pending.ref, "feed": self.name, "sent": self.data.datetime.datetime(0), "size": size,
            "wanted": self.wanted, "forecast": self.forecast[0], "strength": self.strength[0],
            "threshold": getattr(strategy.p, "threshold", math.nan), **self.models[0].origin(),
        })  # fmt: skip
