"""Make Braindecode importable on every build of torch.

Braindecode imports torchaudio, and the only torchaudio wheel on the Python package
index is built for one version of CUDA. Beside a CPU build of torch its compiled part
cannot be loaded (``OSError``); beside another version of CUDA it refuses to work
(``RuntimeError``). Either ends ``import torchaudio``, and with it ``import braindecode``,
although torchaudio has an answer for builds without the compiled part: the flags of
``torchaudio._extension`` say that it is not available, and the Python code is used.

:func:`install` puts a finder in front of the import system. It looks at the one module
``torchaudio._extension``, lets it load as usual, and gives that answer only where loading
it raised. Where torchaudio works, or is not installed, nothing changes.
"""

from __future__ import annotations

import functools
import importlib.abc
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

from .exceptions import TorchaudioExtensionWarning

_MODULE = "torchaudio._extension"


class _ExtensionFinder(importlib.abc.MetaPathFinder):
    """Find ``torchaudio._extension`` as the other finders do, and guard its loader."""

    def __init__(self) -> None:
        # Kept here, not in a global: the finder outlives a reload of this module.
        self.has_warned = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _MODULE:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _GuardedLoader(spec.loader, self)
                return spec
        return None


class _GuardedLoader(importlib.abc.Loader):
    """Run the real loader; where it raises, say that the extension is not available."""

    def __init__(self, loader: importlib.abc.Loader, finder: _ExtensionFinder) -> None:
        self._loader = loader
        self._finder = finder

    def __getattr__(self, name: str) -> Any:
        # get_source, get_filename, get_resource_reader... are the real loader's.
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # The module keeps no trace of the guard: the finder is asked again at a reload,
        # which may load what failed before.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        for name, value in _NOT_AVAILABLE.items():
            if module.__dict__.get(name) is value:
                delattr(module, name)
        try:
            self._loader.exec_module(module)
        except Exception as error:
            module.__dict__.update(_NOT_AVAILABLE)
            self._warn(error)

    def _warn(self, error: Exception) -> None:
        if self._finder.has_warned:
            return
        self._finder.has_warned = True
        reason = str(error).strip().splitlines()
        warnings.warn(
            "torchaudio's compiled extension did not load, and torchaudio runs without it "
            f"({type(error).__name__}: {reason[0] if reason else 'no message'}). You can ignore "
            "this warning: eeginv and the Braindecode models that it uses do not need the "
            "extension. Only Braindecode's FilterBankLayer(method='iir') cannot be trained. To get "
            "the extension back, install torch and torchaudio from the same channel. To hide the "
            "warning: warnings.filterwarnings('ignore', "
            "category=eeginv.exceptions.TorchaudioExtensionWarning).",
            TorchaudioExtensionWarning,
            stacklevel=3,
        )


def _no_cuda_version() -> None:
    """Answer for ``_check_cuda_version``: no extension, so no CUDA that it was built for."""
    return None


def _no_library(lib: str) -> bool:
    """Answer for ``_load_lib``: the compiled library is not there."""
    return False


def _refuse(function: Callable[..., Any]) -> Callable[..., NoReturn]:
    """Replace a function that exists in the extension only by one that says so."""

    @functools.wraps(function)
    def refused(*args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(
            f"{function.__module__}.{function.__name__} needs the compiled extension of "
            "torchaudio, which did not load beside the installed torch. Install torch and "
            "torchaudio from the same channel."
        )

    return refused


def _name_of_another_version(name: str) -> Any:
    """Answer for the names that torchaudio 2.0 to 2.8 expects of its extension besides."""
    if name.startswith("_IS_") and name.endswith("_AVAILABLE"):
        return False
    if name.startswith("fail_if_no_"):
        return _refuse
    if name.startswith("lazy_import_"):
        return _NotAvailable
    raise AttributeError(f"module '{_MODULE}' has no attribute '{name}'")


class _NotAvailable:
    """Stand in for an extension that older torchaudio loads at first use."""

    def is_available(self) -> bool:
        return False


# The names that a torchaudio without its compiled part gives.
_NOT_AVAILABLE = {
    "_IS_TORCHAUDIO_EXT_AVAILABLE": False,
    "_IS_ALIGN_AVAILABLE": False,
    "fail_if_no_align": _refuse,
    "_check_cuda_version": _no_cuda_version,
    "_load_lib": _no_library,
    "__getattr__": _name_of_another_version,
}


def install() -> None:
    """Put the finder in front of the import system, once.

    Examples
    --------
    >>> from eeginv import _torchaudio_hook
    >>> _torchaudio_hook.install()  # was done by ``import eeginv``: nothing happens
    """
    # By name, since a reload of this module makes a new class.
    kind = (_ExtensionFinder.__module__, _ExtensionFinder.__qualname__)
    for finder in sys.meta_path:
        if (type(finder).__module__, type(finder).__qualname__) == kind:
            return
    sys.meta_path.insert(0, _ExtensionFinder())
