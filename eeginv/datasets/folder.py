"""Loading of sleep recordings from a folder of EDF files."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .edf.clock import check_hypnogram_start
from .edf.header import read_header
from .edf.pairs import read_pair
from .file_names import Pair, alike, find_pairs, identify
from .scoring.files import Coding, check_coding
from .sleep import SleepDataset

if TYPE_CHECKING:
    from .._typing import PathLike
    from .scoring.recording import ScoredRecording


def load_sleep_folder(
    path: PathLike,
    *,
    channels: Sequence[str] | Mapping[str, str] | None = None,
    subjects: Sequence[Any] | None = None,
    pattern: str | None = None,
    hypnogram_start: str = "header",
    stage_numbers: str | Mapping[int, str] | None = None,
    epoch: float = 30.0,
    **selection: Any,
) -> SleepDataset:
    r"""Load pairs of polysomnograms and hypnograms from a folder.

    ``NAME-PSG.edf`` is paired with ``NAME-Hypnogram.edf``, in upper or lower case, or with a
    hypnogram that ends in ``.csv``, ``.tsv``, ``.txt`` or ``.xml``. As in Sleep-EDF, the last two
    letters of the names may differ: ``SC4001E0-PSG.edf`` and ``SC4001EC-Hypnogram.edf``. Pairs of
    MASS (``NAME PSG.edf`` and ``NAME Base.edf``) and of the NSRR (``NAME.edf`` and
    ``NAME-nsrr.xml`` or ``NAME-profusion.xml``) are also recognised. Hidden files, such as
    ``._NAME-PSG.edf`` of macOS, are ignored. The formats are described in :ref:`recordings`.

    Parameters
    ----------
    path : path-like
        Folder with the files. Subfolders are not searched.
    channels : sequence of str | dict of str to str | None
        Channels to read, which may include EOG and EMG, by name, with or without a leading "EEG ",
        or by a pattern with ``*`` and ``?``. A dict renames channels: ``{"C3": "C3-*"}`` reads the
        channel C3 with any reference, and names it C3. None reads the channels whose label begins
        with "EEG", or all if there are none. Channels with the same label are numbered as in MNE:
        "C3-0", "C3-1".
    subjects : sequence | None
        Subjects to load, by the identifiers described below. None loads all.
    pattern : str | None
        Regular expression for the names without ``-PSG.edf``, with a group ``subject`` and an
        optional group ``recording``: ``r"(?P<subject>.+)_night(?P<recording>\d)"``.
    hypnogram_start : "header" | "recording"
        Start of hypnograms. With "header", it is the time in the header, if the headers of both
        files have a start time. With "recording", it is always the start of the recording.
    stage_numbers : "yasa" | "nsrr" | dict of int to str | None
        Meaning of numbers in hypnograms that are text or tables. With "yasa", 0 to 4 are W, N1, N2,
        N3, R, and negative numbers are unscored. With "nsrr", 0 to 5 are W, stages 1 to 4, R, and
        larger numbers are unscored. A dict gives the stage of each number, or "unscored". With
        None, numbers are an error.
    epoch : float
        Length of the epochs in s, for hypnograms that are text or tables without onsets.
    **selection : object
        Options of :class:`~eeginv.datasets.SleepDataset`: ``stages``, ``crop_wake``, ``l_freq``,
        ``h_freq``, ``sfreq``, ``standardize``, ``window``.

    Returns
    -------
    nights : SleepDataset
        The recordings. For names of Sleep-EDF, the subject is the number in the name (1 for
        ``SC4012E0-PSG.edf``, recording 2, and for ``ST7011J0-PSG.edf``, recording 1), or ``"SC01"``
        and ``"ST01"`` if a folder contains both studies. For names of BIDS such as
        ``sub-01_ses-2-PSG.edf``, it is ``"sub-01"``. Otherwise, it is the part of the name before
        ``-PSG.edf``, with recording 1.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist, or does not contain a polysomnogram.
    ValueError
        If a polysomnogram has no hypnogram or several, a file is truncated or not readable, no
        stage is annotated, stages contradict each other or are outside the recording, a subject is
        unknown, or channels differ. The message names the file.

    Warns
    -----
    UserWarning
        If names or headers suggest that recordings of several subjects are nights of one person,
        whose windows could then be in both training and test. If a recording is in no pair, or is a
        broken link. Also the warnings of :class:`~eeginv.datasets.SleepDataset`.

    Examples
    --------
    >>> import tempfile
    >>> from eeginv.datasets import load_sleep_folder, simulate_recordings, write_sleep_physionet
    >>> population = simulate_recordings(n_subjects=1, hours=0.25, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_sleep_physionet(population, folder)
    ...     nights = load_sleep_folder(folder)
    >>> nights.ch_names
    ['Fpz-Cz', 'Pz-Oz']
    """
    nights = find_nights(path, channels, subjects, pattern, hypnogram_start, stage_numbers, epoch)
    recordings = [nights.read(number) for number in range(len(nights.pairs))]
    return SleepDataset(recordings, nights.rows, **selection)


@dataclass(frozen=True)
class Nights:
    """Pairs of polysomnograms and hypnograms that are read one after another.

    Parameters
    ----------
    pairs : list of Pair
        Files.
    rows : list of dict
        Subject and recording of each pair.
    channels : sequence of str | dict of str to str | None
        Channels to read.
    hypnogram_start : str
        When hypnograms begin.
    coding : Coding
        How stages are written in text.
    """

    pairs: list[Pair]
    rows: list[dict[str, Any]]
    channels: Any
    hypnogram_start: str
    coding: Coding

    def read(self, number: int) -> ScoredRecording:
        """Read a pair.

        Parameters
        ----------
        number : int
            Number of the pair.

        Returns
        -------
        recording : ScoredRecording
            In memory, in V.
        """
        pair = self.pairs[number]
        return read_pair(pair.psg, pair.hypnogram, self.channels, self.hypnogram_start, self.coding)


def find_nights(
    path: PathLike,
    channels: Sequence[str] | Mapping[str, str] | None = None,
    subjects: Sequence[Any] | None = None,
    pattern: str | None = None,
    hypnogram_start: str = "header",
    stage_numbers: str | Mapping[int, str] | None = None,
    epoch: float = 30.0,
) -> Nights:
    """Find the pairs of a folder.

    Parameters
    ----------
    path, channels, subjects, pattern, hypnogram_start, stage_numbers, epoch
        As for :func:`load_sleep_folder`.

    Returns
    -------
    nights : Nights
        The pairs.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder: give one with *-PSG.edf files.")
    check_hypnogram_start(hypnogram_start)
    coding = check_coding(stage_numbers, epoch)
    pairs, unused = find_pairs(folder)
    if unused:
        warnings.warn(
            f"In {folder}, these files are in no pair of NAME-PSG.edf and NAME-Hypnogram.edf, and "
            f"are not read: {', '.join(unused)}.",
            stacklevel=3,
        )
    rows, has_subject = identify([pair.stem for pair in pairs], pattern)
    kept = _choose(rows, subjects, folder)
    pairs, rows, has_subject = (
        [pairs[i] for i in kept],
        [rows[i] for i in kept],
        [has_subject[i] for i in kept],
    )
    _warn_of_same_persons(pairs, rows, has_subject)
    return Nights(pairs, rows, channels, hypnogram_start, coding)


def _choose(rows: Sequence[dict[str, Any]], subjects: Any, folder: Path) -> Sequence[int]:
    """Return the indices of the recordings of the selected subjects."""
    if subjects is None:
        return range(len(rows))
    subjects = [subjects] if isinstance(subjects, str | Integral) else list(subjects)
    known = {row["subject"] for row in rows}
    unknown = [subject for subject in subjects if subject not in known]
    if unknown or not subjects:
        raise ValueError(f"{folder} has no subjects {unknown}; it has {sorted(known, key=str)}.")
    return [i for i, row in enumerate(rows) if row["subject"] in set(subjects)]


def _warn_of_same_persons(
    pairs: list[Pair], rows: Sequence[dict[str, Any]], has_subject: list[bool]
) -> None:
    """Warn if recordings of different subjects may be of one person."""
    stems = [pair.stem for pair, known in zip(pairs, has_subject, strict=True) if not known]
    groups = alike(stems)
    by_code: dict[str, set[str]] = {}
    for row, pair in zip(rows, pairs, strict=True):
        # The first word is the code of the patient in the hospital: X if unknown, often 0 or a
        # word.
        code = read_header(pair.psg).patient.split(" ")[0]
        if len(code) >= 3 and re.search(r"\d", code):
            by_code.setdefault(code, set()).add(str(row["subject"]))
    groups += [sorted(names) for names in by_code.values() if len(names) > 1]
    if groups:
        listed = "; ".join(", ".join(group[:4]) for group in groups[:4])
        warnings.warn(
            f"Recordings that count as different subjects look like nights of one person: {listed}"
            f"{' and others' if len(groups) > 4 else ''}. If they are, give pattern, or windows of "
            "one person can be in training and test.",
            stacklevel=4,
        )
