"""Measure how much predictions depend on the draws that they are averaged over.

    python benchmarks/copies.py [--subjects 6] [--epochs 20] [--draws 20]

AugNet learns on two simulated subjects. The windows of the others are then predicted with several
numbers of copies, under draws of different seeds. Printed is the standard deviation of the
probabilities over these, mean over windows and classes: of the copies that eeginv makes (spread
evenly over choices and strengths), of independent copies, and of copies as in the published code of
AugNet, which draws one candidate of each layer for all of them.
"""

import argparse
import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402

from eeginv import InvariantClassifier  # noqa: E402
from eeginv.datasets import simulate_sleep  # noqa: E402

COPIES = [1, 2, 4, 8, 20, 64]


def even_copies(augmentation, X, n_copies, seed):
    """Yield what :meth:`Augmentation.copies` makes, under another seed."""
    before = augmentation.stream.seed
    augmentation.stream.seed = seed
    try:
        yield from augmentation.copies(X, n_copies)
    finally:
        augmentation.stream.seed = before


def independent_copies(augmentation, X, n_copies, seed):
    """Yield copies whose examples all draw for themselves."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(n_copies):
        yield augmentation.sample(X, generator)[0]


def published_copies(augmentation, X, n_copies, seed):
    """Yield copies that share one candidate of each layer; draws are those of each example."""
    generator = torch.Generator().manual_seed(seed)
    chosen = [
        layer.transforms[int(torch.multinomial(layer.weights, 1, generator=generator))]
        for layer in augmentation.layers
    ]
    for _ in range(n_copies):
        copy = X
        for transform in chosen:
            copy = transform(copy, generator)
        yield copy


def spread(module, X, make_copies, n_copies, n_draws):
    """Return the standard deviation over seeds, mean over windows and classes."""
    found = []
    with torch.no_grad():
        for seed in range(n_draws):
            copies = make_copies(module.augmentation, X, n_copies, seed)
            output = sum(module.backbone(copy) for copy in copies) / n_copies
            found.append(output.softmax(dim=1))
    return torch.stack(found).std(dim=0).mean().item()


def main():
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--subjects", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--windows", type=int, default=100)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    nights = simulate_sleep(n_subjects=arguments.subjects, random_state=0)
    X, y, groups = nights.to_arrays()
    train = np.isin(groups, np.unique(groups)[:2])
    clf = InvariantClassifier(
        sfreq=nights.sfreq,
        max_epochs=arguments.epochs,
        batch_size=32,
        lr=2e-3,
        class_weight="balanced",
        random_state=0,
    ).fit(X[train], y[train])
    rows = np.random.default_rng(0).permutation(np.flatnonzero(~train))[: arguments.windows]
    signals = torch.from_numpy(np.asarray(X[rows], dtype=np.float32))
    module = clf.module_.eval()
    schemes = {
        "eeginv": even_copies,
        "independent": independent_copies,
        "published": published_copies,
    }
    print("copies  " + "  ".join(f"{name:>11}" for name in schemes) + "  (eeginv x sqrt(copies))")
    for n_copies in COPIES:
        values = [spread(module, signals, s, n_copies, arguments.draws) for s in schemes.values()]
        scaled = values[0] * n_copies**0.5
        print(f"{n_copies:6}  " + "  ".join(f"{v:11.4f}" for v in values) + f"  {scaled:.4f}")


if __name__ == "__main__":
    main()
