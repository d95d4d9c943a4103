"""Connecting by OAuth: the state that ties a person's way to Stripe and back together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from bridged.accounts.life import Access

OAUTH: Final = "oauth"
"""The kind of key of a connection that the platform's key opens; what is kept as its key is the account's id."""
LASTS = timedelta(minutes=30)
"""From being sent to Stripe until coming back: signing in there may take a while."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What a person was sent to Stripe for: `scope` is what Stripe was asked, `access` what we shall do with it."""

    livemode: bool
    scope: Access
    access: Access
