"""What holds an augmentation, what freezes it, and what training waits for."""

import copy
import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from eeginv import (
    Augerino,
    AugNet,
    InvariantClassifier,
    InvariantModule,
    Policy,
    TrivialAugment,
)
from eeginv.augmentation import ClasswiseAugmentation
from eeginv.transforms import FrequencyShift, GaussianNoise, SignFlip, TimeReverse, TimeShift

SFREQ = 64.0


def signals(n=16, seed=0):
    return torch.randn(n, 2, 64, generator=torch.Generator().manual_seed(seed))


def candidates():
    return [[SignFlip(0.2), GaussianNoise(0.1)], [TimeReverse(0.2), FrequencyShift(SFREQ, 0.5)]]


def module(**options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(128, 2))
    return InvariantModule(net, AugNet(candidates(), random_state=0, **options)).train()


def step(model, optimizer, X=None):
    X = signals() if X is None else X
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(X), torch.arange(len(X)) % 2).backward()
    optimizer.step()


def strengths(model):
    return {k: v.detach().clone() for k, v in model.augmentation.named_parameters()}


def moved(before, model):
    after = strengths(model)
    return {k for k in before if not torch.equal(before[k], after[k])}


# hold and freeze ----------------------------------------------------------------------------------
def test_hold_changes_nothing_that_others_look_at():
    model = module(warmup=0.5)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    before = strengths(model)
    model.augmentation.set_progress(0.0)
    assert all(p.requires_grad for p in model.parameters())
    for _ in range(3):
        step(model, optimizer)
        assert all(p.grad is None for p in model.augmentation.parameters())
    assert moved(before, model) == set()
    assert model.backbone[1].weight.grad.abs().sum() > 0
    model.augmentation.set_progress(0.5)
    step(model, optimizer)
    assert moved(before, model) == set(before)


def test_held_strengths_do_not_drift_by_momentum():
    model = module(warmup=0.5)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    model.augmentation.set_progress(1.0)
    for _ in range(3):
        step(model, optimizer)
    model.augmentation.set_progress(0.0)  # a second training with the same optimiser
    before = strengths(model)
    for _ in range(3):
        optimizer.zero_grad(set_to_none=False)
        nn.functional.cross_entropy(model(signals()), torch.arange(16) % 2).backward()
        optimizer.step()
    assert moved(before, model) == set()


def test_hold_lets_gradients_reach_the_signals():
    model = module(warmup=0.5)
    model.augmentation.set_progress(0.0)
    X = signals().requires_grad_()
    model.augmentation(X).sum().backward()
    assert X.grad is not None
    assert all(p.grad is None for p in model.augmentation.parameters())


def test_hold_reaches_outputs_along_time():
    dense = nn.Conv1d(2, 3, 4, 4)
    A = Augerino([TimeShift(SFREQ, 0.1)], warmup=0.5, random_state=0)
    model = InvariantModule(dense, A, equivariant=True).train()
    A.set_progress(0.0)
    y = torch.zeros(16, 16, dtype=torch.int64)
    nn.functional.cross_entropy(model(signals()), y).backward()
    assert all(p.grad is None for p in A.parameters())
    A.set_progress(1.0)
    nn.functional.cross_entropy(model(signals()), y).backward()
    assert A.layers[0].transforms[0].raw.grad != 0


@pytest.mark.parametrize("frozen", ["layers.0.logits", "layers.0.transforms.0.raw"])
def test_what_is_frozen_stays_frozen_and_the_others_learn(frozen):
    model = module(warmup=0.5)
    dict(model.augmentation.named_parameters())[frozen].requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    before = strengths(model)
    for progress in (0.0, 0.6):
        model.augmentation.set_progress(progress)
        step(model, optimizer)
    assert moved(before, model) == set(before) - {frozen}


def test_all_frozen_is_nothing_to_learn():
    model = module()
    model.augmentation.requires_grad_(False)
    assert model.augmentation.reward() is None
    model.augmentation.set_progress(1.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    before = strengths(model)
    step(model, optimizer)
    assert moved(before, model) == set()


def test_estimator_leaves_a_frozen_strength_alone():
    A = AugNet(candidates(), penalty=0.5, random_state=0)
    A.layers[0].transforms[0].raw.requires_grad_(False)
    X, y = signals(40).numpy(), np.arange(40) % 2
    net = nn.Sequential(nn.Flatten(), nn.Linear(128, 2))
    fitted = InvariantClassifier(net, A, max_epochs=3, augmentation_lr=0.1, random_state=0).fit(
        X, y
    )
    history = [policy.by_transform()["extent"] for policy in fitted.policy_history_]
    assert [extents["SignFlip"] for extents in history] == pytest.approx([0.2] * 3)
    assert max(abs(extents["TimeReverse"] - 0.2) for extents in history) > 0.01


def test_a_weight_that_underflows_leaves_gradients_finite():
    model = module()
    model.augmentation.layers[0].logits.data = torch.tensor([0.0, -200.0])
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    step(model, optimizer)
    assert all(torch.isfinite(p).all() for p in model.parameters())


# early stopping -----------------------------------------------------------------------------------
def overfitting(**options):
    """Noise with labels that mean nothing: what is learned of it is wrong on held-out windows."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 2, 64)).astype(np.float32), rng.permutation(np.arange(60) % 2)
    net = nn.Sequential(nn.Flatten(), nn.Linear(128, 2))
    nn.init.zeros_(net[1].weight)
    settings = {"validation": 0.34, "patience": 3, "max_epochs": 20, "batch_size": 20, "lr": 0.01,
                "transforms": [SignFlip(0.1), GaussianNoise(0.3)], "n_copies": 2,
                "augmentation_lr": 0.05, "random_state": 0, **options}  # fmt: skip
    return InvariantClassifier(net, **settings), X, y


def test_early_stopping_begins_after_the_warm_up():
    clf, X, y = overfitting(warmup=0.5)
    clf.fit(X, y)
    losses = clf.history_[:, "valid_loss"]
    first = 10  # of 20 epochs, half are the warm-up
    best = first + int(np.argmin(losses[first:]))
    assert min(losses[:first]) < min(losses[first:])  # or the test could not tell
    assert clf.n_iter_ == best + 1 + 3 < 20
    assert clf.policy_ == clf.policy_history_[best]
    assert clf.policy_ != clf.policy_history_[0]


def test_early_stopping_without_a_warm_up_is_as_before():
    clf, X, y = overfitting(augmentation=None, transforms=None, augmentation_lr=0.01)
    clf.fit(X, y)
    assert clf.n_iter_ == int(np.argmin(clf.history_[:, "valid_loss"])) + 1 + 3 < 10


def test_training_that_ends_within_the_warm_up_says_so():
    from skorch.callbacks import EarlyStopping

    clf, X, y = overfitting(patience=None, callbacks=[EarlyStopping(patience=3)])
    with pytest.warns(ConvergenceWarning, match=r"after \d of 20 epochs, within the warm-up"):
        clf.fit(X, y)
    clf = clf.set_params(callbacks=None, max_epochs=1, validation=None)
    with pytest.warns(ConvergenceWarning, match=r"after 1 of 1 epochs, .*lower warmup"):
        clf.fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.set_params(warmup=1.0).fit(X, y)  # asked for
        clf.set_params(warmup=0.4, max_epochs=2).fit(X, y)


# calibration --------------------------------------------------------------------------------------
def flat_batches():
    dead = torch.full((4, 2, 64), torch.nan)
    same = torch.arange(2.0)[:, None].expand(4, 2, 64)
    return {
        "zeros": torch.zeros(4, 2, 64),
        "ones": torch.ones(4, 2, 64),
        "a constant a channel": same,
        "one constant example": same[:1],
        "no example": torch.zeros(0, 2, 64),
        "NaN": dead,
    }


@pytest.mark.parametrize("name", flat_batches())
def test_calibration_waits_for_something_to_measure(name):
    batch = flat_batches()[name]
    waited, direct = module(), module()
    if len(batch):
        waited(batch)
    else:
        waited.augmentation.set_progress(1.0)
    assert not waited.augmentation.calibrated
    assert waited.augmentation.reward() == 0
    with pytest.raises(ValueError, match="nothing to measure"):
        waited.augmentation.calibrate(batch)
    waited(signals())
    direct(signals())
    for one, other in zip(
        waited.augmentation.displacements, direct.augmentation.displacements, strict=True
    ):
        assert torch.equal(one, other)


def test_a_dry_run_without_gradients_measures_nothing():
    model = module()
    with torch.no_grad():
        model(torch.rand(4, 2, 64))  # as summaries of models do
    assert not model.augmentation.calibrated


def test_a_summary_of_the_model_measures_nothing():
    torchinfo = pytest.importorskip("torchinfo")
    model = module()
    torchinfo.summary(model, (4, 2, 64), mode="train", verbose=0)
    assert not model.augmentation.calibrated


def test_dead_examples_do_not_count():
    X = signals()
    dead = torch.cat([torch.zeros(5, 2, 64), X, torch.full((2, 2, 64), torch.nan)])
    for one, other in zip(
        module().augmentation.calibrate(dead).displacements,
        module().augmentation.calibrate(X).displacements,
        strict=True,
    ):
        assert torch.equal(one, other)


@pytest.mark.parametrize("scale", [1e-15, 1e-6, 1.0])
def test_displacements_do_not_depend_on_the_unit(scale):
    """For transforms that act in proportion: volts, and less."""
    found = []
    for factor in (1.0, scale):
        A = AugNet([SignFlip(0.2), TimeReverse(0.2), FrequencyShift(SFREQ, 0.5)], 1, random_state=0)
        found.append(A.calibrate(factor * signals().double()).displacements[0])
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=0)


def test_a_single_example_is_enough():
    model = module()
    model(signals(1))
    assert model.augmentation.calibrated
    assert torch.isfinite(model.augmentation.reward())


def test_constants_that_differ_can_be_measured():
    """Classes that differ by the sign of a constant are a task like any other."""
    model = module()
    model(torch.tensor([1.0, -1.0, 1.0])[:, None, None].expand(3, 2, 64))
    assert model.augmentation.calibrated


# parameters without effect ------------------------------------------------------------------------
def policy():
    return AugNet(candidates(), random_state=0).policy()


WITHOUT_EFFECT = {
    "none": (None, ["transforms", "n_layers", "penalty", "warmup", "augmentation_lr"]),
    "trivial": ("trivial", ["n_layers", "penalty", "warmup", "augmentation_lr"]),
    "augerino": ("augerino", ["n_layers"]),
    "policy": (policy(), ["transforms", "n_layers", "penalty", "warmup", "augmentation_lr"]),
    "object": (AugNet(candidates()), ["transforms", "n_layers", "penalty", "warmup"]),
    "fixed object": (
        TrivialAugment([SignFlip()]),
        ["transforms", "n_layers", "penalty", "warmup", "augmentation_lr"],
    ),
    "classwise": (
        ClasswiseAugmentation({0: policy(), 1: policy()}),
        ["transforms", "n_layers", "penalty", "warmup", "augmentation_lr"],
    ),
}
OTHER_VALUES = {"transforms": [SignFlip()], "n_layers": 1, "penalty": 0.1, "warmup": 0.0,
                "augmentation_lr": 0.1}  # fmt: skip


@pytest.mark.parametrize("kind", WITHOUT_EFFECT)
def test_parameters_without_effect_are_refused(kind):
    augmentation, ignored = WITHOUT_EFFECT[kind]
    X, y = signals(20).numpy(), np.arange(20) % 2
    net = nn.Sequential(nn.Flatten(), nn.Linear(128, 2))
    read = {name: value for name, value in OTHER_VALUES.items() if name not in ignored}
    options = {"sfreq": SFREQ, "max_epochs": 2, "n_copies": 2, **read}
    clf = InvariantClassifier(net, augmentation, **options).fit(X, y)
    for name in ignored:
        one = InvariantClassifier(net, augmentation, **options, **{name: OTHER_VALUES[name]})
        with pytest.raises(ValueError, match=f"{name} would be without effect"):
            one.fit(X, y)
    several = {name: OTHER_VALUES[name] for name in ignored}
    with pytest.raises(ValueError, match=" and ".join(ignored)):
        InvariantClassifier(net, augmentation, **options, **several).fit(X, y)
    assert clf.n_iter_ == 2


def test_searches_replace_the_augmentation_and_what_belongs_to_it():
    from eeginv import RandAugmentSearch

    X, y = signals(40).numpy(), np.arange(40) % 2
    net = nn.Sequential(nn.Flatten(), nn.Linear(128, 2))
    options = {"transforms": [SignFlip(), GaussianNoise()], "strengths": (0.5,), "random_state": 0}
    found = []
    for kwargs in ({}, {"penalty": 0.5, "warmup": 0.1, "n_layers": 2, "augmentation_lr": 0.1}):
        clf = InvariantClassifier(net, max_epochs=1, n_copies=2, random_state=0, **kwargs)
        search = RandAugmentSearch(clf, n_operations=(1,), **options).fit(X, y)
        found.append(search.predict_proba(X))
        assert isinstance(search.policy_, Policy)
    np.testing.assert_array_equal(*found)
    with pytest.raises(ValueError, match="transforms of the estimator would be without effect"):
        RandAugmentSearch(copy.copy(clf).set_params(transforms=[SignFlip()]), **options).fit(X, y)
