"""What is read from the gradient at the output, and when that is refused."""

import pytest
import torch
from taught import LOSSES, N_COPIES, focal, learned, problem
from torch import nn

from eeginv import AugNet
from eeginv.augmentation.inference import losses_from_gradient
from eeginv.transforms import GaussianNoise


@pytest.mark.parametrize("name", [n for n in LOSSES if n != "cross-entropy"])
def test_bare_loops_with_other_losses_are_told_to_hand_over(name):
    model, X, y, criterion = problem(name)
    with pytest.raises(ValueError, match="PerExampleLoss"):
        criterion(model(X), y).mean().backward()


@pytest.mark.parametrize("reduce", [torch.mean, torch.sum, lambda losses: losses.mean() / 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_squared_error_is_verified_with_announced_targets(reduce, weighted):
    model, X, y, criterion = problem("squared error", N_COPIES)
    weights = torch.linspace(0.1, 1, 8) if weighted else torch.ones(8)

    def total(output, y, weights):
        return reduce(weights[:, None] * criterion(output, y))

    with torch.no_grad():
        there, flipped = (total(model.backbone(x), y[:8], weights) for x in (X[:8], -X[:8]))
    truth = 0.5 * (flipped - there).item() * (N_COPIES if reduce is torch.sum else 1)
    model.example_labels = y
    model.example_weights = weights.repeat(N_COPIES) if weighted else None
    total(model(X), y, weights.repeat(N_COPIES)).backward()
    assert learned(model) == pytest.approx(truth, rel=0.03)
    assert model.example_labels is None  # they are those of one batch
    model.example_labels = y
    with pytest.raises(ValueError, match="not that of a squared error towards the announced"):
        nn.functional.huber_loss(model(X), y).backward()


def test_weights_of_single_examples_have_to_be_announced():
    model, X, y, criterion = problem("cross-entropy", 4000)
    weights = torch.linspace(0.2, 2, len(X))
    with pytest.raises(ValueError, match="example_weights"):
        (weights * criterion(model(X), y)).mean().backward()
    model.example_weights = weights
    (weights * criterion(model(X), y)).mean().backward()
    model.example_weights = weights.flip(0)
    with pytest.raises(ValueError, match="of one label have one weight"):
        (weights * criterion(model(X), y)).mean().backward()


def test_focal_loss_of_single_examples_of_a_label_shows_from_step_to_step():
    # whether it shows in the second step already depends on which examples are flipped
    model, X, y, _ = problem("focal, five", random_state=1)
    X, y = X[:5], y[:5]  # one of each: nothing in a batch to compare with
    focal(model(X), y).mean().backward()
    model.backbone[1].weight.data *= 2  # as if it had learned
    with pytest.raises(ValueError, match="of one label have one weight"):
        focal(model(X), y).mean().backward()
    model, X, y, criterion = problem("cross-entropy")
    for rows in (slice(0, 5), slice(0, 1), slice(2, 3), slice(1, 4), slice(0, 1)):
        criterion(model(X[rows]), y[rows]).mean().backward()
        (65536 * criterion(model(X[rows]), y[rows]).mean() / 65536).backward()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("n_classes", [2, 5, 50])
def test_no_cross_entropy_is_refused_by_mistake(dtype, size, n_classes):
    generator = torch.Generator().manual_seed(0)
    weight = torch.rand(n_classes, generator=generator) + 0.1
    for reduction in ("mean", "sum"):
        output = size * torch.randn(200, n_classes, generator=generator)
        output = output.to(dtype).requires_grad_()
        y = torch.randint(n_classes, (200,), generator=generator)
        precise = output.float() if dtype.itemsize == 2 else output
        loss = nn.functional.cross_entropy(
            precise, y, weight.to(precise), reduction=reduction, ignore_index=0
        )
        (gradient,) = torch.autograd.grad(loss, output)
        losses_from_gradient(
            output.detach().double(), gradient.double(), "cross_entropy", dtype=dtype
        )


def test_weights_and_targets_that_were_announced_hold_for_a_second_backward_pass():
    for name in ("cross-entropy", "squared error"):
        model, X, y, criterion = problem(name, 4)
        model.example_weights = weights = torch.linspace(0.1, 2, len(X))
        model.example_labels = y
        losses = criterion(model(X), y).reshape(len(X), -1).mean(dim=1)
        loss = (weights * losses).mean()
        loss.backward(retain_graph=True)
        first = model.backbone[1].weight.grad.clone()
        loss.backward()
        torch.testing.assert_close(model.backbone[1].weight.grad, 2 * first)


def test_reward_of_a_sum_in_half_precision_does_not_overflow():
    model, X, y, _ = problem("cross-entropy", 8, penalty=1.0)
    model.augmentation = AugNet([GaussianNoise(0.1)], penalty=1.0, random_state=0).calibrate(X)
    output = (12.0 * nn.functional.one_hot(y, 5)).half().requires_grad_()
    model.backbone.forward = lambda X: output
    (8192 * nn.functional.cross_entropy(model(X).float(), y, reduction="sum")).backward()
    raw = model.augmentation.layers[0].transforms[0].raw
    (full,) = torch.autograd.grad(model.augmentation.reward(), raw)
    assert raw.grad.item() == pytest.approx(-8192 * len(X) * full.item(), rel=0.01)


def test_one_example_that_is_heard_among_certain_ones_is_weighted_by_all():
    """In a mean, each weighs by how many there are, and in a weighted one by their labels."""
    model, X, _, _ = problem("cross-entropy", penalty=0.1)
    y = torch.tensor([0, 1, 2, 3, 4, 0, 1, 2])
    model.backbone = nn.Identity()
    sure = 200.0 * nn.functional.one_hot(y, 5)
    sure[0] = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])
    output = sure.requires_grad_()
    weight = torch.tensor([0.1, 1.0, 2.0, 4.0, 8.0])
    for rows in ([0, 1], [0, 2, 3, 4], [0, 1, 2, 3, 4, 5, 6, 7], [0]):
        model.backbone.forward = lambda X, rows=rows: output[rows]
        for w in (weight, None):
            nn.functional.cross_entropy(model(X[rows]), y[rows], w).backward()


def test_scale_that_fell_several_times_between_single_examples_of_a_label():
    model, X, y, _ = problem("cross-entropy")
    for scale, row in ((65536, 0), (65536, 1), (8192, 2), (8192, 0), (16384, 1)):
        (scale * nn.functional.cross_entropy(model(X[row, None]), y[row, None])).backward()
    loss = 1.4 * 16384 * nn.functional.cross_entropy(model(X[:1]), y[:1])
    with pytest.raises(ValueError, match="of one label have one weight"):
        loss.backward()
