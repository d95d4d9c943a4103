"""What the simulated Cloud API tells a business: signed, and as untidily as the real one does it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from bridged.sim.whatsapp.world import Number, Person, Sent, World

Json = dict[str, Any]


@dataclass
class Courier:
    """Callbacks wait in `waiting` until they are pumped, or go out by themselves (`run`)."""

    world: World
    waiting: list[tuple[Number, Json]] = field(default_factory=list[tuple[Number, Json]])
    """Number and change: `{"field": …, "value": …}`."""
    answers: list[int] = field(default_factory=list[int])
    """The statuses our side answered with."""

    def told(self, number: Number, status: str, sent: Sent, code: int | None = None) -> None:
        """A status of a message."""
        person = self.world.person(sent.to)
        each: Json = {
            "id": sent.wamid,
            "status": status,
            "timestamp": str(int(self.world.now())),
            "recipient_id": person.wa_id if person and person.wa_id else sent.to.removeprefix("+"),
        }
        if person is not None:
            each["recipient_user_id"] = person.bsuid
        if sent.attempt is not None:
            each["biz_opaque_callback_data"] = sent.attempt
        if code is not None:
            each["errors"] = [{"code": code, "title": "Failed", "error_data": {"details": f"simulated {code}"}}]
        elif status in {"sent", "delivered", "read"}:
            each["pricing"] = self._pricing(number, sent)
        self.waiting.append((number, _change(number, {"statuses": [each]})))

    def _pricing(self, number: Number, sent: Sent) -> Json:
        category = "service"
        if sent.body.get("type") == "template":
            asked = sent.body["template"]
            found = self.world.templates.get((number.waba_id, asked["name"], asked["language"]["code"]))
            category = found.category.lower() if found else "utility"
        return {"billable": True, "pricing_model": "PMP", "type": "regular", "category": category}

    def wrote(self, number: Number, person: Person, message: Json) -> str:
        """A person writes. The id of the message; it opens the conversation."""
        person.wrote_at = self.world.now()
        wamid = f"wamid.{self.world.random.getrandbits(160):040X}"
        hidden = person.wa_id is None
        contact: Json = {"profile": {"name": person.name or "Somebody"}, "user_id": person.bsuid}
        sender: Json = {"from_user_id": person.bsuid}
        if not hidden:
            contact["wa_id"] = sender["from"] = person.wa_id
        if person.username:
            contact["profile"]["username"] = person.username
        each = {**sender, "id": wamid, "timestamp": str(int(self.world.now())), **message}
        self.waiting.append((number, _change(number, {"contacts": [contact], "messages": [each]})))
        return wamid

    def says(self, number: Number, person: Person, text: str) -> str:
        """A text."""
        return self.wrote(number, person, {"type": "text", "text": {"body": text}})

    def presses(self, number: Number, person: Person, payload: str, text: str = "") -> str:
        """A quick-reply button of a template."""
        return self.wrote(number, person, {"type": "button", "button": {"payload": payload, "text": text or payload}})

    def prefers(self, number: Number, person: Person, value: str) -> None:
        """The switch for a business's marketing in WhatsApp: `stop` or `resume`."""
        person.stopped_marketing = value == "stop"
        each: Json = {"category": "marketing_messages", "value": value, "timestamp": int(self.world.now())}
        each |= {"wa_id": person.wa_id} if person.wa_id else {"user_id": person.bsuid}
        value_ = {"user_preferences": [each]}
        self.waiting.append((number, {**_change(number, value_), "field": "user_preferences"}))

    def field(self, number: Number, name: str, value: Json) -> None:
        """Any other field, such as a template's state."""
        self.waiting.append((number, {"field": name, "value": value}))

    async def pump(
        self, *, copies: int = 1, shuffled: bool = False, shape: tuple[int, int, int] = (1, 1, 1), keep: bool = False
    ) -> int:
        """Delivers what waits, in batches of so many entries, changes and statuses at once. How many requests.

        A request that is not answered with a 2xx is delivered again with the next pump.
        """
        found = [each for each in self.waiting for _ in range(copies)]
        if not keep:
            self.waiting = []
        if shuffled:
            self.world.random.shuffle(found)
        requests = 0
        for number in {id(each[0]): each[0] for each in found}.values():
            changes = _merged([change for owner, change in found if owner is number], shape[2])
            size = shape[0] * shape[1]
            for start in range(0, len(changes), size):
                part = changes[start : start + size]
                requests += 1
                if not await self.deliver(number, body_of(number, part, shape[1])):
                    self.waiting += [(number, change) for change in part]
        return requests

    async def deliver(self, number: Number, body: Json | bytes, *, signature: str | None = None) -> bool:
        """One request to the number's callback address. Whether it was taken."""
        if number.callback is None:
            return True
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        made = "sha256=" + hmac.new(number.app_secret.encode(), raw, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": signature or made, "Content-Type": "application/json"}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
                session.post(number.callback, data=raw, headers=headers) as response,
            ):
                await response.read()
                self.answers.append(response.status)
                return response.status < 300
        except (aiohttp.ClientError, TimeoutError):
            self.answers.append(0)
            return False

    async def run(self, every: float = 0.2) -> None:
        """Delivers by itself until cancelled."""
        while True:
            await asyncio.sleep(every)
            if self.waiting:
                await self.pump()


def _change(number: Number, value: Json) -> Json:
    metadata = {"display_phone_number": number.display, "phone_number_id": number.id}
    return {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}


def _merged(changes: list[Json], most: int) -> list[Json]:
    """Statuses of neighbouring changes in one value, so many at most."""
    made: list[Json] = []
    for change in changes:
        value = change["value"]
        last: Json = made[-1]["value"] if made else {}
        if "statuses" in value and "statuses" in last and len(last["statuses"]) < most:
            last["statuses"] = [*last["statuses"], *value["statuses"]]
        else:
            made.append({**change, "value": dict(value)})
    return made


def body_of(number: Number, changes: list[Json], per_entry: int) -> Json:
    """The body of a delivery: entries of so many changes."""
    entries = [
        {"id": number.waba_id, "changes": changes[start : start + per_entry]}
        for start in range(0, len(changes), per_entry)
    ]
    return {"object": "whatsapp_business_account", "entry": entries}
