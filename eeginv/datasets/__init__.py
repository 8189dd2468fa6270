"""Loading of recordings as labelled windows, simulated sleep recordings, and toy tasks."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submod_attrs={
        "edf.writing": ["write_sleep_physionet"],
        "folder": ["load_sleep_folder"],
        "labelled": ["LabelledWindows"],
        "load": ["load_windows"],
        "physionet": ["load_sleep_physionet"],
        "simulation.hypnogram": ["simulate_hypnogram"],
        "simulation.nights": ["simulate_sleep"],
        "simulation.recordings": ["SimulatedRecordings", "simulate_recordings"],
        "prepare": ["prepare_windows"],
        "recipe": ["Recipe"],
        "sleep": ["SleepDataset"],
        "toys": ["load_rotated_digits", "make_sinusoids"],
        "unlabelled": ["UnlabelledWindows", "load_unlabelled"],
    },
)
