"""How choices learn from the gradient at the output."""

import copy

import pytest
import torch
from augmented import augnet, backbone, signals
from torch import nn

from eeginv import AugNet, InvariantModule
from eeginv.augmentation.baseline import Baseline
from eeginv.augmentation.chance import ChanceLevel
from eeginv.augmentation.gradient import Past, Step, learn_from_output
from eeginv.augmentation.inference import losses_from_gradient
from eeginv.transforms import (
    SignFlip,
    TimeReverse,
)

# the learning signal ------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("positions", [(), (4,)])
def test_losses_are_recovered_from_the_gradient_of_cross_entropy(weighted, positions):
    generator = torch.Generator().manual_seed(0)
    shape = (10, 5, *positions)
    output = (3 * torch.randn(shape, generator=generator, dtype=torch.float64)).requires_grad_()
    target = torch.randint(5, (10, *positions), generator=generator)
    losses = nn.functional.cross_entropy(output, target, reduction="none")
    weights, announced = torch.ones_like(losses) / losses.numel(), None
    if weighted:  # by labels, and by examples
        announced = torch.rand(10, generator=generator, dtype=torch.float64)
        weights = torch.rand(5, generator=generator, dtype=torch.float64)[target]
        weights = weights * announced.reshape(10, *(1 for _ in positions))
    (gradient,) = torch.autograd.grad((losses * weights).sum(), output)
    found, of_example, targets = losses_from_gradient(
        output.detach(), gradient, "cross_entropy", announced
    )
    torch.testing.assert_close(of_example, weights.reshape(10, -1))
    torch.testing.assert_close(found, losses.detach().reshape(10, -1))
    # the loss of the constant output that fits best
    shares = torch.stack([weights[target == k].sum() for k in range(5)]) / weights.sum()
    constant = nn.functional.cross_entropy(
        shares.log().reshape(1, 5, *(1 for _ in positions)).expand(shape), target, reduction="none"
    )
    expected = (constant * weights).sum() / weights.sum()
    level = ChanceLevel("cross_entropy").update(targets, of_example)
    torch.testing.assert_close(level, expected)
    labels = targets.argmax(dim=-1).reshape(target.shape)
    assert torch.equal(labels, target)


def test_confident_and_weightless_examples_are_recovered_too():
    output = torch.tensor([[40.0, 0.0], [0.0, 90.0], [0.0, 1.0]]).double().requires_grad_()
    losses = nn.functional.cross_entropy(output, torch.tensor([0, 0, 1]), reduction="none")
    weights = torch.tensor([0.5, 0.5, 0.0]).double()
    (gradient,) = torch.autograd.grad((losses * weights).sum(), output)
    found, of_example, _ = losses_from_gradient(output.detach(), gradient, "cross_entropy")
    torch.testing.assert_close(of_example[:, 0], weights)
    torch.testing.assert_close(found[:2, 0], losses.detach()[:2])


def test_losses_are_recovered_from_the_gradient_of_the_squared_error():
    output, target = torch.randn(6, 2).requires_grad_(), torch.randn(6, 2)
    loss = nn.functional.mse_loss(output, target)
    (gradient,) = torch.autograd.grad(loss, output)
    found, weights, targets = losses_from_gradient(
        output.detach(), gradient, "squared_error", targets=target
    )
    torch.testing.assert_close(found[:, 0], (output - target).square().mean(dim=1).detach())
    torch.testing.assert_close(weights, torch.full((6, 1), 1 / 6))
    chance = ChanceLevel("squared_error").update(targets, weights)
    torch.testing.assert_close(chance, target.var(dim=0, correction=0).mean())


def test_weighted_squared_error_is_recovered_with_its_weights():
    output, target, w = torch.randn(6, 2).requires_grad_(), torch.randn(6, 2), torch.rand(6)
    w[0] = 0.0
    loss = ((output - target).square().mean(dim=1) * w).mean()
    (gradient,) = torch.autograd.grad(loss, output)
    found, weights, targets = losses_from_gradient(
        output.detach(), gradient, "squared_error", w, target
    )
    torch.testing.assert_close(weights[:, 0], w / 6)
    torch.testing.assert_close((found * weights).sum(), loss.detach())
    mean = (target * w[:, None]).sum(0) / w.sum()
    constant = ((target - mean).square().mean(1) * w).sum() / w.sum()
    torch.testing.assert_close(ChanceLevel("squared_error").update(targets, weights), constant)


@pytest.mark.parametrize(
    "criterion",
    [
        nn.CrossEntropyLoss(label_smoothing=0.2),
        nn.NLLLoss(),
        lambda output, y: nn.functional.binary_cross_entropy_with_logits(output[:, 0], y.float()),
    ],
)
def test_losses_it_cannot_learn_from_are_refused(criterion):
    net = backbone()
    nn.init.normal_(net[1].weight, std=0.3, generator=torch.Generator().manual_seed(0))
    model = InvariantModule(net, augnet()).train()
    with pytest.raises(ValueError, match="cross-entropy of logits"):
        criterion(model(signals()), torch.arange(8) % 2).backward()


def test_loading_an_initial_state_measures_the_data_again():
    A = augnet()
    fresh = copy.deepcopy(A.state_dict())
    A(signals())
    A.load_state_dict(fresh)
    assert not A.calibrated
    A(signals())
    assert torch.isfinite(A.reward())


def test_choices_learn_the_gradient_of_the_expected_loss():
    """Against enumeration, for a layer whose candidates are always applied."""
    always = {"probability": 1.0, "max_probability": 1.0}
    X = signals(n=1, times=5).expand(100_000, -1, -1)
    y = torch.zeros(len(X), dtype=torch.long)
    net = nn.Sequential(nn.Flatten(), nn.Linear(10, 3)).requires_grad_(False)
    nn.init.normal_(net[1].weight, generator=torch.Generator().manual_seed(1))
    A = AugNet([TimeReverse(**always), SignFlip(**always)], 1, penalty=0.0, random_state=0)
    A.layers[0].logits.data = torch.tensor([0.3, -0.4])
    model = InvariantModule(net, A).train()
    nn.functional.cross_entropy(model(X), y).backward()
    logits = A.layers[0].logits.detach().clone().requires_grad_()
    losses = torch.stack(
        [nn.functional.cross_entropy(net(one), y[:1]) for one in (X[:1].flip(-1), -X[:1])]
    )
    (truth,) = torch.autograd.grad((logits.softmax(0) * losses).sum(), logits)
    assert truth.abs().max() > 0.05
    torch.testing.assert_close(
        A.layers[0].logits.grad, truth, atol=0.02 * truth.abs().max(), rtol=0
    )


LABELS = torch.tensor([0] * 9 + [1] * 6 + [2])  # one label occurs once
EXAMPLE_WEIGHTS = torch.tensor([0.05, 0.1, 0.3])[LABELS]


def estimates_of_a_choice(kind, n_batches, p=0.3):
    """Derivatives of the loss with respect to the probability p of an event that changes outputs.

    Returns one estimate a batch, the same with the mean of all others as baseline, and the truth.
    """
    generator = torch.Generator().manual_seed(0)
    n, shape = len(LABELS), {"labels": (3,), "dense": (3, 4), "values": (2,)}[kind]
    outputs = torch.randn(2, n, *shape, generator=generator, dtype=torch.float64)
    if kind == "values":
        target = outputs[0] + torch.randn(n, 2, generator=generator)
        outputs[1] += 0.5 * (outputs[1] - target)
        losses, loss = (outputs - target).square().mean(dim=-1), "squared_error"
        weights = torch.full((n,), 1 / n).double()
    else:
        target = LABELS if kind == "labels" else (LABELS[:, None] + torch.arange(4) // 2) % 3
        labels = nn.functional.one_hot(target, 3).movedim(-1, 1)
        # labels differ in how hard they are, and the event makes all of them harder
        ease = torch.tensor([3.0, -2.0, 0.0])[target].unsqueeze(1)
        outputs += (ease - torch.tensor([0.0, 1.0]).reshape(2, *(1 for _ in ease.shape))) * labels
        losses = torch.stack(
            [nn.functional.cross_entropy(o, target, reduction="none") for o in outputs]
        )
        losses, loss = losses.reshape(2, n, -1).mean(dim=2), "cross_entropy"
        weights = EXAMPLE_WEIGHTS.double()
    truth = (weights * (losses[1] - losses[0])).sum()
    chance, baseline, past, ours, plain = ChanceLevel(loss), Baseline(), Past(), [], []
    for _ in range(n_batches):
        happened = torch.rand(n, generator=generator) < p
        probability = torch.tensor(p, dtype=torch.float64, requires_grad=True)
        log_prob = torch.where(happened, probability.log(), torch.log1p(-probability))
        mask = happened.reshape(n, *(1 for _ in shape))
        output = torch.where(mask, outputs[1], outputs[0]).requires_grad_()
        step = Step(log_prob, torch.zeros(()), chance, baseline, past=past)
        step.targets = target if kind == "values" else None
        step.weights = weights if kind == "dense" else None  # not those of the labels of positions
        out = learn_from_output(output, step)
        if kind == "values":
            total = nn.functional.mse_loss(out, target)
        else:
            of_position = nn.functional.cross_entropy(out, target, reduction="none")
            total = (weights * of_position.reshape(n, -1).mean(dim=1)).sum()
        total.backward()
        ours.append(probability.grad)
        drawn = torch.where(happened, losses[1], losses[0])
        others = ((weights * drawn).sum() - weights * drawn) / (weights.sum() - weights)
        score = torch.where(happened, 1 / p, -1 / (1 - p))
        plain.append((weights * (drawn - others) * score).sum())
    return torch.stack(ours), torch.stack(plain), truth


@pytest.mark.parametrize("kind", ["labels", "dense", "values"])
def test_baseline_leaves_the_gradient_unbiased_and_narrows_it(kind):
    """With weights, with a label that occurs once, with positions that share what they undergo."""
    ours, plain, truth = estimates_of_a_choice(kind, 3000)
    error = ours.std() / len(ours) ** 0.5
    assert (ours.mean() - truth).abs() < 3 * error
    assert 3 * error < 0.25 * truth.abs()  # the test can tell
    assert ours.std() < (1.02 if kind == "values" else 0.8) * plain.std()


def test_baseline_does_not_depend_on_the_loss_of_the_example_itself():
    generator = torch.Generator().manual_seed(0)
    labels = nn.functional.one_hot(LABELS, 3)[:, None].expand(-1, 2, -1)
    losses, weights = torch.rand(2, len(LABELS), 2, generator=generator).double()
    before = Baseline().update(losses, weights, labels)
    for example in (0, 10, 15):
        changed = losses.clone()
        changed[example] += 100
        after = Baseline().update(changed, weights, labels)
        torch.testing.assert_close(after[example], before[example])
        others = torch.arange(len(LABELS)) != example
        assert (after[others] != before[others]).all()


def test_baseline_of_batches_of_one_is_what_was_seen_before():
    baseline, one = Baseline(), torch.ones(1, 1).double()
    first, second = (nn.functional.one_hot(torch.tensor([[k]]), 2) for k in (0, 1))
    assert baseline.update(5 * one, one, first) == 5  # nothing to compare with, nothing to learn
    assert baseline.update(3 * one, one, second) == 5  # no loss of this label yet
    assert baseline.update(7 * one, one, second) == pytest.approx(3)
    assert baseline.update(9 * one, one, first) == pytest.approx(5)


def test_reward_enters_any_loop_with_its_sign_and_scale():
    X, y = signals(), torch.zeros(8, dtype=torch.long)
    A = augnet(penalty=0.7)
    model = InvariantModule(backbone().requires_grad_(False), A).train()
    with torch.no_grad():
        model.backbone[1].bias[0] += 20.0  # certain of the only class of the batch
    # which is one of two classes of the training data: all of their entropy is explained
    model._chance.update(
        nn.functional.one_hot(torch.arange(8) % 2, 3).double()[:, None], y[:, None] + 1e6
    )
    model(X)  # measures the displacements
    (expected,) = torch.autograd.grad(A.reward(), A.layers[0].transforms[5].raw)
    without = copy.deepcopy(model)
    without.augmentation.penalty = 0.0
    for scale in (1.0, 8.0):
        grads = []
        for m in (copy.deepcopy(model), copy.deepcopy(without)):
            (scale * nn.functional.cross_entropy(m(X), y)).backward()
            grads.append(m.augmentation.layers[0].transforms[5].raw.grad)
        torch.testing.assert_close(grads[0] - grads[1], -scale * expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("confidence", [0.0, 0.7, 2.0, 50.0])
def test_reward_counts_as_far_as_the_labels_are_explained(confidence):
    """Nothing at chance, in proportion to the loss that is explained, everything at the end."""
    y = torch.tensor([0, 1, 1, 0, 1])
    output = (confidence * nn.functional.one_hot(y, 2)).double().requires_grad_()
    reward = torch.zeros((), dtype=torch.float64, requires_grad=True)
    step = Step(torch.zeros(5), reward, ChanceLevel("cross_entropy"), Baseline())
    loss = nn.functional.cross_entropy(learn_from_output(output, step), y)
    loss.backward()
    chance = torch.special.entr(torch.tensor([0.4, 0.6]).double()).sum()
    explained = (1 - loss.detach() / chance).clamp(0, 1)
    torch.testing.assert_close(reward.grad, -explained)
    assert (explained == 0) == (confidence == 0)


def test_output_values_are_untouched():
    output = torch.randn(4, 3, requires_grad=True)
    step = Step(torch.zeros(4), torch.zeros(()), ChanceLevel("cross_entropy"), Baseline())
    out = learn_from_output(output, step)
    assert torch.equal(out, output)


def polar_decays():
    """Labels are the direction of time: polarity is free, reversal is not."""
    generator = torch.Generator().manual_seed(0)
    ramp = torch.linspace(-1, 1, 50)
    y = torch.randint(2, (400,), generator=generator)
    sign = 2 * torch.randint(2, (400,), generator=generator) - 1
    decay = torch.exp(-3 * (ramp + 1) / 2)
    X = torch.where(y[:, None] == 0, decay, decay.flip(0)) * sign[:, None]
    return (X + 0.1 * torch.randn(400, 50, generator=generator))[:, None], y


def train_with(A, X, y, epochs=80):
    """Train a perceptron behind an augmentation, in a loop that knows nothing of it."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(50, 32), nn.ReLU(), nn.Linear(32, 2))
    model = InvariantModule(net, A)
    optimizer = torch.optim.Adam(
        [{"params": net.parameters(), "lr": 1e-3}, {"params": A.parameters(), "lr": 0.02}]
    )
    for _ in range(epochs):
        for rows in torch.randperm(400, generator=generator).split(50):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X[rows]), y[rows]).backward()
            optimizer.step()
    return model.eval()


def test_bare_loop_learns_what_does_no_harm_and_not_what_does():
    X, y = polar_decays()
    A = AugNet([TimeReverse(0.25), SignFlip(0.25)], penalty=0.02, random_state=0)
    model = train_with(A, X, y)
    table = A.policy().by_transform()
    assert table.usage["SignFlip"] > 0.3
    assert table.usage["TimeReverse"] < 0.05
    accuracy = (model(X).argmax(1) == y).float().mean()
    assert accuracy > 0.98
    torch.testing.assert_close(model(X), model(-X), atol=0.5, rtol=0.1)


def test_a_choice_that_is_all_but_made_can_be_undone():
    X, y = polar_decays()
    A = AugNet([TimeReverse(0.25), SignFlip(0.25)], n_layers=1, penalty=0.02, random_state=0)
    with torch.no_grad():
        A.layers[0].logits.copy_(torch.tensor([0.98, 0.02]).log())
    train_with(A, X, y)
    table = A.policy().by_transform()
    assert table.usage["TimeReverse"] < 0.05
    assert table.usage["SignFlip"] > 0.2
    assert A.layers[0].weights[1] > 0.5


def test_chance_level_is_that_of_all_batches_seen():
    labels = torch.randint(3, (300,), generator=torch.Generator().manual_seed(0))
    one_hot = nn.functional.one_hot(labels, 3).double().unsqueeze(1)
    level = ChanceLevel("cross_entropy")
    for part in one_hot.split(1):  # even of one example each
        last = level.update(part, torch.ones(1, 1))
    shares = torch.bincount(labels).double() / 300
    torch.testing.assert_close(last, torch.special.entr(shares).sum())
