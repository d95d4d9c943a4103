"""Credentials of a connection besides its API key, by the name of their field."""
