"""Events of a recording, and windows around them."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..._checks import check_number

if TYPE_CHECKING:
    import mne

# Tolerance in s for rounded durations.
_ROUNDING = 0.02
EXAMPLE = 'events={"T1": "left", "T2": "right"} (--events T1=left,T2=right)'


def check_events(events: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Check the events to cut windows around.

    Parameters
    ----------
    events : dict of str to str | sequence of str
        Class of each event, by its name in the recordings. In a list, names are also the classes.

    Returns
    -------
    events : dict of str to str
        Class by name.

    Raises
    ------
    TypeError, ValueError
        If there are fewer than two classes.
    """
    if isinstance(events, str):
        raise TypeError(f"events must be a dict or a list of names, {EXAMPLE}; got {events!r}.")
    if not isinstance(events, Mapping):
        events = {name: name for name in events}
    events = {str(name): str(label) for name, label in events.items()}
    if len(set(events.values())) < 2 or "" in {*events, *events.values()}:
        raise ValueError(f"events must name at least two classes, {EXAMPLE}; got {events}.")
    return events


def check_span(tmin: float | None, tmax: float | None) -> tuple[float, float | None]:
    """Check start and end of windows.

    Parameters
    ----------
    tmin, tmax : float | None
        Start and end of the windows, in s from the onset of the event.

    Returns
    -------
    tmin, tmax : float
        The values, where a tmin of None is replaced by 0.
    """
    tmin = 0.0 if tmin is None else check_number("tmin", tmin, minimum=-np.inf)
    if tmax is not None:
        tmax = check_number("tmax", tmax, minimum=-np.inf)
        if tmax <= tmin:
            raise ValueError(f"tmax={tmax:g} s must lie after tmin={tmin:g} s.")
    return tmin, tmax


def find_trials(raw: mne.io.BaseRaw, events: Mapping[str, str], what: str) -> np.ndarray:
    """Find the events of a recording.

    Parameters
    ----------
    raw : mne.io.Raw
        The recording. If it has no annotations, they are made from its trigger channel.
    events : dict of str to str
        Class by name of the event.
    what : str
        Name of the recording in messages.

    Returns
    -------
    durations : ndarray, shape (n_trials,)
        Durations of the selected events in s, 0 if not known. Trials that last until the end of the
        recording, which may have cut them, are left out if there are others.

    Raises
    ------
    ValueError
        If one of the events does not occur.
    """
    missing, listed = find_missing(raw, events)
    if not events:
        raise ValueError(
            f"Recordings are cut around events: name them, as in {EXAMPLE}. {what} has {listed}."
        )
    if missing:
        none = "has no events" if len(missing) == len(events) else "lacks the events"
        raise ValueError(
            f"{what} {none} {', '.join(map(repr, missing))}; it has {listed}. "
            "Name others with events (--events), or leave the recording out."
        )
    wanted = np.isin(raw.annotations.description, list(events))
    durations = raw.annotations.duration[wanted]
    ends = raw.annotations.onset[wanted] + durations - raw.first_time
    is_cut = (durations > 0) & (ends > raw.times[-1] - 0.5 / raw.info["sfreq"])
    return durations if is_cut.all() else durations[~is_cut]


def find_missing(raw: mne.io.BaseRaw, events: Iterable[str]) -> tuple[list[str], str]:
    """Find which events do not occur in a recording.

    Parameters
    ----------
    raw : mne.io.Raw
        The recording. If it has no annotations, they are made from its trigger channel.
    events : iterable of str
        Names of events.

    Returns
    -------
    missing : list of str
        Those that do not occur.
    listed : str
        The annotations of the recording and their numbers, for messages.
    """
    annotate(raw)
    found = Counter(raw.annotations.description.tolist())
    listed = ", ".join(f"{name} ({n})" for name, n in sorted(found.items())[:20])
    return [name for name in events if name not in found], listed or "no annotations"


def annotate(raw: mne.io.BaseRaw) -> None:
    """Add annotations from a trigger channel, if there is one and no annotation is an event.

    Annotations whose names begin with "BAD" or "EDGE" are marks, not events.

    Parameters
    ----------
    raw : mne.io.Raw
        The recording, which is changed.
    """
    import mne

    names = raw.annotations.description.tolist()
    has_events = any(not name.upper().startswith(("BAD", "EDGE")) for name in names)
    if has_events or "stim" not in raw.get_channel_types():
        return
    # consecutive: a value that is held until the next one, which may be lower, is an event too
    triggers = mne.find_events(raw, shortest_event=1, consecutive=True, verbose="error")
    if len(triggers):
        falls = np.unique(triggers[triggers[:, 1] > triggers[:, 2]][:, 2])
        if len(falls):
            warnings.warn(
                f"Triggers fall from one value to a lower one, {', '.join(map(str, falls))}, "
                "without a return to 0, and each fall is read as an event. If pulses on several "
                "lines overlapped, annotate the events with MNE and save the recording with them.",
                stacklevel=2,
            )
        # Samples of triggers and onsets of annotations both count from before the first sample.
        raw.annotations.append(
            triggers[:, 0] / raw.info["sfreq"], 0.0, [str(code) for code in triggers[:, 2].tolist()]
        )


def choose_end(
    trials: Mapping[str, np.ndarray], tmax: float | None, ignore_durations: bool
) -> float:
    """Check that windows end within the trials, or set their end to that of the trials.

    Parameters
    ----------
    trials : dict of str to ndarray
        Durations in s of the selected events of each recording.
    tmax : float | None
        End of the windows in s. None is the end of the shortest trial.
    ignore_durations : bool
        Whether windows may be longer than trials.

    Returns
    -------
    tmax : float
        The end.

    Raises
    ------
    ValueError
        If windows are longer than trials, or the end is unknown.
    """
    shortest = {what: durations.min() for what, durations in trials.items()}
    what = min(shortest, key=shortest.__getitem__)
    least = float(shortest[what])
    if tmax is None:
        if least <= 0:
            raise ValueError(
                f"The events of {what} have no duration: say where windows end with tmax (--tmax)."
            )
        return least
    for what, durations in trials.items():
        known = durations[durations > 0]
        if not ignore_durations and len(known) and tmax > known.min() + _ROUNDING:
            raise ValueError(
                f"Windows end {tmax:g} s after the event, but a trial of {what} only lasts "
                f"{known.min():g} s: lower tmax (--tmax), or, if annotations mark the stimulus "
                "instead of the trial, give ignore_durations=True (--ignore-durations)."
            )
    return tmax


def cut(
    raw: mne.io.BaseRaw, events: Mapping[str, str], tmin: float, tmax: float, what: str
) -> tuple[np.ndarray, list[str]]:
    """Cut windows around events.

    Parameters
    ----------
    raw : mne.io.Raw
        The recording, preprocessed.
    events : dict of str to str
        Class by name of the event.
    tmin, tmax : float
        Start and end of the windows, in s from the onset. The last sample is before tmax.
    what : str
        Name of the recording in messages.

    Returns
    -------
    X : ndarray, shape (n_windows, n_channels, n_times)
        The windows within the recording that do not overlap an annotation whose name begins with
        "BAD".
    y : list of str
        Class of each window.

    Raises
    ------
    ValueError
        If no window is left, or two events are at one sample.
    """
    epochs, lost = cut_epochs(raw, list(events), tmin, tmax, what)
    if lost:
        warnings.warn(lost, stacklevel=6)
    event_names = {code: name for name, code in epochs.event_id.items()}
    return epochs.get_data(copy=False), [events[event_names[code]] for code in epochs.events[:, 2]]


def cut_epochs(
    raw: mne.io.BaseRaw, events: Sequence[str], tmin: float, tmax: float, what: str
) -> tuple[mne.Epochs, str]:
    """Cut windows around events into epochs of MNE.

    Parameters
    ----------
    raw : mne.io.Raw
        The recording, preprocessed.
    events : list of str
        Names of the events.
    tmin, tmax : float
        As for :func:`cut`.
    what : str
        Name of the recording in messages.

    Returns
    -------
    epochs : mne.Epochs
        The windows, in memory.
    lost : str
        Number of windows that were left out, with reasons. Empty if none was.

    Raises
    ------
    ValueError
        If no window is left, or two events are at one sample.
    """
    import mne

    sfreq = raw.info["sfreq"]
    first = round(tmin * sfreq)
    if round((tmax - tmin) * sfreq) < 1:
        raise ValueError(
            f"Windows from {tmin:g} to {tmax:g} s have no sample at the {sfreq:g} Hz of {what}. Is "
            "the unit seconds?"
        )
    names = [n for n in events if n in set(raw.annotations.description.tolist())]
    codes = {name: code for code, name in enumerate(names, start=1)}
    try:
        # the default of regexp would drop events whose names begin with "bad" or "edge"
        triggers, _ = mne.events_from_annotations(raw, codes, regexp=None, verbose="error")
        epochs = mne.Epochs(
            raw,
            triggers,
            {name: code for name, code in codes.items() if code in triggers[:, 2]},
            # MNE rounds both ends, so that the number of samples would depend on tmin
            tmin=first / sfreq,
            tmax=(first + round((tmax - tmin) * sfreq) - 1) / sfreq,
            baseline=None,
            proj=False,
            preload=True,
            verbose="error",
        )
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{what} cannot be cut into windows: {error}") from error
    lost = Counter(reasons[0] for reasons in epochs.drop_log if reasons)
    lost.pop("IGNORED", None)
    listed = ", ".join(f"{n} by {reason}" for reason, n in lost.items())
    if not len(epochs):
        raise ValueError(
            f"No window from {tmin:g} to {tmax:g} s around the events of {what} lies in the "
            f"recording, which lasts {raw.times[-1]:.1f} s ({listed})."
        )
    if not lost:
        return epochs, ""
    listed = listed.replace("NO_DATA", "no signal").replace("TOO_SHORT", "the end of the file")
    n_lost = sum(lost.values())
    return epochs, f"{what}: {n_lost} of {len(triggers)} windows were left out ({listed})."
