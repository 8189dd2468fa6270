"""Scores of predictions agree with those of scikit-learn, subject by subject."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, f1_score, log_loss

from eeginv.benchmark.scores import calibration_error, score_predictions


def test_scores_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    classes = np.array(["N2", "R", "W"])
    labels, subjects = rng.choice(classes, 300), rng.integers(3, size=300)
    p = rng.dirichlet(np.ones(3), 300)
    scores = score_predictions(labels, p, subjects, classes)
    predicted = classes[p.argmax(1)]
    assert scores["kappa"] == pytest.approx(cohen_kappa_score(labels, predicted))
    assert scores["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert scores["nll"] == pytest.approx(log_loss(labels, p))
    each = [
        balanced_accuracy_score(labels[subjects == s], predicted[subjects == s]) for s in range(3)
    ]
    assert scores["balanced_accuracy"] == pytest.approx(np.mean(each))
    assert np.sum(scores["confusion"]) == 300


def test_a_stage_that_a_subject_lacks_is_left_out():
    scores = score_predictions(
        np.array(["N2", "N2", "W", "W"]), np.eye(3)[[0, 1, 2, 2]], np.zeros(4), ["N2", "R", "W"]
    )
    assert scores["balanced_accuracy"] == pytest.approx(0.75)


def test_calibration_error():
    p = np.repeat([[0.8, 0.2]], 100, axis=0)
    right = np.arange(100) < 80
    assert calibration_error(p, right) == pytest.approx(0.0)
    assert calibration_error(p, ~right) == pytest.approx(0.6)
