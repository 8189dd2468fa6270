"""Readers: each leads from one form that data come in to labelled windows."""
