"""Measure what learning an augmentation adds to a training step, and copies to a prediction.

    python benchmarks/training_cost.py [--rounds 15] [--output FILE]
    python benchmarks/training_cost.py --fit [--rounds 5] [--windows 1024]

Three layers of five candidates each in front of a Braindecode model. Reported are ratios to the
step, or the forward passes, of the plain model in the same run: interleaved calls, one thread,
medians. Beside the plain step stands one that also differentiates with respect to its input, which
is the least that a network behind anything learnable costs.

With ``--fit``: the processor time of whole ``fit`` of the estimators under each augmentation,
warm-up included, in that of Braindecode's EEGClassifier without augmentation.
"""

import argparse
import csv
import statistics
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from measuring import (
    CH_NAMES,
    SFREQ,
    devices,
    measure_memory,
    measure_time,
    print_memory,
    print_table,
    run_for_memory,
    timed,
)

import torch  # isort: skip  (after measuring, which sets the number of threads)
from torch import nn

import eeginv  # noqa: F401  (makes Braindecode importable)
from eeginv import AugNet, InvariantClassifier, InvariantModule
from eeginv.transforms import make_transform

LAYERS = [
    ["ChannelsDropout", "ChannelsShuffle", "ChannelsSymmetry", "ChannelsMix", "SignFlip"],
    ["TimeReverse", "FrequencyShift", "FTSurrogate", "GaussianNoise", "SmoothTimeMask"],
    ["TimeReverse", "FrequencyShift", "FTSurrogate", "GaussianNoise", "SmoothTimeMask"],
]
CASES = [  # model, shape, the most that a step may cost
    ("SleepStagerChambon2018", (64, 2, 3000), 1.25),
    ("SleepStagerChambon2018", (16, 19, 3000), 1.30),
    ("USleep", (64, 2, 3000), 1.06),
]
FITS = {  # windows of channels, samples, and sampling frequency
    "SleepStagerChambon2018, 2 x 3000": (2, 3000, 100.0),
    "EEGNet, 21 x 320": (21, 320, 128.0),
    "SleepStagerChambon2018, 1 x 3840": (1, 3840, 128.0),
}
AUGMENTATIONS = {"none": None, "random": "trivial", "AugNet": "augnet", "Augerino": "augerino"}
EPOCHS = 5  # two of them within the warm-up
MEMORY_LIMIT, COPIES, COPIES_LIMIT, COPIES_MEMORY_LIMIT = 1.15, 20, 1.25, 1.10


def make_model(name, shape):
    """Return a Braindecode model."""
    from braindecode import models

    _, n_chans, n_times = shape
    return getattr(models, name)(n_chans=n_chans, n_times=n_times, n_outputs=5, sfreq=SFREQ)


def tasks(case, device):
    """Return the functions to measure."""
    name, shape, _ = CASES[case]
    generator = torch.Generator(device=device).manual_seed(0)
    X = torch.randn(shape, generator=generator, device=device)
    y = torch.randint(5, (len(X),), generator=generator, device=device)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain = make_model(name, shape).to(device)
        behind = make_model(name, shape)
    layers = [[make_transform(t, SFREQ, CH_NAMES[shape[1]]) for t in layer] for layer in LAYERS]
    augmented = InvariantModule(behind, AugNet(layers, random_state=0), n_copies=COPIES).to(device)

    def make_step(model, X):
        optimizer = torch.optim.Adam(model.parameters())

        def step():
            model.train()
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X), y).backward()
            optimizer.step()

        return step

    def forward():
        plain.eval()
        with torch.no_grad():
            plain(X)

    def forwards():
        for _ in range(COPIES):
            forward()

    def average():
        augmented.eval()
        with torch.no_grad():
            augmented(X)

    return {
        ("step", "plain"): make_step(plain, X),
        ("step", "plain, with the gradient of its input"): make_step(plain, X.requires_grad_()),
        ("step", "AugNet"): make_step(augmented, X.detach()),
        ("prediction", "one forward"): forward,
        ("prediction", f"{COPIES} forwards"): forwards,
        ("prediction", f"AugNet, {COPIES} copies"): average,
    }


def make_fits(name, n_windows):
    """Return functions that train a network, by augmentation."""
    from braindecode import EEGClassifier, models

    n_chans, n_times, sfreq = FITS[name]
    backbone = name.split(",")[0]
    X = torch.randn(n_windows, n_chans, n_times, generator=torch.Generator().manual_seed(0))
    X, y = X.numpy(), np.arange(n_windows) % 5
    shared = {"max_epochs": EPOCHS, "batch_size": 64, "lr": 1e-3}

    def fit_braindecode():
        network = getattr(models, backbone)(
            n_chans=n_chans, n_times=n_times, n_outputs=5, sfreq=sfreq
        )
        options = {"optimizer": torch.optim.AdamW, "criterion": nn.CrossEntropyLoss}
        EEGClassifier(network, train_split=None, verbose=0, **options, **shared).fit(X, y)

    def fit(augmentation):
        InvariantClassifier(backbone, augmentation, sfreq=sfreq, random_state=0, **shared).fit(X, y)

    fits = {method: partial(fit, given) for method, given in AUGMENTATIONS.items()}
    return {"Braindecode": fit_braindecode, **fits}


def measure_fits(rounds, n_windows):
    """Print the table of whole trainings."""
    lines = []
    for name in FITS:
        fits = make_fits(name, n_windows)
        seconds = {method: [] for method in fits}
        for _ in range(rounds):
            for method, fit in fits.items():
                seconds[method].append(timed(fit, 1, "cpu"))
        medians = {method: statistics.median(values) for method, values in seconds.items()}
        floor = medians.pop("Braindecode")
        lines.append([name, f"{floor:.2f}", *(f"{s / floor:.2f}" for s in medians.values())])
    print_table(["network, windows", "Braindecode (s)", *AUGMENTATIONS], lines)


def main():
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, help="default: 15, or 5 with --fit")
    parser.add_argument("--fit", action="store_true", help="measure whole trainings instead")
    parser.add_argument("--windows", type=int, default=1024, help="of a whole training")
    parser.add_argument("--output", type=Path, default=Path("results/training_cost.csv"))
    parser.add_argument("--device", choices=["cpu", "cuda"], help="default: all that there are")
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.fit:
        measure_fits(arguments.rounds or 5, arguments.windows)
        return
    if arguments.memory_of is not None:
        print_memory(measure_memory(tasks(arguments.memory_of, arguments.device), arguments.device))
        return
    rows = []
    for device in devices(arguments.device):
        for case, (name, shape, limit) in enumerate(CASES):
            seconds = measure_time(tasks(case, device), arguments.rounds or 15, device)
            options = ["--memory-of", str(case), "--device", device]
            memory = run_for_memory(__file__, *options)
            augnet, copies = ("step", "AugNet"), ("prediction", f"AugNet, {COPIES} copies")
            plain, floor = (key for key in seconds if key[1].startswith("plain"))
            forwards, one = ("prediction", f"{COPIES} forwards"), ("prediction", "one forward")
            for what, value, most in (
                ("step", seconds[augnet] / seconds[plain], limit),
                (
                    "step of the plain model with the gradient of its input",
                    seconds[floor] / seconds[plain],
                    None,
                ),
                ("memory of a step", memory[augnet] / memory[plain], MEMORY_LIMIT),
                (f"{COPIES} copies", seconds[copies] / seconds[forwards], COPIES_LIMIT),
                ("memory of a prediction", memory[copies] / memory[one], COPIES_MEMORY_LIMIT),
            ):
                rows.append(
                    {
                        "device": device,
                        "model": name,
                        "shape": "x".join(map(str, shape)),
                        "what": what,
                        "ratio": value,
                        "limit": most,
                    }
                )
    print_table(
        ["device", "model", "shape", "what", "ratio to plain", "limit", "met"],
        [
            [
                row["device"],
                row["model"],
                row["shape"],
                row["what"],
                f"{row['ratio']:.2f}",
                "" if row["limit"] is None else f"{row['limit']:g}",
                "" if row["limit"] is None else "yes" if row["ratio"] <= row["limit"] else "NO",
            ]
            for row in rows
        ],
    )
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    with arguments.output.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    print(f"\n{arguments.output}")


if __name__ == "__main__":
    main()
