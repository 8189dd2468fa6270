"""Trainings that fail, are stopped or are repeated leave nothing behind."""

import pickle

import numpy as np
import pytest
import torch
from recorded import SFREQ, signals
from skorch.callbacks import Callback, EarlyStopping
from torch import nn

from eeginv import InvariantClassifier, InvariantRegressor

X, Y = signals()
X = X.astype(np.float32)


class Net(nn.Module):
    def __init__(self, n_chans, n_times, n_outputs, encoder=None):
        super().__init__()
        self.encoder = nn.Linear(n_times, 4) if encoder is None else encoder
        self.last = nn.Linear(4 * n_chans, n_outputs)

    def forward(self, X):
        return self.last(self.encoder(X).flatten(1))


OPTIONS = {"augmentation": None, "sfreq": SFREQ, "max_epochs": 3, "random_state": 0}


def test_a_failed_fit_leaves_the_model_of_before():
    clf = InvariantClassifier(Net, **OPTIONS).fit(X, np.array(["a", "b"])[Y])
    before = clf.predict_proba(X)
    clf.set_params(lr=1e12)
    with pytest.raises(ValueError, match="diverged"):
        clf.fit(X, np.array(["x", "y"])[Y])
    assert clf.classes_.tolist() == ["a", "b"]
    np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_networks_in_backbone_params_are_copied():
    encoder = nn.Linear(X.shape[2], 4)
    weight = encoder.weight.detach().clone()
    clf = InvariantClassifier(Net, backbone_params={"encoder": encoder}, **OPTIONS)
    first = clf.fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(clf.fit(X, Y).predict_proba(X), first)
    assert torch.equal(encoder.weight, weight)


def test_a_trained_model_does_not_hold_the_signals():
    clf = InvariantClassifier(Net, validation=0.25, **OPTIONS).fit(X, Y)
    more = InvariantClassifier(Net, validation=0.25, **OPTIONS)
    more.fit(np.concatenate([X] * 8), np.concatenate([Y] * 8))
    assert abs(len(pickle.dumps(more)) - len(pickle.dumps(clf))) < 0.5 * X.nbytes


class Stops(Callback):
    def on_epoch_end(self, net, **_):
        if len(net.history) == 2:
            raise KeyboardInterrupt


class Interrupted(Callback):
    def on_epoch_end(self, net, **_):
        if len(net.history) == 2:
            ctrl_c()


def ctrl_c():
    raise KeyboardInterrupt


def test_ctrl_c_while_an_epoch_is_scored_is_no_end_of_training():
    with pytest.raises(KeyboardInterrupt):
        InvariantClassifier(Net, callbacks=[Interrupted()], **OPTIONS).fit(X, Y)
    for stops in (Stops(), EarlyStopping("train_loss", patience=1, threshold=10.0)):
        clf = InvariantClassifier(Net, callbacks=[stops], **OPTIONS).fit(X, Y)
        assert clf.n_iter_ == 2


def test_windows_without_weight_do_not_count_in_the_scale_of_targets():
    rng = np.random.default_rng(0)
    y = 3 + 2 * rng.normal(size=len(X))
    weight = np.ones(len(X))
    weight[:3] = 0
    wrong = np.where(weight > 0, y, -1e5)
    options = {**OPTIONS, "batch_size": len(X)}
    reg = InvariantRegressor(Net, **options).fit(X, wrong, sample_weight=weight)
    np.testing.assert_allclose(reg.target_mean_, y[3:].mean())
    np.testing.assert_allclose(reg.target_scale_, y[3:].std())
    assert np.abs(reg.predict(X) - 3).max() < 20
