"""DADA and ADDA: the estimated derivative is that of the held-out loss after one step."""

import copy
import itertools

import numpy as np
import pytest
import torch
from searched import Linear, data, prototype
from torch import nn

from eeginv import ADDASearch, DADASearch
from eeginv.estimators import Trainer
from eeginv.search.by_gradient import one_step
from eeginv.search.by_gradient.relax import relax_gradient
from eeginv.search.problem import Problem
from eeginv.transforms import REGISTRY, SignFlip, TimeReverse, Transform

INNER, OUTER = torch.arange(8), torch.arange(8, 16)
LENGTH = 1e-3
SEARCHES = {
    "DADA": lambda: DADASearch(prototype(), n_operations=2, search_lr=LENGTH),
    "ADDA": lambda: ADDASearch(prototype(), n_operations=2, search_lr=LENGTH),
}


class Gain(Transform):
    """Amplify by a known factor, so that expectations can be written out."""

    def _draw(self, draws):
        return {"nothing": draws.uniform()}

    def _transform(self, X, noise, strength):
        return X * (1 + strength)


@pytest.fixture(autouse=True)
def seeded(monkeypatch):
    monkeypatch.setitem(REGISTRY, "Gain", Gain)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def problem():
    X, y, _ = data(16)
    target = torch.from_numpy((y == "left").astype(np.int64))
    weight = torch.linspace(0.5, 1.5, 16, dtype=torch.float64)
    candidates = [SignFlip(), Gain(1.0, 2.0), TimeReverse()]
    X, rows = torch.from_numpy(X).double(), np.arange(16)
    trainer = Trainer(prototype().under(None))
    return Problem(trainer, candidates, X, target, weight, rows, rows)


def make_learner(name, monkeypatch):
    """Return a learner in double precision, its policy somewhere, its step lengths all one."""
    given = problem()
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Tanh(), nn.Linear(3, 2)).double()
    monkeypatch.setattr(given, "make_network", lambda: network)
    search = SEARCHES[name]()
    learner = one_step.OneStepLearner(search, given, search._sub_policies(given)).double()
    space = learner.policy_step.sub_policies
    with torch.no_grad():
        space.choice.normal_()
        space.gates.normal_()
        for raw in space.strengths():
            raw.uniform_(0.3, 0.7)
    learner.network_step.scales.n_steps.fill_(1)
    learner.network_step.scales.mean_square.fill_(1 - learner.network_step.scales.decay)
    monkeypatch.setattr(learner.network_step.scales, "update", lambda gradients: None)
    return learner


def held_out_loss(learner):
    """One step on the expected loss, with all outcomes of the choices written out."""
    given, space = learner.problem, learner.policy_step.sub_policies
    network = copy.deepcopy(learner.network_step.network)
    loss = nn.CrossEntropyLoss(reduction="none")
    context = torch.zeros(1, dtype=torch.long)
    logits = space.logits(context)[0].detach()
    expected = 0
    for outcomes in itertools.product(range(space.n_outcomes), repeat=space.n_variables):
        outcomes = torch.tensor(outcomes)
        chance = logits.gather(1, outcomes[:, None]).sum().exp()
        slots = space.slots(context, outcomes[None]).expand(8, -1)
        with torch.no_grad():
            X = space.transform(given.X[INNER], slots)[0]
        losses = loss(network(X), given.y[INNER]) * given.weight[INNER]
        expected = expected + chance * losses.mean()
    gradients = torch.autograd.grad(expected, list(network.parameters()))
    with torch.no_grad():
        for parameter, gradient in zip(network.parameters(), gradients, strict=True):
            parameter -= LENGTH * gradient
        losses = loss(network(given.X[OUTER]), given.y[OUTER]) * given.weight[OUTER]
        return losses.mean().item()


def finite_differences(learner, h=1e-4):
    space = learner.policy_step.sub_policies
    slopes = []
    for parameter in [space.choice, space.gates, *space.strengths()]:
        for index in np.ndindex(*parameter.shape):
            values = []
            for sign in (1, -1):
                parameter.data[index] += sign * h
                values.append(held_out_loss(learner))
                parameter.data[index] -= sign * h
            slopes.append((values[0] - values[1]) / (2 * h))
    return torch.tensor(slopes, dtype=torch.float64)


def estimate(learner, copies):
    """One estimate from so many copies of the inner batch."""
    given, step = learner.problem, learner.policy_step
    rows = INNER.repeat(copies)
    transformed, drawn = step.draw(given.X[rows], given.y[rows])
    after, _ = learner.network_step.after(transformed.detach(), rows)
    outer_gradient, _ = learner.network_step.losses.gradient(given.X[OUTER], OUTER, after)
    step.zero_grad()
    step.gradients(drawn, learner.network_step.gain(transformed, rows, outer_gradient) / LENGTH)
    space = step.sub_policies
    return torch.cat(
        [
            torch.zeros(p.numel()) if p.grad is None else p.grad.flatten()
            for p in [space.choice, space.gates, *space.strengths()]
        ]
    )


@pytest.mark.parametrize("name", SEARCHES)
def test_unbiased_for_the_derivative_of_the_held_out_loss(name, monkeypatch):
    learner = make_learner(name, monkeypatch)
    truth = finite_differences(learner) / LENGTH
    samples = torch.stack([estimate(learner, 100) for _ in range(60)])
    error = samples.std(dim=0) / len(samples) ** 0.5
    deviation = (samples.mean(dim=0) - truth).abs()
    # a parameter that nothing depends on has neither
    z = torch.where(error > 0, deviation / error, (deviation > 1e-9).double() * 99)
    assert z.max() < 4  # the largest of twenty or so
    assert (z < 3).double().mean() >= 0.9
    # and precise enough to tell
    assert error.norm() < 0.15 * truth.norm()
    cosine = nn.functional.cosine_similarity(samples.mean(dim=0), truth, dim=0)
    assert cosine > 0.98


@pytest.mark.parametrize("name", SEARCHES)
def test_contribution_is_the_decrease_that_each_example_brings(name, monkeypatch):
    """Exactly the inner product with the gradient of the example, and differentiable."""
    learner = make_learner(name, monkeypatch)
    given, losses = learner.problem, learner.network_step.losses
    X = given.X[INNER].clone().requires_grad_()
    outer_gradient, _ = losses.gradient(given.X[OUTER], OUTER)
    worth = learner.network_step.contribution(X, INNER, outer_gradient)
    for i in range(8):
        gradient, _ = losses.gradient(X[i : i + 1], INNER[i : i + 1])
        product = sum((a * b).sum() for a, b in zip(gradient, outer_gradient, strict=True))
        torch.testing.assert_close(worth[i], LENGTH * product)
    (slope,) = torch.autograd.grad(worth.sum(), X)
    step = torch.randn_like(X)
    h = 1e-5
    ahead, behind = (
        learner.network_step.contribution(X + sign * h * step, INNER, outer_gradient).sum()
        for sign in (1, -1)
    )
    torch.testing.assert_close((slope * step).sum(), (ahead - behind) / (2 * h), rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", SEARCHES)
def test_relax_has_less_variance_than_the_score_function(name, monkeypatch):
    learner = make_learner(name, monkeypatch)
    given, step = learner.problem, learner.policy_step
    outer_gradient, _ = learner.network_step.losses.gradient(given.X[OUTER], OUTER)

    def draw(n_copies):
        rows = INNER.repeat(n_copies)
        transformed, drawn = step.draw(given.X[rows], given.y[rows])
        return drawn, learner.network_step.contribution(transformed, rows, outer_gradient)

    for group in step.optimizers[0].param_groups:
        group["lr"] = 0.0
    for _ in range(300):
        step.step(*draw(8))
    (context, logits, choices, _), worth = draw(1000)
    worth = worth.detach() / step._size(worth)
    controls = {
        "RELAX": lambda relaxed: step.control(relaxed, context),
        "score function": lambda relaxed: relaxed.sum(dim=(1, 2)) * 0,
    }
    spread = {
        key: relax_gradient(logits, choices, worth, control).detach().var(dim=0).sum()
        for key, control in controls.items()
    }
    assert spread["RELAX"] < 0.9 * spread["score function"]


@pytest.mark.parametrize("name", SEARCHES)
def test_gain_is_free_of_dropout_and_of_the_example(name, monkeypatch):
    """Where nothing is done to an example, nothing is gained, and the spread is smaller."""
    learner = make_learner(name, monkeypatch)
    learner.network_step.network.insert(1, nn.Dropout(0.5))
    given = learner.problem
    outer_gradient, _ = learner.network_step.losses.gradient(given.X[OUTER], OUTER)
    arguments = (INNER, outer_gradient)
    assert (learner.network_step.gain(given.X[INNER], *arguments) == 0).all()
    worth, gain = [], []
    for _ in range(200):
        little = given.X[INNER] * 1.1
        worth.append(learner.network_step.contribution(little, *arguments))
        gain.append(learner.network_step.gain(little, *arguments))
    worth, gain = torch.stack(worth).detach(), torch.stack(gain).detach()
    assert gain.var(dim=0).sum() < 0.2 * worth.var(dim=0).sum()


@pytest.mark.parametrize("cls", [ADDASearch, DADASearch])
def test_extra_passes_do_not_move_batch_statistics(cls, monkeypatch):
    X, y, groups = data()
    counts, original = [], one_step.OneStepLearner.step

    def step(self, *args):
        result = original(self, *args)
        counts.append(self.network_step.network.backbone.norm.num_batches_tracked.item())
        return result

    monkeypatch.setattr(one_step.OneStepLearner, "step", step)
    search = cls(
        prototype(backbone=Linear),
        transforms=[SignFlip(), TimeReverse()],
        search_epochs=2,
        warmup_epochs=1,
        refit=False,
        random_state=0,
    )
    search.fit(X, y, groups=groups)
    assert counts == list(range(1, 9))
