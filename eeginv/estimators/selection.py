"""Training with one weight of the reward, or with several to choose from."""

import numpy as np
import torch

from .augmentation_names import LEARNED
from .evidence import count_outputs, log_evidence

# What penalty="auto" chooses among.
PENALTIES = (0.005, 0.02, 0.05, 0.1)


def train_selected(trainer, data, rows, held_out, seeds):
    """Train with the given penalty, or with several and keep the one of most evidence.

    Parameters
    ----------
    trainer : Trainer
        Of the estimator.
    data : TrainingData
        The prepared data.
    rows, held_out : ndarray of int
        Rows to train on, and those held out (or None).
    seeds : pair of int
        Of the weights and batches, and of the augmentation.

    Returns
    -------
    training : Training
        What is kept.
    penalty : float | None
        Its penalty; None where nothing is learned by name.
    scores : dict of float to float
        Evidence of each penalty, where there were several.
    """
    given = trainer.estimator
    learns = isinstance(given.augmentation, str) and given.augmentation in LEARNED
    if not (learns and given.penalty == "auto"):
        penalty = given.penalty if learns else None
        with trainer.isolated(seeds[0]):
            module = trainer.build(seeds[1], penalty)
            return trainer.train(module, data, rows, held_out), penalty, {}
    scores, best = {}, None
    for penalty in PENALTIES:
        with trainer.isolated(seeds[0]):
            module = trainer.build(seeds[1], penalty)
            count_outputs(module, torch.as_tensor(data.X[rows][:1]))  # not after a whole training
            training = trainer.train(module, data, rows, held_out)
            scores[penalty] = _evidence(trainer, training.module, data, rows, int(seeds[1]))
        if best is None or scores[penalty] > scores[best[1]]:
            best = training, penalty
    return *best, scores


def _evidence(trainer, module, data, rows, seed):
    weight = (data.weight[rows] / data.weight[rows].mean()).astype(np.float32)
    arrays = (data.X[rows], data.target[rows], weight)
    signals, labels, weights = (torch.as_tensor(a, device=trainer.device) for a in arrays)
    return log_evidence(module, signals, labels, weights, trainer.estimator.n_copies, seed)
