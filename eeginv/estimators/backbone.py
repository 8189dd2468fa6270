"""Build a network for given signals from a name, a class or an instance."""

from __future__ import annotations

import copy
import difflib
import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from .._braindecode import load_braindecode
from .._pickling import make_picklable


def _braindecode_models() -> dict[str, type[nn.Module]]:
    load_braindecode()
    from braindecode.models.util import models_dict

    return models_dict


def build_backbone(
    backbone: str | type[nn.Module] | nn.Module,
    *,
    n_chans: int,
    n_times: int,
    n_outputs: int,
    sfreq: float | None,
    params: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Build a network and check it on a batch of zeros.

    Parameters
    ----------
    backbone : str | type | nn.Module
        Name of a Braindecode model, a class, or a network, which is copied with its weights. The
        constructor of a class is called with those of Braindecode's parameters (``n_chans``,
        ``n_times``, ``n_outputs``, ``sfreq``) that it has.
    n_chans, n_times, n_outputs : int
        Sizes of the signals and the output.
    sfreq : float | None
        Sampling frequency in Hz.
    params : dict | None
        Further arguments of the constructor.

    Returns
    -------
    network : nn.Module
        The network.
    """
    params = copy.deepcopy(dict(params or {}))  # networks among them are trained
    if isinstance(backbone, nn.Module):
        if params:
            raise ValueError("backbone_params need a name or a class; the backbone is an instance.")
        network, name = copy.deepcopy(backbone), type(backbone).__name__
    else:
        cls = _resolve(backbone)
        name = cls.__name__
        known = {"n_chans": n_chans, "n_times": n_times, "n_outputs": n_outputs, "sfreq": sfreq}
        accepted = inspect.signature(cls.__init__).parameters
        _check_names(params, accepted, name)
        known = {key: value for key, value in known.items() if value is not None}
        arguments = {key: value for key, value in known.items() if key in accepted}
        try:
            try:
                network = cls(**{**arguments, **params})
            except Exception:
                if not _has_kwargs(accepted):
                    raise
                # perhaps it passes its **kwargs on, or reads them
                network = cls(**{**_find_inherited(cls, known), **arguments, **params})
        except Exception as error:
            raise ValueError(
                f"{name} cannot be built for {n_chans} channels and {n_times} samples"
                f"{_seconds(n_times, sfreq)}: {str(error).rstrip('.')}. "
                "The windows may be shorter than it needs"
                f"{'' if sfreq else ', or it needs sfreq= (none was given)'}."
            ) from error
    _check(network, name, n_chans, n_times, n_outputs, sfreq)
    make_picklable(network)
    return network


def _resolve(backbone: str | type[nn.Module] | nn.Module) -> type[nn.Module]:
    if isinstance(backbone, type) and issubclass(backbone, nn.Module):
        return backbone
    if not isinstance(backbone, str):
        raise TypeError(
            "backbone must be the name of a Braindecode model, a class or an nn.Module; "
            f"got {type(backbone).__name__}."
        )
    models = _braindecode_models()
    if backbone in models:
        return models[backbone]
    lower = {name.lower(): name for name in models}
    near = difflib.get_close_matches(backbone.lower(), lower, n=3, cutoff=0.4)
    hint = f" Did you mean {' or '.join(repr(lower[n]) for n in near)}?" if near else ""
    raise ValueError(
        f"Unknown backbone {backbone!r}.{hint} Braindecode has: {', '.join(sorted(models))}."
    )


def _has_kwargs(accepted: Mapping[str, inspect.Parameter]) -> bool:
    return any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in accepted.values())


def _find_inherited(cls: type[nn.Module], known: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that base classes name; all, if each of them takes **kwargs."""
    found: dict[str, Any] = {}
    for one in cls.__mro__[: cls.__mro__.index(nn.Module)]:
        if "__init__" in vars(one):
            parameters = inspect.signature(vars(one)["__init__"]).parameters
            found |= {key: value for key, value in known.items() if key in parameters}
            if not _has_kwargs(parameters):
                return found
    return found or known


def _check_names(
    params: Mapping[str, Any], accepted: Mapping[str, inspect.Parameter], name: str
) -> None:
    if _has_kwargs(accepted):
        return
    for key in params:
        if key not in accepted:
            near = difflib.get_close_matches(key, accepted, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            has = ", ".join(one for one in accepted if one != "self")
            raise ValueError(f"{name} has no parameter {key!r}.{hint} It has: {has}.")


def _check(
    network: nn.Module, name: str, n_chans: int, n_times: int, n_outputs: int, sfreq: float | None
) -> None:
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            output = network(torch.zeros(2, n_chans, n_times))
    except Exception as error:
        reason = str(error).strip().splitlines()
        raise ValueError(
            f"{name} fails on signals of {n_chans} channels and {n_times} samples"
            f"{_seconds(n_times, sfreq)}; windows may be shorter than it needs, or it was made for "
            f"another shape ({type(error).__name__}: {reason[0] if reason else 'no message'})."
        ) from error
    finally:
        network.train(was_training)
    got = tuple(output.shape) if isinstance(output, torch.Tensor) else f"a {type(output).__name__}"
    if got != (2, n_outputs):
        raise ValueError(
            f"{name} must return outputs of shape (n_examples, {n_outputs}) for {n_outputs} "
            f"outputs; got {got} for 2 examples."
        )


def _seconds(n_times: int, sfreq: float | None) -> str:
    return f" ({n_times / sfreq:g} s)" if sfreq else ""
