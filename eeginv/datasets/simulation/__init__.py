"""Simulated nights of sleep EEG, whose invariances are known."""
