"""What is not finite in training: an error that names its cause, at the step where it happens."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from eeginv import (
    Augerino,
    AugNet,
    InvariantClassifier,
    InvariantModule,
    InvariantRegressor,
    PerExampleLoss,
)
from eeginv.augmentation import TrivialAugment
from eeginv.transforms import GaussianNoise, SignFlip, TimeShift, TimeWarp, Transform


class Faulty(Transform):
    """Adds an offset; once it is broken, divides by zero where a draw is negative."""

    broken = False
    displaces = None

    def __init__(self, magnitude=0.5, max_magnitude=1.0):
        super().__init__(magnitude, max_magnitude)

    def _draw(self, draws):
        return {"uniform": 2 * draws.uniform() - 1}

    def _transform(self, X, noise, strength):
        u = noise["uniform"].reshape(-1, 1, 1)
        return X + strength * (u / u.clamp_min(0) if self.broken else u)

    def displacement(self, X, generator=None):
        return super().displacement(X, generator) if self.displaces is None else self.displaces


class Boundless(Faulty):
    """Has no finite width once it is broken."""

    def spread(self, strength=None):
        return super().spread(strength) / (0.0 if self.broken else 1.0)

    def _transform(self, X, noise, strength):
        return X + strength


def signals(seed=0):
    return torch.randn(16, 2, 50, generator=torch.Generator().manual_seed(seed))


def backbone(n_outputs=2):
    return nn.Sequential(nn.Flatten(), nn.Linear(100, n_outputs))


def model_with(*transforms, loss="cross_entropy", kind=Augerino, **options):
    augmentation = kind([GaussianNoise(0.1), *transforms, SignFlip(0.2)], random_state=0, **options)
    return InvariantModule(backbone(), augmentation, loss=loss)


CRITERIA = {
    ("cross_entropy", True): PerExampleLoss(nn.CrossEntropyLoss(reduction="none")),
    ("cross_entropy", False): nn.CrossEntropyLoss(),
    ("squared_error", True): PerExampleLoss(nn.MSELoss(reduction="none")),
    ("squared_error", False): nn.MSELoss(),
}
either_way = pytest.mark.parametrize("handed_over", [True, False])


def step(model, X=None, handed_over=True):
    X = signals() if X is None else X
    y = torch.arange(len(X)) % 2 if model.loss == "cross_entropy" else torch.zeros(len(X), 2)
    criterion = CRITERIA[model.loss, handed_over]
    if not handed_over:
        model.example_labels = y
    criterion(model.train()(X), y).backward()


def transform_in(model, kind):
    return next(m for m in model.modules() if isinstance(m, kind))


@either_way
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_transform_that_returns_nan_is_named_at_its_step(loss, handed_over):
    model = model_with(Faulty(), loss=loss)
    step(model, handed_over=handed_over)
    drawn = model.augmentation.stream.n_drawn
    transform_in(model, Faulty).broken = True
    with pytest.raises(ValueError, match=r"^Faulty \(layer 1, magnitude=0.5\) returned") as error:
        step(model, handed_over=handed_over)
    assert "GaussianNoise" not in str(error.value)  # blameless, and so is what came after
    assert "SignFlip" not in str(error.value)
    # as many examples as drew a negative number in that step
    assert any(f"for {n} of the 16 examples" in str(error.value) for n in range(1, 16))
    assert model.augmentation.stream.n_drawn == drawn + 1  # the replay is not part of the stream
    transform_in(model, Faulty).broken = False
    step(model)


@either_way
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_transform_is_named_where_nothing_is_learned(loss, handed_over):
    """In random augmentation, and while the distribution is held."""
    held = model_with(Faulty(), loss=loss, warmup=0.5)
    held.augmentation.set_progress(0.0)
    random = InvariantModule(backbone(), TrivialAugment([SignFlip(), Faulty()], 0), loss=loss)
    for model in (held, random):
        step(model, handed_over=handed_over)
        transform_in(model, Faulty).broken = True
        with pytest.raises(ValueError, match=r"^Faulty \(layer \d, magnitude=.*\) returned"):
            step(model, handed_over=handed_over)


def test_replay_repeats_the_draws_of_the_step():
    model = model_with(Faulty(), kind=AugNet, n_layers=2)
    step(model)
    for transform in model.augmentation.modules():
        if isinstance(transform, Faulty):
            transform.broken = True
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with pytest.raises(ValueError, match=r"Faulty \(layer 0.*; Faulty \(layer 1") as error:
        step(model)
    told = [int(n) for n in re.findall(r"for (\d+) of the", str(error.value))]
    assert sum(told) == (~torch.isfinite(seen[0])).flatten(1).any(dim=1).sum()


def test_strength_that_is_no_number_is_named():
    model = model_with()
    step(model)
    with torch.no_grad():
        transform_in(model, GaussianNoise).raw.fill_(torch.nan)
    with pytest.raises(ValueError, match=r"GaussianNoise \(layer 0, magnitude=nan\) returned"):
        step(model)


def test_transforms_that_are_drawn_jointly_are_named_together():
    shift, warp = TimeShift(100, 0.1), TimeWarp(0.1, shape="dilation")
    model = model_with(shift, warp, joint=True)
    step(model)
    with torch.no_grad():
        transform_in(model, TimeWarp).raw.fill_(torch.nan)
    with pytest.raises(ValueError, match="TimeShift and TimeWarp, drawn jointly"):
        step(model)


@pytest.mark.parametrize("first_step", [True, False])
def test_signals_that_are_not_finite_are_blamed_themselves(first_step):
    model, X = model_with(), signals()
    if not first_step:
        step(model)
    X[3, 0, 7], X[9] = torch.nan, torch.inf
    with pytest.raises(ValueError, match="signals are not finite: 2 of the 16 examples"):
        step(model, X)


@either_way
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_network_that_diverged_is_no_fault_of_the_transforms(loss, handed_over):
    model = model_with(Faulty(), loss=loss)
    step(model, handed_over=handed_over)
    with torch.no_grad():
        model.backbone[1].weight.fill_(torch.inf)
    with pytest.raises(ValueError, match="diverged: the output of the network") as error:
        step(model, handed_over=handed_over)
    assert "Faulty" not in str(error.value)


def test_targets_that_are_not_finite_are_no_fault_of_the_network():
    model = model_with(loss="squared_error")
    step(model)
    with pytest.raises(ValueError, match="the output of the network is. Check that targets"):
        CRITERIA["squared_error", True](model(signals()), torch.full((16, 2), torch.nan)).backward()
    model.example_labels = torch.full((16, 2), torch.nan)
    with pytest.raises(ValueError, match="the output of the network is. Check that targets"):
        nn.functional.mse_loss(model(signals()), torch.full((16, 2), torch.nan)).backward()


@either_way
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_reward_that_is_not_finite_names_the_transform(loss, handed_over):
    model = model_with(Boundless(), loss=loss)
    step(model, handed_over=handed_over)
    transform_in(model, Boundless).broken = True
    before = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    with pytest.raises(ValueError, match=r"reward .* is inf: of Boundless \(layer 1, .*spread is"):
        step(model, handed_over=handed_over)
    after = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_reward_of_ones_own_that_is_not_finite_is_said_to_be():
    model = model_with(reward=lambda layers, displacements: torch.tensor(torch.nan))
    with pytest.raises(ValueError, match="reward .* is nan: weights, spreads and displacements"):
        step(model)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_displacement_that_is_not_finite_names_the_transform(value):
    faulty = Faulty()
    faulty.displaces = value
    with pytest.raises(ValueError, match=f"^Faulty moves the signals by {value} of their norm"):
        step(model_with(faulty))


@pytest.mark.parametrize("learned", [True, False])
def test_estimators_name_the_transform(learned):
    X = signals().numpy()
    faulty = Faulty()
    faulty.broken, faulty.displaces = True, 0.1
    transforms = [GaussianNoise(0.1), faulty]
    augmentation = AugNet(transforms, 1) if learned else TrivialAugment(transforms)
    options = {"augmentation": augmentation, "random_state": 0, "max_epochs": 1}
    classifier = InvariantClassifier(backbone(), **options)
    with pytest.raises(ValueError, match=r"Faulty \(layer 0, magnitude="):
        classifier.fit(X, np.arange(16) % 2)
    regressor = InvariantRegressor(backbone(1), **options)
    with pytest.raises(ValueError, match=r"Faulty \(layer 0, magnitude="):
        regressor.fit(X, np.linspace(0, 1, 16))
