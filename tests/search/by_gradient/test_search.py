"""All searches that follow a gradient: one contract, the same bad input, and sense."""

import json

import numpy as np
import pytest
import torch
from searched import Linear, data, prototype, registered
from sklearn.base import clone, is_classifier
from torch import nn

from eeginv import (
    ADDASearch,
    CADDASearch,
    DDASSearch,
    FasterAutoAugmentSearch,
    InvariantRegressor,
    Policy,
)
from eeginv.search.by_gradient import search as gradient_search
from eeginv.search.by_gradient.sub_policy_search import SubPolicySearch
from eeginv.search.fasteraa import Critic
from eeginv.transforms import GaussianNoise, SignFlip, TimeReverse, Transform

SEARCHES = registered(gradient_search.GradientSearch)
OF_SUB_POLICIES = registered(SubPolicySearch)
PER_SEARCH = {DDASSearch: {"n_levels": 1}}


def search(cls, **kwargs):
    options = {"search_epochs": 2, "warmup_epochs": 0, "random_state": 0, **PER_SEARCH.get(cls, {})}
    transforms = [TimeReverse(), SignFlip(), GaussianNoise()]
    return cls(prototype(), **{"transforms": transforms, **options, **kwargs})


@pytest.fixture(params=SEARCHES, ids=lambda cls: cls.__name__)
def cls(request):
    return request.param


def test_every_transform_is_made_once(cls, monkeypatch):
    """Making a rotation of 64 sensors takes a hundred times longer than applying it."""
    X, y, groups = data()
    model = search(cls, refit=False, **({"n_levels": 3} if cls is DDASSearch else {}))
    made, original = [], Transform.__init__

    def count(self, *args, **kwargs):
        made.append(type(self).__name__)
        original(self, *args, **kwargs)

    monkeypatch.setattr(Transform, "__init__", count)
    model.fit(X, y, groups=groups)
    assert sorted(made) == ["GaussianNoise", "SignFlip", "TimeReverse"]


def test_contract(cls):
    X, y, groups = data()
    found = search(cls).fit(X, y, groups=groups)
    assert isinstance(found.policy_, Policy)
    assert found.policy_ == found.schedule_[-1]
    assert len(found.schedule_) == len(found.history_) == 2
    assert {e.transform for e in found.policy_.entries} == {
        "TimeReverse",
        "SignFlip",
        "GaussianNoise",
    }
    assert Policy.from_json(found.policy_.to_json()) == found.policy_
    json.dumps(found.history_)  # plain numbers
    assert found.predict(X).shape == y.shape
    assert found.predict_proba(X).shape == (64, 2)
    assert found.score(X, y) > 0.5
    assert found.search_time_ > 0
    assert found.refit_time_ > 0
    assert found.best_estimator_.policy_.distance(found.policy_) < 1e-5
    unfitted = clone(found)
    assert not hasattr(unfitted, "policy_")
    quick = search(cls, refit=False).fit(X, y, groups=groups)
    assert quick.policy_ == found.policy_
    assert not hasattr(quick, "best_estimator_")
    with pytest.raises(ValueError, match="refit is False"):
        quick.predict(X)


def test_the_search_moves_the_policy(cls):
    X, y, groups = data()
    first, second = search(cls, refit=False).fit(X, y, groups=groups).schedule_
    assert first.distance(second) > 0
    assert all(np.isfinite(list(e.values())).all() for e in [first.by_transform().usage.to_dict()])


def test_scikit_learn_takes_it_for_a_classifier(cls):
    assert is_classifier(search(cls))
    X, _, _ = data()
    with pytest.raises(TypeError, match="InvariantClassifier"):
        cls(InvariantRegressor(Linear)).fit(X, np.zeros(64))


def test_same_seed_same_policy_and_global_state_left_alone(cls):
    X, y, groups = data()
    state = torch.get_rng_state()
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (search(cls).fit(X, y, groups=groups) for _ in range(2))
    assert first.schedule_ == second.schedule_
    assert first.history_ == second.history_
    assert (first.predict_proba(X) == second.predict_proba(X)).all()
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002
    other = search(cls, random_state=1, refit=False).fit(X, y, groups=groups)
    assert other.policy_ != first.policy_


def test_goes_on_where_it_stopped(cls, tmp_path):
    X, y, groups = data()
    file = tmp_path / "state"
    options = {"refit": False, "warmup_epochs": 1, "policy_lr": 0.02}
    whole = search(cls, search_epochs=4, **options).fit(X, y, groups=groups)
    search(cls, search_epochs=2, checkpoint=file, **options).fit(X, y, groups=groups)
    rest = search(cls, search_epochs=4, checkpoint=file, **options).fit(X, y, groups=groups)
    assert rest.schedule_ == whole.schedule_
    assert rest.history_ == whole.history_
    other = search(cls, search_epochs=4, random_state=1, checkpoint=file, **options)
    with pytest.raises(ValueError, match="other parameters, data or random_state"):
        other.fit(X, y, groups=groups)


def test_a_shorter_search_takes_the_beginning_of_a_longer_one(cls, tmp_path):
    X, y, groups = data()
    file = tmp_path / "state"
    options = {"refit": False, "policy_lr": 0.02, "checkpoint": file}
    long = search(cls, search_epochs=3, **options).fit(X, y, groups=groups)
    short = search(cls, search_epochs=2, **options).fit(X, y, groups=groups)
    assert short.schedule_ == long.schedule_[:2]
    assert short.policy_ == long.schedule_[1]


def test_the_rate_of_the_policy_follows_the_number_of_its_steps(cls, tmp_path):
    X, y, groups = data(n=256, subjects=8)
    file = tmp_path / "state"
    shared = {"refit": False, "warmup_epochs": 1}
    # half of the subjects are held out, so an epoch has 128 windows, 16 batches
    by_rule = search(cls, search_epochs=4, checkpoint=file, **shared)
    by_rule.fit(X, y, groups=groups)
    same = {"search_epochs": 4, "policy_lr": 3 / 48, **shared}
    same = search(cls, **same).fit(X, y, groups=groups)
    assert by_rule.schedule_ == same.schedule_
    # the rate of a longer search is lower, and a continued search has one rate
    longer = {"search_epochs": 5, "checkpoint": file, **shared}
    with pytest.raises(ValueError, match=f"policy_lr={3 / 48}"):
        search(cls, **longer).fit(X, y, groups=groups)
    rest = search(cls, policy_lr=3 / 48, **longer)
    assert rest.fit(X, y, groups=groups).schedule_[:4] == by_rule.schedule_
    X, y, groups = data()  # 8 steps: no more than 0.1
    few = search(cls, search_epochs=2, refit=False).fit(X, y, groups=groups)
    given = search(cls, search_epochs=2, refit=False, policy_lr=0.1).fit(X, y, groups=groups)
    assert few.schedule_ == given.schedule_


def test_files_of_other_searches_are_refused(tmp_path):
    """ADDA and CADDA have the same parameters."""
    X, y, groups = data()
    file = tmp_path / "state"
    search(ADDASearch, refit=False, checkpoint=file).fit(X, y, groups=groups)
    with pytest.raises(ValueError, match="other parameters, data or random_state"):
        search(CADDASearch, refit=False, checkpoint=file).fit(X, y, groups=groups)


class Recurrent(nn.Module):
    def __init__(self, n_chans, n_times, n_outputs):
        super().__init__()
        self.lstm = nn.LSTM(n_chans, 4, batch_first=True)
        self.output = nn.Linear(4, n_outputs)

    def forward(self, X):
        return self.output(self.lstm(X.transpose(1, 2))[0][:, -1])


def test_recurrent_networks_can_be_searched_with(cls):
    X, y, groups = data()
    model = search(cls, refit=False, search_epochs=1).set_params(
        estimator=prototype(backbone=Recurrent)
    )
    assert np.isfinite(model.fit(X, y, groups=groups).history_[0]["outer_loss"])


def test_stops_when_the_time_is_over(cls):
    X, y, groups = data()
    short = search(cls, search_epochs=10**6, max_seconds=0.5, refit=False)
    short.fit(X, y, groups=groups)
    assert 1 <= len(short.schedule_) < 10**6
    assert 0.5 <= short.search_time_ < 60
    with pytest.raises(ValueError, match="before the first step"):
        search(cls, max_seconds=1e-9).fit(X, y, groups=groups)
    # nothing was learned in a warm-up
    with pytest.raises(ValueError, match="before the first step of the policy"):
        search(cls, search_epochs=10**6, warmup_epochs=10**5, max_seconds=0.5).fit(
            X, y, groups=groups
        )


def test_extra_passes_do_not_move_batch_statistics(cls, monkeypatch):
    """One pass a step does: that of the training, or of the critic's classification."""
    X, y, groups = data()
    learners, original = [], cls._learner

    def keep(self, problem):
        learners.append(original(self, problem))
        return learners[-1]

    monkeypatch.setattr(cls, "_learner", keep)
    search(cls, refit=False).fit(X, y, groups=groups)
    counts = {
        name: buffer.item()
        for name, buffer in learners[0].named_buffers()
        if name.endswith("num_batches_tracked")
    }
    assert list(counts.values()) == [2 * 4]  # epochs times steps


@pytest.mark.parametrize(
    ("kwargs", "groups", "match"),
    [
        ({"search_epochs": 0}, None, "search_epochs"),
        ({"n_operations": 1.5}, None, "n_operations"),
        ({"probability": 1.0}, None, "probability"),
        ({"transforms": []}, None, "empty"),
        ({}, np.zeros(64), "only one"),
        ({}, np.where(np.arange(64) % 2, 1, 0), "No window of class"),
        ({"held_out": 1.0}, None, "held_out"),
        ({"max_seconds": 0}, None, "max_seconds"),
        ({"warmup_epochs": -1}, None, "warmup_epochs"),
        ({"warmup_epochs": 2}, None, "would not learn"),
    ],
)
def test_bad_input(cls, kwargs, groups, match):
    X, y, _ = data()
    with pytest.raises(ValueError, match=match):
        search(cls, **kwargs).fit(X, y, groups=groups)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"strength": 0.0}, "strength"),
        ({"policy_lr": float("nan")}, "policy_lr"),
        ({"temperature": 0.0}, "temperature"),
    ],
)
@pytest.mark.parametrize("cls", OF_SUB_POLICIES)
def test_bad_parameters_of_sub_policies(cls, kwargs, match):
    X, y, groups = data()
    with pytest.raises(ValueError, match=match):
        search(cls, **kwargs).fit(X, y, groups=groups)


def test_not_a_number_names_the_step_and_leaves_what_is_done(cls, tmp_path, monkeypatch):
    X, y, groups = data()
    file, learners, original = tmp_path / "state", [], cls._learner

    def fail_in_the_sixth_step(self, problem):
        learner = original(self, problem)
        step, learners[:] = learner.step, []

        def count(*args):
            learners.append(1)
            record = step(*args)
            return {**record, "outer_loss": float("nan")} if len(learners) == 6 else record

        learner.step = count
        return learner

    with monkeypatch.context() as patch:
        patch.setattr(cls, "_learner", fail_in_the_sixth_step)
        with pytest.raises(ValueError, match="diverged in epoch 2, step 2"):
            search(cls, checkpoint=file, refit=False).fit(X, y, groups=groups)
    rest = search(cls, checkpoint=file, refit=False).fit(X, y, groups=groups)
    assert rest.schedule_ == search(cls, refit=False).fit(X, y, groups=groups).schedule_


@pytest.mark.parametrize("cls", SEARCHES)
def test_leaves_out_what_destroys_the_label(cls):
    """Polarity is the label here: flipping it can only hurt on held-out subjects."""
    X, y, groups = data(n=256, subjects=8)
    options = {"n_operations": 1, "refit": False}
    options["warmup_epochs"] = 2
    options |= {"n_views": 2} if cls is DDASSearch else {}
    shares = []
    for seed in range(3):
        model = cls(
            prototype(batch_size=16),
            transforms=[SignFlip(), TimeReverse()],
            search_epochs=15,
            random_state=seed,
            **options,
        ).fit(X, y, groups=groups)
        usage = model.policy_.by_transform().usage
        shares.append(usage.SignFlip / usage.sum())
    assert max(shares) < 0.25  # half of the uniform share


def test_policy_stays_while_the_network_warms_up(cls, monkeypatch):
    X, y, groups = data()
    problems, original = [], cls._learner

    def watch(self, problem):
        problems.append(problem)
        return original(self, problem)

    monkeypatch.setattr(cls, "_learner", watch)
    found = search(cls, search_epochs=4, warmup_epochs=2).fit(X, y, groups=groups)
    first, second, third, fourth = found.schedule_
    assert first == second == found._learner(problems[0]).policy()  # as it starts
    assert len({second, third, fourth}) == 3
    assert found.history_[1]["outer_loss"] < found.history_[0]["outer_loss"]
    # the final training sees what was learned
    assert found.best_estimator_.policy_.distance(fourth) < 1e-5
    if cls is DDASSearch:
        assert found.best_estimator_.module_.augmentation.schedule == [third, fourth]


# one method alone ---------------------------------------------------------------------------------
def test_gradient_penalty_takes_the_slope_of_a_whole_signal():
    """The published code takes the norm over channels, sample by sample."""

    class Weighted(torch.nn.Module):
        def __init__(self, weights):
            super().__init__()
            self.weights = torch.nn.Parameter(weights)

        def forward(self, X):
            return (X * self.weights).sum(dim=(1, 2))[:, None].expand(-1, 3)

    X, other = torch.randn(2, 6, 2, 50)
    weights = torch.randn(2, 50)
    slope = weights.norm() * 100**0.5  # in root mean squares over 100 values
    penalty = Critic(Weighted(weights)).slope_penalty(X, other)
    torch.testing.assert_close(penalty, (slope - 1) ** 2)
    flat = Critic(Weighted(weights / slope)).slope_penalty(X, other)
    assert flat < 1e-10
    # so that scores do not grow with the length of the signals
    longer = Critic(Weighted(torch.cat([weights, weights], 1) / slope / 2))
    assert longer.slope_penalty(*torch.randn(2, 6, 2, 100)) < 1e-10


def test_critic_needs_a_backbone_that_can_be_built():
    X, y, groups = data()
    faster = FasterAutoAugmentSearch(prototype(backbone=Linear(2, 32, 2)))
    with pytest.raises(TypeError, match="as a class or by name"):
        faster.fit(X, y, groups=groups)


def test_classes_get_policies_of_their_own():
    """Only one class survives the flip: that of symmetric noise."""
    rng = np.random.default_rng(0)
    y = np.tile(["even", "up"], 128)
    X = rng.standard_normal((256, 2, 32)) + np.where(y == "up", 0.8, 0.0)[:, None, None]
    shares = {"even": [], "up": []}
    for seed in range(3):
        model = CADDASearch(
            prototype(batch_size=16),
            transforms=[SignFlip(), TimeReverse()],
            n_operations=1,
            search_epochs=15,
            warmup_epochs=3,
            refit=False,
            random_state=seed,
        ).fit(X.astype(np.float32), y, groups=np.repeat(np.arange(8), 32))
        assert list(model.policies_) == ["even", "up"]
        for label, policy in model.policies_.items():
            usage = policy.by_transform().usage
            shares[label].append(usage.SignFlip / usage.sum())
    assert np.median(shares["up"]) < 0.25
    assert np.median(shares["even"]) > 2 * np.median(shares["up"])


def test_final_training_sees_the_policy_of_each_class():
    X, y, groups = data()
    found = search(CADDASearch).fit(X, y, groups=groups)
    augmentation = found.best_estimator_.module_.augmentation
    assert augmentation.policies == found.policies_
    assert Policy.mixture(found.policies_.values(), [0.5, 0.5]) == found.policy_


def test_one_epoch_is_one_pass(cls, monkeypatch):
    X, y, groups = data()
    seen, original = [], gradient_search.batches

    def watch(rows, batch_size, endless=False):
        for part in original(rows, batch_size, endless):
            if not endless:
                seen.extend(part.tolist())
            yield part

    monkeypatch.setattr(gradient_search, "batches", watch)
    search(cls, search_epochs=1, refit=False).fit(X, y, groups=groups)
    assert len(seen) == len(set(seen)) == 32
