"""Searches by trial: the contract, and how they stop and go on."""

import time

import numpy as np
import optuna
import pytest
import torch
from searched import data, every_trial_search, prototype, scores_of, trial_search
from sklearn.base import clone
from torch import nn

from eeginv import (
    AutoAugmentSearch,
    FastAutoAugmentSearch,
    Policy,
    RandAugmentSearch,
)
from eeginv.search.by_trials import search as trial_loop
from eeginv.search.by_trials import storage as storage_module
from eeginv.transforms import GaussianNoise, SignFlip, TimeReverse


@every_trial_search
def test_contract(cls):
    X, y, groups = data()
    state, verbosity = torch.get_rng_state(), optuna.logging.get_verbosity()
    found = trial_search(cls).fit(X, y, groups=groups)
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
    quick = trial_search(cls, refit=False).fit(X, y, groups=groups)
    assert quick.policy_ == found.policy_
    with pytest.raises(ValueError, match="refit is False"):
        quick.predict(X)
    other = trial_search(cls, random_state=1, refit=False).fit(X, y, groups=groups)
    assert scores_of(other) != scores_of(found)


@every_trial_search
def test_same_policy_on_one_worker_and_on_two(cls):
    X, y, groups = data()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))  # which every process can import
    one, two = (
        trial_search(cls, prototype(backbone=network), refit=False, n_jobs=n_jobs).fit(X, y, groups)
        for n_jobs in (1, 2)
    )
    assert one.policy_ == two.policy_
    assert scores_of(one) == scores_of(two)
    assert len(set(scores_of(one)[0])) > 1


@every_trial_search
@pytest.mark.parametrize("n_before", [1, 2, 3])
def test_goes_on_where_it_stopped(cls, n_before, tmp_path, monkeypatch):
    """Also from the middle of a round, and without training anything twice."""
    X, y, groups = data()
    whole = trial_search(cls, refit=False).fit(X, y, groups=groups)
    interrupted = trial_search(cls, refit=False, storage=tmp_path / "trials")
    calls, original = [], trial_loop.run_trial

    def run_trial(*args):
        if len(calls) == n_before:
            raise KeyboardInterrupt
        calls.append(args[1])
        return original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(trial_loop, "run_trial", run_trial)
        with pytest.raises(KeyboardInterrupt):
            interrupted.fit(X, y, groups=groups)
    calls.clear()
    with monkeypatch.context() as patch:
        patch.setattr(trial_loop, "run_trial", lambda *args: calls.append(0) or original(*args))
        rest = trial_search(cls, refit=False, storage=tmp_path / "trials").fit(X, y, groups=groups)
    assert scores_of(rest) == scores_of(whole)
    assert rest.policy_ == whole.policy_
    assert len(calls) == len(whole.history_) - n_before
    again = trial_search(cls, refit=False, storage=tmp_path / "trials")
    with monkeypatch.context() as patch:
        patch.setattr(trial_loop, "run_trial", run_trial)
        calls[:] = [0] * n_before  # any further trial would interrupt
        assert again.fit(X, y, groups=groups).policy_ == whole.policy_
    with pytest.raises(ValueError, match="other parameters, data or random_state"):
        trial_search(cls, random_state=1, storage=tmp_path / "trials").fit(X, y, groups=groups)
    with pytest.raises(ValueError, match="other parameters, data or random_state"):
        trial_search(cls, storage=tmp_path / "trials").fit(X + 1, y, groups=groups)
    wide = [TimeReverse(), SignFlip(), GaussianNoise(max_magnitude=5.0)]
    with pytest.raises(ValueError, match="other parameters, data or random_state"):
        trial_search(cls, transforms=wide, storage=tmp_path / "trials").fit(X, y, groups=groups)


def test_a_line_that_was_cut_off_is_one_trial_less(tmp_path, monkeypatch):
    """A process that is killed while it writes; what it was at is free after a while."""
    X, y, groups = data()
    file = tmp_path / "trials"
    whole = trial_search(AutoAugmentSearch, refit=False, storage=file).fit(X, y, groups=groups)
    content = file.read_bytes()
    file.write_bytes(content[: content.rindex(b'"values":') + 5])  # of the last that was finished
    calls, original = [], trial_loop.run_trial
    monkeypatch.setattr(trial_loop, "run_trial", lambda *args: calls.append(0) or original(*args))
    monkeypatch.setattr(storage_module, "_GONE", 2.0)
    start = time.monotonic()
    again = trial_search(AutoAugmentSearch, refit=False, storage=file).fit(X, y, groups=groups)
    assert scores_of(again) == scores_of(whole)
    assert len(calls) == 1
    assert time.monotonic() - start > 2


@pytest.mark.parametrize("cls", [AutoAugmentSearch, FastAutoAugmentSearch])
def test_more_trials_go_on_from_fewer(cls, tmp_path):
    X, y, groups = data()
    trial_search(cls, refit=False, n_trials=3, storage=tmp_path / "trials").fit(X, y, groups=groups)
    more = trial_search(cls, refit=False, storage=tmp_path / "trials").fit(X, y, groups=groups)
    assert more.policy_ == trial_search(cls, refit=False).fit(X, y, groups=groups).policy_


@every_trial_search
def test_stops_when_the_time_is_over(cls):
    X, y, groups = data()
    many = {"strengths": np.linspace(0.01, 1, 2000).tolist()}
    many = many if cls is RandAugmentSearch else {"n_trials": 10**5}
    short = trial_search(cls, max_seconds=2, refit=False, **many).fit(X, y, groups=groups)
    assert 1 <= len(short.history_) < 2000
    assert short.search_time_ < 60
    assert isinstance(short.policy_, Policy)


@every_trial_search
def test_default_transforms(cls):
    X, y, groups = data()
    model = trial_search(cls, transforms=None, refit=False).fit(np.tile(X, 20), y, groups=groups)
    assert model.policy_.branches
