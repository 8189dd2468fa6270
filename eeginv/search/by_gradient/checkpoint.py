"""The state of a gradient search in one file, from which a later search continues."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..._files import replacing
from ..._randomness import generator_states, restore_generators
from ...policy import Policy
from ..fingerprint import fingerprint

if TYPE_CHECKING:
    from ..._typing import PathLike
    from ..problem import Problem
    from .search import GradientSearch, Learner


class Checkpoint:
    """The state of a search after its last complete epoch.

    Parameters
    ----------
    path : path-like | None
        The file. None saves nothing.
    search : GradientSearch
        The search that the state belongs to.
    problem : Problem
        The data of the search.
    """

    def __init__(self, path: PathLike | None, search: GradientSearch, problem: Problem) -> None:
        self.path = None if path is None else Path(path)
        self.device = problem.device
        self.key = None if path is None else fingerprint(search, problem)
        self.policy_rate = search.policy_rate(problem)

    def save(
        self, learner: Learner, schedule: Sequence[Policy], history: Sequence[dict[str, float]]
    ) -> None:
        """Write the state of a learner, the policies and the records of all epochs.

        The file is replaced as a whole or not at all.
        """
        if self.path is None:
            return
        state = {
            "key": self.key,
            "policy_rate": self.policy_rate,
            "learner": learner.state_dict(),
            "generators": generator_states(self.device),
            "schedule": json.dumps([policy.to_dict() for policy in schedule]),
            "history": json.dumps(history),
        }
        with replacing(self.path) as scratch:
            torch.save(state, scratch)

    def restore(
        self, learner: Learner, n_epochs: int
    ) -> tuple[list[Policy], list[dict[str, float]]]:
        """Load the state into a learner if the file exists.

        Returns
        -------
        schedule : list of Policy
            The policies of the first ``n_epochs`` epochs.
        history : list of dict
            Their records.
        """
        if self.path is None or not self.path.exists():
            return [], []
        try:
            state = torch.load(self.path, weights_only=True)
        except Exception as error:  # Torch raises many types for a file that it did not write.
            raise ValueError(
                f"{self.path} is not a checkpoint of a search, or was cut "
                f"({type(error).__name__}). Remove it or name another file."
            ) from error
        if not isinstance(state, dict) or state.get("key") != self.key:
            raise ValueError(
                f"{self.path} belongs to a search with other parameters, data or random_state. "
                "Remove it or name another file."
            )
        if state["policy_rate"] != self.policy_rate:
            raise ValueError(
                f"{self.path} belongs to a search with a policy_lr of {state['policy_rate']:.6g}, "
                f"and this one has {self.policy_rate:.6g} (None depends on search_epochs). To "
                f"continue it, set policy_lr={state['policy_rate']!r}; or name another file."
            )
        learner.load_state_dict(state["learner"])
        restore_generators(state["generators"], self.device)
        schedule, history = (json.loads(state[key])[:n_epochs] for key in ("schedule", "history"))
        return [Policy.from_dict(values) for values in schedule], history


class OptimizedModule(nn.Module):
    """A module whose ``state_dict`` contains the states of its ``optimizers``.

    A subclass sets ``optimizers``, a list of torch optimizers.
    """

    optimizers: Sequence[torch.optim.Optimizer]

    def get_extra_state(self) -> list[dict[str, Any]]:
        """Return the states of the optimizers, a list."""
        return [optimizer.state_dict() for optimizer in self.optimizers]

    def set_extra_state(self, state: list[dict[str, Any]]) -> None:
        """Load the states of the optimizers."""
        for optimizer, values in zip(self.optimizers, state, strict=True):
            optimizer.load_state_dict(values)
