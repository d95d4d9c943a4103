"""Builders of Stripe's objects in the shape of API version 2026-10-28.endive, every field present.

A builder returns a new dict over a shared template. Nested dicts may be shared between objects: nothing stored is ever edited in place.
"""
