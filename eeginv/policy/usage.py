"""How far and how often each transform is used, over all layers and branches of a policy."""

import math


def usage_table(policy):
    """Merge layers and branches.

    Parameters
    ----------
    policy : Policy
        The policy.

    Returns
    -------
    table : pandas.DataFrame
        Indexed by transform; see :meth:`Policy.by_transform`.
    """
    import pandas as pd

    rows = {}
    for branch_weight, branch in zip(policy.weights, policy.branches, strict=True):
        # how much of what is transformed at all goes through the branch
        share = branch_weight
        if policy.probability > 0:
            share *= branch.probability / policy.probability
        used = {}  # of the entries of a layer one is drawn, unless they are drawn jointly
        for e in branch.entries:
            row = rows.setdefault(
                e.transform,
                {"unit": e.unit, "weight": 0.0, "total": 0.0, "extents": [], "usage": 0.0},
            )
            weight = share * e.weight * (e.binary or e.extent > 0)
            row["weight"] += weight
            row["total"] += weight * e.extent
            row["extents"].append(e.extent)
            layer = used.setdefault(e.transform, {})
            number = 1.0 if e.joint else e.weight
            layer[e.layer] = min(1.0, layer.get(e.layer, 0.0) + number * e.probability)
        for name, layers in used.items():
            miss = math.prod(1 - value for value in layers.values())
            rows[name]["usage"] += branch_weight * branch.probability * (1 - miss)
    table = {}
    for name, row in rows.items():
        if row["weight"] > 0:
            extent = row["total"] / row["weight"]
        else:
            extent = sum(row["extents"]) / len(row["extents"])
        table[name] = {"extent": extent, "unit": row["unit"], "usage": row["usage"]}
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("transform")
