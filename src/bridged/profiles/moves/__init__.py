"""The table of moves of monthly revenue."""
