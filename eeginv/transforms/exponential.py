"""Exponentials of matrices that no host has to wait for."""

from __future__ import annotations

import torch
from torch import Tensor

from .precision import widest

# A matrix is divided by 2 ** SQUARINGS, so that the terms of its series from so many on vanish.
SQUARINGS = 10
TERMS = 12


def matrix_exponential(matrices: Tensor) -> Tensor:
    """Return the exponentials of square matrices.

    ``torch.matrix_exp`` reads the norms of its matrices, for which a GPU waits. There, a fixed
    number of terms and squarings is right for any matrix whose norm is below a hundred, in double
    precision where the device has it. A rotation by a radian has norm 1, and so has a gain of 9 dB.

    Parameters
    ----------
    matrices : Tensor, shape (..., n, n)
        The matrices.

    Returns
    -------
    exponentials : Tensor, same shape and dtype
        Differentiable.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms.exponential import matrix_exponential
    >>> matrix_exponential(torch.zeros(1, 2, 2))
    tensor([[[1., 0.],
             [0., 1.]]])
    """
    if matrices.device.type == "cpu":
        return torch.matrix_exp(matrices)
    return squared_series(widest(matrices)).to(matrices.dtype)


def squared_series(matrices: Tensor) -> Tensor:
    """Sum the series of the exponential of scaled-down matrices, and square it up again.

    Parameters
    ----------
    matrices : Tensor, shape (..., n, n)
        The matrices.

    Returns
    -------
    exponentials : Tensor, same shape and dtype
        Their exponentials.
    """
    small = matrices / 2**SQUARINGS
    one = torch.eye(small.shape[-1], dtype=small.dtype, device=small.device)
    # Of exp(small) - 1, which keeps the digits that adding 1 would lose.
    change = torch.zeros_like(small)
    for term in range(TERMS, 0, -1):  # Horner's rule
        change = small @ (one + change) / term
    for _ in range(SQUARINGS):
        change = 2 * change + change @ change
    return one + change
