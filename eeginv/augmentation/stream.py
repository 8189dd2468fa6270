"""Streams of randomness that are saved with a model and never touch the global generators."""

import numpy as np
import torch
from torch import nn


class RandomStream(nn.Module):
    """A sequence of torch generators, one a forward pass, on whatever device is asked for.

    The state is two integers, the seed and how many generators were handed out, so that it fits
    into ``state_dict``, pickle and safetensors. The numbers that follow from it are the same on
    every machine with the same kind of device; torch's CPU and CUDA generators differ.

    Parameters
    ----------
    seed : int | None
        Seed; None takes fresh entropy.
    """

    def __init__(self, seed=None):
        super().__init__()
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        self.seed = int(seed)
        self.n_drawn = 0

    def _generator(self, device, *key):
        words = np.random.SeedSequence([self.seed, *key]).generate_state(1, np.uint64)
        return torch.Generator(device=device).manual_seed(int(words[0] >> 1))

    def advance(self, device):
        """Return the next generator of the training stream."""
        self.n_drawn += 1
        return self._generator(device, 0, self.n_drawn)

    def replay(self, device, number=None):
        """Return once more a generator that :meth:`advance` gave: the last, or that number."""
        return self._generator(device, 0, self.n_drawn if number is None else number)

    def fixed(self, device):
        """Return the generator of evaluation: always the same, beside the training stream."""
        return self._generator(device, 1)

    def get_extra_state(self):
        return torch.tensor([self.seed, self.n_drawn])

    def set_extra_state(self, state):
        self.seed, self.n_drawn = (int(value) for value in state)
