"""How much of the reward is paid: as far as the losses are below those of the best constant."""

import numpy as np
import pytest
import torch
from taught import LOSSES, every_loss, focal, problem, tempered
from torch import nn

from eeginv import AugNet, InvariantModule, PerExampleLoss
from eeginv.augmentation.chance import BestConstant
from eeginv.augmentation.gate import Gate
from eeginv.estimators.net import CrossEntropy
from eeginv.transforms import GaussianNoise, SignFlip


def test_level_of_the_best_constant():
    """Of label smoothing the entropy of the smoothed shares, of the others by their definition."""
    y = torch.tensor([0] * 6 + [1] * 3 + [2])
    output, weights = torch.zeros(10, 3), torch.full((10, 1), 0.1)
    one_hot = nn.functional.one_hot(y, 3)[:, None]
    shares = torch.tensor([0.6, 0.3, 0.1]).double()
    known = {
        nn.CrossEntropyLoss(reduction="none"): torch.special.entr(shares).sum(),
        nn.CrossEntropyLoss(reduction="none", label_smoothing=0.3): torch.special.entr(
            0.7 * shares + 0.1
        ).sum(),
        tempered: torch.special.entr(shares).sum(),
    }
    for criterion, level in known.items():
        found = BestConstant().update(criterion, output, y, weights, one_hot)
        assert found.item() == pytest.approx(level.item(), abs=1e-4)
    found = BestConstant().update(focal, output, y, weights, one_hot).item()
    grid = torch.cartesian_prod(*2 * [torch.linspace(-3, 1, 81)])
    constants = torch.cat([torch.zeros(len(grid), 1), grid], dim=1)
    levels = [focal(c.expand(10, -1), y).mean().item() for c in constants]
    assert min(levels) - 1e-3 < found <= min(levels)
    values = torch.tensor([[0.0], [0.0], [1.0], [9.0]])
    weights = torch.full((4, 1), 0.25)
    for criterion, level in (
        (nn.MSELoss(reduction="none"), values.var(correction=0).item()),
        (nn.L1Loss(reduction="none"), 2.5),
        (nn.HuberLoss(reduction="none", delta=0.5), 0.5 * 2.5 - 0.125 * 3 / 4),
    ):
        found = BestConstant().update(criterion, values, values, weights).item()
        assert found == pytest.approx(level, rel=0.15)
        assert found >= level * (1 - 1e-5) or criterion.__class__ is nn.HuberLoss
    prevalence = torch.tensor([[1.0], [0.0], [0.0], [0.0]])
    found = BestConstant().update(
        nn.BCEWithLogitsLoss(reduction="none"), prevalence, prevalence, weights
    )
    entropy = torch.special.entr(torch.tensor([0.25, 0.75])).sum().item()
    assert found.item() == pytest.approx(entropy, abs=1e-4)


def test_level_is_that_of_all_batches_seen():
    generator = torch.Generator().manual_seed(0)
    criterion, level = nn.L1Loss(reduction="none"), BestConstant()
    values = torch.randn(3000, 1, generator=generator).exp()
    for part in values.split(100):
        found = level.update(criterion, part, part, torch.ones(len(part), 1))
    truth = (values - values.median()).abs().mean()
    assert found.item() == pytest.approx(truth.item(), rel=0.02)
    sample = BestConstant()
    for part in torch.arange(200_000.0)[:, None].split(5000):
        sample.update(criterion, part, part, torch.ones(len(part), 1))
    assert len(sample.targets) == 2**16
    assert sample.targets.mean().item() == pytest.approx(100_000, rel=0.02)  # of early and of late


def test_losses_below_zero_are_refused():
    model, X, y, criterion = problem("cross-entropy")
    with pytest.raises(ValueError, match="add a constant to the loss"):
        PerExampleLoss(lambda out, y: criterion(out, y) - 9)(model(X), y).backward()


@every_loss
@pytest.mark.parametrize("knows", [True, False])
def test_reward_counts_as_far_as_the_targets_are_explained(name, knows):
    """An output that is constant, and one that is perfect, neither of which sees the signals."""
    model, X, y, criterion = problem(name, 4)
    _, n_outputs, loss = LOSSES[name]
    expected = float(knows)
    if loss == "squared_error":
        middle = y.mean(0) if name == "squared error" else y.median(0)[0]
        output = y if knows else middle.expand_as(y)
    else:
        one_hot, soft = nn.functional.one_hot(y, n_outputs).float(), 0.1 if "smooth" in name else 0
        labels = (1 - soft) * one_hot + soft / n_outputs
        shares = labels.mean(0)
        output = ((labels + 1e-12) if knows else shares.expand_as(labels)).log()
        output = 2 * output if name == "temperature" else output
        if knows:
            chance = torch.special.entr(shares).sum()
            expected = 1 - torch.special.entr(labels).sum(1).mean().item() / chance.item()
    # of which the losses teach nothing here, so that all that arrives is the reward
    model.augmentation = AugNet([GaussianNoise(0.1)], penalty=1.0, random_state=0).calibrate(X)
    model.backbone = nn.Identity()
    model.backbone.forward = lambda X: output
    PerExampleLoss(criterion)(model(X), y).backward()
    raw = model.augmentation.layers[0].transforms[0].raw
    (full,) = torch.autograd.grad(model.augmentation.reward(), raw)
    assert -raw.grad.item() / full.item() == pytest.approx(expected, abs=0.01)


def test_a_network_that_knows_nothing_is_not_paid():
    """Losses whose mean is above the chance level, in small batches that are below it by chance."""
    generator = torch.Generator().manual_seed(0)
    gate, alone = Gate(), []
    paid = []
    for _ in range(400):
        losses = 1.12 * 2 * torch.rand(8, 1, generator=generator)
        weights = torch.full((8, 1), 1 / 8)
        paid.append(gate.update(losses, weights, torch.tensor(1.0)).item())
        alone.append(Gate().update(losses, weights, torch.tensor(1.0)).item())
    assert np.mean(alone) > 0.02  # what clamping batch by batch pays
    assert np.mean(paid[10:]) < 1e-3
    share = [gate.update(torch.full((8, 1), 0.4), weights, torch.tensor(1.0)) for _ in range(400)]
    assert share[-1].item() == pytest.approx(0.6, abs=0.01)  # and it follows


def test_positions_in_the_net_of_the_estimators():
    """The level of chance is that of the labels, whose numbers mean nothing."""
    y = torch.tensor([[0, 2], [0, 2], [0, 0], [2, 0]])
    model = InvariantModule(nn.Conv1d(1, 3, 3, 3), AugNet([SignFlip(0.3)], random_state=0)).train()
    PerExampleLoss(CrossEntropy())(model(torch.randn(4, 1, 6)), y, torch.ones(4)).backward()
    level = model._chance.update(torch.zeros(1, 1, 3), torch.zeros(1, 1))
    shares = torch.tensor([5 / 8, 0, 3 / 8])
    assert level.item() == pytest.approx(torch.special.entr(shares).sum().item(), rel=1e-6)
