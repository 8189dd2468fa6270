"""Small recordings."""

# Its own warnings at the first import belong to no test that expects one.
import braindecode.preprocessing  # noqa: F401
import numpy as np
import pytest

from eeginv.datasets import simulate_recordings


@pytest.fixture(scope="session")
def population():
    """Two subjects with two short recordings each."""
    return simulate_recordings(2, hours=0.75, n_recordings=2, random_state=3)


@pytest.fixture
def make_raw():
    """Make a small recording from labels of epochs of 30 s."""
    import mne

    def make(labels, sfreq=100.0, channels=("Fpz-Cz", "Pz-Oz"), seed=0):
        n_times = round(len(labels) * 30 * sfreq)
        signal = 1e-5 * np.random.default_rng(seed).standard_normal((len(channels), n_times))
        info = mne.create_info(list(channels), sfreq, "eeg")
        raw = mne.io.RawArray(signal, info, verbose="error")
        onsets = 30.0 * np.arange(len(labels))
        names = [f"Sleep stage {label}" if len(label) == 1 else label for label in labels]
        raw.set_annotations(mne.Annotations(onsets, 30.0, names))
        return raw

    return make


@pytest.fixture
def description():
    """Describe a single recording."""
    return [{"subject": "a", "recording": 1}]
