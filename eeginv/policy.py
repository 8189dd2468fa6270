"""The value that every learner and searcher returns: which transforms, how far, how often."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class PolicyEntry:
    """One candidate of one layer of a policy.

    Parameters
    ----------
    transform : str
        Name of the transform in ``eeginv.transforms.REGISTRY``, or of a user's own class.
    extent : float
        Strength in ``unit``; for a transform that is there or not, the probability with which it
        is applied once chosen.
    unit : str
        Physical unit of the extent.
    weight : float
        Probability with which the layer chooses this candidate.
    layer : int
        Layers are applied one after the other.
    binary : bool
        Whether the transform is there or not (time reversal) rather than of some strength.
    random_strength : bool
        Whether the strength is uniform in [0, extent] (always applied, if binary) rather than the
        extent itself.
    config : dict
        Further constructor arguments of the transform.
    """

    transform: str
    extent: float
    unit: str = "1"
    weight: float = 1.0
    layer: int = 0
    binary: bool = False
    random_strength: bool = False
    config: Mapping = field(default_factory=dict)

    def __post_init__(self):
        if not (math.isfinite(self.extent) and self.extent >= 0):
            raise ValueError(f"extent of {self.transform} must be at least 0, got {self.extent}.")
        if not 0 <= self.weight <= 1 + 1e-6:
            raise ValueError(f"weight of {self.transform} must be in [0, 1], got {self.weight}.")
        if not (isinstance(self.layer, int) and self.layer >= 0):
            raise ValueError(f"layer of {self.transform} must be 0, 1, ..., got {self.layer!r}.")

    @property
    def probability(self):
        """Probability with which the transform is applied once it is chosen."""
        return self.extent if self.binary and not self.random_strength else 1.0


class Policy:
    """A distribution over transformations of a signal.

    Layers are applied in order; each draws one of its entries, by weight, for each example.

    Parameters
    ----------
    entries : iterable of PolicyEntry
        The candidates; the weights of each layer sum to one.
    probability : float
        Probability with which an example is transformed at all.

    Examples
    --------
    >>> from eeginv import Policy
    >>> from eeginv.policy import PolicyEntry
    >>> policy = Policy([PolicyEntry("SignFlip", 0.5, binary=True)])
    >>> Policy.from_json(policy.to_json()) == policy
    True
    """

    def __init__(self, entries, probability=1.0):
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
            total = sum(entry.weight for entry in self.layer(layer))
            if abs(total - 1) > 1e-4:
                raise ValueError(f"The weights of layer {layer} must sum to 1, got {total:g}.")

    @property
    def n_layers(self):
        """Number of layers."""
        return 1 + max(entry.layer for entry in self.entries)

    def layer(self, index):
        """Return the entries of one layer.

        Parameters
        ----------
        index : int
            Which layer, from 0.

        Returns
        -------
        entries : list of PolicyEntry
            Its candidates.
        """
        return [entry for entry in self.entries if entry.layer == index]

    def __eq__(self, other):
        return (
            isinstance(other, Policy)
            and self.entries == other.entries
            and self.probability == other.probability
        )

    def __hash__(self):
        return hash(self.to_json())

    def __repr__(self):
        rows = ", ".join(
            f"{e.transform}({e.extent:.3g}{'' if e.unit == '1' else ' ' + e.unit}) x {e.weight:.2f}"
            for e in self.entries
        )
        return f"Policy({rows}; probability={self.probability:.3g})"

    # exchange ---------------------------------------------------------------------------------
    def to_dict(self):
        """Return the policy as plain values.

        Returns
        -------
        values : dict
            What :meth:`from_dict` takes.
        """
        entries = [{**asdict(entry), "config": dict(entry.config)} for entry in self.entries]
        return {"probability": self.probability, "entries": entries}

    @classmethod
    def from_dict(cls, values):
        """Make a policy from plain values.

        Parameters
        ----------
        values : dict
            From :meth:`to_dict`.

        Returns
        -------
        policy : Policy
            An equal policy.
        """
        try:
            entries = [PolicyEntry(**entry) for entry in values["entries"]]
            return cls(entries, values["probability"])
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"Not a policy: expected the keys 'probability' and 'entries' ({error})."
            ) from error

    def to_json(self, path=None):
        """Write the policy as JSON.

        Parameters
        ----------
        path : path-like | None
            File to write; None only returns the text.

        Returns
        -------
        text : str
            The JSON text.
        """
        text = json.dumps(self.to_dict(), indent=1)
        if path is not None:
            Path(path).write_text(text + "\n")
        return text

    @classmethod
    def from_json(cls, text_or_path):
        """Read a policy from JSON.

        Parameters
        ----------
        text_or_path : str | path-like
            JSON text, or the path of a file that holds it.

        Returns
        -------
        policy : Policy
            The policy.
        """
        text = str(text_or_path)
        if not text.lstrip().startswith("{"):
            text = Path(text_or_path).read_text()
        return cls.from_dict(json.loads(text))

    # reading ----------------------------------------------------------------------------------
    def summary(self):
        """Tabulate the policy.

        Returns
        -------
        table : pandas.DataFrame
            One row a candidate: layer, transform, extent, unit, probability (with which it is
            applied once chosen) and weight (with which its layer chooses it).
        """
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "layer": e.layer,
                    "transform": e.transform,
                    "extent": math.nan if e.binary else e.extent,
                    "unit": e.unit,
                    "probability": e.probability * self.probability,
                    "weight": e.weight,
                }
                for e in self.entries
            ]
        )

    def by_transform(self):
        """Merge the layers: how far and how often each transform is used over all of them.

        Returns
        -------
        table : pandas.DataFrame
            Indexed by transform: ``extent`` (mean over layers, by weight; the probability for
            transforms that are there or not), ``unit`` and ``usage``, the probability that at
            least one layer applies the transform to an example.
        """
        import pandas as pd

        rows = {}
        for e in self.entries:
            row = rows.setdefault(
                e.transform,
                {"unit": e.unit, "weight": 0.0, "total": 0.0, "plain": 0.0, "n": 0, "miss": 1.0},
            )
            row["weight"] += e.weight
            row["total"] += e.weight * e.extent
            row["plain"] += e.extent
            row["n"] += 1
            row["miss"] *= 1 - e.weight * e.probability
        table = {
            name: {
                "extent": r["total"] / r["weight"] if r["weight"] > 0 else r["plain"] / r["n"],
                "unit": r["unit"],
                "usage": self.probability * (1 - r["miss"]),
            }
            for name, r in rows.items()
        }
        return pd.DataFrame.from_dict(table, orient="index").rename_axis("transform")

    def plot(self, truth=None, axes=None):
        """Draw how far and how often each transform is used.

        Parameters
        ----------
        truth : dict | None
            ``true_invariances`` of simulated nights, drawn beside the policy.
        axes : matplotlib.axes.Axes | None
            Where to draw; None makes a new figure.

        Returns
        -------
        figure : matplotlib.figure.Figure
            The figure.
        """
        from .viz.policy import plot_policy

        return plot_policy(self, truth=truth, axes=axes)
