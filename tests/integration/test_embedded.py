"""The embedded server, shared by real processes that come, go and are killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from bridged.core.embedded import Embedded
from bridged.core.errors import DatabaseUnavailable
from ground import scratch

USER = """
import sys
from pathlib import Path
from bridged.core.embedded import Embedded
embedded = Embedded(Path(sys.argv[1]))
embedded.arrive()
print("here", flush=True)
sys.stdin.read()
embedded.leave()
"""


class User:
    """Another process that uses the server of a home until it is told to leave."""

    def __init__(self, home: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", USER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def wait_until_here(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"here\n"

    def leave(self) -> None:
        self._process.communicate()
        assert self._process.returncode == 0

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A home whose data folder is made, by two processes at once. Its server does not sync: no power fails here."""
    with scratch() as folder:
        home = folder / "home"
        users = User(home), User(home)
        for user in users:
            user.wait_until_here()
        for user in users:
            user.leave()
        with (home / "postgres" / "postgresql.conf").open("a") as conf:
            conf.write("fsync = off\n")
        yield home


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch() as folder:
        yield folder


@pytest.fixture
def embedded(made: Path) -> Iterator[Embedded]:
    server = Embedded(made)
    assert not server.stop(), "a test before left the server running"
    yield server
    server.leave()
    server.stop()


def postmaster(server: Embedded) -> int:
    return int((server.data / "postmaster.pid").read_text().split()[0])


def connect(server: Embedded) -> psycopg.Connection:
    return psycopg.connect(server.url(database="postgres"), autocommit=True)


def runs(server: Embedded) -> bool:
    try:
        connect(server).close()
    except psycopg.OperationalError:
        return False
    return True


def test_processes_share_one_server_and_the_last_to_leave_stops_it(embedded: Embedded) -> None:
    first, second = User(embedded.home), User(embedded.home)
    first.wait_until_here()
    second.wait_until_here()
    embedded.arrive()
    server = postmaster(embedded)
    first.leave()
    assert runs(embedded)
    second.leave()
    assert runs(embedded)
    assert postmaster(embedded) == server
    embedded.leave()
    assert not runs(embedded)
    assert not embedded.stop()


def test_a_killed_process_no_longer_counts_as_a_user(embedded: Embedded) -> None:
    user = User(embedded.home)
    user.wait_until_here()
    server = postmaster(embedded)
    user.kill()
    assert runs(embedded)
    embedded.arrive()
    assert postmaster(embedded) == server
    embedded.leave()
    assert not runs(embedded)


def test_after_a_killed_server_the_next_arrival_finds_its_data(embedded: Embedded) -> None:
    embedded.arrive()
    with connect(embedded) as conn:
        conn.execute("drop table if exists kept")
        conn.execute("create table kept as select 42 as answer")
    os.kill(postmaster(embedded), signal.SIGKILL)
    other = User(embedded.home)
    other.wait_until_here()
    with connect(embedded) as conn:
        assert conn.execute("select answer from kept").fetchall() == [(42,)]
    other.leave()
    assert runs(embedded)


def test_a_kept_server_outlives_its_users_until_it_is_stopped(embedded: Embedded) -> None:
    embedded.arrive()
    embedded.keep()
    embedded.leave()
    assert runs(embedded)
    embedded.arrive()
    embedded.leave()
    assert runs(embedded)
    assert embedded.stop()
    assert not runs(embedded)
    assert not embedded.stop()
    embedded.arrive()
    embedded.leave()
    assert not runs(embedded)


@pytest.mark.parametrize(
    "name",
    [
        """with 'quotes' and "quotes", a comma, $HOME `id` % and ü""",
        "long" * 30,
    ],
)
def test_any_path_will_do(folder: Path, name: str) -> None:
    embedded = Embedded(folder / name / name)
    embedded.arrive()
    with connect(embedded) as conn:
        assert conn.execute("select 1").fetchone() == (1,)
    embedded.leave()
    assert not runs(embedded)
    assert not embedded.socket_folder.exists()


def test_data_and_socket_are_for_their_owner_alone(embedded: Embedded) -> None:
    embedded.arrive()
    assert embedded.data.stat().st_mode & 0o777 == 0o700
    assert embedded.socket_folder.stat().st_mode & 0o077 == 0
    with connect(embedded) as conn:
        assert conn.execute("show listen_addresses").fetchone() == ("",)


@pytest.mark.parametrize("how", ["open to all", "a link"])
def test_a_socket_folder_of_somebody_else_is_not_used(folder: Path, how: str) -> None:
    embedded = Embedded(folder / "home")
    embedded.home.mkdir()
    if how == "a link":
        folder.joinpath("theirs").mkdir()
        embedded.socket_folder.symlink_to(folder / "theirs")
    else:
        embedded.socket_folder.mkdir()
        embedded.socket_folder.chmod(0o777)
    with pytest.raises(DatabaseUnavailable, match="somebody else"):
        embedded.arrive()


def test_a_half_made_data_folder_is_made_again(folder: Path) -> None:
    embedded = Embedded(folder / "home")
    half = embedded.home / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    embedded.arrive()
    assert runs(embedded)
    embedded.leave()


@pytest.mark.parametrize("how", ["zombie", "other program"])
def test_a_lock_file_that_names_no_server_does_not_hinder(embedded: Embedded, how: str) -> None:
    embedded.arrive()
    lock = (embedded.data / "postmaster.pid").read_text()
    os.kill(postmaster(embedded), signal.SIGKILL)
    with subprocess.Popen([sys.executable, "-c", "" if how == "zombie" else "input()"], stdin=subprocess.PIPE) as other:
        if how == "zombie":
            os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        (embedded.data / "postmaster.pid").write_text("\n".join([str(other.pid), *lock.split("\n")[1:]]))
        again = Embedded(embedded.home)
        again.arrive()
        assert runs(again)
        again.leave()
        other.communicate()


def test_a_server_that_cannot_start_says_why_and_leaves_no_user_behind(
    embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridged.core.embedded._START_TRIES", 2)
    embedded.arrive()
    embedded.leave()
    configuration = embedded.data / "postgresql.conf"
    good = configuration.read_text()
    configuration.write_text("work_mem = many\n")
    with pytest.raises(DatabaseUnavailable, match=r"postgresql\.conf") as refused:
        embedded.arrive()
    assert str(embedded.log) in refused.value.hint
    configuration.write_text(good)
    embedded.arrive()
    embedded.leave()
    assert not runs(embedded)
