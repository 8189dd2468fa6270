"""What was done to a batch of signals in time, to be undone in outputs along time."""

from functools import partial

import torch


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

    def __init__(self, n_times):
        self.n_times = n_times
        self._steps = []

    @classmethod
    def of(cls, maps, n_times):
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

    def add(self, inverse, rows=None):
        """Record a step.

        Parameters
        ----------
        inverse : callable
            From outputs, and ``n_times=``, to outputs: ``undo`` of a transform, say.
        rows : Tensor of int, shape (n_rows,) | None
            The examples that underwent it; None is all of them.
        """
        self._steps.append((inverse, rows))

    def add_transform(self, transform, noise, strength=None, rows=None):
        """Record that a transform was applied, unless it leaves time as it is.

        Parameters
        ----------
        transform : Transform
            The transform.
        noise : dict of str to Tensor
            Its draws.
        strength : Tensor | float | None
            Its strength; None is its own.
        rows : Tensor of int, shape (n_rows,) | None
            The examples that underwent it; None is all of them.
        """
        if not transform.keeps_time:
            self.add(partial(transform.undo, noise=noise, strength=strength), rows)

    def add_where(self, happened, steps):
        """Record steps that only some examples underwent in the end.

        Parameters
        ----------
        happened : Tensor of bool, shape (n_examples,)
            Which examples.
        steps : Undo
            The steps, recorded for all examples.
        """

        def inverse(output, n_times):
            shape = (-1,) + (1,) * (output.ndim - 1)
            return torch.where(happened.reshape(shape), steps(output), output)

        self.add(inverse)

    def part(self, rows):
        """Return a recorder for the steps of some examples, which it numbers from 0.

        Parameters
        ----------
        rows : Tensor of int, shape (n_rows,)
            The examples.

        Returns
        -------
        undo : Undo
            Every step that it records is recorded in this object.
        """
        return _Part(self, rows)

    def __call__(self, output):
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
        for inverse, rows in reversed(self._steps):
            if rows is None:
                output = inverse(output, n_times=self.n_times)
            elif len(rows):
                part = inverse(output.index_select(0, rows), n_times=self.n_times)
                output = output.index_copy(0, rows, part)
        return output


class _Part(Undo):
    def __init__(self, whole, rows):
        super().__init__(whole.n_times)
        self._whole, self._rows = whole, rows

    def add(self, inverse, rows=None):
        self._whole.add(inverse, self._rows if rows is None else self._rows[rows])
