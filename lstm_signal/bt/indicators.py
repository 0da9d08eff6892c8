"""Forecasts as the lines of an indicator, looked up by date beside any price feed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import backtrader as bt
import numpy as np
import numpy.typing as npt
import pandas as pd

from lstm_signal.bars import stamps_of
from lstm_signal.errors import InputError, LookAheadError, did_you_mean
from lstm_signal.forecasts import Forecasts, read_forecasts

FORECAST_LINES = ("forecast", "lower", "upper", "spread", "strength")
DAY_MS = 86_400_000
EPOCH = 719_163  # date.toordinal() of 1970-01-01: backtrader counts days as date.toordinal() does


def refuse_unknown(thing: Any, unknown: Mapping[str, object]) -> None:
    """Raise InputError for parameters that backtrader has not taken out, as it does with all that are known."""
    for name in unknown:
        known = [each for each in type(thing).params._getkeys() if not each.startswith("_")]
        raise InputError(f"{type(thing).__name__} has no parameter {name!r}. {did_you_mean(name, known)}")


def resolve(forecasts: object, user: str, feed: object = None) -> Forecasts:
    """Return the Forecasts that a parameter holds, reading them if it is a path; `user` is named in the error.

    Where the parameter was not given, those of the feed, if it is a `ForecastData`.
    """
    if forecasts is None:
        forecasts = getattr(feed, "forecasts", None)
    if isinstance(forecasts, Forecasts):
        return forecasts
    if isinstance(forecasts, str | Path):
        return read_forecasts(forecasts)
    raise InputError(
        f"{user} was given a {type(forecasts).__name__} as forecasts: pass Forecasts, or the path of saved ones, as in "
        f"cerebro.addstrategy({user}, forecasts=forecasts). Other forecasts come in by Forecasts.from_frame."
    )


class Dates:
    """Finds the rows of a frame by backtrader's times.

    Parameters
    ----------
    name : str
        What the frame holds, named in errors.
    frame : DataFrame
        By the stamps of its bars; daily stamps are matched by the date, others to the millisecond.
    """

    def __init__(self, name: str, frame: pd.DataFrame) -> None:
        stamps = stamps_of(frame)
        self.name = name
        self.daily = bool((stamps == stamps.normalize()).all())
        self.keys = stamps.as_unit("ms").asi8 // (DAY_MS if self.daily else 1)

    def rows(self, times: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Return the row of each of backtrader's times (days since year 1), -1 where there is none."""
        days = times - EPOCH
        if not self.daily:
            keys = np.rint(days * DAY_MS).astype(np.int64)
        else:
            keys = np.floor(days).astype(np.int64)
            again = np.flatnonzero(np.diff(keys) == 0)
            if len(again):
                raise LookAheadError(
                    f"forecasts {self.name!r} are daily, and the feed has several bars on "
                    f"{bt.num2date(times[again[0]]):%Y-%m-%d}: a day's forecast is made at its close. Give daily bars, "
                    "or forecasts made on these bars."
                )
        rows = np.searchsorted(self.keys, keys)
        rows[rows == len(self.keys)] = 0
        return np.where(self.keys[rows] == keys, rows, -1)


def move_on(lines: Any, size: int) -> None:
    """Do what ``lines.advance(size)`` does, for lines that are all there: a tenth of what a bar costs."""
    for line in lines:
        line._idx += size
        line.lencount += size


class _ByDate(bt.Indicator):
    """A frame's columns as lines, looked up by the date of each bar."""

    def _hold(self, name: str, frame: pd.DataFrame) -> None:
        self.name, self.before = name, None
        self.dates = Dates(name, frame)
        self.values = [frame[line].to_numpy(dtype="float64") for line in self.lines.getlinealiases()]

    def next(self) -> None:
        """Look the current bar up; with the bar before, to see that daily forecasts stand beside daily bars."""
        now = self.data.datetime[0]
        alone = self.before is None or self.before == now  # the same bar again, while another feed ticks
        row = self.dates.rows(np.array([now] if alone else [self.before, now]))[-1]
        self.before = now  # kept here: with exactbars the feed remembers no bar but the current one
        for line, values in zip(self.lines, self.values, strict=True):
            line[0] = values[row] if row >= 0 else np.nan

    def advance(self, size: int = 1) -> None:
        """Move on to the next bar, of those looked up at once."""
        move_on(self.lines, size)

    def once(self, start: int, end: int) -> None:
        """Look all preloaded bars up at once."""
        before = max(0, start - 1)  # with the bar before, to see that daily forecasts stand beside daily bars
        times = np.frombuffer(self.data.datetime.array, dtype="float64")[before:end]
        rows = self.dates.rows(times)[start - before :]
        for line, values in zip(self.lines, self.values, strict=True):
            found: Any = np.where(rows >= 0, values[rows], np.nan)
            line.array[start:end] = type(line.array)("d", found.tobytes())


class Forecast(_ByDate):
    """What a model said at each bar of the feed, NaN where it said nothing.

    Lines: `forecast`, `lower`, `upper` and `spread` (log returns) and `strength`. Row t holds what was said at the
    close of bar t. Daily forecasts are looked up by date, so a feed may stamp its bars 00:00 or 23:59:59;
    intraday ones by their instant, to the millisecond.

    Raises
    ------
    LookAheadError
        If daily forecasts are put beside intraday bars: a day's forecast is made at its close.
    """

    lines: Any = FORECAST_LINES
    params = (("forecasts", None),)
    plotinfo = {"plot": False}

    def __init__(self, *_: Any, **unknown: Any) -> None:  # backtrader has taken feed and parameters out by now
        refuse_unknown(self, unknown)
        self.forecasts = resolve(self.p.forecasts, type(self).__name__)
        self._hold(self.forecasts.name, self.forecasts.frame)
        fit, through = self.forecasts.frame["fit"], self.forecasts.frame["data_through"]
        self.origins = {"fit": fit.tolist(), "data_through": through.array}

    def check(self) -> None:
        """Raise LookAheadError if a fit has seen a bar after one that it spoke at."""
        frame = self.forecasts.frame
        ahead = frame.index[(frame["data_through"] > frame.index).to_numpy()]
        if len(ahead):
            raise LookAheadError(
                f"forecasts {self.name!r}: the fit behind bar {ahead[0]} has seen a later bar, "
                f"{frame['data_through'][ahead[0]]}. Stamp each forecast with the bar it was made at."
            )

    def origin(self) -> dict[str, Any]:
        """Return the fit behind the current bar's forecast, and the last bar it has seen; nothing without one."""
        row = self.dates.rows(np.array([self.data.datetime[0]]))[0]
        if row < 0:
            return {"fit": "", "data_through": pd.NaT}
        return {name: values[row] for name, values in self.origins.items()}


class ForecastSignal(bt.Indicator):
    """A signal for backtrader's own way: ``cerebro.add_signal(bt.SIGNAL_LONGSHORT, ForecastSignal, forecasts=f)``.

    Line: `signal`, 1 while the strength is above `threshold`, -1 while it is below its negative, else 0; 0, and so
    flat, where there is no strength. Add a sizer: backtrader's default stake is one share.

    Parameters `forecasts` (Forecasts, or the path of saved ones; those of a `ForecastData` by default), `threshold`.
    """

    lines: Any = ("signal",)
    params = (("forecasts", None), ("threshold", 0.5))

    def __init__(self, *_: Any, **unknown: Any) -> None:
        refuse_unknown(self, unknown)
        said = Forecast(self.data, forecasts=resolve(self.p.forecasts, type(self).__name__, self.data))
        said.check()
        self.lines.signal = (said.strength > self.p.threshold) - (said.strength < -self.p.threshold)


class Rates(_ByDate):
    """What an LSTM did with each bar of the feed, NaN where nothing is known; drawn below the price.

    Lines: `forget`, `input`, `output`, `candidate`, `memory` and `h`, the columns of `FittedForecaster.rates`.
    Parameter `rates` is that frame.
    """

    lines: Any = ("forget", "input", "output", "candidate", "memory", "h")
    params = (("rates", None),)
    plotinfo = {"plot": True, "subplot": True}

    def __init__(self, *_: Any, **unknown: Any) -> None:
        refuse_unknown(self, unknown)
        rates = self.p.rates
        if not isinstance(rates, pd.DataFrame) or not set(self.lines.getlinealiases()) <= set(rates.columns):
            raise InputError("Rates takes what FittedForecaster.rates(prices) returned: Rates(feed, rates=rates).")
        if not isinstance(rates.index, pd.DatetimeIndex) or rates.empty or not rates.index.is_monotonic_increasing:
            raise InputError(
                "Rates takes the bars in the order of time, over their dates, as rates(prices) returned them."
            )
        self._hold("rates", rates)

    def _plotlabel(self) -> list[Any]:
        return []  # backtrader would print the whole frame in the legend
