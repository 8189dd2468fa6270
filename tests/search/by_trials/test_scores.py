"""Searches by trial: what published code gets wrong, and what they leave out."""

import numpy as np
import pytest
import torch
from searched import data, every_trial_search, prototype, trial_search
from torch import nn

from eeginv import (
    AutoAugmentSearch,
    FastAutoAugmentSearch,
    Policy,
    PolicyAugmentation,
    RandAugmentSearch,
)
from eeginv.estimators import Trainer
from eeginv.estimators.net import WeightedNet
from eeginv.policy import PolicyEntry
from eeginv.search.by_trials.children import ChildTraining
from eeginv.search.by_trials.search import rank_scores
from eeginv.search.by_trials.space import SubPolicySpace
from eeginv.search.by_trials.study import Study
from eeginv.search.by_trials.trial import Report
from eeginv.search.fastaa import DensityMatching
from eeginv.transforms import FrequencyShift, GaussianNoise, SignFlip, TimeReverse


def flip_policy(*probabilities):
    config = {"max_probability": 1.0}
    return Policy.mixture(
        Policy([PolicyEntry("SignFlip", p, binary=True, config=config)]) for p in probabilities
    )


def density_matching(n=400):
    """A network that reads the sign of the first sample, on windows that have one."""

    class Sign(nn.Module):
        def forward(self, X):
            first = X[:, 0, 0]
            return torch.stack([-first, first], dim=1)

    y = np.tile([0, 1], n // 2)
    X = np.where(y == 1, 1.0, -1.0)[:, None, None].astype(np.float32)
    return DensityMatching(Trainer(prototype().under(None)), Sign(), X, y, n_draws=1, seed=0)


def test_score_of_a_policy_is_the_mean_over_its_draws_not_the_best_of_them():
    objective, report = density_matching(4000), Report(None, [])
    assert objective(flip_policy(0.0), report) == 1
    assert objective(flip_policy(1.0), report) == 0
    # the best of five sub-policies, for each window, would be right on all of them
    mixed = objective(flip_policy(0.0, 1.0, 1.0, 1.0, 1.0), report)
    assert mixed == pytest.approx(0.2, abs=0.03)
    assert objective(flip_policy(0.3), report) == pytest.approx(0.7, abs=0.03)


def test_each_held_out_window_draws_its_own_sub_policy():
    """One policy for a whole batch would make the score a coin toss."""
    objective, report = density_matching(200), Report(None, [])
    scores = []
    for seed in range(20):
        objective.seed = seed
        scores.append(objective(flip_policy(0.0, 1.0), report))
    assert 0 < np.std(scores) < 0.1
    assert np.mean(scores) == pytest.approx(0.5, abs=0.05)


@every_trial_search
def test_held_out_windows_are_never_trained_on(cls, monkeypatch):
    """Every window carries its number in a sample that no candidate moves."""
    X, y, groups = data()
    X[:, 0, 0] = np.arange(64)
    fits, splits, original = [], [], WeightedNet.fit

    def fit(self, dataset, *args, **kwargs):
        fits.append(set(np.asarray(dataset.X)[:, 0, 0].astype(int).tolist()))
        return original(self, dataset, *args, **kwargs)

    def init(self, problem, inner, outer, *args):
        splits.append((set(inner.tolist()), set(outer.tolist())))
        return start(self, problem, inner, outer, *args)

    start = ChildTraining.__init__
    monkeypatch.setattr(WeightedNet, "fit", fit)
    monkeypatch.setattr(ChildTraining, "__init__", init)
    trial_search(cls, refit=False).fit(X, y, groups=groups)
    assert len(splits) == (2 if cls is FastAutoAugmentSearch else 1)
    for inner, outer in splits:
        assert not {groups[row] for row in inner} & {groups[row] for row in outer}
    if cls is FastAutoAugmentSearch:  # one training a fold, none a trial
        assert fits == [inner for inner, _ in splits]
        assert splits[0] != splits[1]
    else:
        assert len(fits) == (4 if cls is RandAugmentSearch else 5)
        assert all(trained == splits[0][0] for trained in fits)


def test_every_candidate_is_reachable():
    """Operations that all turn out to be the last one: late binding, in published code."""
    transforms = [TimeReverse(), SignFlip(), GaussianNoise(), GaussianNoise(0.1, 0.2)]
    transforms.append(FrequencyShift(64.0, max_magnitude=2.0))
    space = SubPolicySpace(transforms, n_sub_policies=1, n_operations=1)
    names = space.distributions()["operation_0_0"].choices
    assert names == (
        "TimeReverse",
        "SignFlip",
        "GaussianNoise",
        "GaussianNoise 2",
        "FrequencyShift",
    )
    found = []
    for name in names:
        params = {"operation_0_0": name, "probability_0_0": 0.5, "strength_0_0": 0.5}
        entry = space.policy(params).entries[0]
        found.append((entry.transform, entry.extent))
    assert found == [
        ("TimeReverse", 0.5),
        ("SignFlip", 0.5),
        ("GaussianNoise", 0.5),
        ("GaussianNoise", 0.1),
        ("FrequencyShift", 1.0),
    ]
    study = Study(space.distributions(), seed=0)
    proposed = {params["operation_0_0"] for params in study.ask(range(60)).values()}
    assert proposed == set(names)


def test_policy_of_a_trial_is_applied_as_it_says():
    space = SubPolicySpace([SignFlip(), GaussianNoise()], n_sub_policies=2, n_operations=2)
    params = {
        **{"operation_0_0": "SignFlip", "probability_0_0": 0.25, "strength_0_0": 0.05},
        **{"operation_0_1": "GaussianNoise", "probability_0_1": 0.4, "strength_0_1": 0.6},
        **{"operation_1_0": "GaussianNoise", "probability_1_0": 1.0, "strength_1_0": 0.1},
        **{"operation_1_1": "SignFlip", "probability_1_1": 0.0, "strength_1_1": 1.0},
    }
    policy = space.policy(params)
    assert policy.by_transform().usage.to_dict() == pytest.approx(
        {"SignFlip": 0.125, "GaussianNoise": 0.7}
    )
    X = PolicyAugmentation(policy, random_state=0)(100 * torch.ones(4000, 1, 100))
    flipped, noise = X.mean(dim=(1, 2)) < 0, X.std(dim=(1, 2))
    assert flipped.float().mean() == pytest.approx(0.125, abs=0.02)
    assert (noise > 0.4).float().mean() == pytest.approx(0.2, abs=0.02)  # of strength 0.6
    assert ((noise > 0.05) & (noise < 0.2)).float().mean() == pytest.approx(0.5, abs=0.02)
    assert not (flipped & (noise > 0.05) & (noise < 0.2)).any()  # not of that sub-policy


def test_children_differ_by_their_policies_alone():
    X, y, groups = data()
    model = trial_search(
        RandAugmentSearch, strengths=(0.5,), n_operations=(1,), transforms=[SignFlip()]
    )
    model.fit(X, y, groups=groups)
    objective = []
    original = ChildTraining.__call__

    def call(self, policy, report):
        objective.append(self)
        return original(self, policy, report)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ChildTraining, "__call__", call)
        model.fit(X, y, groups=groups)
    (child,) = objective
    first, second = (child.train(None).state_dict() for _ in range(2))
    other = child.train(flip_policy(1.0)).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["layers.1.weight"], other["layers.1.weight"])


def test_median_pruner_gives_up_what_is_behind():
    X, y, groups = data(n=512)  # scores of few windows tie
    estimator = prototype(max_epochs=6)
    options = {"n_operations": (1, 2, 3), "strengths": (0.1, 0.2, 0.6, 0.8, 1.0), "refit": False}
    options |= {"transforms": [SignFlip(max_probability=1.0)], "round_size": 6}
    pruned = trial_search(RandAugmentSearch, estimator, **options).fit(X, y, groups=groups)
    whole = trial_search(RandAugmentSearch, estimator, prune=False, **options).fit(
        X, y, groups=groups
    )
    given_up = pruned.cv_results_["pruned"]
    assert 0 < given_up.sum() < 10
    assert not given_up[:6].any()  # nothing to compare with
    assert not whole.cv_results_["pruned"].any()
    kept = ~given_up
    scores = whole.cv_results_["mean_test_score"]
    assert (pruned.cv_results_["mean_test_score"][kept] == scores[kept]).all()
    assert pruned.policy_ == whole.policy_
    assert scores[given_up].max() < np.median(scores)


def test_ranks():
    scores, pruned = np.array([0.5, 0.9, 0.5, 0.7]), np.array([False, True, False, False])
    assert rank_scores(scores, pruned).tolist() == [2, 4, 2, 1]


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (AutoAugmentSearch, {"n_trials": 24, "n_sub_policies": 1, "n_operations": 1}),
        (FastAutoAugmentSearch, {"n_trials": 30, "n_sub_policies": 1, "n_operations": 1}),
        (RandAugmentSearch, {"strengths": (0.1, 0.5, 1.0), "n_operations": (1, 2)}),
    ],
)
def test_leaves_out_what_destroys_the_label(cls, options):
    """Polarity is the label here: flipping it can only hurt on held-out subjects."""
    X, y, groups = data(n=256, subjects=8)
    usage = []
    for seed in range(3):
        model = trial_search(
            cls,
            prototype(batch_size=16, max_epochs=4),
            transforms=[SignFlip(max_probability=1.0), TimeReverse(max_probability=1.0)],
            refit=False,
            random_state=seed,
            **options,
        ).fit(X, y, groups=groups)
        table = model.policy_.by_transform()
        usage.append([table.usage.get("SignFlip", 0), table.usage.get("TimeReverse", 0)])
    flips, reversals = np.mean(usage, axis=0)
    if cls is RandAugmentSearch:  # it can only choose to do little
        assert max(row[0] for row in usage) < 0.2
    else:
        assert flips < 0.25
        assert reversals > 2 * flips
