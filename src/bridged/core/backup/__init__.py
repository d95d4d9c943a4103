"""Backups of the embedded database: a file of encrypted parts and a manifest, taken while everything runs."""
