"""The finished trials of a study in one file, from which a later search continues."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..._files import write_atomically
from .trial import Outcome, Params, quiet

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from ..._typing import PathLike


class Journal:
    """Finished trials of one study in a journal file of Optuna.

    Parameters
    ----------
    path : path-like
        The file. A file that was cut in the middle of a line loses that line.
    name : str
        Name of the study in the file.
    key : str
        Fingerprint that stored trials must match.

    Attributes
    ----------
    trials : list of optuna.trial.FrozenTrial
        The trials that were stored before.
    """

    def __init__(self, path: PathLike, name: str, key: str) -> None:
        import optuna
        from optuna.storages.journal import JournalFileBackend

        _drop_incomplete_line(Path(path))
        with quiet():
            self._study = optuna.create_study(
                storage=optuna.storages.JournalStorage(JournalFileBackend(str(path))),
                study_name=name,
                direction="maximize",
                load_if_exists=True,
            )
            if "key" not in self._study.user_attrs:
                self._study.set_user_attr("key", key)
        if self._study.user_attrs["key"] != key:
            raise ValueError(
                f"{path} belongs to a search with other parameters, data or random_state. Remove "
                "it or name another file."
            )
        self.trials = self._study.get_trials()

    def find(self, number: int, params: Params) -> Outcome | None:
        """Return the stored outcome of a trial, or None.

        A ValueError is raised if the stored trial has other parameters.
        """
        if number >= len(self.trials):
            return None
        trial = self.trials[number]
        if trial.params != params:
            raise ValueError(
                f"Trial {number} in the storage has the parameters {trial.params}, where {params} "
                "were expected. It was written with another version of Optuna. Remove the file or "
                "name another one."
            )
        scores = dict(trial.intermediate_values)
        seconds = trial.user_attrs["seconds"]
        if trial.value is None or trial.state.name == "PRUNED":
            return Outcome(list(scores.values())[-1], scores, True, seconds)
        return Outcome(trial.value, scores, False, seconds)

    def append(
        self, params: Params, distributions: dict[str, BaseDistribution], outcome: Outcome
    ) -> None:
        """Store a finished trial, as a whole or not at all."""
        from optuna.trial import TrialState, create_trial

        trial = create_trial(
            state=TrialState.PRUNED if outcome.pruned else TrialState.COMPLETE,
            value=None if outcome.pruned else outcome.score,
            params=params,
            distributions=distributions,
            intermediate_values=outcome.scores,
            user_attrs={"seconds": outcome.seconds},
        )
        with quiet():
            self._study.add_trial(trial)


def _drop_incomplete_line(path: Path) -> None:
    """Remove the last line of a file if its writer was killed before the end of the line."""
    if path.exists():
        content = path.read_bytes()
        complete = content[: content.rfind(b"\n") + 1]
        if complete != content:
            write_atomically(path, complete)
