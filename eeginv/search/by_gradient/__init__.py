"""Searches that follow a gradient of the policy, epoch by epoch."""
