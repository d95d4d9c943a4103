"""Commands about API tokens."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

import cyclopts
from cyclopts import Parameter

from bridged import app as root
from bridged.accounts import ApiToken
from bridged.app import tokens
from bridged.cli import output
from bridged.cli.actor import local
from bridged.cli.entry import Json, run
from bridged.core import clock
from bridged.core.errors import UsageError

cli = cyclopts.App(name="tokens", help="Tokens for the REST API: make, list, revoke.")

_LENGTHS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_LONGEST = timedelta(days=3660)


@cli.command
def create(
    *,
    name: Annotated[str, Parameter(help="What the token is for.")],
    scope: Annotated[
        tuple[Literal["read", "sync", "write", "admin"], ...],
        Parameter(help="What it may do; each includes those before it.", negative=""),
    ] = ("read",),
    expires: Annotated[str | None, Parameter(help="When it ends: 12h, 90d, 8w. Without: when it is revoked.")] = None,
    json: Json = False,
) -> int:
    """Make a token. Its text is shown this once and stored nowhere: only its SHA-256 is kept."""
    if not name.strip():
        raise UsageError("--name is empty.", hint="Say what the token is for.")
    lasts = None if expires is None else _length(expires)

    async def work(app: root.App) -> int:
        token, text = await tokens.create(app, name.strip(), tuple(dict.fromkeys(scope)), lasts, local())
        if json:
            output.document({"token": text.reveal(), **_json(token)})
        else:
            print(text.reveal())  # noqa: T201 - the command's output, the only time it is shown
            ends = "when it is revoked" if token.expires_at is None else f"{token.expires_at:%Y-%m-%d %H:%M} UTC"
            output.say(f"Token {token.name!r} may {', '.join(token.scopes)}; it ends {ends}. It is not shown again.")
        return 0

    return run(work)


@cli.command(name="list")
def list_(*, json: Json = False) -> int:
    """List the tokens: what they may do, when they end, when they were last used."""

    async def work(app: root.App) -> int:
        found = [_json(token) for token in await tokens.all_of(app)]
        if json:
            output.document({"tokens": found})
        else:
            output.show_rows("Token", found, ("name", "id", "scopes", "state", "last_used_at", "expires_at"))
        return 0

    return run(work)


@cli.command
def revoke(token: str, *, json: Json = False) -> int:
    """End a token, by its name or id, from the next request on."""

    async def work(app: root.App) -> int:
        ended = await tokens.revoke(app, token, local())
        if json:
            output.document(_json(ended))
        else:
            output.say(f"Token {ended.name!r} is revoked.")
        return 0

    return run(work)


def _json(token: ApiToken) -> dict[str, Any]:
    state = "revoked" if token.revoked_at else "valid" if token.valid(clock.now()) else "expired"
    return {
        "id": token.id,
        "name": token.name,
        "scopes": list(token.scopes),
        "state": state,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        "last_used_at": token.last_used_at,
    }


def _length(given: str) -> timedelta:
    match = re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", given)
    length = int(match[1]) * _LENGTHS[match[2]] if match else timedelta()
    if not timedelta() < length <= _LONGEST:
        raise UsageError(f"--expires {given} is not a time.", hint="Write 12h, 90d or 8w; ten years at most.")
    return length
