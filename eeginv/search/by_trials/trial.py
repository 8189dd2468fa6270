"""One trial: an objective scores a policy, in any process, and reports after each epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..._process import GLOBAL_STATE

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.trial import FrozenTrial, Trial

    from ...policy import Policy


# Parameters of a trial, by name.
Params: TypeAlias = dict[str, Any]


@dataclass
class Outcome:
    """Result of a trial.

    Parameters
    ----------
    score : float
        The last score that was reported or returned.
    scores : dict of int to float
        Score after each epoch in which it was reported.
    pruned : bool
        Whether the trial was stopped early.
    seconds : float
        Duration.
    error : str | None
        Message of the error if the trial failed.
    """

    score: float = float("nan")
    scores: dict[int, float] = field(default_factory=dict)
    pruned: bool = False
    seconds: float = 0.0
    error: str | None = None


class Report:
    """Receives the score of an objective after each epoch, and stops a trial that is pruned.

    Parameters
    ----------
    pruner : optuna.pruners.BasePruner | None
        Decides whether to stop the trial. None finishes it.
    finished : list of optuna.trial.FrozenTrial
        The trials that the pruner compares with.
    """

    def __init__(self, pruner: BasePruner | None, finished: Sequence[FrozenTrial]) -> None:
        self.scores: dict[int, float] = {}
        self._trial: Trial | None = None
        if pruner is not None:
            import optuna

            # A copy of the study, so that trials of one round do not see each other.
            with quiet():
                study = optuna.create_study(direction="maximize", pruner=pruner)
                study.add_trials(finished)
            self._trial = study.ask()

    @property
    def wants_every_epoch(self) -> bool:
        """Whether the score after each epoch is needed."""
        return self._trial is not None

    def __call__(self, score: float, epoch: int) -> None:
        """Report a score. Raises ``optuna.TrialPruned`` if the trial is pruned.

        Parameters
        ----------
        score : float
            The score. Higher is better.
        epoch : int
            Number of finished epochs.
        """
        import optuna

        self.scores[epoch] = score
        _check_finite(score)
        if self._trial is not None:
            self._trial.report(score, epoch)
            if self._trial.should_prune():
                raise optuna.TrialPruned


def run_trial(
    objective: Callable[[Policy, Report], float],
    policy: Policy,
    pruner: BasePruner | None,
    finished: Sequence[FrozenTrial],
) -> Outcome:
    """Score a policy.

    Parameters
    ----------
    objective : callable
        Returns a score from a policy and a :class:`Report`.
    policy : Policy
        The policy.
    pruner : optuna.pruners.BasePruner | None
        Decides whether to stop the trial early.
    finished : list of optuna.trial.FrozenTrial
        The trials that the pruner compares with.

    Returns
    -------
    outcome : Outcome
        The result. A ``ValueError`` of the objective becomes its ``error``.
    """
    import optuna

    start = time.perf_counter()
    report = Report(pruner, finished)
    outcome = Outcome(scores=report.scores)
    try:
        outcome.score = float(objective(policy, report))
        _check_finite(outcome.score)
    except optuna.TrialPruned:
        outcome.score, outcome.pruned = list(report.scores.values())[-1], True
    except ValueError as error:
        outcome.error = str(error)
    outcome.seconds = time.perf_counter() - start
    return outcome


def _check_finite(score: float) -> None:
    if not np.isfinite(score):
        raise ValueError(f"its score is {score}.")


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress Optuna's messages about studies and trials, whatever its verbosity is."""
    import optuna

    with GLOBAL_STATE:
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(max(verbosity, optuna.logging.WARNING))
        try:
            yield
        finally:
            optuna.logging.set_verbosity(verbosity)
