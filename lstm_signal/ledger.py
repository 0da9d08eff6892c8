"""What was tried on the same bars: the more, the less the best of it says.

A comparison appends its new trials to a file named by the bars' fingerprint. A trial is a choice: the model's recipe,
schedule and seed (or what its forecasts were), the strategy's source and parameters, and the fill. What trading costs
is no choice; and other bars, one more or one fewer, are another ledger.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import isfunction
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from lstm_signal.bars import stamps_of
from lstm_signal.bt.strategy import ForecastStrategy
from lstm_signal.errors import InputError
from lstm_signal.estimates import sharpe_chance
from lstm_signal.evidence import expected_best_sharpe
from lstm_signal.forecasts import Forecasts
from lstm_signal.measures import NEVER_TRADED
from lstm_signal.money import excess, sharpe_of
from lstm_signal.results import Run
from lstm_signal.runs import full_parameters
from lstm_signal.units import TRADING_ROWS, Measure, measured
from lstm_signal.windows import source_of


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


def identities(
    models: Sequence[Forecasts], sharpes: Mapping[str, float], run: Run, strategy: type[ForecastStrategy]
) -> list[tuple[dict[str, Any], float]]:
    """Return what tells the trial of each model from others, with its Sharpe ratio a bar.

    Parameters
    ----------
    models : list of Forecasts
    sharpes : mapping
        By model, its annual Sharpe ratio; NaN where it has none.
    run : Run
        Of the strategy on any of them.
    strategy : class
    """
    chosen = {"strategy": run.strategy, "source": _source(strategy), "fill": run.about["fill"]}
    chosen["parameters"] = full_parameters(strategy, run.about["parameters"])
    a_bar = math.sqrt(run.about["periods_per_year"])
    return [({"forecasts": _said(model)} | chosen, sharpes[model.name] / a_bar) for model in models]


def _said(model: Forecasts) -> Any:
    if model.audited:
        return {name: model.about[name] for name in ("recipe", "schedule", "seed")}
    values = model.frame["forecast"].to_numpy(dtype="<f8").tobytes()
    return hashlib.sha256(stamps_of(model.frame).asi8.astype("<i8").tobytes() + values).hexdigest()


def _source(cls: type) -> str:
    """Return the SHA-256 of what a strategy's own functions do, its bases' up to ForecastStrategy included."""
    own = [each for each in cls.__mro__ if issubclass(each, ForecastStrategy) and each is not ForecastStrategy]
    text = [source_of(item) for each in own for _, item in sorted(vars(each).items()) if isfunction(item)]
    return hashlib.sha256("".join(text).encode()).hexdigest()


def deflated_sharpe(run: Run, trials: Trials) -> Measure:
    """Return the probability that a run's Sharpe ratio exceeds what the best of all that was tried has by luck."""
    traded = math.isfinite(sharpe_of(run))
    chance = sharpe_chance(excess(run), trials.best_by_luck) if traded else math.nan
    reason = "the spread of what was tried is not known" if traded else NEVER_TRADED
    return measured(TRADING_ROWS, "deflated_sharpe", chance, reason)


def count(
    tried: Sequence[tuple[Mapping[str, Any], float]], sha256: str, folder: str | Path | None, elsewhere: int
) -> Trials:
    """Append what is new among the trials to the ledger of these bars, and count.

    Parameters
    ----------
    tried : list
        Of what tells a trial from others, and its Sharpe ratio a bar, NaN where it has none; see `identities`.
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
    if isinstance(elsewhere, bool) or not isinstance(elsewhere, Integral) or elsewhere < 0:
        raise InputError(
            f"trials={elsewhere!r} must be a whole number: how many things were tried elsewhere, 0 or more."
        )
    lines = {}
    for told, sharpe in tried:
        text = json.dumps(plain(told), sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()
        lines[key] = {"trial": key, "sharpe": sharpe if np.isfinite(sharpe) else None, "about": json.loads(text)}
    known = dict(lines) if folder is None else _appended(lines, Path(folder), sha256)
    sharpes = [line["sharpe"] for line in known.values() if line["sharpe"] is not None]
    variance = float(np.var(sharpes, ddof=1)) if len(sharpes) > 1 else float("nan")
    return Trials(len(lines), len(known), int(elsewhere), variance)


def plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping as JSON can hold it: what JSON does not know as text, without the place it has in memory."""
    text = json.dumps(value, default=lambda item: re.sub(r" at 0x[0-9a-f]+", "", str(item)))
    told: dict[str, Any] = json.loads(text)
    return told


def _appended(lines: Mapping[str, Any], folder: Path, sha256: str) -> dict[str, Any]:
    """Return all trials of these bars, after those that are new were appended."""
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError(f"no fingerprint: {sha256!r}")
    path = folder / f"{sha256}.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), mode=0o666):
            text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
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
            sharpe = None if trial["sharpe"] is None else float(trial["sharpe"])
            known[str(trial["trial"])] = {"sharpe": sharpe if sharpe is None or math.isfinite(sharpe) else None}
        except (ValueError, KeyError, TypeError):
            continue  # cut short by a crash: its trial is appended again
    return known
