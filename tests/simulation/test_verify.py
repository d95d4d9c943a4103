"""Verify: seeded drift is found, named and repaired; nothing that is not drift is called so; nothing is written."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import orjson
import psycopg
import pytest

from bridged import app as root
from bridged.core.errors import NotFound
from bridged.core.settings import Settings
from bridged.mirror.kinds import BY_NAME
from bridged.sim import world
from bridged.sync.proof import EARLIEST, month_of
from bridged.sync.verify import Report
from simulation.stage import Stage, build, sim_kind, staged

VICTIMS = ("customers", "subscriptions", "invoices", "charges", "products", "prices", "balance_transactions", "coupons")


@pytest.fixture(autouse=True)
def _no_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator shows an event at once."""
    monkeypatch.setattr("bridged.sync.news.LAG", 0.0)


async def verified(stage: Stage, **options: Any) -> Report:
    assert stage.connection is not None
    return await root.verify_mirror(stage.app, stage.connection, **{"full": True, "pace": 1.0, **options})


def drift(report: Report) -> set[tuple[str, str, str, str, tuple[str, ...]]]:
    return {
        (item.kind.name, str(month.cell.month), each.id, each.what, each.fields)
        for item in report.kinds
        for month in item.months
        for each in month.drift
    }


def unrepaired(report: Report) -> int:
    return report.total(lambda month: month.unrepaired)


async def test_a_true_mirror_is_proven_by_reading_alone(settings: Settings, seed: int) -> None:
    async with staged(settings, build(seed)) as stage:
        await stage.connect()
        assert (await stage.sync()).complete
        before = len(stage.sim.log)
        said: list[int] = []
        report = await verified(stage, announce=said.append)
        assert report.complete, [(item.kind.name, item.error) for item in report.kinds]
        assert drift(report) == set()
        assert report.total(lambda month: month.repaired) == 0
        asked = list(stage.sim.log)[before:]
        assert {each.method for each in asked} == {"GET"}
        assert len(asked) == report.reads
        assert said == [report.estimate]
        assert report.reads <= report.estimate * 1.1 + 5
        print(
            f"{report.total(lambda month: month.compared)} objects, {report.reads} reads, {report.estimate} estimated"
        )
        for item in report.kinds:
            assert item.coverage is not None
            assert item.coverage.part == 1
            assert item.coverage.oldest is not None
            assert all(month.mirror_sums == month.stripe_sums for month in item.months)
            assert item.total(lambda month: month.mirror_objects) == item.total(lambda month: month.stripe_objects)
        assert stage.differences() == []


Drift = tuple[str, str, str, str, tuple[str, ...]]


@dataclass
class Saboteur:
    """Makes the mirror untrue, and keeps what must be found."""

    stage: Stage
    rng: random.Random
    expected: set[Drift] = field(default_factory=set[Drift])
    taken: set[str] = field(default_factory=set[str])

    def sabotage(self, rounds: int = 1) -> None:
        ways = (self.alter, self.lose, self.haunt, self.bury_alive, self.change_silently, self.remove_silently)
        for way in ways * rounds:
            for kind in self.rng.sample(VICTIMS, 3):
                way(kind)

    def pick(self, kind: str) -> dict[str, Any] | None:
        free = [each for each in self.stage.account.all(sim_kind(kind)) if each["id"] not in self.taken]
        chosen = self.rng.choice(free) if free else None
        if chosen is not None:
            self.taken.add(chosen["id"])
        return chosen

    def expect(self, kind: str, obj: dict[str, Any], what: str, *fields: str) -> None:
        self.expected.add((kind, str(month_of(obj["created"])), obj["id"], what, fields))

    def sql(self, statement: str, *parameters: Any) -> None:
        with psycopg.connect(self.stage.url) as conn:
            done = conn.execute(statement, parameters)  # pyright: ignore[reportArgumentType]
            assert done.rowcount == 1, statement

    def alter(self, kind: str) -> None:
        if obj := self.pick(kind):
            name = self.rng.choice(("livemode", "metadata", "object", "made_up"))
            value = orjson.dumps({"drift": self.rng.random()}).decode()
            self.sql(
                f"update stripe.{kind} set data = data || jsonb_build_object(%s::text, %s::jsonb) where id = %s",
                name, value, obj["id"],
            )  # fmt: skip
            self.expect(kind, obj, "differing", name)

    def lose(self, kind: str) -> None:
        if obj := self.pick(kind):
            self.sql(f"delete from stripe.{kind} where id = %s", obj["id"])
            self.expect(kind, obj, "missing")

    def haunt(self, kind: str) -> None:
        if obj := self.pick(kind):
            ghost = f"{BY_NAME[kind].id_prefix}ghost{self.rng.randrange(10**9)}"
            self.sql(
                f"insert into stripe.{kind} (workspace_id, connection_id, id, deleted, as_of, known_until, dirty, "
                "changed_at, data) select workspace_id, connection_id, %s, false, as_of, known_until, false, "
                f"changed_at, jsonb_set(data, '{{id}}', to_jsonb(%s::text)) from stripe.{kind} where id = %s",
                ghost, ghost, obj["id"],
            )  # fmt: skip
            self.expect(kind, obj | {"id": ghost}, "undeleted")

    def bury_alive(self, kind: str) -> None:
        if obj := self.pick(kind):
            self.sql(f"update stripe.{kind} set deleted = true where id = %s", obj["id"])
            self.expect(kind, obj, "differing", "deleted")

    def change_silently(self, kind: str) -> None:
        if obj := self.pick(kind):
            self.stage.account.update(sim_kind(kind), obj["id"], {"metadata": {"silent": str(self.rng.random())}})
            self.expect(kind, obj, "differing", "metadata")

    def remove_silently(self, kind: str) -> None:
        if kind in {"customers", "products", "coupons"} and (obj := self.pick(kind)):
            self.stage.account.delete(sim_kind(kind), obj["id"])
            self.expect(kind, obj, "undeleted")

    def raise_the_dead(self, kind: str, object_id: str, created: int) -> None:
        self.sql(f"update stripe.{kind} set deleted = false where id = %s and deleted", object_id)
        self.expect(kind, {"id": object_id, "created": created}, "undeleted")


def forget_events(stage: Stage) -> None:
    """Stripe's events are lost: nothing tells any more of what was changed."""
    for event in stage.account.all("events"):
        stage.account.collection("events").remove(event["id"])


@pytest.mark.turns(1)
async def test_exactly_the_drift_is_found_and_repaired(settings: Settings, seed: int, turn: int) -> None:
    rng = random.Random(f"sabotage {seed}")
    async with staged(settings, build(seed)) as stage:
        await stage.connect()
        assert (await stage.sync()).complete
        dead = rng.choice(stage.account.all("coupons"))
        stage.account.delete("coupons", dead["id"], "coupon.deleted")
        assert (await stage.sync()).complete
        forget_events(stage)
        saboteur = Saboteur(stage, rng)
        saboteur.sabotage(2)
        saboteur.raise_the_dead("coupons", dead["id"], dead["created"])
        assert stage.differences() != []
        before = len(stage.sim.log)
        first = await verified(stage)
        assert drift(first) == saboteur.expected
        assert first.complete
        assert unrepaired(first) == 0
        assert first.total(lambda month: month.repaired) >= len(saboteur.expected)
        assert first.total(lambda month: month.news) == 0
        assert {each.method for each in list(stage.sim.log)[before:]} == {"GET"}
        assert stage.differences() == []
        second = await verified(stage)
        assert drift(second) == set()
        assert second.complete
        assert second.total(lambda month: month.repaired) == 0


async def test_counts_and_sums_stand_beside_each_other(settings: Settings, seed: int) -> None:
    """As found, so that a person sees what was missing; equal the next time."""
    async with staged(settings, build(seed)) as stage:
        await stage.connect()
        await stage.sync()
        saboteur = Saboteur(stage, random.Random(seed))
        for _ in range(3):
            saboteur.lose("charges")
        saboteur.haunt("charges")
        charges = BY_NAME["charges"]
        report = await verified(stage, kinds=[charges])
        (item,) = report.kinds
        for month in item.months:
            missing, undeleted = month.count("missing"), month.count("undeleted")
            assert month.mirror_objects == month.stripe_objects - missing + undeleted
        assert item.total(lambda month: month.count("missing")) == 3
        assert sum(month.mirror_sums.total() for month in item.months) != sum(
            month.stripe_sums.total() for month in item.months
        )
        held = stage.account.all("charges")
        total = sum(each["amount"] for each in held)
        assert sum(month.stripe_sums.total() for month in item.months) == total
        (again,) = (await verified(stage, kinds=[charges])).kinds
        assert all(month.mirror_sums == month.stripe_sums for month in again.months)


async def test_a_world_that_moves_is_no_drift(settings: Settings, seed: int) -> None:
    rng = random.Random(seed)
    async with staged(settings, build(seed), latency=0.01) as stage:
        await stage.connect()
        await stage.sync()
        changed = 0

        async def move() -> None:
            nonlocal changed
            while True:
                changed += world.random_change(stage.account, rng) is not None
                await asyncio.sleep(0.01)

        moving = asyncio.create_task(move())
        reports = [await verified(stage) for _ in range(3)]
        moving.cancel()
        for report in reports:
            assert drift(report) == set()
            assert report.complete, [(item.kind.name, item.error) for item in report.kinds if not item.proven]
        assert changed > 50
        news = sum(report.total(lambda month: month.news) for report in reports)
        print(f"{changed} changes, {news} of them met on the way")
        assert (await stage.sync()).complete
        assert stage.differences() == []


async def test_the_tail_of_a_long_nested_list(settings: Settings, seed: int) -> None:
    async with staged(settings, build(seed)) as stage:
        await stage.connect()
        await stage.sync()
        invoices = [each for each in stage.account.all("invoices") if len(each["lines"]["data"]) > 10]
        assert invoices
        victim = invoices[0]
        with psycopg.connect(stage.url) as conn:
            conn.execute(
                "update stripe.invoices set data = jsonb_set(data, '{lines,data,-1,description}', '\"other\"') "
                "where id = %s",
                (victim["id"],),
            )
        report = await verified(stage, kinds=[BY_NAME["invoices"]])
        assert {each[2:] for each in drift(report)} == {(victim["id"], "differing", ("lines",))}
        assert report.complete
        assert stage.differences() == []
        # What does not grow with the mirror: the look at events before and after, and the victim read once more.
        assert report.reads <= report.estimate * 1.1 + 10


async def test_a_moved_created_is_found_in_its_wrong_month(settings: Settings, seed: int) -> None:
    async with staged(settings, build(seed)) as stage:
        await stage.connect()
        await stage.sync()
        victims = random.Random(seed).sample(stage.account.all("charges"), 4)
        values = (victims[0]["created"] - 60 * 86400, 0, 4 * 10**9, None)
        with psycopg.connect(stage.url) as conn:
            for victim, value in zip(victims, values, strict=True):
                conn.execute(
                    "update stripe.charges set data = jsonb_set(data, '{created}', %s::jsonb) where id = %s",
                    (orjson.dumps(value).decode(), victim["id"]),
                )
        report = await verified(stage)
        assert {(each[2], each[4]) for each in drift(report)} == {(each["id"], ("created",)) for each in victims}
        assert report.complete
        assert stage.differences() == []


@pytest.mark.turns(1)
async def test_rolling_runs_keep_to_their_budget_and_prove_everything(settings: Settings, seed: int, turn: int) -> None:
    budget = 50 + seed % 30
    async with staged(settings, build(seed)) as stage:
        await stage.connect()
        await stage.sync()
        saboteur = Saboteur(stage, random.Random(seed))
        saboteur.sabotage()
        found: set[Drift] = set()
        for rounds in range(1, 60):  # noqa: B007 - it is printed
            before = len(stage.sim.log)
            report = await verified(stage, full=False, reads=budget)
            assert len(stage.sim.log) - before <= budget
            assert len(stage.sim.log) - before == report.reads
            found |= drift(report)
            assert all(item.coverage for item in report.kinds)
            if all(item.coverage.part == 1 and item.coverage.oldest for item in report.kinds if item.coverage):
                break
        else:
            raise AssertionError("not everything was proven")
        print(f"budget {budget}: everything was proven after {rounds} rounds")
        assert found == saboteur.expected
        assert stage.differences() == []


async def test_a_month_bigger_than_the_budget_is_proven_in_parts(settings: Settings, seed: int) -> None:
    made = build(seed, 2, cast_members=False)
    account = next(iter(made.accounts.values()))
    month = made.clock.now - 20 * 86400
    rng = random.Random(seed)
    world.synthetic(account, "charges", [month + rng.randrange(3000) for _ in range(1500)])
    charges = BY_NAME["charges"]
    async with staged(settings, made) as stage:
        await stage.connect()
        await stage.sync()
        saboteur = Saboteur(stage, rng)
        for way in (saboteur.lose, saboteur.alter, saboteur.haunt) * 2:
            way("charges")
        found: set[Drift] = set()
        partly = 0
        for _ in range(30):
            before = len(stage.sim.log)
            report = await verified(stage, full=False, reads=10, kinds=[charges])
            assert len(stage.sim.log) - before <= 10
            found |= drift(report)
            partly += any(not month.whole and month.floor is not None for month in report.kinds[0].months)
            coverage = report.kinds[0].coverage
            if coverage and coverage.part == 1 and coverage.oldest:
                break
        assert partly > 1
        assert found == saboteur.expected
        assert stage.differences("charges") == []
        with psycopg.connect(stage.url) as conn:
            row = conn.execute(
                "select stripe_objects, stripe_sums, part_from from bridged.proofs "
                "where kind = 'charges' and month = %s",
                (month_of(month),),
            ).fetchone()
        inside = [each for each in account.all("charges") if month_of(each["created"]) == month_of(month)]
        assert row is not None
        assert row[0] == len(inside)
        assert sum(row[1].values()) == sum(each["amount"] for each in inside)
        assert row[2] is None


async def test_a_kind_that_may_no_longer_be_read(settings: Settings, seed: int) -> None:
    async with staged(settings, build(seed)) as stage:
        await stage.connect()
        await stage.sync()
        saboteur = Saboteur(stage, random.Random(seed))
        saboteur.lose("customers")
        for kind in ("charges", "balance_transactions"):
            stage.rule("status", path=f"^/v1/{kind}", status=403, message="needs 'rak_x_read'")
        report = await verified(stage)
        assert not report.complete
        refused = {item.kind.name for item in report.kinds if item.error}
        assert refused == {"charges", "balance_transactions"}
        assert all(item.proven for item in report.kinds if item.kind.name not in refused)
        assert drift(report) == saboteur.expected
        assert stage.differences() == []


async def test_without_the_right_to_read_events(settings: Settings, seed: int) -> None:
    """Then what changed since the last sync cannot be told from drift; it is repaired all the same, and said."""
    async with staged(settings, build(seed)) as stage:
        await stage.connect()
        await stage.sync()
        customer = stage.account.all("customers")[0]
        stage.account.update("customers", customer["id"], {"name": "Someone Else"}, "customer.updated")
        stage.rule("status", path="^/v1/events", status=403, message="needs 'rak_event_read'")
        report = await verified(stage)
        assert report.complete
        assert not report.caught_up
        assert [each[2:] for each in drift(report)] == [(customer["id"], "differing", ("name",))]
        assert stage.differences() == []


async def test_what_was_proven_before_a_crash_stays_proven(settings: Settings, seed: int) -> None:
    async with staged(settings, build(seed), latency=0.005) as stage:
        await stage.connect()
        await stage.sync()
        work = asyncio.create_task(verified(stage))
        proven = 0
        while proven < 5 and not work.done():
            proven = proofs(stage)
            await asyncio.sleep(0.002)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        kept = proofs(stage)
        assert kept >= 5
        report = await verified(stage, full=False, reads=500)
        assert report.complete
        assert proofs(stage) >= kept
        with psycopg.connect(stage.url) as conn:
            assert conn.execute("select count(*) from bridged.leases").fetchone() == (0,)


def proofs(stage: Stage) -> int:
    with psycopg.connect(stage.url) as conn:
        row = conn.execute("select count(*) from bridged.proofs where whole").fetchone()
    assert row is not None
    return row[0]


async def test_what_cannot_be_repaired_is_said(settings: Settings, seed: int) -> None:
    """A row that claims to be known until tomorrow gives way to nothing that is read today."""
    async with staged(settings, build(seed, 2, cast_members=False)) as stage:
        await stage.connect()
        await stage.sync()
        victim = stage.account.all("products")[0]
        with psycopg.connect(stage.url) as conn:
            conn.execute(
                'update stripe.products set data = data || \'{"name": "Else"}\', known_until = known_until + '
                "interval '1 day' where id = %s",
                (victim["id"],),
            )
        report = await verified(stage, kinds=[BY_NAME["products"]])
        assert not report.complete
        assert unrepaired(report) == 1


async def test_nothing_is_proven_of_what_was_never_read(settings: Settings, seed: int) -> None:
    async with staged(settings, build(seed, 2, cast_members=False)) as stage:
        await stage.connect()
        with pytest.raises(NotFound):
            await verified(stage)
        await stage.sync(kinds=[BY_NAME["customers"]])
        report = await verified(stage)
        assert report.complete
        assert [item.kind.name for item in report.kinds] == ["customers"]
        report = await verified(stage, kinds=[BY_NAME["customers"], BY_NAME["charges"]])
        assert not report.complete
        assert [item.kind.name for item in report.kinds if item.error] == ["charges"]
        assert date(1970, 1, 1) == EARLIEST
