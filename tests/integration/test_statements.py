"""Every statement in the sources prepares against the migrated schema: no name in it is wrong, no type does not fit."""

import ast
import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

import psycopg
import pytest
from psycopg import sql

from bridged.messages.log import store as log
from bridged.messages.replay import store as replays
from bridged.mirror.erasure import store as erasure
from bridged.mirror.explorer import store as explorer
from bridged.mirror.kinds import KINDS
from bridged.mirror.pages import store
from bridged.mirror.pages.store import Wanted
from bridged.playbooks.runs import store as log_of_runs
from bridged.profiles.listing import Edge
from bridged.profiles.listing import Wanted as Narrowed
from bridged.profiles.listing import store as listing
from bridged.sync.filter import FILTERED
from bridged.sync.membership import store as membership
from ground import Cluster
from unit.tree import File, dotted, ours

CALLS = {"execute": 0, "executemany": 0, "SQL": 0, "about": 1}
"""What a statement is handed to, and as which argument."""
ELSEWHERE = {
    "core/backup/snapshot.py": "runs as the owner, on every table there is",
    "core/migrate.py": "runs its files before there is a schema",
}
SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)
PARAMETER = re.compile(r"%\((\w+)\)[sb]|%([sb])|%(%)")
TABLE = re.compile(r"\b(?:from|join|into|update|delete from)\s+((?:bridged|stripe)\.\w+|\{table\})")


def pages() -> list[str]:
    """Every form `mirror.pages` gives the statement of a page."""
    wanted = [
        Wanted(1, *edge, *narrowed)
        for edge in ((None, None), ("x", None), (None, "x"))
        for narrowed in ((), ("x", ("x",), ("x",), SOME_TIME, SOME_TIME))
    ]
    return [store._page_of(each, timeless=timeless) for each in wanted for timeless in (True, False)]


NARROWED = (log.Wanted(), log.Wanted("a*", "b", "c", "failed", "list", SOME_TIME, SOME_TIME), log.Wanted("a"))


def events() -> list[str]:
    """Every form `messages.log` gives the statement of a page of events."""
    return [log._page_of(replace(each, after=after)) for each in NARROWED for after in (None, "x")]


def deliveries() -> list[str]:
    """And of deliveries."""
    verdicts = ("all", "accepted", "duplicate", "refused", "stale")
    edges = ((None, None, None), ("x", SOME_TIME, "x"))
    return [
        log._deliveries_of(log.Sought(verdict, event, since, since, after=after))
        for verdict in verdicts
        for event, since, after in edges
    ]


def counts() -> list[str]:
    """How `messages.replay` counts what it would take."""
    return [replays._count_of(each, named=named) for each in NARROWED for named in (True, False)]


def taken() -> list[str]:
    """And takes it."""
    return [replays._replay_of(each, named=named) for each in NARROWED for named in (True, False)]


def drops() -> list[str]:
    """What `sync.membership` leaves out of each kind's table."""
    kinds = (*(kind for kind in KINDS if kind.name in FILTERED), *membership.ON_DEMAND)
    return [membership._dropping(kind).replace("{table}", f"stripe.{kind.name}") for kind in kinds]


def erasing() -> list[str]:
    """What `mirror.erasure` does to each kind's table."""
    return [erasure._erasing(kind).replace("{table}", f"stripe.{kind.name}") for kind in erasure.ALL]


def customers() -> list[str]:
    """Every order and part `profiles.listing` puts a page of customers together from."""
    edges = (None, *(Edge(part, "1", "x", "x") for part in range(5)))
    narrow = ({}, {"status": "x", "product_id": "x", "overdue": True, "band": "x"})
    return [
        listing._list_of(Narrowed((), text, "1", sort=sort, after=edge, **each))
        for text in ("", "x")
        for sort in ("newest", "name", "score")
        for edge in edges
        for each in narrow
    ]


def explored() -> list[str]:
    """How `mirror.explorer` finds what an object of each kind is named by, and objects of every kind."""
    named = [explorer._naming_of(kind.name) for kind in KINDS]
    return [explorer._found_of({kind.name: ["x"] for kind in KINDS}), *filter(None, named)]


def runs() -> list[str]:
    """Every form `playbooks.runs` gives the statement of a page of its log."""
    outcomes = get_args(log_of_runs.Outcome)
    sought = [log_of_runs.Sought(each, *narrowed) for each in outcomes for narrowed in ((), ("capped", "x"))]
    return [log_of_runs._listed_of(each) for each in sought]


ASSEMBLED: dict[tuple[str, str], Callable[[], list[str]]] = {
    ("messages/log/store.py", "_deliveries_of"): deliveries,
    ("messages/log/store.py", "_page_of"): events,
    ("messages/replay/store.py", "_count_of"): counts,
    ("messages/replay/store.py", "_replay_of"): taken,
    ("mirror/erasure/store.py", "_erasing"): erasing,
    ("mirror/erasure/store.py", "_theirs"): list,
    ("mirror/explorer/store.py", "_found_of"): explored,
    ("mirror/explorer/store.py", "_naming_of"): list,
    ("mirror/pages/store.py", "_page_of"): pages,
    ("mirror/store.py", "about"): list,
    ("profiles/listing/store.py", "_list_of"): customers,
    ("playbooks/runs/store.py", "_listed_of"): runs,
    ("sync/membership/store.py", "_dropping"): drops,
}
"""Functions that put a statement together piece by piece, or pass one on."""


def statements() -> list[tuple[str, str]]:
    """Where and what: the text of each statement handed to the driver, read from the code that hands it."""
    found = [(f"{file} {function}", text) for (file, function), build in ASSEMBLED.items() for text in build()]
    for file in ours():
        if file.name in ELSEWHERE:
            continue
        assembled = {
            id(node)
            for function in file.functions()
            if (file.name, function.name) in ASSEMBLED
            for node in ast.walk(function)
        }
        calls = [call for call in file.each(ast.Call) if is_statement(call) and id(call) not in assembled]
        found += [
            (file.where(call), text) for call in calls for text in evaluated(file, call.args[CALLS[name_of(call)]])
        ]
    return found


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else dotted(call.func)


def is_statement(call: ast.Call) -> bool:
    return len(call.args) > CALLS.get(name_of(call), len(call.args))


def evaluated(file: File, argument: ast.expr) -> Iterator[str]:
    """A literal, or an expression over the module's constants; `sql.SQL(…)` inside another call is met by itself."""
    sources = [argument]
    module = importlib.import_module(file.module)
    if isinstance(argument, ast.Name) and not hasattr(module, argument.id):
        sources = [each.value for each in file.each(ast.Assign) if ast.unparse(each.targets[0]) == argument.id]
        assert sources, f"{file.where(argument)}: not a statement that can be read from the source"
    for source in sources:
        called = {name_of(each) for each in ast.walk(source) if isinstance(each, ast.Call)}
        if not called & ({"SQL", "about"} | {function for _, function in ASSEMBLED}):
            yield eval(ast.unparse(source), vars(module))


def numbered(text: str) -> str:
    """psycopg's placeholders as PostgreSQL's."""
    names: dict[str, int] = {}
    count = 0

    def number(match: re.Match[str]) -> str:
        nonlocal count
        name, _, percent = match.groups()
        if percent:
            return "%"
        if name in names:
            return f"${names[name]}"
        count += 1
        if name:
            names[name] = count
        return f"${count}"

    return PARAMETER.sub(number, text)


def variants(text: str) -> list[str]:
    """A statement of any kind's table, for each kind."""
    if "{table}" not in text:
        return [text]
    return [
        sql.SQL(text)
        .format(
            table=sql.Identifier("stripe", kind.name),
            amount=sql.Identifier(kind.amount) if kind.amount else sql.SQL("null::bigint"),
            currency=sql.Identifier("currency") if kind.amount else sql.SQL("null::text"),
        )
        .as_string()
        for kind in KINDS
    ]


@pytest.fixture(scope="module")
def app(cluster: Cluster, standing: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(cluster.app_url(standing), autocommit=True) as conn:
        yield conn


def test_every_statement_prepares_under_the_role_that_runs_it(app: psycopg.Connection) -> None:
    found = statements()
    assert len(found) > 50
    wrong: list[str] = []
    for where, text in found:
        errors = [error for variant in variants(text) if (error := prepared(app, variant)) is not None]
        # A statement of any kind may ask for a column that only some kinds have.
        fits_some = len(errors) < len(variants(text)) and all("does not exist" in error for error in errors)
        if errors and not ("{table}" in text and fits_some):
            wrong.append(f"{where}: {errors[0]}")
    assert wrong == []


def prepared(app: psycopg.Connection, text: str) -> str | None:
    """Why PostgreSQL refuses the statement, if it does."""
    if text.split(maxsplit=1)[0].lower() not in {"select", "insert", "update", "delete", "with"}:
        return None  # no plan is made for it
    try:
        app.execute("prepare checked as " + numbered(text).replace("%", "%%"), ())
    except psycopg.Error as error:
        return str(error)
    app.execute("deallocate checked")
    return None


def test_every_statement_on_a_tenants_table_names_the_tenant(cluster: Cluster, standing: str) -> None:
    with psycopg.connect(cluster.url(standing)) as conn:
        rows = conn.execute(
            "select attrelid::regclass::text, array_agg(attname::text) from pg_attribute "
            "where attname in ('workspace_id', 'connection_id') and attrelid::regclass::text ~ '^(bridged|stripe)[.]' "
            "group by 1"
        ).fetchall()
    keys = {table: set(columns) for table, columns in rows} | {"{table}": {"connection_id"}}
    nameless = [
        f"{where}: {table}"
        for where, text in statements()
        for table in TABLE.findall(text)
        if table in keys
        and not any(re.search(rf"\b{key}\b", text) for key in (keys[table] & {"connection_id"} or keys[table]))
        and table != "bridged.connections"
    ]
    assert nameless == []


def test_the_statements_are_read_as_the_driver_reads_them(app: psycopg.Connection) -> None:
    assert "nope" in (prepared(app, "select nope from bridged.runs where connection_id = %s") or "")
    assert numbered("a = %s and b = %(x)s or c = %(x)s and d like '5%%' and e = %s") == (
        "a = $1 and b = $2 or c = $2 and d like '5%' and e = $3"
    )
