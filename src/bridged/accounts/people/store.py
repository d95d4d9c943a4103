"""The tables of people. What knows no workspace yet goes through functions, one person at a time."""

from __future__ import annotations

from datetime import datetime

from bridged.accounts.people import (
    ABSOLUTE,
    IDLE,
    Failures,
    Known,
    Link,
    OpenSession,
    Person,
    Place,
    Purpose,
    Role,
    Session,
)
from bridged.core.db import Conn


async def known(conn: Conn, email: str) -> Known | None:
    """The user of an address, by a function: in no workspace_id yet."""
    cursor = await conn.execute(
        "select id::text, email, password_hash, totp, totp_step from bridged.user_of(%s) -- of no workspace_id yet",
        (email,),
    )
    row = await cursor.fetchone()
    return Known(**row) if row else None


async def add_user(conn: Conn, email: str) -> str:
    """The id of the user of an address, who may have been there before."""
    row = await (await conn.execute("select bridged.add_user(%s)::text as id", (email,))).fetchone()
    assert row is not None
    return row["id"]


async def set_password(conn: Conn, user_id: str, password_hash: str, keep: str | None, now: datetime) -> None:
    """Also ends the user's sessions everywhere, except `keep`."""
    await conn.execute("select bridged.set_password(%s, %s, %s, %s)", (user_id, password_hash, keep, now))


async def set_totp(conn: Conn, user_id: str, ciphertext: bytes | None, step: int) -> None:
    """None: no second factor."""
    await conn.execute("select bridged.set_totp(%s, %b, %s)", (user_id, ciphertext, step))


async def take_totp(conn: Conn, user_id: str, step: int) -> bool:
    """Whether no code of this step or a later one was taken before."""
    row = await (await conn.execute("select bridged.take_totp(%s, %s) as taken", (user_id, step))).fetchone()
    return row is not None and row["taken"]


async def people(conn: Conn, workspace_id: int) -> list[Person]:
    """The members of a workspace, those who came first first."""
    cursor = await conn.execute(
        "select m.user_id::text, u.email, m.role, m.since from bridged.memberships m "
        "join bridged.users u on u.id = m.user_id where m.workspace_id = %s order by m.since, u.email",
        (workspace_id,),
    )
    return [Person(**row) for row in await cursor.fetchall()]


async def lock_members(conn: Conn, workspace_id: int) -> None:
    """Until this transaction ends nobody else changes who belongs to the workspace: the last owner stays one."""
    await conn.execute(
        "select pg_advisory_xact_lock(%s, %s::int) -- of one workspace_id", (_MEMBERS, workspace_id % 2**31)
    )


_MEMBERS = 0x6D656D62


async def set_role(conn: Conn, workspace_id: int, user_id: str, role: Role, now: datetime) -> None:
    """Makes somebody a member, or changes what they are."""
    await conn.execute(
        "insert into bridged.memberships (workspace_id, user_id, role, since) values (%s, %s, %s, %s) "
        "on conflict (workspace_id, user_id) do update set role = excluded.role",
        (workspace_id, user_id, role, now),
    )


async def remove(conn: Conn, workspace_id: int, user_id: str, now: datetime) -> None:
    """Ends a membership, and the sessions that worked in it."""
    await conn.execute(
        "update bridged.sessions set revoked_at = coalesce(revoked_at, %s) where workspace_id = %s and user_id = %s",
        (now, workspace_id, user_id),
    )
    await conn.execute(
        "delete from bridged.memberships where workspace_id = %s and user_id = %s", (workspace_id, user_id)
    )


async def places(conn: Conn, user_id: str) -> list[Place]:
    """The workspaces a user belongs to. Across workspaces, for one user."""
    cursor = await conn.execute("select workspace_id, name, role from bridged.workspaces_of(%s)", (user_id,))
    return [Place(**row) for row in await cursor.fetchall()]


async def add_workspace(conn: Conn, name: str) -> int:
    """A new workspace with nobody in it."""
    row = await (await conn.execute("select bridged.add_workspace(%s) as id", (name,))).fetchone()
    assert row is not None
    return row["id"]


async def workspaces(conn: Conn) -> list[tuple[int, str]]:
    """Ids and names of all."""
    cursor = await conn.execute("select id, name from bridged.workspaces order by id")
    return [(row["id"], row["name"]) for row in await cursor.fetchall()]


async def begin_session(
    conn: Conn, workspace_id: int, user_id: str, digest: bytes, now: datetime, address: str | None, agent: str | None
) -> str:
    """The id of a new session."""
    cursor = await conn.execute(
        "insert into bridged.sessions (workspace_id, user_id, hash, created_at, seen_at, ends_at, address, user_agent) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s) returning id::text",
        (workspace_id, user_id, digest, now, now, now + ABSOLUTE, address, agent),
    )
    row = await cursor.fetchone()
    assert row is not None
    return row["id"]


async def session(conn: Conn, digest: bytes, now: datetime) -> Session | None:
    """The session of a cookie, with the role its user has this moment; None if it has ended."""
    cursor = await conn.execute(
        "select workspace_id, id::text, user_id::text, email, role, seen_at from bridged.session_of(%s, %s, %s)",
        (digest, now, IDLE),
    )
    row = await cursor.fetchone()
    return Session(**row) if row else None


async def session_seen(conn: Conn, session: Session, now: datetime) -> None:
    """Notes that a session is in use."""
    await conn.execute(
        "update bridged.sessions set seen_at = greatest(seen_at, %s) where workspace_id = %s and id = %s",
        (now, session.workspace_id, session.id),
    )


async def sessions(conn: Conn, workspace_id: int, user_id: str, now: datetime) -> list[OpenSession]:
    """The user's open sessions in this workspace, the newest first."""
    cursor = await conn.execute(
        "select id::text, created_at, seen_at, ends_at, address, user_agent from bridged.sessions "
        "where workspace_id = %s and user_id = %s and revoked_at is null and ends_at > %s and seen_at > %s "
        "order by created_at desc, id",
        (workspace_id, user_id, now, now - IDLE),
    )
    return [OpenSession(**row) for row in await cursor.fetchall()]


async def end_session(conn: Conn, workspace_id: int, user_id: str, session_id: str, now: datetime) -> bool:
    """False: it is not theirs, or had ended."""
    cursor = await conn.execute(
        "update bridged.sessions set revoked_at = %s "
        "where workspace_id = %s and user_id = %s and id = %s and revoked_at is null",
        (now, workspace_id, user_id, session_id),
    )
    return cursor.rowcount == 1


async def add_link(
    conn: Conn,
    workspace_id: int,
    purpose: Purpose,
    digest: bytes,
    email: str | None,
    role: Role | None,
    *,
    now: datetime,
    ends_at: datetime,
) -> None:
    """A link that works once. One before it for the same works no longer."""
    await conn.execute(
        "update bridged.links set used_at = %s where workspace_id = %s and purpose = %s "
        "and email is not distinct from %s and used_at is null",
        (now, workspace_id, purpose, email),
    )
    await conn.execute(
        "insert into bridged.links (workspace_id, purpose, hash, email, role, created_at, ends_at) "
        "values (%s, %s, %s, %s, %s, %s, %s)",
        (workspace_id, purpose, digest, email, role, now, ends_at),
    )


async def link(conn: Conn, digest: bytes, now: datetime) -> Link | None:
    """The link of that digest, unless it has ended or was used."""
    cursor = await conn.execute(
        "select workspace_id, workspace, id::text, purpose, email, role from bridged.link_of(%s, %s)", (digest, now)
    )
    row = await cursor.fetchone()
    return Link(**row) if row else None


async def use_link(conn: Conn, link: Link, now: datetime) -> bool:
    """Whether this is the one use of the link: of two at once one sees True, when the other's transaction ended."""
    cursor = await conn.execute(
        "update bridged.links set used_at = %s where workspace_id = %s and id = %s and used_at is null",
        (now, link.workspace_id, link.id),
    )
    return cursor.rowcount == 1


async def failures(conn: Conn, key: bytes) -> Failures | None:
    """How often signing in failed for a key. Keys are of no workspace_id: whoever guesses has none."""
    cursor = await conn.execute(
        "select failures as count, failed_at as last, blocked_until from bridged.throttles where key = %s "
        "for update -- of no workspace_id",
        (key,),
    )
    row = await cursor.fetchone()
    return Failures(**row) if row else None


async def note_failure(conn: Conn, key: bytes, found: Failures) -> None:
    """Keeps the new count of a key, which is of no workspace_id."""
    await conn.execute(
        "insert into bridged.throttles (key, failures, failed_at, blocked_until) values (%s, %s, %s, %s) "
        "on conflict (key) do update set failures = greatest(bridged.throttles.failures + 1, excluded.failures), "
        "failed_at = excluded.failed_at, blocked_until = excluded.blocked_until -- of no workspace_id",
        (key, found.count, found.last, found.blocked_until),
    )


async def set_failures(conn: Conn, key: bytes, found: Failures) -> None:
    """Puts the count of a key, which is of no workspace_id, back to what it was."""
    await conn.execute(
        "update bridged.throttles set failures = %s, failed_at = %s, blocked_until = %s "
        "where key = %s -- of no workspace_id",
        (found.count, found.last, found.blocked_until, key),
    )


async def forget_failures(conn: Conn, key: bytes) -> None:
    """Signing in succeeded: the key, of no workspace_id, begins anew."""
    await conn.execute("delete from bridged.throttles where key = %s -- of no workspace_id", (key,))
