"""Checks of computed values that do not synchronise with a device in each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .choice import reads_are_cheap


class Verdicts:
    """Outcomes of checks, read at once where that is cheap, otherwise when they have arrived.

    On a GPU, the outcome is copied to the host asynchronously, and read in the first step in which
    it is available. Pending outcomes are not pickled.
    """

    def __init__(self) -> None:
        self._sent: list[tuple[Tensor, Callable[[], bool], Callable[[], None]]] = []

    def __getstate__(self) -> dict[str, Any]:
        return {"_sent": []}

    def check(self, passed: Tensor, fail: Callable[[], None]) -> None:
        """Call a function if a check has failed, now or in a later step.

        Parameters
        ----------
        passed : Tensor of bool
            A scalar.
        fail : callable
            Raises the error. Called without arguments, at once or in a later step.
        """
        if reads_are_cheap(passed.device):
            if not passed:
                fail()
            return
        self._sent.append((*send(passed), fail))
        while self._sent and self._sent[0][1]():
            outcome, _, its_fail = self._sent.pop(0)
            if not outcome:
                its_fail()


def send(value: Tensor) -> tuple[Tensor, Callable[[], bool]]:
    """Copy a value from a device to the host asynchronously.

    Parameters
    ----------
    value : Tensor
        The value.

    Returns
    -------
    copy : Tensor
        The value on the host, valid once it has arrived.
    has_arrived : callable
        Returns whether it has arrived.
    """
    copy = value.to("cpu", non_blocking=True)
    event = torch.Event(value.device)
    event.record()
    return copy, event.query
