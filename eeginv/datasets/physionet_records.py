"""Names of the files of Sleep Physionet, from a table of MNE."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Record(NamedTuple):
    """One recording of the age study (sleep cassette) and its two files."""

    subject: int
    recording: int
    psg: str
    hypnogram: str


@cache
def all_records() -> dict[tuple[int, int], Record]:
    """Return the recordings of the age study, as a dict from (subject, recording) to Record."""
    import mne.datasets.sleep_physionet as sleep_physionet

    names: dict[tuple[int, int], dict[str, str]] = {}
    path = Path(sleep_physionet.__file__).parent / "age_records.csv"
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = int(row["subject"]), int(row["night"])
            names.setdefault(key, {})[row["record type"]] = row["fname"]
    return {key: Record(*key, pair["PSG"], pair["Hypnogram"]) for key, pair in names.items()}


def find_record(subject: int, recording: int) -> Record:
    """Find one recording.

    Parameters
    ----------
    subject, recording : int
        Numbers of the subject and of the night.

    Returns
    -------
    record : Record
        The recording.

    Raises
    ------
    ValueError
        If it does not exist. The message lists the existing ones.
    """
    record = all_records().get((subject, recording))
    if record is None:
        numbers = [number for other, number in all_records() if other == subject]
        if numbers:
            raise ValueError(
                f"Sleep Physionet has no recording {recording!r} of subject {subject}; it has "
                f"{numbers}."
            )
        raise ValueError(
            f"Sleep Physionet has no subject {subject!r}; it has 0 to 82 without 39, 68, 69, 78 "
            "and 79."
        )
    return record
