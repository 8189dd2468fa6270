"""Types in signatures, imported for type checking only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeAlias, TypeVar

import mne
import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.utils.data import Dataset

__all__ = [
    "ArrayLike",
    "Criterion",
    "Label",
    "ModuleList",
    "PathLike",
    "RandomState",
    "SignalsLike",
]

# Function of outputs and targets that returns one or several losses for each example.
Criterion: TypeAlias = Callable[[Tensor, Tensor], Tensor]
# Name or number of a class.
Label: TypeAlias = Any
PathLike: TypeAlias = str | os.PathLike[str]
RandomState: TypeAlias = int | np.random.Generator | np.random.RandomState | None
# Arrays, epochs of MNE, and windows datasets, their subsets, or lists of their items.
SignalsLike: TypeAlias = ArrayLike | mne.BaseEpochs | Dataset[Any] | list[Any]

Member = TypeVar("Member", bound=nn.Module)


class ModuleList(nn.ModuleList, Generic[Member]):
    """``nn.ModuleList`` with the type of its members."""

    def __getitem__(self, index: int) -> Member:  # type: ignore[override]
        raise NotImplementedError

    def __iter__(self) -> Iterator[Member]:
        raise NotImplementedError
