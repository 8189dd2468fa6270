"""Groups of transforms that are drawn jointly, by one matrix exponential."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache, reduce
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .draws import Noise, as_batch
from .exponential import matrix_exponential
from .generator import mix_channels
from .montage import channel_positions
from .precision import full_precision, in_double
from .splines import spline_coefficients, spline_kernel
from .strength import Strength
from .temporal import TimeShift, TimeWarp

if TYPE_CHECKING:
    from .base import Transform


class TransformGroup:
    """Transforms that are drawn jointly, as an element of the group that they generate [1]_.

    Each transform has a generator ``G_i``, a small matrix, and a coordinate ``c_i``, which is drawn
    by :meth:`Transform.draw` and scaled by its strength. The signals are transformed by
    ``expm(sum_i c_i G_i)``, which does not depend on the order of the transforms. If the transforms
    commute, or all but one coordinate are zero, this equals applying them one after the other.

    Parameters
    ----------
    members : iterable of Transform
        The transforms, all of one ``group``.

    Raises
    ------
    ValueError
        If the transforms do not generate one group.

    See Also
    --------
    make_group : Make the group of a list of transforms.

    References
    ----------
    .. [1] Benton, G., Finzi, M., Izmailov, P., & Wilson, A. G. (2020). Learning invariances in
       neural networks from training data. NeurIPS.
    """

    keeps_time = True

    def __init__(self, members: Iterable[Transform]) -> None:
        self.members = list(members)

    def element(
        self, X: Tensor, noises: Sequence[Noise], strengths: Sequence[Strength] | None = None
    ) -> Tensor:
        """Return the drawn elements of the group as matrices.

        Parameters
        ----------
        X : Tensor, shape (n_examples, ..., ...)
            Signals or outputs. Only number of channels, dtype and device are used.
        noises : list of dict
            Draws of each transform.
        strengths : list of Tensor | None
            Strength of each transform. None takes those of the transforms.

        Returns
        -------
        element : Tensor, shape (n_examples or 1, d, d)
            Exponentials of the sum of the scaled generators.
        """
        strengths = [None] * len(self.members) if strengths is None else strengths
        generators = [
            member._algebra(X, noise, member._strength_for(X, strength))
            for member, noise, strength in zip(self.members, noises, strengths, strict=True)
        ]
        return matrix_exponential(reduce(torch.add, generators))

    def transform(
        self, X: Tensor, noises: Sequence[Noise], strengths: Sequence[Strength] | None = None
    ) -> Tensor:
        """Transform signals with given draws.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals. For half precision, the computation is in float32.
        noises : list of dict
            Draws of each transform, with one row, or one row per example.
        strengths : list of Tensor | None
            Strength of each transform. None takes those of the transforms.

        Returns
        -------
        X_transformed : Tensor, same shape, dtype and device as X
            The transformed signals.
        """
        batch, single = as_batch(X)
        exact = batch if batch.dtype == torch.float64 else batch.float()
        with full_precision(X.device):
            out = self._act(exact, self.element(exact, noises, strengths)).to(X.dtype)
        return out.squeeze(0) if single else out

    def undo(self, output: Tensor, noises: Sequence[Noise], n_times: int | None = None) -> Tensor:
        """Map an output along time back to the times of the signal before the transform.

        Parameters
        ----------
        output : Tensor, shape (n_examples, n_outputs, ..., n_positions)
            Output of a network for the transformed signals.
        noises : list of dict
            Draws with which the signals were transformed.
        n_times : int | None
            Length of the signals in samples. None if there is one position for each sample.

        Returns
        -------
        output : Tensor, same shape and dtype
            Output at the positions of the original signal. See :meth:`Transform.undo`.
        """
        return output

    def _act(self, X: Tensor, element: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} does not define _act.")


class ChannelGroup(TransformGroup):
    """Group of matrices of shape (n_channels, n_channels), such as gains and mixing matrices."""

    def __init__(self, members: Iterable[Transform]) -> None:
        super().__init__(members)
        matrices = [getattr(member, "matrix", None) for member in self.members]
        sizes = {len(matrix) for matrix in matrices if matrix is not None}
        if len(sizes) > 1:
            raise ValueError(
                "Matrices that are drawn jointly must be of one size, (n_channels, n_channels); "
                f"got sizes {sorted(sizes)}."
            )

    def _act(self, X: Tensor, element: Tensor) -> Tensor:
        return mix_channels(X, element)


class SensorGroup(TransformGroup):
    """Group of the rotations of the sensors on the head, matrices of shape (3, 3)."""

    def __init__(self, members: Iterable[Transform]) -> None:
        super().__init__(members)
        names = {tuple(getattr(member, "ch_names", ())) for member in self.members}
        if len(names) > 1:
            raise ValueError("Rotations that are drawn jointly must be of the same channels.")
        (self.ch_names,) = names

    def _act(self, X: Tensor, element: Tensor) -> Tensor:
        # splines of close sensors almost cancel, which needs more than single precision
        element = in_double(element)
        positions, coefficients = _splines(self.ch_names, element.device)
        places = positions @ element.transpose(1, 2)
        change = _kernel(places, positions) - _kernel(positions, positions)
        change = (change @ coefficients[:-1]).to(X)
        return torch.baddbmm(X, change.expand(X.shape[0], -1, -1), X)


@lru_cache(maxsize=16)
def _splines(ch_names: tuple[str, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the positions of channels and their spline coefficients."""
    positions = torch.tensor(channel_positions(ch_names), dtype=torch.float64)
    return positions.to(device), spline_coefficients(positions).to(device)


def _kernel(places: Tensor, positions: Tensor) -> Tensor:
    # summed term by term, so that results do not depend on the batch, to the bit
    return spline_kernel((places.unsqueeze(-2) * positions).sum(dim=-1))


class TimeGroup(TransformGroup):
    """Group of shifts and dilations of time, matrices of shape (2, 2) that act on (time in s, 1).

    Time is zero at the middle of the window. Every element is a dilation followed by a shift, and
    is computed by these two transforms.
    """

    keeps_time = False

    def __init__(self, members: Iterable[Transform]) -> None:
        super().__init__(members)
        self.shift = next((m for m in self.members if isinstance(m, TimeShift)), None)
        self.dilation = next((m for m in self.members if isinstance(m, TimeWarp)), None)
        if len(self.members) > sum(m is not None for m in (self.shift, self.dilation)):
            raise ValueError(
                "The group of time takes one TimeShift and one TimeWarp(shape='dilation'), got "
                f"{', '.join(member.name for member in self.members)}."
            )

    def _factors(self, element: Tensor) -> tuple[Tensor, Tensor]:
        speed = element[:, 0, 0]
        return speed - 1, -element[:, 0, 1] / speed

    def _act(self, X: Tensor, element: Tensor) -> Tensor:
        change, delay = self._factors(element)
        one = torch.ones((), dtype=X.dtype, device=X.device)
        if self.dilation is not None:
            X = self.dilation._transform(X, {"uniform": change}, one)
        if self.shift is not None:
            X = self.shift._shift(X, one.reshape(1), delay, self._largest_delay(self.shift))
        return X

    def _largest_delay(self, shift: TimeShift) -> float:
        """Return the largest shift in s. It is longer for signals that are slowed down."""
        if self.dilation is None:
            return shift.max_strength
        slowest = 1 - self.dilation.max_strength
        return shift.max_strength * (1 / slowest - 1) / -math.log(slowest)

    def undo(self, output: Tensor, noises: Sequence[Noise], n_times: int | None = None) -> Tensor:
        batch = output if output.dtype == torch.float64 else output.float()
        with full_precision(output.device):
            change, delay = self._factors(self.element(batch, noises))
        if self.shift is not None:
            output = self.shift.undo(output, {"uniform": delay}, 1.0, n_times)
        if self.dilation is not None:
            output = self.dilation.undo(output, {"uniform": change}, 1.0, n_times)
        return output


GROUPS: dict[str, type[TransformGroup]] = {
    "channels": ChannelGroup,
    "sensors": SensorGroup,
    "time": TimeGroup,
}


def make_group(members: Iterable[Transform]) -> TransformGroup:
    """Make the group of a list of transforms.

    Parameters
    ----------
    members : iterable of Transform
        Transforms of one ``group``: "time", "channels" or "sensors".

    Returns
    -------
    group : TransformGroup
        The group. It contains the transforms themselves, not copies.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import TimeShift, TimeWarp
    >>> from eeginv.transforms.group import make_group
    >>> group = make_group([TimeShift(100, 0.5), TimeWarp(0.2, shape="dilation")])
    >>> both_ends = [{"uniform": torch.ones(1)}, {"uniform": torch.ones(1)}]
    >>> group.element(torch.zeros(1, 2, 300), both_ends)
    tensor([[[ 1.2000, -0.5485],
             [ 0.0000,  1.0000]]], grad_fn=<...>)
    """
    members = list(members)
    groups = {getattr(member, "group", "") for member in members}
    if len(groups) != 1 or not groups <= set(GROUPS):
        named = [f"{member.name} ({member.group or 'no group'})" for member in members]
        raise ValueError(
            "Transforms that are drawn jointly must be of one group, one of "
            f"{', '.join(sorted(GROUPS))}; got {', '.join(named) or 'none'}."
        )
    return GROUPS[groups.pop()](members)
