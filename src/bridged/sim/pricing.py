"""What a price asks for a quantity: per unit, by package, by tiers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from bridged.sim.money import rounded
from bridged.sim.store import Account, Obj


@dataclass(frozen=True)
class Share:
    """One invoice line's worth of a price."""

    amount: int
    quantity: int
    note: str = ""


def set_tiers(account: Account, price_id: str, tiers: list[Obj]) -> None:
    """Prices show their tiers only on request, so they are kept aside; the last tier's `up_to` is None."""
    account.hidden.setdefault("tiers", {})[price_id] = tiers


def tiers_of(account: Account, price_id: str) -> list[Obj]:
    return account.hidden.get("tiers", {}).get(price_id, [])


def shares(account: Account, price: Obj, quantity: int) -> list[Share]:
    """The lines a quantity of this price makes; graduated tiers make one each."""
    if price["billing_scheme"] == "tiered":
        tiers = tiers_of(account, price["id"])
        return (
            graduated(price, tiers, quantity)
            if price["tiers_mode"] == "graduated"
            else [volume(price, tiers, quantity)]
        )
    divide: Obj | None = price["transform_quantity"]
    units = quantity
    if divide:
        size = int(divide["divide_by"])
        units = -(-quantity // size) if divide["round"] == "up" else quantity // size
    if price["unit_amount"] is not None:
        return [Share(rounded(price["unit_amount"] * units, price["currency"]), quantity)]
    return [Share(rounded(Fraction(price["unit_amount_decimal"] or 0) * units, price["currency"]), quantity)]


def tier_amount(price: Obj, tier: Obj, quantity: int) -> int:
    return rounded(
        Fraction(str(tier["unit_amount"] or 0)) * quantity + int(tier["flat_amount"] or 0), price["currency"]
    )


def volume(price: Obj, tiers: list[Obj], quantity: int) -> Share:
    """All units at the rate of the tier the total falls in."""
    tier = next(tier for tier in tiers if tier["up_to"] is None or quantity <= tier["up_to"])
    return Share(tier_amount(price, tier, quantity), quantity)


def graduated(price: Obj, tiers: list[Obj], quantity: int) -> list[Share]:
    """Each tier's units at that tier's rate."""
    found: list[Share] = []
    start = 0
    for number, tier in enumerate(tiers, start=1):
        end = quantity if tier["up_to"] is None else min(quantity, tier["up_to"])
        if end > start or (quantity == 0 and number == 1):
            found.append(Share(tier_amount(price, tier, end - start), end - start, f"Tier {number}"))
        start = max(start, end)
    return found


def total(account: Account, price: Obj, quantity: int) -> int:
    return sum(share.amount for share in shares(account, price, quantity))
