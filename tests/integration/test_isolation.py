"""A stranger gets nothing: row-level security, tried with raw SQL on every table there is."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from bridged.core import db
from bridged.core.db import APP_ROLE, INBOX_ROLE
from bridged.core.errors import SettingsError
from bridged.mirror.kinds import KINDS
from ground import WORKSPACE, Cluster

STRANGER = 2
TABLES = (
    "select oid, oid::regclass::text as name from pg_class where relkind in ('r', 'p') and not relispartition "
    "and relnamespace in ({})"
)
ADD_ONLY = {"bridged.audit", "bridged.score_weights"}
"""Tables whose rows stay as they were written."""
PARTITIONS = "select oid::regclass::text as name, relrowsecurity from pg_class where relispartition and relkind = 'r'"
INBOX = {"bridged.events", "bridged.deliveries"}
"""Tables into which the role at the open door may put rows of any tenant."""
OURS = "'bridged'::regnamespace, 'stripe'::regnamespace"
NO_TENANTS = {
    "bridged.migrations",
    "bridged.workspaces",
    "bridged.keysets",
    "bridged.keyset_keys",
    "bridged.leases",
    "bridged.users",
    "bridged.throttles",
}
"""Tables that hold nothing of a tenant's."""


@pytest.fixture(scope="module")
def admin(cluster: Cluster) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    clone = cluster.clone()
    with psycopg.connect(cluster.url(clone), autocommit=True, row_factory=dict_row) as conn:
        _fill(conn)
        yield conn
    cluster.drop(clone)


@pytest.fixture
async def app(admin: psycopg.Connection[Any], cluster: Cluster) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A session of the application's role, in no workspace."""
    opened = await psycopg.AsyncConnection.connect(cluster.app_url(admin.info.dbname), row_factory=dict_row)
    async with opened as conn:
        yield conn
        await conn.rollback()


async def enter(app: psycopg.AsyncConnection[Any], workspace: int | str) -> None:
    await app.execute("select set_config('bridged.workspace_id', %s, true)", (str(workspace),))


def tenant_tables(admin: psycopg.Connection[dict[str, Any]]) -> list[str]:
    having = " and exists (select from pg_attribute where attrelid = pg_class.oid and attname = 'workspace_id')"
    return [row["name"] for row in admin.execute(TABLES.format(OURS) + having + " order by name")]


def _fill(conn: psycopg.Connection[dict[str, Any]]) -> None:
    """One row in every tenant's table, of the default workspace: rules of content are off, columns filled by type."""
    conn.execute("insert into bridged.workspaces (name) values ('stranger')")
    conn.execute("set session_replication_role = replica")
    for each in conn.execute(
        "select conrelid::regclass::text as name, conname from pg_constraint "
        "where contype = 'c' and conislocal and conrelid <> 0"
    ):
        drop = sql.SQL("alter table {} drop constraint {}")
        conn.execute(drop.format(sql.SQL(each["name"]), sql.Identifier(each["conname"])))
    values = {"D": "2026-01-01", "N": "1", "B": "false", "A": "{}", "S": "x", "T": "1 s"}
    values |= {"uuid": "00000000-0000-0000-0000-000000000001", "jsonb": "{}", "bytea": "x"}
    for table in tenant_tables(conn):
        columns = conn.execute(
            "select attname as name, typname, typcategory from pg_attribute a join pg_type t on t.oid = a.atttypid "
            "where attrelid = %s::regclass and attnum > 0 and not attisdropped and attgenerated = ''", (table,)
        ).fetchall()  # fmt: skip
        row = {each["name"]: values.get(each["typname"]) or values[each["typcategory"]] for each in columns}
        statement = sql.SQL("insert into {} ({}) overriding system value values ({})").format(
            sql.SQL(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join([sql.Placeholder()] * len(row)),
        )
        conn.execute(statement, list(row.values()))


def writable(conn: psycopg.Connection[dict[str, Any]]) -> list[str]:
    return [each for each in tenant_tables(conn) if each not in ADD_ONLY]


def test_every_table_is_a_tenants_or_known_not_to_be(admin: psycopg.Connection[dict[str, Any]]) -> None:
    everything = {row["name"] for row in admin.execute(TABLES.format(OURS))}
    tenants = set(tenant_tables(admin))
    assert everything - tenants == NO_TENANTS
    assert {f"stripe.{kind.name}" for kind in KINDS} <= tenants


def test_every_tenants_table_has_row_level_security_and_one_policy_for_everything(
    admin: psycopg.Connection[dict[str, Any]],
) -> None:
    for table in tenant_tables(admin):
        row = admin.execute(
            "select relrowsecurity, (select count(*) from pg_policy where polrelid = c.oid and polcmd = '*' "
            "and polqual is not null and polwithcheck is not null) as policies, "
            "(select count(*) from pg_policy where polrelid = c.oid) as all_policies "
            "from pg_class c where oid = %s::regclass", (table,)
        ).fetchone()  # fmt: skip
        assert row == {"relrowsecurity": True, "policies": 1, "all_policies": 2 if table in INBOX else 1}, table


def test_nobody_reaches_a_partition_but_through_its_parent(admin: psycopg.Connection[dict[str, Any]]) -> None:
    partitions = admin.execute(PARTITIONS).fetchall()
    assert len(partitions) > 10
    for each in partitions:
        assert each["relrowsecurity"], each["name"]
        for role in (APP_ROLE, INBOX_ROLE):
            for right in ("select", "insert", "update", "delete"):
                may = admin.execute("select has_table_privilege(%s, %s, %s) as may", (role, each["name"], right))
                assert may.fetchone() == {"may": False}, each["name"]


async def test_whoever_stands_at_the_open_door_may_only_put_in(
    admin: psycopg.Connection[dict[str, Any]], cluster: Cluster
) -> None:
    tables = [row["name"] for row in admin.execute(TABLES.format(OURS)).fetchall()]
    rights = {
        (table, right)
        for table in tables
        for right in ("select", "insert", "update", "delete", "truncate", "references", "trigger")
        if (
            admin.execute("select has_table_privilege(%s, %s, %s) as may", (INBOX_ROLE, table, right)).fetchone() or {}
        )["may"]
    }
    assert rights == {(table, "insert") for table in INBOX}
    functions = admin.execute(
        "select proname from pg_proc where pronamespace = 'bridged'::regnamespace and prosecdef "
        "and has_function_privilege(%s, oid, 'execute')", (INBOX_ROLE,)
    ).fetchall()  # fmt: skip
    assert functions == []
    url = cluster.app_url(admin.info.dbname).replace(APP_ROLE, INBOX_ROLE)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await conn.execute("select payload from bridged.events")


def test_the_key_of_what_hangs_on_a_connection_leads_with_it(admin: psycopg.Connection[dict[str, Any]]) -> None:
    rows = admin.execute(
        "select c.conrelid::regclass::text as name, first.attname from pg_constraint c "
        "join pg_attribute own on own.attrelid = c.conrelid and own.attname = 'connection_id' and own.attnotnull "
        "join pg_attribute first on first.attrelid = c.conrelid and first.attnum = c.conkey[1] where contype = 'p'"
    ).fetchall()
    assert {f"stripe.{kind.name}" for kind in KINDS} < {row["name"] for row in rows}
    # One connection of an account writes, of all there are: that key is the account's.
    assert [row["name"] for row in rows if row["attname"] != "connection_id"] == ["bridged.write_claims"]


def test_the_application_has_no_rights_beyond_its_rows(admin: psycopg.Connection[dict[str, Any]]) -> None:
    role = admin.execute(
        "select rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication from pg_roles where rolname = %s",
        (APP_ROLE,),
    ).fetchone()
    assert role is not None
    assert not any(role.values())
    owned = "select count(*) as owned from pg_shdepend where refobjid = %s::regrole and deptype = 'o'"
    assert admin.execute(owned, (APP_ROLE,)).fetchone() == {"owned": 0}
    member = "select count(*) as roles from pg_auth_members where member = %s::regrole"
    assert admin.execute(member, (APP_ROLE,)).fetchone() == {"roles": 0}
    for schema in ("bridged", "stripe", "public"):
        may = admin.execute("select has_schema_privilege(%s, %s, 'create') as may", (APP_ROLE, schema)).fetchone()
        assert may == {"may": False}
    for table in tenant_tables(admin):
        for right in ("truncate", "references", "trigger"):
            may = admin.execute("select has_table_privilege(%s, %s, %s) as may", (APP_ROLE, table, right)).fetchone()
            assert may == {"may": False}, (table, right)


@pytest.mark.parametrize("workspace", [None, "", STRANGER], ids=["none", "empty", "stranger"])
async def test_outside_its_workspace_a_row_is_not_there(
    admin: psycopg.Connection[dict[str, Any]], app: psycopg.AsyncConnection[Any], workspace: int | str | None
) -> None:
    if workspace is not None:
        await enter(app, workspace)
    for table in map(sql.SQL, tenant_tables(admin)):
        assert admin.execute(sql.SQL("select from {}").format(table)).rowcount == 1
        assert (await app.execute(sql.SQL("select * from {}").format(table))).rowcount == 0
    for table in map(sql.SQL, writable(admin)):
        update = sql.SQL("update {} set workspace_id = {}").format(table, STRANGER)
        assert (await app.execute(update)).rowcount == 0
        assert (await app.execute(sql.SQL("delete from {}").format(table))).rowcount == 0


@pytest.mark.parametrize("workspace", [None, STRANGER], ids=["none", "stranger"])
async def test_no_row_is_put_into_another_workspace(
    admin: psycopg.Connection[dict[str, Any]], app: psycopg.AsyncConnection[Any], workspace: int | None
) -> None:
    for table in tenant_tables(admin):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            await insert_copy(admin, app, table, workspace)


async def insert_copy(
    admin: psycopg.Connection[dict[str, Any]], app: psycopg.AsyncConnection[Any], table: str, workspace: int | None
) -> None:
    """The row that is there, once more, by the application in `workspace`."""
    columns = admin.execute(
        "select attname as name from pg_attribute where attrelid = %s::regclass and attnum > 0 and attgenerated = ''",
        (table,),
    ).fetchall()
    names = [each["name"] for each in columns]
    picked = sql.SQL(", ").join(map(sql.Identifier, names))
    row = admin.execute(sql.SQL("select {} from {}").format(picked, sql.SQL(table))).fetchone()
    assert row is not None
    statement = sql.SQL("insert into {} ({}) overriding system value values ({})").format(
        sql.SQL(table), picked, sql.SQL(", ").join([sql.Placeholder()] * len(names))
    )
    values = [Jsonb(value) if isinstance(value, dict) else value for value in row.values()]
    async with app.transaction(force_rollback=True):
        if workspace is not None:
            await enter(app, workspace)
        await app.execute(statement, values)


async def test_within_its_workspace_a_row_can_be_read_and_written_but_not_given_away(
    admin: psycopg.Connection[dict[str, Any]], app: psycopg.AsyncConnection[Any]
) -> None:
    await enter(app, WORKSPACE)
    for table in map(sql.SQL, tenant_tables(admin)):
        assert (await app.execute(sql.SQL("select * from {}").format(table))).rowcount == 1
    for table in map(sql.SQL, writable(admin)):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            async with app.transaction():
                await app.execute(sql.SQL("update {} set workspace_id = {}").format(table, STRANGER))
        async with app.transaction(force_rollback=True):
            assert (await app.execute(sql.SQL("delete from {}").format(table))).rowcount == 1


async def test_what_was_done_can_only_be_added_and_read(app: psycopg.AsyncConnection[Any]) -> None:
    await enter(app, WORKSPACE)
    for forbidden in ("update bridged.audit set actor_name = 'x'", "delete from bridged.audit"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with app.transaction():
                await app.execute(sql.SQL(forbidden))
    assert (await app.execute("select from bridged.audit")).rowcount == 1


async def test_the_workspace_ends_with_its_transaction(app: psycopg.AsyncConnection[Any]) -> None:
    async with app.transaction():
        await enter(app, WORKSPACE)
        assert (await app.execute("select from bridged.connections")).rowcount == 1
    await app.commit()
    assert (await app.execute("select from bridged.connections")).rowcount == 0


@pytest.mark.parametrize(
    "forbidden",
    [
        "alter table bridged.connections disable row level security",
        "drop policy workspace on bridged.connections",
        "create or replace function bridged.workspace_id() returns bigint language sql return 1",
        "set role postgres",
        "update bridged.keysets set wrapped = ''",
        "delete from bridged.keysets",
        "insert into bridged.migrations values (99, '', '')",
        "insert into bridged.workspaces (name) values ('mine')",
        "create table public.mine ()",
    ],
)
async def test_the_application_cannot_lift_the_barrier(app: psycopg.AsyncConnection[Any], forbidden: str) -> None:
    await enter(app, WORKSPACE)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await app.execute(forbidden)


async def test_switching_row_security_off_gives_an_error_not_rows(app: psycopg.AsyncConnection[Any]) -> None:
    await app.execute("set row_security = off")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await app.execute("select * from bridged.connections")


async def test_sessions_that_are_not_the_applications_are_refused(cluster: Cluster, standing: str) -> None:
    """As behind a pooler that drops the startup parameter `options`: it hands out the owner's."""
    async with db._pool(cluster.url(standing), 1, "tests", timeout=5) as owners:
        with pytest.raises(SettingsError, match="do not run as bridged_app"):
            await db._refuse_others(owners)
    async with db._pool(cluster.app_url(standing), 1, "tests", timeout=5) as ours:
        await db._refuse_others(ours)
