"""DDAS: the gradient, the contract, and bad input."""

import numpy as np
import pytest
import torch
from searched import Linear, data, prototype
from sklearn.base import clone, is_classifier
from torch import nn

from eeginv import DDASSearch, InvariantRegressor, Policy
from eeginv.estimators import Trainer
from eeginv.search import ddas
from eeginv.search.problem import Problem, split
from eeginv.transforms import GaussianNoise, SignFlip, TimeReverse


def search(**kwargs):
    options = {"search_epochs": 2, "n_levels": 2, "random_state": 0}
    transforms = [TimeReverse(), SignFlip(), GaussianNoise()]
    return DDASSearch(prototype(), **{"transforms": transforms, **options, **kwargs})


def test_meta_gradient_is_the_derivative_of_the_held_out_loss(monkeypatch):
    """Every sequence is enumerated, so that finite differences can tell."""
    X, y, _ = data(16)
    X, target = torch.from_numpy(X).double(), torch.from_numpy((y == "left").astype(np.int64))
    every = torch.tensor([[0], [1]])
    monkeypatch.setattr(ddas.torch, "randint", lambda high, shape=None, **k: _draw(high, shape))

    def _draw(high, shape):
        return every if shape == (2, 1) else torch.zeros((), dtype=torch.int64)

    torch_state = torch.get_rng_state()
    torch.manual_seed(0)
    start = nn.Sequential(nn.Flatten(), nn.Linear(64, 2), nn.Tanh(), nn.Linear(2, 2)).double()
    torch.set_rng_state(torch_state)
    length = 1e-3
    model = DDASSearch(prototype(), n_views=2, n_operations=1, search_lr=length)
    criterion = nn.CrossEntropyLoss(reduction="none")
    rows, outer = torch.arange(8), torch.arange(8, 16)

    def held_out_loss(logits, gate):
        """One step on the expected loss, written out."""
        net = _copy(start)
        parameters = list(net.parameters())
        views = [X[rows], -X[rows], X[rows].flip(-1)]
        pi, p = logits.softmax(0), torch.sigmoid(gate)
        losses = [criterion(net(view), target[rows]).mean() for view in views]
        expected = (1 - p) * losses[0] + p * (pi[0] * losses[1] + pi[1] * losses[2])
        clean = torch.autograd.grad(losses[0], parameters, retain_graph=True)
        gradients = torch.autograd.grad(expected, parameters)
        with torch.no_grad():
            for parameter, gradient, scale in zip(parameters, gradients, clean, strict=True):
                parameter -= length * gradient / scale.square().mean().sqrt()
            return criterion(net(X[outer]), target[outer]).mean()

    logits = torch.tensor([0.3, -0.2], dtype=torch.float64)
    gate = torch.tensor(-0.4, dtype=torch.float64)
    weight = torch.ones(16, dtype=torch.float64)
    candidates = [SignFlip(), TimeReverse()]
    sides = rows.numpy(), outer.numpy()
    problem = Problem(Trainer(prototype().under(None)), candidates, X, target, weight, *sides)
    monkeypatch.setattr(problem, "make_network", lambda: _copy(start))
    learner = model._learner(problem).double()
    with torch.no_grad():
        learner.logits.copy_(logits)
        learner.gate.copy_(gate)
    learner.step(rows, outer)
    found = {"logits": learner.logits.grad, "gate": learner.gate.grad}
    h = 1e-4
    truth = torch.stack(
        [
            held_out_loss(logits + h * e, gate) - held_out_loss(logits - h * e, gate)
            for e in torch.eye(2, dtype=torch.float64)
        ]
        + [held_out_loss(logits, gate + h) - held_out_loss(logits, gate - h)]
    ) / (2 * h)
    estimate = torch.cat([found["logits"], found["gate"].reshape(1)])
    # the step is normalised by the sum of the gains, so directions are compared; the choice's
    # gradient keeps sum_k p_k constant and is centred to compare with the derivative of a softmax
    estimate[:2] -= estimate[:2].sum() * logits.softmax(0)
    scale = (estimate @ truth) / (truth @ truth)
    assert scale > 0
    # the estimate is taken at the end of the step, the truth over the whole of it
    torch.testing.assert_close(estimate / scale, truth, rtol=1e-4, atol=1e-4 * truth.abs().max())


def _copy(net):
    import copy

    return copy.deepcopy(net)


def test_contract():
    X, y, groups = data()
    found = search().fit(X, y, groups=groups)
    assert isinstance(found.policy_, Policy)
    assert found.policy_ == found.schedule_[-1]
    assert len(found.schedule_) == len(found.history_) == 2
    names = [e.transform for e in found.policy_.layer(0)]
    assert names == ["TimeReverse", "SignFlip", "GaussianNoise", "GaussianNoise"]
    assert found.predict(X).shape == y.shape
    assert found.predict_proba(X).shape == (64, 2)
    assert found.score(X, y) > 0.5
    assert found.search_time_ > 0
    assert found.best_estimator_.policy_ == found.policy_
    unfitted = clone(found)
    assert not hasattr(unfitted, "policy_")
    quick = search(refit=False).fit(X, y, groups=groups)
    assert quick.policy_ == found.policy_
    with pytest.raises(ValueError, match="refit is False"):
        quick.predict(X)


def test_scikit_learn_takes_it_for_a_classifier():
    assert is_classifier(search())
    X, _, _ = data()
    with pytest.raises(TypeError, match="InvariantClassifier"):
        DDASSearch(InvariantRegressor(Linear)).fit(X, np.zeros(64))


def test_frozen_parameters_stay():
    X, y, groups = data()
    network = Linear(2, 32, 2)
    network.layers[1].bias.requires_grad_(False)
    model = DDASSearch(prototype(backbone=network), search_epochs=1, refit=False, random_state=0)
    assert model.fit(X, y, groups=groups).policy_.n_layers == 2


def test_same_seed_same_policy_and_global_state_left_alone():
    X, y, groups = data()
    state = torch.get_rng_state()
    first, second = (search().fit(X, y, groups=groups) for _ in range(2))
    assert first.schedule_ == second.schedule_
    assert (first.predict_proba(X) == second.predict_proba(X)).all()
    assert torch.equal(torch.get_rng_state(), state)
    other = search(random_state=1).fit(X, y, groups=groups)
    assert other.policy_ != first.policy_


def test_held_out_side_has_other_subjects():
    _, y, groups = data()
    trainer = Trainer(prototype())
    target = trainer.prepare(np.zeros((64, 2, 32)), y).target
    inner, outer = split(trainer, target, groups, 0.5, 0)
    assert not set(groups[inner]) & set(groups[outer])
    assert len(inner) + len(outer) == len(y)


def test_extra_views_do_not_move_batch_statistics(monkeypatch):
    X, y, groups = data()
    counts, original = [], ddas.DDASLearner.step

    def step(self, *args):
        result = original(self, *args)
        counts.append(self.network_step.network.backbone.norm.num_batches_tracked.item())
        return result

    monkeypatch.setattr(ddas.DDASLearner, "step", step)
    for n_views in (1, 6):
        counts.clear()
        search(n_views=n_views, refit=False).fit(X, y, groups=groups)
        assert counts == list(range(1, len(counts) + 1))
        assert counts


def test_learns_to_leave_out_what_destroys_the_label():
    """Polarity is the label here: flipping it can only hurt on held-out subjects."""
    X, y, groups = data(n=256, subjects=8)
    shares = []
    for seed in range(5):
        model = DDASSearch(
            prototype(batch_size=16),
            transforms=[SignFlip(), TimeReverse()],
            n_operations=1,
            n_views=2,
            search_epochs=15,
            policy_lr=0.05,
            refit=False,
            random_state=seed,
        ).fit(X, y, groups=groups)
        shares.append({e.transform: e.weight for e in model.policy_.layer(0)}["SignFlip"])
    assert np.max(shares) < 0.25


def test_goes_on_where_it_stopped(tmp_path):
    X, y, groups = data()
    file = tmp_path / "state"
    options = {"refit": False, "policy_lr": 0.02}
    whole = search(search_epochs=4, **options).fit(X, y, groups=groups)
    search(search_epochs=2, checkpoint=file, **options).fit(X, y, groups=groups)
    rest = search(search_epochs=4, checkpoint=file, **options).fit(X, y, groups=groups)
    assert rest.schedule_ == whole.schedule_
    assert rest.history_ == whole.history_
    with pytest.raises(ValueError, match="other parameters, data or random_state"):
        search(search_epochs=4, random_state=1, checkpoint=file, **options).fit(X, y, groups=groups)


def test_stops_when_the_time_is_over():
    X, y, groups = data()
    short = search(search_epochs=10**6, max_seconds=0.5, refit=False).fit(X, y, groups=groups)
    assert 1 <= len(short.schedule_) < 10**6
    assert 0.5 <= short.search_time_ < 60
    with pytest.raises(ValueError, match="before the first step"):
        search(max_seconds=1e-9).fit(X, y, groups=groups)


@pytest.mark.parametrize(
    ("kwargs", "groups", "match"),
    [
        ({"n_levels": 0}, None, "n_levels"),
        ({"probability": 1.0}, None, "probability"),
        ({"transforms": []}, None, "empty"),
        ({}, np.zeros(64), "only one"),
        ({}, np.where(np.arange(64) % 2, 1, 0), "No window of class"),
        ({"search_lr": 1e30}, None, "diverged in epoch 1, step"),
        ({"held_out": 1.0}, None, "held_out"),
        ({"max_seconds": 0}, None, "max_seconds"),
    ],
)
def test_bad_input(kwargs, groups, match):
    X, y, _ = data()
    with pytest.raises(ValueError, match=match):
        search(**kwargs).fit(X, y, groups=groups)


def test_another_fit_leaves_nothing_of_the_one_before():
    X, y, groups = data()
    found = search().fit(X, y, groups=groups)
    three = np.where(np.arange(len(y)) % 3 == 0, "third", y)
    found.set_params(refit=False).fit(X, three, groups=groups)
    assert len(found.classes_) == 3
    with pytest.raises(ValueError, match="because the last fit had none or failed"):
        found.set_params(refit=True).predict(X)
    assert found.fit(X, y, groups=groups).predict_proba(X).shape == (len(y), 2)
    with pytest.raises(ValueError, match="inconsistent"):
        found.fit(X, y[:-1], groups=groups)
    with pytest.raises(ValueError, match="because the last fit had none or failed"):
        found.predict(X)
