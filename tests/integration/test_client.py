"""The client on the wire, against a hand-written server that misbehaves on order."""

import asyncio
import gzip
import json
import socket
import time
from collections import Counter
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

import pytest
from aiohttp import web

from bridged.core import errors
from bridged.core.types import Secret
from bridged.stripe.client import PIN, StripeClient, Timeouts
from bridged.stripe.gate import Gate
from bridged.stripe.pacer import Limits, Pacer
from bridged.stripe.patience import Patience

KEY = "rk_test_51HxQ2Abc9Def8Ghi7Jkl6Mno5"
FAST = Limits(account=10_000, endpoint=10_000)
QUICK = Patience(base=0.004, cap=0.02, attempts=4, foreground_attempts=2)
LIST = json.dumps(
    {"object": "list", "has_more": True, "data": [{"id": "ch_2", "created": 20}, {"id": "ch_1", "created": 10}]}
).encode()
OBJECT = b'{"id": "ch_1", "object": "charge"}'


class Server:
    """Answers from a script, one step a request; the last step repeats. A step is a function of the request."""

    def __init__(self, *script):
        self.script = list(script)
        self.seen = []
        self.base = ""
        self.stopping = asyncio.Event()
        self._arrival = asyncio.Condition()

    async def arrived(self, count):
        async with self._arrival:
            await self._arrival.wait_for(lambda: len(self.seen) >= count)

    async def handle(self, request):
        body = await request.text()
        self.seen.append((request.method, request.rel_url.raw_path_qs, dict(request.headers), body))
        async with self._arrival:
            self._arrival.notify_all()
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return await step(self, request)


def says(body=OBJECT, status=200, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def step(_server, _request):
        return web.Response(body=body, status=status, headers={"Request-Id": "req_1", **named})

    return step


def fails(status, code=None, message="It broke.", **headers):
    return says(json.dumps({"error": {"message": message, "code": code}}).encode(), status, **headers)


async def reset(_server, request):
    request.transport.abort()
    return web.Response()


async def truncated(_server, request):
    response = web.StreamResponse()
    response.content_length = len(LIST)
    await response.prepare(request)
    await response.write(LIST[:20])
    request.transport.close()
    return response


async def hang(server, _request):
    await server.stopping.wait()
    return web.Response()


async def hang_in_body(server, request):
    response = web.StreamResponse()
    response.content_length = len(LIST)
    await response.prepare(request)
    await response.write(LIST[:20])
    await server.stopping.wait()
    return response


async def garbage(_server, request):
    request.transport.write(b"\x00\x01 SMTP ready\r\n\r\n")
    request.transport.close()
    return web.Response()


async def broken_gzip(_server, _request):
    return web.Response(body=b"\x1f\x8b" + b"nonsense" * 9, headers={"Content-Encoding": "gzip"})


@asynccontextmanager
async def serving(*script):
    server = Server(*script)
    runner = web.ServerRunner(web.Server(server.handle), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.base = "http://{}:{}".format(*runner.addresses[0][:2])
        yield server
    finally:
        server.stopping.set()
        await runner.cleanup()


@asynccontextmanager
async def talking(*script, limits=FAST, total=5.0, patience=QUICK):
    async with serving(*script) as server:
        gate = Gate(Pacer(limits, 1.0))
        async with StripeClient(
            Secret(KEY), server.base, gate, timeouts=Timeouts(connect=1.0, total=total), patience=patience
        ) as client:
            yield client, server
        assert gate.pacer.in_flight == 0


async def test_what_is_sent():
    async with talking(says(LIST)) as (client, server):
        page = await client.page("/v1/charges", {"limit": 100, "created": {"gte": 5}, "expand": ["data.refunds"]})
    (method, path, headers, body), *more = server.seen
    assert (method, body, more) == ("GET", "", [])
    assert path == "/v1/charges?limit=100&created[gte]=5&expand[]=data.refunds"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["Stripe-Version"] == PIN
    assert headers["Accept-Encoding"] == "gzip"
    assert headers["User-Agent"].startswith("Bridged/")
    assert not {"Stripe-Account", "Idempotency-Key", "Cookie"} & set(headers)
    assert page.answer.body == LIST
    assert page.head.ids == ("ch_2", "ch_1")
    assert page.head.cursor == "ch_1"
    assert page.answer.request_id == "req_1"


async def test_a_post_is_a_form_with_its_key():
    async with talking(says()) as (client, server):
        await client.post(
            "/v1/invoices/create_preview",
            {"customer": "cus_1", "items": [{"price": "p"}]},
            idempotency_key="k1",
            account="acct_1",
        )
    method, _, headers, body = server.seen[0]
    assert method == "POST"
    assert headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert headers["Idempotency-Key"] == "k1"
    assert headers["Stripe-Account"] == "acct_1"
    assert parse_qsl(body) == [("customer", "cus_1"), ("items[0][price]", "p")]


async def test_gzip_is_read():
    async with talking(says(gzip.compress(LIST), Content_Encoding="gzip")) as (client, _):
        assert (await client.page("/v1/charges")).answer.body == LIST


@pytest.mark.parametrize(
    "step",
    [
        reset,
        truncated,
        garbage,
        broken_gzip,
        says(b"<html>"),
        says(b"[]"),
        says(b""),
        fails(409),
        fails(424),
        fails(500),
        fails(503),
        fails(429, "lock_timeout"),
        fails(429, Stripe_Rate_Limited_Reason="global-rate"),
        fails(400, "rate_limit"),
        fails(402, Stripe_Should_Retry="true"),
    ],
)
async def test_what_may_pass_is_repeated(step):
    async with talking(step, step, says(LIST)) as (client, server):
        page = await client.page("/v1/charges")
        assert page.head.count == 2
        tally = client.tallies["GET /v1/charges"]
        assert (tally.requests, tally.retries, tally.failures) == (3, 2, 0)
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (fails(401), errors.KeyInvalid),
        (fails(403), errors.PermissionMissing),
        (fails(404, "resource_missing"), errors.ObjectMissing),
        (fails(400), errors.RequestRefused),
        (fails(500, Stripe_Should_Retry="false"), errors.StripeBusy),
        (fails(503, Retry_After="100000"), errors.StripeBusy),
    ],
)
async def test_what_cannot_pass_is_not_repeated(step, error):
    async with talking(step) as (client, server):
        with pytest.raises(error):
            await client.get("/v1/charges")
        assert client.total.failures == 1
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (reset, errors.StripeUnreachable),
        (truncated, errors.AnswerUnreadable),
        (garbage, errors.AnswerUnreadable),
        (broken_gzip, errors.AnswerUnreadable),
        (says(b"{}"), errors.AnswerUnreadable),
        (fails(500), errors.StripeBusy),
        (fails(429, Stripe_Rate_Limited_Reason="resource-specific"), errors.RateLimited),
    ],
)
async def test_patience_ends_in_one_of_our_errors(step, error):
    async with talking(step) as (client, server):
        with pytest.raises(error) as caught:
            await client.page("/v1/charges")
        assert caught.value.hint
        assert caught.value.__cause__ is None
        assert len(server.seen) == QUICK.attempts
        with pytest.raises(error):
            await client.page("/v1/charges", foreground=True)
        assert len(server.seen) == QUICK.attempts + QUICK.foreground_attempts


@pytest.mark.parametrize("step", [hang, hang_in_body])
async def test_a_hanging_server_is_given_up(step):
    async with talking(step, total=0.05) as (client, server):
        with pytest.raises(errors.StripeUnreachable, match="did not answer within"):
            await client.get("/v1/charges")
        assert len(server.seen) == QUICK.attempts


async def test_a_hang_that_ends_is_waited_out():
    async with talking(hang, says(), total=0.2) as (client, _):
        assert (await client.get("/v1/charges/ch_1")).body == OBJECT


async def test_nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with StripeClient(Secret(KEY), base, Gate(Pacer(FAST, 1.0)), patience=QUICK) as client:
            with pytest.raises(errors.StripeUnreachable, match="could not be connected to"):
                await client.get("/v1/charges")
            assert client.total.requests == QUICK.attempts


async def test_not_tls():
    async with serving(says()) as server:
        base = server.base.replace("http:", "https:")
        async with StripeClient(Secret(KEY), base, Gate(Pacer(FAST, 1.0)), patience=Patience(attempts=1)) as client:
            with pytest.raises(errors.StripeUnreachable):
                await client.get("/v1/charges")


async def test_a_redirect_is_refused_and_the_key_stays_here():
    async with serving(says()) as elsewhere:
        for status in (301, 302, 307, 308):
            async with talking(says(b"", status, Location=f"{elsewhere.base}/v1/charges")) as (client, server):
                with pytest.raises(errors.RequestRefused, match="redirect"):
                    await client.get("/v1/charges")
                assert len(server.seen) == 1
        assert elsewhere.seen == []


async def test_a_post_is_repeated_only_with_its_key():
    async with talking(reset, says()) as (client, server):
        with pytest.raises(errors.StripeUnreachable):
            await client.post("/v1/refunds", {"charge": "ch_1"}, idempotency_key=None)
        assert len(server.seen) == 1
    async with talking(reset, fails(500), says()) as (client, server):
        await client.post("/v1/refunds", {"charge": "ch_1"}, idempotency_key="k")
        assert [headers["Idempotency-Key"] for _, _, headers, _ in server.seen] == ["k", "k", "k"]
        assert len({body for *_, body in server.seen}) == 1


async def test_a_connection_closed_while_idle_is_our_repetition_not_the_librarys():
    async with talking(says(), reset, says()) as (client, server):
        await client.get("/v1/charges/ch_1")
        await client.get("/v1/charges/ch_1")
        assert client.total.requests == len(server.seen) == 3
        assert client.total.retries == 1


@pytest.mark.parametrize(
    ("reason", "slower"),
    [
        ("global-rate", {"account"}),
        ("endpoint-rate", {"endpoint"}),
        ("global-concurrency", set()),
        ("endpoint-concurrency", set()),
        ("resource-specific", set()),
    ],
)
async def test_each_reason_slows_what_it_names(reason, slower):
    once = fails(429, "rate_limit", Stripe_Rate_Limited_Reason=reason)
    async with talking(once, says(), limits=Limits(account=100)) as (client, _):
        await client.get("/v1/charges/ch_1")
        tally = client.tallies["GET /v1/charges/{id}"]
        assert tally.rate_limited == {reason: 1}
        assert tally.as_json() == {"requests": 2, "retries": 1, "rate_limited": 1, "bytes": tally.bytes}
        pacer = client.gate.pacer
        assert (pacer.rate() < 100) == ("account" in slower)
        assert (pacer.rate("GET /v1/charges/{id}") < 25) == ("endpoint" in slower)
        assert pacer.rate("GET /v1/invoices") == 25


async def test_a_vanished_cursor():
    body = {"error": {"code": "resource_missing", "param": "starting_after", "message": "No such charge: 'ch_0'"}}
    async with talking(says(json.dumps(body).encode(), 400)) as (client, _):
        with pytest.raises(errors.CursorVanished):
            await client.page("/v1/charges", {"starting_after": "ch_0"})


async def test_cancelling_leaves_nothing_behind():
    async with talking(hang) as (client, server):
        tasks = [asyncio.create_task(client.get("/v1/charges")) for _ in range(5)]
        await server.arrived(5)
        assert client.gate.pacer.in_flight == 5
        for task in tasks:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in done)
        assert client.gate.pacer.in_flight == 0


async def test_a_deadline_of_the_caller_holds():
    async with talking(hang) as (client, _):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.get("/v1/charges", foreground=True)


async def test_no_key_is_kept_in_what_is_said():
    message = f"The provided key '{KEY}' does not have access. Having the 'rak_charge_read' permission would allow it."
    async with talking(fails(403, message=message)) as (client, _):
        with pytest.raises(errors.PermissionMissing) as caught:
            await client.get("/v1/charges")
        assert KEY[8:] not in f"{caught.value.message}{caught.value!r}{caught.value.as_json()}"
        assert KEY[8:] not in repr(vars(client))


async def test_answers_are_dated_in_stripes_clock():
    """The server's clock is an hour ahead; each answer's interval spans the moment at which it was made."""
    moments = []

    async def dated(_server, _request):
        ahead = time.time() + 3600.0
        moments.append(ahead)
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(ahead))
        return web.Response(body=OBJECT, headers={"Date": date})

    async with talking(dated) as (client, _):
        for _ in range(12):
            answer = await client.get("/v1/charges/ch_1")
            assert answer.sent <= moments[-1] <= answer.received
            assert answer.held.as_of == answer.sent
            assert answer.held.known_until == answer.received
            await asyncio.sleep(0.05)


async def test_without_a_date_our_own_clock_serves_widely():
    async def undated(_server, request):
        request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        request.transport.close()
        return web.Response()

    async with talking(undated) as (client, _):
        before = time.time()
        answer = await client.get("/v1/charges/ch_1")
        assert answer.sent < before - 5
        assert answer.received > before + 5


async def test_the_limit_holds_on_the_wire_and_all_is_asked_once():
    async with talking(says(LIST), limits=Limits(account=50, endpoint=50)) as (client, server):
        await asyncio.gather(*(client.page("/v1/charges", {"n": number}) for number in range(40)))
        assert Counter(path for _, path, _, _ in server.seen).total() == 40
        assert client.total.rate_limited.total() == 0
        assert client.total.bytes == 40 * len(LIST)


async def test_a_closed_client_may_be_used_again():
    async with talking(says()) as (client, _):
        await client.get("/v1/charges")
        await client.close()
        await client.get("/v1/charges")


async def test_a_path_cannot_lead_elsewhere():
    async with talking(says()) as (client, server):
        with pytest.raises(ValueError, match="path"):
            await client.get("@evil.example/v1/charges")
        assert server.seen == []
