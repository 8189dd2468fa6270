"""scikit-learn takes inputs apart: epochs, windows datasets and parts of them in its tools."""

import numpy as np
import pytest
import torch
from recorded import LABELS, classifier, dataset, epochs, signals
from sklearn import config_context
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    train_test_split,
)
from skorch.helper import SliceDataset
from torch.utils.data import ConcatDataset, Subset, TensorDataset

from eeginv import InvariantClassifier, InvariantRegressor, RandAugmentSearch

X, Y = signals()
TARGETS, GROUPS = LABELS[Y], np.repeat([3, 4, 5, 6], 8)
# the regular reading is that of an array, in the unit of the others
FORMS = {
    "epochs": lambda: epochs(X, Y),
    "windows": lambda: dataset(X, Y, GROUPS, unit=1.0),
    "slices": lambda: SliceDataset(dataset(X, Y, GROUPS, unit=1.0)),
    "subset": lambda: Subset(dataset(X, Y, GROUPS, unit=1.0), range(len(X))),
    "subset of a subset": lambda: Subset(
        Subset(dataset(X, Y, GROUPS, unit=1.0), range(len(X))[::-1]), range(len(X))[::-1]
    ),
    "tensors": lambda: TensorDataset(torch.tensor(X), torch.tensor(Y)),
    "joined": lambda: ConcatDataset(
        [Subset(dataset(X, Y, unit=1.0), part) for part in (range(10), range(10, len(X)))]
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_cross_validation_gives_what_arrays_give(form):
    given, cv = FORMS[form](), StratifiedKFold(2)
    expected = cross_val_score(classifier(), X, TARGETS, cv=cv)
    assert expected.mean() > 0.8
    found = cross_val_score(classifier(), given, TARGETS, cv=cv, error_score="raise")
    np.testing.assert_array_equal(found, expected)
    options = {"groups": GROUPS, "cv": LeaveOneGroupOut()}
    found = cross_val_predict(classifier(), given, TARGETS, **options)
    np.testing.assert_array_equal(
        found, cross_val_predict(classifier(), X, TARGETS, **options)
    )  # in the order of the windows, by the labels that were given


@pytest.mark.parametrize("form", ["epochs", "windows", "slices", "subset"])
def test_grid_search(form):
    grid = {"lr": [0.05, 1e-9]}
    options = {"cv": GroupKFold(2), "error_score": "raise"}
    expected = GridSearchCV(classifier(), grid, **options).fit(X, TARGETS, groups=GROUPS)
    found = GridSearchCV(classifier(), grid, **options).fit(FORMS[form](), TARGETS, groups=GROUPS)
    assert found.best_params_ == expected.best_params_ == {"lr": 0.05}
    key = "mean_test_score"
    np.testing.assert_array_equal(found.cv_results_[key], expected.cv_results_[key])
    assert found.score(FORMS[form](), TARGETS) == expected.score(X, TARGETS)
    known = found.best_estimator_.ch_names_  # of the final training, which gets the whole
    assert known == ["C3", "C4"]


@pytest.mark.parametrize("form", ["epochs", "windows", "slices"])
def test_labels_that_came_with_the_windows(form):
    given = FORMS[form]()
    labels = TARGETS if form == "epochs" else Y
    clf = classifier().fit(given)
    assert clf.classes_.tolist() == sorted(set(labels.tolist()))
    assert clf.score(given) == clf.score(given, labels) > 0.8
    found = cross_val_score(classifier(), given, cv=4, error_score="raise")
    np.testing.assert_array_equal(found, cross_val_score(classifier(), given, labels, cv=4))
    with pytest.raises(ValueError, match="y is None, and a ndarray brings no targets"):
        clf.score(X)
    reversed_labels = classifier().fit(given, TARGETS[::-1])  # those that are given win
    expected = classifier().fit(X, TARGETS[::-1])
    np.testing.assert_allclose(
        reversed_labels.predict_proba(X), expected.predict_proba(X), atol=1e-4
    )


@pytest.mark.parametrize("form", ["epochs", "slices"])
def test_names_and_rates_survive(form):
    train, test = train_test_split(FORMS[form](), random_state=0)
    clf = classifier().fit(train)
    assert (clf.ch_names_, clf.sfreq_) == (["C3", "C4"], 64.0)
    assert len(clf.predict(test)) == len(X) // 4


def test_what_scikit_learn_loses_is_asked_for():
    train, test, y_train, _ = train_test_split(FORMS["windows"](), TARGETS, random_state=0)
    with pytest.raises(ValueError, match=r"skorch.helper.SliceDataset\(dataset\)"):
        classifier(augmentation="augnet").fit(train, y_train)
    clf = classifier(augmentation="augnet", sfreq=64.0, max_epochs=2).fit(train, y_train)
    assert len(clf.predict(test)) == len(X) // 4


def test_subjects_survive_in_slices():
    subjects = []

    class Watched(InvariantClassifier):
        def _prepare(self, *args):
            data = super()._prepare(*args)
            subjects.append(data.groups)
            return data

    clf = Watched(**classifier(max_epochs=1, validation=0.5).get_params())
    cross_val_score(clf, FORMS["slices"](), TARGETS, groups=GROUPS, cv=GroupKFold(2))
    assert sorted(sorted(set(found.tolist())) for found in subjects) in (
        [[3, 5], [4, 6]],
        [[3, 4], [5, 6]],
        [[3, 6], [4, 5]],
    )
    with config_context(enable_metadata_routing=True):
        clf = Watched(**clf.get_params()).set_fit_request(groups=True)
        cross_val_score(
            clf, FORMS["windows"](), TARGETS, params={"groups": GROUPS}, cv=GroupKFold(2)
        )
    np.testing.assert_array_equal(subjects[2], subjects[0])
    np.testing.assert_array_equal(subjects[3], subjects[1])


def test_targets_of_skorch():
    windows = FORMS["windows"]()
    expected = classifier().fit(windows, Y).predict_proba(X)
    found = classifier().fit(SliceDataset(windows), SliceDataset(windows, idx=1))
    np.testing.assert_array_equal(found.predict_proba(X), expected)
    np.testing.assert_array_equal(
        classifier().fit(SliceDataset(windows)).predict(X), found.predict(X)
    )


def test_regressors_and_searches_too():
    reg = InvariantRegressor(
        **{
            k: v
            for k, v in classifier().get_params().items()
            if k in InvariantRegressor().get_params()
        }
    )
    for form in ("epochs", "windows", "slices"):
        found = cross_val_score(reg, FORMS[form](), Y.astype(float), cv=2, error_score="raise")
        expected = cross_val_score(reg, X, Y.astype(float), cv=2)
        np.testing.assert_allclose(found, expected, atol=1e-3)
    search = RandAugmentSearch(
        classifier(max_epochs=1), n_operations=(1,), strengths=(0.5,), random_state=0
    )
    search.fit(FORMS["epochs"]())
    assert search.score(FORMS["epochs"]()) == search.score(X, TARGETS)
