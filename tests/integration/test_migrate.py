"""Migrations: applied once, by one process at a time, whole or not at all, and never over a schema they do not know."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from bridged.cli import database
from bridged.core.errors import DatabaseUnavailable, MigrationFailed
from bridged.core.migrate import check, migrate, pending, require_server, shipped
from bridged.core.settings import Settings
from bridged.core.types import Secret
from ground import Cluster

ALL = tuple(migration.number for migration in shipped())
MIGRATE = "import sys; from bridged.core.migrate import migrate; print(len(migrate(sys.argv[1])))"


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


def test_a_schema_newer_than_the_program_is_refused(owner: str) -> None:
    do(owner, "insert into bridged.migrations (number, name, checksum) values (9999, 'later', '')")
    for act in (migrate, check):
        with pytest.raises(MigrationFailed, match="9999"):
            act(owner)


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
    with psycopg.connect(empty) as other:
        other.execute("create schema stripe")  # uncommitted
        with pytest.raises(MigrationFailed, match="lock timeout"):
            migrate(empty)


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


def test_what_is_pending_follows_from_what_was_applied() -> None:
    one, two, *_ = shipped()
    assert pending({}, (one, two)) == (one, two)
    assert pending({1: one.checksum}, (one, two)) == (two,)
    assert pending({1: one.checksum, 2: two.checksum}, (one, two)) == ()
    with pytest.raises(MigrationFailed, match="0001 differs"):
        pending({1: one.checksum}, (replace(one, text=one.text + " "), two))


@pytest.mark.parametrize("version", [90624, 140020, 149999])
def test_an_old_server_is_refused(version: int) -> None:
    with pytest.raises(MigrationFailed, match=f"PostgreSQL {version // 10000} is too old"):
        require_server(version)


@pytest.mark.parametrize("version", [150000, 150013, 180004])
def test_a_server_from_15_on_will_do(version: int) -> None:
    require_server(version)


def test_the_command_says_what_is_pending_and_changes_nothing(
    empty: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = Settings(home=home, database_url=Secret(empty))
    for _ in range(2):
        assert database.migrate(given, check=True) == 1
        assert capsys.readouterr().out.splitlines() == [f"pending {each.number:04} {each.name}" for each in shipped()]
        assert ask(empty, "select to_regnamespace('bridged')") == [(None,)]
    assert database.migrate(given, check=False) == 0
    assert capsys.readouterr().out.startswith("applied 0001 foundation\n")
    do(empty, f"delete from bridged.migrations where number = {ALL[-1]}")
    assert database.migrate(given, check=True) == 1
    assert capsys.readouterr().out == f"pending {ALL[-1]:04} {shipped()[-1].name}\n"
    assert check(empty) == shipped()[-1:]


def test_a_check_makes_no_home_and_names_what_it_cannot_reach(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert database.migrate(Settings(home=home), check=True) == 1
    assert len(capsys.readouterr().out.splitlines()) == len(ALL)
    assert not home.exists()
    nowhere = Settings(home=home, database_url=Secret("postgresql://127.0.0.1:1/nowhere"))
    with pytest.raises(DatabaseUnavailable, match="Connection refused"):
        database.migrate(nowhere, check=True)
