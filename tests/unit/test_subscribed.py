"""The events we ask for: Stripe knows each, each reaches its kind, and none of them holds anything up."""

import re

from stripe.params import WebhookEndpointCreateParams

from bridged.connect.subscribed import BY_KIND, SUBSCRIBED
from bridged.mirror.kinds import BY_NAME, KINDS, kind_of_event

LEFT_OUT = {
    "charge.refund.updated": "refund.updated has replaced it",
    "invoice.created": "while it is not answered, Stripe holds invoices back",
}


def known_to_stripe() -> set[str]:
    return set(re.findall(r"'([^']+)'", str(WebhookEndpointCreateParams.__annotations__["enabled_events"])))


def test_stripe_knows_every_type() -> None:
    assert len(known_to_stripe()) > 200
    assert set(SUBSCRIBED) <= known_to_stripe() - {"*"}
    assert len(set(SUBSCRIBED)) == len(SUBSCRIBED)


def test_every_type_reaches_the_kind_it_is_listed_for() -> None:
    for name, types in BY_KIND.items():
        assert types
        assert all(kind_of_event(each) is BY_NAME[name] for each in types)


def test_every_kind_with_events_has_types() -> None:
    assert set(BY_KIND) == {kind.name for kind in KINDS if kind.events}
    gone = {name for kind in KINDS for name in kind.gone}
    assert gone <= set(SUBSCRIBED)


def test_what_is_left_out_has_its_reason() -> None:
    routed = {each for each in known_to_stripe() if kind_of_event(each) is not None}
    assert routed - set(SUBSCRIBED) == set(LEFT_OUT)
