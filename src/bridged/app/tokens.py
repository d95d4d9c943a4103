"""API tokens: made, listed, ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from bridged import accounts
from bridged.accounts import ApiToken
from bridged.accounts.audit import Act, Actor
from bridged.accounts.audit import store as audit
from bridged.app import App
from bridged.core import clock
from bridged.core.errors import UsageError
from bridged.core.types import Secret


async def create(
    app: App, name: str, scopes: Sequence[str], lasts: timedelta | None, actor: Actor
) -> tuple[ApiToken, Secret]:
    """A new API token and, this once, its text. Raises UsageError when it has no free name or a scope is unknown."""
    if not name.strip():
        raise UsageError("The token has no name.", hint="Say what it is for.")
    if unknown := [each for each in scopes if each not in accounts.SCOPES]:
        raise UsageError(f"Unknown scope: {', '.join(unknown)}.", hint=f"Known: {', '.join(accounts.SCOPES)}.")
    async with app.database.transaction(app.workspace_id) as conn:
        now = clock.now()
        made = await accounts.create_token(conn, app.workspace_id, name.strip(), scopes, now=now, lasts=lasts)
        after = {"scopes": list(scopes), "expires_at": made[0].expires_at}
        act = Act("token.made", f"token {made[0].name}", None, after)
        await audit.record(conn, app.workspace_id, actor, act, now)
    return made


async def all_of(app: App) -> list[ApiToken]:
    """The API tokens of the workspace, those that have ended too."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await accounts.tokens(conn, app.workspace_id)


async def revoke(app: App, wanted: str, actor: Actor) -> ApiToken:
    """Ends a token by name or id, from the next request on. Raises NotFound."""
    async with app.database.transaction(app.workspace_id) as conn:
        now = clock.now()
        ended = await accounts.revoke_token(conn, app.workspace_id, wanted, now)
        await audit.record(conn, app.workspace_id, actor, Act("token.revoked", f"token {ended.name}"), now)
    return ended
