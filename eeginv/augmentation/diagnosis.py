"""Find out which transform is to blame when a training step is not finite."""

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
    """Replay a step of training, and say where the first value came from that is not finite.

    Nothing of this runs in an ordinary step.

    Parameters
    ----------
    augmentation : Augmentation | None
        What transformed the signals, with the parameters that it had in the step.
    X : Tensor, shape (n_examples, n_channels, n_times)
        Signals of the step, before they were transformed.
    number : int | None
        The step's number in the stream of randomness; None is the last one.
    output : Tensor | None
        What the network made of them.
    reward : Tensor | None
        The reward of the augmentation.
    **options
        What else :meth:`Augmentation.sample` was given.

    Returns
    -------
    message : str
        Names the transforms whose output, or whose part in the reward, is not finite for finite
        signals; or else says whether it was the signals, the network or the targets.
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
    # as whoever meets this has most likely chosen a learning rate that is too large
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
    """Explains why a step of training was not finite, by what it started from.

    Parameters
    ----------
    module : InvariantModule
        The module.
    augmentation : Augmentation
        Its augmentation.
    X : Tensor, shape (n_examples, n_channels, n_times)
        Signals of the step.
    **options
        What else :meth:`Augmentation.sample` was given.
    """

    def __init__(
        self, module: nn.Module, augmentation: Augmentation, X: Tensor, **options: Any
    ) -> None:
        self.module, self._augmentation = module, augmentation
        self._X, self._options = X, options
        self._number = augmentation.stream.n_drawn

    def explain(self, output: Tensor | None = None, reward: Tensor | None = None) -> str:
        """Return the message of the error; the parameters are those of the step."""
        return explain_not_finite(
            self._augmentation, self._X, self._number, output, reward, **self._options
        )


def parameters_are_finite(module: nn.Module) -> bool:
    """Whether nothing is lost yet."""
    return all(bool(torch.isfinite(p).all()) for p in module.parameters())


def check_displacements(
    layer: AugmentationLayer, displacements: Sequence[float], X: Tensor
) -> None:
    """Refuse a distance by which a transform moves the signals that is not finite.

    Parameters
    ----------
    layer : AugmentationLayer
        The layer.
    displacements : list of float
        What :meth:`~eeginv.transforms.Transform.displacement` gave for its transforms.
    X : Tensor, shape (n_examples, n_channels, n_times)
        The signals in which it was measured.

    Raises
    ------
    ValueError
        Names the transforms, or says that the signals were not finite.
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
    """Describe what each transform did that it should not have done, in the order of the calls."""
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
    """Say which transforms contribute to the reward what is not finite."""
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
    """Return the function, noting when it turns finite signals into others."""

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
    """Name of a transform, where it is, and how strong."""
    numbers = [word for word in path.split(".") if word.isdigit()]
    place = f"layer {numbers[0]}, " if path.startswith("layers.") and numbers else ""
    if isinstance(module, JointLayer):
        names = " and ".join(transform.name for transform in module.transforms)
        return f"{names}, drawn jointly ({place.rstrip(', ') or 'one layer'}),"
    return f"{module.name} ({place}{module.extra_repr()})"


def _finite(X: Tensor) -> Tensor:
    """Whether each example is finite."""
    return torch.isfinite(X).flatten(1).all(dim=1)
