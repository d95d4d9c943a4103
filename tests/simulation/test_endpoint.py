"""The webhook endpoint at Stripe: one, as it should be, its secret with us; whatever was done to it, whatever broke."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from bridged import accounts
from bridged import app as root
from bridged.app import hooks
from bridged.connect import endpoint
from bridged.connect.plan import DESCRIPTION, MOST, OWNER
from bridged.connect.subscribed import SUBSCRIBED
from bridged.connect.webhooks import Ensured, Webhook
from bridged.core import clock
from bridged.core.errors import (
    DatabaseUnavailable,
    KeyInvalid,
    KeyRefused,
    RequestRefused,
    StripeBusy,
    UsageError,
)
from bridged.core.settings import Settings
from bridged.sim import server
from bridged.sim.store import Account, Obj
from bridged.stripe.client import PIN
from simulation.command import homed
from simulation.stage import Stage, account_of, build, staged

PUBLIC = "https://bridged.example"
HOUR = timedelta(hours=1)
HAND = "whsec_enteredByHandEnteredByHand"


@dataclass
class Hooked:
    """A connected account, and its endpoints at Stripe."""

    stage: Stage
    url: str

    @property
    def app(self) -> root.App:
        return self.stage.app

    @property
    def connection(self) -> accounts.Connection:
        assert self.stage.connection is not None
        return self.stage.connection

    @property
    def there(self) -> list[Obj]:
        return self.stage.account.all("webhook_endpoints")

    @property
    def only(self) -> Obj:
        (found,) = self.there
        return found

    async def ensure(self) -> Ensured:
        return await hooks.ensure_webhook(self.app, self.connection)

    async def rotate(self) -> Ensured:
        return await hooks.rotate_webhook(self.app, self.connection)

    async def state(self) -> Webhook:
        return await hooks.webhook_state(self.app, self.connection)

    async def secrets(self) -> dict[str, float | None]:
        """What deliveries may be signed with, as the door will know it."""
        async with self.app.database.transaction() as conn:
            target = await accounts.webhook_target(conn, self.app.vault, self.connection.id)
        assert target is not None
        return {secret.reveal(): expires for secret, expires in target.secrets}

    async def enter(self, pasted: str = HAND, keep: timedelta = 24 * HOUR) -> Webhook:
        return await hooks.enter_webhook_secret(self.app, self.connection, pasted, keep)

    def change(self, **fields: Any) -> None:
        self.stage.account.update("webhook_endpoints", self.only["id"], fields)

    def fill(self, count: int) -> None:
        for number in range(count):
            stranger(self.stage.account, f"https://other.example/{number}")

    def writes(self) -> int:
        return sum(count for (name, _), count in self.stage.sim.counts.items() if not name.startswith("GET "))

    async def assert_one(self) -> Obj:
        """Exactly one endpoint, as it should be, and we have its secret."""
        found = self.only
        assert found["url"] == self.url
        assert sorted(found["enabled_events"]) == sorted(SUBSCRIBED)
        assert (found["status"], found["api_version"]) == ("enabled", PIN)
        assert found["metadata"] == {OWNER: self.connection.id}
        assert found["_secret"] in await self.secrets()
        stands = await self.state()
        assert (stands.endpoint_id, stands.url, stands.problem) == (found["id"], self.url, None)
        return found


def stranger(account: Account, url: str, **fields: Any) -> Obj:
    """An endpoint that somebody else made."""
    made: Obj = {
        "id": account.next_id("we"),
        "object": "webhook_endpoint",
        "api_version": None,
        "application": None,
        "created": account.clock.now,
        "description": None,
        "enabled_events": ["*"],
        "livemode": account.livemode,
        "metadata": {},
        "status": "enabled",
        "url": url,
        "_connect": False,
        "_secret": HAND,
        **fields,
    }
    return account.create("webhook_endpoints", made)


@pytest.fixture
async def hooked(settings: Settings, seed: int) -> AsyncIterator[Hooked]:
    made = build(seed, 2, cast_members=False)
    async with staged(replace(settings, public_url=PUBLIC), made) as stage:
        connected = await stage.connect()
        yield Hooked(stage, f"{PUBLIC}/webhooks/stripe/{connected.connection.id}")


async def test_it_is_created_once_and_found_again(hooked: Hooked) -> None:
    assert (await hooked.state()).state == "none"
    hooked.fill(3)
    strangers = hooked.there
    made = await hooked.ensure()
    assert (made.created, made.why, made.ok) == (True, ("absent",), True)
    assert made.webhook.state == "waiting"
    assert len(hooked.there) == 4
    for each in strangers:
        hooked.stage.account.delete("webhook_endpoints", each["id"])
    found = await hooked.assert_one()
    assert found["description"] == DESCRIPTION == made.webhook.description
    assert set(await hooked.secrets()) == {found["_secret"]}
    assert "invoice.created" not in found["enabled_events"]
    before = hooked.writes()
    again = await hooked.ensure()
    assert (again.created, again.why, again.hint) == (False, (), "")
    assert hooked.writes() == before
    assert await hooked.assert_one() == found


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"status": "disabled"}, "disabled"),
        ({"enabled_events": ["*"]}, "events"),
        ({"enabled_events": [*SUBSCRIBED, "invoice.created"]}, "events"),
        ({"url": "https://old.example/webhooks"}, "url"),
    ],
)
async def test_what_was_changed_is_changed_back(hooked: Hooked, fields: dict[str, Any], why: str) -> None:
    made = await hooked.ensure()
    hooked.change(**fields)
    repaired = await hooked.ensure()
    assert (repaired.created, repaired.why) == (False, (why,))
    assert (await hooked.assert_one())["id"] == made.webhook.endpoint_id


async def test_another_public_address_moves_it(hooked: Hooked) -> None:
    await hooked.ensure()
    moved = replace(hooked.app, settings=replace(hooked.app.settings, public_url="https://new.example/sub"))
    found = await hooks.ensure_webhook(moved, hooked.connection)
    assert found.why == ("url",)
    hooked.url = f"https://new.example/sub/webhooks/stripe/{hooked.connection.id}"
    await hooked.assert_one()


@pytest.mark.parametrize("loss", ["version", "deleted", "secret"])
async def test_what_cannot_be_repaired_is_replaced(hooked: Hooked, loss: str) -> None:
    await hooked.ensure()
    old = hooked.only
    match loss:
        case "version":
            hooked.change(api_version="2024-06-20")
        case "deleted":
            hooked.stage.account.delete("webhook_endpoints", old["id"])
        case _:
            async with hooked.app.database.transaction(hooked.app.workspace_id) as conn:
                await accounts.drop_webhook_secrets(conn, hooked.connection)
    found = await hooked.ensure()
    assert found.created
    assert found.why == ({"version": "api_version", "deleted": "absent", "secret": "secret"}[loss],)
    new = await hooked.assert_one()
    assert new["id"] != old["id"]
    kept = await hooked.secrets()
    assert kept[new["_secret"]] is None
    if loss != "secret":
        assert kept[old["_secret"]] == pytest.approx(clock.unix() + 86400, abs=60)


async def test_several_of_ours_become_the_one_we_have_the_secret_of(hooked: Hooked) -> None:
    await hooked.ensure()
    ours = hooked.only
    for _ in range(3):
        stranger(hooked.stage.account, hooked.url, metadata={OWNER: hooked.connection.id})
    found = await hooked.ensure()
    assert (found.created, found.why) == (False, ("surplus",))
    assert (await hooked.assert_one())["id"] == ours["id"]


async def test_an_endpoint_of_another_connection_is_not_ours(hooked: Hooked) -> None:
    foreign = stranger(hooked.stage.account, "https://staging.example/x", metadata={OWNER: "another"})
    await hooked.ensure()
    await hooked.ensure()
    await hooks.remove_webhook(hooked.app, hooked.connection)
    assert hooked.only == foreign


async def test_at_the_limit(hooked: Hooked) -> None:
    hooked.fill(MOST)
    with pytest.raises(RequestRefused, match="16 webhook endpoints") as caught:
        await hooked.ensure()
    assert "Delete one" in caught.value.hint
    assert len(hooked.there) == MOST
    assert await hooked.secrets() == {}
    hooked.stage.account.delete("webhook_endpoints", hooked.there[0]["id"])
    assert (await hooked.ensure()).created
    rotated = await hooked.rotate()
    assert rotated.gap
    assert rotated.created
    assert len(hooked.there) == MOST
    assert [each["_secret"] in await hooked.secrets() for each in hooked.there].count(True) == 1


async def test_a_key_that_may_not_write_endpoints(hooked: Hooked) -> None:
    key = hooked.stage.key("rak_customer_read", "rak_webhook_read")
    await hooked.stage.connect(key)
    refused = await hooked.ensure()
    assert not refused.ok
    assert (refused.webhook.state, refused.webhook.managed) == ("refused", False)
    assert "rak_webhook_write" in (refused.webhook.problem or "")
    assert "bridged webhook secret" in refused.hint
    assert hooked.there == []
    waiting = await hooked.enter()
    assert (waiting.state, waiting.problem, waiting.url) == ("waiting", None, hooked.url)
    assert waiting.events == SUBSCRIBED
    served = await hooked.ensure()
    assert (served.ok, served.hint, served.webhook.state) == (True, "", "waiting")
    await hooked.stage.connect(hooked.stage.key("rak_customer_read", "rak_webhook_write"))
    assert (await hooked.ensure()).created
    await hooked.assert_one()


async def test_a_key_that_may_no_longer_leaves_what_works(hooked: Hooked) -> None:
    await hooked.ensure()
    await hooked.stage.connect(hooked.stage.key("rak_customer_read"))
    refused = await hooked.ensure()
    assert not refused.ok
    assert (refused.webhook.state, refused.webhook.endpoint_id) == ("waiting", hooked.only["id"])
    removed = await hooks.remove_webhook(hooked.app, hooked.connection)
    assert (removed.deleted, removed.left) == ((), (hooked.only["id"],))
    assert await hooked.secrets() == {}


async def test_an_endpoint_made_by_hand_is_reported_and_left_alone(hooked: Hooked) -> None:
    by_hand = stranger(hooked.stage.account, hooked.url)
    found = await hooked.ensure()
    assert (found.created, found.others) == (True, (by_hand["id"],))
    assert by_hand["id"] in found.hint
    assert by_hand in hooked.there


async def test_an_endpoint_made_by_hand_whose_secret_we_have_is_enough(hooked: Hooked) -> None:
    await hooked.enter()
    by_hand = stranger(hooked.stage.account, hooked.url)
    served = await hooked.ensure()
    assert (served.ok, served.created, served.hint) == (True, False, "")
    assert served.webhook.state == "waiting"
    assert hooked.only == by_hand
    with pytest.raises(UsageError, match="no webhook endpoint of ours"):
        await hooked.rotate()
    removed = await hooks.remove_webhook(hooked.app, hooked.connection)
    assert removed.left == (by_hand["id"],)


async def test_two_at_once_leave_one(hooked: Hooked) -> None:
    hooked.stage.rule("delay", path="/v1/webhook_endpoints", seconds=0.05)
    outcomes = await asyncio.gather(*(hooked.ensure() for _ in range(3)))
    assert sum(each.created for each in outcomes) == 1
    await hooked.assert_one()


@pytest.mark.parametrize("failure", [DatabaseUnavailable("x"), asyncio.CancelledError()])
async def test_what_cannot_be_stored_is_deleted_again(
    hooked: Hooked, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    async def fail(*_: Any, **__: Any) -> bool:
        raise failure

    with monkeypatch.context() as patched:
        patched.setattr(accounts, "add_webhook_secret", fail)
        with pytest.raises(type(failure)):
            await hooked.ensure()
    assert hooked.there == []
    assert (await hooked.state()).state == "none"
    await hooked.ensure()
    await hooked.assert_one()


async def test_a_crash_between_create_and_store_is_mended(hooked: Hooked) -> None:
    """A process that died deleted nothing: what it left is found by its metadata, without a secret."""
    stranger(hooked.stage.account, hooked.url, metadata={OWNER: hooked.connection.id})
    found = await hooked.ensure()
    assert found.why == ("secret",)
    await hooked.assert_one()


async def test_an_answer_that_never_came_makes_no_second_one(hooked: Hooked) -> None:
    hooked.stage.rule("reset", path="/v1/webhook_endpoints", method="POST", after=True, times=1)
    await hooked.ensure()
    await hooked.assert_one()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_stripe_failing_at_any_step_is_mended_by_the_next_try(hooked: Hooked, method: str, after: bool) -> None:
    """Each step of a replacement fails for good, done or not; an endpoint whose secret we have is there throughout."""
    await hooked.ensure()
    hooked.change(api_version="2024-06-20")
    hooked.stage.rule("status", path="/v1/webhook_endpoints", method=method, status=500, after=after)
    with contextlib.suppress(StripeBusy):
        await hooked.ensure()
    assert {each["_secret"] for each in hooked.there} & set(await hooked.secrets())
    hooked.stage.sim.faults.clear()
    await hooked.ensure()
    await hooked.assert_one()


async def test_a_rotation_overlaps(hooked: Hooked) -> None:
    await hooked.ensure()
    old = hooked.only
    rotated = await hooked.rotate()
    assert (rotated.created, rotated.why, rotated.gap) == (True, ("renewed",), False)
    new = await hooked.assert_one()
    assert new["id"] != old["id"]
    kept = await hooked.secrets()
    assert kept == {new["_secret"]: None, old["_secret"]: pytest.approx(clock.unix() + 86400, abs=60)}
    assert [each.expires_at is None for each in rotated.webhook.secrets] == [False, True]


async def test_secrets_entered_by_hand_overlap(hooked: Hooked) -> None:
    await hooked.enter()
    second = await hooked.enter("whsec_theSecondOne123456789", keep=2 * HOUR)
    assert [each.expires_at is None for each in second.secrets] == [False, True]
    assert (await hooked.secrets())[HAND] == pytest.approx(clock.unix() + 7200, abs=60)
    third = await hooked.enter("whsec_theThirdOne1234567890", keep=timedelta())
    assert len(third.secrets) == 1
    with pytest.raises(KeyRefused, match="secret API key"):
        await hooked.enter(hooked.stage.sim.key())


async def test_it_waits_for_the_first_event(hooked: Hooked) -> None:
    await hooked.ensure()
    assert (await hooked.state()).last_event_at is None
    now = clock.now()
    async with hooked.app.database.transaction(hooked.app.workspace_id) as conn:
        await conn.execute(
            "insert into bridged.deliveries (workspace_id, connection_id, received_at, verdict, bytes) "
            "values (%s, %s, %s, 'bad_signature', 1), (%s, %s, %s, 'accepted', 1)",
            (1, hooked.connection.id, now + HOUR, 1, hooked.connection.id, now),
        )
    stands = await hooked.state()
    assert (stands.state, stands.last_event_at) == ("enabled", now)
    await hooked.ensure()
    assert (await hooked.state()).state == "enabled"
    assert (await hooked.rotate()).webhook.state == "waiting"


async def test_removal_leaves_nothing(hooked: Hooked) -> None:
    hooked.fill(2)
    strangers = hooked.there
    await hooked.ensure()
    await hooked.rotate()
    removed = await hooks.remove_webhook(hooked.app, hooked.connection)
    assert (len(removed.deleted), removed.left, removed.problem) == (1, (), None)
    assert hooked.there == strangers
    assert await hooked.secrets() == {}
    assert (await hooked.state()).state == "none"
    assert (await hooks.remove_webhook(hooked.app, hooked.connection)).deleted == ()
    assert (await hooked.ensure()).created


async def test_removal_with_a_dead_key_forgets_and_says_what_is_left(hooked: Hooked) -> None:
    await hooked.ensure()
    for key in hooked.stage.sim.world.keys.values():
        key.expired = True
    with pytest.raises(KeyInvalid):
        await hooked.ensure()
    assert (await hooked.state()).problem
    removed = await hooks.remove_webhook(hooked.app, hooked.connection)
    assert removed.left == (hooked.only["id"],)
    assert removed.problem
    assert await hooked.secrets() == {}


async def test_removal_that_cannot_ask_forgets_nothing(hooked: Hooked) -> None:
    await hooked.ensure()
    hooked.stage.rule("status", path="/v1/webhook_endpoints", status=503)
    with pytest.raises(StripeBusy):
        await hooks.remove_webhook(hooked.app, hooked.connection)
    hooked.stage.sim.faults.clear()
    await hooked.assert_one()


@pytest.mark.parametrize("public", [None, "http://bridged.example", "https://localhost:8080", "https://10.0.0.7"])
async def test_an_address_stripe_cannot_deliver_to_costs_no_request(hooked: Hooked, public: str | None) -> None:
    before = hooked.stage.sim.counts.copy()
    app = replace(hooked.app, settings=replace(hooked.app.settings, public_url=public))
    with pytest.raises(UsageError) as caught:
        await hooks.ensure_webhook(app, hooked.connection)
    assert "bridged listen" in caught.value.hint
    assert hooked.stage.sim.counts == before


async def test_what_it_costs_is_counted(hooked: Hooked, owner: str) -> None:
    await hooked.ensure()
    await hooked.rotate()
    with psycopg.connect(owner) as conn:
        writes = conn.execute("select sum(writes) from bridged.reads").fetchone()
    assert writes == (3,)  # two created, one deleted


async def test_the_client_reads_every_page(hooked: Hooked) -> None:
    hooked.fill(130)
    key = hooked.stage.sim.key()
    gate = hooked.app.gate("a test", livemode=True, pace=1.0)
    async with hooked.app.client(root.Way(accounts.Secret(key)), gate) as client:
        assert len(await endpoint.listed(client)) == 130


async def test_the_command(seed: int) -> None:
    """All of it once by the real command; no secret is ever shown or logged."""
    made = build(seed, 2, cast_members=False)
    account = account_of(made)
    async with (
        server.running(made) as sim,
        homed(sim.url, kept=True, BRIDGED_LOG_LEVEL="debug", BRIDGED_PUBLIC_URL=PUBLIC) as home,
    ):
        plain = await home.run("connect", "--key-stdin", "--no-webhook", "--json", given=sim.key())
        assert plain.json["webhook"] is None
        assert account.all("webhook_endpoints") == []
        connected = await home.connect(sim.key())
        assert (connected.json["webhook"]["state"], connected.json["webhook"]["created"]) == ("waiting", True)
        (endpoint_,) = account.all("webhook_endpoints")
        words = await home.run("connect", "--key-stdin", given=sim.key())
        assert "waiting for the first event" in words.err
        shown = await home.run("webhook", "--json")
        assert shown.json["endpoint"] == endpoint_["id"]
        assert shown.json["url"] == endpoint_["url"]
        listed = await home.run("webhook", "show")
        assert set(SUBSCRIBED) <= set(listed.out.splitlines())
        assert f"Endpoint URL: {endpoint_['url']}" in listed.out
        account.update("webhook_endpoints", endpoint_["id"], {"status": "disabled"})
        ensured = await home.run("webhook", "ensure")
        assert (ensured.code, "Repaired: it was disabled." in ensured.err) == (0, True)
        rotated = await home.run("webhook", "rotate", "--json")
        assert rotated.json["repaired"] == ["renewed"]
        entered = await home.run("webhook", "secret", "--stdin", "--keep", "2", given=HAND)
        assert "3 accepted, 2 of them until" in entered.err
        wrong = await home.run("webhook", "secret", "--stdin", "--json", given=sim.key())
        assert (wrong.code, wrong.json["error"]["code"]) == (1, "key_refused")
        assert (await home.run("webhook", "secret", "--stdin", "--keep", "999", given=HAND)).code == 2
        removed = await home.run("webhook", "remove", "--json")
        assert (removed.code, removed.json["left"]) == (0, [])
        blind = sim.world.add_key(account, {"customer_read"}).text
        unhooked = await home.connect(blind)
        assert (unhooked.code, unhooked.json["webhook"]["state"]) == (0, "refused")
        refused = await home.run("webhook", "ensure")
        assert (refused.code, "rak_webhook_write" in refused.err) == (1, True)
        for each in (plain, connected, words, shown, listed, ensured, rotated, entered, wrong, removed, refused):
            assert "whsec_" not in (each.out + each.err).replace("(whsec_…)", "")


async def test_connecting_never_fails_for_the_webhook(seed: int) -> None:
    made = build(seed, 2, cast_members=False)
    async with (
        server.running(made) as sim,
        homed(sim.url, kept=True, BRIDGED_PUBLIC_URL="http://127.0.0.1:8080") as home,
    ):
        connected = await home.connect(sim.key())
        assert connected.code == 0
        assert connected.json["webhook"]["error"]["code"] == "usage"
        words = await home.run("connect", "--key-stdin", given=sim.key())
        assert (words.code, "bridged listen" in words.err) == (0, True)
        assert account_of(made).all("webhook_endpoints") == []


async def test_an_endpoint_that_went_down_is_noticed_once_events_are_missing(hooked: Hooked, owner: str) -> None:
    """It is asked about, for a read, when events were listed that no delivery brought, and until it is back."""
    app, now = hooked.app, clock.now()
    await hooks.ensure_webhook(app, hooked.connection)
    endpoint_id = hooked.there[0]["id"]
    hooked.stage.account.update("webhook_endpoints", endpoint_id, {"status": "disabled"})
    assert await hooks.look_at_doubtful_webhooks(app) == 0, "nothing is missing"

    async def doubt() -> str:
        with psycopg.connect(owner) as conn:
            conn.execute("update bridged.webhook_endpoints set checked_at = checked_at - interval '11 min'")
        assert await hooks.look_at_doubtful_webhooks(app) == 1
        assert await hooks.look_at_doubtful_webhooks(app) == 0, "not again at once"
        return (await hooks.webhook_state(app, hooked.connection)).state

    with psycopg.connect(owner) as conn:
        conn.execute(
            "insert into bridged.gaps (workspace_id, connection_id, first_event, last_event, missed, found_at) "
            "values (%s, %s, %s, %s, 3, %s)", (hooked.connection.workspace_id, hooked.connection.id, now, now, now),
        )  # fmt: skip
    assert await doubt() == "disabled"
    hooked.stage.account.update("webhook_endpoints", endpoint_id, {"status": "enabled"})
    assert await doubt() == "enabled"
