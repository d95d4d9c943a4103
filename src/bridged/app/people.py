"""People: signing in and out, links that work once, who belongs to a workspace, one's own account."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridged.accounts import people as rules
from bridged.accounts.audit import Act, Actor
from bridged.accounts.audit import store as audit
from bridged.accounts.people import (
    Failures,
    Known,
    Link,
    OpenSession,
    Person,
    Place,
    Purpose,
    Role,
    Session,
    secrets,
    store,
)
from bridged.app import App
from bridged.core import clock
from bridged.core.db import Conn
from bridged.core.errors import LinkRefused, NotFound, SignInRefused, TooManyRequests, UsageError
from bridged.core.types import Secret

_SEEN_EVERY = timedelta(minutes=1)
_SESSION, _LINK = "bss_", "brl_"
LINK_PATH = "/link/"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where a request of somebody not signed in comes from."""

    address: str | None = None
    agent: str | None = None
    request_id: str | None = None

    def actor(self, email: str) -> Actor:
        return Actor("user", email, None, self.address, self.request_id)


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that has just begun; its token is in no other place."""

    token: Secret
    session: Session


def actor_of(session: Session, visitor: Visitor) -> Actor:
    """A signed-in user, as the audit log names them."""
    return Actor("user", session.email, session.user_id, visitor.address, visitor.request_id)


# Signing in and out


async def sign_in(app: App, email: str, password: Secret, code: str, visitor: Visitor) -> Opened:
    """Begins a session in the first workspace of the user.

    Raises SignInRefused, whatever is wrong; TooManyRequests after several failures, for the account as for the address.
    """
    email = email.strip().lower()
    found, places = await _checked(app, email, password, code, visitor)
    if not places:
        raise _refusal()
    return await _begin(app, places[0].workspace_id, found.id, email, visitor, "session.started")


async def _checked(app: App, email: str, password: Secret, code: str, visitor: Visitor) -> tuple[Known, list[Place]]:
    """The user these belong to, and where they belong. Raises SignInRefused, TooManyRequests."""
    now = clock.now()
    keys = [secrets.digest(f"account {email}"), secrets.digest(f"address {visitor.address}")]
    before = await _tried(app, keys, now)
    async with app.database.transaction() as conn:
        found = await store.known(conn, email)
        places = await store.places(conn, found.id) if found else []
        secret = await _totp_of(app, conn, found)
    right = await secrets.fits(password, found.password_hash if found else None)
    if found is None or not right or not await _second_factor(app, found, secret, code):
        await _tell(app, places, visitor.actor(email), now)
        raise _refusal()
    await _succeeded(app, keys, before)
    return found, places


def _refusal() -> SignInRefused:
    return SignInRefused(
        "Address, password and code do not belong together.",
        hint="Try again; an owner or admin of your workspace can make you a link to set a new password.",
    )


async def _tried(app: App, keys: list[bytes], now: datetime) -> list[Failures]:
    """Counts a try as failed before it is looked at: many at once are no more than one after the other.

    Returns what was counted before. Raises TooManyRequests.
    """
    before: list[Failures] = []
    async with app.database.transaction() as conn:
        for key in keys:
            found = await store.failures(conn, key) or rules.Failures(0, now, now)
            if found.blocked_until > now:
                raise TooManyRequests(
                    "Signing in failed too often.",
                    hint="Wait as Retry-After says.",
                    retry_after=(found.blocked_until - now).total_seconds(),
                )
            await store.note_failure(conn, key, found.after(now))
            before.append(found)
    return before


async def _succeeded(app: App, keys: list[bytes], before: list[Failures]) -> None:
    """The account begins anew; the address has as many failures as before, or one good account would clear it."""
    async with app.database.transaction() as conn:
        await store.forget_failures(conn, keys[0])
        for key, found in zip(keys[1:], before[1:], strict=True):
            await store.set_failures(conn, key, found)


async def _tell(app: App, places: list[Place], actor: Actor, now: datetime) -> None:
    """Tells the workspaces of an account, if there is one, that somebody tried."""
    for place in places:
        async with app.database.transaction(place.workspace_id) as conn:
            await audit.record(conn, place.workspace_id, actor, Act("session.refused", f"user {actor.name}"), now)


async def _totp_of(app: App, conn: Conn, found: Known | None) -> Secret | None:
    """The secret of somebody's second factor, if they have one."""
    if found is None or found.totp is None:
        return None
    await app.vault.current(conn)
    return app.vault.decrypt(found.totp, workspace_id=0, connection_id=found.id, field=rules.TOTP_FIELD)


async def _second_factor(app: App, found: Known, secret: Secret | None, code: str) -> bool:
    """Whether the code is right, where one is needed; a code is taken once."""
    if secret is None:
        return True
    step = secrets.totp_step(secret, code, clock.unix())
    if step is None:
        return False
    async with app.database.transaction() as conn:
        return await store.take_totp(conn, found.id, step)


async def _begin(app: App, workspace_id: int, user_id: str, email: str, visitor: Visitor, action: str) -> Opened:
    now, token = clock.now(), secrets.new_token(_SESSION)
    hashed = secrets.digest(token.reveal())
    async with app.database.transaction(workspace_id) as conn:
        agent = visitor.agent[:200] if visitor.agent else None
        begun = await store.begin_session(conn, workspace_id, user_id, hashed, now, visitor.address, agent)
        actor = Actor("user", email, user_id, visitor.address, visitor.request_id)
        await audit.record(conn, workspace_id, actor, Act(action, f"session {begun}"), now)
        found = await store.session(conn, hashed, now)
    assert found is not None
    return Opened(token, found)


async def session_of(app: App, token: Secret) -> Session | None:
    """The session of a cookie's text; None if it is none, or has ended. Its use is noted once a minute."""
    if not token.reveal().startswith(_SESSION):
        return None
    now = clock.now()
    async with app.database.transaction() as conn:
        found = await store.session(conn, secrets.digest(token.reveal()), now)
    if found is not None and now - found.seen_at >= _SEEN_EVERY:
        async with app.database.transaction(found.workspace_id) as conn:
            await store.session_seen(conn, found, now)
    return found


async def sign_out(app: App, session: Session, visitor: Visitor) -> None:
    """Ends the session itself."""
    await end_session(app, session, session.id, visitor)


async def end_session(app: App, session: Session, which: str, visitor: Visitor) -> None:
    """Ends one of the user's own sessions. Raises NotFound."""
    now = clock.now()
    async with app.database.transaction(session.workspace_id) as conn:
        if not await store.end_session(conn, session.workspace_id, session.user_id, which, now):
            raise NotFound("There is no such session.", hint="Your account page lists those that are open.")
        act = Act("session.ended", f"session {which}")
        await audit.record(conn, session.workspace_id, actor_of(session, visitor), act, now)


async def own_sessions(app: App, session: Session) -> list[OpenSession]:
    """The user's open sessions in this workspace."""
    async with app.database.transaction(session.workspace_id) as conn:
        return await store.sessions(conn, session.workspace_id, session.user_id, clock.now())


async def own_places(app: App, session: Session) -> list[Place]:
    """The workspaces the user belongs to."""
    async with app.database.transaction() as conn:
        return await store.places(conn, session.user_id)


async def switch(app: App, session: Session, workspace_id: int, visitor: Visitor) -> Opened:
    """Goes over to another of their workspaces: this session ends, another begins. Raises NotFound."""
    if workspace_id not in {place.workspace_id for place in await own_places(app, session)}:
        raise NotFound("There is no such workspace.", hint="Choose one of your own.")
    opened = await _begin(app, workspace_id, session.user_id, session.email, visitor, "session.switched")
    await sign_out(app, session, visitor)
    return opened


# Links that work once


async def make_link(
    app: App, purpose: Purpose, actor: Actor, *, email: str | None = None, role: Role | None = None
) -> Secret:
    """The text of a new link; an earlier one for the same works no longer."""
    now, token = clock.now(), secrets.new_token(_LINK)
    async with app.database.transaction(app.workspace_id) as conn:
        await store.add_link(
            conn,
            app.workspace_id,
            purpose,
            secrets.digest(token.reveal()),
            email,
            role,
            now=now,
            ends_at=now + rules.LINK_LASTS[purpose],
        )
        after = {"purpose": purpose, "role": role}
        await audit.record(conn, app.workspace_id, actor, Act("link.made", f"user {email or '?'}", None, after), now)
    return token


def link_url(app: App, token: Secret, address: str) -> Secret:
    """Where the link leads: below the public address, or else where we serve."""
    base = (app.settings.public_url or address).rstrip("/")
    return Secret(f"{base}{LINK_PATH}{token.reveal()}")


async def link_of(app: App, token: Secret) -> Link:
    """What a link is for. Raises LinkRefused."""
    async with app.database.transaction() as conn:
        found = await store.link(conn, secrets.digest(token.reveal()), clock.now())
    if found is None:
        raise LinkRefused(
            "This link was used, has ended, or never was.",
            hint="Ask for a new one: an owner or admin makes it, and so do `bridged people reset-link` and, for the "
            "first owner, `bridged people owner-link`.",
        )
    return found


async def use_link(app: App, token: Secret, email: str, password: Secret, visitor: Visitor, code: str = "") -> Opened:
    """Makes whom the link is for a member, sets their password if they have none, and signs them in. It works once.

    Who has a password already, of another workspace, must know it: whoever made the link could use it else to become
    them. Raises LinkRefused; UsageError, SignInRefused and TooManyRequests, after which the link still works.
    """
    link = await link_of(app, token)
    found = rules.read_email(link.email or email)
    if link.purpose == "visit":
        raise LinkRefused("This link signs in and sets no password.", hint="Open it in a browser.")
    async with app.database.transaction() as conn:
        there = await store.known(conn, found)
    hashed = None
    if there is not None and there.password_hash is not None and link.purpose != "reset":
        await _checked(app, found, password, code, visitor)
    else:
        rules.check_password(password.reveal(), found)
        hashed = await secrets.hashed(password)
    now = clock.now()
    async with app.database.transaction(link.workspace_id) as conn:
        user_id = await _admit(conn, link, found, visitor, now)
        if hashed is not None:
            await store.set_password(conn, user_id, hashed, None, now)
        if link.purpose == "reset":
            await store.set_totp(conn, user_id, None, 0)
    return await _begin(app, link.workspace_id, user_id, found, visitor, "session.started")


async def visit(app: App, token: Secret, visitor: Visitor) -> Opened:
    """Signs in by a link alone, as the demonstration's does. Raises LinkRefused."""
    link, now = await link_of(app, token), clock.now()
    if link.purpose != "visit" or link.email is None:
        raise LinkRefused("This link needs a password to be set.", hint="Open it in a browser.")
    async with app.database.transaction(link.workspace_id) as conn:
        user_id = await _admit(conn, link, link.email, visitor, now)
    return await _begin(app, link.workspace_id, user_id, link.email, visitor, "session.started")


async def _admit(conn: Conn, link: Link, email: str, visitor: Visitor, now: datetime) -> str:
    """Uses the link up; its user is a member afterwards, if the link says as what."""
    if not await store.use_link(conn, link, now):
        raise LinkRefused("This link was used.", hint="Ask for a new one.")
    user_id = await store.add_user(conn, email)
    if link.role is not None:
        await store.set_role(conn, link.workspace_id, user_id, link.role, now)
    actor, after = replace(visitor.actor(email), id=user_id), {"role": link.role} if link.role else None
    await audit.record(conn, link.workspace_id, actor, Act("link.used", f"user {email}", None, after), now)
    return user_id


# Who belongs to a workspace


async def people(app: App) -> list[Person]:
    """The members of the workspace."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await store.people(conn, app.workspace_id)


async def invite(app: App, email: str, role: Role, actor: Actor, own: Role | None) -> Secret:
    """A link for somebody to become a member. Raises UsageError, Forbidden."""
    rules.check_grant(own, None, role)
    found = rules.read_email(email)
    if any(each.email == found for each in await people(app)):
        raise UsageError(f"{found} belongs to this workspace already.", hint="Change their role instead.")
    return await make_link(app, "invitation", actor, email=found, role=role)


async def reset_link(app: App, email: str, actor: Actor, own: Role | None) -> Secret:
    """A link for a member to set a new password; it also takes a second factor away. Raises NotFound, Forbidden.

    Who belongs to several workspaces belongs to none of them alone: then only the command line makes such a link.
    """
    found = await _member(app, email)
    rules.check_grant(own, found.role, found.role)
    async with app.database.transaction() as conn:
        places = await store.places(conn, found.user_id)
    if own is not None and len(places) > 1:
        raise NotFound(
            "This person also belongs to another workspace.",
            hint="Whoever runs the installation makes the link: `bridged people reset-link`.",
        )
    return await make_link(app, "reset", actor, email=found.email)


async def change_role(app: App, email: str, role: Role, actor: Actor, own: Role | None) -> None:
    """From the member's next request on. Raises NotFound, Forbidden; UsageError for the last owner."""
    await _change(app, email, role, actor, own)


async def remove(app: App, email: str, actor: Actor, own: Role | None) -> None:
    """Ends a membership and its sessions. Raises NotFound, Forbidden; UsageError for the last owner."""
    await _change(app, email, None, actor, own)


async def _change(app: App, email: str, role: Role | None, actor: Actor, own: Role | None) -> None:
    now = clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        await store.lock_members(conn, app.workspace_id)
        members = await store.people(conn, app.workspace_id)
        found = _named(members, email)
        rules.check_grant(own, found.role, role)
        if role != "owner" and [each.user_id for each in members if each.role == "owner"] == [found.user_id]:
            raise UsageError("A workspace keeps one owner at least.", hint="Make somebody else an owner first.")
        if role is None:
            await store.remove(conn, app.workspace_id, found.user_id, now)
        else:
            await store.set_role(conn, app.workspace_id, found.user_id, role, now)
        after = {"role": role} if role else None
        act = Act("member.changed" if role else "member.removed", f"user {found.email}", {"role": found.role}, after)
        await audit.record(conn, app.workspace_id, actor, act, now)


async def _member(app: App, email: str) -> Person:
    return _named(await people(app), email)


def _named(members: list[Person], email: str) -> Person:
    found = next((each for each in members if each.email == email.strip().lower()), None)
    if found is None:
        raise NotFound(
            f"Nobody called {email!r} belongs to this workspace.", hint="`bridged people list` shows who does."
        )
    return found


# One's own account


async def change_password(app: App, session: Session, old: Secret, new: Secret, visitor: Visitor) -> None:
    """Ends all other sessions of the user. Raises SignInRefused, TooManyRequests, UsageError."""
    found = await _proven(app, session, old)
    rules.check_password(new.reveal(), session.email)
    hashed, now = await secrets.hashed(new), clock.now()
    async with app.database.transaction(session.workspace_id) as conn:
        await store.set_password(conn, found.id, hashed, session.id, now)
        act = Act("user.password_changed", f"user {session.email}")
        await audit.record(conn, session.workspace_id, actor_of(session, visitor), act, now)


async def _proven(app: App, session: Session, password: Secret) -> Known:
    """The user, who has shown once more that it is they: a session left open must not be enough."""
    keys = [secrets.digest(f"account {session.email}")]
    before = await _tried(app, keys, clock.now())
    async with app.database.transaction() as conn:
        found = await store.known(conn, session.email)
    if found is None or not await secrets.fits(password, found.password_hash):
        raise SignInRefused("That is not your password.", hint="Try again.")
    await _succeeded(app, keys, before)
    return found


async def has_totp(app: App, session: Session) -> bool:
    """Whether signing in needs a code."""
    async with app.database.transaction() as conn:
        found = await store.known(conn, session.email)
    return found is not None and found.totp is not None


async def set_totp(
    app: App, session: Session, password: Secret, secret: Secret | None, code: str, visitor: Visitor
) -> None:
    """Asks for a code from now on, once one has shown that the app has the secret; or no longer (`secret` None).

    Raises SignInRefused, TooManyRequests, UsageError.
    """
    found, now, step = await _proven(app, session, password), clock.now(), 0
    if secret is not None:
        step = secrets.totp_step(secret, code, clock.unix()) or 0
        if not step:
            raise UsageError("That is not the code of this moment.", hint="Check the clock of your device; try again.")
    async with app.database.transaction(session.workspace_id) as conn:
        ciphertext = None
        if secret is not None:
            await app.vault.current(conn)
            ciphertext = app.vault.encrypt(secret, workspace_id=0, connection_id=found.id, field=rules.TOTP_FIELD)
        await store.set_totp(conn, found.id, ciphertext, step)
        act = Act("user.totp_on" if secret else "user.totp_off", f"user {session.email}")
        await audit.record(conn, session.workspace_id, actor_of(session, visitor), act, now)


# Workspaces


async def owner_link(app: App, actor: Actor) -> Secret:
    """A link for the first owner; an earlier one works no longer. Raises UsageError where there is an owner."""
    if await has_owner(app):
        raise UsageError(
            "The workspace has an owner.", hint="They invite others; `bridged people reset-link` lets them in again."
        )
    return await make_link(app, "owner", actor, role="owner")


async def has_owner(app: App) -> bool:
    """Whether anybody may do everything here."""
    return any(each.role == "owner" for each in await people(app))


async def add_workspace(app: App, name: str, actor: Actor) -> int:
    """A new workspace, with nobody in it yet. Raises UsageError."""
    if not name.strip():
        raise UsageError("The workspace needs a name.", hint="Say whose it is.")
    async with app.database.transaction() as conn:
        made = await store.add_workspace(conn, name.strip())
    async with app.database.transaction(made) as conn:
        await audit.record(conn, made, actor, Act("workspace.made", f"workspace {made}"), clock.now())
    return made


async def workspaces(app: App) -> list[tuple[int, str]]:
    """Ids and names of all of the installation."""
    async with app.database.transaction() as conn:
        return await store.workspaces(conn)
