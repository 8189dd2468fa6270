"""What was done to a batch of signals in time, to be undone in outputs along time."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from ..transforms.draws import Noise
from ..transforms.strength import Strength
from .choice import ALL, Subset, Within

if TYPE_CHECKING:
    from ..transforms import Transform


class Inverse(Protocol):
    """What brings outputs back to the times before a step."""

    def __call__(self, output: Tensor, n_times: int | None) -> Tensor:
        """Bring an output back."""


class Map(Protocol):
    """A transform with everything random fixed."""

    keeps_time: bool

    def __call__(self, X: Tensor) -> Tensor:
        """Transform signals."""

    def undo(self, output: Tensor, n_times: int | None) -> Tensor:
        """Bring an output along time back."""


class Undo:
    """Bring outputs along time back to the times of the original signals.

    :meth:`Augmentation.sample` writes into it, for each example, what moved it in time; called
    with the outputs for the transformed signals, it undoes that, the last step first.
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
        """Record maps with everything random fixed.

        Parameters
        ----------
        maps : list of callable
            From :meth:`AugmentationLayer.fixed_draws`, in the order in which they are applied.
        n_times : int
            Length of the signals in samples.

        Returns
        -------
        undo : Undo
            What brings outputs back.
        """
        undo = cls(n_times)
        for one in maps:
            if not one.keeps_time:
                undo.add(one.undo)
        return undo

    def add(self, inverse: Inverse, subset: Subset = ALL) -> None:
        """Record a step.

        Parameters
        ----------
        inverse : callable
            From outputs, and ``n_times=``, to outputs: ``undo`` of a transform, say.
        subset : Subset
            The examples that underwent it.
        """
        self._steps.append((inverse, subset))

    def add_transform(
        self, transform: Transform, noise: Noise, strength: Strength = None, subset: Subset = ALL
    ) -> None:
        """Record that a transform was applied, unless it leaves time as it is.

        Parameters
        ----------
        transform : Transform
            The transform.
        noise : dict of str to Tensor
            Its draws.
        strength : Tensor | float | None
            Its strength; None is its own.
        subset : Subset
            The examples that underwent it.
        """
        if not transform.keeps_time:
            self.add(partial(transform.undo, noise=noise, strength=strength), subset)

    def separate(self) -> Undo:
        """Return a recorder of its own, which :meth:`add_all` adds for some examples later.

        Returns
        -------
        undo : Undo
            Empty.
        """
        return Undo(self.n_times)

    def add_all(self, steps: Undo, subset: Subset) -> None:
        """Record steps that only some examples underwent in the end.

        Parameters
        ----------
        steps : Undo
            The steps, recorded for all examples.
        subset : Subset
            The examples that underwent them.
        """
        self.add(lambda output, n_times: steps(output), subset)

    def part(self, subset: Subset) -> Undo:
        """Return a recorder for the steps of some examples, as if there were no others.

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
            Outputs along time. Those of shape (n_examples, n_outputs) have a single position, which
            is where it was.

        Returns
        -------
        output : Tensor, same shape
            At the positions of the original signals.
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
    """Records nothing, where no output has to be brought back."""

    def __init__(self) -> None:
        super().__init__(None)

    def add(self, inverse: Inverse, subset: Subset = ALL) -> None:
        pass

    def separate(self) -> Undo:
        return self

    def part(self, subset: Subset) -> Undo:
        return self


NO_UNDO = _NoUndo()
