"""What a version of a playbook says: the document a person or a builder writes, checked and made ready to run."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import msgspec

from bridged.core.errors import RequestInvalid
from bridged.playbooks import conditions, rendering
from bridged.playbooks.conditions import EVERYONE, Condition
from bridged.playbooks.quiet import Quiet
from bridged.playbooks.spans import DAY, HOUR, Timing, anchored, minute, span
from bridged.profiles.moments import KINDS

Category = Literal["utility", "marketing", "internal"]
Entry = Literal["each", "one_at_a_time", "once"]
"""`each`: for every moment. `one_at_a_time`: not while one about the same object runs. `once`: once per customer."""
Act = Literal["template", "text", "alert"]
"""`text`: free text, only within 24 hours of the customer's last message. `alert`: for our own people."""
MOST_STEPS = 20
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_BODY = 1024
_Given = str | dict[str, Any]


class TextDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A text in one language, and what the template is called at WhatsApp."""

    body: str
    name: str
    code: str = ""
    footer: str = ""


class TriggerDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    moments: tuple[str, ...]
    when: _Given = ""
    days_ahead: int | None = None


class VariantDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    template: str
    when: _Given = ""


class StepDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    templates: tuple[VariantDoc, ...]
    after: str | None = None
    delay: str | None = None
    at: str | None = None
    when: _Given = ""
    wait_until: _Given = ""
    wait_max: str = "7d"
    late: str = "2d"
    max_age: str = "10m"
    act: Act = "template"


class EndsDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    related: tuple[str, ...] = ()
    customer: tuple[str, ...] = ()
    when: _Given | None = None


class CapDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: int
    per: str
    across: Literal["playbook", "category"] = "category"


class QuietDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    start: str
    end: str


class PlaybookDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A playbook as it is written, published and exported."""

    name: str
    category: Category
    trigger: TriggerDoc
    steps: tuple[StepDoc, ...]
    templates: dict[str, dict[str, TextDoc]]
    description: str = ""
    audience: _Given = ""
    exit: EndsDoc = EndsDoc()
    goal: EndsDoc = EndsDoc()
    caps: tuple[CapDoc, ...] | None = None
    quiet: QuietDoc = QuietDoc("20:00", "09:00")
    priority: int = 50
    holdout: int = 0
    language: str = "en"
    entry: Entry = "each"
    budget_usd: int | None = None
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Variant:
    """A text that may be sent, where `when` holds and every parameter of it is known."""

    template: str
    when: Condition


@dataclass(frozen=True, slots=True)
class Step:
    """One message. Seconds: `late` after it was due it is no use any more; facts may be `max_age` old."""

    timing: Timing
    variants: tuple[Variant, ...]
    when: Condition
    wait_until: Condition
    wait_max: int
    late: int
    max_age: int
    act: Act


@dataclass(frozen=True, slots=True)
class Ends:
    """What ends a run: a moment about the same object, any such moment of the customer, or a condition."""

    related: frozenset[str]
    customer: frozenset[str]
    when: Condition | None


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `limit` messages in `per` seconds to one customer."""

    limit: int
    per: int
    across: Literal["playbook", "category"]


@dataclass(frozen=True, slots=True)
class Text:
    """`code`: the language as WhatsApp names it."""

    name: str
    code: str
    body: str
    footer: str


@dataclass(frozen=True, slots=True)
class Playbook:
    """A version, ready to run. `when` is asked at the moment, `audience` then and before each message.

    `topic` says what the messages are about where that is not the moment itself: one week after a payment is another
    fact than the payment. Playbooks of one topic share the one message of a fact.
    """

    name: str
    category: Category
    moments: frozenset[str]
    when: Condition
    days_ahead: int | None
    audience: Condition
    steps: tuple[Step, ...]
    exit: Ends
    goal: Ends
    caps: tuple[Cap, ...]
    quiet: Quiet
    priority: int
    holdout: int
    language: str
    entry: Entry
    budget_usd: int | None
    topic: str
    templates: Mapping[str, Mapping[str, Text]]


CAPS: Mapping[Category, tuple[CapDoc, ...]] = {
    "utility": (CapDoc(4, "1d"),),
    "marketing": (CapDoc(1, "3d"), CapDoc(4, "30d")),
    "internal": (),
}


def read(given: object) -> PlaybookDoc:
    """The document of a playbook. Raises RequestInvalid that names the place."""
    try:
        return msgspec.convert(given, PlaybookDoc)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at ")
        where = place.strip("`").removeprefix("$.") or "playbook"
        raise RequestInvalid(
            f"{where}: {message}.", hint="docs/guide/playbooks.md lists what a playbook has."
        ) from None


def to_json(doc: PlaybookDoc) -> dict[str, Any]:
    """The document as it is stored and exported."""
    return cast("dict[str, Any]", msgspec.to_builtins(doc))


def whole(value: object) -> Any:
    """A document with everything it leaves to defaults, as plain values: for comparing two."""
    if isinstance(value, msgspec.Struct):
        return {name: whole(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Mapping):
        return {name: whole(each) for name, each in cast("Mapping[str, object]", value).items()}
    return [whole(each) for each in cast("tuple[object, ...]", value)] if isinstance(value, tuple) else value


def ready(doc: PlaybookDoc) -> Playbook:
    """The version, checked. Raises RequestInvalid that names the place and what to do."""
    _check(doc)
    templates = {key: {code: _text(one, code) for code, one in each.items()} for key, each in doc.templates.items()}
    return Playbook(
        name=doc.name,
        category=doc.category,
        moments=frozenset(doc.trigger.moments),
        when=conditions.read(doc.trigger.when, "trigger.when"),
        days_ahead=doc.trigger.days_ahead,
        audience=conditions.read(doc.audience, "audience"),
        steps=tuple(_step(each, f"steps[{number}]", doc) for number, each in enumerate(doc.steps)),
        exit=_ends(doc.exit, "exit"),
        goal=_ends(doc.goal, "goal"),
        caps=tuple(_cap(each, f"caps[{n}]") for n, each in enumerate(caps_of(doc))),
        quiet=Quiet(minute(doc.quiet.start, "quiet.start"), minute(doc.quiet.end, "quiet.end")),
        priority=doc.priority,
        holdout=doc.holdout,
        language=doc.language,
        entry=doc.entry,
        budget_usd=doc.budget_usd,
        topic=doc.topic,
        templates=templates,
    )


def caps_of(doc: PlaybookDoc) -> tuple[CapDoc, ...]:
    """Its caps, or those of its category where it names none."""
    return CAPS[doc.category] if doc.caps is None else doc.caps


def _wrong(place: str, message: str, hint: str = "") -> RequestInvalid:
    return RequestInvalid(f"{place}: {message}.", hint=hint or "docs/guide/playbooks.md lists what a playbook has.")


def _check(doc: PlaybookDoc) -> None:
    _check_numbers(doc)
    _check_moments(doc)
    for key, texts in doc.templates.items():
        _check_texts(key, texts, doc)
    alerts = {each.act == "alert" for each in doc.steps}
    if alerts != {doc.category == "internal"}:
        raise _wrong("steps", "`alert` is the act of internal playbooks, and their only one")


def _check_numbers(doc: PlaybookDoc) -> None:
    if not doc.name.strip():
        raise _wrong("name", "a playbook needs a name")
    if not 1 <= len(doc.steps) <= MOST_STEPS:
        raise _wrong("steps", f"1 to {MOST_STEPS} steps are needed")
    if not 0 <= doc.priority <= 100:
        raise _wrong("priority", "0 to 100, the highest wins")
    if not 0 <= doc.holdout <= 50:
        raise _wrong("holdout", "0 to 50 percent")
    if doc.budget_usd is not None and doc.budget_usd < 1:
        raise _wrong("budget_usd", "cents of a US dollar for a month, at least 1")
    if doc.trigger.days_ahead is not None and not 1 <= doc.trigger.days_ahead <= 365:
        raise _wrong("trigger.days_ahead", "1 to 365 days")


def _check_moments(doc: PlaybookDoc) -> None:
    if not doc.trigger.moments:
        raise _wrong("trigger.moments", "at least one kind of moment is needed", f"Known: {', '.join(KINDS)}.")
    named = {
        "trigger.moments": doc.trigger.moments,
        "exit.related": doc.exit.related,
        "exit.customer": doc.exit.customer,
        "goal.related": doc.goal.related,
        "goal.customer": doc.goal.customer,
    }
    for place, kinds in named.items():
        for kind in kinds:
            if kind not in KINDS:
                raise _wrong(place, f"there is no moment {kind!r}", f"Known: {', '.join(KINDS)}.")


def _check_texts(key: str, texts: Mapping[str, TextDoc], doc: PlaybookDoc) -> None:
    place = f"templates.{key}"
    if doc.language not in texts:
        raise _wrong(place, f"there is no text in {doc.language!r}, the language of the playbook")
    for language, text in texts.items():
        here = f"{place}.{language}"
        if not _NAME.fullmatch(text.name):
            raise _wrong(f"{here}.name", "small letters, digits and underscores, as WhatsApp wants it")
        if not 0 < len(text.body) <= _BODY:
            raise _wrong(f"{here}.body", f"1 to {_BODY} characters")
        if unknown := [each for each in rendering.placeholders(text.body) if each not in rendering.PARAMETERS]:
            known = ", ".join(rendering.PARAMETERS)
            raise _wrong(f"{here}.body", f"there is no parameter {unknown[0]!r}", f"Known: {known}.")
        if problem := rendering.unfit(text.body):
            raise _wrong(f"{here}.body", problem)


def _text(doc: TextDoc, language: str) -> Text:
    return Text(doc.name, doc.code or rendering.CODES.get(language, language), doc.body, doc.footer)


def _step(doc: StepDoc, place: str, whole: PlaybookDoc) -> Step:
    if not doc.templates:
        raise _wrong(f"{place}.templates", "at least one template is needed")
    for number, each in enumerate(doc.templates):
        if each.template not in whole.templates:
            raise _wrong(f"{place}.templates[{number}].template", f"there is no template {each.template!r}")
    timing = _timing(doc, place)
    ahead = whole.trigger.days_ahead
    if ahead is not None and timing.seconds < -ahead * DAY:
        raise _wrong(f"{place}.at", f"earlier than the {ahead} days ahead at which the playbook begins")
    return Step(
        timing=timing,
        variants=tuple(
            Variant(each.template, conditions.read(each.when, f"{place}.templates[{number}].when"))
            for number, each in enumerate(doc.templates)
        ),
        when=conditions.read(doc.when, f"{place}.when"),
        wait_until=conditions.read(doc.wait_until, f"{place}.wait_until"),
        wait_max=span(doc.wait_max, f"{place}.wait_max"),
        late=max(span(doc.late, f"{place}.late"), HOUR),
        max_age=span(doc.max_age, f"{place}.max_age"),
        act=doc.act,
    )


def _timing(doc: StepDoc, place: str) -> Timing:
    given = [each for each in (doc.after, doc.delay, doc.at) if each is not None]
    if len(given) != 1:
        raise _wrong(place, "exactly one of `after`, `delay` and `at` says when it is due")
    if doc.at is not None:
        return anchored(doc.at, f"{place}.at")
    if doc.delay is not None:
        return Timing("previous", span(doc.delay, f"{place}.delay"))
    return Timing("moment", span(given[0], f"{place}.after"))


def _ends(doc: EndsDoc, place: str) -> Ends:
    when = conditions.read(doc.when, f"{place}.when") if doc.when else None
    if when == EVERYONE:
        raise _wrong(f"{place}.when", "that would end every run at once")
    return Ends(frozenset(doc.related), frozenset(doc.customer), when)


def _cap(doc: CapDoc, place: str) -> Cap:
    per = span(doc.per, f"{place}.per")
    if not 1 <= doc.limit <= 1000 or not HOUR <= per <= 366 * DAY:
        raise _wrong(place, "1 to 1000 messages per 1h to 366d")
    return Cap(doc.limit, per, doc.across)
