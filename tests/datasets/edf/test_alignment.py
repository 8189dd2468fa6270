"""Hypnograms meet the signal where their clocks say: the signal's value is its second."""

import numpy as np
import pytest
from edf_bytes import write_edf, write_hypnogram, write_psg

from eeginv.datasets import load_sleep_folder

PLAIN = {"crop_wake": None, "h_freq": None, "standardize": False}


@pytest.fixture
def load(tmp_path):
    """Write one pair of files and read the second at which each window begins, with its stage."""

    def load(seconds, rows, psg=None, hypnogram=None, **options):
        write_psg(tmp_path / "a-PSG.edf", seconds, **(psg or {}))
        write_hypnogram(tmp_path / "a-Hypnogram.edf", rows, **(hypnogram or {}))
        nights = load_sleep_folder(tmp_path, **PLAIN, **options)
        X, y, _ = nights.to_arrays()
        begins = np.round(1e6 * X[:, 0, 0]).astype(int).tolist()
        # Each window is a stretch of the signal: it tells the time at its end too.
        assert np.allclose(1e6 * (X[:, 0, -1] - X[:, 0, 0]), (X.shape[2] - 1) / 20, atol=1)
        return list(zip(begins, y.tolist(), strict=True)), nights.n_dropped

    return load


def start(text):
    """Give a start without a date of EDF+."""
    return {"start": text, "recording": ""}


ROWS = [(0, 60, "Sleep stage W"), (60, 30, "Sleep stage 1"), (90, 60, "Sleep stage 2")]
FROM_0 = [(0, "W"), (30, "W"), (60, "N1"), (90, "N2"), (120, "N2")]


@pytest.mark.parametrize(
    ("psg", "hypnogram", "shift"),
    [
        (start("12.07.9422.00.00"), start("12.07.9422.10.00"), 600),
        (start("12.07.9423.55.00"), start("13.07.9400.05.00"), 600),
        # Without a date: the year 1985, "Startdate X", and both over midnight.
        (start("01.01.8522.00.00"), start("01.01.8522.10.00"), 600),
        (start("01.01.8523.55.00"), start("01.01.8500.05.00"), 600),
        ({"start": "01.01.8522.00.00"}, {"start": "01.01.8522.10.00"}, 600),
        (
            {"start": "12.07.9422.00.00", "recording": "Startdate 12-JUL-1994 X X X"},
            {"start": "12.07.9422.10.00", "recording": "Startdate 12-JUL-1994 X X X"},
            600,
        ),
        # Only one has a start.
        (start("12.07.9422.00.00"), {}, 0),
        ({}, start("12.07.9422.10.00"), 0),
        ({}, {}, 0),
        (start("01.01.8522.00.00"), {}, 0),
        (start("bad date"), start("12.07.9422.10.00"), 0),
    ],
)
def test_start_in_the_headers(load, psg, hypnogram, shift):
    found, dropped = load(900, ROWS, psg, hypnogram)
    assert found == [(begin + shift, stage) for begin, stage in FROM_0]
    assert dropped == ({"no stage annotated": 20 + 5} if shift else {"no stage annotated": 25})


def test_hypnogram_that_begins_before_the_recording(load):
    rows = [(0, 45, "Sleep stage W"), (45, 30, "Sleep stage 1"), (75, 90, "Sleep stage 2")]
    found, dropped = load(
        120, rows, start("12.07.9422.00.00"), start("12.07.9421.59.10"), hypnogram_start="header"
    )
    # N1 lies from -5 s to 25 s, N2 from 25 s to 115 s.
    assert found == [(25, "N2"), (55, "N2"), (85, "N2")]
    assert dropped == {"beyond the signal": 2}


def test_long_bout_that_begins_before_the_recording_keeps_its_grid(load):
    found, dropped = load(
        120, [(0, 150, "Sleep stage 2")], start("12.07.9422.00.00"), start("12.07.9421.59.20")
    )
    assert found == [(20, "N2"), (50, "N2"), (80, "N2")]
    assert dropped == {"beyond the signal": 2}


def test_hypnogram_of_another_recording(load):
    with pytest.raises(ValueError, match=r"a-Hypnogram.edf has no stage within .*a-PSG.edf") as e:
        load(300, ROWS, start("12.07.9422.00.00"), start("03.11.9422.00.00"))
    assert "on 1994-07-12 at 22:00:00" in str(e.value)
    assert "on 1994-11-03 at 22:00:00" in str(e.value)
    assert "hypnogram_start='recording'" in str(e.value)
    found, _ = load(
        300,
        ROWS,
        start("12.07.9422.00.00"),
        start("03.11.9422.00.00"),
        hypnogram_start="recording",
    )
    assert found == FROM_0


def test_one_date_alone_is_said(load):
    with pytest.warns(UserWarning, match=r"with one date alone they cannot be compared"):
        found, _ = load(300, ROWS, start("01.01.8522.00.00"), start("03.11.9422.10.00"))
    assert found == FROM_0


def test_unknown_choice_of_the_start(load):
    with pytest.raises(ValueError, match="hypnogram_start must be one of"):
        load(300, ROWS, hypnogram_start="first")


def test_fraction_of_a_second_at_the_start(load, tmp_path):
    """The first record begins 0.5 s after the full second in the header."""
    rows = [(0.5, 30, "Sleep stage W"), (30.5, 30, "Sleep stage 1")]
    found, _ = load(60, rows, {"record_onsets": np.arange(60) + 0.5} | start("12.07.9422.00.00"),
                    start("12.07.9422.00.00"))  # fmt: skip
    assert found == [(0, "W"), (30, "N1")]


@pytest.mark.parametrize("kind", ["EDF+D", "EDF+C"])
def test_stages_after_a_pause(load, kind):
    """From 100 s on, the signal is 45 s late: the second of the file is not that of the clock."""
    onsets = np.append(np.arange(100), np.arange(100, 300) + 45)
    stages = ["W", "1", "1", "2", "2", "3", "3", "R", "R", "2", "2"]
    rows = [(30 * i, 30, f"Sleep stage {stage}") for i, stage in enumerate(stages)]
    found, dropped = load(300, rows, {"record_onsets": onsets, "kind": kind})
    # The epoch 90-120 is cut by the pause, as is 120-150; 150 of the clock is 105 of the file.
    assert found == [
        (0, "W"),
        (30, "N1"),
        (60, "N1"),
        (105, "N3"),
        (135, "N3"),
        (165, "R"),
        (195, "R"),
        (225, "N2"),
        (255, "N2"),
    ]
    assert dropped == {"shorter than a window": 1, "in a pause of the recording": 1}


def test_no_window_spans_a_pause(load):
    onsets = np.append(np.arange(100), np.arange(100, 200) + 1000)
    found, dropped = load(
        200, [(0, 1200, "Sleep stage 2")], {"record_onsets": onsets, "kind": "EDF+D"}
    )
    # The pause ends at 1100 s; the scorer's next epoch begins at 1110 s.
    assert found == [(0, "N2"), (30, "N2"), (60, "N2"), (110, "N2"), (140, "N2"), (170, "N2")]
    assert dropped["in a pause of the recording"] == 33


def test_discontinuous_file_without_a_pause(load):
    found, _ = load(150, ROWS, {"record_onsets": np.arange(150), "kind": "EDF+D"})
    assert found == FROM_0


@pytest.mark.parametrize(
    ("onsets", "match"),
    [
        (None, "its records have no times"),
        (np.append(np.arange(100), np.arange(100) + 20), "times that run backwards"),
    ],
)
def test_discontinuous_file_without_usable_times(load, onsets, match):
    seconds = 150 if onsets is None else 200
    with pytest.raises(ValueError, match=rf"a-PSG.edf is a recording with pauses.*{match}"):
        load(seconds, ROWS, {"record_onsets": onsets, "kind": "EDF+D"})


def test_filter_and_annotations_around_a_pause(tmp_path):
    onsets = np.append(np.arange(100), np.arange(100, 200) + 60)
    write_psg(tmp_path / "a-PSG.edf", 200, record_onsets=onsets, kind="EDF+D")
    write_hypnogram(tmp_path / "a-Hypnogram.edf", [(0, 260, "Sleep stage 2"), (110, 0, "Lights")])
    nights = load_sleep_folder(tmp_path, crop_wake=None, h_freq=5.0, sfreq=10.0)
    annotations = nights.recordings[0].annotations
    assert annotations.onset.tolist() == [0, 100, 100, 100]
    assert annotations.description.tolist() == [
        "Sleep stage 2", "BAD boundary", "EDGE boundary", "Sleep stage 2"
    ]  # fmt: skip
    assert nights.n_dropped["in a pause of the recording"] == 2


def test_bad_spans_of_both_files(load):
    rows = [(0, 150, "Sleep stage 2"), (35, 2, "BAD_movement"), (58, 4, "bad electrode")]
    found, dropped = load(150, rows, {"annotations": [(100, 5, "BAD_pump"), (3, 0, "note")]})
    assert found == [(0, "N2"), (120, "N2")]
    assert dropped == {"BAD_movement": 1, "bad electrode": 1, "BAD_pump": 1}


def test_annotations_beyond_the_signal(load):
    rows = [*ROWS, (150, 90, "Sleep stage R"), (240, 300, "Sleep stage ?")]
    found, dropped = load(165, rows)
    assert found == FROM_0
    # 75 s of REM and 300 s without a score have no signal; 15 s of REM have.
    assert dropped == {"beyond the signal": 2 + 10, "shorter than a window": 1}


def test_hypnogram_shorter_than_the_recording(load):
    found, dropped = load(400, ROWS)
    assert found == FROM_0
    assert dropped == {"no stage annotated": 8}


def test_epochs_of_20_s(load):
    stages = "WW1122223R"
    rows = [(20 * i, 20, f"Sleep stage {stage}") for i, stage in enumerate(stages)]
    found, dropped = load(200, rows)
    assert found == [(0, "W"), (40, "N1"), (80, "N2"), (110, "N2")]
    # 40 s of W, 40 s of N1, 80 s of N2, and 20 s of N3 and of REM.
    assert dropped == {"shorter than a window": 5}
    found, dropped = load(200, rows, window=20.0)
    assert [stage for _, stage in found] == [
        {"1": "N1", "2": "N2", "3": "N3"}.get(stage, stage) for stage in stages
    ]
    assert dropped == {}


def test_epochs_off_the_grid(load):
    rows = [(7.3, 30, "Sleep stage 1"), (37.3, 60, "Sleep stage 2")]
    found, _ = load(100, rows)
    assert found == [(7, "N1"), (37, "N2"), (67, "N2")]


def test_last_window_between_samples(load):
    """At 20 Hz an onset of 30.03 s rounds up to a sample from which no window is left."""
    found, _ = load(60, [(0, 29.0, "Sleep stage W"), (30.0004, 30.0, "Sleep stage 2")])
    assert found == [(30, "N2")]


def test_windows_whose_length_is_no_exact_number(load):
    """Seven windows of 8.2 s are 1147.9999999999998 samples at 20 Hz."""
    found, _ = load(60, [(0, 60, "Sleep stage 2")], window=8.2)
    assert len(found) == 7


def test_channels_of_other_rates(tmp_path):
    slow = {"EEG C3": np.repeat(np.arange(60), 20), "SaO2": np.full(60, 97)}
    write_edf(tmp_path / "a-PSG.edf", slow, rates=[20, 1])
    write_hypnogram(tmp_path / "a-Hypnogram.edf", [(0, 60, "W")])
    nights = load_sleep_folder(tmp_path, **PLAIN)
    assert nights.ch_names == ["C3"]
    with pytest.warns(UserWarning, match=r"'SaO2': '1 Hz'.* are interpolated to 20 Hz"):
        nights = load_sleep_folder(tmp_path, channels=["C3", "SaO2"], **PLAIN)
    assert nights.sfreq == 20
