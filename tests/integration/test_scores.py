"""Scores in PostgreSQL: distributions, sets, history, versions of the weights, simulation."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from bridged import accounts
from bridged import app as root
from bridged.accounts import Connection
from bridged.accounts.audit import Actor
from bridged.accounts.audit.store import entries
from bridged.app import scoring
from bridged.core import clock
from bridged.core.db import Conn
from bridged.core.errors import CursorUnknown, NotFound, RequestInvalid, UsageError
from bridged.core.settings import Settings
from bridged.mirror.store import Scope
from bridged.profiles.facts import Profile
from bridged.profiles.scoring import refresh, store
from bridged.profiles.scoring.distribution import rank
from bridged.profiles.scoring.model import DEFAULT
from bridged.profiles.scoring.population import store as population
from bridged.profiles.scoring.rules import Engagement
from bridged.profiles.scoring.store import Wanted
from ground import WORKSPACE, new_scope
from scored import put, stored_profiles
from unit.profiles import DAY, NOW, UNIX, good, nobody

ME = Actor("cli", "somebody")


def crowd(count: int, first: int = 0) -> list[Profile]:
    """Customers who differ in all that counts; those of a higher number are better."""
    return [
        good(
            f"cus_{number:05}",
            name=f"Customer {number}",
            mrr={"eur": 100 * (number + 1)},
            payment_months={"2026-05": {"eur": 100 * (number + 1)}, "2026-02": {"eur": 100}},
            payments=1 + number,
            invoices_due=10,
            invoices_on_time=number * 10 // (first + count),
            last_payment_at=UNIX - (first + count - number) * DAY,
        )
        for number in range(first, first + count)
    ]


@dataclass
class Shop:
    """A connection with profiles in it."""

    app: root.App
    scope: Scope
    connection: Connection

    async def has(self, *profiles: Profile) -> None:
        await stored_profiles(self.app.database, self.scope, profiles)

    async def rows(self, statement: str, *given: Any) -> list[dict[str, Any]]:
        async with self.app.database.transaction(WORKSPACE) as conn:
            return await (await conn.execute(statement, given)).fetchall()  # type: ignore[arg-type]

    async def refreshed(self, *ids: str, at: int = 0) -> refresh.Refreshed:
        async with self.app.database.transaction(WORKSPACE) as conn:
            return await refresh.customers(conn, self.scope, ids, NOW + timedelta(seconds=at), livemode=True)

    async def all_refreshed(self, at: int = 0) -> refresh.Refreshed:
        """As `scoring.refresh_all`, at a moment of the test's."""
        now = NOW + timedelta(seconds=at)
        async with self.app.database.transaction(WORKSPACE) as conn:
            await refresh.renewed(conn, WORKSPACE, now, livemode=True)
        async with self.app.database.transaction(WORKSPACE) as conn:
            return await refresh.batch(conn, self.scope, "", now, livemode=True)

    async def explained(self, customer_id: str) -> scoring.Explained:
        return await scoring.explain(self.app, self.connection, customer_id)

    async def listed(self, limit: int = 100, **wanted: Any) -> list[str]:
        return [each.customer_id for each in await scoring.ranked(self.app, self.connection, Wanted(limit, **wanted))]

    async def edit(self, **points: int) -> None:
        """A draft with other points than those that count."""
        document = DEFAULT.as_json()
        for part in document["points"].values():
            part |= {name: points[name] for name in part if name in points}
        await scoring.edit_weights(self.app, self.connection, document, ME)


@pytest.fixture
async def shop(settings: Settings) -> AsyncIterator[Shop]:
    async with root.opened(settings) as app:
        async with app.database.transaction(WORKSPACE) as conn:
            scope = await live_scope(conn, "Acme")
            connection = await accounts.by_id(conn, WORKSPACE, scope.connection_id)
        assert connection is not None
        yield Shop(app, scope, connection)


async def live_scope(conn: Conn, name: str) -> Scope:
    scope = await new_scope(conn, name)
    await conn.execute("update bridged.connections set livemode = true where id = %s", (scope.connection_id,))
    return scope


# Against whom


async def test_figures_are_distributed_by_currency_over_the_workspace(shop: Shop) -> None:
    async with shop.app.database.transaction(WORKSPACE) as conn:
        other, test = await live_scope(conn, "Other"), await new_scope(conn, "Test")
        eur = [nobody(f"e{n}", mrr={"eur": n}, payment_months={"2026-06": {"eur": n}}) for n in range(1, 101)]
        jpy = [nobody(f"j{n}", mrr={"jpy": 1000 * n, "eur": 0}, payments=n) for n in range(1, 11)]
        await put(conn, shop.scope, eur)
        await put(conn, other, jpy)
        await put(conn, test, [nobody("t", mrr={"eur": 10**9}, livemode=False)])
        await put(conn, shop.scope, [nobody("gone", mrr={"eur": 10**9}, deleted=True)])
        await put(conn, shop.scope, [nobody("old", payment_months={"2025-06": {"eur": 10**9}, "2026-06": {"eur": -5}})])
        found = await population.take(conn, WORKSPACE, livemode=True, now=NOW)
        tests = await population.take(conn, WORKSPACE, livemode=False, now=NOW)
        await population.keep(conn, WORKSPACE, found, livemode=True, now=NOW)
        assert await population.kept(conn, WORKSPACE, livemode=True) == found
        assert await population.kept(conn, WORKSPACE, livemode=False) is None
    assert set(found.mrr) == {"eur", "jpy"}
    assert (found.mrr["eur"].number, found.mrr["jpy"].number) == (100, 10)
    assert (found.mrr["eur"].values[0], found.mrr["eur"].values[-1]) == (1, 100)
    assert found.mrr["jpy"].values[50] == 5000
    assert (found.paid["eur"].number, found.paid["eur"].values[-1]) == (100, 100), "twelve months, and no net loss"
    assert found.payments is not None
    assert found.payments.number == 10
    assert tests.mrr["eur"].number == 1
    for amount in (1, 30, 77, 100):
        place = rank(found.mrr["eur"], amount)
        assert place is not None
        assert place == pytest.approx(amount / 100, abs=0.02)


async def test_the_better_the_facts_the_higher_the_place(shop: Shop) -> None:
    await shop.has(*crowd(60))
    assert (await shop.all_refreshed()).scored == 60
    listed = await scoring.ranked(shop.app, shop.connection, Wanted(100))
    totals = {each.customer_id: each.total for each in listed}
    assert [each.customer_id for each in listed] == sorted(totals, key=lambda each: (-totals[each], each))
    rising = [totals[f"cus_{number:05}"] for number in range(60)]
    assert rising == sorted(rising)
    assert rising[-1] - rising[0] >= 20
    best = await shop.explained("cus_00059")
    assert best.row.rank == 1
    assert sum(each["points"] for each in best.row.contributions) == best.row.total
    assert sum((await scoring.bands(shop.app, shop.connection)).values()) == 60


# Sets and history


async def test_a_run_that_finds_the_same_touches_nothing(shop: Shop) -> None:
    await shop.has(*crowd(20))
    first, again = await shop.all_refreshed(), await shop.all_refreshed(at=60)
    assert (first.changed, again.changed) == (20, 0)
    changed = await shop.rows(
        "select distinct changed_at from bridged.scores where connection_id = %s", shop.scope.connection_id
    )
    assert [row["changed_at"] for row in changed] == [NOW]


async def test_each_change_has_a_row_of_history(shop: Shop) -> None:
    await shop.has(*crowd(20))
    await shop.all_refreshed()
    before = (await shop.explained("cus_00010")).row
    await shop.has(replace(crowd(20)[10], invoices_on_time=0, disputes=1))
    done = await shop.refreshed("cus_00010", "cus_00011", "cus_nobody", at=60)
    assert (done.scored, done.changed) == (2, 1)
    after = await shop.explained("cus_00010")
    newest, first = after.history
    assert after.row.total < before.total
    assert (newest.total_before, newest.total, newest.cause) == (before.total, after.row.total, "facts")
    assert (first.total_before, first.band_before, first.cause) == (None, None, "first")
    assert len((await shop.explained("cus_00011")).history) == 1


async def test_who_is_excluded_loses_the_score_and_keeps_the_history(shop: Shop) -> None:
    await shop.has(*crowd(6), good("cus_test", livemode=False))
    await shop.all_refreshed()
    with pytest.raises(NotFound):
        await shop.explained("cus_test")
    await shop.has(replace(crowd(6)[5], deleted=True))
    await shop.refreshed("cus_00005")
    assert await shop.listed() == ["cus_00004", "cus_00003", "cus_00002", "cus_00001", "cus_00000"]
    async with shop.app.database.transaction(WORKSPACE) as conn:
        await conn.execute("delete from bridged.profiles where customer_id in ('cus_00004', 'cus_00003')")
        assert len(await store.history(conn, shop.scope, "cus_00005", 9)) == 1
    await shop.refreshed("cus_00004")
    assert await shop.listed() == ["cus_00003", "cus_00002", "cus_00001", "cus_00000"]
    done = await scoring.refresh_all(shop.app, shop.connection)
    assert done.scored == 3
    assert set(await shop.listed()) == {"cus_00002", "cus_00001", "cus_00000"}


async def test_those_who_score_at_once_take_turns(shop: Shop) -> None:
    await shop.has(*crowd(50))
    ids = [each.customer_id for each in crowd(50)]
    await asyncio.gather(*(shop.refreshed(*ids) for _ in range(4)), *(shop.all_refreshed() for _ in range(2)))
    rows = await shop.rows(
        "select customer_id, count(*) from bridged.score_history where connection_id = %s and cause = 'first' "
        "group by 1 having count(*) > 1",
        shop.scope.connection_id,
    )
    assert rows == []


async def test_all_batches_are_scored(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "BATCH", 7)
    await shop.has(*crowd(50))
    assert [each.connection_id for each in await scoring.to_be_scored(shop.app)] == [shop.scope.connection_id]
    done = await scoring.refresh_all(shop.app, shop.connection)
    assert (done.scored, done.changed) == (50, 50)
    assert await scoring.to_be_scored(shop.app) == []
    found = await scoring.last_run(shop.app, shop.connection)
    assert found is not None
    assert found.customers == 50
    assert clock.now() < found.next_at <= clock.now() + timedelta(days=1)


async def test_engagement_comes_from_whoever_knows_messages(shop: Shop) -> None:
    async def engaged(conn: Conn, scope: Scope, ids: Any) -> dict[str, Engagement]:
        del conn, scope
        return {each: Engagement(UNIX, None) for each in ids if each != "cus_00001"}

    await shop.has(*crowd(10))
    async with shop.app.database.transaction(WORKSPACE) as conn:
        await refresh.customers(conn, shop.scope, ["cus_00001", "cus_00002"], NOW, livemode=True, engaged=engaged)
    assert (await shop.explained("cus_00001")).row.missing == ["engagement"]
    assert (await shop.explained("cus_00002")).row.missing == []


# The list


async def test_pages_of_the_list_follow_each_other(shop: Shop) -> None:
    await shop.has(*crowd(30), *(nobody(f"cus_x{number}") for number in range(5)))
    await shop.all_refreshed()
    whole, met, after = await shop.listed(), [], None
    while page := await shop.listed(4, after=after):
        met += page
        after = page[-1]
    assert met == whole
    assert len(met) == 35
    band = (await shop.explained(whole[0])).row.band
    assert set(await shop.listed(band=band)) < set(whole)
    assert await shop.listed(at_least=101) == []
    with pytest.raises(CursorUnknown):
        await shop.listed(after="cus_unknown")


async def test_the_export_holds_no_formula(shop: Shop) -> None:
    await shop.has(*crowd(5), good("cus_evil", name='=HYPERLINK("http://evil")', email=" +1@example.com", country="FR"))
    await shop.all_refreshed()
    text = "".join([each async for each in scoring.export(shop.app, shop.connection)])
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [each["rank"] for each in lines] == [str(place) for place in range(1, 7)]
    evil = next(each for each in lines if each["customer"] == "cus_evil")
    assert evil["name"] == '\'=HYPERLINK("http://evil")'
    assert evil["email"] == "' +1@example.com"
    assert not [cell for each in lines for cell in each.values() if cell.lstrip().startswith(("=", "+", "@"))]
    assert sum(int(evil[name]) for name in evil if name in DEFAULT.points) == int(evil["score"])


# Weights


async def test_weights_are_drafted_simulated_and_published(shop: Shop) -> None:
    await shop.has(*crowd(40))
    await shop.all_refreshed()
    with pytest.raises(NotFound):
        await scoring.simulate_weights(shop.app, shop.connection)
    await shop.edit(paid=0, mrr=0, on_time=38)
    with pytest.raises(UsageError, match="not simulated"):
        await scoring.publish_weights(shop.app, shop.connection, ME)
    before = await shop.rows(
        "select * from bridged.scores where connection_id = %s order by 1, 2, 3", shop.scope.connection_id
    )
    found = await scoring.simulate_weights(shop.app, shop.connection)
    after = await shop.rows(
        "select * from bridged.scores where connection_id = %s order by 1, 2, 3", shop.scope.connection_id
    )
    assert before == after, "a simulation stores nothing"
    assert found.customers == 40
    assert found.scores_changed > 0
    assert sum(found.bands_after.values()) == sum(found.bands_before.values()) == 40
    assert found.bands_changed == sum(each.customers for each in found.moves)
    published = await scoring.publish_weights(shop.app, shop.connection, ME)
    assert (published.version, published.weights.points["on_time"]) == (1, 38)
    assert len(await scoring.to_be_scored(shop.app)) == 1, "everybody is scored anew"
    await shop.all_refreshed(at=60)
    scale = await scoring.weights(shop.app, shop.connection)
    assert (scale.published.version, scale.draft, [each.version for each in scale.versions]) == (1, None, [1, 0])
    causes = {change.cause for number in range(40) for change in (await shop.explained(f"cus_{number:05}")).history}
    assert causes == {"first", "weights"}
    async with shop.app.database.transaction(WORKSPACE) as conn:
        acts = [each.act.action for each in await entries(conn, WORKSPACE, 9)]
    assert acts == ["scores.published", "scores.drafted"]


async def test_the_simulation_foretells_what_publishing_does(shop: Shop) -> None:
    await shop.has(*crowd(40))
    await scoring.refresh_all(shop.app, shop.connection)
    ranks = {name: place for place, name in enumerate(await shop.listed(), 1)}
    await shop.edit(paid=0, recency=0, recency_quintile=0, direction=43)
    found = await scoring.simulate_weights(shop.app, shop.connection)
    await scoring.publish_weights(shop.app, shop.connection, ME)
    await scoring.refresh_all(shop.app, shop.connection)
    for each in found.movers:
        row = (await shop.explained(each.customer_id)).row
        assert (row.total, row.band, row.rank) == (each.total_after, each.band_after, each.rank_after)
    assert {each.customer_id for each in found.movers} <= set(ranks)
    bands = await scoring.bands(shop.app, shop.connection)
    assert {band: number for band, number in bands.items() if number} == found.bands_after


async def test_a_draft_begun_before_another_version_is_not_published(shop: Shop) -> None:
    await shop.has(*crowd(6))
    await shop.edit(paid=19, mrr=11)
    await scoring.simulate_weights(shop.app, shop.connection)
    async with shop.app.database.transaction(WORKSPACE) as conn:
        await conn.execute(
            "insert into bridged.score_weights select workspace_id, connection_id, 1, document, now(), 'other' "
            "from bridged.score_drafts"
        )
    with pytest.raises(UsageError, match="Version 1 was published"):
        await scoring.publish_weights(shop.app, shop.connection, ME)


async def test_an_edit_has_to_be_simulated_again(shop: Shop) -> None:
    await shop.has(*crowd(6))
    await shop.edit(paid=19, mrr=11)
    await scoring.simulate_weights(shop.app, shop.connection)
    await shop.edit(paid=18, mrr=12)
    with pytest.raises(UsageError, match="not simulated"):
        await scoring.publish_weights(shop.app, shop.connection, ME)
    await scoring.discard_weights(shop.app, shop.connection, ME)
    with pytest.raises(NotFound):
        await scoring.discard_weights(shop.app, shop.connection, ME)


async def test_what_was_published_cannot_be_changed(shop: Shop) -> None:
    for statement in ("update bridged.score_weights set version = 9", "delete from bridged.score_weights"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await shop.rows(statement)


async def test_weights_that_cannot_be_used_are_not_stored(shop: Shop) -> None:
    with pytest.raises(RequestInvalid, match="they sum to 99"):
        await shop.edit(paid=19)
    assert (await scoring.weights(shop.app, shop.connection)).draft is None


async def test_a_connection_that_is_deleted_takes_its_scores_along(shop: Shop, owner: str) -> None:
    await shop.has(*crowd(6))
    await shop.edit(paid=19, mrr=11)
    await scoring.simulate_weights(shop.app, shop.connection)
    await scoring.publish_weights(shop.app, shop.connection, ME)
    await scoring.refresh_all(shop.app, shop.connection)
    await scoring.set_webhook(shop.app, shop.connection, "https://crm.example.com", ME)
    async with shop.app.database.transaction(WORKSPACE) as conn:
        await conn.execute("delete from bridged.connections where id = %s", (shop.scope.connection_id,))
    with psycopg.connect(owner, row_factory=dict_row) as admin:
        for table in ("scores", "score_history", "score_weights", "score_webhooks", "score_runs"):
            assert admin.execute(f"select * from bridged.{table}").fetchall() == []
