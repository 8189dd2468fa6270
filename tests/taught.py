"""Small problems whose exact derivative by a choice is known, under several losses."""

import pytest
import torch
from torch import nn

from eeginv import AugNet, InvariantModule
from eeginv.transforms import SignFlip

PROBABILITY = 0.3
# Of each example: so many that 3 % is four standard errors of the estimates or more.
N_COPIES = 128_000


def focal(output, target):
    log_p = output.log_softmax(1).gather(1, target[:, None])[:, 0]
    return -((1 - log_p.exp()) ** 2) * log_p


def tempered(output, target):
    return nn.functional.cross_entropy(output / 2, target, reduction="none")


def smoothed(output, target):
    return nn.functional.cross_entropy(output, target, label_smoothing=0.1, reduction="none")


# name: losses, number of outputs, the loss that the module is told of
LOSSES = {
    "cross-entropy": (nn.CrossEntropyLoss(reduction="none"), 5, "cross_entropy"),
    "label smoothing": (smoothed, 2, "cross_entropy"),
    "label smoothing, five": (smoothed, 5, "cross_entropy"),
    "focal": (focal, 2, "cross_entropy"),
    "focal, five": (focal, 5, "cross_entropy"),
    "temperature": (tempered, 2, "cross_entropy"),
    "squared error": (nn.MSELoss(reduction="none"), 2, "squared_error"),
    "Huber": (nn.HuberLoss(reduction="none"), 2, "squared_error"),
    "L1": (nn.L1Loss(reduction="none"), 2, "squared_error"),
}
every_loss = pytest.mark.parametrize("name", LOSSES)


def problem(name, n_copies=1, penalty=0.0, random_state=0):
    """Return module, signals and targets: examples that repeat, whose draws do not."""
    criterion, n_outputs, loss = LOSSES[name]
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(8, 1, 6, generator=generator)
    if loss == "squared_error":
        y = 2 * torch.randn(8, n_outputs, generator=generator)
    else:
        y = torch.arange(8) % n_outputs
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, n_outputs))
    nn.init.normal_(net[1].weight, std=0.7, generator=generator)
    nn.init.zeros_(net[1].bias)
    A = AugNet([SignFlip(PROBABILITY)], penalty=penalty, random_state=random_state)
    model = InvariantModule(net, A, loss=loss).train()
    return model, X.repeat(n_copies, 1, 1), y.repeat(n_copies, *(1 for _ in y.shape[1:])), criterion


def exact(model, X, y, criterion):
    """Derivative of the mean expected loss with respect to the free parameter of the flip."""
    with torch.no_grad():
        there, flipped = (criterion(model.backbone(x), y).mean() for x in (X, -X))
    return (flipped - there).item() * model.augmentation.layers[0].transforms[0].max_strength


def learned(model):
    return model.augmentation.layers[0].transforms[0].raw.grad.item()
