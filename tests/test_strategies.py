"""Every shipped strategy runs: by name, by path, as a script, and by backtrader's own btrun."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lstm_signal as ls

ROOT = Path(__file__).parent.parent
ALL = sorted((ROOT / "strategies").glob("*.py"))
FILES = [file for file in ALL if file.stem != "top_k"]  # which trades many feeds: test_portfolio


@pytest.fixture(scope="module")
def forecasts(year: pd.DataFrame) -> ls.Forecasts:
    stamps = year.index[100:]
    said = np.random.default_rng(1).normal(0, 0.01, len(stamps))
    return ls.Forecasts.from_frame(pd.DataFrame({"forecast": said}, index=stamps), name="noise")


@pytest.fixture(scope="module")
def folder(year: pd.DataFrame, forecasts: ls.Forecasts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with the bars in backtrader's format and the forecasts."""
    place = tmp_path_factory.mktemp("trader")
    chained = ls.total_return(year)
    chained.drop(columns="dividend").assign(openinterest=0).to_csv(place / "bars.csv")
    forecasts.save(place / "lstm.csv")
    (place / "strategies").symlink_to(ROOT / "strategies")
    return place


def test_there_are_seven_short_ones_that_say_what_they_do() -> None:
    names = ["agreement", "buy_and_hold", "long_flat", "long_short", "sized_by_forecast", "top_k", "volatility_target"]
    assert [file.stem for file in ALL] == names
    for file in ALL:
        text = file.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 40
        assert all(part in text for part in ("Buy Logic", "Sell Logic", "Order Execution"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_runs_by_name_and_by_path(file: Path, year: pd.DataFrame, forecasts: ls.Forecasts) -> None:
    by_name = ls.backtest(year, forecasts, file.stem)
    by_path = ls.backtest(year, forecasts, str(file))
    pd.testing.assert_series_equal(by_name.equity, by_path.equity, check_exact=True)
    assert len(by_name.fills) >= 1


def wanted(name: str, year: pd.DataFrame, forecasts: ls.Forecasts) -> pd.DataFrame:
    orders = ls.backtest(year, forecasts, name).orders
    assert len(orders) > 20
    return orders


def test_sized_by_forecast_follows_the_strength(year: pd.DataFrame, forecasts: ls.Forecasts) -> None:
    orders = wanted("sized_by_forecast", year, forecasts)
    steps = (orders["strength"] / 0.25).round() * 0.25
    assert (orders["wanted"] == steps.clip(-1, 1)).all()
    assert orders["wanted"].nunique() == 9


def test_volatility_target_holds_less_when_the_market_is_wild(year: pd.DataFrame, forecasts: ls.Forecasts) -> None:
    orders = wanted("volatility_target", year, forecasts)
    own = ls.total_return(year)["close"].pct_change().rolling(20).std(ddof=0).reindex(orders["sent"]) * 252**0.5
    exposure = (0.15 / own).clip(upper=1).round(1).to_numpy()
    assert (orders["wanted"] == np.where(orders["strength"] > 0.5, exposure, 0.0)).all()
    assert orders["wanted"].between(0.1, 0.9).any()


def test_it_runs_as_a_script(folder: Path, year: pd.DataFrame, forecasts: ls.Forecasts) -> None:
    year.to_csv(folder / "own.csv")
    command = [sys.executable, "strategies/long_flat.py", "--csv", "own.csv", "--forecasts", "lstm.csv"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(ls.backtest(year, forecasts, "long_flat"))


def test_top_k_as_a_script_says_what_it_needs(folder: Path, year: pd.DataFrame) -> None:
    year.to_csv(folder / "own.csv")
    command = [sys.executable, "strategies/top_k.py", "--csv", "own.csv", "--forecasts", "lstm.csv"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "TopK trades many feeds, backtest one" in done.stderr


def test_the_readmes_btrun_line_runs(folder: Path) -> None:
    line = re.search(r"^btrun .*$", (ROOT / "strategies" / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert line
    command = shlex.split(line[0])
    command[0] = str(Path(sys.executable).parent / "btrun")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    value = float(re.search(r"- End: ([\d.]+)", done.stdout)[1])
    assert "LongShort" in done.stdout
    assert value != 10_000
