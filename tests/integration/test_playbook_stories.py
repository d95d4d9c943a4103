"""One story per built-in playbook: what happened, the clock, the text in two languages, the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from playing import ANA, BEN, START, Play, invoice, subscription

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def seconds(days: float) -> int:
    return int((START + timedelta(days=days)).timestamp())


async def ended(play: Play) -> list[tuple[str, str, str | None]]:
    return [(row["customer_id"], row["state"], row["reason"]) for row in await play.runs()]


async def test_upcoming_renewal(play: Play) -> None:
    await play.on("renewal")
    for who, sub in ((ANA, "sub_ana"), (BEN, "sub_ben")):
        due = seconds(7)
        await play.knows(
            replace(who, next_payment_at=due, next_payment_amount=12000, next_payment_currency="eur",
                    next_payment_certainty="exact")
        )  # fmt: skip
        await play.mirrors(subscription(sub, "active", current_period_end=due))
        await play.happens("renewal_due", f"{sub}:{due}", who.customer_id, sub, when=due)
    spanish, english = sorted(await play.turn(), reverse=True)
    assert spanish == (
        "Hola, Ana García: su suscripción a Pro se renueva el 8 de marzo de 2027. Ese día cobraremos 120,00 € en su "
        "método de pago guardado. No tiene que hacer nada."
    )
    assert english.startswith(
        "Hello Ben Adams, your subscription to Pro renews on 8 March 2027. We will then charge €120.00"
    )
    assert await play.turn(5 * DAY) == []
    await play.mirrors(subscription("sub_ben", "active", cancel_at_period_end=True, current_period_end=seconds(7)))
    (again,) = await play.turn(1 * DAY)
    assert again == spanish
    why = (
        "object.status in (canceled, incomplete_expired, unpaid) or object.paused = true or "
        "object.cancel_at_period_end = true"
    )
    assert sorted(await ended(play)) == [
        ("cus_ana", "completed", None),
        ("cus_ben", "exited", why),
    ]


async def test_monthly_plans_are_not_told_of_renewals(play: Play) -> None:
    await play.on("renewal")
    await play.knows(replace(ANA, interval="month"))
    await play.mirrors(subscription("sub_ana", "active", current_period_end=seconds(7)))
    await play.happens("renewal_due", f"sub_ana:{seconds(7)}", "cus_ana", "sub_ana", when=seconds(7))
    assert await play.turn() == []
    assert await ended(play) == [("cus_ana", "suppressed", "condition_no_longer_true")]


async def test_invoice_due(play: Play) -> None:
    await play.on("invoice_due")
    for who, name in ((ANA, "in_ana"), (BEN, "in_ben")):
        await play.mirrors(invoice(name, "open", collection_method="send_invoice", due_date=seconds(3)))
        await play.happens("invoice_due", name, who.customer_id, name, when=seconds(3), amount=1999, currency="eur")
    spanish, english = sorted(await play.turn(), reverse=True)
    assert spanish == (
        "Hola, Ana García: la factura ACME-0042 de 19,99 € vence el 4 de marzo de 2027. Puede verla y pagarla aquí: "
        "https://invoice.stripe.com/i/in_ana Muchas gracias."
    )
    assert english.startswith("Hello Ben Adams, invoice ACME-0042 over €19.99 is due on 4 March 2027.")
    await play.mirrors(invoice("in_ben", "paid"))
    await play.happens("paid", "in_ben", "cus_ben", "in_ben")
    assert await play.turn() == []
    (today,) = await play.turn(3 * DAY)
    assert "vence hoy, 4 de marzo de 2027" in today
    (overdue,) = await play.turn(3 * DAY)
    assert "venció el 4 de marzo de 2027 y sigue pendiente" in overdue
    assert len(await play.turn(4 * DAY)) == 1
    assert sorted(await ended(play)) == [("cus_ana", "completed", None), ("cus_ben", "exited", "goal")]


async def test_a_due_date_that_moves_moves_the_reminder(play: Play) -> None:
    await play.on("invoice_due")
    await play.mirrors(invoice("in_ana", "open", collection_method="send_invoice", due_date=seconds(10)))
    await play.happens("invoice_due", "in_ana", "cus_ana", "in_ana", when=seconds(3))
    assert await play.turn() == []
    assert len(await play.turn(7 * DAY)) == 1


async def test_subscription_confirmed(play: Play) -> None:
    await play.on("subscribed")
    await play.knows(
        replace(ANA, next_payment_at=seconds(30), next_payment_amount=990, next_payment_currency="usd",
                next_payment_certainty="exact")
    )  # fmt: skip
    for who, sub in ((ANA, "sub_ana"), (BEN, "sub_ben")):
        await play.mirrors(subscription(sub, "active"))
        await play.happens("subscribed", sub, who.customer_id, sub)
    assert await play.turn() == []
    english, spanish = sorted(await play.turn(2 * MINUTE))
    assert english == "Hello Ben Adams, your subscription with Acme is active. Thank you for your order."
    assert spanish == (
        "Hola, Ana García: su suscripción a Pro está activa. El próximo pago de 9,90 US$ será el 31 de marzo de 2027. "
        "Muchas gracias."
    )


async def test_payment_received(play: Play) -> None:
    await play.on("paid")
    for who, name in ((ANA, "in_ana"), (BEN, "in_ben")):
        await play.mirrors(invoice(name, "paid"))
        await play.happens("paid", name, who.customer_id, name, amount=1999, currency="eur")
    await play.happens("paid", "in_free", "cus_ana", "in_ana", amount=0, currency="eur")
    await play.turn()
    assert sorted(await play.turn(MINUTE)) == [
        "Hello Ben Adams, we have received your payment of €19.99 to Acme. Thank you.",
        "Hola, Ana García: hemos recibido su pago de 19,99 € a Acme. Muchas gracias.",
    ]


async def test_trial_ending(play: Play) -> None:
    await play.on("trial_ending")
    for who, sub in ((ANA, "sub_ana"), (BEN, "sub_ben")):
        end = seconds(5)
        await play.knows(replace(who, status="trialing"))
        await play.mirrors(subscription(sub, "trialing", trial_end=end))
        await play.happens("trial_ending", f"{sub}:{end}", who.customer_id, sub, when=end)
    assert await play.turn() == []
    await play.mirrors(subscription("sub_ben", "active", trial_end=seconds(5)))
    (text,) = await play.turn(2 * DAY)
    assert text.startswith("Hola, Ana García: su prueba con Acme termina el 6 de marzo de 2027.")
    assert sorted(await ended(play))[1][:2] == ("cus_ben", "exited")


async def test_payment_needs_action(play: Play) -> None:
    await play.on("payment_action")
    for who, name in ((ANA, "in_ana"), (BEN, "in_ben")):
        await play.mirrors(invoice(name, "open"))
        await play.happens("payment_action_required", name, who.customer_id, f"pi_{name}", amount=1999, currency="eur")
    spanish, english = sorted(await play.turn(), reverse=True)
    assert spanish == (
        "Hola, Ana García: su banco le pide que confirme su pago de 19,99 €. Hágalo aquí, por favor: "
        "https://invoice.stripe.com/i/in_ana Sin esa confirmación el pago no puede completarse."
    )
    assert english.startswith("Hello Ben Adams, your bank asks you to confirm your payment of €19.99.")
    await play.happens("paid", "in_ben", "cus_ben", "in_ben", at=play.now + HOUR, subscription="sub_1")
    assert len(await play.turn(DAY)) == 1
    assert sorted(await ended(play)) == [("cus_ana", "completed", None), ("cus_ben", "exited", "goal")]


async def test_failed_payment(play: Play) -> None:
    """First failures are Stripe's to retry; the second one is told, with the date of the next try, until it is paid."""
    await play.on("failed_payment")
    for who, name in ((ANA, "in_ana"), (BEN, "in_ben")):
        await play.knows(replace(who, status="past_due"))
        await play.mirrors(invoice(name, "open", next_payment_attempt=seconds(3), attempt_count=1))
        await play.happens("payment_failed", f"{name}:1", who.customer_id, name, subscription="sub_1", attempt=1)
    assert await play.turn() == []
    for who, name in ((ANA, "in_ana"), (BEN, "in_ben")):
        await play.happens("payment_failed", f"{name}:2", who.customer_id, name, subscription="sub_1", attempt=2)
    spanish, english = sorted(await play.turn(), reverse=True)
    assert spanish == (
        "Hola, Ana García: su pago de 19,99 € no se ha realizado. Lo intentaremos de nuevo el 4 de marzo de 2027. Para "
        "pagar ahora o con otra tarjeta: https://invoice.stripe.com/i/in_ana Muchas gracias."
    )
    assert english.startswith(
        "Hello Ben Adams, your payment of €19.99 did not go through. We will try again on 4 March"
    )
    # No retry is promised that will not come, and the third failure begins no second campaign.
    await play.mirrors(invoice("in_ana", "open", next_payment_attempt=None, attempt_count=3))
    await play.mirrors(invoice("in_ben", "open", next_payment_attempt=None, attempt_count=3))
    await play.happens(
        "payment_failed", "in_ana:3", "cus_ana", "in_ana", at=START + 3 * DAY, subscription="sub_1", attempt=3
    )
    plain = sorted(await play.turn(3 * DAY), reverse=True)
    assert plain[0] == (
        "Hola, Ana García: su pago de 19,99 € no se ha realizado y sigue pendiente. Puede pagarlo aquí: "
        "https://invoice.stripe.com/i/in_ana Muchas gracias."
    )
    assert len(plain) == 2
    await play.mirrors(invoice("in_ben", "paid"))
    await play.happens("paid", "in_ben", "cus_ben", "in_ben", subscription="sub_1")
    assert len(await play.turn(4 * DAY)) == 1
    (last,) = await play.turn(6 * DAY)
    assert "nuestro último aviso" in last
    assert sorted(await ended(play), key=str) == [
        ("cus_ana", "completed", None),
        ("cus_ana", "suppressed", "duplicate"),
        ("cus_ben", "exited", "goal"),
    ]


async def test_a_hard_decline_is_told_at_once_and_asks_for_another_card(play: Play) -> None:
    await play.on("failed_payment")
    await play.mirrors(invoice("in_ana", "open"))
    await play.happens(
        "payment_failed", "in_ana:1", "cus_ana", "in_ana", subscription="sub_1", attempt=1, family="hard"
    )
    (text,) = await play.turn()
    assert "esta tarjeta ya no puede usarse" in text


async def test_card_expiring(play: Play) -> None:
    await play.on("card_expiring")
    for who in (ANA, BEN):
        await play.knows(replace(who, card_exp="2027-03", next_payment_at=seconds(40)))
        await play.mirrors({"id": who.customer_id, "object": "customer"})
        key = f"{who.customer_id}:2027-03"
        await play.happens("card_expiring", key, who.customer_id, who.customer_id, when=seconds(31))
    assert await play.turn() == []
    await play.knows(replace(BEN, card_exp="2031-03", next_payment_at=seconds(40)))
    (text,) = await play.turn(17 * DAY)
    assert text == (
        "Hola, Ana García: la tarjeta guardada para su suscripción con Acme caduca en marzo de 2027. Añada una nueva "
        "en su cuenta antes del próximo pago, por favor."
    )
    assert sorted(await ended(play))[1] == ("cus_ben", "exited", "days_until(card_expiry) > 40")


async def test_high_value_at_risk_alerts_our_own_people(play: Play) -> None:
    await play.on("high_value_at_risk")
    play.measured = {"cus_ana": {"value_percentile": 95}, "cus_ben": {"value_percentile": 20}}
    for who, sub in ((ANA, "sub_ana"), (BEN, "sub_ben")):
        await play.mirrors(subscription(sub, "past_due"))
        await play.happens("past_due", sub, who.customer_id, sub)
    assert await play.turn() == []
    assert ("alerted", None) in await play.log()
    assert sorted(await ended(play)) == [
        ("cus_ana", "completed", None),
        ("cus_ben", "suppressed", "condition_no_longer_true"),
    ]


NURTURE: dict[str, tuple[str, str, timedelta, dict[str, Any], str, str]] = {
    "warm_lead": ("checkout_expired", "paid", HOUR, {}, "estaba a punto de hacer un pedido", "were about to order"),
    "check_in": ("paid", "refunded", 7 * DAY, {"amount": 1999}, "ya lleva una semana", "for a week now"),
    "second_purchase": ("paid", "subscribed", 30 * DAY, {"amount": 1999}, "gracias por su pedido", "for your order"),
    "win_back": ("canceled", "subscribed", 30 * DAY, {}, "tenerle de vuelta", "glad to have you back"),
    "anniversary": ("paid", "canceled", DAY, {"amount": 1999}, "lleva un año", "for a year"),
    "cancel_save": ("cancel_scheduled", "cancel_undone", DAY, {}, "termina el 31 de marzo", "ends on 31 March 2027"),
}


@pytest.mark.parametrize("playbook", NURTURE)
async def test_nurture(play: Play, playbook: str) -> None:
    """Ana gets it in Spanish, Ben in English; whoever did what it is for, or disputes, gets nothing."""
    begins, ends, wait, facts, spanish, english = NURTURE[playbook]
    await play.on(playbook)
    months = {f"2026-{month:02}": {"eur": 1999} for month in range(1, 13)}
    status = {"second_purchase": "never", "win_back": "canceled"}.get(playbook, "active")
    kept: dict[str, Any] = {"cancel_at_period_end": True, "current_period_end": seconds(30)}
    for number in range(4):
        who = replace((ANA, BEN)[number % 2], customer_id=f"cus_{number}", status=status, payment_months=months,
                      payments=1, disputes=int(number == 3))  # fmt: skip
        await play.knows(who)
        about = f"sub_{number}"
        await play.mirrors(subscription(about, "active", **kept))
        await play.happens(begins, about, who.customer_id, about, **facts)
    assert await play.turn() == []
    await play.happens(ends, "sub_2:later", "cus_2", "sub_2", at=START + 30 * MINUTE)
    texts = sorted(await play.turn(wait), reverse=True)
    assert len(texts) == 2, texts
    assert spanish in texts[0]
    assert english in texts[1]
    outcomes = {row["customer_id"]: row["state"] for row in await play.runs()}
    assert outcomes["cus_2"] == "exited"
    assert outcomes["cus_3"] == "suppressed"
    assert {row["category"] for row in await play.messages()} == {"marketing"}


async def test_win_back_comes_twice_and_ends_with_a_return(play: Play) -> None:
    await play.on("win_back")
    for who in (ANA, BEN):
        await play.knows(replace(who, status="canceled"))
        await play.mirrors(subscription(f"sub_{who.customer_id}", "canceled"))
        await play.happens("canceled", who.customer_id, who.customer_id, f"sub_{who.customer_id}")
    await play.turn()
    assert len(await play.turn(30 * DAY)) == 2
    await play.happens("subscribed", "sub_new", "cus_ben", "sub_new")
    (text,) = await play.turn(60 * DAY)
    assert "han cambiado muchas cosas" in text
    assert sorted(await ended(play)) == [("cus_ana", "completed", None), ("cus_ben", "exited", "goal")]


async def test_refund_issued_and_a_dispute_holds_nurture(play: Play) -> None:
    await play.on("refund_issued")
    await play.on("check_in")
    for who, name in ((ANA, "ana"), (BEN, "ben")):
        await play.knows(replace(who, payments=1))
        await play.mirrors(invoice(f"in_{name}", "paid"))
        await play.mirrors(
            {"id": f"re_{name}", "object": "refund", "status": "succeeded", "amount": 500, "currency": "eur"}
        )
        await play.happens("paid", f"in_{name}", who.customer_id, f"in_{name}", amount=1999)
        await play.turn()
    await play.happens("refunded", "re_ana", "cus_ana", "re_ana", at=START + HOUR)
    await play.happens("disputed", "dp_ben", "cus_ben", "dp_ben", at=START + 2 * HOUR)
    (text,) = await play.turn(2 * HOUR)
    assert text == (
        "Hola, Ana García: Acme le ha enviado un reembolso de 5,00 €. Puede tardar unos días en aparecer en su banco."
    )
    states = {(row["customer_id"], row["playbook_id"]): (row["state"], row["reason"]) for row in await play.runs()}
    assert states["cus_ben", "check_in"] == ("exited", "disputed")
    assert states["cus_ana", "check_in"] == ("exited", "refunded")
