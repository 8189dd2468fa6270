"""Spherical splines: the field on a sphere, from its values at a few places."""

from __future__ import annotations

import math

import torch
from torch import Tensor

N_TERMS = 50  # degree of the Legendre series; the coefficients fall with its seventh power
STIFFNESS = 4
REGULARIZATION = 1e-5  # what is added to the diagonal of the system, as in MNE


def spline_kernel(cosine: Tensor) -> Tensor:
    """Value at one place of the spline that another place carries, from the cosine between them."""
    before, current = torch.ones_like(cosine), cosine
    total = torch.zeros_like(cosine)
    for n in range(1, N_TERMS + 1):
        total = total + (2 * n + 1) / (n * (n + 1)) ** STIFFNESS / (4 * math.pi) * current
        before, current = current, ((2 * n + 1) * cosine * current - n * before) / (n + 1)
    return total


def spline_coefficients(positions: Tensor) -> Tensor:
    """Matrix that finds the coefficients of the splines from the field at the positions.

    Parameters
    ----------
    positions : Tensor, shape (n_channels, 3)
        Where the field is known, on the unit sphere.

    Returns
    -------
    coefficients : Tensor, shape (n_channels + 1, n_channels)
        Of the spline that each position carries, and of the constant.
    """
    n = len(positions)
    system = torch.ones(n + 1, n + 1, dtype=positions.dtype)
    system[:n, :n] = spline_kernel(positions @ positions.T)
    system[:n, :n] += REGULARIZATION * torch.eye(n, dtype=positions.dtype)
    system[n, n] = 0
    return torch.linalg.pinv(system)[:, :n]


def spline_interpolation(positions: Tensor, places: Tensor) -> Tensor:
    """Matrix that interpolates the field at some places from its values at others [1]_.

    Parameters
    ----------
    positions : Tensor, shape (n_channels, 3)
        Where the field is known, on the unit sphere.
    places : Tensor, shape (..., n_places, 3)
        Where it is wanted, on the unit sphere.

    Returns
    -------
    matrix : Tensor, shape (..., n_places, n_channels)
        The interpolation; its rows sum to one.

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
    """Interpolation to rotated sensors as a Fourier series in the angle.

    A spline of degree n is a polynomial of degree n in the cosine between two places, and that
    cosine is affine in the cosine and sine of the angle by which one of them is turned. So the
    interpolation matrix is a trigonometric polynomial of the angle, and its coefficients are
    exact.

    Parameters
    ----------
    positions : Tensor, shape (n_channels, 3)
        The sensors, on the unit sphere.
    axis : int
        Axis of the rotation: 0, 1 or 2 for x, y or z.

    Returns
    -------
    cosines, sines : Tensor, shape (n_terms, n_channels, n_channels)
        ``sum_k cosines[k - 1] cos(k a) + sines[k - 1] sin(k a)``, for ``k`` from 1, is the matrix
        at the angle ``a`` but for a constant.
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
