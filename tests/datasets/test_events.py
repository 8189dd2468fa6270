"""Windows are cut where the events of a recording are."""

import datetime

import mne
import numpy as np
import pytest
import typer
from edf_bytes import write_psg
from trials import EVENTS, SPAN, trials, write_folder
from trials import cut as cut_epochs
from typer.testing import CliRunner

from eeginv.cli.options import takes_data_options
from eeginv.datasets import load_unlabelled, load_windows, prepare_windows
from eeginv.datasets.sources.events import annotate, cut, find_trials
from eeginv.datasets.sources.recordings import open_raw

SFREQ = 100.0
CLASSES = {"1": "left", "2": "right"}
DATE = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


def numbered(stim=None, first_samp=0, date=None, n_times=1000):
    """A recording whose samples tell their number, with a trigger channel."""
    signal = np.arange(n_times, dtype=float)[None]
    names, types = ["C3"], ["eeg"]
    if stim is not None:
        signal, names, types = np.vstack([signal, stim]), [*names, "STI"], [*types, "stim"]
    info = mne.create_info(names, SFREQ, types)
    info.set_meas_date(date)
    return mne.io.RawArray(signal, info, first_samp, verbose="error")


def triggers(values, n_times=1000):
    stim = np.zeros(n_times)
    for sample, value in values.items():
        stim[sample : sample + 5] = value
    return stim


def starts(raw, events=CLASSES, **span):
    """Number of the first sample of each window, and its class."""
    find_trials(raw, events, "a recording")
    X, y = cut(raw, events, span.get("tmin", 0.0), span.get("tmax", 1.0), "a recording")
    return X[:, 0, 0].astype(int).tolist(), y


@pytest.mark.parametrize("date", [None, DATE])
@pytest.mark.parametrize("first_samp", [0, 345])
def test_triggers_of_a_cropped_recording(first_samp, date):
    raw = numbered(triggers({100: 1, 400: 2, 700: 1}), first_samp, date)
    events = mne.find_events(raw, shortest_event=1, verbose="error")
    expected = mne.Epochs(raw, events, tmin=0, tmax=0.99, baseline=None, verbose="error")
    found, classes = starts(raw)
    assert found == expected.get_data("eeg")[:, 0, 0].tolist() == [100, 400, 700]
    assert classes == ["left", "right", "left"]


def test_triggers_that_are_held_until_the_next():
    stim = np.zeros(1000)
    for sample, value in ((100, 1), (300, 2), (500, 1), (700, 2)):
        stim[sample:] = value
    stim[-1] = 0
    with pytest.warns(UserWarning, match="Triggers fall from one value to a lower one, 1, without"):
        assert starts(numbered(stim)) == ([100, 300, 500, 700], ["left", "right"] * 2)


@pytest.mark.parametrize("date", [None, DATE])
def test_marks_of_bad_signal_are_no_events(date):
    raw = numbered(triggers({100: 1, 400: 2, 700: 1}), 345, date)
    raw.set_annotations(mne.Annotations([4.2, 8.5], [0.1, 0], ["bad_jump", "EDGE boundary"]))
    with pytest.warns(UserWarning, match="1 of 3 windows were left out"):
        assert starts(raw) == ([100, 700], ["left", "left"])


def test_annotated_events_come_before_triggers():
    raw = numbered(triggers({100: 1, 400: 2}))
    raw.set_annotations(mne.Annotations([2.0], 0, ["T1"]))
    annotate(raw)
    assert raw.annotations.description.tolist() == ["T1"]


@pytest.mark.parametrize("name", ["Edge", "edge left", "Bad_outcome"])
def test_events_may_be_named_like_marks(name):
    raw = numbered()
    raw.set_annotations(mne.Annotations([1.0, 4.0, 7.0], 0, [name, "Face", name]))
    found = starts(raw, {name: "one", "Face": "two"})
    assert found == ([100, 400, 700], ["one", "two", "one"])


@pytest.mark.parametrize("read", [load_windows, prepare_windows])
def test_a_class_without_windows_is_refused(read, tmp_path):
    write_folder(tmp_path / "data", kinds=("T1", "T2", "bad_T3"))
    place = () if read is load_windows else (tmp_path / "store",)
    events = {"T1": "left", "T2": "right", "bad_T3": "rest"}
    with (
        pytest.raises(ValueError, match="No recording has a window of the classes 'rest'"),
        pytest.warns(UserWarning, match="2 of 6 windows were left out"),
    ):
        read(tmp_path / "data", *place, events=events, tmax=2.0)


PAUSED = np.append(np.arange(30), np.arange(30, 60) + 10)


def write_trials_edf(path, **options):
    """Write an EDF file of a minute, whose value in µV is the number of the second."""
    rows = [(5 + 10 * i, 0, ("T1", "T2")[i % 2]) for i in range(5)]
    path.parent.mkdir(exist_ok=True)
    return write_psg(path, 60, annotations=rows, **options)


@pytest.mark.parametrize("sfreq", [100.0, 125.0, 128.0])
@pytest.mark.parametrize("tmin", [-0.5, 0.0, 0.3, 0.5])
@pytest.mark.parametrize("length", [0.5, 1.5, 1.7])
def test_windows_to_fit_and_to_predict_are_the_same(sfreq, tmin, length, tmp_path):
    """Also where a length is no whole number of samples."""
    write_folder(tmp_path, files=["S1"], sfreq=sfreq)
    span = {"events": EVENTS, "tmin": tmin, "tmax": tmin + length}
    windows = load_windows(tmp_path, **span, ignore_durations=True)
    found = load_unlabelled(tmp_path / "S1_raw.fif", windows.recipe, events=list(EVENTS))
    np.testing.assert_array_equal(found.X, windows.X)
    assert abs(windows.X.shape[2] - length * sfreq) < 0.51


def test_edf_with_pauses_is_refused(tmp_path):
    folder, paused = tmp_path / "data", tmp_path / "paused" / "b.edf"
    write_trials_edf(folder / "a.edf", record_onsets=np.arange(60), kind="EDF+D")
    windows = load_windows(folder, events=EVENTS, tmax=1.0, standardize=False)
    np.testing.assert_allclose(windows.X[:, 0, 0], [5, 15, 25, 35, 45], atol=0.1)
    write_trials_edf(paused, record_onsets=PAUSED, kind="EDF+D")
    with pytest.raises(ValueError, match=r"b\.edf is a recording with pauses"):
        load_windows(paused.parent, events=EVENTS, tmax=1.0)
    with pytest.raises(ValueError, match=r"b\.edf is a recording with pauses"):
        load_unlabelled(paused, windows.recipe)


def test_bdf_with_pauses_is_refused(tmp_path):
    write_trials_edf(tmp_path / "data" / "a.bdf", record_onsets=PAUSED, kind="BDF+D")
    with pytest.raises(ValueError, match=r"a\.bdf is a recording with pauses"):
        open_raw(tmp_path / "data" / "a.bdf")


@pytest.mark.parametrize("name", ["boundary", "New Segment/"])
@pytest.mark.parametrize("duration", [0.0, 4.0])
def test_no_window_spans_a_joint(name, duration, tmp_path):
    raw = numbered()
    onsets, names = [0.0, 1.0, 4.0, 4.5, 6.0, 8.0], [name, "1", "2", name, "1", "2"]
    raw.set_annotations(mne.Annotations(onsets, [duration, 0, 0, duration, 0, 0], names))
    path = tmp_path / "a_raw.fif"
    raw.save(path, verbose="error")
    opened = open_raw(path).load_data()
    with pytest.warns(UserWarning, match=r"1 of 4 windows were left out \(1 by BAD boundary\)"):
        assert starts(opened) == ([100, 600, 800], ["left", "left", "right"])
    # the joint is between two samples: a window may end, or begin, there
    assert starts(opened, tmin=-0.5, tmax=0.5)[0] == [50, 350, 550, 750]
    assert starts(opened, tmin=0.5, tmax=1.5)[0] == [150, 450, 650, 850]


def test_an_open_recording_is_read_like_its_file(tmp_path):
    """No contiguous window spans a joint, and the user's object keeps its annotations."""
    path = tmp_path / "S1_raw.fif"
    trials().save(path, verbose="error")
    recipe = load_windows(tmp_path, **SPAN).recipe
    raw = trials()
    raw.set_annotations(raw.annotations + mne.Annotations(5.0, 0.0, "boundary"))
    raw.save(path, overwrite=True, verbose="error")
    opened = mne.io.read_raw(path, verbose="error")
    found, of_file = (load_unlabelled(given, recipe) for given in (opened, path))
    assert found.onsets.tolist() == of_file.onsets.tolist()
    assert not any(onset < 5 < onset + 2 for onset in found.onsets)
    assert "BAD boundary" not in opened.annotations.description


@pytest.mark.parametrize("naming", ["bids", "neuromag"])
def test_split_recordings_are_read_once(naming, tmp_path):
    options = {"split_naming": naming, "split_size": "3MB", "buffer_size_sec": 1}
    for subject, n in (("A", 30), ("B", 4)):
        raw = trials(n=n, sfreq=4000)
        raw.save(tmp_path / f"{subject}_raw.fif", **options, verbose="error")
    assert len(list(tmp_path.iterdir())) > 2
    found = load_windows(tmp_path, **SPAN)
    assert found.subjects.tolist() == ["A"] * 30 + ["B"] * 4


@pytest.mark.parametrize("form", ["S2_raw.fif", "S2-epo.fif", "S2.npz"])
def test_what_is_hidden_is_not_read(form, tmp_path):
    def write(folder, subject):
        path = folder / form.replace("S2", subject)
        path.parent.mkdir(exist_ok=True)
        if form.endswith("raw.fif"):
            trials().save(path, verbose="error")
        elif form.endswith("epo.fif"):
            cut_epochs(trials()).save(path, verbose="error")
        else:
            X = cut_epochs(trials()).get_data()
            np.savez(path, X=X, y=["left", "right"] * 3, sfreq=SFREQ)

    options = SPAN if form.endswith("raw.fif") else {}
    for folder, subject in ((tmp_path, "S1"), (tmp_path, "S2"), (tmp_path / ".old", "S3")):
        write(folder, subject)
    (tmp_path / form.replace("S2", "folder")).mkdir()
    assert set(load_windows(tmp_path, **options).subjects) == {"S1", "S2"}


def test_spaces_around_names_of_the_command_line_do_not_count():
    given = []
    app = typer.Typer()
    app.command()(takes_data_options(lambda data_options: given.append(data_options)))
    line = ["--events", " T1= left ,T3=left, T2 =right", "--channels", "C3 = C3-A*,Cz"]
    line += ["--stages", "W, N3"]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0, result.output
    assert given[0]["events"] == {"T1": "left", "T3": "left", "T2": "right"}
    assert given[0]["channels"] == {"C3": "C3-A*", "Cz": "Cz"}
    assert given[0]["stages"] == ("W", "N3")


def cut_off(folder):
    """Two recordings, the second of which ends 0.9 s after the begin of its last trial."""
    write_folder(folder, files=["A", "B"])
    raw = open_raw(folder / "B_raw.fif").load_data(verbose="error")
    raw.crop(tmax=raw.annotations.onset[-1] + 0.9).save(
        folder / "B_raw.fif", overwrite=True, verbose="error"
    )
    return folder


@pytest.mark.parametrize("span", [{"tmax": 2.0}, {}])
def test_a_trial_that_the_end_of_the_recording_cuts_is_left_out(span, tmp_path):
    with pytest.warns(UserWarning, match=r"B_raw.fif: 1 of 6 windows were left out \(1 by the end"):
        found = load_windows(cut_off(tmp_path), events=EVENTS, **span)
    assert found.X.shape == (11, 3, 200)


def test_windows_without_a_sample(tmp_path):
    write_folder(tmp_path)
    with pytest.raises(ValueError, match=r"Windows from 1 to 1.001 s have no sample at the 100 Hz"):
        load_windows(tmp_path, events=EVENTS, tmin=1, tmax=1.001)


def test_filters_that_are_longer_than_the_windows():
    """MNE warns of it too, and a filter of 0.5 Hz hardly works on a second of signal."""
    X = np.random.default_rng(0).normal(size=(12, 2, 200))
    data, known = (X, [0, 1] * 6, np.repeat([0, 1], 6)), {"sfreq": 100, "ch_names": ["C3", "C4"]}
    with pytest.warns(
        UserWarning, match=r"The filter \(above 0.5 Hz\) is 6.61 s long, .* only 2 s"
    ):
        load_windows(data, l_freq=0.5, **known)
    load_windows(data, l_freq=4, h_freq=30, **known)  # no warning
