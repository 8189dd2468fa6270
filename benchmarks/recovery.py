"""Find out whether learning recovers invariances that are known.

    python benchmarks/recovery.py [--tasks sinusoids ...] [--seeds 20] [--n-jobs 2]

Every run is one row of a table that is written as it goes; a second start continues it.

sinusoids: four frequencies (AugNet paper, section 4.2); the shift that leaves the class unchanged
    is the margin between the classes. Decoys are phase randomisation and noise. Varied are the
    ranges in which the decoys are written, the initial strengths, the number of layers, spread and
    spacing.
false invariance: classes that differ by exactly one transform, which must vanish.
capacity: perceptrons of four sizes (section 4.3), against a network told the transform and averaged
    over as many copies.
"""

import argparse
import csv
import math
import os
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import joblib  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from scipy.fft import next_fast_len  # noqa: E402
from torch import nn  # noqa: E402

from eeginv import Augerino, AugNet, InvariantModule, Policy, PolicyAugmentation  # noqa: E402
from eeginv.datasets import make_sinusoids  # noqa: E402
from eeginv.inspection import invariance_score  # noqa: E402
from eeginv.policy import PolicyEntry  # noqa: E402
from eeginv.transforms import (  # noqa: E402
    ChannelsSymmetry,
    FrequencyShift,
    FTSurrogate,
    GaussianNoise,
    SignFlip,
    TimeReverse,
)

SFREQ = 100.0
EPOCHS, CAPACITY_EPOCHS, BATCH, LR, COPIES = 100, 50, 32, 0.01, 10
LAST = 10  # epochs over which strengths are averaged


class LongConv1d(nn.Conv1d):
    """What nn.Conv1d computes by default, by products of spectra: faster for long kernels."""

    def forward(self, X):
        """Filter signals (n_examples, n_channels, n_times)."""
        n_times, length = X.shape[-1], self.kernel_size[0]
        n_fft = next_fast_len(n_times, real=True)  # what wraps around is not in the valid part
        spectra = torch.fft.rfft(X, n_fft).unsqueeze(1), torch.fft.rfft(self.weight, n_fft)
        filtered = torch.fft.irfft((spectra[0] * spectra[1].conj()).sum(dim=2), n_fft)
        return filtered[..., : n_times - length + 1] + self.bias[:, None]


class FrequencyNet(nn.Module):
    """Two convolutions of two filters and a mean over time, as in the paper."""

    def __init__(self, n_channels, n_outputs, n_filters=2, length=100):
        super().__init__()
        self.features = nn.Sequential(
            LongConv1d(n_channels, n_filters, length),
            nn.BatchNorm1d(n_filters),
            nn.ReLU(),
            nn.MaxPool1d(2),
            nn.Conv1d(n_filters, n_filters, 3),
            nn.BatchNorm1d(n_filters),
            nn.ReLU(),
            nn.MaxPool1d(2),
        )
        self.output = nn.Linear(n_filters, n_outputs)

    def forward(self, X):
        return self.output(self.features(X).mean(dim=-1))


def perceptron(n_inputs, n_outputs, n_neurons, n_layers):
    """Return a perceptron with so many hidden layers of so many neurons."""
    sizes = [n_inputs] + [n_neurons] * n_layers
    parts = [nn.Flatten()]
    for before, after in zip(sizes, sizes[1:], strict=False):
        parts += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*parts, nn.Linear(sizes[-1], n_outputs))


def cross_entropy(model, X, y):
    """Return the loss of a batch."""
    return nn.functional.cross_entropy(model(X), y)


def train(
    X,
    y,
    make_backbone,
    augmentation,
    seed,
    epochs=EPOCHS,
    loss=cross_entropy,
    shuffle=True,
    weight_decay=0.0,
    decay=True,
):
    """Train a network behind an augmentation; return it and the policy of every epoch.

    The learning rate falls to 0 along half a cosine (``decay``), for the network and the strengths.
    """
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = InvariantModule(make_backbone(), augmentation, n_copies=COPIES)
    decays = {"params": model.backbone.parameters(), "weight_decay": weight_decay}
    others = [] if augmentation is None else [{"params": augmentation.parameters()}]
    optimizer = torch.optim.Adam([decays, *others], lr=LR)
    n_steps = epochs * math.ceil(len(X) / BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps) if decay else None
    generator = torch.Generator().manual_seed(seed)
    policies = []
    for epoch in range(epochs):
        model.train()
        if augmentation is not None:
            augmentation.set_progress(epoch / epochs)
        order = torch.randperm(len(X), generator=generator) if shuffle else torch.arange(len(X))
        for rows in order.split(BATCH):
            optimizer.zero_grad()
            loss(model, X[rows], y[rows]).backward()
            optimizer.step()
            if decay:
                schedule.step()
        policies.append(None if augmentation is None else augmentation.policy())
    return model.eval(), policies


def predict(model, X, n_copies=COPIES):
    """Return log-probabilities."""
    model.n_copies = n_copies
    with torch.no_grad():
        return torch.cat([model(part) for part in torch.from_numpy(X).split(200)])


def arrange(transforms, how, seed, penalty):
    """Return the augmentation: one layer that chooses, several of them, or a chain of all."""
    if how == "chain":
        return Augerino(transforms, penalty=penalty, random_state=seed)
    return AugNet(transforms, n_layers=int(how), penalty=penalty, random_state=seed)


def learned(policies):
    """Return strength and usage of each transform, averaged over the last epochs and the layers."""
    tables = [policy.by_transform() for policy in policies[-LAST:]]
    found = {}
    for name in tables[0].index:
        found[f"{name} extent"] = np.mean([table.loc[name, "extent"] for table in tables])
        weights = [[e.weight for e in p.entries if e.transform == name] for p in policies[-LAST:]]
        found[f"{name} weight"] = np.mean(weights)
        found[f"{name} largest weight"] = np.mean(weights, axis=0).max()
    return found


# tasks ------------------------------------------------------------------------------------------
AS_IN_THE_PAPER = {"decoys": 1.0, "initial": 0.05, "spread": 0.5, "spacing": 2.0}
SINUSOIDS = {  # what differs from the paper's setting
    "as in the paper": {},
    "decoy ranges x 10": {"decoys": 10.0},
    "initial strength 0": {"initial": 0.0},
    "initial strength 0.5": {"initial": 0.5},
    "spread 0.25": {"spread": 0.25},
    "spread 0.1": {"spread": 0.1},
    "spacing 3, spread 0.5": {"spacing": 3.0},
}
ARRANGEMENTS = ["chain", "1", "2", "4"]


def sinusoids_variants():
    """Return the variants: everything as a chain and as one layer, the paper's also as more."""
    for variant in SINUSOIDS:
        for how in ARRANGEMENTS if variant == "as in the paper" else ARRANGEMENTS[:2]:
            yield f"{variant} | {how}"


def noisy_sinusoids(options, seed):
    """Return noisy sinusoids, the numbers of their frequencies, and the candidates."""
    frequencies = options["spacing"] * np.arange(1, 5)
    X, y = make_sinusoids(100, frequencies, spread=options["spread"], random_state=seed)
    y = np.searchsorted(frequencies, y)
    initial, decoys = options["initial"], 0.1 * options["decoys"]
    transforms = [
        FrequencyShift(SFREQ, 2 * initial, max_magnitude=2.0),
        FTSurrogate(initial * decoys, max_magnitude=decoys),
        GaussianNoise(initial * decoys, max_magnitude=decoys),
    ]
    return X, y, transforms


def sinusoids(variant, seed, penalty):
    """Learn from noisy sinusoids."""
    variant, how = variant.split(" | ")
    options = {**AS_IN_THE_PAPER, **SINUSOIDS[variant]}
    X, y, transforms = noisy_sinusoids(options, seed)
    augmentation = arrange(transforms, how, seed, penalty)
    _, policies = train(X, y, lambda: FrequencyNet(1, 4), augmentation, seed)
    # what several layers shift one after the other adds up
    extents = [
        sum(e.weight * e.extent for e in policy.entries if e.transform == "FrequencyShift")
        for policy in policies[-LAST:]
    ]
    truth = options["spacing"] / 2 - options["spread"]
    return {**learned(policies), "total shift": np.mean(extents), "truth": truth}


def false_invariance_variants():
    """Return the variants."""
    for task in ("sign", "direction", "gap", "side"):
        for how in ("chain", "1"):
            yield f"{task} | {how}"


def opposed_classes(task, seed):
    """Return signals whose classes differ by one transform, labels, and the candidates.

    The first candidate is the transform by which they differ.
    """
    rng = np.random.default_rng(seed)
    n, n_times = 400, 1000
    y = rng.permutation(np.repeat([0, 1], n // 2))
    sign = (2 * y - 1)[:, None]
    time = np.arange(n_times) / SFREQ
    phase = rng.uniform(0, 2 * np.pi, (n, 1))
    if task == "sign":  # bumps that point up or down
        period = np.cos(2 * np.pi * rng.uniform(1, 3, (n, 1)) * time + phase)
        X = sign * (np.exp(2 * (period - 1)) - 0.3)[:, None][:, 0]
        culprit = SignFlip(0.2)
    elif task == "direction":  # oscillations that decay or grow, once a second
        X = np.sin(2 * np.pi * rng.uniform(5, 15, (n, 1)) * time + phase)
        ramp = (time * 1.0 + rng.uniform(0, 1, (n, 1))) % 1.0
        X = 2 * X * np.where(sign > 0, ramp, 1 - ramp)
        culprit = TimeReverse(0.2)
    elif task == "gap":  # 10 against 10.2 Hz
        X = np.sin(2 * np.pi * (10 + 0.2 * y[:, None]) * time + phase)
        culprit = FrequencyShift(SFREQ, 0.1)
    else:  # the rhythm is stronger on one side
        wave = np.sin(2 * np.pi * rng.uniform(8, 12, (n, 1)) * time + phase)
        X = np.stack([wave * (1 + 0.5 * sign), wave * (1 - 0.5 * sign)], axis=1)
        culprit = ChannelsSymmetry(["C3", "C4"], 0.2)
    X = X if X.ndim == 3 else X[:, None]
    X = (X + 0.5 * rng.standard_normal(X.shape)).astype(np.float32)
    others = [SignFlip(0.2), TimeReverse(0.2), GaussianNoise(0.05), FrequencyShift(SFREQ, 0.1)]
    if task in ("sign", "direction"):
        others = others[:3]
    return X, y, [culprit] + [t for t in others if type(t) is not type(culprit)]


def false_invariance(variant, seed, penalty):
    """Learn from classes that differ by one transform."""
    task, how = variant.split(" | ")
    X, y, transforms = opposed_classes(task, seed)
    culprit, n_channels = transforms[0], X.shape[1]
    augmentation = arrange(transforms, how, seed, penalty)
    make_backbone = lambda: FrequencyNet(n_channels, 2, 8)  # noqa: E731
    model, policies = train(X, y, make_backbone, augmentation, seed)
    name = type(culprit).__name__
    found = learned(policies)
    used = found[f"{name} extent"] * found[f"{name} weight"]
    accuracy = (predict(model, X).argmax(1).numpy() == y).mean()
    return {**found, "share of range": used / culprit.max_strength, "accuracy": accuracy}


SIZES = [(1, 1), (2, 1), (2, 2), (2, 3)]
# As in the paper: every second example is shifted in training; every copy in evaluation.
ORACLE = [PolicyEntry("FrequencyShift", 0.5, "Hz", config={"sfreq": SFREQ})]


def capacity_variants():
    """Return the variants."""
    for n_neurons, n_layers in SIZES:
        for method in ("none", "oracle", "AugNet"):
            yield f"{n_neurons} neurons, {n_layers} layers | {method}"


def capacity(variant, seed, penalty):
    """Learn with small perceptrons, in the setting of the paper's script."""
    size, method = variant.split(" | ")
    n_neurons, n_layers = (int(word) for word in size.split() if word.isdigit())
    frequencies = np.array([2.0, 4.0, 6.0, 8.0])
    X, y = make_sinusoids(150, frequencies, phases=4 * np.pi / frequencies, random_state=seed)
    y = np.searchsorted(frequencies, y)
    X_test, y_test, X, y = X[400:], y[400:], X[:400], y[:400]
    shift = FrequencyShift(SFREQ, 0.1, max_magnitude=2.0)
    augmentation = {
        "none": None,
        "oracle": PolicyAugmentation(Policy(ORACLE, probability=0.5), random_state=seed),
        # the warm-up of the estimators: such networks take long to learn anything
        "AugNet": AugNet([shift], penalty=penalty, warmup=0.4, random_state=seed),
    }[method]
    make_backbone = lambda: perceptron(X.shape[-1], 4, n_neurons, n_layers)  # noqa: E731
    setting = {"shuffle": False, "weight_decay": 1e-4, "decay": False}
    model, policies = train(X, y, make_backbone, augmentation, seed, CAPACITY_EPOCHS, **setting)
    found = {} if method == "none" else learned(policies)
    if method == "oracle":
        augmentation.probability = 1.0
    output = predict(model, X_test)
    found["accuracy"] = (output.argmax(1).numpy() == y_test).mean()
    found["accuracy, one plain copy"] = (
        predict(model, X_test, 0).argmax(1).numpy() == y_test
    ).mean()
    # invariance in the space of probabilities, of the model with its copies
    model.n_copies = COPIES
    score = invariance_score(model, X_test, shift, 0.5, random_state=seed)
    found["invariance"] = score.score
    return found


TASKS = {
    "sinusoids": (sinusoids, sinusoids_variants),
    "false invariance": (false_invariance, false_invariance_variants),
    "capacity": (capacity, capacity_variants),
}
# Weights of the reward. That of sinusoids was chosen on seeds 100 to 105 and taken over for false
# invariance; it counts little where a network explains little of the labels, so that of perceptrons
# is larger, chosen on seeds 100 to 109 (it is the paper's as well).
PENALTIES = {"sinusoids": 0.08, "false invariance": 0.08, "capacity": 0.8}


def penalty_of(task, variant, asked=None):
    """Return the weight of the reward, 0 where there is none."""
    if task == "capacity" and not variant.endswith("AugNet"):
        return 0.0
    return PENALTIES[task] if asked is None else asked


def epochs_of(task):
    """Return how long a task trains."""
    return CAPACITY_EPOCHS if task == "capacity" else EPOCHS


# running and reporting --------------------------------------------------------------------------
def run(task, variant, penalty, seed):
    """Run one cell of the table."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    found = TASKS[task][0](variant, seed, penalty)
    row = {"task": task, "variant": variant, "penalty": penalty, "seed": seed}
    row |= {"epochs": epochs_of(task), **found}
    return {**row, "seconds": time.perf_counter() - start}


def report(table):
    """Print what came out."""
    for task, rows in table.groupby("task", sort=False):
        print(f"\n{task}")
        for (variant, penalty), found in rows.groupby(["variant", "penalty"], sort=False):
            n = len(found)
            if task == "sinusoids":
                values, truth = found["total shift"], found["truth"].iloc[0]
                if variant.endswith("| 1"):  # the choice and its extent
                    values = found["FrequencyShift extent"]
                hits = (values.sub(truth).abs() <= 0.1).sum()
                line = (
                    f"shift {values.median():.2f} Hz (truth {truth:.2f}), within 0.1 Hz: {hits}/{n}"
                )
                if not variant.endswith("chain"):  # a layer chooses it for most examples
                    named = (found["FrequencyShift largest weight"] > 0.5).sum()
                    line += f", named: {named}/{n}"
                line += " | " + " ".join(f"{value:.2f}" for value in values)
            elif task == "false invariance":
                share = found["share of range"]
                line = f"below 5 % of the range: {(share < 0.05).sum()}/{n}"
                line += f", median {share.median():.3f}"
                line += f", training accuracy {found['accuracy'].median():.2f}"
                line += " | " + " ".join(f"{value:.3f}" for value in share)
            else:
                line = f"accuracy {found['accuracy'].median():.3f}"
                line += f" (one plain copy {found['accuracy, one plain copy'].median():.3f})"
                line += f", invariance {found['invariance'].median():.3f}"
                if "FrequencyShift extent" in found and variant.endswith("AugNet"):
                    line += f", shift {found['FrequencyShift extent'].median():.2f} Hz"
                line += " | " + " ".join(f"{value:.2f}" for value in found["accuracy"])
            print(f"  {variant}, weight {penalty:g}: {line}")


def main():
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--penalty", type=float, help="weight of the reward")
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--only", help="variants that contain this text")
    parser.add_argument("--output", type=Path, default=Path("results/recovery.csv"))
    arguments = parser.parse_args()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    if arguments.output.exists():
        rows = pd.read_csv(arguments.output).to_dict("records")
    identity = ("task", "variant", "penalty", "seed")
    if any(row.get("epochs") != epochs_of(row["task"]) for row in rows):
        raise SystemExit(f"{arguments.output} is of an earlier version; remove it or name another.")
    done = {tuple(row[key] for key in identity) for row in rows}
    cells = [
        (task, variant, penalty_of(task, variant, arguments.penalty), seed)
        for task in arguments.tasks
        for variant in TASKS[task][1]()
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds)
        if not arguments.only or arguments.only in variant
    ]
    cells = [cell for cell in cells if cell not in done]
    parallel = joblib.Parallel(n_jobs=arguments.n_jobs, return_as="generator_unordered")
    for number, row in enumerate(parallel(joblib.delayed(run)(*cell) for cell in cells), start=1):
        rows.append(row)
        fields = list(dict.fromkeys(key for row in rows for key in row))
        with arguments.output.open("w", newline="") as file:
            writer = csv.DictWriter(file, fields)
            writer.writeheader()
            writer.writerows(rows)
        print(f"{number}/{len(cells)} {row['task']}: {row['variant']}, {row['seed']}", flush=True)
    places = [(task, variant) for task in TASKS for variant in TASKS[task][1]()]
    rows.sort(
        key=lambda r: (places.index((r["task"], r["variant"])), *(r[k] for k in identity[2:]))
    )
    report(pd.DataFrame(rows))
    print(f"\n{arguments.output}")


if __name__ == "__main__":
    main()
