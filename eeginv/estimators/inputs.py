"""One reading of every kind of input: arrays, MNE epochs, Braindecode windows datasets."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Signals:
    """What an input holds.

    Parameters
    ----------
    X : ndarray | object
        Signals of shape (n_windows, n_channels, n_times) in µV for MNE and Braindecode objects; an
        array-like as it came otherwise.
    y : ndarray | None
        Labels that came with the input.
    groups : ndarray | None
        Subjects that came with the input.
    sfreq : float | None
        Sampling frequency in Hz.
    ch_names : list of str | None
        Names of the channels.
    """

    X: object
    y: np.ndarray | None = None
    groups: np.ndarray | None = None
    sfreq: float | None = None
    ch_names: list | None = None


def read_signals(X):
    """Read an input.

    Parameters
    ----------
    X : array-like | mne.Epochs | braindecode windows dataset
        The input. Of epochs, names of events are the labels; of a windows dataset, its targets
        are, and its subjects are the groups.

    Returns
    -------
    signals : Signals
        The signals, with whatever else the input knows.
    """
    # classes are told by where they come from: importing MNE and Braindecode takes seconds
    origins = {base.__module__.split(".")[0] for base in type(X).__mro__}
    if "mne" in origins and hasattr(X, "get_data") and hasattr(X, "events"):
        return _read_epochs(X)
    if "braindecode" in origins and hasattr(X, "__getitem__"):
        return _read_windows(X)
    return Signals(X)


def _read_epochs(epochs):
    known = {"eeg", "eog", "ecog", "seeg", "emg", "dbs"}
    units = {kind: "uV" for kind in known.intersection(epochs.get_channel_types())}
    names = {code: name for name, code in epochs.event_id.items()}
    return Signals(
        X=epochs.get_data(units=units or None),
        y=np.array([names[code] for code in epochs.events[:, 2]]),
        sfreq=float(epochs.info["sfreq"]),
        ch_names=list(epochs.ch_names),
    )


def _read_windows(dataset):
    if len(dataset) == 0:
        raise ValueError("The windows dataset is empty.")
    first = dataset[0]
    if not (isinstance(first, tuple) and len(first) >= 2):
        raise TypeError(
            f"Expected a dataset of windows, whose items are (signal, target, ...); the items of "
            f"this {type(dataset).__name__} are of type {type(first).__name__}. Cut recordings "
            "into windows with braindecode.preprocessing.create_windows_from_events."
        )
    items = [dataset[index] for index in range(len(dataset))]
    parts = getattr(dataset, "datasets", [dataset])
    source = getattr(parts[0], "raw", None) or getattr(parts[0], "windows", None)
    groups = None
    descriptions = [getattr(part, "description", None) for part in parts]
    if all(d is not None and "subject" in d for d in descriptions):
        groups = np.concatenate([np.full(len(p), p.description["subject"]) for p in parts])
    return Signals(
        X=np.stack([np.asarray(item[0], dtype=np.float32) for item in items]),
        y=np.array([item[1] for item in items]),
        groups=groups,
        sfreq=None if source is None else float(source.info["sfreq"]),
        ch_names=None if source is None else list(source.ch_names),
    )
