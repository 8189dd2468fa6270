"""Reading of MNE epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .channels import Choice, Expected, choose_channels, say_left_out
from .lazy import InMemory, Joined, LazyWindows
from .signals import Signals
from .units import FACTORS, are_volts, cannot_be_volts, typical_scale

if TYPE_CHECKING:
    import mne


def is_epochs(X: object) -> bool:
    """Whether an object is an MNE object, or a list of MNE objects."""
    first = X[0] if isinstance(X, (list, tuple)) and len(X) else X
    # by the name of its module, because importing MNE takes seconds
    return any(base.__module__.partition(".")[0] == "mne" for base in type(first).__mro__)


def read_epochs(epochs: Any, expected: Expected) -> Signals:
    """Read epochs, in µV.

    Parameters
    ----------
    epochs : mne.Epochs | list of mne.Epochs
        Epochs. Those of a list are concatenated, and must have the same channels (in any order) and
        sampling frequency. scikit-learn makes a list of single epochs when it indexes them.
    expected : Expected
        Properties that they must have.

    Returns
    -------
    signals : Signals
        The signals. The names of the events are the labels, and the column "subject" of the
        metadata, if there is one, is the groups.
    """
    several = isinstance(epochs, (list, tuple))
    parts = list(epochs) if several else [epochs]
    left_out: dict[str, str] = {}
    signals: list[np.ndarray] = []
    choices: dict[tuple[str, ...], Choice] = {}
    for number, part in enumerate(parts):
        what = f"Epochs {number} of the list" if several else "X"
        _check_kind(part, what)
        sfreq = float(part.info["sfreq"])
        expected.check_rate(sfreq, f"{what} was")
        # the same for all single epochs of a recording
        key = (*part.ch_names, *part.get_channel_types(), *part.info["bads"])
        if key not in choices:
            choices[key] = choose_channels(part.info, expected, what)
            left_out |= choices[key].left_out
        choice = choices[key]
        if number == 0:
            first = choice
            if expected.ch_names is None:
                expected = Expected(f"{what} has", choice.names, sfreq)
            expected = Expected(expected.owner, expected.ch_names, sfreq)
        values = part.get_data(picks=choice.picks, copy=False)
        if signals and values.shape[2] != signals[0].shape[2]:
            raise ValueError(
                f"{what} has {values.shape[2]} samples, those before have {signals[0].shape[2]}."
            )
        signals.append(values)
    say_left_out(left_out)
    return Signals(
        _join_in_microvolts(signals, first.types),
        sfreq,
        first.names,
        labels=lambda: np.concatenate([_labels(part) for part in parts]),
        subjects=lambda: _subjects(parts),
    )


def _subjects(parts: list[Any]) -> np.ndarray | None:
    """Return the column "subject" of the metadata; None if some epochs do not have it."""
    tables = [part.metadata for part in parts]
    if any(table is None or "subject" not in table for table in tables):
        return None
    return np.concatenate([table["subject"].to_numpy() for table in tables])


def _join_in_microvolts(signals: list[np.ndarray], types: list[str]) -> np.ndarray:
    """Concatenate signals and convert them to µV, with one copy in single precision."""
    n_windows = sum(map(len, signals))
    scale = typical_scale(LazyWindows(Joined([InMemory(part) for part in signals], "Epochs")))
    factors = np.array([[FACTORS.get(kind, 1.0)] for kind in types])
    if set(types) == {"misc"}:  # the unit is unknown
        converts = are_volts(scale, "the Epochs")
        factors = np.array([[1e6]])
    else:
        converts = not cannot_be_volts(scale, factors, "the Epochs")
    X = np.empty((n_windows, *signals[0].shape[1:]), dtype=np.float32)
    start = 0
    for part in signals:
        for window in part:
            X[start] = window * factors if converts else window
            start += 1
    return X


def _check_kind(part: object, what: str) -> None:
    import mne

    if not isinstance(part, mne.BaseEpochs):
        raise TypeError(
            f"Expected mne.Epochs; {what} is of type {type(part).__name__}. Cut recordings into "
            "epochs, for instance with mne.make_fixed_length_epochs."
        )


def _labels(epochs: mne.BaseEpochs) -> np.ndarray:
    codes = set(epochs.events[:, 2].tolist())
    names: dict[int, list[str]] = {}
    for name, code in epochs.event_id.items():
        names.setdefault(code, []).append(name)
    unnamed = sorted(codes - set(names))
    if unnamed:
        raise ValueError(
            f"The event_id of the Epochs, {dict(epochs.event_id)}, has no name for the events "
            f"{unnamed}: add them to event_id, drop their epochs, or pass y."
        )
    twice = [names[code] for code in sorted(codes) if len(names[code]) > 1]
    if twice:
        raise ValueError(
            f"The event_id of the Epochs gives one event several names, {twice}: leave one of "
            "them, or pass y."
        )
    return np.array([names[code][0] for code in epochs.events[:, 2]])
