"""Plot of predicted sleep stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from .style import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION

if TYPE_CHECKING:
    import pandas as pd

# From the top of a hypnogram to its bottom.
_STAGES = ("W", "R", "N1", "N2", "N3")
_COLOURS = {"W": ORANGE, "R": PURPLE, "N1": SKY, "N2": BLUE, "N3": GREEN}
# An epoch is uncertain if the probabilities of its two most probable stages differ by less.
UNCERTAIN = 0.2


def plot_hypnogram(table: pd.DataFrame, title: str = "") -> Figure:
    """Draw predicted sleep stages, their probabilities, and where the model is uncertain.

    Parameters
    ----------
    table : pandas.DataFrame
        One row for each epoch, as returned by :func:`~eeginv.use.predict_recording`: ``onset`` and
        ``duration`` in s, ``label`` (W, N1, N2, N3 or R), and the probabilities ``p_W`` and so on.
    title : str
        Title of the figure.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure. Epochs are marked as uncertain if the probabilities of their two most probable
        stages differ by less than 0.2.

    Raises
    ------
    ValueError
        If columns are missing, or a label is not a stage.

    Examples
    --------
    >>> import pandas as pd
    >>> from eeginv.viz import plot_hypnogram
    >>> epochs = {"onset": [0.0, 30.0], "duration": 30.0, "label": ["W", "N1"]}
    >>> figure = plot_hypnogram(pd.DataFrame({**epochs, "p_W": [0.9, 0.4], "p_N1": [0.1, 0.6]}))
    """
    missing = {"onset", "duration", "label"} - set(table.columns)
    stages = [stage for stage in _STAGES if f"p_{stage}" in table]
    if missing or not stages or not len(table):
        raise ValueError(
            "Expected epochs with the columns onset, duration, label and p_W, p_N1 and so on, as "
            f"predict_recording returns them; got the columns {', '.join(table.columns)}."
        )
    unknown = sorted(set(table["label"]) - set(stages))
    if unknown:
        raise ValueError(f"Labels must be of {', '.join(stages)}; got {', '.join(unknown)}.")
    hours = table["onset"].to_numpy(float) / 3600
    ends = hours + table["duration"].to_numpy(float) / 3600
    levels = np.array([stages.index(label) for label in table["label"]])
    shares = table[[f"p_{stage}" for stage in stages]].to_numpy(float)
    ordered = np.sort(shares, axis=1)
    close = ordered[:, -1] - ordered[:, -2] if shares.shape[1] > 1 else ordered[:, -1]
    uncertain = close < UNCERTAIN

    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(11, 4.8), sharex=True, height_ratios=(3, 2), layout="constrained"
    )
    for begin, end in _stretches(hours, ends):
        edges = np.append(hours[begin:end], ends[end - 1])
        top.stairs(levels[begin:end], edges, baseline=None, color="black", lw=1)
        # an area has two edges for each epoch
        times = np.repeat(edges, 2)[1:-1]
        areas = np.repeat(shares[begin:end, ::-1], 2, axis=0).T  # same order as above
        bottom.stackplot(times, areas, colors=[_COLOURS[s] for s in reversed(stages)], lw=0)
    for level, stage in enumerate(stages):
        inside = levels == level
        top.hlines(levels[inside], hours[inside], ends[inside], color=_COLOURS[stage], lw=4)
    share = f"{100 * uncertain.mean():.0f} % of {len(table)} epochs"
    label = f"uncertain ({share}): two stages within {UNCERTAIN:g}"
    middle = (hours + ends)[uncertain] / 2
    marks = np.full(len(middle), len(stages) - 0.35)
    top.plot(middle, marks, ls="", marker="|", ms=7, color=VERMILION, label=label)
    top.set_yticks(range(len(stages)), stages)
    top.set_ylim(len(stages) - 0.1, -0.4)
    handles, _ = top.get_legend_handles_labels()
    figure.legend(handles=handles, loc="outside upper right", frameon=False, fontsize=9)
    top.set_title(title, loc="left", fontsize=11)
    for level, stage in enumerate(stages):
        bottom.text(
            1.01, 0.9 - 0.19 * level, stage, color=_COLOURS[stage], transform=bottom.transAxes,
            va="center", fontweight="bold", fontsize=9,
        )  # fmt: skip
    bottom.set(ylim=(0, 1), ylabel="probability", xlabel="time from the beginning in h")
    bottom.set_xlim(hours[0], ends[-1])
    for panel in (top, bottom):
        panel.spines[["top", "right"]].set_visible(False)
    return figure


def _stretches(begins: np.ndarray, ends: np.ndarray) -> list[tuple[int, int]]:
    """Return the segments without a pause, as (first row, row after the last)."""
    breaks = np.flatnonzero(np.abs(begins[1:] - ends[:-1]) > 1e-6) + 1
    edges = [0, *breaks.tolist(), len(begins)]
    return list(zip(edges[:-1], edges[1:], strict=True))
