"""What examples have chosen, applied to each on its own or to all at once."""

import pytest
import torch

from eeginv.augmentation import Undo
from eeginv.augmentation.choice import ALL, Rows, Where, Within, apply_by_choice

CHOICES = {
    "mixed": [2, 0, 1, 2, 0, 1, 1],
    "one left out": [2, 0, 0, 2, 0, 2, 2],
    "all the same": [1] * 7,
    "all left alone": [0] * 7,
}


@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
def test_each_example_gets_what_it_has_chosen(choice, split):
    X = torch.randn(7, 2, 5, requires_grad=True)
    gain = torch.arange(1.0, 8.0, requires_grad=True)
    offset = torch.tensor(3.0, requires_grad=True)

    def amplify(part, subset):
        return part * subset.take(gain)[:, None, None]

    def shift(part, subset):
        return part + offset

    out = apply_by_choice(X, torch.tensor(choice), [None, amplify, shift], split=split)
    chosen = torch.tensor(choice)[:, None, None]
    expected = torch.where(chosen == 1, X * gain[:, None, None], X)
    expected = torch.where(chosen == 2, X + offset, expected)
    assert torch.equal(out, expected)
    weight = torch.randn(7, 2, 5)
    inputs, none = (X, gain, offset), {"allow_unused": True, "materialize_grads": True}
    for found, right in zip(
        torch.autograd.grad((out * weight).sum(), inputs, **none),
        torch.autograd.grad((expected * weight).sum(), inputs, **none),
        strict=True,
    ):
        torch.testing.assert_close(found, right)


def test_without_a_choice_the_first_is_applied_to_all():
    X, seen = torch.randn(3, 1, 2), []
    assert torch.equal(apply_by_choice(X, None, [lambda X, s: seen.append(s) or -X]), -X)
    assert seen == [ALL]


def test_signals_are_sorted_and_put_back_once():
    """Not for each operation, and by no function whose derivative is added to zeros."""
    X = torch.randn(6, 1, 4, requires_grad=True)
    operations = [lambda X, s: X * 2] * 3
    out = apply_by_choice(X, torch.tensor([0, 1, 2, 0, 1, 2]), operations, split=True)
    seen, to_visit = [], [out.grad_fn]
    while to_visit:
        node = to_visit.pop()
        if node is not None and node not in seen:
            seen.append(node)
            to_visit.extend(before for before, _ in node.next_functions)
    names = [type(node).__name__ for node in seen]
    assert [names.count(f"_{what}Backward") for what in ("Split", "Join")] == [1, 1]
    assert not any("Index" in name for name in names)


def test_second_derivatives_pass_through_a_choice():
    X = torch.randn(6, 1, 4, dtype=torch.float64, requires_grad=True)
    operations = [lambda X, s: X.square(), None, lambda X, s: X.sin()]
    choice = torch.tensor([0, 1, 2, 0, 2, 2])

    def chosen(X):
        return apply_by_choice(X, choice, operations, split=True)

    assert torch.autograd.gradcheck(chosen, X)
    assert torch.autograd.gradgradcheck(chosen, X)


@pytest.mark.parametrize("outer", ["rows", "where"])
@pytest.mark.parametrize("inner", ["rows", "where"])
def test_subset_of_a_subset(outer, inner):
    kinds = {"rows": lambda holds: Rows(holds.nonzero()[:, 0]), "where": Where}
    of_batch = torch.tensor([True, False, True, True, False, True])
    # of the four examples that are taken; where all are computed, those of the others do not count
    of_part = torch.tensor([True, False, False, True])
    if outer == "where":
        of_part = torch.zeros(6, dtype=torch.bool).masked_scatter(of_batch, of_part)
    subset = Within(kinds[outer](of_batch), kinds[inner](of_part))
    values = torch.arange(6.0)
    after = subset.put(values, -subset.take(values))
    assert after.tolist() == [0, 1, 2, 3, 4, -5]


@pytest.mark.parametrize("kind", [Rows, Where])
def test_steps_of_some_examples_are_undone_for_these(kind):
    holds = torch.tensor([True, False, True])
    subset = Where(holds) if kind is Where else Rows(holds.nonzero()[:, 0])
    undo, later = Undo(4), Undo(4).separate()
    undo.part(subset).add(lambda output, n_times: output * 10)
    later.add(lambda output, n_times: output + n_times)
    undo.add_all(later, subset)
    assert undo(torch.ones(3, 1, 1)).flatten().tolist() == [50, 1, 50]
