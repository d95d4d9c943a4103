"""API keys of the simulated world: whom they belong to, what they may do, and Stripe's words when they may not."""

from __future__ import annotations

from dataclasses import dataclass

_GRANTED_BY = {"accounts_kyc_basic_read": "connected_account_read"}


@dataclass
class Key:
    """`permissions` is None for a secret key; a restricted key's names come without `rak_`; write includes read."""

    text: str
    account_id: str
    livemode: bool
    permissions: frozenset[str] | None = None
    expired: bool = False
    allowed_ips: tuple[str, ...] | None = None

    @property
    def masked(self) -> str:
        return mask(self.text)

    def may(self, permission: str) -> bool:
        if self.permissions is None or _GRANTED_BY.get(permission) in self.permissions:
            return True
        write = permission.removesuffix("_read") + "_write" if permission.endswith("_read") else permission
        return permission in self.permissions or write in self.permissions


def mask(text: str) -> str:
    """A key as error messages and logs show it: `sk_test_****abcd`."""
    head = "_".join(text.split("_")[:2]) + "_" if text.count("_") >= 2 else text[:3]
    hidden = max(len(text) - len(head) - 4, 0)
    return f"{head}{'*' * hidden}{text[-4:]}" if hidden else "*" * len(text)
