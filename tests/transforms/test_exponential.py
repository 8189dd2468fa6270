"""Exponentials of matrices as a GPU computes them."""

import pytest
import torch

from eeginv.transforms.exponential import squared_series


@pytest.mark.parametrize("size", [2, 3, 8])
@pytest.mark.parametrize("norm", [0.0, 1e-6, 1.0, 20.0, 100.0])
def test_series_is_the_exponential(size, norm):
    A = torch.randn(16, size, size, dtype=torch.float64, generator=torch.manual_seed(size))
    A = norm * A / torch.linalg.matrix_norm(A, 2).reshape(-1, 1, 1).clamp(min=1e-300)
    expected = torch.matrix_exp(A)
    error = (squared_series(A) - expected).norm() / expected.norm()
    assert error < 1e-11


def test_rotations_stay_orthogonal_and_small_angles_exact():
    angle = torch.tensor([1e-7, 0.5, 3.0, 90.0], dtype=torch.float64)
    A = angle.reshape(-1, 1, 1) * torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    found = squared_series(A)
    assert torch.allclose(found @ found.mT, torch.eye(2, dtype=torch.float64), atol=1e-11)
    assert torch.allclose(found[:, 1, 0], angle.sin(), rtol=1e-11, atol=0)


def test_gradient_is_that_of_the_exponential():
    A = torch.randn(4, 3, 3, dtype=torch.float64, generator=torch.manual_seed(0)).requires_grad_()
    weight = torch.randn(4, 3, 3, dtype=torch.float64)
    found, expected = (
        torch.autograd.grad((function(A) * weight).sum(), A)[0]
        for function in (squared_series, torch.matrix_exp)
    )
    assert torch.allclose(found, expected, rtol=1e-10, atol=1e-12)
