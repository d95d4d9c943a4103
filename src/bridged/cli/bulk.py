"""`bridged sync --ids`: single objects read again, in as many requests of fifty as it takes."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bridged import app as root
from bridged.accounts import Connection
from bridged.cli import output
from bridged.core.errors import UsageError
from bridged.mirror.kinds import BY_NAME
from bridged.sync.bulk import MOST, Outcome, Record


def records(given: str) -> tuple[Record, ...]:
    """What `--ids` names: `a,b`, `@file` or `-`; separated by commas or white space, `coupons:ID` where the id alone
    does not say its kind. Raises UsageError.
    """
    words = re.split(r"[,\s]+", _text(given).strip(" \t\r\n,"))
    named = tuple(dict.fromkeys(_record(word) for word in words if word))
    if not named:
        raise UsageError("--ids names nothing.", hint="Give ids separated by commas, @FILE, or - for stdin.")
    return named


def _text(given: str) -> str:
    try:
        if given == "-":
            return sys.stdin.read()
        return Path(given[1:]).read_text(encoding="utf-8") if given.startswith("@") else given
    except OSError as error:
        raise UsageError(f"{given[1:]} cannot be read: {error.strerror}.", hint="Check the path.") from None
    except UnicodeDecodeError:
        raise UsageError("The ids are not text.", hint="Write one id a line, in UTF-8.") from None


def _record(word: str) -> Record:
    kind, colon, object_id = word.partition(":")
    return Record(object_id, kind) if colon and kind in BY_NAME and object_id else Record(word)


async def sync(app: root.App, connection: Connection, wanted: Sequence[Record], *, pace: float, json: bool) -> int:
    """Reads the records again and shows what became of each. Exit code 1 if one is missing or was not read."""
    outcomes: list[Outcome] = []
    for start in range(0, len(wanted), MOST):
        outcomes += await root.bulk_sync(app, connection, wanted[start : start + MOST], pace=pace)
        if len(outcomes) < len(wanted):
            output.say(f"{len(outcomes):,} of {len(wanted):,}")
    counts = Counter(each.result for each in outcomes)
    whole = not counts["missing"] and not counts["error"]
    if json:
        found = [_json(each) for each in outcomes]
        output.document({"connection": connection.id, "complete": whole, "totals": counts, "records": found})
        return 0 if whole else 1
    output.show_rows("Id", [_json(each) for each in outcomes], ("id", "kind", "result"))
    for each in outcomes:
        if each.error is not None:
            output.say(f"{each.id}: {each.error.message} {each.error.hint}")
    return 0 if whole else 1


def _json(outcome: Outcome) -> dict[str, Any]:
    error = None if outcome.error is None else outcome.error.as_json()
    return {"id": outcome.id, "kind": outcome.kind, "result": outcome.result, "error": error}
