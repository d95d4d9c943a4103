"""Single objects read again: at most fifty a request, each with its own outcome, and the mirror equal afterwards."""

import contextlib
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged.cli import bulk, sync
from bridged.core.errors import RequestInvalid, UsageError
from bridged.core.settings import Settings
from bridged.mirror.kinds import BY_NAME, KINDS
from bridged.sim import server
from bridged.sync.bulk import MOST, Record, kind_of
from bridged.sync.desk import leased
from served import Reply, Web, serving
from simulation.command import homed
from simulation.stage import Stage, account_of, build, staged, truth


@dataclass
class Scene:
    """A mirrored account behind the API."""

    stage: Stage
    web: Web

    async def bulk(self, *ids: Any) -> Reply:
        assert self.stage.connection is not None
        return await self.web.post(f"/api/v1/connections/{self.stage.connection.id}/bulk-sync", {"ids": list(ids)})

    async def results(self, *ids: Any) -> dict[str, str]:
        reply = await self.bulk(*ids)
        assert reply.status == 200, reply.body
        return {each["id"]: each["result"] for each in reply.json["data"]}


@pytest.fixture
async def scene(settings: Settings, seed: int) -> AsyncIterator[Scene]:
    async with staged(settings, build(seed, 4)) as stage, serving(stage.app) as web:
        await stage.connect()
        yield Scene(stage, web)


async def test_what_became_of_each(scene: Scene) -> None:
    account = scene.stage.account
    customers = [each["id"] for each in account.all("customers")][:3]
    invoice = account.all("invoices")[0]["id"]
    wanted = [*customers, invoice, "cus_nobody", "what_is_this", {"kind": "coupons", "id": "NOBODY"}]
    assert await scene.results(*wanted) == {
        **dict.fromkeys([*customers, invoice], "stored"),
        **dict.fromkeys(["cus_nobody", "NOBODY"], "missing"),
        "what_is_this": "error",
    }
    account.update("customers", customers[0], {"name": "Another"})
    account.delete("customers", customers[1])
    changed = await scene.results(*customers, invoice)
    assert [changed[each] for each in (*customers, invoice)] == ["changed", "deleted", "unchanged", "unchanged"]
    rows = scene.stage.mirror.rows("customers")
    held = truth(account)["customers"]
    assert {each: row["data"] for each, row in rows.items() if not row["deleted"]} == {
        each: held[each] for each in (customers[0], customers[2])
    }
    assert set(rows) == set(customers), "a mistyped id left no tombstone"


async def test_an_error_says_why_and_stops_no_other(scene: Scene) -> None:
    customer = scene.stage.account.all("customers")[0]["id"]
    reply = await scene.bulk("what_is_this", customer, {"kind": "tax_ids", "id": "txi_1"})
    first, second, third = reply.json["data"]
    assert first["error"]["code"] == third["error"]["code"] == "request_invalid"
    assert "coupons" in first["error"]["hint"]
    assert (second["result"], second["error"]) == ("stored", None)


async def test_fifty_and_one_more(scene: Scene) -> None:
    ids = [each["id"] for each in scene.stage.account.all("charges")][:MOST]
    ids += [f"ch_missing{number}" for number in range(MOST - len(ids))]
    results = await scene.results(*ids)
    assert len(results) == MOST == 50
    before = scene.stage.sim.counts.total()
    reply = await scene.bulk(*ids, "ch_one_more")
    assert (reply.status, reply.code) == (422, "request_invalid")
    assert "50" in reply.json["error"]["message"]
    assert "several requests" in reply.json["error"]["hint"]
    assert "--ids" in reply.json["error"]["hint"]
    assert scene.stage.sim.counts.total() == before


async def test_the_same_record_twice_is_read_once(scene: Scene) -> None:
    customer = scene.stage.account.all("customers")[0]["id"]
    assert [each["id"] for each in (await scene.bulk(customer, customer)).json["data"]] == [customer]


async def test_a_key_that_stripe_no_longer_takes(scene: Scene) -> None:
    scene.stage.sim.world.keys.clear()
    reply = await scene.bulk("cus_1")
    assert (reply.status, reply.code) == (502, "key_invalid")


async def test_an_account_that_is_being_read(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at once would break its rate limit: the second is told to come again."""
    monkeypatch.setattr("bridged.sync.desk._LEASE_WAIT", 0.5)
    assert scene.stage.connection is not None
    async with leased(scene.stage.app.database, scene.stage.connection.account_key, str(uuid.uuid4())):
        reply = await scene.bulk("cus_1")
    assert (reply.status, reply.code) == (409, "lease_held")
    assert int(reply.headers["retry-after"]) > 0


def test_prefixes_lead_to_their_kind() -> None:
    for kind in KINDS:
        if kind.id_prefix and "{" not in kind.path:
            assert kind_of(Record(kind.id_prefix + "1")) is kind
    others = {"py_1": "charges", "pyr_1": "refunds", "du_1": "disputes", "sub_sched_1": "subscription_schedules"}
    assert {each: kind_of(Record(each)).name for each in others} == others


@given(st.text(max_size=30), st.none() | st.text(max_size=10) | st.sampled_from(sorted(BY_NAME)))
def test_any_record_has_a_kind_or_is_refused(object_id: str, kind: str | None) -> None:
    record = Record(object_id, kind)
    if kind is not None and (kind not in BY_NAME or "{" in BY_NAME[kind].path):
        with pytest.raises(RequestInvalid):
            kind_of(record)
    elif kind is not None:
        assert kind_of(record).name == kind
    else:
        with contextlib.suppress(RequestInvalid):
            assert object_id.startswith(kind_of(record).id_prefix[:2])


async def test_the_command_takes_any_number(seed: int) -> None:
    made = build(seed, 3)
    account = account_of(made)
    ids = [each["id"] for kind in ("customers", "invoices") for each in account.all(kind)][: 2 * MOST + 20]
    assert len(ids) > 2 * MOST
    async with server.running(made) as sim, homed(sim.url, kept=True) as home:
        await home.url()  # keeps the server for all of these
        assert (await home.connect(sim.key())).code == 0
        ended = await home.run("sync", "--ids", "-", "--json", "--pace", "full", given="\n".join([*ids, ids[0]]))
        assert ended.code == 0, ended.err
        assert ended.json["complete"] is True
        assert ended.json["totals"] == {"stored": len(ids)}
        assert [each["id"] for each in ended.json["records"]] == ids
        listed = home.path.with_name("ids.txt")
        listed.write_text(f"{ids[0]}, coupons:{account.all('coupons')[0]['id']}\nnonsense\n", encoding="utf-8")
        again = await home.run("sync", "--ids", f"@{listed}", "--json")
        assert again.code == 1
        assert Counter(each["result"] for each in again.json["records"]) == {"unchanged": 1, "stored": 1, "error": 1}


def test_what_names_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "odd").write_bytes(b"\xff\xfe")
    for wrong in ("", " , ", f"@{tmp_path / 'nowhere'}", f"@{tmp_path}", f"@{tmp_path / 'odd'}"):
        with pytest.raises(UsageError):
            bulk.records(wrong)
    with pytest.raises(UsageError, match="single objects"):
        sync(ids="cus_1", full=True)
    assert bulk.records("cus_1,,in_1\tcus_1 coupons:a:b") == (
        Record("cus_1"),
        Record("in_1"),
        Record("a:b", "coupons"),
    )
    assert not capsys.readouterr().out
