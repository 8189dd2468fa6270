"""ADDA: policy search for EEG by a one-step gradient, with one choice in each stage."""

from .by_gradient.one_step import OneStepSearch
from .by_gradient.sub_policy_search import StagedSearch


class ADDASearch(StagedSearch, OneStepSearch):
    """Search sub-policies with a choice in each stage, by a one-step gradient and RELAX [1]_.

    A sub-policy is a sequence of ``n_operations`` stages. Each stage chooses one of all candidates,
    with a probability and a strength of its own. Each example draws one of ``n_policies``
    sub-policies, with equal probability. The sub-policies learn as in :class:`DADASearch`, with two
    differences. The choice is among the operations in each stage, not among all combinations, so
    that the number of parameters grows with the number of candidates and not with its square. The
    network learns alone in a warm-up before the policy learns.

    Notes
    -----
    The code of the method is not public. The paper gives the algorithm and its settings, such as
    five sub-policies, each of which learns from a fifth of the examples. As in :class:`DADASearch`,
    the derivative along the held-out gradient is exact (the paper uses finite differences), each
    example has its own choices, and the sign follows from the chain rule.

    References
    ----------
    .. [1] Rommel, C., Moreau, T., Paillard, J., & Gramfort, A. (2022). CADDA: class-wise automatic
       differentiable data augmentation for EEG signals. ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv import ADDASearch, InvariantClassifier
    >>> from eeginv.transforms import FrequencyShift, SignFlip, TimeReverse
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(40, 2, 640)), np.tile(["rest", "task"], 20)
    >>> search = ADDASearch(
    ...     InvariantClassifier(sfreq=128, max_epochs=1),
    ...     transforms=[FrequencyShift(sfreq=128), SignFlip(), TimeReverse()],
    ...     search_epochs=2,
    ...     warmup_epochs=1,
    ...     random_state=0,
    ... )
    >>> search.fit(X, y, groups=np.repeat([0, 1, 2, 3], 10)).policy_.n_layers
    2
    """
