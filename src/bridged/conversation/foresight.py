"""How much a coming renewal will be: Stripe's preview, else an estimate from price and quantity, else no figure."""

from dataclasses import dataclass

from bridged.conversation.facts import Certainty, Fact, Facts, NoUpcoming, Preview, Seen, money_of
from bridged.core.money import Money
from bridged.mirror.shapes import (
    Json,
    amount,
    discounted,
    instant,
    item_price,
    obj,
    path,
    price_unit_amount,
    price_usage_type,
    ref,
    renewing_items,
    schedule_phases,
    subscription_items,
    subscription_period_end,
    subscription_period_start,
    taxed,
    text,
)

PREVIEW_BORDER = 3600


@dataclass(frozen=True, slots=True)
class Expected:
    """The amount of a coming invoice. `nothing` is Stripe's word that no further invoice comes."""

    money: Money | None = None
    certainty: Certainty = "unknown"
    facts: tuple[Fact, ...] = ()
    nothing: bool = False


def usable_preview(facts: Facts, subscription: Seen) -> Preview | NoUpcoming | None:
    """The stored preview, unless it was made before the running period and so shows an invoice already issued."""
    found = facts.previews.get(subscription.id)
    if not isinstance(found, Preview | NoUpcoming):
        return None
    start = subscription_period_start(subscription.data)
    return None if start is not None and found.as_of < start <= facts.now else found


def previewed_early(facts: Facts, subscription: Seen) -> bool:
    """Whether the preview shows the extra invoice for pending items, which comes before the renewal."""
    found = usable_preview(facts, subscription)
    extra = instant(subscription.data.get("next_pending_invoice_item_invoice"))
    end = subscription_period_end(subscription.data)
    if not isinstance(found, Preview) or extra is None or end is None or extra >= end - PREVIEW_BORDER:
        return False
    billed = instant(found.invoice.get("period_end"))
    return billed is not None and abs(billed - extra) <= PREVIEW_BORDER


def preview_amount(preview: Preview, owner: str) -> Expected:
    money = money_of(preview.invoice.get("amount_due"), preview.invoice.get("currency"))
    if money is None:
        return Expected()
    used = (
        Fact(owner, "preview.amount_due", money.amount, preview.as_of),
        Fact(owner, "preview.currency", money.currency, preview.as_of),
    )
    return Expected(money, "exact", used)


def expected(facts: Facts, subscription: Seen) -> Expected:
    """The amount of the subscription's renewal."""
    found = usable_preview(facts, subscription)
    if isinstance(found, NoUpcoming):
        used = (Fact(subscription.id, "preview", "invoice_upcoming_none", found.as_of),)
        return Expected(facts=used, nothing=True)
    if isinstance(found, Preview) and not previewed_early(facts, subscription):
        return preview_amount(found, subscription.id)
    return _estimate(facts, subscription)


def _estimate(facts: Facts, subscription: Seen) -> Expected:
    """Price times quantity; no figure where tax, discounts, usage, balance or a planned change would make it wrong."""
    if not _plain(facts, subscription):
        return Expected()
    total: Money | None = None
    used: list[Fact] = []
    for item in renewing_items(subscription.data):
        part = _item_money(item)
        if part is None or (total is not None and total.currency != part.currency):
            return Expected()
        total = part if total is None else total + part
        used.append(Fact(ref(item) or subscription.id, "unit_amount x quantity", part.amount, subscription.as_of))
    if total is None:
        return Expected()
    used.append(Fact(subscription.id, "currency", total.currency, subscription.as_of))
    used.append(Fact(subscription.id, "sum of unit_amount x quantity", total.amount, subscription.as_of))
    return Expected(total, "estimate", tuple(used))


def _plain(facts: Facts, subscription: Seen) -> bool:
    data = subscription.data
    customer = obj(facts.customer.data if facts.customer else None)
    balance = amount(customer.get("balance")) or any(obj(customer.get("invoice_credit_balance")).values())
    changed = data.get("pending_update") or data.get("next_pending_invoice_item_invoice")
    has_more = obj(data.get("items")).get("has_more") is True
    uncertain = balance or changed or has_more or discounted(data) or discounted(customer) or taxed(data)
    return not uncertain and not _phase_changes(facts, subscription)


def _phase_changes(facts: Facts, subscription: Seen) -> bool:
    """Whether a schedule may alter the price at or before the renewal."""
    wanted = ref(subscription.data.get("schedule"))
    if wanted is None:
        return False
    known = next((seen for seen in facts.schedules if seen.id == wanted), None)
    end = subscription_period_end(subscription.data)
    if known is None or end is None:
        return True
    starts = (instant(phase.get("start_date")) for phase in schedule_phases(known.data))
    return any(start is not None and facts.now < start <= end for start in starts)


def _item_money(item: Json) -> Money | None:
    price = item_price(item)
    quantity = 1 if item.get("quantity") is None else amount(item.get("quantity"))
    unit = price_unit_amount(price)
    simple = (
        text(price.get("billing_scheme")) in {None, "per_unit"}
        and price_usage_type(price) in {None, "licensed"}
        and not (price.get("transform_quantity") or price.get("transform_usage"))
        and not (discounted(item) or taxed(item) or item.get("billed_until"))
    )
    if not simple or unit is None or quantity is None:
        return None
    return money_of(unit * quantity, price.get("currency"))


def usage_billed(subscription: Json) -> bool:
    """Whether usage is billed afterwards, so that an invoice may come after the end."""
    prices = map(item_price, subscription_items(subscription))
    return any(price_usage_type(price) == "metered" or path(price, "recurring", "meter") for price in prices)
