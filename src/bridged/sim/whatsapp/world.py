"""The state behind the simulated Cloud API, and its rules for what may be sent."""

from __future__ import annotations

import random
import re
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal, cast

Json = dict[str, Any]
WINDOW = 24 * 3600.0
LATER = {131026, 131047, 131049, 131050, 130472}
"""Codes that Meta tells by a status, after it accepted the message; all others are the answer itself."""
STATUS = {190: 401, 0: 401, 3: 403, 10: 403, 368: 403, 131031: 403, 132001: 404, 131000: 500, 131016: 503, 131057: 503,
          1: 500, 2: 503}  # fmt: skip
"""The HTTP status that goes with a code; 400 with all others, 403 with 200 to 299."""


@dataclass
class Person:
    """Somebody with a phone. `wa_id`: its digits as WhatsApp names them; None: hidden behind a username."""

    wa_id: str | None
    bsuid: str
    username: str | None = None
    name: str = ""
    on_whatsapp: bool = True
    reads: bool = False
    stopped_marketing: bool = False
    wrote_at: float | None = None


@dataclass
class Number:
    """A business's number. `allowed`: the recipients of a test number; None: everybody."""

    id: str
    display: str
    waba_id: str
    token: str
    app_secret: str
    verify_token: str
    callback: str | None = None
    allowed: set[str] | None = None
    quality: str = "GREEN"


@dataclass
class Template:
    """A message template. `status` in Meta's words."""

    name: str
    language: str
    category: str
    components: list[Json]
    status: str = "APPROVED"
    id: str = ""
    quality: str = "UNKNOWN"

    def words(self) -> str:
        """The text of its body."""
        return next((str(each.get("text", "")) for each in self.components if each.get("type") == "BODY"), "")

    def slots(self) -> list[str]:
        """The names or numbers of its placeholders, in order, each once."""
        return list(dict.fromkeys(re.findall(r"\{\{\s*(\w+)\s*\}\}", self.words())))


@dataclass
class Fault:
    """What goes wrong, for a recipient (digits or BSUID; None: any), so many times.

    `code`: an error of that code, in the answer or (`status`) afterwards. `silence`: the message is taken and the
    answer never comes; `hang`: neither. `server_error`: 500 without a word, the message taken or (`lost`) not.
    """

    kind: Literal["answer", "status", "silence", "hang", "server_error", "lost"]
    code: int = 0
    to: str | None = None
    times: int = 1


@dataclass
class Sent:
    """A message that was taken."""

    wamid: str
    to: str
    body: Json
    at: float
    attempt: str | None
    text: str


class Refusal(Exception):
    """An error as the Graph API words it."""

    def __init__(self, code: int, message: str, details: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details or message

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return STATUS.get(self.code, 403 if 200 <= self.code < 300 else 400)

    def as_json(self) -> Json:
        """The body of the answer."""
        return {
            "error": {
                "message": f"(#{self.code}) {self.message}",
                "type": "OAuthException",
                "code": self.code,
                "error_data": {"messaging_product": "whatsapp", "details": self.details},
                "fbtrace_id": "A1b2C3d4E5",
            }
        }


@dataclass
class World:
    """Everything the simulator knows. `ahead`: seconds by which its clock is before the real one."""

    seed: int = 0
    pair_gap: float = 6.0
    per_second: int = 80
    at_once: bool = False
    """Errors that Meta tells later come as the answer instead."""
    ahead: float = 0.0
    numbers: dict[str, Number] = field(default_factory=dict[str, Number])
    people: list[Person] = field(default_factory=list[Person])
    templates: dict[tuple[str, str, str], Template] = field(default_factory=dict[tuple[str, str, str], Template])
    faults: list[Fault] = field(default_factory=list[Fault])
    sent: list[Sent] = field(default_factory=list[Sent])
    requests: list[Json] = field(default_factory=list[Json])
    """Every request to send, refused ones too: the body and what was answered."""
    _last: dict[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])
    _recent: deque[float] = field(default_factory=deque[float])

    def __post_init__(self) -> None:
        self.random = random.Random(f"whatsapp:{self.seed}")

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time() + self.ahead

    def add_number(self, display: str = "15550001111") -> Number:
        """A new number with its own account, token and secrets."""
        digits = self.random.randrange(10**14, 10**15)
        token = "EAA" + "".join(self.random.choices("ABCDEFGHabcdefgh0123456789", k=40))
        made = Number(str(digits), display, str(digits + 7), token, f"{self.random.getrandbits(128):032x}", "verify-me")
        self.numbers[made.id] = made
        return made

    def add_person(self, wa_id: str | None, **more: Any) -> Person:
        """A new person; the id is made up unless it is given."""
        bsuid = more.pop("bsuid", None) or f"US.{self.random.randrange(10**16, 10**17)}"
        made = Person(wa_id, bsuid, **more)
        self.people.append(made)
        return made

    def add_template(self, waba_id: str, name: str, language: str, text: str, category: str = "UTILITY") -> Template:
        """An approved template with a body."""
        made = Template(
            name, language, category, [{"type": "BODY", "text": text}], id=str(self.random.randrange(10**15))
        )
        self.templates[waba_id, name, language] = made
        return made

    def person(self, named: str) -> Person | None:
        """Who has these digits, in whichever spelling WhatsApp delivers to, or this id."""
        digits = named.removeprefix("+")
        return next((each for each in self.people if named == each.bsuid or _same(each.wa_id, digits)), None)

    def strike(self, to: str) -> Fault | None:
        """The fault that hits this message, once less from then on."""
        for each in self.faults:
            if each.times > 0 and (each.to is None or each.to.removeprefix("+") == to.removeprefix("+")):
                each.times -= 1
                return each
        return None

    def open_window(self, person: Person) -> bool:
        """Whether a free message may be sent."""
        return person.wrote_at is not None and self.now() - person.wrote_at < WINDOW

    # What may be sent

    def take(self, number: Number, body: Json) -> Sent:
        """Takes a message. Raises Refusal, also for what Meta tells later: the caller knows `LATER`."""
        to = _recipient(body)
        self._pace(number, to)
        kind = body.get("type", "text")
        template = self._template(number, body) if kind == "template" else None
        text = filled(template, body) if template is not None else _free(kind, body)
        if number.display == to.removeprefix("+"):
            raise Refusal(131021, "Recipient cannot be sender")
        if number.allowed is not None and to not in number.allowed:
            raise Refusal(131030, "Recipient phone number not in allowed list")
        if template is not None and template.category == "AUTHENTICATION" and "to" not in body:
            raise Refusal(131062, "Business-scoped user IDs are not supported for this message")
        sent = Sent(self._wamid(), to, body, self.now(), _opaque(body), text)
        self._last[number.id, to] = self.now()
        return sent

    def doomed(self, body: Json, number: Number) -> int | None:
        """The code with which a message that was well formed fails all the same."""
        person = self.person(_recipient(body))
        if person is None or not person.on_whatsapp:
            return 131026
        if body.get("type") != "template":
            return None if self.open_window(person) else 131047
        asked = body["template"]
        template = self.templates.get((number.waba_id, asked["name"], asked["language"]["code"]))
        if template is not None and template.category == "MARKETING":
            if person.stopped_marketing:
                return 131050
            if (person.wa_id or "").startswith("1"):
                return 131049
        return None

    def _pace(self, number: Number, to: str) -> None:
        now = self.now()
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        if len(self._recent) >= self.per_second:
            raise Refusal(130429, "Rate limit hit")
        self._recent.append(now)
        if now - self._last.get((number.id, to), -1e9) < self.pair_gap - 0.01:
            raise Refusal(131056, "(Business Account, Consumer Account) pair rate limit hit")

    def _template(self, number: Number, body: Json) -> Template:
        asked = body.get("template")
        if not isinstance(asked, dict):
            raise Refusal(131008, "Required parameter is missing", "template")
        known = cast("Json", asked)
        language = cast("Json", known.get("language") or {}).get("code")
        found = self.templates.get((number.waba_id, str(known.get("name")), str(language)))
        if found is None or found.status in {"PENDING", "REJECTED"}:
            raise Refusal(
                132001, "Template name does not exist in the translation", f"{known.get('name')} in {language}"
            )
        if found.status == "PAUSED":
            raise Refusal(132015, "Template is paused")
        if found.status == "DISABLED":
            raise Refusal(132016, "Template is disabled")
        return found

    def _wamid(self) -> str:
        return f"wamid.{self.random.getrandbits(160):040X}"


def _same(wa_id: str | None, digits: str) -> bool:
    if wa_id is None:
        return False
    return wa_id == digits or _plain(wa_id) == _plain(digits)


def _plain(digits: str) -> str:
    """WhatsApp delivers to a number with and without the mobile marks of Mexico, Argentina and Brazil."""
    for prefix, kept, length in (("521", "52", 13), ("549", "54", 13)):
        if digits.startswith(prefix) and len(digits) == length:
            return kept + digits[len(prefix) :]
    return digits[:4] + digits[5:] if digits.startswith("55") and len(digits) == 13 and digits[4] == "9" else digits


def _recipient(body: Json) -> str:
    if body.get("messaging_product") != "whatsapp":
        raise Refusal(100, "Invalid parameter", "messaging_product")
    to = body.get("to") or body.get("recipient")
    if not isinstance(to, str):
        raise Refusal(131008, "Required parameter is missing", "to or recipient")
    if body.get("to") and not re.fullmatch(r"\+?[0-9]{7,15}", to):
        raise Refusal(131009, "Parameter value is not valid", "to")
    return to


def _opaque(body: Json) -> str | None:
    found = body.get("biz_opaque_callback_data")
    if found is not None and (not isinstance(found, str) or len(found) > 512):
        raise Refusal(131009, "Parameter value is not valid", "biz_opaque_callback_data")
    return found


def _free(kind: str, body: Json) -> str:
    part = body.get(kind)
    if not isinstance(part, dict):
        raise Refusal(131008, "Required parameter is missing", kind)
    said = cast("Json", part)
    if kind == "text":
        text = said.get("body")
        if not isinstance(text, str) or not text:
            raise Refusal(131008, "Required parameter is missing", "text.body")
        if len(text) > 4096:
            raise Refusal(131009, "Parameter value is not valid", "text.body is too long")
        return text
    if kind == "interactive":
        return _interactive(said)
    if kind == "document":
        if not said.get("link") and not said.get("id"):
            raise Refusal(131008, "Required parameter is missing", "document.link")
        return str(said.get("caption") or said.get("filename") or "")
    raise Refusal(131051, "Message type is not supported", kind)


def _interactive(said: Json) -> str:
    action = cast("Json", said.get("action") or {})
    buttons = cast("list[Any]", action.get("buttons") or [])
    sections = cast("list[Json]", action.get("sections") or [])
    rows = [row for each in sections for row in cast("list[Any]", each.get("rows") or [])]
    good = (said.get("type") == "button" and 1 <= len(buttons) <= 3) or (
        said.get("type") == "list" and 1 <= len(rows) <= 10 and action.get("button")
    )
    if not good:
        raise Refusal(131009, "Parameter value is not valid", "interactive.action")
    return str(cast("Json", said.get("body") or {}).get("text", ""))


def filled(template: Template, body: Json) -> str:
    """The text a person reads. Raises Refusal where the parameters are not the template's."""
    given = cast("list[Json]", body["template"].get("components") or [])
    parameters: list[Json] = []
    for each in given:
        if str(each.get("type", "")).lower() == "body":
            parameters += cast("list[Json]", each.get("parameters") or [])
    slots = template.slots()
    if any(each.get("type") not in {"text", "currency", "date_time"} for each in parameters):
        raise Refusal(132012, "Parameter format does not match format in the created template")
    if len(parameters) != len(slots):
        detail = f"body: number of localizable_params ({len(parameters)}) does not match the expected ({len(slots)})"
        raise Refusal(132000, "Number of parameters does not match the expected number of params", detail)
    named = {str(each.get("parameter_name") or slots[index]): each for index, each in enumerate(parameters)}
    if set(named) != set(slots):
        raise Refusal(132000, "Number of parameters does not match the expected number of params", str(sorted(named)))
    text = re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda slot: str(named[slot[1]].get("text", "")), template.words())
    if len(text) > 1024:
        raise Refusal(132005, "Translated text too long")
    return text
