"""Outputs along time follow what a transform does to the signal."""

import math

import pytest
import torch
from checking import CH_NAMES, SFREQ, generator, signals
from torch import nn

from eeginv import AugNet, InvariantModule, Policy, PolicyAugmentation
from eeginv.augmentation import Augerino, Augmentation, AugmentationLayer
from eeginv.augmentation.undo import Undo
from eeginv.transforms import (
    REGISTRY,
    ChannelsSymmetry,
    FTSurrogate,
    GaussianNoise,
    SignFlip,
    TimeReverse,
    TimeShift,
    TimeWarp,
    Transform,
    make_transform,
)


def draws_at(value, n_modes=None):
    shape = (1,) if n_modes is None else (1, n_modes)
    return {"uniform": torch.full(shape, float(value), dtype=torch.float64)}


def dense(n_outputs=3, n_channels=2, seed=0, stride=1):
    """Return a network with one output a sample, or one for some samples, never symmetric."""
    conv = nn.Conv1d(n_channels, n_outputs, 5 * stride, stride, padding=2 * stride)
    for parameter in conv.parameters():
        nn.init.normal_(parameter, generator=generator(seed))
    return conv


def slow(times=600):
    """Return a sum of slow waves that go on where they start, easily read between samples."""
    t = torch.arange(times, dtype=torch.float64) / SFREQ
    return sum(torch.sin(2 * math.pi * f * t + f) for f in (2 / 6, 4 / 6, 7 / 6)).reshape(1, 1, -1)


# the inverse of each transform --------------------------------------------------------------------
def test_all_but_phase_randomisation_have_an_inverse():
    cannot = [n for n in REGISTRY if not make_transform(n, SFREQ, CH_NAMES).can_undo]
    assert cannot == ["FTSurrogate"]
    moves = [n for n in REGISTRY if not make_transform(n, SFREQ, CH_NAMES).keeps_time]
    assert moves == ["TimeReverse", "TimeShift", "TimeWarp", "FTSurrogate"]


def test_phase_randomisation_moves_what_happens():
    X = torch.zeros(64, 1, 400)
    X[..., 190:210] = torch.hann_window(20)
    energy = FTSurrogate(1.0)(X, generator()).square()
    assert (energy[..., 170:230].sum() / energy.sum()) < 0.4


@pytest.mark.parametrize("n_positions", [400, 100, 50])
def test_circular_shift_is_undone_by_a_roll(n_positions):
    """Of as much time: 40 samples are as many positions as they span."""
    output = signals(n=2, times=n_positions)
    t = TimeShift(SFREQ, max_magnitude=1.0)
    for direction in (-1.0, 1.0):
        rolled = output.roll(round(-direction * 40 * n_positions / 400), dims=-1)
        undone = t.undo(output, draws_at(direction), strength=0.4, n_times=400)
        torch.testing.assert_close(undone, rolled, rtol=1e-9, atol=1e-9)
    X = signals(n=2, times=400)
    shifted = t.transform(X, draws_at(0.37), strength=1.0)  # 37 samples
    back = t.undo(shifted, draws_at(0.37), strength=1.0)
    torch.testing.assert_close(back, X, atol=1e-6, rtol=0)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "constant"])
def test_where_the_signal_has_left_the_window_the_nearest_output_stands(mode):
    output = torch.arange(10.0).reshape(1, 1, 10)
    t = TimeShift(1.0, max_magnitude=4.0, mode=mode)
    undone = t.undo(output, {"uniform": torch.ones(1)}, strength=2.5)
    expected = [2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9, 9, 9]
    assert undone.flatten().tolist() == expected


@pytest.mark.parametrize("pooling", [1, 5])
@pytest.mark.parametrize("strength", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("shape", ["smooth", "dilation"])
def test_warps_are_undone(shape, strength, pooling):
    t = TimeWarp(max_magnitude=0.95, shape=shape)
    for value in (-0.7, 0.4, 1.0):
        noise = draws_at(value, 4 if shape == "smooth" else None)
        X = slow()
        warped = t.transform(X, noise, strength)
        output = warped.unflatten(-1, (-1, pooling)).mean(-1)
        undone = t.undo(output, noise, strength, n_times=600)[0, 0]
        expected = X.unflatten(-1, (-1, pooling)).mean(-1)[0, 0]
        # of a slowed signal, the middle is left; at the ends of others, a mirror image begins
        lost = max(0.0, -value * strength) * len(expected) / 2 if shape == "dilation" else 0
        cut = math.ceil(lost + 6 / pooling)
        inner = slice(cut, -cut)
        error = (undone - expected)[inner].abs().max()
        # a position of a fast signal spans more of the original than one of the output
        assert error < (0.02 if pooling == 1 else 0.12)
        assert (output[0, 0] - expected)[inner].abs().max() > 3 * error


@pytest.mark.parametrize(
    ("t", "noise"),
    [
        (TimeShift(SFREQ, max_magnitude=1.0), draws_at(0.537)),
        (TimeShift(SFREQ, max_magnitude=1.0, mode="constant"), draws_at(-0.537)),
        (TimeWarp(shape="dilation"), draws_at(0.7)),
        (TimeWarp(), draws_at(0.7, 4)),
    ],
)
def test_inverse_has_exact_gradients(t, noise):
    output = signals(n=2, channels=1, times=11).requires_grad_()
    strength = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)

    def function(output, strength):
        return t.undo(output, noise, strength, n_times=66)

    assert torch.autograd.gradcheck(function, (output, strength), atol=1e-6)
    (of_strength,) = torch.autograd.grad(function(output, strength).sin().sum(), strength)
    assert of_strength.abs() > 1e-2


def test_shifts_of_signal_and_output_cancel_in_the_gradient_of_the_strength():
    """A network that commutes with shifts says the same for all of them, and so does the loss."""
    t, X = TimeShift(SFREQ, 0.2, 0.5), slow().expand(500, -1, -1)
    # what linear interpolation lacks depends on the place between two positions, so many of them
    noise, target = {"uniform": torch.linspace(0.1, 1, 500).double()}, X.roll(40, dims=-1)
    moved = t.transform(X, noise)
    (ignored,) = torch.autograd.grad((moved - target).square().mean(), t.raw, retain_graph=True)
    (followed,) = torch.autograd.grad((t.undo(moved, noise) - target).square().mean(), t.raw)
    assert followed.abs() < 0.01 * ignored.abs()


def test_one_position_stays_and_outputs_of_any_rank_are_taken():
    for t in (TimeReverse(), TimeShift(SFREQ), TimeWarp()):
        X = signals(n=4)
        noise, output = t.draw(X, generator()), signals(n=4, times=1)
        assert torch.equal(t.undo(output, noise, n_times=200), output)
        deep = signals(n=4, times=50).unflatten(1, (3, 1)).expand(-1, -1, 2, -1)
        undone = t.undo(deep, noise, n_times=200)
        torch.testing.assert_close(undone[:, :, 1], t.undo(deep[:, :, 0], noise, n_times=200))
        with pytest.raises(ValueError, match="n_examples, n_outputs"):
            t.undo(output[..., 0], noise)


# sequences of transforms --------------------------------------------------------------------------
def always(cls):
    return cls(probability=1.0, max_probability=1.0)


def chains():
    reverse, shift = AugmentationLayer([always(TimeReverse)]), [TimeShift(SFREQ, 0.3)]
    choice = AugmentationLayer([TimeReverse(), TimeShift(SFREQ, 0.3), SignFlip(0.0)])
    policies = [
        Policy(Augmentation([reverse, AugmentationLayer(shift)]).policy().entries, probability=0.7),
        Augmentation([choice, choice]).policy(),
    ]
    yield Augmentation([reverse, AugmentationLayer(shift)], random_state=0)
    yield Augmentation([AugmentationLayer(shift), reverse], random_state=0)
    yield Augmentation([choice, choice, choice], probability=0.6, random_state=0)
    yield AugNet([[TimeReverse()], [TimeShift(SFREQ, 0.3), SignFlip(0.0)]], random_state=0)
    yield PolicyAugmentation(Policy.mixture(policies), random_state=0)
    affine = [TimeShift(SFREQ, 0.3), TimeWarp(0.01, 0.02, shape="dilation"), TimeReverse()]
    joint = Augerino(affine, joint=True, random_state=0)
    yield joint
    yield PolicyAugmentation(Policy.mixture([joint.policy(), policies[0]]), random_state=0)


@pytest.mark.parametrize("number", range(7))
def test_sequences_are_undone_in_reverse_order(number):
    A = list(chains())[number]
    X = signals(n=64, channels=2, times=300, dtype=torch.float32)
    t = torch.arange(300) / 300
    # waves that shifts carry over the end
    X = torch.sin(2 * math.pi * (t + X[..., :1])) + X[..., 1:2] * torch.sin(4 * math.pi * t)
    undo = Undo(300)
    transformed, _ = A.sample(X, generator(), undo)
    inner = slice(60, 240)  # a dilation loses an end, which a shift then brings in
    assert (transformed - X)[..., inner].abs().max() > 0.5
    torch.testing.assert_close(undo(transformed)[..., inner], X[..., inner], atol=5e-3, rtol=0)
    n_moved = 0
    for copy, undo in A.copies(X, 8, with_undo=True):
        n_moved += bool((copy - X)[..., inner].abs().max() > 0.5)
        torch.testing.assert_close(undo(copy)[..., inner], X[..., inner], atol=5e-3, rtol=0)
    assert n_moved >= 3
    plain = zip(A.copies(X, 8), A.copies(X, 8, with_undo=True), strict=True)
    assert all(torch.equal(one, other) for one, (other, _) in plain)
    with torch.no_grad():
        same = A.sample(X, generator())[0]
    assert torch.equal(same, transformed)


def test_nothing_is_kept_of_what_leaves_time_as_it_is():
    undo = Undo(200)
    A = AugNet([[GaussianNoise()], [ChannelsSymmetry(CH_NAMES)]], random_state=0)
    A.sample(signals(), generator(), undo)
    assert undo._steps == []


# averages -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("average", ["logit", "probability"])
def test_averaged_network_follows_a_reversal(average):
    X, A = signals(channels=2), AugNet([TimeReverse(0.5)], random_state=0)
    model = InvariantModule(
        dense().double(), A, n_copies=2, average=average, equivariant=True
    ).eval()
    torch.testing.assert_close(model(X.flip(-1)), model(X).flip(-1), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model(X).exp().sum(1), torch.ones(6, 200).double())
    both = torch.stack([model.backbone(X), model.backbone(X.flip(-1)).flip(-1)])
    of_both = both.log_softmax(2).mean(0) if average == "logit" else both.softmax(2).mean(0).log()
    torch.testing.assert_close(model(X), of_both.log_softmax(1))
    ignores = InvariantModule(model.backbone, A, n_copies=2, average=average).eval()
    assert not torch.allclose(ignores(X.flip(-1)), ignores(X).flip(-1), atol=0.1)
    plain = InvariantModule(model.backbone).eval()
    assert not torch.allclose(plain(X.flip(-1)), plain(X).flip(-1), atol=0.1)


def test_a_regression_follows_too():
    X, A = signals(channels=2), AugNet([TimeReverse(0.5)], random_state=0)
    model = InvariantModule(
        dense(1).double(), A, n_copies=4, loss="squared_error", equivariant=True
    ).eval()
    torch.testing.assert_close(model(X.flip(-1)), model(X).flip(-1))


def test_outputs_without_time_are_as_before():
    X, A = signals(dtype=torch.float32), AugNet([[TimeReverse(), TimeShift(SFREQ)]], random_state=0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(600, 2))
    follows, ignores = (InvariantModule(net, A, equivariant=e).eval() for e in (True, False))
    assert torch.equal(follows(X), ignores(X))


def test_a_transform_without_inverse_is_named():
    for A in (
        AugNet([SignFlip(), FTSurrogate()]),
        PolicyAugmentation(
            Policy.mixture([AugNet([[t]]).policy() for t in (SignFlip(), FTSurrogate())])
        ),
    ):
        with pytest.raises(ValueError, match="FTSurrogate: no inverse"):
            InvariantModule(dense(), A, equivariant=True)
        InvariantModule(dense(), A)

    class Undeclared(Transform):
        pass

    with pytest.raises(ValueError, match="Undeclared.*keeps_time"):
        InvariantModule(dense(), AugNet([Undeclared(0.1, 1.0)]), equivariant=True)


# training -----------------------------------------------------------------------------------------
def test_choices_learn_the_gradient_of_the_expected_dense_loss():
    """Against enumeration: each moment of a reversed signal against its own target."""
    X = signals(n=1, channels=2, times=12, dtype=torch.float32).expand(100_000, -1, -1)
    y = torch.randint(3, (1, 4), generator=generator())
    net = dense(stride=3).requires_grad_(False)
    A = AugNet([[TimeReverse(0.3)]], penalty=0.0, random_state=0)
    model = InvariantModule(net, A, equivariant=True).train()
    nn.functional.cross_entropy(model(X), y.expand(len(X), -1)).backward()
    outputs = net(X[:1]), net(X[:1].flip(-1)).flip(-1)
    there, reversed_ = (nn.functional.cross_entropy(output, y) for output in outputs)
    raw = A.layers[0].transforms[0].raw
    truth = (reversed_ - there) * 0.5  # the end of the range of the probability
    assert truth.abs() > 0.05
    assert raw.grad.item() == pytest.approx(truth.item(), rel=0.03)


def bursts(n, source):
    """Return noise with a burst of a sine somewhere, and where it is: one label in 10 samples."""
    X = 0.3 * torch.randn(n, 1, 160, generator=source)
    y = torch.zeros(n, 16, dtype=torch.long)
    start = torch.randint(15, (n,), generator=source)
    wave = torch.sin(torch.arange(20) * 0.9)
    for i, s in enumerate(start.tolist()):
        X[i, 0, 10 * s : 10 * s + 20] += wave
        y[i, s : s + 2] = 1
    return X, y


def test_learns_where_a_burst_is_and_that_time_may_run_backwards():
    reached = {}
    for equivariant in (True, False):
        source = generator()
        X, y = bursts(400, source)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            net = nn.Sequential(
                nn.Conv1d(1, 8, 20, 10, padding=5), nn.ReLU(), nn.Conv1d(8, 2, 3, padding=1)
            )
        A = AugNet([[TimeReverse(0.2)], [TimeShift(SFREQ, 0.1, 0.4)]], penalty=0.05, random_state=0)
        model = InvariantModule(net, A, n_copies=8, equivariant=equivariant)
        optimizer = torch.optim.Adam(
            [{"params": net.parameters(), "lr": 0.01}, {"params": A.parameters(), "lr": 0.01}]
        )
        for _ in range(40):
            for rows in torch.randperm(400, generator=source).split(50):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model.train()(X[rows]), y[rows]).backward()
                optimizer.step()
        X, y = bursts(200, generator(1))
        with torch.no_grad():
            found = model.eval()(X).argmax(1)
        extents = A.policy().by_transform()["extent"]
        hits = (found * y).sum() / torch.maximum(found.sum(), y.sum())
        reached[equivariant] = hits.item(), extents["TimeReverse"], extents["TimeShift"]
    hits, reverse, shift = reached[True]
    assert hits > 0.85
    assert reverse > 0.4
    assert shift > 0.25
    # without, a reversed or shifted signal has its burst where the labels say there is none
    _, reverse, shift = reached[False]
    assert reverse < 0.1
    assert shift < 0.1


@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_usleep_follows_the_order_of_its_windows():
    from braindecode.models import USleep

    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = USleep(n_chans=2, sfreq=SFREQ, n_outputs=5, n_times=3000, depth=6)
    candidates = [[TimeReverse(0.5)], [TimeShift(SFREQ, 1.0, 10.0), SignFlip(0.5)]]
    model = InvariantModule(net, AugNet(candidates, random_state=0), 4, equivariant=True)
    X = signals(n=4, channels=2, times=9000, dtype=torch.float32)
    y = torch.arange(12).reshape(4, 3) % 5
    output = model.train()(X)
    assert output.shape == (4, 5, 3)
    nn.functional.cross_entropy(output, y).backward()
    learning = [p for p in model.parameters() if p.grad is not None]  # not a choice of one
    assert all(p.grad.isfinite().all() for p in learning)
    assert all(t.raw.grad != 0 for layer in model.augmentation.layers for t in layer.transforms)
    reverse = InvariantModule(net, AugNet([TimeReverse(0.5)]), 2, equivariant=True).eval()
    with torch.no_grad():
        assert model.eval()(X[:1, :, :3000]).shape == (1, 5)  # a single window
        forwards, backwards = reverse(X), reverse(X.flip(-1))
        torch.testing.assert_close(backwards, forwards.flip(-1), atol=1e-4, rtol=0)
        assert (forwards - forwards.flip(-1)).abs().max() > 1e-3
