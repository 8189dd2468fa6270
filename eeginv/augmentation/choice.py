"""Apply to each example of a batch the operation that it has chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor


class Subset:
    """All examples of a batch, or some of them."""

    def take(self, values: Tensor) -> Tensor:
        """Return the rows of the examples.

        Parameters
        ----------
        values : Tensor, shape (n_examples, ...)
            One row for each example of the batch.

        Returns
        -------
        part : Tensor, shape (n_part, ...)
            The rows of the subset.
        """
        return values

    def put(self, whole: Tensor, part: Tensor) -> Tensor:
        """Return the batch with the rows of the subset replaced.

        Parameters
        ----------
        whole : Tensor, shape (n_examples, ...)
            One row for each example of the batch.
        part : Tensor, shape (n_part, ...)
            The new rows of the subset.

        Returns
        -------
        values : Tensor, shape (n_examples, ...)
            A new tensor.
        """
        return part


class Rows(Subset):
    """The examples with given row indices.

    Parameters
    ----------
    rows : Tensor of int, shape (n_part,)
        Row indices.
    """

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows

    def take(self, values: Tensor) -> Tensor:
        return values.index_select(0, self.rows)

    def put(self, whole: Tensor, part: Tensor) -> Tensor:
        return whole.index_copy(0, self.rows, part)


class Where(Subset):
    """The examples selected by a mask, whose number the host does not know.

    Values are computed for all examples, and only those under the mask are used.

    Parameters
    ----------
    holds : Tensor of bool, shape (n_examples,)
        The mask.
    """

    def __init__(self, holds: Tensor) -> None:
        self.holds = holds

    def put(self, whole: Tensor, part: Tensor) -> Tensor:
        return torch.where(self.holds.reshape(-1, *(1,) * (whole.ndim - 1)), part, whole)


class Within(Subset):
    """A subset of a subset.

    Parameters
    ----------
    outer : Subset
        Subset of the batch.
    inner : Subset
        Subset of the rows that ``outer`` takes.
    """

    def __init__(self, outer: Subset, inner: Subset) -> None:
        self.outer, self.inner = outer, inner

    def take(self, values: Tensor) -> Tensor:
        return self.inner.take(self.outer.take(values))

    def put(self, whole: Tensor, part: Tensor) -> Tensor:
        return self.outer.put(whole, self.inner.put(self.outer.take(whole), part))


ALL = Subset()

# A function of the signals of some examples of a batch, and the subset that they form.
Operation: TypeAlias = Callable[[Tensor, Subset], Tensor]


def reads_are_cheap(device: torch.device) -> bool:
    """Whether the host can read values without waiting for the device."""
    return device.type == "cpu"


def apply_by_choice(
    X: Tensor,
    choice: Tensor | None,
    operations: Sequence[Operation | None],
    split: bool | None = None,
) -> Tensor:
    """Apply to each example the operation that it has chosen.

    Where the host can read the choice without waiting, the examples are sorted by it, and each
    operation is applied to its own examples. Elsewhere, as on a GPU, each is applied to all
    examples. That takes more arithmetic, but no more kernel launches and no synchronisation.

    Parameters
    ----------
    X : Tensor, shape (n_examples, n_channels, n_times)
        Signals.
    choice : Tensor of int, shape (n_examples,) | None
        Index of the operation of each example. None applies the first one to all.
    operations : list of callable | None
        ``operation(X, subset)`` returns the transformed signals of some examples; ``subset.take``
        selects their rows of other tensors. None leaves signals unchanged.
    split : bool | None
        Whether to sort the examples by their choice, which the host has to read. None does so where
        reading is cheap.

    Returns
    -------
    X_transformed : Tensor, same shape as X
        The signals.

    Examples
    --------
    >>> import torch
    >>> from eeginv.augmentation.choice import apply_by_choice
    >>> gain = torch.tensor([1.0, 10.0, 100.0, 1000.0])
    >>> def amplify(X, subset):
    ...     return X * subset.take(gain)[:, None, None]
    >>> choice = torch.tensor([1, 0, 0, 1])
    >>> apply_by_choice(torch.ones(4, 1, 1), choice, [None, amplify]).flatten().tolist()
    [1.0, 1.0, 1.0, 1000.0]
    """
    if choice is None:
        return _apply(operations[0], X, ALL)
    if reads_are_cheap(X.device) if split is None else split:
        return _apply_to_parts(X, choice, operations)
    transformed = X
    for number, operation in enumerate(operations):
        if operation is not None:
            subset = Where(choice == number)
            transformed = subset.put(transformed, _apply(operation, X, subset))
    return transformed


def _apply(operation: Operation | None, X: Tensor, subset: Subset) -> Tensor:
    return X if operation is None else operation(X, subset)


def _apply_to_parts(X: Tensor, choice: Tensor, operations: Sequence[Operation | None]) -> Tensor:
    counts = torch.bincount(choice, minlength=len(operations)).tolist()
    if len(choice) in counts:
        return _apply(operations[counts.index(len(choice))], X, ALL)
    rows = [part for part in choice.argsort(stable=True).split(counts) if len(part)]
    chosen = [operation for operation, count in zip(operations, counts, strict=True) if count]
    pairs = zip(chosen, _Split.apply(X, *rows), rows, strict=True)
    done = [_apply(operation, part, Rows(of_part)) for operation, part, of_part in pairs]
    return _Join.apply(len(rows), *rows, *done)


class _Split(torch.autograd.Function):
    """Parts of a batch, whose rows are each in one of them.

    The derivative of ``index_select`` adds to zeros what is here written once.
    """

    @staticmethod
    def forward(X: Tensor, *rows: Tensor) -> tuple[Tensor, ...]:
        return tuple(X.index_select(0, of_part) for of_part in rows)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows = ctx.saved_tensors
        return _Join.apply(len(rows), *rows, *gradients), *(None for _ in rows)


class _Join(torch.autograd.Function):
    """The batch that parts come from, of their rows and the parts."""

    @staticmethod
    def forward(n_parts: int, *rows_and_parts: Tensor) -> Tensor:
        rows, parts = rows_and_parts[:n_parts], rows_and_parts[n_parts:]
        whole = parts[0].new_empty(sum(map(len, rows)), *parts[0].shape[1:])
        for of_part, part in zip(rows, parts, strict=True):
            whole.index_copy_(0, of_part, part)
        return whole

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.n_parts = inputs[0]
        ctx.save_for_backward(*inputs[1 : 1 + ctx.n_parts])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows = ctx.saved_tensors
        return None, *(None for _ in rows), *_Split.apply(gradient, *rows)
