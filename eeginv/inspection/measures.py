"""Measures of changes of outputs: distances and divergences, with bootstrap intervals."""

from __future__ import annotations

import numpy as np
from scipy.special import rel_entr

MEASURES = ("score", "agreement", "divergence")
# Distances below this are rounding in single precision.
SAME = 1e-12
N_RESAMPLES = 1000


def directions(outputs: np.ndarray) -> np.ndarray:
    """Scale each row to length one; rows of zeros stay zeros.

    Parameters
    ----------
    outputs : ndarray, shape (n_examples, n_outputs)
        Vectors.

    Returns
    -------
    directions : ndarray, same shape
        Unit vectors.
    """
    # scaled first, so that squares of tiny numbers do not underflow
    largest = np.abs(outputs).max(axis=1, keepdims=True)
    scaled = outputs / np.where(largest > 0, largest, 1)
    norm = np.linalg.norm(scaled, axis=1, keepdims=True)
    return scaled / np.where(norm > 0, norm, 1)


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute the cosine distance of each row of an array to the same row of another.

    Parameters
    ----------
    first, second : ndarray, shape (n_examples, n_outputs)
        From :func:`directions`.

    Returns
    -------
    distances : ndarray, shape (n_examples,)
        One minus the cosine, in [0, 2]; exactly 0 for equal rows.
    """
    return 0.5 * np.square(first - second).sum(axis=1)


def mean_distance_to_others(rows: np.ndarray) -> np.ndarray:
    """Compute the mean cosine distance of each row to all others.

    Parameters
    ----------
    rows : ndarray, shape (n_examples, n_outputs)
        From :func:`directions`.

    Returns
    -------
    distances : ndarray, shape (n_examples,)
        The expectation of ``distances(rows, rows[p])`` over all derangements ``p``.
    """
    # sum_j |u_i - u_j|^2 = n |u_i - c|^2 + sum_j |u_j - c|^2 with c the mean: linear time without
    # cancellation
    from_mean = np.square(rows - rows.mean(axis=0)).sum(axis=1)
    return 0.5 * (len(rows) * from_mean + from_mean.sum()) / (len(rows) - 1)


def derangement(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a permutation without fixed points, uniformly from all of them.

    Parameters
    ----------
    n : int
        Number of elements, at least 2.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    permutation : ndarray, shape (n,)
        No element is at its own position.
    """
    identity = np.arange(n)
    while True:  # e iterations on average
        permutation = rng.permutation(n)
        if not (permutation == identity).any():
            return permutation


def divergences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute the Jensen-Shannon divergence, to the base 2, between rows of probabilities.

    Parameters
    ----------
    first, second : ndarray, shape (n_examples, n_classes)
        Probabilities.

    Returns
    -------
    divergences : ndarray, shape (n_examples,)
        In [0, 1]; exactly 0 for equal rows.
    """
    middle = (first + second) / 2
    nats = (rel_entr(first, middle) + rel_entr(second, middle)).sum(axis=1) / 2
    return np.clip(nats / np.log(2), 0, 1)


# intervals ------------------------------------------------------------------------------------
def resampling_weights(
    n_examples: int, groups: np.ndarray | None, seed: int, n_resamples: int = N_RESAMPLES
) -> np.ndarray:
    """Draw bootstrap samples of subjects, or of examples.

    Parameters
    ----------
    n_examples : int
        Number of examples.
    groups : ndarray, shape (n_examples,) | None
        Subjects, which are drawn with all of their examples. None draws examples.
    seed : int
        Seed of the draws.
    n_resamples : int
        Number of bootstrap samples.

    Returns
    -------
    weights : ndarray, shape (n_resamples, n_examples)
        Count of each example in each sample.
    """
    unit = np.arange(n_examples)
    if groups is not None:
        unit = np.unique(groups, return_inverse=True)[1]
    n_units = int(unit.max()) + 1
    rng = np.random.default_rng(seed)
    weights = np.empty((n_resamples, n_examples), dtype=np.float32)
    for row in weights:
        row[:] = np.bincount(rng.integers(n_units, size=n_units), minlength=n_units)[unit]
    return weights


def weighted_medians(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Compute the median of values under several weightings, ignoring NaN.

    Parameters
    ----------
    values : ndarray, shape (n_examples,)
        Values.
    weights : ndarray, shape (n_weightings, n_examples)
        Integer counts of the values.

    Returns
    -------
    medians : ndarray, shape (n_weightings,)
        Equal to ``numpy.median`` of the repeated values.
    """
    order = np.argsort(values)[: np.isfinite(values).sum()]
    if len(order) == 0:
        return np.full(len(weights), np.nan)
    ordered = values[order]
    medians = np.empty(len(weights))
    for i, weight in enumerate(weights):
        count = np.cumsum(weight[order], dtype=np.float64)
        half = count[-1] / 2
        low = np.searchsorted(count, half, side="left")
        high = np.searchsorted(count, half, side="right")
        medians[i] = (ordered[low] + ordered[min(high, len(ordered) - 1)]) / 2
    # NaN for samples without any value
    return np.where((weights[:, order] > 0).any(axis=1), medians, np.nan)


def percentile_interval(values: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Compute a bootstrap percentile interval.

    Parameters
    ----------
    values : ndarray, shape (n_resamples, ...)
        One value for each bootstrap sample. NaN are ignored.
    level : float
        Share of the values inside the interval.

    Returns
    -------
    low, high : ndarray | float
        The interval; NaN where there is no value.
    """
    ends = [(1 - level) / 2, (1 + level) / 2]
    known = np.isfinite(values).any(axis=0)
    low, high = np.nanquantile(np.where(known, values, 0.0), ends, axis=0)
    return np.where(known, low, np.nan)[()], np.where(known, high, np.nan)[()]


def non_increasing(curves: np.ndarray) -> np.ndarray:
    """Compute the closest non-increasing curves, by isotonic regression.

    Parameters
    ----------
    curves : ndarray, shape (..., n_points)
        Values along the last axis.

    Returns
    -------
    curves : ndarray, same shape
        ``min over a <= i of max over b >= i of mean(curves[a:b + 1])`` at point ``i``.
    """
    n = curves.shape[-1]
    total = np.concatenate([np.zeros((*curves.shape[:-1], 1)), np.cumsum(curves, axis=-1)], axis=-1)
    out = np.empty(curves.shape)
    for i in range(n):
        highest = [
            np.max([(total[..., b + 1] - total[..., a]) / (b + 1 - a) for b in range(i, n)], axis=0)
            for a in range(i + 1)
        ]
        out[..., i] = np.min(highest, axis=0)
    return out


def extents(strengths: np.ndarray, agreement: np.ndarray, share: float) -> np.ndarray:
    """Compute the strength up to which a given share of the predictions does not change.

    Parameters
    ----------
    strengths : ndarray, shape (n_strengths,)
        Increasing strengths, starting at 0.
    agreement : ndarray, shape (..., n_strengths)
        Share of predictions that do not change; 1 at strength 0.
    share : float
        The given share.

    Returns
    -------
    extents : ndarray, shape (...)
        Strength at which the agreement, after isotonic regression and linear interpolation, falls
        below the share. The last strength if it never does.
    """
    agreement = non_increasing(np.asarray(agreement, dtype=float))
    below = agreement < share - 1e-9  # rounding
    after = below.argmax(axis=-1)
    before = np.maximum(after - 1, 0)

    def at(index: np.ndarray) -> np.ndarray:
        return np.take_along_axis(agreement, index[..., None], axis=-1)[..., 0]

    drop = at(before) - at(after)
    fraction = (at(before) - share) / np.where(drop > 0, drop, 1)
    crossing = strengths[before] + fraction.clip(0, 1) * (strengths[after] - strengths[before])
    return np.where(below.any(axis=-1), crossing, strengths[-1])
