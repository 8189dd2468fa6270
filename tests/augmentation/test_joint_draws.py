"""Transforms that generate a group, drawn jointly through one matrix exponential."""

import copy
import math
import pickle

import pytest
import torch
from battery import CHECKS
from checking import CH_NAMES, SFREQ, generator, signals
from torch import nn

from eeginv import Augerino, AugNet, InvariantModule, Policy, PolicyAugmentation
from eeginv.augmentation import Augmentation, AugmentationLayer, JointLayer
from eeginv.augmentation.log_prob import LogProb
from eeginv.transforms import (
    AmplitudeScale,
    ChannelsGenerator,
    FrequencyShift,
    SensorsXRotation,
    SensorsYRotation,
    SensorsZRotation,
    SignFlip,
    TimeShift,
    TimeWarp,
)
from eeginv.transforms.group import make_group

NAMES = ["Fz", "C3", "Cz", "C4", "Pz", "O1", "O2", "P7", "P8", "F7", "F8"]
TURN = [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
OTHER_TURN = [[0.0, 0.0, -1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
SHEAR = [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


def time():
    return [TimeShift(SFREQ, 0.2, 0.5), TimeWarp(0.1, 0.4, shape="dilation")]


def reflected_time():
    return [TimeShift(SFREQ, 0.2, 0.5, mode="reflect"), TimeWarp(0.1, 0.4, shape="dilation")]


def sensors():
    return [axis(NAMES, 12.0) for axis in (SensorsXRotation, SensorsYRotation, SensorsZRotation)]


def channels():
    turns = [ChannelsGenerator(matrix, 0.5) for matrix in (TURN, OTHER_TURN, SHEAR)]
    return [*turns, AmplitudeScale(3.0)]


KINDS = [time, reflected_time, sensors, channels]


def signals_for(kind, **options):
    return signals(channels=len(NAMES) if kind is sensors else 3, **options)


def draws(members, X, seed=0):
    source = generator(seed)
    return [member.draw(X, source) for member in members]


def smooth(times=600, channels=1):
    """Return a sum of sines that fades at both ends, which can be read between samples."""
    t = torch.arange(times, dtype=torch.float64) / SFREQ
    envelope = torch.exp(-((t - t.mean()) ** 2) / 0.6)
    waves = sum(torch.sin(2 * math.pi * f * t + f) for f in (1.0, 2.3, 4.1))
    return (envelope * waves).expand(1, channels, -1)


@pytest.mark.parametrize("check", CHECKS, ids=[function.__name__ for function in CHECKS])
def test_battery_of_a_generator_of_ones_own(check):
    check(lambda: ChannelsGenerator(torch.tensor(TURN) + 0.3 * torch.tensor(SHEAR), 0.2, 1.5))


# what a joint draw is -----------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
def test_one_active_generator_is_what_it_is_alone(kind):
    for active in range(len(kind())):
        # room for slow signals makes another Fourier series, which differs above what is resolved
        members, X = (
            kind(),
            smooth().expand(6, 3, -1) if kind is reflected_time else signals_for(kind),
        )
        noises = draws(members, X)
        for i, member in enumerate(members):
            if i != active:
                member.strength = 0.0
        alone = members[active].transform(X, noises[active])
        assert (alone - X).norm() > 0.01 * X.norm()
        torch.testing.assert_close(
            make_group(members).transform(X, noises), alone, rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("kind", KINDS)
def test_strength_zero_is_the_identity_to_the_last_bit(kind):
    for dtype in (torch.float32, torch.float64):
        members, X = kind(), signals_for(kind).to(dtype)
        noises = draws(members, X)
        for member in members:
            member.strength = 0.0
        assert torch.equal(make_group(members).transform(X, noises), X)


@pytest.mark.parametrize("kind", KINDS)
def test_order_means_nothing_and_a_sequence_is_something_else(kind):
    members, X = kind(), signals_for(kind)
    noises = draws(members, X)
    forward = make_group(members).transform(X, noises)
    torch.testing.assert_close(make_group(members[::-1]).transform(X, noises[::-1]), forward)
    chain = X
    for member, noise in zip(members, noises, strict=True):
        chain = member.transform(chain, noise)
    assert (chain - forward).norm() > 1e-3 * X.norm()


def test_commuting_generators_are_a_sequence():
    members, X = [ChannelsGenerator(TURN, 0.7), AmplitudeScale(6.0, channel_indep=False)], signals()
    noises = draws(members, X)
    chain = members[1].transform(members[0].transform(X, noises[0]), noises[1])
    torch.testing.assert_close(make_group(members).transform(X, noises), chain)


def test_elements_of_time_are_affine_maps_and_compose():
    """Reading at the product of two matrices is doing one after the other."""
    members, X = time(), smooth()
    group = make_group(members)
    first, second = draws(members, X, 1), draws(members, X, 2)
    twice = group.transform(group.transform(X, first), second)
    # what comes last is read first
    product = group.element(X, first) @ group.element(X, second)
    assert (group._act(X, product) - twice).norm() < 0.01 * X.norm()
    other_order = group.element(X, second) @ group.element(X, first)
    assert (group._act(X, other_order) - twice).norm() > 0.1 * X.norm()
    torch.testing.assert_close(product[:, 1], torch.tensor([[0.0, 1.0]]).double())
    # and where the signal is read is where the matrix says
    times = (torch.arange(600, dtype=torch.float64) - 299.5) / SFREQ
    read = (product[0, 0, 0] * times + product[0, 0, 1]).detach()

    def value(t):
        t = t + 2.995
        return torch.exp(-((t - 2.995) ** 2) / 0.6) * sum(
            torch.sin(2 * math.pi * f * t + f) for f in (1.0, 2.3, 4.1)
        )

    torch.testing.assert_close(twice[0, 0].detach(), value(read), atol=0.02, rtol=0)


def test_long_shifts_of_slow_signals_have_room():
    """At the far end of both ranges, a shift is longer than the end of its own range."""
    members = [TimeShift(SFREQ, 0.5, 0.5, mode="replicate"), TimeWarp(0.8, 0.8, shape="dilation")]
    ends = [{"uniform": torch.ones(1).double()}, {"uniform": -torch.ones(1).double()}]
    step = (torch.arange(300) >= 150).double().reshape(1, 1, -1)
    group = make_group(members)
    speed, offset = group.element(step, ends)[0, 0].tolist()
    assert speed == pytest.approx(0.2)
    delay = -offset / speed
    assert delay > 1.2
    out = group.transform(step, ends)[0, 0]
    moved = 150 + round(delay * SFREQ)
    assert out[: moved - 12].abs().max() < 0.1
    assert (out[moved + 12 :] - 1).abs().max() < 0.1


def test_elements_of_the_head_are_rotations():
    members, X = sensors(), signals_for(sensors)
    R = make_group(members).element(X, draws(members, X)).detach()
    torch.testing.assert_close(R @ R.transpose(1, 2), torch.eye(3).double().expand_as(R))
    torch.testing.assert_close(torch.linalg.det(R), torch.ones(len(R)).double())
    assert (R - torch.eye(3)).norm(dim=(1, 2)).min() > 0.02
    constant = torch.ones(6, len(NAMES), 10, dtype=torch.float64)
    turned = make_group(members).transform(constant, draws(members, constant))
    torch.testing.assert_close(turned, constant)


def test_antisymmetric_generators_turn_channels_and_keep_power():
    members = [ChannelsGenerator(TURN, 1.0), ChannelsGenerator(OTHER_TURN, 1.0)]
    X = signals()
    group, noises = make_group(members), draws(members, X)
    out = group.transform(X, noises)
    torch.testing.assert_close(out.square().sum(1), X.square().sum(1))
    coordinates = torch.stack([noise["uniform"] for noise in noises], dim=1)
    matrices = torch.tensor([TURN, OTHER_TURN], dtype=torch.float64)
    expected = torch.matrix_exp(torch.einsum("ni,ijk->njk", coordinates, matrices)) @ X
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(
        group.element(X, [{"uniform": -n["uniform"]} for n in noises]) @ out, X
    )


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_all_strengths_and_the_signal_are_exact(kind):
    members, X = [m.double() for m in kind()], signals_for(kind, n=2, times=150)
    noises = draws(members, X)
    raws = [member.raw.detach().clone() for member in members]

    def function(X, *raws):
        for member, raw in zip(members, raws, strict=True):
            del member.raw
            member.raw = raw
        return make_group(members).transform(X, noises)[..., ::10]

    for member in members:
        del member._parameters["raw"]
        member.raw = None
    X = X[:, :, :].requires_grad_(kind is channels)  # the other maps are linear, and slow to check
    inputs = (X, *(raw.requires_grad_() for raw in raws))
    assert torch.autograd.gradcheck(function, inputs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_one_exponential_for_the_batch(kind, monkeypatch):
    members, X, calls = kind(), signals_for(kind, n=32), []
    exponential = torch.matrix_exp
    monkeypatch.setattr(torch, "matrix_exp", lambda A: calls.append(A.shape) or exponential(A))
    make_group(members).transform(X, draws(members, X))
    size = {time: 2, reflected_time: 2, sensors: 3, channels: 3}[kind]
    assert calls == [(32, size, size)]


@pytest.mark.parametrize("kind", KINDS)
def test_types_and_shapes(kind):
    members, X = kind(), signals_for(kind, dtype=torch.float32)
    group, noises = make_group(members), draws(members, X)
    half = group.transform(X.half(), noises)
    torch.testing.assert_close(half, group.transform(X.half().float(), noises).half())
    assert group.transform(X.bfloat16(), noises).dtype == torch.bfloat16
    in_double = [{k: v.double() for k, v in noise.items()} for noise in noises]
    double = group.transform(X.double(), in_double)
    assert double.dtype == torch.float64
    torch.testing.assert_close(group.transform(X, noises), double.float(), atol=2e-4, rtol=0)
    row = [{name: value[2:3] for name, value in noise.items()} for noise in noises]
    torch.testing.assert_close(group.transform(X, row)[2], group.transform(X, noises)[2])
    torch.testing.assert_close(group.transform(X[2], row), group.transform(X, row)[2])


# in an augmentation -------------------------------------------------------------------------------
def everything():
    return [*time(), SignFlip(0.2), *channels(), FrequencyShift(SFREQ, 0.3)]


def test_augerino_gathers_groups_at_the_place_of_the_first():
    A = Augerino(everything(), joint=True, random_state=0)
    names = [[t.name for t in layer.transforms] for layer in A.layers]
    assert names == [
        ["TimeShift", "TimeWarp"],
        ["SignFlip"],
        ["ChannelsGenerator"] * 3 + ["AmplitudeScale"],
        ["FrequencyShift"],
    ]
    X = signals(dtype=torch.float32)
    out, log_prob = A.sample(X, generator())
    source, expected = generator(), X
    for layer in A.layers:
        if isinstance(layer, JointLayer):
            noises = [t.draw(expected, source) for t in layer.transforms]
            expected = make_group(layer.transforms).transform(expected, noises)
        else:
            record = LogProb()
            expected = layer.sample(expected, source, log_prob=record)
            if layer.transforms[0].name == "SignFlip":
                assert torch.equal(log_prob, record.total())
    assert torch.equal(out, expected)
    # a smooth warp is in no group, and one transform of a group needs no exponential
    alone = Augerino([TimeShift(SFREQ), TimeWarp(), AmplitudeScale()], joint=True).layers
    assert [type(layer) for layer in alone] == [AugmentationLayer] * 3


def test_without_joint_nothing_changes():
    X = signals(dtype=torch.float32)
    before = AugNet([[t] for t in everything()], random_state=0)
    assert torch.equal(Augerino(everything(), random_state=0)(X), before(X))


def test_policy_has_units_and_rebuilds_the_augmentation():
    A = Augerino(everything(), joint=True, random_state=0)
    policy = Policy.from_json(A.policy().to_json())
    assert policy == A.policy()
    joint = {e.transform: e.unit for e in policy.entries if e.joint}
    assert joint == {"TimeShift": "s", "TimeWarp": "1", "ChannelsGenerator": "1"} | {
        "AmplitudeScale": "dB"
    }
    assert policy.layer(2)[0].config["matrix"] == TURN
    assert policy.summary().query("layer == 0")["extent"].tolist() == pytest.approx([0.2, 0.1])
    fixed, X = PolicyAugmentation(policy, random_state=0), signals(dtype=torch.float32)
    assert fixed.policy() == policy
    assert torch.equal(fixed(X), A(X))
    mixture = PolicyAugmentation(Policy.mixture([policy, policy]), random_state=0)
    assert mixture.policy() == Policy.mixture([policy, policy])


def test_policies_that_were_written_with_the_old_name_of_the_matrix_can_be_read():
    policy = Augerino([ChannelsGenerator(TURN)]).policy()
    written = policy.to_json().replace('"matrix"', '"generator"')
    assert written != policy.to_json()
    assert Policy.from_json(written) == policy


def test_copies_are_stratified_over_every_coordinate():
    layer = JointLayer([ChannelsGenerator(m, 0.3) for m in (TURN, OTHER_TURN)])
    maps = layer.fixed_draws(torch.zeros(1, 3, 5), torch.rand(8, 2, generator=generator()), None)
    for i in range(2):
        u = torch.cat([one.noises[i]["uniform"] for one in maps])
        assert torch.equal(((u + 1) * 4).floor().sort().values, torch.arange(8.0))
    A = Augmentation([layer], random_state=0)
    X = signals(dtype=torch.float32)
    again = zip(A.copies(X, 4), A.copies(X[1:2], 4), strict=True)
    for whole, one in again:
        torch.testing.assert_close(whole[1:2], one)


def test_saved_copied_and_pickled():
    A, X = Augerino(everything(), joint=True, random_state=0), signals(dtype=torch.float32)
    A(X)
    loaded = Augerino(everything(), joint=True, random_state=5)
    loaded.load_state_dict(A.state_dict())
    clones = [copy.deepcopy(A), pickle.loads(pickle.dumps(A)), loaded]
    expected = A(X)
    for clone in clones:
        assert torch.equal(clone(X), expected)


def test_extents_of_a_joint_draw_are_learned():
    """Labels that a turn of the first two channels keeps, and a turn into the third destroys."""
    source = generator()
    y = torch.randint(2, (600,), generator=source)
    angle = 2 * math.pi * torch.rand(600, generator=source)
    X = torch.stack([angle.cos(), angle.sin(), 3.0 * (2 * y - 1)], dim=1).unsqueeze(-1)
    X = X + 0.1 * torch.randn(600, 3, 1, generator=source)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2))
    members = [ChannelsGenerator(matrix, 0.6, math.pi) for matrix in (TURN, OTHER_TURN)]
    A = Augerino(members, penalty=0.05, joint=True, random_state=0)
    model = InvariantModule(net, A)
    optimizer = torch.optim.Adam(
        [{"params": net.parameters(), "lr": 0.01}, {"params": A.parameters(), "lr": 0.02}]
    )
    for _ in range(30):
        for rows in torch.randperm(600, generator=source).split(60):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X[rows]), y[rows]).backward()
            optimizer.step()
    free, bounded = (t.strength.item() for t in A.layers[0].transforms)
    assert free > 2.2
    # beyond a right angle the third channel changes its sign
    assert 0.6 < bounded < 1.75


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: ChannelsGenerator([[1.0, 2.0]]), "matrix must be square"),
        (lambda: ChannelsGenerator([1.0, 2.0]), "matrix must be square"),
        (lambda: ChannelsGenerator(torch.zeros(2, 2)), "changes nothing"),
        (lambda: ChannelsGenerator([[math.nan]]), "finite"),
        (lambda: ChannelsGenerator(TURN)(signals(channels=2)), "Expected 3 channels"),
        (lambda: JointLayer([SignFlip(), TimeShift(SFREQ)]), "of one group"),
        (lambda: JointLayer([TimeShift(SFREQ), TimeWarp()]), "no group"),
        (lambda: JointLayer([TimeShift(SFREQ), TimeShift(SFREQ)]), "one TimeShift and one"),
        (lambda: JointLayer([ChannelsGenerator(TURN), ChannelsGenerator([[1.0]])]), "of one size"),
        (lambda: JointLayer([SensorsXRotation(NAMES), SensorsYRotation(CH_NAMES)]), "same channel"),
        (lambda: JointLayer([nn.ReLU()]), "eeginv transforms"),
    ],
)
def test_bad_input(call, match):
    with pytest.raises((ValueError, TypeError), match=match):
        call()
