"""Content of an input after reading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .channels import Expected, pick_by_name, say_left_out


@dataclass
class Signals:
    """Signals of an input, with its metadata.

    Parameters
    ----------
    X : ndarray | LazyWindows | object
        Signals of shape (n_windows, n_channels, n_times), in µV for MNE objects and windows
        datasets. Any other array-like is kept unchanged. Those on disk are read when they are used.
    sfreq : float | None
        Sampling frequency in Hz.
    ch_names : list of str | None
        Names of the channels, in order.
    is_array : bool
        Whether the input was an array, whose unit is unknown.
    labels, subjects : callable | None
        Functions that return `y` and `groups`.
    """

    X: Any
    sfreq: float | None = None
    ch_names: list[str] | None = None
    is_array: bool = False
    labels: Callable[[], np.ndarray | None] | None = field(default=None, repr=False)
    subjects: Callable[[], np.ndarray | None] | None = field(default=None, repr=False)

    # read on access, because prediction needs neither
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
            Expected channels and sampling frequency.

        Returns
        -------
        signals : Signals
            The signals of these channels. All signals if the names are unknown.
        """
        expected.check_rate(self.sfreq, "The signals were")
        names, wanted = self.ch_names, expected.ch_names
        if names is None or wanted is None or names == wanted:
            return self
        places = pick_by_name(names, wanted, expected.owner, "X")
        say_left_out({name: "not expected" for i, name in enumerate(names) if i not in places})
        X = self.X[:, places] if self.X.ndim == 3 else self.X
        return replace(self, X=X, ch_names=list(wanted))
