"""Estimators of the derivative of an expected loss with respect to probabilities of choices.

Beside the one that the package ships stand those of the literature, written from their description:
mixtures of transformed signals (the AugNet paper), relaxed and straight-through samples, the
first-order expected loss of DDAS, and the exact enumeration that all of them are judged by.
``choice_gradients.py`` compares them.
"""

import itertools

import torch
from torch import nn

from eeginv.augmentation import AugmentationLayer

TINY = 1e-6
PATHWISE = {  # name, blend and temperature
    "mixture (AugNet paper)": ("mixture", 0.05),
    "relaxed samples, temperature 0.5": ("relaxed", 0.5),
    "relaxed samples, temperature 0.05": ("relaxed", 0.05),
    "straight-through samples": ("straight-through", 0.5),
}


def choice_parameters(augmentation):
    """Return what decides on choices: logits of the layers, probabilities of events."""
    logits = [layer.logits for layer in augmentation.layers if len(layer.transforms) > 1]
    events = [t.raw for layer in augmentation.layers for t in layer.transforms if not t.continuous]
    return logits + events


def flat_gradient(value, parameters, retain_graph=False):
    """Return the derivative of a scalar as one vector, 0 where it does not depend."""
    gradients = torch.autograd.grad(
        value, parameters, allow_unused=True, retain_graph=retain_graph, materialize_grads=True
    )
    return torch.cat([gradient.flatten() for gradient in gradients]).double()


def weighted_losses(backbone, X, y, class_weight):
    """Return the loss of each example, and its weight in the loss of the batch."""
    losses = nn.functional.cross_entropy(backbone(X), y, reduction="none")
    return losses, class_weight[y] / len(y)


# through the signals: mixtures, relaxed and straight-through samples ----------------------------
class PathwiseLayer(AugmentationLayer):
    """A layer that runs all candidates and blends their signals.

    Shares the parameters of the layer it is made from.

    Parameters
    ----------
    layer : AugmentationLayer
        The layer.
    blend : str
        "mixture": weights are the probabilities; "relaxed": Gumbel-softmax samples;
        "straight-through": hard samples, with the derivative of relaxed ones.
    temperature : float
        Of the relaxed samples; of the relaxed events in a mixture.
    """

    def __init__(self, layer, blend, temperature):
        nn.Module.__init__(self)
        self.transforms, self.logits = layer.transforms, layer.logits
        self.random_strength = layer.random_strength
        self.blend, self.temperature = blend, temperature

    def sample(self, X, generator, undo=None, log_prob=None, strengths=None):
        signals = torch.stack([self._blended(t, X, generator) for t in self.transforms], dim=1)
        weights = self.weights.expand(len(X), -1)
        if self.blend != "mixture":
            u = torch.rand(weights.shape, generator=generator).clamp(TINY, 1 - TINY)
            gumbel = -torch.log(-torch.log(u))
            weights = torch.softmax((self.logits + gumbel) / self.temperature, dim=1)
            if self.blend == "straight-through":
                hard = nn.functional.one_hot(weights.argmax(dim=1), weights.shape[1])
                weights = hard + weights - weights.detach()
        return torch.einsum("nk,nkct->nct", weights, signals)

    def _blended(self, transform, X, generator):
        if transform.continuous:
            return transform(X, generator)
        binary = transform.binary
        shape = (len(X), 1, 1) if binary else (len(X), X.shape[1], 1)
        u = torch.rand(shape, generator=generator).clamp(TINY, 1 - TINY)
        p = transform.strength.clamp(TINY, 1 - TINY)
        event = torch.sigmoid((torch.logit(p) + torch.logit(u)) / self.temperature)
        if self.blend == "straight-through":
            event = (event > 0.5).to(event) + event - event.detach()
        changed = transform._transformed(X) if binary else torch.zeros_like(X)
        return X + event * (changed - X)


def pathwise(augmentation, blend, temperature):
    """Make an augmentation learn through its signals."""
    augmentation.layers = nn.ModuleList(
        PathwiseLayer(layer, blend, temperature) for layer in augmentation.layers
    )
    return augmentation


# enumeration ------------------------------------------------------------------------------------
def states(layer, X, generator):
    """Return all that a layer can do to a batch, with its probability; strengths are drawn."""
    found, stays = [], 0.0
    for transform, weight in zip(layer.transforms, layer.weights, strict=True):
        noise, p = transform.draw(X, generator), transform.strength
        if transform.continuous:
            found.append((weight, transform.transform(X, noise)))
        elif transform.binary:
            found.append((weight * p, transform.transform(X, noise, 1.0)))
            stays = stays + weight * (1 - p)
        else:  # each channel dropped or not
            for kept in itertools.product((0.0, 1.0), repeat=X.shape[1]):
                chance = p ** (len(kept) - sum(kept)) * (1 - p) ** sum(kept)
                found.append((weight * chance, X * torch.tensor(kept)[:, None]))
    return [*found, (stays, X)] if isinstance(stays, torch.Tensor) else found


def enumerated_losses(augmentation, backbone, X, y, class_weight, generator):
    """Yield, for each layer, the expected loss of each example; the other layers are drawn."""
    layers = list(augmentation.layers)
    for number, layer in enumerate(layers):
        signals, expected = X, 0.0
        with torch.no_grad():
            for other in layers[:number]:
                signals = other.sample(signals, generator)
        options = states(layer, signals, generator)
        drawn = generator.get_state()
        for chance, state in options:
            generator.set_state(drawn)  # the layers behind draw the same for all
            with torch.no_grad():
                for other in layers[number + 1 :]:
                    state = other.sample(state, generator)
            losses, weights = weighted_losses(backbone, state, y, class_weight)
            expected = expected + chance * losses
        yield expected, weights


# first-order expected loss ----------------------------------------------------------------------
def first_order_loss(augmentation, backbone, X, y, class_weight, generator, n_views=3):
    """Return DDAS's surrogate: views of the whole batch, drawn uniformly, weighted by p_k / Z."""
    losses, weights = weighted_losses(backbone, X, y, class_weight)
    plain = (weights * losses).sum()
    chances, differences = [], []
    for _ in range(n_views):
        chance, signals = 1.0, X
        for layer in augmentation.layers:
            options = states(layer, signals, generator)
            one = int(torch.randint(len(options), (), generator=generator))
            chance, signals = chance * options[one][0], options[one][1]
        losses, weights = weighted_losses(backbone, signals, y, class_weight)
        chances.append(chance)
        differences.append((weights * losses).sum() - plain)
    chances, differences = torch.stack(chances), torch.stack(differences)
    share = chances / chances.detach().sum().clamp_min(1e-12)
    return (share * differences).sum(), plain


# score functions --------------------------------------------------------------------------------
def example_scores(log_prob, parameters, retain_graph=False):
    """Return the derivative of the log-probability of each example, (n_examples, n_parameters)."""
    rows = torch.autograd.grad(
        log_prob,
        parameters,
        torch.eye(len(log_prob)),
        is_grads_batched=True,
        retain_graph=retain_graph,
        allow_unused=True,
    )
    columns = [  # nothing depends on a transform that no example drew
        torch.zeros(len(log_prob), p.numel()) if row is None else row.reshape(len(log_prob), -1)
        for row, p in zip(rows, parameters, strict=True)
    ]
    return torch.cat(columns, dim=1).double()


def information(augmentation, n_channels):
    """Return the expected outer product of the scores of an example."""
    blocks, events = [], []
    for layer in augmentation.layers:
        w = layer.weights.detach().double()
        if len(w) > 1:
            blocks.append(torch.diag(w) - torch.outer(w, w))
        for weight, t in zip(w, layer.transforms, strict=True):
            if not t.continuous:
                p = t.strength.detach().double().clamp(TINY, 1 - TINY)
                n_events = 1 if t.binary else n_channels
                events.append(weight * n_events * t.max_strength**2 / (p * (1 - p)))
    return torch.block_diag(*blocks, *(event.reshape(1, 1) for event in events))


def others_mean(losses, weights, groups, shrinkage=0.0):
    """Return, for each example, the weighted mean loss of the others of its group.

    Shrunk towards the mean of all others, as if that had been seen ``shrinkage`` times.
    """
    weighted = weights * losses
    overall = (weighted.sum() - weighted) / (weights.sum() - weights).clamp_min(1e-30)
    same = nn.functional.one_hot(groups).to(losses)
    total = same @ (same.T @ weights) - weights
    of_group = same @ (same.T @ weighted) - weighted
    prior = shrinkage * weights + 1e-12
    return (of_group + prior * overall) / (total + prior)


def score_function(losses, weights, baseline, scores):
    """Return the estimate of the derivative."""
    return (weights * (losses - baseline)) @ scores


def regressed_score_function(losses, weights, scores, fisher):
    """Return the estimate with the losses regressed on the events, leaving out each example."""
    design = torch.cat([torch.ones(len(losses), 1).double(), scores], dim=1)
    scaled = design * weights[:, None]
    scale = weights.mean() * torch.cat([torch.ones(1).double() * 1e-3, fisher.diagonal()])
    inverse = torch.linalg.inv(design.T @ scaled + torch.diag(scale))
    pull = design @ inverse
    coefficients = inverse @ (scaled.T @ losses)
    leverage = weights * (pull * design).sum(dim=1)
    residual = (losses - design @ coefficients) / (1 - leverage).clamp_min(1e-4)
    without = coefficients - pull * (weights * residual)[:, None]
    return weights @ (without[:, 1:] @ fisher) + (weights * residual) @ scores
