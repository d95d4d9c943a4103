"""The open door: whatever comes, it is answered, what got a 2xx is there, and a refusal costs and tells little."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
import pytest_asyncio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg import sql

from bridged.core import clock
from bridged.core.db import DOOR_SIZE
from bridged.core.embedded import Embedded
from bridged.core.migrate import migrate
from bridged.messages import intake
from bridged.web import hooks
from bridged.web.hooks import MOST_BYTES, Allowance
from ground import Cluster, scratch
from postbox import (
    ACCOUNT,
    OLD,
    OTHERS,
    SECRET,
    STRANGERS,
    Answer,
    Postbox,
    event,
    exchange,
    fresh,
    postbox,
    request,
    signed,
    written,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postbox]:
    async with fresh(cluster, tmp_path_factory.mktemp("receive")) as box:
        yield box


@pytest_asyncio.fixture(loop_scope="module")
async def box(opened: Postbox) -> AsyncIterator[Postbox]:
    """With an empty inbox, and room for refusals."""
    await opened.post(b"")  # the first request puts the process together
    opened.clear()
    receiving(opened)._allowances.clear()
    yield opened


def receiving(box: Postbox) -> hooks.Hooks:
    """The receiving part of the process."""
    layer: Any = box.web.site.middleware_stack
    while not isinstance(layer, hooks.Door):
        layer = layer.app
    return layer._hooks


def refusals(box: Postbox) -> list[dict[str, Any]]:
    return box.ask("select * from bridged.deliveries where verdict <> 'accepted' order by received_at")


# What may come

NESTED = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text(st.characters(codec="utf-8"), max_size=8)
    | st.sampled_from(["\0", "x" * 300, "evt_1", "event", "9" * 400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
NAMES = (
    "id",
    "object",
    "type",
    "created",
    "livemode",
    "account",
    "context",
    "api_version",
    "data",
    "related_object",
    "request",
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """An event of which some fields are anything, twice, or not there, as text that json would not write."""
    fields: list[tuple[str, Any]] = list(event(draw(st.integers(0, 3))).items())
    fields += [(name, draw(NESTED)) for name in draw(st.lists(st.sampled_from(NAMES), max_size=3))]
    if draw(st.booleans()):
        fields.append(("data", {"object": {name: draw(NESTED) for name in ("id", "object", "customer")}}))
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=2)):
        fields = [each for each in fields if each[0] != name]
    shuffled = draw(st.permutations(fields))
    text = b",".join(b'"%s":%s' % (name.encode(), written_anyhow(value)) for name, value in shuffled)
    return b"{" + text + b"}"


def written_anyhow(value: Any) -> bytes:
    """JSON with numbers of any length, NaN, and keys as they come."""
    if isinstance(value, dict):
        return b"{" + b",".join(written_anyhow(key) + b":" + written_anyhow(each) for key, each in value.items()) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(written_anyhow, value)) + b"]"
    return json.dumps(value, ensure_ascii=False).encode()


PART = b'{"id":"evt_1","object":"event","type":"customer.updated","created":1780000000,"data":{"object":%s}}'
AWKWARD = [
    b"[" * 100_000,
    b"[" * 100_000 + b"]" * 100_000,
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    PART % (b"[" * 100_000 + b"]" * 100_000),
    PART % (b'{"id":' * 100_000 + b"1" + b"}" * 100_000),
    PART % (b'{"id":"cus_1","x":' + b"[" * 900 + b"]" * 900 + b"}"),
    PART % b'{"id":"cus_1","amount":1e999999,"big":%s}' % (b"9" * 100_000),
    PART % b'{"id":"\\u0000","customer":"\\ud800","object":"\\udfff\\ud800"}',
    PART % b'{"id":"\x00\x01","customer":"\x1f"}',
    PART % b'{"id":"\xff\xfe","customer":"\xed\xa0\x80"}',
    PART % b'{"name":"\xff\xfe"}',
    b'{"id":"\\u0000","object":"event","type":"\\u0000","created":1,"api_version":"\\u0000","account":"\\u0000"}',
    b'{"id":"evt","object":"event","type":"a","created":253402300799}',
    b'{"id":"evt","object":"event","type":"a","created":253402300800}',
    b'{"id":"evt","object":"event","type":"a","created":0}',
    b'{"id":"evt","object":"event","type":"a","created":-1}',
    b'{"id":"evt","object":"event","type":"a","created":1e3}',
    b'{"id":"evt","object":"event","type":"a","created":99999999999999999999999999}',
    b'{"id":"evt","object":"event","type":"a","created":"0001-01-01T00:00:00+23:59"}',
    b'{"id":"evt","object":"event","type":"a","created":"9999-12-31T23:59:59-23:59"}',
    b'{"id":"evt","object":"v2.core.event","type":"a","created":"\\ud800"}',
    b'{"id":"evt","id":"evt2","object":"event","object":"event","type":"a","type":"b","created":1,"created":2}',
    b'{"id":"%s","object":"event","type":"%s","created":1}' % ("\U0010ffff".encode() * 255, b"t" * 255),
    b'{"id":"%s","object":"event","type":"t","created":1}' % (b"x" * 256),
    b'{"id":"evt","object":"event","type":"t","created":1,"api_version":"%s"}' % (b"v" * 900_000),
    b"\\u0000" * 1000,
    b'"' + b"\\ud800" * 100_000 + b'"',
    b"\x00" * 1000,
    b"null",
    b"NaN",
]


def sound(answer: Answer) -> None:
    assert answer.status in {200, 400, 404, 405, 413}, answer
    if answer.status != 200:
        assert orjson.loads(answer.body)["error"]["code"]


@pytest.mark.parametrize("number", range(len(AWKWARD)))
async def test_awkward_bodies(box: Postbox, number: int) -> None:
    body = AWKWARD[number]
    for answer in (
        await box.post(body),
        await box.post(body, b"t=1,v1=" + b"0" * 64),
        await box.post(body, signed(body)),
    ):
        sound(answer)
    kept = box.ask("select payload from bridged.events")
    assert [bytes(row["payload"]) for row in kept] == ([body] if answer.status == 200 else [])
    for name in ("events", "deliveries"):
        found = await box.web.get(f"/api/v1/connections/{box.scope.connection_id}/webhooks/{name}")
        assert found.status == 200, found.body


@settings(max_examples=150)
@given(bodies() | st.binary(max_size=300), st.booleans())
@example(b"", True)
async def test_no_body_breaks_it(opened: Postbox, body: bytes, right: bool) -> None:
    answer = await opened.post(body, *([signed(body)] if right else []))
    sound(answer)
    if answer.status == 200:
        assert body in {bytes(row["payload"]) for row in opened.ask("select payload from bridged.events")} or (
            orjson.loads(body)["id"] in opened.events()
        )


VALUES = st.binary(max_size=60).map(lambda raw: bytes(byte for byte in raw if byte not in b"\r\n\0"))


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["Stripe-Signature", "Content-Type", "X-Request-Id", "Accept", "Expect", "Range", "Cookie", "X-Any"]
            ),
            VALUES,
        ),
        max_size=4,
    )
)
async def test_no_header_breaks_it(opened: Postbox, fields: list[tuple[str, bytes]]) -> None:
    path = f"/webhooks/stripe/{opened.scope.connection_id}"
    answer = await exchange(opened.web.url, request(path, written(), fields))
    assert answer.status == 400, answer


@settings(max_examples=100)
@given(
    st.lists(
        st.sampled_from(
            ["/", "%2f", "%2F", "..", "%00", "%ff", "%F0%9F%92%B3", ";", "%25", "%0d%0a", "x" * 3000, "a", "-", "{id}"]
        )
        | st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="?#"), max_size=8),
        max_size=6,
    ).map("".join),
    st.sampled_from(["POST", "POST", "GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY"]),
)
async def test_no_path_or_method_breaks_it(opened: Postbox, path: str, method: str) -> None:
    before = opened.events()
    for whole in (f"/webhooks/stripe/{path}", f"/webhooks/stripe/{opened.scope.connection_id}{path or '/'}"):
        body = written()
        answer = await exchange(opened.web.url, request(whole, body, [("Stripe-Signature", signed(body))], method))
        # 400 also from the server itself, for a method or an address that is none.
        assert answer.status == (404 if method == "POST" else 405) or answer.status == 400, answer
    assert opened.events() == before


# Limits


def padded(size: int) -> bytes:
    body = written()
    return body + b" " * (size - len(body))


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_mebibyte_and_no_more(box: Postbox, chunked: bool) -> None:
    path = f"/webhooks/stripe/{box.scope.connection_id}"
    for size, status in ((MOST_BYTES, 200), (MOST_BYTES + 1, 413)):
        body = padded(size)
        fields = [("Stripe-Signature", signed(body))]
        framed = b"%x\r\n%s\r\n0\r\n\r\n" % (size, body) if chunked else body
        length = ("Transfer-Encoding", b"chunked") if chunked else ("Content-Length", str(size).encode())
        answer = await exchange(box.web.url, request(path, framed, [*fields, length], framed=True))
        # Whoever goes on sending what is not read may lose the answer with the connection.
        assert answer.status in ({status} if status == 200 else {413, 0})
    assert box.ask("select octet_length(payload) as n from bridged.events") == [{"n": MOST_BYTES}]
    (refused,) = refusals(box)
    assert refused["verdict"] == "too_large"
    assert len(refused["body"]) <= 16 * 1024


async def test_a_length_that_is_only_claimed(box: Postbox) -> None:
    path = f"/webhooks/stripe/{box.scope.connection_id}"
    whole = request(path, b"", [("Content-Length", b"1048577")], framed=True)
    assert (await exchange(box.web.url, whole)).status == 413
    assert refusals(box)[0]["bytes"] == 1_048_577


# Refusals


async def test_every_cause_is_produced_and_kept(box: Postbox) -> None:
    right = written(account=ACCOUNT)
    mute = written(2)
    large = padded(MOST_BYTES + 1)
    ago, ahead = -1000, 1000

    async def gone(scope_id: str) -> Answer:
        return await exchange(box.web.url, request(f"/webhooks/stripe/{scope_id}", right, [("Stripe-Signature", b"x")]))

    def off(body: bytes, seconds: int) -> bytes:
        return signed(body, at=int(clock.unix()) + seconds)

    wrong_mode, wrong_account = written(livemode=True), written(account="acct_other")
    answers = {
        "no_header": await box.post(right),
        "bad_signature": await box.post(right, signed(right, "whsec_x")),
        "stale": await box.post(right, off(right, ago)),
        "future": await box.post(right, off(right, ahead)),
        "no_secret": await box.post(mute, signed(mute), to=box.mute),
        "wrong_mode": await box.post(wrong_mode, signed(wrong_mode)),
        "wrong_account": await box.post(wrong_account, signed(wrong_account)),
        "unknown_connection": await gone("11111111-1111-4111-8111-111111111111"),
        "too_large": await box.post(large, signed(large)),
        "not_json": await box.post(b"no", signed(b"no")),
        "not_an_event": await box.post(b"{}", signed(b"{}")),
    }
    assert answers.keys() == hooks._SAID.keys()
    for cause, answer in answers.items():
        assert answer.status == hooks._SAID[cause][0] or (cause == "too_large" and answer.status == 0)
        assert answer.cause == cause or answer.status == 0
    kept = {row["verdict"]: row for row in refusals(box)}
    assert kept.keys() == answers.keys()
    assert kept["bad_signature"]["event_id"] == event()["id"]
    assert bytes(kept["bad_signature"]["body"]) == right
    assert kept["no_secret"]["connection_id"].hex == box.mute.connection_id.replace("-", "")
    nobody = kept["unknown_connection"]
    assert (nobody["workspace_id"], str(nobody["connection_id"])) == (None, NOBODY)
    assert box.events() == []


async def test_what_is_nobodys_is_kept_within_bounds_and_seen_by_nobody(box: Postbox) -> None:
    draw = random.Random(1)

    async def strange() -> int:
        name = f"{draw.getrandbits(32):08x}-0000-4000-8000-{draw.getrandbits(48):012x}"
        return (await exchange(box.web.url, request(f"/webhooks/stripe/{name}", b"{}"))).status

    assert set(await asyncio.gather(*(strange() for _ in range(100)))) == {404}
    assert (await exchange(box.web.url, request("/webhooks/stripe/", b"{}"))).status == 404
    kept = refusals(box)
    assert len(kept) == Allowance.BURST
    assert {(row["workspace_id"], str(row["connection_id"])) for row in kept} == {(None, NOBODY)}
    async with box.web.app.database.transaction(1) as conn:
        cursor = await conn.execute("select count(*) as n from bridged.deliveries")
        assert await cursor.fetchall() == [{"n": 0}]
    # Nobody's refusals take nothing from a connection's own.
    await box.post(b"{}")
    assert len(refusals(box)) == Allowance.BURST + 1


async def test_a_flood_of_refusals_leaves_a_few_and_their_number(box: Postbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(10):
        answers = await asyncio.gather(*(box.post(written(), b"t=1,v1=" + b"0" * 64) for _ in range(50)))
        assert {answer.status for answer in answers} == {400}
    kept = refusals(box)
    assert Allowance.BURST <= len(kept) <= Allowance.BURST + 3
    counted = 500 - len(kept) - sum(row["suppressed"] for row in kept)
    monkeypatch.setattr(Allowance, "EVERY", 1e-9)
    await box.post(written())
    last = refusals(box)[-1]
    assert (last["verdict"], last["suppressed"]) == ("no_header", counted)
    assert await taken(box, written(9)) == 200


async def taken(box: Postbox, body: bytes, secret: str = SECRET) -> int:
    return (await box.post(body, signed(body, secret))).status


async def test_a_stranger_cannot_spoil_the_log(box: Postbox) -> None:
    """What is only claimed is kept too: it must be something that can be read."""
    for number in ("99999999999", "999999999999", "1" * 30):
        await box.post(b'{"id":"e","object":"event","type":"t","created":253402300799}', f"t={number},v1=0".encode())
    await box.post(b'{"id":"e","object":"event","type":"t","created":253402214399}', b"\xff\xfe" * 400)
    async with await psycopg.AsyncConnection.connect(box.owner) as far:
        await far.execute("set timezone = 'Pacific/Kiritimati'")
        cursor = await far.execute("select received_at, event_created, signed_at from bridged.deliveries")
        assert len(await cursor.fetchall()) == 4
    where = f"/api/v1/connections/{box.scope.connection_id}/webhooks/deliveries"
    assert len((await box.web.get(where, params={"verdict": "refused"})).json["data"]) == 4


# Secrets and tenants


async def test_no_secret_lies_open_anywhere(box: Postbox) -> None:
    bad = written(5)
    await box.post(bad, signed(bad, "whsec_wrong"))
    await box.post(bad, signed(bad, OTHERS))
    assert await taken(box, written()) == 200
    assert await taken(box, written(2), OLD) == 200
    needles = [SECRET, OLD, OTHERS, STRANGERS, box.web.token, box.web.app.settings.master_key.reveal()]  # type: ignore[union-attr]
    found: list[str] = []
    with psycopg.connect(box.owner) as admin:
        columns = admin.execute(
            "select table_schema, table_name, column_name from information_schema.columns "
            "where table_schema not in ('pg_catalog', 'information_schema') "
            "and data_type in ('text', 'bytea', 'jsonb', 'json', 'character varying', 'ARRAY', 'USER-DEFINED')"
        ).fetchall()
        assert len(columns) > 100
        for schema, table, column in columns:
            name, place = sql.Identifier(column), sql.Identifier(schema, table)
            for text in needles:
                query = sql.SQL("select count(*) from {} where {}::text like any(%s)").format(place, name)
                patterns = [f"%{text}%", f"%{text.encode().hex()}%"]
                row = admin.execute(query, (patterns,)).fetchone()
                assert row is not None
                found += [f"{schema}.{table}.{column}"] * row[0]
    assert found == []


async def test_each_workspace_has_its_own_events(box: Postbox) -> None:
    for number, scope, secret in ((1, box.scope, SECRET), (2, box.other, OTHERS), (3, box.stranger, STRANGERS)):
        body = written(number)
        for place in (box.scope, box.other, box.stranger):
            answer = await box.post(body, signed(body, secret), to=place)
            assert answer.status == (200 if place is scope else 400)
    assert [box.events(each) for each in (box.scope, box.other, box.stranger)] == [
        ["evt_0001"],
        ["evt_0002"],
        ["evt_0003"],
    ]
    rows = box.ask("select workspace_id, connection_id::text as c from bridged.events order by id")
    assert [(row["workspace_id"], row["c"]) for row in rows] == [
        (each.workspace_id, each.connection_id) for each in (box.scope, box.other, box.stranger)
    ]
    wrong = box.ask(
        "select count(*) as n from bridged.deliveries d join bridged.connections c on c.id = d.connection_id "
        "where c.workspace_id <> d.workspace_id"
    )
    assert wrong == [{"n": 0}]


# Load and loss


async def test_the_same_events_from_all_sides(box: Postbox) -> None:
    numbers = [number for number in range(50) for _ in range(10)]
    random.Random(2).shuffle(numbers)
    # As many connections at once as Stripe would open, not five hundred.
    slots = asyncio.Semaphore(64)

    async def one(number: int) -> int:
        async with slots:
            return await taken(box, written(number))

    assert await asyncio.gather(*(one(number) for number in numbers)) == [200] * 500
    found = box.ask("select count(*) as n, count(distinct id) as d from bridged.events")
    assert found == [{"n": 50, "d": 50}]
    assert box.ask("select count(*) as n from bridged.deliveries where verdict = 'accepted'") == [{"n": 500}]


async def test_a_full_queue_says_so_at_once_and_loses_nothing(box: Postbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_MOST_WAITING", 5)
    assert await taken(box, written(999)) == 200
    with psycopg.connect(box.owner) as admin:
        admin.execute("lock table bridged.events in share mode")  # nobody may put anything in
        waiting = [asyncio.create_task(taken(box, written(number))) for number in range(DOOR_SIZE * intake._MOST + 40)]
        done: set[asyncio.Task[int]] = set()
        while not done:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result() for task in done} == {503}
        admin.rollback()
    statuses = await asyncio.gather(*waiting)
    assert set(statuses) == {200, 503}
    taken_ids = {event(number)["id"] for number, status in enumerate(statuses) if status == 200}
    assert taken_ids <= set(box.events())
    assert await taken(box, written(1000)) == 200


async def test_connections_cut_again_and_again(box: Postbox) -> None:
    """What was answered with 200 is there, whatever became of the connection it went in by."""
    ending = asyncio.Event()

    async def cut() -> None:
        async with await psycopg.AsyncConnection.connect(box.owner, autocommit=True) as admin:
            while not ending.is_set():
                await admin.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where datname = current_database() and (usename = 'bridged_inbox' "
                    "or application_name like 'bridged %' and query like '%bridged.deliveries%')"
                )
                await asyncio.sleep(0.002)

    cutting = asyncio.create_task(cut())
    statuses: list[int] = []
    for start in range(0, 120, 20):
        statuses += await asyncio.gather(*(taken(box, written(number)) for number in range(start, start + 20)))
    ending.set()
    await cutting
    assert set(statuses) <= {200, 503}
    acknowledged = {event(number)["id"] for number, status in enumerate(statuses) if status == 200}
    assert acknowledged <= set(box.events())
    again = [await taken(box, written(number)) for number, status in enumerate(statuses) if status != 200]
    while again and again[-1] != 200:
        again.append(await taken(box, written(0)))
    assert await taken(box, written(500)) == 200


async def test_who_goes_away_in_the_middle(box: Postbox) -> None:
    body = written()
    path = f"/webhooks/stripe/{box.scope.connection_id}"
    whole = request(path, body, [("Stripe-Signature", signed(body))])
    for cut in (1, 30, len(whole) - len(body), len(whole) - 20, len(whole) - 1):
        await exchange(box.web.url, whole[:cut], leave=True)
    # Half a body proves nothing; the whole one counts, whether somebody waits for the answer or not.
    assert box.events() == []
    await exchange(box.web.url, whole, leave=True)
    for _ in range(500):
        if box.events():
            break
        await asyncio.sleep(0.01)
    assert await taken(box, written(2)) == 200
    assert sorted(box.events()) == ["evt_0001", "evt_0002"]


async def test_who_never_finishes_is_sent_away(box: Postbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "_READ_WITHIN", 0.05)
    path = f"/webhooks/stripe/{box.scope.connection_id}"
    slow = request(path, b"{", [("Content-Length", b"100")], framed=True)
    assert (await exchange(box.web.url, slow)).status == 503
    assert box.events() == []


async def test_a_database_that_is_away(tmp_path: Path) -> None:
    """No 2xx without the row; and once it is back, all goes on by itself."""
    with scratch() as home:
        server = Embedded(home)
        server.arrive()
        try:
            migrate(server.url(database="bridged"), create_database=True)
            async with postbox(server.url(database="bridged"), tmp_path) as box:
                assert await taken(box, written(1)) == 200
                server.stop()
                answers = await asyncio.gather(*(taken(box, written(number)) for number in range(2, 12)))
                assert answers == [503] * 10
                server.arrive()
                while await taken(box, written(20)) != 200:
                    pass
                assert sorted(box.events()) == ["evt_0001", "evt_0020"]
                # The pool's own way is to wait as long again as the outage lasted.
                assert box.web.app.database.pool.reconnect_timeout <= 10
        finally:
            with contextlib.suppress(OSError):
                server.leave()
