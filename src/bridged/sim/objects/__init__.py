"""Builders of Stripe's objects in the shape of API version 2026-10-28.endive, every field present.

A builder returns a new dict over a shared template. Objects may share nested dicts: nothing stored is edited in place.
"""
