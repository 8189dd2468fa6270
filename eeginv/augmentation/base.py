"""Base class of all augmentations: a sequence of layers, a random stream and a policy."""

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
from .undo import NO_UNDO, Map, Undo, apply_maps

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
    In training mode, calling the object transforms signals. In evaluation mode it is the identity,
    and :meth:`copies` yields the fixed draws that predictions are averaged over. Training draws
    from a random stream that is part of ``state_dict``; evaluation does not advance it.

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
        if self._known_probability is None:  # it was just set or loaded
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
        """Transform each example by its own draws.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.
        generator : torch.Generator | None
            Source of randomness; None takes the next generator of the object's own stream.
        undo : Undo
            Records the steps that move the examples in time, so that outputs can be mapped
            back.

        Returns
        -------
        X_transformed : Tensor, same shape, dtype and device as X
            The transformed signals.
        log_prob : Tensor, shape (n_examples,), or None
            Log-probability of the discrete draws, as far as it depends on learnable parameters.
            None if no parameter learns from it.
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
        """Return the strengths of all transforms of each layer, read in one call."""
        transforms = [transform for layer in self.layers for transform in layer.transforms]
        strengths = iter(read_strengths(transforms).unbind() if transforms else ())
        return [list(islice(strengths, len(layer.transforms))) for layer in self.layers]

    def forward(self, X: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Transform signals in training mode; return them unchanged in evaluation mode.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.
        generator : torch.Generator | None
            Source of randomness; None takes the next generator of the object's own stream.

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
            Number of copies, at least 1. Only one is in memory at a time.
        with_undo : bool
            Whether to also yield, with each copy, the function that maps outputs along time back
            to the times of X.

        Yields
        ------
        X_copy : Tensor, same shape as X
            One transformed copy.
        undo : Undo
            A function from outputs to outputs. Only if ``with_undo``.
        """
        for maps in self.fixed_maps(X, n_copies):
            copy = apply_maps(maps, X)
            yield (copy, Undo.of(maps, X.shape[-1])) if with_undo else copy

    def fixed_maps(self, X: Tensor, n_copies: int) -> list[list[Map]]:
        """Return the functions that make each of the :meth:`copies`.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Gives the shape of the signals.
        n_copies : int
            Number of copies, at least 1.

        Returns
        -------
        maps : list of list of callable
            For each copy, functions from signals to signals, to be called in this order.
        """
        # drawn on the CPU, so that a model has the same copies on any device
        generator = self.stream.fixed("cpu")
        template = torch.empty(1, *X.shape[1:], dtype=X.dtype)
        # low-discrepancy points, stratified on each axis: with several on/off transforms, all
        # combinations occur at the right frequency
        seed = int(torch.randint(2**31, (), generator=generator))
        cube = torch.quasirandom.SobolEngine(self._n_choices, scramble=True, seed=seed)
        return self._fixed_draws(template, strata(cube.draw(n_copies)), generator)

    @property
    def _n_choices(self) -> int:
        """Number of choices per copy: two for each layer, and whether to transform at all."""
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
        """Whether the distribution is fixed at present, and is learned later."""
        return False

    def reward(self) -> Tensor | None:
        """Return the reward for a wide distribution, which is subtracted from the loss.

        Returns
        -------
        reward : Tensor | None
            A scalar, or None if nothing is learned.
        """
        return None

    def policy(self) -> Policy:
        """Return the current distribution.

        Returns
        -------
        policy : Policy
            Transforms, extents in physical units, probabilities and weights.
        """
        entries = [e for i, layer in enumerate(self.layers) for e in layer.entries(i)]
        return Policy(entries, self.probability)

    def set_progress(self, fraction: float) -> None:
        """Set the training progress, which schedules follow.

        Parameters
        ----------
        fraction : float
            0 at the start, 1 at the end.
        """
