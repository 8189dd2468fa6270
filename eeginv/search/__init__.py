"""Policy search with scikit-learn's search contract, one file a method."""

from .ddas import DDASSearch

__all__ = ["DDASSearch"]
