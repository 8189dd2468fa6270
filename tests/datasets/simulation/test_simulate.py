"""What is said of the simulated nights is in their signals."""

import pickle

import numpy as np
import pytest
from scipy import signal
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from eeginv.datasets import simulate_recordings, simulate_sleep
from eeginv.datasets.simulation.stage_signals import STAGE_SIGNALS, StageSignal

CLEAN = {"frequency_shift": 0.0, "polarity": 0.0, "gain": 0.0, "dead_channel": 0.0, "noise": 0.0}


@pytest.fixture(scope="module")
def nights():
    """Simulate four subjects without nuisances."""
    return simulate_sleep(4, hours=4.0, random_state=1, **CLEAN)


def data(population):
    return np.stack([raw.get_data() for raw in population.recordings])


def test_same_seed_same_nights_other_seed_other_nights():
    first, again, other = (
        simulate_recordings(2, hours=0.25, random_state=seed) for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(data(first), data(again))
    assert first.nuisances.equals(again.nuisances)
    for one, two in zip(first.recordings, again.recordings, strict=True):
        assert one.annotations == two.annotations
    assert not np.array_equal(data(first), data(other))


def test_seeds_of_other_kinds():
    with_generator = simulate_recordings(1, hours=0.25, random_state=np.random.default_rng(4))
    with_seed = simulate_recordings(1, hours=0.25, random_state=4)
    np.testing.assert_array_equal(data(with_generator), data(with_seed))
    assert simulate_recordings(1, hours=0.25).recordings


def test_global_generators_stay():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    simulate_sleep(1, hours=0.25, random_state=0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_recordings_look_like_sleep_physionet(population):
    raw = population.recordings[0]
    assert raw.ch_names == ["Fpz-Cz", "Pz-Oz"]
    assert raw.info["sfreq"] == 100.0
    labels = raw.annotations.description
    allowed = {f"Sleep stage {label}" for label in "W1234R?"} | {"Movement time"}
    assert set(labels) <= allowed
    # One bout, one annotation, without gaps.
    assert np.all(labels[1:] != labels[:-1])
    ends = raw.annotations.onset + raw.annotations.duration
    np.testing.assert_allclose(ends[:-1], raw.annotations.onset[1:])
    assert ends[-1] == raw.n_times / 100.0
    assert 5e-6 < raw.get_data()[0].std() < 1e-4


def test_stages_three_and_four_and_all_stages_are_there():
    population = simulate_recordings(3, hours=4.0, random_state=0)
    for raw in population.recordings:
        labels = set(raw.annotations.description.tolist())
        assert {f"Sleep stage {label}" for label in "W1234R?"} | {"Movement time"} == labels


def test_nuisances_are_spread_evenly():
    nuisances = simulate_recordings(8, hours=0.25, random_state=0).nuisances
    shifts = np.sort(nuisances["frequency_shift"])
    edges = np.linspace(-0.6, 0.6, 9)
    assert np.all((edges[:-1] <= shifts) & (shifts <= edges[1:]))
    assert (nuisances["polarity"] == -1).sum() == 4
    assert nuisances["dead_channel"].notna().sum() == 2
    assert nuisances["gain"].between(np.exp(-0.3), np.exp(0.3)).all()
    assert nuisances["noise"].between(0, 0.2).all()


def test_frequency_shift_belongs_to_the_subject(population):
    groups = population.nuisances.groupby(population.description["subject"])
    assert (groups["frequency_shift"].nunique() == 1).all()
    assert (groups["gain"].nunique() == 2).all()


def spectrum_of(nights, stage, channel=1):
    X, y, _ = nights.to_arrays()
    frequencies, power = signal.welch(X[y == stage, channel], nights.sfreq, nperseg=1000)
    return frequencies, power.mean(axis=0)


def alpha_centre(nights):
    frequencies, power = spectrum_of(nights, "W")
    band = (frequencies > 7) & (frequencies < 13)
    floor = np.interp(frequencies[band], [7, 13], np.interp([7, 13], frequencies, power))
    excess = np.maximum(power[band] - floor, 0) ** 2
    return np.sum(frequencies[band] * excess) / excess.sum()


@pytest.mark.parametrize("shift", [0.6, 1.0])
def test_rhythms_shift_by_the_stated_frequency(shift):
    options = {**CLEAN, "frequency_shift": shift}
    nights = [simulate_sleep(1, hours=2.0, random_state=seed, **options) for seed in range(3)]
    for night in nights:
        stated = night.nuisances["frequency_shift"][0]
        assert alpha_centre(night) == pytest.approx(10.0 + stated, abs=0.2)


def test_polarity_gain_and_dead_channel_are_in_the_signal():
    """Equal draws with and without a nuisance differ by exactly that nuisance."""
    plain = simulate_recordings(1, hours=0.5, random_state=7, **CLEAN)
    flipped = simulate_recordings(1, hours=0.5, random_state=7, **{**CLEAN, "polarity": 1.0})
    loud = simulate_recordings(1, hours=0.5, random_state=7, **{**CLEAN, "gain": 0.5})
    dead = simulate_recordings(1, hours=0.5, random_state=7, **{**CLEAN, "dead_channel": 1.0})
    noisy = simulate_recordings(1, hours=0.5, random_state=7, **{**CLEAN, "noise": 0.5})
    reference = data(plain)[0]
    # The mains' hum, at most 2 µV, comes from outside and is not flipped.
    np.testing.assert_allclose(data(flipped)[0], -reference, atol=4.1e-6)
    gain = loud.nuisances["gain"][0]
    assert gain != 1
    np.testing.assert_allclose(data(loud)[0], gain * reference, atol=2.1e-6 * max(gain, 1))
    name = dead.nuisances["dead_channel"][0]
    channel = plain.recordings[0].ch_names.index(name)
    assert np.all(data(dead)[0, channel] == 0)
    np.testing.assert_array_equal(data(dead)[0, 1 - channel], reference[1 - channel])
    stated = noisy.nuisances["noise"][0]
    added = (data(noisy)[0] - reference).std(axis=1)
    np.testing.assert_allclose(added / reference.std(axis=1), stated, rtol=0.02)


def test_polarity_leaves_an_asymmetric_distribution(nights):
    """K-complexes and slow waves point down, so a network can learn the polarity by mistake."""
    X, y, _ = nights.to_arrays()
    deep = X[np.isin(y, ["N2", "N3"]), 0]
    assert np.mean(deep**3) / np.mean(deep**2) ** 1.5 < -0.2


def test_spectra_of_stages(nights):
    """Alpha in wake, spindles in N2, slower ones in N3, slow waves in N3."""
    power = {stage: spectrum_of(nights, stage, channel=0) for stage in nights.stages}

    def band(stage, low, high):
        frequencies, values = power[stage]
        return values[(frequencies >= low) & (frequencies <= high)].mean()

    assert band("W", 9.5, 10.5) > 2 * band("W", 11.5, 12.5)
    assert band("N2", 12.6, 13.4) > 1.5 * band("N3", 12.6, 13.4)
    assert band("N3", 10.8, 11.6) > 1.5 * band("N2", 10.8, 11.6)
    assert band("N3", 0.5, 2) > 1.2 * band("N2", 0.5, 2) > 1.2 * band("W", 0.5, 2)


def test_n1_and_rem_differ_in_the_direction_of_time_only():
    rem, n1 = vars(STAGE_SIGNALS["R"]).copy(), vars(STAGE_SIGNALS["N1"]).copy()
    assert (rem.pop("mirrored"), n1.pop("mirrored")) == (0.0, 1.0)
    assert rem == n1
    assert isinstance(STAGE_SIGNALS["R"], StageSignal)


def band_powers(X):
    frequencies, power = signal.welch(X, 100.0, nperseg=400)
    edges = [0.4, 1, 2, 4, 6, 7.5, 9.1, 11, 12, 14, 16, 22, 30]
    bands = [
        power[..., (frequencies >= low) & (frequencies < high)].mean(axis=-1)
        for low, high in zip(edges[:-1], edges[1:], strict=True)
    ]
    return np.log(np.concatenate(bands, axis=1))


def envelope_asymmetry(X):
    """Skewness of the slope of the theta envelope: positive where onsets are steep."""
    theta = signal.sosfiltfilt(signal.butter(3, [3, 9], "bandpass", fs=100, output="sos"), X)
    slope = np.diff(np.abs(signal.hilbert(theta)), axis=-1)
    return np.mean(slope**3, axis=-1) / np.mean(slope**2, axis=-1) ** 1.5


def test_time_tells_n1_from_rem_and_power_does_not(nights):
    X, y, groups = nights.to_arrays()
    keep = np.isin(y, ["N1", "R"])
    X, y, groups = X[keep], y[keep], groups[keep]

    def within_subjects(features):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced"))
        scores = []
        for subject in np.unique(groups):
            own = groups == subject
            predicted = cross_val_predict(model, features[own], y[own], cv=4)
            scores.append(balanced_accuracy_score(y[own], predicted))
        return np.mean(scores)

    asymmetry = envelope_asymmetry(X)
    assert within_subjects(band_powers(X)) < 0.6
    assert within_subjects(asymmetry) > 0.8
    # The cue survives a sign flip and turns around when time does.
    np.testing.assert_allclose(envelope_asymmetry(-X), asymmetry, atol=1e-5)
    backwards = envelope_asymmetry(X[..., ::-1])
    assert np.corrcoef(backwards.ravel(), asymmetry.ravel())[0, 1] < -0.9
    # Random phases with the same power remove it.
    spectrum = np.fft.rfft(X, axis=-1)
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, (len(X), 1, spectrum.shape[-1]))
    surrogate = np.fft.irfft(np.abs(spectrum) * np.exp(1j * phases), X.shape[-1], axis=-1)
    assert within_subjects(envelope_asymmetry(surrogate)) < 0.6


def test_true_invariances_say_what_was_asked_for():
    spread = {"frequency_shift": 0.3, "polarity": 0.2, "dead_channel": 0.5, "noise": 0.1}
    nights = simulate_sleep(1, hours=0.25, random_state=0, **spread)
    truth = nights.true_invariances
    assert {name: entry["extent"] for name, entry in truth.items()} == {
        "TimeReverse": 0.0,
        "SignFlip": 0.2,
        "FrequencyShift": 0.3,
        "ChannelsDropout": 0.25,
        "FTSurrogate": 0.0,
        "GaussianNoise": 0.1,
    }
    assert [name for name, entry in truth.items() if not entry["invariant"]] == [
        "TimeReverse",
        "FTSurrogate",
    ]
    assert truth["FrequencyShift"]["unit"] == "Hz"
    assert truth["FrequencyShift"]["margin"] > 0.6
    assert pickle.loads(pickle.dumps(nights)).true_invariances == truth


def test_other_sampling_frequency():
    population = simulate_recordings(1, hours=0.25, sfreq=128.0, random_state=0)
    assert population.recordings[0].info["sfreq"] == 128.0
    assert population.recordings[0].n_times == 900 * 128


def test_nuisances_follow_the_recordings_that_are_kept(population):
    nights = simulate_sleep(2, hours=0.75, n_recordings=2, random_state=3)
    assert nights.nuisances.equals(population.nuisances)
    assert len(nights.nuisances) == len(nights.recordings)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"n_subjects": 0}, ValueError, "n_subjects must be at least 1; got 0"),
        ({"n_subjects": 2.0}, TypeError, "n_subjects must be an integer"),
        ({"n_recordings": 0}, ValueError, "n_recordings must be at least 1"),
        ({"hours": 0.1}, ValueError, "hours must be at least 0.25; got 0.1"),
        ({"hours": "4"}, TypeError, "hours must be a number"),
        ({"hours": np.nan}, ValueError, "hours must be"),
        ({"sfreq": 50.0}, ValueError, "sfreq must be at least 64"),
        ({"sfreq": 100.5}, ValueError, "sfreq must be a whole number of Hz"),
        ({"polarity": 1.5}, ValueError, "polarity must be at least 0 and at most 1; got 1.5"),
        ({"dead_channel": -0.1}, ValueError, "dead_channel must be at least 0"),
        ({"frequency_shift": 3.0}, ValueError, "frequency_shift must be .* at most 1"),
        ({"noise": -1.0}, ValueError, "noise must be at least 0"),
        ({"random_state": "a"}, TypeError, "random_state must be None"),
        ({"hours": 0.25, "n_subjects": 1, "stages": ["N4"]}, ValueError, "Unknown stages"),
        ({"hours": 0.25, "n_subjects": 1, "stage": ["N3"]}, TypeError, "stage"),
    ],
)
def test_bad_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        simulate_sleep(**arguments)
