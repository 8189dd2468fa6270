"""DDAS: policy search by the one-step meta-gradient of the expected training loss."""

import math

import torch
from torch import nn

from ..augmentation import PolicyAugmentation
from .gradient import GradientSearch, Losses, inner_product
from .operations import apply_operations, make_operations, product_policy
from .scales import RunningScales


class DDASSearch(GradientSearch):
    """Search an augmentation policy on held-out subjects by a one-step meta-gradient [1]_.

    The network takes one step of gradient descent on the expected loss under the policy, and the
    policy is moved along the derivative of the held-out loss after that step. The expected loss is
    linear in the probabilities of the policy, so the derivative needs only inner products of
    gradients, no second derivatives, and no gradient of a transform. The policy has two levels:
    whether an example is augmented at all, and with which sequence of operations. The course
    of the policy over the search, after a warm-up if there is one, is replayed as a schedule in a
    training from scratch.

    Parameters
    ----------
    estimator : InvariantClassifier
        Prototype: backbone, batch size, class weights, and the training of the final model.
    transforms : list of Transform | None
        Candidates, of which only types and ranges count; None takes
        :func:`~eeginv.transforms.default_transforms`. Transforms of continuous strength become
        ``n_levels`` operations, equally spaced up to ``max_magnitude``.
    n_levels : int
        Levels of strength.
    n_operations : int
        Length of a sequence of operations.
    n_views : int
        Augmented views of each batch.
    search_epochs : int
        Passes over the inner training windows.
    warmup_epochs : int
        Of these, first passes in which the network learns from unchanged windows and the policy
        stays (the paper has none): a network that does not use a feature yet cannot show which
        transform destroys it.
    search_lr : float
        Learning rate of the network in the search: gradient descent without momentum, each weight
        tensor's step divided by the running root mean square of its gradient without augmentation,
        which does not depend on the policy and so leaves the one-step derivative exact.
    policy_lr : float
        Learning rate of the choice of operations (Adam).
    probability_lr : float
        Learning rate of whether to augment (Adam).
    probability : float
        Initial probability of augmenting.
    held_out : float
        Share of the groups (of the windows, without groups) for the outer loss.
    refit : bool
        Whether to train a final model from scratch on all windows under the found schedule.
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
        The policy at the end of the search.
    schedule_ : list of Policy
        The policy after each epoch of the search.
    history_ : list of dict
        Inner and outer loss and the probability of augmenting, for each epoch.
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
    .. [1] Liu, A., Huang, Z., Huang, Z., & Wang, N. (2021). Direct differentiable augmentation
       search. ICCV.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv import DDASSearch, InvariantClassifier
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(40, 2, 640)), np.tile(["rest", "task"], 20)
    >>> prototype = InvariantClassifier(sfreq=128, max_epochs=1)
    >>> search = DDASSearch(prototype, search_epochs=1, random_state=0)
    >>> search.fit(X, y, groups=np.repeat([0, 1, 2, 3], 10)).policy_.n_layers
    2
    """

    def __init__(
        self,
        estimator,
        *,
        transforms=None,
        n_levels=3,
        n_operations=2,
        n_views=3,
        search_epochs=20,
        warmup_epochs=0,
        search_lr=1e-3,
        policy_lr=0.02,
        probability_lr=0.02,
        probability=0.35,
        held_out=0.5,
        refit=True,
        max_seconds=None,
        checkpoint=None,
        verbose=0,
        random_state=None,
    ):
        self.estimator = estimator
        self.transforms = transforms
        self.n_levels = n_levels
        self.n_operations = n_operations
        self.n_views = n_views
        self.search_epochs = search_epochs
        self.warmup_epochs = warmup_epochs
        self.search_lr = search_lr
        self.policy_lr = policy_lr
        self.probability_lr = probability_lr
        self.probability = probability
        self.held_out = held_out
        self.refit = refit
        self.max_seconds = max_seconds
        self.checkpoint = checkpoint
        self.verbose = verbose
        self.random_state = random_state

    _counts = ("n_levels", "n_operations", "n_views", "search_epochs")

    def _check_parameters(self):
        super()._check_parameters()
        if not 0 < self.probability < 1:
            raise ValueError(f"probability must be between 0 and 1, got {self.probability}.")

    def _learner(self, problem):
        return _Learner(self, problem)

    def _augmentation(self):
        return PolicyAugmentation(self.schedule_[self.warmup_epochs :])


class _Learner(nn.Module):
    """One step of the network on the expected loss, and one of the policy on what it bought."""

    def __init__(self, search, problem):
        super().__init__()
        self.search, self.problem = search, problem
        self.operations = make_operations(problem.transforms, search.n_levels)
        self.network = problem.make_network()
        self.losses = Losses(self.network, problem)
        device = problem.X.device
        self.logits = nn.Parameter(torch.zeros(len(self.operations), device=device))
        gate = math.log(search.probability / (1 - search.probability))
        self.gate = nn.Parameter(torch.tensor(gate, device=device))
        # of the gradients without augmentation, which do not depend on the policy
        self.scales = RunningScales(len(self.losses.parameters())).to(device)
        self.optimizer = torch.optim.Adam(
            [
                {"params": [self.logits], "lr": search.policy_lr},
                {"params": [self.gate], "lr": search.probability_lr},
            ],
            betas=(0.5, 0.999),
        )

    def get_extra_state(self):
        return self.optimizer.state_dict()

    def set_extra_state(self, state):
        self.optimizer.load_state_dict(state)

    def policy(self):
        """Return the policy as it is now."""
        weights, search = self.logits.softmax(0).tolist(), self.search
        return product_policy(
            self.operations, [weights] * search.n_operations, torch.sigmoid(self.gate).item()
        )

    def step(self, rows, outer_rows, learns=True):
        """Take both steps; in the warm-up, that of the network on unchanged signals."""
        search = self.search
        parameters = list(self.losses.parameters().values())
        n_views = search.n_views if learns else 0
        sequences = torch.randint(len(self.operations), (n_views, search.n_operations))
        clean = self.problem.X[rows]
        views = [clean] + [
            apply_operations(clean, [self.operations[i] for i in sequence])
            for sequence in sequences.tolist()
        ]
        gradients, losses = zip(
            *(self.losses.gradient(X, rows, keep_statistics=X is clean) for X in views),
            strict=True,
        )
        self.scales.update(gradients[0])
        scales = self.scales.values()
        log_chance = torch.log_softmax(self.logits, dim=0)[sequences].sum(dim=1)
        augment = torch.sigmoid(self.gate) if learns else self.gate.new_zeros(())
        shares = torch.cat([(1 - augment).reshape(1), augment * log_chance.softmax(dim=0)])
        with torch.no_grad():
            for i, parameter in enumerate(parameters):
                expected = sum(s * g[i] for s, g in zip(shares, gradients, strict=True))
                parameter -= search.search_lr * scales[i] * expected
            if not learns:
                outer_loss = self.losses.loss(self.problem.X[outer_rows], outer_rows).item()
        if learns:
            outer_gradient, outer_loss = self.losses.gradient(
                self.problem.X[outer_rows], outer_rows
            )
            direction = [g * scale for g, scale in zip(outer_gradient, scales, strict=True)]
            self._learn(gradients, direction, augment, log_chance.exp())
        return {
            "inner_loss": losses[0],
            "outer_loss": outer_loss,
            "probability": torch.sigmoid(self.gate).item(),
        }

    def _learn(self, gradients, direction, augment, chance):
        """Take the step of the policy.

        Parameters
        ----------
        gradients : sequence of sequences of Tensor
            Without augmentation, then of each view.
        direction : sequence of Tensor
            Held-out gradient after the step, times the step lengths.
        augment, chance : Tensor
            Probabilities of augmenting and of the views' sequences.
        """
        products = torch.stack([inner_product(g, direction) for g in gradients])
        gains = products[1:] - products[0]
        gains = gains / gains.abs().sum().clamp_min(1e-30)
        # the held-out loss falls along positive inner products; sum_k p_k is held constant
        objective = -(gains * augment * chance / chance.sum().detach()).sum()
        self.optimizer.zero_grad()
        objective.backward()
        self.optimizer.step()
