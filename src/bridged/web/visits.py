"""A visit to a page, and what a page is: shared by all that make them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from bridged import accounts
from bridged import app as root
from bridged.accounts import audit
from bridged.accounts.people import Place, Session, scope_of
from bridged.app import people
from bridged.app.people import Visitor

ANYONE = "anyone"
"""The need of a page that nobody must be signed in for; the others name a scope of `accounts.SCOPES`."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page. `session` None: of somebody not signed in."""

    app: root.App
    request: Request
    visitor: Visitor
    session: Session | None = None
    form: Mapping[str, str] = field(default_factory=dict[str, str])
    places: tuple[Place, ...] = ()
    """The workspaces whose member the visitor is, this one among them."""

    @property
    def own(self) -> Session:
        """The session of a page that needs one."""
        assert self.session is not None
        return self.session

    @property
    def actor(self) -> audit.Actor:
        return people.actor_of(self.own, self.visitor)

    def may(self, scope: str) -> bool:
        if self.session is None:
            return False
        return accounts.SCOPES.index(scope_of(self.session.role)) >= accounts.SCOPES.index(scope)


Handler = Callable[[Visit], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Page:
    """A route. `again`: the page that shows a refused form once more."""

    method: str
    path: str
    need: str
    handler: Handler
    again: Handler | None = None


def go(to: str) -> Response:
    """To another page, by GET."""
    return RedirectResponse(to, status_code=303)
