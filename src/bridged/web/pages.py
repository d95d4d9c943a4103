"""The pages people sign in to: one table of routes, each with what its caller must be; plain forms, no script.

A form that is refused is shown again with what is wrong. Whoever is not signed in is sent to the sign-in page, and
comes back afterwards to where they wanted to go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from bridged import accounts
from bridged import app as root
from bridged.accounts.audit import store as log
from bridged.accounts.people import ROLES, read_role, secrets
from bridged.app import checkup, people, tokens
from bridged.app.people import Opened
from bridged.core import clock
from bridged.core.errors import BodyTooLarge, BridgedError, ScopeMissing
from bridged.core.types import Secret
from bridged.web import rendering, sessions
from bridged.web.alert_pages import AlertPages
from bridged.web.approvals import Approvals
from bridged.web.arrangement import Arrangement
from bridged.web.connections import Connections
from bridged.web.conversations import Conversations
from bridged.web.counting import Counting
from bridged.web.customer_pages import CustomerPages
from bridged.web.customers import Customers
from bridged.web.edge import status_of
from bridged.web.explorer import Explorer
from bridged.web.figures import FigurePages
from bridged.web.integrations import Integrations
from bridged.web.live import Streams
from bridged.web.log_pages import LogPages
from bridged.web.playbook_editor import PlaybookEditor
from bridged.web.playbook_pages import PlaybookPages
from bridged.web.qualification import Qualification
from bridged.web.trial_pages import TrialPages
from bridged.web.visits import ANYONE, Page, Visit, go
from bridged.web.weight_pages import WeightPages
from bridged.web.whatsapp_pages import WhatsAppPages

_MOST_FORM = 16 * 1024
_AUDIT_PAGE = 100
SIGN_IN = "/sign-in"


class Pages:
    """The pages over an open installation."""

    def __init__(
        self, app: root.App, status: Callable[[root.App], Awaitable[Any]], counting: Counting | None = None
    ) -> None:
        """`status` gives what the template of the status page is given."""
        self._app = app
        self._status = status
        self._templates = rendering.environment()
        self._streams = Streams()
        self._counting = counting or Counting()

    def routes(self) -> list[Route]:
        """For Starlette, methods of one path together."""
        return [Route(each.path, self._endpoint(each), methods=[each.method]) for each in self.table()]

    def table(self) -> list[Page]:
        """Every page there is."""
        sign_in, link, account, members, keys = self._sign_in, self._link, self._account, self._people, self._tokens
        return [
            Page("GET", SIGN_IN, ANYONE, sign_in),
            Page("POST", SIGN_IN, ANYONE, self._do_sign_in, sign_in),
            Page("GET", people.LINK_PATH + "{token}", ANYONE, link),
            Page("POST", people.LINK_PATH + "{token}", ANYONE, self._use_link, link),
            Page("POST", "/theme", ANYONE, self._theme),
            Page("POST", "/sign-out", "read", self._sign_out),
            Page("GET", "/account", "read", account),
            Page("POST", "/account/password", "read", self._password, account),
            Page("POST", "/account/totp", "read", self._totp, account),
            Page("POST", "/account/sessions", "read", self._end_session, account),
            Page("POST", "/account/workspace", "read", self._switch, account),
            Page("GET", "/people", "read", members),
            Page("POST", "/people/invite", "admin", self._invite, members),
            Page("POST", "/people/role", "admin", self._role, members),
            Page("POST", "/people/remove", "admin", self._remove, members),
            Page("POST", "/people/reset", "admin", self._reset, members),
            Page("GET", "/tokens", "admin", keys),
            Page("POST", "/tokens", "admin", self._make_token, keys),
            Page("POST", "/tokens/revoke", "admin", self._revoke_token, keys),
            Page("GET", "/audit", "admin", self._audit),
            Page("GET", "/doctor", "admin", self._doctor),
            Page("POST", "/doctor", "admin", self._examined, self._doctor),
            *FigurePages(self._show, self._status).table(),
            *Integrations(self._show, self._counting).table(),
            *Connections(self._show, self._draw, self._streams, self._counting).table(),
            *Arrangement(self._show, self._draw, self._streams).table(),
            *LogPages(self._show, self._draw, self._streams).table(),
            *Approvals(self._show).table(),
            *AlertPages(self._show).table(),
            *Customers(self._show).table(),
            *CustomerPages(self._show).table(),
            *Explorer(self._show).table(),
            *WhatsAppPages(self._show, self._draw, self._streams).table(),
            *TrialPages(self._show).table(),
            *Conversations(self._show, self._draw, self._streams).table(),
            *WeightPages(self._show).table(),
            *Qualification(self._show).table(),
            *PlaybookPages(self._show, self._draw).table(),
            *PlaybookEditor(self._show, self._draw).table(),
        ]

    def _endpoint(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            session = await sessions.session_of(self._app, request)
            visit = Visit(self._app, request, sessions.visitor_of(request), session)
            if page.need != ANYONE:
                if session is None:
                    return _to_sign_in(request)
                within = replace(self._app, workspace_id=session.workspace_id)
                visit = replace(visit, app=within, places=tuple(await people.own_places(within, session)))
            try:
                sessions.check_same_site(request)
                if page.need != ANYONE and not visit.may(page.need):
                    raise ScopeMissing("Your role does not go so far.", hint="Ask an owner or admin of the workspace.")
                if page.method != "GET":
                    visit = replace(visit, form=await _form(request))
                return await page.handler(visit)
            except BridgedError as error:
                return await self._refused(page, visit, error)

        return answer

    async def _refused(self, page: Page, visit: Visit, error: BridgedError) -> Response:
        """The page again, with what is wrong; what happened is in the status too."""
        again = None if isinstance(error, ScopeMissing) else page.again
        visit.request.state.problem = error
        if again is None:
            response = self._show(visit, "problem.html", error=error)
        else:
            response = await again(visit)
        response.status_code = status_of(error)
        return response

    def _show(self, visit: Visit, template: str, **values: Any) -> HTMLResponse:
        given = {
            "session": visit.session,
            "places": visit.places,
            "admin": visit.may("admin"),
            "may": visit.may,
            "theme": rendering.theme_of(visit.request),
            "now": clock.now(),
            "problem": getattr(visit.request.state, "problem", None),
            "form": rendering.Given(visit.form),
            "path": visit.request.url.path,
        }
        return HTMLResponse(self._templates.get_template(template).render(**(given | values)))

    def _draw(self, template: str, **values: Any) -> str:
        """A part of a page, without its frame."""
        return self._templates.get_template(template).render(**values)

    def _signed_in(self, visit: Visit, opened: Opened, to: str) -> Response:
        response = go(to)
        sessions.keep(self._app, visit.request, response, opened.token)
        return response

    # Without a session

    async def _sign_in(self, visit: Visit) -> Response:
        wanted = visit.form.get("next") or visit.request.query_params.get("next", "")
        return self._show(visit, "sign_in.html", next=_own_path(wanted))

    async def _do_sign_in(self, visit: Visit) -> Response:
        form = visit.form
        opened = await people.sign_in(
            self._app, form.get("email", ""), Secret(form.get("password", "")), form.get("code", ""), visit.visitor
        )
        return self._signed_in(visit, opened, _own_path(form.get("next", "")))

    async def _link(self, visit: Visit) -> Response:
        return self._show(visit, "link.html", link=await people.link_of(self._app, _token_in(visit)))

    async def _use_link(self, visit: Visit) -> Response:
        token, form = _token_in(visit), visit.form
        if (await people.link_of(self._app, token)).purpose == "visit":
            return self._signed_in(visit, await people.visit(self._app, token, visit.visitor), "/")
        opened = await people.use_link(
            self._app,
            token,
            form.get("email", ""),
            Secret(form.get("password", "")),
            visit.visitor,
            form.get("code", ""),
        )
        return self._signed_in(visit, opened, "/")

    async def _theme(self, visit: Visit) -> Response:
        response = go(_own_path(visit.form.get("next", "")))
        chosen = visit.form.get("theme", "")
        rendering.keep_theme(response, chosen if chosen in rendering.THEMES else "system")
        return response

    # One's own account

    async def _sign_out(self, visit: Visit) -> Response:
        await people.sign_out(visit.app, visit.own, visit.visitor)
        response = go(SIGN_IN)
        sessions.forget(self._app, visit.request, response)
        return response

    async def _account(self, visit: Visit, offered: Secret | None = None) -> Response:
        session = visit.own
        has_totp = await people.has_totp(visit.app, session)
        given = visit.form.get("secret", "")
        secret = offered or (Secret(given) if given and not has_totp else secrets.new_totp())
        return self._show(
            visit,
            "account.html",
            sessions=await people.own_sessions(visit.app, session),
            totp=has_totp,
            secret=None if has_totp else secret.reveal(),
            uri=None if has_totp else secrets.totp_uri(secret, session.email),
        )

    async def _password(self, visit: Visit) -> Response:
        old, new = Secret(visit.form.get("old", "")), Secret(visit.form.get("new", ""))
        await people.change_password(visit.app, visit.own, old, new, visit.visitor)
        return go("/account")

    async def _totp(self, visit: Visit) -> Response:
        form = visit.form
        secret = Secret(form["secret"]) if form.get("secret") else None
        password = Secret(form.get("password", ""))
        await people.set_totp(visit.app, visit.own, password, secret, form.get("code", ""), visit.visitor)
        return go("/account")

    async def _end_session(self, visit: Visit) -> Response:
        await people.end_session(visit.app, visit.own, _uuid(visit.form.get("id", "")), visit.visitor)
        return go("/account")

    async def _switch(self, visit: Visit) -> Response:
        wanted = visit.form.get("workspace", "")
        number = int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 18 else 0
        return self._signed_in(visit, await people.switch(visit.app, visit.own, number, visit.visitor), "/")

    # The workspace

    async def _people(self, visit: Visit, made: Secret | None = None) -> Response:
        return self._show(
            visit,
            "people.html",
            people=await people.people(visit.app),
            roles=ROLES,
            link=None if made is None else people.link_url(visit.app, made, str(visit.request.base_url)).reveal(),
        )

    async def _invite(self, visit: Visit) -> Response:
        role = read_role(visit.form.get("role", ""))
        made = await people.invite(visit.app, visit.form.get("email", ""), role, visit.actor, visit.own.role)
        return await self._people(visit, made)

    async def _reset(self, visit: Visit) -> Response:
        made = await people.reset_link(visit.app, visit.form.get("email", ""), visit.actor, visit.own.role)
        return await self._people(visit, made)

    async def _role(self, visit: Visit) -> Response:
        role = read_role(visit.form.get("role", ""))
        await people.change_role(visit.app, visit.form.get("email", ""), role, visit.actor, visit.own.role)
        return go("/people")

    async def _remove(self, visit: Visit) -> Response:
        await people.remove(visit.app, visit.form.get("email", ""), visit.actor, visit.own.role)
        return go("/people")

    async def _tokens(self, visit: Visit, made: Secret | None = None) -> Response:
        return self._show(
            visit,
            "tokens.html",
            tokens=await tokens.all_of(visit.app),
            scopes=accounts.SCOPES,
            made=None if made is None else made.reveal(),
        )

    async def _make_token(self, visit: Visit) -> Response:
        days = visit.form.get("days", "")
        lasts = timedelta(days=int(days)) if days.isascii() and days.isdecimal() and 0 < int(days) <= 3660 else None
        name, scope = visit.form.get("name", "").strip(), visit.form.get("scope", "read")
        _, made = await tokens.create(visit.app, name, (scope,), lasts, visit.actor)
        return await self._tokens(visit, made)

    async def _revoke_token(self, visit: Visit) -> Response:
        await tokens.revoke(visit.app, visit.form.get("id", ""), visit.actor)
        return go("/tokens")

    async def _doctor(self, visit: Visit) -> Response:
        """An offer: looking takes seconds, and reads at Stripe."""
        return self._show(visit, "doctor.html", checkup=None)

    async def _examined(self, visit: Visit) -> Response:
        return self._show(visit, "doctor.html", checkup=await checkup.everything(visit.app))

    async def _audit(self, visit: Visit) -> Response:
        edge = visit.request.query_params.get("before", "")
        before = int(edge) if edge.isascii() and edge.isdecimal() and len(edge) < 18 else None
        async with visit.app.database.transaction(visit.app.workspace_id) as conn:
            entries = await log.entries(conn, visit.app.workspace_id, _AUDIT_PAGE, before=before)
        older = entries[-1].id if len(entries) == _AUDIT_PAGE else None
        return self._show(visit, "audit.html", entries=entries, older=older, before=before)


def _to_sign_in(request: Request) -> Response:
    """There and back, for a page that can be asked for again."""
    path = request.url.path
    query = f"?{urlencode({'next': path})}" if request.method == "GET" and path != "/" else ""
    return go(SIGN_IN + query)


def _own_path(given: str) -> str:
    """A path of ours, whatever was asked for: never another host."""
    return given if given.startswith("/") and not given.startswith(("//", "/\\")) and given.isprintable() else "/"


def _token_in(visit: Visit) -> Secret:
    return Secret(visit.request.path_params["token"])


def _uuid(given: str) -> str:
    """What cannot be an id of ours is nobody's."""
    shaped = len(given) == 36 and all(letter in "0123456789abcdef-" for letter in given)
    return given if shaped and given.count("-") == 4 else "00000000-0000-0000-0000-000000000000"


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form, each once. Raises BodyTooLarge."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_FORM:
            raise BodyTooLarge("The form is too long.", hint="Send less.")
    text = body.decode("utf-8", errors="replace").replace("\x00", "")
    return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=200)) if text else {}
