"""Connecting a Stripe account: what the key may do, whose account it is, what to tell the person."""
