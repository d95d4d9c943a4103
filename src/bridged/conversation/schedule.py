"""What comes: the decision table for subscriptions and their schedules, each case as a row of the answer."""

from dataclasses import dataclass, replace

from bridged.conversation.facts import (
    Fact,
    Facts,
    Item,
    Preview,
    Seen,
    clean_label,
    customer_of,
    facts_of,
    own,
)
from bridged.conversation.foresight import (
    Expected,
    expected,
    preview_amount,
    previewed_early,
    usable_preview,
    usage_billed,
)
from bridged.conversation.owed import DAY, FIRST_PAYMENT_HOURS, HOUR, collection_method, unknown
from bridged.core.money import Money
from bridged.mirror.shapes import (
    Json,
    amount,
    has_default_payment_method,
    instant,
    invoice_subscription,
    item_price,
    obj,
    pause_reason,
    price_product,
    ref,
    schedule_phases,
    schedule_setting,
    subscription_items,
    subscription_period_end,
    text,
    thresholds_set,
)

ENDED = frozenset({"canceled", "incomplete_expired"})
RUNNING = frozenset({"active", "past_due", "trialing"})
_METHODS = frozenset({"send_invoice", "charge_automatically"})
_PAUSES = {"void": "paused", "mark_uncollectible": "paused", "keep_as_draft": "paused_drafts"}
_WITHOUT_METHOD = {
    "cancel": "trial_no_method_cancel",
    "pause": "trial_no_method_pause",
    "create_invoice": "trial_no_method_invoice",
}
_SCHEDULES = frozenset({"not_started", "active", "completed", "released", "canceled"})
# Proration settings under which a phase change is billed at once rather than with the next renewal.
_BILLS_AT_BORDER = (("proration_behavior", "always_invoice"), ("billing_cycle_anchor", "phase_start"))


@dataclass(frozen=True, slots=True)
class Case:
    """A running subscription as the rows need it: when it renews, when it stops, the schedule that steers it."""

    facts: Facts
    seen: Seen
    end: int | None
    stop: Fact | None
    schedule: Seen | None

    @property
    def data(self) -> Json:
        return self.seen.data

    @property
    def trial(self) -> bool:
        return self.data.get("status") == "trialing"


def coming(facts: Facts) -> tuple[Item, ...]:
    """Every row that subscriptions and schedules give, the earliest first, those without a date last."""
    found = [item for seen in own(facts, facts.subscriptions) for item in _subscription(facts, seen)]
    found += [item for seen in own(facts, facts.schedules) for item in _schedule(facts, seen)]
    return tuple(sorted(found, key=lambda item: (item.when is None, item.when or 0, item.sources)))


def ended(facts: Facts) -> Seen | None:
    """The subscription that ended last."""
    over = [seen for seen in own(facts, facts.subscriptions) if text(seen.data.get("status")) in ENDED]
    return max(over, key=lambda seen: instant(seen.data.get("ended_at")) or 0, default=None)


def case_of(facts: Facts, seen: Seen) -> Case:
    end = subscription_period_end(seen.data)
    if seen.data.get("status") == "trialing":
        end = instant(seen.data.get("trial_end")) or end
    wanted = ref(seen.data.get("schedule"))
    schedule = next((one for one in own(facts, facts.schedules) if one.id == wanted), None)
    return Case(facts, seen, end, _stop(seen, schedule, end), schedule)


def _stop(seen: Seen, schedule: Seen | None, end: int | None) -> Fact | None:
    """When the subscription ends instead of renewing, and which field says so."""
    cancel_at = instant(seen.data.get("cancel_at"))
    if cancel_at is not None and end is not None and cancel_at <= end:
        return Fact(seen.id, "cancel_at", cancel_at, seen.as_of)
    if seen.data.get("cancel_at_period_end") is True and end is not None:
        return Fact(seen.id, "current_period_end", end, seen.as_of)
    if schedule is None or schedule.data.get("status") != "active" or schedule.data.get("end_behavior") != "cancel":
        return None
    phases = schedule_phases(schedule.data)
    last = instant(phases[-1].get("end_date")) if phases else None
    if last is None or end is None or last > end:
        return None
    return Fact(schedule.id, "phases[-1].end_date", last, schedule.as_of)


def resumes_later(case: Case) -> bool:
    """Whether collection is paused beyond the next renewal."""
    pause = obj(case.data.get("pause_collection"))
    resumes = instant(pause.get("resumes_at"))
    return bool(pause) and (resumes is None or case.end is None or resumes > case.end)


# --- subscriptions ---


def _subscription(facts: Facts, seen: Seen) -> tuple[Item, ...]:
    status = text(seen.data.get("status"))
    if status in ENDED:
        return ()
    if status in RUNNING:
        case = case_of(facts, seen)
        return (*_main(case), *_notes(case))
    if status == "incomplete":
        return _incomplete(facts, seen)
    if status == "unpaid":
        return (_row("subscription_unpaid", seen),)
    if status == "paused":
        failed = pause_reason(seen.data) in {"first_payment_failure", "final_payment_failure"}
        return (_row("subscription_paused_payable" if failed else "subscription_paused", seen),)
    return (unknown(seen, "status"),)


def _row(
    kind: str,
    seen: Seen,
    when: Fact | None = None,
    amounts: Expected | None = None,
    then: Fact | None = None,
) -> Item:
    """A row about one object; its dates are facts, so that none is shown without its source."""
    given = amounts or Expected(certainty="exact")
    dates = tuple(fact for fact in (when, then) if fact)
    return Item(
        kind,
        when=_instant_of(when),
        money=given.money,
        certainty=given.certainty,
        sources=(seen.id, *(fact.object_id for fact in dates if fact.object_id != seen.id)),
        then=_instant_of(then),
        facts=(*facts_of(seen, "status"), *dates, *given.facts),
    )


def _instant_of(fact: Fact | None) -> int | None:
    return instant(fact.value) if fact else None


def _incomplete(facts: Facts, seen: Seen) -> tuple[Item, ...]:
    """Only where the first invoice is not among the open ones, which carry the deadline themselves."""
    if any(
        invoice_subscription(one.data) == seen.id and one.data.get("status") == "open"
        for one in own(facts, facts.invoices)
    ):
        return ()
    created = instant(seen.data.get("created"))
    if created is None:
        return (unknown(seen, "status"),)
    deadline = Fact(seen.id, "created + 23 h", created + FIRST_PAYMENT_HOURS * HOUR, seen.as_of)
    kind = "incomplete" if created + FIRST_PAYMENT_HOURS * HOUR > facts.now else "incomplete_lapsed"
    return (_row(kind, seen, deadline),)


def _main(case: Case) -> tuple[Item, ...]:
    """The one row that says what happens at the end of the period."""
    method = collection_method(case.data)
    pause = obj(case.data.get("pause_collection"))
    if case.stop is not None:
        return (_ends(case, case.stop),)
    if pause and resumes_later(case):
        return (_paused(case, pause),)
    if case.end is None or method not in _METHODS:
        return (unknown(case.seen, "status", "collection_method"),)
    if case.end <= case.facts.now:
        return _underway(case, case.end)
    item = _trial(case, method) if case.trial else _renewal(case, "renewal", method)
    return (replace(item, label=_label(case), facts=item.facts + _label_facts(case)),)


def _end_fact(case: Case) -> Fact:
    name = "trial_end" if case.trial and instant(case.data.get("trial_end")) else "current_period_end"
    return Fact(case.seen.id, name, case.end, case.seen.as_of)


def _ends(case: Case, stop: Fact) -> Item:
    amounts = expected(case.facts, case.seen)
    found = usable_preview(case.facts, case.seen)
    if isinstance(found, Preview) and amounts.certainty == "exact" and amounts.money and amounts.money.amount > 0:
        kind = "ends_final_invoice"
    else:
        amounts = Expected(certainty="exact", facts=amounts.facts if amounts.nothing else ())
        kind = "ends_usage" if usage_billed(case.data) else "ends"
    if case.trial and kind == "ends":
        kind = "trial_ends"
    item = _row(kind, case.seen, stop, amounts)
    used = facts_of(case.seen, "cancel_at_period_end", "cancel_at")
    return replace(item, label=_label(case), facts=item.facts + used + _label_facts(case))


def _paused(case: Case, pause: Json) -> Item:
    behavior = text(pause.get("behavior"))
    kind = _PAUSES.get(behavior or "")
    if kind is None:
        return unknown(case.seen, "status")
    told = Fact(case.seen.id, "pause_collection.behavior", behavior, case.seen.as_of)
    resumes = instant(pause.get("resumes_at"))
    if resumes is None:
        item = _row(kind, case.seen)
    else:
        item = _row(f"{kind}_until", case.seen, _at(case.seen, "pause_collection.resumes_at", resumes))
    return replace(item, label=_label(case), facts=(*item.facts, told, *_label_facts(case)))


def _at(seen: Seen, field: str, when: int) -> Fact:
    return Fact(seen.id, field, when, seen.as_of)


def _underway(case: Case, end: int) -> tuple[Item, ...]:
    """The period is over: its invoice is among the drafts or open ones, or not known yet."""
    issued = (
        invoice_subscription(one.data) == case.seen.id and (instant(one.data.get("created")) or 0) >= end - HOUR
        for one in own(case.facts, case.facts.invoices)
    )
    if any(issued):
        return ()
    return (_row("renewal_underway", case.seen, _end_fact(case), Expected()),)


def _renewal(case: Case, kind: str, method: str) -> Item:
    amounts = expected(case.facts, case.seen)
    if amounts.nothing:
        return _row("no_upcoming", case.seen, None, replace(amounts, certainty="exact"))
    if amounts.certainty == "exact" and _is_zero(amounts.money):
        return _row(f"{kind}_zero", case.seen, _end_fact(case), amounts)
    if amounts.certainty == "exact" and _extra_before(case) is not None:
        # Single items in the preview may be billed by the invoice that comes before it.
        amounts = replace(amounts, certainty="estimate")
    if method == "charge_automatically":
        return _row(kind, case.seen, _end_fact(case), amounts)
    return _invoiced(kind, case.seen, _end_fact(case), amounts, amount(case.data.get("days_until_due")))


def _extra_before(case: Case) -> int | None:
    """When an invoice for single items comes before the renewal."""
    extra = instant(case.data.get("next_pending_invoice_item_invoice"))
    if extra is None or extra <= case.facts.now or (case.end is not None and extra >= case.end):
        return None
    return extra


def _is_zero(money: Money | None) -> bool:
    return money is not None and money.amount == 0


def _invoiced(kind: str, seen: Seen, issued: Fact, amounts: Expected, days: int | None) -> Item:
    """An invoice sent at `issued` and due `days` later."""
    start = _instant_of(issued)
    due = instant(start + days * DAY) if start is not None and days is not None and 0 <= days < 10_000 else None
    if due is None or days is None:
        return _row(f"{kind}_invoice_undated", seen, issued, amounts)
    item = _row(
        f"{kind}_invoice", seen, Fact(seen.id, f"{issued.field} + {days} days", due, seen.as_of), amounts, issued
    )
    return replace(item, facts=(*item.facts, Fact(seen.id, "days_until_due", days, seen.as_of)))


def _trial(case: Case, method: str) -> Item:
    customer = customer_of(case.facts)
    named = has_default_payment_method(case.data) or (customer and has_default_payment_method(customer.data))
    if method == "send_invoice" or named:
        return _renewal(case, "trial", method)
    settings = obj(obj(case.data.get("trial_settings")).get("end_behavior"))
    behavior = text(settings.get("missing_payment_method")) or "create_invoice"
    kind = _WITHOUT_METHOD.get(behavior)
    if kind is None:
        return unknown(case.seen, "status")
    amounts = expected(case.facts, case.seen)
    if kind == "trial_no_method_invoice" and (amounts.nothing or _is_zero(amounts.money)):
        return _renewal(case, "trial", method)
    if kind != "trial_no_method_invoice":
        amounts = Expected(certainty="exact")
    told = Fact(case.seen.id, "trial_settings.end_behavior.missing_payment_method", behavior, case.seen.as_of)
    item = _row(kind, case.seen, _end_fact(case), amounts)
    return replace(item, facts=(*item.facts, told))


# --- what may come besides ---


def _notes(case: Case) -> tuple[Item, ...]:
    found = (_pending_update(case), _extra_invoice(case), _thresholds(case), _phase_change(case))
    return tuple(item for item in found if item)


def _pending_update(case: Case) -> Item | None:
    expires = instant(obj(case.data.get("pending_update")).get("expires_at"))
    if expires is None or expires <= case.facts.now:
        return None
    return _row("pending_update", case.seen, _at(case.seen, "pending_update.expires_at", expires))


def _extra_invoice(case: Case) -> Item | None:
    extra = _extra_before(case)
    if extra is None:
        return None
    found = usable_preview(case.facts, case.seen)
    early = isinstance(found, Preview) and previewed_early(case.facts, case.seen)
    amounts = preview_amount(found, case.seen.id) if early and isinstance(found, Preview) else None
    return _row("extra_invoice", case.seen, _at(case.seen, "next_pending_invoice_item_invoice", extra), amounts)


def _thresholds(case: Case) -> Item | None:
    return _row("thresholds", case.seen) if thresholds_set(case.data) and case.stop is None else None


def _phase_change(case: Case) -> Item | None:
    """A phase that begins before the renewal and is billed at its border."""
    if case.schedule is None or case.end is None or case.schedule.data.get("status") != "active":
        return None
    for number, phase in enumerate(schedule_phases(case.schedule.data)):
        start = instant(phase.get("start_date"))
        billed = any(phase.get(name) == value for name, value in _BILLS_AT_BORDER)
        if billed and start is not None and case.facts.now < start < case.end:
            return _row("phase_change", case.seen, _at(case.schedule, f"phases[{number}].start_date", start))
    return None


# --- schedules that have not started ---


def _schedule(facts: Facts, seen: Seen) -> tuple[Item, ...]:
    status = text(seen.data.get("status"))
    if status not in _SCHEDULES:
        return (unknown(seen, "status"),)
    phases = schedule_phases(seen.data)
    if status != "not_started" or ref(seen.data.get("subscription")) is not None or not phases:
        return ()
    return (_planned(facts, seen, phases[0]),)


def _planned(facts: Facts, seen: Seen, phase: Json) -> Item:
    start = instant(phase.get("start_date"))
    trial_end = instant(phase.get("trial_end"))
    method = text(schedule_setting(seen.data, phase, "collection_method")) or "charge_automatically"
    if start is None or method not in _METHODS:
        return unknown(seen, "status")
    begins = _at(seen, "phases[0].start_date", start)
    if start <= facts.now:
        return _row("renewal_underway", seen, begins, Expected())
    found = facts.previews.get(seen.id)
    amounts = preview_amount(found, seen.id) if isinstance(found, Preview) else Expected()
    billed = _at(seen, "phases[0].trial_end", trial_end) if trial_end and trial_end > start else begins
    if _is_zero(amounts.money):
        return _row("schedule_zero", seen, begins, amounts)
    if method == "send_invoice":
        days = amount(schedule_setting(seen.data, phase, "invoice_settings", "days_until_due"))
        return _invoiced("schedule", seen, billed, amounts, days)
    if billed is begins:
        return _row("schedule", seen, begins, amounts)
    return _row("schedule_trial", seen, billed, amounts, begins)


# --- names ---


def _label(case: Case) -> str | None:
    return next((clean_label(fact.value) for fact in _label_facts(case)), None)


def _label_facts(case: Case) -> tuple[Fact, ...]:
    """What the customer knows the subscription by: its description, else its first product's name."""
    described = facts_of(case.seen, "description")
    if described and clean_label(described[0].value):
        return described
    for price in map(item_price, subscription_items(case.data)):
        product = price_product(price)
        name = clean_label(obj(price.get("product")).get("name")) or clean_label(case.facts.names.get(product or ""))
        if product and name:
            return (Fact(product, "name", name, case.seen.as_of),)
    return ()
