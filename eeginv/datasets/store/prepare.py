"""Preparation of recordings: read, filter, cut and write, one after another."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._files import write_atomically
from ..._json import plain
from ...estimators.units import typical_scale
from ..labelled import LabelledPart, LabelledWindows
from ..preprocessing import TWO_UNITS
from .files import (
    REQUEST,
    WINDOWS,
    StoredPart,
    is_store,
    open_parts,
    read_part,
    read_store,
    write_index,
    write_part,
)

if TYPE_CHECKING:
    from ..._typing import PathLike


@dataclass(frozen=True)
class Source:
    """Recordings that are read one after another.

    Parameters
    ----------
    names : list of str
        Names of the recordings, for messages.
    stamps : list of str
        Sizes and times of their files, by which changed files are noticed.
    read : callable
        Returns the :class:`LabelledPart` of a recording, given its number. It can be pickled. None
        stands for a recording without windows.
    kind : str
        Kind of the task.
    name : str
        What the data are called.
    standardized : bool
        Whether units do not matter.
    finish : callable
        Adds to the windows of all recordings what they have in common, such as the recipe.
    """

    names: list[str]
    stamps: list[str]
    read: Callable[[int], LabelledPart | None]
    kind: str
    name: str
    standardized: bool
    finish: Callable[[LabelledWindows], LabelledWindows]


def write_store(
    source: Source,
    output: PathLike,
    request: dict[str, Any],
    n_jobs: int = 1,
    say: Callable[[str], None] | None = None,
) -> LabelledWindows:
    """Write a store, or what is missing of one.

    Parameters
    ----------
    source : Source
        The recordings.
    output : path-like
        Folder of the store.
    request : dict
        What was asked for. A store that was begun with another request is refused.
    n_jobs : int
        Number of processes that read recordings at the same time.
    say : callable | None
        Called with a line for each recording.

    Returns
    -------
    windows : LabelledWindows
        The windows of the store.
    """
    from joblib import Parallel, delayed

    folder, say = Path(output), say or (lambda text: None)
    _begin(folder, plain({**request, "recordings": source.names, "files": source.stamps}))
    found = {k: read_part(folder, k) for k in range(len(source.names))}
    missing = [k for k, part in found.items() if part is None]
    if len(missing) < len(found):
        say(f"{len(found) - len(missing)} of {len(found)} recordings are prepared already.")
    parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    for k, part in parallel(
        delayed(_prepare)(source.read, source.names[k], folder, k) for k in missing
    ):
        found[k] = part
        say(f"{part.name}: {part.shape[0]} windows")
    parts = [part for _, part in sorted(found.items()) if part is not None]
    _check(parts, source.standardized)
    for message in dict.fromkeys(text for part in parts for text in part.messages):
        warnings.warn(message, stacklevel=3)
    windows = source.finish(open_parts(folder, parts, source.kind, source.name))
    write_index(folder, parts, windows)
    return read_store(folder)


def _begin(folder: Path, request: dict[str, Any]) -> None:
    """Make the folder of a store, or check that it is one of the same request."""
    if folder.exists() and not is_store(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists and is not a store: name another (--output).")
    path = folder / REQUEST
    if path.is_file():
        begun = json.loads(path.read_text(encoding="utf-8"))
        differing = sorted(_differing(begun, request))
        if differing:
            raise ValueError(
                f"{folder} was begun with other {', '.join(differing)}: name another folder "
                "(--output), or delete it."
            )
        return
    (folder / WINDOWS).mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(request, indent=1) + "\n")


def _differing(begun: dict[str, Any], request: dict[str, Any]) -> list[str]:
    """Name what differs between two requests, option by option."""
    names = []
    for key in begun.keys() | request.keys():
        ours, theirs = begun.get(key), request.get(key)
        if key == "options" and isinstance(ours, dict) and isinstance(theirs, dict):
            names += [f"option {name}" for name in _differing(ours, theirs)]
        elif ours != theirs:
            names.append(key)
    return names


def _prepare(
    read: Callable[[int], LabelledPart | None], name: str, folder: Path, number: int
) -> tuple[int, StoredPart]:
    """Read a recording and write its windows."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        part = read(number)
    messages = [str(w.message) for w in caught if w.category is UserWarning]
    if part is None:
        part = LabelledPart(np.empty((0, 1, 1), dtype=np.float32), [], [], None, 0.0, None)
    X = np.asarray(part.X, dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(X.sum(axis=(1, 2), dtype=np.float64)))
    if len(bad):
        raise ValueError(
            f"{name}: {len(bad)} windows have samples that are NaN or infinite, the first at "
            f"{bad[0]}. Interpolate or cut them before."
        )
    described = {
        "name": name,
        "labels": [str(label) for label in part.y],
        "subjects": part.subjects,
        "sessions": part.sessions,
        "sfreq": float(part.sfreq),
        "ch_names": part.ch_names,
        "scale": typical_scale(X),
        "messages": messages,
    }
    return number, write_part(folder, number, X, described)


def _check(parts: list[StoredPart], standardized: bool) -> None:
    """Refuse recordings that do not fit together; most differences are found before."""
    filled = [part for part in parts if part.labels]
    if not filled:
        raise ValueError("No recording has a window of the chosen classes.")
    first = filled[0]
    for part in filled:
        for what, ours, theirs in (
            ("channels", part.ch_names, first.ch_names),
            ("sampling frequency", part.sfreq, first.sfreq),
            ("channels and samples in a window", part.shape[1:], first.shape[1:]),
        ):
            if ours != theirs:
                raise ValueError(
                    f"The recordings differ in {what}: {part.name} has {ours}, {first.name} has "
                    f"{theirs}. Bring them to one with channels (--channels) or resample "
                    "(--resample)."
                )
    scales = [(part.scale, part.name) for part in filled if part.scale]
    if scales and not standardized:
        (low, of_low), (high, of_high) = min(scales), max(scales)
        if high > TWO_UNITS * low:
            raise ValueError(
                f"The recordings are in two units: the median standard deviation is {low:.1e} in "
                f"{of_low} and {high:.1e} in {of_high}. Bring all to one, or give standardize=True."
            )
