"""The benchmark on data of any task: from what users have to the report."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score
from trials import SFREQ, cut, trials, write_folder
from typer.testing import CliRunner

from eeginv.benchmark import Settings, default_settings, run_benchmark
from eeginv.benchmark.intervals import left_out_mean
from eeginv.benchmark.methods import METHODS
from eeginv.benchmark.plan import Plan, choose_windows, count_splits
from eeginv.benchmark.scores import score_predictions
from eeginv.benchmark.statistics import paired_differences, summary
from eeginv.benchmark.units import execute_run
from eeginv.cli import app
from eeginv.datasets import LabelledWindows, load_windows
from eeginv.transforms import default_transforms

FILES = [f"S{subject}R{run}" for subject in (1, 2, 3) for run in (1, 2)]
SMALL = {"epochs": 2, "n_copies": 2}
QUICK = {"methods": ["none"], "progress": False, "n_jobs": 1}
COMMAND = ["--events", "T1=left,T2=right", "--tmax", "2", "--l-freq", "4", "--h-freq", "30",
           "--resample", "64", "--epochs", "2", "--n-copies", "2", "--n-jobs", "1"]  # fmt: skip


def command(data, output, *arguments):
    line = ["benchmark", "--data", str(data), "--output", str(output), *COMMAND, *arguments]
    return CliRunner().invoke(app, line)


def records(folder):
    return [json.loads(path.read_text()) for path in sorted((folder / "runs").glob("*.json"))]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("recordings"), FILES)


@pytest.fixture(scope="module")
def finished(recordings, tmp_path_factory):
    """What one command makes of a folder of recordings."""
    folder = tmp_path_factory.mktemp("finished")
    result = command(recordings, folder, "--methods", "none,augnet,randaugment", "--splits", "1",
                     "--kind", "motor_imagery")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "3 subjects, 36 windows of 2 s (left 18, right 18); 3 channels at 64 Hz" in result.output
    return folder


def test_one_command_leads_from_recordings_to_a_report(finished):
    table = pd.read_csv(finished / "results.csv")
    assert sorted(set(table.method)) == ["augnet", "none", "none_learned", "randaugment"]
    for name in ("balanced_accuracy", "kappa", "macro_f1", "auc", "f1_left", "f1_right"):
        assert table[name].between(-1, 1).all(), name
    report = (finished / "report.html").read_text()
    for words in ("AUC (%)", "Cohen", "F1 score of each class", "motor_imagery", "T1"):
        assert words in report
    plan = json.loads((finished / "plan.json").read_text())
    assert (plan["backbone"], plan["kind"], plan["n_train"]) == ("EEGNet", "motor_imagery", [2])
    assert plan["data_options"]["l_freq"] == 4.0


def test_candidates_suit_the_task(finished, recordings, tmp_path):
    for path in (finished / "policies").glob("*.json"):
        assert "ChannelsShuffle" not in path.read_text(), path
    result = command(recordings, tmp_path, "--methods", "augnet", "--splits", "1")
    assert result.exit_code == 0, result.output
    (path,) = (tmp_path / "policies").glob("*.json")
    assert "ChannelsShuffle" in path.read_text()


def test_it_goes_on_where_it_was(finished, recordings):
    stamps = {p: p.stat().st_mtime_ns for p in (finished / "runs").iterdir()}
    (path,) = (finished / "runs").glob("augnet-*")
    before = json.loads(path.read_text())
    path.unlink()
    same = ["--methods", "none,augnet,randaugment", "--splits", "1", "--kind", "motor_imagery"]
    assert command(recordings, finished, *same).exit_code == 0
    again = json.loads(path.read_text())
    assert again["policy"] == before["policy"]
    assert again["scores"]["plain"]["confusion"] == before["scores"]["plain"]["confusion"]
    others = [p for p in stamps if p != path]
    assert [p.stat().st_mtime_ns for p in others] == [stamps[p] for p in others]
    assert "other settings" in command(recordings, finished, *same, "--l-freq", "5").output


def test_recordings_that_changed_are_not_mixed(tmp_path):
    data = write_folder(tmp_path / "data", FILES)
    settings = default_settings(str(data), data_options={"events": ["T1", "T2"]})
    before = settings.fingerprint()
    (data / "notes.txt").write_text("not read")
    assert settings.fingerprint() == before
    trials(seed=77).save(data / "S1R1_raw.fif", overwrite=True, verbose="error")
    assert settings.fingerprint() != before


def test_objects_in_memory(tmp_path):
    epochs = {f"S{i}": cut(trials(seed=i)) for i in range(3)}
    report = run_benchmark(tmp_path, data=epochs, n_splits=1, **SMALL, **QUICK)
    (record,) = records(tmp_path)
    assert (record["data"], record["classes"]) == ("mne.Epochs", ["left", "right"])
    assert sorted(record["train_subjects"] + record["test_subjects"]) == ["S0", "S1", "S2"]
    stamp = (tmp_path / "runs" / "none-train2-split0-seed0.json").stat().st_mtime_ns
    assert run_benchmark(tmp_path, data=epochs, n_splits=1, **SMALL, **QUICK) == report
    assert (tmp_path / "runs" / "none-train2-split0-seed0.json").stat().st_mtime_ns == stamp
    with pytest.raises(ValueError, match="other settings"):
        run_benchmark(tmp_path, data={**epochs, "S2": epochs["S1"]}, n_splits=1, **SMALL, **QUICK)
    windows = load_windows(epochs)
    arrays, known = windows.to_arrays(), {"sfreq": SFREQ, "ch_names": windows.ch_names}
    options = {"data_options": {**known, "standardize": False}}
    run_benchmark(tmp_path / "2", data=arrays, n_splits=1, **options, **SMALL, **QUICK)
    (other,) = records(tmp_path / "2")
    assert other["scores"]["plain"]["nll"] == record["scores"]["plain"]["nll"]
    with pytest.raises(TypeError, match="Set epochs in the settings"):
        run_benchmark(tmp_path, data=windows, settings=Settings(), epochs=3)


@pytest.mark.parametrize("n_channels", [1, 2])
def test_candidates_are_those_of_the_kind_of_task(n_channels, monkeypatch):
    """Whatever the length of the windows; without those that need more channels."""
    found = {}

    def fit(options, X, y, groups):
        found[kind] = options
        raise RuntimeError("enough")

    method = METHODS["none"]
    monkeypatch.setitem(METHODS, "none", type(method)(**{**vars(method), "fit": fit}))
    (run,) = Plan(["none"], (1,), 1, [0]).trained
    X, y, groups = (
        np.zeros((8, n_channels, 512), np.float32),
        np.tile(["a", "b"], 4),
        np.arange(8) // 4,
    )
    for kind in ("sleep", "generic"):
        context = {"sfreq": 64.0, "ch_names": None, "kind": kind, "sessions": None, "truth": None}
        settings = Settings(n_train=(1,), backbone="EEGNet")
        assert execute_run(run, settings, X, y, groups, context).record["error"] == (
            "RuntimeError: enough"
        )
    for kind, options in found.items():
        expected = default_transforms(64.0, kind=kind, seconds=8)
        if n_channels == 1:
            expected = [t for t in expected if t.family != "spatial"]
        assert list(map(repr, options["transforms"])) == list(map(repr, expected))


# splits -------------------------------------------------------------------------------------------


def sides(split_by, subjects, sessions=None):
    settings = Settings(n_train=None, split_by=split_by)
    n_splits = count_splits(split_by, None, subjects, sessions)
    for run in Plan(["none"], (1,), n_splits, [0]).trained:
        yield choose_windows(run, settings, subjects, sessions)


def test_each_subject_is_left_out_once():
    subjects = np.array(["c", "a", "b", "a", "c"])
    tested = []
    for train, test in sides("subject", subjects):
        (subject,) = set(subjects[test])
        tested.append(subject)
        assert set(subjects[train]) == set(subjects) - {subject}
    assert tested == ["a", "b", "c"]


def test_each_session_is_left_out_once():
    subjects = np.array(["a", "a", "a", "b", "b", "c", "c"])
    sessions = np.array(["1", "2", "3", "x", "y", "only", "only"])
    tested = []
    for train, test in sides("session", subjects, sessions):
        assert not (train & test).any()
        assert (train | test).all()
        assert set(subjects[test]) <= set(subjects[train])  # the subject is known, the day is not
        tested += np.flatnonzero(test).tolist()
    assert sorted(tested) == [0, 1, 2, 3, 4]  # never the subject of one session


def test_splits_that_cannot_be_made_are_named():
    one, two = np.zeros(4), np.array([0, 0, 1, 1])
    with pytest.raises(ValueError, match="needs two subjects"):
        count_splits("subject", None, one)
    for sessions in (None, np.zeros(4)):
        with pytest.raises(ValueError, match="the data have none"):
            count_splits("session", None, two, sessions)
    with pytest.raises(ValueError, match="only 2 subjects to leave out"):
        count_splits("subject", 3, two)
    with pytest.raises(ValueError, match="split_by must be one of random, subject, session"):
        Settings(split_by="run")
    windows = LabelledWindows(np.zeros((4, 1, 8)), list("abab"), two, 8.0)
    with pytest.raises(ValueError, match="--n-train"):
        Settings(n_train=(2,), split_by="subject").settle(windows)
    assert Settings(n_train=None, split_by="subject").settle(windows).n_train == (1,)


@pytest.mark.parametrize(("split_by", "n_train", "n_runs"), [("subject", 2, 3), ("session", 3, 2)])
def test_left_out_from_the_command_line(split_by, n_train, n_runs, recordings, tmp_path):
    pattern = r"(?P<subject>S\d)R(?P<session>\d)"
    result = command(recordings, tmp_path, "--methods", "none,trivial", "--split-by", split_by,
                     "--pattern", pattern)  # fmt: skip
    assert result.exit_code == 0, result.output
    runs = records(tmp_path)
    assert len(runs) == 2 * n_runs
    assert {run["n_train_subjects"] for run in runs} == {n_train}
    assert (tmp_path / "report.html").read_text().count(
        "confidence interval over test subjects in"
    ) == 1
    table = paired_differences(runs)
    subjects = pd.DataFrame(
        [
            (run["method"], subject, scores["balanced_accuracy"])
            for run in runs
            for subject, scores in run["scores"]["plain"]["by_subject"].items()
        ],
        columns=["method", "subject", "score"],
    ).pivot_table(index="subject", columns="method", values="score")
    difference = subjects["trivial"] - subjects["none"]
    row = table[(table.method == "trivial") & (table.averaging == "plain")].iloc[0]
    assert row["difference"] == pytest.approx(difference.mean())
    if difference.std() > 0:
        error = difference.std() * np.sqrt(1 / 3 + (1 / 2 if split_by == "subject" else 0))
        assert row["high"] - row["low"] == pytest.approx(2 * stats.t.isf(0.025, 2) * error)


def test_left_out_mean_is_that_of_a_t_test():
    values, subjects = np.random.default_rng(0).normal(0.3, 1, 14), np.tile(np.arange(7), 2)
    means = values.reshape(2, 7).mean(axis=0)
    found = left_out_mean(values, subjects, shares_training=False)
    expected = stats.ttest_1samp(means, 0)
    interval = expected.confidence_interval()
    assert found == pytest.approx((means.mean(), *interval, expected.pvalue))
    wider = left_out_mean(values, subjects, shares_training=True)
    assert wider.high - wider.low == pytest.approx(
        (found.high - found.low) * np.sqrt((1 / 7 + 1 / 6) / (1 / 7))
    )
    assert np.isnan(left_out_mean([1.0], ["a"], shares_training=True).low)


# scores -------------------------------------------------------------------------------------------


def test_area_under_the_curve():
    rng = np.random.default_rng(0)
    labels, subjects = rng.choice(["left", "right"], 60), np.repeat([0, 1, 2], 20)
    labels[subjects == 2] = "left"
    p = rng.random(60)
    scores = score_predictions(labels, np.stack([1 - p, p], 1), subjects, ["left", "right"])
    each = [roc_auc_score(labels[subjects == s] == "right", p[subjects == s]) for s in (0, 1)]
    assert scores["auc"] == pytest.approx(np.mean(each))
    assert "auc" not in scores["by_subject"]["2"]  # who has one class
    three = np.stack([1 - p, p / 2, p / 2], 1)
    three = score_predictions(labels, three, subjects, ["left", "other", "right"])
    assert "auc" not in three


def test_area_under_the_curve_has_an_interval(finished):
    table = summary(records(finished))
    assert table["auc"].notna().all()
    assert {"auc_low", "auc_high"} <= set(table.columns)


# bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--events", "T1=left,T7=right"], "S1R1_raw.fif lacks the events 'T7'"),
        (["--events", "T1=left,T1=rest"], "--events names 'T1' twice, in 'T1=left,T1=rest'"),
        (["--channels", "C3=C3-A*,C3 =C3-M*"], "--channels names 'C3' twice"),
        (["--tmax", "9"], "lower tmax (--tmax)"),
        (["--tmin", "2"], "must lie after tmin"),
        (["--channels", "C3,Oz"], "has no channel 'Oz'"),
        (["--l-freq", "80"], "l_freq=80 Hz must lie below h_freq"),
        (["--resample", "40"], "half of resample=40"),
        (["--reference", "M1,M2"], "has no channel 'M1'"),
        (["--kind", "sport"], "kind must be one of"),
        (["--task", "rest"], "BIDS"),
        (["--stages", "W,N3"], "the option stages is not for"),
        (["--pattern", "S"], "group named subject"),
        (["--split-by", "session"], "two sessions"),
        (["--split-by", "half"], "split_by must be"),
        (["--n-train", "3"], "have 3 subjects"),
        (["--backbone", "EEGNett"], "EEGNet"),
        (["--data", "moabb:Nobody2020"], "a dataset of MOABB, which the option events is not for"),
    ],
)
def test_bad_input_is_refused_in_a_line_and_nothing_is_written(
    arguments, message, recordings, tmp_path
):
    result = command(recordings, tmp_path / "out", *arguments)
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_sleep_does_not_take_the_options_of_trials(tmp_path):
    result = CliRunner().invoke(app, ["benchmark", "--tmax", "4", "--output", str(tmp_path / "o")])
    assert "simulated nights, which the option tmax is not for" in result.output
    assert result.exit_code == 2


# real recordings ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_from_the_original_recordings_to_a_report(shared_data, tmp_path):
    line = ["benchmark", "--data", str(shared_data / "eegbci"), "--events", "T1=left,T2=right",
            "--tmax", "4", "--h-freq", "30", "--resample", "64", "--channels", "C3,Cz,C4",
            "--kind", "motor_imagery", "--smoke", "--methods", "none", "--n-jobs", "1",
            "--output", str(tmp_path)]  # fmt: skip
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0, result.output
    (record,) = records(tmp_path)
    assert set(record["train_subjects"] + record["test_subjects"]) < {
        f"S{i:03d}" for i in range(1, 13)
    }
    assert (tmp_path / "report.html").is_file()
