"""Phones and consents from a file: what each line would change, or why it is refused. Decisions only."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from bridged.core.errors import RequestInvalid
from bridged.profiles.contacts import CATEGORIES, Category, Consent, phones

COLUMNS = ("customer", "email", "phone", "utility", "marketing", "source", "text", "proof", "at")
_YES = {"yes", "y", "true", "1", "granted", "si", "sí", "sim", "ja", "oui"}
_NO = {"no", "n", "false", "0", "revoked", "nao", "não", "nein", "non"}
MOST_LINES = 100_000
_HINT = "docs/guide/whatsapp.md shows a file."


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file, as it stands there. `number` counts from 1, the heading included."""

    number: int
    fields: Mapping[str, str]

    def get(self, name: str) -> str:
        return self.fields.get(name, "").strip()


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that is left out, and why: a word that stays the same, and a sentence."""

    number: int
    reason: str
    said: str


@dataclass(frozen=True, slots=True)
class Phone:
    """A number that a customer gets. `shared_with`: others who have it, so that nobody would be written to."""

    number: int
    customer_id: str
    phone_e164: str
    shared_with: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Agreed:
    """A consent that changes."""

    number: int
    consent: Consent
    before: Literal["granted", "revoked", "none"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What applying the file would do. `unchanged`: lines that say what is known."""

    lines: int
    phones: tuple[Phone, ...]
    consents: tuple[Agreed, ...]
    refused: tuple[Refused, ...]
    unchanged: int


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the customers a file names. `by_email`: all with that address; `held`: canonical numbers."""

    ids: frozenset[str]
    by_email: Mapping[str, Sequence[str]]
    countries: Mapping[str, str | None]
    held: Mapping[str, set[str]]
    holders: Mapping[str, set[str]]
    consents: Mapping[tuple[str, Category], Consent]


def read(text: str) -> list[Line]:
    """The lines of a file, separated by commas, semicolons or tabs. Raises RequestInvalid."""
    text = text.removeprefix("\ufeff")
    heading = text.split("\n", 1)[0]
    separator = max(",;\t", key=heading.count)
    rows = csv.reader(io.StringIO(text.replace("\x00", "")), delimiter=separator)
    try:
        listed = [row for row in rows if any(each.strip() for each in row)]
    except csv.Error as error:
        raise RequestInvalid(f"The file is not CSV: {error}.", hint=_HINT) from None
    if not listed:
        raise RequestInvalid("The file is empty.", hint=_HINT)
    names = [each.strip().lower() for each in listed[0]]
    unknown = [each for each in names if each and each not in COLUMNS]
    if unknown or not {"customer", "email"} & set(names):
        what = f"Unknown columns: {', '.join(unknown)}." if unknown else "There is no column `customer` or `email`."
        raise RequestInvalid(f"{what} Known are {', '.join(COLUMNS)}.", hint=_HINT)
    if len(listed) > MOST_LINES:
        raise RequestInvalid(f"The file has more than {MOST_LINES} lines; cut it.", hint=_HINT)
    return [Line(number, dict(zip(names, row, strict=False))) for number, row in enumerate(listed[1:], 2)]


def named(lines: Sequence[Line]) -> tuple[list[str], list[str]]:
    """The ids and addresses that a file names."""
    ids = {each.get("customer") for each in lines if each.get("customer")}
    emails = {each.get("email").lower() for each in lines if not each.get("customer") and each.get("email")}
    return sorted(ids), sorted(emails)


def numbers(lines: Sequence[Line], known: Known, region: str | None) -> list[str]:
    """The canonical numbers a file would give out: for who has them already."""
    read_ = (_phone(each, _customer(each, known), known, region) for each in lines)
    return sorted({phones.canonical(each) for each in read_ if isinstance(each, str)})


def plan(lines: Sequence[Line], known: Known, region: str | None, now: datetime) -> Plan:
    """What the file would change. `region`: the country of numbers without a country code, if the customer has none."""
    made: list[Phone] = []
    agreed: list[Agreed] = []
    refused: list[Refused] = []
    unchanged = 0
    takers = _takers(lines, known, region)
    twice = Counter(customer for each in lines if isinstance(customer := _customer(each, known), str))
    for line in lines:
        customer = _customer(line, known)
        if isinstance(customer, str) and twice[customer] > 1:
            customer = Refused(line.number, "twice", f"The file has {customer} more than once.")
        phone = _phone(line, customer, known, region)
        consents = _consents(line, customer, known, now)
        bad = next((each for each in (customer, phone, consents) if isinstance(each, Refused)), None)
        if (
            bad is not None
            or not isinstance(customer, str)
            or isinstance(phone, Refused)
            or isinstance(consents, Refused)
        ):
            refused.append(bad or Refused(line.number, "no_customer", "There is no such customer."))
            continue
        new = phone is not None and phones.canonical(phone) not in known.held.get(customer, set())
        if phone is not None and new:
            others = takers[phones.canonical(phone)] - {customer}
            made.append(Phone(line.number, customer, phone, tuple(sorted(others))))
        agreed += consents
        unchanged += not new and not consents
    return Plan(len(lines), tuple(made), tuple(agreed), tuple(refused), unchanged)


def _takers(lines: Sequence[Line], known: Known, region: str | None) -> dict[str, set[str]]:
    """Who would have each number: those who have it, and those the file gives it to."""
    found = {canonical: set(who) for canonical, who in known.holders.items()}
    for line in lines:
        customer = _customer(line, known)
        phone = _phone(line, customer, known, region)
        if isinstance(customer, str) and isinstance(phone, str):
            found.setdefault(phones.canonical(phone), set()).add(customer)
    return found


def _customer(line: Line, known: Known) -> str | Refused:
    asked, email = line.get("customer"), line.get("email").lower()
    if asked:
        if asked in known.ids:
            return asked
        return Refused(line.number, "no_customer", f"There is no customer {asked} in the mirror.")
    found = known.by_email.get(email, ()) if email else ()
    if len(found) == 1:
        return found[0]
    if not found:
        return Refused(
            line.number, "no_customer", f"Nobody has the address {email!r}." if email else "It names nobody."
        )
    return Refused(line.number, "ambiguous", f"{len(found)} customers have the address {email!r}: name one by its id.")


def _phone(line: Line, customer: str | Refused, known: Known, region: str | None) -> str | Refused | None:
    text = line.get("phone")
    if not text or isinstance(customer, Refused):
        return None
    found = phones.read(text, known.countries.get(customer) or region)
    if found is None:
        return Refused(
            line.number, "invalid_phone", f"{text!r} is no phone number; begin it with + and the country code."
        )
    return found


def _consents(line: Line, customer: str | Refused, known: Known, now: datetime) -> list[Agreed] | Refused:
    if isinstance(customer, Refused):
        return []
    at = _at(line, now)
    if isinstance(at, Refused):
        return at
    changed: list[Agreed] = []
    for category in CATEGORIES:
        word = line.get(category).lower()
        if not word:
            continue
        if word not in _YES | _NO:
            return Refused(line.number, "unclear", f"{category} is {word!r}; write yes or no.")
        source = line.get("source")
        if word in _YES and not source:
            return Refused(line.number, "no_source", "A consent needs its source: how and where was it given?")
        given = Consent(
            customer, category, "granted" if word in _YES else "revoked", source or "import", at,
            line.get("text") or None, line.get("proof") or None,
        )  # fmt: skip
        judged = _changes(line, given, known)
        if isinstance(judged, Refused):
            return judged
        changed += judged
    return changed


def _changes(line: Line, given: Consent, known: Known) -> list[Agreed] | Refused:
    """What is newer than what is known counts; a file cannot overrule a STOP that came after it."""
    before = known.consents.get((given.customer_id, given.category))
    if before is None:
        return [Agreed(line.number, given, "none")]
    if before.state == given.state:
        return []
    if before.at > given.at:
        return Refused(
            line.number,
            "older",
            f"{given.category} was {before.state} on {before.at:%Y-%m-%d}, later than this line says.",
        )
    if given.state == "granted" and not line.get("at"):
        return Refused(
            line.number,
            "undated",
            f"{given.category} was revoked on {before.at:%Y-%m-%d}: say when it was given again.",
        )
    return [Agreed(line.number, given, before.state)]


def _at(line: Line, now: datetime) -> datetime | Refused:
    text = line.get("at")
    if not text:
        return now
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return Refused(line.number, "no_date", f"{text!r} is no date; write 2026-03-31 or 2026-03-31T10:00:00Z.")
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    if at > now:
        return Refused(line.number, "future", f"{text} has not come yet.")
    return at
