"""How a connection is kept fresh: its webhook, and what is read how often. As steps of connecting, and afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from bridged import accounts
from bridged import app as root
from bridged.accounts import Connection
from bridged.accounts.oauth import OAUTH
from bridged.app import estimating, hooks
from bridged.connect.plan import address, undeliverable
from bridged.connect.webhooks import Webhook
from bridged.core import clock
from bridged.core.errors import UsageError
from bridged.core.jobs import Jobs
from bridged.mirror.kinds import BY_NAME, SYNCED
from bridged.sync.control import steering
from bridged.sync.settings import FREQUENCIES, METHODS, STATUSES, Change, read_pace
from bridged.web.connections import PLACE, connection_of, tabs_of
from bridged.web.integrations import PLACE as WIZARD
from bridged.web.integrations import STEPS
from bridged.web.live import Part, Streams
from bridged.web.visits import Page, Visit, go

_KEPT = timedelta(hours=24)
_PLACES = (WIZARD + "/{connection}", PLACE + "/{connection}")
CORE = ("customers", "subscriptions", "invoices", "payment_intents", "charges")
"""What conversations and playbooks cannot do without, first in the list of data objects."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A data object to be chosen. `refused`: the key may not read it."""

    name: str
    title: str
    chosen: bool
    core: bool
    refused: bool


class Arrangement:
    """The pages. `show` renders a template for a visit, `draw` one without its frame, as text."""

    def __init__(self, show: Callable[..., Response], draw: Callable[..., str], streams: Streams) -> None:
        self._show = show
        self._draw = draw
        self._streams = streams

    def table(self) -> list[Page]:
        """Every page of these: the same ones for who is connecting and for who comes back."""
        found = [Page("GET", WIZARD + "/{connection}", "admin", self._go_on)]
        for place in _PLACES:
            found += [
                Page("GET", f"{place}/webhook", "admin", self._webhook),
                Page("GET", f"{place}/webhook/live/part", "admin", self._part),
                Page("GET", f"{place}/webhook/live/stream", "admin", self._stream),
                Page("POST", f"{place}/webhook/create", "admin", self._create, self._webhook),
                Page("POST", f"{place}/webhook/rotate", "admin", self._rotate, self._webhook),
                Page("POST", f"{place}/webhook/secret", "admin", self._secret, self._webhook),
                Page("GET", f"{place}/settings", "admin", self._settings),
                Page("GET", f"{place}/settings/estimate", "admin", self._estimate, self._no_estimate),
                Page("POST", f"{place}/settings", "admin", self._change, self._settings),
            ]
        return found

    async def _go_on(self, visit: Visit) -> Response:
        """To the first step that is not done, by what is stored: whoever comes back needs to remember nothing."""
        connection = await connection_of(visit)
        place = f"{WIZARD}/{connection.id}"
        async with visit.app.database.transaction(visit.app.workspace_id) as conn:
            queued = await Jobs(visit.app.database).waits(conn, connection.account_key, connection.id)
        if queued or await steering.runs(visit.app.database, connection, 1):
            return go(f"{place}/progress")
        webhook = await hooks.webhook_state(visit.app, connection)
        return go(f"{place}/settings" if webhook.secrets else f"{place}/webhook")

    # The webhook

    async def _webhook(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        webhook = await hooks.webhook_state(visit.app, connection)
        public = visit.app.settings.public_url
        why = "" if not public or webhook.url is None else undeliverable(webhook.url, livemode=connection.livemode)
        return self._show(
            visit,
            "webhook.html",
            connection=connection,
            webhook=webhook,
            public=public,
            guessed=address(str(visit.request.base_url).rstrip("/"), connection.id),
            undeliverable=why or "",
            oauth=connection.key_kind == OAUTH,
            over=_came(webhook),
            **_frame(visit, connection, 3),
        )

    async def _drawn(self, app: root.App, connection: Connection) -> Part:
        webhook = await hooks.webhook_state(app, connection)
        html = self._draw("first_event.html", webhook=webhook, connection=connection, now=clock.now())
        return Part(html, over=_came(webhook))

    async def _part(self, visit: Visit) -> Response:
        found = await self._drawn(visit.app, await connection_of(visit))
        return Response(found.html, media_type="text/html")

    async def _stream(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        return self._streams.answer(visit, lambda: self._drawn(visit.app, connection))

    async def _create(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        await hooks.ensure_webhook(visit.app, connection)
        return go(f"{_base(visit, connection)}/webhook")

    async def _rotate(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        await hooks.rotate_webhook(visit.app, connection)
        return go(f"{_base(visit, connection)}/webhook")

    async def _secret(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        await hooks.enter_webhook_secret(visit.app, connection, visit.form.get("secret", ""), _KEPT)
        return go(f"{_base(visit, connection)}/webhook")

    # What is read, and how often

    async def _settings(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        found = await steering.settings(visit.app.database, connection)
        async with visit.app.database.transaction(visit.app.workspace_id) as conn:
            refused = {each.kind for each in await accounts.permissions(conn, connection) if not each.allowed}
        choices = [
            Choice(each.name, each.title, each.name in found.kinds, each.name in CORE, each.name in refused)
            for each in sorted(SYNCED, key=lambda kind: (kind.name not in CORE, kind.title))
        ]
        return self._show(
            visit,
            "settings.html",
            connection=connection,
            settings=found,
            choices=choices,
            frequencies=[*FREQUENCIES, *([] if found.frequency in FREQUENCIES else [found.frequency])],
            methods=METHODS,
            statuses=STATUSES,
            webhook=await hooks.webhook_state(visit.app, connection),
            **_frame(visit, connection, 4),
        )

    async def _estimate(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        given = visit.request.query_params.get("pace", "")
        settings = await steering.settings(visit.app.database, connection)
        found = await estimating.outlay(visit.app, connection, read_pace(given) if given else settings.pace)
        titles = {name: kind.title for name, kind in BY_NAME.items()}
        return self._show(
            visit,
            "estimate.html",
            found=found,
            titles=titles,
            mode=connection.mode,
            back=f"{_base(visit, connection)}/settings",
        )

    async def _no_estimate(self, visit: Visit) -> Response:
        return self._show(visit, "estimate.html", found=None, titles={})

    async def _change(self, visit: Visit) -> Response:
        """Stores the settings; as a step of connecting, the first sync is queued too."""
        connection = await connection_of(visit)
        await steering.change(visit.app.database, connection, _read(visit.form))
        base = _base(visit, connection)
        if not base.startswith(WIZARD):
            return go(f"{base}/settings?saved=1")
        async with visit.app.database.transaction(visit.app.workspace_id) as conn:
            await steering.queue_sync(conn, Jobs(visit.app.database), connection, cause="request")
        return go(f"{base}/progress")


def _came(webhook: Webhook) -> bool:
    return webhook.last_event_at is not None and bool(webhook.secrets)


def _base(visit: Visit, connection: Connection) -> str:
    wizard = visit.request.url.path.startswith(WIZARD)
    return f"{WIZARD if wizard else PLACE}/{connection.id}"


def _frame(visit: Visit, connection: Connection, step: int) -> dict[str, Any]:
    """What differs between a step of connecting and a page of the connection."""
    base = _base(visit, connection)
    return {
        "base": base,
        "wizard": base.startswith(WIZARD),
        "step": step,
        "steps": STEPS,
        "tabs": tabs_of(connection),
        "saved": "saved" in visit.request.query_params,
    }


def _read(form: Mapping[str, str]) -> Change:
    """What a person chose, as the settings read it. Raises UsageError."""
    chosen = [kind.name for kind in SYNCED if form.get(f"object.{kind.name}") == "on"]
    if not chosen:
        raise UsageError("No data object is chosen.", hint="Choose at least one: without any there is nothing to read.")
    customers = form.get("customers", "all")
    if customers == "status":
        statuses = [each for each in STATUSES if form.get(f"status.{each}") == "on"]
        if not statuses:
            raise UsageError("No status is chosen.", hint="Choose at least one, or take all customers.")
        customers = f"status:{','.join(statuses)}"
    return Change(
        objects=",".join(chosen),
        frequency=form.get("frequency") or None,
        method=form.get("method") or None,
        customers=customers,
        pace=form.get("pace") or None,
        quiet=form.get("quiet", "").strip() or "none",
    )
