"""Figures against what a person computes by hand, and kept day by day against computed at once."""

from datetime import date, timedelta
from random import Random
from typing import Any

import pytest

from bridged.core.db import Conn
from bridged.figures.days import store
from bridged.figures.periods import periods_of
from bridged.figures.tables import Figure, figures_of, tables_of, tiles_of
from figured import NOW, Books
from ground import WORKSPACE, new_scope

TODAY = NOW.date()
NAMES = {"failed_payment": "Failed payment", "past_due": "Past due"}


@pytest.fixture
async def books(conn: Conn) -> Books:
    return Books(conn, await new_scope(conn, "Acme figures"))


async def shown(books: Books, range_: Any = "30d", by: Any = None) -> dict[tuple[str, str], Figure]:
    """By name and currency."""
    await books.profiled()
    await books.kept()
    periods = periods_of(range_, by, TODAY)
    ids = [books.scope.connection_id]
    sums = await store.sums(books.conn, WORKSPACE, ids, periods.before, periods.starts, periods.end)
    return {(each.name, each.currency): each for each in figures_of(tables_of(sums, periods), NAMES, ())}


def row(figure: Figure, label: str) -> tuple[Any, ...]:
    return next(each.values for each in figure.rows if each.label == label)


async def test_payments(books: Books) -> None:
    await books.paid("a", "2026-11-18 10:00", 1500)
    await books.paid("b", "2026-11-18 23:59:59", 500, amount_refunded=500)
    await books.paid("c", "2026-11-19 00:00", 700)
    await books.declined("d", "2026-11-18 11:00", 1500)
    await books.paid("guest", "2026-11-18 12:00", 10, customer=None)
    await books.paid("usd", "2026-11-18 12:00", 999, currency="usd")
    await books.paid("hold", "2026-11-18 12:00", 4000, captured=False, balance_transaction=None)
    await books.paid("old", "2026-09-01 12:00", 4000)
    found = await shown(books)
    assert row(found["payments", "eur"], "2026-11-18") == (2010, 3, 1500, 1)
    assert row(found["payments", "eur"], "2026-11-19") == (700, 1, 0, 0)
    assert row(found["payments", "usd"], "2026-11-18") == (999, 1, 0, 0)
    assert sum(each.values[0] or 0 for each in found["payments", "eur"].rows) == 2710
    assert [each[1] for each in found if each[0] == "payments"] == ["eur", "usd"], "the one with the most first"
    await books.paid("hold", "2026-11-18 12:00", 4000)
    await books.declined("c", "2026-11-19 00:00", 700)
    found = await shown(books)
    assert row(found["payments", "eur"], "2026-11-18") == (6010, 4, 1500, 1)
    assert row(found["payments", "eur"], "2026-11-19") == (0, 0, 700, 1)
    by_month = (await shown(books, "12m"))["payments", "eur"]
    assert row(by_month, "2026-09")[:2] == (4000, 1)
    assert row(by_month, "2026-11") == (6010, 4, 2200, 2)


async def test_days_are_those_of_the_accounts_zone(books: Books) -> None:
    """In Auckland it is Friday already; where clocks change a day has 25 hours."""
    await books.paid("a", "2026-11-19 11:00")
    days = {"Pacific/Auckland": date(2026, 11, 20), "Pacific/Honolulu": date(2026, 11, 19), None: date(2026, 11, 19)}
    for zone, day in days.items():
        await books.conn.execute(
            "update bridged.connections set timezone = %s where workspace_id = %s and id = %s",
            (zone, WORKSPACE, books.scope.connection_id),
        )
        assert [each["day"] for each in await books.kept()] == [day], zone
    await books.zone("Europe/Berlin")
    for name, at in (
        ("b", "2026-10-24 22:00"),
        ("c", "2026-10-25 22:59:59"),
        ("d", "2026-10-25 23:00"),
        ("e", "2026-10-24 21:59:59"),
    ):
        await books.paid(name, at)
    told = {each["day"]: each["number"] for each in await books.kept()}
    assert told == {date(2026, 11, 19): 1, date(2026, 10, 24): 1, date(2026, 10, 25): 2, date(2026, 10, 26): 1}


async def test_revenue_and_churn(books: Books) -> None:
    """Two stay, one is lost in the range, one was lost before it, one trials, one changes over without a gap."""
    await books.subscribed("cus_stays", "2026-01-01 12:00", unit=1000)
    await books.subscribed("cus_lost", "2026-02-01 12:00", "2026-11-10 12:00", unit=2500)
    await books.subscribed("cus_before", "2026-02-01 12:00", "2026-09-10 12:00", unit=9900)
    await books.subscribed("cus_trial", "2026-11-15 12:00", unit=700, status="trialing", trial_end=1_800_000_000)
    await books.subscribed("cus_new", "2026-11-12 12:00", unit=400)
    await books.subscribed("cus_moves", "2026-03-01 12:00", "2026-11-16 12:00", unit=1000, name="sub_first")
    await books.subscribed("cus_moves", "2026-11-16 12:00", unit=1500, name="sub_second")
    await books.subscribed("cus_usd", "2026-11-01 12:00", unit=300, currency="usd")
    found = await shown(books)
    mrr, churn = found["mrr", "eur"], found["churn", "eur"]
    assert row(mrr, "2026-11-09") == (4500, 3, 0, 0, 0, 0)
    assert row(mrr, "2026-11-10") == (2000, 2, 0, 0, 0, 2500)
    assert row(mrr, "2026-11-12") == (2400, 3, 400, 0, 0, 0)
    assert row(mrr, "2026-11-16") == (2900, 3, 0, 500, 0, 0)
    assert row(churn, "2026-11-10") == (1, 3, 1 / 3, 2500, 4500, 2500 / 4500)
    assert row(churn, "2026-11-16")[:2] == (0, 3), "whoever changes over is not lost"
    assert row(found["mrr", "usd"], "2026-11-20") == (300, 1, 0, 0, 0, 0)
    by_month = await shown(books, "12m")
    assert row(by_month["mrr", "eur"], "2026-09") == (4500, 3, 0, 0, 0, 9900)
    assert row(by_month["churn", "eur"], "2026-11") == (1, 3, 1 / 3, 2500, 4500, 2500 / 4500)
    cursor = await books.conn.execute(
        "select sum((facts #>> '{mrr,eur}')::bigint) as mrr from bridged.profiles where connection_id = %s",
        (books.scope.connection_id,),
    )
    now = await cursor.fetchone()
    assert now is not None
    assert now["mrr"] == row(mrr, "2026-11-20")[0], "now it is what the profiles say"


async def test_recovered_revenue(books: Books) -> None:
    """Failed, written about, then paid. Not: paid before, written about in vain, or without anybody's writing."""
    ours = [
        ("in_a", "2026-11-10 12:00", "read", "2026-11-11 12:00"),
        ("in_paid_before", "2026-11-10 12:00", "read", "2026-11-10 11:00"),
        ("in_not_reached", "2026-11-10 12:00", "failed", "2026-11-11 12:00"),
        ("in_too_late", "2026-10-01 12:00", "delivered", "2026-11-11 12:00"),
        ("in_not_written", None, "", "2026-11-11 12:00"),
    ]
    for key, written, state, paid in ours:
        if written:
            message = await books.message(state, written)
            await books.run("failed_payment", "cus_1", f"{key}:2", written, message=message)
        await books.moment("paid", key, "cus_1", paid, currency="eur", amount=1999)
    found = await shown(books)
    recovered = found["recovered", "eur"]
    assert [each.title for each in recovered.columns] == ["Failed payment", "Payments by Failed payment"]
    assert row(recovered, "2026-11-11") == (1999, 1)
    assert sum(each.values[0] or 0 for each in recovered.rows) == 1999
    later = await books.message("delivered", "2026-11-10 18:00")
    await books.run("past_due", "cus_1", "sub_1:in_a", "2026-11-10 18:00", kind="past_due", message=later)
    await books.moment("paid", "in_b", "cus_1", "2026-11-12 12:00", currency="eur", amount=500)
    await books.run(
        "payment_action", "cus_1", "in_b", "2026-11-10 18:00", kind="payment_action_required", message=later
    )
    found = await _afresh(books)
    assert found["recovered", "eur"].columns[0].title == "Past due", "the last who wrote has it, once"
    assert row(found["recovered", "eur"], "2026-11-11") == (1999, 1)
    assert row(found["recovered", "eur"], "2026-11-12") == (0, 0), "what waited for the customer had not failed"
    await books.conn.execute(
        "update bridged.messages set state = 'failed' where connection_id = %s", (books.scope.connection_id,)
    )
    assert ("recovered", "eur") not in await shown(books), "heard later that nothing was reached"


async def _afresh(books: Books) -> dict[tuple[str, str], Figure]:
    await books.kept(afresh=True)
    return await shown(books)


async def test_messages_by_outcome_and_reason(books: Books) -> None:
    for state in ("queued", "accepted", "sent", "delivered", "delivered", "read", "failed"):
        await books.message(state, "2026-11-18 12:00")
    await books.message("expired", "2026-11-18 12:00", reason="too_late")
    for number, reason in enumerate(("no_consent", "no_consent", "capped")):
        await books.run("failed_payment", "cus_1", f"in_{number}:2", "2026-11-18 12:00", withheld=reason)
    found = await shown(books)
    messages = found["messages", ""]
    assert [each.title for each in messages.columns] == [
        "Sent",
        "Delivered",
        "Read",
        "Failed",
        "Unknown",
        "Waiting",
        "Not sent",
    ]
    assert row(messages, "2026-11-18") == (2, 2, 1, 1, 0, 1, 4)
    reasons = {each.label: each.values[0] for each in found["not_sent", ""].rows}
    assert reasons == {"no consent": 2, "capped": 1, "too late": 1}
    await books.conn.execute(
        "update bridged.messages set state = 'read' where connection_id = %s and state = 'delivered'",
        (books.scope.connection_id,),
    )
    assert row((await shown(books))["messages", ""], "2026-11-18")[:3] == (2, 0, 3)


async def test_tiles_compare_with_the_range_before(books: Books) -> None:
    await books.subscribed("cus_1", "2026-10-30 12:00", unit=1000)
    await books.paid("now", "2026-11-18 12:00", 1000)
    await books.paid("then", "2026-10-01 12:00", 400)
    await books.profiled()
    await books.kept()
    periods = periods_of("30d", None, TODAY)
    sums = await store.sums(
        books.conn, WORKSPACE, [books.scope.connection_id], periods.before, periods.starts, periods.end
    )
    tiles = {each.name: (each.value, each.before) for each in tiles_of(tables_of(sums, periods))}
    assert tiles["mrr"] == (1000, 0)
    assert tiles["payments_succeeded"] == (1000, 400)
    assert tiles["churn"] == (0, 0)


@pytest.mark.parametrize("turn_", range(3))
async def test_kept_by_day_is_what_computed_at_once_is(books: Books, seed: int, turn_: int) -> None:
    """Whatever happens, in whatever order, and whenever the worker looks."""
    rng = Random(f"{seed} {turn_}")
    written: list[tuple[str, str, str]] = []
    for step in range(60):
        await _happens(books, rng, step, written)
        if step == 30:
            await books.zone("Asia/Kathmandu")
    await books.profiled()
    by_day = await books.kept()
    assert by_day, "something happened"
    assert by_day == await books.kept(afresh=True)


async def _happens(books: Books, rng: Random, step: int, written: list[tuple[str, str, str]]) -> None:
    at = NOW - timedelta(seconds=rng.randrange(90 * 86_400))
    who, key = f"cus_{rng.randrange(3)}", rng.randrange(12)
    match rng.randrange(9):
        case 0 | 1:
            make = rng.choice([books.paid, books.declined])
            await make(str(key), at, rng.choice([0, 500, 1000]), currency=rng.choice(["eur", "jpy"]), customer=who)
        case 2:
            until = at + timedelta(days=rng.randrange(60)) if rng.random() < 0.6 else None
            await books.subscribed(who, at, until, unit=rng.choice([500, 900]), name=f"sub_{rng.randrange(6)}")
        case 3:
            message = await books.message("queued", at, customer=who)
            written.append((message, who, f"in_{key}"))
            playbook = rng.choice(["failed_payment", "past_due"])
            await books.run(playbook, who, f"in_{key}:{step}", at, message=message)
            await books.heard(message, rng.choice(["sent", "read", "failed", "expired"]))
        case 4:
            reason = rng.choice(["capped", "no_consent"])
            await books.run("failed_payment", who, f"in_w{step}:1", at, withheld=reason)
        case 5:
            _, payer, invoice = rng.choice(written) if written and rng.random() < 0.8 else ("", who, f"in_{key}")
            if await _unpaid(books, invoice):
                paid = NOW - timedelta(seconds=rng.randrange(30 * 86_400))
                await books.moment("paid", invoice, payer, paid, currency="eur", amount=100)
        case 6 if written:
            await books.heard(rng.choice(written)[0], rng.choice(["read", "failed"]))
        case 7:
            await books.conn.execute(
                "delete from stripe.charges where connection_id = %s and id = %s",
                (books.scope.connection_id, f"ch_{key}"),
            )
        case _:
            await books.profiled()
            await books.kept()


async def _unpaid(books: Books, key: str) -> bool:
    cursor = await books.conn.execute(
        "select from bridged.moments where connection_id = %s and kind = 'paid' and key = %s",
        (books.scope.connection_id, key),
    )
    return cursor.rowcount == 0
