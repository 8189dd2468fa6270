import numpy as np
import pytest
from scipy.spatial.distance import cosine, jensenshannon
from sklearn.isotonic import isotonic_regression

from eeginv.inspection.measures import (
    derangement,
    directions,
    distances,
    divergences,
    extents,
    mean_distance_to_others,
    non_increasing,
    percentile_interval,
    resampling_weights,
    weighted_medians,
)


# measures -------------------------------------------------------------------------------------
def test_distances():
    rows = directions(np.array([[1.0, 0], [3, 0], [0, 2], [-1, 0], [0, 0], [1e-200, 0]]))
    assert distances(rows[[0] * 6], rows).tolist() == [0, 0, 1, 2, 0.5, 0]
    rng = np.random.default_rng(0)
    rows = directions(rng.normal(size=(7, 3)))
    naive = [
        np.mean([cosine(a, b) for j, b in enumerate(rows) if j != i]) for i, a in enumerate(rows)
    ]
    np.testing.assert_allclose(mean_distance_to_others(rows), naive)
    near = directions(1 + 1e-9 * rng.normal(size=(5, 3)))
    assert (mean_distance_to_others(near) < 1e-16).all()


def test_divergences():
    p = np.array([[1.0, 0, 0], [0.2, 0.3, 0.5], [0.5, 0.5, 0]])
    assert divergences(p, p).tolist() == [0, 0, 0]
    assert divergences(p[:1], np.array([[0, 0.4, 0.6]])) == pytest.approx(1)
    np.testing.assert_array_equal(divergences(p, p[::-1]), divergences(p[::-1], p))
    assert divergences(p, p[::-1])[0] == pytest.approx(jensenshannon(p[0], p[2], base=2) ** 2)


def test_derangements_are_uniform_and_have_no_fixed_points():
    rng = np.random.default_rng(0)
    assert derangement(2, rng).tolist() == [1, 0]
    drawn = [tuple(derangement(4, rng)) for _ in range(1800)]
    assert all(place != i for permutation in drawn for i, place in enumerate(permutation))
    counts = [drawn.count(permutation) for permutation in set(drawn)]
    assert len(counts) == 9  # all there are
    assert 140 < min(counts) <= max(counts) < 260  # 200 expected, standard deviation 13


def test_medians_under_weights_are_those_of_repeated_values():
    rng = np.random.default_rng(0)
    values = rng.normal(size=9).round(1)
    weights = rng.integers(3, size=(50, 9)).astype(np.float32)
    expected = [np.median(np.repeat(values, w.astype(int))) for w in weights]
    np.testing.assert_allclose(weighted_medians(values, weights), expected)
    gaps = np.where(np.arange(9) < 3, np.nan, values)
    expected = [np.median(np.repeat(gaps[3:], w[3:].astype(int))) for w in weights]
    np.testing.assert_allclose(weighted_medians(gaps, weights), expected)
    assert np.isnan(weighted_medians(np.full(9, np.nan), weights)).all()


def test_bootstrap_draws_whole_subjects():
    groups = np.repeat(["a", "b", "c"], [2, 5, 3])
    weights = resampling_weights(10, groups, seed=0, n_resamples=500)
    first = weights[:, [0, 2, 7]]
    np.testing.assert_array_equal(weights, np.repeat(first, [2, 5, 3], axis=1))
    assert (first.sum(axis=1) == 3).all()
    np.testing.assert_allclose(first.mean(axis=0), 1, atol=0.1)
    assert (resampling_weights(10, None, seed=0).sum(axis=1) == 10).all()
    low, high = percentile_interval(np.arange(1001.0))
    assert (low, high) == pytest.approx((25, 975))
    assert np.isnan(percentile_interval(np.full(5, np.nan))).all()


def test_extents():
    m = np.array([0.0, 1, 2, 3])
    found = extents(m, np.array([[1, 0.98, 0.9, 0.5], [1, 1, 0.95, 0.95], [1, 0.9, 1, 1.0]]), 0.95)
    np.testing.assert_allclose(found, [1.375, 3, 3])  # the dip of the third is made up for
    assert extents(m, np.array([1, 0.5, 0.7, 0.6]), 0.95) == pytest.approx(0.05 / 0.4)
    curves = np.random.default_rng(0).uniform(size=(20, 7))
    expected = [isotonic_regression(curve, increasing=False) for curve in curves]
    np.testing.assert_allclose(non_increasing(curves), expected)
