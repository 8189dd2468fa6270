"""Labels, groups, weights and arrays as users have them: taken as they are meant, or refused."""

import numpy as np
import pandas as pd
import pytest
import torch
from recorded import LABELS, classifier, epochs, signals

from eeginv import InvariantRegressor

X, Y = signals()
NAMES = LABELS[Y]


def test_events_without_a_name_are_named():
    recorded = epochs(X, Y)
    recorded.event_id = {"rest": 0}
    with pytest.raises(ValueError, match=r"no name for the events \[1\]"):
        classifier().fit(recorded)
    # whoever brings labels, or predicts, needs no names
    fitted = classifier().fit(recorded, NAMES)
    assert (fitted.predict(recorded) == NAMES).all()


def test_events_of_two_names_are_refused():
    recorded = epochs(X, Y)
    recorded.event_id = {"rest": 0, "task": 1, "left hand": 1}
    with pytest.raises(ValueError, match=r"several names, \[\['task', 'left hand'\]\]"):
        classifier().fit(recorded)
    recorded.event_id = {"rest": 0, "task": 1, "unused": 2, "unused too": 2}
    assert classifier().fit(recorded).classes_.tolist() == ["rest", "task"]


@pytest.mark.parametrize(
    ("make", "place"),
    [
        (lambda names: pd.Series(names, dtype=object).where(np.arange(32) != 3), 3),
        (lambda names: [None if i == 4 else name for i, name in enumerate(names)], 4),
        (lambda names: pd.Series(names, dtype="string").where(np.arange(32) != 5), 5),
        (lambda names: pd.Series(Y, dtype="Int64").where(np.arange(32) != 6), 6),
        (lambda names: np.ma.masked_where(np.arange(32) == 7, names), 7),
    ],
)
def test_missing_labels_and_subjects_are_placed(make, place):
    for arguments in ({"y": make(NAMES)}, {"y": NAMES, "groups": make(NAMES)}):
        with pytest.raises(ValueError, match=f"1 are missing, the first at {place}"):
            classifier().fit(X, **arguments)


@pytest.mark.parametrize(
    ("kind", "labels", "expected"),
    [
        ("Int64", [1, 2], np.int64),
        ("UInt8", [1, 2], np.uint8),
        ("boolean", [False, True], np.bool_),
        ("Float32", [1.0, 2.0], np.float32),
    ],
)
def test_pandas_types_that_may_have_missing_values_keep_their_kind(kind, labels, expected):
    y = pd.Series(np.array(labels)[Y], dtype=kind)
    fitted = classifier().fit(X, y)
    assert fitted.classes_.dtype == fitted.predict(X).dtype == expected
    assert fitted.classes_.tolist() == labels
    assert fitted.score(X, y) == classifier().fit(X, np.array(labels)[Y]).score(X, y.to_numpy())


def test_groups_of_other_shapes():
    column = np.repeat(np.arange(8), 4)[:, None]
    options = {"validation": 0.25, "max_epochs": 2}
    expected = classifier(**options).fit(X, NAMES, groups=column[:, 0]).history_[-1]["valid_loss"]
    found = classifier(**options).fit(X, NAMES, groups=column).history_[-1]["valid_loss"]
    assert found == expected
    with pytest.raises(ValueError, match=r"one subject for each window; got shape \(32, 2\)"):
        classifier(**options).fit(X, NAMES, groups=np.zeros((32, 2)))


def test_negative_weights_are_refused():
    weight = np.ones(32)
    weight[:8] = -1
    with pytest.raises(ValueError, match="8 windows have a negative weight"):
        classifier().fit(X, NAMES, sample_weight=weight)
    with pytest.raises(ValueError, match="16 windows have a negative weight"):
        classifier(class_weight={"rest": -0.5, "task": 1}).fit(X, NAMES)
    regressor = InvariantRegressor(augmentation=None, sfreq=64, max_epochs=1)
    with pytest.raises(ValueError, match="8 windows have a negative weight"):
        regressor.fit(X, Y, sample_weight=weight)


def test_held_out_windows_without_weight_are_refused():
    groups = np.arange(32) // 8
    refused = 0
    for left_out in range(4):  # one of them is held out
        weight = (groups != left_out).astype(float)
        model = classifier(validation=0.25, patience=2, max_epochs=2)
        try:
            model.fit(X, NAMES, sample_weight=weight, groups=groups)
        except ValueError as error:
            assert "All held-out windows have weight zero" in str(error)  # noqa: PT017
            refused += 1
    assert refused == 1


@pytest.mark.parametrize("patience", [0, -3, 2.5, "3"])
def test_patience_is_a_number_of_epochs(patience):
    with pytest.raises(ValueError, match="patience must be None or a whole number of at least 1"):
        classifier(validation=0.25, patience=patience).fit(X, NAMES)


@pytest.mark.parametrize(
    ("name", "value"), [("n_layers", 1.5), ("n_layers", 0), ("penalty", None), ("penalty", "Auto")]
)
def test_parameters_of_learning_are_numbers(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .*got {value!r}"):
        classifier(augmentation="augnet", sfreq=64, **{name: value}).fit(X, NAMES)


def test_windows_of_other_lengths_are_named():
    windows = [window[:, : 64 - i % 2] for i, window in enumerate(X)]
    for form in (windows, tuple(windows), [torch.as_tensor(window) for window in windows]):
        with pytest.raises(ValueError, match=r"different shapes .*: \(2, 63\), \(2, 64\)"):
            classifier().fit(form, NAMES)


def test_masked_samples_are_no_signal():
    masked = np.ma.array(X, mask=np.zeros(X.shape, bool))
    expected = classifier().fit(X, NAMES)
    assert (classifier().fit(masked, NAMES).predict_proba(X) == expected.predict_proba(X)).all()
    masked[0, 0, :10] = np.ma.masked
    for call in (lambda: classifier().fit(masked, NAMES), lambda: expected.predict(masked)):
        with pytest.raises(ValueError, match="10 samples of X are masked"):
            call()


def test_half_precision_of_torch():
    half = torch.as_tensor(X).bfloat16().requires_grad_()
    fitted = classifier().fit(half, NAMES)
    assert (fitted.predict(half) == NAMES).all()


def test_four_dimensions_are_refused():
    fitted = classifier().fit(X, NAMES)
    with pytest.raises(ValueError, match=r"got an array of shape \(1, 32, 2, 64\)"):
        fitted.predict(X[None])
