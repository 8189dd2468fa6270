"""Reading of the annotations of an EDF+ file, and of the times of its records."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from .header import ANNOTATIONS, EdfHeader

# Onset, duration after the byte 21, texts after the byte 20. The standard requires a sign and a
# decimal point, but not all programs write them.
TAL = re.compile(rb"([+-]?\d+(?:[.,]\d*)?)(?:\x15(\d*(?:[.,]\d*)?))?\x14(.*)", re.DOTALL)


class EdfAnnotations(NamedTuple):
    """Annotations of a file, with times in s after the start time in the header.

    Parameters
    ----------
    onsets, durations : ndarray, shape (n_annotations,)
        Onset and duration of each annotation.
    labels : list of str
        Descriptions.
    record_onsets : ndarray, shape (n_records,)
        Onset of each record, NaN if it is not known.
    """

    onsets: np.ndarray
    durations: np.ndarray
    labels: list[str]
    record_onsets: np.ndarray


def read_annotations(header: EdfHeader, *, strict: bool = True) -> EdfAnnotations:
    """Read the annotations of an EDF+ file.

    Parameters
    ----------
    header : EdfHeader
        Header of the file.
    strict : bool
        Whether text that is not an annotation is an error. Otherwise, it is ignored.

    Returns
    -------
    annotations : EdfAnnotations
        The annotations, empty if there are none. Texts are decoded as UTF-8, the encoding of EDF+,
        or as Latin-1 if that fails.

    Raises
    ------
    ValueError
        If an annotation cannot be parsed.
    """
    record_onsets = np.full(header.n_records, np.nan)
    rows: list[tuple[float, float, str]] = []
    starts = np.cumsum([0] + [signal.n_samples for signal in header.signals])
    indices = [i for i, signal in enumerate(header.signals) if signal.label == ANNOTATIONS]
    if indices and header.n_records:
        shape = (header.n_records, header.samples_per_record)
        records = np.memmap(header.path, "<i2", "r", offset=header.n_bytes, shape=shape)
    for number, i in enumerate(indices):
        part = np.ascontiguousarray(records[:, starts[i] : starts[i + 1]])
        if number == 0:
            record_onsets = _record_onsets(part)
        # Joined, because some programs continue an annotation in the next record.
        for piece in part.tobytes().split(b"\0"):
            if not piece.strip():
                continue
            match = TAL.fullmatch(piece)
            if match is None and strict:
                raise ValueError(
                    f"{header.path}: {piece[:60]!r} is not an annotation of EDF+. The file is "
                    "damaged, or was written by a program that does not follow EDF+."
                )
            if match is None:
                continue
            duration = _number(match[2]) if match[2] else 0.0
            rows += [
                (_number(match[1]), duration, _decode(text).strip())
                for text in match[3].split(b"\x14")
                if text.strip()
            ]
    return EdfAnnotations(
        np.array([onset for onset, _, _ in rows], dtype=float),
        np.array([duration for _, duration, _ in rows], dtype=float),
        [label for _, _, label in rows],
        record_onsets,
    )


def _record_onsets(part: np.ndarray) -> np.ndarray:
    """Read the onset in the first annotation of each record, part of shape (n_records, n)."""
    onsets = np.full(len(part), np.nan)
    for i, record in enumerate(part):
        match = re.match(rb"([+-]?\d+(?:[.,]\d*)?)\x14\x14", record[:32].tobytes())
        if match:
            onsets[i] = _number(match[1])
    return onsets


def _number(digits: bytes) -> float:
    return float(digits.replace(b",", b"."))


def _decode(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")
