"""The cast: customers in known situations, at least one for each way a payment can be due; none is left to chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from heapq import heappush
from typing import Any

from bridged.sim import catalogue, lifecycle
from bridged.sim.catalogue import Catalogue
from bridged.sim.periods import DAY
from bridged.sim.store import Account, Obj


@dataclass
class Stage:
    """Where history is played: entries of the timeline run when the clock has come to their moment."""

    account: Account
    offer: Catalogue
    now: int
    timeline: list[tuple[int, int, Callable[[], object]]] = field(
        default_factory=list[tuple[int, int, Callable[[], object]]]
    )
    serial: int = 0

    def at(self, moment: float, act: Callable[[], object]) -> None:
        """Not before the past begins and never after now."""
        self.serial += 1
        heappush(self.timeline, (min(int(moment), self.now), self.serial, act))

    def ago(self, days: float, act: Callable[[], object]) -> None:
        self.at(self.now - days * DAY, act)


@dataclass(frozen=True)
class Scene:
    """What a later act may look at."""

    stage: Stage
    customer_id: str
    subscription_ids: list[str]

    @property
    def account(self) -> Account:
        return self.stage.account

    @property
    def offer(self) -> Catalogue:
        return self.stage.offer

    @property
    def customer(self) -> Obj:
        return self.account.collection("customers").objects[self.customer_id]

    @property
    def subscription(self) -> Obj:
        """The first subscription as it is now."""
        return self.account.collection("subscriptions").objects[self.subscription_ids[0]]

    @property
    def latest_invoice(self) -> Obj:
        return self.account.collection("invoices").objects[self.subscription["latest_invoice"]]

    @property
    def days(self) -> int:
        """The moment days are counted from."""
        return self.stage.now


Act = Callable[[Scene], object]


@dataclass(frozen=True)
class Sub:
    """A subscription to be: prices with quantities, started days ago, its trial ending days from now."""

    prices: Mapping[str, int | None]
    started: float
    trial_ends_in: float | None = None
    coupons: tuple[str, ...] = ()
    tax: str | None = None
    usage: int | None = None
    behavior: str = "allow_incomplete"
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Part:
    """A member of the cast. `answers`: the card's script (none: no card). `acts`: days ago, and what is done then."""

    situation: str
    name: str
    expect: str
    subs: tuple[Sub, ...] = ()
    answers: tuple[str, ...] = ("ok",)
    method: str = "card"
    acts: tuple[tuple[float, Act], ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    dunning_end: str = "past_due"
    remits_after: int | None = None


def subscribe(scene: Scene, sub: Sub) -> None:
    """Starts one of the member's subscriptions."""
    rates = [scene.offer.taxes[sub.tax]] if sub.tax else []
    items: list[tuple[Obj, int | None, list[Obj]]] = [
        (scene.offer.prices[name], count, []) for name, count in sub.prices.items()
    ]
    terms = lifecycle.Terms(
        items,
        trial_end=None if sub.trial_ends_in is None else int(scene.days + sub.trial_ends_in * DAY),
        coupons=[scene.offer.coupons[name]["id"] for name in sub.coupons],
        payment_behavior=sub.behavior,
        fields={**sub.fields, "default_tax_rates": rates},
    )
    made = lifecycle.start(scene.account, scene.customer_id, terms)
    scene.subscription_ids.append(made["id"])
    for item in made["items"]["data"]:
        if sub.usage is not None:
            scene.account.hidden.setdefault("usage", {})[item["id"]] = sub.usage
            scene.account.hidden.setdefault("usual_usage", {})[item["id"]] = sub.usage


def play(stage: Stage, part: Part, number: int) -> Obj:
    """Puts a member's history on the timeline; the entry it returns knows its customer once that is played."""
    entry: Obj = {"customer": None, "name": part.name, "situation": part.situation, "expect": part.expect}
    earliest = max([1.0, *(sub.started for sub in part.subs), *(days for days, _ in part.acts)])

    def arrive() -> None:
        fields: Obj = {
            "email": f"{part.situation}@example.com",
            "phone": f"+4915112{number:06d}",
            "preferred_locales": ["en"],
            "metadata": {"cast": part.situation},
            **part.fields,
        }
        made = catalogue.new_customer(stage.account, name=part.name, **fields)
        entry["customer"] = made["id"]
        if part.answers:
            catalogue.give_method(stage.account, made["id"], *part.answers, type_=part.method)
        if part.remits_after is not None:
            stage.account.hidden.setdefault("remits_after", {})[made["id"]] = part.remits_after
        scene = Scene(stage, made["id"], [])
        for sub in part.subs:
            stage.account.hidden.setdefault("dunning_end_of", {})
            stage.ago(sub.started, lambda sub=sub: begin(scene, sub, part.dunning_end))
        for days, act in part.acts:
            stage.ago(days, lambda act=act: act(scene))

    stage.ago(earliest + 0.5, arrive)
    return entry


def begin(scene: Scene, sub: Sub, dunning_end: str) -> None:
    subscribe(scene, sub)
    ends: dict[str, str] = scene.account.hidden["dunning_end_of"]
    ends[scene.subscription_ids[-1]] = dunning_end


def subscribe_if_there(scene: Scene, sub: Sub) -> None:
    if scene.account.get("customers", scene.customer_id):
        subscribe(scene, sub)
