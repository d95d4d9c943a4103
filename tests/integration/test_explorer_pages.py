"""Customers and mirrored objects at the pages: found, looked through, changed by whom that may; hostile names shown."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridged import app as root
from bridged.app import profiles
from bridged.channels.registry import store as registry
from bridged.core import clock
from bridged.core.settings import Settings
from bridged.messages.outbox import Address, Draft, Told
from bridged.messages.outbox import store as outbox
from bridged.mirror import explorer
from bridged.mirror.kinds import KINDS
from bridged.mirror.store import Scope
from bridged.playbooks import store as playbooks
from bridged.playbooks.catalogue import BY_ID
from bridged.playbooks.definitions import to_json
from bridged.playbooks.runs import Enrolment
from bridged.playbooks.runs import store as runs
from bridged.profiles import store
from bridged.profiles.moments import Moment
from bridged.web.rendering import plainly
from bridged.web.sheets import facts, linked
from browsing import Browser, House, housed
from ground import WORKSPACE
from served import SOME_TIME, stored

NOW = int(SOME_TIME)
HOSTILE = "\u202e<script>alert(1)</script>\u2066'\"&" + "x" * 5000
NEVER = ("<script>alert", "\u202e", "\u2066")


def customer(number: int, **more: Any) -> dict[str, Any]:
    first, last = ("Ana", "Ben", "Ada")[number % 3], ("Lovelace", "Müller", "de la Cruz")[number % 7 % 3]
    return {
        "id": f"cus_{number:03}", "object": "customer", "created": NOW - number * 1000, "name": f"{first} {last}",
        "email": f"person{number}@example.com", "phone": f"+34600000{number:03}", "livemode": False, **more,
    }  # fmt: skip


def charge(number: int, owner: str, **more: Any) -> dict[str, Any]:
    failed = number % 4 == 3
    return {
        "id": f"ch_{owner[4:]}x{number}", "object": "charge", "created": NOW - number * 60, "customer": owner,
        "status": "failed" if failed else "succeeded", "amount": 1900 + number, "currency": "eur", "captured": True,
        "payment_intent": f"pi_{owner[4:]}x{number}", "failure_code": "card_declined" if failed else None, **more,
    }  # fmt: skip


@pytest.fixture
async def house(settings: Settings, owner: str) -> AsyncIterator[House]:
    async with housed(settings, owner) as found:
        people = [customer(each) for each in range(120)]
        people[7] |= {"name": HOSTILE, "email": "seven@example.com", "description": HOSTILE}
        about = {"charge": "ch_001x0", "created": NOW, "amount": 500, "currency": "eur"}
        refund = {"id": "re_1", "object": "refund", "status": "succeeded", "reason": "requested_by_customer"} | about
        dispute = {"id": "dp_1", "object": "dispute", "status": "needs_response", "reason": "fraudulent"} | about
        intent = {
            "id": "pi_001x0", "object": "payment_intent", "created": NOW, "customer": "cus_001", "status": "succeeded",
            "amount": 1900, "currency": "eur", "latest_charge": "ch_001x0",
        }  # fmt: skip
        objects = {
            "customers": people,
            "charges": [*(charge(each, "cus_001") for each in range(70)), charge(0, "cus_007", description=HOSTILE)],
            "refunds": [refund],
            "disputes": [dispute],
            "payment_intents": [intent],
            "coupons": [{"id": "SUMMER 50%/x", "object": "coupon", "created": NOW, "valid": True}],
        }
        for kind, each in objects.items():
            await stored(found.web.app.database, Scope(WORKSPACE, found.connection), kind, each)
        await profiles.build(found.web.app, await root.find_connection(found.web.app, None))
        yield found


def ids(text: str, house: House) -> list[str]:
    """Customers of a list, in its order."""
    return re.findall(rf'<th scope="row" class="who-is"><a href="/customers/{house.connection}/([^"]+)"', text)


async def shown(browser: Browser, path: str) -> str:
    status, text, _ = await browser.open(path)
    assert status == 200, path
    assert not any(each in text for each in NEVER), path
    return text


async def walked(browser: Browser, house: House, path: str) -> list[str]:
    """All customers of a list, page by page."""
    found: list[str] = []
    for _ in range(20):
        text = await shown(browser, path)
        found += ids(text, house)
        following = re.search(r'href="(\?[^"]+)">Next page', text)
        if following is None:
            return found
        path = "/customers" + unescape(following[1])
    raise AssertionError("a list without an end")


async def test_lists_are_found_narrowed_and_walked(house: House) -> None:
    ana = await house.member("ana@example.com", "viewer")
    everybody = [f"cus_{each:03}" for each in range(120)]
    assert await walked(ana, house, "/customers") == everybody, "the newest first"
    assert sorted(await walked(ana, house, "/customers?sort=name")) == everybody
    assert sorted(await walked(ana, house, "/customers?status=never")) == everybody
    assert await walked(ana, house, "/customers?status=active") == []
    for text, wanted in (
        ("aDa", {f"cus_{each:03}" for each in range(120) if each % 3 == 2 and each != 7}),
        ("Lovelace", {f"cus_{each:03}" for each in range(120) if each % 7 % 3 == 0 and each != 7}),
        ("cus_042", {"cus_042"}),
        ("person42@", {"cus_042"}),
        ("600 000 042", set()),
        ("%2B34 600 000 042", {"cus_042"}),
        ("nobody", set()),
        ("%00", set(everybody)),
    ):
        found = await walked(ana, house, f"/customers?q={text.replace(' ', '+')}")
        assert (set(found), len(found)) == (wanted, len(wanted)), text
    for odd in ("after=nonsense", "after=W10", "sort=up&band=x&status=y&connection=z&plan=%00", "q=" + "y" * 4000):
        await shown(ana, f"/customers?{odd}")
    assert "Nobody is found" in await shown(ana, "/customers?q=%3Cscript%3Ealert(1)%3C/script%3E")


async def test_a_customer_is_told_whole(house: House) -> None:
    ana = await house.member("ana@example.com", "operator")
    base = f"/customers/{house.connection}/cus_001"
    text = await shown(ana, base)
    for part in ("Payment failed", "Refund", "Dispute", "requested by customer", "€19.00", "Read again from Stripe"):
        assert part in text, part
    assert "Erase this customer" not in text
    seen: list[str] = []
    path = f"{base}?show=payments"
    for _ in range(3):
        text = await shown(ana, path)
        seen += re.findall(rf"/explore/{house.connection}/charges/(ch_001x\d+)", text)
        following = re.search(r'href="(\?[^"#]+)#timeline">Next page', text)
        path = base + unescape(following[1]) if following else path
        if not following:
            break
    assert seen == [f"ch_001x{each}" for each in range(70) if each % 4 != 3], "each once, the newest first"
    for odd in ("show=x", "after=x", "after=2026-01-01~x", "after=2026-01-01T00:00:00%2B00:00~%00"):
        await shown(ana, f"{base}?{odd}")
    given = {"state": "granted", "about.utility": "on", "source": HOSTILE[:900], "phone": "+34 612 345 678"}
    status, text, _ = await ana.send(f"{base}/consent", state="granted", source="phone")
    assert (status, "not said what they agreed to" in text) == (422, True)
    assert (await ana.send(f"{base}/consent", **(given | {"source": " "})))[0] == 422
    assert (await ana.send(f"{base}/consent", **given))[0] == 303
    text = await shown(ana, f"{base}?done=consent")
    assert "+34612345678" in text
    assert "agreed" in text


async def said(house: House) -> None:
    """A message, one that failed, one that was withheld, a status that turned, and the event of a payment."""
    scope, now = Scope(WORKSPACE, house.connection), clock.now()
    async with house.web.app.database.transaction(WORKSPACE) as conn:
        channel = await registry.add(conn, scope, "console", "console", now)
        assert channel is not None
        for key, body in (("a", "Your payment failed"), ("b", HOSTILE)):
            draft = Draft(
                channel.id, "cus_001", Address("+34600000001"), "utility", None, "en", {}, body, key, "playbook:x:0",
                now + timedelta(hours=1),
            )  # fmt: skip
            made = await outbox.put(conn, WORKSPACE, house.connection, draft, now)
            message = await outbox.message(conn, house.connection, made or "")
            assert message is not None
            if key == "b":
                await outbox.fail(conn, message, 131026, "undeliverable", now)
            else:
                await outbox.advance(conn, message, "read", "wamid.1", now)
                told = Told("wamid.1", "read", now)
                await outbox.add_status(conn, WORKSPACE, house.connection, channel.id, told, now)
        await store.note_changes(conn, scope, [("cus_001", "active", "past_due", NOW)], now)
        version = await playbooks.publish(conn, scope, "paid", to_json(BY_ID["paid"].doc), "me", now)
        moment = Moment("payment_succeeded", "k", "cus_001", NOW, "ch_001x0", {})
        run = Enrolment(
            "paid", version, "cus_001", "k", "g", "f", moment, False, "suppressed", "no_consent", (), now
        )  # fmt: skip
        assert await runs.enrol(conn, scope, run, now)
        await conn.execute(
            "insert into bridged.events (workspace_id, connection_id, created, id, type, object_id, source, "
            "received_at, payload) values (%s, %s, %s, 'evt_1', 'charge.succeeded', 'ch_001x0', 'list', now(), '{}')",
            (WORKSPACE, house.connection, datetime.fromtimestamp(NOW, UTC)),
        )


async def test_what_was_said_and_was_not_stands_among_the_rest(house: House) -> None:
    await said(house)
    ana = await house.member("ana@example.com", "viewer")
    base = f"/customers/{house.connection}/cus_001"
    text = await shown(ana, base)
    for part in (
        "Message read", "Your payment failed", "Message not sent", "(WhatsApp 131026)", "Now past due",
        "before: active", "they have not agreed to such messages", f"/connections/{house.connection}/events/evt_1",
    ):  # fmt: skip
        assert part in text, part
    text = await shown(ana, f"{base}?show=messages")
    assert [text.count(part) for part in (">Message read<", ">Message not sent<", ">Not sent<")] == [1, 1, 1]
    assert "/charges/" not in text
    assert (await ana.open("/explore?id=evt_1"))[::2] == (303, f"/connections/{house.connection}/events/evt_1")


async def test_who_may_not_is_not_offered_it(house: House) -> None:
    base = f"/customers/{house.connection}/cus_001"
    viewer, admin = await house.member("v@example.com", "viewer"), await house.member("a@example.com", "admin")
    eve = await house.member("eve@example.com", "owner", house.stranger)
    text = await shown(viewer, base)
    assert not any(each in text for each in ("Write down a consent", "Read again from Stripe", "Erase this customer"))
    assert (await viewer.send(f"{base}/consent", state="revoked", source="x"))[0] == 403
    assert (await viewer.open(f"{base}/erase"))[0] == 403
    for path in (base, f"/explore/{house.connection}/customers", f"/explore/{house.connection}/charges/ch_001x0"):
        assert (await eve.open(path))[0] == 404, path
    assert "cus_001" not in (await eve.open("/explore?id=cus_001"))[1].replace('value="cus_001"', "").replace(
        "mirrored under cus_001", ""
    )
    assert (await admin.send(f"{base}/erase", sure="cus_002"))[0] == 422
    assert (await admin.send(f"{base}/erase", sure="cus_001"))[0] == 303
    assert "is erased" in await shown(admin, f"{base}/erase")
    assert "erased on request" in await shown(admin, f"/explore/{house.connection}/customers/cus_001")
    assert "cus_001" not in await walked(admin, house, "/customers")


async def test_objects_lead_to_each_other(house: House) -> None:
    ana = await house.member("ana@example.com", "viewer")
    base = f"/explore/{house.connection}"
    for kind in KINDS:
        await shown(ana, f"{base}/{kind.name}?since=2020-01-01&until=2030-01-01&customer=cus_001&status=failed")
    text = await shown(ana, f"{base}/charges?status=failed&customer=cus_001")
    assert len(re.findall(r"charges/ch_001x\d+", text)) == 17
    assert "cannot be read" in await shown(ana, f"{base}/charges?since=yesterday")
    assert len(re.findall(r"charges/ch_001x\d+", await shown(ana, f"{base}/charges?after=ch_001x60"))) == 9
    text = await shown(ana, f"{base}/charges/ch_001x0")
    for place in ("customers/cus_001", "payment_intents/pi_001x0", "refunds/re_1", "disputes/dp_1"):
        assert f'href="{base}/{place}"' in text, place
    assert f'&#34;<a href="{base}/customers/cus_001">cus_001</a>&#34;' in text, "in the JSON too"
    for object_id, place in (
        ("re_1", f"{base}/refunds/re_1"),
        ("%20ch_001x0%20", f"{base}/charges/ch_001x0"),
        ("SUMMER+50%25/x", f"{base}/coupons/SUMMER%2050%25%2Fx"),
    ):
        assert (await ana.open(f"/explore?id={object_id}"))[::2] == (303, place)
    assert "SUMMER 50%/x" in await shown(ana, f"{base}/coupons/SUMMER%2050%25%2Fx")
    assert "Nothing is mirrored under" in await shown(ana, "/explore?id=in_nothing")
    assert "Nothing is mirrored under" in await shown(ana, "/explore?id=evt_nothing")
    status, raw, _ = await ana.open(f"{base}/charges/ch_001x0?raw=yes")
    assert (status, orjson.loads(raw)["id"]) == (200, "ch_001x0")
    for path in (
        f"{base}/nonsense", f"{base}/charges/ch_nothing", f"{base}/charges/%00", f"{base}/charges?after=ch_nothing",
        f"/customers/{house.connection}/cus_nothing", f"/customers/{house.connection}/%00", "/explore/x/charges",
    ):  # fmt: skip
        assert (await ana.open(path))[0] in {400, 404}, path


async def test_hostile_names_are_shown_as_they_are_and_short(house: House) -> None:
    ana = await house.member("ana@example.com", "owner")
    for path in (
        "/customers?q=seven", f"/customers/{house.connection}/cus_007", f"/explore/{house.connection}/customers",
        f"/explore/{house.connection}/customers/cus_007", f"/explore/{house.connection}/charges/ch_007x0",
    ):  # fmt: skip
        text = await shown(ana, path)
        json = text.partition('<pre id="raw"')[2]
        assert "x" * 1000 not in text.replace(json, ""), path
        assert "\\u202e&lt;script&gt;" in text, path


async def test_a_page_asks_the_same_however_much_there_is(house: House) -> None:
    ana = await house.member("ana@example.com", "owner")
    kinds = f"/explore/{house.connection}/charges"

    async def asked(path: str) -> int:
        house.web.statements.clear()
        await shown(ana, path)
        return len(house.web.statements)

    for much, little in (
        ("/customers", "/customers?q=cus_001"),
        (f"/customers/{house.connection}/cus_001", f"/customers/{house.connection}/cus_002"),
        (kinds, f"{kinds}?status=pending"),
        (f"{kinds}/ch_001x0", f"{kinds}/ch_001x1"),
    ):
        assert await asked(much) == await asked(little) <= 40, much


@given(st.text())
def test_what_steers_is_seen(text: str) -> None:
    shown = plainly(text)
    assert plainly(shown) == shown
    assert not any(char in shown for char in "\x00\x1b\x7f\u200f\u202e\u2066\ufeff")
    assert shown == text or "\\u" in shown


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(), lambda inner: st.lists(inner)
                    | st.dictionaries(st.sampled_from(("id", "status", "amount", "currency", "due_date", "items")),
                                      inner)))  # fmt: skip
def test_any_json_is_a_sheet(value: Any) -> None:
    data = value if isinstance(value, dict) else {"items": value}
    facts(data)
    explorer.candidates(data)
    html, cut = linked(orjson.dumps(data).decode(), {"x": "/y"}, 10_000_000)
    assert not cut
    assert orjson.loads(unescape(re.sub(r"</?a[^>]*>", "", str(html)))) == data


@given(st.sampled_from(KINDS), st.text("abcXYZ019", min_size=1, max_size=30))
def test_an_id_tells_its_kind(kind: Any, rest: str) -> None:
    assert kind.name in explorer.kinds_of((kind.id_prefix or "") + rest) or kind.name == "balance"
