"""Gradients of expected losses with respect to probabilities: bias and spread of the estimator.

The truth is computed by enumeration. Beside ours stand the estimators of the published AugNet code,
written here from their description: a steep logistic function in place of the drop, a relaxed
Bernoulli variable in place of the choice, and a straight-through permutation matrix.
"""

import itertools
import math

import pytest
import torch

from eeginv.transforms import ChannelsDropout, ChannelsShuffle, SignFlip, TimeReverse

N_CHANNELS, N_TIMES = 3, 6
N_DRAWS, BATCH = 128_000, 64


def one_signal():
    return torch.randn(1, N_CHANNELS, N_TIMES, generator=torch.Generator().manual_seed(1)).double()


def linear(X):
    generator = torch.Generator().manual_seed(2)
    return X.flatten(1) @ torch.randn(N_CHANNELS * N_TIMES, generator=generator).double()


def network_loss(X):
    """Cross-entropy of a small network with random weights."""
    generator = torch.Generator().manual_seed(3)
    first = torch.randn(N_CHANNELS * N_TIMES, 8, generator=generator).double() / 2
    second = torch.randn(8, 3, generator=generator).double()
    return -torch.log_softmax(torch.tanh(X.flatten(1) @ first) @ second, dim=1)[:, 1]


def expected_binary(transform, function, X, p):
    return p * function(transform._transformed(X)) + (1 - p) * function(X)


def expected_dropout(transform, function, X, p):
    total = 0.0
    for kept in itertools.product((0.0, 1.0), repeat=N_CHANNELS):
        n_dropped = N_CHANNELS - sum(kept)
        mask = torch.tensor(kept).double().reshape(1, -1, 1)
        total = total + p**n_dropped * (1 - p) ** sum(kept) * function(X * mask)
    return total


def expected_shuffle(transform, function, X, p):
    total = 0.0
    for picked in itertools.product((False, True), repeat=N_CHANNELS):
        places = [i for i in range(N_CHANNELS) if picked[i]]
        values = []
        for order in itertools.permutations(places):
            source = list(range(N_CHANNELS))
            for place, channel in zip(places, order, strict=True):
                source[place] = channel
            values.append(function(X[:, source]))
        weight = p ** len(places) * (1 - p) ** (N_CHANNELS - len(places))
        total = total + weight * sum(values) / len(values)
    return total


def published_binary(transform, function, X, p):
    """Relaxed Bernoulli variable of temperature 0.05 that blends the two signals."""
    u = torch.rand(len(X), 1, 1, generator=torch.Generator().manual_seed(5)).double()
    logistic = torch.log(p / (1 - p)) + torch.log(u / (1 - u))
    blend = torch.sigmoid(logistic / 0.05)
    return function(blend * transform._transformed(X) + (1 - blend) * X)


def published_dropout(transform, function, X, p):
    """Steep logistic function of the difference to the probability."""
    u = torch.rand(len(X), N_CHANNELS, 1, generator=torch.Generator().manual_seed(5)).double()
    return function(X * torch.sigmoid(1000 * (u - p)))


def published_shuffle(transform, function, X, p):
    """Permutation matrix whose backward pass sums the gradient over all its entries."""
    noise = transform.draw(X, torch.Generator().manual_seed(5))
    eye = torch.eye(N_CHANNELS, dtype=X.dtype).expand(len(X), -1, -1)
    matrix = transform.transform(eye, noise, p.detach()[:, 0, 0]) + (p - p.detach())
    return function(matrix @ X)


CASES = [
    (SignFlip(), expected_binary, published_binary),
    (TimeReverse(), expected_binary, published_binary),
    (ChannelsDropout(), expected_dropout, published_dropout),
    (ChannelsShuffle(), expected_shuffle, published_shuffle),
]
NAMES = [type(case[0]).__name__ for case in CASES]


def derivative_of_expectation(expected, transform, function, p):
    p = torch.tensor(p, dtype=torch.float64, requires_grad=True)
    (truth,) = torch.autograd.grad(expected(transform, function, one_signal(), p).sum(), p)
    return truth.item()


def our_estimates(transform, function, p):
    """One estimate a batch."""
    X = one_signal().expand(N_DRAWS, -1, -1)
    noise = transform.draw(X, torch.Generator().manual_seed(4))
    with torch.no_grad():
        losses = function(transform.transform(X, noise, p))
    estimates = []
    for rows in torch.arange(N_DRAWS).split(BATCH):
        part = {key: value[rows] for key, value in noise.items()}
        strength = torch.tensor(p, dtype=torch.float64, requires_grad=True)
        transform.score_function(part, losses[rows], strength).backward()
        estimates.append(strength.grad)
    return torch.stack(estimates)


def published_draws(published, transform, function, p):
    """One estimate a draw."""
    X = one_signal().expand(N_DRAWS, -1, -1)
    strengths = torch.full((N_DRAWS, 1, 1), p, dtype=torch.float64, requires_grad=True)
    values = published(transform, function, X, strengths)
    return torch.autograd.grad(values.sum(), strengths)[0].flatten()


@pytest.mark.parametrize("function", [linear, network_loss])
@pytest.mark.parametrize("p", [0.1, 0.3])
@pytest.mark.parametrize(("transform", "expected", "published"), CASES, ids=NAMES)
def test_unbiased(transform, expected, published, function, p):
    truth = derivative_of_expectation(expected, transform, function, p)
    ours = our_estimates(transform, function, p)
    error = ours.std().item() / math.sqrt(len(ours))
    assert abs(ours.mean().item() - truth) < max(0.02 * abs(truth), 3 * error)
    assert 3 * error < 0.12 * abs(truth)  # the test can tell


@pytest.mark.parametrize("function", [linear, network_loss])
@pytest.mark.parametrize("p", [0.1, 0.3])
@pytest.mark.parametrize(("transform", "expected", "published"), CASES[:3], ids=NAMES[:3])
def test_spread_is_a_fifth_of_the_published(transform, expected, published, function, p):
    ours = our_estimates(transform, function, p).std().item() * math.sqrt(BATCH)  # of one draw
    theirs = published_draws(published, transform, function, p).std().item()
    # the regression on rare drops, of a loss that is far from linear in them, gives a quarter
    rare = isinstance(transform, ChannelsDropout) and p == 0.1 and function is network_loss
    assert ours < theirs / (4 if rare else 5)


def test_one_dropped_channel_has_no_spread():
    """The function of the published figure of 14.2: one channel, the mean of the output."""
    X = torch.ones(BATCH, 1, 1).double()
    transform = ChannelsDropout()
    noise = transform.draw(X, torch.Generator().manual_seed(0))
    strength = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        losses = transform.transform(X, noise, strength).mean(dim=(1, 2))
    transform.score_function(noise, losses, strength).backward()
    assert strength.grad.item() == pytest.approx(-1, abs=0.05)


@pytest.mark.parametrize("p", [0.1, 0.3])
def test_published_shuffle_has_no_spread_and_the_wrong_sign(p):
    """Why its spread is no measure for that of an unbiased estimator."""
    transform = ChannelsShuffle()
    assert published_draws(published_shuffle, transform, linear, p).std() < 1e-9
    truth = derivative_of_expectation(expected_shuffle, transform, network_loss, p)
    theirs = published_draws(published_shuffle, transform, network_loss, p)
    assert truth > 0 > theirs.mean() + 3 * theirs.std() / math.sqrt(N_DRAWS)
    batches = theirs.reshape(-1, BATCH).mean(dim=1)
    assert (batches < 0).all()  # in every batch
    ours = our_estimates(transform, network_loss, p)
    assert (ours > 0).double().mean() > 0.6


def test_one_example_and_extreme_probabilities_stay_finite():
    for transform in (SignFlip(max_probability=1.0), ChannelsDropout(), ChannelsShuffle()):
        for n_examples, p in itertools.product((1, 2, 40), (0.0, 1e-6, 0.5, 1.0)):
            X = one_signal().expand(n_examples, -1, -1).float()
            noise = transform.draw(X, torch.Generator().manual_seed(0))
            strength = torch.tensor(p, requires_grad=True)
            transform.score_function(noise, linear(X.double()).float(), strength).backward()
            assert torch.isfinite(strength.grad)


@pytest.mark.parametrize("p", [0.0, 1e-6, 0.01, 0.02, 0.3, 0.99, 1.0])
def test_rare_events_weigh_no_more_than_one_in_fifty(p):
    """One event in a million would move an optimiser as far as all others together."""
    transform = SignFlip(max_probability=1.0)
    strength = torch.tensor(p, dtype=torch.float64, requires_grad=True)
    for uniform, chance in ((-1.0, p), (2.0, 1 - p)):  # it happened, it did not
        noise = {"uniform": torch.tensor([uniform], dtype=torch.float64)}
        log_prob = transform.log_prob(noise, strength)
        if 0 < chance < 1:
            assert log_prob.item() == pytest.approx(math.log(chance))
        (slope,) = torch.autograd.grad(log_prob.sum(), strength)
        sign = 1 if uniform < 0 else -1
        assert slope.item() == pytest.approx(sign / max(chance, 0.02))
    # neither do they in the regression on the events
    uniforms = torch.linspace(0, 1, 64, dtype=torch.float64)
    losses = torch.zeros(64, dtype=torch.float64)
    losses[0] = 5.0  # of the one example that was flipped, if any was
    (slope,) = torch.autograd.grad(
        transform.score_function({"uniform": uniforms}, losses, strength), strength
    )
    assert abs(slope.item()) <= 5.0 / 64 / (0.02 * 0.98) * 1.01 + 5.0
