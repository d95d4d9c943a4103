"""Commands about the database itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import TypeVar

import cyclopts

from bridged import app as root
from bridged.accounts.measures import store as measures
from bridged.cli import output
from bridged.cli.entry import Json, run
from bridged.core import db, settings
from bridged.core import migrate as migrations
from bridged.core.embedded import BINARIES, Embedded
from bridged.core.errors import UsageError
from bridged.core.settings import Settings

_T = TypeVar("_T")

cli = cyclopts.App(name="db", help="The database: its address, a shell, its size, stopping the embedded server.")


@cli.command
def url() -> int:
    """Print the database's URL. The embedded server then keeps running until `bridged db stop`."""
    given = settings.read()
    embedded = _embedded(given)
    if embedded is not None:
        embedded.arrive()
        embedded.keep()
    print(_ready_url(given, embedded))  # noqa: T201 - this is the command's output
    if embedded is not None:
        embedded.leave()
    return 0


@cli.command
def shell() -> int:
    """Open psql on the database, with the owner's rights."""
    given = settings.read()
    embedded = _embedded(given)
    psql = str(BINARIES / "psql") if embedded else shutil.which("psql")
    if psql is None:
        raise UsageError(
            "psql is not installed.", hint="Install PostgreSQL's client, or use the URL from the settings."
        )
    if embedded is None:
        os.execv(psql, [psql, _ready_url(given, None)])  # noqa: S606 - psql takes this process over
    embedded.arrive()
    try:
        return subprocess.run([psql, _ready_url(given, embedded)], check=False).returncode  # noqa: S603 - no shell
    finally:
        embedded.leave()


@cli.command
def stop() -> int:
    """Stop the embedded server, whoever uses it."""
    embedded = _embedded(settings.read())
    if embedded is None:
        raise UsageError("The database is not the embedded one.", hint="Stop it where it runs.")
    print("stopped" if embedded.stop() else "it was not running")  # noqa: T201 - this is the command's output
    return 0


@cli.command
def size(*, json: Json = False) -> int:
    """Show how big the database and each of its tables is, with indexes; the biggest first. Rows are estimated."""

    async def work(app: root.App) -> int:
        async with app.database.transaction() as conn:
            whole, tables = await measures.database_size(conn), await measures.sizes(conn)
        if json:
            output.document({"bytes": whole, "tables": [asdict(each) for each in tables]})
            return 0
        lines = [f"{_amount(whole):>10}  the whole database"]
        for each in tables:
            parts = f" in {each.partitions} partitions" if each.partitions else ""
            lines.append(f"{_amount(each.size):>10}  {each.table}, about {each.rows:,} rows{parts}")
        print("\n".join(lines))  # noqa: T201 - the command's output
        return 0

    return run(work)


def _amount(size: int) -> str:
    """`1.5 GiB`."""
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:,.0f} {unit}" if unit == "B" else f"{amount:,.1f} {unit}"


def migrate(given: Settings, *, check: bool, post: bool = False) -> int:
    """Applies what is pending, or says what would be and changes nothing. Exit code 1 if `check` finds something.

    Raises MigrationFailed, also where the schema is too new for this program, or for `post` where a process of an older
    version is connected; and DatabaseUnavailable.
    """
    found = _pending(given) if check else _applied(given, post=post)
    for each in found:
        what = f"{'pending' if check else 'applied'} {each}{' (post)' if each.post else ''}"
        print(what)  # noqa: T201 - the command's output
    if not found:
        output.say("Nothing is pending.")
    waiting = [each for each in found if each.post] if check else _waiting(given)
    if waiting and not post:
        output.say("Post migrations wait until no older process is left: then run `bridged migrate --post`.")
    return 1 if check and found else 0


def _pending(given: Settings) -> tuple[migrations.Migration, ...]:
    embedded = _embedded(given)
    if embedded is not None and not embedded.data.exists():
        return migrations.shipped()
    return _with_server(given, embedded, migrations.check)


def _waiting(given: Settings) -> tuple[migrations.Migration, ...]:
    return _pending(given) if any(each.post for each in migrations.shipped()) else ()


def _applied(given: Settings, *, post: bool) -> tuple[migrations.Migration, ...]:
    embedded = _embedded(given)
    work = partial(migrations.migrate, create_database=embedded is not None, post=post)
    return _with_server(given, embedded, work)


def _with_server(given: Settings, embedded: Embedded | None, work: Callable[[str], _T]) -> _T:
    if embedded is not None:
        embedded.arrive()
    try:
        with db.mapped():
            return work(db.owner_url(given, embedded))
    finally:
        if embedded is not None:
            embedded.leave()


def _embedded(given: Settings) -> Embedded | None:
    return None if given.database_url else Embedded(given.home)


def _ready_url(given: Settings, embedded: Embedded | None) -> str:
    address = db.owner_url(given, embedded)
    migrations.migrate(address, create_database=embedded is not None)
    return address
