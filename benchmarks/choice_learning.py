"""What estimators of the gradient of choices do to learning, on tasks with known truth.

Each row is one training of ``recovery.py``, one layer that chooses, with the estimator exchanged,
a smaller weight of the reward and a constant learning rate; ``choice_gradients.py`` runs and
reports them.
"""

import recovery
import torch
from choice_estimators import enumerated_losses, others_mean, pathwise
from torch import nn

from eeginv import AugNet
from eeginv.augmentation.baseline import Baseline
from eeginv.augmentation.chance import ChanceLevel

PENALTY = 0.05  # weight of the reward

SHIPPED = "score function, baseline of the label (shipped)"
TASKS = ["sinusoids", "direction"]


class BaselineOfAll(Baseline):
    """Mean loss of the other examples of the batch, whatever their label."""

    def update(self, losses, weights, labels):
        nothing = torch.zeros(len(losses), dtype=torch.int64)
        return others_mean(losses[:, 0], weights[:, 0], nothing).unsqueeze(1)


def with_baseline_of_all(model, X, y):
    """Return the loss of a batch, with the baseline exchanged."""
    if not isinstance(model._baseline, BaselineOfAll):
        model._baseline = BaselineOfAll()
    return recovery.cross_entropy(model, X, y)


def enumeration(n_classes):
    """Return the function that computes the expected loss, and subtracts the reward."""
    chance = ChanceLevel("cross_entropy")

    def loss(model, X, y):
        augmentation = model.augmentation
        if not augmentation.calibrated:
            augmentation.calibrate(X)
        one_hot = nn.functional.one_hot(y, n_classes)
        generator = augmentation.stream.advance(X.device)
        ((losses, weights),) = enumerated_losses(
            augmentation, model.backbone, X, y, torch.ones(n_classes), generator
        )
        mean = (weights * losses).sum()
        level = chance.update(one_hot.unsqueeze(1).double(), weights.double().unsqueeze(1))
        explained = (1 - mean.detach() / level).clamp(0, 1)
        return mean - explained * augmentation.reward()

    return loss


def learner(estimator, transforms, n_classes, seed):
    """Return the augmentation and the loss of a batch."""
    augmentation = AugNet(transforms, 1, penalty=PENALTY, random_state=seed)
    if estimator == "mixture":  # relaxed events of temperature 0.05, as published
        return pathwise(augmentation, "mixture", 0.05), recovery.cross_entropy
    if estimator == "straight-through":
        return pathwise(augmentation, "straight-through", 0.5), recovery.cross_entropy
    if estimator == "enumeration":
        return augmentation, enumeration(n_classes)
    if estimator == "score function, baseline of all":
        return augmentation, with_baseline_of_all
    return augmentation, recovery.cross_entropy


LEARNERS = [
    "mixture",
    "straight-through",
    "enumeration",
    "score function, baseline of all",
    SHIPPED,
]


def learn(task, estimator, seed):
    """Train once; return what was found."""
    torch.set_num_threads(1)
    if task == "sinusoids":
        X, y, transforms = recovery.noisy_sinusoids(recovery.AS_IN_THE_PAPER, seed)
        make_backbone, epochs = lambda: recovery.FrequencyNet(1, 4), 50
    else:
        X, y, transforms = recovery.opposed_classes(task, seed)
        make_backbone, epochs = lambda: recovery.FrequencyNet(1, 2, 8), 100
    augmentation, loss = learner(estimator, transforms, int(y.max()) + 1, seed)
    model, policies = recovery.train(
        X, y, make_backbone, augmentation, seed, epochs, loss, decay=False
    )
    found = recovery.learned(policies)
    first, *others = (type(t).__name__ for t in transforms)
    extent, weight = found[f"{first} extent"], found[f"{first} weight"]
    accuracy = (recovery.predict(model, X).argmax(1).numpy() == y).mean()
    return {
        "task": task,
        "estimator": estimator,
        "seed": seed,
        "extent": extent,
        "weight": weight,
        "named": weight > max(found[f"{other} weight"] for other in others),
        "share of range": extent * weight / transforms[0].max_strength,
        "accuracy": accuracy,
    }
