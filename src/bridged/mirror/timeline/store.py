"""Reading what happened to one customer: each kind by its own index, cut before the kinds are put together."""

from __future__ import annotations

from collections.abc import Collection

from bridged.core.db import Conn
from bridged.mirror.store import Scope
from bridged.mirror.timeline import Edge, Happening, Standing, What

# A subscription's changes are told where they matter to a customer: not each new period and invoice.
_HAPPENED = """
with theirs as not materialized (
  select id, created from stripe.charges
  where connection_id = %(connection)s and customer_id = %(customer)s and not deleted
)
select * from (
  (select c.created as at, c.id as key, case when c.status = 'failed' then 'failure' else 'payment' end as what,
     'charges' as kind, c.id as object_id, c.amount, c.currency,
     case when bridged.bool_of(c.data -> 'captured') = false and c.status = 'succeeded' then 'authorised' else c.status
     end as state,
     coalesce(bridged.text_of(c.data #> '{outcome,reason}'), c.failure_code) as detail, null as event_id
   from stripe.charges c
   where c.connection_id = %(connection)s and c.customer_id = %(customer)s and not c.deleted
     and ('payment' = any(%(what)s) or c.status = 'failed') and ('failure' = any(%(what)s) or c.status <> 'failed')
     and ('payment' = any(%(what)s) or 'failure' = any(%(what)s))
     and (c.created, c.id collate "C") < (%(at)s, %(key)s)
   order by c.created desc, c.id collate "C" desc limit %(limit)s)
  union all
  (select r.created, r.id, 'refund', 'refunds', r.id, r.amount, r.currency, r.status, r.reason, null
   from theirs join stripe.refunds r on r.connection_id = %(connection)s and r.charge_id = theirs.id
   where 'refund' = any(%(what)s) and not r.deleted and (r.created, r.id collate "C") < (%(at)s, %(key)s)
   order by r.created desc, r.id collate "C" desc limit %(limit)s)
  union all
  (select d.created, d.id, 'dispute', 'disputes', d.id, d.amount, d.currency, d.status, d.reason, null
   from theirs join stripe.disputes d on d.connection_id = %(connection)s and d.charge_id = theirs.id
   where 'dispute' = any(%(what)s) and not d.deleted and (d.created, d.id collate "C") < (%(at)s, %(key)s)
   order by d.created desc, d.id collate "C" desc limit %(limit)s)
  union all
  (select t.at, t.key, t.what, 'subscriptions', s.id, null, s.currency, s.status, t.detail, null
   from stripe.subscriptions s cross join lateral (values
     (s.created, s.id || ':began', 'began', null),
     (s.canceled_at, s.id || ':canceled', 'canceled', bridged.text_of(s.data #> '{cancellation_details,reason}')),
     (s.ended_at, s.id || ':ended', 'ended', bridged.text_of(s.data #> '{cancellation_details,reason}'))
   ) t (at, key, what, detail)
   where s.connection_id = %(connection)s and s.customer_id = %(customer)s and not s.deleted
     and 'changed' = any(%(what)s) and t.at is not null and (t.at, t.key collate "C") < (%(at)s, %(key)s)
     and (t.what <> 'canceled' or s.ended_at is null or s.ended_at <> s.canceled_at)
   order by t.at desc, t.key collate "C" desc limit %(limit)s)
  union all
  (select g.at, g.id::text, 'changed', 'subscriptions', g.object_id, null, null, null, f.fields, g.event_id
   from stripe.subscriptions s join bridged.changes g on g.connection_id = s.connection_id and g.object_id = s.id
   cross join lateral (select string_agg(k, ', ' order by k) as fields from jsonb_object_keys(g.fields) k where k ~
     '^(cancel_at|cancel_at_period_end|pause_collection|collection_method|discounts?|trial_end|items[.].*(price|plan|quantity)(|[.]id))$'
   ) f
   where s.connection_id = %(connection)s and s.customer_id = %(customer)s and 'changed' = any(%(what)s)
     and g.change = 'changed' and f.fields is not null and (g.at, g.id::text collate "C") < (%(at)s, %(key)s)
   order by g.at desc, g.id::text collate "C" desc limit %(limit)s)
) found order by at desc, key collate "C" desc limit %(limit)s
"""


async def happened(
    conn: Conn, scope: Scope, customer_id: str, what: Collection[What], before: Edge | None, limit: int
) -> list[Happening]:
    """So many at most, of these sorts; `changed` stands for all that happened to a subscription.

    Planned each time: what is quick for a customer with three payments takes ten times as long for one with thousands.
    """
    cursor = await conn.execute(
        _HAPPENED,
        {
            "connection": scope.connection_id,
            "customer": customer_id,
            "what": list(what),
            "at": "infinity" if before is None else before.at,
            "key": "" if before is None else before.key,
            "limit": limit,
        },
        prepare=False,
    )
    return [Happening(**row) for row in await cursor.fetchall()]


async def standing(conn: Conn, scope: Scope, customer_id: str) -> Standing | None:
    """How far the customer can be believed; None: not mirrored."""
    cursor = await conn.execute(
        "select c.as_of, c.known_until, c.deleted, c.name, c.email, array_remove(array["
        "case when c.dirty then 'customers' end, "
        "case when exists(select from stripe.subscriptions s where s.connection_id = c.connection_id "
        "and s.customer_id = c.id and s.dirty) then 'subscriptions' end, "
        "case when exists(select from stripe.invoices i where i.connection_id = c.connection_id "
        "and i.customer_id = c.id and i.dirty) then 'invoices' end, "
        "case when exists(select from stripe.payment_intents p where p.connection_id = c.connection_id "
        "and p.customer_id = c.id and p.dirty) then 'payment_intents' end, "
        "case when exists(select from stripe.charges h where h.connection_id = c.connection_id "
        "and h.customer_id = c.id and h.dirty) then 'charges' end], null) as doubtful "
        "from stripe.customers c where c.connection_id = %s and c.id = %s",
        (scope.connection_id, customer_id),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    row["doubtful"] = tuple(row["doubtful"])
    return Standing(**row)
