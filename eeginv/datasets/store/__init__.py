"""Windows that are prepared once and stay on disk."""
