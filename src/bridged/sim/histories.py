"""Months in the life of ordinary customers: when they come, what they buy, how their card behaves, what happens."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial

from bridged.sim import acts, cast, catalogue, people
from bridged.sim.cast import Act, Scene, Stage, Sub
from bridged.sim.objects import customers
from bridged.sim.periods import DAY

SCRIPTS: tuple[tuple[tuple[str, ...], int], ...] = (
    (("ok",), 76),
    (("flaky",), 14),
    (("ok", "ok", "insufficient_funds", "ok"), 3),
    (("ok", "ok", "ok", "card_declined"), 3),
    (("ok", "expired_card"), 1),
    (("ok", "requires_action", "ok"), 1),
    (("card_declined",), 1),
)

INCIDENTS: tuple[tuple[Act | None, int], ...] = (
    (None, 60),
    (acts.change(cancel_at_period_end=True), 6),
    (acts.cancel, 5),
    (acts.quantity(3), 5),
    (acts.pending_item(1500, "Support hour"), 5),
    (acts.if_paid(acts.refund), 5),
    (acts.if_paid(acts.contest), 2),
    (acts.if_paid(acts.credit_latest(300)), 3),
    (acts.balance(-700), 3),
    (acts.one_off(4200), 3),
    (acts.delete, 2),
    (acts.pause_collection("void"), 1),
)


@dataclass(frozen=True)
class Offer:
    """A kind of subscription and how often it is bought."""

    name: str
    weight: int
    count: int | None = 1


OFFERS = (
    Offer("monthly", 46),
    Offer("pro", 20),
    Offer("yearly", 12),
    Offer("monthly", 8, 5),
    Offer("graduated", 3, 12),
    Offer("package", 2, 31),
    Offer("metered", 3, None),
    Offer("parts", 1),
    Offer("none", 5),
)


def prices_for(offer: Offer, currency: str) -> dict[str, int | None]:
    if offer.name == "parts":
        return {f"part{number}_eur": 1 for number in range(12)}
    if offer.name == "metered":
        return {"monthly_eur": 1, "metered_eur": None}
    if offer.name in ("graduated", "package"):
        return {f"{offer.name}_eur": offer.count}
    return {f"{offer.name}_{currency}": offer.count}


def subscription(rng: random.Random, currency: str, started: float) -> Sub | None:
    offer = rng.choices(OFFERS, [offer.weight for offer in OFFERS])[0]
    if offer.name == "none":
        return None
    trial = started < 200 and rng.random() < 0.2
    kind = rng.random()
    return Sub(
        prices_for(offer, currency),
        started,
        trial_ends_in=14 - started if trial else None,
        coupons=(rng.choice(("quarter", "third", "welcome")),) if rng.random() < 0.12 else (),
        tax=rng.choice(("exclusive", "inclusive", "odd")) if rng.random() < 0.25 else None,
        usage=rng.randrange(50, 900) if offer.name == "metered" else None,
        fields={"collection_method": "send_invoice", "days_until_due": 14} if kind < 0.12 else {},
    )


def plan(stage: Stage, count: int, days: int) -> None:
    """Puts `count` customers on the timeline, more of them lately than long ago."""
    rng = random.Random(f"histories:{stage.account.id}:{count}:{stage.account.random.random()}")
    for number in range(count):
        live(stage, rng, number, (days - 5) * rng.random() ** 1.2 + 0.5)


def live(stage: Stage, rng: random.Random, number: int, arrived: float) -> None:
    """One customer's plan."""
    land = rng.choice(people.LANDS) if rng.random() < 0.6 else people.LANDS[rng.randrange(6)]
    fields = people.person(rng, land, number)
    script = rng.choices([script for script, _ in SCRIPTS], [weight for _, weight in SCRIPTS])[0]
    first = subscription(rng, land.currency, arrived - 0.1)
    second = subscription(rng, land.currency, arrived * rng.random()) if rng.random() < 0.15 else None
    subs = [sub for sub in (first, second) if sub]
    incident = rng.choices([act for act, _ in INCIDENTS], [weight for _, weight in INCIDENTS])[0]
    moment = arrived * rng.uniform(0.0, 0.8)
    lag = rng.randrange(1, 25) if rng.random() < 0.9 else None

    def arrive() -> None:
        made = catalogue.new_customer(stage.account, **fields)
        catalogue.give_method(stage.account, made["id"], *script, last4=f"{number % 10000:04d}")
        if number % 9 == 0:
            made_up = customers.tax_id(stage.account, made["id"], "eu_vat", f"DE{number:09d}")
            stage.account.create("tax_ids", made_up, "customer.tax_id.created")
        if lag is not None:
            stage.account.hidden.setdefault("remits_after", {})[made["id"]] = lag
        scene = Scene(stage, made["id"], [])
        for sub in subs:
            stage.ago(sub.started, lambda sub=sub: cast.subscribe_if_there(scene, sub))
        if incident and subs:
            stage.ago(moment, partial(acts.if_alive, scene, incident))

    arrive_at = stage.now - arrived * DAY
    stage.at(arrive_at, arrive)
