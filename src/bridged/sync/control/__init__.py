"""Steering syncs: their settings, what a person asks of one under way, how far it is, and the history."""
