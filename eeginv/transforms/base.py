"""The contract that every transform keeps."""

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
    """Return the sampling frequency as a float, or say what is wrong with it."""
    if not (isinstance(sfreq, numbers.Real) and math.isfinite(sfreq) and sfreq > 0):
        raise ValueError(f"sfreq must be the sampling frequency in Hz, got {sfreq!r}.")
    return float(sfreq)


class Transform(nn.Module):
    """A random transformation of signals whose strength can be learned.

    Randomness, strength and arithmetic are three separate things: :meth:`draw` holds everything
    random, :attr:`strength` says how far, :meth:`transform` is a deterministic differentiable map.

    The strength is stored as a free real number ``raw`` and read as
    ``max_strength * distance from raw to the nearest even integer``: it lives in
    [0, max_strength], reaches both ends exactly, reflects there, and its derivative is plus or
    minus ``max_strength`` everywhere, so there is no value at which learning stops.

    Parameters
    ----------
    magnitude : float
        Initial strength, in ``unit``.
    max_magnitude : float
        Largest strength, in ``unit``.

    Attributes
    ----------
    strength : Tensor
        How far the transform goes, in ``unit``, or with which probability it is applied. A
        differentiable scalar; assign a number to set it.
    max_strength : float
        Largest strength.
    unit : str
        Physical unit of the strength ("Hz", "s", "deg", "rad" or "1").
    family : str
        What the transform acts on: "temporal", "spectral", "amplitude", "spatial" or "other".
    continuous : bool
        True if the output moves continuously with the strength, so that its gradient is exact.
        False if random draws make it jump; then :meth:`log_prob` carries the gradient of an
        expected loss (score function).
    binary : bool
        True for an on/off transform, whose strength is the probability with which it is applied.
    strength_name : str
        The constructor argument that gives the strength: "magnitude", or "probability".
    keeps_time : bool
        True if what happens at a time still happens at that time afterwards, so that outputs along
        time need no correction; see :meth:`undo`.
    loses_information : bool
        True if the signals cannot be told from the transformed ones, as with noise and masks. A
        label that survives such a transform does not show a symmetry: networks are trained with it
        to rely on less.
    group : str | None
        The group whose draws are made jointly by :class:`~eeginv.augmentation.JointLayer`: "time",
        "channels" or "sensors".

    Notes
    -----
    A new transform defines ``_draw``, ``_transform``, the class attributes, and, if it jumps,
    ``_events``; if it moves what happens in time, ``_undo``; if it belongs to a group,
    ``_algebra``. One line in ``registry.py`` makes the battery of tests run over it.

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
        """How far the transform goes, in ``unit``, or with which probability it is applied."""
        return read_strength(self.raw, self.max_strength)

    @strength.setter
    def strength(self, value: Tensor | float) -> None:
        value = float(value)
        if self.max_strength < value <= self.max_strength * (1 + 1e-6) + 1e-7:
            value = self.max_strength  # rounded, as in a policy
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
        """What policies and pictures call the transform."""
        return type(self).__name__

    def spread(self, strength: Strength = None) -> Tensor | float:
        """How wide the distribution of transformed signals is, as a function of strength.

        The strength itself where the transform is continuous; ``2 p (1 - p)``, the probability
        that two independent draws differ, for an on/off transform of probability ``p``.

        Parameters
        ----------
        strength : Tensor | float | None
            Strength; None is the transform's own.

        Returns
        -------
        spread : Tensor | float
            The spread, zero at strength zero.
        """
        strength = self.strength if strength is None else strength
        return strength if self.continuous else 2 * strength * (1 - strength)

    # randomness -------------------------------------------------------------------------------
    def draw(
        self, X: Tensor, generator: torch.Generator | None = None, stratified: bool = False
    ) -> Noise:
        """Draw everything random, independently of the strength.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times) or (n_channels, n_times)
            Signals; only shape, dtype and device are used.
        generator : torch.Generator | None
            Source of randomness on X's device; None uses a fresh, unseeded one.
        stratified : bool
            Spread the draws evenly over the examples.

        Returns
        -------
        noise : dict of str to Tensor
            Tensors with the examples along the first dimension. One row may be passed to
            :meth:`transform` for a batch of any size.
        """
        X, _ = as_batch(X)
        return self._draw(Draws(X, generator, stratified))

    def log_prob(self, noise: Noise, strength: Strength = None) -> Tensor:
        """Log-probability of the discrete part of the draws, up to what no strength changes.

        Parameters
        ----------
        noise : dict of str to Tensor
            From :meth:`draw`.
        strength : Tensor | float | None
            Strength; None is the transform's own, through which gradients flow.

        Returns
        -------
        log_prob : Tensor, shape (n_examples,)
            Zero for a continuous transform. The slope for what is rarer than 2 % is that at 2 %.
        """
        strength = self.strength if strength is None else strength
        first = next(iter(noise.values()))
        strength = torch.as_tensor(strength, dtype=first.dtype, device=first.device)
        if self.continuous:
            return strength.new_zeros(len(first))
        yes, no = log_prob_of_event(strength.reshape(-1, 1)).unbind(-1)
        return torch.where(self.events(noise, strength), yes, no).sum(dim=1)

    def events(self, noise: Noise, strength: Tensor) -> Tensor:
        """Whether what makes the output jump has happened.

        Parameters
        ----------
        noise : dict of str to Tensor
            From :meth:`draw`.
        strength : Tensor, scalar or shape (n_examples,)
            The probability of each event.

        Returns
        -------
        happened : Tensor of bool, shape (n_examples, n_events)
            Independent events, such as that a channel is dropped.
        """
        return self._events(noise, strength.reshape(-1, 1))

    def score_function(self, noise: Noise, losses: Tensor, strength: Strength = None) -> Tensor:
        """Return a scalar whose derivative estimates that of the expected loss.

        For a transform that jumps, the derivative of the mean of ``losses`` with respect to the
        strength is zero almost everywhere. That of their expectation is the expectation of
        ``loss * d log_prob`` [1]_, whose spread is large. Here the losses are first regressed on
        the events (each channel dropped or not, say), for each example on those of the others; the
        derivative of what the regression explains is known, and only the residuals are multiplied
        by ``d log_prob``. Where nothing is rarer than 2 % (see :meth:`log_prob`), this is unbiased
        whatever the regression, and has no spread at all where the loss is linear in the events.

        Parameters
        ----------
        noise : dict of str to Tensor
            From :meth:`draw`, one row per example.
        losses : Tensor, shape (n_examples,)
            Loss of each example under these draws. No gradient flows through them.
        strength : Tensor | float | None
            Strength; None is the transform's own, through which gradients flow.

        Returns
        -------
        surrogate : Tensor
            To be added to the mean loss before backpropagation. Only its derivative means
            anything; zero for a continuous transform.

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

    # arithmetic -------------------------------------------------------------------------------
    def transform(self, X: Tensor, noise: Noise, strength: Strength = None) -> Tensor:
        """Transform signals, deterministically given the draws and the strength.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times) or (n_channels, n_times)
            Signals. Half precisions are computed in float32.
        noise : dict of str to Tensor
            From :meth:`draw`, with one row, or one row per example.
        strength : Tensor | float | None
            Strength in ``unit``: None for the transform's own, a number, or one value per example
            of shape (n_examples,).

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
        """Return the strength, shape (n_examples or 1, 1, 1), in the precision to compute in."""
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
        """Whether outputs along time can be brought back to the times of the original signal."""
        return self.keeps_time or type(self)._undo is not Transform._undo

    def undo(
        self, output: Tensor, noise: Noise, strength: Strength = None, n_times: int | None = None
    ) -> Tensor:
        """Bring an output along time back to the times of the signal before the transform.

        What a network says of second 3 of a reversed signal of 30 s belongs to second 27 of the
        original.

        Parameters
        ----------
        output : Tensor, shape (n_examples, n_outputs, ..., n_positions)
            What a network made of the transformed signals. The positions are spread evenly over the
            signal: one a sample, one a window, or anything between.
        noise : dict of str to Tensor
            What the signals were transformed with.
        strength : Tensor | float | None
            The strength that they were transformed with.
        n_times : int | None
            Length of the signals in samples; None if there is one position a sample.

        Returns
        -------
        output : Tensor, same shape and dtype
            The output at the positions of the original signal, interpolated linearly where they
            fall between positions. Where a part of the signal has left the window, the nearest
            output that there is.
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
        """Draw and apply.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times) or (n_channels, n_times)
            Signals.
        generator : torch.Generator | None
            Source of randomness; None uses a fresh, unseeded one.

        Returns
        -------
        X_transformed : Tensor, same shape, dtype and device as X
            The transformed signals.
        """
        return self.transform(X, self.draw(X, generator))

    def displacement(self, X: Tensor, generator: torch.Generator | None = None) -> float:
        """How far signals travel per unit of :meth:`spread`, relative to their norm.

        For a continuous transform the derivative of the path at strength zero, by a finite
        difference; otherwise the distance between the signal and its transformed copy.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.
        generator : torch.Generator | None
            Source of randomness; None uses a fresh, unseeded one.

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
        """Return the constructor arguments beside the strength, as plain values.

        Returns
        -------
        config : dict
            ``type(t)(**{t.strength_name: strength}, **t.config())`` is an equal transform.
        """
        return {f"max_{self.strength_name}": self.max_strength}

    def extra_repr(self) -> str:
        unit = "" if self.unit == "1" else f" {self.unit}"
        return f"{self.strength_name}={self.strength.item():.4g}{unit}"

    # what a transform defines -----------------------------------------------------------------
    def _draw(self, draws: Draws) -> Noise:
        raise TypeError(f"{type(self).__name__} does not define _draw.")

    def _transform(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} does not define _transform.")

    def _events(self, noise: Noise, strength: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} jumps and does not define _events.")

    def _undo(self, output: Tensor, noise: Noise, strength: Tensor, n_times: int) -> Tensor:
        raise TypeError(
            f"{self.name} has no inverse on outputs along time: leave it out where an output is "
            "to follow the transforms. If it leaves what happens where it is, say so with "
            "keeps_time = True; if it moves it, define _undo."
        )

    def _algebra(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        raise TypeError(f"{self.name} is in no group of transforms that can be drawn jointly.")
