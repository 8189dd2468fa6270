"""Topographic maps of the head."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..transforms import channel_positions

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

MIN_CHANNELS = 8  # for a map; with fewer, none is drawn
OUTLINE = math.radians(99)  # angle between the vertex and the circle through Fpz, T7, Oz and T8


def head_positions(ch_names: Sequence[str]) -> np.ndarray | None:
    """Return positions of channels on a flat head of radius one, or None if no map can be drawn."""
    if len(ch_names) < MIN_CHANNELS:
        return None
    try:
        x, y, z = np.array(channel_positions(ch_names)).T
    except ValueError:  # names without a known position
        return None
    # azimuthal equidistant projection: the distance from the vertex is proportional to the angle
    radius = np.arccos(np.clip(z, -1, 1)) / OUTLINE
    angle = np.arctan2(y, x)
    flat = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    return flat if len(np.unique(flat.round(6), axis=0)) == len(flat) else None


def draw_heads(
    figure: SubFigure,
    fields: Sequence[np.ndarray],
    positions: np.ndarray,
    labels: Sequence[str],
    title: str,
) -> None:
    """Draw a topographic map for each strength, with one colour scale."""
    from mne.viz import plot_topomap

    limit = max(float(np.abs(field).max()) for field in fields) or 1.0
    axes = figure.subplots(1, len(fields))
    for panel, field, label in zip(axes, fields, labels, strict=True):
        image, _ = plot_topomap(
            field,
            positions,
            axes=panel,
            show=False,
            sphere=(0, 0, 0, 1.0),
            cmap="RdBu_r",  # MNE's default depends on the signs of the values
            vlim=(-limit, limit),
            contours=4,
        )
        panel.set_title(label, fontsize=10)
    axes[0].set_ylabel(title)
    figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02)
