"""scikit-learn estimators around networks that learn their invariances."""

from .classifier import InvariantClassifier
from .regressor import InvariantRegressor

__all__ = ["InvariantClassifier", "InvariantRegressor"]
