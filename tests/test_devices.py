"""What keeps a module from other devices: double precision, and where things are.

Apple's GPUs have no double precision. Here the CPU is taken for one, and all operations whose
results are in double precision are counted.
"""

import pickle

import pytest
import torch
from augmented import SFREQ, losses, policies
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from eeginv import Augerino, AugNet, InvariantModule, Policy, PolicyAugmentation
from eeginv.augmentation import ClasswiseAugmentation, RegularizedAugNet, TrivialAugment
from eeginv.augmentation.branches import edges_of
from eeginv.estimators.batch_norm import measure_batch_norm
from eeginv.policy import PolicyEntry
from eeginv.transforms import REGISTRY, SignFlip, TimeShift, TimeWarp, make_transform

CH_NAMES = ["Fz", "C3", "Cz", "C4", "Pz"]


def transforms(*names):
    return [make_transform(name, SFREQ, CH_NAMES) for name in names or REGISTRY]


def classwise():
    return ClasswiseAugmentation(dict(enumerate(policies())), random_state=0, classes=[0, 1, 2])


MADE = {
    "AugNet": lambda: AugNet(transforms(), random_state=0),
    "Augerino": lambda: Augerino(transforms(), random_state=0),
    "Augerino, jointly": lambda: Augerino(
        [TimeShift(SFREQ), TimeWarp(shape="dilation"), SignFlip(0.2)], joint=True, random_state=0
    ),
    "auto": lambda: RegularizedAugNet(transforms(), random_state=0),
    "TrivialAugment": lambda: TrivialAugment(transforms(), random_state=0),
    "policy": lambda: PolicyAugmentation(policies()[0], random_state=0),
    "mixture": lambda: PolicyAugmentation(Policy.mixture(policies()), random_state=0),
    "policies of classes": classwise,
}
made = pytest.mark.parametrize("make", MADE.values(), ids=MADE)


def module(augmentation):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(len(CH_NAMES) * 200, 3))
    model = InvariantModule(net, augmentation, n_copies=4).train()
    augmentation.set_progress(0.0)
    return model


def step(model, criterion):
    X = torch.randn(18, len(CH_NAMES), 200, generator=torch.Generator().manual_seed(0))
    y = torch.arange(18) % 3
    model.example_labels = y
    model.zero_grad()
    criterion(model(X), y).backward()


class Doubles(TorchDispatchMode):
    """Collects operations that return double precision."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        several = result if isinstance(result, (tuple, list)) else (result,)
        if any(isinstance(t, torch.Tensor) and t.dtype == torch.float64 for t in several):
            self.found.append(str(function))
        return result


@pytest.fixture
def no_double(monkeypatch):
    for place in ("transforms.precision", "augmentation.memory"):
        monkeypatch.setattr(f"eeginv.{place}.has_double", lambda device: False)


@pytest.mark.parametrize("handed_over", [True, False])
@made
def test_a_step_without_double_precision(make, handed_over, no_double):
    model, criterion = module(make()), losses(handed_over)
    doubles = Doubles()
    with doubles:
        for _ in range(2):
            step(model, criterion)
    assert doubles.found == []


@pytest.mark.parametrize("handed_over", [True, False])
def test_it_learns_the_same(handed_over, monkeypatch):
    found = []
    for has in (True, False):
        monkeypatch.setattr("eeginv.transforms.precision.has_double", lambda device, has=has: has)
        model = module(MADE["AugNet"]())
        for _ in range(3):
            step(model, losses(handed_over))
        found.append([p.grad for p in model.parameters() if p.grad is not None])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


@made
def test_nothing_that_moves_with_a_module_is_in_double_precision(make):
    """But for sums of training, which are narrowed where a device needs that."""
    model = module(make())
    tensors = dict(model.named_buffers()) | dict(model.named_parameters())
    assert [name for name, t in tensors.items() if t.dtype == torch.float64] == []


def test_what_was_remembered_moves_to_a_device_without(monkeypatch):
    model = module(MADE["AugNet"]())
    step(model, losses(True))
    remembered = {k: v for k, v in model.named_buffers() if v.dtype == torch.float64}
    assert set(remembered) >= {"_chance.sums", "_baseline.past", "_gate.sums"}
    monkeypatch.setattr("eeginv.augmentation.memory.has_double", lambda device: False)
    model.to("cpu")
    for name, value in model.named_buffers():
        assert value.dtype != torch.float64
        if name in remembered:
            torch.testing.assert_close(value, remembered[name].float())


def test_moments_of_batch_normalisation(no_double):
    norm = nn.BatchNorm1d(2)
    net = nn.Sequential(norm, nn.Flatten(), nn.Linear(20, 3))
    measure_batch_norm(InvariantModule(net), 5 + torch.randn(64, 2, 10))
    assert (norm.running_mean > 4).all()


@pytest.mark.parametrize("name", ["policy", "mixture", "policies of classes"])
def test_numbers_of_a_policy_stay_on_the_host_and_are_saved_exactly(name):
    augmentation = MADE[name]()
    saved = {key: value.clone() for key, value in augmentation.state_dict().items()}
    assert saved["_probability"].dtype == torch.float64
    on_host = {key for key, value in saved.items() if value.dtype == torch.float64}
    if name != "policy":
        tables = ("_branch_weights", "_probabilities", "_weights", "_extents")
        assert on_host >= {f"branches.{table}" for table in tables}
    # on a device without storage, whatever moves has no values
    moved = augmentation.to("meta").state_dict()
    assert {key for key, value in moved.items() if value.device.type != "meta"} >= on_host
    for key in on_host:
        assert torch.equal(moved[key], saved[key])


def test_a_saved_mixture_draws_and_says_what_it_did():
    first, others = policies()[0], policies()[1:]
    saved = PolicyAugmentation(Policy.mixture([first, *others], [0.7, 0.2, 0.1]), random_state=0)
    changed = Policy([PolicyEntry("SignFlip", 0.1), first.entries[1]], 0.3)
    loaded = PolicyAugmentation(Policy.mixture([changed, *others]), random_state=0)
    loaded.load_state_dict(saved.state_dict())
    X = torch.randn(50, 2, 300)
    assert loaded.policy() == saved.policy()
    assert torch.equal(loaded.sample(X)[0], saved.sample(X)[0])
    for one, other in zip(loaded.copies(X, 5), saved.copies(X, 5), strict=True):
        assert torch.equal(one, other)
    again = pickle.loads(pickle.dumps(saved))
    assert torch.equal(again.sample(X)[0], saved.sample(X)[0])


def test_a_state_that_lacks_numbers_or_has_others_is_refused():
    augmentation = PolicyAugmentation(Policy.mixture(policies()))
    state = augmentation.state_dict()
    with pytest.raises(RuntimeError, match="Missing key.*_probability"):
        augmentation.load_state_dict({k: v for k, v in state.items() if k != "_probability"})
    state["branches._extents"] = torch.zeros(1, 1, 1)
    with pytest.raises(RuntimeError, match="size mismatch for branches._extents"):
        augmentation.load_state_dict(state)


def test_edges_of_weights():
    weights = torch.tensor([[0.25, 0.75, 0.0], [0.0, 1.0, 0.0], [0.5, 0.0, 0.5]])
    inf = torch.inf
    expected = torch.tensor([[0.25, inf, inf], [0.0, inf, inf], [0.5, 0.5, inf]])
    assert torch.equal(edges_of(weights.double()), expected)
