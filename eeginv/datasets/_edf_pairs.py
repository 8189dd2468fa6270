"""Reading one pair of EDF files: a polysomnogram and its hypnogram."""

from __future__ import annotations

import datetime
import io
import re
import warnings

import numpy as np

from ._edf_annotations import read_annotations
from ._edf_header import ANNOTATIONS, read_header
from ._scored import ScoredRecording, Segments, is_bad
from ._stage_labels import UNKNOWN, read_label

HYPNOGRAM_STARTS = ("header", "recording")
VOLTS = {"v": 1.0, "mv": 1e-3, "uv": 1e-6, "nv": 1e-9}


def check_hypnogram_start(value):
    """Refuse what is not in `HYPNOGRAM_STARTS`."""
    if value not in HYPNOGRAM_STARTS:
        raise ValueError(f"hypnogram_start must be one of {HYPNOGRAM_STARTS}; got {value!r}.")


def read_pair(psg, hypnogram, channels=None, hypnogram_start="header"):
    """Read the EEG of a polysomnogram, annotated by its hypnogram.

    Parameters
    ----------
    psg, hypnogram : path-like
        EDF file with signals, EDF+ file with annotations.
    channels : sequence of str, optional
        Channels to read, with or without a leading ``"EEG "``. By default those whose label
        begins with ``EEG``, or all where none does.
    hypnogram_start : {"header", "recording"}
        Whether a hypnogram begins when its header says, or with the recording.

    Returns
    -------
    recording : ScoredRecording
        In memory, in V, without the leading ``"EEG "`` in channel names.

    Raises
    ------
    ValueError
        If a file is truncated or not readable, a channel is missing, no stage is annotated, or
        the hypnogram does not belong to the recording.
    """
    header, scorer = read_header(psg), read_header(hypnogram)
    raw = _read_signals(header, channels)
    scored = read_annotations(scorer)
    own = read_annotations(header, strict=False)
    segments, first = _find_segments(header, own.record_onsets, raw)
    onsets = scored.onsets + _clock_shift(header, scorer, hypnogram_start, first, scored)

    stages = [read_label(label) not in (None, UNKNOWN) for label in scored.labels]
    if not any(stages):
        raise ValueError(
            f"{hypnogram} has no sleep stage: expected annotations such as 'Sleep stage W', "
            f"'Sleep stage 2' or 'N2', got {sorted(set(scored.labels))[:10]}."
        )
    latest = np.max((onsets + scored.durations)[stages])
    if latest <= 0 or np.min(onsets[stages]) >= segments.end:
        raise ValueError(
            f"{scorer.path} has no stage within {header.path}: the recording begins "
            f"{_start_in_words(header)} and lasts {segments.end:g} s, the hypnogram begins "
            f"{_start_in_words(scorer)} and its stages lie from {onsets[stages].min():g} s to "
            f"{latest:g} s of the recording. If it is the hypnogram of this recording and the "
            "start in a header is wrong, give hypnogram_start='recording'."
        )
    # Of what the recording itself has annotated, spans marked as bad are kept.
    bad = [i for i, label in enumerate(own.labels) if is_bad(label)]
    onsets = np.append(onsets, own.onsets[bad] - first)
    durations = np.append(scored.durations, own.durations[bad])
    labels = scored.labels + [own.labels[i] for i in bad]
    _annotate(raw, onsets, durations, labels, segments)
    source = f"{header.path.name} with {scorer.path.name}"
    return ScoredRecording(raw, onsets, durations, labels, segments, source, header.patient)


def _read_signals(header, channels):
    import mne

    chosen = _choose(header, channels)
    if header.n_records == 0 or header.record_seconds <= 0:
        raise ValueError(f"{header.path} has no samples: it is empty, or only its header is there.")
    if header.n_records != header.n_records_promised:
        warnings.warn(
            f"{header.path}: the header speaks of {header.n_records_promised} records, the file "
            f"holds {header.n_records}, and all of them are read. It may not have been closed.",
            stacklevel=4,
        )
    source = header.path
    if header.clean is not None:
        source = io.BytesIO(header.clean + header.path.read_bytes()[header.n_bytes :])
    try:
        with warnings.catch_warnings():
            # The header's filter settings are free text, on which MNE comments; they are not used.
            warnings.filterwarnings("ignore", category=RuntimeWarning, module="mne")
            raw = mne.io.read_raw_edf(
                source,
                include=[signal.name for signal in chosen],
                exclude_after_unique=True,
                encoding="latin1",
                preload=True,
                verbose="error",
            )
    except Exception as error:
        raise ValueError(f"{header.path} cannot be read: {error}") from error
    _scale(raw, chosen, header)
    if channels is not None:
        raw.reorder_channels([signal.name for signal in chosen])
    short = [_without_eeg(signal.name) for signal in chosen]
    names = {
        signal.name: name
        for signal, name in zip(chosen, short, strict=True)
        if short.count(name) == 1
    }
    raw.rename_channels(names)
    return raw


def _without_eeg(label):
    return re.sub(r"^EEG\s+", "", label, flags=re.IGNORECASE)


def _choose(header, channels):
    """Find the signals to read, in the order asked for."""
    signals = [signal for signal in header.signals if signal.label != ANNOTATIONS]
    if not signals:
        raise ValueError(f"{header.path} has no signals, only annotations.")
    if channels is None:
        chosen = [signal for signal in signals if signal.label.upper().startswith("EEG")]
        chosen = chosen or signals
    else:
        if isinstance(channels, str):
            raise TypeError(f"channels must be a list of names, got {channels!r}.")
        chosen = [_find(header, signals, name) for name in channels]
        if len({signal.name for signal in chosen}) < len(chosen) or not chosen:
            raise ValueError(
                f"channels must name different channels, at least one; got {list(channels)} for "
                f"{header.path}."
            )
    rates = {signal.n_samples for signal in chosen}
    if len(rates) > 1:
        slow = {
            signal.name: f"{signal.n_samples / header.record_seconds:g} Hz"
            for signal in chosen
            if signal.n_samples < max(rates)
        }
        warnings.warn(
            f"{header.path}: channels are stored at different rates; {slow} are interpolated to "
            f"{max(rates) / header.record_seconds:g} Hz. Choose others by `channels` if this is "
            "not wanted.",
            stacklevel=5,
        )
    return chosen


def _find(header, signals, name):
    for names in (
        {signal: (signal.name, signal.label) for signal in signals},
        {signal: (_without_eeg(signal.name), _without_eeg(signal.label)) for signal in signals},
    ):
        found = [signal for signal in signals if name in names[signal]]
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(
                f"{header.path} has {len(found)} channels {name!r}; choose by "
                f"{[signal.name for signal in found]}."
            )
    raise ValueError(
        f"{header.path} has no channels {[name]}; it has {[signal.name for signal in signals]}."
    )


def _scale(raw, chosen, header):
    """Bring channels to V where MNE does not know the unit, and refuse those without a scale."""
    unclear = {}
    for signal in chosen:
        low, high = signal.physical
        if low == high or signal.digital[0] == signal.digital[1]:
            raise ValueError(
                f"{header.path}, channel {signal.name}: its header gives a physical range of "
                f"{low:g} to {high:g} and a digital range of {signal.digital[0]:g} to "
                f"{signal.digital[1]:g}, which is no scale. Leave it out by `channels`."
            )
        known = VOLTS.get(_plain_unit(signal.unit))
        if known is None:
            if not signal.unit and max(abs(low), abs(high)) >= 1:
                # EEG never reaches a volt, and other numbers than µV are not written in practice.
                known = 1e-6
            else:
                known = 1.0
                unclear[signal.name] = signal.unit
        factor = known / _factor_of_mne(signal.unit)
        if factor != 1:
            raw.apply_function(
                lambda x, factor=factor: x * factor, picks=[raw.ch_names.index(signal.name)]
            )
    if unclear:
        warnings.warn(
            f"{header.path}: channels whose unit is no voltage: {unclear}. Their values are taken "
            "as V; choose others by `channels`, or standardise.",
            stacklevel=5,
        )


def _plain_unit(unit):
    unit = unit.replace("\x83\xca", "u").replace("\u03bc", "u").replace("\u00b5", "u")
    unit = re.sub("^(?:micro|mk)", "u", unit, flags=re.IGNORECASE)
    unit = re.sub("^milli", "m", unit, flags=re.IGNORECASE)
    unit = re.sub("volts?$", "V", unit, flags=re.IGNORECASE)
    # "MV" is not a unit of EEG in any other sense.
    return unit.replace(" ", "").casefold()


def _factor_of_mne(unit):
    """Look up what MNE multiplies values by."""
    return {"uV": 1e-6, "\u03bcV": 1e-6, "\u00b5V": 1e-6, "\x83\xcaV": 1e-6, "mV": 1e-3}.get(
        unit, 1
    )


def _find_segments(header, record_onsets, raw):
    """Find the pauses of a recording by the times of its records.

    Returns the segments, and when the first record begins in s after the start in the header.
    """
    length = raw.n_times / raw.info["sfreq"]
    whole = Segments.from_joints([], length)
    usable = len(record_onsets) > 0 and np.isfinite(record_onsets).all()
    steps = np.diff(record_onsets) - header.record_seconds
    # Half a sample, or what rounding of the written times can be.
    tolerance = max(0.5 / raw.info["sfreq"], 0.01)
    if header.discontinuous and (not usable or (steps < -tolerance).any()):
        raise ValueError(
            f"{header.path} is a recording with pauses (EDF+D), but its records have "
            f"{'times that run backwards' if usable else 'no times'}, so that nobody can say "
            "which samples a stage belongs to."
        )
    if not usable or (steps < -tolerance).any():
        return whole, 0.0
    first = float(record_onsets[0])
    if not (header.discontinuous or 0 <= first < 1):
        return whole, 0.0
    starts = np.flatnonzero(np.append(True, steps > tolerance))
    onsets = starts * header.record_seconds
    lengths = np.diff(onsets, append=length)
    return Segments(record_onsets[starts] - first, onsets, lengths), first


def _clock_shift(header, scorer, hypnogram_start, first, scored):
    """Find how many s onsets of the hypnogram have to be moved to count from the first sample."""
    begin = scored.record_onsets[0] if len(scored.record_onsets) else 0.0
    begin = begin if 0 <= begin < 1 else 0.0
    if hypnogram_start == "recording" or header.time is None or scorer.time is None:
        return -begin
    shift = (scorer.time - header.time).total_seconds()
    if header.date is not None and scorer.date is not None:
        return shift + (scorer.date - header.date).total_seconds() - first
    if header.date is None and scorer.date is None:
        # Without dates, the hypnogram of a night began at most half a day before or after.
        return (shift + 43200) % 86400 - 43200 - first
    if shift:
        warnings.warn(
            f"{header.path} begins {_start_in_words(header)}, {scorer.path} "
            f"{_start_in_words(scorer)}: with one date alone they cannot be compared, and the "
            "hypnogram is taken to begin with the recording. Give hypnogram_start='recording' if "
            "this is right.",
            stacklevel=4,
        )
    return -begin


def _start_in_words(header):
    if header.time is None:
        return "at an unknown time"
    clock = (datetime.datetime.min + header.time).time()
    return f"at {clock}" if header.date is None else f"on {header.date} at {clock}"


def _annotate(raw, onsets, durations, labels, segments):
    """Set as annotations what lies within the signal; joints get MNE's marks."""
    import mne

    rows = [(start, 0.0, mark) for start in segments.onsets[1:] for mark in _JOINT]
    for onset, duration, label in zip(onsets, durations, labels, strict=True):
        for _, start, length in segments.place(onset, duration):
            rows.append((start, length, label))
    raw.set_annotations(mne.Annotations(*zip(*rows, strict=True)), emit_warning=False)


_JOINT = ("BAD boundary", "EDGE boundary")
