"""Compare methods on real EEG of subjects that nobody trained on.

    python benchmarks/real_eeg.py --half development [--tasks "ucddb 4" ...] [--choices 4]
    python benchmarks/real_eeg.py --half reporting --choices 10

Tasks and the division of subjects into halves are in ``real_eeg_tasks.py``. Whatever is chosen
(candidates, recipe, constants) is chosen on the development half; the reporting half is run once,
with what was chosen. All methods have the same networks, seeds, epochs and recipe: AdamW with a
learning rate that rises to 0.003 and falls along half a cosine. Every training adds rows to a
table, one for each test subject; a second start continues it, and ``--part 0/2`` and
``--part 1/2`` may run side by side.
"""

import argparse
import os
import time
import warnings
import zlib
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from real_eeg_report import report  # noqa: E402
from real_eeg_tasks import HALVES, TASKS, choose_subjects, load  # noqa: E402
from sklearn.metrics import recall_score  # noqa: E402

from eeginv import (  # noqa: E402
    FastAutoAugmentSearch,
    InvariantClassifier,
    Policy,
    RandAugmentSearch,
    TrivialAugment,
)
from eeginv.estimators import MeasureBatchNorm  # noqa: E402
from eeginv.estimators.batch_norm import measure_batch_norm  # noqa: E402
from eeginv.policy import PolicyEntry  # noqa: E402
from eeginv.transforms import default_transforms  # noqa: E402

KEYS = ["half", "task", "method", "choice"]
COLUMNS = [
    *KEYS,
    "train",
    "subject",
    *("plain", "plain_log_loss", "averaged", "averaged_log_loss"),
    *("seconds", "device"),
]
# One layer each: what was picked by hand for sleep staging.
BY_HAND = Policy(
    [
        PolicyEntry("SignFlip", 0.5, binary=True, layer=0),
        PolicyEntry("TimeReverse", 0.5, binary=True, layer=1),
        PolicyEntry("AmplitudeScale", 6.0, unit="dB", layer=2, config={"max_magnitude": 6.0}),
        PolicyEntry("GaussianNoise", 0.1, layer=3),
    ]
)


def train_estimator(augmentation):
    """Return a method that trains the classifier under an augmentation."""

    def fit(options, transforms, X, y, groups):
        takes_transforms = isinstance(augmentation, str)
        candidates = {"transforms": transforms} if takes_transforms else {}
        clf = InvariantClassifier(augmentation=augmentation, **options, **candidates)
        return clf.fit(X, y, groups=groups)

    return fit


def search_policy(cls, **settings):
    """Return a method that searches a policy on held-out subjects, then trains under it."""

    def fit(options, transforms, X, y, groups):
        clf = InvariantClassifier(**options)
        epochs = max(2, options["max_epochs"] // 4)
        children = {"child_epochs": epochs} if cls is RandAugmentSearch else {}
        search = cls(
            clf,
            transforms=transforms,
            n_jobs=1,
            random_state=options["random_state"],
            **settings,
            **children,
        )
        # with one subject, windows are held out
        search.fit(X, y, groups=groups if len(np.unique(groups)) > 1 else None)
        return search.best_estimator_

    return fit


METHODS = {
    "none": train_estimator(None),
    "random": train_estimator("trivial"),
    "by hand": train_estimator(BY_HAND),
    "augnet": train_estimator("augnet"),
    "augerino": train_estimator("augerino"),
    "auto": train_estimator("auto"),
    "fastaa": search_policy(FastAutoAugmentSearch, n_folds=2, n_trials=60),
    "randaugment": search_policy(RandAugmentSearch),
}


def run(half, task_name, method, choice, recordings, device="cpu"):
    """Train once.

    Returns
    -------
    rows : list of dict
        Of each test subject: balanced accuracy and mean log-loss of the network on the signals as
        they are, and averaged over copies.
    """
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    task, groups = TASKS[task_name], recordings.groups
    train, test = choose_subjects(task, groups, choice, half)
    transforms = default_transforms(recordings.sfreq, recordings.ch_names, kind=task.kind)
    options = {
        **task.options,
        "sfreq": recordings.sfreq,
        "batch_size": 32,
        "class_weight": "balanced",
        "lr": 3e-3,
        "lr_schedule": "cosine",
        "n_copies": 0,
        "callbacks": [MeasureBatchNorm()],
        "random_state": choice,
        "device": device,
    }
    rows = np.isin(groups, train)
    start = time.perf_counter()
    clf = METHODS[method](options, transforms, recordings.X[rows], recordings.y[rows], groups[rows])
    seconds = time.perf_counter() - start
    key = dict(zip(KEYS, (half, task_name, method, choice), strict=True))
    key["train"] = " ".join(sorted(map(str, train)))
    key |= {"seconds": seconds, "device": str(device).partition(":")[0]}
    found = [{**key, "subject": subject} for subject in test]
    score(clf, recordings, found, "plain")
    module = clf.module_
    module.n_copies = 10
    if module.augmentation is None:  # what averaging alone does
        module.augmentation = TrivialAugment(transforms, random_state=0)
    measure_batch_norm(module, torch.as_tensor(recordings.X[rows]), device)
    score(clf, recordings, found, "averaged")
    return found


def score(clf, recordings, found, name):
    """Write balanced accuracy and mean log-loss of each subject into its row of a table.

    Parameters
    ----------
    clf : InvariantClassifier
        Fitted.
    recordings : Recordings
        The data.
    found : list of dict
        The rows.
    name : str
        What the columns are called.
    """
    for row in found:
        here = recordings.groups == row["subject"]
        p = clf.predict_proba(recordings.X[here])
        right = np.searchsorted(clf.classes_, recordings.y[here])
        row[name] = recall_score(right, p.argmax(axis=1), average="macro")
        log_loss = -np.log(np.clip(p[np.arange(len(p)), right], 1e-12, None)).mean()
        row[f"{name}_log_loss"] = log_loss


def main():
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("../shared/data"))
    parser.add_argument("--half", choices=HALVES, default="development")
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--choices", type=int, default=10)
    parser.add_argument("--device", default="cpu", help="such as cuda")
    parser.add_argument("--part", default="0/1", help="0/2 and 1/2 share the work")
    parser.add_argument("--output", type=Path, default=Path("results/real_eeg.csv"))
    arguments = parser.parse_args()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    part, n_parts = map(int, arguments.part.split("/"))
    known = pd.read_csv(arguments.output) if arguments.output.exists() else None
    if known is not None and list(known) != COLUMNS:
        parser.error(f"{arguments.output} is a table of another revision: name another --output.")
    done = set() if known is None else set(map(tuple, known[KEYS].to_numpy()))
    cells = [
        (arguments.half, task, method, choice)
        for choice in range(arguments.choices)
        for task in arguments.tasks
        for method in arguments.methods
    ]
    mine = [c for c in cells if zlib.crc32(repr(c).encode()) % n_parts == part and c not in done]
    recordings = {
        name: load(name, arguments.folder)
        for name in dict.fromkeys(TASKS[task].data for _, task, _, _ in mine)
    }
    for number, cell in enumerate(mine, start=1):
        rows = pd.DataFrame(
            run(*cell, recordings[TASKS[cell[1]].data], arguments.device), columns=COLUMNS
        )
        rows.to_csv(arguments.output, mode="a", index=False, header=not arguments.output.exists())
        print(f"{number}/{len(mine)} {cell[1]}, {cell[2]}, choice {cell[3]}", flush=True)
    if arguments.output.exists():
        report(pd.read_csv(arguments.output))


if __name__ == "__main__":
    main()
