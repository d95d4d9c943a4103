"""A question in, an answer out: what the customer means, what is known of them, what must be read first.

The customer is given by the caller (a session, a linked channel), never taken from the text.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from bridged.conversation import assisted
from bridged.conversation.answers import needs, refusal
from bridged.conversation.composing import Composed, composed, joined, spoken
from bridged.conversation.facts import Answer, Facts, Need, NeedKind, customer_of
from bridged.conversation.intents import INTENTS, NONE, Reading, Understood, read
from bridged.conversation.ledger import Ledger, uses
from bridged.conversation.model import Model
from bridged.conversation.phrases.titles import TITLES
from bridged.conversation.reading import Place, read_facts, read_ledger
from bridged.conversation.replies import FRESH_WITHIN, KINDS, LEVELS, Level, Question
from bridged.conversation.wording import known_language
from bridged.core import clock
from bridged.core.db import Database
from bridged.core.errors import BridgedError

Freshen = Callable[[str, Sequence[Need]], Awaitable[None]]
"""Makes a customer's rows fresh: (customer, needs); without needs, everything that may be owed. Given by `app`."""

_ROUNDS = 4
"""A need may lead to another (an invoice to its payment to its intent), not to more than this."""
_ENGINE = "grammar"
_PREVIEW_FRESH_FOR = 60
"""Seconds: what Stripe would bill changes with every change to customer, prices, usage and coupons."""
_CHOICES_OF = ("next_payment_date", "current_plan", "invoice_copy")
"""What is offered where it is not clear at all what is wanted."""
_OWED = ("customers", "subscriptions", "invoices")
_PATIENCE = 2
"""Messages in a row that may be misunderstood before a person is called."""


@dataclass(frozen=True, slots=True)
class Asker(Place):
    """Who asks, where, and what is known of the merchant.

    `level`: 1 where the channel proves who writes, 2 where they were asked for more (decides what may be shown).
    `portal`: where the merchant lets customers change things by themselves. `ages`: by how many seconds the mirror may
    be behind, for the data objects of which that is known.
    """

    level: Level = 2
    portal: str | None = None
    ages: Mapping[str, int] = field(default_factory=dict[str, int])

    def knows(self, intent: str) -> bool:
        """Whether the mirror is recent enough for an intent."""
        kinds, within = KINDS.get(intent, ()), FRESH_WITHIN.get(intent, 0)
        return self.fresh or (bool(kinds) and all(self.ages.get(each, within + 1) <= within for each in kinds))

    def complete(self, intent: str) -> bool:
        """Whether the mirror has all there is of an intent's data objects, however old."""
        return self.fresh or all(each in self.ages for each in KINDS.get(intent, _OWED))


@dataclass(frozen=True, slots=True)
class Choice:
    """A button or a row of a list: pressing it asks `intent`. `title` has at most 20 characters."""

    intent: str
    title: str


@dataclass(frozen=True, slots=True)
class Handoff:
    """What a person has to do, and what they should know of it."""

    kind: str
    summary: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked before in this thread: its intent and slots, and the object it was about."""

    intent: str
    slots: Mapping[str, tuple[str, ...]]
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What is said. `answered` is False for a refusal and for a question that was not understood.

    `level`: the one it takes to be answered, where the asker's was too low. `micros`: what a model cost, in millionths
    of a dollar.
    """

    answer: Answer
    answered: bool
    engine: str = _ENGINE
    trouble: BridgedError | None = None
    reading: Reading | None = None
    choices: tuple[Choice, ...] = ()
    handoff: Handoff | None = None
    level: Level | None = None
    micros: int = 0


async def reply(
    database: Database,
    asker: Asker,
    question: str,
    now: int,
    freshen: Freshen,
    deadline: float,
    *,
    previous: Asked | None = None,
    language: str | None = None,
    failures: int = 0,
    intent: str | None = None,
    model: Model | None = None,
) -> Reply:
    """Answers from the mirror, after the reads that are needed, within `deadline` seconds; then with what there is.

    `previous`: what was asked before in this thread; `language`: the one spoken there; `failures`: how many messages
    before this one were not understood; `intent`: what a pressed button asks, instead of words. A `model` is asked
    where the words are not understood, and may say the answer
    in other words.
    """
    reading = read(question, language, previous=previous.intent if previous else None)
    if intent is not None:
        pressed = Understood(intent, {}, language or "en", 1.0)
        reading = replace(reading, language=pressed.language, questions=(pressed,))
    chosen = await assisted.chosen(model, reading)
    found = await _reply(database, asker, chosen, now, freshen, deadline, previous, failures)
    if model is None:
        return replace(found, reading=reading)
    answer = await assisted.reworded(model, found.answer) if found.answered else found.answer
    used = chosen is not reading or answer is not found.answer
    engine = assisted.engine(found.engine, model, used=used)
    return replace(found, answer=answer, reading=chosen, engine=engine, micros=model.micros)


async def _reply(
    database: Database, asker: Asker, reading: Reading, now: int, freshen: Freshen, deadline: float,
    previous: Asked | None, failures: int,
) -> Reply:  # fmt: skip
    asked = [each for each in reading.questions if each.intent in INTENTS]
    if not asked:
        return unanswered(reading, failures)
    low = [each for each in asked if LEVELS.get(each.intent, 1) > asker.level]
    if len(low) == len(asked):
        return Reply(spoken("need_identity", reading.language, low[0].intent), answered=False, level=2)
    answers: list[Composed] = []
    trouble: BridgedError | None = None
    ends = clock.monotonic() + deadline
    for each in asked:
        if each in low:
            answers.append(Composed(spoken("need_identity", reading.language, each.intent)))
            continue
        question = Question(each.intent, each.slots, previous.objects if previous else (), asker.portal)
        left = max(0.0, ends - clock.monotonic())
        ledger, failed = await known(database, asker, question, now, freshen, left)
        trouble = trouble or failed
        if customer_of(ledger.facts) is None:
            return Reply(refusal(each.language, each.intent), answered=False, trouble=trouble)
        if ledger.partial:
            said = spoken("not_now", each.language, each.intent)
            answers.append(Composed(said, "unread", f"{each.intent} by {asker.customer_id}: not read yet"))
            continue
        answers.append(composed(ledger, question, each.language, asker.level))
    handoff = next((Handoff(each.handoff, each.summary) for each in answers if each.handoff), None)
    answer = joined([each.answer for each in answers])
    return Reply(answer, answered=True, trouble=trouble, handoff=handoff, level=2 if low else None)


def unanswered(reading: Reading, failures: int = 0) -> Reply:
    """The reply to what asks nothing of ours: a control, something else, or what is not understood. It says nothing of
    any customer; what the message does (stop, verify, language) is done elsewhere.
    """
    (asked,) = reading.questions
    language = reading.language
    if asked.intent in _SAID:
        handoff = Handoff("human", "asked for a person") if asked.intent == "human" else None
        return Reply(spoken(_SAID[asked.intent], language, asked.intent), answered=False, handoff=handoff)
    if asked.intent != NONE and failures + 1 >= _PATIENCE:
        person = Handoff("not_understood", f"{failures + 1} messages in a row were not understood")
        return Reply(spoken("human", language, "unknown"), answered=False, handoff=person)
    if asked.intent == NONE:
        return Reply(spoken("off_topic", language, NONE), answered=False)
    offered = asked.choices or _CHOICES_OF
    titles = TITLES[known_language(language)]
    choices = tuple(Choice(intent, titles[intent]) for intent in offered)
    return Reply(spoken("which", language, "unknown"), answered=False, choices=choices)


_SAID: Mapping[str, str] = {
    "help": "help", "human": "human", "greeting": "greeting", "thanks": "thanks", "yes": "ok", "no": "ok",
    "start": "ok",
    "stop": "ok", "language": "greeting", "verify": "off_topic",
}  # fmt: skip


def _amounts(asked: Question) -> tuple[int, ...]:
    """The amount a question names, in minor units of currencies with no, two or three decimals."""
    said = asked.slot("amount") if asked.intent == "unknown_charge" else None
    figure = Decimal(said) if said and _FIGURE.fullmatch(said) else None
    minor = [figure.scaleb(decimals) for decimals in (0, 2, 3)] if figure is not None else []
    return tuple(int(each) for each in minor if each == each.to_integral_value())


_FIGURE = re.compile(r"\d{1,12}(\.\d{1,3})?", re.ASCII)


async def known(
    database: Database, asker: Asker, asked: Question, now: int, freshen: Freshen, deadline: float
) -> tuple[Ledger, BridgedError | None]:
    """What is known, after the reads that are needed as far as the deadline allows them."""
    period, ahead = asked.slot("period"), asked.intent in _AHEAD
    try:
        async with asyncio.timeout(deadline):
            if not asker.knows(asked.intent):
                await freshen(asker.customer_id, needs_of(asked.intent, asker.customer_id))
            elif asked.intent in _OF_METHODS and await _methods_behind(database, asker, asked.intent, now):
                await freshen(asker.customer_id, (Need("payment_methods", asker.customer_id),))
            if ahead:
                facts = await _facts_after_needs(database, asker, now, freshen)
                return Ledger(replace(facts, doubtful=False)), None
    except (BridgedError, TimeoutError) as error:
        trouble = error if isinstance(error, BridgedError) else None
        found = await read_ledger(database, asker, asked.intent, period, now, _amounts(asked))
        return replace(found, partial=not asker.complete(asked.intent)), trouble
    read_now = replace(asker, fresh=True)
    return await read_ledger(database, read_now, asked.intent, period, now, _amounts(asked)), None


async def _methods_behind(database: Database, asker: Asker, intent: str, now: int) -> bool:
    """Whether a payment method that is charged is not known, or was seen too long ago: no sync lists them."""
    ledger = await read_ledger(database, asker, intent, None, now)
    seen = [fact.as_of for use in uses(ledger) for fact in (use.method.facts if use.method else ())]
    return any(use.method is None for use in uses(ledger)) or min(seen, default=now) < now - FRESH_WITHIN[intent]


_OF_METHODS = frozenset({"card_on_file", "card_expiry"})
_AHEAD = frozenset({"next_payment_date", "next_payment_amount", "trial_end"})
"""What is answered by Stripe's preview of what comes, where there is one."""


def needs_of(intent: str, customer_id: str) -> tuple[Need, ...]:
    """The reads an intent needs where the mirror is behind; none: everything that may be owed is read."""
    return tuple(Need(kind, customer_id) for kind in _READS.get(intent, ()))


_READS: Mapping[str, tuple[NeedKind, ...]] = {
    "last_payment": ("charges",), "payment_history": ("charges",), "total_spent": ("charges",),
    "unknown_charge": ("charges",), "payment_confirm": ("charges", "customer_intents"),
    "payment_failed_why": ("charges", "customer_invoices"), "retry_when": ("customer_invoices",),
    "amount_owed": ("customer", "customer_invoices"), "pay_link": ("customer_invoices",),
    "invoice_copy": ("customer_invoices", "charges"), "current_plan": ("customer_subscriptions",),
    "plan_price": ("customer_subscriptions",), "subscription_status": ("customer_subscriptions",),
    "auto_renew": ("customer_subscriptions",), "cancel_status": ("customer_subscriptions",),
    "discount_status": ("customer", "customer_subscriptions"), "refund_status": ("refunds",),
    "dispute_status": ("disputes",), "card_on_file": ("customer", "customer_subscriptions", "payment_methods"),
    "card_expiry": ("customer", "customer_subscriptions", "payment_methods"), "update_card": ("customer_invoices",),
    "billing_details": ("customer", "tax_ids"), "cancel_request": ("customer_subscriptions",),
    "refund_request": ("charges",), "change_plan": ("customer_subscriptions",),
}  # fmt: skip


async def _facts_after_needs(database: Database, asker: Asker, now: int, freshen: Freshen) -> Facts:
    tried: frozenset[Need] = frozenset()
    for _ in range(_ROUNDS):
        facts = replace(await read_facts(database, asker, now), tried=tried)
        missing = needs(without_old_previews(facts))
        if not missing:
            return facts
        await freshen(asker.customer_id, missing)
        tried |= frozenset(missing)
    return replace(await read_facts(database, asker, now), tried=tried)


def without_old_previews(facts: Facts) -> Facts:
    """The facts as if previews older than a minute were not there, so that they are asked for again."""
    fresh = {id_: each for id_, each in facts.previews.items() if facts.now - each.as_of <= _PREVIEW_FRESH_FOR}
    return replace(facts, previews=fresh)
