"""`lstm-signal fetch`, and tickers in the place of files, against Yahoo on loopback."""

import json
import warnings

import pytest

from tests import yahoo_server as server
from tests.yahoo_server import Symbol, days

ROWS = days("2022-01-03", 300)


@pytest.fixture
def lstm_signal(yahoo, monkeypatch, tmp_path, command_line):
    """Return a function that runs a command line in an empty folder: its status, standard output and error."""
    monkeypatch.chdir(tmp_path)
    yahoo.symbols |= {"SPY": Symbol(ROWS), "^GSPC": Symbol(days("2022-01-03", 300, seed=3), kind="INDEX")}

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(warnings, "filters", [("always", None, Warning, None, 0)])
        return command_line(*arguments)

    return call


def test_fetch_says_what_it_has_and_keeps_it(lstm_signal, yahoo, tmp_path):
    status, out, err = lstm_signal("fetch", "SPY", "^GSPC", "--start", "2022-01-03")
    assert (status, err) == (0, "")
    first, second = out.splitlines()
    assert first.startswith("SPY (Yahoo, USD, vintage 1): 300 bars, 2022-01-03 to 2023-02-24, sha256 ")
    assert second.startswith("^GSPC (Yahoo, USD, vintage 1; an index: not tradable, a proxy): 300 bars")
    assert sorted(path.name for path in (tmp_path / "data" / "prices").glob("[!.]*")) == ["GSPC-df302d10", "SPY"]
    yahoo.asked.clear()
    assert lstm_signal("fetch", "SPY", "--start", "2022-01-03", "--offline")[0] == 0
    assert yahoo.asked == []


def test_the_good_are_kept_and_the_bad_are_named(lstm_signal, yahoo):
    status, out, err = lstm_signal("fetch", "SPY", "NOPE", "../x", "^GSPC")
    assert status == 1
    assert [line.split()[0] for line in out.splitlines()] == ["SPY", "^GSPC"]
    assert "lstm-signal: NOPE: Yahoo knows no such ticker" in err
    assert "lstm-signal: '../x' is no ticker" in err
    assert err.count("\n") == 2
    assert lstm_signal("fetch", "NOPE", "NADA")[0] == 2
    status, out, err = lstm_signal("fetch", "NOPE")
    assert (status, out, err.count("\n")) == (2, "", 1)


def test_one_json_document(lstm_signal):
    status, out, err = lstm_signal("fetch", "SPY", "NOPE", "--check", "--json")
    told = json.loads(out)
    assert status == 1
    assert set(told["failed"]) == {"NOPE"}
    (spy,) = told["prices"]
    assert (spy["name"], spy["bars"], spy["vintage"], spy["interval"], spy["doubts"]) == ("SPY", 300, 1, "1d", [])
    assert err.count("\n") == 1


def test_check_lists_doubts_of_tickers_files_and_samples(lstm_signal, yahoo, tmp_path):
    yahoo.symbols["SPY"] = Symbol(ROWS.drop(ROWS.index[50:54]))
    status, out, err = lstm_signal("fetch", "SPY", "--check")
    assert status == 0
    gap = "gap: no bars for 7 days, 2022-03-11 to 2022-03-18"
    assert out.splitlines()[1:] == [f"  {gap}"]
    assert err == f"lstm-signal: warning: SPY: {gap[5:]}. `lstm-signal fetch ... --check` lists all.\n"
    assert lstm_signal("fetch", "^GSPC", "--check")[1].splitlines()[1:] == ["  no doubts"]
    assert "  open: 97% of the opens of 1999" in lstm_signal("fetch", "--check", "--sample", "sp500")[1]
    (tmp_path / "bars.csv").write_text("date,open,high,low,close\n2024-01-02,1,2,1,2\n2024-01-12,2,3,2,3\n")
    assert "no bars for" not in lstm_signal("fetch", "--check", "--csv", "bars.csv")[1]


@pytest.mark.parametrize("arguments", [(), ("--check",), ("SPY", "--csv", "bars.csv"), ("--csv", "gone.csv", "--check"),
                                       ("--sample", "--offline", "--check"), ("--sample",), ("SPY", "--close", "raw"),
                                       ("--sample", "--check", "--interval", "1wk"), ("bars.csv",)])  # fmt: skip
def test_a_wrong_request_is_one_line(lstm_signal, tmp_path, arguments):
    status, out, err = lstm_signal("fetch", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert list(tmp_path.iterdir()) == []


def test_a_fault_that_stays_is_one_line_after_the_attempts(lstm_signal, yahoo, tmp_path):
    yahoo.for_ever = server.too_many
    status, out, err = lstm_signal("fetch", "SPY")
    assert (status, out) == (2, "")
    told = "SPY: Yahoo limits how often it may be asked (HTTP status 429). Attempt 2 of 6 in 0 s."
    assert err.splitlines()[0] == told
    assert err.splitlines()[-1].startswith("lstm-signal: SPY: Yahoo limits")
    assert "--offline" in err


def test_a_ticker_stands_where_a_file_may(lstm_signal, yahoo, tmp_path):
    small = ["--cell", "linear", "--train", "100", "--test", "60", "--window", "5"]
    status, out, _ = lstm_signal("forecast", "SPY", *small, "--end", "2022-12-30")
    assert status == 0
    assert "2022-12-30" in out
    status, out, _ = lstm_signal("backtest", "SPY", *small, "--json", "--end", "2022-12-30")
    told = json.loads(out)["prices"]
    assert (told["name"], told["vintage"], told["last"][:10]) == ("SPY", 1, "2022-12-30")
    yahoo.symbols["SPY"] = Symbol(ROWS.assign(**{name: ROWS[name] / 2 for name in ("open", "high", "low", "close")}))
    assert "vintage 2" in lstm_signal("fetch", "SPY", "--refresh")[2]
    again = ["backtest", "SPY", *small, "--json", "--start", told["first"], "--end", told["last"], "--vintage", "1"]
    assert json.loads(lstm_signal(*again)[1])["prices"] == told


def test_a_range_of_a_sample_or_a_file(lstm_signal):
    _, out, _ = lstm_signal("fetch", "--check", "--sample", "--start", "2010-01-01", "--end", "2010-12-31")
    assert out.startswith("nasdaq (NASDAQ Composite, an index: not tradable, a proxy): 252 bars, 2010-01-04 to")
    status, _, err = lstm_signal("fetch", "--check", "--sample", "--start", "2030-01-01")
    assert status == 2
    assert "nasdaq has no bars from 2030-01-01" in err
