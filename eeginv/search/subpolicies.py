"""Sub-policies with learnable choices, probabilities and strengths: what gradients search in."""

import itertools
import math
from dataclasses import replace

import torch
from torch import nn

from ..policy import Policy
from ..transforms import REGISTRY
from .operations import make_operations


class SubPolicies(nn.Module):
    """Operations in slots, each with a probability and a strength; not for use by itself.

    A subclass says in which slots the candidates are, which choices there are (``logits``), which
    slots a choice means (``slots``), and what policy that is (``policy``).

    Parameters
    ----------
    transforms : list of Transform
        The candidates, of which only types and ranges count.
    candidates : list of int
        Which of them is in each slot.
    probability : float
        Initial probability with which a chosen operation is applied.
    strength : float
        Initial strength, as a share of the range.
    """

    def __init__(self, transforms, candidates, probability, strength):
        super().__init__()
        self._operations = [operation for t in transforms for operation in make_operations([t], 1)]
        self._candidates = list(candidates)
        self.transforms = nn.ModuleList(
            _make(self._operations[candidate], strength) for candidate in self._candidates
        )
        start = math.log(probability / (1 - probability))
        self.gates = nn.Parameter(torch.full((len(self._candidates),), start))

    n_contexts = 1

    def context(self, labels):
        """Return what the choices of each example depend on.

        Parameters
        ----------
        labels : Tensor of int, shape (n_examples,)
            Encoded labels.

        Returns
        -------
        context : Tensor of int, shape (n_examples,)
            Numbers below ``n_contexts``.
        """
        return torch.zeros_like(labels)

    def strengths(self):
        """Return the parameters of the strengths that learn, a list."""
        return [p for p in self.transforms.parameters() if p.requires_grad]

    def transform(self, X, slots):
        """Transform each example by the operations of its own slots.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.
        slots : Tensor of int, shape (n_examples, n_stages)
            The operation of each stage; -1 for none.

        Returns
        -------
        X_transformed : Tensor, same shape as X
            The transformed signals, through which gradients flow to continuous strengths.
        jumps : list of (Transform, Tensor of int, dict)
            Transforms whose output jumps with their strength, the examples that they were applied
            to, and the draws.
        """
        generator = torch.Generator(device=X.device)
        generator.manual_seed(int(torch.randint(2**62, ())))
        jumps = []
        for of_stage in slots.unbind(dim=1):
            order = of_stage.argsort(stable=True)
            counts = torch.bincount(of_stage + 1, minlength=len(self.transforms) + 1).tolist()
            parts = []
            for slot, rows in enumerate(order.split(counts), start=-1):
                if not len(rows):
                    continue
                part = X.index_select(0, rows)
                if slot >= 0:
                    part = self._apply_slot(slot, part, rows, generator, jumps)
                parts.append(part)
            X = torch.cat(parts).index_select(0, order.argsort())
        return X, jumps

    def _apply_slot(self, slot, X, rows, generator, jumps):
        transform = self.transforms[slot]
        noise = transform.draw(X, generator)
        if transform.continuous:
            return transform.apply(X, noise)
        if transform.strength_name != "probability":
            jumps.append((transform, rows, noise))
        return transform.apply(X, noise, transform.magnitude.detach())

    def _entries(self, slot, weight, layer):
        """Entries of one slot: the operation, and what is left of its weight if not applied."""
        operation = self._operations[self._candidates[slot]]
        applied = torch.sigmoid(self.gates[slot]).item()
        if operation.binary:
            extent = round(applied, 7)
            return [replace(operation, extent=extent, weight=round(weight, 7), layer=layer)]
        extent = round(self.transforms[slot]._strength().item(), 7)
        return [
            replace(operation, extent=e, weight=round(w, 7), layer=layer)
            for e, w in ((extent, weight * applied), (0.0, weight * (1 - applied)))
        ]


class Combinations(SubPolicies):
    """One choice among all combinations of so many different operations.

    Parameters
    ----------
    transforms : list of Transform
        The candidates.
    n_operations : int
        Operations in a sub-policy.
    probability, strength : float
        Initial probabilities and strengths (shares of the ranges), which each sub-policy has of
        its own.
    """

    def __init__(self, transforms, n_operations, probability=0.5, strength=0.5):
        if n_operations > len(transforms):
            raise ValueError(
                f"Sub-policies of {n_operations} different operations need as many candidates, "
                f"but there are {len(transforms)}: lower n_operations."
            )
        # in the order of the candidates and in the reverse one half of the time each
        members = list(itertools.combinations(range(len(transforms)), n_operations))
        members = [m if i % 2 == 0 else m[::-1] for i, m in enumerate(members)]
        super().__init__(transforms, itertools.chain(*members), probability, strength)
        self.choice = nn.Parameter(torch.zeros(len(members)))
        patterns = list(itertools.product([True, False], repeat=n_operations))
        self.register_buffer("_applied", torch.tensor(patterns), persistent=False)
        self.n_operations = n_operations
        self.n_variables, self.n_outcomes = 1, len(members) * len(patterns)

    def logits(self, context):
        """Return log-probabilities of sub-policy and of which of its operations are applied.

        Parameters
        ----------
        context : Tensor of int, shape (n_examples,)
            From :meth:`context`.

        Returns
        -------
        logits : Tensor, shape (n_examples, 1, n_outcomes)
            The same for all examples.
        """
        gates = self.gates.reshape(-1, 1, self.n_operations)
        each = torch.where(self._applied, gates, -gates)
        logits = self.choice.log_softmax(0)[:, None] + nn.functional.logsigmoid(each).sum(dim=-1)
        return logits.reshape(1, 1, -1).expand(len(context), -1, -1)

    def slots(self, context, outcomes):
        """Return the slots that outcomes mean, shape (n_examples, n_operations)."""
        member = outcomes.div(len(self._applied), rounding_mode="floor")
        stage = torch.arange(self.n_operations, device=outcomes.device)
        applied = self._applied[outcomes.squeeze(1) % len(self._applied)]
        return torch.where(applied, member * self.n_operations + stage, -1)

    def policy(self):
        """Return the mixture of the sub-policies."""
        members = []
        for first in range(0, len(self._candidates), self.n_operations):
            stages = range(self.n_operations)
            members.append(Policy([e for s in stages for e in self._entries(first + s, 1.0, s)]))
        return Policy.mixture(members, self.choice.softmax(0).tolist())


class Stages(SubPolicies):
    """Sub-policies drawn with equal probability; in each stage, a choice among all candidates.

    Parameters
    ----------
    transforms : list of Transform
        The candidates.
    n_operations : int
        Stages of a sub-policy.
    n_policies : int
        Sub-policies.
    class_weights : list of float | None
        None shares the sub-policies among all examples. A list, the frequencies of the classes,
        gives each class its own.
    probability, strength : float
        Initial probabilities and strengths (shares of the ranges).
    """

    def __init__(
        self,
        transforms,
        n_operations,
        n_policies=1,
        class_weights=None,
        probability=0.5,
        strength=0.5,
    ):
        n_contexts = n_policies * (1 if class_weights is None else len(class_weights))
        self._shape = (n_contexts, n_operations, len(transforms))
        candidates = list(range(len(transforms))) * (n_contexts * n_operations)
        super().__init__(transforms, candidates, probability, strength)
        self.choice = nn.Parameter(torch.zeros(self._shape))
        self.n_policies, self.class_weights = n_policies, class_weights
        self.n_contexts = n_contexts
        self.n_variables, self.n_outcomes = n_operations, 2 * len(transforms)
        if n_policies > 1:  # alike, they would learn alike
            with torch.no_grad():
                self.choice.add_(0.1 * torch.randn(self._shape))

    def context(self, labels):
        drawn = torch.randint(self.n_policies, labels.shape).to(labels.device)
        return drawn if self.class_weights is None else labels * self.n_policies + drawn

    def logits(self, context):
        """Return log-probabilities of each candidate applied, then of each not applied.

        Parameters
        ----------
        context : Tensor of int, shape (n_examples,)
            From :meth:`context`.

        Returns
        -------
        logits : Tensor, shape (n_examples, n_operations, 2 n_transforms)
            Of the sub-policy of each example.
        """
        choice, gates = self.choice.log_softmax(-1), self.gates.reshape(self._shape)
        signs = (gates, -gates)
        table = torch.cat([choice + nn.functional.logsigmoid(gate) for gate in signs], dim=-1)
        return table[context]

    def slots(self, context, outcomes):
        """Return the slots that outcomes mean, shape (n_examples, n_operations)."""
        _, n_operations, n_transforms = self._shape
        stage = torch.arange(n_operations, device=outcomes.device)
        slot = (context[:, None] * n_operations + stage) * n_transforms + outcomes
        return torch.where(outcomes < n_transforms, slot, -1)

    def policy(self):
        """Return the mixture of the sub-policies; of different classes, by their frequencies."""
        n_contexts, n_operations, n_transforms = self._shape
        weights = self.choice.softmax(-1).tolist()
        slots = torch.arange(len(self._candidates)).reshape(self._shape).tolist()
        members = [
            Policy(
                entry
                for stage in range(n_operations)
                for k in range(n_transforms)
                for entry in self._entries(slots[g][stage][k], weights[g][stage][k], stage)
            )
            for g in range(n_contexts)
        ]
        of_classes = [1.0] if self.class_weights is None else self.class_weights
        shares = [w / self.n_policies for w in of_classes for _ in range(self.n_policies)]
        return Policy.mixture(members, shares)


def _make(operation, strength):
    """Make a transform; what is there or not is there, its probability being that of the slot."""
    cls = REGISTRY[operation.transform]
    extent = operation.extent * (1 if operation.binary else strength)
    transform = cls(**{cls.strength_name: extent}, **operation.config)
    return transform.requires_grad_(not operation.binary)
