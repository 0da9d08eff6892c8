"""Walk-forward LSTM and RNN forecasts for backtrader, with the evidence beside them.

The flow goes one way, and a module imports only from its left::

    bars -> checks -> prices -> sessions -> yahoo, vintages -> updating -> history
         -> windows -> cells, networks -> training, linear -> recipe -> fits -> streaming, saving -> forecaster
         -> intervals -> forecasts -> schedule -> store, pool -> tasks -> walk -> baselines
         -> bt (indicators, feed, live, broker, book, strategy, portfolio, analyzers, observers, sizers)
         -> bootstrap -> evidence -> estimates -> skill -> results -> loading -> costs -> runs
         -> money, ledger -> verdict -> report -> comparison -> comparing
         -> road -> options -> cli, commands, housekeeping

`errors`, `figures`, `files`, `measures`, `plots`, `tables`, `terms` and `units` import nothing of ours but each other:
any module may call them.
The public names below, and the modules `bt` and `plots`, load when first used: importing the package loads neither
torch nor pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lstm_signal.bars import total_return
    from lstm_signal.bt.portfolio import PortfolioStrategy
    from lstm_signal.bt.strategy import ForecastStrategy
    from lstm_signal.cells import LADDER
    from lstm_signal.checks import doubts
    from lstm_signal.comparing import compare
    from lstm_signal.comparison import Comparison, read_comparison
    from lstm_signal.costs import Costs
    from lstm_signal.errors import FetchError, FitError, FitWarning, InputError, LookAheadError, PriceWarning
    from lstm_signal.forecaster import FittedForecaster, Forecaster, load_forecaster
    from lstm_signal.forecasts import Forecasts, read_forecasts
    from lstm_signal.history import load_prices
    from lstm_signal.loading import load_strategy
    from lstm_signal.prices import read_prices, sample_prices
    from lstm_signal.results import Run
    from lstm_signal.runs import backtest
    from lstm_signal.schedule import WalkForward
    from lstm_signal.walk import forecast
    from lstm_signal.windows import feature

_HOME = {
    "Comparison": "comparison",
    "Costs": "costs",
    "FetchError": "errors",
    "FitError": "errors",
    "FitWarning": "errors",
    "FittedForecaster": "forecaster",
    "ForecastStrategy": "bt.strategy",
    "Forecaster": "forecaster",
    "Forecasts": "forecasts",
    "InputError": "errors",
    "LADDER": "cells",
    "LookAheadError": "errors",
    "PortfolioStrategy": "bt.portfolio",
    "PriceWarning": "errors",
    "Run": "results",
    "WalkForward": "schedule",
    "backtest": "runs",
    "compare": "comparing",
    "doubts": "checks",
    "feature": "windows",
    "forecast": "walk",
    "load_forecaster": "forecaster",
    "load_prices": "history",
    "load_strategy": "loading",
    "read_comparison": "comparison",
    "read_forecasts": "forecasts",
    "read_prices": "prices",
    "sample_prices": "prices",
    "total_return": "bars",
}

__all__ = [
    "LADDER",
    "Comparison",
    "Costs",
    "FetchError",
    "FitError",
    "FitWarning",
    "FittedForecaster",
    "ForecastStrategy",
    "Forecaster",
    "Forecasts",
    "InputError",
    "LookAheadError",
    "PortfolioStrategy",
    "PriceWarning",
    "Run",
    "WalkForward",
    "backtest",
    "compare",
    "doubts",
    "feature",
    "forecast",
    "load_forecaster",
    "load_prices",
    "load_strategy",
    "read_comparison",
    "read_forecasts",
    "read_prices",
    "sample_prices",
    "total_return",
]


def __getattr__(name: str) -> object:
    if name in ("bt", "plots"):
        return importlib.import_module(f"lstm_signal.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'lstm_signal' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"lstm_signal.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
