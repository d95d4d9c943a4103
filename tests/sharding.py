"""The schema as a PostgreSQL that shards by column would hold it: every distributed table cut by the hash of its key.

A declaratively partitioned table has the same rules as a distributed one: each unique key contains the key, and a
statement that does not say the key by equality touches every part. So plain PostgreSQL can tell which do.
"""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import psycopg

from bridged.core.embedded import BINARIES
from unit.tree import ROOT

PARTS = 2
_NAME = r"((?:bridged|stripe)\.\w+)"
_SUBJECT = re.compile(rf"(?:CREATE TABLE|ALTER TABLE(?: ONLY)?|CREATE (?:UNIQUE )?INDEX \w+ ON(?: ONLY)?) {_NAME}")
_KEY = re.compile(r"(?:UNIQUE|PRIMARY KEY|UNIQUE INDEX .*? USING btree) (\([^)]*\))")
_END = re.compile(r"\)(?:\s*PARTITION BY RANGE \(\w+\))?(?:\s*WITH \(.*\))?;$")


@dataclass(frozen=True)
class Distribution:
    """ops/distribution.toml. `keys`: the key of each distributed table; the others are on every node, or on one."""

    keys: dict[str, str]
    reference: dict[str, str]
    local: dict[str, str]
    unique: dict[str, str]
    across: dict[str, str]
    fanned: dict[str, str]

    @property
    def tables(self) -> list[str]:
        return [*self.keys, *self.reference, *self.local]


@cache
def distribution() -> Distribution:
    found = tomllib.loads((ROOT / "ops" / "distribution.toml").read_text(encoding="utf-8"))
    keys = {table: key for key, tables in found["distributed"].items() for table in tables}
    return Distribution(
        keys, found["reference"], found["local"], found["unique"], found["functions"], found["statements"]
    )


def dumped(url: str) -> str:
    """The schema of a database."""
    command = [str(BINARIES / "pg_dump"), "--schema-only", "--no-owner", "-d", url]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def cut(schema: str) -> str:
    """The same schema with every distributed table in parts, without the unique keys that this does not allow."""
    keys = distribution().keys
    weeks = set(re.findall(rf"ATTACH PARTITION {_NAME}", schema))
    made = ["SET check_function_bodies = false;"]
    for text in _blocks(schema):
        if not text.startswith("CREATE FUNCTION") and weeks & set(re.findall(_NAME, text)):
            continue
        subject = _SUBJECT.match(text)
        table = subject[1] if subject else ""
        made.append(_parted(text, table, keys[table]) if table in keys else text)
    return "\n".join(made)


def _parted(text: str, table: str, key: str) -> str:
    """A statement about a distributed table; nothing, if it is a key that such a table cannot have."""
    if any(f"{table} {columns}" in distribution().unique for columns in _KEY.findall(text)):
        return ""
    text = text.replace("ALTER TABLE ONLY", "ALTER TABLE").replace(" ON ONLY ", " ON ")
    if not text.startswith("CREATE TABLE"):
        return text
    parts = [
        f"CREATE TABLE {table}__{part} PARTITION OF {table} FOR VALUES WITH (MODULUS {PARTS}, REMAINDER {part});"
        for part in range(PARTS)
    ]
    return "\n".join((_END.sub(f") PARTITION BY HASH ({key});", text), *parts))


def _blocks(schema: str) -> Iterator[str]:
    """The statements of a dump; each follows a comment that names it."""
    for block in re.split(r"^--\n-- Name: .*\n--\n", schema, flags=re.MULTILINE)[1:]:
        text = re.sub(r"^\\.*$", "", block, flags=re.MULTILINE).strip()
        if re.match(r"(CREATE|ALTER) (TABLE|INDEX|UNIQUE)", text):
            yield from _each(text)
        else:
            yield text


def _each(text: str) -> Iterator[str]:
    yield from (part.strip() for part in re.split(r"(?<=;)\n+", text) if part.strip())


KEYS = {
    "uuid": "00000000-0000-4000-8000-000000000001",
    "uuid[]": "{00000000-0000-4000-8000-000000000001,00000000-0000-4000-8000-000000000002,"
    "00000000-0000-4000-8000-000000000003,00000000-0000-4000-8000-000000000004}",
    "bigint": "1",
}
"""Values of the types keys have; of a list of them several, which lie in different parts."""
_PARAMETER = re.compile(r"\$(\d+)")


@dataclass(frozen=True)
class Route:
    """Where a statement goes. `parts`: of each distributed table those that its plan reads or writes, none where rows
    are put in. `spread`: tables of which several parts stand in the plan, and their key is not bound, by equality, to
    that of a table of which one does.
    """

    parts: dict[str, set[int]]
    spread: set[str]

    @property
    def keys(self) -> set[str]:
        return {distribution().keys[table] for table in self.parts}


def route(conn: psycopg.Connection, statement: str) -> Route:
    """As PostgreSQL plans a statement when it knows what may be a key, and nothing else."""
    conn.execute(b"prepare measured as " + statement.encode())
    try:
        asked = "select parameter_types::text[] as types from pg_prepared_statements where name = 'measured'"
        row = conn.execute(asked).fetchone()
        assert row is not None
    finally:
        conn.execute("deallocate measured")
    places = iter(range(1, len(row[0]) + 1))
    given = [f"'{KEYS[kind]}'::{kind}" if kind in KEYS else f"${next(places)}" for kind in row[0]]
    known = _PARAMETER.sub(lambda match: given[int(match[1]) - 1], statement)
    plan = conn.execute(f"explain (generic_plan, verbose, format json) {known}".encode()).fetchone()
    assert plan is not None
    return _read(plan[0][0]["Plan"])


def _read(plan: dict[str, Any]) -> Route:
    keys, parts = distribution().keys, dict[str, set[int]]()
    scans: dict[tuple[str, str], set[int]] = {}
    bound: set[tuple[str, str]] = set()
    for node, conditions in _nodes(plan, ""):
        table, _, part = f"{node.get('Schema', '')}.{node.get('Relation Name', '')}".partition("__")
        if part and node["Node Type"] != "ModifyTable":
            parts.setdefault(table, set()).add(int(part))
            name = re.sub(r"_\d+$", "", node["Alias"])
            scans.setdefault((table, name), set()).add(int(part))
            own, other = rf"\b{name}(?:_\d+)?\.{keys[table]}", rf"\w+\.(?:{keys[table]}|id)"
            if re.search(rf"{own} = {other}\b|{other} = {own}\b", conditions):
                bound.add((table, name))
        elif table in keys and node.get("Operation") == "Insert":
            parts.setdefault(table, set())
    wide = {scan for scan, found in scans.items() if len(found) > 1}
    anchored = any(len(found) == 1 for found in scans.values())
    return Route(parts, {table for table, _ in (wide - bound if anchored else wide)})


def _nodes(plan: dict[str, Any], above: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Each node with the conditions it and those above it are under."""
    conditions = " ".join((above, *(str(value) for name, value in plan.items() if name.endswith(("Cond", "Filter")))))
    yield plan, conditions
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner, conditions)
