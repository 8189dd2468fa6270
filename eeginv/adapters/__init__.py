"""Conversion of transforms from and to other libraries."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "braindecode": ["from_braindecode", "to_braindecode"],
        "functions": ["from_callable"],
    },
)
