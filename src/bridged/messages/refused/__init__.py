"""Refused deliveries that may be Stripe's after all."""
