"""Conversion of annotations of sleep stages to bouts of stages."""
