"""A policy for each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..policy import Policy
from ..transforms.strength import constant
from .branches import Branches, edges_of
from .choice import reads_are_cheap
from .fixed import PolicyAugmentation
from .undo import NO_UNDO, Undo

if TYPE_CHECKING:
    from .._typing import Label


class ClasswiseAugmentation(PolicyAugmentation):
    """Augment each training example with the policy of its class [1]_.

    Labels are needed, and known, in training only. Predictions are averaged over copies, each of
    which follows the policy of a class drawn by frequency.

    Parameters
    ----------
    policies : dict of label to Policy
        One policy for each class.
    weights : dict of label to float | None
        Frequencies of the classes, which sum to one; None for equal ones.
    random_state : int | None
        Seed of all draws.
    classes : sequence of label | None
        Label of each code 0, 1, ... in training. Each needs a policy, but not every policy needs a
        label. None leaves this to :meth:`set_classes`, which the estimators call; until then,
        labels are given by name.

    Notes
    -----
    In a custom training loop, set ``module.example_labels = y`` of the
    :class:`~eeginv.InvariantModule` before each batch.

    References
    ----------
    .. [1] Rommel, C., Moreau, T., Paillard, J., & Gramfort, A. (2022). CADDA: class-wise automatic
       differentiable data augmentation for EEG signals. ICLR.

    Examples
    --------
    >>> import torch
    >>> from eeginv import Policy
    >>> from eeginv.augmentation import ClasswiseAugmentation
    >>> from eeginv.policy import PolicyEntry
    >>> never, always = (
    ...     Policy([PolicyEntry("SignFlip", p, binary=True, config={"max_probability": 1.0})])
    ...     for p in (0.0, 1.0)
    ... )
    >>> augmentation = ClasswiseAugmentation({"rest": never, "task": always}, random_state=0)
    >>> X = torch.ones(3, 1, 1)
    >>> augmentation.sample(X, labels=["rest", "task", "task"])[0].flatten()
    tensor([ 1., -1., -1.])
    >>> augmentation.set_classes(["task", "rest"])
    >>> augmentation.sample(X, labels=torch.tensor([1, 0, 0]))[0].flatten()
    tensor([ 1., -1., -1.])
    """

    # training loops pass the labels of the batch to augmentations with this attribute
    takes_labels = True
    branches: Branches
    _class_edges: Tensor

    def __init__(
        self,
        policies: Mapping[Label, Policy],
        weights: Mapping[Label, float] | None = None,
        random_state: int | None = None,
        classes: Sequence[Label] | None = None,
    ) -> None:
        policies = dict(policies)
        if len(policies) < 2:
            raise ValueError(
                f"Expected policies for two or more classes, got {len(policies)}; one policy for "
                "all is a PolicyAugmentation."
            )
        labels = sorted(policies)
        if weights is not None and sorted(weights) != labels:
            raise ValueError(f"Expected weights for {labels}, got them for {sorted(weights)}.")
        mixture = Policy.mixture(
            [policies[label] for label in labels],
            None if weights is None else [weights[label] for label in labels],
        )
        super().__init__(mixture, random_state)
        self.policies, self.weights = policies, None if weights is None else dict(weights)
        # each class draws from the branches of its own policy
        own = [torch.tensor([policies[label].weights], dtype=torch.float64) for label in labels]
        edges = edges_of(torch.block_diag(*own))
        self.register_buffer("_class_edges", edges, persistent=False)
        self.classes: list[Label] | None = None
        if classes is not None:
            self.set_classes(classes)

    def set_classes(self, classes: Sequence[Label]) -> None:
        """Set the label of each code.

        Parameters
        ----------
        classes : sequence of label
            The label of code 0, 1, ...

        Raises
        ------
        ValueError
            If one of them has no policy.
        """
        classes = _plain(classes)
        self._policies_of(classes)
        self.classes = classes

    def _policies_of(self, labels: Sequence[Label]) -> list[int]:
        """Return the index of the policy of each label."""
        number = {label: i for i, label in enumerate(sorted(self.policies))}
        missing = [label for label in dict.fromkeys(labels) if label not in number]
        if missing:
            raise ValueError(
                f"There is no policy for class {', '.join(map(repr, missing))}; there are policies "
                f"for {sorted(self.policies)}."
            )
        return [number[label] for label in labels]

    def _resolve(self, labels: Sequence[Label] | Tensor | None, n_examples: int) -> Tensor:
        """Return the index of the policy of each example."""
        if labels is None:
            raise ValueError(
                "A policy for each class needs the labels in training: set module.example_labels "
                "before each batch, or pass labels= to sample; the estimators do."
            )
        classes = self.classes
        if classes is None or not isinstance(labels, torch.Tensor):
            names = _plain(labels)
            _check_number(names, n_examples)
            return torch.tensor(self._policies_of(names))
        _check_number(labels, n_examples)
        # on a GPU, indexing itself fails on codes out of range
        if reads_are_cheap(labels.device) and len(labels):
            lowest, highest = labels.min().item(), labels.max().item()
            if not 0 <= lowest <= highest < len(classes):
                raise ValueError(
                    f"Codes of labels go from 0 to {len(classes) - 1}, for the classes "
                    f"{classes}; got {lowest} to {highest}."
                )
        numbers = tuple(self._policies_of(classes))
        return constant(numbers, torch.int64, labels.device)[labels.long()]

    def sample(
        self,
        X: Tensor,
        generator: torch.Generator | None = None,
        undo: Undo = NO_UNDO,
        labels: Sequence[Label] | Tensor | None = None,
    ) -> tuple[Tensor, None]:
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
        labels : sequence of label | Tensor of int, shape (n_examples,)
            Label of each example by name, or, if it is a tensor and ``classes`` is known, its code
            in ``classes``.

        Returns
        -------
        X_transformed : Tensor, same shape, dtype and device as X
            The transformed signals.
        log_prob : None
            Nothing is learned.

        Raises
        ------
        ValueError
            If labels are missing, or have no policy.
        """
        policy_of = self._resolve(labels, len(X)).to(X.device, non_blocking=True)
        if generator is None:
            generator = self.stream.advance(X.device)
        return self.branches.sample(X, self._class_edges[policy_of], generator, undo), None

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        # older saved models hold a second copy of the policy of each class
        for key in [key for key in state_dict if key.startswith(f"{prefix}members.")]:
            del state_dict[key]
        super()._load_from_state_dict(state_dict, prefix, *args)


def _check_number(labels: Sized, n_examples: int) -> None:
    if len(labels) != n_examples:
        raise ValueError(
            f"Expected one label for each of {n_examples} examples, got {len(labels)}."
        )


def _plain(labels: Sequence[Label] | Tensor) -> list[Any]:
    """Return labels as a list of Python values, which compare equal to the keys of policies."""
    return labels.tolist() if hasattr(labels, "tolist") else list(labels)
