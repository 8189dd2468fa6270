"""Conversion of transforms from and to Braindecode."""

from __future__ import annotations

import copy

import numpy as np
import torch
from braindecode.augmentation import Transform as BraindecodeTransform
from torch import Tensor

from ..augmentation import Augmentation, PolicyAugmentation
from ..policy import Policy
from ..transforms import BinaryTransform, Transform
from ..transforms.draws import Draws, Noise

# Transforms that change labels, or combine signals of several examples.
MIX_EXAMPLES = {"Mixup", "SegmentationReconstruction"}


def from_braindecode(
    transform: BraindecodeTransform, probability: float | None = None, max_probability: float = 1.0
) -> Transform:
    """Wrap a transform of Braindecode as a candidate of fixed strength.

    The probability of applying it can be learned.

    Parameters
    ----------
    transform : braindecode.augmentation.Transform
        A transform that treats examples independently and keeps labels. ``Mixup`` and
        ``SegmentationReconstruction`` do not. The members of a ``Compose`` must be wrapped one by
        one. The transform is copied.
    probability : float | None
        Initial probability with which an example is transformed. None takes that of the transform.
    max_probability : float
        Largest probability.

    Returns
    -------
    transform : Transform
        The transform, with the name of the wrapped one. Braindecode's transforms draw random
        numbers with numpy. To be reproducible, examples are therefore transformed one after the
        other on the CPU, each with its own generator. This is slow. If ``eeginv.transforms`` has a
        transform of the same name, it is faster and its strength can be learned.

    Examples
    --------
    >>> import torch
    >>> from braindecode.augmentation import MaskEncoding
    >>> from eeginv.adapters import from_braindecode
    >>> t = from_braindecode(MaskEncoding(probability=0.5))
    >>> t
    MaskEncoding(probability=0.5)
    >>> t(torch.ones(4, 2, 100)).shape
    torch.Size([4, 2, 100])
    """
    return _FromBraindecode(transform, probability, max_probability)


class _FromBraindecode(BinaryTransform):
    family = "other"

    def __init__(
        self, transform: BraindecodeTransform, probability: float | None, max_probability: float
    ) -> None:
        if not isinstance(transform, BraindecodeTransform):
            raise TypeError(f"Expected a transform of Braindecode, got {type(transform).__name__}.")
        name = type(transform).__name__
        if name in MIX_EXAMPLES:
            raise ValueError(f"{name} combines several examples and cannot be wrapped.")
        if not hasattr(transform, "operation"):
            raise ValueError(f"{name} is a sequence of transforms: wrap each of them.")
        super().__init__(
            transform.probability if probability is None else probability, max_probability
        )
        self.wrapped = copy.deepcopy(transform)

    @property
    def name(self) -> str:
        return type(self.wrapped).__name__

    def __repr__(self) -> str:
        return f"{self.name}({self.extra_repr()})"

    def _draw(self, draws: Draws) -> Noise:
        return {"uniform": draws.uniform(), "seed": draws.uniform()}

    def _transform(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        applied = (noise["uniform"] < strength.reshape(-1)).expand(len(X)).tolist()
        seeds = (noise["seed"].expand(len(X)) * 2**24).to(torch.int64).tolist()
        rows = [
            self._one(X[i : i + 1], seeds[i]) if applied[i] else X[i : i + 1] for i in range(len(X))
        ]
        return torch.cat(rows)

    def _one(self, X: Tensor, seed: int) -> Tensor:
        self.wrapped.rng = np.random.RandomState(seed)
        y = torch.zeros(1, device=X.device)
        options = self.wrapped.get_augmentation_params(X, y)
        try:
            return self.wrapped.operation(X, y, **options)[0].to(X.dtype)
        except RuntimeError as error:
            if not X.requires_grad:
                raise
            raise RuntimeError(
                f"Braindecode's {self.name} cannot be differentiated ({error}). Put it into the "
                "first layer, before transforms whose strength is learned."
            ) from error


def to_braindecode(
    transform: Transform | Policy | Augmentation,
    probability: float = 1.0,
    random_state: int | np.random.RandomState | None = None,
) -> BraindecodeTransform:
    """Make a transform for Braindecode's ``AugmentedDataLoader``.

    Parameters
    ----------
    transform : Transform | Policy | Augmentation
        A transform of eeginv at its current strength, a policy, or an augmentation. It is copied.
    probability : float
        Probability with which an example is transformed.
    random_state : int | numpy.random.RandomState | None
        Seed, as for all transforms of Braindecode. In a data loader with several workers, the seed
        of the worker is added, so that workers and epochs draw different numbers. In Braindecode's
        own transforms, they draw the same ones.

    Returns
    -------
    transform : braindecode.augmentation.Transform
        The transform. It takes and returns signals, or signals and labels.

    Examples
    --------
    >>> import torch
    >>> from eeginv.adapters import to_braindecode
    >>> from eeginv.transforms import SignFlip
    >>> t = to_braindecode(SignFlip(0.5), random_state=0)
    >>> X, y = t(torch.ones(4, 2, 100), torch.arange(4))
    >>> y.tolist()
    [0, 1, 2, 3]
    """
    if isinstance(transform, Policy):
        transform = PolicyAugmentation(transform, random_state=0)
    if not isinstance(transform, (Transform, Augmentation)):
        raise TypeError(
            f"Expected an eeginv transform, policy or augmentation, got {type(transform).__name__}."
        )
    return _ToBraindecode(transform, probability, random_state)


class _ToBraindecode(BraindecodeTransform):
    def __init__(
        self,
        transform: Transform | Augmentation,
        probability: float,
        random_state: int | np.random.RandomState | None,
    ) -> None:
        super().__init__(probability=probability, random_state=random_state)
        self.transform = copy.deepcopy(transform).requires_grad_(False)

    def get_augmentation_params(self, *batch: Tensor) -> dict[str, int]:
        seed = int(self.rng.randint(2**31))
        worker = torch.utils.data.get_worker_info()
        return {"seed": seed if worker is None else seed + worker.seed}

    def operation(self, X: Tensor, y: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator(X.device).manual_seed(seed % 2**63)
        if isinstance(self.transform, Transform):
            return self.transform(X, generator), y
        return self.transform.sample(X, generator)[0], y
