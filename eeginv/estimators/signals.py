"""What an input holds, once it is read."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from .channels import pick_by_name, say_left_out


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

    X: object
    sfreq: float | None = None
    ch_names: list | None = None
    is_array: bool = False
    labels: Callable | None = field(default=None, repr=False)
    subjects: Callable | None = field(default=None, repr=False)

    # read when they are asked for: whoever predicts needs neither
    @property
    def y(self):
        """Labels that came with the input, an ndarray; None if there are none."""
        return None if self.labels is None else self.labels()

    @property
    def groups(self):
        """Subjects that came with the input, an ndarray; None if there are none."""
        return None if self.subjects is None else self.subjects()

    def matched(self, expected):
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
        if None in (self.ch_names, expected.ch_names) or self.ch_names == expected.ch_names:
            return self
        places = pick_by_name(self.ch_names, expected, "X")
        say_left_out(
            {name: "not expected" for i, name in enumerate(self.ch_names) if i not in places}
        )
        X = self.X[:, places] if self.X.ndim == 3 else self.X
        return replace(self, X=X, ch_names=list(expected.ch_names))
