"""Alerts in the dashboard: what is wrong and what to do, what is over; where alerts are told, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from bridged.accounts.alerts import KINDS, MEDIA, Alert, Delivery, Destination, Kind
from bridged.accounts.alerts.grouping import title
from bridged.app import alerts
from bridged.app.alerts import Board, Given
from bridged.core.types import Secret
from bridged.web.visits import Page, Visit, go

PLACE = "/alerts"
_TOLD = f"{PLACE}/destinations"
_PAST = 50
_TABS = ((PLACE, "What is wrong"), (_TOLD, "Who is told"))
_NAMED = {each.name: each.title for each in KINDS}


@dataclass(frozen=True, slots=True)
class Group:
    """Open alerts of one kind and cause. `links`: each alert with where to go, empty where the visitor may not."""

    title: str
    kind: Kind
    severity: str
    links: tuple[tuple[Alert, str], ...]


class AlertPages:
    """The pages. `show` renders a template for a visit."""

    def __init__(self, show: Callable[..., Response]) -> None:
        self._show = show

    def table(self) -> list[Page]:
        """Every page of these."""
        told = self._destinations
        return [
            Page("GET", PLACE, "read", self._alerts),
            Page("GET", _TOLD, "read", told),
            Page("POST", _TOLD, "admin", self._add, told),
            Page("POST", f"{_TOLD}/test", "admin", self._test, told),
            Page("POST", f"{_TOLD}/pause", "admin", self._pause, told),
            Page("POST", f"{_TOLD}/remove", "admin", self._remove, told),
        ]

    async def _alerts(self, visit: Visit) -> Response:
        given = visit.request.query_params.get("before", "")
        before = int(given) if given.isascii() and given.isdecimal() and len(given) < 18 else None
        board = await alerts.board(visit.app)
        past = await alerts.past(visit.app, _PAST + 1, before)
        return self._show(
            visit,
            "alerts.html",
            tabs=_TABS,
            groups=_groups(board.open, admin=visit.may("admin")),
            board=board,
            listening=[each for each in board.destinations if not each.paused],
            past=past[:_PAST],
            first=PLACE if before is not None else "",
            older=f"{PLACE}?before={past[_PAST - 1].number}" if len(past) > _PAST else "",
        )

    async def _destinations(
        self, visit: Visit, made: tuple[Destination, Secret | None] | None = None, sent: Delivery | None = None
    ) -> Response:
        board: Board = await alerts.board(visit.app)
        added, secret = made or (None, None)
        return self._show(
            visit,
            "alert_destinations.html",
            tabs=_TABS,
            board=board,
            kinds=KINDS,
            named=_NAMED,
            media=MEDIA,
            mail=visit.app.settings.smtp_url is not None,
            added=added,
            secret=None if secret is None else secret.reveal(),
            sent=sent,
        )

    async def _add(self, visit: Visit) -> Response:
        form = visit.form
        kinds = tuple(each.name for each in KINDS if form.get(f"kind.{each.name}") == "on")
        wanted = () if len(kinds) == len(KINDS) else kinds
        given = Given(
            form.get("kind", ""), form.get("address", ""), form.get("name", ""), form.get("severity", "warn"), wanted
        )
        return await self._destinations(visit, await alerts.add(visit.app, given, visit.actor))

    async def _test(self, visit: Visit) -> Response:
        return await self._destinations(visit, sent=await alerts.test(visit.app, visit.form.get("id", "")))

    async def _pause(self, visit: Visit) -> Response:
        paused = visit.form.get("paused") == "yes"
        await alerts.pause(visit.app, visit.form.get("id", ""), visit.actor, paused=paused)
        return go(_TOLD)

    async def _remove(self, visit: Visit) -> Response:
        await alerts.remove(visit.app, visit.form.get("id", ""), visit.actor)
        return go(_TOLD)


def _groups(found: Sequence[Alert], *, admin: bool) -> tuple[Group, ...]:
    by: dict[tuple[str, str], list[Alert]] = {}
    for each in found:
        by.setdefault((each.kind, each.cause), []).append(each)
    kinds = {each.name: each for each in KINDS}
    return tuple(
        Group(
            title("opened", same),
            kinds[kind],
            "error" if any(each.severity == "error" for each in same) else "warn",
            tuple((each, _link(each, admin=admin)) for each in same),
        )
        for (kind, _), same in by.items()
    )


def _link(alert: Alert, *, admin: bool) -> str:
    """Where something can be done; for whoever may not, the connection, which everybody may see."""
    if admin or alert.place.partition("?")[0].endswith(("/runs", "/events")):
        return alert.place
    return "" if alert.connection_id is None else f"/connections/{alert.connection_id}"
