"""The way to one webhook endpoint: from any endpoints an account may have, in any order, and never over the limit."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.connect.plan import MOST, Endpoint, Plan, Wanted, address, plan_endpoint, undeliverable

URL = "https://bridged.example/webhooks/stripe/c1"
WANTED = Wanted("c1", URL, ("a.created", "a.updated"), "v2")
OURS = Endpoint("we_ours", URL, frozenset(WANTED.events), enabled=True, api_version="v2", owner="c1")
HAND = replace(OURS, id="we_hand", owner=None)
OTHERS = [replace(OURS, id=f"we_{number}", url=f"https://x.example/{number}", owner=None) for number in range(MOST)]


def test_nothing_there():
    assert plan_endpoint([], WANTED, None) == Plan(create=True, why=("absent",))
    assert plan_endpoint(OTHERS[:15], WANTED, None).create
    assert plan_endpoint(OTHERS, WANTED, None) == Plan(full=True, why=("absent",))


def test_one_that_is_as_it_should_be():
    assert plan_endpoint([*OTHERS[:15], OURS], WANTED, "we_ours") == Plan(keep="we_ours")


@pytest.mark.parametrize(
    ("changes", "change", "why"),
    [
        ({"enabled": False}, {"disabled": False}, ("disabled",)),
        ({"events": frozenset({"*"})}, {"enabled_events": WANTED.events}, ("events",)),
        ({"events": OURS.events | {"invoice.created"}}, {"enabled_events": WANTED.events}, ("events",)),
        ({"url": "https://old.example/x"}, {"url": URL}, ("url",)),
        ({"url": "https://old.example/x", "enabled": False}, {"url": URL, "disabled": False}, ("url", "disabled")),
    ],
)
def test_what_was_changed_is_changed_back(changes, change, why):
    assert plan_endpoint([replace(OURS, **changes)], WANTED, "we_ours") == Plan(keep="we_ours", change=change, why=why)


def test_what_cannot_be_repaired_is_replaced_and_deleted_last():
    old = replace(OURS, api_version="v1")
    assert plan_endpoint([old], WANTED, "we_ours") == Plan(create=True, drop=("we_ours",), why=("api_version",))
    assert plan_endpoint([OURS], WANTED, None) == Plan(create=True, drop=("we_ours",), why=("secret",))
    assert plan_endpoint([OURS], WANTED, "we_lost") == Plan(create=True, drop=("we_ours",), why=("secret",))
    renewed = plan_endpoint([OURS], WANTED, "we_ours", renew=True)
    assert renewed == Plan(create=True, drop=("we_ours",), why=("renewed",))


def test_at_the_limit_room_is_made_first_by_what_is_of_least_use():
    spare = replace(OURS, id="we_spare")
    plan = plan_endpoint([*OTHERS[:14], OURS, spare], WANTED, "we_ours", renew=True)
    assert (plan.drop_first, plan.create, plan.drop) == (("we_spare",), True, ("we_ours",))
    plan = plan_endpoint([*OTHERS[:15], OURS], WANTED, "we_ours", renew=True)
    assert (plan.drop_first, plan.create, plan.drop) == (("we_ours",), True, ())


def test_several_of_ours():
    spare = replace(OURS, id="we_spare")
    plan = plan_endpoint([spare, OURS], WANTED, "we_ours")
    assert plan == Plan(keep="we_ours", drop=("we_spare",), why=("surplus",))


def test_one_made_by_hand():
    assert plan_endpoint([HAND], WANTED, None) == Plan(create=True, why=("absent",), others=("we_hand",))
    assert plan_endpoint([HAND], WANTED, None, by_hand=True) == Plan(others=("we_hand",))
    assert plan_endpoint([HAND, OURS], WANTED, None, by_hand=True).drop == ("we_ours",)
    assert plan_endpoint([replace(HAND, enabled=False)], WANTED, None, by_hand=True).create
    assert plan_endpoint([HAND, OURS], WANTED, "we_ours") == Plan(keep="we_ours", others=("we_hand",))
    other_connection = replace(HAND, owner="c2")
    assert plan_endpoint([other_connection, OURS], WANTED, "we_ours").others == ("we_hand",)


endpoints = st.builds(
    Endpoint,
    st.just(""),
    st.sampled_from([URL, "https://old.example/x"]),
    st.sampled_from([frozenset(WANTED.events), frozenset({"*"}), frozenset()]),
    st.booleans(),
    st.sampled_from(["v1", "v2", None]),
    st.sampled_from(["c1", "c2", None]),
)
accounts = st.lists(endpoints, max_size=MOST).map(
    lambda found: [replace(each, id=f"we_{number}") for number, each in enumerate(found)]
)


def carried_out(plan, existing):
    """Stripe after the plan, which never has more than it may."""
    there = {each.id: each for each in existing}
    for each in plan.drop_first:
        del there[each]
    if plan.create:
        there["we_new"] = replace(OURS, id="we_new")
    assert len(there) <= MOST
    if plan.change:
        old = there[plan.keep]
        events = plan.change.get("enabled_events", old.events)
        enabled = old.enabled or plan.change.get("disabled") is False
        url = plan.change.get("url", old.url)
        there[plan.keep] = replace(old, url=url, events=frozenset(events), enabled=enabled)
    for each in plan.drop:
        del there[each]
    return list(there.values())


@given(accounts, st.integers(0, MOST), st.booleans(), st.booleans())
def test_one_walk_is_enough(existing, known, by_hand, renew):
    secret_of = f"we_{known}"
    plan = plan_endpoint(existing, WANTED, secret_of, by_hand=by_hand, renew=renew)
    after = carried_out(plan, existing)
    strangers = [each for each in existing if each.owner != "c1"]
    assert [each for each in after if each.owner != "c1"] == strangers
    ours = [each for each in after if each.owner == "c1"]
    if plan.full:
        assert len(strangers) == MOST
        assert not ours
    elif plan.create or plan.keep:
        assert ours == [replace(OURS, id="we_new" if plan.create else plan.keep)]
        assert bool(plan.change or plan.create or plan.drop) == bool(plan.why)
        again = plan_endpoint(after, WANTED, ours[0].id)
        assert again == Plan(keep=ours[0].id, others=plan.others)
    else:
        assert by_hand
        assert not ours
        assert any(each.url == URL and each.enabled for each in strangers)
    if renew and not plan.full:
        assert plan.create
    if plan.drop_first:
        assert len(existing) == MOST


@pytest.mark.parametrize(
    ("public", "words"),
    [
        ("https://bridged.example", None),
        ("https://bridged.example:8443/sub", None),
        ("https://8.8.8.8", None),
        ("http://bridged.example", "https"),
        ("https://localhost:8080", "localhost"),
        ("https://LOCALHOST.", "localhost"),
        ("https://app.localhost", "localhost"),
        ("https://127.0.0.1", "this machine"),
        ("https://[::1]:1", "this machine"),
        ("https://192.168.1.4", "private network"),
        ("https://10.1.2.3", "private network"),
    ],
)
def test_where_stripe_delivers_in_live_mode(public, words):
    url = address(public, "c1")
    assert url == f"{public}/webhooks/stripe/c1"
    why = undeliverable(url, livemode=True)
    assert why is None if words is None else words in (why or "")
    assert undeliverable(url, livemode=False) is None
