"""Windows that are read from disk when they are needed."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor

# Number of windows that are read at once where all are needed, one part after another.
_PART = 256


class Reader(Protocol):
    """Reads windows by their rows. It can be pickled without the signals."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_windows, n_channels, n_times)."""

    @property
    def name(self) -> str:
        """What to call the windows in messages."""

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return windows as a new array of float32, shape (n_rows, n_channels, n_times)."""


class LazyWindows:
    """Windows with the interface of an array, which are read when they are used.

    Indexing by a slice or an array gives other lazy windows, so that scikit-learn's splitters take
    no memory. Indexing by an integer gives one window. ``numpy.asarray`` reads all.

    Parameters
    ----------
    reader : Reader
        Reads the windows.
    rows : ndarray of int | None
        Rows of the windows in the reader; None is all.
    channels : ndarray of int | None
        Channels in the order of use; None is all.

    Raises
    ------
    ValueError
        When windows are read from disk that hold NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv.estimators.lazy import InMemory, LazyWindows
    >>> X = LazyWindows(InMemory(np.zeros((8, 2, 100), dtype="float32")))
    >>> X[[1, 5, 6]].shape, X[0].shape, np.asarray(X[:2]).dtype
    ((3, 2, 100), (2, 100), dtype('float32'))
    """

    ndim = 3
    dtype = np.dtype(np.float32)

    def __init__(
        self,
        reader: Reader,
        rows: np.ndarray | None = None,
        channels: np.ndarray | None = None,
    ) -> None:
        self.reader, self.rows, self.channels = reader, rows, channels

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of windows, channels and samples."""
        n_windows, n_channels, n_times = self.reader.shape
        n_windows = n_windows if self.rows is None else len(self.rows)
        return n_windows, n_channels if self.channels is None else len(self.channels), n_times

    @property
    def sfreq(self) -> float | None:
        """Sampling frequency in Hz, if it is known."""
        return getattr(self.reader, "sfreq", None)

    @property
    def ch_names(self) -> list[str] | None:
        """Names of the channels, if they are known."""
        names = getattr(self.reader, "ch_names", None)
        if names is None or self.channels is None:
            return names
        return [names[i] for i in self.channels]

    @property
    def nbytes(self) -> int:
        """Size in bytes of the windows in memory."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        index, *others = index if isinstance(index, tuple) else (index,)
        channels = self._pick(others)
        if isinstance(index, (int, np.integer)):
            at = self._rows[np.asarray([index])]
            return LazyWindows(self.reader, at, channels).load()[0]
        if isinstance(index, Tensor):
            index = index.numpy()
        if not isinstance(index, slice):
            index = np.asarray(index)
            if index.size == 0:  # an empty list is of floats
                index = index.astype(np.intp)
        return LazyWindows(self.reader, self._rows[index], channels)

    def _pick(self, others: list[Any]) -> np.ndarray | None:
        """Return the channels after an index of the second axis."""
        others = [part for part in others if part is not Ellipsis]
        if not others:
            return self.channels
        if len(others) > 1 or not isinstance(others[0], (list, np.ndarray, slice)):
            raise IndexError("Lazy windows are indexed by windows and lists of channels only.")
        own = np.arange(self.reader.shape[1]) if self.channels is None else self.channels
        return own[others[0]]

    @property
    def _rows(self) -> np.ndarray:
        return np.arange(self.reader.shape[0]) if self.rows is None else self.rows

    def load(self) -> np.ndarray:
        """Read the windows.

        Returns
        -------
        X : ndarray of float32, shape (n_windows, n_channels, n_times)
            The signals.
        """
        rows = self._rows
        values = self.reader.read(rows)
        if self.channels is not None:
            values = np.ascontiguousarray(values[:, self.channels])
        if isinstance(self.reader, InMemory):
            return values  # checked as a whole
        # a sum is not finite if a sample is not; the check of each sample is for this case only
        if not np.isfinite(values.sum(dtype=np.float64)):
            bad = rows[~np.isfinite(values).all(axis=(1, 2))]
            if len(bad):
                raise ValueError(
                    f"Input X contains NaN or infinity: window {bad[0]} of {self.reader.name}. "
                    "Leave it out."
                )
        return values

    def parts(self) -> list[LazyWindows]:
        """Divide the windows into parts of which each fits into memory.

        Returns
        -------
        parts : list of LazyWindows
            The parts in order.
        """
        return [self[start : start + _PART] for start in range(0, len(self), _PART)]

    def digest(self) -> str:
        """Hash the signals, reading part after part.

        Returns
        -------
        digest : str
            In hexadecimal digits: that of a store if it is known, otherwise SHA-256.
        """
        whole = self.rows is None and self.channels is None
        if whole and hasattr(self.reader, "digest"):
            return str(self.reader.digest)
        found = hashlib.sha256()
        for part in self.parts():
            found.update(np.ascontiguousarray(part.load()).data)
        return found.hexdigest()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("Lazy windows cannot be an array without being copied.")
        values = self.load()
        return values if dtype is None else values.astype(dtype, copy=False)

    def __repr__(self) -> str:
        """Name the source and the shape."""
        return f"<LazyWindows: {self.shape} of {self.reader.name}>"


# The signals of trainings and predictions.
Windows: TypeAlias = np.ndarray | LazyWindows


def lazily(X: Windows) -> LazyWindows:
    """Return windows whose parts are not copies.

    Parameters
    ----------
    X : ndarray of float32, shape (n_windows, n_channels, n_times) | LazyWindows
        Signals.

    Returns
    -------
    X : LazyWindows
        The same signals.
    """
    return X if isinstance(X, LazyWindows) else LazyWindows(InMemory(X))


def as_tensor(X: Windows | Tensor) -> Tensor:
    """Return signals as a tensor, reading lazy ones.

    Parameters
    ----------
    X : Tensor | ndarray | LazyWindows
        Signals.

    Returns
    -------
    X : Tensor
        The signals.
    """
    return X if isinstance(X, Tensor) else torch.from_numpy(np.asarray(X))


@dataclass(frozen=True, eq=False)
class InMemory:
    """Reads rows of an array.

    Parameters
    ----------
    values : ndarray of float32, shape (n_windows, n_channels, n_times)
        The signals, which must be finite.
    """

    values: np.ndarray
    name = "X"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.values.shape

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Copy windows.

        Parameters
        ----------
        rows : ndarray of int
            Rows.

        Returns
        -------
        X : ndarray of float32
            The windows.
        """
        return self.values[rows]


@dataclass(frozen=True)
class Mapped:
    """Reads rows of an array in a file.

    Each read maps the file anew, so that the pages that were read do not stay in memory.

    Parameters
    ----------
    path : str
        The file.
    offset : int
        Position of the first sample in bytes.
    shape : tuple of int
        (n_windows, n_channels, n_times).
    strides : tuple of int
        Steps in bytes along each axis.
    dtype : str
        Type of the samples.
    """

    path: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str

    @property
    def name(self) -> str:
        """Name of the file."""
        return Path(self.path).name

    @classmethod
    def of_memmap(cls, X: np.memmap) -> Mapped:
        """Describe a memory-mapped array, or a view of one.

        Parameters
        ----------
        X : numpy.memmap, shape (n_windows, n_channels, n_times)
            The array.

        Returns
        -------
        reader : Mapped
            The reader.
        """
        # views inherit the offset of the whole array, so it is found by the addresses
        mapping = np.frombuffer(X._mmap, dtype=np.uint8)  # type: ignore[attr-defined]
        begin = X.offset - X.offset % mmap.ALLOCATIONGRANULARITY
        offset = begin + X.ctypes.data - mapping.ctypes.data
        return cls(str(X.filename), offset, X.shape, X.strides, X.dtype.str)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Read windows.

        Parameters
        ----------
        rows : ndarray of int
            Rows.

        Returns
        -------
        X : ndarray of float32
            The windows.
        """
        with (
            open(self.path, "rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapping,
        ):
            values = np.ndarray(self.shape, self.dtype, mapping, self.offset, self.strides)
            found = values[rows].astype(np.float32, order="C", copy=False)
            del values  # the mapping cannot be closed before
        return found


@dataclass(frozen=True)
class InFile:
    """Reads rows of a file of windows, float32 in C order.

    Parameters
    ----------
    path : str
        The file.
    offset : int
        Position of the first sample in bytes.
    shape : tuple of int
        (n_windows, n_channels, n_times).
    """

    path: str
    offset: int
    shape: tuple[int, ...]

    @property
    def name(self) -> str:
        """Name of the file."""
        return Path(self.path).name

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Read windows.

        Parameters
        ----------
        rows : ndarray of int
            Rows.

        Returns
        -------
        X : ndarray of float32
            The windows.

        Raises
        ------
        ValueError
            If the file has become shorter.
        """
        X = np.empty((len(rows), *self.shape[1:]), dtype=np.float32)
        # without a buffer, and without a mapping, whose pages would count as memory of the process
        with open(self.path, "rb", buffering=0) as file:
            for window, row in zip(X, rows, strict=True):
                file.seek(self.offset + int(row) * window.nbytes)
                if file.readinto(memoryview(window).cast("B")) != window.nbytes:
                    raise ValueError(f"{self.path} ends before window {row}: it was cut off.")
        return X


class Joined:
    """Reads rows of several readers, one after another.

    Parameters
    ----------
    parts : list of Reader
        The readers, of the same channels and samples.
    name : str
        What to call them in messages.
    """

    def __init__(self, parts: Sequence[Reader], name: str) -> None:
        self.parts, self.name = parts, name
        self._ends = np.cumsum([part.shape[0] for part in parts])
        self.shape = (int(self._ends[-1]), *parts[0].shape[1:])

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Read windows.

        Parameters
        ----------
        rows : ndarray of int
            Rows.

        Returns
        -------
        X : ndarray of float32
            The windows.
        """
        X = np.empty((len(rows), *self.shape[1:]), dtype=np.float32)
        number = np.searchsorted(self._ends, rows, side="right")
        for k in np.unique(number):
            here = np.flatnonzero(number == k)
            start = self._ends[k - 1] if k else 0
            X[here] = self.parts[k].read(rows[here] - start)
        return X


def is_mapped(X: object) -> bool:
    """Whether an array is mapped from a file and has no changes that are in memory only."""
    return (
        isinstance(X, np.memmap)
        and X.ndim == 3
        and X.dtype.kind == "f"
        and X.filename is not None
        and getattr(X, "_mmap", None) is not None
        and X.mode in ("r", "r+", "w+")
    )
