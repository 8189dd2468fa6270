"""Spherical splines: interpolation of a field on a sphere from its values at a few positions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

N_TERMS = 50  # of the Legendre series; coefficients fall with the seventh power of the degree
STIFFNESS = 4
REGULARIZATION = 1e-5  # added to the diagonal of the linear system, as in MNE


def spline_kernel(cosine: Tensor) -> Tensor:
    """Return the value of the spline centred at one position, from its cosine with another."""
    before, current = torch.ones_like(cosine), cosine
    total = torch.zeros_like(cosine)
    for n in range(1, N_TERMS + 1):
        total = total + (2 * n + 1) / (n * (n + 1)) ** STIFFNESS / (4 * math.pi) * current
        before, current = current, ((2 * n + 1) * cosine * current - n * before) / (n + 1)
    return total


def spline_coefficients(positions: Tensor) -> Tensor:
    """Return the matrix that maps the field at the positions to the coefficients of the splines.

    Parameters
    ----------
    positions : Tensor, shape (n_channels, 3)
        Positions on the unit sphere at which the field is known.

    Returns
    -------
    coefficients : Tensor, shape (n_channels + 1, n_channels)
        Matrix whose rows give the coefficients of the spline at each position and of the constant.
    """
    n = len(positions)
    system = torch.ones(n + 1, n + 1, dtype=positions.dtype)
    system[:n, :n] = spline_kernel(positions @ positions.T)
    system[:n, :n] += REGULARIZATION * torch.eye(n, dtype=positions.dtype)
    system[n, n] = 0
    return torch.linalg.pinv(system)[:, :n]


def spline_interpolation(positions: Tensor, places: Tensor) -> Tensor:
    """Return the matrix that interpolates a field on the sphere at other positions [1]_.

    Parameters
    ----------
    positions : Tensor, shape (n_channels, 3)
        Positions on the unit sphere at which the field is known.
    places : Tensor, shape (..., n_places, 3)
        Positions on the unit sphere at which it is interpolated.

    Returns
    -------
    matrix : Tensor, shape (..., n_places, n_channels)
        Interpolation matrix. Its rows sum to one.

    References
    ----------
    .. [1] Perrin, F., Pernier, J., Bertrand, O., & Echallier, J. F. (1989). Spherical splines for
       scalp potential and current density mapping. Electroencephalography and Clinical
       Neurophysiology.
    """
    coefficients = spline_coefficients(positions)
    known = spline_kernel(places @ positions.T)
    return known @ coefficients[:-1] + coefficients[-1]


def rotation_series(positions: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Return the interpolation to rotated sensors as a Fourier series in the angle.

    A spline of degree n is a polynomial of degree n in the cosine between two positions. This
    cosine is affine in the cosine and sine of the angle by which one of them is rotated. The
    interpolation matrix is therefore a trigonometric polynomial of the angle, with exact
    coefficients.

    Parameters
    ----------
    positions : Tensor, shape (n_channels, 3)
        Positions of the sensors on the unit sphere.
    axis : int
        Axis of the rotation: 0, 1 or 2 for x, y or z.

    Returns
    -------
    cosines, sines : Tensor, shape (n_terms, n_channels, n_channels)
        Coefficients. Up to a constant matrix, the interpolation matrix at the angle ``a`` is
        ``sum_k cosines[k - 1] cos(k a) + sines[k - 1] sin(k a)``, for ``k`` from 1.
    """
    n_angles = 2 * N_TERMS + 2
    angle = 2 * math.pi / n_angles * torch.arange(n_angles, dtype=positions.dtype)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    rotation = torch.zeros(n_angles, 3, 3, dtype=positions.dtype)
    rotation[:, axis, axis] = 1
    rotation[:, first, first] = rotation[:, second, second] = torch.cos(angle)
    rotation[:, first, second] = -torch.sin(angle)
    rotation[:, second, first] = torch.sin(angle)
    places = positions @ rotation.transpose(1, 2)
    matrices = spline_interpolation(positions, places)
    series = torch.fft.rfft(matrices, dim=0)[1 : N_TERMS + 1] * (2 / n_angles)
    size = series.abs().amax(dim=(1, 2))
    n_terms = int((size > 1e-9 * size.max()).nonzero().max()) + 1
    return series.real[:n_terms], -series.imag[:n_terms]
