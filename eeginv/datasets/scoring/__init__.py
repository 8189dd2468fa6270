"""From the annotations of a scorer to bouts of stages."""
