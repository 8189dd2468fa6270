"""Find out whether learning recovers the rotation that leaves the class of a digit unchanged.

    python benchmarks/digits.py [--seeds 10] [--n-jobs 2] [--only AugNet ...] [--output FILE]

The task that the papers on Augerino and AugNet open with, with digits in the place of their two
images: a few handwritten digits, each turned by up to 45 degrees, and the same upside down as
classes of their own. The label is unchanged under further rotations by up to 45 degrees.
Transforms, network and training are those of examples/plot_own_transforms.py. Each seed has images,
angles, initial weights and draws of its own; no seed is left out. The estimate is the mean strength
over the last tenth of the epochs.

AugNet:                    one layer, which draws one of the transforms for each image
Augerino:                  a chain of layers, one for each transform
... no reward:             the penalty is zero
AugNet, strengths alone:   the reward is the norm of the strengths, not multiplied by the weights
                           with which they are drawn (the ablation of the AugNet paper)
AugNet, norm:              the reward of the AugNet paper, a norm of strengths times weights
"""

import argparse
import ast
import csv
import os
import sys
import time
import types
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import joblib  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

from eeginv import Augerino, AugNet  # noqa: E402
from eeginv.datasets import load_rotated_digits  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "plot_own_transforms.py"
OTHERS = ["TranslationX", "TranslationY", "Shear"]
CLOSE = 0.05  # a relative error that counts as recovered


def load_example(path=EXAMPLE):
    """Return a module with all that the example imports and defines, without running the rest."""
    name = path.stem
    if name not in sys.modules:
        tree = ast.parse(path.read_text())
        kept = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef)
        tree.body = [node for node in tree.body if isinstance(node, kept)]
        sys.modules[name] = types.ModuleType(name)
        exec(compile(tree, str(path), "exec"), vars(sys.modules[name]))
    return sys.modules[name]


def norm_of_strengths(layers, displacements):
    """Reward strengths, however seldom they are drawn."""
    shares = [t.strength / t.max_strength for layer in layers for t in layer.transforms]
    return torch.sqrt(torch.stack(shares).square().sum() + 1e-12)


METHODS = {
    "AugNet": {"penalty": 0.05},
    # where each image undergoes all transforms, a smaller one leaves the rotation too short
    "Augerino": {"penalty": 0.07, "chain": True},
    "AugNet, no reward": {"penalty": 0.0},
    "Augerino, no reward": {"penalty": 0.0, "chain": True},
    "AugNet, strengths alone": {"penalty": 0.05, "reward": norm_of_strengths},
    "AugNet, norm": {"penalty": 0.05, "reward": "weighted_norm"},
}


def run(method, seed, options):
    """Train once; return a row of the table."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    own = load_example()
    X, y, _ = load_rotated_digits(
        options["digits"],
        n_images=options["images"],
        n_rotations=max(1, round(options["examples"] / (2 * options["images"]))),
        max_angle=options["angle"],
        size=options["size"],
        random_state=seed,
    )
    settings = dict(METHODS[method])
    if settings["penalty"] and options["penalty"] is not None:
        settings["penalty"] = options["penalty"]
    others = [getattr(own, name)() for name in options["others"]]
    transforms = [own.Rotation(options["start"]), *others]
    if settings.pop("chain", False):
        augmentation = Augerino(transforms, random_state=seed, **settings)
    else:
        augmentation = AugNet(transforms, n_layers=1, random_state=seed, **settings)
    labels = torch.from_numpy(np.unique(y, return_inverse=True)[1])
    history = own.train(torch.from_numpy(X), labels, augmentation, options["epochs"], seed)
    last = history[-max(1, options["epochs"] // 10) :]
    extents = np.mean([[entry.extent for entry in policy.entries] for policy in last], axis=0)
    weights = np.mean([[entry.weight for entry in policy.entries] for policy in last], axis=0)
    truth = 90 - options["angle"]
    row = {"method": method, "seed": seed, "truth": truth, "rotation": round(extents[0], 2)}
    row["weight"] = round(weights[0], 3)
    row["recovered"] = bool(abs(extents[0] - truth) <= CLOSE * truth)
    row.update({n: round(x, 3) for n, x in zip(options["others"], extents[1:], strict=True)})
    row["seconds"] = round(time.perf_counter() - start, 1)
    for name in ("penalty", "images", "examples", "size", "epochs", "start"):
        row[name] = settings.get(name, options[name])
    return row


def show(method, rows):
    """Print what was found."""
    rotations = np.array([row["rotation"] for row in rows])
    recovered = sum(row["recovered"] for row in rows)
    print(
        f"{method:24s} {recovered:2d} of {len(rows)} within {100 * CLOSE:.0f} % of "
        f"{rows[0]['truth']:g} deg; median {np.median(rotations):.1f}, "
        f"from {rotations.min():.1f} to {rotations.max():.1f}; "
        f"drawn for {100 * np.mean([row['weight'] for row in rows]):.0f} % of the images\n"
        f"{'':24s} {' '.join(f'{rotation:.1f}' for rotation in rotations)}",
        flush=True,
    )


def write(rows, path):
    """Write the table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def main():
    """Run all methods and seeds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--digits", type=int, nargs="+", default=[3, 7])
    parser.add_argument("--images", type=int, default=1, help="original images of each digit")
    parser.add_argument("--examples", type=int, default=800, help="of each digit, in two classes")
    parser.add_argument("--angle", type=float, default=45.0, help="largest, in degrees")
    parser.add_argument("--size", type=int, default=16, help="of the images, in pixels")
    parser.add_argument("--penalty", type=float, help="weight of the reward, where there is one")
    parser.add_argument("--start", type=float, default=22.5, help="initial rotation, in degrees")
    parser.add_argument("--others", nargs="*", choices=[*OTHERS, "Scaling"], default=OTHERS)
    parser.add_argument("--epochs", type=int, default=120)
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "digits.csv")
    arguments = parser.parse_args()
    options = vars(arguments)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    rows = []
    for method in arguments.only:
        tasks = (joblib.delayed(run)(method, seed, options) for seed in seeds)
        found = joblib.Parallel(n_jobs=arguments.n_jobs)(tasks)
        show(method, found)
        rows += found
        write(rows, arguments.output)
    print(f"\n{arguments.output}")


if __name__ == "__main__":
    main()
