"""Global state of a process: a lock, filters of warnings, and limits of parallel work."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any, TypeAlias

# What ``joblib.delayed(function)(...)`` returns: the function, its arguments, and those by name.
Call: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]

# Lock for temporary changes of torch's generators and threads, filters of warnings or the verbosity
# of a library. Each change restores the previous state, so changes must not overlap.
GLOBAL_STATE = threading.RLock()
_ALLOWED_LOSSES = 3  # since a call last ended; as many as Dask allows one task
_SECONDS_TO_REPLACE_WORKERS = 60.0


@contextmanager
def ignoring(*filters: tuple[str, type[Warning]]) -> Iterator[None]:
    """Ignore some warnings within a ``with`` block, and restore the filters of the process.

    Parameters
    ----------
    *filters : tuple of (str, type)
        Beginnings of messages (regular expressions), and categories.
    """
    with GLOBAL_STATE, warnings.catch_warnings():
        for message, category in filters:
            warnings.filterwarnings("ignore", message, category)
        yield


@contextmanager
def in_this_process() -> Iterator[None]:
    """Run joblib's work in this process, within any parallel context.

    If a library works in place, workers would modify copies of its objects, and the results would
    be lost. It can also be used as a decorator.
    """
    import joblib

    with joblib.parallel_config(backend="sequential"):
        yield


def call_all(
    calls: Iterable[Call], n_jobs: int | None = None, pre_dispatch: str = "all"
) -> Iterator[tuple[int, Any]]:
    """Do independent calls through joblib, and again those that a cluster has lost.

    Dask repeats by itself what a lost worker was doing, as long as one worker still has the
    arguments. Where the last one of these is lost as well, joblib gives up: then all calls that
    have not ended are sent again, with their arguments.

    Parameters
    ----------
    calls : iterable of tuple
        What ``joblib.delayed(function)(...)`` returns.
    n_jobs : int | None
        As joblib has it.
    pre_dispatch : str
        How many calls are taken and handed out at a time. All of them let a cluster that adapts
        itself to its work know how much there is.

    Yields
    ------
    number : int
        Place of a call.
    result : object
        What it returned. Results come in the order in which the calls end.

    Raises
    ------
    concurrent.futures.CancelledError
        If all is lost four times before any call has ended.
    """
    import joblib

    rest, waiting = enumerate(calls), dict[int, Call]()

    def hand_out() -> Iterator[Call]:
        for number, (function, arguments, named) in [*waiting.items()]:  # lost
            yield joblib.delayed(_numbered)(number, function, *arguments, **named)
        for number, call in rest:
            waiting[number] = call
            function, arguments, named = call
            yield joblib.delayed(_numbered)(number, function, *arguments, **named)

    options = {"return_as": "generator_unordered", "pre_dispatch": pre_dispatch}
    n_workers, losses = joblib.effective_n_jobs(n_jobs), 0
    while True:
        try:
            for number, result in joblib.Parallel(n_jobs=n_jobs, **options)(hand_out()):
                del waiting[number]
                losses = 0
                yield number, result
            return
        except CancelledError:
            losses += 1
            if losses > _ALLOWED_LOSSES:
                raise
            _await_workers(min(n_workers, 2), n_jobs)


def _await_workers(number: int, n_jobs: int | None) -> None:
    """Give a cluster time to replace workers: with a single one, joblib works in this process."""
    import joblib

    deadline = time.monotonic() + _SECONDS_TO_REPLACE_WORKERS
    while joblib.effective_n_jobs(n_jobs) < number and time.monotonic() < deadline:
        time.sleep(0.1)


def _numbered(
    number: int, function: Callable[..., Any], /, *arguments: Any, **named: Any
) -> tuple[int, Any]:
    return number, function(*arguments, **named)


def count_threads(n_jobs: int | None) -> int:
    """Return the number of threads for a number of jobs, inside or outside a parallel context.

    Inside such a context, joblib would return the number of its workers, such as those of a
    cluster.

    Parameters
    ----------
    n_jobs : int | None
        Number as in scikit-learn: -1 is all cores, -2 all but one, None is 1.

    Returns
    -------
    n_threads : int
        At least 1.
    """
    import joblib

    if n_jobs is None:
        return 1
    if n_jobs == 0:
        raise ValueError("n_jobs == 0 has no meaning; give 1, or -1 for all cores.")
    return int(n_jobs) if n_jobs > 0 else max(1, joblib.cpu_count() + 1 + int(n_jobs))
