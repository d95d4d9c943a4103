"""Conversations over channels: each message has its one answer, in its order; people take over and hand back.

A message is leased, answered outside any transaction (reading at Stripe may take seconds), and then, in one
transaction, its turns, the message that goes out and the thread's new state are committed. Whatever dies before that is
done again by whoever comes when the lease ends; the key of the answer is the customer's message, so it goes out once.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import uuid
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bridged import accounts
from bridged.accounts import Connection
from bridged.accounts.audit import Act, Actor
from bridged.accounts.audit.store import record
from bridged.accounts.credentials import store as credentials
from bridged.app import App, asking
from bridged.channels import wording, words
from bridged.conversation import identity
from bridged.conversation.composing import spoken
from bridged.conversation.identity import Known, Verification
from bridged.conversation.intents import INTENTS, NONE, read
from bridged.conversation.run import Choice, Handoff, Reply, unanswered
from bridged.conversation.threads import WINDOW, Changes, Outcome, Thread, Turn, Waiting, store
from bridged.core import clock, log, mail, tracing
from bridged.core.db import Conn
from bridged.core.errors import DatabaseUnavailable, MailNotSent, NotFound, RequestInvalid, ThreadTaken
from bridged.core.types import Secret
from bridged.messages.outbox import Address, Draft
from bridged.messages.outbox import store as outbox
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME
from bridged.mirror.shapes import text as text_of
from bridged.mirror.store import Scope
from bridged.profiles import store as profiles
from bridged.profiles.contacts import Identity
from bridged.profiles.contacts import store as contacts
from bridged.profiles.facts import Profile

_log = log.logger("threads")
LEASE = timedelta(seconds=60)
"""Longer than an answer may take: the reads behind it end after 15 seconds, a mail after 10."""
AT_ONCE = 8
_MOST_TRIES = 5
_LONGEST = 4096
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PEPPER = "conversation:pepper"
_ASKS = "ask:"
"""What a button's payload begins with; the intent follows."""
_THUMBS = {"\N{THUMBS UP SIGN}": 1, "\N{THUMBS DOWN SIGN}": -1}


@dataclass(frozen=True, slots=True)
class Letter:
    """An e-mail with a code. It stands in no log."""

    to: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Said:
    """What a message gets: the reply, the turn's outcome, and what becomes of thread and verification."""

    reply: Reply
    outcome: Outcome
    changes: Changes
    verification: Verification | None = None
    level: int = 0
    customer_id: str | None = None
    letter: Letter | None = None
    used: tuple[str, str] | None = None


async def with_questions(app: App) -> list[tuple[Scope, str]]:
    """Channels on which somebody waits for an answer, of all workspaces."""
    async with app.database.transaction() as conn:
        found = await store.with_questions(conn, clock.now())
    return [(Scope(workspace_id, connection_id), channel_id) for workspace_id, connection_id, channel_id in found]


async def answer_all(app: App, scope: Scope, channel_id: str) -> int:
    """Answers what waits on a channel, several senders at once. How many messages were seen to."""
    inside, now = replace(app, workspace_id=scope.workspace_id), clock.now()
    until = now + LEASE
    async with inside.database.transaction(scope.workspace_id) as conn:
        waiting = await store.claim(conn, scope, channel_id, now, until, AT_ONCE)
        connection = await accounts.by_id(conn, scope.workspace_id, scope.connection_id)
    if connection is None:
        return 0
    outcomes = await asyncio.gather(
        *(_answered(inside, connection, each, until) for each in waiting), return_exceptions=True
    )
    for each, outcome in zip(waiting, outcomes, strict=True):
        if isinstance(outcome, DatabaseUnavailable | asyncio.CancelledError):
            raise outcome
        if isinstance(outcome, BaseException):
            trace = tracing.trace_of(scope.connection_id, each.wamid)
            _log.error("not_answered", trace=trace, connection=scope.connection_id, error=type(outcome).__name__)
    return len(waiting)


async def _answered(app: App, connection: Connection, waiting: Waiting, until: datetime) -> None:
    """Under the id of the customer's message; a wamid itself may tell a number and stands in no log."""
    trace = tracing.trace_of(connection.id, waiting.wamid)
    with tracing.about(trace), tracing.span("conversation answer", trace=trace, bridged__connection=connection.id):
        await answer(app, connection, waiting, until)


async def answer(app: App, connection: Connection, waiting: Waiting, until: datetime) -> None:
    """Answers one message, unless it has its answer or is somebody else's by now."""
    scope, began = Scope(connection.workspace_id, connection.id), clock.monotonic()
    now = clock.now()
    async with app.database.transaction(scope.workspace_id) as conn:
        thread = await store.thread_of(conn, scope, waiting.channel_id, waiting.identity, now)
        known = await _known(conn, scope, waiting, thread, now)
        held = await store.verification(conn, scope, thread.id)
    asked = _words(waiting)
    said = None if _needs_none(waiting, thread, now) else await _said(app, connection, thread, known, held, asked, now)
    took = int((clock.monotonic() - began) * 1000)
    async with app.database.transaction(scope.workspace_id) as conn:
        if not await store.held(conn, scope, waiting, until):
            return
        thread = await store.thread_of(conn, scope, waiting.channel_id, waiting.identity, now)
        if thread.silent(clock.now()):
            said = None  # a person took it while the answer was made
        await _keep(conn, scope, waiting, thread, said, took)
        await store.done(conn, scope, waiting)
    _log.info("message_answered", connection=connection.id, outcome=said.outcome if said else "none", ms=took)
    if said is not None and said.letter is not None:
        await _post(app, connection, said.letter)


def _words(waiting: Waiting) -> str:
    if waiting.payload and waiting.payload.startswith(_ASKS):
        return waiting.payload
    return waiting.text or ""


def _needs_none(waiting: Waiting, thread: Thread, now: datetime) -> bool:
    """STOP and START are answered where they are heard; thumbs, and what a person will answer, by nobody here."""
    too_late = now - waiting.at >= WINDOW or waiting.tries > _MOST_TRIES
    wish = words.heard(waiting.text, waiting.payload) is not None
    return (
        thread.silent(now) or wish or too_late or _thumb(waiting) is not None or waiting.type in {"system", "reaction"}
    )


def _thumb(waiting: Waiting) -> int | None:
    return _THUMBS.get((waiting.text or "").strip().rstrip("\N{VARIATION SELECTOR-16}")[:1])


async def _known(conn: Conn, scope: Scope, waiting: Waiting, thread: Thread, now: datetime) -> Known:
    """Who has the number, and who proved to be somebody in this thread. A customer who is gone is nobody."""
    owners = (await contacts.owners(conn, scope, Identity(waiting.phone, waiting.bsuid))).customers
    living = [each for each in owners if await _living(conn, scope, each)]
    bound = thread.customer_id if thread.bound_at is not None else None
    if bound is not None and not await _living(conn, scope, bound):
        await store.unbind(conn, scope, thread.id)
        bound = None
    active = await _active_at(conn, scope, living[0], now) if len(living) == 1 else None
    return Known(living, bound, thread.bound_at if bound else None, thread.verified_until if bound else None, active)


async def _living(conn: Conn, scope: Scope, customer_id: str) -> bool:
    row = await mirror.get(conn, BY_NAME["customers"], scope, customer_id)
    return row is not None and not row.deleted and row.data.get("deleted") is not True


async def _active_at(conn: Conn, scope: Scope, customer_id: str, now: datetime) -> datetime | None:
    profile = await profiles.get(conn, scope, customer_id, int(now.timestamp()))
    if profile is not None:
        return last_active(profile, None, now)
    row = await mirror.get(conn, BY_NAME["customers"], scope, customer_id)
    created = row.data.get("created") if row else None
    return last_active(None, datetime.fromtimestamp(created, UTC) if isinstance(created, int) else None, now)


def last_active(profile: Profile | None, created: datetime | None, now: datetime) -> datetime | None:
    """When a customer last paid, began, or has something running: they are there. `created`: of one without profile."""
    if profile is None:
        return created
    if profile.status in {"active", "trialing", "past_due"}:
        return now
    times = [each for each in (profile.last_payment_at, profile.subscribed_since, profile.created) if each]
    return datetime.fromtimestamp(max(times), UTC) if times else None


# --- what is said ---


async def _said(
    app: App, connection: Connection, thread: Thread, known: Known, held: Verification, asked: str, now: datetime
) -> Said:
    customer_id, level = identity.standing(known, now)
    if asked.startswith(_ASKS):
        pressed = asked.removeprefix(_ASKS)
        wanted = pressed if pressed in INTENTS else None
        return await _asked(app, connection, thread, customer_id, level, "" if wanted else pressed, now, pressed=wanted)
    if not asked.strip():
        media = spoken("media", thread.language or "en", "media")
        return Said(Reply(media, answered=False), "answered", Changes(thread.failures))
    reading = read(asked, thread.language)
    control = reading.questions[0]
    if control.intent == "verify" and (held.sent_at is not None or identity.locked(held, now)):
        return await _tried(app, connection, thread, held, control.slots["code"][0], now)
    if control.intent == "language":
        language = control.slots["language"][0]
        greeting = spoken("greeting", language, "language")
        return Said(Reply(greeting, answered=False, reading=reading), "answered", Changes(0, language=language))
    address = identity.email_in(asked)
    if address is not None and level == 0:
        return await _addressed(app, connection, thread, held, address, now)
    return await _asked(app, connection, thread, customer_id, level, asked, now)


async def _asked(
    app: App, connection: Connection, thread: Thread, customer_id: str | None, level: int, asked: str, now: datetime,
    *, pressed: str | None = None,
) -> Said:  # fmt: skip
    """A question: answered at the level that was proved; where that is too low, they are asked to prove more."""
    reading = read(asked, thread.language)
    about_them = pressed is not None or any(each.intent in INTENTS for each in reading.questions)
    if not about_them and (level == 0 or customer_id is None):
        reply = replace(unanswered(reading, thread.failures), reading=reading)
        return Said(reply, _outcome(reply), Changes(_failures(thread, reply), language=reading.language))
    if level == 0 or customer_id is None:
        return await _prove(app, connection, thread, reading.language, customer_id, asked, now)
    place = asking.Thread(
        2 if level > 1 else 1, thread.asked(), thread.language, thread.failures, pressed=pressed,
    )  # fmt: skip
    reply = await asking.ask(app, connection, customer_id, asked, place)
    if reply.level is not None and not reply.answered:
        return await _prove(app, connection, thread, reading.language, customer_id, asked, now)
    objects = [source for item in reply.answer.items for source in item.sources]
    question = reply.reading.questions[-1] if reply.reading else reading.questions[-1]
    previous: dict[str, Any] = {}
    if reply.answered:
        previous = {"intent": question.intent, "slots": dict(question.slots), "objects": list(dict.fromkeys(objects))}
    language = reply.answer.language if reply.answered else reading.language
    changes = Changes(_failures(thread, reply), previous, language=language)
    return Said(reply, _outcome(reply), changes, level=level, customer_id=customer_id)


def _outcome(reply: Reply) -> Outcome:
    if reply.handoff is not None:
        return "handoff"
    if reply.choices:
        return "choices"
    if reply.answered or reply.answer.intent not in {NONE, "unknown"}:
        return "answered"
    return "unanswered"


def _failures(thread: Thread, reply: Reply) -> int:
    return thread.failures + 1 if reply.choices or (reply.answer.intent == "unknown" and reply.handoff is None) else 0


# --- proving ---


async def _prove(
    app: App,
    connection: Connection,
    thread: Thread,
    language: str,
    customer_id: str | None,
    question: str,
    now: datetime,
) -> Said:
    """A code goes to the address on file of the one who has the number; of others the address is asked first.

    Without a mail server a person has to help, and that is said.
    """
    scope = Scope(connection.workspace_id, connection.id)
    if app.settings.smtp_url is None:
        person = Handoff("identity", "somebody wants to know more than the number proves; there is no mail server")
        reply = Reply(spoken("person_identity", language, "identity"), answered=False, handoff=person)
        return Said(reply, "handoff", Changes(0, language=language), customer_id=customer_id)
    pending = Changes(0, pending=question, language=language)
    async with app.database.transaction(scope.workspace_id) as conn:
        held = await store.verification(conn, scope, thread.id)
        email = await _email(conn, scope, customer_id) if customer_id else None
    if identity.locked(held, now):
        return Said(Reply(spoken("code_locked", language, "identity"), answered=False), "identity", pending)
    if customer_id is None or email is None:
        return Said(Reply(spoken("ask_email", language, "identity"), answered=False), "identity", pending)
    sent, letter = await _code(app, connection, held, customer_id, email, language, now)
    reply = Reply(spoken("code_sent", language, "identity"), answered=False)
    used = ("sent", customer_id) if letter and customer_id else None
    return Said(reply, "identity", pending, sent, letter=letter, used=used)


async def _addressed(
    app: App, connection: Connection, thread: Thread, held: Verification, address: str, now: datetime
) -> Said:
    """Somebody unknown named an address. The answer is the same whether it is anybody's."""
    scope, language = Scope(connection.workspace_id, connection.id), thread.language or "en"
    pending = Changes(0, pending=thread.pending)
    if app.settings.smtp_url is None:
        return await _prove(app, connection, thread, language, None, thread.pending or "", now)
    if identity.locked(held, now):
        return Said(Reply(spoken("code_locked", language, "identity"), answered=False), "identity", pending)
    async with app.database.transaction(scope.workspace_id) as conn:
        found = await store.by_email(conn, scope, address)
    customer_id = found[0] if len(found) == 1 else None
    sent, letter = await _code(app, connection, held, customer_id, address, language, now)
    reply = Reply(spoken("code_maybe", language, "identity"), answered=False)
    used = ("sent", customer_id) if letter and customer_id else None
    return Said(reply, "identity", pending, sent, letter=letter, used=used)


async def _code(
    app: App,
    connection: Connection,
    held: Verification,
    customer_id: str | None,
    email: str,
    language: str,
    now: datetime,
) -> tuple[Verification, Letter | None]:
    """A code, not more often than once a minute, and the letter it goes out in; nobody gets none."""
    if not identity.may_send(held, now):
        return held, None
    if customer_id is not None and (await _uses(app, connection, customer_id, now))["sent"] >= identity.MOST_SENT:
        customer_id = None  # spoken of as ever, but nothing goes out
    code = f"{secrets.randbelow(10**identity.CODE_DIGITS):0{identity.CODE_DIGITS}}"
    made = identity.sent(held, customer_id, email, code, await _pepper(app, connection), now)
    name = connection.account_name or connection.name
    subject = spoken("mail_subject", language, "identity", name=name).text
    text = spoken("mail_text", language, "identity", code=code, name=name).text
    return made, None if customer_id is None else Letter(email, subject, text)


async def _uses(app: App, connection: Connection, customer_id: str, now: datetime) -> dict[str, int]:
    scope = Scope(connection.workspace_id, connection.id)
    async with app.database.transaction(scope.workspace_id) as conn:
        return {"sent": 0, "wrong": 0} | await store.uses(conn, scope, customer_id, now - identity.A_DAY)


async def _post(app: App, connection: Connection, letter: Letter) -> None:
    """After the reply was committed: how long it takes tells nobody whether an address is known.

    That it could not be sent is logged; the customer asks again.
    """
    if app.settings.smtp_url is None:
        return
    try:
        await mail.send(app.settings.smtp_url, letter.to, letter.subject, letter.text)
    except MailNotSent as error:
        _log.error("code_not_sent", connection=connection.id, message=error.message)


async def _pepper(app: App, connection: Connection) -> bytes:
    async with app.database.transaction(connection.workspace_id) as conn:
        found = await credentials.get(conn, app.vault, connection.workspace_id, connection.id, _PEPPER)
        if found is None:
            found = Secret(secrets.token_hex(32))
            await credentials.put(conn, app.vault, connection.workspace_id, connection.id, _PEPPER, found)
    return found.reveal().encode()


async def _email(conn: Conn, scope: Scope, customer_id: str) -> str | None:
    row = await mirror.get(conn, BY_NAME["customers"], scope, customer_id)
    return text_of(row.data.get("email")) if row and not row.deleted else None


async def _tried(
    app: App, connection: Connection, thread: Thread, held: Verification, code: str, now: datetime
) -> Said:
    """A code was sent back: once it is right, the question that waited is answered."""
    scope, language = Scope(connection.workspace_id, connection.id), thread.language or "en"
    async with app.database.transaction(scope.workspace_id) as conn:
        email = await _email(conn, scope, held.customer_id) if held.customer_id else None
    after, outcome = identity.tried(held, code, email, await _pepper(app, connection), now)
    if held.customer_id and (await _uses(app, connection, held.customer_id, now))["wrong"] >= identity.MOST_WRONG:
        outcome = "locked"
    if outcome != "verified" or held.customer_id is None:
        reply = Reply(spoken(f"code_{outcome}", language, "identity"), answered=False)
        used = ("wrong", held.customer_id) if held.customer_id and outcome in {"wrong", "locked"} else None
        return Said(reply, "identity", Changes(0, pending=thread.pending), after, used=used)
    proved = {"customer_id": held.customer_id, "bound_at": now, "verified_until": now + identity.VERIFIED_FOR}
    if thread.pending is None:
        reply = Reply(spoken("verified", language, "identity"), answered=True)
        return Said(reply, "answered", replace(Changes(0), **proved), after, 2, held.customer_id)
    found = await _asked(app, connection, thread, held.customer_id, 2, thread.pending, now)
    return replace(found, changes=replace(found.changes, **proved), verification=after)


# --- what is kept, and what goes out ---


async def _keep(conn: Conn, scope: Scope, waiting: Waiting, thread: Thread, said: Said | None, took: int) -> None:
    now = clock.now()
    reading = read(_words(waiting), thread.language)
    question = reading.questions[0]
    shown = waiting.text if waiting.payload else reading.text
    about = said.customer_id if said else thread.customer_id
    turn = Turn(
        "customer", shown or f"[{waiting.type}]", waiting.at, about, waiting.wamid, intent=question.intent,
        confidence=question.confidence, slots=dict(question.slots), outcome=said.outcome if said else "silent",
    )  # fmt: skip
    thumb = _thumb(waiting)
    if thumb is not None:
        await store.rate(conn, scope, thread.id, None, thumb)
    await store.add(conn, scope, thread.id, turn)
    if said is None:
        await store.heard(conn, scope, thread.id, min(waiting.at, now), now)
        return
    if said.verification is not None:
        await store.verify(conn, scope, thread.id, said.verification)
    if said.used is not None:
        await store.note_use(conn, scope, said.used[1], said.used[0], now)
    answer = said.reply.answer
    draft = _draft(waiting, thread, said.customer_id or thread.customer_id or "", answer.text, said.reply.choices)
    message_id = await outbox.put(conn, scope.workspace_id, scope.connection_id, draft, now)
    as_of = None if answer.as_of is None else datetime.fromtimestamp(answer.as_of, UTC)
    made = Turn(
        "engine", answer.text, now, about, message_id=message_id, intent=answer.intent, engine=said.reply.engine,
        level=said.level, facts=[asdict(each) for each in answer.facts], as_of=as_of, latency_ms=took,
        micros=said.reply.micros,
    )  # fmt: skip
    await store.add(conn, scope, thread.id, made)
    changes = said.changes if said.changes.customer_id else replace(said.changes, customer_id=said.customer_id)
    await store.change(conn, scope, thread.id, changes, min(waiting.at, now), now)
    if said.reply.handoff is not None:
        handoff = said.reply.handoff
        await store.ticket(conn, scope, thread.id, said.customer_id, handoff.kind, handoff.summary, now)


def _draft(waiting: Waiting, thread: Thread, customer_id: str, text: str, choices: tuple[Choice, ...]) -> Draft:
    pressed = [(f"{_ASKS}{each.intent}", each.title) for each in choices]
    interactive = wording.buttons(text, pressed) if pressed else None
    return Draft(
        channel_id=waiting.channel_id, customer_id=customer_id, to=Address(waiting.phone, waiting.bsuid),
        category="service", template=None, language=thread.language or "en", parameters={}, body=text,
        dedupe_key=f"answer:{waiting.channel_id}:{waiting.wamid}", origin=f"conversation:{thread.id}",
        not_after=waiting.at + WINDOW, interactive=interactive,
    )  # fmt: skip


# --- people ---


async def listed(
    app: App, connection: Connection, limit: int, *, state: str | None = None, unanswered: bool = False,
    customer_id: str | None = None,
) -> list[Thread]:  # fmt: skip
    """Threads, the newest first."""
    async with app.database.transaction(app.workspace_id) as conn:
        scope = Scope(connection.workspace_id, connection.id)
        return await store.threads(conn, scope, limit, state=state, unanswered=unanswered, customer_id=customer_id)


async def shown(app: App, connection: Connection, thread_id: str, limit: int) -> tuple[Thread, list[dict[str, Any]]]:
    """A thread and its last turns. Raises NotFound."""
    scope = Scope(connection.workspace_id, connection.id)
    async with app.database.transaction(app.workspace_id) as conn:
        return await _found(conn, scope, thread_id), await store.turns(conn, scope, thread_id, limit)


async def _found(conn: Conn, scope: Scope, thread_id: str) -> Thread:
    found = await store.thread(conn, scope, thread_id) if _UUID.fullmatch(thread_id) else None
    if found is None:
        raise NotFound("There is no such thread.", hint="`bridged thread list` shows them.")
    return found


async def take(app: App, connection: Connection, thread_id: str, actor: Actor, seen: str | None = None) -> Thread:
    """From now on a person answers; the engine is silent until it is handed back or left alone for twelve hours.

    `seen`: who had it when the person decided, "" for the engine; None: whoever has it. Raises NotFound, ThreadTaken.
    """
    return await _steer(app, connection, thread_id, actor, actor.name, seen)


async def hand_back(app: App, connection: Connection, thread_id: str, actor: Actor, seen: str | None = None) -> Thread:
    """The engine answers again. `seen` as for `take`. Raises NotFound, ThreadTaken."""
    return await _steer(app, connection, thread_id, actor, None, seen)


def _same_holder(thread: Thread, seen: str | None, actor: Actor, now: datetime) -> None:
    """Whoever has it is whom the person saw, or the person. Raises ThreadTaken."""
    holder = (thread.taken_by or "") if thread.silent(now) else ""
    if seen is None or holder in {seen, actor.name}:
        return
    if holder:
        raise ThreadTaken(
            f"{holder} has this conversation by now, so nothing was done.",
            hint="Talk to them, or take it over from them: they see that you did.",
        )
    raise ThreadTaken(
        "The conversation was handed back meanwhile and the engine answers it, so nothing was done.",
        hint="Take it over again to go on.",
    )


async def _steer(
    app: App, connection: Connection, thread_id: str, actor: Actor, who: str | None, seen: str | None
) -> Thread:
    scope, now = Scope(connection.workspace_id, connection.id), clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        _same_holder(await _found(conn, scope, thread_id), seen, actor, now)
        await store.take(conn, scope, thread_id, who, now)
        act = Act("thread.taken" if who else "thread.handed_back", f"thread {thread_id}", None, None, connection.id)
        await record(conn, app.workspace_id, actor, act, now)
        return await _found(conn, scope, thread_id)


async def say(
    app: App, connection: Connection, thread_id: str, actor: Actor, text: str, seen: str | None = None
) -> str:
    """A person's words to a customer, who wrote within the last 24 hours; the thread is theirs from then on.

    The id of the message. `seen` as for `take`. Raises NotFound, RequestInvalid, ThreadTaken.
    """
    scope, now = Scope(connection.workspace_id, connection.id), clock.now()
    said = text.strip()
    if not 0 < len(said) <= _LONGEST:
        raise RequestInvalid(f"A message has 1 to {_LONGEST} characters.", hint="Send it in parts.")
    async with app.database.transaction(app.workspace_id) as conn:
        found = await _found(conn, scope, thread_id)
        _same_holder(found, seen, actor, now)
        if found.heard_at is None or now - found.heard_at >= WINDOW:
            raise RequestInvalid(
                "The customer last wrote more than 24 hours ago, so WhatsApp takes no free text.",
                hint="Write a template with a playbook, or wait until they write.",
            )
        kind, _, value = found.identity.partition(":")
        to = Address(value, None) if kind == "phone" else Address(None, value)
        draft = Draft(
            channel_id=found.channel_id, customer_id=found.customer_id or "", to=to, category="service", template=None,
            language=found.language or "en", parameters={}, body=said, dedupe_key=f"said:{uuid.uuid4()}",
            origin=f"conversation:{thread_id}", not_after=found.heard_at + WINDOW,
        )  # fmt: skip
        message_id = await outbox.put(conn, scope.workspace_id, scope.connection_id, draft, now)
        assert message_id is not None
        await store.add(
            conn, scope, thread_id, Turn(f"person:{actor.name}", said, now, found.customer_id, message_id=message_id)
        )
        await store.take(conn, scope, thread_id, actor.name, now)
        await store.spoke(conn, scope, thread_id, now)
        act = Act("thread.said", f"thread {thread_id}", None, {"message": message_id}, connection.id)
        await record(conn, app.workspace_id, actor, act, now)
    return message_id


async def tickets(app: App, connection: Connection, limit: int, *, every: bool = False) -> list[dict[str, Any]]:
    """What a person has to do."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await store.tickets(conn, Scope(connection.workspace_id, connection.id), limit, every=every)


async def close_ticket(app: App, connection: Connection, ticket_id: str, actor: Actor) -> None:
    """Done. Raises NotFound."""
    scope, now = Scope(connection.workspace_id, connection.id), clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        known = _UUID.fullmatch(ticket_id) and await store.close_ticket(conn, scope, ticket_id, actor.name, now)
        if not known:
            raise NotFound("There is no such open ticket.", hint="It may be done already.")
        act = Act("ticket.done", f"ticket {ticket_id}", None, None, connection.id)
        await record(conn, app.workspace_id, actor, act, now)


async def queue(app: App, connection: Connection, limit: int) -> list[dict[str, Any]]:
    """Questions that nobody answered."""
    async with app.database.transaction(app.workspace_id) as conn:
        return await store.unanswered(conn, Scope(connection.workspace_id, connection.id), limit)


async def settle(app: App, connection: Connection, thread_id: str, number: int, actor: Actor) -> None:
    """A person has seen to a question of the queue. Raises NotFound."""
    scope, now = Scope(connection.workspace_id, connection.id), clock.now()
    async with app.database.transaction(app.workspace_id) as conn:
        await _found(conn, scope, thread_id)
        if not await store.settle(conn, scope, thread_id, number, actor.name, now):
            raise NotFound("There is no such question in the queue.", hint="It may be done already.")


async def rate(app: App, connection: Connection, thread_id: str, number: int, thumb: int) -> None:
    """A thumb (1 or -1) for an answer. Raises NotFound, RequestInvalid."""
    if thumb not in {1, -1}:
        raise RequestInvalid("A thumb is 1 or -1.", hint="Send 1 for a good answer.")
    scope = Scope(connection.workspace_id, connection.id)
    async with app.database.transaction(app.workspace_id) as conn:
        await _found(conn, scope, thread_id)
        if not await store.rate(conn, scope, thread_id, number, thumb):
            raise NotFound("There is no such answer.", hint="Only answers of the engine are rated.")
