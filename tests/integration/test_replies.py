"""Answers to all intents, from the words of a question to the words of the answer, through PostgreSQL."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.conversation import run
from bridged.conversation.dates import local
from bridged.conversation.facts import Need
from bridged.conversation.intents import INTENTS, LANGUAGES
from bridged.conversation.periods import period_of
from bridged.conversation.replies import KINDS, LEVELS, Question
from bridged.conversation.run import Asked, Asker, Reply
from bridged.core.db import Database
from bridged.mirror.store import Scope
from served import stored
from unit.grounding import ungrounded

NOW = 1_795_868_000  # 28 November 2026, 13:13 in Berlin
DAY = 86_400
CARD = {"type": "card", "card": {"brand": "visa", "last4": "4242", "exp_month": 8, "exp_year": 2027}}
HOSTED = "https://invoice.stripe.com/i/acct_1/live_2"


def charge(number: int, ago: int, amount: int = 2900, **more: Any) -> dict[str, Any]:
    return {
        "id": f"ch_{number}", "object": "charge", "customer": "cus_1", "status": "succeeded", "amount": amount,
        "amount_captured": amount, "amount_refunded": 0, "currency": "eur", "captured": True,
        "created": NOW - ago * DAY,
        "payment_method": "pm_1", "payment_method_details": CARD, "invoice": f"in_{number}",
        "receipt_url": f"https://pay.stripe.com/receipts/{number}", "calculated_statement_descriptor": "ACME PRO",
    } | more  # fmt: skip


def invoice(number: int, ago: int, status: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"in_{number}", "object": "invoice", "customer": "cus_1", "status": status, "currency": "eur",
        "number": f"ACME-000{number}", "total": 2900, "amount_due": 2900,
        "amount_paid": 2900 if status == "paid" else 0,
        "amount_remaining": 0 if status == "paid" else 2900, "created": NOW - ago * DAY, "attempt_count": 1,
        "collection_method": "charge_automatically", "invoice_pdf": f"https://pay.stripe.com/invoice/{number}/pdf",
        "hosted_invoice_url": HOSTED, "subscription": "sub_1",
    } | more  # fmt: skip


WORLD: Mapping[str, list[dict[str, Any]]] = {
    "customers": [
        {"id": "cus_1", "object": "customer", "email": "ana@example.com", "balance": -500, "currency": "eur",
         "address": {"country": "DE", "city": "Berlin"}, "created": NOW - 400 * DAY,
         "invoice_settings": {"default_payment_method": "pm_1"}}
    ],
    "products": [{"id": "prod_1", "object": "product", "name": "Pro", "created": 1}],
    "subscriptions": [
        {"id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "past_due", "created": NOW - 300 * DAY,
         "collection_method": "charge_automatically", "currency": "eur", "discounts": [
             {"id": "di_1", "end": NOW + 30 * DAY, "source": {"coupon": {"id": "c", "percent_off": 20}}}],
         "items": {"data": [{"id": "si_1", "quantity": 1, "current_period_start": NOW - 2 * DAY,
                             "current_period_end": NOW + 28 * DAY,
                             "price": {"id": "price_1", "unit_amount": 2900, "currency": "eur", "product": "prod_1",
                                       "recurring": {"interval": "month", "interval_count": 1}}}]}}
    ],
    "charges": [
        charge(5, 2, status="failed", captured=False, amount_captured=0, failure_code="card_declined",
               outcome={"reason": "insufficient_funds"}, invoice="in_5"),
        charge(4, 32), charge(3, 62, amount_refunded=2900, refunded=True), charge(2, 92, disputed=True),
        charge(1, 400, amount=1900),
    ],
    "invoices": [
        invoice(5, 2, "open", next_payment_attempt=NOW + 3 * DAY), invoice(4, 32, "paid"), invoice(3, 62, "paid"),
        invoice(2, 92, "paid"), invoice(1, 400, "paid", total=1900),
    ],
    "refunds": [{"id": "re_1", "object": "refund", "charge": "ch_3", "status": "succeeded", "amount": 2900,
                 "currency": "eur", "created": NOW - 50 * DAY}],
    "disputes": [{"id": "dp_1", "object": "dispute", "charge": "ch_2", "status": "under_review", "amount": 2900,
                  "currency": "eur", "created": NOW - 80 * DAY}],
    "payment_methods": [{"id": "pm_1", "object": "payment_method", "customer": "cus_1", "created": 1, **CARD}],
}  # fmt: skip

SAID = {
    "when was my last payment": "Your last payment was €29.00 on Tuesday, 27 October 2026 (Berlin time), for Pro.",
    "did my payment go through": "No, the payment of €29.00 on Thursday, 26 November 2026 (Berlin time) did not "
    "go through.\nThe payment of €29.00 will be tried again automatically on Tuesday, 1 December 2026.",
    "why did my payment fail": "The payment of €29.00 on Thursday, 26 November 2026 (Berlin time) did not go "
    "through: there were not enough funds.\nThe payment of €29.00 will be tried again automatically on Tuesday, 1 "
    "December 2026.",
    "when will you try my card again": "The payment of €29.00 will be tried again automatically on Tuesday, 1 "
    "December 2026 (Berlin time).",
    "how much do i owe": "ACME-0005: A payment of €29.00 did not go through. It will be tried again "
    "automatically on Tuesday, 1 December 2026 (Berlin time); please make sure that your payment method works by "
    f"then. You can pay here: {HOSTED}\nYou have a credit of €5.00, which is taken off your next invoice.",
    "send me a payment link": f"You can pay €29.00 for invoice ACME-0005 here: {HOSTED}",
    "send me my invoice": "Invoice ACME-0005 of €29.00 issued on Thursday, 26 November 2026 (Berlin time): "
    "https://pay.stripe.com/invoice/5/pdf",
    "show my payment history": "Your payments, the newest first:\n€29.00 on Tuesday, 27 October 2026 (Berlin "
    "time), Pro\n€29.00 on Sunday, 27 September 2026, Pro (at least partly given back)\n€29.00 on Friday, 28 "
    "August 2026, Pro\n€19.00 on Friday, 24 October 2025, Pro",
    "how much have i paid this year": "Since Thursday, 1 January 2026 (Berlin time) you have paid €58.00.",
    "how much did i spend in total": "In total you have paid €77.00.",
    "what plan am i on": "You have Pro, €29.00 per month.\nYour subscription Pro is on, but a payment is overdue.",
    "how much is my subscription": "Pro: €29.00 per month.\nYou get 20% off Pro, until Monday, 28 December 2026 "
    "(Berlin time).",
    "is my subscription active": "Your subscription Pro is on, but a payment is overdue.",
    "does my plan renew": "Yes, your subscription Pro renews automatically on Saturday, 26 December 2026 (Berlin "
    "time).",
    "is my subscription cancelled": "Your subscription Pro is not cancelled. It renews on Saturday, 26 December "
    "2026 (Berlin time).",
    "when does my trial end": "You have no trial.",
    "where is my refund": "Your refund of €29.00 was issued on Friday, 9 October 2026 (Berlin time). Banks "
    "usually take one to two weeks to show it.",
    "i was charged twice": "I see no double payment. A person will check it.\nYour last payment was €29.00 on "
    "Tuesday, 27 October 2026 (Berlin time), for Pro.",
    "what is this charge of 19.00": "The payment of €19.00 on Friday, 24 October 2025 (Berlin time) was for Pro. "
    "On your statement it reads ACME PRO.",
    "which card do you have on file": "Payments are taken from your Visa card ending in 4242.",
    "when does my card expire": "Your Visa card ending in 4242 is valid until the end of 08/2027.",
    "how do i change my card": f"When you pay your open invoice here, you can enter the new card: {HOSTED}",
    "do i have a coupon": "You get 20% off Pro, until Monday, 28 December 2026 (Berlin time).",
    "what is the status of my dispute": "Your dispute about €29.00 from Wednesday, 9 September 2026 (Berlin "
    "time) is still being decided by the bank.",
    "i want to cancel my subscription": "I can't cancel from this chat. A person will look after it and get back "
    "to you.",
    "i want a refund": "I can't refund from this chat. A person will look at it and get back to you.",
    "i want to upgrade my plan": "I can't change your plan from this chat. A person will look after it and get "
    "back to you.",
    "what email is on my account": "Invoices go to a…@e….com; the address on file is in Berlin, DE.",
}


class Desk:
    def __init__(self, database: Database, scope: Scope) -> None:
        self.database, self.scope = database, scope
        self.read: list[tuple[Need, ...]] = []

    async def ask(self, question: str, *, level: Any = 2, fresh: bool = True, **more: Any) -> Reply:
        portal, ages = more.pop("portal", None), more.pop("ages", {})
        asker = Asker(self.scope, "cus_1", "Europe/Berlin", "DE", fresh, level, portal, ages)

        async def freshen(customer: str, needs: Any) -> None:
            assert customer == "cus_1"
            self.read.append(tuple(needs))

        return await run.reply(self.database, asker, question, NOW, freshen, 5.0, **more)


@pytest.fixture
async def desk(database: Database, scope: Scope) -> Desk:
    for kind, rows in WORLD.items():
        await stored(database, scope, kind, rows)
    return Desk(database, scope)


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


async def test_every_intent_is_answered_from_the_customers_objects(desk: Desk) -> None:
    said = {question: plain((await desk.ask(question)).answer.text) for question in SAID}
    assert said == SAID


async def test_every_intent_in_every_language_says_only_what_is_known(desk: Desk) -> None:
    questions = {(await desk.ask(each)).answer.intent: each for each in SAID}
    assert {*questions, "next_payment_date", "next_payment_amount"} == set(INTENTS)
    for language in LANGUAGES:
        for intent, question in questions.items():
            found = await desk.ask(question, language=language)
            asked = Question(intent, found.reading.questions[0].slots if found.reading else {})
            ledger, _ = await run.known(desk.database, asker_of(desk), asked, NOW, nothing, 1.0)
            answer = run.composed(ledger, asked, language, 2).answer
            assert answer.language == language
            assert ungrounded(answer) == [], (language, intent, answer.text)


def asker_of(desk: Desk) -> Asker:
    return Asker(desk.scope, "cus_1", "Europe/Berlin", "DE", fresh=True)


async def nothing(customer: str, needs: object) -> None:
    del customer, needs


async def test_below_the_level_nothing_is_said_and_no_link_is_shown(desk: Desk) -> None:
    for question in SAID:
        found = await desk.ask(question, level=1)
        intent = found.reading.questions[0].intent if found.reading else ""
        assert "http" not in found.answer.text or intent == "update_card", question
        if LEVELS.get(intent) == 2:
            assert (found.answered, found.level, found.answer.facts) == (False, 2, ())
            assert not re.search(r"\d", found.answer.text)
        else:
            assert found.answered


async def test_what_only_a_person_can_do_is_handed_to_one(desk: Desk) -> None:
    for question in ("i want to cancel my subscription", "i want a refund", "upgrade my plan", "i was charged twice"):
        found = await desk.ask(question)
        assert found.handoff is not None
        assert "cus_1" in found.handoff.summary
    linked = await desk.ask("i want to cancel my subscription", portal="https://billing.example/p")
    assert linked.answer.text.endswith("https://billing.example/p")


async def test_the_one_before(desk: Desk) -> None:
    told, before = "ch_4", Asked("last_payment", {}, ("ch_4",))
    first = await desk.ask("when was my last payment")
    assert told in {source for item in first.answer.items for source in item.sources}
    second = await desk.ask("and the one before?", previous=before)
    assert plain(second.answer.text).startswith("The payment before that was €29.00 on Sunday, 27 September 2026")
    third = await desk.ask("and before that?", previous=Asked("last_payment", {}, ("ch_3",)))
    assert plain(third.answer.text).startswith("The payment before that was €29.00 on Friday, 28 August 2026")


async def test_two_questions_are_one_answer(desk: Desk) -> None:
    found = await desk.ask("What plan am I on? Which card do you have on file?")
    assert plain(found.answer.text).splitlines()[-1] == SAID["which card do you have on file"]
    half = await desk.ask("What plan am I on? Which card do you have on file?", level=1)
    assert half.level == 2
    assert "4242" not in half.answer.text
    assert "Pro" in half.answer.text


async def test_what_is_behind_is_read_first_and_no_more(desk: Desk) -> None:
    await desk.ask("when was my last payment", fresh=False)
    await desk.ask("when was my last payment", fresh=False, ages={"charges": 200})
    await desk.ask("when was my last payment", fresh=False, ages={"charges": 400})
    await desk.ask("hello", fresh=False)
    assert desk.read == [(Need("charges", "cus_1"),), (Need("charges", "cus_1"),)]


async def test_what_is_not_understood(desk: Desk) -> None:
    unclear = await desk.ask("the payment thing")
    assert not unclear.answered
    assert 0 < len(unclear.choices) <= 3
    assert all(len(each.title) <= 20 for each in unclear.choices)
    assert (await desk.ask("the payment thing", failures=1)).handoff is not None
    assert (await desk.ask("tell me a joke")).choices == ()
    person = await desk.ask("quiero hablar con una persona")
    assert person.handoff is not None
    assert person.answer.language == "es"


async def test_nobody_known_is_told_nothing(desk: Desk) -> None:
    asker = Asker(desk.scope, "cus_2", "Europe/Berlin", "DE", fresh=True)
    found = await run.reply(desk.database, asker, "what plan am i on", NOW, nothing, 1.0)
    assert not found.answered
    assert found.answer.facts == ()


def test_what_an_answer_needs_is_named_for_each_intent() -> None:
    for intent in INTENTS:
        assert run.needs_of(intent, "cus_1") or intent in {"next_payment_date", "next_payment_amount", "trial_end"}
    assert set(KINDS) <= set(INTENTS)


@given(
    st.sampled_from(["this_month", "last_month", "this_year", "last_year", "2024", "02", "12"]),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Pacific/Kiritimati", "UTC"]),
    st.integers(1_700_000_000, 2_000_000_000),
)
def test_periods_begin_and_end_with_a_day(named: str, zone: str, now: int) -> None:
    period = period_of(named, zone, now)
    assert period.since is not None
    assert period.since <= now or named == "2024"
    for edge in (period.since, period.until):
        if edge is not None:
            first = local(edge, zone)
            assert (first.day, first.hour, first.minute) == (1, 0, 0)
            assert named in {"this_month", "last_month", "02", "12"} or first.month == 1
