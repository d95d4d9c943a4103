"""The outside of an event: what routing, log and order need, read without decoding the object inside.

Snapshot events (`"object": "event"`) carry the object; thin ones (`"object": "v2.core.event"`) only name it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from bridged.core.jsontext import storable

THIN = "v2.core.event"
_LONGEST_ID = 255
_LAST_SECOND = 253_402_300_799 - 86_400
"""The end of the year 9999, in any zone: later moments are no dates to PostgreSQL's clients."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event's outside. `created` in UTC seconds; `livemode` and `account` None where it does not say."""

    id: str
    type: str
    created: int
    thin: bool
    livemode: bool | None
    account: str | None
    api_version: str | None
    object_id: str | None
    customer_id: str | None


class _Object(msgspec.Struct):
    id: Any = None
    object: Any = None
    customer: Any = None


class _Data(msgspec.Struct):
    object: _Object | None = None


class _Related(msgspec.Struct):
    id: Any = None
    type: Any = None


class _Event(msgspec.Struct):
    id: str
    object: str
    type: str
    created: int | str
    livemode: bool | None = None
    account: str | None = None
    context: Any = None
    api_version: str | None = None
    data: _Data | None = None
    related_object: _Related | None = None


_decoder = msgspec.json.Decoder(_Event)
_any = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Unreadable(StrEnum):
    """Why a body is no event."""

    NOT_JSON = "not_json"
    NOT_AN_EVENT = "not_an_event"


class Foreign(StrEnum):
    """Why an event is none of a connection's."""

    WRONG_MODE = "wrong_mode"
    WRONG_ACCOUNT = "wrong_account"


def foreign(envelope: Envelope, account_id: str | None, *, livemode: bool) -> Foreign | None:
    """Why the event is not of this mode and account, if it is not. One without `account` is of the key's own."""
    if envelope.livemode is not None and envelope.livemode != livemode:
        return Foreign.WRONG_MODE
    if envelope.account is not None and envelope.account != account_id:
        return Foreign.WRONG_ACCOUNT
    return None


def read_envelope(body: bytes) -> Envelope | Unreadable:
    """The outside of an event, or why it is none."""
    try:
        event = _decoder.decode(storable(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Unreadable.NOT_AN_EVENT if _is_object(body) else Unreadable.NOT_JSON
    thin = event.object == THIN
    created = _seconds(event.created)
    if not (thin or event.object == "event") or created is None or not (_word(event.id) and _word(event.type)):
        return Unreadable.NOT_AN_EVENT
    inner = (event.data and event.data.object) or _Object()
    object_id = _word(event.related_object.id) if thin and event.related_object else _word(inner.id)
    customer = object_id if inner.object == "customer" else _word(inner.customer)
    account = _context(event.context) if thin and event.account is None else event.account
    return Envelope(
        event.id, event.type, created, thin, event.livemode, account, event.api_version, object_id, customer
    )


def _context(value: object) -> str | None:
    """The account a thin event is of, where it says so: `acct_…`, or a path that ends in it."""
    last = value.rpartition("/")[2] if isinstance(value, str) else ""
    return last if last.startswith("acct_") else None


def _is_object(body: bytes) -> bool:
    try:
        _any.decode(storable(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _word(value: object) -> str | None:
    """An id or type: a string of one to 255 characters."""
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_ID else None


def _seconds(value: int | str) -> int | None:
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            return None
        value = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    return value if 0 <= value <= _LAST_SECOND else None
