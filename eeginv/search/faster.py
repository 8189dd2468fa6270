"""Faster AutoAugment: policy search by adversarial matching of augmented and held-out signals."""

import copy

import torch
from torch import nn

from .._randomness import generator_states, restore_generators
from .gradient import GradientSearch
from .policy_step import PolicyStep, check_policy_parameters
from .subpolicies import Stages


class FasterAutoAugmentSearch(GradientSearch):
    """Search a policy that makes training subjects look like held-out ones [1]_.

    No network is trained under the policy. A critic learns to tell augmented windows of the inner
    subjects from unchanged windows of the held-out ones, and to classify unchanged windows of both;
    the policy learns to be taken for held-out signals and to be classified right. The score of the
    critic estimates the Wasserstein distance between the two (WGAN with gradient penalty [2]_).

    Parameters
    ----------
    estimator : InvariantClassifier
        Prototype: batch size, class weights, the training of the final model, and the backbone,
        which is also the critic's, with one output more; a name or a class.
    transforms : list of Transform | None
        Candidates, of which only types and ranges count; None takes
        :func:`~eeginv.transforms.default_transforms`.
    n_operations : int
        Stages of a sub-policy; each chooses one of all candidates.
    n_policies : int
        Sub-policies, drawn with equal probability for each example.
    search_epochs : int
        Passes over the inner training windows.
    warmup_epochs : int
        Of these, first passes in which the critic only learns to classify, and the policy stays.
    critic_lr : float
        Learning rate of the critic (Adam).
    cls_factor : float
        Weight of the classification loss against the score of the critic.
    gradient_penalty : float
        Weight of the penalty that keeps the critic's slope at one.
    policy_lr, strength_lr, control_lr, temperature : float
        As in :class:`ADDASearch`.
    probability, strength : float
        Initial probabilities and strengths (as shares of the ranges).
    held_out : float
        Share of the groups (of the windows, without groups) to be matched.
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
        The policy at the end of the search.
    schedule_ : list of Policy
        The policy after each epoch of the search.
    history_ : list of dict
        For each epoch: loss of the critic's classification on unchanged (``outer_loss``) and on
        augmented windows (``inner_loss``), difference of its scores (``distance``), gradient
        penalty, mean square of the policy's gradient estimates and mean probability of applying;
        zero where the warm-up does without.
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
    Differs from the published code where that was found to fail:

    - the gradient that is penalised is that of one score with respect to a whole window, not of
      each sample on its own; distances are root mean squares over the samples of a window, so that
      scores do not grow with its length;
    - each example has a sub-policy of its own, not each eighth of the batch;
    - a stage applies what it chose. The published code mixes all transformed signals, and takes
      the slope at one signal for what a jump to another would bring; here choices and
      probabilities learn by RELAX, which is unbiased and makes one transform a stage;
    - what is matched are held-out subjects, not other windows of the same ones.

    References
    ----------
    .. [1] Hataya, R., Zdenek, J., Yoshizoe, K., & Nakayama, H. (2020). Faster AutoAugment: learning
       augmentation strategies using backpropagation. ECCV.
    .. [2] Gulrajani, I., Ahmed, F., Arjovsky, M., Dumoulin, V., & Courville, A. (2017). Improved
       training of Wasserstein GANs. NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv import FasterAutoAugmentSearch, InvariantClassifier
    >>> from eeginv.transforms import FrequencyShift, SignFlip, TimeReverse
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(40, 2, 640)), np.tile(["rest", "task"], 20)
    >>> search = FasterAutoAugmentSearch(
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
        critic_lr=1e-3,
        cls_factor=1.0,
        gradient_penalty=10.0,
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
        self.critic_lr = critic_lr
        self.cls_factor = cls_factor
        self.gradient_penalty = gradient_penalty
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

    def _check_parameters(self):
        super()._check_parameters()
        check_policy_parameters(self)
        for name in ("critic_lr", "gradient_penalty"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}.")
        if not self.cls_factor >= 0:
            raise ValueError(f"cls_factor must be at least 0, got {self.cls_factor}.")
        if isinstance(self.estimator.backbone, nn.Module):
            raise TypeError(
                "FasterAutoAugmentSearch builds the backbone with one output more, for the "
                f"critic's score: give the {type(self.estimator.backbone).__name__} as a class or "
                "by name, not as an object."
            )

    def _learner(self, problem):
        space = Stages(
            problem.transforms,
            self.n_operations,
            self.n_policies,
            probability=self.probability,
            strength=self.strength,
        )
        return _Learner(self, problem, space)


class Critic(nn.Module):
    """Scores signals and classifies them, with one trunk.

    Parameters
    ----------
    network : nn.Module
        From signals to one output a class, and one more for the score.
    """

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, X, keep_statistics=False):
        """Score and classify.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.
        keep_statistics : bool
            Whether to normalise by the statistics of the batch and keep them, or by those kept:
            then what one example scores does not depend on the others, and the slope of the score
            is its own.

        Returns
        -------
        logits : Tensor, shape (n_examples, n_classes)
            Of the classes.
        score : Tensor, shape (n_examples,)
            Larger for what looks held out.
        """
        norms = [m for m in self.network.modules() if isinstance(m, nn.modules.batchnorm._NormBase)]
        for norm in norms:
            norm.train(keep_statistics)
        output = self.network(X)
        for norm in norms:
            norm.train()
        return output[:, :-1], output[:, -1]

    def slope_penalty(self, X, X_other):
        """Return how far the slope of the score is from one between two batches, squared.

        Parameters
        ----------
        X, X_other : Tensor, shape (n_examples, n_channels, n_times)
            Signals; the slope is taken at a random point between those of the same number.

        Returns
        -------
        penalty : Tensor
            Mean over the examples. The slope is the norm of the gradient with respect to a whole
            example, for distances that are root mean squares over its samples.
        """
        share = torch.rand(len(X), 1, 1, dtype=X.dtype).to(X.device)
        between = (share * X + (1 - share) * X_other).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self(between)[1].sum(), between, create_graph=True)
        slope = gradient.flatten(1).norm(dim=1) * X[0].numel() ** 0.5
        return (slope - 1).square().mean()


class _Learner(nn.Module):
    """One step of the critic against the policy, and one of the policy against the critic."""

    def __init__(self, search, problem, space):
        super().__init__()
        self.search, self.problem = search, problem
        prototype = copy.copy(problem.prototype)
        prototype.n_outputs_ = prototype.n_outputs_ + 1
        network = prototype._build_module(0).to(problem.X.device).train()
        self.critic = Critic(network)
        self.criterion = problem.criterion
        self.policy_step = PolicyStep(
            space, search.policy_lr, search.strength_lr, search.control_lr, search.temperature
        ).to(problem.X.device)
        self.optimizer = torch.optim.Adam(
            [p for p in self.critic.parameters() if p.requires_grad],
            lr=search.critic_lr,
            betas=(0.0, 0.999),
        )

    def get_extra_state(self):
        return self.optimizer.state_dict()

    def set_extra_state(self, state):
        self.optimizer.load_state_dict(state)

    def policy(self):
        """Return the policy as it is now."""
        return self.policy_step.space.policy()

    def step(self, rows, outer_rows, learns=True):
        """Take both steps; in the warm-up, that of the critic's classification."""
        search, X, y = self.search, self.problem.X, self.problem.y
        both = torch.cat([outer_rows, rows])
        logits, _ = self.critic(X[both], keep_statistics=True)
        outer_loss = loss = self._loss(logits, both).mean()
        record = dict.fromkeys(("inner_loss", "distance", "penalty", "spread"), 0.0)
        if learns:
            transformed, drawn = self.policy_step.draw(X[rows], y[rows])
            n = min(len(rows), len(outer_rows))
            penalty = self.critic.slope_penalty(X[outer_rows[:n]], transformed[:n])
            _, score = self.critic(X[outer_rows])
            _, score_transformed = self.critic(transformed.detach())
            distance = score.mean() - score_transformed.mean()
            loss = loss - distance + search.gradient_penalty * penalty
            record |= {"distance": distance.item(), "penalty": penalty.item()}
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if learns:
            # both under the same dropout; most of what an example scores is its own
            states = generator_states(X.device)
            with torch.no_grad():
                unchanged, _ = self._worth(X[rows], rows)
            restore_generators(states, X.device)
            worth, losses = self._worth(transformed, rows)
            record["inner_loss"] = losses.mean().item()
            record["spread"] = self.policy_step.step(drawn, worth - unchanged)
        return {**record, "outer_loss": outer_loss.item(), **self.policy_step.summary()}

    def _worth(self, signals, rows):
        """Return what the policy wants to raise, and the losses in it, example by example."""
        logits, score = self.critic(signals)
        losses = self._loss(logits, rows)
        return score - self.search.cls_factor * losses, losses

    def _loss(self, logits, rows):
        return self.criterion(logits, self.problem.y[rows]) * self.problem.weight[rows]
