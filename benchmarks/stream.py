"""What one bar costs a stream: beside the bare step in NumPy, and a torch pass over the same window.

Prints the table kept in stream.md. The bare step is the arithmetic alone, for one member: `window` staggered states
(one with a carried state) moved on by one bar, on arrays that lie ready.

python benchmarks/stream.py
"""

import platform
import statistics
import time

import numpy as np
import torch
from scipy.special import expit

import lstm_signal as ls
from lstm_signal.fits import one_blas_thread
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


def bare_step(recipe: ls.Forecaster) -> float:
    """Microseconds of the arithmetic of one bar and member."""
    draw = np.random.default_rng(0)
    rows, hidden = 1 if recipe.state == "carried" else recipe.window, recipe.hidden
    blocks = 4 if recipe.cell == "lstm" else 1
    W, U, b = (
        draw.standard_normal(shape) for shape in ((1, blocks * hidden), (hidden, blocks * hidden), blocks * hidden)
    )
    x, h, C, v = draw.standard_normal(1), np.zeros((rows + 1, hidden)), np.zeros((rows + 1, hidden)), np.ones(hidden)
    start = time.perf_counter()
    for _ in range(BARS):
        z = (x @ W + b) + h[:-1] @ U
        if recipe.cell == "rnn":
            h[1:] = np.tanh(z)
        else:
            rates = expit(z[:, : 3 * hidden])
            C[1:] = rates[:, :hidden] * C[:-1] + rates[:, hidden : 2 * hidden] * np.tanh(z[:, 3 * hidden :])
            h[1:] = rates[:, 2 * hidden :] * np.tanh(C[1:])
        float(h[-1] @ v)
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
    print("| cell, state | update, us a bar and member | bare step, us | ratio | torch over the window, us | ratio |")
    print("|---|---|---|---|---|---|")
    for fields in ({}, {"state": "carried"}, {"cell": "rnn"}, {"cell": "rnn", "state": "carried"}):
        recipe = ls.Forecaster(epochs=1, **fields)
        fitted = recipe.fit(prices.iloc[:300])
        with one_blas_thread():
            turns = [(update(fitted, rows), bare_step(recipe), torch_pass(recipe)) for _ in range(ROUNDS)]
        ours, bare, theirs = (statistics.median(turn) for turn in zip(*turns, strict=True))
        print(f"| {recipe.cell}, {recipe.state} | {ours:.0f} | {bare:.0f} | {ours / bare:.2f} "
              f"| {theirs:.0f} | {ours / theirs:.2f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
