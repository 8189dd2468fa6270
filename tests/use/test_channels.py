"""A model that is trained on data of any form knows their channels, and learns as they allow."""

import mne
import numpy as np
import pytest

from eeginv import InvariantClassifier
from eeginv.datasets import prepare_windows
from eeginv.use import fit_model

NAMES = ["C3", "Cz", "C4"]


def arrays(n_channels=3, seconds=2, n=24):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, n_channels, seconds * 128)).astype(np.float32)
    return X, np.array(["left", "right"] * (n // 2)), np.repeat([1, 2], n // 2)


def fit(data, output=None, names=NAMES, **options):
    known = {"sfreq": 128, "ch_names": names, **options}
    return fit_model(data, output, data_options=known, epochs=2)


def epochs(X, names):
    info = mne.create_info(list(names), 128, "eeg")
    return mne.EpochsArray(1e-6 * X, info, verbose="error")


def test_channels_are_matched_by_name(tmp_path):
    X, y, subjects = arrays()
    fit((X, y, subjects), tmp_path / "model")
    model = InvariantClassifier.load(tmp_path / "model")
    assert model.ch_names_ == NAMES
    expected = model.predict_proba(X)
    exchanged = epochs(X[:, [2, 0, 1]], ["C4", "C3", "Cz"])
    np.testing.assert_allclose(model.predict_proba(exchanged), expected, atol=1e-6)
    with pytest.raises(ValueError, match="X lacks the channels C3, Cz, C4"):
        model.predict(epochs(X, ["O1", "Oz", "O2"]))


def transforms(model):
    return [t for layer in model.module_.augmentation.layers for t in layer.transforms]


def candidates(model):
    return [type(t).__name__ for t in transforms(model)]


@pytest.mark.parametrize(
    ("names", "seconds", "possible", "impossible"),
    [
        (["C3-A2", "C4-A1"], 30, {"ChannelsDropout", "ChannelsSymmetry"}, set()),
        (["C3"], 30, {"SignFlip"}, {"ChannelsDropout", "ChannelsSymmetry"}),
        (["C3", "Cz"], 10, {"ChannelsDropout"}, {"GaussianNoise", "FTSurrogate"}),
    ],
)
def test_candidates_for_sleep_do_not_depend_on_the_form(
    names, seconds, possible, impossible, tmp_path
):
    data = arrays(len(names), seconds)
    given = fit(data, names=names, kind="sleep")
    assert possible <= {*candidates(given)}
    assert not impossible & {*candidates(given)}
    prepare_windows(data, tmp_path / "store", sfreq=128, ch_names=names, kind="sleep")
    stored = fit_model(tmp_path / "store", epochs=2)
    assert candidates(stored) == candidates(given)
    np.testing.assert_array_equal(stored.predict_proba(data[0]), given.predict_proba(data[0]))


def test_one_channel_without_a_name_has_no_candidates_across_channels():
    X, y, _ = arrays(1)
    model = InvariantClassifier(sfreq=128, max_epochs=2, random_state=0).fit(X, y)
    assert "spatial" not in {t.family for t in transforms(model)}
    assert len(candidates(model)) > 5


def test_one_channel_without_a_name_in_fit_model():
    data = arrays(1, seconds=30)
    model = fit_model(data, data_options={"sfreq": 128, "kind": "sleep"}, epochs=2)
    assert model.ch_names_ is None
    assert "spatial" not in {t.family for t in transforms(model)}
