"""The equations in NumPy against torch's, and the stepper against the whole network."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from lstm_signal.cells import CELLS, LSTM, RNN, LinearStepper, Stepper, stepper
from lstm_signal.networks import Network

TORCH = {"lstm": nn.LSTM, "rnn": nn.RNN}
BOTH = pytest.mark.parametrize("name", ["lstm", "rnn"])


def draw(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape)


def started(name, inputs=2, hidden=8, layers=1):
    """A network as training starts it."""
    network = Network(name, inputs, hidden, layers, 0.0)
    network.start(torch.Generator().manual_seed(1), 1.0, "torch")
    return network


def answers(model, x):
    return np.array([model.step(row) for row in x])


def layer_weights(module, layer):
    return {
        key.removesuffix(f"_l{layer}"): value.detach().numpy()
        for key, value in module.named_parameters()
        if key.endswith(f"_l{layer}")
    }


# One cell


def test_an_lstm_step_by_hand():
    """One unit, one feature: torch's blocks stand in the order input, forget, candidate, output."""
    weights = {
        "weight_ih": np.array([[0.1], [0.2], [0.3], [0.4]]),
        "weight_hh": np.array([[0.5], [-0.6], [0.7], [-0.8]]),
        "bias_ih": np.array([0.01, 0.02, 0.03, 0.04]),
        "bias_hh": np.array([0.1, 0.2, 0.3, 0.4]),
    }
    x, h, C = 1.5, 0.25, -0.5
    sigmoid = lambda z: 1 / (1 + math.exp(-z))  # noqa: E731
    i = sigmoid(0.1 * x + 0.5 * h + 0.11)
    f = sigmoid(0.2 * x - 0.6 * h + 0.22)
    g = math.tanh(0.3 * x + 0.7 * h + 0.33)
    o = sigmoid(0.4 * x - 0.8 * h + 0.44)
    memory = f * C + i * g
    h_t, C_t = LSTM(weights).step(np.array([[x]]), (np.array([[h]]), np.array([[C]])))
    assert C_t[0, 0] == pytest.approx(memory, rel=1e-14)
    assert h_t[0, 0] == pytest.approx(o * math.tanh(memory), rel=1e-14)


def test_an_rnn_step_by_hand():
    weights = {"weight_ih": np.array([[0.3]]), "weight_hh": np.array([[0.7]]),
               "bias_ih": np.array([0.03]), "bias_hh": np.array([0.3])}  # fmt: skip
    (h_t,) = RNN(weights).step(np.array([[1.5]]), (np.array([[0.25]]),))
    assert h_t[0, 0] == pytest.approx(math.tanh(0.3 * 1.5 + 0.7 * 0.25 + 0.33), rel=1e-14)


@pytest.mark.parametrize(
    ("bars", "rows", "inputs", "hidden", "layers"),
    [(1, 1, 1, 1, 1), (20, 5, 3, 8, 1), (20, 4, 2, 7, 2), (2000, 2, 1, 32, 1), (12, 64, 5, 65, 3)],
)
@BOTH
def test_a_cell_stepped_over_time_is_torchs(name, bars, rows, inputs, hidden, layers):
    module = TORCH[name](inputs, hidden, layers)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(-(hidden**-0.5), hidden**-0.5, generator=generator)  # as training starts
    stacked = [CELLS[name](layer_weights(module, layer)) for layer in range(layers)]
    states = [cell.start(rows) for cell in stacked]
    x, h = draw(bars, rows, inputs), np.empty((bars, rows, hidden))
    for t in range(bars):
        shown = x[t]
        for layer, cell in enumerate(stacked):
            states[layer] = cell.step(shown, states[layer])
            shown = states[layer][0]
        h[t] = shown
    with torch.no_grad():
        single, double = module(torch.from_numpy(x.astype("float32")))[0], module.double()(torch.from_numpy(x))[0]
    np.testing.assert_allclose(h, double.numpy(), rtol=0, atol=1e-12)
    if bars <= 20:  # a window, in the precision that trains
        np.testing.assert_allclose(h, single.numpy(), rtol=0, atol=1e-6)


@BOTH
def test_a_step_changes_neither_what_it_is_shown_nor_the_state(name):
    cell = CELLS[name](layer_weights(started(name).layers[0], 0))
    x, state = draw(3, 2), tuple(np.ones((3, 8)) for _ in cell.start(3))
    before = x.copy()
    cell.step(x, state)
    assert np.array_equal(x, before)
    assert all((array == 1).all() for array in state)


# The stepper


@pytest.mark.parametrize(
    ("inputs", "hidden", "layers", "window"), [(1, 32, 1, 20), (3, 8, 1, 1), (2, 7, 2, 5), (2, 16, 3, 60)]
)
@BOTH
def test_the_stepper_runs_every_full_window_from_zero(name, inputs, hidden, layers, window):
    network, x = started(name, inputs, hidden, layers), draw(150, inputs)
    windows = np.stack([x[t - window + 1 : t + 1] for t in range(window - 1, len(x))], axis=1)  # (T, B, F)
    with torch.no_grad():
        expected = network(torch.from_numpy(windows.astype("float32"))).numpy()
    got = answers(Stepper(name, network.weights(), window), x)[window - 1 :]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)
    assert np.std(got) > 1e-3


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name", ["lstm", "rnn", "linear"])
def test_no_bar_outside_the_window_changes_one_bit(name, layers):
    window, x = 10, draw(80, 2)
    weights = {"weight": draw(20), "bias": draw(1)} if name == "linear" else started(name, layers=layers).weights()

    def ask(rows):
        return answers(stepper(name, weights, window), rows)

    whole = ask(x)
    for t in (window - 1, 30, 31, 79):  # the bar whose window is compared
        first = t - window + 1
        other = np.concatenate([100 * draw(first, 2), x[first:]])
        lost = np.concatenate([np.full((first, 2), np.nan), x[first:]])
        for rows in (x[first:], other, lost):  # cut off, changed, missing
            assert ask(rows)[len(rows) - len(x) + t] == whole[t]
        assert ask(x[: t + 1])[t] == whole[t]  # later rows not there yet
        inside = x.copy()
        inside[first] += 1
        assert ask(inside)[t] != whole[t]


@pytest.mark.parametrize(("window", "inputs"), [(1, 1), (4, 1), (5, 3)])
def test_the_linear_stepper_is_a_dot_product_oldest_bar_first(window, inputs):
    weights, x = {"weight": draw(window * inputs), "bias": np.array([0.3])}, draw(40, inputs)
    expected = [x[t - window + 1 : t + 1].reshape(-1) @ weights["weight"] + 0.3 for t in range(window - 1, 40)]
    got = answers(LinearStepper(weights, window), x)[window - 1 :]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_steppers_do_not_share_state():
    weights, x = started("lstm").weights(), draw(30, 2)
    first, second = Stepper("lstm", weights, 5), Stepper("lstm", weights, 5)
    interleaved = [(first.step(row), second.step(-row)) for row in x]
    assert [a for a, _ in interleaved] == answers(Stepper("lstm", weights, 5), x).tolist()


def test_each_cell_gets_its_stepper():
    assert isinstance(stepper("linear", {"weight": draw(4), "bias": draw(1)}, 2), LinearStepper)
    for name, cell in CELLS.items():
        made = stepper(name, started(name, layers=2).weights(), 2)
        assert [type(part) for part in made.cells] == [cell, cell]
