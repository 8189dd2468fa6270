"""What a step of training costs with each estimator of the gradient of choices.

``choice_gradients.py`` runs and reports it.
"""

from choice_estimators import (
    PATHWISE,
    choice_parameters,
    enumerated_losses,
    example_scores,
    first_order_loss,
    pathwise,
    weighted_losses,
)
from choice_learning import SHIPPED
from measuring import CH_NAMES, SFREQ, measure_time

import recovery  # isort: skip
import torch  # isort: skip  (after measuring, which sets the number of threads)

from eeginv import AugNet, InvariantModule
from eeginv.transforms import make_transform

BATCH = 64
NIGHTS_LAYERS = [
    ["TimeReverse", "FrequencyShift", "FTSurrogate"],
    ["SignFlip", "GaussianNoise"],
    ["ChannelsDropout", "ChannelsSymmetry"],
]


def nights_layers():
    """Return the candidates of three layers."""
    names = CH_NAMES[2]
    return [[make_transform(name, SFREQ, names) for name in layer] for layer in NIGHTS_LAYERS]


def measure_cost(n_rounds):
    """Return the time of a step of training with each estimator, against the plain network's."""
    from braindecode.models import SleepStagerChambon2018

    generator = torch.Generator().manual_seed(0)
    X = torch.randn(BATCH, 2, 3000, generator=generator)
    y = torch.randint(5, (BATCH,), generator=generator)
    ones = torch.ones(5)

    def make_step(change=None, loss=None):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            backbone = SleepStagerChambon2018(n_chans=2, n_times=3000, n_outputs=5, sfreq=SFREQ)
        augmentation = AugNet(nights_layers(), random_state=0).calibrate(X)
        augmentation = augmentation if change is None else pathwise(augmentation, *change)
        model = InvariantModule(backbone, None if loss == "plain" else augmentation).train()
        optimizer = torch.optim.Adam([*backbone.parameters(), *augmentation.parameters()])

        def step():
            optimizer.zero_grad()
            if callable(loss):
                loss(augmentation, backbone).backward()
            else:
                recovery.cross_entropy(model, X, y).backward()
            optimizer.step()

        return step

    def enumerated(augmentation, backbone):
        expected = enumerated_losses(augmentation, backbone, X, y, ones, generator)
        return sum((w * losses).sum() for losses, w in expected) / len(NIGHTS_LAYERS)

    def first_order(augmentation, backbone):
        return sum(first_order_loss(augmentation, backbone, X, y, ones, generator))

    def scored(extra):
        def loss(augmentation, backbone):
            signals, log_prob = augmentation.sample(X, generator)
            losses, weights = weighted_losses(backbone, signals, y, ones)
            parameters = choice_parameters(augmentation)
            with torch.no_grad():
                plain = weighted_losses(backbone, X, y, ones)[0] if extra == "plain" else 0.0
            if extra == "scores":
                example_scores(log_prob, parameters, retain_graph=True)
            advantage = (losses - plain).detach()
            return (weights * (losses + advantage * log_prob)).sum()

        return loss

    made = {"plain": make_step(loss="plain"), SHIPPED: make_step()}
    made.update({name: make_step(change) for name, change in PATHWISE.items()})
    made["enumeration"] = make_step(loss=enumerated)
    made["first order (DDAS), 3 views"] = make_step(loss=first_order)
    made["score function, regression on events"] = make_step(loss=scored("scores"))
    made["score function, untransformed loss"] = make_step(loss=scored("plain"))
    seconds = measure_time(made, n_rounds, "cpu")
    return [
        {"estimator": name, "seconds": value, "ratio": value / seconds["plain"]}
        for name, value in seconds.items()
    ]
