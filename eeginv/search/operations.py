"""Operations: transforms of fixed strength, among which searches choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..policy import Policy, PolicyEntry
from ..transforms import REGISTRY, Transform


def make_operations(transforms: Sequence[Transform], n_levels: int) -> list[PolicyEntry]:
    """Turn transforms into operations of fixed strength.

    Parameters
    ----------
    transforms : list of Transform
        The candidates, whose classes are in the registry.
    n_levels : int
        Number of operations of each transform of continuous strength, equally spaced up to the end
        of the range. An on/off transform becomes one operation that is always applied.

    Returns
    -------
    operations : list of PolicyEntry
        The operations, in the order of the transforms.
    """
    operations = []
    for transform in transforms:
        name = type(transform).__name__
        if REGISTRY.get(name) is not type(transform):
            raise ValueError(f"{name} is not in eeginv.transforms.REGISTRY.")
        if transform.binary:
            config = {**transform.config(), "max_probability": 1.0}
            operations.append(PolicyEntry(name, 1.0, transform.unit, binary=True, config=config))
            continue
        for level in range(1, n_levels + 1):
            extent = transform.max_strength * level / n_levels
            operations.append(PolicyEntry(name, extent, transform.unit, config=transform.config()))
    return operations


def product_policy(
    operations: Sequence[PolicyEntry], weights: Sequence[Sequence[float]], probability: float
) -> Policy:
    """Return a policy whose layers choose independently among the same operations.

    Parameters
    ----------
    operations : list of PolicyEntry
        The operations.
    weights : list of list of float
        For each layer, the probabilities of the operations.
    probability : float
        Probability of augmenting at all.

    Returns
    -------
    policy : Policy
        A policy with one layer for each list of weights.
    """
    return Policy(
        (
            replace(operation, weight=round(weight, 7), layer=layer)
            for layer, layer_weights in enumerate(weights)
            for operation, weight in zip(operations, layer_weights, strict=True)
        ),
        probability,
    )


def sequence_policy(operations: Sequence[PolicyEntry], probabilities: Sequence[float]) -> Policy:
    """Return the policy of one sub-policy: a sequence of operations with probabilities.

    Parameters
    ----------
    operations : list of PolicyEntry
        The operations, in the order of application.
    probabilities : list of float
        Probability of applying each operation.

    Returns
    -------
    policy : Policy
        A policy with one layer for each operation. The extent of an on/off operation is its
        probability. Any other operation has a second entry of strength zero, which stands for not
        applying it.
    """
    entries = []
    for layer, (operation, probability) in enumerate(zip(operations, probabilities, strict=True)):
        if operation.binary:
            entries.append(replace(operation, extent=probability, layer=layer))
            continue
        entries.append(replace(operation, weight=probability, layer=layer))
        entries.append(replace(operation, extent=0.0, weight=1 - probability, layer=layer))
    return Policy(entries)


class Operations:
    """Applies operations, with one transform for all that differ in strength alone.

    Making a transform of many channels takes longer than applying it.

    Parameters
    ----------
    operations : list of PolicyEntry
        The operations.
    device : torch.device
        Device of the signals.

    Examples
    --------
    >>> import torch
    >>> from eeginv.search.operations import Operations, make_operations
    >>> from eeginv.transforms import SignFlip
    >>> operations = Operations(make_operations([SignFlip()], n_levels=1), torch.device("cpu"))
    >>> operations.apply(torch.ones(1, 1, 2), [0])
    tensor([[[-1., -1.]]])
    """

    def __init__(self, operations: Sequence[PolicyEntry], device: torch.device) -> None:
        made: dict[tuple[str, str], Transform] = {}
        for operation in operations:
            if _key(operation) not in made:
                made[_key(operation)] = make_transform(operation).to(device)
        self._steps = [(made[_key(operation)], operation.extent) for operation in operations]

    @torch.no_grad()
    def apply(self, X: Tensor, sequence: Sequence[int]) -> Tensor:
        """Apply operations to all signals, one after the other, without gradients.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.
        sequence : sequence of int
            Indices of the operations. Their draws are seeded from torch's global generator.

        Returns
        -------
        X_transformed : Tensor, same shape as X
            The transformed signals.
        """
        generator = torch.Generator(device=X.device)
        generator.manual_seed(int(torch.randint(2**62, ())))
        for index in sequence:
            transform, strength = self._steps[index]
            X = transform.transform(X, transform.draw(X, generator), strength)
        return X


def make_transform(operation: PolicyEntry, strength: float = 1.0) -> Transform:
    """Make the transform of an operation.

    Parameters
    ----------
    operation : PolicyEntry
        From :func:`make_operations`.
    strength : float
        Its initial strength, as a share of that of the operation. An on/off operation is always
        applied.

    Returns
    -------
    transform : Transform
        A new object.
    """
    cls = REGISTRY[operation.transform]
    extent = operation.extent * (1 if operation.binary else strength)
    return cls(**{cls.strength_name: extent}, **operation.config)


def _key(operation: PolicyEntry) -> tuple[str, str]:
    return operation.transform, repr(sorted(operation.config.items()))
