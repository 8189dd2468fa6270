"""Searches by trials: policies are proposed in rounds, and each is scored on held-out windows."""
