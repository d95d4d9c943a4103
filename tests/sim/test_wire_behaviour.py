"""What the simulator does around its answers: idempotency, limits, faults, webhook endpoints and the control door."""

import asyncio
import http.client
import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.error import HTTPError

import aiohttp
import pytest
import stripe

from bridged.sim import params, routes, server
from bridged.sim.limits import Limits
from bridged.sim.server import Simulator
from bridged.sim.store import Account, StripeError
from sim.wire import ACCOUNT, NOW, client, tiny


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with server.in_thread(tiny(), limits=Limits(enabled=False)) as running:
        yield running


def call(sim: Simulator, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, dict[str, str]]:
    """Raw: `body` is form fields for `/v1`, JSON for `/_sim`."""
    sent = {"Authorization": f"Bearer {sim.key(livemode=False)}"} | {k.replace("_", "-"): v for k, v in headers.items()}
    data = None
    if body is not None:
        control = path.startswith("/_sim")
        data = json.dumps(body).encode() if control else urllib.parse.urlencode(body, doseq=True).encode()
    request = urllib.request.Request(sim.url + path, data=data, method=method, headers=sent)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.load(answer), dict(answer.headers)
    except HTTPError as error:
        with error:
            return error.code, json.load(error), dict(error.headers)


HOOK = {"url": "https://example.com/h", "enabled_events[]": ["*"]}


def test_idempotency(sim: Simulator) -> None:
    first = call(sim, "POST", "/v1/webhook_endpoints", HOOK, Idempotency_Key="k1")
    again = call(sim, "POST", "/v1/webhook_endpoints", HOOK, Idempotency_Key="k1")
    assert first[1] == again[1]
    assert "Idempotent-Replayed" not in first[2]
    assert again[2]["Idempotent-Replayed"] == "true"
    assert again[2]["Original-Request"] == first[2]["Request-Id"]
    status, body, _ = call(sim, "POST", "/v1/webhook_endpoints", HOOK | {"description": "x"}, Idempotency_Key="k1")
    assert (status, body["error"]["type"]) == (400, "idempotency_error")
    assert len(call(sim, "GET", "/v1/webhook_endpoints")[1]["data"]) == 1
    bad = call(sim, "POST", "/v1/webhook_endpoints", {"url": "x"}, Idempotency_Key="k2")
    assert bad[0] == 400
    assert call(sim, "POST", "/v1/webhook_endpoints", HOOK, Idempotency_Key="k2")[0] == 200
    assert call(sim, "POST", "/v1/webhook_endpoints", HOOK, Idempotency_Key="k" * 256)[0] == 400
    sim.world.clock.now += 86_402
    assert "Idempotent-Replayed" not in call(sim, "POST", "/v1/webhook_endpoints", HOOK, Idempotency_Key="k1")[2]


async def test_one_idempotency_key_at_a_time() -> None:
    async with server.running(tiny(), latency=0.3) as sim, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {sim.key()}", "Idempotency-Key": "same"}
        form = [("url", "https://example.com/h"), ("enabled_events[]", "*")]

        async def post() -> tuple[int, bool]:
            async with session.post(f"{sim.url}/v1/webhook_endpoints", data=form, headers=headers) as answer:
                return answer.status, "Idempotent-Replayed" in answer.headers

        answers = await asyncio.gather(post(), post(), post())
        made = sim.world.account(ACCOUNT, livemode=False).all("webhook_endpoints")
    assert len(made) == 1
    assert answers.count((200, False)) == 1
    assert {status for status, _ in answers} <= {200, 409}


async def test_a_leap_of_the_clock_does_not_date_what_was_read_before_it() -> None:
    """Else a list from before three days of billing would claim to be from after them."""
    async with server.running(tiny(), latency=0.4) as sim, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {sim.key()}"}

        async def dated() -> float:
            async with session.get(f"{sim.url}/v1/customers", headers=headers) as answer:
                return parsedate_to_datetime(answer.headers["Date"]).timestamp()

        before = sim.world.clock.now
        asked = [asyncio.create_task(dated()) for _ in range(20)]
        await asyncio.sleep(0.2)
        sim.world.clock.now = before + 86_400
        dates = await asyncio.gather(*asked)
        assert await dated() >= before + 86_400
    assert 0 < sum(date < before + 10 for date in dates) < len(dates)


def test_webhook_endpoints(sim: Simulator) -> None:
    hooks = client(sim).v1.webhook_endpoints
    made = hooks.create({"url": "https://example.com/h", "enabled_events": ["invoice.paid"], "metadata": {"a": "1"}})
    assert made.secret is not None
    assert made.secret.startswith("whsec_")
    assert made.to_dict() == hooks.retrieve(made.id).to_dict() | {"secret": made.secret}
    changed = hooks.update(made.id, {"disabled": True, "metadata": {"a": "", "b": "2"}, "description": "d"})
    assert (changed.status, changed.metadata.to_dict(), changed.description) == ("disabled", {"b": "2"}, "d")
    for refused in ({"url": "example.com"}, {"url": ""}, {"api_version": "2025-03-31.basil"}):
        with pytest.raises(stripe.InvalidRequestError):
            hooks.update(made.id, refused)
    for number in range(15):
        hooks.create(
            {"url": f"https://example.com/{number}", "enabled_events": ["*"], "api_version": "2026-10-28.endive"}
        )
    with pytest.raises(stripe.InvalidRequestError, match="maximum of 16 test webhook endpoints"):
        hooks.create({"url": "https://example.com/17", "enabled_events": ["*"]})
    assert hooks.delete(made.id).to_dict() == {"id": made.id, "object": "webhook_endpoint", "deleted": True}
    with pytest.raises(stripe.InvalidRequestError) as caught:
        hooks.retrieve(made.id)
    assert caught.value.http_status == 404
    with pytest.raises(stripe.InvalidRequestError, match="HTTPS in live mode"):
        client(sim, sim.key(livemode=True)).v1.webhook_endpoints.create({"url": "http://x", "enabled_events": ["*"]})


def refusals(sim: Simulator, path: str, count: int) -> list[str | None]:
    answers = [call(sim, "GET", path) for _ in range(count)]
    return [headers.get("Stripe-Rate-Limited-Reason") for status, _, headers in answers if status == 429]


def test_rate_limits_name_their_reason() -> None:
    # A burst long enough that real time cannot refill what the test takes.
    limits = Limits(test_rate=0.007, endpoint_rate=0.003, burst=1000)
    with server.in_thread(tiny(), limits=limits) as sim:
        assert refusals(sim, "/v1/customers/cus_1", 4) == ["endpoint-rate"]
        assert refusals(sim, "/v1/customers", 4) == ["endpoint-rate"]
        assert refusals(sim, "/v1/invoices", 3) == ["global-rate"] * 2
        assert limits.refused == {"endpoint-rate": 2, "global-rate": 2}
        status, body, headers = call(sim, "GET", "/v1/invoices")
        assert (status, body["error"]["code"]) == (429, "rate_limit")
        assert "Request-Id" in headers
        with pytest.raises(stripe.RateLimitError):
            client(sim).v1.invoices.list()
        limits.enabled = False
        assert refusals(sim, "/v1/invoices", 5) == []


def test_tokens_come_back_with_time() -> None:
    limits = Limits(endpoint_rate=50, burst=0.02)
    scope = ("acct", True)
    assert limits.admit(scope, "GET /v1/x") is None
    assert limits.admit(scope, "GET /v1/x") == "endpoint-rate"
    assert limits.admit(scope, "GET /v1/y") is None
    time.sleep(0.03)
    assert limits.admit(scope, "GET /v1/x") is None
    assert limits.admit(("other", True), "GET /v1/y") is None


async def test_concurrency_limits() -> None:
    limits = Limits(test_rate=1000, endpoint_rate=1000, concurrency=3, endpoint_concurrency=2)
    async with server.running(tiny(), limits=limits, latency=0.2) as sim, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {sim.key()}"}

        async def reason(path: str) -> str | None:
            async with session.get(sim.url + path, headers=headers) as answer:
                return answer.headers.get("Stripe-Rate-Limited-Reason")

        same = await asyncio.gather(*(reason("/v1/customers") for _ in range(3)))
        kinds = ("customers", "invoices", "charges", "refunds")
        spread = await asyncio.gather(*(reason(f"/v1/{kind}") for kind in kinds))
    assert sorted(map(str, same)) == ["None", "None", "endpoint-concurrency"]
    assert sorted(map(str, spread)) == ["None", "None", "None", "global-concurrency"]


def test_status_faults_and_their_choice(sim: Simulator) -> None:
    rule = sim.faults.add("status", path="^/v1/invoices", method="GET", every=2, times=1, status=503, message="down")
    statuses = [call(sim, "GET", "/v1/invoices")[0] for _ in range(5)]
    assert statuses == [200, 503, 200, 200, 200]
    assert (rule.seen, rule.fired) == (2, 1)
    sim.faults.add("status", path="limit=3", nth=1, status=402, code="card_declined")
    assert call(sim, "GET", "/v1/customers?limit=3")[1]["error"]["code"] == "card_declined"
    sim.faults.clear()
    sim.faults.add("status", probability=0.5, status=500, body={"error": {"message": "odd"}})
    statuses = [call(sim, "GET", "/v1/customers")[0] for _ in range(30)]
    assert {200, 500} == set(statuses)
    with pytest.raises(ValueError, match="unknown fault"):
        sim.faults.add("explode")


def test_faults_on_the_wire(sim: Simulator) -> None:
    sim.faults.add("lock_timeout", nth=1)
    status, body, headers = call(sim, "GET", "/v1/customers")
    assert (status, body["error"]["code"]) == (429, "lock_timeout")
    assert "Stripe-Rate-Limited-Reason" not in headers
    assert "Request-Id" not in headers
    sim.faults.clear()
    sim.faults.add("rate_limit", reason="global-concurrency", times=1)
    assert call(sim, "GET", "/v1/customers")[2]["Stripe-Rate-Limited-Reason"] == "global-concurrency"
    sim.faults.add("reset", times=1)
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        call(sim, "GET", "/v1/customers")
    sim.faults.add("truncate", times=1)
    with pytest.raises(http.client.IncompleteRead):
        call(sim, "GET", "/v1/customers")
    sim.faults.add("garbage", times=1)
    with pytest.raises(json.JSONDecodeError):
        call(sim, "GET", "/v1/customers")
    sim.faults.add("delay", seconds=0.15, times=1)
    started = time.monotonic()
    assert call(sim, "GET", "/v1/customers")[0] == 200
    assert time.monotonic() - started >= 0.15
    assert [entry.fault for entry in sim.log] == ["lock_timeout", "rate_limit", "reset", "truncate", "garbage", "delay"]


async def test_hanging_requests_end_with_the_server() -> None:
    async with server.running(tiny()) as sim, aiohttp.ClientSession() as session:
        sim.faults.add("hang")
        headers = {"Authorization": f"Bearer {sim.key()}"}
        with pytest.raises(TimeoutError):
            await session.get(f"{sim.url}/v1/customers", headers=headers, timeout=aiohttp.ClientTimeout(total=0.1))


def test_a_lost_answer_still_took_effect(sim: Simulator) -> None:
    sim.faults.add("reset", method="POST", after=True, times=1)
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        call(sim, "POST", "/v1/webhook_endpoints", HOOK, Idempotency_Key="lost")
    again = call(sim, "POST", "/v1/webhook_endpoints", HOOK, Idempotency_Key="lost")
    assert again[2]["Idempotent-Replayed"] == "true"
    assert len(sim.world.account(ACCOUNT, livemode=False).all("webhook_endpoints")) == 1


def test_latency_is_seeded() -> None:
    with server.in_thread(tiny(), latency=0.05) as sim:
        started = time.monotonic()
        call(sim, "GET", "/v1/customers")
        assert time.monotonic() - started >= 0.05
        assert sim.log[-1].seconds >= 0.05


def test_warming_renders_what_is_served_afterwards(sim: Simulator) -> None:
    sim.warm()
    assert [entry.id for entry in client(sim).v1.invoices.list().data] == ["in_2", "in_1"]


def test_log_and_counts(sim: Simulator) -> None:
    call(sim, "GET", "/v1/customers/cus_1?expand[]=default_source")
    call(sim, "GET", "/v1/customers?limit=2")
    call(sim, "GET", "/v1/customers?limit=2")
    shown = call(sim, "GET", "/_sim/log")[1]
    assert [(entry["path"], entry["status"]) for entry in shown["data"]][1:] == [("/v1/customers", 200)] * 2
    assert shown["counts"]["GET /v1/customers"] == {"200": 2}
    assert shown["data"][0]["operation"] == "GET /v1/customers/{id}"
    assert shown["data"][0]["account"] == ACCOUNT
    assert "****" in shown["data"][0]["key"]
    assert call(sim, "GET", "/_sim/log?since=2")[1]["data"][0]["query"] == "limit=2"
    call(sim, "DELETE", "/_sim/log")
    assert sim.counts == {}


def test_control_state_and_mutate(sim: Simulator) -> None:
    state = call(sim, "GET", f"/_sim/state/{ACCOUNT}/subscriptions")[1]["data"]
    wide = next(obj for obj in state if obj["id"] == "sub_wide")
    assert (len(wide["items"]["data"]), wide["items"]["has_more"]) == (12, False)
    assert {obj["id"] for obj in state} >= {"sub_clock", "sub_gone"}
    stubs = call(sim, "GET", f"/_sim/state/{ACCOUNT}/customers")[1]["deleted"]
    assert stubs == [{"id": "cus_dead", "object": "customer", "deleted": True}]
    assert call(sim, "GET", f"/_sim/state/{ACCOUNT}")[1]["refunds"] == 12
    change = {
        "account": ACCOUNT,
        "kind": "customers",
        "id": "cus_1",
        "changes": {"name": "New"},
        "event": "customer.updated",
    }
    assert call(sim, "POST", "/_sim/mutate", change)[1]["name"] == "New"
    newest = client(sim).v1.events.list({"limit": 1}).data[0]
    assert (newest.type, newest.data.previous_attributes.to_dict()) == ("customer.updated", {"name": None})
    made = {"id": "cus_m", "object": "customer", "created": NOW}
    call(sim, "POST", "/_sim/mutate", {"account": ACCOUNT, "kind": "customers", "create": made})
    assert client(sim).v1.customers.list({"limit": 1}).data[0].id == "cus_m"
    call(sim, "POST", "/_sim/mutate", {"account": ACCOUNT, "kind": "customers", "id": "cus_m", "delete": True})
    assert client(sim).v1.customers.retrieve("cus_m").to_dict()["deleted"]
    assert call(sim, "POST", "/_sim/mutate", {"account": "acct_none", "kind": "customers"})[0] == 404


def test_control_keys_limits_faults_and_clock(sim: Simulator) -> None:
    made = call(sim, "POST", "/_sim/keys", {"account": ACCOUNT, "permissions": ["rak_customer_read"]})[1]
    assert made["key"].startswith("rk_test_")
    assert client(sim, made["key"]).v1.customers.list().data
    call(sim, "POST", "/_sim/keys/expire", {"key": made["key"]})
    with pytest.raises(stripe.AuthenticationError):
        client(sim, made["key"]).v1.customers.list()
    assert call(sim, "POST", "/_sim/limits", {"enabled": True, "endpoint_rate": 0.001, "burst": 1})[1]["enabled"]
    assert refusals(sim, "/v1/customers", 2) == ["endpoint-rate"]
    assert call(sim, "GET", "/_sim/limits")[1]["refused"] == {"endpoint-rate": 1}
    assert call(sim, "POST", "/_sim/limits", {"nonsense": 1})[0] == 400
    call(sim, "POST", "/_sim/limits", {"enabled": False})
    rule = call(sim, "POST", "/_sim/faults", {"action": "status", "status": 500, "path": "/v1/events"})[1]
    assert call(sim, "GET", "/v1/events")[0] == 500
    assert len(call(sim, "GET", "/_sim/faults")[1]["data"]) == 1
    call(sim, "DELETE", f"/_sim/faults/{rule['id']}")
    assert call(sim, "GET", "/v1/events")[0] == 200
    assert call(sim, "DELETE", "/_sim/faults")[1] == {"rules": 0}
    assert call(sim, "POST", "/_sim/faults", {"action": "explode"})[0] == 400
    before = sim.world.clock.now
    assert call(sim, "POST", "/_sim/clock", {"advance": 3600})[1]["now"] >= before + 3600
    assert call(sim, "POST", "/_sim/clock", {"to": NOW - 5})[0] == 400
    assert call(sim, "POST", "/_sim/options", {"latency": 0.001})[1]["latency"] == 0.001
    assert call(sim, "POST", "/_sim/options", {"port": 1})[0] == 400
    assert call(sim, "GET", "/_sim/world")[1]["accounts"][0]["id"] == ACCOUNT
    assert call(sim, "GET", "/_sim/cast")[1] == {"data": []}
    assert call(sim, "GET", "/_sim/nothing")[0] == 404
    connected = call(sim, "POST", "/_sim/connect", {"platform": ACCOUNT, "account": "acct_m"})[1]
    assert connected["connected"] == ["acct_m"]
    assert call(sim, "POST", "/_sim/connect/revoke", {"platform": ACCOUNT, "account": "acct_m"})[1]["connected"] == []


def rename(account: Account, given: dict[str, Any], args: dict[str, str]) -> dict[str, Any]:
    if given.get("name") == "declined":
        raise StripeError(402, "card_error", "Declined.", "card_declined", extra={"decline_code": "generic_decline"})
    return account.update("customers", args["customer"], {"name": given["name"]}, "customer.updated")


def test_writes_reach_their_handler_and_events_name_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_handlers", lambda: {("POST", "/v1/customers/{customer}"): rename})
    with server.in_thread(tiny()) as sim:
        form = {"name": "By request", "expand[]": "tax_ids"}
        status, body, headers = call(sim, "POST", "/v1/customers/cus_1", form, Idempotency_Key="named")
        assert (status, body["name"], body["tax_ids"]["data"][0]["id"]) == (200, "By request", "txi_1")
        event = client(sim).v1.events.list({"limit": 1}).data[0]
        assert event.request is not None
        assert (event.request.id, event.request.idempotency_key) == (headers["Request-Id"], "named")
        for _ in range(2):
            status, body, headers = call(
                sim, "POST", "/v1/customers/cus_1", {"name": "declined"}, Idempotency_Key="declined"
            )
            assert (status, body["error"]["decline_code"]) == (402, "generic_decline")
        assert headers["Idempotent-Replayed"] == "true"
        assert sim.log[-1].operation == "POST /v1/customers/{customer}"


def test_nested_parameters() -> None:
    assert params.decode("a[b][c]=1&d[]=x&d[]=y&e[0][f]=1&e[1][f]=2&g=&a[b][h]=%5B") == {
        "a": {"b": {"c": "1", "h": "["}},
        "d": ["x", "y"],
        "e": [{"f": "1"}, {"f": "2"}],
        "g": "",
    }
    assert params.decode("") == {}
    assert params.decode("a=1&a=2&b=1&b[c]=2") == {"a": "2", "b": {"c": "2"}}


def test_the_command_prints_one_line() -> None:
    command = [sys.executable, "-m", "bridged.sim", "--port", "0", "--seed", "7", "--size", "small"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        account = said["accounts"][0]
        for key in (account["key"], account["restricted_key"]):
            headers = {"Authorization": f"Bearer {key}"}
            request = urllib.request.Request(f"{said['url']}/v1/customers?limit=1", headers=headers)
            with urllib.request.urlopen(request, timeout=120) as answer:
                assert json.load(answer)["object"] == "list"
        process.terminate()
        assert process.wait(10) == 0
