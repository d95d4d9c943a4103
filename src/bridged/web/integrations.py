"""Integrations, Stripe, Connect Account: the key and what it may read; or OAuth, to Stripe and back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from bridged import accounts
from bridged import app as root
from bridged.accounts import Connection
from bridged.accounts.oauth import OAUTH, Sent
from bridged.app import channels, hooks, oauth
from bridged.connect import probe
from bridged.connect.oauth import CALLBACK, SINGLE_PLATFORM
from bridged.core.errors import BridgedError
from bridged.mirror.kinds import BY_NAME, SYNCED
from bridged.stripe.keys import read_key
from bridged.web.counting import Counting
from bridged.web.health import health_of
from bridged.web.visits import Page, Visit, go

PLACE = "/integrations/stripe"
STEPS = ("Method", "Key", "Webhook", "Settings", "First sync")
_PERMISSIONS = probe.wanted([(kind.name, kind.path, kind.permission) for kind in SYNCED])


@dataclass(frozen=True, slots=True)
class Row:
    """A kind of data in the permission matrix. `permission`: what to tick in the Dashboard for it to be readable."""

    title: str
    allowed: bool
    permission: str
    message: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A key that was tried out. `known`: the connection of its account and mode, whose key it would replace."""

    found: root.Examined
    rows: tuple[Row, ...]
    known: Connection | None


class Integrations:
    """The pages. `show` renders a template for a visit."""

    def __init__(self, show: Callable[..., Response], counting: Counting) -> None:
        self._show = show
        self._counting = counting

    def table(self) -> list[Page]:
        """Every page of these."""
        return [
            Page("GET", "/integrations", "read", self._all),
            Page("GET", PLACE, "admin", self._stripe),
            Page("GET", f"{PLACE}/connect", "admin", self._method),
            Page("GET", f"{PLACE}/connect/key", "admin", self._key_form),
            Page("POST", f"{PLACE}/check", "admin", self._check, self._key_form),
            Page("POST", f"{PLACE}/key", "admin", self._key, self._key_form),
            Page("POST", f"{PLACE}/oauth", "admin", self._oauth, self._method),
            Page("GET", CALLBACK, "admin", self._back, self._method),
            Page("GET", PLACE + "/{connection}/permissions", "admin", self._permissions),
        ]

    async def _all(self, visit: Visit) -> Response:
        found = [await self._counting.status(visit.app, each) for each in await root.connections(visit.app, None)]
        numbers = await channels.glances(visit.app)
        return self._show(visit, "integrations.html", found=found, health_of=health_of, numbers=len(numbers))

    async def _stripe(self, visit: Visit) -> Response:
        return await self._all(visit)

    async def _method(self, visit: Visit) -> Response:
        settings = visit.app.settings
        modes = [mode for mode in ("live", "test") if settings.client_id(livemode=mode == "live")]
        scope = settings.stripe_connect_scope
        policy = SINGLE_PLATFORM if scope == "read_write" else ""
        return self._show(visit, "connect.html", modes=modes, scope=scope, policy=policy, steps=STEPS)

    async def _key_form(self, visit: Visit, checked: Checked | None = None) -> Response:
        if visit.request.headers.get("hx-request"):
            given = visit.form.get("key", "")
            return self._show(visit, "checked.html", checked=checked, misplaced=_misplaced(given), given=_given(given))
        links = {mode: probe.key_link("Bridged", _PERMISSIONS, livemode=mode == "live") for mode in ("live", "test")}
        return self._show(
            visit,
            "key.html",
            links=links,
            permissions=probe.labelled(_PERMISSIONS),
            checked=checked,
            steps=STEPS,
            misplaced=_misplaced(visit.form.get("key", "")),
            given=_given(visit.form.get("key", "")),
        )

    async def _check(self, visit: Visit) -> Response:
        """What a key may read, before anything of it is kept."""
        found = await root.examine(visit.app, visit.form.get("key", ""))
        rows = [_row(each.name, each.allowed, each.permissions, each.message) for each in found.matrix]
        known = None
        for each in await root.connections(visit.app, None):
            same = found.identity.account_id is not None and each.account_id == found.identity.account_id
            if same and each.livemode == found.key.livemode:
                known = each
        return await self._key_form(visit, Checked(found, tuple(rows), known))

    async def _key(self, visit: Visit) -> Response:
        """Keeps the key. Where Stripe can reach us and the key may, the webhook is made at once."""
        form = visit.form
        name = form.get("name", "").strip() or None
        connection = (await root.connect(visit.app, form.get("key", ""), name, visit.actor)).connection
        if visit.app.settings.public_url:
            # What keeps it from being made stands on the page of the webhook, which is the next step.
            with contextlib.suppress(BridgedError):
                await hooks.ensure_webhook(visit.app, connection)
        return go(f"{PLACE}/{connection.id}/permissions")

    async def _oauth(self, visit: Visit) -> Response:
        """Not a redirect: where forms may lead is pinned to us, and the person should know where the link goes."""
        scope = visit.app.settings.stripe_connect_scope
        wanted = visit.form.get("access") == "read_write" and scope == "read_write"
        livemode = visit.form.get("mode") == "live"
        sent = Sent(livemode, scope, "read_write" if wanted else "read_only")
        url = await oauth.begin(visit.app, visit.own.id, sent, str(visit.request.base_url))
        policy = SINGLE_PLATFORM if scope == "read_write" else ""
        return self._show(visit, "authorise.html", url=url.reveal(), sent=sent, policy=policy, steps=STEPS)

    async def _back(self, visit: Visit) -> Response:
        came = dict(visit.request.query_params)
        done = await oauth.finish(visit.app, visit.own.id, came, visit.actor)
        return await self._shown(visit, done.connection, done.warnings)

    async def _permissions(self, visit: Visit) -> Response:
        connection = await root.find_connection(visit.app, visit.request.path_params["connection"])
        return await self._shown(visit, connection, ())

    async def _shown(self, visit: Visit, connection: Connection, warnings: tuple[probe.Warned, ...]) -> Response:
        return self._show(
            visit,
            "permissions.html",
            connection=connection,
            rows=await permission_rows(visit.app, connection),
            warnings=warnings,
            place=f"{PLACE}/{connection.id}",
            oauth=connection.key_kind == OAUTH,
            steps=STEPS,
        )


async def permission_rows(app: root.App, connection: Connection) -> tuple[Row, ...]:
    """What a connection's key may read, as last asked."""
    async with app.database.transaction(app.workspace_id) as conn:
        found = await accounts.permissions(conn, connection)
    return tuple(_row(each.kind, each.allowed, each.needed, each.message) for each in found)


def _row(name: str, allowed: bool, named: tuple[str, ...], message: str) -> Row:  # noqa: FBT001 - a column of the row
    kind = BY_NAME[name]
    return Row(kind.title, allowed, " or ".join(named) or kind.permission, message)


def _misplaced(pasted: str) -> bool:
    """Whether a signing secret stands where a key belongs."""
    return "whsec_" in pasted


def _given(pasted: str) -> str:
    """Which key was pasted, for whoever has several: its mode and its last four letters, and never more of it."""
    try:
        key = read_key(pasted)
    except BridgedError:
        return ""
    return f"{'live' if key.livemode else 'test'} key ending in {key.secret.reveal()[-4:]}"
