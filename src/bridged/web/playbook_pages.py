"""Playbooks in the dashboard: which there are, what each would do, and switching them."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from bridged import app as root
from bridged.app import playbooks
from bridged.web.visits import Page, Visit, go

PLACE = "/playbooks"


class PlaybookPages:
    """The pages. `show` renders a template for a visit."""

    def __init__(self, show: Callable[..., Response]) -> None:
        self._show = show

    def table(self) -> list[Page]:
        """Every page of these."""
        return [
            Page("GET", PLACE, "read", self._playbooks),
            Page("POST", PLACE + "/switch", "admin", self._switch, self._playbooks),
            Page("GET", PLACE + "/{connection}/{playbook}", "read", self._playbook),
        ]

    async def _playbooks(self, visit: Visit) -> Response:
        found = [
            (connection, await playbooks.playbooks(visit.app, connection))
            for connection in await root.connections(visit.app, None)
        ]
        return self._show(visit, "playbooks.html", found=found)

    async def _playbook(self, visit: Visit) -> Response:
        """One, with what it would have done lately when that is asked for: it may take a while."""
        given = visit.request.path_params
        connection = await root.find_connection(visit.app, given["connection"])
        detail = await playbooks.playbook(visit.app, connection, given["playbook"])
        wanted = visit.request.query_params.get("try", "")
        outlook = await playbooks.dry_run(visit.app, connection, [given["playbook"]], 30) if wanted else []
        previews = await playbooks.preview(visit.app, connection, given["playbook"], []) if wanted else []
        return self._show(
            visit,
            "playbook.html",
            connection=connection,
            detail=detail,
            outlook=outlook,
            previews=previews,
            cost=playbooks.dollars,
        )

    async def _switch(self, visit: Visit) -> Response:
        form = visit.form
        connection = await root.find_connection(visit.app, form.get("connection", ""))
        on = form.get("on") == "yes"
        await playbooks.switch(visit.app, connection, visit.actor, form.get("playbook", ""), on=on)
        return go(PLACE)
