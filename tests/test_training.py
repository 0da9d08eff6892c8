"""Networks, the training loop and the linear model, against torch's own and closed forms."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from lstm_signal import networks, training
from lstm_signal.errors import FitError
from lstm_signal.linear import BLOCKS, PENALTIES, ridge
from lstm_signal.networks import Network

BOTH = pytest.mark.parametrize("cell", ["lstm", "rnn"])


@pytest.fixture(autouse=True)
def one_thread():
    """As a fit runs; two threads on networks this small only wait for each other."""
    with training.one_torch_thread():
        yield


def keyed(number):
    return torch.Generator().manual_seed(number)


def draw(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape)


def started(cell, *, inputs=2, hidden=8, layers=1, dropout=0.0, forget_bias=0.0, recurrent="torch"):
    network = Network(cell, inputs, hidden, layers, dropout)
    network.start(keyed(1), forget_bias, recurrent)
    return network


def fit(network, x, y, **changes):
    settings = {"epochs": 1, "batch": 16, "learning_rate": 1e-2, "weight_decay": 0.0, "loss": "mse"}
    training.train(network, x, y, **(settings | {"order": keyed(2), "drop": keyed(3)} | changes))
    return network.weights()


def same_bits(first, second):
    return all(first[name].tobytes() == second[name].tobytes() for name in first)


# Our simple RNN and torch's


@pytest.mark.parametrize(
    ("bars", "rows", "inputs", "hidden"), [(1, 1, 1, 1), (1, 5, 2, 3), (2, 1, 1, 4), (20, 7, 3, 8)]
)
def test_our_rnn_answers_and_learns_as_torchs(bars, rows, inputs, hidden):
    theirs, ours = nn.RNN(inputs, hidden).double(), networks.RNN(inputs, hidden).double()
    ours.load_state_dict(theirs.state_dict())
    x = torch.from_numpy(draw(bars, rows, inputs))
    pull = torch.from_numpy(draw(bars, rows, hidden))  # of the loss on h at every bar, not the last alone
    gradients = []
    for layer in (theirs, ours):
        shown = x.clone().requires_grad_()
        h, _ = layer(shown)
        (h * pull).sum().backward()
        gradients.append(
            [h.detach(), shown.grad, *(parameter.grad for _, parameter in sorted(layer.named_parameters()))]
        )
    for expected, got in zip(*gradients, strict=True):
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)


def test_our_rnns_gradients_are_those_of_small_differences():
    layer = started("rnn", hidden=3).double().layers[0]
    shown = torch.from_numpy(draw(4, 2, 3)).requires_grad_()
    assert torch.autograd.gradcheck(networks._RNNFunction.apply, (shown, layer.weight_hh_l0, None))
    start = torch.from_numpy(draw(2, 3))
    assert torch.autograd.gradcheck(networks._RNNFunction.apply, (shown, layer.weight_hh_l0, start))


class Reference(nn.Module):
    """The same network out of torch's parts alone."""

    def __init__(self, cell, network):
        super().__init__()
        first = network.layers[0].weight_ih_l0
        sizes = [first.shape[1]] + [network.hidden] * (len(network.layers) - 1)
        self.layers = nn.ModuleList({"lstm": nn.LSTM, "rnn": nn.RNN}[cell](size, network.hidden) for size in sizes)
        self.readout = nn.Linear(network.hidden, 1)
        self.load_state_dict(network.state_dict())

    def forward(self, x):
        for layer in self.layers:
            x, _ = layer(x)
        return self.readout(x[-1]).squeeze(-1)


@pytest.mark.parametrize(("layers", "loss", "weight_decay"), [(1, "mse", 0.0), (1, "huber", 0.1), (2, "mse", 0.1)])
@BOTH
def test_an_epoch_of_training_gives_torchs_weights(cell, layers, loss, weight_decay):
    window, x, y = 10, draw(109, 2), 2 * draw(100)
    network = started(cell, layers=layers)
    reference = Reference(cell, network)
    before = network.weights()
    got = fit(network, x, y, loss=loss, weight_decay=weight_decay)

    optimizer = torch.optim.AdamW(reference.parameters(), lr=1e-2, weight_decay=weight_decay)
    judge = {"mse": nn.MSELoss(), "huber": nn.HuberLoss()}[loss]
    rows, targets = torch.from_numpy(x.astype("float32")), torch.from_numpy(y.astype("float32"))
    for chosen in torch.randperm(100, generator=keyed(2)).split(16):
        shown = torch.stack([rows[n : n + window] for n in chosen.tolist()], dim=1)
        optimizer.zero_grad()
        judge(reference(shown), targets[chosen]).backward()
        optimizer.step()
    for name, parameter in reference.named_parameters():
        short = name.removeprefix("layers.").removesuffix("_l0")
        np.testing.assert_allclose(got[short], parameter.detach().numpy(), rtol=0, atol=1e-6)
        assert np.abs(got[short] - before[short]).max() > 1e-3


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adamw_takes_torchs_steps(weight_decay):
    theirs = [nn.Parameter(torch.from_numpy(draw(*shape))) for shape in ((4, 3), (5,), (1, 1))]
    ours = [nn.Parameter(parameter.detach().clone()) for parameter in theirs]
    their_steps = torch.optim.AdamW(theirs, lr=1e-2, weight_decay=weight_decay)
    our_steps = training.AdamW(ours, learning_rate=1e-2, weight_decay=weight_decay)
    pulls = keyed(4)
    for step in range(50):
        for a, b in zip(theirs, ours, strict=True):
            a.grad = torch.randn(a.shape, generator=pulls, dtype=a.dtype) * 10.0 ** (step % 7 - 3)
            b.grad = a.grad.clone()
        their_steps.step()
        our_steps.step()
        assert all(parameter.grad is None for parameter in ours)
    for a, b in zip(theirs, ours, strict=True):
        torch.testing.assert_close(b, a, rtol=0, atol=1e-6)


# The start


@BOTH
def test_a_start_is_uniform_within_one_over_the_root_of_hidden(cell):
    weights = started(cell, hidden=16, layers=2).weights()
    values = np.concatenate([array.ravel() for array in weights.values()])
    assert np.abs(values).max() <= 0.25
    assert np.abs(values).max() > 0.24
    assert abs(values.mean()) < 0.02
    assert values.std() == pytest.approx(0.5 / np.sqrt(12), rel=0.05)


@pytest.mark.parametrize(("cell", "blocks"), [("lstm", 4), ("rnn", 1)])
def test_an_orthogonal_start_makes_every_recurrent_block_a_rotation(cell, blocks):
    weights = started(cell, layers=2, recurrent="orthogonal").weights()
    uniform = started(cell, layers=2, recurrent="torch").weights()
    for layer in (0, 1):
        parts = np.split(weights[f"{layer}.weight_hh"], blocks)
        for part in parts:
            np.testing.assert_allclose(part @ part.T, np.eye(8), atol=1e-6)
        other = np.split(uniform[f"{layer}.weight_hh"], blocks)[0]
        assert np.abs(other @ other.T - np.eye(8)).max() > 0.1
        assert len({part.tobytes() for part in parts}) == blocks


def test_the_forget_bias_is_set_in_the_forget_block_alone():
    low, high = (started("lstm", layers=2, forget_bias=bias).weights() for bias in (-2.5, 1.0))
    forget = np.arange(32) // 8 == 1  # torch's order: input, forget, candidate, output
    for layer in ("0", "1"):
        for weights, bias in ((low, -2.5), (high, 1.0)):
            assert (weights[f"{layer}.bias_ih"] + weights[f"{layer}.bias_hh"])[forget].tolist() == [bias] * 8
        for name in ("bias_ih", "bias_hh"):
            elsewhere = low[f"{layer}.{name}"][~forget]
            assert np.array_equal(elsewhere, high[f"{layer}.{name}"][~forget])
            assert np.unique(elsewhere).size == 24
    assert same_bits(started("rnn", forget_bias=-2.5).weights(), started("rnn", forget_bias=1.0).weights())


# Randomness and threads


def test_a_generator_is_keyed_by_each_of_its_four_parts():
    keys = [(7, 1, 0, "start"), (8, 1, 0, "start"), (7, 2, 0, "start"), (7, 1, 1, "start"), (7, 1, 0, "order"),
            (7, 1, 0, "dropout"), (71, 1, 0, "start"), (7, 11, 0, "start")]  # fmt: skip
    drawn = [tuple(torch.rand(4, generator=training.generator(*key)).tolist()) for key in keys]
    assert len(set(drawn)) == len(keys)
    assert drawn == [tuple(torch.rand(4, generator=training.generator(*key)).tolist()) for key in keys]


@BOTH
def test_only_the_generators_given_decide_the_weights(cell):
    x, y = draw(59, 2), draw(50)

    def weights(**changes):
        torch.rand(1)  # the global generator is elsewhere each time
        return fit(started(cell, layers=2, dropout=0.3), x, y, **changes)

    first = weights()
    assert same_bits(first, weights())
    assert not same_bits(first, weights(order=keyed(20)))
    assert not same_bits(first, weights(drop=keyed(30)))


@BOTH
def test_torchs_global_generator_is_left_alone(cell):
    before = torch.get_rng_state()
    fit(started(cell, layers=2, dropout=0.3, recurrent="orthogonal"), draw(29, 2), draw(20))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_callers_threads_come_back():
    original = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        fit(started("rnn"), draw(29, 2), draw(20))
        assert torch.get_num_threads() == 3
        with training.one_torch_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
        with pytest.raises(KeyError), training.one_torch_thread():
            raise KeyError
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(original)


# Dropout


class Between(nn.Module):
    """Stands where the second layer does and keeps what it is shown."""

    def forward(self, x, state):
        self.seen = x
        return x, state


@BOTH
def test_dropout_scales_what_it_keeps_between_layers(cell):
    network, x = started(cell, layers=2, dropout=0.25), torch.from_numpy(draw(30, 50, 2).astype("float32"))
    network.layers[1] = between = Between()
    network(x)
    whole = between.seen
    network(x, keyed(5))
    dropped = between.seen == 0
    torch.testing.assert_close(between.seen[~dropped], whole[~dropped] / 0.75)
    assert dropped.float().mean().item() == pytest.approx(0.25, abs=0.02)
    assert not torch.equal(dropped[0], dropped[1])  # a fresh mask for each bar


@pytest.mark.parametrize(("layers", "dropout", "drops"), [(1, 0.5, False), (2, 0.0, False), (2, 0.5, True)])
@BOTH
def test_dropout_acts_in_training_with_more_than_one_layer(cell, layers, dropout, drops):
    network, x = started(cell, layers=layers, dropout=dropout), torch.from_numpy(draw(10, 20, 2).astype("float32"))
    generator = keyed(5)
    untouched = generator.get_state()
    plain = started(cell, layers=layers)(x)
    assert torch.equal(network(x), plain)
    assert torch.equal(network(x, generator), plain) is not drops
    assert torch.equal(generator.get_state(), untouched) is not drops


# What is learned


def echo(bars, share):
    """An autoregressive series: the next value is `share` of this one, and noise."""
    noise, values = draw(bars), np.zeros(bars)
    for t in range(1, bars):
        values[t] = share * values[t - 1] + noise[t]
    return values / values.std()


@BOTH
def test_training_learns_a_simple_pattern(cell):
    values = echo(1005, 0.8)
    x, y = values[:-1, None], values[5:]  # windows of 5
    network = started(cell, inputs=1)
    windows = torch.from_numpy(np.lib.stride_tricks.sliding_window_view(values[:-1], 5).T.copy()).float().unsqueeze(-1)

    def error():
        with torch.no_grad():
            return float(((network(windows).numpy() - y) ** 2).mean())

    before = error()
    fit(network, x, y, epochs=10)
    assert before > 0.8
    assert 0.3 < error() < 0.45  # the noise is 0.36 of the variance


def test_weights_are_copies_that_later_training_leaves_alone():
    network = started("lstm")
    before = network.weights()
    kept = {name: array.copy() for name, array in before.items()}
    after = fit(network, draw(29, 2), draw(20))
    assert same_bits(before, kept)
    assert set(before) == {"0.weight_ih", "0.weight_hh", "0.bias_ih", "0.bias_hh", "readout.weight", "readout.bias"}
    assert not any(before[name].tobytes() == after[name].tobytes() for name in before)


# The linear model


def closed_form(rows, y, penalty):
    """Ridge with an unpenalised bias, by augmenting the rows: least squares with sqrt(n * penalty) pulls to zero."""
    count, width = rows.shape
    pulls = np.hstack([np.sqrt(count * penalty) * np.eye(width), np.zeros((width, 1))])
    shown = np.vstack([np.hstack([rows, np.ones((count, 1))]), pulls])
    return np.linalg.lstsq(shown, np.concatenate([y, np.zeros(width)]), rcond=None)[0]


def unrolled(x, window):
    return np.array([x[n : n + window].reshape(-1) for n in range(len(x) - window + 1)])


@pytest.mark.parametrize(("rows", "window", "inputs", "signal"), [(60, 4, 1, 1.0), (83, 3, 2, 0.3), (60, 4, 1, 0.0)])
def test_ridge_is_the_closed_form_at_the_penalty_that_forecasts_best(rows, window, inputs, signal):
    x = draw(rows + window - 1, inputs) * 3
    shown = unrolled(x, window)
    y = signal * shown[:, -1] + draw(rows) + 5
    edges = np.linspace(0, rows, BLOCKS + 1).astype(int)
    errors = np.zeros(len(PENALTIES))
    for first, stop in pairwise(edges):
        held = np.arange(first, stop)
        others = np.setdiff1d(np.arange(rows), held)
        for number, penalty in enumerate(PENALTIES):
            *weight, bias = closed_form(shown[others], y[others], penalty)
            errors[number] += ((y[held] - shown[held] @ weight - bias) ** 2).sum()
    *weight, bias = closed_form(shown, y, PENALTIES[np.argmin(errors)])
    got = ridge(x, y, window)
    np.testing.assert_allclose(got["weight"], weight, rtol=0, atol=1e-9)
    np.testing.assert_allclose(got["bias"], [bias], rtol=0, atol=1e-9)


def test_ridge_shrinks_noise_and_keeps_a_signal():
    x = draw(319, 1)
    shown = unrolled(x, 20)
    least_squares = closed_form(shown, draw(300), 0.0)[:-1]
    noise = ridge(x, draw(300), 20)["weight"]
    assert np.linalg.norm(noise) < 0.3 * np.linalg.norm(least_squares)
    signal = ridge(x, shown[:, -1] + 0.1 * draw(300), 20)["weight"]
    assert signal[-1] == pytest.approx(1, abs=0.05)  # the newest bar's weight is the last
    assert np.abs(signal[:-1]).max() < 0.05


# Early stopping


def held_back(cell="lstm", carried=False, **changes):
    """Fit 60 rows of noise, of which the last 12 judge; return the weights and the judged losses."""
    network = started(cell, inputs=1, hidden=6)
    x, y = draw(64, 1), draw(60)
    losses = []

    class Watched(training.BestEpoch):
        def is_past(self, loss):
            losses.append(loss)
            return super().is_past(loss)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "BestEpoch", Watched)
        weights = fit(network, x, y, split=(47, 48), carried=carried, **({"epochs": 40, "patience": 3} | changes))
    return weights, losses, (network, x, y)


@pytest.mark.parametrize("carried", [False, True])
@BOTH
def test_early_stopping_keeps_the_best_epoch(cell, carried):
    weights, losses, _ = held_back(cell, carried, learning_rate=0.05)
    best = int(np.argmin(losses))
    assert 0 < best < 36
    assert len(losses) == best + 1 + 3
    again = held_back(cell, carried, learning_rate=0.05, epochs=best + 1)[0]
    assert same_bits(weights, again)


@pytest.mark.parametrize("carried", [False, True])
def test_the_judged_loss_is_that_of_the_rows_held_back_alone(carried):
    weights, losses, (network, x, y) = held_back("rnn", carried, epochs=1)
    rows, last = torch.from_numpy(x.astype("float32")), torch.from_numpy(y[48:].astype("float32"))
    with torch.no_grad():
        if carried:
            said = network.carry(rows.unsqueeze(1), [None])[0][-12:, 0]
        else:
            said = network(torch.stack([rows[n : n + 5] for n in range(48, 60)], dim=1))
    assert losses == [pytest.approx(float(nn.functional.mse_loss(said, last)), rel=1e-6)]
    assert len(weights) == 6


def test_many_rows_held_back_are_judged_as_few(monkeypatch):
    together = held_back(epochs=2)[1]
    monkeypatch.setattr(training, "_JUDGED", 5)
    assert held_back(epochs=2)[1] == pytest.approx(together, rel=1e-6)


@pytest.mark.parametrize("carried", [False, True])
def test_rows_from_the_first_held_back_on_move_no_weight(carried):
    x, y = draw(64, 1), draw(60)
    first = fit(started("rnn", inputs=1), x, y, patience=50, split=(47, 48), carried=carried)
    x[4 + 47 :] *= 9
    y[47:] += 100  # that of row 47 is known only after the first row held back
    second = fit(started("rnn", inputs=1), x, y, patience=50, split=(47, 48), carried=carried)
    assert same_bits(first, second)


def test_a_loss_that_is_never_finite_is_an_error():
    y = draw(60)
    y[50] = np.inf
    with pytest.raises(FitError, match="no epoch has a finite loss"):
        fit(started("rnn", inputs=1), draw(64, 1), y, patience=1, split=(47, 48))
