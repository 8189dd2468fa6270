"""From nights to predictions, by every door."""

import numpy as np
import pytest

import eeginv
from eeginv.datasets import load_sleep_folder, simulate_sleep


@pytest.fixture(scope="module")
def nights():
    return simulate_sleep(n_subjects=3, hours=1.0, sfreq=64, random_state=0)


def classifier(**kwargs):
    options = {"max_epochs": 2, "n_copies": 3, "class_weight": "balanced", "random_state": 0}
    return eeginv.InvariantClassifier(**{**options, **kwargs})


def test_arrays_and_windows_dataset_give_the_same_network(nights):
    X, y, groups = nights.to_arrays()
    windows = nights.to_windows_dataset()
    codes = np.array([nights.stages.index(stage) for stage in y])
    from_arrays = classifier(sfreq=nights.sfreq, validation=0.4).fit(X, codes, groups=groups)
    from_windows = classifier(validation=0.4).fit(windows)
    assert from_windows.sfreq_ == nights.sfreq
    np.testing.assert_array_equal(from_arrays.predict_proba(X), from_windows.predict_proba(windows))


def test_truth_has_a_line_for_every_default_invariance(nights):
    defaults = eeginv.transforms.default_transforms(nights.sfreq)
    names = {type(t).__name__ for t in defaults if not t.loses_information}
    names.remove("TimeShift")  # stages last, and no recording differs from another in its clock
    assert names <= set(nights.true_invariances)


@pytest.mark.slow
def test_wake_against_deep_sleep_of_new_subjects(shared_data):
    """Far above chance on real EEG, from two subjects."""
    subjects = ["ucddb003", "ucddb006", "ucddb012", "ucddb007"]
    data = load_sleep_folder(
        shared_data / "ucddb", subjects=subjects, stages=("W", "N3"), crop_wake=None
    )
    X, y, groups = data.to_arrays()
    train = np.isin(groups, subjects[:2])
    clf = classifier(sfreq=data.sfreq, max_epochs=8, batch_size=32).fit(X[train], y[train])
    recall = [(clf.predict(X[~train])[y[~train] == s] == s).mean() for s in ("W", "N3")]
    assert np.mean(recall) > 0.8
