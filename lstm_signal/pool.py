"""The processes that fits run in: started when that pays, kept warm for the next walk, and gone with their parent."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

from lstm_signal.errors import FitError, InputError

Task = TypeVar("Task")
Answer = TypeVar("Answer")

COLD, WARM = 4.0, 0.1  # seconds until new processes have loaded torch, and until warm ones have their first task
_IDLE = 3600  # seconds that processes without work are kept
_warm = 0  # how many stand ready


def check_jobs(n_jobs: int | None) -> int:
    """Return the number of processes asked for, all cores where none is."""
    from joblib import cpu_count

    if n_jobs is not None and (not isinstance(n_jobs, int) or isinstance(n_jobs, bool) or n_jobs < 1):
        raise InputError(f"n_jobs={n_jobs!r} must be a whole number of processes, 1 or more, or None for all cores.")
    return n_jobs or int(cpu_count())


def processes_for(seconds: float, tasks: int, n_jobs: int) -> int:
    """Return how many processes to use: 1 is this one, where the work is done sooner than others are ready.

    Parameters
    ----------
    seconds : float
        What the work takes in one process, roughly.
    tasks : int
    n_jobs : int
        Processes allowed.
    """
    several = min(n_jobs, max(tasks, _warm))
    saved = seconds * (1 - 1 / min(several, tasks))
    return several if saved > (WARM if _warm >= several else COLD) else 1


def run(work: Callable[[Task], Answer], tasks: Sequence[Task], processes: int) -> Generator[Answer]:
    """Yield what `work` says to each task, in the order in which they get done.

    Whatever ends it early, an error in `work` or Ctrl-C, ends the processes too.

    Raises
    ------
    FitError
        If a process was killed from outside.
    """
    global _warm
    if processes == 1:
        yield from map(work, tasks)
        return
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    pool = Parallel(
        n_jobs=processes, return_as="generator_unordered", batch_size=1, backend="loky", max_nbytes=None,
        initializer=_begin, initargs=(os.getpid(),), idle_worker_timeout=_IDLE,
    )  # fmt: skip
    done: Any = pool(delayed(work)(task) for task in tasks)
    try:
        for answer in done:  # noqa: UP028 (`yield from` would close `done` itself, and let joblib warn of it)
            yield answer
        _warm = processes
    except TerminatedWorkerError as error:
        _warm = 0
        raise FitError(
            "a process that trains was killed from outside, most likely for want of memory: close other programs, "
            "or take fewer processes (n_jobs, --jobs)."
        ) from error
    except BaseException:
        _warm = 0
        with warnings.catch_warnings():  # joblib's, about the work that is given up: it is meant to be
            warnings.simplefilter("ignore")
            done.close()
        raise


def _begin(parent: int) -> None:
    """Prepare a process of the pool: Ctrl-C is its parent's to hear, and without a parent it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)
