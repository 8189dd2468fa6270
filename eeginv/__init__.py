"""Learn which transforms of an EEG signal do not change its label.

eeginv learns from the training data alone which transforms do not change the label, and up to which
strength. It builds networks that are invariant to them, with torch, Braindecode, skorch,
scikit-learn and MNE. ``import eeginv`` does not import these libraries: public names are loaded at
their first use.
"""

from __future__ import annotations

from typing import Any

import lazy_loader as _lazy

from eeginv import _torchaudio_hook
from eeginv.search import SEARCHES as _SEARCHES  # also loaded lazily

__version__ = "0.1.0"

# Must run before Braindecode, and through it torchaudio, is imported.
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
        # the import system looks up such names in every module
        if name.startswith("_") or name in __all__:
            raise
        raise AttributeError(_explain(name)) from error


def _explain(name: str) -> str:
    """Return the message for a missing name, with a suggestion."""
    from difflib import get_close_matches

    import eeginv.transforms

    if name in dir(eeginv.transforms):
        hint = f"Did you mean eeginv.transforms.{name}?"
    else:
        close = get_close_matches(name, __all__, n=1)
        hint = f"Did you mean eeginv.{close[0]}?" if close else f"It has {', '.join(__all__)}."
    return f"module 'eeginv' has no attribute {name!r}. {hint}"
