"""Units of work of a benchmark, which run in any process: train and score once."""

from __future__ import annotations

import copy
import gc
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from .._braindecode import import_quietly
from .._process import in_this_process
from .._randomness import isolated
from ..augmentation import Augmentation, PolicyAugmentation
from ..datasets.kinds import candidates_of_kind
from ..estimators import InvariantClassifier
from ..estimators.backbone import build_backbone
from ..invariant import InvariantModule
from ..policy import Policy
from .memory import PeakMemory
from .methods import METHODS
from .plan import Run, RunRecord, choose_windows
from .scores import score_predictions

if TYPE_CHECKING:
    from .settings import Settings
    from .training import Fit


class Outcome(NamedTuple):
    """Result of a run: a record for JSON, and the classifier if it is kept."""

    record: RunRecord
    model: InvariantClassifier | None = None


def try_backbone(name: str, shape: tuple[int, ...], n_outputs: int, sfreq: float) -> None:
    """Build a backbone and discard it, to raise errors early.

    Parameters
    ----------
    name : str
        Name of a Braindecode model.
    shape : tuple of int
        Numbers of channels and samples of a window.
    n_outputs : int
        Number of classes.
    sfreq : float
        Sampling frequency in Hz.
    """
    with isolated(0):  # weights are drawn from torch's global generator
        n_chans, n_times = shape
        build_backbone(name, n_chans=n_chans, n_times=n_times, n_outputs=n_outputs, sfreq=sfreq)


def execute_run(
    run: Run,
    settings: Settings,
    X: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray,
    context: dict[str, Any],
) -> Outcome:
    """Train and score one method once.

    Parameters
    ----------
    run : Run
        The run.
    settings : Settings
        Settings of the benchmark.
    X : ndarray, shape (n_windows, n_channels, n_times)
        Signals.
    y : ndarray, shape (n_windows,)
        Classes.
    groups : ndarray, shape (n_windows,)
        Subjects.
    context : dict
        ``sfreq``, ``ch_names``, ``kind``, ``sessions`` and ``truth`` of the data.

    Returns
    -------
    outcome : Outcome
        The record has the scores, or the error if the run failed.
    """
    return _attempt(run, settings, _train_and_score, X, y, groups, context)


def execute_control(
    run: Run,
    settings: Settings,
    X: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray,
    context: dict[str, Any],
    model: InvariantClassifier,
    network_record: RunRecord,
    policy_record: RunRecord,
) -> Outcome:
    """Score a fitted network, averaged over copies under the policy of another run.

    Parameters
    ----------
    run, settings, X, y, groups, context
        As for :func:`execute_run`.
    model : InvariantClassifier
        The fitted classifier, without augmentation.
    network_record, policy_record : dict
        Records of the two runs.

    Returns
    -------
    outcome : Outcome
        The times in its record are those of both trainings, because the control needs both.
    """
    records = (network_record, policy_record)
    return _attempt(run, settings, _score_under_policy, X, y, groups, context, model, *records)


def _attempt(
    run: Run,
    settings: Settings,
    work: Callable[..., tuple[RunRecord, InvariantClassifier | None]],
    *arguments: Any,
) -> Outcome:
    identity = {
        "run_id": run.run_id,
        "data": settings.data,
        "method": run.method,
        "split": run.split,
        "seed": run.seed,
        "n_train_subjects": run.n_train,
        "split_by": settings.split_by,
    }
    import_quietly()
    try:
        with in_this_process():  # no parallel work inside a run
            found, model = work(run, settings, *arguments)
            return Outcome({**identity, "status": "done", **found}, model)
    except Exception as error:
        failure = {
            "status": "failed",
            "error": f"{type(error).__name__}: {str(error).strip()}",
            "traceback": traceback.format_exc(),
        }
        return Outcome({**identity, **failure})


def _train_and_score(
    run: Run,
    settings: Settings,
    X: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray,
    context: dict[str, Any],
) -> tuple[RunRecord, InvariantClassifier | None]:
    rows, held_out = choose_windows(run, settings, groups, context["sessions"])
    train, test = np.unique(groups[rows]), np.unique(groups[held_out])
    options = {
        "backbone": settings.backbone,
        "sfreq": context["sfreq"],
        "max_epochs": settings.epochs_for(run.n_train),
        "batch_size": settings.batch_size,
        "lr": settings.lr,
        "n_copies": settings.n_copies,
        "class_weight": "balanced",
        "random_state": run.random_state,
        **candidates_of_kind(context["kind"], context["sfreq"], context["ch_names"], X.shape[1:]),
    }
    _warm_up(options, X.shape[1:])
    memory = PeakMemory()
    fit = cast("Fit", METHODS[run.method].fit)  # None for controls only
    fitted = fit(options, X[rows], y[rows], groups[rows])
    peak = memory.read()
    model = fitted.model
    copies = model.module_.augmentation if fitted.copies is None else fitted.copies
    unseen = X[held_out], y[held_out], groups[held_out]
    scores = {
        "plain": _score(model, None, 0, *unseen),
        "averaged": _score(model, copies, settings.n_copies, *unseen),
    }
    policies = fitted.policy_history
    found = {
        "train_subjects": train.tolist(),
        "test_subjects": test.tolist(),
        "classes": model.classes_.tolist(),
        "scores": scores,
        "seconds_search": fitted.seconds_search,
        "seconds_fit": fitted.seconds_fit,
        "peak_memory_mib": peak,
        "policy": policies[-1].to_dict() if policies else None,
        "policy_history": [policy.by_transform().to_dict(orient="index") for policy in policies],
        "history": [
            {"epoch": row["epoch"], "train_loss": row["train_loss"]} for row in model.history_
        ],
        "truth": context["truth"],
    }
    return found, _without_net(model) if run.keeps_network else None


def _score_under_policy(
    run: Run,
    settings: Settings,
    X: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray,
    context: dict[str, Any],
    model: InvariantClassifier,
    network_record: RunRecord,
    policy_record: RunRecord,
) -> tuple[RunRecord, InvariantClassifier | None]:
    rows, held_out = choose_windows(run, settings, groups, context["sessions"])
    train, test = np.unique(groups[rows]), np.unique(groups[held_out])
    copies = PolicyAugmentation(Policy.from_dict(policy_record["policy"]), random_state=0)
    score = _score(model, copies, settings.n_copies, X[held_out], y[held_out], groups[held_out])
    found = {
        "train_subjects": train.tolist(),
        "test_subjects": test.tolist(),
        "classes": model.classes_.tolist(),
        "scores": {"averaged": score},
        "seconds_search": policy_record["seconds_search"] + policy_record["seconds_fit"],
        "seconds_fit": network_record["seconds_fit"],
        "peak_memory_mib": max(r["peak_memory_mib"] for r in (network_record, policy_record)),
        "policy": None,  # it is in the record of the other run
        "policy_history": [],
        "history": [],
        "truth": network_record["truth"],
    }
    return found, None


def _score(
    model: InvariantClassifier,
    augmentation: Augmentation | None,
    n_copies: int,
    X: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray,
) -> dict[str, Any]:
    """Score the network of a classifier, averaged over copies."""
    predictor = averaged_over(model, augmentation, n_copies)
    start = time.perf_counter()
    probabilities = predictor.predict_proba(X)
    seconds = time.perf_counter() - start
    scores = score_predictions(y, probabilities, groups, model.classes_)
    return {**scores, "seconds_predict": seconds}


def averaged_over(
    model: InvariantClassifier, augmentation: Augmentation | None, n_copies: int
) -> InvariantClassifier:
    """Return a classifier with the network of another one, averaged over other copies.

    Parameters
    ----------
    model : InvariantClassifier
        The fitted classifier. It is not changed.
    augmentation : Augmentation | None
        Augmentation that draws the copies.
    n_copies : int
        Number of copies. 0 predicts the unchanged signals.

    Returns
    -------
    predictor : InvariantClassifier
        A fitted classifier that shares the network.
    """
    predictor = copy.copy(model)
    network = model.module_.backbone
    predictor.module_ = InvariantModule(network, augmentation, n_copies, model.average)
    return predictor


def _without_net(model: InvariantClassifier) -> InvariantClassifier:
    """Return the classifier without its net, which contains the training data."""
    model = copy.copy(model)
    del model.net_
    return model


def _warm_up(options: dict[str, Any], shape: tuple[int, ...]) -> None:
    """Build the backbone once, because imports would add to the time of the first run."""
    try_backbone(options["backbone"], shape, 2, options["sfreq"])
    gc.collect()
