"""Playbooks in the dashboard: the catalogue, what each says and did, trying one out, and switching it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from starlette.responses import Response

from bridged import app as root
from bridged.accounts import Connection
from bridged.app import drafts, playbook_views, playbooks
from bridged.app.drafts import Sheet
from bridged.app.playbook_views import Card
from bridged.core.errors import NotFound, UsageError
from bridged.playbooks import catalogue, prices, rendering, wording
from bridged.playbooks.definitions import PlaybookDoc, caps_of, read, whole
from bridged.playbooks.policy import REASONS
from bridged.playbooks.publishing import Running
from bridged.playbooks.runs.store import Edge, Outcome, Sought
from bridged.web.rendering import query
from bridged.web.visits import Page, Visit, go

PLACE = "/playbooks"
ONE = PLACE + "/{connection}/{playbook}"
DAYS = 30
_SHOWN = 50
GROUPS: tuple[tuple[str, str, str], ...] = (
    ("A", "Activation", "What customers should know about their payments and plans."),
    ("Q", "Qualification", "Who needs attention now, or is close to buying."),
    ("N", "Nurture and conversion", "Staying in touch, winning back, and thanking."),
    ("", "Your own", "Made in this workspace."),
)
OUTCOMES: Mapping[Outcome, str] = {
    "sent": "A message was sent",
    "under_way": "Under way",
    "deferred": "Put off",
    "suppressed": "Not sent",
    "exited": "Ended before its last step",
    "completed": "Completed",
    "holdout": "Held out",
}


@dataclass(frozen=True, slots=True)
class Words:
    """A text as a phone shows it. `approval`: state at WhatsApp; empty: there is no number yet."""

    language: str
    name: str
    code: str
    body: str
    footer: str
    approval: str
    reason: str | None


def tabs_of(connection: Connection, playbook: str) -> list[tuple[str, str]]:
    """The pages about a playbook, as `parts.tabs` takes them."""
    own = f"{PLACE}/{connection.id}/{playbook}"
    names = (("", "Overview"), ("/try", "Try it"), ("/log", "Log"), ("/versions", "Versions"))
    return [(own + path, name) for path, name in names]


async def found(visit: Visit) -> tuple[Connection, Sheet]:
    """The connection and the playbook in the path. Raises NotFound."""
    given = visit.request.path_params
    connection = await root.find_connection(visit.app, given["connection"])
    return connection, await drafts.sheet(visit.app, connection, given["playbook"])


def sample(body: str) -> str:
    """A text with made-up values; a parameter that does not exist stays as it is written."""
    known = {name: catalogue.EXAMPLES.get(name, f"{{{{{name}}}}}") for name in rendering.placeholders(body)}
    return rendering.filled(body, known)


class PlaybookPages:
    """The pages. `show` renders a template for a visit, `draw` one without its frame, as text."""

    def __init__(self, show: Callable[..., Response], draw: Callable[..., str]) -> None:
        self._show = show
        self._draw = draw

    def table(self) -> list[Page]:
        """Every page of these."""
        overview, trying = self._overview, self._try
        return [
            Page("GET", PLACE, "read", self._catalogue),
            Page("GET", PLACE + "/{connection}", "read", self._catalogue),
            Page("POST", PLACE + "/{connection}", "admin", self._begin, self._catalogue),
            Page("GET", ONE, "read", overview),
            Page("GET", ONE + "/audience/part", "read", self._audience),
            Page("GET", ONE + "/try", "read", trying),
            Page("GET", ONE + "/try/past/part", "read", self._past),
            Page("GET", ONE + "/try/preview/part", "read", self._preview),
            Page("POST", ONE + "/test", "write", self._test, trying),
            Page("GET", ONE + "/log", "read", self._log),
            Page("GET", ONE + "/versions", "read", self._versions),
            Page("GET", ONE + "/switch", "admin", self._asked),
            Page("POST", ONE + "/switch", "admin", self._switch, self._asked),
        ]

    # The catalogue

    async def _catalogue(self, visit: Visit) -> Response:
        """Of one connection: that in the path, else the first that is live."""
        wanted = visit.request.path_params.get("connection")
        connections = await root.connections(visit.app, None)
        if wanted is not None:
            connection = await root.find_connection(visit.app, wanted)
        else:
            live = [each for each in connections if each.livemode]
            connection = next(iter([*live, *connections]), None)
        cards = await playbook_views.cards(visit.app, connection) if connection else []
        groups = [
            (title, about, chosen)
            for letter, title, about in GROUPS
            if (chosen := [each for each in cards if (each.number or "")[:1] == letter])
        ]
        return self._show(
            visit,
            "playbooks.html",
            connection=connection,
            connections=connections,
            groups=groups,
            cards=cards,
            on=len([each for each in cards if each.enabled_at]),
            say=wording,
            days=playbook_views.LATELY.days,
            most=playbook_views.MOST,
        )

    async def _begin(self, visit: Visit) -> Response:
        """A playbook of one's own, begun as a copy."""
        connection = await root.find_connection(visit.app, visit.request.path_params["connection"])
        name = " ".join(visit.form.get("name", "").split())
        if not name:
            raise UsageError("The new playbook needs a name.", hint="Such as: Thanks for a large order.")
        source = await drafts.sheet(visit.app, connection, visit.form.get("from", ""))
        made = _id_of(name, await playbook_views.cards(visit.app, connection))
        await drafts.begin_new(visit.app, connection, visit.actor, made, name, source.current)
        return go(f"{PLACE}/{connection.id}/{made}/edit")

    # One

    def _shown(self, visit: Visit, template: str, connection: Connection, sheet: Sheet, **values: Any) -> Response:
        return self._show(
            visit,
            template,
            connection=connection,
            sheet=sheet,
            doc=sheet.shown,
            base=f"{PLACE}/{connection.id}/{sheet.id}",
            tabs=tabs_of(connection, sheet.id),
            say=wording,
            **values,
        )

    async def _overview(self, visit: Visit) -> Response:
        connection, sheet = await found(visit)
        doc = sheet.shown
        approval = await playbook_views.approval(visit.app, connection)
        return self._shown(
            visit,
            "playbook.html",
            connection,
            sheet,
            channel=approval.channel,
            texts=texts_of(doc, approval),
            caps=wording.caps(doc) if caps_of(doc) else (),
            running=await playbook_views.under_way(visit.app, connection, sheet.id),
        )

    async def _audience(self, visit: Visit) -> Response:
        connection, sheet = await found(visit)
        doc = sheet.current if _of_draft(visit, sheet) else sheet.shown
        matching = await drafts.matching(visit.app, connection, doc.audience)
        return Response(self._draw("playbook_matching.html", matching=matching), media_type="text/html")

    # Trying it

    async def _try(self, visit: Visit) -> Response:
        """The page; with `show` what was asked for stands in it."""
        connection, sheet = await found(visit)
        asked = visit.request.query_params.get("show", "")
        drafted = _of_draft(visit, sheet)
        past = await self._past_of(visit, connection, sheet) if asked == "past" else ""
        preview = await self._preview_of(visit, connection, sheet) if asked == "preview" else ""
        doc = sheet.current if drafted else sheet.shown
        return self._shown(
            visit,
            "playbook_try.html",
            connection,
            sheet,
            drafted=drafted,
            past=past,
            preview=preview,
            languages=sorted(doc.templates[doc.steps[0].templates[0].template]),
            trying=doc,
            sent=visit.request.query_params.get("sent", ""),
            days=DAYS,
        )

    async def _past(self, visit: Visit) -> Response:
        shown = await self._past_of(visit, *await found(visit), focus=_pressed(visit))
        return Response(shown, media_type="text/html")

    async def _past_of(self, visit: Visit, connection: Connection, sheet: Sheet, *, focus: bool = False) -> str:
        drafted = {sheet.id: sheet.current} if _of_draft(visit, sheet) else None
        (outlook,) = await playbooks.dry_run(visit.app, connection, [sheet.id], DAYS, drafted)
        return self._draw(
            "playbook_past.html",
            outlook=outlook,
            days=DAYS,
            focus=focus,
            say=wording,
            connection=connection,
            dollars=outlook.micros / 1_000_000,
            prices_as_of=prices.AS_OF,
            internal=(sheet.current if drafted else sheet.shown).category == "internal",
        )

    async def _preview(self, visit: Visit) -> Response:
        return Response(
            await self._preview_of(visit, *await found(visit), focus=_pressed(visit)), media_type="text/html"
        )

    async def _preview_of(self, visit: Visit, connection: Connection, sheet: Sheet, *, focus: bool = False) -> str:
        doc = sheet.current if _of_draft(visit, sheet) else sheet.shown
        seen = await playbooks.preview(visit.app, connection, sheet.id, [], doc)
        return self._draw("playbook_preview.html", seen=seen, doc=doc, say=wording, connection=connection, focus=focus)

    async def _test(self, visit: Visit) -> Response:
        connection, sheet = await found(visit)
        phone = "".join(visit.form.get("phone", "").split())
        drafted = sheet.current if visit.form.get("of") == "draft" else sheet.shown
        if drafted.category == "internal":
            raise UsageError("This playbook sends nothing: it alerts your own people.", hint="Try it on the past.")
        language = visit.form.get("language") or None
        await playbooks.send_test(visit.app, connection, visit.actor, sheet.id, phone, language, drafted)
        return go(f"{PLACE}/{connection.id}/{sheet.id}/try{query(sent=phone, of=visit.form.get('of', ''))}")

    # What it did

    async def _log(self, visit: Visit) -> Response:
        connection, sheet = await found(visit)
        given = visit.request.query_params
        outcome, _, reason = given.get("outcome", "").partition(":")
        sought = Sought(
            outcome=cast("Outcome", outcome) if outcome in OUTCOMES else "",
            reason=reason if reason in REASONS else None,
            customer_id=given.get("customer", "").strip() or None,
            edge=_edge(given.get("after", "")),
        )
        lines, after = await playbook_views.log(visit.app, connection, sheet.id, sought, _SHOWN)
        filters = {"outcome": given.get("outcome", ""), "customer": given.get("customer", "").strip()}
        base = f"{PLACE}/{connection.id}/{sheet.id}/log"
        older = query(**filters, after=f"{after.at.isoformat()}~{after.run_id}") if after else ""
        return self._shown(
            visit,
            "playbook_log.html",
            connection,
            sheet,
            lines=lines,
            filters=filters,
            outcomes=OUTCOMES,
            reasons=REASONS,
            first=base + query(**filters) if given.get("after") else "",
            older=base + older if older else "",
        )

    async def _versions(self, visit: Visit) -> Response:
        connection, sheet = await found(visit)
        kept = await playbook_views.versions(visit.app, connection, sheet.id)
        built_in = catalogue.BY_ID.get(sheet.id)
        documents = [read(each.document) for each in kept]
        before = [*documents[1:], built_in.doc if built_in and kept and kept[-1].version == 1 else None]
        told = [
            (each, None if old is None else wording.changes(whole(old), whole(new)))
            for each, old, new in zip(kept, before, documents, strict=False)
        ]
        return self._shown(visit, "playbook_versions.html", connection, sheet, told=told)

    # Switching it

    async def _asked(self, visit: Visit) -> Response:
        """What will happen, before it does."""
        connection, sheet = await found(visit)
        if sheet.doc is None:
            raise NotFound("This playbook was never published.", hint="Publish its draft first.")
        asked = visit.request.query_params.get("show", "")
        past = await self._past_of(visit, connection, sheet) if asked == "past" else ""
        approval = await playbook_views.approval(visit.app, connection)
        return self._shown(
            visit,
            "playbook_switch.html",
            connection,
            sheet,
            past=past,
            days=DAYS,
            channel=approval.channel,
            missing=_unapproved(texts_of(sheet.doc, approval)),
            running=await playbook_views.under_way(visit.app, connection, sheet.id),
        )

    async def _switch(self, visit: Visit) -> Response:
        connection, sheet = await found(visit)
        running: Running = "finish" if visit.form.get("running") == "finish" else "stop"
        on = visit.form.get("on") == "yes"
        await playbooks.switch(visit.app, connection, visit.actor, sheet.id, on=on, running=running)
        return go(f"{PLACE}/{connection.id}/{sheet.id}")


def texts_of(doc: PlaybookDoc, approval: playbook_views.Approval) -> dict[str, list[Words]]:
    """Its texts by template, the playbook's own language first."""
    found: dict[str, list[Words]] = {}
    for key, texts in doc.templates.items():
        for language in sorted(texts, key=lambda each: (each != doc.language, each)):
            text = texts[language]
            code = text.code or rendering.CODES.get(language, language)
            known = ("missing", None) if approval.channel == "whatsapp" else ("", None)
            state, reason = approval.states.get((text.name, code), known)
            words = Words(language, text.name, code, sample(text.body), text.footer, state, reason)
            found.setdefault(key, []).append(words)
    return found


def _unapproved(texts: Mapping[str, list[Words]]) -> int:
    return len([1 for each in texts.values() for text in each if text.approval not in {"", "approved"}])


def _of_draft(visit: Visit, sheet: Sheet) -> bool:
    given = visit.form.get("of") or visit.request.query_params.get("of", "")
    return sheet.drafted is not None and (given == "draft" or sheet.doc is None)


def _pressed(visit: Visit) -> bool:
    """Whether a part came in the place of the button that was pressed for it, so that the focus is to follow."""
    return "show" in visit.request.query_params


def _id_of(name: str, cards: list[Card]) -> str:
    """An id from a name, with a number where it is taken."""
    plain = "".join(char if char.isascii() and char.isalnum() else "_" for char in name.lower())
    stem = "_".join(part for part in plain.split("_") if part)[:50]
    stem = stem if stem[:1].isalpha() else f"playbook_{stem}".rstrip("_")
    taken = {each.id for each in cards}
    return next(each for number in range(1, len(taken) + 3) if (each := _numbered(stem, number)) not in taken)


def _numbered(stem: str, number: int) -> str:
    return stem if number == 1 else f"{stem}_{number}"


def _edge(given: str) -> Edge:
    """Where a page begins, as its address says; from the beginning where that cannot be read."""
    at, _, run_id = given.partition("~")
    try:
        found = datetime.fromisoformat(at)
        return Edge(found, str(uuid.UUID(run_id))) if found.tzinfo else Edge()
    except ValueError:
        return Edge()
