"""Networks with parametrised layers are copied between processes, as all others are."""

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from recorded import SFREQ, signals
from sklearn.base import clone
from sklearn.model_selection import cross_validate
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from eeginv import (
    AugNet,
    FastAutoAugmentSearch,
    InvariantClassifier,
    InvariantModule,
    invariance_profile,
)
from eeginv.benchmark import run_benchmark
from eeginv.datasets.kinds import backbone_of_kind
from eeginv.transforms import SignFlip, TimeReverse

X, Y = signals()


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight


class Bounded(nn.Module):
    """Two of its layers are the same, and one has two parametrisations."""

    def __init__(self, n_chans, n_times, n_outputs):
        super().__init__()
        self.first = spectral_norm(nn.Linear(n_times, 3))
        self.again = self.first
        self.last = nn.Linear(3 * n_chans, n_outputs)
        for tensor in ("weight", "bias"):
            parametrize.register_parametrization(self.last, tensor, Doubled())
        parametrize.register_parametrization(self.last, "weight", Doubled())

    def forward(self, X):
        return self.last((self.first(X) + self.again(X)).flatten(1))


def fitted(backbone):
    clf = InvariantClassifier(
        backbone, sfreq=SFREQ, max_epochs=2, warmup=0, batch_size=16, random_state=0
    )
    return clf.fit(X, Y)


@pytest.mark.parametrize("backbone", ["EEGNet", "BDTCN", Bounded])
@pytest.mark.parametrize("how", ["pickle", "joblib", "copy"])
def test_copies_predict_and_train_as_the_original(backbone, how, tmp_path):
    clf = fitted(backbone)
    if how == "pickle":
        other = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(clf))))
    elif how == "joblib":
        joblib.dump(clf, tmp_path / "model")
        other = joblib.load(tmp_path / "model")
    else:
        other = copy.deepcopy(clf)
    np.testing.assert_array_equal(clf.predict_proba(X), other.predict_proba(X))
    assert any(map(parametrize.is_parametrized, other.module_.modules()))
    assert other.module_ is other.net_.module_ is other.net_.module
    # the optimiser still trains the parameters of the copy
    batch, target = torch.from_numpy(X[:8]).float(), torch.from_numpy(Y[:8])
    before = [p.detach().clone() for p in other.module_.parameters()]
    for one in (clf, other):
        one.net_.optimizer_.zero_grad()
        loss = nn.functional.cross_entropy(one.module_(batch), target)
        loss.backward()
        one.net_.optimizer_.step()
    trained = [list(one.module_.parameters()) for one in (clf, other)]
    assert all(map(torch.equal, *trained))
    assert not all(map(torch.equal, before, trained[1]))


def test_a_pickle_holds_the_weights_once():
    clf = InvariantClassifier(Bounded, sfreq=SFREQ, max_epochs=1, warmup=0, random_state=0)
    clf.fit(X, Y)
    weights = list(clf.module_.parameters())
    with torch.no_grad():  # found again in the bytes
        weights[0].copy_(torch.linspace(1, 2, weights[0].numel()).reshape(weights[0].shape))
    assert pickle.dumps(clf).count(weights[0].detach().numpy().tobytes()) == 1


def test_shared_layers_stay_shared():
    module = InvariantModule(Bounded(3, 20, 2))
    other = pickle.loads(pickle.dumps(module)).backbone
    assert other.first is other.again
    assert other.first is not module.backbone.first
    before = other.last.weight.detach().clone()
    with torch.no_grad():
        other.last.parametrizations.weight.original.mul_(3)
    torch.testing.assert_close(other.last.weight, 3 * before)
    assert torch.equal(module.backbone.last.weight, before)
    parametrize.remove_parametrizations(other.last, "weight")
    assert not parametrize.is_parametrized(other.last, "weight")


def test_layers_that_pickle_themselves():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = spectral_norm(nn.LSTM(3, 4), "weight_hh_l0").eval()
    other = pickle.loads(pickle.dumps(InvariantModule(layer))).backbone
    signals = torch.ones(5, 2, 3)
    assert torch.equal(layer(signals)[0], other(signals)[0])


def test_a_module_that_was_exchanged_stays():
    clf = fitted(Bounded)
    clf.module_ = InvariantModule(clf.module_.backbone, AugNet([TimeReverse(0.5)]), n_copies=4)
    other = pickle.loads(pickle.dumps(clf))
    assert other.module_.n_copies == 4
    np.testing.assert_array_equal(clf.predict_proba(X), other.predict_proba(X))


def test_a_backbone_that_is_an_object_reaches_other_processes():
    clf = InvariantClassifier(
        Bounded(*X.shape[1:], 2), sfreq=SFREQ, max_epochs=2, warmup=0, random_state=0
    )
    here, there = (
        cross_validate(clf, X, Y, cv=2, n_jobs=n_jobs, return_estimator=True, error_score="raise")
        for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(here["test_score"], there["test_score"])
    one, two = (found["estimator"][0].predict_proba(X) for found in (here, there))
    np.testing.assert_array_equal(one, two)


def test_benchmark_in_two_processes(tmp_path, monkeypatch):
    """EEGNet is its default for everything but sleep."""
    monkeypatch.setattr("eeginv.benchmark.run.write_report", lambda folder: folder)
    assert backbone_of_kind("generic") == "EEGNet"
    data, options = (X, Y, np.arange(len(X)) % 4), {"sfreq": SFREQ}
    run_benchmark(
        tmp_path, data=data, data_options=options, n_train=(2,), n_test=2, epochs=3, n_splits=1,
        methods=["none", "augnet"], n_jobs=2, progress=False,
    )  # fmt: skip
    table = pd.read_csv(tmp_path / "results.csv")
    assert sorted(set(table.method)) == ["augnet", "none", "none_learned"]


@pytest.mark.slow
def test_search_in_two_processes():
    """Its networks without augmentation are trained in one process, and used in another."""
    clf = InvariantClassifier("EEGNet", sfreq=SFREQ, max_epochs=2, random_state=0)
    groups = np.arange(len(X)) // 8
    search = FastAutoAugmentSearch(
        clf, n_folds=2, n_trials=2, n_best=1, refit=False, random_state=0
    )
    one, two = (
        clone(search).set_params(n_jobs=n_jobs).fit(X, Y, groups=groups) for n_jobs in (1, 2)
    )
    assert one.policy_ == two.policy_


@pytest.mark.parametrize("how", ["module", "net"])
def test_profile_of_a_model_without_eeginv_in_two_processes(how):
    from braindecode import EEGClassifier
    from braindecode.models import EEGNet

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = EEGNet(n_chans=X.shape[1], n_times=X.shape[2], n_outputs=2, sfreq=SFREQ)
    if how == "net":
        network = EEGClassifier(network, train_split=None, max_epochs=1, batch_size=8, verbose=0)
        network.fit(X.astype(np.float32), Y)
    options = {"transforms": [SignFlip(), TimeReverse()], "random_state": 0}
    one, two = (
        invariance_profile(network, X.astype(np.float32), n_jobs=n_jobs, **options)
        for n_jobs in (1, 2)
    )
    pd.testing.assert_frame_equal(one, two)
