"""The base of every strategy: it does once what everybody gets wrong, and asks only for the wanted exposure."""

from __future__ import annotations

import math
import warnings
from numbers import Real
from typing import Any

import backtrader as bt

from lstm_signal.bt.broker import Broker
from lstm_signal.bt.indicators import Forecast, resolve
from lstm_signal.bt.live import Streaming, StreamingForecast
from lstm_signal.errors import InputError, did_you_mean

FILLS = ("next_open", "next_close", "close")


class _WithForecasts(type(bt.Strategy)):  # type: ignore[misc]
    """Makes the forecast lines before a subclass's __init__ runs, so that it need not call super().__init__()."""

    def dopreinit(cls, _obj: Any, *args: Any, **kwargs: Any) -> Any:
        _obj, args, kwargs = super().dopreinit(_obj, *args, **kwargs)
        given = _obj.p.forecasts
        several = given if isinstance(given, tuple | list) and given else (given,)
        _obj.models = [_lines(_obj.data, item, cls.__name__) for item in several]
        _obj.forecast, _obj.strength = _obj.models[0].lines.forecast, _obj.models[0].lines.strength
        _obj.wanted, _obj.pending, _obj.seen, _obj.bars, _obj.log = 0.0, None, False, 0, []
        return _obj, args, kwargs


def _lines(data: Any, given: object, user: str) -> Forecast | StreamingForecast:
    """Return the lines of one model beside a feed: looked up, or made as the bars come."""
    if isinstance(given, Streaming):
        return StreamingForecast(data, walk=given)
    return Forecast(data, forecasts=resolve(given, user, data))


class ForecastStrategy(bt.Strategy, metaclass=_WithForecasts):
    """Trades on forecasts, in any Cerebro: `cerebro.addstrategy(Mine, forecasts=forecasts)`.

    A subclass writes `signal`; NaN forecasts, sizing, timing, drift and provenance are dealt with here.

    Parameters
    ----------
    forecasts : Forecasts, str or Streaming, or tuple of them
        The forecasts, or the path of saved ones; those of the feed where it is a `ForecastData`. Several models stand
        in `models`, in their order; a bar counts as forecast where all of them spoke. `Streaming` fits and
        forecasts as the bars come.
    fill : {"next_open", "next_close", "close"}
        When an order sent at the close of bar t is filled: at the open or close of bar t + 1, or at close t
        itself, the close that the forecast was computed from (a sensitivity, not a way to trade).
    exposure : float
        Share of equity held at signal 1; backtrader rejects orders near 1 as Margin after a gap up.
    drift : float
        An order also goes out when the actual share of equity is further than this from the wanted one.
    whole_shares : bool
        Hold whole shares alone, never more than wanted.

    Attributes
    ----------
    forecast, strength : lines
        What the model said at each bar, the first one of several; `self.strength[0]` is the current one.
    models : list of Forecast
        The indicators of all models, as in ``self.models[1].strength[0]``.
    wanted : float
        The current signal.
    log : list of dict
        Why each order was sent: the order's ref, stamp, size, wanted exposure; forecast, strength, the strategy's
        threshold if it has one, the fit behind the forecast and the last bar it has seen.

    Raises
    ------
    LookAheadError
        If a forecast's fit has seen a bar later than the bar it is stamped with.

    Examples
    --------
    >>> class Mine(ForecastStrategy):
    ...     params = (("threshold", 0.5),)
    ...     def signal(self):
    ...         return 1.0 if self.strength[0] > self.p.threshold else 0.0
    """

    params: Any = (
        ("forecasts", None), ("fill", "next_open"), ("exposure", 0.95), ("drift", 0.10), ("whole_shares", False),
    )  # fmt: skip

    # Made by the metaclass for each strategy.
    models: list[Forecast | StreamingForecast]
    forecast: Any
    strength: Any
    wanted: float
    pending: Any
    seen: bool
    bars: int
    log: list[dict[str, Any]]

    def signal(self) -> float:
        """Return the wanted exposure after the current bar, -1 (short) to 1 (long); NaN is flat."""
        raise NotImplementedError(f"{type(self).__name__} has no signal(): return the wanted exposure, -1 to 1.")

    def start(self) -> None:
        """Refuse what would look ahead, and a broker that fills elsewhere than `fill` says."""
        for model in self.models:
            model.check()
        if not 0 < self.p.exposure <= 1 or not self.p.drift >= 0:
            raise InputError(
                f"exposure={self.p.exposure!r} must lie above 0 and at most at 1 (.95 is safe from Margin), "
                f"drift={self.p.drift!r} at 0 or above."
            )
        if self.p.fill not in FILLS:
            raise InputError(f"unknown fill {self.p.fill!r}. {did_you_mean(self.p.fill, FILLS)}")
        if self.p.fill == "next_close" and len(self.datas) > 1 and not isinstance(self.broker, Broker):
            raise InputError(
                "with several feeds backtrader's own broker may fill an order for the next close at the close before, "
                "already known: cerebro.broker = lstm_signal.bt.Broker(cash=...), or another fill."
            )
        if self.p.fill == "close":
            self.broker.set_coc(True)
        elif self.broker.p.coc:
            raise InputError(
                f"the broker cheats on close, but fill={self.p.fill!r}: drop set_coc, or pass fill='close'."
            )

    def next(self) -> None:
        """Send an order when the wanted exposure changes, and when the actual one has drifted from it."""
        if len(self.data) == self.bars:
            return  # another feed's bar: this one has nothing new
        self.bars = len(self.data)
        if self.pending is not None and self.pending.alive():
            return  # one order at a time: the next bar asks again
        there = all(math.isfinite(model.forecast[0]) for model in self.models)
        self.seen = self.seen or there
        wanted = self._checked(self.signal()) if there else 0.0
        changed, self.wanted = wanted != self.wanted, wanted
        if not (changed or wanted or self.position.size):
            return  # flat, and meant to be
        value, price = self.broker.getvalue(), self.data.close[0]
        actual = self.position.size * price / value if value > 0 else 0.0
        if value > 0 and (changed or abs(actual - wanted * self.p.exposure) > self.p.drift):
            target = wanted * self.p.exposure * value / price
            self._order((math.trunc(target) if self.p.whole_shares else target) - self.position.size)

    def stop(self) -> None:
        """Say so if no bar of the feed had a forecast: nothing was traded on, whatever the equity looks like."""
        if not self.seen:
            warnings.warn(
                f"{type(self).__name__}: no bar of the feed has a forecast of {self._names()}, so nothing was traded.",
                stacklevel=2,
            )

    def _names(self) -> str:
        return " and ".join(repr(model.name) for model in self.models)

    def _checked(self, signal: object) -> float:
        if not isinstance(signal, Real):
            raise InputError(
                f"{type(self).__name__}.signal() returned {signal!r} at {self.data.datetime.datetime(0)}: it must "
                "return the wanted exposure, a number from -1 to 1."
            )
        signal = float(signal)
        if math.isnan(signal):
            return 0.0
        if not -1.0 <= signal <= 1.0:
            raise InputError(
                f"{type(self).__name__}.signal() returned {signal} at {self.data.datetime.datetime(0)}: the wanted "
                "exposure must lie from -1 to 1. Clip it."
            )
        return signal

    def _order(self, size: float) -> None:
        if size == 0:
            return
        exectype = bt.Order.Close if self.p.fill == "next_close" else bt.Order.Market
        send = self.buy if size > 0 else self.sell
        self.pending = send(size=abs(size), exectype=exectype)
        self.log.append({
            "ref": self.pending.ref, "sent": self.data.datetime.datetime(0), "size": size, "wanted": self.wanted,
            "forecast": self.forecast[0], "strength": self.strength[0],
            "threshold": getattr(self.p, "threshold", math.nan), **self.models[0].origin(),
        })  # fmt: skip
