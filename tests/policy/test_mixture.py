"""Mixtures of policies: values, draws, copies, and how far policies are apart."""

import itertools
import json
import pickle

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from torch import nn

from eeginv import InvariantClassifier, Policy, PolicyAugmentation
from eeginv.adapters import to_braindecode
from eeginv.augmentation import Augerino
from eeginv.augmentation.undo import Undo
from eeginv.policy import PolicyEntry
from eeginv.transforms import TimeShift, TimeWarp, Transform

NOISE = {"max_magnitude": 1.0}


def flip(probability=1.0, layer=0):
    config = {"max_probability": 1.0}
    return PolicyEntry("SignFlip", probability, layer=layer, binary=True, config=config)


def reverse(layer=0):
    return PolicyEntry(
        "TimeReverse", 1.0, layer=layer, binary=True, config={"max_probability": 1.0}
    )


def scaled(extent, weight=1.0, layer=0, **kwargs):
    return PolicyEntry("GaussianNoise", extent, weight=weight, layer=layer, config=NOISE, **kwargs)


def mixture():
    """Flip with probability one quarter, reverse and add noise otherwise, half of the time."""
    members = [Policy([flip()]), Policy([reverse(), scaled(0.5, layer=1)], probability=0.5)]
    return Policy.mixture(members, [0.25, 0.75])


# the value ----------------------------------------------------------------------------------------


def test_round_trip_equality_and_hash(tmp_path):
    policy = mixture()
    path = tmp_path / "policy.json"
    policy.to_json(path)
    for other in (Policy.from_json(path), pickle.loads(pickle.dumps(policy)), mixture()):
        assert other == policy
        assert hash(other) == hash(policy)
    assert policy != Policy.mixture(policy.branches, [0.5, 0.5])
    assert policy != Policy.mixture(policy.branches[::-1], [0.75, 0.25])
    assert repr(policy).startswith("Policy.mixture(0.25 x Policy(SignFlip(1) x 1.00")


def test_plain_policies_know_nothing_of_branches():
    plain = Policy([flip()], probability=0.5)
    assert set(json.loads(plain.to_json())) == {"probability", "entries"}
    assert "branch" not in plain.summary()
    assert not plain.is_mixture
    assert plain.branches == (plain,)
    assert plain.weights == (1.0,)
    assert Policy.mixture([plain]) is plain


def test_mixtures_of_mixtures_are_flat():
    inner = mixture()
    policy = Policy.mixture([inner, Policy([scaled(0.1)])])
    assert policy.weights == pytest.approx((0.125, 0.375, 0.5))
    assert [branch.entries[0].transform for branch in policy.branches] == [
        "SignFlip",
        "TimeReverse",
        "GaussianNoise",
    ]
    assert not any(branch.is_mixture for branch in policy.branches)


def test_tables_by_hand():
    policy = mixture()
    assert policy.probability == pytest.approx(0.25 + 0.75 * 0.5)
    assert policy.n_layers == 2
    usage = policy.by_transform().usage
    assert usage.to_dict() == pytest.approx(
        {"SignFlip": 0.25, "TimeReverse": 0.375, "GaussianNoise": 0.375}
    )
    table = policy.summary()
    assert list(table.columns[:3]) == ["branch", "branch_weight", "layer"]
    assert table.branch.tolist() == [0, 1, 1]
    assert table.branch_weight.tolist() == [0.25, 0.75, 0.75]
    assert table.probability.tolist() == [1.0, 0.5, 0.5]
    extents = Policy.mixture(
        [Policy([scaled(0.2)]), Policy([scaled(0.8)], 0.5)], [0.5, 0.5]
    ).by_transform()
    # of three examples with noise, two have the weaker
    assert extents.extent["GaussianNoise"] == pytest.approx(0.4)


def test_strength_zero_is_not_applied():
    policy = Policy([scaled(0.6, 0.25), scaled(0.0, 0.75)])
    row = policy.by_transform().loc["GaussianNoise"]
    assert row.usage == pytest.approx(0.25)
    assert row.extent == pytest.approx(0.6)


def test_usage_of_one_transform_in_several_branches_and_layers():
    twice = Policy([flip(0.5), flip(0.5, layer=1)])
    policy = Policy.mixture([twice, Policy([flip(0.2)])])
    assert policy.by_transform().usage["SignFlip"] == pytest.approx(0.5 * 0.75 + 0.5 * 0.2)


def test_plot():
    figure = mixture().plot()
    labels = [text.get_text() for panel in figure.axes[0].child_axes for text in panel.texts]
    assert "25 %" in labels
    assert labels.count("38 %") == 2
    plt.close(figure)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Policy.mixture([]), "at least one policy"),
        (lambda: Policy.mixture([flip()]), "Policy objects, got PolicyEntry"),
        (lambda: Policy.mixture([Policy([flip()])] * 2, [1.0]), "one weight for each of 2"),
        (lambda: Policy.mixture([Policy([flip()])] * 2, [0.5, 0.6]), "sum to 1"),
        (lambda: Policy.mixture([Policy([flip()])] * 2, [1.5, -0.5]), "at least 0"),
        (lambda: Policy.mixture([Policy([flip()])] * 2, [float("nan"), 1]), "at least 0"),
        (lambda: mixture().layer(0), "no layers of its own"),
        (lambda: Policy.from_dict({"branches": [{}]}), "Not a policy"),
        (lambda: mixture().distance("SignFlip"), "Expected a Policy"),
        (lambda: PolicyAugmentation([mixture(), Policy([flip()])]), "same transforms"),
        (
            lambda: PolicyAugmentation([Policy([flip()]), Policy([reverse()])]),
            "same transforms",
        ),
    ],
)
def test_bad_input(make, match):
    with pytest.raises((ValueError, TypeError), match=match):
        make()


# the distance -------------------------------------------------------------------------------------


def test_distance_by_hand():
    half, fifth = Policy([flip(0.5)]), Policy([flip(0.2)])
    assert half.distance(fifth) == pytest.approx(0.3)
    # from one transform to another: out of one, into the other
    assert Policy([flip()]).distance(Policy([reverse()])) == pytest.approx(2)
    # a strength of 0.8 on a quarter of the examples, against 0.2 on all: 0.05 and 0.75 at 0.2
    some = Policy([scaled(0.8, 0.25), scaled(0.0, 0.75)])
    assert some.distance(Policy([scaled(0.2)])) == pytest.approx(0.25 * 0.6 + 0.75 * 0.2)
    # uniform up to 0.6, against 0.3: triangles of 0.3 by one half on either side
    even = Policy([scaled(0.6, random_strength=True)])
    assert even.distance(Policy([scaled(0.3)])) == pytest.approx(2 * 0.5 * 0.3 * 0.5)
    # relative to the range
    wide = {"max_magnitude": 10.0}
    left, right = (Policy([PolicyEntry("TimeShift", e, "s", config=wide)]) for e in (2.0, 7.0))
    assert left.distance(right) == pytest.approx(0.5)


def test_distance_with_uniform_strengths_is_that_of_the_drawn_ones():
    """Earth mover's distance on a line is the mean difference of the sorted draws."""
    rng = np.random.default_rng(0)
    uniform = rng.uniform(0, 0.9, 200_000) * (rng.uniform(size=200_000) < 0.5)
    fixed = np.where(rng.uniform(size=200_000) < 0.7, 0.4, 0.1)
    expected = np.abs(np.sort(uniform) - np.sort(fixed)).mean()
    left = Policy([scaled(0.9, random_strength=True)], probability=0.5)
    right = Policy.mixture([Policy([scaled(0.4)]), Policy([scaled(0.1)])], [0.7, 0.3])
    assert left.distance(right) == pytest.approx(expected, abs=3e-3)


def test_distance_is_a_metric_of_use_and_extent():
    policies = [
        mixture(),
        Policy([flip(0.5)]),
        Policy([scaled(0.3), reverse(layer=1)], probability=0.7),
        Policy([scaled(0.9, 0.5, random_strength=True), scaled(0.2, 0.5, random_strength=True)]),
        Policy.mixture([Policy([flip(0.1)]), Policy([scaled(1.0)]), mixture()]),
    ]
    for a, b, c in itertools.product(policies, repeat=3):
        assert a.distance(b) == pytest.approx(b.distance(a))
        assert a.distance(c) <= a.distance(b) + b.distance(c) + 1e-12
        assert (a.distance(b) < 1e-12) == (a is b)
    # the same use, jointly or not
    once = Policy([flip(), reverse(layer=1)], probability=0.5)
    assert once.distance(Policy.mixture([Policy([flip()]), Policy([reverse()])])) < 1e-12


# the augmentation ---------------------------------------------------------------------------------


def ramps(n):
    """Signals on which polarity and direction can be told apart."""
    return torch.arange(1.0, 4.0).repeat(n, 1, 1)


def exclusive():
    """Flip or reverse, but never both, and never neither."""
    return Policy.mixture([Policy([flip()]), Policy([reverse()])], [0.25, 0.75])


def states(X):
    """Whether each signal is flipped, and whether reversed."""
    return torch.stack([X[:, 0].sum(-1) < 0, X[:, 0, 0].abs() > X[:, 0, -1].abs()], dim=1)


def test_each_example_draws_a_branch_as_a_whole():
    A = PolicyAugmentation(exclusive(), random_state=0)
    found = states(A(ramps(8000)))
    assert torch.equal(found[:, 0], ~found[:, 1])
    assert found[:, 0].float().mean() == pytest.approx(0.25, abs=0.02)
    # neighbours are independent: a batch does not share a branch
    changes = (found[1:, 0] != found[:-1, 0]).float().mean()
    assert changes == pytest.approx(2 * 0.25 * 0.75, abs=0.03)


def test_rows_keep_their_places():
    X = ramps(64) * torch.arange(1, 65)[:, None, None]
    A = PolicyAugmentation(exclusive(), random_state=0)
    assert torch.equal(A(X).abs().amax(dim=(1, 2)), X.amax(dim=(1, 2)))


def test_probability_of_a_branch():
    members = [Policy([flip()], probability=0.5), Policy([reverse()])]
    A = PolicyAugmentation(Policy.mixture(members), random_state=0)
    found = states(A(ramps(8000))).float().mean(dim=0)
    assert found.tolist() == pytest.approx([0.25, 0.5], abs=0.02)


def test_nothing_learns_so_no_probability_is_computed():
    assert PolicyAugmentation(mixture(), random_state=0).sample(ramps(100))[1] is None


def test_a_strength_that_varies_changes_no_copy_of_another_transform():
    """Saved models keep their predictions, whatever else a mixture holds."""
    X, found = torch.randn(1, 2, 64, generator=torch.Generator().manual_seed(0)), []
    other = Policy([PolicyEntry("AmplitudeScale", 3.0), PolicyEntry("FTSurrogate", 0.3, layer=1)])
    for varies in (True, False):
        varied = Policy([flip(0.4), scaled(0.5, layer=1, random_strength=varies)])
        A = PolicyAugmentation(Policy.mixture([other, varied]), random_state=0)
        found.append(torch.cat(list(A.copies(X, 8))))
    same = (found[0] == found[1]).all(dim=(1, 2))
    assert same.sum() == 4  # those of the other branch


def test_policy_is_equal_and_survives_a_state_dict():
    policy = mixture()
    A = PolicyAugmentation(policy, random_state=0)
    assert A.policy() == policy
    other = Policy.mixture(policy.branches, [0.5, 0.5])
    loaded = PolicyAugmentation(other, random_state=9)
    loaded.load_state_dict(A.state_dict())
    assert loaded.policy() == policy
    X = ramps(32)
    assert torch.equal(loaded(X), A(X))
    assert not [p for p in A.parameters() if p.requires_grad]


def test_copies_are_stratified_over_branches_and_the_same_for_every_example():
    A = PolicyAugmentation(exclusive(), random_state=0).eval()
    X = ramps(3)
    assert torch.equal(A(X), X)
    copies = list(A.copies(X, 40))
    found = torch.stack([states(copy) for copy in copies])
    assert (found == found[:, :1]).all()
    assert found[:, 0].sum(dim=0).tolist() == [10, 30]
    for again, copy in zip(A.copies(X, 40), copies, strict=True):
        assert torch.equal(again, copy)


def test_choices_within_a_branch_are_stratified_over_its_own_copies():
    policy = Policy.mixture([Policy([reverse()]), Policy([flip(0.5)])], [0.3, 0.7])
    for seed in range(8):
        A = PolicyAugmentation(policy, random_state=seed)
        found = torch.cat([states(copy) for copy in A.copies(ramps(1), 20)])
        assert found.sum(dim=0).tolist() == [7, 6]


def test_schedule_of_mixtures():
    def at(weight, extent):
        return Policy.mixture([Policy([flip()]), Policy([scaled(extent)])], [weight, 1 - weight])

    schedule = [at(0.2, 0.5), at(0.6, 0.25)]
    A = PolicyAugmentation(schedule, random_state=0)
    for fraction, policy in zip((0.3, 0.7), schedule, strict=True):
        A.set_progress(fraction)
        assert A.policy() == policy
        assert A.probability == pytest.approx(1)


# whoever takes policies ---------------------------------------------------------------------------


class Network(nn.Sequential):
    def __init__(self, n_chans, n_times, n_outputs):
        super().__init__(nn.Flatten(), nn.Linear(n_chans * n_times, n_outputs))


def test_estimator_trains_saves_and_loads(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((24, 2, 32)).astype(np.float32), np.tile([0, 1], 12)
    for augmentation in (mixture(), PolicyAugmentation([mixture(), mixture()])):
        model = InvariantClassifier(
            Network, augmentation, sfreq=64.0, max_epochs=1, n_copies=5, random_state=0
        ).fit(X, y)
        assert model.policy_ == mixture()
        assert model.policy_history_ == [mixture()]
        model.save(tmp_path / "model")
        loaded = InvariantClassifier.load(tmp_path / "model", backbone=Network)
        assert loaded.policy_ == mixture()
        assert (loaded.predict_proba(X) == model.predict_proba(X)).all()


def test_braindecode_takes_a_mixture():
    transform = to_braindecode(exclusive(), random_state=0)
    X, y = transform(ramps(200), torch.arange(200))
    found = states(X)
    assert torch.equal(found[:, 0], ~found[:, 1])
    assert 20 < found[:, 0].sum() < 80
    assert y.tolist() == list(range(200))


def test_hundreds_of_branches_cost_as_many_calls_as_there_are_transforms(monkeypatch):
    members = [
        Policy([flip(0.1 * (i % 10)), scaled(0.01 * i, layer=1)], probability=0.9)
        for i in range(100)
    ]
    A = PolicyAugmentation(Policy.mixture(members), random_state=0)
    calls, original = [], Transform.transform

    def transform(self, *args):
        calls.append(self.name)
        return original(self, *args)

    monkeypatch.setattr(Transform, "transform", transform)
    X = torch.zeros(4000, 1, 200)
    noise = A(X).std(dim=(1, 2))
    assert sorted(calls) == ["GaussianNoise", "SignFlip"]
    # strengths are those of the branches: uniform between 0 and 1 on nine tenths
    assert (noise == 0).float().mean() == pytest.approx(0.1 + 0.9 * 0.01, abs=0.02)
    deciles = torch.quantile(noise[noise > 0], torch.linspace(0.1, 0.9, 9))
    torch.testing.assert_close(deciles, torch.linspace(0.1, 0.9, 9), atol=0.05, rtol=0)


def test_uniform_strengths_in_a_branch():
    even = Policy([scaled(0.8, random_strength=True)])
    A = PolicyAugmentation(Policy.mixture([even, Policy([flip()])]), random_state=0)
    noise = A(torch.zeros(4000, 1, 400)).std(dim=(1, 2))
    deciles = torch.quantile(noise[noise > 0], torch.linspace(0.1, 0.9, 9))
    torch.testing.assert_close(deciles, 0.8 * torch.linspace(0.1, 0.9, 9), atol=0.05, rtol=0)
    strengths = sorted(c.std().item() for c in A.copies(torch.zeros(1, 1, 20000), 20))[10:]
    for i, strength in enumerate(strengths):  # one in each tenth
        assert 0.8 * i / 10 - 0.02 < strength < 0.8 * (i + 1) / 10 + 0.02


def test_joint_layers_and_what_moves_in_time():
    """Averages of Augerino's policies, and outputs brought back to the times of the signals."""
    joint = Augerino([TimeShift(64.0, 0.1), TimeWarp(0.05, shape="dilation")], random_state=0)
    policy = Policy.mixture([joint.policy(), Policy([reverse()])])
    A = PolicyAugmentation(policy, random_state=0)
    assert A.policy() == policy
    time = torch.arange(256) / 64
    X = torch.sin(2 * np.pi * 3 * time).repeat(32, 1, 1)
    undo = Undo(256)
    moved, _ = A.sample(X, undo=undo)
    assert (moved - X).abs().amax(dim=(1, 2)).min() > 0.05
    inner = slice(48, -48)  # a dilation loses the ends
    torch.testing.assert_close(undo(moved)[..., inner], X[..., inner], atol=0.05, rtol=0)
    for copy, back in A.copies(X[:1], 8, with_undo=True):
        assert (copy - X[:1]).abs().max() > 0.05
        torch.testing.assert_close(back(copy)[..., inner], X[:1, ..., inner], atol=0.05, rtol=0)
