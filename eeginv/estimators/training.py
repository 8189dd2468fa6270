"""Preparation of data, construction of networks and training, by the settings of an estimator."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import nn

from .._process import count_threads, ignoring
from .._randomness import isolated
from ..augmentation import (
    Augerino,
    Augmentation,
    AugNet,
    PolicyAugmentation,
    RegularizedAugNet,
    TrivialAugment,
)
from ..invariant import InvariantModule
from ..policy import Policy
from ..transforms import Transform, default_transforms
from ..transforms.candidates import possible_with
from ..transforms.layout import check_made_for
from ..transforms.precision import full_precision
from .augmentation_names import check_augmentation
from .backbone import build_backbone
from .callbacks import prepare_callbacks
from .held_out import check_sides, hold_out
from .net import Progress, SignalDataset, StopAfterWarmup, WeightedNet, as_batch, hold
from .parameters import check_learned
from .schedule import cosine_schedule
from .training_data import Training, TrainingData

if TYPE_CHECKING:
    from .._typing import ArrayLike, SignalsLike
    from .base import InvariantEstimator
    from .signals import Signals

# Windows of at least this length in seconds are taken as sleep epochs, which last 20 or 30 s.
SLEEP_WINDOW = 20.0


class Trainer:
    """Builds and trains networks by the settings of an estimator.

    The estimators use it in ``fit``, and the searches use it to train many networks in the same
    way.

    Parameters
    ----------
    estimator : InvariantClassifier | InvariantRegressor
        The settings. :meth:`prepare` sets those of its fitted attributes that describe the data;
        nothing else is changed.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv import InvariantClassifier
    >>> from eeginv.estimators import Trainer
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(20, 2, 640)), np.repeat(["rest", "task"], 10)
    >>> estimator = InvariantClassifier(augmentation=None, sfreq=128, max_epochs=2)
    >>> trainer = Trainer(estimator)
    >>> data = trainer.prepare(X, y)
    >>> with trainer.isolated(seed=0):
    ...     module = trainer.build(seed=0)
    ...     training = trainer.train(module, data, rows=np.arange(20))
    >>> len(training.history)
    2
    """

    def __init__(self, estimator: InvariantEstimator) -> None:
        self.estimator = estimator

    @property
    def device(self) -> str:
        """Device of the computation."""
        return self.estimator.device

    @property
    def batch_size(self) -> int:
        """Largest number of windows in a batch."""
        return self.estimator.batch_size

    @property
    def criterion(self) -> nn.Module:
        """Module that computes the loss of each example."""
        return self.estimator._criterion()

    @contextmanager
    def isolated(self, seed: int) -> Iterator[None]:
        """Seed torch's global generators and set its threads within a ``with`` block.

        Autocast, inference mode and ``no_grad`` of the caller are off in it.

        Parameters
        ----------
        seed : int
            The seed.

        Yields
        ------
        None
            All is restored on exit.
        """
        with (
            isolated(int(seed), count_threads(self.estimator.n_jobs), self.device),
            full_precision(torch.device(self.device)),
            torch.inference_mode(False),
        ):
            yield

    def with_settings(self, **settings: Any) -> Trainer:
        """Return a trainer for the same prepared data with other settings.

        Parameters
        ----------
        **settings
            Parameters of the estimator, such as ``max_epochs``.

        Returns
        -------
        trainer : Trainer
            Trainer of a copy of the estimator.
        """
        return Trainer(copy.copy(self.estimator).set_params(**settings))

    # data -------------------------------------------------------------------------------------
    def prepare(
        self,
        X: SignalsLike | Signals,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> TrainingData:
        """Check all arguments of ``fit``, and store the shape of the data and the classes.

        Parameters
        ----------
        X, y, sample_weight, groups : array-like
            As in ``fit``.

        Returns
        -------
        data : TrainingData
            The data.
        """
        return self.estimator._prepare(X, y, sample_weight, groups)

    def split(self, data: TrainingData, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Hold out windows according to ``validation`` of the estimator.

        Parameters
        ----------
        data : TrainingData
            From :meth:`prepare`.
        seed : int
            Seed of the split.

        Returns
        -------
        rows, held_out : ndarray of int
            Rows to train on, and held-out rows (or None).
        """
        share = self.estimator.validation
        if share is None:
            return np.arange(len(data.X)), None
        classifies = self.estimator._loss == "cross_entropy"
        rows, held_out = hold_out(share, data.target, data.groups, seed, classifies)
        self.check_sides(data.target, rows, held_out)
        return rows, held_out

    def check_sides(self, target: np.ndarray, rows: np.ndarray, held_out: np.ndarray) -> None:
        """Raise a ValueError if one side of a split lacks a class.

        Parameters
        ----------
        target : ndarray
            Encoded targets.
        rows, held_out : ndarray of int
            Rows of the two sides.
        """
        if self.estimator._loss == "cross_entropy":
            check_sides(self.estimator.classes_, target, rows, held_out)

    # networks ---------------------------------------------------------------------------------
    def default_transforms(self) -> list[Transform]:
        """Return the default candidates for the prepared data.

        Returns
        -------
        transforms : list of Transform
            New objects.

        Raises
        ------
        ValueError
            If the sampling frequency is not known.
        """
        if self.estimator.sfreq_ is None:
            raise ValueError(
                "The default transforms work in Hz and need the sampling frequency: give the "
                "estimator sfreq=, or pass transforms=[...], or mne.Epochs. (scikit-learn's "
                "cross-validation takes windows datasets apart, and only the signals and targets "
                "are left; it keeps what is inside skorch.helper.SliceDataset(dataset).)"
            )
        seconds = self.estimator.n_times_ / self.estimator.sfreq_
        kind = "sleep" if seconds >= SLEEP_WINDOW else "generic"
        # no warning of left-out defaults, which were not requested; policies list the others
        with ignoring(("Left out", UserWarning)):
            transforms = default_transforms(
                self.estimator.sfreq_, self.estimator.ch_names_, kind, seconds
            )
        return possible_with(self.estimator.n_chans_, transforms)

    def check_candidates(self, transforms: nn.Module | Iterable[Transform]) -> None:
        """Raise a ValueError if a transform was made for another sampling frequency or channels.

        Parameters
        ----------
        transforms : nn.Module | iterable of Transform
            The transforms, or a module that holds them.
        """
        if not isinstance(transforms, nn.Module):
            transforms = nn.ModuleList(transforms)
        check_made_for(transforms, self.estimator.sfreq_, self.estimator.ch_names_)

    def build(
        self, seed: int, penalty: float | None = None, n_extra_outputs: int = 0
    ) -> InvariantModule:
        """Build a network with its augmentation, with weights from torch's global generator.

        Parameters
        ----------
        seed : int
            Seed of the augmentation.
        penalty : float | None
            Weight of the reward, for a learned augmentation given by name.
        n_extra_outputs : int
            Number of outputs besides those of the estimator.

        Returns
        -------
        module : InvariantModule
            The module.
        """
        estimator = self.estimator
        backbone = build_backbone(
            estimator.backbone,
            n_chans=estimator.n_chans_,
            n_times=estimator.n_times_,
            n_outputs=estimator.n_outputs_ + n_extra_outputs,
            sfreq=estimator.sfreq_,
            params=estimator.backbone_params,
        )
        augmentation = self._build_augmentation(int(seed), penalty)
        if augmentation is not None:
            self.check_candidates(augmentation)
        return InvariantModule(
            backbone,
            augmentation,
            n_copies=estimator.n_copies,
            average=getattr(estimator, "average", "logit"),
            loss=estimator._loss,
            precision=estimator.precision,
        )

    def compiled(self, module: InvariantModule) -> InvariantModule:
        """Compile a module if the estimator has ``compile=True``.

        Dropout has the same draws as in a module that is not compiled.

        Parameters
        ----------
        module : InvariantModule
            From :meth:`build`.

        Returns
        -------
        module : InvariantModule
            The same module.
        """
        if self.estimator.compile:
            module.compile(options={"fallback_random": True})
        return module

    def _build_augmentation(self, seed: int, penalty: float | None) -> Augmentation | None:
        estimator, augmentation = self.estimator, self.estimator.augmentation
        if augmentation is None:
            return None
        if isinstance(augmentation, Augmentation):
            copied: Any = copy.deepcopy(augmentation)
            if getattr(copied, "takes_labels", False):
                if not hasattr(estimator, "classes_"):
                    raise ValueError(
                        f"{type(copied).__name__} needs classes, which a regression has not."
                    )
                copied.set_classes(estimator.classes_)
            copied.stream.seed, copied.stream.n_drawn = seed, 0
            return copied
        if isinstance(augmentation, Policy):
            return PolicyAugmentation(augmentation, random_state=seed)
        check_augmentation(augmentation)
        given: Any = estimator.transforms
        transforms = self.default_transforms() if given is None else given
        if augmentation == "trivial":
            return TrivialAugment(transforms, random_state=seed)
        options: dict[str, Any] = {"penalty": penalty, "warmup": estimator.warmup}
        options["random_state"] = seed
        if augmentation == "augerino":
            return Augerino(transforms, **options)
        if augmentation == "auto":
            return RegularizedAugNet(transforms, estimator.n_layers or 1, **options)
        return AugNet(transforms, estimator.n_layers, **options)

    # training ---------------------------------------------------------------------------------
    def train(
        self,
        module: InvariantModule,
        data: TrainingData,
        rows: np.ndarray,
        held_out: np.ndarray | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Training:
        """Train a module.

        Parameters
        ----------
        module : InvariantModule
            From :meth:`build`.
        data : TrainingData
            From :meth:`prepare`.
        rows : ndarray of int
            Rows to train on.
        held_out : ndarray of int | None
            Held-out rows, for ``valid_loss`` of each epoch.
        callbacks : sequence of skorch.callbacks.Callback
            Callbacks in addition to those of the estimator.

        Returns
        -------
        training : Training
            The net, and the policy after each epoch.
        """
        estimator = self.estimator
        scale = _scale(data.weight, rows, held_out)
        progress = Progress(bar=estimator.verbose == 1)
        every = [("progress", progress)]
        if estimator.patience is not None:
            every.append(("stopping", StopAfterWarmup(patience=estimator.patience, load_best=True)))
        if estimator.lr_schedule == "cosine":
            every.append(("lr_schedule", cosine_schedule(self._n_steps(len(rows)))))
        own = [*(estimator.callbacks or []), *callbacks]
        every += prepare_callbacks(own, estimator._readout, held_out is not None)
        split = hold(data, held_out, scale)
        net = self._net(self.compiled(module), len(rows), split, every)
        net.fit(SignalDataset.of_rows(data, rows, scale), None)
        net.train_split = None  # it holds the signals
        if getattr(net, "interrupted_", False):
            raise KeyboardInterrupt
        check_learned(module.augmentation, len(net.history), int(estimator.max_epochs))
        return Training(net, progress.policies_)

    def _n_steps(self, n_rows: int) -> int:
        epochs, batch = int(self.estimator.max_epochs), min(int(self.estimator.batch_size), n_rows)
        return epochs * max(1, math.ceil(n_rows / batch) - _leaves_one(n_rows, batch))

    def _net(
        self,
        module: InvariantModule,
        n_rows: int,
        split: Callable[..., Any] | None,
        callbacks: list[tuple[str, Callback]],
    ) -> WeightedNet:
        estimator = self.estimator
        batch_size = min(int(estimator.batch_size), n_rows)
        return WeightedNet(
            module,
            criterion=estimator._criterion,
            optimizer=torch.optim.AdamW,
            optimizer__weight_decay=estimator.weight_decay,
            optimizer__param_groups=[
                ("augmentation.*", {"lr": estimator.augmentation_lr, "weight_decay": 0.0})
            ],
            lr=estimator.lr,
            max_epochs=int(estimator.max_epochs),
            batch_size=batch_size,
            iterator_train__shuffle=True,
            iterator_train__collate_fn=as_batch,
            iterator_valid__collate_fn=as_batch,
            # batch normalisation cannot normalise a batch of one
            iterator_train__drop_last=_leaves_one(n_rows, batch_size),
            train_split=split,
            callbacks=callbacks,
            device=estimator.device,
            verbose=1 if estimator.verbose >= 2 else 0,
            **({} if estimator.verbose >= 2 else {"callbacks__print_log": None}),
        )


def _leaves_one(n_rows: int, batch_size: int) -> bool:
    """Whether the last batch would be a single window."""
    return n_rows % batch_size == 1 and n_rows > 1


def _scale(weight: np.ndarray, rows: np.ndarray, held_out: np.ndarray | None) -> float:
    """Return the divisor of weights that keeps the scales of the mean loss, lr and penalty."""
    scale = weight[rows].mean()
    if not scale > 0:
        raise ValueError("All training windows have weight zero.")
    if held_out is not None and not weight[held_out].sum() > 0:
        raise ValueError(
            "All held-out windows have weight zero, so that there is no valid_loss to look at; "
            "use more subjects, or another random_state."
        )
    return scale
