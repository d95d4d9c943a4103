"""The built-in playbooks, each with its texts in five languages. All are off until somebody switches them on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bridged.playbooks.definitions import (
    CapDoc,
    Category,
    EndsDoc,
    PlaybookDoc,
    StepDoc,
    TextDoc,
    TriggerDoc,
    VariantDoc,
)
from bridged.playbooks.rendering import CODES, filled, placeholders
from bridged.playbooks.texts import FOOTERS, TEXTS


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """`number` is its place in the catalogue (A1 …): A activation, Q qualification, N nurture and conversion."""

    id: str
    number: str
    doc: PlaybookDoc


_SETTLED = "object.status in (paid, void, uncollectible, succeeded, canceled)"
_ENDING = "object.status in (canceled, incomplete_expired, unpaid)"
_FOR_GOOD = "moment.family in (hard, expired_card)"
_WELCOME = "fraud = false and disputes = 0"
"""Whoever disputes a payment hears nothing of ours but what they ask for."""


def _texts(keys: Iterable[str], category: Category) -> dict[str, dict[str, TextDoc]]:
    footers: Mapping[str, str] = FOOTERS if category == "marketing" else {}
    return {
        key: {
            language: TextDoc(TEXTS[language][key], f"bridged_{key}", CODES[language], footers.get(language, ""))
            for language in TEXTS
        }
        for key in keys
    }


def _step(*keys: str | tuple[str, str], **given: Any) -> StepDoc:
    """A step; of its texts the first is sent whose condition holds and whose facts are all known."""
    variants = tuple(VariantDoc(each) if isinstance(each, str) else VariantDoc(*each) for each in keys)
    return StepDoc(variants, **given)


def _playbook(
    number: str, id_: str, name: str, description: str, category: Category, trigger: TriggerDoc, *steps: StepDoc,
    **more: Any,
) -> BuiltIn:  # fmt: skip
    keys = dict.fromkeys(variant.template for step in steps for variant in step.templates)
    texts = _texts(keys, category)
    return BuiltIn(id_, number, PlaybookDoc(name, category, trigger, steps, texts, description, **more))


def _on(*moments: str, when: str = "", days_ahead: int | None = None) -> TriggerDoc:
    return TriggerDoc(moments, when, days_ahead)


_FAILED = (("failed_retry", "days_until(object.next_attempt) >= 0"), "failed", "failed_plain")

BUILT_INS: tuple[BuiltIn, ...] = (
    _playbook(
        "A1", "renewal", "Upcoming renewal", "Tells subscribers of a yearly plan before they are charged.", "utility",
        _on("renewal_due", days_ahead=7),
        _step("renewal", "renewal_plain", at="period_end - 7d", late="4d"),
        _step("renewal", "renewal_plain", at="period_end - 1d", late="20h"),
        audience="status = active and interval = year and object.collection = charge_automatically",
        exit=EndsDoc(
            ("canceled", "paused", "cancel_scheduled"), (),
            f"{_ENDING} or object.paused = true or object.cancel_at_period_end = true",
        ),
        priority=60,
    ),
    _playbook(
        "A2", "invoice_due", "Invoice due", "Reminds of invoices sent for payment, before and after they are due.",
        "utility", _on("invoice_due"),
        _step("invoice_soon", at="due_date - 3d", late="2d"),
        _step("invoice_today", at="due_date", late="18h"),
        _step("invoice_overdue", at="due_date + 3d", late="3d"),
        _step("invoice_overdue", at="due_date + 7d", late="14d"),
        audience="object.collection = send_invoice",
        exit=EndsDoc(("paid",), (), _SETTLED), goal=EndsDoc(("paid",), (), "object.status = paid"), priority=70,
    ),
    _playbook(
        "A3", "subscribed", "Subscription confirmed", "Confirms a new subscription.", "utility", _on("subscribed"),
        _step(("subscribed", "object.status = active"), "subscribed_plain", after="2m", late="1d"),
        exit=EndsDoc(("canceled",), (), _ENDING), priority=60,
    ),
    _playbook(
        "A4", "paid", "Payment received", "Thanks for each payment.", "utility", _on("paid", when="moment.amount > 0"),
        _step("paid", after="1m", late="1d"), exit=EndsDoc((), ("refunded",)), priority=40,
    ),
    _playbook(
        "A5", "trial_ending", "Trial ending", "Tells of the end of a trial and of what it costs then.", "utility",
        _on("trial_ending"),
        _step("trial_ending", "trial_ending_plain", at="trial_end - 3d", late="60h"),
        exit=EndsDoc(
            ("trial_converted", "canceled", "cancel_scheduled"), (),
            "object.status != trialing or object.cancel_at_period_end = true",
        ),
        priority=70,
    ),
    _playbook(
        "A6", "payment_action", "Payment needs action", "Asks for the confirmation that the bank wants (3D Secure).",
        "utility", _on("payment_action_required"),
        _step("action", "action_plain", after="0m", late="20h"),
        _step("action", "action_plain", after="1d", late="2d"),
        exit=EndsDoc(("paid", "canceled"), (), _SETTLED), goal=EndsDoc(("paid",), (), "object.status = paid"),
        priority=90, entry="one_at_a_time",
    ),
    _playbook(
        "A7", "failed_payment", "Failed payment",
        "Reminds of a payment that failed twice, or was declined for good, until it is paid.", "utility",
        _on("payment_failed", when=f"moment.attempt >= 2 or (moment.attempt is known and {_FOR_GOOD})"),
        _step(("failed_card", _FOR_GOOD), *_FAILED, after="0m", late="2d"),
        _step(*_FAILED, after="3d", late="2d"),
        _step(*_FAILED, after="7d", late="3d"),
        _step("failed_last", "failed_plain", after="13d", late="4d", when="status = past_due"),
        exit=EndsDoc(("paid", "canceled"), (), _SETTLED), goal=EndsDoc(("paid",), (), "object.status = paid"),
        priority=80, entry="one_at_a_time",
    ),
    _playbook(
        "A8", "card_expiring", "Card expiring",
        "Asks for a new card. Most cards are renewed by themselves: switch it on only if yours are not.", "utility",
        _on("card_expiring"), _step("card", at="card_expiry - 14d", late="14d"),
        audience="status in (active, trialing, past_due) and card_expires_first = true",
        exit=EndsDoc(("canceled",), (), "days_until(card_expiry) > 40"), priority=30, entry="one_at_a_time",
    ),
    _playbook(
        "Q2", "high_value_at_risk", "High value at risk", "Alerts our own people when a customer of high value falls "
        "behind.", "internal", _on("past_due"), _step("risk", after="0m", late="3d", act="alert"),
        audience="value_percentile >= 90 or score_drop >= 20", exit=EndsDoc(("paid", "canceled"), (), _SETTLED),
        goal=EndsDoc(("paid",)), priority=50, entry="one_at_a_time",
    ),
    _playbook(
        "Q3", "warm_lead", "Warm lead", "Asks whoever left a checkout whether something is in the way.", "marketing",
        _on("checkout_expired"), _step("lead", after="1h", late="2d"), audience=_WELCOME,
        exit=EndsDoc((), ("paid", "subscribed", "trial_started")), goal=EndsDoc((), ("paid", "subscribed")),
        priority=60, entry="one_at_a_time",
    ),
    _playbook(
        "N1", "check_in", "Post-purchase check-in", "Asks new customers how they are after a week.", "marketing",
        _on("paid", when="payments <= 1 and moment.amount > 0"), _step("check_in", after="7d", late="7d"),
        audience=_WELCOME, exit=EndsDoc(("canceled",), ("refunded", "disputed")), priority=40, entry="once",
        topic="check_in",
    ),
    _playbook(
        "N2", "second_purchase", "Second purchase", "Invites those who bought once, a month later.", "marketing",
        _on("paid", when="payments <= 1 and moment.amount > 0"), _step("second", after="30d", late="14d"),
        audience=f"{_WELCOME} and status = never",
        exit=EndsDoc((), ("paid", "subscribed", "refunded", "disputed")), goal=EndsDoc((), ("paid", "subscribed")),
        priority=30, entry="once", topic="second_purchase",
    ),
    _playbook(
        "N3", "win_back", "Win-back", "Writes to those who left, after one month and after three.", "marketing",
        _on("canceled"),
        _step("back_30", after="30d", late="14d"), _step("back_90", after="90d", late="14d"),
        audience=f"{_WELCOME} and status = canceled",
        exit=EndsDoc((), ("subscribed", "trial_started", "resumed", "disputed")),
        goal=EndsDoc((), ("subscribed",)), priority=50, entry="one_at_a_time",
    ),
    _playbook(
        "N4", "anniversary", "Anniversary", "Thanks for each year of payments.", "marketing",
        _on("paid", when="paid_months in (12, 24, 36, 48, 60, 72, 84, 96, 108, 120)"),
        _step("year", after="1d", late="14d"), audience=f"{_WELCOME} and status = active",
        exit=EndsDoc((), ("canceled", "refunded", "disputed")), priority=20, entry="one_at_a_time",
        caps=(CapDoc(1, "300d", "playbook"), CapDoc(1, "3d"), CapDoc(4, "30d")), topic="anniversary",
    ),
    _playbook(
        "N5", "cancel_save", "Cancellation scheduled", "Writes to those who have cancelled and are still here.",
        "marketing", _on("cancel_scheduled"), _step("save", after="1d", late="7d"), audience=_WELCOME,
        exit=EndsDoc(
            ("cancel_undone", "canceled"), ("disputed",),
            f"{_ENDING} or (object.kind is known and object.cancel_at is missing)",
        ),
        goal=EndsDoc(("cancel_undone",)), priority=70,
    ),
    _playbook(
        "N6", "refund_issued", "Refund issued",
        "Tells of a refund. A dispute sends nothing: it ends every nurturing of that customer.", "utility",
        _on("refunded"), _step("refund", after="0m", late="2d"),
        exit=EndsDoc((), ("disputed",), "object.status in (failed, canceled)"), priority=60,
    ),
)  # fmt: skip
BY_ID: Mapping[str, BuiltIn] = {each.id: each for each in BUILT_INS}

EXAMPLES: Mapping[str, str] = {
    "name": "Ana",
    "business": "Acme",
    "plan": "Pro",
    "number": "ACME-0042",
    "link": "https://invoice.stripe.com/i/acct_1/test_1",
    "amount": "EUR 19.99",
    "next_amount": "EUR 19.99",
    "next_date": "1 March 2027",
    "due_date": "1 March 2027",
    "period_end": "1 March 2027",
    "trial_end": "1 March 2027",
    "cancel_at": "1 March 2027",
    "next_attempt": "3 March 2027",
    "moment_date": "1 March 2027",
    "card_month": "March 2027",
    "months": "12",
}


def submissions(doc: PlaybookDoc) -> list[dict[str, Any]]:
    """Its templates as WhatsApp takes them for approval, one for each language."""
    if doc.category == "internal":
        return []
    return [_submission(text, doc.category) for texts in doc.templates.values() for text in texts.values()]


def _submission(text: TextDoc, category: Category) -> dict[str, Any]:
    examples = [{"param_name": name, "example": EXAMPLES[name]} for name in placeholders(text.body)]
    components: list[dict[str, Any]] = [
        {"type": "BODY", "text": text.body, "example": {"body_text_named_params": examples}}
    ]
    if text.footer:
        components.append({"type": "FOOTER", "text": text.footer})
    return {
        "name": text.name,
        "language": text.code,
        "category": category.upper(),
        "parameter_format": "NAMED",
        "components": components,
    }


def sample(body: str) -> str:
    """A text with made-up values."""
    return filled(body, EXAMPLES)
