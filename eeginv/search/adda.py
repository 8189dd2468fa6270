"""ADDA and CADDA: one-step policy search for EEG, for all classes together or for each."""

import torch

from ..augmentation import ClasswiseAugmentation
from ..policy import Policy
from .one_step import OneStepSearch
from .subpolicies import Stages


class ADDASearch(OneStepSearch):
    """Search sub-policies, stage by stage, by a one-step gradient and RELAX [1]_.

    A sub-policy is a sequence of ``n_operations`` stages; each chooses one of all candidates, with
    a probability and a strength of its own. Every example draws one of ``n_policies`` sub-policies,
    with equal probability. They learn as those of :class:`DADASearch` do, from the derivative of
    the held-out loss after one step, with two differences: what is chosen is the operation of each
    stage and not one of all combinations, so that parameters grow with the number of candidates
    and not with its square, and the network is trained for a while before the policy learns.

    Parameters
    ----------
    estimator : InvariantClassifier
        Prototype: backbone, batch size, class weights, and the training of the final model.
    transforms : list of Transform | None
        Candidates, of which only types and ranges count; None takes
        :func:`~eeginv.transforms.default_transforms`.
    n_operations : int
        Stages of a sub-policy.
    n_policies : int
        Sub-policies.
    search_epochs : int
        Passes over the inner training windows.
    warmup_epochs : int
        Of these, first passes in which the network learns from unchanged windows and the policy
        stays: a network that does not use a feature yet cannot show which transform destroys it.
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
        The policy at the end of the search; of several sub-policies, their mixture.
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
    No code of the method is public; what is known of it are the algorithm and its settings, among
    them five sub-policies, of which each learns from a fifth of the examples. As in
    :class:`DADASearch`, the derivative along the held-out gradient is exact (the paper takes the
    difference of two gradients), each example has choices of its own, and the sign is that of the
    chain rule.

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

    def __init__(
        self,
        estimator,
        *,
        transforms=None,
        n_operations=2,
        n_policies=1,
        search_epochs=20,
        warmup_epochs=5,
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
        self.n_policies = n_policies
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

    _counts = ("n_operations", "n_policies", "search_epochs")

    def _space(self, problem):
        return Stages(
            problem.transforms,
            self.n_operations,
            self.n_policies,
            probability=self.probability,
            strength=self.strength,
        )


class CADDASearch(ADDASearch):
    """Search a policy for each class, as :class:`ADDASearch` does for all together [1]_.

    What leaves one class unchanged may destroy another. Each class has sub-policies of its own,
    which its examples draw from and teach. In the final training each window is augmented with the
    policy of its class; where no label is known, as in a prediction, with that of a class drawn by
    frequency.

    Parameters
    ----------
    estimator : InvariantClassifier
        Prototype: backbone, batch size, class weights, and the training of the final model.
    transforms : list of Transform | None
        Candidates, of which only types and ranges count; None takes
        :func:`~eeginv.transforms.default_transforms`.
    n_operations : int
        Stages of a sub-policy.
    n_policies : int
        Sub-policies of each class.
    search_epochs : int
        Passes over the inner training windows.
    warmup_epochs : int
        Of these, first passes in which the network learns from unchanged windows and the policy
        stays: a network that does not use a feature yet cannot show which transform destroys it.
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
        The policies of the classes at the end of the search, mixed by frequency.
    policies_ : dict of label to Policy
        The policy of each class.
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

    def _space(self, problem):
        counts = torch.bincount(problem.y, minlength=len(self.classes_))
        return Stages(
            problem.transforms,
            self.n_operations,
            self.n_policies,
            (counts / counts.sum()).tolist(),
            self.probability,
            self.strength,
        )

    def _search(self, problem, seed):
        super()._search(problem, seed)
        # the sub-policies of the classes follow each other
        branches, n = self.policy_.branches, self.n_policies
        self.policies_ = {
            label: Policy.mixture(branches[c * n : (c + 1) * n])
            for c, label in enumerate(self.classes_.tolist())
        }

    def _augmentation(self):
        weights, n = self.policy_.weights, self.n_policies
        of_classes = {
            label: sum(weights[c * n : (c + 1) * n]) for c, label in enumerate(self.policies_)
        }
        return ClasswiseAugmentation(self.policies_, of_classes)
