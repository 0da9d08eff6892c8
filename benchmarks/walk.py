"""What a walk costs: beside a bare torch loop over the same windows, in one process and two, and as it grows.

Prints the tables kept in walk.md. The walk is that of the defaults with one member: 17 refits on 1,000 training rows
of the NASDAQ sample, window 20, hidden 32, 20 epochs of batch 64. The bare loop is what one would write by hand:
nn.LSTM or nn.RNN, nn.Linear, torch.optim.Adam, one thread, one forward pass for each fold's test bars. All of it runs
in one process, one after the other, round by round, so that a slow minute of the machine hits every column.

python -m benchmarks.walk
"""

import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

import lstm_signal as ls
from lstm_signal import pool
from lstm_signal.training import one_torch_thread
from lstm_signal.windows import feature_matrix, targets

ROUNDS = 3
SCHEDULE = ls.WalkForward()
PRICES = ls.sample_prices()
RECIPES = {cell: ls.Forecaster(cell=cell, members=1) for cell in ("lstm", "rnn")}
SMALL = ls.Forecaster(members=1, epochs=3)  # of the tables that grow


class Bare(nn.Module):
    """The network that one would write by hand."""

    def __init__(self, cell: str, hidden: int) -> None:
        super().__init__()
        self.layer = {"lstm": nn.LSTM, "rnn": nn.RNN}[cell](1, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B,) answers to windows (B, T, 1)."""
        return self.readout(self.layer(x)[0][:, -1]).squeeze(-1)


def bare_walk(recipe: ls.Forecaster) -> float:
    """Seconds of the bare loop over the walk's folds."""
    x = torch.tensor(feature_matrix(PRICES, ("return",)), dtype=torch.float32)
    y = torch.tensor(targets(PRICES, "open", 1), dtype=torch.float32)
    start = time.perf_counter()
    with one_torch_thread():
        for fold in SCHEDULE.folds(len(PRICES), recipe.warm_up, recipe.lag):
            rows = torch.arange(fold.first, fold.last + 1).unsqueeze(1) + torch.arange(1 - recipe.window, 1)
            shown, wanted = x[rows] / x[rows].std(), y[fold.first : fold.last + 1]
            wanted = (wanted - wanted.mean()) / wanted.std()
            network = Bare(recipe.cell, recipe.hidden)
            optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
            for _ in range(recipe.epochs):
                for chosen in torch.randperm(len(wanted)).split(recipe.batch):
                    optimizer.zero_grad()
                    nn.functional.mse_loss(network(shown[chosen]), wanted[chosen]).backward()
                    optimizer.step()
            tested = torch.arange(fold.test_start, fold.test_stop).unsqueeze(1) + torch.arange(1 - recipe.window, 1)
            with torch.no_grad():
                network(x[tested])
    return time.perf_counter() - start


def our_walk(recipe: ls.Forecaster, n_jobs: int = 1, bars: int = 5031, test: int = 250) -> float:
    """Seconds of a walk of ours, all that `forecast` does."""
    start = time.perf_counter()
    ls.forecast(PRICES.iloc[-bars:], recipe, ls.WalkForward(test=test), n_jobs=n_jobs, progress=False)
    return time.perf_counter() - start


def cold_start() -> float:
    """Seconds until two new processes have loaded torch."""
    start = time.perf_counter()
    list(pool.run(_load_torch, range(2), 2))
    return time.perf_counter() - start


def _load_torch(_: int) -> str:
    from lstm_signal import training

    time.sleep(0.2)  # so that each process takes one
    return training.__name__


def side_by_side() -> None:
    """Print the table of the bare loop, one process and two."""
    columns: dict[tuple[str, str], Callable[[], float]] = {}
    for cell, recipe in RECIPES.items():
        columns[cell, "bare loop"] = lambda recipe=recipe: bare_walk(recipe)
        columns[cell, "one process"] = lambda recipe=recipe: our_walk(recipe)
        columns[cell, "two, warm"] = lambda recipe=recipe: our_walk(recipe, n_jobs=2)
    for run in columns.values():  # torch's first steps are slow
        run()
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in columns}
    for _ in range(ROUNDS):
        for key, run in columns.items():
            seconds[key].append(run())
    ratio = lambda a, b: statistics.median(np.array(seconds[a]) / np.array(seconds[b]))  # noqa: E731
    print(f"Medians of {ROUNDS} rounds; ratios are medians of each round's own.\n")
    print("| cell | bare loop [s] | one process [s] | two, warm [s] | one / bare | one / two |\n|---|" + "---:|" * 5)
    for cell in RECIPES:
        bare, one, two = ((cell, name) for name in ("bare loop", "one process", "two, warm"))
        times = " | ".join(f"{statistics.median(seconds[key]):.1f}" for key in (bare, one, two))
        print(f"| {cell} | {times} | {ratio(one, bare):.2f} | {ratio(one, two):.2f} |")
    relative = ratio(("rnn", "one process"), ("lstm", "one process"))
    print(f"\nOur RNN takes {relative:.2f} of our LSTM's time, for the same recipe and size.")


def growth() -> None:
    """Print how the time grows with bars, folds and members."""
    sizes = {
        "bars": [(f"{1021 + 250 * folds:,}", {"bars": 1021 + 250 * folds}) for folds in (2, 4, 8, 16)],
        "folds": [(str(4000 // test), {"bars": 5021, "test": test}) for test in (2000, 1000, 500, 250)],
        "members": [(str(members), {"bars": 1771, "members": members}) for members in (1, 2, 4, 8)],
    }  # fmt: skip
    print(
        "\nSeconds for 1, 2, 4 and 8 times the work, in one process, 3 epochs; best of three, taken in turns. With the"
    )
    print("folds grows the training; that the same 4,000 bars are forecast, whatever the folds, does not.\n")
    print("| grows | at | 1 | 2 | 4 | 8 | 8 / 1 |\n|---|---|" + "---:|" * 5)
    for name, steps in sizes.items():
        best = [float("inf")] * len(steps)
        for _ in range(3):
            for number, (_, options) in enumerate(steps):
                given = dict(options)
                recipe = SMALL.replace(members=given.pop("members", 1))
                best[number] = min(best[number], our_walk(recipe, **given))
        times = " | ".join(f"{value:.2f}" for value in best)
        print(f"| {name} | {', '.join(label for label, _ in steps)} | {times} | {best[-1] / best[0]:.1f} |")


def memory() -> None:
    """Print the peak memory of walks of 10 and of 200 folds over the same bars, each in a process of its own."""
    print("\n| folds | fits | peak memory [MB] |\n|---:|---:|---:|")
    for test in (400, 20):
        code = f"from benchmarks.walk import peak; peak({test})"
        told = json.loads(
            subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        )
        print(f"| {told['folds']} | {told['fits']} | {told['peak']:.0f} |")


def peak(test: int) -> None:
    """Print as JSON what a walk took at most; 5 members, 1 epoch."""
    recipe = ls.Forecaster(epochs=1)
    walked = ls.forecast(PRICES, recipe, ls.WalkForward(test=test), n_jobs=1, progress=False)
    folds = int(walked.frame["fold"].nunique())
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"folds": folds, "fits": folds * recipe.members, "peak": used}))


def machine() -> str:
    """Return what the tables were printed on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    kernels = torch.backends.cpu.get_cpu_capability()
    return f"{len(names)} x {names[0]}, {kernels}, Python {platform.python_version()}, torch {torch.__version__}"


def main() -> None:
    """Print everything."""
    print(f"# What a walk costs\n\n{machine()}. The text before the code in walk.py says what is measured.\n")
    print(f"Two new processes are ready, torch loaded, after {cold_start():.1f} s; once started they are kept.\n")
    side_by_side()
    growth()
    memory()


if __name__ == "__main__":
    main()
