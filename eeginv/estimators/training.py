"""From the settings of an estimator to prepared data, networks and their training."""

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from skorch.history import History
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
from ..transforms import default_transforms
from ..transforms.layout import check_made_for
from .augmentation_names import AUGMENTATIONS, hint_for_augmentation
from .backbone import build_backbone
from .callbacks import prepare_callbacks
from .held_out import check_sides, hold_out
from .net import Progress, SignalDataset, StopAfterWarmup, WeightedNet, hold
from .parameters import check_learned
from .schedule import cosine_schedule

# Windows of so many seconds are those of sleep staging, which scores epochs of 20 or 30.
SLEEP_WINDOW = 20.0


@dataclass(frozen=True)
class TrainingData:
    """What an estimator is fitted on, checked and encoded.

    Parameters
    ----------
    X : ndarray of float32, shape (n_windows, n_channels, n_times)
        Signals.
    target : ndarray, shape (n_windows,) or (n_windows, n_outputs)
        Encoded labels, or standardised values.
    weight : ndarray, shape (n_windows,)
        Weights of the windows, of at least 0.
    groups : ndarray, shape (n_windows,) | None
        Subjects.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv.estimators import TrainingData
    >>> TrainingData(np.zeros((4, 2, 8), "float32"), np.array([0, 1, 0, 1]), np.ones(4)).groups
    """

    X: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    groups: np.ndarray | None = None


@dataclass(frozen=True)
class Training:
    """What a training leaves.

    Parameters
    ----------
    net : skorch.NeuralNet
        The net that trained the module.
    policies : list of Policy
        The policy after each epoch.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv import InvariantClassifier
    >>> from eeginv.estimators import Trainer
    >>> trainer = Trainer(InvariantClassifier(augmentation="trivial", sfreq=128, max_epochs=2))
    >>> data = trainer.prepare(np.zeros((8, 2, 640)), np.arange(8) % 2)
    >>> training = trainer.train(trainer.build(seed=0), data, rows=np.arange(8))
    >>> len(training.policies)
    2
    """

    net: WeightedNet
    policies: list

    @property
    def module(self):
        """The trained InvariantModule."""
        return self.net.module_

    @property
    def history(self) -> History:
        """Losses of each epoch."""
        return self.net.history


class Trainer:
    """Builds and trains networks as an estimator says.

    The estimators fit by it, and so do the searches, which train many networks as one estimator
    would train its own.

    Parameters
    ----------
    estimator : InvariantClassifier | InvariantRegressor
        The settings. :meth:`prepare` sets its fitted attributes that describe the data, nothing
        else is changed.

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

    def __init__(self, estimator):
        self.estimator = estimator

    @property
    def device(self):
        """Device of the computation."""
        return self.estimator.device

    @property
    def batch_size(self):
        """Largest number of windows in a batch."""
        return self.estimator.batch_size

    @property
    def criterion(self):
        """Module that computes the loss of each example."""
        return self.estimator._criterion()

    def isolated(self, seed):
        """Seed torch's global generators and set its threads for the time of a ``with`` block.

        Parameters
        ----------
        seed : int
            The seed.

        Returns
        -------
        context : context manager
            Restores both at its end.
        """
        return isolated(int(seed), count_threads(self.estimator.n_jobs), self.device)

    def with_settings(self, **settings):
        """Return a trainer for the same prepared data under other settings.

        Parameters
        ----------
        **settings
            Parameters of the estimator, such as ``max_epochs``.

        Returns
        -------
        trainer : Trainer
            Of a copy of the estimator.
        """
        return Trainer(copy.copy(self.estimator).set_params(**settings))

    # data -------------------------------------------------------------------------------------
    def prepare(self, X, y=None, sample_weight=None, groups=None):
        """Check all that ``fit`` is given, and learn the shape of the data and the classes.

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

    def split(self, data, seed):
        """Hold out what the estimator's ``validation`` says.

        Parameters
        ----------
        data : TrainingData
            From :meth:`prepare`.
        seed : int
            Seed of the split.

        Returns
        -------
        rows, held_out : ndarray of int
            Rows to train on, and those held out; None if there are none.
        """
        share = self.estimator.validation
        if share is None:
            return np.arange(len(data.X)), None
        classifies = self.estimator._loss == "cross_entropy"
        rows, held_out = hold_out(share, data.target, data.groups, seed, classifies)
        self.check_sides(data.target, rows, held_out)
        return rows, held_out

    def check_sides(self, target, rows, held_out):
        """Raise a ValueError if one side of a split lacks a class.

        Parameters
        ----------
        target : ndarray
            Encoded targets.
        rows, held_out : ndarray of int
            The sides.
        """
        if self.estimator._loss == "cross_entropy":
            check_sides(self.estimator.classes_, target, rows, held_out)

    # networks ---------------------------------------------------------------------------------
    def default_transforms(self):
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
        # nobody asked for those that these channels do not allow; policies show what is in
        with ignoring(("Left out", UserWarning)):
            return default_transforms(self.estimator.sfreq_, self.estimator.ch_names_, kind)

    def check_candidates(self, transforms):
        """Raise a ValueError if a transform was made for signals of another kind.

        Parameters
        ----------
        transforms : nn.Module | iterable of Transform
            The transforms, or a module that holds them.
        """
        if not isinstance(transforms, nn.Module):
            transforms = nn.ModuleList(transforms)
        check_made_for(transforms, self.estimator.sfreq_, self.estimator.ch_names_)

    def build(self, seed, penalty=None, n_extra_outputs=0):
        """Build a network behind its augmentation, with weights from torch's global generator.

        Parameters
        ----------
        seed : int
            Seed of the augmentation.
        penalty : float | None
            Weight of the reward of what is learned by name.
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

    def compiled(self, module):
        """Have a module compiled, if the estimator says so.

        The draws of dropout are those of a module that is not compiled.

        Parameters
        ----------
        module : InvariantModule
            From :meth:`build`.

        Returns
        -------
        module : InvariantModule
            The same.
        """
        if self.estimator.compile:
            module.compile(options={"fallback_random": True})
        return module

    def _build_augmentation(self, seed, penalty):
        estimator, augmentation = self.estimator, self.estimator.augmentation
        if augmentation is None:
            return None
        if isinstance(augmentation, Augmentation):
            augmentation = copy.deepcopy(augmentation)
            if getattr(augmentation, "takes_labels", False):
                if not hasattr(estimator, "classes_"):
                    raise ValueError(
                        f"{type(augmentation).__name__} needs classes, which a regression has not."
                    )
                augmentation.set_classes(estimator.classes_)
            augmentation.stream.seed, augmentation.stream.n_drawn = seed, 0
            return augmentation
        if isinstance(augmentation, Policy):
            return PolicyAugmentation(augmentation, random_state=seed)
        # not ``in``, which an array or a tensor would answer with an array
        if not (isinstance(augmentation, str) and augmentation in AUGMENTATIONS):
            raise ValueError(
                "augmentation must be 'augnet', 'augerino', 'auto', 'trivial', None, a Policy or "
                f"an Augmentation; got {augmentation!r}.{hint_for_augmentation(augmentation)}"
            )
        given = estimator.transforms
        transforms = self.default_transforms() if given is None else given
        if augmentation == "trivial":
            return TrivialAugment(transforms, random_state=seed)
        schedule = {"warmup": estimator.warmup, "random_state": seed}
        if augmentation == "augerino":
            return Augerino(transforms, penalty, **schedule)
        if augmentation == "auto":
            return RegularizedAugNet(transforms, estimator.n_layers or 1, penalty, **schedule)
        return AugNet(transforms, estimator.n_layers, penalty, **schedule)

    # training ---------------------------------------------------------------------------------
    def train(self, module, data, rows, held_out=None, callbacks=()):
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
            Rows of which each epoch gives ``valid_loss``.
        callbacks : sequence of skorch.callbacks.Callback
            Callbacks in addition to those of the estimator.

        Returns
        -------
        training : Training
            The net, and the course of the policy.
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
        net.fit(SignalDataset(data.X[rows], data.target[rows], data.weight[rows] / scale), None)
        if getattr(net, "interrupted_", False):
            raise KeyboardInterrupt
        check_learned(module.augmentation, len(net.history), int(estimator.max_epochs))
        return Training(net, progress.policies_)

    def _n_steps(self, n_rows):
        epochs, batch = int(self.estimator.max_epochs), min(int(self.estimator.batch_size), n_rows)
        return epochs * max(1, math.ceil(n_rows / batch) - _leaves_one(n_rows, batch))

    def _net(self, module, n_rows, split, callbacks):
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
            # batch normalisation has no statistics in a batch of one
            iterator_train__drop_last=_leaves_one(n_rows, batch_size),
            train_split=split,
            callbacks=callbacks,
            device=estimator.device,
            verbose=1 if estimator.verbose >= 2 else 0,
            **({} if estimator.verbose >= 2 else {"callbacks__print_log": None}),
        )


def _leaves_one(n_rows, batch_size):
    """Whether the last batch would be a single window."""
    return n_rows % batch_size == 1 and n_rows > 1


def _scale(weight, rows, held_out):
    """Return what to divide weights by, so that the mean loss, lr and penalty keep their sizes."""
    scale = weight[rows].mean()
    if not scale > 0:
        raise ValueError("All training windows have weight zero.")
    if held_out is not None and not weight[held_out].sum() > 0:
        raise ValueError(
            "All held-out windows have weight zero, so that there is no valid_loss to look at; "
            "use more subjects, or another random_state."
        )
    return scale
