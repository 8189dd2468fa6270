"""The earth mover's distance between two policies, one transform at a time."""


def moved_strength(policy, other):
    """Return the work that turns one policy's use of each transform into the other's.

    Parameters
    ----------
    policy, other : Policy
        The policies.

    Returns
    -------
    distance : float
        Sum over transforms of the area between the curves of the expected number of applications
        beyond each relative strength, which is the earth mover's distance on a line.
    """
    uses, others = _uses(policy), _uses(other)
    total = 0.0
    for name in sorted({*uses, *others}):
        pair = uses.get(name, []), others.get(name, [])
        scale = _range([use[-1] for side in pair for use in side])
        total += _area_between(*([(n, s / scale, even) for n, s, even, _ in side] for side in pair))
    return total


def _uses(policy):
    """For each transform: expected number, strength, whether uniform below it, and the entry."""
    uses = {}
    for branch_weight, branch in zip(policy.weights, policy.branches, strict=True):
        for e in branch.entries:
            number = branch_weight * branch.probability * e.weight
            if e.binary:
                use = (number * e.probability, 1.0, False, e)
            else:
                use = (number, e.extent, e.random_strength, e)
            uses.setdefault(e.transform, []).append(use)
    return uses


def _range(entries):
    """Return the largest strength a transform allows, or, where nothing says, that there is."""
    if any(e.binary for e in entries):
        return 1.0
    limits = [e.config["max_magnitude"] for e in entries if "max_magnitude" in e.config]
    return max([*limits, *(e.extent for e in entries)]) or 1.0


def _area_between(uses, others):
    """Integrate the absolute difference of two curves, linear between the strengths."""
    signed = [*uses, *((-number, strength, even) for number, strength, even in others)]
    knots = sorted({0.0, *(strength for _, strength, _ in signed)})
    area = 0.0
    for left, right in zip(knots[:-1], knots[1:], strict=True):
        # what lies beyond each end of the segment, seen from within
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
