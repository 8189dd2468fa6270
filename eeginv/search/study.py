"""A study: Optuna proposes trials, a file remembers them, and neither depends on the workers."""

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .._files import write_atomically
from .._process import GLOBAL_STATE


@dataclass
class Outcome:
    """What came of a trial.

    Parameters
    ----------
    score : float
        The last score that was reported or returned.
    scores : dict of int to float
        Score after each epoch, where it was reported.
    pruned : bool
        Whether the trial was given up.
    seconds : float
        How long it took.
    error : str | None
        What went wrong, if something did.
    """

    score: float = float("nan")
    scores: dict = field(default_factory=dict)
    pruned: bool = False
    seconds: float = 0.0
    error: str | None = None


class Study:
    """Trials of one objective; results are a function of the seed and of the finished rounds.

    Parameters
    ----------
    name : str
        Name in the storage.
    distributions : dict of str to optuna.distributions.BaseDistribution
        What a trial is made of.
    seed : int
        Each trial has a sampler of its own, whose seed follows from this one and the number of the
        trial: an interrupted study goes on as if it had not been.
    storage : path-like | None
        Journal of finished trials; None keeps none.
    key : str
        What the trials in the journal have to be of.
    fixed : list of dict | None
        Parameters of all trials, where there is nothing to sample.

    Attributes
    ----------
    trials : list of (dict, Outcome)
        Parameters and outcomes of the finished trials, in order.
    """

    def __init__(self, name, distributions, seed, storage=None, key="", fixed=None):
        import optuna

        self.distributions, self._seed, self._fixed = distributions, seed, fixed
        self.trials, self._asked = [], []
        with quiet():
            self._study = optuna.create_study(direction="maximize")
            self._journal = None if storage is None else _open_journal(storage, name, key)
        self._stored = [] if self._journal is None else self._journal.get_trials()

    def finished(self):
        """Return the finished trials of Optuna, which a pruner compares with."""
        return self._study.get_trials(deepcopy=False)

    def ask(self, numbers):
        """Propose a round of trials, from those of the rounds before.

        Parameters
        ----------
        numbers : range
            Numbers of the trials, which go on from the last round.

        Returns
        -------
        proposals : list of (dict, Outcome | None)
            Parameters, and the outcome if the journal holds it.
        """
        with quiet():
            self._asked = [self._ask(number) for number in numbers]
        proposals = []
        for trial in self._asked:
            outcome = None
            if trial.number < len(self._stored):
                stored = self._stored[trial.number]
                if stored.params != trial.params:
                    raise ValueError(
                        f"Trial {trial.number} of the storage has the parameters {stored.params}, "
                        f"where {trial.params} were expected: it was written with another version "
                        "of Optuna. Remove the file or name another one."
                    )
                outcome = _outcome_of(stored)
            proposals.append((trial.params, outcome))
        return proposals

    def _ask(self, number):
        import optuna

        if self._fixed is not None:
            self._study.enqueue_trial(self._fixed[number])
        else:
            seed = np.random.SeedSequence([self._seed, number]).generate_state(1)[0]
            self._study.sampler = optuna.samplers.TPESampler(seed=int(seed))
        return self._study.ask(self.distributions)

    def remember(self, params, outcome):
        """Write a trial into the journal: as a whole, or not at all.

        Parameters
        ----------
        params : dict
            Its parameters.
        outcome : Outcome
            What came of it.
        """
        import optuna

        if self._journal is not None:
            state = optuna.trial.TrialState
            trial = optuna.trial.create_trial(
                state=state.PRUNED if outcome.pruned else state.COMPLETE,
                value=None if outcome.pruned else outcome.score,
                params=params,
                distributions=self.distributions,
                intermediate_values=outcome.scores,
                user_attrs={"seconds": outcome.seconds},
            )
            with quiet():
                self._journal.add_trial(trial)

    def tell(self, outcomes):
        """Take the outcomes of the round.

        Parameters
        ----------
        outcomes : list of Outcome
            In the order in which the trials were proposed.
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


class Report:
    """What an objective tells after an epoch, and where it learns that it is given up.

    Parameters
    ----------
    pruner : optuna.pruners.BasePruner | None
        Decides; None lets every trial end.
    finished : list of optuna.trial.FrozenTrial
        What it compares with.
    """

    def __init__(self, pruner, finished):
        self.scores, self._trial = {}, None
        if pruner is not None:
            import optuna

            # a copy of the study, so that trials of one round do not see each other
            with quiet():
                study = optuna.create_study(direction="maximize", pruner=pruner)
                study.add_trials(finished)
            self._trial = study.ask()

    @property
    def wants_every_epoch(self):
        """Whether scores after each epoch are of use."""
        return self._trial is not None

    def __call__(self, score, epoch):
        """Report a score; raises ``optuna.TrialPruned`` if the trial is given up.

        Parameters
        ----------
        score : float
            The higher the better.
        epoch : int
            After which epoch.
        """
        import optuna

        self.scores[epoch] = score
        _check_finite(score)
        if self._trial is not None:
            self._trial.report(score, epoch)
            if self._trial.should_prune():
                raise optuna.TrialPruned


def run_trial(objective, policy, pruner, finished):
    """Evaluate a policy, in whatever process.

    Parameters
    ----------
    objective : callable
        From a policy and a :class:`Report` to a score.
    policy : Policy
        What to evaluate.
    pruner : optuna.pruners.BasePruner | None
        Decides whether to give the trial up.
    finished : list of optuna.trial.FrozenTrial
        What the pruner compares with.

    Returns
    -------
    outcome : Outcome
        What came of it.
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


def _check_finite(score):
    if not np.isfinite(score):
        raise ValueError(f"its score is {score}.")


def _open_journal(path, name, key):
    import optuna
    from optuna.storages.journal import JournalFileBackend

    _mend(Path(path))
    journal = optuna.create_study(
        storage=optuna.storages.JournalStorage(JournalFileBackend(str(path))),
        study_name=name,
        direction="maximize",
        load_if_exists=True,
    )
    known = journal.user_attrs.get("key")
    if known is None:
        journal.set_user_attr("key", key)
    elif known != key:
        raise ValueError(
            f"{path} is of a search with other parameters, data or random_state; remove it or "
            "name another file."
        )
    return journal


def _mend(path):
    """Drop the last line of a journal if its writer was killed in the middle of it."""
    if path.exists():
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            write_atomically(path, whole)


def _outcome_of(trial):
    scores = dict(trial.intermediate_values)
    pruned = trial.value is None or trial.state.name == "PRUNED"
    score = list(scores.values())[-1] if pruned else trial.value
    return Outcome(score, scores, pruned, trial.user_attrs["seconds"])


@contextmanager
def quiet():
    """Keep Optuna from announcing studies and trials inside, whatever the user has chosen."""
    import optuna

    with GLOBAL_STATE:
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(max(verbosity, optuna.logging.WARNING))
        try:
            yield
        finally:
            optuna.logging.set_verbosity(verbosity)
