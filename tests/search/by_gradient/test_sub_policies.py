"""Sub-policies: what is drawn is what the policy says, example by example."""

import pytest
import torch

from eeginv import PolicyAugmentation
from eeginv.search.by_gradient.policy_step import PolicyStep
from eeginv.search.by_gradient.relax import Choices
from eeginv.search.by_gradient.sub_policies import Combinations, Stages
from eeginv.transforms import ChannelsDropout, GaussianNoise, SignFlip, TimeReverse

CANDIDATES = [SignFlip, TimeReverse, GaussianNoise, ChannelsDropout]
SPACES = {
    "one": lambda: Combinations([cls() for cls in CANDIDATES], 1),
    "pairs": lambda: Combinations([cls() for cls in CANDIDATES], 2),
    "stages": lambda: Stages([cls() for cls in CANDIDATES], 2),
    "several": lambda: Stages([cls() for cls in CANDIDATES], 2, n_policies=3),
}


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def somewhere(space):
    """Move all that learns away from where it starts."""
    with torch.no_grad():
        space.choice.normal_()
        space.gates.normal_()
        for raw in space.strengths():
            raw.uniform_(0.2, 0.8)
    return space


def draw(space, n):
    context = space.context(torch.zeros(n, dtype=torch.long))
    choices = Choices(space.logits(context))
    return space.slots(context, choices.outcomes)


@pytest.mark.parametrize("name", SPACES)
def test_logits_are_log_probabilities(name):
    space = somewhere(SPACES[name]())
    logits = space.logits(space.context(torch.zeros(5, dtype=torch.long)))
    assert logits.shape == (5, space.n_variables, space.n_outcomes)
    torch.testing.assert_close(logits.exp().sum(dim=-1), torch.ones(5, space.n_variables))


@pytest.mark.parametrize("name", SPACES)
def test_policy_says_what_is_drawn(name):
    space = somewhere(SPACES[name]())
    n = 20_000
    slots = draw(space, n)
    names = [type(transform).__name__ for transform in space.transforms] + ["nothing"]
    usage = space.policy().by_transform().usage
    for k, cls in enumerate(CANDIDATES):
        of_candidate = torch.tensor([name == cls.__name__ for name in names])
        found = of_candidate[slots].any(dim=1).float().mean().item()
        assert found == pytest.approx(usage.iloc[k], abs=0.015)
    PolicyAugmentation(space.policy(), random_state=0)(torch.randn(4, 2, 8))


@pytest.mark.parametrize("name", SPACES)
def test_every_candidate_can_be_chosen(name):
    """The published list of operations has one of them twice, and lacks another."""
    space = SPACES[name]()
    drawn = {type(space.transforms[slot]) for slot in draw(space, 2000).unique() if slot >= 0}
    assert drawn == set(CANDIDATES)
    usage = space.policy().by_transform().usage
    assert set(usage.index) == {cls.__name__ for cls in CANDIDATES}
    # alike before anything is learned
    assert usage.max() / usage.min() < (1.3 if name == "several" else 1.001)


def test_each_example_has_a_sub_policy_of_its_own():
    """The published code draws one for the whole batch."""
    space = Stages([SignFlip(), TimeReverse()], 1)
    X = torch.arange(1.0, 5.0).expand(200, 1, 4)
    outputs = space.transform(X, draw(space, 200))[0]
    distinct, counts = outputs.unique(dim=0, return_counts=True)
    expected = {(1, 2, 3, 4), (-1, -2, -3, -4), (4, 3, 2, 1)}
    assert {tuple(row.flatten().tolist()) for row in distinct} == expected
    assert counts.min() > 20


def test_candidates_keep_strengths_of_their_own():
    """Functions made in a loop that look up its variable when called all use the last one."""
    space = Stages([GaussianNoise(0.0, max_magnitude=m) for m in (0.01, 1.0, 100.0)], 2)
    with torch.no_grad():
        for slot, transform in enumerate(space.transforms):
            transform.raw.fill_((slot + 1) / 10)
    X = torch.zeros(6, 1, 20_000)
    slots = torch.stack([torch.tensor([0, 1, 2, -1, -1, -1]), torch.tensor([-1, -1, -1, 3, 4, 5])])
    spread = space.transform(X, slots.T)[0].std(dim=(1, 2))
    expected = torch.tensor([0.001, 0.2, 30.0, 0.004, 0.5, 60.0])
    torch.testing.assert_close(spread, expected, rtol=0.05, atol=0)
    extents = [e.extent for e in space.policy().entries if e.extent > 0]
    assert extents == pytest.approx(expected.tolist())


def test_stages_follow_each_other_and_minus_one_is_nothing():
    space = Stages([SignFlip(), TimeReverse()], 2)
    X = torch.randn(3, 2, 5)
    slots = torch.tensor([[-1, -1], [0, 3], [1, 2]])
    outputs, jumps = space.transform(X, slots)
    assert torch.equal(outputs[0], X[0])
    assert torch.equal(outputs[1], -X[1].flip(-1))
    assert torch.equal(outputs[2], -X[2].flip(-1))
    assert not jumps


def test_gradients_reach_the_strengths_that_were_used():
    space = Stages([GaussianNoise(), ChannelsDropout()], 1)
    outputs, jumps = space.transform(torch.randn(4, 2, 8), torch.tensor([[0], [1], [1], [-1]]))
    outputs.square().sum().backward()
    noise, dropout = space.transforms
    assert noise.raw.grad != 0
    assert dropout.raw.grad is None  # learns from its score function instead
    ((transform, subset, _),) = jumps
    assert transform is dropout
    assert subset.take(torch.arange(4)).tolist() == [1, 2]


def test_classes_have_policies_of_their_own():
    space = Stages([SignFlip(), TimeReverse()], 1, n_policies=2, class_frequencies=[0.2, 0.3, 0.5])
    with torch.no_grad():
        space.choice.zero_()
        space.choice[2:4, 0, 1] = 50.0  # the second class only reverses
        space.gates.fill_(50.0)
    labels = torch.arange(3).repeat(100)
    context = space.context(labels)
    assert torch.equal(context // 2, labels)
    assert len(context.unique()) == 6
    slots = space.slots(context, Choices(space.logits(context)).outcomes)
    X = torch.arange(1.0, 5.0).expand(300, 1, 4)
    outputs = space.transform(X, slots)[0]
    assert torch.equal(outputs[labels == 1], X[labels == 1].flip(-1))
    assert len(outputs[labels == 2].unique(dim=0)) == 2
    usage = [branch.by_transform().usage.TimeReverse for branch in space.policy().branches]
    assert usage == pytest.approx([0.5, 0.5, 1.0, 1.0, 0.5, 0.5])
    assert space.policy().weights == pytest.approx((0.1, 0.1, 0.15, 0.15, 0.25, 0.25))


def test_more_operations_than_candidates():
    with pytest.raises(ValueError, match="lower n_operations"):
        Combinations([SignFlip()], 2)


def test_batches_that_are_worth_nothing_leave_the_next_step_finite():
    """A network that is sure of every example has losses of exactly zero."""
    step = PolicyStep(Stages([SignFlip(), TimeReverse()], 1), 0.1, 0.1, 0.1, 0.5)
    X, labels = torch.randn(16, 2, 20), torch.zeros(16, dtype=torch.int64)
    for worth in (torch.zeros(16), torch.zeros(16), torch.linspace(-0.3, 0.3, 16)):
        before = step.sub_policies.choice.detach().clone()
        assert step.step(step.draw(X, labels)[1], worth) < 100
        assert step.sub_policies.choice.isfinite().all()
    assert not torch.equal(step.sub_policies.choice, before)
