"""Import hook that makes Braindecode importable with every build of torch.

Braindecode imports torchaudio, and the only torchaudio wheel on the Python package index is built
for one version of CUDA. With a CPU build of torch, its compiled extension cannot be loaded
(``OSError``). With another version of CUDA, it raises a ``RuntimeError``. In both cases,
``import torchaudio`` and ``import braindecode`` fail, although torchaudio supports builds without
the extension: the flags of ``torchaudio._extension`` then say that it is not available, and Python
code is used.

:func:`install` adds a finder to the import system, for the module ``torchaudio._extension`` only.
The module is loaded as usual. If this raises an error, the flags are set to not available. If
torchaudio works, or is not installed, nothing changes.
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
    """Find ``torchaudio._extension`` with the other finders, and wrap its loader."""

    def __init__(self) -> None:
        # Not a global variable, because the finder survives a reload of this module.
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
    """Run the original loader. If it raises an error, mark the extension as not available."""

    def __init__(self, loader: importlib.abc.Loader, finder: _ExtensionFinder) -> None:
        self._loader = loader
        self._finder = finder

    def __getattr__(self, name: str) -> Any:
        # get_source, get_filename, get_resource_reader... come from the original loader.
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # The module has its original loader. The finder is called again at a reload, which may
        # succeed.
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
    """Replace ``_check_cuda_version``: without the extension, there is no CUDA version."""
    return None


def _no_library(lib: str) -> bool:
    """Replace ``_load_lib``: the compiled library is not available."""
    return False


def _refuse(function: Callable[..., Any]) -> Callable[..., NoReturn]:
    """Replace a function of the extension by one that raises an error."""

    @functools.wraps(function)
    def refused(*args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(
            f"{function.__module__}.{function.__name__} needs the compiled extension of "
            "torchaudio, which did not load beside the installed torch. Install torch and "
            "torchaudio from the same channel."
        )

    return refused


def _name_of_another_version(name: str) -> Any:
    """Raise an error for other names that torchaudio 2.0 to 2.8 looks up in its extension."""
    if name.startswith("_IS_") and name.endswith("_AVAILABLE"):
        return False
    if name.startswith("fail_if_no_"):
        return _refuse
    if name.startswith("lazy_import_"):
        return _NotAvailable
    raise AttributeError(f"module '{_MODULE}' has no attribute '{name}'")


class _NotAvailable:
    """Replacement for the extension that older versions of torchaudio load at first use."""

    def is_available(self) -> bool:
        return False


# Names of a torchaudio without its extension.
_NOT_AVAILABLE = {
    "_IS_TORCHAUDIO_EXT_AVAILABLE": False,
    "_IS_ALIGN_AVAILABLE": False,
    "fail_if_no_align": _refuse,
    "_check_cuda_version": _no_cuda_version,
    "_load_lib": _no_library,
    "__getattr__": _name_of_another_version,
}


def install() -> None:
    """Add the finder to the import system, unless it is already there.

    Examples
    --------
    >>> from eeginv import _torchaudio_hook
    >>> _torchaudio_hook.install()  # was done by ``import eeginv``: nothing happens
    """
    # By name, because a reload of this module makes a new class.
    kind = (_ExtensionFinder.__module__, _ExtensionFinder.__qualname__)
    for finder in sys.meta_path:
        if (type(finder).__module__, type(finder).__qualname__) == kind:
            return
    sys.meta_path.insert(0, _ExtensionFinder())
