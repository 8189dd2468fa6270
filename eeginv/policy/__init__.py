"""Policies: distributions over transformations, as values that can be read, saved and plotted."""

from .entry import PolicyEntry
from .policy import Policy

__all__ = ["Policy", "PolicyEntry"]
