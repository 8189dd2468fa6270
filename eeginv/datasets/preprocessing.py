"""Preprocessing of a sleep recording with the preprocessors of Braindecode."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .._braindecode import load_braindecode
from .._process import in_this_process

if TYPE_CHECKING:
    import mne

# V and µV differ by six orders of magnitude, subjects and artefacts by two or three.
TWO_UNITS = 1e4


def check_signal(raw: mne.io.BaseRaw, name: str) -> None:
    """Raise an error for a recording with NaN or infinite samples.

    Parameters
    ----------
    raw : mne.io.Raw
        Recording.
    name : str
        Name of the recording in messages.

    Raises
    ------
    ValueError
        If a sample is not finite.
    """
    for i, channel in enumerate(raw.ch_names):
        signal = raw.get_data(picks=[i])[0]  # "EOG" could be taken for a type of channels
        bad = np.flatnonzero(~np.isfinite(signal))
        if len(bad):
            raise ValueError(
                f"{name}, channel {channel}: {len(bad)} samples are NaN or infinite, the first at "
                f"{bad[0] / raw.info['sfreq']:.2f} s. Interpolate or cut them before."
            )


def check_one_unit(recordings: Sequence[tuple[str, mne.io.BaseRaw]]) -> None:
    """Raise an error if some recordings seem to be in V and others in µV.

    Parameters
    ----------
    recordings : list of tuple of (str, mne.io.Raw)
        Names for messages, and recordings.

    Raises
    ------
    ValueError
        If standard deviations of the EEG differ by more than between subjects or by artefacts.
    """
    scales = []
    for name, raw in recordings:
        picks = [i for i, kind in enumerate(raw.get_channel_types()) if kind == "eeg"]
        spread = np.median(raw.get_data(picks=picks).std(axis=1)) if picks else 0.0
        if spread > 0:
            scales.append((float(spread), name))
    if not scales:
        return
    (low, low_name), (high, high_name) = min(scales), max(scales)
    if high > TWO_UNITS * low:
        raise ValueError(
            f"The recordings are in two units: the standard deviation of the EEG is "
            f"{low:.1e} in {low_name} and {high:.1e} in {high_name}. Bring all to V, as MNE "
            "has it (raw.apply_function), or give standardize=True, for which the unit does not "
            "matter."
        )


@in_this_process()
def prepare_recording(
    raw: mne.io.BaseRaw,
    span: tuple[float, float] | None,
    l_freq: float | None,
    h_freq: float | None,
    sfreq: float | None,
    standardize: bool,
) -> mne.io.BaseRaw:
    """Crop, filter, resample and standardise a copy of a recording.

    Parameters
    ----------
    raw : mne.io.Raw
        Recording. It is not changed.
    span : tuple of float | None
        Start and end in s of the part to keep. None keeps all.
    l_freq, h_freq : float | None
        Edges of the band-pass filter in Hz.
    sfreq : float | None
        Sampling frequency in Hz to resample to.
    standardize : bool
        Whether to scale channels to zero mean and unit standard deviation.

    Returns
    -------
    raw : mne.io.Raw
        The preprocessed copy, in memory.

    Raises
    ------
    ValueError
        If the edges of the filter do not suit the sampling frequency.
    """
    load_braindecode()
    from braindecode.datasets import BaseConcatDataset, RawDataset
    from braindecode.preprocessing import Preprocessor, preprocess

    rate = raw.info["sfreq"]
    for name, value in (("l_freq", l_freq), ("h_freq", h_freq)):
        if value is not None and not 0 < value < rate / 2:
            raise ValueError(
                f"{name} must lie between 0 and half the sampling frequency, {rate / 2:g} Hz; "
                f"got {value}. Use None to leave the edge open."
            )
    if l_freq is not None and h_freq is not None and l_freq >= h_freq:
        raise ValueError(f"l_freq={l_freq} Hz must lie below h_freq={h_freq} Hz.")
    if sfreq is not None and h_freq is not None and h_freq > sfreq / 2:
        raise ValueError(f"h_freq={h_freq} Hz is above half of sfreq={sfreq} Hz; lower it.")
    start, stop = (round(seconds * rate) for seconds in span) if span else (0, raw.n_times)
    raw = _cut(raw, start, min(stop, raw.n_times))
    if standardize:
        # Before the filter, because a filtered constant is not flat at the edges.
        raw.apply_function(_zero_if_flat, picks="all", verbose="error")
    steps = []
    if l_freq is not None or h_freq is not None:
        band = {"l_freq": l_freq, "h_freq": h_freq, "picks": "all"}
        steps.append(Preprocessor("filter", apply_on_array=False, verbose="error", **band))
    if sfreq is not None and sfreq != rate:
        steps.append(Preprocessor("resample", apply_on_array=False, sfreq=sfreq, verbose="error"))
    if standardize:
        steps.append(Preprocessor(standardize_channel, channel_wise=True, picks="all"))
    if steps:
        preprocess(BaseConcatDataset([RawDataset(raw)]), steps)
    return raw


def _cut(raw: mne.io.BaseRaw, start: int, stop: int) -> mne.io.RawArray:
    """Copy a part of a recording, with its annotations."""
    import mne

    offset = start / raw.info["sfreq"]
    cut = mne.io.RawArray(raw.get_data(start=start, stop=stop), raw.info.copy(), verbose="error")
    old = raw.annotations
    onsets = old.onset - raw.first_time - offset
    if raw.info["meas_date"] is not None:
        cut.set_meas_date(
            raw.info["meas_date"] + datetime.timedelta(seconds=raw.first_time + offset)
        )
    return cut.set_annotations(
        mne.Annotations(onsets, old.duration, old.description), emit_warning=False
    )


def _zero_if_flat(signal: np.ndarray) -> np.ndarray:
    """Replace a constant signal (n_times,) by zero."""
    # A constant that was filtered or read from a file may have rounding errors.
    if signal.std() <= 1e-6 * np.abs(signal).max():
        return np.zeros_like(signal)
    return signal


def standardize_channel(signal: np.ndarray) -> np.ndarray:
    """Scale a signal (n_times,) to zero mean and unit standard deviation. Zeros stay zeros."""
    centred = signal - signal.mean()
    spread = centred.std()
    return centred / spread if spread > 0 else centred
