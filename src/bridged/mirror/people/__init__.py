"""Customers looked up by what people know of them."""
