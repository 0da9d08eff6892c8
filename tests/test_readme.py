"""The README's Python blocks run and print what stands below them, numbers with a tolerance; its command lines run."""

import contextlib
import io
import json
import re
import shlex
import sys
from pathlib import Path

import backtrader as bt
import pandas as pd
import pytest

import lstm_signal as ls
from lstm_signal.cli import main
from tests.conftest import SHORT
from tests.conftest import TINY as TINY_RECIPE
from tests.yahoo_server import Symbol, days

TINY = shlex.split("--train 60 --test 30 --window 5 --hidden 4 --epochs 1 --members 2")
README = Path(__file__).parent.parent / "README.md"
NUMBER = re.compile(r"-?\d[\d,]*\.?\d*")
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def printed_and_shown(text: str) -> list[tuple[str, str]]:
    """Run every Python block in one namespace; return what each printed, with the text block that follows it."""
    blocks, pairs, namespace = (
        BLOCK.findall(text),
        [],
        {"__name__": "__main__"},
    )  # backtrader looks a class up by its module
    for (kind, code), (next_kind, shown) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if kind == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(code, "README.md", "exec"), namespace)
            pairs.append((output.getvalue(), shown if next_kind == "text" else ""))
    return pairs


def after(printed: list[str], shown: list[str]) -> list[str]:
    """Find the words that are shown among those that were printed; return what follows them.

    A number may differ in what another processor rounds otherwise.
    """
    shapes, wanted = ([NUMBER.sub("#", word) for word in words] for words in (printed, shown))
    places = [place for place in range(len(printed)) if shapes[place : place + len(shown)] == wanted]
    assert places, f"not printed: {' '.join(shown)}"
    stop = places[0] + len(shown)
    for one, other in zip(printed[places[0] : stop], shown, strict=True):
        numbers = [[float(number.replace(",", "")) for number in NUMBER.findall(word)] for word in (one, other)]
        assert numbers[0] == pytest.approx(numbers[1], rel=0.05, abs=0.05), (one, other)
    return printed[stop:]


def test_the_readme_prints_what_it_shows(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pairs = printed_and_shown(README.read_text(encoding="utf-8"))
    assert sum(bool(shown) for _, shown in pairs) == 4
    for printed, shown in pairs:
        if shown:
            words = printed.split()
            for part in shown.split("\n...\n"):
                words = after(words, part.split())
            assert shown.rstrip().endswith("...") or not words
    assert (tmp_path / "reports" / "first" / "report.json").is_file()
    assert (tmp_path / "linear.csv").is_file()


def test_the_readmes_table_of_plugs_can_be_plugged(tmp_path, monkeypatch: pytest.MonkeyPatch, said, paid) -> None:
    """Every call in the table's first and second column is made, and a Cerebro of them runs."""
    monkeypatch.chdir(tmp_path)
    text = README.read_text(encoding="utf-8").split("## In one's own Cerebro", 1)[1]
    table = re.search(r"\| \| \|\n\|---\|---\|\n((?:\|.*\n)+)", text)
    assert table
    cerebro = bt.Cerebro()
    names = {name: getattr(ls.bt, name) for name in ls.bt.__all__}
    names |= {"bt": bt, "lstm_signal": ls, "cerebro": cerebro, "prices": paid, "forecasts": said}
    names |= {"recipe": TINY_RECIPE, "schedule": SHORT, "a": said, "b": said}
    calls = [span for span in re.findall(r"`([^`]+)`", table[1]) if re.fullmatch(r"[\w.]+\(.*\)", span)]
    assert len(calls) >= 8
    cerebro.adddata(ls.bt.ForecastData(dataname=paid, forecasts=said), name="A")
    drawing = [call for call in calls if "plots" in call]
    for call in set(calls) - set(drawing):
        eval(call, names)
    cerebro.run()
    for call in drawing:
        eval(call, names)
    assert Path("run.png").stat().st_size > 10_000


def test_the_strategies_own_pages_classes_run(tmp_path, monkeypatch: pytest.MonkeyPatch, said, paid) -> None:
    monkeypatch.chdir(tmp_path)
    text = (README.parent / "strategies" / "README.md").read_text(encoding="utf-8")
    single, many = (code for kind, code in BLOCK.findall(text) if kind == "python")
    Path("with_the_trend.py").write_text(single)
    Path("all_strong.py").write_text(many)
    assert ls.backtest(paid, said, "with_the_trend.py", period=10, threshold=0.1).fills.size
    cerebro = bt.Cerebro()
    cerebro.adddata(ls.bt.ForecastData(dataname=paid, forecasts=said), name="A")
    members = pd.DataFrame({"ticker": ["A"], "start": ["1990-01-01"], "end": [None]})
    cerebro.addstrategy(ls.load_strategy("all_strong.py"), threshold=0.1, members_of=members)
    assert cerebro.run()[0].log


def run(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """Run a command line as the README has it, but for the size of what is trained."""
    program, *arguments = shlex.split(line, comments=True)
    assert program == "lstm-signal"
    tiny = [] if "--forecasts" in arguments or arguments[0] in ("fetch", "store") else TINY
    monkeypatch.setattr(sys, "argv", [program, *arguments, *tiny])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code, capsys.readouterr().err


def test_the_readmes_tickers_are_fetched_and_compared(
    tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, yahoo
) -> None:
    monkeypatch.chdir(tmp_path)
    yahoo.symbols |= {ticker: Symbol(days("2005-01-03", 300)) for ticker in ("SPY", "QQQ")}
    blocks = BLOCK.findall(README.read_text(encoding="utf-8"))
    lines = "".join(code for kind, code in blocks if kind == "sh" and "SPY" in code).splitlines()
    assert len(lines) == 4
    for line in lines:
        run(line, monkeypatch, capsys)
    assert "no doubts" in capsys.readouterr().out
    prices = json.loads(Path("reports/SPY/report.json").read_text())["prices"]
    assert (prices["first"][:10], prices["last"][:10], prices["vintage"]) == ("2005-01-03", "2006-02-24", 1)


def test_the_readmes_command_lines_run(
    tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, prices: pd.DataFrame
) -> None:
    monkeypatch.chdir(tmp_path)
    prices.to_csv("bars.csv")
    blocks = BLOCK.findall(README.read_text(encoding="utf-8"))
    Path("mine.py").write_text(next(code for kind, code in blocks if kind == "python" and "class Mine" in code))
    lines = next(code for kind, code in blocks if kind == "sh" and "--csv bars.csv" in code).splitlines()
    assert len(lines) == 4
    for line in lines:
        run(line, monkeypatch, capsys)
    assert "rnn by Mine" in capsys.readouterr().out
    assert Path("rnn.parquet").is_file()
    assert Path("reports/bars/report.json").is_file()
