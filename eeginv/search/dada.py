"""DADA: policy search by the gradient of the held-out loss after one step, through choices."""

from .one_step import OneStepSearch
from .subpolicies import Combinations


class DADASearch(OneStepSearch):
    """Search a distribution over sub-policies by a one-step gradient and RELAX [1]_.

    A sub-policy is a combination of ``n_operations`` different transforms, each with a probability
    and a strength of its own; the policy draws one sub-policy for each example. The network takes
    one step on examples so transformed, and the policy is moved along the derivative of the
    held-out loss after that step. The derivative passes through choices and probabilities by the
    RELAX estimator [2]_, which is unbiased, and through continuous strengths by the chain rule.

    Parameters
    ----------
    estimator : InvariantClassifier
        Prototype: backbone, batch size, class weights, and the training of the final model.
    transforms : list of Transform | None
        Candidates, of which only types and ranges count; None takes
        :func:`~eeginv.transforms.default_transforms`.
    n_operations : int
        Operations of a sub-policy, at most as many as candidates. All combinations are searched.
    search_epochs : int
        Passes over the inner training windows.
    warmup_epochs : int
        Of these, first passes in which the network learns from unchanged windows and the policy
        stays: a network that does not see a difference yet cannot say what destroys it.
    search_lr : float
        Learning rate of the network in the search: gradient descent without momentum, each weight
        tensor's step divided by the running root mean square of its gradient.
    policy_lr : float
        Learning rate of choices and probabilities (Adam). Times the number of steps of the policy,
        it is about how far steady gradients move their logits: 3 is enough to tell what harms, with
        9 a search settles on one of several that do not.
    strength_lr : float
        Learning rate of strengths, as shares of their ranges (Adam).
    control_lr : float
        Learning rate of the control variate (Adam).
    temperature : float
        Of the relaxed choices.
    probability : float
        Initial probability of applying an operation once it is chosen.
    strength : float
        Initial strength of each operation, as a share of its range.
    held_out : float
        Share of the groups (of the windows, without groups) for the outer loss.
    refit : bool
        Whether to train a final model from scratch on all windows under the found policy.
    max_seconds : float | None
        Stop the search after the step in which so much time has passed.
    checkpoint : path-like | None
        File that keeps the state after every epoch; a search with the same parameters and data goes
        on from it.
    verbose : int
        1 shows a progress bar.
    random_state : int | RandomState | None
        Fixes everything random.

    Attributes
    ----------
    policy_ : Policy
        The policy at the end of the search, a mixture of the sub-policies.
    schedule_ : list of Policy
        The policy after each epoch of the search.
    history_ : list of dict
        Inner and outer loss, mean square of the gradient estimates (``spread``) and mean
        probability of applying an operation, for each epoch.
    best_estimator_ : InvariantClassifier
        The final model (with ``refit``).
    classes_ : ndarray, shape (n_classes,)
        Labels.
    search_time_ : float
        Seconds that the search took, without the final training.
    refit_time_ : float
        Seconds that the final training took.

    Notes
    -----
    Differs from the published code where that was found to fail, and from the paper in how the
    derivative is computed:

    - each example has a sub-policy of its own, not the whole batch one;
    - the control variate is trained on the mean square of the gradient estimates, as the paper
      says; its code passes that gradient, like all others, through a difference of two weights
      and turns its sign;
    - only what was chosen is scored, not all sub-policies;
    - the derivative of the training loss along the held-out gradient is exact and taken in forward
      mode, example by example, not the difference of two gradients of the mean;
    - what the unchanged example is worth, under the same dropout, is taken away from what the
      transformed one is worth: most of the spread of the estimates, and no bias;
    - continuous strengths learn from the derivative of the transform, not from a derivative of one
      for each sample of the signal; strengths with which a transform jumps (the probability that a
      channel is dropped) from its score function;
    - passes beside the step itself do not move batch statistics.

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

    def __init__(
        self,
        estimator,
        *,
        transforms=None,
        n_operations=2,
        search_epochs=20,
        warmup_epochs=0,
        search_lr=1e-3,
        policy_lr=0.01,
        strength_lr=5e-3,
        control_lr=1e-2,
        temperature=0.5,
        probability=0.5,
        strength=0.5,
        held_out=0.5,
        refit=True,
        max_seconds=None,
        checkpoint=None,
        verbose=0,
        random_state=None,
    ):
        self.estimator = estimator
        self.transforms = transforms
        self.n_operations = n_operations
        self.search_epochs = search_epochs
        self.warmup_epochs = warmup_epochs
        self.search_lr = search_lr
        self.policy_lr = policy_lr
        self.strength_lr = strength_lr
        self.control_lr = control_lr
        self.temperature = temperature
        self.probability = probability
        self.strength = strength
        self.held_out = held_out
        self.refit = refit
        self.max_seconds = max_seconds
        self.checkpoint = checkpoint
        self.verbose = verbose
        self.random_state = random_state

    _counts = ("n_operations", "search_epochs")

    def _space(self, problem):
        return Combinations(problem.transforms, self.n_operations, self.probability, self.strength)
