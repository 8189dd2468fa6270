"""Learned invariances, combined with random augmentation that fades out during training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .augnet import AugNet
from .candidates import check_transforms
from .fixed import TrivialAugment
from .undo import NO_UNDO, Undo

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..transforms import Transform
    from .reward import Reward


class RegularizedAugNet(AugNet):
    """Learn invariances while random augmentation regularises the network.

    One objective cannot do both. Transforms that preserve the label (reversals, shifts, gains,
    rotations) are learned from the training loss, as in :class:`AugNet`. Transforms that remove
    information (noise, masks, dropout, random phases) always increase the training loss and would
    be unlearned, so they serve as a regulariser. Until ``fade``, every example also undergoes one
    of these at random strength, as in :class:`TrivialAugment` [1]_. From then on the share of such
    examples decreases, so that training ends on signals like those at prediction. Predictions are
    averaged over the learned invariances only, and policies contain only these.

    Parameters
    ----------
    transforms : list of Transform
        Candidates; they are copied. Those whose ``loses_information`` is False are learned. The
        others are the regulariser.
    n_layers : int
        Number of learned layers.
    penalty : float
        Weight of the reward against the mean loss of an example.
    reward : str | callable
        As in :class:`AugNet`.
    warmup : float
        Share of the training in which the learned layers keep their initial values.
    fade : float
        Share of the training after which the random augmentation fades out, linearly to the end.
        Training loops report their progress by :meth:`set_progress`; without it there is no fading.
    random_state : int | None
        Seed of all draws.

    Attributes
    ----------
    layers : nn.ModuleList
        The learned layers.
    regularizer : TrivialAugment
        The random augmentation; ``probability`` is the share of examples that undergo it.

    Raises
    ------
    ValueError
        If there are no candidates of one of the two kinds.

    References
    ----------
    .. [1] Mueller, S. G., & Hutter, F. (2021). TrivialAugment: Tuning-free yet state-of-the-art
       data augmentation. ICCV.

    Examples
    --------
    >>> from eeginv.augmentation import RegularizedAugNet
    >>> from eeginv.transforms import GaussianNoise, SignFlip
    >>> augmentation = RegularizedAugNet([SignFlip(0.2), GaussianNoise(0.1, 0.5)])
    >>> [entry.transform for entry in augmentation.policy().entries]
    ['SignFlip']
    >>> [entry.transform for entry in augmentation.regularizer.policy().entries]
    ['GaussianNoise']
    """

    def __init__(
        self,
        transforms: Sequence[Transform],
        n_layers: int = 1,
        penalty: float = 0.02,
        reward: str | Reward = "orbit_length",
        warmup: float = 0.4,
        fade: float = 0.5,
        random_state: int | None = None,
    ) -> None:
        transforms = check_transforms(transforms)
        if not 0 <= fade < 1:
            raise ValueError(f"fade is a share of the training, from 0 to below 1; got {fade}.")
        learned = [t for t in transforms if not t.loses_information]
        random = [t for t in transforms if t.loses_information]
        if not learned:
            raise ValueError(
                "All candidates take information away, so no invariance can be learned: add some "
                "that do not, such as SignFlip, or use augmentation='trivial'."
            )
        if not random:
            raise ValueError(
                "No candidate takes information away, so nothing can regularise: add some that do, "
                "such as GaussianNoise, or use augmentation='augnet'."
            )
        super().__init__(learned, n_layers, penalty, reward, warmup, random_state)
        self.fade = float(fade)
        self.regularizer = TrivialAugment(random, random_state)

    def _sample(
        self, X: Tensor, generator: torch.Generator, undo: Undo = NO_UNDO
    ) -> tuple[Tensor, Tensor | None]:
        transformed, log_prob = super()._sample(X, generator, undo)
        transformed, _ = self.regularizer.sample(transformed, generator, undo)
        return transformed, log_prob

    def set_progress(self, fraction: float) -> None:
        """Fix the distribution during the warm-up, and fade the random augmentation out.

        Parameters
        ----------
        fraction : float
            0 at the start of the training, 1 at the end.
        """
        super().set_progress(fraction)
        self.regularizer.probability = min(1.0, max(0.0, (1 - fraction) / (1 - self.fade)))
