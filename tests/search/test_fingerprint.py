"""A search goes on from the trials of one that would find the same, and of no other."""

import numpy as np
from recorded import SFREQ, signals
from skorch.callbacks import EpochScoring, GradientNormClipping
from torch import nn

from eeginv import InvariantClassifier, RandAugmentSearch
from eeginv.search import fingerprint as module
from eeginv.transforms import SignFlip

X, Y = signals()


class One(nn.Sequential):
    def __init__(self, n_chans, n_times, n_outputs, p=0.0):
        super().__init__(nn.Flatten(), nn.Dropout(p), nn.Linear(n_chans * n_times, n_outputs))


class Two(One):
    pass


class Any(One):
    """Takes anything as its parameter."""

    def __init__(self, n_chans, n_times, n_outputs, p):
        super().__init__(n_chans, n_times, n_outputs)


def key(monkeypatch, random_state=0, **options):
    """The fingerprint of a search, which ends before its first trial."""
    found = []

    class Done(Exception):
        pass

    def search(self, problem, seed):
        found.append(module.fingerprint(self, problem))
        raise Done

    monkeypatch.setattr(RandAugmentSearch, "_search", search)
    clf = InvariantClassifier(**{"backbone": One, "sfreq": SFREQ, **options})
    try:
        RandAugmentSearch(clf, transforms=[SignFlip()], random_state=random_state).fit(X, Y)
    except Done:
        return found[0]


def test_fingerprints(monkeypatch):
    assert key(monkeypatch) == key(monkeypatch)
    assert key(monkeypatch) != key(monkeypatch, backbone=Two)
    shape = X.shape[1], X.shape[2], 2
    network, other = One(*shape), One(*shape, p=0.5)
    other.load_state_dict(network.state_dict())
    assert key(monkeypatch, backbone=network) != key(monkeypatch, backbone=other)
    clip, more = GradientNormClipping(1.0), GradientNormClipping(2.0)
    assert key(monkeypatch, callbacks=[clip]) == key(monkeypatch, callbacks=[clip])
    assert key(monkeypatch, callbacks=[clip]) != key(monkeypatch, callbacks=[more])
    assert key(monkeypatch, callbacks=[clip]) != key(
        monkeypatch, callbacks=[EpochScoring("f1", on_train=True)]
    )
    given = [0.1, 0.2, nn.functional.elu, nn.functional.gelu, nn.ELU, slice(1), slice(2)]
    keys = [key(monkeypatch, backbone_params={"p": p}, backbone=Any) for p in given]
    assert keys == [key(monkeypatch, backbone_params={"p": p}, backbone=Any) for p in given]
    assert len(set(keys)) == len(given)
    states = [np.random.RandomState(seed) for seed in (0, 0, 1)]
    one, two, three = (key(monkeypatch, random_state=state) for state in states)
    assert one == two != three
