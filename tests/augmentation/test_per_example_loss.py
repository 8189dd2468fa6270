"""What an augmentation learns from losses that are handed over, whatever they are."""

import copy
import gc
import weakref

import pytest
import torch
from taught import (
    LOSSES,
    N_COPIES,
    PROBABILITY,
    every_loss,
    exact,
    focal,
    learned,
    problem,
    smoothed,
)
from torch import nn

from eeginv import AugNet, InvariantModule, PerExampleLoss
from eeginv.estimators.net import CrossEntropy, SquaredError, WeightedNet
from eeginv.transforms import SignFlip, TimeReverse


# the derivative -----------------------------------------------------------------------------------
@every_loss
@pytest.mark.parametrize("scale", [1.0, 0.25, 65536.0])
def test_mean_of_the_estimates_is_the_derivative(name, scale):
    model, X, y, criterion = problem(name, N_COPIES)
    truth = exact(model, X[:8], y[:8], criterion)
    assert abs(truth) > 0.02
    (scale * PerExampleLoss(criterion)(model(X), y)).backward()
    assert learned(model) == pytest.approx(scale * truth, rel=0.03)


def test_weights_multiply_what_is_learned():
    model, X, y, criterion = problem("label smoothing", N_COPIES)
    weights = torch.linspace(0, 2, 8).repeat(N_COPIES)
    loss = PerExampleLoss(criterion)(model(X), y, weights)
    loss.backward()
    truth = exact(model, X[:8], y[:8], lambda out, y: weights[:8] * criterion(out, y))
    assert learned(model) == pytest.approx(truth, rel=0.03)


def test_accumulated_gradients_are_those_of_the_whole():
    model, X, y, criterion = problem("Huber", N_COPIES)
    truth = exact(model, X[:8], y[:8], criterion)
    for rows in torch.arange(len(X)).split(len(X) // 4):
        (PerExampleLoss(criterion)(model(X[rows]), y[rows]) / 4).backward()
    assert learned(model) == pytest.approx(truth, rel=0.03)


def test_a_sum_is_as_many_times_the_mean():
    model, X, y, criterion = problem("squared error", N_COPIES)
    truth = exact(model, X[:8], y[:8], lambda out, y: criterion(out, y).sum(dim=1))
    (len(X) * PerExampleLoss(lambda out, y: criterion(out, y).sum(dim=1))(model(X), y)).backward()
    assert learned(model) == pytest.approx(len(X) * truth, rel=0.03)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("handed_over", [True, False])
def test_autocast(handed_over, dtype):
    model, X, y, criterion = problem("cross-entropy", N_COPIES)
    truth = exact(model, X[:8], y[:8], criterion)
    criterion = PerExampleLoss(criterion) if handed_over else nn.CrossEntropyLoss()
    with torch.autocast("cpu", dtype):
        loss = criterion(model(X), y)
    (1024 * loss).backward()
    assert learned(model) == pytest.approx(1024 * truth, rel=0.04)


def test_positions_belong_to_their_example():
    """Losses (n, positions): each against its own target, all with the draw of their example."""
    generator = torch.Generator().manual_seed(0)
    X, y = torch.randn(4, 1, 12, generator=generator), torch.randint(3, (4, 4), generator=generator)
    net = nn.Conv1d(1, 3, 3, 3)
    nn.init.normal_(net.weight, generator=generator)
    A = AugNet([SignFlip(PROBABILITY)], penalty=0.0, random_state=0)
    model = InvariantModule(net, A).train()
    truth = exact(model, X, y, smoothed)
    X, y = X.repeat(16000, 1, 1), y.repeat(16000, 1)
    PerExampleLoss(smoothed)(model(X), y).backward()
    assert learned(model) == pytest.approx(truth, rel=0.03)


def test_ignored_positions_count_for_nothing():
    model, X, y, _ = problem("cross-entropy", 50)
    y[::3] = -100
    criterion = PerExampleLoss(nn.CrossEntropyLoss(reduction="none"))
    other = copy.deepcopy(model)
    loss = criterion(model(X), y)
    assert loss.item() == pytest.approx(nn.functional.cross_entropy(other(X), y).item(), rel=1e-5)
    loss.backward()
    # as the gradient at the output says, which is zero for those
    nn.functional.cross_entropy(copy.deepcopy(other)(X), y)
    read = copy.deepcopy(other)
    read.augmentation.stream.n_drawn = 0
    nn.functional.cross_entropy(read(X), y).backward()
    assert learned(model) == pytest.approx(learned(read), rel=1e-4)


@pytest.mark.parametrize("name", ["cross-entropy", "squared error"])
def test_net_of_the_estimators_hands_over(name):
    loss = LOSSES[name][2]
    model, X, y, criterion = problem(name, N_COPIES)
    weights = torch.linspace(0, 2, 8)

    def total(output, y):
        return weights * criterion(output, y).reshape(8, -1).mean(dim=1)

    truth = exact(model, X[:8], y[:8], total)
    of_net = CrossEntropy if loss == "cross_entropy" else SquaredError
    net = WeightedNet(model, of_net, lr=0.0, verbose=0).initialize()
    net.train_step_single((X, (y, weights.repeat(N_COPIES))))
    assert learned(net.module_) == pytest.approx(truth, rel=0.03)
    assert net.module_._past.largest is None  # no gradient was read


def test_through_skorch_with_a_clone():
    from sklearn.base import clone
    from skorch import NeuralNet

    model, X, y, criterion = problem("Huber", 4)
    net = NeuralNet(
        model,
        PerExampleLoss,
        criterion__criterion=criterion,
        max_epochs=2,
        train_split=None,
        verbose=0,
    )
    net = clone(net).fit(X, y)
    raw = net.module_.augmentation.layers[0].transforms[0].raw
    assert raw.item() != pytest.approx(PROBABILITY / 0.5, abs=1e-6)


# mixed precision ----------------------------------------------------------------------------------
@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("handed_over", [True, False])
def test_scaler_skips_a_step_that_is_not_finite(handed_over, held):
    model, X, y, _ = problem("cross-entropy", 4, penalty=0.1)
    model.augmentation.warmup = 0.5
    model.augmentation.set_progress(0.0 if held else 1.0)
    plain = nn.CrossEntropyLoss(reduction="none")
    criterion = PerExampleLoss(plain) if handed_over else nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scaler = torch.amp.GradScaler(device="cpu")

    def step(factor=1.0):
        optimizer.zero_grad()
        scaler.scale(factor * criterion(model(X), y)).backward()
        scaler.step(optimizer)
        scaler.update()
        return [p.detach().clone() for p in model.parameters()]

    first = step()
    state = copy.deepcopy(model.state_dict())
    for factor in (float("inf"), float("nan")):
        scale = scaler.get_scale()
        assert all(torch.equal(a, b) for a, b in zip(step(factor), first, strict=True))
        assert scaler.get_scale() == scale / 2
    for key, value in model.state_dict().items():  # nothing of it is remembered, but the draws
        assert "stream" in key or torch.equal(value, state[key]), key
    assert not all(torch.equal(a, b) for a, b in zip(step(), first, strict=True))


@pytest.mark.parametrize("handed_over", [True, False])
def test_without_a_scaler_it_is_an_error_as_soon_as_something_is_lost(handed_over):
    model, X, y, criterion = problem("cross-entropy", 4)
    criterion = PerExampleLoss(criterion) if handed_over else nn.CrossEntropyLoss()
    with pytest.raises(ValueError, match="diverged: the loss is not finite"):
        (float("nan") * criterion(model(X), y)).backward()
    # a large factor looks like that of a scaler, but then parameters would have been spared
    (1000 * criterion(model(X), y)).backward()
    with torch.no_grad():
        model.backbone[1].weight.fill_(torch.nan)
    with pytest.raises(ValueError, match="diverged: the output of the network"):
        (1000 * criterion(model(X), y)).backward()


# what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda m, X, y: PerExampleLoss(nn.CrossEntropyLoss())(m(X), y), "reduction='none'"),
        (
            lambda m, X, y: PerExampleLoss(CrossEntropy())(m(X), y, torch.ones(3)),
            r"weights must have shape \(8,\)",
        ),
        (
            lambda m, X, y: PerExampleLoss(CrossEntropy())(m(X) + m(X), y),
            "depend on 2 forward passes",
        ),
        (
            lambda m, X, y: PerExampleLoss(CrossEntropy())(m(X)[:4], y[:4]),
            "had 8 examples, but these are losses of 4",
        ),
    ],
)
def test_bad_input(call, match):
    model, X, y, _ = problem("cross-entropy")
    with pytest.raises(ValueError, match=match):
        call(model, X, y)


def test_losses_are_handed_over_once():
    model, X, y, criterion = problem("cross-entropy")
    output = model(X)
    PerExampleLoss(criterion)(output, y)
    with pytest.raises(ValueError, match="handed over already"):
        PerExampleLoss(smoothed)(output, y)
    with pytest.raises(TypeError, match="function of outputs and targets"):
        PerExampleLoss(3)


def test_it_is_a_mean_like_any_other_where_nothing_is_learned():
    model, X, y, criterion = problem("cross-entropy")
    for m in (model.eval(), InvariantModule(model.backbone).train()):
        loss, expected = PerExampleLoss(criterion)(m(X), y), criterion(m(X), y).mean()
        assert loss.item() == pytest.approx(expected.item())
    model.train()
    model.augmentation.requires_grad_(False)
    PerExampleLoss(criterion)(model(X), y).backward()
    assert model.backbone[1].weight.grad.abs().sum() > 0


# what is kept -------------------------------------------------------------------------------------
@pytest.mark.parametrize("handed_over", [True, False])
@pytest.mark.parametrize("learns", [True, False])
def test_losses_that_are_kept_do_not_keep_the_batch(handed_over, learns):
    model, X, y, criterion = problem("cross-entropy")
    model.augmentation.requires_grad_(learns)
    criterion = PerExampleLoss(criterion) if handed_over else nn.CrossEntropyLoss()
    losses, batches = [], []
    for _ in range(3):
        batch = X.clone()
        batches.append(weakref.ref(batch))
        loss = criterion(model(batch), y)
        loss.backward()
        losses.append(loss)
        del batch
    gc.collect()
    assert [batch() for batch in batches] == 3 * [None]


@every_loss
def test_training_that_is_resumed_goes_on_as_if_it_had_not_stopped(name):
    model, X, y, criterion = problem(name, 2, penalty=0.05)
    criterion = PerExampleLoss(criterion)

    def train(model, optimizer, n_steps):
        for _ in range(n_steps):
            optimizer.zero_grad()
            criterion(model(X), y).backward()
            optimizer.step()
        return model.state_dict()

    def make_optimizer(model):
        return torch.optim.Adam(model.param_groups(0.05), lr=0.01)

    optimizer = make_optimizer(model)
    halfway = copy.deepcopy(train(model, optimizer, 5))
    state = copy.deepcopy(optimizer.state_dict())
    whole = train(model, optimizer, 5)
    resumed, _, _, _ = problem(name, penalty=0.05)
    resumed.load_state_dict(halfway)
    optimizer = make_optimizer(resumed)
    optimizer.load_state_dict(state)
    again = train(resumed, optimizer, 5)
    assert list(again) == list(whole)
    for key in whole:
        assert torch.equal(again[key], whole[key]), key


def test_states_from_before_there_was_anything_to_remember_load():
    model, X, y, criterion = problem("cross-entropy")
    old = {k: v for k, v in model.state_dict().items() if not k.startswith("_")}
    PerExampleLoss(criterion)(model(X), y).backward()
    assert model.state_dict().keys() > old.keys()
    model.load_state_dict(old)
    assert model.state_dict().keys() == old.keys()
    PerExampleLoss(criterion)(model(X), y).backward()


def test_weight_decay_leaves_the_augmentation_alone():
    model = problem("cross-entropy")[0]
    model.augmentation = AugNet([[SignFlip(0.2)], [TimeReverse(0.3)]], penalty=0.0)
    model.backbone.requires_grad_(False)
    optimizer = torch.optim.AdamW(model.param_groups(0.01), lr=1.0, weight_decay=0.5)
    before = [p.detach().clone() for p in model.augmentation.parameters()]
    for _ in range(3):
        for p in model.augmentation.parameters():
            p.grad = torch.zeros_like(p)
        optimizer.step()
    assert all(
        torch.equal(a, b) for a, b in zip(before, model.augmentation.parameters(), strict=True)
    )
    every = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(every) == sorted(map(id, model.parameters()))
    assert len(InvariantModule(model.backbone).param_groups()) == 1


# uses that are easily wrong -----------------------------------------------------------------------
def test_a_loss_that_is_only_looked_at_is_not_the_one_that_is_learned_from():
    model, X, y, criterion = problem("cross-entropy", N_COPIES)
    truth = exact(model, X[:8], y[:8], criterion)
    output = model(X)
    PerExampleLoss(focal)(output, y)  # for a report
    nn.functional.cross_entropy(output, y).backward()
    assert learned(model) == pytest.approx(truth, rel=0.03)
    output = model(X)
    PerExampleLoss(criterion)(output, y)
    with pytest.raises(ValueError, match="Hand the losses of the examples over instead"):
        smoothed(output, y).mean().backward()


@pytest.mark.parametrize("use_reentrant", [True, False])
@pytest.mark.parametrize("learns", [True, False])
def test_checkpoint_that_would_draw_again_is_refused(use_reentrant, learns):
    from torch.utils.checkpoint import checkpoint

    model, X, y, criterion = problem("cross-entropy", 100)
    model.augmentation.requires_grad_(learns)
    X.requires_grad_()
    with pytest.raises(ValueError, match="would transform the signals with other draws"):
        criterion(checkpoint(model, X, use_reentrant=use_reentrant), y).mean().backward()
    gradients = []
    for around in (False, True):  # the backbone alone draws nothing
        one = copy.deepcopy(model)
        one.augmentation.stream.n_drawn = 0
        if around:
            net, one.backbone = one.backbone, nn.Module()
            one.backbone.net = net
            one.backbone.forward = lambda X, net=net: checkpoint(
                net, X, use_reentrant=use_reentrant
            )
        PerExampleLoss(criterion)(one(X), y).backward()
        gradients.append([p.grad for p in one.parameters() if p.grad is not None])
    assert all(map(torch.equal, *gradients))


@pytest.mark.parametrize("name", ["cross-entropy", "label smoothing", "Huber"])
def test_batches_without_weight_are_passed_over(name):
    model, X, y, criterion = problem(name, N_COPIES)
    truth = exact(model, X[:8], y[:8], criterion)
    criterion = PerExampleLoss(criterion)
    criterion(model(X), y, torch.zeros(len(X))).backward()
    assert learned(model) == 0
    criterion(model(X), y).backward()
    assert learned(model) == pytest.approx(truth, rel=0.03)
    if name == "cross-entropy":
        other = problem(name)[0]
        criterion(other(X), torch.full_like(y, -100)).backward()
        assert learned(other) == 0


@pytest.mark.parametrize("handed_over", [True, False])
def test_graphs_of_gradients_are_not_remembered(handed_over):
    model, X, y, criterion = problem("cross-entropy", penalty=0.1)
    criterion = PerExampleLoss(criterion) if handed_over else nn.CrossEntropyLoss()
    batches = []
    for _ in range(2):
        batch = X.clone()
        batches.append(weakref.ref(batch))
        loss = criterion(model(batch), y)
        torch.autograd.grad(loss, list(model.parameters()), create_graph=True, allow_unused=True)
        del batch, loss
    gc.collect()
    assert [batch() for batch in batches] == [None, None]
    assert not any(buffer.requires_grad for buffer in model.buffers())


SIGMOIDS = nn.BCEWithLogitsLoss(reduction="none")


def test_sigmoids_are_not_averaged_as_a_softmax():
    """In evaluation, the log-softmax of one logit is 0, and that of several labels mixes them."""
    torch.manual_seed(0)
    X = torch.randn(16, 1, 10)
    for n_outputs, message in ((1, "has one output"), (3, "BCEWithLogitsLoss is a loss of a sig")):
        backbone = nn.Sequential(nn.Flatten(), nn.Linear(10, n_outputs))
        target = (X[:, 0, :n_outputs] > 0).float()
        model = InvariantModule(backbone, AugNet([SignFlip(0.1)], random_state=0))
        with pytest.raises(ValueError, match=message):
            PerExampleLoss(SIGMOIDS)(model(X), target)
        if n_outputs == 1:
            with pytest.raises(ValueError, match=message):
                model.eval()(X)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_sigmoids_learn_and_are_averaged_as_they_are(n_outputs):
    torch.manual_seed(0)
    X = torch.randn(64, 1, 10)
    target = (X[:, 0, :n_outputs] > 0).float()
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(10, n_outputs))
    augmentation = AugNet([SignFlip(0.1), TimeReverse(0.1)], random_state=0)
    model = InvariantModule(backbone, augmentation, n_copies=0, loss="squared_error")
    criterion = PerExampleLoss(SIGMOIDS)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        criterion(model(X), target).backward()
        optimizer.step()
    assert torch.equal(model.eval()(X), backbone(X))
    assert ((model(X) > 0) == (target > 0)).float().mean() > 0.9
    # both destroy the labels
    assert augmentation.policy().by_transform().extent.max() < 0.1


def test_whole_numbers_are_values_where_outputs_are():
    """As classes, targets of a regression would have no chance level, and learn no reward."""
    torch.manual_seed(0)
    X, y = torch.randn(32, 1, 10), torch.arange(32)[:, None] % 7 + 20
    gradients = []
    for target in (y, y.float()):
        torch.manual_seed(0)
        backbone = nn.Sequential(nn.Flatten(), nn.Linear(10, 1))
        augmentation = AugNet([SignFlip(0.1)], penalty=100.0, random_state=0)
        model = InvariantModule(backbone, augmentation, loss="squared_error")
        nn.init.constant_(backbone[1].bias, 23.0)
        PerExampleLoss(nn.MSELoss(reduction="none"))(model(X), target).backward()
        gradients.append(augmentation.layers[0].transforms[0].raw.grad)
    torch.testing.assert_close(*gradients)
    assert gradients[0] < -0.1  # wider
