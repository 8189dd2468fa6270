"""Results on disk: each run is one file, there as a whole or not at all."""

import csv
import io
import json
import warnings
from pathlib import Path

from .._files import unused_name, write_atomically
from .._json import read_object
from ..estimators import InvariantClassifier


class Store:
    """The output folder of a benchmark.

    Parameters
    ----------
    folder : path-like
        The folder; it is made.
    settings : Settings
        What the runs share; a folder that holds runs of other settings is refused.
    """

    def __init__(self, folder, settings):
        self.folder = Path(folder)
        self.runs = self.folder / "runs"
        self.policies = self.folder / "policies"
        self.networks = self.folder / "networks"
        try:
            self.runs.mkdir(parents=True, exist_ok=True)
            self.policies.mkdir(exist_ok=True)
            self.networks.mkdir(exist_ok=True)
            probe = unused_name(self.folder / "probe")  # others may be starting in this folder
            write_atomically(probe, "x" * 65536)
            probe.unlink()
        except OSError as error:
            reason = error.strerror or error
            raise OSError(
                f"The output folder {self.folder} cannot be written to ({reason}); "
                "free some space, or choose another one with --output."
            ) from error
        self._check_settings(settings.fingerprint())

    def _check_settings(self, fingerprint):
        path = self.folder / "settings.txt"
        known = path.read_text(errors="replace").strip() if path.exists() else fingerprint
        if not known and self.records():
            raise ValueError(
                f"{path} is empty, so it is not known what settings the runs beside it are of; "
                "restore it, or choose another folder with --output."
            )
        if known != fingerprint and self.records():
            raise ValueError(
                f"{self.folder} holds runs of other settings (data, training sizes, epochs, "
                "backbone, batch size, learning rate or copies); choose another folder with "
                "--output, or delete this one."
            )
        if known != fingerprint:  # the report would show failures of other settings for ever
            for failed in self.runs.glob("*.failed.json"):
                failed.unlink(missing_ok=True)
        write_atomically(path, fingerprint + "\n")

    def has(self, run):
        """Tell whether a run is done; one whose file cannot be read is not, and is named."""
        path = self.runs / f"{run.run_id}.json"
        return path.exists() and self._read(path) is not None

    def record(self, run):
        """Read the record of a finished run."""
        return self._read(self.runs / f"{run.run_id}.json")

    def has_network(self, run):
        """Tell whether the network of a run was kept."""
        return (self.networks / run.run_id / "estimator.json").is_file()

    def network(self, run):
        """Load the fitted classifier of a run."""
        return InvariantClassifier.load(self.networks / run.run_id)

    def _read(self, path):
        """Read the record of a finished run; None, and a warning, if it is not whole."""
        record = read_object(path)
        if record is not None and record.get("status") == "done":
            return record
        warnings.warn(
            f"{path} cannot be read, or is not the file of a finished run: the run counts as not "
            "done.",
            stacklevel=4,
        )
        return None

    def write(self, record):
        """Write the record of a run, done or failed, its policy and, if it is there, its model."""
        record, run_id = dict(record), record["run_id"]
        model = record.pop("model", None)
        failed = self.runs / f"{run_id}.failed.json"
        if record["status"] == "failed":
            write_atomically(failed, json.dumps(record, indent=1))
            return
        if model is not None:
            model.save(self.networks / run_id)
        if record["policy"] is not None:
            write_atomically(
                self.policies / f"{run_id}.json", json.dumps(record["policy"], indent=1)
            )
        write_atomically(self.runs / f"{run_id}.json", json.dumps(record))
        failed.unlink(missing_ok=True)

    def records(self):
        """Read all finished runs, sorted by name; files that cannot be read are named."""
        paths = sorted(self.runs.glob("*.json"))
        found = [self._read(path) for path in paths if not path.name.endswith(".failed.json")]
        return [record for record in found if record is not None]

    def write_table(self):
        """Write ``results.csv``: one row for each run and way of predicting."""
        rows = [row for record in self.records() for row in _rows(record)]
        names = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(self.folder / "results.csv", text.getvalue())


def _rows(record):
    for averaging, scores in record.get("scores", {}).items():
        yield {
            "data": record["data"],
            "method": record["method"],
            "averaged": averaging == "averaged",
            "fold": record["split"],
            "seed": record["seed"],
            "n_train_subjects": record["n_train_subjects"],
            **{
                name: scores[name]
                for name in ("balanced_accuracy", "kappa", "macro_f1", "nll", "calibration_error")
            },
            **{f"f1_{stage}": value for stage, value in scores["f1"].items()},
            "seconds_search": record["seconds_search"],
            "seconds_fit": record["seconds_fit"],
            "seconds_predict": scores["seconds_predict"],
            "peak_memory_mib": record["peak_memory_mib"],
        }
