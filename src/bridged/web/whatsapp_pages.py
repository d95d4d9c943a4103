"""Integrations, WhatsApp: a number is connected, its webhook, its templates, its health, and a message to oneself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from starlette.responses import Response

from bridged import app as root
from bridged.accounts import Connection
from bridged.app import channels, templates
from bridged.app.channels import Glance, Health, WhatsAppAccess
from bridged.app.templates import HandedIn
from bridged.channels import Channel
from bridged.channels.codes import rule_of
from bridged.core import clock
from bridged.core.errors import RequestInvalid
from bridged.core.types import Secret
from bridged.messages.outbox import Message
from bridged.web.live import Part, Streams
from bridged.web.visits import Page, Visit, go

PLACE = "/integrations/whatsapp"
_ONE = PLACE + "/{connection}/{channel}"
_COST_DAYS = 30
_QUALITY = {"GREEN": ("high", "good"), "YELLOW": ("medium", "warn"), "RED": ("low", "bad")}
_LIMITS = {"TIER_50": 50, "TIER_250": 250, "TIER_1K": 1_000, "TIER_2K": 2_000, "TIER_10K": 10_000, "TIER_100K": 100_000}
TEMPLATE_STATES: Mapping[str, tuple[str, str]] = {
    "approved": ("approved", "good"),
    "pending": ("waiting for WhatsApp", "busy"),
    "rejected": ("rejected", "bad"),
    "paused": ("paused", "warn"),
    "disabled": ("disabled", "bad"),
    "missing": ("not handed in", ""),
}
"""The states of a template in words, and what mark they have."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A channel at a glance: a word with its mark, and a number's own figures in words."""

    word: str
    kind: str
    phone: str
    verified_name: str
    quality: tuple[str, str]
    limit: str


def standing_of(seen: Glance, *, problem: bool = False) -> Standing:
    """How a channel stands, by what was last heard of it. `problem`: WhatsApp was asked just now and refused."""
    number: Mapping[str, Any] = _map(seen.channel.health.get("number"))
    known = seen.channel.display_phone or str(number.get("display_phone_number") or "")
    quality = str(number.get("quality_rating") or "")
    limit = str(number.get("whatsapp_business_manager_messaging_limit") or number.get("messaging_limit_tier") or "")
    word, kind = _word(seen, problem=problem)
    return Standing(
        word,
        kind,
        known,
        str(number.get("verified_name") or ""),
        _QUALITY.get(quality, ("not rated yet", "")),
        f"{_LIMITS[limit]:,} customers in 24 hours"
        if limit in _LIMITS
        else limit.replace("TIER_", "").lower() or "not told",
    )


def _word(seen: Glance, *, problem: bool) -> tuple[str, str]:
    if seen.channel.kind == "console":
        return "console", ""
    if not seen.token:
        return "no token", "bad"
    if problem:
        return "WhatsApp refuses", "bad"
    if seen.paused:
        return ("stands still", "bad") if "all" in seen.paused else ("partly paused", "warn")
    return ("not checked yet", "warn") if seen.channel.checked_at is None else ("ready", "good")


def _glance(health: Health, held: frozenset[str]) -> Glance:
    return Glance(health.channel, tuple(each.part for each in health.pauses), "token" in held)


def _map(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


class WhatsAppPages:
    """The pages. `show` renders a template for a visit, `draw` one without its frame, as text."""

    def __init__(self, show: Callable[..., Response], draw: Callable[..., str], streams: Streams) -> None:
        self._show = show
        self._draw = draw
        self._streams = streams

    def table(self) -> list[Page]:
        """Every page of these."""
        return [
            Page("GET", PLACE, "read", self._all),
            Page("GET", f"{PLACE}/connect", "admin", self._form),
            Page("POST", f"{PLACE}/connect", "admin", self._connect, self._form),
            Page("GET", _ONE, "read", self._one),
            Page("GET", f"{_ONE}/live/part", "read", self._part),
            Page("GET", f"{_ONE}/live/stream", "read", self._stream),
            Page("POST", f"{_ONE}/check", "sync", self._check, self._one),
            Page("POST", f"{_ONE}/access", "admin", self._access, self._one),
            Page("POST", f"{_ONE}/verify-token", "admin", self._verify_token, self._one),
            Page("POST", f"{_ONE}/resume", "admin", self._resume, self._one),
            Page("POST", f"{_ONE}/templates", "admin", self._hand_in, self._one),
            Page("POST", f"{_ONE}/test", "admin", self._test, self._one),
            Page("POST", f"{_ONE}/remove", "admin", self._remove, self._one),
        ]

    async def _all(self, visit: Visit) -> Response:
        seen = await channels.glances(visit.app)
        found = [
            (each, [(it.channel, standing_of(it)) for it in seen if it.channel.connection_id == each.id])
            for each in await root.connections(visit.app, None)
        ]
        return self._show(visit, "whatsapp.html", found=found, place=PLACE)

    async def _form(self, visit: Visit) -> Response:
        connections = await root.connections(visit.app, None)
        chosen = visit.form.get("connection") or visit.request.query_params.get("connection", "")
        return self._show(visit, "whatsapp_connect.html", connections=connections, chosen=chosen, place=PLACE)

    async def _connect(self, visit: Visit) -> Response:
        """Keeps the number and asks WhatsApp at once how it stands: a refusal stands on the number's own page."""
        form = visit.form
        connection = await root.find_connection(visit.app, form.get("connection", ""))
        name = form.get("name", "").strip() or "WhatsApp"
        if any(each.name == name for each in await channels.channels(visit.app, connection)):
            raise RequestInvalid(
                f"{connection.name} has a channel called {name!r} already.",
                hint="Give the new number another name; the token of the old one is replaced on its own page.",
            )
        access = _access_of(form, form.get("phone_number_id", "").strip(), form.get("waba_id", "").strip() or None)
        added = await channels.add_whatsapp(visit.app, connection, name, access, visit.actor)
        health = await channels.health(visit.app, connection, added.channel)
        return await self._shown(visit, connection, health, verify=added.verify_token)

    async def _one(self, visit: Visit) -> Response:
        connection, channel = await _channel_of(visit)
        return await self._shown(visit, connection, await channels.stored_health(visit.app, connection, channel))

    async def _shown(
        self,
        visit: Visit,
        connection: Connection,
        health: Health,
        *,
        verify: Secret | None = None,
        handed: HandedIn | None = None,
        sent: Message | None = None,
    ) -> Response:
        """`verify`: a token that is shown this once; `handed`, `sent`: what was just done."""
        channel = health.channel
        held = await channels.held(visit.app, connection, channel)
        base = f"{PLACE}/{connection.id}/{channel.id}"
        callback = channels.callback_of(visit.app, channel)
        return self._show(
            visit,
            "whatsapp_number.html",
            path=base,
            connection=connection,
            channel=channel,
            health=health,
            standing=standing_of(_glance(health, held), problem=health.problem is not None),
            held=held,
            base=base,
            callback=callback,
            guessed=f"{str(visit.request.base_url).rstrip('/')}{channels.PATH}{channel.id}",
            verify=None if verify is None else verify.reveal(),
            needs=await templates.needs(visit.app, connection, channel),
            states=TEMPLATE_STATES,
            costs=await channels.costs(visit.app, connection, _COST_DAYS),
            rule_of=rule_of,
            handed=handed,
            sent=sent,
            deliveries=sum(health.deliveries.values()),
        )

    async def _drawn(self, app: root.App, connection: Connection, channel: Channel) -> Part:
        health = await channels.stored_health(app, connection, channel)
        count = sum(health.deliveries.values())
        held = await channels.held(app, connection, channel)
        html = self._draw("whatsapp_deliveries.html", deliveries=count, held=held, now=clock.now())
        return Part(html, over=count > 0)

    async def _part(self, visit: Visit) -> Response:
        found = await self._drawn(visit.app, *await _channel_of(visit))
        return Response(found.html, media_type="text/html")

    async def _stream(self, visit: Visit) -> Response:
        connection, channel = await _channel_of(visit)
        return self._streams.answer(visit, lambda: self._drawn(visit.app, connection, channel))

    async def _check(self, visit: Visit) -> Response:
        connection, channel = await _channel_of(visit)
        return await self._shown(visit, connection, await channels.health(visit.app, connection, channel))

    async def _access(self, visit: Visit) -> Response:
        """Another token, number or secret; what is left empty stays."""
        connection, channel = await _channel_of(visit)
        form = visit.form
        number = form.get("phone_number_id", "").strip() or channel.phone_number_id or ""
        access = _access_of(form, number, form.get("waba_id", "").strip() or None)
        added = await channels.add_whatsapp(visit.app, connection, channel.name, access, visit.actor)
        return await self._shown(visit, connection, await channels.health(visit.app, connection, added.channel))

    async def _verify_token(self, visit: Visit) -> Response:
        connection, channel = await _channel_of(visit)
        made = await channels.new_verify_token(visit.app, connection, channel, visit.actor)
        health = await channels.stored_health(visit.app, connection, channel)
        return await self._shown(visit, connection, health, verify=made)

    async def _resume(self, visit: Visit) -> Response:
        connection, channel = await _channel_of(visit)
        await channels.resume(visit.app, connection, channel, visit.form.get("part") or None, visit.actor)
        return go(f"{PLACE}/{connection.id}/{channel.id}")

    async def _hand_in(self, visit: Visit) -> Response:
        connection, channel = await _channel_of(visit)
        done = await templates.hand_in(visit.app, connection, channel, visit.form.get("playbook", ""), visit.actor)
        health = await channels.stored_health(visit.app, connection, channel)
        return await self._shown(visit, connection, health, handed=done)

    async def _test(self, visit: Visit) -> Response:
        """A text, or one of the playbooks' templates with made-up values."""
        connection, channel = await _channel_of(visit)
        form = visit.form
        what = form.get("what", "text")
        text: dict[str, Any] = {"text": form.get("text", "").strip() or "This is a test of Bridged for Stripe."}
        given = text if what == "text" else await _template(visit, connection, channel, what)
        sent = await channels.try_out(visit.app, connection, channel, form.get("to", "").strip(), visit.actor, **given)
        health = await channels.stored_health(visit.app, connection, channel)
        return await self._shown(visit, connection, health, sent=sent)

    async def _remove(self, visit: Visit) -> Response:
        connection, channel = await _channel_of(visit)
        await channels.remove_channel(visit.app, connection, channel, visit.actor)
        return go(PLACE)


async def _channel_of(visit: Visit) -> tuple[Connection, Channel]:
    given = visit.request.path_params
    connection = await root.find_connection(visit.app, given["connection"])
    return connection, await channels.find_channel(visit.app, connection, given["channel"])


def _access_of(form: Mapping[str, str], number: str, waba: str | None) -> WhatsAppAccess:
    secret, token = form.get("app_secret", "").strip(), Secret(form.get("token", "").strip())
    return WhatsAppAccess(number, token, Secret(secret) if secret else None, waba)


async def _template(visit: Visit, connection: Connection, channel: Channel, what: str) -> dict[str, Any]:
    """`what` is `name:language` of a text that WhatsApp approved."""
    for need in await templates.needs(visit.app, connection, channel):
        for each in need.texts:
            if f"{each.name}:{each.language}" == what:
                return {"template": each.name, "language": each.language, "parameters": templates.example_of(each)}
    raise RequestInvalid("There is no such template.", hint="Choose one of the list.")
