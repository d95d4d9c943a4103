"""A customer erased for good: nothing of theirs is left anywhere, and nothing that Stripe does brings it back."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridged import app as root
from bridged.accounts.audit import Actor
from bridged.accounts.erasures import store
from bridged.app import erasure
from bridged.core import clock
from bridged.core.errors import UsageError
from bridged.core.settings import Settings
from bridged.mirror import store as mirror
from bridged.mirror.erasure.store import ALL
from bridged.mirror.kinds import BY_NAME, INVOICE_PREVIEWS, SYNCED
from bridged.sync.control import steering
from simulation.hooked import Hooked, hooked
from simulation.stage import build

ANA = Actor("cli", "ana")
NAME, EMAIL = "Erna Erased", "erna.erased@example.com"
NOBODYS = {"payouts", "products", "prices", "coupons", "balance"}
"""Kinds that hold nothing of a customer's."""


@pytest.fixture
async def at(settings: Settings) -> AsyncIterator[Hooked]:
    async with hooked(settings, build(11)) as found:
        assert (await root.sync(found.app, found.connection)).complete
        yield found


def whose(at: Hooked) -> str:
    """A customer with as much as any: subscriptions, invoices, charges."""
    rows = at.ask("select customer_id, count(*) as n from stripe.invoices group by 1 order by 2 desc, 1 limit 1")
    customer: str = rows[0]["customer_id"]
    change = {"name": NAME, "email": EMAIL}
    at.stage.account.update("customers", customer, change, "customer.updated")
    return customer


def traces(at: Hooked, *words: str) -> list[str]:
    """Every table in which a word stands, in whatever column: as a text of the row, bytes decoded."""
    tables = at.ask(
        "select table_schema as s, table_name as t from information_schema.tables "
        "where table_schema in ('bridged', 'stripe', 'jobs') and table_type = 'BASE TABLE'"
    )
    found: list[str] = []
    for each in tables:
        for word in words:
            query = f'select count(*) as n from "{each["s"]}"."{each["t"]}" x where strpos(x::text, %s) > 0 or strpos(x::text, %s) > 0'  # noqa: E501
            if at.ask(query, word, word.encode().hex())[0]["n"]:
                found.append(f"{each['s']}.{each['t']}: {word}")
    return found


async def test_nothing_is_left_and_nothing_comes_back(at: Hooked) -> None:
    customer = whose(at)
    await at.rest()
    assert traces(at, NAME, EMAIL), "what is looked for is found while it is there"
    living = at.ask("select count(*) as n from stripe.customers where not deleted")[0]["n"]
    receipt = await erasure.erase(at.app, at.connection, customer, ANA)
    assert receipt.counts["stripe.customers"] == 1
    assert receipt.counts["stripe.invoices"] > 0
    assert receipt.counts["bridged.events"] > 0
    assert traces(at, NAME, EMAIL) == []
    for kind in ALL:
        query = f"select count(*) as n from stripe.{kind.name} where data::text like %s and as_of < '9000-01-01'"
        assert at.ask(query, f"%{customer}%")[0]["n"] == 0, kind.name
    assert at.ask("select count(*) as n from stripe.customers where not deleted")[0]["n"] == living - 1

    account = at.stage.account
    account.update("customers", customer, {"name": f"{NAME} again"}, "customer.updated")
    invoice = next(each for each in account.all("invoices") if each["customer"] == customer)
    account.update("invoices", invoice["id"], {"description": f"for {NAME}"}, "invoice.updated")
    await at.rest()
    assert traces(at, NAME, EMAIL) == [], "an event does not bring it back"
    for afresh in (False, True):
        assert (await root.sync(at.app, at.connection, afresh=afresh)).complete
        assert traces(at, NAME, EMAIL) == [], f"no sync brings it back, afresh {afresh}"
    report = await root.verify_mirror(at.app, at.connection, full=True)
    assert report.complete, "the proof leaves it out on both sides"
    assert report.total(lambda each: len(each.drift) + each.unrepaired) == 0
    assert traces(at, NAME, EMAIL) == [], "no proof repairs it"


async def test_what_stripe_makes_later_is_erased_too(at: Hooked) -> None:
    customer = whose(at)
    await at.rest()
    await erasure.erase(at.app, at.connection, customer, ANA)
    account = at.stage.account
    made = account.create(
        "payment_methods",
        {"id": account.next_id("pm"), "object": "payment_method", "customer": customer, "created": clock_of(at)},
        None,
    )
    charge = account.create(
        "charges",
        {
            "id": account.next_id("ch"), "object": "charge", "customer": customer, "created": clock_of(at), "amount": 5,
            "currency": "eur", "status": "succeeded", "billing_details": {"name": NAME, "email": EMAIL},
            "livemode": True, "payment_method": made["id"],
        },
        "charge.succeeded",
    )  # fmt: skip
    await at.rest()
    assert traces(at, NAME, EMAIL) == []
    row = at.ask("select data, deleted from stripe.charges where id = %s", charge["id"])[0]
    assert row["data"]["erased"] is True
    assert row["deleted"]
    receipt = (await erasure.receipts(at.app, at.connection))[0]
    assert receipt.swept_at > receipt.erased_at
    assert receipt.as_json()["not_reached"]


async def test_a_read_under_way_does_not_bring_it_back(at: Hooked) -> None:
    """A single read takes the row's version first, which orders the two whatever the clocks say: not here."""
    customer = whose(at)
    await at.rest()
    scope = steering.scope_of(at.connection)
    kind = BY_NAME["customers"]
    await erasure.erase(at.app, at.connection, customer, ANA)
    async with at.app.database.transaction(scope.workspace_id) as conn:
        assert await mirror.version(conn, kind, scope, customer) is None


async def test_a_customer_who_was_never_mirrored(at: Hooked) -> None:
    receipt = await erasure.erase(at.app, at.connection, "cus_comes_later", ANA)
    assert receipt.counts == {}
    account = at.stage.account
    account.create(
        "customers",
        {"id": "cus_comes_later", "object": "customer", "created": clock_of(at), "name": NAME, "livemode": True},
        "customer.created",
    )
    await at.rest()
    assert (await root.sync(at.app, at.connection)).complete
    assert traces(at, NAME) == []


async def test_again_is_the_same_receipt(at: Hooked) -> None:
    customer = whose(at)
    await at.rest()
    first = await erasure.erase(at.app, at.connection, customer, ANA)
    second = await erasure.erase(at.app, at.connection, customer, ANA)
    assert (second.id, second.erased_at, second.counts) == (first.id, first.erased_at, first.counts)
    entries = at.ask("select after from bridged.audit where action = 'customer.erased' order by id")
    assert [each["after"]["receipt"] for each in entries] == [first.id] * 2


@pytest.mark.parametrize("wrong", ["", "cus_", "sub_1", "cus_\n1", "cus_" + "x" * 300])
async def test_what_is_no_customer(at: Hooked, wrong: str) -> None:
    with pytest.raises(UsageError):
        await erasure.erase(at.app, at.connection, wrong, ANA)


async def test_every_place_of_personal_data_is_known(at: Hooked) -> None:
    """Whoever adds a kind or a table with customers in it is told to think of the erasure."""
    known = {kind.name for kind in ALL}
    every = {kind.name for kind in (*SYNCED, *BY_NAME.values(), INVOICE_PREVIEWS)}
    assert every - known == NOBODYS
    rows: list[dict[str, Any]] = at.ask(
        "select distinct c.table_schema || '.' || c.table_name as name from information_schema.columns c "
        "join pg_class p on p.oid = (quote_ident(c.table_schema) || '.' || quote_ident(c.table_name))::regclass "
        "where c.table_schema = 'bridged' and c.column_name in ('customer_id', 'customer') and not p.relispartition"
    )
    assert {row["name"] for row in rows} == {*store.FORGOTTEN, *store.EMPTIED, "bridged.erasures"}


def clock_of(at: Hooked) -> int:
    assert clock.now()
    return at.stage.sim.world.clock.now
