"""Losses of a network and their gradients, as functions of its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import functional_call

if TYPE_CHECKING:
    from ..problem import Problem


class Losses:
    """Losses of a network and their gradients for any weights, without side effects.

    Parameters
    ----------
    network : nn.Module
        The network.
    problem : Problem
        Labels and weights of the windows.
    """

    def __init__(self, network: nn.Module, problem: Problem) -> None:
        self.network, self.problem = network, problem
        self.criterion = problem.trainer.criterion

    def parameters(self) -> dict[str, Tensor]:
        """Return the weights that learn, a dict by name."""
        return {name: p for name, p in self.network.named_parameters() if p.requires_grad}

    def each(
        self,
        X: Tensor,
        rows: Tensor,
        parameters: dict[str, Tensor] | None = None,
        keep_statistics: bool = False,
    ) -> Tensor:
        """Return the weighted loss of each example.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals, transformed or not.
        rows : Tensor of int, shape (n_examples,)
            Indices of the windows.
        parameters : dict | None
            Weights to use instead of those of the network.
        keep_statistics : bool
            Whether the forward pass updates batch statistics.

        Returns
        -------
        losses : Tensor, shape (n_examples,)
            The losses.
        """
        buffers = dict(self.network.named_buffers())
        if not keep_statistics:
            buffers = {name: buffer.clone() for name, buffer in buffers.items()}
        parameters = self.parameters() if parameters is None else parameters
        output = functional_call(self.network, (parameters, buffers), (X,))
        return self.criterion(output, self.problem.y[rows]) * self.problem.weight[rows]

    def loss(
        self,
        X: Tensor,
        rows: Tensor,
        parameters: dict[str, Tensor] | None = None,
        keep_statistics: bool = False,
    ) -> Tensor:
        """Return the weighted mean loss, a scalar Tensor; arguments as in :meth:`each`."""
        return self.each(X, rows, parameters, keep_statistics).mean()

    def gradient(
        self,
        X: Tensor,
        rows: Tensor,
        parameters: dict[str, Tensor] | None = None,
        keep_statistics: bool = False,
    ) -> tuple[tuple[Tensor, ...], float]:
        """Return the gradient with respect to the weights, a tuple, and the loss, a float.

        The arguments are those of :meth:`each`.
        """
        parameters = self.parameters() if parameters is None else parameters
        loss = self.loss(X, rows, parameters, keep_statistics)
        gradient = torch.autograd.grad(
            loss, list(parameters.values()), allow_unused=True, materialize_grads=True
        )
        return gradient, loss.item()
