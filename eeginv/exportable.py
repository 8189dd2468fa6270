"""A trained network whose copies are drawn already, for torch.export."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .augmentation.undo import Undo, apply_maps

if TYPE_CHECKING:
    from .augmentation import Augmentation


class ExportableModule(nn.Module):
    """An :class:`~eeginv.InvariantModule` in evaluation mode whose copies are drawn already.

    Copies cannot be drawn while torch traces a module, when parameters have no values.

    Parameters
    ----------
    module : InvariantModule
        The module. Its weights are shared; its choices are those of now.
    augmentation : Augmentation
        The augmentation of the module.
    X : Tensor, shape (n_examples, n_channels, n_times)
        Gives the shape of the signals.

    Examples
    --------
    >>> import torch
    >>> from eeginv import AugNet, InvariantModule
    >>> from eeginv.transforms import TimeReverse
    >>> backbone = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(20, 3))
    >>> model = InvariantModule(backbone, AugNet([TimeReverse()])).eval()
    >>> X = torch.randn(4, 2, 10)
    >>> program = torch.export.export(model.exportable(X), (X,))
    >>> torch.allclose(program.module()(X), model(X), atol=1e-6)
    True
    """

    def __init__(self, module: Any, augmentation: Augmentation, X: Tensor) -> None:
        super().__init__()
        self.module, self.n_times = module, X.shape[-1]
        self._maps = augmentation.fixed_maps(X, module.n_copies)
        self.eval()

    def forward(self, X: Tensor) -> Tensor:
        """Compute the output.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.

        Returns
        -------
        output : Tensor, shape (n_examples, n_outputs, ...)
            The output of the module in evaluation mode.
        """
        with torch.no_grad():
            return self.module._average(self._outputs(X))

    def _outputs(self, X: Tensor) -> Iterator[Tensor]:
        for maps in self._maps:
            output = self.module._through_backbone(apply_maps(maps, X))
            yield Undo.of(maps, self.n_times)(output) if self.module.equivariant else output
