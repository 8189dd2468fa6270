"""Predictions do not depend on how many there are, on a processor and on a GPU."""

import numpy as np
import pytest
import torch
from torch import nn

from eeginv import AugNet, InvariantClassifier, InvariantModule, invariance_profile
from eeginv.estimators import prediction
from eeginv.estimators.prediction import Batches, plan_batches
from eeginv.transforms import SignFlip, TimeReverse, TimeShift

SHAPE = (3, 64)
GIB = 2**30


def net():
    return nn.Sequential(
        nn.Conv1d(3, 4, 9), nn.ReLU(), nn.AdaptiveAvgPool1d(4), nn.Flatten(), nn.Linear(16, 2)
    )


def module(n_copies=6, **options):
    torch.manual_seed(0)
    candidates = [SignFlip(0.4), TimeReverse(0.4), TimeShift(64.0)]
    network = nn.Conv1d(3, 2, 5, padding=2) if options.get("equivariant") else net()
    return InvariantModule(network, AugNet(candidates, random_state=0), n_copies, **options).eval()


@pytest.fixture(scope="module")
def fitted():
    torch.manual_seed(0)
    X = np.random.default_rng(0).normal(size=(1000, *SHAPE)).astype("float32")
    candidates = [SignFlip(0.4), TimeReverse(0.4), TimeShift(64.0)]
    clf = InvariantClassifier(
        net(), transforms=candidates, n_copies=6, max_epochs=1, warmup=0.0, sfreq=64, random_state=0
    )
    return clf.fit(X[:64], np.arange(64) % 2), X


def as_a_gpu(monkeypatch, memory):
    monkeypatch.setattr(prediction, "memory_of", lambda device: memory)


@pytest.mark.parametrize("memory", [None, 80 * GIB, 2 * GIB // 1000])
def test_of_each_window_whatever_is_beside_it(fitted, memory, monkeypatch):
    clf, X = fitted
    processor = clf.predict_proba(X)
    as_a_gpu(monkeypatch, memory)
    whole = clf.predict_proba(X)
    for n in (1, 7, 32):
        assert np.array_equal(clf.predict_proba(X[:n]), whole[:n])
        assert np.array_equal(clf.predict_proba(X[-n:]), whole[-n:])
    np.testing.assert_allclose(whole, processor, atol=1e-6)
    assert clf.module_.copies_at_once == 1


def test_batches_fill_a_gpu(monkeypatch):
    model = module()
    assert plan_batches(model, SHAPE, "cpu") == Batches(32, 1)
    as_a_gpu(monkeypatch, 80 * GIB)
    most = plan_batches(model, SHAPE, "cpu")
    assert most == Batches(2048 // 6, 6)
    assert plan_batches(InvariantModule(net()), SHAPE, "cpu") == Batches(2048, 1)
    seen = []
    for memory in (10**6, 10**7, 10**8):
        as_a_gpu(monkeypatch, memory)
        batches = plan_batches(model, SHAPE, "cpu")
        seen.append(batches.n_windows * batches.n_copies)
    assert 32 <= seen[0] < seen[1] < seen[2] <= 2048
    as_a_gpu(monkeypatch, 1)
    assert plan_batches(model, SHAPE, "cpu") == Batches(32, 1)


def test_what_a_window_needs_is_more_than_a_network_makes_of_it():
    one = nn.Sequential(nn.Conv1d(3, 100, 1), nn.Conv1d(100, 2, 1))
    made = 4 * 64 * (100 + 2)
    found = prediction._bytes_of_window(InvariantModule(one), SHAPE, "cpu")
    of_signals = 8 * 4 * 3 * 64
    assert made <= found - of_signals <= 2 * made


@pytest.mark.parametrize("options", [{}, {"equivariant": True}, {"average": "probability"}])
@pytest.mark.parametrize("at_once", [2, 4, 6, 10])
def test_copies_together_are_those_one_by_one(options, at_once):
    model, X = module(**options), torch.randn(5, *SHAPE)
    sizes = []
    model.backbone.register_forward_pre_hook(lambda _, arguments: sizes.append(len(arguments[0])))
    with torch.no_grad():
        alone = model(X)
        model.copies_at_once = at_once
        sizes.clear()
        together = model(X)
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)
    assert sizes == [5 * min(at_once, 6 - done) for done in range(0, 6, at_once)]


def test_profiles_hear_the_layers_of_copies_together(fitted, monkeypatch):
    clf, X = fitted
    options = {"transforms": [SignFlip()], "space": "embedding", "random_state": 0}
    alone = invariance_profile(clf, X[:20], **options)
    as_a_gpu(monkeypatch, 80 * GIB)
    together = invariance_profile(clf, X[:20], **options)
    columns = alone.select_dtypes("number").columns
    np.testing.assert_allclose(together[columns], alone[columns], atol=1e-4)
