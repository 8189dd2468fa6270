import numpy as np
import pytest
import torch
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from eeginv.inspection import SymmetryTest, signal_features, symmetry_test
from eeginv.inspection.symmetry import _default_classifier, _halves, _transform_some
from eeginv.transforms import (
    AmplitudeScale,
    FrequencyShift,
    GaussianNoise,
    SignFlip,
    TimeReverse,
    TimeShift,
)

SFREQ, N_TIMES = 100.0, 200


def white(n=100, n_channels=1, seed=0):
    return np.random.default_rng(seed).normal(size=(n, n_channels, N_TIMES))


def tone(n=100, seed=0):
    phase = np.random.default_rng(seed).uniform(size=(n, 1, 1))
    return np.sin(2 * np.pi * (10 * np.arange(N_TIMES) / SFREQ + phase)) + 0.5 * white(n, seed=seed)


def sawtooth(n=100, seed=0):
    start = np.random.default_rng(seed).uniform(size=(n, 1, 1))
    return (start + 5 * np.arange(N_TIMES) / SFREQ) % 1 + 0.2 * white(n, seed=seed)


def skewed(n=100, seed=0):
    return np.random.default_rng(seed).exponential(size=(n, 1, N_TIMES))


def of_random_polarity(seed, n_groups=8, n_windows=10):
    """Skewed windows, where each recording has one polarity."""
    groups = np.repeat(np.arange(n_groups), n_windows)
    sign = np.random.default_rng(seed + 1000).choice([-1, 1], size=n_groups)[groups]
    return (skewed(len(groups), seed) - 1) * sign[:, None, None], groups


def few_features(X):
    return np.column_stack([(X**3).mean(axis=(1, 2)), (np.diff(X) ** 3).mean(axis=(1, 2))])


# known symmetries -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("X", "transform", "strength"),
    [
        (white(300), AmplitudeScale(), 12.0),  # a change of spread
        (white(200), GaussianNoise(), 0.5),
        (sawtooth(), TimeReverse(), None),
        (skewed(), SignFlip(), None),
        (tone(), FrequencyShift(SFREQ), 1.0),
    ],
)
def test_finds_what_is_not_symmetric(X, transform, strength):
    found = symmetry_test(X, transform, strength, random_state=0)
    assert found.p_value == 1 / 200
    assert found.balanced_accuracy > 0.65
    groups = np.arange(len(X)) // 10
    assert symmetry_test(X, transform, strength, groups=groups, random_state=0).p_value <= 0.05


@pytest.mark.parametrize(
    ("X", "transform"),
    [
        (white(200, 2), SignFlip()),
        (white(200, 2), TimeReverse()),
        (skewed(200), TimeReverse()),
        (tone(200), TimeShift(SFREQ, 0.2)),  # of whole periods, so there is no edge
        (tone(200), SignFlip()),
    ],
)
def test_takes_what_is_symmetric(X, transform):
    p_values = [symmetry_test(X, transform, random_state=seed).p_value for seed in range(4)]
    assert np.median(p_values) > 0.1  # of the draws; the data are the same


@pytest.mark.parametrize("transform", [SignFlip(), TimeReverse()])
def test_p_values_are_uniform_where_data_are_symmetric(transform):
    options = {"features": few_features, "n_permutations": 19, "n_splits": 3}
    p = np.array(
        [
            symmetry_test(white(40, seed=seed), transform, random_state=seed, **options).p_value
            for seed in range(200)
        ]
    )
    for level in (0.05, 0.25, 0.5, 0.75):
        deviation = np.sqrt(level * (1 - level) / len(p))
        assert (p <= level).mean() == pytest.approx(level, abs=3.5 * deviation)


def test_p_values_are_uniform_where_subjects_are_symmetric():
    # windows of a recording share its polarity: as independent windows they are not symmetric
    options = {"features": few_features, "n_permutations": 19, "n_splits": 4}
    p, p_without = np.ones((2, 150))
    for seed in range(150):
        X, groups = of_random_polarity(seed)
        given = {"random_state": seed, **options}
        p[seed] = symmetry_test(X, SignFlip(), groups=groups, **given).p_value
        p_without[seed] = symmetry_test(X, SignFlip(), **given).p_value
    for level in (0.05, 0.25, 0.5):
        deviation = np.sqrt(level * (1 - level) / len(p))
        assert (p <= level).mean() < level + 3 * deviation
    assert (p <= 0.5).mean() > 0.3
    assert (p_without <= 0.05).mean() > 0.15


# what is done ---------------------------------------------------------------------------------
def test_outcome():
    found = symmetry_test(tone(), FrequencyShift(SFREQ, 0.7), n_permutations=49, random_state=0)
    assert isinstance(found, SymmetryTest)
    assert (found.transform, found.unit, found.n_examples) == ("FrequencyShift", "Hz", 100)
    assert found.strength == pytest.approx(0.7)
    assert found.n_groups == 100
    assert found.null.shape == (49,)
    assert found.p_value == (1 + (found.null >= found.balanced_accuracy).sum()) / 50
    assert found.null.mean() == pytest.approx(0.5, abs=0.05)


def test_same_seed_same_outcome_and_nothing_is_changed():
    X, flip = skewed(40), SignFlip(0.3)
    before = X.copy()
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002

    def run(seed):
        return symmetry_test(X, flip, n_permutations=19, random_state=seed)

    assert run(0) == run(0)
    np.testing.assert_array_equal(run(0).null, run(0).null)
    assert not np.array_equal(run(0).null, run(1).null)
    np.testing.assert_array_equal(X, before)
    assert flip.strength.item() == pytest.approx(0.3)
    assert torch.equal(states[0], torch.get_rng_state())
    assert (states[1] == np.random.get_state()[1]).all()  # noqa: NPY002


def test_one_half_of_each_subject():
    unit = np.repeat(np.arange(4), [10, 7, 1, 2])
    halves = np.array([_halves(unit, np.random.default_rng(seed)) for seed in range(400)])
    sums = np.array([halves[:, unit == g].sum(axis=1) for g in range(4)])
    assert (sums[0] == 5).all()
    assert set(sums[1]) == {3, 4}
    assert set(sums[2]) == {0, 1}
    assert (sums[3] == 1).all()
    np.testing.assert_allclose(halves.mean(axis=0), 0.5, atol=0.1)


def test_subjects_are_transformed_by_one_draw():
    X = np.repeat(white(1), 6, axis=0)
    unit, chosen = np.repeat([0, 1], 3), np.array([1, 1, 0, 1, 0, 1], dtype=bool)
    out = _transform_some(FrequencyShift(SFREQ), 3.0, X, unit, chosen, seed=0)
    np.testing.assert_array_equal(out[~chosen], X[~chosen])
    np.testing.assert_array_equal(out[0], out[1])
    np.testing.assert_array_equal(out[3], out[5])
    assert np.abs(out[0] - out[3]).max() > 0.1
    assert np.abs(out[0] - X[0]).max() > 0.1


def test_permutations_at_once_are_permutations_one_by_one():
    X, groups = of_random_polarity(0)
    options = {"groups": groups, "n_permutations": 9, "random_state": 0, "n_splits": 4}
    pipeline = _default_classifier(60)
    together = symmetry_test(X, SignFlip(), **options)
    alone = symmetry_test(X, SignFlip(), classifier=pipeline, **options)
    parallel = symmetry_test(X, SignFlip(), classifier=pipeline, n_jobs=2, **options)
    np.testing.assert_allclose(together.null, alone.null)
    np.testing.assert_array_equal(alone.null, parallel.null)
    assert together == alone == parallel


def test_any_classifier_on_any_features():
    def rows(X):
        return X.reshape(len(X), -1)

    X, options = skewed(60), {"n_permutations": 9, "random_state": 0}
    pipeline = make_pipeline(FunctionTransformer(rows), LogisticRegression())
    found = symmetry_test(X, SignFlip(), features=None, classifier=pipeline, **options)
    assert found == symmetry_test(
        X, SignFlip(), features=rows, classifier=LogisticRegression(), **options
    )
    assert found.p_value == 0.1
    blind = symmetry_test(X, SignFlip(), classifier=DummyClassifier(), **options)
    assert blind.p_value > 0.1


def test_no_subject_is_trained_and_tested_on():
    # whoever has seen a subject knows its polarity; the others do not tell
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 10)
    X = rng.normal(size=(20, 1, 1))[groups] + 0.01 * rng.normal(size=(200, 1, 16))
    options = {"features": lambda X: X.mean(axis=2), "classifier": KNeighborsClassifier(1)}
    options |= {"n_permutations": 9, "random_state": 0}
    known = symmetry_test(X, SignFlip(), **options)
    unknown = symmetry_test(X, SignFlip(), groups=groups, **options)
    assert known.balanced_accuracy > 0.9
    assert unknown.balanced_accuracy < 0.75
    assert unknown.p_value > 0.1


# features -------------------------------------------------------------------------------------
def test_features_see_sign_and_time_and_no_other_example():
    X = skewed(6, seed=1) - 1 + sawtooth(6)
    F = signal_features(X)
    assert np.isfinite(F).all()
    for changed in (-X, X[:, :, ::-1]):
        G = signal_features(changed)
        opposite = np.isclose(G, -F).all(axis=0) & (np.abs(F) > 1e-3).all(axis=0)
        same = np.isclose(G, F).all(axis=0)
        assert opposite.sum() >= 3
        assert (same | opposite).sum() >= 0.6 * F.shape[1]
    np.testing.assert_allclose(signal_features(X[2:4]), F[2:4])
    np.testing.assert_allclose(signal_features(X.astype(np.float32)), F, rtol=1e-2, atol=1e-3)


def test_features_see_which_channel_leads():
    X = white(5)
    lagged = np.concatenate([X, np.roll(X, 1, axis=2)], axis=1)
    changes = signal_features(lagged) - signal_features(lagged[:, ::-1])
    assert (np.abs(changes).min(axis=0) > 0.5).any()


@pytest.mark.parametrize("X", [np.zeros((3, 2, 8)), np.ones((3, 1, 100)), white(3, 2)[:, :, :9]])
def test_features_of_flat_and_short_signals_are_finite(X):
    assert np.isfinite(signal_features(X)).all()


# bad input ------------------------------------------------------------------------------------
def test_few_subjects():
    X = skewed(40)
    with pytest.warns(UserWarning, match="With 4 subjects there are 8 .* cannot be below 0.125"):
        found = symmetry_test(X, SignFlip(), groups=np.arange(40) // 10, random_state=0)
    assert found.p_value > 0.05
    assert found.balanced_accuracy > 0.7


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"groups": np.zeros(20)}, ValueError, "two subjects or more, groups has one"),
        ({"groups": np.zeros(5)}, ValueError, "one entry for each of 20 examples"),
        ({"X": white(9)}, ValueError, "At least 10 examples are needed, got 9"),
        ({"X": white(20)[:, :, :5]}, ValueError, "at least 8 samples, got 5"),
        ({"transform": "SignFlip"}, TypeError, "Expected a transform"),
        ({"strength": 2}, ValueError, r"SignFlip lies in \[0, 1\]"),
        ({"n_permutations": 0}, ValueError, "n_permutations must be a whole number"),
        ({"n_splits": 1}, ValueError, "n_splits must be a whole number of at least 2"),
    ],
)
def test_bad_input(options, error, message):
    given = {"X": white(20), "transform": SignFlip(), **options}
    with pytest.raises(error, match=message):
        symmetry_test(**given)
