"""Reading signals between their samples."""

from __future__ import annotations

import math

import torch
from torch import Tensor

REACH = 4  # samples on each side that take part
DEGREE = 10


def lanczos_polynomials() -> Tensor:
    """Weights of the neighbours as polynomials in the distance from the sample before.

    A Lanczos kernel (a sinc under the central lobe of a wider sinc), scaled such that the weights
    sum to one. Between two samples each weight is a smooth function, and a polynomial of degree 10
    is equal to it within 1e-7: a matrix product instead of 24 sines.

    Returns
    -------
    coefficients : Tensor, shape (2 * REACH, DEGREE)
        Of the powers 1, 2, ...; at distance zero the sample before has weight one, exactly.
    """
    n_nodes = 400
    nodes = (torch.arange(n_nodes, dtype=torch.float64) + 0.5) * (math.pi / n_nodes)
    rest = (1 - torch.cos(nodes)) / 2  # Chebyshev nodes of the unit interval
    distance = rest.unsqueeze(1) - torch.arange(1 - REACH, REACH + 1, dtype=torch.float64)
    weight = torch.sinc(distance) * torch.sinc(distance / REACH)
    weight = weight / weight.sum(dim=1, keepdim=True)
    weight[:, REACH - 1] -= 1
    powers = rest.unsqueeze(1) ** torch.arange(1, DEGREE + 1, dtype=torch.float64)
    coefficients = torch.linalg.lstsq(powers, weight).solution.T
    # what the fit leaves of the sum, so that constants stay constant
    coefficients[REACH - 1] -= coefficients.sum(dim=0)
    return coefficients.float()


def read_between_samples(X: Tensor, offset: Tensor, polynomials: Tensor) -> Tensor:
    """Interpolate signals at positions near their samples.

    Parameters
    ----------
    X : Tensor, shape (n_examples, n_channels, n_times)
        Signals.
    offset : Tensor, shape (n_examples, n_times)
        How many samples later (or earlier, if negative) than ``t`` the value for sample ``t`` is
        read. Positions outside the window are reflected at its ends.
    polynomials : Tensor, shape (2 * REACH, DEGREE)
        From :func:`lanczos_polynomials`.

    Returns
    -------
    X_read : Tensor, same shape as X
        Differentiable in the signals and in the offsets; equal to X to the last bit where the
        offset is 0.
    """
    n_times = X.shape[-1]
    whole = torch.floor(offset.detach())
    rest = offset - whole  # in [0, 1)
    powers = [rest]
    for _ in range(DEGREE - 1):
        powers.append(powers[-1] * rest)
    weights = polynomials.to(rest.dtype) @ torch.stack(powers, dim=1)

    sample = torch.arange(-REACH, n_times + REACH, device=X.device)
    padded = X.index_select(-1, _reflect(sample, n_times)[0])
    before, direction = _reflect(sample[REACH : REACH + n_times] + whole.to(torch.int64), n_times)
    before = before + REACH
    out = padded.gather(-1, before.unsqueeze(1).expand_as(X))
    for k, weight in enumerate(weights.unbind(1), start=1 - REACH):
        index = (before + k * direction).unsqueeze(1).expand_as(X)
        out = torch.addcmul(out, weight.unsqueeze(1), padded.gather(-1, index))
    return out


def _reflect(index: Tensor, n_times: int) -> tuple[Tensor, Tensor]:
    """Reflect positions at both ends; say whether what follows then comes before (-1)."""
    period = max(2 * (n_times - 1), 1)
    index = index.remainder(period)
    mirrored = index >= n_times
    return torch.where(mirrored, period - index, index), 1 - 2 * mirrored.to(index.dtype)
