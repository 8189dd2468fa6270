"""Policy search with scikit-learn's search contract, one file a method."""

from .adda import ADDASearch, CADDASearch
from .autoaugment import AutoAugmentSearch
from .dada import DADASearch
from .ddas import DDASSearch
from .fast import FastAutoAugmentSearch
from .faster import FasterAutoAugmentSearch
from .randaugment import RandAugmentSearch

__all__ = [
    "ADDASearch",
    "AutoAugmentSearch",
    "CADDASearch",
    "DADASearch",
    "DDASSearch",
    "FastAutoAugmentSearch",
    "FasterAutoAugmentSearch",
    "RandAugmentSearch",
]
