"""Policies: distributions over transforms that can be read, saved and plotted."""

from .entry import PolicyEntry
from .policy import Policy

__all__ = ["Policy", "PolicyEntry"]
