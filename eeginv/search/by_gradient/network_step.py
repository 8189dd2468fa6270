"""The arithmetic of one step of the network, and the contribution of each example to it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import jvp

from ..._process import ignoring
from ..._randomness import generator_states, restore_generators
from .losses import Losses
from .scales import RunningScales

if TYPE_CHECKING:
    from ..problem import Problem


class NetworkStep(nn.Module):
    """One step of gradient descent on the weights of a network.

    The step of each weight tensor is divided by the running root mean square of its gradient, which
    is a constant with respect to the policy. So the step is linear in the gradient.

    With weights ``w`` and a step ``w' = w - s g``, where ``g`` is the gradient of the training loss
    and ``s`` holds the step lengths, the held-out loss changes by ``- <s g, v>`` to first order,
    where ``v`` is the gradient of the held-out loss at ``w'``. As ``g`` is a mean over examples,
    each example contributes the derivative of its own loss at ``w`` along ``s v``.

    Parameters
    ----------
    network : nn.Module
        The network.
    problem : Problem
        Signals, labels and weights of the windows.
    lr : float
        Learning rate.
    """

    def __init__(self, network: nn.Module, problem: Problem, lr: float) -> None:
        super().__init__()
        self.network, self.problem, self.lr = network, problem, lr
        self.losses = Losses(network, problem)
        self.scales = RunningScales(len(self.losses.parameters())).to(problem.device)

    def after(self, X: Tensor, rows: Tensor) -> tuple[dict[str, Tensor], float]:
        """Take a step on some examples, without changing the weights of the network.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals, transformed or not.
        rows : Tensor of int, shape (n_examples,)
            Indices of the windows.

        Returns
        -------
        weights : dict of str to Tensor
            Weights after the step, as leaves of a new graph.
        loss : float
            Loss before the step.
        """
        gradient, loss = self.losses.gradient(X, rows, keep_statistics=True)
        self.scales.update(gradient)
        return {name: w.requires_grad_() for name, w in self.moved(gradient).items()}, loss

    @torch.no_grad()
    def moved(self, gradient: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the weights after a step along minus a gradient, without gradients."""
        steps = zip(self.losses.parameters().items(), self.scales.values(), gradient, strict=True)
        return {name: w - self.lr * scale * g for (name, w), scale, g in steps}

    @torch.no_grad()
    def assign(self, weights: dict[str, Tensor]) -> None:
        """Set the weights of the network."""
        for name, parameter in self.losses.parameters().items():
            parameter.copy_(weights[name])

    def gain(self, transformed: Tensor, rows: Tensor, outer_gradient: Sequence[Tensor]) -> Tensor:
        """Return the contribution of each transformed example minus that of the unchanged one.

        The contribution depends on the example far more than on its transform. That of the
        unchanged example, under the same dropout, does not depend on the choices of the policy.
        Subtracting it leaves the gradient unbiased and removes most of the variance.

        Parameters
        ----------
        transformed : Tensor, shape (n_examples, n_channels, n_times)
            The transformed examples.
        rows : Tensor of int, shape (n_examples,)
            Indices of the windows.
        outer_gradient : sequence of Tensor
            Gradient of the held-out loss after the step.

        Returns
        -------
        gain : Tensor, shape (n_examples,)
            A differentiable function of the transformed signals.
        """
        device = self.problem.device
        states = generator_states(device)
        with torch.no_grad():
            unchanged = self.contribution(self.problem.signals(rows), rows, outer_gradient)
        restore_generators(states, device)
        return self.contribution(transformed, rows, outer_gradient) - unchanged

    def contribution(
        self, transformed: Tensor, rows: Tensor, outer_gradient: Sequence[Tensor]
    ) -> Tensor:
        """Return the decrease of the held-out loss by a step on each example alone.

        One pass in forward mode computes the derivatives for all examples, exactly. With batch
        normalisation, the effect of a transform on the statistics of the batch is ignored.

        Parameters
        ----------
        transformed, rows, outer_gradient : Tensor, Tensor of int, sequence of Tensor
            As in :meth:`gain`.

        Returns
        -------
        contribution : Tensor, shape (n_examples,)
            The decrease to first order, a differentiable function of the transformed signals.
        """
        weights = {name: w.detach() for name, w in self.losses.parameters().items()}
        direction = {
            name: (self.lr * scale * g).detach()
            for name, scale, g in zip(weights, self.scales.values(), outer_gradient, strict=True)
        }

        def losses(parameters: dict[str, Tensor]) -> Tensor:
            return self.losses.each(transformed, rows, parameters)

        recurrent = any(isinstance(m, nn.RNNBase) for m in self.network.modules())
        # torch itself issues them when forward mode or the flags below are first used.
        with ignoring((".*torch.jit.script", DeprecationWarning), ("TF32 acceler", UserWarning)):
            # Recurrent layers of oneDNN have no forward mode; those of torch have one.
            with torch.backends.mkldnn.flags(enabled=False) if recurrent else nullcontext():
                return jvp(losses, (weights,), (direction,))[1]
