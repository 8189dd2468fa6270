"""Preprocessing of whole recordings before they are cut, or of windows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._checks import check_number
from ...estimators.units import FACTORS
from ...transforms.layout import find_channels
from ..preprocessing import prepare_recording, standardize_channel

if TYPE_CHECKING:
    import mne


_DATA_TYPES = ("eeg", "seeg", "ecog", "dbs", "mag", "grad", "hbo", "hbr", "csd")


@dataclass(frozen=True)
class Preprocessing:
    """Preprocessing in this order: reference, channels, filter, resampling, scale.

    Parameters
    ----------
    l_freq, h_freq : float | None
        Edges of the band-pass filter in Hz. None means no edge.
    resample : float | None
        Sampling frequency in Hz to resample to.
    channels : sequence of str | dict of str to str | None
        Channels to keep, in this order, by name (in any common spelling) or by a pattern with ``*``
        and ``?``. A dict renames channels. None keeps all data channels that are not marked as bad.
    reference : str | sequence of str | None
        "average", or the channels whose mean is subtracted.
    standardize : bool
        Whether each channel of each recording is scaled to mean 0 and standard deviation 1.

    Raises
    ------
    TypeError, ValueError
        If an option is out of range, or options are inconsistent.
    """

    l_freq: float | None = None
    h_freq: float | None = None
    resample: float | None = None
    channels: Any = None
    reference: Any = None
    standardize: bool = True

    def __post_init__(self) -> None:
        for name in ("l_freq", "h_freq", "resample"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, check_number(name, value, exclusive=True))
        if not isinstance(self.standardize, bool):
            raise TypeError(f"standardize must be True or False; got {self.standardize!r}.")
        if self.channels is not None:
            channels = self.channels
            if isinstance(channels, str):
                raise TypeError(f"channels must be a list of names; got {channels!r}.")
            channels = dict(channels) if isinstance(channels, Mapping) else list(channels)
            if not channels:
                raise ValueError("channels is empty.")
            object.__setattr__(self, "channels", channels)
        reference = self.reference
        if reference is not None and reference != "average":
            reference = [reference] if isinstance(reference, str) else list(reference)
            if not reference:
                raise ValueError('reference must be "average", or name channels.')
            object.__setattr__(self, "reference", reference)
        low, high, resample = self.l_freq, self.h_freq, self.resample
        if low is not None and high is not None and low >= high:
            raise ValueError(f"l_freq={self.l_freq:g} Hz must lie below h_freq={self.h_freq:g} Hz.")
        if resample is not None and high is not None and high > resample / 2:
            raise ValueError(
                f"h_freq={self.h_freq:g} Hz is above half of resample={self.resample:g} Hz: lower "
                "h_freq or raise resample."
            )

    def check_rate(self, sfreq: float, what: str) -> None:
        """Raise an error if the filter does not suit a sampling frequency.

        Parameters
        ----------
        sfreq : float
            Sampling frequency in Hz.
        what : str
            Name of the recording in messages.
        """
        for name in ("l_freq", "h_freq"):
            value = getattr(self, name)
            if value is not None and value >= sfreq / 2:
                raise ValueError(
                    f"{name}={value:g} Hz is not below half the sampling frequency of {what}, "
                    f"{sfreq / 2:g} Hz: lower it, or leave it out."
                )

    def choose(
        self, names: list[str], types: list[str], bads: list[str], what: str
    ) -> dict[str, str]:
        """Choose the channels of a recording.

        Parameters
        ----------
        names, types : list of str
            Names and types (as in MNE) of its channels.
        bads : list of str
            Names of the channels that are marked as bad.
        what : str
            Name of the recording in messages.

        Returns
        -------
        chosen : dict of str to str
            New name of each selected channel, by its old one, in order.

        Raises
        ------
        ValueError
            If a channel is missing, is the only reference, or none is left.
        """
        reference_channels = self._reference_channels(names, what)
        if self.channels is not None:
            picked = choose_by_name(names, self.channels, what)
            if len(reference_channels) == 1 and reference_channels[0] in picked:
                raise ValueError(
                    f"{reference_channels[0]} is the reference of {what}, so that it would be "
                    "flat: leave it out of the channels (--channels)."
                )
            return picked
        chosen = [n for n, kind in zip(names, types, strict=True) if kind in _DATA_TYPES]
        if not chosen:  # MNE's type of channels without a known type
            chosen = [n for n, kind in zip(names, types, strict=True) if kind == "misc"]
        chosen = [name for name in chosen if name not in {*bads, *reference_channels}]
        if not chosen:
            raise ValueError(
                f"{what} has no data channel that is not marked as bad; it has "
                f"{', '.join(names)}. Name those to take with channels (--channels)."
            )
        return {name: name for name in chosen}

    def _reference_channels(self, names: list[str], what: str) -> list[str]:
        if self.reference in (None, "average"):
            return []
        return list(choose_by_name(names, self.reference, what))

    def of_recording(self, raw: mne.io.BaseRaw, what: str) -> mne.io.BaseRaw:
        """Preprocess a copy of a recording.

        Parameters
        ----------
        raw : mne.io.Raw
            The recording.
        what : str
            Name of the recording in messages.

        Returns
        -------
        raw : mne.io.Raw
            The copy, in memory.
        """
        types, bads = raw.get_channel_types(), raw.info["bads"]
        chosen = self.choose(raw.ch_names, types, bads, what)
        raw = raw.copy()
        if self.reference is not None:
            chosen_types = {types[raw.ch_names.index(name)] for name in chosen}
            # the average is over all good channels, including those that are not selected
            good = [n for n, t in zip(raw.ch_names, types, strict=True) if t in chosen_types]
            reference = self._reference_channels(raw.ch_names, what)
            raw.pick(list(dict.fromkeys([*good, *reference]))).load_data(verbose="error")
            raw.set_eeg_reference(reference or "average", verbose="error")
        raw.info["bads"] = []
        raw.pick(list(chosen)).reorder_channels(list(chosen)).rename_channels(chosen)
        return prepare_recording(
            raw, None, self.l_freq, self.h_freq, self.resample, self.standardize
        )

    def scale(self, X: np.ndarray, types: list[str]) -> np.ndarray:
        """Convert windows of a recording from V to µV, unless they are standardised.

        Parameters
        ----------
        X : ndarray, shape (n_windows, n_channels, n_times)
            Windows.
        types : list of str
            Types of the channels, as in MNE.

        Returns
        -------
        X : ndarray, same shape
            Windows, in µV for channels of voltages.
        """
        if self.standardize:
            return X
        return X * np.array([[FACTORS.get(kind, 1.0)] for kind in types])

    def of_windows(
        self,
        X: np.ndarray,
        sfreq: float,
        ch_names: list[str] | None,
        recordings: Sequence[Any] | np.ndarray,
    ) -> tuple[np.ndarray, float, list[str] | None]:
        """Preprocess data that are already cut into windows.

        Parameters
        ----------
        X : array-like, shape (n_windows, n_channels, n_times)
            Windows.
        sfreq : float
            Sampling frequency in Hz.
        ch_names : list of str | None
            Names of the channels.
        recordings : sequence
            Recording of each window. Recordings are standardised separately.

        Returns
        -------
        X : ndarray
            The windows.
        sfreq : float
            Their sampling frequency in Hz.
        ch_names : list of str | None
            Names of their channels.
        """
        import mne

        X = np.asarray(X)
        if X.ndim != 3:
            raise ValueError(f"X must have the shape (n_windows, n_channels, n_times): {X.shape}.")
        self.check_rate(sfreq, "the windows")
        if (self.channels, self.reference) != (None, None):
            X, ch_names = self._pick(X, ch_names)
        if (self.l_freq, self.h_freq) != (None, None):
            band = (self.l_freq, self.h_freq)
            _warn_of_long_filter(X.shape[-1], sfreq, *band)
            X = mne.filter.filter_data(
                X.astype(np.float64), sfreq, *band, pad="edge", verbose="error"
            )
        if self.resample is not None and self.resample != sfreq:
            X = mne.filter.resample(
                X.astype(np.float64), self.resample, sfreq, npad="auto", pad="edge", verbose="error"
            )
            sfreq = self.resample
        if self.standardize:
            X = _standardized(X, recordings)
        return X, sfreq, ch_names

    def _pick(self, X: np.ndarray, ch_names: list[str] | None) -> tuple[np.ndarray, list[str]]:
        if ch_names is None:
            raise ValueError("channels and reference need the names of the channels: ch_names.")
        if len(ch_names) != X.shape[1]:
            raise ValueError(
                f"ch_names has {len(ch_names)} names, but X has {X.shape[1]} channels."
            )
        chosen = self.choose(ch_names, ["eeg"] * len(ch_names), [], "X")
        reference_channels = self._reference_channels(ch_names, "X") or ch_names
        if self.reference is not None:
            rows = [ch_names.index(name) for name in reference_channels]
            X = X - X[:, rows].mean(axis=1, keepdims=True)
        return X[:, [ch_names.index(name) for name in chosen]], list(chosen.values())


def choose_by_name(
    names: list[str], wanted: Sequence[str] | Mapping[str, str], what: str
) -> dict[str, str]:
    """Select channels by name, in any common spelling, or by pattern.

    Parameters
    ----------
    names : list of str
        Names of the available channels.
    wanted : sequence of str | dict of str to str
        Names or patterns. A dict renames channels, and each of its patterns must match one channel.
    what : str
        Name of the recording in messages.

    Returns
    -------
    chosen : dict of str to str
        New name of each channel, by its old one, in the requested order.

    Raises
    ------
    ValueError
        If a channel is missing, or a name matches several.

    Examples
    --------
    >>> from eeginv.datasets.sources.preprocessing import choose_by_name
    >>> choose_by_name(["Fc5.", "C3..", "EOG"], ["C3", "E*"], "S001R04.edf")
    {'C3..': 'C3', 'EOG': 'EOG'}
    """
    chosen = {}
    renamed = isinstance(wanted, Mapping)
    for wish in wanted:
        text = wanted[wish] if isinstance(wanted, Mapping) else wish
        found = fitting(names, text)
        if not found:
            raise ValueError(f"{what} has no channel {text!r}; it has {', '.join(names)}.")
        if renamed and len(found) > 1:
            raise ValueError(
                f"{what} has {len(found)} channels {text!r} for {wish!r}, {', '.join(found)}; "
                "write a pattern that only one has."
            )
        for name in found:
            if name in chosen:
                raise ValueError(f"channels name the channel {name} of {what} twice.")
            # keep the requested spelling, so that it is the same for all recordings
            chosen[name] = wish if renamed else (name if _is_pattern(text) else text)
    return chosen


def fitting(names: list[str], text: str) -> list[str]:
    """Find the channels that match a name or a pattern.

    Parameters
    ----------
    names : list of str
        Names of the available channels.
    text : str
        A name, in any common spelling, or a pattern.

    Returns
    -------
    found : list of str
        Matching channels, at most one for a name.
    """
    if _is_pattern(text):
        return [n for n in names if fnmatchcase(n.casefold(), text.casefold())]
    (place,) = find_channels(names, [text])
    return [] if place is None else [names[place]]


def _is_pattern(text: str) -> bool:
    return any(letter in text for letter in "*?")


def _warn_of_long_filter(
    n_times: int, sfreq: float, l_freq: float | None, h_freq: float | None
) -> None:
    """Warn if windows are shorter than the filter, which is then little more than a subtraction."""
    import mne

    n_taps = len(mne.filter.create_filter(None, sfreq, l_freq, h_freq, verbose="error"))
    if n_taps > n_times:
        warnings.warn(
            f"The filter ({_band(l_freq, h_freq)}) is {n_taps / sfreq:.3g} s long, and the windows "
            f"only {n_times / sfreq:.3g} s: it cannot work as it does on a whole recording. Filter "
            "the recordings before they are cut.",
            stacklevel=4,
        )


def _band(l_freq: float | None, h_freq: float | None) -> str:
    if l_freq is None or h_freq is None:
        return f"below {h_freq:g} Hz" if l_freq is None else f"above {l_freq:g} Hz"
    return f"{l_freq:g} to {h_freq:g} Hz"


def _standardized(X: np.ndarray, recordings: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Scale each channel, over all windows of a recording, to mean 0 and standard deviation 1."""
    X = np.array(X, dtype=np.float32)
    recordings = np.asarray(recordings)
    for recording in np.unique(recordings):
        rows = recordings == recording
        for channel in range(X.shape[1]):
            X[rows, channel] = standardize_channel(X[rows, channel].astype(np.float64))
    return X
