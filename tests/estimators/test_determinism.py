"""The same seed gives the same network and predictions, whatever else runs."""

import numpy as np
import pytest
import torch
from rhythms import Network, classifier, recordings, same_weights
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score

from eeginv.transforms import SignFlip, TimeReverse


@pytest.mark.parametrize("backbone", ["SleepStagerChambon2018", "EEGNet"])
def test_predictions_do_not_depend_on_call_order_or_batch(backbone):
    X, y, _ = recordings(times=640)
    clf = classifier(backbone=backbone, max_epochs=2).fit(X, y)
    p = clf.predict_proba(X)
    assert (clf.predict_proba(X) == p).all()
    order = np.random.default_rng(0).permutation(len(X))
    assert (clf.predict_proba(X[order]) == p[order]).all()
    for i in range(8):
        assert (clf.predict_proba(X[i : i + 1])[0] == p[i]).all()


def test_fits_are_bit_identical_and_global_state_is_left_alone():
    X, y, _ = recordings()
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    threads = torch.get_num_threads()
    first = classifier(backbone="EEGNet").fit(X, y)
    torch.rand(7, generator=None)
    torch.set_rng_state(state)
    second = classifier(backbone="EEGNet").fit(X, y)
    assert same_weights(first, second)
    assert first.policy_ == second.policy_
    assert not same_weights(first, classifier(backbone="EEGNet", random_state=1).fit(X, y))
    first.predict(X)
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002
    assert torch.get_num_threads() == threads


def test_cross_validation_does_not_leak_and_jobs_do_not_matter():
    X, y, groups = recordings()
    transforms = [SignFlip(0.2), TimeReverse(0.2)]
    clf = classifier(transforms=transforms, backbone=Network(2, 128, 2))
    before = [p.clone() for t in transforms for p in t.parameters()]
    one = cross_val_score(clf, X, y, groups=groups, cv=GroupKFold(3), n_jobs=1)
    two = cross_val_score(clf, X, y, groups=groups, cv=GroupKFold(3), n_jobs=2)
    assert (one == two).all()
    after = [p for t in transforms for p in t.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    fitted = classifier(transforms=transforms).fit(X, y)
    assert same_weights(clone(fitted).fit(X, y), fitted)
    assert same_weights(fitted.fit(X, y), clone(fitted).fit(X, y))
    grids = [{"penalty": [0.0, 0.1]}, {"augmentation": ["trivial", None]}]
    grid = GridSearchCV(classifier(), grids, cv=2).fit(X, y)
    assert len(grid.cv_results_["params"]) == 4
