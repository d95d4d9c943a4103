"""Sessions in the browser: the cookie, and whether a request comes from a page of ours."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from bridged import app as root
from bridged.accounts.people import ABSOLUTE, Session
from bridged.app import people
from bridged.app.people import Visitor
from bridged.core.errors import CrossSite
from bridged.core.types import Secret
from bridged.web.edge import request_id

SECURE_COOKIE = "__Host-bridged"
"""By its prefix a browser takes it only over https, from this very host, for all of it."""
PLAIN_COOKIE = "bridged"
"""Where we are served over plain http: on the machine itself."""
_SAFE = {"GET", "HEAD", "OPTIONS"}


def secure(app: root.App, request: Request) -> bool:
    """Whether the browser came over https, to us or to a proxy before us."""
    return request.url.scheme == "https" or (app.settings.public_url or "").startswith("https://")


def keep(app: root.App, request: Request, response: Response, token: Secret) -> None:
    """Gives the browser its session."""
    safe = secure(app, request)
    response.set_cookie(
        SECURE_COOKIE if safe else PLAIN_COOKIE,
        token.reveal(),
        max_age=int(ABSOLUTE.total_seconds()),
        path="/",
        secure=safe,
        httponly=True,
        samesite="lax",
    )


def forget(app: root.App, request: Request, response: Response) -> None:
    """Takes it away."""
    safe = secure(app, request)
    response.delete_cookie(
        SECURE_COOKIE if safe else PLAIN_COOKIE, path="/", secure=safe, httponly=True, samesite="lax"
    )


async def session_of(app: root.App, request: Request) -> Session | None:
    """The session of a request's cookie; None if there is none that is open."""
    text = request.cookies.get(SECURE_COOKIE if secure(app, request) else PLAIN_COOKIE)
    return await people.session_of(app, Secret(text)) if text else None


def visitor_of(request: Request) -> Visitor:
    """Where a request comes from. Behind a proxy it is the server's settings that say whose word counts."""
    address = request.client.host if request.client else None
    return Visitor(address, request.headers.get("user-agent"), request_id(request.scope))


def check_same_site(request: Request) -> None:
    """A request that changes something is believed only from our own pages. Raises CrossSite.

    Browsers say where a request comes from (`Sec-Fetch-Site`, older ones `Origin`), and no page can make them lie.
    """
    if request.method in _SAFE:
        return
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    # "null" names nobody: so a browser writes where a policy keeps it from saying where it comes from.
    named = origin if origin != "null" else None
    ours = named is None or urlsplit(named).netloc == request.headers.get("host")
    if ours and (site == "same-origin" or (site is None and named is not None)):
        return
    raise CrossSite("This request does not come from a page of ours.", hint="Open the page itself and try again.")
