"""AugNet: layers of learnable transforms in front of a network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from .base import Augmentation
from .candidates import list_transforms
from .constants import as_constants
from .diagnosis import check_displacements
from .layer import AugmentationLayer
from .reward import REWARDS, Reward
from .stream import is_distributed
from .undo import NO_UNDO, Undo

if TYPE_CHECKING:
    from ..transforms import Transform


class AugNet(Augmentation):
    """Learn which transforms leave the label unchanged, and how far [1]_.

    A sequence of layers, each of which draws one transform per example. Choices, probabilities and
    strengths are learned together with the network, from the training loss minus a reward for wide
    distributions. Harmless transforms become stronger; transforms that destroy the label weaker.

    Parameters
    ----------
    transforms : list of Transform | list of list of Transform
        Candidates, or a list of candidates for each layer. They are copied.
    n_layers : int | None
        For a flat list: None makes one layer for each family of transforms (temporal, amplitude,
        ...), so that transforms of one family compete and those of different families combine. An
        integer makes that many layers, each with all candidates.
    penalty : float
        Weight of the reward against the mean loss of an example.
    reward : str | callable
        "orbit_length" (measured in the data), "weighted_norm" (the paper's), or a callable with
        the signature of :class:`~eeginv.augmentation.OrbitLength`.
    warmup : float
        Share of the training in which the distribution is fixed while the network learns under it.
        Before the network can learn to ignore a transform, the loss that the transform causes says
        nothing about the labels. Training loops report their progress by :meth:`set_progress`;
        without it there is no warm-up. Frozen parameters (``requires_grad_(False)``) stay frozen
        afterwards.
    random_state : int | None
        Seed of all draws.

    Attributes
    ----------
    layers : nn.ModuleList
        The :class:`~eeginv.augmentation.AugmentationLayer` objects.

    Notes
    -----
    The implementation differs from the published code where that was found to fail. Each example
    has its own choice in training and evaluation. A signal is never a weighted sum of several
    transformed ones. No probability is frozen and no strength is clamped. All draws come from one
    saved random stream, which evaluation does not advance. The reward is measured in the data.

    References
    ----------
    .. [1] Rommel, C., Moreau, T., & Gramfort, A. (2022). Deep invariant networks with
       differentiable augmentation layers. NeurIPS.

    Examples
    --------
    >>> import torch
    >>> from eeginv import AugNet, InvariantModule
    >>> from eeginv.transforms import SignFlip, TimeReverse
    >>> backbone = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(20, 3))
    >>> model = InvariantModule(backbone, AugNet([TimeReverse(0.1), SignFlip(0.1)]))
    >>> model(torch.zeros(4, 2, 10)).shape
    torch.Size([4, 3])
    """

    _held = False

    def __init__(
        self,
        transforms: Iterable[Transform] | Iterable[Iterable[Transform]],
        n_layers: int | None = None,
        penalty: float = 0.02,
        reward: str | Reward = "orbit_length",
        warmup: float = 0.0,
        random_state: int | None = None,
    ) -> None:
        per_layer = _arrange(list_transforms(transforms), n_layers)
        if not penalty >= 0:
            raise ValueError(f"penalty must be at least 0, got {penalty}.")
        if not callable(reward) and reward not in REWARDS:
            raise ValueError(
                f"reward must be one of {sorted(REWARDS)} or a callable, got {reward!r}."
            )
        if not 0 <= warmup <= 1:
            raise ValueError(f"warmup is a share of the training, from 0 to 1; got {warmup}.")
        super().__init__(self._make_layers(per_layer), random_state=random_state)
        self.warmup = float(warmup)
        self.penalty = float(penalty)
        self._calibrated: bool | None = None
        self._reward = reward if callable(reward) else REWARDS[reward]()
        for index, layer in enumerate(self.layers):
            empty = torch.full((len(layer.transforms),), torch.nan)
            self.register_buffer(f"displacement_{index}", empty)

    def _make_layers(self, per_layer: list[list[Transform]]) -> list[AugmentationLayer]:
        return [AugmentationLayer(transforms) for transforms in per_layer]

    @property
    def displacements(self) -> list[Tensor]:
        """Displacement of the data by the transforms of each layer, a list of tensors."""
        return [getattr(self, f"displacement_{index}") for index in range(len(self.layers))]

    def calibrate(self, X: Tensor) -> Self:
        """Measure how far each transform moves the signals.

        Training calls this with the first batch that has measurable signals. Batches without any,
        such as the zeros of a dry run, are skipped.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Training signals. Examples that are not finite, or all zero, are ignored.

        Returns
        -------
        self : AugNet
            The object itself.

        Raises
        ------
        ValueError
            If all signals are zero, or the same constant, or not finite; or if the displacement of
            a transform is not finite. The message names that transform.
        """
        measurable = _measurable(X)
        if not len(measurable):
            raise ValueError(
                "There is nothing to measure in these signals: all of them are zero, or the same "
                "constant, or not finite. Calibrate with training signals."
            )
        self._measure(measurable)
        return self

    def _measure(self, X: Tensor) -> None:
        generator = self.stream.fixed(X.device)
        for layer, buffer in zip(self.layers, self.displacements, strict=True):
            values = [transform.displacement(X, generator) for transform in layer.transforms]
            check_displacements(layer, values, X)
            buffer.copy_(torch.tensor(values))
        self._calibrated = True  # all displacements are finite

    def sample(
        self, X: Tensor, generator: torch.Generator | None = None, undo: Undo = NO_UNDO
    ) -> tuple[Tensor, Tensor | None]:
        # without gradients nothing is learned, and the signals may not be training signals
        if torch.is_grad_enabled() and not self.calibrated and X.ndim == 3:
            measurable = _measurable(X)
            if len(measurable):
                self._measure(measurable)
        with as_constants(self, self._held):
            return super().sample(X, generator, undo)

    @property
    def calibrated(self) -> bool:
        """Whether the displacements have been measured."""
        # cached, because it synchronises with the device; but under DistributedDataParallel the
        # first process broadcasts its buffers to the others
        if self._calibrated is None or is_distributed():
            self._calibrated = not any(bool(d.isnan().any()) for d in self.displacements)
        return self._calibrated

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._calibrated = None

    def set_progress(self, fraction: float) -> None:
        """Fix the distribution during the warm-up, and learn it afterwards.

        Parameters
        ----------
        fraction : float
            0 at the start of the training, 1 at the end.
        """
        held = fraction < self.warmup
        if held and not self._held:  # optimisers skip parameters without a gradient
            for parameter in self.parameters():
                parameter.grad = None
        self._held = held

    @property
    def held(self) -> bool:
        """Whether the warm-up is in progress, in which the distribution is fixed."""
        return self._held

    def reward(self) -> Tensor | None:
        """Return the reward for a wide distribution, which is subtracted from the loss.

        Returns
        -------
        reward : Tensor | None
            A scalar, at least 0. It is 0 until the displacements have been measured. None during
            the warm-up, and if all parameters are frozen.
        """
        if self._held or not any(p.requires_grad for p in self.parameters()):
            return None
        if not self.calibrated:
            return self.layers[0].logits.new_zeros(())
        return self.penalty * self._reward(self.layers, self.displacements)


def _measurable(X: Tensor) -> Tensor:
    """Return the signals in which a displacement can be measured, possibly none."""
    X = X.detach()
    finite = torch.isfinite(X).flatten(1).all(dim=1)
    used = finite & (X != 0).flatten(1).any(dim=1)
    if not used.all():
        X = X[used]
    varies = (X != X[..., :1]).any() or (X != X[:1]).any()
    return X if varies else X[:0]


def _arrange(transforms: list[Any], n_layers: int | None) -> list[list[Transform]]:
    """Distribute the candidates over layers."""
    if transforms and isinstance(transforms[0], (list, tuple)):
        if n_layers not in (None, len(transforms)):
            raise ValueError(
                f"n_layers ({n_layers}) contradicts the {len(transforms)} lists of transforms."
            )
        return transforms
    if n_layers is None:
        families: dict[str, list[Transform]] = {}
        for transform in transforms:
            families.setdefault(getattr(transform, "family", "other"), []).append(transform)
        return list(families.values()) or [[]]
    if n_layers < 1:
        raise ValueError(f"n_layers must be at least 1, got {n_layers}.")
    return [transforms] * n_layers
