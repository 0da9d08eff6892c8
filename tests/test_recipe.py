"""A recipe's fields and their bounds, its number of parameters, and the recipe that matches it."""

import json
import pickle

import numpy as np
import pytest

from lstm_signal.errors import InputError
from lstm_signal.forecaster import Forecaster
from lstm_signal.linear import ridge
from lstm_signal.networks import Network
from lstm_signal.recipe import Recipe
from lstm_signal.windows import feature


@feature(lookback=5)
def week_range(prices):
    return prices["high"].max() / prices["low"].min() - 1


def test_the_defaults_are_those_of_the_design():
    assert Recipe().describe() == {
        "cell": "lstm", "without": [], "coupled": False, "readout": "linear", "state": "window",
        "window": 20, "horizon": 1, "features": ["return"], "target": "open", "hidden": 32,
        "layers": 1, "dropout": 0, "epochs": 20, "batch": 64, "learning_rate": 1e-3, "weight_decay": 0,
        "patience": None, "validation": 0.2, "loss": "mse",
        "forget_bias": 1, "recurrent_start": "torch", "members": 5, "coverage": 0.9,
    }  # fmt: skip
    assert Recipe().target is None


# Refusals


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"hiden": 8}, "no field 'hiden'. Did you mean \"hidden\""),
        ({"cell": "lstn"}, "unknown cell 'lstn'. Did you mean \"lstm\""),
        ({"loss": "hubert"}, "unknown loss 'hubert'. Did you mean \"huber\""),
        ({"target": "opens"}, "unknown target 'opens'. Did you mean \"open\""),
        ({"recurrent_start": "orthogonl"}, 'unknown recurrent_start .* Did you mean "orthogonal"'),
        ({"features": ("returns",)}, "unknown feature 'returns'. Did you mean \"return\""),
        ({"features": "returns"}, "unknown feature 'returns'. Did you mean \"return\""),
        ({"features": ()}, "at least one feature"),
        ({"features": ("gap", "gap")}, "each once"),
        ({"features": (print,)}, "'print' declares lookback None"),
    ],
)
def test_what_is_unknown_is_refused_with_what_is_meant(fields, words):
    with pytest.raises(InputError, match=words):
        Recipe(**fields)


@pytest.mark.parametrize("value", [0, -1, 2.0, True, "2", None])
@pytest.mark.parametrize("name", ["window", "horizon", "hidden", "layers", "epochs", "batch", "members"])
def test_counts_are_whole_and_at_least_one(name, value):
    with pytest.raises(InputError, match=f"{name}={value!r} must be a whole number, 1 or more"):
        Recipe(**{name: value})
    assert getattr(Recipe(**{name: 1}), name) == 1


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("dropout", [-0.1, 1.0, 1.5], [0.0, 0.99]),
        ("coverage", [0.0, 1.0, -0.5, 2.0], [0.01, 0.99]),
        ("validation", [0.0, 1.0, -0.5, 2.0], [0.01, 0.99]),
        ("learning_rate", [0.0, -1e-3, np.inf], [1e-9, 1.0]),
        ("weight_decay", [-1e-9, np.inf], [0.0, 10.0]),
        ("forget_bias", [np.inf, -np.inf], [-2.0, 0.0]),
    ],
)
def test_numbers_stay_in_their_range(name, wrong, right):
    for value in (*wrong, np.nan, True, False, None, "0.5"):
        with pytest.raises(InputError, match=f"{name}={value!r} must be"):
            Recipe(**{name: value})
    for value in right:
        assert getattr(Recipe(**{name: value}), name) == value


# A recipe is a value


def test_replace_changes_what_is_named_and_keeps_the_class():
    lstm = Forecaster(window=10, hidden=8, features=["return", week_range])
    rnn = lstm.replace(cell="rnn")
    assert type(rnn) is Forecaster
    assert type(Recipe().replace(hidden=4)) is Recipe
    assert rnn == Forecaster(cell="rnn", window=10, hidden=8, features=("return", week_range))
    assert lstm.cell == "lstm"
    with pytest.raises(InputError, match="a Forecaster has no field 'cel'"):
        lstm.replace(cel="rnn")
    with pytest.raises(InputError, match="window=0"):
        lstm.replace(window=0)


def test_a_recipe_is_frozen_hashable_and_pickled():
    recipe = Forecaster(features=("gap", week_range), hidden=8)
    with pytest.raises(AttributeError):
        recipe.hidden = 16
    assert len({recipe, recipe.replace(), recipe.replace(hidden=9)}) == 2
    assert pickle.loads(pickle.dumps(recipe)) == recipe


def test_features_may_be_given_alone_or_as_a_list():
    assert Recipe(features="gap").features == ("gap",)
    assert Recipe(features=["gap", "range"]).features == ("gap", "range")
    assert Recipe(features=week_range).features == (week_range,)


def test_a_described_recipe_is_json_and_makes_the_recipe_again():
    told = json.loads(json.dumps(Recipe(features=("gap", week_range), target="close").describe()))
    assert told["target"] == "close"
    assert told["features"][0] == "gap"
    assert (told["features"][1]["name"], told["features"][1]["lookback"]) == ("week_range", 5)
    assert Recipe(**(told | {"features": ("gap", week_range)})) == Recipe(features=("gap", week_range), target="close")


@pytest.mark.parametrize("number", [float, np.float32, np.float64, int])
def test_equal_recipes_are_described_by_equal_json(number):
    plain = Recipe(learning_rate=1, weight_decay=0, dropout=0, forget_bias=1)
    same = Recipe(learning_rate=number(1), weight_decay=number(0), dropout=number(0), forget_bias=number(1))
    assert plain == same
    assert json.dumps(plain.describe()) == json.dumps(same.describe())


# What follows from the fields


@pytest.mark.parametrize(
    ("fields", "lag", "warm_up"),
    [
        ({}, 2, 20),
        ({"target": "close", "horizon": 3}, 3, 20),
        ({"target": "next_close", "window": 5}, 2, 5),
        ({"target": "open", "horizon": 4, "features": ("return", week_range)}, 5, 24),
    ],
)
def test_lag_and_warm_up(fields, lag, warm_up):
    assert (Recipe(**fields).lag, Recipe(**fields).warm_up) == (lag, warm_up)


@pytest.mark.parametrize("value", [0, -1, 2.0, True, "2"])
def test_patience_counts_epochs_or_is_none(value):
    with pytest.raises(InputError, match=f"patience={value!r} must be a whole number, 1 or more"):
        Recipe(patience=value)
    assert (Recipe().patience, Recipe(patience=1).patience) == (None, 1)


@pytest.mark.parametrize(
    ("fields", "rows", "split"),
    [
        ({}, 100, (100, 100)),
        ({"patience": 3}, 100, (79, 80)),  # lag 2: the target of row 78 is known at row 80
        ({"patience": 3, "target": "close"}, 100, (80, 80)),
        ({"patience": 3, "horizon": 5}, 100, (75, 80)),
        ({"patience": 3, "validation": 0.001}, 100, (98, 99)),
        ({"patience": 3, "cell": "linear"}, 100, (100, 100)),
    ],
)
def test_rows_held_back_lie_behind_the_lag(fields, rows, split):
    assert Recipe(**fields).split(rows) == split


def test_a_share_that_leaves_nothing_to_train_on_is_refused():
    assert Recipe(patience=1, validation=0.98).split(100) == (1, 2)
    with pytest.raises(InputError, match=r"100 training rows less 99 held back \(validation=0.99\) and the lag of 2"):
        Recipe(patience=1, validation=0.99).split(100)


def test_every_network_has_its_members_and_the_linear_model_one():
    assert list(Recipe(members=3).seeds) == [0, 1, 2]
    assert list(Recipe(cell="linear", members=3).seeds) == [0]


@pytest.mark.parametrize("features", [("return",), ("return", "gap", "range")])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("hidden", [1, 8, 33])
@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_parameters_are_what_torch_counts(cell, hidden, layers, features):
    network = Network(cell, len(features), hidden, layers, 0.0)
    counted = sum(parameter.numel() for parameter in network.parameters())
    assert Recipe(cell=cell, hidden=hidden, layers=layers, features=features).parameters == counted


def test_parameters_of_the_linear_model_are_its_weights_and_bias():
    draw = np.random.default_rng(0).standard_normal
    weights = ridge(draw((34, 3)), draw(30), window=5)
    counted = sum(array.size for array in weights.values())
    assert Recipe(cell="linear", window=5, features=("return", "gap", "range")).parameters == counted == 16


@pytest.mark.parametrize("features", [("return",), ("return", "gap", "range")])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("hidden", [1, 2, 7, 32])
@pytest.mark.parametrize(("cell", "other"), [("lstm", "rnn"), ("rnn", "lstm")])
def test_matched_has_the_nearest_number_of_parameters(cell, other, hidden, layers, features):
    recipe = Forecaster(cell=cell, hidden=hidden, layers=layers, features=features, epochs=3)
    matched = recipe.matched(other)
    assert matched == recipe.replace(cell=other, hidden=matched.hidden)
    nearest = min(abs(matched.replace(hidden=size).parameters - recipe.parameters) for size in range(1, 300))
    assert abs(matched.parameters - recipe.parameters) == nearest


def test_the_default_lstm_is_matched_by_an_rnn_of_65():
    assert (Recipe().parameters, Recipe().matched("rnn").hidden) == (4513, 65)
