"""A study, whose trials Optuna proposes independently of the number of workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .trial import Outcome, Params, quiet

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, Trial

    from .storage import StoredStudy


class Study:
    """Trials of one objective, which depend only on the seed and the finished rounds.

    Parameters
    ----------
    distributions : dict of str to optuna.distributions.BaseDistribution
        Distributions that the parameters of a trial are drawn from.
    seed : int
        Seed. Each trial has its own sampler, whose seed depends on this one and on the number of
        the trial, so that an interruption does not change the trials after it.
    stored : StoredStudy | None
        Finished trials, and those that other processes are at. None stores none.
    grid : list of dict | None
        Parameters of all trials. None samples them.

    Attributes
    ----------
    trials : list of (dict, Outcome)
        Parameters and outcomes of the finished trials, in order.
    """

    def __init__(
        self,
        distributions: dict[str, BaseDistribution],
        seed: int,
        stored: StoredStudy | None = None,
        grid: list[Params] | None = None,
    ) -> None:
        import optuna

        self.distributions, self._seed, self._grid = distributions, seed, grid
        self.trials: list[tuple[Params, Outcome]] = []
        self._asked: dict[int, Trial] = {}
        self._outcomes: dict[int, Outcome] = {}
        with quiet():
            self._study = optuna.create_study(direction="maximize")
        self._stored = stored

    def finished(self) -> list[FrozenTrial]:
        """Return the trials of the finished rounds as Optuna objects, for the pruner."""
        from optuna.trial import TrialState

        states = (TrialState.COMPLETE, TrialState.PRUNED)
        return self._study.get_trials(deepcopy=False, states=states)

    def ask(self, numbers: range) -> dict[int, Params]:
        """Propose the trials of a round from those of the rounds before.

        Parameters
        ----------
        numbers : range
            Numbers of the trials, which continue those of the last round.

        Returns
        -------
        proposals : dict of int to dict
            Parameters by number.
        """
        with quiet():
            self._asked = {number: self._ask(number) for number in numbers}
        return self._proposals()

    def _proposals(self) -> dict[int, Params]:
        return {number: trial.params for number, trial in self._asked.items()}

    def _ask(self, number: int) -> Trial:
        import optuna

        if self._grid is not None:
            self._study.enqueue_trial(self._grid[number])
        else:
            seed = np.random.SeedSequence([self._seed, number]).generate_state(1)[0]
            self._study.sampler = optuna.samplers.TPESampler(seed=int(seed))
        return self._study.ask(self.distributions)

    def missing(self) -> dict[int, Params]:
        """Return the trials of the round that nobody has finished.

        Returns
        -------
        proposals : dict of int to dict
            Parameters by number.
        """
        if self._stored is not None:
            self._outcomes |= self._stored.outcomes(self._proposals())
        return {n: params for n, params in self._proposals().items() if n not in self._outcomes}

    def claim(self, number: int, params: Params) -> bool:
        """Claim a trial for this process, and tell whether nobody else is at it."""
        return self._stored is None or self._stored.claim(number, params, self.distributions)

    def finish(self, number: int, outcome: Outcome) -> None:
        """Keep the outcome of a trial, unless it failed: then others may try it."""
        if outcome.error is None:
            self._outcomes[number] = outcome
        if self._stored is not None and outcome.error is None:
            self._stored.finish(number, outcome)
        elif self._stored is not None:
            self._stored.release(number)

    def tell(self) -> None:
        """Finish the round, of which no trial is missing."""
        from optuna.trial import TrialState

        with quiet():
            for number, trial in self._asked.items():
                outcome = self._outcomes[number]
                for epoch, score in outcome.scores.items():
                    trial.report(score, epoch)
                if outcome.pruned:
                    self._study.tell(trial, state=TrialState.PRUNED)
                else:
                    self._study.tell(trial, outcome.score)
                self.trials.append((trial.params, outcome))
