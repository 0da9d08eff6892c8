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


class _RNNFunction(torch.autograd.Function):
    """tanh recurrence over time: in-place steps forward, weight gradients as one product over all bars.

    torch's own nn.RNN is not fused on the CPU and costs as much as its LSTM; this takes two thirds of that.
    """

    @staticmethod
    def forward(ctx: Any, shown: Tensor, w_hh: Tensor) -> Tensor:
        """Return h (T, B, H) of the input's share of each bar, shown (T, B, H), starting from zero."""
        h = shown.clone()
        bars = h.unbind()  # views, made in one call: indexing h at each bar costs as much as the products
        bars[0].tanh_()
        recurrent = w_hh.t()
        for before, now in pairwise(bars):
            now.addmm_(before, recurrent).tanh_()
        ctx.save_for_backward(h, w_hh)
        return h

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of `shown` (T, B, H) and of w_hh (H, H)."""
        h, w_hh = ctx.saved_tensors
        delta = grad_outputs[0].clone()
        slopes = torch.addcmul(torch.ones(()), h, h, value=-1).unbind()
        bars = delta.unbind()
        bars[-1].mul_(slopes[-1])
        for t in range(len(bars) - 2, -1, -1):
            bars[t].addmm_(bars[t + 1], w_hh).mul_(slopes[t])
        return delta, delta[1:].flatten(0, 1).t() @ h[:-1].flatten(0, 1)


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

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Return h (T, B, H) of x (T, B, F), in nn.LSTM's signature."""
        shown = nn.functional.linear(x, self.weight_ih_l0, self.bias_ih_l0 + self.bias_hh_l0)
        h: Tensor = _RNNFunction.apply(shown, self.weight_hh_l0)  # type: ignore[no-untyped-call]
        return h, None


class Network(nn.Module):
    """Recurrent layers, dropout between them, and a linear readout of the last bar's h_t.

    Parameters
    ----------
    cell : {"lstm", "rnn"}
    inputs, hidden, layers : int
        F, H and the number of layers.
    dropout : float
        Share of h dropped between layers while training.
    """

    def __init__(self, cell: str, inputs: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        sizes = [inputs] + [hidden] * (layers - 1)
        layer = {"lstm": nn.LSTM, "rnn": RNN}[cell]
        with torch.random.fork_rng(devices=[]):  # torch's modules draw a start of their own: `start` draws ours
            self.layers = nn.ModuleList(layer(size, hidden) for size in sizes)
            self.readout = nn.Linear(hidden, 1)
        self.cell, self.hidden, self.dropout = cell, hidden, dropout

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

    def _layers(self) -> Iterable[Any]:
        return self.layers  # mypy takes what a ModuleList holds for plain modules

    def forward(self, x: Tensor, drop: torch.Generator | None = None) -> Tensor:
        """Return the answers (B,) to windows x (T, B, F); dropout masks are drawn from `drop` when given."""
        h = x
        for number, layer in enumerate(self._layers()):
            if number and drop is not None and self.dropout:
                kept = torch.empty_like(h).bernoulli_(1 - self.dropout, generator=drop)
                h = h * kept / (1 - self.dropout)
            h, _ = layer(h)
        return cast(Tensor, self.readout(h[-1])).squeeze(-1)

    def weights(self) -> dict[str, np.ndarray]:
        """Return copies of all weights, named as `cells.Stepper` reads them: "0.weight_ih", ..., "readout.bias"."""
        return {
            name.removeprefix("layers.").removesuffix("_l0"): parameter.detach().numpy().copy()
            for name, parameter in self.named_parameters()
        }
