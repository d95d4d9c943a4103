"""The subscription: which, what it costs, whether it is on, renews, is cancelled, on trial or discounted."""

from __future__ import annotations

from typing import cast

from bridged.conversation.facts import Fact, Item, Seen, clean_label, facts_of, money_of
from bridged.conversation.ledger import Ledger, Rate, ended, ended_at, live, plan_name, rate
from bridged.conversation.owed import collection_method
from bridged.conversation.replies import Question, Told, limited, nobody_else, row
from bridged.mirror.shapes import Json, amount, instant, obj, path, ref, rows, subscription_period_end, text

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


def stop_of(seen: Seen) -> int | None:
    """When a running subscription is set to end."""
    at = instant(seen.data.get("cancel_at"))
    if at is None and seen.data.get("cancel_at_period_end") is True:
        return subscription_period_end(seen.data)
    return at


def current_plan(ledger: Ledger, asked: Question) -> Told:
    """Which plan, its price and quantity, and its state where it is not simply on."""
    del asked
    found: list[Item] = []
    for each in live(ledger):
        price = rate(each)
        quantity = [amount(item.get("quantity")) or 1 for item in rows(each.data.get("items"))]
        count = str(quantity[0]) if len(quantity) == 1 and quantity[0] > 1 else None
        words = _named(ledger, each) | _rhythm(price) | {"quantity": count}
        kind = "plan" if words["plan"] else "plan_unnamed"
        found.append(row(kind, each, money=price.money, words=words, facts=price.facts))
        state = _state(ledger, each)
        if state.kind != "status_active":
            found.append(state)
    return limited(found) if found else Told(_none(ledger))


def plan_price(ledger: Ledger, asked: Question) -> Told:
    """What each costs, and what is taken off."""
    del asked
    found: list[Item] = []
    for each in live(ledger):
        price = rate(each)
        words = _named(ledger, each) | _rhythm(price)
        kind = "price" if "rhythm" in words else "price_varies"
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
    pause = obj(each.data.get("pause_collection"))
    stop = stop_of(each)
    if status == "paused" or pause:
        resumes = instant(pause.get("resumes_at"))
        kind = "status_paused_until" if resumes else "status_paused"
        return row(kind, each, when=resumes, at="pause_collection.resumes_at", words=words, facts=used)
    if stop is not None and status in {"active", "trialing", "past_due"}:
        return row("status_until", each, when=stop, at="cancel_at", words=words, facts=used)
    if status == "trialing":
        end = instant(each.data.get("trial_end"))
        return row(
            "status_trialing" if end else "status_active", each, when=end, at="trial_end", words=words, facts=used
        )
    known = {"active", "past_due", "unpaid", "incomplete"}
    return row(f"status_{status}" if status in known else "unknown", each, words=words, facts=used)


def auto_renew(ledger: Ledger, asked: Question) -> Told:
    """Whether and when each renews."""
    del asked
    found: list[Item] = []
    for each in live(ledger):
        words, stop, end = _named(ledger, each), stop_of(each), subscription_period_end(each.data)
        if stop is not None:
            found.append(row("renews_not", each, when=stop, at="cancel_at", words=words))
        elif (
            end is None
            or text(each.data.get("status")) not in {"active", "trialing", "past_due"}
            or each.data.get("pause_collection")
        ):
            found.append(_state(ledger, each))
        else:
            sent = collection_method(each.data) == "send_invoice"
            kind = "renews_invoice" if sent else "renews"
            found.append(row(kind, each, when=end, at="current_period_end", words=words))
    return limited(found) if found else Told(_none(ledger))


def cancel_status(ledger: Ledger, asked: Question) -> Told:
    """What is cancelled and until when it can be used; what is not."""
    del asked
    found: list[Item] = []
    running = live(ledger)
    for each in running:
        words, stop = _named(ledger, each), stop_of(each)
        if stop is not None:
            found.append(row("cancel_scheduled", each, when=stop, at="cancel_at", words=words))
        elif len(running) == 1 or not ended(ledger):
            end = subscription_period_end(each.data)
            found.append(row("cancel_not", each, when=end, at="current_period_end", words=words))
    for each in ended(ledger)[:1]:
        when = ended_at(each)
        if when is not None and not any(item.kind == "cancel_scheduled" for item in found):
            found.insert(0, row("cancel_done", each, when=when, at="ended_at", words=_named(ledger, each)))
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
    found += [_discount(ledger, customer, each, None) for each in _held(customer.data)]
    return limited(found) if found else Told((row("no_discount", customer),))


def _discounts(ledger: Ledger, seen: Seen) -> list[Item]:
    held = [*_held(seen.data), *(each for item in rows(seen.data.get("items")) for each in _held(item))]
    return [_discount(ledger, seen, each, plan_name(ledger.facts, seen)) for each in held]


def _held(owner: Json) -> list[Json]:
    """Discounts in the old field or the new; where they are not expanded, only that there are some."""
    old = obj(owner.get("discount"))
    listed = owner.get("discounts")
    if isinstance(listed, list) and listed:
        return [obj(each) for each in cast("list[object]", listed)]
    return [old] if old else []


def _discount(ledger: Ledger, seen: Seen, held: Json, plan: str | None) -> Item:
    named = path(held, "source", "coupon") or held.get("coupon")
    coupon = obj(named) or ledger.coupons.get(ref(named) or "", {})
    percent, off = coupon.get("percent_off"), money_of(coupon.get("amount_off"), coupon.get("currency"))
    end = instant(held.get("end"))
    shown = f"{percent:g}" if isinstance(percent, int | float) and not isinstance(percent, bool) else None
    words = {"plan": plan, "percent": shown, "coupon": clean_label(coupon.get("name"))}
    kind = "discount_percent" if shown else "discount_amount" if off else "discount_some"
    facts = [Fact(ref(coupon) or seen.id, "percent_off", shown, seen.as_of)] if shown else []
    return row(kind, seen, when=end, at="discount.end", money=off if not shown else None, words=words, facts=facts)
