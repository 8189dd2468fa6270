"""Matrix exponential without synchronisation between host and GPU."""

from __future__ import annotations

import torch
from torch import Tensor

from .precision import widest

# A matrix is divided by 2 ** SQUARINGS. Further terms of its series are then negligible.
SQUARINGS = 10
TERMS = 12


def matrix_exponential(matrices: Tensor) -> Tensor:
    """Return the exponentials of square matrices.

    ``torch.matrix_exp`` reads the norms of its matrices on the host, which synchronises with the
    GPU. On a GPU, a fixed number of terms and squarings is used instead. It is accurate for
    matrices whose norm is below 100, in double precision if the device supports it. A rotation by
    one radian has norm 1, and so has a gain of 9 dB.

    Parameters
    ----------
    matrices : Tensor, shape (..., n, n)
        The matrices.

    Returns
    -------
    exponentials : Tensor, same shape and dtype
        The exponentials, which can be differentiated.

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
    """Compute exponentials of matrices by scaling, a truncated series and repeated squaring.

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
    # exp(small) - 1, because adding 1 would lose digits.
    change = torch.zeros_like(small)
    for term in range(TERMS, 0, -1):  # Horner's rule
        change = small @ (one + change) / term
    for _ in range(SQUARINGS):
        change = 2 * change + change @ change
    return one + change
