"""Moments that the time that comes makes, and those that the past would have made."""
