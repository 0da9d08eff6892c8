"""The road from the LSTM to the RNN, the article's readout and its state through time."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import lstm_signal as ls
from lstm_signal import training
from lstm_signal.cells import LSTM, RNN, CarriedStepper, Stepper
from lstm_signal.networks import Network
from tests.conftest import SHORT, TINY

SETS = [*ls.LADDER, ("forget",), ("output", "forget")]
LSTMS = [parts for parts in SETS if "squash" not in parts]


def draw(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape)


def keyed(seed):
    return torch.Generator().manual_seed(seed)


def started(cell="lstm", inputs=2, hidden=8, layers=1, **parts):
    network = Network(cell, inputs, hidden, layers, 0.0, **parts)
    network.start(keyed(1), 1.0, "torch")
    return network


def trained(network, epochs=3, weight_decay=0.0, carried=False, window=5):
    x, y = draw(79 + window, 2), draw(80)
    training.train(network, x, y, epochs=epochs, batch=16, learning_rate=1e-2, weight_decay=weight_decay, loss="mse",
                   order=keyed(2), drop=keyed(3), carried=carried)  # fmt: skip
    return network.weights()


def by_hand(parts, weights, x):
    """Return h_t of one layer over x (T, F), with the parts eliminated in the equations themselves."""
    hidden = weights["0.weight_hh"].shape[1]
    W, U = weights["0.weight_ih"], weights["0.weight_hh"]
    b = weights["0.bias_ih"].astype(float) + weights["0.bias_hh"]
    h = C = np.zeros(hidden)
    for row in x:
        i, f, g, o = np.split(W.astype(float) @ row + U.astype(float) @ h + b, 4)
        i, f, o = (1 / (1 + np.exp(-z)) for z in (i, f, o))
        g = np.tanh(g)
        i = 1.0 if "input" in parts else i
        o = 1.0 if "output" in parts else o
        f = 0.0 if "memory" in parts else 1.0 if "forget" in parts else f
        C = f * C + i * g
        h = o * np.tanh(C)
    return h


@pytest.mark.parametrize("parts", LSTMS)
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_an_eliminated_rate_is_gone_from_the_equations_and_stays_so(parts, weight_decay):
    network = started(without=parts)
    before = network.weights()
    after = trained(network, weight_decay=weight_decay)
    x = draw(5, 2)
    stepper = Stepper("lstm", after, 5)
    for row in x:
        stepper.step(row)
    np.testing.assert_allclose(stepper.states[0][0][-1], by_hand(parts, after, x), rtol=0, atol=1e-12)
    for number, rate in enumerate(("input", "forget", "candidate", "output")):
        rows = slice(8 * number, 8 * number + 8)
        fixed = rate in {{"memory": "forget"}.get(part, part) for part in parts}
        same = all(np.array_equal(before[name][rows], after[name][rows]) for name in before if name.startswith("0."))
        assert same is fixed
        if fixed:
            assert not after["0.weight_ih"][rows].any()
            assert not after["0.weight_hh"][rows].any()
            assert set(np.abs(after["0.bias_ih"][rows] + after["0.bias_hh"][rows]).tolist()) == {100.0}


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_coupled_rates_add_up_to_one_and_learn_what_they_share(weight_decay):
    """Against a network that has the forget rate alone, and i = 1 - f in its equations."""
    network = started(coupled=True)
    start = {name: torch.from_numpy(array.copy()) for name, array in network.weights().items()}
    got = trained(network, weight_decay=weight_decay)
    for name in ("0.weight_ih", "0.weight_hh", "0.bias_ih", "0.bias_hh"):
        i, f = np.split(got[name], 4)[:2]
        assert np.array_equal(i, -f)
        assert np.abs(f - np.split(start[name].numpy(), 4)[1]).max() > 1e-3
    free = {name: nn.Parameter(value.reshape(4, 8, *value.shape[1:])[1:] if name[0] == "0" else value)
            for name, value in start.items()}  # fmt: skip

    def answer(x):
        h = C = torch.zeros(x.shape[1], 8)
        for row in x:
            z = [row @ free["0.weight_ih"][k].t() + h @ free["0.weight_hh"][k].t() + free["0.bias_ih"][k]
                 + free["0.bias_hh"][k] for k in range(3)]  # fmt: skip
            f, o = torch.sigmoid(z[0]), torch.sigmoid(z[2])
            C = f * C + (1 - f) * torch.tanh(z[1])
            h = o * torch.tanh(C)
        return (h @ free["readout.weight"].t()).squeeze(-1) + free["readout.bias"]

    optimizer = torch.optim.AdamW(free.values(), lr=1e-2, weight_decay=weight_decay)
    x, y = torch.from_numpy(draw(84, 2).astype("float32")), torch.from_numpy(draw(80).astype("float32"))
    order = keyed(2)
    for _ in range(3):
        for chosen in torch.randperm(80, generator=order).split(16):
            optimizer.zero_grad()
            shown = torch.stack([x[n : n + 5] for n in chosen.tolist()], dim=1)
            nn.functional.mse_loss(answer(shown), y[chosen]).backward()
            optimizer.step()
    for name in ("0.weight_ih", "0.weight_hh", "0.bias_ih"):
        ours = got[name].reshape(4, 8, *got[name].shape[1:])[1:]
        np.testing.assert_allclose(ours, free[name].detach().numpy(), rtol=0, atol=2e-6)


def test_the_last_rung_is_our_rnn_bit_for_bit(prices):
    last = TINY.replace(without=ls.LADDER[-1])
    rnn = TINY.replace(cell="rnn")
    assert last.parameters == rnn.parameters
    one, other = (ls.forecast(prices, recipe, SHORT, n_jobs=1, progress=False) for recipe in (last, rnn))
    columns = ["forecast", "spread", "lower", "upper", "strength"]
    pd.testing.assert_frame_equal(one.frame[columns], other.frame[columns], check_exact=True)


@pytest.mark.parametrize(
    ("fields", "blocks"),
    [({}, 4), ({"without": "output"}, 3), ({"without": ("input", "output")}, 2), ({"without": "forget"}, 3),
     ({"without": ("output", "input", "memory")}, 1), ({"without": ls.LADDER[-1]}, 1), ({"coupled": True}, 3),
     ({"coupled": True, "without": "output"}, 2)],
)  # fmt: skip
def test_only_live_parameters_count(fields, blocks):
    recipe = TINY.replace(**fields)
    assert recipe.parameters == blocks * 4 * (1 + 4 + 2) + 5
    assert recipe.replace(readout="state").parameters == recipe.parameters - 5
    network = started(inputs=1, hidden=4, without=recipe.without, coupled=recipe.coupled, cell=recipe.trained_cell)
    before = {name: array.copy() for name, array in network.weights().items()}
    x, y = draw(84, 1), draw(80)
    training.train(network, x, y, epochs=3, batch=16, learning_rate=1e-2, weight_decay=0.0, loss="mse", order=keyed(2),
                   drop=keyed(3))  # fmt: skip
    after = network.weights()
    moved = sum(int((before[name] != after[name]).sum()) for name in before)
    tied = 4 * (1 + 4 + 2) if recipe.coupled else 0
    assert moved - tied == recipe.parameters


@pytest.mark.parametrize(("fields", "told"), [
    ({"without": "outptu"}, 'Did you mean "output"'), ({"without": ("input",)}, "is none of"),
    ({"without": ("memory",)}, "is none of"), ({"cell": "rnn", "without": "output"}, "a rnn has none"),
    ({"cell": "rnn", "coupled": True}, "a rnn has none"), ({"coupled": 1}, "True or False"),
    ({"coupled": True, "without": ("output", "input")}, "eliminates one"),
    ({"coupled": True, "without": "forget"}, "eliminates one"),
    ({"cell": "linear", "readout": "state"}, "has no state"), ({"cell": "linear", "state": "carried"}, "has no state"),
    ({"readout": "h"}, "readout"), ({"state": "carry"}, 'Did you mean "carried"'),
])  # fmt: skip
def test_what_cannot_be_eliminated_is_refused(fields, told):
    with pytest.raises(ls.InputError, match=told):
        ls.Forecaster(**fields)


def test_another_cell_loses_what_only_an_lstm_has():
    lstm = ls.Forecaster(without="output", coupled=True, readout="state", state="carried")
    assert lstm.replace(cell="rnn") == ls.Forecaster(cell="rnn", readout="state", state="carried")
    assert lstm.replace(cell="linear") == ls.Forecaster(cell="linear")
    assert lstm.replace(hidden=5).without == ("output",)
    assert lstm.matched("rnn").readout == "state"


# h_t is the fitted value


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_a_state_readout_answers_with_the_first_unit_of_the_last_layer(cell):
    network = started(cell, layers=2, readout="state")
    assert not any(name.startswith("readout") for name in network.weights())
    x = draw(30, 2)
    windows = np.lib.stride_tricks.sliding_window_view(x, 5, axis=0).transpose(2, 0, 1).copy()
    with torch.no_grad():
        expected = network(torch.from_numpy(windows.astype("float32"))).numpy()
    stepper = Stepper(cell, network.weights(), 5)
    got = np.array([stepper.step(row) for row in x])[4:]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)
    assert stepper.states[-1][0][-1][0] == got[-1]


def test_the_target_is_scaled_to_where_an_h_can_be(prices):
    fitted = TINY.replace(readout="state").fit(prices)
    scaler = fitted.members[0].scaler
    y = np.log(prices["open"].shift(-2) / prices["open"].shift(-1)).to_numpy()[TINY.warm_up : -2]
    scaled = scaler.scale_target(y)
    assert 0.9 < np.abs(scaled).max() < 1
    assert scaler.y_mean == pytest.approx(y.mean())
    said = scaler.scale_target(fitted.predict(prices).dropna().to_numpy())
    assert np.abs(said).max() < 1
    assert said.std() > 0


# The state runs on


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_carried_state_is_torchs_over_the_whole_history(cell, layers):
    network, x = started(cell, layers=layers), draw(300, 2)
    stepper = CarriedStepper(cell, network.weights())
    got = [stepper.step(row) for row in x]
    rows, states, said = torch.from_numpy(x.astype("float32")).unsqueeze(1), [None] * layers, []
    for chunk in rows.split(7):  # torch's, in chunks that hand their state on
        answers, states = network.carry(chunk, states)
        said += answers.squeeze(1).tolist()
    np.testing.assert_allclose(got, said, rtol=0, atol=1e-6)


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_carried_training_is_truncated_backpropagation_in_time_order(cell):
    network, reference = started(cell), started(cell)
    got = trained(network, carried=True)
    x, y = torch.from_numpy(draw(84, 2).astype("float32")), torch.from_numpy(draw(80).astype("float32"))
    theirs = {"lstm": nn.LSTM, "rnn": nn.RNN}[cell](2, 8)
    theirs.load_state_dict(reference.layers[0].state_dict())
    readout = reference.readout
    optimizer = torch.optim.AdamW([*theirs.parameters(), *readout.parameters()], lr=1e-2, weight_decay=0.0)
    for _ in range(3):
        with torch.no_grad():
            state = theirs(x[:4].unsqueeze(1))[1]
        for shown, wanted in zip(x[4:].unsqueeze(1).split(5), y.split(5), strict=True):
            optimizer.zero_grad()
            h, state = theirs(shown, state)
            nn.functional.mse_loss(readout(h).reshape(-1), wanted).backward()
            optimizer.step()
            state = tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
    for name, parameter in theirs.named_parameters():
        ours = got[f"0.{name.removesuffix('_l0')}"]
        np.testing.assert_allclose(ours, parameter.detach().numpy(), rtol=0, atol=1e-6)


CARRIED = TINY.replace(state="carried")


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_a_carried_fold_is_that_fold_alone_from_its_first_bar(prices, cell):
    recipe = CARRIED.replace(cell=cell, without="forget" if cell == "lstm" else ())  # which never forgets its start
    walked = ls.forecast(prices, recipe, SHORT, n_jobs=1, progress=False)
    for k in (0, 3):
        since = prices.iloc[k * SHORT.test :]
        fitted = recipe.fit(since.iloc[: recipe.window + SHORT.train + recipe.lag])
        fold = walked.frame[walked.frame["fold"] == k]
        assert fitted.predict(since).loc[fold.index].to_list() == fold["forecast"].to_list()
        step = fitted.stepper()
        said = pd.Series([step.update(bar) for bar in since.itertuples()], index=since.index)
        assert said.loc[fold.index].to_list() == fold["forecast"].to_list()


def test_a_carried_state_remembers_what_no_window_shows(prices):
    fitted = CARRIED.fit(prices)
    changed = prices.copy()
    changed.loc[changed.index[10], ["open", "high", "low", "close"]] *= 1.02
    moved = (fitted.predict(prices) - fitted.predict(changed)).abs()
    assert moved.iloc[10 + TINY.window + 2] > 0  # longer than a window
    assert moved.iloc[-1] < 1e-12  # but not for ever


VARIANTS = [{"without": ("output",)}, {"coupled": True}, {"readout": "state"}, {"state": "carried"},
            {"cell": "rnn", "state": "carried", "readout": "state"}]  # fmt: skip


@pytest.mark.parametrize("fields", VARIANTS)
def test_every_variant_is_the_same_in_two_processes_and_after_saving(prices, tmp_path, fields):
    recipe = TINY.replace(**fields)
    one, two = (ls.forecast(prices, recipe, SHORT, n_jobs=n, progress=False).frame for n in (1, 2))
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    fitted = recipe.fit(prices)
    loaded = ls.load_forecaster(fitted.save(tmp_path / "fit.safetensors"))
    assert loaded.recipe.describe() == recipe.describe()
    assert loaded.predict(prices).to_list()[10:] == fitted.predict(prices).to_list()[10:]


def test_why_no_memory_means_f_is_zero():
    """f = 1 adds up all it has ever seen: it is not on the road to the RNN, which keeps nothing but h."""
    weights = {name: np.zeros(shape) for name, shape in
               {"weight_ih": (4, 1), "weight_hh": (4, 1), "bias_ih": (4,), "bias_hh": (4,)}.items()}  # fmt: skip
    weights["weight_ih"][2] = 1.0  # the candidate sees x, and nothing else
    rnn = RNN({name: array[2:3] for name, array in weights.items()})
    for bias, forgets in ((-100.0, True), (100.0, False)):
        weights["bias_ih"] = np.array([100.0, bias, 0.0, 100.0])
        lstm = LSTM(weights)
        state, simple = lstm.start(1), rnn.start(1)
        for x in (0.5, 0.0, 0.0):
            state, simple = lstm.step(np.array([x]), state), rnn.step(np.array([x]), simple)
        assert bool(abs(state[1][0, 0]) < 1e-40) is forgets
        assert simple[0][0, 0] == 0
