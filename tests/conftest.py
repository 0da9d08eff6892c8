"""Short real series and tiny recipes, shared by the tests that need a walk; and Yahoo on loopback."""

import sys
import warnings
from collections.abc import Callable

import pandas as pd
import pytest

import lstm_signal as ls
from lstm_signal import cli
from tests import yahoo_server

TINY = ls.Forecaster(window=5, hidden=4, epochs=2, batch=16, members=2)
SHORT = ls.WalkForward(train=60, test=25)


@pytest.fixture(scope="session")
def prices() -> pd.DataFrame:
    """200 real daily bars: 6 folds of SHORT, the last one cut short."""
    return ls.sample_prices().iloc[:200]


@pytest.fixture(scope="session")
def year() -> pd.DataFrame:
    """500 real daily bars, with dividends put in: enough for many trades."""
    bars = ls.sample_prices().iloc[1000:1500].copy()
    bars.loc[bars.index[60::63], "dividend"] = 0.01 * bars["close"].iloc[60::63]
    return bars


@pytest.fixture(scope="session")
def paid(prices: pd.DataFrame) -> pd.DataFrame:
    """The bars of `prices` with dividends put in."""
    bars = prices.copy()
    bars.loc[bars.index[30::40], "dividend"] = 0.01 * bars["close"].iloc[30::40]
    return bars


@pytest.fixture(scope="session")
def said(paid: pd.DataFrame) -> ls.Forecasts:
    """A walk over `paid`."""
    return ls.forecast(paid, TINY, SHORT, n_jobs=1)


@pytest.fixture
def yahoo(monkeypatch):
    """Yahoo on loopback, asked by the real yfinance, with short pauses."""
    from lstm_signal import yahoo as client

    client._client()
    monkeypatch.setattr(client, "PAUSE", 0.002)
    monkeypatch.setattr(client, "TIMEOUT", 0.5)
    with yahoo_server.serving() as here:
        for module in ("yfinance.const", "yfinance.base", "yfinance.scrapers.history"):
            monkeypatch.setattr(sys.modules[module], "_BASE_URL_", here.url)
        yield here


@pytest.fixture
def load(yahoo, tmp_path):
    def load(ticker="SPY", *args, **given):
        return ls.load_prices(ticker, *args, data_dir=tmp_path, **given)

    return load


@pytest.fixture
def command_line(monkeypatch, capfd) -> Callable[..., tuple[int, str, str]]:
    """Return a function that calls `main` with arguments, and gives (exit status, stdout, stderr)."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lstm-signal", *map(str, arguments)])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # main sets it for the whole process
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capfd.readouterr()
        return stopped.value.code or 0, out, err

    return call
