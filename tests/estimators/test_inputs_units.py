"""In which unit the signals are that go into estimators and inspection."""

import numpy as np
import pytest
from braindecode.datasets import BaseConcatDataset
from recorded import LABELS, classifier, dataset, epochs, recording

from eeginv.estimators.inputs import read_signals
from eeginv.inspection import invariance_score, signal_features
from eeginv.transforms import SignFlip

CONVERTED = "look like V .* converted to µV"


def test_one_unit_for_all_inputs(data, fitted):
    X, y = data
    expected = fitted.predict_proba(epochs(X, y))
    np.testing.assert_allclose(fitted.predict_proba(X), expected, atol=1e-5)
    in_volts, in_microvolts = dataset(X, y), dataset(X, y, unit=1.0)
    with pytest.warns(UserWarning, match=CONVERTED):
        np.testing.assert_allclose(fitted.predict_proba(in_volts), expected, atol=1e-5)
    np.testing.assert_allclose(fitted.predict_proba(in_microvolts), expected, atol=1e-5)
    with pytest.warns(UserWarning, match=CONVERTED):
        assert fitted.score(in_volts, LABELS[y]) == fitted.score(epochs(X, y))
    with pytest.warns(UserWarning, match=CONVERTED):
        on_volts = classifier().fit(in_volts, LABELS[y])
    np.testing.assert_allclose(on_volts.predict_proba(epochs(X, y)), expected, atol=1e-4)
    assert on_volts.scale_ == pytest.approx(fitted.scale_)
    with pytest.warns(UserWarning, match=CONVERTED):
        found = invariance_score(fitted, in_volts, SignFlip(), random_state=0)
    other = invariance_score(fitted, epochs(X, y), SignFlip(), random_state=0)
    assert found.score == pytest.approx(other.score, abs=1e-5)


def test_arrays_that_look_like_volts_are_warned_about(data, fitted):
    X, y = data
    with pytest.warns(UserWarning, match=r"look like V .*e-06\).*Multiply them by 1e6"):
        classifier(max_epochs=1).fit(1e-6 * X, y)
    with pytest.warns(UserWarning, match="look like V"):
        signal_features(1e-6 * X)
    with pytest.warns(UserWarning, match="seem to be in another unit"):
        fitted.predict(1e-6 * X)
    with pytest.warns(UserWarning, match="seem to be in another unit"):
        fitted.predict(1e3 * X)
    fitted.predict(10 * X)
    fitted.predict(np.zeros_like(X))
    standardised = X / X.std(axis=(0, 2), keepdims=True)
    assert classifier(max_epochs=1).fit(standardised, y).scale_ == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("factor", [1.0, 1 / 20], ids=["microvolts", "standardised"])
def test_epochs_that_cannot_be_in_volts_go_in_as_they_are(data, factor):
    X, y = data
    with pytest.warns(UserWarning, match="cannot be in V.*taken as they are"):
        clf = classifier(max_epochs=1).fit(epochs(factor * X, y, unit=1.0))
    with pytest.warns(UserWarning, match="taken as they are"):
        found = clf.predict_proba(epochs(factor * X, y, unit=1.0))
    np.testing.assert_allclose(found, clf.predict_proba((factor * X).astype("f4")), atol=1e-5)


def test_the_scale_is_saved(data, fitted, tmp_path):
    from recorded import Powers

    fitted.save(tmp_path / "clf")
    loaded = type(fitted).load(tmp_path / "clf", backbone=Powers)
    assert loaded.scale_ == fitted.scale_
    with pytest.warns(UserWarning, match="seem to be in another unit"):
        loaded.predict(1e-6 * data[0])
    with pytest.raises(ValueError, match="lacks the channels C4"):
        loaded.predict(epochs(*data, ["C3", "O1"]))


def test_magnetometers_are_read_in_femtotesla(data):
    X, y = data
    for types, unit in (("mag", 1e-15), ("grad", 1e-13)):
        assert classifier(max_epochs=1).fit(epochs(X, y, types=types, unit=unit)).scale_ > 1
        windows = dataset(X, y, types=types, unit=unit)
        with pytest.warns(UserWarning, match="look like V"):
            assert classifier(max_epochs=1).fit(windows).scale_ > 1


def test_current_source_densities_are_read_in_one_unit(data):
    """They are some 10 mV/m²: as V, more than any signal of a head has."""
    X, y = data
    for scale in (4e-4, 4e-3):
        densities = epochs(X, y, types="csd", unit=scale)
        assert 1e-3 < densities.get_data().std() < 0.1  # V/m²
        found = read_signals(densities)
        np.testing.assert_allclose(found.X, 1e3 * densities.get_data(), rtol=1e-5)


def test_recordings_in_two_units_are_refused(data):
    X, y = data
    parts = [recording(X[:16], y[:16]), recording(X[16:], y[16:], unit=1.0)]
    with pytest.raises(ValueError, match="in two units. Recording 0 has .* looks like V"):
        classifier().fit(BaseConcatDataset(parts))
