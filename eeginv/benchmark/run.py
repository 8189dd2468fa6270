"""Run a benchmark: every run is one unit of work, written the moment it ends."""

import platform
import sys
from importlib.metadata import version

import joblib
import numpy as np
from tqdm.auto import tqdm

from .._files import write_atomically
from .._json import plain
from .methods import DERIVED, METHODS
from .plan import Run, Settings, choose_subjects, make_plan
from .store import Store
from .units import execute_derived, execute_run, import_quietly, try_backbone


def load_data(settings):
    """Load the data of a benchmark.

    Parameters
    ----------
    settings : Settings
        Says which.

    Returns
    -------
    data : SleepDataset
        The recordings.
    """
    from .. import datasets

    if settings.data == "simulated":
        return datasets.simulate_sleep(**settings.data_options)
    return datasets.load_sleep_folder(settings.data, **settings.data_options)


def common_stages(folder, **options):
    """Name the stages that every recording of a folder has.

    Parameters
    ----------
    folder : path-like
        Folder of recordings.
    **options : object
        Arguments of the loader.

    Returns
    -------
    stages : tuple of str
        At least two.
    """
    from .. import datasets

    data = datasets.load_sleep_folder(folder, **options)
    _, y, groups = data.to_arrays()
    stages = tuple(
        stage for stage in data.stages if all(stage in y[groups == g] for g in np.unique(groups))
    )
    if len(stages) < 2:
        raise ValueError(
            f"The recordings of {folder} have fewer than two stages in common ({stages}); choose "
            "with --stages."
        )
    return stages


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

    Examples
    --------
    >>> from eeginv.benchmark import Settings, run_benchmark
    >>> settings = Settings(n_train=(1, 4), epochs=12)
    >>> run_benchmark("results", settings=settings, n_splits=5)  # doctest: +SKIP
    """
    from .report import write_report

    import_quietly()
    settings = default_settings("simulated") if settings is None else settings
    unknown = [name for name in methods if name not in METHODS]
    if unknown or not methods:
        raise ValueError(f"Unknown methods {unknown}; known are {', '.join(METHODS)}.")
    store = Store(output, settings)
    methods, seeds = list(dict.fromkeys(methods)), list(dict.fromkeys(seeds))
    derived = [name for name, parts in DERIVED.items() if set(parts) <= set(methods)]
    needed = {DERIVED[name][0] for name in derived}
    plan = make_plan(methods, settings.n_train, n_splits, list(seeds))
    missing = [
        run
        for run in plan
        if not store.has(run) or (run.method in needed and not store.has_network(run))
    ]
    after = make_plan(derived, settings.n_train, n_splits, list(seeds)) if derived else []
    after = [run for run in after if not store.has(run)]
    _describe(store, settings, [*methods, *derived], n_splits, seeds, command)
    if missing or after:
        _execute(store, settings, missing, after, n_jobs, progress)
    store.write_table()
    return write_report(store.folder)


def _execute(store, settings, missing, after, n_jobs, progress):
    data = load_data(settings)
    X, y, groups = data.to_arrays()
    for run in [*missing, *after]:  # complain about the subjects now, not after an hour
        choose_subjects(
            np.unique(groups), run.n_train, run.split, settings.n_train, settings.n_test
        )
    try_backbone(settings.backbone, X.shape[1:], len(data.stages), data.sfreq)  # and about this
    context = {"sfreq": data.sfreq, "truth": data.true_invariances}
    if n_jobs is None and joblib.effective_n_jobs(None) == 1:  # not inside a parallel_config
        n_jobs = min(joblib.cpu_count(), max(len(missing), len(after)))
    bar = tqdm(total=len(missing) + len(after), unit="run", disable=not progress)
    runs = (joblib.delayed(execute_run)(run, settings, X, y, groups, context) for run in missing)
    _write_all(store, runs, n_jobs, bar)
    _write_all(store, list(_derive(store, after, settings, X, y, groups)), n_jobs, bar)
    bar.close()


def _derive(store, runs, settings, X, y, groups):
    """Yield the calls for the runs that are made of two others, as far as these have succeeded."""
    for run in runs:
        parts = [Run(name, run.n_train, run.split, run.seed) for name in DERIVED[run.method]]
        if all(map(store.has, parts)):
            model, records = store.network(parts[0]), [store.record(part) for part in parts]
            call = joblib.delayed(execute_derived)
            yield call(run, settings, X, y, groups, model, *records)


def _write_all(store, calls, n_jobs, bar):
    for record in joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")(calls):
        store.write(record)
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


def default_settings(data, **changes):
    """Choose settings that suit the data.

    Parameters
    ----------
    data : str
        "simulated", or a folder of recordings.
    **changes : object
        Fields of :class:`Settings` to set otherwise; None leaves the default.

    Returns
    -------
    settings : Settings
        The settings.

    Examples
    --------
    >>> from eeginv.benchmark import default_settings
    >>> default_settings("simulated", epochs=5).epochs
    5
    """
    if data == "simulated":
        defaults = {
            "data_options": {"n_subjects": 12, "sfreq": 64.0, "random_state": 0},
            "n_train": (2,),
            "n_test": 6,
            "epochs": 40,
            "lr": 2e-3,
        }
    else:
        defaults = {"n_train": (4,), "epochs": 12, "data_options": {"crop_wake": None}}
    given = {name: value for name, value in changes.items() if value is not None}
    import_quietly()
    options = {**defaults["data_options"], **given.pop("data_options", {})}
    if data != "simulated" and options.get("stages") is None:
        options["stages"] = common_stages(data, **options)
    return Settings(**{**defaults, **given, "data": data, "data_options": options})


def _describe(store, settings, methods, n_splits, seeds, command):
    import dataclasses
    import json

    plan = {
        **dataclasses.asdict(settings),
        "n_train_subjects": list(settings.n_train),
        "methods": list(methods),
        "splits": n_splits,
        "seeds": list(seeds),
        "command": command,
    }
    packages = ("eeginv", "torch", "braindecode", "skorch", "scikit-learn", "mne", "numpy")
    environment = {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpu_count": joblib.cpu_count(),
        "packages": {name: version(name) for name in packages},
    }
    write_atomically(store.folder / "plan.json", json.dumps(plain(plan), indent=1))
    write_atomically(store.folder / "environment.json", json.dumps(environment, indent=1))
