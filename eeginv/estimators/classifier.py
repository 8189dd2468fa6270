"""The classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from .base import InvariantEstimator
from .callbacks import Readout
from .net import CrossEntropy

if TYPE_CHECKING:
    from torch import nn

    from .._typing import ArrayLike, Label, RandomState, SignalsLike
    from ..transforms import Transform
    from .augmentation_names import AugmentationLike


class InvariantClassifier(ClassifierMixin, InvariantEstimator):
    """A network that learns its invariances, as a scikit-learn classifier.

    An augmentation in front of a backbone is trained together with it by AdamW. Predictions are
    averages over transformed copies [1]_.

    Parameters
    ----------
    backbone : str | type | nn.Module
        Name of a Braindecode model, a class, or a network (which is copied, with its weights).
    augmentation : "augnet" | "augerino" | "auto" | "trivial" | None | Policy | Augmentation
        Learned augmentations: "augnet" chooses a transform in each layer, "augerino" applies all in
        sequence, and "auto" learns while a random augmentation fades out
        (:class:`~eeginv.augmentation.RegularizedAugNet`). "trivial" is random augmentation, as a
        baseline. A policy, or an augmentation object (which is copied), is used as given.
    transforms : list of Transform | list of list of Transform | None
        Candidates of an augmentation given by name. None takes
        :func:`~eeginv.transforms.default_transforms` for the channels of ``mne.Epochs``: the sleep
        list for windows of at least 20 s, and the general list for shorter windows.
    n_layers : int | None
        Number of layers of "augnet" and "auto". None is one for each family of transforms in
        "augnet", and one in "auto".
    penalty : float | "auto"
        Weight of the reward for a wide distribution, for a learned augmentation given by name.
        "auto" trains with each of 0.005, 0.02, 0.05 and 0.1, and keeps the network with the highest
        log-evidence on the training data (:func:`~eeginv.estimators.log_evidence`).
    warmup : float
        Share of the epochs in which the initial distribution is fixed, for a learned augmentation
        given by name.
    n_copies : int
        Number of transformed copies that a prediction averages over. 0 uses the original signals.
        Ten copies take ten times as long. On real EEG they changed the accuracy by less than half a
        point, and lowered the log-loss by 0.01.
    average : "logit" | "probability"
        Quantity that predictions average.
    sfreq : float | None
        Sampling frequency in Hz; known from ``mne.Epochs`` and windows datasets.
    backbone_params : dict | None
        Further arguments of the backbone's constructor.
    max_epochs : int
        Number of passes over the training windows.
    batch_size : int
        Number of windows in a batch.
    lr : float
        Learning rate of the backbone (AdamW).
    lr_schedule : "cosine" | None
        Schedule of both learning rates, updated in each step. "cosine" is linear warm-up over the
        first tenth of the training and cosine decay to zero. None keeps them constant.
    augmentation_lr : float
        Learning rate of the augmentation.
    weight_decay : float
        Weight decay of the backbone; the augmentation has none.
    class_weight : dict | "balanced" | None
        Weights of the classes, as in scikit-learn.
    validation : float | None
        Share of the groups to hold out or, if ``fit`` gets no groups, of the windows. It adds
        ``valid_loss`` to ``history_``.
    patience : int | None
        Number of epochs without a better ``valid_loss`` after which training stops and the best
        network is restored.
    callbacks : list | None
        Further skorch callbacks, which are copied: objects, pairs ``(name, callback)``, or names of
        scorings of scikit-learn. ``"accuracy"`` adds ``train_accuracy`` of the network after each
        epoch to ``history_`` and, with held-out windows, ``valid_accuracy``.
    device : str
        Torch device.
    precision : "float32" | "bf16"
        Precision of the network. "bf16" is torch's autocast, in training and in prediction.
        Weights, transforms, losses and averages stay in float32.
    compile : bool
        Whether to compile the network with torch, for training and for prediction.
    n_jobs : int | None
        Number of threads; None is 1. Results are bit-identical for the same number.
    verbose : int
        0 prints nothing, 1 shows a progress bar, 2 prints a line for each epoch.
    random_state : int | RandomState | None
        Seed of everything random.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Labels, sorted.
    policy_ : Policy | None
        The learned (or given) policy.
    penalty_ : float | None
        Weight of the reward that was used. None without a learned augmentation given by name.
    penalty_scores_ : dict
        Log-evidence per window of each weight, with ``penalty="auto"``; empty otherwise.
    policy_history_ : list of Policy
        The policy after each epoch.
    module_ : InvariantModule
        The fitted network.
    net_ : skorch.NeuralNet
        The skorch net that trained it.
    history_ : skorch.history.History
        Losses of each epoch.
    n_chans_, n_times_ : int
        Shape of the windows.
    sfreq_ : float | None
        Sampling frequency in Hz.
    ch_names_ : list of str | None
        Names of the channels, if the signals had them. Later signals are matched by name.
    scale_ : float | None
        Median standard deviation of the signals over time; None if all are flat.
    n_features_in_ : int
        Number of channels, or of samples for two-dimensional X.
    n_iter_ : int
        Number of epochs that were run.
    preprocessing_ : dict | None
        How recordings became the windows of ``fit`` (``to_dict()`` of a
        :class:`~eeginv.datasets.Recipe`), saved with the estimator. Set it after ``fit``, which
        makes it None.

    References
    ----------
    .. [1] Rommel, C., Moreau, T., & Gramfort, A. (2022). Deep invariant networks with
       differentiable augmentation layers. NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv import InvariantClassifier
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(20, 2, 640)), np.repeat(["rest", "task"], 10)
    >>> clf = InvariantClassifier(sfreq=128, max_epochs=2, random_state=0).fit(X, y)
    >>> clf.predict_proba(X).shape
    (20, 2)
    """

    _loss = "cross_entropy"
    _criterion = CrossEntropy

    def __init__(
        self,
        backbone: str | type[nn.Module] | nn.Module = "SleepStagerChambon2018",
        augmentation: AugmentationLike = "augnet",
        *,
        transforms: Sequence[Transform] | Sequence[Sequence[Transform]] | None = None,
        n_layers: int | None = None,
        penalty: float | str = 0.02,
        warmup: float = 0.4,
        n_copies: int = 0,
        average: str = "logit",
        sfreq: float | None = None,
        backbone_params: Mapping[str, Any] | None = None,
        max_epochs: int = 30,
        batch_size: int = 64,
        lr: float = 1e-3,
        lr_schedule: str | None = None,
        augmentation_lr: float = 1e-2,
        weight_decay: float = 0.01,
        class_weight: Mapping[Label, float] | str | None = None,
        validation: float | None = None,
        patience: int | None = None,
        callbacks: Sequence[Any] | None = None,
        device: str = "cpu",
        precision: str = "float32",
        compile: bool = False,
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: RandomState = None,
    ) -> None:
        super().__init__(
            backbone,
            augmentation,
            transforms=transforms,
            n_layers=n_layers,
            penalty=penalty,
            warmup=warmup,
            n_copies=n_copies,
            sfreq=sfreq,
            backbone_params=backbone_params,
            max_epochs=max_epochs,
            batch_size=batch_size,
            lr=lr,
            lr_schedule=lr_schedule,
            augmentation_lr=augmentation_lr,
            weight_decay=weight_decay,
            validation=validation,
            patience=patience,
            callbacks=callbacks,
            device=device,
            precision=precision,
            compile=compile,
            n_jobs=n_jobs,
            verbose=verbose,
            random_state=random_state,
        )
        self.average = average
        self.class_weight = class_weight

    def fit(
        self,
        X: SignalsLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train the network and learn its invariances.

        Parameters
        ----------
        X : array-like, shape (n_windows, n_channels, n_times) | mne.Epochs | windows dataset
            Signals. A two-dimensional array is one channel. The data channels of epochs and windows
            datasets are used, in µV; an array is used unchanged (see :doc:`/user_guide/inputs`).
        y : array-like, shape (n_windows,) | None
            Labels of any type. None takes those of epochs (names of the events) or of a windows
            dataset (its targets).
        sample_weight : array-like, shape (n_windows,) | None
            Weights of the windows.
        groups : array-like, shape (n_windows,) | None
            Subjects. A validation split keeps each subject on one side. None takes those of a
            windows dataset.

        Returns
        -------
        self : InvariantClassifier
            The fitted estimator.
        """
        return self._fit(X, y, sample_weight, groups)

    def _encode_target(self, y: Any, weight: np.ndarray | None) -> np.ndarray:
        y = column_or_1d(y, warn=True)
        if 0 < sum(isinstance(label, str) for label in y.tolist()) < len(y):
            raise ValueError(
                "y mixes text with labels of another type. Convert all of them to one type, for "
                "example with np.asarray(y).astype(str)."
            )
        check_classification_targets(y)
        self.classes_, encoded = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes in y, got only one class: "
                f"{self.classes_.tolist()[0]!r}."
            )
        self.n_outputs_ = len(self.classes_)
        return encoded.astype(np.int64)

    def _class_weights(self, y: Any) -> np.ndarray | float:
        return compute_sample_weight(self.class_weight, np.ravel(y))

    @property
    def _readout(self) -> Readout:
        return Readout(self.classes_)

    def predict_proba(self, X: SignalsLike) -> np.ndarray:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like, shape (n_windows, n_channels, n_times) | mne.Epochs | windows dataset
            Signals as in :meth:`fit`.

        Returns
        -------
        probabilities : ndarray, shape (n_windows, n_classes)
            Probabilities, which do not depend on the call or the batch.
        """
        return self._normalise(self._output(X))

    @staticmethod
    def _normalise(log_probabilities: np.ndarray) -> np.ndarray:
        p = np.exp(log_probabilities.astype(np.float64))
        return p / p.sum(axis=1, keepdims=True)

    def predict(self, X: SignalsLike) -> np.ndarray:
        """Predict the label of each window.

        Parameters
        ----------
        X : array-like, shape (n_windows, n_channels, n_times) | mne.Epochs | windows dataset
            Signals as in :meth:`fit`.

        Returns
        -------
        labels : ndarray, shape (n_windows,)
            Members of ``classes_``.
        """
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def score(
        self, X: SignalsLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Compute the accuracy.

        Parameters
        ----------
        X : array-like, shape (n_windows, n_channels, n_times) | mne.Epochs | windows dataset
            Signals as in :meth:`fit`.
        y : array-like, shape (n_windows,) | None
            Labels; None takes those that came with X.
        sample_weight : array-like, shape (n_windows,) | None
            Weights of the windows.

        Returns
        -------
        score : float
            Share of the windows whose label is predicted.
        """
        return super().score(*self._with_targets(X, y), sample_weight)
