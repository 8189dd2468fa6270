"""Sub-policies whose choices, probabilities and strengths are learnable."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor, nn

from ...augmentation.choice import Subset, apply_by_choice
from ...policy import Policy, PolicyEntry
from ...transforms import Transform
from ...transforms.draws import Noise
from ..operations import make_operations, make_transform

if TYPE_CHECKING:
    from ..._typing import ModuleList


class Jump(NamedTuple):
    """A transform, the examples that it was applied to, and its draws.

    Parameters
    ----------
    transform : Transform
        A transform whose output jumps with its strength.
    subset : Subset
        The examples.
    noise : dict of str to Tensor
        The draws.
    """

    transform: Transform
    subset: Subset
    noise: Noise


class SubPolicies(nn.Module):
    """Base class of sets of sub-policies, which consist of operations in slots.

    Each slot holds one candidate with its own probability and strength. A subclass sets
    ``choice``, the parameter of the choices, ``n_variables`` and ``n_outcomes``, the shape of the
    choices, and defines ``logits``, ``slots`` and ``policy``.

    Parameters
    ----------
    transforms : list of Transform
        The candidates. Only their types and ranges count.
    candidates : list of int
        Index of the candidate in each slot.
    probability : float
        Initial probability of applying an operation once it is chosen.
    strength : float
        Initial strength of each operation, as a share of its range.
    """

    n_variables: int
    n_outcomes: int
    n_contexts: int = 1
    choice: nn.Parameter
    transforms: ModuleList[Transform]

    def __init__(
        self,
        transforms: Sequence[Transform],
        candidates: Iterable[int],
        probability: float,
        strength: float,
    ) -> None:
        super().__init__()
        self._operations = make_operations(transforms, n_levels=1)
        self._candidates = list(candidates)
        made = [
            # the gate of an on/off operation is its probability
            make_transform(operation, strength).requires_grad_(not operation.binary)
            for operation in self._operations
        ]
        members = (copy.deepcopy(made[candidate]) for candidate in self._candidates)
        self.transforms = cast("ModuleList[Transform]", nn.ModuleList(members))
        logit = math.log(probability / (1 - probability))
        self.gates = nn.Parameter(torch.full((len(self._candidates),), logit))

    def context(self, labels: Tensor) -> Tensor:
        """Return the context of each example, on which its choices depend.

        Parameters
        ----------
        labels : Tensor of int, shape (n_examples,)
            Encoded labels.

        Returns
        -------
        context : Tensor of int, shape (n_examples,)
            Indices below ``n_contexts``.
        """
        return torch.zeros_like(labels)

    def logits(self, context: Tensor) -> Tensor:
        """Return log-probabilities of the outcomes of each choice.

        Parameters
        ----------
        context : Tensor of int, shape (n_examples,)
            From :meth:`context`.

        Returns
        -------
        logits : Tensor, shape (n_examples, n_variables, n_outcomes)
            The logits of each example, normalised.
        """
        raise NotImplementedError(f"{type(self).__name__} must define logits.")

    def slots(self, context: Tensor, outcomes: Tensor) -> Tensor:
        """Return the slots of the chosen outcomes.

        Parameters
        ----------
        context : Tensor of int, shape (n_examples,)
            From :meth:`context`.
        outcomes : Tensor of int, shape (n_examples, n_variables)
            The chosen outcome of each choice.

        Returns
        -------
        slots : Tensor of int, shape (n_examples, n_operations)
            Slot of the operation of each stage. -1 applies none.
        """
        raise NotImplementedError(f"{type(self).__name__} must define slots.")

    def policy(self) -> Policy:
        """Return the current policy, a mixture of the sub-policies."""
        raise NotImplementedError(f"{type(self).__name__} must define policy.")

    def strengths(self) -> list[nn.Parameter]:
        """Return the learnable parameters of the strengths, a list."""
        return [p for p in self.transforms.parameters() if p.requires_grad]

    def transform(self, X: Tensor, slots: Tensor) -> tuple[Tensor, list[Jump]]:
        """Transform each example by the operations in its own slots.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.
        slots : Tensor of int, shape (n_examples, n_stages)
            From :meth:`slots`.

        Returns
        -------
        X_transformed : Tensor, same shape as X
            The transformed signals, a differentiable function of the continuous strengths.
        jumps : list of Jump
            Applications of transforms whose output jumps with their strength.
        """
        generator = torch.Generator(device=X.device)
        generator.manual_seed(int(torch.randint(2**62, ())))
        jumps: list[Jump] = []
        operations = [
            partial(self._apply_slot, slot, generator, jumps)
            for slot in range(len(self.transforms))
        ]
        for stage in slots.unbind(dim=1):
            X = apply_by_choice(X, stage + 1, [None, *operations], split=True)  # they are many
        return X, jumps

    def _apply_slot(
        self, slot: int, generator: torch.Generator, jumps: list[Jump], X: Tensor, subset: Subset
    ) -> Tensor:
        transform = self.transforms[slot]
        noise = transform.draw(X, generator)
        if transform.continuous:
            return transform.transform(X, noise)
        if not self._operation(slot).binary:
            jumps.append(Jump(transform, subset, noise))
        return transform.transform(X, noise, transform.strength.detach())

    def _operation(self, slot: int) -> PolicyEntry:
        return self._operations[self._candidates[slot]]

    def _entries(self, slot: int, weight: float, layer: int) -> list[PolicyEntry]:
        """Return the entries of one slot: the operation, applied or not."""
        operation = self._operation(slot)
        applied = torch.sigmoid(self.gates[slot]).item()
        if operation.binary:
            extent = round(applied, 7)
            return [replace(operation, extent=extent, weight=round(weight, 7), layer=layer)]
        extent = round(self.transforms[slot].strength.item(), 7)
        return [
            replace(operation, extent=strength, weight=round(share, 7), layer=layer)
            for strength, share in ((extent, weight * applied), (0.0, weight * (1 - applied)))
        ]


class Combinations(SubPolicies):
    """One choice among all combinations of different operations.

    Each combination is a sub-policy with its own probabilities and strengths.

    Parameters
    ----------
    transforms : list of Transform
        The candidates.
    n_operations : int
        Number of operations in a sub-policy.
    probability, strength : float
        Initial values, as in :class:`SubPolicies`.
    """

    _applied: Tensor

    def __init__(
        self,
        transforms: Sequence[Transform],
        n_operations: int,
        probability: float = 0.5,
        strength: float = 0.5,
    ) -> None:
        if n_operations > len(transforms):
            raise ValueError(
                f"Sub-policies of {n_operations} different operations need as many candidates, "
                f"but there are {len(transforms)}: lower n_operations."
            )
        # Half of the combinations are in the order of the candidates, half in the reverse order.
        combinations = list(itertools.combinations(range(len(transforms)), n_operations))
        combinations = [c if i % 2 == 0 else c[::-1] for i, c in enumerate(combinations)]
        super().__init__(transforms, itertools.chain(*combinations), probability, strength)
        self.choice = nn.Parameter(torch.zeros(len(combinations)))
        patterns = list(itertools.product([True, False], repeat=n_operations))
        self.register_buffer("_applied", torch.tensor(patterns), persistent=False)
        self.n_operations = n_operations
        self.n_variables, self.n_outcomes = 1, len(combinations) * len(patterns)

    def logits(self, context: Tensor) -> Tensor:
        gates = self.gates.reshape(-1, 1, self.n_operations)
        gates = torch.where(self._applied, gates, -gates)
        logits = self.choice.log_softmax(0)[:, None] + nn.functional.logsigmoid(gates).sum(dim=-1)
        return logits.reshape(1, 1, -1).expand(len(context), -1, -1)

    def slots(self, context: Tensor, outcomes: Tensor) -> Tensor:
        combination = outcomes.div(len(self._applied), rounding_mode="floor")
        stage = torch.arange(self.n_operations, device=outcomes.device)
        applied = self._applied[outcomes.squeeze(1) % len(self._applied)]
        return torch.where(applied, combination * self.n_operations + stage, -1)

    def policy(self) -> Policy:
        branches = [
            Policy(
                entry
                for stage in range(self.n_operations)
                for entry in self._entries(first + stage, 1.0, stage)
            )
            for first in range(0, len(self._candidates), self.n_operations)
        ]
        return Policy.mixture(branches, self.choice.softmax(0).tolist())


class Stages(SubPolicies):
    """Sub-policies that choose one of all candidates in each stage.

    Each example draws one of the sub-policies, with equal probabilities.

    Parameters
    ----------
    transforms : list of Transform
        The candidates.
    n_operations : int
        Number of stages of a sub-policy.
    n_policies : int
        Number of sub-policies.
    class_frequencies : list of float | None
        None shares the sub-policies among all classes. The frequencies of the classes give each
        class ``n_policies`` sub-policies of its own.
    probability, strength : float
        Initial values, as in :class:`SubPolicies`.
    """

    def __init__(
        self,
        transforms: Sequence[Transform],
        n_operations: int,
        n_policies: int = 1,
        class_frequencies: list[float] | None = None,
        probability: float = 0.5,
        strength: float = 0.5,
    ) -> None:
        self._frequencies = [1.0] if class_frequencies is None else class_frequencies
        n_contexts = n_policies * len(self._frequencies)
        self._shape = (n_contexts, n_operations, len(transforms))
        candidates = list(range(len(transforms))) * (n_contexts * n_operations)
        super().__init__(transforms, candidates, probability, strength)
        self.choice = nn.Parameter(torch.zeros(self._shape))
        self.n_policies, self.classwise = n_policies, class_frequencies is not None
        self.n_contexts = n_contexts
        self.n_variables, self.n_outcomes = n_operations, 2 * len(transforms)
        if n_policies > 1:  # Equal sub-policies would stay equal.
            with torch.no_grad():
                self.choice.add_(0.1 * torch.randn(self._shape))

    def context(self, labels: Tensor) -> Tensor:
        drawn = torch.randint(self.n_policies, labels.shape).to(labels.device)
        return labels * self.n_policies + drawn if self.classwise else drawn

    def logits(self, context: Tensor) -> Tensor:
        # Each candidate applied, then each candidate not applied.
        choice, gates = self.choice.log_softmax(-1), self.gates.reshape(self._shape)
        signs = (gates, -gates)
        table = torch.cat([choice + nn.functional.logsigmoid(gate) for gate in signs], dim=-1)
        return table[context]

    def slots(self, context: Tensor, outcomes: Tensor) -> Tensor:
        _, n_operations, n_transforms = self._shape
        stage = torch.arange(n_operations, device=outcomes.device)
        slot = (context[:, None] * n_operations + stage) * n_transforms + outcomes
        return torch.where(outcomes < n_transforms, slot, -1)

    def policy(self) -> Policy:
        n_contexts, n_operations, n_transforms = self._shape
        weights = self.choice.softmax(-1).tolist()
        slots = torch.arange(len(self._candidates)).reshape(self._shape).tolist()
        branches = [
            Policy(
                entry
                for stage in range(n_operations)
                for k in range(n_transforms)
                for entry in self._entries(
                    slots[context][stage][k], weights[context][stage][k], stage
                )
            )
            for context in range(n_contexts)
        ]
        shares = [f / self.n_policies for f in self._frequencies for _ in range(self.n_policies)]
        return Policy.mixture(branches, shares)
