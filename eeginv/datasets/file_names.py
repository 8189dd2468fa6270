"""Which files of a folder belong together, and to whom."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from re import Pattern
from typing import Any, NamedTuple

# Names of Sleep-EDF: the study, two digits for the subject, one for the night.
SLEEP_EDF = re.compile(
    r"(?P<study>SC4|ST7)(?P<subject>\d\d)(?P<recording>\d)[A-Z]", flags=re.IGNORECASE
)
# Names of the Brain Imaging Data Structure.
BIDS = re.compile(
    r"(?P<subject>sub-[A-Za-z0-9]+)(?:_ses-(?P<session>[A-Za-z0-9]+))?(?:_|$)", flags=re.IGNORECASE
)

# "NAME-PSG.edf" and "NAME-Hypnogram.csv", or "NAME PSG.edf" and "NAME Base.edf" as in MASS.
_FILE = re.compile(
    r"(?P<stem>.+)(?:-(?P<kind>PSG|Hypnogram)| (?P<mass>PSG|Base))\.edf|"
    r"(?P<text>.+)-Hypnogram\.(?:csv|tsv|txt|xml)|(?P<nsrr>.+)-(?:nsrr|profusion)\.xml",
    flags=re.IGNORECASE,
)
# What a reader takes for a recording in the folder, though it has another ending.
_LIKE_OURS = re.compile(
    r"\.edf$|-(?:PSG|Hypnogram)\.(?:edf|bdf|rec|gdf|vhdr|fif|set|xml|txt|csv|tsv)(?:\.gz)?$|"
    r"-(?:nsrr|profusion)\.xml$",
    flags=re.IGNORECASE,
)
# Ends of names by which people tell nights apart: "_night2", "-visit1", "n2" or "_2" after a
# number, "b" after a number.
_NIGHT = re.compile(
    r"[\s_.-]*(?:(?:night|nuit|nacht|session|sess?|visit|recording|rec|run|part|day)[\s_.-]*(?:\d{1,2}|[a-d])"
    r"|(?<=\d)[\s_.-]*[nrvt]\d{1,2}|(?<=\d)[\s_.-]+\d|(?<=\d)[\s_.-]*[a-d])$",
    flags=re.IGNORECASE,
)


# What follows the name of a recording, or of epochs, of MNE.
_ENDING = re.compile(
    r"(?:[_-](?:raw|raw_sss|raw_tsss|eeg|ieeg|meg|nirs|epo))?\.[a-z]+(?:\.gz)?$",
    flags=re.IGNORECASE,
)
# Folders of BIDS, and of others who have one for each session.
_SESSION = re.compile(r"ses(?:sion)?[\s_.-]*\w+", flags=re.IGNORECASE)


class Pair(NamedTuple):
    """Polysomnogram and hypnogram, and the part of the name before ``-PSG.edf``."""

    stem: str
    psg: Path
    hypnogram: Path


def find_pairs(folder: Path) -> tuple[list[Pair], list[str]]:
    """List the pairs of polysomnogram and hypnogram in a folder, in the order of their names.

    Parameters
    ----------
    folder : pathlib.Path
        The folder; those inside it are not searched.

    Returns
    -------
    pairs : list of Pair
        The pairs.
    unused : list of str
        Names of EDF files, and of others that are called like those of a pair, that are in none.

    Raises
    ------
    FileNotFoundError
        If there is no polysomnogram.
    ValueError
        If a polysomnogram has no hypnogram, or more than one, or two have the same.
    """
    # Names that begin with a point are hidden: macOS writes "._NAME" beside each file that it
    # copies to another file system, and files that are being written are hidden too.
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    files = [path for path in entries if path.is_file()]
    edf = [path for path in files if path.suffix.lower() == ".edf"]
    dangling = [p for p in entries if p.is_symlink() and not p.exists() and _is_ours(p.name)]
    kinds = _sort_by_kind(files)
    if not kinds["psg"]:
        others = edf + [path for path in entries if path.is_dir()] + dangling
        names = f"; it has {', '.join(_named(path) for path in others[:5])}" if others else ""
        raise FileNotFoundError(
            f"{folder} has no *-PSG.edf file{names}. Expected pairs such as SC4001E0-PSG.edf and "
            "SC4001EC-Hypnogram.edf, or night1-PSG.edf and night1-Hypnogram.edf."
        )
    pairs: list[Pair] = []
    problems: list[str] = []
    used: dict[Path, str] = {}
    seen: dict[tuple[int, int], Path] = {}
    for stem, psg in kinds["psg"]:
        found = _hypnograms_of(stem, kinds["hypnogram"])
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            problems.append(f"{psg.name} has more than one hypnogram ({names})")
        elif not found:
            problems.append(f"{psg.name} has no hypnogram (expected {stem}-Hypnogram.edf)")
        elif found[0] in used:
            problems.append(f"{psg.name} and {used[found[0]]} have the same, {found[0].name}")
        else:
            used[found[0]] = psg.name
            twin = seen.setdefault((psg.stat().st_dev, psg.stat().st_ino), psg)
            if twin is not psg:
                problems.append(f"{twin.name} and {psg.name} are links to one file")
            pairs.append(Pair(stem, psg, found[0]))
    if problems:
        raise ValueError(f"In {folder}: {'; '.join(problems)}. Add or move the files.")
    paired = {path for pair in pairs for path in (pair.psg, pair.hypnogram)}
    unused = [path for path in files if path not in paired and _is_ours(path.name)]
    return pairs, [_named(path) for path in sorted([*unused, *dangling])]


def _sort_by_kind(files: Iterable[Path]) -> dict[str, list[tuple[str, Path]]]:
    """List stem and path of the polysomnograms and of the hypnograms."""
    # macOS takes letters with accents apart
    names = {path: unicodedata.normalize("NFC", path.name) for path in files}
    kinds: dict[str, list[tuple[str, Path]]] = {"psg": [], "hypnogram": []}
    nsrr = set()
    for path, name in names.items():
        match = _FILE.fullmatch(name)
        if not match:
            continue
        is_psg = (match["kind"] or match["mass"] or "").lower() == "psg"
        stem = match["stem"] or match["text"] or match["nsrr"]
        kinds["psg" if is_psg else "hypnogram"].append((stem, path))
        if match["nsrr"]:
            nsrr.add(match["nsrr"].lower())
    for path, name in names.items():
        stem, ending = name[:-4], name[-4:]
        if ending.lower() == ".edf" and not _FILE.fullmatch(name) and stem.lower() in nsrr:
            kinds["psg"].append((stem, path))
    kinds["psg"].sort(key=lambda named: named[1])
    return kinds


def has_pairs(folder: Path) -> bool:
    """Tell whether a folder holds polysomnograms.

    Parameters
    ----------
    folder : pathlib.Path
        The folder; those inside it are not searched.

    Returns
    -------
    has : bool
        Whether at least one file is called as a polysomnogram is.
    """
    files = [path for path in folder.iterdir() if path.name[0] != "." and path.is_file()]
    return bool(_sort_by_kind(files)["psg"])


def is_read(name: str) -> bool:
    """Tell whether the loader of folders reads files of a name.

    Parameters
    ----------
    name : str
        Name of a file.

    Returns
    -------
    reads : bool
        Whether it does, if there is a partner.
    """
    return name[0] != "." and (name.lower().endswith(".edf") or bool(_FILE.fullmatch(name)))


def _is_ours(name: str) -> bool:
    """Tell whether a file is EDF, or is called as one of a pair is but for its ending."""
    return bool(_LIKE_OURS.search(name))


def _named(path: Path) -> str:
    if path.is_dir():
        return f"{path.name} (a folder, which is not searched)"
    # what git-annex and DataLad leave where a file was not fetched
    return path.name if path.exists() else f"{path.name} (a link to a file that is not there)"


def _hypnograms_of(stem: str, hypnograms: list[tuple[str, Path]]) -> list[Path]:
    """Find the hypnograms with the name of a polysomnogram."""
    if SLEEP_EDF.match(stem):
        # Two letters after the night may differ.
        return [path for other, path in hypnograms if other[:7].lower() == stem[:7].lower()]
    exact = [path for other, path in hypnograms if other == stem]
    found = exact or [path for other, path in hypnograms if other.lower() == stem.lower()]
    edf = [path for path in found if path.suffix.lower() == ".edf"]
    return edf or found


def identify(
    stems: Sequence[str], pattern: str | None = None
) -> tuple[list[dict[str, Any]], list[bool]]:
    """Find out which subject and which recording each name stands for.

    Parameters
    ----------
    stems : list of str
        Names without ``-PSG.edf``.
    pattern : str | None
        Regular expression with a group ``subject``, and ``recording`` if there is one; None knows
        the names of Sleep-EDF and BIDS.

    Returns
    -------
    rows : list of dict
        With ``subject`` and ``recording``.
    told : list of bool
        Whether the name tells the subject; otherwise the whole name is taken for one.
    """
    if pattern is not None:
        return _identify_by(_compile(pattern), stems), [True] * len(stems)
    studies = {match["study"].upper() for match in map(SLEEP_EDF.match, stems) if match}
    rows: list[dict[str, Any]] = []
    told: list[bool] = []
    numbers: Counter[str] = Counter()
    for stem in stems:
        match, bids = SLEEP_EDF.match(stem), BIDS.match(stem)
        told.append(bool(match or bids))
        if match:
            # The studies number their subjects alike, and the persons are others.
            name = f"{match['study'][:2].upper()}{match['subject']}"
            subject = name if len(studies) > 1 else int(match["subject"])
            rows.append({"subject": subject, "recording": int(match["recording"])})
        else:
            subject = f"sub-{bids['subject'][4:]}" if bids else stem
            numbers[subject] += 1
            rows.append({"subject": subject, "recording": numbers[subject]})
    return rows, told


def _compile(pattern: str) -> Pattern[str]:
    """Compile a regular expression that has to tell the subject."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"pattern {pattern!r} is no regular expression: {error}.") from error
    if "subject" not in compiled.groupindex:
        raise ValueError(
            "pattern needs a group named subject, as in r'(?P<subject>.+)_night(?P<recording>.)'; "
            f"got {pattern!r}."
        )
    return compiled


def _identify_by(pattern: Pattern[str], stems: Sequence[str]) -> list[dict[str, Any]]:
    matches = [pattern.fullmatch(stem) for stem in stems]
    wrong = [stem for stem, match in zip(stems, matches, strict=True) if not match]
    if wrong:
        raise ValueError(
            f"pattern {pattern.pattern!r} does not fit the names {wrong[:5]} (without -PSG.edf)."
        )
    rows: list[dict[str, Any]] = []
    numbers: Counter[str] = Counter()
    for match in filter(None, matches):
        numbers[match["subject"]] += 1
        recording = match.groupdict().get("recording") or numbers[match["subject"]]
        number = int(recording) if str(recording).isdigit() else recording
        rows.append({"subject": match["subject"], "recording": number})
    return rows


def alike(stems: Sequence[str]) -> list[list[str]]:
    """Group names that differ only by what looks like the number of a night.

    Parameters
    ----------
    stems : list of str
        Names without ``-PSG.edf``.

    Returns
    -------
    groups : list of list of str
        Those of two names or more.
    """
    groups: dict[str, list[str]] = {}
    for stem in stems:
        groups.setdefault(_NIGHT.sub("", stem).lower(), []).append(stem)
    return [group for group in groups.values() if len(group) > 1]


def name_parts(path: PurePath, pattern: str | None = None) -> tuple[str, str | None]:
    r"""Find out whose a file is, and of which session, from its place in a folder.

    Parameters
    ----------
    path : pathlib.PurePath
        Path of the file, relative to the folder.
    pattern : str | None
        Regular expression for this path without its ending, with a group ``subject``, and
        ``session`` if there is one.

    Returns
    -------
    subject : str
        From the pattern; otherwise what names of BIDS tell; otherwise the folder inside the folder
        that the file lies in; otherwise the name of the file without what counts nights, runs and
        the like, so that windows of one person do not get into training and test.
    session : str | None
        From the pattern, names of BIDS, or a folder called like a session; None if none tells.

    Raises
    ------
    ValueError
        If the pattern is none, or does not fit.

    Examples
    --------
    >>> from pathlib import PurePath
    >>> from eeginv.datasets.file_names import name_parts
    >>> name_parts(PurePath("S001R04.edf"))
    ('S001', None)
    >>> name_parts(PurePath("anna/session2/run1.edf"))
    ('anna', 'session2')
    >>> name_parts(PurePath("A01T.gdf"), r"(?P<subject>A\d+)(?P<session>[TE])")
    ('A01', 'T')
    """
    stem = _ENDING.sub("", path.as_posix())
    if pattern is not None:
        match = _compile(pattern).fullmatch(stem)
        if not match:
            raise ValueError(f"pattern {pattern!r} does not fit {stem!r} (the path of a file).")
        return match["subject"], match.groupdict().get("session")
    name = stem.rpartition("/")[2]
    bids = BIDS.match(name)
    if bids:
        session = bids["session"]
        return f"sub-{bids['subject'][4:]}", session and f"ses-{session}"
    sessions = [part for part in path.parts[:-1] if _SESSION.fullmatch(part)]
    folders = [part for part in path.parts[:-1] if part not in sessions]
    if folders:
        return folders[0], sessions[0] if sessions else None
    while _NIGHT.search(name):
        name = _NIGHT.sub("", name)
    return name, sessions[0] if sessions else None
