"""DADA: policy search by the gradient of the held-out loss after one step, with RELAX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .by_gradient.one_step import OneStepSearch
from .by_gradient.sub_policies import Combinations
from .declared import count

if TYPE_CHECKING:
    from .problem import Problem


class DADASearch(OneStepSearch):
    """Search a distribution over sub-policies by a one-step gradient and RELAX [1]_.

    A sub-policy is a combination of ``n_operations`` different transforms, each with a probability
    and a strength of its own. The policy draws one sub-policy for each example. The network takes
    one step on the transformed examples, and the policy follows the gradient of the held-out loss
    after that step. The gradient passes through choices and probabilities by the RELAX estimator
    [2]_, which is unbiased, and through continuous strengths by the chain rule.

    Parameters
    ----------
    n_operations : int
        Number of operations in a sub-policy, at most the number of candidates. All combinations are
        searched.

    Notes
    -----
    The implementation differs from the published code where that was found to fail, and computes
    the derivative differently from the paper:

    - Each example draws its own sub-policy. In the published code, a batch shares one.
    - The control variate is trained on the mean square of the gradient estimates, as in the paper.
      The published code passes that gradient, like all others, through a finite difference of
      weights, which flips its sign.
    - Only the chosen sub-policy is scored, not all of them.
    - The derivative of the training loss along the held-out gradient is exact and computed in
      forward mode for each example. The paper uses finite differences of the mean gradient.
    - The contribution of the unchanged example, under the same dropout, is subtracted from that of
      the transformed one. This removes most of the variance and adds no bias.
    - Continuous strengths learn from the derivative of the transform. The published code assumes a
      derivative of one for each sample of the signal. Strengths with which a transform jumps (the
      probability that a channel is dropped) learn by the score function.
    - Only the forward pass of the step itself updates batch statistics.

    References
    ----------
    .. [1] Li, Y., Hu, G., Wang, Y., Hospedales, T., Robertson, N. M., & Yang, Y. (2020). DADA:
       differentiable automatic data augmentation. ECCV.
    .. [2] Grathwohl, W., Choi, D., Wu, Y., Roeder, G., & Duvenaud, D. (2018). Backpropagation
       through the void: optimizing control variates for black-box gradient estimation. ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv import DADASearch, InvariantClassifier
    >>> from eeginv.transforms import FrequencyShift, SignFlip, TimeReverse
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(40, 2, 640)), np.tile(["rest", "task"], 20)
    >>> search = DADASearch(
    ...     InvariantClassifier(sfreq=128, max_epochs=1),
    ...     transforms=[FrequencyShift(sfreq=128), SignFlip(), TimeReverse()],
    ...     search_epochs=1,
    ...     random_state=0,
    ... )
    >>> len(search.fit(X, y, groups=np.repeat([0, 1, 2, 3], 10)).policy_.branches)
    3
    """

    n_operations: int = count(2)

    def _sub_policies(self, problem: Problem) -> Combinations:
        return Combinations(problem.transforms, self.n_operations, self.probability, self.strength)
