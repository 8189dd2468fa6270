"""Entry of a policy: a transform with its strength and its weight."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._json import plain


@dataclass(frozen=True)
class PolicyEntry:
    """One candidate of one layer of a policy.

    Parameters
    ----------
    transform : str
        Name of the transform in ``eeginv.transforms.REGISTRY``, or of a user-defined class.
    extent : float
        Strength in ``unit``. For an on/off transform, the probability with which it is applied once
        chosen.
    unit : str | None
        Physical unit of the extent. None takes that of the transform, or "1" for a user-defined
        class.
    weight : float
        Probability with which the layer chooses this candidate.
    layer : int
        Index of the layer, from 0. Layers are applied in this order.
    binary : bool | None
        Whether this is an on/off transform, such as time reversal. None takes the value of the
        transform, or False for a user-defined class.
    random_strength : bool
        Whether the strength is drawn uniformly from [0, extent], instead of being the extent. An
        on/off transform is then always applied.
    joint : bool
        Whether the layer applies all its entries in one joint draw. Each then has weight 1.
    config : dict
        Further constructor arguments of the transform.

    Examples
    --------
    >>> from eeginv import PolicyEntry
    >>> PolicyEntry("SignFlip", 0.5).binary
    True
    >>> PolicyEntry("FrequencyShift", 0.6, config={"sfreq": 100.0}).unit
    'Hz'
    """

    transform: str
    extent: float
    unit: str | None = None
    weight: float = 1.0
    layer: int = 0
    binary: bool | None = None
    random_strength: bool = False
    joint: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.unit is None or self.binary is None:
            from ..transforms.registry import kind_of  # loads torch

            unit, binary = kind_of(self.transform)
            object.__setattr__(self, "unit", unit if self.unit is None else self.unit)
            object.__setattr__(self, "binary", binary if self.binary is None else self.binary)
        if not isinstance(self.config, Mapping):
            raise TypeError(f"config of {self.transform} must be a dict, got {self.config!r}.")
        # convert numpy numbers to Python numbers, which can be saved as JSON
        for name in ("extent", "weight", "layer", "binary", "random_strength", "joint", "config"):
            object.__setattr__(self, name, plain(getattr(self, name)))
        if not (_is_number(self.extent) and self.extent >= 0):
            raise ValueError(
                f"extent of {self.transform} must be a number of at least 0, got {self.extent!r}."
            )
        if self.binary and not self.extent <= 1 + 1e-6:
            raise ValueError(
                f"extent of {self.transform}, an on/off transform, is a probability; got "
                f"{self.extent!r}."
            )
        if not (_is_number(self.weight) and 0 <= self.weight <= 1 + 1e-6):
            raise ValueError(f"weight of {self.transform} must be in [0, 1], got {self.weight!r}.")
        if not (isinstance(self.layer, int) and self.layer >= 0):
            raise ValueError(f"layer of {self.transform} must be 0, 1, ..., got {self.layer!r}.")

    @property
    def role(self) -> str:
        """Role of the entry, "invariance" or "regularizer".

        With the role "invariance", a learned extent is evidence that the label does not change up
        to this strength. The role is "regularizer" if the transform removes information, such as
        noise, masks and dropout, or if its strength is drawn at random. Such an entry is no
        evidence, because a network can be trained with it even if the label depends on the removed
        information.
        """
        from ..transforms.registry import loses_information  # loads torch

        drawn = self.random_strength or loses_information(self.transform)
        return "regularizer" if drawn else "invariance"

    @property
    def probability(self) -> float:
        """Probability with which the transform is applied once it is chosen.

        It is zero for an extent of zero, which does not change signals.
        """
        if self.binary and not self.random_strength:
            return self.extent
        return float(self.binary or self.extent > 0)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
