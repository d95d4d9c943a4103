"""The table of sums by day."""
