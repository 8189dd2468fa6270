"""Training with a given weight of the reward, or with the best of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from .augmentation_names import LEARNED
from .evidence import count_outputs, log_evidence
from .lazy import as_tensor, lazily

if TYPE_CHECKING:
    from ..invariant import InvariantModule
    from .training import Trainer
    from .training_data import Training, TrainingData

# Candidates of penalty="auto".
PENALTIES = (0.005, 0.02, 0.05, 0.1)
# Number of copies in the evidence of an estimator that predicts from the original signals.
EVIDENCE_COPIES = 10


def train_selected(
    trainer: Trainer,
    data: TrainingData,
    rows: np.ndarray,
    held_out: np.ndarray | None,
    seeds: Sequence[int],
) -> tuple[Training, float | None, dict[float, float]]:
    """Train with the given penalty, or with several and keep the one with the highest evidence.

    Parameters
    ----------
    trainer : Trainer
        Trainer of the estimator.
    data : TrainingData
        The prepared data.
    rows, held_out : ndarray of int
        Rows to train on, and those held out (or None).
    seeds : pair of int
        Seed of the weights and batches, and seed of the augmentation.

    Returns
    -------
    training : Training
        The training that is kept.
    penalty : float | None
        Its penalty. None without a learned augmentation given by name.
    scores : dict of float to float
        Log-evidence of each penalty. Empty for a single penalty.
    """
    given = trainer.estimator
    learns = isinstance(given.augmentation, str) and given.augmentation in LEARNED
    if not (learns and given.penalty == "auto"):
        penalty = None if isinstance(given.penalty, str) or not learns else given.penalty
        with trainer.isolated(seeds[0]):
            module = trainer.build(seeds[1], penalty)
            return trainer.train(module, data, rows, held_out), penalty, {}
    scores: dict[float, float] = {}
    best: tuple[Training, float] | None = None
    for penalty in PENALTIES:
        with trainer.isolated(seeds[0]):
            module = trainer.build(seeds[1], penalty)
            count_outputs(module, as_tensor(data.X[rows[:1]]))  # fails before the training
            training = trainer.train(module, data, rows, held_out)
            scores[penalty] = _evidence(trainer, training.module, data, rows, int(seeds[1]))
        if best is None or scores[penalty] > scores[best[1]]:
            best = training, penalty
    training, penalty = cast("tuple[Training, float]", best)  # there is at least one penalty
    return training, penalty, scores


def _evidence(
    trainer: Trainer, module: InvariantModule, data: TrainingData, rows: np.ndarray, seed: int
) -> float:
    weight = (data.weight[rows] / data.weight[rows].mean()).astype(np.float32)
    labels, weights = (torch.as_tensor(part) for part in (data.target[rows], weight))
    signals = lazily(data.X)[rows]
    # the evidence is that of the averaged network, even if predictions are not averaged
    n_copies = trainer.estimator.n_copies or EVIDENCE_COPIES
    return log_evidence(module, signals, labels, weights, n_copies, seed)
