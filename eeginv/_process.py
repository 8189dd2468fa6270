"""What a process has only once, and threads share: a lock for it, and work kept out of clusters."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Held by whoever changes torch's generators and threads, the filters of warnings or the verbosity
# of a library for a while: each puts back what it found, which is only right one after the other.
GLOBAL_STATE = threading.RLock()


@contextmanager
def ignoring(*filters: tuple[str, type[Warning]]) -> Iterator[None]:
    """Ignore some warnings inside, and leave the filters of the process as they were.

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
    """Keep joblib's work inside this process, whatever parallel context is active around it.

    A library that works in place hands its objects to workers as copies, and what they do to these
    is lost. Serves as a decorator as well.
    """
    import joblib

    with joblib.parallel_config(backend="sequential"):
        yield


def count_threads(n_jobs: int | None) -> int:
    """Return how many threads a number of jobs stands for, in or outside a parallel context.

    joblib's own answer inside such a context is about its workers: all those of the cluster, say.

    Parameters
    ----------
    n_jobs : int | None
        As scikit-learn has it: -1 is all cores, -2 all but one, None is 1.

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
