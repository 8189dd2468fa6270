"""Transforms from plain functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from ..transforms import Transform
from ..transforms.draws import Draws, Noise

if TYPE_CHECKING:
    from torch import Tensor


def from_callable(
    function: Callable[[Tensor, Tensor, Noise], Tensor],
    magnitude: float,
    max_magnitude: float,
    *,
    unit: str = "1",
    draw: Callable[[Draws], Noise] | None = None,
    events: Callable[[Noise, Tensor], Tensor] | None = None,
    family: str = "other",
) -> Transform:
    """Make a transform from a plain function.

    Parameters
    ----------
    function : callable
        ``function(X, strength, noise)`` returns transformed signals of the shape of ``X``,
        (n_examples, n_channels, n_times). It consists of torch operations and treats examples
        independently. ``strength`` is a tensor of shape (n_examples or 1, 1, 1), in ``unit``. At
        strength 0, the function must be the identity. It is differentiated with respect to ``X``
        and ``strength``.
    magnitude : float
        Initial strength.
    max_magnitude : float
        Largest strength.
    unit : str
        Physical unit of the strength.
    draw : callable | None
        ``draw(draws)`` returns all random numbers of the transform: a dict of tensors with one row
        per example. They come from ``draws.uniform(*shape)`` (in [0, 1)),
        ``draws.symmetric(*shape)`` (in [-1, 1)) and ``draws.normal(*shape)``. ``draws`` has the
        attributes ``n_examples``, ``n_channels`` and ``n_times``. None draws ``noise["uniform"]``,
        one number in [-1, 1) per example.
    events : callable | None
        Required if the output is a discontinuous function of the strength.
        ``events(noise, strength)`` returns a boolean tensor of shape (n_examples, n_events). It
        holds independent events of probability ``strength``, which determine the discrete changes
        of the output.
    family : str
        What the transform acts on: "temporal", "spectral", "amplitude", "spatial" or "other".

    Returns
    -------
    transform : Transform
        The transform, with the name of the function. It can be pickled if the functions can.

    Examples
    --------
    >>> import torch
    >>> from eeginv.adapters import from_callable
    >>> def add_offset(X, strength, noise):
    ...     return X + strength * noise["uniform"].reshape(-1, 1, 1)
    >>> t = from_callable(add_offset, magnitude=1.0, max_magnitude=5.0)
    >>> t.name, t(torch.zeros(2, 3, 4)).shape
    ('add_offset', torch.Size([2, 3, 4]))
    """
    return _FromCallable(function, magnitude, max_magnitude, unit, draw, events, family)


class _FromCallable(Transform):
    def __init__(
        self,
        function: Callable[[Tensor, Tensor, Noise], Tensor],
        magnitude: float,
        max_magnitude: float,
        unit: str,
        draw: Callable[[Draws], Noise] | None,
        events: Callable[[Noise, Tensor], Tensor] | None,
        family: str,
    ) -> None:
        for value, argument in ((function, "function"), (draw, "draw"), (events, "events")):
            if not callable(value) and (value is not None or argument == "function"):
                raise TypeError(f"{argument} must be callable, got {type(value).__name__}.")
        super().__init__(magnitude, max_magnitude)
        self.function, self.unit, self.family = function, unit, family
        self.draw_function, self.events_function = draw, events
        self.continuous = events is None

    @property
    def name(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)

    def _draw(self, draws: Draws) -> Noise:
        if self.draw_function is None:
            return {"uniform": draws.symmetric()}
        return self.draw_function(draws)

    def _events(self, noise: Noise, strength: Tensor) -> Tensor:
        if self.events_function is None:
            return super()._events(noise, strength)
        return self.events_function(noise, strength)

    def _transform(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        out = self.function(X.clone(), strength, noise)  # it may work in place
        if out.shape != X.shape:
            raise ValueError(
                f"{self.name} turned signals of shape {tuple(X.shape)} into {tuple(out.shape)}."
            )
        learns = strength.requires_grad and torch.is_grad_enabled()
        silent = learns and self.continuous and not out.requires_grad
        if silent and not torch.equal(out, X):
            raise ValueError(
                f"What {self.name} returns has no gradient for its strength, which could never be "
                "learned: compute it with operations of torch and, where something happens or not, "
                "say so with events=. A policy applies it with a fixed strength."
            )
        return out
