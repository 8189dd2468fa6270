"""Estimators that are saved or pickled come back as they were."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from rhythms import Network, classifier, recordings, same_weights
from sklearn.base import clone

from eeginv import AugNet, InvariantClassifier, InvariantRegressor, Policy, PolicyAugmentation
from eeginv.adapters import from_callable
from eeginv.policy import PolicyEntry
from eeginv.transforms import GaussianNoise, SignFlip, TimeReverse


@pytest.mark.parametrize(
    "augmentation",
    [
        "augnet",
        "trivial",
        None,
        Policy([PolicyEntry("SignFlip", 0.5, binary=True)]),
        AugNet([TimeReverse(0.1)]),
        PolicyAugmentation(Policy([PolicyEntry("SignFlip", 0.5, binary=True)])),
    ],
)
def test_augmentations_and_saving(augmentation, tmp_path):
    X, y, _ = recordings()
    clf = classifier(augmentation=augmentation).fit(X, y)
    assert (clf.policy_ is None) == (augmentation is None)
    clf.save(tmp_path / "clf")
    clf.save(tmp_path / "clf")  # replaces
    assert {p.suffix for p in (tmp_path / "clf").iterdir()} == {".json", ".safetensors"}
    given = AugNet([TimeReverse(0.1)]) if isinstance(augmentation, AugNet) else None
    loaded = InvariantClassifier.load(tmp_path / "clf", backbone=Network, augmentation=given)
    assert (loaded.predict_proba(X) == clf.predict_proba(X)).all()
    assert (loaded.predict(X) == clf.predict(X)).all()
    assert loaded.policy_ == clf.policy_
    with pytest.raises(ValueError, match="Pass backbone="):
        InvariantClassifier.load(tmp_path / "clf", augmentation=given)
    with pytest.raises(ValueError, match="InvariantClassifier"):
        InvariantRegressor.load(tmp_path / "clf", backbone=Network)


def test_saved_by_name_and_with_transforms(tmp_path):
    X, y, _ = recordings()
    transforms = [SignFlip(0.2), GaussianNoise(0.1)]
    clf = classifier(
        backbone="EEGNet", transforms=transforms, class_weight={"alpha": 2.0, "spindle": 1}
    )
    clf.fit(X, y).save(tmp_path / "clf")
    loaded = InvariantClassifier.load(tmp_path / "clf")
    assert (loaded.predict_proba(X) == clf.predict_proba(X)).all()
    assert loaded.history_[-1, "train_loss"] == clf.history_[-1, "train_loss"]
    assert clone(loaded).fit(X, y).predict(X).shape == y.shape
    with pytest.raises(FileExistsError):
        clf.save(tmp_path)
    with pytest.raises(FileNotFoundError):
        InvariantClassifier.load(tmp_path / "nothing")


def test_nested_transforms_and_weights_of_integer_classes_are_saved(tmp_path):
    X, y, _ = recordings()
    y = (y == "alpha").astype(int)
    clf = classifier(
        backbone="EEGNet",
        transforms=[[SignFlip(0.2)], [GaussianNoise(0.1)]],
        class_weight={0: 1, 1: 2},
    )
    clf.fit(X, y).save(tmp_path / "clf")
    loaded = InvariantClassifier.load(tmp_path / "clf")
    assert (loaded.predict_proba(X) == clf.predict_proba(X)).all()
    assert same_weights(clone(loaded).fit(X, y), clf)


def test_a_schedule_is_loaded_where_training_left_it(tmp_path):
    def at(extent, probability):
        entry = PolicyEntry("GaussianNoise", extent, config={"max_magnitude": 1.0})
        return Policy([entry], probability=probability)

    X, y, _ = recordings()
    schedule = PolicyAugmentation([at(0.1 * i, 0.2 * i) for i in (1, 2, 3, 4)])
    clf = classifier(backbone="EEGNet", augmentation=schedule, max_epochs=2).fit(X, y)
    clf.save(tmp_path / "clf")
    loaded = InvariantClassifier.load(tmp_path / "clf")
    assert loaded.policy_ == clf.policy_
    assert (loaded.predict_proba(X) == clf.predict_proba(X)).all()


def test_fitted_estimators_pickle():
    X, y, _ = recordings()
    for verbose in (0, 1):
        clf = classifier(verbose=verbose).fit(X, y)
        copy = pickle.loads(pickle.dumps(clf))
        assert (copy.predict_proba(X) == clf.predict_proba(X)).all()


def test_saved_files_hold_no_pickle(tmp_path):
    X, y, _ = recordings()
    classifier(backbone="EEGNet").fit(X, y).save(tmp_path / "clf")
    saved = json.loads((tmp_path / "clf" / "estimator.json").read_text())
    assert saved["backbone"] == "EEGNet"
    header = (tmp_path / "clf" / "weights.safetensors").read_bytes()[8:9]
    assert header == b"{"


def test_what_predictions_average_can_be_set_after_fit_and_is_saved(tmp_path):
    X, y, _ = recordings()
    clf = classifier(augmentation=AugNet([TimeReverse(0.5)]), n_copies=0).fit(X, y)
    before = clf.predict_proba(X)
    averaged = clf.set_params(n_copies=7, average="probability").predict_proba(X)
    assert abs(averaged - before).max() > 1e-6
    copies = clf.module_.augmentation.copies(torch.from_numpy(X), n_copies=7)
    clf.set_params(n_copies=0)
    outputs = [clf.predict_proba(copy.detach().numpy()) for copy in copies]
    np.testing.assert_allclose(averaged, np.mean(outputs, axis=0), atol=1e-6)
    assert (clf.predict_proba(X) == before).all()
    clf.set_params(n_copies=7).save(tmp_path / "clf")
    given = AugNet([TimeReverse(0.5)])
    loaded = InvariantClassifier.load(tmp_path / "clf", backbone=Network, augmentation=given)
    assert (loaded.predict_proba(X) == averaged).all()
    with pytest.raises(ValueError, match="n_copies must be a whole number"):
        clf.set_params(n_copies=2.5)
    with pytest.raises(ValueError, match="average must be one of"):
        clf.set_params(n_copies=2, average="mean")
    with pytest.raises(ValueError, match="device must be a device of torch"):
        clf.set_params(n_copies=2, device="gpu")
    assert (clf.n_copies, clf.average, clf.device) == (7, "probability", "cpu")  # as before
    assert (clf.predict_proba(X) == averaged).all()


def test_a_fitted_network_follows_the_device():
    X, y, _ = recordings()
    clf = classifier().fit(X, y)
    clf.set_params(device="meta")
    assert {weight.device.type for weight in clf.module_.parameters()} == {"meta"}
    with pytest.raises(ValueError, match="device must be a device of torch"):
        clf.set_params(device="gpu")


def test_names_of_columns_are_saved(tmp_path):
    X, y, _ = recordings(channels=1)
    table = pd.DataFrame(X[:, 0], columns=[f"{i} samples" for i in range(X.shape[2])])
    clf = classifier().fit(table, y)
    clf.save(tmp_path / "clf")
    loaded = InvariantClassifier.load(tmp_path / "clf", backbone=Network)
    assert (loaded.feature_names_in_ == clf.feature_names_in_).all()
    assert (loaded.predict_proba(table) == clf.predict_proba(table)).all()
    with pytest.raises(ValueError, match="feature names should match"):
        loaded.predict(table[table.columns[::-1]])


def test_another_augmentation_is_one_of_the_next_fit(tmp_path):
    X, y, _ = recordings()
    clf = classifier(augmentation=AugNet([TimeReverse(0.5)]), n_copies=0).fit(X, y)
    clf.save(tmp_path / "clf")
    given = AugNet([TimeReverse(0.5)])
    clf.set_params(**{**clf.get_params(), "backbone_params": None, "n_layers": None})
    for name, value in {"augmentation": None, "backbone": "EEGNet", "n_layers": 2}.items():
        before = clf.get_params()[name]
        clf.set_params(**{name: value})
        with pytest.raises(ValueError, match=f"^{name} was changed after fit"):
            clf.save(tmp_path / "clf")
        clf.set_params(**{name: before}).save(tmp_path / "clf")
    assert InvariantClassifier.load(tmp_path / "clf", backbone=Network, augmentation=given)


def drift(X, strength, noise):
    return X + strength * (noise["uniform"] - 0.5).reshape(-1, 1, 1)


def test_other_transforms_than_those_of_the_fit_are_refused(tmp_path):
    X, y, _ = recordings()
    own, flip = from_callable(drift, 0.5, 2.0), SignFlip(0.1)
    clf = classifier(augmentation="augerino", transforms=[own, flip]).fit(X, y)
    clf.save(tmp_path / "clf")
    again = InvariantClassifier.load(tmp_path / "clf", Network, transforms=[own, flip])
    assert (again.predict_proba(X) == clf.predict_proba(X)).all()
    for wrong in ([flip, own], [flip, TimeReverse(0.1)]):
        with pytest.raises(ValueError, match="was fitted with the transforms drift, SignFlip"):
            InvariantClassifier.load(tmp_path / "clf", Network, transforms=wrong)


def test_another_precision_counts_at_once(tmp_path):
    X, y, _ = recordings()
    clf = classifier().fit(X, y)
    before = clf.predict_proba(X)
    after = clf.set_params(precision="bf16").predict_proba(X)
    assert 0 < abs(after - before).max() < 0.05
    with pytest.raises(ValueError, match="precision must be one of"):
        clf.set_params(precision="fp16")
    clf.save(tmp_path / "clf")
    loaded = InvariantClassifier.load(tmp_path / "clf", Network)
    assert (loaded.predict_proba(X) == after).all()
