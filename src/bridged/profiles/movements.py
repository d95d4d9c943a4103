"""How a customer's monthly revenue moved, as the subscriptions tell: what they are now, since when, and until when.

A subscription counts from its start, or from the end of its trial, until it ended, at the price it has now or had in
the end: Stripe keeps no older prices on it. One that is paused or unpaid counts until its present period began. What
`revenue` counts is counted here; so the last total of a customer is the `mrr` of the profile, to the minor unit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from bridged.mirror.shapes import Json, instant, subscription_period_start, text
from bridged.profiles.revenue import BILLED, recurring
from bridged.profiles.rules import RUNNING, begun_at


class Move(NamedTuple):
    """From one total to another, in minor units a month. `at`: Unix seconds."""

    currency: str
    at: int
    before: int
    after: int


def moves_of(subscriptions: Iterable[Json]) -> tuple[Move, ...]:
    """All moves of a customer, by currency and time. Raises nothing, whatever the objects hold."""
    turns: defaultdict[str, defaultdict[int, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for subscription in subscriptions:
        since, until = _span(subscription)
        if since is None or (until is not None and until <= since):
            continue
        currency, monthly, _ = recurring({**subscription, "status": "active", "pause_collection": None})
        if currency is None or monthly <= 0:
            continue
        turns[currency][since] += monthly
        if until is not None:
            turns[currency][until] -= monthly
    return tuple(move for currency in sorted(turns) for move in _moves(currency, turns[currency]))


def _moves(currency: str, turns: defaultdict[int, Fraction]) -> Iterable[Move]:
    total, told = Fraction(0), 0
    for at in sorted(turns):
        total += turns[at]
        becomes = round(total)
        if becomes != told:
            yield Move(currency, at, told, becomes)
        told = becomes


def _span(subscription: Json) -> tuple[int | None, int | None]:
    """From when to when it counts; until None: to this day. From None: not at all."""
    status = text(subscription.get("status"))
    begun = begun_at(subscription)
    if begun is None:
        return None, None
    since = max(begun, instant(subscription.get("trial_end")) or begun)
    if status == "canceled":
        ended = instant(subscription.get("ended_at")) or instant(subscription.get("canceled_at"))
        return (since, ended) if ended is not None else (None, None)
    if status in BILLED and not subscription.get("pause_collection"):
        return since, None
    if status in RUNNING and status != "trialing":
        return since, subscription_period_start(subscription) or since
    return None, None
