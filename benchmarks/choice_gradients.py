"""Compare estimators of the gradient of choices on tasks whose truth is known.

    python benchmarks/choice_gradients.py [--parts gradients cost learning] [--seeds 5]
        [--batches 200] [--only TEXT] [--output results/choice_gradients]

gradients: on networks that have trained for a short and for a long time, the derivative of the
    expected loss with respect to the choice of the transform, to whether it is applied, and to
    which channels are dropped. Of each estimator, its size along the exact derivative (1 is
    right), its spread over batches of 64 (of the whole vector, and the geometric mean over its
    components, relative to the length of the truth), and the cosine of one batch's estimate with
    the truth. Statistics of batch normalisation are frozen: a forward pass of enumeration and of
    DDAS would otherwise normalise by signals that all underwent the same.
cost: a step of training against one of the plain network, interleaved, one thread.
learning: what is recovered, see ``choice_learning.py``.

Each part writes a table as it goes; a second start continues it.
"""

import argparse
import csv
import time
from pathlib import Path

import recovery  # isort: skip  (sets the number of threads)
import numpy as np
import pandas as pd
import torch
from choice_cost import measure_cost, nights_layers
from choice_estimators import (
    PATHWISE,
    choice_parameters,
    enumerated_losses,
    example_scores,
    first_order_loss,
    flat_gradient,
    information,
    others_mean,
    pathwise,
    regressed_score_function,
    score_function,
    weighted_losses,
)
from choice_learning import LEARNERS, PENALTY, SHIPPED, TASKS, learn
from measuring import SFREQ, print_table
from torch import nn

from eeginv import AugNet, InvariantClassifier
from eeginv.augmentation import Augmentation
from eeginv.augmentation.baseline import Baseline
from eeginv.datasets import simulate_sleep

BATCH = 64
EPOCHS = {"sinusoids": (4, 40), "direction": (20, 90), "nights": (3, 15)}


# states of training -----------------------------------------------------------------------------
def trained(task, epochs):
    """Return a trained module, its training data and the weights of the classes."""
    if task != "nights":
        if task == "sinusoids":
            X, y, transforms = recovery.noisy_sinusoids(recovery.AS_IN_THE_PAPER, 0)
            make_backbone = lambda: recovery.FrequencyNet(1, 4)  # noqa: E731
        else:
            X, y, transforms = recovery.opposed_classes(task, 0)
            make_backbone = lambda: recovery.FrequencyNet(1, 2, 8)  # noqa: E731
        augmentation = AugNet(transforms, 1, penalty=PENALTY, random_state=0)
        model, _ = recovery.train(X, y, make_backbone, augmentation, 0, epochs, decay=False)
        weight = np.ones(y.max() + 1)
    else:
        X, y, _ = simulate_sleep(n_subjects=4, hours=2.0, random_state=0).to_arrays()
        y = np.unique(y, return_inverse=True)[1]
        classifier = InvariantClassifier(
            augmentation=AugNet(nights_layers(), warmup=0.2),
            sfreq=SFREQ,
            max_epochs=epochs,
            class_weight="balanced",
            random_state=0,
        )
        model, weight = classifier.fit(X, y).module_, len(y) / np.bincount(y) / (y.max() + 1)
    X, y, weight = (torch.from_numpy(np.asarray(a)) for a in (X, y, weight))
    return model, X.float(), y, weight.float()


# estimates --------------------------------------------------------------------------------------
class Problem:
    """A trained network whose parameters are fixed, but for what decides on choices."""

    def __init__(self, task, epochs):
        model, self.X, self.y, self.class_weight = trained(task, epochs)
        self.augmentation = model.augmentation
        self.backbone = model.backbone.train().requires_grad_(False)
        for part in self.backbone.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()
        self.parameters = choice_parameters(self.augmentation)
        self.augmentation.requires_grad_(False)
        for parameter in self.parameters:
            parameter.requires_grad_()
        self.pathwise = {
            name: pathwise(Augmentation(self.augmentation.layers), *how)
            for name, how in PATHWISE.items()
        }
        self.baseline = Baseline()

    def loss(self, X, y):
        """Return the loss of a batch."""
        losses, weights = weighted_losses(self.backbone, X, y, self.class_weight)
        return (weights * losses).sum()

    def truth(self, X, y, generator):
        """Return the exact derivative, given the strengths that are drawn."""
        expected = enumerated_losses(
            self.augmentation, self.backbone, X, y, self.class_weight, generator
        )
        # each layer's expected loss depends on its own parameters only
        return flat_gradient(sum((w * losses).sum() for losses, w in expected), self.parameters)

    def estimates(self, X, y, generator):
        """Return what each estimator makes of one batch."""
        found = {}
        for name, augmentation in self.pathwise.items():
            found[name] = flat_gradient(
                self.loss(augmentation.sample(X, generator)[0], y), self.parameters
            )
        surrogate, _ = first_order_loss(
            self.augmentation, self.backbone, X, y, self.class_weight, generator
        )
        found["first order (DDAS), 3 views"] = flat_gradient(surrogate, self.parameters)
        return {**found, **self.score_functions(X, y, generator)}

    def score_functions(self, X, y, generator):
        """Return what all score functions make of the same draws."""
        signals, log_prob = self.augmentation.sample(X, generator)
        scores = example_scores(log_prob, self.parameters)
        losses, weights = weighted_losses(self.backbone, signals, y, self.class_weight)
        plain, _ = weighted_losses(self.backbone, X, y, self.class_weight)
        losses, weights, plain = losses.double(), weights.double(), plain.double()
        all_one = torch.zeros_like(y)
        labels = nn.functional.one_hot(y, len(self.class_weight)).unsqueeze(1)
        shipped = self.baseline.update(losses[:, None], weights[:, None], labels)[:, 0]
        fisher = information(self.augmentation, X.shape[1])
        moved = losses - plain
        return {
            "score function, no baseline": score_function(losses, weights, 0.0, scores),
            "score function, baseline of all": score_function(
                losses, weights, others_mean(losses, weights, all_one), scores
            ),
            "score function, label, this batch": score_function(
                losses, weights, others_mean(losses, weights, y), scores
            ),
            SHIPPED: score_function(losses, weights, shipped, scores),
            "score function, regression on events": regressed_score_function(
                losses, weights, scores, fisher
            ),
            "score function, untransformed loss": score_function(
                moved, weights, others_mean(moved, weights, all_one), scores
            ),
        }


def measure_gradients(task, epochs, n_batches):
    """Return one row an estimator."""
    with torch.random.fork_rng():
        torch.manual_seed(0)  # of dropout
        problem = Problem(task, epochs)
        generator = torch.Generator().manual_seed(0)
        truths, found = [], {}
        for _ in range(n_batches):
            rows = torch.randperm(len(problem.X), generator=generator)[:BATCH]
            X, y = problem.X[rows], problem.y[rows]
            truths.append(problem.truth(X, y, generator))
            for name, estimate in problem.estimates(X, y, generator).items():
                found.setdefault(name, []).append(estimate)
    truths = torch.stack(truths)
    truth = truths.mean(dim=0)
    found = {"enumeration": truths, **{name: torch.stack(e) for name, e in found.items()}}
    rows = []
    for name, estimates in found.items():
        along = estimates @ truth / truth.square().sum()
        # against the enumeration of the same batch, of which the difference spreads less
        difference = along - truths @ truth / truth.square().sum()
        rows.append(
            {
                "task": task,
                "epochs": epochs,
                "estimator": name,
                "size along truth": 1 + difference.mean().item(),
                "standard error": difference.std().item() / n_batches**0.5,
                "cosine of the mean": torch.cosine_similarity(
                    estimates.mean(dim=0), truth, dim=0
                ).item(),
                "spread": (estimates.std(dim=0).norm() / truth.norm()).item(),
                # rare events have most of that
                "typical spread": (estimates.std(dim=0).log().mean().exp() / truth.norm()).item(),
                "cosine": torch.cosine_similarity(estimates, truth[None], dim=1).mean().item(),
            }
        )
    return rows


# running and reporting --------------------------------------------------------------------------
def cells(arguments):
    """Yield part, name and function of each cell."""
    for task, both in EPOCHS.items():
        for epochs in both:
            yield (
                "gradients",
                f"{task}, {epochs} epochs, {arguments.batches} batches",
                lambda task=task, epochs=epochs: measure_gradients(task, epochs, arguments.batches),
            )
    yield "cost", f"{arguments.rounds} rounds", lambda: measure_cost(arguments.rounds)
    for seed in range(arguments.seeds):
        for task in TASKS:
            for estimator in LEARNERS:
                yield (
                    "learning",
                    f"{task}, {estimator}, {seed}",
                    lambda *key: [learn(*key)],
                    (task, estimator, seed),
                )


def report(part, table):
    """Print what came out."""
    if part == "gradients":
        columns = ["size along truth", "standard error", "cosine of the mean"]
        columns += ["spread", "typical spread", "cosine"]
        table = table.reindex(columns=["task", "epochs", "estimator", *columns])
        for (task, epochs), rows in table.groupby(["task", "epochs"], sort=False):
            print(f"\n{task}, after {epochs} epochs")
            lines = rows[["estimator", *columns]].itertuples(index=False)
            print_table(
                ["estimator", *columns], [[n, *(f"{v:.3g}" for v in vs)] for n, *vs in lines]
            )
    elif part == "cost":
        print("\ncost of a step, SleepStagerChambon2018, 64 x 2 x 3000, three layers")
        lines = table[["estimator", "ratio"]].itertuples(index=False)
        print_table(["estimator", "ratio to the plain step"], [[n, f"{v:.2f}"] for n, v in lines])
    else:
        for task, rows in table.groupby("task", sort=False):
            print(f"\n{task}")
            for estimator, found in rows.groupby("estimator", sort=False):
                if task == "sinusoids":
                    right = (found["extent"] - 0.5).abs() <= 0.1
                    line = f"named {int(found['named'].sum())}, within 0.1 Hz {int(right.sum())}"
                    values = found["extent"]
                else:
                    values = found["share of range"]
                    line = f"below 5 % of the range {int((values < 0.05).sum())}"
                line += f" of {len(found)}, accuracy {found['accuracy'].median():.2f}"
                print(f"  {estimator}: {line} | " + " ".join(f"{v:.2f}" for v in values))


def main():
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parts = ["gradients", "cost", "learning"]
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="", help="cells that contain this text")
    parser.add_argument("--output", type=Path, default=Path("results/choice_gradients"))
    arguments = parser.parse_args()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for part in arguments.parts:
        path = arguments.output.with_name(f"{arguments.output.name}_{part}.csv")
        rows = pd.read_csv(path).to_dict("records") if path.exists() else []
        for cell_part, name, function, *key in cells(arguments):
            if cell_part != part or arguments.only not in name:
                continue
            if name in {row["cell"] for row in rows}:
                continue
            start = time.perf_counter()
            rows += [{"cell": name, **row} for row in function(*(key[0] if key else ()))]
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, rows[-1])
                writer.writeheader()
                writer.writerows(rows)
            print(f"{part}: {name}, {time.perf_counter() - start:.0f} s", flush=True)
        if rows:
            report(part, pd.DataFrame(rows))
        print(f"\n{path}")


if __name__ == "__main__":
    main()
