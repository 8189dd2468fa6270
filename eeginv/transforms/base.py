"""Base class of all transforms."""

from __future__ import annotations

import math
import numbers
from typing import Any

import torch
from torch import Tensor, nn

from .draws import Draws, Noise, as_batch
from .expectation import derivative_of_expectation, log_prob_of_event
from .precision import full_precision
from .strength import Strength, read_strength


def check_sfreq(sfreq: float) -> float:
    """Return the sampling frequency as a float, or raise an error if it is not valid."""
    if not (isinstance(sfreq, numbers.Real) and math.isfinite(sfreq) and sfreq > 0):
        raise ValueError(f"sfreq must be the sampling frequency in Hz, got {sfreq!r}.")
    return float(sfreq)


class Transform(nn.Module):
    """Base class of random transforms of signals with a learnable strength.

    Random draws, strength and computation are separate. :meth:`draw` returns all random numbers.
    :attr:`strength` is the magnitude or the probability. :meth:`transform` is a deterministic,
    differentiable function of signals, draws and strength.

    The strength is parametrised by an unconstrained real number ``raw``, as
    ``max_strength * distance from raw to the nearest even integer``. It lies in [0, max_strength],
    reaches both ends exactly, and is reflected there. Its derivative is plus or minus
    ``max_strength`` everywhere, so the gradient never vanishes.

    Parameters
    ----------
    magnitude : float
        Initial strength, in ``unit``.
    max_magnitude : float
        Largest strength, in ``unit``.

    Attributes
    ----------
    strength : Tensor
        Magnitude in ``unit``, or probability with which the transform is applied. It is a
        differentiable scalar, and is set by assigning a number.
    max_strength : float
        Largest strength.
    unit : str
        Physical unit of the strength ("Hz", "s", "deg", "rad" or "1").
    family : str
        What the transform acts on: "temporal", "spectral", "amplitude", "spatial" or "other".
    continuous : bool
        True if the output is a continuous function of the strength, so that its gradient is exact.
        False if it is discontinuous, because of discrete random events. The gradient of an expected
        loss then comes from :meth:`log_prob` (score function).
    binary : bool
        True for an on/off transform, whose strength is the probability with which it is applied.
    strength_name : str
        Name of the constructor argument for the strength, "magnitude" or "probability".
    keeps_time : bool
        True if the transform does not move events in time. Outputs along time then need no
        correction by :meth:`undo`.
    loses_information : bool
        True if the original signals cannot be recovered from the transformed ones, as with noise
        and masks. If the label does not change under such a transform, this is no evidence of a
        symmetry. The transform is a regulariser: networks learn to rely on less information.
    group : str | None
        Group of the transform, "time", "channels" or "sensors".
        :class:`~eeginv.augmentation.JointLayer` draws the transforms of a group jointly.

    Notes
    -----
    A new transform defines the class attributes, ``_draw`` and ``_transform``. It also defines
    ``_events`` if its output is a discontinuous function of the strength, ``_undo`` if it moves
    events in time, and ``_algebra`` if it belongs to a group. The common tests run for all
    transforms that are listed in ``registry.py``.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import Transform
    >>> class Offset(Transform):
    ...     def _draw(self, draws):
    ...         return {"uniform": draws.uniform()}
    ...
    ...     def _transform(self, X, noise, strength):
    ...         return X + strength * noise["uniform"].reshape(-1, 1, 1)
    >>> t = Offset(magnitude=0.5, max_magnitude=1.0)
    >>> t(torch.zeros(4, 2, 10)).shape
    torch.Size([4, 2, 10])
    """

    unit: str = "1"
    family: str = "other"
    continuous: bool = True
    binary: bool = False
    strength_name: str = "magnitude"
    keeps_time: bool = False
    loses_information: bool = False
    group: str | None = None

    def __init__(self, magnitude: float, max_magnitude: float) -> None:
        super().__init__()
        if not (math.isfinite(max_magnitude) and max_magnitude > 0):
            raise ValueError(
                f"max_{self.strength_name} must be positive and finite, got {max_magnitude}."
            )
        self.max_strength = float(max_magnitude)
        self.raw = nn.Parameter(torch.zeros(()))
        self.strength = magnitude

    # strength ---------------------------------------------------------------------------------
    @property
    def strength(self) -> Tensor:
        """Magnitude in ``unit``, or probability with which the transform is applied."""
        return read_strength(self.raw, self.max_strength)

    @strength.setter
    def strength(self, value: Tensor | float) -> None:
        value = float(value)
        if self.max_strength < value <= self.max_strength * (1 + 1e-6) + 1e-7:
            value = self.max_strength  # may have been rounded, as in a policy
        if not 0 <= value <= self.max_strength:
            raise ValueError(
                f"{self.strength_name} of {type(self).__name__} must lie in "
                f"[0, {self.max_strength:g}], got {value:g}; a larger range is set by "
                f"max_{self.strength_name}."
            )
        with torch.no_grad():
            self.raw.fill_(value / self.max_strength)

    @property
    def name(self) -> str:
        """Name of the transform in policies and plots."""
        return type(self).__name__

    def spread(self, strength: Strength = None) -> Tensor | float:
        """Return the width of the distribution of transformed signals for a strength.

        For a continuous transform, it is the strength itself. For an on/off transform of
        probability ``p``, it is ``2 p (1 - p)``, the probability that two independent draws differ.

        Parameters
        ----------
        strength : Tensor | float | None
            Strength. None takes that of the transform.

        Returns
        -------
        spread : Tensor | float
            The width, which is zero at strength zero.
        """
        strength = self.strength if strength is None else strength
        return strength if self.continuous else 2 * strength * (1 - strength)

    # randomness -------------------------------------------------------------------------------
    def draw(
        self, X: Tensor, generator: torch.Generator | None = None, stratified: bool = False
    ) -> Noise:
        """Draw all random numbers, independently of the strength.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times) or (n_channels, n_times)
            Signals. Only their shape, dtype and device are used.
        generator : torch.Generator | None
            Random number generator on the device of X. None takes a new one with a random seed.
        stratified : bool
            Whether to stratify the draws over the examples.

        Returns
        -------
        noise : dict of str to Tensor
            Tensors with one row per example. A single row may be passed to :meth:`transform` for a
            batch of any size.
        """
        X, _ = as_batch(X)
        return self._draw(Draws(X, generator, stratified))

    def log_prob(self, noise: Noise, strength: Strength = None) -> Tensor:
        """Return the log-probability of the discrete events, up to terms without the strength.

        Parameters
        ----------
        noise : dict of str to Tensor
            From :meth:`draw`.
        strength : Tensor | float | None
            Strength. None takes that of the transform, and gradients are propagated to it.

        Returns
        -------
        log_prob : Tensor, shape (n_examples,)
            Log-probabilities, zero for a continuous transform. If the probability of an outcome is
            below 2 %, its derivative is the one at 2 %.
        """
        strength = self.strength if strength is None else strength
        first = next(iter(noise.values()))
        strength = torch.as_tensor(strength, dtype=first.dtype, device=first.device)
        if self.continuous:
            return strength.new_zeros(len(first))
        yes, no = log_prob_of_event(strength.reshape(-1, 1)).unbind(-1)
        return torch.where(self.events(noise, strength), yes, no).sum(dim=1)

    def events(self, noise: Noise, strength: Tensor) -> Tensor:
        """Return whether the discrete events of the draws occurred.

        Parameters
        ----------
        noise : dict of str to Tensor
            From :meth:`draw`.
        strength : Tensor, scalar or shape (n_examples,)
            Probability of each event.

        Returns
        -------
        happened : Tensor of bool, shape (n_examples, n_events)
            Independent events, such as the dropout of a channel.
        """
        return self._events(noise, strength.reshape(-1, 1))

    def score_function(self, noise: Noise, losses: Tensor, strength: Strength = None) -> Tensor:
        """Return a scalar whose derivative estimates the derivative of the expected loss.

        For a transform with discrete events, the derivative of the mean of ``losses`` with respect
        to the strength is zero almost everywhere. The derivative of their expectation is the
        expectation of ``loss * d log_prob`` [1]_, an estimate with a large variance. To reduce it,
        the losses are first regressed on the events (such as the dropout of each channel). The
        regression for each example is fitted on the other examples. The derivative of the fitted
        part is known exactly, and only the residuals are multiplied by ``d log_prob``. The estimate
        is unbiased if no outcome has a probability below 2 % (see :meth:`log_prob`), whatever the
        quality of the regression. Its variance is zero if the loss is linear in the events.

        Parameters
        ----------
        noise : dict of str to Tensor
            From :meth:`draw`, one row per example.
        losses : Tensor, shape (n_examples,)
            Loss of each example under these draws. They are treated as constants.
        strength : Tensor | float | None
            Strength. None takes that of the transform, and gradients are propagated to it.

        Returns
        -------
        surrogate : Tensor
            Scalar to add to the mean loss before backpropagation. Only its derivative is
            meaningful. It is zero for a continuous transform.

        References
        ----------
        .. [1] Williams, R. J. (1992). Simple statistical gradient-following algorithms for
           connectionist reinforcement learning. Machine Learning.
        """
        losses = losses.detach()
        if self.continuous:
            return losses.new_zeros(())
        strength = self.strength if strength is None else strength
        strength = torch.as_tensor(strength, dtype=losses.dtype, device=losses.device)
        with torch.no_grad():
            happened = self.events(noise, strength.detach()).to(losses.dtype)
            column = strength.detach().reshape(-1, 1)
            derivative = derivative_of_expectation(losses, happened, column)
        return (derivative * strength).mean()

    # computation ------------------------------------------------------------------------------
    def transform(self, X: Tensor, noise: Noise, strength: Strength = None) -> Tensor:
        """Transform signals with given draws and strength.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times) or (n_channels, n_times)
            Signals. For half precision, the computation is in float32.
        noise : dict of str to Tensor
            From :meth:`draw`, with one row, or one row per example.
        strength : Tensor | float | None
            Strength in ``unit``, a number or one value per example of shape (n_examples,). None
            takes that of the transform.

        Returns
        -------
        X_transformed : Tensor, same shape, dtype and device as X
            The transformed signals.
        """
        batch, single = as_batch(X)
        strength = self._strength_for(batch, strength)
        with full_precision(X.device):
            out = self._transform(batch.to(strength.dtype), noise, strength).to(batch.dtype)
        return out.squeeze(0) if single else out

    def _strength_for(self, batch: Tensor, strength: Strength = None) -> Tensor:
        """Return the strength, shape (n_examples or 1, 1, 1), in the precision for computing."""
        dtype = torch.float64 if batch.dtype == torch.float64 else torch.float32
        strength = self.strength if strength is None else strength
        strength = torch.as_tensor(strength, dtype=dtype, device=batch.device)
        if strength.ndim and (strength.ndim > 1 or len(strength) not in (1, len(batch))):
            raise ValueError(
                f"strength must be a scalar or of shape ({len(batch)},), one value per example; "
                f"got shape {tuple(strength.shape)}."
            )
        return strength.reshape(-1, 1, 1)

    # outputs along time -----------------------------------------------------------------------
    @property
    def can_undo(self) -> bool:
        """Whether outputs along time can be mapped back to the times of the original signal."""
        return self.keeps_time or type(self)._undo is not Transform._undo

    def undo(
        self, output: Tensor, noise: Noise, strength: Strength = None, n_times: int | None = None
    ) -> Tensor:
        """Map an output along time back to the times of the signal before the transform.

        For example, the output at second 3 of a reversed signal of 30 s belongs to second 27 of the
        original signal.

        Parameters
        ----------
        output : Tensor, shape (n_examples, n_outputs, ..., n_positions)
            Output of a network for the transformed signals. Its positions divide the signal into
            equal parts. Their number is between one and the number of samples.
        noise : dict of str to Tensor
            Draws with which the signals were transformed.
        strength : Tensor | float | None
            Strength with which they were transformed. None takes that of the transform.
        n_times : int | None
            Length of the signals in samples. None if there is one position for each sample.

        Returns
        -------
        output : Tensor, same shape and dtype
            Output at the positions of the original signal, interpolated linearly. For parts of the
            signal that were moved out of the window, it is the nearest available output.
        """
        if not isinstance(output, torch.Tensor) or output.ndim < 3:
            got = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
            raise ValueError(
                "Expected outputs along time, of shape (n_examples, n_outputs, ..., n_positions), "
                f"got {got}."
            )
        if self.keeps_time:
            return output
        strength = self._strength_for(output, strength)
        n_times = output.shape[-1] if n_times is None else n_times
        flat = output.flatten(1, -2).to(strength.dtype)
        with full_precision(output.device):
            undone = self._undo(flat, noise, strength, n_times)
        return undone.to(output.dtype).reshape(output.shape)

    def forward(self, X: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw random numbers and transform signals.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times) or (n_channels, n_times)
            Signals.
        generator : torch.Generator | None
            Random number generator. None takes a new one with a random seed.

        Returns
        -------
        X_transformed : Tensor, same shape, dtype and device as X
            The transformed signals.
        """
        return self.transform(X, self.draw(X, generator))

    def displacement(self, X: Tensor, generator: torch.Generator | None = None) -> float:
        """Return the change of signals per unit of :meth:`spread`, relative to their norm.

        For a continuous transform, it is the derivative with respect to the strength at zero, by a
        finite difference. For any other transform, it is the distance between the signal and its
        transformed copy.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.
        generator : torch.Generator | None
            Random number generator. None takes a new one with a random seed.

        Returns
        -------
        displacement : float
            ``E ||T(x) - x|| / E ||x||`` per unit of spread.
        """
        with torch.no_grad():
            X, _ = as_batch(X)
            step = 1e-3 * self.max_strength if self.continuous else 1.0
            moved = self.transform(X, self.draw(X, generator), step) - X
            norm = torch.linalg.vector_norm(X, dim=(1, 2)).mean()
            norm = norm.clamp_min(torch.finfo(norm.dtype).tiny)
            return float(torch.linalg.vector_norm(moved, dim=(1, 2)).mean() / norm / step)

    # description ------------------------------------------------------------------------------
    def config(self) -> dict[str, Any]:
        """Return the constructor arguments other than the strength.

        Returns
        -------
        config : dict
            Arguments such that ``type(t)(**{t.strength_name: strength}, **t.config())`` is an equal
            transform. Values are numbers, strings, lists or None.
        """
        return {f"max_{self.strength_name}": self.max_strength}

    def extra_repr(self) -> str:
        unit = "" if self.unit == "1" else f" {self.unit}"
        return f"{self.strength_name}={self.strength.item():.4g}{unit}"

    # methods of subclasses --------------------------------------------------------------------
    def _draw(self, draws: Draws) -> Noise:
        raise TypeError(f"{type(self).__name__} does not define _draw.")

    def _transform(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} does not define _transform.")

    def _events(self, noise: Noise, strength: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} is not continuous and must define _events.")

    def _undo(self, output: Tensor, noise: Noise, strength: Tensor, n_times: int) -> Tensor:
        raise TypeError(
            f"{self.name} has no inverse on outputs along time: leave it out if outputs are to "
            "follow the transforms. If it does not move events in time, set keeps_time = True. "
            "Otherwise, define _undo."
        )

    def _algebra(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        raise TypeError(f"{self.name} is in no group of transforms that can be drawn jointly.")
