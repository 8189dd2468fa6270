"""Readers of data in different forms, which return labelled windows."""
