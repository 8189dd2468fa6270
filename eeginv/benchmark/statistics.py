"""Statistics of the benchmark: means, paired differences, learned policies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..policy import Policy
from .intervals import CrossedMean, crossed_mean, holm, left_out_mean, shared_subjects
from .methods import AVERAGING_LABELS, sort_methods
from .plan import RunRecord

# Scores of each test subject, whose means have intervals.
SUBJECT_METRICS = ["balanced_accuracy", "kappa", "macro_f1", "auc"]
# Scores of each run and way of predicting, and values of each run.
SCORE_METRICS = ["nll", "calibration_error", "seconds_predict"]
RUN_METRICS = ["seconds_search", "seconds_fit", "peak_memory_mib"]

GROUP = ["n_train_subjects", "method", "averaging"]
UNIT = ["n_train_subjects", "split", "seed", "subject"]


def subject_scores(runs: Sequence[RunRecord]) -> pd.DataFrame:
    """Tabulate the scores of every test subject in every run.

    Parameters
    ----------
    runs : list of dict
        Finished runs, in any order.

    Returns
    -------
    table : pandas.DataFrame
        One row for each run, way of predicting (``averaging``) and test subject.

    Examples
    --------
    >>> from eeginv.benchmark.statistics import subject_scores
    >>> list(subject_scores([]).columns)[:3]
    ['n_train_subjects', 'split', 'seed']
    """
    rows = []
    for run in runs:
        for averaging in AVERAGING_LABELS:
            score = run["scores"].get(averaging)
            for subject, values in (score or {}).get("by_subject", {}).items():
                keys = (run["n_train_subjects"], run["split"], run["seed"], str(subject))
                metrics = [_number(values.get(metric)) for metric in SUBJECT_METRICS]
                rows.append((*keys, run["method"], averaging, *metrics))
    columns = [*UNIT, "method", "averaging", *SUBJECT_METRICS]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(columns[:6]).reset_index(drop=True)


def summary(runs: Sequence[RunRecord]) -> pd.DataFrame:
    """Tabulate the mean scores of each method.

    Parameters
    ----------
    runs : list of dict
        Finished runs, in any order.

    Returns
    -------
    table : pandas.DataFrame
        One row for each number of training subjects, method and way of predicting. Scores of single
        subjects are averaged within subjects first, then over subjects. They have 95 % confidence
        intervals from ``<score>_low`` to ``<score>_high``, over test subjects and choices of
        training subjects (:func:`~eeginv.benchmark.intervals.crossed_mean`). If one subject or
        session was left out at a time, intervals are over subjects
        (:func:`~eeginv.benchmark.intervals.left_out_mean`). All other values are means over runs.

    Examples
    --------
    >>> from eeginv.benchmark.statistics import summary
    >>> len(summary([]))
    0
    """
    subjects = subject_scores(runs)
    rows = []
    for size, method, averaging in _groups(runs):
        chosen = _select(runs, size, method, averaging)
        here = subjects[(subjects[GROUP] == [size, method, averaging]).all(axis=1)]
        row = {"n_train_subjects": size, "method": method, "averaging": averaging}
        row |= {"n_runs": len(chosen), "n_subjects": here["subject"].nunique()}
        for metric in SUBJECT_METRICS:
            found = _mean_with_interval(_cells(here, metric), chosen)
            row |= {metric: found.mean, f"{metric}_low": found.low, f"{metric}_high": found.high}
        for metric in SCORE_METRICS:
            row[metric] = _mean([run["scores"][averaging].get(metric) for run in chosen])
        for metric in RUN_METRICS:
            row[metric] = _mean([run.get(metric) for run in chosen])
        rows.append(row)
    intervals = [f"{metric}{end}" for metric in SUBJECT_METRICS for end in ("", "_low", "_high")]
    columns = [*GROUP, "n_runs", "n_subjects", *intervals, *SCORE_METRICS, *RUN_METRICS]
    return pd.DataFrame(rows, columns=columns)


def paired_differences(
    runs: Sequence[RunRecord], metric: str = "balanced_accuracy", baseline: str = "none"
) -> pd.DataFrame:
    """Tabulate the differences of all methods to a baseline on the same windows.

    Runs are paired by number of training subjects, split and seed, and then by test subject. Runs
    without a partner are left out. The baseline predicts the unchanged signals.

    Parameters
    ----------
    runs : list of dict
        Finished runs, in any order.
    metric : "balanced_accuracy" | "kappa" | "macro_f1" | "auc"
        The score to compare.
    baseline : str
        The method to compare with.

    Returns
    -------
    table : pandas.DataFrame
        One row for each number of training subjects, method and way of predicting. ``difference``
        is averaged within subjects, then over subjects. ``low`` and ``high`` are the ends of its 95
        % confidence interval over test subjects and choices of training subjects
        (:func:`~eeginv.benchmark.intervals.crossed_mean`). ``p`` is the p-value of no difference,
        and ``p_holm`` is corrected for all comparisons with the same number of training subjects
        (Holm). Further columns are the numbers of paired runs, of subjects and of splits. With
        fewer than two subjects or splits, intervals and p-values are NaN.

    Examples
    --------
    >>> from eeginv.benchmark.statistics import paired_differences
    >>> len(paired_differences([]))
    0
    """
    if metric not in SUBJECT_METRICS:
        raise ValueError(f"metric must be one of {', '.join(SUBJECT_METRICS)}; got {metric!r}.")
    scores = subject_scores(runs)[[*UNIT, "method", "averaging", metric]]
    is_baseline = (scores["method"] == baseline) & (scores["averaging"] == "plain")
    partners = scores[is_baseline].drop(columns=["method", "averaging"])
    paired = scores[~is_baseline].merge(partners, on=UNIT, suffixes=("", "_baseline"))
    paired["difference"] = paired[metric] - paired[f"{metric}_baseline"]
    paired = paired.dropna(subset="difference")
    rows = []
    for group in _groups(runs):
        here = paired[(paired[GROUP] == list(group)).all(axis=1)]
        if here.empty:
            continue
        found = _mean_with_interval(_cells(here, "difference"), _select(runs, *group))
        rows.append(
            {
                **dict(zip(GROUP, group, strict=True)),
                "metric": metric,
                "difference": found.mean,
                "low": found.low,
                "high": found.high,
                "p": found.p_value,
                "n_runs": len(here[["split", "seed"]].drop_duplicates()),
                "n_subjects": here["subject"].nunique(),
                "n_splits": here["split"].nunique(),
            }
        )
    columns = [*GROUP, "metric", "difference", "low", "high", "p", "p_holm"]
    columns += ["n_runs", "n_subjects", "n_splits"]
    table = pd.DataFrame(rows, columns=[c for c in columns if c != "p_holm"])
    table["p_holm"] = table.groupby("n_train_subjects")["p"].transform(holm)
    return table[columns]


def class_scores(runs: Sequence[RunRecord]) -> pd.DataFrame:
    """Tabulate the mean F1 score of each class over runs.

    Parameters
    ----------
    runs : list of dict
        Finished runs, in any order.

    Returns
    -------
    table : pandas.DataFrame
        One row for each number of training subjects, method and way of predicting. One column for
        each class.

    Examples
    --------
    >>> from eeginv.benchmark.statistics import class_scores
    >>> len(class_scores([]))
    0
    """
    classes = list(dict.fromkeys(name for run in _sorted(runs) for name in run["classes"]))
    rows = []
    for size, method, averaging in _groups(runs):
        chosen = _select(runs, size, method, averaging)
        f1 = [run["scores"][averaging].get("f1", {}) for run in chosen]
        rows.append((size, method, averaging, *(_mean([v.get(c) for v in f1]) for c in classes)))
    return pd.DataFrame(rows, columns=[*GROUP, *classes])


def learned_policies(runs: Sequence[RunRecord]) -> pd.DataFrame:
    """Tabulate extent and usage of each transform for each method.

    Parameters
    ----------
    runs : list of dict
        Finished runs, in any order. Those without a policy are left out.

    Returns
    -------
    table : pandas.DataFrame
        One row for each number of training subjects, method and transform: mean and standard
        deviation over runs of ``extent`` (in ``unit``) and ``usage``, and, if known,
        ``true_extent`` and ``invariant``.

    Examples
    --------
    >>> from eeginv.benchmark.statistics import learned_policies
    >>> len(learned_policies([]))
    0
    """
    rows, keys = [], ["n_train_subjects", "method", "transform"]
    for run in _sorted(runs):
        if run.get("policy"):
            for name, values in Policy.from_dict(run["policy"]).by_transform().iterrows():
                rows.append((run["n_train_subjects"], run["method"], name, *values))
    truth: dict[str, dict[str, Any]] = next(
        (run["truth"] for run in _sorted(runs) if run.get("truth")), {}
    )
    columns = [*keys, "unit", "extent", "extent_std", "usage", "usage_std", "n_runs"]
    columns += ["true_extent", "invariant"]
    long = pd.DataFrame(rows, columns=[*keys, "extent", "unit", "usage"])
    table = []
    for key, here in long.groupby(keys, sort=False):
        true = truth.get(key[2], {})
        table.append(
            {
                **dict(zip(keys, key, strict=True)),
                "unit": here["unit"].iloc[0],
                "extent": _mean(here["extent"]),
                "extent_std": float(np.std(here["extent"])),
                "usage": _mean(here["usage"]),
                "usage_std": float(np.std(here["usage"])),
                "n_runs": len(here),
                "true_extent": _number(true.get("extent")),
                "invariant": true.get("invariant"),
            }
        )
    return pd.DataFrame(table, columns=columns)


def _mean_with_interval(
    cells: tuple[np.ndarray, np.ndarray, np.ndarray], runs: Sequence[RunRecord]
) -> CrossedMean:
    """Average over subjects and splits, with the interval for this kind of splits."""
    split_by = {run.get("split_by", "random") for run in runs}
    if split_by == {"random"}:
        return crossed_mean(*cells, shared=shared_subjects(runs))
    values, subjects, _ = cells
    return left_out_mean(values, subjects, shares_training=split_by == {"subject"})


def _cells(scores: pd.DataFrame, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean over seeds for each subject and split, with the subjects and splits."""
    cells = scores.groupby(["subject", "split"])[name].mean().dropna().reset_index()
    return cells[name].to_numpy(), cells["subject"].to_numpy(), cells["split"].to_numpy()


def _groups(runs: Sequence[RunRecord]) -> list[tuple[int, str, str]]:
    """List (number of training subjects, method, way of predicting) in the order of the report."""
    found = {
        (run["n_train_subjects"], run["method"], averaging)
        for run in runs
        for averaging in run["scores"]
    }
    return [
        (size, method, averaging)
        for size in sorted({size for size, _, _ in found})
        for method in sort_methods(method for _, method, _ in found)
        for averaging in AVERAGING_LABELS
        if (size, method, averaging) in found
    ]


def _sorted(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Sort the runs, so that rounding errors of sums do not depend on their order."""
    methods = sort_methods(run["method"] for run in runs)
    return sorted(
        runs,
        key=lambda r: (r["n_train_subjects"], methods.index(r["method"]), r["split"], r["seed"]),
    )


def _select(runs: Sequence[RunRecord], size: int, method: str, averaging: str) -> list[RunRecord]:
    return [
        run
        for run in _sorted(runs)
        if (run["n_train_subjects"], run["method"]) == (size, method) and averaging in run["scores"]
    ]


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _mean(values: Iterable[Any]) -> float:
    numbers = np.array([_number(value) for value in values])
    numbers = numbers[np.isfinite(numbers)]
    return float(numbers.mean()) if len(numbers) else math.nan
