"""Figures of the overview: what they are, by day, and how they are kept."""
