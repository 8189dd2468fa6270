"""Test of the symmetry of data under a transform, by a two-sample classifier."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, QuantileTransformer, StandardScaler

from .features import signal_features
from .inputs import (
    check_count,
    check_strengths,
    default_strength,
    draw_seed,
    read_windows,
)

if TYPE_CHECKING:
    from .._typing import ArrayLike, RandomState, SignalsLike
    from ..transforms import Transform

BATCH = 64
MIN_EXAMPLES = 10
# Fewer subjects cannot give a p-value below 0.05.
MIN_GROUPS = 6


@dataclass(frozen=True)
class SymmetryTest:
    """Result of a test of symmetry.

    Parameters
    ----------
    transform : str
        Name of the transform.
    strength : float
        Strength of the transform, which is the probability for an on/off transform.
    unit : str
        Unit of the strength.
    balanced_accuracy : float
        Cross-validated balanced accuracy of classifying examples as transformed or not; 0.5 is
        chance level.
    p_value : float
        Share of permutations, including the original labels, with an accuracy at least as high.
    n_examples : int
        Number of examples.
    n_groups : int
        Number of subjects, or of examples if no groups are given.
    null : ndarray, shape (n_permutations,)
        Balanced accuracy under permuted labels.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv.inspection import symmetry_test
    >>> from eeginv.transforms import TimeReverse
    >>> sawtooth = np.random.default_rng(0).uniform(size=(40, 1, 1)) + np.arange(200) / 20
    >>> symmetry_test(sawtooth % 1, TimeReverse(), random_state=0).balanced_accuracy
    1.0
    """

    transform: str
    strength: float
    unit: str
    balanced_accuracy: float
    p_value: float
    n_examples: int
    n_groups: int
    null: np.ndarray = field(repr=False, compare=False)


def symmetry_test(
    X: SignalsLike,
    transform: Transform,
    strength: float | None = None,
    *,
    groups: ArrayLike | None = None,
    classifier: BaseEstimator | None = None,
    features: Callable[[np.ndarray], Any] | None = signal_features,
    n_splits: int = 5,
    n_permutations: int = 199,
    random_state: RandomState = None,
    n_jobs: int | None = None,
) -> SymmetryTest:
    """Test whether data are symmetric under a transform, with a two-sample classifier [1]_ [2]_.

    Half of the examples are transformed, and a classifier is trained to tell which. If transformed
    signals have the same distribution as the original ones, its accuracy on held-out examples (of
    held-out subjects) is one half on average.

    Parameters
    ----------
    X : array-like, shape (n_examples, n_channels, n_times) | mne.Epochs | windows dataset
        Signals.
    transform : Transform
        The transform. It is not changed.
    strength : float | None
        Strength of the transform. None takes its current strength, or a probability of 1 for an
        on/off transform.
    groups : array-like, shape (n_examples,) | None
        Subjects. None takes those of a windows dataset. Without subjects, examples are assumed to
        be independent.
    classifier : scikit-learn classifier | None
        Any classifier, which is cloned. None takes shrunken centroids on normal scores of the
        features and on their squares. They detect differences of location and of spread, even in
        few of many features.
    features : callable | None
        Maps signals of shape (n_examples, n_channels, n_times) to the input of the classifier, each
        example independently. None passes the signals.
    n_splits : int
        Number of folds of the cross-validation. Each subject is in one of them.
    n_permutations : int
        Number of permutations. The smallest p-value is ``1 / (n_permutations + 1)``. A given
        classifier is fitted ``n_splits * (n_permutations + 1)`` times.
    random_state : int | RandomState | Generator | None
        Seed of the choice of examples, the draws, the folds and the permutations.
    n_jobs : int | None
        Number of joblib processes, for a given classifier.

    Returns
    -------
    test : SymmetryTest
        Balanced accuracy and p-value.

    Warns
    -----
    UserWarning
        If there are fewer than six subjects, as the p-value cannot be below 0.05 then.

    Notes
    -----
    The p-value is that of a permutation test that trains the classifier again for each permutation.
    Without groups, whether an example is transformed is drawn by a fair coin, and so are the
    permuted labels. Under independence and symmetry, labels and data are independent, and the test
    is exact.

    Windows of a subject are not independent. If the polarity of recordings is arbitrary, the
    population of recordings is symmetric under sign flip. But the windows of a recording share one
    polarity, so a classifier is right on nearly all of them, or wrong. With groups, half of the
    windows of each subject are transformed, all by one draw of the transform. A permutation swaps
    the two labels of whole subjects, each with probability one half. This is exact under two
    conditions. The windows of a subject must have the same joint distribution as their transformed
    images, and the inverse of a transform must be equally likely (sign flip and reversal are their
    own inverses, the inverse of a shift or rotation is the opposite one). ``n`` subjects have
    ``2 ** (n - 1)`` distinct permutations. With few subjects the accuracy varies widely around one
    half, even under symmetry; compare it with ``null``.

    A large p-value does not prove symmetry, because the classifier may miss a difference. The
    default classifier is that of [3]_, on :func:`~eeginv.inspection.signal_features`.

    References
    ----------
    .. [1] Lopez-Paz, D., & Oquab, M. (2017). Revisiting classifier two-sample tests. ICLR.
    .. [2] Lawrence, H., Hofgard, E., Portilheiro, V., Chen, Y., Smidt, T., & Walters, R. (2025). To
       augment or not to augment? Diagnosing distributional symmetry breaking. arXiv:2510.01349.
    .. [3] Tibshirani, R., Hastie, T., Narasimhan, B., & Chu, G. (2002). Diagnosis of multiple
       cancer types by shrunken centroids of gene expression. PNAS.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv.inspection import symmetry_test
    >>> from eeginv.transforms import SignFlip, TimeReverse
    >>> noise = np.random.default_rng(0).exponential(size=(100, 1, 200))
    >>> symmetry_test(noise, SignFlip(), random_state=0).p_value
    0.005
    >>> symmetry_test(noise, TimeReverse(), random_state=0).p_value > 0.05
    True
    """
    windows = read_windows(X, groups)
    windows.check_transform(transform)
    chosen = default_strength(transform) if strength is None else strength
    (strength,) = check_strengths(transform, [chosen])
    n_permutations = check_count("n_permutations", n_permutations)
    n_splits = check_count("n_splits", n_splits, smallest=2)
    n_examples = len(windows.X)
    if n_examples < MIN_EXAMPLES:
        raise ValueError(f"At least {MIN_EXAMPLES} examples are needed, got {n_examples}.")
    unit, n_units = np.arange(n_examples), n_examples
    if windows.groups is not None:
        unit = np.unique(windows.groups, return_inverse=True)[1]
        n_units = _check_groups(unit)
    seed = draw_seed(random_state)
    rng = np.random.default_rng(seed)
    own = _halves(unit, rng)
    swaps = rng.integers(2, size=(n_units, n_permutations))
    labels = np.column_stack([own, own[:, None] ^ swaps[unit]])
    signals = _transform_some(transform, strength, windows.X, unit, own == 1, seed)
    described = signals if features is None else features(signals)
    folds = GroupKFold(min(n_splits, n_units), shuffle=True, random_state=seed % 2**32)
    splits = list(folds.split(described, groups=unit))
    if classifier is None:  # fits all permutations at once
        predicted = _predict(None, described, labels, splits)
    else:
        columns = Parallel(n_jobs=n_jobs)(
            delayed(_predict)(classifier, described, column, splits) for column in labels.T
        )
        predicted = np.column_stack(columns)
    accuracy = _balanced_accuracy(labels, predicted)
    observed, null = accuracy[0], accuracy[1:]
    p_value = (1 + (null >= observed - 1e-12).sum()) / (1 + n_permutations)
    return SymmetryTest(
        transform=transform.name,
        strength=strength,
        unit=transform.unit,
        balanced_accuracy=float(observed),
        p_value=float(p_value),
        n_examples=n_examples,
        n_groups=n_units,
        null=null,
    )


def _check_groups(unit: np.ndarray) -> int:
    n_units = int(unit.max()) + 1
    if n_units < 2:
        raise ValueError(
            "A test over subjects needs two subjects or more, groups has one. Without groups, "
            "examples are supposed to be independent."
        )
    if n_units < MIN_GROUPS:
        warnings.warn(
            f"With {n_units} subjects there are {2 ** (n_units - 1)} distinct permutations: the "
            f"p-value cannot be below {2.0 ** (1 - n_units):g}.",
            stacklevel=3,
        )
    return n_units


def _halves(unit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return 1 for a random half of each group and 0 for the other; a coin decides odd ones."""
    order = np.lexsort((rng.random(len(unit)), unit))
    coin = rng.integers(2, size=int(unit.max()) + 1)
    start = np.concatenate([[0], np.cumsum(np.bincount(unit))[:-1]])
    half = np.empty(len(unit), dtype=int)
    half[order] = (np.arange(len(unit)) - start[unit[order]]) % 2
    return half ^ coin[unit]


def _transform_some(
    transform: Transform,
    strength: float,
    X: np.ndarray,
    unit: np.ndarray,
    chosen: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Transform the chosen examples, with the same draw within a group."""
    device = transform.raw.device
    generator = torch.Generator(device=device).manual_seed(seed)
    signals = torch.from_numpy(X)
    template = torch.empty((), dtype=signals.dtype, device=device)
    noise = transform.draw(template.expand(int(unit.max()) + 1, *X.shape[1:]), generator)
    out = X.copy()
    where = np.flatnonzero(chosen)
    with torch.no_grad():
        for start in range(0, len(where), BATCH):
            rows = where[start : start + BATCH]
            here = {key: value[unit[rows]] for key, value in noise.items()}
            moved = transform.transform(signals[rows].to(device), here, strength)
            out[rows] = moved.cpu().numpy()
    return out


def _default_classifier(n_train: int) -> Pipeline:
    return make_pipeline(
        QuantileTransformer(
            n_quantiles=min(100, n_train), output_distribution="normal", random_state=0
        ),
        FunctionTransformer(_with_squares),
        StandardScaler(),
        _ShrunkenCentroids(),
    )


def _with_squares(features: np.ndarray) -> np.ndarray:
    return np.hstack([features, np.square(features)])


class _ShrunkenCentroids(ClassifierMixin, BaseEstimator):
    """Classifier of labels 0 and 1. Several columns of labels are fitted at once."""

    def __init__(self, threshold: float = 2.0) -> None:
        self.threshold = threshold

    def fit(self, X: np.ndarray, y: np.ndarray) -> _ShrunkenCentroids:
        y = np.asarray(y)
        labels = y.reshape(len(y), -1).astype(float)
        n_one = labels.sum(axis=0)
        one = X.T @ labels / np.maximum(n_one, 1)
        zero = X.T @ (1 - labels) / np.maximum(len(y) - n_one, 1)
        half = (one - zero) / 2
        # the threshold is in standard errors of standardised features
        kept = np.maximum(np.abs(half) - self.threshold / np.sqrt(len(y)), 0)
        # small weights for the other features decide if no feature is kept
        self.weights_ = np.sign(half) * kept + 1e-3 * half
        self.cut_ = (self.weights_ * (one + zero) / 2).sum(axis=0)
        self.classes_ = np.array([0, 1])
        self.single_ = y.ndim == 1
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        predicted = (X @ self.weights_ > self.cut_).astype(int)
        return predicted[:, 0] if self.single_ else predicted


def _predict(
    classifier: BaseEstimator | None,
    features: np.ndarray,
    labels: np.ndarray,
    splits: Sequence[tuple[np.ndarray, np.ndarray]],
) -> np.ndarray:
    predicted = np.empty_like(labels)
    for train, test in splits:
        model = _default_classifier(len(train)) if classifier is None else clone(classifier)
        predicted[test] = model.fit(features[train], labels[train]).predict(features[test])
    return predicted


def _balanced_accuracy(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the mean recall of the two labels, for each column."""
    right = labels == predicted
    recalls = []
    for label in (0, 1):
        here = labels == label
        recalls.append((right & here).sum(axis=0) / np.maximum(here.sum(axis=0), 1))
    return (recalls[0] + recalls[1]) / 2
