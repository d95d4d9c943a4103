"""Whose customer it is: the first rule that fits, and among its owners always the same one for the same customer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from bridged.profiles.facts import Profile
from bridged.profiles.scoring.model import Route, Weights
from bridged.profiles.scoring.rules import Score


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owns a customer, and by which rule. Nobody: no rule fits."""

    name: str | None
    why: str


def owner(profile: Profile, score: Score, weights: Weights) -> Owner:
    """The customer's owner by these weights' routing."""
    for number, route in enumerate(weights.routes, 1):
        if _fits(route, profile, score):
            chosen = route.owners[_share(profile.customer_id, len(route.owners))]
            several = f", one of its {len(route.owners)} owners by the customer's id" if len(route.owners) > 1 else ""
            return Owner(chosen, f"rule {number}, {route.name}: {_said(route)}{several}")
    return Owner(None, "no rule fits" if weights.routes else "there are no rules")


def _fits(route: Route, profile: Profile, score: Score) -> bool:
    currencies = {*profile.mrr, *profile.lifetime_value}
    return (
        score.total >= route.at_least
        and (not route.bands or score.band in route.bands)
        and (not route.countries or profile.country in route.countries)
        and (not route.currencies or not currencies.isdisjoint(route.currencies))
    )


def _share(customer_id: str, owners: int) -> int:
    return int.from_bytes(hashlib.sha256(customer_id.encode()).digest()[:8], "big") % owners


def _said(route: Route) -> str:
    """The conditions in words."""
    parts = [f"score from {route.at_least}"] if route.at_least else []
    named = (("band", route.bands), ("country", route.countries), ("currency", route.currencies))
    parts += [f"{name} {' or '.join(words)}" for name, words in named if words]
    return ", ".join(parts) or "everybody"
