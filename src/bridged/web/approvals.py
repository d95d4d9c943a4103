"""Changes at Stripe that wait for a person: what each would do, in words; approved or rejected here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from bridged import app as root
from bridged.accounts import Connection
from bridged.actions.store import Proposal
from bridged.app import writing
from bridged.core import clock
from bridged.web.visits import Page, Visit, go

PLACE = "/approvals"
_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Listed:
    """A proposal of one of the connections."""

    connection: Connection
    proposal: Proposal
    open: bool


class Approvals:
    """The pages. `show` renders a template for a visit."""

    def __init__(self, show: Callable[..., Response]) -> None:
        self._show = show

    def table(self) -> list[Page]:
        """Every page of these."""
        return [
            Page("GET", PLACE, "read", self._list),
            Page("POST", f"{PLACE}/execute", "write", self._execute, self._list),
            Page("POST", f"{PLACE}/reject", "write", self._reject, self._list),
            Page("POST", f"{PLACE}/switch", "admin", self._switch, self._list),
        ]

    async def _list(self, visit: Visit) -> Response:
        found: list[Listed] = []
        for connection in await root.connections(visit.app, None):
            for each in await writing.proposals(visit.app, connection, _SHOWN):
                waits = each.state in {"proposed", "approved", "unknown"} and (
                    each.sent_at is not None or each.expires_at > clock.now()
                )
                found.append(Listed(connection, each, waits))
        found.sort(key=lambda each: (not each.open, -each.proposal.created_at.timestamp()))
        return self._show(
            visit,
            "approvals.html",
            found=found[:_SHOWN],
            allowed=await writing.writes_allowed(visit.app),
            writer=visit.may("write"),
        )

    async def _execute(self, visit: Visit) -> Response:
        form = visit.form
        found = await root.find_connection(visit.app, form.get("connection", ""))
        confirmed = form.get("confirm") == "yes"
        await writing.carry_out(visit.app, found, visit.actor, form.get("id", ""), confirm=confirmed)
        return go(PLACE)

    async def _reject(self, visit: Visit) -> Response:
        found = await root.find_connection(visit.app, visit.form.get("connection", ""))
        await writing.reject(visit.app, found, visit.actor, visit.form.get("id", ""))
        return go(PLACE)

    async def _switch(self, visit: Visit) -> Response:
        await writing.allow_writes(visit.app, visit.actor, allowed=visit.form.get("allowed") == "yes")
        return go(PLACE)
