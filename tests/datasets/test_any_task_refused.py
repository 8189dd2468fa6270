"""Data of any task that do not fit: what is refused or left out, and what messages name."""

import shutil

import mne
import numpy as np
import pandas as pd
import pytest
from trials import EVENTS, NAMES, PLAIN, SPAN, trials, write_folder

from eeginv.datasets import load_windows


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ({}, {"events": None}, r"name them.*S1R1_raw.fif has T1 \(3\), T2 \(3\)"),
        ({}, {"events": ["T8", "T9"]}, r"S1R1_raw.fif has no events 'T8', 'T9'; it has T1 \(3\)"),
        ({}, {"events": {"T1": "a", "T2": "a"}}, "at least two classes"),
        ({"kinds": [("T1", "T2")] * 3 + [("T1",)]}, {}, "S2R2_raw.fif lacks the events 'T2'"),
        ({"names": [NAMES] * 3 + [("C3", "Cz")]}, {}, "R2_raw.fif lacks C4, which S1R1.*--chan"),
        ({"sfreq": [100.0, 100.0, 128.0, 100.0]}, {}, r"S2R1_raw.fif has 128 Hz.*--resample"),
        ({}, {"tmax": 5.0}, r"a trial of S1R1_raw.fif only lasts 2 s: lower tmax \(--tmax\)"),
        ({}, {"tmin": 3.0}, "tmax=2 s must lie after tmin=3"),
        ({"duration": 0.0}, {"tmax": None}, r"say where windows end with tmax \(--tmax\)"),
        ({}, {"tmin": -80.0}, "No window from -80 to 2 s.*S1R1_raw.fif"),
        ({}, {"h_freq": 60.0}, "not below half the sampling frequency of S1R1_raw.fif, 50 Hz"),
        ({}, {"channels": ["C3", "O1"]}, "S1R1_raw.fif has no channel 'O1'; it has C3, Cz, C4"),
        ({}, {"reference": ["M1"]}, "no channel 'M1'"),
        ({}, {"task": "rest"}, "BIDS"),
        ({}, {"stages": ["W"]}, "recordings with events, which the option stages is not for"),
        ({}, {"kind": "games"}, "kind must be one of"),
    ],
)  # fmt: skip
def test_recordings_that_do_not_fit(files, options, message, tmp_path):
    write_folder(tmp_path, **files)
    with pytest.raises(ValueError, match=message):
        load_windows(tmp_path, **{**SPAN, **options})


def test_recordings_in_two_units(tmp_path):
    write_folder(tmp_path, files=["S1", "S2"])
    raw = trials().apply_function(lambda signal: 1e6 * signal)
    raw.save(tmp_path / "S3_raw.fif", verbose="error")
    with pytest.raises(ValueError, match=r"two units.*S1_raw.fif.*S3_raw.fif"):
        load_windows(tmp_path, **SPAN, **PLAIN)
    assert np.abs(load_windows(tmp_path, **SPAN).X).max() < 10


def test_what_is_annotated_may_be_a_stimulus(tmp_path):
    write_folder(tmp_path, duration=0.5)
    with pytest.raises(ValueError, match="--ignore-durations"):
        load_windows(tmp_path, **SPAN)
    assert load_windows(tmp_path, **SPAN, ignore_durations=True).X.shape[2] == 200
    assert load_windows(tmp_path, events=EVENTS).X.shape[2] == 50


def test_windows_that_are_left_out_are_counted(tmp_path):
    write_folder(tmp_path, files=["S1", "S2"])
    raw = trials().set_annotations(trials().annotations + mne.Annotations([0.6], [0.2], "BAD_jump"))
    raw.save(tmp_path / "S3_raw.fif", verbose="error")
    with pytest.warns(UserWarning, match=r"S3_raw.fif: 1 of 6 windows .*1 by BAD_jump"):
        found = load_windows(tmp_path, **SPAN)
    assert (found.subjects == "S3").sum() == 5


def test_a_damaged_file_is_named(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "S3_raw.fif").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="S3_raw.fif cannot be read"):
        load_windows(tmp_path, **SPAN)


@pytest.mark.parametrize("options", [{}, {"pattern": r"(?:.*/)?(?P<subject>S\d)"}])
def test_a_recording_and_its_conversion_do_not_count_twice(tmp_path, options):
    for name in ("runs/S1_raw.fif", "runs/S2_raw.fif", "runs/S2_raw_sss.fif", "S1_raw.fif"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        trials().save(path, verbose="error")
    twice = "runs/S2_raw.fif and runs/S2_raw_sss.fif differ only in their endings"
    with pytest.raises(ValueError, match=twice):
        load_windows(tmp_path, **SPAN, **options)
    (tmp_path / "runs" / "S2_raw_sss.fif").unlink()
    shutil.move(tmp_path / "S1_raw.fif", tmp_path / "runs" / "S3_raw.fif")
    assert load_windows(tmp_path / "runs", **SPAN, **options).subjects.size == 18
    trials().save(tmp_path / "runs" / "S3_meg.fif", verbose="error")  # another modality
    assert load_windows(tmp_path / "runs", **SPAN, **options).subjects.size == 24
    mne.export.export_raw(tmp_path / "runs" / "S3.edf", trials(), verbose="error")
    with pytest.raises(ValueError, match=r"S3.edf and S3_raw.fif differ only in"):
        load_windows(tmp_path / "runs", **SPAN, **options)


def test_an_edf_file_that_was_cut_off_is_refused(tmp_path):
    """MNE reads what is there, with a warning that would be lost."""
    path = tmp_path / "S1R1.edf"
    mne.export.export_raw(path, trials(), verbose="error")
    assert len(load_windows(tmp_path, **SPAN)) == 6
    path.write_bytes(path.read_bytes()[: int(0.6 * path.stat().st_size)])
    with pytest.raises(ValueError, match=r"S1R1\.edf is truncated: its header promises"):
        load_windows(tmp_path, **SPAN)


def test_a_sample_that_is_not_finite_is_found_before_it_spreads():
    X, y = np.random.default_rng(0).normal(size=(12, 2, 40)), ["a", "b"] * 6
    X[3, 1, 7] = np.nan
    with pytest.raises(ValueError, match="1 windows have samples that are NaN .* the first at 3"):
        load_windows((X, y, np.arange(12) // 6), sfreq=20)


def test_places_without_data(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        load_windows(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="holds nothing that can be read; it has no files"):
        load_windows(tmp_path)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(FileNotFoundError, match=r"it has notes.txt"):
        load_windows(tmp_path)
    with pytest.raises(ValueError, match="neither .npz nor -epo.fif"):
        load_windows(tmp_path / "notes.txt")
    with pytest.raises(TypeError, match="got int"):
        load_windows(3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": np.zeros((8, 64))}, r"one.npz: X must have the shape"),
        ({"X": None}, "one.npz has no X; it has the keys y, subject, sfreq"),
        ({"y": None}, "one.npz has no y"),
        ({"sfreq": None}, "one.npz has no sfreq"),
        ({"subject": None}, "one.npz has no subjects of the windows"),
        ({"y": np.arange(7)}, "one.npz: y has 7 values for 8 windows"),
        ({"y": np.linspace(0, 1, 8)}, "values of a regression"),
        ({"y": np.arange(8)}, "values of a regression"),
        ({"y": np.zeros(8)}, "At least two classes"),
        ({"X": np.full((8, 2, 64), np.nan)}, "NaN or infinite, the first at 0"),
    ],
)
def test_arrays_that_do_not_fit(changes, message, tmp_path):
    values = {
        "X": np.random.default_rng(0).normal(size=(8, 2, 64)), "y": np.arange(8) % 2,
        "subject": np.arange(8) // 4, "sfreq": 64.0,
    }  # fmt: skip
    values = {key: value for key, value in {**values, **changes}.items() if value is not None}
    np.savez(tmp_path / "one.npz", **values)
    with pytest.raises(ValueError, match=message):
        load_windows(tmp_path / "one.npz")


def test_files_of_arrays_that_differ(tmp_path):
    for name, sfreq in (("a", 64.0), ("b", 128.0)):
        values = {"X": np.zeros((4, 2, 64)), "y": [0, 1, 0, 1], "sfreq": sfreq}
        np.savez(tmp_path / f"{name}.npz", **values)
    with pytest.raises(ValueError, match=r"b.npz has sfreq 128.0, but a.npz has 64.0"):
        load_windows(tmp_path)


def test_files_of_arrays_that_all_name_one_subject(tmp_path):
    """Numbers of subjects within a file, which start again in each."""
    for name, subject in (("anna", 0), ("bert", 0)):
        X = np.random.default_rng(len(name)).normal(size=(8, 2, 64))
        np.savez(tmp_path / f"{name}.npz", X=X, y=np.arange(8) % 2, subject=subject, sfreq=64.0)
    with pytest.warns(UserWarning, match="All 2 files of .* name the same subject, '0', so that"):
        assert len(set(load_windows(tmp_path).subjects)) == 1


def save(path, scale=1.0, dtype=np.float64, **more):
    path.parent.mkdir(exist_ok=True)
    X = (scale * np.random.default_rng(0).normal(size=(8, 2, 64))).astype(dtype)
    np.savez(path, X=X, y=np.arange(8) % 2, sfreq=64.0, **more)
    return X


def test_files_of_one_folder_have_no_key_to_leave_out(tmp_path, recwarn):
    for name in ("run1", "run2"):
        save(tmp_path / "anna" / f"{name}.npz")
    assert set(load_windows(tmp_path).subjects) == {"anna"}
    assert not [w for w in recwarn if "name the same subject" in str(w.message)]


def test_a_pattern_goes_before_the_subjects_in_files(tmp_path, recwarn):
    for name in ("anna", "bert"):
        save(tmp_path / f"{name}.npz", subject=1, session=7)
    found = load_windows(tmp_path, pattern="(?P<subject>.*)")
    assert set(found.subjects) == {"anna", "bert"}
    assert set(found.sessions) == {7}
    found = load_windows(tmp_path, pattern="(?P<subject>.*)(?P<session>.)")
    assert set(found.sessions) == {"a", "t"}
    assert not [w for w in recwarn if "name the same subject" in str(w.message)]


def test_a_small_scale_of_half_precision(tmp_path):
    X = save(tmp_path / "one.npz", dtype=np.float16, subject=np.arange(8) // 4)
    saved = dict(np.load(tmp_path / "one.npz"))
    np.savez(tmp_path / "one.npz", **saved, scale=1e-8)
    found = load_windows(tmp_path / "one.npz", standardize=False).X
    np.testing.assert_allclose(found, 1e-8 * X.astype(float), rtol=1e-6)


def test_files_are_recordings_that_are_standardised_separately(tmp_path):
    for k, name in enumerate(("S1_run1", "S1_run2", "S2_run1")):
        save(tmp_path / f"{name}.npz", scale=100.0**k)
    found = load_windows(tmp_path)
    assert found.subjects.tolist() == ["S1"] * 16 + ["S2"] * 8
    for rows in (slice(0, 8), slice(8, 16)):
        np.testing.assert_allclose(found.X[rows].std(axis=(0, 2)), 1, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of pandas, in MNE
def test_files_of_epochs_are_recordings_too(tmp_path):
    info = mne.create_info(2, 64.0, "eeg")
    X = np.random.default_rng(0).normal(size=(8, 2, 64))
    events = np.stack([np.arange(8), np.zeros(8), np.arange(8) % 2], axis=1).astype(int)
    metadata = pd.DataFrame({"subject": ["same"] * 8})
    for name, gain in (("S1_run1", 1e-6), ("S1_run2", 1e-4), ("S2_run1", 1e-6)):
        epochs = mne.EpochsArray(gain * X, info, events, metadata=metadata, verbose="error")
        epochs.save(tmp_path / f"{name}-epo.fif", verbose="error")
    found = load_windows(tmp_path, pattern=r"(?P<subject>S\d)_run\d")
    for rows in (slice(0, 8), slice(8, 16)):
        np.testing.assert_allclose(found.X[rows].std(axis=(0, 2)), 1, rtol=1e-5)
    assert found.subjects.tolist() == ["S1"] * 16 + ["S2"] * 8
