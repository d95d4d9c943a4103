"""`bridged backup` and `bridged restore`: the embedded database in one file, encrypted by the master key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bridged.app import backup as backups
from bridged.cli import output
from bridged.cli.entry import Json, guarded
from bridged.core import master
from bridged.core.backup.archive import Backup
from bridged.core.errors import SettingsError
from bridged.core.settings import Settings
from bridged.core.types import Secret

_KEY = "The file that holds the master key, unless it is in the settings or in BRIDGED_HOME."


def backup(
    file: Path,
    *,
    overwrite: Annotated[bool, Parameter(negative="", help="Replace the file if there is one.")] = False,
    json: Json = False,
) -> int:
    """Back up the embedded database into FILE while everything runs. Without the master key the file opens nothing.

    The master key is not in it: keep a copy of that elsewhere.
    """
    path = file.absolute()

    async def work(given: Settings) -> int:
        made = await backups.take(given, path, replace=overwrite, announce=output.say)
        if json:
            output.document(_shown(made))
            return 0
        output.say(f"Backed up to {file} ({made.path.stat().st_size / 2**20:,.1f} MB).")
        output.say(f"It opens only with the master key, which is not in it: {master.source_of(given)}.")
        output.say("Keep a copy of that key elsewhere. Without it nobody can restore this file, and no thief read it.")
        return 0

    return guarded(work)


def restore(
    file: Path,
    *,
    replace: Annotated[
        bool, Parameter(negative="", help="Also where there is a database: it is kept aside, in a folder beside.")
    ] = False,
    check: Annotated[bool, Parameter(negative="", help="Only say whether the file could be restored here.")] = False,
    master_key_file: Annotated[Path | None, Parameter(help=_KEY)] = None,
    json: Json = False,
) -> int:
    """Restore a backup into BRIDGED_HOME: checked first, brought up to date, every table's rows counted.

    WhatsApp numbers stand still afterwards, because what was sent since the backup would be sent again.
    """
    path, key = file.absolute(), None if master_key_file is None else _read(master_key_file)

    async def work(given: Settings) -> int:
        if check:
            found = await backups.check(given, path, key=key)
            if json:
                output.document(_shown(found))
            else:
                output.say(f"{file} is whole, fits this version and opens with this master key.")
            return 0
        done = await backups.restore(given, path, key=key, replace=replace, announce=output.say)
        if json:
            output.document(
                {
                    "taken_at": done.head.taken_at,
                    "rows": sum(done.head.rows.values()),
                    "migrated": list(done.migrated),
                    "aside": str(done.aside) if done.aside else None,
                    "paused": done.paused,
                }
            )
            return 0
        _say(given, done)
        return 0

    return guarded(work)


def _say(given: Settings, done: backups.Restored) -> None:
    output.say(f"Restored into {given.home} as of {done.head.taken_at}.")
    if done.migrated:
        output.say(f"The backup was older: {len(done.migrated)} migrations were applied.")
    if done.aside:
        output.say(f"What was there before is in {done.aside}. Remove it when nobody needs it.")
    if done.paused:
        output.say(
            f"{done.paused} WhatsApp numbers stand still: what was sent since the backup is not known here. "
            "Look through what waits (`bridged channel messages`), then `bridged channel resume`."
        )
    output.say("Now `bridged doctor`, then `bridged sync`: it reads what changed since the backup.")


def _shown(found: Backup) -> dict[str, object]:
    return {
        "file": str(found.path),
        "bytes": found.path.stat().st_size,
        "taken_at": found.head.taken_at,
        "bridged": found.head.bridged,
        "rows": sum(found.head.rows.values()),
        "tables": len(found.head.rows),
        "parts": [{"name": each.name, "bytes": each.bytes, "sha256": each.sha256} for each in found.parts],
    }


def _read(path: Path) -> Secret:
    try:
        return Secret(path.read_text(encoding="ascii").strip())
    except (OSError, UnicodeDecodeError):
        raise SettingsError(
            f"{path} cannot be read as a master key.", hint="Check path and rights: --master-key-file FILE."
        ) from None
