"""Connect OAuth as Stripe speaks it: the page where an account says yes or no, the code, the grant and its end.

A code is good once and for five minutes; consumed a second time it takes the grant away with it.
"""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode

import orjson
from aiohttp import web

from bridged.sim.params import Obj
from bridged.sim.store import World

CODE_SECONDS = 300
_CONSENT = "account.application.deauthorized"


@dataclass
class Application:
    """A platform's registration. `extension`: may ask for `read_only`. `redirects`: addresses, compared whole."""

    client_id: str
    platform: str
    livemode: bool
    redirects: tuple[str, ...] = ()
    extension: bool = False


@dataclass
class Consent:
    """What whoever is sent to the page next will do: authorise `account`, or refuse with `error`."""

    account: str = ""
    error: str = ""


@dataclass
class _Code:
    client_id: str
    account: str
    scope: str
    expires: int
    used: bool = False


class OAuthError(Exception):
    """Told as Stripe tells it: the word at the top level, not inside an object."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.description, self.status = error, description, status


@dataclass
class OAuth:
    """`applications` by client id; `consents` are taken one for each visit; `exchanges` are the codes that came."""

    world: World
    applications: dict[str, Application] = field(default_factory=dict[str, Application])
    consents: deque[Consent] = field(default_factory=deque[Consent])
    exchanges: list[str] = field(default_factory=list[str])
    _codes: dict[str, _Code] = field(default_factory=dict[str, _Code])

    def register(self, application: Application) -> Application:
        self.applications[application.client_id] = application
        self.world.platforms.setdefault(application.platform, set())
        return application

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        route = f"{request.method} {request.rel_url.raw_path}"
        form = {name: values[0] for name, values in parse_qs(await request.text()).items()}
        key = request.headers.get("Authorization", "").partition(" ")[2] or form.get("client_secret", "")
        try:
            match route:
                case "GET /oauth/authorize":
                    to = self._authorize(dict(request.rel_url.query))
                    return web.Response(status=302, headers={"Location": to})
                case "POST /oauth/token":
                    return _json(self._token(form, key))
                case "POST /oauth/deauthorize":
                    return _json(self._deauthorize(form, key))
                case _:
                    return _json({"error": "invalid_request", "error_description": f"No such URL ({route})."}, 404)
        except OAuthError as refused:
            return _json({"error": refused.error, "error_description": refused.description}, refused.status)

    def _authorize(self, query: dict[str, str]) -> str:
        application = self.applications.get(query.get("client_id", ""))
        if application is None:
            raise OAuthError("invalid_request", "No application matches the supplied client identifier")
        if query.get("response_type") != "code":
            raise OAuthError("unsupported_response_type", "response_type must be code")
        redirect = query.get("redirect_uri") or next(iter(application.redirects), "")
        if redirect not in application.redirects:
            raise OAuthError("invalid_redirect_uri", "Invalid redirect URI: it is not among the registered ones")
        scope = query.get("scope", "read_only")
        if scope not in {"read_only", "read_write"}:
            raise OAuthError("invalid_scope", f"Invalid scope {scope!r}")
        if scope == "read_only" and not application.extension:
            raise OAuthError("invalid_scope", "read_only is only allowed for extensions")
        consent = self.consents.popleft() if self.consents else Consent(error="access_denied")
        state = {"state": query["state"]} if "state" in query else {}
        if consent.error:
            given = {"error": consent.error, "error_description": "The user denied your request"}
        else:
            code = f"ac_{secrets.token_hex(16)}"
            expires = self.world.clock.now + CODE_SECONDS
            self._codes[code] = _Code(application.client_id, consent.account, scope, expires)
            given = {"scope": scope, "code": code}
        return f"{redirect}{'&' if '?' in redirect else '?'}{urlencode(given | state)}"

    def _application(self, key: str) -> Application:
        owner = self.world.keys.get(key)
        if owner is None or owner.permissions is not None:
            raise OAuthError("invalid_client", "No such API key", 401)
        place = owner.account_id, owner.livemode
        found = next((each for each in self.applications.values() if (each.platform, each.livemode) == place), None)
        if found is None:
            raise OAuthError("invalid_client", "This API key is of no Connect platform", 401)
        return found

    def _token(self, form: dict[str, str], key: str) -> Obj:
        application = self._application(key)
        if form.get("grant_type") != "authorization_code":
            raise OAuthError("unsupported_grant_type", "grant_type must be authorization_code or refresh_token")
        text = form.get("code", "")
        self.exchanges.append(text)
        code = self._codes.get(text)
        if code is None or code.client_id != application.client_id:
            raise OAuthError("invalid_grant", "Authorization code does not exist: it is unknown or not yours")
        connected = self.world.platforms[application.platform]
        if code.used:
            connected.discard(code.account)
            raise OAuthError("invalid_grant", "This authorization code has already been used. All tokens were revoked.")
        code.used = True
        if self.world.clock.now >= code.expires:
            raise OAuthError("invalid_grant", "Authorization code expired")
        connected.add(code.account)
        return {
            "access_token": f"sk_{'live' if application.livemode else 'test'}_{secrets.token_hex(12)}",
            "livemode": application.livemode,
            "refresh_token": f"rt_{secrets.token_hex(12)}",
            "token_type": "bearer",
            "stripe_publishable_key": "pk_test_x",
            "stripe_user_id": code.account,
            "scope": code.scope,
        }

    def _deauthorize(self, form: dict[str, str], key: str) -> Obj:
        application = self._application(key)
        account = form.get("stripe_user_id", "")
        if form.get("client_id") != application.client_id:
            raise OAuthError("invalid_client", "No application matches the supplied client identifier", 401)
        if account not in self.world.platforms[application.platform]:
            raise OAuthError("invalid_client", f"This application is not connected to stripe account {account}.", 401)
        self.end(application, account)
        return {"stripe_user_id": account}

    def end(self, application: Application, account: str) -> None:
        """The grant ends, from whichever side. The event goes out while the platform is still told of the account."""
        home = self.world.accounts[account, application.livemode]
        home.emit(_CONSENT, {"id": application.client_id, "object": "application", "name": "Bridged"})
        self.world.platforms[application.platform].discard(account)


def _json(body: Obj, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")
