"""The forms of the editor of playbooks: what stands in them, and what they say, each error at its field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar, cast, get_args

from msgspec.structs import replace

from bridged.core.errors import RequestInvalid
from bridged.playbooks import conditions, rendering, spans, wording
from bridged.playbooks.definitions import (
    CAPS,
    MOST_STEPS,
    Act,
    CapDoc,
    Category,
    EndsDoc,
    Entry,
    PlaybookDoc,
    QuietDoc,
    StepDoc,
    TextDoc,
    TriggerDoc,
    VariantDoc,
    ready,
)
from bridged.playbooks.rows import Row, condition_of, rows_of
from bridged.profiles.moments import KINDS

UNITS: Mapping[str, str] = {"m": "minutes", "h": "hours", "d": "days"}
LONGEST: Mapping[str, int] = {"name": 80, "description": 300}
MOST_CAPS = 5
MOST_TEXTS = 5
_ENDINGS = ("exit.related", "exit.customer", "goal.related", "goal.customer")
_Value = TypeVar("_Value")
_VERSIONED = re.compile(r"(.*?)(?:_v(\d{1,4}))?")


@dataclass(frozen=True, slots=True)
class Filled:
    """What a form says. `errors`: by the name of the input; with any, `doc` is as it was."""

    doc: PlaybookDoc
    errors: Mapping[str, str]


@dataclass(slots=True)
class _Reading:
    """A form being read. A wrong input is noted at its name and counts as something harmless."""

    form: Mapping[str, str]
    errors: dict[str, str] = field(default_factory=dict[str, str])

    def text(self, name: str) -> str:
        return self.form.get(name, "").replace("\r\n", "\n").strip()

    def whole(self, name: str, low: int, high: int, what: str) -> int:
        given = self.text(name)
        if given.isascii() and given.isdecimal() and len(given) < 9 and low <= int(given) <= high:
            return int(given)
        self.errors[name] = f"Write a whole number from {low} to {high}{what}."
        return low

    def span(self, name: str) -> str:
        """A length of time, of the inputs `name` and `name.unit`."""
        unit = self.form.get(f"{name}.unit", "d")
        return f"{self.whole(name, 0, 99_999, '')}{unit if unit in UNITS else 'd'}"

    def condition(self, name: str) -> str:
        return self.read(name, lambda: _normal(self.text(name)), "")

    def read(self, name: str, read: Callable[[], _Value], otherwise: _Value) -> _Value:
        try:
            return read()
        except RequestInvalid as error:
            self.errors[name] = wording.sentence(error.message)
            return otherwise

    def one_of(self, name: str, known: Sequence[str]) -> str:
        given = self.form.get(name, "")
        if given not in known:
            self.errors[name] = "Choose one of these."
        return given if given in known else known[0]

    def ticked(self, prefix: str) -> tuple[str, ...]:
        return tuple(each for each in KINDS if self.form.get(f"{prefix}.{each}"))

    def done(self, before: PlaybookDoc, after: PlaybookDoc, places: Mapping[str, str]) -> Filled:
        """`places`: which input stands for which place of the document, for what only the whole shows."""
        if not self.errors:
            self._whole(after, places)
        return Filled(before if self.errors else after, self.errors)

    def _whole(self, after: PlaybookDoc, places: Mapping[str, str]) -> None:
        found = problem(after)
        if found is None:
            return
        place, message = found
        for known, name in places.items():
            if place == known or place.startswith((known + ".", known + "[")):
                self.errors[name] = wording.sentence(message)
                return


def count_of(form: Mapping[str, str], most: int) -> int:
    """How many rows a form has."""
    given = form.get("rows", "")
    return min(int(given), most) if given.isascii() and given.isdecimal() and len(given) < 4 else 0


def problem(doc: PlaybookDoc) -> tuple[str, str] | None:
    """The first thing that keeps a document from being published: its place, and what is wrong."""
    try:
        ready(doc)
    except RequestInvalid as error:
        place, _, message = error.message.partition(": ")
        return (place, message) if message else ("", place)
    return None


def _normal(source: str) -> str:
    """A condition as text; nothing for everyone. Raises RequestInvalid."""
    found = conditions.parse(source) if source else conditions.EVERYONE
    return "" if found == conditions.EVERYONE else conditions.text(found)


def as_text(given: object) -> str:
    """A condition of a document as its text; nothing for everyone."""
    found = conditions.read(given)
    return "" if found == conditions.EVERYONE else conditions.text(found)


def _parted(given: str) -> tuple[str, str]:
    """`3d` as its number and unit."""
    return given[:-1], given[-1:]


# --- what begins it ---


def basics(doc: PlaybookDoc) -> dict[str, str]:
    """What stands in the form."""
    return {
        "name": doc.name,
        "description": doc.description,
        "category": doc.category,
        "entry": doc.entry,
        "when": as_text(doc.trigger.when),
        "days_ahead": "" if doc.trigger.days_ahead is None else str(doc.trigger.days_ahead),
        **{f"moment.{each}": "on" for each in doc.trigger.moments},
    }


def read_basics(form: Mapping[str, str], doc: PlaybookDoc) -> Filled:
    """Name, kind, and what begins it."""
    reading = _Reading(form)
    for name, most in LONGEST.items():
        if len(reading.text(name)) > most:
            reading.errors[name] = f"At most {most} characters."
    if not reading.text("name"):
        reading.errors["name"] = "A playbook needs a name."
    moments = reading.ticked("moment")
    if not moments:
        reading.errors["moments"] = "Choose at least one thing that begins it."
    ahead = reading.whole("days_ahead", 1, 365, " days") if reading.text("days_ahead") else None
    category = cast("Category", reading.one_of("category", get_args(Category)))
    steps = tuple(replace(each, act=_act(category, each.act)) for each in doc.steps)
    after = replace(
        doc,
        name=reading.text("name"),
        description=reading.text("description"),
        category=category,
        entry=cast("Entry", reading.one_of("entry", get_args(Entry))),
        trigger=TriggerDoc(moments, reading.condition("when"), ahead),
        steps=steps,
    )
    places = {"name": "name", "trigger.moments": "moments", "trigger.when": "when", "trigger": "days_ahead"}
    return reading.done(doc, after, places)


def _act(category: Category, act: Act) -> Act:
    if category == "internal":
        return "alert"
    return "template" if act == "alert" else act


# --- whom it is for ---


def audience(doc: PlaybookDoc) -> dict[str, str]:
    """Rows where the condition has them, and its text."""
    found = rows_of(conditions.read(doc.audience))
    values = {"text": as_text(doc.audience), "as": "text" if found is None else "rows"}
    join, rows = found or ("all", ())
    return {**values, **row_values(join, rows)}


def row_values(join: str, rows: Sequence[Row]) -> dict[str, str]:
    """Rows as inputs."""
    values = {"join": join, "rows": str(len(rows))}
    for number, row in enumerate(rows):
        values |= {f"row.{number}.field": row.field, f"row.{number}.op": row.op, f"row.{number}.value": row.value}
    return values


def rows_in(form: Mapping[str, str], most: int) -> list[Row]:
    """The rows of a form."""
    count = count_of(form, most)
    names = [f"row.{number}" for number in range(count)]
    return [Row(form.get(f"{n}.field", ""), form.get(f"{n}.op", "="), form.get(f"{n}.value", "")) for n in names]


def read_audience(form: Mapping[str, str], doc: PlaybookDoc, most: int) -> Filled:
    """Of the rows, or of the text where that was written."""
    reading = _Reading(form)
    if form.get("as") == "text":
        made = reading.condition("text")
    else:
        found, wrong = condition_of(form.get("join", "all"), rows_in(form, most))
        reading.errors |= {f"row.{number}.{part}": message for (number, part), message in wrong.items()}
        made = "" if found is None or found == conditions.EVERYONE else conditions.text(found)
    return reading.done(doc, replace(doc, audience=made), {})


# --- what ends it ---


def ends(doc: PlaybookDoc) -> dict[str, str]:
    """What stands in the form."""
    values = {"exit.when": as_text(doc.exit.when), "goal.when": as_text(doc.goal.when)}
    for name in _ENDINGS:
        part, _, which = name.partition(".")
        values |= {f"{name}.{each}": "on" for each in getattr(getattr(doc, part), which)}
    return values


def read_ends(form: Mapping[str, str], doc: PlaybookDoc) -> Filled:
    """Exits and the goal."""
    reading = _Reading(form)
    made = {
        part: EndsDoc(
            reading.ticked(f"{part}.related"),
            reading.ticked(f"{part}.customer"),
            reading.condition(f"{part}.when") or None,
        )
        for part in ("exit", "goal")
    }
    after = replace(doc, exit=made["exit"], goal=made["goal"])
    return reading.done(doc, after, {"exit.when": "exit.when", "goal.when": "goal.when"})


# --- limits ---


def limits(doc: PlaybookDoc) -> dict[str, str]:
    """What stands in the form."""
    caps = CAPS[doc.category] if doc.caps is None else doc.caps
    return {
        "priority": str(doc.priority),
        "holdout": str(doc.holdout),
        "language": doc.language,
        "budget": "" if doc.budget_usd is None else f"{doc.budget_usd / 100:.2f}",
        "quiet.start": doc.quiet.start,
        "quiet.end": doc.quiet.end,
        "caps": "usual" if doc.caps is None else "own",
        **cap_values(caps),
    }


def cap_values(caps: Sequence[CapDoc]) -> dict[str, str]:
    """Caps as inputs."""
    values = {"rows": str(len(caps))}
    for number, cap in enumerate(caps):
        amount, unit = _parted(cap.per)
        own = f"cap.{number}"
        values |= {f"{own}.limit": str(cap.limit), f"{own}.per": amount, f"{own}.per.unit": unit}
        values[f"{own}.across"] = cap.across
    return values


def read_limits(form: Mapping[str, str], doc: PlaybookDoc) -> Filled:
    """Caps, quiet hours, budget, priority, holdout, and the language to fall back to."""
    reading = _Reading(form)
    caps = _caps(reading) if form.get("caps") == "own" else None
    for name in ("quiet.start", "quiet.end"):
        reading.read(name, lambda name=name: spans.minute(reading.text(name), name), 0)
    after = replace(
        doc,
        priority=reading.whole("priority", 0, 100, ""),
        holdout=reading.whole("holdout", 0, 50, " percent"),
        language=reading.one_of("language", languages_of(doc)),
        budget_usd=_cents(reading),
        quiet=QuietDoc(reading.text("quiet.start"), reading.text("quiet.end")),
        caps=caps,
    )
    return reading.done(doc, after, {"templates": "language", "caps": "caps", "budget_usd": "budget"})


def languages_of(doc: PlaybookDoc) -> list[str]:
    """Languages in which every text is written: the others cannot be fallen back to."""
    return sorted(each for each in doc.templates[next(iter(doc.templates))] if _everywhere(doc, each))


def _everywhere(doc: PlaybookDoc, language: str) -> bool:
    return all(language in texts for texts in doc.templates.values())


def _caps(reading: _Reading) -> tuple[CapDoc, ...]:
    found: list[CapDoc] = []
    for number in range(count_of(reading.form, MOST_CAPS)):
        own = f"cap.{number}"
        limit, per = reading.whole(f"{own}.limit", 1, 1000, " messages"), reading.span(f"{own}.per")
        across = reading.one_of(f"{own}.across", ("category", "playbook"))
        seconds = reading.read(f"{own}.per", lambda per=per: spans.span(per, ""), spans.HOUR)
        if f"{own}.per" not in reading.errors and not spans.HOUR <= seconds <= 366 * spans.DAY:
            reading.errors[f"{own}.per"] = "From an hour to 366 days."
        found.append(CapDoc(limit, per, cast("Any", across)))
    return tuple(found)


def _cents(reading: _Reading) -> int | None:
    given = reading.text("budget")
    if not given:
        return None
    try:
        amount = Decimal(given)
    except InvalidOperation:
        amount = Decimal(0)
    if not amount.is_finite() or not Decimal("0.01") <= amount <= 1_000_000 or amount * 100 % 1:
        reading.errors["budget"] = "Write an amount of US dollars, as 25 or 12.50; nothing for no limit."
        return None
    return int(amount * 100)


# --- steps ---


def step(doc: StepDoc) -> dict[str, str]:
    """What stands in the form of one step."""
    values = {"act": doc.act, "when": as_text(doc.when), "wait_until": as_text(doc.wait_until)}
    for name in ("late", "wait_max", "max_age"):
        amount, unit = _parted(getattr(doc, name))
        values |= {name: amount, f"{name}.unit": unit}
    values |= _timing_values(doc)
    return values | variant_values(doc.templates)


def variant_values(variants: Sequence[VariantDoc]) -> dict[str, str]:
    """The texts of a step as inputs."""
    values = {"rows": str(len(variants))}
    for number, each in enumerate(variants):
        values |= {f"text.{number}.template": each.template, f"text.{number}.when": as_text(each.when)}
    return values


def _timing_values(doc: StepDoc) -> dict[str, str]:
    if doc.at is None:
        base = "moment" if doc.delay is None else "previous"
        amount, unit = _parted(doc.after or doc.delay or "0m")
        return {"timing": base, "due": amount, "due.unit": unit, "side": "after"}
    timing = spans.anchored(doc.at, "at")
    amount, unit = _parted(spans.written(abs(timing.seconds)))
    return {"timing": timing.base, "due": amount, "due.unit": unit, "side": "after" if timing.seconds > 0 else "before"}


def variants_in(form: Mapping[str, str]) -> list[VariantDoc]:
    """The texts of a step's form, as typed."""
    count = count_of(form, MOST_TEXTS)
    names = [f"text.{number}" for number in range(count)]
    return [VariantDoc(form.get(f"{each}.template", ""), form.get(f"{each}.when", "")) for each in names]


def read_step(form: Mapping[str, str], doc: PlaybookDoc, number: int) -> Filled:
    """One step, counted from 0."""
    reading = _Reading(form)
    variants: list[VariantDoc] = []
    for place, each in enumerate(variants_in(form)):
        if each.template not in doc.templates:
            reading.errors[f"text.{place}.template"] = "Choose one of the texts."
        variants.append(VariantDoc(each.template, reading.condition(f"text.{place}.when")))
    if not variants:
        reading.errors["texts"] = "A step needs a text."
    act = "alert" if doc.category == "internal" else reading.one_of("act", ("template", "text"))
    made = StepDoc(
        tuple(variants),
        **_timing(reading),
        when=reading.condition("when"),
        wait_until=reading.condition("wait_until"),
        wait_max=reading.span("wait_max"),
        late=reading.span("late"),
        max_age=reading.span("max_age"),
        act=cast("Act", act),
    )
    after = replace(doc, steps=(*doc.steps[:number], made, *doc.steps[number + 1 :]))
    own = f"steps[{number}]"
    places = {f"{own}.wait_max": "wait_max", f"{own}.late": "late", f"{own}.max_age": "max_age", own: "due"}
    return reading.done(doc, after, places)


def _timing(reading: _Reading) -> dict[str, Any]:
    base, due = reading.one_of("timing", ("moment", "previous", *spans.ANCHORS)), reading.span("due")
    if base in {"moment", "previous"}:
        return {"after" if base == "moment" else "delay": due}
    side = "-" if reading.form.get("side") == "before" else "+"
    return {"at": base if due[:-1] == "0" else f"{base} {side} {due}"}


def steps_changed(doc: PlaybookDoc, do: str) -> tuple[PlaybookDoc, str | None]:
    """A step added, removed or moved up, by the button that was pressed; or why it cannot be."""
    word, _, given = do.partition(".")
    number = int(given) if given.isascii() and given.isdecimal() and len(given) < 4 else -1
    steps = list(doc.steps)
    if word == "add" and len(steps) < MOST_STEPS:
        last = steps[-1]
        added = StepDoc(last.templates, delay="1d", late=last.late, act=last.act)
        return replace(doc, steps=(*steps, added)), None
    if word == "add":
        return doc, f"A playbook has at most {MOST_STEPS} steps."
    if not 0 <= number < len(steps):
        return doc, "There is no such step any more."
    if word == "remove" and len(steps) == 1:
        return doc, "A playbook needs a step."
    taken = steps.pop(number)
    if word == "earlier":
        steps.insert(max(number - 1, 0), taken)
    return replace(doc, steps=tuple(steps)), None


# --- texts ---


def texts(doc: PlaybookDoc, key: str) -> dict[str, str]:
    """What stands in the form of one text."""
    values: dict[str, str] = {}
    for language, text in doc.templates[key].items():
        values |= {f"body.{language}": text.body, f"footer.{language}": text.footer}
    return values


def read_texts(form: Mapping[str, str], doc: PlaybookDoc, key: str, published: PlaybookDoc | None) -> Filled:
    """One text in its languages. A body that differs from the published one gets a name of its own at WhatsApp: under
    the old name the old words are approved, and they would be sent.
    """
    reading = _Reading(form)
    known = published.templates.get(key, {}) if published else {}
    made = {
        language: _text(reading, language, text, known.get(language)) for language, text in doc.templates[key].items()
    }
    after = replace(doc, templates={**doc.templates, key: made})
    places = {f"templates.{key}.{language}": f"body.{language}" for language in made}
    return reading.done(doc, after, places)


def _text(reading: _Reading, language: str, text: TextDoc, published: TextDoc | None) -> TextDoc:
    body, footer = reading.text(f"body.{language}"), " ".join(reading.text(f"footer.{language}").split())
    name = f"body.{language}"
    unknown = [each for each in rendering.placeholders(body) if each not in rendering.PARAMETERS]
    if unknown:
        reading.errors[name] = f"There is no parameter {{{{{unknown[0]}}}}}."
    elif not 0 < len(body) <= 1024:
        reading.errors[name] = "Write 1 to 1,024 characters."
    elif wrong := rendering.unfit(body):
        reading.errors[name] = f"WhatsApp would refuse this: {wrong}."
    if len(footer) > 60:
        reading.errors[f"footer.{language}"] = "At most 60 characters."
    if published is None or (body, footer) == (published.body, published.footer):
        return replace(text, body=body, footer=footer, name=text.name if published is None else published.name)
    return replace(text, body=body, footer=footer, name=text.name if text.name != published.name else _next(text.name))


def _next(name: str) -> str:
    """`bridged_paid` becomes `bridged_paid_v2`, and that `bridged_paid_v3`."""
    found = _VERSIONED.fullmatch(name)
    assert found is not None
    return f"{found[1][:56]}_v{int(found[2] or 1) + 1}"


def with_language(doc: PlaybookDoc, key: str, language: str) -> PlaybookDoc:
    """The text in one more language, beginning as a copy of the one that is fallen back to."""
    given = doc.templates[key]
    source = given[doc.language]
    added = replace(source, code=rendering.CODES.get(language, language))
    return replace(doc, templates={**doc.templates, key: {**given, language: added}})


def without_language(doc: PlaybookDoc, key: str, language: str) -> PlaybookDoc:
    """The text without a language; the one that is fallen back to stays."""
    kept = {each: text for each, text in doc.templates[key].items() if each != language or each == doc.language}
    return replace(doc, templates={**doc.templates, key: kept})


def with_text(doc: PlaybookDoc, playbook_id: str) -> tuple[PlaybookDoc, str]:
    """One more text, in the language that is fallen back to; its key."""
    key = next(each for number in range(1, len(doc.templates) + 2) if (each := f"text_{number}") not in doc.templates)
    first = doc.templates[doc.steps[0].templates[0].template][doc.language]
    made = {doc.language: replace(first, name=f"{playbook_id}_{key}"[:60])}
    return replace(doc, templates={**doc.templates, key: made}), key
