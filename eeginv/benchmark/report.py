"""Report of a benchmark in one HTML file: settings, results, and how to read them."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from .._files import replacing
from ..policy import Policy
from ..viz import plot_extents, plot_policy
from . import statistics, tables
from .figures import plot_accuracy_time, plot_confusion, plot_differences, plot_learned
from .methods import AVERAGING_LABELS, label_of, learns_policy, method_styles, sort_methods
from .store import Store
from .tables import subjects_text

if TYPE_CHECKING:
    import mne
    from matplotlib.figure import Figure

    from .._typing import PathLike
    from .plan import RunRecord

NAME = "report.html"


def write_report(folder: PathLike) -> Path:
    """Write the report on the runs in a folder. The benchmark need not be finished.

    Parameters
    ----------
    folder : path-like
        Output folder of the benchmark, with ``plan.json``, ``environment.json`` and ``runs``.

    Returns
    -------
    path : pathlib.Path
        The report, ``report.html`` in the folder. An existing one is only replaced when the new one
        is complete.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.

    Examples
    --------
    >>> import tempfile
    >>> from eeginv.benchmark.report import write_report
    >>> write_report(tempfile.mkdtemp()).name
    'report.html'
    """
    import mne

    store = Store(folder)
    runs, failures = store.load()
    plan, environment = store.description()
    data = plan.get("data") or (runs[0]["data"] if runs else "")
    title = "eeginv benchmark" + (f": {data}" if data else "")
    report = mne.Report(title=html.escape(title), img_max_width=1150, verbose="error")
    report.add_custom_css(tables.CSS)

    pages = _Pages(report)
    pages.section = "What was run"
    pages.html("Runs", _progress(plan, runs, failures))
    pages.html("Plan", _settings(plan, "The plan was not recorded."))
    pages.html("Environment", _settings(environment, "The environment was not recorded."))
    if runs:
        _add_scores(pages, runs)
        _add_differences(pages, runs)
        _add_time(pages, runs)
        _add_policies(pages, runs)
        _add_confusion(pages, runs)
    if failures:
        pages.section = "Failed runs"
        pages.html("Failed runs", "".join(map(_failure, failures)))
    pages.section = "How to read this"
    pages.html("How to read this", HOW_TO_READ)

    path = store.folder / NAME
    with replacing(path, ".html") as scratch:
        report.save(scratch, open_browser=False, overwrite=True, verbose="error")
    return path


class _Pages:
    """Adds texts, tables and figures to the current section of a report."""

    def __init__(self, report: mne.Report) -> None:
        self.report = report
        self.section: str | None = None

    def html(self, title: str, text: str) -> None:
        self.report.add_html(text, title, tags=(), section=self.section)

    def table(self, title: str, table: pd.DataFrame, caption: str) -> None:
        self.html(title, f"<p>{html.escape(caption)}</p>{tables.html_table(table)}")

    def figure(self, title: str, figure: Figure, caption: str) -> None:
        """Add a figure with its caption, and close it."""
        import matplotlib.pyplot as plt

        try:
            self.report.add_figure(
                figure,
                title,
                caption=caption,
                image_format="png",
                tags=(),
                section=self.section,
            )
        finally:
            plt.close(figure)


# sections -------------------------------------------------------------------------------------
def _add_scores(pages: _Pages, runs: Sequence[RunRecord]) -> None:
    pages.section = "Results"
    summary = statistics.summary(runs)
    pages.table(
        "Predicted classes",
        tables.score_table(summary),
        "Mean over test subjects of the mean over runs of each subject, with the 95 % confidence "
        f"interval over {_sampled(runs)} in brackets. These intervals show the variation between "
        "subjects and choices. To compare methods, read the paired differences below.",
    )
    pages.table(
        "Predicted probabilities, time and memory",
        tables.cost_table(summary),
        "Means over runs. Peak memory is that of the whole process during fitting.",
    )


def _sampled(runs: Sequence[RunRecord]) -> str:
    """Return what the intervals are over, in words."""
    if any(run.get("split_by", "random") != "random" for run in runs):
        return "test subjects"
    return "test subjects and choices of training subjects"


def _add_differences(pages: _Pages, runs: Sequence[RunRecord]) -> None:
    pages.section = "Paired differences"
    table = statistics.paired_differences(runs)
    if table.empty:
        pages.html(
            "Differences to no augmentation",
            "<p>There is no pair of runs with and without augmentation on the same split and seed "
            "yet, so there are no differences to show.</p>",
        )
        return
    pages.figure(
        "Differences to no augmentation",
        plot_differences(table),
        "Each method against no augmentation on the same split, seed and test subject, in "
        "percentage points of balanced accuracy. Points right of the black line are better. Filled "
        "markers are predictions of the unchanged signals, open ones averages over transformed "
        "copies. The two rows of no augmentation show the effect of averaging alone: over "
        "full-strength random copies, and over the copies of AugNet's policy for the same training "
        f"subjects. Lines are 95 % confidence intervals over {_sampled(runs)}, without correction "
        "for the number of comparisons. The corrected p-values are in the table below. Lines may "
        "be cut off at the edge of the panel. The table has the complete intervals.",
    )
    others = [statistics.paired_differences(runs, metric) for metric in ("macro_f1", "kappa")]
    pages.table(
        "Differences in numbers",
        tables.difference_table(table, *others),
        "In percentage points (kappa: in hundredths), with 95 % confidence intervals over "
        f"{_sampled(runs)}. With one subject or one choice, there are no intervals. p is the "
        "p-value of no difference in balanced accuracy. p, Holm, is corrected for all comparisons "
        "with the same number of training subjects. Below 0.05, there is evidence of a difference.",
    )


def _add_time(pages: _Pages, runs: Sequence[RunRecord]) -> None:
    pages.section = "Accuracy against time"
    pages.figure(
        "Accuracy against time",
        plot_accuracy_time(runs),
        "Each small marker is one run, each large one the mean of a method. Methods at the top are "
        "accurate, methods on the left are fast. The time is that of the search for a policy and "
        "of the final training, without prediction.",
    )


def _add_policies(pages: _Pages, runs: Sequence[RunRecord]) -> None:
    pages.section = "Learned policies"
    learned = statistics.learned_policies(runs)
    truth = next((run["truth"] for run in runs if run.get("truth")), None)
    methods = [method for method in sort_methods(learned["method"]) if learns_policy(method)]
    if not methods:
        text = "<p>No finished run has learned a policy.</p>"
        pages.html("Learned policies", text)
        return
    beside = (
        "The dashed line is the true extent in these simulated nights. If it is zero, the "
        "transform changes the label and should not be used."
        if truth
        else "The truth is not known for these data."
    )
    pages.figure(
        "Extents and use of each transform",
        plot_learned(runs),
        "Top: extent of each transform in its unit (for on/off transforms, the probability with "
        "which it is applied once chosen). Bottom: share of examples to which it is applied. Each "
        "small marker is one run, each large one the mean. A large extent only has an effect if "
        f"the transform is also used, and use only has an effect if the extent is above zero. "
        f"{beside}",
    )
    looks = method_styles(run["method"] for run in runs)  # all runs: fixed colours
    styles = {label_of(method): look for method, look in looks.items()}
    for size in sorted({run["n_train_subjects"] for run in runs}):
        here = [run for run in runs if run["n_train_subjects"] == size]
        histories = {
            label_of(method): [
                run["policy_history"] for run in here if run["method"] == method and _moves(run)
            ]
            for method in looks
        }
        if any(histories.values()):
            pages.figure(
                f"Learning curves of the extents, {subjects_text(size)}",
                plot_extents(histories, truth, styles),
                "Extent of each transform after each epoch. Each thin line is one run, each thick "
                "one the mean of a method. A curve that still rises or falls at the end has not "
                f"converged. {beside if truth else ''}",
            )
    for method in methods:
        for size in sorted({run["n_train_subjects"] for run in runs}):
            policies = [
                Policy.from_dict(run["policy"])
                for run in runs
                if (run["method"], run["n_train_subjects"]) == (method, size) and run.get("policy")
            ]
            if policies:
                pages.figure(
                    f"Policy of {label_of(method)}, {subjects_text(size)}",
                    plot_policy(policies, truth),
                    f"Mean over {len(policies)} run{'' if len(policies) == 1 else 's'} (bars)"
                    f"{'' if len(policies) == 1 else ' and each run (dots)'}. Left: extent on a "
                    "scale from zero to the largest allowed one. Right: share of examples to which "
                    "the transform is applied."
                    + (
                        " Green bars should reach their diamond, and purple bars should be empty."
                        if truth
                        else ""
                    ),
                )
    pages.table(
        "Policies in numbers",
        tables.policy_table(learned),
        "Mean and standard deviation over runs. Use is the share of examples to which the "
        "transform is applied. Random augmentation does not learn: its extents are the largest "
        "allowed ones, and its strengths are uniform between zero and the extent.",
    )


def _moves(run: RunRecord) -> bool:
    """Return whether the policy of a run changed during training."""
    history = run.get("policy_history") or []
    return any(step != history[0] for step in history)


def _add_confusion(pages: _Pages, runs: Sequence[RunRecord]) -> None:
    pages.section = "Confusion matrices"
    for averaging, words in AVERAGING_LABELS.items():
        if any(averaging in run["scores"] for run in runs):
            pages.figure(
                f"Confusion matrices, {words}",
                plot_confusion(runs, averaging),
                "Percentage of the windows of a true class (row) that were predicted as each class "
                "(column), mean over runs. A perfect classifier has 100 on the diagonal.",
            )
    table = tables.class_table(statistics.class_scores(runs))
    pages.table("F1 score of each class (%)", table, "Mean over runs.")


# texts and tables -----------------------------------------------------------------------------
def _progress(
    plan: dict[str, Any], runs: Sequence[RunRecord], failures: Sequence[RunRecord]
) -> str:
    keys = ("methods", "n_train_subjects", "seeds")
    text = f"{len(runs)} run{'' if len(runs) == 1 else 's'} finished"
    if all(isinstance(plan.get(key), list) for key in keys) and isinstance(plan.get("splits"), int):
        text += f" of {math.prod(len(plan[key]) for key in keys) * plan['splits']} planned"
    text += f", {len(failures)} failed."
    if not runs:
        text += " There are no results to show yet."
    elif failures:
        text += " The results below are those of the finished runs."
    classes = dict.fromkeys(name for run in runs for name in run["classes"])
    if classes:
        text += f" Classes: {', '.join(classes)}."
    command = plan.get("command")
    code = f"<pre>{html.escape(str(command))}</pre>" if command else ""
    return f"<p><b>{html.escape(text)}</b></p>{code}"


def _settings(values: dict[str, Any], otherwise: str) -> str:
    if not values:
        return f"<p>{otherwise}</p>"
    rows = []
    for key, value in values.items():
        if key == "command":
            continue  # shown above the table
        if isinstance(value, dict):
            value = ", ".join(f"{name} {item}" for name, item in value.items())
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        rows.append((key.replace("_", " "), "not set" if value is None else str(value)))
    return tables.html_table(pd.DataFrame(rows, columns=["setting", "value"]), wrap=True)


def _failure(failure: RunRecord) -> str:
    trace = str(failure.get("traceback") or "")
    details = f"<details><summary>traceback</summary><pre>{html.escape(trace)}</pre></details>"
    return (
        f"<p><b>{html.escape(failure['run_id'])}</b>: "
        f"{html.escape(str(failure.get('error', 'unknown error')))}</p>{details if trace else ''}"
    )


HOW_TO_READ = """
<p>All methods train the same network on the same windows, with the same optimiser and number of
steps. Only the augmentation differs. Test subjects (or test sessions, if splits are by session) are
held out from training.</p>
<ul>
<li><b>Methods.</b> <i>No augmentation</i> trains on the unchanged signals. <i>Random
augmentation</i> applies one random transform of random strength to each example, without learning.
<i>AugNet</i> learns the strength of each transform together with the network. <i>DDAS</i> searches
a policy on held-out training subjects, and then trains a new network with it. A learned policy is
only worth its cost if it is better than both controls.</li>
<li><b>Without averaging, averaged over copies.</b> A trained network can predict the unchanged
signal, or average its predictions over several transformed copies. Each method is scored in both
ways. The copies are drawn from the policy of the method. Averaging alone can improve or reduce the
accuracy. Two controls without augmentation in training measure this effect: <i>averaged over
full-strength random copies</i> uses the copies of random augmentation, and <i>averaged over
AugNet's learned copies</i> uses the policy that AugNet has learned on the same training subjects.
The difference between AugNet and the latter is the effect of training under its policy.</li>
<li><b>Balanced accuracy</b> is the mean recall of the classes. Rare classes count as much as
frequent ones, and the chance level is 100 % divided by the number of classes. <b>Cohen's kappa</b>
is the agreement beyond chance, at most 1. <b>Macro F1</b> is the mean F1 score of the classes.
<b>AUC</b>, with two classes, is the share of pairs of windows, one of each class, that the
predicted probabilities sort correctly. Its chance level is 50 %. <b>Negative log-likelihood</b> and
<b>calibration error</b> measure the quality of the predicted probabilities. Smaller values are
better.</li>
<li><b>Intervals.</b> Subjects differ more than methods. Methods are therefore compared on the same
subject, split and seed, and intervals are over the differences. A split is a choice of training
subjects. It is a source of variation like the test subjects, because another choice gives another
network. The 95 % confidence intervals hold for other test subjects and other choices. They use
Student's t, so they are wide for few subjects or few choices, and are widened if choices share
training subjects. With one subject or one choice, there are none. Windows of one subject are not
independent and count as one. The coverage is lower, 0.87 to 0.95, for strongly skewed differences
of few subjects. If one subject, or one session of each subject, is left out at a time, a test
subject has only one choice of training subjects, and intervals are over test subjects alone.
</li>
<li><b>p, Holm</b> is the p-value of no difference between a method and no augmentation, corrected
for the number of comparisons. Without correction, some of many methods would seem to
differ by chance.</li>
<li><b>Extents</b> are the strengths of the transforms in physical units. Zero means no change. In
simulated nights the truth is known, because subjects differ by these transforms up to these
extents. A method that has learned the invariances of the data is close to the truth, and does not
use transforms that change the label.</li>
</ul>
"""
