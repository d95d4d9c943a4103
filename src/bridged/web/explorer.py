"""The mirror in the dashboard: every kind as a list, each object with its JSON and what belongs to it, any id found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from bridged import app as root
from bridged.app import explorer
from bridged.app.explorer import EVENTS, Listing, Place, reference
from bridged.mirror.explorer import kinds_of
from bridged.mirror.kinds import BY_NAME, KINDS, Kind
from bridged.mirror.pages.store import Wanted
from bridged.web.connections import PLACE as CONNECTIONS
from bridged.web.connections import connection_of
from bridged.web.money import amount
from bridged.web.reading import kind_of
from bridged.web.rendering import query, segment
from bridged.web.sheets import facts, label, linked, state
from bridged.web.visits import Page, Visit, go

PLACE = "/explore"
_SHOWN = 50
_MOST_JSON = 200_000
"""Characters of JSON that a page shows; the rest is a file of its own."""
STATES: Mapping[str, tuple[str, ...]] = {
    "subscriptions": (
        "active", "trialing", "past_due", "unpaid", "paused", "incomplete", "incomplete_expired", "canceled",
    ),
    "invoices": ("draft", "open", "paid", "uncollectible", "void"),
    "payment_intents": (
        "succeeded", "requires_payment_method", "requires_action", "requires_confirmation", "requires_capture",
        "processing", "canceled",
    ),
    "charges": ("succeeded", "failed", "pending"),
    "refunds": ("succeeded", "pending", "requires_action", "failed", "canceled"),
    "disputes": (
        "needs_response", "under_review", "won", "lost", "warning_needs_response", "warning_under_review",
        "warning_closed", "prevented",
    ),
    "payouts": ("paid", "pending", "in_transit", "canceled", "failed"),
    "balance_transactions": ("available", "pending"),
    "invoice_payments": ("open", "paid", "canceled"),
    "subscription_schedules": ("not_started", "active", "completed", "released", "canceled"),
    "checkout_sessions": ("open", "complete", "expired"),
    "credit_notes": ("issued", "void"),
}  # fmt: skip
"""What the states of a kind are called at Stripe."""


class Explorer:
    """The pages. `show` renders a template for a visit."""

    def __init__(self, show: Callable[..., Response]) -> None:
        self._show = show

    def table(self) -> list[Page]:
        """Every page of these."""
        return [
            Page("GET", PLACE, "read", self._start),
            Page("GET", PLACE + "/{connection}/{kind}", "read", self._list),
            Page("GET", PLACE + "/{connection}/{kind}/{object:path}", "read", self._one),
        ]

    async def _start(self, visit: Visit) -> Response:
        """Which kinds there are; or where an id leads."""
        given = visit.request.query_params
        connections = await root.connections(visit.app, None)
        chosen = [each for each in connections if each.id == given.get("connection")] or connections
        wanted = given.get("id", "").strip()
        found = await explorer.find(visit.app, chosen, wanted) if wanted else []
        if len(found) == 1:
            return go(place_of(found[0]))
        shown = chosen[0] if chosen else None
        return self._show(
            visit,
            "explore.html",
            connections=connections,
            connection=shown,
            claims=await explorer.claims(visit.app, shown) if shown else {},
            kinds=KINDS,
            wanted=wanted,
            found=[(each, place_of(each)) for each in found],
            names={each.id: each.name for each in connections},
            titles=_titles(),
        )

    async def _list(self, visit: Visit) -> Response:
        connection, kind, given = await connection_of(visit), _kind(visit), visit.request.query_params
        wanted, filters, wrong = _wanted(kind, given)
        found = await explorer.listing(visit.app, connection, kind, wanted)
        last = found.objects[-1].get("id") if found.objects else None
        return self._show(
            visit,
            "explore_kind.html",
            connection=connection,
            kind=kind,
            kinds=KINDS,
            rows=_rows(kind, found),
            listing=found,
            filters=filters,
            wrong=wrong,
            states=STATES.get(kind.name, ()),
            first=f"{PLACE}/{connection.id}/{kind.name}{query(**filters)}" if wanted.after else "",
            older=query(**filters, after=last) if found.more else "",
        )

    async def _one(self, visit: Visit) -> Response:
        connection, kind = await connection_of(visit), _kind(visit)
        wanted: str = visit.request.path_params["object"]
        seen = await explorer.one(visit.app, connection, kind, wanted)
        if visit.request.query_params.get("raw"):
            headers = {"Content-Disposition": "inline", "X-Content-Type-Options": "nosniff"}
            return Response(seen.held.text, media_type="application/json", headers=headers)
        base = f"{PLACE}/{connection.id}"
        places: dict[str, str] = {each.id: f"{base}/{each.kind}/{segment(each.id)}" for each in seen.names}
        both = {each.id for each in seen.naming}
        json, cut = linked(seen.held.text, places, _MOST_JSON)
        return self._show(
            visit,
            "explore_object.html",
            connection=connection,
            kind=kind,
            id=wanted,
            base=base,
            seen=seen,
            facts=facts(seen.data),
            leads=places,
            label=label(seen.data),
            json=json,
            cut=cut,
            naming=_naming(seen),
            alone=[each for each in seen.names if each.id not in both],
            fields={each.id: each.field for each in seen.names},
            titles=_titles(),
            events=f"{CONNECTIONS}/{connection.id}/events",
            amount=amount,
        )


def place_of(place: Place) -> str:
    """The page of what was found."""
    if place.kind == EVENTS:
        return f"{CONNECTIONS}/{place.connection_id}/events/{segment(place.id)}"
    return f"{PLACE}/{place.connection_id}/{place.kind}/{segment(place.id)}"


def _kind(visit: Visit) -> Kind:
    return kind_of(visit.request.path_params["kind"])


def _titles() -> dict[str, str]:
    return {name: kind.title for name, kind in BY_NAME.items()}


def _rows(kind: Kind, found: Listing) -> list[dict[str, Any]]:
    """The objects of a list as lines of its table."""
    return [
        {
            "id": str(each.get("id") or kind.name),
            "label": label(each),
            "created": _time(each.get("created")),
            "state": state(each),
            "amount": amount(each.get(kind.amount), each.get("currency")) if kind.amount else "",
            "customer": reference(each.get("customer")),
        }
        for each in found.objects
    ]


def _time(value: Any) -> datetime | None:
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int) and 0 <= value < 253_402_300_800 else None


def _naming(seen: explorer.Seen) -> list[tuple[str, list[Any], bool]]:
    """What names the object by kind, and whether there are more than are shown."""
    by_kind: dict[str, list[Any]] = {}
    for each in seen.naming:
        by_kind.setdefault(each.kind, []).append(each)
    return [(kind, each[: seen.most], len(each) > seen.most) for kind, each in by_kind.items()]


def _wanted(kind: Kind, given: Mapping[str, str]) -> tuple[Wanted, dict[str, str], str]:
    """A filter as a person wrote it, as it counts, and what is wrong with it: the rest counts all the same."""
    names = [name for name in ("customer", "status") if name in kind.filters] + ["since", "until"]
    filters = {name: given.get(name, "").replace("\0", "").strip() for name in names}
    since, until = _moment(filters["since"]), _moment(filters["until"])
    readable = (not filters["since"] or since) and (not filters["until"] or until)
    status = filters.get("status", "")
    wanted = Wanted(
        _SHOWN,
        after=given.get("after", "").replace("\0", "") or None,
        customer=filters.get("customer") or None,
        statuses=(status,) if status else (),
        since=since,
        until=until,
    )
    return wanted, filters, "" if readable else "A day of the filter cannot be read."


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def object_page(connection_id: str, object_id: str) -> str:
    """Where an object is looked at: a customer's own page, else that of its kind."""
    if object_id.startswith("cus_"):
        return f"/customers/{connection_id}/{segment(object_id)}"
    return f"{PLACE}/{connection_id}/{kinds_of(object_id)[0]}/{segment(object_id)}"
