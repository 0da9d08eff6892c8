"""Kill a walk again and again, at random moments, and look at what is left: prints the table kept in kills.md.

A walk over real bars runs in two processes with a store. As soon as another fit is kept it gets a random time more,
then SIGKILL hits the parent or one of the processes that train; then the same walk is started again, until it is
done. Every fit that was there before a kill must be there after it, whole, and the forecasts at the end must be the
bits of a walk that nobody killed.

python -m benchmarks.kills [KILLS]
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import lstm_signal as ls
from lstm_signal import pool
from lstm_signal.store import Store

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ls.Forecaster(window=10, hidden=16, epochs=30, members=2)
SCHEDULE = ls.WalkForward(train=300, test=25)


class Killed(NamedTuple):
    """One kill: whom it hit, how many fits were kept by then, how many of these were lost or damaged by it."""

    whom: str
    kept: int
    lost: int
    status: int
    said: str


def walk(bars: int, store: str | None, n_jobs: int) -> ls.Forecasts:
    """Return the forecasts of the walk that is killed."""
    prices = ls.sample_prices().iloc[:bars]
    with mock.patch.multiple(pool, COLD=0.0, WARM=0.0):  # processes, however short the walk
        return ls.forecast(prices, RECIPE, SCHEDULE, n_jobs=n_jobs, store=store, progress=False)


def start(bars: int, store: Path) -> subprocess.Popen[str]:
    """Start the walk in a process of its own."""
    code = f"from benchmarks.kills import walk; walk({bars}, {str(store)!r}, 2)"
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True)


def trainers(parent: int) -> list[int]:
    """Return the processes of the pool of a parent."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            above = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if above == parent and b"LokyProcess" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return sorted(found)


def kill_once(bars: int, store: Path, whom: str, draw: random.Random) -> Killed | None:
    """Run the walk until it has kept another fit and a moment more, and kill it; None if it was done before that."""
    before, walking = kept(store), start(bars, store)
    while len(kept(store)) <= len(before) and walking.poll() is None:
        time.sleep(0.005)
    time.sleep(draw.uniform(0, 0.1))
    victims = [walking.pid] if whom == "parent" else trainers(walking.pid)
    there = kept(store)
    if walking.poll() is not None or not victims:
        walking.communicate()
        return None
    with contextlib.suppress(ProcessLookupError):
        os.kill(draw.choice(victims), signal.SIGKILL)
    said = walking.communicate(timeout=60)[1]
    whole = {entry.path for entry in Store(store).entries(verify=True) if not entry.damage}
    return Killed(whom, len(there), len(there - whole), walking.returncode, said)


def kept(store: Path) -> set[Path]:
    """Return the files of a store that have their final name."""
    return set(store.glob("??/*.safetensors"))


def main(kills: int) -> None:
    bars, draw = 400 + 50 * kills, random.Random(7)
    done: list[Killed] = []
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "fits"
        while len(done) < kills:
            hit = kill_once(bars, store, ("parent", "trainer")[len(done) % 2], draw)
            if hit is None:
                sys.exit("the walk was done before it could be killed often enough: take more bars")
            done.append(hit)
            print(f"kill {len(done)}: {hit.whom}, {hit.kept} fits kept, {hit.lost} lost", file=sys.stderr)
        end, alone = walk(bars, str(store), 2), walk(bars, None, 1)
        total = len(kept(store))
        half_written = len(list(store.glob("??/.*.tmp")))
    same = end.frame.equals(alone.frame) and end.members.equals(alone.members)
    print("# A walk that is killed\n\nThe text before the code in kills.py says how.\n")
    print(f"A walk of {total} fits over {bars} bars, killed {kills} times by SIGKILL.\n")
    print("| hit | kills | fits kept when hit | of these lost or damaged |\n|---|---:|---:|---:|")
    for whom in ("parent", "trainer"):
        hits = [hit for hit in done if hit.whom == whom]
        counts = f"{hits[0].kept} to {hits[-1].kept}"
        print(f"| {whom} | {len(hits)} | {counts} | {sum(hit.lost for hit in hits)} |")
    print(f"\nForecasts and members, bit for bit those of the same walk unharmed and without a store: {same}.")
    print(f"Half-written files left at the end: {half_written}.")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
