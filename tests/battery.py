"""What every transform of the registry must satisfy; each check takes a function that makes one.

The checks of ``battery_tensors.py`` are among them.
"""

import battery_tensors
import numpy as np
import pytest
import torch
from checking import Checks, generator, part_of, signals

CHECKS = Checks(battery_tensors.CHECKS)
check = CHECKS.add


# what the strength means ----------------------------------------------------------------------
@check
def strength_zero_is_the_identity(make):
    for times in (200, 201, 256, 331):
        t, X = make(), signals(times=times, dtype=torch.float32)
        noise = t.draw(X, generator())
        assert torch.equal(t.transform(X, noise, strength=0.0), X)
        t.strength = 0.0
        assert torch.equal(t(X, generator()), X)
        assert not t.strength.signbit()  # which would be printed as -0


@check
def the_end_of_the_range_changes_the_signal(make):
    t, X = make(), signals(n=64)
    end = 1.0 if t.binary else t.max_strength
    changed = t.transform(X, t.draw(X, generator()), strength=end) - X
    moved = changed.norm(dim=(1, 2)) > 0.05 * X.norm(dim=(1, 2))
    assert moved.double().mean() > 0.5


@check
def a_larger_strength_moves_further(make):
    t, X = make(), signals(n=1024)
    if t.binary:
        return
    noise = t.draw(X, generator())
    steps = [
        (t.transform(X, noise, strength=share * t.max_strength) - X).norm().item()
        for share in (0.05, 0.2, 0.5)
    ]
    assert 0 < steps[0] < steps[1] < steps[2]


@check
def moves_without_jumps_if_and_only_if_continuous(make):
    t, X = make(), signals(n=512)
    noise = t.draw(X, generator())
    largest = 0.0
    for share in np.linspace(0.05, 0.95, 10):
        before = t.transform(X, noise, strength=share * t.max_strength)
        after = t.transform(X, noise, strength=(share + 1e-3) * t.max_strength)
        change = (after - before).norm(dim=(1, 2)) / X.norm(dim=(1, 2))
        largest = max(largest, change.max().item())
    assert (largest < 0.2) == t.continuous


@check
def strength_has_no_dead_zone(make):
    t = make()
    for raw in (-3.3, -1.0, -0.2, 0.0, 0.4, 1.0, 1.7, 2.0, 5.9):
        t.raw.data.fill_(raw)
        t.raw.grad = None
        strength = t.strength
        assert 0 <= strength <= t.max_strength
        strength.backward()
        assert abs(t.raw.grad) == pytest.approx(t.max_strength)
    for value in (0.0, 0.37 * t.max_strength, t.max_strength):
        t.strength = value
        assert t.strength.item() == pytest.approx(value, rel=1e-6, abs=1e-7)


@check
def grows_from_zero(make):
    t = make()
    t.strength = 0.0
    optimizer = torch.optim.Adam(t.parameters(), lr=0.05)
    for _ in range(5):
        optimizer.zero_grad()
        (-t.spread()).backward()
        optimizer.step()
    assert t.strength > 0.1 * t.max_strength


@check
def displacement_is_positive_and_finite(make):
    t = make()
    value = t.displacement(signals(n=32, times=400), generator())
    assert 0 < value < np.inf


# draws ----------------------------------------------------------------------------------------
@check
def same_noise_same_result_and_input_untouched(make):
    t, X = make(), signals()
    before, noise = X.clone(), t.draw(X, generator())
    assert torch.equal(t.transform(X, noise), t.transform(X, noise))
    assert torch.equal(X, before)
    assert torch.equal(t(X, generator(3)), t(X, generator(3)))


@check
def noise_does_not_depend_on_strength(make):
    t, X = make(), signals()
    first = t.draw(X, generator())
    t.strength = 0.0
    second = t.draw(X, generator())
    assert all(torch.equal(first[key], second[key]) for key in first)


@check
def each_example_has_draws_of_its_own(make):
    t = make()
    X = signals(n=1).expand(64, -1, -1)
    noise = t.draw(X, generator())
    assert all(len(value) == 64 for value in noise.values())
    out = t.transform(X, noise, strength=0.5 if t.binary else 0.5 * t.max_strength)
    distinct = {tuple(row.flatten().tolist()) for row in out}
    assert len(distinct) >= (2 if t.binary else 4)


@check
def examples_do_not_mix(make):
    t, X = make(), signals()
    noise = t.draw(X, generator())
    whole = t.transform(X, noise)
    for i in range(len(X)):
        one = t.transform(X[i : i + 1], part_of(noise, slice(i, i + 1)))
        torch.testing.assert_close(one[0], whole[i])


@check
def one_row_of_noise_serves_a_batch_and_strengths_are_per_example(make):
    t, X = make(), signals()
    noise = t.draw(X, generator())
    row = part_of(noise, slice(2, 3))
    rows = {key: value.expand(len(X), *value.shape[1:]) for key, value in row.items()}
    torch.testing.assert_close(t.transform(X, row), t.transform(X, rows))
    strengths = torch.linspace(0, t.max_strength, len(X), dtype=X.dtype)
    out = t.transform(X, noise, strength=strengths)
    for i, strength in enumerate(strengths):
        one = t.transform(X[i : i + 1], part_of(noise, slice(i, i + 1)), strength=strength)
        torch.testing.assert_close(one[0], out[i])
    with pytest.raises(ValueError, match="one value per example"):
        t.transform(X, noise, strength=strengths[:-1])


@check
def global_random_state_is_left_alone(make):
    t, X = make(), signals()
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    t(X)
    t(X, generator())
    t.draw(X, generator(), stratified=True)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002


@check
def without_generator_draws_differ(make):
    t, X = make(), signals(n=64)
    first, second = t.draw(X), t.draw(X)
    assert not torch.equal(next(iter(first.values())), next(iter(second.values())))


@check
def stratified_draws_are_even(make):
    t, X = make(), signals(n=16, times=40)
    noise = t.draw(X, generator(), stratified=True)
    if "uniform" not in noise:
        return
    u = noise["uniform"]
    # in [0, 1), or in [-1, 1), which 16 even draws cannot be without a negative one
    u = (u + 1) / 2 if (u < 0).any() else u
    counts = (u.reshape(16, -1) * 16).floor().sort(dim=0).values
    assert torch.equal(counts, torch.arange(16.0).double()[:, None].expand_as(counts))


@check
def what_happens_is_found_where_it_was_or_there_is_no_inverse(make):
    t, times = make(), 400
    place = torch.arange(100, 300, 4)[:, None]
    burst = torch.hann_window(20, dtype=torch.float64) * 30 * signals(len(place), 3, 20)
    X = torch.zeros(len(place), 3, times, dtype=torch.float64)
    X.scatter_(2, (place + torch.arange(20))[:, None].expand(-1, 3, -1), burst)
    noise, strength = t.draw(X, generator()), 1.0 if t.binary else 0.5 * t.max_strength
    energy = t.transform(X, noise, strength).square().sum(1, keepdim=True)
    if not t.can_undo:
        with pytest.raises(TypeError, match=f"{t.name} has no inverse"):
            t.undo(energy, noise, strength)
        return
    back = t.undo(energy, noise, strength)
    near = (back[:, 0] * ((torch.arange(times) - place - 10).abs() < 35)).sum(1)
    there = energy.sum((1, 2)) > 0.05 * X.square().sum((1, 2))  # unless it was masked
    assert there.double().mean() > 0.5
    assert (near / back.sum((1, 2)))[there].min() > 0.8
    # a position of an output need not be a sample, and a strength of zero moves nothing
    coarse = energy.unflatten(-1, (40, 10)).mean(-1).expand(-1, 2, -1)
    assert t.undo(coarse.half(), noise, strength, n_times=times).dtype == torch.half
    assert torch.equal(t.undo(coarse, noise, 0.0, n_times=times), coarse)


# gradients ------------------------------------------------------------------------------------
@check
def gradients_agree_with_central_differences(make):
    t, X = make().double(), signals(n=2, times=33)
    weight = signals(n=2, times=33, seed=1)
    noise = t.draw(X, generator())
    share = 0.3 * t.max_strength
    inputs = (X.requires_grad_(),)
    if t.continuous:
        inputs += (torch.tensor(share, dtype=torch.float64, requires_grad=True),)

    def function(X, strength=share):
        return (t.transform(X, noise, strength=strength) * weight).sin().sum()

    # all with respect to the signal; also with respect to the strength where it moves smoothly
    assert torch.autograd.gradcheck(function, inputs, atol=1e-6, rtol=1e-5)
    assert torch.autograd.gradcheck(
        lambda *inputs: t.transform(inputs[0], noise, *inputs[1:] or (share,)), inputs, atol=1e-6
    )


@check
def gradient_of_own_strength(make):
    t, X = make().double(), signals(n=2, times=33)
    noise, weight = t.draw(X, generator()), signals(n=2, times=33, seed=1)
    t.strength = 0.3 * t.max_strength
    if not t.continuous:
        t.score_function(noise, weight[:, 0, 0]).backward()
        assert torch.isfinite(t.raw.grad)
        return

    def function(strength):
        return (t.transform(X, noise, strength=strength) * weight).sin().sum()

    function(None).backward()
    h, strength = 1e-5, t.strength.item()
    with torch.no_grad():
        difference = (function(strength + h) - function(strength - h)) / (2 * h)
    torch.testing.assert_close(t.raw.grad / t.max_strength, difference, rtol=1e-4, atol=1e-7)


@check
def gradient_at_zero_is_finite(make):
    t, X = make(), signals(n=2, times=40, dtype=torch.float32).requires_grad_()
    t.strength = 0.0
    t(X, generator()).square().sum().backward()
    assert torch.isfinite(X.grad).all()
    if t.continuous:
        assert torch.isfinite(t.raw.grad)


@check
def log_prob_is_zero_if_and_only_if_continuous(make):
    t, X = make(), signals()
    log_prob = t.log_prob(t.draw(X, generator()))
    assert log_prob.shape == (len(X),)
    assert torch.isfinite(log_prob).all()
    assert (log_prob == 0).all() == t.continuous
    assert torch.isfinite(t.log_prob(t.draw(X, generator()), 0.0)).all()
