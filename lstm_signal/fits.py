"""One fold's fit: what it may see, one member's training, and the forecasts of what came of it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import ThreadpoolController

from lstm_signal.cells import CarriedStepper, LinearStepper, Stepper, Weights, stepper
from lstm_signal.linear import ridge
from lstm_signal.recipe import Recipe
from lstm_signal.windows import Array, Scaler

_CODE = ("windows.py", "cells.py", "networks.py", "training.py", "linear.py", "recipe.py", "fits.py")
_KERNEL_SETTINGS = (
    "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS", "OPENBLAS_CORETYPE",
)  # fmt: skip


@dataclass(frozen=True)
class TrainingRows:
    """What one fold's fit may see, and nothing else.

    Attributes
    ----------
    x : ndarray, shape (N + window - 1, F)
        Features of the bars in the training windows.
    y : ndarray, shape (N,)
        Targets of the N training stamps.
    stamp : int
        The first test bar [ns since 1970]: the last bar seen, and the key of all randomness.
    """

    x: Array
    y: Array
    stamp: int

    @classmethod
    def cut(cls, recipe: Recipe, x: Array, y: Array, stamps: pd.DatetimeIndex, first: int, last: int) -> TrainingRows:
        """Return the rows of the training stamps at positions first to last: views, no copies.

        Parameters
        ----------
        recipe : Recipe
        x, y : ndarray, shapes (bars, F) and (bars,)
            Features and targets of a whole history: row t of x depends on bars up to t, of y on bars up to t + lag.
        stamps : DatetimeIndex, shape (bars,)
        first, last : int

        Raises
        ------
        InputError
            If early stopping holds back so many rows that none is left to train on.
        """
        recipe.split(last - first + 1)
        return cls(x[first - recipe.window + 1 : last + 1], y[first : last + 1], int(stamps.asi8[last + recipe.lag]))

    def key(self, recipe: Recipe, seed: int, member: int | None = None) -> str:
        """Return the identity of the fit, or of one of its members: a SHA-256 over all that decides the weights."""
        decided = recipe.deciding() | ({"members": recipe.members} if member is None else {})
        told = [decided, self.stamp, seed, member, made_by()]
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
        for array in (self.x, self.y):
            digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        return digest.hexdigest()

    def fit(self, recipe: Recipe, seed: int, member: int) -> Member:
        """Train one member; the same bits in any process and order. FitError if it becomes NaN."""
        scaler = Scaler.fit(self.x, self.y, bounded=recipe.readout == "state")
        x, y = scaler.scale(self.x), scaler.scale_target(self.y)
        if recipe.cell == "linear":
            with one_blas_thread():
                return Member("linear", recipe.window, scaler, ridge(x, y, recipe.window))
        weights = self._train(recipe, x, y, seed, member)
        return Member(recipe.trained_cell, recipe.window, scaler, weights, recipe.state)

    def _train(self, recipe: Recipe, x: Array, y: Array, seed: int, member: int) -> Weights:
        from lstm_signal import training  # torch takes seconds to load: only what trains pays for it
        from lstm_signal.networks import Network

        start, order, drop = (
            training.generator(seed, self.stamp, member, purpose) for purpose in ("start", "order", "dropout")
        )
        with training.one_torch_thread():
            network = Network(
                recipe.trained_cell, x.shape[1], recipe.hidden, recipe.layers, recipe.dropout,
                without=recipe.without, coupled=recipe.coupled, readout=recipe.readout,
            )  # fmt: skip
            network.start(start, recipe.forget_bias, recipe.recurrent_start)
            training.train(
                network, x, y, epochs=recipe.epochs, batch=recipe.batch, learning_rate=recipe.learning_rate,
                weight_decay=recipe.weight_decay, loss=recipe.loss, order=order, drop=drop,
                carried=recipe.state == "carried", patience=recipe.patience, split=recipe.split(len(y)),
            )  # fmt: skip
        return network.weights()


@dataclass(frozen=True)
class Member:
    """One fitted network: its scaler and weights."""

    cell: str
    window: int
    scaler: Scaler
    weights: Weights
    state: str = "window"

    def stepper(self) -> Stepper | CarriedStepper | LinearStepper:
        """Return what answers bar by bar, from zero."""
        return stepper(self.cell, self.weights, self.window, self.state)

    def forecast(self, x: Array) -> Array:
        """Return (rows,) forecasts, one a row of the features x (rows, F); the first window - 1 of windows not full."""
        step = self.stepper().step
        with one_blas_thread():
            answers = np.array([step(row) for row in self.scaler.scale(x)])
        return self.scaler.unscale_target(answers)


def mean_and_spread(members: Sequence[Any]) -> tuple[Any, Any]:
    """Return (bars,) the members' mean and their deviation (n - 1; NaN for one member); of numbers, two numbers.

    Added in the members' order, one bar beside the other: the same bits for one bar as for many.
    """
    mean = sum(members[1:], start=members[0]) / len(members)
    if len(members) == 1:
        return mean, mean * np.nan
    away = [member - mean for member in members]
    squares = sum((each * each for each in away[1:]), start=away[0] * away[0])
    return mean, np.sqrt(squares / (len(members) - 1))


@cache
def _blas() -> list[Any]:
    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """One BLAS thread inside: with two, OpenBLAS splits larger products otherwise and the last bits change."""
    before = [(library, library.num_threads) for library in _blas()]
    try:
        for library, threads in before:
            if threads != 1:
                library.set_num_threads(1)
        yield
    finally:
        for library, threads in before:
            if threads != 1:
                library.set_num_threads(threads)


@cache
def made_by() -> str:
    """Return a SHA-256 of what decides a fit's bits beside rows, recipe and seed: code, versions, CPU capability.

    The capability is what the CPU can do and what the environment forbids: torch, oneDNN, MKL and OpenBLAS choose
    their kernels by it. Read without loading torch, which takes seconds.
    """
    here = Path(__file__).parent
    told = {
        "code": {name: hashlib.sha256((here / name).read_bytes()).hexdigest() for name in _CODE},
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "numpy")},
        "cpu": [platform.machine(), np.show_config(mode="dicts")["SIMD Extensions"]["found"]],
        "asked": {name: os.environ.get(name) for name in _KERNEL_SETTINGS},
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
