"""The fits of a walk: all that a process needs to make one, what it answers, and how all of them are run."""

from __future__ import annotations

import math
import os
import sys
import warnings
from contextlib import closing
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from lstm_signal import pool
from lstm_signal.errors import FitError, FitWarning, InputError
from lstm_signal.fits import Member, TrainingRows
from lstm_signal.recipe import Recipe
from lstm_signal.store import Store
from lstm_signal.windows import Array


class Task(NamedTuple):
    """One member of one fold of one model.

    Attributes
    ----------
    plan, fold, member : int
        Where its answer belongs.
    name : str
        The model's.
    recipe : Recipe
    rows : TrainingRows
    shown : ndarray, shape (bars, F)
        Features of the bars that lead to the fold's forecasts; the last `bars` of them are forecast.
    bars : int
    seed : int
    key : str
        The fit's name in a store.
    store : Store or None
    on_error : {"raise", "nan"}
    """

    plan: int
    fold: int
    member: int
    name: str
    recipe: Recipe
    rows: TrainingRows
    shown: Array
    bars: int
    seed: int
    key: str
    store: Store | None
    on_error: str

    @property
    def is_kept(self) -> bool:
        """Whether its fit is in the store, as far as a look at the file's name tells."""
        return self.store is not None and self.store.path(self.key).is_file()


class Answer(NamedTuple):
    """What one fit said.

    Attributes
    ----------
    plan, fold, member : int
    forecasts : ndarray, shape (bars,)
        Of the fold's test bars; NaN if the fit failed.
    failure : str
        Why it failed.
    damage : str
        What was wrong with the fit on disk, which was made again.
    """

    plan: int
    fold: int
    member: int
    forecasts: Array
    failure: str
    damage: str


def work(task: Task) -> Answer:
    """Take one member of one fold from the store, or fit and keep it; let it forecast the fold's test bars."""
    failure = damage = ""
    member = None
    if task.store is not None:
        try:
            member = task.store.read(task.key, task.recipe)
        except InputError as error:
            damage = str(error)
    if member is None:
        try:
            member = _fit(task)
        except FitError as error:
            if task.on_error == "raise":
                way_out = "Or ask for NaN in place of such a fold's forecasts: on_error='nan', --on-error nan."
                raise FitError(f"{error} {way_out}") from error
            failure = str(error)
    forecasts = np.full(task.bars, np.nan) if member is None else member.forecast(task.shown)[-task.bars :]
    return Answer(task.plan, task.fold, task.member, forecasts, failure, damage)


def _fit(task: Task) -> Member:
    stamp = pd.Timestamp(task.rows.stamp)
    try:
        member = task.rows.fit(task.recipe, task.seed, task.member)
    except FitError as error:
        where = f"{task.name}, fold {task.fold} (first test bar {stamp}), member {task.member}"
        raise FitError(f"{where}: {error}") from error
    if task.store is not None:
        provenance = {"seed": task.seed, "member": task.member, "data_through": stamp.isoformat()}
        task.store.write(task.key, task.recipe, member, provenance)
    return member


def _seconds(task: Task, kept: bool) -> float:
    """Return what a task takes on a core, roughly: half a millisecond a training step, and 10 GFLOP/s.

    Rough is enough: it decides whether other processes are worth starting, never a number that anyone sees.
    """
    recipe, rows = task.recipe, len(task.rows.y)
    forecasting = len(task.shown) * (4e-5 + 4e-10 * recipe.window * recipe.parameters)
    if kept:
        return forecasting
    if recipe.cell == "linear":
        return forecasting + 1e-9 * rows * recipe.parameters**2
    steps = math.ceil(rows / (recipe.window if recipe.state == "carried" else recipe.batch))
    seen = rows if recipe.state == "carried" else rows * recipe.window
    return forecasting + recipe.epochs * (5e-4 * steps + 6e-10 * seen * recipe.parameters)


def run(tasks: list[Task], n_jobs: int, progress: bool) -> list[Answer]:
    """Return every task's answer, whichever process finishes first."""
    kept, store = [task.is_kept for task in tasks], tasks[0].store
    if store is not None and not all(kept):
        store.prepare()
    processes = pool.processes_for(sum(map(_seconds, tasks, kept)), len(tasks), n_jobs)
    answers: list[Answer] = []
    with (
        closing(pool.run(work, tasks, processes)) as done,
        tqdm(total=len(tasks), unit="fit", ncols=_columns(), disable=not (progress and _is_watched())) as bar,
    ):
        bar.set_postfix_str(f"{sum(kept)} of them kept" if any(kept) else "")
        try:
            for answer in done:
                if answer.damage:
                    warnings.warn(f"a kept fit was damaged, and made again: {answer.damage}", FitWarning, stacklevel=3)
                answers.append(answer)
                bar.update()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_stopped(len(answers), tasks)) from None
    return answers


def _is_watched() -> bool:
    """Whether somebody sees standard error grow: a terminal, or a notebook, whose standard error is none."""
    return sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel")


def _columns() -> int | None:
    """Return 80 for a terminal that does not know its width, where tqdm would draw nothing."""
    return None if not sys.stderr.isatty() or os.get_terminal_size(sys.stderr.fileno()).columns else 80


def _stopped(done: int, tasks: list[Task]) -> str:
    """Return what to say to someone who stopped a walk."""
    told = f"stopped with {done} of {len(tasks)} fits done"
    store = tasks[0].store
    if store is None:
        return f"{told}; none is kept. Give a store to go on from: store='data/fits'."
    return f"{told}, and kept in {store.folder}. Run the same again: it goes on from there."
