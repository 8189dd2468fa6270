"""Files of a store: one pair for each recording, and an index that is written last.

A store is a folder with ``request.json`` (what was asked for), ``store.json`` (the index, present
once all recordings are written) and ``windows/00000.npy`` with ``windows/00000.json`` for each
recording. The arrays are float32 of shape (n_windows, n_channels, n_times), in the format of
:func:`numpy.save`, uncompressed, so that any window is read with one call. Braindecode's own
format for windows (zarr) is decompressed into such files, in double precision, when it is opened.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..._files import replacing, write_atomically
from ..._json import plain
from ...estimators.lazy import InFile, Joined, LazyWindows, Reader
from ..labelled import LabelledPart, LabelledWindows, join
from ..recipe import Recipe

FORMAT = 1
INDEX, REQUEST, WINDOWS = "store.json", "request.json", "windows"


@dataclass
class StoredPart:
    """Description of the windows of one recording in a store.

    Parameters
    ----------
    name : str
        The recording, for messages.
    labels : list of str
        Class of each window.
    subjects : list
        Subject of each window.
    sessions : list | None
        Session of each window.
    shape : tuple of int
        (n_windows, n_channels, n_times).
    sfreq : float
        Sampling frequency in Hz.
    ch_names : list of str | None
        Names of the channels.
    scale : float | None
        Median standard deviation over time, for the check of units.
    offset : int
        Position of the first sample in the file in bytes.
    digest : str
        SHA-256 of the samples.
    modified : int
        Time of the last change of the file, in ns.
    messages : list of str
        Warnings while the recording was read.
    """

    name: str
    labels: list[str]
    subjects: list[Any]
    sessions: list[Any] | None
    shape: tuple[int, ...]
    sfreq: float
    ch_names: list[str] | None
    scale: float | None
    offset: int
    digest: str
    modified: int
    messages: list[str] = field(default_factory=list)

    @property
    def n_bytes(self) -> int:
        """Size of the file in bytes."""
        return self.offset + 4 * int(np.prod(self.shape, dtype=np.int64))

    def content(self) -> str:
        """Return a hash of all that results depend on, the digest of the samples among it."""
        known = (self.digest, self.labels, self.subjects, self.sessions, self.shape)
        text = repr((*known, self.sfreq, self.ch_names))
        return hashlib.sha256(text.encode()).hexdigest()


def is_store(path: Path) -> bool:
    """Whether a folder is a store, or the beginning of one.

    Parameters
    ----------
    path : pathlib.Path
        The folder.

    Returns
    -------
    is_store : bool
        Whether its files have the names of a store.
    """
    return (path / INDEX).is_file() or ((path / REQUEST).is_file() and (path / WINDOWS).is_dir())


def write_part(folder: Path, number: int, X: np.ndarray, described: dict[str, Any]) -> StoredPart:
    """Write the windows of a recording, then their description.

    Parameters
    ----------
    folder : pathlib.Path
        The store.
    number : int
        Number of the recording.
    X : ndarray of float32, shape (n_windows, n_channels, n_times)
        Signals.
    described : dict
        Fields of the description besides those that the array tells.

    Returns
    -------
    part : StoredPart
        The description.
    """
    path = _array(folder, number)
    X = np.ascontiguousarray(X, dtype="<f4")
    with replacing(path, ".npy") as scratch, scratch.open("wb") as file:
        np.lib.format.write_array(file, X, allow_pickle=False)
        offset = file.tell() - X.nbytes
    digest = hashlib.sha256(X.data).hexdigest()
    modified = path.stat().st_mtime_ns
    described = plain(described)  # equal to what is read again
    part = StoredPart(shape=X.shape, offset=offset, digest=digest, modified=modified, **described)
    _describe(path, part)
    return part


def _describe(path: Path, part: StoredPart) -> None:
    write_atomically(path.with_suffix(".json"), json.dumps(plain(asdict(part)), allow_nan=False))


def read_part(folder: Path, number: int) -> StoredPart | None:
    """Read the description of a recording.

    Parameters
    ----------
    folder : pathlib.Path
        The store.
    number : int
        Number of the recording.

    Returns
    -------
    part : StoredPart | None
        The description; None if the recording is not completely written, or its file was changed.
    """
    path = _array(folder, number)
    try:
        found = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        part = StoredPart(**{**found, "shape": tuple(found["shape"])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path.with_suffix('.json')} cannot be read ({error}): delete it, and prepare again."
        ) from error
    return part if _is_whole(path, part) else None


def _is_whole(path: Path, part: StoredPart) -> bool:
    """Check the size of a file, and its samples if its time is not the one that is known."""
    if not path.is_file() or path.stat().st_size != part.n_bytes:
        return False
    modified = path.stat().st_mtime_ns
    if modified == part.modified:
        return True
    # a copy of the store, or a file that was written by somebody else
    with path.open("rb") as file:
        file.seek(part.offset)
        if hashlib.file_digest(file, "sha256").hexdigest() != part.digest:
            return False
    with contextlib.suppress(OSError):  # of a store that cannot be written
        part.modified = modified
        _describe(path, part)
    return True


def write_index(folder: Path, parts: list[StoredPart], windows: LabelledWindows) -> None:
    """Write the index, which makes the store complete.

    Parameters
    ----------
    folder : pathlib.Path
        The store.
    parts : list of StoredPart
        All recordings, with and without windows.
    windows : LabelledWindows
        The windows, with their recipe.
    """
    index = {
        "format": FORMAT,
        "kind": windows.kind,
        "name": windows.name,
        "recipe": None if windows.recipe is None else windows.recipe.to_dict(),
        "true_invariances": windows.true_invariances,
        "parts": [part.content() for part in parts],
    }
    write_atomically(folder / INDEX, json.dumps(plain(index), allow_nan=False, indent=1) + "\n")


def open_parts(folder: Path, parts: list[StoredPart], kind: str, name: str) -> LabelledWindows:
    """Join the recordings of a store.

    Parameters
    ----------
    folder : pathlib.Path
        The store.
    parts : list of StoredPart
        All recordings, with and without windows.
    kind : str
        Kind of the task.
    name : str
        What the data are called.

    Returns
    -------
    windows : LabelledWindows
        The windows, which stay on disk.
    """
    filled = [(k, part) for k, part in enumerate(parts) if part.labels]
    place = folder.resolve()  # also for workers, which may run in another folder
    readers = [InFile(str(_array(place, k)), part.offset, part.shape) for k, part in filled]
    digests = "".join(part.content() for part in parts)
    stored = _Stored(
        readers,
        str(folder),
        hashlib.sha256(digests.encode()).hexdigest(),
        filled[0][1].sfreq,
        filled[0][1].ch_names,
    )
    windows = join(
        [
            LabelledPart(
                LazyWindows(reader), part.labels, part.subjects, part.sessions, part.sfreq,
                part.ch_names,
            )
            for reader, (_, part) in zip(readers, filled, strict=True)
        ],
        kind,
        name,
    )  # fmt: skip
    return replace(windows, X=LazyWindows(stored))


def read_store(path: Path) -> LabelledWindows:
    """Open a store.

    Parameters
    ----------
    path : pathlib.Path
        The folder.

    Returns
    -------
    windows : LabelledWindows
        The windows, which stay on disk.

    Raises
    ------
    ValueError
        If the store is of another version, or incomplete, or a file of it was changed.
    """
    if not (path / INDEX).is_file():
        raise ValueError(
            f"{path} is a store whose preparation was interrupted: repeat the eeginv prepare that "
            "began it, which continues."
        )
    try:
        index = json.loads((path / INDEX).read_text(encoding="utf-8"))
        number = index["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path / INDEX} cannot be read: prepare the store again.") from error
    if number != FORMAT:
        raise ValueError(
            f"{path} is a store of format {number}; this version of eeginv reads {FORMAT}: prepare "
            "it again."
        )
    parts = []
    for k, expected in enumerate(index["parts"]):
        part = read_part(path, k)
        if part is None:
            raise ValueError(
                f"{_array(path, k)} is missing, cut off or changed: prepare the store again."
            )
        if part.content() != expected:
            file = _array(path, k).with_suffix(".json")
            raise ValueError(f"{file} was changed after the preparation: prepare the store again.")
        parts.append(part)
    recipe = None if index["recipe"] is None else Recipe.from_dict(index["recipe"])
    windows = open_parts(path, parts, index["kind"], index["name"])
    return replace(windows, recipe=recipe, true_invariances=index["true_invariances"])


class _Stored(Joined):
    """Reads a store, whose digest, sampling frequency and channels are known."""

    def __init__(
        self,
        parts: Sequence[Reader],
        name: str,
        digest: str,
        sfreq: float,
        ch_names: list[str] | None,
    ) -> None:
        super().__init__(parts, name)
        self.digest, self.sfreq, self.ch_names = digest, sfreq, ch_names


def _array(folder: Path, number: int) -> Path:
    return folder / WINDOWS / f"{number:05d}.npy"
