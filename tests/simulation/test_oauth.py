"""Connecting by OAuth against the simulator, in a browser: once, by whoever began it, and ended both ways."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import orjson
import pytest

from bridged import accounts
from bridged import app as root
from bridged.accounts import Connection
from bridged.accounts.audit import SYSTEM
from bridged.accounts.life import store as standings
from bridged.app import grants, hooks, life, oauth
from bridged.core.errors import NotFound, OAuthRefused, UsageError
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.sim import oauth as theirs
from bridged.sim import server, world
from bridged.sim.oauth import Application, Consent
from bridged.sim.server import Simulator
from bridged.worker import inbound
from browsing import Browser, House, housed
from ground import WORKSPACE
from postbox import signed
from simulation.stage import QUICK, account_of

ANA, BEN = "ana@example.com", "ben@example.com"
CLIENT = "ca_bridged"
PLATFORM = "acct_platform"
WHSEC = "whsec_of_the_platform"
BACK = "/integrations/stripe/oauth/callback"


@dataclass
class Scene:
    """A simulated Stripe with a platform and a merchant, our application, and Ana at its pages."""

    sim: Simulator
    house: House
    ana: Browser
    application: Application
    merchant: str

    @property
    def app(self) -> root.App:
        return self.house.web.app

    def consent(self, account: str = "", error: str = "") -> None:
        self.sim.oauth.consents.append(Consent(account or ("" if error else self.merchant), error))

    async def sent(self, browser: Browser | None = None, access: str = "read_only") -> str:
        """The link on our page that leads to Stripe."""
        browser = browser or self.ana
        status, text, _ = await browser.send("/integrations/stripe/oauth", mode="test", access=access)
        assert status == 200, text
        return unescape(re.findall(r'class="button" href="([^"]+)"', text)[0])

    async def at_stripe(self, link: str) -> str:
        """Where Stripe sends the browser back to: a path of ours."""
        async with aiohttp.ClientSession() as session, session.get(link, allow_redirects=False) as answer:
            assert answer.status == 302, await answer.text()
            back = answer.headers["Location"]
        assert back.startswith(self.house.web.url + BACK)
        return back.removeprefix(self.house.web.url)

    async def connected(self, access: str = "read_only") -> Connection:
        self.consent()
        status, text, _ = await self.ana.open(await self.at_stripe(await self.sent(access=access)))
        assert status == 200, text
        return await self.connection()

    async def connection(self) -> Connection:
        async with self.app.database.transaction(WORKSPACE) as conn:
            found = await accounts.connections(conn, WORKSPACE)
        return next(each for each in found if each.key_kind == "oauth")

    async def oauths(self) -> int:
        async with self.app.database.transaction(WORKSPACE) as conn:
            return sum(each.key_kind == "oauth" for each in await accounts.connections(conn, WORKSPACE))

    async def trouble(self, connection: Connection) -> str | None:
        async with self.app.database.transaction(WORKSPACE) as conn:
            found = (await standings.standing(conn, connection)).trouble
        return found and found.code


@pytest.fixture
async def scene(settings: Settings, owner: str) -> AsyncIterator[Scene]:
    made = world.build(7, 5, livemode=False)
    merchant = account_of(made)
    platform = made.account(PLATFORM, livemode=False)
    async with server.running(made) as sim:
        key = sim.key(PLATFORM)
        given = replace(
            settings,
            stripe_api_base=sim.url,
            stripe_connect_base=sim.url,
            stripe_client_id_test=CLIENT,
            stripe_platform_key_test=Secret(key),
            stripe_platform_webhook_secret_test=Secret(WHSEC),
        )
        async with housed(given, owner, wire=QUICK) as house:
            application = Application(CLIENT, platform.id, livemode=False, redirects=(house.web.url + BACK,))
            sim.oauth.register(application)
            yield Scene(sim, house, await house.member(ANA, "owner"), application, merchant.id)


async def test_from_the_page_to_a_mirror(scene: Scene) -> None:
    status, text, _ = await scene.ana.open("/integrations/stripe/connect")
    assert status == 200
    assert "another platform controls" in text, "Stripe's rule stands where it applies"
    assert "restricted key" in text
    link = await scene.sent()
    query = parse_qs(urlsplit(link).query)
    assert query["client_id"] == [CLIENT]
    assert query["scope"] == ["read_write"], "a platform that is no extension can ask for no less"
    scene.consent()
    status, text, _ = await scene.ana.open(await scene.at_stripe(link))
    assert status == 200
    assert "is connected" in text
    connection = await scene.connection()
    assert connection.account_id == scene.merchant
    assert (await life.standing(scene.app, connection)).access == "read_only", "whatever Stripe allows"
    report = await root.sync(scene.app, connection)
    assert report.complete
    state = await root.status(scene.app, connection)
    customers = next(each for each in state.kinds if each.kind.name == "customers")
    assert customers.objects == len(account_of(scene.sim.world).collections["customers"].objects) > 0
    assert scene.sim.key(PLATFORM) not in repr(scene.sim.log)


async def test_the_code_is_exchanged_once_whatever_the_browser_does(scene: Scene) -> None:
    """Loaded again, and eight times at once: Stripe would take the whole connection away at a second exchange."""
    scene.consent()
    back = await scene.at_stripe(await scene.sent())
    answers = await asyncio.gather(*(scene.ana.open(back) for _ in range(8)))
    assert sorted(status for status, _, _ in answers) == [200] + [422] * 7
    status, text, _ = await scene.ana.open(back)
    assert status == 422
    assert "has been used" in text
    assert "in the list there" in text
    assert len(scene.sim.oauth.exchanges) == 1
    assert scene.merchant in scene.sim.world.platforms[PLATFORM]
    assert await scene.oauths() == 1


async def test_a_state_is_good_for_the_session_it_was_given_to(scene: Scene) -> None:
    """Ben is made to follow a link with Ana's code, or with his own code and her state: nothing is connected."""
    ben = await scene.house.member(BEN, "owner")
    scene.consent()
    back = await scene.at_stripe(await scene.sent())
    status, text, _ = await ben.open(back)
    assert status == 422
    assert "not one that you were sent on" in text
    assert scene.sim.oauth.exchanges == []
    eve = await scene.house.member("eve@example.org", "owner", scene.house.stranger)
    assert (await eve.open(back))[0] == 422
    other = scene.house.browser()
    assert await other.sign_in(ANA) == 303
    assert (await other.open(back))[0] == 422, "Ana in another browser began nothing"
    assert (await scene.house.browser().open(back))[0] == 303, "nobody is sent to sign in"
    code = parse_qs(urlsplit(back).query)["code"][0]
    for forged in ({"code": code}, {"code": code, "state": "made-up"}, {"code": code, "state": ""}, {}):
        assert (await scene.ana.open(f"{BACK}?{urlencode(forged)}"))[0] == 422
    assert scene.sim.oauth.exchanges == []
    assert (await scene.ana.open(back))[0] == 200, "and it is still good where it belongs"


async def test_only_who_may_connect(scene: Scene) -> None:
    viewer = await scene.house.member(BEN, "viewer")
    assert (await viewer.open("/integrations/stripe"))[0] == 403
    assert (await viewer.send("/integrations/stripe/oauth", mode="test"))[0] == 403
    assert (await viewer.open(f"{BACK}?code=ac_1&state=x"))[0] == 403
    assert (await scene.ana.send("/integrations/stripe/oauth", {"Origin": "https://evil.example"}, mode="test"))[
        0
    ] == 403


async def test_an_old_state_and_an_old_code(scene: Scene) -> None:
    scene.consent()
    back = await scene.at_stripe(await scene.sent())
    scene.sim.world.clock.now += theirs.CODE_SECONDS
    status, text, _ = await scene.ana.open(back)
    assert status == 422
    assert "expired" in text
    assert "Start again" in text
    assert await scene.oauths() == 0
    scene.consent()
    back = await scene.at_stripe(await scene.sent())
    async with scene.app.database.transaction(WORKSPACE) as conn:
        await conn.execute("update bridged.oauth_states set expires_at = now() where used_at is null")
    status, text, _ = await scene.ana.open(back)
    assert status == 422
    assert "too old" in text
    assert len(scene.sim.oauth.exchanges) == 1


async def test_the_merchant_says_no(scene: Scene) -> None:
    scene.consent(error="access_denied")
    status, text, _ = await scene.ana.open(await scene.at_stripe(await scene.sent()))
    assert status == 422
    assert "declined at Stripe" in text
    assert await scene.oauths() == 0
    async with scene.app.database.transaction(WORKSPACE) as conn:
        rows = await (await conn.execute("select outcome, used_at from bridged.oauth_states")).fetchall()
    assert [row["outcome"] for row in rows] == ["access_denied"]


async def test_no_answer_is_not_asked_again(scene: Scene) -> None:
    scene.consent()
    back = await scene.at_stripe(await scene.sent())
    scene.sim.faults.add(path="/oauth/token", action="reset", after=True)
    status, text, _ = await scene.ana.open(back)
    assert status == 422
    assert "not known" in text
    assert len(scene.sim.oauth.exchanges) == 1
    scene.sim.faults.clear()
    assert (await scene.connected()).account_id == scene.merchant, "authorising once more does no harm"


async def test_an_account_that_cannot_be_looked_at_is_connected_all_the_same(scene: Scene) -> None:
    scene.consent()
    back = await scene.at_stripe(await scene.sent())
    scene.sim.faults.add(path="/v1/account", action="status", status=500)
    status, text, _ = await scene.ana.open(back)
    assert status == 200
    assert "Test the connection again" in text
    scene.sim.faults.clear()
    assert (await life.test(scene.app, await scene.connection(), SYSTEM)).matrix


async def test_a_new_and_empty_account_is_said(scene: Scene) -> None:
    """What Stripe leads to when another platform controls the account that was meant."""
    scene.sim.world.account("acct_brand_new", livemode=False)
    scene.consent("acct_brand_new")
    status, text, _ = await scene.ana.open(await scene.at_stripe(await scene.sent()))
    assert status == 200
    assert "is empty: acct_brand_new" in text
    assert "restricted API key" in text


async def test_one_connection_writes(scene: Scene) -> None:
    connection = await scene.connected("read_write")
    assert (await life.standing(scene.app, connection)).access == "read_write"
    other = replace(scene.app, workspace_id=scene.house.stranger)
    eve = await scene.house.member("eve@example.org", "owner", scene.house.stranger)
    scene.consent()
    status, text, _ = await eve.open(await scene.at_stripe(await scene.sent(eve, "read_write")))
    assert status == 200
    assert "already reads and writes" in text
    async with other.database.transaction(scene.house.stranger) as conn:
        theirs_now = next(
            each for each in await accounts.connections(conn, scene.house.stranger) if each.key_kind == "oauth"
        )
    assert (await life.standing(other, theirs_now)).access == "read_only"
    ended = await life.disconnect(other, theirs_now, SYSTEM, delete=False)
    assert "another connection" in ended.problem, "the grant is shared: it stays"
    assert scene.merchant in scene.sim.world.platforms[PLATFORM]


async def test_disconnected_here(scene: Scene) -> None:
    connection = await scene.connected()
    ended = await life.disconnect(scene.app, connection, SYSTEM, delete=False)
    assert ended.problem == ""
    assert scene.merchant not in scene.sim.world.platforms[PLATFORM]
    with pytest.raises(NotFound):
        await root.sync(scene.app, connection)
    assert (await scene.connected()).id == connection.id, "and taken up again"


async def test_disconnected_here_after_there(scene: Scene) -> None:
    connection = await scene.connected()
    scene.sim.oauth.end(scene.application, scene.merchant)
    assert "no such grant" in (await life.disconnect(scene.app, connection, SYSTEM, delete=False)).problem


async def test_stripe_away_while_disconnecting(scene: Scene) -> None:
    connection = await scene.connected()
    scene.sim.faults.add(path="/oauth/deauthorize", action="reset")
    with pytest.raises(OAuthRefused, match="not known"):
        await life.disconnect(scene.app, connection, SYSTEM, delete=False)
    assert (await life.standing(scene.app, connection)).disconnected_at is None


async def test_deauthorised_by_the_merchant(scene: Scene) -> None:
    """Told by the event at the platform's endpoint, believed when Stripe says so itself, and over when it is undone."""
    connection = await scene.connected()
    where = f"{scene.house.web.url}/webhooks/stripe/platform/test"
    platform = scene.sim.world.accounts[PLATFORM, False]
    platform.create(
        "webhook_endpoints",
        {
            "id": "we_platform", "object": "webhook_endpoint", "created": 1, "url": where, "enabled_events": ["*"],
            "status": "enabled", "api_version": "2026-10-28.endive", "_secret": WHSEC, "_connect": True,
        },
    )  # fmt: skip
    account = account_of(scene.sim.world)
    customer = next(iter(account.collections["customers"].objects))
    account.update("customers", customer, {"name": "Told through the platform"}, "customer.updated")
    await scene.sim.courier.drain()
    assert await inbound.apply_events(scene.app, connection)
    async with scene.app.database.transaction(WORKSPACE) as conn:
        row = await (
            await conn.execute("select name from stripe.customers where connection_id = %s", (connection.id,))
        ).fetchone()
    assert row is not None
    assert row["name"] == "Told through the platform"
    scene.sim.oauth.end(scene.application, scene.merchant)
    await scene.sim.courier.drain()
    await inbound._apply_one(scene.app, connection)  # pyright: ignore[reportPrivateUsage]
    assert await scene.trouble(connection) == "permission_missing"
    assert not (await root.sync(scene.app, connection)).complete
    again = await scene.connected()
    assert again.id == connection.id
    assert await scene.trouble(again) is None


async def test_the_platforms_endpoint(scene: Scene) -> None:
    """Signed by its own secret, of its mode, for accounts that are here; of others it is let go with a 2xx."""
    await scene.connected()
    web, body = scene.house.web, orjson.dumps(
        {
            "id": "evt_p1", "object": "event", "type": "customer.updated", "created": 1_780_000_000, "livemode": False,
            "account": scene.merchant, "api_version": "2026-10-28.endive",
            "data": {"object": {"id": "cus_1", "object": "customer"}},
        }
    )  # fmt: skip

    async def post(body: bytes, secret: str = WHSEC, mode: str = "test") -> int:
        headers = {"Stripe-Signature": signed(body, secret).decode()}
        path = f"{web.url}/webhooks/stripe/platform/{mode}"
        async with web.session.post(path, data=body, headers=headers) as answer:
            return answer.status

    assert await post(body) == 200
    assert await post(body, "whsec_other") == 400
    assert await post(body, mode="live") == 400, "no secret there"
    assert await post(body.replace(b'"livemode":false', b'"livemode":true')) == 400
    assert await post(body.replace(b"evt_p1", b"evt_p2").replace(scene.merchant.encode(), b"acct_stranger")) == 200
    async with scene.app.database.transaction(WORKSPACE) as conn:
        rows = await (await conn.execute("select id from bridged.events where id like 'evt_p%'")).fetchall()
    assert [row["id"] for row in rows] == ["evt_p1"]


async def test_what_is_not_set_is_named(scene: Scene) -> None:
    bare = replace(scene.app, settings=replace(scene.app.settings, stripe_platform_key_test=None))
    with pytest.raises(UsageError, match="BRIDGED_STRIPE_PLATFORM_KEY_TEST"):
        grants.platform_of(bare, livemode=False)
    connection = await scene.connected()
    with pytest.raises(UsageError, match="whose key is not set"):
        await root.sync(bare, connection)
    with pytest.raises(UsageError, match="endpoint of the platform"):
        await hooks.ensure_webhook(scene.app, connection)
    status, text, _ = await scene.ana.send("/integrations/stripe/oauth", mode="live")
    assert status == 422
    assert "BRIDGED_STRIPE_CLIENT_ID_LIVE" in text
    assert oauth.redirect_of(scene.app, "http://127.0.0.1:1/") == f"http://127.0.0.1:1{BACK}"


async def test_a_key_pasted_at_the_page(scene: Scene) -> None:
    key = scene.sim.key(scene.merchant)
    status, _, to = await scene.ana.send("/integrations/stripe/key", key=key, name="By key")
    assert status == 303
    status, text, _ = await scene.ana.open(to)
    assert status == 200
    assert "By key is connected" in text
    assert key not in text
    status, text, _ = await scene.ana.send("/integrations/stripe/key", key="pk_test_123456789")
    assert status == 422
    assert "publishable" in text
