"""Every statement names the key by which its tables would be distributed, in a way that a router can use.

The tables are cut by the hash of their keys in plain PostgreSQL, whose rules for unique keys and for leaving parts out
are those of a distributed table; its plans tell which statements touch one part.
"""

import re
from collections.abc import Iterator

import psycopg
import pytest

from ground import Cluster
from integration.test_statements import TABLE, numbered, statements, variants
from sharding import Route, cut, distribution, dumped, route
from unit.tree import ROOT, ours

KINDS_TRIED = 3
"""Of a statement about any kind's table: all are made by one function."""
INSERT = re.compile(r"insert into ((?:bridged|stripe)\.\w+)(?: as \w+)? \(([^)]*)\)")


@pytest.fixture(scope="module")
def parts(cluster: Cluster) -> Iterator[psycopg.Connection]:
    """A database with every distributed table in parts."""
    name = cluster.clone()
    schema = cut(dumped(cluster.url(name)))
    with psycopg.connect(cluster.url(name), autocommit=True) as conn:
        conn.execute("drop schema bridged, stripe, jobs cascade")
        conn.execute(schema.encode())
        # Tables are empty: nothing is read whole because that is quicker.
        conn.execute("set enable_seqscan = off")
        # What two equal values contradict is planned all the same.
        conn.execute("set constraint_exclusion = off")
        yield conn
    cluster.drop(name)


def functions() -> dict[str, str]:
    """By file and line, the function that a line of our code is in."""
    return {
        f"{file.name}:{line}": f"{file.name} {function.name}"
        for file in ours()
        for function in file.functions()
        for line in range(function.lineno, (function.end_lineno or function.lineno) + 1)
    }


@pytest.fixture(scope="module")
def routes(parts: psycopg.Connection) -> list[tuple[str, str, Route]]:
    """Where each statement stands, its text and where it goes."""
    found: list[tuple[str, str, Route]] = []
    places = functions()
    for where, text in statements():
        if text.split(maxsplit=1)[0].lower() not in {"select", "insert", "update", "delete", "with"}:
            continue
        fitting = 0
        for variant in variants(text):
            try:
                found.append((places.get(where, where), variant, route(parts, numbered(variant))))
            except psycopg.errors.UndefinedColumn:
                continue  # some kinds do not have it: `test_statements` tries all
            fitting += 1
            if fitting == KINDS_TRIED:
                break
    return found


def listed(where: str) -> bool:
    """Whether a place is among those that may touch several parts: by its function, or with its whole file."""
    return where in distribution().fanned or re.split(r"[ :]", where)[0] in distribution().fanned


def test_every_table_has_its_place(cluster: Cluster, standing: str) -> None:
    with psycopg.connect(cluster.url(standing)) as conn:
        rows = conn.execute(
            "select c.oid::regclass::text, (select array_agg(a.attname::text) from pg_attribute a "
            "where a.attrelid = c.oid and a.attnum > 0) from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where n.nspname in ('bridged', 'stripe') and c.relkind in ('r', 'p') and not c.relispartition"
        ).fetchall()
    columns = dict(rows)
    assert sorted(distribution().tables) == sorted(columns)
    assert not [table for table, key in distribution().keys.items() if key not in columns[table]]


def test_every_unique_key_contains_the_distribution_key(parts: psycopg.Connection) -> None:
    """PostgreSQL refused any other when the tables were cut; what was left out for that is listed, and there."""
    spared = [each.partition(" ") for each in distribution().unique]
    missing = [
        f"{table} {columns}"
        for table, _, columns in spared
        if parts.execute(
            "select from pg_constraint where conrelid = %s::regclass and pg_get_constraintdef(oid) = %s",
            (table, f"UNIQUE {columns}"),
        ).fetchone()
    ]
    assert missing == []
    cut_up = parts.execute("select count(*) from pg_class where relkind = 'p'").fetchone()
    assert cut_up == (len(distribution().keys),)


def test_every_statement_goes_to_one_part(routes: list[tuple[str, str, Route]]) -> None:
    assert len(routes) > 500
    assert sum(bool(each.parts) for _, _, each in routes) > 400
    spread = {(where, *sorted(each.spread)) for where, _, each in routes if each.spread and not listed(where)}
    assert sorted(spread) == []
    mixed = {where for where, _, each in routes if len(each.keys) > 1}
    assert sorted(mixed) == [], "tables of two keys in one statement"


def test_no_table_hides_from_the_plan(routes: list[tuple[str, str, Route]]) -> None:
    hidden = {
        f"{where}: {table}"
        for where, text, each in routes
        for table in TABLE.findall(text)
        if table in distribution().keys and table not in each.parts
    }
    assert sorted(hidden) == []


def test_what_is_put_in_has_its_key(routes: list[tuple[str, str, Route]]) -> None:
    keyless = {
        f"{where}: {table}"
        for where, text, _ in routes
        for table, columns in INSERT.findall(text)
        if (key := distribution().keys.get(table)) and key not in re.findall(r"\w+", columns)
    }
    assert sorted(keyless) == []


def test_what_is_listed_is_still_so(routes: list[tuple[str, str, Route]]) -> None:
    spread = {name for where, _, each in routes if each.spread for name in (where, re.split(r"[ :]", where)[0])}
    assert sorted(set(distribution().fanned) - spread) == []


def test_functions_that_read_across_tenants_are_listed(cluster: Cluster, standing: str) -> None:
    with psycopg.connect(cluster.url(standing)) as conn:
        rows = conn.execute(
            "select p.proname, p.prosrc from pg_proc p join pg_namespace n on n.oid = p.pronamespace "
            "where n.nspname = 'bridged' and p.prorettype <> 'trigger'::regtype"
        ).fetchall()
    keys = distribution().keys
    reading = {
        name
        for name, text in rows
        if any(table in keys for table in re.findall(r"(?:bridged|stripe)\.\w+", text)) or "execute format" in text
    }
    makers = {name for name in reading if re.match(r"(create|follow|measure)_.*_v\d$", name)}
    assert sorted(distribution().across) == sorted(reading - makers)


def test_the_guide_shows_where_each_table_lies() -> None:
    guide = (ROOT / "docs" / "guide" / "growth.md").read_text(encoding="utf-8")
    found = distribution()
    for key in set(found.keys.values()):
        tables = [table for table, own in found.keys.items() if own == key and not table.startswith("stripe.")]
        assert f"| `{key}` | {', '.join(each.removeprefix('bridged.') for each in tables)}" in guide
    for table, why in {**found.reference, **found.local}.items():
        assert f"| `{table.removeprefix('bridged.')}` | {why} |" in guide
    for text in (*found.unique.values(), *{why for why in found.fanned.values() if "before tables" in why}):
        assert text in guide


def test_a_statement_without_its_key_is_found(parts: psycopg.Connection) -> None:
    several = (
        "select from bridged.turns where workspace_id = $1",
        "select from bridged.turns where thread_id = $1",
        "select from bridged.turns where connection_id <> $1",
        "select from bridged.turns where connection_id = any($1)",
        "select from bridged.turns t join bridged.threads h on h.id = t.thread_id where t.connection_id = $1",
        "update bridged.turns set done_at = now() where workspace_id = $1",
        "delete from bridged.alerts where id = $1",
    )
    for text in several:
        assert route(parts, text).spread, text
    latest = "select max(t.at) from bridged.turns t where t.connection_id = h.connection_id and t.thread_id = h.id"
    one = (
        "select from bridged.turns where connection_id = $1",
        "select from bridged.turns t join bridged.threads h using (connection_id) where t.connection_id = $1",
        f"select ({latest}) from bridged.threads h where h.connection_id = $1",
        "delete from bridged.alerts where workspace_id = $1",
    )
    for text in one:
        assert not route(parts, text).spread, text
