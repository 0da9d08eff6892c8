"""Pictures. Drawing only: what is drawn is computed elsewhere, and nothing of ours is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SMOOTH = 21  # bars, of the bold lines: a month
COLORS = {"forget": "#0072b2", "input": "#d55e00", "output": "#009e73"}  # told apart by the colour-blind, too


def rates_over_time(prices: pd.DataFrame, rates: pd.DataFrame, fitted_through: pd.Timestamp, title: str) -> Any:
    """Draw an LSTM's rates under the price.

    Parameters
    ----------
    prices : DataFrame, shape (bars, 6)
    rates : DataFrame, shape (bars, 6)
        As `FittedForecaster.rates` returns them.
    fitted_through : Timestamp
        The last bar that the fit has seen; what comes before it is shaded.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 9.5), layout="constrained")
    panels = figure.subplots(2 + len(COLORS), 1, sharex=True, height_ratios=[2.2, 1, 1, 1, 1.3])
    price, state = panels[0], panels[-1]
    price.plot(prices.index, prices["close"], color="#333333", linewidth=0.9)
    price.set_yscale("log")
    price.yaxis.set_major_formatter("{x:,.0f}")
    price.yaxis.set_minor_formatter("{x:,.0f}")
    price.set_title(f"{title}\nclose, log scale; shaded: the bars that the fit has seen", loc="left", fontsize=10)
    for axes, (name, color) in zip(panels[1:], COLORS.items(), strict=False):  # each its own scale: they move little
        axes.plot(rates.index, rates[name], color=color, linewidth=0.4, alpha=0.4)
        axes.plot(rates.index, rates[name].rolling(SMOOTH).mean(), color=color, linewidth=1.4)
        axes.set_title(f"{name} rate, mean over units (bold: {SMOOTH} bars)", loc="left", fontsize=10)
    for name, color, label in (("memory", "#cc79a7", "memory cell"), ("h", "#333333", "h")):
        state.plot(rates.index, rates[name].rolling(SMOOTH).mean(), color=color, linewidth=1.2, label=label)
    state.axhline(0, color="#999999", linewidth=0.6)
    state.set_title(f"memory cell and h, mean over units, {SMOOTH} bars", loc="left", fontsize=10)
    state.legend(loc="center right", ncols=2, frameon=False)
    for axes in panels:
        axes.axvspan(prices.index[0], fitted_through, color="#000000", alpha=0.06, linewidth=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0)
    return figure


def save(figure: Any, path: Path) -> None:
    """Write a figure as a PNG file of the same bytes each time."""
    figure.savefig(path, format="png", dpi=130, metadata={"Software": None})


def cerebro(ran: Any, path: str | Path | None = None, **options: Any) -> Any:
    """Draw a Cerebro that has run, with or without a display, in scripts and in notebooks.

    backtrader's own `plot` asks for a window, and fails where there is none.

    Parameters
    ----------
    ran : Cerebro
    path : str or Path, optional
        A PNG file to write.
    **options
        Of `cerebro.plot`, such as ``style="bar"``, ``volume=False``, ``start=`` and ``end=``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    import warnings

    import matplotlib.pyplot as plt  # before backtrader draws: it would ask for a window otherwise

    before = plt.get_backend()
    plt.switch_backend("Agg")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive", UserWarning)
            figure = ran.plot(iplot=False, **options)[0][0]
    finally:
        plt.switch_backend(before)
    figure.set_size_inches(13, 10)
    figure.subplots_adjust(bottom=0.08)
    lowest = min(figure.axes, key=lambda axes: axes.get_position().y0)
    lowest.tick_params(axis="x", labelbottom=True, rotation=15)  # of shared axes backtrader shows no dates
    plt.close(figure)  # else a notebook would show it twice
    if path is not None:
        save(figure, Path(path))
    return figure


def sigmoid_and_tanh() -> Any:
    """Draw the two functions that an LSTM is made of: one gives a ratio, the other squeezes."""
    from matplotlib.figure import Figure

    z = np.linspace(-6, 6, 241)
    figure = Figure(figsize=(9, 3), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True)
    for axes, values, label in (
        (left, 1 / (1 + np.exp(-z)), "sigmoid: a rate, 0 to 1"),
        (right, np.tanh(z), "tanh: -1 to 1"),
    ):
        axes.plot(z, values, color="#0072b2", linewidth=2)
        axes.axhline(0, color="#999999", linewidth=0.6)
        axes.set_title(label, loc="left", fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
