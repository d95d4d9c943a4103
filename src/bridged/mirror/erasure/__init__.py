"""What is erased for good: tombstones from the end of time."""

NEVER = 221_845_392_000
"""The year 9000 in UTC seconds. A row known from later on was erased: nothing that happens is news to it."""
