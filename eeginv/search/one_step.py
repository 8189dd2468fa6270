"""The held-out loss after one step of training, as a function of the policy of that step."""

from contextlib import nullcontext

import torch
from torch import nn
from torch.func import jvp

from .._process import ignoring
from .._randomness import generator_states, restore_generators
from .gradient import GradientSearch, Losses
from .policy_step import PolicyStep, check_policy_parameters
from .scales import RunningScales


class OneStepSearch(GradientSearch):
    """A search by the derivative of the held-out loss after one step; not for use by itself.

    A search defines ``_space(problem)``, the :class:`~eeginv.search.subpolicies.SubPolicies` that
    learn. Beyond what :class:`GradientSearch` needs, its ``__init__`` stores ``search_lr``,
    ``policy_lr``, ``strength_lr``, ``control_lr``, ``temperature``, ``probability`` and
    ``strength``.
    """

    def _check_parameters(self):
        super()._check_parameters()
        check_policy_parameters(self)
        if not self.search_lr > 0:
            raise ValueError(f"search_lr must be above 0, got {self.search_lr}.")

    def _learner(self, problem):
        return OneStepLearner(self, problem, self._space(problem))

    def _space(self, problem):
        raise TypeError(f"{type(self).__name__} does not define _space.")


class OneStepLearner(nn.Module):
    """One step of the network under the policy, and one of the policy on what it bought.

    With weights ``w`` and a step ``w' = w - s g``, where ``g`` is the gradient of the training
    loss under the policy and ``s`` the step lengths, the derivative of the held-out loss with
    respect to the policy is that of ``- <s g, v>``, ``v`` being the gradient of the held-out loss
    at ``w'``. ``<g, s v>`` is the mean over the examples of the directional derivatives of their
    losses at ``w`` along ``s v``. One pass in forward mode gives all of them, exactly and as a
    differentiable function of the transformed signals, where the published codes take the
    difference of two gradients. So each example says what its own sub-policy was worth, beside
    what the example was worth unchanged. With batch normalisation, what a sub-policy does to the
    statistics of the batch is left out.
    """

    def __init__(self, search, problem, space):
        super().__init__()
        self.search, self.problem = search, problem
        self.network = problem.make_network()
        self.losses = Losses(self.network, problem)
        self.policy_step = PolicyStep(
            space,
            search.policy_lr,
            search.strength_lr,
            search.control_lr,
            search.temperature,
        ).to(problem.X.device)
        self.scales = RunningScales(len(self.losses.parameters())).to(problem.X.device)

    def policy(self):
        """Return the policy as it is now."""
        return self.policy_step.space.policy()

    def step(self, rows, outer_rows, learns=True):
        """Take both steps; in the warm-up, that of the network on unchanged signals."""
        X, losses = self.problem.X, self.losses
        if not learns:
            after, inner_loss = self.after(X[rows], rows)
            with torch.no_grad():
                outer_loss = losses.loss(X[outer_rows], outer_rows, after).item()
            spread = 0.0
        else:
            transformed, drawn = self.policy_step.draw(X[rows], self.problem.y[rows])
            after, inner_loss = self.after(transformed.detach(), rows)
            outer_gradient, outer_loss = losses.gradient(X[outer_rows], outer_rows, after)
            spread = self.policy_step.step(drawn, self.gain(transformed, rows, outer_gradient))
        with torch.no_grad():
            for name, weights in losses.parameters().items():
                weights.copy_(after[name])
        record = {"inner_loss": inner_loss, "outer_loss": outer_loss, "spread": spread}
        return {**record, **self.policy_step.summary()}

    def after(self, transformed, rows):
        """Return the weights after one step, a dict, and the loss before it."""
        weights = self.losses.parameters()
        gradient, loss = self.losses.gradient(transformed, rows, keep_statistics=True)
        self.scales.update(gradient)
        with torch.no_grad():
            after = {
                name: w - self.search.search_lr * scale * g
                for (name, w), scale, g in zip(
                    weights.items(), self.scales.values(), gradient, strict=True
                )
            }
        return {name: w.requires_grad_() for name, w in after.items()}, loss

    def gain(self, transformed, rows, outer_gradient):
        """Return how much more each example is worth transformed than as it is.

        What an example is worth depends on the example far more than on what is done to it. That
        of the unchanged example, under the same dropout, does not depend on the choices, so that
        taking it away leaves their derivative as it is, and most of the spread goes with it.

        Parameters
        ----------
        transformed, rows, outer_gradient : Tensor, Tensor of int, sequence of Tensor
            As in :meth:`worth`.

        Returns
        -------
        gain : Tensor, shape (n_examples,)
            A differentiable function of the transformed signals.
        """
        X = self.problem.X
        states = generator_states(X.device)
        with torch.no_grad():
            unchanged = self.worth(X[rows], rows, outer_gradient)
        restore_generators(states, X.device)
        return self.worth(transformed, rows, outer_gradient) - unchanged

    def worth(self, transformed, rows, outer_gradient):
        """Return by how much each transformed example lowers the held-out loss.

        Parameters
        ----------
        transformed : Tensor, shape (n_examples, n_channels, n_times)
            The transformed examples.
        rows : Tensor of int, shape (n_examples,)
            Which windows they are.
        outer_gradient : sequence of Tensor
            Gradient of the held-out loss after the step.

        Returns
        -------
        worth : Tensor, shape (n_examples,)
            The decrease to first order for a step on the one example; a differentiable function
            of the transformed signals.
        """
        weights = {name: w.detach() for name, w in self.losses.parameters().items()}
        direction = {
            name: (self.search.search_lr * scale * g).detach()
            for name, scale, g in zip(weights, self.scales.values(), outer_gradient, strict=True)
        }

        def each(parameters):
            return self.losses.each(transformed, rows, parameters)

        recurrent = any(isinstance(m, nn.RNNBase) for m in self.network.modules())
        # torch's own, when forward mode, and the flags below, are used for the first time
        with ignoring((".*torch.jit.script", DeprecationWarning), ("TF32 acceler", UserWarning)):
            # oneDNN's recurrent layers have no forward mode, torch's own have
            with torch.backends.mkldnn.flags(enabled=False) if recurrent else nullcontext():
                return jvp(each, (weights,), (direction,))[1]
