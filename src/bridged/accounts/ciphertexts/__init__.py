"""Everything that is encrypted by the keyset, and where it lies."""
