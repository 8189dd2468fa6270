"""Searches by trial: bad input, and trials that fail."""

import json
import warnings

import numpy as np
import optuna
import pytest
import torch
from searched import Linear, data, every_trial_search, prototype, scores_of, trial_search

from eeginv import (
    AutoAugmentSearch,
    FastAutoAugmentSearch,
    RandAugmentSearch,
)
from eeginv.search.by_trials import search as trial_loop
from eeginv.search.by_trials.space import SubPolicySpace
from eeginv.search.by_trials.storage import Storage
from eeginv.search.by_trials.study import Study
from eeginv.search.by_trials.trial import Outcome
from eeginv.transforms import SignFlip, TimeReverse


class OwnFlip(SignFlip):
    """A transform that has no name in the registry."""


@every_trial_search
@pytest.mark.parametrize(
    ("kwargs", "groups", "match"),
    [
        ({"transforms": []}, None, "empty"),
        ({"transforms": [OwnFlip()]}, None, "REGISTRY"),
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
        trial_search(cls, **kwargs).fit(X, y, groups=groups)


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
        trial_search(cls, **kwargs).fit(X, y, groups=groups)


class Blinded(Linear):
    """Not finite in evaluation, on held-out windows that are too large."""

    def forward(self, X):
        output = super().forward(X)
        return output if self.training else output + torch.where(X.amax() > 1e3, np.nan, 0.0)


@every_trial_search
def test_objective_that_is_not_a_number_names_the_trial_and_keeps_the_others(
    cls, tmp_path, monkeypatch
):
    X, y, groups = data()
    X[:, 0, 0] = 1e4
    model = trial_search(cls, prototype(backbone=Blinded), storage=tmp_path / "trials")
    with pytest.raises(ValueError, match=r"Trial 0 of fold 0 failed.*not finite.*parameters were"):
        model.fit(X, y, groups=groups)
    assert model.cv_results_["params"] == []

    X, y, groups = data()
    original = trial_loop.run_trial
    calls = []

    def run_trial(*args):
        calls.append(0)
        if len(calls) == 5:  # the first of a round
            return Outcome(error="its score is nan.")
        return original(*args)

    options = {"strengths": (0.2, 0.4, 0.6, 0.8)} if cls is RandAugmentSearch else {"n_trials": 6}
    file = tmp_path / "others"
    with monkeypatch.context() as patch:
        patch.setattr(trial_loop, "run_trial", run_trial)
        broken = trial_search(cls, storage=file, refit=False, **options)
        with pytest.raises(ValueError, match=r"Trial \d of fold \d failed: its score is nan"):
            broken.fit(X, y, groups=groups)
    assert len(broken.cv_results_["params"]) == 4
    assert not hasattr(broken, "policy_")
    repaired = trial_search(cls, storage=file, refit=False, **options).fit(X, y, groups=groups)
    assert scores_of(repaired) == scores_of(
        trial_search(cls, refit=False, **options).fit(X, y, groups=groups)
    )


def test_score_that_is_not_a_number_is_an_error():
    outcome = trial_loop.run_trial(lambda policy, report: float("nan"), None, None, [])
    assert outcome.error == "its score is nan."
    outcome = trial_loop.run_trial(lambda policy, report: report(float("inf"), 1), None, None, [])
    assert outcome.error == "its score is inf."


def test_storage_of_other_proposals_is_refused(tmp_path):
    distributions = SubPolicySpace([SignFlip(), TimeReverse()], 1, 1).distributions()
    stored = Storage(tmp_path / "trials", "key").study(0)
    study = Study(distributions, 0, stored)
    params = study.ask(range(1))[0]
    other = {**params, "strength_0_0": 0.05 if params["strength_0_0"] > 0.5 else 1.0}
    assert study.claim(0, other)
    study.finish(0, Outcome(0.5))
    with pytest.raises(ValueError, match="another version of Optuna"):
        study.missing()


def test_nothing_of_optuna_is_experimental():
    """Its warnings are errors in these tests only as long as nobody catches them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        X, y, groups = data()
        trial_search(AutoAugmentSearch, refit=False).fit(X, y, groups=groups)
    assert [
        w for w in caught if issubclass(w.category, optuna.exceptions.ExperimentalWarning)
    ] == []


def test_journal_is_text(tmp_path):
    X, y, groups = data()
    file = tmp_path / "trials"
    trial_search(AutoAugmentSearch, refit=False, storage=file).fit(X, y, groups=groups)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert sum("params" in line for line in lines) == 5
