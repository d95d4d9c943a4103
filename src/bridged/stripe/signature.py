"""`Stripe-Signature`: who sent a webhook's body, and when (docs.stripe.com/webhooks, reference/stripe.md 4.3).

The header is `t=<unix seconds>,v1=<hex>[,v1=<hex>…]`, elements in any order; the hex is HMAC-SHA256 of `t.body` with
the whole secret, `whsec_` included, and any of several `v1` will do. Other schemes (`v0`: test events) prove nothing.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bridged.core.types import Secret

TOLERANCE = 300
"""Seconds by which the signature's time may differ from ours, in either direction: Stripe's own libraries' value."""
_LONGEST = 8192
_MOST_SIGNATURES = 32
_TIME = re.compile(rb"[0-9]{1,11}")
"""Up to the year 5138: what a stranger claims is kept in the log, where later moments are no dates."""
_HEX = re.compile(rb"[0-9a-f]{64}")


class Verdict(StrEnum):
    """What a signature proves, or why it proves nothing."""

    VALID = "valid"
    NO_HEADER = "no_header"
    BAD_SIGNATURE = "bad_signature"
    STALE = "stale"
    FUTURE = "future"


@dataclass(frozen=True, slots=True)
class Header:
    """What the header says: its time as sent, and its `v1` signatures; none of either if it says nothing usable."""

    sent: bytes
    signatures: tuple[bytes, ...]

    @property
    def at(self) -> int | None:
        """UTC seconds."""
        return int(self.sent) if self.sent else None


def read_header(raw: bytes | None) -> Header | None:
    """The header's elements; None if there is no header. Two times, or a time that is no number, are no time."""
    if raw is None or not raw.strip():
        return None
    if len(raw) > _LONGEST:
        return Header(b"", ())
    pairs = [(name, value) for name, _, value in (each.strip(b" \t").partition(b"=") for each in raw.split(b","))]
    times = [value for name, value in pairs if name == b"t"]
    signatures = tuple(value for name, value in pairs if name == b"v1" and _HEX.fullmatch(value))
    sent = times[0] if len(set(times)) == 1 and _TIME.fullmatch(times[0]) else b""
    return Header(sent, signatures[:_MOST_SIGNATURES])


def judge(header: Header | None, body: bytes, secrets: Iterable[Secret], now: float) -> Verdict:
    """Whether the body was signed with one of the secrets, about now (UTC seconds).

    The time is judged after the signature: what a stranger claims of it is not worth a word of its own.
    """
    if header is None:
        return Verdict.NO_HEADER
    if header.at is None or not proves(header, body, secrets):
        return Verdict.BAD_SIGNATURE
    if now - header.at > TOLERANCE:
        return Verdict.STALE
    return Verdict.FUTURE if header.at - now > TOLERANCE else Verdict.VALID


def proves(header: Header, body: bytes, secrets: Iterable[Secret]) -> bool:
    """Whether any signature is of any secret, whenever it was made. Compares in constant time."""
    signed = header.sent + b"." + body
    found = False
    for secret in secrets:
        expected = hmac.digest(secret.reveal().encode(), signed, "sha256").hex().encode()
        for given in header.signatures:
            found |= hmac.compare_digest(expected, given)
    return found
