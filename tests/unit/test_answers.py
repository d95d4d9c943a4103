"""The decision table, row by row: what is answered, in which order, and what must be read first."""

from dataclasses import replace
from typing import Any

import pytest

from bridged.conversation.answers import Refused, needs, next_payment, refusal
from unit.billing import (
    DAY,
    END,
    HOUR,
    NOW,
    Facts,
    Need,
    NoUpcoming,
    Preview,
    Seen,
    customer,
    facts,
    intent,
    invoice,
    invoice_payment,
    item,
    of_subscription,
    preview,
    price,
    schedule,
    subscription,
)
from unit.grounding import ON_END, PAY, kinds, said, ungrounded


def test_active_renews_at_the_period_end_with_the_previewed_amount() -> None:
    answer = next_payment(facts(subscription()))
    assert answer.text == f"Your next payment is due {ON_END}: €29.00. It will be charged automatically."
    (only,) = answer.items
    assert (only.kind, only.when, only.certainty, only.sources) == ("renewal", END, "exact", ("sub_1",))
    assert (answer.zone, answer.locale, answer.as_of, answer.handoff) == ("Europe/Berlin", "en_GB", NOW, False)
    assert {(fact.object_id, fact.field, fact.value) for fact in answer.facts} == {
        ("sub_1", "status", "active"),
        ("sub_1", "current_period_end", END),
        ("sub_1", "preview.amount_due", 2900),
        ("sub_1", "preview.currency", "eur"),
    }


def test_old_shapes_give_the_same_answer() -> None:
    old = subscription(item(current_period_end=None, current_period_start=None), current_period_end=END)
    assert said(facts(old)) == said(facts(subscription()))


def test_several_periods_renew_at_the_earliest() -> None:
    given = facts(subscription(item(END + 40 * DAY), item(END, id="si_2")))
    assert next_payment(given).items[0].when == END


def test_the_time_is_told_near_midnight_because_the_charge_comes_after() -> None:
    late = 1_796_164_200  # 23:30 in Berlin
    given = facts(subscription(item(late)))
    assert said(given).startswith(
        "Your next payment is due on Tuesday, 1 December 2026 at 23:30 (Berlin time): €29.00."
    )


def test_nothing_to_pay_at_the_renewal() -> None:
    given = facts(subscription(), previews={"sub_1": preview(0)})
    assert said(given) == f"Your next renewal is {ON_END}; there is nothing to pay then."


def test_invoice_upcoming_none_is_an_answer() -> None:
    given = facts(subscription(), previews={"sub_1": NoUpcoming(NOW)})
    assert said(given) == "No further payment is planned for your subscription."
    assert needs(given) == ()


def test_send_invoice_names_issue_and_due_date() -> None:
    given = facts(subscription(collection_method="send_invoice", days_until_due=14))
    assert said(given) == (
        f"Your next invoice will be issued {ON_END} and is due on Tuesday, 15 December 2026: €29.00."
    )
    assert kinds(facts(subscription(collection_method="send_invoice"))) == ["renewal_invoice_undated"]


# --- the amount without a preview ---


def test_a_refused_preview_leaves_an_estimate() -> None:
    answer = next_payment(facts(subscription(), previews={"sub_1": Refused("permission")}))
    assert answer.text == f"Your next payment is due {ON_END}: about €29.00. It will be charged automatically."
    assert answer.items[0].certainty == "estimate"
    assert ungrounded(answer) == []


@pytest.mark.parametrize(
    "unsure",
    [
        subscription(item(price=price(billing_scheme="tiered", unit_amount=None))),
        subscription(item(price=price(recurring={"usage_type": "metered"}))),
        subscription(item(price=price(transform_quantity={"divide_by": 5, "round": "up"}))),
        subscription(item(price=price(unit_amount=None, unit_amount_decimal="0.5"))),
        subscription(item(discounts=["di_1"])),
        subscription(discounts=["di_1"]),
        subscription(discount={"id": "di_1"}),
        subscription(automatic_tax={"enabled": True}),
        subscription(default_tax_rates=[{"id": "txr_1"}]),
        subscription(item(tax_rates=[{"id": "txr_1"}])),
        subscription(item(billed_until=END + DAY)),
        subscription(item(), item(id="si_2", price=price(currency="usd"))),
        subscription(schedule="sub_sched_9"),
        subscription(items={"data": [item()], "has_more": True}),
    ],
)
def test_where_price_times_quantity_would_be_wrong_only_the_date_is_told(unsure: Seen) -> None:
    given = facts(unsure, previews={"sub_1": Refused("error")})
    assert said(given) == (
        f"Your next payment is due {ON_END}. It will be charged automatically. I can't say the exact amount yet."
    )
    assert next_payment(given).items[0].certainty == "unknown"


def test_a_balance_makes_the_estimate_unsure() -> None:
    given = facts(subscription(), previews={}, customer=customer(balance=-500))
    assert next_payment(given).items[0].money is None


def test_only_the_items_of_the_first_period_are_estimated() -> None:
    given = facts(subscription(item(), item(END + 40 * DAY, id="si_2")), previews={})
    assert "about €29.00" in said(given)


def test_a_preview_made_before_the_running_period_is_not_used() -> None:
    seen = subscription(item(current_period_start=NOW - DAY))
    given = facts(seen, previews={"sub_1": Preview({"amount_due": 100, "currency": "eur"}, NOW - 2 * DAY)})
    assert Need("preview", "sub_1") in needs(given)
    assert "about €29.00" in said(given)


# --- trials ---


def trial(**changes: Any) -> Seen:
    return subscription(status="trialing", trial_end=END, **changes)


def test_the_first_payment_comes_when_the_trial_ends() -> None:
    assert said(facts(trial())) == (
        f"Your trial ends {ON_END} and your first payment is due then: €29.00. It will be charged automatically."
    )
    assert kinds(facts(trial(), previews={"sub_1": preview(0)})) == ["trial_zero"]


def test_a_trial_billed_by_invoice() -> None:
    given = facts(trial(collection_method="send_invoice", days_until_due=7))
    assert said(given) == (
        f"Your trial ends {ON_END}; your first invoice will be issued then "
        "and is due on Tuesday, 8 December 2026: €29.00."
    )


def test_a_trial_set_to_cancel_charges_nothing() -> None:
    given = facts(trial(cancel_at_period_end=True), previews={"sub_1": NoUpcoming(NOW)})
    assert said(given) == f"Your trial ends {ON_END}, and your subscription with it; nothing will be charged."


@pytest.mark.parametrize(
    ("behavior", "kind"),
    [
        ("cancel", "trial_no_method_cancel"),
        ("pause", "trial_no_method_pause"),
        ("create_invoice", "trial_no_method_invoice"),
        (None, "trial_no_method_invoice"),
        ("sing", "unknown"),
    ],
)
def test_a_trial_without_a_payment_method(behavior: str | None, kind: str) -> None:
    settings = {"end_behavior": {"missing_payment_method": behavior}}
    without = customer(invoice_settings={"default_payment_method": None})
    assert kinds(facts(trial(trial_settings=settings), customer=without)) == [kind]
    own = trial(trial_settings=settings, default_payment_method="pm_2")
    assert kinds(facts(own, customer=without)) == ["trial"]
    source = customer(invoice_settings={}, default_source="card_1")
    assert kinds(facts(trial(trial_settings=settings), customer=source)) == ["trial"]


# --- ends ---


@pytest.mark.parametrize("changes", [{"cancel_at_period_end": True}, {"cancel_at": END}])
def test_a_cancelled_subscription_does_not_renew(changes: dict[str, Any]) -> None:
    given = facts(subscription(**changes), previews={"sub_1": NoUpcoming(NOW)})
    assert said(given) == f"Your subscription ends {ON_END} and will not renew, so no further payment is planned."


def test_a_cancellation_within_the_period_counts_from_its_own_date() -> None:
    given = facts(subscription(cancel_at=END - 5 * DAY), previews={"sub_1": NoUpcoming(NOW)})
    assert (kinds(given), next_payment(given).items[0].when) == (["ends"], END - 5 * DAY)


def test_usage_and_open_items_may_still_be_billed() -> None:
    metered = subscription(item(price=price(recurring={"usage_type": "metered"})), cancel_at_period_end=True)
    assert kinds(facts(metered, previews={"sub_1": Refused("error")})) == ["ends_usage"]
    assert "A final invoice is expected then: €7.00." in said(facts(metered, previews={"sub_1": preview(700)}))


def test_a_later_cancellation_changes_nothing_yet() -> None:
    assert kinds(facts(subscription(cancel_at=END + DAY))) == ["renewal"]


@pytest.mark.parametrize("status", ["canceled", "incomplete_expired"])
def test_ended_subscriptions_leave_open_invoices_standing(status: str) -> None:
    over = subscription(status=status, ended_at=NOW - 10 * DAY)
    assert said(facts(over)) == (
        "Your subscription ended on Sunday, 8 November 2026 (Berlin time). "
        "You have no open invoice and no upcoming payment."
    )
    assert kinds(facts(over, invoices=(invoice(attempt_count=1, parent=of_subscription()),))) == ["invoice_unpaid"]


# --- pauses ---


@pytest.mark.parametrize(
    ("behavior", "kind"),
    [("void", "paused"), ("mark_uncollectible", "paused"), ("keep_as_draft", "paused_drafts"), ("hum", "unknown")],
)
def test_paused_collection(behavior: str, kind: str) -> None:
    open_ended = subscription(pause_collection={"behavior": behavior, "resumes_at": None})
    assert kinds(facts(open_ended)) == [kind]
    until = subscription(pause_collection={"behavior": behavior, "resumes_at": END + 5 * DAY})
    assert kinds(facts(until)) == [kind if kind == "unknown" else f"{kind}_until"]


def test_collection_that_resumes_before_the_renewal_is_a_normal_renewal() -> None:
    assert kinds(facts(subscription(pause_collection={"behavior": "void", "resumes_at": END - DAY}))) == ["renewal"]


def test_older_invoices_are_still_retried_during_a_pause() -> None:
    paused = subscription(pause_collection={"behavior": "void", "resumes_at": None})
    retried = invoice(next_payment_attempt=END, attempt_count=1, parent=of_subscription())
    assert kinds(facts(paused, invoices=(retried,))) == ["invoice_retry", "paused"]


def test_drafts_kept_during_a_pause() -> None:
    paused = subscription(pause_collection={"behavior": "keep_as_draft", "resumes_at": None})
    draft = invoice(status="draft", auto_advance=False, parent=of_subscription())
    assert kinds(facts(paused, invoices=(draft,))) == ["draft_kept", "paused_drafts"]
    voiding = subscription(pause_collection={"behavior": "void", "resumes_at": None})
    assert kinds(facts(voiding, invoices=(draft,))) == ["paused"]


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (None, "subscription_paused"),
        ("pause_requested", "subscription_paused"),
        ("trial_end_without_payment_method", "subscription_paused"),
        ("first_payment_failure", "subscription_paused_payable"),
        ("final_payment_failure", "subscription_paused_payable"),
    ],
)
def test_a_paused_subscription(reason: str | None, kind: str) -> None:
    details = {"paused": {"type": "subscription", "subscription": {"type": reason}}}
    assert kinds(facts(subscription(status="paused", status_details=details))) == [kind]


# --- trouble ---


def test_past_due_owes_and_goes_on() -> None:
    failed = invoice(next_payment_attempt=NOW + 3 * DAY, attempt_count=1, parent=of_subscription())
    assert kinds(facts(subscription(status="past_due"), invoices=(failed,))) == ["invoice_retry", "renewal"]


def test_unpaid_collects_nothing_by_itself() -> None:
    left = invoice(attempt_count=4, parent=of_subscription())
    assert kinds(facts(subscription(status="unpaid"), invoices=(left,))) == ["invoice_unpaid", "subscription_unpaid"]


def test_incomplete_must_be_paid_within_23_hours() -> None:
    first = invoice(created=NOW - HOUR, attempt_count=1, parent=of_subscription())
    given = facts(subscription(status="incomplete"), invoices=(first,))
    assert said(given) == (
        "Your first payment of €29.00 must be completed by Thursday, 19 November 2026 at 10:06 (Berlin time), "
        f"otherwise the subscription will not start.{PAY}"
    )
    confirm = replace(given, payment_intents=(intent("requires_action"),), invoice_payments=(invoice_payment(),))
    assert kinds(confirm) == ["incomplete"]
    late = invoice(created=NOW - 24 * HOUR, attempt_count=1, parent=of_subscription())
    assert kinds(facts(subscription(status="incomplete"), invoices=(late,))) == ["incomplete_lapsed"]
    assert kinds(facts(subscription(status="incomplete", created=NOW - HOUR))) == ["incomplete"]


@pytest.mark.parametrize(
    "strange",
    [
        facts(subscription(status="hibernating")),
        facts(subscription(collection_method="barter")),
        facts(invoices=(invoice(status="pondering"),)),
        facts(invoices=(invoice(collection_method="barter"),)),
        facts(schedules=(schedule(status="dreaming"),)),
        facts(payment_intents=(intent("dancing"),)),
    ],
)
def test_what_is_not_known_goes_to_a_person(strange: Facts) -> None:
    answer = next_payment(strange)
    assert "a person will check it" in answer.text
    assert answer.handoff


def test_a_renewal_whose_time_has_come_is_under_way() -> None:
    stale = subscription(item(NOW - 600))
    assert needs(facts(stale)) == (Need("subscription", "sub_1"),)
    assert kinds(facts(stale)) == ["renewal_underway"]
    draft = invoice(status="draft", created=NOW - 500, parent=of_subscription())
    assert kinds(facts(stale, invoices=(draft,))) == ["draft_charge"]


# --- schedules and what may come besides ---


def test_a_schedule_that_has_not_started() -> None:
    planned = schedule({"start_date": END, "end_date": END + 30 * DAY}, status="not_started", subscription=None)
    given = facts(schedules=(planned,))
    assert needs(given) == (Need("schedule_preview", "sub_sched_1"),)
    assert "I can't say the exact amount yet." in said(given)
    known = replace(given, previews={"sub_sched_1": preview()})
    assert said(known) == f"Your subscription starts {ON_END} and your first payment is due then: €29.00."
    assert kinds(replace(given, previews={"sub_sched_1": preview(0)})) == ["schedule_zero"]


def test_a_schedule_that_starts_with_a_trial_or_sends_invoices() -> None:
    tried = schedule({"start_date": END, "trial_end": END + 7 * DAY}, status="not_started", subscription=None)
    assert said(facts(schedules=(tried,), previews={"sub_sched_1": preview()})) == (
        f"Your subscription starts {ON_END} with a trial; "
        "your first payment is due on Tuesday, 8 December 2026: €29.00."
    )
    sent = schedule(
        {"start_date": END, "invoice_settings": {"days_until_due": 7}, "collection_method": "send_invoice"},
        status="not_started",
        subscription=None,
    )
    assert kinds(facts(schedules=(sent,), previews={"sub_sched_1": preview()})) == ["schedule_invoice"]


def test_a_schedule_that_cancels_at_its_end() -> None:
    steered = subscription(schedule="sub_sched_1")
    ending = schedule({"start_date": NOW - 60 * DAY, "end_date": END}, end_behavior="cancel")
    assert kinds(facts(steered, schedules=(ending,), previews={"sub_1": NoUpcoming(NOW)})) == ["ends"]
    later = schedule({"start_date": NOW - 60 * DAY, "end_date": END + DAY}, end_behavior="cancel")
    assert kinds(facts(steered, schedules=(later,))) == ["renewal"]


def test_a_phase_that_bills_at_its_border() -> None:
    steered = subscription(schedule="sub_sched_1")
    border = {"start_date": END - 5 * DAY, "proration_behavior": "always_invoice"}
    assert kinds(facts(steered, schedules=(schedule({"start_date": NOW - DAY}, border),))) == [
        "phase_change",
        "renewal",
    ]


def test_a_planned_phase_makes_an_estimate_unsure() -> None:
    steered = subscription(schedule="sub_sched_1")
    plan = schedule({"start_date": NOW - DAY}, {"start_date": END})
    assert next_payment(facts(steered, schedules=(plan,), previews={})).items[0].money is None
    over = schedule({"start_date": NOW - DAY}, {"start_date": END + DAY})
    assert next_payment(facts(steered, schedules=(over,), previews={})).items[0].money is not None


def test_a_pending_update_waits_for_its_payment() -> None:
    given = facts(subscription(pending_update={"expires_at": NOW + 3 * DAY}))
    assert kinds(given) == ["pending_update", "renewal"]


def test_an_extra_invoice_before_the_renewal() -> None:
    extra = subscription(next_pending_invoice_item_invoice=END - 5 * DAY)
    assert kinds(facts(extra)) == ["extra_invoice", "renewal"]
    early = facts(extra, previews={"sub_1": preview(300, period_end=END - 5 * DAY)})
    first, second = next_payment(early).items
    assert (first.money.amount if first.money else None, second.money) == (300, None)


@pytest.mark.parametrize(
    "seen",
    [
        subscription(billing_thresholds={"amount_gte": 5000}),
        subscription(item(billing_thresholds={"usage_gte": 10})),
    ],
)
def test_thresholds_may_bring_an_invoice_earlier(seen: Seen) -> None:
    assert kinds(facts(seen)) == ["renewal", "thresholds"]


# --- the whole ---


def test_owed_comes_first_then_the_earliest_then_the_rest_each_in_its_currency() -> None:
    yearly = subscription(item(END + 200 * DAY, id="si_2"), id="sub_2", currency="jpy", description="Archive")
    monthly = subscription(item(), description="Studio")
    overdue = invoice(collection_method="send_invoice", due_date=NOW - 10 * DAY, currency="usd")
    given = facts(yearly, monthly, invoices=(overdue,), previews={"sub_1": preview(), "sub_2": preview(12000, "jpy")})
    assert said(given).splitlines() == [
        f"R-0007: Your invoice has been overdue since Sunday, 8 November 2026 (Berlin time): US$29.00.{PAY}",
        "Studio: Your next payment is due on Tuesday, 1 December 2026: €29.00. It will be charged automatically.",
        "Archive: Your next payment is due on Saturday, 19 June 2027: JP¥12,000. It will be charged automatically.",
    ]


def test_what_needs_action_now_stands_between_overdue_and_later() -> None:
    later = invoice(id="in_a", next_payment_attempt=END, attempt_count=1)
    act = invoice(id="in_b", attempt_count=4)
    overdue = invoice(id="in_c", collection_method="send_invoice", due_date=NOW - DAY)
    soon = invoice(id="in_d", status="draft", created=NOW - DAY, parent=of_subscription())
    assert kinds(facts(subscription(), invoices=(later, act, overdue, soon))) == [
        "invoice_overdue",
        "invoice_unpaid",
        "invoice_retry",
        "draft_charge_soon",
        "renewal",
    ]


def test_many_rows_are_counted_not_told() -> None:
    many = tuple(invoice(id=f"in_{n}", number=None, attempt_count=1) for n in range(9))
    answer = next_payment(facts(invoices=many))
    assert len(answer.items) == 9
    assert answer.text.splitlines()[-1] == "Further items not listed here: 3."
    assert ungrounded(answer) == []


def test_nothing_at_all_is_due() -> None:
    assert said(facts()) == "You have no open invoice and no upcoming payment."


def test_old_facts_say_how_old_they_are() -> None:
    given = facts(subscription(), previews={"sub_1": Preview({"amount_due": 2900, "currency": "eur"}, NOW - HOUR)})
    answer = next_payment(given, stale_after=300)
    assert answer.text.splitlines()[-1] == "As known on Wednesday, 18 November 2026 at 11:06."
    assert (answer.as_of, ungrounded(answer)) == (NOW - HOUR, [])
    assert "As known" not in next_payment(given, stale_after=HOUR).text


def test_strangers_and_deleted_customers_get_the_same_words() -> None:
    foreign = facts(subscription(customer="cus_2"), invoices=(invoice(customer="cus_2"),))
    assert kinds(foreign) == ["nothing_due"]
    words = refusal("en").text
    for nobody in (None, customer(deleted=True)):
        answer = next_payment(facts(subscription(), customer=nobody))
        assert (answer.text, answer.facts, answer.as_of, answer.zone) == (words, (), None, "UTC")
        assert needs(facts(subscription(), customer=nobody)) == ()


def test_merchants_texts_are_cleaned_before_they_are_shown() -> None:
    sly = subscription(description="Pro\x00\n see https://evil.example now " + "x" * 99)
    answer = next_payment(facts(sly, invoices=(invoice(attempt_count=1, hosted_invoice_url="javascript:alert(1)"),)))
    assert "evil" not in answer.text
    assert "javascript" not in answer.text
    assert max(len(item.label or "") for item in answer.items) <= 60


def test_product_names_tell_subscriptions_apart() -> None:
    other = subscription(item(id="si_2", price=price(product="prod_2")), id="sub_2")
    answer = next_payment(facts(subscription(), other, names={"prod_1": "Studio", "prod_2": "Archive"}))
    assert [item.label for item in answer.items] == ["Studio", "Archive"]


# --- what must be read first ---


def test_needs_name_each_missing_read_once() -> None:
    given = facts(
        trial(schedule="sub_sched_1"),
        invoices=(invoice(attempt_count=1),),
        previews={},
        customer=Seen({"id": "cus_1"}, NOW),
    )
    wanted = needs(given)
    assert wanted == (
        Need("customer", "cus_1"),
        Need("invoice_payments", "in_1"),
        Need("preview", "sub_1"),
        Need("schedule", "sub_sched_1"),
    )
    assert needs(replace(given, tried=frozenset(wanted))) == ()


def test_the_payment_is_read_once_the_invoice_names_it() -> None:
    given = facts(invoices=(invoice(attempt_count=1),), invoice_payments=(invoice_payment(),))
    assert needs(given) == (Need("payment_intent", "pi_1"),)


def test_nothing_is_needed_where_nothing_would_change() -> None:
    paused = subscription(pause_collection={"behavior": "void", "resumes_at": None})
    assert needs(facts(paused, previews={})) == ()
    assert needs(facts(subscription(status="canceled"), previews={})) == ()
    assert needs(facts(subscription(), previews={"sub_1": preview()})) == ()


def test_a_preview_is_asked_for_again_when_it_is_old_or_was_refused() -> None:
    want = Need("preview", "sub_1")
    for found in (
        Preview({"amount_due": 2900, "currency": "eur"}, NOW - 61),
        NoUpcoming(NOW - 61),
        Refused("deadline"),
    ):
        given = facts(subscription(), previews={"sub_1": found})
        assert needs(given) == (want,)
        assert needs(replace(given, tried=frozenset({want}))) == ()


def test_the_merchants_country_gives_the_zone_where_nothing_else_does() -> None:
    given = facts(subscription(), customer=customer(address=None), zone=None, country="FR")
    assert next_payment(given).zone == "Europe/Paris"
