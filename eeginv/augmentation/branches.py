"""Mixtures of policies: each example is transformed by one branch of the mixture."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from ..policy import Policy, PolicyEntry
from ..transforms.draws import Draws
from ..transforms.registry import transform_class
from .choice import Subset, apply_by_choice
from .joint import JointLayer
from .layer import _Map, strata
from .on_host import OnHost

if TYPE_CHECKING:
    from .._typing import ModuleList
    from ..transforms import Transform
    from .undo import Map, Undo


class Branches(OnHost):
    """Draw a branch of a mixture for each example, and apply its layers.

    The branches are stored as tables, and each example reads the row of its branch. A transform is
    called once per layer, for all examples that chose it, whatever their branch and strength. So
    the cost does not grow with the number of branches, of which a merged policy of a search has
    hundreds.

    Parameters
    ----------
    policy : Policy
        The mixture.

    Examples
    --------
    >>> import torch
    >>> from eeginv.augmentation.branches import Branches
    >>> from eeginv.policy import Policy, PolicyEntry
    >>> flip, noise = PolicyEntry("SignFlip", 0.5, binary=True), PolicyEntry("GaussianNoise", 0.2)
    >>> mixture = Policy.mixture([Policy([flip]), Policy([noise])], [0.25, 0.75])
    >>> Branches(mixture).policy() == mixture
    True
    """

    transforms: ModuleList[Transform]
    joint: ModuleList[JointLayer]
    _branch_edges: Tensor
    _chances: Tensor
    _edges: Tensor
    _strengths: Tensor
    _kinds: Tensor
    _random: Tensor
    _on_host = ("_branch_weights", "_probabilities", "_weights", "_extents")

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self._template = policy
        chosen = {_key(entry): entry for entry in policy.entries if not entry.joint}
        self._numbers = {key: number for number, key in enumerate(chosen)}
        members = nn.ModuleList(make_transforms(list(chosen.values())))
        self.transforms = cast("ModuleList[Transform]", members)
        layers = {(b, i): entries for b, i, entries in _layers(policy)}
        joint = {place: entries for place, entries in layers.items() if entries[0].joint}
        self._joint_numbers = {
            place: number for number, place in enumerate(joint, start=len(self.transforms))
        }
        layers_of = nn.ModuleList(JointLayer(make_transforms(e)) for e in joint.values())
        self.joint = cast("ModuleList[JointLayer]", layers_of)
        self._any_varies = any(entry.random_strength for entry in policy.entries)
        n_slots = max(map(len, layers.values()))
        shape = (len(policy.branches), policy.n_layers, n_slots)
        table: dict[str, Any] = {"dtype": torch.float64}
        self._branch_weights = torch.zeros(shape[0], **table)
        self._probabilities = torch.zeros(shape[0], **table)
        self._weights, self._extents = torch.zeros(shape, **table), torch.zeros(shape, **table)
        # copies on the device that draws
        self.register_buffer("_branch_edges", torch.zeros(shape[0]), persistent=False)
        self.register_buffer("_chances", torch.zeros(shape[0]), persistent=False)
        self.register_buffer("_edges", torch.zeros(shape), persistent=False)
        self.register_buffer("_strengths", torch.zeros(shape), persistent=False)
        # number of the transform, -1 for none
        self.register_buffer("_kinds", torch.zeros(shape, dtype=torch.int64))
        self.register_buffer("_random", torch.zeros(shape, dtype=torch.bool))
        self.set_policy(policy)

    def set_policy(self, policy: Policy) -> None:
        """Set all weights, strengths and probabilities.

        Parameters
        ----------
        policy : Policy
            A mixture of the same structure.
        """
        self._branch_weights.copy_(torch.tensor(policy.weights, dtype=torch.float64))
        chances = [branch.probability for branch in policy.branches]
        self._probabilities.copy_(torch.tensor(chances, dtype=torch.float64))
        self._weights.zero_()
        self._weights[..., 0] = 1  # for branches with fewer layers than others
        self._kinds.fill_(-1)
        for b, i, entries in _layers(policy):
            if entries[0].joint:
                number = self._joint_numbers[b, i]
                self._kinds[b, i, 0] = number
                members = self.joint[number - len(self.transforms)].transforms
                for transform, entry in zip(members, entries, strict=True):
                    transform.strength = entry.extent
            for slot, entry in enumerate(entries):
                place = (b, i, slot)
                self._extents[place] = entry.extent
                if not entry.joint:
                    self._weights[place] = entry.weight
                    self._random[place] = entry.random_strength
                    if entry.probability > 0:
                        self._kinds[place] = self._numbers[_key(entry)]
        self._send()

    def _send(self) -> None:
        """Update the copies on the device."""
        self._branch_edges.copy_(edges_of(self._branch_weights))
        self._chances.copy_(self._probabilities)
        self._edges.copy_(edges_of(self._weights))
        self._strengths.copy_(self._extents)

    def _load_from_state_dict(self, *arguments: Any) -> None:
        super()._load_from_state_dict(*arguments)
        self._send()

    def policy(self) -> Policy:
        """Return the current mixture.

        Returns
        -------
        policy : Policy
            Equal to the policy that was set.
        """
        weights, extents = self._weights.tolist(), self._extents.tolist()
        members = []
        for b, branch in enumerate(self._template.branches):
            entries, n_seen = [], [0] * branch.n_layers
            for entry in branch.entries:
                layer = entry.layer
                slot = n_seen[layer]
                n_seen[layer] += 1
                weight = 1.0 if entry.joint else weights[b][layer][slot]
                entries.append(replace(entry, weight=weight, extent=extents[b][layer][slot]))
            members.append(Policy(entries, self._probabilities[b].item()))
        return Policy.mixture(members, self._branch_weights.tolist())

    # training ---------------------------------------------------------------------------------
    def _sample(self, X: Tensor, generator: torch.Generator, undo: Undo) -> tuple[Tensor, None]:
        return self.sample(X, self._branch_edges, generator, undo), None

    def sample(
        self, X: Tensor, branch_edges: Tensor, generator: torch.Generator, undo: Undo
    ) -> Tensor:
        """Apply a branch to each example.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.
        branch_edges : Tensor, shape (n_branches,) or (n_examples, n_branches)
            Edges of the branch probabilities, from :func:`edges_of`.
        generator : torch.Generator
            Source of randomness.
        undo : Undo
            Records the steps that move the examples in time.

        Returns
        -------
        X_transformed : Tensor, same shape as X
            The transformed signals.
        """
        # above 0: one point for the branch, one for whether to transform, one for each layer
        n_points = 2 + self._weights.shape[1]
        points = 1 - torch.rand(len(X), n_points, generator=generator, device=X.device)
        branch = _choose(branch_edges, points[:, 0])
        applied = points[:, 1:2] <= self._chances[branch].unsqueeze(1)
        slots = _choose(self._edges[branch], points[:, 2:]).unsqueeze(-1)
        kinds, extents, random = (
            table[branch].gather(-1, slots).squeeze(-1)
            for table in (self._kinds, self._strengths, self._random)
        )
        choices = torch.where(applied, kinds + 1, 0)  # 0 leaves signals unchanged
        for choice, extent, varies in zip(
            *(values.unbind(1) for values in (choices, extents, random)), strict=True
        ):
            settings = extent, varies, generator, undo
            operations = [partial(self._apply_one, t, *settings) for t in self.transforms]
            operations += [partial(_apply_joint, layer, generator, undo) for layer in self.joint]
            X = apply_by_choice(X, choice, [None, *operations])
        return X

    def _apply_one(
        self,
        transform: Transform,
        extent: Tensor,
        varies: Tensor,
        generator: torch.Generator,
        undo: Undo,
        X: Tensor,
        subset: Subset,
    ) -> Tensor:
        noise = transform.draw(X, generator)
        strength = subset.take(extent).to(X)
        if self._any_varies:
            strength = _draw_strength(transform, strength, subset.take(varies), X, generator)
        undo.add_transform(transform, noise, strength, subset)
        return transform.transform(X, noise, strength)

    # evaluation -------------------------------------------------------------------------------
    @property
    def _n_choices(self) -> int:
        """Number of choices per copy: the branch, two for each layer, and whether to transform."""
        return 2 + 2 * self._weights.shape[1]

    def _fixed_draws(
        self, template: Tensor, points: Tensor, generator: torch.Generator
    ) -> list[list[Map]]:
        branch = _choose(edges_of(self._branch_weights), points[:, 0])
        # stratify the copies within each branch, as all copies are
        points = _strata_within(points[:, 1:], branch)
        applied = points[:, -1] < self._probabilities[branch]
        maps: list[list[Map]] = [[] for _ in points]
        n_slots = self._weights.shape[2]
        for layer in range(self._weights.shape[1]):
            slot = _choose(edges_of(self._weights[branch, layer]), points[:, 2 * layer])
            there = _strata_within(points[:, [2 * layer + 1]], branch * n_slots + slot)
            place = branch, layer, slot
            kind = torch.where(applied, self._kinds.cpu()[place], -1)
            for number in range(len(self.transforms) + len(self.joint)):
                rows = (kind == number).nonzero()[:, 0]
                if len(rows):
                    extent, random = self._extents[place][rows], self._random.cpu()[place][rows]
                    drawn = self._maps(number, template, there[rows], extent, random, generator)
                    for row, transform in zip(rows.tolist(), drawn, strict=True):
                        maps[row].append(transform)
        return maps

    def _maps(
        self,
        number: int,
        template: Tensor,
        there: Tensor,
        extent: Tensor,
        random: Tensor,
        generator: torch.Generator,
    ) -> list[Map]:
        """Draw one transform, or one joint layer, for the copies that chose it."""
        if number >= len(self.transforms):
            layer = self.joint[number - len(self.transforms)]
            return layer.fixed_draws(template, there.expand(-1, 2), generator)
        transform = self.transforms[number]
        several = template.expand(len(there), -1, -1)
        noise = transform.draw(several, generator, stratified=True)
        if transform.binary:
            noise["uniform"] = there[:, 0]
        strength = extent.to(template)
        if random.any():
            strength = _draw_strength(transform, strength, random, several, generator, True)
        return [
            _Map(transform, {name: v[i : i + 1] for name, v in noise.items()}, strength[i])
            for i in range(len(there))
        ]


def make_transforms(entries: Iterable[PolicyEntry]) -> list[Transform]:
    """Make the transforms of the entries of a policy, at their strengths.

    Parameters
    ----------
    entries : iterable of PolicyEntry
        Entries whose transforms are in the registry.

    Returns
    -------
    transforms : list of Transform
        New objects.
    """
    return [_make(entry) for entry in entries]


def _make(entry: PolicyEntry) -> Transform:
    cls = transform_class(entry.transform)
    missing = [
        name
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        and name not in (cls.strength_name, *entry.config)
    ]
    if missing:
        raise ValueError(
            f"The policy's {entry.transform} needs {', '.join(missing)} in its config, which holds "
            f"{sorted(entry.config)}: PolicyEntry({entry.transform!r}, ..., "
            f"config={{{', '.join(f'{name!r}: ...' for name in missing)}}})."
        )
    transform = cls(**{cls.strength_name: entry.extent}, **entry.config)
    if entry.unit not in ("1", transform.unit):  # an extent without a unit is not converted
        raise ValueError(
            f"The policy has {entry.transform} in {entry.unit}, but its unit is {transform.unit}: "
            f"convert the extent, {entry.extent:g}."
        )
    return transform


def _layers(policy: Policy) -> Iterator[tuple[int, int, list[PolicyEntry]]]:
    """Yield the branch number, the layer number and the entries of each layer of a mixture."""
    for b, branch in enumerate(policy.branches):
        for i in range(branch.n_layers):
            yield b, i, branch.layer(i)


def _key(entry: PolicyEntry) -> tuple[str, str]:
    return entry.transform, json.dumps(dict(entry.config), sort_keys=True)


def _draw_strength(
    transform: Transform,
    extent: Tensor,
    varies: Tensor,
    X: Tensor,
    generator: torch.Generator,
    stratified: bool = False,
) -> Tensor:
    """Return each extent, or a uniform draw below it where it varies (1 for on/off transforms)."""
    if transform.binary:
        drawn = torch.ones_like(extent)
    else:
        drawn = extent * Draws(X, generator, stratified).uniform().reshape(-1)
    return torch.where(varies, drawn, extent)


def _apply_joint(
    layer: JointLayer, generator: torch.Generator, undo: Undo, X: Tensor, subset: Subset
) -> Tensor:
    return layer.sample(X, generator, undo.part(subset))


def edges_of(weights: Tensor) -> Tensor:
    """Return the cumulative probabilities at which one option ends and the next begins.

    Parameters
    ----------
    weights : Tensor, shape (..., n_options)
        Probabilities, on the host, because sums on a GPU may differ from run to run.

    Returns
    -------
    edges : Tensor of float32, same shape
        Sums up to each option. Infinite for the last option with a weight, so that rounding has no
        effect.
    """
    order = torch.arange(weights.shape[-1])
    last = ((weights > 0) * order).amax(dim=-1, keepdim=True)
    return weights.float().cumsum(-1).masked_fill(order >= last, torch.inf)


def _choose(edges: Tensor, points: Tensor) -> Tensor:
    """Return the option in whose interval each point (0 to 1) falls; see :func:`edges_of`."""
    edges = edges.expand(*points.shape, -1).contiguous()
    return torch.searchsorted(edges, points.unsqueeze(-1).contiguous()).squeeze(-1)


def _strata_within(points: Tensor, members: Tensor) -> Tensor:
    """Stratify the points of each group on each axis."""
    points = points.clone()
    for member in members.unique():
        rows = (members == member).nonzero()[:, 0]
        points[rows] = strata(points[rows])
    return points
