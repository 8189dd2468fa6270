"""Reading of the header of an EDF, EDF+ or BDF file, tolerant of small deviations."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ..._typing import PathLike

# Widths in bytes of the fields before those of the signals.
FIXED_WIDTHS = (8, 80, 80, 8, 8, 8, 44, 8, 8, 4)
# Widths in bytes of label, transducer, unit, ranges, filters, samples and reserved field.
SIGNAL_WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
ANNOTATIONS = "EDF Annotations"
BDF = b"\xffBIOSEMI"  # how a file with samples of 24 instead of 16 bits begins

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
# Dates that programs write if the date is unknown or was removed.
PLACEHOLDERS = {datetime.date(year, 1, 1) for year in (1970, 1985, 2000, 2001)}


class Signal(NamedTuple):
    """Header of one signal. The name is the label, made unique as in MNE."""

    label: str
    name: str
    unit: str
    physical: tuple[float, float]
    digital: tuple[float, float]
    n_samples: int


class EdfHeader(NamedTuple):
    """Header of one file.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    patient : str
        Identification of the patient.
    date, time : datetime.date | None, datetime.timedelta | None
        Start of the recording. None if unknown.
    discontinuous : bool
        Whether the recording may have pauses (EDF+D, BDF+D).
    n_bytes : int
        Length of the header.
    n_records, n_records_promised : int
        Number of records in the file, and according to its header.
    record_seconds : float
        Length of a record in s.
    signals : list of Signal
        All signals, including annotations.
    clean : bytes | None
        Header without bytes that MNE cannot read (such as NUL padding). None if there are none.
    """

    path: Path
    patient: str
    date: datetime.date | None
    time: datetime.timedelta | None
    discontinuous: bool
    n_bytes: int
    n_records: int
    n_records_promised: int
    record_seconds: float
    signals: list[Signal]
    clean: bytes | None

    @property
    def samples_per_record(self) -> int:
        """Number of samples of all signals in one record."""
        return sum(signal.n_samples for signal in self.signals)


def read_header(path: PathLike) -> EdfHeader:
    """Read the header of a file, and check the length of the file.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    header : EdfHeader
        The header.

    Raises
    ------
    ValueError
        If the file is neither EDF nor BDF, or is shorter than its header announces. The message
        names it.
    """
    path = Path(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        fixed = file.read(256)
        if len(fixed) < 256:
            raise ValueError(f"{path} is truncated: {size} bytes, less than an EDF header has.")
        fields = [_text(part) for part in _split(fixed, FIXED_WIDTHS)]
        try:
            n_bytes, n_records, n_signals = int(fields[5]), int(fields[7]), int(fields[9])
            record_seconds = _number(fields[8])
        except ValueError as error:
            raise ValueError(f"{path} is not an EDF file: its header is not readable.") from error
        if n_signals < 1 or n_bytes != 256 * (n_signals + 1):
            raise ValueError(
                f"{path} is not an EDF file: its header announces {n_signals} signals and "
                f"{n_bytes} bytes of header, where {256 * (n_signals + 1)} are needed."
            )
        table = file.read(256 * n_signals)
    if size < n_bytes:
        raise ValueError(
            f"{path} is truncated: its header should have {n_bytes} bytes, it has {size}."
        )
    signals = _read_signals(path, table, n_signals)
    sample_bytes = 3 if fixed.startswith(BDF) else 2
    record_bytes = sample_bytes * sum(signal.n_samples for signal in signals)
    expected = n_bytes + record_bytes * max(n_records, 0)
    if size < expected:
        raise ValueError(
            f"{path} is truncated: its header promises {expected} bytes, it has {size}. "
            "Get the file again."
        )
    date, time = _start(*fields[2:5])
    return EdfHeader(
        path=path,
        patient=fields[1],
        date=date,
        time=time,
        discontinuous=fields[6].upper().startswith(("EDF+D", "BDF+D")),
        n_bytes=n_bytes,
        n_records=(size - n_bytes) // record_bytes if record_bytes else 0,
        n_records_promised=n_records,
        record_seconds=record_seconds,
        signals=signals,
        clean=_clean(fixed, table, n_signals),
    )


def _split(content: bytes, widths: tuple[int, ...]) -> list[bytes]:
    ends = np.cumsum(widths)
    return [content[end - width : end] for end, width in zip(ends, widths, strict=True)]


def _text(field: bytes) -> str:
    """Decode a field. Some programs pad with NUL instead of spaces, or leave bytes after it."""
    return field.decode("latin-1").lstrip("\0 ").split("\0")[0].strip()


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _columns(table: bytes, n_signals: int) -> list[list[bytes]]:
    """Split the table of fields. It stores each field for all signals."""
    columns, start = [], 0
    for width in SIGNAL_WIDTHS:
        columns.append([table[start + width * i :][:width] for i in range(n_signals)])
        start += width * n_signals
    return columns


def _read_signals(path: Path, table: bytes, n_signals: int) -> list[Signal]:
    columns = [[_text(field) for field in column] for column in _columns(table, n_signals)]
    labels = columns[0]
    names = []
    for i, label in enumerate(labels):
        # Labels that occur more than once are numbered as in MNE.
        names.append(f"{label}-{labels[:i].count(label)}" if labels.count(label) > 1 else label)
    signals = []
    for i, label in enumerate(labels):
        try:
            low, high, least, most = (_number(columns[k][i]) for k in (3, 4, 5, 6))
            n_samples = int(columns[8][i])
        except ValueError as error:
            raise ValueError(
                f"{path} is not an EDF file: ranges or number of samples of its signal "
                f"{label!r} are not readable ({error})."
            ) from error
        signals.append(
            Signal(label, names[i], columns[2][i], (low, high), (least, most), n_samples)
        )
    return signals


def _start(
    recording: str, date: str, time: str
) -> tuple[datetime.date | None, datetime.timedelta | None]:
    """Read start date and time of a recording. None means unknown."""
    parts = re.fullmatch(r"(\d{1,2})[.:/-](\d{1,2})[.:/-](\d{2})", date)
    day = None
    if parts:
        numbers = [int(part) for part in parts.groups()]
        # Two-digit years are 1985 to 2084.
        year = numbers[2] + (1900 if numbers[2] >= 85 else 2000)
        day = _date(year, numbers[1], numbers[0])
    long = re.match(r"startdate (\d{1,2})-([a-z]{3})-(\d{4})\b", recording, re.IGNORECASE)
    if long and long[2].upper() in MONTHS:
        # The date of EDF+ has a four-digit year.
        day = _date(int(long[3]), MONTHS.index(long[2].upper()) + 1, int(long[1])) or day
    if day in PLACEHOLDERS:
        day = None
    parts = re.fullmatch(r"(\d{1,2})[.:](\d{1,2})[.:](\d{1,2})", time)
    clock = None
    if parts:
        hours, minutes, seconds = (int(part) for part in parts.groups())
        if hours < 24 and minutes < 60 and seconds < 61:
            clock = datetime.timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if day is None and not clock:
        # Midnight with an invalid date means that nothing was entered.
        clock = None
    return day, clock


def _date(year: int, month: int, day: int) -> datetime.date | None:
    try:
        return datetime.date(year, month, day)
    except ValueError:
        return None


def _clean(fixed: bytes, table: bytes, n_signals: int) -> bytes | None:
    """Rewrite a header with bytes that MNE cannot read, or reads as another unit."""
    content = fixed + table
    printable = re.fullmatch(rb"[\x20-\x7e\xa0-\xff]*", content)
    if printable and table[-32 * n_signals :].isascii() and b"," not in fixed[236:]:
        return None
    numeric = {5, 7, 8, 9}
    parts = [
        _padded(field, width, i in numeric)
        for i, (field, width) in enumerate(
            zip(_split(fixed, FIXED_WIDTHS), FIXED_WIDTHS, strict=True)
        )
    ]
    for i, (column, width) in enumerate(
        zip(_columns(table, n_signals), SIGNAL_WIDTHS, strict=True)
    ):
        # The last field is reserved and not used.
        parts += [
            b" " * width if i == 9 else _padded(field, width, 3 <= i <= 6 or i == 8)
            for field in column
        ]
    return b"".join(parts)


def _padded(field: bytes, width: int, numeric: bool) -> bytes:
    text = _text(field)
    if numeric:
        text = text.replace(",", ".")
    return text.encode("latin-1").ljust(width)
