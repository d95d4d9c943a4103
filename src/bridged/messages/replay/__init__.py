"""Applying events of the inbox once more."""
