"""Properties that every transform of the registry has, and what each promises besides."""

import copy
import pickle

import mne
import numpy as np
import pytest
import torch

from eeginv.transforms import (
    REGISTRY,
    ChannelsDropout,
    FrequencyShift,
    FTSurrogate,
    GaussianNoise,
    SignFlip,
    TimeReverse,
    default_transforms,
)

SFREQ = 100.0


def make(name):
    cls = REGISTRY[name]
    return cls(sfreq=SFREQ) if name == "FrequencyShift" else cls()


def signals(n=6, channels=3, times=200, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, channels, times, generator=generator, dtype=dtype)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


every = pytest.mark.parametrize("name", REGISTRY)
continuous = pytest.mark.parametrize("name", [n for n in REGISTRY if make(n).continuous])
discrete = pytest.mark.parametrize("name", [n for n in REGISTRY if not make(n).continuous])


@every
@pytest.mark.parametrize("times", [200, 201, 256])
def test_strength_zero_is_the_identity(name, times):
    t, X = make(name), signals(times=times, dtype=torch.float32)
    assert torch.equal(t.apply(X, t.draw(X, generator()), magnitude=0.0), X)
    t._set_strength(0.0)
    assert torch.equal(t(X, generator()), X)


@every
def test_strength_one_end_changes_the_signal(name):
    t, X = make(name), signals()
    end = 1.0 if not t.continuous else t.max_magnitude
    changed = t.apply(X, t.draw(X, generator()), magnitude=end) - X
    assert (changed.norm(dim=(1, 2)) > 0.1 * X.norm(dim=(1, 2))).all()


@every
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_dtype_device_and_shape_are_kept(name, dtype):
    t, X = make(name), signals(dtype=torch.float64).to(dtype)
    out = t(X, generator())
    assert (out.dtype, out.device, out.shape) == (X.dtype, X.device, X.shape)
    single = t(X[0], generator())
    assert (single.dtype, single.shape) == (dtype, X[0].shape)


@every
def test_same_noise_same_result_and_input_untouched(name):
    t, X = make(name), signals()
    before, noise = X.clone(), t.draw(X, generator())
    assert torch.equal(t.apply(X, noise), t.apply(X, noise))
    assert torch.equal(X, before)
    assert torch.equal(t(X, generator(3)), t(X, generator(3)))


@every
def test_noise_does_not_depend_on_strength(name):
    t, X = make(name), signals()
    first = t.draw(X, generator())
    t._set_strength(0.0)
    second = t.draw(X, generator())
    assert all(torch.equal(first[key], second[key]) for key in first)


@every
def test_each_example_has_draws_of_its_own(name):
    t = make(name)
    X = signals(n=1).expand(64, -1, -1)
    noise = t.draw(X, generator())
    assert all(len(value) == 64 for value in noise.values())
    out = t.apply(X, noise, magnitude=0.5 * t.max_magnitude if t.continuous else 0.5)
    distinct = {tuple(row.flatten().tolist()) for row in out}
    assert len(distinct) >= (2 if t.strength_name == "probability" else 4)


@every
def test_examples_do_not_mix(name):
    t, X = make(name), signals()
    noise = t.draw(X, generator())
    whole = t.apply(X, noise)
    for i in range(len(X)):
        one = t.apply(X[i : i + 1], {key: value[i : i + 1] for key, value in noise.items()})
        torch.testing.assert_close(one[0], whole[i])


@every
def test_one_row_of_noise_serves_a_batch_and_strengths_are_per_example(name):
    t, X = make(name), signals()
    noise = t.draw(X, generator())
    row = {key: value[2:3] for key, value in noise.items()}
    rows = {key: value[2:3].expand(len(X), *value.shape[1:]) for key, value in noise.items()}
    torch.testing.assert_close(t.apply(X, row), t.apply(X, rows))
    strengths = torch.linspace(0, t.max_magnitude, len(X), dtype=X.dtype)
    out = t.apply(X, noise, magnitude=strengths)
    for i, strength in enumerate(strengths):
        one = {key: value[i : i + 1] for key, value in noise.items()}
        torch.testing.assert_close(t.apply(X[i : i + 1], one, magnitude=strength)[0], out[i])
    with pytest.raises(ValueError, match="one value per example"):
        t.apply(X, noise, magnitude=strengths[:-1])


@every
def test_global_random_state_is_left_alone(name):
    t, X = make(name), signals()
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    t(X)
    t(X, generator())
    t.draw(X, generator(), stratified=True)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002


@every
def test_without_generator_draws_differ(name):
    t, X = make(name), signals(n=64)
    first, second = t.draw(X), t.draw(X)
    assert not torch.equal(next(iter(first.values())), next(iter(second.values())))


@continuous
def test_gradient_of_strength_and_signal_agree_with_central_differences(name):
    t, X = make(name).double(), signals(n=3, times=50)
    noise = t.draw(X, generator())
    weight = signals(n=3, times=50, seed=1)

    def function(X, strength):
        return (t.apply(X, noise, magnitude=strength) * weight).sin().sum()

    strength = torch.tensor(0.3 * t.max_magnitude, dtype=torch.float64, requires_grad=True)
    X = X.requires_grad_()
    assert torch.autograd.gradcheck(function, (X, strength), atol=1e-6, rtol=1e-5)
    t._set_strength(0.3 * t.max_magnitude)
    function(X, t.magnitude).backward()
    h = 1e-5
    with torch.no_grad():
        difference = (function(X, strength + h) - function(X, strength - h)) / (2 * h)
    torch.testing.assert_close(t.raw.grad / t.max_magnitude, difference, rtol=1e-5, atol=1e-7)


@every
def test_gradient_of_the_signal(name):
    t, X = make(name).double(), signals(n=2, times=31).requires_grad_()
    noise = t.draw(X, generator())
    strength = 0.5 * t.max_magnitude
    assert torch.autograd.gradcheck(lambda X: t.apply(X, noise, magnitude=strength), (X,))


@discrete
@pytest.mark.parametrize("strength", [0.1, 0.4])
def test_score_function_is_the_derivative_of_the_expected_loss(name, strength):
    """For a function of the output whose expectation is computed by enumeration."""
    t = make(name).double()
    t._set_strength(strength)
    one = signals(n=1, channels=2, times=5, seed=4)
    weight = signals(n=1, channels=2, times=5, seed=7)

    def loss(X):
        return torch.tanh((X * weight).sum(dim=(1, 2))) + (X * weight).sum(dim=(1, 2)) ** 2

    def expected(p):
        if t.strength_name == "probability":
            return p * loss(t._transformed(one)) + (1 - p) * loss(one)
        total = 0.0
        for first in (0, 1):
            for second in (0, 1):
                keep = torch.tensor([first, second], dtype=torch.float64).reshape(1, 2, 1)
                dropped = 2 - first - second
                total = total + p**dropped * (1 - p) ** (2 - dropped) * loss(one * keep)
        return total

    p = torch.tensor(strength, dtype=torch.float64, requires_grad=True)
    (truth,) = torch.autograd.grad(expected(p), p)
    n = 200_000
    X = one.expand(n, -1, -1)
    noise = t.draw(X, generator())
    with torch.no_grad():
        losses = loss(t.apply(X, noise))
    p = torch.tensor(strength, dtype=torch.float64, requires_grad=True)
    advantage = losses - losses.mean()
    (advantage * t.log_prob(noise, p)).mean().backward()
    spread = losses.std() / strength / n**0.5
    assert abs(p.grad - truth) < 5 * spread
    assert 5 * spread < 0.1 * abs(truth)  # the test can tell


@every
def test_log_prob_of_continuous_draws_is_zero(name):
    t, X = make(name), signals()
    log_prob = t.log_prob(t.draw(X, generator()))
    assert log_prob.shape == (len(X),)
    assert torch.isfinite(log_prob).all()
    assert (log_prob == 0).all() == t.continuous
    assert torch.isfinite(t.log_prob(t.draw(X, generator()), 0.0)).all()


@every
def test_strength_has_no_dead_zone(name):
    t = make(name)
    for raw in (-3.3, -1.0, -0.2, 0.0, 0.4, 1.0, 1.7, 2.0, 5.9):
        t.raw.data.fill_(raw)
        t.raw.grad = None
        strength = t._strength()
        assert 0 <= strength <= t.max_magnitude
        strength.backward()
        assert abs(t.raw.grad) == pytest.approx(t.max_magnitude)
    for value in (0.0, 0.37 * t.max_magnitude, t.max_magnitude):
        t._set_strength(value)
        assert t._strength().item() == pytest.approx(value, abs=1e-7)


@every
def test_grows_from_zero(name):
    t = make(name)
    t._set_strength(0.0)
    optimizer = torch.optim.Adam(t.parameters(), lr=0.05)
    for _ in range(5):
        optimizer.zero_grad()
        (-t.spread()).backward()
        optimizer.step()
    assert t._strength() > 0.1 * t.max_magnitude


@every
def test_copies_pickles_and_loads(name):
    t, X = make(name), signals(dtype=torch.float32)
    t._set_strength(0.2 * t.max_magnitude)
    expected = t(X, generator())
    other = make(name)
    other.load_state_dict(t.state_dict())
    for clone in (copy.deepcopy(t), pickle.loads(pickle.dumps(t)), other):
        assert torch.equal(clone(X, generator()), expected)
    rebuilt = type(t)(**{t.strength_name: t._strength().item()}, **t.config())
    assert torch.equal(rebuilt(X, generator()), expected)


@every
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_zeros_and_constants_stay_finite(name, value):
    t = make(name)
    X = torch.full((2, 1, 50), value)
    out = t.apply(X, t.draw(X, generator()), magnitude=t.max_magnitude)
    assert torch.isfinite(out).all()


@every
def test_bad_input_says_what_was_expected(name):
    t = make(name)
    with pytest.raises(TypeError, match=r"torch\.Tensor"):
        t(np.zeros((2, 3, 4)))
    with pytest.raises(TypeError, match="floating-point"):
        t(torch.zeros(2, 3, 4, dtype=torch.int64))
    with pytest.raises(ValueError, match="n_examples, n_channels, n_times"):
        t(torch.zeros(4))
    with pytest.raises(ValueError, match="must lie in"):
        t._set_strength(2 * t.max_magnitude)
    with pytest.raises(ValueError, match="must lie in"):
        t._set_strength(-0.1)
    with pytest.raises(TypeError, match="needs the draws"):
        t.apply(torch.zeros(2, 3, 4))


@every
def test_torchs_own_apply_still_walks_modules(name):
    seen = []
    torch.nn.Sequential(make(name)).apply(lambda module: seen.append(type(module).__name__))
    assert seen == [name, "Sequential"]


@every
def test_stratified_draws_are_even(name):
    t, X = make(name), signals(n=16, channels=2, times=40)
    noise = t.draw(X, generator(), stratified=True)
    if "uniform" not in noise:
        return
    u = noise["uniform"]
    u = (u + 1) / 2 if t.continuous else u
    counts = (u.reshape(16, -1) * 16).floor().sort(dim=0).values
    assert torch.equal(counts, torch.arange(16.0).double()[:, None].expand_as(counts))


def test_time_reverse_and_sign_flip_are_involutions():
    X = signals()
    for t in (TimeReverse(), SignFlip()):
        noise = t.draw(X)
        assert torch.equal(t.apply(t.apply(X, noise, 1.0), noise, 1.0), X)
    assert torch.equal(TimeReverse().apply(X, {"uniform": torch.zeros(1)}, 1.0), X.flip(-1))
    assert torch.equal(SignFlip().apply(X, {"uniform": torch.zeros(1)}, 1.0), -X)


@pytest.mark.parametrize("n_times", [1000, 1001, 3000, 4096])
@pytest.mark.parametrize("shift", [-2.0, 0.37, 3.0])
def test_frequency_shift_of_a_tone(n_times, shift):
    """Against the shifted tone itself; amplitude within 1 % away from the edges."""
    time = torch.arange(n_times, dtype=torch.float64) / SFREQ
    X = torch.cos(2 * np.pi * 10 * time).reshape(1, 1, -1)
    t = FrequencyShift(SFREQ, max_magnitude=5.0).double()
    out = t.apply(X, {"uniform": torch.ones(1, dtype=X.dtype)}, magnitude=shift)[0, 0]
    middle = n_times / 2 / SFREQ
    expected = torch.cos(2 * np.pi * (10 * time + shift * (time - middle)))
    inner = slice(n_times // 10, -n_times // 10)
    torch.testing.assert_close(out[inner], expected[inner], atol=0.01, rtol=0)


def test_frequency_shift_keeps_an_offset():
    X = signals() + 100.0
    t = FrequencyShift(SFREQ, max_magnitude=5.0).double()
    out = t.apply(X, {"uniform": torch.ones(1, dtype=X.dtype)}, magnitude=2.0)
    assert ((out - 100).abs() < 10).all()


def test_frequency_shift_agrees_with_the_hilbert_transform_of_mne():
    X = mne.filter.filter_data(signals(n=1, channels=1, times=2000)[0].numpy(), SFREQ, 5, 20)
    info = mne.create_info(1, SFREQ, "eeg")
    raw = mne.io.RawArray(X, info, verbose="error").apply_hilbert(verbose="error")
    analytic = raw.get_data()[0]
    time = (np.arange(2000) - 1000) / SFREQ
    expected = (analytic * np.exp(2j * np.pi * 1.5 * time)).real
    t = FrequencyShift(SFREQ).double()
    out = t.apply(torch.from_numpy(X), {"uniform": torch.ones(1, dtype=torch.float64)}, 1.5)
    np.testing.assert_allclose(out[0].numpy()[100:-100], expected[100:-100], atol=0.02)


@pytest.mark.parametrize("n_times", [300, 301])
@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_ft_surrogate_keeps_amplitudes_and_shared_phase_differences(n_times, strength):
    X = signals(times=n_times)
    for indep in (False, True):
        t = FTSurrogate(channel_indep=indep).double()
        before, after = (torch.fft.rfft(x) for x in (X, t.apply(X, t.draw(X), strength)))
        torch.testing.assert_close(before.abs(), after.abs(), atol=1e-8, rtol=1e-8)
        same = torch.allclose(
            (before[:, 0] * before[:, 1].conj()), (after[:, 0] * after[:, 1].conj())
        )
        assert same != indep


def test_ft_surrogate_is_centred_at_partial_strength():
    X = signals(n=1, channels=1, times=64).expand(20_000, -1, -1)
    t = FTSurrogate().double()
    mean = torch.fft.rfft(t.apply(X, t.draw(X, generator()), 0.5)).mean(dim=0)
    angle = (mean / torch.fft.rfft(X[0]))[0, 1:-1].angle()
    assert angle.abs().max() < 0.05


def test_gaussian_noise_has_the_stated_deviation():
    X = torch.zeros(50, 2, 2000)
    noise = GaussianNoise()
    with torch.no_grad():
        out = noise.apply(X, noise.draw(X, generator()), 0.3)
    assert out.std() == pytest.approx(0.3, rel=0.01)
    assert out.mean() == pytest.approx(0.0, abs=0.01)


def test_channels_dropout_drops_whole_channels_at_the_stated_rate():
    X = torch.ones(4000, 3, 4)
    t = ChannelsDropout(0.3)
    out = t(X, generator())
    assert set(out.unique().tolist()) == {0.0, 1.0}
    assert (out == out[..., :1]).all()
    assert 1 - out.mean().item() == pytest.approx(0.3, abs=0.02)


def test_probabilities_are_met():
    X = torch.ones(8000, 1, 2)
    out = SignFlip(0.2)(X, generator())
    assert (out < 0).float().mean().item() == pytest.approx(0.2, abs=0.02)
    with pytest.raises(ValueError, match="max_probability"):
        SignFlip(0.9)
    always = SignFlip(1.0, max_probability=1.0)
    assert (always(X, generator()) == -1).all()


def test_default_transforms_need_a_sampling_frequency():
    assert [type(t).__name__ for t in default_transforms(128)] == list(REGISTRY)
    with pytest.raises(ValueError, match="sampling frequency"):
        default_transforms(None)
