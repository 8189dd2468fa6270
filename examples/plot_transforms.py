"""
The catalogue of transforms
===========================

This example shows each transform, the meaning of its strength, and its effect on a signal.
"""

# %%
# Table of all transforms
# -----------------------
# Each transform has one strength that can be learned: a magnitude in a physical unit, or the
# probability that the transform is applied. :func:`~eeginv.viz.transform_table` lists all
# registered transforms.

# sphinx_gallery_thumbnail_number = 8
# sphinx_gallery_multi_image = "single"

import pandas as pd

from eeginv.viz import plot_transform, transform_table

pd.set_option("display.max_colwidth", None)
table = transform_table()
table.drop(columns="family")

# %%
# The derivative with respect to the signal is exact for all transforms. The derivative with
# respect to the strength is exact if the output depends continuously on it. For discrete draws
# (reversed or not, dropped or not), the derivative of the *expected* loss is computed from the
# probability of the draws.

# %%
# Two signals
# -----------
# The first signal is a 30 s window of a simulated night in stage N2: slow waves, K-complexes and
# spindles, in two channels.

import numpy as np
import torch

from eeginv.datasets import simulate_sleep
from eeginv.transforms import channel_positions, make_transform

sfreq = 100.0
nights = simulate_sleep(n_subjects=1, hours=1, sfreq=sfreq, random_state=0)
X, y, _ = nights.to_arrays()
sleep = X[y == "N2"][5]

# %%
# The second signal, for spatial transforms, has the 19 channels of the 10-20 system. Each of 40
# sources, most of them in the upper half of the head, generates a smooth field. Their spectra
# decrease with frequency. The alpha rhythm of closed eyes is at the back, stronger on the right.

ch_names = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2".split()
rng = np.random.default_rng(0)
n_times = 3000
time = np.arange(n_times) / sfreq
positions = np.array(channel_positions(ch_names))  # on a sphere of radius one


def field(sources, width):
    """Field at the electrodes of sources in some directions, one column for each."""
    sources = sources / np.linalg.norm(sources, axis=1, keepdims=True)
    return np.exp((positions @ sources.T - 1) / width)


directions = rng.normal(size=(40, 3)) * [1, 1, 0.5] + [0, 0, 0.5]
frequency = np.fft.rfftfreq(n_times, 1 / sfreq)
spectrum = rng.normal(size=(40, len(frequency), 2)) @ [1, 1j] / np.maximum(frequency, 1) ** 0.75
background = np.fft.irfft(spectrum, n_times)
alpha = np.sin(2 * np.pi * 10 * time) * (1 + 0.8 * np.sin(2 * np.pi * 0.25 * time))
scalp = field(directions, 0.2) @ (background / background.std())
scalp = scalp + 3 * field(np.array([[0.35, -0.85, 0.35]]), 0.2) * alpha
scalp = (scalp - scalp.mean(axis=0)) / scalp.std()  # average reference

# %%
# The figure of a transform shows a quarter, a half and all of its range. The random draw is the
# same for each, so that only the strength differs. The original signal is grey. The spectra are
# those of the whole window.
#
# For some transforms, the strength is the limit of a range from which, for example, a shift is
# drawn. The figures show this limit: a strength of 3 Hz shows a shift of 3 Hz.

at_the_end = {"noise": {"uniform": torch.ones(1)}}
options = {
    "TimeReverse": {"duration": None},
    **dict.fromkeys(["TimeShift", "FrequencyShift"], at_the_end),
    **dict.fromkeys([f"Sensors{axis}Rotation" for axis in "XYZ"], at_the_end),
}


def show(families, signal, names):
    """Draw all transforms of some families."""
    for name in table.index[table["family"].isin(families)]:
        transform = make_transform(name, sfreq, names)
        plot_transform(transform, signal, sfreq, ch_names=names, **options.get(name, {}))


# %%
# Time
# ----
# Reversal and (circular) shift keep the amplitude spectrum. A mask reduces it slightly, and a
# warp widens the spindle peak. On/off transforms have no magnitude to compare, so the figure
# shows only the transformed signal.

show(["temporal"], sleep, nights.ch_names)

# %%
# Amplitude
# ---------
# The gain is drawn for each channel. The strength of noise is in the unit of the signal, which here
# has a standard deviation of about one.

show(["amplitude"], sleep, nights.ch_names)

# %%
# Spectrum
# --------
# A frequency shift moves the spindles, at 13 Hz, to another frequency and keeps their shape.
# Random phases keep the spectrum and destroy the shape, so K-complexes disappear. A band-stop
# filter is hardly visible in the time domain, unless it removes a rhythm.

show(["spectral"], sleep, nights.ch_names)

# %%
# Channels
# --------
# The figure shows three of the 19 channels: the one that changes most, the median, and the one
# that changes least. The maps show all channels at the time of the largest change, which a dotted
# line marks.
#
# For the same draw, a higher dropout probability drops more channels. The rotations move the
# field as if the cap had slipped: about the axis from ear to ear (X), from the back to the nose
# (Y), and from the neck to the crown (Z).

rest = sorted(set(table["family"]) - {"temporal", "amplitude", "spectral"})
show(rest, scalp, ch_names)
