"""Pictures of what a transform does to a signal."""

import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import welch

from .methods import COLOURS


def plot_transform(
    transform, signal, sfreq, *, magnitude=None, duration=None, ch_names=None, random_state=0
):
    """Draw a signal before and after a transform.

    Parameters
    ----------
    transform : Transform
        The transform, such as ``FrequencyShift(sfreq=100)``.
    signal : array-like or Tensor, shape (n_channels, n_times)
        One signal, of any unit.
    sfreq : float
        Sampling frequency in Hz.
    magnitude : float | None
        Strength in the unit of the transform; None takes its own.
    duration : float | None
        Seconds to show, from the start; None shows all.
    ch_names : list of str | None
        Names of the channels.
    random_state : int
        Seed of the random draw that is shown.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The traces of each channel, and their power spectral densities (Welch).

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import FrequencyShift
    >>> from eeginv.viz import plot_transform
    >>> time = torch.arange(300) / 100
    >>> signal = torch.sin(2 * torch.pi * 10 * time).unsqueeze(0)
    >>> figure = plot_transform(FrequencyShift(sfreq=100), signal, sfreq=100, magnitude=3.0)
    """
    import torch

    before = torch.as_tensor(signal).detach().cpu()
    if before.ndim != 2:
        raise ValueError(
            f"Expected one signal of shape (n_channels, n_times), got {tuple(before.shape)}."
        )
    if not sfreq > 0:
        raise ValueError(f"sfreq must be the sampling frequency in Hz, got {sfreq!r}.")
    before = before if before.is_floating_point() else before.float()
    n_channels, n_times = before.shape
    ch_names = [f"channel {i + 1}" for i in range(n_channels)] if ch_names is None else ch_names
    if len(ch_names) != n_channels:
        raise ValueError(f"Expected {n_channels} channel names, got {len(ch_names)}.")
    with torch.no_grad():
        strength = float(transform.magnitude if magnitude is None else magnitude)
        generator = torch.Generator().manual_seed(random_state)
        after = transform.apply(before, transform.draw(before, generator), magnitude=strength)
    before, after = before.double().numpy(), after.double().numpy()

    figure, axes = plt.subplots(
        n_channels,
        2,
        figsize=(10, 0.9 + 1.6 * n_channels),
        layout="constrained",
        squeeze=False,
        sharex="col",
        width_ratios=[2.2, 1],
    )
    time = np.arange(n_times) / sfreq
    styles = [
        {"color": "#9a9a9a", "lw": 1.4, "label": "before"},
        {"color": COLOURS["ddas"], "lw": 0.9, "label": "after"},
    ]
    for channel, (traces, spectra) in enumerate(axes):
        highest = 0.0
        for values, style in zip((before[channel], after[channel]), styles, strict=True):
            traces.plot(time, values, **style)
            frequency, power = welch(values, sfreq, nperseg=min(n_times, int(4 * sfreq) or 1))
            shown = power > 0
            spectra.semilogy(frequency[shown], power[shown], **style)
            highest = max([highest, *power])
        if highest > 0:  # not the depth of a filter's notches
            spectra.set_ylim(1e-7 * highest, 3 * highest)
        traces.set_ylabel(ch_names[channel])
        for panel in (traces, spectra):
            panel.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_xlim(time[0], duration or max(time[-1], 1 / sfreq))
    axes[0, 1].set_xlim(0, sfreq / 2)
    axes[-1, 0].set_xlabel("time (s)")
    axes[-1, 1].set_xlabel("frequency (Hz)")
    axes[0, 1].set_title("power spectral density", fontsize=10)
    unit = "" if transform.unit == "1" else f" {transform.unit}"
    name = type(transform).__name__
    axes[0, 0].set_title(f"{name}, {transform.strength_name} {strength:.3g}{unit}", fontsize=10)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False)
    return figure
