"""The tables of contacts and of what customers agreed to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString

from bridged.core.db import Conn
from bridged.mirror.store import Scope
from bridged.profiles.contacts import (
    MARKETING_LASTS,
    NOWHERE,
    WHATSAPP,
    Consent,
    Contact,
    Identity,
    Kind,
    Owners,
    Reach,
    Source,
)
from bridged.profiles.contacts.identities import identities, of_contact, phone_identity

_CHUNK = 1000
_RANKED: LiteralString = "array_position(array['verified', 'person', 'import', 'whatsapp', 'stripe'], source)"
"""Which of several numbers counts: what was proven or entered on purpose before what was found."""


async def reach(conn: Conn, scope: Scope, customer_id: str, now: datetime | None = None) -> Reach:
    """Whether and how one customer can be reached."""
    return (await reach_many(conn, scope, [customer_id], now))[customer_id]


async def reach_many(conn: Conn, scope: Scope, ids: Sequence[str], now: datetime | None = None) -> dict[str, Reach]:
    """The same of many, in a few statements; `now` decides whether an agreement has ended (absent: the database's)."""
    found: dict[str, Reach] = dict.fromkeys(ids, NOWHERE)
    for start in range(0, len(ids), _CHUNK):
        found |= await _reach(conn, scope, list(ids[start : start + _CHUNK]), now)
    return found


async def _reach(conn: Conn, scope: Scope, ids: list[str], now: datetime | None) -> dict[str, Reach]:
    cursor = await conn.execute(
        "with live as (select customer_id, kind, value, canonical, source, since, "
        "case when kind = 'bsuid' then 'bsuid:' else 'phone:' end || canonical as identity "
        "from bridged.contacts where connection_id = %(connection)s and customer_id = any(%(ids)s) "
        "and ended_at is null and kind in ('phone', 'wa_id', 'bsuid')), "
        "phone as (select distinct on (customer_id) * from live where kind <> 'bsuid' order by customer_id, "
        f"{_RANKED}, "
        "kind, since desc, canonical), "
        "own_id as (select distinct on (customer_id) * from live where kind = 'bsuid' order by customer_id, "
        f"{_RANKED}, "
        "since desc, canonical), "
        "heard as (select l.customer_id, max(w.last_inbound_at) as at from live l join bridged.conversation_windows w "
        "on w.connection_id = %(connection)s and w.identity = l.identity group by l.customer_id), "
        "halted as (select l.customer_id, bool_or(s.category = 'all') as everything, "
        "bool_or(s.category = 'marketing') as marketing from live l join bridged.stops s "
        "on s.connection_id = %(connection)s and s.channel = %(channel)s and s.identity = l.identity "
        "and s.lifted_at is null group by l.customer_id), "
        # Each table is read once, by its keys, before anything is joined: right after a big import the planner knows
        # nothing of their sizes yet, and would read them whole for each customer.
        "taken as materialized (select customer_id, kind = 'bsuid' as by_id, canonical from bridged.contacts "
        "where connection_id = %(connection)s and ended_at is null and kind in ('phone', 'wa_id', 'bsuid') "
        "and canonical = any(array(select canonical from live))), "
        "shared as (select p.customer_id from phone p join taken o on o.canonical = p.canonical and not o.by_id "
        "and o.customer_id <> p.customer_id union select b.customer_id from own_id b join taken o "
        "on o.canonical = b.canonical and o.by_id and o.customer_id <> b.customer_id), "
        "agreed as materialized (select customer_id, category, state, at, expires_at from bridged.consents "
        "where connection_id = %(connection)s and customer_id = any(%(ids)s) and channel = %(channel)s) "
        "select c.id as customer_id, p.value as phone, b.value as bsuid, h.at as last_inbound_at, "
        "coalesce(s.everything, false) as everything, coalesce(s.marketing, false) as marketing_stopped, "
        "x.customer_id is not null as ambiguous, "
        "u.state as utility, u.at as utility_at, u.expires_at as utility_ends, "
        "m.state as marketing, m.at as marketing_at, "
        "coalesce(m.expires_at, greatest(m.at, h.at) + %(lasts)s) as marketing_ends, coalesce(%(now)s, now()) as "
        "now_is "
        "from unnest(%(ids)s::text[]) as c (id) left join phone p on p.customer_id = c.id "
        "left join own_id b on b.customer_id = c.id left join heard h on h.customer_id = c.id "
        "left join halted s on s.customer_id = c.id left join shared x on x.customer_id = c.id "
        "left join agreed u on u.customer_id = c.id and u.category = 'utility' "
        "left join agreed m on m.customer_id = c.id and m.category = 'marketing'",
        {"connection": scope.connection_id, "ids": ids, "channel": WHATSAPP, "lasts": MARKETING_LASTS, "now": now},
    )
    return {row["customer_id"]: _reach_of(row) for row in await cursor.fetchall()}


def _reach_of(row: dict[str, Any]) -> Reach:
    def agreement(state: str | None, ends: datetime | None) -> Any:
        if row["everything"] or state == "revoked":
            return "revoked"
        return "granted" if state == "granted" and (ends is None or ends > row["now_is"]) else "none"

    return Reach(
        phone_e164=row["phone"],
        bsuid=row["bsuid"],
        ambiguous=row["ambiguous"],
        utility=agreement(row["utility"], row["utility_ends"]),
        marketing=agreement(row["marketing"], row["marketing_ends"]),
        marketing_stopped=row["marketing_stopped"],
        last_inbound_at=row["last_inbound_at"],
    )


# Contacts


async def add(
    conn: Conn, scope: Scope, customer_id: str, kind: Kind, value: str, source: Source, now: datetime
) -> None:
    """An address of a customer. One that was known keeps its time and takes the stronger source."""
    canonical = of_contact(kind, value)
    await conn.execute(
        "insert into bridged.contacts as c (workspace_id, connection_id, customer_id, kind, value, canonical, source, "
        "since) values (%s, %s, %s, %s, %s, %s, %s, %s) "
        "on conflict (connection_id, customer_id, kind, canonical) do update set value = excluded.value, "
        "source = case when c.ended_at is null and excluded.source in ('stripe', 'whatsapp') then c.source "
        "else excluded.source end, since = case when c.ended_at is null then c.since else excluded.since end, "
        "ended_at = null",
        (scope.workspace_id, scope.connection_id, customer_id, kind, value, canonical, source, now),
    )


async def end(conn: Conn, scope: Scope, customer_id: str, kind: Kind, canonical: str, now: datetime) -> bool:
    """It is theirs no more."""
    cursor = await conn.execute(
        "update bridged.contacts set ended_at = %s where workspace_id = %s and connection_id = %s and customer_id = %s "
        "and kind = %s and canonical = %s and ended_at is null",
        (now, scope.workspace_id, scope.connection_id, customer_id, kind, canonical),
    )
    return cursor.rowcount == 1


async def adopt(conn: Conn, scope: Scope, phones: Sequence[tuple[str, str | None]], now: datetime) -> int:
    """The numbers Stripe holds of these customers (E.164, or None); one that Stripe holds no more ends.

    Set-based, for the refresh of profiles. How many rows changed.
    """
    rows = [(customer, phone, of_contact("phone", phone)) for customer, phone in phones if phone]
    ended = await conn.execute(
        "update bridged.contacts c set ended_at = %s from unnest(%s::text[], %s::text[]) as n (customer_id, canonical) "
        "where c.connection_id = %s and c.customer_id = n.customer_id and c.kind = 'phone' and c.source = 'stripe' "
        "and c.ended_at is null and c.canonical is distinct from n.canonical",
        (
            now, [customer for customer, _ in phones],
            [of_contact("phone", phone) if phone else None for _, phone in phones], scope.connection_id,
        ),
    )  # fmt: skip
    added = await conn.execute(
        "insert into bridged.contacts as c (workspace_id, connection_id, customer_id, kind, value, canonical, source, "
        "since) select %s, %s, n.customer_id, 'phone', n.value, n.canonical, 'stripe', %s "
        "from unnest(%s::text[], %s::text[], %s::text[]) as n (customer_id, value, canonical) "
        "on conflict (connection_id, customer_id, kind, canonical) do update set value = excluded.value, "
        "since = excluded.since, ended_at = null where c.source = 'stripe' "
        "and (c.ended_at is not null or c.value <> excluded.value)",
        (scope.workspace_id, scope.connection_id, now, *(list(column) for column in zip(*rows, strict=True)))
        if rows
        else (scope.workspace_id, scope.connection_id, now, [], [], []),
    )
    return ended.rowcount + added.rowcount


async def contacts(conn: Conn, scope: Scope, customer_id: str) -> list[Contact]:
    """Every address of a customer, those that ended too."""
    cursor = await conn.execute(
        "select customer_id, kind, value, canonical, source, since, ended_at from bridged.contacts "
        "where workspace_id = %s and connection_id = %s and customer_id = %s order by kind, since",
        (scope.workspace_id, scope.connection_id, customer_id),
    )
    return [Contact(**row) for row in await cursor.fetchall()]


async def phones_of(conn: Conn, scope: Scope, ids: Sequence[str]) -> dict[str, set[str]]:
    """The canonical numbers these customers have now."""
    cursor = await conn.execute(
        "select customer_id, canonical from bridged.contacts where connection_id = %s and customer_id = any(%s) "
        "and kind = 'phone' and ended_at is null",
        (scope.connection_id, list(ids)),
    )
    found: dict[str, set[str]] = {}
    for row in await cursor.fetchall():
        found.setdefault(row["customer_id"], set()).add(row["canonical"])
    return found


async def holders(conn: Conn, scope: Scope, canonicals: Sequence[str]) -> dict[str, set[str]]:
    """Who has these numbers now, by canonical number."""
    cursor = await conn.execute(
        "select canonical, customer_id from bridged.contacts where connection_id = %s and canonical = any(%s) "
        "and kind in ('phone', 'wa_id') and ended_at is null",
        (scope.connection_id, list(canonicals)),
    )
    found: dict[str, set[str]] = {}
    for row in await cursor.fetchall():
        found.setdefault(row["canonical"], set()).add(row["customer_id"])
    return found


async def owners(conn: Conn, scope: Scope, who: Identity) -> Owners:
    """Whose an identity is. The id counts more than the number: a number may have been somebody else's before."""
    if who.bsuid:
        cursor = await conn.execute(
            "select distinct customer_id from bridged.contacts where connection_id = %s and kind = 'bsuid' "
            "and canonical = %s and ended_at is null order by customer_id",
            (scope.connection_id, who.bsuid),
        )
        if rows := await cursor.fetchall():
            return Owners([row["customer_id"] for row in rows])
    if who.phone_e164 is None:
        return Owners([])
    canonical = of_contact("phone", who.phone_e164)
    found = await holders(conn, scope, [canonical])
    return Owners(sorted(found.get(canonical, ())))


async def bind(conn: Conn, scope: Scope, customer_id: str, who: Identity, now: datetime) -> None:
    """What a channel said of somebody who is this customer: number, id and name."""
    if who.phone_e164:
        await add(conn, scope, customer_id, "wa_id", who.phone_e164, "whatsapp", now)
    if who.bsuid:
        await add(conn, scope, customer_id, "bsuid", who.bsuid, "whatsapp", now)
    if who.username:
        await add(conn, scope, customer_id, "username", who.username, "whatsapp", now)


async def renamed(conn: Conn, scope: Scope, previous: str, current: str, now: datetime) -> int:
    """A person's id changed: whoever had the old one has the new one. How many customers that are."""
    cursor = await conn.execute(
        "update bridged.contacts set ended_at = %s where connection_id = %s and kind = 'bsuid' and canonical = %s "
        "and ended_at is null returning customer_id",
        (now, scope.connection_id, previous),
    )
    found = [row["customer_id"] for row in await cursor.fetchall()]
    for customer_id in found:
        await add(conn, scope, customer_id, "bsuid", current, "whatsapp", now)
    await conn.execute(
        "insert into bridged.stops (workspace_id, connection_id, channel, identity, category, source, at, lifted_at) "
        "select workspace_id, connection_id, channel, %s, category, source, at, lifted_at from bridged.stops "
        "where connection_id = %s and identity = %s on conflict do nothing",
        (f"bsuid:{current}", scope.connection_id, f"bsuid:{previous}"),
    )
    return len(found)


# Consents


async def record(conn: Conn, scope: Scope, given: Consent, now: datetime, *, before_stop: bool = False) -> bool:
    """What a customer agreed to or took back, and its place in the history. False: it was so already.

    What is older than what is known goes into the history only.
    """
    cursor = await conn.execute(
        "insert into bridged.consents as c (workspace_id, connection_id, customer_id, channel, category, state, "
        "source, "
        "text, proof, at, expires_at, before_stop) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
        "on conflict (connection_id, customer_id, channel, category) do update set state = excluded.state, "
        "source = excluded.source, text = excluded.text, proof = excluded.proof, at = excluded.at, "
        "expires_at = excluded.expires_at, before_stop = excluded.before_stop where excluded.at >= c.at and "
        "(c.state, c.at, c.source) is distinct from (excluded.state, excluded.at, excluded.source)",
        (
            scope.workspace_id, scope.connection_id, given.customer_id, given.channel, given.category, given.state,
            given.source, given.text, given.proof, given.at, given.expires_at, before_stop,
        ),
    )  # fmt: skip
    if cursor.rowcount == 0 and await _noted(conn, scope, given):
        return False
    await conn.execute(
        "insert into bridged.consent_history (workspace_id, connection_id, customer_id, channel, category, state, "
        "source, "
        "text, proof, at, recorded_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            scope.workspace_id, scope.connection_id, given.customer_id, given.channel, given.category, given.state,
            given.source, given.text, given.proof, given.at, now,
        ),
    )  # fmt: skip
    return cursor.rowcount == 1


async def _noted(conn: Conn, scope: Scope, given: Consent) -> bool:
    cursor = await conn.execute(
        "select from bridged.consent_history where connection_id = %s and customer_id = %s and channel = %s "
        "and category = %s and state = %s and source = %s and at = %s limit 1",
        (
            scope.connection_id, given.customer_id, given.channel, given.category, given.state, given.source, given.at,
        ),
    )  # fmt: skip
    return await cursor.fetchone() is not None


async def consents(conn: Conn, scope: Scope, ids: Sequence[str]) -> list[tuple[Consent, bool]]:
    """What these customers agreed to, and of each whether it was granted when STOP came."""
    cursor = await conn.execute(
        "select customer_id, category, state, source, at, text, proof, channel, expires_at, before_stop "
        "from bridged.consents where connection_id = %s and customer_id = any(%s) order by customer_id, category",
        (scope.connection_id, list(ids)),
    )
    rows = await cursor.fetchall()
    return [(Consent(**{key: row[key] for key in row if key != "before_stop"}), row["before_stop"]) for row in rows]


async def history(conn: Conn, scope: Scope, customer_id: str) -> list[Consent]:
    """Everything a customer agreed to or took back, oldest first."""
    cursor = await conn.execute(
        "select customer_id, category, state, source, at, text, proof, channel from bridged.consent_history "
        "where connection_id = %s and customer_id = %s order by id",
        (scope.connection_id, customer_id),
    )
    return [Consent(**row) for row in await cursor.fetchall()]


async def stop(conn: Conn, scope: Scope, who: Identity, category: str, source: str, at: datetime) -> bool:
    """Whoever this is wants nothing (`all`) or no marketing any more, whether or not we know the customer.

    False: that was known, or they have since said that they do.
    """
    news = 0
    for identity in identities(who.phone_e164, who.bsuid):
        cursor = await conn.execute(
            "insert into bridged.stops as s (workspace_id, connection_id, channel, identity, category, source, at) "
            "values (%s, %s, %s, %s, %s, %s, %s) on conflict (connection_id, channel, identity, category) do update "
            "set source = excluded.source, at = excluded.at, lifted_at = null "
            "where s.lifted_at is not null and excluded.at >= s.lifted_at",
            (scope.workspace_id, scope.connection_id, WHATSAPP, identity, category, source, at),
        )
        news += cursor.rowcount
    return news > 0


async def lift(conn: Conn, scope: Scope, who: Identity, category: str, at: datetime) -> int:
    """They want it again. How many of their stops that ends; an older wish than the stop ends none."""
    cursor = await conn.execute(
        "update bridged.stops set lifted_at = %s where connection_id = %s and channel = %s and identity = any(%s) "
        "and category = %s and lifted_at is null and at <= %s",
        (at, scope.connection_id, WHATSAPP, identities(who.phone_e164, who.bsuid), category, at),
    )
    return cursor.rowcount


async def agreed_again(conn: Conn, scope: Scope, customer_id: str, given: Sequence[Consent], now: datetime) -> None:
    """A later consent outweighs the STOP before it, in the categories it is about; the STOP goes on in the others."""
    at = max(each.at for each in given)
    cursor = await conn.execute(
        "update bridged.stops s set lifted_at = %s from bridged.contacts c where c.connection_id = %s "
        "and c.customer_id = %s and c.ended_at is null and s.connection_id = c.connection_id and s.channel = %s "
        "and s.category = 'all' and s.lifted_at is null and s.at <= %s and s.identity = "
        "case when c.kind = 'bsuid' then 'bsuid:' else 'phone:' end || c.canonical returning s.at, s.source",
        (at, scope.connection_id, customer_id, WHATSAPP, at),
    )
    lifted = await cursor.fetchall()
    if not lifted:
        return
    stopped_at, named = max(row["at"] for row in lifted), {each.category for each in given}
    for before, _ in await consents(conn, scope, [customer_id]):
        if before.state == "granted" and before.category not in named and before.at <= stopped_at:
            kept = Consent(customer_id, before.category, "revoked", "stop_word", stopped_at)
            await record(conn, scope, kept, now, before_stop=True)


async def unreachable(conn: Conn, scope: Scope, phone_e164: str, until: datetime) -> None:
    """Nobody is on WhatsApp under this number, as far as was seen: not tried again before `until`."""
    await conn.execute(
        "insert into bridged.stops as s (workspace_id, connection_id, channel, identity, category, source, at) "
        "values (%s, %s, 'unreachable', %s, 'all', '131026', %s) on conflict (connection_id, channel, identity, "
        "category) "
        "do update set at = excluded.at",
        (scope.workspace_id, scope.connection_id, phone_identity(phone_e164), until),
    )


async def unreachable_until(conn: Conn, scope: Scope, identity: str) -> datetime | None:
    """Until when an identity is not tried; None: it may be."""
    cursor = await conn.execute(
        "select at from bridged.stops where connection_id = %s and channel = 'unreachable' and identity = %s",
        (scope.connection_id, identity),
    )
    row = await cursor.fetchone()
    return row["at"] if row else None
