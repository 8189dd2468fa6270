"""Measure the invariances of a fitted model, and test the symmetries of data."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "curve": ["invariance_curve"],
        "features": ["signal_features"],
        "profile": ["invariance_profile"],
        "score": ["InvarianceScore", "invariance_score"],
        "symmetry": ["SymmetryTest", "symmetry_test"],
    },
)
