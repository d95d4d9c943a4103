"""Browsers at the pages of a served application, each with its own cookies."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import aiohttp
from yarl import URL

from bridged import app as root
from bridged.accounts.audit import SYSTEM
from bridged.accounts.people import Role
from bridged.app import people
from bridged.core.settings import Settings
from ground import WORKSPACE, new_scope
from served import Web, another_workspace, serving

PASSWORD = "several words in a row"


@dataclass
class Browser:
    """A browser with its own cookies, looking at our pages."""

    url: str
    session: aiohttp.ClientSession

    async def open(self, path: str) -> tuple[int, str, str]:
        """Status, text, and where it leads."""
        async with self.session.get(self.url + path, allow_redirects=False) as answer:
            return answer.status, await answer.text(), answer.headers.get("location", "")

    async def send(self, path: str, headers: dict[str, str] | None = None, **form: str) -> tuple[int, str, str]:
        given = {"Sec-Fetch-Site": "same-origin", "Origin": self.url} if headers is None else headers
        async with self.session.post(self.url + path, data=form, headers=given, allow_redirects=False) as answer:
            return answer.status, await answer.text(), answer.headers.get("location", "")

    def cookies(self) -> dict[str, str]:
        return {name: found.value for name, found in self.session.cookie_jar.filter_cookies(URL(self.url)).items()}

    async def sign_in(self, email: str, password: str = PASSWORD, code: str = "") -> int:
        return (await self.send("/sign-in", email=email, password=password, code=code))[0]


@dataclass
class House:
    """The application with an owner, Ana, and a connection; and a stranger's workspace with its owner, Eve."""

    web: Web
    connection: str
    stranger: int
    browsers: list[aiohttp.ClientSession]

    def browser(self) -> Browser:
        jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address and not of a name
        self.browsers.append(aiohttp.ClientSession(cookie_jar=jar))
        return Browser(self.web.url, self.browsers[-1])

    async def member(self, email: str, role: Role, workspace: int = WORKSPACE) -> Browser:
        """Somebody new, signed in."""
        app = replace(self.web.app, workspace_id=workspace)
        link = await people.make_link(app, "invitation", SYSTEM, email=email, role=role)
        browser = self.browser()
        assert (await browser.send(f"/link/{link.reveal()}", password=PASSWORD))[0] == 303
        return browser


@contextlib.asynccontextmanager
async def housed(
    settings: Settings, owner: str, name: str = "Acme", wire: root.Wire | None = None
) -> AsyncIterator[House]:
    """Served, with a connection of this name."""
    async with root.opened(settings, wire=wire) as app, serving(app) as web:
        async with app.database.transaction(WORKSPACE) as conn:
            scope = await new_scope(conn, name)
        stranger = await another_workspace(app, owner)
        found = House(web, scope.connection_id, stranger.workspace_id, [])
        try:
            yield found
        finally:
            for each in found.browsers:
                await each.close()
