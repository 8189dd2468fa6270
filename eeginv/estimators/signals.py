"""What an input holds, once it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .channels import Expected, pick_by_name, say_left_out


@dataclass
class Signals:
    """What an input holds.

    Parameters
    ----------
    X : ndarray | object
        Signals of shape (n_windows, n_channels, n_times) in µV for MNE's objects and windows
        datasets; an array-like as it came otherwise.
    sfreq : float | None
        Sampling frequency in Hz.
    ch_names : list of str | None
        Names of the channels, in order.
    is_array : bool
        Whether an array came, of unknown unit.
    labels, subjects : callable | None
        Return what `y` and `groups` are.
    """

    X: Any
    sfreq: float | None = None
    ch_names: list[str] | None = None
    is_array: bool = False
    labels: Callable[[], np.ndarray | None] | None = field(default=None, repr=False)
    subjects: Callable[[], np.ndarray | None] | None = field(default=None, repr=False)

    # read when they are asked for: whoever predicts needs neither
    @property
    def y(self) -> np.ndarray | None:
        """Labels that came with the input, an ndarray; None if there are none."""
        return None if self.labels is None else self.labels()

    @property
    def groups(self) -> np.ndarray | None:
        """Subjects that came with the input, an ndarray; None if there are none."""
        return None if self.subjects is None else self.subjects()

    def matched(self, expected: Expected) -> Signals:
        """Return the signals of the expected channels.

        Parameters
        ----------
        expected : Expected
            What they have to agree with.

        Returns
        -------
        signals : Signals
            The same where nothing is known of the names.
        """
        expected.check_rate(self.sfreq, "The signals were")
        names, wanted = self.ch_names, expected.ch_names
        if names is None or wanted is None or names == wanted:
            return self
        places = pick_by_name(names, wanted, expected.owner, "X")
        say_left_out({name: "not expected" for i, name in enumerate(names) if i not in places})
        X = self.X[:, places] if self.X.ndim == 3 else self.X
        return replace(self, X=X, ch_names=list(wanted))
