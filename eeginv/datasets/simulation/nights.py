"""Simulated nights: sleep EEG, preprocessed and cut into windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..sleep import SleepDataset
from .recordings import simulate_recordings

if TYPE_CHECKING:
    import numpy as np


def simulate_sleep(
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
    **selection: Any,
) -> SleepDataset:
    """Simulate nights of sleep EEG, preprocess them and cut them into windows.

    The hypnograms have the statistics of real ones (:func:`~eeginv.datasets.simulate_hypnogram`).
    Nights of at least two hours are redrawn until each stage fills a twentieth of the night, so
    that every subject can be scored on all stages. The EEG of each stage follows textbooks: an
    aperiodic slope, alpha in wake, spindles and K-complexes in N2, slow waves in N3, theta bursts
    and eye movements in REM, muscle tone, drift, line noise, artefacts.

    Recordings differ by nuisance parameters without information on the stage. A classifier that is
    trained on few subjects therefore gains from invariance to them: see ``true_invariances`` below.
    The random draws are stratified over the population. With ``n`` recordings, one frequency shift
    is in each of ``n`` equal parts of its range, about ``polarity * n`` recordings are flipped, and
    about ``dead_channel * n`` have a dead channel.

    REM and N1 have the same spectrum and differ in the direction of time. Theta bursts and eye
    movements start abruptly and decay slowly in REM, but grow slowly and end abruptly in N1. Time
    reversal exchanges the two stages, and random phases make them equal.

    Parameters
    ----------
    n_subjects : int
        Number of subjects.
    hours : float
        Length of a recording in hours, at least 0.25 (120 epochs an hour).
    n_recordings : int
        Recordings per subject. The frequency shift is drawn for each subject, all other parameters
        for each recording.
    sfreq : float
        Sampling frequency in Hz, a whole number of at least 64.
    frequency_shift : float
        Largest frequency shift in Hz, at most 1. All rhythms of a subject (alpha, theta, spindles)
        are shifted by the same offset, which is uniform between minus and plus this value.
    polarity : float
        Probability that the sign of a recording is flipped.
    gain : float
        Largest logarithm of the gain. A recording is multiplied by ``exp(u)``, where u is uniform
        between minus and plus this value.
    dead_channel : float
        Probability that one random channel of a recording is flat. Both channels are never flat.
    noise : float
        Largest standard deviation of the added white noise, in standard deviations of the channel.
        It is uniform between 0 and this value.
    random_state : int | numpy.random.Generator | None
        Seed. The same value gives the same nights.
    **selection : object
        Options of :class:`~eeginv.datasets.SleepDataset`: ``stages``, ``crop_wake``, ``l_freq``,
        ``h_freq``, ``standardize``, ``window``.

    Returns
    -------
    nights : SleepDataset
        The nights, with two more attributes:

        - ``nuisances``, a DataFrame of the nuisance parameters of each recording;
        - ``true_invariances``, a dict from the name of a transform to a dict with ``extent``,
          ``unit`` and ``invariant``. The extent is the range in the population, which an ideal
          method would learn: the largest frequency shift in Hz, the probability of a sign flip, the
          probability that a given channel is dead, or the largest standard deviation of noise
          relative to the signal. For transforms that change the stage (time reversal and random
          phases), ``invariant`` is False and the extent is 0. ``FrequencyShift`` also has
          ``margin``. Larger shifts turn rhythms of one stage into those of another.

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
