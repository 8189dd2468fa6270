"""Invariance of a model to each transform of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from ..transforms import REGISTRY, Transform
from ..transforms.base import check_sfreq
from ..transforms.candidates import Candidate, make_allowed, too_few_channels
from .compare import Comparison, prepare_comparison, summarise
from .curve import interval_weights, resample
from .inputs import check_count, read_windows
from .measures import extents, percentile_interval
from .models import expected_by

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator
    from torch import nn

    from .._typing import ArrayLike, RandomState, SignalsLike


def invariance_profile(
    model: BaseEstimator | nn.Module,
    X: SignalsLike,
    sfreq: float | None = None,
    ch_names: Sequence[str] | None = None,
    transforms: Sequence[Transform] | None = None,
    *,
    groups: ArrayLike | None = None,
    share: float = 0.95,
    n_strengths: int = 6,
    space: str = "probability",
    n_draws: int | None = None,
    random_state: RandomState = None,
    n_jobs: int | None = None,
) -> pd.DataFrame:
    """Measure how invariant a fitted model is to several transforms, and up to which strength.

    Parameters
    ----------
    model : estimator | nn.Module
        As for :func:`~eeginv.inspection.invariance_score`.
    X : array-like, shape (n_examples, n_channels, n_times) | mne.Epochs | windows dataset
        Signals in the form that the model takes. Some hundreds are enough. The largest strengths
        of the catalogue assume standardised signals.
    sfreq : float | None
        Sampling frequency in Hz; known from ``mne.Epochs``, windows datasets and estimators of
        eeginv. Without it, transforms that need it are left out.
    ch_names : list of str | None
        Names of the channels; known from ``mne.Epochs``, windows datasets and estimators of eeginv
        that were fitted on them. Without them, transforms that need them are left out.
    transforms : list of Transform | None
        The transforms. None takes all transforms of the catalogue that the signals allow (those
        between channels need two channels, rotations of the sensors eight).
    groups : array-like, shape (n_examples,) | None
        Subjects, which the bootstrap resamples. None takes those of a windows dataset. Without
        subjects, it resamples examples as if they were independent.
    share : float
        Share of the predictions that do not change up to the extent.
    n_strengths : int
        Number of strengths above 0 at which each transform is measured. The k-th is
        ``(k / n_strengths) ** 2`` times the largest, so they are denser towards 0.
    space : "probability" | "logit" | "embedding"
        Space in which distances are measured.
    n_draws : int | None
        Number of random draws of the transform for each example. None gives at least 500
        transformed examples.
    random_state : int | RandomState | Generator | None
        Seed of the draws and the bootstrap samples.
    n_jobs : int | None
        Number of joblib processes, among which the transforms are distributed.

    Returns
    -------
    profile : pandas.DataFrame
        One row for each transform, indexed by its name:

        - ``unit`` and ``largest``: its unit and largest strength. For an on/off transform,
          ``largest`` is 1, which applies it to every example.
        - ``score``, ``agreement`` and ``divergence`` at the largest strength.
        - ``extent``: the strength at which the agreement falls below ``share``, by linear
          interpolation after isotonic regression (agreement rises with the strength only by
          chance). It is ``largest`` if it never does, and NaN for an on/off transform. As in a
          policy, it is the end of the range from which a shift, for example, is drawn.
        - for each of the last four, a 95 % bootstrap percentile interval ``<name>_low`` to
          ``<name>_high``.

        ``attrs`` holds ``space`` and ``share``.

    See Also
    --------
    eeginv.inspection.invariance_score : Definition of the measures.
    eeginv.viz.plot_invariance_profile : Plot of the result.

    Examples
    --------
    >>> import torch
    >>> from eeginv.inspection import invariance_profile
    >>> X = torch.randn(50, 3, 100, generator=torch.Generator().manual_seed(0))
    >>> class MeanAmplitude(torch.nn.Module):
    ...     def forward(self, X):
    ...         return X.abs().mean(dim=2)
    >>> profile = invariance_profile(MeanAmplitude(), X, random_state=0)
    >>> profile.loc[["TimeReverse", "SignFlip"], "agreement"].tolist()
    [1.0, 1.0]
    >>> bool(profile.loc["AmplitudeScale", "extent"] < 6)  # dB
    True
    """
    windows = read_windows(X, groups, sfreq, ch_names, expected_by(model))
    n_strengths = check_count("n_strengths", n_strengths)
    if not 0 < share <= 1:
        raise ValueError(f"share must lie in (0, 1], got {share!r}.")
    rate = None if windows.sfreq is None else check_sfreq(windows.sfreq)
    if transforms is None:
        transforms = _catalogue(rate, windows.ch_names, windows.X.shape[1])
    transforms = [windows.check_transform(transform) for transform in transforms]
    if not transforms:
        raise ValueError("transforms is empty: pass at least one, or None for the catalogue.")
    weights_of = interval_weights(windows)
    comparison = prepare_comparison(model, windows, space, n_draws, random_state)
    weights = weights_of(comparison.seed)
    rows = Parallel(n_jobs=n_jobs)(
        delayed(_row)(comparison, transform, n_strengths, share, weights)
        for transform in transforms
    )
    names = pd.Index([transform.name for transform in transforms], name="transform")
    profile = pd.DataFrame(rows, index=names)
    profile.attrs = {"space": space, "share": share}
    return profile


def _row(
    comparison: Comparison,
    transform: Transform,
    n_strengths: int,
    share: float,
    weights: np.ndarray,
) -> dict[str, Any]:
    binary = transform.binary
    largest = 1.0 if binary else transform.max_strength
    fractions = np.array([0.0, 1.0]) if binary else np.linspace(0, 1, n_strengths + 1) ** 2
    strengths = largest * fractions
    measures = comparison.measure(transform, strengths.tolist())
    resampled = resample(measures, weights)
    row: dict[str, object] = {"unit": transform.unit, "largest": largest}
    for name, values in summarise(measures).items():
        low, high = percentile_interval(resampled[name][:, -1])
        row |= {name: values[-1], f"{name}_low": low, f"{name}_high": high}
    if binary:
        return {**row, "extent": np.nan, "extent_low": np.nan, "extent_high": np.nan}
    extent = float(extents(strengths, measures["agreement"].mean(axis=1), share))
    low, high = percentile_interval(extents(strengths, resampled["agreement"], share))
    return {**row, "extent": extent, "extent_low": low, "extent_high": high}


def _catalogue(
    sfreq: float | None, ch_names: Sequence[str] | None, n_channels: int
) -> list[Transform]:
    """Return all transforms that the signals allow; warn of those that lack channel names."""
    allowed: list[Candidate] = [
        (name, {}) for name, cls in REGISTRY.items() if too_few_channels(cls, n_channels) is None
    ]
    return make_allowed(allowed, sfreq, ch_names)
