"""Toy tasks whose invariances are known, those of the papers."""

from __future__ import annotations

import numpy as np

from ._checks import check_integer, check_number, make_rng


def make_sinusoids(
    n_per_class=150,
    frequencies=(2.0, 4.0, 6.0, 8.0),
    *,
    spread=0.5,
    noise=0.5,
    duration=10.0,
    sfreq=100.0,
    random_state=None,
):
    """Make noisy sinusoids whose classes are frequencies [1]_.

    Each is ``sin(2 pi (f + d) t + phase)`` plus white noise, with ``f`` the frequency of the class,
    ``d`` uniform in [-spread, spread] and a uniform phase. The label does not change under shifts
    of the frequency by less than the margin between classes, half the spacing of the frequencies
    minus the spread: with the default values 0.5 Hz. Phase, sign, direction of time and amplitude
    do not matter either.

    Parameters
    ----------
    n_per_class : int
        Number of signals of each class.
    frequencies : sequence of float
        Frequency of each class, in Hz.
    spread : float
        Largest distance of a signal's frequency from that of its class, in Hz.
    noise : float
        Standard deviation of the noise, where the amplitude of the sinusoid is 1.
    duration : float
        Length of the signals, in s.
    sfreq : float
        Sampling frequency, in Hz.
    random_state : int | numpy.random.Generator | None
        Seed.

    Returns
    -------
    X : ndarray, shape (n_signals, 1, n_times), float32
        The signals, in random order.
    y : ndarray, shape (n_signals,)
        Frequency of the class of each, in Hz.

    References
    ----------
    .. [1] Rommel, C., Moreau, T., & Gramfort, A. (2022). Deep invariant networks with
       differentiable augmentation layers. NeurIPS.

    Examples
    --------
    >>> from eeginv.datasets import make_sinusoids
    >>> X, y = make_sinusoids(n_per_class=10, random_state=0)
    >>> X.shape, sorted(set(y.tolist()))
    ((40, 1, 1000), [2.0, 4.0, 6.0, 8.0])
    """
    frequencies = np.asarray(frequencies, dtype=float)
    if (
        frequencies.ndim != 1
        or len(np.unique(frequencies)) != len(frequencies)
        or frequencies.size == 0
    ):
        raise ValueError("frequencies must be a list of different numbers, one a class.")
    n_per_class = check_integer("n_per_class", n_per_class, minimum=1)
    spread, noise = check_number("spread", spread), check_number("noise", noise)
    sfreq = check_number("sfreq", sfreq, exclusive=True)
    duration = check_number("duration", duration, minimum=1 / sfreq)
    lowest, highest = frequencies.min() - spread, frequencies.max() + spread
    if lowest < 0 or highest > sfreq / 2:
        raise ValueError(
            f"Frequencies from {lowest:g} to {highest:g} Hz do not fit between 0 and half the "
            f"sampling frequency, {sfreq / 2:g} Hz."
        )
    rng = make_rng(random_state)
    y = rng.permutation(np.repeat(frequencies, n_per_class))
    n = len(y)
    time = np.arange(round(duration * sfreq)) / sfreq
    frequency = y + rng.uniform(-spread, spread, n)
    phase = rng.uniform(0, 2 * np.pi, n)
    X = np.sin(2 * np.pi * frequency[:, None] * time + phase[:, None])
    X += noise * rng.standard_normal(X.shape)
    return X[:, None].astype(np.float32), y
