"""AutoAugment: black-box search over policies, scored by child trainings."""

from .by_trials.children import ChildSearch
from .by_trials.search import SampledSearch
from .declared import count


class AutoAugmentSearch(SampledSearch, ChildSearch):
    """Search an augmentation policy by training a network under each of many [1]_.

    A policy is a mixture of sub-policies. Each is a sequence of operations with probabilities and
    strengths. A child network is trained from scratch under a policy on the inner subjects, and its
    balanced accuracy on the held-out subjects is the score of the policy. Policies are proposed by
    a tree-structured Parzen estimator [2]_ (Optuna) instead of a recurrent controller. Children
    that score below the median of the others at the same epoch are stopped. The result is a mixture
    of the best policies.

    Notes
    -----
    A search costs up to ``n_trials`` child trainings on a share of ``1 - held_out`` of the windows.

    References
    ----------
    .. [1] Cubuk, E. D., Zoph, B., Mané, D., Vasudevan, V., & Le, Q. V. (2019). AutoAugment:
       Learning augmentation strategies from data. CVPR.
    .. [2] Bergstra, J., Bardenet, R., Bengio, Y., & Kegl, B. (2011). Algorithms for hyper-parameter
       optimization. NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv import AutoAugmentSearch, InvariantClassifier
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(40, 2, 640)), np.tile(["rest", "task"], 20)
    >>> prototype = InvariantClassifier(sfreq=128, max_epochs=1)
    >>> search = AutoAugmentSearch(prototype, n_trials=2, n_best=1, random_state=0)
    >>> len(search.fit(X, y, groups=np.repeat([0, 1, 2, 3], 10)).policy_.branches)
    5
    """

    round_size: int = count(4)
