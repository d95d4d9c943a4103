"""The sentences of the answers, one module per language, all with the same keys."""
