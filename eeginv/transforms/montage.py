"""Positions and left-right pairs of channels, from their names."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch

# Alternative names of electrodes: original and revised 10-20 system, and MNE's templates.
ALIASES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8", "O9": "I1", "O10": "I2"}
# Left and right ear lobe and mastoid. As the second electrode of a name, they are the reference.
EARS = ("A1", "A2", "M1", "M2")
# Other names of references: linked ears or mastoids, the average, or an unspecified reference.
REFERENCES = {"A1A2", "A2A1", "M1M2", "M2M1", "LE", "LER", "CLE", "LM"}
REFERENCES |= {"AR", "AV", "AVE", "AVG", "AVERAGE", "CAR", "REF", "REFERENCE"}
# The midpoint of two electrodes is the position of a derivation, unless it is closer than this to
# the centre of the head (in radii). The electrodes are then more than 151 degrees apart.
SMALLEST_MIDPOINT = 0.25


class Derivation(NamedTuple):
    """Derivation of a channel: an electrode measured against a second one or a reference.

    Parameters
    ----------
    anode : str
        Active electrode with its spelling in MNE's template, such as "Fp1".
    cathode : str | None
        Second electrode of a bipolar derivation, or None.
    reference : str | None
        Reference in upper case, such as "A2" or "AVG", or None if the name contains none.

    Examples
    --------
    >>> from eeginv.transforms.montage import Derivation
    >>> Derivation("C3", reference="A2")
    Derivation(anode='C3', cathode=None, reference='A2')
    """

    anode: str
    cathode: str | None = None
    reference: str | None = None


def parse_channel(name: str) -> Derivation:
    """Parse the name of a channel.

    Parameters
    ----------
    name : str
        Name of an electrode of the 10-20, 10-10 or 10-05 system, of a bipolar derivation or of an
        electrode against a reference, in upper or lower case: "C3", "EEG Fpz-Cz", "c3:a2",
        "Fc5.", "EEG F3-LE".

    Returns
    -------
    derivation : Derivation
        The electrodes. Former names are replaced by current ones ("T3" by "T7").

    Raises
    ------
    TypeError
        If the name is not a string.
    ValueError
        If the name is not known.

    Notes
    -----
    If the second electrode is an ear lobe or mastoid (A1, A2, M1, M2), it is a reference. With any
    other second electrode, including TP9 and Cz, the derivation is bipolar. MNE appends 0 or 1 to
    names that occur twice ("T8-P8-0"). This number is ignored.

    Examples
    --------
    >>> from eeginv.transforms.montage import parse_channel
    >>> parse_channel("EEG T3-A2")
    Derivation(anode='T7', cathode=None, reference='A2')
    >>> parse_channel("EEG Fpz-Cz")
    Derivation(anode='Fpz', cathode='Cz', reference=None)
    """
    return _parse_all([name])[0]


def channel_positions(ch_names: Sequence[str]) -> list[list[float]]:
    """Find the positions of channels on the unit sphere.

    Parameters
    ----------
    ch_names : list of str, length n_channels
        Names of EEG channels, as :func:`parse_channel` understands them.

    Returns
    -------
    positions : list of list of float, shape (n_channels, 3)
        Points of norm one, in radii of the head. The axes are those of MNE's head frame: x to the
        right ear, y to the nose, z up. Two channels with the same active electrode have the same
        position.

    Raises
    ------
    TypeError
        If ``ch_names`` is a string, or contains an item that is not a string.
    ValueError
        If the list is empty, if names are not known (the message lists all of them), or if the
        electrodes of a bipolar derivation are on opposite sides of the head, such as "T7-T8", whose
        midpoint is inside the head.

    Notes
    -----
    Positions come from MNE's template of the 10-05 system (in MNE's head frame). They do not depend
    on the other channels of the list. The template is that of one head, whose sides differ by up to
    1.5 degrees. Each electrode is therefore averaged with the reflection of its counterpart, so
    that the two are exact mirror images. The centre is that of a sphere that is fitted, by linear
    least squares, to the electrodes on and above the circle through Fpz, T7, Oz and T8 (radius 96
    mm, root mean squared residual 5 mm). Lower electrodes are excluded from the fit: the head is
    not a sphere, and they would move the centre down by 5 mm. Cz is then 7 degrees in front of the
    z axis, and T7 and T8 are 9 degrees below the horizontal plane.

    The position of a bipolar derivation is the midpoint of its electrodes. That of a channel with a
    reference is its active electrode.

    Examples
    --------
    >>> from eeginv.transforms.montage import channel_positions
    >>> for position in channel_positions(["C3", "C4", "Fpz-Cz"]):
    ...     print([round(coordinate, 2) for coordinate in position])
    [-0.74, 0.08, 0.66]
    [0.74, 0.08, 0.66]
    [0.0, 0.79, 0.62]
    """
    names = _as_list(ch_names)
    positions = []
    inside = []
    for name, derivation in zip(names, _parse_all(names), strict=True):
        point: Sequence[float] = _template()[derivation.anode]
        if derivation.cathode is not None:
            other = _template()[derivation.cathode]
            point = [(a + b) / 2 for a, b in zip(point, other, strict=True)]
            if _norm(point) < SMALLEST_MIDPOINT:
                inside.append(name)
                continue
        norm = _norm(point)
        positions.append([coordinate / norm for coordinate in point])
    if inside:
        raise ValueError(
            f"No position on the head for {_listed(inside)}: the electrodes are on opposite sides "
            "and their midpoint is inside the head. Drop these channels, or choose a transform "
            "that needs no positions."
        )
    return positions


def mirror_permutation(ch_names: Sequence[str]) -> list[int]:
    """Find the channel at the mirrored position for each channel.

    Parameters
    ----------
    ch_names : list of str, length n_channels
        Names of EEG channels, as :func:`parse_channel` understands them.

    Returns
    -------
    permutation : list of int, length n_channels
        Index of the mirror image of each channel. A channel that is on the midline, or has no
        partner in the list, has its own index. Applied twice, the permutation is the identity.

    Raises
    ------
    TypeError
        If ``ch_names`` is a string, or contains an item that is not a string.
    ValueError
        If the list is empty, if names are not known (the message lists all of them), if two names
        mean the same derivation ("T3" and "T7"), or if no two channels mirror each other.

    Notes
    -----
    For a channel with a reference, the active electrode determines the partner: "C3-A2" is paired
    with "C4-A1", or with "C4-A2" if there is no "C4-A1". Among several candidates, the order of
    preference is: the mirrored reference, the mirrored reference with ear lobe and mastoid
    exchanged, the same reference, the first in the list. "Cz-A1" and "Cz-A2" are mirror images of
    each other. All other channels of the midline keep their place.

    In bipolar derivations, both electrodes are mirrored in order: "F3-C3" is paired with "F4-C4",
    but not with "C4-F4", which has the opposite sign. "C3-C4" would only change its sign, so it has
    no partner.

    Examples
    --------
    >>> from eeginv.transforms.montage import mirror_permutation
    >>> mirror_permutation(["C3", "Cz", "C4", "O1"])
    [2, 1, 0, 3]
    """
    names = _as_list(ch_names)
    derivations = _parse_all(names)
    seen: dict[Derivation, str] = {}
    for name, derivation in zip(names, derivations, strict=True):
        if derivation in seen:
            raise ValueError(
                f"Channels {seen[derivation]!r} and {name!r} are the same derivation, so which of "
                "them a mirror image belongs to is undefined. Drop one of them."
            )
        seen[derivation] = name
    mirrored = [_mirrored(derivation) for derivation in derivations]
    pairs = []
    for i, image in enumerate(mirrored):
        for j in range(i + 1, len(names)):
            rank = _mismatch(image, derivations[j])
            if rank is not None and (rank == 0 or image.anode != derivations[i].anode):
                pairs.append((rank, i, j))
    permutation = list(range(len(names)))
    for _, i, j in sorted(pairs):
        if permutation[i] == i and permutation[j] == j:
            permutation[i], permutation[j] = j, i
    if not pairs:
        raise ValueError(
            f"No two of the channels mirror each other: {_listed(names)}. Left-right symmetry "
            "needs at least one pair such as C3 and C4."
        )
    return permutation


# names --------------------------------------------------------------------------------------------
def _as_list(ch_names: Sequence[str]) -> list[str]:
    """Return the names as a list, or raise an error if it is empty or has non-string items."""
    if isinstance(ch_names, str):
        raise TypeError(f"ch_names must be a list of channel names, got the string {ch_names!r}.")
    names = list(ch_names)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"Channel names must be strings, got {name!r}.")
    if not names:
        raise ValueError("ch_names is empty: at least one channel name is needed.")
    return names


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(str(name)) for name in names)


def _parse_all(ch_names: Sequence[str]) -> list[Derivation]:
    """Parse all names, or raise an error that lists the unknown ones."""
    names = _as_list(ch_names)
    derivations = [_parse(name) for name in names]
    unknown = [name for name, found in zip(names, derivations, strict=True) if found is None]
    if unknown:
        raise ValueError(
            f"No known electrode for the channels {_listed(unknown)}. Understood are the names of "
            "the 10-20, 10-10 and 10-05 systems in upper or lower case ('C3', 'EEG Fpz', 'AFF1h'), "
            "alone, bipolar ('Fpz-Cz') or against a reference ('C3-A2', 'EEG F3-LE', 'Cz-REF', "
            "'C3-AVG'). Drop channels that are not EEG, rename the others, or choose a transform "
            "that needs no positions."
        )
    return [found for found in derivations if found is not None]


def _parse(name: str) -> Derivation | None:
    """Return the derivation of a name, or None if the name is not known."""
    text = re.sub(r"^EEG[\s:_-]+", "", name.strip().upper())
    # MNE's number of a name that occurs twice. A higher number may be an electrode ("C3-4").
    text = re.sub(r"-[01]$", "", text)
    # Dots pad the names of some recordings to a fixed length.
    active, *others = (part.strip(" .") for part in re.split("[-:/_]", text, maxsplit=1))
    anode = _electrodes().get(active)
    if anode is None or not others:
        return None if anode is None else Derivation(anode)
    linked = re.sub(r"[()+/]", "", others[0])
    if linked in EARS or linked in REFERENCES:
        # A channel that is its own reference has no signal.
        return None if linked == anode else Derivation(anode, reference=linked)
    cathode = _electrodes().get(others[0])
    return None if cathode in (None, anode) else Derivation(anode, cathode)


@functools.lru_cache(maxsize=1)
def _electrodes() -> dict[str, str]:
    """Return the spelling in the template for each name of an electrode in upper case."""
    names = {name.upper(): name for name in _template()}
    return names | {alias: names[name.upper()] for alias, name in ALIASES.items()}


# symmetry -----------------------------------------------------------------------------------------
def _mirror(name: str) -> str:
    """Return the electrode on the other side. Odd numbers are left, even numbers are right."""
    found = re.fullmatch(r"([A-Za-z]+)(\d+)(h?)", name)
    if not found:  # z on the midline, or a reference without a side
        return name
    front, number, half = found.groups()
    return f"{front}{int(number) + (1 if int(number) % 2 else -1)}{half}"


def _mirrored(derivation: Derivation) -> Derivation:
    return Derivation(
        _mirror(derivation.anode), *(part and _mirror(part) for part in derivation[1:])
    )


def _mismatch(image: Derivation, derivation: Derivation) -> int | None:
    """Return the rank of a candidate for the mirror image: 0 if equal, None if elsewhere."""
    if image[:2] != derivation[:2]:
        return None
    wanted, given = (found.reference or "" for found in (image, derivation))
    if wanted == given:
        return 0
    if wanted.replace("M", "A") == given.replace("M", "A"):
        return 1
    return 2 if _mirror(wanted) == given else 3


# positions ----------------------------------------------------------------------------------------
def _norm(point: Iterable[float]) -> float:
    return sum(coordinate**2 for coordinate in point) ** 0.5


def _on_the_cap(name: str) -> bool:
    """Return whether an electrode is on or above the circle through Fpz, T7, Oz and T8."""
    [(front, number)] = re.findall(r"^([A-Za-z]+?)(\d+|z)h?$", name)
    # The lower rows have the numbers 9 and 10, or are behind and below the O row.
    return front not in ("A", "M", "I", "OI") and (number == "z" or int(number) <= 8)


@functools.lru_cache(maxsize=1)
def _template() -> dict[str, tuple[float, ...]]:
    """Return the positions of the electrodes of the 10-05 system on the unit sphere."""
    import mne.channels

    builtin = mne.channels.get_builtin_montages()
    # The same template. MNE renamed it in version 1.13.
    kind = next((kind for kind in ("colin27_1005", "standard_1005") if kind in builtin), None)
    if kind is None:
        raise RuntimeError(
            f"MNE {mne.__version__} has no template of the 10-05 system under a name that is known "
            "here (colin27_1005, standard_1005)."
        )
    montage = mne.channels.transform_to_head(mne.channels.make_standard_montage(kind))
    metres = {
        name: [float(coordinate) for coordinate in position]
        for name, position in montage.get_positions()["ch_pos"].items()
        if name not in ALIASES
    }
    symmetric = {}
    for name, (x, y, z) in metres.items():
        other_x, other_y, other_z = metres[_mirror(name)]
        symmetric[name] = ((x - other_x) / 2, (y + other_y) / 2, (z + other_z) / 2)

    # |p|^2 = 2 c p + d on a sphere around c; by symmetry c is on the midline, x = 0.
    cap = torch.tensor(
        [position for name, position in symmetric.items() if _on_the_cap(name)],
        dtype=torch.float64,
    )
    unknowns = torch.cat([2 * cap[:, 1:], torch.ones(len(cap), 1, dtype=cap.dtype)], dim=1)
    squares = cap.square().sum(dim=1, keepdim=True)
    solution = torch.linalg.lstsq(unknowns, squares).solution.flatten().tolist()
    # Rounded to micrometres, because the last bits of the solver differ between runs.
    centre_y, centre_z = (round(coordinate, 6) for coordinate in solution[:2])

    template = {}
    for name, (x, y, z) in symmetric.items():
        point = (x, y - centre_y, z - centre_z)
        template[name] = tuple(coordinate / _norm(point) for coordinate in point)
    return template
