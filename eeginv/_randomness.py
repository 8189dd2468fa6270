"""The one place where torch's global generator is seeded, and put back."""

from contextlib import contextmanager

import torch


@contextmanager
def isolated(seed, n_threads=None):
    """Seed torch inside, and leave its global generators and thread count as they were.

    Initialisation of weights, dropout and shuffling in third-party code draw from torch's global
    generator; within this block they are reproducible.

    Parameters
    ----------
    seed : int
        Seed of torch's global generators inside the block.
    n_threads : int | None
        Number of threads inside the block. Sums over examples depend on it in their last bits.
    """
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        if n_threads is not None:
            torch.set_num_threads(n_threads)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
