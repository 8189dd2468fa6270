"""A layer that draws several transforms at once, as one element of the group they generate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..transforms.draws import Noise
from ..transforms.group import TransformGroup, make_group
from .layer import AugmentationLayer
from .log_prob import NO_LOG_PROB, LogProb
from .undo import NO_UNDO, Map, Undo

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..transforms import Transform


class JointLayer(AugmentationLayer):
    """Apply several transforms of a group to each example, jointly [1]_.

    All coordinates are drawn at once, each uniform up to its own extent in its own unit. The map is
    the matrix exponential of the sum of coordinates times generators. Unlike in an
    :class:`AugmentationLayer`, no transform is chosen. Unlike in a sequence of layers, the order of
    the transforms has no effect. The groups are

    - "time": :class:`~eeginv.transforms.TimeShift` and
      :class:`~eeginv.transforms.TimeWarp` with ``shape="dilation"``, which generate the affine
      maps of time (matrices of shape (2, 2));
    - "sensors": the rotations about the three axes, such as
      :class:`~eeginv.transforms.SensorsXRotation`, which generate all rotations of the head
      (matrices of shape (3, 3));
    - "channels": :class:`~eeginv.transforms.AmplitudeScale` and
      :class:`~eeginv.transforms.ChannelsGenerator`, with user-defined matrices of shape
      (n_channels, n_channels).

    Parameters
    ----------
    transforms : list of Transform
        Transforms of one group. They are copied.

    Notes
    -----
    The coordinate of a dilation is the logarithm of the speed. As in
    :class:`~eeginv.transforms.TimeWarp`, the speed is uniform; all other coordinates are uniform.

    References
    ----------
    .. [1] Benton, G., Finzi, M., Izmailov, P., & Wilson, A. G. (2020). Learning invariances in
       neural networks from training data. NeurIPS.

    Examples
    --------
    >>> import torch
    >>> from eeginv.augmentation import Augmentation, JointLayer
    >>> from eeginv.transforms import TimeShift, TimeWarp
    >>> layer = JointLayer([TimeShift(100, 0.1), TimeWarp(0.1, shape="dilation")])
    >>> augmentation = Augmentation([layer], random_state=0)
    >>> augmentation(torch.randn(4, 2, 300)).shape
    torch.Size([4, 2, 300])
    >>> augmentation.policy().by_transform()["extent"].to_dict()
    {'TimeShift': 0.1, 'TimeWarp': 0.1}
    """

    joint = True

    def __init__(self, transforms: Sequence[Transform]) -> None:
        super().__init__(transforms)
        make_group(self.transforms)  # raises an error if they do not form a group

    @property
    def weights(self) -> Tensor:
        """Weight of one for each transform, because all of them are applied."""
        return self.logits.new_ones(len(self.transforms))

    def sample(
        self,
        X: Tensor,
        generator: torch.Generator,
        undo: Undo = NO_UNDO,
        log_prob: LogProb = NO_LOG_PROB,
        strengths: Sequence[Tensor] | None = None,
    ) -> Tensor:
        group = make_group(self.transforms)
        noises = [transform.draw(X, generator) for transform in self.transforms]
        if not group.keeps_time:
            undo.add(lambda output, n_times: group.undo(output, noises, n_times))
        return group.transform(X, noises, strengths)

    def fixed_draws(
        self, template: Tensor, points: Tensor, generator: torch.Generator
    ) -> list[Map]:
        several = template.expand(len(points), -1, -1)
        noises = [t.draw(several, generator, stratified=True) for t in self.transforms]
        return [
            _JointMap(
                make_group(self.transforms),
                [{name: value[c : c + 1] for name, value in noise.items()} for noise in noises],
            )
            for c in range(len(points))
        ]


class _JointMap:
    """A group of transforms with fixed draws."""

    def __init__(self, group: TransformGroup, noises: Sequence[Noise]) -> None:
        self.group, self.noises = group, noises
        self.keeps_time = group.keeps_time

    def _draws_on(self, device: torch.device) -> list[Noise]:
        return [{name: value.to(device) for name, value in n.items()} for n in self.noises]

    def __call__(self, X: Tensor) -> Tensor:
        return self.group.transform(X, self._draws_on(X.device))

    def undo(self, output: Tensor, n_times: int | None) -> Tensor:
        return self.group.undo(output, self._draws_on(output.device), n_times)


def joint_layers(transforms: Iterable[Transform]) -> list[AugmentationLayer]:
    """Arrange transforms in a sequence of layers, with one layer for each group.

    Parameters
    ----------
    transforms : iterable of Transform
        The transforms. Those of a group move to the position of the first of them.

    Returns
    -------
    layers : list of AugmentationLayer
        Joint layers for groups of several transforms.
    """
    together: dict[int | str, list[Transform]] = {}
    for number, transform in enumerate(transforms):
        key = getattr(transform, "group", None)
        together.setdefault(number if key is None else key, []).append(transform)
    return [JointLayer(t) if len(t) > 1 else AugmentationLayer(t) for t in together.values()]
