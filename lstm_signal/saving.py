"""A fit on disk: one safetensors file, with recipe, scaler and provenance as JSON in its header."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lstm_signal.cells import Weights
from lstm_signal.errors import InputError
from lstm_signal.files import replacing
from lstm_signal.fits import Member
from lstm_signal.recipe import Recipe
from lstm_signal.windows import FeatureFunction, Scaler, describe_feature

SCHEMA = 1


def write_fit(path: Path, recipe: Recipe, members: Sequence[Member], provenance: Mapping[str, Any]) -> None:
    """Write the members of one fit, whole or not at all."""
    from safetensors.numpy import save

    tensors: dict[str, np.ndarray] = {}
    for number, member in enumerate(members):
        tensors |= {f"{number}/{name}": np.ascontiguousarray(w) for name, w in member.weights.items()}
    scaler = members[0].scaler
    tensors |= {"x_mean": scaler.x_mean, "x_scale": scaler.x_scale,
                "y_mean": np.array([scaler.y_mean]), "y_scale": np.array([scaler.y_scale])}  # fmt: skip
    about = {"schema": SCHEMA, "recipe": recipe.describe(), **provenance}
    about["sha256"] = _digest(about, tensors)
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors, metadata={"lstm_signal": json.dumps(about)}))


def read_fit(
    path: Path, features: Sequence[FeatureFunction]
) -> tuple[dict[str, Any], tuple[Member, ...], dict[str, Any]]:
    """Return the recipe's fields, the members and the provenance of a fit; nothing in the file is run.

    Raises
    ------
    InputError
        If the file is cut short, damaged, foreign or of another format; if it needs a feature that is not given.
    """
    about, tensors = _read(path, whole=True)
    try:
        fields = about["recipe"] | {"features": _known_features(about["recipe"], features)}
        recipe = Recipe(**fields)
        y_mean, y_scale = (float(tensors[name][0]) for name in ("y_mean", "y_scale"))
        scaler = Scaler(tensors["x_mean"], tensors["x_scale"], y_mean, y_scale)
        members = tuple(
            Member(recipe.trained_cell, recipe.window, scaler, _member_weights(tensors, number), recipe.state)
            for number in recipe.seeds
        )
        for member in members:
            if {name: array.shape for name, array in member.weights.items()} != _shapes(recipe):
                raise ValueError("weights of another shape than the recipe's")
            if not all(np.isfinite(array).all() for array in member.weights.values()):
                raise ValueError("weights that are not finite")
        return fields, members, {name: about[name] for name in ("seed", "data_through", "key")}
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"{path} is damaged, its parts do not fit together: {error!r}. Fit again.") from error


def read_header(path: Path, whole: bool) -> dict[str, Any]:
    """Return what the header of a fit says: recipe and provenance; checked against the arrays if `whole`.

    Raises
    ------
    InputError
        As `read_fit`, but for features.
    """
    return _read(path, whole)[0]


def _read(path: Path, whole: bool) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the header of a file of ours and, read whole and checked against its fingerprint, its arrays."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputError(f"no such file: {path}. Give the path of a fit that FittedForecaster.save wrote.")
    try:
        path.open("rb").close()  # safetensors says of a file that may not be read that there is none
    except PermissionError as error:
        raise InputError(f"{path} may not be read: {error.strerror}.") from error
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()} if whole else {}  # noqa: SIM118
        about = json.loads(metadata["lstm_signal"])
        schema, digest = about["schema"], about["sha256"]
    except SafetensorError as error:
        raise InputError(f"{path} is cut short, damaged or no safetensors file: {error}. Fit again.") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{path} holds safetensors, but no fit that FittedForecaster.save wrote.") from error
    if schema != SCHEMA:
        raise InputError(
            f"{path} has format {schema!r}, this version reads {SCHEMA}. Use the one that wrote it, or fit again."
        )
    if whole and digest != _digest(about, tensors):
        raise InputError(f"{path} is damaged or was edited: it does not match its fingerprint. Fit again.")
    return about, tensors


def _digest(about: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of a header, but for its own entry, and of the arrays."""
    told = {name: value for name, value in about.items() if name != "sha256"}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype.str} {tensors[name].shape}".encode())
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()


def _shapes(recipe: Recipe) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array that a member of the recipe has."""
    inputs, hidden = len(recipe.features), recipe.hidden
    if recipe.cell == "linear":
        return {"weight": (recipe.window * inputs,), "bias": (1,)}
    rows = hidden * (4 if recipe.trained_cell == "lstm" else 1)
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(recipe.layers):
        shapes |= {f"{layer}.weight_ih": (rows, hidden if layer else inputs), f"{layer}.weight_hh": (rows, hidden),
                   f"{layer}.bias_ih": (rows,), f"{layer}.bias_hh": (rows,)}  # fmt: skip
    return shapes | ({"readout.weight": (1, hidden), "readout.bias": (1,)} if recipe.readout == "linear" else {})


def _member_weights(tensors: Mapping[str, np.ndarray], number: int) -> Weights:
    prefix = f"{number}/"
    return {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}


def _known_features(recipe: Mapping[str, Any], given: Sequence[FeatureFunction]) -> tuple[str | FeatureFunction, ...]:
    """Return the recipe's features, each of one's own replaced by the function that has its name and source."""
    found: list[str | FeatureFunction] = []
    described = {json.dumps(describe_feature(function), sort_keys=True): function for function in given}
    for item in recipe["features"]:
        key = json.dumps(item, sort_keys=True)
        if not isinstance(item, str) and key not in described:
            raise InputError(
                f"the fit used a feature of its own, {item['name']!r}: pass that very function in features=(...,), "
                "unchanged since the fit: ls.load_forecaster(path, features=(...,))."
            )
        found.append(item if isinstance(item, str) else described[key])
    return tuple(found)
