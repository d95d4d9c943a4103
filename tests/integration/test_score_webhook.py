"""Announcements of changed bands: rows first, then a real server, with retries and a signature that holds."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import psycopg
import pytest

from bridged import accounts
from bridged import app as root
from bridged.accounts import Connection
from bridged.accounts.audit import SYSTEM, Actor
from bridged.accounts.ciphertexts.store import PLACES
from bridged.app import keys, scoring
from bridged.channels import announcing
from bridged.channels.announcing import Delivered
from bridged.core import clock
from bridged.core.errors import NotFound, UsageError
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.mirror.store import Scope
from bridged.profiles.scoring import notice, refresh
from bridged.profiles.scoring.announcements import store
from ground import WORKSPACE, new_scope
from receiving import Receiver, receiving
from scored import stored_profiles
from unit.profiles import good, nobody

ME = Actor("cli", "somebody")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@dataclass
class Shop:
    """A connection with a dozen customers who were scored."""

    app: root.App
    scope: Scope
    connection: Connection

    @property
    def strict(self) -> Shop:
        """The same where nothing may be announced to the machine itself or a private network."""
        return replace(self, app=replace(self.app, settings=replace(self.app.settings, private_webhooks=False)))

    async def fall(self, *ids: str) -> refresh.Refreshed:
        """These customers lose everything and are scored anew."""
        await stored_profiles(self.app.database, self.scope, [nobody(each, livemode=False) for each in ids])
        return await scoring.refresh_customers(self.app, self.connection, ids)

    async def rise(self, *ids: str) -> refresh.Refreshed:
        await stored_profiles(self.app.database, self.scope, [good(each, livemode=False) for each in ids])
        return await scoring.refresh_customers(self.app, self.connection, ids)

    async def send(self) -> Delivered:
        return await scoring.announce(self.app, self.scope)

    async def sent(self) -> list[store.Sent]:
        return (await scoring.webhook(self.app, self.connection))[1]

    async def later(self, by: timedelta = timedelta(days=1)) -> None:
        """Time passes for what waits."""
        async with self.app.database.transaction(WORKSPACE) as conn:
            await conn.execute("update bridged.score_announcements set next_at = next_at - %s", (by,))


@pytest.fixture
async def shop(settings: Settings) -> AsyncIterator[Shop]:
    async with root.opened(replace(settings, private_webhooks=True)) as app:
        async with app.database.transaction(WORKSPACE) as conn:
            scope = await new_scope(conn)
            connection = await accounts.by_id(conn, WORKSPACE, scope.connection_id)
        assert connection is not None
        made = Shop(app, scope, connection)
        await stored_profiles(app.database, scope, [good(f"cus_{number}", livemode=False) for number in range(12)])
        await scoring.refresh_all(app, connection)
        yield made


def signed(secret: Secret, headers: dict[str, str], body: bytes) -> bool:
    """As the guide tells a receiver to check."""
    parts = dict(each.split("=", 1) for each in headers["Bridged-Signature"].split(","))
    expected = hmac.new(secret.reveal().encode(), f"{parts['t']}.".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts["v1"]) and abs(clock.unix() - int(parts["t"])) < 300


async def test_a_change_of_band_is_announced_once_and_signed(shop: Shop, receiver: Receiver) -> None:
    assert (await shop.fall("cus_0")).announced == 0, "nobody listens"
    _, secret = await scoring.set_webhook(shop.app, shop.connection, receiver.url, ME)
    assert secret is not None
    assert (await shop.rise("cus_0")).announced == 1
    assert receiver.got == [], "rows come first"
    assert await shop.send() == Delivered(1, 0)
    assert await shop.send() == Delivered(0, 0)
    (headers, body), document = receiver.got[0], receiver.bodies[0]
    assert signed(secret, headers, body)
    assert not signed(secret, headers, body + b" ")
    assert not signed(Secret("another"), headers, body)
    assert headers["Bridged-Announcement"] == document["id"]
    assert (document["type"], document["connection"]) == ("score.band_changed", shop.scope.connection_id)
    data = document["data"]
    assert (data["customer"], data["band_before"], data["cause"]) == ("cus_0", "risk", "facts")
    assert data["band"] != "risk"
    assert data["score"] > data["score_before"]
    assert len(data["reasons"]) == 3
    assert "ada@example.com" not in body.decode(), "no more of the customer than the id"
    assert [each.state for each in await shop.sent()] == ["delivered"]


async def test_no_announcement_without_a_change_of_band(shop: Shop, receiver: Receiver) -> None:
    await scoring.set_webhook(shop.app, shop.connection, receiver.url, ME)
    await stored_profiles(shop.app.database, shop.scope, [good("cus_new", livemode=False)])
    assert (await scoring.refresh_customers(shop.app, shop.connection, ["cus_new", "cus_1"])).announced == 0
    assert (await scoring.refresh_all(shop.app, shop.connection)).announced == 0
    assert await shop.send() == Delivered(0, 0)


async def test_what_missed_is_sent_again_with_the_same_body(shop: Shop, receiver: Receiver) -> None:
    _, secret = await scoring.set_webhook(shop.app, shop.connection, receiver.url, ME)
    assert secret is not None
    receiver.statuses = [500, 307, 429, 204]
    await shop.fall("cus_0")
    for attempt, problem in enumerate(("answered 500", "answered 307", "answered 429"), 1):
        assert await shop.send() == Delivered(0, 1)
        (found,) = await shop.sent()
        assert (found.state, found.attempts, found.problem) == ("pending", attempt, problem)
        assert found.next_at is not None
        wait = found.next_at - clock.now()
        assert timedelta(seconds=30 * 2 ** (attempt - 1) - 20) < wait <= timedelta(seconds=30 * 2 ** (attempt - 1))
        assert await shop.send() == Delivered(0, 0), "not before its time"
        await shop.later()
    assert await shop.send() == Delivered(1, 0)
    assert len({body for _, body in receiver.got}) == 1
    assert len(receiver.got) == 4, "a redirect is not followed"
    assert all(signed(secret, *each) for each in receiver.got)


async def test_it_is_given_up_in_the_end_or_when_the_receiver_says_so(shop: Shop, receiver: Receiver) -> None:
    await scoring.set_webhook(shop.app, shop.connection, receiver.url, ME)
    receiver.statuses = [503]
    await shop.fall("cus_0")
    for _ in range(notice.ATTEMPTS):
        await shop.send()
        await shop.later()
    assert await shop.send() == Delivered(0, 0)
    (found,) = await shop.sent()
    assert (found.state, found.attempts, found.status) == ("failed", notice.ATTEMPTS, 503)
    receiver.statuses = [410]
    await shop.fall("cus_1")
    await shop.send()
    assert [(each.state, each.attempts) for each in await shop.sent()] == [("failed", 1), ("failed", notice.ATTEMPTS)]


async def test_a_receiver_that_is_not_there(shop: Shop) -> None:
    await scoring.set_webhook(shop.app, shop.connection, "http://127.0.0.1:9/hook", ME)
    await shop.fall(*(f"cus_{number}" for number in range(12)))
    assert await shop.send() == Delivered(0, announcing.AT_ONCE), "a round ends where nothing arrives"
    assert {each.problem for each in await shop.sent()} == {None, "127.0.0.1: ClientConnectorError"}


async def test_two_workers_send_each_once(shop: Shop, receiver: Receiver) -> None:
    await scoring.set_webhook(shop.app, shop.connection, receiver.url, ME)
    await shop.fall(*(f"cus_{number}" for number in range(12)))
    assert [each.connection_id for each in await scoring.announcing(shop.app)] == [shop.scope.connection_id]
    done = await asyncio.gather(shop.send(), shop.send(), shop.send())
    assert sum(each.delivered for each in done) == 12
    assert len(receiver.got) == len({each["id"] for each in receiver.bodies}) == 12
    assert await scoring.announcing(shop.app) == []


async def test_a_sender_that_dies_is_followed_by_another(shop: Shop, receiver: Receiver) -> None:
    """The try is on disk before the request leaves; after the lease it is made again, under the same id."""
    await scoring.set_webhook(shop.app, shop.connection, receiver.url, ME)
    await shop.fall("cus_0")
    receiver.hold = asyncio.Event()
    dying = asyncio.create_task(shop.send())
    await asyncio.wait_for(receiver.knocked.wait(), 120)
    assert (await shop.sent())[0].attempts == 1
    dying.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await dying
    receiver.hold.set()
    assert await shop.send() == Delivered(0, 0), "another one may still be at it"
    await shop.later(store.LEASE)
    assert await shop.send() == Delivered(1, 0)
    assert len({each["id"] for each in receiver.bodies}) == 1


async def test_no_transaction_is_open_while_the_receiver_answers(shop: Shop, receiver: Receiver, owner: str) -> None:
    await scoring.set_webhook(shop.app, shop.connection, receiver.url, ME)
    await shop.fall("cus_0")
    receiver.hold = asyncio.Event()
    sending = asyncio.create_task(shop.send())
    await asyncio.wait_for(receiver.knocked.wait(), 120)
    async with await psycopg.AsyncConnection.connect(owner) as conn:
        cursor = await conn.execute(
            "select count(*) from pg_stat_activity where usename = 'bridged_app' and state like 'idle in%%'"
        )
        assert await cursor.fetchone() == (0,)
    receiver.hold.set()
    assert await sending == Delivered(1, 0)


async def test_the_secret_is_kept_encrypted_and_rotated_with_the_others(
    shop: Shop, receiver: Receiver, owner: str
) -> None:
    _, secret = await scoring.set_webhook(shop.app, shop.connection, receiver.url, ME)
    assert secret is not None
    moved, none = await scoring.set_webhook(shop.app, shop.connection, receiver.url + "/other", ME)
    assert (moved.fingerprint, none) == (secret.fingerprint(), None), "another address keeps the secret"
    async with await psycopg.AsyncConnection.connect(owner) as conn:
        row = await (
            await conn.execute("select ciphertext, score_webhooks::text from bridged.score_webhooks")
        ).fetchone()
    assert row is not None
    assert secret.reveal().encode() not in row[0]
    assert secret.reveal() not in row[1]
    assert "score_webhooks" in PLACES
    rotated = await keys.rotate(shop.app, SYSTEM)
    assert rotated.ciphertexts >= 1
    await shop.fall("cus_0")
    assert await shop.send() == Delivered(1, 0)
    assert signed(secret, *receiver.got[0])
    _, fresh = await scoring.set_webhook(shop.app, shop.connection, receiver.url, ME, new_secret=True)
    assert fresh is not None
    assert fresh != secret
    await shop.rise("cus_0")
    await shop.send()
    assert signed(fresh, *receiver.got[1])


async def test_without_a_webhook_what_waits_is_given_up(shop: Shop, receiver: Receiver) -> None:
    await scoring.set_webhook(shop.app, shop.connection, receiver.url, ME)
    await shop.fall("cus_0")
    await scoring.remove_webhook(shop.app, shop.connection, ME)
    assert await shop.send() == Delivered(0, 0)
    assert [each.problem for each in await shop.sent()] == ["the webhook was removed"]
    with pytest.raises(NotFound):
        await scoring.remove_webhook(shop.app, shop.connection, ME)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://10.0.0.1/hook", "10.0.0.1 is an address of a private network."),
        ("http://127.0.0.1:9/hook", "127.0.0.1 is this machine itself."),
    ],
)
async def test_private_addresses_need_the_operators_leave(shop: Shop, url: str, says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)):
        await scoring.set_webhook(shop.strict.app, shop.connection, url, ME)
    await scoring.set_webhook(shop.app, shop.connection, url, ME)
    await shop.fall("cus_0")
    assert await shop.strict.send() == Delivered(0, 1), "nor once the leave is taken back"
    assert (await shop.sent())[0].problem == says


@pytest.mark.parametrize("host", ["127.1", "0x7f.0.0.1", "localhost.localdomain"])
async def test_a_name_that_leads_to_this_machine_is_not_followed(shop: Shop, receiver: Receiver, host: str) -> None:
    """Judged when it is resolved to be connected to: what a name led to before says nothing."""
    url, now = f"https://{host}:{receiver.url.rpartition(':')[2]}", clock.now()
    async with shop.app.database.transaction(WORKSPACE) as conn:
        await store.set_webhook(conn, shop.app.vault, shop.scope, url, Secret("x"), now)
    await shop.fall("cus_0")
    assert await shop.strict.send() == Delivered(0, 1)
    assert receiver.got == []
    problem = (await shop.sent())[0].problem
    assert problem is not None
    assert re.fullmatch(rf"{re.escape(host)}: (ClientConnector(DNS)?Error|InvalidUrlClientError)", problem)
