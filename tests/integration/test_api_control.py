"""Steering over HTTP: what is asked reaches the queue, the run and the settings; progress is told as it goes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from bridged import app as root
from bridged.accounts.audit import SYSTEM
from bridged.app import tokens
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.mirror.store import Scope
from bridged.sync import store as sync_store
from bridged.sync.control import store as control
from ground import WORKSPACE, new_scope
from served import Web, serving


@dataclass
class Post:
    """A connection that may be steered."""

    web: Web
    scope: Scope

    def path(self, rest: str = "") -> str:
        return f"/api/v1/connections/{self.scope.connection_id}{rest and '/' + rest}"

    async def begun(self) -> sync_store.Run:
        """A run that some process works on."""
        async with self.web.app.database.transaction(WORKSPACE) as conn:
            now = clock.now()
            return await sync_store.begin_run(
                conn, self.scope, self.scope.connection_id, ["customers"], upper=1, began=now, now=now
            )

    async def told(self, run: sync_store.Run, rows: int) -> None:
        async with self.web.app.database.transaction(WORKSPACE) as conn:
            await control.report(conn, self.scope, run.id, {"rows": rows}, requests=rows, rate_limited=0)

    async def ended(self, run: sync_store.Run, state: str = "complete") -> None:
        async with self.web.app.database.transaction(WORKSPACE) as conn:
            await sync_store.end_run(
                conn, self.scope, run, state, requests=3, rate_limited=0, error=None, now=clock.now()
            )

    async def jobs(self) -> list[dict[str, Any]]:
        """What waits in the queue."""
        async with self.web.app.database.transaction() as conn:
            cursor = await conn.execute(
                "select args from jobs.procrastinate_jobs where status = 'todo' and args ->> 'connection_id' = %s",
                (self.scope.connection_id,),
            )
            return [row["args"] for row in await cursor.fetchall()]


@pytest.fixture
async def post(settings: Settings) -> AsyncIterator[Post]:
    async with root.opened(settings) as app, serving(app) as web:
        async with app.database.transaction(WORKSPACE) as conn:
            yield_scope = await new_scope(conn)
        yield Post(web, yield_scope)


async def test_a_sync_is_queued_once(post: Post) -> None:
    first = await post.web.post(post.path("sync"))
    assert (first.status, first.json["queued"], first.json["worker"]) == (202, True, False)
    again = await post.web.post(post.path("sync"), {"objects": ["customers"]})
    assert (again.status, again.json["queued"]) == (202, False)
    (job,) = await post.jobs()
    assert (job["cause"], job["kinds"], job["workspace_id"]) == ("request", [], WORKSPACE)


async def test_a_full_sync_of_some_objects(post: Post) -> None:
    reply = await post.web.post(post.path("sync"), {"mode": "full", "objects": ["customers", "invoices"]})
    assert (reply.status, reply.json["queued"]) == (202, True)
    (job,) = await post.jobs()
    assert (job["cause"], job["kinds"]) == ("resync", ["customers", "invoices"])
    assert (await post.web.post(post.path("resync"))).json["queued"] is True


async def test_pause_and_resume(post: Post) -> None:
    paused = (await post.web.post(post.path("pause"))).json
    assert paused["settings"]["paused"] is True
    resumed = (await post.web.post(post.path("resume"))).json
    assert (resumed["settings"]["paused"], resumed["queued"]) == (False, True)
    some = (await post.web.post(post.path("pause"), {"objects": ["charges"]})).json
    assert (some["settings"]["paused"], some["settings"]["paused_objects"]) == (False, ["charges"])


async def test_cancel(post: Post) -> None:
    await post.web.post(post.path("sync"))
    run = await post.begun()
    reply = await post.web.post(post.path("cancel"))
    assert (reply.status, reply.json["state"], reply.json["running"]) == (202, "canceled", False)
    assert await post.jobs() == []
    assert (await post.web.get(post.path(f"runs/{run.id}"))).json["state"] == "canceled"


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("sync", {"mode": "sideways"}),
        ("sync", {"objects": ["unicorns"]}),
        ("sync", {"object": ["customers"]}),
        ("pause", {"objects": "customers"}),
        ("resync", {"objects": ["\x00"]}),
    ],
)
async def test_what_is_not_understood(post: Post, verb: str, body: object) -> None:
    reply = await post.web.post(post.path(verb), body)
    assert reply.status == 422
    assert reply.code in {"request_invalid", "usage"}
    assert await post.jobs() == []


async def test_settings(post: Post) -> None:
    before = (await post.web.get(post.path("settings"))).json
    assert before["frequency"] == "hourly"
    wanted = {"frequency": "15m", "objects": "customers,invoices", "quiet": "22:00-07:00@0.2", "pace": "full"}
    after = (await post.web.ask("PATCH", post.path("settings"), json=wanted)).json
    assert (after["every_seconds"], after["objects"], after["pace"]) == (900, ["customers", "invoices"], 1.0)
    assert (await post.web.get(post.path("settings"))).json == after
    for wrong in ({"frequency": "never"}, {"pace": "2"}, {"colour": "red"}, {"pace": 0.5}, {"customers": "\x00"}):
        reply = await post.web.ask("PATCH", post.path("settings"), json=wrong)
        assert reply.status == 422
    assert (await post.web.get(post.path("settings"))).json == after


async def test_the_history(post: Post) -> None:
    runs = []
    for _ in range(5):
        run = await post.begun()
        await post.ended(run)
        runs.append(run.id)
    found: list[int] = []
    query = "?limit=2"
    while True:
        page = (await post.web.get(post.path("runs") + query)).json
        found += [each["id"] for each in page["data"]]
        if not page["has_more"]:
            break
        query = f"?limit=2&starting_after={found[-1]}"
    assert found == runs[::-1]
    one = (await post.web.get(post.path(f"runs/{runs[2]}"))).json
    assert (one["id"], one["state"], one["requests"]) == (runs[2], "complete", 3)
    for missing, status in ((runs[-1] + 1, 404), (2**63 - 1, 404), (2**63, 422), (0, 422), ("x", 422)):
        assert (await post.web.get(post.path(f"runs/{missing}"))).status == status


async def events(post: Post, query: str = "") -> AsyncIterator[tuple[str, Any]]:
    """Events as a browser reads them; a comment is an event without a name."""
    headers = {"Authorization": f"Bearer {post.web.token}"}
    async with post.web.session.get(post.web.url + post.path("progress") + query, headers=headers) as answer:
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        assert "no-transform" in answer.headers["cache-control"]
        assert "content-length" not in answer.headers
        block: dict[str, str] = {}
        async for line in answer.content:
            if text := line.decode().rstrip("\n"):
                name, _, value = text.partition(": ")
                block[name] = value
            else:
                yield block.get("event", ""), orjson.loads(block.get("data", "null"))
                block = {}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridged.web.progress.EVERY", 0.01)


@pytest.mark.usefixtures("quick")
async def test_progress_is_told_until_the_end(post: Post) -> None:
    run = await post.begun()
    seen: list[tuple[str, Any]] = []
    async for name, data in events(post):
        seen.append((name, data))
        if len(seen) == 1:
            await post.told(run, 7)
        elif data["progress"] == {"rows": 7} and data["state"] == "running":
            await post.ended(run)
    assert {name for name, _ in seen[:-1]} == {"progress"}
    assert {"rows": 7} in [data["progress"] for _, data in seen]
    name, last = seen[-1]
    assert (name, last["id"], last["state"]) == ("end", run.id, "complete")


@pytest.mark.usefixtures("quick")
async def test_a_run_that_has_ended_and_one_that_never_was(post: Post) -> None:
    assert [each async for each in events(post)] == [("end", None)]
    run = await post.begun()
    await post.ended(run, "interrupted")
    ((name, data),) = [each async for each in events(post)]
    assert (name, data["state"]) == ("end", "interrupted")


@pytest.mark.usefixtures("quick")
async def test_a_run_is_waited_for(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridged.web.progress.BEAT", 0.02)
    await post.ended(await post.begun())
    asked = (await post.web.post(post.path("sync"))).json["progress"]
    assert asked.startswith(post.path("progress") + "?since=")
    query = asked.removeprefix(post.path("progress"))
    seen: list[tuple[str, Any]] = []
    run: sync_store.Run | None = None
    async for name, data in events(post, query):
        seen.append((name, data))
        if name == "" and run is None:
            run = await post.begun()
        if name == "progress" and run is not None:
            await post.ended(run)
    assert run is not None
    assert seen[0][0] == "", "a comment, while nothing happens"
    assert (seen[-1][0], seen[-1][1]["id"]) == ("end", run.id)
    assert [name async for name, _ in events(post, query)] == ["end"], "it may have ended before anybody looked"
    monkeypatch.setattr("bridged.web.progress.LONGEST_WAIT", 0.05)
    asked = (await post.web.post(post.path("resume"))).json["progress"]
    left = [each async for each in events(post, asked.removeprefix(post.path("progress"))) if each[0]]
    assert left == [("end", None)]
    assert (await post.web.get(post.path("progress?since=yesterday"))).status == 422


@pytest.mark.usefixtures("quick")
async def test_a_token_that_is_revoked_hears_no_more(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridged.web.progress.BEAT", 0.02)
    await post.begun()
    seen: list[tuple[str, Any]] = []
    async for name, data in events(post):
        if not seen:
            await tokens.revoke(post.web.app, "everything", SYSTEM)
        seen.append((name, data))
    name, data = seen[-1]
    assert (name, data["error"]["code"]) == ("error", "token_refused")


async def test_streams_do_not_keep_the_server(post: Post) -> None:
    """They stop when it is about to end, and do not say that the run has."""
    await post.begun()
    stream = events(post)
    assert (await anext(stream))[0] == "progress"
    post.web.site.state.ending.set()
    async with asyncio.timeout(60):
        assert [name async for name, _ in stream if name == "end"] == []


@pytest.mark.usefixtures("quick")
async def test_who_leaves_is_not_waited_for(post: Post) -> None:
    """The stream ends with its reader: nothing goes on asking the database."""
    await post.begun()
    stream = events(post)
    await anext(stream)
    await stream.aclose()
    await asyncio.sleep(0.2)
    post.web.statements.clear()
    await asyncio.sleep(0.2)
    assert post.web.statements == []
