"""The tables of a sync: leases, runs, windows, and what is claimed of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson

from bridged.core.db import Conn
from bridged.core.errors import LeaseLost
from bridged.mirror.store import Scope
from bridged.sync.budget import Spent
from bridged.sync.plan import Split, Window

LEASE_SECONDS = 10
RENEW_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Run:
    """One sync of one connection. `began`: the moment, by Stripe's clock, before the first list call.

    `upper` is the newest `created` its lists cover; what changed after `began` is caught up from events.
    """

    id: int
    state: str
    mode: str
    kinds: tuple[str, ...]
    upper: int
    began: datetime
    requests: int
    rate_limited: int
    error: str | None
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Claim:
    """What is claimed of a kind after its last run. `complete_as_of`: by Stripe's clock; None while it never was."""

    kind: str
    complete: bool
    complete_as_of: datetime | None
    stored: int
    changed: int
    deleted: int
    requests: int
    error_code: str | None
    error: str | None
    needed: tuple[str, ...]
    finished_at: datetime


async def take_lease(conn: Conn, account: str, holder: str) -> bool:
    """Takes or renews the account's lease; False when another process holds it.

    A holder is gone when its time is up or when the database session it renewed from has ended: a killed process on a
    host that still stands frees the lease at once, a lost host after LEASE_SECONDS.
    """
    cursor = await conn.execute(
        "insert into bridged.leases as l (account, holder, backend_pid, backend_start, expires_at) "
        "select %(account)s, %(holder)s, pid, coalesce(backend_start, '-infinity'), "
        "clock_timestamp() + make_interval(secs => %(seconds)s) from pg_stat_activity where pid = pg_backend_pid() "
        "on conflict (account) do update set holder = excluded.holder, backend_pid = excluded.backend_pid, "
        "backend_start = excluded.backend_start, expires_at = excluded.expires_at "
        "where l.holder = excluded.holder or l.expires_at < clock_timestamp() or not exists ("
        "select from pg_stat_activity a where a.pid = l.backend_pid "
        "and coalesce(a.backend_start, l.backend_start) = l.backend_start) "
        "returning account",
        {"account": account, "holder": holder, "seconds": LEASE_SECONDS},
    )
    return await cursor.fetchone() is not None


async def drop_lease(conn: Conn, account: str, holder: str) -> None:
    """Gives the lease back."""
    await conn.execute("delete from bridged.leases where account = %s and holder = %s", (account, holder))


_RUN = "id, state, mode, kinds, upper, began, requests, rate_limited, error, started_at, finished_at"


async def last_run(conn: Conn, scope: Scope) -> Run | None:
    """The newest run of a connection."""
    cursor = await conn.execute(
        f"select {_RUN} from bridged.runs where connection_id = %s order by id desc limit 1", (scope.connection_id,)
    )
    row = await cursor.fetchone()
    return _run(row) if row else None


async def begin_run(
    conn: Conn,
    scope: Scope,
    holder: str,
    kinds: Sequence[str],
    *,
    upper: int,
    began: datetime,
    now: datetime,
    cause: str = "request",
    mode: str = "full",
    gap: bool = False,
) -> Run:
    """A new run; what an earlier one left behind is abandoned."""
    await conn.execute(
        "update bridged.runs set state = 'failed', error = 'abandoned', finished_at = %s "
        "where connection_id = %s and state in ('running', 'interrupted')",
        (now, scope.connection_id),
    )
    await conn.execute("delete from bridged.windows where connection_id = %s", (scope.connection_id,))
    cursor = await conn.execute(
        "insert into bridged.runs (workspace_id, connection_id, state, holder, kinds, upper, began, started_at, cause, "
        f"mode, events_gap) values (%s, %s, 'running', %s, %s, %s, %s, %s, %s, %s, %s) returning {_RUN}",
        (scope.workspace_id, scope.connection_id, holder, list(kinds), upper, began, now, cause, mode, gap),
    )
    row = await cursor.fetchone()
    assert row is not None
    return _run(row)


def _run(row: dict[str, Any]) -> Run:
    row["kinds"] = tuple(row["kinds"])
    return Run(**row)


async def adopt_run(conn: Conn, scope: Scope, run: Run, holder: str) -> None:
    """Takes over a run that a process left unfinished; from here on that process can commit nothing of it."""
    await conn.execute(
        "update bridged.runs set holder = %s, state = 'running', finished_at = null "
        "where connection_id = %s and id = %s",
        (holder, scope.connection_id, run.id),
    )


async def guard(conn: Conn, scope: Scope, run: Run, holder: str) -> None:
    """Makes the transaction void if another process took the run over or began one of its own. Raises LeaseLost.

    The row is share-locked until commit: the other waits for the pages under way, and those after it find out here.
    """
    cursor = await conn.execute(
        "select from bridged.runs where connection_id = %s and id = %s and holder = %s and state = 'running' for share",
        (scope.connection_id, run.id, holder),
    )
    if await cursor.fetchone() is None:
        raise LeaseLost("Another process took over this sync.", hint="Let that one finish; `bridged status` shows it.")


async def end_run(
    conn: Conn,
    scope: Scope,
    run: Run,
    state: str,
    *,
    requests: int,
    rate_limited: int,
    error: str | None,
    now: datetime,
) -> None:
    """Closes a run. Its windows are forgotten, since claims say what they proved; an `interrupted` run keeps them."""
    await conn.execute(
        "update bridged.runs set state = %s, requests = %s, rate_limited = %s, error = %s, finished_at = %s "
        "where connection_id = %s and id = %s",
        (state, requests, rate_limited, error, now, scope.connection_id, run.id),
    )
    if state != "interrupted":
        await conn.execute(
            "delete from bridged.windows where connection_id = %s and run_id = %s", (scope.connection_id, run.id)
        )


async def windows(conn: Conn, scope: Scope, run: Run) -> list[Window]:
    """The windows of a run, as last committed."""
    cursor = await conn.execute(
        "select id, list as list_id, lo, hi, at, after, pages, rows, ended from bridged.windows "
        "where connection_id = %s and run_id = %s",
        (scope.connection_id, run.id),
    )
    return [Window(**row) for row in await cursor.fetchall()]


async def add_windows(conn: Conn, scope: Scope, run: Run, fresh: Sequence[Window]) -> None:
    """Stores windows at their birth."""
    async with conn.cursor() as cursor:
        await cursor.executemany(
            "insert into bridged.windows (workspace_id, connection_id, run_id, list, id, lo, hi, at, after, pages, "
            "rows, ended) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
            [
                (
                    scope.workspace_id, scope.connection_id, run.id, each.list_id, each.id, each.lo, each.hi, each.at,
                    each.after, each.pages, each.rows, each.ended,
                )
                for each in fresh
            ],
        )  # fmt: skip


async def add_split(conn: Conn, scope: Scope, run: Run, split: Split) -> None:
    """Cuts the older half off a window and stores it as one of its own."""
    await conn.execute(
        "update bridged.windows set lo = %s where connection_id = %s and run_id = %s and id = %s",
        (split.lo, scope.connection_id, run.id, split.newer),
    )
    await add_windows(conn, scope, run, [split.older])


async def advance(conn: Conn, scope: Scope, run: Run, window: Window) -> None:
    """A page of this window is stored: its new position, in the transaction of the page's rows."""
    await conn.execute(
        "update bridged.windows set at = %s, after = %s, pages = %s, rows = %s, ended = %s "
        "where connection_id = %s and run_id = %s and id = %s",
        (
            window.at, window.after, window.pages, window.rows, window.ended, scope.connection_id, run.id, window.id,
        ),
    )  # fmt: skip


async def claim(conn: Conn, scope: Scope, run: Run, claims: Sequence[Claim]) -> None:
    """Says of each kind what this run proved. A failed run does not take back when the kind was last complete."""
    async with conn.cursor() as cursor:
        await cursor.executemany(
            "insert into bridged.kinds as k (workspace_id, connection_id, kind, run_id, complete, complete_as_of, "
            "stored, changed, deleted, requests, error_code, error, needed, finished_at) "
            "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
            "on conflict (connection_id, kind) do update set run_id = excluded.run_id, complete = excluded.complete, "
            "complete_as_of = coalesce(excluded.complete_as_of, k.complete_as_of), stored = excluded.stored, "
            "changed = excluded.changed, deleted = excluded.deleted, requests = excluded.requests, "
            "error_code = excluded.error_code, error = excluded.error, needed = excluded.needed, "
            "finished_at = excluded.finished_at",
            [
                (
                    scope.workspace_id, scope.connection_id, each.kind, run.id, each.complete, each.complete_as_of,
                    each.stored, each.changed, each.deleted, each.requests, each.error_code, each.error,
                    list(each.needed), each.finished_at,
                )
                for each in claims
            ],
        )  # fmt: skip


async def claims(conn: Conn, scope: Scope) -> list[Claim]:
    """What is claimed of each kind."""
    cursor = await conn.execute(
        "select kind, complete, complete_as_of, stored, changed, deleted, requests, error_code, error, needed, "
        "finished_at from bridged.kinds where connection_id = %s",
        (scope.connection_id,),
    )
    found = await cursor.fetchall()
    for row in found:
        row["needed"] = tuple(row["needed"])
    return [Claim(**row) for row in found]


async def add_reads(conn: Conn, scope: Scope, day: date, *, reads: int, backfill_reads: int, writes: int) -> None:
    """Counts requests of a UTC day."""
    await conn.execute(
        "insert into bridged.reads as r (workspace_id, connection_id, day, reads, backfill_reads, writes) "
        "values (%s, %s, %s, %s, %s, %s) on conflict (connection_id, day) do update set "
        "reads = r.reads + excluded.reads, backfill_reads = r.backfill_reads + excluded.backfill_reads, "
        "writes = r.writes + excluded.writes",
        (scope.workspace_id, scope.connection_id, day, reads, backfill_reads, writes),
    )


async def reads(conn: Conn, scope: Scope, since: date) -> list[Spent]:
    """Requests by UTC day, oldest first."""
    cursor = await conn.execute(
        "select day, reads, backfill_reads, writes from bridged.reads where connection_id = %s and day >= %s "
        "order by day",
        (scope.connection_id, since),
    )
    return [Spent(**row) for row in await cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Proof:
    """The last comparison of a kind's month with Stripe: objects and sums of amounts on both sides, and what differed.

    Of a pass under way (`pass_began`) the counts are those of the seconds from `part_from` up. `proven_at`: when the
    last pass began that compared the whole month.
    """

    kind: str
    month: date
    checked_at: datetime
    whole: bool
    mirror_objects: int
    stripe_objects: int
    mirror_sums: dict[str, int]
    stripe_sums: dict[str, int]
    compared: int
    differing: int
    missing: int
    undeleted: int
    repaired: int
    reads: int
    proven_at: datetime | None
    pass_began: datetime | None
    part_from: int | None


_PROOF = (
    "kind, month, checked_at, whole, mirror_objects, stripe_objects, mirror_sums, stripe_sums, compared, differing, "
    "missing, undeleted, repaired, reads, proven_at, pass_began, part_from"
)


async def proofs(conn: Conn, scope: Scope) -> list[Proof]:
    """All proofs of a connection."""
    cursor = await conn.execute(
        f"select {_PROOF} from bridged.proofs where connection_id = %s order by kind, month", (scope.connection_id,)
    )
    return [Proof(**row) for row in await cursor.fetchall()]


async def record_proof(conn: Conn, scope: Scope, proof: Proof) -> None:
    """Keeps the outcome of a comparison; what was proven before stays proven as of then."""
    await conn.execute(
        f"insert into bridged.proofs as p (workspace_id, connection_id, {_PROOF}) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
        "on conflict (connection_id, kind, month) do update set checked_at = excluded.checked_at, "
        "whole = excluded.whole, mirror_objects = excluded.mirror_objects, stripe_objects = excluded.stripe_objects, "
        "mirror_sums = excluded.mirror_sums, stripe_sums = excluded.stripe_sums, compared = excluded.compared, "
        "differing = excluded.differing, missing = excluded.missing, undeleted = excluded.undeleted, "
        "repaired = excluded.repaired, reads = excluded.reads, "
        "proven_at = coalesce(excluded.proven_at, p.proven_at), pass_began = excluded.pass_began, "
        "part_from = excluded.part_from",
        (
            scope.workspace_id, scope.connection_id, proof.kind, proof.month, proof.checked_at, proof.whole,
            proof.mirror_objects, proof.stripe_objects, orjson.dumps(proof.mirror_sums).decode(),
            orjson.dumps(proof.stripe_sums).decode(), proof.compared, proof.differing, proof.missing, proof.undeleted,
            proof.repaired, proof.reads, proof.proven_at, proof.pass_began, proof.part_from,
        ),
    )  # fmt: skip
