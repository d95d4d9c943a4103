"""Profiles, their history, the moments; whose profiles are kept, and of whom something changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, LiteralString

import msgspec

from bridged.core import tracing
from bridged.core.db import Conn
from bridged.mirror.store import Scope
from bridged.profiles import zones
from bridged.profiles.facts import Profile
from bridged.profiles.moments import Moment, Standing, from_row
from bridged.profiles.rules import at

_profile = msgspec.json.Decoder(Profile)
_standing = msgspec.json.Decoder(Standing)
_MOMENT = "seq, kind, key, customer_id, extract(epoch from at)::bigint as at, object_id, facts, event_id"
_RIPE: LiteralString = (
    "select seq, customer_id from bridged.moments where connection_id = %(connection)s "
    "and state = 'new' and seq > %(after)s and (%(noted)s::timestamptz is null or noted_at <= %(noted)s) "
    "order by seq limit %(limit)s for update skip locked"
)
_CLAIM: LiteralString = (
    "with ripe as (" + _RIPE + ") select " + _MOMENT + " from bridged.moments m "
    "where m.connection_id = %(connection)s and m.state = 'new' and m.seq > %(after)s "
    "and m.customer_id in (select customer_id from ripe) order by m.seq for update skip locked"
)
_CLAIM_ONE: LiteralString = (
    "with ripe as (" + _RIPE + ") select " + _MOMENT + " from bridged.moments m "
    "where m.connection_id = %(connection)s and m.seq in (select seq from ripe)"
)
# The name of the product is joined: who renames it renames no profile.
_PROFILE = (
    "select p.customer_id, p.facts::text as facts, pr.name as plan from bridged.profiles p "
    "left join stripe.products pr on pr.connection_id = p.connection_id and pr.id = p.product_id "
    "where p.connection_id = %(connection_id)s"
)


@dataclass(frozen=True, slots=True)
class Build:
    """A connection whose profiles are kept. `after`: how far building has come; `built_at` None: not to the end yet."""

    moments_since: datetime
    after: str | None
    built_at: datetime | None
    country: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A profile as it is stored, and how its objects stood then."""

    profile: Profile
    standing: Standing


@dataclass(frozen=True, slots=True)
class Change:
    """A status and the one before, and since when as the objects tell."""

    before: str | None
    status: str
    at: datetime | None
    noted_at: datetime


@dataclass(frozen=True, slots=True)
class Numbered:
    """A moment and its place in the order in which they were noted. `event_id`: the event it came of, if one told."""

    seq: int
    moment: Moment
    event_id: str | None = None

    def trace(self, connection_id: str) -> str:
        """The id that the log has of what it leads to."""
        return trace_of(connection_id, self.moment, self.event_id)


def trace_of(connection_id: str, moment: Moment, event_id: str | None) -> str:
    """The id of a moment: the event's, or its own where time or a sync brought it."""
    return tracing.trace_of(connection_id, event_id or f"{moment.kind} {moment.key}")


# --- reading ---


async def get(conn: Conn, scope: Scope, customer_id: str, now: int | None = None) -> Profile | None:
    """One customer's; with `now` (Unix seconds) as it stands then."""
    return (await many(conn, scope, [customer_id], now)).get(customer_id)


async def many(conn: Conn, scope: Scope, ids: Iterable[str], now: int | None = None) -> dict[str, Profile]:
    """Those that are kept."""
    cursor = await conn.execute(
        _PROFILE + " and p.customer_id = any(%(ids)s)",
        {"connection_id": scope.connection_id, "ids": list(ids)},
    )
    return {row["customer_id"]: _read(row, now) for row in await cursor.fetchall()}


async def page(
    conn: Conn, scope: Scope, limit: int, *, after: str = "", status: str | None = None, now: int | None = None
) -> list[Profile]:
    """By customer id, those after one; all, or of one status."""
    cursor = await conn.execute(
        _PROFILE + " and p.customer_id > %(after)s and (%(status)s::text is null or p.status = %(status)s) "
        "order by p.customer_id limit %(limit)s",
        {"connection_id": scope.connection_id, "after": after, "status": status, "limit": limit},
    )
    return [_read(row, now) for row in await cursor.fetchall()]


async def how_many(conn: Conn, scope: Scope) -> int:
    """Customers with a profile."""
    cursor = await conn.execute(
        "select count(*) as profiles from bridged.profiles where connection_id = %s", (scope.connection_id,)
    )
    row = await cursor.fetchone()
    assert row is not None
    return row["profiles"]


async def sample(conn: Conn, scope: Scope, every: int, now: int) -> list[Profile]:
    """About one of `every`, always the same, chosen by nothing but their ids; all with 1."""
    cursor = await conn.execute(
        # The ids are chosen from the key alone: reading a hundred thousand rows for a thousand would take long.
        _PROFILE + " and p.customer_id = any(array(select s.customer_id from bridged.profiles s "
        "where s.connection_id = %(connection_id)s "
        "and (hashtext(s.customer_id) & 2147483647) %% %(every)s::int = 0))",
        {"connection_id": scope.connection_id, "every": every},
    )
    return [_read(row, now) for row in await cursor.fetchall()]


async def search(conn: Conn, scope: Scope, text: str, limit: int, now: int | None = None) -> list[Profile]:
    """Whose e-mail, name or phone begins so, in any case, or whose Stripe id it is. Each by its index."""
    wanted = text.strip()
    norm = wanted.lower()
    if not norm or "\0" in norm:
        return []
    country = await _country(conn, scope)
    e164 = zones.e164_of(wanted, country)
    digits = "".join(char for char in wanted if char.isdigit())
    number = e164.removeprefix("+") if e164 else (digits if len(digits) >= 4 and wanted.startswith("+") else None)
    cursor = await conn.execute(
        "with wanted as (select customer_id from (("
        "select customer_id from bridged.profiles where connection_id = %(connection_id)s and customer_id = %(text)s"
        ") union (select customer_id from bridged.profiles where connection_id = %(connection_id)s "
        "and email_norm >= %(norm)s and email_norm < %(norm_end)s order by email_norm limit %(limit)s"
        ") union (select customer_id from bridged.profiles where connection_id = %(connection_id)s "
        "and name_norm >= %(norm)s and name_norm < %(norm_end)s order by name_norm limit %(limit)s"
        ") union (select customer_id from bridged.profiles where connection_id = %(connection_id)s "
        "and phone_digits >= %(number)s and phone_digits < %(number_end)s order by phone_digits limit %(limit)s"
        ")) found order by customer_id limit %(limit)s) "
        "select p.customer_id, p.facts::text as facts, pr.name as plan from wanted w "
        "join bridged.profiles p on p.connection_id = %(connection_id)s and p.customer_id = w.customer_id "
        "left join stripe.products pr on pr.connection_id = p.connection_id and pr.id = p.product_id "
        "order by p.customer_id",
        {
            "connection_id": scope.connection_id,
            "text": wanted,
            "norm": norm,
            "norm_end": norm + "\U0010ffff",
            "number": number,
            "number_end": None if number is None else number + "\U0010ffff",
            "limit": limit,
        },
    )
    return [_read(row, now) for row in await cursor.fetchall()]


async def _country(conn: Conn, scope: Scope) -> str | None:
    cursor = await conn.execute(
        "select country from bridged.connections where workspace_id = %s and id = %s",
        (scope.workspace_id, scope.connection_id),
    )
    row = await cursor.fetchone()
    return row["country"] if row else None


def _read(row: dict[str, Any], now: int | None) -> Profile:
    profile = replace(_profile.decode(row["facts"]), plan=row["plan"])
    return profile if now is None else at(profile, now)


async def history(conn: Conn, scope: Scope, customer_id: str, limit: int = 100) -> list[Change]:
    """A customer's changes of status, newest first."""
    cursor = await conn.execute(
        "select before, status, at, noted_at from bridged.profile_history "
        "where connection_id = %s and customer_id = %s order by seq desc limit %s",
        (scope.connection_id, customer_id, limit),
    )
    return [Change(**row) for row in await cursor.fetchall()]


async def turned(
    conn: Conn, scope: Scope, customer_id: str, before: tuple[datetime, str] | None, limit: int
) -> list[tuple[str, Change]]:
    """A customer's changes of status with their keys, those before a moment and key, newest first."""
    at, key = before or ("infinity", "")
    cursor = await conn.execute(
        "select 'status:' || seq as key, before, status, coalesce(at, noted_at) as at, noted_at "
        "from bridged.profile_history where connection_id = %s and customer_id = %s and before is not null "
        "and (coalesce(at, noted_at), ('status:' || seq) collate \"C\") < (%s, %s) order by 4 desc, 1 desc limit %s",
        (scope.connection_id, customer_id, at, key, limit),
    )
    return [(row.pop("key"), Change(**row)) for row in await cursor.fetchall()]


async def kept(conn: Conn, scope: Scope, ids: Sequence[str]) -> dict[str, Kept]:
    """What is stored of these customers."""
    cursor = await conn.execute(
        "select customer_id, facts::text as facts, standing::text as standing from bridged.profiles "
        "where connection_id = %s and customer_id = any(%s)",
        (scope.connection_id, list(ids)),
    )
    return {
        row["customer_id"]: Kept(_profile.decode(row["facts"]), _standing.decode(row["standing"]))
        for row in await cursor.fetchall()
    }


# --- writing ---

_WRITE = """
insert into bridged.profiles as p (workspace_id, connection_id, customer_id, name_norm, email_norm, phone_digits,
  status, product_id, card_exp, livemode, deleted, facts, standing)
select %(workspace_id)s, %(connection_id)s, f ->> 'customer_id', bridged.norm_of(f -> 'name'),
  bridged.norm_of(f -> 'email'), ltrim(f ->> 'phone_e164', '+'), f ->> 'status', f ->> 'product_id', f ->> 'card_exp',
  (f -> 'livemode')::boolean, (f -> 'deleted')::boolean, jsonb_strip_nulls(f), e -> 1
from jsonb_array_elements(%(rows)s::jsonb) e, lateral (select e -> 0 as f) g
on conflict (connection_id, customer_id) do update set
  name_norm = excluded.name_norm, email_norm = excluded.email_norm, phone_digits = excluded.phone_digits,
  status = excluded.status, product_id = excluded.product_id, card_exp = excluded.card_exp,
  livemode = excluded.livemode, deleted = excluded.deleted, facts = excluded.facts, standing = excluded.standing
where p.facts <> excluded.facts or p.standing <> excluded.standing
"""


async def write(conn: Conn, scope: Scope, rows: Sequence[tuple[Profile, Standing]]) -> int:
    """Stores profiles. How many of them are new or not as they were."""
    if not rows:
        return 0
    cursor = await conn.execute(
        _WRITE,
        {
            "workspace_id": scope.workspace_id,
            "connection_id": scope.connection_id,
            "rows": msgspec.json.encode(rows).decode(),
        },
    )
    return cursor.rowcount


async def drop(conn: Conn, scope: Scope, ids: Sequence[str]) -> None:
    """Forgets the profiles of customers who are not in the mirror any more."""
    await conn.execute(
        "delete from bridged.profiles where connection_id = %s and customer_id = any(%s)",
        (scope.connection_id, list(ids)),
    )


async def note_changes(
    conn: Conn, scope: Scope, changes: Sequence[tuple[str, str | None, str, int | None]], now: datetime
) -> None:
    """Adds to the history: customer, status before, status, since when."""
    if not changes:
        return
    customers, before, status, since = zip(*changes, strict=True)
    await conn.execute(
        "insert into bridged.profile_history (workspace_id, connection_id, customer_id, before, status, at, noted_at) "
        "select %s, %s, c.customer_id, c.before, c.status, to_timestamp(c.at), %s "
        "from unnest(%s::text[], %s::text[], %s::text[], %s::bigint[]) c (customer_id, before, status, at)",
        (scope.workspace_id, scope.connection_id, now, list(customers), list(before), list(status), list(since)),
    )


async def add_moments(conn: Conn, scope: Scope, moments: Sequence[Moment], now: datetime) -> int:
    """Keeps those that are new, by key and by the other names of the same fact. How many those are."""
    return len(await note_moments(conn, scope, moments, {}, now))


async def note_moments(
    conn: Conn, scope: Scope, moments: Sequence[Moment], causes: Mapping[str, str], now: datetime
) -> list[Numbered]:
    """The same, with the events they came of, by the objects they are about. Those that are new."""
    if not moments:
        return []
    cursor = await conn.execute(
        "insert into bridged.moments "
        "(workspace_id, connection_id, kind, key, customer_id, at, object_id, facts, noted_at, event_id) "
        "select %(workspace_id)s, %(connection_id)s, e ->> 'kind', e ->> 'key', e ->> 'customer_id', "
        "to_timestamp((e ->> 'at')::bigint), e ->> 'object_id', jsonb_strip_nulls(e -> 'facts'), %(now)s, "
        "%(causes)s::jsonb ->> (e ->> 'object_id') "
        "from jsonb_array_elements(%(rows)s::jsonb) with ordinality j (e, place) "
        "where not exists (select from bridged.moments m where m.connection_id = %(connection_id)s "
        "and m.kind = e ->> 'kind' and m.key in (select jsonb_array_elements_text(e -> 'also'))) "
        "order by (e ->> 'at')::bigint, place on conflict (connection_id, kind, key) do nothing "
        "returning " + _MOMENT,
        {
            "workspace_id": scope.workspace_id,
            "connection_id": scope.connection_id,
            "now": now,
            "causes": msgspec.json.encode(causes).decode(),
            "rows": msgspec.json.encode(moments).decode(),
        },
    )
    return [_numbered(row) for row in await cursor.fetchall()]


def _numbered(row: dict[str, Any]) -> Numbered:
    return Numbered(row["seq"], from_row(row), row["event_id"])


# --- moments ---


async def moments_since(conn: Conn, scope: Scope, after_seq: int, limit: int) -> list[Numbered]:
    """In the order of their numbers. One transaction at a time makes a connection's, so none appears before these."""
    cursor = await conn.execute(
        "select " + _MOMENT + " from bridged.moments where connection_id = %s and seq > %s order by seq limit %s",
        (scope.connection_id, after_seq, limit),
    )
    return [_numbered(row) for row in await cursor.fetchall()]


async def moments_of_customer(conn: Conn, scope: Scope, customer_id: str, limit: int) -> list[Numbered]:
    """A customer's, newest first."""
    cursor = await conn.execute(
        "select " + _MOMENT + " from bridged.moments where connection_id = %s and customer_id = %s "
        "order by seq desc limit %s",
        (scope.connection_id, customer_id, limit),
    )
    return [_numbered(row) for row in await cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Noted:
    """A moment and when it was noted."""

    moment: Moment
    noted_at: datetime


async def moments_of_event(conn: Conn, scope: Scope, event_id: str) -> list[Noted]:
    """What came of an event, in the order of its noting."""
    cursor = await conn.execute(
        "select " + _MOMENT + ", noted_at from bridged.moments where connection_id = %s and event_id = %s "
        "order by seq limit 1000",
        (scope.connection_id, event_id),
    )
    return [Noted(from_row(row), row["noted_at"]) for row in await cursor.fetchall()]


async def claim(conn: Conn, scope: Scope, limit: int, after: int = 0, noted: datetime | None = None) -> list[Numbered]:
    """New moments after number `after`, the oldest first, locked until the transaction ends; those another holds are
    passed over. So many at most, or, if that is more than one, also all others of their customers. With `noted` of
    customers of whom one was noted by then.
    """
    given = {"connection": scope.connection_id, "after": after, "noted": noted, "limit": limit}
    cursor = await (conn.execute(_CLAIM, given) if limit > 1 else conn.execute(_CLAIM_ONE, given))
    return [_numbered(row) for row in await cursor.fetchall()]


async def settle(conn: Conn, scope: Scope, seqs: Sequence[int]) -> None:
    """What was claimed is taken, in the transaction that did with it what there is to do."""
    await conn.execute(
        "update bridged.moments set state = 'taken' where connection_id = %s and seq = any(%s)",
        (scope.connection_id, list(seqs)),
    )


# --- whose profiles are kept, and what is due ---


async def begin(conn: Conn, scope: Scope, since: datetime, now: datetime) -> None:
    """From now on changes are noted, and all are computed afresh. Waits for whoever changes the mirror now."""
    await conn.execute(
        "select pg_advisory_xact_lock(hashtextextended(c.connection_id::text, 17)) "
        "from (select %s::uuid) c (connection_id)",
        (scope.connection_id,),
    )
    await conn.execute(
        "insert into bridged.profile_builds (workspace_id, connection_id, moments_since, began_at) "
        "values (%s, %s, %s, %s) on conflict (connection_id) do update set "
        "moments_since = least(profile_builds.moments_since, excluded.moments_since), began_at = excluded.began_at, "
        "after = null, built_at = null",
        (scope.workspace_id, scope.connection_id, since, now),
    )


async def is_kept(conn: Conn, scope: Scope) -> bool:
    """Whether the connection's profiles are kept."""
    cursor = await conn.execute(
        "select from bridged.profile_builds where workspace_id = %s and connection_id = %s",
        (scope.workspace_id, scope.connection_id),
    )
    return await cursor.fetchone() is not None


_BUILD = (
    "select b.moments_since, b.after, b.built_at, c.country from bridged.profile_builds b "
    "join bridged.connections c on c.id = b.connection_id where b.workspace_id = %s and b.connection_id = %s "
)


async def build(conn: Conn, scope: Scope) -> Build | None:
    """The connection's, locked: one process at a time computes its profiles. None: not kept, or another has it."""
    cursor = await conn.execute(
        _BUILD + "for update of b skip locked",
        (scope.workspace_id, scope.connection_id),
    )
    row = await cursor.fetchone()
    return Build(**row) if row else None


async def build_in_turn(conn: Conn, scope: Scope) -> Build | None:
    """The same after whoever has it. None: not kept."""
    cursor = await conn.execute(
        _BUILD + "for update of b",
        (scope.workspace_id, scope.connection_id),
    )
    row = await cursor.fetchone()
    return Build(**row) if row else None


async def progressed(conn: Conn, scope: Scope, after: str | None, built_at: datetime | None) -> None:
    """How far building has come."""
    await conn.execute(
        "update bridged.profile_builds set after = %s, built_at = %s where workspace_id = %s and connection_id = %s",
        (after, built_at, scope.workspace_id, scope.connection_id),
    )


async def customers(conn: Conn, scope: Scope, after: str | None, limit: int) -> list[str]:
    """Ids of mirrored customers in their order, deleted ones too."""
    cursor = await conn.execute(
        "select id from stripe.customers where connection_id = %s and id > %s order by id limit %s",
        (scope.connection_id, after or "", limit),
    )
    return [row["id"] for row in await cursor.fetchall()]


async def gone(conn: Conn, scope: Scope) -> int:
    """Drops profiles of customers the mirror does not have. How many."""
    cursor = await conn.execute(
        "delete from bridged.profiles p where p.connection_id = %s and not exists "
        "(select from stripe.customers c where c.connection_id = p.connection_id and c.id = p.customer_id)",
        (scope.connection_id,),
    )
    return cursor.rowcount


async def take_due(conn: Conn, scope: Scope, limit: int) -> list[str]:
    """Customers of whom something changed, so many notes at most, and takes the notes. Under the lock of `build`."""
    cursor = await conn.execute(
        "with taken as (delete from bridged.profiles_due d where d.connection_id = %(connection_id)s and d.id in "
        "(select id from bridged.profiles_due where connection_id = %(connection_id)s order by id limit %(limit)s) "
        "returning d.customer_id) select distinct customer_id from taken order by customer_id",
        {"connection_id": scope.connection_id, "limit": limit},
    )
    return [row["customer_id"] for row in await cursor.fetchall()]


async def with_due(conn: Conn) -> list[tuple[int, str]]:
    """Connections of any workspace with something to compute: workspace_id and connection_id."""
    cursor = await conn.execute(
        "select workspace_id, connection_id::text as connection_id from bridged.connections_with_profiles_due()"
    )
    return [(row["workspace_id"], row["connection_id"]) for row in await cursor.fetchall()]
