"""What one bar costs a stream, beside a torch pass over the same window: prints the table kept in stream.md.

python benchmarks/stream.py
"""

import platform
import statistics
import time

import torch

import lstm_signal as ls
from lstm_signal.networks import Network

BARS, ROUNDS = 1000, 7


def torch_pass(recipe: ls.Forecaster) -> float:
    """Microseconds for torch to run one window: what a stream without our stepper would do each bar."""
    network = Network(recipe.trained_cell, 1, recipe.hidden, 1, 0.0)
    window = torch.zeros(recipe.window, 1, 1)
    with torch.no_grad():
        for _ in range(20):
            network(window)
        start = time.perf_counter()
        for _ in range(BARS):
            network(window)
    return (time.perf_counter() - start) / BARS * 1e6


def update(fitted: ls.FittedForecaster, rows: list[object]) -> float:
    """Microseconds a bar and member of `update`, after the warm-up."""
    step = fitted.stepper()
    for row in rows[:100]:
        step.update(row)
    start = time.perf_counter()
    for row in rows[100 : 100 + BARS]:
        step.update(row)
    return (time.perf_counter() - start) / BARS / len(fitted.members) * 1e6


def main() -> None:
    torch.set_num_threads(1)
    prices = ls.sample_prices()
    rows = list(prices.itertuples())
    print(
        f"One bar, window 20, hidden 32, five members; median of {ROUNDS} rounds, taken in turn; {platform.processor()}"
    )
    print(f"{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}\n")
    print("| cell, state | update, us a bar and member | torch over the window, us | ratio |\n|---|---|---|---|")
    for fields in ({}, {"state": "carried"}, {"cell": "rnn"}, {"cell": "rnn", "state": "carried"}):
        recipe = ls.Forecaster(epochs=1, **fields)
        fitted = recipe.fit(prices.iloc[:300])
        turns = [(update(fitted, rows), torch_pass(recipe)) for _ in range(ROUNDS)]
        ours, theirs = (statistics.median(turn) for turn in zip(*turns, strict=True))
        print(f"| {recipe.cell}, {recipe.state} | {ours:.0f} | {theirs:.0f} | {ours / theirs:.2f} |", flush=True)


if __name__ == "__main__":
    main()
