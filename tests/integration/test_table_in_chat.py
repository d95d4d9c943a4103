"""Every row of the table of the next payment, asked in five languages: the question as a customer types it, through
understanding, PostgreSQL and wording, to the day and the cent.

What is expected is written by hand or put together here, not by what the answers are made with.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from bridged.conversation import run
from bridged.conversation.answers import Facts, Preview, Seen
from bridged.conversation.run import Asker, Reply
from bridged.core.db import Database
from bridged.core.types import Held
from bridged.mirror import store as mirror
from bridged.mirror.kinds import INVOICE_PREVIEWS
from bridged.mirror.store import Scope
from peopled import given_to
from playing import plain
from served import stored
from unit import billing
from unit.billing import DAY, END, HOUR, NOW
from unit.grounding import ungrounded

QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "en": ("when is my next payment due?", "how much is my next payment"),
    "es": ("¿cuándo es mi próximo pago?", "¿cuánto es mi próximo pago?"),
    "pt": ("quando é o meu próximo pagamento?", "qual o valor do meu próximo pagamento?"),
    "de": ("Wann ist meine nächste Zahlung fällig?", "Wie hoch ist meine nächste Zahlung?"),
    "fr": ("quand est mon prochain paiement ?", "combien est mon prochain paiement ?"),
}
_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
}


@dataclass(frozen=True)
class Row:
    """What is in the mirror, and of the answer: its rows, the days of 2026 and the amounts that are told."""

    facts: Facts
    kinds: tuple[str, ...]
    days: tuple[tuple[int, ...], ...] = ()
    amounts: tuple[str, ...] = ()


def one(*subscriptions: Seen, **changes: Any) -> Facts:
    return billing.facts(*(subscriptions or (billing.subscription(),)), **changes)


def none(**changes: Any) -> Facts:
    return billing.facts(**changes)


def failed(**changes: Any) -> Seen:
    return billing.invoice(attempt_count=1, attempted=True, **changes)


def trial(behavior: str | None = None, **changes: Any) -> Facts:
    ends = {"missing_payment_method": behavior, "billing_cycle_anchor": None}
    trialing = billing.subscription(
        billing.item(END), status="trialing", trial_end=END, trial_settings={"end_behavior": ends}, **changes
    )
    unset = billing.customer(invoice_settings={"default_payment_method": None})
    return one(trialing, **({"customer": unset} if behavior else {}))


def priced(currency: str, minor: int, quantity: int = 1, **changes: Any) -> Facts:
    price = billing.price(currency=currency, unit_amount=minor)
    sold = billing.subscription(billing.item(END, price=price, quantity=quantity), currency=currency)
    return one(sold, previews={"sub_1": billing.preview(minor * quantity, currency)}, **changes)


def living_in(country: str) -> Seen:
    return billing.customer(address={"country": country})


LATE = END + 15 * HOUR  # midnight in Berlin, 08:00 of 2 December in Tokyo, 15:00 of the 1st in Los Angeles
FIRST, SECOND = (1, 12), (2, 12)
_PHASE: dict[str, Any] = {"start_date": NOW - DAY, "end_date": END, "items": []}

TABLE: Mapping[str, Row] = {
    "open, sent, due": Row(
        none(invoices=(billing.invoice(collection_method="send_invoice", due_date=END),)), ("invoice_due",), (FIRST,),
        ("29.00",)),
    "open, sent, overdue": Row(
        none(invoices=(billing.invoice(collection_method="send_invoice", due_date=NOW - 8 * DAY),)),
        ("invoice_overdue",), ((10, 11),), ("29.00",)),
    "open, partly paid": Row(
        none(invoices=(billing.invoice(collection_method="send_invoice", due_date=END, amount_remaining=1234),)),
        ("invoice_due",), (FIRST,), ("12.34",)),
    "open, tried again": Row(
        none(invoices=(failed(next_payment_attempt=END),)), ("invoice_retry",), (FIRST,), ("29.00",)),
    "open, not tried again": Row(none(invoices=(failed(created=NOW - 9 * DAY),)), ("invoice_unpaid",), (), ("29.00",)),
    "open, a bank debit under way": Row(
        none(invoices=(failed(),), invoice_payments=(billing.invoice_payment(),),
             payment_intents=(billing.intent("processing"),)), ("invoice_processing",), (), ("29.00",)),
    "open, waiting for confirmation": Row(
        none(invoices=(failed(),), invoice_payments=(billing.invoice_payment(),),
             payment_intents=(billing.intent("requires_action"),)), ("invoice_action",), (), ("29.00",)),
    "a draft of a plan": Row(
        one(billing.subscription(billing.item(END + 30 * DAY)), invoices=(billing.invoice(
            status="draft", parent=billing.of_subscription(), automatically_finalizes_at=NOW + 12 * DAY),)),
        ("draft_charge", "renewal"), ((30, 11), (31, 12)), ("29.00",)),
    "active": Row(one(), ("renewal",), (FIRST,), ("29.00",)),
    "active, sent": Row(
        one(billing.subscription(collection_method="send_invoice", days_until_due=14)), ("renewal_invoice",),
        (FIRST, (15, 12)), ("29.00",)),
    "active, nothing to pay": Row(one(previews={"sub_1": billing.preview(0)}), ("renewal_zero",), (FIRST,)),
    "active, no preview": Row(one(previews={}), ("renewal",), (FIRST,), ("29.00",)),
    "trialing": Row(trial(), ("trial",), (FIRST,), ("29.00",)),
    "trialing, no card, ends": Row(trial("cancel"), ("trial_no_method_cancel",), (FIRST,)),
    "trialing, no card, pauses": Row(trial("pause"), ("trial_no_method_pause",), (FIRST,)),
    "trialing, no card, invoice": Row(trial("create_invoice"), ("trial_no_method_invoice",), (FIRST,), ("29.00",)),
    "cancelled at the end of the period": Row(
        one(billing.subscription(cancel_at_period_end=True), previews={}), ("ends",), (FIRST,)),
    "cancelled later": Row(one(billing.subscription(cancel_at=END + 90 * DAY)), ("renewal",), (FIRST,), ("29.00",)),
    "collection paused": Row(
        one(billing.subscription(pause_collection={"behavior": "void", "resumes_at": END + 5 * DAY})),
        ("paused_until",), ((6, 12),)),
    "collection paused, drafts kept": Row(
        one(billing.subscription(pause_collection={"behavior": "keep_as_draft", "resumes_at": None})),
        ("paused_drafts",)),
    "paused": Row(one(billing.subscription(status="paused")), ("subscription_paused",)),
    "past due": Row(
        one(billing.subscription(status="past_due"), invoices=(
            failed(next_payment_attempt=NOW + 3 * DAY, parent=billing.of_subscription()),)),
        ("invoice_retry", "renewal"), ((21, 11), FIRST), ("29.00",)),
    "unpaid": Row(one(billing.subscription(status="unpaid"), previews={}), ("subscription_unpaid",)),
    "incomplete": Row(
        one(billing.subscription(status="incomplete"), previews={}, invoices=(
            billing.invoice(created=NOW - HOUR, parent=billing.of_subscription()),)),
        ("incomplete",), ((19, 11),), ("29.00",)),
    "ended": Row(
        one(billing.subscription(status="canceled", ended_at=NOW - 30 * DAY), previews={}), ("subscription_ended",),
        ((19, 10),)),
    "ended, with an open invoice": Row(
        one(billing.subscription(status="canceled", ended_at=NOW - 30 * DAY), previews={},
            invoices=(failed(created=NOW - 30 * DAY),)), ("invoice_unpaid",), (), ("29.00",)),
    "a schedule that starts": Row(
        none(schedules=(billing.schedule({"start_date": END, "end_date": END + 30 * DAY, "items": [
            {"price": "price_1", "quantity": 2}]}, status="not_started", subscription=None),),
            previews={"sub_sched_1": billing.preview()}), ("schedule",), (FIRST,), ("29.00",)),
    "a schedule that ends the plan": Row(
        one(billing.subscription(schedule="sub_sched_1"), previews={},
            schedules=(billing.schedule(_PHASE, end_behavior="cancel"),)), ("ends",), (FIRST,)),
    "a change that waits": Row(
        one(billing.subscription(pending_update={"expires_at": NOW + 2 * DAY})), ("pending_update", "renewal"),
        ((20, 11), FIRST), ("29.00",)),
    "single items before": Row(
        one(billing.subscription(next_pending_invoice_item_invoice=NOW + 5 * DAY)), ("extra_invoice", "renewal"),
        ((23, 11), FIRST), ("29.00",)),
    "a payment without an invoice": Row(
        none(payment_intents=(billing.intent("requires_payment_method"),)), ("intent_waiting",), (), ("29.00",)),
    "two plans": Row(
        one(billing.subscription(), billing.subscription(billing.item(END - 5 * DAY, id="si_2"), id="sub_2"),
            previews={"sub_1": billing.preview(), "sub_2": billing.preview(1099)}),
        ("renewal", "renewal"), ((26, 11), FIRST), ("10.99", "29.00")),
    "nothing": Row(none(), ("nothing_due",)),
    "yen": Row(priced("jpy", 320), ("renewal",), (FIRST,), ("320",)),
    "won, two of them": Row(priced("krw", 280, 2), ("renewal",), (FIRST,), ("560",)),
    "dinar, in thousandths": Row(priced("kwd", 6_250), ("renewal",), (FIRST,), ("6.250",)),
    "krona, sent with two zeros": Row(priced("isk", 73_000), ("renewal",), (FIRST,), ("730",)),
    "a day later in Tokyo": Row(
        one(billing.subscription(billing.item(LATE)), customer=living_in("JP")), ("renewal",), (SECOND,), ("29.00",)),
    "midnight in Berlin": Row(one(billing.subscription(billing.item(LATE))), ("renewal",), (SECOND,), ("29.00",)),
    "the day before in the merchant's zone": Row(
        one(billing.subscription(billing.item(LATE)), customer=living_in("US")), ("renewal",), (FIRST,), ("29.00",)),
}  # fmt: skip


class Chat:
    """A customer for each row of the table; the merchant sits in Los Angeles."""

    def __init__(self, database: Database, scope: Scope) -> None:
        self.database, self.scope = database, scope
        self.customers = {name: f"cus_{number}" for number, name in enumerate(TABLE)}

    async def ask(self, customer: str, question: str) -> Reply:
        asker = Asker(self.scope, customer, "America/Los_Angeles", "US", fresh=True)

        async def freshen(customer: str, needs: object) -> None:
            del customer, needs

        return await run.reply(self.database, asker, question, NOW, freshen, 5.0)


@pytest.fixture
async def chat(database: Database, scope: Scope) -> Chat:
    found = Chat(database, scope)
    for name, customer in found.customers.items():
        given = TABLE[name].facts
        kept = {
            "customers": (given.customer,), "subscriptions": given.subscriptions, "invoices": given.invoices,
            "payment_intents": given.payment_intents, "invoice_payments": given.invoice_payments,
            "subscription_schedules": given.schedules,
        }  # fmt: skip
        for kind, seen in kept.items():
            await stored(database, scope, kind, [given_to(customer, each.data) for each in seen if each], NOW - 1)
        async with database.transaction(scope.workspace_id) as conn:
            for owner, known in given.previews.items():
                assert isinstance(known, Preview)
                data = given_to(customer, {"object": "invoice", "customer": billing.CUSTOMER, **known.invoice})
                at, now = Held(NOW - 2, NOW - 1), datetime.fromtimestamp(NOW, UTC)
                await mirror.put(conn, INVOICE_PREVIEWS, scope, data, at, now, row_id=f"{owner}{customer}")
    return found


def written_day(language: str, day: int, month: int) -> str:
    """A day as people write it."""
    name = _MONTHS[language].split()[month - 1]
    return {
        "en": f"{day} {name} 2026", "es": f"{day} de {name} de 2026", "pt": f"{day} de {name} de 2026",
        "de": f"{day}. {name} 2026", "fr": f"{day}{'er' if day == 1 else ''} {name} 2026",
    }[language]  # fmt: skip


async def test_every_row_in_every_language(chat: Chat) -> None:
    wrong: list[Any] = []
    for name, row in TABLE.items():
        for language, questions in QUESTIONS.items():
            for question in questions:
                reply = await chat.ask(chat.customers[name], question)
                wrong += [(name, question, plain(reply.answer.text), fault) for fault in faults(row, language, reply)]
    assert wrong == []


def faults(row: Row, language: str, reply: Reply) -> list[Any]:
    """What is not as the table has it."""
    answer, said = reply.answer, plain(reply.answer.text)
    found: list[Any] = list(ungrounded(answer))
    if answer.language != language or not reply.answered:
        found.append(answer.language)
    if tuple(each.kind for each in answer.items) != row.kinds:
        found.append([each.kind for each in answer.items])
    days = [written_day(language, *each) for each in row.days]
    amounts = [each if language == "en" else each.replace(".", ",") for each in row.amounts]
    return found + [each for each in (*days, *amounts) if each not in said]


async def test_whoever_is_not_known_is_asked_who_they_are(chat: Chat) -> None:
    said = {(await chat.ask("cus_unknown", questions[0])).answer.text for questions in QUESTIONS.values()}
    assert len(said) == len(QUESTIONS)
    assert all(not any(char.isdigit() for char in text) for text in said)
