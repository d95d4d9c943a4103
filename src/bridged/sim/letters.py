"""What a webhook carries: the body of an event, as snapshot or thin, and the signature over it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from datetime import UTC, datetime

import orjson

from bridged.sim.resources import NESTED, RESOURCES
from bridged.sim.store import Obj

HEADERS = {
    "Accept": "*/*; q=0.5, application/xml",
    "Cache-Control": "no-cache",
    "Content-Type": "application/json; charset=utf-8",
    "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
}
_PATHS = {resource.name: resource.path for resource in RESOURCES.values() if resource.listed}
_BELOW = {RESOURCES[nested.kind].name: nested for nested in NESTED if not RESOURCES[nested.kind].listed}


def snapshot(event: Obj, data: Obj, version: str, connected: str | None = None) -> bytes:
    """An event with its object in `version`; `connected` is the account it comes from, for a platform."""
    head: Obj = {"id": event["id"], "object": "event"} | ({"account": connected} if connected else {})
    names = ("created", "data", "livemode", "pending_webhooks", "request", "type")
    body = head | {"api_version": version} | {name: event[name] for name in names} | {"data": data}
    return orjson.dumps(body, option=orjson.OPT_INDENT_2)


def thin(event: Obj, connected: str | None = None) -> bytes:
    """The v2 event of the same change: it names the object and carries none of it."""
    body: Obj = {
        "id": thin_id(event["id"]),
        "object": "v2.core.event",
        "created": datetime.fromtimestamp(event["created"], UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "livemode": event["livemode"],
        "reason": None,
        "related_object": _related(event["data"]["object"]),
        "type": f"v1.{event['type']}",
    }
    return orjson.dumps(body | ({"context": connected} if connected else {}), option=orjson.OPT_INDENT_2)


def thin_id(event_id: str) -> str:
    """A thin event has an id of its own, beside that of its snapshot."""
    return f"evt_thin{event_id.removeprefix('evt_')}"


def _related(obj: Obj) -> Obj | None:
    kind, object_id = obj.get("object", ""), obj.get("id")
    if not object_id:
        return None
    if kind in _BELOW:
        nested = _BELOW[kind]
        url = f"/v1/{nested.parent}/{obj[nested.field]}/{nested.name}/{object_id}"
    elif kind in _PATHS:
        url = f"/v1/{_PATHS[kind]}/{object_id}"
    else:
        return None
    return {"id": object_id, "type": kind, "url": url}


def signature(body: bytes, secrets: Iterable[str], at: int) -> str:
    signed = f"{at}.".encode() + body
    hexes = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={each}" for each in hexes)])
