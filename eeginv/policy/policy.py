"""The policy: which transforms are applied, with which strength and probability."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .._files import write_atomically
from .._json import parse
from .entry import PolicyEntry

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from .._typing import PathLike

# Former names of arguments of transforms, for policies that were saved with them.
RENAMED = {"ChannelsGenerator": {"generator": "matrix"}}


class Policy:
    """A distribution over transforms of a signal.

    Layers are applied in order. For each example, a layer draws one of its entries with their
    weights as probabilities. Layers draw independently. Choices that depend on each other, such as
    those within the sub-policies of AutoAugment, are represented by a :meth:`mixture`.

    Parameters
    ----------
    entries : iterable of PolicyEntry
        The candidates. The weights of each layer sum to one.
    probability : float
        Probability with which an example is transformed.

    Attributes
    ----------
    entries : tuple of PolicyEntry
        The candidates. Those of a mixture are the candidates of all its branches.
    probability : float
        Probability with which an example is transformed. That of a mixture is the mean over its
        branches, by weight.
    weights : tuple of float
        Probabilities of the branches.

    Examples
    --------
    >>> from eeginv import Policy
    >>> from eeginv.policy import PolicyEntry
    >>> policy = Policy([PolicyEntry("SignFlip", 0.5, binary=True)])
    >>> Policy.from_json(policy.to_json()) == policy
    True
    """

    entries: tuple[PolicyEntry, ...]
    probability: float
    weights: tuple[float, ...] = (1.0,)
    _branches: tuple[Policy, ...] = ()

    def __init__(self, entries: Iterable[PolicyEntry], probability: float = 1.0) -> None:
        self.entries = tuple(entries)
        self.probability = float(probability)
        if not self.entries:
            raise ValueError("A policy needs at least one entry.")
        for entry in self.entries:
            if not isinstance(entry, PolicyEntry):
                raise TypeError(f"Expected PolicyEntry objects, got {type(entry).__name__}.")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability must be in [0, 1], got {probability}.")
        for layer in range(self.n_layers):
            entries = self.layer(layer)
            if len({entry.joint for entry in entries}) > 1:
                raise ValueError(f"Either all entries of layer {layer} are joint, or none is.")
            full = len(entries) if entries and entries[0].joint else 1
            total = sum(entry.weight for entry in entries)
            if abs(total - full) > 1e-4:
                raise ValueError(f"The weights of layer {layer} must sum to {full}, got {total:g}.")

    @classmethod
    def mixture(cls, policies: Iterable[Policy], weights: Iterable[float] | None = None) -> Policy:
        """Make a policy that applies one of several policies, drawn anew for each example.

        With equal weights, the mixture is the average of policies, for example over folds or seeds.

        Parameters
        ----------
        policies : iterable of Policy
            The branches. A mixture among them is replaced by its own branches.
        weights : iterable of float | None
            Probabilities of the branches, which sum to one. None gives them equal probabilities.

        Returns
        -------
        policy : Policy
            The mixture. A single policy is returned as it is.

        Examples
        --------
        >>> from eeginv.policy import Policy, PolicyEntry
        >>> flip = Policy([PolicyEntry("SignFlip", 1.0, binary=True)])
        >>> both = Policy([*flip.entries, PolicyEntry("TimeReverse", 1.0, binary=True, layer=1)])
        >>> Policy.mixture([flip, both]).by_transform().usage.to_dict()
        {'SignFlip': 1.0, 'TimeReverse': 0.5}
        """
        policies = tuple(policies)
        if not policies:
            raise ValueError("A mixture needs at least one policy.")
        for policy in policies:
            if not isinstance(policy, Policy):
                raise TypeError(f"Expected Policy objects, got {type(policy).__name__}.")
        if weights is None:
            weights = [1 / len(policies)] * len(policies)
        weights = [float(weight) for weight in weights]
        if len(weights) != len(policies):
            raise ValueError(
                f"Expected one weight for each of {len(policies)} policies, got {len(weights)}."
            )
        # min(weights) < 0 would accept NaN
        if not (all(weight >= 0 for weight in weights) and abs(sum(weights) - 1) <= 1e-4):
            raise ValueError(
                f"The weights of a mixture must be at least 0 and sum to 1, got {weights}."
            )
        if len(policies) == 1:
            return policies[0]
        mixture = cls.__new__(cls)
        mixture._branches = tuple(branch for policy in policies for branch in policy.branches)
        mixture.weights = tuple(
            weight * share
            for policy, weight in zip(policies, weights, strict=True)
            for share in policy.weights
        )
        mixture.entries = tuple(e for branch in mixture.branches for e in branch.entries)
        chances = [weight * branch.probability for weight, branch in mixture._parts]
        mixture.probability = min(sum(chances), 1.0)
        return mixture

    @property
    def is_mixture(self) -> bool:
        """Whether there is more than one branch."""
        return bool(self._branches)

    @property
    def branches(self) -> tuple[Policy, ...]:
        """Branches of a mixture, as a tuple. Any other policy is its own only branch."""
        return self._branches or (self,)

    @property
    def _parts(self) -> list[tuple[float, Policy]]:
        return list(zip(self.weights, self.branches, strict=True))

    @property
    def n_layers(self) -> int:
        """Number of layers. That of a mixture is the largest number among its branches."""
        return 1 + max(entry.layer for entry in self.entries)

    def layer(self, index: int) -> list[PolicyEntry]:
        """Return the entries of one layer.

        Parameters
        ----------
        index : int
            Index of the layer, from 0.

        Returns
        -------
        entries : list of PolicyEntry
            The candidates of the layer.
        """
        if self.is_mixture:
            raise ValueError("A mixture has no layers of its own: ask each of its branches.")
        return [entry for entry in self.entries if entry.layer == index]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Policy)
            and self.entries == other.entries
            and self.probability == other.probability
            and self.weights == other.weights
            and self._branches == other._branches
        )

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __repr__(self) -> str:
        if self.is_mixture:
            rows = ", ".join(f"{weight:.2f} x {branch!r}" for weight, branch in self._parts)
            return f"Policy.mixture({rows})"
        rows = ", ".join(
            f"{e.transform}({e.extent:.3g}{'' if e.unit == '1' else f' {e.unit}'}) x {e.weight:.2f}"
            for e in self.entries
        )
        return f"Policy({rows}; probability={self.probability:.3g})"

    # exchange ---------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """Return the policy as a dict of numbers, strings, lists and dicts.

        Returns
        -------
        values : dict
            The dict that :meth:`from_dict` reads.
        """
        if self.is_mixture:
            return {"branches": [{"weight": w, **branch.to_dict()} for w, branch in self._parts]}
        entries = [{**asdict(entry), "config": dict(entry.config)} for entry in self.entries]
        return {"probability": self.probability, "entries": entries}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Policy:
        """Make a policy from a dict.

        Parameters
        ----------
        values : dict
            The dict that :meth:`to_dict` returns.

        Returns
        -------
        policy : Policy
            An equal policy.
        """
        if not isinstance(values, Mapping):
            raise ValueError(
                "Not a policy: expected a dict with the keys 'probability' and 'entries', got "
                f"{type(values).__name__}."
            )
        try:
            if "branches" in values:
                branches = values["branches"]
                return cls.mixture(
                    [cls.from_dict(branch) for branch in branches],
                    [branch["weight"] for branch in branches],
                )
            entries = [_read_entry(**entry) for entry in values["entries"]]
            return cls(entries, values["probability"])
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"Not a policy: expected the keys 'probability' and 'entries' ({error})."
            ) from error

    def to_json(self, path: PathLike | None = None) -> str:
        """Write the policy as JSON.

        Parameters
        ----------
        path : path-like | None
            File to write. None only returns the text.

        Returns
        -------
        text : str
            The JSON text.
        """
        text = json.dumps(self.to_dict(), indent=1)
        if path is not None:
            write_atomically(path, text + "\n")
        return text

    @classmethod
    def from_json(cls, text_or_path: PathLike) -> Policy:
        """Read a policy from JSON.

        Parameters
        ----------
        text_or_path : str | path-like
            JSON text, or the path of a JSON file, with or without a byte-order mark.

        Returns
        -------
        policy : Policy
            The policy.

        Raises
        ------
        ValueError
            If the text is empty, is not JSON, or does not hold a policy.
        FileNotFoundError
            If the file does not exist.
        """
        values, source = parse(text_or_path, "what Policy.to_json writes")
        try:
            return cls.from_dict(values)
        except ValueError as error:
            raise ValueError(f"{source} does not hold a policy. {error}") from error

    # reading ----------------------------------------------------------------------------------
    def summary(self) -> pd.DataFrame:
        """Tabulate the policy.

        Returns
        -------
        table : pandas.DataFrame
            One row for each candidate: layer, transform, extent, unit, probability (of being
            applied once chosen), weight (probability of being chosen by its layer) and role (see
            :attr:`PolicyEntry.role`). On/off transforms have a probability and no extent (NaN). The
            table of a mixture begins with the columns branch and branch_weight.
        """
        import pandas as pd

        rows = []
        for number, (branch_weight, branch) in enumerate(self._parts):
            branch_columns = {"branch": number, "branch_weight": branch_weight}
            rows += [
                {
                    **(branch_columns if self.is_mixture else {}),
                    "layer": e.layer,
                    "transform": e.transform,
                    "extent": math.nan if e.binary else e.extent,
                    "unit": e.unit,
                    "probability": e.probability * branch.probability,
                    "weight": e.weight,
                    "role": e.role,
                }
                for e in branch.entries
            ]
        return pd.DataFrame(rows)

    def by_transform(self) -> pd.DataFrame:
        """Tabulate extent and usage of each transform over all layers and branches.

        Returns
        -------
        table : pandas.DataFrame
            Table indexed by transform. ``extent`` is the mean of the strengths above zero over
            layers and branches, by weight (for on/off transforms, of the probabilities). ``unit``
            is its unit. ``usage`` is the probability that at least one layer applies the transform
            to an example.
        """
        from .usage import usage_table

        return usage_table(self)

    def distance(self, other: Policy) -> float:
        """Compute the earth mover's distance between two policies [1]_.

        For each transform, a policy defines a distribution of mass over strengths from 0 to 1,
        relative to the range of the transform. The mass is the expected number of applications to
        an example. Examples that are not transformed count as strength 0, and an applied on/off
        transform as strength 1. The distance is the least work (mass times change of strength) that
        turns the distribution of one policy into that of the other, summed over transforms. It is 1
        if the only difference is that one policy always applies one more transform at full
        strength.

        Parameters
        ----------
        other : Policy
            The other policy.

        Returns
        -------
        distance : float
            The distance. It is symmetric, and satisfies the triangle inequality among policies over
            the same ranges. It is zero if and only if both policies use each transform equally
            often and with the same strengths. It does not depend on the order of the layers or on
            which transforms are applied together, and therefore not on whether a policy is a
            mixture.

        References
        ----------
        .. [1] Rubner, Y., Tomasi, C., & Guibas, L. J. (2000). The earth mover's distance as a
           metric for image retrieval. International Journal of Computer Vision.

        Examples
        --------
        >>> from eeginv.policy import Policy, PolicyEntry
        >>> often = Policy([PolicyEntry("SignFlip", 0.5, binary=True)])
        >>> seldom = Policy([PolicyEntry("SignFlip", 0.2, binary=True)])
        >>> round(often.distance(seldom), 3)
        0.3
        """
        from .distance import moved_strength

        if not isinstance(other, Policy):
            raise TypeError(f"Expected a Policy, got {type(other).__name__}.")
        return moved_strength(self, other)

    def plot(
        self, truth: Mapping[str, Any] | None = None, axes: Axes | None = None
    ) -> Figure | SubFigure:
        """Draw extent and usage of each transform.

        Parameters
        ----------
        truth : dict | None
            ``true_invariances`` of simulated nights, drawn with the policy.
        axes : matplotlib.axes.Axes | None
            Axes to draw into. None makes a new figure.

        Returns
        -------
        figure : matplotlib.figure.Figure
            The figure.
        """
        from ..viz.policy import plot_policy

        return plot_policy(self, truth=truth, axes=axes)


def _read_entry(transform: str, **values: Any) -> PolicyEntry:
    names, config = RENAMED.get(transform, {}), dict(values.pop("config", ()))
    config = {names.get(name, name): value for name, value in config.items()}
    return PolicyEntry(transform, config=config, **values)
