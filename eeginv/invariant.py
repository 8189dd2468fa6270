"""Network with an augmentation in front: transformed copies, backbone, average."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import Tensor, nn

from ._pickling import make_picklable
from ._precision import at_least_float32, check_precision, in_half_precision
from .augmentation.baseline import Baseline
from .augmentation.chance import BestConstant, ChanceLevel, check_logits
from .augmentation.constants import as_constants
from .augmentation.diagnosis import Replay
from .augmentation.gate import Gate
from .augmentation.gradient import LOSSES, Past, Step, learn_from_output
from .augmentation.memory import Memory
from .augmentation.stream import is_distributed
from .augmentation.undo import NO_UNDO, Undo, check_inverses
from .exportable import ExportableModule

if TYPE_CHECKING:
    from .augmentation import Augmentation

T = TypeVar("T")

AVERAGES = ("logit", "probability")


class InvariantModule(nn.Module):
    """Make a network invariant to an augmentation by averaging over transformed copies [1]_.

    In training, one transformed copy of each example is passed to the backbone. A training loop
    that calls ``backward()`` on a loss of the output trains backbone and augmentation together. The
    loss may be any loss in a :class:`~eeginv.PerExampleLoss`, or a plain cross-entropy of logits
    (see the notes). In evaluation, outputs are averaged over ``n_copies`` fixed, stratified draws,
    which are the same for every example. Predictions are therefore deterministic and do not depend
    on the batch. One copy is in memory at a time.

    Parameters
    ----------
    backbone : nn.Module
        Network from signals (n_examples, n_channels, n_times) to outputs (n_examples, n_outputs,
        ...); logits if it classifies.
    augmentation : Augmentation | None
        Augmentation such as :class:`~eeginv.AugNet`. None adds nothing to the backbone.
    n_copies : int
        Number of copies in evaluation. 0 uses the unchanged signals.
    average : str
        For classification, "logit" averages logits, which after normalisation equals averaging
        log-probabilities. "probability" averages probabilities.
    loss : str
        "cross_entropy" if the outputs are logits, which are normalised in evaluation.
        "squared_error" if they are averaged as they are: predictions of a regression, or logits
        of a sigmoid (one for each label) that learn under :class:`~eeginv.PerExampleLoss`.
    equivariant : bool
        Whether to make outputs along time equivariant instead of invariant. They have the shape
        (n_examples, n_outputs, ..., n_positions), such as those of Braindecode's USleep for
        sequences of windows. Outputs are then mapped back to the times before the transform: in
        training, so that the loss compares outputs and targets of the same time, and in evaluation,
        before they are averaged [2]_. Outputs of shape (n_examples, n_outputs), such as those of
        USleep for a single window, do not have a time axis and are not changed.
    precision : str
        "float32" or "bf16". With "bf16", only the backbone computes under torch's autocast in
        bfloat16. Transforms, losses, averages and weights remain in float32.

    Attributes
    ----------
    copies_at_once : int
        Number of copies in one batch of the backbone in evaluation, initially 1. Larger values use
        a GPU better if there are few examples, and need proportionally more memory.
    example_labels : Tensor | None
        Targets of the next training batch, for a
        :class:`~eeginv.augmentation.ClasswiseAugmentation`, and for a squared error without
        :class:`~eeginv.PerExampleLoss`. They are cleared after one forward pass.
    example_weights : Tensor, shape (n_examples,), or None
        Weights of the examples of the next training batch, for a loss without
        :class:`~eeginv.PerExampleLoss`. They are cleared after one forward pass.

    Raises
    ------
    ValueError
        If outputs are not logits of a softmax although ``loss`` says so. If ``equivariant`` is True
        and a transform, such as :class:`~eeginv.transforms.FTSurrogate`, has no inverse on
        outputs along time.

    Notes
    -----
    With "cross_entropy", outputs are logits in training and normalised log-probabilities in
    evaluation. A softmax, or ``torch.nn.CrossEntropyLoss``, accepts both; a sigmoid does not.

    Without :class:`~eeginv.PerExampleLoss`, the losses of the examples are computed from the
    gradient at the output. This is possible for ``torch.nn.CrossEntropyLoss`` on the output, with
    class weights, scaled, and summed or averaged. It is also possible with weights of examples that
    are set as ``example_weights``, and for a squared error whose targets are set as
    ``example_labels``. Other losses raise an error: those with label smoothing, focal and robust
    losses, and losses of logits that are divided by a temperature.

    With ``torch.amp.GradScaler``, gradients that are not finite are passed on, and the scaler skips
    the step. Without it, they raise an error. With DistributedDataParallel, draws depend on the
    rank of the process. Set ``random_state`` of the augmentation, so that all processes predict
    with the same copies. DataParallel is not supported.

    Positions of an output are assumed to divide the window into equal parts. Between positions,
    outputs (logits, in classification) are interpolated linearly.

    References
    ----------
    .. [1] Rommel, C., Moreau, T., & Gramfort, A. (2022). Deep invariant networks with
       differentiable augmentation layers. NeurIPS.
    .. [2] Benton, G., Finzi, M., Izmailov, P., & Wilson, A. G. (2020). Learning invariances in
       neural networks from training data. NeurIPS.

    Examples
    --------
    >>> import torch
    >>> from eeginv import AugNet, InvariantModule
    >>> from eeginv.transforms import SignFlip
    >>> X = torch.randn(4, 2, 10)
    >>> backbone = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(20, 3))
    >>> model = InvariantModule(backbone, AugNet([SignFlip(0.5)])).eval()
    >>> torch.allclose(model(X), model(-X), atol=1e-5)
    True

    A network with one output for each sample, equivariant to time reversal:

    >>> from eeginv.transforms import TimeReverse
    >>> dense = torch.nn.Conv1d(2, 3, kernel_size=5, padding=2)
    >>> model = InvariantModule(dense, AugNet([TimeReverse(0.5)]), equivariant=True).eval()
    >>> torch.allclose(model(X.flip(-1)), model(X).flip(-1), atol=1e-5)
    True
    """

    def __init__(
        self,
        backbone: nn.Module,
        augmentation: Augmentation | None = None,
        n_copies: int = 10,
        average: str = "logit",
        loss: str = "cross_entropy",
        equivariant: bool = False,
        precision: str = "float32",
    ) -> None:
        super().__init__()
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {LOSSES}, got {loss!r}.")
        check_precision(precision)
        if equivariant and augmentation is not None:
            check_inverses(augmentation)
        self.backbone = backbone
        self.augmentation = augmentation
        self.average_over(n_copies, average)
        self.loss = loss
        self.equivariant = bool(equivariant)
        self.precision = precision
        self.copies_at_once = 1
        self._chance, self._baseline, self._gate = ChanceLevel(loss), Baseline(), Gate()
        self._constant, self._past = BestConstant(), Past()
        self.register_load_state_dict_post_hook(_keep_together)
        self.example_weights = self.example_labels = None

    def average_over(self, n_copies: int, average: str = "logit") -> None:
        """Set what outputs in evaluation average.

        Parameters
        ----------
        n_copies : int
            As in the constructor.
        average : "logit" | "probability"
            As in the constructor.

        Examples
        --------
        >>> import torch
        >>> from eeginv import AugNet, InvariantModule
        >>> from eeginv.transforms import SignFlip
        >>> model = InvariantModule(torch.nn.Linear(10, 3), AugNet([SignFlip()]))
        >>> model.average_over(0)  # the original signals alone
        """
        if average not in AVERAGES:
            raise ValueError(f"average must be one of {AVERAGES}, got {average!r}.")
        whole = isinstance(n_copies, Real) and not isinstance(n_copies, bool)
        if not whole or n_copies < 0 or n_copies != int(n_copies):
            raise ValueError(f"n_copies must be a whole number of at least 0, got {n_copies!r}.")
        self.n_copies, self.average = int(n_copies), average

    def forward(self, X: Tensor) -> Tensor:
        """Compute the output.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.

        Returns
        -------
        output : Tensor, shape (n_examples, n_outputs, ...)
            Logits in training and normalised log-probabilities in evaluation, or predictions of a
            regression.
        """
        if self.training:
            return self._train_forward(X)
        if self.augmentation is None or self.n_copies == 0:
            output = self._output(X)
            return torch.log_softmax(output, dim=1) if self._classifies else output
        if torch.compiler.is_exporting():
            raise ValueError("For torch.export, pass what exportable(X) of this module returns.")
        return self._average_forward(self.augmentation, X)

    @property
    def _classifies(self) -> bool:
        return self.loss == "cross_entropy"

    def param_groups(self, augmentation_lr: float | None = None) -> list[dict[str, Any]]:
        """Return parameter groups for an optimiser, with a separate group for the augmentation.

        The group of the augmentation has no weight decay, which would reduce strengths without
        evidence, and has no meaning for choices.

        Parameters
        ----------
        augmentation_lr : float | None
            Learning rate of the augmentation. None takes that of the optimiser.

        Returns
        -------
        groups : list of dict
            Parameter groups for optimisers of torch.

        Examples
        --------
        >>> import torch
        >>> from eeginv import AugNet, InvariantModule
        >>> from eeginv.transforms import SignFlip
        >>> model = InvariantModule(torch.nn.Linear(10, 3), AugNet([SignFlip()]))
        >>> groups = model.param_groups(augmentation_lr=0.01)
        >>> optimizer = torch.optim.AdamW(groups, lr=0.001, weight_decay=0.01)
        >>> [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups]
        [(0.001, 0.01), (0.01, 0.0)]
        """
        groups: list[dict[str, Any]] = [{"params": list(self.backbone.parameters())}]
        if self.augmentation is not None:
            rate = {} if augmentation_lr is None else {"lr": augmentation_lr}
            parameters = list(self.augmentation.parameters())
            groups.append({"params": parameters, "weight_decay": 0.0, **rate})
        return groups

    def compile(self, **options: Any) -> None:
        """Compile the backbone with ``torch.compile``. The augmentation is not compiled.

        Names of parameters do not change. Copies and pickles of the module are compiled again at
        first use. Different batch sizes share one compilation.

        Parameters
        ----------
        **options
            Options of torch.compile.

        Examples
        --------
        >>> import torch
        >>> from eeginv import InvariantModule
        >>> module = InvariantModule(torch.nn.Linear(10, 3))
        >>> module.compile(backend="eager")
        >>> module(torch.ones(2, 10)).shape
        torch.Size([2, 3])
        """
        self._compiling, self._compiled = options, None

    def exportable(self, X: Tensor) -> nn.Module:
        """Return the module in evaluation mode for torch.export, with fixed copies.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals whose shape is used.

        Returns
        -------
        module : ExportableModule
            The module with shared weights. It is the object itself if nothing is averaged.
        """
        self.eval()
        if self.augmentation is None or self.n_copies == 0:
            return self
        return ExportableModule(self, self.augmentation, X)

    _compiling: dict[str, Any] | None = None  # options of torch.compile
    _compiled: Callable[[Tensor], Tensor] | None = None

    def __getstate__(self) -> dict[str, Any]:
        make_picklable(self)
        return {k: value for k, value in super().__getstate__().items() if k != "_compiled"}

    def _output(self, X: Tensor) -> Tensor:
        if self._compiling is not None and self._compiled is None:
            self._compiled = torch.compile(self._through_backbone, **self._compiling)
        output = (self._compiled or self._through_backbone)(X)
        return check_logits(output) if self._classifies else output

    def _through_backbone(self, X: Tensor) -> Tensor:
        """Compute the part that torch.compile compiles."""
        if self.precision == "float32":
            return self.backbone(X)
        with torch.autocast(X.device.type, torch.bfloat16):
            return at_least_float32(self.backbone(X))

    @torch.compiler.disable(recursive=False)
    def _train_forward(self, X: Tensor) -> Tensor:
        weights, labels = self.example_weights, self.example_labels
        self.example_weights = self.example_labels = None
        if self.augmentation is None:
            return self._output(X)
        if torch._C._current_graph_task_id() != -1:
            raise ValueError(
                "A forward pass in training inside a backward pass, as in torch.utils.checkpoint, "
                "would transform the signals with other draws than the first time. Use the "
                "checkpoint inside the backbone, or for the backbone only."
            )
        takes_labels = getattr(self.augmentation, "takes_labels", False)
        options = {"labels": labels} if takes_labels else {}
        with as_constants(self.augmentation, self.augmentation.held):
            undo = Undo(X.shape[-1]) if self.equivariant else NO_UNDO
            transformed, log_prob = _eager(self.augmentation.sample, X, undo=undo, **options)
            output = _eager(undo, self._output(transformed))
        if not torch.is_grad_enabled():
            return output
        reward = _eager(self.augmentation.reward)
        learning = []
        if is_distributed():
            learning = [p for p in self.augmentation.parameters() if p.requires_grad]
        shared = bool(learning)
        step = Step(
            None if reward is None else log_prob,
            reward,
            self._chance,
            self._baseline,
            self._gate,
            self._constant,
            self._past,
            weights,
            labels,
            Replay(self, self.augmentation, X, **options),
            half=in_half_precision(X),
            n_examples=len(X),
            forget=learning if shared and self.augmentation.held else [],
        )
        # DistributedDataParallel waits for a gradient of every parameter
        tie = 0 * torch.stack([p.sum() for p in learning]).sum() if shared else None
        return _eager(learn_from_output, output, step, tie)

    def _copied_outputs(self, augmentation: Augmentation, X: Tensor) -> Iterator[Tensor]:
        copies = augmentation.copies(X, self.n_copies, with_undo=True)
        while several := _eager(_take, copies, self.copies_at_once):
            undos = [undo for _, undo in several]
            signals = several[0][0] if len(several) == 1 else torch.cat([x for x, _ in several])
            several.clear()
            output = self._output(signals)
            del signals
            yield from _eager(_bring_back, output, undos if self.equivariant else None, len(undos))

    @torch.compiler.disable(recursive=False)
    def _average_forward(self, augmentation: Augmentation, X: Tensor) -> Tensor:
        return self._average(self._copied_outputs(augmentation, X))

    def _average(self, outputs: Iterable[Tensor]) -> Tensor:
        total: Tensor | None = None
        for output in outputs:
            if self._classifies and self.average == "probability":
                output = torch.log_softmax(output, dim=1)
                total = output if total is None else torch.logaddexp(total, output)
            else:
                total = output if total is None else total + output
        total = cast(Tensor, total)  # there is at least one copy
        if not self._classifies:
            return total / self.n_copies
        return torch.log_softmax(
            total if self.average == "probability" else total / self.n_copies, dim=1
        )


@contextmanager
def uncompiled(module: InvariantModule) -> Iterator[None]:
    """Run a module without :meth:`InvariantModule.compile` within a ``with`` block.

    Parameters
    ----------
    module : InvariantModule
        The module.

    Examples
    --------
    >>> import torch
    >>> from eeginv import InvariantModule
    >>> from eeginv.invariant import uncompiled
    >>> module = InvariantModule(torch.nn.Linear(10, 3))
    >>> module.compile()
    >>> with uncompiled(module):
    ...     module(torch.ones(2, 10)).shape
    torch.Size([2, 3])
    """
    before = module._compiling, module._compiled
    module._compiling = module._compiled = None
    try:
        yield
    finally:
        module._compiling, module._compiled = before


def _take(copies: Iterator[tuple[Tensor, Undo]], n: int) -> list[tuple[Tensor, Undo]]:
    return list(islice(copies, n))


def _bring_back(output: Tensor, undos: Sequence[Undo] | None, n_copies: int) -> Sequence[Tensor]:
    """Split the output of a batch of several copies, and map it back to the original times."""
    parts = at_least_float32(output).chunk(n_copies)
    return parts if undos is None else [undo(one) for one, undo in zip(parts, undos, strict=True)]


@torch.compiler.disable
def _eager(function: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """Call a function outside torch.compile, because it draws random numbers or records them."""
    return function(*arguments, **options)


def _keep_together(module: nn.Module, _: object) -> None:
    """Move loaded tensors to the device of the module."""
    parameter = next(module.parameters(), None)
    for part in module.children():
        if parameter is not None and isinstance(part, Memory):
            part.to(parameter.device)
