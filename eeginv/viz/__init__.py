"""Plots of policies, transforms and invariance of models, and a table of the transforms."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submod_attrs={
        "catalogue": ["transform_table"],
        "hypnogram": ["plot_hypnogram"],
        "invariance": ["plot_invariance_curve", "plot_invariance_profile"],
        "policy": ["plot_extents", "plot_policy"],
        "transform": ["plot_transform"],
    },
)
