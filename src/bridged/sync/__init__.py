"""Keeping the mirror equal to Stripe: planning, backfill and refreshing one customer."""
