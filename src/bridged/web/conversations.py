"""Conversations in the dashboard: the inbox, one of them as it goes on, and the questions that nobody answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast, get_args

from starlette.responses import Response

from bridged import app as root
from bridged.app import conversations, threads
from bridged.app.conversations import Opened
from bridged.conversation.alike import MOST_QUESTIONS
from bridged.conversation.inbox import Sought, Which, held_until, holder, masked, window_until
from bridged.core import clock
from bridged.core.errors import NotFound, UsageError
from bridged.web.answers import lines_of, titles_of
from bridged.web.connections import connection_of
from bridged.web.live import Part, Streams
from bridged.web.rendering import query
from bridged.web.visits import Page, Visit, go

PLACE = "/conversations"
_ONE = PLACE + "/{connection}/{thread}"
_SHOWN = 50
_GROUPS = 50
_CLOSING = timedelta(hours=2)
WHICH: Mapping[Which, str] = {
    "all": "All", "waiting": "Need a person", "taken": "Taken over", "unanswered": "Unanswered",
}  # fmt: skip
LANGUAGES: Mapping[str, str] = {"en": "English", "es": "Spanish", "pt": "Portuguese", "de": "German", "fr": "French"}
LEVELS: Mapping[int, str] = {0: "not known", 1: "known by number", 2: "proved by code"}
STATES: Mapping[str, tuple[str, str]] = {
    "queued": ("waiting to go out", "busy"), "sending": ("being sent", "busy"), "accepted": ("sent", ""),
    "sent": ("sent", ""), "delivered": ("delivered", ""), "read": ("read", "good"),
    "failed": ("not delivered", "bad"), "expired": ("not sent, too late", "bad"), "cancelled": ("not sent", "bad"),
    "unknown": ("perhaps sent", "warn"), "suppressed": ("not sent", "bad"),
}  # fmt: skip
"""What became of a message that goes out, and its mark."""
OUTCOMES: Mapping[str, str] = {
    "identity": "asked who they are", "choices": "not clear, buttons were offered", "handoff": "a person was called",
    "unanswered": "not answered", "dropped": "came too late for an answer",
}  # fmt: skip


class Conversations:
    """The pages. `show` renders a template for a visit, `draw` one without its frame, as text."""

    def __init__(self, show: Callable[..., Response], draw: Callable[..., str], streams: Streams) -> None:
        self._show = show
        self._draw = draw
        self._streams = streams

    def table(self) -> list[Page]:
        """Every page of these."""
        one, queue = self._one, self._unanswered
        posts = (
            ("take", self._take), ("return", self._hand_back), ("say", self._say), ("ticket", self._ticket),
            ("thumb", self._thumb), ("done", self._settle), ("ask-again", self._ask_again), ("forget", self._forget),
        )  # fmt: skip
        return [
            Page("GET", PLACE, "read", self._all),
            Page("GET", PLACE + "/live/{which}/part", "read", self._part_of_all),
            Page("GET", PLACE + "/live/{which}/stream", "read", self._stream_of_all),
            Page("GET", PLACE + "/unanswered", "read", queue),
            Page("POST", PLACE + "/unanswered", "write", self._done, queue),
            Page("GET", _ONE, "read", one),
            Page("GET", f"{_ONE}/live/part", "read", self._part),
            Page("GET", f"{_ONE}/live/stream", "read", self._stream),
            *(Page("POST", f"{_ONE}/{name}", "write", handler, one) for name, handler in posts),
        ]

    # The inbox

    async def _all(self, visit: Visit) -> Response:
        given = visit.request.query_params
        which, text, before = _which(given.get("which", "")), given.get("q", "").strip(), _edge(given.get("before", ""))
        sought = Sought(which, text.replace("\0", ""), _SHOWN, before)
        values = await self._listed(visit, sought)
        found = values["found"]
        older = ""
        if found.more:
            last = found.rows[-1].thread
            older = query(which=which, q=text, before=f"{last.said_at.astimezone(UTC).isoformat()}/{last.id}")
        return self._show(
            visit,
            "conversations.html",
            text=text,
            first=PLACE + query(which=which, q=text) if before else "",
            older=older,
            still=bool(text or before),
            **values,
        )

    async def _listed(self, visit: Visit, sought: Sought) -> dict[str, Any]:
        found = await conversations.look(visit.app, sought)
        return {
            "found": found, "which": sought.which, "whiches": WHICH, "languages": LANGUAGES, "levels": LEVELS,
            "masked": masked, "holder": holder, "window_until": window_until, "closing": _CLOSING,
            "me": visit.actor.name,
        }  # fmt: skip

    async def _drawn_all(self, visit: Visit, which: Which) -> Part:
        values = await self._listed(visit, Sought(which, limit=_SHOWN))
        return Part(self._draw("conversation_rows.html", now=clock.now(), text="", **values))

    async def _part_of_all(self, visit: Visit) -> Response:
        part = await self._drawn_all(visit, _named(visit))
        return Response(part.html, media_type="text/html")

    async def _stream_of_all(self, visit: Visit) -> Response:
        which = _named(visit)
        return self._streams.answer(visit, lambda: self._drawn_all(visit, which))

    # One of them

    async def _opened(self, visit: Visit) -> Opened:
        connection, before = await connection_of(visit), visit.request.query_params.get("before", "")
        number = int(before) if before.isascii() and before.isdecimal() and len(before) < 10 else None
        return await conversations.open_thread(visit.app, connection, visit.request.path_params["thread"], number)

    async def _values(self, visit: Visit) -> dict[str, Any]:
        found, now = await self._opened(visit), clock.now()
        thread = found.row.thread
        return {
            "opened": found, "row": found.row, "thread": thread, "base": f"{PLACE}/{found.connection.id}/{thread.id}",
            "holder": holder(thread, now), "held_until": held_until(thread, now), "until": window_until(thread),
            "closing": _CLOSING, "me": visit.actor.name, "writes": visit.may("write"), "masked": masked,
            "languages": LANGUAGES, "levels": LEVELS, "states": STATES, "outcomes": OUTCOMES,
            "facts": {each["number"]: lines_of(found.connection.id, each["facts"]) for each in found.turns},
            "buttons": {each["number"]: titles_of(each["interactive"]) for each in found.turns},
        }  # fmt: skip

    async def _one(self, visit: Visit) -> Response:
        given = visit.request.query_params
        return self._show(
            visit,
            "conversation.html",
            back=bool(given.get("before")),
            at_it="did" in given or bool(visit.form.get("text")),
            **await self._values(visit),
        )

    async def _drawn(self, visit: Visit) -> Part:
        return Part(self._draw("conversation_talk.html", now=clock.now(), **await self._values(visit)))

    async def _part(self, visit: Visit) -> Response:
        return Response((await self._drawn(visit)).html, media_type="text/html")

    async def _stream(self, visit: Visit) -> Response:
        await self._opened(visit)
        return self._streams.answer(visit, lambda: self._drawn(visit))

    async def _take(self, visit: Visit) -> Response:
        connection, thread = await connection_of(visit), visit.request.path_params["thread"]
        await threads.take(visit.app, connection, thread, visit.actor, visit.form.get("seen", ""))
        return _back(visit)

    async def _hand_back(self, visit: Visit) -> Response:
        connection, thread = await connection_of(visit), visit.request.path_params["thread"]
        await threads.hand_back(visit.app, connection, thread, visit.actor, visit.form.get("seen", ""))
        return _back(visit)

    async def _say(self, visit: Visit) -> Response:
        connection, thread = await connection_of(visit), visit.request.path_params["thread"]
        text = visit.form.get("text", "").replace("\r\n", "\n")
        await threads.say(visit.app, connection, thread, visit.actor, text, visit.form.get("seen", ""))
        return _back(visit)

    async def _ticket(self, visit: Visit) -> Response:
        await threads.close_ticket(visit.app, await connection_of(visit), visit.form.get("ticket", ""), visit.actor)
        return _back(visit)

    async def _thumb(self, visit: Visit) -> Response:
        connection, thread = await connection_of(visit), visit.request.path_params["thread"]
        thumb = {"1": 1, "-1": -1}.get(visit.form.get("thumb", ""), 0)
        await threads.rate(visit.app, connection, thread, _number(visit), thumb)
        return _back(visit)

    async def _settle(self, visit: Visit) -> Response:
        connection, thread = await connection_of(visit), visit.request.path_params["thread"]
        await threads.settle(visit.app, connection, thread, _number(visit), visit.actor)
        return _back(visit)

    async def _ask_again(self, visit: Visit) -> Response:
        await conversations.ask_again(
            visit.app, await connection_of(visit), visit.request.path_params["thread"], visit.actor
        )
        return _back(visit)

    async def _forget(self, visit: Visit) -> Response:
        await conversations.forget(
            visit.app, await connection_of(visit), visit.request.path_params["thread"], visit.actor
        )
        return _back(visit)

    # Questions that nobody answered

    async def _unanswered(self, visit: Visit) -> Response:
        groups, questions = await conversations.unanswered(visit.app)
        return self._show(
            visit,
            "unanswered.html",
            groups=groups[:_GROUPS],
            left=len(groups) - _GROUPS,
            questions=questions,
            most=MOST_QUESTIONS,
            done=visit.request.query_params.get("done", ""),
            outcomes=OUTCOMES,
        )

    async def _done(self, visit: Visit) -> Response:
        form = visit.form
        connection = await root.find_connection(visit.app, form.get("connection", ""))
        until = _moment(form.get("until", ""))
        if until is None:
            raise UsageError("It is not clear which questions are meant.", hint="Load the page again.")
        done = await conversations.settle_alike(visit.app, connection, form.get("key", ""), until, visit.actor)
        return go(f"{PLACE}/unanswered{query(done=done)}")


def _which(given: str) -> Which:
    return cast("Which", given) if given in get_args(Which) else "all"


def _named(visit: Visit) -> Which:
    """The list in the path. Raises NotFound."""
    which = visit.request.path_params["which"]
    if which not in get_args(Which):
        raise NotFound("There is no such list of conversations.", hint="Open Conversations again.")
    return cast("Which", which)


def _edge(given: str) -> tuple[datetime, str] | None:
    """Where a page begins: when the last thread before it was active, and its id."""
    moment, _, thread = given.partition("/")
    at = _moment(moment)
    shaped = len(thread) == 36 and all(each in "0123456789abcdef-" for each in thread)
    return (at, thread) if at is not None and shaped else None


def _moment(given: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _number(visit: Visit) -> int:
    given = visit.form.get("number", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else 0


def _back(visit: Visit) -> Response:
    """To the conversation, at what is written next."""
    given = visit.request.path_params
    return go(f"{PLACE}/{given['connection']}/{given['thread']}?did=1")
