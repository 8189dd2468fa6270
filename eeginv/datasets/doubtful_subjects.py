"""Warnings of subjects that file names may not tell, which would mix training and test."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from .file_names import ENDING, name_parts, without_numbers

# Names that number people rather than recordings: "S07", "patient_3".
_PERSON = re.compile(
    r"(?:s|subj?|subject|p|pp|pat|patient|participant|vp|id|ctr?l|control|hc?)[\s_.-]*\d+",
    flags=re.IGNORECASE,
)
# The beginning of a name that numbers a person: "P01" of "P01_pre", "S001" of "S001R04".
_LEAD = re.compile(r"(?:[A-Za-z]+[\s_.-]?\d+|\d{1,3})(?!\d)")


def warn_of_subjects(paths: Iterable[PurePath]) -> None:
    """Warn if the subjects that were found in file names may not be people.

    Parameters
    ----------
    paths : iterable of pathlib.PurePath
        Paths of the files, relative to the folder.
    """
    paths = list(paths)
    if not _warn_of_groups(paths):
        _warn_of_parts(paths)


def _warn_of_groups(paths: Sequence[PurePath]) -> bool:
    """Warn of subfolders that are taken for one subject, but seem to hold a group of subjects."""
    people: dict[str, list[str]] = {}
    for path in paths:
        name = without_numbers(ENDING.sub("", path.name))
        if _PERSON.fullmatch(name) and name_parts(path)[0] != name:
            people.setdefault(name_parts(path)[0], []).append(name)
    groups = {subject: sorted(set(names)) for subject, names in people.items()}
    groups = {subject: names for subject, names in groups.items() if len(names) > 1}
    if groups:
        subject, names = next(iter(groups.items()))
        letters = re.sub(r"\d+$", "", names[0])
        warnings.warn(
            f"Each subfolder is taken for one subject, but the names of files in {subject} number "
            f"several: {', '.join(names[:5])}. If these are different people, or one of them is in "
            "several subfolders, find the subject by a pattern (--pattern), such as "
            f"'.*/(?P<subject>{letters}\\d+).*'.",
            stacklevel=5,
        )
    return bool(groups)


def _warn_of_parts(paths: Sequence[PurePath]) -> None:
    """Warn of different subjects whose files begin with the same number of a person."""
    people: dict[str, dict[str, str]] = {}
    for path in paths:
        name = ENDING.sub("", path.name)
        lead = _LEAD.match(name)
        if lead is None or _PERSON.fullmatch(name[lead.end() :].lstrip("_-. ")):
            continue  # the number of a study or site, and then that of a person
        if len(path.parts) == 1 or _PERSON.fullmatch(lead[0]):
            subject = name_parts(path)[0]
            people.setdefault(lead[0].lower(), {}).setdefault(subject, path.as_posix())
    doubtful = [list(names.values()) for names in people.values() if len(names) > 1]
    if doubtful and len(people) > 1:  # if all begin alike, it is the name of the study
        listed = "; ".join(", ".join(names[:4]) for names in doubtful[:4])
        more = " and others" if len(doubtful) > 4 else ""
        warnings.warn(
            f"Files that count as different subjects begin alike: {listed}{more}. If they are of "
            "one person, find the subject by a pattern (--pattern), such as "
            "'(?:.*/)?(?P<subject>[A-Za-z]*[ _.-]?\\d+).*', or windows of one person can be in "
            "training and test.",
            stacklevel=4,
        )
