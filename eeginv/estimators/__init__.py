"""scikit-learn estimators around networks that learn their invariances."""

from .classifier import InvariantClassifier
from .evidence import log_evidence
from .regressor import InvariantRegressor

__all__ = ["InvariantClassifier", "InvariantRegressor", "log_evidence"]
