"""Lists and objects over HTTP are the mirror: whatever the page size, the direction and the filter."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from bridged import app as root
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.core.types import Held, Json
from bridged.mirror import store as mirror
from bridged.mirror.kinds import BY_NAME, KINDS, Reach
from bridged.mirror.store import Scope
from bridged.sync import store as sync_store
from bridged.sync.store import Claim
from ground import WORKSPACE, new_scope
from served import SOME_TIME, Reply, Web, serving, stored

ODD = ("cus_ünïcode", "25 % off", "a/b?c=d#e", "🛒", "..", "x" * 255)
STATUSES = ("active", "canceled", "incomplete_expired", "past_due", "trialing")
SORTED = "created desc, id"


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rate of a token is another test's."""
    monkeypatch.setattr("bridged.web.callers.PER_SECOND", 1e9)


@pytest.fixture
async def web(settings: Settings) -> AsyncIterator[Web]:
    async with root.opened(settings) as app, serving(app) as served:
        yield served


@pytest.fixture
async def scope(web: Web) -> Scope:
    async with web.app.database.transaction(WORKSPACE) as conn:
        return await new_scope(conn)


def path(kind: str, *, of: str = "Acme", **query: object) -> str:
    text = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items() if value is not None)
    return f"/api/v1/connections/{of}/{kind}" + (f"?{text}" if text else "")


def subscriptions(rng: random.Random, count: int) -> list[Json]:
    """Many in the same second, so that ids decide."""
    return [
        {
            "id": f"sub_{rng.randrange(10**6):06}_{number}",
            "object": "subscription",
            "created": 1_700_000_000 + rng.randrange(max(1, count // 4)),
            "customer": rng.choice(["cus_a", {"id": "cus_b", "object": "customer"}, None]),
            "status": rng.choice(STATUSES),
        }
        for number in range(count)
    ]


async def rows(web: Web, scope: Scope, kind: str, where: str = "true") -> list[Json]:
    """What the mirror holds, asked otherwise."""
    async with web.app.database.transaction(WORKSPACE) as conn:
        statement: Any = (
            f"select data from stripe.{kind} where connection_id = %s and not deleted and {where} order by {SORTED}"
        )
        return [row["data"] for row in await (await conn.execute(statement, (scope.connection_id,))).fetchall()]


async def walked(web: Web, kind: str, limit: int, **filters: object) -> list[Json]:
    """All pages from the newest to the oldest."""
    found: list[Json] = []
    query: dict[str, object] = {}
    while True:
        reply = await web.get(path(kind, limit=limit, **filters, **query))
        assert reply.status == 200, reply.body
        page = reply.json
        assert len(page["data"]) == limit or not page["has_more"]
        found += page["data"]
        if not page["has_more"]:
            return found
        query = {"starting_after": page["data"][-1]["id"]}


async def walked_back(web: Web, kind: str, limit: int, last: str, **filters: object) -> list[Json]:
    """All pages from before an object up to the newest."""
    found: list[Json] = []
    while True:
        page = (await web.get(path(kind, limit=limit, ending_before=last, **filters))).json
        found = page["data"] + found
        if not page["has_more"]:
            return found
        last = page["data"][0]["id"]


async def test_pages_of_any_size_are_the_mirror(web: Web, scope: Scope, seed: int) -> None:
    rng = random.Random(seed)
    await stored(web.app.database, scope, "subscriptions", subscriptions(rng, 25))
    loop = asyncio.get_running_loop()
    wheres = {
        (None, "all"): "true",
        (None, None): "status not in ('canceled', 'incomplete_expired')",
        (None, "ended"): "status in ('canceled', 'incomplete_expired')",
        (None, "trialing"): "status = 'trialing'",
        ("cus_a", "all"): "customer_id = 'cus_a'",
        ("cus_b", "active"): "customer_id = 'cus_b' and status = 'active'",
        ("cus_nobody", "all"): "false",
    }

    async def same(limit: int, chosen: tuple[str | None, str | None]) -> None:
        customer, status = chosen
        expected = await rows(web, scope, "subscriptions", wheres[chosen])
        filters = {"customer": customer, "status": status}
        assert await walked(web, "subscriptions", limit, **filters) == expected
        for last in rng.sample(expected, min(2, len(expected))):
            before = expected[: expected.index(last)]
            assert await walked_back(web, "subscriptions", limit, last["id"], **filters) == before

    @hypothesis.settings(max_examples=20)
    @given(limit=st.integers(1, 100) | st.integers(1, 5), chosen=st.sampled_from(sorted(wheres, key=str)))
    def check(limit: int, chosen: tuple[str | None, str | None]) -> None:
        asyncio.run_coroutine_threadsafe(same(limit, chosen), loop).result()

    await asyncio.to_thread(check)


async def test_a_walk_outlives_the_object_it_stands_on(web: Web, scope: Scope) -> None:
    """Deleted between two pages: the place is still known. Only a stub without `created` has lost it."""
    objects = [{"id": f"prod_{number}", "object": "product", "created": 100 - number} for number in range(6)]
    await stored(web.app.database, scope, "products", objects)
    async with web.app.database.transaction(WORKSPACE) as conn:
        at = Held(SOME_TIME + 5, SOME_TIME + 6)
        await mirror.bury(conn, BY_NAME["products"], scope, "prod_2", at, clock.now())
        await mirror.bury(conn, BY_NAME["products"], scope, "prod_unseen", at, clock.now())
    page = (await web.get(path("products", starting_after="prod_2"))).json
    assert [each["id"] for each in page["data"]] == ["prod_3", "prod_4", "prod_5"]
    lost = await web.get(path("products", starting_after="prod_unseen"))
    assert (lost.status, lost.code) == (400, "cursor_unknown")


async def test_what_was_deleted_is_not_shown(web: Web, scope: Scope) -> None:
    for kind in ("customers", "products"):
        await stored(web.app.database, scope, kind, [{"id": "one", "created": 1}, {"id": "two", "created": 2}])
        async with web.app.database.transaction(WORKSPACE) as conn:
            await mirror.bury(conn, BY_NAME[kind], scope, "one", Held(SOME_TIME + 5, SOME_TIME + 6), clock.now())
        assert [each["id"] for each in (await web.get(path(kind))).json["data"]] == ["two"]
    assert (await web.get(path("products/one"))).status == 404
    stub = await web.get(path("customers/one"))
    assert stub.json == {"id": "one", "object": "customer", "deleted": True}
    assert stub.headers["bridged-as-of"] == "2026-05-28T20:26:45Z"


async def test_objects_are_given_digit_for_digit(web: Web, scope: Scope) -> None:
    """Numbers no float holds, and text of every script, come out as they went in."""
    body = '{"data": [{"id": "po_1", "created": 5, "a": 1.10, "b": 123456789012345678901234567890, "c": "☃\\u0001🛒"}]}'
    async with web.app.database.transaction(WORKSPACE) as conn:
        held = Held(SOME_TIME, SOME_TIME + 1)
        await mirror.put_page(conn, BY_NAME["payouts"], scope, body.encode(), held, clock.now())
    for place in ("payouts/po_1", "payouts"):
        text = (await web.get(path(place))).body.decode()
        assert '"a": 1.10' in text
        assert '"b": 123456789012345678901234567890' in text
        assert '"c": "☃\\u0001🛒"' in text


async def test_ids_that_merchants_choose(web: Web, scope: Scope) -> None:
    objects: list[Json] = [{"id": each, "object": "coupon", "created": 7} for each in ODD]
    await stored(web.app.database, scope, "coupons", objects)
    for each in ODD:
        reply = await fetched(web, f"{path('coupons')}/{quote(each, safe='')}")
        assert reply.json["id"] == each
    found = await walked(web, "coupons", 1)
    assert sorted(each["id"] for each in found) == sorted(ODD)


async def fetched(web: Web, address: str) -> Reply:
    """As it is written: aiohttp would tidy `..` away."""
    headers = {"Authorization": f"Bearer {web.token}"}
    async with web.session.get(URL(web.url + address.replace("/..", "/%2E%2E"), encoded=True), headers=headers) as raw:
        return Reply(raw.status, raw.headers, await raw.read())


async def test_every_kind_has_its_list(web: Web, scope: Scope) -> None:
    for kind in KINDS:
        row_id = kind.name if kind.reach is Reach.SINGLE else None
        async with web.app.database.transaction(WORKSPACE) as conn:
            data: Json = {"object": kind.object, "created": 3} | ({} if row_id else {"id": "x_1"})
            held = Held(SOME_TIME, SOME_TIME + 1)
            await mirror.put(conn, kind, scope, data, held, clock.now(), row_id=row_id)
        page = (await web.get(path(kind.name))).json
        assert page["data"] == [data]
        assert page["url"] == f"/api/v1/connections/{scope.connection_id}/{kind.name}"
        assert (await web.get(path(f"{kind.name}/{row_id or 'x_1'}"))).json == data
        for name in ("customer", "status"):
            reply = await web.get(path(kind.name, **{name: "all"}))
            assert reply.status == (200 if name in kind.filters else 422)


async def test_filters_are_columns(web: Web) -> None:
    async with web.app.database.transaction() as conn:
        cursor = await conn.execute(
            "select table_name as kind, column_name as name from information_schema.columns "
            "where table_schema = 'stripe' and column_name in ('customer_id', 'status')"
        )
        found = {(row["kind"], row["name"].removesuffix("_id")) for row in await cursor.fetchall()}
    assert {(kind.name, each) for kind in KINDS for each in kind.filters} == found


async def test_a_list_says_what_may_be_claimed_of_it(web: Web, scope: Scope) -> None:
    await stored(web.app.database, scope, "refunds", [{"id": "re_1", "created": 1}])
    page = (await web.get(path("refunds"))).json
    assert (page["complete"], page["as_of"]) == (False, None)
    now = clock.now()
    async with web.app.database.transaction(WORKSPACE) as conn:
        run = await sync_store.begin_run(conn, scope, scope.connection_id, ["refunds"], upper=1, began=now, now=now)
        claim = Claim("refunds", True, now, 1, 0, 0, 1, None, None, (), now)
        await sync_store.claim(conn, scope, run, [claim])
    page = (await web.get(path("refunds"))).json
    assert page["complete"] is True
    assert page["as_of"] == now.isoformat().replace("+00:00", "Z")
    async with web.app.database.transaction(WORKSPACE) as conn:
        await mirror.doubt(conn, BY_NAME["refunds"], scope, ["re_1"], SOME_TIME + 9)
    assert (await web.get(path("refunds"))).json["complete"] is False
    state = (await web.get("/api/v1/connections/Acme")).json
    assert state["kinds"]["refunds"]["dirty"] == 1
    assert state["complete"] is False
    assert state["status"] == "incomplete", "a run of a process that is gone is no sync"


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=101", "100"),
        ("limit=ten", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("starting_after=cus_1&ending_before=cus_2", "ending_before"),
        ("custommer=cus_1", "custommer"),
        ("starting_after=", "starting_after"),
        ("starting_after=%00", "starting_after"),
        ("customer=cus_1", "customer"),
        ("status=open", "status"),
        ("starting_after=" + "x" * 256, "starting_after"),
    ],
)
async def test_what_a_list_does_not_take(web: Web, scope: Scope, query: str, named: str) -> None:
    del scope
    reply = await web.get(f"{path('customers')}?{query}")
    assert (reply.status, reply.code) == (422, "request_invalid")
    assert named in reply.json["error"]["message"]


async def test_what_is_not_there(web: Web, scope: Scope) -> None:
    del scope
    for place in ("customers/cus_nobody", "customers/", "unicorns", "unicorns/1", "invoice_previews", "customers/%00"):
        assert (await fetched(web, path(place))).status == 404
    for name in ("Nobody", "00000000-0000-0000-0000-000000000000", "%00", "a%2Fb"):
        assert (await fetched(web, f"/api/v1/connections/{name}/customers")).status == 404
    reply = await web.get(path("customers", starting_after="cus_nobody"))
    assert (reply.status, reply.code) == (400, "cursor_unknown")


async def test_a_page_takes_as_many_statements_as_any_other(web: Web, scope: Scope, seed: int) -> None:
    objects = subscriptions(random.Random(seed), 150)
    await stored(web.app.database, scope, "subscriptions", objects)
    await web.get(path("subscriptions"))  # notes the token's use, once a minute
    newest = (await rows(web, scope, "subscriptions"))[0]["id"]
    first = {await asked(web, path("subscriptions", limit=limit, status="all")) for limit in (1, 10, 100)}
    later = {
        await asked(web, path("subscriptions", limit=limit, status="all", starting_after=newest))
        for limit in (1, 10, 100)
    }
    assert first == {5}
    assert later == {6}
    assert await asked(web, path(f"subscriptions/{newest}")) == 3


async def asked(web: Web, address: str) -> int:
    """How many statements a request takes."""
    web.statements.clear()
    assert (await web.get(address)).status == 200
    return len(web.statements)
