"""Message templates as the channels know them."""
