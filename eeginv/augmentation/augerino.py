"""Augerino: all transforms in sequence, each with its own learned extent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .augnet import AugNet
from .candidates import list_transforms
from .joint import joint_layers

if TYPE_CHECKING:
    from ..transforms import Transform
    from .layer import AugmentationLayer
    from .reward import Reward


class Augerino(AugNet):
    """Learn how far each of several transforms leaves the label unchanged [1]_.

    All transforms are applied to every example, one after the other. Each has its own strength or
    probability. Unlike :class:`AugNet`, no transform is chosen, so harmless transforms do not
    compete with each other. The cost grows with the number of transforms.

    Parameters
    ----------
    transforms : list of Transform
        Applied in this order. They are copied.
    penalty : float
        Weight of the reward against the mean loss of an example.
    reward : str | callable
        "orbit_length" (measured in the data), "weighted_norm" (as in the paper: the norm of all
        strengths, each divided by the end of its range), or a callable with the signature of
        :class:`~eeginv.augmentation.OrbitLength`.
    warmup : float
        Share of the training in which the extents keep their initial values; see :class:`AugNet`.
    random_state : int | None
        Seed of all draws.
    joint : bool
        Whether to draw transforms that generate a group jointly, through one matrix exponential,
        at the position of the first of them. :class:`JointLayer` lists the groups. If False, each
        transform is applied separately.

    Notes
    -----
    The published code draws the six affine transforms of an image jointly. With ``joint=False``,
    transforms of a group that do not commute (a time shift and a dilation, two rotations) act in
    the given order, and together cover a slightly different set.

    References
    ----------
    .. [1] Benton, G., Finzi, M., Izmailov, P., & Wilson, A. G. (2020). Learning invariances in
       neural networks from training data. NeurIPS.

    Examples
    --------
    >>> from eeginv import Augerino
    >>> from eeginv.transforms import FrequencyShift, SignFlip
    >>> augmentation = Augerino([FrequencyShift(sfreq=100, magnitude=0.2), SignFlip(0.1)])
    >>> augmentation.policy().by_transform()["extent"].round(2).to_dict()
    {'FrequencyShift': 0.2, 'SignFlip': 0.1}

    Rotations of the head about any axis, with one joint draw of the three angles:

    >>> from eeginv.transforms import SensorsXRotation, SensorsYRotation, SensorsZRotation
    >>> names = ["Fz", "C3", "Cz", "C4", "Pz", "O1", "O2", "P7", "P8"]
    >>> axes = (SensorsXRotation, SensorsYRotation, SensorsZRotation)
    >>> len(Augerino([axis(names) for axis in axes], joint=True).layers)
    1
    """

    def __init__(
        self,
        transforms: Sequence[Transform],
        penalty: float = 0.02,
        reward: str | Reward = "orbit_length",
        warmup: float = 0.0,
        random_state: int | None = None,
        joint: bool = False,
    ) -> None:
        self._joint = bool(joint)
        chain = [[transform] for transform in list_transforms(transforms)]
        super().__init__(
            chain, penalty=penalty, reward=reward, warmup=warmup, random_state=random_state
        )

    def _make_layers(self, per_layer: list[list[Transform]]) -> list[AugmentationLayer]:
        if not self._joint:
            return super()._make_layers(per_layer)
        return joint_layers([transform for transforms in per_layer for transform in transforms])
