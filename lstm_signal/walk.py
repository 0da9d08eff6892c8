"""The walk: recipe x folds x members -> Forecasts, every fit in one warm pool of processes."""

from __future__ import annotations

import importlib.metadata
import platform
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
import pandas as pd

from lstm_signal import pool
from lstm_signal.bars import as_prices, describe_prices, refuse_fake_opens, stamps_of
from lstm_signal.errors import FitWarning, InputError
from lstm_signal.fits import TrainingRows
from lstm_signal.forecaster import DEFAULT_SEED, Forecaster
from lstm_signal.forecasts import Forecasts, assemble
from lstm_signal.schedule import Fold, WalkForward
from lstm_signal.store import Store
from lstm_signal.tasks import Answer, Task, run
from lstm_signal.windows import Array, feature_matrix, targets


class _Plan(NamedTuple):
    """One recipe's walk, laid out: its folds, and the rows that each may see, views into one array of features."""

    name: str
    recipe: Forecaster
    folds: list[Fold]
    rows: list[TrainingRows]
    shown: list[Array]  # features of the bars that lead to each fold's forecasts


@overload
def forecast(
    prices: pd.DataFrame, recipe: Forecaster, schedule: WalkForward | None = ..., *, seed: int = ...,
    n_jobs: int | None = ..., name: str | None = ..., progress: bool = ..., store: str | Path | None = ...,
    on_error: str = ...,
) -> Forecasts: ...  # fmt: skip
@overload
def forecast(
    prices: pd.DataFrame, recipe: Sequence[Forecaster], schedule: WalkForward | None = ..., *, seed: int = ...,
    n_jobs: int | None = ..., name: Sequence[str] | None = ..., progress: bool = ..., store: str | Path | None = ...,
    on_error: str = ...,
) -> list[Forecasts]: ...  # fmt: skip
def forecast(
    prices: pd.DataFrame,
    recipe: Forecaster | Sequence[Forecaster],
    schedule: WalkForward | None = None,
    *,
    seed: int = DEFAULT_SEED,
    n_jobs: int | None = None,
    name: str | Sequence[str] | None = None,
    progress: bool = True,
    store: str | Path | None = None,
    on_error: str = "raise",
) -> Forecasts | list[Forecasts]:
    """Walk forward: refit on each fold's training bars, forecast its test bars.

    Parameters
    ----------
    prices : DataFrame, shape (bars, 6)
    recipe : Forecaster or list of Forecaster
        Several recipes share one pool of processes and one progress bar, and give a list.
    schedule : WalkForward, optional
        Which bars train and which are forecast; the default is 1,000 and 250, rolling.
    seed : int
        Keys all randomness. The same bars, recipe and seed give the same bits.
    n_jobs : int, optional
        Processes; all cores by default. They are started where that saves time, and kept for the next walk. The
        forecasts do not depend on it.
    name : str or list of str, optional
        The model's column in every table; its cell by default.
    progress : bool
        Show fits done and time left on standard error, if that is a terminal or a notebook.
    store : str or Path, optional
        Folder in which each fit is kept, found by its content, and taken from by the next walk: the same walk again
        trains nothing, one that was stopped goes on, a longer history trains its new folds alone. So does an earlier
        start, by a multiple of `test` bars and rolling; otherwise the folds' edges move, and all is trained again.
    on_error : {"raise", "nan"}
        Whether a fit that becomes NaN ends the walk, or leaves NaN in place of its fold's forecasts, with a
        FitWarning and an entry under "failed" in `Forecasts.about`. Such a fit is not kept.

    Returns
    -------
    Forecasts, or list of Forecasts

    Raises
    ------
    InputError
        If the prices are not clean, too short for one fold, or have opens that cannot be traded at.
    FitError
        If a fit became NaN (the model, fold and member are named), or a process was killed.
    OSError
        If a fit cannot be kept; those before it are.
    KeyboardInterrupt
        On Ctrl-C, with a line on how to go on.

    Examples
    --------
    >>> from lstm_signal import sample_prices
    >>> linear = forecast(sample_prices().iloc[:400], Forecaster(cell="linear"), WalkForward(train=200, test=100))
    >>> len(linear), linear.frame.index[0].date().isoformat()
    (179, '1999-11-17')
    """
    prices = as_prices(prices)
    recipes = _recipes(recipe)
    names = _names(name, recipes)
    schedule = WalkForward() if schedule is None else schedule
    if not isinstance(schedule, WalkForward):
        raise InputError(f"schedule={schedule!r} must be a WalkForward, as in WalkForward(train=1000, test=250).")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise InputError(f"seed={seed!r} must be a whole number.")
    if on_error not in ("raise", "nan"):
        raise InputError(f"on_error={on_error!r} must be 'raise' (end the walk) or 'nan' (forecast NaN in that fold).")
    jobs = pool.check_jobs(n_jobs)
    plans = [_plan(prices, each, schedule, label) for each, label in zip(recipes, names, strict=True)]
    kept = None if store is None else Store(store)
    tasks = _tasks(plans, seed, kept, on_error)
    answers = sorted(run(tasks, jobs, progress), key=lambda answer: answer[:3])
    _warn(answers)
    shared = {
        "prices": describe_prices(prices),
        "schedule": schedule.describe(),
        "seed": seed,
        "versions": versions(),
    }
    walked = [
        _collect(plan, prices, [answer for answer in answers if answer.plan == number], shared)
        for number, plan in enumerate(plans)
    ]
    return walked[0] if isinstance(recipe, Forecaster) else walked


def _recipes(recipe: Forecaster | Sequence[Forecaster]) -> list[Forecaster]:
    recipes = [recipe] if isinstance(recipe, Forecaster) else recipe
    if not isinstance(recipes, list | tuple) or not recipes or not all(isinstance(r, Forecaster) for r in recipes):
        raise InputError(f"forecast takes a Forecaster or a list of them, not {recipe!r}.")
    return list(recipes)


def _names(name: str | Sequence[str] | None, recipes: list[Forecaster]) -> list[str]:
    names = [each.cell for each in recipes] if name is None else [name] if isinstance(name, str) else list(name)
    if len(names) != len(recipes):
        raise InputError(f"{len(names)} names for {len(recipes)} recipes: give one name a recipe.")
    check_names(names)
    return names


def check_names(names: Sequence[str]) -> None:
    """Raise InputError if two models have one name, or one has a name that cannot be shown."""
    for label in names:
        if not label.strip() or not label.isprintable():
            raise InputError(
                f"a model's name must be text that can be shown on a line, not {label!r}: give another name=."
            )
        if names.count(label) > 1:
            raise InputError(
                f"two models are called {label!r}: name one otherwise, by name= of forecast or "
                "from_frame, or by dataclasses.replace(model, name=...)."
            )


def _plan(prices: pd.DataFrame, recipe: Forecaster, schedule: WalkForward, name: str) -> _Plan:
    if recipe.resolved_target == "open":
        refuse_fake_opens(prices)
    folds = schedule.folds(len(prices), recipe.warm_up, recipe.lag)
    x, y = feature_matrix(prices, recipe.features), targets(prices, recipe.resolved_target, recipe.horizon)
    rows = [TrainingRows.cut(recipe, x, y, stamps_of(prices), fold.first, fold.last) for fold in folds]
    carried = recipe.state == "carried"  # from zero at the first bar of the first training window
    leads = [fold.first if carried else fold.test_start for fold in folds]
    shown = [x[lead - recipe.window + 1 : fold.test_stop] for lead, fold in zip(leads, folds, strict=True)]
    return _Plan(name, recipe, folds, rows, shown)


def _tasks(plans: list[_Plan], seed: int, store: Store | None, on_error: str) -> list[Task]:
    return [
        Task(
            number, fold.number, member, plan.name, plan.recipe, rows, shown, fold.test_stop - fold.test_start, seed,
            rows.key(plan.recipe, seed, member), store, on_error,
        )
        for number, plan in enumerate(plans)
        for fold, rows, shown in zip(plan.folds, plan.rows, plan.shown, strict=True)
        for member in plan.recipe.seeds
    ]  # fmt: skip


def _warn(answers: list[Answer]) -> None:
    """Say which fits failed, where the walk was to go on."""
    failures = [answer.failure for answer in answers if answer.failure]
    if failures:
        said = f"{len(failures)} of {len(answers)} fits failed, and left NaN: {failures[0]}"
        warnings.warn(said, FitWarning, stacklevel=3)


def _collect(plan: _Plan, prices: pd.DataFrame, answers: list[Answer], shared: dict[str, Any]) -> Forecasts:
    """Put the answers of one recipe's fits in time order and make its Forecasts."""
    members = [
        np.concatenate([answer.forecasts for answer in answers if answer.member == member])
        for member in plan.recipe.seeds
    ]
    parts = []
    for fold, rows in zip(plan.folds, plan.rows, strict=True):
        part = pd.DataFrame(index=prices.index[fold.test_start : fold.test_stop])
        key, through = rows.key(plan.recipe, shared["seed"])[:12], prices.index[fold.test_start]
        parts.append(part.assign(mean=rows.y.mean(), fold=fold.number, data_through=through, fit=key))
    failed = [
        {"fold": answer.fold, "first_bar": prices.index[plan.folds[answer.fold].test_start].isoformat(),
         "bars": len(answer.forecasts), "member": answer.member, "reason": answer.failure}
        for answer in answers if answer.failure
    ]  # fmt: skip
    about = shared | {
        "name": plan.name, "recipe": plan.recipe.describe(), "parameters": plan.recipe.parameters,
        "target": plan.recipe.resolved_target, "horizon": plan.recipe.horizon, "audited": True, "failed": failed,
    }  # fmt: skip
    return assemble(plan.name, prices, pd.concat(parts), members, about, plan.recipe)


def versions() -> dict[str, str]:
    """Return the versions that numbers depend on."""
    packages = ("lstm-signal", "torch", "numpy", "scipy", "pandas", "backtrader")
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in packages}
