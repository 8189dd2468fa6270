"""Run a benchmark: every run is one unit of work, written the moment it ends."""

import dataclasses

import joblib
import numpy as np
from tqdm.auto import tqdm

from .data import load_data
from .plan import Plan, choose_subjects
from .report import write_report
from .settings import default_settings
from .store import Store
from .units import execute_control, execute_run, import_quietly, try_backbone


def run_benchmark(
    output,
    *,
    settings=None,
    methods=("none", "trivial", "augnet", "ddas"),
    n_splits=4,
    seeds=(0,),
    n_jobs=None,
    command="",
    progress=True,
):
    """Train and score every method on the same subjects, backbone, optimiser and budget.

    Parameters
    ----------
    output : path-like
        Folder for the results. Runs that it holds already are not repeated.
    settings : Settings | None
        Data, sizes and training; None is the default on simulated nights.
    methods : sequence of str
        Names in ``METHODS``.
    n_splits : int
        Number of random choices of training and test subjects.
    seeds : sequence of int
        Seeds of the training.
    n_jobs : int | None
        Runs at the same time; None is one for each core. Results do not depend on it.
    command : str
        The command line, for the report.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    report : Path
        ``report.html`` in the folder, beside ``results.csv``, ``plan.json``,
        ``environment.json``, ``runs/``, ``policies/`` and ``networks/`` (those that are scored
        again under the policy of another method).

    Raises
    ------
    ValueError
        If a method is unknown, the data have too few subjects, or the folder holds runs of other
        settings.
    OSError
        If the folder cannot be written to.

    Examples
    --------
    >>> from eeginv.benchmark import Settings, run_benchmark
    >>> settings = Settings(n_train=(1, 4), epochs=12)
    >>> run_benchmark("results", settings=settings, n_splits=5)  # doctest: +SKIP
    """
    import_quietly()
    settings = default_settings() if settings is None else settings
    plan = Plan(methods, settings.n_train, n_splits, seeds)
    store = Store.create(output, settings)
    store.describe(
        {
            **dataclasses.asdict(settings),
            "n_train_subjects": settings.n_train,
            "methods": [*plan.methods, *plan.controls],
            "splits": n_splits,
            "seeds": plan.seeds,
            "command": command,
        }
    )
    training = [run for run in plan.trained if not _is_done(store, plan, run)]
    combining = [run for run in plan.combined if store.record(run) is None]
    if training or combining:
        _execute(store, settings, training, combining, n_jobs, progress)
    store.write_table()
    return write_report(store.folder)


def _is_done(store, plan, run):
    lacks_network = plan.needs_network(run) and not store.has_network(run)
    return store.record(run) is not None and not lacks_network


def _execute(store, settings, training, combining, n_jobs, progress):
    data = load_data(settings)
    X, y, groups = data.to_arrays()
    for run in [*training, *combining]:  # complain about the subjects now, not after an hour
        choose_subjects(
            np.unique(groups), run.n_train, run.split, settings.n_train, settings.n_test
        )
    try_backbone(settings.backbone, X.shape[1:], len(data.stages), data.sfreq)  # and about this
    context = {"sfreq": data.sfreq, "truth": data.true_invariances}
    if n_jobs is None and joblib.effective_n_jobs(None) == 1:  # not inside a parallel_config
        n_jobs = min(joblib.cpu_count(), max(len(training), len(combining)))
    bar = tqdm(total=len(training) + len(combining), unit="run", disable=not progress)
    calls = (joblib.delayed(execute_run)(run, settings, X, y, groups, context) for run in training)
    _write_all(store, calls, n_jobs, bar)
    calls = list(_controls(store, combining, settings, X, y, groups))
    _write_all(store, calls, n_jobs, bar)
    bar.close()


def _controls(store, runs, settings, X, y, groups):
    """Yield the calls for the runs that are made of two others, as far as these have succeeded."""
    for run in runs:
        records = [store.record(part) for part in run.parts]
        if None not in records:
            model = store.network(run.parts[0])
            yield joblib.delayed(execute_control)(run, settings, X, y, groups, model, *records)


def _write_all(store, calls, n_jobs, bar):
    for record, model in joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")(calls):
        store.write(record, model)
        bar.update()
        if record["status"] == "failed":
            bar.write(f"{record['run_id']} failed: {record['error']}")
        elif not bar.disable:
            bar.write(f"{record['run_id']}: {_one_line(record)}")


def _one_line(record):
    accuracy = {kind: score["balanced_accuracy"] for kind, score in record["scores"].items()}
    words = ", ".join(f"{kind} {value:.3f}" for kind, value in accuracy.items())
    seconds = record["seconds_search"] + record["seconds_fit"]
    return f"balanced accuracy {words}; {seconds:.0f} s"
