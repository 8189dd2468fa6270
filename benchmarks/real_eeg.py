"""Find out on real EEG what learning gains, and which averaging over copies helps.

    python benchmarks/real_eeg.py [--tasks "ucddb 1" ...] [--methods none augnet ...] [--choices 8]

Tasks are ``ucddb`` (one channel, wake against N3) with 1, 2 and 4 training subjects, and ``eegmat``
(19 channels, rest against mental arithmetic, windows of 4 s) with 8. A choice is a random choice of
training subjects, the same for all methods; the other subjects are the test. Each trained model
predicts from the signals as they are, and averaged over copies: under all of its augmentation, only
under its transforms that form a group (reversals, flips, shifts, rotations), only under those that
take something away (noise, dropout, random phases). Every training adds rows to a table; a second
start continues it.
"""

import argparse
import copy
import os
import time
import warnings
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import joblib  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from sklearn.metrics import recall_score  # noqa: E402

from eeginv import InvariantClassifier, TrivialAugment  # noqa: E402
from eeginv.benchmark.intervals import crossed_mean  # noqa: E402
from eeginv.datasets import load_sleep_folder  # noqa: E402
from eeginv.transforms import default_transforms  # noqa: E402

TASKS = {  # data, training subjects, options of the training
    "ucddb 1": ("ucddb", 1, {"max_epochs": 48}),
    "ucddb 2": ("ucddb", 2, {"max_epochs": 24}),
    "ucddb 4": ("ucddb", 4, {"max_epochs": 12}),
    "eegmat 8": ("eegmat", 8, {"backbone": "EEGNet", "max_epochs": 40}),
}
METHODS = ["none", "trivial", "augnet", "augerino"]
CORRUPTIONS = (
    "GaussianNoise",
    "ChannelsDropout",
    "FTSurrogate",
    "SmoothTimeMask",
    "BandstopFilter",
)
AVERAGES = ["plain", "all", "group", "corruptions"]


def load_ucddb(folder):
    """Return windows, labels, subjects, sampling frequency and channel names."""
    data = load_sleep_folder(folder, stages=("W", "N3"))
    return (*data.to_arrays(), data.sfreq, None)


def load_eegmat(folder):
    """Cut both recordings of each subject into windows; standardise each channel of a subject."""
    import mne

    X, y, groups = [], [], []
    subjects = sorted({path.name.split("_")[0] for path in folder.glob("*.edf")})
    for subject in subjects:
        signals = []
        for number in (1, 2):
            path = folder / f"{subject}_{number}.edf"
            raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
            signals.append(raw.filter(None, 40.0, verbose="error").get_data(units="uV"))
        both = np.concatenate(signals, axis=1)
        mean, scale = both.mean(axis=1, keepdims=True), both.std(axis=1, keepdims=True)
        length = int(4 * raw.info["sfreq"])
        for label, signal in zip(["rest", "arithmetic"], signals, strict=True):
            n = signal.shape[1] // length
            windows = ((signal - mean) / scale)[:, : n * length].reshape(len(mean), n, length)
            X.append(windows.transpose(1, 0, 2))
            y += [label] * n
            groups += [subject] * n
    ch_names = [name.removeprefix("EEG ") for name in raw.ch_names]
    X = np.concatenate(X).astype(np.float32)
    return X, np.array(y), np.array(groups), float(raw.info["sfreq"]), ch_names


def averaged(clf, X, how):
    """Predict probabilities, averaging over some of the transforms only."""
    original = clf.module_
    module = copy.deepcopy(original)
    if how == "plain":
        module.n_copies = 0
    elif how != "all":
        for layer in module.augmentation.layers:
            for transform in layer.transforms:
                if (transform.name in CORRUPTIONS) != (how == "corruptions"):
                    transform._set_strength(0.0)
    clf.module_ = module
    try:
        return clf.predict_proba(X)
    finally:
        clf.module_ = original


def run(task, method, choice, data, penalty):
    """Train once; return the rows of the table."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    start = time.perf_counter()
    X, y, groups, sfreq, ch_names = data
    _, n_train, options = TASKS[task]
    # the choices of one number of subjects are parts of those of a larger one
    subjects = np.random.default_rng(choice).permutation(np.unique(groups))
    train, test = subjects[:n_train], subjects[4 if task.startswith("ucddb") else n_train :]
    options, transforms = dict(options), default_transforms(sfreq, ch_names)
    if method != "none":
        options["transforms"] = transforms
    if method in ("augnet", "augerino"):
        options["penalty"] = penalty
    clf = InvariantClassifier(
        augmentation=None if method == "none" else method,
        sfreq=sfreq,
        batch_size=32,
        class_weight="balanced",
        random_state=choice,
        **options,
    )
    rows = np.isin(groups, train)
    clf.fit(X[rows], y[rows], groups=groups[rows])
    seconds = time.perf_counter() - start
    if method == "none":  # what averaging alone does
        clf.module_.augmentation = TrivialAugment(transforms, random_state=0)
    found = []
    extents = {} if clf.policy_ is None else clf.policy_.by_transform()["extent"].to_dict()
    for how in AVERAGES[:2] if method in ("none", "trivial") else AVERAGES:
        for subject in test:
            here = groups == subject
            p = averaged(clf, X[here], how)
            right = np.searchsorted(clf.classes_, y[here])
            nll = -np.log(np.clip(p[np.arange(len(p)), right], 1e-12, None))
            recall = recall_score(y[here], clf.classes_[p.argmax(1)], average="macro")
            row = {"task": task, "method": method, "penalty": penalty, "choice": choice}
            row |= {"average": how, "subject": subject, "balanced_accuracy": recall}
            found.append({**row, "nll": nll.mean(), "seconds": seconds, **extents})
    return found


def interval(gain, n_train):
    """Mean difference and its interval, as text, in points."""
    subjects, choices = (gain.index.get_level_values(name) for name in ("subject", "choice"))
    shared = n_train / len(set(subjects))  # what two random choices have in common on average
    found = crossed_mean(100 * gain.to_numpy(), subjects, choices, shared)
    return f"{found.mean:+5.1f} [{found.low:+.1f}, {found.high:+.1f}]"


def report(table):
    """Print means over choices, and paired differences to no augmentation with intervals."""
    keys = ["method", "penalty", "average"]
    for task, rows in table.groupby("task", sort=False):
        scores = rows.set_index([*keys, "choice", "subject"])["balanced_accuracy"]
        nll = rows.groupby(keys, sort=False)["nll"].mean()
        print(f"\n{task}: balanced accuracy, points over no augmentation [95 %], NLL")
        plain = scores[scores.index.isin(["plain"], level="average")].droplevel("average")
        known = plain.index.isin(["none"], level="method")  # pairs need the runs without
        baseline = plain[known].droplevel(["method", "penalty"])
        for key, here in scores.groupby(keys, sort=False):
            here = here.droplevel(keys)
            gain = (here - baseline).dropna()
            compared = len(gain) and key[::2] != ("none", "plain")
            text = interval(gain, TASKS[task][1]) if compared else ""
            each = here.groupby("choice").mean()
            print(
                f"  {key[0]:9} {key[1]:<6} {key[2]:12} {each.mean():.3f} {text:24} "
                f"{nll[key]:.2f} | " + " ".join(f"{value:.2f}" for value in each)
            )


def main():
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("../shared/data"))
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--penalty", default="0.02", help="weight of the reward, or auto")
    parser.add_argument("--choices", type=int, default=8)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("results/real_eeg.csv"))
    arguments = parser.parse_args()
    penalty = arguments.penalty if arguments.penalty == "auto" else float(arguments.penalty)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    table = pd.read_csv(arguments.output) if arguments.output.exists() else pd.DataFrame()
    keys = ["task", "method", "penalty", "choice"]
    done = set() if table.empty else {tuple(map(str, key)) for key in table[keys].to_numpy()}
    cells = [
        (task, method, choice)
        for choice in range(arguments.choices)
        for task in arguments.tasks
        for method in arguments.methods
        if tuple(map(str, (task, method, penalty, choice))) not in done
    ]
    loaders = {"ucddb": load_ucddb, "eegmat": load_eegmat}
    needed = dict.fromkeys(TASKS[task][0] for task, _, _ in cells)
    data = {name: loaders[name](arguments.folder / name) for name in needed}
    parallel = joblib.Parallel(n_jobs=arguments.n_jobs, return_as="generator_unordered")
    jobs = (joblib.delayed(run)(*cell, data[TASKS[cell[0]][0]], penalty) for cell in cells)
    for number, rows in enumerate(parallel(jobs), start=1):
        table = pd.concat([table, pd.DataFrame(rows)], ignore_index=True)
        table.to_csv(arguments.output, index=False)
        print(f"{number}/{len(cells)} {rows[0]['task']} {rows[0]['method']}", flush=True)
    report(table.sort_values(["task", "choice"], kind="stable"))


if __name__ == "__main__":
    main()
