"""Price feeds: PandasData whose lines are filled at once, and one that carries forecasts beside the prices."""

from __future__ import annotations

import math
from array import array
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from lstm_signal.bars import as_prices, total_return
from lstm_signal.bt.indicators import FORECAST_LINES, move_on, resolve
from lstm_signal.forecasts import check_same_prices


class PricesData(bt.feeds.PandasData):
    """backtrader's PandasData, much faster: it fills its lines at once, not bar by bar.

    The same bars and so the same trades; as bars are whole, `tick_close` and the like stay None. Where each bar has to
    be looked at, because there are filters (`resampledata` and `replaydata` are some), date limits or time zones, it
    loads them one by one, as PandasData does.

    Examples
    --------
    >>> import lstm_signal as ls
    >>> cerebro = bt.Cerebro()
    >>> _ = cerebro.adddata(PricesData(dataname=ls.total_return(ls.sample_prices())))
    """

    _whole = False

    def start(self) -> None:
        """Begin anew."""
        super().start()
        self._whole = False

    def preload(self) -> None:
        """Load all bars."""
        self._whole = self._at_once()
        if not self._whole:
            super().preload()
            return
        frame = self.p.dataname
        for name in self.getlinealiases():
            column = self._colmapping[name]
            if name == "datetime":
                stamps = frame.index if column is None else pd.DatetimeIndex(frame.iloc[:, column])
                values = np.array([bt.date2num(stamp) for stamp in stamps.to_pydatetime()])
            elif column is None:
                values = np.full(len(frame), np.nan)
            else:
                values = frame.iloc[:, column].to_numpy(dtype="float64")
            getattr(self.lines, name).array = array("d", np.ascontiguousarray(values).tobytes())
        self._idx = len(frame) - 1
        self._tick_nullify()
        self.home()

    def _tick_fill(self, force: bool = False) -> None:
        # For bars that grow; the broker takes the lines where these are None. A fifth of a backtest's time.
        if not self._whole:
            super()._tick_fill(force)

    def advance(self, size: int = 1, datamaster: Any = None, ticks: bool = True) -> None:
        """Move on to the next bar."""
        if self._whole and datamaster is None:
            move_on(self.lines, size)
        else:
            super().advance(size, datamaster, ticks and not self._whole)

    def advance_peek(self) -> float:
        """Return when the next bar is due; infinity after the last one."""
        if not self._whole:
            return float(super().advance_peek())
        times, following = self.lines.datetime.array, self.lines.datetime.idx + 1
        return float(times[following]) if following < len(times) else math.inf

    def _at_once(self) -> bool:
        """Whether no bar has to be looked at by itself."""
        limited = (self.fromdate, self.todate) != (-math.inf, math.inf)
        return not (self._filters or self._ffilters or limited or self._tzinput or self.p.tz)


class NoRepeats:
    """A filter for live feeds: drops a bar that is not later than the one before, as a reconnect may send it again.

    Without it backtrader would fill an order at the repeated bar, the one it was sent at.

    Examples
    --------
    ``feed.addfilter(NoRepeats)``
    """

    def __init__(self, _: Any) -> None:
        self.seen = -math.inf

    def __call__(self, data: Any) -> bool:
        """Take the feed's newest bar; whether it was dropped."""
        if data.datetime[0] <= self.seen:
            data.backwards()
            return True
        self.seen = data.datetime[0]
        return False


class ForecastData(PricesData):
    """A price feed with a model's forecasts as lines: `forecast`, `lower`, `upper`, `spread` and `strength`.

    Dividends are chained forward into the prices (`total_return`); a line `growth` says by how much they have raised
    them. A strategy's `next` is first called at the first forecast; bars without one in between are NaN.
    `ForecastStrategy` takes its forecasts from this feed by itself.

    Parameters
    ----------
    dataname : DataFrame
        Prices, as `load_prices`, `read_prices` and `sample_prices` give them.
    forecasts : Forecasts or str
        The forecasts made on these prices, or the path of saved ones.

    Raises
    ------
    InputError
        If the prices are not clean, or the forecasts were made on others.

    Examples
    --------
    >>> import lstm_signal as ls
    >>> prices = ls.sample_prices().iloc[:400]
    >>> linear = ls.forecast(prices, ls.Forecaster(cell="linear"), ls.WalkForward(train=200, test=100))
    >>> class Count(bt.Strategy):
    ...     def next(self):
    ...         self.seen = len(self)
    >>> cerebro = bt.Cerebro()
    >>> _ = cerebro.adddata(ForecastData(dataname=prices, forecasts=linear)), cerebro.addstrategy(Count)
    >>> cerebro.run()[0].data.strength.array[-1] == float(linear.frame["strength"].iloc[-1])
    True
    """

    lines: Any = (*FORECAST_LINES, "growth")
    params: Any = (("forecasts", None), *((name, -1) for name in (*FORECAST_LINES, "growth")))

    def __init__(self) -> None:
        prices = as_prices(self.p.dataname)
        self.forecasts = resolve(self.p.forecasts, type(self).__name__)
        check_same_prices(self.forecasts, prices)
        said = self.forecasts.frame[list(FORECAST_LINES)].reindex(prices.index)
        chained = total_return(prices)
        self.p.dataname = chained.join(said).assign(growth=chained["close"] / prices["close"])
        super().__init__()
        first = int(np.argmax(said["forecast"].notna().to_numpy()))
        self.updateminperiod(first + 1)
        for line in self.lines:
            line.updateminperiod(first + 1)
