"""Reading one pair of EDF files: a polysomnogram and its hypnogram."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple

from ._bouts import STAGE_OF_LABEL


class EdfHeader(NamedTuple):
    """What a check before reading needs of an EDF header."""

    labels: list
    expected_bytes: int


def read_header(path):
    """Read labels and the size of the file that the header promises.

    Raises
    ------
    ValueError
        If the file is not EDF, or shorter than its header promises.
    """
    path = Path(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        fixed = file.read(256)
        try:
            header_bytes = int(fixed[184:192])
            n_records = int(fixed[236:244])
            n_signals = int(fixed[252:256])
        except ValueError as error:
            if size >= 256:
                message = f"{path} is not an EDF file: its header is not readable."
            else:
                message = f"{path} is truncated: {size} bytes, less than an EDF header has."
            raise ValueError(message) from error
        table = file.read(256 * n_signals)
    if size < header_bytes:
        raise ValueError(
            f"{path} is truncated: its header should have {header_bytes} bytes, it has {size}."
        )
    # Fields are stored one after the other, each for all signals; numbers of samples come after
    # 216 bytes of other fields per signal.
    labels = [table[16 * i :][:16].decode("latin-1").strip() for i in range(n_signals)]
    samples = [int(table[216 * n_signals + 8 * i :][:8]) for i in range(n_signals)]
    expected = header_bytes + 2 * sum(samples) * max(n_records, 0)
    if size < expected:
        raise ValueError(
            f"{path} is truncated: its header promises {expected} bytes, it has {size}. "
            "Get the file again."
        )
    return EdfHeader(labels, expected)


def read_pair(psg, hypnogram, channels=None):
    """Read the EEG of a polysomnogram, annotated by its hypnogram.

    Parameters
    ----------
    psg, hypnogram : path-like
        EDF file with signals, EDF+ file with annotations.
    channels : sequence of str, optional
        Channels to read, with or without a leading ``"EEG "``. By default those whose label
        begins with ``EEG``, or all where none does.

    Returns
    -------
    raw : mne.io.Raw
        In memory, in V, without the leading ``"EEG "`` in channel names.

    Raises
    ------
    ValueError
        If a file is truncated or not EDF, a channel is missing, or no stage is annotated.
    """
    import mne

    labels = read_header(psg).labels
    read_header(hypnogram)
    short = {label.removeprefix("EEG ").strip(): label for label in labels}
    if channels is None:
        chosen = [label for label in labels if label.upper().startswith("EEG")]
        chosen = chosen or [label for label in labels if label != "EDF Annotations"]
    else:
        missing = [name for name in channels if name not in labels and name not in short]
        if missing:
            raise ValueError(f"{psg} has no channels {missing}; it has {labels}.")
        chosen = [name if name in labels else short[name] for name in channels]
    with warnings.catch_warnings():
        # The header's filter settings are free text, on which MNE comments; they are not used.
        warnings.filterwarnings("ignore", category=RuntimeWarning, module="mne")
        raw = mne.io.read_raw_edf(psg, include=chosen, preload=True, verbose="error")
        annotations = mne.read_annotations(hypnogram)
    if not any(label in STAGE_OF_LABEL for label in annotations.description):
        found = sorted(set(annotations.description.tolist()))
        raise ValueError(
            f"{hypnogram} has no sleep stage: expected annotations such as 'Sleep stage W' or "
            f"'Sleep stage 2', got {found[:10]}."
        )
    raw.set_annotations(annotations, emit_warning=False)
    raw.rename_channels({name: name.removeprefix("EEG ").strip() for name in raw.ch_names})
    if channels is not None:
        raw.reorder_channels([label.removeprefix("EEG ").strip() for label in chosen])
    return raw
