"""The simulated Stripe of a measurement, in a process of its own: `python tests/bench/worlds.py '{"size": 10000, …}'`.

It prints one line of JSON when everything is rendered and it listens, and serves until its stdin closes. Objects are as
full as those of a shop that uses addresses, metadata and card details; their bytes are indented, as Stripe's are.
"""

import asyncio
import gc
import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
import orjson

from bridged.sim import server, synthesis, world
from bridged.sim.limits import Limits
from bridged.sim.store import Account, Obj

KINDS = ("customers", "subscriptions", "invoices", "payment_intents", "charges")
DAY = 86400
YEARS = 730 * DAY
"""How far back the objects go."""
ENDPOINT_RATE = 25.0
ACCOUNT_RATE = 100.0
PAGE = 100


def _uniform(rng: random.Random, _: int) -> float:
    return rng.random()


def _skewed(rng: random.Random, _: int) -> float:
    return 0.95 + rng.random() * 0.05 if rng.random() < 0.9 else rng.random() * 0.95


def _growing(rng: random.Random, _: int) -> float:
    return rng.random() ** (1 / 3)


def _bursty(rng: random.Random, number: int) -> float:
    return 0.7 + rng.random() * 600 / YEARS if number % 2 else rng.random()


def _one_second(rng: random.Random, number: int) -> float:
    return 0.7 if number % 2 else rng.random()


DISTRIBUTIONS: dict[str, Callable[[random.Random, int], float]] = {
    "uniform": _uniform,
    "skewed": _skewed,
    "growing": _growing,
    "bursty": _bursty,
    "one second": _one_second,
}
"""Where in time the object of a number was created, from 0 (two years ago) to 1 (now)."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a simulator serves. `unlimited`: without Stripe's limits. Latency in seconds, lognormal."""

    size: int
    distribution: str = "uniform"
    kinds: tuple[str, ...] = KINDS
    latency: float = 0.12
    sigma: float = 0.4
    unlimited: bool = False
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Told:
    """What the process says once it listens. `densest`: the pages in the fullest second of any kind."""

    url: str
    key: str
    pages: dict[str, int]
    densest: float
    ready: bool = field(default=True)

    def lower_bound(self, latency: float, pace: float = 1.0) -> float:
        """Seconds that nobody can do without: the rates, and a second's pages, which only follow one another."""
        rates = max(sum(self.pages.values()) / ACCOUNT_RATE, max(self.pages.values()) / ENDPOINT_RATE) / pace
        return rates + (self.densest * latency if self.densest > 1 else 0.0)


def moments(served: Served, kind: str, now: int) -> list[int]:
    """The seconds in which a kind's objects were created."""
    rng = random.Random(f"{served.seed} {kind}")
    draw = DISTRIBUTIONS[served.distribution]
    count = served.size // len(served.kinds)
    newest = now - 120
    return [newest - YEARS + int(draw(rng, number) * YEARS) for number in range(count)]


def populate(account: Account, served: Served, now: int) -> float:
    """Fills the account; returns the pages in the fullest second."""
    densest = 0.0
    for kind in served.kinds:
        seconds = moments(served, kind, now)
        rng = random.Random(f"{served.seed} {kind} fields")
        synthesis.fill(account, kind, seconds, sample=sample(account, kind), vary=partial(varied, kind, rng))
        densest = max(densest, Counter(seconds).most_common(1)[0][1] / PAGE)
    return densest


def varied(kind: str, rng: random.Random, _: int) -> Obj:
    """Fields that indexes are made of differ from object to object, as they do in life."""
    number = rng.getrandbits(48)
    if kind == "customers":
        return {"email": f"{number:x}@example.com", "name": f"Person {number:x}", "phone": f"+49{number % 10**10}"}
    own: Obj = {"customer": f"cus_{number:x}"}
    if kind == "charges":
        own["payment_intent"] = f"pi_{number:x}"
    if kind == "payment_intents":
        own["latest_charge"] = f"ch_{number:x}"
    return own


_ADDRESS: Obj = {
    "city": "Köln",
    "country": "DE",
    "line1": "Lange Straße 217, Hinterhaus",
    "line2": "3. Etage links",
    "postal_code": "50667",
    "state": "Nordrhein-Westfalen",
}
_SHIPPING: Obj = {
    "address": _ADDRESS,
    "carrier": None,
    "name": "Synthetic Çustomer",
    "phone": "+4915112345678",
    "tracking_number": None,
}
_METADATA: Obj = {
    "order_id": "2026-000417-B",
    "cart_token": "c1-7f3a9b2e44d04c7f9a61c0b9d0e2f3a4",
    "campaign": "autumn-sale-newsletter-2",
    "shop_locale": "de-DE",
    "fulfilment": "warehouse-west",
}
_CARD: Obj = {
    "card": {
        "amount_authorized": 1900,
        "authorization_code": "081342",
        "brand": "visa",
        "capture_before": None,
        "checks": {"address_line1_check": "pass", "address_postal_code_check": "pass", "cvc_check": "pass"},
        "country": "DE",
        "description": "Visa Classic",
        "exp_month": 8,
        "exp_year": 2029,
        "extended_authorization": {"status": "disabled"},
        "fingerprint": "Xt5EWLLDS7FJjR1c",
        "funding": "credit",
        "iin": "424242",
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "issuer": "Stripe Test Bank of the Rhineland",
        "last4": "4242",
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": "visa",
        "network_token": {"used": False},
        "network_transaction_id": "104951063124711",
        "overcapture": {"maximum_amount_capturable": 1900, "status": "unavailable"},
        "regulated_status": "unregulated",
        "three_d_secure": {
            "authentication_flow": "challenge",
            "electronic_commerce_indicator": "05",
            "exemption_indicator": None,
            "result": "authenticated",
            "result_reason": None,
            "transaction_id": "9f1c2c35-13f1-4b8a-a7a2-b9b2a4c2f001",
            "version": "2.2.0",
        },
        "wallet": None,
    },
    "type": "card",
}
_PARENT: Obj = {
    "invoice_item_details": None,
    "subscription_item_details": {
        "invoice_item": None,
        "proration": False,
        "proration_details": {"credited_items": None},
        "subscription": "sub_synthetic",
        "subscription_item": "si_synthetic",
    },
    "type": "subscription_item_details",
}
_PRICING: Obj = {
    "price_details": {"price": "price_synthetic", "product": "prod_synthetic"},
    "type": "price_details",
    "unit_amount_decimal": "1900",
}
_TAX: Obj = {
    "amount": 303,
    "tax_behavior": "inclusive",
    "tax_rate_details": {"tax_rate": "txr_synthetic"},
    "taxability_reason": "standard_rated",
    "taxable_amount": 1597,
    "type": "tax_rate_details",
}


def sample(account: Account, kind: str) -> Obj:
    """One object of a kind with the fields that a shop fills."""
    made = synthesis.BUILDERS[kind](account) | {"metadata": dict(_METADATA)}
    match kind:
        case "customers":
            return made | {"address": _ADDRESS, "shipping": _SHIPPING, "currency": "eur"}
        case "payment_intents":
            return made | {"shipping": _SHIPPING, "payment_method": "pm_synthetic", "receipt_email": "a@example.com"}
        case "charges":
            billing = {"address": _ADDRESS, "email": "a@example.com", "name": "Çustomer", "phone": None, "tax_id": None}
            bulk = {"billing_details": billing, "shipping": _SHIPPING, "payment_method_details": _CARD}
            return made | bulk | {"payment_method": "pm_synthetic", "balance_transaction": "txn_synthetic"}
        case "subscriptions":
            return made | {"items": _doubled(made["items"], {}), "default_payment_method": "pm_synthetic"}
        case _:
            rich = {"parent": _PARENT, "pricing": _PRICING, "taxes": [_TAX], "metadata": _METADATA}
            paid = {"customer_address": _ADDRESS, "customer_shipping": _SHIPPING, "total_taxes": [_TAX]}
            link = "https://invoice.stripe.com/i/acct_1/" + "x" * 60
            links = {"hosted_invoice_url": link, "invoice_pdf": link}
            return made | paid | links | {"lines": _doubled(made["lines"], rich)}


def _doubled(listing: Obj, rich: Obj) -> Obj:
    entry: Obj = listing["data"][0] | rich
    return {**listing, "data": [entry, {**entry, "id": f"{entry['id']}b"}]}


async def serve(served: Served) -> None:
    with world.unswept():
        made = world.build(served.seed, 0, cast_members=False, livemode=True)
        account = next(iter(made.accounts.values()))
        densest = populate(account, served, made.clock.now)
        limits = Limits(enabled=not served.unlimited, live_rate=ACCOUNT_RATE, endpoint_rate=ENDPOINT_RATE)
        options: dict[str, Any] = {"latency": served.latency, "latency_sigma": served.sigma, "indented": True}
        async with server.running(made, limits=limits, **options) as sim:
            sim.warm()
            gc.collect()
            gc.freeze()
            pages = {kind: -(-len(account.all(kind)) // PAGE) for kind in served.kinds}
            print(orjson.dumps(Told(sim.url, sim.key(), pages, densest)).decode(), flush=True)
            await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(msgspec.json.decode(sys.argv[1], type=Served)))
