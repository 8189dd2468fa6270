"""Searches by trial: the contract, what published code gets wrong, sense, bad input."""

import json
import warnings

import numpy as np
import optuna
import pytest
import torch
from searched import Linear, data, prototype
from sklearn.base import clone
from torch import nn

from eeginv import (
    AutoAugmentSearch,
    FastAutoAugmentSearch,
    Policy,
    PolicyAugmentation,
    RandAugmentSearch,
)
from eeginv.estimators.net import WeightedNet
from eeginv.policy import PolicyEntry
from eeginv.search import trials
from eeginv.search.children import ChildTraining
from eeginv.search.fast import DensityMatching
from eeginv.search.space import SubPolicySpace
from eeginv.search.study import Outcome, Report, Study
from eeginv.search.trials import _ranks
from eeginv.transforms import FrequencyShift, GaussianNoise, SignFlip, TimeReverse

SMALL = {
    AutoAugmentSearch: {"n_trials": 5, "n_sub_policies": 2, "n_best": 2, "round_size": 2},
    FastAutoAugmentSearch: {
        "n_trials": 5,
        "n_folds": 2,
        "n_sub_policies": 2,
        "n_best": 2,
        "round_size": 2,
    },
    RandAugmentSearch: {"n_operations": (1, 2), "strengths": (0.5, 1.0), "round_size": 2},
}
every_search = pytest.mark.parametrize("cls", SMALL)


def search(cls, estimator=None, **kwargs):
    transforms = [TimeReverse(), SignFlip(), GaussianNoise()]
    options = {"transforms": transforms, "random_state": 0, **SMALL[cls], **kwargs}
    return cls(prototype() if estimator is None else estimator, **options)


def scores_of(found):
    return found.cv_results_["mean_test_score"].tolist(), found.cv_results_["params"]


# the contract -------------------------------------------------------------------------------------


@every_search
def test_contract(cls):
    X, y, groups = data()
    state, verbosity = torch.get_rng_state(), optuna.logging.get_verbosity()
    found = search(cls).fit(X, y, groups=groups)
    assert torch.equal(torch.get_rng_state(), state)
    assert optuna.logging.get_verbosity() == verbosity
    assert isinstance(found.policy_, Policy)
    results = found.cv_results_
    n_trials = 4 if cls is RandAugmentSearch else 10 if cls is FastAutoAugmentSearch else 5
    assert {len(column) for column in results.values()} == {n_trials}
    assert len(found.history_) == n_trials
    assert [row["score"] for row in found.history_] == results["mean_test_score"].tolist()
    best = [row["best_score"] for row in found.history_]
    assert best == sorted(best)
    assert best[-1] == found.best_score_ == results["mean_test_score"][~results["pruned"]].max()
    assert results["rank_test_score"][found.best_index_] == 1
    assert found.best_params_ == results["params"][found.best_index_]
    assert results["policy"][found.best_index_].branches[0] in found.policy_.branches
    assert found.search_time_ > 0
    assert found.refit_time_ > 0
    assert found.predict(X).shape == y.shape
    assert found.predict_proba(X).shape == (64, 2)
    assert found.best_estimator_.policy_.distance(found.policy_) < 1e-5
    assert not hasattr(clone(found), "policy_")
    quick = search(cls, refit=False).fit(X, y, groups=groups)
    assert quick.policy_ == found.policy_
    with pytest.raises(ValueError, match="refit is False"):
        quick.predict(X)
    other = search(cls, random_state=1, refit=False).fit(X, y, groups=groups)
    assert scores_of(other) != scores_of(found)


@every_search
def test_same_policy_on_one_worker_and_on_two(cls):
    X, y, groups = data()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))  # which every process can import
    one, two = (
        search(cls, prototype(backbone=network), refit=False, n_jobs=n_jobs).fit(X, y, groups)
        for n_jobs in (1, 2)
    )
    assert one.policy_ == two.policy_
    assert scores_of(one) == scores_of(two)
    assert len(set(scores_of(one)[0])) > 1


@every_search
@pytest.mark.parametrize("n_before", [1, 2, 3])
def test_goes_on_where_it_stopped(cls, n_before, tmp_path, monkeypatch):
    """Also from the middle of a round, and without training anything twice."""
    X, y, groups = data()
    whole = search(cls, refit=False).fit(X, y, groups=groups)
    interrupted = search(cls, refit=False, storage=tmp_path / "trials")
    calls, original = [], trials.run_trial

    def run_trial(*args):
        if len(calls) == n_before:
            raise KeyboardInterrupt
        calls.append(args[1])
        return original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(trials, "run_trial", run_trial)
        with pytest.raises(KeyboardInterrupt):
            interrupted.fit(X, y, groups=groups)
    calls.clear()
    with monkeypatch.context() as patch:
        patch.setattr(trials, "run_trial", lambda *args: calls.append(0) or original(*args))
        rest = search(cls, refit=False, storage=tmp_path / "trials").fit(X, y, groups=groups)
    assert scores_of(rest) == scores_of(whole)
    assert rest.policy_ == whole.policy_
    assert len(calls) == len(whole.history_) - n_before
    again = search(cls, refit=False, storage=tmp_path / "trials")
    with monkeypatch.context() as patch:
        patch.setattr(trials, "run_trial", run_trial)
        calls[:] = [0] * n_before  # any further trial would interrupt
        assert again.fit(X, y, groups=groups).policy_ == whole.policy_
    with pytest.raises(ValueError, match="other parameters, data or random_state"):
        search(cls, random_state=1, storage=tmp_path / "trials").fit(X, y, groups=groups)
    with pytest.raises(ValueError, match="other parameters, data or random_state"):
        search(cls, storage=tmp_path / "trials").fit(X + 1, y, groups=groups)
    wide = [TimeReverse(), SignFlip(), GaussianNoise(max_magnitude=5.0)]
    with pytest.raises(ValueError, match="other parameters, data or random_state"):
        search(cls, transforms=wide, storage=tmp_path / "trials").fit(X, y, groups=groups)


def test_a_line_that_was_cut_off_is_one_trial_less(tmp_path):
    """A process that is killed while it writes."""
    X, y, groups = data()
    file = tmp_path / "trials"
    whole = search(AutoAugmentSearch, refit=False, storage=file).fit(X, y, groups=groups)
    file.write_bytes(file.read_bytes()[:-40])
    calls, original = [], trials.run_trial
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trials, "run_trial", lambda *args: calls.append(0) or original(*args))
        again = search(AutoAugmentSearch, refit=False, storage=file).fit(X, y, groups=groups)
    assert scores_of(again) == scores_of(whole)
    assert len(calls) == 1


@pytest.mark.parametrize("cls", [AutoAugmentSearch, FastAutoAugmentSearch])
def test_more_trials_go_on_from_fewer(cls, tmp_path):
    X, y, groups = data()
    search(cls, refit=False, n_trials=3, storage=tmp_path / "trials").fit(X, y, groups=groups)
    more = search(cls, refit=False, storage=tmp_path / "trials").fit(X, y, groups=groups)
    assert more.policy_ == search(cls, refit=False).fit(X, y, groups=groups).policy_


@every_search
def test_stops_when_the_time_is_over(cls):
    X, y, groups = data()
    many = {"strengths": np.linspace(0.01, 1, 2000).tolist()}
    many = many if cls is RandAugmentSearch else {"n_trials": 10**5}
    short = search(cls, max_seconds=2, refit=False, **many).fit(X, y, groups=groups)
    assert 1 <= len(short.history_) < 2000
    assert short.search_time_ < 60
    assert isinstance(short.policy_, Policy)


@every_search
def test_default_transforms(cls):
    X, y, groups = data()
    model = search(cls, transforms=None, refit=False).fit(np.tile(X, 20), y, groups=groups)
    assert model.policy_.branches


# what published code gets wrong -------------------------------------------------------------------


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

    objective = DensityMatching.__new__(DensityMatching)
    objective.network, objective.n_draws, objective.seed = Sign(), 1, 0
    objective.device, objective.n_threads = "cpu", 1
    objective.y = np.tile([0, 1], n // 2)
    objective.X = np.where(objective.y == 1, 1.0, -1.0)[:, None, None].astype(np.float32)
    return objective


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


@every_search
def test_held_out_windows_are_never_trained_on(cls, monkeypatch):
    """Every window carries its number in a sample that no candidate moves."""
    X, y, groups = data()
    X[:, 0, 0] = np.arange(64)
    fits, splits, original = [], [], WeightedNet.fit

    def fit(self, dataset, *args, **kwargs):
        fits.append(set(dataset.X[:, 0, 0].int().tolist()))
        return original(self, dataset, *args, **kwargs)

    def init(self, problem, inner, outer, *args):
        splits.append((set(inner.tolist()), set(outer.tolist())))
        return start(self, problem, inner, outer, *args)

    start = ChildTraining.__init__
    monkeypatch.setattr(WeightedNet, "fit", fit)
    monkeypatch.setattr(ChildTraining, "__init__", init)
    search(cls, refit=False).fit(X, y, groups=groups)
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
    study = Study("fold 0", space.distributions(), seed=0)
    proposed = {params["operation_0_0"] for params, _ in study.ask(range(60))}
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
    model = search(RandAugmentSearch, strengths=(0.5,), n_operations=(1,), transforms=[SignFlip()])
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
    X, y, groups = data(n=128)
    estimator = prototype(max_epochs=6)
    options = {"n_operations": (1, 2, 3), "strengths": (0.1, 0.2, 0.6, 0.8, 1.0), "refit": False}
    options |= {"transforms": [SignFlip(max_probability=1.0)], "round_size": 6}
    pruned = search(RandAugmentSearch, estimator, **options).fit(X, y, groups=groups)
    whole = search(RandAugmentSearch, estimator, prune=False, **options).fit(X, y, groups=groups)
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
    assert _ranks(scores, pruned).tolist() == [2, 4, 2, 1]


# sense --------------------------------------------------------------------------------------------


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
        model = search(
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


# bad input ----------------------------------------------------------------------------------------


@every_search
@pytest.mark.parametrize(
    ("kwargs", "groups", "match"),
    [
        ({"transforms": []}, None, "empty"),
        ({"transforms": [nn.ReLU()]}, None, "REGISTRY"),
        ({}, np.zeros(64), "only one"),
        ({}, np.where(np.arange(64) % 2, 1, 0), "No window of class"),
        ({"held_out": 1.0}, None, "held_out"),
        ({"max_seconds": 0}, None, "max_seconds"),
        ({"max_seconds": 1e-9}, None, "before the first trial"),
        ({"round_size": 0}, None, "round_size"),
        ({"child_epochs": 0}, None, "child_epochs"),
    ],
)
def test_bad_input(cls, kwargs, groups, match):
    X, y, _ = data()
    with pytest.raises(ValueError, match=match):
        search(cls, **kwargs).fit(X, y, groups=groups)


@pytest.mark.parametrize(
    ("cls", "kwargs", "match"),
    [
        (AutoAugmentSearch, {"n_trials": 0}, "n_trials"),
        (AutoAugmentSearch, {"n_sub_policies": 1.5}, "n_sub_policies"),
        (FastAutoAugmentSearch, {"n_folds": 0}, "n_folds"),
        (FastAutoAugmentSearch, {"n_best": -1}, "n_best"),
        (RandAugmentSearch, {"strengths": ()}, "strengths must be a sequence"),
        (RandAugmentSearch, {"n_operations": 2}, "n_operations must be a sequence"),
        (RandAugmentSearch, {"strengths": (0.0, 1.0)}, "above 0"),
        (RandAugmentSearch, {"strengths": (float("nan"),)}, "above 0"),
        (RandAugmentSearch, {"n_operations": (0,)}, "n_operations"),
    ],
)
def test_bad_input_of_each(cls, kwargs, match):
    X, y, groups = data()
    with pytest.raises(ValueError, match=match):
        search(cls, **kwargs).fit(X, y, groups=groups)


class Blinded(Linear):
    """Not finite in evaluation, on held-out windows that are too large."""

    def forward(self, X):
        output = super().forward(X)
        return output if self.training else output + torch.where(X.amax() > 1e3, np.nan, 0.0)


@every_search
def test_objective_that_is_not_a_number_names_the_trial_and_keeps_the_others(
    cls, tmp_path, monkeypatch
):
    X, y, groups = data()
    X[:, 0, 0] = 1e4
    model = search(cls, prototype(backbone=Blinded), storage=tmp_path / "trials")
    with pytest.raises(ValueError, match=r"Trial 0 of fold 0 failed.*not finite.*parameters were"):
        model.fit(X, y, groups=groups)
    assert model.cv_results_["params"] == []

    X, y, groups = data()
    original = trials.run_trial
    calls = []

    def run_trial(*args):
        calls.append(0)
        if len(calls) == 5:  # the first of a round
            return Outcome(error="its score is nan.")
        return original(*args)

    options = {"strengths": (0.2, 0.4, 0.6, 0.8)} if cls is RandAugmentSearch else {"n_trials": 6}
    file = tmp_path / "others"
    with monkeypatch.context() as patch:
        patch.setattr(trials, "run_trial", run_trial)
        broken = search(cls, storage=file, refit=False, **options)
        with pytest.raises(ValueError, match=r"Trial \d of fold \d failed: its score is nan"):
            broken.fit(X, y, groups=groups)
    assert len(broken.cv_results_["params"]) == 4
    assert not hasattr(broken, "policy_")
    repaired = search(cls, storage=file, refit=False, **options).fit(X, y, groups=groups)
    assert scores_of(repaired) == scores_of(
        search(cls, refit=False, **options).fit(X, y, groups=groups)
    )


def test_score_that_is_not_a_number_is_an_error():
    outcome = trials.run_trial(lambda policy, report: float("nan"), None, None, [])
    assert outcome.error == "its score is nan."
    outcome = trials.run_trial(lambda policy, report: report(float("inf"), 1), None, None, [])
    assert outcome.error == "its score is inf."


def test_storage_of_other_proposals_is_refused(tmp_path):
    distributions = SubPolicySpace([SignFlip(), TimeReverse()], 1, 1).distributions()
    study = Study("fold 0", distributions, 0, tmp_path / "trials", "key")
    ((params, _),) = study.ask(range(1))
    study.remember(
        {**params, "strength_0_0": 0.05 if params["strength_0_0"] > 0.5 else 1.0}, Outcome(0.5)
    )
    with pytest.raises(ValueError, match="another version of Optuna"):
        Study("fold 0", distributions, 0, tmp_path / "trials", "key").ask(range(1))


def test_nothing_of_optuna_is_experimental():
    """Its warnings are errors in these tests only as long as nobody catches them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        X, y, groups = data()
        search(AutoAugmentSearch, refit=False).fit(X, y, groups=groups)
    assert [
        w for w in caught if issubclass(w.category, optuna.exceptions.ExperimentalWarning)
    ] == []


def test_journal_is_text(tmp_path):
    X, y, groups = data()
    file = tmp_path / "trials"
    search(AutoAugmentSearch, refit=False, storage=file).fit(X, y, groups=groups)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert sum("params" in line for line in lines) == 5
