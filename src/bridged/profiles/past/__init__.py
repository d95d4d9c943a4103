"""Moments of the past, and those that the time that comes makes, by sets."""
