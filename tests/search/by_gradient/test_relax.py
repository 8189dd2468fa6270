"""RELAX: unbiased for any control variate, and better with a trained one."""

import pytest
import torch

from eeginv.search.by_gradient.policy_step import PolicyStep
from eeginv.search.by_gradient.relax import Choices, ControlVariate, relax_gradient
from eeginv.search.by_gradient.sub_policies import Stages
from eeginv.transforms import GaussianNoise, SignFlip, TimeReverse

N = 40_000
LOGITS = torch.tensor([[0.5, -0.5, 0.2], [-1.0, 0.3, 0.0]], dtype=torch.float64)
WORTH = torch.tensor([[1.0, -2.0, 0.5], [3.0, 0.1, -1.0], [0.0, 2.0, 4.0]], dtype=torch.float64)


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def expected_worth(logits):
    first, second = logits.softmax(dim=-1)
    return first @ WORTH @ second


def draw(n=N):
    logits = LOGITS.expand(n, -1, -1)
    choices = Choices(logits)
    return logits, choices, WORTH[choices.outcomes[:, 0], choices.outcomes[:, 1]]


def control_variate():
    control = ControlVariate(2, 3).double()
    return control, lambda relaxed: control(relaxed, torch.zeros(len(relaxed), dtype=torch.long))


def nothing(relaxed):
    return relaxed.sum(dim=(1, 2)) * 0


def standard_errors(samples, truth):
    error = samples.std(dim=0) / len(samples) ** 0.5
    return (samples.mean(dim=0) - truth).abs() / error


def test_choices_have_their_probabilities():
    _, choices, _ = draw()
    for variable, p in enumerate(LOGITS.softmax(dim=-1)):
        found = torch.bincount(choices.outcomes[:, variable], minlength=3) / N
        assert (found - p).abs().max() < 4 * 0.5 / N**0.5


def test_conditional_draw_keeps_the_choice_and_the_distribution():
    logits, choices, _ = draw()
    relaxed, conditional = choices.relaxed(logits), choices.conditional(logits)
    assert torch.equal(conditional.argmax(dim=-1), choices.outcomes)
    assert torch.equal(relaxed.argmax(dim=-1), choices.outcomes)
    # another draw of the same distribution
    assert not torch.allclose(relaxed, conditional)
    for moment in (1, 2):
        difference = conditional.pow(moment) - relaxed.pow(moment)
        assert (standard_errors(difference, 0) < 4).all()
    # of the one given the choice too, or RELAX would be biased
    chosen = choices.outcomes[:, 0] == 1
    difference = (conditional - relaxed)[chosen]
    assert (standard_errors(difference, 0) < 4).all()


@pytest.mark.parametrize("with_control", [False, True])
def test_unbiased(with_control):
    logits, choices, worth = draw()
    control = control_variate()[1] if with_control else nothing
    samples = relax_gradient(logits, choices, worth, control).detach()
    truth = torch.autograd.functional.jacobian(expected_worth, LOGITS)
    errors = standard_errors(samples, truth)
    assert errors.max() < 3.5  # the largest of twelve
    assert (errors < 3).float().mean() > 0.9
    # and precise enough to tell
    assert (samples.std(dim=0) / N**0.5).max() < 0.1 * truth.abs().max()


def test_trained_control_variate_has_less_variance_than_the_score_function():
    control, of_relaxed = control_variate()
    optimizer = torch.optim.Adam(control.parameters(), lr=0.01)
    for _ in range(400):
        spread = relax_gradient(*draw(64), of_relaxed).square().sum(dim=(1, 2)).mean()
        optimizer.zero_grad()
        spread.backward()
        optimizer.step()
    logits, choices, worth = draw()
    trained = relax_gradient(logits, choices, worth, of_relaxed).detach()
    plain = relax_gradient(logits, choices, worth, nothing).detach()
    truth = torch.autograd.functional.jacobian(expected_worth, LOGITS)
    assert (standard_errors(trained, truth) < 4).all()
    constant = relax_gradient(logits, choices, worth, lambda z: nothing(z) + worth.mean()).detach()
    assert trained.var(dim=0).sum() < 0.7 * plain.var(dim=0).sum()
    assert trained.var(dim=0).sum() < 0.85 * constant.var(dim=0).sum()


def test_search_trains_the_control_variate_to_lower_the_variance():
    """The published code passes its gradient through a difference and turns the sign."""
    space = Stages([SignFlip(), TimeReverse(), GaussianNoise()], 1)
    step = PolicyStep(space, policy_lr=1e-9, strength_lr=1e-9, control_lr=0.01, temperature=0.5)
    X, labels = torch.randn(64, 1, 8), torch.zeros(64, dtype=torch.long)

    def worth(drawn):
        return drawn[2].outcomes[:, 0].float() + 2.0  # a mean square of about 4 * 4

    def spread():
        draws = [step.draw(X, labels)[1] for _ in range(20)]
        return sum(step.gradients(drawn, worth(drawn) / 4).item() for drawn in draws)

    before = spread()
    for _ in range(200):
        _, drawn = step.draw(X, labels)
        step.step(drawn, worth(drawn))
    assert spread() < 0.3 * before


def test_rare_outcomes_are_finite():
    logits = torch.tensor([[[0.0, -120.0, -3.0]]], requires_grad=True)
    torch.manual_seed(0)
    relaxed = Choices(logits).conditional(logits)
    assert torch.isfinite(relaxed).all()
    (gradient,) = torch.autograd.grad(relaxed.sum(), logits)
    assert torch.isfinite(gradient).all()
