"""Report the study on real EEG: each task, and all of them together.

    python benchmarks/real_eeg_report.py results/real_eeg.csv [--baseline random]
    python benchmarks/real_eeg_report.py results/real_eeg.csv --figure doc/figures/real_eeg.png

Needs statsmodels for the pooled differences.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from real_eeg_tasks import TASKS
from scipy import stats

from eeginv.benchmark.intervals import CrossedMean, crossed_mean, holm, shared_subjects

LABELS = {
    "random": "random",
    "by hand": "fixed by hand",
    "augnet": "AugNet",
    "augerino": "Augerino",
    "auto": '"auto"',
    "fastaa": "Fast AutoAugment",
    "randaugment": "RandAugment",
}
COMPONENTS = {"task": "0 + C(task)", "training": "0 + C(training)", "person": "0 + C(person)"}


def gains_over(table, baseline="none", score="plain"):
    """Pair every method with another one, by task, choice and subject.

    Parameters
    ----------
    table : DataFrame
        Rows of the study, of one half.
    baseline : str
        The method that the others are compared with.
    score : str
        Column to compare.

    Returns
    -------
    gains : DataFrame
        Columns task, data, method, choice, subject, gain (points).
    """
    keys = ["task", "choice", "subject"]
    given = table.loc[table["method"] == baseline].set_index(keys)[score].rename("baseline")
    gains = table.loc[table["method"] != baseline].join(given, on=keys, how="inner")
    gains = gains.assign(
        gain=100 * (gains[score] - gains["baseline"]),
        data=gains["task"].map({name: task.data for name, task in TASKS.items()}),
    )
    return gains[["task", "data", "method", "choice", "subject", "gain"]]


def pooled(gains, level=0.95, other_data=False):
    """Estimate the mean difference over tasks by a linear mixed-effects model.

    The effects of the task, of the training (choice of subjects and seed, within the task) and of
    the test subject (across the tasks of one data set) are random, so that the interval is about
    other tasks, choices and subjects of these data sets. It takes Student's t with one degree of
    freedom less than there are tasks, for the variance between tasks is known from so few.

    Parameters
    ----------
    gains : DataFrame
        Of one method, as from :func:`gains_over`.
    level : float
        Coverage.
    other_data : bool
        Whether the data set has a random effect too. The interval is then also about other data
        sets, and the degrees of freedom are one less than there are data sets.

    Returns
    -------
    result : CrossedMean
        Mean, interval and p-value.

    Raises
    ------
    RuntimeError
        If the fit does not converge.
    """
    gains = gains.assign(
        training=gains["task"] + " " + gains["choice"].astype(str),
        person=gains["data"] + " " + gains["subject"].astype(str),
    )
    fitted = _fit(gains, "1" if other_data else "0")
    # Generalised least squares under these variances; the errors that statsmodels gives are NaN
    # where one of them is zero.
    covariance = fitted.scale * np.eye(len(gains))
    for name, variance in zip(fitted.model.exog_vc.names, fitted.vcomp, strict=True):
        covariance += variance * np.equal.outer(*[gains[name].to_numpy()] * 2)
    if other_data:
        covariance += fitted.cov_re.iloc[0, 0] * np.equal.outer(*[gains["data"].to_numpy()] * 2)
    weights = np.linalg.solve(covariance, np.ones(len(gains)))
    mean = float(weights @ gains["gain"].to_numpy() / weights.sum())
    error = float(weights.sum() ** -0.5)
    degrees = gains["data" if other_data else "task"].nunique() - 1
    half = stats.t.isf((1 - level) / 2, degrees) * error
    p_value = float(2 * stats.t.sf(abs(mean) / error, degrees))
    return CrossedMean(mean, mean - half, mean + half, p_value)


def _fit(gains, of_data):
    """Fit the model by two optimisers; the default one of statsmodels often ends early."""
    from statsmodels.formula.api import mixedlm

    model = mixedlm("gain ~ 1", gains, groups="data", re_formula=of_data, vc_formula=COMPONENTS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of variances at zero, which are fine here
        fits = [model.fit(reml=True, method=[name]) for name in ("lbfgs", "powell")]
    converged = [fitted for fitted in fits if fitted.converged]
    if not converged:
        raise RuntimeError("The mixed-effects model did not converge.")
    return max(converged, key=lambda fitted: fitted.llf)


def compare_on(table, task, baseline="none"):
    """Compare all methods with another one on a task.

    Parameters
    ----------
    table : DataFrame
        Rows of the study, of one half.
    task : str
        Name of the task.
    baseline : str
        The method that the others are compared with.

    Returns
    -------
    results : dict
        From the name of a method to a :class:`CrossedMean`, in points.
    """
    rows = table.loc[table["task"] == task]
    trained_on = rows.groupby("choice")["train"].first()
    shared = shared_subjects(
        [{"split": c, "train_subjects": names.split()} for c, names in trained_on.items()]
    )
    gains = gains_over(rows, baseline)
    return {
        method: crossed_mean(mine["gain"], mine["subject"], mine["choice"], shared)
        for method, mine in gains.groupby("method", sort=False)
    }


def report(table, baseline="none"):
    """Print scores, and differences to a method with intervals and corrected p-values.

    Parameters
    ----------
    table : DataFrame
        Rows of the study.
    baseline : str
        The method that the others are compared with.
    """
    for half, rows in table.groupby("half", sort=False):
        for task in rows["task"].unique():
            _report_task(rows, task, half, baseline)
        if rows["task"].nunique() > 1:
            _report_all(rows, half, baseline)
            _report_copies(rows)


def _report_task(table, task, half, baseline):
    rows = table.loc[table["task"] == task]
    n_choices = rows["choice"].nunique()
    print(
        f"\n{task}, {half} half, {n_choices} choices: balanced accuracy, "
        f"points over {baseline} [95 %], p (Holm), standard error over choices, time"
    )
    compared = compare_on(table, task, baseline)
    by_choice = gains_over(rows, baseline).groupby(["method", "choice"])["gain"].mean()
    corrected = dict(zip(compared, holm([r.p_value for r in compared.values()]), strict=True))
    times = _times(rows, baseline)
    for method in rows["method"].unique():
        mine = rows.loc[rows["method"] == method].groupby("choice")[["plain", "averaged"]]
        mean = mine.mean().mean()
        text = ""
        if method in compared:
            error = by_choice[method].sem()
            text = f"{_interval(compared[method])} {corrected[method]:.2f} {error:.1f}"
            text += f" {times[method]:.1f}"
        print(f"  {method:12} {mean['plain']:.3f} (averaged {mean['averaged']:.3f}) {text}")


def _report_all(table, half, baseline):
    gains, losses = (gains_over(table, baseline, score) for score in ("plain", "plain_log_loss"))
    print(
        f"\nAll {table['task'].nunique()} tasks, {half} half: points over {baseline}, mean of the "
        "tasks; mixed model of task, choice and subject [95 %], p (Holm); that of the log-loss, "
        "in hundredths of a nat; mean of the tasks, averaged over ten copies; time; mixed model "
        "for other data sets too"
    )
    found = {name: pooled(rows) for name, rows in gains.groupby("method", sort=False)}
    corrected = dict(zip(found, holm([result.p_value for result in found.values()]), strict=True))
    averaged = gains_over(table, baseline, "averaged")
    times = _times(table, baseline)
    for method, result in found.items():
        mean, copies = (
            _mean_of_tasks(each.loc[each["method"] == method]) for each in (gains, averaged)
        )
        others = pooled(gains.loc[gains["method"] == method], other_data=True)
        loss = pooled(losses.loc[losses["method"] == method])
        print(
            f"  {method:12} {mean:+5.1f}; {_interval(result)} {corrected[method]:.3f}; "
            f"{_interval(loss)}; {copies:+5.1f}; {times[method]:.1f}; {_interval(others)}"
        )


def _times(table, baseline):
    """Return the median time of each method in trainings of another, on the same kind of device."""
    keys = ["task", "choice", "device"]
    seconds = table.groupby([*keys, "method"])["seconds"].first().unstack("method")
    return seconds.div(seconds[baseline], axis=0).median()


def _report_copies(table):
    """Print what averaging predictions over copies changes."""
    print(
        "\nTen copies less none: points of balanced accuracy, hundredths of a nat of log-loss; "
        "mixed model [95 %]"
    )
    data = table["task"].map({name: task.data for name, task in TASKS.items()})
    for method, rows in table.assign(data=data).groupby("method", sort=False):
        changes = [
            pooled(rows.assign(gain=100 * (rows[f"averaged{score}"] - rows[f"plain{score}"])))
            for score in ("", "_log_loss")
        ]
        print(f"  {method:12} {_interval(changes[0])}; {_interval(changes[1])}")


def _mean_of_tasks(gains):
    """Return the mean over tasks of the means over their subjects."""
    of_subjects = gains.groupby(["task", "subject"])["gain"].mean()
    return float(of_subjects.groupby("task").mean().mean())


def _interval(result):
    return f"{result.mean:+5.1f} [{result.low:+.1f}, {result.high:+.1f}]"


def plot(table, path):
    """Draw the gain over no augmentation: a panel for each method, a row for each task.

    Parameters
    ----------
    table : DataFrame
        Rows of the study, of one half.
    path : Path
        PNG file to write.
    """
    import matplotlib.pyplot as plt

    tasks = list(table["task"].unique())
    gains = gains_over(table)
    methods = [name for name in LABELS if name in set(gains["method"])]
    by_task = {task: compare_on(table, task) for task in tasks}
    height = np.append(np.arange(len(tasks), 0, -1.0), -0.5)
    figure, panels = plt.subplots(
        1,
        len(methods),
        sharex=True,
        sharey=True,
        squeeze=False,
        figsize=(2 + 1.5 * len(methods), 4),
        layout="constrained",
    )
    for method, axes in zip(methods, panels[0], strict=True):
        rows = [by_task[task].get(method) for task in tasks]
        rows.append(pooled(gains.loc[gains["method"] == method]))
        colours = ["tab:blue"] * len(tasks) + ["black"]
        for y, result, colour in zip(height, rows, colours, strict=True):
            if result is not None:
                axes.plot([result.low, result.high], [y, y], color=colour, lw=1)
                axes.plot(result.mean, y, "o", color=colour, ms=4)
        axes.axvline(0, color="0.6", lw=0.8, zorder=0)
        axes.set_title(LABELS[method], fontsize=9)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    widest = np.abs([r.mean for found in by_task.values() for r in found.values()]).max()
    panels[0][0].set_xlim(-2.5 * widest, 2.5 * widest)
    panels[0][0].set_yticks(height, [*tasks, "all tasks"])
    figure.supxlabel("balanced accuracy, points over no augmentation, 95 % intervals", size=9)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main():
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tables", nargs="+", type=Path)
    parser.add_argument("--baseline", default="none", help="method to compare with")
    parser.add_argument("--figure", type=Path, help="always over none")
    parser.add_argument("--methods", nargs="+", help="default: all in the tables")
    arguments = parser.parse_args()
    table = pd.concat([pd.read_csv(path) for path in arguments.tables], ignore_index=True)
    if arguments.methods is not None:
        table = table.loc[table["method"].isin(["none", *arguments.methods])]
    report(table, arguments.baseline)
    if arguments.figure is not None:
        plot(table, arguments.figure)


if __name__ == "__main__":
    main()
