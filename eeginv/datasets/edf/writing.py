"""Writing of recordings as files in the format of Sleep Physionet."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..._files import replacing
from ..physionet_records import Record, find_record

if TYPE_CHECKING:
    import mne
    from edfio import Edf
    from edfio import Recording as EdfRecording

    from ..._typing import PathLike
    from ..simulation.recordings import SimulatedRecordings
    from ..sleep import SleepDataset

# Files of Sleep-EDF also contain EOG and EMG, which loaders ignore.
EXTRA_CHANNELS = {"EOG horizontal": 100, "EMG submental": 1}


def write_sleep_physionet(
    nights: SimulatedRecordings | SleepDataset, folder: PathLike, *, extra_channels: bool = False
) -> list[tuple[Path, Path]]:
    """Write recordings with the layout and the file names of Sleep Physionet.

    Each recording is written as a pair of files, such as ``SC4001E0-PSG.edf`` (EDF) and
    ``SC4001EC-Hypnogram.edf`` (EDF+ annotations). The loaders of MNE, Braindecode and eeginv read
    them. Files are first written under a temporary name, so a file with its final name is always
    complete.

    Parameters
    ----------
    nights : SimulatedRecordings | SleepDataset
        Any object with ``recordings`` (list of mne.io.Raw in V) and ``description`` (DataFrame with
        columns ``subject`` and ``recording``). The recordings of a SleepDataset are written after
        its preprocessing. It must have been made with ``standardize=False``.
    folder : path-like
        Output folder, created if missing. MNE and Braindecode only find the files if its name is
        ``physionet-sleep-data`` and it is in ``PHYSIONET_SLEEP_PATH`` or ``MNE_DATA``.
    extra_channels : bool
        Whether to add the channels ``EOG horizontal`` and ``EMG submental`` of the original files,
        without signal, to test loaders.

    Returns
    -------
    paths : list of tuple of pathlib.Path
        PSG and hypnogram file of each recording.

    Raises
    ------
    ValueError
        If Sleep Physionet does not have a subject or recording, two recordings have the same
        number, a signal is not finite, or the dataset is standardised.

    Examples
    --------
    >>> import tempfile
    >>> from eeginv.datasets import simulate_recordings, write_sleep_physionet
    >>> population = simulate_recordings(n_subjects=1, hours=0.25, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [(psg, hypnogram)] = write_sleep_physionet(population, folder)
    >>> psg.name, hypnogram.name
    ('SC4001E0-PSG.edf', 'SC4001EC-Hypnogram.edf')
    """
    if getattr(nights, "standardize", False):
        raise ValueError(
            "A standardised dataset has no unit and cannot be written as EDF in µV; make it with "
            "standardize=False, or write what simulate_recordings returns."
        )
    if not hasattr(nights, "recordings") or not hasattr(nights, "description"):
        raise TypeError(
            "nights must have recordings and description, as simulate_recordings returns them; "
            f"got {type(nights).__name__}."
        )
    records = [find_record(row.subject, row.recording) for row in nights.description.itertuples()]
    if len({record.psg for record in records}) < len(records):
        raise ValueError("Two recordings have the same subject and recording number.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for raw, record in zip(nights.recordings, records, strict=True):
        psg, hypnogram = folder / record.psg, folder / record.hypnogram
        for path, edf in ((psg, _psg(raw, record, extra_channels)), (hypnogram, _hypnogram(raw))):
            with replacing(path) as scratch:
                edf.write(scratch)
        paths.append((psg, hypnogram))
    return paths


def write_hypnogram(
    path: PathLike,
    onsets: np.ndarray,
    durations: np.ndarray,
    labels: Sequence[str],
    start: datetime.datetime | None = None,
) -> None:
    """Write annotations as an EDF+ file without signals, as in Sleep-EDF.

    Parameters
    ----------
    path : path-like
        The file.
    onsets, durations : ndarray, shape (n_epochs,)
        Onset and duration of each epoch, in s. Onsets are relative to the start of the recording.
    labels : list of str
        Labels such as "Sleep stage W".
    start : datetime.datetime | None
        Start of the recording. EDF+ stores whole seconds. The remainder is added to the onsets.
    """
    from edfio import Edf, EdfAnnotation, Recording

    left = 0.0 if start is None else start.microsecond / 1e6
    rows = [
        EdfAnnotation(float(onset) + left, float(duration), label)
        for onset, duration, label in zip(onsets, durations, labels, strict=True)
    ]
    recording = None if start is None else Recording(startdate=start.date())
    time = None if start is None else start.time().replace(microsecond=0)
    with replacing(path) as scratch:
        Edf([], recording=recording, starttime=time, annotations=rows).write(scratch)


def _psg(raw: mne.io.BaseRaw, record: Record, extra_channels: bool) -> Edf:
    from edfio import Edf, EdfSignal

    sfreq = raw.info["sfreq"]
    signals = []
    for name, values in zip(raw.ch_names, 1e6 * raw.get_data(), strict=True):
        if not np.isfinite(values).all():
            raise ValueError(f"{record.psg}, channel {name}: NaN or infinite samples.")
        # Whole µV and symmetric: with 16 bits, the resolution is a fraction of a µV for any peak.
        limit = float(np.ceil(max(np.abs(values).max(), 1.0)))
        signals.append(
            EdfSignal(
                values,
                sfreq,
                label=f"EEG {name.removeprefix('EEG ')}",
                physical_dimension="uV",
                physical_range=(-limit, limit),
                # Also symmetric, so that zero is represented exactly.
                digital_range=(-32767, 32767),
            )
        )
    if extra_channels:
        seconds = raw.n_times / sfreq
        for name, rate in EXTRA_CHANNELS.items():
            flat = np.zeros(round(seconds * rate))
            signals.append(
                EdfSignal(
                    flat,
                    rate,
                    label=name,
                    physical_dimension="uV",
                    physical_range=(-1, 1),
                    digital_range=(-32767, 32767),
                )
            )
    return Edf(signals, recording=_start(), data_record_duration=_record_seconds(raw))


def _record_seconds(raw: mne.io.BaseRaw) -> int | None:
    """Return the longest data record of at most 30 whole seconds that divides the recording."""
    seconds = raw.n_times / raw.info["sfreq"]
    lengths = [n for n in range(1, 31) if abs(seconds / n - round(seconds / n)) < 1e-9]
    return max(lengths) if lengths else None


def _hypnogram(raw: mne.io.BaseRaw) -> Edf:
    from edfio import Edf, EdfAnnotation

    annotations = raw.annotations
    start = raw.first_time
    rows = [
        EdfAnnotation(float(one["onset"] - start), float(one["duration"]), one["description"])
        for one in annotations
    ]
    return Edf([], recording=_start(), annotations=rows)


def _start() -> EdfRecording:
    from edfio import Recording

    return Recording(startdate=datetime.date(1989, 4, 24))
