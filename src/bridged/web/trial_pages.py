"""The chat tester: a question as a customer would ask it, the answer as their phone shows it, and what it rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

from starlette.responses import Response

from bridged import app as root
from bridged.accounts import Connection
from bridged.app import conversations, trials
from bridged.conversation.trials import MOST_ASKED, Trial
from bridged.core.errors import UsageError
from bridged.web.answers import lines_of
from bridged.web.conversations import LANGUAGES, LEVELS
from bridged.web.conversations import PLACE as CONVERSATIONS
from bridged.web.rendering import query
from bridged.web.visits import Page, Visit, go

PLACE = CONVERSATIONS + "/tester"
_FOUND = 8


class TrialPages:
    """The pages. `show` renders a template for a visit."""

    def __init__(self, show: Callable[..., Response]) -> None:
        self._show = show

    def table(self) -> list[Page]:
        """Every page of these. Asking may read at Stripe, which a viewer may not."""
        return [
            Page("GET", PLACE, "write", self._choose),
            Page("POST", PLACE, "write", self._begin, self._choose),
            Page("GET", PLACE + "/{trial}", "write", self._one),
            Page("POST", PLACE + "/{trial}", "write", self._ask, self._one),
        ]

    async def _choose(self, visit: Visit) -> Response:
        """Whose question it is, then the question."""
        given = visit.form or visit.request.query_params
        connections = await root.connections(visit.app, None)
        named = [each for each in connections if each.id == given.get("connection")]
        customer, text = given.get("customer", ""), given.get("q", "").strip().replace("\0", "")
        chosen = None
        if customer:
            found = await conversations.people(visit.app, named or connections, customer.replace("\0", ""), 1)
            chosen = next((each for each in found if each.customer_id == customer), None)
        people = [] if chosen else await conversations.people(visit.app, named or connections, text, _FOUND)
        return self._show(
            visit,
            "tester.html",
            connections=connections,
            names={each.id: each.name for each in connections},
            connection=named[0].id if named else "",
            chosen=chosen,
            people=people,
            text=text,
            question=given.get("text", "") or given.get("question", ""),
            level=given.get("level", "2"),
            language=given.get("language", ""),
            languages=LANGUAGES,
            query=query,
        )

    async def _begin(self, visit: Visit) -> Response:
        form = visit.form
        connection = await root.find_connection(visit.app, form.get("connection", ""))
        if not form.get("text", "").strip():
            raise UsageError("There is no question yet.", hint="Write what a customer would.")
        level, language = _manner(form)
        trial = await trials.begin(visit.app, connection, form.get("customer", ""), level, language, visit.actor)
        await trials.ask(visit.app, connection, trial, form["text"])
        return go(f"{PLACE}/{trial.id}")

    async def _found(self, visit: Visit) -> tuple[Connection, Trial]:
        return await trials.found(visit.app, visit.request.path_params["trial"])

    async def _one(self, visit: Visit) -> Response:
        connection, trial = await self._found(visit)
        people = await conversations.people(visit.app, [connection], trial.customer_id, 1)
        return self._show(
            visit,
            "trial.html",
            connection=connection,
            trial=trial,
            person=people[0] if people else None,
            facts=[lines_of(connection.id, each["facts"]) for each in trial.asked],
            level=visit.form.get("level", str(trial.level)),
            language=visit.form.get("language", trial.language or ""),
            languages=LANGUAGES,
            levels=LEVELS,
            most=MOST_ASKED,
            moment=_moment,
        )

    async def _ask(self, visit: Visit) -> Response:
        """The next question, or a button that was pressed."""
        connection, trial = await self._found(visit)
        form = visit.form
        pressed = form.get("pressed") or None
        if pressed is None:
            level, language = _manner(form)
            trial = replace(trial, level=level, language=language)
        await trials.ask(visit.app, connection, trial, form.get("text", ""), pressed)
        return go(f"{PLACE}/{trial.id}")


def _manner(form: Mapping[str, str]) -> tuple[Literal[1, 2], str | None]:
    """At what level and in which language a question is asked; without one, it is found out from the words."""
    language = form.get("language", "")
    return 1 if form.get("level") == "1" else 2, language if language in LANGUAGES else None


def _moment(unix: int) -> datetime:
    return datetime.fromtimestamp(unix, UTC)
