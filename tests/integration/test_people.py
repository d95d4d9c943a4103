"""People at the pages, as browsers come: signing in, links, roles, sessions; and who gets nothing."""

import asyncio
import base64
import hashlib
import hmac
import re
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
import argon2
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from bridged import accounts
from bridged.accounts.audit import SYSTEM
from bridged.accounts.audit import store as audit
from bridged.accounts.people import ABSOLUTE, IDLE, ROLES, Failures, Role, check_grant, scope_of
from bridged.app import keys, people, tokens
from bridged.app.people import Visitor
from bridged.core import clock
from bridged.core.db import APP_ROLE
from bridged.core.errors import BridgedError, Forbidden, SignInRefused, TooManyRequests, UsageError
from bridged.core.settings import Settings
from bridged.core.types import Secret
from bridged.web.pages import ANYONE, Page, Pages
from browsing import PASSWORD, Browser, House, housed
from ground import WORKSPACE, Cluster
from served import Web, serving

ANA, BEN, EVE = "ana@example.com", "ben@example.com", "eve@example.org"
MARK = "only people of Acme see this"
HERE = Visitor("127.0.0.1", "a browser")


@pytest.fixture
async def house(settings: Settings, owner: str) -> AsyncIterator[House]:
    async with housed(settings, owner, MARK) as found:
        yield found


def code_of(secret: str, unix: float) -> str:
    """RFC 6238, written once more: a library's mistake must not agree with itself."""
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", int(unix) // 30), hashlib.sha1).digest()
    place = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[place : place + 4])[0] & 0x7FFFFFFF) % 10**6:06d}"


async def acts(web: Web, workspace: int = WORKSPACE) -> list[str]:
    async with web.app.database.transaction(workspace) as conn:
        return [each.act.action for each in await audit.entries(conn, workspace, 100)]


# Links, signing in, sessions


async def test_the_first_owner(house: House) -> None:
    app = house.web.app
    assert not await people.has_owner(app)
    link = f"/link/{(await people.make_link(app, 'owner', SYSTEM, role='owner')).reveal()}"
    browser = house.browser()
    assert "Your e-mail" in (await browser.open(link))[1]
    for wrong in ({"email": "no address", "password": PASSWORD}, {"email": ANA, "password": "short"}):
        status, text, _ = await browser.send(link, **wrong)
        assert status == 422
        assert 'role="alert"' in text
    assert await browser.send(link, email="Ana@Example.com", password=PASSWORD) == (303, "", "/")
    assert MARK in (await browser.open("/"))[1]
    assert await people.has_owner(app)
    assert (await house.browser().open(link))[0] == 404
    assert (await house.browser().send(link, email=EVE, password=PASSWORD))[0] == 404
    assert await acts(house.web) == ["session.started", "link.used", "link.made"]


async def test_the_first_owners_link_again(house: House) -> None:
    app = house.web.app
    first, second = [await people.owner_link(app, SYSTEM) for _ in range(2)]
    assert (await house.browser().open(f"/link/{first.reveal()}"))[0] == 404, "two web processes print one each"
    assert (await house.browser().send(f"/link/{second.reveal()}", email=ANA, password=PASSWORD))[0] == 303
    with pytest.raises(UsageError, match="has an owner"):
        await people.owner_link(app, SYSTEM)


async def test_a_link_works_once_even_for_two_at_once(house: House) -> None:
    link = await people.make_link(house.web.app, "owner", SYSTEM, role="owner")
    tries = [house.browser().send(f"/link/{link.reveal()}", email=each, password=PASSWORD) for each in (ANA, BEN, EVE)]
    statuses = sorted(status for status, _, _ in await asyncio.gather(*tries))
    assert statuses == [303, 404, 404]
    assert len(await people.people(house.web.app)) == 1


async def test_a_newer_link_ends_the_one_before(house: House) -> None:
    app = house.web.app
    first, second = [await people.make_link(app, "invitation", SYSTEM, email=BEN, role="viewer") for _ in range(2)]
    assert (await house.browser().open(f"/link/{first.reveal()}"))[0] == 404
    assert (await house.browser().open(f"/link/{second.reveal()}"))[0] == 200


async def test_whoever_makes_an_invitation_cannot_become_whom_it_is_for(house: House) -> None:
    """Ana has a password in one workspace; an admin of another invites her, and uses the link."""
    await house.member(ANA, "owner")
    other = replace(house.web.app, workspace_id=house.stranger)
    link = await people.make_link(other, "invitation", SYSTEM, email=ANA, role="viewer")
    eve = house.browser()
    assert (await eve.send(f"/link/{link.reveal()}", password="another password"))[0] == 401
    assert eve.cookies() == {}
    assert await house.browser().sign_in(ANA) == 303, "her password is as it was"
    assert (await house.browser().send(f"/link/{link.reveal()}", password=PASSWORD))[0] == 303
    ana = next(each for each in await people.people(other) if each.email == ANA)
    assert ana.role == "viewer"
    with pytest.raises(BridgedError, match="another workspace"):
        await people.reset_link(other, ANA, SYSTEM, "owner")


async def test_signing_in_and_out(house: House) -> None:
    await house.member(ANA, "owner")
    browser = house.browser()
    assert (await browser.open("/people")) == (303, "", "/sign-in?next=%2Fpeople")
    said = set()
    for email, password in ((ANA, "not the password"), ("nobody@example.com", PASSWORD), ("", ""), (ANA, "")):
        status, text, _ = await browser.send("/sign-in", email=email, password=password)
        assert status == 401
        said.add(re.findall(r'role="alert">(.*?)</p>', text)[0])
    assert len(said) == 1, "nothing is told apart"
    assert await browser.send("/sign-in", email=" ANA@example.com", password=PASSWORD, next="/people") == (
        303,
        "",
        "/people",
    )
    assert ANA in (await browser.open("/people"))[1]
    kept = browser.cookies()
    assert await browser.send("/sign-out") == (303, "", "/sign-in")
    assert browser.cookies() == {}
    browser.session.cookie_jar.update_cookies(kept, URL(browser.url))
    assert (await browser.open("/people"))[0] == 303, "the session itself has ended"
    assert "session.refused" in await acts(house.web)


@pytest.mark.parametrize(
    "wanted", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:1", "/a\nb"]
)
async def test_after_signing_in_one_stays_here(house: House, wanted: str) -> None:
    await house.member(ANA, "owner")
    assert (await house.browser().send("/sign-in", email=ANA, password=PASSWORD, next=wanted))[2] == "/"


async def test_every_session_is_new(house: House) -> None:
    """A cookie that somebody planted before is not the session afterwards."""
    await house.member(ANA, "owner")
    browser = house.browser()
    browser.session.cookie_jar.update_cookies({"bridged": "bss_planted"}, URL(browser.url))
    await browser.sign_in(ANA)
    first = browser.cookies()["bridged"]
    await browser.sign_in(ANA)
    assert len({"bss_planted", first, browser.cookies()["bridged"]}) == 3


async def test_cookies(house: House) -> None:
    await house.member(ANA, "owner")
    for public, name, secure in ((None, "bridged", False), ("https://bridged.example", "__Host-bridged", True)):
        app = replace(house.web.app, settings=replace(house.web.app.settings, public_url=public))
        await tokens.revoke(app, "everything", SYSTEM)  # the next server makes one of that name
        async with serving(app) as web, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            form = {"email": ANA, "password": PASSWORD}
            async with session.post(
                web.url + "/sign-in", data=form, headers={"Origin": web.url}, allow_redirects=False
            ) as answer:
                cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"{name}=bss_")
        assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
        assert ("Secure" in cookie.split("; ")) is secure
        assert "Domain" not in cookie


async def test_sessions_end(house: House, owner: str) -> None:
    browser = await house.member(ANA, "owner")
    other = house.browser()
    await other.sign_in(ANA)
    text = (await browser.open("/account"))[1]
    (theirs,) = re.findall(r'name="id" value="([0-9a-f-]+)"', text)
    assert (await browser.send("/account/sessions", id=theirs))[0] == 303
    assert (await other.open("/account"))[0] == 303
    assert (await browser.send("/account/sessions", id=theirs))[0] == 404
    for column, ago in (("seen_at", IDLE), ("ends_at", timedelta(seconds=1))):
        again = house.browser()
        await again.sign_in(ANA)
        assert (await again.open("/account"))[0] == 200
        async with await psycopg.AsyncConnection[Any].connect(owner) as conn:
            await conn.execute(f"update bridged.sessions set {column} = now() - %s::interval", (ago,))
        assert (await again.open("/account"))[0] == 303, column
    assert ABSOLUTE > IDLE


async def test_a_new_password_ends_all_other_sessions(house: House) -> None:
    browser, other = await house.member(ANA, "owner"), house.browser()
    await other.sign_in(ANA)
    new = "quite another few words"
    assert (await browser.send("/account/password", old="wrong", new=new))[0] == 401
    assert (await browser.send("/account/password", old=PASSWORD, new="short"))[0] == 422
    assert (await other.open("/account"))[0] == 200
    assert (await browser.send("/account/password", old=PASSWORD, new=new))[0] == 303
    assert (await other.open("/account"))[0] == 303
    assert (await browser.open("/account"))[0] == 200
    assert (await house.browser().sign_in(ANA), await house.browser().sign_in(ANA, new)) == (401, 303)


async def test_a_second_factor(house: House) -> None:
    browser = await house.member(ANA, "owner")
    secret = re.findall(r"<code>([A-Z2-7]{32})</code>", (await browser.open("/account"))[1])[0]
    assert (await browser.send("/account/totp", secret=secret, code="000000", password=PASSWORD))[0] == 422
    code = code_of(secret, clock.unix())
    assert (await browser.send("/account/totp", secret=secret, code=code, password="wrong"))[0] == 401
    assert (await browser.send("/account/totp", secret=secret, code=code, password=PASSWORD))[0] == 303
    assert secret not in (await browser.open("/account"))[1]
    assert await house.browser().sign_in(ANA) == 401
    assert await house.browser().sign_in(ANA, code=code) == 401, "the code was used to turn it on"
    rotated = await keys.rotate(house.web.app, SYSTEM)
    assert rotated.ciphertexts == 1, "the secret is encrypted anew like any other"
    later = code_of(secret, clock.unix() + 30)
    tries = await asyncio.gather(*(house.browser().sign_in(ANA, code=later) for _ in range(2)))
    assert tries.count(303) == 1, "a code works once"
    assert set(tries) <= {303, 401, 429}
    assert (await browser.send("/account/totp", password=PASSWORD))[0] == 303
    assert await house.browser().sign_in(ANA) == 303


async def test_guessing_is_slowed_across_processes(house: House) -> None:
    """For the account as for the address; an account that is not there too. The right password must wait as well."""
    await house.member(ANA, "owner")
    app = house.web.app
    for account in (ANA, "nobody@example.com"):
        place = Visitor(account)  # an address of its own
        for _ in range(6):
            with pytest.raises(SignInRefused):
                await people.sign_in(app, account, Secret("wrong"), "", place)
        with pytest.raises(TooManyRequests) as blocked:
            await people.sign_in(replace(app), account, Secret(PASSWORD), "", Visitor("elsewhere"))
        assert 0 < blocked.value.retry_after <= 10
    with pytest.raises(TooManyRequests):
        await people.sign_in(app, BEN, Secret(PASSWORD), "", Visitor(ANA))


async def test_many_guesses_at_once_are_no_more_than_one_after_the_other(house: House) -> None:
    await house.member(ANA, "owner")
    tries = [people.sign_in(house.web.app, ANA, Secret(f"wrong {n}"), "", Visitor(f"{n}")) for n in range(20)]
    begun = clock.now()
    found = [type(each) for each in await asyncio.gather(*tries, return_exceptions=True)]
    allowed, failed = 5, Failures(5, begun, begun)
    while failed.blocked_until <= clock.now():  # a machine that takes its time has sat out a wait or two
        allowed, failed = allowed + 1, failed.after(failed.blocked_until)
    assert 0 < found.count(SignInRefused) <= allowed
    assert found.count(SignInRefused) + found.count(TooManyRequests) == 20


@given(st.lists(st.integers(0, 30_000), min_size=1, max_size=40))
def test_waits_grow_and_are_forgotten(gaps: list[int]) -> None:
    now = clock.now()
    found = Failures(0, now, now)
    for gap in gaps:
        before, now = found, now + timedelta(seconds=gap)
        found = before.after(now)
        wait = (found.blocked_until - now).total_seconds()
        assert 0 <= wait <= 900
        assert (wait > 0) == (found.count > 5)
        assert found.count == (1 if gap > 6 * 3600 else before.count + 1)


# Roles


@given(st.sampled_from(ROLES), st.sampled_from([None, *ROLES]), st.sampled_from([None, *ROLES]))
def test_who_decides_about_whom(actor: Role, before: Role | None, after: Role | None) -> None:
    allowed = actor == "owner" or (actor == "admin" and "owner" not in {before, after})
    if allowed:
        check_grant(actor, before, after)
    else:
        with pytest.raises(Forbidden):
            check_grant(actor, before, after)
    check_grant(None, before, after)


async def test_members(house: House) -> None:
    ana, ben = await house.member(ANA, "owner"), await house.member(BEN, "admin")
    text = (await ben.send("/people/invite", email="cleo@example.com", role="viewer"))[1]
    link = re.findall(r'value="http://[^"]*(/link/[^"]+)"', text)[0]
    cleo = house.browser()
    assert (await cleo.send(link, password=PASSWORD))[0] == 303
    assert (await ben.send("/people/invite", email="x@example.com", role="owner"))[0] == 403
    assert (await ben.send("/people/remove", email=ANA))[0] == 403
    assert (await ben.send("/people/reset", email=ANA))[0] == 403
    assert (await ana.send("/people/role", email=ANA, role="admin"))[0] == 422, "the last owner"
    assert (await ana.send("/people/role", email=BEN, role="viewer"))[0] == 303
    assert (await ben.send("/people/invite", email="y@example.com", role="viewer"))[0] == 403, (
        "from the next request on"
    )
    assert (await ana.send("/people/remove", email=BEN))[0] == 303
    assert (await ben.open("/"))[0] == 303
    assert await house.browser().sign_in(BEN) == 401
    assert (await ana.send("/people/remove", email="nobody@example.com"))[0] == 404
    assert (await ana.send("/people/role", email="cleo@example.com", role="king"))[0] == 422
    assert {"member.changed", "member.removed", "link.made"} <= set(await acts(house.web))


async def test_two_owners_cannot_both_be_the_last_to_go(house: House) -> None:
    await house.member(ANA, "owner")
    await house.member(BEN, "owner")
    app = house.web.app
    gone = await asyncio.gather(
        *(people.remove(app, each, SYSTEM, "owner") for each in (ANA, BEN)), return_exceptions=True
    )
    assert [type(each) for each in gone].count(UsageError) == 1
    assert len(await people.people(app)) == 1


async def test_another_workspace_is_another_session(house: House) -> None:
    ana = await house.member(ANA, "owner")
    other = replace(house.web.app, workspace_id=house.stranger)
    link = await people.make_link(other, "invitation", SYSTEM, email=ANA, role="viewer")
    assert (await house.browser().send(f"/link/{link.reveal()}", password=PASSWORD))[0] == 303
    before = ana.cookies()
    assert (await ana.send("/account/workspace", workspace="999"))[0] == 404
    assert (await ana.send("/account/workspace", workspace=str(house.stranger)))[0] == 303
    assert ana.cookies() != before
    assert MARK not in (await ana.open("/"))[1]
    assert (await ana.open("/tokens"))[0] == 403, "a viewer there"


# Who gets nothing


def filled(page: Page) -> str:
    return page.path.replace("{token}", "brl_" + "x" * 43)


async def everywhere(house: House, browser: Browser) -> list[tuple[Page, int, str]]:
    """What each page answers; to forms, with fields that would do something."""
    form = {
        "email": ANA,
        "role": "viewer",
        "id": "everything",
        "name": "n",
        "scope": "read",
        "secret": "",
        "password": "",
    }
    table = Pages(house.web.app, lambda _: asyncio.sleep(0)).table()
    found = []
    for page in sorted(table, key=lambda page: page.method):  # those that change something last
        if page.path == "/sign-out":
            continue  # whoever may open any page may leave
        ask = browser.open(filled(page)) if page.method == "GET" else browser.send(filled(page), **form)
        status, text, to = await ask
        found.append((page, status, text + to))
    return found


def test_a_password_is_hashed_at_full_cost(real_hasher: argon2.PasswordHasher) -> None:
    found = argon2.extract_parameters(real_hasher.hash(PASSWORD))
    assert (found.type, found.memory_cost, found.time_cost) == (argon2.Type.ID, 65536, 3)


async def test_no_page_without_its_need(house: House, owner: str) -> None:
    """Anonymous, revoked, ended: to the sign-in page. Too small a role: 403. Another workspace's: nothing of ours."""
    await house.member(ANA, "owner")
    revoked, idle = await house.member("r@example.com", "owner"), await house.member("i@example.com", "owner")
    async with await psycopg.AsyncConnection[Any].connect(owner) as conn:
        for change, email in (("revoked_at = now()", "r@example.com"), ("seen_at = '2020-01-01'", "i@example.com")):
            await conn.execute(
                f"update bridged.sessions set {change} where user_id = "
                "(select id from bridged.users where email = %s)", (email,)
            )  # fmt: skip
    eve = await house.member(EVE, "owner", house.stranger)
    for who in (house.browser(), revoked, idle):
        for page, status, text in await everywhere(house, who):
            assert MARK not in text
            assert page.need == ANYONE or (status, text[:8]) == (303, "/sign-in"), page
    for role in ("viewer", "operator"):
        browser = await house.member(f"{role}@example.com", role)
        for page, status, _ in await everywhere(house, browser):
            if page.need != ANYONE:
                small = accounts.SCOPES.index(scope_of(role)) < accounts.SCOPES.index(page.need)
                assert (status == 403) is small, (page, role)
    for page, status, text in await everywhere(house, eve):
        assert MARK not in text, page
        assert ANA not in text or page.method == "POST", page
        assert page.method == "GET" or page.need == ANYONE or status in {303, 401, 404, 422, 200}, (page, status)
    assert {each.email: each.role for each in await people.people(house.web.app)}[ANA] == "owner"


async def test_a_session_at_the_api(house: House) -> None:
    viewer = await house.member("v@example.com", "viewer")
    eve = await house.member(EVE, "owner", house.stranger)
    place = f"{house.web.url}/api/v1/connections/{house.connection}"
    async with viewer.session.get(f"{place}/settings") as answer:
        assert answer.status == 200
    ours = {"Sec-Fetch-Site": "same-origin", "Origin": house.web.url}
    async with viewer.session.post(f"{place}/pause", headers=ours) as answer:
        assert answer.status == 403
    async with eve.session.get(f"{place}/settings") as answer:
        assert answer.status == 404
    async with house.browser().session.get(f"{place}/settings") as answer:
        assert answer.status == 401


FOREIGN = (
    {},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://other.example"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
)


@pytest.mark.parametrize("origin", ["own", "null", None])
async def test_what_browsers_send_from_our_own_pages(house: House, origin: str | None) -> None:
    """Chromium writes `Origin: null` into a form of a page whose policy gives no referrer, and says `same-origin`."""
    ana = await house.member(ANA, "owner")
    headers = {"Sec-Fetch-Site": "same-origin"}
    if origin is not None:
        headers["Origin"] = house.web.url if origin == "own" else origin
    assert (await ana.send("/people/invite", headers, email=BEN, role="viewer"))[0] == 200
    assert (await house.browser().send("/sign-in", headers, email=ANA, password=PASSWORD))[0] == 303
    assert (await house.browser().send("/sign-in", {"Origin": house.web.url}, email=ANA, password=PASSWORD))[0] == 303


@pytest.mark.parametrize("headers", FOREIGN)
async def test_nothing_is_changed_from_another_site(house: House, headers: dict[str, str]) -> None:
    ana = await house.member(ANA, "owner")
    assert (await ana.send("/people/invite", headers, email=BEN, role="viewer"))[0] == 403
    assert (await ana.send("/sign-out", headers))[0] == 403
    assert (await house.browser().send("/sign-in", headers, email=ANA, password=PASSWORD))[0] == 403
    place = f"{house.web.url}/api/v1/connections/{house.connection}/pause"
    async with ana.session.post(place, headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (403, "cross_site")
    assert (await ana.open("/people"))[0] == 200


async def test_of_people_the_application_lists_only_its_workspaces(house: House, cluster: Cluster) -> None:
    """A forgotten WHERE: raw SQL as the application, in no workspace, in one, in another."""
    await house.member(ANA, "owner")
    await house.member(EVE, "owner", house.stranger)
    assert house.web.app.settings.database_url is not None
    name = house.web.app.settings.database_url.reveal().rpartition("/")[2].partition("?")[0]
    async with await psycopg.AsyncConnection[Any].connect(cluster.app_url(name)) as conn:
        for workspace, emails in ((None, []), (WORKSPACE, [ANA]), (house.stranger, [EVE])):
            async with conn.transaction():
                if workspace is not None:
                    await conn.execute("select set_config('bridged.workspace_id', %s, true)", (str(workspace),))
                found = await (await conn.execute("select email from bridged.users order by email")).fetchall()
                assert [email for (email,) in found] == emails
                for table in ("memberships", "sessions", "links"):
                    rows = await (await conn.execute(f"select workspace_id from bridged.{table}")).fetchall()
                    assert {each for (each,) in rows} <= {workspace}
        for forbidden in (
            "select password_hash from bridged.users",
            "select totp from bridged.users",
            "update bridged.users set email = 'x'",
            "delete from bridged.users",
            "insert into bridged.users (email) values ('x')",
            f"set role {APP_ROLE}; insert into bridged.workspaces (name) values ('mine')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                async with conn.transaction():
                    await conn.execute(forbidden.encode())


async def test_what_is_secret_is_nowhere_in_the_database(house: House, owner: str) -> None:
    ana = await house.member(ANA, "owner")
    secret = re.findall(r"<code>([A-Z2-7]{32})</code>", (await ana.open("/account"))[1])[0]
    code = code_of(secret, clock.unix())
    assert (await ana.send("/account/totp", secret=secret, code=code, password=PASSWORD))[0] == 303
    link = await people.make_link(house.web.app, "invitation", SYSTEM, email=BEN, role="viewer")
    async with await psycopg.AsyncConnection[Any].connect(owner) as conn:
        dump = ""
        for table in ("users", "sessions", "links", "audit", "throttles", "memberships"):
            rows = await (await conn.execute(f"select t::text from bridged.{table} t")).fetchall()
            dump += "\n".join(row for (row,) in rows)
    assert ANA in dump
    for each in (PASSWORD, secret, ana.cookies()["bridged"], link.reveal()):
        assert each not in dump
        assert each.encode().hex() not in dump
