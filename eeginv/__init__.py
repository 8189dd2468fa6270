"""Learn which transformations of an EEG signal leave its label unchanged.

eeginv finds, from the training data alone, which transformations do not change the
label and how far each may go, and builds a network that is invariant to them. It
works on top of torch, Braindecode, skorch, scikit-learn and MNE.

``import eeginv`` loads none of them: each public name is loaded when it is first used.
"""

from __future__ import annotations

from typing import Any

import lazy_loader as _lazy

from eeginv import _torchaudio_hook
from eeginv.search import SEARCHES as _SEARCHES  # a package that is lazy as well

__version__ = "0.1.0"

# Before anything can import Braindecode, which imports torchaudio.
_torchaudio_hook.install()

_load, __dir__, __all__ = _lazy.attach(
    __name__,
    submodules=[
        "adapters",
        "augmentation",
        "benchmark",
        "datasets",
        "estimators",
        "exceptions",
        "inspection",
        "search",
        "transforms",
        "use",
        "viz",
    ],
    submod_attrs={
        "augmentation": [
            "AugNet",
            "Augerino",
            "AugmentationLayer",
            "PerExampleLoss",
            "PolicyAugmentation",
            "TrivialAugment",
        ],
        "datasets": ["load_sleep_folder", "load_sleep_physionet", "simulate_sleep"],
        "estimators": ["InvariantClassifier", "InvariantRegressor"],
        "inspection": ["invariance_profile"],
        "invariant": ["InvariantModule"],
        "policy": ["Policy", "PolicyEntry"],
        "search": list(_SEARCHES.values()),
    },
)


def __getattr__(name: str) -> Any:
    try:
        return _load(name)
    except AttributeError as error:
        # imports ask every module for names of this kind
        if name.startswith("_") or name in __all__:
            raise
        raise AttributeError(_explain(name)) from error


def _explain(name: str) -> str:
    """Say where a name that is not here may be found."""
    from difflib import get_close_matches

    import eeginv.transforms

    if name in dir(eeginv.transforms):
        hint = f"Did you mean eeginv.transforms.{name}?"
    else:
        close = get_close_matches(name, __all__, n=1)
        hint = f"Did you mean eeginv.{close[0]}?" if close else f"It has {', '.join(__all__)}."
    return f"module 'eeginv' has no attribute {name!r}. {hint}"
