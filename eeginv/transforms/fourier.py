"""Operations on the spectrum with fast backward passes.

Torch's derivative of ``rfft`` computes a complex Fourier transform of a zero-padded spectrum of
full length. Here, each derivative takes one real transform of the gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def fast_length(n: int) -> int:
    """Return the smallest even length >= n that is a power of two times a small odd number."""
    odd = (1, 3, 5, 7, 9, 15, 25, 27)
    return min(factor << (max(-(-n // factor), 2) - 1).bit_length() for factor in odd)


class _AddFiltered(torch.autograd.Function):
    """``X + irfft(rfft(X, n_fft) * factor)``, the second term cut to the length of X."""

    @staticmethod
    def forward(X: Tensor, factor: Tensor, n_fft: int) -> tuple[Tensor, Tensor]:
        spectrum = torch.fft.rfft(X, n=n_fft)
        filtered = torch.fft.irfft(spectrum * factor, n=n_fft)
        return filtered[..., : X.shape[-1]] + X, spectrum.conj_physical_()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        _, factor, ctx.n_fft = inputs
        ctx.set_materialize_grads(False)  # no zero gradients for stored outputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(factor, output[1])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, gradient: Tensor | None, _: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None, None]:
        if gradient is None:
            return None, None, None
        factor, conjugate = ctx.saved_tensors
        n_fft, grad_signal, grad_factor = ctx.n_fft, None, None
        spectrum = torch.fft.rfft(gradient, n=n_fft)
        if ctx.needs_input_grad[1]:
            grad_factor = (spectrum * conjugate).sum_to_size(factor.shape)
            if not factor.is_complex():
                grad_factor = grad_factor.real
            # each frequency except the first and last also represents its mirror image
            grad_factor = grad_factor * (2 / n_fft)
            grad_factor[..., 0] /= 2
            if n_fft % 2 == 0:
                grad_factor[..., -1] /= 2
        if ctx.needs_input_grad[0]:
            filtered = torch.fft.irfft(spectrum.mul_(factor.conj()), n=n_fft)
            grad_signal = filtered[..., : gradient.shape[-1]] + gradient
        return grad_signal, grad_factor, None


def add_filtered(X: Tensor, factor: Tensor, n_fft: int | None = None) -> Tensor:
    """Add a filtered copy of signals to the signals.

    Parameters
    ----------
    X : Tensor, shape (n_examples, n_channels, n_times)
        Real signals.
    factor : Tensor, shape (n_examples or 1, n_channels or 1, n_fft // 2 + 1)
        Factor of the spectrum of the zero-padded signals, real or complex.
    n_fft : int | None
        Length of the Fourier transform. None takes n_times.

    Returns
    -------
    X_filtered : Tensor, same shape as X
        ``X + irfft(rfft(X) * factor)``. To multiply a spectrum by ``h``, pass ``h - 1``. If all
        factors are zero, the result is bit-identical to X. It can be differentiated once.
    """
    return _AddFiltered.apply(X, factor, n_fft or X.shape[-1])[0]


class _TurnPhase(torch.autograd.Function):
    """``X + centred (cos - 1) - hilbert sin``, with centred X and its Hilbert transform.

    The angles of the cosines and sines are ``step * t``.
    """

    @staticmethod
    def forward(X: Tensor, step: Tensor, n_fft: int) -> tuple[Tensor, Tensor, Tensor]:
        # one signal at a time, so that results do not depend on the batch, to the bit
        offset = torch.linalg.vecdot(X, _hann(X).expand_as(X))
        centred = X - offset.unsqueeze(-1)
        hilbert = _hilbert(centred, n_fft, -1)
        cosine, sine = _cosine_and_sine(step, X.shape[-1])
        out = (centred * cosine.sub_(1)).add_(X).addcmul_(hilbert, sine, value=-1)
        return out, centred, hilbert

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]
    ) -> None:
        _, step, ctx.n_fft = inputs
        ctx.set_materialize_grads(False)  # no zero gradients for stored outputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(step, *output[1:])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, gradient: Tensor | None, *_: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None, None]:
        if gradient is None:
            return None, None, None
        step, centred, hilbert = ctx.saved_tensors
        n_times = gradient.shape[-1]
        cosine, sine = _cosine_and_sine(step, n_times)
        grad_signal = grad_step = None
        if ctx.needs_input_grad[1]:
            time = torch.arange(n_times, device=gradient.device, dtype=gradient.dtype)
            grad_angle = (centred * sine).addcmul_(hilbert, cosine).mul_(gradient).sum(dim=1)
            grad_step = -(grad_angle @ time).sum_to_size(step.shape)
        if ctx.needs_input_grad[0]:
            grad_signal = gradient * cosine.sub_(1)
            grad_signal.sub_(_hilbert(gradient * sine, ctx.n_fft, 1))
            grad_signal.addcmul_(grad_signal.sum(dim=-1, keepdim=True), _hann(gradient), value=-1)
            grad_signal.add_(gradient)
        return grad_signal, grad_step, None


def _hann(X: Tensor) -> Tensor:
    """Return weights of a mean that is hardly affected by sines, even if cut off at the ends."""
    n_times = X.shape[-1]
    window = torch.hann_window(n_times + 1, periodic=True, dtype=X.dtype, device=X.device)[1:]
    return window * (2 / (n_times + 1))


def _cosine_and_sine(step: Tensor, n_times: int) -> tuple[Tensor, Tensor]:
    time = torch.arange(n_times, device=step.device, dtype=step.dtype)
    angle = step.reshape(-1, 1, 1) * time
    return torch.cos(angle), torch.sin(angle)


def _hilbert(X: Tensor, n_fft: int, sign: int) -> Tensor:
    """Return the Hilbert transform of zero-padded signals, or its transpose (sign 1)."""
    quarter = torch.complex(X.new_zeros(()), X.new_full((), float(sign)))
    spectrum = torch.fft.rfft(X, n=n_fft).mul_(quarter)
    return torch.fft.irfft(spectrum, n=n_fft)[..., : X.shape[-1]]


def turn_phase(X: Tensor, step: Tensor, n_fft: int) -> Tensor:
    """Rotate the phase of all frequencies by an angle that grows linearly with time.

    Parameters
    ----------
    X : Tensor, shape (n_examples, n_channels, n_times)
        Real signals. Their offsets (means, weighted by a Hann window) do not change.
    step : Tensor, shape (n_examples or 1,)
        Angle from one sample to the next, in radians.
    n_fft : int
        Length to which signals are padded with zeros for the Hilbert transform.

    Returns
    -------
    X_turned : Tensor, same shape as X
        Real part of the analytic signal times ``exp(1j * step * t)``. It can be differentiated
        once.
    """
    return _TurnPhase.apply(X, step, n_fft)[0]


class _Turn(torch.autograd.Function):
    """``exp(1j * angle) - 1``, whose derivative needs no further sines."""

    @staticmethod
    def forward(angle: Tensor) -> Tensor:
        return torch.complex(torch.cos(angle) - 1, torch.sin(angle))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (turn,) = ctx.saved_tensors
        return (gradient * (turn + 1).conj()).imag


def turn(angle: Tensor) -> Tensor:
    """Return the factor, minus one, that rotates the phases of a spectrum.

    Parameters
    ----------
    angle : Tensor
        Angles in radians.

    Returns
    -------
    turn : Tensor, complex, same shape
        ``exp(1j * angle) - 1``. It can be differentiated once.
    """
    return _Turn.apply(angle)
