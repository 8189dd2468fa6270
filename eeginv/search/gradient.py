"""Searches that follow a gradient: epochs over the inner windows, one state that can be kept."""

import json
import time
from pathlib import Path

import numpy as np
import torch
from torch.func import functional_call
from tqdm.auto import tqdm

from .._files import replacing
from .._randomness import generator_states, isolated, restore_generators
from ..policy import Policy
from .base import PolicySearch


class GradientSearch(PolicySearch):
    """A search that steps through the inner windows; not for use by itself.

    A search defines ``_learner(problem)``, an ``nn.Module`` that holds all that changes, with
    ``policy()`` and ``step(rows, outer_rows, learns)``, which returns a dict of numbers. ``learns``
    is False in the warm-up: a network that does not use a feature yet cannot show which transform
    destroys it, so it learns alone, from unchanged windows. Beyond what :class:`PolicySearch`
    needs, its ``__init__`` stores ``search_epochs``, ``warmup_epochs``, ``max_seconds``,
    ``checkpoint`` and ``verbose``.
    """

    _counts = ("search_epochs",)

    def _check_parameters(self):
        super()._check_parameters()
        if self.max_seconds is not None and not self.max_seconds > 0:
            raise ValueError(f"max_seconds must be above 0, got {self.max_seconds}.")
        warmup = self.warmup_epochs
        if isinstance(warmup, bool) or int(warmup) != warmup or warmup < 0:
            raise ValueError(f"warmup_epochs must be a whole number, at least 0; got {warmup!r}.")
        if warmup >= self.search_epochs:
            raise ValueError(
                f"The search is over ({self.search_epochs} epochs) before its warm-up ({warmup} "
                "epochs): the policy would not learn."
            )

    def _search(self, problem, seed):
        with isolated(seed, problem.prototype._n_threads, problem.prototype.device):
            self._follow(problem)

    def _follow(self, problem):
        start = time.perf_counter()

        def is_over():
            return self.max_seconds is not None and time.perf_counter() - start > self.max_seconds

        learner = self._learner(problem)
        inner_size, outer_size = (
            min(problem.prototype.batch_size, len(rows)) for rows in (problem.inner, problem.outer)
        )
        outer_batches = batches(problem.outer, outer_size, endless=True)
        self.schedule_, self.history_ = [], []
        kept = _Checkpoint(self.checkpoint, self, problem)
        kept.restore(learner, self)
        epochs = range(len(self.history_), self.search_epochs)
        for _ in tqdm(epochs, unit="epoch", disable=not self.verbose):
            records = []
            learns = len(self.history_) >= self.warmup_epochs
            for rows in batches(problem.inner, inner_size):
                if is_over():
                    break
                records.append(learner.step(rows, next(outer_batches), learns))
                if not np.isfinite(list(records[-1].values())).all():
                    raise ValueError(
                        f"The search diverged in epoch {len(self.history_) + 1}, step "
                        f"{len(records)}: {records[-1]}. Lower its learning rates, or check the "
                        "signals."
                    )
            if not records:
                break
            mean = {key: float(np.mean([r[key] for r in records])) for key in records[0]}
            self.schedule_.append(learner.policy())
            self.history_.append(mean)
            # batches of the next epoch do not depend on whether the search was interrupted
            outer_batches = batches(problem.outer, outer_size, endless=True)
            if is_over():  # perhaps in the middle of the epoch
                break
            kept.save(learner, self)
        if len(self.schedule_) <= self.warmup_epochs:
            raise ValueError(
                f"max_seconds ({self.max_seconds:g}) was over before the first step of the policy."
            )
        self.policy_ = self.schedule_[-1]


class _Checkpoint:
    """The state of a search after its last whole epoch, in one file."""

    def __init__(self, path, search, problem):
        self.path = None if path is None else Path(path)
        self.device = problem.X.device
        free = ("checkpoint", "verbose", "search_epochs", "max_seconds", "refit")
        self.key = problem.fingerprint(search, free)

    def save(self, learner, search):
        """Write the state; a file is there as a whole or not at all."""
        if self.path is None:
            return
        state = {
            "key": self.key,
            "learner": learner.state_dict(),
            "generators": generator_states(self.device),
            "schedule": json.dumps([policy.to_dict() for policy in search.schedule_]),
            "history": json.dumps(search.history_),
        }
        with replacing(self.path) as scratch:
            torch.save(state, scratch)

    def restore(self, learner, search):
        """Go on from the file, if there is one."""
        if self.path is None or not self.path.exists():
            return
        try:
            state = torch.load(self.path, weights_only=True)
        except Exception as error:  # torch has many for a file that is none of its own
            raise ValueError(
                f"{self.path} is not a checkpoint of a search, or was cut "
                f"({type(error).__name__}); remove it or name another file."
            ) from error
        if not isinstance(state, dict) or state.get("key") != self.key:
            raise ValueError(
                f"{self.path} is of a search with other parameters, data or random_state; remove "
                "it or name another file."
            )
        learner.load_state_dict(state["learner"])
        restore_generators(state["generators"], self.device)
        n_epochs = search.search_epochs  # of a longer search, its beginning
        schedule, history = (json.loads(state[key])[:n_epochs] for key in ("schedule", "history"))
        search.schedule_ = [Policy.from_dict(values) for values in schedule]
        search.history_ = history


class Losses:
    """Losses of a network and their gradients, for any weights, without side effects.

    Parameters
    ----------
    module : nn.Module
        The network.
    problem : Problem
        Labels and weights.
    """

    def __init__(self, module, problem):
        self.module, self.problem = module, problem
        self.criterion = problem.criterion

    def parameters(self):
        """Return the weights that learn, a dict."""
        return {name: p for name, p in self.module.named_parameters() if p.requires_grad}

    def loss(self, X, rows, parameters=None, keep_statistics=False):
        """Return the weighted mean loss, a differentiable scalar.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals, transformed or not.
        rows : Tensor of int, shape (n_examples,)
            Which windows they are.
        parameters : dict | None
            Weights to use instead of the network's own.
        keep_statistics : bool
            Whether the forward pass moves batch statistics.
        """
        return self.each(X, rows, parameters, keep_statistics).mean()

    def each(self, X, rows, parameters=None, keep_statistics=False):
        """Return the weighted loss of each example; arguments as in :meth:`loss`."""
        buffers = dict(self.module.named_buffers())
        if not keep_statistics:
            buffers = {name: buffer.clone() for name, buffer in buffers.items()}
        parameters = self.parameters() if parameters is None else parameters
        output = functional_call(self.module, (parameters, buffers), (X,))
        problem = self.problem
        return self.criterion(output, problem.y[rows]) * problem.weight[rows]

    def gradient(self, X, rows, parameters=None, keep_statistics=False):
        """Return the gradient with respect to the weights, a tuple, and the loss, a float."""
        parameters = self.parameters() if parameters is None else parameters
        loss = self.loss(X, rows, parameters, keep_statistics)
        gradient = torch.autograd.grad(
            loss, list(parameters.values()), allow_unused=True, materialize_grads=True
        )
        return gradient, loss.item()


def batches(rows, batch_size, endless=False):
    """Shuffled batches of one size, from torch's (isolated) generator."""
    rows = torch.as_tensor(rows)
    while True:
        order = torch.randperm(len(rows))
        for start in range(0, len(rows) - batch_size + 1, batch_size):
            yield rows[order[start : start + batch_size]]
        if not endless:
            return


def inner_product(left, right):
    """Sum of the products of two sequences of tensors."""
    return sum((a * b).sum() for a, b in zip(left, right, strict=True))
