"""Every form that data come in leads to the same labelled windows."""

import re

import mne
import numpy as np
import pandas as pd
import pytest
import recorded
from braindecode.datasets import BaseConcatDataset
from trials import EVENTS, FILES, NAMES, PLAIN, SFREQ, SPAN, cut, trials, write_folder

from eeginv.benchmark.data import file_digests
from eeginv.datasets import LabelledWindows, SleepDataset, load_windows, simulate_recordings
from eeginv.datasets.file_names import name_parts
from eeginv.datasets.sources.preprocessing import Preprocessing, choose_by_name


def same(one, other, sessions=True, tolerance=1e-6):
    np.testing.assert_allclose(one.X, other.X, rtol=tolerance, atol=tolerance * np.abs(one.X).max())
    assert one.y.tolist() == other.y.tolist()
    assert [str(s) for s in one.subjects] == [str(s) for s in other.subjects]
    assert (one.sfreq, one.ch_names, one.kind) == (other.sfreq, other.ch_names, other.kind)
    if sessions:
        assert (one.sessions is None) == (other.sessions is None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="module")
def windows(folder):
    return load_windows(folder, **SPAN, **PLAIN)


# one data set in every form -----------------------------------------------------------------------


def test_windows_are_the_samples_after_the_events(windows):
    assert repr(windows) == (
        "<LabelledWindows: 2 subjects, 24 windows of 2 s (left 12, right 12); 3 channels at 100 Hz>"
    )
    raw = trials(seed=2)
    start = raw.time_as_index(raw.annotations.onset[1])[0]
    expected = 1e6 * raw.get_data(start=start, stop=start + 200)
    np.testing.assert_allclose(windows.X[13], expected, rtol=1e-5, atol=1e-4)
    assert windows.y[12:14].tolist() == ["left", "right"]
    assert windows.subjects.tolist() == ["S1"] * 12 + ["S2"] * 12
    assert (windows.classes, windows.kind, windows.ch_names) == (
        ["left", "right"], "generic", list(NAMES)
    )  # fmt: skip


def test_epochs(windows):
    parts = [cut(trials(seed=i)) for i in range(4)]
    one, two = (mne.concatenate_epochs(parts[i : i + 2], verbose="error") for i in (0, 2))
    same(load_windows({"S1": one, "S2": two}, **PLAIN), windows)
    found = load_windows([one, two], **PLAIN)
    assert found.subjects.tolist() == [0] * 12 + [1] * 12
    np.testing.assert_array_equal(found.X, load_windows({"S1": one, "S2": two}, **PLAIN).X)
    for part, subject in ((one, "S1"), (two, "S2")):
        part.metadata = pd.DataFrame({"subject": [subject] * 12, "session": [1] * 6 + [2] * 6})
    joined = mne.concatenate_epochs([one, two], verbose="error")
    found = load_windows(joined, **PLAIN)
    same(found, windows, sessions=False)
    assert found.sessions.tolist() == 2 * ([1] * 6 + [2] * 6)
    joined.metadata = None
    same(load_windows(joined, groups=windows.subjects, **PLAIN), windows)
    with pytest.raises(ValueError, match="have no subjects"):
        load_windows(joined)


def test_files_of_epochs(windows, tmp_path):
    for i, name in enumerate(FILES):
        cut(trials(seed=i)).save(tmp_path / f"{name}-epo.fif", verbose="error")
    same(load_windows(tmp_path, **PLAIN), windows)
    (tmp_path / "S3-epo.fif").write_bytes(b"no epochs")
    with pytest.raises(ValueError, match="S3-epo.fif cannot be read"):
        load_windows(tmp_path)


def test_arrays_and_files_of_arrays(windows, tmp_path):
    known = {"sfreq": SFREQ, "ch_names": NAMES}
    arrays = windows.to_arrays()
    same(load_windows(arrays, **known, **PLAIN), windows)
    same(load_windows(arrays[:2], groups=arrays[2], **known, **PLAIN), windows)
    with pytest.raises(ValueError, match="give sfreq"):
        load_windows(arrays)
    np.savez(tmp_path / "all.npz", X=arrays[0], y=arrays[1], subject=arrays[2], **known)
    same(load_windows(tmp_path / "all.npz", **PLAIN), windows)
    for subject in ("S1", "S2"):
        rows = windows.subjects == subject
        values = {"X": arrays[0][rows] / 2, "scale": 2.0, "y_class": arrays[1][rows]}
        np.savez(tmp_path / f"{subject}.npz", **values, **known)
    (tmp_path / "all.npz").unlink()
    same(load_windows(tmp_path, **PLAIN), windows)
    values |= {"session": "late", "y": np.arange(12) % 2}
    np.savez(tmp_path / "S2.npz", **values, **known)
    np.savez(tmp_path / "S1.npz", **values, **known)
    found = load_windows(tmp_path)
    assert set(found.sessions) == {"late"}
    assert found.classes == ["0", "1"]


def test_windows_datasets():
    X, y = recorded.signals()
    parts = [
        recorded.recording(X[i : i + 16], y[i : i + 16], subject=f"S{i}", session=f"n{i}")
        for i in (0, 16)
    ]
    with pytest.warns(UserWarning, match="look like V"):
        found = load_windows(BaseConcatDataset(parts), **PLAIN)
    np.testing.assert_allclose(found.X, X, rtol=1e-4, atol=1e-3)
    assert found.subjects.tolist() == ["S0"] * 16 + ["S16"] * 16
    assert found.sessions.tolist() == ["n0"] * 16 + ["n16"] * 16
    assert (found.sfreq, found.ch_names) == (recorded.SFREQ, ["C3", "C4"])


@pytest.mark.filterwarnings("ignore:Encountered data in")
@pytest.mark.filterwarnings("ignore:Converting data files")
def test_bids(windows, tmp_path):
    import mne_bids

    for i in range(4):
        for task in ("imagery", "rest"):
            raw = trials(seed=i + 4 * (task == "rest"))
            raw.info["line_freq"] = 50
            place = mne_bids.BIDSPath(
                subject=f"S{1 + i // 2}", session=str(1 + i % 2), task=task, root=tmp_path
            )
            mne_bids.write_raw_bids(
                raw, place, format="EDF", allow_preload=True, overwrite=True, verbose="error"
            )
    found = load_windows(tmp_path, task="imagery", **SPAN, **PLAIN)
    same(found, LabelledWindows(
        windows.X, windows.y, np.char.add("sub-", windows.subjects), SFREQ, list(NAMES)
    ), sessions=False, tolerance=2e-3)  # fmt: skip
    assert found.sessions.tolist() == 2 * (["ses-1"] * 6 + ["ses-2"] * 6)
    with pytest.raises(ValueError, match=r"several tasks, imagery, rest: choose .*--task"):
        load_windows(tmp_path, **SPAN)
    with pytest.raises(ValueError, match=r"no task 'motor'; it has imagery, rest"):
        load_windows(tmp_path, task="motor", **SPAN)


def test_other_files_of_recordings(windows, tmp_path):
    edf, brainvision = tmp_path / "edf", tmp_path / "brainvision"
    for i, name in enumerate(["anna/run1", "anna/run2", "ben/run1", "ben/run2"]):
        for folder, ending in ((edf, ".edf"), (brainvision, ".vhdr")):
            path = folder / f"{name}{ending}"
            path.parent.mkdir(exist_ok=True, parents=True)
            if folder is edf:
                mne.export.export_raw(path, trials(seed=i), physical_range="auto", verbose="error")
            else:
                write_brainvision(path, trials(seed=i))
    (edf / "anna" / "._run1.edf").write_bytes(b"what macOS leaves")
    own = {"Comment/T1": "left", "Comment/T2": "right"}  # MNE's names of what BrainVision writes
    for folder, events in ((edf, EVENTS), (brainvision, own)):
        found = load_windows(folder, events=events, tmax=2.0, **PLAIN)
        np.testing.assert_allclose(found.X, windows.X, atol=0.1)
        assert found.subjects.tolist() == ["anna"] * 12 + ["ben"] * 12
        assert found.y.tolist() == windows.y.tolist()


def write_brainvision(path, raw):
    """Write the header, markers and samples of BrainVision, as its description has them."""
    data = (1e7 * raw.get_data()).astype("<i2").T  # steps of 0.1 µV
    path.with_suffix(".eeg").write_bytes(data.tobytes())
    channels = [f"Ch{i}={name},,0.1,µV" for i, name in enumerate(raw.ch_names, start=1)]
    header = [
        "Brain Vision Data Exchange Header File Version 1.0", "[Common Infos]",
        "Codepage=UTF-8", f"DataFile={path.stem}.eeg", f"MarkerFile={path.stem}.vmrk",
        "DataFormat=BINARY", "DataOrientation=MULTIPLEXED",
        f"NumberOfChannels={len(channels)}", f"SamplingInterval={1e6 / raw.info['sfreq']:g}",
        "[Binary Infos]", "BinaryFormat=INT_16", "[Channel Infos]", *channels,
    ]  # fmt: skip
    path.write_text("\n".join(header) + "\n", encoding="utf-8")
    marks = [
        f"Mk{i}=Comment,{one['description']},{round(one['onset'] * 100) + 1},200,0"
        for i, one in enumerate(raw.annotations, start=1)
    ]
    lines = ["Brain Vision Data Exchange Marker File, Version 1.0", "[Common Infos]",
             "Codepage=UTF-8", f"DataFile={path.stem}.eeg", "[Marker Infos]", *marks]  # fmt: skip
    path.with_suffix(".vmrk").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_triggers_are_events(windows, tmp_path):
    for i, name in enumerate(FILES):
        raw = trials(seed=i)
        stim = mne.io.RawArray(
            np.zeros((1, raw.n_times)), mne.create_info(["STI"], SFREQ, "stim"), verbose="error"
        )
        events, _ = mne.events_from_annotations(raw, verbose="error")
        stim.add_events(events)
        raw = raw.set_annotations(None).add_channels([stim], force_update_info=True)
        raw.save(tmp_path / f"{name}_raw.fif", verbose="error")
    found = load_windows(tmp_path, events={"1": "left", "2": "right"}, tmax=2.0, **PLAIN)
    same(found, windows)


def test_moabb(monkeypatch):
    pytest.importorskip("moabb", reason="needs MOABB: pip install 'eeginv[moabb]'")
    from moabb.datasets.fake import FakeDataset
    from moabb.paradigms import LeftRightImagery

    dataset = FakeDataset(
        ["left_hand", "right_hand"], n_sessions=2, n_runs=1, n_subjects=2, n_events=8,
        duration=40, paradigm="imagery", seed=0,
    )  # fmt: skip
    paradigm = LeftRightImagery(fmin=4, fmax=30, resample=64)
    found = load_windows((dataset, paradigm))
    assert found.classes == ["left_hand", "right_hand"]
    assert (found.kind, found.sfreq, found.ch_names) == ("motor_imagery", 64.0, ["C3", "Cz", "C4"])
    assert len(set(zip(found.subjects.tolist(), found.sessions.tolist(), strict=True))) == 4
    X, y, _ = paradigm.get_data(dataset)
    assert found.y.tolist() == list(y)
    np.testing.assert_allclose(
        load_windows((dataset, paradigm), **PLAIN).X, 1e6 * X / dataset.unit_factor, rtol=1e-3
    )
    with pytest.raises(ValueError, match="l_freq must be set when it is made"):
        load_windows((dataset, paradigm), l_freq=4)
    with pytest.raises(ValueError, match=r"has no 'Nobody2020'"):
        load_windows("moabb:Nobody2020", paradigm="LeftRightImagery")
    with pytest.raises(ValueError, match=r"needs the paradigm .*--paradigm"):
        load_windows("moabb:FakeDataset")


def test_moabb_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "moabb", None)
    with pytest.raises(ValueError, match=re.escape("pip install 'eeginv[moabb]'")):
        load_windows("moabb:BNCI2014_001", paradigm="LeftRightImagery")


def test_sleep_goes_through_the_same_door():
    population = simulate_recordings(n_subjects=2, hours=0.5, random_state=0)
    nights = SleepDataset(population.recordings, population.description, sfreq=64)
    found = load_windows(nights)
    for one, other in zip(found.to_arrays(), nights.to_arrays(), strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    assert (found.kind, found.sfreq, found.ch_names) == ("sleep", 64.0, nights.ch_names)
    options = {"n_subjects": 2, "hours": 0.5, "random_state": 0}
    one = load_windows("simulated", **options, resample=64)
    same(one, load_windows("simulated", **options, sfreq=64))
    assert one.true_invariances


def test_a_digest_tells_windows_apart(windows):
    arrays = windows.to_arrays()

    def digest(X=arrays[0], y=arrays[1], **known):
        return LabelledWindows(X, y, arrays[2], **{"sfreq": SFREQ, **known}).digest()

    other = arrays[0].copy()
    other[0, 0, 0] += 1
    found = [digest(), digest(X=other), digest(y=arrays[1][::-1]), digest(sfreq=50), digest(
        sessions=arrays[1])]  # fmt: skip
    assert len(set(found)) == 5
    assert digest() == found[0]


# preprocessing ------------------------------------------------------------------------------------


def test_recordings_are_preprocessed_before_they_are_cut(folder):
    options = {"l_freq": 8.0, "h_freq": 30.0, "resample": 64.0, "reference": "average"}
    found = load_windows(folder, **SPAN, **options, channels=["Cz", "C3"])
    assert (found.ch_names, found.sfreq, found.X.shape) == (["Cz", "C3"], 64.0, (24, 2, 128))
    raw = trials(seed=1)
    raw.set_eeg_reference("average", verbose="error").pick(["Cz", "C3"])
    raw.reorder_channels(["Cz", "C3"]).filter(8.0, 30.0, verbose="error")
    raw.resample(64.0, verbose="error")
    signal = raw.get_data()
    signal = (signal - signal.mean(1, keepdims=True)) / signal.std(1, keepdims=True)
    start = round(raw.annotations.onset[3] * 64)
    np.testing.assert_allclose(found.X[9], signal[:, start : start + 128], atol=1e-3)


def test_windows_are_preprocessed_alike():
    epochs = [cut(trials(seed=i)) for i in range(2)]
    options = {"h_freq": 30.0, "resample": 64.0, "reference": ["Cz"]}
    found = load_windows(epochs, **options)
    assert (found.ch_names, found.X.shape) == (["C3", "C4"], (12, 2, 128))
    for subject, part in enumerate(epochs):
        part = part.copy().set_eeg_reference(["Cz"]).pick(["C3", "C4"])
        part.filter(None, 30.0, verbose="error").resample(64.0, verbose="error")
        X = part.get_data(copy=False)
        X = (X - X.mean((0, 2), keepdims=True)) / X.std((0, 2), keepdims=True)
        np.testing.assert_allclose(found.X[found.subjects == subject], X, atol=1e-3)


def test_each_recording_is_standardised_for_itself(folder, tmp_path):
    write_folder(tmp_path, amplitude=[1e-5, 2e-5, 3e-5, 4e-5])
    found = load_windows(tmp_path, **SPAN, reference=None)
    spreads = found.X[:, 1].reshape(4, -1).std(axis=1)  # noise alone
    np.testing.assert_allclose(spreads, 1, atol=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"l_freq": -1.0}, "l_freq must be above 0"),
        ({"l_freq": 40.0, "h_freq": 8.0}, "must lie below h_freq=8"),
        ({"h_freq": 40.0, "resample": 64.0}, "above half of resample=64"),
        ({"channels": []}, "channels is empty"),
        ({"reference": []}, "reference must be"),
    ],
)
def test_options_out_of_range_are_named_before_anything_is_read(options, message):
    with pytest.raises(ValueError, match=message):
        Preprocessing(**options)


def test_channels_by_name_in_any_spelling_and_by_pattern():
    names = ["Fc5.", "C3..", "EOG left", "EOG right"]
    assert choose_by_name(names, ["C3", "FC5"], "X") == {"C3..": "C3", "Fc5.": "FC5"}
    assert list(choose_by_name(names, ["eog*"], "X")) == names[2:]
    assert choose_by_name(names, {"eye": "EOG l*"}, "X") == {"EOG left": "eye"}
    with pytest.raises(ValueError, match="2 channels 'EOG\\*' for 'eye'"):
        choose_by_name(names, {"eye": "EOG*"}, "X")
    with pytest.raises(ValueError, match="twice"):
        choose_by_name(names, {"C3": "C3", "left": "EOG l*", "again": "C3"}, "X")


def test_a_flat_or_bad_channel(tmp_path):
    raw = trials()
    raw.info["bads"] = ["C4"]
    raw.save(tmp_path / "S1_raw.fif", verbose="error")
    raw.save(tmp_path / "S2_raw.fif", verbose="error")
    assert load_windows(tmp_path, **SPAN).ch_names == ["C3", "Cz"]
    assert load_windows(tmp_path, **SPAN, channels=["C3", "C4"]).ch_names == ["C3", "C4"]


def test_a_channel_that_is_the_reference_would_be_flat(folder):
    with pytest.raises(ValueError, match="Cz is the reference of S1R1_raw.fif, so that it would"):
        load_windows(folder, channels=["C3", "Cz"], reference="Cz", **SPAN)
    assert load_windows(folder, reference="Cz", **SPAN).ch_names == ["C3", "C4"]


# whose recording it is ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "subject", "session"),
    [
        ("S001R04.edf", "S001", None),
        ("subject01.npz", "subject01", None),
        ("P3_session2_run1_raw.fif", "P3", None),
        ("anna/a.edf", "anna", None),
        ("anna/session1/a.edf", "anna", "session1"),
        ("sub-01_ses-2_task-x_eeg.vhdr", "sub-01", "ses-2"),
        ("day1/S01.edf", "S01", "day1"),
        ("Night_2/S01_run3.edf", "S01", "Night_2"),
        ("ses-pre/anna/a.edf", "anna", "ses-pre"),
        ("train/S01.npz", "S01", "train"),
        ("validation/run1/S01.npz", "S01", "validation"),
        ("sesame/a.edf", "sesame", None),
        ("A01T.gdf", "A01", "T"),
        ("A01E.gdf", "A01", "E"),
        ("S01_run2T.gdf", "S01", "T"),
        ("rec01.npz", "rec01", None),
        ("run2_raw.fif", "run2", None),
        ("day1/part_3.npz", "part_3", "day1"),
        ("run1_2.npz", "run1", None),
    ],
)
def test_subjects_from_places(path, subject, session):
    from pathlib import PurePath

    assert name_parts(PurePath(path)) == (subject, session)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["control/S07", "control/S08", "patient/S01"], r"in control number several: S07, S08\."),
        (["open/S07_run1", "closed/S07_run1", "open/S08", "closed/S08"], "in closed number sev"),
        (["a/patient_1", "a/patient_2", "b/patient_1"], r"\(\?P<subject>patient_\\d\+\)\.\*'"),
    ],
)
def test_subfolders_that_may_be_groups_of_people(names, message, tmp_path):
    write_folder(tmp_path, files=names)
    with pytest.warns(UserWarning, match=message) as caught:
        load_windows(tmp_path, **SPAN)
    pattern = str(caught[0].message).split("'")[-2]
    found = load_windows(tmp_path, **SPAN, pattern=pattern)
    people = {name.split("/")[1].removesuffix("_run1") for name in names}
    assert set(found.subjects) == people


def test_subfolders_of_people(tmp_path):
    """Their files are recordings, which is no reason for a warning."""
    write_folder(tmp_path, files=["anna/run1", "anna/run2", "S01/S01R01", "S01/S01R02", "ben/left"])
    assert set(load_windows(tmp_path, **SPAN).subjects) == {"anna", "S01", "ben"}


def test_folders_that_are_aside_in_bids_only(tmp_path):
    """Recordings in them are read otherwise, so that their contents are hashed."""
    for name in ("code/S1_raw.fif", "derivatives/S2_raw.fif"):
        (tmp_path / name).parent.mkdir()
        trials().save(tmp_path / name, verbose="error")
    assert len(load_windows(tmp_path, **SPAN)) == 12
    names = [name for name, _ in file_digests(tmp_path, SPAN)]
    assert names == ["code/S1_raw.fif", "derivatives/S2_raw.fif"]
    (tmp_path / "dataset_description.json").write_text("{}")
    names = [name for name, _ in file_digests(tmp_path, SPAN)]
    assert names == ["dataset_description.json"]


def test_one_person_in_two_spellings(tmp_path):
    for name in ("S01_run1_raw.fif", "s01_run2_raw.fif"):
        trials().save(tmp_path / name, verbose="error")
    with pytest.raises(ValueError, match=r"The subjects \['S01', 's01'\] differ only by type, cap"):
        load_windows(tmp_path, **SPAN)


def test_subjects_by_pattern(folder):
    pattern = r"(?P<subject>S\d)R(?P<session>\d)"
    found = load_windows(folder, **SPAN, pattern=pattern)
    assert found.subjects.tolist() == ["S1"] * 12 + ["S2"] * 12
    assert found.sessions.tolist() == 2 * (["1"] * 6 + ["2"] * 6)
    with pytest.raises(ValueError, match=r"does not fit 'S1R1'"):
        load_windows(folder, **SPAN, pattern=r"(?P<subject>X)")
    with pytest.raises(ValueError, match="group named subject"):
        load_windows(folder, **SPAN, pattern="S.*")


# real recordings ----------------------------------------------------------------------------------


def test_motor_imagery_from_the_original_files(shared_data):
    found = load_windows(
        shared_data / "eegbci", **{**SPAN, "tmax": 4.0}, channels=["FC3", "C3", "C4"],
        l_freq=4.0, h_freq=38.0, resample=80.0, kind="motor_imagery",
    )  # fmt: skip
    assert repr(found) == (
        "<LabelledWindows: 12 subjects, 540 windows of 4 s (left 274, right 266); "
        "3 channels at 80 Hz>"
    )
    assert sorted(set(found.subjects)) == [f"S{i:03d}" for i in range(1, 13)]


def test_flicker_from_files_of_arrays(shared_data):
    found = load_windows(shared_data / "ssvep", l_freq=5.0, h_freq=45.0, resample=128.0)
    assert found.classes == ["0", "13", "17", "21"]
    assert repr(found).startswith("<LabelledWindows: 7 subjects in 14 sessions, 448 windows of 5 s")
