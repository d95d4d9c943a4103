"""Bridged for Stripe: an exact mirror of a Stripe account, put to work in conversations."""

__version__ = "0.2.0"
