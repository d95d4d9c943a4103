"""Channels: what leaves for customers and for the merchant's own systems."""
