"""Plot of the effect of a transform on a signal, at several strengths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from scipy.signal import welch
from torch import Tensor

from ..transforms.base import check_sfreq
from ..transforms.draws import Noise
from ..transforms.layout import check_made_for
from .heads import draw_heads, head_positions
from .style import Style, with_unit

if TYPE_CHECKING:
    from .._typing import ArrayLike
    from ..transforms import Transform

MAX_CHANNELS = 3  # more are hard to read
N_DRAWS = 21  # odd, so that the median is one of the draws
DYNAMIC_RANGE = 50  # dB; without a limit, the depth of a notch would set the axis
BEFORE, BEHIND, NOTE = "#333333", "#b8b8b8", "#666666"


def plot_transform(
    transform: Transform,
    X: ArrayLike | Tensor,
    sfreq: float,
    *,
    strengths: ArrayLike | None = None,
    picks: Sequence[int | str] | None = None,
    duration: float | None = 6.0,
    start: float | None = None,
    ch_names: Sequence[str] | None = None,
    noise: Noise | None = None,
    random_state: int = 0,
) -> Figure:
    """Draw a signal and its spectrum before and after a transform, for several strengths.

    The random draws are the same for all strengths.

    Parameters
    ----------
    transform : Transform
        The transform, such as ``FrequencyShift(sfreq=100)``.
    X : array-like or Tensor, shape (n_channels, n_times) or (n_examples, n_channels, n_times)
        The signal, in any unit. Of several examples, the first is shown.
    sfreq : float
        Sampling frequency in Hz.
    strengths : float | list of float | None
        Strengths in the unit of the transform. None takes a quarter, a half and all of its range.
        For an on/off transform, None shows the transformed signal.
    picks : list of int | list of str | None
        Channels to show. None shows all if there are at most three. Otherwise, it shows the one
        that changes most, the one with the median change and the one that changes least.
    duration : float | None
        Seconds to show. None shows the whole signal. The spectra are always those of the whole
        signal.
    start : float | None
        Time of the first sample to show, in seconds. None chooses the part that changes most.
    ch_names : list of str | None
        Names of the channels. None takes those of the transform. A spatial transform is also drawn
        as topographic maps if there are at least eight channels, all at known and different
        positions.
    noise : dict of str to Tensor | None
        Random draws with one row, as returned by ``transform.draw``. None draws 21 times, discards
        the draws without effect, and takes the one with the median change.
    random_state : int
        Seed of the draws.

    Returns
    -------
    figure : matplotlib.figure.Figure
        For each channel, one trace for each strength, with the original signal in grey behind it,
        and the power spectral densities (Welch, windows of 4 s or half the signal). For spatial
        transforms, topographic maps at the time of the largest change.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import FrequencyShift
    >>> from eeginv.viz import plot_transform
    >>> time = torch.arange(300) / 100
    >>> signal = torch.sin(2 * torch.pi * 10 * time).unsqueeze(0)
    >>> figure = plot_transform(FrequencyShift(sfreq=100), signal, sfreq=100)
    >>> figure = plot_transform(FrequencyShift(sfreq=100), signal, sfreq=100, strengths=[1, 2])
    """
    sfreq = check_sfreq(sfreq)
    signal = _one_signal(X)
    names = _names(transform, ch_names, len(signal))
    check_made_for(transform, sfreq, ch_names)
    strengths = _strengths(transform, strengths)
    with torch.no_grad():
        signal = signal.to(transform.raw.device)
        if noise is None:
            noise = _typical_draws(transform, signal, strengths, random_state)
        copies = [transform.transform(signal, noise, strength=s) for s in strengths]
    before, *after = (x.cpu().double().numpy() for x in (signal, *copies))
    styles = _styles(transform, strengths)
    shown = _shown(picks, names, before, after)
    excerpt = _excerpt(before[shown], [x[shown] for x in after], sfreq, start, duration)
    positions = head_positions(names) if transform.family == "spatial" else None

    figure, panels, heads = _figure(len(shown), len(after), positions is not None)
    moment = _moment(before, after, excerpt)
    for (traces, spectra), channel in zip(panels, shown, strict=True):
        rows = [before[channel], *(x[channel] for x in after)]
        _draw_traces(traces, [row[excerpt] for row in rows], excerpt.start, sfreq, styles)
        _draw_spectra(spectra, rows, sfreq, styles)
        traces.set_ylabel(names[channel], weight="bold")
        if heads:
            traces.axvline(moment / sfreq, color=NOTE, lw=0.8, ls=":", zorder=0)
    panels[0, 1].set_title("power spectral density (dB)", fontsize=10)
    panels[-1, 0].set_xlabel("time (s)")
    panels[-1, 1].set_xlabel("frequency (Hz)")
    if heads is not None and positions is not None:
        fields = [x[:, moment] for x in (before, *after)]
        labels = [style["label"] for style in styles]
        draw_heads(heads, fields, positions, labels, f"at {moment / sfreq:.2f} s")
    labels = _labels_with_counts(transform, styles, before, after)
    handles = [
        Line2D([], [], lw=2, color=style["color"], label=label)
        for style, label in zip(styles, labels, strict=True)
    ]
    figure.legend(
        handles=handles,
        title=_title(transform, strengths),
        title_fontproperties={"weight": "bold", "size": 11},
        loc="outside upper left",
        alignment="left",
        ncols=4,
        frameon=False,
    )
    note = _note(transform, noise, len(shown), len(names), picks)
    if note:
        figure.supxlabel(note, fontsize=8.5, color=NOTE)
    return figure


# selection of the data ------------------------------------------------------------------------
def _one_signal(X: ArrayLike | Tensor) -> Tensor:
    X = torch.as_tensor(X).detach()
    if X.ndim == 3 and len(X):
        X = X[0]
    if X.ndim != 2 or 0 in X.shape:
        raise ValueError(
            "Expected signals of shape (n_channels, n_times) or (n_examples, n_channels, n_times), "
            f"got {tuple(X.shape)}."
        )
    return X if X.is_floating_point() else X.float()


def _names(transform: Transform, ch_names: Sequence[str] | None, n_channels: int) -> list[str]:
    known = getattr(transform, "ch_names", None) if ch_names is None else ch_names
    names = [f"channel {i + 1}" for i in range(n_channels)] if known is None else list(known)
    if len(names) != n_channels:
        raise ValueError(f"Expected {n_channels} channel names, got {len(names)}.")
    return names


def _strengths(transform: Transform, strengths: ArrayLike | None) -> list[float]:
    """Return the strengths in increasing order."""
    if strengths is None:
        if transform.binary:
            return [1.0]
        return [share * transform.max_strength for share in (0.25, 0.5, 1.0)]
    given = torch.as_tensor(strengths, dtype=torch.float64).detach().flatten()
    increasing = sorted(set(given.tolist()))
    # probabilities up to one are allowed: at one, the plot does not depend on the random draw
    highest = transform.max_strength if transform.continuous else 1.0
    # float32 may round the upper end of the range up
    if not increasing or not all(0 <= value <= highest * (1 + 1e-6) for value in increasing):
        raise ValueError(
            f"strengths of {transform.name} must be numbers in [0, {highest:g}], got {strengths!r}."
        )
    return increasing


def _typical_draws(
    transform: Transform, signal: Tensor, strengths: Sequence[float], random_state: int
) -> Noise:
    generator = torch.Generator(device=signal.device).manual_seed(random_state)
    found = []
    for _ in range(N_DRAWS):
        state = generator.get_state()
        noise = transform.draw(signal, generator)
        change = sum(
            float((transform.transform(signal, noise, strength=s) - signal).cpu().double().norm())
            for s in strengths
        )
        found.append((change, state))
    found.sort(key=lambda pair: pair[0])
    changed = [pair for pair in found if pair[0] > 0] or found
    generator.set_state(changed[len(changed) // 2][1])
    return transform.draw(signal, generator)


def _shown(
    picks: Sequence[int | str] | None,
    names: Sequence[str],
    before: np.ndarray,
    after: Sequence[np.ndarray],
) -> list[int]:
    """Choose the channels to show, as indices."""
    if picks is not None:
        unknown: list[int | str] = [p for p in picks if isinstance(p, str) and p not in names]
        shown = [names.index(p) if isinstance(p, str) else p for p in picks if p not in unknown]
        unknown += [p for p in shown if not -len(names) <= p < len(names)]
        if unknown or not shown:
            raise ValueError(f"picks must be channels among {names}, got {picks!r}.")
        return shown
    if len(names) <= MAX_CHANNELS:
        return list(range(len(names)))
    size = np.linalg.norm(before, axis=1)
    change = sum(np.linalg.norm(x - before, axis=1) for x in after) / np.where(size > 0, size, 1)
    order = np.argsort(-change, kind="stable")
    return [int(order[rank]) for rank in (0, len(order) // 2, -1)]


def _excerpt(
    before: np.ndarray,
    after: Sequence[np.ndarray],
    sfreq: float,
    start: float | None,
    duration: float | None,
) -> slice:
    """Choose the samples to show, as a slice."""
    n_times = before.shape[1]
    n_shown = n_times if duration is None else min(n_times, round(duration * sfreq))
    if n_shown < 1:
        raise ValueError(f"duration must be at least one sample ({1 / sfreq:g} s), got {duration}.")
    if start is None:
        size = np.sqrt(np.square(before).mean(axis=1, keepdims=True))
        scale = np.where(size > 0, size, 1)
        change = sum(np.square((x - before) / scale).sum(axis=0) for x in after)
        # larger weights in the middle, so that the change is not at the edge
        weight = np.hanning(n_shown + 2)[1:-1]
        first = int(np.argmax(np.convolve(change, weight, mode="valid")))
    else:
        first = round(start * sfreq)
        if not 0 <= first < n_times:
            raise ValueError(f"start must lie in the {n_times / sfreq:g} s of signal, got {start}.")
    return slice(first, min(first + n_shown, n_times))


def _moment(before: np.ndarray, after: Sequence[np.ndarray], excerpt: slice) -> int:
    """Return the sample at which the largest strength has the largest effect."""
    change = np.square(after[-1] - before)[:, excerpt].sum(axis=0)
    return excerpt.start + int(np.argmax(change))


# texts ----------------------------------------------------------------------------------------
def _styles(transform: Transform, strengths: Sequence[float]) -> list[Style]:
    colours = plt.get_cmap("plasma_r")(np.linspace(0.3, 0.8, len(strengths)))
    if len(strengths) == 1:
        colours = plt.get_cmap("plasma_r")([0.55])
    labels = [_strength_text(transform, value) for value in strengths]
    after = [{"color": c, "label": t} for c, t in zip(colours, labels, strict=True)]
    return [{"color": BEFORE, "label": "before"}, *after]


def _strength_text(transform: Transform, value: float) -> str:
    if transform.binary and value == 1:
        return "transformed"
    return with_unit(value, transform.unit, 3)


def _title(transform: Transform, strengths: Sequence[float]) -> str:
    name = transform.name
    if transform.binary and strengths == [1.0]:
        return name
    *others, last = (f"{value:.3g}" for value in strengths)
    values = f"{', '.join(others)} and {last}" if others else last
    unit = "" if transform.unit == "1" else f" {transform.unit}"
    return f"{name}, {transform.strength_name} {values}{unit}"


def _labels_with_counts(
    transform: Transform, styles: list[Style], before: np.ndarray, after: Sequence[np.ndarray]
) -> list[str]:
    """Return the labels of the strengths, with the number of changed channels where it varies."""
    labels = [style["label"] for style in styles]
    if transform.continuous or transform.binary:
        return labels
    counts = [int((x != before).any(axis=1).sum()) for x in after]
    texts = [
        f"{t} ({n} of {len(before)} channels)" for t, n in zip(labels[1:], counts, strict=True)
    ]
    return [labels[0], *texts]


def _note(
    transform: Transform,
    noise: Noise,
    n_shown: int,
    n_channels: int,
    picks: Sequence[int | str] | None,
) -> str:
    parts = []
    values = list(noise.values())
    if len(values) == 1 and values[0].numel() == 1 and not transform.binary:
        drawn = f"{float(values[0]):.2f}".replace("-", "\N{MINUS SIGN}")
        parts.append(f"random draw: {drawn}, for all strengths")
    if n_shown < n_channels:
        which = ": the one changed most, the median, the one changed least" if picks is None else ""
        parts.append(f"{n_shown} of {n_channels} channels{which}")
    return "; ".join(parts)


# drawing --------------------------------------------------------------------------------------
def _figure(
    n_channels: int, n_strengths: int, with_heads: bool
) -> tuple[Figure, np.ndarray, SubFigure | None]:
    heights = [0.5 + 0.42 * (n_strengths + 1)] * n_channels
    height = 0.9 + sum(heights)
    figure = plt.figure(figsize=(10, height + 1.9 * with_heads), layout="constrained")
    upper: Figure | SubFigure = figure
    lower: SubFigure | None = None
    if with_heads:
        parts = figure.subfigures(2, 1, squeeze=False, height_ratios=[height, 1.9])
        upper, lower = parts[:, 0]
    panels = upper.subplots(n_channels, 2, squeeze=False, sharex="col", width_ratios=[2, 1])
    return figure, panels, lower


def _draw_traces(
    panel: Axes, rows: Sequence[np.ndarray], first: int, sfreq: float, styles: list[Style]
) -> None:
    """Draw the traces one above the other, each with the original signal behind it."""
    time = (first + np.arange(len(rows[0]))) / sfreq
    before = rows[0]
    room = 0.15 * max(np.ptp(before), 0.3 * max(np.ptp(row) for row in rows)) or 1.0
    level, levels = 0.0, []
    for row, style in zip(rows, styles, strict=True):
        level -= max(row.max(), before.max())
        levels.append(level)
        if row is not before:
            panel.plot(time, before + level, color=BEHIND, lw=0.8)
        panel.plot(time, row + level, lw=0.9, **style)
        level += min(row.min(), before.min()) - room
    panel.set_ylim(level, room)
    panel.set_yticks(levels, [style["label"] for style in styles])
    for tick, style in zip(panel.get_yticklabels(), styles, strict=True):
        tick.set_color(style["color"])
    panel.tick_params(axis="y", length=0)
    panel.set_xlim(time[0], time[0] + len(time) / sfreq)
    panel.spines[["left", "top", "right"]].set_visible(False)
    size = _round_number(np.ptp(before) / 2)
    if size:  # scale bar in the unit of the signal
        bar = np.array([levels[0] - size / 2, levels[0] + size / 2])
        place: Style = {"transform": panel.get_yaxis_transform()}
        panel.plot([1.012] * 2, bar, color=BEFORE, lw=2, clip_on=False, **place)
        panel.text(1.02, levels[0], f"{size:g}", va="center", fontsize=8.5, **place)


def _draw_spectra(
    panel: Axes, rows: Sequence[np.ndarray], sfreq: float, styles: list[Style]
) -> None:
    nperseg = max(1, min(len(rows[0]) // 2, int(4 * sfreq)))  # at least three windows
    highest, lowest = -math.inf, math.inf
    for row, style, width in zip(rows, styles, [2.6] + [1.1] * len(rows), strict=False):
        frequency, power = welch(row, sfreq, nperseg=nperseg)
        known = power > 0
        level = 10 * np.log10(power[known])
        panel.plot(frequency[known], level, lw=width, **style)
        highest = max([highest, *level])
        lowest = min([lowest, *level])
    if math.isfinite(highest):
        panel.set_ylim(max(lowest, highest - DYNAMIC_RANGE) - 2, highest + 4)
    panel.set_xlim(0, sfreq / 2)
    panel.spines[["top", "right"]].set_visible(False)


def _round_number(value: float) -> float:
    """Round down to 1, 2 or 5 times a power of ten."""
    if not value > 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    return max(step * power for step in (1, 2, 5) if step * power <= value)
