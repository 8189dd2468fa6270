"""Transforms from other code, and ours in Braindecode's data loader."""

import copy
import pickle

import numpy as np
import pytest
import torch
from battery import CHECKS
from braindecode import augmentation as theirs
from checking import CH_NAMES, generator, signals
from torch.utils.data import TensorDataset

from eeginv import AugNet, Policy, PolicyAugmentation
from eeginv.adapters import from_braindecode, from_callable, to_braindecode
from eeginv.transforms import (
    REGISTRY,
    FrequencyShift,
    SignFlip,
    TimeReverse,
    default_transforms,
    make_transform,
)

SFREQ = 100.0


def tilt(X, strength, noise):
    line = torch.linspace(-1, 1, X.shape[-1], dtype=X.dtype, device=X.device)
    return X + strength * noise["uniform"].reshape(-1, 1, 1) * line


def silence(X, strength, noise):
    return X * (noise["uniform"].unsqueeze(-1) >= strength)


def uniform(draws):
    return {"uniform": draws.uniform(draws.n_channels)}


def silenced(noise, strength):
    return noise["uniform"] < strength


def make_tilt():
    return from_callable(tilt, 0.5, 2.0, unit="s")


def make_silence():
    return from_callable(silence, 0.5, 1.0, draw=uniform, events=silenced)


# Those that cannot hold: a function cannot be made again from plain values.
OF_CLASSES = {"copies_pickles_and_loads", "torchs_own_apply_still_walks_modules"}


@pytest.mark.parametrize("make", [make_tilt, make_silence])
@pytest.mark.parametrize("check", [c for c in CHECKS if c.__name__ not in OF_CLASSES])
def test_battery_runs_over_functions(check, make):
    check(make)


def test_from_callable():
    t = make_tilt()
    assert (t.name, t.unit, t.continuous) == ("tilt", "s", True)
    X = signals(dtype=torch.float32)
    for clone in (copy.deepcopy(t), pickle.loads(pickle.dumps(t))):
        assert torch.equal(clone(X, generator()), t(X, generator()))
    assert not make_silence().continuous
    with pytest.raises(TypeError, match="function must be callable"):
        from_callable(3, 0.5, 1.0)
    with pytest.raises(TypeError, match="draw must be callable"):
        from_callable(tilt, 0.5, 1.0, draw={"uniform": 0})
    with pytest.raises(ValueError, match="of shape"):
        from_callable(lambda X, strength, noise: X[..., 1:], 0.5, 1.0)(X)


def test_functions_are_learned_and_named_in_the_policy():
    A = AugNet([make_tilt(), make_silence(), SignFlip()], n_layers=1, random_state=0)
    X = signals(dtype=torch.float32)
    out, log_prob = A.sample(X)
    (out.square().sum() + log_prob.sum()).backward()
    assert {entry.transform for entry in A.policy().entries} == {"tilt", "silence", "SignFlip"}
    assert A.reward() > 0


BRAINDECODE = {
    "TimeReverse": theirs.TimeReverse(1.0),
    "SignFlip": theirs.SignFlip(1.0),
    "FTSurrogate": theirs.FTSurrogate(1.0),
    "ChannelsShuffle": theirs.ChannelsShuffle(1.0, p_shuffle=0.5),
    "ChannelsDropout": theirs.ChannelsDropout(1.0),
    "GaussianNoise": theirs.GaussianNoise(1.0),
    "ChannelsSymmetry": theirs.ChannelsSymmetry(1.0, CH_NAMES),
    "SmoothTimeMask": theirs.SmoothTimeMask(1.0),
    "BandstopFilter": theirs.BandstopFilter(1.0, sfreq=SFREQ, max_freq=50.0),
    "FrequencyShift": theirs.FrequencyShift(1.0, sfreq=SFREQ),
    "SensorsZRotation": theirs.SensorsZRotation(1.0, CH_NAMES),
    "AmplitudeScale": theirs.AmplitudeScale(1.0),
    "MaskEncoding": theirs.MaskEncoding(1.0),
    "ChannelsReref": theirs.ChannelsReref(1.0),
}


@pytest.mark.parametrize("name", BRAINDECODE)
def test_from_braindecode_does_what_it_wraps(name):
    """For each example, what the wrapped object makes of it with a generator of that seed."""
    original = BRAINDECODE[name]
    t = from_braindecode(original, probability=0.5)
    assert t.name == name
    X = signals(n=8, times=1000, dtype=torch.float32)
    noise = t.draw(X, generator())
    out = t.transform(X, noise)
    assert torch.equal(t.transform(X, noise), out)
    applied = noise["uniform"] < 0.5
    assert 0 < applied.sum() < len(X)
    assert torch.equal(out[~applied], X[~applied])
    one = copy.deepcopy(original)
    one._get_mask = lambda n, device: torch.ones(n, dtype=torch.bool)  # without a draw of its own
    for i in applied.nonzero()[:, 0].tolist():
        one.rng = np.random.RandomState(int(noise["seed"][i] * 2**24))
        torch.testing.assert_close(out[i : i + 1], one(X[i : i + 1]).float())
    copied = pickle.loads(pickle.dumps(t))
    assert torch.equal(copied.transform(X, noise), out)
    assert torch.equal(t.transform(X, noise, strength=0.0), X)


def test_from_braindecode_as_a_candidate():
    candidates = [from_braindecode(BRAINDECODE["MaskEncoding"], 0.5), FrequencyShift(SFREQ)]
    A = AugNet(candidates, n_layers=1, random_state=0)
    out, log_prob = A.sample(signals(times=400, dtype=torch.float32))
    (out.square().sum() + log_prob.sum()).backward()
    assert A.layers[0].transforms[0].raw.grad.abs() > 0
    assert "MaskEncoding" in {entry.transform for entry in A.policy().entries}


def test_from_braindecode_bad_input():
    with pytest.raises(ValueError, match="combines several examples"):
        from_braindecode(theirs.Mixup(1.0))
    with pytest.raises(ValueError, match="wrap each"):
        from_braindecode(theirs.Compose([theirs.SignFlip(1.0)]))
    with pytest.raises(TypeError, match="Expected a transform of Braindecode"):
        from_braindecode(SignFlip())
    t = from_braindecode(BRAINDECODE["BandstopFilter"])
    with pytest.raises(RuntimeError, match="first layer"):
        t(signals(times=1000).requires_grad_())


@pytest.mark.parametrize("name", REGISTRY)
def test_to_braindecode_in_its_loader(name):
    t = make_transform(name, SFREQ, CH_NAMES)
    X, y = signals(n=12, dtype=torch.float32), torch.arange(12)

    def batches(seed, source=t, **options):
        wrapped = to_braindecode(source, random_state=seed, **options)
        loader = theirs.AugmentedDataLoader(TensorDataset(X, y), wrapped, batch_size=6)
        return [(X.clone(), y) for X, y in loader]

    first, again, other = batches(0), batches(0), batches(1)
    assert torch.equal(torch.cat([labels for _, labels in first]), y)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a[0], b[0]) for a, b in zip(first, other, strict=True))
    never = batches(0, probability=0.0)
    assert torch.equal(torch.cat([X for X, _ in never]), X)
    assert not first[0][0].requires_grad
    pickle.loads(pickle.dumps(to_braindecode(t)))


def test_to_braindecode_of_a_policy():
    policy = AugNet(default_transforms(SFREQ), random_state=0).policy()
    assert isinstance(policy, Policy)
    X, y = signals(n=12, times=400, dtype=torch.float32), torch.arange(12)
    wrapped = to_braindecode(policy, random_state=0)
    loader = theirs.AugmentedDataLoader(TensorDataset(X, y), [wrapped], batch_size=12)
    ((out, labels),) = list(loader)
    assert torch.equal(labels, y)
    assert (out != X).any(dim=(1, 2)).double().mean() > 0.5
    single = wrapped(X[0])
    assert single.shape == X[0].shape
    with pytest.raises(TypeError, match="Expected an eeginv transform, policy"):
        to_braindecode(theirs.SignFlip(1.0))


def test_workers_and_epochs_differ():
    """Braindecode's own repeat each other in workers that start from the same seed."""
    X = torch.ones(8, 1, 40)
    noisy = to_braindecode(make_transform("GaussianNoise"), random_state=0)
    loader = theirs.AugmentedDataLoader(
        TensorDataset(X, torch.arange(8)), noisy, batch_size=2, num_workers=2
    )
    rows = [row for _ in range(2) for out, _ in loader for row in out]
    assert len({tuple(row.flatten().tolist()) for row in rows}) == 16


def test_round_trip():
    ours = from_braindecode(to_braindecode(TimeReverse(1.0, max_probability=1.0)))
    X = signals(dtype=torch.float32)
    assert torch.equal(ours(X, generator()), X.flip(-1))


def test_a_policy_is_not_applied_with_another_class_of_the_same_name():
    own = type("GaussianNoise", (SignFlip,), {"__module__": "my_package.transforms"})
    theirs_ = from_braindecode(theirs.GaussianNoise(1.0))
    for transform, name in ((own(0.2), "transforms"), (theirs_, "braindecode")):
        policy = AugNet([transform, SignFlip(0.2)], n_layers=1).policy()
        assert [e.transform for e in policy.layer(0)] == [f"{name}.GaussianNoise", "SignFlip"]
        again = Policy.from_dict(policy.to_dict())
        assert again == policy
        with pytest.raises(ValueError, match="A transform of your own needs its class"):
            PolicyAugmentation(again)


def test_a_function_whose_strength_cannot_be_learned_is_refused():
    def jump(X, strength, noise):
        return torch.where(noise["uniform"].abs().reshape(-1, 1, 1) < strength, -X, X)

    def through_numpy(X, strength, noise):
        return torch.from_numpy(X.numpy() * (1 + strength.detach().numpy()))

    X = signals()
    for function in (jump, through_numpy):
        model = AugNet([from_callable(function, 0.3, 1.0)], random_state=0)
        with pytest.raises(ValueError, match=f"What {function.__name__} returns has no gradient"):
            model(X)
        with torch.no_grad():
            assert model(X).shape == X.shape

    def seldom(X, strength, noise):
        on = noise["uniform"].reshape(-1, 1, 1) > 0.9
        return X * (1 + strength * on) if on.any() else X

    model = AugNet([from_callable(seldom, 0.3, 1.0)], random_state=0)
    assert all(model(X).shape == X.shape for _ in range(20))  # also where it changes nothing
    told = from_callable(jump, 0.3, 1.0, events=lambda n, p: n["uniform"].abs() < p)
    assert AugNet([told], random_state=0)(X).shape == X.shape
