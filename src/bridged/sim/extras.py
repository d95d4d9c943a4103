"""The rest of the cast: trials, ends, pauses, first payments, schedules, one-off payments, people hard to identify."""

from __future__ import annotations

from bridged.sim import acts
from bridged.sim.cast import Part, Sub
from bridged.sim.members import FOUR, MINUTES, NO_CARD, OWING, RENEWING, SENT, trial

HOURS = 1 / 24

TRIALS = (
    Part(
        "trialing-card",
        "Nicolò Esposito",
        "The first charge of 29.00 EUR comes when the trial ends in 5 days.",
        (Sub(FOUR, 9, 5),),
    ),
    Part(
        "trialing-no-card-invoice",
        "Chiara Muccì",
        "No card: when the trial ends in 5 days an invoice stays open.",
        (Sub(FOUR, 9, 5, fields=trial("create_invoice")),),
        NO_CARD,
    ),
    Part(
        "trialing-no-card-cancel",
        "Gioacchino Rossi",
        "No card: the subscription ends with the trial in 5 days.",
        (Sub(FOUR, 9, 5, fields=trial("cancel")),),
        NO_CARD,
    ),
    Part(
        "trialing-no-card-pause",
        "Lucía De Sanctis",
        "No card: the subscription pauses when the trial ends in 5 days.",
        (Sub(FOUR, 9, 5, fields=trial("pause")),),
        NO_CARD,
    ),
    Part(
        "trialing-to-end",
        "Dorottya Fűzfa",
        "Set to cancel: ends with the trial in 5 days, nothing is charged.",
        (Sub(FOUR, 9, 5, fields={"cancel_at_period_end": True}),),
    ),
    Part(
        "trialing-invoice",
        "Behörde Probe",
        "The trial ends in 5 days; an invoice due 14 days later follows.",
        (Sub(FOUR, 9, 5, fields=SENT),),
        NO_CARD,
    ),
    Part(
        "trialing-coupon",
        "נועה כהן",
        "The trial ends in 5 days; the first charge is halved.",
        (Sub(FOUR, 9, 5, coupons=("welcome",)),),
    ),
)

ENDING = (
    Part(
        "cancel-at-period-end",
        "Hervé Fin",
        "No renewal: ends with the period in 10 days.",
        (Sub(FOUR, 46),),
        acts=((3, acts.change(cancel_at_period_end=True)),),
    ),
    Part(
        "cancel-at-soon",
        "Ève Terme",
        "Ends in 4 days, before the period does; no renewal.",
        (Sub(FOUR, 46),),
        acts=((3, acts.change(cancel_at=4)),),
    ),
    Part(
        "cancel-at-later",
        "Óscar Después",
        "Renews in 10 days and ends in 50 days.",
        (Sub(FOUR, 46),),
        acts=((3, acts.change(cancel_at=50)),),
    ),
    Part(
        "cancel-with-final-invoice",
        "Finale Rechnung",
        "Ends with the period in 10 days, with a last invoice of 15.00 EUR for what is pending.",
        (Sub(FOUR, 46),),
        acts=((3, acts.change(cancel_at_period_end=True)), (2, acts.pending_item(1500))),
    ),
    Part(
        "canceled", "Anneliese Gekündigt", "Canceled; nothing more is due.", (Sub(FOUR, 46),), acts=((3, acts.cancel),)
    ),
    Part(
        "canceled-open-invoice",
        "Göksu Offen",
        "Canceled after failed payments; 29.00 EUR are still open.",
        (Sub(FOUR, 76),),
        ("ok", "ok", "card_declined"),
        dunning_end="canceled",
    ),
    Part(
        "incomplete",
        "Erster Versuch",
        "The first payment failed an hour ago and must succeed within 23 hours of the start.",
        (Sub(FOUR, 1 * HOURS),),
        ("card_declined",),
    ),
    Part(
        "incomplete-requires-action",
        "Drei D Secure",
        "The first payment waits for the customer's confirmation.",
        (Sub(FOUR, 2 * HOURS),),
        ("requires_action",),
    ),
    Part(
        "incomplete-unconfirmed",
        "Noch Nicht",
        "The first payment hasn't been confirmed yet.",
        (Sub(FOUR, 2 * HOURS, behavior="default_incomplete"),),
    ),
    Part(
        "incomplete-expired",
        "Zu Spät",
        "The first payment never came; expired, nothing is due.",
        (Sub(FOUR, 5),),
        ("card_declined",),
    ),
)

PAUSED = (
    Part(
        "pause-collection-void",
        "Pausiert Leer",
        "Nothing to pay until collection resumes in 60 days.",
        (Sub(FOUR, 46),),
        acts=((3, acts.pause_collection("void", 60)),),
    ),
    Part(
        "pause-collection-voided",
        "Leer Gezogen",
        "The last invoice was voided; nothing to pay until collection resumes in 20 days.",
        (Sub(FOUR, 60),),
        acts=((10, acts.pause_collection("void", 20)),),
    ),
    Part(
        "pause-collection-uncollectible",
        "Pausiert Abgeschrieben",
        "Invoices are written off; no date of resumption.",
        (Sub(FOUR, 60),),
        acts=((10, acts.pause_collection("mark_uncollectible")),),
    ),
    Part(
        "pause-collection-draft",
        "Pausiert Entwurf",
        "A draft is kept and may be collected later.",
        (Sub(FOUR, 60),),
        acts=((10, acts.pause_collection("keep_as_draft")),),
    ),
    Part(
        "pause-collection-open-invoice",
        "Pausiert Offen",
        "Collection is paused, but the failed invoice from before is still retried.",
        (Sub(FOUR, 58),),
        ("ok", "ok", "insufficient_funds"),
        acts=((1, acts.pause_collection("void")),),
    ),
    Part(
        "paused-trial-end",
        "Probe Vorbei",
        "Paused since the trial ended without a card; no invoices.",
        (Sub(FOUR, 16, -2, fields=trial("pause")),),
        NO_CARD,
    ),
    Part(
        "paused-payment-failure",
        "Pause Nach Fehlschlag",
        "Paused after failed payments; paying the open 29.00 EUR may resume it.",
        (Sub(FOUR, 76),),
        ("ok", "ok", "card_declined"),
        dunning_end="paused",
    ),
    Part(
        "paused-on-request",
        "Auf Wunsch",
        "Paused on request; no invoices until resumed.",
        (Sub(FOUR, 46),),
        acts=((5, acts.pause),),
    ),
)

CHANGING = (
    Part(
        "schedule-not-started",
        "Später Beginn",
        "A schedule starts in 12 days with 29.00 EUR; no subscription yet.",
        acts=((4, acts.schedule_later(12, "four_weeks_eur")),),
    ),
    Part(
        "schedule-price-change",
        "Preis Wechsel",
        "The next renewal is on the schedule's new price of 119.00 EUR.",
        (Sub(FOUR, 46),),
        acts=((3, acts.schedule_from_now("release", "quad_eur")),),
    ),
    Part(
        "schedule-price-stays",
        "Preis Bleibt",
        "Renews for 29.00 EUR; the schedule then goes on.",
        (Sub(FOUR, 46),),
        acts=((3, acts.schedule_from_now("release", "four_weeks_eur", "four_weeks_eur")),),
    ),
    Part(
        "schedule-cancels",
        "Plan Ende",
        "Renews in 10 days; the schedule ends the subscription in 66 days.",
        (Sub(FOUR, 46),),
        acts=((3, acts.schedule_from_now("cancel", "four_weeks_eur")),),
    ),
    Part(
        "pending-update",
        "Wechsel Wartet",
        "A change of quantity waits until its invoice is paid, 23 hours at most.",
        (Sub(FOUR, 46),),
        ("ok", "ok", "insufficient_funds"),
        acts=((2 * HOURS, acts.switch("quad_eur")),),
    ),
    Part(
        "pending-update-requires-action",
        "Wechsel Bestätigen",
        "A change waits for the customer to confirm its payment.",
        (Sub(FOUR, 46),),
        ("ok", "ok", "requires_action"),
        acts=((30 * MINUTES, acts.switch("quad_eur")),),
    ),
)

ONE_OFF = (
    Part(
        "one-off-waiting",
        "Bezahl Mich",
        "A single payment of 80.00 EUR waits for a payment method; it has no due date.",
        answers=NO_CARD,
        acts=((1, acts.one_off(8000, confirm=False)),),
    ),
    Part(
        "one-off-declined",
        "Abgelehnt Einmal",
        "A single payment of 80.00 EUR was declined and waits for another card.",
        answers=("card_declined",),
        acts=((1, acts.one_off(8000)),),
    ),
    Part(
        "one-off-requires-action",
        "Bestätige Mich",
        "A single payment waits for the customer's confirmation.",
        answers=("requires_action",),
        acts=((1, acts.one_off(8000)),),
    ),
    Part(
        "one-off-processing",
        "Unterwegs",
        "A single payment is under way.",
        answers=("processing",),
        method="sepa_debit",
        acts=((1, acts.one_off(8000)),),
    ),
    Part(
        "one-off-paid", "Einmal Bezahlt", "A single payment succeeded; nothing is due.", acts=((6, acts.one_off(8000)),)
    ),
    Part(
        "one-off-yen-paid",
        "髙橋さくら",
        "A single payment of 8,000 yen succeeded; nothing is due.",
        acts=((6, acts.one_off(8000, currency="jpy")),),
    ),
    Part(
        "checkout-open",
        "Im Laden",
        "A checkout page is open; nothing is due.",
        acts=((0.1, acts.checkout(done=False)),),
    ),
    Part("checkout-paid", "Aus Dem Laden", "Paid at checkout; nothing is due.", acts=((5, acts.checkout(done=True)),)),
    Part("no-subscription", "Nur Interessiert", "No subscription and no invoice: nothing is due.", answers=NO_CARD),
    Part(
        "refunded",
        "Geld Zurück",
        "The last invoice was refunded; renews in 10 days all the same.",
        (Sub(FOUR, 46),),
        acts=((6, acts.refund),),
    ),
    Part(
        "disputed",
        "Widerspruch",
        "A payment is disputed; renews in 10 days all the same.",
        (Sub(FOUR, 46),),
        acts=((6, acts.contest),),
    ),
    Part(
        "credit-note-paid",
        "Gutschrift",
        "Part of the last invoice was credited; renews in 10 days.",
        (Sub(FOUR, 46),),
        acts=((6, acts.credit_latest(500)),),
    ),
    Part(
        "deleted-customer",
        "Gelöscht",
        "The customer was deleted; the subscription ended with it.",
        (Sub(FOUR, 46),),
        acts=((4, acts.delete),),
    ),
    Part(
        "twin-first",
        "Doppel Gänger",
        "Shares the e-mail with another customer.",
        (Sub(FOUR, 40),),
        fields={"email": "twin@example.com"},
    ),
    Part(
        "twin-second",
        "Doppel Gänger",
        "Shares the e-mail with another customer.",
        (Sub(FOUR, 30),),
        fields={"email": "twin@example.com"},
    ),
    Part(
        "email-case",
        "Groß Klein",
        "The e-mail is Mixed.Case@Example.com.",
        (Sub(FOUR, 30),),
        fields={"email": "Mixed.Case@Example.com"},
    ),
    Part(
        "no-contact",
        "Ohne Anschrift",
        "Neither e-mail nor phone.",
        (Sub(FOUR, 30),),
        fields={"email": None, "phone": None, "preferred_locales": []},
    ),
)

CAST: tuple[Part, ...] = (*RENEWING, *OWING, *TRIALS, *ENDING, *PAUSED, *CHANGING, *ONE_OFF)
