"""Yahoo's chart protocol on loopback, for the real yfinance: good answers, and everything that goes wrong with it."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd

NEW_YORK = "America/New_York"


@dataclass
class Symbol:
    """One ticker as Yahoo holds it: rows by the instant they start, and what happened to it."""

    rows: pd.DataFrame  # open high low close volume over tz-aware starts
    zone: str = NEW_YORK
    kind: str = "ETF"
    dividends: dict[pd.Timestamp, float] = field(default_factory=dict)
    splits: dict[pd.Timestamp, tuple[int, int]] = field(default_factory=dict)
    gains: dict[pd.Timestamp, float] = field(default_factory=dict)
    period: tuple[pd.Timestamp, pd.Timestamp] | None = None  # the current regular one
    sessions: list[tuple[pd.Timestamp, pd.Timestamp]] = field(default_factory=list)


def days(first: str, count: int, *, zone: str = NEW_YORK, opens: str = "09:30", seed: int = 1, freq: str = "B") -> Any:
    """Daily rows of a random walk, stamped with each session's opening."""
    starts = pd.date_range(first, periods=count, freq=freq, tz=zone) + pd.Timedelta(f"{opens}:00")
    return walk(starts, seed)


def walk(starts: pd.DatetimeIndex, seed: int = 1) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(draw.normal(0, 0.01, len(starts)))), 4)
    opened = np.round(np.concatenate([[100.0], close[:-1]]) * (1 + draw.normal(0, 0.002, len(starts))), 4)
    high, low = np.maximum(opened, close) + 0.25, np.minimum(opened, close) - 0.25
    volume = draw.integers(1_000, 9_000, len(starts)).astype(float)
    return pd.DataFrame({"open": opened, "high": high, "low": low, "close": close, "volume": volume}, index=starts)


class Yahoo:
    """The server's state: symbols, faults in the order in which requests meet them, and the requests it got."""

    def __init__(self) -> None:
        self.symbols: dict[str, Symbol] = {}
        self.faults: list[Callable[[BaseHTTPRequestHandler], None]] = []
        self.for_ever: Callable[[BaseHTTPRequestHandler], None] | None = None
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.delay = 0.0
        self.url = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        address = urlsplit(request.path)
        ticker = address.path.rsplit("/", 1)[-1].replace("%5E", "^").replace("%3D", "=")
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        self.asked.append((ticker, query))
        time.sleep(self.delay)
        if self.for_ever or self.faults:
            (self.for_ever or self.faults.pop(0))(request)
        elif ticker not in self.symbols:
            reason = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
            reply(request, 404, {"chart": {"result": None, "error": reason}})
        else:
            reply(request, 200, chart(ticker, self.symbols[ticker], query))

    @property
    def bars_asked(self) -> list[dict[str, str]]:
        """The requests for bars, without those for the time zone."""
        return [query for _, query in self.asked if "period1" in query or query.get("range") == "max"]


def chart(ticker: str, symbol: Symbol, query: dict[str, str]) -> dict[str, Any]:
    """Return the documented answer: timestamps and quotes side by side, events by their instant."""
    rows = symbol.rows
    if "period1" in query:
        first, last = (pd.Timestamp(int(query[name]), unit="s", tz="UTC") for name in ("period1", "period2"))
        rows = rows[(rows.index >= first) & (rows.index < last)]
    elif query.get("range") == "1d":
        rows = rows.iloc[-1:]
    opens, closes = symbol.period or (pd.Timestamp("2024-01-01 09:30", tz=symbol.zone),) * 2
    meta = {
        "currency": "USD", "symbol": ticker, "exchangeName": "PCX", "instrumentType": symbol.kind,
        "firstTradeDate": 1_000_000_000, "regularMarketTime": 1_700_000_000, "gmtoffset": -18_000, "timezone": "EST",
        "exchangeTimezoneName": symbol.zone, "priceHint": 2, "dataGranularity": query.get("interval", "1d"),
        "range": query.get("range", ""), "validRanges": ["1d", "5d", "1mo", "max"],
        "currentTradingPeriod": {part: period(opens, closes) for part in ("pre", "regular", "post")},
    }  # fmt: skip
    if query.get("interval", "1d") != "1d":
        meta["tradingPeriods"] = [[period(*session)] for session in symbol.sessions]
    if len(rows) == 0:
        return {"chart": {"result": [{"meta": meta, "indicators": {"quote": [{}]}}], "error": None}}
    first, last = rows.index[0], rows.index[-1] + pd.Timedelta(days=1)
    events: dict[str, Any] = {
        "dividends": {seconds(at): {"amount": paid, "date": int(seconds(at))} for at, paid in symbol.dividends.items()},
        "capitalGains": {seconds(at): {"amount": paid, "date": int(seconds(at))} for at, paid in symbol.gains.items()},
        "splits": {
            seconds(at): {"date": int(seconds(at)), "numerator": new, "denominator": old, "splitRatio": f"{new}:{old}"}
            for at, (new, old) in symbol.splits.items()
        },
    }
    span = range(int(seconds(first)), int(seconds(last)))
    events = {kind: {at: told for at, told in found.items() if int(at) in span} for kind, found in events.items()}
    quote = {name: [None if np.isnan(value) else value for value in rows[name].tolist()] for name in rows}
    result = {
        "meta": meta,
        "timestamp": [int(seconds(at)) for at in rows.index],
        "events": {kind: found for kind, found in events.items() if found},
        "indicators": {"quote": [quote], "adjclose": [{"adjclose": quote["close"]}]},
    }
    return {"chart": {"result": [result], "error": None}}


def seconds(instant: pd.Timestamp) -> str:
    return str(int(instant.timestamp()))


def period(opens: pd.Timestamp, closes: pd.Timestamp) -> dict[str, Any]:
    return {"timezone": "EST", "gmtoffset": -18_000, "start": int(seconds(opens)), "end": int(seconds(closes))}


def reply(request: BaseHTTPRequestHandler, status: int, body: Any, kind: str = "application/json") -> None:
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)


def too_many(request: BaseHTTPRequestHandler) -> None:
    reply(request, 429, "Too Many Requests", "text/plain")


def broken(request: BaseHTTPRequestHandler) -> None:
    error = {"code": "internal-error", "description": "Internal server error"}
    reply(request, 500, {"finance": {"result": None, "error": error}})


def unauthorized(request: BaseHTTPRequestHandler) -> None:
    error = {"code": "Unauthorized", "description": "Invalid Crumb"}
    reply(request, 401, {"finance": {"result": None, "error": error}})


def broken_page(request: BaseHTTPRequestHandler) -> None:
    reply(request, 503, "<html><body>Will be right back...</body></html>", "text/html")


def a_page(request: BaseHTTPRequestHandler) -> None:
    reply(request, 200, "<!DOCTYPE html><html><body>Before you continue</body></html>", "text/html")


def cut(request: BaseHTTPRequestHandler) -> None:
    """Promise a long answer, send its beginning, and hang up."""
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", "100000")
    request.end_headers()
    request.wfile.write(b'{"chart":{"result":[{"meta":{"currency":"USD"')
    request.wfile.flush()
    request.close_connection = True


def silence(request: BaseHTTPRequestHandler) -> None:
    """Say nothing until the asker has given up."""
    time.sleep(1.5)
    request.close_connection = True


def nothing(request: BaseHTTPRequestHandler) -> None:
    reply(request, 200, {"chart": {"result": [], "error": None}})


@contextmanager
def serving() -> Iterator[Yahoo]:
    yahoo = Yahoo()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            yahoo.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # an asker that gave up

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yahoo.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield yahoo
    finally:
        server.shutdown()
        server.server_close()
