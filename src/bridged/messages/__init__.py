"""Messages: the inbox of what Stripe delivers."""
