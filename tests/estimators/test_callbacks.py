"""skorch's callbacks inside the estimators, in every form in which users write them."""

import copy
import pickle

import numpy as np
import pytest
from recorded import LABELS, classifier, signals
from sklearn.base import clone
from sklearn.metrics import f1_score, get_scorer, make_scorer
from sklearn.model_selection import cross_val_score
from skorch.callbacks import BatchScoring, Callback, EarlyStopping, EpochScoring

from eeginv import AugNet, InvariantRegressor, RandAugmentSearch
from eeginv.estimators.callbacks import check_callbacks, without_held_out
from eeginv.transforms import GaussianNoise, SignFlip

X, Y = signals()
TARGETS, GROUPS = LABELS[Y], np.repeat([0, 1, 2, 3], 8)


class Recorder(Callback):
    """Counts epochs, and keeps the rows that were held out."""

    def on_train_begin(self, net, X=None, **kwargs):
        self.n_ = 0

    def on_epoch_end(self, net, dataset_valid=None, **kwargs):
        self.n_ += 1
        self.held_out_ = None if dataset_valid is None else np.asarray(dataset_valid.X)


def of_fit(clf, scoring, y, held_out):
    """Score of a fitted model on the windows of the training or of the validation."""
    kept = dict(clf.net_.callbacks_)["recorder"].held_out_
    known = {row.tobytes(): i for i, row in enumerate(X.astype(np.float32))}
    valid = [] if kept is None else [known[row.tobytes()] for row in kept]
    rows = valid if held_out else np.setdiff1d(np.arange(len(X)), valid)
    return get_scorer(scoring)(clf, X[rows], y[rows])


def recorded(**options):
    callbacks = [("recorder", Recorder()), *options.pop("callbacks")]
    # few epochs, so that not everything is right
    return classifier(**{"max_epochs": 2, "lr": 0.01, "callbacks": callbacks, **options})


@pytest.mark.parametrize("augmentation", [None, AugNet([GaussianNoise(0.5)])])
@pytest.mark.parametrize("validation", [None, 0.5])
@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "f1", "roc_auc", "neg_log_loss"])
def test_names_of_scorings(name, validation, augmentation):
    options = {"augmentation": augmentation, "n_copies": 2, "validation": validation}
    clf = recorded(callbacks=[name], **options).fit(X, Y, groups=GROUPS)
    row = clf.history_[-1]
    assert row[f"train_{name}"] == pytest.approx(of_fit(clf, name, Y, False), abs=1e-6)
    if validation is None:
        assert f"valid_{name}" not in row
    else:
        assert row[f"valid_{name}"] == pytest.approx(of_fit(clf, name, Y, True), abs=1e-6)
    # looking does not change what is learned
    alone = recorded(callbacks=[], **options).fit(X, Y, groups=GROUPS)
    np.testing.assert_array_equal(clf.predict_proba(X), alone.predict_proba(X))


def test_labels_of_every_kind():
    for y in (TARGETS, Y == 1, Y + 1):  # 1 is the class that f1 asks for
        clf = recorded(callbacks=["accuracy", "f1"], validation=0.5).fit(X, y)
        assert clf.history_[-1, "valid_accuracy"] == of_fit(clf, "accuracy", y, True)
        coded = y if y.dtype.kind != "U" else Y
        held_out = dict(clf.net_.callbacks_)["recorder"].held_out_
        known = {row.tobytes(): i for i, row in enumerate(X.astype(np.float32))}
        rows = [known[row.tobytes()] for row in held_out]
        predicted = clf.predict(X[rows])
        predicted = predicted if y.dtype.kind != "U" else (predicted == "task").astype(int)
        assert clf.history_[-1, "valid_f1"] == pytest.approx(f1_score(coded[rows], predicted))


def own_scoring(net, X, y):
    return float((net.predict(X) == y).mean()) + 10 * len(net.history)


@pytest.mark.parametrize("use_caching", [True, False])
@pytest.mark.parametrize(
    ("scoring", "name", "extra"),
    [
        ("accuracy", "accuracy", 0),
        (make_scorer(f1_score, average="macro"), "f1_score", None),
        (own_scoring, "own_scoring", 20),
    ],
)
def test_epoch_scoring(scoring, name, extra, use_caching):
    one = EpochScoring(scoring, lower_is_better=False, use_caching=use_caching)
    other = EpochScoring(
        scoring, lower_is_better=False, use_caching=use_caching, on_train=True, name="mine"
    )
    clf = recorded(callbacks=[one, ("named", other)], validation=0.5).fit(X, TARGETS)
    row = clf.history_[-1]
    metric = "f1_macro" if extra is None else "accuracy"
    assert row[name] == pytest.approx(of_fit(clf, metric, TARGETS, True) + (extra or 0))
    assert f"{name}_best" in row
    if not use_caching:  # otherwise, of the batches as they were seen in training
        assert row["mine"] == pytest.approx(of_fit(clf, metric, TARGETS, False) + (extra or 0))
    assert dict(clf.net_.callbacks_)["named"].name_ == "mine"
    assert one.scoring is scoring  # the user's own is left alone
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_batch_scoring_and_early_stopping():
    batches = BatchScoring("accuracy", lower_is_better=False, name="by_batch")
    stop = EarlyStopping("valid_accuracy", patience=1, lower_is_better=False)
    callbacks = [batches, "accuracy", stop]
    clf = recorded(callbacks=callbacks, validation=0.5, max_epochs=40, lr=0.05).fit(X, TARGETS)
    assert clf.history_[-1, "by_batch"] == pytest.approx(clf.history_[-1, "valid_accuracy"])
    assert clf.n_iter_ < 40


@pytest.mark.parametrize("own", [False, True])
def test_the_epoch_that_ends_the_training_is_scored_too(own):
    stop = EarlyStopping("valid_loss", patience=1, threshold=10.0)
    options = {"callbacks": [stop, "accuracy"]} if own else {"callbacks": ["accuracy"]}
    patience = None if own else 1
    clf = recorded(**options, patience=patience, validation=0.5, max_epochs=40, lr=0.5)
    clf.fit(X, TARGETS)
    assert clf.n_iter_ < 40
    for name in ("train_accuracy", "valid_accuracy", "valid_loss"):
        assert len(clf.history_[:, name]) == clf.n_iter_


def test_regression_in_the_units_of_the_target():
    options = {k: v for k, v in classifier().get_params().items() if k != "average"}
    options = {k: v for k, v in options.items() if k != "class_weight"}
    callbacks = [("recorder", Recorder()), "r2", "neg_mean_absolute_error"]
    settings = {**options, "callbacks": callbacks, "max_epochs": 2, "validation": 0.5}
    for y in (1000.0 + 100 * Y, np.stack([Y, 100.0 * Y], axis=1)):
        reg = InvariantRegressor(**settings).fit(X, y)
        for name in ("r2", "neg_mean_absolute_error"):
            for side, held_out in (("train", False), ("valid", True)):
                expected = of_fit(reg, name, y, held_out)
                assert reg.history_[-1, f"{side}_{name}"] == pytest.approx(expected, rel=1e-4)


def test_callbacks_are_copied_cloned_and_cross_validated():
    recorder = Recorder()
    clf = classifier(callbacks=[recorder, ("again", Recorder()), Recorder, "accuracy"])
    for estimator in (clf, clone(clf), copy.deepcopy(clf)):
        estimator.set_params(max_epochs=3).fit(X, TARGETS)
        assert [cb.n_ for _, cb in estimator.net_.callbacks_ if isinstance(cb, Recorder)] == [3] * 3
    assert not hasattr(recorder, "n_")
    assert len(cross_val_score(clf, X, TARGETS, cv=2, error_score="raise")) == 2


@pytest.mark.parametrize(
    ("callbacks", "error", "message"),
    [
        ("accuracy", TypeError, "callbacks must be a list, got 'accuracy'"),
        (["accuraci"], ValueError, "'accuraci' is no scoring of scikit-learn"),
        ([EpochScoring("accuraci", on_train=True)], ValueError, "'accuraci' is no scoring"),
        ([3], TypeError, "names of scorings of scikit-learn such as 'accuracy'; got 3"),
        ([("name", 3)], TypeError, r"got \('name', 3\)"),
        ([("name", "accuracy", 3)], TypeError, "callbacks must be"),
        ([EpochScoring("f1")], ValueError, "EpochScoring 'f1' scores held-out windows, and there"),
        ([("mine", EpochScoring("f1"))], ValueError, "set validation, for instance to 0.2"),
    ],
)
def test_what_is_no_callback_is_refused_before_the_training(callbacks, error, message):
    with pytest.raises(error, match=message):
        classifier(callbacks=callbacks, max_epochs=10**9).fit(X, TARGETS)


def test_callbacks_that_need_held_out_windows():
    stop, on_train = EarlyStopping(), EarlyStopping("train_loss")
    scoring = EpochScoring("accuracy", on_train=False)
    given = ["accuracy", stop, ("named", scoring), on_train]
    assert without_held_out(given) == ["accuracy", on_train]
    with pytest.raises(ValueError, match="EarlyStopping monitors 'valid_loss' of held-out windows"):
        check_callbacks([stop], validates=False)
    check_callbacks([on_train], validates=False)
    check_callbacks(given, validates=True)


def test_a_search_by_trials_leaves_out_callbacks_of_held_out_windows():
    clf = classifier(validation=0.25, callbacks=[EarlyStopping()], max_epochs=3)
    search = RandAugmentSearch(
        clf, transforms=[SignFlip()], n_operations=(1,), strengths=(0.5,), refit=False
    )
    assert search.fit(X, Y, groups=GROUPS).policy_.entries
