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

    The hypnograms have the statistics of real ones (:func:`~eeginv.datasets.simulate_hypnogram`);
    from two hours on, they are redrawn until each stage fills a twentieth of the night, for every
    subject to be scored on all stages. Each stage has the EEG of the textbooks: an aperiodic slope,
    alpha in wake, spindles and K-complexes in N2, slow waves in N3, theta bursts and eye movements
    in REM, muscle tone, drift, line noise, artefacts.

    Recordings differ by nuisances that carry no information on the stage, so that a classifier
    that has seen few subjects gains by being invariant to them: see ``true_invariances`` below.
    Within what is drawn at random, the population is spread evenly: with ``n`` recordings, one
    frequency shift lies in each of ``n`` equal parts of its range, and as near as possible to
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
    random_state : int | numpy.random.Generator | None
        Seed; the same value gives the same nights.
    **selection : object
        Options of :class:`~eeginv.datasets.SleepDataset`: ``stages``, ``crop_wake``, ``l_freq``,
        ``h_freq``, ``standardize``, ``window``.

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
