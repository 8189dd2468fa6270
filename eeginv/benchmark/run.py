"""Run a benchmark: every run is one unit of work, written the moment it ends."""

import gc
import platform
import sys
import time
import traceback
import warnings
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
from tqdm.auto import tqdm

from .._torchaudio_hook import TorchaudioExtensionWarning
from ..estimators.backbone import build_backbone
from .methods import METHODS
from .plan import Settings, choose_subjects, make_plan
from .scores import score_predictions
from .store import Store, write_atomically


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
        ``environment.json``, ``runs/`` and ``policies/``.

    Examples
    --------
    >>> from eeginv.benchmark import Settings, run_benchmark
    >>> settings = Settings(n_train=(1, 4), epochs=12)
    >>> run_benchmark("results", settings=settings, n_splits=5)  # doctest: +SKIP
    """
    from .report import write_report

    _silence_imports()
    settings = default_settings("simulated") if settings is None else settings
    unknown = [name for name in methods if name not in METHODS]
    if unknown or not methods:
        raise ValueError(f"Unknown methods {unknown}; known are {', '.join(METHODS)}.")
    store = Store(output, settings)
    plan = make_plan(list(methods), settings.n_train, n_splits, list(seeds))
    missing = [run for run in plan if not store.has(run)]
    _describe(store, settings, methods, n_splits, seeds, command)
    if missing:
        _execute(store, settings, missing, n_jobs, progress)
    store.write_table()
    return write_report(store.folder)


def _execute(store, settings, missing, n_jobs, progress):
    data = load_data(settings)
    X, y, groups = data.to_arrays()
    for run in missing:  # complain about the subjects now, not after an hour
        choose_subjects(
            np.unique(groups), run.n_train, run.split, settings.n_train, settings.n_test
        )
    build_backbone(  # and about the backbone
        settings.backbone,
        n_chans=X.shape[1],
        n_times=X.shape[2],
        n_outputs=len(data.stages),
        sfreq=data.sfreq,
    )
    context = {
        "sfreq": data.sfreq,
        "stages": list(data.stages),
        "truth": data.true_invariances,
    }
    if n_jobs is None and joblib.effective_n_jobs(None) == 1:  # not inside a parallel_config
        n_jobs = min(joblib.cpu_count(), len(missing))
    results = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        joblib.delayed(execute_run)(run, settings, X, y, groups, context) for run in missing
    )
    bar = tqdm(total=len(missing), unit="run", disable=not progress)
    for record in results:
        store.write(record)
        bar.update()
        if record["status"] == "failed":
            bar.write(f"{record['run_id']} failed: {record['error']}")
        else:
            bar.write(f"{record['run_id']}: {_one_line(record)}")
    bar.close()


def _silence_imports():
    """Silence, in each worker, what third parties say whenever they are imported."""
    warnings.filterwarnings("ignore", category=TorchaudioExtensionWarning)
    warnings.filterwarnings("ignore", "Montage name", category=FutureWarning)


def _one_line(record):
    plain, averaged = (record["scores"][k]["balanced_accuracy"] for k in ("plain", "averaged"))
    seconds = record["seconds_search"] + record["seconds_fit"]
    return f"balanced accuracy {plain:.3f}, averaged {averaged:.3f}, {seconds:.0f} s"


def execute_run(run, settings, X, y, groups, context):
    """Train and score one method once.

    Parameters
    ----------
    run : Run
        What to do.
    settings : Settings
        What all runs share.
    X : ndarray, shape (n_windows, n_channels, n_times)
        Signals.
    y : ndarray, shape (n_windows,)
        Stages.
    groups : ndarray, shape (n_windows,)
        Subjects.
    context : dict
        ``sfreq``, ``stages`` and ``truth`` of the data.

    Returns
    -------
    record : dict
        Plain values: the scores, or, if the run failed, the error.
    """
    identity = {
        "run_id": run.run_id,
        "data": settings.data,
        "method": run.method,
        "split": run.split,
        "seed": run.seed,
        "n_train_subjects": run.n_train,
    }
    _silence_imports()
    try:
        return {
            **identity,
            "status": "done",
            **_train_and_score(run, settings, X, y, groups, context),
        }
    except Exception as error:
        return {
            **identity,
            "status": "failed",
            "error": f"{type(error).__name__}: {str(error).strip()}",
            "traceback": traceback.format_exc(),
        }


def _train_and_score(run, settings, X, y, groups, context):
    train, test = choose_subjects(
        np.unique(groups), run.n_train, run.split, settings.n_train, settings.n_test
    )
    rows, held_out = np.isin(groups, train), np.isin(groups, test)
    options = {
        "backbone": settings.backbone,
        "sfreq": context["sfreq"],
        "max_epochs": settings.epochs_for(run.n_train),
        "batch_size": settings.batch_size,
        "lr": settings.lr,
        "n_copies": settings.n_copies,
        "class_weight": "balanced",
        "random_state": run.random_state,
    }
    _warm_up(options, X.shape[1:])
    memory = PeakMemory()
    fitted = METHODS[run.method](options, X[rows], y[rows], groups[rows])
    peak = memory.read()
    module, scores = fitted.model.module_, {}
    for name, n_copies in (("plain", 0), ("averaged", settings.n_copies)):
        module.n_copies = n_copies
        start = time.perf_counter()
        probabilities = fitted.model.predict_proba(X[held_out])
        seconds = time.perf_counter() - start
        scores[name] = score_predictions(
            y[held_out], probabilities, groups[held_out], fitted.model.classes_
        )
        scores[name]["seconds_predict"] = seconds
    history = fitted.policy_history
    return {
        "train_subjects": train.tolist(),
        "test_subjects": test.tolist(),
        "stages": fitted.model.classes_.tolist(),
        "scores": scores,
        "seconds_search": fitted.seconds_search,
        "seconds_fit": fitted.seconds_fit,
        "peak_memory_mib": peak,
        "policy": history[-1].to_dict() if history else None,
        "policy_history": [policy.by_transform().to_dict(orient="index") for policy in history],
        "history": [
            {"epoch": row["epoch"], "train_loss": row["train_loss"]}
            for row in fitted.model.history_
        ],
        "truth": context["truth"],
    }


def _warm_up(options, shape):
    """Import and build everything once, so that the first run of a process is timed like others."""
    build_backbone(
        options["backbone"],
        n_chans=shape[0],
        n_times=shape[1],
        n_outputs=2,
        sfreq=options["sfreq"],
    )
    gc.collect()


class PeakMemory:
    """Largest resident memory of this process from now on, in MiB (Linux)."""

    def __init__(self):
        try:
            Path("/proc/self/clear_refs").write_text("5")  # start the high-water mark anew
            self._known = True
        except OSError:
            self._known = False

    @staticmethod
    def _read(name):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) / 1024
        raise OSError(f"no {name} in the status of this process")

    def read(self):
        """Return the peak; not a number where the system does not tell."""
        return self._read("VmHWM") if self._known else float("nan")


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
    _silence_imports()
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
    write_atomically(store.folder / "plan.json", json.dumps(plan, indent=1))
    write_atomically(store.folder / "environment.json", json.dumps(environment, indent=1))
