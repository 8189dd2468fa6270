"""Base class of searches over sub-policies whose choices learn by RELAX."""

from ..declared import count, positive, share
from .policy_step import PolicyStep
from .search import GradientSearch, Learner
from .sub_policies import Stages


class SubPolicySearch(GradientSearch):
    """Base class of gradient searches over :class:`SubPolicies`.

    A subclass defines ``_sub_policies(problem)`` and the class ``_Learner``, a
    :class:`SubPolicyLearner`.

    Parameters
    ----------
    n_operations : int
        Number of operations in a sub-policy, which are applied one after the other.
    policy_lr : float
        Learning rate of choices and probabilities (Adam). Multiplied by the number of steps, it is
        about the distance that their logits cover under steady gradients. A distance of 3 is enough
        to reject harmful transforms; with 9, a search settles on one of several harmless ones.
    strength_lr : float
        Learning rate of strengths, as shares of their ranges (Adam).
    control_lr : float
        Learning rate of the control variate (Adam).
    temperature : float
        Temperature of the relaxed choices that the control variate sees.
    probability : float
        Initial probability of applying an operation once it is chosen.
    strength : float
        Initial strength of each operation, as a share of its range.

    Attributes
    ----------
    history_ : list of dict
        Means over each epoch: training loss (``inner_loss``), held-out loss (``outer_loss``), mean
        square of the gradient estimates (``spread``) and probability of applying an operation
        (``probability``).
    """

    n_operations: int = count(2)
    policy_lr: float = positive(0.01)
    strength_lr: float = positive(5e-3)
    control_lr: float = positive(1e-2)
    temperature: float = positive(0.5)
    probability: float = share(0.5)
    strength: float = share(0.5)

    def _sub_policies(self, problem):
        raise NotImplementedError(f"{type(self).__name__} must define _sub_policies.")

    def _learner(self, problem):
        return self._Learner(self, problem, self._sub_policies(problem))


class StagedSearch(SubPolicySearch):
    """Base class of searches whose sub-policies choose one of all candidates in each stage.

    Parameters
    ----------
    n_policies : int
        Number of sub-policies. Each example draws one, with equal probabilities.
    """

    n_policies: int = count(1)
    warmup_epochs: int = count(5, at_least=0)

    def _sub_policies(self, problem, class_frequencies=None):
        return Stages(
            problem.transforms,
            self.n_operations,
            self.n_policies,
            class_frequencies,
            self.probability,
            self.strength,
        )


class SubPolicyLearner(Learner):
    """Base class of learners whose policy is a set of sub-policies.

    Parameters
    ----------
    search : SubPolicySearch
        The search, whose parameters apply.
    problem : Problem
        The data.
    sub_policies : SubPolicies
        The sub-policies that learn.
    """

    optimizers = ()

    def _make_policy_step(self, sub_policies):
        search = self.search
        self.policy_step = PolicyStep(
            sub_policies,
            search.policy_lr,
            search.strength_lr,
            search.control_lr,
            search.temperature,
        ).to(self.problem.X.device)

    def policy(self):
        return self.policy_step.sub_policies.policy()
