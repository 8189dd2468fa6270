"""How invariant a model is to one transform of one strength."""

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
    """How invariant a model is to a transform.

    Parameters
    ----------
    transform : str
        Name of the transform.
    strength : float
        Its strength; the probability, for an on/off transform.
    unit : str
        Unit of the strength.
    space : str
        Where distances between outputs are measured.
    score : float
        Median over the examples: 1 is fully invariant, 0 moves the output as much as taking
        another example; it has no lower bound.
    agreement : float
        Share of the predictions that stay the same.
    divergence : float
        Mean Jensen-Shannon divergence between the probabilities before and after, to the base 2:
        0 where nothing changes, 1 where all probability moves to other classes.
    per_example : pandas.DataFrame
        The three for each example, means over draws, in the order of the signals.

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

    The score of an example is ``1 - d(z, z_t) / d(z, z_o)``: ``d`` is the cosine distance, ``z``
    the output of the model, ``z_t`` the output for the transformed signal, and ``z_o`` the outputs
    for other examples. Both distances are averaged, over draws and over others, before the ratio
    is taken.

    Parameters
    ----------
    model : estimator | nn.Module
        Anything fitted with ``predict_proba`` (ours, a skorch or Braindecode net, a scikit-learn
        pipeline), or a torch module that returns logits, which is run in evaluation mode. It is
        left as it was.
    X : array-like, shape (n_examples, n_channels, n_times) | mne.Epochs | windows dataset
        Signals as the model takes them. A two-dimensional array is one channel. Epochs and windows
        datasets are read as by our estimators (:doc:`/user_guide/inputs`): data channels, in µV,
        those that the model knows by name in its order. Signals are flattened for a model that
        was fitted on rows of ``n_channels * n_times`` values.
    transform : Transform
        The transform. It is left as it was.
    strength : float | None
        Its strength; None takes its own, and applies an on/off transform to every
        example (a probability of 1).
    space : "probability" | "logit" | "embedding"
        Where the distance is measured, on which the score depends strongly: probabilities of the
        classes; logits of a network, or ``decision_function``, of three classes or more, minus
        their mean (they are defined up to a constant); or the input of the last linear or
        convolutional layer of a network, averaged over transformed copies where there are any.
    n_draws : int | None
        Random draws of the transform for each example. None takes as many as give 500 transformed
        examples.
    reference : "all" | "derangement"
        The others that an example is compared with: all of them, or, for each draw, the one that a
        random permutation without fixed points puts in its place, as in the paper (with
        ``n_draws=1``, and there with fixed points). The first is the mean of the second over all
        permutations.
    random_state : int | RandomState | Generator | None
        Fixes the draws. They are the same for all transforms and strengths.

    Returns
    -------
    invariance : InvarianceScore
        Median score, agreement of predictions, divergence of probabilities, and all three for
        each example.

    Warns
    -----
    UserWarning
        If examples have the same output as all those they are compared with (up to rounding in
        single precision). Their score is NaN and left out of the median: for a model that says
        the same of every example, invariance and blindness cannot be told apart.

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
