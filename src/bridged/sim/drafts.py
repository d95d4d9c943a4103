"""What an invoice says: lines, discounts, taxes, totals, what is due; one arithmetic for billing and previews."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from bridged.sim import money
from bridged.sim.objects import invoices
from bridged.sim.periods import price_boundary
from bridged.sim.pricing import shares
from bridged.sim.store import Account, Obj


@dataclass(frozen=True)
class Reduction:
    """A discount and its coupon."""

    discount: Obj
    coupon: Obj


def find(account: Account, kind: str, object_id: str) -> Obj:
    """The object, deleted or not: what was sold keeps its terms."""
    return account.get(kind, object_id) or account.deleted[kind][object_id]


def metered(price: Obj) -> bool:
    return price["recurring"]["usage_type"] == "metered"


def usage_of(account: Account, item_id: str) -> int:
    return account.hidden.get("usage", {}).get(item_id, 0)


def product_name(account: Account, price: Obj) -> str:
    return find(account, "products", price["product"])["name"]


def item_lines(account: Account, subscription: Obj, item: Obj, invoice_id: str, period: tuple[int, int]) -> list[Obj]:
    """One item's lines for a period; metered items are billed by their usage so far."""
    price = item["price"]
    quantity = usage_of(account, item["id"]) if metered(price) else int(item["quantity"] or 0)
    details: Obj = {
        "invoice_item": None,
        "proration": False,
        "proration_details": {"credited_items": None},
        "subscription": subscription["id"],
        "subscription_item": item["id"],
    }
    common: Obj = {
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": details,
            "type": "subscription_item_details",
        },
        "period": {"end": period[1], "start": period[0]},
        "pricing": invoices.pricing(price),
        "subscription": subscription["id"],
        "metadata": subscription["metadata"],
    }
    name = product_name(account, price)
    return [
        invoices.line(
            account,
            invoice_id,
            share.amount,
            subscription["currency"],
            quantity=share.quantity,
            quantity_decimal=str(share.quantity),
            description=f"{share.quantity} x {name}{f' ({share.note})' if share.note else ''}",
            **common,
        )
        for share in shares(account, price, quantity)
    ]


def due_items(subscription: Obj, at: int) -> list[Obj]:
    return [item for item in subscription["items"]["data"] if item["current_period_end"] <= at]


def renewal_lines(account: Account, subscription: Obj, invoice_id: str, at: int, *, final: bool = False) -> list[Obj]:
    """Lines for the items whose period ends at `at`: licensed ahead, metered behind. `final`: nothing ahead."""
    lines: list[Obj] = []
    for item in due_items(subscription, at):
        start, end = item["current_period_start"], item["current_period_end"]
        if metered(item["price"]):
            if subscription["status"] != "trialing":
                lines += item_lines(account, subscription, item, invoice_id, (start, end))
        elif not final:
            ahead = price_boundary(item["price"], subscription["billing_cycle_anchor"], end)
            lines += item_lines(account, subscription, item, invoice_id, (end, ahead))
    return lines


def pending_items(account: Account, customer_id: str, currency: str, subscription_id: str | None) -> list[Obj]:
    """Invoice items waiting for the customer's next invoice: those of this subscription and those of none."""
    waiting = account.hidden.get("pending", {}).get(customer_id, ())
    found: list[Obj] = []
    for item_id in waiting:
        item = account.get("invoiceitems", item_id)
        if item is None or item["currency"] != currency:
            continue
        parent: Obj | None = item["parent"]
        if parent is None or parent["subscription_details"]["subscription"] == subscription_id:
            found.append(item)
    return found


def pending_line(account: Account, item: Obj, invoice_id: str) -> Obj:
    """The line that bills an invoice item."""
    parent: Obj | None = item["parent"]
    subscription_id: str | None = parent["subscription_details"]["subscription"] if parent else None
    details: Obj = {
        "invoice_item": item["id"],
        "proration": item["proration"],
        "proration_details": {"credited_items": None},
        "subscription": subscription_id,
    }
    shape: Obj = {"invoice_item_details": details, "subscription_item_details": None, "type": "invoice_item_details"}
    if item["proration"] and parent:
        details["subscription_item"] = parent["subscription_details"]["subscription_item"]
        shape = {
            "invoice_item_details": None,
            "subscription_item_details": details,
            "type": "subscription_item_details",
        }
    return invoices.line(
        account,
        invoice_id,
        item["amount"],
        item["currency"],
        description=item["description"],
        discountable=item["discountable"],
        metadata=item["metadata"],
        parent=shape,
        period=item["period"],
        pricing=item["pricing"],
        quantity=item["quantity"],
        quantity_decimal=item["quantity_decimal"],
        subscription=subscription_id,
    )


def reductions(account: Account, customer: Obj, subscription: Obj | None, at: int) -> list[Reduction]:
    """The discounts an invoice made at `at` gets: the subscription's, or else the customer's."""
    found: list[Obj] = []
    if subscription:
        found = [find(account, "discounts", discount_id) for discount_id in subscription["discounts"]]
    if not found and customer["discount"]:
        found = [customer["discount"]]
    live = [discount for discount in found if discount["end"] is None or discount["end"] > at]
    return [with_coupon(account, discount) for discount in live]


def with_coupon(account: Account, discount: Obj) -> Reduction:
    return Reduction(discount, find(account, "coupons", discount["source"]["coupon"]))


def reductions_of(account: Account, discount_ids: Sequence[str]) -> list[Reduction]:
    """The discounts an invoice already has."""
    return [with_coupon(account, find(account, "discounts", discount_id)) for discount_id in discount_ids]


def discounted(lines: Sequence[Obj], reduction: Reduction, left: list[int], currency: str) -> list[int]:
    """What one discount takes off each line; `left` is what earlier discounts left of the lines."""
    weights = [max(0, rest) if line["discountable"] else 0 for line, rest in zip(lines, left, strict=True)]
    base, coupon = sum(weights), reduction.coupon
    if coupon["percent_off"] is not None:
        off = money.rounded(Fraction(str(coupon["percent_off"])) * base / 100, currency)
    else:
        off = min(base, coupon["amount_off"]) if coupon["currency"] == currency else 0
    return money.spread(off, weights, currency)


def taxes(rates: Sequence[Obj], net: int, customer: Obj, currency: str) -> list[Obj]:
    """The tax entries of a line whose amount after discounts is `net`."""
    if customer["tax_exempt"] == "exempt":
        return []
    reverse = customer["tax_exempt"] == "reverse"
    entries: list[Obj] = []
    for rate in rates:
        percentage = Fraction(0) if reverse else Fraction(str(rate["percentage"]))
        inclusive = rate["inclusive"]
        base = Fraction(net) / (1 + percentage / 100) if inclusive else Fraction(net)
        amount = net - money.rounded(base, currency) if inclusive else money.rounded(net * percentage / 100, currency)
        entries.append(
            {
                "amount": amount,
                "tax_behavior": "inclusive" if inclusive else "exclusive",
                "tax_rate_details": {"tax_rate": rate["id"]},
                "taxability_reason": "reverse_charge" if reverse else "standard_rated",
                "taxable_amount": net - amount if inclusive else net,
                "type": "tax_rate_details",
            }
        )
    return entries


def merged_taxes(lines: Sequence[Obj]) -> list[Obj]:
    """The lines' tax entries, added up for each rate."""
    found: dict[tuple[str, str], Obj] = {}
    for line in lines:
        for entry in line["taxes"]:
            key = (entry["tax_rate_details"]["tax_rate"], entry["tax_behavior"])
            old = found.get(key)
            sums = {"amount": 0, "taxable_amount": 0} if old is None else old
            both = {name: sums[name] + entry[name] for name in ("amount", "taxable_amount")}
            found[key] = {**entry, **both}
    return list(found.values())


def with_discounts(lines: list[Obj], cuts: list[tuple[Reduction, list[int]]]) -> list[Obj]:
    if not cuts:
        return lines
    return [
        {
            **line,
            "discount_amounts": [{"amount": cut[at], "discount": by.discount["id"]} for by, cut in cuts if cut[at]],
        }
        for at, line in enumerate(lines)
    ]


def figures(
    customer: Obj,
    currency: str,
    lines: list[Obj],
    rates: dict[str, list[Obj]],
    cuts: Sequence[Reduction],
) -> Obj:
    """All fields of an invoice that follow from its lines. `rates`: tax rates by line id."""
    left = [line["amount"] for line in lines]
    taken: list[tuple[Reduction, list[int]]] = []
    for reduction in cuts:
        cut = discounted(lines, reduction, left, currency)
        left = [rest - part for rest, part in zip(left, cut, strict=True)]
        taken.append((reduction, cut))
    lines = with_discounts(lines, taken)
    if any(rates.values()):
        lines = [
            {**line, "taxes": taxes(rates.get(line["id"], ()), net, customer, currency)}
            for line, net in zip(lines, left, strict=True)
        ]
    tax = merged_taxes(lines)
    subtotal = sum(line["amount"] for line in lines)
    exclusive = sum(entry["amount"] for entry in tax if entry["tax_behavior"] == "exclusive")
    inclusive = sum(entry["amount"] for entry in tax if entry["tax_behavior"] == "inclusive")
    total = sum(left) + exclusive
    return {
        "lines": lines,
        "discounts": [by.discount["id"] for by in cuts],
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - inclusive,
        "total": total,
        "total_excluding_tax": total - exclusive - inclusive,
        "total_discount_amounts": [{"amount": sum(cut), "discount": by.discount["id"]} for by, cut in taken],
        "total_taxes": tax,
        **due(customer, currency, total),
    }


def due(customer: Obj, currency: str, total: int) -> Obj:
    """What is left to pay after the customer's balance (negative: credit), and what the balance would become.

    An amount too small to charge is owed on the next invoice.
    """
    start = customer["balance"] if customer["currency"] in (None, currency) else 0
    owed = total + start
    if owed < 0 or 0 < owed < money.minimum(currency):
        amount, end = 0, owed
    else:
        amount, end = owed, 0
    return {
        "starting_balance": start,
        "ending_balance": end,
        "amount_due": amount,
        "amount_remaining": amount,
        "amount_paid": 0,
    }


def compose(account: Account, subscription: Obj, invoice_id: str, at: int, *, final: bool = False) -> Obj:
    """The contents of the invoice for the periods of `subscription` that end at `at`, with what is pending."""
    customer = find(account, "customers", subscription["customer"])
    lines = renewal_lines(account, subscription, invoice_id, at, final=final)
    return fill(account, customer, subscription, invoice_id, lines, at)


def fill(account: Account, customer: Obj, subscription: Obj, invoice_id: str, lines: list[Obj], at: int) -> Obj:
    """The contents of a subscription's invoice: these lines and what is pending."""
    currency = subscription["currency"]
    own: dict[str, list[Obj]] = {
        item["id"]: item["tax_rates"] for item in subscription["items"]["data"] if item["tax_rates"]
    }
    default: list[Obj] = subscription["default_tax_rates"]
    rates: dict[str, list[Obj]] = {}
    if own or default:
        for line in lines:
            rates[line["id"]] = own.get(line["parent"]["subscription_item_details"]["subscription_item"], default)
    waiting = pending_items(account, customer["id"], currency, subscription["id"])
    for item in waiting:
        line = pending_line(account, item, invoice_id)
        rates[line["id"]] = item["tax_rates"] or default
        lines.append(line)
    contents = figures(customer, currency, lines, rates, reductions(account, customer, subscription, at))
    return {**contents, "pending_items": [item["id"] for item in waiting], "default_tax_rates": default}
