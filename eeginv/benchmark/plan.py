"""Plan of a benchmark: one run for each method, training size, split and seed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from .._checks import check_integer
from .methods import COMBINED, METHODS

if TYPE_CHECKING:
    from .._typing import ArrayLike
    from .settings import Settings

# Default number of random choices of training subjects.
N_CHOICES = 4

# Content of the file of a finished run.
RunRecord: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One run of the plan.

    Parameters
    ----------
    method : str
        Name in ``METHODS`` or ``COMBINED``.
    n_train : int
        Number of training subjects.
    split : int
        Index of the split.
    seed : int
        Seed of the training.
    """

    method: str
    n_train: int
    split: int
    seed: int

    @property
    def run_id(self) -> str:
        """Name of the file of the run."""
        return f"{self.method}-train{self.n_train}-split{self.split}-seed{self.seed}"

    @property
    def random_state(self) -> int:
        """Seed of the run, the same for all methods, so that they start from the same weights."""
        words = np.random.SeedSequence([self.seed, self.split]).generate_state(1)
        return int(words[0] % (2**31 - 1))

    @property
    def keeps_network(self) -> bool:
        """Whether the network is kept, for a control of this plan or a later one."""
        return self.method in {control.parts[0] for control in COMBINED.values()}

    @property
    def parts(self) -> list[Run]:
        """Runs that are combined in this one, if it is a control that combines two."""
        method = COMBINED.get(self.method)
        return [replace(self, method=name) for name in method.parts] if method else []


class Part(NamedTuple):
    """A share of the runs of a plan, for one of several jobs that write into one folder.

    Parameters
    ----------
    number : int
        Which part, from 1.
    of : int
        Number of parts.
    """

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @classmethod
    def parse(cls, text: str) -> Part:
        """Read what stands on the command line.

        Parameters
        ----------
        text : str
            Such as "3/16".

        Returns
        -------
        part : Part
            The third of sixteen.

        Raises
        ------
        ValueError
            If it is none, or there is no such part.
        """
        found = re.fullmatch(r"([0-9]+)/([0-9]+)", str(text).strip())
        part = cls(*map(int, found.groups())) if found else cls(0, 0)
        if not 1 <= part.number <= part.of:
            raise ValueError(
                "only (--only) must be one of several parts, such as 3/16, with a number from 1 "
                f"to the number of parts; got {text!r}."
            )
        return part


@dataclass(frozen=True)
class Plan:
    """The runs of a benchmark.

    Parameters
    ----------
    methods : sequence of str
        Names in ``METHODS``. Duplicates are ignored.
    n_train : sequence of int
        Numbers of training subjects.
    n_splits : int
        Number of choices of training subjects.
    seeds : sequence of int
        Seeds of the training. Duplicates are ignored.

    Raises
    ------
    ValueError
        If a method is unknown, or the plan has no run.
    """

    methods: tuple[str, ...]
    n_train: tuple[int, ...]
    n_splits: int
    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        for name in ("methods", "n_train", "seeds"):
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))
        unknown = [name for name in self.methods if name not in METHODS]
        if unknown or not self.methods:
            raise ValueError(f"Unknown methods {unknown}; known are {', '.join(METHODS)}.")
        if check_integer("n_splits", self.n_splits, minimum=0) < 1 or not self.seeds:
            raise ValueError("A plan needs at least one split and one seed.")

    @property
    def controls(self) -> list[str]:
        """Names of the controls that combine two of the methods."""
        return [name for name, control in COMBINED.items() if set(control.parts) <= {*self.methods}]

    @property
    def trained(self) -> list[Run]:
        """Runs that are trained. Methods are the inner loop, so that early runs compare them."""
        return self._runs(self.methods)

    @property
    def combined(self) -> list[Run]:
        """Runs that combine two trained runs."""
        return self._runs(self.controls)

    def needs_network(self, run: Run) -> bool:
        """Return whether another run of the plan uses the network of a run.

        Parameters
        ----------
        run : Run
            A run of the plan.

        Returns
        -------
        needs : bool
            Whether one does.
        """
        return run.method in {COMBINED[name].parts[0] for name in self.controls}

    def share(self, part: Part) -> list[Run]:
        """Divide the trained runs.

        Parameters
        ----------
        part : Part
            Which part.

        Returns
        -------
        runs : list of Run
            Its runs. Between parts, the number of runs differs by one at most, and so does that of
            each method; as far as these two allow, so does that of each split.
        """

        def place(run: Run) -> tuple[int, int]:  # each method begins with another split
            method = self.methods.index(run.method)
            return method, (run.split + method) % self.n_splits

        counts: Counter[tuple[int, str | int | None]] = Counter()
        runs = []
        for run in sorted(self.trained, key=place):
            kinds = (run.method, None, run.split)
            chosen = min(range(1, part.of + 1), key=lambda n: [counts[n, kind] for kind in kinds])
            counts.update((chosen, kind) for kind in kinds)
            if chosen == part.number:
                runs.append(run)
        return runs

    def _runs(self, methods: Iterable[str]) -> list[Run]:
        return [
            Run(method, size, split, seed)
            for split in range(self.n_splits)
            for seed in self.seeds
            for size in self.n_train
            for method in methods
        ]


def count_splits(
    split_by: str, n_splits: int | None, subjects: np.ndarray, sessions: np.ndarray | None = None
) -> int:
    """Count the splits of a plan.

    Parameters
    ----------
    split_by : str
        As in :class:`~eeginv.benchmark.Settings`.
    n_splits : int | None
        Requested number. None is four random choices, or all subjects or sessions.
    subjects : ndarray, shape (n_windows,)
        Subject of each window.
    sessions : ndarray, shape (n_windows,) | None
        Session of each window.

    Returns
    -------
    n_splits : int
        The number.

    Raises
    ------
    ValueError
        If there are fewer subjects or sessions.
    """
    if split_by == "random":
        return N_CHOICES if n_splits is None else n_splits
    if split_by == "subject":
        most = len(np.unique(subjects))
        if most < 2:
            raise ValueError("Leaving out one subject at a time needs two subjects; there is one.")
    else:
        most = 0 if sessions is None else int(_session_ranks(subjects, sessions).max()) + 1
        if most < 2:
            raise ValueError(
                "Leaving out one session at a time needs a subject with two sessions, but the data "
                "have none; give sessions (pattern, --pattern, with a group session)."
            )
    if n_splits is not None and n_splits > most:
        raise ValueError(
            f"{n_splits} splits were asked for, but there are only {most} {split_by}s to leave out."
        )
    return most if n_splits is None else n_splits


def choose_windows(
    run: Run, settings: Settings, subjects: np.ndarray, sessions: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Choose training and test windows.

    Parameters
    ----------
    run : Run
        Run with the number of training subjects and the index of the split.
    settings : Settings
        Settings with the kind of splits.
    subjects : ndarray, shape (n_windows,)
        Subject of each window.
    sessions : ndarray, shape (n_windows,) | None
        Session of each window.

    Returns
    -------
    train, test : ndarray of bool, shape (n_windows,)
        Masks of the training and test windows. They have no subject in common or, if sessions are
        left out, no session of a subject.
    """
    if settings.split_by == "session":
        if sessions is None:
            raise ValueError("Leaving out sessions needs the session of each window.")
        ranks = _session_ranks(subjects, sessions)
        several = np.isin(subjects, subjects[ranks > 0])
        test = several & (ranks == run.split)
        return ~test, test
    known = np.unique(subjects)
    if settings.split_by == "subject":
        test = subjects == known[run.split]
        return ~test, test
    sizes = settings.n_train or (run.n_train,)
    sides = choose_subjects(known, run.n_train, run.split, sizes, settings.n_test)
    train, test = (np.isin(subjects, side) for side in sides)
    return train, test


def _session_ranks(subjects: np.ndarray, sessions: np.ndarray) -> np.ndarray:
    """Return the rank of the session of each window among the sessions of its subject."""
    ranks = np.zeros(len(subjects), dtype=int)
    for subject in np.unique(subjects):
        rows = subjects == subject
        ranks[rows] = np.unique(sessions[rows], return_inverse=True)[1]
    return ranks


def choose_subjects(
    subjects: ArrayLike, n_train: int, split: int, sizes: tuple[int, ...], n_test: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Choose training and test subjects.

    The choices of one split are nested: a smaller training set is a subset of a larger one, and the
    test subjects are the same for every size.

    Parameters
    ----------
    subjects : array-like
        All subjects, each once.
    n_train : int
        Number of training subjects.
    split : int
        Index of the random choice.
    sizes : tuple of int
        All numbers of training subjects of the plan.
    n_test : int | None
        Number of test subjects. None is all that remain.

    Returns
    -------
    train, test : ndarray
        Training and test subjects, sorted.

    Raises
    ------
    ValueError
        If there are not enough subjects.
    """
    subjects = np.sort(np.asarray(subjects))
    if max(sizes) + (n_test or 1) > len(subjects):
        raise ValueError(
            f"{max(sizes)} training and {n_test or 1} test subjects were asked for, but the data "
            f"have {len(subjects)} subjects."
        )
    order = np.random.default_rng([7919, split]).permutation(subjects)
    rest = order[max(sizes) :]
    return np.sort(order[:n_train]), np.sort(rest[: n_test or len(rest)])
