"""The loop of all searches by trials: rounds of policies, each scored on held-out windows."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar

import joblib
import numpy as np
from tqdm.auto import tqdm

from ..._process import Call, call_all
from ...policy import Policy
from ..base import PolicySearch, TimeLimit
from ..declared import count
from ..fingerprint import fingerprint
from .space import SubPolicySpace, TrialSpace
from .storage import Storage
from .study import Study
from .trial import Params, Report, run_trial

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

    from ..problem import Problem

_SECONDS_BETWEEN_LOOKS = 0.5  # at what other processes do


class TrialSearch(PolicySearch):
    """Base class of searches that score single policies, in trials.

    A subclass defines ``_space(problem)``, which returns a :class:`TrialSpace`, and
    ``_objectives(problem, seed)``, a list of functions that return a score from a policy and a
    :class:`Report`. The functions can be pickled. Each has its own study, called a fold.

    Trials are proposed and finished in rounds. The proposals of a round depend only on the rounds
    before it. So neither the number of workers nor an interruption changes the result.

    Parameters
    ----------
    child_epochs : int | None
        Number of epochs of each training in the search. None takes that of the final training.
    round_size : int
        Number of policies in a round of a fold. Those of one round can be scored in parallel, and
        each round learns from the previous ones. Unlike ``n_jobs``, it changes the result.
    storage : path-like | None
        Journal file of Optuna, or URL of a database that Optuna knows, such as
        ``sqlite:///trials.db``, that stores every finished trial. A search with the same parameters
        and data continues from it; several at once share the trials, and all end with the result
        of one.
    n_jobs : int | None
        Number of joblib workers that score trials in parallel. The results do not depend on it.

    Attributes
    ----------
    policy_ : Policy
        The policy with the highest score. With ``n_best``, a mixture of that number of best
        policies of each fold.
    cv_results_ : dict
        One entry for each trial in each of ``params``, ``policy``, ``fold``, ``mean_test_score``
        (balanced accuracy on held-out windows), ``rank_test_score``, ``pruned`` and
        ``mean_fit_time`` (seconds).
    history_ : list of dict
        Number, fold, score and best score so far of each trial.
    best_index_ : int
        Row of the best trial in ``cv_results_``.
    best_params_ : dict
        Parameters of the best trial.
    best_score_ : float
        Score of the best trial.
    """

    child_epochs: int | None = count(None)
    round_size: int = count(10)
    storage: str | os.PathLike | None = None
    n_jobs: int | None = None

    cv_results_: dict[str, Any] = field(init=False)
    history_: list[dict[str, float]] = field(init=False)
    best_index_: int = field(init=False)
    best_params_: Params = field(init=False)
    best_score_: float = field(init=False)

    resumable: ClassVar[tuple[str, ...]] = (
        *PolicySearch.resumable,
        "n_trials",
        "n_best",
        "storage",
        "n_jobs",
    )

    # methods of subclasses ----------------------------------------------------------------------
    def _space(self, problem: Problem) -> TrialSpace:
        raise NotImplementedError(f"{type(self).__name__} must define _space.")

    def _count_trials(self, grid: list[Params] | None) -> int:
        """Return the number of trials of a fold."""
        if grid is None:
            raise NotImplementedError(f"{type(self).__name__} must define _count_trials.")
        return len(grid)

    def _objectives(self, problem: Problem, seed: int) -> list[Callable[[Policy, Report], float]]:
        raise NotImplementedError(f"{type(self).__name__} must define _objectives.")

    def _pruner(self) -> BasePruner | None:
        """Return a new pruner, or None to finish all trials."""
        return None

    def _count_best(self) -> int:
        """Return the number of the best policies of a fold that are mixed."""
        return 1

    def _choose_best(self) -> None:
        """Set the policy to the mixture of the best ones of each fold."""
        results, best = self.cv_results_, []
        for fold in np.unique(results["fold"]):
            rows = np.flatnonzero((results["fold"] == fold) & ~results["pruned"])
            order = np.argsort(-results["mean_test_score"][rows], kind="stable")
            best.extend(rows[order][: self._count_best()].tolist())
        self.policy_ = Policy.mixture([results["policy"][row] for row in best])
        self.best_index_ = int(np.flatnonzero(results["rank_test_score"] == 1)[0])
        self.best_score_ = float(results["mean_test_score"][self.best_index_])
        self.best_params_ = results["params"][self.best_index_]

    # the search ---------------------------------------------------------------------------------
    def _search(self, problem: Problem, seed: int) -> None:
        limit = TimeLimit(self.max_seconds)
        space = self._space(problem)
        grid, distributions = space.grid(), space.distributions()
        n_trials = self._count_trials(grid)
        stored: AbstractContextManager[Storage | None] = nullcontext()
        if self.storage is not None:
            stored = closing(Storage(self.storage, fingerprint(self, problem)))
        with stored as storage:
            objectives = [] if limit.is_over() else self._objectives(problem, seed)
            studies = [
                Study(distributions, seed + fold, storage.study(fold) if storage else None, grid)
                for fold in range(len(objectives))
            ]
            bar = tqdm(total=n_trials * len(studies), unit="trial", disable=not self.verbose)
            try:
                with nullcontext() if storage is None else storage.at_work():
                    for first in range(0, n_trials, self.round_size):
                        if limit.is_over():
                            break
                        numbers = range(first, min(first + self.round_size, n_trials))
                        self._run_round(space, studies, objectives, numbers, bar)
            finally:
                bar.close()
                self._tabulate(space, studies)
        if not self.history_:
            raise limit.error("the first trial of the search")
        self._choose_best()

    def _run_round(
        self,
        space: TrialSpace,
        studies: Sequence[Study],
        objectives: list[Callable[[Policy, Report], float]],
        numbers: range,
        bar: tqdm,
    ) -> None:
        """Run one round of all folds, and wait for what other processes do of it."""
        for study in studies:
            study.ask(numbers)
        while missing := [
            (fold, number, params)
            for fold, study in enumerate(studies)
            for number, params in study.missing().items()
        ]:
            if not self._run_trials(space, studies, objectives, missing, bar):
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        for study in studies:
            study.tell()
        bar.update(len(studies) * numbers.stop - bar.n)

    def _run_trials(
        self,
        space: TrialSpace,
        studies: Sequence[Study],
        objectives: list[Callable[[Policy, Report], float]],
        missing: Sequence[tuple[int, int, Params]],
        bar: tqdm,
    ) -> int:
        """Run the trials that nobody else is at, on all workers, and return their number."""
        claimed: list[tuple[int, int, Params]] = []
        pruner = self._pruner()

        def calls() -> Iterator[Call]:
            for fold, number, params in missing:
                if studies[fold].claim(number, params):
                    claimed.append((fold, number, params))
                    finished = studies[fold].finished() if pruner else []
                    policy = space.policy(params)
                    yield joblib.delayed(run_trial)(objectives[fold], policy, pruner, finished)

        failures = []
        # What is stored is claimed as late as possible, so that other processes find work.
        pre_dispatch = "all" if self.storage is None else "n_jobs"
        for i, outcome in call_all(calls(), self.n_jobs, pre_dispatch):
            fold, number, params = claimed[i]
            studies[fold].finish(number, outcome)
            if outcome.error is not None:
                failures.append((number, fold, outcome.error, params))
            bar.update()
        if failures:
            number, fold, error, params = min(failures, key=lambda failure: failure[:2])
            raise ValueError(
                f"Trial {number} of fold {fold} failed: {error} Its parameters were {params}. "
                "Lower the estimator's lr or the transforms' ranges, or check the signals. "
                "cv_results_ and the storage keep the trials before it."
            )
        return len(claimed)

    def _tabulate(self, space: TrialSpace, studies: list[Study]) -> None:
        """Set ``cv_results_`` and ``history_`` from all finished trials, ordered by number."""
        rows = [
            (number, fold, params, outcome)
            for fold, study in enumerate(studies)
            for number, (params, outcome) in enumerate(study.trials)
        ]
        rows.sort(key=lambda row: row[:2])
        scores = np.array([outcome.score for *_, outcome in rows])
        pruned = np.array([outcome.pruned for *_, outcome in rows], dtype=bool)
        self.cv_results_ = {
            "params": [params for _, _, params, _ in rows],
            "policy": [space.policy(params) for _, _, params, _ in rows],
            "fold": np.array([fold for _, fold, _, _ in rows], dtype=int),
            "mean_test_score": scores,
            "rank_test_score": rank_scores(scores, pruned),
            "pruned": pruned,
            "mean_fit_time": np.array([outcome.seconds for *_, outcome in rows]),
        }
        best, self.history_ = -np.inf, []
        for number, fold, _, outcome in rows:
            best = max(best, -np.inf if outcome.pruned else outcome.score)
            self.history_.append(
                {"trial": number, "fold": fold, "score": outcome.score, "best_score": best}
            )


class SampledSearch(TrialSearch):
    """Base class of searches by trials whose policies Optuna samples.

    A policy is a mixture of sub-policies, each a sequence of operations with a probability and a
    strength. They are sampled by a tree-structured Parzen estimator.

    Parameters
    ----------
    n_sub_policies : int
        Number of sub-policies in a policy.
    n_operations : int
        Number of operations in a sub-policy.
    n_trials : int
        Number of trials in each fold.
    n_best : int
        Number of the best policies of each fold that are mixed.
    """

    n_sub_policies: int = count(5)
    n_operations: int = count(2)
    n_trials: int = count(50)
    n_best: int = count(5)

    def _space(self, problem: Problem) -> TrialSpace:
        return SubPolicySpace(problem.transforms, self.n_sub_policies, self.n_operations)

    def _count_trials(self, grid: list[Params] | None) -> int:
        return self.n_trials

    def _count_best(self) -> int:
        return self.n_best


def rank_scores(scores: np.ndarray, pruned: np.ndarray) -> np.ndarray:
    """Rank scores from 1. Equal scores share the lowest rank, and pruned trials come last."""
    order = np.lexsort((-scores, pruned))
    ranks = np.empty(len(scores), dtype=int)
    for place, row in enumerate(order):
        before = order[place - 1]
        tied = place > 0 and scores[row] == scores[before] and pruned[row] == pruned[before]
        ranks[row] = ranks[before] if tied else place + 1
    return ranks
