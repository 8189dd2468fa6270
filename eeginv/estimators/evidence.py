"""Log marginal likelihood of a trained network and its invariances."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..transforms.precision import in_double
from .lazy import Windows, as_tensor

if TYPE_CHECKING:
    from ..invariant import InvariantModule

# Maximum number of rows of the kernel, and of values in its Jacobian.
_MAX_ROWS, _MAX_NUMBERS = 480, 2 * 10**8


def log_evidence(
    module: InvariantModule,
    X: Tensor | Windows,
    y: Tensor,
    weight: Tensor | None = None,
    n_copies: int = 10,
    random_state: int = 0,
) -> float:
    """Laplace approximation of the log marginal likelihood, per example [1]_ [2]_.

    The network is linearised in its weights around the trained ones. Its output and derivative are
    means over transformed copies. Invariance makes the derivatives of examples more alike, which
    lowers the complexity term. The prior of the weights is normal, with one precision for each
    tensor. The precisions, and the noise of a regression, maximise the evidence. If there are too
    many examples for memory, the log-determinant is that of a random part, scaled by the number of
    examples; for given precisions its expectation is not too small [2]_. Outputs are averaged as
    logits, regardless of ``module.average``.

    Parameters
    ----------
    module : InvariantModule
        The trained network. It is in evaluation mode during the call.
    X : Tensor | LazyWindows, shape (n_examples, n_channels, n_times)
        The signals that it was trained on.
    y : Tensor, shape (n_examples,) or (n_examples, n_outputs)
        Encoded labels, or values.
    weight : Tensor, shape (n_examples,) | None
        Weights of the examples, with a mean of one; None is equal weights.
    n_copies : int
        Number of transformed copies that the output is averaged over.
    random_state : int
        Seed of the random part.

    Returns
    -------
    log_evidence : float
        In nats per example; larger is better. Only differences between networks for the same data
        are meaningful.

    References
    ----------
    .. [1] Immer, A., van der Ouderaa, T., Raetsch, G., Fortuin, V., & van der Wilk, M. (2022).
       Invariance learning in deep neural networks with differentiable Laplace approximations.
       NeurIPS.
    .. [2] Immer, A., et al. (2023). Stochastic marginal likelihood gradients using neural tangent
       kernels. ICML.

    Examples
    --------
    >>> import torch
    >>> from eeginv import InvariantModule
    >>> from eeginv.estimators.evidence import log_evidence
    >>> X, y = torch.randn(20, 1, 8), torch.arange(20) % 2
    >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(8, 2))
    >>> log_evidence(InvariantModule(network), X, y) < 0
    True
    """
    was_training = module.training
    module.eval()
    try:
        first = _on_device(module, X[:1])
        weight = first.new_ones(len(X)) if weight is None else weight.to(first)
        parameters = [p for p in module.backbone.parameters() if p.requires_grad]
        n_outputs = count_outputs(module, first)
        n_numbers = max(1, sum(p.numel() for p in parameters))
        n_rows = max(2 * n_outputs, min(_MAX_ROWS, _MAX_NUMBERS // n_numbers))
        order = torch.randperm(len(X), generator=torch.Generator().manual_seed(random_state))
        part = order[: max(1, n_rows // n_outputs)]
        scale = len(X) / len(part)
        fit = _Fit(module, X, y, weight, n_copies)
        # recurrent layers of cuDNN have no backward pass outside of training
        with torch.backends.cudnn.flags(enabled=False):
            signals = _on_device(module, X[part])
            kernels = _kernels(module, parameters, signals, weight[part], n_copies, fit.root)
    finally:
        module.train(was_training)
    squares = torch.stack([in_double(p.detach()).square().sum() for p in parameters])
    return _maximise(kernels.cpu(), squares.cpu(), fit, scale) / len(X)


def count_outputs(module: InvariantModule, X: Tensor) -> int:
    """Return the number of outputs of an example, and reject outputs along time.

    Parameters
    ----------
    module : InvariantModule
        The network.
    X : Tensor, shape (n_examples, n_channels, n_times)
        Signals. Only the first is used.

    Returns
    -------
    n_outputs : int
        Length of the output vector.
    """
    was_training = module.training
    module.eval()
    with torch.no_grad():
        output = module.backbone(X[:1])
    module.train(was_training)
    if output.ndim != 2:
        raise ValueError(
            "The evidence is defined for one output vector an example, shape (n_examples, "
            f"n_outputs); the network gives {tuple(output.shape)}."
        )
    return output.shape[1]


def _on_device(module: InvariantModule, X: Tensor | Windows) -> Tensor:
    """Return signals on the device of a module."""
    return as_tensor(X).to(next(module.parameters()).device)


def _copies(module: InvariantModule, X: Tensor, n_copies: int) -> list[Tensor]:
    if module.augmentation is None or n_copies == 0:
        return [X]
    return list(module.augmentation.copies(X, n_copies))


class _Fit:
    """Log-likelihood of the outputs, and the square root of the Hessian of the loss."""

    def __init__(
        self,
        module: InvariantModule,
        X: Tensor | Windows,
        y: Tensor,
        weight: Tensor,
        n_copies: int,
    ) -> None:
        self.classifies = module.loss == "cross_entropy"
        total = 0.0
        with torch.no_grad():
            for start in range(0, len(X), 64):
                rows = slice(start, start + 64)
                copies = _copies(module, _on_device(module, X[rows]), n_copies)
                output = in_double(sum(module.backbone(copy) for copy in copies)) / len(copies)
                target, counted = y[rows].to(output.device), weight[rows].to(output.device)
                if self.classifies:
                    losses = torch.nn.functional.cross_entropy(output, target, reduction="none")
                else:
                    losses = (output - target.reshape(output.shape)).square().sum(dim=1)
                total += float((counted * losses).sum())
        self.total = total
        self.n_values = float(weight.sum()) * (1 if self.classifies else output.shape[1])

    def root(self, output: Tensor) -> Tensor:
        """Return a matrix A with A A^T the Hessian of the loss at an output."""
        if not self.classifies:  # of half the squared error; the noise is a factor later
            return torch.eye(len(output), dtype=output.dtype, device=output.device)
        p = output.detach().softmax(dim=0)
        return torch.diag(p.sqrt()) - p[:, None] * p.sqrt()[None]

    def log_likelihood(self, log_noise: Tensor) -> Tensor:
        """Return the log-likelihood of all examples for a log-variance of the noise."""
        if self.classifies:
            return torch.tensor(-self.total, dtype=torch.float64)
        squared = self.total / log_noise.exp()
        return -0.5 * (squared + self.n_values * (log_noise + math.log(2 * math.pi)))


def _kernels(
    module: InvariantModule,
    parameters: Sequence[nn.Parameter],
    X: Tensor,
    weight: Tensor,
    n_copies: int,
    root: Callable[[Tensor], Tensor],
) -> Tensor:
    """Return the tangent kernel for each tensor of weights: inner products of derivatives."""
    rows = []
    for x, w in zip(X, weight, strict=True):
        with torch.no_grad():  # the draws of copies do not depend on the batch
            copies = torch.cat(_copies(module, x.unsqueeze(0), n_copies))
        output = module.backbone(copies).mean(dim=0)
        directions = root(output) * w.sqrt()
        for direction in directions.T:
            gradient = torch.autograd.grad(
                output,
                parameters,
                direction,
                retain_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
            rows.append([part.flatten() for part in gradient])
    stacked = (in_double(torch.stack(of_tensor)) for of_tensor in zip(*rows, strict=True))
    return torch.stack([jacobian @ jacobian.T for jacobian in stacked])


def _maximise(
    kernels: Tensor, squares: Tensor, fit: _Fit, scale: float, n_steps: int = 40
) -> float:
    """Return the log-evidence, maximised over the precisions of the prior and the noise."""
    log_precision = torch.zeros(len(kernels), dtype=torch.float64, requires_grad=True)
    start = 0.0 if fit.classifies else math.log(max(fit.total / fit.n_values, 1e-12))
    log_noise = torch.tensor(start, dtype=torch.float64, requires_grad=not fit.classifies)
    free = [log_precision] if fit.classifies else [log_precision, log_noise]
    optimizer = torch.optim.Adam(free, lr=0.3)
    best = -math.inf
    for _ in range(n_steps):
        precision = log_precision.exp()
        kernel = torch.einsum("l,lij->ij", 1 / precision, kernels)
        # by eigenvalues: for a nearly exact fit, adding the identity to the kernel loses precision
        values = torch.linalg.eigvalsh(kernel / log_noise.exp())
        determinant = values.clamp_min(0).log1p().sum()
        evidence = (
            fit.log_likelihood(log_noise)
            - 0.5 * (precision * squares).sum()
            - 0.5 * scale * determinant
        )
        best = max(best, evidence.item())
        optimizer.zero_grad()
        (-evidence).backward()
        optimizer.step()
    return best
