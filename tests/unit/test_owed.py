"""What is owed now, row by row: open invoices, drafts on their way, payments without an invoice."""

from dataclasses import replace
from typing import Any

import pytest

from bridged.conversation.answers import needs, next_payment
from unit.billing import (
    DAY,
    END,
    HOUR,
    NOW,
    Need,
    facts,
    intent,
    invoice,
    invoice_payment,
    of_subscription,
    subscription,
)
from unit.grounding import ON_END, PAY, kinds, said, ungrounded

# --- open invoices ---


def test_a_sent_invoice_is_due() -> None:
    due = invoice(collection_method="send_invoice", due_date=END)
    given = facts(invoices=(due,))
    assert said(given) == f"Your open invoice is due {ON_END}: €29.00.{PAY}"


def test_a_sent_invoice_is_overdue() -> None:
    due = invoice(collection_method="send_invoice", due_date=NOW - 10 * DAY, amount_remaining=1000)
    assert said(facts(invoices=(due,))) == (
        f"Your invoice has been overdue since Sunday, 8 November 2026 (Berlin time): €10.00.{PAY}"
    )


def test_a_sent_invoice_without_a_date() -> None:
    assert kinds(facts(invoices=(invoice(collection_method="send_invoice"),))) == ["invoice_undated"]


def test_a_failed_payment_is_tried_again() -> None:
    failed = invoice(next_payment_attempt=END, attempt_count=2, attempted=True)
    assert said(facts(invoices=(failed,))) == (
        f"A payment of €29.00 did not go through. It will be tried again automatically {ON_END}; "
        f"please make sure that your payment method works by then.{PAY}"
    )


def test_a_first_attempt_is_pending() -> None:
    pending = invoice(next_payment_attempt=END)
    assert said(facts(invoices=(pending,))) == f"Your open invoice will be charged automatically {ON_END}: €29.00.{PAY}"


def test_an_attempt_whose_time_has_come() -> None:
    assert kinds(facts(invoices=(invoice(next_payment_attempt=NOW - 60),))) == ["invoice_attempt_now"]


def test_no_further_attempt_means_the_customer_must_act() -> None:
    given = facts(invoices=(invoice(attempt_count=4, attempted=True),))
    assert said(given) == (
        f"Your invoice of €29.00 is open and will not be charged automatically, so please pay it yourself.{PAY}"
    )


def test_a_new_invoice_not_yet_attempted_is_not_called_unpaid() -> None:
    assert kinds(facts(invoices=(invoice(created=NOW - 600),))) == ["invoice_charging"]
    assert kinds(facts(invoices=(invoice(created=NOW - 3 * DAY),))) == ["invoice_unpaid"]


@pytest.mark.parametrize(
    ("status", "kind", "linked"),
    [
        ("processing", "invoice_processing", False),
        ("requires_action", "invoice_action", True),
        ("requires_payment_method", "invoice_unpaid", True),
        ("canceled", "invoice_unpaid", True),
        ("brand_new_status", "unknown", False),
    ],
)
def test_the_default_payment_says_more(status: str, kind: str, linked: bool) -> None:
    given = facts(
        invoices=(invoice(attempt_count=1),),
        invoice_payments=(invoice_payment(),),
        payment_intents=(intent(status),),
    )
    (only,) = next_payment(given).items
    assert (only.kind, only.url is not None) == (kind, linked)
    assert ungrounded(next_payment(given)) == []


def test_an_old_invoice_names_its_payment_itself() -> None:
    given = facts(invoices=(invoice(payment_intent="pi_1"),), payment_intents=(intent("processing", invoice="in_1"),))
    assert kinds(given) == ["invoice_processing"]
    assert needs(given) == ()


def test_a_received_payment_is_being_booked() -> None:
    paid = intent("succeeded", amount_received=2900)
    given = facts(invoices=(invoice(payment_intent="pi_1"),), payment_intents=(paid,))
    assert kinds(given) == ["invoice_settling"]


def test_paid_and_void_invoices_are_nothing() -> None:
    closed = [invoice(id=f"in_{status}", status=status) for status in ("paid", "void", "uncollectible")]
    settled = invoice(id="in_zero", amount_remaining=0)
    assert kinds(facts(invoices=(*closed, settled))) == ["nothing_due"]


# --- drafts ---


def test_a_draft_means_the_renewal_is_under_way() -> None:
    draft = invoice(status="draft", automatically_finalizes_at=NOW + HOUR, parent=of_subscription())
    given = facts(subscription(), invoices=(draft,))
    assert kinds(given) == ["draft_charge", "renewal"]
    assert said(given).splitlines()[0] == (
        "R-0007: Your next payment is being prepared and will be charged automatically on Wednesday, 18 November 2026 "
        "at 13:06 (Berlin time): about €29.00. The amount may still change."
    )


def test_a_draft_without_a_time_is_finalised_an_hour_after_creation() -> None:
    draft = invoice(status="draft", created=NOW - 600, subscription="sub_1")
    first = next_payment(facts(subscription(), invoices=(draft,))).items[0]
    assert (first.kind, first.when) == ("draft_charge", NOW - 600 + HOUR)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"created": NOW - DAY}, "draft_charge_soon"),
        ({"collection_method": "send_invoice", "automatically_finalizes_at": END}, "draft_invoice"),
        ({"collection_method": "send_invoice"}, "draft_invoice_soon"),
        ({"amount_remaining": 0}, "draft_zero"),
        ({"auto_advance": False}, "draft_held"),
        ({"collection_method": "barter"}, "unknown"),
    ],
)
def test_other_drafts(changes: dict[str, Any], kind: str) -> None:
    draft = invoice(status="draft", parent=of_subscription(), **changes)
    assert kind in kinds(facts(subscription(), invoices=(draft,)))


def test_a_merchants_private_draft_is_not_shown() -> None:
    assert kinds(facts(invoices=(invoice(status="draft", auto_advance=False),))) == ["nothing_due"]
    ended = subscription(status="canceled", ended_at=NOW - DAY)
    draft = invoice(status="draft", parent=of_subscription())
    assert kinds(facts(ended, invoices=(draft,))) == ["subscription_ended"]


# --- payments without an invoice ---


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("requires_payment_method", ["intent_waiting"]),
        ("requires_action", ["intent_waiting"]),
        ("requires_confirmation", ["intent_waiting"]),
        ("processing", ["intent_processing"]),
        ("requires_capture", ["nothing_due"]),
        ("succeeded", ["nothing_due"]),
        ("canceled", ["nothing_due"]),
    ],
)
def test_a_payment_without_an_invoice_has_no_due_date(status: str, expected: list[str]) -> None:
    assert kinds(facts(payment_intents=(intent(status),))) == expected


def test_abandoned_checkouts_are_not_asked_for() -> None:
    assert kinds(facts(payment_intents=(intent("requires_payment_method", created=NOW - 30 * DAY),))) == ["nothing_due"]


def test_a_payment_of_an_invoice_is_not_told_twice() -> None:
    given = facts(
        invoices=(invoice(next_payment_attempt=END, attempt_count=1),),
        payment_intents=(intent("requires_payment_method"),),
    )
    assert needs(given) == (Need("invoice_payments", "in_1"),)
    assert kinds(replace(given, invoice_payments=(invoice_payment(),))) == ["invoice_retry"]
