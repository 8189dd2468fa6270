"""Extent and usage of each transform over all layers and branches of a policy."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from .policy import Policy


@dataclass
class _Row:
    """Sums over the entries of one transform."""

    unit: str | None
    weight: float = 0.0
    total: float = 0.0
    extents: list[float] = field(default_factory=list)
    usage: float = 0.0


def usage_table(policy: Policy) -> pd.DataFrame:
    """Compute extent and usage of each transform over all layers and branches.

    Parameters
    ----------
    policy : Policy
        The policy.

    Returns
    -------
    table : pandas.DataFrame
        Table indexed by transform. See :meth:`Policy.by_transform`.
    """
    import pandas as pd

    rows: dict[str, _Row] = {}
    for branch_weight, branch in zip(policy.weights, policy.branches, strict=True):
        # share of the transformed examples that the branch transforms
        share = branch_weight
        if policy.probability > 0:
            share *= branch.probability / policy.probability
        # a layer draws one of its entries, unless they are drawn jointly
        used: dict[str, dict[int, float]] = {}
        for e in branch.entries:
            row = rows.setdefault(e.transform, _Row(e.unit))
            weight = share * e.weight * (e.binary or e.extent > 0)
            row.weight += weight
            row.total += weight * e.extent
            row.extents.append(e.extent)
            layer = used.setdefault(e.transform, {})
            number = 1.0 if e.joint else e.weight
            layer[e.layer] = min(1.0, layer.get(e.layer, 0.0) + number * e.probability)
        for name, layers in used.items():
            miss = math.prod(1 - value for value in layers.values())
            rows[name].usage += branch_weight * branch.probability * (1 - miss)
    table = {}
    for name, row in rows.items():
        if row.weight > 0:
            extent = row.total / row.weight
        else:
            extent = sum(row.extents) / len(row.extents)
        table[name] = {"extent": extent, "unit": row.unit, "usage": row.usage}
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("transform")
