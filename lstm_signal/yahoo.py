"""One question to Yahoo through yfinance: asked again after a fault, its answer in the one shape of prices.

A fault of the network is told apart from a ticker that does not exist: the first is asked again with growing pauses,
the second is refused at once.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd
import tenacity

from lstm_signal.bars import OHLC, as_prices
from lstm_signal.errors import FetchError, InputError, PriceWarning
from lstm_signal.sessions import INTRADAY, Market, stamped_days, stamped_instants

ATTEMPTS = 6
PAUSE = 2.0  # seconds before the second attempt; doubles with each
TIMEOUT = 20.0  # seconds

_TICKER = re.compile(r"(?=.*[A-Z0-9])[A-Z0-9^][A-Z0-9.^=&_-]{0,31}")
_MEANT = (200, 400, 404, 422)  # statuses of answers that say something of the ticker or the range
Told = Callable[[str], None]


class _Fault(Exception):
    """What may pass: a rate limit, a cut connection, a server's error."""


@dataclass(frozen=True)
class Answer:
    """Finished bars in the one shape of prices, and the market they are from."""

    bars: pd.DataFrame
    market: Market


def checked_ticker(ticker: str) -> str:
    """Return a ticker in Yahoo's spelling, or say why it is none: it becomes part of an address and of a path."""
    upper = ticker.strip().upper() if isinstance(ticker, str) else ""
    if not _TICKER.fullmatch(upper):
        raise InputError(
            f"{ticker!r} is no ticker: Yahoo's have up to 32 letters A-Z, digits and . ^ = & _ -, "
            "as in SPY, BRK-B, ^GSPC, EURUSD=X."
        )
    return upper


def ask(ticker: str, interval: str, start: pd.Timestamp | None, end: pd.Timestamp | None, told: Told) -> Answer:
    """Ask Yahoo for bars; again after a fault, up to `ATTEMPTS` times.

    Parameters
    ----------
    ticker : str
        In Yahoo's spelling.
    interval : str
        "1d" or one of `sessions.INTRADAY`.
    start, end : Timestamp or None
        Days at the exchange, both included; None is as far as there are bars.
    told : callable
        Is told of each fault and of the pause after it.

    Raises
    ------
    InputError
        If Yahoo knows no such ticker, or has no bars in that range; the bars it gave are no valid prices.
    FetchError
        If the last attempt failed, too.
    """

    def tell(state: tenacity.RetryCallState) -> None:
        fault = state.outcome.exception() if state.outcome else None
        pause = state.next_action.sleep if state.next_action else 0
        told(f"{ticker}: {fault}. Attempt {state.attempt_number + 1} of {ATTEMPTS} in {pause:.0f} s.")

    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(_Fault),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_exponential(multiplier=PAUSE, exp_base=2),
        before_sleep=tell,
        reraise=True,
    )
    try:
        raw, about = attempts(_asked_once, ticker, interval, start, end)
    except _Fault as fault:
        raise FetchError(
            f"{ticker}: {fault}, {ATTEMPTS} times. Try again later; what is cached already can be read with "
            "offline=True (--offline)."
        ) from fault
    return _shaped(raw, about, ticker, interval)


def _asked_once(
    ticker: str, interval: str, start: pd.Timestamp | None, end: pd.Timestamp | None
) -> tuple[pd.DataFrame, Mapping[str, Any]]:
    """Return yfinance's frame and what Yahoo says of the market, or raise `_Fault` or InputError."""
    yfinance, session, ticker_type = _client()
    given: dict[str, Any] = {"period": "max"} if start is None else {"start": f"{start:%Y-%m-%d}"}
    if end is not None:
        given["end"] = f"{end + pd.Timedelta(days=1):%Y-%m-%d}"  # theirs is excluded
    try:
        with _quiet(yfinance):
            asked = ticker_type(ticker, session=session)
            raw = asked.history(
                **given, interval=interval, auto_adjust=False, actions=True, prepost=False, keepna=True, timeout=TIMEOUT
            )
            about = asked.history_metadata
            wanted = ("exchangeTimezoneName", "instrumentType", "currency", "currentTradingPeriod")
            # Only intraday answers hold the sessions: for others yfinance would ask once more.
            return raw, {key: about[key] for key in (*wanted, *(["tradingPeriods"] if interval in INTRADAY else []))}
    except yfinance.exceptions.YFRateLimitError:
        raise _Fault("Yahoo limits how often it may be asked (HTTP status 429)") from None
    except yfinance.exceptions.YFTickerMissingError as error:
        if session.status not in _MEANT:
            raise _Fault(_cause(error, session.status)) from error
        if isinstance(error, yfinance.exceptions.YFTzMissingError):
            raise InputError(f"{ticker}: Yahoo knows no such ticker, or it is delisted. Check its spelling.") from error
        raise InputError(f"{ticker}: Yahoo has no such bars ({error.rationale}). Check ticker and range.") from error
    # curl's errors are OSErrors; an answer that is no JSON is a ValueError
    except (yfinance.exceptions.YFException, OSError, ValueError) as error:
        raise _Fault(_cause(error, session.status)) from error
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        if session.status not in _MEANT:
            raise _Fault(_cause(error, session.status)) from error
        raise InputError(f"{ticker}: Yahoo's answer holds no bars. Check ticker and range.") from error


def _cause(error: Exception, status: int | None) -> str:
    if status is not None and status not in _MEANT:
        return f"Yahoo answered with HTTP status {status}"
    if not isinstance(error, OSError | ValueError):
        return str(error)
    if isinstance(error, ValueError):  # curl's own JSON error is an OSError, too
        return f"Yahoo's answer cannot be read (HTTP status {status}; cut short, or a page instead of data)"
    return f"Yahoo cannot be reached ({type(error).__name__}: {str(error).partition(' See ')[0]})"


@cache
def _client() -> tuple[Any, Any, Any]:
    """Return yfinance, a session that remembers the last status, and a ticker class; loaded when first needed."""
    import yfinance
    from curl_cffi import requests

    class Session(requests.Session[Any]):
        status: int | None = None

        def request(self, *args: Any, **given: Any) -> Any:
            self.status = None
            response = super().request(*args, **(given | {"timeout": TIMEOUT}))  # yfinance has a few of its own
            self.status = response.status_code
            return response

    class Ticker(yfinance.Ticker):  # type: ignore[misc]
        # Asked for a zone that an unknown ticker does not have, yfinance goes to other pages, whose faults would hide
        # that the ticker is unknown.
        info: dict[str, Any] = {}

    # yfinance keeps cookies as pickles and zones in SQLite files that processes lock each other out of. Where it can
    # make no folder it does without.
    yfinance.set_tz_cache_location(f"{os.devnull}/none")
    return yfinance, Session(impersonate="chrome"), Ticker


@contextmanager
def _quiet(yfinance: Any) -> Iterator[None]:
    """Errors raised, not logged; no warnings of its own; no answer from its memory, where a bad one would stay."""
    debug, logger = yfinance.config.debug, logging.getLogger("yfinance")
    hidden, level = debug.hide_exceptions, logger.level
    client = yfinance.data.YfData()
    session = client._session  # one for the whole process: the caller's own questions go on with theirs
    debug.hide_exceptions = False
    logger.setLevel(logging.CRITICAL + 1)
    client.cache_get.cache_clear()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        client._set_session(session)
        debug.hide_exceptions = hidden
        logger.setLevel(level)


def _shaped(raw: pd.DataFrame, about: Mapping[str, Any], ticker: str, interval: str) -> Answer:
    """Return finished bars in the one shape, stamped when they are known."""
    regular = about["currentTradingPeriod"]["regular"]
    market = Market(
        about["exchangeTimezoneName"],
        about["instrumentType"],
        about["currency"] or "",
        regular["start"],
        regular["end"],
    )
    gains = raw.get("Capital Gains", 0.0)  # what a fund hands out, too
    bars = raw[["Open", "High", "Low", "Close", "Volume"]].rename(columns=str.lower)
    bars["dividend"] = raw["Dividends"] + gains
    now = pd.Timestamp.now("UTC")
    if len(bars) and interval in INTRADAY:
        bars = stamped_instants(bars, market, about["tradingPeriods"], interval, now, ticker)
    elif len(bars):
        bars = stamped_days(bars, market, now, ticker)
    bars = _without_gaps(bars, ticker)
    if bars.empty:
        raise InputError(f"{ticker}: Yahoo has no finished bars in that range. Check ticker and range.")
    try:
        return Answer(as_prices(bars, ticker), market)
    except InputError as error:
        raise InputError(f"{error} (These are Yahoo's: take a --start or --end that leaves it out.)") from error


def _without_gaps(bars: pd.DataFrame, ticker: str) -> pd.DataFrame:
    """Leave out rows that lack a price, and say so; their dividends go to the next bar, where they are received."""
    priced = bars[list(OHLC)].notna().all(axis=1)
    if priced.all():
        return bars
    next_priced = priced[::-1].cumsum()[::-1]
    bars = bars.assign(dividend=bars["dividend"].groupby(next_priced).transform("sum"))
    gone = bars.index[~priced]
    warnings.warn(
        f"{ticker}: {len(gone)} row(s) of Yahoo's without prices left out, the first at {gone[0]}.",
        PriceWarning,
        stacklevel=2,
    )
    return bars[priced]
