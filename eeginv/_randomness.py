"""Seeding and restoring of torch's global generators."""

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
    """Seed torch within a ``with`` block, and restore its global generators and thread count.

    Initialisation of weights, dropout and shuffling in third-party code draw from torch's global
    generators. They are reproducible within this block. All threads share these generators, so only
    one thread is in such a block at a time, and the others wait.

    Parameters
    ----------
    seed : int
        Seed of torch's global generators inside the block.
    n_threads : int | None
        Number of threads inside the block. Rounding errors of sums over examples depend on it.
    device : str | torch.device
        Device of the computation. Its generator is also seeded, and cuDNN is made deterministic.
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
    """Return the states of torch's global generators, for use inside :func:`isolated`.

    Parameters
    ----------
    device : str | torch.device
        Device of the computation, whose generator is included.

    Returns
    -------
    states : list of Tensor
        States for :func:`restore_generators`.
    """
    device = torch.device(device)
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    elif device.type == "mps":
        states.append(torch.mps.get_rng_state())
    return states


def restore_generators(states: Sequence[Tensor], device: str | torch.device = "cpu") -> None:
    """Restore the states of torch's global generators, inside :func:`isolated`.

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
