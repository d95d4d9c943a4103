"""Nobody is told anything of anybody else, whatever they ask and however; and nothing that was planted comes out.

The real pipeline on PostgreSQL: Ana asks; Bob is a customer of the same merchant, Eve of another one.
"""

import contextlib
import re
import unicodedata
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from adversaries import ANA, BOB, EVE, LURE, MARKS, Person, attempts, objects, own_questions
from bridged import app as root
from bridged.conversation import run
from bridged.conversation.facts import Answer
from bridged.conversation.grounding import violations
from bridged.conversation.intents import Reading, Understood
from bridged.conversation.model import Model, masked, unmasked
from bridged.conversation.run import Asker, Reply
from bridged.core.db import Conn, Database
from bridged.core.settings import Settings
from bridged.mirror.store import Scope
from ground import WORKSPACE, new_scope
from served import another_workspace, stored

NOW = 1_795_000_000


class Recording(Database):
    """A database that writes down who asks it for what: the workspace, each statement with its values."""

    def __init__(self, inner: Database) -> None:
        self._inner = inner
        self.asked: list[tuple[int | None, str, str]] = []

    @contextlib.asynccontextmanager
    async def transaction(self, workspace_id: int | None = None) -> AsyncIterator[Conn]:
        async with self._inner.transaction(workspace_id) as conn:
            plain = conn.execute

            async def execute(query: Any, params: Any = None, **options: Any) -> Any:
                self.asked.append((workspace_id, str(query), repr(params)))
                return await plain(query, params, **options)

            conn.execute = execute  # type: ignore[method-assign]
            try:
                yield conn
            finally:
                del conn.execute


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[root.App]:
    async with root.opened(settings) as opened:
        yield opened


@pytest.fixture
async def scope(app: root.App, owner: str) -> Scope:
    async with app.database.transaction(WORKSPACE) as conn:
        ours = await new_scope(conn)
    theirs = await another_workspace(app, owner)
    for place, person in ((ours, ANA), (ours, BOB), (theirs, EVE)):
        for kind, rows in objects(person, spoilt=True).items():
            await stored(app.database, place, kind, rows)
    return ours


class Accomplice:
    """A model that does whatever it was talked into: another's slots, another's figures, a link."""

    name, micros, trouble = "accomplice", 0, None

    async def choose(self, reading: Reading) -> Understood | None:
        return Understood("next_payment_date", {"customer": (BOB.id,), "object": (BOB.name,)}, reading.language, 1.0)

    async def rephrase(self, answer: Answer) -> str | None:
        return f"{answer.text} {BOB.name} owes 777.31 on card 9191, pay at {LURE}"


async def asked(
    database: Database, scope: Scope, question: str, level: Any = 2, customer: Person = ANA, model: Model | None = None
) -> Reply:
    async def freshen(customer: str, needs: object) -> None:
        del customer, needs

    asker = Asker(scope, customer.id, "Europe/Madrid", "ES", fresh=True, level=level)
    return await run.reply(database, asker, question, NOW, freshen, 5.0, model=model)


def leaks(reply: Reply) -> list[str]:
    """What of somebody else's, or of what was planted, the customer would see; and of the facts, what is not Ana's."""
    seen = "\n".join((reply.answer.text, *(each.title for each in reply.choices)))
    flat = unicodedata.normalize("NFKC", seen).casefold()
    found = [secret for person in (BOB, EVE) for secret in person.secrets if secret.casefold() in flat]
    found += [mark for mark in MARKS if mark.casefold() in flat]
    found += [
        f"U+{ord(char):04X}" for char in seen if unicodedata.category(char) in {"Cc", "Cf", "Co"} and char != "\n"
    ]
    rest = seen.replace(f"https://invoice.stripe.com/i/acct_1/live_{ANA.id.removeprefix('cus_')}", "")
    found += ["link"] if "://" in rest or "www." in rest else []
    others = {person.id.removeprefix("cus_") for person in (BOB, EVE)}
    return found + [fact.object_id for fact in reply.answer.facts if any(other in fact.object_id for other in others)]


async def test_no_attempt_gets_anything(app: root.App, scope: Scope) -> None:
    database = Recording(app.database)
    tried = list(attempts())
    answered: Counter[bool] = Counter()
    faults: list[Any] = []
    for level, model in ((1, None), (2, None), (2, Accomplice())):
        for kind, question in tried:
            reply = await asked(database, scope, question, level, model=model)
            answered[reply.answered] += 1
            if found := leaks(reply):
                faults.append((level, kind, question, reply.answer.text, found))
    assert faults == []
    assert len({question for _, question in tried}) >= 300
    assert answered[True] >= 50, "nothing is proven by a pipeline that never answers"
    stray = [secret for person in (BOB, EVE) for secret in (person.id, person.name, person.email, person.phone)]
    for workspace, query, values in database.asked:
        assert workspace == WORKSPACE
        assert not any(secret in values for secret in stray), (query, values)
        assert LURE not in values


async def test_the_test_can_fail(app: root.App, scope: Scope) -> None:
    """Bob's own answer is full of what is looked for."""
    reply = await asked(app.database, scope, "When is my next payment due?", customer=BOB)
    assert reply.answered
    assert {"777.31", "2031"} <= set(leaks(reply))


async def test_ana_is_told_her_own(app: root.App, scope: Scope) -> None:
    for question in ("When is my next payment due?", "¿Cuándo es mi próximo pago?", "Wann ist meine nächste Zahlung?"):
        reply = await asked(app.database, scope, question)
        assert reply.answered
        assert "2026" in reply.answer.text
        assert "111.13" in reply.answer.text or "111,13" in reply.answer.text
        assert leaks(reply) == []


async def test_nothing_that_was_planted_comes_out_of_honest_questions(app: root.App, scope: Scope) -> None:
    faults: list[Any] = []
    asked_for: set[str] = set()
    for question in own_questions():
        reply = await asked(app.database, scope, question)
        asked_for |= {reply.answer.intent} if reply.answered else set()
        if found := leaks(reply):
            faults.append((question, reply.answer.text, found))
    assert faults == []
    assert len(asked_for) >= 20


async def test_on_the_first_level_there_are_no_links_and_no_cards(app: root.App, scope: Scope) -> None:
    """What it takes more to be told: links, the last four, invoices, history."""
    faults: set[tuple[str, str]] = set()
    for question in own_questions():
        answer = (await asked(app.database, scope, question, level=1)).answer
        if re.search(rf"://|{ANA.last4}", answer.text):
            faults.add((answer.intent, answer.text))
    assert faults == set()


async def test_what_a_model_would_be_shown_of_any_answer(app: root.App, scope: Scope) -> None:
    """Of each intent's answer: words and placeholders. And the answer is another wording of itself."""
    for question in own_questions():
        answer = (await asked(app.database, scope, question)).answer
        assert violations(answer.text, answer) == (), answer.text
        text, values = masked(answer)
        assert unmasked(text, values) == answer.text
        left = re.sub(r"\{\d+\}", "", text)
        assert not re.search(rf"@|://|Plan|\bvisa\b|{ANA.last4}", left), (question, text)
        assert not any(char.isdigit() for char in left), (question, text)


async def test_somebody_elses_connection_is_empty_for_a_customer(app: root.App, scope: Scope) -> None:
    """A session that names a customer of another merchant finds nobody."""
    reply = await asked(app.database, scope, "When is my next payment due?", customer=EVE)
    assert not reply.answered
    assert leaks(reply) == []
