"""CADDA: ADDA with a policy for each class."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

import torch

from ..augmentation import ClasswiseAugmentation
from ..policy import Policy
from .adda import ADDASearch

if TYPE_CHECKING:
    from .._typing import Label
    from .problem import Problem


class CADDASearch(ADDASearch):
    """Search a policy for each class by the method of :class:`ADDASearch` [1]_.

    A transform that preserves one class may destroy another. Each class has its own sub-policies,
    which learn only from examples of the class. In the final training, each window is augmented by
    the policy of its class. If the label is unknown, as in prediction, the class is drawn by
    frequency.

    Parameters
    ----------
    n_policies : int
        Number of sub-policies of each class.

    Attributes
    ----------
    policy_ : Policy
        The policies of the classes at the end of the search, mixed by frequency.
    policies_ : dict of label to Policy
        The policy of each class.

    References
    ----------
    .. [1] Rommel, C., Moreau, T., Paillard, J., & Gramfort, A. (2022). CADDA: class-wise automatic
       differentiable data augmentation for EEG signals. ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv import CADDASearch, InvariantClassifier
    >>> from eeginv.transforms import FrequencyShift, SignFlip, TimeReverse
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(40, 2, 640)), np.tile(["rest", "task"], 20)
    >>> search = CADDASearch(
    ...     InvariantClassifier(sfreq=128, max_epochs=1),
    ...     transforms=[FrequencyShift(sfreq=128), SignFlip(), TimeReverse()],
    ...     search_epochs=2,
    ...     warmup_epochs=1,
    ...     random_state=0,
    ... )
    >>> sorted(search.fit(X, y, groups=np.repeat([0, 1, 2, 3], 10)).policies_)
    ['rest', 'task']
    """

    policies_: dict[Label, Policy] = field(init=False)

    def _class_frequencies(self, problem: Problem) -> list[float]:
        counts = torch.bincount(problem.y, minlength=len(problem.trainer.estimator.classes_))
        return (counts / counts.sum()).tolist()

    def _search(self, problem: Problem, seed: int) -> None:
        super()._search(problem, seed)
        self.policies_ = {
            label: Policy.mixture(self.policy_.branches[part])
            for label, part in self._parts().items()
        }

    def _augmentation(self) -> ClasswiseAugmentation:
        frequencies = {
            label: sum(self.policy_.weights[part]) for label, part in self._parts().items()
        }
        return ClasswiseAugmentation(self.policies_, frequencies)

    def _parts(self) -> dict[Label, slice]:
        """Return the branches of each class, a dict of label to slice."""
        n = self.n_policies
        return {label: slice(c * n, (c + 1) * n) for c, label in enumerate(self.classes_.tolist())}
