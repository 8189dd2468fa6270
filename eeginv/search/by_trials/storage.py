"""The trials of a search in a file or a database, which several processes share."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .trial import Outcome, Params, quiet

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

    from ..._typing import PathLike

# Seconds between two signs of life of a process, and until one that gives none counts as gone.
_BEAT, _GONE = 5.0, 30.0
_ATTEMPTS = 5
_HERE, _LEFT = "at work", "left"


class Storage:
    """A storage of Optuna that holds the trials of a search.

    Several processes may work on one search at once. Each proposes the same trials, since
    proposals depend on the finished rounds alone, and claims those that nobody else is at. A claim
    is a running trial; it holds as long as the process that made it gives signs of life, and of
    several the first one counts. Should a trial be done twice in spite of that, both results are
    the same.

    Parameters
    ----------
    where : path-like
        A file, or the URL of a database, such as ``sqlite:///trials.db``. A file that was cut in
        the middle of a line loses that line.
    key : str
        Fingerprint of the search. A file holds one search, a database any number.

    Raises
    ------
    ValueError
        If the file belongs to another search.

    Attributes
    ----------
    worker : str
        Name of this process for the others.
    """

    def __init__(self, where: PathLike, key: str) -> None:
        self.where, self._prefix = str(where), f"eeginv {key[:32]}"
        self.worker = secrets.token_hex(8)
        self._seen: dict[str, tuple[Any, float]] = {}
        self._ids: list[int] = []
        with quiet():
            self.trials = _open(self.where)
            self._check_file()

    def _check_file(self) -> None:
        names = [study.study_name for study in self.trials.get_all_studies()]
        if not is_url(self.where) and not all(name.startswith(self._prefix) for name in names):
            raise ValueError(
                f"{self.where} belongs to a search with other parameters, data or random_state. "
                "Remove it or name another file."
            )

    def study(self, fold: int) -> StoredStudy:
        """Return the study of a fold.

        Parameters
        ----------
        fold : int
            Number of the fold.

        Returns
        -------
        study : StoredStudy
            The study, new or continued.
        """
        import optuna

        name = f"{self._prefix} fold {fold}"
        with quiet(), suppress(optuna.exceptions.DuplicatedStudyError):
            self.trials.create_new_study([optuna.study.StudyDirection.MAXIMIZE], name)
        self._ids.append(self.trials.get_study_id_from_name(name))
        return StoredStudy(self, self._ids[-1])

    def close(self) -> None:
        """Close the connections to a database. Files are closed after each access."""
        from optuna.storages import RDBStorage

        if isinstance(self.trials, RDBStorage):
            self.trials.remove_session()
            self.trials.engine.dispose()

    # who is at work ---------------------------------------------------------------------------
    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Give signs of life while inside, and let go of all claims afterwards."""
        stop = threading.Event()
        self._tell(_HERE)  # before the first claim
        beating = threading.Thread(target=self._beat, args=(stop,), daemon=True)
        beating.start()
        try:
            yield
        finally:
            stop.set()
            beating.join()
            self._tell(_LEFT)

    def _beat(self, stop: threading.Event) -> None:
        number = 0
        while not stop.wait(_BEAT):
            number += 1
            self._tell(f"{_HERE} {number}")

    def _tell(self, what: str) -> None:
        if self._ids:
            self.trials.set_study_user_attr(self._ids[0], f"worker {self.worker}", what)

    def others(self) -> set[str]:
        """Name the processes at work, besides this one.

        Returns
        -------
        workers : set of str
            Those that have not left, and have given a sign of life in the last half minute, or have
            just been heard of for the first time.
        """
        now, alive = time.monotonic(), set()
        for name, told in self.trials.get_study_user_attrs(self._ids[0]).items():
            worker = name.removeprefix("worker ")
            if self._seen.get(worker, ("", 0.0))[0] != told:
                self._seen[worker] = told, now
            if told != _LEFT and now - self._seen[worker][1] <= _GONE:
                alive.add(worker)
        return alive - {self.worker}


class StoredStudy:
    """The trials of one fold in a storage.

    Parameters
    ----------
    storage : Storage
        The storage.
    study_id : int
        Number of the study in the storage.
    """

    def __init__(self, storage: Storage, study_id: int) -> None:
        self._storage, self._trials, self._id = storage, storage.trials, study_id
        self._claims: dict[int, int] = {}

    def outcomes(self, proposals: dict[int, Params]) -> dict[int, Outcome]:
        """Read the outcomes of trials.

        Parameters
        ----------
        proposals : dict of int to dict
            Parameters of the trials, by number.

        Returns
        -------
        outcomes : dict of int to Outcome
            Those that are finished.

        Raises
        ------
        ValueError
            If a trial has other parameters.
        """
        found: dict[int, Outcome] = {}
        for trial in self._all():
            number = trial.user_attrs["number"]
            if number in proposals and number not in found and _is_done(trial):
                if trial.params != proposals[number]:
                    raise ValueError(
                        f"Trial {number} in the storage has the parameters {trial.params}, where "
                        f"{proposals[number]} were expected. It was written with another version "
                        "of Optuna. Remove the file or name another one."
                    )
                found[number] = _outcome(trial)
        return found

    def claim(
        self, number: int, params: Params, distributions: dict[str, BaseDistribution]
    ) -> bool:
        """Claim a trial for this process.

        Parameters
        ----------
        number : int
            Number of the trial.
        params : dict
            Its parameters.
        distributions : dict
            What they are drawn from.

        Returns
        -------
        mine : bool
            False if it is done, or somebody else is at it.
        """
        from optuna.trial import TrialState, create_trial

        if self._holder(number) is not None:
            return False
        attributes = {"number": number, "worker": self._storage.worker}
        trial = create_trial(
            state=TrialState.RUNNING,
            params=params,
            distributions=distributions,
            user_attrs=attributes,
        )
        claim = self._trials.create_new_trial(self._id, template_trial=trial)
        self._claims[number] = claim
        if self._holder(number) == self._trials.get_trial_number_from_id(claim):
            return True
        self.release(number)
        return False

    def _holder(self, number: int) -> int | None:
        """Return Optuna's number of the first trial that is done, or claimed by one at work."""
        at_work = {self._storage.worker, *self._storage.others()}
        for trial in self._all():
            if trial.user_attrs["number"] == number and (
                _is_done(trial)
                or (trial.state.name == "RUNNING" and trial.user_attrs["worker"] in at_work)
            ):
                return trial.number
        return None

    def finish(self, number: int, outcome: Outcome) -> None:
        """Store the outcome of a trial that was claimed, as a whole or not at all."""
        from optuna.trial import TrialState

        claim = self._claims.pop(number)
        for epoch, score in outcome.scores.items():
            self._trials.set_trial_intermediate_value(claim, epoch, score)
        self._trials.set_trial_user_attr(claim, "seconds", outcome.seconds)
        state = TrialState.PRUNED if outcome.pruned else TrialState.COMPLETE
        self._trials.set_trial_state_values(claim, state, [outcome.score])

    def release(self, number: int) -> None:
        """Give up a claim."""
        from optuna.trial import TrialState

        self._trials.set_trial_state_values(self._claims.pop(number), TrialState.FAIL)

    def _all(self) -> list[FrozenTrial]:
        return sorted(
            self._trials.get_all_trials(self._id, deepcopy=False), key=lambda trial: trial.number
        )


def is_url(where: PathLike) -> bool:
    """Tell the URL of a database from the path of a file.

    Parameters
    ----------
    where : path-like
        Either.

    Returns
    -------
    url : bool
        Whether it is a URL.
    """
    return "://" in str(where)


def _is_done(trial: FrozenTrial) -> bool:
    return trial.state.name in ("COMPLETE", "PRUNED")


def _outcome(trial: FrozenTrial) -> Outcome:
    pruned, seconds = trial.state.name == "PRUNED", trial.user_attrs["seconds"]
    return Outcome(cast("float", trial.value), dict(trial.intermediate_values), pruned, seconds)


def _open(where: str) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

    if not is_url(where):
        path = str(Path(where).resolve())  # the link that Optuna locks with holds it
        lock = JournalFileSymlinkLock(path)
        _drop_incomplete_line(Path(path), lock)
        return JournalStorage(JournalFileBackend(path, lock))
    return _open_database(where)


def _open_database(url: str) -> BaseStorage:
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    # SQLite waits for others who write; it is told how long.
    options = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {}
    reason: Exception | None = None
    for attempt in range(_ATTEMPTS):  # another process may be making the tables
        try:
            return RDBStorage(url, engine_kwargs=options)
        except SQLAlchemyError as error:
            reason = error
            time.sleep(0.1 * 2**attempt)
    raise ValueError(
        f"The database that storage names cannot be opened: {reason} Expected a URL such as "
        "sqlite:///trials.db, or the path of a file."
    ) from reason


def _drop_incomplete_line(path: Path, lock: Any) -> None:
    """Remove the last line of a file if its writer was killed before the end of the line."""
    if not path.exists():
        return
    lock.acquire()  # others may be at work on it
    try:
        content = path.read_bytes()
        complete = content[: content.rfind(b"\n") + 1]
        if complete != content:
            with path.open("rb+") as file:
                file.truncate(len(complete))
    finally:
        lock.release()
