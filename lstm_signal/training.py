"""The one training loop."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from lstm_signal.errors import FitError
from lstm_signal.networks import Network
from lstm_signal.windows import Array

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": nn.functional.mse_loss,
    "huber": nn.functional.huber_loss,
}
_JUDGED = 256  # windows judged at once


def generator(seed: int, stamp: int, member: int, purpose: str) -> torch.Generator:
    """Return the generator of one purpose (start, order, dropout) of one member of one fold.

    Keyed, not drawn in sequence: by the seed, the stamp of the first test bar [ns] and the member. So a fold's fit
    does not depend on the folds before it, on the process that runs it, or on the cell.
    """
    key = hashlib.sha256(f"{seed}|{stamp}|{member}|{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(key[:8], "little") >> 1)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """One torch thread inside: networks of this size only lose by more. The caller's number is restored."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class AdamW:
    """Adam with decoupled weight decay, on one flat vector (Kingma and Ba 2015, arXiv:1412.6980).

    The steps of torch.optim.AdamW to 1e-6, in a tenth of its time for networks this small: torch's own takes
    400 us a step in Python, a sixth of the training, and loads torch's compiler, 1.5 s in every process.

    Parameters
    ----------
    parameters : list of Parameter
        Their data become views into the flat vector.
    learning_rate, weight_decay : float
    fixed : Tensor, optional
        Which numbers of the flat vector weight decay leaves alone.
    """

    BETAS, EPS = (0.9, 0.999), 1e-8

    def __init__(
        self, parameters: list[nn.Parameter], learning_rate: float, weight_decay: float, fixed: Tensor | None = None
    ) -> None:
        self.parameters, self.learning_rate, self.weight_decay = parameters, learning_rate, weight_decay
        self.flat = torch.cat([parameter.detach().flatten() for parameter in parameters])
        for parameter, part in zip(parameters, torch.split(self.flat, [p.numel() for p in parameters]), strict=True):
            parameter.data = part.view_as(parameter)
        shrunk = 1 - learning_rate * weight_decay
        self.shrink = shrunk if fixed is None else torch.where(fixed, 1.0, shrunk)
        self.mean, self.square, self.steps = torch.zeros_like(self.flat), torch.zeros_like(self.flat), 0

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters by their gradients, and forget these."""
        gradient = torch.cat([cast(Tensor, parameter.grad).flatten() for parameter in self.parameters])
        for parameter in self.parameters:
            parameter.grad = None
        self.steps += 1
        unbias_mean, unbias_square = (1 - beta**self.steps for beta in self.BETAS)
        self.mean.lerp_(gradient, 1 - self.BETAS[0])
        self.square.mul_(self.BETAS[1]).addcmul_(gradient, gradient, value=1 - self.BETAS[1])
        if self.weight_decay:
            self.flat.mul_(self.shrink)
        size = self.square.sqrt().div_(unbias_square**0.5).add_(self.EPS)
        self.flat.addcdiv_(self.mean, size, value=-self.learning_rate / unbias_mean)


class BestEpoch:
    """The epoch with the smallest loss on the rows held back.

    Parameters
    ----------
    patience : int
        Epochs without a smaller loss that are waited.
    flat : Tensor
        The weights, as `AdamW` holds them.
    """

    def __init__(self, patience: int, flat: Tensor) -> None:
        self.patience, self.flat, self.kept = patience, flat, flat.clone()
        self.least, self.waited = float("inf"), 0

    def is_past(self, loss: float) -> bool:
        """Take an epoch's loss; whether enough have passed since the best."""
        if loss < self.least:
            self.least, self.waited = loss, 0
            self.kept.copy_(self.flat)
        else:
            self.waited += 1
        return self.waited >= self.patience

    def restore(self) -> None:
        """Put the best epoch's weights back."""
        if self.least == float("inf"):
            raise FitError("training became NaN: no epoch has a finite loss on the rows held back.")
        self.flat.copy_(self.kept)


def train(
    network: Network,
    x: Array,
    y: Array,
    *,
    epochs: int,
    batch: int,
    learning_rate: float,
    weight_decay: float,
    loss: str,
    order: torch.Generator,
    drop: torch.Generator,
    carried: bool = False,
    patience: int | None = None,
    split: tuple[int, int] | None = None,
) -> None:
    """Fit a started network in place: AdamW over shuffled batches of windows, or over the bars in time order.

    Parameters
    ----------
    network : Network
    x : ndarray, shape (N + T - 1, F)
        Scaled features; window n is rows n to n + T - 1.
    y : ndarray, shape (N,)
        Scaled targets, one a window.
    epochs, batch : int
    learning_rate, weight_decay : float
        Weight decay is decoupled (Loshchilov and Hutter 2019, arXiv:1711.05101).
    loss : {"mse", "huber"}
    order, drop : torch.Generator
        Of the batches' order and of the dropout masks.
    carried : bool
        Truncated backpropagation through time: chunks of T bars in time order, the state running on from one chunk
        to the next, a loss at every bar that has a target; the T - 1 rows before the first one are shown, too.
    patience : int, optional
        Epochs without a smaller loss after which training ends; the weights of the best epoch are kept.
    split : (int, int), optional
        With `patience`: targets before the first number train, those from the second on judge.

    Raises
    ------
    FitError
        If the weights are no longer finite; the epoch is named.
    """
    rows = torch.from_numpy(x.astype("float32"))
    answers = torch.from_numpy(y.astype("float32"))
    fixed = network.fixed_rows() if network.fixed else None
    optimizer = AdamW(list(network.parameters()), learning_rate, weight_decay, fixed)
    in_window = torch.arange(len(x) - len(y) + 1).unsqueeze(1)  # (T, 1)
    stop, start = split or (len(y), len(y))
    best = BestEpoch(patience, optimizer.flat) if patience else None

    def learn(judged: Tensor) -> None:
        judged.backward()  # type: ignore[no-untyped-call]
        network.tie_gradients()
        optimizer.step()

    for epoch in range(epochs):
        if carried:
            known = len(in_window) - 1 + stop
            for judged in _in_time_order(network, rows[:known], answers[:stop], len(in_window), LOSSES[loss], drop):
                learn(judged)
        else:
            for chosen in torch.split(torch.randperm(stop, generator=order), batch):
                shown: Tensor = rows[in_window + chosen]  # (T, B, F)
                learn(LOSSES[loss](network(shown, drop), answers[chosen]))
        if not optimizer.flat.isfinite().all():
            raise FitError(f"training became NaN in epoch {epoch + 1}. Lower learning_rate ({learning_rate:g}).")
        if best is not None and best.is_past(_judge(network, rows, answers, start, LOSSES[loss], carried)):
            break
    if best is not None:
        best.restore()


@torch.no_grad()
def _judge(
    network: Network, rows: Tensor, answers: Tensor, start: int, judge: Callable[[Tensor, Tensor], Tensor],
    carried: bool,
) -> float:  # fmt: skip
    """Return the loss on the targets from `start` on, nothing dropped; a carried state runs up to them."""
    if carried:
        said = network.carry(rows.unsqueeze(1), [None] * len(network.layers))[0].squeeze(1)
        return float(judge(said[len(rows) - len(answers) + start :], answers[start:]))
    shown = rows[start:].unfold(0, len(rows) - len(answers) + 1, 1)  # (N, F, T), a view
    losses = [
        judge(network(part.permute(2, 0, 1)), wanted) * len(wanted)
        for part, wanted in zip(torch.split(shown, _JUDGED), torch.split(answers[start:], _JUDGED), strict=True)
    ]
    return float(sum(losses)) / (len(answers) - start)


def _in_time_order(
    network: Network, rows: Tensor, answers: Tensor, chunk: int, judge: Callable[[Tensor, Tensor], Tensor],
    drop: torch.Generator,
) -> Iterator[Tensor]:  # fmt: skip
    """Yield the loss of each chunk of bars, the state running on from one to the next."""
    before = len(rows) - len(answers)
    states: list[Any] = [None] * len(network.layers)
    with torch.no_grad():
        states = network.carry(rows[:before].unsqueeze(1), states)[1] if before else states
    rows = rows[before:]
    for shown, wanted in zip(torch.split(rows.unsqueeze(1), chunk), torch.split(answers, chunk), strict=True):
        # (T, 1, F) and (T,)
        said, states = network.carry(shown, states, drop)
        yield judge(said.squeeze(1), wanted)
