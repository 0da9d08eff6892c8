"""When a bar is known: its stamp, whether it is finished, and weeks and months made of days.

Yahoo stamps a bar with its start: a daily bar with its morning, a weekly one with its Monday, an intraday one with its
first instant. Joined to other bars by that stamp it would be seen before it was known.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lstm_signal.bars import stamps_of
from lstm_signal.errors import PriceWarning

INTRADAY = {"1m": 1, "2m": 2, "5m": 5, "15m": 15, "30m": 30, "60m": 60, "90m": 90, "1h": 60}  # minutes
KEPT_DAYS = {"1m": 7, "60m": 729, "1h": 729} | dict.fromkeys(("2m", "5m", "15m", "30m", "90m"), 59)  # by Yahoo
MADE_OF_DAYS = {"1wk": "W-SUN", "1mo": "M"}
INTERVALS = (*INTRADAY, "1d", *MADE_OF_DAYS)


@dataclass(frozen=True)
class Market:
    """What Yahoo says of the market a ticker trades on.

    Attributes
    ----------
    zone : str
        The exchange's time zone.
    kind : str
        Yahoo's instrument type: "EQUITY", "ETF", "INDEX", "CURRENCY", "CRYPTOCURRENCY", ...
    currency : str
    opens, closes : Timestamp
        The regular period that runs now or ran last, with time zone.
    """

    zone: str
    kind: str
    currency: str
    opens: pd.Timestamp
    closes: pd.Timestamp

    @property
    def today(self) -> pd.Timestamp:
        """The date at the exchange."""
        return pd.Timestamp.now(self.zone).tz_localize(None).normalize()

    @property
    def round_the_clock(self) -> bool:
        """Whether it never closes: its sessions, as Yahoo gives them, are days and end a minute early."""
        return self.kind in ("CURRENCY", "CRYPTOCURRENCY")

    @property
    def clock(self) -> str:
        """The zone of intraday stamps: UTC for markets that trade round the clock, where local hours can repeat."""
        return "UTC" if self.round_the_clock else self.zone


def stamped_days(raw: pd.DataFrame, market: Market, now: pd.Timestamp, name: str) -> pd.DataFrame:
    """Return daily bars stamped with their session's date; a bar whose session still runs is dropped, and said.

    Parameters
    ----------
    raw : DataFrame
        Over the starts of the sessions, with time zone.
    market : Market
    now : Timestamp
        With time zone.
    name : str
        What to call the bars when one is dropped.
    """
    bars = raw.set_axis(stamps_of(raw).tz_convert(market.zone).tz_localize(None).normalize())
    bars = bars[~bars.index.duplicated(keep="last")]  # Yahoo adds the live bar beside the day's own
    today = market.opens.tz_convert(market.zone).tz_localize(None).normalize()
    if len(bars) and now < market.closes and bars.index[-1] >= today:
        _say_dropped(name, f"the bar of {today:%Y-%m-%d}", market.closes.tz_convert(market.zone))
        bars = bars[bars.index < today]
    return bars


def stamped_instants(
    raw: pd.DataFrame, market: Market, periods: pd.DataFrame, interval: str, now: pd.Timestamp, name: str
) -> pd.DataFrame:
    """Return intraday bars stamped with the instant they close, which is their session's end at the latest.

    Parameters
    ----------
    raw : DataFrame
        Over the starts of the bars, with time zone.
    market : Market
    periods : DataFrame
        Yahoo's regular sessions: start and end, with time zone.
    interval : str
        One of `INTRADAY`.
    now : Timestamp
        With time zone.
    name : str
        What to call the bars when one is dropped.
    """
    length = pd.Timedelta(minutes=INTRADAY[interval])
    starts, begin, end = (
        pd.DatetimeIndex(instants).tz_convert("UTC").as_unit("ns")
        for instants in (raw.index, periods["start"], periods["end"])
    )
    number = begin.searchsorted(starts, side="right") - 1
    ends = starts + length if market.round_the_clock else end[number.clip(min=0)]
    inside = np.asarray((number >= 0) & (starts < ends))  # a live price after the close is no bar
    closes = pd.DatetimeIndex(np.minimum((starts + length).asi8, ends.asi8), tz="UTC")
    finished = closes <= now
    if (inside & ~finished).any():
        first = closes[inside & ~finished][0]
        _say_dropped(name, "the last bar", first.tz_convert(market.clock))
    keep = inside & finished
    bars = raw[keep].set_axis(closes[keep].tz_convert(market.clock).tz_localize(None))
    return bars[~bars.index.duplicated(keep="last")]


def _say_dropped(name: str, what: str, end: pd.Timestamp) -> None:
    warnings.warn(f"{name}: {what} is unfinished (it closes {end:%Y-%m-%d %H:%M} {end.tz}) and left out.",
                  PriceWarning, stacklevel=2)  # fmt: skip


def made_of_days(days: pd.DataFrame, interval: str, since: pd.Timestamp | None, today: pd.Timestamp) -> pd.DataFrame:
    """Return weekly or monthly bars, stamped with their last session; one that may lack a session is left out.

    Made here and not asked for: Yahoo's own say neither which session was their last nor whether they are finished.

    Parameters
    ----------
    days : DataFrame, shape (days, 6)
        Finished daily bars.
    interval : {"1wk", "1mo"}
    since : Timestamp or None
        The first day whose bar is there; None when all are.
    today : Timestamp
        The first day whose bar may not be there yet.
    """
    stamps = stamps_of(days)
    periods = stamps.to_period(MADE_OF_DAYS[interval])
    grouped = days.assign(stamp=stamps).groupby(periods)
    bars = grouped.agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum",
                        "dividend": "sum", "stamp": "last"}).set_index("stamp")  # fmt: skip
    weekends = bool((stamps.day_of_week >= 5).any())
    coming = stamps[-1] + (pd.Timedelta(days=1) if weekends else pd.offsets.BDay())
    last = periods[-1]
    over = coming > last.end_time or today > last.end_time
    bars = bars if over else bars.iloc[:-1]
    if since is not None and since > periods[0].start_time:
        bars = bars.iloc[1:]
    return bars.set_axis(pd.DatetimeIndex(bars.index, name="date"))
