"""Tensors of a module that stay on the host in double precision when the module is moved."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class OnHost(nn.Module):
    """A module some of whose tensors stay on the host and are saved like buffers.

    The host reads them without synchronising with a device. They are in double precision, which
    represents a given policy exactly, and which not every device supports.
    """

    _on_host: tuple[str, ...] = ()  # names of attributes that are tensors

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for name in self._on_host:
            destination[prefix + name] = getattr(self, name)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Tensor],
        prefix: str,
        metadata: dict[str, Any],
        strict: bool,
        missing: list[str],
        *lists: list[str],
    ) -> None:
        for name in self._on_host:
            # removed, because torch's method does not know them
            value, here = state_dict.pop(prefix + name, None), getattr(self, name)
            if value is None:
                missing.append(prefix + name)
            elif value.shape != here.shape:
                lists[-1].append(
                    f"size mismatch for {prefix}{name}: {tuple(value.shape)} was saved, but here "
                    f"it is {tuple(here.shape)}."
                )
            else:
                here.copy_(value)
        super()._load_from_state_dict(state_dict, prefix, metadata, strict, missing, *lists)
