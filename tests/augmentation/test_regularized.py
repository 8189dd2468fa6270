"""Learned invariances beside a random augmentation that fades out."""

import pytest
import torch
from torch import nn

from eeginv import AugNet, InvariantClassifier, InvariantModule
from eeginv.augmentation import RegularizedAugNet, TrivialAugment
from eeginv.transforms import (
    AmplitudeScale,
    ChannelsDropout,
    GaussianNoise,
    SignFlip,
    TimeReverse,
    default_transforms,
)


def candidates():
    return [SignFlip(0.3), AmplitudeScale(2.0, 6.0), GaussianNoise(0.1, 0.5), ChannelsDropout(0.1)]


def test_what_loses_information_is_not_learned():
    augmentation = RegularizedAugNet(candidates(), random_state=0)
    learned = {e.transform for e in augmentation.policy().entries}
    assert learned == {"SignFlip", "AmplitudeScale"}
    assert not any(p.requires_grad for p in augmentation.regularizer.parameters())
    assert any(p.requires_grad for p in augmentation.layers.parameters())
    with pytest.raises(ValueError, match="information"):
        RegularizedAugNet([GaussianNoise(0.1, 0.5)])
    with pytest.raises(ValueError, match="regularise"):
        RegularizedAugNet([SignFlip(0.1)])
    with pytest.raises(ValueError, match="fade"):
        RegularizedAugNet(candidates(), fade=1.0)


def test_random_part_fades_out_to_the_learned_part():
    X = torch.randn(512, 3, 64, generator=torch.Generator().manual_seed(0))
    augmentation = RegularizedAugNet(candidates(), fade=0.5, random_state=0).train()
    shares = []
    for fraction in (0.0, 0.5, 0.75, 1.0):
        augmentation.set_progress(fraction)
        moved = augmentation.regularizer.sample(X, torch.Generator().manual_seed(1))[0] != X
        shares.append(moved.flatten(1).any(dim=1).float().mean().item())
    assert shares[0] == shares[1] > 0.8
    assert abs(shares[2] - 0.5 * shares[0]) < 0.08
    assert shares[3] == 0.0
    # at the end, examples undergo what an AugNet of the learned part would do
    alone = AugNet(candidates()[:2], n_layers=1, random_state=0).train()
    with torch.no_grad():
        assert torch.equal(
            augmentation(X, torch.Generator().manual_seed(2)),
            alone(X, torch.Generator().manual_seed(2)),
        )


def test_predictions_average_over_the_learned_part_alone():
    X = torch.randn(6, 3, 64)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2))
    augmentation = RegularizedAugNet([SignFlip(0.5), GaussianNoise(0.1, 0.5)], random_state=0)
    model = InvariantModule(backbone, augmentation, n_copies=10).eval()
    assert torch.allclose(model(X), model(-X), atol=1e-5)


def test_learns_polarity_under_the_random_part():
    """The class is the side in time of a bump, whose sign is random."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(256) % 2
    X = 0.3 * torch.randn(256, 1, 32, generator=generator)
    sign = torch.randint(2, (256, 1), generator=generator) * 2.0 - 1
    for label in (0, 1):
        X[y == label, :, 8 + 12 * label : 12 + 12 * label] += sign[y == label].unsqueeze(-1)
    transforms = [SignFlip(0.2), TimeReverse(0.2), GaussianNoise(0.1, 0.5)]
    torch.manual_seed(0)
    clf = InvariantClassifier(
        nn.Sequential(nn.Flatten(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2)),
        "auto",
        transforms=transforms,
        max_epochs=60,
        batch_size=32,
        lr=3e-3,
        lr_schedule="cosine",
        augmentation_lr=0.03,
        random_state=0,
    ).fit(X.numpy(), y.numpy())
    extents = {e.transform: e.extent for e in clf.policy_.entries}
    assert extents["SignFlip"] > 0.25  # both began at 0.2
    assert extents["TimeReverse"] < 0.02
    assert clf.score(X.numpy(), y.numpy()) > 0.95
    assert clf.module_.augmentation.regularizer.probability < 0.05


def test_default_candidates_have_both_kinds():
    for kind in ("sleep", "motor_imagery", "generic"):
        transforms = default_transforms(128.0, kind=kind)
        learned = [t for t in transforms if not t.loses_information]
        assert 0 < len(learned) < len(transforms)


def test_random_part_is_random_augmentation():
    X = torch.randn(64, 3, 64)
    augmentation = RegularizedAugNet(candidates(), random_state=0)
    trivial = TrivialAugment(candidates()[2:], random_state=5)
    first, second = (
        a.sample(X, torch.Generator().manual_seed(3))[0]
        for a in (augmentation.regularizer, trivial)
    )
    assert torch.equal(first, second)
