"""A layer draws, for each example, one of its candidate transforms."""

import copy

import torch
from torch import nn

from ..policy import PolicyEntry
from ..transforms.draws import Draws
from .candidates import check_transforms


class AugmentationLayer(nn.Module):
    """Apply one transform to each example, chosen with learnable probabilities.

    Parameters
    ----------
    transforms : list of Transform
        The candidates; they are copied.
    weights : list of float | None
        Initial probabilities of the choice; None for equal ones.
    random_strength : bool
        Draw the strength of each application uniformly between 0 and the transform's own
        (and always apply on/off transforms) instead of taking its own.

    Attributes
    ----------
    transforms : nn.ModuleList
        The candidates, with learnable strengths.
    logits : Parameter, shape (n_transforms,)
        The choice is their softmax.

    Notes
    -----
    In contrast to a weighted sum of all transformed signals, the network only ever sees signals
    that the transforms can make, training and evaluation see the same distribution, and the cost
    does not grow with the number of candidates. What the choice costs in gradients is paid by
    ``log_prob``: see :mod:`eeginv.augmentation.gradient`.

    Examples
    --------
    >>> from eeginv.augmentation import AugmentationLayer
    >>> from eeginv.transforms import SignFlip, TimeReverse
    >>> AugmentationLayer([TimeReverse(0.1), SignFlip(0.1)]).weights.tolist()
    [0.5, 0.5]
    """

    joint = False

    def __init__(self, transforms, weights=None, random_strength=False):
        super().__init__()
        transforms = check_transforms(transforms)
        if not transforms:
            raise ValueError("An augmentation layer needs at least one transform.")
        self.transforms = nn.ModuleList(copy.deepcopy(t) for t in transforms)
        self.random_strength = bool(random_strength)
        probabilities = torch.ones(len(transforms)) if weights is None else torch.tensor(weights)
        valid = probabilities.shape == (len(transforms),) and (probabilities >= 0).all()
        if not (valid and probabilities.sum() > 0):
            raise ValueError(
                f"weights must be {len(transforms)} numbers of at least 0, not all 0; "
                f"got {weights}."
            )
        probabilities = probabilities.float() / probabilities.sum()
        self.logits = nn.Parameter(probabilities.clamp_min(1e-12).log())

    @property
    def weights(self):
        """Probability of each candidate, tensor of shape (n_transforms,)."""
        return torch.softmax(self.logits, dim=0)

    def _strengths(self, transform, X, generator, stratified=False):
        if not self.random_strength:
            return None
        if transform.binary:
            return torch.ones(len(X), device=X.device)
        return Draws(X, generator, stratified).uniform() * transform.strength.detach().to(X)

    def sample(self, X, generator, undo=None):
        """Transform each example by a candidate of its own.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.
        generator : torch.Generator
            Source of randomness.
        undo : Undo | None
            Records the steps that move the examples in time, so that outputs can be mapped
            back.

        Returns
        -------
        X_transformed : Tensor, same shape as X
            The transformed signals.
        log_prob : Tensor, shape (n_examples,)
            Log-probability of all that was chosen, a function of the learnable parameters.
        """
        weights = self.weights
        choice = torch.multinomial(
            weights.detach().float(), len(X), replacement=True, generator=generator
        )
        order = choice.argsort(stable=True)
        counts = torch.bincount(choice, minlength=len(self.transforms)).tolist()
        transformed, log_probs = [], []
        for transform, rows in zip(self.transforms, order.split(counts), strict=True):
            if len(rows):
                # a copy of its own, which goes as soon as the transform does not need it
                part = X.index_select(0, rows)
                noise = transform.draw(part, generator)
                strength = self._strengths(transform, part, generator)
                transformed.append(transform.transform(part, noise, strength))
                log_probs.append(transform.log_prob(noise, strength))
                if undo is not None:
                    undo.add_transform(transform, noise, strength, rows)
        back = order.argsort()
        # not the logarithm of the weights: one that underflows would make all gradients NaN
        log_prob = torch.log_softmax(self.logits, dim=0)[choice] + torch.cat(log_probs)[back]
        return torch.cat(transformed).index_select(0, back), log_prob

    def fixed_draws(self, template, points, generator):
        """Draw, once for all examples, what each of several copies will undergo.

        Parameters
        ----------
        template : Tensor, shape (1, n_channels, n_times)
            Says shape and dtype of the signals, and on which device to draw.
        points : Tensor, shape (n_copies, 2)
            Numbers between 0 and 1 that decide, for each copy, which candidate is chosen and
            whether an on/off transform is applied. All other draws are stratified over the
            copies.
        generator : torch.Generator
            Source of randomness.

        Returns
        -------
        maps : list of callable
            ``n_copies`` functions from signals to transformed signals. Their ``keeps_time`` says
            whether they leave time as it is; if not, their ``undo(output, n_times)`` brings
            outputs along time back to the times of the original signals.
        """
        device = template.device
        last = len(self.transforms) - 1
        edges = self.weights.detach().to(device).cumsum(0)
        choice = torch.searchsorted(edges, points[:, 0].to(edges).contiguous()).clamp_max(last)
        maps = [None] * len(points)
        for k, transform in enumerate(self.transforms):
            rows = (choice == k).nonzero()[:, 0].tolist()
            if rows:
                several = template.expand(len(rows), -1, -1)
                noise = transform.draw(several, generator, stratified=True)
                if transform.binary:
                    noise["uniform"] = strata(points[rows, 1])
                strength = self._strengths(transform, several, generator, stratified=True)
                for i, row in enumerate(rows):
                    one = {name: value[i : i + 1] for name, value in noise.items()}
                    of_one = None if strength is None else strength[i]
                    maps[row] = _Map(transform, one, of_one)
        return maps

    def entries(self, layer=0):
        """Describe the layer.

        Parameters
        ----------
        layer : int
            Number to give it.

        Returns
        -------
        entries : list of PolicyEntry
            One a candidate.
        """
        return [
            PolicyEntry(
                transform=t.name,
                extent=round(t.strength.item(), 7),
                unit=t.unit,
                weight=round(weight, 7),
                layer=layer,
                binary=t.binary,
                random_strength=self.random_strength,
                joint=self.joint,
                config=t.config(),
            )
            for t, weight in zip(self.transforms, self.weights.tolist(), strict=True)
        ]


def strata(points):
    """Move numbers to the middles of as many equal parts of [0, 1], in their order."""
    return (points.argsort(dim=0).argsort(dim=0) + 0.5) / len(points)


class _Map:
    """A transform with everything random fixed."""

    def __init__(self, transform, noise, strength):
        self.transform, self.noise, self.strength = transform, noise, strength
        self.keeps_time = transform.keeps_time

    def _draws_on(self, device):
        return {name: value.to(device) for name, value in self.noise.items()}

    def __call__(self, X):
        return self.transform.transform(X, self._draws_on(X.device), self.strength)

    def undo(self, output, n_times):
        return self.transform.undo(output, self._draws_on(output.device), self.strength, n_times)
