"""Measure the transforms of eeginv against those of Braindecode, in one run.

    python benchmarks/transforms.py [--rounds 30] [--only FrequencyShift ...] [--output FILE]

For each transform that both have: the time of a forward pass (randomness included), of a forward
and backward pass through signal and strength, and the peak memory beside the input. Calls are
interleaved, one thread, medians over rounds. The limits of what is possible stand beside them: one
copy of the batch, and one real Fourier transform with its inverse. On a machine with a GPU,
everything is measured on it as well.
"""

import argparse
import csv
import statistics
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

import eeginv  # noqa: F401  (makes Braindecode importable)
from eeginv.transforms import REGISTRY, make_transform

SHAPES = [(64, 2, 3000), (16, 19, 3000)]
# How many times faster than Braindecode a forward pass at (64, 2, 3000) has to be.
FLOORS = {
    "FrequencyShift": 8.0,
    "FTSurrogate": 7.0,
    "BandstopFilter": 40.0,
    "SensorsXRotation": 60.0,
    "SensorsYRotation": 60.0,
    "SensorsZRotation": 60.0,
    "GaussianNoise": 5.0,
    "SmoothTimeMask": 4.0,
    "ChannelsShuffle": 2.5,
}
FLOOR = 1.3
# How many real Fourier transforms with inverse a forward and backward pass may cost.
SPECTRAL = {"FrequencyShift", "FTSurrogate", "BandstopFilter", "TimeShift"}
SPECTRAL_LIMIT = 6.0
ALWAYS = {"probability": 1.0, "max_probability": 1.0}
STRENGTHS = {  # those of both sides; binary transforms are always applied
    "TimeReverse": ALWAYS,
    "SignFlip": ALWAYS,
    "ChannelsSymmetry": ALWAYS,
    "FTSurrogate": {"magnitude": 1.0},
    "ChannelsShuffle": {"magnitude": 0.5},
    "FrequencyShift": {"magnitude": 2.0},
    "SmoothTimeMask": {"magnitude": 1.0},
    "AmplitudeScale": {"magnitude": 6.0},
}


def braindecode_transforms(ch_names):
    """Return Braindecode's transforms by name, always applied, at comparable strengths."""
    from braindecode import augmentation

    made = {
        "TimeReverse": augmentation.TimeReverse(1.0),
        "SignFlip": augmentation.SignFlip(1.0),
        "FTSurrogate": augmentation.FTSurrogate(1.0),
        "ChannelsShuffle": augmentation.ChannelsShuffle(1.0, p_shuffle=0.5),
        "ChannelsDropout": augmentation.ChannelsDropout(1.0),
        "GaussianNoise": augmentation.GaussianNoise(1.0),
        "ChannelsSymmetry": augmentation.ChannelsSymmetry(1.0, ch_names),
        "SmoothTimeMask": augmentation.SmoothTimeMask(1.0, mask_len_samples=100),
        "BandstopFilter": augmentation.BandstopFilter(1.0, sfreq=SFREQ),
        "FrequencyShift": augmentation.FrequencyShift(1.0, sfreq=SFREQ),
        "AmplitudeScale": augmentation.AmplitudeScale(1.0),
    }
    for axis in "XYZ":
        name = f"Sensors{axis}Rotation"
        made[name] = getattr(augmentation, name)(1.0, ch_names)
    return made


def tasks(shape, device, only=None):
    """Return the functions to measure, by name and kind."""
    generator = torch.Generator(device=device).manual_seed(0)
    X = torch.randn(shape, generator=generator, device=device)
    gradient = torch.randn(shape, generator=generator, device=device)
    X_leaf = X.clone().requires_grad_()
    y = torch.zeros(len(X), dtype=torch.int64, device=device)
    n_times = shape[-1]
    made = {
        ("limit", "copy"): lambda: X.clone(),
        ("limit", "rfft + irfft"): lambda: torch.fft.irfft(torch.fft.rfft(X), n=n_times),
        ("limit", "randn"): lambda: torch.randn(shape, generator=generator, device=device),
        # what transforms of one layer, each of its own examples, could save by sharing a spectrum
        ("limit", "rfft"): lambda: torch.fft.rfft(X),
        ("limit", "rfft in 3 parts"): lambda: [torch.fft.rfft(part) for part in X.chunk(3)],
    }

    def forward(transform):
        with torch.no_grad():
            return transform(X, generator)

    def both(transform):
        transform(X_leaf, generator).backward(gradient)
        X_leaf.grad = None

    theirs = braindecode_transforms(CH_NAMES[shape[1]])
    for name in REGISTRY:
        if only and name not in only:
            continue
        options = STRENGTHS.get(name, {})
        ours = make_transform(name, SFREQ, CH_NAMES[shape[1]], **options).to(device)
        made[name, "forward"] = lambda ours=ours: forward(ours)
        made[name, "both"] = lambda ours=ours: both(ours)
        if name in theirs:
            other = theirs[name].to(device)
            made[name, "braindecode"] = lambda other=other: other(X, y)
    return made


def measure_in_turns(made, rounds, device):
    """Return median seconds: a transform, its counterpart and the limits take turns; then the next.

    The state in which the large temporaries of one transform leave the allocator is no concern of
    another.
    """
    seconds = {}
    limits = {key: made[key] for key in made if key[0] == "limit"}
    for name in dict.fromkeys(name for name, _ in made if name != "limit"):
        turn = {key: made[key] for key in made if key[0] == name}
        found = measure_time({**limits, **turn}, rounds, device)
        for key, value in found.items():
            seconds.setdefault(key, []).append(value)
    return {key: statistics.median(values) for key, values in seconds.items()}


def table(shape, device, seconds, memory):
    """Return one row a transform."""
    copy_bytes = 4 * shape[0] * shape[1] * shape[2]
    fourier = seconds["limit", "rfft + irfft"]
    rows = []
    for name in REGISTRY:
        if (name, "forward") not in seconds:
            continue
        ours, theirs = seconds[name, "forward"], seconds.get((name, "braindecode"))
        both = seconds[name, "both"]
        row = {
            "device": device,
            "shape": "x".join(map(str, shape)),
            "transform": name,
            "ms": 1e3 * ours,
            "braindecode / ours": theirs / ours if theirs else None,
            "floor": None,
            "copies": ours / seconds["limit", "copy"],
            "both / (rfft + irfft)": both / fourier,
            "limit": SPECTRAL_LIMIT if name in SPECTRAL else None,
            "memory": memory.get((name, "forward"), float("nan")) / copy_bytes,
            "memory both": memory.get((name, "both"), float("nan")) / copy_bytes,
            "memory braindecode": memory.get((name, "braindecode"), float("nan")) / copy_bytes,
        }
        if theirs and shape == SHAPES[0] and device == "cpu":
            row["floor"] = FLOORS.get(name, FLOOR)
        rows.append(row)
    return rows


def show(rows, seconds):
    """Print the table."""
    limits = ", ".join(
        f"{name} {1e3 * value:.2f} ms" for (kind, name), value in seconds.items() if kind == "limit"
    )
    print(f"\n{rows[0]['device']}, shape {rows[0]['shape']}; {limits}")
    print("memory in copies of the batch")
    head = ["transform", "ms", "braindecode / ours", "floor", "met", "both / (rfft + irfft)"]
    head += ["limit", "met", "memory", "memory both", "memory braindecode"]
    lines = [head]
    for row in rows:
        ratio, floor, limit = row["braindecode / ours"], row["floor"], row["limit"]
        both = row["both / (rfft + irfft)"]
        lines.append(
            [
                row["transform"],
                f"{row['ms']:.2f}",
                "" if ratio is None else f"{ratio:.1f}",
                "" if floor is None else f"{floor:g}",
                "" if floor is None else "yes" if ratio >= floor else "NO",
                f"{both:.2f}",
                "" if limit is None else f"{limit:g}",
                "" if limit is None else "yes" if both <= limit else "NO",
                *(
                    "" if row[key] != row[key] else f"{row[key]:.1f}"
                    for key in ("memory", "memory both", "memory braindecode")
                ),
            ]
        )
    print_table(lines[0], lines[1:])


def main():
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--only", nargs="+", choices=list(REGISTRY), metavar="TRANSFORM")
    parser.add_argument("--output", type=Path, default=Path("results/transforms.csv"))
    parser.add_argument("--device", choices=["cpu", "cuda"], help="default: all that there are")
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    only = ["--only", *arguments.only] if arguments.only else []
    if arguments.memory_of is not None:
        made = tasks(SHAPES[arguments.memory_of], arguments.device, arguments.only)
        print_memory(measure_memory(made, arguments.device))
        return
    rows = []
    for device in devices(arguments.device):
        for index, shape in enumerate(SHAPES):
            made = tasks(shape, device, arguments.only)
            seconds = measure_in_turns(made, arguments.rounds, device)
            options = ["--memory-of", str(index), "--device", device, *only]
            memory = run_for_memory(__file__, *options)
            of_shape = table(shape, device, seconds, memory)
            show(of_shape, seconds)
            rows += of_shape
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    with arguments.output.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    print(f"\n{arguments.output}")


if __name__ == "__main__":
    main()
