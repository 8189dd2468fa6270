"""DDAS: policy search by the one-step meta-gradient of the expected training loss."""

import time

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone, is_classifier
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch.func import functional_call
from tqdm.auto import tqdm

from .._randomness import isolated
from ..augmentation import PolicyAugmentation
from ..policy import Policy, PolicyEntry
from ..transforms import REGISTRY, default_transforms


class DDASSearch(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """Search an augmentation policy on held-out subjects by a one-step meta-gradient [1]_.

    The network takes one step of gradient descent on the expected loss under the policy, and the
    policy is moved along the derivative of the held-out loss after that step. The expected loss is
    linear in the probabilities of the policy, so the derivative needs only inner products of
    gradients, no second derivatives, and no gradient of a transform. The policy has two levels:
    whether an example is augmented at all, and with which sequence of operations. The course
    of the policy over the search is replayed as a schedule in a training from scratch.

    Parameters
    ----------
    estimator : InvariantClassifier
        Prototype: backbone, batch size, class weights, and the training of the final model.
    transforms : list of Transform | None
        Candidates, of which only types and ranges count; None takes
        :func:`~eeginv.transforms.default_transforms`. Transforms of continuous strength become
        ``n_levels`` operations, equally spaced up to ``max_magnitude``.
    n_levels : int
        Levels of strength.
    n_operations : int
        Length of a sequence of operations.
    n_views : int
        Augmented views of each batch.
    search_epochs : int
        Passes over the inner training windows.
    search_lr : float
        Learning rate of the network in the search: gradient descent without momentum, each weight
        tensor's step divided by the running root mean square of its gradient without augmentation,
        which does not depend on the policy and so leaves the one-step derivative exact.
    policy_lr : float
        Learning rate of the choice of operations (Adam).
    probability_lr : float
        Learning rate of whether to augment (Adam).
    probability : float
        Initial probability of augmenting.
    held_out : float
        Share of the groups (of the windows, without groups) for the outer loss.
    refit : bool
        Whether to train a final model from scratch on all windows under the found schedule.
    verbose : int
        1 shows a progress bar.
    random_state : int | RandomState | None
        Fixes everything random.

    Attributes
    ----------
    policy_ : Policy
        The policy at the end of the search.
    schedule_ : list of Policy
        The policy after each epoch of the search.
    history_ : list of dict
        Inner and outer loss and the probability of augmenting, for each epoch.
    best_estimator_ : InvariantClassifier
        The final model (with ``refit``).
    classes_ : ndarray, shape (n_classes,)
        Labels.
    search_time_ : float
        Seconds that the search took, without the final training.
    refit_time_ : float
        Seconds that the final training took.

    References
    ----------
    .. [1] Liu, A., Huang, Z., Huang, Z., & Wang, N. (2021). Direct differentiable augmentation
       search. ICCV.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv import DDASSearch, InvariantClassifier
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(40, 2, 640)), np.tile(["rest", "task"], 20)
    >>> prototype = InvariantClassifier(sfreq=128, max_epochs=1)
    >>> search = DDASSearch(prototype, search_epochs=1, random_state=0)
    >>> search.fit(X, y, groups=np.repeat([0, 1, 2, 3], 10)).policy_.n_layers
    2
    """

    def __init__(
        self,
        estimator,
        *,
        transforms=None,
        n_levels=3,
        n_operations=2,
        n_views=3,
        search_epochs=20,
        search_lr=1e-3,
        policy_lr=0.02,
        probability_lr=0.02,
        probability=0.35,
        held_out=0.5,
        refit=True,
        verbose=0,
        random_state=None,
    ):
        self.estimator = estimator
        self.transforms = transforms
        self.n_levels = n_levels
        self.n_operations = n_operations
        self.n_views = n_views
        self.search_epochs = search_epochs
        self.search_lr = search_lr
        self.policy_lr = policy_lr
        self.probability_lr = probability_lr
        self.probability = probability
        self.held_out = held_out
        self.refit = refit
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X, y=None, groups=None):
        """Search a policy, then train the final model under it.

        Parameters
        ----------
        X : array-like, shape (n_windows, n_channels, n_times) | mne.Epochs | windows dataset
            Signals.
        y : array-like, shape (n_windows,) | None
            Labels; None takes those that came with X.
        groups : array-like, shape (n_windows,) | None
            Subjects: the outer loss is that of held-out subjects. None takes those that came with
            X; without any, windows are held out.

        Returns
        -------
        self : DDASSearch
            The fitted search.
        """
        for name in ("n_levels", "n_operations", "n_views", "search_epochs"):
            if int(getattr(self, name)) != getattr(self, name) or getattr(self, name) < 1:
                raise ValueError(f"{name} must be a whole number above 0.")
        if not 0 < self.probability < 1:
            raise ValueError(f"probability must be between 0 and 1, got {self.probability}.")
        if not is_classifier(self.estimator):
            raise TypeError(
                "DDASSearch needs an InvariantClassifier as its estimator, got "
                f"{type(self.estimator).__name__}."
            )
        start = time.perf_counter()
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=3)
        prototype = clone(self.estimator).set_params(augmentation=None)
        signals, target, weight, groups = prototype._prepare(X, y, groups=groups)
        inner, outer = self._split(prototype, target, groups, int(seeds[0]))
        self.classes_ = prototype.classes_
        operations = _operations(self.transforms, prototype.sfreq_, self.n_levels)
        with isolated(int(seeds[1]), prototype._n_threads, prototype.device):
            module = prototype._build_module(0).to(prototype.device)
            self._search(module, prototype, signals, target, weight, inner, outer, operations)
        self.search_time_ = time.perf_counter() - start
        if self.refit:
            start = time.perf_counter()
            final = clone(self.estimator)
            final.set_params(
                augmentation=PolicyAugmentation(self.schedule_), random_state=int(seeds[2])
            )
            self.best_estimator_ = final.fit(X, y, groups=groups)
            self.refit_time_ = time.perf_counter() - start
        return self

    def _split(self, prototype, target, groups, seed):
        options = {"n_splits": 1, "test_size": self.held_out, "random_state": seed}
        if groups is not None and len(np.unique(groups)) < 2:
            raise ValueError(
                "The outer loss needs held-out subjects, but groups has only one; pass groups=None "
                "to hold out windows of the same subject."
            )
        splitter = StratifiedShuffleSplit if groups is None else GroupShuffleSplit
        inner, outer = next(splitter(**options).split(target, target, groups))
        prototype._check_sides(target, inner, outer)
        return inner, outer

    def _search(self, module, prototype, X, target, weight, inner, outer, operations):
        data = {
            "X": X,
            "y": target,
            "w": (weight / weight[inner].mean()).astype(np.float32),
        }
        data = {k: torch.as_tensor(v, device=prototype.device) for k, v in data.items()}
        step = _MetaStep(self, module.train(), prototype._criterion(), data, operations)
        batch_size = min(prototype.batch_size, len(inner))
        outer_batches = _batches(outer, min(prototype.batch_size, len(outer)), endless=True)
        self.schedule_, self.history_ = [], []
        for _ in tqdm(range(self.search_epochs), unit="epoch", disable=not self.verbose):
            losses = [step(rows, next(outer_batches)) for rows in _batches(inner, batch_size)]
            inner_loss, outer_loss = (float(loss) for loss in np.mean(losses, axis=0))
            if not np.isfinite(inner_loss + outer_loss):
                raise ValueError("The search diverged: a loss is not finite. Lower search_lr.")
            probability = torch.sigmoid(step.gate).item()
            weights = step.logits.softmax(0).tolist()
            self.schedule_.append(_policy(operations, weights, probability, self.n_operations))
            self.history_.append(
                {"inner_loss": inner_loss, "outer_loss": outer_loss, "probability": probability}
            )
        self.policy_ = self.schedule_[-1]

    # the final model ----------------------------------------------------------------------------
    def _final(self):
        check_is_fitted(self, "schedule_")
        if not self.refit:
            raise ValueError("There is no final model to predict with: refit is False.")
        return self.best_estimator_

    def predict(self, X):
        """Predict labels with the final model.

        Parameters
        ----------
        X : array-like, shape (n_windows, n_channels, n_times) | mne.Epochs | windows dataset
            Signals.

        Returns
        -------
        labels : ndarray, shape (n_windows,)
            Members of ``classes_``.
        """
        return self._final().predict(X)

    def predict_proba(self, X):
        """Predict probabilities with the final model.

        Parameters
        ----------
        X : array-like, shape (n_windows, n_channels, n_times) | mne.Epochs | windows dataset
            Signals.

        Returns
        -------
        probabilities : ndarray, shape (n_windows, n_classes)
            Rows sum to one.
        """
        return self._final().predict_proba(X)


class _MetaStep:
    """One step of the network on the expected loss, and one of the policy on what it bought."""

    def __init__(self, search, module, criterion, data, operations):
        self.search, self.module, self.criterion = search, module, criterion
        self.data, self.operations = data, operations
        device = data["X"].device
        self.logits = torch.zeros(len(operations), device=device, requires_grad=True)
        gate = np.log(search.probability / (1 - search.probability))
        self.gate = torch.tensor(float(gate), device=device, requires_grad=True)
        self.optimizer = torch.optim.Adam(
            [
                {"params": [self.logits], "lr": search.policy_lr},
                {"params": [self.gate], "lr": search.probability_lr},
            ],
            betas=(0.5, 0.999),
        )
        self.mean_square, self.n_steps = 0.0, 0

    def __call__(self, rows, outer_rows):
        """Take both steps; return the inner loss without augmentation, and the outer loss."""
        search, parameters = self.search, list(self._parameters().values())
        sequences = torch.randint(len(self.operations), (search.n_views, search.n_operations))
        clean = self.data["X"][rows]
        views = [clean] + [
            _apply_sequence(clean, [self.operations[i] for i in sequence])
            for sequence in sequences.tolist()
        ]
        gradients, losses = zip(
            *(self._gradient(X, rows, keep_statistics=X is clean) for X in views), strict=True
        )
        scales = self._scales(gradients[0])
        log_chance = torch.log_softmax(self.logits, dim=0)[sequences].sum(dim=1)
        augment = torch.sigmoid(self.gate)
        shares = torch.cat([(1 - augment).reshape(1), augment * log_chance.softmax(dim=0)])
        with torch.no_grad():
            for i, parameter in enumerate(parameters):
                expected = sum(s * g[i] for s, g in zip(shares, gradients, strict=True))
                parameter -= search.search_lr * scales[i] * expected
        outer_gradient, outer_loss = self._gradient(
            self.data["X"][outer_rows], outer_rows, keep_statistics=False
        )
        direction = [g * scale for g, scale in zip(outer_gradient, scales, strict=True)]
        products = torch.stack([_inner_product(g, direction) for g in gradients])
        gains = products[1:] - products[0]
        gains = gains / gains.abs().sum().clamp_min(1e-30)
        # the held-out loss falls along positive inner products; sum_k p_k is held constant
        chance = log_chance.exp()
        objective = -(gains * augment * chance / chance.sum().detach()).sum()
        self.optimizer.zero_grad()
        objective.backward()
        self.optimizer.step()
        return losses[0], outer_loss

    def _gradient(self, X, rows, keep_statistics):
        """Gradient and value of the loss; extra views must not move batch statistics."""
        buffers = dict(self.module.named_buffers())
        if not keep_statistics:
            buffers = {name: buffer.clone() for name, buffer in buffers.items()}
        parameters = self._parameters()
        output = functional_call(self.module, (parameters, buffers), (X,))
        loss = (self.criterion(output, self.data["y"][rows]) * self.data["w"][rows]).mean()
        gradients = torch.autograd.grad(
            loss, list(parameters.values()), allow_unused=True, materialize_grads=True
        )
        return gradients, loss.item()

    def _parameters(self):
        return {name: p for name, p in self.module.named_parameters() if p.requires_grad}

    def _scales(self, gradient, decay=0.99):
        """One over the running root mean square of each tensor's gradient without augmentation."""
        square = torch.stack([g.square().mean() for g in gradient])
        self.n_steps += 1
        self.mean_square = decay * self.mean_square + (1 - decay) * square
        return 1 / ((self.mean_square / (1 - decay**self.n_steps)).sqrt() + 1e-12)


def _operations(transforms, sfreq, n_levels):
    """Turn transforms into operations of fixed strength."""
    if transforms is None:
        if sfreq is None:
            raise ValueError(
                "The default transforms need the sampling frequency: give the estimator sfreq=, "
                "or pass transforms=[...]."
            )
        transforms = default_transforms(sfreq)
    operations = []
    for transform in transforms:
        name = type(transform).__name__
        if REGISTRY.get(name) is not type(transform):
            raise ValueError(f"{name} is not in eeginv.transforms.REGISTRY.")
        if transform.strength_name == "probability":
            config = {**transform.config(), "max_probability": 1.0}
            operations.append(PolicyEntry(name, 1.0, transform.unit, binary=True, config=config))
            continue
        for level in range(1, n_levels + 1):
            extent = transform.max_magnitude * level / n_levels
            operations.append(PolicyEntry(name, extent, transform.unit, config=transform.config()))
    if not operations:
        raise ValueError("The list of transforms is empty.")
    return operations


def _policy(operations, weights, probability, n_operations):
    entries = [
        PolicyEntry(
            operation.transform,
            operation.extent,
            operation.unit,
            weight=round(weight, 7),
            layer=layer,
            binary=operation.binary,
            config=operation.config,
        )
        for layer in range(n_operations)
        for operation, weight in zip(operations, weights, strict=True)
    ]
    return Policy(entries, probability)


def _apply_sequence(X, operations):
    generator = torch.Generator(device=X.device)
    generator.manual_seed(int(torch.randint(2**62, ())))  # from the isolated stream of the search
    with torch.no_grad():
        for operation in operations:
            cls = REGISTRY[operation.transform]
            transform = cls(**{cls.strength_name: operation.extent}, **operation.config)
            X = transform.to(X.device)(X, generator)
    return X


def _batches(rows, batch_size, endless=False):
    """Shuffled batches of one size, from torch's (isolated) generator."""
    while True:
        order = torch.randperm(len(rows))
        for start in range(0, len(rows) - batch_size + 1, batch_size):
            yield torch.as_tensor(rows)[order[start : start + batch_size]]
        if not endless:
            return


def _inner_product(left, right):
    return sum((a * b).sum() for a, b in zip(left, right, strict=True))
