"""The objects of many customers, read from the mirror in few statements."""
