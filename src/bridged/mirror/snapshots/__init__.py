"""Events' snapshots going into the mirror."""
