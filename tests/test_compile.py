"""A whole module under torch.compile: the backbone is compiled, what is drawn is not."""

import copy

import pytest
import torch
from torch import nn

from eeginv import AugNet, InvariantModule
from eeginv.transforms import GaussianNoise, SignFlip, TimeReverse, TimeShift

# the compiler of torch warns of its own doings
pytestmark = pytest.mark.filterwarnings("default")


def module(**options):
    torch.manual_seed(0)
    if options.get("equivariant"):
        net = nn.Conv1d(2, 3, 5, padding=2)
    else:
        net = nn.Sequential(nn.Conv1d(2, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 60, 3))
    candidates = [SignFlip(0.2), TimeReverse(0.2), TimeShift(64.0), GaussianNoise()]
    return InvariantModule(net, AugNet(candidates, random_state=0), n_copies=4, **options)


@pytest.mark.parametrize("options", [{}, {"equivariant": True}, {"average": "probability"}])
def test_training_and_evaluation_are_those_of_eager(options):
    torch.compiler.reset()
    eager = module(**options)
    model, graphs = copy.deepcopy(eager), []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(model, backend=backend)
    X, y = torch.randn(16, 2, 64), torch.arange(16) % 3
    y = y[:, None].expand(-1, 64) if options.get("equivariant") else y
    for one in (eager, compiled):
        for _ in range(3):
            nn.functional.cross_entropy(one(X), y).backward()
    for ours, theirs in zip(model.parameters(), eager.parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None)
        assert ours.grad is None or torch.equal(ours.grad, theirs.grad)
    assert len(graphs) == 1  # one for all steps
    with torch.no_grad():
        assert torch.equal(compiled.eval()(X), eager.eval()(X))
    assert len(graphs) == 2  # one for all copies
