"""Plots of the results of the benchmark."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..policy import Policy
from .methods import (
    AVERAGING_LABELS,
    averaging_label,
    label_of,
    learns_policy,
    method_styles,
    sort_methods,
)
from .tables import subjects_text

if TYPE_CHECKING:
    import pandas as pd

    from ..viz.style import Style
    from .plan import RunRecord

STAGES = ["W", "N1", "N2", "N3", "R", "REM"]


def plot_accuracy_time(runs: Sequence[RunRecord]) -> Figure:
    """Draw balanced accuracy against the time of search and training.

    Parameters
    ----------
    runs : list of dict
        Finished runs of the benchmark.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Small markers are runs, large ones are means of methods. There is one column for each number
        of training subjects. The top row is without averaging, the bottom row is averaged over
        copies.

    Examples
    --------
    >>> from eeginv.benchmark import plot_accuracy_time
    >>> run = {"method": "none", "n_train_subjects": 4, "seconds_search": 0, "seconds_fit": 9}
    >>> run["scores"] = {"plain": {"balanced_accuracy": 0.8}}
    >>> figure = plot_accuracy_time([run])
    """
    sizes, styles = _sizes(runs), method_styles(run["method"] for run in runs)
    averagings = [a for a in AVERAGING_LABELS if any(a in run["scores"] for run in runs)]
    figure, axes = plt.subplots(
        len(averagings),
        len(sizes),
        figsize=(1.2 + 4.4 * len(sizes), 1.0 + 2.7 * len(averagings)),
        layout="constrained",
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    for row, averaging in zip(axes, averagings, strict=True):
        for panel, size in zip(row, sizes, strict=True):
            for method, style in styles.items():
                points = [
                    (
                        max(run["seconds_search"] + run["seconds_fit"], 1e-3),
                        100 * _number(run["scores"][averaging]["balanced_accuracy"]),
                    )
                    for run in _select(runs, method, size)
                    if averaging in run["scores"]
                ]
                if points:
                    x, y = np.array(points).T
                    panel.plot(x, y, ls="", ms=5, alpha=0.4, mew=0, **style)
                    mean = np.exp(np.log(x).mean()), y.mean()
                    panel.plot(*mean, ls="", ms=12, mec="black", mew=1.2, **style)
            panel.set_title(f"{subjects_text(size)}, {AVERAGING_LABELS[averaging]}", fontsize=10)
            panel.grid(alpha=0.3)
            panel.spines[["top", "right"]].set_visible(False)
    seconds = [max(run["seconds_search"] + run["seconds_fit"], 1e-3) for run in runs]
    axes[0, 0].set_xscale("log")
    axes[0, 0].set_xlim(min(seconds) / 1.4, max(seconds) * 1.4)
    ticks = _log_ticks(min(seconds) / 1.4, max(seconds) * 1.4)
    axes[0, 0].set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes[0, 0].xaxis.set_minor_locator(plt.NullLocator())
    for panel in axes[-1]:
        panel.set_xlabel("seconds to search and fit (logarithmic)")
    for panel in axes[:, 0]:
        panel.set_ylabel("balanced accuracy (%)")
    _legend(figure, styles, ms=9)
    return figure


def plot_differences(table: pd.DataFrame) -> Figure:
    """Draw paired differences to no augmentation with their confidence intervals.

    Parameters
    ----------
    table : pandas.DataFrame
        Table from :func:`eeginv.benchmark.statistics.paired_differences`.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One panel for each number of training subjects. Lines are 95 % confidence intervals.

    Examples
    --------
    >>> import pandas as pd
    >>> from eeginv.benchmark import plot_differences
    >>> row = {"n_train_subjects": 4, "method": "augnet", "averaging": "plain"}
    >>> row |= {"metric": "balanced_accuracy", "difference": 0.03, "low": 0.01, "high": 0.05}
    >>> figure = plot_differences(pd.DataFrame([row]))
    """
    sizes = sorted(set(table["n_train_subjects"]))
    present = set(zip(table["method"], table["averaging"], strict=True))
    styles = method_styles(table["method"])
    rows = [(m, a) for m in styles for a in AVERAGING_LABELS if (m, a) in present]
    figure, axes = plt.subplots(
        1,
        len(sizes),
        figsize=(3.6 + 3.4 * len(sizes), 1.5 + 0.42 * len(rows)),
        layout="constrained",
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    for panel, size in zip(axes.flat, sizes, strict=True):
        panel.axvline(0, color="black", lw=1)
        for record in table[table["n_train_subjects"] == size].to_dict("records"):
            y = rows.index((record["method"], record["averaging"]))
            style = styles[record["method"]]
            filled = record["averaging"] == "plain"
            interval = [100 * record["low"], 100 * record["high"]]
            panel.plot(interval, [y, y], color=style["color"], lw=2, marker="|", ms=8)
            panel.plot(
                100 * record["difference"],
                y,
                ls="",
                ms=9,
                mec=style["color"],
                mfc=style["color"] if filled else "white",
                mew=1.5,
                marker=style["marker"],
            )
        panel.set_title(subjects_text(size), fontsize=10)
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.grid(axis="x", alpha=0.3)
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.tick_params(axis="y", length=0)
    axes[0, 0].set_xlim(*_bounds(table))
    names = [f"{label_of(m)},\n{averaging_label(m, a)}" for m, a in rows]
    axes[0, 0].set_yticks(range(len(rows)), names)
    metric = table["metric"].iloc[0].replace("_", " ")
    unit = "hundredths" if metric == "kappa" else "percentage points"
    figure.supxlabel(f"{metric}, difference to no augmentation ({unit})", fontsize=10)
    label = "95 % interval"
    handle = Line2D([], [], color="#5f5f5f", lw=2, marker="|", ms=8, label=label)
    figure.legend(handles=[handle], loc="outside upper center", frameon=False)
    return figure


def plot_confusion(runs: Sequence[RunRecord], averaging: str = "plain") -> Figure:
    """Draw the confusion matrices of all methods.

    Parameters
    ----------
    runs : list of dict
        Finished runs of the benchmark.
    averaging : "plain" | "averaged"
        Whether predictions are averaged over transformed copies.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One matrix for each method (columns) and number of training subjects (rows). It shows shares
        of the windows of each true class, in percent, averaged over runs.

    Examples
    --------
    >>> from eeginv.benchmark import plot_confusion
    >>> run = {"method": "none", "n_train_subjects": 4, "classes": ["W", "N3"]}
    >>> run["scores"] = {"plain": {"confusion": [[8, 2], [1, 9]]}}
    >>> figure = plot_confusion([run])
    """
    runs = [run for run in runs if averaging in run["scores"]]
    if not runs:
        raise ValueError(f"No run has scores of the kind {averaging!r}.")
    sizes, methods = _sizes(runs), sort_methods(run["method"] for run in runs)
    found = dict.fromkeys(name for run in runs for name in run["classes"])
    classes = [s for s in STAGES if s in found] + [s for s in found if s not in STAGES]
    side = max(1.9, 0.55 * len(classes))
    figure, axes = plt.subplots(
        len(sizes),
        len(methods),
        figsize=(0.9 + side * len(methods), 0.9 + (side + 0.15) * len(sizes)),
        layout="compressed",
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    for row, size in zip(axes, sizes, strict=True):
        for panel, method in zip(row, methods, strict=True):
            shares = _mean_shares(_select(runs, method, size), averaging, classes)
            if shares is None:
                panel.text(0.5, 0.5, "no run", transform=panel.transAxes, ha="center")
                shares = np.full((len(classes),) * 2, math.nan)
            panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
            for (i, j), share in np.ndenumerate(shares):
                text = "" if math.isnan(share) else f"{100 * share:.0f}"
                colour = "white" if share > 0.55 else "black"
                panel.text(j, i, text, ha="center", va="center", color=colour, fontsize=9)
            panel.set_xticks(range(len(classes)), classes)
            panel.set_yticks(range(len(classes)), classes)
            panel.tick_params(length=0, labelbottom=True)
            panel.spines[:].set_visible(False)
        row[0].set_ylabel(f"{subjects_text(size)}\ntrue class", fontsize=9)
    for panel, method in zip(axes[0], methods, strict=True):
        panel.set_title(label_of(method).replace(" (", "\n("), fontsize=10)
    for panel in axes[-1]:
        panel.set_xlabel("predicted class", fontsize=9)
    return figure


def plot_learned(runs: Sequence[RunRecord]) -> Figure:
    """Draw extent and usage of each transform for each method, with the truth.

    Parameters
    ----------
    runs : list of dict
        Finished runs of the benchmark. Those without a learned policy are left out, including
        random augmentation, whose policy is not learned. The truth is that of the first run with a
        truth.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One column for each transform, with its extent at the top and the share of examples to which
        it is applied at the bottom. Small markers are runs, large ones are means.

    Examples
    --------
    >>> from eeginv.policy import Policy, PolicyEntry
    >>> from eeginv.benchmark import plot_learned
    >>> policy = Policy([PolicyEntry("SignFlip", 0.5, binary=True)]).to_dict()
    >>> run = {"method": "augnet", "n_train_subjects": 4, "policy": policy}
    >>> figure = plot_learned([{**run, "truth": None}])
    """
    styles = method_styles(run["method"] for run in runs)
    runs = [run for run in runs if run.get("policy") and learns_policy(run["method"])]
    if not runs:
        raise ValueError("No run has a learned policy.")
    truth: dict[str, dict[str, Any]] = next((run["truth"] for run in runs if run.get("truth")), {})
    tables = [Policy.from_dict(run["policy"]).by_transform() for run in runs]
    names = list(dict.fromkeys(name for table in tables for name in table.index))
    sizes, methods = _sizes(runs), sort_methods(run["method"] for run in runs)
    figure, axes = plt.subplots(
        2,
        len(names),
        figsize=(max(4.5, 0.8 + 1.95 * len(names)), 4.9),
        layout="constrained",
        squeeze=False,
        sharex=True,
    )
    panels = itertools.product(("extent", "usage"), names)
    for panel, (quantity, name) in zip(axes.flat, panels, strict=True):
        for i, size in enumerate(sizes):
            for j, method in enumerate(methods):
                x = i + 0.7 * ((j + 0.5) / len(methods) - 0.5)
                values = [
                    float(table.loc[name, quantity])
                    for run, table in zip(runs, tables, strict=True)
                    if (run["method"], run["n_train_subjects"]) == (method, size)
                    and name in table.index
                ]
                style = styles[method]
                panel.plot([x] * len(values), values, ls="", ms=4, alpha=0.4, mew=0, **style)
                if values:
                    panel.plot(x, np.mean(values), ls="", ms=8, mec="black", mew=1, **style)
        if quantity == "extent" and name in truth:
            panel.axhline(truth[name]["extent"], color="black", ls="--", lw=1.2, zorder=0)
        high = max(panel.get_ylim()[1], 0.05)
        panel.set_ylim(-0.06 * high, 1.04 * high)
        panel.set_xlim(-0.6, len(sizes) - 0.4)
        panel.set_xticks(range(len(sizes)), sizes)
        panel.spines[["top", "right"]].set_visible(False)
    for panel, name in zip(axes[0], names, strict=True):
        unit = next(str(t.loc[name, "unit"]) for t in tables if name in t.index)
        title = name + ("" if unit == "1" else f" ({unit})")
        if name in truth:
            title += "\ntrue invariance" if truth[name]["invariant"] else "\nchanges the label"
        panel.set_title(title, fontsize=9)
    axes[0, 0].set_ylabel("extent")
    axes[1, 0].set_ylabel("share of examples")
    figure.supxlabel("number of training subjects", fontsize=10)
    extra = [Line2D([], [], color="black", ls="--", lw=1.2, label="true extent")] if truth else []
    _legend(figure, {method: styles[method] for method in methods}, extra, ms=8)
    return figure


def _bounds(table: pd.DataFrame) -> tuple[float, float]:
    """Return axis limits in percentage points. They may cut off intervals over few choices."""
    middle = [0.0, *(100 * table["difference"])]
    ends = 100 * table[["low", "high"]].to_numpy(float)
    known = [*middle, *ends[np.isfinite(ends)]]
    reach = max(3 * (max(middle) - min(middle)), 5.0)
    low, high = max(min(known), min(middle) - reach), min(max(known), max(middle) + reach)
    margin = max(0.05 * (high - low), 0.2)
    return low - margin, high + margin


def _sizes(runs: Sequence[RunRecord]) -> list[int]:
    return sorted({run["n_train_subjects"] for run in runs})


def _select(runs: Sequence[RunRecord], method: str, size: int) -> list[RunRecord]:
    return [r for r in runs if r["method"] == method and r["n_train_subjects"] == size]


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _log_ticks(low: float, high: float) -> list[float]:
    """Return a readable number of round numbers between two bounds."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5)):
        ticks = [s * 10.0**p for p in powers for s in steps if low <= s * 10.0**p <= high]
        if len(ticks) >= 3:
            return ticks
    values = MaxNLocator(5).tick_values(low, high)
    return [tick for tick in values if low <= tick <= high]


def _mean_shares(
    runs: Sequence[RunRecord], averaging: str, classes: Sequence[str]
) -> np.ndarray | None:
    """Return the mean row-normalised confusion matrix, NaN for missing classes, or None."""
    total, known = np.zeros((len(classes),) * 2), np.zeros((len(classes), 1))
    for run in runs:
        where = [classes.index(name) for name in run["classes"]]
        counts = np.zeros_like(total)
        counts[np.ix_(where, where)] = run["scores"][averaging]["confusion"]
        n = counts.sum(axis=1, keepdims=True)
        total += counts / np.where(n > 0, n, 1)
        known += n > 0
    return total / np.where(known > 0, known, math.nan) if known.any() else None


def _legend(
    figure: Figure, styles: dict[str, Style], extra: Sequence[Line2D] = (), ms: float = 9
) -> None:
    handles = [
        Line2D([], [], ls="", ms=ms, mec="black", label=label_of(method), **style)
        for method, style in styles.items()
    ]
    columns = max(1 + (len(handles) > 6), min(5, int(figure.get_figwidth() / 3.1)))
    figure.legend(
        handles=[*handles, *extra],
        loc="outside upper center",
        ncols=columns,
        frameon=False,
        fontsize=9,
    )
