"""The regressor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import Tags

from .base import InvariantEstimator
from .callbacks import Readout
from .net import SquaredError

if TYPE_CHECKING:
    from .._typing import ArrayLike, SignalsLike


class InvariantRegressor(RegressorMixin, InvariantEstimator):
    """A network that learns its invariances, as a scikit-learn regressor.

    An augmentation in front of a backbone is trained together with it by AdamW, on the squared
    error of standardised targets. Predictions are averages over transformed copies.

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
    validation : float | None
        Share of the groups to hold out or, if ``fit`` gets no groups, of the windows. It adds
        ``valid_loss`` to ``history_``.
    patience : int | None
        Number of epochs without a better ``valid_loss`` after which training stops and the best
        network is restored.
    callbacks : list | None
        Further skorch callbacks, which are copied: objects, pairs ``(name, callback)``, or names of
        scorings of scikit-learn. ``"r2"`` adds ``train_r2`` of the network after each epoch to
        ``history_`` and, with held-out windows, ``valid_r2``.
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
    policy_ : Policy | None
        The learned (or given) policy.
    penalty_ : float | None
        Weight of the reward that was used. None without a learned augmentation given by name.
    penalty_scores_ : dict
        Log-evidence per window of each weight, with ``penalty="auto"``; empty otherwise.
    policy_history_ : list of Policy
        The policy after each epoch.
    module_ : InvariantModule
        The fitted network, which predicts standardised targets.
    net_ : skorch.NeuralNet
        The skorch net that trained it.
    history_ : skorch.history.History
        Losses of each epoch.
    target_mean_, target_scale_ : ndarray, shape (n_outputs,)
        Mean and standard deviation of the training targets.
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

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv import InvariantRegressor
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(20, 2, 640)), rng.normal(size=20)
    >>> reg = InvariantRegressor(sfreq=128, max_epochs=2, random_state=0).fit(X, y)
    >>> reg.predict(X).shape
    (20,)
    """

    _loss = "squared_error"
    _criterion = SquaredError

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
        y : array-like, shape (n_windows,) or (n_windows, n_outputs) | None
            Targets; None takes those of a windows dataset.
        sample_weight : array-like, shape (n_windows,) | None
            Weights of the windows.
        groups : array-like, shape (n_windows,) | None
            Subjects. A validation split keeps each subject on one side. None takes those of a
            windows dataset.

        Returns
        -------
        self : InvariantRegressor
            The fitted estimator.
        """
        return self._fit(X, y, sample_weight, groups)

    def _encode_target(self, y: Any, weight: np.ndarray | None) -> np.ndarray:
        y = np.asarray(y, dtype=np.float64)
        self._single_output = y.ndim == 1
        y = y.reshape(len(y), -1)
        self.n_outputs_ = y.shape[1]
        if weight is not None and weight.min() >= 0 and weight.sum() > 0:
            self.target_mean_ = np.average(y, axis=0, weights=weight)
            scale = np.sqrt(np.average((y - self.target_mean_) ** 2, axis=0, weights=weight))
        else:  # invalid weights are refused later
            self.target_mean_, scale = y.mean(axis=0), y.std(axis=0)
        if not np.isfinite(scale).all():
            raise ValueError("y is too large: its standard deviation is not finite.")
        self.target_scale_ = scale  # of a constant target, 0, so that predictions are its value
        return ((y - self.target_mean_) / np.where(scale > 0, scale, 1.0)).astype(np.float32)

    def _class_weights(self, y: Any) -> np.ndarray | float:
        return 1.0

    @property
    def _readout(self) -> Readout:
        return Readout(None, self.target_mean_, self.target_scale_, self._single_output)

    def predict(self, X: SignalsLike) -> np.ndarray:
        """Predict the target of each window.

        Parameters
        ----------
        X : array-like, shape (n_windows, n_channels, n_times) | mne.Epochs | windows dataset
            Signals as in :meth:`fit`.

        Returns
        -------
        targets : ndarray, shape (n_windows,) or (n_windows, n_outputs)
            Predictions, which do not depend on the call or the batch.
        """
        output = self._output(X).reshape(-1, self.n_outputs_).astype(np.float64)
        output = output * self.target_scale_ + self.target_mean_
        return output[:, 0] if self._single_output else output

    def score(
        self, X: SignalsLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Compute the coefficient of determination.

        Parameters
        ----------
        X : array-like, shape (n_windows, n_channels, n_times) | mne.Epochs | windows dataset
            Signals as in :meth:`fit`.
        y : array-like, shape (n_windows,) or (n_windows, n_outputs) | None
            Targets; None takes those that came with X.
        sample_weight : array-like, shape (n_windows,) | None
            Weights of the windows.

        Returns
        -------
        score : float
            1 for perfect predictions, 0 for a constant prediction of the mean.
        """
        return super().score(*self._with_targets(X, y), sample_weight)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
