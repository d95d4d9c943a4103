"""From a delivery to a message, at the wire, under one id: in the log's lines, in the tables, and in the spans that a
collector gets; and of no customer more than ids in any of them.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import orjson
import pytest

from bridged import app as root
from bridged.app import profiles, threads, traces
from bridged.core import clock, log, tracing
from bridged.core.settings import Settings
from bridged.mirror.store import Scope
from collector import Collector, Seen, collecting
from numbered import numbered
from simulation.command import Home
from simulation.hooked import SECRET, hooked
from simulation.stage import build
from simulation.test_never_twice import Scene, staged

WAY = [
    "delivery_accepted", "event_settled", "object_changed", "moment_noted", "run_begun", "message_queued",
    "run_decided", "message_sent", "message_status",
]  # fmt: skip
QUESTION = "When is my next payment due, dear robot?"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
        log.configure("info")
        tracing.configure()
        try:
            yield found
        finally:
            tracing.close()
            log.configure("warning")


@pytest.fixture
async def scene(collector: Collector, settings: Settings, seed: int) -> AsyncIterator[Scene]:
    async with hooked(settings, build(seed % 1000, 3), method="both") as at:
        assert (await root.sync(at.app, at.connection)).complete
        scope = Scope(at.connection.workspace_id, at.connection.id)
        async with numbered(at.app.database, scope) as phone:
            phone.whatsapp.world.ahead += at.stage.sim.world.clock.now - phone.whatsapp.world.now()
            made = await staged(at, phone, random.Random(seed))
            # What is told by the simulated clock has to come after our own, by which the playbooks were switched on.
            made.pass_time(max(timedelta(0), clock.now() - phone.now()) + timedelta(hours=1))
            yield made


async def work(scene: Scene) -> None:
    """Days pass, bills are paid or not, until somebody is told; not by whole days, which may all end at night."""
    for _ in range(100):
        scene.pass_time(timedelta(hours=9))
        await scene.at.courier.drain()
        await scene.at.apply()
        await scene.at.reread()
        while (await profiles.refresh(scene.at.app, scene.at.connection)).more:
            pass
        await scene.engines[0].turn(scene.scope, scene.phone.now())
        await scene.phone.deliver()
        await scene.phone.listen()
        if scene.phone.whatsapp.world.sent:
            return
    raise AssertionError("nothing was sent")


def lines(text: str) -> list[dict[str, Any]]:
    return [orjson.loads(each) for each in text.splitlines() if each.startswith("{")]


async def test_one_id_from_the_delivery_to_the_message(
    scene: Scene, collector: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    await work(scene)
    (message, *_) = scene.at.ask("select id::text, trace from bridged.messages where trace is not null")
    trace = message["trace"]
    said = capsys.readouterr().err
    told = [each for each in lines(said) if each.get("trace") == trace]
    assert [each for each in WAY if each not in {line["event"] for line in told}] == []
    first = [next(place for place, line in enumerate(told) if line["event"] == name) for name in WAY]
    assert first == sorted(first)
    (accepted, *_) = [each for each in told if each["event"] == "delivery_accepted"]
    await shown(scene, trace, message["id"])
    await answered(scene)
    said += capsys.readouterr().err
    tracing.close()
    joined(collector, trace)
    silent(scene, said.encode() + b"".join(collector.bodies))
    assert accepted["connection"] == scene.at.connection.id


async def shown(scene: Scene, trace: str, message_id: str) -> None:
    """The command's way through the tables, from either end."""
    app, connection = scene.at.app, scene.at.connection
    by_message = await traces.way(app, connection, message_id)
    assert by_message.trace == trace
    assert by_message.event_id is not None
    assert tracing.trace_of(connection.id, by_message.event_id) == trace
    steps = [each.what for each in by_message.steps]
    wanted = ["delivered", "applied", "changed", "moment", "run", "queued", "sent", "status"]
    assert [each for each in wanted if each not in steps] == []
    assert [each.at for each in by_message.steps] == sorted(each.at for each in by_message.steps)
    for other in (by_message.event_id, trace):
        assert await traces.way(app, connection, other) == by_message
    await commanded(scene, by_message)


async def commanded(scene: Scene, way: traces.Way) -> None:
    """The same by the command, which asks for nothing but the id."""
    given, found = scene.at.settings, way.event_id
    assert given.database_url is not None
    assert given.master_key is not None
    keys = {"BRIDGED_DATABASE_URL": given.database_url.reveal(), "BRIDGED_MASTER_KEY": given.master_key.reveal()}
    home = Home(given.home, given.stripe_api_base, keys)
    told = await (await home.start("trace", str(found), "--json")).ended()
    assert told.code == 0, told.err
    assert (told.json["trace"], told.json["event"]) == (way.trace, found)
    assert [each["what"] for each in told.json["steps"]] == [each.what for each in way.steps]
    missed = await (await home.start("trace", "evt_nobody_knows", "--json")).ended()
    assert missed.code == 1
    assert "evt_nobody_knows" in missed.out + missed.err


async def answered(scene: Scene) -> None:
    """A question, and the answer to it."""
    world = scene.phone.whatsapp.world
    before = len(world.sent)
    scene.phone.whatsapp.courier.says(scene.phone.number, scene.phone.ana, QUESTION)
    scene.phone.skip(seconds=10)
    await scene.phone.listen()
    while await threads.answer_all(scene.at.app, scene.scope, scene.phone.channel.id):
        pass
    scene.phone.skip(seconds=10)
    await scene.phone.deliver()
    assert len(world.sent) > before


def joined(collector: Collector, trace: str) -> None:
    """The tree of spans of the one trace, and what hangs on it by links."""
    own = [each for each in collector.spans if each.trace == trace]
    (event,) = [each for each in own if each.name == "event"]
    assert event.parent == ""
    for name in ("webhook accept", "moment", "playbook decide", "message send"):
        assert {each.parent for each in own if each.name == name} == {event.id}, name
    batches = [each for each in collector.named("events apply") if (trace, event.id) in each.links]
    assert batches, "the batch names the events it applied"
    turns = {(each.trace, each.id) for each in collector.named("playbooks turn")}
    decided = next(each for each in own if each.name == "playbook decide")
    assert turns & set(decided.links), "a decision names the turn it was made in"
    read = [each for each in collector.spans if "stripe.request_id" in each.attributes]
    assert read
    assert all(not carries_an_id(each) for each in read)
    heard = collector.named("message heard")
    answers = collector.named("conversation answer")
    assert {(each.trace, each.parent) for each in answers} == {(each.trace, each.id) for each in heard}
    assert {each.trace for each in answers} <= {each.trace for each in collector.named("message send")}
    (run,) = collector.named("sync run")
    assert run.attributes["bridged.complete"] is True
    assert all(len(each.trace) == 32 and not each.failed for each in [event, run, decided])


def carries_an_id(span: Seen) -> bool:
    return any(part[-8:].isdigit() for part in str(span.attributes["url.template"]).split("/"))


def silent(scene: Scene, everything: bytes) -> None:
    """Neither log nor spans tell of a customer more than ids, nor any secret."""
    people = scene.at.stage.account.all("customers")
    personal = {str(each[field]) for each in people for field in ("name", "email", "phone") if each.get(field)}
    personal |= {f"3460000{number:04}" for number in range(len(scene.people))} | {"34612345678", QUESTION, SECRET}
    personal |= {each.text for each in scene.phone.whatsapp.world.sent if each.text}
    personal |= {scene.phone.number.token, "sk_live_", "sk_test_", "rk_live_", "rk_test_"}
    assert len(personal) > 20
    assert [each for each in sorted(personal) if each.encode() in everything] == []
