"""What every augmentation is: layers in sequence, a stream of randomness, a policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import torch
from torch import Tensor, nn

from ..policy import Policy
from ..transforms.strength import read_strengths
from .choice import Where
from .layer import AugmentationLayer, strata
from .log_prob import LogProb
from .on_host import OnHost
from .stream import RandomStream
from .undo import NO_UNDO, Map, Undo

if TYPE_CHECKING:
    from .._typing import ModuleList


class Augmentation(OnHost):
    """A distribution over transformations: a sequence of layers, each of which draws one.

    Parameters
    ----------
    layers : list of AugmentationLayer
        Applied in order.
    probability : float
        Probability with which an example is transformed at all.
    random_state : int | None
        Seed of all draws.

    Notes
    -----
    In training mode, calling the object transforms signals; in evaluation mode it is the
    identity, and :meth:`copies` gives the fixed draws that predictions are averaged over. Draws
    of training come from a stream that is part of ``state_dict``; evaluation does not move it.

    Examples
    --------
    >>> import torch
    >>> from eeginv.augmentation import Augmentation, AugmentationLayer
    >>> from eeginv.transforms import SignFlip
    >>> augmentation = Augmentation([AugmentationLayer([SignFlip(0.5)])], random_state=0)
    >>> sorted(copy.item() for copy in augmentation.copies(torch.ones(1, 1, 1), n_copies=2))
    [-1.0, 1.0]
    """

    layers: ModuleList[AugmentationLayer]
    _on_host = ("_probability",)

    def __init__(
        self,
        layers: Iterable[AugmentationLayer],
        probability: float = 1.0,
        random_state: int | None = None,
    ) -> None:
        super().__init__()
        self.layers = cast("ModuleList[AugmentationLayer]", nn.ModuleList(layers))
        self._known_probability: float | None = None
        self._probability = torch.tensor(float(probability), dtype=torch.float64)
        self.stream = RandomStream(random_state)

    @property
    def probability(self) -> float:
        """Probability with which an example is transformed at all."""
        if self._known_probability is None:  # it was set, or loaded
            self._known_probability = self._probability.item()
        return self._known_probability

    @probability.setter
    def probability(self, value: float) -> None:
        self._known_probability = None
        self._probability.fill_(float(value))

    def _load_from_state_dict(self, *args: Any) -> None:
        self._known_probability = None
        super()._load_from_state_dict(*args)

    def sample(
        self, X: Tensor, generator: torch.Generator | None = None, undo: Undo = NO_UNDO
    ) -> tuple[Tensor, Tensor | None]:
        """Transform each example by draws of its own.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.
        generator : torch.Generator | None
            Source of randomness; None takes the next one of the object's own stream.
        undo : Undo
            Records the steps that move the examples in time, so that outputs can be mapped
            back.

        Returns
        -------
        X_transformed : Tensor, same shape, dtype and device as X
            The transformed signals.
        log_prob : Tensor, shape (n_examples,), or None
            Log-probability of the discrete draws, as far as parameters can change it; None where
            nothing learns from it.
        """
        if X.ndim != 3:
            raise ValueError(
                "Expected signals of shape (n_examples, n_channels, n_times), "
                f"got {tuple(X.shape)}."
            )
        if generator is None:
            generator = self.stream.advance(X.device)
        return self._sample(X, generator, undo)

    def _sample(
        self, X: Tensor, generator: torch.Generator, undo: Undo
    ) -> tuple[Tensor, Tensor | None]:
        transformed, log_prob, probability = X, LogProb(), self.probability
        steps = undo if probability == 1 else undo.separate()
        for layer, strengths in zip(self.layers, self._strengths(), strict=True):
            transformed = layer.sample(transformed, generator, steps, log_prob, strengths)
        if probability < 1:
            u = torch.rand(len(X), generator=generator, device=X.device)
            happened = Where(u < probability)
            transformed = happened.put(X, transformed)
            undo.add_all(steps, happened)
        return transformed, log_prob.total()

    def _strengths(self) -> list[list[Tensor]]:
        """Return the strengths of all transforms of each layer, read at once."""
        transforms = [transform for layer in self.layers for transform in layer.transforms]
        strengths = iter(read_strengths(transforms).unbind() if transforms else ())
        return [list(islice(strengths, len(layer.transforms))) for layer in self.layers]

    def forward(self, X: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Transform signals in training mode; return them as they are in evaluation mode.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.
        generator : torch.Generator | None
            Source of randomness; None takes the next one of the object's own stream.

        Returns
        -------
        X_transformed : Tensor, same shape, dtype and device as X
            The signals.
        """
        return self.sample(X, generator)[0] if self.training else X

    @overload
    def copies(
        self, X: Tensor, n_copies: int, with_undo: Literal[False] = False
    ) -> Iterator[Tensor]: ...

    @overload
    def copies(
        self, X: Tensor, n_copies: int, with_undo: Literal[True]
    ) -> Iterator[tuple[Tensor, Undo]]: ...

    def copies(
        self, X: Tensor, n_copies: int, with_undo: bool = False
    ) -> Iterator[Tensor] | Iterator[tuple[Tensor, Undo]]:
        """Yield transformed copies of the signals under fixed draws, the same for every example.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.
        n_copies : int
            Number of copies, at least 1. Only one exists at a time.
        with_undo : bool
            Also yield, with each copy, what brings outputs along time back to the times of X.

        Yields
        ------
        X_copy : Tensor, same shape as X
            One transformed copy.
        undo : Undo
            A function from outputs to outputs; only ``with_undo``.
        """
        # drawn on the CPU, whose generator gives the same numbers for a model on any device
        generator = self.stream.fixed("cpu")
        template = torch.empty(1, *X.shape[1:], dtype=X.dtype)
        # points that fill the cube evenly, and each of its sides: where there are several
        # on/off transforms, all combinations occur as often as they should
        seed = int(torch.randint(2**31, (), generator=generator))
        cube = torch.quasirandom.SobolEngine(self._n_choices, scramble=True, seed=seed)
        points = strata(cube.draw(n_copies))
        for maps in self._fixed_draws(template, points, generator):
            copy = X
            for one in maps:
                copy = one(copy)
            yield (copy, Undo.of(maps, X.shape[-1])) if with_undo else copy

    @property
    def _n_choices(self) -> int:
        """How many choices make a copy: two a layer, and whether to transform at all."""
        return 2 * len(self.layers) + 1

    def _fixed_draws(
        self, template: Tensor, points: Tensor, generator: torch.Generator
    ) -> list[list[Map]]:
        """Return, for each row of points, the list of functions that make a copy."""
        n_layers = len(self.layers)
        layers = [
            layer.fixed_draws(template, points[:, [n_layers + i, i]], generator)
            for i, layer in enumerate(self.layers)
        ]
        applied = (points[:, -1] < self.probability).tolist()
        return [[maps[c] for maps in layers] if yes else [] for c, yes in enumerate(applied)]

    @property
    def held(self) -> bool:
        """Whether the distribution stays as it is for the time being, and learns later."""
        return False

    def reward(self) -> Tensor | None:
        """Return what width earns; subtracted from the loss.

        Returns
        -------
        reward : Tensor | None
            A scalar, or None if nothing is learned.
        """
        return None

    def policy(self) -> Policy:
        """Return the distribution as it is now.

        Returns
        -------
        policy : Policy
            Transforms, extents in physical units, probabilities and weights.
        """
        entries = [e for i, layer in enumerate(self.layers) for e in layer.entries(i)]
        return Policy(entries, self.probability)

    def set_progress(self, fraction: float) -> None:
        """Tell how much of the training is done; schedules follow it.

        Parameters
        ----------
        fraction : float
            0 at the start, 1 at the end.
        """
