"""Comparison of the outputs of a model before and after a transform, for each example."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from .inputs import Windows, check_count, draw_seed
from .measures import (
    MEASURES,
    SAME,
    derangement,
    directions,
    distances,
    divergences,
    mean_distance_to_others,
)
from .models import BATCH, FittedModel

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from .._typing import RandomState
    from ..transforms import Transform

REFERENCES = ("all", "derangement")
ENOUGH = 500  # number of transformed examples by default


@dataclass
class Comparison:
    """Outputs of a model for signals, for comparison with its outputs for transformed signals.

    Parameters
    ----------
    model : FittedModel
        The model.
    X : ndarray, shape (n_examples, n_channels, n_times)
        Signals.
    probabilities : ndarray, shape (n_examples, n_classes)
        Class probabilities of the untransformed signals.
    directions : ndarray, shape (n_examples, n_outputs)
        Directions of the outputs in the space of the model.
    distance : ndarray, shape (n_examples,)
        Cosine distance to other examples; NaN where it is zero.
    n_draws : int
        Number of draws of the transform for each example.
    seed : int
        Seed of the draws.
    """

    model: FittedModel
    X: np.ndarray
    probabilities: np.ndarray
    directions: np.ndarray
    distance: np.ndarray
    n_draws: int
    seed: int

    def measure(self, transform: Transform, strengths: Sequence[float]) -> dict[str, np.ndarray]:
        """Compare with signals transformed at several strengths, with the same draws.

        Parameters
        ----------
        transform : Transform
            The transform.
        strengths : list of float
            Strengths.

        Returns
        -------
        measures : dict of str to ndarray, shape (n_strengths, n_examples)
            ``score``, ``agreement`` and ``divergence``, means over draws.
        """
        device = transform.raw.device
        signals = torch.from_numpy(self.X)
        template = torch.empty((), dtype=signals.dtype, device=device).expand(signals.shape)
        generator = torch.Generator(device=device).manual_seed(self.seed)
        total = np.zeros((3, len(strengths), len(self.X)))
        for _ in range(self.n_draws):
            noise = transform.draw(template, generator, stratified=True)
            for start in range(0, len(self.X), BATCH):
                rows = slice(start, start + BATCH)
                here = {key: value[rows] for key, value in noise.items()}
                for i, strength in enumerate(strengths):
                    with torch.no_grad():
                        after = transform.transform(signals[rows].to(device), here, strength)
                    total[:, i, rows] += self._compare(rows, after.cpu().numpy())
        moved, agreement, divergence = total / self.n_draws
        return {
            "score": 1 - moved / self.distance,
            "agreement": agreement,
            "divergence": divergence,
        }

    def _compare(self, rows: slice, X: np.ndarray) -> np.ndarray:
        """Return distance, agreement and divergence of examples before and after a transform."""
        found = np.zeros((3, len(X)))
        found[1] = 1.0
        # unchanged examples are not predicted again, so they are exactly equal, and it is faster
        changed = (X != self.X[rows]).any(axis=(1, 2))
        if changed.any():
            before = self.probabilities[rows][changed]
            after, outputs = self.model(X[changed])
            found[0, changed] = distances(directions(outputs), self.directions[rows][changed])
            found[1, changed] = before.argmax(axis=1) == after.argmax(axis=1)
            found[2, changed] = divergences(before, after)
        return found


def prepare_comparison(
    model: BaseEstimator | nn.Module,
    windows: Windows,
    space: str,
    n_draws: int | None,
    random_state: RandomState,
    reference: str = "all",
) -> Comparison:
    """Compute the outputs of a model for untransformed signals.

    Parameters
    ----------
    model : estimator | nn.Module
        The model.
    windows : Windows
        Signals.
    space : str
        Space in which distances are measured.
    n_draws : int | None
        Number of draws of a transform for each example. None gives at least 500 transformed
        examples.
    random_state : int | RandomState | Generator | None
        Seed of the draws.
    reference : str
        Which other examples to compare with, "all" or a "derangement".

    Returns
    -------
    comparison : Comparison
        The outputs, for comparison with any transform.
    """
    if reference not in REFERENCES:
        raise ValueError(f"reference must be one of {', '.join(REFERENCES)}; got {reference!r}.")
    n_examples = len(windows.X)
    if n_draws is None:
        n_draws = math.ceil(ENOUGH / n_examples)
    n_draws, seed = check_count("n_draws", n_draws), draw_seed(random_state)
    fitted = FittedModel(model, space, windows)
    probabilities, outputs = fitted(windows.X)
    rows = directions(outputs)
    if reference == "all":
        distance = mean_distance_to_others(rows)
    else:
        rng = np.random.default_rng(seed)
        pairs = [derangement(n_examples, rng) for _ in range(n_draws)]
        distance = np.mean([distances(rows, rows[pair]) for pair in pairs], axis=0)
    undefined = distance < SAME
    if undefined.any():
        which = "all examples have" if undefined.all() else f"{undefined.sum()} examples have"
        warnings.warn(
            f"The invariance score is NaN where outputs are those of other examples: {which} the "
            "same output as those they are compared with. A model that tells nothing apart is "
            "invariant to everything; look at agreement and divergence.",
            stacklevel=3,
        )
    distance = np.where(undefined, np.nan, distance)
    return Comparison(fitted, windows.X, probabilities, rows, distance, n_draws, seed)


def summarise(measures: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return median score, mean agreement and mean divergence over the examples (last axis)."""
    score = measures["score"]
    known = np.isfinite(score).any(axis=-1)
    medians = np.nanmedian(np.where(known[..., None], score, 0.0), axis=-1)
    return {
        "score": np.where(known, medians, np.nan),
        **{name: measures[name].mean(axis=-1) for name in MEASURES[1:]},
    }
