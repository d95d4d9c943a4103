"""Reads a batch of customers' objects: one statement for each kind, whatever the size of the batch.

What there are many of comes as one JSON text of short rows: a row of the driver's costs as much as ten of these.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from bridged.core.db import Conn
from bridged.mirror.shapes import Json
from bridged.mirror.store import Scope
from bridged.profiles.objects import NO_CARD, Card, Charge, Dispute, Invoice, Link, Objects, Refund, Session, Waiting

_NEVER = 2**33
_DAY = 86_400
_BEFORE = 120 * 86_400
"""Seconds: a payment is of an invoice no older than this, or of one that was sent."""
_Row = TypeVar("_Row", Invoice, Charge, Waiting, Session)
_CUSTOMERS = (
    "select id, data::text as data, deleted from stripe.customers where connection_id = %(connection_id)s "
    "and id = any(%(ids)s::text[])"
)
_SUBSCRIPTIONS = (
    "select customer_id, id, data::text as data, floor(extract(epoch from as_of))::bigint as known_at "
    "from stripe.subscriptions where connection_id = %(connection_id)s and customer_id = any(%(ids)s::text[]) "
    "and not deleted"
)
# Only what is told by the object alone makes it be unpacked: most invoices are paid, and charged automatically.
_INVOICES = """
select json_agg(json_build_array(customer_id, id, status, currency, coalesce(amount_due, 0), coalesce(amount_paid, 0),
  coalesce(amount_remaining, 0), collection_method, coalesce(attempt_count, 0), extract(epoch from due_date)::bigint,
  extract(epoch from next_payment_attempt)::bigint,
  case when status = 'draft' then bridged.int_of(data -> 'automatically_finalizes_at') end,
  extract(epoch from created)::bigint,
  case when status = 'paid' and (created >= to_timestamp(%(since)s) or collection_method = 'send_invoice')
       then bridged.int_of(data #> '{status_transitions,paid_at}') end,
  subscription_id))::text as found
from stripe.invoices where connection_id = %(connection_id)s and customer_id = any(%(ids)s::text[]) and not deleted
"""
# What was captured has a balance transaction; where there is none, the object says.
_CHARGES = """
select json_agg(json_build_array(customer_id, id, status, currency,
  case when balance_transaction_id is null and data -> 'captured' = 'false' and status = 'succeeded' then 0
       else coalesce(amount, 0) end,
  coalesce(amount_refunded, 0), extract(epoch from created)::bigint, payment_intent_id, failure_code,
  case when status = 'failed' then bridged.text_of(data #> '{outcome,reason}') end))::text as found
from stripe.charges where connection_id = %(connection_id)s and customer_id = any(%(ids)s::text[]) and not deleted
"""
# What hangs on a charge is asked for by the charges that were found: most have none of it.
_DISPUTES = """
select json_agg(json_build_array(id, status, reason, currency, coalesce(amount, 0), charge_id,
  extract(epoch from created)::bigint))::text as found
from stripe.disputes where connection_id = %(connection_id)s and charge_id = any(%(charges)s::text[]) and not deleted
"""
_REFUNDS = """
select json_agg(json_build_array(id, status, currency, coalesce(amount, 0), charge_id,
  extract(epoch from created)::bigint))::text as found
from stripe.refunds where connection_id = %(connection_id)s and charge_id = any(%(charges)s::text[]) and not deleted
  and created >= to_timestamp(%(since)s)
"""
_WARNED = """
select distinct charge_id from stripe.early_fraud_warnings
where connection_id = %(connection_id)s and charge_id = any(%(charges)s::text[]) and not deleted
"""
_PREVIEWS = """
select s.customer_id, s.id, p.data::text as data from stripe.subscriptions s
join stripe.invoice_previews p on p.connection_id = s.connection_id and p.id = s.id and not p.deleted
where s.connection_id = %(connection_id)s and s.customer_id = any(%(ids)s::text[]) and not s.deleted
"""
_CARDS = """
select customer_id, id, data #>> '{card,exp_year}' as year, data #>> '{card,exp_month}' as month
from stripe.payment_methods
where connection_id = %(connection_id)s and customer_id = any(%(ids)s::text[]) and not deleted and type = 'card'
"""
_LAST_CARD = """
select id as charge_id, data ->> 'payment_method' as id, data #>> '{payment_method_details,card,exp_year}' as year,
  data #>> '{payment_method_details,card,exp_month}' as month
from stripe.charges where connection_id = %(connection_id)s and id = any(%(charges)s::text[])
"""
# By the invoices and by the intents: the link may be there before either.
_LINKS = """
select json_agg(json_build_array(invoice_id, payment_intent_id, charge_id))::text as found
from stripe.invoice_payments where connection_id = %(connection_id)s and not deleted and invoice_id is not null
  and (invoice_id = any(%(invoices)s::text[]) or payment_intent_id = any(%(intents)s::text[]))
"""
_WAITING = """
select json_agg(json_build_array(customer_id, id, currency, coalesce(amount, 0),
  extract(epoch from created)::bigint))::text as found
from stripe.payment_intents where connection_id = %(connection_id)s and customer_id = any(%(ids)s::text[])
  and status = 'requires_action' and not deleted
"""
_SESSIONS = """
select json_agg(json_build_array(customer_id, id, currency, amount_total, bridged.int_of(data -> 'expires_at')))::text
  as found
from stripe.checkout_sessions where connection_id = %(connection_id)s and customer_id = any(%(ids)s::text[])
  and status = 'expired' and not deleted and created >= to_timestamp(%(since)s)
"""


async def objects(
    conn: Conn, scope: Scope, ids: Sequence[str], country: str | None, since: int | None = None
) -> dict[str, Objects]:
    """The objects of those customers that are mirrored. `since` (Unix seconds): with what moments since then need.

    Each statement sees what was committed before it: changes between two of them are noted and come again.
    """
    about = {"connection_id": scope.connection_id, "ids": _array(ids), "since": (since or _NEVER) - _BEFORE}
    customers = await (await conn.execute(_CUSTOMERS, about)).fetchall()
    subscriptions, known_at = await _subscriptions(conn, about)
    invoices = _grouped(await (await conn.execute(_INVOICES, about)).fetchone(), Invoice)
    charges = _grouped(await (await conn.execute(_CHARGES, about)).fetchone(), Charge)
    disputes, warned = await _contested(conn, scope, charges)
    previews = await _previews(conn, about)
    cards, last = await _cards(conn, about, charges)
    more = await _more(conn, about, since, invoices, charges) if since is not None else {}
    return {
        key: Objects(
            orjson.loads(row["data"]) | {"id": key},
            row["deleted"],
            country,
            tuple(subscriptions.get(key, ())),
            known_at.get(key, {}),
            tuple(invoices.get(key, ())),
            tuple(charges.get(key, ())),
            tuple(disputes.get(key, ())),
            key in warned,
            previews.get(key, {}),
            cards.get(key, {}),
            last.get(key, NO_CARD),
            **more.get(key, {}),
        )
        for row in customers
        if (key := row["id"])
    }


def _array(ids: Iterable[str]) -> str:
    """Ids as PostgreSQL writes an array of them: the driver takes a hundred times as long over thousands."""
    return "{" + orjson.dumps(list(ids)).decode()[1:-1] + "}"


def _rows(answer: dict[str, Any] | None) -> list[list[Any]]:
    return orjson.loads(answer["found"]) if answer is not None and answer["found"] else []


def _grouped(answer: dict[str, Any] | None, made: type[_Row]) -> dict[str, list[_Row]]:
    """Rows by the customer, who stands first in each."""
    found: defaultdict[str, list[_Row]] = defaultdict(list)
    for row in _rows(answer):
        found[row[0]].append(made._make(row[1:]))
    return found


async def _contested(
    conn: Conn, scope: Scope, charges: Mapping[str, list[Charge]]
) -> tuple[dict[str, list[Dispute]], set[str]]:
    """Disputes, and who was warned of, by the customer."""
    owner = {each.id: key for key, some in charges.items() for each in some}
    about = {"connection_id": scope.connection_id, "charges": _array(owner)}
    found: defaultdict[str, list[Dispute]] = defaultdict(list)
    for row in _rows(await (await conn.execute(_DISPUTES, about)).fetchone()):
        found[owner[row[5]]].append(Dispute._make(row))
    warned = await (await conn.execute(_WARNED, about)).fetchall()
    return found, {owner[row["charge_id"]] for row in warned}


async def _subscriptions(
    conn: Conn, about: Mapping[str, Any]
) -> tuple[dict[str, list[Json]], dict[str, dict[str, int]]]:
    found: defaultdict[str, list[Json]] = defaultdict(list)
    known_at: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for row in await (await conn.execute(_SUBSCRIPTIONS, about)).fetchall():
        found[row["customer_id"]].append(orjson.loads(row["data"]))
        known_at[row["customer_id"]][row["id"]] = row["known_at"]
    return found, known_at


async def _previews(conn: Conn, about: Mapping[str, Any]) -> dict[str, dict[str, Json]]:
    found: defaultdict[str, dict[str, Json]] = defaultdict(dict)
    for row in await (await conn.execute(_PREVIEWS, about)).fetchall():
        found[row["customer_id"]][row["id"]] = orjson.loads(row["data"])
    return found


async def _cards(
    conn: Conn, about: Mapping[str, Any], charges: Mapping[str, list[Charge]]
) -> tuple[dict[str, dict[str, str]], dict[str, Card]]:
    """The cards that are mirrored, which is when somebody asked for them; and what was paid with last."""
    kept: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for row in await (await conn.execute(_CARDS, about)).fetchall():
        if expires := _expires(row):
            kept[row["customer_id"]][row["id"]] = expires
    last = {
        max(paid, key=lambda each: (each.created or 0, each.id)).id: key
        for key, some in charges.items()
        if (paid := [each for each in some if each.status == "succeeded"])
    }
    found = await conn.execute(_LAST_CARD, {"connection_id": about["connection_id"], "charges": _array(last)})
    return kept, {last[row["charge_id"]]: Card(row["id"], _expires(row)) for row in await found.fetchall()}


def _expires(row: Mapping[str, Any]) -> str | None:
    year, month = row["year"] or "", row["month"] or ""
    if not (year.isdigit() and month.isdigit() and len(year) == 4 and 1 <= int(month) <= 12):
        return None
    return f"{year}-{int(month):02}"


async def _more(
    conn: Conn,
    about: Mapping[str, Any],
    since: int,
    invoices: Mapping[str, list[Invoice]],
    charges: Mapping[str, list[Charge]],
) -> dict[str, dict[str, Any]]:
    """What only moments need, of those to whom something may have happened."""
    waiting = _grouped(await (await conn.execute(_WAITING, about)).fetchone(), Waiting)
    sessions = _grouped(await (await conn.execute(_SESSIONS, about)).fetchone(), Session)
    owner = {each.id: key for key, some in charges.items() for each in some}
    refunds: defaultdict[str, list[Refund]] = defaultdict(list)
    asked = {"connection_id": about["connection_id"], "since": since, "charges": _array(owner)}
    for row in _rows(await (await conn.execute(_REFUNDS, asked)).fetchone()):
        refunds[owner[row[4]]].append(Refund._make(row))
    links = await _links(conn, about, since, invoices, charges, waiting)
    return {
        key: {
            "refunds": tuple(refunds.get(key, ())),
            "links": tuple(links.get(key, ())),
            "waiting": tuple(waiting.get(key, ())),
            "sessions": tuple(sessions.get(key, ())),
        }
        for key in {*refunds, *links, *waiting, *sessions}
    }


async def _links(
    conn: Conn,
    about: Mapping[str, Any],
    since: int,
    invoices: Mapping[str, list[Invoice]],
    charges: Mapping[str, list[Charge]],
    waiting: Mapping[str, list[Waiting]],
) -> dict[str, set[Link]]:
    """The links of payments that are recent or fail, by the customer of either end."""
    recent = since - _DAY
    bills = {
        each.id: key
        for key, some in invoices.items()
        for each in some
        if (each.attempts and each.status != "paid") or (each.paid_at or each.created or 0) >= recent
    }
    intents = {
        each.intent_id: key
        for key, some in charges.items()
        for each in some
        if each.intent_id is not None and (each.created or 0) >= recent
    }
    intents |= {each.id: key for key, some in waiting.items() for each in some}
    found: defaultdict[str, set[Link]] = defaultdict(set)
    if not bills and not intents:
        return found
    asked = {"connection_id": about["connection_id"], "invoices": _array(bills), "intents": _array(intents)}
    for row in _rows(await (await conn.execute(_LINKS, asked)).fetchone()):
        link = Link._make(row)
        for key in {bills.get(link.invoice_id), intents.get(link.intent_id or "")} - {None}:
            found[str(key)].add(link)
    return found
