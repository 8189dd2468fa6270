"""Execution of a benchmark. The result of each run is written as soon as it ends."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
from tqdm.auto import tqdm

from .._braindecode import import_quietly
from .._process import call_all
from ..datasets.load import find_form
from .data import SIMULATED, load_data
from .plan import Part, Plan, Run, RunRecord, choose_windows, count_splits
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
    only: str | None = None,
    command: str = "",
    progress: bool = True,
    **changes: Any,
) -> Path | None:
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
        Data, sizes and training. None takes the defaults for the data. A path in ``data`` replaces
        that of the settings.
    methods : sequence of str
        Names in ``METHODS``.
    n_splits : int | None
        Number of splits. None is four random choices of training and test subjects, or, with
        ``split_by``, all subjects or sessions.
    seeds : sequence of int
        Seeds of the training.
    n_jobs : int | None
        Number of parallel runs. None is one for each core. Results do not depend on it.
    only : str | None
        One part of the runs, such as "3/16", the third of sixteen. All parts must have the same
        arguments and folder, and may run at the same time or one after the other. The last one to
        end writes the report. None is all runs.
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
    report : Path | None
        ``report.html`` in the folder, beside ``results.csv``, ``plan.json``,
        ``environment.json``, ``runs/``, ``policies/`` and ``networks/`` (those that are scored
        again under the policy of another method). None where runs of other parts are missing: then
        neither table nor report is written.

    Raises
    ------
    ValueError
        If a method is unknown, there is no such part, the data cannot be read as asked for or have
        too few subjects, or the folder holds runs of other settings. Nothing is written then.
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
    elif isinstance(data, (str, Path)) and str(data) != settings.data:
        settings = dataclasses.replace(settings, data=str(data))
    methods, seeds = tuple(methods), tuple(seeds)
    part = None if only is None else Part.parse(only)
    Plan(methods, settings.n_train or (1,), 1 if n_splits is None else n_splits, seeds)
    windows = load_data(settings, data)
    settings = settings.settle(windows, in_memory=_in_memory(data))
    n_splits = count_splits(settings.split_by, n_splits, windows.subjects, windows.sessions)
    plan = Plan(methods, settings.n_train or (1,), n_splits, seeds)
    for run in plan.trained:  # raise errors of the subjects before training
        choose_windows(run, settings, windows.subjects, windows.sessions)
    shape, n_classes = windows.X.shape[1:], len(windows.classes)
    try_backbone(str(settings.backbone), shape, n_classes, windows.sfreq)  # and of the network
    store = Store.create(output, settings, shared=part is not None)
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
            **({} if part is None else {"parts": part.of}),
            "command": command,
        }
    )
    mine = set(plan.trained if part is None else plan.share(part))
    training = [run for run in plan.trained if run in mine and not _is_done(store, plan, run)]
    combining = [run for run in plan.combined if mine & {*run.parts} and not store.record(run)]
    if training or combining:
        _execute(store, settings, windows, training, combining, n_jobs, progress)
    missing = [] if part is None else _missing(store, plan)
    if missing:
        if progress:
            tqdm.write(f"Part {part} is done. {_count_missing(missing, plan)}")
        return None
    store.write_table()
    return write_report(store.folder)


def _missing(store: Store, plan: Plan) -> list[Run]:
    """List the runs that have neither ended nor failed, as far as they can be made."""
    feasible = [run for run in plan.combined if not any(map(store.has_failed, run.parts))]
    runs = [*plan.trained, *feasible]
    return [run for run in runs if not store.record(run) and not store.has_failed(run)]


def _count_missing(missing: Sequence[Run], plan: Plan) -> str:
    planned = len(plan.trained) + len(plan.combined)
    return (
        f"{len(missing)} of the benchmark's {planned} runs are missing; the report is written when "
        "the last part has done its own."
    )


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
    for _, (record, model) in call_all(calls, n_jobs):
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
