"""The subscription: which, what it costs, whether it is on, renews, is cancelled, on trial or discounted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from bridged.conversation.facts import Fact, Item, Seen, facts_of, money_of
from bridged.conversation.ledger import Ledger, Rate, ended, ended_at, live, plan_name, rates
from bridged.conversation.owed import collection_method
from bridged.conversation.replies import Question, Told, limited, nobody_else, row
from bridged.conversation.schedule import RUNNING, Case, case_of, coming
from bridged.core.money import Money
from bridged.mirror.shapes import Json, amount, instant, obj, path, ref, rows, schedule_phases, text

_LATELY = 90 * 86_400
"""Seconds for which a cancellation is told to somebody who has another plan."""
_INTERVALS = frozenset({"day", "week", "month", "year"})


def _none(ledger: Ledger) -> tuple[Item, ...]:
    """No subscription now; when the last one ended, if there was one."""
    last = next(iter(ended(ledger)), None)
    when = ended_at(last) if last else None
    if last is None or when is None:
        return (row("no_subscription", nobody_else(ledger)),)
    return (row("plan_ended", last, when=when, at="ended_at", words=_named(ledger, last)),)


def _named(ledger: Ledger, seen: Seen) -> dict[str, str | None]:
    return {"plan": plan_name(ledger.facts, seen)}


def _rhythm(found: Rate) -> dict[str, str | None]:
    """The phrase for how often, and how many intervals if not one."""
    if found.interval not in _INTERVALS or found.money is None:
        return {}
    if found.every == 1:
        return {"rhythm": f"per_{found.interval}"}
    return {"rhythm": f"every_{found.interval}s", "every": str(found.every)}


@dataclass(frozen=True, slots=True)
class Course:
    """How a subscription goes on: when it renews next (Unix seconds; None: not, or it cannot be known), and when it is
    set to end.
    """

    renews: int | None
    ends: Fact | None


def course(ledger: Ledger, seen: Seen) -> Course:
    """What is set to happen to a subscription that is not over."""
    case = case_of(ledger.facts, seen)
    if case.stop is not None:
        return Course(None, case.stop)
    goes_on = text(seen.data.get("status")) in RUNNING and not seen.data.get("pause_collection")
    return Course(case.end if goes_on else None, _later(case))


def _later(case: Case) -> Fact | None:
    """The end of a subscription that renews before it ends."""
    at = instant(case.data.get("cancel_at"))
    if at is not None:
        return Fact(case.seen.id, "cancel_at", at, case.seen.as_of)
    schedule = case.schedule
    if schedule is None or schedule.data.get("status") != "active" or schedule.data.get("end_behavior") != "cancel":
        return None
    phases = schedule_phases(schedule.data)
    last = instant(phases[-1].get("end_date")) if phases else None
    return Fact(schedule.id, "phases[-1].end_date", last, schedule.as_of) if last else None


def _until(kind: str, each: Seen, ends: Fact, words: Mapping[str, str | None]) -> Item:
    return row(kind, each, when=instant(ends.value), at=ends.field, words=words, facts=(ends,))


def current_plan(ledger: Ledger, asked: Question) -> Told:
    """Which plan, its price and quantity, and its state where it is not simply on."""
    del asked
    found: list[Item] = []
    for each in live(ledger):
        found += [_plan(ledger, each, price) for price in rates(each)] or [row("plan_unnamed", each)]
        state = _state(ledger, each)
        if state.kind != "status_active":
            found.append(state)
    return limited(found) if found else Told(_none(ledger))


def _plan(ledger: Ledger, each: Seen, price: Rate) -> Item:
    quantity = [amount(item.get("quantity")) or 1 for item in price.items]
    count = str(quantity[0]) if len(quantity) == 1 and quantity[0] > 1 else None
    words = {"plan": plan_name(ledger.facts, each, price.items), "quantity": count, **_rhythm(price)}
    kind = ("plan_many" if count else "plan") if words["plan"] else "plan_unnamed"
    return row(kind, each, money=price.money, words=words, facts=price.facts)


def plan_price(ledger: Ledger, asked: Question) -> Told:
    """What each costs, and what is taken off."""
    del asked
    found: list[Item] = []
    for each in live(ledger):
        for price in rates(each):
            words = {"plan": plan_name(ledger.facts, each, price.items), **_rhythm(price)}
            kind = "price" if price.money is not None and "rhythm" in words else "price_varies"
            found.append(row(kind, each, money=price.money, words=words, facts=price.facts))
        found += _discounts(ledger, each)
    return limited(found) if found else Told(_none(ledger))


def subscription_status(ledger: Ledger, asked: Question) -> Told:
    """Whether each is on, and if not, how it stands."""
    del asked
    found = [_state(ledger, each) for each in live(ledger)]
    return limited(found) if found else Told(_none(ledger))


def _state(ledger: Ledger, each: Seen) -> Item:
    words, status = _named(ledger, each), text(each.data.get("status")) or ""
    used = facts_of(each, "status", "cancel_at_period_end")
    pause, ends = obj(each.data.get("pause_collection")), course(ledger, each).ends
    if pause:
        resumes = instant(pause.get("resumes_at"))
        return row("status_uncollected", each, when=resumes, at="pause_collection.resumes_at", words=words, facts=used)
    if ends is not None and status in {"active", "trialing"}:
        item = _until("status_until", each, ends, words)
        return replace(item, facts=(*item.facts, *used))
    if status == "trialing":
        end = instant(each.data.get("trial_end"))
        return row(
            "status_trialing" if end else "status_active", each, when=end, at="trial_end", words=words, facts=used
        )
    known = {"active", "past_due", "unpaid", "incomplete", "paused"}
    return row(f"status_{status}" if status in known else "unknown", each, words=words, facts=used)


def auto_renew(ledger: Ledger, asked: Question) -> Told:
    """Whether and when each renews."""
    del asked
    found = [item for each in live(ledger) for item in _renewal(ledger, each)]
    return limited(found) if found else Told(_none(ledger))


def _renewal(ledger: Ledger, each: Seen) -> tuple[Item, ...]:
    words, goes = _named(ledger, each), course(ledger, each)
    if goes.renews is None:
        known = goes.ends is not None and not each.data.get("pause_collection")
        return (_until("renews_not", each, goes.ends, words) if known and goes.ends else _state(ledger, each),)
    if each.data.get("status") == "trialing":
        return _after_trial(ledger, each)
    if goes.renews <= ledger.now:
        return (row("renewal_underway", each, when=goes.renews, at="current_period_end"),)
    if goes.ends is not None:
        then, used = instant(goes.ends.value), (goes.ends,)
        return (
            row("renews_until", each, when=goes.renews, then=then, at="current_period_end", words=words, facts=used),
        )
    kind = "renews_invoice" if collection_method(each.data) == "send_invoice" else "renews"
    return (row(kind, each, when=goes.renews, at="current_period_end", words=words),)


def _after_trial(ledger: Ledger, each: Seen) -> tuple[Item, ...]:
    """What comes at the end of a trial, which is no renewal where there is nothing to pay with."""
    coming_up = [item for item in coming(ledger.facts) if item.sources[:1] == (each.id,)]
    told = [replace(item, money=None, certainty="exact") for item in coming_up if item.kind.startswith("trial")]
    return tuple(told) or (_state(ledger, each),)


def cancel_status(ledger: Ledger, asked: Question) -> Told:
    """What is cancelled and until when it can be used; what is not."""
    del asked
    found: list[Item] = []
    running = live(ledger)
    over = [each for each in ended(ledger) if each.data.get("status") == "canceled"]
    for each in running:
        words, goes = _named(ledger, each), course(ledger, each)
        if goes.ends is not None:
            found.append(_until("cancel_scheduled", each, goes.ends, words))
        elif len(running) == 1 or not over:
            sure = goes.renews and goes.renews > ledger.now and each.data.get("status") != "trialing"
            renews = goes.renews if sure else None
            found.append(row("cancel_not", each, when=renews, at="current_period_end", words=words))
    for each in over[:1]:
        when = ended_at(each)
        recent = not running or (when or 0) >= ledger.now - _LATELY
        if when is not None and recent and not any(item.kind == "cancel_scheduled" for item in found):
            found.insert(0, row("cancel_done", each, when=when, at="ended_at", words=_named(ledger, each)))
    if running and not found:
        found = [row("cancel_not", each, words=_named(ledger, each)) for each in running]
    return limited(found) if found else Told(_none(ledger))


def trial_end(ledger: Ledger, asked: Question) -> Told:
    """When no trial runs: when the last one ended. (A running one is the next payment's to tell.)"""
    del asked
    past = [(end, each) for each in ledger.facts.subscriptions
            if (end := instant(each.data.get("trial_end"))) and end <= ledger.now]  # fmt: skip
    if not past:
        return Told((row("no_trial", nobody_else(ledger)),))
    end, each = max(past, key=lambda found: found[0])
    return Told((row("trial_over", each, when=end, at="trial_end", words=_named(ledger, each)),))


def on_trial(ledger: Ledger) -> bool:
    """Whether a trial is running."""
    return any(each.data.get("status") == "trialing" for each in live(ledger))


# --- discounts ---


def discount_status(ledger: Ledger, asked: Question) -> Told:
    """What is taken off, of what, and until when."""
    del asked
    found = [item for each in live(ledger) for item in _discounts(ledger, each)]
    customer = nobody_else(ledger)
    own = [_discount(ledger, customer, each, None) for each in _held(customer.data)]
    found += [each for each in own if each]
    return limited(found) if found else Told((row("no_discount", customer),))


def _discounts(ledger: Ledger, seen: Seen) -> list[Item]:
    held = [*_held(seen.data), *(each for item in rows(seen.data.get("items")) for each in _held(item))]
    found = [_discount(ledger, seen, each, plan_name(ledger.facts, seen)) for each in held]
    return [each for each in found if each]


def _held(owner: Json) -> list[object]:
    """Discounts in the old field or the new; where they are not expanded, their ids."""
    listed = owner.get("discounts")
    if isinstance(listed, list) and listed:
        return cast("list[object]", listed)
    return [owner["discount"]] if owner.get("discount") else []


def _discount(ledger: Ledger, seen: Seen, given: object, plan: str | None) -> Item | None:
    """None: it is over."""
    held = obj(given)
    end = instant(held.get("end"))
    if end is not None and end <= ledger.now:
        return None
    named = path(held, "source", "coupon") or held.get("coupon")
    coupon = obj(named) or ledger.coupons.get(ref(named) or "", {})
    percent, off = coupon.get("percent_off"), money_of(coupon.get("amount_off"), coupon.get("currency"))
    if isinstance(percent, int | float) and not isinstance(percent, bool):
        words = {"plan": plan, "percent": f"{percent:g}"}
        facts = (Fact(ref(coupon) or seen.id, "percent_off", f"{percent:g}", seen.as_of),)
        return row("discount_percent", seen, when=end, at="discount.end", words=words, facts=facts)
    if off is not None:
        return row("discount_amount", seen, when=end, at="discount.end", money=off, words={"plan": plan})
    taken = _taken(ledger, ref(given))
    kind = "discount_last" if taken and taken.amount else "discount_some"
    return row(kind, seen, when=end, at="discount.end", money=taken, words={"plan": plan})


def _taken(ledger: Ledger, discount: str | None) -> Money | None:
    """What a discount took off the newest invoice, if it did: all that is known where it is not expanded."""
    for invoice in ledger.invoices[:1]:
        for each in rows(invoice.data.get("total_discount_amounts")):
            if discount and ref(each.get("discount")) == discount:
                return money_of(each.get("amount"), invoice.data.get("currency"))
    return None
