"""Reads a batch of customers' objects: one statement for each kind, whatever the size of the batch.

What there are many of comes as one JSON text of short rows: a row of the driver's costs as much as ten of these.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import orjson

from bridged.core.db import Conn
from bridged.mirror.shapes import Json
from bridged.mirror.store import Scope
from bridged.profiles.objects import NO_CARD, Card, Charge, Dispute, Invoice, Link, Objects, Refund, Session, Waiting

_NEVER = 2**33
_BEFORE = 120 * 86_400
"""Seconds: a payment is of an invoice no older than this, or of one that was sent."""
_Row = TypeVar("_Row", Invoice, Charge, Dispute, Refund, Link, Waiting, Session)
_CUSTOMERS = (
    "select id, data::text as data, deleted from stripe.customers where connection_id = %(connection_id)s "
    "and id = any(%(ids)s)"
)
_SUBSCRIPTIONS = (
    "select customer_id, id, data::text as data, floor(extract(epoch from as_of))::bigint as known_at "
    "from stripe.subscriptions where connection_id = %(connection_id)s and customer_id = any(%(ids)s) and not deleted"
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
from stripe.invoices where connection_id = %(connection_id)s and customer_id = any(%(ids)s) and not deleted
"""
# What was captured has a balance transaction; where there is none, the object says.
_CHARGES = """
select json_agg(json_build_array(customer_id, id, status, currency,
  case when balance_transaction_id is null and data -> 'captured' = 'false' and status = 'succeeded' then 0
       else coalesce(amount, 0) end,
  coalesce(amount_refunded, 0), extract(epoch from created)::bigint, payment_intent_id, failure_code,
  case when status = 'failed' then bridged.text_of(data #> '{outcome,reason}') end))::text as found
from stripe.charges where connection_id = %(connection_id)s and customer_id = any(%(ids)s) and not deleted
"""
_DISPUTES = """
select json_agg(json_build_array(c.customer_id, t.id, t.status, t.reason, t.currency, coalesce(t.amount, 0), c.id,
  extract(epoch from t.created)::bigint))::text as found
from stripe.charges c cross join lateral (
  select * from stripe.disputes d where d.connection_id = %(connection_id)s and d.charge_id = c.id and not d.deleted
  offset 0) t
where c.connection_id = %(connection_id)s and c.customer_id = any(%(ids)s) and not c.deleted
"""
_REFUNDS = """
select json_agg(json_build_array(c.customer_id, t.id, t.status, t.currency, coalesce(t.amount, 0), c.id,
  extract(epoch from t.created)::bigint))::text as found
from stripe.charges c cross join lateral (
  select * from stripe.refunds d where d.connection_id = %(connection_id)s and d.charge_id = c.id and not d.deleted
    and d.created >= to_timestamp(%(since)s) offset 0) t
where c.connection_id = %(connection_id)s and c.customer_id = any(%(ids)s) and not c.deleted
"""
_WARNED = """
select distinct c.customer_id from stripe.charges c cross join lateral (
  select from stripe.early_fraud_warnings w
  where w.connection_id = %(connection_id)s and w.charge_id = c.id and not w.deleted offset 0) t
where c.connection_id = %(connection_id)s and c.customer_id = any(%(ids)s) and not c.deleted
"""
_PREVIEWS = """
select s.customer_id, s.id, p.data::text as data from stripe.subscriptions s
join stripe.invoice_previews p on p.connection_id = s.connection_id and p.id = s.id and not p.deleted
where s.connection_id = %(connection_id)s and s.customer_id = any(%(ids)s) and not s.deleted
"""
_CARDS = """
select customer_id, id, data #>> '{card,exp_year}' as year, data #>> '{card,exp_month}' as month
from stripe.payment_methods
where connection_id = %(connection_id)s and customer_id = any(%(ids)s) and not deleted and type = 'card'
"""
_LAST_CARD = """
select l.customer_id, c.data ->> 'payment_method' as id,
  c.data #>> '{payment_method_details,card,exp_year}' as year,
  c.data #>> '{payment_method_details,card,exp_month}' as month
from (select distinct on (customer_id) customer_id, id from stripe.charges
      where connection_id = %(connection_id)s and customer_id = any(%(ids)s) and not deleted and status = 'succeeded'
      order by customer_id, created desc, id) l
join stripe.charges c on c.connection_id = %(connection_id)s and c.id = l.id
"""
# By the invoices and by the intents: the link may be there before either.
_LINKS = """
select json_agg(json_build_array(l.customer_id, l.invoice_id, l.payment_intent_id, l.charge_id))::text as found
from (
  select i.customer_id, t.invoice_id, t.payment_intent_id, t.charge_id
  from stripe.invoices i cross join lateral (
    select * from stripe.invoice_payments p
    where p.connection_id = %(connection_id)s and p.invoice_id = i.id and not p.deleted offset 0) t
  where i.connection_id = %(connection_id)s and i.customer_id = any(%(ids)s) and not i.deleted
    and i.created >= to_timestamp(%(since)s)
  union
  select c.customer_id, t.invoice_id, t.payment_intent_id, t.charge_id
  from stripe.charges c cross join lateral (
    select * from stripe.invoice_payments p
    where p.connection_id = %(connection_id)s and p.payment_intent_id = c.payment_intent_id and not p.deleted
    offset 0) t
  where c.connection_id = %(connection_id)s and c.customer_id = any(%(ids)s) and not c.deleted
    and c.created >= to_timestamp(%(since)s) and t.invoice_id is not null
) l
"""
_WAITING = """
select json_agg(json_build_array(customer_id, id, currency, coalesce(amount, 0),
  extract(epoch from created)::bigint))::text as found
from stripe.payment_intents where connection_id = %(connection_id)s and customer_id = any(%(ids)s)
  and status = 'requires_action' and not deleted
"""
_SESSIONS = """
select json_agg(json_build_array(customer_id, id, currency, amount_total, bridged.int_of(data -> 'expires_at')))::text
  as found
from stripe.checkout_sessions where connection_id = %(connection_id)s and customer_id = any(%(ids)s)
  and status = 'expired' and not deleted and created >= to_timestamp(%(since)s)
"""


async def objects(
    conn: Conn, scope: Scope, ids: Sequence[str], country: str | None, since: int | None = None
) -> dict[str, Objects]:
    """The objects of those customers that are mirrored. `since` (Unix seconds): with what moments since then need.

    Each statement sees what was committed before it: changes between two of them are noted and come again.
    """
    about = {"connection_id": scope.connection_id, "ids": list(ids), "since": (since or _NEVER) - _BEFORE}
    customers = await (await conn.execute(_CUSTOMERS, about)).fetchall()
    subscriptions, known_at = await _subscriptions(conn, about)
    invoices = _grouped(await (await conn.execute(_INVOICES, about)).fetchone(), Invoice)
    charges = _grouped(await (await conn.execute(_CHARGES, about)).fetchone(), Charge)
    disputes = _grouped(await (await conn.execute(_DISPUTES, about)).fetchone(), Dispute)
    warned = {row["customer_id"] for row in await (await conn.execute(_WARNED, about)).fetchall()}
    previews = await _previews(conn, about)
    cards, last = await _cards(conn, about)
    more = await _deep(conn, about) if since is not None else {}
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


def _grouped(answer: dict[str, Any] | None, made: type[_Row]) -> dict[str, list[_Row]]:
    """Rows by the customer, who stands first in each."""
    found: defaultdict[str, list[_Row]] = defaultdict(list)
    rows: list[list[Any]] = orjson.loads(answer["found"]) if answer is not None and answer["found"] else []
    for row in rows:
        found[row[0]].append(made._make(row[1:]))
    return found


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


async def _cards(conn: Conn, about: Mapping[str, Any]) -> tuple[dict[str, dict[str, str]], dict[str, Card]]:
    kept: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for row in await (await conn.execute(_CARDS, about)).fetchall():
        if expires := _expires(row):
            kept[row["customer_id"]][row["id"]] = expires
    last = await (await conn.execute(_LAST_CARD, about)).fetchall()
    return kept, {row["customer_id"]: Card(row["id"], _expires(row)) for row in last}


def _expires(row: Mapping[str, Any]) -> str | None:
    year, month = row["year"] or "", row["month"] or ""
    if not (year.isdigit() and month.isdigit() and len(year) == 4 and 1 <= int(month) <= 12):
        return None
    return f"{year}-{int(month):02}"


async def _deep(conn: Conn, about: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    refunds = _grouped(await (await conn.execute(_REFUNDS, about)).fetchone(), Refund)
    links = _grouped(await (await conn.execute(_LINKS, about)).fetchone(), Link)
    waiting = _grouped(await (await conn.execute(_WAITING, about)).fetchone(), Waiting)
    sessions = _grouped(await (await conn.execute(_SESSIONS, about)).fetchone(), Session)
    return {
        key: {
            "refunds": tuple(refunds.get(key, ())),
            "links": tuple(links.get(key, ())),
            "waiting": tuple(waiting.get(key, ())),
            "sessions": tuple(sessions.get(key, ())),
        }
        for key in about["ids"]
    }
