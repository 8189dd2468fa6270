"""What the host has to know of computed values in a step of training.

On a GPU each such look waits for everything that was launched before. Here the path of the GPU is
taken on the CPU, and all operations whose results the host needs are counted.
"""

import pytest
import torch
from augmented import SFREQ, losses, policies
from battery_tensors import SYNCHRONISING
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from eeginv import Augerino, AugNet, InvariantModule, Policy, PolicyAugmentation
from eeginv.augmentation import (
    ClasswiseAugmentation,
    TrivialAugment,
    choice,
    gradient,
    verdict,
)
from eeginv.augmentation.undo import Undo
from eeginv.policy import PolicyEntry
from eeginv.transforms import (
    AmplitudeScale,
    BandstopFilter,
    ChannelsDropout,
    ChannelsShuffle,
    FrequencyShift,
    FTSurrogate,
    GaussianNoise,
    SignFlip,
    SmoothTimeMask,
    TimeReverse,
    TimeShift,
    TimeWarp,
)


class Reads(TorchDispatchMode):
    """Counts what the host has to know before it can go on."""

    def __init__(self, monkeypatch):
        super().__init__()
        self.found = []
        for name in ("tolist", "numpy"):  # these do not pass through the dispatcher
            original = getattr(torch.Tensor, name)
            monkeypatch.setattr(torch.Tensor, name, self._noting(name, original))

    def _noting(self, name, original):
        def read(tensor, *args, **kwargs):
            self.found.append(name)
            return original(tensor, *args, **kwargs)

        return read

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function)
        index = args[1] if len(args) > 1 and isinstance(args[1], (list, tuple)) else ()
        masks = [i for i in index if isinstance(i, torch.Tensor) and i.dtype == torch.bool]
        one_draw_of_each = "multinomial" in name and args[1] == 1  # looks at its weights
        if masks or one_draw_of_each or any(word in name for word in SYNCHRONISING):
            self.found.append(name)
        return function(*args, **(kwargs or {}))


def transforms():
    return [
        TimeReverse(0.2), TimeShift(SFREQ), TimeWarp(), SmoothTimeMask(SFREQ, 0.3, 1.0),
        FrequencyShift(SFREQ), FTSurrogate(), BandstopFilter(SFREQ), SignFlip(0.2),
        AmplitudeScale(), GaussianNoise(), ChannelsDropout(), ChannelsShuffle(),
    ]  # fmt: skip


def classwise():
    return ClasswiseAugmentation(dict(enumerate(policies())), random_state=0, classes=[0, 1, 2])


MADE = {
    "AugNet": lambda: AugNet(transforms(), random_state=0),
    "AugNet of two layers of all": lambda: AugNet(transforms(), n_layers=2, random_state=0),
    "AugNet in its warm-up": lambda: AugNet(transforms(), warmup=0.5, random_state=0),
    "Augerino": lambda: Augerino(transforms(), random_state=0),
    "Augerino, jointly": lambda: Augerino(
        [TimeShift(SFREQ), TimeWarp(shape="dilation"), SignFlip(0.2)], joint=True, random_state=0
    ),
    "TrivialAugment": lambda: TrivialAugment(transforms(), random_state=0),
    "policy": lambda: PolicyAugmentation(AugNet(transforms()).policy(), random_state=0),
    "policy of some": lambda: PolicyAugmentation(policies()[0], random_state=0),
    "mixture": lambda: PolicyAugmentation(Policy.mixture(policies()), random_state=0),
    "policies of classes": classwise,
}
made = pytest.mark.parametrize("make", MADE.values(), ids=MADE)


def module(augmentation, **options):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(2 * 300, 3))
    model = InvariantModule(net, augmentation, **options).train()
    augmentation.set_progress(0.0)
    return model


def batch(n=24):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, 2, 300, generator=generator), torch.arange(n) % 3


def step(model, criterion, X, y):
    model.example_labels = y
    loss = criterion(model(X), y)
    loss.backward()
    return loss


def as_on_a_gpu(monkeypatch):
    """Take the path of the GPU on the CPU; what is sent to the host arrives with the next step."""
    for place in (choice, gradient, verdict):
        monkeypatch.setattr(place, "reads_are_cheap", lambda device: False)
    monkeypatch.setattr("eeginv.augmentation.classwise.reads_are_cheap", lambda device: False)
    sent = []

    def send(value):
        place = len(sent)
        sent.append(value)
        return value, lambda: len(sent) > place + 1

    monkeypatch.setattr(verdict, "send", send)


@pytest.mark.parametrize("handed_over", [True, False])
@made
def test_a_step_on_a_gpu_waits_for_nothing(make, handed_over, monkeypatch):
    X, y = batch()
    model, criterion = module(make()), losses(handed_over)
    step(model, criterion, X, y)  # measures how far transforms move the data, once
    as_on_a_gpu(monkeypatch)
    reads = Reads(monkeypatch)
    with reads:
        step(model, criterion, X, y)
    assert reads.found == []


@made
def test_on_the_cpu_a_layer_looks_at_its_choice_once(make, monkeypatch):
    X, y = batch()
    model, criterion = module(make()), losses(handed_over=True)
    step(model, criterion, X, y)
    reads = Reads(monkeypatch)
    with reads:
        step(model, criterion, X, y)
    # beside that: whether the step is finite; the range of the labels; how many were counted
    n_layers = max(len(model.augmentation.layers), 2)
    assert 0 < len(reads.found) <= 2 * n_layers + 3


@made
def test_both_paths_draw_the_same_distribution(make, monkeypatch):
    """Moments of many copies of one signal agree."""
    augmentation = make()
    X = batch(1)[0].expand(3000, -1, -1)
    takes_labels = isinstance(augmentation, ClasswiseAugmentation)
    options = {"labels": torch.arange(3000) % 3} if takes_labels else {}
    with torch.no_grad():
        here = augmentation.sample(X, **options)[0]
        as_on_a_gpu(monkeypatch)
        there = augmentation.sample(X, **options)[0]
    assert torch.isfinite(there).all()
    for moment in (lambda Z: Z.mean(dim=0), lambda Z: (Z - X).square().mean(dim=0).sqrt()):
        a, b = moment(here), moment(there)
        assert (a - b).norm() <= 0.05 * X[0].norm()


def test_log_probabilities_and_gradients_of_both_paths(monkeypatch):
    """With the same choices and draws, which a fixed layer of on/off transforms has."""
    X, _ = batch(64)
    layer = AugNet([[SignFlip(0.5, 1.0), TimeReverse(0.5, 1.0)]], random_state=0)
    monkeypatch.setattr(SignFlip, "_draw", lambda self, d: {"uniform": torch.zeros(d.n_examples)})
    monkeypatch.setattr(TimeReverse, "_draw", SignFlip._draw)
    found = []
    for cheap in (True, False):
        if not cheap:
            as_on_a_gpu(monkeypatch)
        out, log_prob = layer.sample(X, torch.Generator().manual_seed(0))
        parameters = list(layer.parameters())
        found.append((out, log_prob, *torch.autograd.grad(log_prob[:20].sum(), parameters)))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_outputs_along_time_are_brought_back_on_both_paths(monkeypatch):
    X = batch()[0]
    moves = [PolicyEntry("TimeReverse", 0.5), PolicyEntry("SignFlip", 0.0, layer=1)]
    whole = Policy.mixture([Policy(moves, 0.6), Policy([PolicyEntry("TimeReverse", 0.5)])])
    as_on_a_gpu(monkeypatch)
    for policy in (whole, Policy(moves, 0.6), whole.branches[1]):
        undo = Undo(300)
        moved, _ = PolicyAugmentation(policy, random_state=0).sample(X, undo=undo)
        assert not torch.equal(moved, X)
        assert torch.equal(undo(moved), X)


def test_learns_the_same_whether_or_not_it_looks(monkeypatch):
    """A layer with nothing to choose draws the same on both paths; so does all that follows."""
    X, y = batch()
    found = []
    for cheap in (True, False):
        if not cheap:
            as_on_a_gpu(monkeypatch)
        for handed_over in (True, False):
            model = module(Augerino([SignFlip(0.3), GaussianNoise(0.2)], random_state=0))
            for _ in range(3):
                step(model, losses(handed_over), X, y)
            found.append([p.grad for p in model.parameters() if p.grad is not None])
    for gradients in found[1:]:
        torch.testing.assert_close(gradients, found[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("handed_over", [True, False])
def test_what_is_not_finite_is_told_later(handed_over, monkeypatch):
    X, y = batch()
    model, criterion = module(AugNet(transforms(), random_state=0)), losses(handed_over)
    step(model, criterion, X, y)
    as_on_a_gpu(monkeypatch)
    remembered = {k: v.clone() for k, v in model.state_dict().items() if "_chance" in k}
    broken = X.clone()
    broken[3] = torch.nan
    step(model, criterion, broken, y)
    grads = [p.grad for p in model.augmentation.parameters() if p.grad is not None]
    assert any(g.isnan().any() for g in grads)  # for a scaler to see
    state = model.state_dict()
    assert all(torch.isfinite(state[key]).all() for key in remembered)
    with pytest.raises(ValueError, match="was not finite, some steps ago"):
        step(model, criterion, X, y)


def test_another_loss_is_refused_later(monkeypatch):
    X, y = batch()
    model = module(AugNet(transforms(), random_state=0))
    as_on_a_gpu(monkeypatch)
    smooth = nn.CrossEntropyLoss(label_smoothing=0.3)
    step(model, smooth, X, y)
    with pytest.raises(ValueError, match="not that of a cross-entropy"):
        step(model, smooth, X, y)
