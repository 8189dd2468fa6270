"""Recordings with events whose class a rhythm tells, and folders of them."""

import mne
import numpy as np

EVENTS = {"T1": "left", "T2": "right"}
NAMES = ("C3", "Cz", "C4")
SFREQ = 100.0
# Options of load_windows.
PLAIN = {"standardize": False}
SPAN = {"events": EVENTS, "tmax": 2.0}


def trials(seed=0, n=6, names=NAMES, sfreq=SFREQ, duration=2.0, kinds=("T1", "T2"), amplitude=2e-5):
    """A recording in V: trials every 3 s, whose kind is a rhythm of 10 or 20 Hz."""
    rng = np.random.default_rng(seed)
    info = mne.create_info(list(names), sfreq, "eeg")
    n_times = int((3 * n + 1) * sfreq)
    signal = 1e-5 * rng.standard_normal((len(names), n_times))
    time = np.arange(int(2 * sfreq)) / sfreq
    onsets, what = 3.0 * np.arange(n) + 0.5, [kinds[i % len(kinds)] for i in range(n)]
    for onset, kind in zip(onsets, what, strict=True):
        start, rate = int(onset * sfreq), 10 * (1 + kinds.index(kind))
        signal[0, start : start + len(time)] += amplitude * np.sin(2 * np.pi * rate * time)
    raw = mne.io.RawArray(signal, info, verbose="error")
    return raw.set_annotations(mne.Annotations(onsets, duration, what))


FILES = ("S1R1", "S1R2", "S2R1", "S2R2")


def write_folder(folder, files=FILES, **options):
    """Write a FIF file for each name; an option is one value, or one for each name."""
    for i, name in enumerate(files):
        own = {k: v[i] if isinstance(v, list) else v for k, v in options.items()}
        path = folder / f"{name}_raw.fif"
        path.parent.mkdir(parents=True, exist_ok=True)
        trials(seed=i, **own).save(path, verbose="error")
    return folder


def cut(raw, n=6):
    """Epochs of 2 s of such a recording."""
    events, codes = mne.events_from_annotations(raw, verbose="error")
    names = {EVENTS[name]: code for name, code in codes.items()}
    tmax = 2 - 1 / raw.info["sfreq"]
    return mne.Epochs(raw, events[:n], names, 0, tmax, baseline=None, preload=True, verbose="error")
