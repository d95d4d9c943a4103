"""Integrations, Stripe, Connect Account: an API key pasted, or an account authorised at Stripe and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from bridged import accounts
from bridged import app as root
from bridged.accounts.oauth import Sent
from bridged.app import oauth
from bridged.connect import probe
from bridged.connect.oauth import CALLBACK, SINGLE_PLATFORM
from bridged.mirror.kinds import SYNCED
from bridged.web.visits import Page, Visit

PLACE = "/integrations/stripe"
_PERMISSIONS = probe.wanted([(kind.name, kind.path, kind.permission) for kind in SYNCED])


class Integrations:
    """The pages. `show` renders a template for a visit."""

    def __init__(self, show: Callable[..., Response]) -> None:
        self._show = show

    def table(self) -> list[Page]:
        """Every page of these."""
        return [
            Page("GET", PLACE, "admin", self._stripe),
            Page("POST", f"{PLACE}/key", "admin", self._key, self._stripe),
            Page("POST", f"{PLACE}/oauth", "admin", self._oauth, self._stripe),
            Page("GET", CALLBACK, "admin", self._back, self._stripe),
        ]

    async def _stripe(self, visit: Visit, **found: Any) -> Response:
        settings = visit.app.settings
        async with visit.app.database.transaction(visit.app.workspace_id) as conn:
            known = await accounts.connections(conn, visit.app.workspace_id)
        modes = [mode for mode in ("live", "test") if settings.client_id(livemode=mode == "live")]
        links = {mode: probe.key_link("Bridged", _PERMISSIONS, livemode=mode == "live") for mode in ("live", "test")}
        return self._show(
            visit,
            "integrations.html",
            connections=known,
            modes=modes,
            scope=settings.stripe_connect_scope,
            policy=SINGLE_PLATFORM if settings.stripe_connect_scope == "read_write" else "",
            links=links,
            permissions=probe.labelled(_PERMISSIONS),
            **found,
        )

    async def _key(self, visit: Visit) -> Response:
        form = visit.form
        connected = await root.connect(
            visit.app, form.get("key", ""), form.get("name", "").strip() or None, visit.actor
        )
        return await self._stripe(visit, connected=connected)

    async def _oauth(self, visit: Visit) -> Response:
        """Not a redirect: where forms may lead is pinned to us, and the person should know where the link goes."""
        scope = visit.app.settings.stripe_connect_scope
        wanted = visit.form.get("access") == "read_write" and scope == "read_write"
        livemode = visit.form.get("mode") == "live"
        sent = Sent(livemode, scope, "read_write" if wanted else "read_only")
        url = await oauth.begin(visit.app, visit.own.id, sent, str(visit.request.base_url))
        policy = SINGLE_PLATFORM if scope == "read_write" else ""
        return self._show(visit, "authorise.html", url=url.reveal(), sent=sent, policy=policy)

    async def _back(self, visit: Visit) -> Response:
        came = dict(visit.request.query_params)
        done = await oauth.finish(visit.app, visit.own.id, came, visit.actor)
        return await self._stripe(visit, connected=done)
