"""Epochs as they are scored: without durations, twice, in contradiction, marked as bad."""

import mne
import numpy as np
import pytest

from eeginv.datasets import SleepDataset

PLAIN = {"crop_wake": None, "h_freq": None, "standardize": False}


@pytest.fixture
def cut(make_raw, description):
    """Cut a recording with given annotations; return where windows begin, and the account."""

    def cut(n_epochs, rows, **options):
        raw = make_raw(["W"] * n_epochs)
        raw._data[:] = raw.times
        onsets, durations, labels = zip(*rows, strict=True)
        raw.set_annotations(mne.Annotations(onsets, durations, labels), emit_warning=False)
        nights = SleepDataset([raw], description, **(PLAIN | options))
        X, y, _ = nights.to_arrays()
        begins = np.round(X[:, 0, 0], 2).tolist()
        return list(zip(begins, y.tolist(), strict=True)), nights.n_dropped

    return cut


def stages(text, step=30.0, duration=30.0):
    """Give rows of annotations, one letter an epoch; a dash is none."""
    return [
        (step * i, duration, f"Sleep stage {letter}")
        for i, letter in enumerate(text)
        if letter != "-"
    ]


def test_one_mark_an_epoch(cut):
    with pytest.warns(UserWarning, match=r"No stage has a duration in .* 30 s, each taken to"):
        found, dropped = cut(10, stages("WW1122-?R-", duration=0))
    assert found == [(0, "W"), (30, "W"), (60, "N1"), (90, "N1"), (120, "N2"), (150, "N2"),
                     (240, "R")]  # fmt: skip
    assert dropped == {"Sleep stage ?": 1, "no stage annotated": 2}


def test_one_mark_an_epoch_of_20_s(cut):
    with pytest.warns(UserWarning, match="one every 20 s, each taken to last 20 s"):
        found, _ = cut(4, stages("WW1122", step=20, duration=0), window=20.0)
    assert found == [(0, "W"), (20, "W"), (40, "N1"), (60, "N1"), (80, "N2"), (100, "N2")]


def test_one_mark_a_change(cut):
    rows = [(0, 0, "N2"), (90, 0, "W"), (120, 0, "N3"), (180, 0, "R")]
    with pytest.warns(UserWarning, match="one at each change of stage.*the last 30 s"):
        found, dropped = cut(10, rows)
    assert found == [(0, "N2"), (30, "N2"), (60, "N2"), (90, "W"), (120, "N3"), (150, "N3"),
                     (180, "R")]  # fmt: skip
    assert dropped == {"no stage annotated": 3}


def test_last_mark_of_unknown_length(cut):
    rows = [(0, 0, "N2"), (77, 0, "W"), (107, 0, "R")]
    with (
        pytest.warns(UserWarning, match=r"unknown duration were left out: 'R' \(1\)"),
        pytest.warns(UserWarning, match=r"one at each change of stage, .* until the next\.$"),
    ):
        found, dropped = cut(10, rows)
    assert found == [(0, "N2"), (30, "N2"), (77, "W")]
    assert dropped["without a duration: R"] == 1


def test_marks_without_an_order(cut):
    rows = [(t, 0, "N2") for t in (0, 31, 70, 75, 140)]
    with (
        pytest.warns(UserWarning, match=r"were left out: 'N2' \(5\)"),
        pytest.raises(ValueError, match="No window of the stages.*'without a duration: N2': 5"),
    ):
        cut(10, rows)


def test_some_without_a_duration(cut):
    rows = [*stages("W1-2"), (60, 0, "Sleep stage R"), (95, 0, "Sleep stage 2")]
    with pytest.warns(UserWarning, match=r"left out: 'Sleep stage R' \(1\) in subject a"):
        found, dropped = cut(4, rows)
    assert found == [(0, "W"), (30, "N1"), (90, "N2")]
    assert dropped == {"without a duration: Sleep stage R": 1, "no stage annotated": 1}


def test_the_same_epoch_twice(cut):
    rows = [*stages("W122"), (30, 30, "N1"), (60, 60, "Sleep stage 2"), (45, 30, "Sleep stage 1")]
    found, dropped = cut(4, [row for row in rows if row[0] != 45])
    assert found == [(0, "W"), (30, "N1"), (60, "N2"), (90, "N2")]
    assert dropped == {}
    with pytest.raises(ValueError, match="contradict"):
        cut(4, rows)


def test_overlap_that_agrees(cut):
    found, dropped = cut(4, [(0, 60, "N2"), (45, 45, "N2"), (90, 30, "W")])
    assert found == [(0, "N2"), (30, "N2"), (60, "N2"), (90, "W")]
    assert dropped == {}


@pytest.mark.parametrize(
    "other",
    [(30, 30, "Sleep stage 2"), (25, 30, "Sleep stage 1"), (45, 15, "?"), (30, 0, "Sleep stage R")],
)
def test_contradictions_are_refused(cut, other):
    with pytest.raises(ValueError, match=r"subject a, recording 1: epochs contradict.* 30 s") as e:
        cut(4, [(0, 30, "W"), (30, 30, "Sleep stage 1"), (60, 60, "Sleep stage 3"), other])
    assert other[2] in str(e.value)
    assert f"from {other[0]:g} s" in str(e.value)


def test_bad_spans_leave_windows_out_and_the_grid_in_place(cut):
    rows = [(0, 240, "N2"), (65, 1, "BAD_a"), (89, 2, "bad_b"), (210, 0, "BAD")]
    found, dropped = cut(8, rows)
    assert found == [(0, "N2"), (30, "N2"), (120, "N2"), (150, "N2"), (180, "N2")]
    assert dropped == {"BAD_a": 1, "bad_b": 1, "BAD": 1}


def test_span_that_ends_where_a_window_begins(cut):
    found, _ = cut(4, [(0, 120, "N2"), (30, 30, "BAD")])
    assert found == [(0, "N2"), (60, "N2"), (90, "N2")]


def test_nothing_but_bad_windows(cut):
    with pytest.raises(ValueError, match=r"No window.*'BAD_all': 4"):
        cut(4, [(0, 120, "N2"), (0, 120, "BAD_all")])


def test_bad_before_sleep_moves_with_the_crop(cut):
    rows = [(0, 300, "W"), (300, 60, "N2"), (230, 5, "BAD")]
    found, dropped = cut(12, rows, crop_wake=2.0)
    assert found == [(180, "W"), (240, "W"), (270, "W"), (300, "N2"), (330, "N2")]
    assert dropped == {"cropped wake": 6, "BAD": 1}


def test_no_window_spans_two_recordings(make_raw, description):
    """MNE marks the joint of recordings that were put together."""
    first, second = make_raw(["2"] * 3), make_raw(["2"] * 3)
    first.crop(0, 75, include_tmax=False)
    first._data[:] = first.times
    second._data[:] = 1000 + second.times
    raw = mne.concatenate_raws([first, second], verbose="error")
    nights = SleepDataset([raw], description, **PLAIN)
    X, _, _ = nights.to_arrays()
    assert np.round(X[:, 0, 0], 2).tolist() == [0, 30, 1000, 1030, 1060]
    np.testing.assert_allclose(X[:, 0, -1] - X[:, 0, 0], 29.99, atol=1e-3)
    assert nights.n_dropped == {"shorter than a window": 1}


def test_channels_in_another_order(make_raw):
    raws = [make_raw(["W", "1"]), make_raw(["W", "1"], channels=("Pz-Oz", "Fpz-Cz"))]
    rows = [{"subject": name, "recording": 1} for name in "ab"]
    nights = SleepDataset(raws, rows, **PLAIN)
    X, _, _ = nights.to_arrays()
    assert nights.ch_names == ["Fpz-Cz", "Pz-Oz"]
    np.testing.assert_array_equal(X[2], raws[1].get_data()[::-1, :3000].astype(np.float32))
    assert raws[1].ch_names == ["Pz-Oz", "Fpz-Cz"]


def test_recording_of_nobody(make_raw):
    rows = [{"subject": "a", "recording": 1}, {"subject": None, "recording": 1}]
    with pytest.raises(ValueError, match=r"no subject for the recordings \[1\]"):
        SleepDataset([make_raw(["W", "1"])] * 2, rows)


def test_trigger_channel_is_no_signal(make_raw, description):
    raw = make_raw(["W", "1"], channels=("Fpz-Cz", "Pz-Oz", "STI 014"))
    raw.set_channel_types({"STI 014": "stim"}, on_unit_change="ignore")
    with pytest.warns(UserWarning, match="Trigger channels were left out: STI 014"):
        nights = SleepDataset([raw], description, **PLAIN)
    assert nights.ch_names == ["Fpz-Cz", "Pz-Oz"]
    np.testing.assert_array_equal(
        nights.to_arrays()[0][0], raw.get_data()[:2, :3000].astype(np.float32)
    )
    assert raw.ch_names[-1] == "STI 014"
