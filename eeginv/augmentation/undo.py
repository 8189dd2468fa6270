"""Record of the steps that move a batch in time, for mapping outputs along time back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from ..transforms import Transform
from ..transforms.draws import Noise
from ..transforms.strength import Strength
from .choice import ALL, Subset, Within

if TYPE_CHECKING:
    from .base import Augmentation


class Inverse(Protocol):
    """A function that maps outputs back to the times before a step."""

    def __call__(self, output: Tensor, n_times: int | None) -> Tensor:
        """Map an output back."""


class Map(Protocol):
    """A transform with fixed draws."""

    keeps_time: bool

    def __call__(self, X: Tensor) -> Tensor:
        """Transform signals."""

    def undo(self, output: Tensor, n_times: int | None) -> Tensor:
        """Map an output along time back."""


class Undo:
    """Map outputs along time back to the times of the original signals.

    :meth:`Augmentation.sample` records the steps that move each example in time. Called with the
    outputs for the transformed signals, the object undoes these steps, the last one first.
    :class:`~eeginv.InvariantModule` does both with ``equivariant=True``.

    Parameters
    ----------
    n_times : int
        Length of the signals in samples.

    Examples
    --------
    >>> import torch
    >>> from eeginv.augmentation import Augmentation, AugmentationLayer, Undo
    >>> from eeginv.transforms import TimeReverse
    >>> augmentation = Augmentation([AugmentationLayer([TimeReverse(0.5)])], random_state=0)
    >>> X, undo = torch.randn(8, 1, 100), Undo(n_times=100)
    >>> transformed, _ = augmentation.sample(X, undo=undo)
    >>> torch.equal(undo(transformed), X)
    True
    """

    def __init__(self, n_times: int | None) -> None:
        self.n_times = n_times
        self._steps: list[tuple[Inverse, Subset]] = []

    @classmethod
    def of(cls, maps: Iterable[Map], n_times: int) -> Undo:
        """Record transforms with fixed draws.

        Parameters
        ----------
        maps : list of callable
            From :meth:`AugmentationLayer.fixed_draws`, in the order in which they are applied.
        n_times : int
            Length of the signals in samples.

        Returns
        -------
        undo : Undo
            The function that maps outputs back.
        """
        undo = cls(n_times)
        for transform in maps:
            if not transform.keeps_time:
                undo.add(transform.undo)
        return undo

    def add(self, inverse: Inverse, subset: Subset = ALL) -> None:
        """Record a step.

        Parameters
        ----------
        inverse : callable
            Maps outputs, given ``n_times=``, to outputs, such as ``undo`` of a transform.
        subset : Subset
            The examples to which the step was applied.
        """
        self._steps.append((inverse, subset))

    def add_transform(
        self, transform: Transform, noise: Noise, strength: Strength = None, subset: Subset = ALL
    ) -> None:
        """Record that a transform was applied, unless it leaves time unchanged.

        Parameters
        ----------
        transform : Transform
            The transform.
        noise : dict of str to Tensor
            Its draws.
        strength : Tensor | float | None
            Its strength; None is the strength of the transform.
        subset : Subset
            The examples to which it was applied.
        """
        if not transform.keeps_time:
            self.add(partial(transform.undo, noise=noise, strength=strength), subset)

    def separate(self) -> Undo:
        """Return a separate recorder, which :meth:`add_all` adds later for some examples.

        Returns
        -------
        undo : Undo
            Empty.
        """
        return Undo(self.n_times)

    def add_all(self, steps: Undo, subset: Subset) -> None:
        """Record steps that are kept for some examples only.

        Parameters
        ----------
        steps : Undo
            The steps, recorded for all examples.
        subset : Subset
            The examples that keep them.
        """
        self.add(lambda output, n_times: steps(output), subset)

    def part(self, subset: Subset) -> Undo:
        """Return a recorder for the steps of some examples, whose batch is these examples.

        Parameters
        ----------
        subset : Subset
            The examples.

        Returns
        -------
        undo : Undo
            Every step that it records is recorded in this object.
        """
        return _Part(self, subset)

    def __call__(self, output: Tensor) -> Tensor:
        """Undo all steps, the last one first.

        Parameters
        ----------
        output : Tensor, shape (n_examples, n_outputs, ..., n_positions)
            Outputs along time. Outputs of shape (n_examples, n_outputs) have no time axis and are
            returned unchanged.

        Returns
        -------
        output : Tensor, same shape
            Outputs at the positions of the original signals.
        """
        if output.ndim < 3:
            return output
        for inverse, subset in reversed(self._steps):
            part = inverse(subset.take(output), n_times=self.n_times)
            output = subset.put(output, part)
        return output


class _Part(Undo):
    def __init__(self, whole: Undo, subset: Subset) -> None:
        super().__init__(whole.n_times)
        self._whole, self._subset = whole, subset

    def add(self, inverse: Inverse, subset: Subset = ALL) -> None:
        self._whole.add(inverse, self._subset if subset is ALL else Within(self._subset, subset))


class _NoUndo(Undo):
    """Records nothing, where no output has to be mapped back."""

    def __init__(self) -> None:
        super().__init__(None)

    def add(self, inverse: Inverse, subset: Subset = ALL) -> None:
        pass

    def separate(self) -> Undo:
        return self

    def part(self, subset: Subset) -> Undo:
        return self


NO_UNDO = _NoUndo()


def apply_maps(maps: Sequence[Map], X: Tensor) -> Tensor:
    """Return transformed signals in memory of their own, which a network may change in place."""
    copy = X
    for transform in maps:
        copy = transform(copy)
    return copy.clone() if copy is X else copy


def check_inverses(augmentation: Augmentation) -> None:
    """Raise an error if outputs along time cannot be mapped back for an augmentation."""
    transforms = [m for m in augmentation.modules() if isinstance(m, Transform)]
    without = dict.fromkeys(t.name for t in transforms if not t.can_undo)
    if without:
        raise ValueError(
            f"{', '.join(without)}: no inverse on outputs along time, so outputs cannot follow. "
            "Leave it out of the augmentation. In a transform of your own, set keeps_time to "
            "True if it does not move events in time, or define _undo."
        )
