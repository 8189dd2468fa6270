"""One candidate of a policy: a transform, how far, how often."""

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
        Name of the transform in ``eeginv.transforms.REGISTRY``, or of a user's own class.
    extent : float
        Strength in ``unit``; for an on/off transform, the probability with which it is applied
        once chosen.
    unit : str | None
        Physical unit of the extent. None takes that of the transform; "1" for a user's own class.
    weight : float
        Probability with which the layer chooses this candidate.
    layer : int
        Layers are applied one after the other.
    binary : bool | None
        Whether this is an on/off transform, such as time reversal, rather than one of some
        strength. None takes what the transform is; False for a user's own class.
    random_strength : bool
        Whether the strength is uniform in [0, extent] (always applied, if binary) rather than the
        extent itself.
    joint : bool
        Whether the layer applies all entries, each of weight 1, in one joint draw.
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
        # numbers of numpy become Python's, which JSON can hold
        for name in ("extent", "weight", "layer", "binary", "random_strength", "joint", "config"):
            object.__setattr__(self, name, plain(getattr(self, name)))
        if not (_is_number(self.extent) and self.extent >= 0):
            raise ValueError(
                f"extent of {self.transform} must be a number of at least 0, got {self.extent!r}."
            )
        if self.binary and not self.extent <= 1 + 1e-6:
            raise ValueError(
                f"extent of {self.transform}, which is there or not, is a probability; got "
                f"{self.extent!r}."
            )
        if not (_is_number(self.weight) and 0 <= self.weight <= 1 + 1e-6):
            raise ValueError(f"weight of {self.transform} must be in [0, 1], got {self.weight!r}.")
        if not (isinstance(self.layer, int) and self.layer >= 0):
            raise ValueError(f"layer of {self.transform} must be 0, 1, ..., got {self.layer!r}.")

    @property
    def role(self) -> str:
        """What the entry is for: "invariance" or "regularizer".

        An extent that was found says how far the label stays the same ("invariance"), unless the
        transform takes information away, such as noise, masks and dropout, or its strength is
        merely drawn at random ("regularizer"): a network can be trained with these whether or not
        the label depends on what they take.
        """
        from ..transforms.registry import loses_information  # loads torch

        drawn = self.random_strength or loses_information(self.transform)
        return "regularizer" if drawn else "invariance"

    @property
    def probability(self) -> float:
        """Probability with which the transform is applied once it is chosen.

        Zero at an extent of zero, which leaves signals as they are.
        """
        if self.binary and not self.random_strength:
            return self.extent
        return float(self.binary or self.extent > 0)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
