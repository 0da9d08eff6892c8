"""A walk that is stopped or killed, or fills the disk: what was finished is kept, and the end is the same bits."""

import io
import os
import pty
import random
import resource
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pandas as pd
import pytest

import lstm_signal as ls
from benchmarks import kills
from lstm_signal import pool
from lstm_signal.store import Store
from tests.conftest import SHORT, TINY

SMALL = [
    "--window",
    "5",
    "--hidden",
    "4",
    "--epochs",
    "2",
    "--batch",
    "16",
    "--members",
    "2",
    "--train",
    "60",
    "--test",
    "25",
]
LONG = ["--sample", "--end", "2005-01-01"]  # 10 fits of about a second


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def test_kills_lose_no_finished_fit_and_change_no_bit(tmp_path):
    store, draw, bars = tmp_path / "fits", random.Random(1), 550
    hits = [kills.kill_once(bars, store, whom, draw) for whom in ("parent", "trainer", "parent", "trainer", "parent")]
    assert None not in hits
    assert [hit.lost for hit in hits] == [0] * 5
    counts = [hit.kept for hit in hits]
    assert counts == sorted(set(counts)), "each run goes on where the one before it was"
    for hit in hits[1::2]:
        assert hit.status == 1
        assert "FitError: a process that trains was killed from outside" in hit.said
    end, alone = (kills.walk(bars, where, 1) for where in (str(store), None))
    pd.testing.assert_frame_equal(end.frame.join(end.members), alone.frame.join(alone.members), check_exact=True)
    assert not list(store.glob("??/.*.tmp"))


def test_a_kill_between_writing_and_renaming_leaves_nothing_that_is_taken(prices, tmp_path):
    code = f"""
import os, pathlib, signal
import lstm_signal as ls
from tests.conftest import SHORT, TINY
rename, calls = pathlib.Path.replace, []
def replace(self, target):
    calls.append(target)
    if len(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
pathlib.Path.replace = replace
ls.forecast(ls.sample_prices().iloc[:200], TINY, SHORT, n_jobs=1, store={str(tmp_path)!r})
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=kills.ROOT).returncode == -signal.SIGKILL
    store = Store(tmp_path)
    assert [entry.damage for entry in store.entries(verify=True)] == [""] * 3
    assert len(list(tmp_path.glob("??/.*.tmp"))) == 1
    again, alone = (ls.forecast(prices, TINY, SHORT, n_jobs=1, store=where) for where in (tmp_path, None))
    pd.testing.assert_frame_equal(again.frame, alone.frame, check_exact=True)
    assert len(list(store.entries(verify=True))) == 12
    assert not list(tmp_path.glob("??/.*.tmp"))


def test_ctrl_c_stops_within_two_seconds_and_says_how_to_go_on(tmp_path):
    verb = [sys.executable, "-m", "lstm_signal", "forecast", *LONG, "--jobs", "2", "--out", "f.parquet"]
    walking = subprocess.Popen(verb, cwd=tmp_path, start_new_session=True, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("data/fits/??/*.safetensors")):
        assert walking.poll() is None
        time.sleep(0.01)
    os.killpg(walking.pid, signal.SIGINT)  # as a terminal does: to all of its processes
    asked = time.monotonic()
    said = walking.communicate(timeout=20)[1]
    assert time.monotonic() - asked < 2
    assert walking.returncode == 130
    told = lines(said)
    assert len(told) == 1
    assert told[0].startswith("lstm-signal: stopped with ")
    kept = f"kept in {tmp_path / 'data/fits'}. Run the same again: it goes on from there."
    assert told[0].endswith(f"of 10 fits done, and {kept}")
    assert not (tmp_path / "f.parquet").exists()
    assert not list(tmp_path.glob("data/fits/??/.*.tmp"))


def test_a_stopped_walk_without_a_store_says_that_nothing_is_kept(prices, monkeypatch):
    stopped = iter([None, KeyboardInterrupt])

    def fit(*_):
        if next(stopped):
            raise KeyboardInterrupt
        return real(*_)

    real = ls.forecaster.TrainingRows.fit
    monkeypatch.setattr(ls.forecaster.TrainingRows, "fit", fit)
    with pytest.raises(KeyboardInterrupt, match=r"^stopped with 1 of 12 fits done; none is kept\. .*store='data/fits'"):
        ls.forecast(prices, TINY, SHORT, n_jobs=1)


def test_a_full_disk_ends_the_walk_with_one_line_and_leaves_what_was_kept(prices, tmp_path):
    (tmp_path / "data").mkdir()
    ls.forecast(prices.loc[:"1999-08-01"], TINY, SHORT, n_jobs=1, store=tmp_path / "data/fits")
    kept = {path: path.read_bytes() for path in tmp_path.glob("data/fits/??/*")}
    verb = [sys.executable, "-m", "lstm_signal", "forecast", "--sample", *SMALL, "--end", "1999-12-01"]
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # noqa: E731 (bytes a file)
    full = subprocess.run(verb, cwd=tmp_path, preexec_fn=limit, capture_output=True, text=True)
    assert full.returncode == 2
    assert len(lines(full.stderr)) == 1
    assert f"cannot keep a fit in {tmp_path / 'data/fits'}" in full.stderr
    assert "File too large. The fits done before are kept: make room, run the same again" in full.stderr
    assert {path: path.read_bytes() for path in tmp_path.glob("data/fits/??/*")} == kept
    assert not (tmp_path / "reports").exists()


def test_the_processes_of_a_killed_parent_end(tmp_path):
    code = """
import os, time
from lstm_signal import pool
for pid in pool.run(lambda _: os.getpid(), [1, 2], 2):
    print(pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=kills.ROOT)
    pids = {int(parent.stdout.readline()) for _ in range(2)}
    parent.kill()
    parent.communicate(timeout=10)  # at the end of its output, which its processes hold open too
    end = time.monotonic() + 5
    while any(Path(f"/proc/{pid}/cmdline").is_file() for pid in pids) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}/cmdline").is_file() for pid in pids)


# Progress


def shown_on_a_terminal(*arguments: str, cwd: Path) -> str:
    """Return what a command writes to standard error, when that is a terminal."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    verb = [sys.executable, "-m", "lstm_signal", *arguments]
    running = subprocess.Popen(verb, cwd=cwd, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
    assert running.wait(timeout=60) == 0
    os.close(ours)
    return shown.decode()


def test_progress_shows_fits_done_and_time_left_on_a_terminal_alone(tmp_path):
    walk = ["forecast", "--sample", "--end", "1999-10-01", *SMALL, "--out", "f.parquet"]
    shown = shown_on_a_terminal(*walk, cwd=tmp_path)
    assert "/10 [" in shown
    assert "10/10 [" in shown
    assert shown_on_a_terminal(*walk, "--json", cwd=tmp_path) == ""


def test_a_notebook_is_watched_though_its_standard_error_is_no_terminal(prices, monkeypatch, capsys, tmp_path):
    walk = lambda progress: ls.forecast(prices, TINY, SHORT, n_jobs=1, progress=progress, store=tmp_path)  # noqa: E731
    walk(True)
    assert capsys.readouterr().err == ""
    notebooks = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    monkeypatch.setattr(sys, "stderr", notebooks)
    walk(True)
    shown = notebooks.getvalue()
    assert "12/12 [" in shown
    assert "12 of them kept" in shown
    walk(False)
    assert notebooks.getvalue() == shown


def test_processes_are_kept_for_the_next_walk_and_replaced_after_an_error():
    ids = lambda: set(pool.run(_slow_pid, range(6), 2))  # noqa: E731
    first = ids()
    assert (len(first), os.getpid() in first) == (2, False)
    assert ids() == first
    assert pool._warm == 2
    with pytest.raises(ZeroDivisionError):
        list(pool.run(lambda number: 1 / number, [0, 0, 0], 2))
    assert pool._warm == 0
    begun = pool.run(_slow_pid, range(6), 2)
    assert next(begun) not in first
    begun.close()  # as Ctrl-C between two answers does: without a word of joblib's
    assert pool._warm == 0


def _slow_pid(_: int) -> int:
    time.sleep(0.1)
    return os.getpid()
