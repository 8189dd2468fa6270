"""Find the transform that causes a training step to be not finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..transforms import Transform
from .joint import JointLayer

if TYPE_CHECKING:
    from .base import Augmentation
    from .layer import AugmentationLayer


def explain_not_finite(
    augmentation: Augmentation | None,
    X: Tensor,
    number: int | None = None,
    output: Tensor | None = None,
    reward: Tensor | None = None,
    **options: Any,
) -> str:
    """Replay a training step, and explain where the first value that is not finite came from.

    An ordinary step does not call this.

    Parameters
    ----------
    augmentation : Augmentation | None
        The augmentation of the step, with the parameters that it had then.
    X : Tensor, shape (n_examples, n_channels, n_times)
        Signals of the step, before they were transformed.
    number : int | None
        Number of the step in the random stream; None is the last one.
    output : Tensor | None
        Output of the network.
    reward : Tensor | None
        The reward of the augmentation.
    **options
        Other arguments of :meth:`Augmentation.sample` in the step.

    Returns
    -------
    message : str
        Names the transforms whose output, or whose contribution to the reward, is not finite for
        finite signals. If there are none, says whether the signals, the network or the targets
        are the cause.
    """
    if not torch.isfinite(X).all():
        return _explain_signals(X)
    found = [] if augmentation is None else _replay(augmentation, X, number, options)
    if found:
        return (
            f"{'; '.join(found)}, although the signals were finite. Correct the transform, or "
            "leave it out."
        )
    if augmentation is not None and reward is not None and not torch.isfinite(reward).all():
        return _explain_reward(augmentation, reward)
    # the most likely cause is a learning rate that is too large
    if output is None or not torch.isfinite(output).all():
        return (
            "Training diverged: the output of the network is not finite, although the signals "
            "and what the transforms make of them are. Lower lr, or check that the signals are "
            "standardised."
        )
    return (
        "Training diverged: the loss is not finite, although the output of the network is. Check "
        "that targets and sample weights are finite, and the loss is not scaled beyond its range."
    )


class Replay:
    """Inputs of a training step, kept to explain why it was not finite.

    Parameters
    ----------
    module : InvariantModule
        The module.
    augmentation : Augmentation
        Its augmentation.
    X : Tensor, shape (n_examples, n_channels, n_times)
        Signals of the step.
    **options
        Other arguments of :meth:`Augmentation.sample` in the step.
    """

    def __init__(
        self, module: nn.Module, augmentation: Augmentation, X: Tensor, **options: Any
    ) -> None:
        self.module, self._augmentation = module, augmentation
        self._X, self._options = X, options
        self._number = augmentation.stream.n_drawn

    def explain(self, output: Tensor | None = None, reward: Tensor | None = None) -> str:
        """Return the error message; the parameters must be those of the step."""
        return explain_not_finite(
            self._augmentation, self._X, self._number, output, reward, **self._options
        )


def parameters_are_finite(module: nn.Module) -> bool:
    """Whether all parameters are finite."""
    return all(bool(torch.isfinite(p).all()) for p in module.parameters())


def check_displacements(
    layer: AugmentationLayer, displacements: Sequence[float], X: Tensor
) -> None:
    """Reject displacements that are not finite.

    Parameters
    ----------
    layer : AugmentationLayer
        The layer.
    displacements : list of float
        Results of :meth:`~eeginv.transforms.Transform.displacement` for its transforms.
    X : Tensor, shape (n_examples, n_channels, n_times)
        The signals in which they were measured.

    Raises
    ------
    ValueError
        If one is not finite. The message names the transforms, or the signals if these are not
        finite.
    """
    wrong = [
        f"{transform.name} moves the signals by {value} of their norm"
        for transform, value in zip(layer.transforms, displacements, strict=True)
        if not math.isfinite(value)
    ]
    if wrong:
        raise ValueError(
            f"{'; '.join(wrong)}, although they are finite. Correct the transform, or leave it out."
            if torch.isfinite(X).all()
            else _explain_signals(X)
        )


def _explain_signals(X: Tensor) -> str:
    wrong = ~_finite(X)
    return (
        f"The signals are not finite: {int(wrong.sum())} of the {len(X)} examples of this step "
        "hold NaN or infinite values. Leave these out, or interpolate, before training."
    )


def _replay(
    augmentation: Augmentation, X: Tensor, number: int | None, options: dict[str, Any]
) -> list[str]:
    """Describe the transforms that returned signals that are not finite, in order of the calls."""
    found: list[str] = []
    watched = [
        (module, "sample" if isinstance(module, JointLayer) else "transform", _label(module, name))
        for name, module in augmentation.named_modules()
        if isinstance(module, (Transform, JointLayer))
    ]
    try:
        for module, method, label in watched:
            setattr(module, method, _watching(getattr(module, method), label, found))
        with torch.no_grad():
            augmentation.sample(X, augmentation.stream.replay(X.device, number), **options)
    finally:
        for module, method, _ in watched:
            delattr(module, method)
    return found


def _explain_reward(augmentation: Augmentation, reward: Tensor) -> str:
    """Say which transforms make the reward not finite."""
    found = []
    for number, layer in enumerate(augmentation.layers):
        displacements = getattr(augmentation, "displacements", None)
        for k, (transform, weight) in enumerate(zip(layer.transforms, layer.weights, strict=True)):
            parts = {"weight": weight, "spread": transform.spread()}
            if displacements is not None:
                parts["displacement"] = displacements[number][k]
            values = {name: float(value) for name, value in parts.items()}
            wrong = [f"{n} is {value}" for n, value in values.items() if not math.isfinite(value)]
            if wrong:
                found.append(f"of {_label(transform, f'layers.{number}')} the {', '.join(wrong)}")
    if not found:
        found = ["weights, spreads and displacements of all transforms are finite"]
    return f"The reward of the augmentation is {float(reward)}: {'; '.join(found)}."


def _watching(function: Callable[..., Any], label: str, found: list[str]) -> Callable[..., Any]:
    """Wrap a function, to record when it makes finite signals not finite."""

    def watch(X: Tensor, *arguments: Any, **options: Any) -> Any:
        result = function(X, *arguments, **options)
        signals = result[0] if isinstance(result, tuple) else result
        wrong = _finite(X) & ~_finite(signals)
        if wrong.any():
            found.append(
                f"{label} returned signals that are not finite for {int(wrong.sum())} of "
                f"the {len(X)} examples that it was given"
            )
        return result

    return watch


def _label(module: Transform | JointLayer, path: str) -> str:
    """Return the name of a transform, its layer and its strength."""
    numbers = [word for word in path.split(".") if word.isdigit()]
    place = f"layer {numbers[0]}, " if path.startswith("layers.") and numbers else ""
    if isinstance(module, JointLayer):
        names = " and ".join(transform.name for transform in module.transforms)
        return f"{names}, drawn jointly ({place.rstrip(', ') or 'one layer'}),"
    return f"{module.name} ({place}{module.extra_repr()})"


def _finite(X: Tensor) -> Tensor:
    """Whether each example is finite."""
    return torch.isfinite(X).flatten(1).all(dim=1)
