"""Plots of the invariance of fitted models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .style import Style, styles_of, with_unit

RANGE_COLOUR = "#ebebeb"
LINE_COLOUR = "#999999"
LOWEST_SCORE = -1.0  # lower limit of the axis; the score itself has no lower bound
LABELS = {
    "score": "invariance score",
    "agreement": "predictions that stay the same",
    "divergence": "divergence of probabilities (bits)",
}


def plot_invariance_curve(
    curves: pd.DataFrame | Mapping[str, pd.DataFrame],
    measures: Sequence[str] = ("score", "agreement", "divergence"),
) -> Figure:
    """Draw how invariance falls with the strength of a transform.

    Parameters
    ----------
    curves : pandas.DataFrame | dict of str to pandas.DataFrame
        Table from :func:`~eeginv.inspection.invariance_curve`. Tables of several transforms may be
        concatenated. For several models, a dict from the name of each model to its table.
    measures : sequence of str
        Quantities to draw: "score", "agreement", "divergence".

    Returns
    -------
    figure : matplotlib.figure.Figure
        One row for each transform, one column for each measure, with 95 % confidence intervals.
        Scores below -1 are cut off.

    Examples
    --------
    >>> import torch
    >>> from eeginv.inspection import invariance_curve
    >>> from eeginv.transforms import FrequencyShift
    >>> from eeginv.viz import plot_invariance_curve
    >>> X = torch.randn(20, 3, 100, generator=torch.Generator().manual_seed(0))
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(300, 3))
    >>> figure = plot_invariance_curve(invariance_curve(model, X, FrequencyShift(sfreq=100)))
    """
    curves = _by_model(curves, ["transform", "strength", "unit"])
    unknown = [measure for measure in measures if measure not in LABELS]
    if unknown or not len(measures):
        raise ValueError(f"measures must be of {', '.join(LABELS)}; got {measures!r}.")
    names = list(dict.fromkeys(name for curve in curves.values() for name in curve["transform"]))
    styles = styles_of(curves)
    figure, axes = plt.subplots(
        len(names),
        len(measures),
        figsize=(0.8 + 3.3 * len(measures), 0.8 + 2.4 * len(names)),
        layout="constrained",
        squeeze=False,
        sharex="row",
        sharey="col",
    )
    for row, name in zip(axes, names, strict=True):
        for panel, measure in zip(row, measures, strict=True):
            for model, curve in curves.items():
                _draw_curve(panel, curve[curve["transform"] == name], measure, styles[model])
        unit = next(u for c in curves.values() for u in c.loc[c["transform"] == name, "unit"])
        for panel in row:
            panel.set_xlabel(name + ("" if unit == "1" else f" ({unit})"))
    for column, measure in zip(axes.T, measures, strict=True):
        column[0].set_title(LABELS[measure], fontsize=10)
        low, high = column[0].get_ylim()  # shared by the column
        for panel in column:
            _format_axes(panel, measure, low, high)
    _legend(figure, styles)
    return figure


def plot_invariance_profile(profiles: pd.DataFrame | Mapping[str, pd.DataFrame]) -> Figure:
    """Draw how invariant a model is to each transform, and up to which strength.

    Parameters
    ----------
    profiles : pandas.DataFrame | dict of str to pandas.DataFrame
        Table from :func:`~eeginv.inspection.invariance_profile`. For several models, a dict from
        the name of each model to its table.

    Returns
    -------
    figure : matplotlib.figure.Figure
        One row for each transform. It shows the score and the share of unchanged predictions, both
        at the largest strength, and the extent on a scale from zero to the largest strength. All
        have 95 % confidence intervals. Scores below -1 are drawn as a triangle at the edge.

    Examples
    --------
    >>> import torch
    >>> from eeginv.inspection import invariance_profile
    >>> from eeginv.viz import plot_invariance_profile
    >>> X = torch.randn(20, 3, 100, generator=torch.Generator().manual_seed(0))
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(300, 3))
    >>> figure = plot_invariance_profile(invariance_profile(model, X, sfreq=100))
    """
    profiles = _by_model(profiles, ["score", "agreement", "extent", "largest", "unit"])
    names = list(dict.fromkeys(name for profile in profiles.values() for name in profile.index))
    styles = styles_of(profiles)
    height = max(0.42, 0.23 * len(profiles) + 0.12)
    figure, axes = plt.subplots(
        1,
        3,
        figsize=(10.5, 1.3 + height * len(names)),
        layout="constrained",
        sharey=True,
        width_ratios=[1, 1, 1.25],
    )
    scores, agreements, extents = axes
    shares = {profile.attrs.get("share") for profile in profiles.values()} - {None}
    for share in shares:
        agreements.axvline(100 * share, color=LINE_COLOUR, lw=1, ls="--", zorder=0)
    for x in (0, 1):
        scores.axvline(x, color=LINE_COLOUR, lw=1, ls="-" if x else ":", zorder=0)
    places = (np.arange(len(profiles)) - (len(profiles) - 1) / 2) * 0.8 / max(len(profiles), 2)
    for y, name in enumerate(names):
        if all(np.isnan(p["extent"].get(name, np.nan)) for p in profiles.values()):
            extents.text(0, y, "on/off", va="center", fontsize=8.5, color=LINE_COLOUR)
        for place, (model, profile) in zip(places, profiles.items(), strict=True):
            if name in profile.index:
                row, style = profile.loc[name], styles[model]
                _draw_score(scores, y + place, row, style)
                _draw_interval(agreements, y + place, row, "agreement", style, 100)
                _draw_extent(extents, y + place, row, style, 0.7 / max(len(profiles), 1.5))
    scores.set_ylim(len(names) - 0.5, -0.5)
    scores.set_yticks(range(len(names)), names)
    lowest = min(float(np.nanmin([*p["score_low"], 0.0])) for p in profiles.values())
    scores.set_xlim(max(lowest, LOWEST_SCORE) - 0.1, 1.08)
    ticks = {-1: "\N{MINUS SIGN}1", 0: "0\nas another\nexample", 1: "1\ninvariant"}
    ticks = {x: text for x, text in ticks.items() if x >= lowest}
    scores.set_xticks(list(ticks), list(ticks.values()))
    scores.set_title("invariance score, largest strength", fontsize=10)
    agreements.set_title("same prediction, largest strength", fontsize=10)
    agreements.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} %")
    lowest = min(100 * float(np.nanmin(p["agreement_low"])) for p in profiles.values())
    agreements.set_xlim(min(lowest, 90) - 3, 102)
    share = f"{100 * shares.pop():g} %" if len(shares) == 1 else "most"
    extents.set_title(f"{share} same predictions, up to", fontsize=10)
    extents.set_xlim(0, 1.55)
    extents.set_xticks([])
    for panel in axes:
        panel.tick_params(axis="y", length=0)
        panel.spines[["top", "right", "left"]].set_visible(False)
        for y in range(1, len(names)):
            panel.axhline(y - 0.5, color=RANGE_COLOUR, lw=0.8, zorder=0)
    extents.spines["bottom"].set_visible(False)
    _legend(figure, styles)
    return figure


# curve ----------------------------------------------------------------------------------------
def _draw_curve(panel: Axes, curve: pd.DataFrame, measure: str, style: Style) -> None:
    curve = curve.sort_values("strength")
    x, y = curve["strength"].to_numpy(float), curve[measure].to_numpy(float)
    low, high = f"{measure}_low", f"{measure}_high"
    panel.plot(x, y, lw=1.8, ms=4.5, **style)
    if low in curve:
        panel.fill_between(x, curve[low], curve[high], color=style["color"], alpha=0.18, lw=0)


def _format_axes(panel: Axes, measure: str, low: float, high: float) -> None:
    if measure == "score":
        panel.axhline(0, color=LINE_COLOUR, lw=1, ls=":", zorder=0)
        panel.set_ylim(max(min(low, -0.05), LOWEST_SCORE), 1.05)
    elif measure == "agreement":
        panel.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        panel.set_ylim(min(low, 0.85), 1.01)
    else:
        panel.set_ylim(-0.02 * max(high, 0.1), max(high, 0.1))
    panel.tick_params(labelleft=True)
    panel.spines[["top", "right"]].set_visible(False)


# profile --------------------------------------------------------------------------------------
def _draw_score(panel: Axes, y: float, row: pd.Series, style: Style) -> None:
    if row["score"] < LOWEST_SCORE:
        edge = {"color": style["color"], "marker": "<", "ms": 6, "ls": ""}
        panel.plot(LOWEST_SCORE, y, clip_on=False, **edge)
    else:
        _draw_interval(panel, y, row, "score", style)


def _draw_interval(
    panel: Axes, y: float, row: pd.Series, name: str, style: Style, factor: float = 1
) -> None:
    ends = [factor * max(row[f"{name}_{end}"], LOWEST_SCORE - 1) for end in ("low", "high")]
    panel.plot(ends, [y, y], color=style["color"], lw=2.2, alpha=0.45, solid_capstyle="butt")
    panel.plot(factor * row[name], y, ls="", ms=5.5, **style)


def _draw_extent(panel: Axes, y: float, row: pd.Series, style: Style, height: float) -> None:
    if np.isnan(row["extent"]):
        return
    largest, unit = row["largest"], row["unit"]
    panel.barh(y, 1, height=height, color=RANGE_COLOUR)
    panel.barh(y, row["extent"] / largest, height=height, color=style["color"], alpha=0.6)
    ends = [row["extent_low"] / largest, row["extent_high"] / largest]
    panel.plot(ends, [y, y], color="black", lw=1, marker="|", ms=4)
    text = f"{with_unit(row['extent'], '1')} of {with_unit(largest, unit, 3)}"
    if row["extent"] >= largest:
        text = f"all of {with_unit(largest, unit, 3)}"
    panel.text(1.03, y, text, va="center", fontsize=8.5)


# shared ---------------------------------------------------------------------------------------
def _by_model(
    tables: pd.DataFrame | Mapping[str, pd.DataFrame], columns: Sequence[str]
) -> dict[str, pd.DataFrame]:
    named = dict(tables) if isinstance(tables, Mapping) else {"": tables}
    for table in named.values():
        missing = not isinstance(table, pd.DataFrame) or set(columns) - set(table.columns)
        if missing or not len(table):
            raise TypeError(
                f"Expected a DataFrame with the columns {', '.join(columns)}, or a dict of such, "
                "as eeginv.inspection returns them."
            )
    if not named:
        raise ValueError("Expected at least one table, got an empty dict.")
    return named


def _legend(figure: Figure, styles: Mapping[str, Style]) -> None:
    if list(styles) == [""]:
        return
    handles = [Line2D([], [], lw=2, ms=6, label=name, **style) for name, style in styles.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, frameon=False)
