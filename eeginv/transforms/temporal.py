"""Transforms of the time axis."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from .base import Transform, check_sfreq
from .binary import BinaryTransform, Involution
from .draws import Draws, Noise
from .fourier import add_filtered, fast_length, turn
from .interpolation import lanczos_polynomials, read_between_samples
from .outputs import position_centres, read_between_positions
from .strength import constant

SHIFT_MODES = ("circular", "reflect", "replicate", "constant")


class TimeReverse(BinaryTransform):
    """Reverse the direction of time [1]_.

    Parameters
    ----------
    probability : float
        Initial probability with which an example is reversed.
    max_probability : float
        Largest probability.

    Notes
    -----
    The gradient with respect to the probability is a score-function estimate, from ``log_prob``.
    The gradient with respect to the signal is exact.

    References
    ----------
    .. [1] Rommel, C., Paillard, J., Moreau, T., & Gramfort, A. (2022). Data augmentation for
       learning predictive models on EEG: a systematic comparison. Journal of Neural Engineering.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import TimeReverse
    >>> t = TimeReverse(probability=0.5)
    >>> X = torch.arange(6.0).reshape(1, 2, 3)
    >>> t.transform(X, t.draw(X), strength=1.0)
    tensor([[[2., 1., 0.],
             [5., 4., 3.]]])
    """

    family = "temporal"

    def _transformed(self, X: Tensor) -> Tensor:
        return X.flip(-1)

    def _transform_unless(self, X: Tensor, spared: Tensor) -> Tensor:
        return Involution.apply(X, spared.to(X.dtype), _reverse_unless)

    def _undo(self, output: Tensor, noise: Noise, strength: Tensor, n_times: int) -> Tensor:
        spared = noise["uniform"].reshape(-1, 1, 1) >= strength
        return torch.where(spared, output, output.flip(-1))


def _reverse_unless(X: Tensor, spared: Tensor) -> Tensor:
    return X.flip(-1).lerp_(X, spared)  # saves one copy in memory


class SmoothTimeMask(Transform):
    """Set a random segment of all channels to zero, with smooth ends [1]_ [2]_.

    The position of the segment in the window is uniform.

    Parameters
    ----------
    sfreq : float
        Sampling frequency of the signals, in Hz.
    magnitude : float
        Initial length of the segment, in s.
    max_magnitude : float
        Largest length, in s.

    Notes
    -----
    The signal is multiplied by one minus the difference of two logistic functions. Their scale is
    0.03 s (at least one sample), whatever the length of the window and of the segment. Shorter
    segments are not masked completely. Longer ones are attenuated by more than 50 dB, except for
    0.2 s at both ends. The output can be differentiated once.

    References
    ----------
    .. [1] Cheng, J. Y., Goh, H., Dogrusoz, K., Tuzel, O., & Azemi, E. (2020). Subject-aware
       contrastive learning for biosignals. arXiv:2007.04871.
    .. [2] Mohsenvand, M. N., Izadi, M. R., & Maes, P. (2020). Contrastive representation learning
       for electroencephalogram classification. Machine Learning for Health.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import SmoothTimeMask
    >>> X, middle = torch.ones(1, 1, 1000), {"uniform": torch.tensor([0.5])}
    >>> masked = SmoothTimeMask(sfreq=100).transform(X, middle, strength=2.0)
    >>> round(float((1 - masked).sum()) / 100, 3)  # s
    2.0
    """

    family = "temporal"
    loses_information = True
    unit = "s"
    keeps_time = True

    def __init__(self, sfreq: float, magnitude: float = 0.5, max_magnitude: float = 2.0) -> None:
        self.sfreq = check_sfreq(sfreq)
        super().__init__(magnitude, max_magnitude)

    def config(self) -> dict[str, Any]:
        return {"sfreq": self.sfreq, **super().config()}

    def _draw(self, draws: Draws) -> Noise:
        return {"uniform": draws.uniform()}

    def _transform(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        begin = noise["uniform"].reshape(-1, 1, 1) * (X.shape[-1] / self.sfreq - strength)
        end = begin + strength
        return _FadeOut.apply(X, begin, end, self.sfreq, max(0.03, 1 / self.sfreq))


class _FadeOut(torch.autograd.Function):
    """Multiply signals by one minus a smooth window between two times.

    The window is computed again in the backward pass, because storing it takes as much memory as
    several channels.
    """

    @staticmethod
    def _ends(
        X: Tensor, begin: Tensor, end: Tensor, sfreq: float, scale: float
    ) -> tuple[Tensor, Tensor]:
        time = torch.arange(X.shape[-1], device=X.device, dtype=X.dtype) / (sfreq * scale)
        return (time - begin / scale).sigmoid_(), (time - end / scale).sigmoid_()

    @staticmethod
    def forward(X: Tensor, begin: Tensor, end: Tensor, sfreq: float, scale: float) -> Tensor:
        rise, fall = _FadeOut._ends(X, begin, end, sfreq, scale)
        return torch.addcmul(X, X, rise.sub_(fall), value=-1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *tensors, ctx.sfreq, ctx.scale = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        X, begin, end = ctx.saved_tensors
        rise, fall = _FadeOut._ends(X, begin, end, ctx.sfreq, ctx.scale)
        grad_signal = grad_begin = grad_end = None
        if ctx.needs_input_grad[0]:
            grad_signal = torch.addcmul(gradient, gradient, rise - fall, value=-1)
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            grad_window = (gradient * X).sum(dim=1, keepdim=True) / ctx.scale
            grad_begin, grad_end = (
                torch.linalg.vecdot(grad_window, torch.addcmul(s, s, s, value=-1)).unsqueeze(-1)
                for s in (rise, fall)
            )
            grad_begin = grad_begin.sum_to_size(begin.shape)
            grad_end = -grad_end.sum_to_size(end.shape)
        return grad_signal, grad_begin, grad_end, None, None


class TimeShift(Transform):
    """Shift all channels in time by a random offset, uniform in [-magnitude, magnitude].

    Shifts are not restricted to whole samples, because signals are interpolated by their Fourier
    series.

    Parameters
    ----------
    sfreq : float
        Sampling frequency of the signals, in Hz.
    magnitude : float
        Initial largest shift, in s.
    max_magnitude : float
        Upper end of the range of the magnitude, in s.
    mode : str
        Values that enter the window: "circular" takes those that leave at the other end, "reflect"
        the mirror image of the signal, "replicate" its last value, and "constant" zeros.

    Notes
    -----
    A circular shift keeps the amplitude spectrum exactly. Two circular shifts in sequence are one
    shift by the sum of the offsets. Shifts form a group with the dilations of time
    (:class:`TimeWarp`).

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import TimeShift
    >>> X = torch.tensor([[[0.0, 0.0, 1.0, 0.0, 0.0, 0.0]]])
    >>> shift = TimeShift(sfreq=1, max_magnitude=2.0)
    >>> shift.transform(X, {"uniform": torch.ones(1)}, strength=2.0).round().abs()
    tensor([[[0., 0., 0., 0., 1., 0.]]])
    """

    family = "temporal"
    unit = "s"
    group = "time"

    def __init__(
        self,
        sfreq: float,
        magnitude: float = 0.1,
        max_magnitude: float = 1.0,
        mode: str = "circular",
    ) -> None:
        self.sfreq = check_sfreq(sfreq)
        if mode not in SHIFT_MODES:
            raise ValueError(f"mode must be one of {SHIFT_MODES}, got {mode!r}.")
        super().__init__(magnitude, max_magnitude)
        self.mode = mode

    def config(self) -> dict[str, Any]:
        return {"sfreq": self.sfreq, **super().config(), "mode": self.mode}

    def _draw(self, draws: Draws) -> Noise:
        return {"uniform": draws.symmetric()}

    def _transform(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        return self._shift(X, strength.reshape(-1), noise["uniform"], self.max_strength)

    def _shift(self, X: Tensor, strength: Tensor, uniform: Tensor, largest: float) -> Tensor:
        n_times = X.shape[-1]
        margin, n_fft, padded = 0, n_times, X
        if self.mode != "circular":
            # largest shift, plus a margin for the side lobes of the interpolation
            margin = math.ceil(largest * self.sfreq) + 16
            if self.mode == "reflect" and margin >= n_times:
                raise ValueError(
                    f"A reflection of {margin} samples (the largest shift and 16 more) needs "
                    f"longer windows than {n_times} samples."
                )
            padded = nn.functional.pad(X, (margin, margin), self.mode)
            n_fft = fast_length(n_times + 2 * margin)
        step = (-2 * math.pi * self.sfreq / n_fft) * strength * uniform
        number = torch.arange(n_fft // 2 + 1, device=X.device, dtype=step.dtype)
        shifted = add_filtered(padded, turn(step.reshape(-1, 1, 1) * number), n_fft)
        return shifted[..., margin : margin + n_times]

    def _undo(self, output: Tensor, noise: Noise, strength: Tensor, n_times: int) -> Tensor:
        delay = strength.reshape(-1, 1) * noise["uniform"].reshape(-1, 1) * self.sfreq
        offset = delay * (output.shape[-1] / n_times)
        return read_between_positions(output, offset, circular=self.mode == "circular")

    def _algebra(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        delay = strength.reshape(-1) * noise["uniform"]
        return delay[:, None, None] * constant(((0.0, -1.0), (0.0, 0.0)), delay.dtype, delay.device)


class TimeWarp(Transform):
    """Speed up or slow down the signal by a random relative amount.

    Parameters
    ----------
    magnitude : float
        Initial largest relative change of speed. 0.1 means 10 %.
    max_magnitude : float
        Upper end of its range. It is below 1, so that time always runs forward.
    shape : str
        With "smooth", the speed varies over the window, whose ends keep their times. With
        "dilation", the speed changes by one factor, and the middle of the window keeps its time.
        Missing values at the ends of the window are filled with the mirror image of the signal.
    n_modes : int
        Number of half cosines over the window whose sum is the speed of a smooth warp.

    Notes
    -----
    Signals are interpolated between samples with eight neighbours (Lanczos, weights normalised to
    sum to one). Errors are below 1 % up to a quarter of the sampling frequency, and below 2 % up to
    0.3 of it. Dilations form a group with the shifts in time (:class:`TimeShift`). Smooth warps
    with a fixed number of modes do not.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import TimeWarp
    >>> time = torch.arange(1000) / 100
    >>> X = torch.sin(2 * torch.pi * 10 * time).reshape(1, 1, -1)
    >>> faster = TimeWarp(shape="dilation").transform(X, {"uniform": torch.ones(1)}, strength=0.2)
    >>> int(torch.fft.rfft(faster[0, 0]).abs().argmax()) / 10  # Hz
    12.0
    """

    family = "temporal"
    _polynomials: Tensor

    def __init__(
        self,
        magnitude: float = 0.1,
        max_magnitude: float = 0.5,
        shape: str = "smooth",
        n_modes: int = 4,
    ) -> None:
        if shape not in ("smooth", "dilation"):
            raise ValueError(f"shape must be 'smooth' or 'dilation', got {shape!r}.")
        if not max_magnitude < 1:
            raise ValueError(f"max_magnitude must be below 1, got {max_magnitude}.")
        if not (isinstance(n_modes, int) and n_modes >= 1):
            raise ValueError(f"n_modes must be an integer of at least 1, got {n_modes!r}.")
        super().__init__(magnitude, max_magnitude)
        self.shape, self.n_modes = shape, n_modes
        self.group = "time" if shape == "dilation" else None
        self.register_buffer("_polynomials", lanczos_polynomials(), persistent=False)

    def config(self) -> dict[str, Any]:
        return {**super().config(), "shape": self.shape, "n_modes": self.n_modes}

    def _draw(self, draws: Draws) -> Noise:
        if self.shape == "dilation":
            return {"uniform": draws.symmetric()}
        return {"uniform": draws.symmetric(self.n_modes)}

    def _transform(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        n_times, uniform = X.shape[-1], noise["uniform"]
        sample = torch.arange(n_times, device=X.device, dtype=X.dtype)
        strength = strength.reshape(-1, 1)
        last = max(n_times - 1, 1)
        if self.shape == "dilation":
            delay = uniform.reshape(-1, 1) * (sample - (n_times - 1) / 2)
        else:
            # speed 1 + strength * sum_k a_k cos(k pi t / last) with sum_k |a_k| <= 1
            mode = torch.arange(1, self.n_modes + 1, device=X.device, dtype=X.dtype)
            angular = math.pi * mode / last
            delay = (uniform / self.n_modes / angular) @ torch.sin(angular[:, None] * sample)
        return read_between_samples(X, strength * delay, self._polynomials)

    def _undo(self, output: Tensor, noise: Noise, strength: Tensor, n_times: int) -> Tensor:
        n_positions, uniform = output.shape[-1], noise["uniform"]
        centre = position_centres(n_positions, n_times, strength)
        strength = strength.reshape(-1, 1)
        if self.shape == "dilation":
            change = strength * uniform.reshape(-1, 1)
            moved = (centre - (n_times - 1) / 2) * (-change / (1 + change))
        else:
            moved = _inverse_warp(centre, strength, uniform / self.n_modes, n_times) - centre
        return read_between_positions(output, moved * (n_positions / n_times))

    def _algebra(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        if self.shape != "dilation":
            return super()._algebra(X, noise, strength)
        # speeds multiply, so their logarithms add
        change = torch.log1p(strength.reshape(-1) * noise["uniform"])
        return change[:, None, None] * constant(
            ((1.0, 0.0), (0.0, 0.0)), change.dtype, change.device
        )


def _inverse_warp(time: Tensor, strength: Tensor, coefficients: Tensor, n_times: int) -> Tensor:
    """Return the times in a smoothly warped signal of given times in the original one.

    Parameters
    ----------
    time : Tensor, shape (n_positions,)
        Times in the original signal, in samples.
    strength : Tensor, shape (n_examples or 1, 1)
        Strength of the warp.
    coefficients : Tensor, shape (n_examples or 1, n_modes)
        Coefficients of the half cosines whose sum is the change of speed.
    n_times : int
        Length of the signal in samples.

    Returns
    -------
    time : Tensor, shape (n_examples, n_positions)
        Times in the warped signal, differentiable with respect to the strength.
    """
    angular = torch.arange(1, coefficients.shape[-1] + 1, dtype=time.dtype, device=time.device)
    angular = angular * (math.pi / max(n_times - 1, 1))
    coefficients = coefficients.to(time.dtype)

    def warped(at: Tensor, strength: Tensor) -> Tensor:
        waves = torch.sin(at.unsqueeze(-1) * angular) @ (coefficients / angular).unsqueeze(-1)
        return at + strength * waves.squeeze(-1)

    def speed(at: Tensor) -> Tensor:
        waves = torch.cos(at.unsqueeze(-1) * angular) @ coefficients.unsqueeze(-1)
        return 1 + strength * waves.squeeze(-1)

    with torch.no_grad():
        sample = torch.arange(n_times, dtype=time.dtype, device=time.device)
        grid = warped(sample.unsqueeze(0), strength).contiguous()
        target = time.expand(len(grid), -1).contiguous()
        # find the samples before and after, interpolate linearly, then take two steps of Newton's
        # method
        after = torch.searchsorted(grid, target).clamp(1, max(n_times - 1, 1))
        low, high = grid.gather(1, after - 1), grid.gather(1, after)
        found = after - 1 + ((target - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)
        for _ in range(2):
            found = found - (warped(found, strength) - target) / speed(found)
    # the derivative of this last step is that of the implicit function
    return found - (warped(found, strength) - target) / speed(found).detach()
