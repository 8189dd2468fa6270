"""Every transform by name, and the candidates that learners start from."""

from .amplitude import GaussianNoise, SignFlip
from .spatial import ChannelsDropout
from .spectral import FrequencyShift, FTSurrogate
from .temporal import TimeReverse

REGISTRY = {
    cls.__name__: cls
    for cls in (
        TimeReverse,
        SignFlip,
        FrequencyShift,
        ChannelsDropout,
        FTSurrogate,
        GaussianNoise,
    )
}


def default_transforms(sfreq):
    """Candidate transforms for standardised EEG.

    Parameters
    ----------
    sfreq : float
        Sampling frequency of the signals, in Hz.

    Returns
    -------
    transforms : list of Transform
        New objects: time reversal, sign flip, frequency shift (up to 2 Hz), channel dropout,
        phase randomisation and Gaussian noise. They start at strengths that leave most signals
        recognisable: a network can only learn to ignore what it has seen often enough.

    Examples
    --------
    >>> from eeginv.transforms import default_transforms
    >>> [type(t).__name__ for t in default_transforms(sfreq=100)][:3]
    ['TimeReverse', 'SignFlip', 'FrequencyShift']
    """
    if not sfreq or sfreq <= 0:
        raise ValueError(f"sfreq must be the sampling frequency in Hz, got {sfreq!r}.")
    return [
        TimeReverse(0.2),
        SignFlip(0.2),
        FrequencyShift(sfreq, min(0.5, sfreq / 8), max_magnitude=min(2.0, sfreq / 2)),
        ChannelsDropout(0.1, max_magnitude=0.5),
        FTSurrogate(0.2),
        GaussianNoise(0.1, max_magnitude=0.5),
    ]
