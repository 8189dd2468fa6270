"""Reading of stages from text files, tables, and XML."""

from __future__ import annotations

import csv
import io
import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..._checks import check_number
from .stages import STAGES, UNSCORED, read_label

if TYPE_CHECKING:
    from ..._typing import PathLike

ENDINGS = (".csv", ".tsv", ".txt", ".xml")

# Meanings of integers in different programs.
NUMBERS: dict[str, dict[int, str]] = {
    "yasa": {-2: UNSCORED, -1: UNSCORED, 0: "W", 1: "N1", 2: "N2", 3: "N3", 4: "R"},
    "nsrr": {
        **{0: "W", 1: "N1", 2: "N2", 3: "N3", 4: "N3", 5: "R"},
        **{6: UNSCORED, 7: UNSCORED, 9: UNSCORED},
    },
}

_STAGE_COLUMNS = (
    *("stage", "stages", "sleep_stage", "hypno", "hypnogram", "eventconcept"),
    *("description", "annotation", "event", "class"),
)
_ONSET_COLUMNS = ("onset", "onset_sec", "start", "start_sec", "starttime", "start_time", "time")
_DURATION_COLUMNS = ("duration", "duration_sec")
_STOP_COLUMNS = ("stop", "end", "stop_sec", "end_sec", "stop_time", "end_time", "endtime")
# Names of columns that say when a stage is, in words that are known or not.
_WHEN = re.compile(r"time|onset|start|stop|(?:^|_)ends?(?:_|$)|durat|clock|epoch")
_SECONDS = re.compile(r"_*[(\[](?:s|secs?|seconds)[)\]]$")  # "onset (s)"


class StageFile(NamedTuple):
    """Annotations of a file without signals, with times in s after the start of the recording.

    Parameters
    ----------
    onsets, durations : ndarray, shape (n_annotations,)
        Onset and duration of each annotation.
    labels : list of str
        Descriptions.
    """

    onsets: np.ndarray
    durations: np.ndarray
    labels: list[str]


class Coding(NamedTuple):
    """Coding of stages that is not specified in the file.

    Parameters
    ----------
    numbers : dict of int to str | None
        Stage of each number. None means that numbers are an error.
    epoch : float
        Length of an epoch in s.
    """

    numbers: dict[int, str] | None = None
    epoch: float = 30.0


def check_coding(
    stage_numbers: str | Mapping[int, str] | None = None, epoch: float = 30.0
) -> Coding:
    """Check the coding of stages.

    Parameters
    ----------
    stage_numbers : str | dict of int to str | None
        Name in ``NUMBERS``, or the stage of each number.
    epoch : float
        Length of an epoch in s.

    Returns
    -------
    coding : Coding
        The coding, with numbers as a dict.

    Raises
    ------
    TypeError, ValueError
        If a name is unknown, or the length is not a positive number.
    """
    numbers = stage_numbers
    if isinstance(numbers, str):
        if numbers not in NUMBERS:
            raise ValueError(
                f"stage_numbers must be one of {list(NUMBERS)} or a dict; got {numbers!r}."
            )
        numbers = NUMBERS[numbers]
    elif numbers is not None:
        numbers = {int(number): stage for number, stage in dict(numbers).items()}
        wrong = sorted(set(numbers.values()) - {*STAGES, UNSCORED})
        if wrong:
            raise ValueError(
                f"stage_numbers must name stages among {list(STAGES)} or {UNSCORED!r}; got {wrong}."
            )
    return Coding(numbers, check_number("epoch", epoch, exclusive=True))


def read_stage_file(path: PathLike, coding: Coding | None = None) -> StageFile:
    """Read the stages in a file without signals.

    Parameters
    ----------
    path : path-like
        A file with one of ``ENDINGS``: text with one stage for each line, a table with a column of
        stages (and optional columns of onsets and of durations or ends, in s), or XML of the NSRR
        or of Profusion.
    coding : Coding | None
        Meaning of numbers and length of epochs. None takes epochs of 30 s, and refuses numbers.

    Returns
    -------
    stages : StageFile
        The annotations in the order of the file.

    Raises
    ------
    ValueError
        If the file cannot be read, a number has no meaning, or a table has times that are not
        understood. The message names the file.
    """
    path, coding = Path(path), coding or Coding()
    if path.suffix.lower() == ".xml":
        return _read_xml(path, coding)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8 ({error}).") from error
    if path.suffix.lower() == ".txt":
        lines = [line.strip() for line in text.strip().splitlines()]
        return _epochs(path, _without_head(path, lines), coding)
    return _read_table(path, text, coding)


def _without_head(path: Path, lines: list[str]) -> list[str]:
    """Leave out the name of the column, which would move all stages by an epoch."""
    if not lines:
        return lines
    first, *others = lines
    if _names([first])[0] in _STAGE_COLUMNS:
        return others
    if others and not _is_stage(first) and all(map(_is_stage, others)):
        raise ValueError(
            f"{path} has stages, but its first line is {first!r}: remove it if it is a head, or "
            "write ? if it is an epoch without a stage."
        )
    return lines


def _epochs(path: Path, texts: list[str], coding: Coding) -> StageFile:
    """Make one epoch from each text."""
    labels = [_label(path, text, coding.numbers) for text in texts]
    onsets = coding.epoch * np.arange(len(labels))
    return StageFile(onsets, np.full(len(labels), coding.epoch), labels)


def _label(path: Path, text: str, numbers: dict[int, str] | None) -> str:
    """Return the description for a cell, after replacement of numbers."""
    try:
        number = float(text)
    except ValueError:
        return text
    if numbers is None:
        raise ValueError(
            f"{path} has numbers for stages, such as {text}, whose meaning differs between "
            f"programs: give stage_numbers, one of {list(NUMBERS)} or a dict."
        )
    if number not in numbers:
        raise ValueError(
            f"{path} has the number {text}, which is not among stage_numbers, {numbers}."
        )
    meaning = numbers[int(number)]
    return "Unscored" if meaning == UNSCORED else meaning


def _read_table(path: Path, text: str, coding: Coding) -> StageFile:
    first = text.lstrip().partition("\n")[0]
    delimiter = max("\t;,", key=first.count)
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(row)]
    if not rows:
        raise ValueError(f"{path} is empty: expected a table with a column of stages.")
    names = _names(rows[0])
    stage = _column(names, _STAGE_COLUMNS)
    if stage is None and len(names) == 1 and _is_stage(rows[0][0]):
        return _epochs(path, [row[0].strip() for row in rows], coding)
    if stage is None:
        raise ValueError(
            f"{path} has no column of stages: expected one of {', '.join(_STAGE_COLUMNS)}, got "
            f"{', '.join(rows[0])}."
        )
    head, rows = rows[0], rows[1:]
    texts = [row[stage].strip() for row in rows if len(row) > stage]
    if len(texts) < len(rows):
        raise ValueError(f"{path}: a row has fewer cells than the head of the table. Was it cut?")
    onset, duration = _column(names, _ONSET_COLUMNS), _column(names, _DURATION_COLUMNS)
    stop = _column(names, _STOP_COLUMNS)
    if onset is None:
        times = [i for i, name in enumerate(names) if i != stage and _WHEN.search(name)]
        unknown = [head[i].strip() for i in times if not _counts_epochs(names[i], rows, i)]
        if unknown:
            raise ValueError(
                f"{path} has {', '.join(unknown)}, but no onsets that are understood: give the "
                f"onset of each stage in s in one of the columns {', '.join(_ONSET_COLUMNS)}. "
                "Without any column of times, or with numbers of epochs that count up by one from "
                "0 or 1, each row is one epoch."
            )
        return _epochs(path, texts, coding)
    onsets = _numbers(path, rows, onset)
    if duration is not None:
        durations = _numbers(path, rows, duration)
    elif stop is not None:
        durations = _numbers(path, rows, stop) - onsets
    else:
        durations = np.zeros(len(onsets))  # inferred from the onsets, or left out with a warning
    labels = [_label(path, cell, coding.numbers) for cell in texts]
    return StageFile(onsets, durations, labels)


def _names(cells: list[str]) -> list[str]:
    """Return names of columns in the way that they are compared."""
    names = [cell.strip().casefold().replace(" ", "_") for cell in cells]
    return [_SECONDS.sub("", name) for name in names]


def _counts_epochs(name: str, rows: list[list[str]], column: int) -> bool:
    """Return whether a column numbers all epochs from the start of the recording."""
    try:
        numbers = [float(row[column]) for row in rows]
    except (IndexError, ValueError):
        return False
    return "epoch" in name and any(
        numbers == [first + i for i in range(len(rows))] for first in (0, 1)
    )


def _column(names: list[str], known: tuple[str, ...]) -> int | None:
    return next((names.index(name) for name in known if name in names), None)


def _is_stage(text: str) -> bool:
    """Return whether the first line of a column is a stage, and not the name of the column."""
    return read_label(text.strip()) is not None or text.strip().lstrip("-").isdigit()


def _numbers(path: Path, rows: list[list[str]], column: int) -> np.ndarray:
    try:
        values = [float(row[column]) for row in rows]
    except (IndexError, ValueError) as error:
        raise ValueError(
            f"{path}: times must be numbers, in s after the start of the recording ({error})."
        ) from error
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{path}: times must be finite numbers.")
    return np.array(values)


def _read_xml(path: Path, coding: Coding) -> StageFile:
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except ElementTree.ParseError as error:
        raise ValueError(f"{path} is not XML, or was cut ({error}).") from error
    if root.tag == "CMPStudyConfig":  # Profusion: one number for each epoch
        numbers = [one.text or "" for one in root.findall("SleepStages/SleepStage")]
        length = root.findtext("EpochLength")
        epoch = coding.epoch if length is None else _seconds(path, length)
        return _epochs(path, numbers, Coding(NUMBERS["nsrr"], epoch))
    if root.tag != "PSGAnnotation":
        raise ValueError(
            f"{path} is XML of another kind: expected PSGAnnotation (NSRR) or CMPStudyConfig "
            f"(Profusion), got {root.tag}."
        )
    events = root.findall("ScoredEvents/ScoredEvent")
    labels = [(event.findtext("EventConcept") or "").strip() for event in events]
    # Other events, such as that of the whole recording, may be as long as epochs.
    kept = [i for i, label in enumerate(labels) if read_label(label) is not None]
    times = [
        [_seconds(path, _first_text(events[i], names)) for i in kept]
        for names in (("Start", "Starttime"), ("Duration",))
    ]
    onsets, durations = (np.array(values, dtype=float) for values in times)
    return StageFile(onsets, durations, [labels[i] for i in kept])


def _first_text(event: ElementTree.Element, names: tuple[str, ...]) -> str:
    return next((event.findtext(name, "") for name in names if event.find(name) is not None), "")


def _seconds(path: Path, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"{path}: expected a time in s, got {text!r}.") from error
