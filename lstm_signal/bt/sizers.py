"""How much to buy: the stronger the forecast, the more."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import backtrader as bt
import numpy as np

from lstm_signal.bt.indicators import Dates, resolve
from lstm_signal.errors import InputError


class ForecastSizer(bt.Sizer):
    """A share of equity by the strength of the forecast: ``cerebro.addsizer(ForecastSizer, forecasts=forecasts)``.

    For `cerebro.add_signal` and for strategies that call ``self.buy()`` themselves; a `ForecastStrategy` sizes its
    orders by itself. Where there is no strength, nothing is bought or sold; leave a position by ``self.close()``, which
    asks no sizer.

    Parameters
    ----------
    forecasts : Forecasts, str or dict
        The forecasts, or the path of saved ones; by feed name for several feeds. Those of the feed where it is a
        `ForecastData`.
    exposure : float
        The largest share of equity; backtrader rejects orders near 1 as Margin after a gap up.
    full : float
        The strength, up or down, that the largest share is held at; half as strong, half as much.
    whole_shares : bool
        Whole shares alone, never more than wanted.

    Examples
    --------
    >>> import lstm_signal as ls
    >>> from lstm_signal.bt import ForecastData, ForecastSignal
    >>> prices = ls.sample_prices().iloc[:400]
    >>> linear = ls.forecast(prices, ls.Forecaster(cell="linear"), ls.WalkForward(train=200, test=100))
    >>> cerebro = bt.Cerebro()
    >>> _ = cerebro.adddata(ForecastData(dataname=prices, forecasts=linear))
    >>> cerebro.add_signal(bt.SIGNAL_LONGSHORT, ForecastSignal)
    >>> cerebro.addsizer(ForecastSizer)
    >>> len(cerebro.run())
    1
    """

    params: Any = (("forecasts", None), ("exposure", 0.95), ("full", 1.0), ("whole_shares", False))

    def __init__(self) -> None:
        if not 0 < self.p.exposure <= 1 or not 0 < self.p.full < math.inf:
            raise InputError(
                f"exposure={self.p.exposure!r} must lie above 0 and at most at 1, full={self.p.full!r} above 0."
            )
        self.said: dict[Any, tuple[Dates, Any]] = {}

    def _getsizing(self, comminfo: Any, cash: float, data: Any, isbuy: bool) -> float:  # noqa: ARG002
        if data not in self.said:
            given = self.p.forecasts
            named = given.get(data._name) if isinstance(given, Mapping) else given
            forecasts = resolve(named, type(self).__name__, data)
            self.said[data] = (Dates(forecasts.name, forecasts.frame), forecasts.frame["strength"].to_numpy())
        dates, strengths = self.said[data]
        row = dates.rows(np.array([data.datetime[0]]))[0]
        if row < 0 or math.isnan(strengths[row]):
            return 0.0
        share = self.p.exposure * min(1.0, abs(float(strengths[row])) / self.p.full)
        size = float(share * max(0.0, self.broker.getvalue()) / data.close[0])
        return math.trunc(size) if self.p.whole_shares else size
