"""Plots of learned policies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..policy import Policy, PolicyEntry
from ..transforms import REGISTRY
from .style import BLUE, FALSE_COLOUR, GREY, TRUE_COLOUR, Style, styles_of, with_unit

RANGE_COLOUR = "#ebebeb"
# Settings of transforms that say how far their strengths may go.
_RANGES = ("max_magnitude", "max_probability")

# One item for each epoch: the policy, or extent and unit of each transform.
History: TypeAlias = Sequence[Policy | dict[str, dict[str, Any]]]


def plot_policy(
    policy: Policy | Sequence[Policy],
    truth: Mapping[str, Mapping[str, Any]] | None = None,
    axes: Axes | None = None,
) -> Figure | SubFigure:
    """Draw how far and how often each transform is used.

    Parameters
    ----------
    policy : Policy | list of Policy
        The policy. For several policies, such as those of repeated trainings, bars show the mean
        and dots the single policies. For one policy, a transform that occurs more than once has one
        dot for each candidate, whose size grows with the weight of the candidate.
    truth : dict of str to dict | None
        True invariances, such as ``true_invariances`` of simulated nights: ``extent``, ``unit`` and
        ``invariant`` for each name of a transform.
    axes : matplotlib.axes.Axes | None
        Axes to draw into. None makes a new figure.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure.

    Notes
    -----
    Units differ, so each row has its own scale, from zero to the largest extent that the transform
    allows. This extent is written beside the row. Transforms that are no evidence of a symmetry are
    grey: see :attr:`PolicyEntry.role <eeginv.PolicyEntry.role>`.

    Examples
    --------
    >>> from eeginv.policy import Policy, PolicyEntry
    >>> from eeginv.viz import plot_policy
    >>> policy = Policy([PolicyEntry("FrequencyShift", 0.5, "Hz")])
    >>> figure = plot_policy(policy, {"FrequencyShift": {"extent": 0.6, "invariant": True}})
    """
    policies = [policy] if isinstance(policy, Policy) else list(policy)
    if not policies or not all(isinstance(p, Policy) for p in policies):
        raise TypeError("policy must be a Policy or a non-empty list of Policy objects.")
    truth = truth or {}
    _check_truth(truth, policies)
    rows = _rows(policies, truth)
    if axes is None:
        _, axes = plt.subplots(figsize=(9.5, 1.3 + 0.45 * len(rows)), layout="constrained")
    axes.set_axis_off()
    left = axes.inset_axes((0, 0, 0.36, 1))
    right = axes.inset_axes((0.72, 0, 0.28, 1))
    for y, row in enumerate(rows):
        _draw_extent(left, y, row)
        right.barh(y, row.usage, height=0.56, color=row.colour, alpha=0.55)
        if len(policies) > 1:
            x = row.usages
            right.plot(x, _spread(y, len(x)), "o", ms=3, color=row.colour, clip_on=False)
        farthest = max(row.usage, *row.usages)
        right.text(farthest + 0.04, y, f"{100 * row.usage:.0f} %", va="center", fontsize=9)
    for panel in (left, right):
        panel.set_ylim(len(rows) - 0.4, -0.6)
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(axis="y", length=0, pad=9)
    left.set_yticks(range(len(rows)), [row.name for row in rows])
    left.spines["bottom"].set_visible(False)
    left.set_xticks([])
    left.set_title("how far: extent (on/off transforms: probability)", fontsize=10, loc="left")
    right.set_yticks(range(len(rows)), [""] * len(rows))
    right.set_xlim(0, 1.12)
    right.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    right.set_title("how often: share of windows", fontsize=10, loc="left")
    handles = _truth_legend() if truth else _role_legend(rows)
    if handles:
        axes.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(0, -0.08), ncols=4, frameon=False
        ).set_in_layout(True)
    return axes.figure


def plot_extents(
    histories: History | Mapping[str, Sequence[History]],
    truth: Mapping[str, Mapping[str, Any]] | None = None,
    styles: Mapping[str, Style] | None = None,
) -> Figure:
    """Draw how the extents of a policy change while it is learned.

    Parameters
    ----------
    histories : list | dict of str to list
        One history, such as ``policy_history_`` of a fitted classifier. It holds the policy after
        each epoch, as a :class:`~eeginv.Policy` or as a dict with ``extent`` and ``unit`` for each
        name of a transform. A dict from the name of a method to a list of histories draws each
        history as a thin line, and their mean as a thick one.
    truth : dict of str to dict | None
        True ``extent`` and ``invariant`` for each name of a transform, drawn as a dashed line.
    styles : dict of str to dict | None
        ``color`` and ``marker`` for each name of a method. None chooses them in order.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One panel for each transform, in its own unit.

    Examples
    --------
    >>> from eeginv.policy import Policy, PolicyEntry
    >>> from eeginv.viz import plot_extents
    >>> history = [Policy([PolicyEntry("SignFlip", p, binary=True)]) for p in (0.1, 0.3, 0.4)]
    >>> figure = plot_extents(history, truth={"SignFlip": {"extent": 0.5, "invariant": True}})
    """
    named = isinstance(histories, Mapping)
    groups = histories if isinstance(histories, Mapping) else {"": [list(histories)]}
    styles = styles_of(groups) if styles is None else {name: styles[name] for name in groups}
    curves, units = _curves(groups)
    if not curves:
        raise ValueError("There is no policy in the history: expected one for each epoch.")
    truth = truth or {}
    n_columns = min(3, len(units))
    n_rows = math.ceil(len(units) / n_columns)
    figure, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(1.2 + 3.1 * n_columns, 0.7 + 2.2 * n_rows),
        layout="constrained",
        squeeze=False,
        sharex=True,
    )
    for name, panel in zip(units, axes.flat, strict=False):
        n_epochs = 1
        for method, style in styles.items():
            lines = curves.get((method, name), [])
            for line in lines if len(lines) > 1 else []:
                panel.plot(range(1, len(line) + 1), line, color=style["color"], lw=0.7, alpha=0.45)
            if lines:
                mean = _mean_curve(lines)
                n_epochs = max(n_epochs, len(mean))
                panel.plot(
                    range(1, len(mean) + 1),
                    mean,
                    color=style["color"],
                    lw=2,
                    marker=style["marker"] if named or len(mean) == 1 else None,
                    markevery=max(1, (len(mean) - 1) // 4),
                    ms=5,
                )
        if name in truth:
            panel.axhline(truth[name]["extent"], color="black", ls="--", lw=1.2)
        unit = units[name]
        panel.set_title(name + ("" if unit == "1" else f" ({unit})"), fontsize=10)
        high = max(panel.get_ylim()[1], 0.02)
        panel.set_ylim(-0.04 * high, 1.04 * high)
        panel.spines[["top", "right"]].set_visible(False)
        panel.xaxis.get_major_locator().set_params(integer=True)
    for panel in axes.flat[len(units) :]:
        panel.set_axis_off()
    for column in range(n_columns):
        lowest = (len(units) - 1 - column) // n_columns
        axes[lowest, column].set_xlabel("epoch")
        axes[lowest, column].tick_params(labelbottom=True)
    for panel in axes[:, 0]:
        panel.set_ylabel("extent")
    handles = [
        Line2D([], [], lw=2, ms=5, label=method, **style)
        for method, style in styles.items()
        if named and any((method, name) in curves for name in units)
    ]
    if set(truth) & set(units):
        handles.append(Line2D([], [], color="black", ls="--", lw=1.2, label="truth"))
    if handles:
        figure.legend(handles=handles, loc="outside upper center", ncols=4, frameon=False)
    return figure


# plot_policy ----------------------------------------------------------------------------------
@dataclass
class _Row:
    """Extent and usage of one transform, for its row of the plot."""

    name: str
    unit: str
    extent: float
    usage: float
    usages: list[float]
    # (extent, weight) of each candidate, or of each policy.
    dots: list[tuple[float, float]]
    limit: float | None
    scale: float
    true: Mapping[str, Any] | None
    colour: str
    roles: set[str]


def _rows(policies: Sequence[Policy], truth: Mapping[str, Mapping[str, Any]]) -> list[_Row]:
    tables = [policy.by_transform() for policy in policies]
    names = list(dict.fromkeys(name for table in tables for name in table.index))
    rows: list[_Row] = []
    for name in names:
        found = [table.loc[name] for table in tables if name in table.index]
        extents = [float(row["extent"]) for row in found]
        usages = [float(row["usage"]) for row in found]
        usages += [0.0] * (len(policies) - len(found))
        weighted = [
            (weight * e.weight, e)
            for policy in policies
            for weight, branch in zip(policy.weights, policy.branches, strict=True)
            for e in branch.entries
            if e.transform == name
        ]
        entries = [e for _, e in weighted]
        true, roles = truth.get(name), {entry.role for entry in entries}
        limits = [v for e in entries for k, v in e.config.items() if k in _RANGES]
        limit = max(limits, default=None)
        largest = max([*extents, *(e.extent for e in entries), true["extent"] if true else 0.0])
        rows.append(
            _Row(
                name=name,
                unit=str(found[0]["unit"]),
                extent=float(np.mean(extents)),
                usage=float(np.mean(usages)),
                usages=usages,
                dots=_dots(weighted) if len(policies) == 1 else [(x, 0.25) for x in extents],
                limit=limit,
                scale=max(limit or 0.0, largest) or 1.0,
                true=true,
                colour=_colour(true, roles),
                roles=roles,
            )
        )
    return rows


def _dots(weighted: list[tuple[float, PolicyEntry]]) -> list[tuple[float, float]]:
    """Return (extent, weight) of each candidate, and nothing for a single one: the bar shows it."""
    return [(e.extent, weight) for weight, e in weighted] if len(weighted) > 1 else []


def _check_truth(truth: Mapping[str, Mapping[str, Any]], policies: Sequence[Policy]) -> None:
    """Raise an error for names of transforms that neither eeginv nor the policies have."""
    used = {entry.transform for policy in policies for entry in policy.entries}
    for name in truth:
        if name not in used and name not in REGISTRY:
            raise ValueError(
                f"truth has the unknown transform {name!r}; the policy has "
                f"{', '.join(sorted(used))}."
            )


def _colour(true: Mapping[str, Any] | None, roles: set[str]) -> str:
    if true is None:
        return GREY if roles == {"regularizer"} else BLUE
    return TRUE_COLOUR if true["invariant"] else FALSE_COLOUR


def _draw_extent(panel: Axes, y: float, row: _Row) -> None:
    scale = row.scale
    panel.barh(y, 1, height=0.56, color=RANGE_COLOUR)
    panel.barh(y, row.extent / scale, height=0.56, color=row.colour, alpha=0.55)
    x, weight = np.array(row.dots, dtype=float).reshape(-1, 2).T
    panel.scatter(
        x / scale,
        _spread(y, len(x)),
        s=4 + 60 * weight,
        color=row.colour,
        linewidths=0,
        alpha=0.8,
        zorder=3,
        clip_on=False,
    )
    text = with_unit(row.extent, row.unit)
    if row.limit is not None:
        text += f" of {with_unit(row.limit, row.unit, 3)}"
    if row.true is not None:
        marker = "D" if row.true["invariant"] else "X"
        panel.plot(
            row.true["extent"] / scale,
            y,
            marker,
            ms=8,
            mfc="white",
            mec="black",
            mew=1.2,
            clip_on=False,
            zorder=4,
        )
        if row.true["invariant"]:
            text += f"  (truth {with_unit(row.true['extent'], row.unit, 3)})"
        else:
            text += "  (truth: none)"
    panel.text(1.07, y, text, va="center", fontsize=9)
    panel.set_xlim(0, 1)


def _spread(y: float, n: int) -> np.ndarray:
    """Return n heights around y, so that dots of equal value do not hide each other."""
    return y + (np.arange(n) - (n - 1) / 2) * min(0.09, 0.4 / max(n, 1))


def _role_legend(rows: list[_Row]) -> list[Patch]:
    """Return the legend of the roles, which is empty if all transforms have the role invariance."""
    if not any(row.roles == {"regularizer"} for row in rows):
        return []
    return [
        Patch(color=BLUE, alpha=0.55, label="invariance"),
        Patch(color=GREY, alpha=0.55, label="regulariser: removes information, or random strength"),
    ]


def _truth_legend() -> list[Patch | Line2D]:
    marks: Style = {"ls": "", "mfc": "white", "mec": "black", "ms": 8}
    return [
        Patch(color=TRUE_COLOUR, alpha=0.55, label="true invariance"),
        Patch(color=FALSE_COLOUR, alpha=0.55, label="changes the label"),
        Line2D([], [], marker="D", label="true extent", **marks),
        Line2D([], [], marker="X", label="should be zero", **marks),
    ]


# plot_extents ---------------------------------------------------------------------------------
def _curves(
    groups: Mapping[str, Sequence[History]],
) -> tuple[dict[tuple[str, str], list[list[float]]], dict[str, str]]:
    """Return the extents by method and transform, one list for each history, and the units."""
    curves: dict[tuple[str, str], list[list[float]]] = {}
    units: dict[str, str] = {}
    for method, histories in groups.items():
        for history in histories:
            steps = [
                step.by_transform().to_dict("index") if isinstance(step, Policy) else step
                for step in history
            ]
            names = dict.fromkeys(name for step in steps for name in step)
            for name in names:
                line = [step[name]["extent"] if name in step else math.nan for step in steps]
                curves.setdefault((method, name), []).append(line)
                units.setdefault(name, next(s[name]["unit"] for s in steps if name in s))
    return curves, units


def _mean_curve(lines: Sequence[Sequence[float]]) -> np.ndarray:
    padded = np.full((len(lines), max(map(len, lines))), math.nan)
    for row, line in zip(padded, lines, strict=True):
        row[: len(line)] = line
    known = np.isfinite(padded)
    total = np.where(known, padded, 0).sum(axis=0)
    return total / np.where(known.any(axis=0), known.sum(axis=0), math.nan)
