"""What plugs into backtrader, in backtrader's own words; names load when first used.

- `ForecastData`, `PricesData`: price feeds, with and without a model's forecasts as lines; `NoRepeats` for live ones.
- `Forecast`, `Rates`: indicators that look up what was said; `ForecastSignal` for `cerebro.add_signal`.
- `ForecastAccuracy`, `ForecastLedger`: analyzers; `ForecastBand`: an observer over the price.
- `Streaming`, `StreamingForecast`: the walk, live.
- `ForecastStrategy`: the base of every strategy; `PortfolioStrategy`: of those over many feeds.
- `Broker`, `CommissionInfo`: what `backtest` trades through; `ForecastSizer`: the stronger, the more.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lstm_signal.bt.analyzers import ForecastAccuracy, ForecastLedger
    from lstm_signal.bt.broker import Broker, CommissionInfo
    from lstm_signal.bt.feed import ForecastData, NoRepeats, PricesData
    from lstm_signal.bt.indicators import Forecast, ForecastSignal, Rates
    from lstm_signal.bt.live import Streaming, StreamingForecast
    from lstm_signal.bt.observers import ForecastBand
    from lstm_signal.bt.portfolio import PortfolioStrategy
    from lstm_signal.bt.sizers import ForecastSizer
    from lstm_signal.bt.strategy import ForecastStrategy

_HOME = {
    "Broker": "broker",
    "CommissionInfo": "broker",
    "Forecast": "indicators",
    "ForecastAccuracy": "analyzers",
    "ForecastBand": "observers",
    "ForecastData": "feed",
    "ForecastLedger": "analyzers",
    "ForecastSignal": "indicators",
    "ForecastSizer": "sizers",
    "ForecastStrategy": "strategy",
    "NoRepeats": "feed",
    "PortfolioStrategy": "portfolio",
    "PricesData": "feed",
    "Rates": "indicators",
    "Streaming": "live",
    "StreamingForecast": "live",
}

__all__ = [
    "Broker",
    "CommissionInfo",
    "Forecast",
    "ForecastAccuracy",
    "ForecastBand",
    "ForecastData",
    "ForecastLedger",
    "ForecastSignal",
    "ForecastSizer",
    "ForecastStrategy",
    "NoRepeats",
    "PortfolioStrategy",
    "PricesData",
    "Rates",
    "Streaming",
    "StreamingForecast",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'lstm_signal.bt' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"lstm_signal.bt.{_HOME[name]}"), name)
    globals()[name] = value
    return value
