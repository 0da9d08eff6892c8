"""The equations, one bar at a time: rates, memory cell, h_t. The page to read to understand the model.

Each cell has the same job and the same signature: `step` takes what the cell is shown at bar t and its state
after bar t - 1, and returns its state after bar t. h_t comes first in every state. Axes: B rows (one window
each), F features, H hidden units.

From "Understanding the LSTM Model": each gate is a *rate* in (0, 1), and the memory cell is a weighted average
of what it held and what is new, like a Kalman filter's update. The equations are those of Hochreiter and
Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735, with the forget rate of Gers, Schmidhuber and Cummins (2000),
doi:10.1162/089976600300015015.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from scipy.special import expit as sigmoid

from lstm_signal.windows import Array

# The road from the LSTM to the RNN: each step eliminates one more part. Without the memory f is 0, not 1: f = 1 never
# forgets, and the RNN has no memory to forget. Without the squash h_t = C_t, and what is left *is* the RNN.
LADDER: tuple[tuple[str, ...], ...] = (
    (),
    ("output",),
    ("output", "input"),
    ("output", "input", "memory"),
    ("output", "input", "memory", "squash"),
)
FIXED = {"output": ("output", 1.0), "input": ("input", 1.0), "memory": ("forget", 0.0), "forget": ("forget", 1.0)}
RATES = ("input", "forget", "candidate", "output")  # torch's order of an LSTM's four blocks of rows

State: TypeAlias = tuple[Array, ...]  # (h,) or (h, C), each (B, H)
Weights: TypeAlias = Mapping[str, np.ndarray]


def _shown(x: Array, W: Array) -> Array:
    """Return x @ W; for one feature, the usual case, a multiple of one row, at a fifth of a product's cost."""
    return x * W[0] if x.shape[-1] == 1 else x @ W


class LSTM:
    """A long short-term memory cell: what it remembers decays, fills and shows at rates it computes itself.

    Parameters
    ----------
    weights : mapping
        torch's `weight_ih` (4H, F), `weight_hh` (4H, H), `bias_ih` and `bias_hh` (4H,), whose four blocks
        stand in torch's order, `RATES`.
    """

    def __init__(self, weights: Weights) -> None:
        self.hidden = weights["weight_hh"].shape[1]
        i, f, g, o = np.split(np.arange(4 * self.hidden), 4)  # RATES
        rates_first = np.concatenate([f, i, o, g])  # the three sigmoids side by side: one call for all
        self.W = np.ascontiguousarray(weights["weight_ih"][rates_first].T, dtype="float64")  # (F, 4H)
        self.U = np.ascontiguousarray(weights["weight_hh"][rates_first].T, dtype="float64")  # (H, 4H)
        self.b = (weights["bias_ih"].astype("float64") + weights["bias_hh"])[rates_first]  # (4H,)

    def start(self, rows: int) -> State:
        """Return the state before the first bar: h and C are zero, (rows, H) each."""
        return np.zeros((rows, self.hidden)), np.zeros((rows, self.hidden))

    def rates(self, x: Array, state: State) -> tuple[Array, Array, Array, Array]:
        """Return (f_t, i_t, o_t, g_t): the forget, input and output rate and the candidate, (B, H) each."""
        z = (_shown(x, self.W) + self.b) + state[0] @ self.U  # (B, 4H)
        rates = sigmoid(z[:, : 3 * self.hidden])
        f, i, o = (rates[:, k * self.hidden : (k + 1) * self.hidden] for k in range(3))
        return f, i, o, np.tanh(z[:, 3 * self.hidden :])

    def step(self, x: Array, state: State) -> State:
        """Return (h_t, C_t) from x_t (B, F) or (F,) and (h_{t-1}, C_{t-1})."""
        f, i, o, g = self.rates(x, state)
        C = f * state[1] + i * g  # keep the share f of the old memory, let in the share i of the candidate
        return o * np.tanh(C), C  # show the share o


class RNN:
    """A simple recurrent cell (Elman 1990, doi:10.1207/s15516709cog1402_1): same job, but no rates and no memory cell.

    Parameters
    ----------
    weights : mapping
        torch's `weight_ih` (H, F), `weight_hh` (H, H), `bias_ih` and `bias_hh` (H,).
    """

    def __init__(self, weights: Weights) -> None:
        self.hidden = weights["weight_hh"].shape[1]
        self.W = np.ascontiguousarray(weights["weight_ih"].T, dtype="float64")  # (F, H)
        self.U = np.ascontiguousarray(weights["weight_hh"].T, dtype="float64")  # (H, H)
        self.b = weights["bias_ih"].astype("float64") + weights["bias_hh"]  # (H,)

    def start(self, rows: int) -> State:
        """Return the state before the first bar: h is zero, (rows, H)."""
        return (np.zeros((rows, self.hidden)),)

    def step(self, x: Array, state: State) -> State:
        """Return (h_t,) from x_t (B, F) or (F,) and (h_{t-1},)."""
        (h,) = state
        return (np.tanh((_shown(x, self.W) + self.b) + h @ self.U),)


CELLS: dict[str, type[LSTM] | type[RNN]] = {"lstm": LSTM, "rnn": RNN}


class _Network:
    """Layers of cells and a readout, whose states are advanced by the steppers below."""

    def __init__(self, cell: str, weights: Weights, rows: int) -> None:
        layers = 1 + max(int(name.split(".")[0]) for name in weights if name[0].isdigit())
        self.cells = [CELLS[cell](_layer(weights, layer)) for layer in range(layers)]
        self.states = [cell.start(rows) for cell in self.cells]
        self.v, self.v0 = None, 0.0  # the first unit of h_t is the answer
        if "readout.weight" in weights:
            self.v = weights["readout.weight"].astype("float64").reshape(-1)  # (H,)
            self.v0 = float(weights["readout.bias"].reshape(-1)[0])

    def answer(self, h: Array) -> float:
        """Return the answer to one window, from the last layer's h_t (H,)."""
        return float(h[0]) if self.v is None else float(h @ self.v) + self.v0


class Stepper(_Network):
    """A network over staggered windows, moved on by one bar at a time.

    A forecast at bar t is h_t of a window that started from zero ``window`` bars ago. Row k of the state is the
    window that started k bars ago; each bar moves all of them on by one step, as one batch, and the oldest one is
    complete. Every product has the same shape whatever the history, so batch and stream give the same bits.

    Parameters
    ----------
    cell : {"lstm", "rnn"}
    weights : mapping
        Of the whole network, as `networks.Network.weights` returns them.
    window : int
    """

    def __init__(self, cell: str, weights: Weights, window: int) -> None:
        # One row more than the windows: row 0 stays zero, for the window that starts at the next bar.
        super().__init__(cell, weights, window + 1)

    def step(self, x: Array) -> float:
        """Show the network the scaled features x (F,) of the next bar; return its answer for the oldest window."""
        shown = x
        for cell, state in zip(self.cells, self.states, strict=True):
            new = cell.step(shown, tuple(array[:-1] for array in state))
            for array, values in zip(state, new, strict=True):
                array[1:] = values
            shown = new[0]  # h_t is what the next layer sees
        return self.answer(shown[-1])

    def before(self) -> State:
        """Return what the last layer's state is before the step that completes the next window, (1, H) each."""
        return tuple(array[-2:-1].copy() for array in self.states[-1])


class CarriedStepper(_Network):
    """A network whose state runs on: same job, but one row, and a bar is one step of the recurrence.

    Parameters
    ----------
    cell : {"lstm", "rnn"}
    weights : mapping
        Of the whole network, as `networks.Network.weights` returns them.
    """

    def __init__(self, cell: str, weights: Weights) -> None:
        super().__init__(cell, weights, 1)

    def step(self, x: Array) -> float:
        """Show the network the scaled features x (F,) of the next bar; return its answer."""
        shown = x
        for layer, cell in enumerate(self.cells):
            self.states[layer] = cell.step(shown, self.states[layer])
            shown = self.states[layer][0]
        return self.answer(shown[-1])

    def before(self) -> State:
        """Return the last layer's state, (1, H) each."""
        return self.states[-1]


def step_with_rates(network: Stepper | CarriedStepper, x: Array) -> Array:
    """Step as `step` does; return (6, H) what the last layer did with the bar.

    Forget, input and output rate, candidate, memory cell and h_t of the last bar of the oldest window.
    """
    before = network.before()
    network.step(x)
    shown = x if len(network.cells) == 1 else network.states[-2][0][-1:]
    last = network.cells[-1]
    assert isinstance(last, LSTM)
    h, C = (array[-1] for array in network.states[-1])
    return np.stack([*(rate[0] for rate in last.rates(shown, before)), C, h])


def _layer(weights: Weights, layer: int) -> Weights:
    prefix = f"{layer}."
    return {name.removeprefix(prefix): array for name, array in weights.items() if name.startswith(prefix)}


class LinearStepper:
    """The linear model over the same windows: same job, but one weight for each feature of each bar.

    Parameters
    ----------
    weights : mapping
        `weight` (window * F,), oldest bar first, and `bias` (1,).
    window : int
    """

    def __init__(self, weights: Weights, window: int) -> None:
        self.weight = weights["weight"].astype("float64")
        self.bias = float(weights["bias"].reshape(-1)[0])
        self.x = np.zeros((window, self.weight.size // window))

    def step(self, x: Array) -> float:
        """Show the model the scaled features x (F,) of the next bar; return its answer for the window it ends."""
        self.x[:-1] = self.x[1:]
        self.x[-1] = x
        return float(self.x.reshape(-1) @ self.weight) + self.bias


def stepper(
    cell: str, weights: Weights, window: int, state: str = "window"
) -> Stepper | CarriedStepper | LinearStepper:
    """Return what answers for `cell` bar by bar; its first ``window - 1`` answers are of windows not yet full."""
    if cell == "linear":
        return LinearStepper(weights, window)
    return CarriedStepper(cell, weights) if state == "carried" else Stepper(cell, weights, window)
