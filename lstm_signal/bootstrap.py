"""The stationary bootstrap: bars drawn again in blocks, so that what hangs together in time stays together.

Politis and Romano, Journal of the American Statistical Association 89:1303 (1994), doi:10.1080/01621459.1994.10476870.
Blocks are of random length; their mean is what the data ask for. arch draws, imported late: that takes a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

DRAWS, SEED = 999, 7
INTERVAL_DRAWS = 499  # of what is shown, and decides nothing
MIN_BARS = 20  # below which nothing is drawn again
ENOUGH = 0.95  # of the draws must have a measure: one that rests on a few bars has none where these are not drawn
_AT_ONCE = 2_000_000  # numbers drawn together: 16 MB


def block_length(data: Array) -> int:
    """Return the mean length of blocks that the longest memory among the columns of data (bars, columns) asks for.

    Politis and White, Econometric Reviews 23:53 (2004), doi:10.1081/ETR-120028836.
    """
    from arch.bootstrap import optimal_block_length

    with np.errstate(divide="ignore", invalid="ignore"):  # a column that stands still for long asks for nothing
        lengths = optimal_block_length(data)["stationary"].to_numpy()
    return max(1, round(float(np.nanmax(lengths)))) if np.isfinite(lengths).any() else 1


def drawn(data: Array, block: int, draws: int = DRAWS, seed: int = SEED) -> Iterator[Array]:
    """Yield the rows of data, (bars, columns), drawn again: chunks of shape (columns, bars, draws).

    All columns are drawn by the same bars, so that what is measured of two of them is paired.
    """
    from arch.bootstrap import StationaryBootstrap

    bootstrap = StationaryBootstrap(block, np.arange(len(data)), seed=np.random.default_rng(seed))
    at_once = max(1, _AT_ONCE // data.size)
    for first in range(0, draws, at_once):
        index = np.array([bootstrap.update_indices() for _ in range(first, min(draws, first + at_once))])
        yield np.take(data.T, index.T, axis=1)  # (columns, bars, draws)


def interval(
    data: Array, measure: Callable[[Array], Array], *, block: int | None = None, draws: int = DRAWS, seed: int = SEED
) -> tuple[Array, Array]:
    """Return the 95 % percentile interval of what is measured of the rows of data.

    Parameters
    ----------
    data : ndarray, shape (bars, columns)
    measure : callable
        Of an array (columns, bars, draws); its last axis, or its only one, is the draws.
    block : int, optional
        Mean length of the blocks, from the data by default.
    draws, seed : int

    Returns
    -------
    low, high : ndarray
        Of the shape of the measure's other axes; NaN where more than one draw in twenty does not have the measure.

    Examples
    --------
    >>> data = np.random.default_rng(2).normal(0, 1, (400, 1))
    >>> low, high = interval(data, lambda drawn: drawn[0].mean(axis=0))
    >>> bool(low < data.mean() < high)
    True
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        chunks = [measure(chunk) for chunk in drawn(data, block or block_length(data), draws, seed)]
    found = np.concatenate(chunks, axis=-1)
    found = np.where(np.isfinite(found), found, np.nan)
    there = np.isfinite(found).mean(axis=-1) >= ENOUGH
    ends = np.full((2, *there.shape), np.nan)
    ends[:, there] = np.nanpercentile(found[there], [2.5, 97.5], axis=-1)  # it warns of all-NaN
    return ends[0], ends[1]
