"""The battery over the registry, and over transforms that are not in it."""

import shutil

import pytest
import torch
from battery import CHECKS
from checking import CH_NAMES, SFREQ, generator, signals

from eeginv.augmentation import PolicyAugmentation
from eeginv.policy import Policy, PolicyEntry
from eeginv.transforms import REGISTRY, BinaryTransform, Transform, make_transform

CHECK_NAMES = [function.__name__ for function in CHECKS]


@pytest.mark.parametrize("name", REGISTRY)
@pytest.mark.parametrize("check", CHECKS, ids=CHECK_NAMES)
def test_battery(check, name):
    check(lambda: make_transform(name, SFREQ, CH_NAMES))


# A transform of one's own is one class and one line in the registry. --------------------------
class Drift(Transform):
    """Add a straight line of random slope."""

    family = "amplitude"

    def __init__(self, magnitude=0.5, max_magnitude=2.0):
        super().__init__(magnitude, max_magnitude)

    def _draw(self, draws):
        return {"uniform": draws.symmetric(draws.n_channels)}

    def _transform(self, X, noise, strength):
        line = torch.linspace(-1, 1, X.shape[-1], dtype=X.dtype, device=X.device)
        return X + strength * noise["uniform"].unsqueeze(-1) * line


class SwapEnds(BinaryTransform):
    """Exchange the first and the last channel."""

    family = "spatial"

    def _transformed(self, X):
        order = [X.shape[1] - 1, *range(1, X.shape[1] - 1), 0][: X.shape[1]]
        return torch.stack([X[:, i] for i in order], dim=1)


@pytest.mark.parametrize("toy", [Drift, SwapEnds])
@pytest.mark.parametrize("check", CHECKS, ids=CHECK_NAMES)
def test_battery_runs_over_a_new_transform(check, toy, monkeypatch):
    monkeypatch.setitem(REGISTRY, toy.__name__, toy)
    check(lambda: make_transform(toy.__name__, SFREQ, CH_NAMES))


def test_a_new_transform_works_in_a_policy(monkeypatch):
    monkeypatch.setitem(REGISTRY, "Drift", Drift)
    augmentation = PolicyAugmentation(Policy([PolicyEntry("Drift", 0.5)]), random_state=0)
    X = signals(dtype=torch.float32)
    assert not torch.equal(augmentation(X), X)


# What the battery finds in transforms that are wrong. ------------------------------------------
class NotTheIdentityAtZero(Drift):
    def _transform(self, X, noise, strength):
        return super()._transform(X, noise, strength + 0.01)


class MixesExamples(Drift):
    def _transform(self, X, noise, strength):
        return X + strength * X.mean(dim=0)


class OneDrawForAll(Drift):
    def _draw(self, draws):
        return {"uniform": draws.symmetric(draws.n_channels)[:1].expand(draws.n_examples, -1)}


class DrawsFromTheGlobalGenerator(Drift):
    def _draw(self, draws):
        return {"uniform": torch.rand(draws.n_examples, draws.n_channels)}


class ChangesItsInput(Drift):
    def _transform(self, X, noise, strength):
        return X.add_(strength * noise["uniform"].unsqueeze(-1))


class CutsTheGradient(Drift):
    def _transform(self, X, noise, strength):
        return X + (strength * noise["uniform"].unsqueeze(-1)).detach()


class PassesASmallPartOfTheGradient(Drift):
    def _transform(self, X, noise, strength):
        return super()._transform(X, noise, 0.9 * strength.detach() + 0.1 * strength)


class AsksForAValue(Drift):
    def _transform(self, X, noise, strength):
        return super()._transform(X, noise, strength) if float(X.detach().sum()) else X


class LoopsOverExamples(Drift):
    def _transform(self, X, noise, strength):
        slope = (strength * noise["uniform"].unsqueeze(-1)).expand(len(X), -1, 1)
        return torch.stack([x + s for x, s in zip(X, slope, strict=True)])


class TakesADetour(Drift):
    def _transform(self, X, noise, strength):
        return super()._transform(X.double(), noise, strength).to(X.dtype)


class JumpsSilently(Drift):
    def _transform(self, X, noise, strength):
        return torch.where((noise["uniform"].abs() < strength).unsqueeze(-1), -X, X)


class MovesWhatItSaysItKeeps(Drift):
    keeps_time = True

    def _transform(self, X, noise, strength):
        return X + strength * (X.roll(100, dims=-1) - X)


class UndoesTheWrongWay(MovesWhatItSaysItKeeps):
    keeps_time = False

    def _undo(self, output, noise, strength, n_times):
        return output.roll(round(100 * output.shape[-1] / n_times), dims=-1)


class ForgetsAnArgument(Drift):
    def __init__(self, magnitude=0.5, max_magnitude=2.0, power=1.0):
        super().__init__(magnitude, max_magnitude)
        self.power = power

    def _transform(self, X, noise, strength):
        return X + (super()._transform(X, noise, strength) - X) * self.power


WRONG = [
    (NotTheIdentityAtZero, "strength_zero_is_the_identity"),
    (MixesExamples, "examples_do_not_mix"),
    (OneDrawForAll, "each_example_has_draws_of_its_own"),
    (DrawsFromTheGlobalGenerator, "global_random_state_is_left_alone"),
    (ChangesItsInput, "same_noise_same_result_and_input_untouched"),
    (CutsTheGradient, "gradient_of_own_strength"),
    (PassesASmallPartOfTheGradient, "gradients_agree_with_central_differences"),
    (AsksForAValue, "never_waits_for_the_device_and_never_loops_over_examples"),
    (LoopsOverExamples, "never_waits_for_the_device_and_never_loops_over_examples"),
    (TakesADetour, "single_precision_takes_no_detour"),
    (JumpsSilently, "moves_without_jumps_if_and_only_if_continuous"),
    (MovesWhatItSaysItKeeps, "what_happens_is_found_where_it_was_or_there_is_no_inverse"),
    (UndoesTheWrongWay, "what_happens_is_found_where_it_was_or_there_is_no_inverse"),
    (lambda: ForgetsAnArgument(power=3.0), "copies_pickles_and_loads"),
]


@pytest.mark.parametrize(("make", "name"), WRONG, ids=[name for _, name in WRONG])
def test_battery_finds(make, name):
    with pytest.raises((AssertionError, RuntimeError)):
        CHECKS[CHECK_NAMES.index(name)](make)


# Compilation ------------------------------------------------------------------------------------
def agrees_with_eager(t, backend):
    X = signals(n=4, dtype=torch.float32)
    noise = t.draw(X, generator())
    compiled = torch.compile(t.transform, fullgraph=True, backend=backend)
    results = []
    for function in (compiled, t.transform):
        leaf = X.clone().requires_grad_()
        t.raw.grad = None
        out = function(leaf, noise)
        out.square().sum().backward()
        results.append((out.detach(), leaf.grad, t.raw.grad))
    for ours, theirs in zip(*results, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


# the compiler of torch warns of its own doings
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", REGISTRY)
def test_compiles_without_a_break(name):
    torch.compiler.reset()
    agrees_with_eager(make_transform(name, SFREQ, CH_NAMES), "aot_eager")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a compiler")
def test_compiled_to_machine_code():
    torch.compiler.reset()
    for name in ("SignFlip", "SmoothTimeMask", "ChannelsMix"):
        agrees_with_eager(make_transform(name, SFREQ, CH_NAMES), "inductor")
