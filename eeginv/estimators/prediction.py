"""Prediction in batches of constant size, so that no prediction depends on other windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ..invariant import InvariantModule, uncompiled
from .lazy import Windows

# Number of windows in a batch on a CPU. Larger batches would not fit into its caches.
_BATCH = 32
# On a GPU, maximum number of windows (copies counted) in one pass through the network, and maximum
# share of the memory that they fill.
_MOST, _SHARE = 2048, 0.25
# Memory that a transform needs, in multiples of the signals.
_OF_TRANSFORMS = 8


@dataclass(frozen=True)
class Batches:
    """Batch sizes of predictions.

    Parameters
    ----------
    n_windows : int
        Number of windows in a batch.
    n_copies : int
        Number of their copies in one pass through the network.
    """

    n_windows: int = _BATCH
    n_copies: int = 1


def predict_in_batches(
    module: InvariantModule, X: Windows, device: str | torch.device
) -> np.ndarray:
    """Compute the output for signals in batches of constant size, the last one zero-padded.

    Parameters
    ----------
    module : InvariantModule
        The network, in evaluation mode.
    X : ndarray of float32 | LazyWindows, shape (n_windows, n_channels, n_times)
        Signals.
    device : str | torch.device
        Device of the network.

    Returns
    -------
    output : ndarray, shape (n_windows, ...)
        The output of a window does not depend on the other windows.
    """
    batches = plan_batches(module, X.shape[1:], device)
    outputs = []
    before, module.copies_at_once = module.copies_at_once, batches.n_copies
    try:
        for start in range(0, len(X), batches.n_windows):
            part = X[start : start + batches.n_windows]
            batch = np.zeros((batches.n_windows, *X.shape[1:]), dtype=np.float32)
            batch[: len(part)] = np.asarray(part)
            with torch.no_grad():
                output = module(torch.from_numpy(batch).to(device))
            outputs.append(output[: len(part)].cpu().numpy())
    finally:
        module.copies_at_once = before
    return np.concatenate(outputs)


def plan_batches(
    module: InvariantModule, shape: tuple[int, ...], device: str | torch.device
) -> Batches:
    """Choose batches of predictions that fill a GPU.

    The sizes depend only on the network, the shape of the signals and the device, not on the number
    of windows or the free memory. So a window is always predicted in a batch of the same size.
    Results of batches of different sizes may differ in the last bits.

    Parameters
    ----------
    module : InvariantModule
        The network, in evaluation mode.
    shape : tuple of int
        Shape of a window, (n_channels, n_times).
    device : str | torch.device
        Device of the network.

    Returns
    -------
    batches : Batches
        The batch sizes.

    Examples
    --------
    >>> import torch
    >>> from eeginv import InvariantModule
    >>> from eeginv.estimators.prediction import plan_batches
    >>> plan_batches(InvariantModule(torch.nn.Linear(10, 3)), (2, 10), "cpu")
    Batches(n_windows=32, n_copies=1)
    """
    memory = memory_of(torch.device(device))
    if memory is None:
        return Batches()
    affordable = int(_SHARE * memory / _bytes_of_window(module, shape, device))
    n_signals = max(_BATCH, min(_MOST, affordable))
    n_signals = 2 ** (n_signals.bit_length() - 1)
    n_copies = 1
    if module.augmentation is not None:
        n_copies = max(1, min(module.n_copies, n_signals // _BATCH))
    return Batches(n_signals // n_copies, n_copies)


def memory_of(device: torch.device) -> int | None:
    """Return the memory of a GPU in bytes; None for a CPU.

    Parameters
    ----------
    device : torch.device
        The device.

    Returns
    -------
    memory : int | None
        Total memory, whether free or not.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    if device.type == "mps":
        return torch.mps.recommended_max_memory()
    return None


def _bytes_of_window(
    module: InvariantModule, shape: tuple[int, ...], device: str | torch.device
) -> float:
    """Upper bound of the memory for a window, as if nothing were freed before the output."""
    sizes = []
    with uncompiled(module), torch.no_grad():
        for n in (2, 4):
            signals = torch.zeros(n, *shape, device=device)
            with _Made() as made:
                module.backbone(signals)
            sizes.append(made.n_bytes)
    of_signals = 4 * shape[0] * shape[1]
    return (sizes[1] - sizes[0]) / 2 + _OF_TRANSFORMS * of_signals


class _Made(TorchDispatchMode):
    """Sums the bytes of all tensors that operations return."""

    n_bytes = 0

    def __torch_dispatch__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        several = result if isinstance(result, (tuple, list)) else (result,)
        made = [one for one in several if isinstance(one, torch.Tensor)]
        self.n_bytes += sum(one.numel() * one.element_size() for one in made)
        return result
