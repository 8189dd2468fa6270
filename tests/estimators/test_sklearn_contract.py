"""The whole estimator battery of scikit-learn."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from eeginv import InvariantClassifier, InvariantRegressor


class Perceptron(nn.Module):
    """A network for anything."""

    def __init__(self, n_chans, n_times, n_outputs):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(n_chans * n_times, 32), nn.ReLU(), nn.Linear(32, n_outputs)
        )

    def forward(self, X):
        return self.layers(X)


def estimators():
    options = {
        "backbone": Perceptron,
        "sfreq": 100.0,
        "max_epochs": 25,
        "batch_size": 16,
        "lr": 0.03,
        "penalty": 0.001,
        "n_copies": 2,
    }
    return [InvariantClassifier(**options), InvariantRegressor(**options)]


ONE_REASON = (
    "Training by mini-batches draws its order from the number of examples, so leaving an example "
    "out and giving it weight zero are different runs of the same method."
)
EXCEPTIONS = {"check_sample_weight_equivalence_on_dense_data": ONE_REASON}


@pytest.mark.filterwarnings("ignore:.*estimator_name.*:FutureWarning")
@parametrize_with_checks(estimators(), expected_failed_checks=lambda estimator: EXCEPTIONS)
def test_scikit_learn_contract(estimator, check):
    check(estimator)
