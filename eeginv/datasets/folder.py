"""Recordings from a folder of EDF files."""

from __future__ import annotations

import re
from pathlib import Path

from ._edf_pairs import check_hypnogram_start, read_pair
from .sleep import SleepDataset

SLEEP_CASSETTE = re.compile(r"SC4(?P<subject>\d\d)(?P<recording>\d)[A-Z]")
"""Names of Sleep-EDF's age study: SC4, two digits for the subject, one for the night."""


def load_sleep_folder(path, *, channels=None, subjects=None, hypnogram_start="header", **selection):
    """Load pairs of polysomnograms and hypnograms from a folder.

    Files called ``NAME-PSG.edf`` are paired with ``NAME-Hypnogram.edf``. As in Sleep-EDF, the last
    two letters of the names may differ: ``SC4001E0-PSG.edf`` and ``SC4001EC-Hypnogram.edf``.

    Parameters
    ----------
    path : path-like
        Folder with the files; folders inside it are not searched.
    channels : sequence of str, optional
        Channels to read. By default those whose label begins with ``EEG``, or all where none does.
    subjects : sequence, optional
        Subjects to load, by the identifiers described below. All by default.
    hypnogram_start : {"header", "recording"}
        When a hypnogram begins: when its header says, if the headers of both files have a start
        time; or always with the recording, whatever its header says.
    **selection
        Options of `SleepDataset`: ``stages``, ``crop_wake``, ``l_freq``, ``h_freq``, ``sfreq``,
        ``standardize``, ``window``.

    Returns
    -------
    nights : SleepDataset
        The subject is the number in names of Sleep-EDF (1 for ``SC4012E0-PSG.edf``, recording 2),
        otherwise the part of the name before ``-PSG.edf``, with recording 1.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist, or holds no polysomnogram.
    ValueError
        If a polysomnogram has no hypnogram or more than one, a file is truncated, no stage is
        annotated, a subject is unknown, or channels differ.

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
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder: give one with *-PSG.edf files.")
    check_hypnogram_start(hypnogram_start)
    pairs = find_pairs(folder)
    rows = [_identify(psg) for psg, _ in pairs]
    if subjects is not None:
        known = {row["subject"] for row in rows}
        unknown = [subject for subject in subjects if subject not in known]
        if unknown:
            raise ValueError(
                f"{folder} has no subjects {unknown}; it has {sorted(known, key=str)}."
            )
        kept = [i for i, row in enumerate(rows) if row["subject"] in set(subjects)]
        pairs, rows = [pairs[i] for i in kept], [rows[i] for i in kept]
    recordings = [read_pair(psg, hypnogram, channels, hypnogram_start) for psg, hypnogram in pairs]
    return SleepDataset(recordings, rows, **selection)


def find_pairs(folder):
    """List the pairs of polysomnogram and hypnogram in a folder, in the order of their names."""
    psgs = sorted(folder.glob("*-PSG.edf"))
    if not psgs:
        raise FileNotFoundError(
            f"{folder} has no *-PSG.edf file. Expected pairs such as SC4001E0-PSG.edf and "
            "SC4001EC-Hypnogram.edf, or night1-PSG.edf and night1-Hypnogram.edf."
        )
    hypnograms = sorted(folder.glob("*-Hypnogram.edf"))
    pairs, problems = [], []
    for psg in psgs:
        stem = psg.name.removesuffix("-PSG.edf")
        match = SLEEP_CASSETTE.match(stem)
        # Any Sleep-EDF name, ST ones included: two letters after the night may differ.
        if match or re.fullmatch(r"S[CT]\d{4}[A-Z]\d", stem):
            found = [path for path in hypnograms if path.name.startswith(stem[:7])]
        else:
            found = [path for path in hypnograms if path.name == f"{stem}-Hypnogram.edf"]
        if len(found) == 1:
            pairs.append((psg, found[0]))
        elif not found:
            problems.append(f"{psg.name} has no hypnogram (expected {stem}-Hypnogram.edf)")
        else:
            names = ", ".join(path.name for path in found)
            problems.append(f"{psg.name} has more than one hypnogram ({names})")
    if problems:
        raise ValueError(f"In {folder}: {'; '.join(problems)}. Add or move the files.")
    return pairs


def _identify(psg):
    match = SLEEP_CASSETTE.match(psg.name)
    if match:
        return {"subject": int(match["subject"]), "recording": int(match["recording"])}
    return {"subject": psg.name.removesuffix("-PSG.edf"), "recording": 1}
