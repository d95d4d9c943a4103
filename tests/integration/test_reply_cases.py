"""Situations that are easily answered wrongly, each a customer of its own, through the pipeline and PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from bridged.conversation import run
from bridged.conversation.facts import Need
from bridged.conversation.run import Asker, Reply
from bridged.core.db import Database
from bridged.core.errors import NotFound
from bridged.mirror.store import Scope
from peopled import CUSTOMER, given_to
from playing import plain
from served import stored
from unit.grounding import ungrounded

NOW = 1_795_868_000  # Saturday, 28 November 2026, 13:13 in Berlin
DAY = 86_400
HOSTED = "https://invoice.stripe.com/i/acct_1/live_1"
World = Mapping[str, list[dict[str, Any]]]


def sub(**more: Any) -> dict[str, Any]:
    """A monthly plan that renews in ten days."""
    return {
        "id": "sub_1", "object": "subscription", "status": "active", "created": NOW - 90 * DAY, "currency": "eur",
        "collection_method": "charge_automatically", "default_payment_method": "pm_1",
        "items": {"data": [item()]},
    } | more  # fmt: skip


def item(name: str = "1", amount: int | None = 1900, interval: str = "month", ends: int = 10, **more: Any) -> Any:
    price = {"id": f"price_{name}", "unit_amount": amount, "currency": "eur", "product": f"prod_{name}",
             "recurring": {"interval": interval, "interval_count": 1}}  # fmt: skip
    return {"id": f"si_{name}", "quantity": 1, "current_period_end": NOW + ends * DAY, "price": price} | more


def bill(**more: Any) -> dict[str, Any]:
    """An open invoice whose payment failed."""
    return {
        "id": "in_1", "object": "invoice", "status": "open", "currency": "eur", "number": "A-1", "total": 1900,
        "amount_due": 1900, "amount_paid": 0, "amount_remaining": 1900, "created": NOW - 2 * DAY, "attempt_count": 1,
        "attempted": True, "auto_advance": True, "collection_method": "charge_automatically",
        "hosted_invoice_url": HOSTED,
    } | more  # fmt: skip


def charge(name: str = "1", ago: float = 2, **more: Any) -> dict[str, Any]:
    return {
        "id": f"ch_{name}", "object": "charge", "status": "succeeded", "amount": 1900, "amount_captured": 1900,
        "amount_refunded": 0, "currency": "eur", "captured": True, "created": int(NOW - ago * DAY),
        "payment_intent": f"pi_{name}",
    } | more  # fmt: skip


def intent(status: str, name: str = "1", **more: Any) -> dict[str, Any]:
    return {"id": f"pi_{name}", "object": "payment_intent", "status": status, "amount": 1900, "currency": "eur",
            "created": NOW - 2 * DAY} | more  # fmt: skip


def paying(name: str = "1", invoice: str = "in_1", status: str = "open") -> dict[str, Any]:
    return {"id": f"inpay_{name}", "object": "invoice_payment", "invoice": invoice, "status": status,
            "is_default": True, "payment": {"type": "payment_intent", "payment_intent": f"pi_{name}"}}  # fmt: skip


def card(name: str, brand: str, last4: str) -> dict[str, Any]:
    shown = {"brand": brand, "last4": last4, "exp_month": 8, "exp_year": 2030}
    return {"id": f"pm_{name}", "object": "payment_method", "type": "card", "created": 1, "card": shown}


PROCESSING = "Your payment of €19.00 is being processed; there is nothing you need to do."
ACTION = "Your payment of €19.00 is waiting for you to confirm it with your bank."

SITUATIONS: Mapping[str, tuple[World, Mapping[str, str]]] = {
    "a bank debit under way is not to be paid again": (
        {"invoices": [bill()], "payment_intents": [intent("processing")], "invoice_payments": [paying()]},
        {
            "send me a payment link": PROCESSING,
            "when will you try my card again": PROCESSING,
            "why did my payment fail": PROCESSING,
            "how do i change my card": "I can't change it in this chat. A person will help you with that; please "
            "never send card numbers here.",
        },
    ),
    "a payment that waits for its customer": (
        {"invoices": [bill()], "payment_intents": [intent("requires_action")], "invoice_payments": [paying()]},
        {
            "when will you try my card again": ACTION,
            "why did my payment fail": ACTION,
            "send me a payment link": f"You can pay €19.00 for invoice A-1 here: {HOSTED}",
        },
    ),
    "an attempt that should have been made": (
        {"invoices": [bill(next_payment_attempt=NOW - 600)]},
        {
            "when will you try my card again": "The automatic payment of €19.00 planned for Saturday, 28 November "
            "2026 at 13:03 (Berlin time) should be under way.",
        },
    ),
    "two payments of one amount for two invoices": (
        {
            "invoices": [bill(status="paid", amount_remaining=0), bill(id="in_2", status="paid", amount_remaining=0)],
            "charges": [charge("1"), charge("2", 2.5)],
            "invoice_payments": [paying("1", "in_1", "paid"), paying("2", "in_2", "paid")],
        },
        {
            "i was charged twice": "I see no double payment. A person will check it.\nYour last payment was €19.00 "
            "on Thursday, 26 November 2026 (Berlin time), for A-1.",
        },
    ),
    "two payments of one amount, another between them": (
        {"charges": [charge("1"), charge("2", 2.2, amount_captured=500), charge("3", 2.4)]},
        {
            "i was charged twice": "I see two payments of €19.00, on Thursday, 26 November 2026 (Berlin time) and on "
            "Thursday, 26 November 2026. A person will check that.",
        },
    ),
    "a plan that renews once more before it ends": (
        {"subscriptions": [sub(cancel_at=NOW + 60 * DAY)]},
        {
            "does my plan renew": "Yes, your subscription Plan A renews on Tuesday, 8 December 2026 (Berlin time). It "
            "is set to end on Wednesday, 27 January 2027.",
            "is my subscription active": "Your subscription Plan A is active until Wednesday, 27 January 2027 (Berlin "
            "time) and will then end.",
        },
    ),
    "a schedule that ends with this period": (
        {
            "subscriptions": [sub(schedule="sub_sched_1")],
            "subscription_schedules": [
                {"id": "sub_sched_1", "object": "subscription_schedule", "status": "active", "end_behavior": "cancel",
                 "phases": [{"start_date": NOW - DAY, "end_date": NOW + 10 * DAY, "items": []}]}
            ],
        },
        {"does my plan renew": "No, your subscription Plan A ends on Tuesday, 8 December 2026 (Berlin time) and will "
                               "not renew."},
    ),
    "a plan that is not paid does not renew": (
        {"subscriptions": [sub(status="unpaid")]},
        {"is my subscription cancelled": "Your subscription Plan A is not cancelled.",
         "does my plan renew": "Your subscription Plan A is unpaid."},
    ),
    "a first payment that never came is no cancellation": (
        {"subscriptions": [sub(status="incomplete_expired", ended_at=NOW - 5 * DAY)]},
        {"is my subscription cancelled": "You have no running subscription; Plan A was the last one. It ended on "
                                         "Monday, 23 November 2026 (Berlin time)."},
    ),
    "paused collection is no paused plan": (
        {"subscriptions": [sub(pause_collection={"behavior": "void", "resumes_at": NOW + 20 * DAY})]},
        {"is my subscription active": "Your subscription Plan A is on; its payments are paused until Friday, 18 "
                                      "December 2026 (Berlin time).",
         "is my subscription cancelled": "Your subscription Plan A is not cancelled."},
    ),
    "a trial with nothing to pay with": (
        {"subscriptions": [sub(status="trialing", trial_end=NOW + 3 * DAY, default_payment_method=None, trial_settings={
            "end_behavior": {"missing_payment_method": "cancel"}})]},
        {"does my plan renew": "Your trial ends on Tuesday, 1 December 2026 (Berlin time). There is no payment method "
                               "on file, so your subscription will end then unless you add one; nothing will be "
                               "charged.",
         "is my subscription cancelled": "Your subscription Plan A is not cancelled."},
    ),
    "a trial that ends with its plan and what was used": (
        {"subscriptions": [sub(status="trialing", trial_end=NOW + 3 * DAY, cancel_at_period_end=True, items={"data": [
            item(amount=None, price={"id": "price_1", "unit_amount": None, "currency": "eur", "product": "prod_1",
                                     "recurring": {"interval": "month", "usage_type": "metered"}})]})]},
        {"when does my trial end": "Your subscription ends on Tuesday, 1 December 2026 (Berlin time) and will not "
                                   "renew. A final invoice for your usage may still come.",
         "how much is my subscription": "Plan A: the price depends on quantity or usage.",
         "what plan am i on": "You have Plan A.\nYour subscription Plan A is active until Tuesday, 1 December 2026 "
                              "(Berlin time) and will then end."},
    ),
    "items billed monthly and yearly": (
        {"subscriptions": [sub(items={"data": [item("1", quantity=3), item("2", 12000, "year", 200)]})]},
        {"how much is my subscription": "Plan A: €57.00 per month.\nPlan B: €120.00 per year.",
         "what plan am i on": "You have Plan A, quantity 3, €57.00 per month in total.\nYou have Plan B, €120.00 per "
                              "year."},
    ),
    "two plans paid with two cards": (
        {"subscriptions": [sub(), sub(id="sub_2", default_payment_method="pm_2", items={"data": [item("2")]})],
         "payment_methods": [card("1", "visa", "4242"), card("2", "amex", "0005")]},
        {"which card do you have on file": "Plan A: Payments are taken from your Visa card ending in 4242.\nPlan B: "
                                           "Payments are taken from your American Express card ending in 0005."},
    ),
    "a card that is on file and not set": (
        {"payment_methods": [card("1", "visa", "4242")]},
        {"which card do you have on file": "Your Visa card ending in 4242 is on file."},
    ),
    "a method that is set and cannot be read is not guessed": (
        {"subscriptions": [sub(default_payment_method="pm_9")], "charges": [charge(payment_method_details={
            "type": "card", "card": {"brand": "visa", "last4": "1111"}}, payment_method="pm_1")]},
        {"which card do you have on file": "Part of your billing I can't read with certainty, so I can't tell; a "
                                           "person will check it."},
    ),
    "a card of old": (
        {"customers": [{"default_source": "card_1", "sources": {"data": [
            {"id": "card_1", "object": "card", "brand": "Visa", "last4": "4242", "exp_month": 8, "exp_year": 2026}]}}]},
        {"when does my card expire": "Your Visa card ending in 4242 expired at the end of 08/2026."},
    ),
    "a discount of which only the id is known": (
        {"subscriptions": [sub(discounts=["di_1"])],
         "invoices": [bill(status="paid", amount_remaining=0, total_discount_amounts=[
             {"discount": "di_1", "amount": 475}])]},
        {"do i have a coupon": "A discount applies to Plan A. It took €4.75 off your last invoice."},
    ),
    "a discount that is over, and one of a part of a percent": (
        {"subscriptions": [sub(discounts=[
            {"id": "di_1", "end": NOW - DAY, "source": {"coupon": {"id": "c1", "percent_off": 50}}},
            {"id": "di_2", "end": None, "source": {"coupon": {"id": "c2", "percent_off": 12.5}}}])]},
        {"do i have a coupon": "You get 12.5% off Plan A.", "¿tengo algún cupón?": "Tienes un 12,5 % de descuento en "
                                                                                   "Plan A."},
    ),
    "an invoice that was paid to the merchant directly": (
        {"invoices": [bill(status="paid", amount_remaining=0, status_transitions={"paid_at": NOW - DAY})]},
        {"has my invoice been paid": "Yes, your invoice A-1 of €19.00 is paid."},
    ),
    "a payment, and an invoice that was not paid since": (
        {"charges": [charge("1", 20)], "invoices": [bill()]},
        {"did my payment go through": "Your invoice of €19.00 is open and will not be charged automatically, so please "
                                      "pay it yourself.\nYour last payment was €19.00 on Sunday, 8 November 2026 "
                                      "(Berlin time)."},
    ),
    "nothing paid, and an invoice that is open": (
        {"invoices": [bill(next_payment_attempt=NOW + 3 * DAY)]},
        {"did my payment go through": "I see no payment from you in the last month.\nA payment of €19.00 did not go "
                                      "through. It will be tried again automatically on Tuesday, 1 December 2026 "
                                      "(Berlin time); please make sure that your payment method works by then."},
    ),
    "more payments than are looked at": (
        {"charges": [charge(str(days), days, amount=100 + days, amount_captured=100 + days) for days in range(1, 90)],
         "customers": [{"address": {"country": "JP"}}]},
        {
            "total amount i paid last month": "Since Thursday, 1 October 2026 (Tokyo time), until Saturday, 31 "
            "October 2026, you have paid €44.33.",
            "show my payments of september": "Your payments, the newest first:"
            "\n€1.59 on Wednesday, 30 September 2026 (Tokyo time)\n€1.60 on "
            "Tuesday, 29 September 2026\n€1.61 on Monday, 28 September 2026\n€1.62 on Sunday, 27 September 2"
            "026\n€1.63 on Saturday, 26 September 2026\n€1.64 on Friday, 25 September 2026\n€1.65 on Thursda"
            "y, 24 September 2026\n€1.66 on Wednesday, 23 September 2026\n€1.67 on Tuesday, 22 September 202"
            "6\n€1.68 on Monday, 21 September 2026\nFurther items not listed here: 20.",
            "show my payments of march": "I see no payment from you in that period.",
            "what is this charge of 1.80": "The payment of €1.80 on Wednesday, 9 September 2026 (Tokyo time) was "
            "made to us.",
            "what is this charge of 3.33": "I see no such payment. A person will check it.",
        },
    ),
}  # fmt: skip


class Desk:
    """The situations, a customer for each."""

    def __init__(self, database: Database, scope: Scope) -> None:
        self.database, self.scope = database, scope
        self.customers = {name: f"cus_{number}" for number, name in enumerate(SITUATIONS)}

    async def ask(self, customer: str, question: str, level: Any = 2, **more: Any) -> Reply:
        asker = Asker(self.scope, customer, "Europe/Berlin", "DE", fresh=True, level=level)

        async def freshen(customer: str, needs: object) -> None:
            del customer, needs

        return await run.reply(self.database, asker, question, NOW, freshen, 5.0, **more)


@pytest.fixture
async def desk(database: Database, scope: Scope) -> Desk:
    found = Desk(database, scope)
    kept: dict[str, list[dict[str, Any]]] = {"customers": [], "products": []}
    for name, customer in found.customers.items():
        given: dict[str, Sequence[dict[str, Any]]] = {"customers": [{}], **SITUATIONS[name][0]}
        for kind, rows in given.items():
            for each in rows:
                whose = {"id": CUSTOMER, "object": "customer"} if kind == "customers" else {"customer": CUSTOMER}
                kept.setdefault(kind, []).append(given_to(customer, {**whose, **each}))
    for each in ("1", "2"):
        kept["products"].append({"id": f"prod_{each}", "object": "product", "name": f"Plan {'AB'[int(each) - 1]}"})
    for kind, rows in kept.items():
        await stored(database, scope, kind, rows)
    return found


async def test_what_is_said_in_each_situation(desk: Desk) -> None:
    wanted = {(name, question): text for name, (_, asks) in SITUATIONS.items() for question, text in asks.items()}
    found: dict[tuple[str, str], str] = {}
    loose: list[str] = []
    for name, question in wanted:
        answer = (await desk.ask(desk.customers[name], question)).answer
        found[name, question] = plain(answer.text)
        loose += ungrounded(answer)
    assert found == wanted
    assert loose == []


async def test_no_page_of_an_invoice_is_named_below_its_level(desk: Desk) -> None:
    for name, customer in desk.customers.items():
        for question in SITUATIONS[name][1]:
            reply = await desk.ask(customer, question, level=1)
            assert "http" not in reply.answer.text, (name, question)
            assert not any("http" in str(fact.value) for fact in reply.answer.facts), (name, question)


async def test_what_was_never_read_is_not_said_to_be_nothing(desk: Desk) -> None:
    async def refused(customer: str, needs: object) -> None:
        raise NotFound(f"{customer} is not there, nor {needs}.", hint="Read it first.")

    customer, known = desk.customers["more payments than are looked at"], {"charges": 7 * 86_400}
    said: list[tuple[str, str | None]] = []
    for ages in ({}, known):
        asker = Asker(desk.scope, customer, "Europe/Berlin", "DE", fresh=False, ages=ages)
        reply = await run.reply(desk.database, asker, "when was my last payment", NOW, refused, 5.0)
        assert reply.trouble is not None
        said.append((plain(reply.answer.text).split(" on ")[0], reply.handoff.kind if reply.handoff else None))
    asker = Asker(desk.scope, customer, "Europe/Berlin", "DE", fresh=False)
    asked = await run.reply(desk.database, asker, "i want a refund", NOW, refused, 5.0)
    assert asked.answer.text == "I can't refund from this chat. A person will look at it and get back to you."
    assert said == [
        ("I can't look that up at the moment; a person will check it.", "unread"),
        ("Your last payment was €1.01", None),
    ]


async def test_methods_are_read_where_one_that_is_charged_is_not_known(desk: Desk) -> None:
    read: list[object] = []
    customer = desk.customers["a method that is set and cannot be read is not guessed"]
    asker = Asker(desk.scope, customer, "Europe/Berlin", "DE", fresh=True)

    async def freshen(customer: str, needs: object) -> None:
        read.append(needs)
        found = given_to(customer, card("9", "visa", "9999") | {"customer": CUSTOMER})
        await stored(desk.database, desk.scope, "payment_methods", [found], NOW - 10)

    for _ in range(2):
        reply = await run.reply(desk.database, asker, "which card do you have on file", NOW, freshen, 5.0)
        assert plain(reply.answer.text) == "Payments are taken from your Visa card ending in 9999."
    assert read == [(Need("payment_methods", customer),)]
