"""Operations: transforms of fixed strength, which a search chooses among."""

from dataclasses import replace

import torch

from ..policy import Policy, PolicyEntry
from ..transforms import REGISTRY


def make_operations(transforms, n_levels):
    """Turn transforms into operations of fixed strength.

    Parameters
    ----------
    transforms : list of Transform
        The candidates, members of the registry.
    n_levels : int
        Levels of those of continuous strength, equally spaced up to the end of the range;
        transforms that are there or not give one operation, always applied.

    Returns
    -------
    operations : list of PolicyEntry
        In the order of the transforms.
    """
    operations = []
    for transform in transforms:
        name = type(transform).__name__
        if REGISTRY.get(name) is not type(transform):
            raise ValueError(f"{name} is not in eeginv.transforms.REGISTRY.")
        if transform.strength_name == "probability":
            config = {**transform.config(), "max_probability": 1.0}
            operations.append(PolicyEntry(name, 1.0, transform.unit, binary=True, config=config))
            continue
        for level in range(1, n_levels + 1):
            extent = transform.max_magnitude * level / n_levels
            operations.append(PolicyEntry(name, extent, transform.unit, config=transform.config()))
    return operations


def product_policy(operations, weights, probability):
    """Return the policy of independent choices, one of all operations in each layer.

    Parameters
    ----------
    operations : list of PolicyEntry
        What there is to choose from.
    weights : list of list of float
        Probabilities of the operations, for each layer.
    probability : float
        Of augmenting at all.

    Returns
    -------
    policy : Policy
        With as many layers as lists of weights.
    """
    entries = [
        PolicyEntry(
            operation.transform,
            operation.extent,
            operation.unit,
            weight=round(weight, 7),
            layer=layer,
            binary=operation.binary,
            config=operation.config,
        )
        for layer, of_layer in enumerate(weights)
        for operation, weight in zip(operations, of_layer, strict=True)
    ]
    return Policy(entries, probability)


def sequence_policy(operations, probabilities):
    """Return the policy of one sub-policy: operations in a row, each applied or not.

    Parameters
    ----------
    operations : list of PolicyEntry
        What to apply, in order.
    probabilities : list of float
        With which each is applied.

    Returns
    -------
    policy : Policy
        One layer an operation. What has a strength is drawn against strength zero; what is there
        or not has its probability as its extent.
    """
    entries = []
    for layer, (operation, probability) in enumerate(zip(operations, probabilities, strict=True)):
        if operation.binary:
            entries.append(replace(operation, extent=probability, layer=layer))
            continue
        entries.append(replace(operation, weight=probability, layer=layer))
        entries.append(replace(operation, extent=0.0, weight=1 - probability, layer=layer))
    return Policy(entries)


def apply_operations(X, operations):
    """Apply operations to all signals, one after the other, without gradients.

    Parameters
    ----------
    X : Tensor, shape (n_examples, n_channels, n_times)
        Signals.
    operations : list of PolicyEntry
        What to apply; draws come from torch's (isolated) generator.

    Returns
    -------
    X_transformed : Tensor, same shape as X
        The transformed signals.
    """
    generator = torch.Generator(device=X.device)
    generator.manual_seed(int(torch.randint(2**62, ())))
    with torch.no_grad():
        for operation in operations:
            cls = REGISTRY[operation.transform]
            transform = cls(**{cls.strength_name: operation.extent}, **operation.config)
            X = transform.to(X.device)(X, generator)
    return X
