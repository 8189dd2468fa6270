"""Measure what learning an augmentation adds to a training step, and copies to a prediction.

    python benchmarks/training_cost.py [--rounds 15] [--output FILE]

Three layers of five candidates each in front of a Braindecode model. Reported are ratios to the
step, or the forward passes, of the plain model in the same run: interleaved calls, one thread,
medians. Beside the plain step stands one that also differentiates with respect to its input, which
is the least that a network behind anything learnable costs.
"""

import argparse
import csv
import warnings
from pathlib import Path

from measuring import (
    CH_NAMES,
    SFREQ,
    devices,
    measure_memory,
    measure_time,
    print_memory,
    print_table,
    run_for_memory,
)

import torch  # isort: skip  (after measuring, which sets the number of threads)
from torch import nn

import eeginv  # noqa: F401  (makes Braindecode importable)
from eeginv import AugNet, InvariantModule
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


def main():
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", type=Path, default=Path("results/training_cost.csv"))
    parser.add_argument("--device", choices=["cpu", "cuda"], help="default: all that there are")
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.memory_of is not None:
        print_memory(measure_memory(tasks(arguments.memory_of, arguments.device), arguments.device))
        return
    rows = []
    for device in devices(arguments.device):
        for case, (name, shape, limit) in enumerate(CASES):
            seconds = measure_time(tasks(case, device), arguments.rounds, device)
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
