"""Execution of a benchmark. The result of each run is written as soon as it ends."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
from tqdm.auto import tqdm

from .._braindecode import import_quietly
from ..datasets.load import find_form
from .data import SIMULATED, load_data
from .plan import Plan, Run, RunRecord, choose_windows, count_splits
from .report import write_report
from .settings import Settings, default_settings
from .store import Store
from .units import execute_control, execute_run, try_backbone

if TYPE_CHECKING:
    from .._typing import PathLike
    from ..datasets.labelled import LabelledWindows


def run_benchmark(
    output: PathLike,
    data: Any = None,
    *,
    settings: Settings | None = None,
    methods: Sequence[str] = ("none", "trivial", "augnet", "ddas"),
    n_splits: int | None = None,
    seeds: Sequence[int] = (0,),
    n_jobs: int | None = None,
    command: str = "",
    progress: bool = True,
    **changes: Any,
) -> Path:
    """Train and score all methods with the same subjects, backbone, optimiser and budget.

    Parameters
    ----------
    output : path-like
        Folder for the results. Runs that are already in it are not repeated.
    data : object
        Data as for :func:`~eeginv.datasets.load_windows`: arrays ``(X, y, groups)``,
        ``mne.Epochs``, a windows dataset, a dataset and a paradigm of MOABB, or a path. None takes
        the data of the settings, or simulated nights.
    settings : Settings | None
        Data, sizes and training. None takes the defaults for the data.
    methods : sequence of str
        Names in ``METHODS``.
    n_splits : int | None
        Number of splits. None is four random choices of training and test subjects, or, with
        ``split_by``, all subjects or sessions.
    seeds : sequence of int
        Seeds of the training.
    n_jobs : int | None
        Number of parallel runs. None is one for each core. Results do not depend on it.
    command : str
        The command line, for the report.
    progress : bool
        Whether to show a progress bar.
    **changes : object
        Changes of the default settings, if ``settings`` is None: ``data_options`` (dict of options
        of :func:`~eeginv.datasets.load_windows`), ``split_by``, ``n_train``, ``epochs``,
        ``backbone`` and the other fields of :class:`~eeginv.benchmark.Settings`.

    Returns
    -------
    report : Path
        ``report.html`` in the folder, beside ``results.csv``, ``plan.json``,
        ``environment.json``, ``runs/``, ``policies/`` and ``networks/`` (those that are scored
        again under the policy of another method).

    Raises
    ------
    ValueError
        If a method is unknown, the data cannot be read as asked for or have too few subjects, or
        the folder holds runs of other settings. Nothing is written then.
    OSError
        If the folder is not writable.

    Examples
    --------
    >>> from eeginv.benchmark import Settings, run_benchmark
    >>> settings = Settings(n_train=(1, 4), epochs=12)
    >>> run_benchmark("results", settings=settings, n_splits=5)  # doctest: +SKIP
    >>> run_benchmark("results", data=epochs, epochs=40, split_by="subject")  # doctest: +SKIP
    """
    import_quietly()
    if settings is None:
        settings = default_settings(SIMULATED if data is None else data, **changes)
    elif changes:
        raise TypeError(f"Set {', '.join(changes)} in the settings, which are given.")
    methods, seeds = tuple(methods), tuple(seeds)
    Plan(methods, settings.n_train or (1,), 1 if n_splits is None else n_splits, seeds)
    windows = load_data(settings, data)
    settings = settings.settle(windows, in_memory=_in_memory(data))
    n_splits = count_splits(settings.split_by, n_splits, windows.subjects, windows.sessions)
    plan = Plan(methods, settings.n_train or (1,), n_splits, seeds)
    for run in plan.trained:  # raise errors of the subjects before training
        choose_windows(run, settings, windows.subjects, windows.sessions)
    shape, n_classes = windows.X.shape[1:], len(windows.classes)
    try_backbone(str(settings.backbone), shape, n_classes, windows.sfreq)  # and of the network
    store = Store.create(output, settings)
    if progress:
        summary = repr(windows)[1:-1].removeprefix("LabelledWindows: ")
        tqdm.write(f"{summary}. Kind of task: {windows.kind}. Network: {settings.backbone}.")
    store.describe(
        {
            **dataclasses.asdict(settings),
            "windows": repr(windows)[1:-1].removeprefix("LabelledWindows: "),
            "kind": windows.kind,
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
        _execute(store, settings, windows, training, combining, n_jobs, progress)
    store.write_table()
    return write_report(store.folder)


def _is_done(store: Store, plan: Plan, run: Run) -> bool:
    lacks_network = plan.needs_network(run) and not store.has_network(run)
    return store.record(run) is not None and not lacks_network


def _in_memory(data: Any) -> bool:
    return data is not None and not isinstance(find_form(data)[1], (str, Path))


def _execute(
    store: Store,
    settings: Settings,
    windows: LabelledWindows,
    training: Sequence[Run],
    combining: Sequence[Run],
    n_jobs: int | None,
    progress: bool,
) -> None:
    arrays = windows.to_arrays()
    context = {name: getattr(windows, name) for name in ("sfreq", "ch_names", "kind", "sessions")}
    context["truth"] = windows.true_invariances
    if n_jobs is None and joblib.effective_n_jobs(None) == 1:  # outside a parallel_config
        n_jobs = min(joblib.cpu_count(), max(len(training), len(combining)))
    bar = tqdm(total=len(training) + len(combining), unit="run", disable=not progress)
    calls = (joblib.delayed(execute_run)(run, settings, *arrays, context) for run in training)
    _write_all(store, calls, n_jobs, bar)
    controls = list(_controls(store, combining, settings, *arrays, context))
    _write_all(store, controls, n_jobs, bar)
    bar.close()


def _controls(store: Store, runs: Sequence[Run], settings: Settings, *data: Any) -> Iterator[Any]:
    """Yield the calls for the runs that combine two others, if these have succeeded."""
    for run in runs:
        records = [store.record(part) for part in run.parts]
        if None not in records:
            model = store.network(run.parts[0])
            yield joblib.delayed(execute_control)(run, settings, *data, model, *records)


def _write_all(store: Store, calls: Iterable[Any], n_jobs: int | None, bar: tqdm) -> None:
    for record, model in joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")(calls):
        store.write(record, model)
        bar.update()
        if record["status"] == "failed":
            bar.write(f"{record['run_id']} failed: {record['error']}")
        elif not bar.disable:
            bar.write(f"{record['run_id']}: {_one_line(record)}")


def _one_line(record: RunRecord) -> str:
    accuracy = {kind: score["balanced_accuracy"] for kind, score in record["scores"].items()}
    words = ", ".join(f"{kind} {value:.3f}" for kind, value in accuracy.items())
    seconds = record["seconds_search"] + record["seconds_fit"]
    return f"balanced accuracy {words}; {seconds:.0f} s"
