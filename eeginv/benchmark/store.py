"""Results on disk: each run is one file, there as a whole or not at all."""

import csv
import io
import json
import os
import tempfile
from pathlib import Path


def write_atomically(path, text):
    """Write a text file so that nobody ever sees a part of it.

    Parameters
    ----------
    path : path-like
        The file.
    text : str
        Its content.
    """
    path = Path(path)
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


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
        try:
            self.runs.mkdir(parents=True, exist_ok=True)
            self.policies.mkdir(exist_ok=True)
            write_atomically(self.folder / ".probe", "x" * 65536)
            (self.folder / ".probe").unlink()
        except OSError as error:
            reason = error.strerror or error
            raise OSError(
                f"The output folder {self.folder} cannot be written to ({reason}); "
                "free some space, or choose another one with --output."
            ) from error
        self._check_settings(settings.fingerprint())

    def _check_settings(self, fingerprint):
        path = self.folder / "settings.txt"
        if path.exists() and path.read_text().strip() != fingerprint and self.records():
            raise ValueError(
                f"{self.folder} holds runs of other settings (data, training sizes, epochs, "
                "backbone, batch size, learning rate or copies); choose another folder with "
                "--output, or delete this one."
            )
        write_atomically(path, fingerprint + "\n")

    def has(self, run):
        """Tell whether a run is done."""
        return (self.runs / f"{run.run_id}.json").exists()

    def write(self, record):
        """Write the record of a run, done or failed, and the policy that it learned."""
        run_id = record["run_id"]
        failed = self.runs / f"{run_id}.failed.json"
        if record["status"] == "failed":
            write_atomically(failed, json.dumps(record, indent=1))
            return
        if record["policy"] is not None:
            write_atomically(
                self.policies / f"{run_id}.json", json.dumps(record["policy"], indent=1)
            )
        write_atomically(self.runs / f"{run_id}.json", json.dumps(record))
        failed.unlink(missing_ok=True)

    def records(self):
        """Read all finished runs, sorted by name."""
        paths = sorted(self.runs.glob("*.json"))
        return [json.loads(p.read_text()) for p in paths if not p.name.endswith(".failed.json")]

    def write_table(self):
        """Write ``results.csv``: two rows a run, without and with averaging over copies."""
        rows = [row for record in self.records() for row in _rows(record)]
        names = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(self.folder / "results.csv", text.getvalue())


def _rows(record):
    for averaging, scores in record["scores"].items():
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
