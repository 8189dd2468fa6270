"""Sleep recordings as windows: simulated nights, Sleep Physionet, EDF files; and toy tasks."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submod_attrs={
        "edf": ["write_sleep_physionet"],
        "folder": ["load_sleep_folder"],
        "hypnogram": ["simulate_hypnogram"],
        "physionet": ["load_sleep_physionet"],
        "recordings": ["SimulatedRecordings", "simulate_recordings"],
        "simulate": ["simulate_sleep"],
        "sleep": ["SleepDataset"],
        "toys": ["load_rotated_digits", "make_sinusoids"],
    },
)
