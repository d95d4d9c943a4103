"""People and what they may do: roles, sessions, links that work once, and how guessing is slowed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bridged.core.errors import Forbidden, UsageError

Role = Literal["viewer", "operator", "admin", "owner"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin", "owner")
"""Each may what those before it may."""
_SCOPE: dict[str, str] = {"viewer": "read", "operator": "write", "admin": "admin", "owner": "admin"}

Purpose = Literal["owner", "invitation", "reset", "visit"]
LINK_LASTS: dict[str, timedelta] = {
    "owner": timedelta(days=1),
    "invitation": timedelta(days=7),
    "reset": timedelta(hours=4),
    "visit": timedelta(hours=12),
}
IDLE = timedelta(hours=12)
"""A session that was not used for so long has ended."""
ABSOLUTE = timedelta(days=14)
"""No session lasts longer."""
TOTP_FIELD = "totp"
"""What the ciphertext of a second factor is bound to, beside its user; its workspace is 0."""
SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 500
_FREE_FAILURES = 5
_FIRST_BLOCK = timedelta(seconds=10)
_LONGEST_BLOCK = timedelta(minutes=15)
_FORGOTTEN = timedelta(hours=6)
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,200}@[^@\s\x00-\x1f.]+(\.[^@\s\x00-\x1f.]+)*")


@dataclass(frozen=True, slots=True)
class Person:
    """A member of a workspace."""

    user_id: str
    email: str
    role: Role
    since: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept of somebody who wants to sign in."""

    id: str
    email: str
    password_hash: str | None
    totp: bytes | None
    totp_step: int


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in user at work in a workspace, with the role they have there now."""

    workspace_id: int
    id: str
    user_id: str
    email: str
    role: Role
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session as its user may see it."""

    id: str
    created_at: datetime
    seen_at: datetime
    ends_at: datetime
    address: str | None
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """A workspace a user belongs to, and as what."""

    workspace_id: int
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Link:
    """A link that was not used yet. `email` None: whoever opens it says theirs."""

    workspace_id: int
    workspace: str
    id: str
    purpose: Purpose
    email: str | None
    role: Role | None


@dataclass(frozen=True, slots=True)
class Failures:
    """How often signing in failed lately, for one account or from one address."""

    count: int
    last: datetime
    blocked_until: datetime

    def after(self, now: datetime) -> Failures:
        """One more. The first five are free; then each wait is twice the last, up to a quarter of an hour."""
        count = 1 if now - self.last > _FORGOTTEN else self.count + 1
        over = count - _FREE_FAILURES
        wait = min(_LONGEST_BLOCK, _FIRST_BLOCK * 2 ** min(over - 1, 12)) if over > 0 else timedelta()
        return Failures(count, now, now + wait)


def scope_of(role: Role) -> str:
    """The highest of the scopes that a role has."""
    return _SCOPE[role]


def check_grant(actor: Role | None, before: Role | None, after: Role | None) -> None:
    """Whether somebody may give, change or take away a role; None as actor: the command line, which may.

    An admin decides about all but owners; only an owner about owners. Raises Forbidden.
    """
    if actor is None or actor == "owner":
        return
    if actor != "admin":
        raise Forbidden("Only an owner or an admin decides who belongs to a workspace.", hint="Ask one of them.")
    if "owner" in {before, after}:
        raise Forbidden("Only an owner makes or removes owners.", hint="Ask an owner of this workspace.")


def read_role(given: str) -> Role:
    """Raises UsageError naming the known ones."""
    for role in ROLES:
        if given == role:
            return role
    raise UsageError(f"{given!r} is not a role.", hint=f"One of {', '.join(ROLES)}.")


def read_email(given: str) -> str:
    """The address as it is kept, in lower case. Raises UsageError for what cannot be one."""
    email = given.strip().lower()
    if not _EMAIL.fullmatch(email):
        raise UsageError("That is not an e-mail address.", hint="Write it like ana@example.com.")
    return email


def check_password(password: str, email: str) -> None:
    """Long is what counts. Raises UsageError that says what is wanted."""
    if len(password) < SHORTEST_PASSWORD:
        raise UsageError(
            f"A password has at least {SHORTEST_PASSWORD} characters.", hint="Several words in a row are easy to keep."
        )
    if len(password) > LONGEST_PASSWORD:
        raise UsageError(f"A password has at most {LONGEST_PASSWORD} characters.", hint="Choose a shorter one.")
    if password.lower() == email or len(set(password)) < 4:
        raise UsageError("That password is guessed at once.", hint="Several words in a row are easy to keep.")
