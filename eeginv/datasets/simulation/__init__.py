"""Simulated nights of sleep EEG with known invariances."""
