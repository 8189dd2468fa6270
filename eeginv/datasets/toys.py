"""Toy tasks of publications, with known invariances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from .._checks import check_integer, check_number, make_rng

if TYPE_CHECKING:
    from .._typing import ArrayLike


def make_sinusoids(
    n_per_class: int = 150,
    frequencies: ArrayLike = (2.0, 4.0, 6.0, 8.0),
    *,
    spread: float = 0.5,
    noise: float = 0.5,
    phases: ArrayLike = 2 * np.pi,
    duration: float = 10.0,
    sfreq: float = 100.0,
    random_state: int | np.random.Generator | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Make noisy sinusoids whose classes are frequencies [1]_.

    Each signal is ``sin(2 pi (f + d) t + phase)`` plus white noise, with ``f`` the frequency of the
    class, ``d`` uniform in [-spread, spread] and a uniform phase. The label does not change under
    shifts of the frequency by less than the margin between classes. The margin is half the spacing
    of the frequencies minus the spread, 0.5 Hz with the default values. The label does not depend
    on phase, sign, direction of time or amplitude either. (The published script draws phases from 0
    to ``4 pi / f`` radians, so that they carry information on the label in the higher classes. This
    can be set with ``phases``.)

    Parameters
    ----------
    n_per_class : int
        Number of signals of each class.
    frequencies : sequence of float
        Frequency of each class, in Hz.
    spread : float
        Largest difference between the frequencies of a signal and of its class, in Hz.
    noise : float
        Standard deviation of the noise. The amplitude of the sinusoid is 1.
    phases : float | sequence of float
        Largest phase in radians, one number or one for each class. Phases are uniform from 0.
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
        Frequency of the class of each signal, in Hz.

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
        raise ValueError("frequencies must be a list of different numbers, one for each class.")
    n_per_class = check_integer("n_per_class", n_per_class, minimum=1)
    spread, noise = check_number("spread", spread), check_number("noise", noise)
    phases = np.asarray(phases, dtype=float)
    if phases.shape not in ((), frequencies.shape) or not (phases >= 0).all():
        raise ValueError(
            f"phases must be a number of at least 0, or {len(frequencies)} of them, one for each "
            "class."
        )
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
    largest_phase = dict(zip(frequencies, np.broadcast_to(phases, frequencies.shape), strict=True))
    phase = rng.uniform(0, 1, n) * np.array([largest_phase[f] for f in y])
    X = np.sin(2 * np.pi * frequency[:, None] * time + phase[:, None])
    X += noise * rng.standard_normal(X.shape)
    return X[:, None].astype(np.float32), y


def load_rotated_digits(
    digits: Sequence[int] = (3, 7),
    n_rotations: int = 4,
    *,
    n_images: int | None = 100,
    max_angle: float = 45.0,
    size: int = 24,
    share: float = 2 / 3,
    random_state: int | np.random.Generator | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Load rotated handwritten digits, with upside-down digits as separate classes.

    The task replaces that with two images in the publications that first learned the extent of an
    invariance [1]_ [2]_. Each image comes from :func:`~sklearn.datasets.load_digits` of
    scikit-learn. It is rotated by an angle that is uniform in [-max_angle, max_angle], plus 180
    degrees for the class upside down. The label does not change under further rotations by up to
    ``90 - max_angle`` degrees, 45 with the default values. Beyond this limit, a digit and the same
    digit upside down can be the same image.

    Parameters
    ----------
    digits : sequence of int
        The digits. For meaningful labels, no digit may look like itself upside down (0, 1, 8, and
        roughly 2, 4 and 5), or like another one upside down (6 and 9).
    n_rotations : int
        Number of rotations of each image in each of its two classes.
    n_images : int | None
        Number of images of each digit, chosen at random. None takes all, about 180. Images of one
        digit differ in slant, so the limit is less sharp with many images than with one.
    max_angle : float
        Largest angle, in degrees.
    size : int
        Height and width of the result, in pixels. The original images have 8.
    share : float
        Width of the original image relative to that of the result. Below 0.71, its corners are
        inside at every angle.
    random_state : int | numpy.random.Generator | None
        Seed.

    Returns
    -------
    X : ndarray, shape (n_examples, size, size), float32
        The images, from 0 (background) to 1, in random order.
    y : ndarray of str, shape (n_examples,)
        Class of each image, such as "3" and "3 upside down".
    groups : ndarray of int, shape (n_examples,)
        Number of the original image, for splits by image.

    References
    ----------
    .. [1] Rommel, C., Moreau, T., & Gramfort, A. (2022). Deep invariant networks with
       differentiable augmentation layers. NeurIPS.
    .. [2] Benton, G., Finzi, M., Izmailov, P., & Wilson, A. G. (2020). Learning invariances in
       neural networks from training data. NeurIPS.

    Examples
    --------
    >>> from eeginv.datasets import load_rotated_digits
    >>> X, y, groups = load_rotated_digits(n_images=10, n_rotations=5, random_state=0)
    >>> X.shape, sorted(set(y.tolist()))
    ((200, 24, 24), ['3', '3 upside down', '7', '7 upside down'])
    """
    from sklearn.datasets import load_digits

    digits = [check_integer("each of digits", digit, minimum=0) for digit in digits]
    if not digits or len(set(digits)) != len(digits) or max(digits) > 9:
        raise ValueError(f"digits must be different numbers from 0 to 9; got {digits}.")
    n_rotations = check_integer("n_rotations", n_rotations, minimum=1)
    max_angle = check_number("max_angle", max_angle, maximum=180)
    size = check_integer("size", size, minimum=8)
    share = check_number("share", share, maximum=1, exclusive=True)
    bunch = load_digits()
    available = min(int((bunch.target == digit).sum()) for digit in digits)
    if n_images is not None:
        n_images = check_integer("n_images", n_images, minimum=1)
        if n_images > available:
            raise ValueError(f"n_images must be at most {available}; got {n_images}.")
    rng = make_rng(random_state)
    indices = [
        rng.permutation(np.flatnonzero(bunch.target == digit))[:n_images] for digit in digits
    ]
    chosen = np.repeat(np.concatenate(indices), 2 * n_rotations)
    groups = rng.permutation(np.stack([chosen, np.arange(len(chosen)) % 2], axis=1))
    groups, upside_down = groups.T
    angles = rng.uniform(-max_angle, max_angle, len(groups)) + 180 * upside_down
    X = np.stack(
        [_turn(bunch.images[i] / 16, a, size, share) for i, a in zip(groups, angles, strict=True)]
    )
    names = np.array([[str(digit), f"{digit} upside down"] for digit in range(10)])
    return X, names[bunch.target[groups], upside_down], groups


def _turn(image: np.ndarray, angle: float, size: int, share: float) -> np.ndarray:
    """Rotate an image counterclockwise by an angle in degrees and enlarge it, in one step."""
    cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    # maps pixels of the result to pixels of the image, rows first
    matrix = len(image) / (size * share) * np.array([[cosine, sine], [-sine, cosine]])
    # the spline needs a margin of background around the image
    image = np.pad(image, 4)
    offset = (len(image) - 1) / 2 - matrix.sum(axis=1) * (size - 1) / 2
    turned = ndimage.affine_transform(image, matrix, offset, (size, size), order=3)
    return turned.clip(0, 1).astype(np.float32)
