"""Base class of the estimators: the scikit-learn interface around a skorch net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)
from torch import nn

from .._pickling import make_picklable
from .._precision import check_precision
from .channels import Expected
from .inputs import check_complete, read_signals, read_targets
from .lazy import LazyWindows
from .parameters import check_device, check_parameters, default_parameters, without_effect
from .persistence import OF_NETWORK, load_estimator, save_estimator
from .prediction import predict_in_batches
from .selection import train_selected
from .training import Trainer
from .training_data import TrainingData
from .units import typical_scale, warn_of_another_unit, warn_of_transposed, warn_of_volts

if TYPE_CHECKING:
    from skorch import NeuralNet
    from skorch.history import History

    from .._typing import ArrayLike, PathLike, RandomState, SignalsLike
    from ..augmentation import Augmentation
    from ..invariant import InvariantModule
    from ..policy import Policy
    from ..transforms import Transform
    from .augmentation_names import AugmentationLike
    from .callbacks import Readout
    from .lazy import Windows
    from .signals import Signals


class InvariantEstimator(BaseEstimator):
    """Base class of the classifier and the regressor. It is not used directly."""

    # The name of the loss for the module, and the criterion of the net.
    _loss: str
    _criterion: type[nn.Module]

    # Attributes that fit sets.
    n_chans_: int
    n_times_: int
    n_outputs_: int
    n_features_in_: int
    sfreq_: float | None
    ch_names_: list[str] | None
    scale_: float | None
    net_: NeuralNet
    module_: InvariantModule
    history_: History
    n_iter_: int
    policy_: Policy | None
    policy_history_: list[Policy]
    penalty_: float | None
    penalty_scores_: dict[float, float]
    preprocessing_: dict[str, Any] | None = None

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
        sfreq: float | None = None,
        backbone_params: Mapping[str, Any] | None = None,
        max_epochs: int = 30,
        batch_size: int = 64,
        lr: float = 1e-3,
        lr_schedule: str | None = None,
        augmentation_lr: float = 1e-2,
        weight_decay: float = 0.01,
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
        self.backbone = backbone
        self.augmentation = augmentation
        self.transforms = transforms
        self.n_layers = n_layers
        self.penalty = penalty
        self.warmup = warmup
        self.n_copies = n_copies
        self.sfreq = sfreq
        self.backbone_params = backbone_params
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.augmentation_lr = augmentation_lr
        self.weight_decay = weight_decay
        self.validation = validation
        self.patience = patience
        self.callbacks = callbacks
        self.device = device
        self.precision = precision
        self.compile = compile
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    # fitting ----------------------------------------------------------------------------------
    def _fit(
        self,
        X: SignalsLike,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None,
        groups: ArrayLike | None,
    ) -> Self:
        before = dict(self.__dict__)
        try:
            return self._refit(X, y, sample_weight, groups)
        except BaseException:  # no network of before with classes of now
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _refit(
        self,
        X: SignalsLike,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None,
        groups: ArrayLike | None,
    ) -> Self:
        trainer = Trainer(self)
        self.preprocessing_ = None  # that of other signals
        data = trainer.prepare(X, y, sample_weight, groups)
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=3)
        rows, held_out = trainer.split(data, seeds[0])
        training, self.penalty_, self.penalty_scores_ = train_selected(
            trainer, data, rows, held_out, seeds[1:]
        )
        self.net_, self.module_, self.history_ = training.net, training.module, training.history
        self.n_iter_, self.policy_history_ = len(training.history), training.policies
        augmentation = training.module.augmentation
        self.policy_ = None if augmentation is None else augmentation.policy()
        self._fitted_with = {name: getattr(self, name) for name in OF_NETWORK}
        return self

    def _prepare(
        self,
        X: SignalsLike | Signals,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> TrainingData:
        """Check all arguments of ``fit``; see :meth:`Trainer.prepare`."""
        check_parameters(self)
        signals = read_signals(X, Expected("the estimator has sfreq =", sfreq=self.sfreq))
        y = signals.y if y is None else read_targets(y)
        if groups is None:
            groups = signals.groups
            if groups is not None and not (groups != groups[0]).any():
                groups = None  # of one subject, windows are held out
        X, y = self._validate(signals.X, y)
        self.n_chans_, self.n_times_ = X.shape[1:]
        warn_of_transposed(self.n_chans_, self.n_times_)
        self.sfreq_ = signals.sfreq if self.sfreq is None else float(self.sfreq)
        self.ch_names_ = signals.ch_names
        self.scale_ = typical_scale(X)
        if signals.is_array:
            warn_of_volts(self.scale_)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        target = self._encode_target(y, None if sample_weight is None else weight)
        weight = weight * self._class_weights(y)
        if (weight < 0).any():
            raise ValueError(
                f"{np.count_nonzero(weight < 0)} windows have a negative weight, by sample_weight "
                "or class_weight; a loss of negative weight has no minimum. Give 0 to windows that "
                "should not count."
            )
        if not weight.sum() > 0:
            raise ValueError("All sample weights are zero.")
        if groups is None:
            return TrainingData(X, target, weight)
        check_complete("groups", groups)
        subjects = np.asarray(groups)
        if subjects.ndim == 2 and subjects.shape[1] == 1:
            subjects = subjects[:, 0]
        if subjects.ndim != 1:
            raise ValueError(
                f"groups must hold one subject for each window; got shape {subjects.shape}."
            )
        check_consistent_length(X, subjects)
        return TrainingData(X, target, weight, subjects)

    def _validate(self, X: Any, y: Any) -> tuple[Windows, Any]:
        """Check signals and labels as scikit-learn does. Lazy signals are checked when read."""
        if not isinstance(X, LazyWindows):
            values, y = validate_data(
                self, X, y, dtype=np.float32, allow_nd=True, multi_output=True
            )
            return self._as_signals(values), y
        check_consistent_length(X, y)
        validate_data(self, X[:1].load(), dtype=np.float32, allow_nd=True)
        return X, validate_data(self, y=y, multi_output=True)

    # defined by subclasses
    def _encode_target(self, y: Any, weight: np.ndarray | None) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} must define _encode_target.")

    def _class_weights(self, y: Any) -> np.ndarray | float:
        raise NotImplementedError(f"{type(self).__name__} must define _class_weights.")

    @property
    def _readout(self) -> Readout:
        raise NotImplementedError(f"{type(self).__name__} must define _readout.")

    def under(self, augmentation: AugmentationLike) -> Self:
        """Return an unfitted copy with another augmentation.

        Parameters
        ----------
        augmentation : str | None | Policy | Augmentation
            The other augmentation.

        Returns
        -------
        estimator : InvariantClassifier | InvariantRegressor
            A clone. Parameters that the other augmentation does not read have their defaults.
        """
        copied = clone(self).set_params(augmentation=augmentation)
        defaults = default_parameters(copied)
        return copied.set_params(**{name: defaults[name] for name in without_effect(augmentation)})

    def set_params(self, **params: Any) -> Self:
        """Set parameters.

        ``n_copies``, ``average``, ``precision`` and ``device`` also change the predictions of a
        fitted estimator. All others count from the next ``fit`` on.

        Parameters
        ----------
        **params
            Parameters of the constructor.

        Returns
        -------
        self : InvariantClassifier | InvariantRegressor
            The estimator.
        """
        before = dict(self.__dict__)
        try:
            super().set_params(**params)
            self._update_module(params.keys())
        except Exception:
            self.__dict__.update(before)
            raise
        return self

    def _update_module(self, changed: Set[str]) -> None:
        """Give a fitted network the parameters of predictions that were changed."""
        module = getattr(self, "module_", None)
        if module is None:
            return
        check_precision(self.precision)  # all checks before the first change
        if "device" in changed:
            check_device(self.device)
        if {"n_copies", "average"} & changed:
            module.average_over(self.n_copies, getattr(self, "average", module.average))
        if "precision" in changed:
            module.precision = self.precision
        if "device" in changed:
            module.to(self.device)

    @staticmethod
    def _as_signals(X: np.ndarray) -> np.ndarray:
        if X.ndim == 2:  # one channel
            return X[:, None, :]
        if X.ndim != 3:
            raise ValueError(
                "Expected signals of shape (n_windows, n_channels, n_times), or (n_windows, "
                f"n_times) for one channel; got an array of shape {X.shape}."
            )
        return X

    # predicting -------------------------------------------------------------------------------
    def _output(
        self, X: SignalsLike | Signals, module: InvariantModule | None = None
    ) -> np.ndarray:
        """Compute the output of the module in evaluation mode, of shape (n_windows, ...)."""
        check_is_fitted(self, "module_")
        X = read_signals(X, self._fitted_on).X
        if not isinstance(X, LazyWindows):
            X = self._in_shape_of_fit(X)
            X = validate_data(self, X, reset=False, dtype=np.float32, allow_nd=True)
            X = self._as_signals(X)
        if X.shape[1:] != (self.n_chans_, self.n_times_):
            raise ValueError(
                f"Expected signals of shape (n_windows, {self.n_chans_}, {self.n_times_}) as in "
                f"fit, got {X.shape}."
            )
        warn_of_another_unit(typical_scale(X), getattr(self, "scale_", None))
        module = self.module_ if module is None else module
        module.eval()
        with Trainer(self).isolated(0):
            return predict_in_batches(module, X, self.device)

    def _with_targets(self, X: SignalsLike, y: Any) -> tuple[Signals, Any]:
        """Read signals, and take their targets if none are given."""
        check_is_fitted(self, "module_")
        signals = read_signals(X, self._fitted_on)
        y = signals.y if y is None else read_targets(y)
        if y is None:
            raise ValueError(f"y is None, and a {type(X).__name__} brings no targets: pass y.")
        return signals, y

    @property
    def _fitted_on(self) -> Expected:
        """Properties that signals must have for prediction."""
        return Expected(f"{type(self).__name__} was fitted with", self.ch_names_, self.sfreq_)

    def _in_shape_of_fit(self, X: Any) -> Any:
        """Bring single-channel signals to the shape in fit, and reject other channel counts."""
        n_dimensions = getattr(X, "ndim", 0)
        if n_dimensions > 3:
            self._as_signals(X)
        if n_dimensions == 3 and X.shape[1] != self.n_chans_:
            raise ValueError(
                f"X has {X.shape[1]} channels, but {type(self).__name__} was fitted with "
                f"{self.n_chans_}."
            )
        from_rows = self.n_features_in_ != self.n_chans_
        if n_dimensions == 3 and from_rows:  # fitted on (n_windows, n_times)
            return X[:, 0]
        if n_dimensions == 2 and not from_rows and X.shape[1] != self.n_features_in_:
            if self.n_chans_ == 1:
                return X[:, None, :]
            raise ValueError(
                f"Expected signals of shape (n_windows, {self.n_chans_}, {self.n_times_}) as in "
                f"fit, got {X.shape}. A single window goes in as X[None]."
            )
        return X

    # saving -----------------------------------------------------------------------------------
    def save(self, path: PathLike) -> None:
        """Save the fitted estimator as a folder of safetensors and JSON, without pickle.

        Parameters
        ----------
        path : path-like
            Folder to write. It must not exist yet, or must hold a saved estimator, which is
            replaced.
        """
        check_is_fitted(self, "module_")
        save_estimator(self, path)

    @classmethod
    def load(
        cls,
        path: PathLike,
        backbone: type[nn.Module] | nn.Module | None = None,
        augmentation: Augmentation | None = None,
        transforms: Sequence[Transform] | None = None,
    ) -> Self:
        """Load a saved estimator.

        Parameters
        ----------
        path : path-like
            Folder that :meth:`save` wrote.
        backbone : type | nn.Module | None
            The backbone, needed if it was not given by name. The network, needed if
            ``backbone_params`` held objects that JSON cannot represent.
        augmentation : Augmentation | None
            The augmentation, needed if it was an object that learns.
        transforms : list of Transform | None
            The candidates, needed if some of them are not part of eeginv.

        Returns
        -------
        estimator : InvariantClassifier | InvariantRegressor
            The fitted estimator. Its predictions are identical to those of the saved one.
        """
        return load_estimator(cls, path, backbone, augmentation, transforms)

    def __getstate__(self) -> dict[str, Any]:
        if isinstance(self.backbone, nn.Module):
            make_picklable(self.backbone)
        state = super().__getstate__()
        if "net_" in state and self.module_ is self.net_.module_:
            # skorch pickles its module apart, and the two would no longer be one
            state = {name: value for name, value in state.items() if name != "module_"}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "net_" in state and "module_" not in state:
            self.module_ = self.net_.module_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
