"""Warnings about the annotations of a dataset, one of each kind."""

from __future__ import annotations

import warnings
from collections import Counter

from .epochs import UNDERSTOOD, Scoring


class Remarks:
    """Collects problems in the scoring of all recordings, and gives one warning of each kind."""

    def __init__(self) -> None:
        self.strange: Counter[str] = Counter()
        self.without: Counter[str] = Counter()
        self.inferred: list[str] = []
        self.strange_in: list[str] = []
        self.without_in: list[str] = []

    def add(self, scoring: Scoring, name: str) -> None:
        """Add the problems of one recording.

        Parameters
        ----------
        scoring : Scoring
            Scoring of the recording.
        name : str
            Name of the recording.
        """
        strange = Counter(
            epoch.label for epoch in scoring.epochs if epoch.meaning not in UNDERSTOOD
        )
        if strange:
            self.strange += strange
            self.strange_in.append(name)
        if scoring.without_duration:
            self.without += scoring.without_duration
            self.without_in.append(name)
        if scoring.inferred:
            self.inferred.append(f"{name}: {scoring.inferred}")

    def warn(self) -> None:
        """Give the warnings, with the line that made the dataset as their source."""
        if self.strange:
            self._warn(
                f"Annotations that look like stages but are not known were left out: "
                f"{_list(self.strange)} in {_shorten(self.strange_in)}. Rename them to "
                "'Sleep stage W', '1', '2', '3', 'R' or '?' if they are stages."
            )
        if self.without:
            self._warn(
                f"Stages of unknown duration were left out: "
                f"{_list(self.without)} in {_shorten(self.without_in)}. Give them a duration."
            )
        if self.inferred:
            self._warn(f"No stage has a duration in {_shorten(self.inferred)}.")

    @staticmethod
    def _warn(message: str) -> None:
        warnings.warn(message, stacklevel=4)


def _list(counter: Counter[str]) -> str:
    return ", ".join(f"{label!r} ({number})" for label, number in sorted(counter.items()))


def _shorten(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more
