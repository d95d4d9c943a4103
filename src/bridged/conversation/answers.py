"""The answer to "when is my next payment due, and how much is it": what is owed now, then what comes, then the rest.

`needs` names the reads still missing; the caller makes them fresh, adds them to `Facts.tried` and asks again.
`next_payment` never fails for want of them: what can't be known is said to be unknown.
"""

from dataclasses import replace

from bridged.conversation.dates import country_of, locale_for, zone_for
from bridged.conversation.facts import (
    Answer,
    Fact,
    Facts,
    Foresight,
    Item,
    Need,
    NoUpcoming,
    Preview,
    Refused,
    Seen,
    customer_of,
    facts_of,
    own,
    unlinked,
)
from bridged.conversation.foresight import usable_preview
from bridged.conversation.owed import collection_method, default_intent_id, drafts, lone_intents, open_invoices, owed
from bridged.conversation.schedule import RUNNING, Case, case_of, coming, ended, resumes_later
from bridged.conversation.wording import Voice, known_language, render
from bridged.mirror.shapes import has_default_payment_method, instant, ref, text

__all__ = [
    "Answer",
    "Fact",
    "Facts",
    "Foresight",
    "Item",
    "Need",
    "NoUpcoming",
    "Preview",
    "Refused",
    "Seen",
    "needs",
    "next_payment",
    "refusal",
    "voice_of",
]

STALE_AFTER = 300
# A preview is a snapshot that no event keeps fresh; within this time a second question may use the same one.
PREVIEW_AGE = 60
# More rows than this are counted, not told.
SHOWN_ROWS = 6


# --- what must be read first ---


def needs(facts: Facts) -> tuple[Need, ...]:
    """The reads that could still change the answer, without those already tried. Empty: ask `next_payment`."""
    if customer_of(facts) is None:
        return ()
    wanted = {
        *(need for seen in own(facts, facts.subscriptions) for need in _subscription_needs(facts, seen)),
        *(need for seen in open_invoices(facts) for need in _invoice_needs(facts, seen)),
        *(need for seen in own(facts, facts.schedules) for need in _schedule_needs(facts, seen)),
    }
    return tuple(sorted(wanted - facts.tried))


def _subscription_needs(facts: Facts, seen: Seen) -> tuple[Need, ...]:
    if text(seen.data.get("status")) not in RUNNING:
        return ()
    case = case_of(facts, seen)
    found: list[Need] = []
    wanted = ref(seen.data.get("schedule"))
    if wanted is not None and case.schedule is None:
        found.append(Need("schedule", wanted))
    if case.end is not None and case.end <= facts.now:
        found.append(Need("subscription", seen.id))
    elif _preview_wanted(case):
        found.append(Need("preview", seen.id))
    if _payment_method_unknown(case):
        found.append(Need("customer", facts.customer.id if facts.customer else ""))
    return tuple(found)


def _preview_wanted(case: Case) -> bool:
    """A cancelled one too: usage and open items may still be billed."""
    if case.stop is None and resumes_later(case):
        return False
    found = usable_preview(case.facts, case.seen)
    return found is None or case.facts.now - found.as_of > PREVIEW_AGE


def _payment_method_unknown(case: Case) -> bool:
    customer = customer_of(case.facts)
    charged = collection_method(case.data) == "charge_automatically"
    if not (case.trial and charged and customer) or has_default_payment_method(case.data):
        return False
    return "invoice_settings" not in customer.data


def _invoice_needs(facts: Facts, seen: Seen) -> tuple[Need, ...]:
    """The default payment's state where Stripe plans no attempt; else only whose payment a lone PaymentIntent is."""
    linked = default_intent_id(facts, seen)
    if instant(seen.data.get("next_payment_attempt")) is not None:
        return (Need("invoice_payments", seen.id),) if linked is None and lone_intents(facts) else ()
    if linked is None:
        return (Need("invoice_payments", seen.id),)
    known = any(intent.id == linked for intent in facts.payment_intents)
    return () if known else (Need("payment_intent", linked),)


def _schedule_needs(facts: Facts, seen: Seen) -> tuple[Need, ...]:
    found = facts.previews.get(seen.id)
    recent = found is not None and not isinstance(found, Refused) and facts.now - found.as_of <= PREVIEW_AGE
    return () if seen.data.get("status") != "not_started" or recent else (Need("schedule_preview", seen.id),)


# --- the answer ---


def next_payment(
    facts: Facts,
    language: str = "en",
    *,
    intent: str = "next_payment_date",
    stale_after: int = STALE_AFTER,
    links: bool = True,
    only: str = "",
) -> Answer:
    """The whole decision table for one customer, said in `language` (another one's question is answered in English).

    `links`: whether the pages where invoices are paid may be named. `only`: rows whose kind begins so, where
    there are any.
    """
    customer = customer_of(facts)
    if customer is None:
        return refusal(language, intent)
    every = _items(facts, customer)
    items = tuple(each for each in every if each.kind.startswith(only)) or every
    if not links:
        items = tuple(map(unlinked, items))
    voice = voice_of(facts, language)
    shown, left = items[:SHOWN_ROWS], items[SHOWN_ROWS:]
    used = tuple(dict.fromkeys(fact for item in items for fact in item.facts))
    as_of = min((fact.as_of for fact in used), default=customer.as_of)
    stale = facts.doubtful and facts.now - as_of > stale_after
    if left:
        used = (*used, Fact(customer.id, "further items", len(left), as_of))
    return Answer(
        text=render(shown, voice, further=len(left), as_of=as_of if stale else None),
        intent=intent,
        items=items,
        facts=used,
        as_of=as_of,
        language=voice.language,
        locale=voice.locale,
        zone=voice.zone,
        handoff=any(item.kind == "unknown" for item in items),
    )


def refusal(language: str, intent: str = "next_payment_date") -> Answer:
    """The same words whether the customer is unknown, deleted or someone else's: nothing is revealed."""
    return _bare("refusal", language, intent)


def _bare(kind: str, language: str, intent: str) -> Answer:
    spoken = known_language(language)
    voice = Voice(spoken, locale_for(None, spoken), "UTC", 0)
    items = (Item(kind, certainty="unknown"),)
    return Answer(render(items, voice), intent, items, (), None, spoken, voice.locale, voice.zone)


def _items(facts: Facts, customer: Seen) -> tuple[Item, ...]:
    later = sorted((*drafts(facts), *coming(facts)), key=lambda item: _turn(item, facts.now))
    return (*owed(facts), *later) or (_nothing(facts, customer),)


def _turn(item: Item, now: int) -> tuple[bool, int]:
    """The earliest first; what comes shortly counts as now, what has no date comes last."""
    if item.when is None and item.kind.endswith("_soon"):
        return (False, now)
    return (item.when is None, item.when or 0)


def _nothing(facts: Facts, customer: Seen) -> Item:
    last = ended(facts)
    if last is None:
        return Item("nothing_due", sources=(customer.id,), facts=facts_of(customer, "id"))
    when = instant(last.data.get("ended_at"))
    item = Item("subscription_ended", when=when, sources=(last.id,), facts=facts_of(last, "status", "ended_at"))
    return item if when is not None else replace(item, kind="nothing_due")


def voice_of(facts: Facts, language: str) -> Voice:
    """How the customer is spoken to: their locale and zone as far as known, else the merchant's."""
    spoken = known_language(language)
    customer = customer_of(facts)
    merchant = facts.zone or zone_for(facts.country, None, facts.now)
    if customer is None:
        return Voice(spoken, locale_for(None, spoken), merchant, facts.now)
    locale = locale_for(customer.data.get("preferred_locales"), spoken)
    return Voice(spoken, locale, zone_for(country_of(customer.data), merchant, facts.now), facts.now)
