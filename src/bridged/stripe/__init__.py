"""Talking to Stripe: keys, the paced client and what its answers mean. Knows paths and pages, no tables."""
