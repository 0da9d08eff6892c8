"""The base of every strategy: it does once what everybody gets wrong, and asks only for the wanted exposure."""

from __future__ import annotations

import math
import warnings
from numbers import Real
from typing import Any

import backtrader as bt

from lstm_signal.bt.indicators import Forecast, resolve
from lstm_signal.errors import InputError, LookAheadError, did_you_mean
from lstm_signal.forecasts import Forecasts

FILLS = ("next_open", "next_close", "close")


class _WithForecasts(type(bt.Strategy)):  # type: ignore[misc]
    """Makes the forecast lines before a subclass's __init__ runs, so that it need not call super().__init__()."""

    def dopreinit(cls, _obj: Any, *args: Any, **kwargs: Any) -> Any:
        _obj, args, kwargs = super().dopreinit(_obj, *args, **kwargs)
        _obj.forecasts = resolve(_obj.p.forecasts, cls.__name__)
        _obj.lines_of_forecast = Forecast(_obj.data, forecasts=_obj.forecasts)
        _obj.forecast = _obj.lines_of_forecast.lines.forecast
        _obj.strength = _obj.lines_of_forecast.lines.strength
        _obj.wanted, _obj.pending, _obj.seen, _obj.log = 0.0, None, False, []
        return _obj, args, kwargs


class ForecastStrategy(bt.Strategy, metaclass=_WithForecasts):
    """Trades on forecasts, in any Cerebro: `cerebro.addstrategy(Mine, forecasts=forecasts)`.

    A subclass writes `signal`; NaN forecasts, sizing, timing, drift and provenance are dealt with here.

    Parameters
    ----------
    forecasts : Forecasts or str
        The forecasts, or the path of saved ones.
    fill : {"next_open", "next_close", "close"}
        When an order sent at the close of bar t is filled: at the open or close of bar t + 1, or at close t
        itself, the close that the forecast was computed from (a sensitivity, not a way to trade).
    exposure : float
        Share of equity held at signal 1; backtrader rejects orders near 1 as Margin after a gap up.
    drift : float
        An order also goes out when the actual share of equity is further than this from the wanted one.

    Attributes
    ----------
    forecast, strength : lines
        What the model said at each bar; `self.strength[0]` is the current one.
    wanted : float
        The current signal.
    log : list of dict
        Why each order was sent: order ref, stamp, size, wanted exposure, forecast, strength.

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

    params: Any = (("forecasts", None), ("fill", "next_open"), ("exposure", 0.95), ("drift", 0.10))

    # Made by the metaclass for each strategy.
    forecasts: Forecasts
    forecast: Any
    strength: Any
    wanted: float
    pending: Any
    seen: bool
    log: list[dict[str, Any]]

    def signal(self) -> float:
        """Return the wanted exposure after the current bar, -1 (short) to 1 (long); NaN is flat."""
        raise NotImplementedError(f"{type(self).__name__} has no signal(): return the wanted exposure, -1 to 1.")

    def start(self) -> None:
        """Refuse what would look ahead, and a broker that fills elsewhere than `fill` says."""
        frame = self.forecasts.frame
        ahead = frame.index[(frame["data_through"] > frame.index).to_numpy()]
        if len(ahead):
            raise LookAheadError(
                f"forecasts {self.forecasts.name!r}: the fit behind bar {ahead[0]} has seen a later bar, "
                f"{frame['data_through'][ahead[0]]}. Stamp each forecast with the bar it was made at."
            )
        if not 0 < self.p.exposure <= 1 or not self.p.drift >= 0:
            raise InputError(
                f"exposure={self.p.exposure!r} must lie above 0 and at most at 1 (.95 is safe from Margin), "
                f"drift={self.p.drift!r} at 0 or above."
            )
        if self.p.fill not in FILLS:
            raise InputError(f"unknown fill {self.p.fill!r}. {did_you_mean(self.p.fill, FILLS)}")
        if self.p.fill == "close":
            self.broker.set_coc(True)
        elif self.broker.p.coc:
            raise InputError(
                f"the broker cheats on close, but fill={self.p.fill!r}: drop set_coc, or pass fill='close'."
            )

    def next(self) -> None:
        """Send an order when the wanted exposure changes, and when the actual one has drifted from it."""
        if self.pending is not None and self.pending.alive():
            return  # one order at a time: the next bar asks again
        there = math.isfinite(self.forecast[0])
        self.seen = self.seen or there
        wanted = self._checked(self.signal()) if there else 0.0
        changed, self.wanted = wanted != self.wanted, wanted
        value, price = self.broker.getvalue(), self.data.close[0]
        actual = self.position.size * price / value if value > 0 else 0.0
        if value > 0 and (changed or abs(actual - wanted * self.p.exposure) > self.p.drift):
            self._order(wanted * self.p.exposure * value / price - self.position.size)

    def stop(self) -> None:
        """Say so if no bar of the feed had a forecast: nothing was traded on, whatever the equity looks like."""
        if not self.seen:
            warnings.warn(
                f"{type(self).__name__}: no bar of the feed has a forecast of {self.forecasts.name!r}, so nothing "
                "was traded.",
                stacklevel=2,
            )

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
        self.log.append(
            {"ref": self.pending.ref, "sent": self.data.datetime.datetime(0), "size": size, "wanted": self.wanted,
             "forecast": self.forecast[0], "strength": self.strength[0]}
        )  # fmt: skip
