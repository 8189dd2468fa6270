"""The one place where torch's global generators are seeded, and put back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from ._process import GLOBAL_STATE


@contextmanager
def isolated(
    seed: int, n_threads: int | None = None, device: str | torch.device = "cpu"
) -> Iterator[None]:
    """Seed torch inside, and leave its global generators and thread count as they were.

    Initialisation of weights, dropout and shuffling in third-party code draw from torch's global
    generators; within this block they are reproducible. A process has these generators only once:
    of several threads one is inside at a time, and the others wait.

    Parameters
    ----------
    seed : int
        Seed of torch's global generators inside the block.
    n_threads : int | None
        Number of threads inside the block. Sums over examples depend on it in their last bits.
    device : str | torch.device
        Device of the computation; its generator is seeded too, and cuDNN is told to be
        deterministic.
    """
    device = torch.device(device)
    with GLOBAL_STATE:
        threads, states = torch.get_num_threads(), generator_states(device)
        cudnn = torch.backends.cudnn
        flags = (cudnn.deterministic, cudnn.benchmark)
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
            cudnn.deterministic, cudnn.benchmark = True, False
        elif device.type == "mps":
            torch.mps.manual_seed(seed)
        if n_threads is not None:
            torch.set_num_threads(n_threads)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            cudnn.deterministic, cudnn.benchmark = flags
            restore_generators(states, device)


def generator_states(device: str | torch.device = "cpu") -> list[Tensor]:
    """Return the states of torch's global generators, to go on from inside :func:`isolated`.

    Parameters
    ----------
    device : str | torch.device
        Device of the computation, whose generator counts as well.

    Returns
    -------
    states : list of Tensor
        For :func:`restore_generators`.
    """
    device = torch.device(device)
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    elif device.type == "mps":
        states.append(torch.mps.get_rng_state())
    return states


def restore_generators(states: Sequence[Tensor], device: str | torch.device = "cpu") -> None:
    """Put torch's global generators, inside :func:`isolated`, where they were.

    Parameters
    ----------
    states : list of Tensor
        From :func:`generator_states` with the same device.
    device : str | torch.device
        Device of the computation.
    """
    device = torch.device(device)
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
    elif device.type == "mps":
        torch.mps.set_rng_state(states[1])
