"""What OAuth means for the person who connects by it: where it leads, what it may, what looks wrong afterwards."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from bridged.connect.probe import Warned

CALLBACK = "/integrations/stripe/oauth/callback"
Empty = Literal["yes", "no", "unknown"]

SINGLE_PLATFORM = (
    "Only one platform can be connected with read and write access to a Stripe account that another platform controls. "
    "If yours is such an account (it was made by a shop system, say), Stripe will offer to make a new, empty one "
    "instead: then go back and connect with a restricted API key, to which this rule does not apply."
)
"""Stripe's rule, said where it applies and nowhere else: `read_write` by OAuth (reference 1.8)."""


def undoable(redirect: str, *, livemode: bool) -> str | None:
    """Why Stripe would not send people back to this address; None when it may."""
    if livemode and urlsplit(redirect).scheme != "https":
        return f"In live mode Stripe sends people back to https addresses only, and ours is {redirect}."
    return None


def account_warnings(empty: Empty, account_id: str, name: str | None) -> list[Warned]:
    """An account without anything in it is seldom the one that was meant."""
    if empty != "yes":
        return []
    return [
        Warned(
            "account_empty",
            f"The account that was authorised is empty: {account_id}{f' ({name})' if name else ''} has no customers, "
            "subscriptions, invoices or charges.",
            "If you expected your own data, Stripe made a new account because another platform controls yours: "
            "disconnect this one and connect yours with a restricted API key.",
        )
    ]
