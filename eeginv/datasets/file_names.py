"""Pairs of files, subjects and sessions from file names."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from re import Pattern
from typing import Any, NamedTuple

# Names of Sleep-EDF: study, two digits for the subject, one for the night.
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
# Files that users may take for recordings of the folder, including those of other formats.
_LIKE_OURS = re.compile(
    r"\.edf$|-(?:PSG|Hypnogram)\.(?:edf|bdf|rec|gdf|vhdr|fif|set|xml|txt|csv|tsv)(?:\.gz)?$|"
    r"-(?:nsrr|profusion)\.xml$",
    flags=re.IGNORECASE,
)
# Endings of names that number nights: "_night2", "-visit1", "n2" or "_2" after a number, "b" after
# a number.
_NIGHT = re.compile(
    r"[\s_.-]*(?:(?:night|nuit|nacht|session|sess?|visit|recording|rec|run|part|day)[\s_.-]*(?:\d{1,2}|[a-d])"
    r"|(?<=\d)[\s_.-]*[nrvt]\d{1,2}|(?<=\d)[\s_.-]+\d|(?<=\d)[\s_.-]*[a-d])$",
    flags=re.IGNORECASE,
)


# Endings of file names of recordings and epochs in MNE.
ENDING = re.compile(
    r"(?:_split-0*1)?(?:[_-](?:raw|raw_sss|raw_tsss|eeg|ieeg|meg|nirs|epo))?\.[a-z]+(?:\.gz)?$",
    flags=re.IGNORECASE,
)
# Endings in which a recording and its conversion may differ; modalities are other recordings.
_CONVERTED = re.compile(
    r"(?:_split-0*1)?(?:[_-]raw(?:_t?sss)?)?\.[a-z]+(?:\.gz)?$", flags=re.IGNORECASE
)
# Files of a recording that MNE split, after the first, with which it reads them.
_LATER_PART = re.compile(r"_split-(?!0*1_)\d+_[^/]*\.fif(?:\.gz)?$", flags=re.IGNORECASE)
# Folders for sessions, in BIDS and other layouts, each of which may hold files of all subjects.
_SESSION = re.compile(
    r"ses(?:sion)?[\s_.-]+\w+|train(?:ing)?|test(?:ing)?|validation|eval(?:uation)?"
    r"|(?:day|night|visit|session|sess?|run|block|recording|rec)[\s_.-]*\d+",
    flags=re.IGNORECASE,
)
# Training and evaluation of the BCI Competitions: "A01T", "A01E".
_COMPETITION = re.compile(r"(?P<subject>.*\d)(?P<session>[TE])", flags=re.IGNORECASE)


class Pair(NamedTuple):
    """Polysomnogram, hypnogram, and the part of the name before ``-PSG.edf``."""

    stem: str
    psg: Path
    hypnogram: Path


def find_pairs(folder: Path) -> tuple[list[Pair], list[str]]:
    """List the pairs of polysomnogram and hypnogram in a folder, in the order of their names.

    Parameters
    ----------
    folder : pathlib.Path
        The folder. Subfolders are not searched.

    Returns
    -------
    pairs : list of Pair
        The pairs.
    unused : list of str
        Names of files that are in no pair, but are EDF files or have the name of a file of a pair.

    Raises
    ------
    FileNotFoundError
        If there is no polysomnogram.
    ValueError
        If a polysomnogram has no hypnogram or several, or two have the same hypnogram.
    """
    # Files whose name begins with a dot are ignored. macOS writes "._NAME" for each file that it
    # copies to another file system, and incomplete files are hidden too.
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
            problems.append(
                f"{psg.name} and {used[found[0]]} have the same hypnogram, {found[0].name}"
            )
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
    """Return stem and path of the polysomnograms and of the hypnograms."""
    # macOS decomposes letters with accents
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
    """Return whether a folder contains polysomnograms.

    Parameters
    ----------
    folder : pathlib.Path
        The folder. Subfolders are not searched.

    Returns
    -------
    has : bool
        Whether at least one file has the name of a polysomnogram.
    """
    files = [path for path in folder.iterdir() if path.name[0] != "." and path.is_file()]
    return bool(_sort_by_kind(files)["psg"])


def is_listed(path: Path, folder: Path) -> bool:
    """Return whether a path in a folder is a file to read, whatever its format.

    Parameters
    ----------
    path : pathlib.Path
        The path.
    folder : pathlib.Path
        The folder.

    Returns
    -------
    listed : bool
        False for folders, for what is hidden or in a hidden folder, and for the files of a
        recording that MNE split, except the first.
    """
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.is_file() and not hidden and not _LATER_PART.search(path.name)


def refuse_copies(paths: Iterable[PurePath]) -> None:
    """Raise an error if files differ only in their endings, as a recording and its conversion do.

    Parameters
    ----------
    paths : iterable of pathlib.PurePath
        The files.

    Raises
    ------
    ValueError
        If there are such files. The message names them.
    """
    first: dict[str, PurePath] = {}
    for path in paths:
        other = first.setdefault(_CONVERTED.sub("", path.as_posix()), path)
        if other is not path:
            raise ValueError(
                f"{other} and {path} differ only in their endings: if they are one recording, its "
                "windows would count twice. Leave one of them in the folder."
            )


def is_read(name: str) -> bool:
    """Return whether the loader of folders reads files with a name.

    Parameters
    ----------
    name : str
        Name of a file.

    Returns
    -------
    reads : bool
        Whether it does, given that the other file of the pair exists.
    """
    return name[0] != "." and (name.lower().endswith(".edf") or bool(_FILE.fullmatch(name)))


def _is_ours(name: str) -> bool:
    """Return whether a file is EDF, or has the name of a file of a pair in another format."""
    return bool(_LIKE_OURS.search(name))


def _named(path: Path) -> str:
    if path.is_dir():
        return f"{path.name} (a folder, which is not searched)"
    # git-annex and DataLad leave broken links for files that were not fetched
    return path.name if path.exists() else f"{path.name} (a link to a file that is not there)"


def _hypnograms_of(stem: str, hypnograms: list[tuple[str, Path]]) -> list[Path]:
    """Find the hypnograms for a polysomnogram by its name."""
    if SLEEP_EDF.match(stem):
        # The two letters after the night may differ.
        return [path for other, path in hypnograms if other[:7].lower() == stem[:7].lower()]
    exact = [path for other, path in hypnograms if other == stem]
    found = exact or [path for other, path in hypnograms if other.lower() == stem.lower()]
    edf = [path for path in found if path.suffix.lower() == ".edf"]
    return edf or found


def identify(
    stems: Sequence[str], pattern: str | None = None
) -> tuple[list[dict[str, Any]], list[bool]]:
    """Return the subject and the recording for each name.

    Parameters
    ----------
    stems : list of str
        Names without ``-PSG.edf``.
    pattern : str | None
        Regular expression with a group ``subject`` and an optional group ``recording``. None
        recognises the names of Sleep-EDF and BIDS.

    Returns
    -------
    rows : list of dict
        One dict for each name, with ``subject`` and ``recording``.
    has_subject : list of bool
        Whether the name contains the subject. Otherwise, the whole name is taken for the subject.
    """
    if pattern is not None:
        return _identify_by(_compile(pattern), stems), [True] * len(stems)
    studies = {match["study"].upper() for match in map(SLEEP_EDF.match, stems) if match}
    rows: list[dict[str, Any]] = []
    has_subject: list[bool] = []
    numbers: Counter[str] = Counter()
    for stem in stems:
        match, bids = SLEEP_EDF.match(stem), BIDS.match(stem)
        has_subject.append(bool(match or bids))
        if match:
            # Both studies use the same numbers for different subjects.
            name = f"{match['study'][:2].upper()}{match['subject']}"
            subject = name if len(studies) > 1 else int(match["subject"])
            rows.append({"subject": subject, "recording": int(match["recording"])})
        else:
            subject = f"sub-{bids['subject'][4:]}" if bids else stem
            numbers[subject] += 1
            rows.append({"subject": subject, "recording": numbers[subject]})
    return rows, has_subject


def _compile(pattern: str) -> Pattern[str]:
    """Compile a regular expression, which must have a group for the subject."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"pattern {pattern!r} is not a regular expression: {error}.") from error
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
    """Group names that only differ by an ending that looks like the number of a night.

    Parameters
    ----------
    stems : list of str
        Names without ``-PSG.edf``.

    Returns
    -------
    groups : list of list of str
        Groups of at least two names.
    """
    groups: dict[str, list[str]] = {}
    for stem in stems:
        groups.setdefault(_NIGHT.sub("", stem).lower(), []).append(stem)
    return [group for group in groups.values() if len(group) > 1]


def name_parts(path: PurePath, pattern: str | None = None) -> tuple[str, str | None]:
    r"""Return subject and session of a file, from its path in a folder.

    Parameters
    ----------
    path : pathlib.PurePath
        Path of the file, relative to the folder.
    pattern : str | None
        Regular expression for this path without its ending, with a group ``subject`` and an
        optional group ``session``.

    Returns
    -------
    subject : str
        The subject, from the pattern, or else from a BIDS name, or else the first subfolder of the
        path that has not the name of a session ("day1", "test"). Without any, it is the name of the
        file without numbers of nights, runs and the like, so that windows of one subject are not in
        both training and test.
    session : str | None
        The session, from the pattern, a BIDS name, a folder with the name of a session, or the last
        letter of a name such as "A01T" or "A01E". None if there is none.

    Raises
    ------
    ValueError
        If the pattern is not valid, or does not match.

    Examples
    --------
    >>> from pathlib import PurePath
    >>> from eeginv.datasets.file_names import name_parts
    >>> name_parts(PurePath("S001R04.edf"))
    ('S001', None)
    >>> name_parts(PurePath("anna/session2/run1.edf"))
    ('anna', 'session2')
    >>> name_parts(PurePath("day1/anna.edf"))
    ('anna', 'day1')
    >>> name_parts(PurePath("B0103T.gdf"), r"(?P<subject>B\d\d)(?P<session>\d\d[TE])")
    ('B01', '03T')
    """
    stem = ENDING.sub("", path.as_posix())
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
    session = sessions[0] if sessions else None
    if folders:
        return folders[0], session
    competition = _COMPETITION.fullmatch(name)
    if competition:
        return without_numbers(competition["subject"]), session or competition["session"]
    return without_numbers(name), session


def without_numbers(name: str) -> str:
    """Remove numbers of nights, runs and the like, unless nothing else is left.

    Parameters
    ----------
    name : str
        Name of a file, without its ending.

    Returns
    -------
    shorter : str
        The name without them.
    """
    while shorter := _NIGHT.sub("", name):
        if shorter == name:
            break
        name = shorter
    return name
