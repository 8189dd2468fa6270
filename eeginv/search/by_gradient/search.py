"""The loop of all gradient searches: epochs over the inner windows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from ...policy import Policy
from ..base import PolicySearch, TimeLimit
from ..declared import count, positive
from .checkpoint import Checkpoint, OptimizedModule

if TYPE_CHECKING:
    from ..problem import Problem

# Logits of a policy change by about the learning rate of Adam in each step while their gradients
# keep their sign. Over a search, a change of 3 rejects what is harmful and leaves a mixture.
TOTAL_CHANGE, MAX_RATE = 3.0, 0.1


class GradientSearch(PolicySearch):
    """Base class of searches that take one step of the policy for each batch of inner windows.

    A subclass defines ``_learner(problem)``, which returns a :class:`Learner`.

    Parameters
    ----------
    search_epochs : int
        Number of epochs over the inner windows.
    warmup_epochs : int
        Number of first epochs in which the network learns from unchanged windows and the policy is
        fixed. While the network does not use a feature, it cannot show which transforms destroy
        this feature.
    policy_lr : float | None
        Learning rate of the choices of the policy (Adam). Times the number of steps after the
        warm-up, it is about the change of their logits under gradients of constant sign. A change
        of 3 is enough to reject harmful transforms. With 9, a search settles on one of several
        harmless ones. None takes 3 divided by the number of these steps, and at most 0.1.
    checkpoint : path-like | None
        File that stores the state after every epoch. A search with the same parameters and data
        continues from it. So does one with more epochs and the same ``policy_lr``, which then must
        be given as a number, because None depends on the epochs.

    Attributes
    ----------
    policy_ : Policy
        The policy at the end of the search.
    schedule_ : list of Policy
        The policy after each epoch.
    history_ : list of dict
        The record of each epoch, averaged over its steps.
    """

    search_epochs: int = count(20)
    warmup_epochs: int = count(0, at_least=0)
    policy_lr: float | None = positive(None)
    checkpoint: str | os.PathLike | None = None

    schedule_: list[Policy] = field(init=False)
    history_: list[dict[str, float]] = field(init=False)

    # The checkpoint compares the learning rate itself, which depends on the epochs if it is None.
    resumable: ClassVar[tuple[str, ...]] = (
        *PolicySearch.resumable,
        "checkpoint",
        "search_epochs",
        "policy_lr",
    )

    def _learner(self, problem: Problem) -> Learner:
        raise NotImplementedError(f"{type(self).__name__} must define _learner.")

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.warmup_epochs >= self.search_epochs:
            raise ValueError(
                f"The policy would not learn: warmup_epochs ({self.warmup_epochs}) must be less "
                f"than search_epochs ({self.search_epochs})."
            )

    def policy_rate(self, problem: Problem) -> float:
        """Return the learning rate of the choices of the policy.

        Parameters
        ----------
        problem : Problem
            The data, from which the number of steps follows.

        Returns
        -------
        rate : float
            ``policy_lr``, or what None stands for.
        """
        if self.policy_lr is not None:
            return self.policy_lr
        n_batches = len(problem.inner) // _batch_size(problem, problem.inner)
        n_steps = (self.search_epochs - self.warmup_epochs) * n_batches
        return min(TOTAL_CHANGE / n_steps, MAX_RATE)

    def _search(self, problem: Problem, seed: int) -> None:
        with problem.trainer.isolated(seed):
            self._run_epochs(problem)

    def _run_epochs(self, problem: Problem) -> None:
        limit = TimeLimit(self.max_seconds)
        learner = self._learner(problem)
        inner_size, outer_size = (
            _batch_size(problem, rows) for rows in (problem.inner, problem.outer)
        )
        checkpoint = Checkpoint(self.checkpoint, self, problem)
        self.schedule_, self.history_ = checkpoint.restore(learner, self.search_epochs)
        epochs = range(len(self.history_), self.search_epochs)
        for epoch in tqdm(epochs, unit="epoch", disable=not self.verbose):
            records = []
            # New in each epoch, so that the batches do not depend on interruptions.
            outer_batches = batches(problem.outer, outer_size, endless=True)
            for rows in batches(problem.inner, inner_size):
                if limit.is_over():
                    break
                learns = epoch >= self.warmup_epochs
                records.append(learner.step(rows, next(outer_batches), learns))
                if not np.isfinite(list(records[-1].values())).all():
                    raise ValueError(
                        f"The search diverged in epoch {epoch + 1}, step {len(records)}: "
                        f"{records[-1]}. Lower its learning rates, or check the signals."
                    )
            if not records:
                break
            self.schedule_.append(learner.policy())
            self.history_.append(
                {key: float(np.mean([record[key] for record in records])) for key in records[0]}
            )
            if limit.is_over():  # The epoch may be incomplete.
                break
            checkpoint.save(learner, self.schedule_, self.history_)
        if len(self.schedule_) <= self.warmup_epochs:
            raise limit.error("the first step of the policy")
        self.policy_ = self.schedule_[-1]


class Learner(OptimizedModule):
    """Base class of the state of a gradient search: network, policy and optimizers.

    A subclass sets ``optimizers`` and defines the methods below.

    Parameters
    ----------
    search : GradientSearch
        The search, whose parameters are used.
    problem : Problem
        The data.
    """

    def __init__(self, search: GradientSearch, problem: Problem) -> None:
        super().__init__()
        self.search, self.problem = search, problem

    def policy(self) -> Policy:
        """Return the current policy."""
        raise NotImplementedError(f"{type(self).__name__} must define policy.")

    def step(self, rows: Tensor, outer_rows: Tensor, learns: bool = True) -> dict[str, float]:
        """Take one step of the network and one of the policy.

        Parameters
        ----------
        rows : Tensor of int, shape (n_examples,)
            A batch of inner windows.
        outer_rows : Tensor of int, shape (n_outer_examples,)
            A batch of held-out windows.
        learns : bool
            Whether the policy takes its step. In the warm-up it does not, and the network learns
            from unchanged windows.

        Returns
        -------
        record : dict of str to float
            Values for ``history_``, with the same keys in each step.
        """
        raise NotImplementedError(f"{type(self).__name__} must define step.")


def _batch_size(problem: Problem, rows: np.ndarray) -> int:
    return min(problem.trainer.batch_size, len(rows))


def batches(rows: np.ndarray, batch_size: int, endless: bool = False) -> Iterator[Tensor]:
    """Yield shuffled batches of equal size for an epoch or endlessly, by torch's global generator.

    The remainder of an epoch is left out.
    """
    numbers = torch.as_tensor(rows)
    while True:
        order = torch.randperm(len(rows))
        for start in range(0, len(rows) - batch_size + 1, batch_size):
            yield numbers[order[start : start + batch_size]]
        if not endless:
            return
