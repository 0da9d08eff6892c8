"""The linear model that every network is compared with: ridge regression on exactly the same windows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lstm_signal.windows import Array

PENALTIES = np.logspace(-2, 4, 25)  # per training row, in units of a scaled feature's variance
BLOCKS = 5


def ridge(x: Array, y: Array, window: int) -> dict[str, np.ndarray]:
    """Fit the linear model on the same windows, its penalty chosen on the training rows alone.

    Parameters
    ----------
    x : ndarray, shape (N + T - 1, F)
        Scaled features.
    y : ndarray, shape (N,)
        Scaled targets.
    window : int
        T.

    Returns
    -------
    dict
        `weight` (T * F,), oldest bar first, and `bias` (1,).

    Notes
    -----
    The penalty is the one with the least error over five blocks of consecutive rows, each forecast from the
    other four (Hoerl and Kennard 1970, doi:10.1080/00401706.1970.10488634). Plain least squares is a straw man:
    on the NASDAQ sample its R2 against the mean is -2.7 %.
    """
    shown = np.lib.stride_tricks.sliding_window_view(x, window, axis=0)  # (N, F, T)
    rows = np.ascontiguousarray(shown.transpose(0, 2, 1)).reshape(len(y), -1)  # (N, T * F)
    edges = np.linspace(0, len(y), BLOCKS + 1).astype(int)
    error = np.zeros(len(PENALTIES))
    for first, stop in pairwise(edges):
        held = np.zeros(len(y), dtype=bool)
        held[first:stop] = True
        weight, bias = _ridge_path(rows[~held], y[~held])
        error += ((y[held, None] - rows[held] @ weight - bias) ** 2).sum(axis=0)
    weight, bias = _ridge_path(rows, y)
    best = int(np.argmin(error))
    return {"weight": weight[:, best].copy(), "bias": bias[[best]]}


def _ridge_path(rows: Array, y: Array) -> tuple[Array, Array]:
    """Return the weights (T * F, P) and biases (P,) at each of the P penalties; the bias is not penalised."""
    centre, level = rows.mean(axis=0), y.mean()
    centred = rows - centre
    values, vectors = np.linalg.eigh(centred.T @ centred / len(y))
    projected = vectors.T @ (centred.T @ (y - level) / len(y))
    weight = vectors @ (projected[:, None] / (values[:, None] + PENALTIES))
    return weight, level - centre @ weight
