"""Random legal changes of state, for simulations that keep a world moving under a mirror."""

from __future__ import annotations

import random
from collections.abc import Callable

from bridged.sim import catalogue, credit, invoicing, lifecycle, reversals, standing
from bridged.sim.store import Account, Obj

LIVE = ("active", "trialing", "past_due")


def pick(account: Account, rng: random.Random, kind: str, wanted: Callable[[Obj], bool]) -> Obj | None:
    """A random object of a kind that fits, among a few dozen tries."""
    ranks = account.collection(kind).order
    for _ in range(40 if ranks else 0):
        found = account.collection(kind).objects[rng.choice(ranks)[2]]
        if wanted(found):
            return found
    return None


def live(account: Account, rng: random.Random) -> Obj | None:
    return pick(
        account,
        rng,
        "subscriptions",
        lambda one: one["status"] in LIVE and bool(account.get("customers", one["customer"])),
    )


def rename(account: Account, rng: random.Random) -> Obj | None:
    found = pick(account, rng, "customers", lambda _: True)
    state: Obj = {"name": f"Renamed {rng.randrange(10**6)} ✎", "metadata": {"turn": str(rng.randrange(10**6))}}
    return account.update("customers", found["id"], state, "customer.updated") if found else None


def arrive(account: Account, rng: random.Random) -> Obj | None:
    made = catalogue.new_customer(
        account, name=f"New {rng.randrange(10**6)}", email=f"new{rng.randrange(10**6)}@example.com"
    )
    catalogue.give_method(account, made["id"], rng.choice(("ok", "ok", "ok", "card_declined", "requires_action")))
    price = pick(
        account,
        rng,
        "prices",
        lambda one: one["type"] == "recurring" and one["active"] and one["billing_scheme"] == "per_unit",
    )
    if price and price["recurring"]["usage_type"] == "licensed":
        lifecycle.start(account, made["id"], lifecycle.Terms([(price, rng.randrange(1, 4), [])]))
    return account.get("customers", made["id"])


def leave(account: Account, rng: random.Random) -> Obj | None:
    found = pick(account, rng, "customers", lambda _: True)
    return lifecycle.delete_customer(account, found["id"]) if found else None


def cancel(account: Account, rng: random.Random) -> Obj | None:
    found = live(account, rng)
    return lifecycle.cancel_now(account, found) if found else None


def announce_end(account: Account, rng: random.Random) -> Obj | None:
    found = live(account, rng)
    if found is None:
        return None
    ends = not found["cancel_at_period_end"]
    state: Obj = {**lifecycle.at_period_end(found, ends=ends), "canceled_at": account.clock.now if ends else None}
    changed = standing.change(account, found, state)
    lifecycle.arrange(account, changed)
    return changed


def resize(account: Account, rng: random.Random) -> Obj | None:
    found = live(account, rng)
    item = next((one for one in found["items"]["data"] if one["quantity"]), None) if found else None
    if found is None or item is None:
        return None
    how = rng.choice(("create_prorations", "none", "always_invoice"))
    return lifecycle.change_item(account, found, item["id"], item["price"], rng.randrange(1, 9), how)


def pay(account: Account, rng: random.Random) -> Obj | None:
    found = pick(account, rng, "invoices", lambda one: one["status"] == "open")
    if found:
        invoicing.remit(account, found["id"])
    return found and account.get("invoices", found["id"])


def void(account: Account, rng: random.Random) -> Obj | None:
    found = pick(account, rng, "invoices", lambda one: one["status"] == "open")
    return invoicing.void(account, found["id"]) if found else None


def refund(account: Account, rng: random.Random) -> Obj | None:
    found = pick(
        account,
        rng,
        "charges",
        lambda one: one["status"] == "succeeded" and one["amount_refunded"] == 0 and not one["disputed"],
    )
    return reversals.refund(account, found["id"], found["amount"], fails=rng.random() < 0.2) if found else None


def contest(account: Account, rng: random.Random) -> Obj | None:
    found = pick(
        account,
        rng,
        "charges",
        lambda one: one["status"] == "succeeded" and one["amount_refunded"] == 0 and not one["disputed"],
    )
    return reversals.dispute(account, found["id"]) if found else None


def add_item(account: Account, rng: random.Random) -> Obj | None:
    found = live(account, rng)
    if found is None:
        return None
    amount = catalogue.local(rng.randrange(200, 5000), found["currency"])
    return lifecycle.add_pending(account, found["customer"], amount, found["currency"], description="Extra work")


def swap_card(account: Account, rng: random.Random) -> Obj | None:
    found = pick(account, rng, "customers", lambda _: True)
    return catalogue.give_method(account, found["id"], rng.choice(("ok", "insufficient_funds"))) if found else None


def pause(account: Account, rng: random.Random) -> Obj | None:
    found = live(account, rng)
    if found is None:
        return None
    on: Obj | None = (
        None if found["pause_collection"] else {"behavior": rng.choice(("void", "keep_as_draft")), "resumes_at": None}
    )
    return standing.change(account, found, {"pause_collection": on})


def set_balance(account: Account, rng: random.Random) -> Obj | None:
    found = pick(account, rng, "customers", lambda one: one["currency"] is not None)
    if found is None:
        return None
    amount = catalogue.local(rng.randrange(100, 3000), found["currency"]) * rng.choice((1, -1))
    credit.shift(account, found, amount, found["currency"], "adjustment")
    return account.get("customers", found["id"])


def retitle(account: Account, rng: random.Random) -> Obj | None:
    found = pick(account, rng, "products", lambda _: True)
    state: Obj = {"description": f"Edition {rng.randrange(10**6)}", "updated": account.clock.now}
    return account.update("products", found["id"], state, "product.updated") if found else None


CHANGES: tuple[tuple[Callable[[Account, random.Random], Obj | None], int], ...] = (
    (rename, 12),
    (arrive, 8),
    (leave, 2),
    (cancel, 3),
    (announce_end, 6),
    (resize, 8),
    (pay, 10),
    (void, 3),
    (refund, 6),
    (contest, 2),
    (add_item, 8),
    (swap_card, 6),
    (pause, 4),
    (set_balance, 4),
    (retitle, 2),
)


def random_change(account: Account, rng: random.Random) -> Obj | None:
    """One change of state, legal from where the world stands; the object changed, or None if nothing fitted."""
    made = rng.choices([change for change, _ in CHANGES], [weight for _, weight in CHANGES])[0]
    return made(account, rng)
