"""The walk, live: an indicator that refits as the bars come and says what the precomputed walk says, bit for bit."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from lstm_signal.bars import COLUMNS
from lstm_signal.bt.indicators import DAY_MS, EPOCH, FORECAST_LINES, refuse_unknown
from lstm_signal.errors import InputError
from lstm_signal.fits import mean_and_spread
from lstm_signal.forecaster import DEFAULT_SEED, FittedForecaster, Forecaster
from lstm_signal.forecasts import Forecasts
from lstm_signal.intervals import MIN_STRENGTH, LiveInterval
from lstm_signal.schedule import WalkForward
from lstm_signal.windows import FEATURE_COLUMNS, built_in, outcomes

_PLACES = [1 + COLUMNS.index(name) for name in FEATURE_COLUMNS]  # in a row that begins with its stamp


@dataclass(frozen=True)
class Streaming:
    """A walk that has not been walked: what a strategy takes in place of Forecasts where bars are still to come.

    Attributes
    ----------
    recipe : Forecaster
    schedule : WalkForward
    seed : int
    name : str
        The model's name; its cell by default.

    Examples
    --------
    ``cerebro.addstrategy(Mine, forecasts=Streaming(ls.Forecaster(), ls.WalkForward()))``
    """

    recipe: Forecaster
    schedule: WalkForward = field(default_factory=WalkForward)
    seed: int = DEFAULT_SEED
    name: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.recipe, Forecaster) or not isinstance(self.schedule, WalkForward):
            raise InputError(
                f"Streaming takes a Forecaster and a WalkForward, not {self.recipe!r} and {self.schedule!r}."
            )
        object.__setattr__(self, "name", self.name or self.recipe.cell)


class StreamingForecast(bt.Indicator):
    """Steps a fitted forecaster bar by bar, and fits it again when the schedule says so, on the bars seen by then.

    Lines: `forecast`, `lower`, `upper`, `spread` and `strength`, the bits of `forecast(prices, recipe, schedule,
    seed=seed)` over the same bars. A bar whose stamp is not later than the one before is a repetition and changes
    nothing. The feed's prices are taken as they are; a line `dividend` counts, where the feed has one.

    Parameter `walk` is a `Streaming`.
    """

    lines: Any = FORECAST_LINES
    params = (("walk", None),)
    plotinfo = {"plot": False}
    _nextforce = True  # bar by bar, whatever else the Cerebro does at once

    def __init__(self, *_: Any, **unknown: Any) -> None:  # backtrader has taken feed and parameters out by now
        refuse_unknown(self, unknown)
        if not isinstance(self.p.walk, Streaming):
            raise InputError(f"StreamingForecast takes walk=Streaming(recipe, schedule), not {self.p.walk!r}.")
        self.recipe, self.schedule, self.name = self.p.walk.recipe, self.p.walk.schedule, self.p.walk.name
        self.first = self.schedule.first_test(self.recipe.warm_up, self.recipe.lag)
        missing = {"volume": math.nan, "dividend": 0.0}  # where the feed has no such line
        self.columns = [(getattr(self.data.lines, name, None), missing.get(name, math.nan)) for name in COLUMNS]
        self.rows: deque[tuple[Any, ...]] = deque(maxlen=None if self.schedule.anchored else self.first + 1)
        self.seen, self.count, self.squares = 0, 0, 0.0
        self.said = (math.nan,) * len(FORECAST_LINES)
        self.interval = LiveInterval(self.recipe.lag, self.recipe.coverage)
        self.recent = np.full((len(_PLACES), self.recipe.lag + 1), np.nan)
        self.made: list[tuple[Any, ...]] = []
        self.fitted: FittedForecaster | None = None

    @property
    def forecasts(self) -> Forecasts:
        """What was said so far, as Forecasts; InputError before the first."""
        frame = pd.DataFrame(self.made, columns=["date", *FORECAST_LINES, "mean", "fit", "data_through"])
        frame = frame.set_index(pd.DatetimeIndex(frame.pop("date")))
        target, horizon = self.recipe.resolved_target, self.recipe.horizon
        return Forecasts.from_frame(frame, name=self.name, target=target, horizon=horizon)

    def check(self) -> None:
        """Nothing to refuse: what is fitted bar by bar cannot have seen a later one."""

    def origin(self) -> dict[str, Any]:
        """Return the fit behind the current forecast, and the last bar it has seen."""
        if self.fitted is None:
            return {"fit": "", "data_through": pd.NaT}
        return {"fit": self.fitted.key[:12], "data_through": self.fitted.data_through}

    def next(self) -> None:
        """Take the current bar."""
        row = self._row()
        if not self.rows or row[0] > self.rows[-1][0]:
            self.rows.append(row)
            self.seen += 1
            self.said = self._say()
        for line, value in zip(self.lines, self.said, strict=True):
            line[0] = value

    def _row(self) -> tuple[Any, ...]:
        """Return the current bar, stamped as prices are: a day by its date, an instant to the millisecond."""
        days = self.data.datetime[0] - EPOCH
        stamp = int(days) * DAY_MS if self.data._timeframe >= bt.TimeFrame.Days else round(days * DAY_MS)
        values = (line[0] if line is not None else missing for line, missing in self.columns)
        return pd.Timestamp(stamp * 1_000_000), *values

    def _say(self) -> tuple[float, ...]:
        """Return the lines at the newest bar."""
        self._realise()
        since = self.seen - 1 - self.first
        if since < 0:
            return (math.nan,) * len(FORECAST_LINES)
        due = since % self.schedule.test == 0
        members = self._refit() if due else self.stream.members_at(self._bar(self.rows[-1]))
        forecast, spread = map(float, mean_and_spread(members))
        excess = forecast - self.stream.scaler.y_mean
        strong = self.count >= MIN_STRENGTH and self.squares > 0
        strength = float(excess / np.sqrt(self.squares / self.count)) if strong else math.nan
        self.count, self.squares = self.count + 1, self.squares + excess * excess
        width = self.interval.half_width(forecast)
        said = (forecast, forecast - width, forecast + width, spread, strength)
        self.made.append((self.rows[-1][0], *said, self.stream.scaler.y_mean, *self.origin().values()))
        return said

    def _realise(self) -> None:
        """Take the newest bar's return, and the outcome it brings, into the interval."""
        self.recent[:, :-1] = self.recent[:, 1:]
        self.recent[:, -1] = [self.rows[-1][place] for place in _PLACES]
        columns = dict(zip(FEATURE_COLUMNS, self.recent, strict=True))
        known = outcomes(columns, self.recipe.resolved_target, self.recipe.horizon)
        self.interval.take(built_in(columns, "return")[-1], known[0])

    def _refit(self) -> list[float]:
        """Fit on the bars seen and bring the stream up to the newest of them; return what its members say there."""
        prices = pd.DataFrame(list(self.rows), columns=["date", *COLUMNS]).set_index("date")
        prices.index = pd.DatetimeIndex(prices.index, name="date").as_unit("ns")
        self.fitted = self.recipe.fit(prices, seed=self.p.walk.seed)
        self.stream = self.fitted.stepper()
        carried = self.recipe.state == "carried"  # its state starts at the first bar that the fit was shown
        shown = list(self.rows) if carried else list(self.rows)[-self.recipe.warm_up - 1 :]
        return [self.stream.members_at(self._bar(row)) for row in shown][-1]

    @staticmethod
    def _bar(row: tuple[Any, ...]) -> dict[str, Any]:
        return {"date": row[0], **dict(zip(COLUMNS, row[1:], strict=True))}
