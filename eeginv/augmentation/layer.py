"""A layer that draws one of its candidate transforms for each example."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from ..policy import PolicyEntry
from ..transforms.draws import Draws, Noise
from ..transforms.registry import name_in_policy
from ..transforms.strength import constant, read_strengths
from .candidates import check_transforms
from .choice import Subset, apply_by_choice
from .log_prob import NO_LOG_PROB, LogProb
from .undo import NO_UNDO, Map, Undo

if TYPE_CHECKING:
    from .._typing import ModuleList
    from ..transforms import Transform


class AugmentationLayer(nn.Module):
    """Apply one transform to each example, chosen with learnable probabilities.

    Parameters
    ----------
    transforms : list of Transform
        The candidates; they are copied.
    weights : list of float | None
        Initial probabilities of the choice; None for equal ones.
    random_strength : bool
        Whether to draw the strength of each application uniformly between 0 and the strength of
        the transform. On/off transforms are then always applied.

    Attributes
    ----------
    transforms : nn.ModuleList
        The candidates, with learnable strengths.
    logits : Parameter, shape (n_transforms,)
        Logits of the choice.

    Notes
    -----
    Unlike with a weighted sum of all transformed signals, the network only sees signals that the
    transforms can produce, training and evaluation have the same distribution, and the cost does
    not grow with the number of candidates. The choice is not differentiable, so it learns from
    ``log_prob``; see :mod:`eeginv.augmentation.gradient`.

    Examples
    --------
    >>> from eeginv.augmentation import AugmentationLayer
    >>> from eeginv.transforms import SignFlip, TimeReverse
    >>> AugmentationLayer([TimeReverse(0.1), SignFlip(0.1)]).weights.tolist()
    [0.5, 0.5]
    """

    transforms: ModuleList[Transform]
    logits: nn.Parameter
    joint = False

    def __init__(
        self,
        transforms: Iterable[Transform],
        weights: Sequence[float] | None = None,
        random_strength: bool = False,
    ) -> None:
        super().__init__()
        transforms = check_transforms(transforms)
        if not transforms:
            raise ValueError("An augmentation layer needs at least one transform.")
        members = nn.ModuleList(copy.deepcopy(t) for t in transforms)
        self.transforms = cast("ModuleList[Transform]", members)
        self.random_strength = bool(random_strength)
        probabilities = torch.ones(len(transforms)) if weights is None else torch.tensor(weights)
        valid = probabilities.shape == (len(transforms),) and (probabilities >= 0).all()
        if not (valid and probabilities.sum() > 0):
            raise ValueError(
                f"weights must be {len(transforms)} numbers of at least 0, not all 0; "
                f"got {weights}."
            )
        probabilities = probabilities.float() / probabilities.sum()
        self.logits = nn.Parameter(probabilities.clamp_min(1e-12).log())

    @property
    def weights(self) -> Tensor:
        """Probability of each candidate, tensor of shape (n_transforms,)."""
        if len(self.logits) == 1:
            return constant((1.0,), self.logits.dtype, self.logits.device)
        return torch.softmax(self.logits, dim=0)

    def _draw_strength(
        self,
        transform: Transform,
        strength: Tensor,
        X: Tensor,
        generator: torch.Generator,
        stratified: bool = False,
    ) -> Tensor:
        if transform.binary:
            return torch.ones(len(X), device=X.device)
        return Draws(X, generator, stratified).uniform() * strength.detach().to(X)

    def sample(
        self,
        X: Tensor,
        generator: torch.Generator,
        undo: Undo = NO_UNDO,
        log_prob: LogProb = NO_LOG_PROB,
        strengths: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """Transform each example by its own draw of a candidate.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.
        generator : torch.Generator
            Source of randomness.
        undo : Undo
            Records the steps that move the examples in time, so that outputs can be mapped
            back.
        log_prob : LogProb
            Records the choices and their probabilities.
        strengths : list of Tensor | None
            Strength of each candidate; None reads it from the transforms.

        Returns
        -------
        X_transformed : Tensor, same shape as X
            The transformed signals.
        """
        strengths = (
            read_strengths(list(self.transforms)).unbind() if strengths is None else strengths
        )
        n_examples = len(X)

        def apply(transform: Transform, strength: Tensor, part: Tensor, subset: Subset) -> Tensor:
            noise = transform.draw(part, generator)
            if self.random_strength:
                strength = self._draw_strength(transform, strength, part, generator)
            undo.add_transform(transform, noise, strength, subset)
            log_prob.add_transform(transform, noise, strength, subset, n_examples)
            return transform.transform(part, noise, strength)

        pairs = zip(self.transforms, strengths, strict=True)
        choice = self._choose(n_examples, generator, log_prob)
        return apply_by_choice(X, choice, [partial(apply, *pair) for pair in pairs])

    def _choose(
        self, n_examples: int, generator: torch.Generator, log_prob: LogProb
    ) -> Tensor | None:
        if len(self.transforms) == 1:
            return None
        choice = torch.multinomial(
            self.weights.detach().float(), n_examples, replacement=True, generator=generator
        )
        log_prob.add_choice(self.logits, choice)
        return choice

    def fixed_draws(
        self, template: Tensor, points: Tensor, generator: torch.Generator
    ) -> list[Map]:
        """Draw a fixed transform for each of several copies, the same for all examples.

        Parameters
        ----------
        template : Tensor, shape (1, n_channels, n_times)
            Gives shape and dtype of the signals, and the device to draw on.
        points : Tensor, shape (n_copies, 2)
            Numbers between 0 and 1 that determine, for each copy, the candidate and whether an
            on/off transform is applied. All other draws are stratified over the copies.
        generator : torch.Generator
            Source of randomness.

        Returns
        -------
        maps : list of callable
            ``n_copies`` functions from signals to transformed signals. Their attribute
            ``keeps_time`` tells whether they leave time unchanged. If not, their method
            ``undo(output, n_times)`` maps outputs along time back to the original times.
        """
        device = template.device
        last = len(self.transforms) - 1
        edges = self.weights.detach().to(device).cumsum(0)
        choice = torch.searchsorted(edges, points[:, 0].to(edges).contiguous()).clamp_max(last)
        maps: dict[int, Map] = {}
        for k, transform in enumerate(self.transforms):
            rows = (choice == k).nonzero()[:, 0].tolist()
            if rows:
                several = template.expand(len(rows), -1, -1)
                noise = transform.draw(several, generator, stratified=True)
                if transform.binary:
                    noise["uniform"] = strata(points[rows, 1])
                drawn = None  # the current strength of the transform, on its device
                if self.random_strength:
                    drawn = self._draw_strength(
                        transform, transform.strength, several, generator, stratified=True
                    )
                for i, row in enumerate(rows):
                    one = {name: value[i : i + 1] for name, value in noise.items()}
                    maps[row] = _Map(transform, one, None if drawn is None else drawn[i])
        return [maps[row] for row in range(len(points))]

    def entries(self, layer: int = 0) -> list[PolicyEntry]:
        """Return the policy entries of the layer.

        Parameters
        ----------
        layer : int
            Number of the layer in the policy.

        Returns
        -------
        entries : list of PolicyEntry
            One entry for each candidate.
        """
        return [
            PolicyEntry(
                transform=name_in_policy(t),
                extent=round(t.strength.item(), 7),
                unit=t.unit,
                weight=round(weight, 7),
                layer=layer,
                binary=t.binary,
                random_strength=self.random_strength,
                joint=self.joint,
                config=t.config(),
            )
            for t, weight in zip(self.transforms, self.weights.tolist(), strict=True)
        ]


def strata(points: Tensor) -> Tensor:
    """Replace n numbers by the midpoints of n equal parts of [0, 1], in the same order."""
    return (points.argsort(dim=0).argsort(dim=0) + 0.5) / len(points)


class _Map:
    """A transform with fixed draws."""

    def __init__(self, transform: Transform, noise: Noise, strength: Tensor | None) -> None:
        self.transform, self.noise, self.strength = transform, noise, strength
        self.keeps_time = transform.keeps_time

    def _draws_on(self, device: torch.device) -> Noise:
        return {name: value.to(device) for name, value in self.noise.items()}

    def __call__(self, X: Tensor) -> Tensor:
        return self.transform.transform(X, self._draws_on(X.device), self.strength)

    def undo(self, output: Tensor, n_times: int | None) -> Tensor:
        return self.transform.undo(output, self._draws_on(output.device), self.strength, n_times)
