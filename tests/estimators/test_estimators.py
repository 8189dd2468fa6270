"""What the estimators promise beyond scikit-learn's battery."""

import mne
import numpy as np
import pytest
import torch
from braindecode.datasets import create_from_X_y
from rhythms import SFREQ, Network, classifier, recordings
from sklearn.base import clone
from torch import nn

from eeginv import AugNet, InvariantModule, InvariantRegressor, PerExampleLoss
from eeginv.estimators import Trainer
from eeginv.transforms import (
    FrequencyShift,
    SignFlip,
    SmoothTimeMask,
    TimeReverse,
    default_transforms,
)

# what can be given --------------------------------------------------------------------------------


@pytest.mark.parametrize("backbone", ["EEGNet", Network, Network(2, 128, 2)])
def test_backbones_by_name_class_and_instance(backbone):
    X, y, _ = recordings()
    given = list(backbone.parameters()) if isinstance(backbone, nn.Module) else []
    before = [p.clone() for p in given]
    clf = classifier(backbone=backbone, max_epochs=15, lr=0.01).fit(X, y)
    assert clf.score(X, y) > 0.9
    assert clf.classes_.tolist() == ["alpha", "spindle"]
    assert all(map(torch.equal, before, given))  # the caller's network is left alone


@pytest.mark.filterwarnings("ignore:.*drop_last_window:DeprecationWarning")
def test_every_kind_of_signal_gives_the_same():
    X, y, groups = recordings()
    expected = classifier().fit(X, y).predict_proba(X)
    info = mne.create_info(2, SFREQ, "eeg")
    codes = np.where(y == "alpha", 1, 2)
    events = np.stack([np.arange(len(y)), np.zeros(len(y), int), codes], axis=1)
    epochs = mne.EpochsArray(
        X * 1e-6, info, events, event_id={"alpha": 1, "spindle": 2}, verbose="error"
    )
    clf = classifier(sfreq=None).fit(epochs)
    assert (clf.sfreq_, clf.classes_.tolist()) == (SFREQ, ["alpha", "spindle"])
    np.testing.assert_allclose(clf.predict_proba(epochs), expected, atol=1e-4)
    windows = create_from_X_y(
        X, codes, drop_last_window=False, sfreq=SFREQ, window_size_samples=128,
        window_stride_samples=128, ch_names=["a", "b"],
    )  # fmt: skip
    clf = classifier(sfreq=None).fit(windows)
    assert clf.classes_.tolist() == [1, 2]
    assert clf.sfreq_ == SFREQ
    assert clf.predict(windows).shape == (48,)
    windows.set_description({"subject": list(groups)})
    clf = classifier(sfreq=None, validation=0.3).fit(windows)
    assert "valid_loss" in clf.history_[-1]
    flat = classifier(backbone="EEGNet").fit(X[:, 0], y)
    assert flat.predict(X[:, 0]).shape == (48,)


def test_default_candidates_are_those_that_named_channels_allow():
    X, y, _ = recordings(n=8, times=int(20 * SFREQ))
    codes = np.where(y == "alpha", 1, 2)
    events = np.stack([np.arange(len(y)), np.zeros(len(y), int), codes], axis=1)
    symmetric = {}
    for names in (["C3", "C4"], ["Fpz-Cz", "Pz-Oz"]):
        epochs = mne.EpochsArray(
            X * 1e-6, mne.create_info(names, SFREQ, "eeg"), events, verbose="error"
        )
        clf = classifier(sfreq=None, max_epochs=2).fit(epochs)
        assert clf.ch_names_ == names
        symmetric[names[0]] = "ChannelsSymmetry" in [e.transform for e in clf.policy_.entries]
    assert symmetric == {"C3": True, "Fpz-Cz": False}
    # shorter windows are not those of sleep staging
    shorter = classifier(max_epochs=2).fit(X[..., :-1], y)
    names = {e.transform for e in shorter.policy_.entries}
    assert names == {t.name for t in default_transforms(SFREQ, kind="generic")}


def test_default_masks_are_shorter_than_windows():
    X, y, _ = recordings()  # of 2 s, less than the masks for long windows
    for augmentation in ("augnet", "trivial", "auto"):
        module = classifier(augmentation=augmentation, max_epochs=2).fit(X, y).module_
        [mask] = [m for m in module.modules() if isinstance(m, SmoothTimeMask)]
        assert mask.max_strength == pytest.approx(0.75)


def test_interrupted_training_is_not_taken_for_finished():
    class Interrupted(Network):
        def forward(self, X):
            if self.training:
                raise KeyboardInterrupt
            return super().forward(X)

    X, y, _ = recordings()
    clf = classifier(backbone=Interrupted)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    assert not hasattr(clf, "module_")


def test_a_split_that_lacks_a_class_is_refused():
    X, y, groups = recordings()
    y = np.where(groups == 0, "rare", y)
    with pytest.raises(ValueError, match="No window of class 'rare'"):
        classifier(validation=0.33).fit(X, y, groups=groups)


def test_regression_in_the_units_of_the_target(tmp_path):
    X, y, _ = recordings(n=96)
    target = np.where(y == "alpha", 1008.0, 1014.0)
    reg = InvariantRegressor(
        Network, sfreq=SFREQ, max_epochs=40, batch_size=16, lr=0.01, n_copies=4, random_state=0
    ).fit(X, target)
    assert reg.score(X, target) > 0.7
    reg.save(tmp_path / "reg")
    loaded = InvariantRegressor.load(tmp_path / "reg", backbone=Network)
    assert (loaded.predict(X) == reg.predict(X)).all()
    two = reg.fit(X, np.stack([target, -target], axis=1))
    assert two.predict(X).shape == (96, 2)


def test_refit_on_another_shape():
    X, y, _ = recordings()
    clf = classifier(backbone="EEGNet").fit(X, y)
    other, labels, _ = recordings(channels=3, times=200, seed=1)
    clf.fit(other, np.where(labels == "alpha", "x", "y"))
    assert clf.predict(other).shape == (48,)
    assert (clf.n_chans_, clf.n_times_) == (3, 200)


# weights, validation, learning rates --------------------------------------------------------------


def test_weights_of_examples_and_classes():
    X, y, _ = recordings()
    y = y.copy()
    noise = np.random.default_rng(3).standard_normal(X.shape).astype(np.float32)
    fair = classifier(max_epochs=20).fit(noise, y).predict_proba(noise)[:, 0].mean()
    heavy = {"alpha": 10.0, "spindle": 1.0}
    by_class = classifier(max_epochs=20, class_weight=heavy).fit(noise, y)
    assert by_class.predict_proba(noise)[:, 0].mean() > fair + 0.2
    sample = np.where(y == "alpha", 10.0, 1.0)
    by_sample = classifier(max_epochs=20).fit(noise, y, sample_weight=sample)
    np.testing.assert_array_equal(by_class.predict_proba(noise), by_sample.predict_proba(noise))
    scaled = classifier(max_epochs=20).fit(noise, y, sample_weight=10 * sample)
    np.testing.assert_allclose(
        scaled.predict_proba(noise), by_sample.predict_proba(noise), atol=1e-3
    )


def test_validation_respects_groups_and_stops_early():
    X, y, groups = recordings()
    clf = classifier(validation=0.33, max_epochs=2).fit(X, y, groups=groups)
    trainer = Trainer(clf)
    train, valid = trainer.split(trainer.prepare(X, y, groups=groups), seed=0)
    assert not set(groups[train]) & set(groups[valid])
    assert len(set(groups[valid])) == 2
    stopped = classifier(validation=0.33, patience=2, max_epochs=60, lr=0.1).fit(
        X, y, groups=groups
    )
    assert stopped.n_iter_ < 60
    with pytest.raises(ValueError, match="Too few"):
        classifier(validation=0.5).fit(X, y, groups=np.zeros(len(y)))
    with pytest.raises(ValueError, match="patience"):
        classifier(patience=3).fit(X, y)


def test_augmentation_has_its_own_learning_rate():
    X, y, _ = recordings()
    fast = classifier(warmup=0.0, augmentation_lr=0.05, penalty=1.0).fit(X, y)
    slow = classifier(warmup=0.0, augmentation_lr=1e-9, penalty=1.0).fit(X, y)
    start = {e.transform: e.extent for e in slow.policy_.entries}
    assert start["SignFlip"] == pytest.approx(0.25, abs=1e-4)
    assert all(
        e.extent != pytest.approx(start[e.transform], abs=1e-3) for e in fast.policy_.entries
    )
    held = classifier(warmup=1.0, penalty=1.0, augmentation_lr=0.05).fit(X, y)
    assert {e.transform: e.extent for e in held.policy_.entries} == pytest.approx(start, abs=1e-4)


def test_verbosity(capsys):
    X, y, _ = recordings()
    classifier().fit(X, y)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""
    classifier(verbose=1).fit(X, y)
    assert "3/3" in capsys.readouterr().err
    classifier(verbose=2).fit(X, y)
    assert "train_loss" in capsys.readouterr().out


# plain Braindecode --------------------------------------------------------------------------------


def test_inside_a_plain_braindecode_classifier():
    from braindecode import EEGClassifier

    X, y, _ = recordings()
    model = InvariantModule(
        Network(2, 128, 2), AugNet([SignFlip(0.1), TimeReverse(0.1)], penalty=0.5)
    )
    clf = EEGClassifier(
        model, max_epochs=8, batch_size=16, lr=0.01, optimizer=torch.optim.Adam, train_split=None,
        classes=[0, 1], verbose=0,
    )  # fmt: skip
    clf.fit(X, (y == "alpha").astype(np.int64))
    extents = clf.module_.augmentation.policy().by_transform()["extent"]
    assert (extents > 0.12).all()  # the reward arrived
    p = clf.predict_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(p, clf.predict_proba(X))


def test_braindecode_hands_over_other_losses():
    from braindecode import EEGClassifier

    X, y, _ = recordings()
    y = (y == "alpha").astype(np.int64)
    model = InvariantModule(Network(2, 128, 2), AugNet([SignFlip(0.1)], penalty=0.5))
    smooth = nn.CrossEntropyLoss(reduction="none", label_smoothing=0.05)
    options = {"max_epochs": 8, "batch_size": 16, "lr": 0.01, "train_split": None, "verbose": 0}
    options |= {"optimizer": torch.optim.Adam, "classes": [0, 1]}
    clf = EEGClassifier(model, criterion=PerExampleLoss, criterion__criterion=smooth, **options)
    clf = clone(clf).fit(X, y)
    assert clf.module_.augmentation.policy().entries[0].extent > 0.12  # the reward arrived
    with pytest.raises(ValueError, match="PerExampleLoss"):
        EEGClassifier(model, criterion__label_smoothing=0.05, **options).fit(X, y)


# bad input ----------------------------------------------------------------------------------------


class Odd(nn.Module):
    """Returns outputs in another form than (n_examples, n_outputs)."""

    def __init__(self, form):
        super().__init__()
        self.form, self.last = form, nn.Linear(2 * 128, 2)

    def forward(self, X):
        return self.form(self.last(X.flatten(1)))


class PassesOn(Network):
    def __init__(self, scale=1.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale


class ReadsThem(nn.Module):
    def __init__(self, **kwargs):
        super().__init__()
        self.last = nn.Linear(kwargs["n_chans"] * kwargs["n_times"], kwargs["n_outputs"])

    def forward(self, X):
        return self.last(X.flatten(1))


class Fixes(Network):
    def __init__(self, n_times, n_outputs, **kwargs):
        super().__init__(n_chans=2, n_times=n_times, n_outputs=n_outputs, **kwargs)


class Options(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.last = nn.Linear(2 * 128, 2, **options)

    def forward(self, X):
        return self.last(X.flatten(1))


@pytest.mark.parametrize("backbone", [PassesOn, ReadsThem, Fixes, Options])
def test_constructors_that_take_any_arguments(backbone):
    X, y, _ = recordings()
    clf = classifier(backbone=backbone).fit(X, y)
    assert clf.predict_proba(X).shape == (len(X), 2)
    if backbone is PassesOn:
        assert clf.set_params(backbone_params={"scale": 2.0}).fit(X, y).module_.backbone.scale == 2
        with pytest.raises(ValueError, match="PassesOn cannot be built.*keyword argument 'scal'"):
            clf.set_params(backbone_params={"scal": 2.0}).fit(X, y)


def test_a_constant_target_is_predicted():
    X, _, _ = recordings()
    options = {"sfreq": 64, "max_epochs": 2, "augmentation": None, "random_state": 0}
    y = np.stack([np.full(len(X), 1e-6), X[:, 0, 0]], axis=1)
    reg = InvariantRegressor(Network, **options).fit(X, y)
    np.testing.assert_allclose(reg.predict(X)[:, 0], 1e-6)
    assert reg.predict(X)[:, 1].std() > 0
    with pytest.raises(ValueError, match="y is too large"), np.errstate(over="ignore"):
        InvariantRegressor(Network, **options).fit(X, 1e300 * X[:, 0, 0].astype(float))


def test_bad_input_is_refused_at_once():
    X, y, _ = recordings()
    broken = X.copy()
    broken[3, 0, 5] = np.nan
    cases = [
        (classifier(), (broken, y), "NaN"),
        (classifier(), (np.where(np.isnan(broken), np.inf, broken), y), "infinity"),
        (classifier(), (X, np.full(len(y), "alpha")), "only one class: 'alpha'"),
        (classifier(), (X, np.array([0, "alpha"] * (len(y) // 2), object)), "y mixes text with"),
        (classifier(device="GPU"), (X, y), "device must be a device of torch, .* got 'GPU'"),
        (
            classifier(backbone="ShallowFBCSPNet", backbone_params={"drop_porb": 0.1}),
            (X, y),
            "ShallowFBCSPNet has no parameter 'drop_porb'. Did you mean 'drop_prob'",
        ),
        (classifier(backbone="SleepStagerChambon"), (X, y), "SleepStagerChambon2018"),
        (classifier(backbone="eegnet"), (X, y), "'EEGNet'"),
        (classifier(backbone=3), (X, y), "name of a Braindecode model"),
        (classifier(backbone="SleepStagerChambon2018"), (X[..., :20], y), "20 samples"),
        (classifier(backbone="SleepStagerChambon2018", sfreq=None), (X, y), "sfreq"),
        (classifier(sfreq=None), (X, y), "estimator sfreq="),
        (classifier(backbone=Network(3, 128, 2)), (X, y), "another shape"),
        (classifier(backbone=Network(2, 128, 5)), (X, y), r"\(n_examples, 2\)"),
        (classifier(augmentation="augnett"), (X, y), "augmentation must be"),
        (classifier(augmentation=SignFlip(0.2), penalty=0.1), (X, y), "Pass candidates as"),
        (classifier(backbone=Odd(list)), (X, y), r"\(n_examples, 2\).*got a list"),
        (classifier(backbone=Odd(lambda out: out[..., None])), (X, y), r"got \(2, 2, 1\)"),
        (classifier(sfreq=0), (X, y), "sfreq must be the sampling frequency"),
        (classifier(transforms=[FrequencyShift(100)]), (X, y), "at 100 Hz"),
        (classifier(max_epochs=0), (X, y), "max_epochs"),
        (classifier(lr=-1), (X, y), "lr must be"),
        (classifier(average="median"), (X, y), "average"),
        (classifier(validation=2), (X, y), "between 0"),
        (classifier(), (X[None], y[:1]), "shape"),
        (classifier(), (X, y[:-1]), "inconsistent"),
        (classifier(lr=1e12), (X, y), "diverged"),
    ]
    for estimator, arguments, match in cases:
        with pytest.raises((ValueError, TypeError), match=match):
            estimator.fit(*arguments)
    clf = classifier().fit(X, y)
    with pytest.raises(ValueError, match="3 channels, but InvariantClassifier was fitted with 2"):
        clf.predict(np.zeros((4, 3, 128)))
    with pytest.raises(ValueError, match="as in fit"):
        clf.predict(np.zeros((4, 2, 100)))
    epochs = mne.EpochsArray(X, mne.create_info(2, 100.0, "eeg"), verbose="error")
    with pytest.raises(ValueError, match="sampled at"):
        classifier().fit(epochs, y)
