"""What torch trains: LSTM or RNN layers and a linear readout. Axes: T bars, B windows, F features, H hidden units.

Forecasts never run through here (`cells.py` makes them, from the weights that `Network.weights` returns).
Every random draw comes from a generator that the caller keys, never from torch's global one.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from lstm_signal.cells import FIXED, RATES

_INPUT, _FORGET = RATES.index("input"), RATES.index("forget")


class _RNNFunction(torch.autograd.Function):
    """tanh recurrence over time: in-place steps forward, weight gradients as one product over all bars.

    torch's own nn.RNN is not fused on the CPU and costs as much as its LSTM; this takes two thirds of that.
    """

    @staticmethod
    def forward(ctx: Any, shown: Tensor, w_hh: Tensor, start: Tensor | None) -> Tensor:
        """Return h (T, B, H) of the input's share of each bar, shown (T, B, H), from start (B, H) or zero."""
        h = shown.clone()
        bars = h.unbind()  # views, made in one call: indexing h at each bar costs as much as the products
        recurrent = w_hh.t()
        if start is not None:
            bars[0].addmm_(start, recurrent)
        bars[0].tanh_()
        for before, now in pairwise(bars):
            now.addmm_(before, recurrent).tanh_()
        ctx.save_for_backward(h, w_hh)
        ctx.start = start
        return h

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the gradients of `shown` (T, B, H) and of w_hh (H, H); none of the start, which is detached."""
        h, w_hh = ctx.saved_tensors
        delta = grad_outputs[0].clone()
        slopes = torch.addcmul(torch.ones(()), h, h, value=-1).unbind()
        bars = delta.unbind()
        bars[-1].mul_(slopes[-1])
        for t in range(len(bars) - 2, -1, -1):
            bars[t].addmm_(bars[t + 1], w_hh).mul_(slopes[t])
        recurrent = delta[1:].flatten(0, 1).t() @ h[:-1].flatten(0, 1)
        if ctx.start is not None:
            recurrent.addmm_(delta[0].t(), ctx.start)
        return delta, recurrent, None


class RNN(nn.Module):
    """One simple recurrent layer, h_t = tanh(W x_t + b + U h_{t-1} + b'), with torch's two bias vectors.

    Two biases and not their sum: Adam moves each of them, so merging them would halve the step of the bias.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.weight_ih_l0 = nn.Parameter(torch.empty(hidden, inputs))
        self.weight_hh_l0 = nn.Parameter(torch.empty(hidden, hidden))
        self.bias_ih_l0 = nn.Parameter(torch.empty(hidden))
        self.bias_hh_l0 = nn.Parameter(torch.empty(hidden))

    def forward(self, x: Tensor, start: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return h (T, B, H) of x (T, B, F) and the last of them, in nn.LSTM's manner."""
        shown = nn.functional.linear(x, self.weight_ih_l0, self.bias_ih_l0 + self.bias_hh_l0)
        h: Tensor = _RNNFunction.apply(shown, self.weight_hh_l0, start)  # type: ignore[no-untyped-call]
        return h, h[-1]


class Network(nn.Module):
    """Recurrent layers, dropout between them, and a readout of h_t.

    Parameters
    ----------
    cell : {"lstm", "rnn"}
    inputs, hidden, layers : int
        F, H and the number of layers.
    dropout : float
        Share of h dropped between layers while training.
    without : tuple of str
        Parts of the LSTM whose rate is fixed (see `cells.FIXED`): rows of zero weights with a bias of +-100, where
        the rate is 1 or 0 and its gradient exactly 0. So every rung trains at the speed of the fused kernel.
    coupled : bool
        Tie the input rate to the forget rate: i's rows are the negative of f's, as sigmoid(-z) = 1 - sigmoid(z).
    readout : {"linear", "state"}
        "state" answers with the first unit of h_t itself.
    """

    def __init__(
        self,
        cell: str,
        inputs: int,
        hidden: int,
        layers: int,
        dropout: float,
        *,
        without: tuple[str, ...] = (),
        coupled: bool = False,
        readout: str = "linear",
    ) -> None:
        super().__init__()
        sizes = [inputs] + [hidden] * (layers - 1)
        layer = {"lstm": nn.LSTM, "rnn": RNN}[cell]
        with torch.random.fork_rng(devices=[]):  # torch's modules draw a start of their own: `start` draws ours
            self.layers = nn.ModuleList(layer(size, hidden) for size in sizes)
            self.readout = nn.Linear(hidden, 1) if readout == "linear" else None
        self.cell, self.hidden, self.dropout = cell, hidden, dropout
        rates = [FIXED[part] for part in without if part in FIXED] if cell == "lstm" else []
        self.fixed = {RATES.index(rate): value for rate, value in rates}
        self.coupled = coupled

    @torch.no_grad()
    def start(self, generator: torch.Generator, forget_bias: float, recurrent: str) -> None:
        """Draw the starting weights as torch does, uniform in +-1/sqrt(H).

        Parameters
        ----------
        generator : torch.Generator
        forget_bias : float
            Of an LSTM's forget rate (Jozefowicz et al. 2015, ICML): 1 lets memory last from the start.
        recurrent : {"torch", "orthogonal"}
            "orthogonal" starts each block of the recurrent weights as a rotation (Saxe et al. 2014,
            arXiv:1312.6120).
        """
        bound = self.hidden**-0.5
        for parameter in self.parameters():
            parameter.uniform_(-bound, bound, generator=generator)
        for layer in self._layers():
            if recurrent == "orthogonal":
                for block in layer.weight_hh_l0.split(self.hidden):
                    nn.init.orthogonal_(block, generator=generator)
            if self.cell == "lstm":  # the forget rate is the second of torch's four blocks
                layer.bias_ih_l0[self.hidden : 2 * self.hidden] = forget_bias
                layer.bias_hh_l0[self.hidden : 2 * self.hidden] = 0.0
            for weights in layer.parameters():
                self._fix(weights)
            for block, rate in self.fixed.items():
                self._blocks(layer.bias_ih_l0)[block] = 200 * rate - 100

    def _blocks(self, rows: Tensor) -> Tensor:
        """Return a layer's weights, or what goes with them, by block: (blocks, H) or (blocks, H, columns), a view."""
        return rows.view(-1, self.hidden, *rows.shape[1:])

    def _fix(self, rows: Tensor) -> None:
        """Empty the rows of fixed rates and tie those of coupled ones, in a layer's weights."""
        blocks = self._blocks(rows)
        for block in self.fixed:
            blocks[block] = 0.0
        if self.coupled:
            blocks[_INPUT] = -blocks[_FORGET]

    @torch.no_grad()
    def tie_gradients(self) -> None:
        """Give coupled rates the gradient of what they share: g_f - g_i to f, and its negative to i."""
        if self.coupled:
            for layer in self._layers():
                for weights in layer.parameters():
                    blocks = self._blocks(cast(Tensor, weights.grad))
                    shared = blocks[_FORGET] - blocks[_INPUT]
                    blocks[_FORGET], blocks[_INPUT] = shared, -shared

    def fixed_rows(self) -> Tensor:
        """Return, for all parameters as one flat vector, which are fixed: weight decay must not move them."""
        marks = {id(parameter): torch.zeros(parameter.shape, dtype=torch.bool) for parameter in self.parameters()}
        for layer in self._layers():
            for weights in layer.parameters():
                for block in self.fixed:
                    self._blocks(marks[id(weights)])[block] = True
        return torch.cat([marks[id(parameter)].flatten() for parameter in self.parameters()])

    def _layers(self) -> Iterable[Any]:
        return self.layers  # mypy takes what a ModuleList holds for plain modules

    def forward(self, x: Tensor, drop: torch.Generator | None = None) -> Tensor:
        """Return the answers (B,) to windows x (T, B, F); dropout masks are drawn from `drop` when given."""
        return self._answer(self._run(x, [None] * len(self.layers), drop)[0][-1])

    def carry(self, x: Tensor, states: list[Any], drop: torch.Generator | None = None) -> tuple[Tensor, list[Any]]:
        """Return the answers (T, B) at every bar of x (T, B, F), going on from `states`, and the detached states."""
        h, states = self._run(x, states, drop)
        return self._answer(h), [_detached(state) for state in states]

    def _run(self, x: Tensor, states: list[Any], drop: torch.Generator | None) -> tuple[Tensor, list[Any]]:
        h, after = x, []
        for number, (layer, state) in enumerate(zip(self._layers(), states, strict=True)):
            if number and drop is not None and self.dropout:
                kept = torch.empty_like(h).bernoulli_(1 - self.dropout, generator=drop)
                h = h * kept / (1 - self.dropout)
            h, state_after = layer(h, state)
            after.append(state_after)
        return h, after

    def _answer(self, h: Tensor) -> Tensor:
        return h[..., 0] if self.readout is None else cast(Tensor, self.readout(h)).squeeze(-1)

    def weights(self) -> dict[str, np.ndarray]:
        """Return copies of all weights, named as `cells.Stepper` reads them: "0.weight_ih", ..., "readout.bias"."""
        return {
            name.removeprefix("layers.").removesuffix("_l0"): parameter.detach().numpy().copy()
            for name, parameter in self.named_parameters()
        }


def _detached(state: Any) -> Any:
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
