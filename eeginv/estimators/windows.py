"""Reading of windows datasets of Braindecode and torch, and of parts of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset

from .channels import Choice, Expected, choose_channels, say_left_out
from .lazy import LazyWindows, Windows
from .signals import Signals
from .units import FACTORS, are_volts, look_like_volts, typical_scale

# V and µV differ by six decades; subjects, or a trial and an artefact, by two or three.
_TWO_UNITS = 1e4
# Number of windows of each recording that tell its scale.
_OF_PART = 16


def is_windows(X: object) -> bool:
    """Whether an object is a dataset, or a list of items of one."""
    if isinstance(X, (Dataset, DataLoader, *_slice_datasets())):
        return True
    if not (isinstance(X, (list, tuple)) and len(X)):
        return False
    if isinstance(X[0], Dataset):
        raise TypeError(
            "Got a list of datasets: join them, braindecode.datasets.BaseConcatDataset(datasets)."
        )
    return isinstance(X, list) and _is_item(X[0])


def read_windows(dataset: Any, expected: Expected) -> Signals:
    """Read a dataset of windows, in µV.

    Parameters
    ----------
    dataset : torch Dataset | skorch.helper.SliceDataset | list
        Braindecode's windows datasets and any other dataset whose items are ``(signal, target,
        ...)``, parts of them, and lists of such items (which scikit-learn makes).
    expected : Expected
        Expected channels and sampling frequency.

    Returns
    -------
    signals : Signals
        The signals. Targets are the labels, and subjects in the descriptions are the groups.
    """
    kind = type(dataset).__name__
    if isinstance(dataset, (DataLoader, IterableDataset)) or not hasattr(dataset, "__len__"):
        raise TypeError(f"Expected a dataset of windows that has a length, got a {kind}.")
    if len(dataset) == 0:
        raise ValueError("The windows dataset is empty.")
    parts = _find_parts(dataset)
    of_row = np.empty(len(dataset), dtype=int)
    for number, part in enumerate(parts):
        of_row[part.rows] = number
    read = _read_lazily if any(_is_on_disk(part.source) for part in parts) else _read_all
    X, labels = read(dataset, parts, of_row, expected)
    choices = [part.choice for part in parts if part.choice is not None]
    say_left_out({name: why for choice in choices for name, why in choice.left_out.items()})
    named = len(choices) == len(parts)
    return Signals(
        X,
        sfreq=next((part.sfreq for part in parts if part.sfreq is not None), None),
        ch_names=parts[of_row[0]].choice.names if named else None,
        labels=labels,
        subjects=lambda: _subjects(parts, of_row),
    )


def _read_all(
    dataset: Any, parts: Sequence[_Part], of_row: np.ndarray, expected: Expected
) -> tuple[np.ndarray, _Labels]:
    """Read all windows into memory."""
    kind = type(dataset).__name__
    X = np.empty(0, dtype=np.float32)
    targets = []
    for i, number in enumerate(of_row):
        signal, target = _read_item(dataset[i], kind)
        part = parts[number]
        if i == part.rows[0]:
            expected = part.look(len(signal), expected)
        signal = signal if part.order is None else signal[part.order]
        if i == 0:
            X = np.empty((len(of_row), *signal.shape), dtype=np.float32)
        if signal.shape != X.shape[1:]:
            raise ValueError(
                f"The windows of {part.name} have shape {signal.shape} (channels, samples), those "
                f"before have {X.shape[1:]}."
            )
        X[i] = signal
        targets.append(target)
    factors = _find_factors(X, parts, kind)
    if factors is not None:
        X *= factors[of_row]
    return X, _labels(dataset, targets)


@dataclass
class _Part:
    """One recording of a dataset, with its rows and metadata."""

    source: Any
    rows: np.ndarray
    name: str
    places: np.ndarray  # of the rows in the source
    sfreq: float | None = None
    choice: Choice | None = None
    order: list[int] | None = None

    def look(self, n_channels: int, expected: Expected) -> Expected:
        """Choose channels, and return the properties that the other recordings must have."""
        info = _info(self.source)
        if info is None:
            return expected
        self.sfreq = float(info["sfreq"])
        expected.check_rate(self.sfreq, f"{self.name} was")
        rows = list(range(len(info["ch_names"])))
        if getattr(self.source, "targets_from", "metadata") != "metadata":
            # these channels are targets, which Braindecode removes from the signal
            rows = [i for i, kind in enumerate(info.get_channel_types()) if kind != "misc"]
        if len(rows) != n_channels:  # a transform of the dataset has changed them
            return Expected(expected.owner, expected.ch_names, self.sfreq)
        choice = choose_channels(info, expected, self.name)
        signals = {info["ch_names"][i] for i in rows}
        left_out = {name: why for name, why in choice.left_out.items() if name in signals}
        self.choice = Choice(choice.picks, choice.names, choice.types, left_out)
        order = [rows.index(i) for i in choice.picks]
        self.order = None if order == list(range(n_channels)) else order
        if expected.ch_names is None:
            return Expected(f"{self.name} has", choice.names, self.sfreq)
        return Expected(expected.owner, expected.ch_names, self.sfreq)

    @property
    def subject(self) -> Any:
        """The subject in the description; None if there is none."""
        description = getattr(self.source, "description", None)
        subject = None if description is None else description.get("subject")
        # missing entries of the descriptions are NaN, which differs from itself
        return None if subject is None or subject != subject else subject


# the structure of a dataset -----------------------------------------------------------------------
def _find_parts(dataset: Any) -> list[_Part]:
    leaves = _leaves(dataset, np.arange(len(dataset)))
    parts = []
    for number, (leaf, rows, places) in enumerate(leaves):
        _check_windows(leaf)
        name = _describe(leaf, number) if len(leaves) > 1 else "X"
        parts.append(_Part(leaf, rows, name, places))
    return parts


def _leaves(dataset: Any, indices: np.ndarray) -> list[tuple[Any, np.ndarray, np.ndarray]]:
    """Return the datasets that a dataset consists of, with their positions in `indices`.

    The third value of each are the indices into that dataset.
    """
    if isinstance(dataset, Subset):
        places = np.asarray(dataset.indices)[indices]
        whole: Any = dataset.dataset
        from_end = np.where(places < 0, len(whole), 0)  # as torch reads them
        return _leaves(whole, places + from_end)
    if isinstance(dataset, _slice_datasets()):
        return _leaves(dataset.dataset, np.asarray(dataset.indices_)[indices])
    if not isinstance(dataset, ConcatDataset):
        leaf = None if isinstance(dataset, list) else dataset
        return [(leaf, np.arange(len(indices)), indices)]
    ends = np.asarray(dataset.cumulative_sizes)
    number = np.searchsorted(ends, indices, side="right")
    leaves = []
    for k in np.unique(number):
        rows = np.flatnonzero(number == k)
        start = ends[k - 1] if k else 0
        for leaf, at, places in _leaves(dataset.datasets[k], indices[rows] - start):
            leaves.append((leaf, rows[at], places))
    return leaves


def _slice_datasets() -> tuple[Any, ...]:
    # without the import, no such object exists
    module = sys.modules.get("skorch.helper")
    return () if module is None else (module.SliceDataset,)


def _check_windows(leaf: Any) -> None:
    module = sys.modules.get("braindecode.datasets.base")
    if module is not None and isinstance(leaf, module.RawDataset):
        raise TypeError(
            "Expected a dataset of windows, got one of whole recordings. Cut them into windows "
            "with braindecode.preprocessing.create_windows_from_events or "
            "create_fixed_length_windows."
        )


def _describe(leaf: Any, number: int) -> str:
    description = getattr(leaf, "description", None)
    if description is None or not len(description):
        return f"Recording {number}"
    listed = ", ".join(f"{key} {value}" for key, value in list(description.items())[:3])
    return f"Recording {number} ({listed})"


def _info(leaf: Any) -> Any:
    for name in ("raw", "windows"):
        info = getattr(getattr(leaf, name, None), "info", None)
        if info is not None:
            return info
    return None


# items --------------------------------------------------------------------------------------------
def _is_array(thing: Any) -> bool:
    return isinstance(thing, (np.ndarray, torch.Tensor)) and thing.ndim > 0


def _is_item(thing: Any) -> bool:
    """Whether this is a signal with its target, not the channels of a window."""
    return (
        isinstance(thing, tuple)
        and len(thing) >= 2
        and _is_array(thing[0])
        and np.ndim(thing[1]) < thing[0].ndim
    )


def _read_item(item: Any, kind: str) -> tuple[np.ndarray, Any]:
    """Return the signal (n_channels, n_times) of an item, and its target or None."""
    signal, target = item, None
    if isinstance(item, (tuple, list)) and len(item):
        signal, target = item[0], item[1] if len(item) > 1 else None
    if not _is_array(signal) or signal.ndim > 2:
        raise TypeError(
            "Expected a dataset of windows, whose items are (signal, target, ...), with signals of "
            f"shape (n_channels, n_times); the items of this {kind} are of type "
            f"{type(item).__name__}. Cut recordings into windows with "
            "braindecode.preprocessing.create_windows_from_events."
        )
    if isinstance(signal, torch.Tensor):
        signal = signal.detach().cpu().numpy()
    signal = np.asarray(signal, dtype=np.float32)
    return signal if signal.ndim == 2 else signal[None], target


def _labels(dataset: Any, targets: Sequence[Any]) -> Callable[[], np.ndarray | None] | None:
    """Return a function that returns the labels; None if there are no labels."""
    if isinstance(dataset, _slice_datasets()):  # its items are signals without targets
        return lambda: _stack([_target(dataset.dataset[i]) for i in dataset.indices_])
    return None if any(target is None for target in targets) else lambda: _stack(targets)


def _target(item: Any) -> Any:
    return item[1] if isinstance(item, (tuple, list)) and len(item) > 1 else None


_Labels: TypeAlias = Callable[[], "np.ndarray | None"] | None


def _stack(targets: Sequence[Any]) -> np.ndarray | None:
    if any(target is None for target in targets):
        return None
    values = [t.detach().cpu().numpy() if isinstance(t, torch.Tensor) else t for t in targets]
    return np.array(values)


def _subjects(parts: Sequence[_Part], of_row: np.ndarray) -> np.ndarray | None:
    subjects = [part.subject for part in parts]
    lacking = [p.name for p, subject in zip(parts, subjects, strict=True) if subject is None]
    if len(lacking) == len(parts):
        return None
    if lacking:
        listed = "; ".join(lacking[:5]) + (" and others" if len(lacking) > 5 else "")
        raise ValueError(
            f"{len(lacking)} of {len(parts)} recordings have no subject in their description: "
            f"{listed}. Set it with set_description, or pass groups."
        )
    return np.array([subjects[number] for number in of_row])


# units --------------------------------------------------------------------------------------------
def _find_factors(X: Windows, parts: Sequence[_Part], kind: str) -> np.ndarray | None:
    """Return factors to µV, shape (n_parts, n_channels, 1); None if signals are not in V."""
    scales = [typical_scale(X[part.rows[:_OF_PART]]) for part in parts]
    known = {p.name: s for p, s in zip(parts, scales, strict=True) if s is not None}
    volts = {name: scale for name, scale in known.items() if look_like_volts(scale)}
    others = {name: scale for name, scale in known.items() if name not in volts}
    if volts and others:
        low, high = (np.median(list(found.values())) for found in (volts, others))
        if high / low > _TWO_UNITS:
            raise ValueError(
                f"The recordings are in two units. {next(iter(volts))} has a standard deviation "
                f"of {low:.1e} and looks like V, {next(iter(others))} one of {high:.1e}. Bring "
                "all to one."
            )
    if not are_volts(typical_scale(X), f"the {kind}"):
        return None
    types = [["misc"] * X.shape[1] if p.choice is None else p.choice.types for p in parts]
    factors = [[1e6 if t == "misc" else FACTORS.get(t, 1.0) for t in of_part] for of_part in types]
    return np.array(factors, dtype=np.float32)[:, :, None]


# lazy reading -------------------------------------------------------------------------------------
def _is_on_disk(leaf: Any) -> bool:
    """Whether a dataset of Braindecode reads its windows from a file."""
    if getattr(leaf, "_zarr_data", None) is not None:
        return True
    signals = [getattr(leaf, name, None) for name in ("raw", "windows")]
    return any(getattr(found, "preload", True) is False for found in signals)


def _read_lazily(
    dataset: Any, parts: Sequence[_Part], of_row: np.ndarray, expected: Expected
) -> tuple[LazyWindows, _Labels]:
    """Read the first window of each recording, and the others when they are used."""
    kind = type(dataset).__name__
    for part in sorted(parts, key=lambda part: part.rows[0]):
        signal, _ = _read_item(dataset[part.rows[0]], kind)
        expected = part.look(len(signal), expected)
    n_channels = len(signal) if part.order is None else len(part.order)
    reader = _Items(dataset, [p.order for p in parts], of_row, (n_channels, signal.shape[1]))
    X = LazyWindows(reader)
    reader.factors = _find_factors(X, parts, kind)
    if getattr(dataset, "target_transform", None) is None and all(
        getattr(part.source, "targets_from", None) == "metadata" for part in parts
    ):
        targets: list[Any] = [None] * len(of_row)
        for part in parts:
            for row, place in zip(part.rows, part.places, strict=True):
                targets[row] = part.source.y[place]
        return X, lambda: _stack(targets)
    return X, lambda: _stack([_target(dataset[i]) for i in range(len(of_row))])


class _Items:
    """Reads rows of a dataset, item by item."""

    def __init__(
        self,
        dataset: Any,
        orders: list[list[int] | None],
        of_row: np.ndarray,
        shape: tuple[int, int],
    ) -> None:
        self.dataset, self.orders, self.of_row = dataset, orders, of_row
        self.shape, self.name = (len(of_row), *shape), f"the {type(dataset).__name__}"
        self.factors: np.ndarray | None = None

    def read(self, rows: np.ndarray) -> np.ndarray:
        X = np.empty((len(rows), *self.shape[1:]), dtype=np.float32)
        for window, row in zip(X, rows, strict=True):
            signal, _ = _read_item(self.dataset[int(row)], self.name)
            order = self.orders[self.of_row[row]]
            signal = signal if order is None else signal[order]
            if signal.shape != window.shape:
                raise ValueError(
                    f"Window {row} of {self.name} has shape {signal.shape} (channels, samples), "
                    f"the first has {window.shape}."
                )
            window[:] = signal
        if self.factors is not None:
            X *= self.factors[self.of_row[rows]]
        return X
