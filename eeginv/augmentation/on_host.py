"""Numbers of a module that stay on the host, in double precision, wherever the module goes."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class OnHost(nn.Module):
    """A module some of whose tensors stay on the host, and are saved like its buffers.

    The host knows them without waiting for a device. They are in double precision, in which a
    policy is equal to the one that was given, and which not every device has.
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
            # taken out, as torch's own would not know them
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
