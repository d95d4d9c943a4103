"""Changes to objects at Stripe: previewed, allowed, sent under one idempotency key, recorded."""
