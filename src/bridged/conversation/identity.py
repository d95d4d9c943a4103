"""Who may be told what: levels, codes by e-mail, attempts (product.md 4.3). Decisions only; times are UTC.

Level 0: nobody we know, or more than one; level 1: the one customer who holds the number or id on a channel that proves
it; level 2: they also read a code sent to the e-mail address that Stripe has of them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

CODE_DIGITS = 6
CODE_LASTS = timedelta(minutes=10)
VERIFIED_FOR = timedelta(minutes=30)
TRIES = 3
TRIES_WITHIN = timedelta(minutes=10)
LOCKED_FOR = timedelta(hours=24)
SENT_EVERY = timedelta(minutes=1)
MOST_SENT = 5
"""Codes that go to one customer in a day, whoever asks for them: nobody's mailbox is filled from here."""
MOST_WRONG = 9
"""Wrong codes for one customer in a day, from all numbers together."""
A_DAY = timedelta(days=1)
BOUND_FOR = timedelta(days=90)
"""After this a number must be proved again: it may have gone to somebody else."""
IDLE_AFTER = timedelta(days=180)
"""A customer of whom nothing was heard for so long may have given the number up."""

Standing = Literal[0, 1, 2]
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of who writes. `owners`: customers that have the number or id; `bound`: the one this thread proved
    to be, since `bound_at`; `verified_until`: to when their proof lasts; `active_at`: when the only owner last paid,
    subscribed or wrote; `strict`: the merchant wants a proof for everything.
    """

    owners: Sequence[str]
    bound: str | None = None
    bound_at: datetime | None = None
    verified_until: datetime | None = None
    active_at: datetime | None = None
    strict: bool = False


def standing(known: Known, now: datetime) -> tuple[str | None, Standing]:
    """The customer who writes, and what they may be told."""
    proved = known.verified_until is not None and now < known.verified_until
    if known.bound is not None and (known.bound in known.owners or not known.owners):
        if proved:
            return known.bound, 2
        recent = known.bound_at is not None and now - known.bound_at <= BOUND_FOR
        if recent and not known.strict:
            return known.bound, 1
        return known.bound, 0
    if len(known.owners) != 1:
        return None, 0
    idle = known.active_at is None or now - known.active_at > IDLE_AFTER
    return known.owners[0], 0 if known.strict or idle else 1


# --- codes ---


@dataclass(frozen=True, slots=True)
class Verification:
    """A code that was sent, or, with `customer_id` None, one that never was: both are spoken of alike."""

    customer_id: str | None = None
    email_hash: str | None = None
    code_hash: str | None = None
    sent_at: datetime | None = None
    tries: tuple[datetime, ...] = ()
    locked_until: datetime | None = None


Outcome = Literal["verified", "wrong", "over", "locked"]


def locked(held: Verification, now: datetime) -> bool:
    """Whether nothing may be tried or sent now."""
    return held.locked_until is not None and now < held.locked_until


def may_send(held: Verification, now: datetime) -> bool:
    """Whether a (further) code may be sent now."""
    return not locked(held, now) and (held.sent_at is None or now - held.sent_at >= SENT_EVERY)


def sent(
    held: Verification, customer_id: str | None, email: str | None, code: str, pepper: bytes, now: datetime
) -> Verification:
    """After a code was sent, or after nothing was, to an address that is nobody's."""
    hashed = hash_of(code, pepper) if customer_id is not None else None
    address = hash_of(email.strip().lower(), pepper) if email and customer_id is not None else None
    return replace(held, customer_id=customer_id, email_hash=address, code_hash=hashed, sent_at=now)


def tried(
    held: Verification, code: str, email_now: str | None, pepper: bytes, now: datetime
) -> tuple[Verification, Outcome]:
    """A code is tried. `email_now`: the address on file as it is now, which must be the one the code was sent to."""
    if locked(held, now):
        return held, "locked"
    if held.sent_at is None or now - held.sent_at > CODE_LASTS:
        return held, "over"
    recent = (*(each for each in held.tries if now - each < TRIES_WITHIN), now)
    right = held.code_hash is not None and hmac.compare_digest(hash_of(code, pepper), held.code_hash)
    same = held.email_hash is not None and hash_of((email_now or "").strip().lower(), pepper) == held.email_hash
    if right and same:
        return Verification(tries=recent), "verified"
    if len(recent) >= TRIES:
        return replace(held, tries=recent, code_hash=None, sent_at=None, locked_until=now + LOCKED_FOR), "locked"
    return replace(held, tries=recent), "wrong"


def hash_of(text: str, pepper: bytes) -> str:
    """Keyed: a million codes are quickly tried on a plain hash."""
    return hmac.new(pepper, text.encode(), hashlib.sha256).hexdigest()


def email_in(text: str) -> str | None:
    """The address somebody wrote."""
    found = _EMAIL.search(text)
    return found[0].strip(".").lower() if found else None
