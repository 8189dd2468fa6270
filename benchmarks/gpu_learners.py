"""What ``gpu.py`` runs: signals, transforms, learners, and the networks behind them."""

from functools import cache

from measuring import CH_NAMES

import torch  # isort: skip  (after measuring, which sets the number of threads)
from torch import nn

from eeginv import Augerino, AugNet, InvariantModule, PerExampleLoss, Policy, PolicyAugmentation
from eeginv.augmentation import ClasswiseAugmentation, RegularizedAugNet, TrivialAugment
from eeginv.policy import PolicyEntry
from eeginv.transforms import REGISTRY, SignFlip, TimeShift, TimeWarp, make_transform

SFREQ = 128.0
CHANNELS = CH_NAMES[19]
NAMES = {2: CH_NAMES[2], 21: [*CHANNELS, "FC1", "FC2"]}
BACKBONES = {  # what is usual for each: channels, samples
    "EEGNet": (21, 320),
    "SleepStagerChambon2018": (2, 3000),
    "USleep": (2, 3840),
}


@cache
def candidate(name):
    """Return a transform for 19 channels; who changes it copies it."""
    return make_transform(name, SFREQ, CHANNELS)


def candidates(names=None):
    """Return all transforms, or some of them."""
    return [candidate(name) for name in names or REGISTRY]


def mixture():
    """Return a policy of three branches."""
    flip = PolicyEntry("SignFlip", 0.4)
    noise = PolicyEntry("GaussianNoise", 0.5, layer=1, random_strength=True)
    shift = PolicyEntry("TimeShift", 0.3, config={"sfreq": SFREQ})
    return [Policy([flip, noise], 0.7), Policy([shift]), Policy([flip])]


LEARNERS = {
    "AugNet": lambda: AugNet(candidates(), random_state=0),
    "AugNet, 2 layers of all": lambda: AugNet(candidates(), n_layers=2, random_state=0),
    "Augerino": lambda: Augerino(candidates(), random_state=0),
    "Augerino, jointly": lambda: Augerino(
        [
            TimeShift(SFREQ),
            TimeWarp(shape="dilation"),
            *candidates([name for name in REGISTRY if name.startswith("Sensors")]),
            SignFlip(0.2),
        ],
        joint=True,
        random_state=0,
    ),
    "auto": lambda: RegularizedAugNet(candidates(), random_state=0),
    "TrivialAugment": lambda: TrivialAugment(candidates(), random_state=0),
    "policy": lambda: PolicyAugmentation(mixture()[0], random_state=0),
    "mixture": lambda: PolicyAugmentation(Policy.mixture(mixture()), random_state=0),
    "policies of classes": lambda: ClasswiseAugmentation(
        dict(enumerate(mixture())), random_state=0, classes=[0, 1, 2]
    ),
}


def batch(report, device="cpu"):
    """Return signals of 19 channels and labels of three classes."""
    n, n_times = (6, 96) if report.small else (24, 384)
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(n, len(CHANNELS), n_times, generator=generator).to(device)
    return X, (torch.arange(n) % 3).to(device)


class MeanOverTime(nn.Module):
    """A mean, which has a deterministic gradient on a GPU, as adaptive pooling has not."""

    def forward(self, X):
        """Compute the mean."""
        return X.mean(dim=-1)


def learner(make, device):
    """Return a small network behind an augmentation, the same on every device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        conv, linear = nn.Conv1d(len(CHANNELS), 8, 25), nn.Linear(8, 3)
        net = nn.Sequential(conv, nn.ELU(), MeanOverTime(), linear)
    model = InvariantModule(net, make()).to(device).train()
    model.augmentation.set_progress(0.0)
    return model


def criterion():
    """Return a cross-entropy whose losses are handed over."""
    losses = nn.CrossEntropyLoss(reduction="none")
    losses.chance = "cross_entropy"
    return PerExampleLoss(losses)


def step(model, loss_of, X, y):
    """Return the loss after a backward pass."""
    model.example_labels = y
    loss = loss_of(model(X), y)
    loss.backward()
    return loss.detach()
