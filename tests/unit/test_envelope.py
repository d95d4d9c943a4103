"""The outside of an event, read from bytes that anybody may have written."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.messages.envelope import Envelope, Foreign, Unreadable, foreign, read_envelope

SNAPSHOT: dict[str, Any] = {
    "id": "evt_1",
    "object": "event",
    "type": "invoice.paid",
    "created": 1_780_000_000,
    "livemode": True,
    "api_version": "2026-09-30.endive",
    "account": "acct_1",
    "data": {"object": {"id": "in_1", "object": "invoice", "customer": "cus_1"}},
}
THIN: dict[str, Any] = {
    "id": "evt_thin",
    "object": "v2.core.event",
    "type": "v1.customer.created",
    "created": "2026-05-28T20:26:40.000Z",
    "livemode": True,
    "related_object": {"id": "cus_1", "type": "customer", "url": "/v1/customers/cus_1"},
}


def read(base: dict[str, Any], **changes: Any) -> Envelope | Unreadable:
    return read_envelope(orjson.dumps({**base, **changes}))


def test_a_snapshot() -> None:
    assert read(SNAPSHOT) == Envelope(
        "evt_1",
        "invoice.paid",
        1_780_000_000,
        thin=False,
        livemode=True,
        account="acct_1",
        api_version="2026-09-30.endive",
        object_id="in_1",
        customer_id="cus_1",
    )


def test_a_thin_event() -> None:
    found = read(THIN)
    assert isinstance(found, Envelope)
    assert (found.thin, found.created, found.object_id, found.account) == (True, 1_780_000_000, "cus_1", None)


@pytest.mark.parametrize(
    ("context", "account"),
    [("acct_2", "acct_2"), ("org_1/acct_2", "acct_2"), (None, None), ("org_1", None), ("", None), (7, None)],
)
def test_whose_a_thin_event_is(context: Any, account: str | None) -> None:
    found = read(THIN, context=context)
    assert isinstance(found, Envelope)
    assert found.account == account


def test_a_snapshot_has_no_context() -> None:
    found = read(SNAPSHOT, context="acct_2")
    assert isinstance(found, Envelope)
    assert found.account == "acct_1"


@pytest.mark.parametrize(
    ("inner", "object_id", "customer"),
    [
        ({"id": "cus_1", "object": "customer"}, "cus_1", "cus_1"),
        ({"object": "balance"}, None, None),
        ({"id": None, "object": "invoice"}, None, None),
        ({"id": 5, "customer": {"id": "cus_1"}}, None, None),
        ({"id": "x" * 256}, None, None),
        ({"id": ""}, None, None),
        (None, None, None),
    ],
)
def test_whom_it_is_about(inner: Any, object_id: str | None, customer: str | None) -> None:
    found = read(SNAPSHOT, data={"object": inner})
    assert isinstance(found, Envelope)
    assert (found.object_id, found.customer_id) == (object_id, customer)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"id": None},
        {"id": "x" * 256},
        {"type": 1},
        {"type": ""},
        {"object": "events"},
        {"created": None},
        {"created": -1},
        {"created": True},
        {"created": 10**11 * 3},
        {"created": 10**18},
        {"created": "yesterday"},
        {"created": "0001-01-01T00:00:00Z"},
        {"created": "9999-12-31T23:59:59Z"},
        {"livemode": "true"},
        {"account": 5},
        {"data": []},
    ],
)
def test_what_is_no_event(changes: dict[str, Any]) -> None:
    assert read(SNAPSHOT, **changes) is Unreadable.NOT_AN_EVENT


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b'"x"', b"{", b"{}}", b"\xff", b"{'a': 1}", b"[" * 10**5])
def test_what_is_no_json(body: bytes) -> None:
    assert read_envelope(body) is Unreadable.NOT_JSON


@given(st.binary(max_size=100))
def test_nothing_breaks_it(body: bytes) -> None:
    assert isinstance(read_envelope(body), Envelope | Unreadable)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"account": None}, None),
        ({"livemode": None}, None),
        ({"livemode": False}, Foreign.WRONG_MODE),
        ({"account": "acct_2"}, Foreign.WRONG_ACCOUNT),
        ({"account": "ACCT_1"}, Foreign.WRONG_ACCOUNT),
        ({"account": ""}, Foreign.WRONG_ACCOUNT),
    ],
)
def test_whose_it_is(changes: dict[str, Any], why: Foreign | None) -> None:
    found = read(SNAPSHOT, **changes)
    assert isinstance(found, Envelope)
    assert foreign(found, "acct_1", livemode=True) is why


def test_an_account_nobody_knows_is_none_of_ours() -> None:
    found = read(SNAPSHOT)
    assert isinstance(found, Envelope)
    assert foreign(found, None, livemode=True) is Foreign.WRONG_ACCOUNT
