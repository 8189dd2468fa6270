"""Names of sleep stages in public files, and their meanings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

STAGES = ("W", "N1", "N2", "N3", "R")
UNSCORED = "unscored"
UNKNOWN = "unknown"

# Names that always mean a stage, in lower case, with words separated by one space.
STAGE_OF_NAME = {
    "w": "W",
    "wake": "W",
    "awake": "W",
    "wakefulness": "W",
    "wakestate": "W",
    "s0": "W",
    "n1": "N1",
    "s1": "N1",
    "nrem1": "N1",
    "n2": "N2",
    "s2": "N2",
    "nrem2": "N2",
    "n3": "N3",
    "s3": "N3",
    "nrem3": "N3",
    "n4": "N3",
    "s4": "N3",
    "nrem4": "N3",
    "sws": "N3",
    "slow wave": "N3",
    "r": "R",
    "rem": "R",
    "srem": "R",
    "?": UNSCORED,
    "unscored": UNSCORED,
    "not scored": UNSCORED,
    "unscorable": UNSCORED,
    "movement time": UNSCORED,
    "no stage": UNSCORED,
}

# Names that only mean a stage together with "stage" or "sleep". Programs differ in the meaning of a
# number alone, and a word alone may be an event of a few seconds.
STAGE_OF_NAME_BESIDE_STAGE = {
    "0": "W",
    "1": "N1",
    "2": "N2",
    "3": "N3",
    "4": "N3",
    "3 4": "N3",
    "m": UNSCORED,
    "mt": UNSCORED,
    "movement": UNSCORED,
    "u": UNSCORED,
    "unknown": UNSCORED,
    "undefined": UNSCORED,
    "none": UNSCORED,
    "artifact": UNSCORED,
    "artefact": UNSCORED,
}

_BEFORE = re.compile(r"^(?:sleep ?stage|stage|sleep)(?=\b|\d) ?")
_BEHIND = re.compile(r" ?\b(?:sleep|stage)$")
# Names that look like stages but are not known.
_LOOKS_LIKE = re.compile(
    r"\b(?:sleep)?stage(?:\b|\d)|^sleep\b ?\w?\w?$|^[ns]?\d$|^n?rem\d?\b|"
    r"^(?:light|deep|quiet|active)$|^uns$"
)


def check_stages(stages: Sequence[str] | None) -> list[str]:
    """Check a selection of stages.

    Parameters
    ----------
    stages : sequence of str | None
        Names in ``STAGES``. None means all.

    Returns
    -------
    stages : list of str
        The stages in the order of ``STAGES``.

    Raises
    ------
    TypeError
        If ``stages`` is a string.
    ValueError
        If a name is unknown, or there is none.
    """
    if stages is None:
        return list(STAGES)
    if isinstance(stages, str):
        raise TypeError(f"stages must be a sequence of names such as ('W', 'N3'); got {stages!r}.")
    stages = list(stages)
    unknown = [stage for stage in stages if stage not in STAGES]
    if unknown or not stages:
        raise ValueError(f"Unknown stages {unknown} in {stages}: choose from {list(STAGES)}.")
    return [stage for stage in STAGES if stage in stages]


@cache
def read_label(label: str) -> str | None:
    """Return the meaning of the description of an annotation.

    Parameters
    ----------
    label : str
        Description of an annotation, such as "Sleep stage 2", "N2", "Stage 2 sleep|2", "SLEEP-S2"
        or "Sleep stage 2 (N2)", in upper or lower case.

    Returns
    -------
    meaning : str | None
        A name in ``STAGES``, ``UNSCORED``, ``UNKNOWN`` for a name that looks like a stage but is
        not known, or None for any other annotation.
    """
    # In EDF+, "@@" is followed by channels; in files of the NSRR, "|" is followed by a number.
    text, _, number = label.split("@@")[0].partition("|")
    text = text.casefold()
    outside = re.sub(r"\([^()]*\)", " ", text)
    meaning = _read_plain(outside)
    if meaning in (None, UNKNOWN) and number.strip().isdigit():
        meaning = _read_plain(f"stage {outside}")
    if meaning is None or meaning == UNKNOWN:
        return meaning
    for inside in re.findall(r"\(([^()]*)\)", text):
        if _read_plain(f"stage {inside}") not in (None, UNKNOWN, meaning):
            return UNKNOWN
    return meaning


def _read_plain(text: str) -> str | None:
    words = " ".join(re.sub(r"[\s_\-:/.,]+", " ", text).split()).removeprefix("sdo ")
    words = re.sub(r"^(?:non ?rem|non ?rapid ?eye ?movement)(?: ?sleep)?\b", "nrem", words)
    words = re.sub(r"^rapid ?eye ?movement(?: ?sleep)?$", "rem", words)
    name = _BEFORE.sub("", words)
    if name not in STAGE_OF_NAME:
        name = _BEHIND.sub("", name)
    beside_stage = name != words
    if re.fullmatch(r"nrem (?:stage |sleep )?[ns]?[1-4]", name):
        name = f"n{name[-1]}"
    elif re.fullmatch(r"[ns] (?:[0-4]|rem|mt)", name):
        name = name.replace("n ", "n", 1).replace("s ", "s", 1)
    if name in STAGE_OF_NAME:
        return STAGE_OF_NAME[name]
    if beside_stage and name.removeprefix("s") == "mt":
        return UNSCORED
    if beside_stage and name in STAGE_OF_NAME_BESIDE_STAGE:
        return STAGE_OF_NAME_BESIDE_STAGE[name]
    return UNKNOWN if _LOOKS_LIKE.search(words) or _LOOKS_LIKE.search(name) else None
