"""The evidence that training data give, against cases where it is known."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from eeginv import AugNet, InvariantClassifier, InvariantModule
from eeginv.estimators import log_evidence
from eeginv.estimators.evidence import _Fit, _kernels, _maximise
from eeginv.transforms import GaussianNoise, SignFlip


def linear(X, y, ridge):
    """Ridge regression without intercept, as a module."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(X.shape[-1], 1, bias=False)).double()
    A = X.flatten(1)
    solution = torch.linalg.solve(A.T @ A + ridge * torch.eye(A.shape[1]).double(), A.T @ y)
    with torch.no_grad():
        module[1].weight.copy_(solution.T)
    return InvariantModule(module, loss="squared_error")


def test_linear_regression_has_the_marginal_likelihood_of_a_gaussian():
    """For a linear model and a normal prior nothing is approximate."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 1, 4))
    y = X[:, 0] @ rng.standard_normal((4, 1)) + 0.5 * rng.standard_normal((30, 1))
    noise, precision = 0.3, 0.8
    cov = X[:, 0] @ X[:, 0].T / precision + noise * np.eye(30)
    truth = stats.multivariate_normal(np.zeros(30), cov).logpdf(y[:, 0])
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    module = linear(X, y, noise * precision).eval()
    fit = _Fit(module, X, y, torch.ones(30), 0)
    parameters = list(module.backbone.parameters())
    kernels = _kernels(module, parameters, X, torch.ones(30).double(), 0, fit.root)
    squares = parameters[0].detach().square().sum().reshape(1)

    def evidence(log_precision, log_noise):
        kernel = kernels[0] / math.exp(log_precision)
        determinant = torch.logdet(torch.eye(30).double() + kernel / math.exp(log_noise))
        log_noise = torch.tensor(log_noise).double()
        prior = 0.5 * math.exp(log_precision) * squares
        return float(fit.log_likelihood(log_noise) - prior - 0.5 * determinant)

    assert evidence(math.log(precision), math.log(noise)) == pytest.approx(truth, abs=1e-6)
    # what is returned is at least as good as any other prior
    found = _maximise(kernels, squares, fit, 1.0, n_steps=300)
    grid = [evidence(a, b) for a in np.linspace(-3, 3, 13) for b in np.linspace(-4, 1, 11)]
    assert found >= max(grid) - 1e-2


def test_curvature_is_that_of_the_cross_entropy():
    output = torch.randn(4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    module = InvariantModule(nn.Sequential(nn.Flatten(), nn.Linear(3, 4)))
    fit = _Fit(module, torch.randn(4, 1, 3), torch.arange(4), torch.ones(4), 0)
    root = fit.root(output)
    second = torch.autograd.functional.hessian(
        lambda z: nn.functional.cross_entropy(z[None], torch.tensor([1])), output
    )
    torch.testing.assert_close(root @ root.T, second)


def test_copies_that_cannot_differ_change_nothing():
    """The mean over copies of a network that is invariant already is the network itself."""
    X, y = torch.randn(24, 1, 6, generator=torch.Generator().manual_seed(0)), torch.arange(24) % 2

    class Even(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(6, 2)

        def forward(self, X):
            return self.linear(X[:, 0].square())

    network = Even()
    plain = log_evidence(InvariantModule(network), X, y)
    flipped = InvariantModule(network, AugNet([SignFlip(0.5)], random_state=0))
    assert log_evidence(flipped, X, y, n_copies=4) == pytest.approx(plain, abs=1e-6)


def trained_evidence(X, y, augmentation, seed):
    """Train a small network behind an augmentation that stays as it is."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Flatten(), nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    module = InvariantModule(network, augmentation)
    if augmentation is not None:
        augmentation.requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(X), y).backward()
        optimizer.step()
    return log_evidence(module, X, y)


@pytest.mark.parametrize("even", [True, False])
def test_prefers_the_invariance_that_is_there(even):
    """Of labels that do not depend on the sign, and of labels that do."""
    gains = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X = torch.from_numpy(rng.standard_normal((100, 1, 4)).astype(np.float32))
        value = X[:, 0, :2].prod(dim=1) if even else X[:, 0, :2].sum(dim=1)
        y = (value > 0).long()
        flips = AugNet([SignFlip(0.5)], penalty=0.0, random_state=0)
        gains.append(trained_evidence(X, y, flips, seed) - trained_evidence(X, y, None, seed))
    assert np.mean(gains) > 0.02 if even else np.max(gains) < -0.2


def test_dense_outputs_are_refused():
    module = InvariantModule(nn.Conv1d(1, 2, 1))
    with pytest.raises(ValueError, match="one output vector an example"):
        log_evidence(module, torch.zeros(4, 1, 8), torch.zeros(4, dtype=torch.int64))


def test_automatic_penalty(tmp_path):
    rng = np.random.default_rng(0)
    y = np.tile(["left", "right"], 20)
    X = rng.standard_normal((40, 2, 64)) + np.where(y == "left", 0.5, -0.5)[:, None, None]

    class Network(nn.Module):
        def __init__(self, n_chans, n_times, n_outputs):
            super().__init__()
            self.layers = nn.Sequential(nn.Flatten(), nn.Linear(n_chans * n_times, n_outputs))

        def forward(self, X):
            return self.layers(X)

    options = {"max_epochs": 2, "transforms": [GaussianNoise(0.1)], "random_state": 0}
    clf = InvariantClassifier(Network, penalty="auto", **options).fit(X, y)
    assert list(clf.penalty_scores_) == [0.005, 0.02, 0.05, 0.1]
    assert clf.penalty_ == max(clf.penalty_scores_, key=clf.penalty_scores_.get)
    same = InvariantClassifier(Network, penalty=clf.penalty_, **options).fit(X, y)
    assert (same.predict_proba(X) == clf.predict_proba(X)).all()
    assert same.penalty_ == clf.penalty_
    assert same.penalty_scores_ == {}
    clf.save(tmp_path / "saved")
    loaded = InvariantClassifier.load(tmp_path / "saved", backbone=Network)
    assert (loaded.penalty_, loaded.penalty_scores_) == (clf.penalty_, clf.penalty_scores_)
    assert InvariantClassifier(Network, None, max_epochs=1).fit(X, y).penalty_ is None
    with pytest.raises(ValueError, match="penalty must be a number or 'auto'"):
        InvariantClassifier(Network, penalty="best", **options).fit(X, y)


def test_exact_fit_and_weightless_examples():
    rng = torch.Generator().manual_seed(0)
    X = torch.randn(200, 1, 8, generator=rng)
    network = nn.Sequential(nn.Flatten(), nn.Linear(8, 2))
    module = InvariantModule(network, loss="squared_error")
    with torch.no_grad():
        y = network(X)
    assert math.isfinite(log_evidence(module, X, y))
    weight = torch.zeros(600)
    weight[:2] = 300
    X, y = torch.randn(600, 1, 8, generator=rng), torch.arange(600) % 2
    for seed in range(4):
        found = log_evidence(InvariantModule(network), X, y, weight, random_state=seed)
        assert math.isfinite(found)


def test_determinant_of_a_part_is_not_too_small():
    """Over all parts, N / m times the determinant of the part is at least that of the whole."""
    X, y = torch.randn(24, 1, 6, generator=torch.Generator().manual_seed(0)), torch.arange(24) % 2
    weight = torch.linspace(0.1, 1.9, 24)
    module = InvariantModule(nn.Sequential(nn.Flatten(), nn.Linear(6, 2)))
    fit = _Fit(module, X, y, weight, 0)
    parameters = list(module.backbone.parameters())

    def determinant(rows):
        kernels = _kernels(module, parameters, X[rows], weight[rows], 0, fit.root)
        return torch.logdet(torch.eye(2 * len(rows)).double() + kernels.sum(dim=0)).item()

    parts = [range(i, i + 6) for i in range(0, 24, 6)]
    scaled = np.mean([4 * determinant(list(part)) for part in parts])
    assert scaled >= determinant(list(range(24)))
