"""The learning rate over a training, and what batch normalisation has seen at its end."""

import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from eeginv import AugNet, InvariantClassifier
from eeginv.estimators import MeasureBatchNorm
from eeginv.estimators.schedule import cosine_schedule
from eeginv.transforms import AmplitudeScale, SignFlip


class _Norm(torch.nn.Module):
    """Batch normalisation of slow statistics, and dropout before it, as in many networks."""

    def __init__(self, n_chans, n_times, n_outputs):
        super().__init__()
        self.drop = torch.nn.Dropout(0.5)
        self.norm = torch.nn.BatchNorm1d(n_chans, momentum=0.01)
        self.last = torch.nn.Linear(n_chans * n_times, n_outputs)

    def forward(self, X):
        return self.last(self.norm(self.drop(X)).flatten(1))


@pytest.mark.parametrize("augmentation", [None, AugNet([AmplitudeScale(6.0, 6.0)])])
@pytest.mark.parametrize("n_copies", [0, 3])
def test_statistics_of_batch_normalisation_are_those_of_predictions(n_copies, augmentation):
    rng = np.random.default_rng(0)
    X = (3 + 2 * rng.normal(size=(64, 2, 16))).astype(np.float32)
    options = {"augmentation": augmentation, "n_copies": n_copies, "max_epochs": 2, "lr": 1e-9}
    options |= {"batch_size": 32, "random_state": 0, "lr_schedule": "cosine"}
    after, before = (
        InvariantClassifier(_Norm, callbacks=callbacks, **options).fit(X, np.arange(64) % 2)
        for callbacks in ([MeasureBatchNorm()], None)
    )
    seen = []
    after.module_.backbone.norm.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    after.predict(X)
    seen = torch.cat(seen)  # of 64 windows in two full batches
    norm = after.module_.backbone.norm
    assert torch.allclose(norm.running_mean, seen.mean(dim=(0, 2)), rtol=1e-3)
    assert torch.allclose(norm.running_var, seen.var(dim=(0, 2)), rtol=0.05)
    assert norm.momentum == 0.01
    assert (before.module_.backbone.norm.running_mean < 0.3).all()  # it began at 0
    # nothing else has changed
    weights = (clf.module_.backbone.last.weight for clf in (after, before))
    assert torch.equal(*weights)


def test_learning_rates_rise_and_fall_along_half_a_cosine():
    rates = []

    class Rates(Callback):
        def on_batch_begin(self, net, training=False, **kwargs):
            if training:
                rates.append([group["lr"] for group in net.optimizer_.param_groups])

    X = np.random.default_rng(0).normal(size=(161, 2, 16)).astype(np.float32)
    y = np.arange(161) % 2
    options = {"max_epochs": 2, "batch_size": 16, "warmup": 0.0, "random_state": 0}
    options |= {"transforms": [SignFlip(0.5)], "lr_schedule": "cosine", "callbacks": [Rates()]}
    InvariantClassifier(_Norm, "augnet", **options).fit(X, y)
    rates = np.array(rates)
    assert len(rates) == 20  # the window that is left over is no batch
    rising = np.array([0.5, 1.0])
    expected = np.concatenate([rising, 0.5 * (1 + np.cos(np.pi * np.arange(18) / 18))])
    for full in (1e-2, 1e-3):  # of the augmentation, and of the network
        found = rates[:, np.argmin(abs(rates[1] - full))]
        np.testing.assert_allclose(found, full * expected, atol=1e-9)
    with pytest.raises(ValueError, match="lr_schedule"):
        InvariantClassifier(_Norm, None, lr_schedule="linear").fit(X, y)


def test_the_schedule_ends_at_zero():
    parameter = torch.nn.Parameter(torch.zeros(1))
    for n_steps in (1, 2, 7, 100):
        optimizer = torch.optim.SGD([parameter], lr=1.0)
        made = cosine_schedule(n_steps).kwargs["lr_lambda"]
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, pickle.loads(pickle.dumps(made)))
        rates = []
        for _ in range(n_steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        assert max(rates) == pytest.approx(1.0)
        assert all(rate > 0 for rate in rates)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.0, abs=1e-12) or n_steps == 1
