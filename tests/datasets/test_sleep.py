"""The object that all sources give: labels, selection, preprocessing, errors."""

import pickle

import numpy as np
import pandas as pd
import pytest
from braindecode.datautil import load_concat_dataset

from eeginv.datasets import SleepDataset

PLAIN = {"crop_wake": None, "h_freq": None, "standardize": False}


def test_windows_are_the_signal(make_raw, description):
    raw = make_raw(["W", "1", "2", "R"])
    X, y, groups = SleepDataset([raw], description, **PLAIN).to_arrays()
    assert y.tolist() == ["W", "N1", "N2", "R"]
    assert groups.tolist() == ["a"] * 4
    assert X.dtype == np.float32
    expected = raw.get_data().reshape(2, 4, 3000).swapaxes(0, 1)
    np.testing.assert_array_equal(X, expected.astype(np.float32))


def test_old_labels_become_new_ones_and_unscored_epochs_are_counted(make_raw, description):
    raw = make_raw(["2", "3", "4", "Movement time", "4", "?", "?", "W"])
    nights = SleepDataset([raw], description, **PLAIN)
    _, y, _ = nights.to_arrays()
    assert y.tolist() == ["N2", "N3", "N3", "N3", "W"]
    assert nights.n_dropped == {"Movement time": 1, "Sleep stage ?": 2}
    assert nights.stages == ["W", "N2", "N3"]


def test_long_annotations_and_single_epochs_are_the_same(make_raw, description):
    labels = ["W", "2", "2", "3", "4", "2"]
    single, long = make_raw(labels), make_raw(labels)
    annotations = long.annotations.copy()
    annotations.delete([2])
    annotations.set_durations({"Sleep stage 2": 60.0})
    annotations.duration[-1] = 30.0
    long.set_annotations(annotations)
    one, two = (SleepDataset([raw], description, **PLAIN).to_arrays() for raw in (single, long))
    np.testing.assert_array_equal(one[0], two[0])
    assert one[1].tolist() == two[1].tolist()


def test_wake_is_cropped_around_sleep(make_raw, description):
    labels = ["W"] * 10 + ["2", "W", "2"] + ["W"] * 8
    nights = SleepDataset(
        [make_raw(labels)], description, crop_wake=1.5, h_freq=None, standardize=False
    )
    X, y, _ = nights.to_arrays()
    assert y.tolist() == ["W"] * 3 + ["N2", "W", "N2"] + ["W"] * 3
    assert nights.n_dropped == {"cropped wake": 12}
    assert nights.recordings[0].n_times == 9 * 3000
    signal = make_raw(labels).get_data()[:, 7 * 3000 : 16 * 3000]
    np.testing.assert_array_equal(X, signal.reshape(2, 9, 3000).swapaxes(0, 1).astype(np.float32))


def test_crop_looks_at_all_sleep_whatever_the_selection(make_raw, description):
    labels = ["W"] * 4 + ["1", "3", "1"] + ["W"] * 4
    nights = SleepDataset([make_raw(labels)], description, crop_wake=0.5, stages=["N3", "W"])
    assert nights.to_arrays()[1].tolist() == ["W", "N3", "W"]
    assert nights.n_dropped == {"cropped wake": 6, "stage not selected": 2}
    assert nights.stages == ["W", "N3"]


def test_recording_without_sleep_keeps_its_wake(make_raw, description):
    nights = SleepDataset([make_raw(["W", "W"])], description, crop_wake=0.0)
    assert len(nights) == 2


def test_annotations_beyond_the_signal_are_cut_and_counted(make_raw, description):
    raw = make_raw(["W", "1", "2"])
    annotations = raw.annotations.copy()
    annotations.append(75.0, 1e5, "Sleep stage ?")
    raw.set_annotations(annotations, emit_warning=False)
    raw.crop(0.0, 75.0, include_tmax=False)
    nights = SleepDataset([raw], description, **PLAIN)
    assert nights.to_arrays()[1].tolist() == ["W", "N1"]
    assert nights.n_dropped["shorter than a window"] == 1


@pytest.mark.filterwarnings("ignore:The 'convert_dates' keyword")  # Braindecode's reader
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # leaves a file open
def test_windows_saved_by_braindecode_are_the_same(make_raw, description, tmp_path):
    windows = SleepDataset([make_raw("WW1122")], description).to_windows_dataset()
    windows.save(str(tmp_path))
    loaded = load_concat_dataset(str(tmp_path), preload=True)
    assert loaded.get_metadata().equals(windows.get_metadata())
    for own, theirs in zip(windows, loaded, strict=True):
        np.testing.assert_allclose(theirs[0], own[0], atol=1e-5)
        assert theirs[1:] == own[1:]


def test_making_a_dataset_leaves_annotations_alone(make_raw, description):
    raw = make_raw("WW1122")
    nights = SleepDataset([raw], description, crop_wake=None)
    assert raw.annotations == nights.recordings[0].annotations
    assert nights.to_windows_dataset().datasets[0].raw is nights.recordings[0]


def test_long_windows_lie_within_a_bout(make_raw, description):
    raw = make_raw(["W", "W", "W", "1", "2", "2"])
    nights = SleepDataset([raw], description, window=60.0, **PLAIN)
    X, y, _ = nights.to_arrays()
    assert X.shape == (2, 2, 6000)
    assert y.tolist() == ["W", "N2"]
    assert nights.n_dropped == {"shorter than a window": 2}


def test_short_windows(make_raw, description):
    nights = SleepDataset([make_raw(["W", "1"])], description, window=10.0, **PLAIN)
    X, y, _ = nights.to_arrays()
    assert X.shape == (6, 2, 1000)
    assert y.tolist() == ["W"] * 3 + ["N1"] * 3


def test_standardised_per_recording_and_channel(make_raw):
    raws = [make_raw(["W", "1", "2"], seed=seed) for seed in range(2)]
    raws[1]._data *= [[100.0], [0.01]]
    rows = [{"subject": i, "recording": 1} for i in range(2)]
    X, _, groups = SleepDataset(raws, rows, h_freq=None).to_arrays()
    for subject in range(2):
        own = X[groups == subject].astype(float)
        np.testing.assert_allclose(own.mean(axis=(0, 2)), 0, atol=1e-6)
        np.testing.assert_allclose(own.std(axis=(0, 2)), 1, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 3e-5])
def test_flat_channel_becomes_zero(make_raw, description, value):
    raw = make_raw(["W", "1"])
    raw._data[1] = value
    X, _, _ = SleepDataset([raw], description, l_freq=0.3, sfreq=80.0).to_arrays()
    assert np.all(X[:, 1] == 0)
    assert X[:, 0].std() == pytest.approx(1, abs=0.01)


def test_filter_and_resampling(make_raw, description):
    raw = make_raw(["W", "1", "2", "3"], sfreq=128.0)
    time = raw.times
    raw._data[0] = 1e-5 * (np.sin(2 * np.pi * 10 * time) + np.sin(2 * np.pi * 45 * time))
    nights = SleepDataset([raw], description, sfreq=100.0, crop_wake=None, standardize=False)
    X, y, _ = nights.to_arrays()
    assert X.shape == (4, 2, 3000)
    assert nights.sfreq == 100.0
    assert y.tolist() == ["W", "N1", "N2", "N3"]
    # Away from the edges only the slow sine is left, in its place.
    middle = X[1:3, 0].ravel()
    expected = 1e-5 * np.sin(2 * np.pi * 10 * (30 + np.arange(6000) / 100))
    np.testing.assert_allclose(middle, expected, atol=3e-7)


def test_input_recordings_stay_as_they_are(make_raw, description):
    raw = make_raw(["W"] * 4 + ["1"])
    before, annotations = raw.get_data(), raw.annotations.copy()
    SleepDataset([raw], description, crop_wake=0.5)
    np.testing.assert_array_equal(raw.get_data(), before)
    assert raw.annotations == annotations


def test_cropped_input_recordings(make_raw, description):
    """A recording that was cut by the user begins at a later first sample."""
    raw = make_raw(["W", "1", "2", "3"]).crop(30.0)
    X, y, _ = SleepDataset([raw], description, **PLAIN).to_arrays()
    assert y.tolist() == ["N1", "N2", "N3"]
    np.testing.assert_array_equal(X[0], raw.get_data()[:, :3000].astype(np.float32))


def test_recordings_with_a_date(make_raw, description):
    raw = make_raw(["W", "1", "2", "3"])
    dated = raw.copy().set_meas_date(1e9)
    dated.set_annotations(raw.annotations)
    for other in (dated, dated.copy().crop(30.0)):
        _, y, _ = SleepDataset([other], description, **PLAIN).to_arrays()
        assert y.tolist() == ["W", "N1", "N2", "N3"][-other.n_times // 3000 :]


def test_braindecode_dataset_agrees_with_arrays(population):
    nights = SleepDataset(population.recordings, population.description)
    X, y, groups = nights.to_arrays()
    windows = nights.to_windows_dataset()
    metadata = windows.get_metadata()
    assert len(windows) == len(nights) == len(X)
    assert [nights.stages[target] for target in metadata["target"]] == y.tolist()
    assert metadata["subject"].tolist() == groups.tolist()
    for i in (0, 17, len(X) - 1):
        signal, target, _ = windows[i]
        np.testing.assert_array_equal(signal, X[i])
        assert nights.stages[target] == y[i]


def test_pickle_and_repr(population):
    nights = SleepDataset(population.recordings, population.description)
    again = pickle.loads(pickle.dumps(nights))
    for one, two in zip(nights.to_arrays(), again.to_arrays(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert "2 subjects, 4 recordings" in repr(again)
    assert "Fpz-Cz, Pz-Oz at 100 Hz" in repr(again)


def test_recording_without_chosen_stage_is_left_out_with_a_warning(make_raw):
    raws = [make_raw(["W", "3"]), make_raw(["1", "2"])]
    rows = [{"subject": "a", "recording": 1}, {"subject": "b", "recording": 1}]
    with pytest.warns(UserWarning, match="were left out: subject b, recording 1"):
        nights = SleepDataset(raws, rows, stages=["W", "N3"])
    assert nights.description["subject"].tolist() == ["a"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite(make_raw, description, value):
    raw = make_raw(["W", "1"])
    raw._data[1, 250] = value
    with pytest.raises(ValueError, match=r"subject a, recording 1, channel Pz-Oz: 1 samples .*2.5"):
        SleepDataset([raw], description)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"stages": ["N3", "REM"]}, ValueError, r"Unknown stages \['REM'\].*'R'"),
        ({"stages": []}, ValueError, "Unknown stages"),
        ({"stages": "N3"}, TypeError, "stages must be a sequence"),
        ({"stages": ["W", "N3"]}, ValueError, r"chosen stages \['N3'\].*\['W'\]"),
        ({"crop_wake": -1}, ValueError, "crop_wake must be at least 0"),
        ({"crop_wake": "30"}, TypeError, "crop_wake must be a number"),
        ({"window": 0}, ValueError, "window must be above 0"),
        ({"window": 0.0125}, ValueError, "not a whole number of samples"),
        ({"window": 600.0}, ValueError, "No window of the stages"),
        ({"h_freq": 50.0}, ValueError, "h_freq must lie between 0 and half"),
        ({"l_freq": 0.0}, ValueError, "l_freq must lie between 0 and half"),
        ({"l_freq": 20.0, "h_freq": 10.0}, ValueError, "l_freq=20.0 .* below h_freq=10.0"),
        ({"sfreq": 40.0}, ValueError, "above half of sfreq"),
        ({"sfreq": -1.0}, ValueError, "sfreq must be above 0"),
    ],
)
def test_bad_options(make_raw, description, options, error, match):
    with pytest.raises(error, match=match):
        SleepDataset([make_raw(["W", "1"])], description, **options)


def test_bad_recordings(make_raw, description):
    rows = [{"subject": "a", "recording": 1}, {"subject": "b", "recording": 1}]
    raw = make_raw(["W", "1"])
    with pytest.raises(ValueError, match=r"same channels.*subject b, recording 1: C3"):
        SleepDataset([raw, make_raw(["W", "1"], channels=["C3"])], rows)
    with pytest.raises(ValueError, match=r"sampling frequency.*recording 1: 80 Hz.*Give sfreq"):
        SleepDataset([raw, make_raw(["W", "1"], sfreq=80.0)], rows)
    mixed = SleepDataset([raw, make_raw(["W", "1"], sfreq=80.0)], rows, sfreq=80.0)
    assert mixed.to_arrays()[0].shape == (4, 2, 2400)
    with pytest.raises(TypeError, match="must be mne.io.Raw objects"):
        SleepDataset([raw.get_data()], description)
    with pytest.raises(ValueError, match="At least one recording"):
        SleepDataset([], [])
    with pytest.raises(ValueError, match="one row per recording"):
        SleepDataset([raw], rows)
    with pytest.raises(ValueError, match=r"\['subject'\] missing"):
        SleepDataset([raw], pd.DataFrame({"recording": [1]}))
    with pytest.raises(ValueError, match="No window of the stages"):
        SleepDataset([make_raw(["?", "Movement time"])], description)
