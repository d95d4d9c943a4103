"""Reading customers as a list. Each part of a page is cut by its own index before the parts are put together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, LiteralString

import msgspec

from bridged.core.db import Conn
from bridged.profiles.facts import Profile
from bridged.profiles.listing import Edge, Listed, Plan, Wanted
from bridged.profiles.rules import at

_profile = msgspec.json.Decoder(Profile)
_END = "\U0010ffff"

_NAMED = "p.name_norm >= %(norm)s and p.name_norm < %(norm_end)s"
_SURNAMED = "p.surname >= %(norm)s and p.surname < %(norm_end)s"
_MAILED = "p.email_norm >= %(norm)s and p.email_norm < %(norm_end)s"
_PHONED = "p.phone_digits >= %(number)s and p.phone_digits < %(number_end)s"
_BEFORE = " and p.customer_id <> %(text)s"
# What an earlier part has found is not found again.
_PARTS: tuple[tuple[LiteralString, LiteralString], ...] = (
    ("p.customer_id", "p.customer_id = %(text)s"),
    ("p.name_norm", _NAMED + _BEFORE),
    ("p.surname", _SURNAMED + f" and ({_NAMED}) is not true" + _BEFORE),
    ("p.email_norm", _MAILED + f" and ({_NAMED}) is not true and ({_SURNAMED}) is not true" + _BEFORE),
    (
        "p.phone_digits",
        _PHONED + f" and ({_NAMED}) is not true and ({_SURNAMED}) is not true and ({_MAILED}) is not true" + _BEFORE,
    ),
)
_PHONES = 4
_BEHIND: LiteralString = (
    " where (f.place, f.customer_id, f.connection_id) > (%(place)s, %(customer)s, %(connection)s::uuid)"
)
_BEHIND_FALLING: LiteralString = (
    " where f.place < %(place)s::bigint or (f.place = %(place)s::bigint "
    "and (f.customer_id, f.connection_id) > (%(customer)s, %(connection)s::uuid))"
)
_SELECT: LiteralString = "select p.connection_id, p.customer_id, "
_PROFILES: LiteralString = " as place from bridged.profiles p where p.connection_id = c.id"
_SCORES: LiteralString = (
    " as place from bridged.scores s join bridged.profiles p on p.connection_id = s.connection_id "
    "and p.customer_id = s.customer_id where s.connection_id = c.id"
)
_SHOWN: LiteralString = (
    "select f.part, f.place::text, f.connection_id::text, f.customer_id, p.facts::text as facts, "
    "pr.name as plan, s.band, s.total from ({parts}) f "
    "join bridged.profiles p on p.connection_id = f.connection_id and p.customer_id = f.customer_id "
    "left join stripe.products pr on pr.connection_id = p.connection_id and pr.id = p.product_id "
    "left join bridged.scores s on s.connection_id = f.connection_id and s.customer_id = f.customer_id "
    "order by f.part, f.place {way}, f.customer_id, f.connection_id"
)


async def listed(conn: Conn, wanted: Wanted, now: int) -> tuple[list[Listed], bool]:
    """A page as it stands at a moment (Unix seconds), and whether more follow. One statement, however many
    connections there are.
    """
    edge = wanted.after
    cursor = await conn.execute(
        _list_of(wanted),
        {
            "connections": list(wanted.connections),
            "text": wanted.text,
            "norm": wanted.text.lower(),
            "norm_end": wanted.text.lower() + _END,
            "number": wanted.number,
            "number_end": wanted.number + _END,
            "status": wanted.status,
            "product": wanted.product_id,
            "band": wanted.band,
            "now": now,
            "place": None if edge is None else edge.place,
            "customer": edge and edge.customer_id,
            "connection": edge and edge.connection_id,
            "limit": wanted.limit + 1,
        },
        prepare=False,  # a plan for any status or beginning of a name is a bad one for a rare one
    )
    found = [_read(row, now) for row in await cursor.fetchall()]
    return found[: wanted.limit], len(found) > wanted.limit


def _read(row: dict[str, Any], now: int) -> Listed:
    edge = Edge(row["part"], row["place"], row["customer_id"], row["connection_id"])
    profile = at(replace(_profile.decode(row["facts"]), plan=row["plan"]), now)
    return Listed(edge, profile, row["band"], row["total"])


def _list_of(wanted: Wanted) -> LiteralString:
    parts: LiteralString = " union all ".join(_search(wanted) if wanted.text else [_ordered(wanted)])
    way: LiteralString = "desc" if wanted.sort != "name" and not wanted.text else ""
    if wanted.text:
        parts = f"select * from ({parts}) found order by part, place, customer_id, connection_id limit %(limit)s"
    return _SHOWN.replace("{parts}", parts).replace("{way}", way)


def _ordered(wanted: Wanted) -> LiteralString:
    """All customers, in an order."""
    edge = wanted.after is not None
    after: LiteralString = ""
    way: LiteralString = ""
    match wanted.sort:
        case "name":
            key: LiteralString = "p.listed_as"
            source: LiteralString = _SELECT + key + _PROFILES
            if edge:
                source += " and (p.listed_as, p.customer_id) >= (%(place)s, %(customer)s)"
                after = _BEHIND
        case "newest" | "score":
            key = "p.began" if wanted.sort == "newest" else "s.total"
            source = _SELECT + key + (_PROFILES if wanted.sort == "newest" else _SCORES)
            way = " desc"
            if edge:
                source += (
                    f" and {key} <= %(place)s::bigint and ({key} < %(place)s::bigint or p.customer_id >= %(customer)s)"
                )
                after = _BEHIND_FALLING
    return (
        "select 0 as part, f.* from unnest(%(connections)s::uuid[]) c (id) cross join lateral ("
        f"{source}{_narrowed(wanted)} order by {key}{way}, customer_id limit %(limit)s + 1) f{after} "
        f"order by place{way}, customer_id, connection_id limit %(limit)s"
    )


def _search(wanted: Wanted) -> list[LiteralString]:
    """What the text finds, part by part: those before the page's edge are over."""
    edge, found = wanted.after, list[LiteralString]()
    for part, (key, matches) in enumerate(_PARTS):
        if (edge is not None and part < edge.part) or (part == _PHONES and not wanted.number):
            continue
        after: LiteralString = ""
        inner: LiteralString = ""
        if edge is not None and part == edge.part:
            inner = f" and ({key}, p.customer_id) >= (%(place)s, %(customer)s)"
            after = _BEHIND
        number: LiteralString = ("0", "1", "2", "3", "4")[part]
        found.append(
            f"(select {number} as part, f.* from unnest(%(connections)s::uuid[]) c (id) cross join lateral ("
            f"{_SELECT}{key}{_PROFILES} and {matches}{_narrowed(wanted)}{inner} "
            f"order by {key}, p.customer_id limit %(limit)s + 1) f{after})"
        )
    return found


def _narrowed(wanted: Wanted) -> LiteralString:
    narrowed: LiteralString = ""
    if wanted.status is not None:
        narrowed += " and p.status = %(status)s"
    if wanted.product_id is not None:
        narrowed += " and p.product_id = %(product)s"
    if wanted.overdue:
        narrowed += " and p.overdue_from < %(now)s"
    if wanted.band is not None and wanted.sort == "score" and not wanted.text:
        narrowed += " and s.band = %(band)s"
    elif wanted.band is not None:
        narrowed += (
            " and exists (select from bridged.scores b where b.connection_id = p.connection_id "
            "and b.customer_id = p.customer_id and b.band = %(band)s)"
        )
    return narrowed


async def plans(conn: Conn, connections: tuple[str, ...], limit: int) -> list[Plan]:
    """Products by name that have a price, so many at most."""
    cursor = await conn.execute(
        "select p.id, coalesce(p.name, p.id) as name from stripe.products p "
        "where p.connection_id = any(%s::uuid[]) and not p.deleted and exists (select from stripe.prices r "
        "where r.connection_id = p.connection_id and r.product_id = p.id and r.recurring_interval is not null) "
        "order by 2, 1 limit %s",
        (list(connections), limit),
    )
    return [Plan(row["id"], row["name"]) for row in await cursor.fetchall()]
