"""Earth mover's distance between two policies, summed over transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from .entry import PolicyEntry

if TYPE_CHECKING:
    from .policy import Policy


class _Use(NamedTuple):
    """Expected number of applications of a transform, and the distribution of their strengths."""

    number: float
    strength: float
    # Whether strengths are uniform between zero and `strength`, instead of equal to it.
    even: bool


def moved_strength(policy: Policy, other: Policy) -> float:
    """Return the earth mover's distance between two policies.

    Parameters
    ----------
    policy, other : Policy
        The policies.

    Returns
    -------
    distance : float
        Sum of the distances of all transforms. For one transform, each policy has a curve: the
        expected number of applications above a strength, as a function of this strength relative to
        the range. The distance is the area between the two curves, which is the earth mover's
        distance in one dimension.
    """
    entries, others = _weighted_entries(policy), _weighted_entries(other)
    total = 0.0
    for name in sorted({*entries, *others}):
        sides = entries.get(name, []), others.get(name, [])
        scale = _range([entry for side in sides for _, entry in side])
        total += _area_between(*([_use(*weighted, scale) for weighted in side] for side in sides))
    return total


def _weighted_entries(policy: Policy) -> dict[str, list[tuple[float, PolicyEntry]]]:
    """Return the entries of each transform, each with the probability that it is chosen."""
    found: dict[str, list[tuple[float, PolicyEntry]]] = {}
    for branch_weight, branch in zip(policy.weights, policy.branches, strict=True):
        for e in branch.entries:
            weight = branch_weight * branch.probability * e.weight
            found.setdefault(e.transform, []).append((weight, e))
    return found


def _use(weight: float, entry: PolicyEntry, scale: float) -> _Use:
    if entry.binary:
        return _Use(weight * entry.probability, 1.0 / scale, False)
    return _Use(weight, entry.extent / scale, entry.random_strength)


def _range(entries: Sequence[PolicyEntry]) -> float:
    """Return the upper limit of the strength, or the largest extent if no limit is known."""
    if any(e.binary for e in entries):
        return 1.0
    limits = [e.config["max_magnitude"] for e in entries if "max_magnitude" in e.config]
    return max([*limits, *(e.extent for e in entries)]) or 1.0


def _area_between(uses: Sequence[_Use], others: Sequence[_Use]) -> float:
    """Integrate the absolute difference of two curves that are linear between the strengths."""
    signed = [*uses, *(use._replace(number=-use.number) for use in others)]
    knots = sorted({0.0, *(use.strength for use in signed)})
    area = 0.0
    for left, right in zip(knots[:-1], knots[1:], strict=True):
        # difference of the curves at both ends of the interval, as limits from inside
        u = v = 0.0
        for number, strength, even in signed:
            if strength >= right:
                u += number * (1 - left / strength if even else 1)
                v += number * (1 - right / strength if even else 1)
        if u * v >= 0:
            height = (abs(u) + abs(v)) / 2
        else:  # two triangles
            height = (u * u + v * v) / (2 * (abs(u) + abs(v)))
        area += height * (right - left)
    return area
