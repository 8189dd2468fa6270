"""Random streams that are saved with a model and do not use the global generators."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from torch import Tensor, distributed, nn


class RandomStream(nn.Module):
    """A sequence of torch generators, one for each forward pass, on the requested device.

    The state is two integers, the seed and the number of generators returned, so it can be stored
    in ``state_dict``, pickle and safetensors. Draws are the same on all machines with the same kind
    of device; torch's CPU and CUDA generators differ. In distributed training, the draws of a
    process depend on its rank, except those of the fixed generator.

    Parameters
    ----------
    seed : int | None
        Seed; None takes fresh entropy.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__()
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        self.seed = int(seed)
        self.n_drawn = 0

    def _generator(self, device: str | torch.device, *key: int) -> torch.Generator:
        words = np.random.SeedSequence([self.seed, *key]).generate_state(1, np.uint64)
        return torch.Generator(device=device).manual_seed(int(words[0]) >> 1)

    def advance(self, device: str | torch.device) -> torch.Generator:
        """Return the next generator of the training stream."""
        self.n_drawn += 1
        return self.replay(device)

    def replay(self, device: str | torch.device, number: int | None = None) -> torch.Generator:
        """Return again a generator of :meth:`advance`: the last one, or the one of a number."""
        number = self.n_drawn if number is None else number
        rank = distributed.get_rank() if is_distributed() else 0
        return self._generator(device, 0, number, *([rank] if rank else []))

    def fixed(self, device: str | torch.device) -> torch.Generator:
        """Return the generator for evaluation, always the same, outside the training stream."""
        return self._generator(device, 1)

    def _replicate_for_data_parallel(self) -> Self:
        if self.training:
            raise ValueError(
                "torch.nn.DataParallel copies a module anew in each step, so that every step would "
                "repeat the draws of the first on all devices, and what is learned of the draws "
                "would be lost. Use torch.nn.parallel.DistributedDataParallel."
            )
        return super()._replicate_for_data_parallel()

    def get_extra_state(self) -> Tensor:
        return torch.tensor([self.seed, self.n_drawn])

    def set_extra_state(self, state: Tensor) -> None:
        self.seed, self.n_drawn = (int(value) for value in state)


def is_distributed() -> bool:
    """Whether several processes train together."""
    ready = distributed.is_available() and distributed.is_initialized()
    return ready and distributed.get_world_size() > 1
