"""The editor of playbooks: a draft in several forms, each saved by itself, tried out, and published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from msgspec.structs import replace
from starlette.responses import Response

from bridged.accounts import Connection
from bridged.app import drafts, playbook_views
from bridged.app.drafts import Sheet
from bridged.core.errors import NotFound, UsageError
from bridged.playbooks import conditions, rendering, rows, wording
from bridged.playbooks.definitions import PlaybookDoc, VariantDoc, whole
from bridged.playbooks.publishing import Running
from bridged.playbooks.rows import Row
from bridged.web import playbook_forms as forms
from bridged.web.playbook_forms import Filled
from bridged.web.playbook_pages import ONE, PLACE, found, sample
from bridged.web.rendering import Given
from bridged.web.visits import Page, Visit, go

EDIT = ONE + "/edit"
_RUNNING = get_args(Running)
_SECTIONS = (
    ("", "Beginning"),
    ("/audience", "Audience"),
    ("/steps", "Steps and texts"),
    ("/ends", "End and goal"),
    ("/limits", "Limits"),
    ("/publish", "Publish"),
)
_BELONGS: tuple[tuple[str, str], ...] = (
    ("audience", "/audience"),
    ("steps", "/steps"),
    ("templates", "/steps"),
    ("exit", "/ends"),
    ("goal", "/ends"),
    ("trigger", ""),
    ("name", ""),
)
"""Where what is wrong at a place of the document is put right."""


class PlaybookEditor:
    """The pages. `show` renders a template for a visit, `draw` one without its frame, as text."""

    def __init__(self, show: Callable[..., Response], draw: Callable[..., str]) -> None:
        self._show = show
        self._draw = draw

    def table(self) -> list[Page]:
        """Every page of these."""
        sections = (
            ("", self._basics),
            ("/audience", self._audience),
            ("/steps", self._steps),
            ("/steps/{step}", self._step),
            ("/texts/{text}", self._text),
            ("/ends", self._ends),
            ("/limits", self._limits),
            ("/publish", self._publish),
        )
        saved = (
            ("", self._save_basics, self._basics),
            ("/audience", self._save_audience, self._audience),
            ("/steps", self._save_steps, self._steps),
            ("/steps/{step}", self._save_step, self._step),
            ("/texts/{text}", self._save_text, self._text),
            ("/ends", self._save_ends, self._ends),
            ("/limits", self._save_limits, self._limits),
            ("/publish", self._do_publish, self._publish),
            ("/discard", self._discard, self._publish),
        )
        return [
            *(Page("GET", EDIT + path, "admin", handler) for path, handler in sections),
            *(Page("POST", EDIT + path, "admin", handler, again) for path, handler, again in saved),
            Page("POST", EDIT + "/audience/part", "admin", self._counted),
            Page("POST", EDIT + "/texts/{text}/part", "admin", self._previewed),
        ]

    def _shown(
        self, visit: Visit, template: str, connection: Connection, sheet: Sheet, values: Mapping[str, str], **more: Any
    ) -> Response:
        """A section. `values`: what stands in its form, unless the form is shown again."""
        base = f"{PLACE}/{connection.id}/{sheet.id}"
        errors = more.pop("errors", {})
        response = self._show(
            visit,
            template,
            connection=connection,
            sheet=sheet,
            doc=sheet.current,
            base=base,
            edit=f"{base}/edit",
            tabs=[(f"{base}/edit{path}", name) for path, name in _SECTIONS],
            values=Given(more.pop("typed", None) or visit.form or values),
            errors=errors,
            saved=visit.request.query_params.get("saved", ""),
            say=wording,
            parameters=rendering.PARAMETERS,
            **more,
        )
        response.status_code = 422 if errors else 200
        return response

    async def _keep(
        self, visit: Visit, connection: Connection, sheet: Sheet, doc: PlaybookDoc, to: str = ""
    ) -> Response:
        await drafts.save(visit.app, connection, visit.actor, sheet.id, doc, _revision(visit))
        return go(f"{to or visit.request.url.path}?saved=1")

    # What begins it

    async def _basics(self, visit: Visit, errors: Mapping[str, str] | None = None) -> Response:
        connection, sheet = await found(visit)
        values = forms.basics(sheet.current)
        return self._shown(visit, "playbook_edit_basics.html", connection, sheet, values, errors=errors or {})

    async def _save_basics(self, visit: Visit) -> Response:
        connection, sheet = await found(visit)
        filled = forms.read_basics(visit.form, sheet.current)
        if filled.errors:
            return await self._basics(visit, filled.errors)
        return await self._keep(visit, connection, sheet, filled.doc)

    # Whom it is for

    async def _audience(
        self, visit: Visit, errors: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None
    ) -> Response:
        connection, sheet = await found(visit)
        values = typed or visit.form or forms.audience(sheet.current)
        shown = rows.rows_of(conditions.read(sheet.current.audience))
        listed = forms.rows_in(values, rows.MOST)
        filled = forms.read_audience(values, sheet.current, rows.MOST)
        # A page that is only opened does not wait for the count: it comes after it.
        later = "" if typed or visit.form else f"{PLACE}/{connection.id}/{sheet.id}/audience/part?of=draft"
        return self._shown(
            visit,
            "playbook_edit_audience.html",
            connection,
            sheet,
            values,
            typed=typed,
            errors=errors or {},
            listed=listed or [Row()],
            most=rows.MOST,
            nested=shown is None,
            options=rows.options(_currencies(connection), listed),
            operators=wording.OPERATORS,
            counted_text=forms.as_text(filled.doc.audience),
            counted=await self._counted_part(visit, connection, filled, later),
        )

    async def _counted_part(self, visit: Visit, connection: Connection, filled: Filled, later: str = "") -> str:
        """How an audience reads, and how many customers are like that; `later`: where their number is fetched from."""
        wrong = next(iter(filled.errors.values()), "")
        audience = filled.doc.audience
        count = not wrong and not later
        return self._draw(
            "playbook_counted.html",
            matching=await drafts.matching(visit.app, connection, audience) if count else None,
            condition=conditions.read(audience),
            text=conditions.text(conditions.read(audience)),
            wrong=wrong,
            later=later,
            say=wording,
        )

    async def _counted(self, visit: Visit) -> Response:
        """How many customers the rows describe, while they are being written."""
        connection, sheet = await found(visit)
        filled = forms.read_audience(visit.form, sheet.current, rows.MOST)
        part = await self._counted_part(visit, connection, filled)
        return Response(part, media_type="text/html")

    async def _save_audience(self, visit: Visit) -> Response:
        """By the button that was pressed: rows added or removed, counted, written as text, or saved."""
        connection, sheet = await found(visit)
        do, form = visit.form.get("do", "save"), dict(visit.form)
        listed = forms.rows_in(form, rows.MOST)
        if do == "add" or do.startswith("remove."):
            kept = _without(listed, do) if do != "add" else [*listed, Row()][: rows.MOST]
            return await self._audience(visit, typed={**form, **forms.row_values(form.get("join", "all"), kept)})
        filled = forms.read_audience(form, sheet.current, rows.MOST)
        if filled.errors:
            return await self._audience(visit, filled.errors)
        if do == "count":
            return await self._audience(visit)
        return await self._keep(visit, connection, sheet, filled.doc)

    # Steps

    async def _steps(self, visit: Visit) -> Response:
        connection, sheet = await found(visit)
        doc = sheet.current
        bodies = {
            key: sample(texts[doc.language].body) for key, texts in doc.templates.items() if doc.language in texts
        }
        return self._shown(visit, "playbook_edit_steps.html", connection, sheet, {}, bodies=bodies)

    async def _save_steps(self, visit: Visit) -> Response:
        connection, sheet = await found(visit)
        do = visit.form.get("do", "")
        if do == "text":
            doc, key = forms.with_text(sheet.current, sheet.id)
            to = f"{PLACE}/{connection.id}/{sheet.id}/edit/texts/{key}"
            return await self._keep(visit, connection, sheet, doc, to)
        doc, wrong = forms.steps_changed(sheet.current, do)
        if wrong:
            raise UsageError(wrong, hint="The list shows the steps there are.")
        return await self._keep(visit, connection, sheet, doc)

    async def _step(
        self,
        visit: Visit,
        errors: Mapping[str, str] | None = None,
        typed: Mapping[str, str] | None = None,
    ) -> Response:
        connection, sheet = await found(visit)
        number = _number(visit, sheet)
        values = forms.step(sheet.current.steps[number])
        return self._shown(
            visit,
            "playbook_edit_step.html",
            connection,
            sheet,
            values,
            typed=typed,
            errors=errors or {},
            number=number,
            listed=forms.variants_in(typed or visit.form or values),
            most=forms.MOST_TEXTS,
            units=forms.UNITS,
            anchors=wording.ANCHORS,
        )

    async def _save_step(self, visit: Visit) -> Response:
        connection, sheet = await found(visit)
        number, do, form = _number(visit, sheet), visit.form.get("do", "save"), dict(visit.form)
        if do == "add" or do.startswith("remove."):
            listed = forms.variants_in(form)
            first = next(iter(sheet.current.templates))
            kept = [*listed, VariantDoc(first)][: forms.MOST_TEXTS] if do == "add" else _without(listed, do)
            again = {f"text.{n}.{part}": "" for n in range(len(listed)) for part in ("template", "when")}
            typed = {f"text.{n}.template": each.template for n, each in enumerate(kept)}
            typed |= {f"text.{n}.when": str(each.when) for n, each in enumerate(kept)}
            return await self._step(visit, typed={**form, **again, **typed, "rows": str(len(kept))})
        filled = forms.read_step(form, sheet.current, number)
        if filled.errors:
            return await self._step(visit, filled.errors)
        return await self._keep(visit, connection, sheet, filled.doc)

    # Texts

    async def _text(self, visit: Visit, errors: Mapping[str, str] | None = None) -> Response:
        connection, sheet = await found(visit)
        key = _key(visit, sheet)
        values = forms.texts(sheet.current, key)
        typed = visit.form or values
        known = sheet.current.templates[key]
        return self._shown(
            visit,
            "playbook_edit_text.html",
            connection,
            sheet,
            values,
            errors=errors or {},
            key=key,
            texts=known,
            others=[each for each in wording.LANGUAGES if each not in known],
            preview=self._preview_part(typed, known),
        )

    def _preview_part(self, form: Mapping[str, str], known: Mapping[str, Any]) -> str:
        shown = [
            (each, sample(form.get(f"body.{each}", "").strip()), form.get(f"footer.{each}", "").strip())
            for each in known
        ]
        return self._draw("playbook_phones.html", shown=shown, say=wording)

    async def _previewed(self, visit: Visit) -> Response:
        """The texts as a phone shows them, while they are being written."""
        _, sheet = await found(visit)
        known = sheet.current.templates[_key(visit, sheet)]
        return Response(self._preview_part(visit.form, known), media_type="text/html")

    async def _save_text(self, visit: Visit) -> Response:
        connection, sheet = await found(visit)
        key, do = _key(visit, sheet), visit.form.get("do", "save")
        filled = forms.read_texts(visit.form, sheet.current, key, sheet.doc)
        if do == "preview":
            return await self._text(visit, filled.errors)
        if filled.errors:
            return await self._text(visit, filled.errors)
        doc = filled.doc
        word, _, language = do.partition(".")
        if do == "add" and visit.form.get("language") in wording.LANGUAGES:
            doc = forms.with_language(doc, key, visit.form["language"])
        if word == "remove":
            doc = forms.without_language(doc, key, language)
        return await self._keep(visit, connection, sheet, doc)

    # End, goal and limits

    async def _ends(self, visit: Visit, errors: Mapping[str, str] | None = None) -> Response:
        connection, sheet = await found(visit)
        values = forms.ends(sheet.current)
        return self._shown(visit, "playbook_edit_ends.html", connection, sheet, values, errors=errors or {})

    async def _save_ends(self, visit: Visit) -> Response:
        connection, sheet = await found(visit)
        filled = forms.read_ends(visit.form, sheet.current)
        if filled.errors:
            return await self._ends(visit, filled.errors)
        return await self._keep(visit, connection, sheet, filled.doc)

    async def _limits(
        self, visit: Visit, errors: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None
    ) -> Response:
        connection, sheet = await found(visit)
        values = typed or visit.form or forms.limits(sheet.current)
        return self._shown(
            visit,
            "playbook_edit_limits.html",
            connection,
            sheet,
            values,
            typed=typed,
            errors=errors or {},
            count=forms.count_of(values, forms.MOST_CAPS),
            most=forms.MOST_CAPS,
            units=forms.UNITS,
            languages=forms.languages_of(sheet.current),
            usual=wording.caps(replace(sheet.current, caps=None)),
        )

    async def _save_limits(self, visit: Visit) -> Response:
        connection, sheet = await found(visit)
        do, form = visit.form.get("do", "save"), dict(visit.form)
        if do == "add" or do.startswith("remove."):
            return await self._limits(visit, typed={**form, "caps": "own", **_caps_again(form, do)})
        filled = forms.read_limits(form, sheet.current)
        if filled.errors:
            return await self._limits(visit, filled.errors)
        return await self._keep(visit, connection, sheet, filled.doc)

    # Publishing

    async def _publish(self, visit: Visit) -> Response:
        connection, sheet = await found(visit)
        wrong = forms.problem(sheet.current)
        changed = wording.changes(whole(sheet.doc), whole(sheet.current)) if sheet.doc else None
        return self._shown(
            visit,
            "playbook_edit_publish.html",
            connection,
            sheet,
            {},
            wrong=None if wrong is None else wording.sentence(wrong[1]),
            where=None if wrong is None else _section_of(wrong[0]),
            changed=changed,
            running=await playbook_views.under_way(visit.app, connection, sheet.id),
        )

    async def _do_publish(self, visit: Visit) -> Response:
        connection, sheet = await found(visit)
        chosen = visit.form.get("running", "finish")
        running: Running = next((each for each in _RUNNING if each == chosen), "finish")
        await drafts.publish(visit.app, connection, visit.actor, sheet.id, _revision(visit), running)
        return go(f"{PLACE}/{connection.id}/{sheet.id}")

    async def _discard(self, visit: Visit) -> Response:
        connection, sheet = await found(visit)
        await drafts.discard(visit.app, connection, sheet.id, _revision(visit))
        return go(f"{PLACE}/{connection.id}/{sheet.id}" if sheet.doc else f"{PLACE}/{connection.id}")


def _revision(visit: Visit) -> int:
    given = visit.form.get("revision", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 9 else 0


def _number(visit: Visit, sheet: Sheet) -> int:
    """The step in the path, counted from 0 here and from 1 there. Raises NotFound."""
    given = visit.request.path_params["step"]
    number = int(given) if given.isascii() and given.isdecimal() and len(given) < 4 else 0
    if not 1 <= number <= len(sheet.current.steps):
        raise NotFound("There is no such step.", hint="The list of steps shows them.")
    return number - 1


def _key(visit: Visit, sheet: Sheet) -> str:
    """The text in the path. Raises NotFound."""
    given = visit.request.path_params["text"]
    if given not in sheet.current.templates:
        raise NotFound("There is no such text.", hint="The list of steps shows them.")
    return given


def _without(listed: list[Any], do: str) -> list[Any]:
    number = do.partition(".")[2]
    return [each for place, each in enumerate(listed) if str(place) != number]


def _caps_again(form: Mapping[str, str], do: str) -> dict[str, str]:
    """The rows of caps as typed, one more or one less."""
    count = forms.count_of(form, forms.MOST_CAPS)
    listed = [{part: form.get(f"cap.{n}.{part}", "") for part in ("limit", "per", "per.unit", "across")}
              for n in range(count)]  # fmt: skip
    fresh = {"limit": "1", "per": "7", "per.unit": "d", "across": "playbook"}
    kept = [*listed, fresh][: forms.MOST_CAPS] if do == "add" else _without(listed, do)
    shown = {f"cap.{n}.{part}": value for n, each in enumerate(kept) for part, value in each.items()}
    return {**shown, "rows": str(len(kept))}


def _currencies(connection: Connection) -> list[str]:
    """In which amounts may be asked for: the account's own first."""
    return list(dict.fromkeys([*filter(None, [connection.default_currency]), "usd", "eur", "gbp"]))


def _section_of(place: str) -> str:
    """The section where what is wrong at a place is put right."""
    return next((section for begins, section in _BELONGS if place.startswith(begins)), "/limits")
