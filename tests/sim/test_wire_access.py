"""Keys, permissions and Connect at the simulator's door."""

import base64
import json
import urllib.request
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.error import HTTPError

import pytest
import stripe

from bridged.sim import server
from bridged.sim.keys import mask
from bridged.sim.server import Simulator
from sim.wire import ACCOUNT, NOW, client, plain, tiny


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with server.in_thread(tiny()) as running:
        running.limits.enabled = False
        yield running


def get(sim: Simulator, path: str, **headers: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    request = urllib.request.Request(sim.url + path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.load(answer), dict(answer.headers)
    except HTTPError as error:
        with error:
            return error.code, json.load(error), dict(error.headers)


def restricted(sim: Simulator, *permissions: str, **settings: Any) -> str:
    return sim.world.add_key(sim.world.account(ACCOUNT, livemode=False), set(permissions), **settings).text


def error(sim: Simulator, key: str, path: str, method: str = "get", **options: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(stripe.StripeError) as caught:
        client(sim, key, **options).raw_request(method, path)
    body: Any = caught.value.json_body
    assert caught.value.http_status is not None
    return caught.value.http_status, body["error"]


def test_basic_and_bearer_both_work(sim: Simulator) -> None:
    basic = base64.b64encode(f"{sim.key()}:".encode()).decode()
    assert get(sim, "/v1/customers", Authorization=f"Basic {basic}")[0] == 200
    status, body, headers = get(sim, "/v1/customers?limit=1", Authorization=f"Bearer {sim.key()}")
    assert (status, body["object"], body["url"], body["has_more"]) == (200, "list", "/v1/customers", True)
    assert headers["Request-Id"].startswith("req_")
    assert headers["Stripe-Version"] == "2026-10-28.endive"


@pytest.mark.parametrize("header", ["", "Basic !!!", "Bearer ", "Digest x"])
def test_no_key(sim: Simulator, header: str) -> None:
    status, body, _ = get(sim, "/v1/customers", Authorization=header)
    assert status == 401
    assert "did not provide an API key" in body["error"]["message"]


def test_wrong_expired_and_publishable_keys(sim: Simulator) -> None:
    status, body = error(sim, "sk_test_abcdefghijklmnop", "/v1/customers")
    assert (status, body["type"], body.get("code")) == (401, "invalid_request_error", None)
    assert body["message"] == "Invalid API Key provided: sk_test_************mnop"
    old = sim.world.add_key(sim.world.account(ACCOUNT, livemode=False), expired=True).text
    status, body = error(sim, old, "/v1/customers")
    assert (status, body["code"]) == (401, "api_key_expired")
    assert body["message"] == f"Expired API Key provided: {mask(old)}"
    status, body = error(sim, "pk_test_abcdefgh", "/v1/customers")
    assert (status, body["code"]) == (403, "secret_key_required")


def test_masks_never_show_the_middle() -> None:
    assert mask("rk_live_0123456789") == "rk_live_******6789"
    assert mask("short") == "*****"
    assert mask("sk_test_abc") == "***********"


def test_restricted_key_reads_only_what_it_may(sim: Simulator) -> None:
    key = restricted(sim, "rak_customer_read", "invoice_write")
    assert client(sim, key).v1.customers.retrieve("cus_1").id == "cus_1"
    assert client(sim, key).v1.invoices.retrieve("in_1").id == "in_1"
    status, body = error(sim, key, "/v1/subscriptions/sub_none")
    assert (status, body["type"], body.get("code")) == (403, "invalid_request_error", None)
    assert body["message"] == (
        f"The provided key '{mask(key)}' does not have the required permissions for this endpoint on account "
        "'acct_tiny'. Having the 'rak_subscription_read' permission would allow this request to continue."
    )
    assert error(sim, key, "/v1/customers/cus_none")[0] == 404


PERMISSIONS = {
    "/v1/account": "rak_accounts_kyc_basic_read",
    "/v1/balance": "rak_balance_read",
    "/v1/balance_transactions": "rak_balance_transaction_source_read",
    "/v1/prices": "rak_plan_read",
    "/v1/invoiceitems": "rak_invoice_item_read",
    "/v1/invoices/in_1/lines": "rak_invoice_read",
    "/v1/invoice_payments": "rak_invoice_read",
    "/v1/subscription_items?subscription=sub_1": "rak_subscription_read",
    "/v1/events": "rak_event_read",
    "/v1/webhook_endpoints": "rak_webhook_read",
    "/v1/customers/cus_1/tax_ids": "rak_customer_read",
    "/v1/checkout/sessions": "rak_checkout_session_read",
}


@pytest.mark.parametrize(("path", "permission"), PERMISSIONS.items())
def test_each_endpoint_names_its_permission(sim: Simulator, path: str, permission: str) -> None:
    status, body = error(sim, restricted(sim), path)
    assert status == 403
    assert f"Having the '{permission}' permission would" in body["message"]
    assert client(sim, restricted(sim, permission)).raw_request("get", path).code == 200


def test_several_sufficient_permissions_are_named_in_the_plural(sim: Simulator) -> None:
    assert (
        "'rak_refund_read', 'rak_charge_read' permissions would"
        in error(sim, restricted(sim), "/v1/refunds")[1]["message"]
    )
    assert client(sim, restricted(sim, "charge_read")).raw_request("get", "/v1/refunds").code == 200


def test_writes_need_write_and_previews_too(sim: Simulator) -> None:
    key = restricted(sim, "webhook_read", "invoice_read")
    assert "'rak_webhook_write'" in error(sim, key, "/v1/webhook_endpoints", "post")[1]["message"]
    assert "'rak_invoice_write'" in error(sim, key, "/v1/invoices/create_preview", "post")[1]["message"]


def test_expanding_needs_the_permission_of_what_is_expanded(sim: Simulator) -> None:
    key = restricted(sim, "invoice_read")
    assert error(sim, key, "/v1/invoices/in_1?expand[]=customer")[0] == 403
    assert error(sim, key, "/v1/charges?expand[]=data.customer")[0] == 403
    assert client(sim, key).v1.invoices.retrieve("in_1", {"expand": ["payments"]}).payments is not None


def test_ip_policy(sim: Simulator) -> None:
    status, body = error(sim, restricted(sim, "customer_read", allowed_ips=("192.0.2.1",)), "/v1/customers")
    assert status == 403
    assert "does not allow requests from your IP address (127.0.0.1)" in body["message"]


def test_connect() -> None:
    world = tiny()
    other = world.account("acct_merchant", livemode=False)
    other.create("customers", plain("customer", "cus_theirs", NOW))
    with server.in_thread(world) as sim:
        key = sim.key(ACCOUNT, livemode=False)
        assert client(sim, key, stripe_account=ACCOUNT).v1.customers.retrieve("cus_1").id == "cus_1"
        status, body = error(sim, key, "/v1/customers", stripe_account="acct_merchant")
        assert (status, "Only Stripe Connect platforms" in body["message"]) == (403, True)
        world.platforms[ACCOUNT] = {"acct_merchant"}
        merchant = client(sim, key, stripe_account="acct_merchant")
        assert merchant.v1.customers.list().data[0].id == "cus_theirs"
        world.platforms[ACCOUNT].clear()
        status, body = error(sim, key, "/v1/customers", stripe_account="acct_merchant")
        assert (status, body["code"]) == (403, "account_invalid")
        assert "does not have access to account 'acct_merchant'" in body["message"]


def test_unknown_address_and_version(sim: Simulator) -> None:
    assert error(sim, sim.key(), "/v1/nothing")[0] == 404
    assert error(sim, sim.key(), "/v1/customers/")[0] == 404
    status, body = error(sim, sim.key(), "/v1/customers", stripe_version="tomorrow")
    assert (status, body["message"]) == (400, "Invalid Stripe API version: tomorrow")


def test_date_tells_virtual_time_that_flows() -> None:
    world = tiny()
    with server.in_thread(world) as sim:
        headers = get(sim, "/v1/balance", Authorization=f"Bearer {sim.key()}")[2]
        assert 0 <= parsedate_to_datetime(headers["Date"]).timestamp() - NOW < 60
        assert world.clock.flowing
        world.clock.now = NOW + 1000
        headers = get(sim, "/v1/balance", Authorization=f"Bearer {sim.key()}")[2]
        assert 1000 <= parsedate_to_datetime(headers["Date"]).timestamp() - NOW < 1060
    with server.in_thread(tiny(), clock="real") as sim:
        headers = get(sim, "/v1/balance", Authorization=f"Bearer {sim.key()}")[2]
        assert abs(parsedate_to_datetime(headers["Date"]).timestamp() - NOW) > 1000
