"""Measures of the whole installation, across tenants: numbers under the ids of connections."""
