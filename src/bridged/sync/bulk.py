"""Single objects on request: named by id, read from Stripe again, stored; each with its own outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bridged.core.errors import BridgedError, KeyInvalid, RequestInvalid, StripeError
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME, KINDS, Kind
from bridged.sync.desk import Desk
from bridged.sync.refresh import apply, read

MOST = 50
"""Records in one request."""
_SETTLE_TRIES = 4
_PREFIXES = {kind.id_prefix: kind for kind in KINDS if kind.id_prefix} | {
    # Charges and refunds that are not by card, disputes of some networks.
    "py_": BY_NAME["charges"],
    "pyr_": BY_NAME["refunds"],
    "du_": BY_NAME["disputes"],
}

Result = Literal["stored", "changed", "unchanged", "deleted", "missing", "error"]


@dataclass(frozen=True, slots=True)
class Record:
    """An object somebody names. `kind` None: to be told from the id."""

    id: str
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a record. `missing`: neither Stripe nor the mirror has it. `error` says why it was not read."""

    id: str
    kind: str | None
    result: Result
    error: BridgedError | None = None


def kind_of(record: Record) -> Kind:
    """The kind of a record, by its name or by the longest prefix of the id. Raises RequestInvalid."""
    if record.kind is not None:
        kind = BY_NAME.get(record.kind)
        hint = f"Kinds: {', '.join(sorted(BY_NAME))}."
    else:
        fitting = [prefix for prefix in _PREFIXES if record.id.startswith(prefix)]
        kind = _PREFIXES[max(fitting, key=len)] if fitting else None
        hint = 'Name its kind: {"kind": "coupons", "id": "…"}, or coupons:… on the command line.'
    if kind is None:
        what = f"kind {record.kind!r}" if record.kind is not None else f"kind of {record.id!r}"
        raise RequestInvalid(f"The {what} is unknown.", hint=hint)
    if "{" in kind.path:
        raise RequestInvalid(f"{kind.title} are read with their customer only.", hint="`bridged sync --customer cus_…`")
    return kind


async def reread(desk: Desk, records: Sequence[Record]) -> list[Outcome]:
    """Reads records again, each once, and says of each what came of it; in the order given.

    Raises KeyInvalid, LeaseLost, DatabaseUnavailable; what was read before is stored.
    """
    tasks = [_outcome(desk, record) for record in dict.fromkeys(records)]
    outcomes: list[Outcome] = []
    for each in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(each, BaseException):
            raise each
        if isinstance(each.error, KeyInvalid):
            raise each.error
        outcomes.append(each)
    return outcomes


async def _outcome(desk: Desk, record: Record) -> Outcome:
    try:
        kind = kind_of(record)
    except RequestInvalid as error:
        return Outcome(record.id, record.kind, "error", error)
    try:
        return Outcome(record.id, kind.name, await _reread(desk, kind, record.id))
    except StripeError as error:
        return Outcome(record.id, kind.name, "error", error)


async def _reread(desk: Desk, kind: Kind, object_id: str) -> Result:
    result: Result = "unchanged"
    for _ in range(_SETTLE_TRIES):
        found = await read(desk.client, kind, object_id, foreground=True)
        async with desk.reading() as conn:
            known = await mirror.get(conn, kind, desk.scope, object_id)
        if found.data is None and known is None:
            # No tombstone for what never was: a mistyped id is no object.
            return "missing"
        written, _ = await apply(desk, None, kind, object_id, found)
        if found.data is None or found.data.get("deleted") is True:
            result = "deleted"
        elif written.stored:
            result = "stored"
        elif written.changed and result == "unchanged":
            result = "changed"
        if not written.dirty:
            break
        # Read within the uncertainty of Stripe's clock, one state cannot be told from the one before: let it pass.
        instant = desk.client.instant()
        await asyncio.sleep(min(5.0, max(0.05, instant.known_until - instant.as_of)))
    return result
