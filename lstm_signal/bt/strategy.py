"""The base of every strategy: it does once what everybody gets wrong, and asks only for the wanted exposure."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Any, NoReturn

import backtrader as bt

from lstm_signal.bt.book import ORDER_TYPES, Book
from lstm_signal.bt.broker import Broker
from lstm_signal.bt.indicators import Forecast
from lstm_signal.bt.live import StreamingForecast
from lstm_signal.errors import InputError, did_you_mean

FILLS = tuple(ORDER_TYPES)


class _WithForecasts(type(bt.Strategy)):  # type: ignore[misc]
    """Makes the forecast lines before a subclass's __init__ runs, so that it need not call super().__init__()."""

    def dopreinit(cls, _obj: Any, *args: Any, **kwargs: Any) -> Any:
        _obj, args, kwargs = super().dopreinit(_obj, *args, **kwargs)
        _obj.books, _obj.log = [Book(_obj, data, given) for data, given in _obj._traded()], []
        first = _obj.books[0]
        _obj.models, _obj.forecast, _obj.strength = first.models, first.forecast, first.strength
        return _obj, args, kwargs


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
    books : list of Book
        What is known of each feed that is traded: here one, the first.
    log : list of dict
        Why each order was sent: the order's ref, feed, stamp, size, wanted exposure; forecast, strength, the
        strategy's threshold if it has one, the fit behind the forecast and the last bar it has seen.

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

    asked = "signal"  # what a subclass writes, for errors

    # Made by the metaclass for each strategy.
    books: list[Book]
    models: list[Forecast | StreamingForecast]
    forecast: Any
    strength: Any
    log: list[dict[str, Any]]

    @property
    def wanted(self) -> float:
        """The exposure wanted since the latest bar."""
        return self.books[0].wanted

    def signal(self) -> float:
        """Return the wanted exposure after the current bar, -1 (short) to 1 (long); NaN is flat."""
        raise NotImplementedError(f"{type(self).__name__} has no signal(): return the wanted exposure, -1 to 1.")

    def start(self) -> None:
        """Refuse what would look ahead, and a broker that fills elsewhere than `fill` says."""
        for book in self.books:
            for model in book.models:
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
        if getattr(self.broker.p, "coo", False):
            raise InputError(
                "the broker cheats on open: with several feeds orders fill at opens already past. Drop cheat_on_open."
            )
        if self.p.fill == "close":
            self.broker.set_coc(True)
        elif self.broker.p.coc:
            raise InputError(
                f"the broker cheats on close, but fill={self.p.fill!r}: drop set_coc, or pass fill='close'."
            )

    def next(self) -> None:
        """Send an order when the wanted exposure changes, and when the actual one has drifted from it."""
        due = self._due()
        if not due:
            return  # a bar of another feed, or before the first
        wanted = self._wanted(due, [book for book in due if book.spoke()])
        if not (asking := [book for book in due if book.asks(wanted.get(book, 0.0))]):
            return
        value = self.broker.getvalue()
        orders = [(size, book) for book in asking if (size := book.missing(value))]
        for size, book in sorted(orders, key=lambda order: order[0] * order[1].data.close[0]):
            book.send(size)  # sales first: they pay for what is bought

    def stop(self) -> None:
        """Say so if no bar of a feed had a forecast: nothing was traded on, whatever the equity looks like."""
        for book in self.books:
            if not book.seen:
                names = " and ".join(repr(model.name) for model in book.models)
                warnings.warn(
                    f"{type(self).__name__}: no bar of the feed{f' {book.name}' * bool(book.name)} has a forecast of "
                    f"{names}, so nothing was traded.",
                    stacklevel=2,
                )

    def _traded(self) -> list[tuple[Any, object]]:
        """Return the feeds that are traded, each with what was given as its forecasts."""
        return [(self.data, self.p.forecasts)]

    def _due(self) -> list[Book]:
        """Return the books with a new bar and no order on its way."""
        return [book for book in self.books if book.due()]

    def _wanted(self, due: list[Book], spoke: list[Book]) -> dict[Book, float]:  # noqa: ARG002
        """Return the wanted exposures of those due whose models spoke; of the others it is 0."""
        return {book: self._checked(self.signal()) for book in spoke}

    def _checked(self, signal: object) -> float:
        if not isinstance(signal, Real):
            self._refuse(signal, "it must return the wanted exposure, a number from -1 to 1.")
        wanted = float(signal)
        if not -1.0 <= wanted <= 1.0 and wanted == wanted:
            self._refuse(signal, "the wanted exposure must lie from -1 to 1. Clip it.")
        return wanted if wanted == wanted else 0.0

    def _refuse(self, signal: object, rule: str) -> NoReturn:
        at = self.data.datetime.datetime(0)
        raise InputError(f"{type(self).__name__}.{self.asked}() returned {signal!r} at {at}: {rule}")
