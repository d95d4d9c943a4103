"""Trying the engine out: asked as a customer would ask, follow-ups and buttons too, and nothing is ever sent."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from typing import Any

from bridged import accounts
from bridged.accounts import Connection
from bridged.accounts.audit import Actor
from bridged.app import App, asking
from bridged.conversation.intents import INTENTS
from bridged.conversation.phrases.titles import TITLES
from bridged.conversation.run import Reply
from bridged.conversation.trials import MOST_ASKED, Trial, store
from bridged.conversation.wording import known_language
from bridged.core import clock
from bridged.core.errors import NotFound, RequestInvalid
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME
from bridged.mirror.store import Scope

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LONGEST = 4096


async def begin(
    app: App, connection: Connection, customer_id: str, level: int, language: str | None, actor: Actor
) -> Trial:
    """A new conversation of this customer. Raises NotFound."""
    scope = Scope(connection.workspace_id, connection.id)
    async with app.database.transaction(app.workspace_id) as conn:
        row = await mirror.get(conn, BY_NAME["customers"], scope, customer_id) if "\0" not in customer_id else None
        if row is None or row.deleted:
            raise NotFound("There is no such customer.", hint="Search for one and choose it from the list.")
        made = await store.begin(conn, scope, customer_id, actor.name, level, language, clock.now())
    return (await found(app, made))[1]


async def found(app: App, trial_id: str) -> tuple[Connection, Trial]:
    """One that was begun, and its connection. Raises NotFound."""
    async with app.database.transaction(app.workspace_id) as conn:
        trial = await store.trial(conn, app.workspace_id, trial_id) if _UUID.fullmatch(trial_id) else None
        connection = await accounts.by_id(conn, app.workspace_id, trial.connection_id) if trial else None
    if trial is None or connection is None:
        raise NotFound("There is no such conversation.", hint="They are kept for a week. Begin a new one.")
    return connection, trial


async def ask(app: App, connection: Connection, trial: Trial, text: str, pressed: str | None = None) -> None:
    """Asks the next question, or presses a button. Raises RequestInvalid."""
    asked = text.strip()
    if pressed is not None and pressed not in INTENTS:
        raise RequestInvalid("There is no such button.", hint="Press one that was offered.")
    if pressed is None and not 0 < len(asked) <= _LONGEST:
        raise RequestInvalid(f"A question has 1 to {_LONGEST} characters.", hint="Write what a customer would.")
    if len(trial.asked) >= MOST_ASKED:
        raise RequestInvalid(f"{MOST_ASKED} questions were asked here.", hint="Begin a new conversation.")
    began, reads = clock.monotonic(), list[str]()
    place = asking.Thread(
        trial.level, trial.before(), trial.language, trial.failures, pressed=pressed
    )  # fmt: skip
    reply = await asking.ask(app, connection, trial.customer_id, "" if pressed else asked, place, reads)
    took = int((clock.monotonic() - began) * 1000)
    shown = TITLES[known_language(trial.language or "en")].get(pressed, pressed) if pressed else asked
    entry = _entry(reply, trial, shown) | {"pressed": pressed, "reads": reads, "ms": took}
    missed = bool(reply.choices) or (reply.answer.intent == "unknown" and reply.handoff is None)
    after = replace(trial, language=reply.answer.language)
    async with app.database.transaction(app.workspace_id) as conn:
        scope = Scope(connection.workspace_id, connection.id)
        await store.add(conn, scope, after, entry, _previous(reply), trial.failures + 1 if missed else 0)


def _previous(reply: Reply) -> dict[str, Any]:
    if not reply.answered or reply.reading is None:
        return {}
    last = reply.reading.questions[-1]
    objects = [source for item in reply.answer.items for source in item.sources]
    return {"intent": last.intent, "slots": dict(last.slots), "objects": list(dict.fromkeys(objects))}


def _entry(reply: Reply, trial: Trial, text: str) -> dict[str, Any]:
    """What is kept of a question: text and answer, what was understood, and what the answer rests on."""
    questions = reply.reading.questions if reply.reading else ()
    return {
        "text": text,
        "answer": reply.answer.text,
        "answered": reply.answered,
        "understood": [
            {"intent": each.intent, "confidence": each.confidence, "slots": dict(each.slots)} for each in questions
        ],
        "language": reply.answer.language,
        "choices": [asdict(each) for each in reply.choices],
        "handoff": asdict(reply.handoff) if reply.handoff else None,
        "asked_at_level": trial.level,
        "needs_level": reply.level,
        "facts": [asdict(each) for each in reply.answer.facts],
        "as_of": reply.answer.as_of,
        "engine": reply.engine,
        "micros": reply.micros,
        "trouble": reply.trouble.message if reply.trouble else None,
        "at": int(clock.unix()),
    }
