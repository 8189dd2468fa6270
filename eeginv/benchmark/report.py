"""The report: what was run, what came out, and how to read it, in one HTML file."""

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
    """Write the report on the runs that a folder holds, finished or not.

    Parameters
    ----------
    folder : path-like
        Output folder of the benchmark, with ``plan.json``, ``environment.json`` and ``runs``.

    Returns
    -------
    path : pathlib.Path
        The report, ``report.html`` in the folder. An earlier one is replaced only when the new
        one is complete.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.

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
        "Mean over test subjects of each subject's mean over runs, with the 95 % interval over "
        f"{_sampled(runs)} in brackets. These intervals say how much subjects and choices differ; "
        "to compare methods, read the paired differences below.",
    )
    pages.table(
        "Predicted probabilities, time and memory",
        tables.cost_table(summary),
        "Means over runs. Peak memory is the largest of the whole process while fitting.",
    )


def _sampled(runs: Sequence[RunRecord]) -> str:
    """Say what intervals are over."""
    if any(run.get("split_by", "random") != "random" for run in runs):
        return "test subjects"
    return "test subjects and choices of training subjects"


def _add_differences(pages: _Pages, runs: Sequence[RunRecord]) -> None:
    pages.section = "Paired differences"
    table = statistics.paired_differences(runs)
    if table.empty:
        pages.html(
            "Differences to no augmentation",
            "<p>No run of another method has a partner without augmentation on the same split and "
            "seed yet, so there is nothing to compare.</p>",
        )
        return
    pages.figure(
        "Differences to no augmentation",
        plot_differences(table),
        "Each method against no augmentation on the same split, seed and test subject, in "
        "percentage points of balanced accuracy. Right of the black line is better. Filled "
        "markers predict the unchanged signals, open ones average over transformed copies. The two "
        "rows of no augmentation show what averaging alone brings: over full-strength random "
        "copies, and over the copies that AugNet has learned on the same training subjects. Lines "
        f"are 95 % intervals over {_sampled(runs)}, each for itself; "
        "whether a method differs, among all that are compared, says the corrected p-value in the "
        "table below. Lines may be cut off at the edge of the panel; the table has them in full.",
    )
    others = [statistics.paired_differences(runs, metric) for metric in ("macro_f1", "kappa")]
    pages.table(
        "Differences in numbers",
        tables.difference_table(table, *others),
        "In percentage points (kappa: in hundredths), with 95 % intervals over "
        f"{_sampled(runs)}. They are empty with one subject or one choice. p is the "
        "p-value of no difference in balanced accuracy, and p, Holm, is corrected for all "
        "comparisons with as many training subjects: below 0.05 there is evidence of a difference.",
    )


def _add_time(pages: _Pages, runs: Sequence[RunRecord]) -> None:
    pages.section = "Accuracy against time"
    pages.figure(
        "Accuracy against time",
        plot_accuracy_time(runs),
        "Each small marker is one run, each large one the mean of a method. Further up is more "
        "accurate, further left is faster. The time is that of searching a policy and of fitting "
        "the final network, not of predicting.",
    )


def _add_policies(pages: _Pages, runs: Sequence[RunRecord]) -> None:
    pages.section = "Learned policies"
    learned = statistics.learned_policies(runs)
    truth = next((run["truth"] for run in runs if run.get("truth")), None)
    methods = [method for method in sort_methods(learned["method"]) if learns_policy(method)]
    if not methods:
        text = "<p>None of the finished runs has learned a policy.</p>"
        pages.html("Learned policies", text)
        return
    beside = (
        "The dashed line is the true extent in these simulated nights; where it is zero the "
        "transform changes the label and should not be used."
        if truth
        else "The truth is not known for these data."
    )
    pages.figure(
        "Extents and use of each transform",
        plot_learned(runs),
        "Above, how far each transform goes, in its own unit (for on/off transforms, "
        "the probability with which it is applied once chosen); below, the share of examples to "
        "which it is applied. Each small marker is one run, each large one the mean. A large "
        f"extent matters only if the transform is also used, and use changes nothing where the "
        f"extent is zero. {beside}",
    )
    looks = method_styles(run["method"] for run in runs)  # of all: colours stay
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
                "How the extent of each transform moves while it is learned, epoch by epoch: each "
                "thin line is one run, each thick one the mean of a method. A curve that still "
                f"climbs or falls at the end has not settled. {beside if truth else ''}",
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
                    f"{'' if len(policies) == 1 else ' and each run (dots)'}. Left, the extent on "
                    "a scale from zero to the largest that is allowed; right, the share of "
                    "examples to which the transform is applied."
                    + (
                        " Left, green bars should reach their diamond and purple ones be empty."
                        if truth
                        else ""
                    ),
                )
    pages.table(
        "Policies in numbers",
        tables.policy_table(learned),
        "Mean and standard deviation over runs. Use is the share of examples to which the "
        "transform is applied. Random augmentation learns nothing: its extents are the largest "
        "allowed, and its strengths uniform between zero and them.",
    )


def _moves(run: RunRecord) -> bool:
    """Whether the policy of a run changed while it was trained."""
    history = run.get("policy_history") or []
    return any(step != history[0] for step in history)


def _add_confusion(pages: _Pages, runs: Sequence[RunRecord]) -> None:
    pages.section = "Confusion matrices"
    for averaging, words in AVERAGING_LABELS.items():
        if any(averaging in run["scores"] for run in runs):
            pages.figure(
                f"Confusion matrices, {words}",
                plot_confusion(runs, averaging),
                "Of all windows of a true class (row), the percentage that was predicted as each "
                "class (column), mean over runs. A perfect classifier has 100 along the diagonal.",
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
        text += " The results below are those of the finished runs alone."
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
            continue  # stands above
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
<p>Every method trained the same network on the same windows, with the same optimiser and the same
number of steps; only the augmentation differs. Test subjects (test sessions, where splits go by
session) were never seen in training.</p>
<ul>
<li><b>Methods.</b> <i>No augmentation</i> trains on the signals as they are. <i>Random
augmentation</i> applies one transform, chosen blindly and at a random strength, to each example; it
learns nothing. <i>AugNet</i> learns the strength of each transform together with the network.
<i>DDAS</i> searches a policy on held-out training subjects, then trains again with it. A learner is
worth its cost only if it beats both controls.</li>
<li><b>Without averaging, averaged over copies.</b> A trained network can predict the signal as it
is, or average its predictions over several transformed copies. Each method is scored in both ways.
The copies are drawn from the method's own policy. Averaging can help or hurt by itself, and two
controls without augmentation in training show how much: <i>averaged over full-strength random
copies</i>, those of random augmentation; and <i>averaged over AugNet's learned copies</i>, the same
network under the policy that AugNet has learned on the same training subjects. What AugNet has
beyond the latter comes from training under its policy.</li>
<li><b>Balanced accuracy</b> is the mean over classes of the share of windows that are recognised:
rare classes count as much as frequent ones; guessing gives 100 % divided by the number of
classes. <b>Cohen's kappa</b> is agreement beyond chance, 1 at best. <b>Macro F1</b> is the mean F1
score of the classes. <b>AUC</b>, with two classes, is the share of pairs of windows, one of each
class, that the predicted probabilities put in the right order; guessing gives 50 %. <b>Negative
log-likelihood</b> and <b>calibration error</b> are smaller the better: they say whether the
predicted probabilities can be trusted.</li>
<li><b>Intervals.</b> Subjects differ more than methods do. So methods are compared on the same
subject, split and seed, and the interval is over the differences. A split is a choice of training
subjects, which counts as much as the test subjects do: another choice gives another network. The
95 % intervals hold for other test subjects and other choices at once; they rest on Student's t, so
that few subjects or few choices make them wide, and are widened where choices share training
subjects. With one subject or one choice there is none. Windows of one subject are not independent
and count as one. Strongly skewed differences of few subjects are covered less often, 0.87 to 0.95.
Where one subject, or one session of each, is left out at a time, there is no second choice of
training subjects for a test subject, and the intervals are over test subjects alone.
</li>
<li><b>p, Holm</b> is the p-value of a method that does not differ from no augmentation, corrected
for the number of comparisons: of many methods some seem to differ by chance.</li>
<li><b>Extents</b> are the strengths of the transforms in physical units, zero being no change at
all. In simulated nights the truth is known: subjects differ by exactly those transforms, by that
much. A method that has learned the invariances of the data comes near the truth where there is one,
and does not use the transforms that change the label.</li>
</ul>
"""
