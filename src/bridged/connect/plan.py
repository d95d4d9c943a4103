"""What must be done at Stripe for a connection to have its one webhook endpoint, decided from those that are there."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bridged.stripe.operations import Param

MOST = 16
"""Endpoints an account may have, in each mode."""
OWNER = "bridged_connection"
"""The metadata by which ours is found again: its value is the connection's id."""
DESCRIPTION = "Bridged: keeps the mirror of this account fresh"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One as Stripe has it. `owner`: the connection we made it for; None where a person or another program did."""

    id: str
    url: str
    events: frozenset[str]
    enabled: bool
    api_version: str | None
    owner: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Ours as it should be."""

    connection: str
    url: str
    events: tuple[str, ...]
    api_version: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in the order of the fields; with nothing of it, all is well.

    `drop_first`: what must go to make room, though events are missed until the new one is there. `change`: what to
    update at `keep`. `why`: what was found wrong. `others`: endpoints at our address that are not ours and stay.
    `full`: there is no room and nothing of ours to make it.
    """

    drop_first: tuple[str, ...] = ()
    create: bool = False
    keep: str | None = None
    change: Mapping[str, Param] = field(default_factory=dict[str, Param])
    drop: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    full: bool = False


def plan_endpoint(
    existing: Sequence[Endpoint], wanted: Wanted, secret_of: str | None, *, by_hand: bool = False, renew: bool = False
) -> Plan:
    """The way from all endpoints of the account to the one that is wanted.

    `secret_of`: the endpoint whose secret we have. It alone is kept: Stripe shows a secret once, and never changes an
    endpoint's version. `by_hand`: a person entered the secret of an endpoint of their own; while that one is enabled,
    ours would only deliver everything twice. `renew`: a new one, so with a new secret, in any case.
    """
    ours = [each for each in existing if each.owner == wanted.connection]
    there = [each for each in existing if each.url == wanted.url and each not in ours]
    others = tuple(each.id for each in there)
    known = next((each for each in ours if each.id == secret_of), None)
    if known is not None and known.api_version == wanted.api_version and not renew:
        change = dict(_repairs(known, wanted))
        drop = tuple(each.id for each in ours if each is not known)
        why = (*_names(change), *(("surplus",) if drop else ()))
        return Plan(keep=known.id, change=change, drop=drop, why=why, others=others)
    if by_hand and not renew and any(each.enabled for each in there):
        surplus = tuple(each.id for each in ours)
        return Plan(drop=surplus, why=("surplus",) if surplus else (), others=others)
    why = ("absent" if not ours else "secret" if known is None else "renewed" if renew else "api_version",)
    if len(existing) < MOST:
        return Plan(create=True, drop=tuple(each.id for each in ours), why=why, others=others)
    if not ours:
        return Plan(why=why, others=others, full=True)
    room, *rest = sorted(ours, key=lambda each: each is known)
    drop = tuple(each.id for each in rest)
    return Plan(drop_first=(room.id,), create=True, drop=drop, why=why, others=others)


def _repairs(known: Endpoint, wanted: Wanted) -> Iterator[tuple[str, Param]]:
    if known.url != wanted.url:
        yield "url", wanted.url
    if known.events != frozenset(wanted.events):
        yield "enabled_events", wanted.events
    if not known.enabled:
        yield "disabled", False


def _names(change: Mapping[str, Param]) -> tuple[str, ...]:
    return tuple("events" if name == "enabled_events" else name for name in change)


def address(public_url: str, connection_id: str) -> str:
    """Where Stripe is to deliver a connection's events."""
    return f"{public_url}/webhooks/stripe/{connection_id}"


def undeliverable(url: str, *, livemode: bool) -> str | None:
    """Why Stripe would not deliver to an address; None when it may. In test mode it is left to Stripe to say."""
    if not livemode:
        return None
    parts = urlsplit(url)
    if parts.scheme != "https":
        return "Stripe delivers the events of live mode to https addresses only."
    host = (parts.hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost") or not _public(host):
        return f"Stripe cannot reach {host}: it is an address of this machine or of a private network."
    return None


def _public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return True
