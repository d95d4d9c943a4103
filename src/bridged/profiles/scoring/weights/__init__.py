"""The weights of a connection: a draft, and the versions that were published."""
