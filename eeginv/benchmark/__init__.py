"""Benchmark of all methods with the same data, splits and budget."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submod_attrs={
        "figures": [
            "plot_accuracy_time",
            "plot_confusion",
            "plot_differences",
            "plot_learned",
        ],
        "methods": ["METHODS", "Method"],
        "report": ["write_report"],
        "run": ["run_benchmark"],
        "settings": ["Settings", "default_settings"],
    },
)
