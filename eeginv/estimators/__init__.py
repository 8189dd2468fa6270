"""scikit-learn estimators around networks that learn their invariances."""

from .batch_norm import MeasureBatchNorm
from .classifier import InvariantClassifier
from .evidence import log_evidence
from .regressor import InvariantRegressor
from .training import Trainer
from .training_data import Training, TrainingData

__all__ = [
    "InvariantClassifier",
    "InvariantRegressor",
    "MeasureBatchNorm",
    "Trainer",
    "Training",
    "TrainingData",
    "log_evidence",
]
