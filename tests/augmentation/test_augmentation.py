"""Augmentations: streams, choices, copies, rewards, fixed policies."""

import copy
import math
import pickle

import pytest
import torch
from augmented import SFREQ, augnet, backbone, signals
from torch import nn

from eeginv import AugNet, InvariantModule, Policy, PolicyAugmentation, TrivialAugment
from eeginv.augmentation import Augerino, Augmentation, AugmentationLayer, OrbitLength
from eeginv.augmentation.layer import strata
from eeginv.policy import PolicyEntry
from eeginv.transforms import (
    ChannelsDropout,
    FrequencyShift,
    FTSurrogate,
    GaussianNoise,
    SignFlip,
    TimeReverse,
    default_transforms,
)

# randomness ---------------------------------------------------------------------------------------


def test_draws_come_from_a_stream_that_is_saved():
    X, A = signals(), augnet()
    A(X)
    clone, loaded = copy.deepcopy(A), augnet(random_state=99)
    loaded.load_state_dict(A.state_dict())
    pickled = pickle.loads(pickle.dumps(A))
    after = A(X)
    for other in (clone, loaded, pickled):
        assert torch.equal(other(X), after)
    assert not torch.equal(A(X), after)


def test_seed_decides_and_global_state_is_left_alone():
    X, state = signals(), torch.get_rng_state()
    assert torch.equal(augnet()(X), augnet()(X))
    assert not torch.equal(augnet()(X), augnet(random_state=1)(X))
    list(augnet().copies(X, 3))
    assert torch.equal(torch.get_rng_state(), state)


def test_evaluation_does_not_move_the_training_stream():
    X = signals()
    quiet, busy = augnet(), augnet()
    model = InvariantModule(backbone(), busy, n_copies=7).eval()
    for _ in range(3):
        model(X)
    assert torch.equal(quiet(X), busy.train()(X))


def test_layers_have_distinct_draws():
    layers = [[GaussianNoise(0.5)], [GaussianNoise(0.5)]]
    X = torch.zeros(1, 1, 4000)
    A = AugNet(layers, random_state=0)
    # equal draws would add up to twice the deviation, independent ones to sqrt(2) times
    assert A(X).std().item() == pytest.approx(0.5 * 2**0.5, rel=0.05)


def test_callers_transforms_are_copied():
    t = SignFlip(0.2)
    A = AugNet([t], n_layers=2)
    A.layers[0].transforms[0].strength = 0.4
    assert t.strength.item() == pytest.approx(0.2)
    assert A.layers[1].transforms[0].strength.item() == pytest.approx(0.2)


# choices ------------------------------------------------------------------------------------------


def test_each_example_has_a_choice_of_its_own_and_is_one_transform():
    layer = AugmentationLayer(
        [TimeReverse(1.0, max_probability=1.0), SignFlip(1.0, max_probability=1.0)],
        weights=[0.3, 0.7],
    )
    X = signals(n=4000, times=7)
    out, log_prob = Augmentation([layer]).sample(X, torch.Generator().manual_seed(0))
    flipped = (out == -X).all(dim=(1, 2))
    reversed_ = (out == X.flip(-1)).all(dim=(1, 2))
    assert (flipped ^ reversed_).all()
    assert flipped.float().mean().item() == pytest.approx(0.7, abs=0.03)
    assert log_prob[flipped].exp().mean().item() == pytest.approx(0.7, abs=1e-4)


def test_evaluation_is_the_identity_outside_a_module():
    X = signals()
    assert torch.equal(augnet().eval()(X), X)


def test_no_parameter_is_frozen():
    X, A = signals(n=256), augnet()
    model = InvariantModule(backbone(), A).train()
    nn.functional.cross_entropy(model(X), torch.arange(256) % 3).backward()
    for name, parameter in A.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


# copies -------------------------------------------------------------------------------------------


def test_copies_are_the_same_for_every_example_and_in_every_batch():
    X, A = signals(n=9), augnet()
    whole = list(A.copies(X, 6))
    for i in (0, 4, 8):
        for one, copy_ in zip(A.copies(X[i : i + 1], 6), whole, strict=True):
            torch.testing.assert_close(one[0], copy_[i], atol=1e-6, rtol=1e-6)
    repeated = list(A.copies(X[:1].expand(5, -1, -1), 6))
    assert all((c == c[:1]).all() for c in repeated)


def test_copies_are_stratified_over_choices_and_strengths():
    A = AugNet([SignFlip(0.5)], random_state=3)
    X = torch.ones(1, 1, 2)
    for n_copies in (2, 4, 10):
        signs = [c[0, 0, 0].item() for c in A.copies(X, n_copies)]
        assert signs.count(-1.0) == n_copies // 2
    layer = AugmentationLayer([TimeReverse(0.1), SignFlip(0.1)], weights=[0.25, 0.75])
    points = strata(torch.rand(8, 2, generator=torch.Generator().manual_seed(1)))
    maps = layer.fixed_draws(X[:1], points, torch.Generator().manual_seed(0))
    chosen = [type(m.transform).__name__ for m in maps]
    assert chosen.count("SignFlip") == 6


@pytest.mark.parametrize("random_state", range(6))
@pytest.mark.parametrize("n_copies", [4, 8, 16])
def test_transforms_that_are_there_or_not_are_averaged_over_exactly(n_copies, random_state):
    """All four combinations of two such transforms, equally often."""
    X = torch.tensor([[[1.0, 2.0]]])
    for A in (
        Augerino([SignFlip(0.5), TimeReverse(0.5)], random_state=random_state),
        AugNet([SignFlip(0.5), TimeReverse(0.5)], random_state=random_state),  # two families
    ):
        seen = [tuple(copy_.flatten().tolist()) for copy_ in A.copies(X, n_copies)]
        assert {one: seen.count(one) for one in seen} == dict.fromkeys(
            [(1.0, 2.0), (2.0, 1.0), (-1.0, -2.0), (-2.0, -1.0)], n_copies // 4
        )


def test_averaging_a_symmetric_distribution_makes_an_invariant_output():
    X = signals()
    model = InvariantModule(backbone(), AugNet([SignFlip(0.5)]), n_copies=4).eval()
    assert torch.allclose(model(X), model(-X), atol=1e-5)
    plain = InvariantModule(model.backbone, None).eval()
    assert not torch.allclose(plain(X), plain(-X), atol=1e-2)


@pytest.mark.parametrize("average", ["logit", "probability"])
def test_output_is_normalised_and_the_mean_of_the_copies(average):
    X, A = signals(), augnet()
    model = InvariantModule(backbone(), A, n_copies=5, average=average).eval()
    out = model(X)
    torch.testing.assert_close(out.exp().sum(dim=1), torch.ones(len(X)))
    logits = torch.stack([model.backbone(c) for c in A.copies(X, 5)])
    if average == "logit":
        expected = logits.mean(0).softmax(1)
        # the mean of log-probabilities is the same, once normalised
        other = logits.log_softmax(2).mean(0).softmax(1)
        torch.testing.assert_close(expected, other)
    else:
        expected = logits.softmax(2).mean(0)
    torch.testing.assert_close(out.exp(), expected)


def test_regression_averages_predictions():
    X, A = signals(), augnet()
    model = InvariantModule(backbone(1), A, n_copies=5, loss="squared_error").eval()
    expected = torch.stack([model.backbone(c) for c in A.copies(X, 5)]).mean(0)
    torch.testing.assert_close(model(X), expected)


def test_memory_of_evaluation_does_not_grow_with_copies():
    most = 0

    class Spy(nn.Module):
        def forward(self, X):
            nonlocal most
            most = max(most, sum(1 for r in refs if r() is not None))
            return X.mean(dim=(1, 2), keepdim=False)[:, None].expand(-1, 2)

    import weakref

    refs = []
    A = augnet()
    original = A.copies

    def spying(X, n_copies, with_undo):
        for c, undo in original(X, n_copies, with_undo):
            refs.append(weakref.ref(c))
            yield c, undo
            del c

    A.copies = spying
    model = InvariantModule(Spy(), A, n_copies=12).eval()
    with torch.no_grad():
        model(signals())
    assert len(refs) == 12
    assert 1 <= most <= 2


# reward -------------------------------------------------------------------------------------------


def test_orbit_length_does_not_depend_on_ranges():
    X = signals(n=32, times=400)
    rewards, gradients = [], []
    for factor in (1, 10):
        A = AugNet(
            [
                FrequencyShift(SFREQ, 0.3, max_magnitude=1.0),
                GaussianNoise(0.1, max_magnitude=0.2 * factor),
                FTSurrogate(0.05, max_magnitude=0.1 * factor),
            ],
            random_state=0,
        ).calibrate(X)
        rewards.append(A.reward())
        raws = [t.raw for t in A.layers[0].transforms]
        in_units = [
            g / t.max_strength
            for g, t in zip(
                torch.autograd.grad(A.reward(), raws), A.layers[0].transforms, strict=True
            )
        ]
        gradients.append(torch.stack(in_units))
    torch.testing.assert_close(rewards[0], rewards[1], rtol=0.02, atol=0)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0.02, atol=0)
    papers = [
        AugNet(
            [GaussianNoise(0.1, max_magnitude=m)], reward="weighted_norm", penalty=1.0
        ).calibrate(X)
        for m in (0.2, 2.0)
    ]
    assert (papers[0].reward() / papers[1].reward()).item() == pytest.approx(10, rel=1e-3)


def test_orbit_length_by_hand():
    A = AugNet([SignFlip(0.25)], penalty=2.0, random_state=0).calibrate(signals())
    # a flipped signal is 2 norms away; two draws differ with probability 2 * 0.25 * 0.75
    assert A.reward().item() == pytest.approx(2 * torch.log1p(torch.tensor(2 * 0.375)).item())


def test_several_layers_earn_like_independent_steps():
    strengths, displacement = (0.3, 0.4), torch.tensor([2.0])
    layers = [AugmentationLayer([GaussianNoise(s, max_magnitude=1.0)]) for s in strengths]
    reward = OrbitLength()(layers, 2 * [displacement])
    # root of 0.6 ** 2 + 0.8 ** 2; the floor changes it by less than a thousandth
    assert reward.item() == pytest.approx(math.log(2), abs=1e-3)
    reward.backward()
    narrow, wide = (layer.transforms[0].raw.grad.item() for layer in layers)
    assert narrow / wide == pytest.approx(0.3 / 0.4, rel=1e-3)
    alone = OrbitLength()(layers[:1], [displacement])
    assert alone.item() == pytest.approx(math.log(1.6), rel=1e-6)


def test_candidates_that_are_the_same_earn_like_one():
    displacement = torch.tensor([2.0])
    one = AugmentationLayer([GaussianNoise(0.4)])
    two = AugmentationLayer([GaussianNoise(0.4), GaussianNoise(0.4)])
    reward = OrbitLength()
    torch.testing.assert_close(
        reward([two], [displacement.expand(2)]), reward([one], [displacement]), rtol=1e-6, atol=0
    )


def test_reward_does_not_depend_on_the_scale_of_the_signal():
    rewards = [
        AugNet([SignFlip(0.2), ChannelsDropout(0.2), FrequencyShift(SFREQ, 0.2)], random_state=0)
        .calibrate(scale * signals(times=300))
        .reward()
        for scale in (1.0, 1e-5)
    ]
    torch.testing.assert_close(rewards[0], rewards[1], rtol=1e-3, atol=0)


def test_reward_before_data_is_zero_and_zero_strength_can_grow():
    A = AugNet([SignFlip(0.0), FrequencyShift(SFREQ, 0.0)], n_layers=2, random_state=0)
    assert A.reward() == 0
    A.calibrate(signals())
    A.reward().backward()
    assert all((t.raw.grad > 0) for layer in A.layers for t in layer.transforms)


# fixed augmentations ------------------------------------------------------------------------------


def test_trivial_augment_is_uniform_and_learns_nothing():
    transforms = default_transforms(SFREQ)
    A = TrivialAugment(transforms, random_state=0)
    assert not [p for p in A.parameters() if p.requires_grad]
    assert A.reward() is None
    policy = A.policy()
    assert {round(e.weight, 4) for e in policy.entries} == {round(1 / len(transforms), 4)}
    noise_only = TrivialAugment([GaussianNoise(max_magnitude=1.0)], random_state=0)
    stds = noise_only(torch.zeros(4000, 1, 400)).std(dim=(1, 2))
    # uniform strengths: deciles of the standard deviation are evenly spaced
    deciles = torch.quantile(stds, torch.linspace(0.1, 0.9, 9))
    torch.testing.assert_close(deciles, torch.linspace(0.1, 0.9, 9), atol=0.03, rtol=0)
    assert torch.equal(TrivialAugment([SignFlip()])(torch.ones(5, 1, 1)), -torch.ones(5, 1, 1))
    strengths = sorted(m.std().item() for m in noise_only.copies(torch.zeros(1, 1, 20000), 10))
    for i, strength in enumerate(strengths):  # one in each tenth
        assert i / 10 - 0.02 < strength < (i + 1) / 10 + 0.02


def test_policy_augmentation_reproduces_the_policy():
    A = augnet()
    policy = A.policy()
    fixed = PolicyAugmentation(policy, random_state=0)
    assert fixed.policy() == policy
    assert not [p for p in fixed.parameters() if p.requires_grad]
    X = signals()
    assert torch.equal(fixed(X), augnet()(X))


def test_policy_probability_leaves_examples_untouched():
    policy = Policy([PolicyEntry("SignFlip", 0.5, binary=True)], probability=0.4)
    A = PolicyAugmentation(policy, random_state=0)
    flipped = (A(torch.ones(8000, 1, 1)) < 0).float().mean().item()
    assert flipped == pytest.approx(0.2, abs=0.02)
    signs = [c.item() for c in A.copies(torch.ones(1, 1, 1), 50)]
    assert signs.count(-1.0) == pytest.approx(10, abs=4)


def test_schedule_follows_progress():
    def at(extent):
        return Policy([PolicyEntry("GaussianNoise", extent, config={"max_magnitude": 1.0})])

    A = PolicyAugmentation([at(0.1), at(0.2), at(0.4)], random_state=0)
    for fraction, extent in ((0.0, 0.1), (0.32, 0.1), (0.34, 0.2), (0.99, 0.4), (1.0, 0.4)):
        A.set_progress(fraction)
        assert A.policy().entries[0].extent == pytest.approx(extent)


# bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: AugNet([]), "at least one transform"),
        (lambda: AugNet([nn.ReLU()]), "eeginv transforms"),
        (lambda: AugNet([SignFlip()], n_layers=0), "n_layers"),
        (lambda: AugNet([SignFlip()], penalty=-1), "penalty"),
        (lambda: AugNet([SignFlip()], reward="width"), "orbit_length"),
        (lambda: AugmentationLayer([SignFlip()], weights=[0.5, 0.5]), "weights"),
        (lambda: InvariantModule(nn.Identity(), average="mean"), "average"),
        (lambda: InvariantModule(nn.Identity(), n_copies=-1), "n_copies"),
        (lambda: InvariantModule(nn.Identity(), loss="hinge"), "loss"),
        (lambda: PolicyAugmentation([]), "Policy"),
        (
            lambda: PolicyAugmentation(Policy([PolicyEntry("Nothing", 0.1)])),
            "'Nothing', that is not in",
        ),
        (lambda: augnet().sample(torch.zeros(3, 4)), "n_examples, n_channels, n_times"),
    ],
)
def test_bad_input(call, match):
    with pytest.raises((ValueError, TypeError), match=match):
        call()


def test_augerino_applies_every_transform_in_its_order():
    candidates = [GaussianNoise(0.2), SignFlip(0.5), TimeReverse(0.5)]
    A = Augerino(candidates, random_state=0)
    X = signals(n=64)
    out, log_prob = A.sample(X, torch.Generator().manual_seed(0))
    generator, expected, expected_log_prob = torch.Generator().manual_seed(0), X, 0.0
    for transform in candidates:  # where there is nothing to choose, no number is drawn
        noise = transform.draw(expected, generator)
        expected_log_prob = expected_log_prob + transform.log_prob(noise)
        expected = transform.transform(expected, noise)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(log_prob, expected_log_prob)
    assert [entry.weight for entry in A.policy().entries] == [1.0] * 3
    assert not any(layer.weights.requires_grad and len(layer.weights) > 1 for layer in A.layers)
