"""The cache of prices: what it asks for, what it keeps, and that nothing ever breaks it."""

import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lstm_signal as ls
from lstm_signal import bars as bars_module
from lstm_signal import updating
from tests import yahoo_server as server
from tests.yahoo_server import NEW_YORK, Symbol, days

ROWS = days("2024-01-02", 120)  # until 2024-06-17
DATES = [f"{day:%Y-%m-%d}" for day in ROWS.index]


@pytest.fixture
def spy(yahoo) -> Symbol:
    yahoo.symbols["SPY"] = Symbol(ROWS.copy())
    return yahoo.symbols["SPY"]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.parent.name != ".locks")


def about(folder: Path, number: int = 1) -> dict:
    return json.loads((folder / "prices" / "SPY" / "1d" / f"{number}.json").read_text())


def test_a_second_call_does_not_touch_the_network(yahoo, spy, load, tmp_path):
    first = load()
    asked = len(yahoo.asked)
    again = load()
    part = load(start="2024-02-01", end="2024-03-01")
    assert len(yahoo.asked) == asked
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    pd.testing.assert_frame_equal(first.loc["2024-02-01":"2024-03-01"], part, check_exact=True)
    told = about(tmp_path)
    assert (told["ticker"], told["interval"], told["bars"]) == ("SPY", "1d", 120)
    assert told["yfinance"].startswith("1.")
    assert told["sha256"] == bars_module.fingerprint(first)
    assert told["first"][:10] == DATES[0]
    assert len(files(tmp_path)) == 2


def test_a_later_end_asks_only_for_what_is_missing(yahoo, spy, load, tmp_path):
    early = load(start=DATES[0], end=DATES[60])
    yahoo.asked.clear()
    late = load(start=DATES[0], end=DATES[100])
    (query,) = yahoo.bars_asked
    first = pd.Timestamp(int(query["period1"]), unit="s", tz=NEW_YORK)
    assert pd.Timestamp(DATES[45], tz=NEW_YORK) < first < pd.Timestamp(DATES[60], tz=NEW_YORK)
    assert len(late) == 101
    pd.testing.assert_frame_equal(late.iloc[:61], early, check_exact=True)
    assert about(tmp_path)["vintage"] == 1
    assert len(files(tmp_path)) == 2
    yahoo.asked.clear()
    assert len(load(end=DATES[100], start=DATES[0])) == 101
    assert yahoo.asked == []


def test_the_end_of_an_old_range_is_not_taken_for_today(yahoo, spy, load):
    load(start=DATES[0], end=DATES[60])
    assert len(load(start=DATES[0])) == 120


def test_an_earlier_start_is_asked_for_and_joined(yahoo, spy, load, tmp_path):
    late = load(start=DATES[50], end=DATES[100])
    both = load(start=DATES[10], end=DATES[80])
    assert [f"{both.index[i]:%Y-%m-%d}" for i in (0, -1)] == [DATES[10], DATES[80]]
    everything = load(start=DATES[10], end=DATES[100])
    pd.testing.assert_frame_equal(everything.loc[DATES[50] :], late, check_exact=True)
    assert about(tmp_path)["bars"] == 91


def test_a_range_before_the_first_bar_is_asked_for_once(yahoo, spy, load):
    load(start="2020-01-01", end=DATES[100])
    yahoo.asked.clear()
    load(start="2020-01-01", end=DATES[100])
    assert yahoo.asked == []


def test_a_new_dividend_touches_its_own_bar_only(yahoo, spy, load, tmp_path):
    early = load(end=DATES[60])
    spy.dividends[ROWS.index[80]] = 3.0
    late = load(end=DATES[100])
    pd.testing.assert_frame_equal(late.iloc[:61], early, check_exact=True)
    assert late["dividend"].iloc[80] == late["dividend"].sum() == 3.0
    assert about(tmp_path)["vintage"] == 1


def test_a_split_is_a_new_vintage_and_the_old_one_can_be_read(yahoo, spy, load, tmp_path):
    early = load(end=DATES[60])
    spy.rows[["open", "high", "low", "close"]] /= 4
    spy.splits[ROWS.index[80]] = (4, 1)
    with pytest.warns(ls.PriceWarning, match=r"61 bar\(s\), .*, times 0\.25, as after a split.*vintage 2.*vintage=1"):
        late = load(end=DATES[100])
    assert late.attrs["vintage"] == 2
    assert np.allclose(late["close"].iloc[:61], early["close"] / 4)
    pd.testing.assert_frame_equal(load(end=DATES[60], vintage=1), early, check_exact=True)
    assert about(tmp_path, 2)["changed"].startswith("61 bar(s)")
    assert len(files(tmp_path)) == 4


def test_a_correction_is_named_by_its_bars_and_size(yahoo, spy, load):
    load(end=DATES[60])
    spy.rows.loc[spy.rows.index[55], "close"] += 0.05
    day = DATES[55]
    with pytest.warns(ls.PriceWarning, match=rf"1 bar\(s\), {day} to {day}; the close at most by \+0\.05.*%, on {day}"):
        load(end=DATES[100])


def test_a_correction_long_ago_is_found_by_a_refresh(yahoo, spy, load, tmp_path):
    load()
    spy.rows.loc[spy.rows.index[3], "open"] -= 0.05
    spy.dividends[spy.rows.index[7]] = 1.0
    load()
    assert about(tmp_path)["vintage"] == 1
    with pytest.warns(ls.PriceWarning, match=r"2 bar\(s\)"):
        assert load(refresh=True)["dividend"].sum() == 1.0


@pytest.mark.parametrize("what", ["gone", "inserted"])
def test_a_bar_that_comes_or_goes_is_another_past(yahoo, spy, load, what):
    whole, lacking = spy.rows, spy.rows.drop(spy.rows.index[55])
    spy.rows = whole if what == "gone" else lacking
    load(end=DATES[60])
    spy.rows = lacking if what == "gone" else whole
    with pytest.warns(ls.PriceWarning, match=rf"1 bar\(s\) {what}, the first {DATES[55]}"):
        load(end=DATES[100])


def test_a_revised_volume_is_no_other_past_and_stays_as_it_was(yahoo, spy, load):
    early = load(end=DATES[60])
    spy.rows["volume"] += 17
    late = load(end=DATES[100])
    pd.testing.assert_frame_equal(late.iloc[:61], early, check_exact=True)
    assert late["volume"].iloc[70] == ROWS["volume"].iloc[70] + 17


def test_an_old_result_can_be_run_again_on_its_old_bars(yahoo, spy, load):
    old = load(end=DATES[100])
    forecasts = ls.forecast(old, ls.Forecaster(cell="linear", window=5), ls.WalkForward(train=40, test=20), n_jobs=1)
    told = ls.compare(old, [forecasts]).report["prices"]
    assert told["vintage"] == 1
    spy.rows[["open", "high", "low", "close"]] *= 0.5
    with pytest.warns(ls.PriceWarning, match="vintage 2"):
        load()
    again = load(start=told["first"], end=told["last"], interval=told["interval"], vintage=told["vintage"])
    assert bars_module.fingerprint(again) == told["sha256"]


def test_offline_never_asks_and_says_what_is_there(yahoo, spy, load, tmp_path):
    with pytest.raises(ls.InputError, match=r"SPY 1d: nothing is kept in .*lstm-signal fetch SPY"):
        load(offline=True)
    assert list(tmp_path.iterdir()) == []
    bars = load(start=DATES[10], end=DATES[60])
    yahoo.asked.clear()
    pd.testing.assert_frame_equal(load(start=DATES[10], end=DATES[60], offline=True), bars)
    for start, end in ((DATES[0], None), (None, DATES[100])):
        with pytest.raises(ls.InputError, match=f"vintage 1 on disk reaches from {DATES[10]} to {DATES[60]}"):
            load(start=start, end=end, offline=True)
    with pytest.raises(ls.InputError, match=r"vintage 3 is not among the vintages \[1\] in"):
        load(vintage=3)
    assert yahoo.asked == []


def test_a_fault_leaves_what_is_there_and_names_the_way_to_it(yahoo, spy, load):
    bars = load(end=DATES[60])
    yahoo.for_ever = server.too_many
    with pytest.raises(ls.FetchError, match="offline=True"):
        load(progress=False)
    pd.testing.assert_frame_equal(load(end=DATES[60], offline=True), bars)


@pytest.mark.parametrize(("given", "told"), [
    ({"interval": "1y"}, "interval='1y'"), ({"start": "soon"}, "start='soon' is no date"),
    ({"start": "2024-02-01", "end": "2024-01-01"}, "comes after end"), ({"vintage": 0}, "1 or more"),
    ({"vintage": "1"}, "1 or more"), ({"start": 2022}, "start=2022 is no date"), ({"end": "2022-06"}, "is no date"),
    ({"start": "06/07/2022"}, "is no date"),
    ({"refresh": True, "offline": True}, "give one of them"), ({"start": None, "end": "NaT"}, "end='NaT' is no date"),
])  # fmt: skip
def test_wrong_requests_are_refused_before_anything_is_asked(yahoo, spy, load, tmp_path, given, told):
    with pytest.raises(ls.InputError, match=told):
        load(**given)
    assert yahoo.asked == []
    assert list(tmp_path.iterdir()) == []


def edited(old: str, new: str):
    """Return what edits the JSON file by hand."""
    return lambda json_file, parquet: json_file.write_text(
        json_file.read_text().replace(old.replace("PARQUET", parquet.name), new)
    )


DAMAGES = {
    "cut short": lambda json_file, parquet: parquet.write_bytes(parquet.read_bytes()[:500]),
    "empty": lambda json_file, parquet: parquet.write_bytes(b""),
    "gone": lambda json_file, parquet: parquet.unlink(),
    "edited": lambda json_file, parquet: pd.read_parquet(parquet).mul(1.01).to_parquet(parquet),
    "json cut short": lambda json_file, parquet: json_file.write_text(json_file.read_text()[:100]),
    "json edited": edited('"sha256": "', '"sha256": "0'),
    "json of another ticker": edited('"ticker": "SPY"', '"ticker": "QQQ"'),
    "json of another zone": edited("America/New_York", "Mars/Phobos"),
    "json that says to reach further": edited('"through": "20', '"through": "22'),
    "json with a moment of no zone": edited('+00:00",\n "market"', '",\n "market"'),
    "json of another version": edited('"schema": 1', '"schema": 9'),
    "json that points away": edited("PARQUET", "../../x.parquet"),
    "json of no object": lambda json_file, parquet: json_file.write_text("[]"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_and_a_refresh_starts_a_new_vintage(yahoo, spy, load, tmp_path, damage):
    bars = load()
    folder = tmp_path / "prices" / "SPY" / "1d"
    DAMAGES[damage](folder / "1.json", next(folder.glob("*.parquet")))
    for given in ({}, {"offline": True}, {"vintage": 1}):
        with pytest.raises(ls.InputError, match=r"1\.json and the bars it names are damaged or were edited"):
            load(**given)
    with pytest.warns(ls.PriceWarning, match=r"1\.json .*damaged or were edited.* This is vintage 2"):
        again = load(refresh=True)
    pd.testing.assert_frame_equal(again, bars)
    assert again.attrs["vintage"] == 2
    assert (folder / "1.json").exists()


def test_a_full_disk_leaves_what_was_there(yahoo, spy, load, tmp_path):
    bars = load(end=DATES[60])
    before = files(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            load(end=DATES[100])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(tmp_path) == before
    pd.testing.assert_frame_equal(load(end=DATES[60], offline=True), bars)
    assert len(load(end=DATES[100])) == 101


HAMMER = """
import random, sys
from lstm_signal import history, yahoo
url, folder, seed = sys.argv[1:]
yahoo._client()
for module in ("yfinance.const", "yfinance.base", "yfinance.scrapers.history"):
    sys.modules[module]._BASE_URL_ = url
days = {days!r}
draw = random.Random(int(seed))
print("ready", flush=True)
while True:
    history.load_prices("SPY", end=draw.choice(days), data_dir=folder, refresh=draw.random() < 0.3)
"""


def test_two_processes_and_kills_leave_no_damage(yahoo, spy, tmp_path):
    """Six kills at moments drawn at random, while both processes write and compare; what is there is always whole."""
    draw = np.random.default_rng(5)
    script = HAMMER.replace("{days!r}", repr(DATES[20:]))

    def start(seed: int) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "-c", script, yahoo.url, str(tmp_path), str(seed)],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip

    hammers = [start(0), start(1)]
    folder = tmp_path / "prices" / "SPY" / "1d"
    for kill in range(6):
        for hammer in hammers:
            assert hammer.stdout is not None
            if not hammer.stdout.closed:
                assert hammer.stdout.readline() == "ready\n"
                hammer.stdout.close()
        time.sleep(float(draw.uniform(0.1, 0.5)))
        victim = hammers.pop(0)
        victim.kill()
        assert victim.wait() == -signal.SIGKILL, victim.stderr.read()
        victim.stderr.close()
        hammers.append(start(kill + 2))
        if folder.exists() and (folder / "1.json").exists():
            found = ls.load_prices("SPY", data_dir=tmp_path, offline=True)
            assert found["close"].to_list() == ROWS["close"].to_list()[: len(found)]
    for hammer in hammers:
        hammer.kill()
        hammer.communicate()
    whole = ls.load_prices("SPY", data_dir=tmp_path, end=DATES[-1], refresh=True)
    assert whole["close"].to_list() == ROWS["close"].to_list()
    assert whole.attrs["vintage"] == 1
    assert len(files(tmp_path)) == 2  # what the killed left behind is tidied away


def test_the_overlap_is_as_long_as_it_says(yahoo, spy, load):
    load(end=DATES[60])
    inside, outside = (int(np.flatnonzero(ROWS.index >= ROWS.index[60] - updating.OVERLAP)[0]) + by for by in (1, -2))
    spy.rows.loc[spy.rows.index[outside], "close"] *= 1.0001
    load(end=DATES[70])  # not seen
    spy.rows.loc[spy.rows.index[inside + 10], "close"] *= 1.0001
    with pytest.warns(ls.PriceWarning, match=r"2 bar\(s\)"):
        load(end=DATES[80])


def test_a_late_bar_is_asked_for_again(yahoo, load):
    now = pd.Timestamp.now(NEW_YORK).normalize()
    rows = server.walk(pd.bdate_range(end=now - pd.Timedelta(days=1), periods=40) + pd.Timedelta("9h30min"))
    yahoo.symbols["SPY"] = Symbol(rows.iloc[:-1])
    last = f"{rows.index[-1]:%Y-%m-%d}"
    assert len(load(end=last)) == 39
    yahoo.symbols["SPY"].rows = rows
    assert len(load(end=last)) == 40


def hourly(days: int, until: pd.Timestamp) -> pd.DataFrame:
    return server.walk(pd.date_range(end=until, periods=24 * days, freq="60min"))


def test_intraday_bars_that_yahoo_forgets_stay_and_the_new_ones_join(yahoo, load, monkeypatch):
    """Asked again later: Yahoo has only the last days by then, and refuses to be asked for more."""
    now = pd.Timestamp.now("UTC").floor("60min")
    long = hourly(30, now - pd.Timedelta("60min"))
    monkeypatch.setattr(updating.sessions, "KEPT_DAYS", {"60m": 7})
    monkeypatch.setattr(updating.Vintage, "is_fresh", False)
    coin = yahoo.symbols["BTC-USD"] = Symbol(long.iloc[-240:-72], zone="UTC", kind="CRYPTOCURRENCY",
                                             sessions=[(long.index[0], now)])  # fmt: skip
    early = load("BTC-USD", interval="60m")
    coin.rows = long.iloc[-160:]
    late = load("BTC-USD", interval="60m")
    assert late.attrs["vintage"] == 1
    assert len(late) == 240
    pd.testing.assert_frame_equal(late.loc[: early.index[-1]], early, check_exact=True)
    since = pd.Timestamp(int(yahoo.bars_asked[-1]["period1"]), unit="s", tz="UTC")
    assert since == now.normalize() - pd.Timedelta(days=7)
    assert len(load("BTC-USD", interval="60m", refresh=True)) == 240
    with pytest.raises(ls.InputError, match="Yahoo keeps 60m bars of the last 7 days only: start=2020-01-01 must be"):
        load("BTC-USD", start="2020-01-01", interval="60m")
    again = load("BTC-USD", end=late.index[-1], interval="60m", vintage=1)
    pd.testing.assert_frame_equal(again, late, check_exact=True)
    other = yahoo.symbols["ETH-USD"] = Symbol(long.iloc[-240:-72], zone="UTC", kind="CRYPTOCURRENCY",
                                              sessions=[(long.index[0], now)])  # fmt: skip
    load("ETH-USD", interval="60m")
    other.rows = long.iloc[-20:]
    with pytest.warns(ls.PriceWarning, match="it forgot the bars between .* This is vintage 2"):
        load("ETH-USD", interval="60m")


def test_a_bar_that_closes_at_midnight_is_of_the_day_that_ends(yahoo, load):
    now = pd.Timestamp.now("UTC").normalize()
    yahoo.symbols["BTC-USD"] = Symbol(hourly(6, now - pd.Timedelta("60min")), zone="UTC", kind="CRYPTOCURRENCY",
                                      sessions=[(now - pd.Timedelta("6D"), now - pd.Timedelta("1min"))])  # fmt: skip
    day = f"{now - pd.Timedelta('3D'):%Y-%m-%d}"
    part = load("BTC-USD", day, day, interval="1h")
    assert len(part) == 24
    assert part.index[-1] == pd.Timestamp(day) + pd.Timedelta("1D")
    whole = load("BTC-USD", interval="1h", refresh=True)
    assert len(whole) == 144
    pd.testing.assert_frame_equal(load("BTC-USD", day, day, interval="1h"), part, check_exact=True)


def test_reading_needs_neither_a_lock_nor_the_right_to_write(yahoo, spy, load, tmp_path, monkeypatch):
    bars = load(end=DATES[60])

    def refuse(*_, **__):
        raise PermissionError("no writing here")

    monkeypatch.setattr("lstm_signal.vintages.FileLock", refuse)
    for given in ({"offline": True}, {"vintage": 1}, {}):
        pd.testing.assert_frame_equal(load(end=DATES[60], **given), bars)
    with pytest.raises(PermissionError):
        load(end=DATES[100])


def test_a_corrected_dividend_is_called_one(yahoo, spy, load):
    load(end=DATES[60])
    spy.dividends[spy.rows.index[57]] = 1.25
    with pytest.warns(ls.PriceWarning, match=rf"1 bar\(s\).*; the dividend from 0 to 1.25, on {DATES[57]}"):
        load(end=DATES[100])


def test_an_unknown_ticker_leaves_no_folder(yahoo, load, tmp_path):
    with pytest.raises(ls.InputError):
        load("NOPE")
    assert list((tmp_path / "prices").glob("[!.]*")) == []


def test_the_callers_own_yfinance_is_left_as_it_was(yahoo, spy, load):
    import yfinance

    session = yfinance.data.YfData()._session
    load()
    assert yfinance.data.YfData()._session is session
