"""The schema's history: plain SQL files, run by `core.migrate`."""
