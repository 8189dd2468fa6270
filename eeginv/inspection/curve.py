"""Invariance as a function of the strength of a transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .compare import prepare_comparison, summarise
from .inputs import Windows, check_strengths, read_windows
from .measures import MEASURES, percentile_interval, resampling_weights, weighted_medians
from .models import expected_by

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator
    from torch import nn

    from .._typing import ArrayLike, RandomState, SignalsLike
    from ..transforms import Transform

N_STRENGTHS = 9


def invariance_curve(
    model: BaseEstimator | nn.Module,
    X: SignalsLike,
    transform: Transform,
    strengths: ArrayLike | None = None,
    *,
    groups: ArrayLike | None = None,
    space: str = "probability",
    n_draws: int | None = None,
    reference: str = "all",
    random_state: RandomState = None,
) -> pd.DataFrame:
    """Measure how invariant a fitted model is to a transform at several strengths.

    All strengths use the same random draws, so that only the strength differs along the curve. At
    strength 0 the signals are unchanged.

    Parameters
    ----------
    model : estimator | nn.Module
        As for :func:`~eeginv.inspection.invariance_score`.
    X : array-like, shape (n_examples, n_channels, n_times) | mne.Epochs | windows dataset
        Signals in the form that the model takes.
    transform : Transform
        The transform.
    strengths : array-like, shape (n_strengths,) | None
        Strengths in the unit of the transform. None takes nine from 0 to its largest strength, or 0
        and 1 for an on/off transform.
    groups : array-like, shape (n_examples,) | None
        Subjects, which the bootstrap resamples. None takes those of a windows dataset. Without
        subjects, it resamples examples as if they were independent.
    space : "probability" | "logit" | "embedding"
        Space in which distances are measured.
    n_draws : int | None
        Number of random draws of the transform for each example. None gives at least 500
        transformed examples.
    reference : "all" | "derangement"
        The other examples that an example is compared with.
    random_state : int | RandomState | Generator | None
        Seed of the draws and the bootstrap samples.

    Returns
    -------
    curve : pandas.DataFrame
        One row for each strength. Columns are ``transform``, ``strength``, ``unit``, ``space``, and
        ``score``, ``agreement`` and ``divergence``, each with a 95 % bootstrap percentile interval
        ``<name>_low`` to ``<name>_high``.

    See Also
    --------
    eeginv.inspection.invariance_score : Definition of the measures.
    eeginv.viz.plot_invariance_curve : Plot of the result.

    Examples
    --------
    >>> import torch
    >>> from eeginv.inspection import invariance_curve
    >>> from eeginv.transforms import GaussianNoise
    >>> X = torch.randn(20, 3, 50, generator=torch.Generator().manual_seed(0))
    >>> class MeanAmplitude(torch.nn.Module):
    ...     def forward(self, X):
    ...         return X.abs().mean(dim=2)
    >>> curve = invariance_curve(MeanAmplitude(), X, GaussianNoise(), [0, 1], random_state=0)
    >>> curve["agreement"].round(1).tolist()
    [1.0, 0.5]
    """
    windows = read_windows(X, groups, expected=expected_by(model))
    windows.check_transform(transform)
    strengths = check_strengths(
        transform, default_strengths(transform) if strengths is None else strengths
    )
    weights_of = interval_weights(windows)
    comparison = prepare_comparison(model, windows, space, n_draws, random_state, reference)
    measures = comparison.measure(transform, strengths)
    resampled = resample(measures, weights_of(comparison.seed))
    table: dict[str, object] = {
        "transform": transform.name,
        "strength": strengths,
        "unit": transform.unit,
        "space": space,
    }
    for name, values in summarise(measures).items():
        low, high = percentile_interval(resampled[name])
        table |= {name: values, f"{name}_low": low, f"{name}_high": high}
    return pd.DataFrame(table)


def default_strengths(transform: Transform, n_strengths: int = N_STRENGTHS) -> list[float]:
    """Return strengths from 0 to the largest; 0 and 1 for an on/off transform."""
    if transform.binary:
        return [0.0, 1.0]
    return np.linspace(0, transform.max_strength, n_strengths).tolist()


def interval_weights(windows: Windows) -> Callable[[int], np.ndarray]:
    """Check the subjects, and return a function that draws bootstrap weights from a seed."""
    if windows.groups is not None and len(np.unique(windows.groups)) < 2:
        raise ValueError(
            "Intervals over subjects need two subjects or more, groups has one. Without groups, "
            "intervals are over examples."
        )
    return lambda seed: resampling_weights(len(windows.X), windows.groups, seed)


def resample(measures: dict[str, np.ndarray], weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the summaries of bootstrap samples, each of shape (n_resamples, n_strengths)."""
    total = weights.sum(axis=1, keepdims=True, dtype=np.float64)
    medians = [weighted_medians(values, weights) for values in measures["score"]]
    means = {name: (weights @ measures[name].T) / total for name in MEASURES[1:]}
    return {"score": np.stack(medians, axis=1), **means}
