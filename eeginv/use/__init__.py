"""Training of models on recordings, and application of models to other recordings."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submod_attrs={
        "fit": ["fit_model"],
        "models": ["load_model", "load_policy"],
        "predict": ["predict_recording", "predict_recordings"],
        "profile": ["profile_recordings"],
    },
)
