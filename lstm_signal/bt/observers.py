"""What is drawn over the price: the forecast with its interval, at the bar it was meant for."""

from __future__ import annotations

import math
from typing import Any

import backtrader as bt


class ForecastBand(bt.Observer):
    """The predicted next value and its interval over the price, `horizon` bars after it was said.

    `cerebro.addobservermulti(ForecastBand)`; `addobserver` would draw it below. Lines: `predicted`, `lower` and `upper`
    [price]; the interval is NaN where none is known. Of each feed its first model, or its own where it is a
    `ForecastData`; nothing over others.
    """

    lines: Any = ("predicted", "lower", "upper")
    params = (("horizon", 1),)
    plotinfo = {"plot": True, "subplot": False, "plotname": "Forecast", "plotlinelabels": False}
    plotlines = {
        "predicted": {"color": "tab:blue", "linewidth": 0.8, "_name": "predicted"},
        "lower": {"color": "tab:blue", "linewidth": 0.5, "ls": "--", "_name": ""},
        "upper": {"color": "tab:blue", "linewidth": 0.5, "ls": "--", "_name": ""},
    }

    def next(self) -> None:
        """Put what was said `horizon` bars ago at the current bar."""
        books = getattr(self._owner, "books", ())
        models = [book.models[0] for book in books if book.data is self.data]
        source, ago = models[0] if models else self.data, self.p.horizon
        if len(source) <= ago or not hasattr(source.lines, "forecast"):
            return
        close = self.data.close[-ago]
        for line, name in (("predicted", "forecast"), ("lower", "lower"), ("upper", "upper")):
            getattr(self.lines, line)[0] = close * math.exp(getattr(source.lines, name)[-ago])
