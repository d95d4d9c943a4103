"""Answering a customer's questions from their own data."""
