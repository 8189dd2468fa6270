"""Types that recur in signatures, imported for type checking alone."""

from __future__ import annotations

import os
from collections.abc import Hashable
from typing import Any, TypeAlias

import mne
import numpy as np
from numpy.typing import ArrayLike
from torch.utils.data import Dataset

__all__ = ["ArrayLike", "Label", "PathLike", "RandomState", "SignalsLike"]

Label: TypeAlias = Hashable
PathLike: TypeAlias = str | os.PathLike[str]
RandomState: TypeAlias = int | np.random.Generator | np.random.RandomState | None
# Arrays, epochs of MNE, and datasets of windows, whole, in parts, or as lists of their items.
SignalsLike: TypeAlias = ArrayLike | mne.BaseEpochs | Dataset[Any] | list[Any]
