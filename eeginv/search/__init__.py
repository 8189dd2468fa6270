"""Policy searches as scikit-learn meta-estimators.

Each method is one file with one class. A new method needs a line in :data:`SEARCHES` and nothing
else here: the class is then a public name of ``eeginv.search`` and of ``eeginv``. A class is loaded
when it is first used.
"""

import lazy_loader as _lazy

# The short name of each method, which is also the name of its file, and its class.
SEARCHES = {
    "adda": "ADDASearch",
    "autoaugment": "AutoAugmentSearch",
    "cadda": "CADDASearch",
    "dada": "DADASearch",
    "ddas": "DDASSearch",
    "fastaa": "FastAutoAugmentSearch",
    "fasteraa": "FasterAutoAugmentSearch",
    "randaugment": "RandAugmentSearch",
}

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submod_attrs={
        "base": ["PolicySearch"],
        **{method: [name] for method, name in SEARCHES.items()},
    },
)
__all__ = ["SEARCHES", *__all__]
