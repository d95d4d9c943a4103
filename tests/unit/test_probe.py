"""The permission matrix, the identity and the warnings, from what Stripe answered."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.connect.probe import (
    ACCOUNT_PERMISSION,
    Access,
    Identity,
    access,
    identify,
    key_link,
    labelled,
    missing,
    probe,
    wanted,
    warnings,
)
from bridged.core.errors import (
    AnswerUnreadable,
    KeyInvalid,
    ObjectMissing,
    PermissionMissing,
    RequestRefused,
    StripeBusy,
    StripeUnreachable,
)
from bridged.stripe.client import Answer
from bridged.stripe.keys import read_key

CHARGES = ("charges", "/v1/charges", "rak_charge_read")
EVENTS = ("events", "/v1/events", "rak_event_read")
BALANCE = ("balance", "/v1/balance", "rak_balance_read")
RESOURCES = (CHARGES, EVENTS, BALANCE)
BODY = "51HxQ2Abc9Def8Ghi7Jkl6Mno5"
NOBODY = Identity(None, None, None, None, None, "unknown")


class Asked:
    """Stands where the client stands: answers by path, and remembers what was asked."""

    def __init__(self, **answers):
        self.answers = {f"/v1/{name}": answer for name, answer in answers.items()}
        self.asked = []

    async def get(self, path, params=None, *, foreground=False):
        self.asked.append((path, params))
        assert foreground
        answer = self.answers.get(path, b"{}")
        if isinstance(answer, Exception):
            raise answer
        return Answer(answer, 0.0, 0.0, None)


def denied(*slugs, **more):
    return PermissionMissing("No.", permissions=slugs, **more)


def test_allowed_refused_and_proved_by_a_missing_object():
    assert access(CHARGES, None).allowed
    assert access(CHARGES, ObjectMissing("x", status=404)).allowed
    row = access(CHARGES, denied("rak_a", "rak_b"))
    assert not row.allowed
    assert row.permissions == ("rak_a", "rak_b")
    assert row.as_json() == {
        "object": "charges",
        "allowed": False,
        "permissions": ["rak_a", "rak_b"],
        "message": "No.",
    }
    assert not access(CHARGES, RequestRefused("x", status=400, request_id="req_1")).allowed
    # A server that lacks a resource says so in its own way; the others are connected all the same.
    assert not access(CHARGES, RequestRefused("Not Found", status=404)).allowed


@pytest.mark.parametrize(
    "error",
    [
        KeyInvalid("x"),
        StripeUnreachable("x"),
        StripeBusy("x", status=500),
        AnswerUnreadable("x"),
        denied(stripe_code="account_invalid", whole=True),
        RequestRefused("a redirect", status=302, request_id="req_1"),
    ],
)
def test_what_says_nothing_of_one_resource_is_raised(error):
    with pytest.raises(type(error)):
        access(CHARGES, error)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=8))
def test_missing_names_what_is_not_allowed_once(rows):
    matrix = [
        Access(f"r{index}", "/v1/r", f"rak_own_{index}", allowed=allowed, permissions=("rak_named",) if named else ())
        for index, (allowed, named) in enumerate(rows)
    ]
    lacking = missing(matrix)
    assert len(set(lacking)) == len(lacking)
    assert bool(lacking) == any(not allowed for allowed, _ in rows)
    assert set(lacking) <= {"rak_named", *(each.permission for each in matrix)}


def test_the_link_carries_all_permissions():
    permissions = wanted((*RESOURCES, CHARGES))
    assert permissions == ("rak_charge_read", "rak_event_read", "rak_balance_read", ACCOUNT_PERMISSION)
    link = urlsplit(key_link("Bridged & co", permissions, livemode=True))
    assert (link.scheme, link.netloc, link.path) == ("https", "dashboard.stripe.com", "/apikeys/create")
    assert parse_qs(link.query) == {"name": ["Bridged & co"], "permissions[]": list(permissions)}
    assert urlsplit(key_link("x", (), livemode=False)).path == "/test/apikeys/create"
    assert labelled(("rak_plan_read", "rak_new_read")) == ("Prices", "rak_new_read")


def test_warnings_say_what_the_key_is():
    ok, refused = access(CHARGES, None), access(EVENTS, denied("rak_event_read"))
    known = Identity("acct_1", "NL", "eur", "Shop", "Europe/Amsterdam", "account")

    def codes(key, matrix, identity):
        found = warnings(read_key(f"{key}{BODY}"), matrix, identity)
        assert all(each.message and each.hint and BODY not in f"{each}" for each in found)
        return [each.code for each in found]

    assert codes("rk_test_", [ok], known) == []
    assert codes("sk_live_", [ok], known) == ["full_power_key", "live_key"]
    assert codes("rk_test_", [ok, refused], NOBODY) == ["account_unknown", "not_readable"]
    assert codes("rk_test_", [refused], known) == ["nothing_readable"]


async def test_each_resource_is_asked_once_and_for_one_object():
    client = Asked(events=denied("rak_event_read"))
    matrix = await probe(client, RESOURCES)
    assert [each.allowed for each in matrix] == [True, False, True]
    assert [each.name for each in matrix] == ["charges", "events", "balance"]
    assert sorted(client.asked, key=str) == [
        ("/v1/balance", None),
        ("/v1/charges", {"limit": 1}),
        ("/v1/events", {"limit": 1}),
    ]
    assert await probe(client, ()) == ()


async def test_a_dead_key_costs_one_request():
    client = Asked(charges=KeyInvalid("x"))
    with pytest.raises(KeyInvalid):
        await probe(client, RESOURCES)
    assert len(client.asked) == 1


async def test_a_key_that_dies_in_between_and_no_answer_give_no_matrix():
    for error in (KeyInvalid("x"), StripeUnreachable("x")):
        with pytest.raises(type(error)):
            await probe(Asked(events=error), RESOURCES)


async def test_the_account_by_its_record_by_the_refusal_or_not_at_all():
    body = (
        b'{"id": "acct_1", "object": "account", "country": "NL", "default_currency": "eur",'
        b' "business_profile": {"name": "Co"},'
        b' "settings": {"dashboard": {"display_name": "Shop", "timezone": "Europe/Amsterdam"}}}'
    )
    assert await identify(Asked(account=body)) == Identity("acct_1", "NL", "eur", "Shop", "Europe/Amsterdam", "account")
    bare = b'{"id": "acct_1", "business_profile": {"name": "Co"}, "settings": null}'
    assert await identify(Asked(account=bare)) == Identity("acct_1", None, None, "Co", None, "account")
    refused = await identify(Asked(account=denied("rak_accounts_kyc_basic_read", account_id="acct_2")))
    assert refused == Identity("acct_2", None, None, None, None, "refusal")
    assert await identify(Asked(account=denied())) == NOBODY
    assert await identify(Asked(account=ObjectMissing("x"))) == NOBODY
    for body, error in (
        (KeyInvalid("x"), KeyInvalid),
        (b"{}", AnswerUnreadable),
        (denied(stripe_code="account_invalid", whole=True), PermissionMissing),
    ):
        with pytest.raises(error):
            await identify(Asked(account=body))
