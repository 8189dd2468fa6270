"""Checks of computed values, which must not make the host wait for a device in each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .choice import reads_are_cheap


class Verdicts:
    """Look at the outcome of checks: at once where that is cheap, or else when it has arrived.

    On a GPU, the outcome is sent to the host while both go on, and looked at in the first step in
    which it is there. Not part of what is pickled.
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
            Raises the error. Called at once, or late, without arguments.
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
    """Send a value from a device to the host.

    Parameters
    ----------
    value : Tensor
        The value.

    Returns
    -------
    copy : Tensor
        On the host, once it has arrived.
    has_arrived : callable
        Whether it has.
    """
    copy = value.to("cpu", non_blocking=True)
    event = torch.Event(value.device)
    event.record()
    return copy, event.query
