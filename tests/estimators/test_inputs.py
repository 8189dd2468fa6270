"""What goes into estimators and inspection: which channels, in which order, rate and unit."""

import mne
import numpy as np
import pandas as pd
import pytest
import torch
from braindecode.datasets import BaseConcatDataset, RawDataset
from recorded import LABELS, N_TIMES, SFREQ, classifier, dataset, epochs, recording, signals

from eeginv import Policy, RandAugmentSearch
from eeginv.estimators.inputs import read_signals
from eeginv.inspection import (
    invariance_curve,
    invariance_profile,
    invariance_score,
    signal_features,
    symmetry_test,
)
from eeginv.policy import PolicyEntry
from eeginv.transforms import (
    ChannelsSymmetry,
    FrequencyShift,
    SensorsZRotation,
    SignFlip,
)

CONVERTED = "look like V .* converted to µV"


@pytest.fixture(scope="module")
def data():
    return signals()


@pytest.fixture(scope="module")
def fitted(data):
    clf = classifier().fit(epochs(*data))
    assert clf.score(epochs(*data)) > 0.9
    return clf


# which channels -----------------------------------------------------------------------------------
def with_trigger(X, y):
    """Noise, and a trigger channel that knows the class."""
    noise = 10 * np.random.default_rng(1).standard_normal(X.shape)
    trigger = np.broadcast_to(y[:, None, None], (len(y), 1, N_TIMES))
    return np.concatenate([noise[:, :1], 1e6 * trigger, noise[:, 1:]], axis=1)


def test_triggers_are_no_signal(data):
    X, y = with_trigger(*data), data[1]
    given = epochs(X, y, ["C3", "STI 014", "C4"], ["eeg", "stim", "eeg"])
    with pytest.warns(UserWarning, match=r"Left out: STI 014 \(stim\)\. Only data") as record:
        clf = classifier(max_epochs=1).fit(given)
    assert len(record) == 1
    assert (clf.n_chans_, clf.ch_names_) == (2, ["C3", "C4"])
    with pytest.warns(UserWarning, match="STI 014"):
        from_epochs = clf.predict_proba(given)
    np.testing.assert_allclose(from_epochs, clf.predict_proba(X[:, [0, 2]]), atol=1e-5)
    windows = dataset(X, y, names=given.ch_names, types=given.get_channel_types(), unit=1.0)
    with pytest.warns(UserWarning, match="STI 014"):
        np.testing.assert_allclose(clf.predict_proba(windows), from_epochs, atol=1e-5)
    with pytest.warns(UserWarning, match="STI 014"):
        features = signal_features(given)
    np.testing.assert_allclose(features, signal_features(X[:, [0, 2]]), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["stim", "eog", "ecg", "emg", "misc", "resp", "bio", "syst"])
def test_channels_that_mne_does_not_count_as_data_are_left_out(data, kind):
    X, y = data
    given = epochs(X, y, ["C3", "X1"], ["eeg", kind])
    with pytest.warns(UserWarning, match=rf"X1 \({kind}\)"):
        clf = classifier(max_epochs=1).fit(given)
    assert clf.ch_names_ == [given.ch_names[i] for i in mne.pick_types(given.info, eeg=True)]


def test_bad_channels_are_left_out_and_asked_for(data, fitted):
    given = epochs(*data)
    given.info["bads"] = ["C4"]
    with pytest.warns(UserWarning, match=r"Left out: C4 \(marked as bad\)"):
        assert classifier(max_epochs=1).fit(given).ch_names_ == ["C3"]
    with pytest.raises(ValueError, match=r"lacks the channels C4 \(marked as bad\)"):
        fitted.predict(given)
    given.info["bads"] = ["C3", "C4"]
    with pytest.raises(ValueError, match="All data channels of X are marked as bad"):
        fitted.fit(given)


def test_recordings_without_data_channels_are_refused(data):
    with pytest.raises(ValueError, match="their types are emg.*set_channel_types"):
        classifier().fit(epochs(*data, types="emg"))
    # that nobody gave a type
    clf = classifier(max_epochs=1).fit(epochs(*data, types="misc", unit=1.0))
    assert clf.ch_names_ == ["C3", "C4"]


@pytest.mark.parametrize("make", ["raw", "evoked", "list", "recordings", "loader", "datasets"])
def test_what_holds_no_windows_is_refused(data, make):
    given = epochs(*data)
    raw = mne.io.RawArray(given.get_data()[0], given.info, verbose="error")
    whole = BaseConcatDataset([RawDataset(raw)])
    windows = dataset(*data, unit=1.0)
    bad, message = {
        "raw": (raw, "X is of type RawArray. Cut recordings"),
        "evoked": (given.average(), "X is of type EvokedArray"),
        "list": ([given, raw], "Epochs 1 of the list is of type RawArray"),
        "recordings": (whole, "got one of whole recordings"),
        "loader": (torch.utils.data.DataLoader(windows), "has a length, got a DataLoader"),
        "datasets": ([windows, windows], "list of datasets: join them"),
    }[make]
    with pytest.raises(TypeError, match=message):
        classifier().fit(bad, data[1])


def test_a_single_window_is_told_from_windows_of_one_channel(data):
    X, y = data
    clf = classifier().fit(X, y)
    with pytest.raises(
        ValueError, match=r"\(n_windows, 2, 64\) as in fit, got \(2, 64\).*X\[None\]"
    ):
        clf.predict(X[0])
    assert clf.predict(X[:1]) == clf.predict(X)[0]
    for given, other in [(X[:, 0], X[:, :1]), (X[:, :1], X[:, 0])]:
        one = classifier().fit(given, y)
        np.testing.assert_array_equal(one.predict_proba(other), one.predict_proba(given))


# in which order -----------------------------------------------------------------------------------
def reordered(X, y, names, **options):
    """Epochs with other channels around those that count."""
    place = {"C3": X[:, 0], "C4": X[:, 1], "T3": X[:, 0], "EEG C4": X[:, 1]}
    noise = np.random.default_rng(2).standard_normal((len(X), N_TIMES))
    values = np.stack([place.get(name, noise) for name in names], axis=1)
    return epochs(values, y, names, **options)


@pytest.mark.parametrize("form", ["epochs", "windows", "slices"])
def test_channels_are_found_by_their_names(data, fitted, form):
    from skorch.helper import SliceDataset

    def given(names):
        e = reordered(*data, names)
        if form == "epochs":
            return e
        windows = dataset(1e6 * e.get_data(), data[1], names=names, unit=1.0)
        return windows if form == "windows" else SliceDataset(windows)

    expected = fitted.predict_proba(epochs(*data))
    found = fitted.predict_proba(given(["C4", "C3"]))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    found = fitted.predict_proba(given(["EEG C4", "C3"]))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.warns(UserWarning, match=r"Left out: O1 \(not expected\)"):
        found = fitted.predict_proba(given(["O1", "C4", "C3"]))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(
        ValueError, match="lacks the channels C4: InvariantClassifier was fitted with C3, C4, and"
    ):
        fitted.score(given(["C3", "O1"]), data[1])
    with pytest.raises(ValueError, match="lacks the channels C4"):  # against another reference
        fitted.predict(given(["C3", "C4-A1"]))


@pytest.mark.parametrize("method", ["predict", "predict_proba", "score"])
def test_another_rate_is_refused(data, fitted, method):
    arguments = (data[1],) if method == "score" else ()
    for given in (epochs(*data, sfreq=100.0), dataset(*data, sfreq=100.0, unit=1.0)):
        with pytest.raises(ValueError, match="sampled at 100 Hz, but InvariantClassifier .* 64 Hz"):
            getattr(fitted, method)(given, *arguments)


def test_recordings_of_a_dataset_are_matched(data):
    X, y = data
    one = recording(X[:16], y[:16], unit=1.0, subject=1)
    swapped = recording(X[16:, ::-1], y[16:], ["C4", "C3"], unit=1.0, subject=2)
    joined = BaseConcatDataset([one, swapped])
    expected = classifier().fit(X, LABELS[y]).predict_proba(X)
    np.testing.assert_allclose(classifier().fit(joined).predict_proba(joined), expected, atol=1e-5)
    three = np.concatenate([X[16:], X[16:, :1]], axis=1)
    more = recording(three, y[16:], ["C3", "C4", "O1"], unit=1.0, subject=2)
    with pytest.warns(UserWarning, match="O1"):
        clf = classifier().fit(BaseConcatDataset([one, more]))
    assert clf.ch_names_ == ["C3", "C4"]
    np.testing.assert_allclose(clf.predict_proba(joined), expected, atol=1e-5)
    for names, sfreq, message, swapped in [
        (["C3", "O1"], SFREQ, "lacks the channels C4: Recording 0", "lacks the channels O1"),
        (["C3", "C4"], 100.0, "was sampled at 100 Hz, but Recording 0", "was sampled at 64 Hz"),
    ]:
        other = recording(X[16:], y[16:], names, sfreq=sfreq, unit=1.0, subject=2)
        given = BaseConcatDataset([one, other])
        with pytest.raises(ValueError, match=rf"Recording 1 \(subject 2\) {message}"):
            classifier().fit(given)
        with pytest.raises(ValueError, match=rf"Recording 1 \(subject 2\) {message}"):
            symmetry_test(given, SignFlip(), groups=y)
        with pytest.raises(ValueError, match=rf"Recording 1 \(subject 1\) {swapped}"):
            classifier().fit(BaseConcatDataset([other, one]))


def test_recordings_of_other_lengths_are_named(data):
    X, y = data
    parts = [recording(X[:16], y[:16], unit=1.0), recording(X[16:], y[16:], unit=1.0)]
    parts[1].crop_inds = parts[1].crop_inds - [0, 0, 4]
    with pytest.raises(ValueError, match=r"Recording 1 have shape \(2, 60\)"):
        classifier().fit(BaseConcatDataset(parts))


def test_lists_of_epochs_are_put_together(data, fitted):
    X, y = data
    parts = [epochs(X[:10], y[:10]), epochs(X[10:, ::-1], y[10:], ["C4", "C3"])]
    clf = classifier().fit(parts)
    np.testing.assert_array_equal(clf.predict_proba(parts), fitted.predict_proba(epochs(*data)))
    with pytest.raises(ValueError, match="Epochs 1 of the list lacks the channels C4"):
        classifier().fit([parts[0], epochs(X, y, ["C3", "O1"])])
    with pytest.raises(ValueError, match="Epochs 1 of the list was sampled at 100 Hz"):
        classifier().fit([parts[0], epochs(X, y, sfreq=100.0)])


# transforms for other signals ---------------------------------------------------------------------
NAMES = ["O1", "C3", "O2", "C4"]
SYMMETRY = ChannelsSymmetry(["C3", "C4", "O1", "O2"])
MANY = ["Fp1", "Fp2", "C3", "Cz", "C4", "P3", "P4", "O1", "O2"]


def policy():
    return Policy([PolicyEntry("ChannelsSymmetry", 0.5, binary=True, config=SYMMETRY.config())])


@pytest.mark.parametrize(
    "options",
    [
        {"augmentation": "augnet", "transforms": [SYMMETRY]},
        {"augmentation": "trivial", "transforms": [SYMMETRY]},
        {"augmentation": policy()},
        {"augmentation": Policy.mixture([policy(), policy()])},
    ],
)
def test_transforms_for_other_channels_are_refused(options):
    X, y = signals(n_channels=4)
    with pytest.raises(ValueError, match="made for the channels C3, C4, O1, O2, but .* O1, C3, O2"):
        classifier(**options).fit(epochs(X, y, NAMES))
    clf = classifier(**{**options, "max_epochs": 2}).fit(epochs(X, y, ["C3", "C4", "o1", "EEG O2"]))
    assert clf.policy_.entries[0].transform == "ChannelsSymmetry"


def test_rotations_and_searches_too():
    X, y = signals(n_channels=9)
    turned = SensorsZRotation(MANY[::-1])
    with pytest.raises(ValueError, match="SensorsZRotation was made for the channels O2, O1"):
        classifier(augmentation="augnet", transforms=[turned]).fit(epochs(X, y, MANY))
    X, y = signals(n_channels=4)
    for transform, message in [(SYMMETRY, "for the channels"), (FrequencyShift(100), "at 100 Hz")]:
        search = RandAugmentSearch(classifier(), transforms=[transform])
        with pytest.raises(ValueError, match=message):
            search.fit(epochs(X, y, NAMES))


def test_inspection_looks_at_the_unit_of_the_signals_alone(data):
    X, y = data
    fitted = classifier().fit(epochs(X, y))
    # one rotation brings both channels to where neither has signal: no other unit, so no word
    invariance_profile(fitted, epochs(X, y), random_state=0)
    with pytest.warns(UserWarning, match="another unit|score is NaN") as told:
        invariance_profile(fitted, 1e-3 * X, sfreq=64, ch_names=["C3", "C4"], random_state=0)
    assert ["another unit" in str(one.message) for one in told].count(True) == 1


def test_inspection_matches_names_rates_and_transforms(data, fitted):
    X, y = data
    options = {"random_state": 0}
    expected = invariance_score(fitted, epochs(X, y), SignFlip(), **options)
    swapped = epochs(X[:, ::-1], y, ["C4", "C3"])
    found = invariance_score(fitted, swapped, SignFlip(), **options)
    assert found.score == pytest.approx(expected.score, abs=1e-5)
    named = invariance_profile(
        fitted, X[:, ::-1], ch_names=["C4", "C3"], transforms=[SignFlip()], **options
    )
    assert named.loc["SignFlip", "score"] == pytest.approx(expected.score, abs=1e-5)
    mirrored = ChannelsSymmetry(["C4", "C3"])
    other = epochs(X, y, ["C3", "O1"])
    slow = epochs(X, y, sfreq=100.0)
    for function in (invariance_score, invariance_curve):
        with pytest.raises(ValueError, match="lacks the channels C4"):
            function(fitted, other, SignFlip())
        with pytest.raises(ValueError, match="sampled at 100 Hz"):
            function(fitted, slow, SignFlip())
        # an array goes into the model as it is: its channels are the model's
        for given in (epochs(X, y), X):
            with pytest.raises(ValueError, match="made for the channels C4, C3"):
                function(fitted, given, mirrored)
    with pytest.raises(ValueError, match="lacks the channels C4"):
        invariance_profile(fitted, other)
    with pytest.raises(ValueError, match="sampled at 100 Hz"):
        invariance_profile(fitted, X, sfreq=100.0)
    with pytest.raises(ValueError, match="sampled at 64 Hz, but sfreq is 100 Hz"):
        invariance_profile(fitted, epochs(X, y), sfreq=100.0)
    with pytest.raises(ValueError, match="C3 is there more than once"):
        invariance_profile(fitted, X, ch_names=["C3", "C3"])
    with pytest.raises(ValueError, match="made for the channels C4, C3"):
        symmetry_test(epochs(X, y), mirrored)


def test_networks_of_braindecode_know_their_channels(data):
    from braindecode import EEGClassifier

    X, y = data
    net = EEGClassifier(
        "ShallowFBCSPNet",
        module__filter_time_length=9,
        module__pool_time_length=10,
        module__pool_time_stride=5,
        max_epochs=1,
        batch_size=8,
        train_split=None,
        verbose=0,
    )
    net.fit(epochs(X, y), y)
    # as the network's own predict would read it, it would not notice
    with pytest.raises(ValueError, match="lacks the channels C4: EEGClassifier was fitted with"):
        invariance_score(net, epochs(X, y, ["C3", "O1"]), SignFlip())
    expected = invariance_score(net, epochs(X, y), SignFlip(), random_state=0)
    swapped = epochs(X[:, ::-1], y, ["C4", "C3"])
    assert invariance_score(net, swapped, SignFlip(), random_state=0) == expected


# in which unit ------------------------------------------------------------------------------------
def test_one_unit_for_all_inputs(data, fitted):
    X, y = data
    expected = fitted.predict_proba(epochs(X, y))
    np.testing.assert_allclose(fitted.predict_proba(X), expected, atol=1e-5)
    in_volts, in_microvolts = dataset(X, y), dataset(X, y, unit=1.0)
    with pytest.warns(UserWarning, match=CONVERTED):
        np.testing.assert_allclose(fitted.predict_proba(in_volts), expected, atol=1e-5)
    np.testing.assert_allclose(fitted.predict_proba(in_microvolts), expected, atol=1e-5)
    with pytest.warns(UserWarning, match=CONVERTED):
        assert fitted.score(in_volts, LABELS[y]) == fitted.score(epochs(X, y))
    with pytest.warns(UserWarning, match=CONVERTED):
        on_volts = classifier().fit(in_volts, LABELS[y])
    np.testing.assert_allclose(on_volts.predict_proba(epochs(X, y)), expected, atol=1e-4)
    assert on_volts.scale_ == pytest.approx(fitted.scale_)
    with pytest.warns(UserWarning, match=CONVERTED):
        found = invariance_score(fitted, in_volts, SignFlip(), random_state=0)
    other = invariance_score(fitted, epochs(X, y), SignFlip(), random_state=0)
    assert found.score == pytest.approx(other.score, abs=1e-5)


def test_arrays_that_look_like_volts_are_warned_about(data, fitted):
    X, y = data
    with pytest.warns(UserWarning, match=r"look like V .*e-06\).*Multiply them by 1e6"):
        classifier(max_epochs=1).fit(1e-6 * X, y)
    with pytest.warns(UserWarning, match="look like V"):
        signal_features(1e-6 * X)
    with pytest.warns(UserWarning, match="seem to be in another unit"):
        fitted.predict(1e-6 * X)
    with pytest.warns(UserWarning, match="seem to be in another unit"):
        fitted.predict(1e3 * X)
    fitted.predict(10 * X)
    fitted.predict(np.zeros_like(X))
    standardised = X / X.std(axis=(0, 2), keepdims=True)
    assert classifier(max_epochs=1).fit(standardised, y).scale_ == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("factor", [1.0, 1 / 20], ids=["microvolts", "standardised"])
def test_epochs_that_cannot_be_in_volts_go_in_as_they_are(data, factor):
    X, y = data
    with pytest.warns(UserWarning, match="cannot be in V.*taken as they are"):
        clf = classifier(max_epochs=1).fit(epochs(factor * X, y, unit=1.0))
    with pytest.warns(UserWarning, match="taken as they are"):
        found = clf.predict_proba(epochs(factor * X, y, unit=1.0))
    np.testing.assert_allclose(found, clf.predict_proba((factor * X).astype("f4")), atol=1e-5)


def test_the_scale_is_saved(data, fitted, tmp_path):
    from recorded import Powers

    fitted.save(tmp_path / "clf")
    loaded = type(fitted).load(tmp_path / "clf", backbone=Powers)
    assert loaded.scale_ == fitted.scale_
    with pytest.warns(UserWarning, match="seem to be in another unit"):
        loaded.predict(1e-6 * data[0])
    with pytest.raises(ValueError, match="lacks the channels C4"):
        loaded.predict(epochs(*data, ["C3", "O1"]))


def test_magnetometers_are_read_in_femtotesla(data):
    X, y = data
    for types, unit in (("mag", 1e-15), ("grad", 1e-13)):
        assert classifier(max_epochs=1).fit(epochs(X, y, types=types, unit=unit)).scale_ > 1
        windows = dataset(X, y, types=types, unit=unit)
        with pytest.warns(UserWarning, match="look like V"):
            assert classifier(max_epochs=1).fit(windows).scale_ > 1


def test_recordings_in_two_units_are_refused(data):
    X, y = data
    parts = [recording(X[:16], y[:16]), recording(X[16:], y[16:], unit=1.0)]
    with pytest.raises(ValueError, match="in two units. Recording 0 has .* looks like V"):
        classifier().fit(BaseConcatDataset(parts))


# subjects -----------------------------------------------------------------------------------------
def test_a_recording_without_subject_is_named(data):
    X, y = data
    parts = [recording(X[:16], y[:16], unit=1.0, subject=1), recording(X[16:], y[16:], unit=1.0)]
    joined = BaseConcatDataset(parts)
    message = "1 of 2 recordings have no subject in their description: Recording 1"
    with pytest.raises(ValueError, match=message):
        classifier().fit(joined)
    with pytest.raises(ValueError, match=message):
        invariance_curve(classifier().fit(X, y), joined, SignFlip())
    # who is told does not ask, and who predicts does not need them
    clf = classifier(validation=0.5).fit(joined, groups=np.repeat([1, 2], 16))
    assert clf.predict(joined).shape == (32,)
    joined.set_description({"subject": [1, np.nan]}, overwrite=True)
    with pytest.raises(ValueError, match=message):
        classifier().fit(joined)
    joined.set_description({"subject": [1, 2]}, overwrite=True)
    classifier(validation=0.5).fit(joined)


def test_subjects_in_the_metadata_of_epochs_are_the_groups():
    X, y = signals()
    found = epochs(X, y)
    subjects = np.arange(len(y)) // 8
    assert read_signals(found).groups is None
    found.metadata = pd.DataFrame({"subject": subjects})
    np.testing.assert_array_equal(read_signals(found).groups, subjects)
    np.testing.assert_array_equal(
        read_signals([found[:8], found[16:]]).groups, subjects[[*range(8), *range(16, 32)]]
    )
    losses = [
        classifier(validation=0.5, max_epochs=2).fit(found, groups=groups).history_[:, "valid_loss"]
        for groups in (None, subjects)
    ]
    assert losses[0] == losses[1]


def test_one_subject_in_the_metadata_is_no_group():
    """Nothing could be held out by subject; windows are, as if nothing were known."""
    X, y = signals()
    found = epochs(X, y)
    plain = classifier(validation=0.5, max_epochs=2).fit(found)
    found.metadata = pd.DataFrame({"subject": ["anna"] * len(y)})
    told = classifier(validation=0.5, max_epochs=2).fit(found)
    assert told.history_[:, "valid_loss"] == plain.history_[:, "valid_loss"]
    with pytest.raises(ValueError, match="Too few windows or groups"):
        classifier(validation=0.5).fit(found, groups=["anna"] * len(y))


class Flat(torch.nn.Module):
    def __init__(self, n_chans, n_times, n_outputs):
        super().__init__()
        self.head = torch.nn.Linear(n_chans * n_times, n_outputs)

    def forward(self, X):
        return self.head(X.flatten(1))


def test_exchanged_axes_are_noticed():
    X, y = signals()
    with pytest.warns(UserWarning, match="64 channels and 2 samples"):
        classifier(max_epochs=1, backbone=Flat).fit(X.transpose(0, 2, 1), y)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there():
    with pytest.raises(ValueError, match="device='cuda' needs a GPU, and torch finds none here"):
        classifier(device="cuda").fit(*signals())
