"""Simulated recordings whose subjects differ by known nuisance parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..._checks import check_integer, check_number, make_rng
from ..scoring.stages import STAGES
from .hypnogram import EPOCH_SECONDS, simulate_hypnogram
from .night import Night, draw_traits
from .stage_signals import CHANNELS, FREQUENCY_MARGIN

if TYPE_CHECKING:
    import mne


@dataclass
class SimulatedRecordings:
    """Simulated recordings, as :func:`~eeginv.datasets.simulate_recordings` returns them.

    Parameters
    ----------
    recordings : list of mne.io.RawArray
        Two EEG channels in V, annotated in the vocabulary of Sleep-EDF.
    description : pandas.DataFrame
        Columns ``subject`` and ``recording``, one row per recording.
    nuisances : pandas.DataFrame
        Nuisance parameters of each recording: ``frequency_shift`` in Hz, ``polarity`` (1 or -1),
        ``gain`` (factor), ``dead_channel`` (name or None), ``noise`` (standard deviation of the
        added white noise, in standard deviations of the channel).
    true_invariances : dict of str to dict
        See :func:`~eeginv.datasets.simulate_sleep`.

    Examples
    --------
    >>> from eeginv.datasets import simulate_recordings
    >>> population = simulate_recordings(n_subjects=2, hours=0.25, random_state=0)
    >>> list(population.nuisances)
    ['frequency_shift', 'polarity', 'gain', 'dead_channel', 'noise']
    """

    recordings: list[mne.io.RawArray]
    description: pd.DataFrame
    nuisances: pd.DataFrame
    true_invariances: dict[str, dict[str, Any]]


def simulate_recordings(
    n_subjects: int = 8,
    *,
    hours: float = 4.0,
    n_recordings: int = 1,
    sfreq: float = 100.0,
    frequency_shift: float = 0.6,
    polarity: float = 0.5,
    gain: float = 0.3,
    dead_channel: float = 0.25,
    noise: float = 0.2,
    random_state: int | np.random.Generator | None = None,
) -> SimulatedRecordings:
    """Simulate nights of sleep EEG as unprocessed recordings.

    Parameters
    ----------
    n_subjects : int
        Number of subjects.
    hours : float
        Length of a recording in hours, at least 0.25.
    n_recordings : int
        Recordings per subject.
    sfreq : float
        Sampling frequency in Hz, a whole number of at least 64.
    frequency_shift : float
        Largest frequency shift of the rhythms of a subject in Hz, at most 1.
    polarity : float
        Probability that the sign of a recording is flipped.
    gain : float
        Largest logarithm of the gain of a recording.
    dead_channel : float
        Probability that one channel of a recording is flat.
    noise : float
        Largest standard deviation of added white noise, in standard deviations of the channel.
    random_state : int | numpy.random.Generator | None
        Seed. The same value gives the same recordings.

    Returns
    -------
    population : SimulatedRecordings
        Recordings, description, nuisances, true invariances.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or is out of range.

    See Also
    --------
    simulate_sleep : The same nights as windows, and details of the parameters.

    Examples
    --------
    >>> from eeginv.datasets import simulate_recordings
    >>> population = simulate_recordings(n_subjects=1, hours=0.5, random_state=0)
    >>> population.recordings[0].ch_names
    ['Fpz-Cz', 'Pz-Oz']
    >>> str(population.recordings[0].annotations.description[0])
    'Sleep stage W'
    """
    n_subjects = check_integer("n_subjects", n_subjects, minimum=1)
    n_recordings = check_integer("n_recordings", n_recordings, minimum=1)
    n_epochs = round(check_number("hours", hours, minimum=0.25) * 3600 / EPOCH_SECONDS)
    sfreq = check_number("sfreq", sfreq, minimum=64)
    if sfreq != round(sfreq):
        raise ValueError(f"sfreq must be a whole number of Hz; got {sfreq}.")
    frequency_shift = check_number("frequency_shift", frequency_shift, maximum=1.0)
    polarity = check_number("polarity", polarity, maximum=1.0)
    gain = check_number("gain", gain, maximum=5.0)
    dead_channel = check_number("dead_channel", dead_channel, maximum=1.0)
    noise = check_number("noise", noise, maximum=5.0)
    rng = make_rng(random_state)

    n = n_subjects * n_recordings
    shifts = frequency_shift * _spread_evenly(n_subjects, rng)
    flipped = _choose_share(n, polarity, rng)
    gains = np.exp(gain * _spread_evenly(n, rng))
    dead = _choose_share(n, dead_channel, rng)
    dead_names = rng.choice(CHANNELS, n)
    noises = noise * rng.uniform(size=n)
    recordings, rows, nuisances = [], [], []
    for subject, subject_rng in enumerate(rng.spawn(n_subjects)):
        traits = draw_traits(subject_rng)
        for recording, night_rng in enumerate(subject_rng.spawn(n_recordings)):
            i = subject * n_recordings + recording
            nuisance = {
                "frequency_shift": float(shifts[subject]),
                "polarity": -1 if flipped[i] else 1,
                "gain": float(gains[i]),
                "dead_channel": str(dead_names[i]) if dead[i] else None,
                "noise": float(noises[i]),
            }
            recordings.append(_simulate_recording(n_epochs, sfreq, traits, nuisance, night_rng))
            rows.append({"subject": subject, "recording": recording + 1})
            nuisances.append(nuisance)
    truth = _true_invariances(frequency_shift, polarity, dead_channel, noise)
    nuisances = pd.DataFrame(nuisances).astype({"dead_channel": object})
    nuisances.loc[nuisances["dead_channel"].isna(), "dead_channel"] = None
    return SimulatedRecordings(recordings, pd.DataFrame(rows), nuisances, truth)


def _simulate_recording(
    n_epochs: int,
    sfreq: float,
    traits: dict[str, float],
    nuisance: dict[str, Any],
    rng: np.random.Generator,
) -> mne.io.RawArray:
    import mne

    stages = _hypnogram_with_all_stages(n_epochs, rng)
    moving = rng.random(n_epochs) < 0.01
    moving[rng.integers(n_epochs)] = True
    night = Night(stages, moving, nuisance["frequency_shift"], traits, sfreq, rng)
    signal = night.signal()
    signal *= nuisance["polarity"] * nuisance["gain"]
    deviation = signal.std(axis=1, keepdims=True)
    signal += nuisance["noise"] * deviation * rng.standard_normal(signal.shape)
    # The line frequency is never exactly 50 Hz. At 100 Hz, it is just below the Nyquist frequency.
    line = min(rng.uniform(49.9, 49.99), 0.499 * sfreq)
    phase = 2 * np.pi * (line * np.arange(signal.shape[1]) / sfreq + rng.random())
    signal += rng.uniform(0.5, 2.0) * np.sin(phase)
    if nuisance["dead_channel"] is not None:
        signal[CHANNELS.index(nuisance["dead_channel"])] = 0.0

    info = mne.create_info(list(CHANNELS), sfreq, "eeg")
    raw = mne.io.RawArray(1e-6 * signal, info, verbose="error")
    labels = _sleep_edf_labels(stages, moving)
    starts = np.flatnonzero(np.append(True, labels[1:] != labels[:-1]))
    lengths = np.diff(starts, append=n_epochs)
    raw.set_annotations(
        mne.Annotations(EPOCH_SECONDS * starts, EPOCH_SECONDS * lengths, labels[starts])
    )
    return raw


def _hypnogram_with_all_stages(
    n_epochs: int, rng: np.random.Generator, n_tries: int = 50
) -> np.ndarray:
    """Draw hypnograms until each stage fills a twentieth. Short ones are not redrawn."""
    stages = simulate_hypnogram(n_epochs, random_state=rng)
    for _ in range(n_tries if n_epochs >= 240 else 0):
        if all(np.mean(stages == stage) >= 0.05 for stage in STAGES):
            break
        stages = simulate_hypnogram(n_epochs, random_state=rng)
    return stages


def _sleep_edf_labels(stages: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """Label epochs as in Sleep-EDF: N3 is split into 3 and 4, and the last epoch is unscored."""
    names = {"W": "W", "N1": "1", "N2": "2", "N3": "3", "R": "R"}
    labels = np.array([f"Sleep stage {names[stage]}" for stage in stages], dtype="<U16")
    deep = stages == "N3"
    # Stage 4 is the part of a bout at least two epochs away from its ends.
    inside = np.ones(len(stages), dtype=bool)
    for offset in (-2, -1, 1, 2):
        inside &= np.roll(deep, offset)
    labels[deep & inside] = "Sleep stage 4"
    labels[moving] = "Movement time"
    labels[-1] = "Sleep stage ?"
    return labels


def _spread_evenly(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw n stratified values from (-1, 1), one in each of n equal parts, in random order."""
    return 2 * (rng.permutation(n) + rng.random(n)) / n - 1


def _choose_share(n: int, probability: float, rng: np.random.Generator) -> np.ndarray:
    """Choose a share of n items, with a randomly rounded number."""
    number = int(probability * n + rng.random())
    return np.isin(np.arange(n), rng.permutation(n)[:number])


def _true_invariances(
    frequency_shift: float, polarity: float, dead_channel: float, noise: float
) -> dict[str, dict[str, Any]]:
    return {
        "TimeReverse": {"extent": 0.0, "unit": "1", "invariant": False},
        "SignFlip": {"extent": polarity, "unit": "1", "invariant": True},
        "FrequencyShift": {
            "extent": frequency_shift,
            "unit": "Hz",
            "invariant": True,
            "margin": FREQUENCY_MARGIN,
        },
        "ChannelsDropout": {
            "extent": dead_channel / len(CHANNELS),
            "unit": "1",
            "invariant": True,
        },
        "FTSurrogate": {"extent": 0.0, "unit": "1", "invariant": False},
        "GaussianNoise": {"extent": noise, "unit": "1", "invariant": True},
    }
