"""scikit-learn's contract around a skorch net."""

import copy
import numbers

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from .._process import count_threads, ignoring
from .._randomness import isolated
from ..augmentation import Augerino, Augmentation, AugNet, PolicyAugmentation, TrivialAugment
from ..invariant import InvariantModule
from ..policy import Policy
from ..transforms import default_transforms
from ..transforms.layout import check_made_for
from .augmentation_names import AUGMENTATIONS, hint_for_augmentation
from .backbone import build_backbone
from .callbacks import check_callbacks, prepare_callbacks
from .channels import Expected
from .effects import check_effects, check_learned, default_parameters, without_effect
from .evidence import count_outputs, log_evidence
from .held_out import hold_out
from .inputs import check_complete, read_signals, read_targets
from .net import Progress, SignalDataset, StopAfterWarmup, WeightedNet
from .persistence import load_estimator, save_estimator
from .units import typical_scale, warn_of_another_unit, warn_of_volts

# What penalty="auto" chooses among.
PENALTIES = (0.005, 0.02, 0.05, 0.1)
_PREDICT_BATCH = 32  # always full, so that a prediction does not depend on its neighbours


class InvariantEstimator(BaseEstimator):
    """What the classifier and the regressor share; not for use by itself."""

    _loss = None
    _criterion = None

    def __init__(
        self,
        backbone="SleepStagerChambon2018",
        augmentation="augnet",
        *,
        transforms=None,
        n_layers=None,
        penalty=0.02,
        warmup=0.4,
        n_copies=10,
        sfreq=None,
        backbone_params=None,
        max_epochs=30,
        batch_size=64,
        lr=1e-3,
        augmentation_lr=1e-2,
        weight_decay=0.01,
        validation=None,
        patience=None,
        callbacks=None,
        device="cpu",
        n_jobs=None,
        verbose=0,
        random_state=None,
    ):
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
        self.augmentation_lr = augmentation_lr
        self.weight_decay = weight_decay
        self.validation = validation
        self.patience = patience
        self.callbacks = callbacks
        self.device = device
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    # fitting ----------------------------------------------------------------------------------
    def _fit(self, X, y, sample_weight, groups):
        X, target, weight, groups = self._prepare(X, y, sample_weight, groups)
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=3)
        train, valid = self._split(X, target, groups, seeds[0])
        self._train_all(X, target, weight, train, valid, seeds)
        return self

    def _train_all(self, X, target, weight, train, valid, seeds):
        """Train with the given penalty, or with several and keep the one of most evidence."""
        automatic = self._learns and self.penalty == "auto"
        penalties = PENALTIES if automatic else [self.penalty if self._learns else None]
        scores, best = {}, None
        for penalty in penalties:
            with isolated(int(seeds[1]), self._n_threads, self.device):
                module = self._build_module(int(seeds[2]), penalty)
                if automatic:  # now, and not after a whole training
                    count_outputs(module, torch.as_tensor(X[train][:1]))
                found = self._train(module, X, target, weight, train, valid)
                if automatic:
                    arrays = (X[train], target[train], weight[train] / weight[train].mean())
                    signals, labels, weights = (
                        torch.as_tensor(array, device=self.device) for array in arrays
                    )
                    scores[penalty] = log_evidence(
                        found["module_"], signals, labels, weights, self.n_copies, int(seeds[2])
                    )
            if best is None or scores[penalty] > scores[best[0]]:
                best = (penalty, found)
        for name, value in best[1].items():
            setattr(self, name, value)
        self.penalty_, self.penalty_scores_ = best[0], scores

    @property
    def _learns(self):
        return isinstance(self.augmentation, str) and self.augmentation in ("augnet", "augerino")

    def _prepare(self, X, y, sample_weight=None, groups=None):
        """Check everything that ``fit`` is given, and return arrays to train on."""
        self._check_parameters()
        signals = read_signals(X, Expected("the estimator has sfreq =", sfreq=self.sfreq))
        y = signals.y if y is None else read_targets(y)
        groups = signals.groups if groups is None else groups
        X, y = validate_data(self, signals.X, y, dtype=np.float32, allow_nd=True, multi_output=True)
        X = self._as_signals(X)
        self.n_chans_, self.n_times_ = X.shape[1:]
        self.sfreq_ = signals.sfreq if self.sfreq is None else float(self.sfreq)
        self.ch_names_ = signals.ch_names
        self.scale_ = typical_scale(X)
        if signals.is_array:
            warn_of_volts(self.scale_)
        target = self._encode_target(y)
        sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        weight = sample_weight * self._class_weights(y)
        if (weight < 0).any():
            raise ValueError(
                f"{np.count_nonzero(weight < 0)} windows have a negative weight, by sample_weight "
                "or class_weight; a loss of negative weight has no minimum. Give 0 to windows that "
                "should not count."
            )
        if not weight.sum() > 0:
            raise ValueError("All sample weights are zero.")
        if groups is not None:
            check_complete("groups", groups)
            groups = np.asarray(groups)
            if groups.ndim == 2 and groups.shape[1] == 1:
                groups = groups[:, 0]
            if groups.ndim != 1:
                raise ValueError(
                    f"groups must hold one subject for each window; got shape {groups.shape}."
                )
            check_consistent_length(X, groups)
        return X, target, weight, groups

    def _check_parameters(self):
        positive = {
            "max_epochs": numbers.Integral,
            "batch_size": numbers.Integral,
            "lr": numbers.Real,
            "augmentation_lr": numbers.Real,
        }
        for name, kind in positive.items():
            value = getattr(self, name)
            if not isinstance(value, kind) or isinstance(value, bool) or value <= 0:
                noun = "whole number" if kind is numbers.Integral else "number"
                raise ValueError(f"{name} must be a {noun} above 0, got {value!r}.")
        if self.penalty != "auto" and not isinstance(self.penalty, numbers.Real):
            raise ValueError(f"penalty must be a number or 'auto', got {self.penalty!r}.")
        for name in ("n_layers", "patience"):
            value = getattr(self, name)
            if value is None or (isinstance(value, numbers.Integral) and value >= 1):
                continue
            raise ValueError(f"{name} must be None or a whole number of at least 1, got {value!r}.")
        check_callbacks(self.callbacks, self.validation is not None)
        if self.patience is not None and self.validation is None:
            raise ValueError(
                "patience needs held-out windows to watch: set validation, for instance to 0.2."
            )
        check_effects(self)

    def _under(self, augmentation):
        """Return an unfitted copy with another augmentation, and none of what belongs to this."""
        copied = clone(self).set_params(augmentation=augmentation)
        defaults = default_parameters(copied)
        return copied.set_params(**{name: defaults[name] for name in without_effect(augmentation)})

    @property
    def _n_threads(self):
        return count_threads(self.n_jobs)

    @staticmethod
    def _as_signals(X):
        if X.ndim == 2:  # one channel
            return X[:, None, :]
        if X.ndim != 3:
            raise ValueError(
                "Expected signals of shape (n_windows, n_channels, n_times), or (n_windows, "
                f"n_times) for one channel; got an array of shape {X.shape}."
            )
        return X

    def _split(self, X, y, groups, seed):
        if self.validation is None:
            return np.arange(len(X)), None
        train, valid = hold_out(self.validation, y, groups, seed, self._loss == "cross_entropy")
        self._check_sides(y, train, valid)
        return train, valid

    def _check_sides(self, target, train, held_out):
        """Refuse a split of which one side lacks a class."""
        if self._loss != "cross_entropy":
            return
        for name, part in (("training", train), ("held-out", held_out)):
            missing = np.setdiff1d(np.arange(len(self.classes_)), target[part])
            if len(missing):
                raise ValueError(
                    f"No window of class {', '.join(map(repr, self.classes_[missing].tolist()))} "
                    f"on the {name} side of the split; use more subjects, or another random_state."
                )

    def _build_augmentation(self, seed, penalty):
        augmentation = self.augmentation
        if augmentation is None:
            return None
        if isinstance(augmentation, Augmentation):
            augmentation = copy.deepcopy(augmentation)
            if getattr(augmentation, "takes_labels", False):
                if not hasattr(self, "classes_"):
                    raise ValueError(
                        f"{type(augmentation).__name__} needs classes, which a regression has not."
                    )
                augmentation.set_classes(self.classes_)
            augmentation.stream.seed, augmentation.stream.n_drawn = seed, 0
            return augmentation
        if isinstance(augmentation, Policy):
            return PolicyAugmentation(augmentation, random_state=seed)
        # not ``in``, which an array or a tensor would answer with an array
        if not (isinstance(augmentation, str) and augmentation in AUGMENTATIONS):
            raise ValueError(
                "augmentation must be 'augnet', 'augerino', 'trivial', None, a Policy or an "
                f"Augmentation; got {augmentation!r}.{hint_for_augmentation(augmentation)}"
            )
        transforms = self._default_transforms() if self.transforms is None else self.transforms
        if augmentation == "trivial":
            return TrivialAugment(transforms, random_state=seed)
        if augmentation == "augerino":
            return Augerino(transforms, penalty, warmup=self.warmup, random_state=seed)
        return AugNet(transforms, self.n_layers, penalty, warmup=self.warmup, random_state=seed)

    def _default_transforms(self):
        if self.sfreq_ is None:
            raise ValueError(
                "The default transforms work in Hz and need the sampling frequency: give the "
                "estimator sfreq=, or pass transforms=[...], or mne.Epochs. (scikit-learn's "
                "cross-validation takes windows datasets apart, and only the signals and targets "
                "are left; it keeps what is inside skorch.helper.SliceDataset(dataset).)"
            )
        # nobody asked for those that these channels do not allow; policies show what is in
        with ignoring(("Left out", UserWarning)):
            return default_transforms(self.sfreq_, self.ch_names_)

    def _build_module(self, seed, penalty=None):
        backbone = build_backbone(
            self.backbone,
            n_chans=self.n_chans_,
            n_times=self.n_times_,
            n_outputs=self.n_outputs_,
            sfreq=self.sfreq_,
            params=self.backbone_params,
        )
        augmentation = self._build_augmentation(seed, penalty)
        if augmentation is not None:
            check_made_for(augmentation, self.sfreq_, self.ch_names_)
        return InvariantModule(
            backbone,
            augmentation,
            n_copies=self.n_copies,
            average=getattr(self, "average", "logit"),
            loss=self._loss,
        )

    def _train(self, module, X, target, weight, train, valid):
        """Train a module; return what the fitted estimator keeps of it."""
        from skorch.helper import predefined_split

        scale = weight[train].mean()  # the mean loss keeps its size, and lr and penalty with it
        if not scale > 0:
            raise ValueError("All training windows have weight zero.")
        if valid is not None and not weight[valid].sum() > 0:
            raise ValueError(
                "All held-out windows have weight zero, so that there is no valid_loss to look at; "
                "use more subjects, or another random_state."
            )
        batch_size = min(self.batch_size, len(train))
        progress = Progress(bar=self.verbose == 1)
        callbacks = [("progress", progress)]
        if self.patience is not None:
            stopping = StopAfterWarmup(patience=self.patience, load_best=True)
            callbacks.append(("stopping", stopping))
        callbacks += prepare_callbacks(self.callbacks, self._readout, valid is not None)
        split = None
        if valid is not None:
            held_out = SignalDataset(X[valid], target[valid], weight[valid] / scale)
            split = predefined_split(held_out)
        options = {} if self.verbose >= 2 else {"callbacks__print_log": None}
        net = WeightedNet(
            module,
            criterion=self._criterion,
            optimizer=torch.optim.AdamW,
            optimizer__weight_decay=self.weight_decay,
            optimizer__param_groups=[
                ("augmentation.*", {"lr": self.augmentation_lr, "weight_decay": 0.0})
            ],
            lr=self.lr,
            max_epochs=int(self.max_epochs),
            batch_size=int(batch_size),
            iterator_train__shuffle=True,
            # batch normalisation has no statistics in a batch of one
            iterator_train__drop_last=len(train) % batch_size == 1 and len(train) > 1,
            train_split=split,
            callbacks=callbacks,
            device=self.device,
            verbose=1 if self.verbose >= 2 else 0,
            **options,
        )
        net.fit(SignalDataset(X[train], target[train], weight[train] / scale), None)
        if getattr(net, "interrupted_", False):
            raise KeyboardInterrupt
        check_learned(module.augmentation, len(net.history), int(self.max_epochs))
        return {
            "net_": net,
            "module_": net.module_,
            "history_": net.history,
            "n_iter_": len(net.history),
            "policy_history_": progress.policies_,
            "policy_": None if module.augmentation is None else module.augmentation.policy(),
        }

    # predicting -------------------------------------------------------------------------------
    def _output(self, X, module=None):
        """Compute the module's output in evaluation, an array of shape (n_windows, ...)."""
        check_is_fitted(self, "module_")
        X = self._in_shape_of_fit(read_signals(X, self._fitted_on).X)
        X = self._as_signals(validate_data(self, X, reset=False, dtype=np.float32, allow_nd=True))
        if X.shape[1:] != (self.n_chans_, self.n_times_):
            raise ValueError(
                f"Expected signals of shape (n_windows, {self.n_chans_}, {self.n_times_}) as in "
                f"fit, got {X.shape}."
            )
        warn_of_another_unit(typical_scale(X), getattr(self, "scale_", None))
        module = self.module_ if module is None else module
        module.eval()
        outputs = []
        with isolated(0, self._n_threads, self.device), torch.no_grad():
            for start in range(0, len(X), _PREDICT_BATCH):
                part = X[start : start + _PREDICT_BATCH]
                batch = np.zeros((_PREDICT_BATCH, *X.shape[1:]), dtype=np.float32)
                batch[: len(part)] = part
                output = module(torch.from_numpy(batch).to(self.device))
                outputs.append(output[: len(part)].cpu().numpy())
        return np.concatenate(outputs)

    def _with_targets(self, X, y):
        """Read signals, and their targets where none are given."""
        check_is_fitted(self, "module_")
        signals = read_signals(X, self._fitted_on)
        y = signals.y if y is None else read_targets(y)
        if y is None:
            raise ValueError(f"y is None, and a {type(X).__name__} brings no targets: pass y.")
        return signals, y

    @property
    def _fitted_on(self):
        """What signals to predict for have to agree with."""
        return Expected(f"{type(self).__name__} was fitted with", self.ch_names_, self.sfreq_)

    def _in_shape_of_fit(self, X):
        """Bring signals of one channel to the shape of fit; refuse what has other channels."""
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
    def save(self, path):
        """Save the fitted estimator as a folder of safetensors and JSON, without pickle.

        Parameters
        ----------
        path : path-like
            Folder to write; it must not exist yet, or hold a saved estimator to replace.
        """
        check_is_fitted(self, "module_")
        save_estimator(self, path)

    @classmethod
    def load(cls, path, backbone=None, augmentation=None, transforms=None):
        """Load a saved estimator.

        Parameters
        ----------
        path : path-like
            Folder that :meth:`save` wrote.
        backbone : type | nn.Module | None
            The backbone, where it was not given by name; the network, where ``backbone_params``
            held objects that JSON cannot.
        augmentation : Augmentation | None
            The augmentation, where it was an object that learns.
        transforms : list of Transform | None
            The candidates, where some of them were not of eeginv.

        Returns
        -------
        estimator : InvariantClassifier | InvariantRegressor
            The fitted estimator; it predicts exactly as the saved one did.
        """
        return load_estimator(cls, path, backbone, augmentation, transforms)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
