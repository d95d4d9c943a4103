"""Commands about the keys that protect stored credentials."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from bridged import app as root
from bridged.app import keys
from bridged.cli import output
from bridged.cli.actor import local
from bridged.cli.entry import Json, run
from bridged.core import master
from bridged.core.errors import SettingsError, UsageError
from bridged.core.types import Secret

cli = cyclopts.App(name="keys", help="The keys that protect stored credentials: show, rotate, wrap anew.")


@cli.command
def show(*, json: Json = False) -> int:
    """Show the keys of the keyset by their ids, and how many ciphertexts lie under each. Never a key itself."""

    async def work(app: root.App) -> int:
        found = await keys.show(app)
        rows = [
            {
                "id": each.id,
                "state": each.state,
                "created_at": each.created_at,
                "destroyed_at": each.destroyed_at,
                "ciphertexts": each.ciphertexts,
            }
            for each in found.keys
        ]
        if json:
            output.document(
                {"keys": rows, "foreign": found.foreign, "version": found.version, "wrapped_by": found.master}
            )
            return 0
        output.show_rows("Key", rows, ("id", "state", "created_at", "destroyed_at", "ciphertexts"))
        output.say(f"The keyset is wrapped by {found.master}.")
        if any(each.state == "old" for each in found.keys):
            output.say("A rotation was cut off. `bridged keys rotate` finishes it; until then both keys are needed.")
        if found.foreign:
            output.say(f"{found.foreign} ciphertexts lie under no key of this keyset: connect those accounts again.")
        return 0

    return run(work)


@cli.command
def rotate(*, json: Json = False) -> int:
    """Encrypt everything anew with a new key and destroy the old one, while syncs and webhooks go on.

    If it is cut off, run it again: it goes on where it stopped.
    """

    async def work(app: root.App) -> int:
        def announce(done: int, of: int) -> None:
            output.say(f"{done} of {of} encrypted anew")

        rotated = await keys.rotate(app, local(), announce)
        if json:
            output.document(
                {
                    "primary": rotated.primary,
                    "destroyed": list(rotated.destroyed),
                    "ciphertexts": rotated.ciphertexts,
                    "resumed": rotated.resumed,
                }
            )
            return 0
        gone = ", ".join(map(str, rotated.destroyed)) or "none"
        output.say(f"Key {rotated.primary} protects everything now. Destroyed: {gone}.")
        return 0

    return run(work)


@cli.command
def rewrap(
    *,
    master_key_file: Annotated[Path | None, Parameter(help="The file that holds the new master key.")] = None,
    kms_uri: Annotated[str | None, Parameter(help="The key of a KMS instead: aws-kms://… or gcp-kms://…")] = None,
) -> int:
    """Wrap the keyset by another master key. What is encrypted stays as it is; processes that run go on.

    Restart them with the new master key before the next `bridged keys rotate`.
    """
    if (master_key_file is None) == (kms_uri is None):
        raise UsageError("Say by what the keyset shall be wrapped.", hint="Give either --master-key-file or --kms-uri.")
    key = None if master_key_file is None else _read(master_key_file)

    async def work(app: root.App) -> int:
        after = await keys.rewrap(app, local(), key=key, kms_uri=kms_uri)
        output.say("The keyset is wrapped by the new master key. The old one opens it no more.")
        if after is app.settings:
            output.say(f"It was put into {master.file_of(after)}. Keep a copy elsewhere.")
        else:
            given = f"BRIDGED_KMS_URI={kms_uri}" if kms_uri else f"BRIDGED_MASTER_KEY_FILE={master_key_file}"
            output.say(f"Start every process with {given} from now on, before the next `bridged keys rotate`.")
        return 0

    return run(work)


def _read(path: Path) -> Secret:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsError(
            f"{path} cannot be read as a master key.", hint="Make one: openssl rand -base64 32 > FILE"
        ) from None
    return Secret(text)
