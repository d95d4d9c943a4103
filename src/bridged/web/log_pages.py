"""The log of webhooks as pages: what arrived, what was refused and why, what an event changed, and replaying it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import cast, get_args

import orjson
from starlette.responses import Response

from bridged.accounts import Connection
from bridged.app import stories
from bridged.core import clock
from bridged.core.errors import UsageError
from bridged.messages.log import store as log
from bridged.messages.log.store import Sought, State, Wanted
from bridged.messages.replay import store as replays
from bridged.messages.replay.store import Replay
from bridged.mirror.kinds import BY_NAME
from bridged.sync.second_look import accept_refused
from bridged.web.connections import PLACE, connection_of, tabs_of
from bridged.web.live import Part, Streams
from bridged.web.rendering import query
from bridged.web.visits import Page, Visit, go

_ONE = PLACE + "/{connection}"
_SHOWN = 50
_LATELY = timedelta(days=1)
_COUNTED = 10_000
"""Events of a day that a page counts; beyond it says "at least"."""
_STATES = get_args(State)
VERDICTS = ("all", "accepted", "duplicate", "refused")
CAUSES: Mapping[str, str] = {
    "no_header": "The request had no signature: it is not from Stripe, or a proxy removed the header Stripe-Signature.",
    "bad_signature": "It was signed with another secret. Enter the secret of the endpoint that sent it.",
    "no_secret": "No signing secret was entered yet. Enter it, then accept what it proves.",
    "stale": "The signature was more than five minutes old when it arrived: a proxy held it back, or a clock is wrong.",
    "future": "The signature is from the future: the clock of this machine is behind.",
    "wrong_mode": "The event is of the other mode than the connection: live and test have endpoints of their own.",
    "wrong_account": "The event is of another Stripe account than the connection.",
    "too_large": "The body was longer than any event of Stripe's.",
    "not_json": "The body was signed rightly and is not JSON.",
    "not_an_event": "The body was signed rightly and is not an event.",
    "no_grant": "The event is of an account that gave this platform no access.",
}


class LogPages:
    """The pages. `show` renders a template for a visit, `draw` one without its frame, as text."""

    def __init__(self, show: Callable[..., Response], draw: Callable[..., str], streams: Streams) -> None:
        self._show = show
        self._draw = draw
        self._streams = streams

    def table(self) -> list[Page]:
        """Every page of these."""
        return [
            Page("GET", f"{_ONE}/events", "read", self._events),
            Page("GET", f"{_ONE}/events/{{event}}", "read", self._event),
            Page("GET", f"{_ONE}/deliveries", "read", self._deliveries),
            Page("POST", f"{_ONE}/deliveries/accept", "sync", self._accept, self._deliveries),
            Page("POST", f"{_ONE}/replays", "sync", self._begin, self._events),
            Page("GET", f"{_ONE}/replays/{{replay}}", "read", self._replay),
            Page("GET", f"{_ONE}/replays/{{replay}}/live/part", "read", self._part),
            Page("GET", f"{_ONE}/replays/{{replay}}/live/stream", "read", self._stream),
            Page("POST", f"{_ONE}/replays/{{replay}}/cancel", "sync", self._cancel, self._replay),
        ]

    async def _events(self, visit: Visit) -> Response:
        connection, given = await connection_of(visit), _asked(visit)
        wanted, wrong = _wanted(given)
        async with visit.app.database.transaction(visit.app.workspace_id) as conn:
            found, more = await log.events(conn, connection.id, wanted)
            summary = await log.summary(conn, connection.id, clock.now() - _LATELY, _COUNTED)
            matching = 0 if not found else await replays.matching(conn, connection.id, wanted)
            asked, _ = await replays.replays(conn, connection.id, 5)
        filters = {name: given.get(name, "") for name in ("type", "object", "customer", "state", "since", "until")}
        return self._show(
            visit,
            "events.html",
            connection=connection,
            tabs=tabs_of(connection),
            events=found,
            summary=summary,
            counted=_COUNTED,
            matching=matching,
            most=replays.MOST,
            replays=asked,
            filters=filters,
            wrong=wrong,
            states=_STATES,
            first=f"{PLACE}/{connection.id}/events{query(**filters)}" if given.get("after") else "",
            older=query(**filters, after=found[-1].id) if more else "",
        )

    async def _event(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        found = await stories.story(visit.app, connection, visit.request.path_params["event"])
        return self._show(
            visit,
            "event.html",
            connection=connection,
            tabs=tabs_of(connection),
            found=found,
            story=found.story,
            payload=_pretty(found.story.payload),
            causes=CAUSES,
            titles={name: kind.title for name, kind in BY_NAME.items()},
        )

    async def _deliveries(self, visit: Visit) -> Response:
        connection, given = await connection_of(visit), visit.request.query_params
        verdict = given.get("verdict", "all")
        if verdict not in VERDICTS and verdict not in CAUSES:
            verdict = "all"
        sought = Sought(verdict, limit=_SHOWN, after=given.get("after") or None)
        async with visit.app.database.transaction(visit.app.workspace_id) as conn:
            found, more = await log.deliveries(conn, connection.id, sought)
            summary = await log.summary(conn, connection.id, clock.now() - _LATELY, _COUNTED)
        return self._show(
            visit,
            "deliveries.html",
            connection=connection,
            tabs=tabs_of(connection),
            deliveries=found,
            summary=summary,
            counted=_COUNTED,
            verdict=verdict,
            verdicts=VERDICTS,
            causes=CAUSES,
            accepted=given.get("accepted", ""),
            looked=given.get("looked", ""),
            first=f"{PLACE}/{connection.id}/deliveries{query(verdict=verdict)}" if sought.after else "",
            older=query(verdict=verdict, after=found[-1].key) if more else "",
        )

    async def _accept(self, visit: Visit) -> Response:
        connection = await connection_of(visit)
        look = await accept_refused(visit.app.database, visit.app.vault, connection, clock.now())
        told = query(verdict="refused", accepted=look.accepted, looked=look.looked)
        return go(f"{PLACE}/{connection.id}/deliveries{told}")

    # Replays

    async def _begin(self, visit: Visit) -> Response:
        """One event, those that were ticked, or all that the filter finds."""
        connection, form = await connection_of(visit), visit.form
        ticked = [name.removeprefix("event.") for name, value in form.items() if name.startswith("event.") and value]
        chosen: Wanted | list[str] = ticked
        if form.get("which") == "all":
            chosen, wrong = _wanted(form)
            if wrong:
                raise UsageError(wrong, hint="Write a moment as 2026-01-31 or 2026-01-31 14:00, in UTC.")
        elif not ticked:
            raise UsageError("No event was chosen.", hint="Tick some, or replay all that the filter finds.")
        async with visit.app.database.transaction(visit.app.workspace_id) as conn:
            made = await replays.begin_replay(conn, connection.workspace_id, connection.id, chosen, clock.now())
        return go(f"{PLACE}/{connection.id}/replays/{made.id}")

    async def _found(self, visit: Visit) -> tuple[Connection, Replay]:
        connection = await connection_of(visit)
        given = visit.request.path_params["replay"]
        number = int(given) if given.isascii() and given.isdecimal() and len(given) < 18 else 0
        async with visit.app.database.transaction(visit.app.workspace_id) as conn:
            return connection, await replays.replay(conn, connection.id, number)

    async def _replay(self, visit: Visit) -> Response:
        connection, found = await self._found(visit)
        return self._show(visit, "replay.html", connection=connection, tabs=tabs_of(connection), replay=found)

    async def _part(self, visit: Visit) -> Response:
        _, found = await self._found(visit)
        return Response(self._draw("replayed.html", replay=found), media_type="text/html")

    async def _stream(self, visit: Visit) -> Response:
        await self._found(visit)

        async def draw() -> Part:
            _, found = await self._found(visit)
            return Part(self._draw("replayed.html", replay=found), over=found.state != "running")

        return self._streams.answer(visit, draw)

    async def _cancel(self, visit: Visit) -> Response:
        connection, found = await self._found(visit)
        async with visit.app.database.transaction(visit.app.workspace_id) as conn:
            await replays.cancel_replay(conn, connection.id, found.id, clock.now())
        return go(f"{PLACE}/{connection.id}/replays/{found.id}")


def _asked(visit: Visit) -> Mapping[str, str]:
    """The filter in the address, or of the form that was refused."""
    return visit.form or visit.request.query_params


def _wanted(given: Mapping[str, str]) -> tuple[Wanted, str]:
    """A filter as a person wrote it, and what is wrong with it: the rest of it counts all the same."""
    state = given.get("state", "")
    since, until = _moment(given.get("since", "")), _moment(given.get("until", ""))
    wrong = "" if not {since, until} & {_UNREADABLE} else "A moment of the filter cannot be read."
    found = Wanted(
        type=given.get("type", "").strip() or None,
        object_id=given.get("object", "").strip() or None,
        customer_id=given.get("customer", "").strip() or None,
        state=cast("State", state) if state in _STATES else None,
        since=None if since is _UNREADABLE else since,
        until=None if until is _UNREADABLE else until,
        limit=_SHOWN,
        after=given.get("after") or None,
    )
    return found, wrong


_UNREADABLE = datetime.min.replace(tzinfo=UTC)


def _moment(text: str) -> datetime | None:
    if not text.strip():
        return None
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return _UNREADABLE
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _pretty(payload: bytes) -> str:
    """A payload indented; as it came where it is not JSON."""
    try:
        return orjson.dumps(orjson.loads(payload), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return payload.decode(errors="replace")
