"""A benchmark of simulated nights that takes seconds."""

from eeginv.benchmark import Settings, run_benchmark

SMALL = {
    "data_options": {
        "n_subjects": 4, "hours": 2.0, "sfreq": 64.0, "random_state": 0, "stages": ("W", "N2")
    },
    "n_train": (2,), "n_test": 2, "epochs": 2, "n_copies": 2,
}  # fmt: skip


def settings(**changes):
    return Settings(**{**SMALL, **changes})


def run(folder, **kwargs):
    options = {"settings": settings(), "methods": ["none"], "n_splits": 1, "progress": False}
    return run_benchmark(folder, **{**options, "n_jobs": 1, **kwargs})
