"""Learn which transformations of an EEG signal leave its label unchanged.

eeginv finds, from the training data alone, which transformations do not change the
label and how far each may go, and builds a network that is invariant to them. It
works on top of torch, Braindecode, skorch, scikit-learn and MNE.

``import eeginv`` loads none of them: each public name is loaded when it is first used.
"""

import lazy_loader as _lazy

from eeginv import _torchaudio_hook
from eeginv.search import SEARCHES as _SEARCHES  # a package that is lazy as well

__version__ = "0.1.0"

# Before anything can import Braindecode, which imports torchaudio.
_torchaudio_hook.install()

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submodules=[
        "adapters",
        "augmentation",
        "benchmark",
        "datasets",
        "estimators",
        "inspection",
        "search",
        "transforms",
        "viz",
    ],
    submod_attrs={
        "_torchaudio_hook": ["TorchaudioExtensionWarning"],
        "augmentation": [
            "AugNet",
            "Augerino",
            "AugmentationLayer",
            "PerExampleLoss",
            "PolicyAugmentation",
            "TrivialAugment",
        ],
        "estimators": ["InvariantClassifier", "InvariantRegressor"],
        "invariant": ["InvariantModule"],
        "policy": ["Policy"],
        "search": list(_SEARCHES.values()),
    },
)
