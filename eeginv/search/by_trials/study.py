"""A study, whose trials Optuna proposes independently of the number of workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .journal import Journal
from .trial import Outcome, Params, quiet

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, Trial

    from ..._typing import PathLike


class Study:
    """Trials of one objective, which depend only on the seed and the finished rounds.

    Parameters
    ----------
    name : str
        Name in the storage.
    distributions : dict of str to optuna.distributions.BaseDistribution
        Distributions that the parameters of a trial are drawn from.
    seed : int
        Seed. Each trial has its own sampler, whose seed depends on this one and on the number of
        the trial, so that an interruption does not change the trials after it.
    storage : path-like | None
        Journal file of finished trials. None stores none.
    key : str
        Fingerprint that stored trials must match.
    grid : list of dict | None
        Parameters of all trials. None samples them.

    Attributes
    ----------
    trials : list of (dict, Outcome)
        Parameters and outcomes of the finished trials, in order.
    """

    def __init__(
        self,
        name: str,
        distributions: dict[str, BaseDistribution],
        seed: int,
        storage: PathLike | None = None,
        key: str = "",
        grid: list[Params] | None = None,
    ) -> None:
        import optuna

        self.distributions, self._seed, self._grid = distributions, seed, grid
        self.trials: list[tuple[Params, Outcome]] = []
        self._asked: list[Trial] = []
        with quiet():
            self._study = optuna.create_study(direction="maximize")
        self._journal = None if storage is None else Journal(storage, name, key)

    def finished(self) -> list[FrozenTrial]:
        """Return the finished trials as Optuna objects, for the pruner."""
        return self._study.get_trials(deepcopy=False)

    def ask(self, numbers: range) -> list[tuple[Params, Outcome | None]]:
        """Propose the trials of a round from those of the rounds before.

        Parameters
        ----------
        numbers : range
            Numbers of the trials, which continue those of the last round.

        Returns
        -------
        proposals : list of (dict, Outcome | None)
            Parameters, and the outcome if the journal holds it.
        """
        with quiet():
            self._asked = [self._ask(number) for number in numbers]
        return [(trial.params, self._find(trial)) for trial in self._asked]

    def _ask(self, number: int) -> Trial:
        import optuna

        if self._grid is not None:
            self._study.enqueue_trial(self._grid[number])
        else:
            seed = np.random.SeedSequence([self._seed, number]).generate_state(1)[0]
            self._study.sampler = optuna.samplers.TPESampler(seed=int(seed))
        return self._study.ask(self.distributions)

    def _find(self, trial: Trial) -> Outcome | None:
        return None if self._journal is None else self._journal.find(trial.number, trial.params)

    def store(self, params: Params, outcome: Outcome) -> None:
        """Write a finished trial into the journal, if there is one."""
        if self._journal is not None:
            self._journal.append(params, self.distributions, outcome)

    def tell(self, outcomes: list[Outcome]) -> None:
        """Finish the round.

        Parameters
        ----------
        outcomes : list of Outcome
            Outcomes, in the order in which the trials were proposed.
        """
        from optuna.trial import TrialState

        with quiet():
            for trial, outcome in zip(self._asked, outcomes, strict=True):
                for epoch, score in outcome.scores.items():
                    trial.report(score, epoch)
                if outcome.pruned:
                    self._study.tell(trial, state=TrialState.PRUNED)
                else:
                    self._study.tell(trial, outcome.score)
                self.trials.append((trial.params, outcome))
