"""From recordings to a model to what it says of other recordings, from the command line."""

import json
import shutil

import edfio
import mne
import numpy as np
import pandas as pd
import pytest
from trials import trials, write_folder
from typer.testing import CliRunner

from eeginv import InvariantClassifier, InvariantRegressor, Policy
from eeginv.cli import app
from eeginv.datasets import (
    Recipe,
    load_sleep_folder,
    load_unlabelled,
    load_windows,
    simulate_recordings,
    write_sleep_physionet,
)
from eeginv.use import fit_model, load_policy, predict_recording, predict_recordings
from eeginv.use.predict import distinct_names
from eeginv.viz import plot_hypnogram

QUICK = ("--epochs", "2")


def eeginv(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(*arguments):
    """What is said where a command ends with the code of a user's error."""
    result = eeginv(*arguments)
    assert result.exit_code == 2, result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """Three nights as files, two of them in a folder to train on."""
    folder = tmp_path_factory.mktemp("nights")
    population = simulate_recordings(3, hours=1, sfreq=64, random_state=1)
    pairs = write_sleep_physionet(population, folder)
    (folder / "train").mkdir()
    for path in (path for pair in pairs[:2] for path in pair):
        path.rename(folder / "train" / path.name)
    return folder


@pytest.fixture(scope="module")
def psg(nights):
    return nights / "SC4021E0-PSG.edf"


@pytest.fixture(scope="module")
def model(nights, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "sleep"
    path.mkdir()  # an empty folder may be there
    result = eeginv("fit", nights / "train", "--output", path, "--h-freq", 25, *QUICK)
    assert result.exit_code == 0, result.output
    assert "2 subjects, 23" in result.output  # of 240 epochs, some are not scored
    assert "windows of 30 s (N1 " in result.output
    return path


@pytest.fixture(scope="module")
def scored(model, psg, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scored")
    result = eeginv("predict", model, psg, "--output", folder)
    assert result.exit_code == 0, result.output
    assert "120 windows of 30 s" in result.output
    return folder


@pytest.fixture(scope="module")
def imagery(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("imagery"), [f"S{i}R1" for i in (1, 2, 3)])


@pytest.fixture(scope="module")
def of_events(imagery):
    options = {"events": {"T1": "left", "T2": "right"}, "tmin": 0.5, "tmax": 2, "resample": 64}
    return fit_model(imagery, data_options=options, augmentation=None, epochs=2)


# sleep --------------------------------------------------------------------------------------------


def test_a_table_says_what_the_classifier_says_of_windows_made_in_python(model, nights, scored):
    (nights / "third").mkdir()
    for path in nights.glob("*.edf"):
        shutil.copy(path, nights / "third")
    # through the reader of labelled nights
    third = load_sleep_folder(nights / "third", crop_wake=None, h_freq=25)
    X, _, _ = third.to_arrays()
    rows = third.windows.get_metadata()["i_start_in_trial"].to_numpy() // (30 * 64)
    assert len(rows) > 110  # those that are scored
    clf = InvariantClassifier.load(model)
    table = pd.read_csv(scored / "SC4021E0.csv")
    assert list(table.columns) == ["onset", "duration", "label", *(f"p_{c}" for c in clf.classes_)]
    found = table.filter(like="p_").to_numpy()[rows]
    np.testing.assert_allclose(found, clf.predict_proba(X), rtol=1e-14)  # read by pandas 2.2
    assert table["label"][rows].tolist() == clf.predict(X).tolist()
    assert table["onset"].tolist() == [30.0 * i for i in range(120)]
    assert set(table["duration"]) == {30.0}


def test_mne_and_our_own_loader_read_the_hypnogram_back(scored, psg, tmp_path):
    labels = pd.read_csv(scored / "SC4021E0.csv")["label"]
    annotations = mne.read_annotations(scored / "SC4021E0-Hypnogram.edf")
    begins = [edfio.read_edf(path) for path in (psg, scored / "SC4021E0-Hypnogram.edf")]
    assert begins[0].startdate == begins[1].startdate
    assert begins[0].starttime == begins[1].starttime
    assert annotations.description.tolist() == [f"Sleep stage {label}" for label in labels]
    np.testing.assert_array_equal(annotations.onset, 30.0 * np.arange(120))
    shutil.copy(psg, tmp_path / "SC4021E0-PSG.edf")
    shutil.copy(scored / "SC4021E0-Hypnogram.edf", tmp_path / "SC4021EC-Hypnogram.edf")
    _, y, _ = load_sleep_folder(tmp_path, crop_wake=None).to_arrays()
    assert y.tolist() == labels.tolist()


def test_a_picture_lies_beside_it(scored):
    assert (scored / "SC4021E0-hypnogram.png").read_bytes().startswith(b"\x89PNG")
    names = ["SC4021E0-Hypnogram.edf", "SC4021E0-hypnogram.png", "SC4021E0.csv"]
    assert sorted(path.name for path in scored.iterdir()) == names


def test_another_rate_is_resampled_and_said(model, psg, scored, tmp_path):
    raw = mne.io.read_raw_edf(psg, preload=True, infer_types=True, verbose="error")
    raw.resample(100, verbose="error").save(tmp_path / "night_raw.fif", verbose="error")
    result = eeginv("predict", model, tmp_path / "night_raw.fif", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "resampled from 100 Hz to the 64 Hz of the model" in result.output
    table = pd.read_csv(tmp_path / "out" / "night_raw.csv")
    agreement = table["label"] == pd.read_csv(scored / "SC4021E0.csv")["label"]
    assert len(table) == 120
    assert agreement.mean() > 0.9


def test_what_fills_no_window_is_left_out_and_pauses_are_not_bridged(model):
    clf = InvariantClassifier.load(model)
    raws = simulate_recordings(1, hours=0.25, sfreq=64, random_state=0).recordings
    first, second = raws[0].copy().crop(0, 100), raws[0].copy().crop(200, 275)
    windows = load_unlabelled(mne.concatenate_raws([first, second], verbose="error"), clf)
    begin = 100 + 1 / 64  # crop takes the last sample too
    np.testing.assert_allclose(windows.onsets, [0, 30, 60, begin, begin + 30])
    assert any("fill no window of 30 s" in remark for remark in windows.remarks)
    with pytest.raises(ValueError, match=r"lasts 10\.\d+ s without a pause, less than a window"):
        load_unlabelled(raws[0].copy().crop(0, 10), clf)


def test_channels_are_found_in_any_order_and_missing_ones_named(model, tmp_path):
    clf = InvariantClassifier.load(model)
    raw = simulate_recordings(1, hours=0.25, sfreq=64, random_state=0).recordings[0]
    mixed = raw.copy().reorder_channels(["Pz-Oz", "Fpz-Cz"])
    mixed.rename_channels({"Pz-Oz": "EEG Pz-Oz", "Fpz-Cz": "EEG Fpz-Cz"})
    np.testing.assert_array_equal(load_unlabelled(mixed, clf).X, load_unlabelled(raw, clf).X)
    renamed = raw.copy().rename_channels({"Pz-Oz": "C4-A1"})
    renamed.save(tmp_path / "night_raw.fif", verbose="error")
    said = refused("predict", model, tmp_path / "night_raw.fif", "--output", tmp_path / "out")
    assert "night_raw.fif lacks the channels Pz-Oz: the model was trained on Fpz-Cz, Pz-Oz" in said
    mne.export.export_raw(tmp_path / "night.edf", renamed, verbose="error")
    said = refused("predict", model, tmp_path / "night.edf", "--output", tmp_path / "out")
    assert "night.edf lacks the channels Pz-Oz" in said


def test_same_names_do_not_overwrite_each_other(model, psg, tmp_path):
    paths = [tmp_path / who / "night.edf" for who in ("anna", "ben")]
    for path in paths:
        path.parent.mkdir()
        shutil.copy(psg, path)
    out = tmp_path / "out"
    assert eeginv("predict", model, *paths, "--output", out).exit_code == 0
    tables = sorted(path.name for path in out.glob("*.csv"))
    assert tables == ["anna-night.csv", "ben-night.csv"]
    assert "anna-night.csv exists already" in refused("predict", model, *paths, "--output", out)
    assert "is given twice" in refused("predict", model, paths[0], paths[0], "--output", out)


def test_names_that_tell_recordings_apart(tmp_path):
    def names(*paths):
        return distinct_names([tmp_path / path for path in paths])

    assert names("a/x/n-PSG.edf", "b/x/n-PSG.edf", "c/m.fif") == ["a-x-n", "b-x-n", "m"]
    assert names("n.edf", "n.bdf", "N-psg.edf") == ["n.edf", "n.bdf", "N-psg.edf"]


# events -------------------------------------------------------------------------------------------


def test_windows_at_events_are_those_of_the_training(of_events, imagery):
    recipe = Recipe.of_model(of_events)
    options = {"events": ["T1", "T2"], "tmin": 0.5, "tmax": 2, "resample": 64}
    known = load_windows(imagery, **options)
    found = load_unlabelled(imagery / "S2R1_raw.fif", of_events, events=["T1", "T2"])
    np.testing.assert_array_equal(found.X, known.X[known.subjects == "S2"])
    np.testing.assert_allclose(found.onsets, 3.0 * np.arange(6) + 1)
    assert (recipe.tmin, recipe.seconds, found.remarks) == (
        0.5,
        1.5,
        ["resampled from 100 Hz to the 64 Hz of the model"],
    )
    everywhere = load_unlabelled(imagery / "S2R1_raw.fif", of_events)
    assert everywhere.onsets.tolist() == [1.5 * i for i in range(12)]
    assert "though the model was trained on 0.5 to 2 s from T1, T2" in everywhere.remarks[0]


def test_a_recording_may_lack_events_of_the_training(of_events, imagery, tmp_path):
    raw = mne.io.read_raw(imagery / "S1R1_raw.fif")
    of_one = raw.copy().set_annotations(
        raw.annotations[[name == "T1" for name in raw.annotations.description]]
    )
    expected = load_unlabelled(of_one, of_events, events=["T1"])
    found = load_unlabelled(of_one, of_events, events=["T1", "T2"])
    np.testing.assert_array_equal(found.X, expected.X)
    remark = "without the events 'T2': the recording has T1 (3)"
    assert found.remarks == [remark, *expected.remarks]
    with pytest.raises(ValueError, match="has no events 'T2'; it has T1"):
        load_unlabelled(of_one, of_events, events=["T2"])


def test_predictions_at_events_from_the_command_line(of_events, imagery, tmp_path):
    of_events.save(tmp_path / "model")
    arguments = (tmp_path / "model", imagery / "S1R1_raw.fif", "--output", tmp_path / "out")
    said = refused("predict", *arguments, "--events", "T1,T7")
    assert "S1R1_raw.fif lacks the events 'T7'; it has T1 (3), T2 (3)" in said
    said = refused("predict", *arguments, "--events", "T7,T8")
    assert "S1R1_raw.fif has no events 'T7', 'T8'" in said
    assert eeginv("predict", *arguments, "--events", "T1,T2").exit_code == 0
    table = pd.read_csv(tmp_path / "out" / "S1R1_raw.csv")
    expected, _ = predict_recording(of_events, imagery / "S1R1_raw.fif", events=["T1", "T2"])
    pd.testing.assert_frame_equal(table, expected, check_dtype=False)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["S1R1_raw.csv"]


def test_not_standardised_signals_have_the_unit_of_the_training(imagery):
    options = {"events": ["T1", "T2"], "tmax": 2, "standardize": False, "reference": "average"}
    known = load_windows(imagery, channels={"left": "C3", "right": "C4"}, **options)
    found = load_unlabelled(imagery / "S3R1_raw.fif", known.recipe, events=["T1", "T2"])
    np.testing.assert_array_equal(found.X, known.X[known.subjects == "S3"])
    assert found.ch_names == ["left", "right"]
    assert known.recipe.unit == "µV"


def test_a_model_of_arrays_says_that_it_does_not_know_what_was_done_before():
    X, y = np.random.default_rng(0).normal(size=(8, 3, 200)), ["left", "right"] * 4
    data = (X, y, np.repeat([1, 2], 4))
    windows = load_windows(data, sfreq=100, ch_names=["C3", "Cz", "C4"])
    assert "is not known" in load_unlabelled(trials(), windows.recipe).remarks[0]
    nameless = load_windows(data, sfreq=100).recipe
    with pytest.raises(ValueError, match="does not know the names of its channels"):
        load_unlabelled(trials(), nameless)


# models -------------------------------------------------------------------------------------------


def test_the_preprocessing_is_saved_and_guarded(model, tmp_path):
    saved = json.loads((model / "preprocessing.json").read_text())
    assert (saved["sfreq"], saved["h_freq"], saved["unit"]) == (64.0, 25.0, "standardised")
    clf = InvariantClassifier.load(model)
    assert Recipe.of_model(clf).to_dict() == saved
    clf.save(tmp_path / "again")
    assert json.loads((tmp_path / "again" / "preprocessing.json").read_text()) == saved
    (tmp_path / "again" / "preprocessing.json").write_text(json.dumps({**saved, "h_freq": 30}))
    said = refused("predict", tmp_path / "again", "x.edf", "--output", tmp_path / "out")
    assert "was cut, or is not what was saved" in said
    (tmp_path / "again" / "preprocessing.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no preprocessing\.json: copy the whole folder"):
        InvariantClassifier.load(tmp_path / "again")


def test_models_without_it_load_and_predict_windows_only(model, psg, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(model, old)
    (old / "preprocessing.json").unlink()
    described = json.loads((old / "estimator.json").read_text())
    del described["preprocessing"]
    (old / "estimator.json").write_text(json.dumps(described))
    clf, X = InvariantClassifier.load(old), load_unlabelled(psg, InvariantClassifier.load(model)).X
    expected = InvariantClassifier.load(model).predict_proba(X)
    np.testing.assert_array_equal(clf.predict_proba(X), expected)
    said = refused("predict", old, psg, "--output", tmp_path / "out")
    assert "does not know how its windows were made" in said
    clf.preprocessing_ = {"format": 7}
    with pytest.raises(ValueError, match="has format 7"):
        load_unlabelled(psg, clf)


def test_fitting_again_forgets_the_preprocessing_of_other_signals(of_events):
    X, y = np.random.default_rng(0).normal(size=(8, 2, 256)), ["left", "right"] * 4
    clf = InvariantClassifier("EEGNet", None, sfreq=128, max_epochs=1)
    clf.preprocessing_ = of_events.preprocessing_
    assert clf.fit(X, y).preprocessing_ is None


def test_fit_refuses_what_it_would_overwrite_and_leaves_nothing_half_written(nights, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    said = refused("fit", nights / "train", "--output", tmp_path, *QUICK)
    assert "exists and is not an empty folder" in said
    new = tmp_path / "new"
    said = refused("fit", nights / "train", "--output", new, "--backbone", "NoSuchNet", *QUICK)
    assert "NoSuchNet" in said
    assert "does not exist" in refused("fit", nights / "no", "--output", new)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_seed_decides_and_the_options_arrive(nights, model, tmp_path):
    eeginv("fit", nights / "train", "--output", tmp_path / "same", "--h-freq", 25, *QUICK)
    same, first = (InvariantClassifier.load(path) for path in (tmp_path / "same", model))
    assert same.history_[-1]["train_loss"] == first.history_[-1]["train_loss"]
    options = ("--augmentation", "none", "--lr-schedule", "cosine", "--lr", 0.002, "--seed", 3)
    options += ("--stages", "W,N2", "--batch-size", 16)
    eeginv("fit", nights / "train", "--output", tmp_path / "other", *options, *QUICK)
    clf = InvariantClassifier.load(tmp_path / "other")
    assert clf.classes_.tolist() == ["N2", "W"]
    assert (clf.augmentation, clf.lr, clf.lr_schedule) == (None, 0.002, "cosine")
    assert (clf.random_state, clf.batch_size, clf.class_weight) == (3, 16, "balanced")


def test_a_recording_that_does_not_fit_does_not_stop_the_others(of_events, imagery, tmp_path):
    good, bad = tmp_path / "good_raw.fif", tmp_path / "bad_raw.fif"
    raw = trials(seed=1)
    raw.save(good, verbose="error")
    raw.drop_channels(raw.ch_names[:1]).save(bad, verbose="error")
    with pytest.raises(ValueError, match=r"bad_raw\.fif(.|\n)*\n1 other recordings were predicted"):
        predict_recordings(of_events, [bad, good], tmp_path / "out", events=["T1", "T2"])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good_raw.csv"]


# prepared once ------------------------------------------------------------------------------------


def test_a_model_of_a_store_is_that_of_its_recordings(nights, model, psg, scored, tmp_path):
    store, output = tmp_path / "store", tmp_path / "model"
    result = eeginv("prepare", nights / "train", "--output", store, "--h-freq", 25, "--n-jobs", 1)
    assert result.exit_code == 0, result.output
    assert "SC4001E0-PSG.edf: 1" in result.output
    assert f"{store}: 2 subjects, 23" in result.output.replace("\n", "")
    assert (
        "2 of 2 recordings are prepared already."
        in eeginv("prepare", nights / "train", "--output", store, "--h-freq", 25).output
    )
    assert "begun with other option h_freq" in refused(
        "prepare", nights / "train", "--output", store
    )
    result = eeginv("fit", store, "--output", output, *QUICK)
    assert result.exit_code == 0, result.output
    for name in ("weights.safetensors", "preprocessing.json"):
        assert (output / name).read_bytes() == (model / name).read_bytes()
    assert eeginv("predict", output, psg, "--output", tmp_path / "scored").exit_code == 0
    table, expected = (next(path.glob("*.csv")) for path in (tmp_path / "scored", scored))
    assert table.read_bytes() == expected.read_bytes()


def test_options_of_recordings_are_not_for_a_store(nights, tmp_path):
    eeginv("prepare", nights / "train", "--output", tmp_path / "store")
    said = refused("fit", tmp_path / "store", "--output", tmp_path / "model", "--h-freq", 25)
    assert "The data are a store, which the option h_freq is not for; it takes stages." in said
    assert "has no stages ['N5']" in refused(
        "fit", tmp_path / "store", "--output", tmp_path / "model", "--stages", "W,N5"
    )
    assert not (tmp_path / "model").exists()


# policy and profile -------------------------------------------------------------------------------


def test_policy_prints_and_draws_what_was_learned(model, tmp_path):
    result = eeginv("policy", model, "--figure", tmp_path / "policy.png")
    assert result.exit_code == 0, result.output
    learned = InvariantClassifier.load(model).policy_
    for name in learned.by_transform().index:
        assert name in result.output
    assert (tmp_path / "policy.png").read_bytes().startswith(b"\x89PNG")
    learned.to_json(tmp_path / "policy.json")
    assert load_policy(tmp_path / "policy.json") == learned
    assert "does not hold a saved estimator" in refused("policy", tmp_path)


def test_policy_of_a_regressor_and_of_none(of_events, tmp_path):
    of_events.save(tmp_path / "plain")
    assert "without augmentation: it has no policy" in refused("policy", tmp_path / "plain")
    X = np.random.default_rng(0).normal(size=(8, 2, 256))
    learned = InvariantRegressor("EEGNet", sfreq=128, max_epochs=2, n_copies=0).fit(
        X, np.arange(8.0)
    )
    learned.save(tmp_path / "regressor")
    assert isinstance(load_policy(tmp_path / "regressor"), Policy)


def test_profile_writes_a_table_and_a_picture(model, psg, tmp_path):
    arguments = ("profile", model, psg, "--output", tmp_path / "profile", "--n-windows", 10)
    result = eeginv(*arguments)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "profile" / "profile.csv", index_col=0)
    assert table.loc["SignFlip", "agreement"] <= 1
    assert (tmp_path / "profile" / "profile.png").read_bytes().startswith(b"\x89PNG")
    assert "exists and is not an empty folder" in refused(*arguments)


# pictures -----------------------------------------------------------------------------------------


def test_uncertain_epochs_are_marked():
    table = pd.DataFrame(
        {"onset": [0, 30, 90], "duration": 30, "label": ["W", "N1", "N1"],
         "p_W": [0.9, 0.45, 0.1], "p_N1": [0.1, 0.55, 0.9]}
    )  # fmt: skip
    top = plot_hypnogram(table).axes[0]
    (marks,) = (line for line in top.lines if "uncertain" in line.get_label())
    np.testing.assert_allclose(marks.get_xdata(), [45 / 3600])
    assert "33 % of 3 epochs" in marks.get_label()
    with pytest.raises(ValueError, match="Labels must be of W, N1; got rest"):
        plot_hypnogram(table.assign(label="rest"))
    with pytest.raises(ValueError, match="Expected epochs with the columns"):
        plot_hypnogram(table[["onset"]])


@pytest.mark.parametrize("command", ["fit", "predict", "policy", "profile"])
def test_help_has_an_example(command):
    result = eeginv(command, "--help")
    assert result.exit_code == 0
    assert f"eeginv {command} " in result.output
