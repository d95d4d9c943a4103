"""What the Cloud API tells by webhook, as a list of events: every one of every batch, and never an exception.

Batches come at three levels: entries, changes, and messages or statuses in one value. Fields may be missing that the
documentation promises (a status has no contacts, a sender no phone or no id): what is there is kept. What is not known
here is kept as `Unrecognised`, so that it is seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from bridged.messages.outbox import Told

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Status:
    """What became of a message that was sent. `bsuid`: the recipient's, if it was said."""

    number_id: str | None
    told: Told
    bsuid: str | None = None


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message from a customer. `payload`: of the button or list entry that was pressed; `reply_to`: our wamid."""

    number_id: str | None
    wamid: str
    type: str
    at: datetime | None
    wa_id: str | None = None
    bsuid: str | None = None
    username: str | None = None
    text: str | None = None
    payload: str | None = None
    reply_to: str | None = None


@dataclass(frozen=True, slots=True)
class Preference:
    """A person switched a business's marketing off (`stop`) or on again (`resume`), in WhatsApp itself."""

    number_id: str | None
    value: str
    at: datetime | None
    wa_id: str | None = None
    bsuid: str | None = None
    category: str = ""


@dataclass(frozen=True, slots=True)
class IdentityChanged:
    """A person's id at this business is another one from now on."""

    number_id: str | None
    previous: str | None
    current: str | None
    wa_id: str | None = None


@dataclass(frozen=True, slots=True)
class TemplateChanged:
    """Of a template: its state, its quality, or its category now and soon; whatever is None did not change."""

    waba_id: str | None
    name: str
    language: str
    template_id: str | None = None
    state: str | None = None
    reason: str | None = None
    quality: str | None = None
    category: str | None = None
    next_category: str | None = None


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """Of the number or the account: what was said, under the name of the field that said it."""

    waba_id: str | None
    field: str
    display_phone: str | None
    said: Json


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """What is not known here. `where`: the path to it."""

    where: str
    what: str


Event = Status | Inbound | Preference | IdentityChanged | TemplateChanged | HealthChanged | Unrecognised
TEMPLATE_STATES: Mapping[str, str] = {
    "APPROVED": "approved",
    "REINSTATED": "approved",
    "PENDING": "pending",
    "IN_APPEAL": "pending",
    "PENDING_DELETION": "disabled",
    "DELETED": "disabled",
    "DISABLED": "disabled",
    "ARCHIVED": "disabled",
    "LIMIT_EXCEEDED": "disabled",
    "LOCKED": "paused",
    "PAUSED": "paused",
    "FLAGGED": "approved",
    "REJECTED": "rejected",
}
"""Meta's word for a template's state, and ours. Flagged ones may still be sent."""
RANK: Mapping[str, int] = {"accepted": 0, "sent": 1, "failed": 2, "delivered": 3, "read": 4, "played": 5}
"""What a later or doubled status may not undo. That something arrived outweighs that it failed."""
_HEALTH = {"phone_number_quality_update", "account_update", "business_capability_update", "account_alerts",
           "account_review_update", "phone_number_name_update"}  # fmt: skip
_MOST_TEXT = 4096


def parse(payload: object) -> list[Event]:
    """Every event of a webhook's JSON, whatever it is."""
    return list(_events(payload))


def later(held: str | None, told: str) -> bool:
    """Whether a status says more than the one that is held."""
    return RANK.get(told, -1) > RANK.get(held or "", -1)


def _events(payload: object) -> Iterator[Event]:
    body = _map(payload)
    if body is None:
        yield Unrecognised("", type(payload).__name__)
        return
    for number, item in enumerate(_items(body, "entry")):
        entry = _map(item)
        if entry is None:
            yield Unrecognised(f"entry[{number}]", type(item).__name__)
            continue
        for index, each in enumerate(_items(entry, "changes")):
            yield from _change(f"entry[{number}].changes[{index}]", _text(entry.get("id")), _map(each) or {})
    if "entry" not in body:
        yield Unrecognised("", ",".join(sorted(map(_clean, body)))[:200])


def _change(where: str, waba_id: str | None, change: Json) -> Iterator[Event]:
    field, value = _text(change.get("field")), _map(change.get("value"))
    if value is None:
        yield Unrecognised(where, field or "no field")
    elif field == "messages":
        yield from _messages(where, value)
    elif field == "user_preferences":
        yield from _preferences(where, value)
    elif field == "user_id_update":
        yield from _identities(where, value)
    elif field is not None and field.startswith(("message_template_", "template_")):
        yield _template(where, waba_id, field, value)
    elif field in _HEALTH:
        yield HealthChanged(waba_id, field, _text(value.get("display_phone_number")), value)
    else:
        yield Unrecognised(where, field or "no field")


def _number(value: Json) -> str | None:
    return _text((_map(value.get("metadata")) or {}).get("phone_number_id"))


def _messages(where: str, value: Json) -> Iterator[Event]:
    number_id = _number(value)
    contacts = [each for item in _items(value, "contacts") if (each := _map(item)) is not None]
    for index, item in enumerate(_items(value, "messages")):
        each = _map(item)
        wamid = _text(each.get("id")) if each is not None else None
        if each is None or wamid is None:
            yield Unrecognised(f"{where}.messages[{index}]", "no id")
        else:
            yield _inbound(number_id, wamid, each, contacts)
    for index, item in enumerate(_items(value, "statuses")):
        each = _map(item)
        wamid = _text(each.get("id")) if each is not None else None
        status = _text(each.get("status")) if each is not None else None
        if each is None or wamid is None or status is None:
            yield Unrecognised(f"{where}.statuses[{index}]", "no id or status")
        else:
            yield _status(number_id, wamid, status, each)
    for index, item in enumerate(_items(value, "errors")):
        yield Unrecognised(f"{where}.errors[{index}]", f"code {(_map(item) or {}).get('code')}"[:200])


def _inbound(number_id: str | None, wamid: str, message: Json, contacts: list[Json]) -> Inbound:
    wa_id, bsuid = _text(message.get("from")), _first(message, "from_user_id", "user_id")
    contact = _contact(wa_id, bsuid, contacts)
    kind = _text(message.get("type")) or "unknown"
    text, payload = _said(kind, message)
    return Inbound(
        number_id,
        wamid,
        kind,
        _time(message.get("timestamp")),
        wa_id=wa_id or _text(contact.get("wa_id")),
        bsuid=bsuid or _text(contact.get("user_id")),
        username=_text(contact.get("username")) or _text((_map(contact.get("profile")) or {}).get("username")),
        text=text,
        payload=payload,
        reply_to=_text((_map(message.get("context")) or {}).get("id")),
    )


def _contact(wa_id: str | None, bsuid: str | None, contacts: list[Json]) -> Json:
    """Whose message it is: by what both name; the only one if the message names nobody."""
    for each in contacts:
        named = (_text(each.get("wa_id")), _text(each.get("user_id")))
        if (wa_id is not None and named[0] == wa_id) or (bsuid is not None and named[1] == bsuid):
            return each
    unnamed = wa_id is None and bsuid is None
    if len(contacts) == 1 and (unnamed or (wa_id is None) == (contacts[0].get("wa_id") is None)):
        return contacts[0] if unnamed else {}
    return {}


def _said(kind: str, message: Json) -> tuple[str | None, str | None]:
    """The words of a message and the payload of what was pressed."""
    part = _map(message.get(kind)) or {}
    if kind == "button":
        return _text(part.get("text")), _text(part.get("payload"))
    if kind == "interactive":
        reply = _map(part.get("button_reply")) or _map(part.get("list_reply")) or {}
        return _text(reply.get("title")), _text(reply.get("id"))
    return _first(part, "body", "caption", "emoji"), None


def _status(number_id: str | None, wamid: str, status: str, each: Json) -> Status:
    none: Json = {}
    error = next((found for item in _items(each, "errors") if (found := _map(item)) is not None), none)
    detail = _text((_map(error.get("error_data")) or {}).get("details")) or _first(error, "message", "title")
    told = Told(
        wamid,
        status,
        _time(each.get("timestamp")),
        recipient=_text(each.get("recipient_id")),
        attempt=_text(each.get("biz_opaque_callback_data")),
        code=_int(error.get("code")),
        detail=detail,
        pricing=_pricing(_map(each.get("pricing"))),
    )
    return Status(number_id, told, _first(each, "recipient_user_id", "user_id"))


def _pricing(found: Json | None) -> Json | None:
    """Only what the ledger reads: anything may stand there."""
    if found is None:
        return None
    billable = found.get("billable")
    return {
        "billable": billable if isinstance(billable, bool) else None,
        "model": _text(found.get("pricing_model")),
        "type": _text(found.get("type")),
        "category": _text(found.get("category")),
    }


def _preferences(where: str, value: Json) -> Iterator[Event]:
    contacts = [each for item in _items(value, "contacts") if (each := _map(item)) is not None]
    for index, item in enumerate(_items(value, "user_preferences")):
        each = _map(item) or {}
        wa_id, bsuid, said = _text(each.get("wa_id")), _text(each.get("user_id")), _text(each.get("value"))
        contact = _contact(wa_id, bsuid, contacts)
        wa_id, bsuid = wa_id or _text(contact.get("wa_id")), bsuid or _text(contact.get("user_id"))
        if said is None or (wa_id is None and bsuid is None):
            yield Unrecognised(f"{where}.user_preferences[{index}]", "no value or nobody")
        else:
            category = _text(each.get("category")) or ""
            yield Preference(_number(value), said, _time(each.get("timestamp")), wa_id, bsuid, category)


def _identities(where: str, value: Json) -> Iterator[Event]:
    for index, item in enumerate(_items(value, "user_id_update")):
        each = _map(item) or {}
        ids = _map(each.get("user_id")) or {}
        previous, current = _text(ids.get("previous")), _text(ids.get("current"))
        if current is None:
            yield Unrecognised(f"{where}.user_id_update[{index}]", "no id")
        else:
            yield IdentityChanged(_number(value), previous, current, _text(each.get("wa_id")))


def _template(where: str, waba_id: str | None, field: str, value: Json) -> Event:
    name, language = _text(value.get("message_template_name")), _text(value.get("message_template_language"))
    if name is None or language is None:
        return Unrecognised(where, field)
    template_id = _text(value.get("message_template_id"))
    changed = {
        "message_template_status_update": _template_state,
        "message_template_quality_update": _template_quality,
        "template_category_update": _template_category,
    }.get(field)
    if changed is None:
        return Unrecognised(where, field)
    return TemplateChanged(waba_id, name, language, template_id, **changed(value))


def _template_state(value: Json) -> dict[str, str | None]:
    event = (_text(value.get("event")) or "").upper()
    # A word that is not known must not make a template look good.
    return {"state": TEMPLATE_STATES.get(event, "pending"), "reason": _text(value.get("reason"))}


def _template_quality(value: Json) -> dict[str, str | None]:
    return {"quality": _text(value.get("new_quality_score"))}


def _template_category(value: Json) -> dict[str, str | None]:
    """Said twice: a day before (`correct_category`), and when it is done (`previous_category` and `new_category`)."""
    done = _text(value.get("previous_category")) is not None
    new = _text(value.get("new_category"))
    soon = None if done else _text(value.get("correct_category")) or new
    return {"category": new.lower() if done and new else None, "next_category": soon.lower() if soon else None}


def _map(value: object) -> Json | None:
    return cast("Json", value) if isinstance(value, dict) else None


def _items(value: Json, name: str) -> list[Any]:
    found = value.get(name)
    return cast("list[Any]", found) if isinstance(found, list) else []


def _first(value: Json, *names: str) -> str | None:
    return next((text for name in names if (text := _text(value.get(name))) is not None), None)


def _text(value: object) -> str | None:
    """A text or a number as text, such as PostgreSQL holds; nothing of what is empty or another thing."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return _clean(str(value))[:_MOST_TEXT] or None


def _clean(text: str) -> str:
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _int(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value) if not isinstance(value, str) else value.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _time(value: object) -> datetime | None:
    text = _text(value)
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 10:
        return None
    return datetime.fromtimestamp(int(text), UTC)
