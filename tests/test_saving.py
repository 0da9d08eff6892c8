"""A fit on disk: data alone, whole or refused with a reason."""

import json
import pickle
import struct

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import lstm_signal as ls
from lstm_signal import saving
from tests.conftest import TINY


@pytest.fixture
def file(prices, tmp_path):
    return TINY.replace(coupled=True, readout="state", state="carried").fit(prices).save(tmp_path / "fit.safetensors")


def header(file) -> dict:
    content = file.read_bytes()
    return json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])


def with_header(file, change) -> None:
    """Write the file again with its JSON changed."""
    content = file.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    told = json.loads(content[8 : 8 + size])
    about = json.loads(told["__metadata__"]["lstm_signal"])
    change(about)
    told["__metadata__"]["lstm_signal"] = json.dumps(about)
    text = json.dumps(told).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])


def test_the_header_tells_recipe_and_provenance(file, prices):
    about = json.loads(header(file)["__metadata__"]["lstm_signal"])
    assert about["schema"] == 1
    assert (about["recipe"]["coupled"], about["recipe"]["readout"], about["recipe"]["state"]) == (
        True,
        "state",
        "carried",
    )
    assert about["seed"] == 7
    assert about["data_through"] == prices.index[-1].isoformat()
    assert len(about["key"]) == 64


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_a_file_cut_short_is_refused(file, keep):
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ls.InputError, match=r"fit.safetensors is cut short, damaged or no safetensors file"):
        ls.load_forecaster(file)


def test_a_missing_a_foreign_and_a_pickled_file_are_refused(file, tmp_path):
    with pytest.raises(ls.InputError, match="no such file"):
        ls.load_forecaster(tmp_path / "gone.safetensors")
    save_file({"a": np.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ls.InputError, match="holds safetensors, but no fit"):
        ls.load_forecaster(tmp_path / "foreign.safetensors")

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    (tmp_path / "trap.safetensors").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ls.InputError, match="no safetensors file"):
        ls.load_forecaster(tmp_path / "trap.safetensors")
    assert not (tmp_path / "sprung").exists()


CHANGES = {
    "a newer format": (lambda about: about.update(schema=2), "has format 2, this version reads 1"),
    "no recipe": (lambda about: about.pop("recipe"), "damaged or was edited"),
    "another size": (lambda about: about["recipe"].update(hidden=5), "damaged or was edited"),
    "an unknown field": (lambda about: about["recipe"].update(command="rm"), "damaged or was edited"),
    "another history": (lambda about: about.update(data_through="1999-01-04"), "damaged or was edited"),
    "no fingerprint": (lambda about: about.pop("sha256"), "no fit that FittedForecaster.save wrote"),
}
FORGED = {  # with a fingerprint made for what was changed
    "no recipe": (lambda about: about.pop("recipe"), "do not fit together"),
    "another size": (lambda about: about["recipe"].update(hidden=5, window=3, members=3), "do not fit together"),
    "another cell": (lambda about: about["recipe"].update(cell="rnn", coupled=False), "do not fit together"),
    "an unknown field": (lambda about: about["recipe"].update(command="rm"), "has no field 'command'"),
    "a field out of range": (lambda about: about["recipe"].update(window=-3), "window=-3"),
    "no list of features": (lambda about: about["recipe"].update(features=3), "do not fit together"),
    "no provenance": (lambda about: about.pop("seed"), "do not fit together"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_header_is_refused_with_a_reason(file, name):
    change, told = FORGED[name]
    tensors = load_file(file)

    def forge(about):
        change(about)
        about["sha256"] = saving._digest(about, tensors)

    with_header(file, forge)
    with pytest.raises(ls.InputError, match=told):
        ls.load_forecaster(file)


@pytest.mark.parametrize("name", CHANGES)
def test_an_edited_header_is_refused_with_a_reason(file, name):
    change, told = CHANGES[name]
    with_header(file, change)
    with pytest.raises(ls.InputError, match=told):
        ls.load_forecaster(file)


def test_weights_that_changed_are_refused(file):
    content = bytearray(file.read_bytes())
    content[-400:] = b"\xff" * 400
    file.write_bytes(bytes(content))
    with pytest.raises(ls.InputError, match="damaged or was edited"):
        ls.load_forecaster(file)
