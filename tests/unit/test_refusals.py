"""Each answer that is not 2xx becomes the error the reference says, with a hint and without key fragments."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from bridged.core import errors
from bridged.stripe.operations import encoded, operation, segment
from bridged.stripe.refusals import redacted, refusal

PERMISSION = (
    "The provided key 'rk_test_*********************************abcd' does not have the required permissions for this "
    "endpoint on account 'acct_1Abc'. Having the 'rak_charge_read' permission would allow this request to continue."
)
SEVERAL = "Having the 'rak_a_read', 'rak_b_write' permissions would allow this request to continue."
REVOKED = (
    "The provided key 'sk_test_****abcd' does not have access to account 'acct_9' (or that account does not exist). "
    "Application access may have been revoked."
)
OTHER_MODE = "No such customer: 'cus_1'; a similar object exists in live mode, but a test mode key was used."


def made(status, *, headers=None, body=None, **detail):
    raw = json.dumps({"error": {"type": "invalid_request_error", **detail}}).encode() if body is None else body
    return refusal(status, CIMultiDict({"Request-Id": "req_1", **(headers or {})}), raw)


LIMITED = {"Stripe-Rate-Limited-Reason": "endpoint-rate"}


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (
            made(401, message="Invalid API Key provided: sk_test_****abcd"),
            errors.KeyInvalid,
            "does not accept this key",
        ),
        (made(401, message="Expired", code="api_key_expired"), errors.KeyInvalid, "expired"),
        (made(403, message=PERMISSION), errors.PermissionMissing, "rak_charge_read"),
        (made(403, message=SEVERAL), errors.PermissionMissing, "rak_a_read or rak_b_write"),
        (
            made(403, message="does not allow requests from your IP address (1.2.3.4)."),
            errors.PermissionMissing,
            "address",
        ),
        (made(403, message=REVOKED, code="account_invalid"), errors.PermissionMissing, "revoked"),
        (made(403, message="No."), errors.PermissionMissing, "may not do this"),
        (made(404, message=OTHER_MODE, code="resource_missing"), errors.ObjectMissing, "no such object"),
        (made(404, message="Unrecognized request URL"), errors.RequestRefused, "Unrecognized"),
        (made(404, body=b"<html>nginx</html>"), errors.RequestRefused, "does not speak as Stripe"),
        (made(400, message="x", code="resource_missing", param="starting_after"), errors.CursorVanished, "gone"),
        (made(400, message="x", code="resource_missing", param="ending_before"), errors.CursorVanished, "gone"),
        (made(400, message="x", code="resource_missing", param="customer"), errors.ObjectMissing, "no such object"),
        (made(400, message="x", code="rate_limit"), errors.RateLimited, "global-rate"),
        (made(400, message="Bad limit", param="limit"), errors.RequestRefused, "Bad limit"),
        (made(400, type="idempotency_error", message="Keys"), errors.RequestRefused, "Keys"),
        (made(402, type="card_error", message="Declined", code="card_declined"), errors.RequestRefused, "Declined"),
        (made(409, message="x"), errors.StripeBusy, "HTTP 409"),
        (made(424, message="x"), errors.StripeBusy, "HTTP 424"),
        (made(500, body=b""), errors.StripeBusy, "HTTP 500"),
        (made(503, body=b"<html>"), errors.StripeBusy, "HTTP 503"),
        (made(429, message="x", code="lock_timeout"), errors.StripeBusy, "lock_timeout"),
        (made(429, message="x", code="lock_timeout", headers=LIMITED), errors.StripeBusy, "lock_timeout"),
        (made(429, message="x"), errors.StripeBusy, "HTTP 429"),
        (made(429, message="x", code="rate_limit"), errors.RateLimited, "global-rate"),
        (made(429, message="x", headers=LIMITED), errors.RateLimited, "endpoint-rate"),
        (made(301, body=b""), errors.RequestRefused, "redirect"),
        (made(307, body=b""), errors.RequestRefused, "redirect"),
        (made(418, body=b'{"error": "invalid_grant"}'), errors.RequestRefused, "HTTP 418"),
        (made(418, body=b'{"error": {"message": 7}}'), errors.RequestRefused, "HTTP 418"),
        (made(418, body=b"\xff\xfe"), errors.RequestRefused, "HTTP 418"),
    ],
)
def test_each_answer_has_its_error(error, kind, words):
    assert type(error) is kind
    assert words in error.message
    assert error.hint
    assert error.request_id == "req_1"
    assert "abcd" not in error.message


def test_a_missing_permission_names_itself_and_the_account():
    error = made(403, message=PERMISSION)
    assert isinstance(error, errors.PermissionMissing)
    assert error.permissions == ("rak_charge_read",)
    assert error.account_id == "acct_1Abc"
    assert "rk_test_…" in error.message
    assert made(403, message=REVOKED, code="account_invalid").stripe_code == "account_invalid"


def test_an_object_of_the_other_mode_is_told_apart():
    assert "live mode" in made(404, message=OTHER_MODE, code="resource_missing").hint
    assert "deleted" in made(404, message="No such customer", code="resource_missing").hint


def test_stripes_word_on_repeating_is_kept():
    assert made(500).should_retry is None
    assert made(500, headers={"Stripe-Should-Retry": "false"}).should_retry is False
    assert made(400, headers={"stripe-should-retry": "true"}).should_retry is True
    assert made(429, headers={"Retry-After": "3"}).retry_after == 3.0
    for unread in ("soon", "-1", "", "1e9", "9" * 20, "Mon, 23 Nov 2026 17:38:00 GMT"):
        assert made(429, headers={"Retry-After": unread}).retry_after is None


@given(
    st.text(max_size=60),
    st.sampled_from(["sk_live_", "sk_test_", "rk_live_", "pk_test_", "sk_org_", "rkcs_test_", "whsec_"]),
    st.from_regex(r"[A-Za-z0-9]{12,60}", fullmatch=True),
    st.text(max_size=60),
)
def test_no_key_survives_in_a_message(before, prefix, body, after):
    shown = redacted(f"{before}{prefix}{body} {after}")
    assert body not in shown.replace(" ".join(before.split()), "").replace(" ".join(after.split()), "")
    assert "\n" not in shown
    assert len(redacted("word " * 1000)) <= 400


@given(st.integers(300, 599).filter(lambda status: status != 400), st.binary(max_size=200))
def test_any_answer_has_some_error(status, body):
    error = refusal(status, CIMultiDict(), body)
    assert isinstance(error, errors.StripeError)
    assert error.hint


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/v1/invoices", "/v1/invoices"),
        ("/v1/invoices/in_1", "/v1/invoices/{id}"),
        ("/v1/invoices/in_1/lines", "/v1/invoices/{id}/lines"),
        ("/v1/invoices/create_preview", "/v1/invoices/create_preview"),
        ("/v1/customers/search", "/v1/customers/search"),
        ("/v1/coupons/GOLD%2F2", "/v1/coupons/{id}"),
        ("/v1/customers/cus_1/balance_transactions/cbtxn_1", "/v1/customers/{id}/balance_transactions/{id}"),
        ("/v1/checkout/sessions", "/v1/checkout/sessions"),
        ("/v1/checkout/sessions/cs_1/line_items", "/v1/checkout/sessions/{id}/line_items"),
        ("/v1/test_helpers/test_clocks/clock_1/advance", "/v1/test_helpers/test_clocks/{id}/advance"),
        ("/v1/balance", "/v1/balance"),
        ("/v2/core/events/evt_1", "/v2/core/events/{id}"),
    ],
)
def test_an_operation_has_no_ids(path, named):
    assert operation("GET", path) == f"GET {named}"


@pytest.mark.parametrize(
    "path",
    ["", "v1/x", "/v1/x?a=b", "/v1/x#", "/v1/../x", "/v1/x/..", "//x", "/v1/x/.", "/v1/./x", "/v1/a b", "/@x:1/"],
)
def test_a_path_that_may_lead_elsewhere_is_refused(path):
    with pytest.raises(ValueError, match="path"):
        operation("GET", path)


@given(st.text(min_size=1).filter(lambda text: text not in {".", "..", "search", "upcoming", "create_preview"}))
def test_any_id_is_one_segment(object_id):
    try:
        part = segment(object_id)
    except UnicodeEncodeError:
        return
    assert operation("GET", f"/v1/coupons/{part}") == "GET /v1/coupons/{id}"


def test_nested_parameters_are_spelled_as_stripe_does():
    assert encoded(None) == ""
    assert (
        encoded(
            {"limit": 100, "created": {"gte": 1, "lt": 2}, "expand": ["data.a", "data.b"], "none": None, "live": True}
        )
        == "limit=100&created[gte]=1&created[lt]=2&expand[]=data.a&expand[]=data.b&live=true"
    )
    assert encoded({"email": "a+b@x.org", "q": "ü &="}) == "email=a%2Bb%40x.org&q=%C3%BC+%26%3D"
    assert encoded({"items": [{"price": "p", "quantity": 2}, {"id": "si"}]}) == (
        "items[0][price]=p&items[0][quantity]=2&items[1][id]=si"
    )
