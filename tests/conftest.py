"""What tests stand on: real PostgreSQL, sockets to this machine only, and seeds that are shown when something fails.

Each test worker has an embedded server of its own and a migrated template in it. A test takes the cheapest fixture
that serves: `conn` (a transaction, rolled back), else `database` (a clone of the template of its own), where commits,
notifications or several sessions matter.
"""

import os
import shutil
import subprocess
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import argon2
import hypothesis
import psycopg
import pytest
from psycopg.rows import dict_row

from bridged.accounts.people import secrets as people_secrets
from bridged.core.db import Conn, Database, open_database
from bridged.core.embedded import Embedded
from bridged.core.migrate import migrate
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.mirror.store import Scope
from ground import MASTER, WORKSPACE, Cluster, new_scope, scratch
from playing import ANA, BEN, Play

for name in [name for name in os.environ if name.startswith("BRIDGED_")]:
    del os.environ[name]

# What decides whether a change lands explores the same ground each time; everybody else's runs go on exploring.
hypothesis.settings.register_profile(
    "default", max_examples=60, deadline=None, print_blob=True, derandomize=bool(os.environ.get("CI"))
)
hypothesis.settings.register_profile("soak", parent=hypothesis.settings.get_profile("default"), max_examples=3000)
hypothesis.settings.load_profile("default")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # Beside this machine only the hosts that `scripts/hosts` made, in a network where nothing else is.
    config.option.allow_hosts = ["127.0.0.1", "::1", *(f"10.77.0.{each}" for each in (1, 3, 11, 12))]
    config.option.allow_unix_socket = True


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, help="the seed of simulations; a failing one prints its own")
    parser.addoption("--seeds", type=int, help="how often each simulation is tried, each time with another seed")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "turn" in metafunc.fixturenames:
        few = next((mark.args[0] for mark in metafunc.definition.iter_markers("turns")), 1)
        turns = metafunc.config.getoption("--seeds")
        metafunc.parametrize("turn", range(few if turns is None else turns))


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The test's own seed, the same in every run, or the one given by `--seed`; shown when the test fails."""
    given = request.config.getoption("--seed")
    chosen = zlib.crc32(request.node.nodeid.encode()) % 2**31 if given is None else given
    request.node.user_properties.append(("seed", chosen))
    return chosen


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if report.failed:
        seeds = [value for name, value in item.user_properties if name == "seed"]
        report.sections += [("repeat with", f"--seed={value}") for value in seeds]
    return report


@pytest.fixture(scope="session", autouse=True)
def real_hasher() -> Iterator[argon2.PasswordHasher]:
    """What hashes passwords for real, a sixth of a second each; in tests it costs next to nothing."""
    with pytest.MonkeyPatch.context() as patch:
        real = people_secrets._hasher
        patch.setattr(people_secrets, "_hasher", argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield real


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with scratch() as home:
        yield from _served(home)


def _served(home: Path) -> Iterator[Cluster]:
    guard = _guarded(home)
    embedded = Embedded(home)
    try:
        embedded.arrive()
        migrate(embedded.url(database="template"), create_database=True)
        with psycopg.connect(embedded.url(database="postgres"), autocommit=True) as admin:
            # No test pulls the plug of this machine, and cloning without fsync is quick.
            admin.execute("alter system set fsync = off")
            admin.execute("alter system set full_page_writes = off")
            admin.execute("select pg_reload_conf()")
            yield Cluster(embedded, admin)
    finally:
        guard.communicate()


def _guarded(home: Path) -> subprocess.Popen[bytes]:
    """Stops the server and removes its home when this process ends, even by SIGKILL."""
    lock = '"$1/postgres/postmaster.pid"'
    wait = f"for _ in $(seq 100); do [ -e {lock} ] || break; sleep 0.02; done"
    script = f'cat; read -r pid < {lock} && kill -QUIT "$pid" && {wait}; rm -rf "$1"'
    return subprocess.Popen(
        [shutil.which("sh") or "sh", "-c", script, "guard", str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.fixture(scope="session")
def standing(cluster: Cluster) -> str:
    """The name of the database of the tests that roll back."""
    return cluster.clone()


@pytest.fixture
async def conn(cluster: Cluster, standing: str) -> AsyncIterator[Conn]:
    """A transaction of the application in the default workspace, rolled back in the end."""
    opened = await psycopg.AsyncConnection.connect(cluster.app_url(standing), row_factory=dict_row)
    async with opened as connection:
        await connection.execute("select set_config('bridged.workspace_id', %s, true)", (str(WORKSPACE),))
        yield connection
        await connection.rollback()


@pytest.fixture
def owner(cluster: Cluster) -> Iterator[str]:
    """The owner's URL of a database of this test's own, the one `database` and `settings` are about."""
    clone = cluster.clone()
    yield cluster.url(clone)
    cluster.drop(clone)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A `BRIDGED_HOME` that does not exist yet."""
    return tmp_path / "home"


@pytest.fixture
def settings(home: Path, owner: str) -> Settings:
    """Settings as with a PostgreSQL of one's own."""
    return Settings(home=home, database_url=Secret(owner), master_key=Secret(MASTER))


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """The pool under the application's role, on a database of this test's own."""
    async with open_database(settings) as opened:
        yield opened


@pytest.fixture
async def scope(database: Database) -> Scope:
    """A connection in the default workspace of `database`."""
    async with database.transaction(WORKSPACE) as conn:
        return await new_scope(conn)


@pytest.fixture
async def play(database: Database, scope: Scope) -> Play:
    """A stage for playbooks, with two customers who may be written to."""
    made = Play(database, scope)
    await made.knows(ANA)
    await made.knows(BEN)
    return made
