"""The walk: recipe x folds x members -> Forecasts, every fit in one warm pool of processes."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence
from typing import Any, NamedTuple, overload

import numpy as np
import pandas as pd

from lstm_signal.bars import as_prices, describe_prices, refuse_fake_opens, stamps_of
from lstm_signal.errors import FitError, InputError
from lstm_signal.fits import TrainingRows
from lstm_signal.forecaster import DEFAULT_SEED, Forecaster
from lstm_signal.forecasts import Forecasts, assemble
from lstm_signal.schedule import Fold, WalkForward
from lstm_signal.windows import Array, feature_matrix, targets


class _Plan(NamedTuple):
    """One recipe's walk, laid out: its folds, and the rows that each may see."""

    name: str
    recipe: Forecaster
    folds: list[Fold]
    rows: list[TrainingRows]
    shown: list[Array]  # features of the bars that lead to each fold's forecasts


class _Task(NamedTuple):
    """One fit: all that a worker needs, and where its answer belongs."""

    plan: int
    fold: int
    member: int
    name: str
    recipe: Forecaster
    rows: TrainingRows
    shown: Array
    bars: int  # the last ones shown, whose forecasts count
    seed: int


class _Answer(NamedTuple):
    """What one fit said: the training rows' mean target, and the forecasts of the fold's test bars."""

    plan: int
    fold: int
    member: int
    mean: float
    forecasts: Array


@overload
def forecast(
    prices: pd.DataFrame, recipe: Forecaster, schedule: WalkForward | None = ..., *, seed: int = ...,
    n_jobs: int | None = ..., name: str | None = ..., progress: bool = ...,
) -> Forecasts: ...  # fmt: skip
@overload
def forecast(
    prices: pd.DataFrame, recipe: Sequence[Forecaster], schedule: WalkForward | None = ..., *, seed: int = ...,
    n_jobs: int | None = ..., name: Sequence[str] | None = ..., progress: bool = ...,
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
        Processes; all cores by default. The forecasts do not depend on it.
    name : str or list of str, optional
        The model's column in every table; its cell by default.
    progress : bool
        Show fits done and time left on standard error, if that is a terminal.

    Returns
    -------
    Forecasts, or list of Forecasts

    Raises
    ------
    InputError
        If the prices are not clean, too short for one fold, or have opens that cannot be traded at.
    FitError
        If a fit became NaN: the model, fold and member are named.

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
    plans = [_plan(prices, each, schedule, label) for each, label in zip(recipes, names, strict=True)]
    answers = _run(_tasks(plans, seed), n_jobs, progress)
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
    """Raise InputError if two models have one name."""
    for label in names:
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
    shown = [x[lead - recipe.window + 1 : fold.test_stop].copy() for lead, fold in zip(leads, folds, strict=True)]
    return _Plan(name, recipe, folds, rows, shown)


def _tasks(plans: list[_Plan], seed: int) -> list[_Task]:
    return [
        _Task(number, fold.number, member, plan.name, plan.recipe, rows, shown, fold.test_stop - fold.test_start, seed)
        for number, plan in enumerate(plans)
        for fold, rows, shown in zip(plan.folds, plan.rows, plan.shown, strict=True)
        for member in plan.recipe.seeds
    ]


def _work(task: _Task) -> _Answer:
    """Fit one member of one fold and let it forecast the fold's test bars."""
    try:
        member = task.rows.fit(task.recipe, task.seed, task.member)
    except FitError as error:
        stamp = pd.Timestamp(task.rows.stamp)
        raise FitError(
            f"{task.name}, fold {task.fold} (first test bar {stamp}), member {task.member}: {error}"
        ) from error
    return _Answer(task.plan, task.fold, task.member, member.scaler.y_mean, member.forecast(task.shown)[-task.bars :])


def _run(tasks: list[_Task], n_jobs: int | None, progress: bool) -> list[_Answer]:
    """Return every task's answer, in the tasks' order, whichever process finishes first."""
    from joblib import Parallel, cpu_count, delayed
    from tqdm import tqdm

    if n_jobs is not None and (not isinstance(n_jobs, int) or isinstance(n_jobs, bool) or n_jobs < 1):
        raise InputError(f"n_jobs={n_jobs!r} must be a whole number of processes, 1 or more, or None for all cores.")
    trained = sum(task.recipe.cell != "linear" for task in tasks)
    processes = min(n_jobs or cpu_count(), max(1, trained))  # the linear model is done before a process has started
    if processes == 1:
        done = map(_work, tasks)
    else:
        pool = Parallel(n_jobs=processes, return_as="generator_unordered", batch_size=1)
        done = pool(delayed(_work)(task) for task in tasks)
    bar = tqdm(done, total=len(tasks), unit="fit", disable=None if progress else True)
    return sorted(bar, key=lambda answer: answer[:3])


def _collect(plan: _Plan, prices: pd.DataFrame, answers: list[_Answer], shared: dict[str, Any]) -> Forecasts:
    """Put the answers of one recipe's fits in time order and make its Forecasts."""
    members = [
        np.concatenate([answer.forecasts for answer in answers if answer.member == member])
        for member in plan.recipe.seeds
    ]
    parts = []
    for fold, rows in zip(plan.folds, plan.rows, strict=True):
        mean = next(answer.mean for answer in answers if answer.fold == fold.number)
        part = pd.DataFrame(index=prices.index[fold.test_start : fold.test_stop])
        key = rows.key(plan.recipe, shared["seed"])[:12]
        parts.append(part.assign(mean=mean, fold=fold.number, data_through=prices.index[fold.test_start], fit=key))
    about = shared | {
        "name": plan.name, "recipe": plan.recipe.describe(), "parameters": plan.recipe.parameters,
        "target": plan.recipe.resolved_target, "horizon": plan.recipe.horizon, "audited": True,
    }  # fmt: skip
    return assemble(plan.name, prices, pd.concat(parts), members, about, plan.recipe)


def versions() -> dict[str, str]:
    """Return the versions that numbers depend on."""
    packages = ("lstm-signal", "torch", "numpy", "scipy", "pandas", "backtrader")
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in packages}
