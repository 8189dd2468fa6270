"""Searches by trial: rounds of policies, each scored on held-out windows."""

import time

import joblib
import numpy as np
from tqdm.auto import tqdm

from ..policy import Policy
from .base import PolicySearch
from .study import Study, run_trial


class TrialSearch(PolicySearch):
    """A search that scores policies one by one; not for use by itself.

    A search defines ``_objectives(problem, seed)``, a list of picklable functions from a policy
    and a :class:`~eeginv.search.study.Report` to a score, each of which gets a study of its own;
    ``_distributions(problem)``, what a trial is made of; and ``_policy(problem, params)``. Beyond
    what :class:`PolicySearch` needs, its ``__init__`` stores ``round_size``, ``max_seconds``,
    ``storage``, ``n_jobs`` and ``verbose``, and ``n_trials`` and ``n_best`` unless it says
    otherwise.

    Trials are proposed and finished in rounds of ``round_size``. What is proposed depends on the
    rounds before alone, so that neither the number of workers nor an interruption changes it.
    """

    _counts = ("n_trials", "n_best", "round_size")
    # what may change between a search and the one that goes on from its storage
    _free = ("n_trials", "n_best", "max_seconds", "storage", "n_jobs", "verbose", "refit")

    def _check_parameters(self):
        super()._check_parameters()
        if self.max_seconds is not None and not self.max_seconds > 0:
            raise ValueError(f"max_seconds must be above 0, got {self.max_seconds}.")

    # what a search may change -------------------------------------------------------------------
    def _objectives(self, problem, seed):
        raise TypeError(f"{type(self).__name__} does not define _objectives.")

    def _distributions(self, problem):
        raise TypeError(f"{type(self).__name__} does not define _distributions.")

    def _policy(self, problem, params):
        raise TypeError(f"{type(self).__name__} does not define _policy.")

    def _fixed_trials(self):
        """Return the parameters of all trials, if they are known beforehand."""
        return None

    def _pruner(self):
        """Return what gives trials up, for each round a new one."""
        return None

    @property
    def _n_best(self):
        """How many policies of each study are mixed."""
        return self.n_best

    # the search -------------------------------------------------------------------------------
    def _search(self, problem, seed):
        start = time.perf_counter()

        def is_over():
            return self.max_seconds is not None and time.perf_counter() - start > self.max_seconds

        fixed = self._fixed_trials()
        n_trials = self.n_trials if fixed is None else len(fixed)
        distributions = self._distributions(problem)
        key = "" if self.storage is None else problem.fingerprint(self, self._free)
        objectives = [] if is_over() else self._objectives(problem, seed)
        studies = [
            Study(f"fold {fold}", distributions, seed + fold, self.storage, key, fixed)
            for fold in range(len(objectives))
        ]
        bar = tqdm(total=n_trials * len(studies), unit="trial", disable=not self.verbose)
        try:
            for first in range(0, n_trials, self.round_size):
                if is_over():
                    break
                numbers = range(first, min(first + self.round_size, n_trials))
                self._round(problem, studies, objectives, numbers, bar)
        finally:
            bar.close()
            self._collect(problem, studies)
        if not self.history_:
            raise ValueError(
                f"max_seconds ({self.max_seconds:g}) was over before the first trial of the search."
            )
        self._choose(studies)

    def _round(self, problem, studies, objectives, numbers, bar):
        """Run one round of all studies: what the storage lacks, on all workers."""
        proposals = [study.ask(numbers) for study in studies]
        missing = [
            (fold, i, params)
            for fold, of_study in enumerate(proposals)
            for i, (params, outcome) in enumerate(of_study)
            if outcome is None
        ]
        results = joblib.Parallel(n_jobs=self.n_jobs, return_as="generator")(
            joblib.delayed(run_trial)(
                objectives[fold],
                self._policy(problem, params),
                self._pruner(),
                studies[fold].finished()[: numbers.start] if self._pruner() else [],
            )
            for fold, _, params in missing
        )
        bar.update(sum(map(len, proposals)) - len(missing))
        outcomes = [[outcome for _, outcome in of_study] for of_study in proposals]
        failures = {}
        for (fold, i, params), outcome in zip(missing, results, strict=True):
            outcomes[fold][i] = outcome
            if outcome.error is not None:
                failures.setdefault(fold, (i, params, outcome.error))
            elif fold not in failures:  # a journal has no gaps
                studies[fold].remember(params, outcome)
            bar.update()
        for fold, (i, params, error) in failures.items():
            raise ValueError(
                f"Trial {numbers[i]} of fold {fold} failed: {error} Its parameters were {params}. "
                "Lower the estimator's lr or the transforms' ranges, or check the signals; the "
                "trials before it are kept in cv_results_ and in the storage."
            )
        for study, of_study in zip(studies, outcomes, strict=True):
            study.tell(of_study)

    def _collect(self, problem, studies):
        """Tabulate all trials that have been told, in the order of their numbers."""
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
            "policy": [self._policy(problem, params) for _, _, params, _ in rows],
            "fold": np.array([fold for _, fold, _, _ in rows], dtype=int),
            "mean_test_score": scores,
            "rank_test_score": _ranks(scores, pruned),
            "pruned": pruned,
            "mean_fit_time": np.array([outcome.seconds for *_, outcome in rows]),
        }
        best, self.history_ = -np.inf, []
        for number, fold, _, outcome in rows:
            best = max(best, -np.inf if outcome.pruned else outcome.score)
            self.history_.append(
                {"trial": number, "fold": fold, "score": outcome.score, "best_score": best}
            )

    def _choose(self, studies):
        """Mix the best policies of each study."""
        results, best = self.cv_results_, []
        for fold in range(len(studies)):
            rows = np.flatnonzero((results["fold"] == fold) & ~results["pruned"])
            order = np.argsort(-results["mean_test_score"][rows], kind="stable")
            best.extend(rows[order][: self._n_best].tolist())
        self.policy_ = Policy.mixture([results["policy"][row] for row in best])
        self.best_index_ = int(np.flatnonzero(results["rank_test_score"] == 1)[0])
        self.best_score_ = float(results["mean_test_score"][self.best_index_])
        self.best_params_ = results["params"][self.best_index_]


def _ranks(scores, pruned):
    """Ranks from 1, equal scores sharing the lowest, those that were given up behind the others."""
    order = np.lexsort((-scores, pruned))
    ranks = np.empty(len(scores), dtype=int)
    for place, row in enumerate(order):
        before = order[place - 1]
        tied = place > 0 and scores[row] == scores[before] and pruned[row] == pruned[before]
        ranks[row] = ranks[before] if tied else place + 1
    return ranks
