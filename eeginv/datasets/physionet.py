"""Loading of Sleep Physionet from the cache of MNE."""

from __future__ import annotations

import os
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .edf.clock import check_hypnogram_start
from .edf.pairs import read_pair
from .physionet_records import Record, all_records, find_record
from .sleep import SleepDataset

if TYPE_CHECKING:
    from .._typing import PathLike


def load_sleep_physionet(
    subjects: int | Sequence[int],
    recordings: int | Sequence[int] = (1, 2),
    *,
    path: PathLike | None = None,
    download: bool = False,
    channels: Sequence[str] | None = None,
    hypnogram_start: str = "header",
    **selection: Any,
) -> SleepDataset:
    """Load nights of the Sleep Physionet age study (Sleep-EDF Expanded, sleep cassette).

    Files are shared with MNE and Braindecode. Missing files are only downloaded with ``download``.

    Parameters
    ----------
    subjects : int | sequence of int
        Subjects, 0 to 82 without 39, 68, 69, 78 and 79.
    recordings : int | sequence of int
        Nights of each subject, 1 and 2. Subjects 13, 36 and 52 have one night only.
    path : path-like | None
        Folder that contains ``physionet-sleep-data``. None takes ``PHYSIONET_SLEEP_PATH``, or else
        ``MNE_DATA``, from the environment or the configuration of MNE, or else ``~/mne_data``.
    download : bool
        Whether to download missing files, through MNE.
    channels : sequence of str | None
        Channels to read. None reads the EEG, "Fpz-Cz" and "Pz-Oz".
    hypnogram_start : "header" | "recording"
        Start of hypnograms: see :func:`~eeginv.datasets.load_sleep_folder`.
    **selection : object
        Options of :class:`~eeginv.datasets.SleepDataset`: ``stages``, ``crop_wake``, ``l_freq``,
        ``h_freq``, ``sfreq``, ``standardize``, ``window``.

    Returns
    -------
    nights : SleepDataset
        The recordings, with the numbers of subjects and recordings in ``description``.

    Raises
    ------
    FileNotFoundError
        If files are missing and ``download`` is False.
    ValueError
        If a subject or recording does not exist, or a file is truncated.

    References
    ----------
    .. [1] Kemp, B., Zwinderman, A. H., Tuk, B., Kamphuisen, H. A. C. and Oberye, J. J. L. (2000).
       Analysis of a sleep-dependent neuronal feedback loop: the slow-wave microcontinuity of the
       EEG. IEEE Transactions on Biomedical Engineering, 47(9), 1185-1194.
    .. [2] Goldberger, A. L. et al. (2000). PhysioBank, PhysioToolkit, and PhysioNet. Circulation,
       101(23), e215-e220.

    Examples
    --------
    >>> from eeginv.datasets import load_sleep_physionet
    >>> nights = load_sleep_physionet([0, 1], download=True)  # doctest: +SKIP
    """
    check_hypnogram_start(hypnogram_start)
    records = _choose_records(_as_list("subjects", subjects), _as_list("recordings", recordings))
    folder = _cache_folder(path) / "physionet-sleep-data"
    pairs = [(folder / record.psg, folder / record.hypnogram) for record in records]
    missing = [file.name for pair in pairs for file in pair if not file.is_file()]
    if missing and not download:
        raise FileNotFoundError(
            f"Not in {folder}: {', '.join(missing)}. Give download=True to get them from "
            "PhysioNet, or give the path of the folder that holds physionet-sleep-data."
        )
    if missing:
        from mne.datasets.sleep_physionet.age import fetch_data

        folder.mkdir(parents=True, exist_ok=True)
        for record in records:
            fetch_data([record.subject], [record.recording], path=str(folder.parent))
    raws = [read_pair(psg, hypnogram, channels, hypnogram_start) for psg, hypnogram in pairs]
    rows = [{"subject": record.subject, "recording": record.recording} for record in records]
    return SleepDataset(raws, rows, **selection)


def _as_list(name: str, values: int | Sequence[int]) -> list[int]:
    values = [values] if isinstance(values, int | Integral) else list(values)
    wrong = [value for value in values if not isinstance(value, Integral)]
    if wrong or not values:
        raise ValueError(f"{name} must be integers, at least one; got {values}.")
    if len(set(values)) < len(values):
        raise ValueError(f"{name} must not contain duplicates; got {values}.")
    return [int(value) for value in values]


def _choose_records(subjects: list[int], recordings: list[int]) -> list[Record]:
    """Find the existing recordings, at least one of those requested for each subject."""
    records = []
    for subject in subjects:
        existing = [number for number in recordings if (subject, number) in all_records()]
        if not existing:
            find_record(subject, recordings[0])
        records += [find_record(subject, number) for number in existing]
    return records


def _cache_folder(path: PathLike | None) -> Path:
    """Find the folder as MNE does, without creating it."""
    import mne

    if path is None:
        path = mne.get_config("PHYSIONET_SLEEP_PATH", mne.get_config("MNE_DATA"))
    if path is None:
        path = Path(os.environ.get("_MNE_FAKE_HOME_DIR", "~")) / "mne_data"
    return Path(path).expanduser()
