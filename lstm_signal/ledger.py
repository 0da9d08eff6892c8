"""What was tried on the same bars: the more, the less the best of it says.

A comparison appends its new trials to a file named by the bars' fingerprint. A trial is what decides its returns: the
model's recipe, schedule and seed (or what its forecasts were), strategy, parameters, fill.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from lstm_signal.errors import InputError
from lstm_signal.evidence import expected_best_sharpe
from lstm_signal.forecasts import Forecasts


@dataclass(frozen=True)
class Trials:
    """How much was tried on the same bars.

    Attributes
    ----------
    here, lifetime : int
        In this comparison, and in all that the ledger knows of, this one included.
    elsewhere : int
        What was tried without the ledger, as the user says.
    variance : float
        Of the Sharpe ratios a bar of all known trials; NaN for fewer than two.
    """

    here: int
    lifetime: int
    elsewhere: int
    variance: float

    @property
    def best_by_luck(self) -> float:
        """The Sharpe ratio a bar that the best of all trials is expected to have without skill."""
        return expected_best_sharpe(self.lifetime + self.elsewhere, self.variance)


def identity(model: Forecasts, strategy: str, parameters: Mapping[str, Any], fill: str) -> dict[str, Any]:
    """Return what tells one trial from another."""
    about = model.about
    if model.audited:
        said: Any = {name: about[name] for name in ("recipe", "schedule", "seed")}
    else:
        said = hashlib.sha256(model.frame["forecast"].to_numpy(dtype="<f8").tobytes()).hexdigest()
    return {"forecasts": said, "strategy": strategy, "parameters": dict(parameters), "fill": fill}


def count(
    tried: Mapping[str, tuple[Mapping[str, Any], float]], sha256: str, folder: str | Path | None, elsewhere: int
) -> Trials:
    """Append what is new among the trials to the ledger of these bars, and count.

    Parameters
    ----------
    tried : mapping
        By model, its `identity` and its Sharpe ratio a bar, NaN where it has none.
    sha256 : str
        The bars' fingerprint.
    folder : str or Path, optional
        Of the ledgers; None keeps none, and counts what is tried here.
    elsewhere : int

    Raises
    ------
    InputError
        If `elsewhere` is no whole number of trials, or the ledger cannot be written.
    """
    if isinstance(elsewhere, bool) or not isinstance(elsewhere, int) or elsewhere < 0:
        raise InputError(
            f"trials={elsewhere!r} must be a whole number: how many things were tried elsewhere, 0 or more."
        )
    lines = {}
    for told, sharpe in tried.values():
        text = json.dumps(told, sort_keys=True, default=str)
        key = hashlib.sha256(text.encode()).hexdigest()
        lines[key] = {"trial": key, "sharpe": sharpe if np.isfinite(sharpe) else None, "about": json.loads(text)}
    known = dict(lines) if folder is None else _appended(lines, Path(folder), sha256)
    sharpes = [line["sharpe"] for line in known.values() if line["sharpe"] is not None]
    variance = float(np.var(sharpes, ddof=1)) if len(sharpes) > 1 else float("nan")
    return Trials(len(lines), len(known), elsewhere, variance)


def _appended(lines: Mapping[str, Any], folder: Path, sha256: str) -> dict[str, Any]:
    """Return all trials of these bars, after those that are new were appended."""
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError(f"no fingerprint: {sha256!r}")
    path = folder / f"{sha256}.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), mode=0o666):
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            known = _read(text)
            new = [line for key, line in lines.items() if key not in known]
            if new:
                broken = "\n" if text and not text.endswith("\n") else ""  # a line that a crash cut short
                with path.open("a", encoding="utf-8") as file:
                    file.write(broken + "".join(json.dumps(line) + "\n" for line in new))
    except OSError as error:
        raise InputError(f"cannot keep the ledger {path}: {error}. Name another folder, or keep none.") from error
    return known | {line["trial"]: line for line in new}


def _read(text: str) -> dict[str, Any]:
    known = {}
    for line in text.splitlines():
        try:
            trial = json.loads(line)
            known[trial["trial"]] = {"trial": trial["trial"], "sharpe": trial["sharpe"]}
        except (json.JSONDecodeError, KeyError, TypeError):
            continue  # cut short by a crash: its trial is appended again
    return known
