"""Moments by sets: those that the time that comes makes, and those that a stretch of the past would have made.

The rules are those of `moments`, said once more over whole tables: a dry run asks about everybody at once. What the
objects do not date (paused, undone) the past cannot tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from bridged.core.db import Conn
from bridged.mirror.store import Scope
from bridged.profiles.moments import TIMED, Moment
from bridged.profiles.rules import family_of

DAY = 86_400
_PAID_WITHIN = 120 * DAY
"""Seconds after its creation within which an invoice is looked for when it was paid."""

# Each answers one JSON text of rows: key, customer, at, object, facts.
_TRIAL_ENDING = """
select json_agg(json_build_array(id || ':' || due, customer_id, due - %(ahead)s, id,
  json_build_object('when', due)))::text as found
from (select id, customer_id, extract(epoch from trial_end)::bigint as due from stripe.subscriptions
      where connection_id = %(connection_id)s and status = 'trialing' and not deleted and customer_id is not null
        and trial_end > to_timestamp(%(since)s) and trial_end <= to_timestamp(%(until)s)
        and cancel_at_period_end is not true and (cancel_at is null or cancel_at > trial_end)) s
"""
_RENEWAL_DUE = """
select json_agg(json_build_array(id || ':' || due, customer_id, due - %(ahead)s, id,
  json_build_object('when', due)))::text as found
from (select id, customer_id, extract(epoch from current_period_end)::bigint as due from stripe.subscriptions
      where connection_id = %(connection_id)s and status = 'active' and not deleted and customer_id is not null
        and current_period_end > to_timestamp(%(since)s) and current_period_end <= to_timestamp(%(until)s)
        and collection_method is distinct from 'send_invoice' and cancel_at_period_end is not true
        and (cancel_at is null or cancel_at > current_period_end)
        and coalesce(data -> 'pause_collection', 'null') = 'null') s
"""
_INVOICE_DUE = """
select json_agg(json_build_array(id, customer_id, extract(epoch from due_date)::bigint - %(ahead)s, id,
  json_build_object('when', extract(epoch from due_date)::bigint, 'amount', amount_remaining,
                    'currency', currency)))::text as found
from stripe.invoices where connection_id = %(connection_id)s and status = 'open' and not deleted
  and customer_id is not null and amount_remaining > 0
  and due_date > to_timestamp(%(since)s) and due_date <= to_timestamp(%(until)s)
"""
# A card is good to the end of its month, which is all that is known of the zone.
_CARD_EXPIRING = """
select json_agg(json_build_array(customer_id || ':' || card_exp, customer_id, due - %(ahead)s, customer_id,
  json_build_object('when', due, 'card_exp', card_exp)))::text as found
from (select customer_id, card_exp,
             extract(epoch from (card_exp || '-01')::timestamp + interval '1 month')::bigint as due
      from bridged.profiles where connection_id = %(connection_id)s and card_exp is not null and not deleted
        and status in ('active', 'trialing', 'past_due')
        and card_exp >= to_char(to_timestamp(%(since)s) at time zone 'UTC' - interval '1 month', 'YYYY-MM')
        and card_exp <= to_char(to_timestamp(%(until)s) at time zone 'UTC', 'YYYY-MM')) p
where due > %(since)s and due <= %(until)s
"""
# The renewals that were: the invoice is made as the period ends.
_RENEWED = """
select json_agg(json_build_array(subscription_id || ':' || due, customer_id, due - %(ahead)s, subscription_id,
  json_build_object('when', due)))::text as found
from (select subscription_id, customer_id, extract(epoch from created)::bigint as due from stripe.invoices
      where connection_id = %(connection_id)s and billing_reason = 'subscription_cycle' and not deleted
        and customer_id is not null and subscription_id is not null
        and created > to_timestamp(%(since)s) and created <= to_timestamp(%(until)s)) i
"""
_TRIALS_ENDED = """
select json_agg(json_build_array(id || ':' || due, customer_id, due - %(ahead)s, id,
  json_build_object('when', due)))::text as found
from (select id, customer_id, extract(epoch from trial_end)::bigint as due from stripe.subscriptions
      where connection_id = %(connection_id)s and status <> 'trialing' and not deleted and customer_id is not null
        and trial_end > to_timestamp(%(since)s) and trial_end <= to_timestamp(%(until)s)
        and (ended_at is null or ended_at > trial_end)) s
"""
_INVOICES_DUE = """
select json_agg(json_build_array(id, customer_id, extract(epoch from due_date)::bigint - %(ahead)s, id,
  json_build_object('when', extract(epoch from due_date)::bigint, 'amount', amount_due, 'currency', currency)))::text
  as found
from stripe.invoices where connection_id = %(connection_id)s and status in ('paid', 'uncollectible') and not deleted
  and customer_id is not null and amount_due > 0 and collection_method = 'send_invoice'
  and due_date > to_timestamp(%(since)s) and due_date <= to_timestamp(%(until)s)
  and coalesce(bridged.int_of(data #> '{status_transitions,paid_at}'), %(until)s)
      > extract(epoch from due_date)::bigint - %(ahead)s
"""
_PAID_INVOICES = """
select json_agg(json_build_array(id, customer_id, paid_at, id,
  json_build_object('amount', amount_paid, 'currency', currency, 'subscription', subscription_id)))::text as found
from (select id, customer_id, amount_paid, currency, subscription_id,
             coalesce(bridged.int_of(data #> '{status_transitions,paid_at}'),
                      extract(epoch from created)::bigint) as paid_at
      from stripe.invoices where connection_id = %(connection_id)s and status = 'paid' and not deleted
        and customer_id is not null and amount_paid > 0
        and created >= to_timestamp(%(since)s::bigint - %(within)s) and created < to_timestamp(%(until)s) offset 0) i
where paid_at >= %(since)s and paid_at < %(until)s
"""
_CHARGES = """
with charge as materialized (
  select id, customer_id, status, currency, amount, created, payment_intent_id, failure_code,
         coalesce(payment_intent_id, id) as fact,
         case when status = 'failed' then bridged.text_of(data #> '{outcome,reason}') end as decline
  from stripe.charges where connection_id = %(connection_id)s and not deleted and customer_id is not null
    and created >= to_timestamp(%(since)s) and created < to_timestamp(%(until)s) and amount > 0
    and status in ('succeeded', 'failed')
), link as materialized (
  select payment_intent_id, charge_id, invoice_id from stripe.invoice_payments
  where connection_id = %(connection_id)s and not deleted
), linked as (
  select distinct on (c.id) c.*, coalesce(p.invoice_id, q.invoice_id) as invoice_id from charge c
  left join link p on p.payment_intent_id = c.payment_intent_id left join link q on q.charge_id = c.id
  order by c.id, 11
)
select json_agg(json_build_array(id, customer_id, status, currency, amount, extract(epoch from created)::bigint, fact,
  failure_code, decline, invoice_id) order by created, id)::text as found
from linked where status = 'failed' or invoice_id is null
"""
_ATTEMPTS = """
select json_agg(json_build_array(i.id, i.subscription_id, i.billing_reason, (
  select count(distinct c.id) from stripe.invoice_payments p
  join stripe.charges c on c.connection_id = p.connection_id
    and (c.payment_intent_id = p.payment_intent_id or c.id = p.charge_id)
  where p.connection_id = %(connection_id)s and p.invoice_id = i.id and not p.deleted and not c.deleted
    and c.status = 'failed' and c.created < to_timestamp(%(since)s))))::text as found
from stripe.invoices i where i.connection_id = %(connection_id)s and i.id = any(%(ids)s)
"""
_SUBSCRIPTIONS = """
select json_agg(json_build_array(id, customer_id, status, extract(epoch from created)::bigint,
  case when trial_end is not null then bridged.int_of(data -> 'trial_start') end,
  extract(epoch from trial_end)::bigint, extract(epoch from coalesce(ended_at, canceled_at))::bigint,
  extract(epoch from canceled_at)::bigint,
  extract(epoch from coalesce(cancel_at, case when cancel_at_period_end then current_period_end end))::bigint
))::text as found
from stripe.subscriptions where connection_id = %(connection_id)s and not deleted and customer_id is not null
  and status not in ('incomplete', 'incomplete_expired')
  and (created >= to_timestamp(%(since)s) or trial_end >= to_timestamp(%(since)s)
       or ended_at >= to_timestamp(%(since)s) or canceled_at >= to_timestamp(%(since)s))
"""
_REFUNDS = """
select json_agg(json_build_array(r.id, c.customer_id, extract(epoch from r.created)::bigint, r.id,
  json_build_object('amount', r.amount, 'currency', r.currency, 'charge', c.id)))::text as found
from stripe.refunds r join stripe.charges c on c.connection_id = r.connection_id and c.id = r.charge_id
where r.connection_id = %(connection_id)s and r.status = 'succeeded' and not r.deleted and c.customer_id is not null
  and r.created >= to_timestamp(%(since)s) and r.created < to_timestamp(%(until)s)
"""
_DISPUTES = """
select json_agg(json_build_array(d.id, c.customer_id, extract(epoch from d.created)::bigint, d.id,
  json_build_object('amount', d.amount, 'currency', d.currency, 'charge', c.id, 'reason', d.reason)))::text as found
from stripe.disputes d join stripe.charges c on c.connection_id = d.connection_id and c.id = d.charge_id
where d.connection_id = %(connection_id)s and not d.deleted and c.customer_id is not null
  and d.status not like 'warning_%%' and d.created >= to_timestamp(%(since)s) and d.created < to_timestamp(%(until)s)
"""
_SESSIONS = """
select json_agg(json_build_array(id, customer_id, expired_at, id,
  json_build_object('amount', amount_total, 'currency', currency)))::text as found
from (select id, customer_id, amount_total, currency, bridged.int_of(data -> 'expires_at') as expired_at
      from stripe.checkout_sessions where connection_id = %(connection_id)s and status = 'expired' and not deleted
        and customer_id is not null and created >= to_timestamp(%(since)s::bigint - 172800)) s
where expired_at >= %(since)s and expired_at < %(until)s
"""


async def due_moments(conn: Conn, scope: Scope, now: int, ahead: Mapping[str, int]) -> list[Moment]:
    """What comes within so many seconds, of each kind in `ahead` (of `moments.TIMED`). `at` is when it came that near,
    `facts["when"]` when it is. The key is of the thing itself: whoever asks earlier for more makes the same moment.
    """
    found: list[Moment] = []
    for kind in TIMED:
        if kind in ahead:
            about = _about(scope, now, now + ahead[kind], ahead[kind])
            found += await _coming(conn, kind, about)
    return found


async def history_moments(
    conn: Conn, scope: Scope, since: int, until: int, ahead: Mapping[str, int] | None = None
) -> list[Moment]:
    """The moments of a time that is past (Unix seconds, `until` not included), as the mirror tells it, in their order.

    With `ahead` also those of `due_moments` that would have come in it.
    """
    found = await _dated(conn, _about(scope, since, until, 0))
    for kind, seconds in (ahead or {}).items():
        about = _about(scope, since + seconds, until + seconds, seconds)
        found += await _coming(conn, kind, about)
        found += await _came(conn, kind, about)
    unique = {(each.kind, each.key): each for each in found if since <= each.at < until}
    return sorted(unique.values(), key=lambda each: (each.at, each.kind, each.key))


def _about(scope: Scope, since: int, until: int, ahead: int) -> dict[str, Any]:
    return {
        "connection_id": scope.connection_id, "since": since, "until": until, "ahead": ahead, "within": _PAID_WITHIN,
    }  # fmt: skip


def _made(kind: str, row: dict[str, Any] | None) -> list[Moment]:
    return [
        Moment(kind, key, customer_id, at, object_id, facts) for key, customer_id, at, object_id, facts in _rows(row)
    ]


def _rows(row: dict[str, Any] | None) -> list[list[Any]]:
    return orjson.loads(row["found"]) if row is not None and row["found"] else []


async def _coming(conn: Conn, kind: str, about: Mapping[str, Any]) -> list[Moment]:
    if kind == "trial_ending":
        return _made(kind, await (await conn.execute(_TRIAL_ENDING, about)).fetchone())
    if kind == "renewal_due":
        return _made(kind, await (await conn.execute(_RENEWAL_DUE, about)).fetchone())
    if kind == "invoice_due":
        return _made(kind, await (await conn.execute(_INVOICE_DUE, about)).fetchone())
    return _made(kind, await (await conn.execute(_CARD_EXPIRING, about)).fetchone())


async def _came(conn: Conn, kind: str, about: Mapping[str, Any]) -> list[Moment]:
    """Of what has passed since; a card that is the default no more is not known to have been."""
    if kind == "trial_ending":
        return _made(kind, await (await conn.execute(_TRIALS_ENDED, about)).fetchone())
    if kind == "renewal_due":
        return _made(kind, await (await conn.execute(_RENEWED, about)).fetchone())
    if kind == "invoice_due":
        return _made(kind, await (await conn.execute(_INVOICES_DUE, about)).fetchone())
    return []


async def _dated(conn: Conn, about: Mapping[str, Any]) -> list[Moment]:
    charges = _rows(await (await conn.execute(_CHARGES, about)).fetchone())
    invoices = sorted({row[9] for row in charges if row[9] is not None})
    attempts = _rows(await (await conn.execute(_ATTEMPTS, {**about, "ids": invoices})).fetchone())
    return [
        *_made("paid", await (await conn.execute(_PAID_INVOICES, about)).fetchone()),
        *_payments(charges, {row[0]: row[1:] for row in attempts}),
        *_subscribed(_rows(await (await conn.execute(_SUBSCRIPTIONS, about)).fetchone())),
        *_made("refunded", await (await conn.execute(_REFUNDS, about)).fetchone()),
        *_made("disputed", await (await conn.execute(_DISPUTES, about)).fetchone()),
        *_made("checkout_expired", await (await conn.execute(_SESSIONS, about)).fetchone()),
    ]


def _payments(charges: Sequence[Sequence[Any]], invoices: Mapping[str, Sequence[Any]]) -> list[Moment]:
    """Payments without an invoice, and failures: of an invoice each attempt, of an intent the first."""
    made: dict[tuple[str, str], Moment] = {}
    tried = {invoice: int(row[2]) for invoice, row in invoices.items()}
    for charge_id, customer, status, currency, amount, at, fact, failure, decline, invoice in charges:
        facts: dict[str, str | int | None] = {"amount": amount, "currency": currency}
        if status == "succeeded":
            made["paid", fact] = Moment("paid", fact, customer, at, charge_id, facts)
            continue
        facts["family"] = family_of(failure, decline)
        if invoice not in invoices:
            made.setdefault(("payment_failed", fact), Moment("payment_failed", fact, customer, at, charge_id, facts))
            continue
        tried[invoice] += 1
        subscription, reason, _ = invoices[invoice]
        facts |= {"attempt": tried[invoice], "subscription": subscription}
        key = f"{invoice}:{tried[invoice]}"
        made["payment_failed", key] = Moment("payment_failed", key, customer, at, invoice, facts)
        if tried[invoice] == 1 and subscription is not None and reason != "subscription_create":
            key = f"{subscription}:{invoice}"
            owed: dict[str, str | int | None] = {"amount": amount, "currency": currency}
            made["past_due", key] = Moment("past_due", key, customer, at, subscription, owed)
    return list(made.values())


def _subscribed(rows: Sequence[Sequence[Any]]) -> list[Moment]:
    made: list[Moment] = []
    for name, customer, status, created, began, trial_end, ended, canceled_at, stop in rows:
        if began is None and created is not None:
            made.append(Moment("subscribed", name, customer, created, name))
        if began is not None:
            made.append(Moment("trial_started", name, customer, began, name, {"trial_end": trial_end}))
            if status not in {"trialing", "canceled", "paused"} or (status == "canceled" and (ended or 0) > trial_end):
                made.append(Moment("trial_converted", f"{name}:{trial_end}", customer, trial_end, name))
        if status == "canceled":
            made.append(Moment("canceled", name, customer, ended or 0, name))
        if stop is not None and canceled_at is not None:
            made.append(Moment("cancel_scheduled", f"{name}:{stop}", customer, canceled_at, name, {"cancel_at": stop}))
    return made
