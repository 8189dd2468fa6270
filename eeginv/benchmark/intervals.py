"""Confidence intervals of means over test subjects and choices of training subjects."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import optimize, stats

if TYPE_CHECKING:
    from .._typing import ArrayLike
    from .plan import RunRecord


class CrossedMean(NamedTuple):
    """Mean over subjects and choices, its interval, and the p-value of a mean of zero."""

    mean: float
    low: float
    high: float
    p_value: float


def crossed_mean(
    values: ArrayLike,
    subjects: ArrayLike,
    choices: ArrayLike,
    shared: float = 0.0,
    *,
    level: float = 0.95,
) -> CrossedMean:
    r"""Average over subjects, with an interval over subjects and choices of training subjects.

    Every choice of training subjects is scored on several test subjects, and every test subject
    under several choices. The two factors are crossed, and both are random samples. An interval
    over subjects alone would treat the choices as fixed, and an interval over choices alone the
    subjects. Here, the squared errors of both are added, each times the square of its own quantile
    of Student's t,

    .. math:: t_{S-1}^2 \hat V_S + (1 + C \rho / (1 - \rho)) \, t_{C-1}^2 \hat V_C,

    with S subjects and C choices. This is the interval of Banerjee [1]_, which is conservative for
    independent errors with any degrees of freedom. V are the cluster variances of the mean [2]_.
    They do not require that every subject is tested under every choice (training subjects are not).
    The factor of Nadeau and Bengio [3]_ accounts for choices that share training subjects and are
    therefore not independent. ``benchmarks/interval_coverage.py`` measures the coverage.

    Parameters
    ----------
    values : array-like, shape (n_values,)
        One value for each subject and choice, such as a difference between two methods.
    subjects, choices : array-like, shape (n_values,)
        Test subject and choice of training subjects of each value.
    shared : float
        Mean share of the training subjects that two choices have in common. See
        :func:`shared_subjects`.
    level : float
        Coverage.

    Returns
    -------
    result : CrossedMean
        ``mean`` of the means of the subjects, interval from ``low`` to ``high``, and ``p_value``,
        one minus the largest level whose interval excludes zero. With fewer than two subjects or
        choices, only the mean is not NaN.

    References
    ----------
    .. [1] Banerjee, S. K. (1960). Approximate confidence interval for linear functions of means of
       k populations when the population variances are not equal. Sankhya.
    .. [2] Cameron, A. C., Gelbach, J. B., & Miller, D. L. (2011). Robust inference with multiway
       clustering. Journal of Business & Economic Statistics.
    .. [3] Nadeau, C., & Bengio, Y. (2003). Inference for the generalization error. Machine
       Learning.

    Examples
    --------
    >>> from eeginv.benchmark.intervals import crossed_mean
    >>> result = crossed_mean([1, 2, 2, 4], ["a", "a", "b", "b"], [0, 1, 0, 1])
    >>> [round(number, 2) for number in result]
    [2.25, -11.23, 15.73, 0.28]
    """
    values = np.asarray(values, dtype=float)
    if not len(values):
        return CrossedMean(*[math.nan] * 4)
    subject, choice = (np.unique(ids, return_inverse=True)[1] for ids in (subjects, choices))
    n_subjects, n_choices = subject.max() + 1, choice.max() + 1
    weight = 1 / (n_subjects * np.bincount(subject)[subject])
    mean = float(weight @ values)
    if min(n_subjects, n_choices) < 2:
        return CrossedMean(mean, math.nan, math.nan, math.nan)
    share = weight * (values - mean)
    variances = [
        n / (n - 1) * np.square(np.bincount(ids, share)).sum()
        for n, ids in ((n_subjects, subject), (n_choices, choice))
    ]
    variances[1] *= 1 + n_choices * shared / (1 - shared)

    def half_width(p: float) -> float:
        quantiles = stats.t.isf(p / 2, [n_subjects - 1, n_choices - 1])
        return math.sqrt(np.square(quantiles) @ variances)

    half = half_width(1 - level)
    return CrossedMean(mean, mean - half, mean + half, _smallest(half_width, abs(mean)))


def _smallest(half_width: Callable[[float], float], distance: float, least: float = 1e-12) -> float:
    """Return the p for which the half-width of the interval is equal to a distance."""
    if half_width(least) <= distance:
        return 1.0 if distance == 0 else 0.0
    return float(optimize.brentq(lambda p: half_width(p) - distance, least, 1.0))


def left_out_mean(
    values: ArrayLike, subjects: ArrayLike, *, shares_training: bool, level: float = 0.95
) -> CrossedMean:
    """Average over subjects with leave-one-subject-out or leave-one-session-out splits.

    Every subject is tested once, or in all its sessions. A test subject has only one choice of
    training subjects, so the effects of the two cannot be separated. The interval is that of
    Student's t over the means of the subjects, and holds for other test subjects.

    Parameters
    ----------
    values : array-like, shape (n_values,)
        Values of the subjects, such as differences between two methods.
    subjects : array-like, shape (n_values,)
        Subject of each value.
    shares_training : bool
        Whether one subject was left out at a time. The values of the subjects are then not
        independent, because they share training subjects. The variance has the correction of Nadeau
        and Bengio [1]_, for a ratio of test to training subjects of 1 to n - 1.
    level : float
        Coverage.

    Returns
    -------
    result : CrossedMean
        As returned by :func:`crossed_mean`.

    References
    ----------
    .. [1] Nadeau, C., & Bengio, Y. (2003). Inference for the generalization error. Machine
       Learning.

    Examples
    --------
    >>> from eeginv.benchmark.intervals import left_out_mean
    >>> result = left_out_mean([1, 2, 3], ["a", "b", "c"], shares_training=False)
    >>> [round(number, 2) for number in result]
    [2.0, -0.48, 4.48, 0.07]
    """
    values = np.asarray(values, dtype=float)
    if not len(values):
        return CrossedMean(*[math.nan] * 4)
    names, subject = np.unique(subjects, return_inverse=True)
    means = np.bincount(subject, values) / np.bincount(subject)
    n, mean = len(names), float(means.mean())
    if n < 2:
        return CrossedMean(mean, math.nan, math.nan, math.nan)
    share = 1 / n + (1 / (n - 1) if shares_training else 0.0)
    error = math.sqrt(share * means.var(ddof=1))
    half = float(stats.t.isf((1 - level) / 2, n - 1)) * error
    if error == 0:
        return CrossedMean(mean, mean, mean, 1.0 if mean == 0 else 0.0)
    p_value = float(2 * stats.t.sf(abs(mean) / error, n - 1))
    return CrossedMean(mean, mean - half, mean + half, p_value)


def shared_subjects(runs: Sequence[RunRecord]) -> float:
    """Compute the mean share of training subjects that two choices have in common.

    Parameters
    ----------
    runs : list of dict
        Runs with the same number of training subjects.

    Returns
    -------
    shared : float
        The share, from 0 to 1 (excluded). It is 0 if all runs have the same training subjects,
        because they are then a single choice.

    Examples
    --------
    >>> from eeginv.benchmark.intervals import shared_subjects
    >>> shared_subjects([{"split": i, "train_subjects": [i, i + 1]} for i in range(2)])
    0.5
    """
    chosen = {run["split"]: frozenset(run["train_subjects"]) for run in runs}
    if len(set(chosen.values())) < 2:
        return 0.0
    pairs = [len(a & b) / min(len(a), len(b)) for a, b in combinations(chosen.values(), 2)]
    return float(np.mean(pairs))


def holm(p_values: ArrayLike) -> np.ndarray:
    """Correct p-values for the number of comparisons (Holm 1979, Scandinavian J. of Statistics).

    Parameters
    ----------
    p_values : array-like, shape (n_comparisons,)
        p-values of the comparisons. NaN are not counted, and stay NaN.

    Returns
    -------
    corrected : ndarray, shape (n_comparisons,)
        Corrected p-values. The probability that any true null hypothesis has a corrected p-value of
        at most alpha is at most alpha.

    Examples
    --------
    >>> from eeginv.benchmark.intervals import holm
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, dtype=float)
    corrected = np.full(len(p_values), math.nan)
    order = [i for i in np.argsort(p_values, kind="stable") if not math.isnan(p_values[i])]
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, (len(order) - rank) * p_values[i])
        corrected[i] = min(largest, 1.0)
    return corrected
