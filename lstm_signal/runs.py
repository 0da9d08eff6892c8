"""backtest(): prices + forecasts + strategy + costs in a real Cerebro, and what came of it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from lstm_signal.bars import as_prices, refuse_fake_opens, stamps_of, total_return
from lstm_signal.bt.analyzers import Recorder
from lstm_signal.bt.broker import YEAR, Broker, CommissionInfo
from lstm_signal.bt.feed import PricesData
from lstm_signal.bt.portfolio import PortfolioStrategy
from lstm_signal.bt.strategy import FILLS, ForecastStrategy
from lstm_signal.costs import Costs, cash_rates, positive
from lstm_signal.errors import InputError, LookAheadError, did_you_mean
from lstm_signal.forecasts import Forecasts, check_same_prices
from lstm_signal.loading import load_strategy
from lstm_signal.measures import periods_per_year
from lstm_signal.results import Run

FILL_OF_TARGET = {"open": "next_open", "next_close": "next_close", "close": "close"}
_BASE_PARAMETERS = ("forecasts", "fill")  # set by backtest itself


def backtest(
    prices: pd.DataFrame,
    forecasts: Forecasts | Sequence[Forecasts],
    strategy: str | type[ForecastStrategy] = "long_flat",
    *,
    costs: Costs | None = None,
    cash: float = 100_000.0,
    fill: str | None = None,
    cash_rate: float | pd.Series = 0.0,
    periods_per_year: float | None = None,
    **parameters: object,
) -> Run:
    """Trade forecasts through backtrader, on prices with their dividends chained in.

    Parameters
    ----------
    prices : DataFrame, shape (bars, 6)
        The bars that the forecasts were made on.
    forecasts : Forecasts, or tuple of Forecasts
        One model's, or several of one target and horizon, for a strategy that weighs them (`agreement`).
    strategy : str or class
        A shipped strategy's name, ``"file.py:Class"``, or a ForecastStrategy.
    costs : Costs, optional
    cash : float
        Money to start with.
    fill : {"next_open", "next_close", "close"}, optional
        When an order sent at the close of bar t is filled; by default where the forecast's target starts. ``"close"``
        trades at the very close the forecast was made from: a sensitivity, not a way to trade.
    cash_rate : float or Series
        Annual rate that cash earns, a fraction; a Series by date is carried forward. Sharpe is of returns above it.
    periods_per_year : float, optional
        Bars a year; from the calendar by default.
    **parameters
        Of the strategy, such as ``threshold=0.3``.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        If forecasts and prices do not belong together, or a parameter is unknown.
    LookAheadError
        If a forecast's fit has seen a later bar.

    Examples
    --------
    >>> import lstm_signal as ls
    >>> prices = ls.sample_prices().iloc[:400]
    >>> linear = ls.forecast(prices, ls.Forecaster(cell="linear"), ls.WalkForward(train=200, test=100))
    >>> run = backtest(prices, linear, "long_flat", threshold=0.3)
    >>> bool((run.fills["date"] > run.fills["sent"]).all())
    True
    """
    prices = as_prices(prices)
    models = _models(forecasts)
    if not isinstance(costs, Costs | None):
        raise InputError(f"costs={costs!r} must be Costs, as in costs=Costs(commission=0.0002).")
    for model in models:
        check_same_prices(model, prices)
    cls = load_strategy(strategy) if isinstance(strategy, str) else strategy
    fill = _fill(fill, models[0], prices)
    check_parameters(cls, parameters)
    costs = costs or Costs()
    positive("cash", cash)
    rate = cash_rates(cash_rate, stamps_of(prices))
    start = max(model.frame.index[0] for model in models)
    rate[:start] = 0.0  # the run, and its interest, start at the first forecast
    chained = total_return(prices)
    traded = _run_cerebro(chained, cls, {"forecasts": tuple(models), "fill": fill} | parameters, costs, cash, rate)
    a_year = _calendar(prices) if periods_per_year is None else positive("periods_per_year", periods_per_year)
    about = {
        "fill": fill,
        "costs": vars(costs),
        "cash": cash,
        "cash_rate": None if isinstance(cash_rate, pd.Series) else float(cash_rate),  # None: by date
        "parameters": parameters,
        "periods_per_year": a_year,
        "audited": all(model.audited for model in models),
        "failed": {model.name: model.about["failed"] for model in models if model.about.get("failed")},
    }
    name = " & ".join(model.name for model in models)
    return _collect(name, start, cls.__name__, chained, traded, rate, about)


def _models(forecasts: object) -> list[Forecasts]:
    """Return the models to trade on, of one target and horizon."""
    models: list[Any] = list(forecasts) if isinstance(forecasts, tuple | list) else [forecasts]
    for model in models:
        if not isinstance(model, Forecasts):
            raise InputError(f"backtest takes Forecasts, not {type(model).__name__}: see Forecasts.from_frame.")
    if len({(model.target, model.horizon) for model in models}) != 1:
        raise InputError("backtest takes one model's Forecasts, or several of one target and horizon: none, or mixed.")
    return models


def _calendar(prices: pd.DataFrame) -> float:
    return periods_per_year(stamps_of(prices))


def _fill(fill: str | None, forecasts: Forecasts, prices: pd.DataFrame) -> str:
    """Return the fill, by default where the forecast's target starts; refuse opens that cannot be traded at."""
    earned = FILL_OF_TARGET[forecasts.target]
    if fill is not None and fill not in FILLS:
        raise InputError(f"unknown fill {fill!r}. {did_you_mean(fill, FILLS)}")
    if fill is not None and fill != earned:
        warnings.warn(
            f"{forecasts.name}: the forecast is of {forecasts.target!r}, what an order filled at {earned!r} earns, but "
            f"fill={fill!r} was asked for.",
            stacklevel=3,
        )
    fill = fill or earned
    if fill == "next_open":
        refuse_fake_opens(prices)
    return fill


def check_parameters(cls: type[ForecastStrategy], parameters: Mapping[str, object]) -> None:
    """Raise InputError unless it is a ForecastStrategy that has these parameters, numbers where its own are."""
    if not (isinstance(cls, type) and issubclass(cls, ForecastStrategy)):
        raise InputError(f"{cls!r} is no ForecastStrategy: subclass lstm_signal.ForecastStrategy and write signal().")
    known = {name: default for name, default in cls.params._getitems() if name not in _BASE_PARAMETERS}
    for name, value in parameters.items():
        if name not in known:
            raise InputError(f"{cls.__name__} has no parameter {name!r}. {did_you_mean(name, known)}")
        if type(known[name]) in (int, float) and not (isinstance(value, int | float) and np.isfinite(value)):
            raise InputError(f"{cls.__name__}: {name}={value!r} must be a finite number, as {known[name]!r} is.")
    if issubclass(cls, PortfolioStrategy):
        raise InputError(
            f"{cls.__name__} trades many feeds, backtest one: add it to a Cerebro with a feed for each ticker."
        )
    if cls.signal is ForecastStrategy.signal:
        raise InputError(f"{cls.__name__} has no signal(): write one that returns the wanted exposure, -1 to 1.")


def full_parameters(strategy: type[ForecastStrategy], given: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters that a strategy trades by, its defaults where none was given."""
    own = {name: default for name, default in strategy.params._getitems() if name not in _BASE_PARAMETERS}
    return own | dict(given)


def _run_cerebro(
    chained: pd.DataFrame,
    cls: type[ForecastStrategy],
    parameters: dict[str, Any],
    costs: Costs,
    cash: float,
    rate: pd.Series,
) -> Any:
    """Run the strategy in a Cerebro of its own; return it with its recorder."""
    rates = dict(zip(stamps_of(rate).to_pydatetime(), rate.to_numpy(), strict=True)) if rate.any() else None
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.broker = Broker(cash_rate=rates.__getitem__ if rates else None)
    cerebro.broker.set_cash(cash)
    # slip_out: backtrader clips the slipped price at the bar's high and low otherwise.
    cerebro.broker.set_slippage_perc(costs.slippage, slip_open=True, slip_match=True, slip_out=True)
    cerebro.broker.addcommissioninfo(CommissionInfo(commission=costs.commission, borrow=costs.borrow))
    cerebro.adddata(PricesData(dataname=chained))
    cerebro.addstrategy(cls, **parameters)
    cerebro.addanalyzer(Recorder, _name="recorder")
    try:
        return cerebro.run()[0]
    except (InputError, LookAheadError):
        raise
    except IndexError as error:
        raise InputError(
            f"{cls.__name__} failed ({error}): an indicator's period may be longer than the {len(chained)} bars."
        ) from error
    except Exception as error:  # whatever a user's strategy raises; the cause stays attached
        raise InputError(f"{cls.__name__} failed while trading: {type(error).__name__}: {error}.") from error


def _collect(
    name: str,
    start: pd.Timestamp,
    strategy: str,
    chained: pd.DataFrame,
    traded: Any,
    rate: pd.Series,
    about: dict[str, Any],
) -> Run:
    """Arrange what the recorder kept into the tables of a Run."""
    recorder = traded.analyzers.recorder
    bars = pd.DataFrame(recorder.bars).drop(columns="date").set_axis(chained.index)
    bars = bars[start:]
    equity = bars["equity"].rename(name)
    positions = bars.assign(value=bars["size"] * bars["close"])
    positions["exposure"] = positions["value"] / equity
    returns = equity.pct_change().iloc[1:]
    fills = _fills(recorder.fills, chained, about["fill"])
    why = ["forecast", "strength", "threshold", "fit", "data_through"]
    orders = pd.DataFrame(traded.log, columns=["ref", "sent", "size", "wanted", *why])
    # backtrader tells the fate of an order at the bar after it was sent: the last bar's has none.
    orders["status"] = [recorder.status.get(ref, "Submitted") for ref in orders["ref"]]
    rejected = int((orders["status"] == "Margin").sum())
    if 2 * rejected > len(orders):
        warnings.warn(
            f"{rejected} of {len(orders)} orders were rejected as Margin: use a smaller exposure= than "
            f"{traded.p.exposure}.",
            stacklevel=3,
        )
    trades = pd.DataFrame(recorder.trades, columns=["entry", "exit", "long", "pnl", "pnl_net"])
    seconds = pd.Series(np.diff(stamps_of(equity).asi8) / 1e9, index=returns.index)
    of_cash = (rate[returns.index] * seconds / YEAR).rename("cash")
    columns = ["size", "close", "value", "exposure", "cash", "borrow", "interest"]
    return Run(
        name,
        strategy,
        equity,
        returns,
        of_cash,
        positions[columns],
        orders,
        fills,
        trades,
        about,
    )


def _fills(recorded: list[dict[str, Any]], chained: pd.DataFrame, fill: str) -> pd.DataFrame:
    """Return the fills, with what each lost to slippage against the bar's own price."""
    fills = pd.DataFrame(recorded, columns=["date", "sent", "ref", "size", "price", "commission"])
    for column in ("date", "sent"):
        fills[column] = pd.to_datetime(fills[column]).astype("datetime64[ns]").dt.round("ms")
    own = chained["open" if fill == "next_open" else "close"].reindex(fills["date"]).to_numpy()
    return fills.assign(slippage=fills["size"].abs() * (fills["price"] - own).abs())
