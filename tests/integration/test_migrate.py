"""Migrations: applied once, by one process at a time, whole or not at all, and never over a schema they do not know."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from bridged.cli import database
from bridged.core.db import open_database
from bridged.core.errors import DatabaseUnavailable, MigrationFailed
from bridged.core.migrate import (
    Entry,
    Migration,
    check,
    migrate,
    older,
    outdated,
    pending,
    processes,
    require_server,
    shipped,
)
from bridged.core.settings import Settings
from bridged.core.types import Secret
from ground import Cluster

ALL = tuple(migration.number for migration in shipped())
MIGRATE = "import sys; from bridged.core.migrate import migrate; print(len(migrate(sys.argv[1])))"

HELD = """
import sys, time, psycopg
with psycopg.connect(sys.argv[1]) as conn:
    conn.execute("select from bridged.runs")
    print("held", flush=True)
    time.sleep(1.2)  # longer than a try waits
"""


@pytest.fixture
def empty(cluster: Cluster) -> Iterator[str]:
    """The URL of a database with nothing in it."""
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as admin:
        admin.execute("drop database if exists empty with (force)")
        admin.execute("create database empty template template0 strategy file_copy")
        yield cluster.url("empty")
        admin.execute("drop database empty with (force)")


def ask(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as conn:
        return conn.execute(query).fetchall()


def do(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(statement)


def tables(url: str) -> list[tuple[object, ...]]:
    return ask(
        url, "select relname from pg_class where relnamespace in (to_regnamespace('stripe'), 'public'::regnamespace)"
    )


def test_numbers_are_gapless_and_files_are_read_in_their_order() -> None:
    assert list(ALL) == [number + 1 for number in range(len(ALL))]


def test_what_was_applied_is_recorded_and_not_applied_again(empty: str) -> None:
    assert check(empty) == shipped()
    assert migrate(empty) == shipped()
    assert ask(empty, "select number, name, checksum from bridged.migrations order by number") == [
        (each.number, each.name, each.checksum) for each in shipped()
    ]
    assert check(empty) == ()
    assert migrate(empty) == ()


def test_processes_migrating_at_once_take_turns(empty: str) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", MIGRATE, empty], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    applied = [int(process.communicate()[0]) for process in processes]
    assert sorted(applied) == [0, 0, len(ALL)]
    assert check(empty) == ()


def test_an_edited_migration_is_refused(owner: str) -> None:
    do(owner, "update bridged.migrations set checksum = 'of another text' where number = 2")
    for act in (migrate, check):
        with pytest.raises(MigrationFailed, match="Migration 0002 differs"):
            act(owner)


def test_a_schema_whose_upgrade_was_completed_by_a_newer_version_is_refused(owner: str) -> None:
    do(owner, "insert into bridged.migrations (number, name, checksum) values (9998, 'sooner', '')")
    assert migrate(owner) == check(owner) == ()
    do(owner, "insert into bridged.migrations (number, name, checksum, phase) values (9999, 'later', '', 'post')")
    for act in (migrate, check):
        with pytest.raises(MigrationFailed, match="post migration 9999"):
            act(owner)


PRE = Migration(9001, "room", "create table bridged.room (id int)")
POST = Migration(9002, "emptied", "drop table bridged.room", post=True)
LATER = Migration(9003, "more", "create table bridged.more (id int)")
INDEX = Migration(9004, "sought", "-- concurrently\n-- Why.\ncreate index concurrently sought on bridged.room (id);\n")


@pytest.fixture
def ships(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Migration]]:
    """What a later version ships besides, to be filled."""
    more: list[Migration] = []
    known = shipped()
    monkeypatch.setattr("bridged.core.migrate.shipped", lambda: (*known, *more))
    monkeypatch.setattr("bridged.core.db.shipped", lambda: (*known, *more))
    return more


def test_post_migrations_wait_for_older_processes_and_bar_them_afterwards(
    owner: str, ships: list[Migration], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = Settings(home=home, database_url=Secret(owner))
    ships += [PRE, POST, LATER]
    with psycopg.connect(owner, application_name="bridged"), psycopg.connect(owner, application_name="psql"):
        assert migrate(owner) == (PRE, LATER)
        assert older(owner) == ("bridged 0.1.0 at this machine (1 connections)",)
        with pytest.raises(MigrationFailed, match=r"bridged 0\.1\.0 at this machine") as refused:
            migrate(owner, post=True)
        assert "bridged migrate --post" in refused.value.hint
        assert database.migrate(given, check=True) == 1
        assert capsys.readouterr().out == "pending 9002 emptied (post)\n"
        before, ships[:] = ships[:], []
        assert check(owner) == ()  # what the older process finds when it starts again
        ships += before
        # A start does not apply them, whoever is there.
        assert migrate(owner) == ()
    with psycopg.connect(owner, application_name="bridged 99.0.0 worker"):
        assert database.migrate(given, check=False) == 0
        assert "bridged migrate --post" in capsys.readouterr().err
        assert database.migrate(given, check=False, post=True) == 0
        assert capsys.readouterr().out == "applied 9002 emptied (post)\n"
    assert check(owner) == migrate(owner, post=True) == ()
    ships.clear()
    for act in (migrate, check):
        with pytest.raises(MigrationFailed, match="post migration 9002"):
            act(owner)


def test_where_there_was_nothing_all_is_applied_in_order(empty: str, ships: list[Migration]) -> None:
    ships += [PRE, POST, LATER]
    assert migrate(empty)[-3:] == (PRE, POST, LATER)


async def test_whoever_is_asked_whether_it_is_ready_says_that_they_wait(
    settings: Settings, owner: str, ships: list[Migration]
) -> None:
    ships += [PRE, POST]
    async with open_database(settings, part="web") as opened:
        assert await opened.waiting() == ("9002 emptied",)
        names = {name for (name,) in ask(owner, "select application_name from pg_stat_activity where pid <> "
                                         "pg_backend_pid() and datname = current_database()")}  # fmt: skip
        assert {str(name).split(" ")[2] for name in names} == {"web"}
        migrate(owner, post=True)
        assert await opened.waiting() == ()


def test_an_index_made_beside_the_work_is_made_anew_after_a_process_died_at_it(
    owner: str, ships: list[Migration]
) -> None:
    ships += [INDEX]
    do(owner, "create table bridged.room as select 1 as id from generate_series(1, 2)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        do(owner, "create unique index concurrently sought on bridged.room (id)")
    query = "select indisvalid, indisunique from pg_index where indexrelid = 'bridged.sought'::regclass"
    assert ask(owner, query) == [(False, True)]
    assert len(migrate(owner)) == 1
    assert ask(owner, query) == [(True, False)]
    # It died after the index was made, before that was written down.
    do(owner, "delete from bridged.migrations where number = 9004")
    assert len(migrate(owner)) == 1
    assert migrate(owner) == ()


@pytest.mark.parametrize("text", ["", "create unique index concurrently a on b.c (d);", "create index a on b.c (d);",
                                  "create index concurrently a on b.c (d); select 1;"])  # fmt: skip
def test_a_file_for_one_index_holds_nothing_else(text: str) -> None:
    assert PRE.index is None
    assert INDEX.index == ("bridged", "sought")
    with pytest.raises(ValueError, match="9001 room"):
        _ = replace(PRE, text=f"-- concurrently\n{text}").index


VERSIONS = st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))


@drawn(VERSIONS, VERSIONS)
def test_who_is_older_follows_from_the_numbers(theirs: tuple[int, ...], ours: tuple[int, ...]) -> None:
    name = f"bridged {'.'.join(map(str, theirs))} worker shop-1:17"
    found = outdated({(name, "10.0.0.7"): 3, ("psql", ""): 1, ("bridged of somebody", ""): 1}, ours)
    assert found == ((f"{name} at 10.0.0.7 (3 connections)",) if theirs < ours else ())


def test_a_failing_migration_leaves_nothing_behind(empty: str) -> None:
    do(empty, "create schema stripe")
    with pytest.raises(MigrationFailed, match='0001 failed: schema "stripe" already exists'):
        migrate(empty)
    assert check(empty) == shipped()
    assert ask(empty, "select to_regclass('bridged.workspaces')") == [(None,)]
    do(empty, "drop schema stripe")
    assert migrate(empty) == shipped()


def test_those_before_a_failing_one_stay(empty: str) -> None:
    do(empty, "create schema bridged")
    do(empty, "create function bridged.bool_of(value jsonb) returns boolean language sql return true")
    with pytest.raises(MigrationFailed, match="0002 failed"):
        migrate(empty)
    assert check(empty) == shipped()[1:]
    assert tables(empty) == []


def test_a_lock_in_the_way_is_not_waited_for_forever(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridged.core.migrate._LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr("bridged.core.migrate._PAUSES", (0.01, 0.01))
    with psycopg.connect(empty) as other:
        other.execute("create schema stripe")  # uncommitted
        with pytest.raises(MigrationFailed, match="lock timeout"):
            migrate(empty)


def test_a_lock_that_is_given_back_is_taken_at_a_later_try(owner: str, ships: list[Migration]) -> None:
    ships += [replace(PRE, text="alter table bridged.runs add column room int")]
    migrating = [sys.executable, "-c", HELD, owner]
    with subprocess.Popen(migrating, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert migrate(owner) == tuple(ships)


def test_a_role_without_the_rights_is_told_what_to_do(cluster: Cluster, empty: str) -> None:
    with pytest.raises(MigrationFailed, match="permission denied") as refused:
        migrate(cluster.app_url("empty"))
    assert "bridged migrate" in refused.value.hint
    assert ask(empty, "select to_regnamespace('bridged')") == [(None,)]


@pytest.fixture
def login(empty: str) -> Iterator[str]:
    """The URL of that database for a login that owns it, may create roles, and is no superuser."""
    with psycopg.connect(empty, autocommit=True) as admin:
        admin.execute("drop role if exists migrator")
        admin.execute("create role migrator login createrole")
        admin.execute("grant bridged_app, bridged_inbox to migrator")
        admin.execute("alter database empty owner to migrator")
        yield empty.replace("//postgres@", "//migrator@")
        admin.execute("drop owned by migrator cascade")
        admin.execute("alter database empty owner to current_user")
        admin.execute("drop role migrator")


ROLES = ("bridged_app", "bridged_inbox")


def test_a_login_that_made_the_roles_may_go_into_them(empty: str, login: str) -> None:
    """As PostgreSQL 16 and newer leave it after `create role`: an administrator of the role, who may not be it."""
    for role in ROLES:
        do(empty, f"revoke {role} from migrator")
        do(empty, f"grant {role} to migrator with admin true, set false, inherit false")
    assert migrate(login) == shipped()
    for role in ROLES:
        do(login, f"set role {role}")


def test_a_restored_database_whose_roles_the_login_is_not_in_is_refused_with_what_to_do(empty: str, login: str) -> None:
    assert migrate(login) == shipped()
    for role in ROLES:
        do(empty, f"revoke {role} from migrator")
    with pytest.raises(MigrationFailed, match="bridged_app and bridged_inbox") as caught:
        migrate(login)
    assert caught.value.hint is not None
    do(empty, caught.value.hint.partition(": ")[2])
    assert migrate(login) == ()
    for role in ROLES:
        do(login, f"set role {role}")


def test_a_job_that_an_older_worker_left_does_not_hinder(empty: str) -> None:
    """The queue's own triggers find their tables by the search path."""
    last = next(each.number for each in shipped() if str(each) == "0039 turns")
    migrate(empty, create_database=True)
    do(empty, "create function bridged.connections_with_playbooks() returns int language sql return 1")
    do(empty, "create index messages_connection_id_settled_at_idx on bridged.messages (settled_at)")
    do(
        empty,
        "set search_path = jobs; insert into procrastinate_jobs (task_name, queue_name) values ('p', 'playbooks')",
    )
    do(empty, f"delete from bridged.migrations where number = {last}")
    assert [each.number for each in migrate(empty, post=True)] == [last]
    assert ask(empty, "select count(*) from jobs.procrastinate_jobs") == [(0,)]


def test_who_works_is_counted_by_process(owner: str) -> None:
    names = ["bridged 0.2.0 worker shop-1:7", "bridged 0.2.0 worker shop-1:7", "bridged 0.2.0 serve shop-2:7",
             "bridged 0.2.0 web shop-3:7", "bridged", "workers"]  # fmt: skip
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(psycopg.connect(owner, application_name=name))
        assert processes(owner, ["worker", "serve"]) == 2


def test_what_is_pending_follows_from_what_was_applied() -> None:
    one, two, *_ = shipped()
    assert pending({}, (one, two)) == (one, two)
    first, second = Entry(one.checksum, post=None), Entry(two.checksum, post=False)
    assert pending({1: first}, (one, two)) == (two,)
    assert pending({1: first, 2: second}, (one, two)) == ()
    assert pending({1: first, 2: second}, (one,)) == ()
    for unknown in (replace(second, post=True), replace(second, post=None)):
        with pytest.raises(MigrationFailed, match="post migration 0002"):
            pending({1: first, 2: unknown}, (one,))
    with pytest.raises(MigrationFailed, match="0001 differs"):
        pending({1: first}, (replace(one, text=one.text + " "), two))


@pytest.mark.parametrize("version", [90624, 140020, 149999])
def test_an_old_server_is_refused(version: int) -> None:
    with pytest.raises(MigrationFailed, match=f"PostgreSQL {version // 10000} is too old"):
        require_server(version)


@pytest.mark.parametrize("version", [150000, 150013, 180004])
def test_a_server_from_15_on_will_do(version: int) -> None:
    require_server(version)


def written(migration: Migration) -> str:
    return f"pending {migration.number:04} {migration.name}{' (post)' * migration.post}"


def test_the_command_says_what_is_pending_and_changes_nothing(
    empty: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = Settings(home=home, database_url=Secret(empty))
    for _ in range(2):
        assert database.migrate(given, check=True) == 1
        assert capsys.readouterr().out.splitlines() == [written(each) for each in shipped()]
        assert ask(empty, "select to_regnamespace('bridged')") == [(None,)]
    assert database.migrate(given, check=False) == 0
    assert capsys.readouterr().out.startswith("applied 0001 foundation\n")
    do(empty, f"delete from bridged.migrations where number = {ALL[-1]}")
    assert database.migrate(given, check=True) == 1
    assert capsys.readouterr().out.splitlines() == [written(shipped()[-1])]
    assert check(empty) == shipped()[-1:]


def test_a_check_makes_no_home_and_names_what_it_cannot_reach(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert database.migrate(Settings(home=home), check=True) == 1
    assert len(capsys.readouterr().out.splitlines()) == len(ALL)
    assert not home.exists()
    nowhere = Settings(home=home, database_url=Secret("postgresql://127.0.0.1:1/nowhere"))
    with pytest.raises(DatabaseUnavailable, match="Connection refused"):
        database.migrate(nowhere, check=True)
