"""The one place where torch's global generators are seeded, and put back."""

from contextlib import contextmanager

import torch


@contextmanager
def isolated(seed, n_threads=None, device="cpu"):
    """Seed torch inside, and leave its global generators and thread count as they were.

    Initialisation of weights, dropout and shuffling in third-party code draw from torch's global
    generators; within this block they are reproducible.

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
    cuda = [device.index or 0] if device.type == "cuda" else []
    threads = torch.get_num_threads()
    cudnn = torch.backends.cudnn
    flags = (cudnn.deterministic, cudnn.benchmark)
    with torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(seed)
        if cuda:
            torch.cuda.default_generators[cuda[0]].manual_seed(seed)
            cudnn.deterministic, cudnn.benchmark = True, False
        if n_threads is not None:
            torch.set_num_threads(n_threads)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            cudnn.deterministic, cudnn.benchmark = flags
