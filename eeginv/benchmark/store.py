"""Results on disk, with one file for each run. Files are written atomically."""

from __future__ import annotations

import csv
import io
import json
import platform
import sys
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib

from .._files import unused_name, write_atomically, write_if_new
from .._json import plain, read_object
from ..estimators import InvariantClassifier

if TYPE_CHECKING:
    from .._typing import PathLike
    from .plan import Run, RunRecord
    from .settings import Settings

_PACKAGES = ("eeginv", "torch", "braindecode", "skorch", "scikit-learn", "mne", "numpy")


class Store:
    """Folder of a benchmark with the results of all runs.

    Parameters
    ----------
    folder : path-like
        An existing folder.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.

    Examples
    --------
    >>> import tempfile
    >>> from eeginv.benchmark.store import Store
    >>> Store(tempfile.mkdtemp()).load()
    ([], [])
    """

    def __init__(self, folder: PathLike) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise FileNotFoundError(
                f"There is no folder {self.folder}; expected the output of a benchmark."
            )
        self.runs = self.folder / "runs"
        self.policies = self.folder / "policies"
        self.networks = self.folder / "networks"

    @classmethod
    def create(cls, folder: PathLike, settings: Settings, shared: bool = False) -> Store:
        """Create a folder for runs, or continue with an existing one.

        Parameters
        ----------
        folder : path-like
            The folder.
        settings : Settings
            What the runs share.
        shared : bool
            Whether others may be at work in it, so that the settings of whoever was first stay,
            even if no run of theirs is there yet.

        Returns
        -------
        store : Store
            The folder, ready for runs.

        Raises
        ------
        OSError
            If it is not writable.
        ValueError
            If it holds runs of other settings, or, where it is shared, was begun with others.
        """
        folder = Path(folder)
        try:
            for name in ("runs", "policies", "networks"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            probe = unused_name(folder / "probe")  # others may start here at the same time
            write_atomically(probe, "x" * 65536)
            probe.unlink()
        except OSError as error:
            reason = error.strerror or error
            raise OSError(
                f"The output folder {folder} cannot be written to ({reason}); "
                "free some space, or choose another one with --output."
            ) from error
        store = cls(folder)
        store._check_settings(settings.fingerprint(), shared)
        return store

    def _check_settings(self, fingerprint: str, shared: bool) -> None:
        path = self.folder / "settings.txt"
        if shared:
            write_if_new(path, fingerprint + "\n")
        known = path.read_text(errors="replace").strip() if path.exists() else fingerprint
        if known == fingerprint:
            if not shared:
                write_atomically(path, fingerprint + "\n")
            return
        finished, failures = self.load()
        if finished and not known:
            raise ValueError(
                f"{path} is empty, so the settings of the runs in this folder are not known; "
                "restore it, or choose another folder with --output."
            )
        if finished:
            raise ValueError(
                f"{self.folder} holds runs of other settings (data, training sizes, epochs, "
                "backbone, batch size, learning rate or copies); choose another folder with "
                "--output, or delete this one."
            )
        if shared:
            raise ValueError(
                f"{self.folder} was begun with other settings (data, training sizes, epochs, "
                "backbone, batch size, learning rate or copies), and other parts may be at work in "
                "it; give all parts the same options, or choose another folder with --output."
            )
        for failure in failures:  # otherwise, they would stay in the report
            self._failed(failure["run_id"]).unlink(missing_ok=True)
        write_atomically(path, fingerprint + "\n")

    def _done(self, run_id: str) -> Path:
        return self.runs / f"{run_id}.json"

    def _failed(self, run_id: str) -> Path:
        return self.runs / f"{run_id}.failed.json"

    # reading ----------------------------------------------------------------------------------
    def load(self) -> tuple[list[RunRecord], list[RunRecord]]:
        """Read the results of the runs.

        Returns
        -------
        runs : list of dict
            Records of the finished runs, sorted by file name.
        failures : list of dict
            ``run_id``, ``error`` and ``traceback`` of failed runs that have not succeeded since,
            and of result files that cannot be read.
        """
        runs, failures = [], []
        for path in sorted(self.runs.glob("*.json")):
            failed = path.name.endswith(".failed.json")
            run_id = path.name.removesuffix(".json").removesuffix(".failed")
            if failed and self._done(run_id).exists():
                continue
            values = read_object(path) if failed else self._read(path)
            if failed:
                error = {"error": f"{path.name} cannot be read"} if values is None else values
                failures.append({"traceback": "", **error, "run_id": run_id})
            elif values is None:
                reason = f"the result file {path.name} is not that of a finished run"
                failures.append({"run_id": run_id, "error": reason, "traceback": ""})
            else:
                runs.append(values)
        return runs, failures

    def record(self, run: Run) -> RunRecord | None:
        """Read the record of a run.

        Parameters
        ----------
        run : Run
            The run.

        Returns
        -------
        record : dict | None
            The record, or None if the run is not done. If its file exists but cannot be read, a
            warning names it.
        """
        path = self._done(run.run_id)
        if not path.exists():
            return None
        record = self._read(path)
        if record is None:
            warnings.warn(
                f"{path} cannot be read, or is not the file of a finished run: the run counts as "
                "not done.",
                stacklevel=3,
            )
        return record

    @staticmethod
    def _read(path: Path) -> RunRecord | None:
        """Read the record of a finished run, without missing scores."""
        record = read_object(path)
        if record is None or record.get("status") != "done":
            return None
        scores = record.get("scores", {})
        return {**record, "scores": {kind: score for kind, score in scores.items() if score}}

    def has_failed(self, run: Run) -> bool:
        """Tell whether a run has failed, and has not succeeded since.

        Parameters
        ----------
        run : Run
            The run.

        Returns
        -------
        failed : bool
            Whether it has.
        """
        return self._failed(run.run_id).exists() and not self._done(run.run_id).exists()

    def has_network(self, run: Run) -> bool:
        """Return whether the network of a run was kept.

        Parameters
        ----------
        run : Run
            The run.

        Returns
        -------
        kept : bool
            Whether it was.
        """
        return (self.networks / run.run_id / "estimator.json").is_file()

    def network(self, run: Run) -> InvariantClassifier:
        """Load the fitted classifier of a run.

        Parameters
        ----------
        run : Run
            The run.

        Returns
        -------
        model : InvariantClassifier
            The classifier.
        """
        return InvariantClassifier.load(self.networks / run.run_id)

    def description(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read the plan and the description of the machine.

        Returns
        -------
        plan, environment : dict
            The values, empty if nothing was recorded.
        """
        names = ("plan.json", "environment.json")
        plan, environment = (read_object(self.folder / name) or {} for name in names)
        return plan, environment

    # writing ----------------------------------------------------------------------------------
    def write(self, record: RunRecord, model: InvariantClassifier | None = None) -> None:
        """Write the record of a finished or failed run, and its policy.

        Parameters
        ----------
        record : dict
            The record, with values for JSON.
        model : InvariantClassifier | None
            The fitted classifier, if it is kept.
        """
        run_id = record["run_id"]
        if record["status"] == "failed":
            write_atomically(self._failed(run_id), json.dumps(record, indent=1))
            return
        if model is not None:
            model.save(self.networks / run_id)
        if record["policy"] is not None:
            policy = json.dumps(record["policy"], indent=1)
            write_atomically(self.policies / f"{run_id}.json", policy)
        write_atomically(self._done(run_id), json.dumps(record))
        self._failed(run_id).unlink(missing_ok=True)

    def describe(self, plan: dict[str, Any]) -> None:
        """Write the plan and a description of the machine.

        Parameters
        ----------
        plan : dict
            Values for JSON, including those of numpy.
        """
        environment = {
            "python": sys.version.split()[0],
            "platform": platform.platform(),
            "cpu_count": joblib.cpu_count(),
            "packages": {name: version(name) for name in _PACKAGES},
        }
        for name, values in (("plan.json", plain(plan)), ("environment.json", environment)):
            write_atomically(self.folder / name, json.dumps(values, indent=1))

    def write_table(self) -> None:
        """Write ``results.csv``, with one row for each run and way of predicting."""
        rows = [row for record in self.load()[0] for row in _rows(record)]
        names = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(self.folder / "results.csv", text.getvalue())


def _rows(record: RunRecord) -> Iterator[dict[str, Any]]:
    for averaging, scores in record["scores"].items():
        yield {
            "data": record["data"],
            "method": record["method"],
            "averaged": averaging == "averaged",
            "split": record["split"],
            "seed": record["seed"],
            "n_train_subjects": record["n_train_subjects"],
            **{
                name: scores[name]
                for name in ("balanced_accuracy", "kappa", "macro_f1", "nll", "calibration_error")
            },
            **({"auc": scores["auc"]} if "auc" in scores else {}),
            **{f"f1_{name}": value for name, value in scores["f1"].items()},
            "seconds_search": record["seconds_search"],
            "seconds_fit": record["seconds_fit"],
            "seconds_predict": scores["seconds_predict"],
            "peak_memory_mib": record["peak_memory_mib"],
        }
