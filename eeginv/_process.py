"""Global state of a process: a lock, filters of warnings, and limits of parallel work."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Lock for temporary changes of torch's generators and threads, filters of warnings or the verbosity
# of a library. Each change restores the previous state, so changes must not overlap.
GLOBAL_STATE = threading.RLock()


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
