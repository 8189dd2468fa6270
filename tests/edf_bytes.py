"""EDF files by the byte: signals that tell the time, and headers as no library writes them."""

import numpy as np

SFREQ = 20


def write_psg(path, seconds, **options):
    """Write a signal whose value in µV is the number of the second within the file."""
    values = np.repeat(np.arange(seconds), SFREQ)
    return write_edf(path, {"EEG C3-A2": values}, **options)


def write_hypnogram(path, rows, **options):
    """Write annotations (onset, duration or None, text) as an EDF+ file without signals."""
    return write_edf(path, {}, annotations=rows, **options)


def write_edf(
    path,
    signals,
    *,
    annotations=None,
    start="01.01.8500.00.00",
    recording="Startdate X X X X",
    patient="X X X X",
    record_onsets=None,
    kind=None,
    unit="uV",
    physical=(-3276.8, 3276.7),
    pad=b" ",
    encoding="utf-8",
    rates=None,
):
    """Write an EDF or EDF+ file; a record has one second of signals.

    Parameters
    ----------
    signals : dict or list of tuple
        Label and integer values, in the physical unit, at `SFREQ` Hz or the one in `rates`.
    record_onsets : sequence of float, optional
        Times of the records, for a file with pauses.
    pad : bytes
        What fills the fields of the header.
    """
    signals = list(signals.items()) if isinstance(signals, dict) else list(signals)
    rates = rates or [SFREQ] * len(signals)
    n_records = len(signals[0][1]) // rates[0] if signals else 1
    plus = annotations is not None or record_onsets is not None
    records = [
        np.reshape(np.round(10 * np.asarray(values)), (n_records, rate))
        for (_, values), rate in zip(signals, rates, strict=True)
    ]
    if plus:
        times = range(n_records) if record_onsets is None else record_onsets
        texts = [b"+%g\x14\x14\0" % time for time in times]
        for onset, duration, text in annotations or []:
            length = b"" if duration is None else b"\x15%g" % duration
            texts[0] += b"%+.10g%b\x14%b\x14\0" % (onset, length, text.encode(encoding))
        size = 2 * (max(map(len, texts)) // 2 + 1)
        padded = b"".join(text.ljust(size, b"\0") for text in texts)
        records.append(np.frombuffer(padded, "<i2").reshape(n_records, -1))
        signals.append(("EDF Annotations", None))
    kind = kind or ("EDF+C" if plus else "")

    def field(text, width):
        return (text if isinstance(text, bytes) else str(text).encode("latin-1")).ljust(width, pad)

    n = len(signals)
    fixed = [("0", 8), (patient, 80), (recording, 80), (start[:8], 8), (start[8:], 8)]
    fixed += [(256 * (n + 1), 8), (kind, 44), (n_records, 8), (int(n > plus), 8), (n, 4)]
    low, high = physical
    columns = [
        ([label for label, _ in signals], 16),
        ([""] * n, 80),
        (["" if values is None else unit for _, values in signals], 8),
        ([-1 if values is None else low for _, values in signals], 8),
        ([1 if values is None else high for _, values in signals], 8),
        ([-32768] * n, 8),
        ([32767] * n, 8),
        ([""] * n, 80),
        ([part.shape[1] for part in records], 8),
        ([""] * n, 32),
    ]
    header = [field(*pair) for pair in fixed]
    header += [field(text, width) for texts, width in columns for text in texts]
    data = np.concatenate([part.astype("<i2") for part in records], axis=1)
    path.write_bytes(b"".join(header) + data.tobytes())
    return path
