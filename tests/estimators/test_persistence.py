"""What a random search, or a user, puts into parameters is saved, and never lost to a save."""

import enum
import fractions
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from recorded import LABELS, Powers, classifier, signals
from scipy.stats import uniform
from sklearn.model_selection import RandomizedSearchCV
from torch import nn

import eeginv
from eeginv import InvariantClassifier
from eeginv.adapters import from_callable
from eeginv.estimators.plain import NotPlainError, from_json, to_json
from eeginv.transforms import GaussianNoise, SignFlip

X, Y = signals()
TARGETS = LABELS[Y]


class Configured(Powers):
    """Keeps what it was made with."""

    def __init__(self, n_chans, n_outputs, **options):
        super().__init__(n_chans, n_outputs)
        self.options = options


class Colour(enum.Enum):
    RED = 1


VALUES = {
    "none": None,
    "text": "a",
    "numbers": [1, 2.5, True, float("inf")],
    "tuple": (1, (2, "b"), [3]),
    "mapping": {1: "a", "b": {None: 2.0}, "__kind__": 3},
    "set": {1, 2},
    "path": Path("folder") / "file",
    "dtype": torch.float64,
    "device": torch.device("cpu"),
    "slice": slice(1, None, 2),
    "layer": nn.ELU,
    "function": nn.functional.elu,
}


@pytest.mark.parametrize("name", VALUES)
def test_values_come_back(name):
    back = from_json(json.loads(json.dumps(to_json(VALUES[name]))))
    assert back == VALUES[name]
    assert type(back) is type(VALUES[name])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (fractions.Fraction(1, 4), 0.25),
        ({"a": [np.int32(1), {"b": np.float64(2)}]}, {"a": [1, {"b": 2.0}]}),
    ],
)
def test_numbers_of_others_become_pythons(value, expected):
    back = from_json(json.loads(json.dumps(to_json(value))))
    assert back == expected
    assert type(back) is type(expected)


def test_arrays_keep_their_type():
    for array in (np.arange(6, dtype=np.int16).reshape(2, 3), np.array(["a", "bc"]), np.zeros(0)):
        back = from_json(json.loads(json.dumps(to_json({"a": array}))))["a"]
        np.testing.assert_array_equal(back, array)
        assert back.dtype == array.dtype
    tensor = torch.tensor([1.5, 2.5])
    back = from_json(json.loads(json.dumps(to_json(tensor))))
    assert torch.equal(back, tensor)


@pytest.mark.parametrize(
    "value", [lambda x: x, Configured, Colour.RED, [{"a": object()}], np.array([None]), Path.exists]
)
def test_other_values_are_not_written(value):
    with pytest.raises(NotPlainError, match="cannot be written as JSON"):
        to_json(value)


@pytest.mark.parametrize(
    "path", ["os:system", "torch.hub:load", "torch.nn:NoLayer", "torchx.nn:Linear", "builtins:eval"]
)
def test_a_file_does_not_choose_what_is_called(path):
    with pytest.raises(ValueError, match="is no layer"):
        from_json({"__kind__": "layer", "values": path})


def test_after_a_random_search(tmp_path):
    clf = classifier(backbone=Configured, augmentation="augnet", transforms=[GaussianNoise(0.2)])
    choices = {
        "penalty": uniform(0.01, 0.02),
        "lr": np.logspace(-2, -1, 3).astype(np.float32),
        "n_copies": np.arange(1, 3),
        "max_epochs": np.array([1, 2]),
        "class_weight": [{"rest": np.float32(1), "task": np.int64(2)}],
        "backbone_params": [{"drop": np.float64(0.5), "kernels": (np.int64(3), 5), "act": nn.ELU}],
    }
    search = RandomizedSearchCV(clf, choices, n_iter=2, cv=2, random_state=0).fit(X, TARGETS)
    best = search.best_estimator_
    best.save(tmp_path / "clf")
    loaded = InvariantClassifier.load(tmp_path / "clf", backbone=Configured)
    np.testing.assert_array_equal(loaded.predict_proba(X), best.predict_proba(X))
    assert loaded.module_.backbone.options == {"drop": 0.5, "kernels": (3, 5), "act": nn.ELU}
    assert loaded.lr == best.lr
    assert loaded.penalty_ == best.penalty_


def test_numbers_of_numpy_in_what_is_fitted(tmp_path):
    transforms = [SignFlip(np.float64(0.2), max_probability=np.float32(0.4))]
    clf = classifier(augmentation="augnet", transforms=transforms, penalty=np.float32(0.02))
    clf.fit(X, TARGETS)
    for row in clf.history_:
        row["own"] = np.float32(0.25)
    clf.save(tmp_path / "clf")
    loaded = InvariantClassifier.load(tmp_path / "clf", backbone=Powers)
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))
    assert loaded.penalty_ == clf.penalty_
    assert loaded.history_[-1, "own"] == 0.25


def test_what_cannot_be_written_is_asked_for_again(tmp_path):
    def louder(X, strength, noise):
        return X * (1 + strength)

    def transforms():
        return [SignFlip(0.2), from_callable(louder, 0.1, 1.0)]

    clf = classifier(augmentation="augnet", transforms=transforms()).fit(X, TARGETS)
    clf.save(tmp_path / "clf")
    with pytest.raises(ValueError, match="Pass transforms= to load"):
        InvariantClassifier.load(tmp_path / "clf", backbone=Powers)
    loaded = InvariantClassifier.load(tmp_path / "clf", backbone=Powers, transforms=transforms())
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))

    options = {"own": lambda x: x}
    clf = classifier(backbone=Configured, backbone_params=options).fit(X, TARGETS)
    clf.save(tmp_path / "clf")
    with pytest.raises(ValueError, match="backbone_params .* could not be saved: pass the network"):
        InvariantClassifier.load(tmp_path / "clf", backbone=Configured)
    network = Configured(2, 2, **options)
    loaded = InvariantClassifier.load(tmp_path / "clf", backbone=network)
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))


# folders that are not as they were saved ----------------------------------------------------------
@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Two saved classifiers of one architecture, and the probabilities of the first."""
    folder = tmp_path_factory.mktemp("saved")
    models = [classifier(random_state=seed).fit(X, TARGETS) for seed in (0, 1)]
    for name, model in zip("ab", models, strict=True):
        model.save(folder / name)
    return folder, models[0].predict_proba(X)


def change(folder, **values):
    path = folder / "estimator.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def without(folder, name):
    path = folder / "estimator.json"
    values = json.loads(path.read_text())
    del values[name]
    path.write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda f: (f / "weights.safetensors").unlink(), FileNotFoundError, "copy the whole"),
        (lambda f: (f / "weights.safetensors").write_bytes(b""), ValueError, "was cut, or is not"),
        (
            lambda f: shutil.copy(f.parent / "b" / "weights.safetensors", f),
            ValueError,
            "is not what was saved together with the estimator.json",
        ),
        (lambda f: without(f, "fitted"), ValueError, "estimator.json lacks fitted"),
        (lambda f: (f / "estimator.json").write_text("[]"), ValueError, "is not what save"),
    ],
)
def test_a_folder_that_was_changed_is_named(saved, tmp_path, spoil, error, message):
    folder = tmp_path / "a"
    shutil.copytree(saved[0] / "a", folder)
    shutil.copytree(saved[0] / "b", tmp_path / "b")
    spoil(folder)
    with pytest.raises(error, match=message):
        InvariantClassifier.load(folder, backbone=Powers)


def test_folders_without_a_digest_are_read(saved, tmp_path):
    folder = tmp_path / "a"
    shutil.copytree(saved[0] / "a", folder)
    without(folder, "weights")
    loaded = InvariantClassifier.load(folder, backbone=Powers)
    assert (loaded.predict_proba(X) == saved[1]).all()


def test_another_backbone_is_named(saved):
    with pytest.raises(ValueError, match="weights in .* are of another network"):
        InvariantClassifier.load(saved[0] / "a", backbone=Wider)


class Wider(Powers):
    """Has more weights."""

    def __init__(self, n_chans, n_outputs):
        super().__init__(n_chans, n_outputs)
        self.more = nn.Linear(2, 2)


@pytest.mark.parametrize("how", ["pickle", "joblib", "load"])
def test_in_a_fresh_process(tmp_path, how):
    """Nothing but the file is there: not even `import eeginv` before it is read."""
    options = {"backbone": "ShallowFBCSPNet", "sfreq": 64.0, "max_epochs": 1, "n_copies": 2}
    model = InvariantClassifier(augmentation="trivial", random_state=0, **options)
    longer = np.tile(X, (1, 1, 4))
    expected = model.fit(longer, TARGETS).predict_proba(longer)
    np.save(tmp_path / "X.npy", longer)
    np.save(tmp_path / "expected.npy", expected)
    read = {
        "pickle": "import pickle; model = pickle.load(open('model', 'rb'))",
        "joblib": "import joblib; model = joblib.load('model')",
        "load": "import eeginv; model = eeginv.InvariantClassifier.load('model')",
    }[how]
    if how == "load":
        model.save(tmp_path / "model")
    else:
        module = pickle if how == "pickle" else joblib
        with (tmp_path / "model").open("wb") as file:
            module.dump(model, file)
    code = f"{read}\nimport numpy as np\nX, p = np.load('X.npy'), np.load('expected.npy')\n"
    code += "assert (model.predict_proba(X) == p).all()"
    path = os.pathsep.join(
        [str(Path(eeginv.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    )
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
