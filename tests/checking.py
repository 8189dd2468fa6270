"""What the checks of transforms are written with: white noise, its generators, lists of checks."""

import torch

SFREQ = 100.0
CH_NAMES = ["C3", "Cz", "C4"]


class Checks(list):
    """Functions of a function that makes a transform."""

    def add(self, function):
        """Add a function; a decorator."""
        self.append(function)
        return function


def signals(n=6, channels=3, times=200, dtype=torch.float64, seed=0):
    """Return white noise."""
    return torch.randn(n, channels, times, generator=generator(seed), dtype=dtype)


def generator(seed=0):
    """Return a generator."""
    return torch.Generator().manual_seed(seed)


def part_of(noise, rows):
    """Return the draws of some examples."""
    return {key: value[rows] for key, value in noise.items()}
