"""Simulated nights: sleep EEG whose subjects differ by what transforms describe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ._checks import check_integer, check_number, make_rng
from ._night import Night, draw_traits
from ._stage_signals import CHANNELS, FREQUENCY_MARGIN
from .hypnogram import EPOCH_SECONDS, STAGES, simulate_hypnogram
from .sleep import SleepDataset


@dataclass
class SimulatedRecordings:
    """What `simulate_recordings` returns.

    Attributes
    ----------
    recordings : list of mne.io.RawArray
        Two EEG channels in V, annotated in the vocabulary of Sleep-EDF.
    description : pandas.DataFrame
        Columns ``subject`` and ``recording``, one row per recording.
    nuisances : pandas.DataFrame
        What was drawn for each recording: ``frequency_shift`` in Hz, ``polarity`` (1 or -1),
        ``gain`` (factor), ``dead_channel`` (name or None), ``noise`` (standard deviation of the
        added white noise, in standard deviations of the channel).
    true_invariances : dict of str to dict
        See `simulate_sleep`.
    """

    recordings: list
    description: pd.DataFrame
    nuisances: pd.DataFrame
    true_invariances: dict


def simulate_sleep(
    n_subjects=8,
    *,
    hours=4.0,
    n_recordings=1,
    sfreq=100.0,
    frequency_shift=0.6,
    polarity=0.5,
    gain=0.3,
    dead_channel=0.25,
    noise=0.2,
    random_state=None,
    **selection,
):
    """Simulate nights of sleep EEG, preprocess them and cut them into windows.

    The hypnograms have the statistics of real ones (`simulate_hypnogram`). Each stage has the EEG
    of the textbooks: an aperiodic slope, alpha in wake, spindles and K-complexes in N2, slow waves
    in N3, theta bursts and eye movements in REM, muscle tone, drift, line noise, artefacts.

    Recordings differ by nuisances that carry no information on the stage, so that a classifier
    that has seen few subjects gains by being invariant to them: see `true_invariances` below.
    Within what is drawn at random, the population is spread evenly: with `n` recordings, one
    frequency shift lies in each of `n` equal parts of its range, and as near as possible to
    ``polarity * n`` recordings are flipped, ``dead_channel * n`` have a dead channel.

    REM and N1 have the same spectrum and differ in the direction of time: theta bursts and
    eye movements start at once and decay slowly in REM, and grow slowly and end at once in N1.
    Reversing time turns one stage into the other; scrambling phases makes them equal.

    Parameters
    ----------
    n_subjects : int
        Number of subjects.
    hours : float
        Length of a recording in hours, at least 0.25 (120 epochs an hour).
    n_recordings : int
        Recordings per subject. The frequency shift belongs to the subject, all else to the
        recording.
    sfreq : float
        Sampling frequency in Hz, a whole number of at least 64.
    frequency_shift : float
        Rhythms (alpha, theta, spindles) of a subject are shifted together by an offset in Hz drawn
        uniformly from minus to plus this; at most 1.
    polarity : float
        Probability that a recording has its sign flipped.
    gain : float
        A recording is multiplied by ``exp(u)`` with u uniform from minus to plus this.
    dead_channel : float
        Probability that one channel of a recording, drawn at random, is flat. Never both.
    noise : float
        White noise is added with a standard deviation drawn uniformly from 0 to this, in standard
        deviations of the channel.
    random_state : int, numpy.random.Generator or None
        What all draws come from; the same value gives the same nights.
    **selection
        Options of `SleepDataset`: ``stages``, ``crop_wake``, ``l_freq``, ``h_freq``,
        ``standardize``, ``window``.

    Returns
    -------
    nights : SleepDataset
        With two more attributes:

        - ``nuisances``, a DataFrame of what was drawn for each recording;
        - ``true_invariances``, a dict from the name of a transform to a dict with ``extent``,
          ``unit`` and ``invariant``. The extent is the spread in the population, what an ideal
          learner would find: the largest frequency shift in Hz, the probability of a sign flip,
          the probability that a given channel is dead, the largest standard deviation of noise
          relative to the signal. ``invariant`` is False, and the extent 0, for transforms that
          destroy a stage: time reversal and phase scrambling. ``FrequencyShift`` also has
          ``margin``: beyond it rhythms of one stage turn into those of another.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or is out of range.

    See Also
    --------
    simulate_recordings : The same recordings before preprocessing.

    Examples
    --------
    >>> from eeginv.datasets import simulate_sleep
    >>> nights = simulate_sleep(n_subjects=2, hours=0.5, random_state=0)
    >>> X, y, groups = nights.to_arrays()
    >>> X.shape[1:]
    (2, 3000)
    >>> nights.true_invariances["FrequencyShift"]["extent"]
    0.6
    """
    population = simulate_recordings(
        n_subjects,
        hours=hours,
        n_recordings=n_recordings,
        sfreq=sfreq,
        frequency_shift=frequency_shift,
        polarity=polarity,
        gain=gain,
        dead_channel=dead_channel,
        noise=noise,
        random_state=random_state,
    )
    nights = SleepDataset(population.recordings, population.description, **selection)
    kept = population.description.merge(nights.description.reset_index(), how="inner").index
    nights.nuisances = population.nuisances.iloc[kept].reset_index(drop=True)
    nights.true_invariances = population.true_invariances
    return nights


def simulate_recordings(
    n_subjects=8,
    *,
    hours=4.0,
    n_recordings=1,
    sfreq=100.0,
    frequency_shift=0.6,
    polarity=0.5,
    gain=0.3,
    dead_channel=0.25,
    noise=0.2,
    random_state=None,
):
    """Simulate nights of sleep EEG as unprocessed recordings.

    Parameters
    ----------
    n_subjects, hours, n_recordings, sfreq
        As in `simulate_sleep`.
    frequency_shift, polarity, gain, dead_channel, noise, random_state
        As in `simulate_sleep`.

    Returns
    -------
    population : SimulatedRecordings
        Recordings, description, nuisances, true invariances.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or is out of range.

    Examples
    --------
    >>> from eeginv.datasets import simulate_recordings
    >>> population = simulate_recordings(n_subjects=1, hours=0.5, random_state=0)
    >>> population.recordings[0].ch_names
    ['Fpz-Cz', 'Pz-Oz']
    >>> population.recordings[0].annotations.description[0]
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


def _simulate_recording(n_epochs, sfreq, traits, nuisance, rng):
    import mne

    stages = _hypnogram_with_all_stages(n_epochs, rng)
    moving = rng.random(n_epochs) < 0.01
    moving[rng.integers(n_epochs)] = True
    night = Night(stages, moving, nuisance["frequency_shift"], traits, sfreq, rng)
    signal = night.signal()
    signal *= nuisance["polarity"] * nuisance["gain"]
    deviation = signal.std(axis=1, keepdims=True)
    signal += nuisance["noise"] * deviation * rng.standard_normal(signal.shape)
    # The mains' frequency is never exact; at 100 Hz it lies just below half the sampling rate.
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


def _hypnogram_with_all_stages(n_epochs, rng, n_tries=50):
    """Draw hypnograms until each stage fills a fortieth; the short ones are taken as they come."""
    stages = simulate_hypnogram(n_epochs, random_state=rng)
    for _ in range(n_tries if n_epochs >= 240 else 0):
        if all(np.mean(stages == stage) >= 0.025 for stage in STAGES):
            break
        stages = simulate_hypnogram(n_epochs, random_state=rng)
    return stages


def _sleep_edf_labels(stages, moving):
    """Label epochs as Sleep-EDF does: N3 is split in 3 and 4, the last epoch is unscored."""
    names = {"W": "W", "N1": "1", "N2": "2", "N3": "3", "R": "R"}
    labels = np.array([f"Sleep stage {names[stage]}" for stage in stages], dtype="<U16")
    deep = stages == "N3"
    # Stage 4 is what lies at least two epochs inside a bout.
    inside = np.ones(len(stages), dtype=bool)
    for offset in (-2, -1, 1, 2):
        inside &= np.roll(deep, offset)
    labels[deep & inside] = "Sleep stage 4"
    labels[moving] = "Movement time"
    labels[-1] = "Sleep stage ?"
    return labels


def _spread_evenly(n, rng):
    """Draw n values from (-1, 1), one in each of n equal parts, in random order."""
    return 2 * (rng.permutation(n) + rng.random(n)) / n - 1


def _choose_share(n, probability, rng):
    """Choose a share of n: as many as `probability` says, rounded at random."""
    number = int(probability * n + rng.random())
    return np.isin(np.arange(n), rng.permutation(n)[:number])


def _true_invariances(frequency_shift, polarity, dead_channel, noise):
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
