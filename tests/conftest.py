"""Short real series and tiny recipes, shared by the tests that need a walk."""

import pandas as pd
import pytest

import lstm_signal as ls

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
