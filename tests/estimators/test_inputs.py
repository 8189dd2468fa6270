"""What goes into estimators and inspection: which channels, in which order and rate, of whom."""

import mne
import numpy as np
import pandas as pd
import pytest
import torch
from braindecode.datasets import BaseConcatDataset, RawDataset
from recorded import LABELS, N_TIMES, SFREQ, classifier, dataset, epochs, recording, signals

from eeginv.estimators.inputs import read_signals
from eeginv.inspection import invariance_curve, signal_features, symmetry_test
from eeginv.transforms import SignFlip


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
