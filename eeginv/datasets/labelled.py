"""Labelled windows of several subjects, the common form of all data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import check_number
from ..estimators.lazy import Joined, LazyWindows, Windows
from ..estimators.units import warn_of_transposed
from ..transforms.candidates import KINDS

if TYPE_CHECKING:
    from .recipe import Recipe

# Smallest mean number of windows for each class. Numbers that rarely repeat are not classes.
_WINDOWS_PER_CLASS = 2


@dataclass(frozen=True, eq=False)
class LabelledWindows:
    """Windows of several subjects, with the metadata that a comparison of methods needs.

    Parameters
    ----------
    X : array-like, shape (n_windows, n_channels, n_times)
        Signals.
    y : array-like, shape (n_windows,)
        Class of each window.
    subjects : array-like, shape (n_windows,)
        Subject of each window.
    sfreq : float
        Sampling frequency in Hz.
    ch_names : list of str | None
        Names of the channels, or None if they are not known.
    sessions : array-like, shape (n_windows,) | None
        Session of each window, within its subject. None means a single session.
    kind : "sleep" | "motor_imagery" | "generic"
        Kind of task. It determines the default candidates
        (:func:`~eeginv.transforms.default_transforms`) and the default network.
    name : str
        Name of the data in messages and reports.
    true_invariances : dict | None
        True invariances of simulated recordings.
    recipe : Recipe | None
        Preprocessing of the windows, set by :func:`~eeginv.datasets.load_windows`.

    Attributes
    ----------
    X : ndarray of float32 | LazyWindows, shape (n_windows, n_channels, n_times)
        The signals; those of a store stay on disk, and ``numpy.asarray`` reads them.
    y : ndarray of str, shape (n_windows,)
        The classes, as strings.
    subjects, sessions : ndarray, shape (n_windows,)
        As given.

    Raises
    ------
    TypeError, ValueError
        If shapes are inconsistent, a sample is not finite, labels look like values of a regression,
        or a subject is missing or has two spellings.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv.datasets import LabelledWindows
    >>> X = np.random.default_rng(0).normal(size=(8, 2, 128))
    >>> windows = LabelledWindows(X, ["left", "right"] * 4, np.repeat([1, 2], 4), sfreq=64)
    >>> windows
    <LabelledWindows: 2 subjects, 8 windows of 2 s (left 4, right 4); 2 channels at 64 Hz>
    """

    X: Windows
    y: np.ndarray
    subjects: np.ndarray
    sfreq: float
    ch_names: list[str] | None = None
    sessions: np.ndarray | None = None
    kind: str = "generic"
    name: str = "arrays"
    true_invariances: dict[str, dict[str, Any]] | None = None
    recipe: Recipe | None = None

    def __post_init__(self) -> None:
        X = self.X
        if not isinstance(X, LazyWindows):
            X = np.asarray(X, dtype=np.float32)
        if X.ndim != 3 or 0 in X.shape:
            raise ValueError(
                "X must have the shape (n_windows, n_channels, n_times), at least one each; got "
                f"{X.shape}."
            )
        warn_of_transposed(*X.shape[1:])
        given = {"y": self.y, "subjects": self.subjects, "sessions": self.sessions}
        columns = {
            name: _check_column(name, values, len(X))
            for name, values in given.items()
            if values is not None or name != "sessions"
        }
        names = None if self.ch_names is None else [str(name) for name in self.ch_names]
        if names is not None and len(names) != X.shape[1]:
            raise ValueError(f"ch_names has {len(names)} names, but X has {X.shape[1]} channels.")
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {self.kind!r}.")
        if not isinstance(X, LazyWindows):  # those are checked when they are read
            check_finite(X, columns["subjects"])
        columns["y"] = _as_classes(columns["y"])
        refuse_alike(np.unique(columns["subjects"]).tolist())
        sfreq = check_number("sfreq", self.sfreq, exclusive=True)
        for name, value in {"X": X, "sfreq": sfreq, "ch_names": names, **columns}.items():
            object.__setattr__(self, name, value)

    @property
    def classes(self) -> list[Any]:
        """The classes, sorted."""
        return np.unique(self.y).tolist()

    def to_arrays(self) -> tuple[Windows, np.ndarray, np.ndarray]:
        """Return the windows as arrays, for estimators of scikit-learn.

        Returns
        -------
        X, y, subjects : ndarray
            As in the attributes.
        """
        return self.X, self.y, self.subjects

    def digest(self) -> str:
        """Compute a hash of all data on which results depend.

        Returns
        -------
        digest : str
            SHA-256, in hexadecimal digits.
        """
        if isinstance(self.X, LazyWindows):
            found = hashlib.sha256(self.X.digest().encode())
        else:
            found = hashlib.sha256(np.ascontiguousarray(self.X).data)
        columns = [self.y.tolist(), self.subjects.tolist()]
        columns += [None if self.sessions is None else self.sessions.tolist()]
        known = (self.X.shape, self.sfreq, self.ch_names, self.kind, columns)
        found.update(repr(known).encode())
        return found.hexdigest()

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.X)

    def __repr__(self) -> str:
        """Return a summary."""
        classes, counts = np.unique(self.y, return_counts=True)
        listed = ", ".join(f"{name} {n}" for name, n in zip(classes, counts, strict=True))
        sessions = ""
        if self.sessions is not None:
            pairs = zip(self.subjects.tolist(), self.sessions.tolist(), strict=True)
            sessions = f" in {len(set(pairs))} sessions"
        n_subjects, n_channels = len(np.unique(self.subjects)), self.X.shape[1]
        return (
            f"<LabelledWindows: {n_subjects} subject{_s(n_subjects)}{sessions}, {len(self)} "
            f"windows of {self.X.shape[2] / self.sfreq:g} s ({listed}); {n_channels} "
            f"channel{_s(n_channels)} at {self.sfreq:g} Hz>"
        )


@dataclass
class LabelledPart:
    """Windows of one recording.

    Parameters
    ----------
    X : ndarray of float32 | LazyWindows, shape (n_windows, n_channels, n_times)
        Signals.
    y : list
        Class of each window.
    subjects : list
        Subject of each window.
    sessions : list | None
        Session of each window.
    sfreq : float
        Sampling frequency in Hz.
    ch_names : list of str | None
        Names of the channels.
    """

    X: Windows
    y: list[Any]
    subjects: list[Any]
    sessions: list[Any] | None
    sfreq: float
    ch_names: list[str] | None


def join(parts: Sequence[LabelledPart], kind: str, name: str) -> LabelledWindows:
    """Join the windows of recordings.

    Parameters
    ----------
    parts : list of LabelledPart
        The recordings, of the same channels and sampling frequency.
    kind : str
        Kind of the task.
    name : str
        What to call the data.

    Returns
    -------
    windows : LabelledWindows
        The windows, which stay on disk if those of the recordings do.
    """
    sessions = [part.sessions for part in parts]
    lazy = [part.X.reader for part in parts if isinstance(part.X, LazyWindows)]
    X = LazyWindows(Joined(lazy, name)) if lazy else np.concatenate([part.X for part in parts])
    return LabelledWindows(
        X,
        np.array([label for part in parts for label in part.y]),
        np.array([subject for part in parts for subject in part.subjects]),
        parts[0].sfreq,
        parts[0].ch_names,
        None if None in sessions else np.array([one for part in sessions for one in part or ()]),
        kind,
        name,
    )


def _s(number: int) -> str:
    return "" if number == 1 else "s"


def _check_column(name: str, values: Any, n_windows: int) -> np.ndarray:
    if values is None:
        raise ValueError(f"{name} is missing: one value for each of the {n_windows} windows.")
    values = np.asarray(values)
    if values.shape != (n_windows,):
        raise ValueError(
            f"{name} needs one value for each of the {n_windows} windows; got an array of shape "
            f"{values.shape}."
        )
    lacking = [v is None or v != v or not str(v).strip() for v in values.tolist()]
    if any(lacking):
        raise ValueError(
            f"{name} has no value for {sum(lacking)} windows, the first at {lacking.index(True)}."
        )
    if values.dtype == object:
        values = np.array([str(v) for v in values.tolist()])
    return values


def refuse_alike(subjects: Iterable[Any], where: str = "") -> None:
    """Raise a ValueError if different subjects are probably one person: "Anna" and "anna"."""
    written: dict[str, list[Any]] = {}
    for subject in subjects:
        written.setdefault(str(subject).strip().casefold(), []).append(subject)
    alike = [spellings for spellings in written.values() if len(spellings) > 1]
    if alike:
        raise ValueError(
            f"The subjects {alike[0]}{where} differ only by type, capitals or spaces: windows of "
            "one person could be in training and test. Write each in one way."
        )


def check_finite(X: np.ndarray, subjects: np.ndarray) -> None:
    """Raise a ValueError that names the first window with samples that are not finite."""
    # a sum is finite if and only if all its terms are; float64 does not overflow here
    bad = np.flatnonzero(~np.isfinite(X.sum(axis=(1, 2), dtype=np.float64)))
    if len(bad):
        raise ValueError(
            f"{len(bad)} windows have samples that are NaN or infinite, the first at {bad[0]} "
            f"(subject {subjects[bad[0]]}): leave them out."
        )


def _as_classes(y: np.ndarray) -> np.ndarray:
    """Return labels as strings, or raise an error for numbers that are not classes."""
    values = y.tolist()
    if all(isinstance(value, Real) for value in values):
        whole = all(float(value).is_integer() for value in values)
        if not whole or len(set(values)) * _WINDOWS_PER_CLASS > len(values):
            raise ValueError(
                f"y holds {len(set(values))} different numbers in {len(values)} windows, such as "
                f"{values[0]}: these look like values of a regression, but methods are compared "
                "on classification. Give the name or the number of a class for each window."
            )
        y = np.array([str(int(value)) for value in values])
    if len(np.unique(y)) < 2:
        raise ValueError(f"At least two classes are needed; all windows are of {str(y[0])!r}.")
    return y.astype(str)
