"""Invariance of a model to a transform at one strength."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from .compare import prepare_comparison, summarise
from .inputs import check_strengths, default_strength, read_windows
from .models import expected_by

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator
    from torch import nn

    from .._typing import RandomState, SignalsLike
    from ..transforms import Transform


@dataclass(frozen=True)
class InvarianceScore:
    """Invariance of a model to a transform.

    Parameters
    ----------
    transform : str
        Name of the transform.
    strength : float
        Strength of the transform, which is the probability for an on/off transform.
    unit : str
        Unit of the strength.
    space : str
        Space in which distances between outputs are measured.
    score : float
        Median over the examples. At 1 the model is fully invariant, and at 0 the transform moves
        the output as far as the output of another example. There is no lower bound.
    agreement : float
        Share of the predictions that do not change.
    divergence : float
        Mean Jensen-Shannon divergence between the probabilities before and after, to the base 2.
        It is 0 if nothing changes, and 1 if all probability moves to other classes.
    per_example : pandas.DataFrame
        The three measures for each example, means over draws, in the order of the signals.

    Examples
    --------
    >>> import torch
    >>> from eeginv.inspection import invariance_score
    >>> from eeginv.transforms import SignFlip
    >>> X = torch.randn(20, 2, 50, generator=torch.Generator().manual_seed(0))
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(100, 3))
    >>> invariance_score(model, X, SignFlip()).per_example.columns.tolist()
    ['score', 'agreement', 'divergence']
    """

    transform: str
    strength: float
    unit: str
    space: str
    score: float
    agreement: float
    divergence: float
    per_example: pd.DataFrame = field(repr=False, compare=False)


def invariance_score(
    model: BaseEstimator | nn.Module,
    X: SignalsLike,
    transform: Transform,
    strength: float | None = None,
    *,
    space: str = "probability",
    n_draws: int | None = None,
    reference: str = "all",
    random_state: RandomState = None,
) -> InvarianceScore:
    """Measure how invariant a fitted model is to a transform [1]_.

    The score of an example is ``1 - d(z, z_t) / d(z, z_o)``. Here, ``d`` is the cosine distance,
    ``z`` the output of the model, ``z_t`` the output for the transformed signal, and ``z_o`` the
    outputs for other examples. The first distance is averaged over draws and the second over other
    examples before the ratio is taken.

    Parameters
    ----------
    model : estimator | nn.Module
        Any fitted model with ``predict_proba`` (an estimator of eeginv, a skorch or Braindecode
        net, a scikit-learn pipeline), or a torch module that returns logits, which is run in
        evaluation mode. It is not changed.
    X : array-like, shape (n_examples, n_channels, n_times) | mne.Epochs | windows dataset
        Signals in the form that the model takes. A two-dimensional array is one channel. Epochs and
        windows datasets are read as by the estimators (:doc:`/user_guide/inputs`): data channels,
        in µV, matched by name to those of the model. Signals are flattened for a model that was
        fitted on rows of ``n_channels * n_times`` values.
    transform : Transform
        The transform. It is not changed.
    strength : float | None
        Strength of the transform. None takes its current strength, or a probability of 1 for an
        on/off transform.
    space : "probability" | "logit" | "embedding"
        Space in which distances are measured. The score depends strongly on it. "probability" is
        the class probabilities. "logit" is the logits of a network, or ``decision_function``, for
        three classes or more, minus their mean (they are defined up to a constant). "embedding" is
        the input of the last linear or convolutional layer of a network, averaged over transformed
        copies if there are any.
    n_draws : int | None
        Number of random draws of the transform for each example. None gives at least 500
        transformed examples.
    reference : "all" | "derangement"
        The other examples that an example is compared with. "all" is all of them. "derangement" is
        one for each draw, by a random permutation without fixed points, as in the paper (which has
        one draw, and allows fixed points). The distance under "all" is the mean of that under
        "derangement" over all permutations.
    random_state : int | RandomState | Generator | None
        Seed of the draws. They are the same for all transforms and strengths.

    Returns
    -------
    invariance : InvarianceScore
        Median score, agreement of predictions, divergence of probabilities, and all three for
        each example.

    Warns
    -----
    UserWarning
        If examples have the same output as all those they are compared with (up to rounding in
        single precision). Their score is NaN and left out of the median. A model with a constant
        output is invariant to everything, so its score would be meaningless.

    References
    ----------
    .. [1] Rommel, C., Moreau, T., & Gramfort, A. (2022). Deep invariant networks with
       differentiable augmentation layers. NeurIPS.

    Examples
    --------
    >>> import torch
    >>> from eeginv.inspection import invariance_score
    >>> from eeginv.transforms import SignFlip, TimeReverse
    >>> X = torch.randn(20, 3, 50, generator=torch.Generator().manual_seed(0))
    >>> class MeanAmplitude(torch.nn.Module):
    ...     def forward(self, X):
    ...         return X.abs().mean(dim=2)  # logits of three classes
    >>> invariance_score(MeanAmplitude(), X, SignFlip()).score
    1.0
    """
    windows = read_windows(X, expected=expected_by(model))
    windows.check_transform(transform)
    chosen = default_strength(transform) if strength is None else strength
    (strength,) = check_strengths(transform, [chosen])
    comparison = prepare_comparison(model, windows, space, n_draws, random_state, reference)
    measures = comparison.measure(transform, [strength])
    summary = {name: float(values[0]) for name, values in summarise(measures).items()}
    per_example = pd.DataFrame({name: values[0] for name, values in measures.items()})
    return InvarianceScore(
        transform.name, strength, transform.unit, space, **summary, per_example=per_example
    )
