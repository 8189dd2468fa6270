"""Scores of predicted probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import cohen_kappa_score, confusion_matrix, roc_auc_score

if TYPE_CHECKING:
    from .._typing import ArrayLike


def score_predictions(
    labels: np.ndarray, probabilities: np.ndarray, subjects: np.ndarray, classes: ArrayLike
) -> dict[str, Any]:
    """Score predictions within each subject and over all windows.

    Parameters
    ----------
    labels : ndarray, shape (n_windows,)
        True labels.
    probabilities : ndarray, shape (n_windows, n_classes)
        Predicted probabilities.
    subjects : ndarray, shape (n_windows,)
        Subject of each window.
    classes : sequence
        Labels in the order of the columns, sorted.

    Returns
    -------
    scores : dict
        ``balanced_accuracy`` is the mean over subjects of the mean recall of the classes of a
        subject. ``kappa`` (Cohen), ``macro_f1``, ``f1`` (by class), ``nll`` (nats per window),
        ``calibration_error`` (expected, 15 bins) and ``confusion`` (rows are true classes) are over
        all windows. ``by_subject`` has the first three for each subject. With two classes, ``auc``
        is the area under the receiver operating characteristic curve, for each subject, and as the
        mean over subjects with both classes.
    """
    classes = np.asarray(classes)
    unknown = np.setdiff1d(labels, classes)
    if len(unknown):
        raise ValueError(
            f"The test subjects have {unknown.tolist()}, which the training subjects lack; choose "
            "classes that all subjects have, or more training subjects."
        )
    truth = np.searchsorted(classes, labels)
    predicted = probabilities.argmax(axis=1)
    by_subject = {}
    for subject in np.unique(subjects):
        rows = subjects == subject
        confusion = confusion_matrix(truth[rows], predicted[rows], labels=range(len(classes)))
        by_subject[str(subject)] = {
            "balanced_accuracy": _balanced_accuracy(confusion),
            "kappa": _kappa(truth[rows], predicted[rows], len(classes)),
            "macro_f1": float(np.nanmean(_f1(confusion))),
            **_auc(truth[rows], probabilities[rows]),
        }
    confusion = confusion_matrix(truth, predicted, labels=range(len(classes)))
    f1 = _f1(confusion)
    likelihood = probabilities[np.arange(len(truth)), truth]
    return {
        "balanced_accuracy": float(
            np.mean([scores["balanced_accuracy"] for scores in by_subject.values()])
        ),
        "kappa": _kappa(truth, predicted, len(classes)),
        "macro_f1": float(np.nanmean(f1)),
        **_mean_auc(by_subject),
        "nll": float(-np.log(np.clip(likelihood, 1e-12, None)).mean()),
        "calibration_error": calibration_error(probabilities, predicted == truth),
        "f1": {str(name): float(value) for name, value in zip(classes, f1, strict=True)},
        "confusion": confusion.tolist(),
        "by_subject": by_subject,
    }


def calibration_error(probabilities: np.ndarray, correct: np.ndarray, n_bins: int = 15) -> float:
    """Compute the expected calibration error of the most likely class (Guo et al. 2017, ICML).

    Parameters
    ----------
    probabilities : ndarray, shape (n_windows, n_classes)
        Predicted probabilities.
    correct : ndarray of bool, shape (n_windows,)
        Whether the most likely class is the true one.
    n_bins : int
        Number of bins of equal width.

    Returns
    -------
    error : float
        Mean over windows of the distance between confidence and accuracy in the window's bin.
    """
    confidence = probabilities.max(axis=1)
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    gaps = [
        np.sum(bins == b) * abs(confidence[bins == b].mean() - correct[bins == b].mean())
        for b in np.unique(bins)
    ]
    return float(np.sum(gaps) / len(confidence))


def _balanced_accuracy(confusion: np.ndarray) -> float:
    present = confusion.sum(axis=1) > 0
    return float((np.diag(confusion)[present] / confusion.sum(axis=1)[present]).mean())


def _auc(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Return the area under the curve, if there are two classes and both occur."""
    if probabilities.shape[1] != 2 or len(np.unique(truth)) < 2:
        return {}
    return {"auc": float(roc_auc_score(truth, probabilities[:, 1]))}


def _mean_auc(by_subject: dict[str, dict[str, float]]) -> dict[str, float]:
    known = [scores["auc"] for scores in by_subject.values() if "auc" in scores]
    return {"auc": float(np.mean(known))} if known else {}


def _f1(confusion: np.ndarray) -> np.ndarray:
    """Return the F1 score of each class, NaN for classes that neither occur nor are predicted."""
    total = confusion.sum(axis=0) + confusion.sum(axis=1)
    return np.where(total > 0, 2 * np.diag(confusion) / np.maximum(total, 1), np.nan)


def _kappa(truth: np.ndarray, predicted: np.ndarray, n_classes: int) -> float:
    if len(np.unique(np.concatenate([truth, predicted]))) < 2:
        return float("nan")
    return float(cohen_kappa_score(truth, predicted, labels=range(n_classes)))
