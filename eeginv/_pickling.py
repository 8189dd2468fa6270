"""Pickling of networks with parametrised layers, such as the bounded weights of EEGNet."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, cast

from torch import nn
from torch.nn.utils import parametrize


def make_picklable(module: nn.Module) -> None:
    """Let pickle, joblib and Dask copy a network, whatever its layers.

    :func:`torch.nn.utils.parametrize.register_parametrization` gives each layer a class of its own,
    which cannot be imported elsewhere and refuses to be pickled. Processes then cannot exchange
    many of Braindecode's networks (EEGNet among them). Here, such a layer is pickled as its
    original class and its state.

    Parameters
    ----------
    module : nn.Module
        The network. The classes of its parametrised layers are changed in place.
    """
    for part in module.modules():
        if parametrize.is_parametrized(part):
            type(part).__reduce_ex__ = _reduce  # type: ignore[assignment, method-assign]


def _reduce(module: nn.Module, protocol: int) -> tuple[Any, ...]:
    original = parametrize.type_before_parametrizations(module)
    getstate: Any = original.__getstate__
    state = dict(getstate(module))
    # torch's weight_norm adds a local function, which only converts files of torch before 2.0
    hooks = state["_load_state_dict_pre_hooks"]
    state["_load_state_dict_pre_hooks"] = OrderedDict(
        (key, hook) for key, hook in hooks.items() if not _is_local(hook)
    )
    parametrized = cast("nn.ModuleDict", module.parametrizations)
    return _restore, (original, tuple(parametrized), state)


def _is_local(hook: Any) -> bool:
    return "<locals>" in getattr(getattr(hook, "hook", hook), "__qualname__", "")


def _restore(original: type[nn.Module], names: tuple[str, ...], state: Any) -> nn.Module:
    module = original.__new__(original)
    parametrize._inject_new_class(module)
    for name in names:
        parametrize._inject_property(module, name)
    module.__setstate__(state)
    make_picklable(module)
    return module
