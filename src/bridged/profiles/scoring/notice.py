"""An announcement to the merchant's own webhook: where it may go, its body, its signature, when it is tried again."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit

import orjson

from bridged.core.errors import UsageError
from bridged.core.types import Secret

KIND = "score.band_changed"
ATTEMPTS = 12
"""Tries before an announcement is given up: a little over a day."""
_FIRST, _LONGEST = timedelta(seconds=30), timedelta(hours=6)
_LONGEST_URL = 2000
_SHOWN = 3
_GONE = 410


def checked(url: str, *, private: bool) -> str:
    """The address, if it may be announced to. `private`: the operator's own network and machine are allowed too.

    Raises UsageError.
    """
    parts = _split(url)
    host = parts.hostname or ""
    if not host or parts.scheme not in {"http", "https"} or len(url) > _LONGEST_URL or not url.isprintable():
        raise UsageError("That is not a web address.", hint="Write it like https://crm.example.com/hooks/bridged.")
    if parts.username or parts.password or parts.fragment:
        raise UsageError(
            "The address carries credentials or a fragment.", hint="The signature shows who sent an announcement."
        )
    if loopback(host):
        # Other services of the machine trust whoever reaches them there: no tenant may by our hand.
        if not private:
            raise UsageError(f"{host} is this machine itself.", hint="BRIDGED_PRIVATE_WEBHOOKS=allow permits it.")
        return url
    if parts.scheme == "http":
        raise UsageError("An announcement would travel in clear.", hint="Use https; http is for this machine only.")
    address = _address(host)
    if address is not None and not (private or reachable(address)):
        raise UsageError(
            f"{host} is an address of a private network.", hint="BRIDGED_PRIVATE_WEBHOOKS=allow permits those."
        )
    return url


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts


def _address(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def loopback(host: str) -> bool:
    """Whether a host of an address names this machine and says so itself."""
    return host in {"localhost", "::1"} or (_address(host) or "").startswith("127.")


def reachable(address: str) -> bool:
    """Whether an IP address is one of the public internet. An IPv6 address that carries an IPv4 one is judged by it."""
    found = ipaddress.ip_address(address.partition("%")[0])
    inner = None
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    return (inner or found).is_global and not (inner or found).is_multicast


def body(announcement_id: str, connection_id: str, payload: Mapping[str, Any], created_at: datetime) -> bytes:
    """What is sent, the same at each try: one JSON document. The strongest reasons, at most three, stand for all."""
    reasons = sorted(payload["contributions"], key=lambda each: (-abs(each["points"]), each["factor"]))[:_SHOWN]
    data = {name: each for name, each in payload.items() if name != "contributions"}
    document = {
        "id": announcement_id,
        "type": KIND,
        "created": int(created_at.astimezone(UTC).timestamp()),
        "connection": connection_id,
        "data": data | {"reasons": [{name: each[name] for name in ("factor", "points", "why")} for each in reasons]},
    }
    return orjson.dumps(document)


def signature(secret: Secret, sent: bytes, at: int) -> str:
    """The header `Bridged-Signature`: HMAC-SHA256 of `{at}.{body}`, `at` in Unix seconds, as Stripe signs its own."""
    digest = hmac.new(secret.reveal().encode(), f"{at}.".encode() + sent, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def delivered(status: int | None) -> bool:
    """Whether the answer says that the announcement arrived. A redirect is not followed and says no."""
    return status is not None and 200 <= status < 300


def again_at(attempts: int, status: int | None, now: datetime) -> datetime | None:
    """When to try again after so many tries; None: not any more. Each wait is twice the last, up to six hours."""
    if attempts >= ATTEMPTS or status == _GONE:
        return None
    return now + min(_LONGEST, _FIRST * 2 ** max(0, attempts - 1))
