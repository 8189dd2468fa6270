"""The main job: every method on the same data, splits and budget, and a report."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submod_attrs={
        "methods": ["METHODS"],
        "plan": ["Settings"],
        "report": ["write_report"],
        "run": ["default_settings", "run_benchmark"],
    },
)
